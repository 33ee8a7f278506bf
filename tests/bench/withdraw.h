/* withdraw.h - the part of the benchmark about a consent that is taken back,
 * and about a no. */
#ifndef TESTS_BENCH_WITHDRAW_H
#define TESTS_BENCH_WITHDRAW_H
#include "tests/live/live.h"

/* Queues this many deliveries of one person for a planning office under a
 * consent, takes it back, and prints how long the hub needs to stop them all.
 * emergency (may be NULL) is done over and over meanwhile and returns how many
 * milliseconds it took; its worst is printed. from: a hospital's node. */
void bench_withdrawal(struct live *r, int from, size_t deliveries,
                      double (*emergency)(struct live *r));
/* How long a sender waits for the same no about a person who refused, who took
 * a consent back, who was never asked, and of whom nobody knows (I-13). */
void bench_silence(struct live *r, int from, size_t rounds);
#endif
