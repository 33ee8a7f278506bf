/* log.h - what the log costs. */
#ifndef TESTS_BENCH_LOG_H
#define TESTS_BENCH_LOG_H
#include <sys/types.h>

/* CPU seconds a process has used. */
double bench_cpu(pid_t pid);
/* A leaf beside others in a commit, with the real store and signer, as a share
 * of the CPU that one accepted event costs the hub (seconds). */
void bench_append(double event_cpu);
/* Inclusion proofs in a log of a million leaves. */
void bench_proof(void);
#endif
