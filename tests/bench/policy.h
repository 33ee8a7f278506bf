/* policy.h - what deciding costs, without hub, network and disk. */
#ifndef TSUNAGI_BENCH_POLICY_H
#define TSUNAGI_BENCH_POLICY_H
/* Loads the pack in a folder, decides every situation that its rules tell
 * apart, and then one emergency over and over; prints both. */
void bench_policy(const char *folder);
#endif
