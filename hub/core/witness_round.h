/* witness_round.h - asking the witnesses to cosign one head of the log: who
 * has been asked and with what, who signed, and whether a quorum is overdue.
 *
 * A round is over one head, frozen. A new one begins when the log has grown
 * and the interval has passed. What a quorum is, and whether a cosignature is
 * good, the caller knows; times are milliseconds of a clock that never goes
 * back. */
#ifndef TSUNAGI_CORE_WITNESS_ROUND_H
#define TSUNAGI_CORE_WITNESS_ROUND_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ROUND_WITNESSES 64

enum round_state {
    ROUND_UNASKED,
    ROUND_ASKED,
    ROUND_SIGNED,
    ROUND_REFUSED /* not this head; asked again after the interval */
};
struct round_witness {
    enum round_state state;
    uint64_t asked_ms;
    uint64_t old;      /* size of the head it is known to have; 0: none */
    uint64_t sent_old; /* what was proved to it */
    unsigned tries;    /* of this round */
};
struct witness_round {
    size_t n;
    uint64_t interval_ms, quorum_ms;
    uint64_t size, frozen_ms; /* the head of this round; size 0: none yet */
    uint64_t cosigned;        /* newest size that has a quorum */
    uint64_t uncovered_ms;    /* since when the log is larger; 0: it is not */
    uint64_t later_ms;        /* since when it is larger than the round's */
    bool ahead;               /* somebody has seen a newer head */
    bool early;               /* this round began because of that */
    bool vouched;             /* an open witness signed since the start */
    struct round_witness of[ROUND_WITNESSES];
};

/* cosigned: what an earlier run reached. */
void round_init(struct witness_round *r, size_t n, uint64_t interval_ms,
                uint64_t quorum_ms, uint64_t cosigned);
/* The log has this size. True: its head is to be frozen now (round_freeze). */
bool round_grown(struct witness_round *r, uint64_t size, uint64_t now_ms);
void round_freeze(struct witness_round *r, uint64_t size, uint64_t now_ms);
/* Is anybody left whom it may be worth asking? */
bool round_waits(const struct witness_round *r);
/* Should this one, which is connected, be asked now? */
bool round_wants(const struct witness_round *r, size_t w, uint64_t now_ms);
/* It is being asked; returns the size that the proof starts at. */
uint64_t round_ask(struct witness_round *r, size_t w, uint64_t now_ms);
/* Its connection is another one: what was asked on the old one is lost. */
void round_lost(struct witness_round *r, size_t w);

/* A good cosignature of this round's head. */
void round_signed(struct witness_round *r, size_t w, bool open);
/* It has a head of this size and wants a proof from there (409). True: it is
 * to be asked again. log_size: what the log has now. */
bool round_has(struct witness_round *r, size_t w, uint64_t size,
               uint64_t log_size);
void round_refused(struct witness_round *r, size_t w);
/* The round's head has its quorum. */
void round_quorum(struct witness_round *r);

/* Some of the log has had no quorum for quorum_ms. */
bool round_overdue(const struct witness_round *r, uint64_t now_ms);
/* Ordinary deliveries wait: overdue, or nobody has vouched for this log since
 * the start. due: some witness is open, so that a quorum is due at all. */
bool round_stops(const struct witness_round *r, bool due, uint64_t now_ms);
#endif
