/* clock.h - the two clocks: wall time for records, boot time for waiting. */
#ifndef TSUNAGI_BASE_CLOCK_H
#define TSUNAGI_BASE_CLOCK_H
#include <stdint.h>
uint64_t clock_wall_ms(void); /* Unix milliseconds */
uint64_t clock_boot_ms(void); /* never steps, counts suspension */
#endif
