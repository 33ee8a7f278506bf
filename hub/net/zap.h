/* zap.h - who may connect: the ZAP handler (ZeroMQ RFC 27). CURVE without one
 * lets every key in, so it is bound before any server socket and proved at
 * start by a canary (net.h). Served from the one thread of the hub. */
#ifndef TSUNAGI_NET_ZAP_H
#define TSUNAGI_NET_ZAP_H
#include "hub/core/registry.h"

struct zap;
/* registry: where the current snapshot is found (borrowed, may change). */
enum err zap_open(void *zmq, const struct registry *const *registry,
                  struct zap **out) MUST_CHECK;
void zap_close(struct zap **z);
void *zap_socket(const struct zap *z); /* for zmq_poll */
/* Answers every waiting request: 200 and the node's name as User-Id for the
 * CURVE key of an active node, 400 for all else. */
void zap_serve(struct zap *z);
uint64_t zap_refused(const struct zap *z); /* requests answered 400 so far */
#endif
