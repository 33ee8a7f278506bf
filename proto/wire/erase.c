/* erase.c - SignedErase in crypto_box_seal: a box of an unknown sender, so that
 * whoever made it has no key left that opens it. That the hub made it says the
 * signature inside. */
#include "proto/wire/erase.h"
#include "proto/wire/unpack.h"
#include <sodium.h>

static enum err add_sealed(struct slice plain, const uint8_t box[KEY_BYTES],
                           struct buf *out)
{
    size_t at = out->n;
    uint8_t head[crypto_box_SEALBYTES] = {0};
    buf_add(out, head, sizeof(head));
    buf_add(out, plain.p, plain.n);
    if (out->failed)
        return ERR_NOMEM;
    /* a key of small order can open nothing: as if it were another node's */
    return crypto_box_seal(out->p + at, plain.p, plain.n, box) == 0
               ? ERR_OK
               : ERR_DLV_BOX;
}

enum err erase_seal(const Pb__EraseOrder *order,
                    const uint8_t hub_secret[SIGN_SECRET_BYTES],
                    const uint8_t box[KEY_BYTES], struct buf *out)
{
    struct buf body = {0}, plain = {0};
    uint8_t sig[SIGNATURE_BYTES];
    Pb__SignedErase s = PB__SIGNED_ERASE__INIT;
    enum err e = pack(&order->base, &body);
    if (e == ERR_OK)
        e = sign_make(SIGN_ERASE_ORDER, buf_slice(&body), hub_secret, sig);
    s.has_order = s.has_signature = 1;
    s.order = pb_borrow(buf_slice(&body));
    s.signature = pb_borrow(slice_of(sig, sizeof(sig)));
    if (e == ERR_OK)
        e = pack(&s.base, &plain);
    if (e == ERR_OK)
        e = add_sealed(buf_slice(&plain), box, out);
    buf_fini(&body);
    buf_fini(&plain);
    return e;
}

static enum err open_box(struct slice sealed, const struct node_keys *k,
                         struct buf *plain)
{
    if (sealed.n <= crypto_box_SEALBYTES)
        return ERR_DLV_BOX;
    buf_add(plain, sealed.p, sealed.n - crypto_box_SEALBYTES); /* for room */
    if (plain->failed)
        return ERR_NOMEM;
    return crypto_box_seal_open(plain->p, sealed.p, sealed.n, k->pub.box,
                                k->box_secret) == 0
               ? ERR_OK
               : ERR_DLV_BOX;
}

static bool all_ids(const ProtobufCBinaryData *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (list[i].len != ERASE_ORDER_BYTES)
            return false;
    return true;
}

static enum err check(const Pb__EraseOrder *o)
{
    return o->order.len == ERASE_ORDER_BYTES &&
                   all_ids(o->person_token, o->n_person_token) &&
                   all_ids(o->case_token, o->n_case_token)
               ? ERR_OK
               : ERR_PB_MALFORMED;
}

static enum err read_order(const Pb__SignedErase *s,
                           const uint8_t hub_key[KEY_BYTES],
                           ProtobufCMessage **order)
{
    if (sign_check(SIGN_ERASE_ORDER, pb_slice(s->order), pb_slice(s->signature),
                   hub_key) != ERR_OK)
        return ERR_DLV_SIGNATURE;
    enum err e =
        unpack(&pb__erase_order__descriptor, pb_slice(s->order), order);
    if (e == ERR_OK)
        e = check((Pb__EraseOrder *)*order);
    if (e != ERR_OK)
        unpack_free(order);
    return e;
}

enum err erase_open(struct slice sealed, const struct node_keys *keys,
                    const uint8_t hub_key[KEY_BYTES], ProtobufCMessage **order)
{
    struct buf plain = {0};
    ProtobufCMessage *m = NULL;
    *order = NULL;
    enum err e = open_box(sealed, keys, &plain);
    if (e == ERR_OK)
        e = unpack(&pb__signed_erase__descriptor, buf_slice(&plain), &m);
    if (e == ERR_OK)
        e = read_order((Pb__SignedErase *)m, hub_key, order);
    unpack_free(&m);
    buf_fini(&plain);
    return e;
}
