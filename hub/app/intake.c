/* intake.c - one event taken in: every check, the decision, its effects.
 *
 *   another channel's? -> turned away, and nothing of it is kept
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

/* ---- leaves ---- */

static enum err leaf_ingest(struct hub *h, struct arrival *a, enum err why)
{
    Pb__AuditLeaf l = leaf_new(h, PB__LEAF_KIND__INGEST);
    uint8_t handle[16], key_id[8];
    l.has_event_id = l.has_header_sha256 = l.has_type = l.has_outcome = 1;
    l.event_id = (ProtobufCBinaryData){ID_BYTES,
                                       (uint8_t *)(uintptr_t)a->ev->event_id.b};
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

/* The leaf an event about consents or the person adds besides its INGEST. */
static enum err leaf_person(struct hub *h, struct arrival *a, Pb__LeafKind kind,
                            ProtobufCBinaryData *consent, size_t consents,
                            const char *purpose, uint64_t *index)
{
    Pb__AuditLeaf l = leaf_new(h, kind);
    uint8_t handle[16];
    l.has_event_id = 1;
    l.event_id = (ProtobufCBinaryData){ID_BYTES,
                                       (uint8_t *)(uintptr_t)a->ev->event_id.b};
    l.node = (char *)(uintptr_t)a->node->pub.node;
    l.n_ref = 1;
    l.ref = &a->leaf;
    l.n_consent = consents;
    l.consent = consent;
    l.purpose = (char *)(uintptr_t)purpose;
    enum err e = leaf_subject(h, a->known.person, &l, handle);
    return e != ERR_OK ? e : store_leaf(h->store, &l, index);
}

static enum err leaf_consent(struct hub *h, struct arrival *a,
                             Pb__LeafKind kind, const uint8_t *ref,
                             const char *purpose, uint64_t *index)
{
    ProtobufCBinaryData one = {ID_BYTES, (uint8_t *)(uintptr_t)ref};
    return leaf_person(h, a, kind, &one, 1, purpose, index);
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
                           enum token_kind kind, struct slice token,
                           bool *is_new, struct id *out)
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
    if (e == ERR_OK && !id_is_zero(person) && !id_eq(a->known.person, person))
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
    return e != ERR_OK ? e : store_event_put(h->store, s, a->ev->header_sha256);
}

/* A consent taken back: its leaf, its row. */
static enum err withdraw_one(struct hub *h, struct arrival *a,
                             const uint8_t *ref, uint64_t leaf)
{
    size_t n;
    enum err e = store_grant_withdraw(h->store, a->known.person, ref, leaf, &n);
    return e == ERR_OK && n == 0 ? ERR_NOT_FOUND : e;
}

static enum err withdraw(struct hub *h, struct arrival *a, const uint8_t *ref)
{
    uint64_t leaf;
    enum err e =
        leaf_consent(h, a, PB__LEAF_KIND__CONSENT_REVOKE, ref, NULL, &leaf);
    if (e == ERR_OK)
        e = withdraw_one(h, a, ref, leaf);
    return e != ERR_OK
               ? e
               : sweep_person(h, a->known.person, SWEEP_WITHDRAWN, ref, leaf);
}

/* Leaves name each of them, as many as one holds: the log alone must tell that
 * none is relied on afterwards. */
#define REVOKED_AT_ONCE 128

/* Every consent that stands. Refusals stay: who takes back what was agreed has
 * not agreed to what was refused. */
static enum err withdraw_all(struct hub *h, struct arrival *a)
{
    ProtobufCBinaryData ref[REVOKED_AT_ONCE];
    uint64_t leaf = 0;
    size_t at = 0, n = 0;
    enum err e = ERR_OK;
    while (at < a->known.grant_count && e == ERR_OK) {
        for (n = 0; at < a->known.grant_count && n < REVOKED_AT_ONCE; at++) {
            struct grant *g = &a->known.grants[at];
            if (g->kind == GRANT_GIVEN && !g->withdrawn && !g->superseded)
                ref[n++] = (ProtobufCBinaryData){ID_BYTES, g->ref};
        }
        if (n > 0)
            e = leaf_person(h, a, PB__LEAF_KIND__CONSENT_REVOKE, ref, n, NULL,
                            &leaf);
        for (size_t i = 0; i < n && e == ERR_OK; i++)
            e = withdraw_one(h, a, ref[i].data, leaf);
    }
    if (e != ERR_OK)
        return e;
    return leaf == 0
               ? ERR_NOT_FOUND
               : sweep_person(h, a->known.person, SWEEP_WITHDRAWN, NULL, leaf);
}

/* What a new one replaces ends without a word: it refuses nothing, and nobody
 * is told; but what rested on it needs the new one now. */
static enum err supersede(struct hub *h, struct arrival *a, const uint8_t *ref)
{
    uint64_t leaf;
    size_t n;
    enum err e =
        leaf_consent(h, a, PB__LEAF_KIND__CONSENT_REVOKE, ref, NULL, &leaf);
    if (e == ERR_OK)
        e = store_grant_supersede(h->store, a->known.person, ref, leaf, &n);
    if (e == ERR_OK && n == 0)
        return ERR_NOT_FOUND;
    return e != ERR_OK
               ? e
               : sweep_person(h, a->known.person, SWEEP_SUPERSEDED, ref, leaf);
}

static enum err add_grant(struct hub *h, struct arrival *a)
{
    struct effects *fx = &h->fx;
    struct grant *g = &fx->grant;
    enum err e = ERR_OK;
    if (!id_is_zero(*(const struct id *)fx->supersedes))
        e = supersede(h, a, fx->supersedes);
    if (e == ERR_OK)
        e = leaf_consent(h, a,
                         g->kind == GRANT_GIVEN
                             ? PB__LEAF_KIND__CONSENT_GRANT
                             : PB__LEAF_KIND__CONSENT_REFUSAL,
                         g->ref, g->purpose, &g->leaf);
    return e != ERR_OK ? e : store_grant_add(h->store, a->known.person, g);
}

static enum err change_grants(struct hub *h, struct arrival *a)
{
    struct effects *fx = &h->fx;
    if (fx->grant_change == GRANT_ADD)
        return add_grant(h, a);
    return fx->grant_change == GRANT_WITHDRAW ? withdraw(h, a, fx->grant.ref)
                                              : withdraw_all(h, a);
}

static enum err change_person(struct hub *h, struct arrival *a)
{
    const struct effects *fx = &h->fx;
    bool places = fx->person_change == PERSON_PLACES;
    uint64_t leaf;
    enum err e =
        leaf_person(h, a, PB__LEAF_KIND__PERSON_CHANGE, NULL, 0, NULL, &leaf);
    if (e == ERR_OK)
        e = places
                ? store_person_places(h->store, a->known.person, &fx->places)
                : store_person_protect(h->store, a->known.person, fx->protect);
    return e != ERR_OK ? e
                       : sweep_person(h, a->known.person,
                                      places ? SWEEP_PLACES : SWEEP_PROTECTED,
                                      NULL, leaf);
}

/* What the event changes about the person: recipients are told on the facts
 * as they are after it. */
static enum err apply_person(struct hub *h, struct arrival *a)
{
    const struct effects *fx = &h->fx;
    enum err e = ERR_OK;
    if (fx->grant_change == GRANT_NO_CHANGE &&
        fx->person_change == PERSON_NO_CHANGE)
        return ERR_OK;
    if (id_is_zero(a->known.person))
        return ERR_EVT_TOKEN;
    if (fx->grant_change != GRANT_NO_CHANGE)
        e = change_grants(h, a);
    if (e == ERR_OK && fx->person_change != PERSON_NO_CHANGE)
        e = change_person(h, a);
    return e != ERR_OK ? e : known_person(h, &a->known);
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
    struct parked p = {
        .at_ms = h->now_ms, .event_seq = a->stored.seq, .open = true};
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
        e = apply_person(h, a);
    if (e == ERR_OK)
        e = glass_apply(h, a->known.person, a->ev, a->node->pub.node, a->leaf,
                        fx);
    if (e == ERR_OK && fx->state != NULL)
        e = store_case_put(h->store, a->known.case_id, fx->state);
    if (e == ERR_OK)
        e = deadline_apply(h, a->known.person, a->known.case_id, fx);
    if (e == ERR_OK)
        e = apply_recipients(h, a);
    if (e == ERR_OK)
        e = issue_hub_events(h, fx, &a->known, a->leaf);
    if (e == ERR_OK && fx->recall_papers)
        e = sweep_person(h, a->known.person, SWEEP_CLOSED, a->known.case_id.b,
                         a->leaf);
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
    struct glass_facts glass;
    enum err e = load_known(h, a);
    if (e != ERR_OK)
        return e;
    known_facts(h, &a->known, a->node, &f);
    e = glass_facts(h, a->ev, a->known.person, &glass, &f);
    if (e != ERR_OK)
        return e;
    step(&f, a->ev, h->now_ms, &h->fx);
    if (h->fx.refuse != ERR_OK)
        return h->fx.refuse;
    e = apply(h, a);
    return e != ERR_OK ? e : glass_remember(h, &f, &h->fx);
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
    enum err e = receipt_accepted(h, a->ev, a->leaf, &receipt);
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
    enum err e = leaf_ingest(h, a, why);
    if (e == ERR_OK && why != ERR_EVT_SENDER && why != ERR_EVT_SIGNATURE)
        e = note_seq(h, a);
    if (e == ERR_OK)
        e = receipt_refused(h, a->ev, a->leaf, why, &receipt);
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
    enum err e =
        store_event_seen(h->store, a->ev->event_id, &found, header, &receipt);
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
        packed.n > 0 && unpack(&pb__event__descriptor, packed, &ev) == ERR_OK &&
        unpack(&pb__event_header__descriptor,
               pb_slice(((const Pb__Event *)ev)->header), &hd) == ERR_OK &&
        id_from(pb_slice(((const Pb__EventHeader *)hd)->event_id), id) ==
            ERR_OK;
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

/* A report of abuse in a hospital (Mental Health and Welfare Act, art. 40-3)
 * must leave no trace where the hospital or the hub could find it: no leaf,
 * no parked item, no count, no line in a log. Only whoever sent it is told. */
static bool is_of_another_channel(struct slice packed)
{
    const struct schema_message *m = schema_event(event_claimed_type(packed));
    return m != NULL && m->channel[0] != '\0';
}

static void turn_away(struct hub *h, struct peer *from, struct slice packed)
{
    struct id id;
    const uint8_t *about = claimed_id(packed, &id) ? id.b : NULL;
    if (spend(h, from))
        answer_error(h, from, ERR_EVT_CHANNEL, about, 0);
    else
        answer_error(h, from, ERR_RATE, about, RETRY_MS);
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
    bool ours = !is_of_another_channel(packed);
    if (e == ERR_OK && ours)
        e = event_open(packed, &a.ev);
    if (!ours)
        turn_away(h, from, packed);
    else if (e == ERR_OK)
        intake_event(h, &a);
    else
        park_message(h, from, packed, e);
    unpack_free(&m);
    known_fini(&a.known);
    stored_event_fini(&a.stored);
    event_close(&a.ev);
}
