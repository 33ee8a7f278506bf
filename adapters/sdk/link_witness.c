/* link_witness.c - this node as a witness of the hub's log (C2SP tlog-witness,
 * cosignature/v1), and the one history of all it has seen.
 *
 *   WITNESS (old size, proof, note) -> judged against what was cosigned last
 *      -> joined with the heads of both lanes: proofs are asked for (ASK)
 *      -> on disk (witness_advance) -> answered with the cosignature
 *
 * So nothing is cosigned that contradicts a delivery, and nothing is delivered
 * for long that contradicts a cosignature. A node that nobody asks to cosign
 * joins its two lanes all the same. While the hub does not give such a proof it
 * may be ill or may be lying: ordinary deliveries wait after the time that a
 * quorum has (link_stopped), and a proof that is false is a fork.
 *
 * A WITNESS that comes while another is being joined takes its place; the hub
 * had given the first one up. */
#include "adapters/sdk/link_lanes.h"
#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "proto/wire/unpack.h"
#include "proto/wire/witness.h"
#include <inttypes.h>
#include <string.h>

/* Parts of the time that a quorum has, of 120 s: */
#define JOIN_EVERY 4  /* 30 s */
#define JOIN_AGAIN 12 /* 10 s */

/* ---- answering ---- */

static enum err put_answer(struct link *k, size_t lane, uint32_t status,
                           const struct buf *body, const struct head *note)
{
    Pb__WitnessAnswer m = PB__WITNESS_ANSWER__INIT;
    struct buf *out = &k->lane[lane].cosigned;
    m.has_status = 1;
    m.status = status;
    m.body = body != NULL && body->n > 0 ? (char *)body->p : NULL;
    m.note = note != NULL && note->note.n > 0 ? (char *)note->note.p : NULL;
    buf_reset(out);
    return body != NULL && body->failed ? ERR_NOMEM : pack(&m.base, out);
}

/* asked (may be NULL): what the hub wanted cosigned. Our note goes with it when
 * it says more than that: the log's key signed both. */
static enum err refuse(struct link *k, size_t lane, enum witness_status status,
                       const struct checkpoint *asked)
{
    const struct head *ours = &k->history.tip[STRAND_WITNESS];
    struct buf body = {0};
    bool conflict = status == WITNESS_CONFLICT;
    bool show = status == WITNESS_UNPROVED ||
                (conflict && asked != NULL && ours->at.size >= asked->size);
    if (conflict)
        witness_size_write(ours->at.size, &body);
    enum err e =
        put_answer(k, lane, (uint32_t)status, &body, show ? ours : NULL);
    buf_fini(&body);
    return e;
}

/* The one that contradicts goes back: the log's key signed both. */
static enum err refuse_fork(struct link *k, size_t lane,
                            const struct head *before)
{
    return put_answer(k, lane, WITNESS_UNPROVED, NULL, before);
}

static enum err sign_and_answer(struct link *k, size_t lane,
                                const struct head *h)
{
    struct buf line = {0};
    const struct node_keys *keys = k->c.keys;
    enum err e = cosignature_make(buf_slice(&h->note), keys->pub.node,
                                  keys->witness_secret, keys->pub.witness,
                                  clock_wall_ms() / 1000, &line);
    if (e == ERR_OK)
        e = put_answer(k, lane, WITNESS_DONE, &line, NULL);
    k->given += e == ERR_OK;
    buf_fini(&line);
    return e;
}

/* On disk first; another process that shares the file may have been faster. */
static enum err cosign(struct link *k, size_t lane, uint64_t old_size,
                       const struct head *h)
{
    enum err e =
        witness_advance(k->c.state, old_size, &h->at, buf_slice(&h->note));
    if (e == ERR_CONFLICT || e == ERR_DLV_FORK) {
        e = link_remember_witness(k);
        return e == ERR_OK ? refuse(k, lane, WITNESS_CONFLICT, &h->at) : e;
    }
    if (e == ERR_OK)
        e = history_set(&k->history, STRAND_WITNESS, &h->at,
                        buf_slice(&h->note));
    if (e == ERR_OK)
        e = sign_and_answer(k, lane, h);
    return e == ERR_OK || e == ERR_NOMEM ? e : ERR_STORE;
}

/* ---- a request ---- */

static void drop_cosigning(struct link *k)
{
    head_fini(&k->cosigning.head);
    k->cosigning.open = false;
}

static void drop_join(struct link *k)
{
    join_fini(&k->joining.join);
    k->joining.open = k->joining.asked = false;
}

void link_witness_forget(struct link *k)
{
    drop_cosigning(k);
    drop_join(k);
    k->joining.failing_ms = 0;
    for (size_t i = 0; i < LANES; i++)
        buf_reset(&k->lane[i].cosigned);
}

static enum err found_fork(struct link *k, size_t lane, const struct head *h,
                           const struct finding *f, const struct given *g)
{
    enum err e = link_fork(k, f->dispute, f->before, h,
                           f->dispute == DISPUTE_NO_PROOF ? g : NULL);
    return e == ERR_OK ? refuse_fork(k, lane, f->before) : e;
}

/* Its signature, size and proof are good: against the heads of the lanes. */
static enum err begin_cosigning(struct link *k, size_t lane,
                                const struct witness_ask *ask,
                                const struct head *h)
{
    struct finding f;
    const struct given g = {ask->old_size, ask->path, ask->n};
    enum err e = history_check(&k->history, STRAND_WITNESS, &h->at, &g, &f);
    if (e == ERR_DLV_FORK)
        return found_fork(k, lane, h, &f, &g);
    if (e != ERR_OK)
        return refuse(k, lane, WITNESS_UNPROVED, &h->at);
    drop_join(k);
    k->joining.due_ms = 0;
    k->cosigning.open = true;
    k->cosigning.lane = lane;
    k->cosigning.old_size = ask->old_size;
    return head_set(&k->cosigning.head, &h->at, buf_slice(&h->note));
}

static bool other_root(const struct checkpoint *a, const struct checkpoint *b)
{
    return a->size > 0 && a->size == b->size &&
           memcmp(a->root.b, b->root.b, HASH_BYTES) != 0;
}

/* What contradicts the head that we cosigned last. */
static enum err judged_fork(struct link *k, size_t lane,
                            const struct witness_ask *ask,
                            enum witness_status s, const struct head *h)
{
    const struct given g = {ask->old_size, ask->path, ask->n};
    const struct head *ours = &k->history.tip[STRAND_WITNESS];
    enum err e = s == WITNESS_UNPROVED
                     ? link_fork(k, DISPUTE_NO_PROOF, ours, h, &g)
                     : link_fork(k, DISPUTE_SAME_SIZE, ours, h, NULL);
    return e == ERR_OK ? refuse(k, lane, s, &h->at) : e;
}

static enum err judge(struct link *k, size_t lane,
                      const struct witness_ask *ask)
{
    struct head h = {.at = {.size = 0}};
    struct checkpoint c;
    const struct checkpoint *ours = &k->history.tip[STRAND_WITNESS].at;
    enum witness_status s =
        witness_judge(ask, k->c.origin, k->c.log->sign, ours, &c);
    bool forked = (s == WITNESS_UNPROVED && ours->size > 0) ||
                  (s == WITNESS_CONFLICT && other_root(ours, &c));
    if (s != WITNESS_DONE && !forked)
        return refuse(k, lane, s, &c);
    enum err e = head_set(&h, &c, ask->note);
    if (e == ERR_OK)
        e = forked ? judged_fork(k, lane, ask, s, &h)
                   : begin_cosigning(k, lane, ask, &h);
    head_fini(&h);
    return e == ERR_DLV_PROOF ? refuse(k, lane, WITNESS_FORBIDDEN, NULL) : e;
}

enum err link_take_witness(struct link *k, size_t lane, struct slice body)
{
    ProtobufCMessage *m = NULL;
    struct witness_ask ask;
    enum err e = unpack(&pb__witness_ask__descriptor, body, &m);
    if (e != ERR_OK)
        return link_swallow(k, "witness", e);
    k->asked++;
    drop_cosigning(k);
    if (witness_ask_parse(pb_slice(((Pb__WitnessAsk *)m)->body), &ask) !=
        ERR_OK)
        e = refuse(k, lane, WITNESS_MALFORMED, NULL);
    else if (k->forked)
        e = refuse(k, lane, WITNESS_UNPROVED, NULL);
    else
        e = judge(k, lane, &ask);
    unpack_free(&m);
    return link_swallow(k, "witness", e);
}

/* ---- proofs from the hub ---- */

enum err link_ask_proof(struct link *k, uint64_t old_size, uint64_t size,
                        link_done *done)
{
    char what[] = "consistency", key_old[] = "old", key_new[] = "new";
    char from[24], to[24];
    Pb__AskArgument a = PB__ASK_ARGUMENT__INIT, b = PB__ASK_ARGUMENT__INIT;
    Pb__AskArgument *args[] = {&a, &b};
    Pb__Ask ask = PB__ASK__INIT;
    snprintf(from, sizeof(from), "%" PRIu64, old_size);
    snprintf(to, sizeof(to), "%" PRIu64, size);
    a.key = key_old;
    a.value = from;
    b.key = key_new;
    b.value = to;
    ask.what = what;
    ask.n_arg = NELEM(args);
    ask.arg = args;
    return link_ask(k, &ask, done, k);
}

static enum err read_hashes(const json_t *list, struct hash path[PROOF_MAX],
                            size_t *n)
{
    *n = json_array_size(list);
    if (!json_is_array(list) || *n > PROOF_MAX)
        return ERR_PB_MALFORMED;
    for (size_t i = 0; i < *n; i++) {
        const char *hex = json_string_value(json_array_get(list, i));
        if (hex == NULL || hex_decode(hex, path[i].b, HASH_BYTES) != ERR_OK)
            return ERR_PB_MALFORMED;
    }
    return ERR_OK;
}

enum err link_read_proof(enum err e, const Pb__Answer *a,
                         struct hash path[PROOF_MAX], size_t *n)
{
    json_t *j = NULL;
    *n = 0;
    e = link_open_answer(e, a, &j);
    if (e == ERR_OK)
        e = read_hashes(json_object_get(j, "proof"), path, n);
    json_decref(j);
    return e;
}

/* ---- joining ---- */

/* Tried again soon. What was to be cosigned is refused, with the longest head
 * known: a hub whose log does not hold it has lost something. */
static enum err join_failed(struct link *k, enum err why, uint64_t now)
{
    if (why != ERR_UNREACHABLE)
        log_warn("link: the hub does not join the heads it showed code=%s",
                 err_code(why));
    if (k->joining.failing_ms == 0)
        k->joining.failing_ms = now;
    k->joining.due_ms = now + k->c.quorum_ms / JOIN_AGAIN;
    drop_join(k);
    if (!k->cosigning.open)
        return ERR_OK;
    size_t lane = k->cosigning.lane;
    drop_cosigning(k);
    return refuse_fork(k, lane, history_newest(&k->history));
}

static enum err join_forked(struct link *k, const struct given *g,
                            const struct head *a, const struct head *b)
{
    bool same = a->at.size == b->at.size;
    enum err e = link_fork(k, same ? DISPUTE_SAME_SIZE : DISPUTE_NO_PROOF, a, b,
                           same ? NULL : g);
    if (e == ERR_OK && k->cosigning.open) {
        bool ours = a->at.size == k->cosigning.head.at.size;
        e = refuse_fork(k, k->cosigning.lane, ours ? b : a);
    }
    drop_join(k);
    drop_cosigning(k);
    return e;
}

static enum err join_done(struct link *k, uint64_t now)
{
    struct cosigning *c = &k->cosigning;
    enum err e = ERR_OK;
    history_joined(&k->history, &k->joining.join);
    if (k->joining.failing_ms != 0)
        link_offer_again(k);
    k->joining.failing_ms = 0;
    k->joining.due_ms =
        k->joining.asked ? now + k->c.quorum_ms / JOIN_EVERY : now;
    drop_join(k);
    if (c->open)
        e = cosign(k, c->lane, c->old_size, &c->head);
    drop_cosigning(k);
    return e;
}

static void proof_came(void *ctx, enum err e, const Pb__Answer *a);

static enum err join_go_on(struct link *k, uint64_t now)
{
    uint64_t from, to;
    if (!join_next(&k->joining.join, &from, &to))
        return join_done(k, now);
    enum err e = link_ask_proof(k, from, to, proof_came);
    k->joining.asking = k->joining.asked = e == ERR_OK;
    if (e == ERR_BUSY) /* of us: other questions come first */
        return ERR_OK;
    return e == ERR_NOMEM || e == ERR_OK ? e : join_failed(k, e, now);
}

static enum err take_proof(struct link *k, enum err e, const Pb__Answer *a)
{
    struct hash path[PROOF_MAX];
    const struct head *low, *high;
    uint64_t from, to;
    size_t n;
    if (!k->joining.open || k->forked)
        return ERR_OK; /* overtaken by another request, or by a fork */
    e = link_read_proof(e, a, path, &n);
    if (e != ERR_OK)
        return join_failed(k, e, clock_boot_ms());
    if (!join_next(&k->joining.join, &from, &to))
        return ERR_OK;
    e = join_take(&k->joining.join, path, n, &low, &high);
    const struct given g = {from, path, n};
    return e == ERR_DLV_FORK ? join_forked(k, &g, low, high) : e;
}

/* The next proof is asked for in the turn; what breaks here shows there. */
static void proof_came(void *ctx, enum err e, const Pb__Answer *a)
{
    struct link *k = ctx;
    k->joining.asking = false;
    e = take_proof(k, e, a);
    if (e != ERR_OK && k->broken == ERR_OK)
        k->broken = e;
}

static bool join_wanted(const struct link *k, uint64_t now)
{
    if (k->forked || k->joining.asking || now < k->joining.due_ms)
        return false;
    return k->joining.open || k->cosigning.open || history_apart(&k->history);
}

enum err link_witness_send(struct link *k, uint64_t now)
{
    enum err e = k->broken;
    link_tell_fork(k, now);
    if (e != ERR_OK || !k->lane[LANE_NORMAL].up || !join_wanted(k, now))
        return e;
    if (!k->joining.open)
        e = join_begin(&k->history,
                       k->cosigning.open ? &k->cosigning.head : NULL,
                       &k->joining.join);
    k->joining.open = e == ERR_OK;
    return e == ERR_OK ? join_go_on(k, now) : e;
}

bool link_apart(const struct link *k, uint64_t now)
{
    return k->joining.failing_ms != 0 &&
           now >= k->joining.failing_ms + k->c.quorum_ms;
}
