/* link_lanes.h - what the files of the link share. Private to them:
 * link.c sockets and the turn, link_receipt.c answers to what we sent,
 * link_delivery.c what the hub has for us, link_lease.c what it calls back,
 * link_send.c what goes out. */
#ifndef TSUNAGI_SDK_LINK_LANES_H
#define TSUNAGI_SDK_LINK_LANES_H
#include "adapters/sdk/link.h"

#define ASKS_MAX 32
#define PAUSE_MS 5000

struct ack {
    struct id delivery_id;
    uint8_t sha256[32]; /* of the release leaf */
    bool has_sha256;
    enum recall recalled;
};
struct lease {
    uint64_t until_ms, due_ms, asked_ms; /* boot clock */
    uint64_t after;                      /* recalls taken on this connection */
    bool asking;
};
struct lane_link {
    void *socket, *monitor;
    bool up, busy, want_fetch;
    uint64_t heard_ms, sent_ms;
    uint64_t cursor;      /* node_seq last sent on this connection */
    size_t in_flight;     /* sent and not answered */
    uint64_t progress_ms; /* last receipt, or first send of a window */
    uint64_t pause_ms;    /* send nothing before */
    uint64_t fetch_ms;    /* fetch not before */
    struct known_heads known;
    struct ack *ack;
    size_t ack_count, ack_cap;
};
struct asked {
    link_done *done;
    void *ctx;
};
struct link {
    struct link_config c;
    void *context;
    uint8_t shared[KEY_BYTES]; /* with the hub, for boxes */
    struct lane_link lane[LANES];
    struct heads heads;
    struct lease lease;
    struct id *answered;
    size_t answered_count, answered_cap, answered_at;
    struct asked ask[ASKS_MAX]; /* oldest first */
    size_t ask_count;
    bool delivered, forked;
    unsigned opened; /* monitors need names of their own */
    uint64_t taken, repeated, refused;
    enum err trouble;
};

const char *link_lane_name(size_t lane);
/* The lane starts again at its first waiting event. */
void link_rewind_lane(struct lane_link *l);
/* Closes and opens the sockets of a lane. */
enum err link_reopen_lane(struct link *k, size_t lane) MUST_CHECK;
/* Ends the oldest question with this outcome. */
void link_end_ask(struct link *k, enum err e, const Pb__Answer *a);
/* A broken machine goes up; a bad message is told and forgotten. */
enum err link_swallow(struct link *k, const char *what, enum err e) MUST_CHECK;
/* The list with room for one more element, NULL when out of memory. */
void *link_room(void *list, size_t count, size_t *cap, size_t size);

/* The recall's answer, sent after the next commit. ERR_NOMEM. */
enum err link_ack_recall(struct lane_link *l, struct id delivery_id,
                         const struct spool_recalled *r) MUST_CHECK;
void link_lease_connected(struct link *k, uint64_t now);
/* Asks for a lease when it is time. ERR_NOMEM. */
enum err link_lease_send(struct link *k, uint64_t now) MUST_CHECK;

enum err link_take_receipt(struct link *k, size_t lane, struct slice body,
                           uint64_t now) MUST_CHECK;
enum err link_take_error(struct link *k, size_t lane, struct slice body,
                         uint64_t now) MUST_CHECK;
enum err link_take_deliveries(struct link *k, size_t lane, struct slice body,
                              uint64_t now) MUST_CHECK;
#endif
