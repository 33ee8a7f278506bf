/* deliver.c - deliveries leave, once the commit stands that released them.
 *
 *   RELEASE leaf + inclusion proof + released parts -> Delivery
 *   -> signed by the hub -> boxed to the node -> DELIVERIES with the head
 *
 * A delivery is only ever a reply to a FETCH; a node that is gone by now gets
 * it again when it is back. */
#include "hub/app/hub.h"
#include "proto/base/log.h"
#include "proto/wire/unpack.h"
#include <string.h>

#define BATCH_BYTES (FRAME_MAX / 2) /* of one DELIVERIES message */
#define BATCH_MAX 32

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
    d.sender_key = pb_borrow(slice_of(key, KEY_BYTES));
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
    d.basis = pb_text(o->basis);
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

/* The newest head with a quorum, once on each connection; hashes: room for the
 * proof that this batch's head extends it. */
static enum err add_cosigned(struct hub *h, struct peer *to, Pb__Deliveries *d,
                             ProtobufCBinaryData *path, struct hash *hashes)
{
    const struct merkle *m = store_merkle(h->store);
    uint64_t size;
    size_t n = 0;
    struct slice note = witness_note(h, &size);
    if (size <= to->cosigned_size)
        return ERR_OK;
    enum err e =
        merkle_consistency(m, size, m->size, store_tile, h->store, hashes, &n);
    for (size_t i = 0; i < n; i++)
        path[i] = (ProtobufCBinaryData){HASH_BYTES, hashes[i].b};
    d->cosigned = (char *)(uintptr_t)note.p;
    d->n_cosigned_consistency = n;
    d->cosigned_consistency = path;
    to->cosigned_size = size;
    return e;
}

static void send_batch(struct hub *h, struct batch *b)
{
    if (b->n == 0)
        return;
    const struct merkle *m = store_merkle(h->store);
    struct hash hashes[PROOF_MAX], more[PROOF_MAX];
    ProtobufCBinaryData path[PROOF_MAX], more_path[PROOF_MAX];
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
    if (e == ERR_OK)
        e = add_cosigned(h, b->to, &d, more_path, more);
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
    if (turn_fault(e))
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
        log_error("deliver: a delivery could not be built code=%s",
                  err_code(e));
    }
    buf_fini(&packed);
}

void deliver(struct hub *h)
{
    struct batch b = {0};
    for (size_t i = 0; i < h->outgoing_count; i++) {
        if (h->broken == ERR_OK)
            send_one(h, &h->outgoing[i], &b);
        outgoing_fini(&h->outgoing[i]);
    }
    h->outgoing_count = 0;
    send_batch(h, &b);
}
