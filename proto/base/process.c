/* process.c - hygiene of a process that holds keys: what it has in memory gets
 * into no core file, no debugger of the same user and, where the limits allow,
 * no swap. Root is not kept out by any of it. */
#include "proto/base/process.h"
#include "proto/base/log.h"
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#define PROBE_BYTES 4096

static bool memory_locks(void)
{
    char probe[PROBE_BYTES] = {0};
    bool locks = mlock(probe, sizeof(probe)) == 0;
    if (locks)
        munlock(probe, sizeof(probe));
    return locks;
}

void process_harden(void)
{
    struct rlimit none = {0, 0};
    if (setrlimit(RLIMIT_CORE, &none) != 0)
        log_warn("process: core dumps stay on");
#ifndef __SANITIZE_ADDRESS__ /* its leak check has to attach to the process */
    if (prctl(PR_SET_DUMPABLE, 0) != 0)
        log_warn("process: other processes may look into it");
#endif
    if (!memory_locks())
        log_warn("process: memory cannot be locked (LimitMEMLOCK); use no "
                 "swap, or an encrypted one");
}
