/* live.h - a real tsunagid on loopback and nodes that drive it, for the
 * benchmark and the tests that need real processes: real keys, the registry
 * and the policy that ship, CURVE, signed events, boxed deliveries.
 *
 * Nothing here fails softly: what goes wrong ends the program with a line. */
#ifndef TESTS_LIVE_H
#define TESTS_LIVE_H
#include "proto/wire/event.h"
#include "proto/wire/frame.h"
#include "tsunagi/v1/wire.pb-c.h"
#include <sys/types.h>

#define LIVE_NODES 24
struct live_who {
    const char *node, *agency;
};
struct live {
    char dir[64]; /* hub.conf, keys, data; removed by live_stop */
    const struct live_who *who;
    int count;
    struct node_keys hub, keys[LIVE_NODES];
    int port; /* urgent; normal is the next one */
    pid_t pid;
    void *zmq;
    void *lane[LIVE_NODES][2];
    uint64_t seq[LIVE_NODES][2];
};

void live_must(bool ok, const char *what);
double live_seconds(void); /* monotonic */
/* Sorts n values; the one that percent of them do not exceed. */
double live_percentile(double *values, size_t n, unsigned percent);

/* Makes the folder, keys and configuration of a hub with these nodes and
 * starts it. Returns when both endpoints answer. */
void live_start(struct live *r, const struct live_who *who, int count);
/* Stops the hub, which must leave by itself, and removes the folder. */
void live_stop(struct live *r);
/* Connects a node in both lanes, with a ZeroMQ context for this process. */
void live_connect(struct live *r, int who);
void live_disconnect(struct live *r, int who);

/* A SEND body: an event of this node with one wish. Tokens of 16 bytes; case
 * NULL: none. */
struct live_event {
    uint32_t type;
    const ProtobufCMessage *body;
    const char *to, *role, *purpose; /* to or role; both NULL: no wish */
    const uint8_t *person, *care_case;
};
void live_make(struct live *r, int who, int lane, const struct live_event *e,
               struct buf *send);
/* Sends a body; waits while the socket is full. */
void live_send(struct live *r, int who, int lane, enum verb v,
               struct slice body);
void live_fetch(struct live *r, int who, int lane, uint32_t credit);

/* What arrived at one socket. Deliveries are opened and acknowledged. */
struct live_tally {
    size_t receipts, deliveries, errors;
    uint32_t credit; /* asked for again after deliveries; 0: 256 */
    void (*on_receipt)(void *ctx, const Pb__Receipt *r); /* may be NULL */
    void (*on_delivery)(void *ctx, const Pb__Delivery *d);
    void (*on_answer)(void *ctx, const Pb__Answer *a);
    void *ctx;
};
/* Takes everything that waits, never blocks. */
void live_drain(struct live *r, int who, int lane, struct live_tally *t);
#endif
