/* release.c - deliveries leave: decided again, leafed, committed, then sent.
 *
 *   FETCH (credit) -> due deliveries -> decide again -> RELEASE leaf
 *      | commit, head signed |
 *   Delivery with inclusion proof -> signed -> boxed to the node -> sent
 *
 * What was released and not acknowledged goes out again when its node
 * reconnects, under the same RELEASE leaf as long as neither consent nor
 * policy has changed; otherwise it is decided anew. The urgent lane is served
 * first. Releases and withdrawals are serialised by the turn (I-3). */
#include "hub/app/hub.h"
#include "proto/base/log.h"
#include "proto/wire/unpack.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define CONSENT_WITHDRAWN 1203
#define CONSENT_EXPIRED 1204
#define CONSENT_REMINDER 1207
#define BREAK_GLASS_NOTICE 2009
#define MEETING_PAPERS 1702
#define PUMP_AT_ONCE 24             /* deliveries decided in one turn */
#define PUMP_BESIDE_URGENT 4        /* of the normal lane, beside urgent ones */
#define BATCH_BYTES (FRAME_MAX / 2) /* of one DELIVERIES message */
#define BATCH_MAX 32

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

static void drop_outgoing(struct outgoing *o)
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
    l.phase = (char *)(uintptr_t) "RELEASE";
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
    return type == CONSENT_WITHDRAWN || type == CONSENT_EXPIRED ||
           type == CONSENT_REMINDER || type == BREAK_GLASS_NOTICE;
}

static enum err load_tokens(struct hub *h, struct outgoing *o)
{
    const uint64_t identity =
        class_bit(PB__DATA_CLASS__G_ID) | class_bit(PB__DATA_CLASS__G_NAME);
    enum err e = ERR_OK;
    o->has_case = !id_is_zero(o->event.case_id);
    /* a notice about a consent would be of no use to a holder that cannot tell
     * whom it is about, nor one of a break-glass to who is to review it */
    bool notice = o->event.hub_made && is_notice(o->event.type);
    o->has_person = !id_is_zero(o->event.person) &&
                    (notice || (o->d.released_classes & identity) != 0);
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
    if (e == ERR_OK && o->event.type == MEETING_PAPERS)
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
static enum err decide_again(struct hub *h, struct outgoing *o,
                             const struct known *k, bool *stopped)
{
    struct decision d;
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
        e = decide_again(h, o, &k, &stopped);
    if (e == ERR_OK && !stopped)
        e = load_tokens(h, o);
    known_fini(&k);
    if (e == ERR_OK && !stopped) {
        p->credit--;
    } else {
        drop_outgoing(o);
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
    net_each_peer(h->net, LANE_NORMAL, pump_peer, h);
}

/* ---- sending ---- */

static enum err add_proof(struct hub *h, uint64_t index, Pb__Delivery *d,
                          ProtobufCBinaryData *path, struct hash *hashes)
{
    const struct merkle *m = store_merkle(h->store);
    size_t n = 0;
    enum err e =
        merkle_inclusion(m, index, m->size, store_tile, h->store, hashes, &n);
    for (size_t i = 0; i < n; i++)
        path[i] = (ProtobufCBinaryData){HASH_BYTES, hashes[i].b};
    d->n_inclusion = n;
    d->inclusion = path;
    return e;
}

static size_t released_parts(const struct outgoing *o, const Pb__Event *ev,
                             Pb__Part **parts)
{
    size_t n = 0;
    for (size_t i = 0; i < ev->n_part; i++)
        if (ev->part[i]->cls != 0 &&
            (o->d.released_classes & class_bit(ev->part[i]->cls)) != 0)
            parts[n++] = ev->part[i];
    return n;
}

static const uint8_t *sender_key(const struct hub *h, const struct outgoing *o)
{
    if (o->event.hub_made)
        return h->keys.pub.sign;
    const struct node *n = registry_node(h->registry, o->event.node);
    return n != NULL ? n->pub.sign : NULL;
}

/* Packs the Delivery message. */
static enum err pack_delivery(struct hub *h, struct outgoing *o,
                              struct buf *out)
{
    ProtobufCMessage *m = NULL;
    Pb__Part *parts[CLASS_MAX];
    ProtobufCBinaryData path[PROOF_MAX];
    struct hash hashes[PROOF_MAX];
    const uint8_t *key = sender_key(h, o);
    enum err e = unpack(&pb__event__descriptor, buf_slice(&o->event.parts), &m);
    if (e != ERR_OK || key == NULL) {
        unpack_free(&m);
        return e != ERR_OK ? e : ERR_NODE_UNKNOWN;
    }
    Pb__Delivery d = PB__DELIVERY__INIT;
    d.has_delivery_id = d.has_event_header = d.has_event_signature = 1;
    d.delivery_id = (ProtobufCBinaryData){ID_BYTES, o->d.delivery_id.b};
    d.event_header = pb_borrow(buf_slice(&o->event.header));
    d.event_signature = pb_borrow(buf_slice(&o->event.signature));
    d.has_sender_key = d.has_withheld = d.has_release_leaf = 1;
    d.sender_key = (ProtobufCBinaryData){KEY_BYTES, (uint8_t *)(uintptr_t)key};
    d.n_part = released_parts(o, (const Pb__Event *)m, parts);
    d.part = parts;
    d.withheld = o->withheld;
    if (o->has_person) {
        d.has_person_token = 1;
        d.person_token = (ProtobufCBinaryData){16, o->person_token};
    }
    if (o->has_case) {
        d.has_case_token = 1;
        d.case_token = (ProtobufCBinaryData){16, o->case_token};
    }
    d.purpose = o->d.purpose;
    d.role = o->d.role;
    d.agency = o->d.agency;
    d.basis = (char *)(uintptr_t)o->basis;
    d.release_leaf = pb_borrow(buf_slice(&o->leaf));
    d.has_release_index = d.has_released_ms = 1;
    d.release_index = o->d.release_leaf;
    d.released_ms = o->d.released_ms;
    e = add_proof(h, o->d.release_leaf, &d, path, hashes);
    if (e == ERR_OK)
        e = pack(&d.base, out);
    unpack_free(&m);
    return e;
}

/* A connection is one node's for its life: the key holds as long. */
static const uint8_t *shared_with(const struct hub *h, struct peer *p,
                                  const struct node *to)
{
    if (!p->has_shared)
        box_shared(p->shared, to->pub.box, h->keys.box_secret);
    p->has_shared = true;
    return p->shared;
}

/* Signs and boxes; appends a packed BoxedDelivery. */
static enum err box_delivery(struct hub *h, struct outgoing *o, struct peer *p,
                             const struct node *to, struct buf *out)
{
    struct buf bytes = {0}, plain = {0}, box = {0};
    uint8_t signature[SIGNATURE_BYTES], nonce[24];
    enum err e = store_leaf_get(h->store, o->d.release_leaf, &o->leaf);
    if (e == ERR_OK)
        e = pack_delivery(h, o, &bytes);
    if (e == ERR_OK)
        e = sign_make(SIGN_DELIVERY, buf_slice(&bytes), h->keys.sign_secret,
                      signature);
    if (e == ERR_OK) {
        Pb__SignedDelivery s = PB__SIGNED_DELIVERY__INIT;
        s.has_delivery = s.has_signature = 1;
        s.delivery = pb_borrow(buf_slice(&bytes));
        s.signature = (ProtobufCBinaryData){sizeof(signature), signature};
        e = pack(&s.base, &plain);
    }
    if (e == ERR_OK) {
        e = box_seal(shared_with(h, p, to), buf_slice(&plain), nonce, &box);
    }
    if (e == ERR_OK) {
        Pb__BoxedDelivery b = PB__BOXED_DELIVERY__INIT;
        b.has_nonce = b.has_box = 1;
        b.nonce = (ProtobufCBinaryData){sizeof(nonce), nonce};
        b.box = pb_borrow(buf_slice(&box));
        e = pack(&b.base, out);
    }
    buf_fini(&bytes);
    buf_fini(&plain);
    buf_fini(&box);
    return e;
}

/* A DELIVERIES message in the making: boxed deliveries of one peer. */
struct batch {
    struct peer *to;
    ProtobufCMessage *box[BATCH_MAX];
    size_t n, bytes;
};

static void send_batch(struct hub *h, struct batch *b)
{
    if (b->n == 0)
        return;
    const struct merkle *m = store_merkle(h->store);
    struct hash hashes[PROOF_MAX];
    ProtobufCBinaryData path[PROOF_MAX];
    size_t n = 0;
    Pb__Deliveries d = PB__DELIVERIES__INIT;
    d.n_delivery = b->n;
    d.delivery = (Pb__BoxedDelivery **)b->box;
    d.checkpoint = (char *)h->note.p;
    d.has_from_size = 1;
    d.from_size = b->to->seen_size <= m->size ? b->to->seen_size : 0;
    enum err e = ERR_OK;
    if (d.from_size > 0)
        e = merkle_consistency(m, d.from_size, m->size, store_tile, h->store,
                               hashes, &n);
    for (size_t i = 0; i < n; i++)
        path[i] = (ProtobufCBinaryData){HASH_BYTES, hashes[i].b};
    d.n_consistency = n;
    d.consistency = path;
    struct buf out = {0};
    if (e == ERR_OK)
        e = pack(&d.base, &out);
    if (e == ERR_OK)
        net_send(h->net, b->to, VERB_DELIVERIES, buf_slice(&out));
    else
        turn_broken(h, e);
    b->to->seen_size = m->size;
    b->to->seen_root = merkle_root(m);
    for (size_t i = 0; i < b->n; i++)
        unpack_free(&b->box[i]);
    buf_fini(&out);
    b->n = b->bytes = 0;
}

struct find_peer {
    const struct outgoing *o;
    struct peer *found;
};

static void match_peer(void *ctx, struct peer *p)
{
    struct find_peer *f = ctx;
    if (memcmp(p->routing, f->o->routing, ROUTING_BYTES) == 0)
        f->found = p;
}

static void send_one(struct hub *h, struct outgoing *o, struct batch *b)
{
    struct find_peer f = {.o = o};
    struct buf packed = {0};
    net_each_peer(h->net, o->lane, match_peer, &f);
    if (f.found == NULL)
        return; /* gone: it goes out again when the node is back */
    const struct node *to = registry_node(h->registry, f.found->node);
    enum err e = to == NULL ? ERR_NODE_UNKNOWN
                            : box_delivery(h, o, f.found, to, &packed);
    if (e == ERR_STORE || e == ERR_INTEGRITY || e == ERR_IO)
        turn_broken(h, e); /* I-17 */
    if (b->to != f.found || b->n == BATCH_MAX ||
        b->bytes + packed.n > BATCH_BYTES)
        send_batch(h, b);
    b->to = f.found;
    if (e == ERR_OK)
        e = unpack(&pb__boxed_delivery__descriptor, buf_slice(&packed),
                   &b->box[b->n]);
    if (e == ERR_OK) {
        b->n++;
        b->bytes += packed.n;
    } else {
        log_error("release: a delivery could not be built code=%s",
                  err_code(e));
    }
    buf_fini(&packed);
}

void release_send(struct hub *h)
{
    struct batch b = {0};
    for (size_t i = 0; i < h->outgoing_count; i++) {
        if (h->broken == ERR_OK)
            send_one(h, &h->outgoing[i], &b);
        drop_outgoing(&h->outgoing[i]);
    }
    h->outgoing_count = 0;
    send_batch(h, &b);
}

/* ---- acknowledgements ---- */

static enum err leaf_delivered(struct hub *h, const struct delivery *d,
                               const Pb__Ack *ack, const Pb__AckBody *body)
{
    struct stored_event ev = {0};
    enum err e = store_event_get(h->store, d->event_seq, &ev);
    if (e != ERR_OK)
        return e;
    Pb__AuditLeaf l = leaf_new(h, PB__LEAF_KIND__DELIVERED);
    uint8_t handle[16];
    uint64_t ref = d->release_leaf, index;
    l.has_event_id = l.has_signature = l.has_detail_sha256 = 1;
    l.event_id = (ProtobufCBinaryData){ID_BYTES, ev.event_id.b};
    l.signature = ack->signature;
    l.detail_sha256 = body->sha256;
    l.peer = (char *)(uintptr_t)d->agency;
    l.node = (char *)(uintptr_t)d->node;
    l.n_ref = 1;
    l.ref = &ref;
    e = leaf_subject(h, ev.person, &l, handle);
    if (e == ERR_OK)
        e = store_leaf(h->store, &l, &index);
    stored_event_fini(&ev);
    return e;
}

/* Whose it is: any node of the agency may speak of it. Somebody else's is the
 * same as an unknown one. */
static enum err open_ack(struct hub *h, const struct node *node,
                         const Pb__Ack *ack, const Pb__AckBody *body,
                         struct delivery *d)
{
    struct id id;
    enum err e = sign_check(SIGN_ACK, pb_slice(ack->ack),
                            pb_slice(ack->signature), node->pub.sign);
    if (e == ERR_OK)
        e = id_from(pb_slice(body->delivery_id), &id);
    if (e == ERR_OK)
        e = store_delivery_find(h->store, id, d);
    if (e == ERR_OK && strcmp(d->agency, node->agency->code) != 0)
        e = ERR_NOT_FOUND;
    return e;
}

/* The ack names what was released: the hash of the RELEASE leaf. */
static enum err check_ack(struct hub *h, const struct node *node,
                          const Pb__AckBody *body, const struct delivery *d)
{
    struct buf leaf = {0};
    uint8_t hash[32];
    if (strcmp(d->node, node->pub.node) != 0 || d->state == DELIVERY_QUEUED)
        return ERR_NOT_FOUND;
    if (d->state != DELIVERY_RELEASED)
        return ERR_OK;
    enum err e = store_leaf_get(h->store, d->release_leaf, &leaf);
    sha256(buf_slice(&leaf), hash);
    if (e == ERR_OK && !slice_eq(pb_slice(body->sha256), slice_of(hash, 32)))
        e = ERR_EVT_COMMITMENT;
    buf_fini(&leaf);
    return e;
}

static const char *recall_word(Pb__RecallOutcome o)
{
    return o == PB__RECALL_OUTCOME__RECALL_DELETED       ? "DELETED"
           : o == PB__RECALL_OUTCOME__RECALL_HANDED_OVER ? "HANDED_OVER"
                                                         : "UNKNOWN";
}

static enum err leaf_recalled(struct hub *h, const struct delivery *d,
                              const struct node *node, const Pb__Ack *ack,
                              const char *word)
{
    Pb__AuditLeaf l = leaf_new(h, PB__LEAF_KIND__RECALL);
    uint8_t handle[16];
    uint64_t ref[2] = {d->release_leaf, d->recall_leaf}, index;
    l.phase = (char *)(uintptr_t) "ANSWER";
    l.peer = (char *)(uintptr_t)d->agency;
    l.node = (char *)(uintptr_t)node->pub.node;
    l.has_signature = 1;
    l.signature = ack->signature;
    l.reason = (char *)(uintptr_t)word;
    l.n_ref = 2;
    l.ref = ref;
    enum err e = leaf_subject(h, d->person, &l, handle);
    return e != ERR_OK ? e : store_leaf(h->store, &l, &index);
}

/* What became of a delivery called back. An agency may have several nodes: one
 * that never had it says nothing about the one that was sent it. */
static enum err take_recalled(struct hub *h, const struct node *node,
                              const Pb__Ack *ack, const Pb__AckBody *body,
                              struct delivery *d)
{
    bool unknown = body->recalled == PB__RECALL_OUTCOME__RECALL_UNKNOWN;
    if (d->recall_leaf == 0)
        return ERR_NOT_FOUND;
    if (unknown && strcmp(d->node, node->pub.node) != 0)
        return ERR_OK;
    if (!turn_begin(h))
        return ERR_OK;
    enum err e = store_recall_answer(h->store, d->id, (unsigned)body->recalled);
    if (e == ERR_NOT_FOUND)
        return ERR_OK; /* answered before: nothing changes (I-8) */
    return e != ERR_OK
               ? e
               : leaf_recalled(h, d, node, ack, recall_word(body->recalled));
}

static enum err take_ack(struct hub *h, struct peer *p, const Pb__Ack *ack,
                         const Pb__AckBody *body)
{
    const struct node *node = registry_node(h->registry, p->node);
    struct delivery d;
    if (node == NULL)
        return ERR_NODE_UNKNOWN;
    enum err e = open_ack(h, node, ack, body, &d);
    if (e == ERR_OK && body->has_recalled)
        return take_recalled(h, node, ack, body, &d);
    if (e == ERR_OK)
        e = check_ack(h, node, body, &d);
    if (e != ERR_OK || d.state != DELIVERY_RELEASED)
        return e; /* a repeat, or late: nothing changes (I-8) */
    if (!turn_begin(h))
        return ERR_OK;
    d.state = DELIVERY_DONE;
    e = store_delivery_update(h->store, &d);
    if (e == ERR_OK)
        e = leaf_delivered(h, &d, ack, body);
    h->count.delivered++;
    return e;
}

void release_ack(struct hub *h, struct peer *p, struct slice bytes)
{
    ProtobufCMessage *m = NULL, *body = NULL;
    enum err e = unpack(&pb__ack__descriptor, bytes, &m);
    if (e == ERR_OK)
        e = unpack(&pb__ack_body__descriptor, pb_slice(((Pb__Ack *)m)->ack),
                   &body);
    if (e == ERR_OK)
        e = take_ack(h, p, (Pb__Ack *)m, (Pb__AckBody *)body);
    if (e == ERR_STORE || e == ERR_INTEGRITY || e == ERR_IO)
        turn_broken(h, e);
    else if (e == ERR_NOT_FOUND || e == ERR_EVT_COMMITMENT)
        h->count.stray_acks++; /* not this node's, or of an earlier release */
    else if (e != ERR_OK)
        intake_malformed(h, p, e);
    unpack_free(&m);
    unpack_free(&body);
}
