/* issue.c - what follows from an accepted event: deliveries queued, each with
 * the leaf of its decision, and events of the hub's own made. */
#include "hub/app/hub.h"
#include "proto/wire/unpack.h"
#include "tsunagi/v1/consent.pb-c.h"
#include "tsunagi/v1/discharge.pb-c.h"
#include "tsunagi/v1/emergency.pb-c.h"
#include <assert.h>
#include <string.h>

#define KEEP_MS (14 * DAY_MS) /* unfetched, a delivery is parked then */

/* ---- deliveries ---- */

static enum err leaf_route(struct hub *h, const struct stored_event *e,
                           const struct recipient *r, const struct known *k,
                           uint64_t *index)
{
    Pb__AuditLeaf l = leaf_new(h, PB__LEAF_KIND__DECISION);
    struct leaf_lists lists;
    uint8_t handle[16];
    uint64_t ref[2] = {e->ingest_leaf};
    const char *to = r->agency != NULL ? r->agency->code : NULL;
    const struct glass *g = glass_behind(h, k, e, to, NULL, &r->decision);
    l.phase = pb_text("ROUTE");
    l.has_event_id = l.has_type = 1;
    l.event_id = pb_borrow(slice_of(e->event_id.b, ID_BYTES));
    l.type = e->type;
    l.peer = pb_text(to);
    l.purpose = pb_text(r->purpose);
    l.role = pb_text(r->role);
    l.n_ref = 1;
    l.ref = ref;
    if (g != NULL)
        ref[l.n_ref++] = g->leaf;
    leaf_decision(h, &r->decision, k->grants, &lists, &l);
    if (r->why != ERR_OK) {
        l.outcome = 0;
        l.released = 0;
        l.reason = pb_text(err_code(r->why));
    }
    enum err err = leaf_subject(h, e->person, &l, handle);
    return err != ERR_OK ? err : store_leaf(h->store, &l, index);
}

static enum err queue(struct hub *h, const struct stored_event *e,
                      const struct recipient *r, uint64_t decision_leaf)
{
    struct delivery d = {.delivery_id = id_new(h->now_ms),
                         .event_seq = e->seq,
                         .lane = e->lane,
                         .state = DELIVERY_QUEUED,
                         .decision_leaf = decision_leaf,
                         .released_classes = r->decision.released,
                         .queued_ms = h->now_ms,
                         .expires_ms = h->now_ms + KEEP_MS};
    snprintf(d.agency, sizeof(d.agency), "%s", r->agency->code);
    snprintf(d.role, sizeof(d.role), "%s", r->role);
    snprintf(d.wanted, sizeof(d.wanted), "%s", r->wanted);
    snprintf(d.purpose, sizeof(d.purpose), "%s", r->purpose);
    h->pump = true;
    return store_delivery_put(h->store, &d);
}

static struct part part_view(const Pb__Part *p)
{
    struct part v = {.cls = p->cls, .body = pb_slice(p->body)};
    memcpy(v.salt, p->salt.data, SALT_BYTES);
    return v;
}

/* The hub's own event with what this recipient may have, in place of one
 * whose signed header would say that a hospital is involved. */
static enum err reissue(struct hub *h, const struct stored_event *e,
                        const struct recipient *r, const struct known *k,
                        uint64_t cites)
{
    const struct schema_message *from = schema_event(e->type);
    const struct schema_message *as = schema_event(from->reissue_as);
    assert(as != NULL);
    ProtobufCMessage *m = NULL, *body = NULL;
    struct part parts[CLASS_MAX];
    struct buf merged = {0};
    size_t n = 0;
    enum err err = unpack(&pb__event__descriptor, buf_slice(&e->parts), &m);
    if (err != ERR_OK)
        return err;
    const Pb__Event *ev = (const Pb__Event *)m;
    for (size_t i = 0; i < ev->n_part; i++)
        if (ev->part[i]->cls != 0 && (r->decision.released & as->class_mask &
                                      class_bit(ev->part[i]->cls)) != 0)
            parts[n++] = part_view(ev->part[i]);
    err = part_merge(from, parts, n, &merged);
    if (err == ERR_OK)
        err = unpack(as->descriptor, buf_slice(&merged), &body);
    if (err == ERR_OK) {
        struct issue i = {.type = from->reissue_as,
                          .body = body,
                          .to = r->agency,
                          .role = r->wanted,
                          .purpose = r->purpose,
                          .person = e->person,
                          .case_id = e->case_id,
                          .cites = cites};
        err = issue_event(h, &i, k);
    }
    unpack_free(&m);
    unpack_free(&body);
    buf_fini(&merged);
    return err;
}

enum err issue_delivery(struct hub *h, const struct stored_event *e,
                        const struct recipient *r)
{
    struct known k = {0};
    uint64_t index = 0;
    enum err err = known_load(h, e->person, (struct id){{0}}, &k);
    if (err == ERR_OK)
        err = leaf_route(h, e, r, &k, &index);
    if (err == ERR_OK && r->agency != NULL && r->why == ERR_OK)
        err = r->reissue ? reissue(h, e, r, &k, index) : queue(h, e, r, index);
    known_fini(&k);
    return err;
}

/* ---- events of the hub's own ---- */

static enum err make_own(struct hub *h, const struct issue *i,
                         struct stored_event *s, struct event **ev)
{
    const struct schema_message *m = schema_event(i->type);
    Pb__Routing routing = PB__ROUTING__INIT;
    s->lane = m->urgent ? LANE_URGENT : LANE_NORMAL;
    struct event_draft d = {.event_id = id_new(h->now_ms),
                            .agency = HUB_AGENCY,
                            .node = HUB_NODE,
                            .type = i->type,
                            .created_ms = h->now_ms,
                            .node_seq = ++h->hub_seq[s->lane],
                            .body = i->body,
                            .routing = &routing};
    struct buf packed = {0};
    enum err e = event_make(&d, h->keys.sign_secret, &packed);
    if (e == ERR_OK)
        e = event_open(buf_slice(&packed), ev);
    buf_fini(&packed);
    return e;
}

static enum err keep_own(struct hub *h, const struct issue *i,
                         const struct event *ev, struct stored_event *s)
{
    Pb__AuditLeaf l = leaf_new(h, PB__LEAF_KIND__INGEST);
    uint8_t handle[16];
    uint64_t cites = i->cites;
    l.has_event_id = l.has_header_sha256 = l.has_type = l.has_outcome = 1;
    l.event_id = pb_borrow(slice_of(ev->event_id.b, ID_BYTES));
    l.header_sha256 = pb_borrow(slice_of(ev->header_sha256, 32));
    l.type = i->type;
    l.outcome = 1;
    l.node = pb_text(HUB_NODE);
    l.n_ref = 1;
    l.ref = &cites;
    l.n_commitment = ev->header->n_commitment;
    l.commitment = ev->header->commitment;
    enum err e = leaf_subject(h, i->person, &l, handle);
    if (e == ERR_OK)
        e = store_leaf(h->store, &l, &s->ingest_leaf);
    s->person = i->person;
    s->case_id = i->case_id;
    s->accepted_ms = h->now_ms;
    s->hub_made = true;
    snprintf(s->agency, sizeof(s->agency), HUB_AGENCY);
    snprintf(s->node, sizeof(s->node), HUB_NODE);
    if (e == ERR_OK)
        e = kept_fill(ev, s);
    return e != ERR_OK ? e : store_event_put(h->store, s, ev->header_sha256);
}

enum err issue_event(struct hub *h, const struct issue *i,
                     const struct known *k)
{
    struct stored_event s = {0};
    struct event *ev = NULL;
    struct facts f;
    enum err e = make_own(h, i, &s, &ev);
    if (e == ERR_OK)
        e = keep_own(h, i, ev, &s);
    if (e == ERR_OK) {
        struct recipient r = {.agency = i->to};
        known_facts(h, k, NULL, &f);
        snprintf(r.purpose, sizeof(r.purpose), "%s", i->purpose);
        snprintf(r.wanted, sizeof(r.wanted), "%s",
                 i->role != NULL ? i->role : "");
        struct question q = {ev->schema, ev->variant, i->to, i->role,
                             i->purpose, ev->present, NULL};
        step_again(&f, &q, h->now_ms, &r.decision);
        snprintf(r.role, sizeof(r.role), "%s", r.decision.role);
        r.why = r.decision.released != 0 ? ERR_OK : ERR_POL_NONE;
        e = issue_delivery(h, &s, &r);
    }
    stored_event_fini(&s);
    event_close(&ev);
    return e;
}

/* The bodies of events that only the hub makes in answer to others. */
union own_body {
    ProtobufCMessage base;
    Pb__StayReleased released;
    Pb__OfferRejectedLate late;
    Pb__ConsentExpired expired;
    Pb__ConsentReminder reminder;
    struct glass_notice glass;
};

/* A consent ends with its last day in Japan; whatever else is reminded of is
 * due now. */
static uint64_t reminded_of(const struct hub *h, const struct hub_event *he,
                            const struct known *k)
{
    for (size_t i = 0; i < k->grant_count; i++)
        if (he->reason == PB__REMINDER_REASON__ENDING &&
            memcmp(k->grants[i].ref, he->ref, ID_BYTES) == 0)
            return japan_day_begins(k->grants[i].to_day + 1);
    return h->now_ms;
}

/* Fills one of b; ref and reason as the event says. */
static const ProtobufCMessage *
own_body(const struct hub *h, const struct effects *fx,
         const struct hub_event *he, const struct known *k, union own_body *b)
{
    const ProtobufCMessageDescriptor *d = schema_event(he->type)->descriptor;
    ProtobufCBinaryData ref = {ID_BYTES, (uint8_t *)(uintptr_t)he->ref};
    if (d == &pb__break_glass_notice__descriptor) {
        memset(&b->glass, 0, sizeof(b->glass));
        return glass_notice(&fx->glass, he->reason != 0, &b->glass);
    }
    protobuf_c_message_init(d, b);
    if (d == &pb__stay_released__descriptor) {
        b->released.has_released_ms = 1;
        b->released.released_ms = h->now_ms;
    } else if (d == &pb__offer_rejected_late__descriptor) {
        b->late.has_offer_ref = 1;
        b->late.offer_ref = ref;
    } else if (d == &pb__consent_expired__descriptor) {
        b->expired.has_consent_ref = 1;
        b->expired.consent_ref = ref;
    } else if (d == &pb__consent_reminder__descriptor) {
        b->reminder.has_reason = b->reminder.has_consent_ref = 1;
        b->reminder.has_due_ms = 1;
        b->reminder.reason = (Pb__ReminderReason)he->reason;
        b->reminder.consent_ref = ref;
        b->reminder.due_ms = reminded_of(h, he, k);
    } else {
        assert(!"a hub event without a body");
    }
    return &b->base;
}

enum err issue_hub_events(struct hub *h, const struct effects *fx,
                          const struct known *k, uint64_t cites)
{
    struct known now = *k; /* decided on the state the event leads to */
    if (fx->state != NULL)
        now.state = fx->state;
    enum err e = ERR_OK;
    for (size_t n = 0; n < fx->hub_count && e == ERR_OK; n++) {
        const struct hub_event *he = &fx->hub[n];
        union own_body body;
        struct issue i = {.type = he->type,
                          .body = own_body(h, fx, he, k, &body),
                          .to = he->to,
                          .purpose = he->purpose,
                          .person = k->person,
                          .case_id = k->case_id,
                          .cites = cites};
        e = issue_event(h, &i, &now);
    }
    return e;
}
