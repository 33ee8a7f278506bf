/* release.c - what leaves: decided again and leafed, for nodes with credit.
 *
 *   FETCH (credit) -> due deliveries -> decide again -> RELEASE leaf
 *      | commit, head signed (turn.c) |
 *   built and sent (deliver.c) -> acknowledged (ack.c)
 *
 * What was released and not acknowledged goes out again when its node
 * reconnects, under the same RELEASE leaf as long as neither consent nor
 * policy has changed; otherwise it is decided anew. The urgent lane is served
 * first. Releases and withdrawals are serialised by the turn (I-3). */
#include "hub/app/hub.h"
#include "proto/wire/unpack.h"
#include <stdlib.h>
#include <string.h>

#define PUMP_AT_ONCE 24      /* deliveries decided in one turn */
#define PUMP_BESIDE_URGENT 4 /* of the normal lane, beside urgent ones */

void release_fetch(struct hub *h, struct peer *p, struct slice body)
{
    ProtobufCMessage *m = NULL;
    enum err e = unpack(&pb__fetch__descriptor, body, &m);
    if (e != ERR_OK) {
        intake_malformed(h, p, e);
        return;
    }
    const Pb__Fetch *f = (const Pb__Fetch *)m;
    p->credit = f->credit < 256 ? f->credit : 256;
    /* a FETCH that crossed our last heads says less than we told since */
    if (f->seen_size > p->seen_size && f->seen_root.len == HASH_BYTES) {
        p->seen_size = f->seen_size;
        memcpy(p->seen_root.b, f->seen_root.data, HASH_BYTES);
    }
    h->pump = true;
    unpack_free(&m);
}

/* ---- deciding ---- */

static struct outgoing *new_outgoing(struct hub *h)
{
    if (h->outgoing_count == h->outgoing_cap) {
        size_t cap = h->outgoing_cap == 0 ? 32 : 2 * h->outgoing_cap;
        struct outgoing *more = realloc(h->outgoing, cap * sizeof(*more));
        if (more == NULL)
            return NULL;
        h->outgoing = more;
        h->outgoing_cap = cap;
    }
    struct outgoing *o = &h->outgoing[h->outgoing_count++];
    memset(o, 0, sizeof(*o));
    return o;
}

void outgoing_fini(struct outgoing *o)
{
    stored_event_fini(&o->event);
    buf_fini(&o->leaf);
}

static enum err leaf_release(struct hub *h, struct outgoing *o,
                             const struct decision *d, const struct known *k)
{
    Pb__AuditLeaf l = leaf_new(h, PB__LEAF_KIND__RELEASE);
    struct leaf_lists lists;
    uint8_t handle[16], header[32];
    uint64_t ref[2] = {o->d.decision_leaf};
    const struct glass *g = glass_behind(h, k, &o->event, o->d.agency, NULL, d);
    l.phase = pb_text("RELEASE");
    l.has_event_id = l.has_type = l.has_header_sha256 = 1;
    l.event_id = (ProtobufCBinaryData){ID_BYTES, o->event.event_id.b};
    l.type = o->event.type;
    sha256(buf_slice(&o->event.header), header);
    l.header_sha256 = (ProtobufCBinaryData){32, header};
    l.peer = o->d.agency;
    l.node = o->d.node;
    l.purpose = o->d.purpose;
    l.role = o->d.role;
    l.n_ref = 1;
    l.ref = ref;
    if (g != NULL) {
        ref[l.n_ref++] = g->leaf;
        l.has_valid_until_ms = 1;
        l.valid_until_ms = g->until_ms;
    }
    leaf_decision(h, d, k->grants, &lists, &l);
    enum err e = leaf_subject(h, o->event.person, &l, handle);
    return e != ERR_OK ? e : store_leaf(h->store, &l, &o->d.release_leaf);
}

static bool still_good(const struct hub *h, const struct delivery *d,
                       const struct known *k)
{
    return d->state == DELIVERY_RELEASED &&
           d->consent_generation == k->about.generation &&
           memcmp(d->policy_digest, policy_digest(h->policy), 32) == 0;
}

static bool is_notice(uint32_t type)
{
    return type == EVENT_CONSENT_WITHDRAWN || type == EVENT_CONSENT_EXPIRED ||
           type == EVENT_CONSENT_REMINDER || type == EVENT_BREAK_GLASS_NOTICE;
}

static enum err load_tokens(struct hub *h, struct outgoing *o)
{
    enum err e = ERR_OK;
    o->has_case = !id_is_zero(o->event.case_id);
    /* a notice about a consent would be of no use to a holder that cannot tell
     * whom it is about, nor one of a break-glass to who is to review it */
    bool notice = o->event.hub_made && is_notice(o->event.type);
    o->has_person = !id_is_zero(o->event.person) &&
                    (notice || (o->d.released_classes & NAMES_PERSON) != 0);
    if (o->has_case)
        e = store_token_for(h->store, o->d.agency, TOKEN_CASE, o->event.case_id,
                            o->case_token);
    if (e == ERR_OK && o->has_person)
        e = store_token_for(h->store, o->d.agency, TOKEN_PERSON,
                            o->event.person, o->person_token);
    return e;
}

/* What the first released class rests on. */
static const char *basis_of(const struct decision *d)
{
    for (unsigned c = 1; c < CLASS_MAX; c++)
        if ((d->released & class_bit(c)) != 0 && d->of[c].basis != NULL)
            return d->of[c].basis;
    return "";
}

/* The classes that a consent carries, one row for each consent. */
static enum err note_consents(struct hub *h, const struct delivery *d,
                              const struct decision *now, const struct known *k)
{
    enum err e = ERR_OK;
    for (size_t g = 0; g < k->grant_count && e == ERR_OK; g++) {
        uint64_t classes = 0;
        for (unsigned c = 1; c < CLASS_MAX; c++)
            if (now->of[c].permit && now->of[c].grant == (int)g)
                classes |= class_bit(c) & now->released;
        if (classes != 0)
            e = store_delivery_rest(h->store, d, k->grants[g].ref, classes);
    }
    return e;
}

/* What the release rests on that can end: consents; papers, on their meeting.
 */
static enum err note_grounds(struct hub *h, const struct outgoing *o,
                             const struct decision *now, const struct known *k)
{
    enum err e = note_consents(h, &o->d, now, k);
    if (e == ERR_OK && o->event.type == EVENT_MEETING_PAPERS)
        e = store_delivery_rest(h->store, &o->d, o->event.case_id.b,
                                now->released);
    return e;
}

static enum err release(struct hub *h, struct outgoing *o,
                        const struct decision *now, const struct known *k)
{
    o->d.state = DELIVERY_RELEASED;
    o->d.released_classes = now->released;
    o->d.released_ms = h->now_ms;
    o->d.consent_generation = k->about.generation;
    memcpy(o->d.role, now->role, sizeof(o->d.role));
    memcpy(o->d.policy_digest, policy_digest(h->policy), 32);
    enum err e = leaf_release(h, o, now, k);
    if (e == ERR_OK)
        e = note_grounds(h, o, now, k);
    h->count.released++;
    return e != ERR_OK ? e : store_delivery_update(h->store, &o->d);
}

/* A plain no ends it; trouble in deciding is for a person to look at. */
static enum err decide_release(struct hub *h, struct outgoing *o,
                               const struct known *k, bool *stopped)
{
    struct decision d;
    *stopped = o->event.erased; /* nobody came in time (I-10) */
    if (*stopped)
        return park_delivery(h, &o->d, ERR_EVT_GONE);
    enum err e = decide_kept(h, &o->event, &o->d, k, &d);
    if (e != ERR_OK)
        return e;
    /* the policy may have become more generous since */
    decision_narrow(&d, o->d.released_classes);
    *stopped = d.released == 0;
    if (*stopped)
        return d.error == ERR_OK || d.error == ERR_POL_NONE
                   ? withhold(h, &o->d, 0)
                   : park_delivery(h, &o->d, d.error);
    o->withheld = d.withheld;
    o->basis = basis_of(&d);
    if (still_good(h, &o->d, k) && o->d.released_classes == d.released)
        return store_delivery_update(h->store, &o->d); /* the same leaf */
    return release(h, o, &d, k);
}

/* Prepares one delivery for one peer. */
static enum err prepare(struct hub *h, struct peer *p, const struct delivery *d)
{
    struct outgoing *o = new_outgoing(h);
    if (o == NULL)
        return ERR_NOMEM;
    memcpy(o->routing, p->routing, ROUTING_BYTES);
    o->lane = p->lane;
    o->d = *d;
    snprintf(o->d.node, sizeof(o->d.node), "%s", p->node);
    struct known k = {0};
    bool stopped = false;
    enum err e = store_event_get(h->store, d->event_seq, &o->event);
    if (e == ERR_OK)
        e = known_load(h, o->event.person, o->event.case_id, &k);
    if (e == ERR_OK)
        e = decide_release(h, o, &k, &stopped);
    if (e == ERR_OK && !stopped)
        e = load_tokens(h, o);
    known_fini(&k);
    if (e == ERR_OK && !stopped) {
        p->credit--;
    } else {
        outgoing_fini(o);
        h->outgoing_count--;
    }
    return e;
}

/* Another live node of the same agency has it in hand. */
static bool elsewhere(const struct hub *h, const struct peer *p,
                      const struct delivery *d)
{
    return d->state == DELIVERY_RELEASED && strcmp(d->node, p->node) != 0 &&
           net_connected(h->net, p->lane, d->node);
}

/* Remembers where to begin again should that node disappear. */
static void leave(struct peer *p, const struct delivery *d)
{
    if (p->skipped != 0)
        return;
    p->skipped = d->id;
    memcpy(p->skipped_node, d->node, sizeof(p->skipped_node));
}

static void pump_peer(void *ctx, struct peer *p)
{
    struct hub *h = ctx;
    const struct node *node = registry_node(h->registry, p->node);
    struct delivery due[PUMP_AT_ONCE + PUMP_BESIDE_URGENT];
    size_t n = 0;
    if (p->skipped != 0 && !net_connected(h->net, p->lane, p->skipped_node)) {
        p->cursor = p->skipped - 1; /* that node is gone: it is ours now */
        p->skipped = 0;
    }
    /* while the clock is off every answer would be no, and a no is for good */
    if (p->credit == 0 || node == NULL || node->state != NODE_ACTIVE ||
        h->broken != ERR_OK || !h->clock_ok)
        return;
    if (h->outgoing_count >= h->outgoing_max) {
        h->pump = true; /* its turn comes */
        return;
    }
    size_t room = h->outgoing_max - h->outgoing_count;
    size_t want = p->credit < room ? p->credit : room;
    enum err e =
        store_delivery_due(h->store, node->agency->code, (enum lane)p->lane,
                           p->cursor, due, want, &n);
    for (size_t i = 0; i < n && e == ERR_OK; i++) {
        p->cursor = due[i].id;
        if (elsewhere(h, p, &due[i])) {
            leave(p, &due[i]);
            continue;
        }
        if (turn_begin(h))
            e = due[i].expires_ms <= h->now_ms
                    ? park_delivery(h, &due[i], ERR_EVT_EXPIRED)
                    : prepare(h, p, &due[i]);
    }
    if (e != ERR_OK)
        turn_broken(h, e);
    else if (n == want)
        h->pump = true; /* perhaps more: next turn */
}

void release_pump(struct hub *h)
{
    h->pump = false;
    h->outgoing_max = PUMP_AT_ONCE;
    net_each_peer(h->net, LANE_URGENT, pump_peer, h);
    if (h->outgoing_count > 0)
        h->outgoing_max = h->outgoing_count + PUMP_BESIDE_URGENT;
    if (!witness_stops_normal(h)) /* urgent ones never wait for that */
        net_each_peer(h->net, LANE_NORMAL, pump_peer, h);
}
