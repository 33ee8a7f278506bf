/* report.h - the part of the benchmark about a person's report. */
#ifndef TESTS_BENCH_REPORT_H
#define TESTS_BENCH_REPORT_H
#include "tests/live/live.h"

/* Lets the log have this many entries about one person and prints how long
 * `tsunagi audit report` needs for them, from nothing indexed and again; and
 * its greatest resident memory. from: a hospital's node. */
void bench_report(struct live *r, int from, size_t entries);
#endif
