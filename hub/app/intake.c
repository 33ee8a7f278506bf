/* intake.c - one event taken in: every check, the decision, its effects.
 *
 *   open (walk, unpack, parts, commitments, content: proto/wire/event.c)
 *   -> who sent it, signature, lane, times -> seen before?
 *   -> facts -> step -> header, parts, case, grants, deliveries, deadlines,
 *      leaves -> receipt
 *
 * Each event has its own savepoint, so one bad event never takes its
 * neighbours with it. A refusal is a receipt too, with its code and a leaf. */
#include "hub/app/hub.h"
#include "proto/base/log.h"
#include "proto/wire/unpack.h"
#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define OLDEST_MS (14ULL * 86400000) /* what a spool may still hold */
#define NEWEST_MS (5ULL * 60000)     /* a clock may be ahead so far */

#define RETRY_MS 1000                /* after too many */

/* One event on its way in. */
struct arrival {
    struct peer *from;
    const struct node *node;
    struct event *ev;
    struct known known;
    bool person_new, case_new; /* tokens seen for the first time */
    struct stored_event stored;
    uint64_t leaf;
};

static struct slice field_slice(int has, ProtobufCBinaryData d)
{
    return has ? pb_slice(d) : SLICE_NONE;
}

/* ---- answers ---- */

static void answer_error(struct hub *h, struct peer *to, enum err why,
                         const uint8_t *event_id, uint32_t retry_ms)
{
    Pb__Error m = PB__ERROR__INIT;
    m.code = (char *)(uintptr_t)err_code(why);
    m.text_ja = (char *)(uintptr_t)err_ja(why);
    m.text_en = (char *)(uintptr_t)err_en(why);
    if (retry_ms > 0) {
        m.has_retry_after_ms = 1;
        m.retry_after_ms = retry_ms;
    }
    if (event_id != NULL) {
        m.has_event_id = 1;
        m.event_id =
            (ProtobufCBinaryData){ID_BYTES, (uint8_t *)(uintptr_t)event_id};
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

static void receipt_head(const struct hub *h, const struct arrival *a,
                         Pb__Receipt *r)
{
    r->has_event_id = r->has_header_sha256 = r->has_time_ms = 1;
    r->event_id = (ProtobufCBinaryData){ID_BYTES,
                                        (uint8_t *)(uintptr_t)a->ev->event_id.b};
    r->header_sha256 = (ProtobufCBinaryData){32, a->ev->header_sha256};
    r->time_ms = h->now_ms;
    r->has_leaf_index = 1;
    r->leaf_index = a->leaf;
    r->epoch = h->config.origin;
}

static void receipt_code(Pb__Receipt *r, enum err why)
{
    if (why == ERR_OK)
        return;
    r->code = (char *)(uintptr_t)err_code(why);
    r->text_ja = (char *)(uintptr_t)err_ja(why);
    r->text_en = (char *)(uintptr_t)err_en(why);
}

/* What the sender is told about one recipient. The strings live in ja/en. */
static void describe(const struct hub *h, const struct recipient *r,
                     Pb__RecipientOutcome *o, struct buf *ja, struct buf *en)
{
    pb__recipient_outcome__init(o);
    if (r->agency != NULL)
        o->agency = (char *)(uintptr_t)r->agency->code;
    o->role = (char *)(uintptr_t)r->role;
    o->purpose = (char *)(uintptr_t)r->purpose;
    o->has_released = o->has_withheld = 1;
    o->released = r->why == ERR_OK ? r->decision.released : 0;
    o->withheld = r->decision.withheld;
    /* the rule's own sentence, unless it was not a rule that said no */
    if (r->agency != NULL && (r->why == ERR_OK || (r->why == ERR_POL_NONE &&
                                                   r->decision.released == 0))) {
        policy_explain(h->policy, &r->decision, ja, en);
    } else {
        enum err why = r->why != ERR_OK ? r->why : ERR_POL_NONE;
        buf_adds(ja, err_ja(why));
        buf_adds(en, err_en(why));
    }
    for (unsigned c = 1; c < CLASS_MAX; c++)
        if (r->decision.of[c].permit) {
            o->rule = (char *)(uintptr_t)policy_rule_id(h->policy,
                                                        r->decision.of[c].rule);
            o->basis = (char *)(uintptr_t)r->decision.of[c].basis;
            break;
        }
    o->reason_ja = (char *)ja->p;
    o->reason_en = (char *)en->p;
}

static enum err make_receipt(const struct hub *h, const struct arrival *a,
                             struct buf *out)
{
    const struct effects *fx = &h->fx;
    Pb__RecipientOutcome *o = calloc(fx->to_count + 1, sizeof(*o));
    Pb__RecipientOutcome **list = calloc(fx->to_count + 1, sizeof(*list));
    struct buf *text = calloc(2 * fx->to_count + 1, sizeof(*text));
    enum err e = ERR_NOMEM;
    if (o != NULL && list != NULL && text != NULL) {
        Pb__Receipt r = PB__RECEIPT__INIT;
        receipt_head(h, a, &r);
        r.has_outcome = 1;
        r.outcome = fx->late   ? PB__OUTCOME__ACCEPTED_LATE
                    : fx->park ? PB__OUTCOME__PARKED
                               : PB__OUTCOME__ACCEPTED;
        receipt_code(&r, fx->late ? ERR_FLOW_LATE : ERR_OK);
        for (size_t i = 0; i < fx->to_count; i++) {
            describe(h, &fx->to[i], &o[i], &text[2 * i], &text[2 * i + 1]);
            list[i] = &o[i];
        }
        r.n_recipient = fx->to_count;
        r.recipient = list;
        e = sign_receipt(h, &r, out);
    }
    for (size_t i = 0; text != NULL && i < 2 * fx->to_count; i++)
        buf_fini(&text[i]);
    free(o);
    free(list);
    free(text);
    return e;
}

/* ---- leaves ---- */

static enum err leaf_ingest(struct hub *h, struct arrival *a, enum err why)
{
    Pb__AuditLeaf l = leaf_new(h, PB__LEAF_KIND__INGEST);
    uint8_t handle[16], key_id[8];
    l.has_event_id = l.has_header_sha256 = l.has_type = l.has_outcome = 1;
    l.event_id =
        (ProtobufCBinaryData){ID_BYTES, (uint8_t *)(uintptr_t)a->ev->event_id.b};
    l.header_sha256 = (ProtobufCBinaryData){32, a->ev->header_sha256};
    l.type = a->ev->header->type;
    l.node = (char *)(uintptr_t)a->node->pub.node;
    l.outcome = why == ERR_OK;
    /* of a length that nobody has checked yet */
    l.has_signature = a->ev->msg->signature.len == SIGNATURE_BYTES;
    if (l.has_signature)
        l.signature = a->ev->msg->signature;
    l.has_schema_digest = 1;
    l.schema_digest =
        (ProtobufCBinaryData){32, (uint8_t *)(uintptr_t)SCHEMA_DIGEST};
    token_make(a->node->pub.sign, "key-id", SLICE_NONE, handle);
    memcpy(key_id, handle, sizeof(key_id));
    l.has_sender_key_id = 1;
    l.sender_key_id = (ProtobufCBinaryData){sizeof(key_id), key_id};
    if (why != ERR_OK)
        l.reason = (char *)(uintptr_t)err_code(why);
    enum err e = ERR_OK;
    if (why == ERR_OK) {
        l.n_commitment = a->ev->header->n_commitment;
        l.commitment = a->ev->header->commitment;
        e = leaf_subject(h, a->known.person, &l, handle);
    }
    return e != ERR_OK ? e : store_leaf(h->store, &l, &a->leaf);
}

/* The leaf a consent event adds besides its INGEST; ref NULL: all consents. */
static enum err leaf_consent(struct hub *h, struct arrival *a,
                             Pb__LeafKind kind, const uint8_t *consent_ref,
                             const char *purpose, uint64_t *index)
{
    Pb__AuditLeaf l = leaf_new(h, kind);
    uint8_t handle[16];
    ProtobufCBinaryData ref = {ID_BYTES, (uint8_t *)(uintptr_t)consent_ref};
    l.has_event_id = 1;
    l.event_id =
        (ProtobufCBinaryData){ID_BYTES, (uint8_t *)(uintptr_t)a->ev->event_id.b};
    l.node = (char *)(uintptr_t)a->node->pub.node;
    l.n_ref = 1;
    l.ref = &a->leaf;
    if (consent_ref != NULL) {
        l.n_consent = 1;
        l.consent = &ref;
    }
    l.purpose = (char *)(uintptr_t)purpose;
    enum err e = leaf_subject(h, a->known.person, &l, handle);
    return e != ERR_OK ? e : store_leaf(h->store, &l, index);
}

/* ---- checks that need no facts ---- */

static enum err check_sender(const struct arrival *a)
{
    const Pb__EventHeader *hd = a->ev->header;
    if (strcmp(hd->agency, a->node->agency->code) != 0 ||
        strcmp(hd->node, a->node->pub.node) != 0)
        return ERR_EVT_SENDER;
    return event_check_signature(a->ev, a->node->pub.sign);
}

static enum err check_header(const struct hub *h, const struct arrival *a)
{
    const Pb__EventHeader *hd = a->ev->header;
    if (a->ev->schema->hub_only)
        return ERR_EVT_HUB_ONLY;
    if (a->ev->schema->urgent != (a->from->lane == LANE_URGENT))
        return ERR_EVT_LANE;
    if (hd->created_ms + OLDEST_MS < h->now_ms ||
        hd->created_ms > h->now_ms + NEWEST_MS)
        return ERR_EVT_TIME;
    if (hd->has_expires_ms && hd->expires_ms <= h->now_ms)
        return ERR_EVT_EXPIRED;
    return ERR_OK;
}

/* ---- facts ---- */

static enum err find_token(struct hub *h, const struct arrival *a,
                           enum token_kind kind, struct slice token, bool *is_new,
                           struct id *out)
{
    bool found = false;
    *is_new = false;
    if (token.n != 16)
        return ERR_OK;
    enum err e = store_token_find(h->store, a->node->agency->code, kind,
                                  token.p, &found, out);
    *is_new = e == ERR_OK && !found;
    return e;
}

/* The person and the case the sender's tokens stand for. A case brings its
 * person with it when the sender names none. */
static enum err load_known(struct hub *h, struct arrival *a)
{
    const Pb__Routing *r = a->ev->routing;
    struct id person = {{0}}, case_id = {{0}};
    enum err e = find_token(h, a, TOKEN_PERSON,
                            field_slice(r->has_person_token, r->person_token),
                            &a->person_new, &person);
    if (e == ERR_OK)
        e = find_token(h, a, TOKEN_CASE,
                       field_slice(r->has_case_token, r->case_token),
                       &a->case_new, &case_id);
    if (e != ERR_OK)
        return e;
    e = known_load(h, person, case_id, &a->known);
    a->known.named = !id_is_zero(person);
    if (e == ERR_OK && !id_is_zero(person) &&
        !id_eq(a->known.person, person))
        return ERR_FLOW_CASE; /* a case of someone else */
    return e;
}

/* ---- effects ---- */

/* Creates the person and the case that the event begins. */
static enum err begin_people(struct hub *h, struct arrival *a)
{
    const Pb__Routing *r = a->ev->routing;
    const char *agency = a->node->agency->code;
    enum err e = ERR_OK;
    if (a->person_new && id_is_zero(a->known.person)) {
        e = store_person_new(h->store, &a->known.person);
        if (e == ERR_OK)
            e = store_token_put(h->store, agency, TOKEN_PERSON,
                                r->person_token.data, a->known.person);
    }
    if (e == ERR_OK && a->case_new && h->fx.state != NULL) {
        e = store_case_new(h->store, a->known.person, h->now_ms,
                           &a->known.case_id);
        if (e == ERR_OK)
            e = store_token_put(h->store, agency, TOKEN_CASE,
                                r->case_token.data, a->known.case_id);
    }
    return e;
}

/* The parts as the store keeps them: packed, without header and routing's
 * tokens changed in any way. */
static enum err pack_parts(const struct event *ev, struct buf *out)
{
    Pb__Event only = PB__EVENT__INIT;
    only.n_part = ev->msg->n_part;
    only.part = ev->msg->part;
    return pack(&only.base, out);
}

static enum err keep_event(struct hub *h, struct arrival *a)
{
    struct stored_event *s = &a->stored;
    const Pb__EventHeader *hd = a->ev->header;
    s->event_id = a->ev->event_id;
    s->person = a->known.person;
    s->case_id = a->known.case_id;
    s->type = hd->type;
    s->lane = (enum lane)a->from->lane;
    s->accepted_ms = h->now_ms;
    s->ingest_leaf = a->leaf;
    snprintf(s->agency, sizeof(s->agency), "%s", a->node->agency->code);
    snprintf(s->node, sizeof(s->node), "%s", a->node->pub.node);
    buf_add(&s->header, a->ev->msg->header.data, a->ev->msg->header.len);
    buf_add(&s->signature, a->ev->msg->signature.data,
            a->ev->msg->signature.len);
    enum err e = pack_parts(a->ev, &s->parts);
    if (e == ERR_OK && (s->header.failed || s->signature.failed))
        e = ERR_NOMEM;
    return e != ERR_OK ? e
                       : store_event_put(h->store, s, a->ev->header_sha256);
}

/* Every consent that stands. Refusals stay: who takes back what was agreed has
 * not agreed to what was refused. */
static enum err withdraw_all(struct hub *h, const struct known *k, size_t *n)
{
    enum err e = ERR_OK;
    *n = 0;
    for (size_t i = 0; i < k->grant_count && e == ERR_OK; i++) {
        size_t one = 0;
        if (k->grants[i].kind == GRANT_GIVEN && !k->grants[i].withdrawn)
            e = store_grant_withdraw(h->store, k->person, k->grants[i].ref,
                                     &one);
        *n += one;
    }
    return e;
}

/* Withdraws one consent, or all of them (ref NULL); cites its leaf. */
static enum err withdraw(struct hub *h, struct arrival *a, const uint8_t *ref,
                         uint64_t leaf)
{
    size_t n;
    enum err e = ref == NULL ? withdraw_all(h, &a->known, &n)
                             : store_grant_withdraw(h->store, a->known.person,
                                                    ref, &n);
    if (e == ERR_OK && n == 0)
        return ERR_NOT_FOUND;
    return e != ERR_OK ? e : issue_withdrawal(h, &a->known, ref, leaf);
}

/* A new consent in place of an older one: that one is withdrawn, and what
 * waits is decided again with both in view. */
static enum err add_grant(struct hub *h, struct arrival *a)
{
    struct effects *fx = &h->fx;
    struct grant *g = &fx->grant;
    bool replaces = !id_is_zero(*(const struct id *)fx->supersedes);
    uint64_t revoked = 0;
    enum err e = ERR_OK;
    if (replaces)
        e = leaf_consent(h, a, PB__LEAF_KIND__CONSENT_REVOKE, fx->supersedes,
                         NULL, &revoked);
    if (e == ERR_OK)
        e = leaf_consent(h, a,
                         g->kind == GRANT_REFUSED
                             ? PB__LEAF_KIND__CONSENT_REFUSAL
                             : PB__LEAF_KIND__CONSENT_GRANT,
                         g->ref, g->purpose, &g->leaf);
    if (e == ERR_OK)
        e = store_grant_add(h->store, a->known.person, g);
    if (e == ERR_OK && replaces)
        e = withdraw(h, a, fx->supersedes, revoked);
    return e;
}

static enum err apply_grant(struct hub *h, struct arrival *a)
{
    struct effects *fx = &h->fx;
    if (fx->grant_change == GRANT_NO_CHANGE)
        return ERR_OK;
    if (id_is_zero(a->known.person))
        return ERR_EVT_TOKEN;
    if (fx->grant_change == GRANT_ADD)
        return add_grant(h, a);
    const uint8_t *ref =
        fx->grant_change == GRANT_WITHDRAW ? fx->grant.ref : NULL;
    enum err e = leaf_consent(h, a, PB__LEAF_KIND__CONSENT_REVOKE, ref, NULL,
                              &fx->grant.leaf);
    return e != ERR_OK ? e : withdraw(h, a, ref, fx->grant.leaf);
}

static enum err apply_deadlines(struct hub *h, struct id case_id,
                                const struct effects *fx)
{
    enum err e = ERR_OK;
    if (fx->deadline_count > 0)
        h->next_deadline_ms = 0; /* look again */
    for (size_t i = 0; i < fx->deadline_count && e == ERR_OK; i++) {
        const struct deadline_change *c = &fx->deadline[i];
        struct deadline d = {.case_id = case_id, .kind = c->kind,
                             .due_ms = c->due_ms};
        memcpy(d.ref, c->ref, ID_BYTES);
        if (c->start)
            e = store_deadline_start(h->store, &d);
        else
            e = store_deadline_stop(h->store, case_id, c->kind,
                                    id_is_zero(*(const struct id *)c->ref)
                                        ? NULL
                                        : c->ref);
    }
    return e;
}

static enum err apply_recipients(struct hub *h, struct arrival *a)
{
    enum err e = ERR_OK;
    for (size_t i = 0; i < h->fx.to_count && e == ERR_OK; i++)
        e = issue_delivery(h, &a->stored, &h->fx.to[i]);
    return e;
}

/* An event that reached nobody and that a person should look at (I-10). */
static enum err park_event(struct hub *h, const struct arrival *a)
{
    enum err why = ERR_EVT_RECIPIENT; /* a role that nobody has there */
    uint64_t index;
    if (!h->fx.park)
        return ERR_OK;
    for (size_t i = 0; i < h->fx.to_count; i++)
        if (h->fx.to[i].agency != NULL && h->fx.to[i].why != ERR_POL_NONE)
            why = h->fx.to[i].why;
    struct parked p = {.at_ms = h->now_ms, .event_seq = a->stored.seq,
                       .open = true};
    snprintf(p.agency, sizeof(p.agency), "%s", a->node->agency->code);
    snprintf(p.node, sizeof(p.node), "%s", a->node->pub.node);
    snprintf(p.code, sizeof(p.code), "%s", err_code(why));
    Pb__AuditLeaf l = leaf_new(h, PB__LEAF_KIND__LEAF_PARKED);
    l.node = p.node;
    l.reason = p.code;
    l.n_ref = 1;
    l.ref = (uint64_t *)(uintptr_t)&a->leaf;
    enum err e = store_leaf(h->store, &l, &index);
    return e != ERR_OK ? e : store_park(h->store, &p, SLICE_NONE);
}

/* Everything an accepted event changes. */
static enum err apply(struct hub *h, struct arrival *a)
{
    struct effects *fx = &h->fx;
    enum err e = begin_people(h, a);
    if (e == ERR_OK)
        e = leaf_ingest(h, a, ERR_OK);
    if (e == ERR_OK)
        e = keep_event(h, a);
    if (e == ERR_OK)
        e = apply_grant(h, a);
    if (e == ERR_OK && fx->state != NULL)
        e = store_case_put(h->store, a->known.case_id, fx->state);
    if (e == ERR_OK)
        e = apply_deadlines(h, a->known.case_id, fx);
    if (e == ERR_OK)
        e = apply_recipients(h, a);
    if (e == ERR_OK)
        e = issue_hub_events(h, fx, &a->known, a->leaf);
    return e != ERR_OK ? e : park_event(h, a);
}

/* ---- the way through ---- */

/* True for trouble of the machine, not of the message. */
static bool is_fault(enum err e)
{
    return e == ERR_STORE || e == ERR_INTEGRITY || e == ERR_IO ||
           e == ERR_NOMEM;
}

/* Decides and applies inside the event's savepoint. ERR_OK: accepted. */
static enum err decide(struct hub *h, struct arrival *a)
{
    struct facts f;
    enum err e = load_known(h, a);
    if (e != ERR_OK)
        return e;
    known_facts(h, &a->known, a->node, &f);
    step(&f, a->ev, h->now_ms, &h->fx);
    if (h->fx.refuse != ERR_OK)
        return h->fx.refuse;
    return apply(h, a);
}

static enum err note_seq(struct hub *h, const struct arrival *a)
{
    uint64_t last, seq = a->ev->header->node_seq;
    enum lane lane = (enum lane)a->from->lane;
    enum err e = store_node_seq(h->store, a->node->pub.node, lane, &last);
    if (e != ERR_OK || seq <= last)
        return e;
    if (last != 0 && seq > last + 1)
        log_warn("intake: gap in a node's sequence node=%s missing=%" PRIu64,
                 a->node->pub.node, seq - last - 1);
    return store_node_seq_set(h->store, a->node->pub.node, lane, seq);
}

static void accept(struct hub *h, struct arrival *a)
{
    struct buf receipt = {0};
    enum err e = make_receipt(h, a, &receipt);
    if (e == ERR_OK)
        e = store_event_receipt(h->store, a->stored.seq, buf_slice(&receipt));
    if (e == ERR_OK)
        e = note_seq(h, a);
    if (e == ERR_OK)
        e = store_keep(h->store);
    if (e != ERR_OK) {
        turn_broken(h, e);
    } else {
        h->count.accepted++;
        h->count.late += h->fx.late;
        h->pump = true;
        turn_answer(h, a->from, VERB_RECEIPT, &receipt);
    }
    buf_fini(&receipt);
}

/* A refusal: its leaf, its receipt, and nothing else of the event. */
static void refuse(struct hub *h, struct arrival *a, enum err why)
{
    struct buf receipt = {0};
    Pb__Receipt r = PB__RECEIPT__INIT;
    enum err e = leaf_ingest(h, a, why);
    if (e == ERR_OK && why != ERR_EVT_SENDER && why != ERR_EVT_SIGNATURE)
        e = note_seq(h, a);
    receipt_head(h, a, &r);
    r.has_outcome = 1;
    r.outcome = PB__OUTCOME__REFUSED;
    receipt_code(&r, why);
    if (e == ERR_OK)
        e = sign_receipt(h, &r, &receipt);
    if (e != ERR_OK)
        turn_broken(h, e);
    else
        turn_answer(h, a->from, VERB_RECEIPT, &receipt);
    h->count.refused++;
    log_note("intake: refused code=%s type=%u node=%s", err_code(why),
             a->ev->header->type, a->node->pub.node);
    buf_fini(&receipt);
}

static void decide_and_answer(struct hub *h, struct arrival *a)
{
    enum err e = store_mark(h->store);
    if (e != ERR_OK) {
        turn_broken(h, e);
        return;
    }
    e = decide(h, a);
    if (e == ERR_OK) {
        accept(h, a);
    } else if (is_fault(e)) {
        turn_broken(h, e);
    } else {
        enum err undone = store_undo(h->store);
        if (undone != ERR_OK)
            turn_broken(h, undone);
        else
            refuse(h, a, e);
    }
    effects_fini(&h->fx);
}

/* A repeat gets the first answer again; the same id with other content is
 * refused. True when it was answered here. */
static bool answer_repeat(struct hub *h, struct arrival *a)
{
    struct buf receipt = {0};
    bool found = false;
    uint8_t header[32];
    enum err e = store_event_seen(h->store, a->ev->event_id, &found, header,
                                  &receipt);
    if (e != ERR_OK) {
        turn_broken(h, e);
        found = true;
    } else if (found && memcmp(header, a->ev->header_sha256, 32) != 0) {
        log_warn("intake: id used twice node=%s", a->node->pub.node);
        refuse(h, a, ERR_EVT_REUSED_ID);
    } else if (found) {
        h->count.repeated++;
        turn_answer(h, a->from, VERB_RECEIPT, &receipt);
    }
    buf_fini(&receipt);
    return found;
}

/* Takes a token of the connection's budget, if there is one. */
static bool spend(const struct hub *h, struct peer *p)
{
    double burst = (double)h->config.burst;
    if (p->tokens_ms == 0)
        p->tokens = burst;
    else
        p->tokens += (double)(h->boot_ms - p->tokens_ms) *
                     (double)h->config.rate / 1000.0;
    p->tokens_ms = h->boot_ms == 0 ? 1 : h->boot_ms;
    if (p->tokens > burst)
        p->tokens = burst;
    if (p->tokens < 1)
        return false;
    p->tokens -= 1;
    return true;
}

/* When an event is turned away, remembers where the node has to begin again,
 * so that nothing overtakes it. */
static bool within_rate(const struct hub *h, struct peer *p, uint64_t seq)
{
    if (p->resume_seq != 0 && seq > p->resume_seq)
        return false;
    if (!spend(h, p)) {
        p->resume_seq = seq;
        return false;
    }
    if (seq == p->resume_seq)
        p->resume_seq = 0;
    return true;
}

static void intake_event(struct hub *h, struct arrival *a)
{
    if (!within_rate(h, a->from, a->ev->header->node_seq)) {
        answer_error(h, a->from, ERR_RATE, a->ev->event_id.b, RETRY_MS);
        return;
    }
    enum err e = check_sender(a);
    if (e == ERR_OK && answer_repeat(h, a))
        return;
    if (e == ERR_OK)
        e = check_header(h, a);
    if (e != ERR_OK)
        refuse(h, a, e);
    else
        decide_and_answer(h, a);
}

#define PARKED_MAX 1000 /* open items, beyond which only leaves are kept */

/* The id a message gives itself, for its sender to know what was refused. */
static bool claimed_id(struct slice packed, struct id *id)
{
    ProtobufCMessage *ev = NULL, *hd = NULL;
    bool found =
        packed.n > 0 &&
        unpack(&pb__event__descriptor, packed, &ev) == ERR_OK &&
        unpack(&pb__event_header__descriptor,
               pb_slice(((const Pb__Event *)ev)->header), &hd) == ERR_OK &&
        id_from(pb_slice(((const Pb__EventHeader *)hd)->event_id), id) == ERR_OK;
    unpack_free(&ev);
    unpack_free(&hd);
    return found;
}

static enum err keep_malformed(struct hub *h, const struct node *node,
                               enum err why)
{
    Pb__AuditLeaf l = leaf_new(h, PB__LEAF_KIND__LEAF_PARKED);
    struct store_counts counts;
    uint64_t index;
    l.node = (char *)(uintptr_t)node->pub.node;
    l.reason = (char *)(uintptr_t)err_code(why);
    enum err e = store_leaf(h->store, &l, &index);
    if (e == ERR_OK)
        e = store_counts(h->store, &counts);
    if (e != ERR_OK || counts.parked >= PARKED_MAX)
        return e;
    struct parked p = {.at_ms = h->now_ms, .open = true};
    snprintf(p.agency, sizeof(p.agency), "%s", node->agency->code);
    snprintf(p.node, sizeof(p.node), "%s", node->pub.node);
    snprintf(p.code, sizeof(p.code), "%s", err_code(why));
    return store_park(h->store, &p, SLICE_NONE);
}

static void park_message(struct hub *h, struct peer *from, struct slice packed,
                         enum err why)
{
    struct id id;
    const struct node *node = registry_node(h->registry, from->node);
    if (node == NULL || !turn_begin(h))
        return;
    const uint8_t *about = claimed_id(packed, &id) ? id.b : NULL;
    if (!spend(h, from)) {
        answer_error(h, from, ERR_RATE, about, RETRY_MS);
        return;
    }
    h->count.malformed++;
    enum err e = keep_malformed(h, node, why);
    if (e != ERR_OK) {
        turn_broken(h, e);
        return;
    }
    log_note("intake: malformed code=%s node=%s", err_code(why), from->node);
    answer_error(h, from, why, about, 0);
}

void intake_malformed(struct hub *h, struct peer *from, enum err why)
{
    park_message(h, from, SLICE_NONE, why);
}

void intake(struct hub *h, struct peer *from, struct slice body)
{
    struct arrival a = {.from = from};
    ProtobufCMessage *m = NULL;
    a.node = registry_node(h->registry, from->node);
    if (a.node == NULL || !turn_begin(h))
        return;
    enum err e = unpack(&pb__send__descriptor, body, &m);
    struct slice packed =
        e == ERR_OK ? pb_slice(((const Pb__Send *)m)->event) : SLICE_NONE;
    if (e == ERR_OK)
        e = event_open(packed, &a.ev);
    if (e == ERR_OK)
        intake_event(h, &a);
    else
        park_message(h, from, packed, e);
    unpack_free(&m);
    known_fini(&a.known);
    stored_event_fini(&a.stored);
    event_close(&a.ev);
}


/* ---- deadlines ---- */

static enum err run_deadline(struct hub *h, const struct deadline *d)
{
    struct known k = {0};
    struct facts f;
    enum err e = known_load(h, (struct id){{0}}, d->case_id, &k);
    if (e == ERR_OK) {
        known_facts(h, &k, NULL, &f);
        step_deadline(&f, d->kind, d->ref, h->now_ms, &h->fx);
        Pb__AuditLeaf l = leaf_new(h, PB__LEAF_KIND__DEADLINE);
        uint8_t handle[16];
        uint64_t index = 0;
        e = leaf_subject(h, k.person, &l, handle);
        l.has_type = 1;
        l.type = d->kind;
        if (e == ERR_OK)
            e = store_leaf(h->store, &l, &index);
        if (e == ERR_OK && h->fx.state != NULL)
            e = store_case_put(h->store, d->case_id, h->fx.state);
        if (e == ERR_OK)
            e = apply_deadlines(h, d->case_id, &h->fx);
        if (e == ERR_OK)
            e = issue_hub_events(h, &h->fx, &k, index);
        effects_fini(&h->fx);
        h->pump = true;
    }
    known_fini(&k);
    if (e == ERR_NOT_FOUND)
        e = ERR_OK; /* the case is gone: so is its deadline */
    return e == ERR_OK ? store_deadline_done(h->store, d->id) : e;
}

void intake_deadlines(struct hub *h)
{
    if (h->now_ms < h->next_deadline_ms)
        return;
    for (int i = 0; i < TURN_EVENTS && h->broken == ERR_OK; i++) {
        struct deadline d = {0};
        bool found = false;
        enum err e = store_deadline_next(h->store, &d, &found);
        if (e == ERR_OK && (!found || d.due_ms > h->now_ms)) {
            h->next_deadline_ms = found ? d.due_ms : UINT64_MAX;
            return;
        }
        if (e == ERR_OK && turn_begin(h))
            e = run_deadline(h, &d);
        if (e != ERR_OK)
            turn_broken(h, e);
    }
}
