/* erasure.h - obeying an order to forget a person: first the module and its
 * files, then the spool, then the answer to the hub. */
#ifndef TSUNAGI_SDK_ERASURE_H
#define TSUNAGI_SDK_ERASURE_H
#include "adapters/sdk/session.h"

/* Obeys what came with the last lease. A node whose module is not running does
 * nothing: its files would be left behind. ERR_STORE, ERR_NOMEM. */
enum err erasure_run(struct tsunagi_host *h) MUST_CHECK;
#endif
