/* erase.h - the order to forget a person, from the hub to a node that held
 * something of them: signed by the hub, sealed to the node's delivery key. */
#ifndef TSUNAGI_WIRE_ERASE_H
#define TSUNAGI_WIRE_ERASE_H
#include "proto/wire/sign.h"
#include "tsunagi/v1/wire.pb-c.h"

#define ERASE_ORDER_BYTES 16

/* Appends the sealed bytes to out. Made once and kept: the one who sealed them
 * cannot open them again. */
enum err erase_seal(const Pb__EraseOrder *order,
                    const uint8_t hub_secret[SIGN_SECRET_BYTES],
                    const uint8_t box[KEY_BYTES], struct buf *out) MUST_CHECK;
/* The node's side. *order: unpack_free. ERR_DLV_BOX: not for these keys;
 * ERR_DLV_SIGNATURE: not the hub's; ERR_PB_*: malformed, or an id or a token
 * is not 16 bytes. */
enum err erase_open(struct slice sealed, const struct node_keys *keys,
                    const uint8_t hub_key[KEY_BYTES],
                    ProtobufCMessage **order) MUST_CHECK;
#endif
