/* What a process that holds keys does first. */
#include "proto/base/process.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* In a child: the test itself stays traceable. */
static int hardened(void)
{
    struct rlimit core;
    process_harden();
    if (getrlimit(RLIMIT_CORE, &core) != 0 || core.rlim_max != 0)
        return 1;
#ifndef __SANITIZE_ADDRESS__
    if (prctl(PR_GET_DUMPABLE) != 0)
        return 2;
#endif
    return 0;
}

static void no_core_file_and_nobody_looks_in(void **state)
{
    (void)state;
    int status;
    pid_t pid = fork();
    if (pid == 0)
        _exit(hardened());
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_core_file_and_nobody_looks_in),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
