/* powercut.c - tsunagi-powercut settle | cut [SEED]: what disk.h says, with
 * NOSYNC_ROOT and NOSYNC_SHADOW from the environment. settle: everything as it
 * is now is on disk; cut: the power goes. */
#include "tests/fault/disk.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "settle") == 0) {
        disk_settle();
    } else if (argc >= 2 && strcmp(argv[1], "cut") == 0) {
        disk_cut(argc > 2 ? strtoull(argv[2], NULL, 10) : 0);
    } else {
        fprintf(stderr, "usage: tsunagi-powercut settle | cut [SEED]\n");
        return 2;
    }
    return 0;
}
