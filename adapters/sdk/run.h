/* run.h - a node at work: its keys, its spool and its link to the hub.
 *
 * One session per node (a spool has one owner). The host program is a session
 * with a module and a loop; the command line opens one itself when no adapter
 * of that node is running, and asks the running one over its local socket when
 * there is one: node_request does whichever is possible. */
#ifndef TSUNAGI_SDK_RUN_H
#define TSUNAGI_SDK_RUN_H
#include "adapters/sdk/include/tsunagi/adapter.h"
#include "proto/base/buf.h"
#include <jansson.h>

struct node_session; /* opaque; one owner, one thread */

enum node_mode {
    NODE_OFFLINE, /* spool only: never talks to the hub */
    NODE_ONLINE   /* connects to the hub */
};

/* Opens the node of a configuration file. Complaints about the file go to
 * `complaints` as lines. ERR_CONF_*, ERR_KEY_FILE, ERR_CONFLICT: another
 * process owns the spool, ERR_STORE_OPEN. *out is NULL on error. */
enum err node_open(const char *config_path, enum node_mode mode,
                   FILE *complaints, struct node_session **out) MUST_CHECK;
/* Commits and frees. Accepts NULL. */
void node_close(struct node_session **s);
/* What adapter modules and connectors are given. Lives as long as s. */
struct tsunagi_host *node_host(struct node_session *s);
/* Reads a configuration file and nothing else (`--check`). */
enum err node_check(const char *config_path, FILE *complaints) MUST_CHECK;

/* ---- the loop ---- */
/* Makes m (borrowed) the session's module and opens it. At most one. */
tsunagi_code node_attach(struct node_session *s,
                         const struct tsunagi_module *m);
/* Opens the local control socket of the configuration. ERR_IO. */
enum err node_serve(struct node_session *s) MUST_CHECK;
/* One turn: waits at most wait_ms for something to do, does it, commits.
 * ERR_STORE, ERR_IO: the machine is broken, end the process (exit 75). Any
 * other trouble is dealt with inside. */
enum err node_turn(struct node_session *s, int wait_ms) MUST_CHECK;
/* Somebody asked us to stop (SIGTERM, or "stop" on the local socket). */
void node_stop(struct node_session *s);
bool node_stopping(const struct node_session *s);

/* ---- sending ---- */
/* JSON of one event: {"type", "person" | "person_token", "case" |
 * "case_token", "actor" (of staff: the node's own name for them, or the 32
 * hex digits of their handle)?, "source", "to": [{"agency" | "role", "place",
 * "purpose", "basis"}], "created_ms"?, "expires_ms"?, "correlation"?,
 * "causation"?, "body": {...}}. Stored and committed on return; with hold,
 * committed by the next node_turn (so that many share one commit) and
 * acknowledged to nobody before. why (may be NULL) receives "field: sentence".
 */
enum err node_submit(struct node_session *s, struct slice json, bool hold,
                     char event_id[37], struct buf *why) MUST_CHECK;
/* Called by node_turn for every receipt that arrives; leaf_index is 0 unless
 * the event was accepted. */
typedef void node_receipt_fn(void *ctx, const struct tsunagi_receipt *r,
                             uint64_t leaf_index);
void node_on_receipt(struct node_session *s, node_receipt_fn *fn, void *ctx);

/* ---- operations, by name ---- */
struct node_arg {
    const char *key, *value;
};
/* The answer to an operation. node_answer_fini frees. */
struct node_answer {
    enum err code;
    json_t *json; /* one object; never NULL after success of the call */
};
void node_answer_fini(struct node_answer *a);
/* Does one operation in this session and waits for its end:
 *   send      json, [timeout_ms]: waits for the hub's durable receipt.
 *             {"event_id","outcome","code","text_ja","text_en","leaf_index",
 *             "receipt":{...}}. After the timeout ERR_UNREACHABLE, "kept":true.
 *   preview   json: what would pass, and nothing is sent or kept. Answered by
 *             the hub: {"recipient":[{"agency","purpose","released",...}]}
 *   submit    json: stored only; {"event_id","kept":true}
 *   report    person | person_token | order, [actor], identity_checked; a page
 *             of who has seen the person's data, from the hub (report.h)
 *   inbox     [after], [limit], [all]: {"deliveries":[{"seq","delivery_id",
 *             "state","withdrawn","recalled",...as tsunagi_delivery_json}]}.
 *             What is recalled, and without a lease what is unread, has no
 *             content but "held": "recalled" or "lease".
 *   handled   delivery_id
 *   show      delivery_id, [actor]: asks the hub (READ), then what it permits,
 *             as tsunagi_delivery_json with "text", printable. Under the lease
 *             also when the hub is away: "without_hub": true.
 *   consents  [person] | [person_token]: what was recorded here, see consents.h
 *   outbox    [after], [limit], [all]: {"events":[...]}
 *   resend    marks every kept event waiting again (after the hub's recovery)
 *   status    {"agency","node","hub":{...},"outbox":{...},"inbox":{...}}
 *   witness   this node as a witness, and whether a fork stands or a quorum is
 *             late: {"name","vkey","origin","size","root","forked",...}
 *   witness-clear  reason: a person decided that a fork no longer stands; what
 *             was seen of the log is forgotten, the reason is kept
 *   proof     event_id | delivery_id: {"proof": C2SP tlog-proof that we kept}
 *   token     person | persons (a number a line): {"agency","person_token"} |
 *             {"agency","person_tokens":[...]}, this agency's own
 *   erase     person_token: destroys this node's key for a person
 *   stop
 *   hub:WHAT  asks the hub WHAT with the other arguments, [timeout_ms]
 * An argument "tag" comes back in the answer. Returns trouble of this machine
 * or of the arguments; what the operation itself says is in a->code. */
enum err node_do(struct node_session *s, const char *what,
                 const struct node_arg *args, size_t n,
                 struct node_answer *a) MUST_CHECK;

/* ---- from outside the owner process ---- */
/* True when an adapter serves the local socket of this configuration. */
bool node_is_running(const char *config_path);
/* The operation through the running adapter, else in a session of its own. */
enum err node_request(const char *config_path, const char *what,
                      const struct node_arg *args, size_t n, FILE *complaints,
                      struct node_answer *a) MUST_CHECK;
/* A connection to the running adapter for many operations at once. Answers
 * come in any order; tell them apart by the argument "tag". */
struct node_client;
enum err node_client_open(const char *config_path, FILE *complaints,
                          struct node_client **out) MUST_CHECK;
void node_client_close(struct node_client **c);
enum err node_client_ask(struct node_client *c, const char *what,
                         const struct node_arg *args, size_t n) MUST_CHECK;
/* ERR_UNREACHABLE: nothing came within wait_ms. */
enum err node_client_answer(struct node_client *c, int wait_ms,
                            struct node_answer *a) MUST_CHECK;
#endif
