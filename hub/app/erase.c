/* erase.c - the erasure of a person (個人情報保護法 35条, 98条): the order, and
 * those who held something.
 *
 * With the order, in one transaction: the ADMIN leaf, an order for every node
 * of every agency that has a token or was ever sent something, sealed to that
 * node; then the tokens go, so that nobody can name the person any more, and an
 * event under an old token begins a new person (an emergency never waits). A
 * sweep recalls whatever was released and empties the queues. The rest is the
 * night's work (night.c).
 *
 * A node's answer may come years later, and is a leaf (RECALL, phase ERASE)
 * that names the order and nobody. */
#include "proto/wire/erase.h"
#include "hub/app/hub.h"
#include "proto/base/date.h"
#include "proto/wire/unpack.h"
#include <stdlib.h>
#include <string.h>

#define OWED_AT_ONCE 100

/* ---- when the order is taken: who held something ---- */

struct held {
    char agency[AGENCY_MAX];
    enum token_kind kind;
    bool has_token;
    uint8_t token[ID_BYTES];
};
struct held_list {
    struct held *one;
    size_t n, cap;
};

static enum err note_held(void *ctx, const char *agency, enum token_kind kind,
                          const uint8_t *token)
{
    struct held_list *l = ctx;
    if (l->n == l->cap) {
        size_t cap = l->cap == 0 ? 16 : 2 * l->cap;
        struct held *more = realloc(l->one, cap * sizeof(*more));
        if (more == NULL)
            return ERR_NOMEM;
        l->one = more;
        l->cap = cap;
    }
    struct held *h = &l->one[l->n++];
    *h = (struct held){.kind = kind, .has_token = token != NULL};
    snprintf(h->agency, sizeof(h->agency), "%s", agency);
    if (token != NULL)
        memcpy(h->token, token, ID_BYTES);
    return ERR_OK;
}

static int by_agency(const void *a, const void *b)
{
    return strcmp(((const struct held *)a)->agency,
                  ((const struct held *)b)->agency);
}

/* What one agency calls the person and the cases: list[0..n). */
static enum err seal_for(struct hub *h, struct id order, uint64_t leaf,
                         struct held *list, size_t n, const struct node *node,
                         struct buf *sealed)
{
    Pb__EraseOrder o = PB__ERASE_ORDER__INIT;
    ProtobufCBinaryData *token = calloc(2 * n, sizeof(*token));
    if (token == NULL)
        return ERR_NOMEM;
    o.has_order = o.has_leaf = o.has_made_ms = 1;
    o.order = pb_borrow(slice_of(order.b, ID_BYTES));
    o.leaf = leaf;
    o.made_ms = h->now_ms;
    o.person_token = token;
    o.case_token = token + n;
    for (size_t i = 0; i < n; i++) {
        ProtobufCBinaryData t = {ID_BYTES, list[i].token};
        if (list[i].has_token && list[i].kind == TOKEN_PERSON)
            o.person_token[o.n_person_token++] = t;
        else if (list[i].has_token)
            o.case_token[o.n_case_token++] = t;
    }
    enum err e = erase_seal(&o, h->keys.sign_secret, node->pub.box, sealed);
    free(token);
    return e;
}

/* An order for every node in use of an agency; one that has none is named. */
static enum err order_holder(struct hub *h, struct id order, uint64_t leaf,
                             struct held *list, size_t n)
{
    bool any = false;
    enum err e = ERR_OK;
    for (size_t i = 0; i < registry_node_count(h->registry) && e == ERR_OK;
         i++) {
        const struct node *node = registry_node_at(h->registry, i);
        struct buf sealed = {0};
        if (node->state != NODE_ACTIVE ||
            strcmp(node->agency->code, list[0].agency) != 0)
            continue;
        any = true;
        e = seal_for(h, order, leaf, list, n, node, &sealed);
        if (e == ERR_OK)
            e = store_holder_put(h->store, order, list[0].agency,
                                 node->pub.node, buf_slice(&sealed));
        buf_fini(&sealed);
    }
    if (e != ERR_OK || any)
        return e;
    return store_holder_put(h->store, order, list[0].agency, "", SLICE_NONE);
}

static enum err order_holders(struct hub *h, struct id order, struct id person,
                              uint64_t leaf)
{
    struct held_list l = {0};
    enum err e = store_holdings(h->store, person, note_held, &l);
    if (l.n > 0)
        qsort(l.one, l.n, sizeof(*l.one), by_agency);
    for (size_t i = 0, n; i < l.n && e == ERR_OK; i += n) {
        for (n = 1; i + n < l.n && by_agency(&l.one[i], &l.one[i + n]) == 0;)
            n++;
        e = order_holder(h, order, leaf, &l.one[i], n);
    }
    free(l.one);
    return e;
}

enum err erase_take(struct hub *h, struct id order, struct id person,
                    uint64_t leaf)
{
    enum err e = order_holders(h, order, person, leaf);
    if (e == ERR_OK)
        e = store_person_deny(h->store, person);
    h->night.look_ms = 0;
    return e != ERR_OK ? e : sweep_person(h, person, SWEEP_ERASED, NULL, leaf);
}

/* ---- what a node owes, and its answer ---- */

enum err erase_owed(struct hub *h, const struct node *who, struct buf *j)
{
    struct id at = {{0}};
    bool found = true;
    const int32_t today = japan_day(h->now_ms);
    enum err e = ERR_OK;
    buf_adds(j, ",\"erase\":[");
    for (int n = 0; n < OWED_AT_ONCE && e == ERR_OK; n++) {
        struct buf sealed = {0};
        e = store_holder_open(h->store, who->pub.node, today, at, &at, &sealed,
                              &found);
        if (e == ERR_OK && found) {
            buf_addf(j, "%s{\"order\":\"", n > 0 ? "," : "");
            buf_add_hex(j, slice_of(at.b, ID_BYTES));
            buf_adds(j, "\",\"sealed\":\"");
            buf_add_hex(j, buf_slice(&sealed));
            buf_adds(j, "\"}");
        }
        buf_fini(&sealed);
        if (!found)
            break;
    }
    buf_adds(j, "]");
    return e;
}

struct erased_answer {
    const struct node *who;
    struct buf bytes, signature;
    const Pb__EraseAnswer *said; /* in m */
    ProtobufCMessage *m;
    struct id order;
};

#define ANSWER_BYTES 512
/* max <= ANSWER_BYTES */
static enum err unhex(const char *hex, size_t max, struct buf *out)
{
    uint8_t bytes[ANSWER_BYTES];
    size_t n = strlen(hex) / 2;
    if (n == 0 || n > max || strlen(hex) % 2 != 0 ||
        hex_decode(hex, bytes, n) != ERR_OK)
        return ERR_USAGE;
    buf_add(out, bytes, n);
    return out->failed ? ERR_NOMEM : ERR_OK;
}

static enum err open_answer(const Pb__Ask *a, struct erased_answer *x)
{
    enum err e = unhex(ask_argument(a, "answer"), ANSWER_BYTES, &x->bytes);
    if (e == ERR_OK)
        e = unhex(ask_argument(a, "signature"), SIGNATURE_BYTES, &x->signature);
    if (e == ERR_OK)
        e = sign_check(SIGN_ERASE, buf_slice(&x->bytes),
                       buf_slice(&x->signature), x->who->pub.sign);
    if (e == ERR_OK)
        e = unpack(&pb__erase_answer__descriptor, buf_slice(&x->bytes), &x->m);
    x->said = (const Pb__EraseAnswer *)x->m;
    if (e == ERR_OK)
        e = id_from(pb_slice(x->said->order), &x->order);
    if (e == ERR_OK &&
        x->said->outcome == PB__RECALL_OUTCOME__RECALL_OUTCOME_UNSPECIFIED)
        e = ERR_USAGE;
    return e;
}

static enum err leaf_answer(struct hub *h, const struct erased_answer *x,
                            uint64_t taken, uint64_t *leaf)
{
    Pb__AuditLeaf l = leaf_new(h, PB__LEAF_KIND__RECALL);
    l.phase = pb_text("ERASE");
    l.peer = pb_text(x->who->agency->code);
    l.node = pb_text(x->who->pub.node);
    l.reason = pb_text(recall_word(x->said->outcome));
    l.has_order = l.has_signature = l.has_signed_ = 1;
    l.order = pb_borrow(slice_of(x->order.b, ID_BYTES));
    l.signature = pb_borrow(buf_slice(&x->signature));
    l.signed_ = pb_borrow(buf_slice(&x->bytes));
    l.n_ref = 1;
    l.ref = &taken;
    return store_leaf(h->store, &l, leaf);
}

/* The first answer stays; a repeat is answered the same (I-8). */
static enum err take_answer(struct hub *h, const struct erased_answer *x)
{
    struct taken_order o = {0};
    struct holder was;
    struct holder now = {.outcome = (unsigned)x->said->outcome,
                         .handed_over = x->said->handed_over,
                         .answered_ms = h->now_ms};
    enum err e = store_holder_get(h->store, x->order, x->who->pub.node, &was);
    if (e != ERR_OK || was.outcome != 0)
        return e;
    if (!turn_begin(h))
        return h->broken;
    snprintf(now.node, sizeof(now.node), "%s", x->who->pub.node);
    e = store_order_get(h->store, x->order, &o);
    if (e == ERR_OK)
        e = leaf_answer(h, x, o.leaf, &now.leaf);
    if (e == ERR_OK)
        e = store_holder_answer(h->store, x->order, &now);
    taken_order_fini(&o);
    return e == ERR_OK ? ERR_OK : turn_broken(h, e);
}

enum err ask_erased(struct hub *h, const struct node *who, const Pb__Ask *a,
                    struct buf *j)
{
    struct erased_answer x = {.who = who};
    enum err e = open_answer(a, &x);
    if (e == ERR_OK)
        e = take_answer(h, &x);
    if (e == ERR_OK)
        buf_adds(j, "{\"schema\":\"tsunagi.erased/1\"}");
    unpack_free(&x.m);
    buf_fini(&x.bytes);
    buf_fini(&x.signature);
    return e;
}
