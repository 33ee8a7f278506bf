/* store.h - everything the hub remembers; the only door to SQL.
 *
 * One connection in one process writes, reads and checkpoints
 * (locking_mode=EXCLUSIVE, WAL, synchronous=FULL, read back at open): Debian's
 * SQLite 3.40.1 loses commits silently when a second connection checkpoints.
 * Before opening, the page cache of the files is dropped, so that what is read
 * is what is on disk. A tail anchor (last acknowledged leaf and its hash) is
 * kept beside the key files, outside the data directory.
 *
 * Errors: ERR_STORE means the disk or the database failed; the caller stops
 * acknowledging and exits 75 (I-17). Everything between store_begin and
 * store_commit is one transaction; store_mark/store_undo bracket one event.
 * Writes outside a transaction are ERR_STATE; a key already taken (event id,
 * token, consent ref) is ERR_CONFLICT and harms nothing. Once ERR_STORE was
 * given, every later call gives it. */
#ifndef TSUNAGI_STORE_STORE_H
#define TSUNAGI_STORE_STORE_H
#include "hub/core/merkle.h"
#include "hub/core/order.h"
#include "hub/core/step.h"

enum lane { LANE_URGENT, LANE_NORMAL, LANE_COUNT };
struct store; /* opaque; one owner, one thread */

struct store_config {
    const char *dir;         /* hub.db lives here */
    const char *anchor_path; /* outside dir */
    /* keyring.db lives here; outside dir. NULL, for a look at a copy: only the
     * log is opened, content reads as erased and nothing can be written; the
     * other paths are then not looked at. */
    const char *keyring_dir;
    const char *kek_dir;       /* key-encryption keys; outside both */
    bool accept_older_keyring; /* else refused; some payload is lost then */
    bool accept_rollback;      /* see store_anchor_renew */
};
/* What is sealed under keys that are not there (an older copy of either
 * database) is emptied first, and said.
 * ERR_STORE_OPEN, ERR_ROLLBACK (the anchor names a leaf that is not there or
 * differs), ERR_INTEGRITY. *s is NULL on error; why gets one line. */
enum err store_open(const struct store_config *c, struct store **s,
                    struct buf *why) MUST_CHECK;
void store_close(struct store **s);

enum err store_begin(struct store *s) MUST_CHECK;
enum err store_commit(struct store *s) MUST_CHECK; /* then anchors the tail */
void store_abort(struct store *s);
/* A savepoint around one event; undo also takes back its leaves. */
enum err store_mark(struct store *s) MUST_CHECK;
enum err store_keep(struct store *s) MUST_CHECK;
enum err store_undo(struct store *s) MUST_CHECK;

/* ---- events ---- */
struct stored_event {
    int64_t seq;
    struct id event_id, person, case_id; /* zero id: none */
    uint32_t type;
    enum lane lane;
    uint64_t accepted_ms;
    uint64_t ingest_leaf;
    bool hub_made;
    struct buf header, signature; /* owned: stored_event_fini */
    struct buf parts;             /* packed Pb__Event with part only, opened */
    char agency[AGENCY_MAX], node[NODE_MAX];
    bool erased; /* read: its parts are gone, or the key they need */
};
void stored_event_fini(struct stored_event *e);
/* Looks an id up: *found; when found the header's hash and the signed receipt
 * that was given (appended to receipt). */
enum err store_event_seen(struct store *s, struct id event_id, bool *found,
                          uint8_t header_sha256[32],
                          struct buf *receipt) MUST_CHECK;
/* Keeps an event. Parts are sealed under the key of (person, quarter); a zero
 * person uses the hub's own key. e->seq is filled. */
enum err store_event_put(struct store *s, struct stored_event *e,
                         const uint8_t header_sha256[32]) MUST_CHECK;
enum err store_event_receipt(struct store *s, int64_t seq,
                             struct slice signed_receipt) MUST_CHECK;
enum err store_event_get(struct store *s, int64_t seq, struct stored_event *out)
    MUST_CHECK; /* ERR_NOT_FOUND */
enum err store_event_find(struct store *s, struct id event_id,
                          struct stored_event *out) MUST_CHECK;
/* Removes an event's parts for good; the header stays. ERR_NOT_FOUND. */
enum err store_event_empty(struct store *s, int64_t seq) MUST_CHECK;
/* Whose event it was; *found false: it is not kept. */
enum err store_event_agency(struct store *s, struct id event_id,
                            char agency[AGENCY_MAX], bool *found) MUST_CHECK;
/* Last node_seq accepted from a node in a lane, 0 at first; and set it. */
enum err store_node_seq(struct store *s, const char *node, enum lane lane,
                        uint64_t *last) MUST_CHECK;
enum err store_node_seq_set(struct store *s, const char *node, enum lane lane,
                            uint64_t seq) MUST_CHECK;

/* ---- people and cases ---- */
enum token_kind { TOKEN_PERSON, TOKEN_CASE };
/* What an agency's token stands for; *found false when nothing. */
enum err store_token_find(struct store *s, const char *agency,
                          enum token_kind kind, const uint8_t token[16],
                          bool *found, struct id *out) MUST_CHECK;
enum err store_token_put(struct store *s, const char *agency,
                         enum token_kind kind, const uint8_t token[16],
                         struct id what) MUST_CHECK;
/* The agency's token for a person or case; made (16 random bytes) if needed. */
enum err store_token_for(struct store *s, const char *agency,
                         enum token_kind kind, struct id what,
                         uint8_t token[16]) MUST_CHECK;
/* The same if it has one. */
enum err store_token_of(struct store *s, const char *agency,
                        enum token_kind kind, struct id what, uint8_t token[16],
                        bool *found) MUST_CHECK;
enum err store_person_new(struct store *s, struct id *out) MUST_CHECK;
/* Random handle of a person for leaves, one per quarter of now. */
enum err store_person_handle(struct store *s, struct id person, uint64_t now_ms,
                             uint8_t handle[16]) MUST_CHECK;
/* Every handle that leaves know a person by, the oldest quarter first (owned
 * array, free with free()). An unknown person has none. */
struct handle {
    uint8_t b[16];
    uint64_t quarter; /* it was used in */
};
enum err store_person_handles(struct store *s, struct id person,
                              struct handle **out, size_t *n) MUST_CHECK;
/* What is known of a person. generation counts every change to it and to the
 * consents. ERR_NOT_FOUND. */
struct person_facts {
    struct places places;
    bool address_protected;
    bool erased; /* an erasure was ordered: nothing passes any more */
    uint64_t generation;
};
enum err store_person(struct store *s, struct id person,
                      struct person_facts *out) MUST_CHECK;
/* Address protection on or off; all four places. ERR_NOT_FOUND. */
enum err store_person_protect(struct store *s, struct id person,
                              bool on) MUST_CHECK;
enum err store_person_places(struct store *s, struct id person,
                             const struct places *p) MUST_CHECK;
/* Grants of a person in the order they were given (owned array, free with
 * free()); nobody and a zero person have none. */
enum err store_grants(struct store *s, struct id person, struct grant **out,
                      size_t *n) MUST_CHECK;
enum err store_grant_add(struct store *s, struct id person,
                         const struct grant *g) MUST_CHECK;
/* Marks one (ref) or all (ref NULL) withdrawn by a leaf; *n receives how many:
 * none of those that were over already. */
enum err store_grant_withdraw(struct store *s, struct id person,
                              const uint8_t *ref, uint64_t leaf,
                              size_t *n) MUST_CHECK;
/* Marks one as replaced by a leaf, the same way. */
enum err store_grant_supersede(struct store *s, struct id person,
                               const uint8_t *ref, uint64_t leaf,
                               size_t *n) MUST_CHECK;
enum err store_case_new(struct store *s, struct id person, uint64_t now_ms,
                        struct id *out) MUST_CHECK;
/* The state (owned, case_free) and the person; ERR_NOT_FOUND. */
enum err store_case_get(struct store *s, struct id case_id,
                        Pb__CaseState **state, struct id *person) MUST_CHECK;
enum err store_case_put(struct store *s, struct id case_id,
                        const Pb__CaseState *state) MUST_CHECK;
/* Calls each for every case, newest first. */
enum err store_case_each(struct store *s,
                         bool (*each)(void *ctx, struct id case_id,
                                      const Pb__CaseState *state),
                         void *ctx) MUST_CHECK;

/* ---- deliveries ---- */
enum delivery_state {
    DELIVERY_QUEUED,
    DELIVERY_RELEASED, /* RELEASE leaf written, not yet acknowledged */
    DELIVERY_DONE,
    DELIVERY_WITHHELD, /* stopped by a later decision, with a leaf */
    DELIVERY_PARKED,
    DELIVERY_EXPIRED
};
struct delivery {
    int64_t id;
    struct id delivery_id;
    int64_t event_seq;
    char agency[AGENCY_MAX];
    enum lane lane;
    char role[ROLE_MAX], purpose[PURPOSE_MAX];
    enum delivery_state state;
    uint64_t decision_leaf;
    uint64_t release_leaf; /* when released */
    uint64_t released_classes, released_ms;
    uint64_t consent_generation; /* at release */
    uint8_t policy_digest[32];   /* at release */
    uint64_t queued_ms, expires_ms;
    char node[NODE_MAX];   /* released to */
    char wanted[ROLE_MAX]; /* the role the sender asked for; "": any */
    uint64_t recall_leaf;  /* 0: not called back */
    struct id person;      /* read: whom it is about */
};
/* Fills id, delivery_id and person (its own, whatever was there). */
enum err store_delivery_put(struct store *s, struct delivery *d) MUST_CHECK;
enum err store_delivery_update(struct store *s,
                               const struct delivery *d) MUST_CHECK;
enum err store_delivery_find(struct store *s, struct id delivery_id,
                             struct delivery *out) MUST_CHECK;
/* Up to max owed to an agency in a lane with id > after, oldest first: queued,
 * or released and not acknowledged. */
enum err store_delivery_due(struct store *s, const char *agency, enum lane lane,
                            int64_t after, struct delivery *out, size_t max,
                            size_t *n) MUST_CHECK;
/* What was passed on: one delivery that left, with whose event it was. */
struct provision {
    int64_t id;
    struct id person;                      /* zero: nobody, or erased */
    char from[AGENCY_MAX], to[AGENCY_MAX]; /* from HUB: hub_made */
    char role[ROLE_MAX], purpose[PURPOSE_MAX];
    uint32_t type;
    bool hub_made;
    uint64_t released_ms, released_classes;
    uint64_t release_leaf, recall_leaf, ingest_leaf;
};
/* The first with an id in (after, upto] from or to an agency, or that the hub
 * made; and the highest id there is. */
enum err store_provision_next(struct store *s, const char *agency,
                              int64_t after, int64_t upto,
                              struct provision *out, bool *found) MUST_CHECK;
enum err store_provision_last(struct store *s, int64_t *id) MUST_CHECK;
/* The next agency after *agency whose queues may hold something of a person
 * (zero: of anybody); *found false at the end. */
enum err store_queue_next(struct store *s, struct id person,
                          char agency[AGENCY_MAX], bool *found) MUST_CHECK;
/* Notes that classes of a released delivery rest on a consent (its ref), or on
 * a meeting (its case). */
enum err store_delivery_rest(struct store *s, const struct delivery *d,
                             const uint8_t ref[ID_BYTES],
                             uint64_t classes) MUST_CHECK;
/* The next delivery with an id > after that rested on ref (NULL: on anything)
 * of a person, and with which classes. */
enum err store_delivery_rested(struct store *s, struct id person,
                               const uint8_t *ref, int64_t after,
                               struct delivery *out, uint64_t *classes,
                               bool *found) MUST_CHECK;
/* Calls a delivery back under the next number; d->recall_leaf is filled. erase:
 * its content goes, even if it was handed over. */
enum err store_delivery_recall(struct store *s, struct delivery *d,
                               uint64_t leaf, uint64_t now_ms,
                               bool erase) MUST_CHECK;
struct recall {
    uint64_t no;
    struct id delivery_id;
    uint64_t at_ms;
    unsigned outcome;    /* Pb__RecallOutcome; 0: not answered */
    char node[NODE_MAX]; /* that was sent it last */
    bool erase;
};
/* Calls each for what was called back from an agency after a number. */
enum err store_recalls(struct store *s, const char *agency, uint64_t after,
                       bool (*each)(void *ctx, const struct recall *r),
                       void *ctx) MUST_CHECK;
/* The unanswered ones of all agencies, oldest first. */
enum err store_recalls_open(struct store *s,
                            bool (*each)(void *ctx, const struct recall *r),
                            void *ctx) MUST_CHECK;
/* The first answer stays. ERR_NOT_FOUND: not called back, or answered. */
enum err store_recall_answer(struct store *s, int64_t delivery,
                             unsigned outcome) MUST_CHECK;

/* ---- sweeps: what a change leaves to be done, in slices ---- */
struct sweep {
    int64_t id;
    struct id person;      /* zero: everyone */
    unsigned why;          /* enum sweep_why of app/hub.h */
    uint8_t ref[ID_BYTES]; /* zero: any */
    uint64_t cites;        /* the leaf it comes from */
    unsigned step;         /* then where it has got to */
    char agency[AGENCY_MAX];
    enum lane lane;
    int64_t after;
    uint64_t stopped, kept; /* deliveries, so far */
};
enum err store_sweep_add(struct store *s, struct sweep *w) MUST_CHECK;
/* The next to work on: the oldest about one person, else the oldest. */
enum err store_sweep_next(struct store *s, struct sweep *out,
                          bool *found) MUST_CHECK;
enum err store_sweep_update(struct store *s, const struct sweep *w) MUST_CHECK;
enum err store_sweep_done(struct store *s, int64_t id) MUST_CHECK;
/* How many are not done. */
enum err store_sweep_count(struct store *s, uint64_t *n) MUST_CHECK;
/* Whom a sweep has to tell about what it holds: noted, found, done. */
enum err store_tell_add(struct store *s, int64_t sweep, const char *agency,
                        uint64_t classes) MUST_CHECK;
enum err store_tell_next(struct store *s, int64_t sweep,
                         char agency[AGENCY_MAX], uint64_t *classes,
                         bool *found) MUST_CHECK;
enum err store_tell_done(struct store *s, int64_t sweep,
                         const char *agency) MUST_CHECK;

/* ---- deadlines and parked items ---- */
struct deadline {
    int64_t id;
    struct id case_id, person; /* of one of them; the other is zero */
    enum deadline_kind kind;
    uint64_t due_ms;
    uint8_t ref[ID_BYTES];
};
enum err store_deadline_start(struct store *s, const struct deadline *d)
    MUST_CHECK; /* replaces one of the same case, person, kind and ref */
/* ref NULL: any. */
enum err store_deadline_stop(struct store *s, struct id case_id,
                             struct id person, enum deadline_kind kind,
                             const uint8_t *ref) MUST_CHECK;
/* The earliest; *found false when there is none. */
enum err store_deadline_next(struct store *s, struct deadline *out,
                             bool *found) MUST_CHECK;
enum err store_deadline_done(struct store *s, int64_t id) MUST_CHECK;
struct parked {
    int64_t id;
    char agency[AGENCY_MAX], node[NODE_MAX];
    char code[16]; /* E-... */
    uint64_t at_ms;
    int64_t event_seq; /* 0: only the sealed bytes below */
    bool open;
};
/* Keeps something that waits for a person: bytes (sealed) may be empty. */
enum err store_park(struct store *s, const struct parked *p,
                    struct slice bytes) MUST_CHECK;
/* Open and closed, newest first. */
enum err store_parked_each(struct store *s,
                           bool (*each)(void *ctx, const struct parked *p),
                           void *ctx) MUST_CHECK;
/* One of them with its bytes, appended. ERR_NOT_FOUND. */
enum err store_parked_get(struct store *s, int64_t id, struct parked *out,
                          struct buf *bytes) MUST_CHECK;
/* ERR_NOT_FOUND when there is none open. */
enum err store_parked_close(struct store *s, int64_t id) MUST_CHECK;

/* ---- policy packs: every one that was ever in force ---- */
struct stored_policy {
    uint64_t leaf;      /* of its activation */
    uint8_t digest[32]; /* of its tables, as decisions cite it */
    uint64_t version;
    struct buf pack; /* owned; manifest and files, see core/manifest.h */
};
void stored_policy_fini(struct stored_policy *p);
/* Keeps a pack and makes it the one in force. */
enum err store_policy_put(struct store *s,
                          const struct stored_policy *p) MUST_CHECK;
/* The newest with that digest; NULL: the one in force. ERR_NOT_FOUND. */
enum err store_policy_get(struct store *s, const uint8_t *digest,
                          struct stored_policy *out) MUST_CHECK;

/* ---- break-glass ---- */
/* ERR_CONFLICT when the ref is taken. */
enum err store_glass_put(struct store *s, struct id person,
                         const struct glass *g) MUST_CHECK;
/* Its end, whether extended, verdict and reviewer. ERR_NOT_FOUND. */
enum err store_glass_update(struct store *s, const struct glass *g) MUST_CHECK;
/* Every one of a person, the oldest first (owned array, free with free()). */
enum err store_glass_of_person(struct store *s, struct id person,
                               struct glass **out, size_t *n) MUST_CHECK;
/* Calls each for every one, newest first. */
enum err store_glass_each(struct store *s,
                          bool (*each)(void *ctx, const struct glass *g),
                          void *ctx) MUST_CHECK;
/* What is remembered of a member of staff (16 bytes, the agency's handle); now
 * is left zero. */
enum err store_glass_actor(struct store *s, const char *agency,
                           const uint8_t actor[ID_BYTES], uint64_t now_ms,
                           struct glass_actor *out) MUST_CHECK;
/* Remembers a text written about a person, and forgets all but the newest
 * GLASS_TEXTS. */
enum err store_glass_text_add(struct store *s, struct id person,
                              const char *agency, const uint8_t actor[ID_BYTES],
                              const uint8_t text[GLASS_TEXT_BYTES]) MUST_CHECK;
struct store_glass_counts {
    uint64_t opened, open, reviewed, not_justified, overdue;
    uint64_t often; /* staff who opened more than 3 in the last 30 days */
};
enum err store_glass_counts(struct store *s, uint64_t now_ms,
                            struct store_glass_counts *out) MUST_CHECK;

/* ---- the log ---- */
/* Adds a leaf to the open transaction: fills index, nonce and a time that
 * never decreases, packs it, returns its index. <= 4 KiB. */
enum err store_leaf(struct store *s, Pb__AuditLeaf *leaf,
                    uint64_t *index) MUST_CHECK;
uint64_t store_log_size(const struct store *s); /* committed leaves */
/* After an open with accept_rollback, which leaves the anchor as it was: the
 * log as it stands is the log from here on. Until then every other start is
 * refused, so nothing is accepted by halves. */
enum err store_anchor_renew(struct store *s) MUST_CHECK;
/* Bytes of a committed leaf, appended. ERR_NOT_FOUND. */
enum err store_leaf_get(struct store *s, uint64_t index,
                        struct buf *out) MUST_CHECK;
const struct merkle *store_merkle(const struct store *s);
enum err store_tile(void *store, unsigned level, uint64_t n,
                    struct hash tile[TILE_WIDTH]); /* a merkle_load */
/* Keeps the newest note. It rides in the open or the next transaction (or in
 * store_tidy), so that signing costs no commit of its own. ERR_INTEGRITY for a
 * note that does not say size. */
enum err store_checkpoint_put(struct store *s, uint64_t size,
                              struct slice note) MUST_CHECK;
/* The newest checkpoint note, appended; ERR_NOT_FOUND. */
enum err store_checkpoint_get(struct store *s, struct buf *note) MUST_CHECK;

/* ---- the log by subject: made from its leaves, after them ---- */
/* Takes up to max more committed leaves into the index, in a transaction of its
 * own unless one is open; *to: up to which leaf it is complete. store_tidy does
 * some whenever the hub rests. */
enum err store_index_more(struct store *s, size_t max, uint64_t *to) MUST_CHECK;
/* The first leaf from an index on that names a key: a handle as its subject, or
 * an order. */
enum err store_index_next(struct store *s, const uint8_t key[16], uint64_t from,
                          uint64_t *leaf, bool *found) MUST_CHECK;
/* How many below an index do. */
enum err store_index_count(struct store *s, const uint8_t key[16],
                           uint64_t below, uint64_t *n) MUST_CHECK;
/* An entry that the person is shown from a day on (since 1970) and not before;
 * the newest order counts. */
struct delay {
    uint64_t leaf;
    int32_t until_day;
    char basis[ORDER_BASIS_MAX];
    uint8_t order[16];
};
enum err store_delay_put(struct store *s, const struct delay *d) MUST_CHECK;
enum err store_delay_get(struct store *s, uint64_t leaf, struct delay *out,
                         bool *found) MUST_CHECK;

/* ---- orders: whom they are about, and which were taken ---- */
/* A reference to a person for an order that is to be signed; it is forgotten
 * after ORDER_OLDEST_MS. */
enum err store_subject_new(struct store *s, struct id person, uint64_t now_ms,
                           uint8_t subject[ID_BYTES]) MUST_CHECK;
enum err store_subject_find(struct store *s, const uint8_t subject[ID_BYTES],
                            uint64_t now_ms, bool *found,
                            struct id *person) MUST_CHECK;
enum order_state { ORDER_TAKEN, ORDER_BEGUN, ORDER_OVER };
struct taken_order {
    struct id order;
    enum order_kind kind;
    enum order_state state;
    struct id person; /* zero once it is over */
    uint64_t leaf, taken_ms, done_ms;
    uint64_t epoch;    /* of the key-encryption key, of an erasure done */
    int32_t until_day; /* of a hold */
    bool urgent;       /* of an erasure */
    struct buf note;   /* owned: taken_order_fini */
};
void taken_order_fini(struct taken_order *o);
/* ERR_CONFLICT: taken before. */
enum err store_order_put(struct store *s,
                         const struct taken_order *o) MUST_CHECK;
enum err store_order_get(struct store *s, struct id order,
                         struct taken_order *out) MUST_CHECK;
/* The next by its id; *found false at the end. */
enum err store_order_next(struct store *s, struct id after,
                          struct taken_order *out, bool *found) MUST_CHECK;
/* The last day of the holds on a person that act on a day; 0: none. */
enum err store_hold(struct store *s, struct id person, int32_t today,
                    int32_t *until_day) MUST_CHECK;
enum err store_holds_lift(struct store *s, struct id person,
                          uint64_t now_ms) MUST_CHECK;
/* Ends those whose last day is past. */
enum err store_holds_end(struct store *s, int32_t today,
                         uint64_t now_ms) MUST_CHECK;

/* ---- erasure (store/erase.c says what becomes of each table) ---- */
/* From here on nobody can name the person: tokens of the person and of the
 * person's cases are gone, deadlines too, and person_facts says erased. */
enum err store_person_deny(struct store *s, struct id person) MUST_CHECK;
/* How many break-glass openings of a person are open or wait for a review. */
enum err store_glass_busy(struct store *s, struct id person, uint64_t now_ms,
                          uint64_t *n) MUST_CHECK;
/* How many deadlines of a search for a bed are running for a person. */
enum err store_emergency_busy(struct store *s, struct id person,
                              uint64_t *n) MUST_CHECK;
/* Tokens of a person and of the person's cases, by agency, and with no token
 * (NULL) every agency that something was sent to. No callback may use the
 * store. */
enum err store_holdings(struct store *s, struct id person,
                        enum err (*each)(void *ctx, const char *agency,
                                         enum token_kind kind,
                                         const uint8_t *token),
                        void *ctx) MUST_CHECK;
/* The next delivery of a person with an id > after; looks at no more than some
 * thousand rows: id 0 when there is none among them, and *at is how far it
 * got; *end: there are no more rows. */
enum err store_delivery_of_person(struct store *s, struct id person,
                                  int64_t after, struct delivery *out,
                                  int64_t *at, bool *end) MUST_CHECK;

struct holder {
    char agency[AGENCY_MAX], node[NODE_MAX]; /* node "": it has none */
    unsigned outcome;                        /* Pb__RecallOutcome; 0: none */
    uint64_t handed_over, answered_ms, leaf;
};
enum err store_holder_put(struct store *s, struct id order, const char *agency,
                          const char *node, struct slice sealed) MUST_CHECK;
/* The next order with an id > after that a node has not answered; none that a
 * hold of today stops. */
enum err store_holder_open(struct store *s, const char *node, int32_t today,
                           struct id after, struct id *order,
                           struct buf *sealed, bool *found) MUST_CHECK;
enum err store_holder_get(struct store *s, struct id order, const char *node,
                          struct holder *out) MUST_CHECK;
/* The first answer stays: ERR_NOT_FOUND. */
enum err store_holder_answer(struct store *s, struct id order,
                             const struct holder *answer) MUST_CHECK;
/* The next after *h by agency and node, which it becomes. */
enum err store_holder_next(struct store *s, struct id order, struct holder *h,
                           bool *found) MUST_CHECK;
/* How many have not answered, of all orders. */
enum err store_holders_open(struct store *s, uint64_t *n) MUST_CHECK;

/* What the next night destroys besides: the key of a quarter that is over, of
 * which no payload is left. */
enum err store_erase_due(struct store *s, struct id person,
                         uint64_t quarter) MUST_CHECK;
/* An erasure that may begin: its recalls are written, nothing holds it. */
enum err store_erase_ready(struct store *s, int32_t today, bool urgent_only,
                           struct id *order, struct id *person,
                           bool *found) MUST_CHECK;
enum err store_erase_begin(struct store *s, struct id order) MUST_CHECK;
/* Whether a person's erasure has begun and cannot be held any more. */
enum err store_erase_begun(struct store *s, struct id person,
                           bool *begun) MUST_CHECK;
/* A person's quarter, key and handle, that is on its way out. order zero: the
 * key ran out. */
struct erase_key {
    int64_t id;
    struct id person, order;
    uint64_t quarter, begin_leaf;
};
/* An order destroys it: one that has run out besides goes with the order. */
enum err store_erase_order(struct store *s, struct id order, struct id person,
                           uint64_t quarter) MUST_CHECK;
/* Some that are due and not begun, by chance; then one is, with its leaf. */
enum err store_erase_keys_due(struct store *s, int32_t today,
                              struct erase_key *out, size_t max,
                              size_t *n) MUST_CHECK;
enum err store_erase_key_begun(struct store *s, int64_t id,
                               uint64_t leaf) MUST_CHECK;
/* The next begun with an id > after; and some of them, by chance. */
enum err store_erase_key_next(struct store *s, int64_t after,
                              struct erase_key *out, bool *found) MUST_CHECK;
enum err store_erase_keys_begun(struct store *s, struct erase_key *out,
                                size_t max, size_t *n) MUST_CHECK;
enum err store_erase_key_done(struct store *s, const struct erase_key *k,
                              uint64_t done_leaf) MUST_CHECK;
/* Empties the events, then the deliveries of all whose erasure has begun: a
 * slice of rows after *at, which it moves on. */
enum err store_erase_events(struct store *s, int64_t *at, bool *end) MUST_CHECK;
enum err store_erase_deliveries(struct store *s, int64_t *at,
                                bool *end) MUST_CHECK;
/* Everything else of theirs. */
enum err store_erase_people(struct store *s) MUST_CHECK;
/* Moves the WAL into the database and empties it. Outside a transaction. */
enum err store_erase_settle(struct store *s) MUST_CHECK;
/* The erasures that have begun are over. */
enum err store_erase_over(struct store *s, uint64_t now_ms,
                          uint64_t epoch) MUST_CHECK;
/* Leaves of an order, by number: the next after *begin, which it becomes. */
enum err store_erase_leaf(struct store *s, struct id order, uint64_t *begin,
                          uint64_t *done, bool *found) MUST_CHECK;

/* ---- retention (retain.c) ---- */
/* An event of which content is left. */
struct retain_event {
    int64_t seq;
    struct id person, case_id;
    uint32_t type;
    uint64_t accepted_ms;
};
/* Up to max of them with seq > after, in order. */
enum err store_retain_next(struct store *s, int64_t after,
                           struct retain_event *out, size_t max,
                           size_t *n) MUST_CHECK;
/* Whether somebody has yet to get an event, and when the last delivery that is
 * over was (0: there was none). */
enum err store_retain_owed(struct store *s, int64_t seq, bool *owed,
                           uint64_t *ended_ms) MUST_CHECK;
/* Notes the first event that ends a case for its terms; and when that was. */
enum err store_case_end(struct store *s, struct id case_id,
                        uint64_t at_ms) MUST_CHECK;
enum err store_case_ended(struct store *s, struct id case_id,
                          uint64_t *at_ms) MUST_CHECK;
/* Removes up to max consents whose last day is before a day, but for persons
 * under a hold. *n: how many. */
enum err store_consents_drop(struct store *s, int32_t before, int32_t today,
                             size_t max, size_t *n) MUST_CHECK;
/* Empties what was parked before a time and is closed. */
enum err store_parked_empty(struct store *s, uint64_t before_ms) MUST_CHECK;

/* ---- the end of keys (shred.c) ---- */
#define KEY_ID_BYTES 8
/* A key as the log names it. */
struct key_gone {
    uint64_t quarter; /* 0: the person's master key */
    uint8_t id[KEY_ID_BYTES];
    uint8_t sha256[32]; /* of the wrapped key, as it lay in keyring.db */
};
/* The keys of a person, the oldest quarter first (owned array, free()). */
enum err store_keys_of(struct store *s, struct id person, struct key_gone **out,
                       size_t *n) MUST_CHECK;
/* Destroys keys and says which (owned array, free()). It is a commit of its
 * own: ERR_STATE in a transaction. What was destroyed already is not told
 * again. ERR_ERASE_REMAINS: a file still holds one of them. Many at once cost
 * hardly more than one. */
struct key_name {
    struct id person;
    uint64_t quarter; /* KEY_EVERY: all keys of the person */
};
#define KEY_EVERY UINT64_MAX
enum err store_keys_destroy(struct store *s, const struct key_name *k,
                            size_t count, struct key_gone **out,
                            size_t *n) MUST_CHECK;
/* Wraps all keys under a new epoch, a slice a call, until *done; then the
 * epochs before are destroyed, and copies of keyring.db made before are worth
 * nothing. Outside a transaction. */
enum err store_keys_rotate(struct store *s, bool *done) MUST_CHECK;
uint32_t store_keys_epoch(const struct store *s);
/* The name of the key after *k, which it becomes; begin with zeroes. */
enum err store_keys_next(struct store *s, struct key_name *k,
                         bool *found) MUST_CHECK;
/* Quarters of Japan's calendar since year 0. */
uint64_t quarter_of(uint64_t ms);

/* ---- small things ---- */
/* Named values of the hub itself (registry digest last leafed ...). */
enum err store_value_get(struct store *s, const char *name,
                         struct buf *out) MUST_CHECK;
enum err store_value_set(struct store *s, const char *name,
                         struct slice v) MUST_CHECK;
struct store_counts {
    /* queued: also released and not acknowledged; parked: open ones */
    uint64_t events, queued[LANE_COUNT], oldest_queued_ms, parked, leaves;
};
enum err store_counts(struct store *s, struct store_counts *out) MUST_CHECK;
/* Moves WAL content into the database when idle; cheap when there is little. */
enum err store_tidy(struct store *s) MUST_CHECK;
/* A consistent copy of one of the two databases, into a new file. The
 * key-encryption keys are never copied. ERR_CONFLICT when the file exists. */
enum store_copy { COPY_DATA, COPY_KEYRING };
enum err store_backup(struct store *s, enum store_copy what,
                      const char *path) MUST_CHECK;
/* Every page of hub.db, for a copy that is looked at; slow. */
enum err store_pages_check(struct store *s, struct buf *why) MUST_CHECK;
#endif
