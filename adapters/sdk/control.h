/* control.h - the local socket of a running node: the command line asks here
 * while the adapter owns the spool. A ROUTER on ipc, for this user alone
 * (0600), speaking ASK and ANSWER. */
#ifndef TSUNAGI_SDK_CONTROL_H
#define TSUNAGI_SDK_CONTROL_H
#include "adapters/sdk/session.h"

enum err control_open(struct tsunagi_host *h, const char *path,
                      struct control **out) MUST_CHECK;
void control_close(struct control **c);
void *control_socket(struct control *c);
/* Takes the questions that wait. ERR_STORE, ERR_NOMEM. */
enum err control_receive(struct control *c, uint64_t boot_ms) MUST_CHECK;
/* An event got its answer: whoever waits for it is told. */
enum err control_answered(struct control *c, struct id event_id) MUST_CHECK;
/* Tells those whose time is over; after a commit. */
enum err control_timeouts(struct control *c, uint64_t boot_ms) MUST_CHECK;
#endif
