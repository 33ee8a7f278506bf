/* verify.h - the part of the benchmark about verifying a log. */
#ifndef TESTS_BENCH_VERIFY_H
#define TESTS_BENCH_VERIFY_H
#include <stddef.h>

/* Makes an export of so many leaves with the real tree and prints how long
 * `tsunagi audit verify` needs for it, its CPU and its memory. */
void bench_verify(size_t leaves);
#endif
