/* witness.h - what the files about witnesses share (witness*.c). */
#ifndef TSUNAGI_APP_WITNESS_H
#define TSUNAGI_APP_WITNESS_H
#include "hub/app/hub.h"
#include "hub/core/witness_round.h"
#include "proto/wire/quorum.h"
#include "proto/wire/witness.h"

#define LINE_BYTES (ORIGIN_MAX + 128) /* of a cosignature */

/* What is known of one witness. */
struct seat {
    char line[LINE_BYTES];          /* its cosignature of the round's head */
    uint64_t time_s;                /* of that */
    uint8_t routing[ROUTING_BYTES]; /* of the connection it was asked on */
    uint64_t size, at_ms;           /* the head it signed last */
    uint64_t refused, lies;
};
struct witness {
    struct quorum *quorum;
    struct hours *hours;
    uint64_t open; /* set of those open now */
    bool due;      /* some are open: a quorum is due */
    struct witness_round round;
    struct seat seat[QUORUM_WITNESSES];
    uint64_t signed_set;     /* of this round */
    struct buf head, before; /* notes of this round's head and the last's */
    struct buf kept;         /* newest head with its quorum's cosignatures */
    bool kept_unsaved, stopping;
};

/* ---- witness_alarm.c ---- */
/* The log has exactly this head; *has false: it does not. */
enum err witness_contains(struct hub *h, const struct checkpoint *c,
                          bool *has) MUST_CHECK;
/* Weighs a head that came with an answer of a node: proof against this log
 * (h->alarm is set), or nothing. */
void witness_weigh(struct hub *h, const char *node, struct slice note);
#endif
