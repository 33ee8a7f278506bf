/* ack.c - what nodes say of deliveries: received, or what became of one that
 * was called back. Signed by the node, kept as a leaf. A repeat, or an answer
 * that comes late, changes nothing (I-8). */
#include "hub/app/hub.h"
#include "proto/wire/unpack.h"
#include <string.h>

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
    l.has_event_id = l.has_signature = l.has_detail_sha256 = l.has_signed_ = 1;
    l.event_id = (ProtobufCBinaryData){ID_BYTES, ev.event_id.b};
    l.signature = ack->signature;
    l.signed_ = ack->ack;
    l.detail_sha256 = body->sha256;
    l.peer = pb_text(d->agency);
    l.node = pb_text(d->node);
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

const char *recall_word(Pb__RecallOutcome o)
{
    return o == PB__RECALL_OUTCOME__RECALL_DELETED       ? "DELETED"
           : o == PB__RECALL_OUTCOME__RECALL_HANDED_OVER ? "HANDED_OVER"
                                                         : "UNKNOWN";
}

/* Whoever is being erased gets no new handle. */
static enum err is_erased(struct hub *h, struct id person, bool *erased)
{
    struct person_facts about = {0};
    enum err e = id_is_zero(person) ? ERR_NOT_FOUND
                                    : store_person(h->store, person, &about);
    *erased = e == ERR_NOT_FOUND || about.erased;
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

static enum err leaf_recalled(struct hub *h, const struct delivery *d,
                              const struct node *node, const Pb__Ack *ack,
                              const char *word)
{
    Pb__AuditLeaf l = leaf_new(h, PB__LEAF_KIND__RECALL);
    uint8_t handle[16];
    uint64_t ref[2] = {d->release_leaf, d->recall_leaf}, index;
    l.phase = pb_text("ANSWER");
    l.peer = pb_text(d->agency);
    l.node = pb_text(node->pub.node);
    l.has_signature = l.has_signed_ = 1;
    l.signature = ack->signature;
    l.signed_ = ack->ack;
    l.reason = pb_text(word);
    l.n_ref = 2;
    l.ref = ref;
    bool erased;
    enum err e = is_erased(h, d->person, &erased);
    if (e == ERR_OK && !erased)
        e = leaf_subject(h, d->person, &l, handle);
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

void ack_take(struct hub *h, struct peer *p, struct slice bytes)
{
    ProtobufCMessage *m = NULL, *body = NULL;
    enum err e = unpack(&pb__ack__descriptor, bytes, &m);
    if (e == ERR_OK)
        e = unpack(&pb__ack_body__descriptor, pb_slice(((Pb__Ack *)m)->ack),
                   &body);
    if (e == ERR_OK)
        e = take_ack(h, p, (Pb__Ack *)m, (Pb__AckBody *)body);
    if (turn_fault(e))
        turn_broken(h, e);
    else if (e == ERR_NOT_FOUND || e == ERR_EVT_COMMITMENT)
        h->count.stray_acks++; /* not this node's, or of an earlier release */
    else if (e != ERR_OK)
        intake_malformed(h, p, e);
    unpack_free(&m);
    unpack_free(&body);
}
