/* receipt.c - what the hub answers a sender: a signed receipt that says for
 * every recipient what it will get or why not, or an ERROR when the message
 * could not even be read. Sentences come from tables, never from the message
 * (I-11).
 *
 * With the receipt goes the proof that its leaf is in the log, made when it
 * leaves: only after the commit is there a head to prove it by. So the bytes
 * that are kept for a repeat, and what the hub signed, are without it. */
#include "hub/app/hub.h"
#include "proto/wire/log_proof.h"
#include "proto/wire/unpack.h"
#include <stdlib.h>
#include <string.h>

void answer_error(struct hub *h, struct peer *to, enum err why,
                  const uint8_t *event_id, uint32_t retry_ms)
{
    Pb__Error m = PB__ERROR__INIT;
    m.code = pb_text(err_code(why));
    m.text_ja = pb_text(err_ja(why));
    m.text_en = pb_text(err_en(why));
    if (retry_ms > 0) {
        m.has_retry_after_ms = 1;
        m.retry_after_ms = retry_ms;
    }
    if (event_id != NULL) {
        m.has_event_id = 1;
        m.event_id = pb_borrow(slice_of(event_id, ID_BYTES));
    }
    struct buf b = {0};
    if (pack(&m.base, &b) == ERR_OK)
        turn_answer(h, to, VERB_ERROR, &b);
    buf_fini(&b);
}

/* Packs, signs and wraps a receipt. */
static enum err sign_receipt(const struct hub *h, const Pb__Receipt *r,
                             struct buf *out)
{
    struct buf bytes = {0};
    uint8_t signature[SIGNATURE_BYTES];
    enum err e = pack(&r->base, &bytes);
    if (e == ERR_OK)
        e = sign_make(SIGN_RECEIPT, buf_slice(&bytes), h->keys.sign_secret,
                      signature);
    if (e == ERR_OK) {
        Pb__SignedReceipt s = PB__SIGNED_RECEIPT__INIT;
        s.has_receipt = s.has_signature = 1;
        s.receipt = pb_borrow(buf_slice(&bytes));
        s.signature = (ProtobufCBinaryData){sizeof(signature), signature};
        e = pack(&s.base, out);
    }
    buf_fini(&bytes);
    return e;
}

static void receipt_head(const struct hub *h, const struct event *ev,
                         uint64_t leaf, Pb__Receipt *r)
{
    r->has_event_id = r->has_header_sha256 = r->has_time_ms = 1;
    r->event_id = pb_borrow(slice_of(ev->event_id.b, ID_BYTES));
    r->header_sha256 = pb_borrow(slice_of(ev->header_sha256, 32));
    r->time_ms = h->now_ms;
    r->has_leaf_index = 1;
    r->leaf_index = leaf;
    r->epoch = h->config.origin;
}

static void receipt_code(Pb__Receipt *r, enum err why)
{
    if (why == ERR_OK)
        return;
    r->code = pb_text(err_code(why));
    r->text_ja = pb_text(err_ja(why));
    r->text_en = pb_text(err_en(why));
}

void receipt_describe(const struct hub *h, const struct recipient *r,
                      Pb__RecipientOutcome *o, struct buf *ja, struct buf *en)
{
    pb__recipient_outcome__init(o);
    if (r->agency != NULL)
        o->agency = pb_text(r->agency->code);
    o->role = pb_text(r->role);
    o->purpose = pb_text(r->purpose);
    o->has_released = o->has_withheld = 1;
    o->released = r->why == ERR_OK ? r->decision.released : 0;
    o->withheld = r->decision.withheld;
    /* the rule's own sentence, unless it was not a rule that said no */
    if (r->agency != NULL &&
        (r->why == ERR_OK ||
         (r->why == ERR_POL_NONE && r->decision.released == 0))) {
        policy_explain(h->policy, &r->decision, ja, en);
    } else {
        enum err why = r->why != ERR_OK ? r->why : ERR_POL_NONE;
        buf_adds(ja, err_ja(why));
        buf_adds(en, err_en(why));
    }
    for (unsigned c = 1; c < CLASS_MAX; c++)
        if (r->decision.of[c].permit) {
            o->rule =
                pb_text(policy_rule_id(h->policy, r->decision.of[c].rule));
            o->basis = pb_text(r->decision.of[c].basis);
            break;
        }
    o->reason_ja = (char *)ja->p;
    o->reason_en = (char *)en->p;
}

static bool same_wish(const struct recipient *a, const struct recipient *b)
{
    return strcmp(a->wanted, b->wanted) == 0 &&
           strcmp(a->purpose, b->purpose) == 0;
}

static bool hidden(const struct recipient *r)
{
    return r->found && r->why != ERR_OK;
}

bool receipt_tells(const struct effects *fx, size_t i, struct recipient *out)
{
    const struct recipient *r = &fx->to[i], *other;
    *out = *r;
    if (!hidden(r))
        return true;
    memset(out, 0, sizeof(*out));
    out->why = ERR_POL_NONE;
    memcpy(out->role, r->wanted, sizeof(out->role));
    memcpy(out->purpose, r->purpose, sizeof(out->purpose));
    /* once for a wish, and not beside one that it reached */
    for (size_t k = 0; k < fx->to_count; k++) {
        other = &fx->to[k];
        if (other->found && same_wish(other, r) && (k < i || !hidden(other)))
            return false;
    }
    return true;
}

enum err receipt_accepted(const struct hub *h, const struct event *ev,
                          uint64_t leaf, struct buf *out)
{
    const struct effects *fx = &h->fx;
    Pb__RecipientOutcome *o = calloc(fx->to_count + 1, sizeof(*o));
    Pb__RecipientOutcome **list = calloc(fx->to_count + 1, sizeof(*list));
    struct buf *text = calloc(2 * fx->to_count + 1, sizeof(*text));
    struct recipient *told = calloc(fx->to_count + 1, sizeof(*told));
    enum err e = ERR_NOMEM;
    if (o != NULL && list != NULL && text != NULL && told != NULL) {
        Pb__Receipt r = PB__RECEIPT__INIT;
        receipt_head(h, ev, leaf, &r);
        r.has_outcome = 1;
        r.outcome = fx->late   ? PB__OUTCOME__ACCEPTED_LATE
                    : fx->park ? PB__OUTCOME__PARKED
                               : PB__OUTCOME__ACCEPTED;
        receipt_code(&r, fx->late ? ERR_FLOW_LATE : ERR_OK);
        for (size_t i = 0; i < fx->to_count; i++) {
            if (!receipt_tells(fx, i, &told[i]))
                continue;
            receipt_describe(h, &told[i], &o[i], &text[2 * i],
                             &text[2 * i + 1]);
            list[r.n_recipient++] = &o[i];
        }
        r.recipient = list;
        e = sign_receipt(h, &r, out);
    }
    for (size_t i = 0; text != NULL && i < 2 * fx->to_count; i++)
        buf_fini(&text[i]);
    free(o);
    free(list);
    free(text);
    free(told);
    return e;
}

enum err receipt_refused(const struct hub *h, const struct event *ev,
                         uint64_t leaf, enum err why, struct buf *out)
{
    Pb__Receipt r = PB__RECEIPT__INIT;
    receipt_head(h, ev, leaf, &r);
    r.has_outcome = 1;
    r.outcome = PB__OUTCOME__REFUSED;
    receipt_code(&r, why);
    return sign_receipt(h, &r, out);
}

/* ---- the proof ---- */

/* Which leaf a signed receipt names. */
static enum err leaf_named(const Pb__SignedReceipt *s, uint64_t *index)
{
    ProtobufCMessage *m = NULL;
    enum err e = unpack(&pb__receipt__descriptor, pb_slice(s->receipt), &m);
    if (e == ERR_OK)
        *index = ((const Pb__Receipt *)m)->leaf_index;
    unpack_free(&m);
    return e;
}

enum err leaf_prove(struct hub *h, uint64_t index, struct buf *out)
{
    struct buf leaf = {0};
    struct hash path[PROOF_MAX];
    size_t n = 0;
    const struct merkle *m = store_merkle(h->store);
    enum err e = store_leaf_get(h->store, index, &leaf);
    if (e == ERR_OK)
        e = merkle_inclusion(m, index, m->size, store_tile, h->store, path, &n);
    if (e == ERR_OK)
        e = log_proof_write(buf_slice(&leaf), index, path, n,
                            buf_slice(&h->note), out);
    buf_fini(&leaf);
    return e;
}

enum err receipt_prove(struct hub *h, struct buf *body)
{
    ProtobufCMessage *m = NULL;
    struct buf proof = {0}, out = {0};
    uint64_t index = 0;
    enum err e = unpack(&pb__signed_receipt__descriptor, buf_slice(body), &m);
    Pb__SignedReceipt *s = (Pb__SignedReceipt *)m;
    if (e == ERR_OK)
        e = leaf_named(s, &index);
    if (e == ERR_OK)
        e = leaf_prove(h, index, &proof);
    if (e == ERR_OK) {
        Pb__SignedReceipt with = *s; /* borrows */
        with.proof = (char *)proof.p;
        e = pack(&with.base, &out);
    }
    unpack_free(&m);
    buf_fini(&proof);
    if (e == ERR_OK) {
        buf_fini(body);
        *body = out;
    } else {
        buf_fini(&out);
    }
    return e;
}
