/* verify.c - one delivery: every signature, commitment, leaf and proof in it.
 * The head that its leaf is proved under was checked before (history.c). */
#include "adapters/sdk/verify.h"
#include "proto/wire/unpack.h"
#include <sodium.h>
#include <string.h>

void verified_close(struct verified *v)
{
    ProtobufCMessage *d = (ProtobufCMessage *)v->delivery;
    ProtobufCMessage *l = (ProtobufCMessage *)v->leaf;
    unpack_free(&d);
    unpack_free(&l);
    event_close(&v->event);
    memset(v, 0, sizeof(*v));
}

static enum err open_as(const ProtobufCMessageDescriptor *d, struct slice bytes,
                        void *out)
{
    ProtobufCMessage *m = NULL;
    enum err e = unpack(d, bytes, &m);
    memcpy(out, &m, sizeof(m));
    return e;
}

static enum err open_delivery(struct slice bytes, struct verified *v)
{
    enum err e = open_as(&pb__delivery__descriptor, bytes, &v->delivery);
    if (e != ERR_OK)
        return e;
    const Pb__Delivery *d = v->delivery;
    if (!d->has_sender_key || d->sender_key.len != KEY_BYTES ||
        id_from(pb_slice(d->delivery_id), &v->delivery_id) != ERR_OK ||
        (d->has_person_token && d->person_token.len != ID_BYTES) ||
        (d->has_case_token && d->case_token.len != ID_BYTES))
        return ERR_PB_MALFORMED;
    return event_open_released(pb_slice(d->event_header),
                               pb_slice(d->event_signature), d->sender_key.data,
                               d->part, d->n_part, &v->event);
}

static uint64_t released_classes(const Pb__Delivery *d)
{
    uint64_t mask = 0;
    for (size_t i = 0; i < d->n_part; i++)
        mask |= class_bit(d->part[i]->cls);
    return mask;
}

static bool same_bytes(protobuf_c_boolean has, ProtobufCBinaryData a,
                       struct slice b)
{
    return has && slice_eq(pb_slice(a), b);
}

/* Only compared when the leaf has it. */
static bool not_other(protobuf_c_boolean has, ProtobufCBinaryData a,
                      struct slice b)
{
    return !has || slice_eq(pb_slice(a), b);
}

static bool says(const char *a, const char *b)
{
    return a != NULL && b != NULL && strcmp(a, b) == 0;
}

/* The leaf permits this event, for us, and exactly the parts that came. */
static bool leaf_fits(const struct verified *v, const char *agency)
{
    const Pb__AuditLeaf *l = v->leaf;
    const Pb__Delivery *d = v->delivery;
    uint8_t key_id[8];
    crypto_generichash(key_id, sizeof(key_id), d->sender_key.data,
                       d->sender_key.len, NULL, 0);
    return l->has_kind && l->kind == PB__LEAF_KIND__RELEASE &&
           same_bytes(l->has_event_id, l->event_id,
                      slice_of(v->event->event_id.b, ID_BYTES)) &&
           says(l->peer, agency) && says(d->agency, agency) &&
           l->released == released_classes(d) && d->has_release_index &&
           l->index == d->release_index &&
           not_other(l->has_header_sha256, l->header_sha256,
                     slice_of(v->event->header_sha256, 32)) &&
           not_other(l->has_sender_key_id, l->sender_key_id,
                     slice_of(key_id, sizeof(key_id)));
}

static enum err take_path(const ProtobufCBinaryData *p, size_t n,
                          struct hash path[PROOF_MAX])
{
    if (n > PROOF_MAX)
        return ERR_DLV_PROOF;
    for (size_t i = 0; i < n; i++) {
        if (p[i].len != HASH_BYTES)
            return ERR_DLV_PROOF;
        memcpy(path[i].b, p[i].data, HASH_BYTES);
    }
    return ERR_OK;
}

static enum err check_leaf(struct verified *v, const char *agency,
                           const struct checkpoint *head)
{
    const Pb__Delivery *d = v->delivery;
    struct hash path[PROOF_MAX];
    enum err e = open_as(&pb__audit_leaf__descriptor, pb_slice(d->release_leaf),
                         &v->leaf);
    if (e != ERR_OK)
        return e;
    if (!leaf_fits(v, agency))
        return ERR_DLV_PROOF;
    e = take_path(d->inclusion, d->n_inclusion, path);
    if (e != ERR_OK)
        return e;
    return proof_check_inclusion(d->release_index, head->size,
                                 proof_leaf(pb_slice(d->release_leaf)), path,
                                 d->n_inclusion, head->root);
}

enum err verify_stored(struct slice delivery, struct verified *v)
{
    memset(v, 0, sizeof(*v));
    enum err e = open_delivery(delivery, v);
    if (e != ERR_OK)
        verified_close(v);
    return e;
}

static enum err check_hub(const Pb__SignedDelivery *s, const uint8_t *hub_key)
{
    enum err e = sign_check(SIGN_DELIVERY, pb_slice(s->delivery),
                            pb_slice(s->signature), hub_key);
    return e == ERR_EVT_SIGNATURE ? ERR_DLV_SIGNATURE : e;
}

enum err verify_delivery(struct slice packed, const char *agency,
                         const uint8_t hub_key[KEY_BYTES],
                         const struct checkpoint *head, struct buf *bytes,
                         struct verified *v)
{
    Pb__SignedDelivery *s = NULL;
    memset(v, 0, sizeof(*v));
    enum err e = open_as(&pb__signed_delivery__descriptor, packed, &s);
    if (e == ERR_OK)
        e = check_hub(s, hub_key);
    if (e == ERR_OK)
        e = open_delivery(pb_slice(s->delivery), v);
    if (e == ERR_OK)
        e = check_leaf(v, agency, head);
    if (e == ERR_OK) {
        buf_add(bytes, s->delivery.data, s->delivery.len);
        e = bytes->failed ? ERR_NOMEM : ERR_OK;
    }
    if (e != ERR_OK)
        verified_close(v);
    ProtobufCMessage *m = (ProtobufCMessage *)s;
    unpack_free(&m);
    return e;
}
