/* ops.h - operations on a node by name, for the local socket and in-process. */
#ifndef TSUNAGI_SDK_OPS_H
#define TSUNAGI_SDK_OPS_H
#include "adapters/sdk/session.h"

#define OP_TIMEOUT_MS 30000

/* NULL when absent. */
const char *op_arg(const struct node_arg *args, size_t n, const char *key);
uint64_t op_number(const struct node_arg *args, size_t n, const char *key,
                   uint64_t fallback);
/* Everything but send and hub:..., done and committed on return. */
enum err op_run(struct tsunagi_host *h, const char *what,
                const struct node_arg *args, size_t n,
                struct node_answer *a) MUST_CHECK;
/* Stores the event of the argument json; not committed. When there is already
 * an answer - its content is refused, or it is a repeat that the hub has
 * answered - a is filled; else a->json stays NULL. */
enum err op_submit(struct tsunagi_host *h, const struct node_arg *args,
                   size_t n, struct id *event_id,
                   struct node_answer *a) MUST_CHECK;
/* The answer to `send`: what is known of the event. *waiting: nothing yet. */
enum err op_outcome(struct tsunagi_host *h, struct id event_id, bool *waiting,
                    struct node_answer *a) MUST_CHECK;
/* The hub's answer, or why there is none, as ours. */
enum err op_hub_answer(enum err e, const Pb__Answer *m,
                       struct node_answer *a) MUST_CHECK;
/* Ends an operation: e is its answer unless the machine is broken. */
enum err op_done(struct node_answer *a, enum err e) MUST_CHECK;
/* An event that is refused here: "field: sentence" as an answer. */
enum err op_refused(struct node_answer *a, enum err e,
                    const struct buf *why) MUST_CHECK;
/* ---- ops_witness.c ---- */
enum err op_witness(struct tsunagi_host *h, const struct node_arg *args,
                    size_t n, struct node_answer *a) MUST_CHECK;
enum err op_witness_clear(struct tsunagi_host *h, const struct node_arg *args,
                          size_t n, struct node_answer *a) MUST_CHECK;
enum err op_proof(struct tsunagi_host *h, const struct node_arg *args, size_t n,
                  struct node_answer *a) MUST_CHECK;
/* An Ask from a name and arguments; ptrs has room for n. Borrowed. */
void op_ask(const char *what, const struct node_arg *args, size_t n,
            Pb__AskArgument *arg, Pb__AskArgument **ptrs, Pb__Ask *out);
#define OP_ARGS_MAX 16
#endif
