/* clock_test.c - both clocks run, and in milliseconds. */
#include "proto/base/clock.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>
/* cmocka.h needs those above */
#include <cmocka.h>

static void wall_time_is_unix_milliseconds(void **state)
{
    (void)state;
    uint64_t before = (uint64_t)time(NULL), ms = clock_wall_ms();
    assert_in_range(ms / 1000, before, before + 5);
}

static void boot_time_counts_milliseconds(void **state)
{
    (void)state;
    const struct timespec wait = {0, 20000000};
    uint64_t a = clock_boot_ms();
    nanosleep(&wait, NULL);
    assert_in_range(clock_boot_ms() - a, 19, 2000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wall_time_is_unix_milliseconds),
        cmocka_unit_test(boot_time_counts_milliseconds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
