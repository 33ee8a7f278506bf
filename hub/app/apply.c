/* apply.c - what an accepted event changes, in the order in which leaves cite
 * each other: person and case begun, INGEST, event kept, then consents, places
 * and break-glass, the case, deadlines, deliveries, the hub's own answers.
 *
 * All of it stands inside the event's savepoint (intake.c): any trouble takes
 * every row of it back. */
#include "hub/app/hub.h"
#include "proto/wire/unpack.h"
#include <string.h>

/* ---- leaves ---- */

enum err arrival_leaf(struct hub *h, struct arrival *a, enum err why)
{
    Pb__AuditLeaf l = leaf_new(h, PB__LEAF_KIND__INGEST);
    uint8_t handle[16], key_id[8];
    l.has_event_id = l.has_header_sha256 = l.has_type = l.has_outcome = 1;
    l.event_id = pb_borrow(slice_of(a->ev->event_id.b, ID_BYTES));
    l.header_sha256 = (ProtobufCBinaryData){32, a->ev->header_sha256};
    l.type = a->ev->header->type;
    l.node = pb_text(a->node->pub.node);
    l.outcome = why == ERR_OK;
    /* of a length that nobody has checked yet */
    l.has_signature = a->ev->msg->signature.len == SIGNATURE_BYTES;
    if (l.has_signature)
        l.signature = a->ev->msg->signature;
    l.has_schema_digest = 1;
    l.schema_digest = pb_borrow(slice_of(SCHEMA_DIGEST, 32));
    token_make(a->node->pub.sign, "key-id", SLICE_NONE, handle);
    memcpy(key_id, handle, sizeof(key_id));
    l.has_sender_key_id = 1;
    l.sender_key_id = (ProtobufCBinaryData){sizeof(key_id), key_id};
    if (why != ERR_OK)
        l.reason = pb_text(err_code(why));
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
    l.event_id = pb_borrow(slice_of(a->ev->event_id.b, ID_BYTES));
    l.node = pb_text(a->node->pub.node);
    l.n_ref = 1;
    l.ref = &a->leaf;
    l.n_consent = consents;
    l.consent = consent;
    l.purpose = pb_text(purpose);
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

/* ---- begun and kept ---- */

/* Creates the person and the case that the event begins. */
static enum err begin_people(struct hub *h, struct arrival *a)
{
    const Pb__Routing *r = a->ev->routing;
    const char *agency = a->node->agency->code;
    enum err e = ERR_OK;
    if (a->known.person_new && id_is_zero(a->known.person)) {
        e = store_person_new(h->store, &a->known.person);
        if (e == ERR_OK)
            e = store_token_put(h->store, agency, TOKEN_PERSON,
                                r->person_token.data, a->known.person);
    }
    if (e == ERR_OK && a->known.case_new && h->fx.state != NULL) {
        e = store_case_new(h->store, a->known.person, h->now_ms,
                           &a->known.case_id);
        if (e == ERR_OK)
            e = store_token_put(h->store, agency, TOKEN_CASE,
                                r->case_token.data, a->known.case_id);
    }
    return e;
}

static enum err keep_event(struct hub *h, struct arrival *a)
{
    struct stored_event *s = &a->stored;
    s->person = a->known.person;
    s->case_id = a->known.case_id;
    s->lane = (enum lane)a->from->lane;
    s->accepted_ms = h->now_ms;
    s->ingest_leaf = a->leaf;
    snprintf(s->agency, sizeof(s->agency), "%s", a->node->agency->code);
    snprintf(s->node, sizeof(s->node), "%s", a->node->pub.node);
    enum err e = kept_fill(a->ev, s);
    return e != ERR_OK ? e : store_event_put(h->store, s, a->ev->header_sha256);
}

/* ---- consents, places, protection ---- */

/* A consent taken back: its row. */
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
    if (e == ERR_OK)
        e = store_grant_add(h->store, a->known.person, g);
    return e != ERR_OK || g->kind != GRANT_REFUSED
               ? e
               : sweep_person(h, a->known.person, SWEEP_REFUSED, g->ref,
                              g->leaf);
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

/* ---- deliveries ---- */

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

enum err arrival_apply(struct hub *h, struct arrival *a)
{
    struct effects *fx = &h->fx;
    enum err e = begin_people(h, a);
    if (e == ERR_OK)
        e = arrival_leaf(h, a, ERR_OK);
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
