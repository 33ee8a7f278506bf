/* spool.h - what a node owes and what it was given, on its own disk.
 *
 * Outbox: events made here, until the hub's signed receipt is in, and 14 days
 * beyond (consents without limit), so that a hub that lost its disk can be
 * given everything again (I-16). Inbox: deliveries, each once for ever.
 * Writes gather in one transaction until spool_commit; nothing is promised to
 * anyone before it returned. After a storage error every call fails with
 * ERR_STORE: the process must end and start again (I-17). */
#ifndef TSUNAGI_SDK_SPOOL_H
#define TSUNAGI_SDK_SPOOL_H
#include "proto/base/id.h"
#include "proto/wire/proof.h"

#define LANES 2
enum lane { LANE_URGENT, LANE_NORMAL };
enum out_state { OUT_WAITING, OUT_ACCEPTED, OUT_REFUSED, OUT_PARKED };
enum in_state { IN_NEW, IN_HANDED, IN_HANDLED };
const char *out_state_name(enum out_state s); /* "waiting" */
const char *in_state_name(enum in_state s);   /* "new" */

#define SPOOL_KEEP_MS (14ull * 24 * 3600 * 1000)
#define CODE_TEXT 16
#define SPOOL_CONSENTS 64

struct spool; /* opaque; one owner process */

/* Opens (makes) the spool in a folder. ERR_CONFLICT: another process owns it;
 * ERR_STORE_OPEN: not ours, network disk, or other settings than demanded. */
enum err spool_open(const char *folder, const uint8_t secret[KEY_BYTES],
                    struct spool **out) MUST_CHECK;
/* Rolls back what was not committed. Accepts NULL. */
void spool_close(struct spool **s);
enum err spool_commit(struct spool *s) MUST_CHECK;
bool spool_dirty(const struct spool *s);

/* ---- outbox ---- */
struct spool_event {
    struct id event_id;
    enum lane lane;
    uint64_t node_seq, created_ms;
    uint32_t type;
    uint8_t header_sha256[32];
    const uint8_t *person; /* token, 16 bytes; NULL: about no person */
    const char *source;    /* NULL: none */
    struct slice event;    /* packed Event */
};
/* The number the next event of a lane must have. */
enum err spool_next_seq(struct spool *s, enum lane lane,
                        uint64_t *seq) MUST_CHECK;
enum err spool_put(struct spool *s, const struct spool_event *e) MUST_CHECK;
/* The event a source gave before. ERR_NOT_FOUND. */
enum err spool_by_source(struct spool *s, const char *source,
                         struct id *event_id) MUST_CHECK;

/* A row read back; spool_out_fini frees (and is needed after every success).
 * event, receipt and source are empty when their time is over or the person's
 * key was destroyed. */
struct spool_out {
    int64_t row;
    struct id event_id;
    enum lane lane;
    enum out_state state;
    uint64_t node_seq, created_ms, answered_ms;
    uint32_t type;
    uint8_t header_sha256[32];
    char code[CODE_TEXT];
    bool has_person;
    uint8_t person[16]; /* token */
    struct buf event, receipt, source;
};
void spool_out_fini(struct spool_out *o);
/* The first waiting event of a lane after a number. ERR_NOT_FOUND. */
enum err spool_waiting(struct spool *s, enum lane lane, uint64_t after_seq,
                       struct spool_out *o) MUST_CHECK;
enum err spool_out_get(struct spool *s, struct id event_id,
                       struct spool_out *o) MUST_CHECK;
/* The first row after `row`; all: also those answered. ERR_NOT_FOUND. */
enum err spool_out_after(struct spool *s, int64_t row, bool all,
                         struct spool_out *o) MUST_CHECK;
/* The hub's answer: signed receipt as it came (may be empty), a code or "".
 * ERR_NOT_FOUND. */
enum err spool_answer(struct spool *s, struct id event_id, enum out_state state,
                      const char *code, struct slice receipt,
                      uint64_t now_ms) MUST_CHECK;
/* Everything still kept waits again: for a hub that was rebuilt. */
enum err spool_resend_all(struct spool *s, size_t *n) MUST_CHECK;

/* ---- inbox ---- */
struct spool_delivery {
    struct id delivery_id;
    enum lane lane;
    uint32_t type;
    const uint8_t *person, *case_token; /* 16 bytes or NULL */
    uint64_t released_ms;
    struct slice delivery;    /* packed Delivery */
    const struct id *consent; /* that it relied on */
    size_t consents;
};
/* *fresh is false when it was taken before, at any time (nothing changes), and
 * when it was recalled before it came (it is kept without payload). */
enum err spool_take(struct spool *s, const struct spool_delivery *d,
                    uint64_t now_ms, bool *fresh) MUST_CHECK;
/* What became of a delivery that the hub recalled. The numbers are those of
 * the acknowledgement (RecallOutcome). */
enum recall {
    RECALL_NONE,
    RECALL_DELETED, /* nobody had it: its payload is gone */
    RECALL_HANDED,  /* the module or a person has it already */
    RECALL_UNKNOWN  /* it never came here; should it, it is not kept */
};
struct spool_in {
    int64_t row;
    struct id delivery_id;
    enum lane lane;
    enum in_state state;
    uint32_t type;
    bool withdrawn, has_case;
    bool shown;  /* its content was given to somebody outside */
    bool erased; /* called back because its person is erased */
    bool has_person;
    uint8_t person[16]; /* token */
    enum recall recalled;
    uint8_t case_token[16];
    uint64_t released_ms, stored_ms;
    struct buf delivery; /* empty: its time is over, erased or recalled */
};
void spool_in_fini(struct spool_in *d);
enum err spool_in_get(struct spool *s, struct id delivery_id,
                      struct spool_in *d) MUST_CHECK;
/* The first row after `row` whose state is at most `up_to`. ERR_NOT_FOUND. */
enum err spool_in_after(struct spool *s, int64_t row, enum in_state up_to,
                        struct spool_in *d) MUST_CHECK;
/* The first new delivery of a lane after `row`. ERR_NOT_FOUND. */
enum err spool_in_new(struct spool *s, enum lane lane, int64_t row,
                      struct spool_in *d) MUST_CHECK;
/* A state never goes back. ERR_NOT_FOUND. */
enum err spool_mark(struct spool *s, struct id delivery_id, enum in_state state,
                    uint64_t now_ms) MUST_CHECK;
/* Its content was given to somebody outside. ERR_NOT_FOUND. */
enum err spool_shown(struct spool *s, struct id delivery_id) MUST_CHECK;
/* New, and nobody outside has seen its content. */
enum err spool_unread(struct spool *s, bool *any) MUST_CHECK;
/* A consent was taken back: marks what relied on it; or all of them: marks
 * what was received of this person or case (16 bytes or NULL each). */
enum err spool_withdraw_consent(struct spool *s, struct id consent) MUST_CHECK;
enum err spool_withdraw_all(struct spool *s, const uint8_t *person,
                            const uint8_t *case_token) MUST_CHECK;

/* ---- recalls: kept for ever, so that a late delivery finds its own ---- */
struct spool_recalled {
    enum recall outcome;
    uint64_t no;             /* the hub's number of the recall */
    uint8_t leaf_sha256[32]; /* of the release leaf */
    bool has_leaf;
};
/* Takes a recall: what was not handed over loses its payload. leaf_sha256 (may
 * be NULL) is that of the delivery's release leaf. A repeat changes nothing and
 * gives the first outcome. spool_scrub makes the bytes go. */
enum err spool_recall(struct spool *s, struct id delivery_id, uint64_t no,
                      const uint8_t *leaf_sha256, uint64_t now_ms,
                      struct spool_recalled *r) MUST_CHECK;
/* ERR_NOT_FOUND: it was not recalled. */
enum err spool_recalled(struct spool *s, struct id delivery_id,
                        struct spool_recalled *r) MUST_CHECK;
/* Commits, and empties the journal: deleted bytes are gone from the disk. */
enum err spool_scrub(struct spool *s) MUST_CHECK;

/* ---- proofs (C2SP tlog-proof) of what was accepted from us or delivered,
 * sealed like their content, kept when that is forgotten by age ---- */
/* person as of the row: 16 bytes or NULL. The newest stays. */
enum err spool_keep_proof(struct spool *s, struct id of, const uint8_t *person,
                          struct slice proof) MUST_CHECK;
/* of: an event's or a delivery's id. Appended. ERR_NOT_FOUND. */
enum err spool_proof(struct spool *s, struct id of,
                     struct buf *proof) MUST_CHECK;

/* ---- the hub's log as last seen ---- */
enum spool_head { /* the newest of each lane, and with a quorum of witnesses */
                  SPOOL_HEAD_URGENT,
                  SPOOL_HEAD_NORMAL,
                  SPOOL_HEAD_QUORUM,
                  SPOOL_HEADS
};
/* note is appended to. ERR_NOT_FOUND. */
enum err spool_head(struct spool *s, enum spool_head which,
                    struct checkpoint *c, struct buf *note) MUST_CHECK;
enum err spool_set_head(struct spool *s, enum spool_head which,
                        const struct checkpoint *c,
                        struct slice note) MUST_CHECK;
/* Forgets all of them: a person decided. */
enum err spool_forget_heads(struct spool *s) MUST_CHECK;

/* ---- upkeep ---- */
struct spool_counts {
    uint64_t out[4], in[3], oldest_waiting_ms[LANES];
    uint64_t out_waiting[LANES], recalled;
};
enum err spool_count(struct spool *s, struct spool_counts *c) MUST_CHECK;
/* Forgets payload whose time is over (rows stay, for telling repeats), and
 * empties the journal so that the bytes are gone from the disk. */
enum err spool_prune(struct spool *s, uint64_t now_ms) MUST_CHECK;

/* ---- erasure (spool_erase.c) ---- */
struct spool_forget {
    struct id order;
    uint64_t leaf;          /* of the hub's log, for the answer */
    uint64_t before_ms;     /* what was made or released later stays */
    const struct id *token; /* of the person and of their cases */
    size_t tokens;
    bool rest; /* and what was called back for an erasure, whatever its token */
};
struct spool_forgotten {
    enum recall outcome; /* HANDED: some of it had left; UNKNOWN: had none */
    uint64_t leaf, time_ms;
    uint32_t deleted, handed;
};
/* Destroys the keys under these tokens and empties every row of theirs, also
 * what is kept without limit; the rows stay, for telling repeats, without token
 * and without the hash of a source. Commits, and writes the database anew:
 * ERR_IO when the disk has no room for that, then a repeat does it. An order
 * obeyed before changes nothing and gives what it gave then. */
enum err spool_forget(struct spool *s, const struct spool_forget *f,
                      uint64_t now_ms, struct spool_forgotten *out) MUST_CHECK;
/* Was it obeyed before? */
enum err spool_obeyed(struct spool *s, struct id order, bool *yes) MUST_CHECK;
/* Is this one of those? For what lies outside the spool. */
enum err spool_meant_event(struct spool *s, const struct spool_forget *f,
                           struct id event_id, bool *meant) MUST_CHECK;
enum err spool_meant_source(struct spool *s, const struct spool_forget *f,
                            const char *source, bool *meant) MUST_CHECK;
enum err spool_meant_delivery(struct spool *s, const struct spool_forget *f,
                              struct id delivery_id, bool *meant) MUST_CHECK;
/* A recall that belongs to an erasure: its payload goes with the next order,
 * also when it was handed over. */
enum err spool_recall_erased(struct spool *s, struct id delivery_id) MUST_CHECK;
#endif
