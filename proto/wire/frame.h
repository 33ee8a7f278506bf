/* frame.h - one message on a ZeroMQ socket: "TSN1", verb, body (W-100..). */
#ifndef TSUNAGI_WIRE_FRAME_H
#define TSUNAGI_WIRE_FRAME_H
#include "proto/base/buf.h"
#define FRAME_VERSION "TSN1"
#define FRAME_MAX (512 * 1024)
#define EVENT_BODY_MAX (256 * 1024)
#define FRAME_ROUTING_MAX 32

enum verb {
    VERB_NONE,
    VERB_SEND,
    VERB_RECEIPT,
    VERB_FETCH,
    VERB_DELIVERIES,
    VERB_ACK,
    VERB_ASK,
    VERB_ANSWER,
    VERB_WITNESS,
    VERB_ENROL,
    VERB_PING,
    VERB_PONG,
    VERB_ERROR,
    VERB_COUNT
};
const char *verb_name(enum verb v);

/* A message received. Borrows from zmq messages inside: frame_close frees. */
struct frame {
    uint8_t routing[FRAME_ROUTING_MAX]; /* ROUTER sockets only */
    size_t routing_n;
    char user_id[65]; /* ZAP's User-Id; "" when there is none */
    enum verb verb;
    struct slice body;
    void *msg; /* owner of body */
};
/* Receives one whole message without blocking. ERR_NOT_FOUND: none waiting.
 * A malformed one is consumed, leaves routing and user_id filled and returns
 * ERR_FRAME_*. with_routing: the socket is a ROUTER. */
enum err frame_recv(void *socket, bool with_routing,
                    struct frame *f) MUST_CHECK;
void frame_close(struct frame *f);
/* Sends without blocking. routing NULL on a DEALER. ERR_BUSY when the pipe is
 * full, ERR_UNREACHABLE when the peer is gone (ROUTER_MANDATORY). */
enum err frame_send(void *socket, const struct frame *to, enum verb v,
                    struct slice body) MUST_CHECK;
/* Checks the frames of a message given as slices: the part of frame_recv that
 * needs no socket (fuzzed). */
enum err frame_check(const struct slice *frames, size_t n, enum verb *v,
                     struct slice *body) MUST_CHECK;
#endif
