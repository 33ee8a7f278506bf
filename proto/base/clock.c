/* clock.c - both clocks in milliseconds.
 *
 * Waiting uses CLOCK_BOOTTIME: CLOCK_MONOTONIC stands still while a laptop
 * sleeps, and a deadline that slept with it would fire hours late. */
#include "proto/base/clock.h"
#include <assert.h>
#include <time.h>

static uint64_t read_ms(clockid_t which)
{
    struct timespec t;
    int rc = clock_gettime(which, &t);
    assert(rc == 0 && t.tv_sec >= 0);
    (void)rc;
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

uint64_t clock_wall_ms(void)
{
    return read_ms(CLOCK_REALTIME);
}

uint64_t clock_boot_ms(void)
{
    return read_ms(CLOCK_BOOTTIME);
}
