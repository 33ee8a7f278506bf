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
    bool disk; /* the hub runs on a disk that can lose power (fault/disk.h) */
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
/* The same in steps: the folder, and the hub in it as often as it dies.
 * live_spawn does not wait; live_await: until it answers. */
void live_prepare(struct live *r, const struct live_who *who, int count);
void live_spawn(struct live *r);
void live_await(struct live *r);
/* SIGKILL. */
void live_kill(struct live *r);
/* tsunagi-powercut with the hub's folders: "settle", "cut 7". */
void live_power(const struct live *r, const char *what);
/* Runs a program of the build, its arguments as one text; its exit code. */
int live_run(const struct live *r, const char *program, const char *arguments);
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
    void (*on_signed)(void *ctx, const Pb__SignedReceipt *r);
    void (*on_checkpoint)(void *ctx, const char *note); /* of deliveries */
    void (*on_delivery)(void *ctx, const Pb__Delivery *d);
    void (*on_answer)(void *ctx, const Pb__Answer *a);
    void *ctx;
};
/* Takes everything that waits, never blocks. */
void live_drain(struct live *r, int who, int lane, struct live_tally *t);
#endif
