/* hub.h - the running hub: what its parts share. One thread, one owner.
 *
 * A turn (dispatch.c) is one transaction (turn.c): whatever has arrived is
 * taken in (intake.c), what recipients have credit for is released
 * (release.c), all of it is committed, the head of the log is signed, and only
 * then does anything leave. Core decides, store remembers, net carries; they
 * meet in dispatch.c and in the files it calls. */
#ifndef TSUNAGI_APP_HUB_H
#define TSUNAGI_APP_HUB_H
#include "hub/app/signer.h"
#include "hub/core/flow.h"
#include "hub/core/hub_config.h"
#include "hub/core/manifest.h"
#include "hub/core/step.h"
#include "hub/net/net.h"
#include "hub/store/store.h"
#include "tsunagi/v1/glass.pb-c.h"
#include "tsunagi/v1/wire.pb-c.h"

/* Events that share a commit, at most. A turn that has something urgent takes
 * little besides, so that an emergency never waits for bulk (I-7). */
#define TURN_EVENTS 64
#define TURN_NORMAL 16
#define TURN_BESIDE_URGENT 4
#define LANE_CONTROL NET_LANES /* an answer for the control socket */

/* An answer that waits for the commit. */
struct answer {
    uint8_t routing[ROUTING_BYTES];
    int lane;
    enum verb verb;
    struct buf body;
};
/* A delivery decided and leafed in this turn, to be built after its commit. */
struct outgoing {
    uint8_t routing[ROUTING_BYTES];
    int lane;
    struct delivery d;
    struct stored_event event;
    uint64_t withheld;
    const char *basis; /* borrowed from the policy */
    uint8_t person_token[16], case_token[16];
    bool has_person, has_case;
    struct buf leaf; /* bytes of the RELEASE leaf, once it is committed */
};

struct hub_counters {
    uint64_t accepted, refused, late, repeated, released, delivered, withheld;
    uint64_t malformed, stray_acks, turns;
};

/* Where the night's erasing has got to (night.c); kept in the store. */
struct night {
    unsigned step;    /* 0: resting */
    int64_t at;       /* row it has got to */
    bool read;        /* from the store, since the start */
    uint64_t look_ms; /* not before: is something due? */
    bool waits;       /* for somebody: the last one was too long ago */
};

/* Where the night's walk through what is kept has got to (retain.c). */
struct retention {
    unsigned phase;
    int64_t at;
    struct key_name key;
    struct key_name *kept; /* a hash set; quarter 0: free */
    size_t kept_n, kept_cap;
    uint64_t emptied, expired, left; /* rows a slice may still look at */
};

struct hub {
    struct hub_config config;
    struct node_keys keys, log_keys;
    const struct registry *registry; /* snapshots: replaced, never changed */
    const struct policy *policy;
    uint64_t policy_version, policy_leaf; /* of its activation */
    struct store *store;
    struct net *net;
    struct signer *signer;
    struct witness *witness; /* NULL: nobody is asked to cosign */
    uint64_t started_ms, now_ms, boot_ms;
    bool clock_ok;
    bool open;          /* a transaction is open */
    bool older_keyring; /* started to accept one */
    enum err broken; /* a storage fault: stop acknowledging, exit 75 (I-17) */
    enum err alarm;  /* a witness has proof against this log: exit 78 (I-15) */
    uint64_t hub_seq[LANE_COUNT];
    struct answer *answer; /* answer_count used */
    size_t answer_count, answer_cap;
    struct outgoing *outgoing;
    size_t outgoing_count, outgoing_cap, outgoing_max; /* max: this turn's */
    struct buf note; /* newest signed checkpoint */
    bool note_unsaved;
    uint64_t next_deadline_ms; /* nothing falls due before; 0: look */
    bool pump;                 /* somebody may have something to fetch */
    bool swept;                /* nothing is left to sweep */
    struct retention retention;
    struct night night; /* of erasures */
    struct hub_counters count;
    struct effects fx; /* scratch: large */
    bool stop;
};

/* ---- main loop parts ---- */
/* Opens everything the configuration names. why gets one line. */
enum err hub_open(struct hub *h, struct buf *why) MUST_CHECK;
/* Instead of hub_open: opens the store, starts a new epoch and does no more. */
enum err hub_new_epoch(struct hub *h, const char *order,
                       struct buf *why) MUST_CHECK;
/* Instead of hub_open: looks whether a copy of the store (FOLDER/hub.db) is
 * whole, without any key of payload, and tells on stdout. */
enum err copy_check(struct hub *h, const char *folder,
                    struct buf *why) MUST_CHECK;
void hub_close(struct hub *h);
/* One turn: receive, decide, commit, answer. Waits up to wait_ms. */
void hub_turn(struct hub *h, int wait_ms);

/* ---- head.c ---- */
/* Gives the signer the committed rows it has not seen, read back from the
 * store, and appends the note it signs. ERR_INTEGRITY: the two reckonings
 * differ, nothing is signed. */
enum err head_sign(struct store *store, struct signer *s,
                   struct buf *note) MUST_CHECK;
/* Before that at the start: the log has what the signer signed.
 * ERR_ROLLBACK: it is shorter, or another one. */
enum err head_check(struct store *store, const struct signer *s,
                    struct buf *why) MUST_CHECK;

/* ---- epoch.c ---- */
/* The log of the store has the name of the configuration. ERR_LOG_ORIGIN. */
enum err epoch_check(struct hub *h, struct buf *why) MUST_CHECK;
/* The log goes on under a new name, by an order (file) of two approvers. Store
 * opened with accept_rollback, no signer yet. Done before by the same order:
 * what a crash left undone is done. */
enum err epoch_start(struct hub *h, const char *order,
                     struct buf *why) MUST_CHECK;

/* ---- turn.c: the transaction ---- */
/* Commits what is open, signs the head, lets the answers leave. False when the
 * store is broken: nothing left. */
bool turn_commit(struct hub *h) MUST_CHECK;
/* Opens the turn's transaction if it is not; false when the store is broken. */
bool turn_begin(struct hub *h);
/* Notes a storage fault. Returns e. */
enum err turn_broken(struct hub *h, enum err e);
/* Trouble of the machine, not of a message: the caller must break the turn,
 * which may hold half of what belongs together (I-17). */
bool turn_fault(enum err e);
/* Queues an answer that may leave after the commit; body is taken. */
void turn_answer(struct hub *h, const struct peer *to, enum verb v,
                 struct buf *body);
/* The same for an ANSWER to the command line. */
void turn_answer_control(struct hub *h, const struct frame *to,
                         struct buf *body);

/* ---- known.c ---- */
/* Facts about a person and a case, for core. */
struct known {
    struct id person, case_id; /* zero: none */
    bool named;                /* the person, by a token of the sender */
    bool person_new, case_new; /* tokens that stand for nothing yet */
    struct grant *grants;
    size_t grant_count;
    struct person_facts about;
    struct glass *glass; /* every break-glass about the person */
    size_t glass_count;
    Pb__CaseState *state;
};
enum err known_load(struct hub *h, struct id person, struct id case_id,
                    struct known *k) MUST_CHECK;
/* The same by the tokens of an agency; what is not 16 bytes is none. A case
 * brings its person with it; ERR_FLOW_CASE: it is another one's. */
enum err known_of_tokens(struct hub *h, const char *agency, struct slice person,
                         struct slice case_token, struct known *k) MUST_CHECK;
/* Reads again what is known of the person. */
enum err known_person(struct hub *h, struct known *k) MUST_CHECK;
void known_fini(struct known *k);
void known_facts(const struct hub *h, const struct known *k,
                 const struct node *sender, struct facts *f);

/* ---- kept.c: an event as the store keeps it ---- */
/* What the event itself says; whose it is and about whom, the caller adds. */
enum err kept_fill(const struct event *ev, struct stored_event *s) MUST_CHECK;
/* What a recipient may have of a kept event now, in any role that the sender
 * asked for. ERR_NODE_UNKNOWN in out: the node that signed it, or the
 * recipient, is no longer in the registry. */
enum err decide_kept(struct hub *h, const struct stored_event *ev,
                     const struct delivery *d, const struct known *k,
                     struct decision *out) MUST_CHECK;
/* The same for a person of the recipient who reads it; role "": as wanted. */
enum err decide_reading(struct hub *h, const struct stored_event *ev,
                        const struct delivery *d, const struct known *k,
                        const uint8_t actor[16], const char *role,
                        struct decision *out) MUST_CHECK;
/* Never more than an earlier decision released (I-4). */
void decision_narrow(struct decision *d, uint64_t classes);
/* Which classes of a kept event have content, and its variant's name (static
 * text, "" when it has none). */
enum err kept_look_inside(const struct stored_event *ev, uint64_t *present,
                          const char **variant) MUST_CHECK;

/* ---- intake.c ---- */
/* One event on its way in. */
struct arrival {
    struct peer *from;
    const struct node *node;
    struct event *ev;
    struct known known;
    struct stored_event stored;
    uint64_t leaf; /* its INGEST */
};
/* Takes in one SEND body from a peer; queues its receipt or an ERROR. */
void intake(struct hub *h, struct peer *from, struct slice body);
/* A message of an authenticated node that could not even be read. */
void intake_malformed(struct hub *h, struct peer *from, enum err why);
/* Takes a token of the connection's budget; false: there is none. */
bool intake_spend(const struct hub *h, struct peer *p);

/* ---- apply.c: what an accepted event changes ---- */
/* Everything, by h->fx, inside the event's savepoint. */
enum err arrival_apply(struct hub *h, struct arrival *a) MUST_CHECK;
/* Its INGEST leaf: accepted (ERR_OK), or why not. */
enum err arrival_leaf(struct hub *h, struct arrival *a,
                      enum err why) MUST_CHECK;

/* ---- receipt.c: what the sender is told ---- */
/* Queues an ERROR about a message; event_id may be NULL. */
void answer_error(struct hub *h, struct peer *to, enum err why,
                  const uint8_t *event_id, uint32_t retry_ms);
/* Appends a signed receipt: of h->fx, or of a refusal. */
enum err receipt_accepted(const struct hub *h, const struct event *ev,
                          uint64_t leaf, struct buf *out) MUST_CHECK;
/* What the sender is told about one recipient. The strings live in ja/en. */
void receipt_describe(const struct hub *h, const struct recipient *r,
                      Pb__RecipientOutcome *o, struct buf *ja, struct buf *en);
/* What the sender is told of recipient i: *out is it, or in its place one that
 * names nobody. False: nothing. */
bool receipt_tells(const struct effects *fx, size_t i, struct recipient *out);
enum err receipt_refused(const struct hub *h, const struct event *ev,
                         uint64_t leaf, enum err why,
                         struct buf *out) MUST_CHECK;
/* After the commit: adds the proof of the leaf that a signed receipt names. */
enum err receipt_prove(struct hub *h, struct buf *body) MUST_CHECK;
/* Appends a C2SP tlog-proof of a committed leaf, which it carries, under the
 * newest head. */
enum err leaf_prove(struct hub *h, uint64_t index, struct buf *out) MUST_CHECK;

/* ---- deadline.c ---- */
/* Starts and stops the deadlines of an effects record: of the case, or of the
 * person, by their kind. */
enum err deadline_apply(struct hub *h, struct id person, struct id case_id,
                        const struct effects *fx) MUST_CHECK;
/* Runs those that have fallen due. */
void deadline_run(struct hub *h);

/* ---- issue.c: what follows from an accepted event ---- */
/* Queues one delivery with its DECISION leaf. */
enum err issue_delivery(struct hub *h, const struct stored_event *e,
                        const struct recipient *r) MUST_CHECK;
/* Makes and keeps an event of the hub's own for one agency. */
struct issue {
    uint32_t type;
    const ProtobufCMessage *body;
    const struct agency *to;
    const char *role, *purpose;
    struct id person, case_id;
    uint64_t cites; /* leaf it comes from */
};
enum err issue_event(struct hub *h, const struct issue *i,
                     const struct known *k) MUST_CHECK;
/* The hub's answers and releases of an effects record. */
enum err issue_hub_events(struct hub *h, const struct effects *fx,
                          const struct known *k, uint64_t cites) MUST_CHECK;

/* ---- withdraw.c: what must stop or come back ---- */
enum sweep_why {
    SWEEP_WITHDRAWN = 1, /* ref: the consent; NULL: every one of the person */
    SWEEP_SUPERSEDED,    /* ref: the older one; holders are not told */
    SWEEP_EXPIRED,       /* ref: the consent; what was released stays */
    SWEEP_CLOSED,        /* ref: the meeting's case; its papers come back */
    SWEEP_PROTECTED,     /* address protection */
    SWEEP_PLACES,        /* another authority may be meant */
    SWEEP_POLICY,        /* person zero: everybody */
    SWEEP_REFUSED,       /* ref: the refusal; nobody is told */
    SWEEP_ERASED         /* all that was ever released comes back */
};
/* Something changed that earlier decisions rested on: what waits is decided
 * again, what was released on ref, or is refused now, and has no ground any
 * more is called back, and who holds it is told. Written down here, done by
 * sweep_run. */
enum err sweep_person(struct hub *h, struct id person, enum sweep_why why,
                      const uint8_t *ref, uint64_t cites) MUST_CHECK;
/* How the sweep of a policy went: *done false while it runs. */
enum err sweep_said(struct hub *h, uint64_t cites, bool *done,
                    uint64_t *stopped, uint64_t *kept) MUST_CHECK;
/* A slice of what there is to sweep; small beside urgent traffic. */
void sweep_run(struct hub *h, bool urgent);
/* Ends a delivery that may not go (any more). */
enum err withhold(struct hub *h, struct delivery *d, uint64_t cites) MUST_CHECK;
/* One that cannot be decided about, or that nobody fetched: a person looks. */
enum err park_delivery(struct hub *h, struct delivery *d,
                       enum err why) MUST_CHECK;

/* ---- leaf.c: entries of the log ---- */
/* A leaf filled with what every kind has. */
Pb__AuditLeaf leaf_new(const struct hub *h, Pb__LeafKind kind);
/* A committed leaf, read; bytes (may be NULL) becomes what it is packed as.
 * ERR_NOT_FOUND, ERR_INTEGRITY: *out is NULL. */
enum err leaf_open(const struct hub *h, uint64_t index, struct buf *bytes,
                   Pb__AuditLeaf **out) MUST_CHECK;
void leaf_close(Pb__AuditLeaf **leaf);
enum err leaf_subject(struct hub *h, struct id person, Pb__AuditLeaf *leaf,
                      uint8_t handle[16]) MUST_CHECK;
/* Who signed: name+keyid of each key. n must live until the leaf is stored. */
struct approval_names {
    char name[APPROVALS_MAX][ORIGIN_MAX + 2 * NOTE_KEYID + 1];
    char *list[APPROVALS_MAX];
};
void leaf_approvals(const struct approvals *by, struct approval_names *n,
                    Pb__AuditLeaf *leaf);
/* Rules, bases, masks and consents of a decision; the arrays are the
 * caller's and must live until the leaf is stored. */
struct leaf_lists {
    char *predicate[32];
    char *considered[AGENCY_ROLES];
    char *rule[CLASS_MAX];
    char *basis[CLASS_MAX];
    ProtobufCBinaryData consent[CLASS_MAX];
};
void leaf_decision_by(const struct policy *p, const struct agency *to,
                      const struct decision *d, const struct grant *grants,
                      struct leaf_lists *l, Pb__AuditLeaf *leaf);
/* The same by the policy in force; leaf->peer says whom it is about. */
void leaf_decision(const struct hub *h, const struct decision *d,
                   const struct grant *grants, struct leaf_lists *l,
                   Pb__AuditLeaf *leaf);

/* ---- release.c, deliver.c, ack.c ---- */
void release_fetch(struct hub *h, struct peer *p, struct slice body);
/* Decides and leafs what peers have credit for; urgent lane first. */
void release_pump(struct hub *h);
void outgoing_fini(struct outgoing *o);
/* After the commit: builds, boxes and sends what was released. */
void deliver(struct hub *h);
/* A node's word on what it was sent, or on what was called back. */
void ack_take(struct hub *h, struct peer *p, struct slice body);
/* How the log names an answer to a recall or to an erasure. */
const char *recall_word(Pb__RecallOutcome o);

/* ---- witness.c: who cosigns the log's heads ---- */
/* Reads the policy and the hours that the configuration names, and what the
 * last run reached. ERR_WITNESS_POLICY, ERR_ROLLBACK. */
enum err witness_open(struct hub *h, struct buf *why) MUST_CHECK;
void witness_close(struct hub *h);
/* Once a second: freezes a head, asks those who are connected. */
void witness_tick(struct hub *h);
/* A WITNESS of a node: its answer. */
void witness_answer(struct hub *h, struct peer *from, struct slice body);
/* Ordinary deliveries wait: the quorum is overdue, or nobody has vouched for
 * this log since the start. */
bool witness_stops_normal(const struct hub *h);
/* In the turn's transaction: keeps the newest quorum, if it is news. */
enum err witness_save(struct hub *h) MUST_CHECK;
/* The newest head with its quorum's cosignatures, borrowed until the next
 * answer; *size 0: there is none. */
struct slice witness_note(const struct hub *h, uint64_t *size);
/* Below so many witnesses a split view is not excluded. */
#define WITNESSES_ENOUGH 3
size_t witness_count(const struct hub *h); /* that the policy names */
/* Appends "witness": how the witnesses are doing; and the metrics. */
void witness_status(const struct hub *h, struct buf *json);
void witness_metrics(const struct hub *h, struct buf *text);

/* ---- glass.c: break-glass ---- */
/* What core must know besides of an event that opens one, or that answers a
 * question put under one. Fills f, which borrows g. */
struct glass_facts {
    struct glass_actor actor;
    char asker[AGENCY_MAX];
};
enum err glass_facts(struct hub *h, const struct event *e, struct id person,
                     struct glass_facts *g, struct facts *f) MUST_CHECK;
/* Makes fx->glass_change durable, with its leaf; e NULL: a deadline. */
enum err glass_apply(struct hub *h, struct id person, const struct event *e,
                     const char *node, uint64_t cites,
                     struct effects *fx) MUST_CHECK;
/* Keeps the hash of the text that was given, once all of it stands. */
enum err glass_remember(struct hub *h, struct id person, const struct facts *f,
                        const struct effects *fx) MUST_CHECK;
/* The body of a BREAK_GLASS_NOTICE; borrows g, lives in n. */
struct glass_notice {
    Pb__BreakGlassNotice body;
    Pb__DataClass classes[CLASS_MAX];
};
const ProtobufCMessage *glass_notice(const struct glass *g, bool overdue,
                                     struct glass_notice *n);
/* The opening that lets a decision pass, which its leaves cite; reader: who
 * reads it (16 bytes), NULL: nobody yet. NULL: none. */
const struct glass *glass_behind(const struct hub *h, const struct known *k,
                                 const struct stored_event *e, const char *to,
                                 const uint8_t *reader,
                                 const struct decision *d);
enum err ask_glass(struct hub *h, const Pb__Ask *a,
                   struct buf *json) MUST_CHECK;
/* Appends "glass": the figures, for the status. */
enum err glass_status(struct hub *h, struct buf *json) MUST_CHECK;

/* ---- order.c: what people sign ---- */
enum err ask_order_subject(struct hub *h, const Pb__Ask *a,
                           struct buf *json) MUST_CHECK;
enum err ask_order_submit(struct hub *h, const Pb__Ask *a,
                          struct buf *json) MUST_CHECK;
enum err ask_order_list(struct hub *h, const Pb__Ask *a,
                        struct buf *json) MUST_CHECK;
/* Appends "held_until" when something keeps an erasure from beginning. */
enum err order_add_held(struct hub *h, const struct taken_order *o,
                        struct buf *json) MUST_CHECK;
/* "taken", "begun", "over". */
const char *order_state_name(enum order_state s);

/* ---- erase.c: a person's end, at every holder ---- */
/* Takes an order of erasure: leafed already, in the turn's transaction. */
enum err erase_take(struct hub *h, struct id order, struct id person,
                    uint64_t leaf) MUST_CHECK;
/* Appends what a node has still to erase: ,"erase":[...]. */
enum err erase_owed(struct hub *h, const struct node *who,
                    struct buf *json) MUST_CHECK;
enum err ask_erased(struct hub *h, const struct node *who, const Pb__Ask *a,
                    struct buf *json) MUST_CHECK;

/* ---- night.c: what is destroyed here ---- */
/* A slice of the night's work: with no transaction open, at the start of a
 * turn; and inside the turn's. */
void night_apart(struct hub *h);
void night_run(struct hub *h);
enum err ask_erase_run(struct hub *h, const Pb__Ask *a,
                       struct buf *json) MUST_CHECK;
enum err ask_erase_look(struct hub *h, const Pb__Ask *a,
                        struct buf *json) MUST_CHECK;
/* Appends "erasing" and "erasures_unanswered" for the status. */
enum err night_status(struct hub *h, struct buf *json) MUST_CHECK;

/* retain.c: a slice of retention, in the turn's transaction, until *done. */
enum err retain_slice(struct hub *h, bool *done) MUST_CHECK;
void retain_forget(struct hub *h);

/* ---- certificate.c ---- */
enum err ask_erase_certificate(struct hub *h, const Pb__Ask *a,
                               struct buf *json) MUST_CHECK;

/* ---- read.c: what nodes ask about what they hold ---- */
enum err ask_lease(struct hub *h, const struct node *who, const Pb__Ask *a,
                   struct buf *json) MUST_CHECK;
enum err ask_read(struct hub *h, const struct node *who, const Pb__Ask *a,
                  struct buf *json) MUST_CHECK;

/* ---- report.c, provisions.c: who has seen what ---- */
/* A person's report, by pages, for the agency they asked; and the same for an
 * agency that the command line names. */
enum err ask_report(struct hub *h, const struct node *who, const Pb__Ask *a,
                    struct buf *json) MUST_CHECK;
enum err ask_report_control(struct hub *h, const Pb__Ask *a,
                            struct buf *json) MUST_CHECK;
/* An agency's records of provision and of acquisition, by pages. */
enum err ask_provisions(struct hub *h, const struct node *who, const Pb__Ask *a,
                        struct buf *json) MUST_CHECK;

/* ---- ask.c, reload.c ---- */
/* Answers the command line; nothing personal leaves by this door. */
void ask_control(struct hub *h, const struct frame *f);
void ask_node(struct hub *h, struct peer *p, struct slice body);
/* Reads the registry again; keeps the last good one and says why. */
enum err reload(struct hub *h, struct buf *why) MUST_CHECK;
/* Every role of every agency is one the policy knows. */
enum err check_roles(const struct registry *r, const struct policy *p,
                     struct buf *why) MUST_CHECK;

/* ---- who.c ---- */
/* Who may approve a policy now: the file, held against the table that the
 * last activation kept. Zero-initialise; who_fini frees. */
struct who_approves {
    struct buf file, kept;   /* the tables as texts */
    uint8_t file_sha256[32]; /* of today's */
    uint8_t kept_sha256[32]; /* of the one in force */
    bool anchored;           /* there is a kept one */
    bool differs;            /* and the file is not it */
    struct approvers *now, *before;
};
/* why says what is wrong with which table. ERR_INTEGRITY: the kept one is not
 * the one that the leaf of the policy in force names. */
enum err who_read(const struct hub *h, struct who_approves *w,
                  struct buf *why) MUST_CHECK;
/* At start: the kept table is the one of the log. */
enum err who_begin(const struct hub *h, struct buf *why) MUST_CHECK;
void who_fini(struct who_approves *w);
/* Makes today's table the one in force, in the turn's transaction. */
enum err who_keep(struct hub *h, const struct who_approves *w) MUST_CHECK;
/* Appends members for a status: "approvers":2,... */
void who_say(const struct hub *h, struct buf *json);

/* ---- activate.c ---- */
/* At start: the policy in force, from the store; a hub that has none yet
 * activates the folder of the configuration. */
enum err policy_begin(struct hub *h, struct buf *why) MUST_CHECK;
/* The tables of a kept pack, held against its digest. *out owned. */
enum err policy_of_pack(const struct stored_policy *p, struct policy **out,
                        struct manifest *m, struct buf *why) MUST_CHECK;

/* ---- questions answered elsewhere than in ask.c; json is appended ---- */
/* An argument of a question, "" when it is absent. */
const char *ask_argument(const Pb__Ask *a, const char *key);
/* The same as a number; false when it is none. */
bool ask_number(const Pb__Ask *a, const char *key, uint64_t *out);
/* As 16 bytes: 32 hex digits and nothing else. */
bool ask_id(const Pb__Ask *a, const char *key, uint8_t out[ID_BYTES]);
/* Append a list of class names; and ,"key":"text" and ,"key":"time in Japan".
 */
void ask_add_classes(struct buf *json, uint64_t classes);
void ask_add_text(struct buf *json, const char *key, const char *text);
void ask_add_time(struct buf *json, const char *key, uint64_t ms);
/* Appends {"why":"..."}; and whether json says why something was refused: that
 * goes with the code. */
void ask_add_why(const struct buf *why, struct buf *json);
bool ask_says_why(const struct buf *json);
/* backup.c */
enum err ask_backup(struct hub *h, const Pb__Ask *a,
                    struct buf *json) MUST_CHECK;
enum err ask_policy_activate(struct hub *h, const Pb__Ask *a,
                             struct buf *json) MUST_CHECK;
enum err ask_policy_status(struct hub *h, const Pb__Ask *a,
                           struct buf *json) MUST_CHECK;
enum err ask_policy_file(struct hub *h, const Pb__Ask *a,
                         struct buf *json) MUST_CHECK;
/* explain.c: event_id, to, perhaps purpose and role. */
enum err ask_explain(struct hub *h, const Pb__Ask *a,
                     struct buf *json) MUST_CHECK;
/* replay.c: leaf. */
enum err ask_replay(struct hub *h, const Pb__Ask *a,
                    struct buf *json) MUST_CHECK;
/* preview.c: a node's question; writes its leaf itself. */
enum err ask_preview(struct hub *h, const struct node *who, const Pb__Ask *a,
                     struct buf *json) MUST_CHECK;
#endif
