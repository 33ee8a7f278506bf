/* history.h - what a node knows of the hub's log: signed heads that must all be
 * of one history. No clock, socket or file.
 *
 * Heads reach a node on three strands: its two lanes, and the checkpoints that
 * it cosigns. Each strand is a chain: a head is taken only with a proof from
 * the strand's last one. Chains may still part from each other, so they are
 * joined from time to time: every strand's head is proved to be a beginning of
 * the longest. */
#ifndef TSUNAGI_SDK_HISTORY_H
#define TSUNAGI_SDK_HISTORY_H
#include "proto/wire/proof.h"

#define HEAD_NOTE_MAX (16 * 1024) /* bytes of a note that is kept */

enum strand { STRAND_URGENT, STRAND_NORMAL, STRAND_WITNESS, STRANDS };

struct head {
    struct checkpoint at; /* size 0: none yet */
    struct buf note;      /* as the log signed it */
};
enum err head_set(struct head *h, const struct checkpoint *c,
                  struct slice note) MUST_CHECK;
void head_fini(struct head *h);

/* A consistency proof as somebody gave it. */
struct given {
    uint64_t from; /* the size it starts at */
    const struct hash *path;
    size_t n;
};

/* Why two signed heads cannot be of one log. */
enum dispute {
    DISPUTE_NONE,
    DISPUTE_SAME_SIZE, /* one size, two roots: the two notes prove it */
    DISPUTE_NO_PROOF,  /* the proof from one to the other does not verify */
    DISPUTE_SHRUNK,    /* the later one is shorter */
};
const char *dispute_name(enum dispute d); /* "same-size" */
/* What a new head came to. */
struct finding {
    enum dispute dispute;
    const struct head *before; /* borrowed: the head it is at odds with */
    /* A head of an origin before is not in this log: a declared gap, no fork */
    bool gap;
};

struct history {
    const char *origin; /* of the log; borrowed */
    struct head tip[STRANDS];
    uint64_t joined[STRANDS]; /* size of each tip when last joined */
    enum strand top;          /* the longest then */
};
void history_init(struct history *h, const char *origin);
void history_fini(struct history *h);
/* The longest head known. */
const struct head *history_newest(const struct history *h);
/* The known head of c's size with another root; NULL: none. */
const struct head *history_contradicts(const struct history *h,
                                       const struct checkpoint *c);
/* May `c` (signature already checked) follow on strand s? ERR_DLV_PROOF: the
 * proof starts elsewhere. ERR_DLV_FORK: f says why. */
enum err history_check(const struct history *h, enum strand s,
                       const struct checkpoint *c, const struct given *g,
                       struct finding *f) MUST_CHECK;
enum err history_set(struct history *h, enum strand s,
                     const struct checkpoint *c, struct slice note) MUST_CHECK;
/* Forgets everything: a person decided. */
void history_forget(struct history *h);

/* ---- joining ---- */
/* Proofs to ask for, with copies of the heads they join. */
struct join {
    struct head at[STRANDS];
    enum strand top;
    size_t next; /* strand that is proved next; STRANDS: all are */
};
void join_fini(struct join *j);
/* Has a strand grown in a way that says nothing about another? */
bool history_apart(const struct history *h);
/* Begins a join; candidate (may be NULL) stands for the witness strand. */
enum err join_begin(const struct history *h, const struct head *candidate,
                    struct join *j) MUST_CHECK;
/* The sizes to prove next; false when every strand is joined. ERR_DLV_FORK
 * comes from join_take alone. */
bool join_next(struct join *j, uint64_t *old_size, uint64_t *size);
/* The proof that was asked for. ERR_DLV_FORK: *a and *b cannot both be true. */
enum err join_take(struct join *j, const struct hash *path, size_t n,
                   const struct head **a, const struct head **b) MUST_CHECK;
void history_joined(struct history *h, const struct join *j);
#endif
