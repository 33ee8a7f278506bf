/* verify.h - is this delivery what it says? Everything a recipient can check
 * without asking anyone: the hub's signature, the sender's signature and
 * commitments, the entry of the log that let it go, and that entry's place in
 * the log. No clock, socket or file. */
#ifndef TSUNAGI_SDK_VERIFY_H
#define TSUNAGI_SDK_VERIFY_H
#include "proto/wire/event.h"
#include "proto/wire/proof.h"
#include "tsunagi/v1/envelope.pb-c.h"

/* A delivery opened and found good. delivery_close frees. */
struct verified {
    Pb__Delivery *delivery;
    Pb__AuditLeaf *leaf;
    struct event *event; /* what was released of it */
    struct id delivery_id;
};
void verified_close(struct verified *v);

/* Opens a packed Delivery that was verified before: our own stored copy. */
enum err verify_stored(struct slice delivery, struct verified *v) MUST_CHECK;
/* Opens a packed SignedDelivery for this agency. head is a verified
 * checkpoint. bytes receives the Delivery as it was signed.
 * ERR_DLV_SIGNATURE, ERR_DLV_PROOF, ERR_EVT_*, ERR_PB_*. On error v is empty.
 */
enum err verify_delivery(struct slice packed, const char *agency,
                         const uint8_t hub_key[KEY_BYTES],
                         const struct checkpoint *head, struct buf *bytes,
                         struct verified *v) MUST_CHECK;
#endif
