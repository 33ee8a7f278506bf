/* link_lanes.h - what the files of the link share. Private to them:
 * link.c sockets and the turn, link_receipt.c answers to what we sent,
 * link_delivery.c what the hub has for us, link_lease.c what it calls back,
 * link_erase.c whom it tells us to forget,
 * link_witness.c cosigning and joining, link_quorum.c the witnesses' quorum,
 * link_fork.c forks and gaps, link_send.c what goes out. */
#ifndef TSUNAGI_SDK_LINK_LANES_H
#define TSUNAGI_SDK_LINK_LANES_H
#include "adapters/sdk/history.h"
#include "adapters/sdk/link.h"
#include "adapters/sdk/witness.h"
#include <jansson.h>

#define ASKS_MAX 32
#define ERASES_MAX 100 /* of one lease */
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
    struct buf cosigned;  /* answer to WITNESS, packed; sent after the commit */
    struct ack *ack;
    size_t ack_count, ack_cap;
};
/* A head that the hub wants cosigned, checked, until it is joined. */
struct cosigning {
    bool open;
    size_t lane;
    uint64_t old_size;
    struct head head;
};
struct joining {
    struct join join;
    bool open, asking;
    bool asked;                  /* this join needed a proof */
    uint64_t due_ms, failing_ms; /* boot clock; failing 0: it is not */
};
/* Deliveries up to this size came at this time and wait for a quorum. */
struct mark {
    uint64_t size, ms;
};
#define MARKS 128
struct covering {
    uint64_t size;           /* of the newest head with a quorum */
    struct mark mark[MARKS]; /* oldest first, a second apart */
    size_t marks;
    bool asking;
    uint64_t due_ms; /* ask for a quorum note not before */
    bool open_now;   /* some witness is, as of looked_ms */
    uint64_t looked_ms;
    struct head note, seen; /* being joined: what came, and what we had */
    bool dropped;           /* ordinary deliveries were turned away */
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
    struct history history;
    struct cosigning cosigning;
    struct joining joining;
    struct covering covering;
    struct lease lease;
    struct id *answered;
    size_t answered_count, answered_cap, answered_at;
    ProtobufCMessage *erase[ERASES_MAX]; /* EraseOrder */
    size_t erase_count;
    bool erase_given;
    struct asked ask[ASKS_MAX]; /* oldest first */
    size_t ask_count;
    bool delivered, forked;
    uint64_t forked_told_ms;
    uint64_t asked, given; /* requests to cosign; cosignatures */
    unsigned opened;       /* monitors need names of their own */
    uint64_t taken, repeated, refused;
    enum err trouble, broken; /* broken: found while an answer was told */
};

const char *link_lane_name(size_t lane);
/* The lane starts again at its first waiting event. */
void link_rewind_lane(struct lane_link *l);
/* Closes and opens the sockets of a lane. */
enum err link_reopen_lane(struct link *k, size_t lane) MUST_CHECK;
/* Ends the oldest question with this outcome. */
void link_end_ask(struct link *k, enum err e, const Pb__Answer *a);
/* What a link_done got: its object (owned, json_decref), or the error it is. */
enum err link_open_answer(enum err e, const Pb__Answer *a,
                          json_t **j) MUST_CHECK;
/* A broken machine goes up; a bad message is told and forgotten. */
enum err link_swallow(struct link *k, const char *what, enum err e) MUST_CHECK;
/* The list with room for one more element, NULL when out of memory. */
void *link_room(void *list, size_t count, size_t *cap, size_t size);

/* The recall's answer, sent after the next commit. ERR_NOMEM. */
enum err link_ack_recall(struct lane_link *l, struct id delivery_id,
                         const struct spool_recalled *r) MUST_CHECK;
/* The orders of a lease take the place of those of the one before. */
enum err link_erase_take(struct link *k, const json_t *list) MUST_CHECK;
void link_erase_reset(struct link *k);
void link_lease_connected(struct link *k, uint64_t now);
/* Asks for a lease when it is time. ERR_NOMEM. */
enum err link_lease_send(struct link *k, uint64_t now) MUST_CHECK;

enum err link_take_receipt(struct link *k, size_t lane, struct slice body,
                           uint64_t now) MUST_CHECK;
enum err link_take_error(struct link *k, size_t lane, struct slice body,
                         uint64_t now) MUST_CHECK;
enum err link_take_deliveries(struct link *k, size_t lane, struct slice body,
                              uint64_t now) MUST_CHECK;
/* The hashes of a proof. ERR_DLV_PROOF. */
enum err link_hashes(const ProtobufCBinaryData *p, size_t n,
                     struct hash path[PROOF_MAX]) MUST_CHECK;
enum err link_take_witness(struct link *k, size_t lane,
                           struct slice body) MUST_CHECK;

/* ---- link_fork.c ---- */
/* Two signed heads cannot both be true: keeps them as evidence and stops all
 * deliveries and cosigning. g may be NULL. ERR_STORE, ERR_NOMEM. */
enum err link_fork(struct link *k, enum dispute why, const struct head *before,
                   const struct head *now, const struct given *g) MUST_CHECK;
/* The log of this origin does not hold the head of the one before. */
enum err link_gap(struct link *k, const struct head *before,
                  const struct checkpoint *now) MUST_CHECK;
/* Reads what is remembered; the state file is not changed. */
enum err link_remember(struct link *k) MUST_CHECK;
enum err link_remember_witness(struct link *k) MUST_CHECK;
void link_tell_fork(struct link *k, uint64_t now);

/* ---- link_witness.c ---- */
/* Joins the strands when it is time, and what is to be cosigned before it is.
 * ERR_STORE, ERR_NOMEM. */
enum err link_witness_send(struct link *k, uint64_t now) MUST_CHECK;
void link_witness_forget(struct link *k);
/* Asks the hub for a consistency proof; its hashes, or why there is none. */
enum err link_ask_proof(struct link *k, uint64_t old_size, uint64_t size,
                        link_done *done) MUST_CHECK;
enum err link_read_proof(enum err e, const Pb__Answer *a,
                         struct hash path[PROOF_MAX], size_t *n) MUST_CHECK;
/* The hub has refused for too long to join what it showed. */
bool link_apart(const struct link *k, uint64_t now);

/* ---- link_quorum.c ---- */
/* What was covered, from the spool. ERR_STORE. */
enum err link_quorum_remember(struct link *k, uint64_t now) MUST_CHECK;
/* A delivery under a head of this size was taken. */
void link_quorum_due(struct link *k, uint64_t size, uint64_t now);
/* The cosigned note beside deliveries whose head is c. */
enum err link_take_cosigned(struct link *k, const Pb__Deliveries *d,
                            const struct head *c) MUST_CHECK;
enum err link_quorum_send(struct link *k, uint64_t now) MUST_CHECK;
/* May the normal lane take no more? The urgent lane always may. */
bool link_stopped(struct link *k, uint64_t now);
/* What the normal lane turned away may come again. */
void link_offer_again(struct link *k);
enum link_quorum link_quorum_state(const struct link *k, uint64_t now);
void link_quorum_forget(struct link *k);
#endif
