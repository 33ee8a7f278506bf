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

/* What is known of the hub's log: heads proved to be of one history. */
#define HEADS_KEPT 32
struct heads {
    struct checkpoint head[HEADS_KEPT]; /* by size; the largest is last */
    size_t n;
};
void heads_init(struct heads *h, const struct checkpoint *last); /* or NULL */
const struct checkpoint *heads_last(const struct heads *h);
/* Is `c` (signature already checked) an extension of `base`, a head that was
 * proved before, and at odds with none we remember? ERR_DLV_FORK when not. */
enum err heads_extend(struct heads *h, const struct checkpoint *base,
                      const struct checkpoint *c, const struct hash *path,
                      size_t n) MUST_CHECK;

/* Heads of one connection, told in FETCH or received: where the hub's proofs
 * may start. The first is the least that its log may have. More cannot be on
 * their way than credit allows, so the oldest may go. */
#define KNOWN_MAX 160
struct known_heads {
    struct checkpoint head[KNOWN_MAX];
    size_t n, next; /* next: where the following one goes */
    uint64_t least;
};
void known_reset(struct known_heads *k);
void known_add(struct known_heads *k, const struct checkpoint *c);
/* The head of that size, NULL when it is not of this connection. */
const struct checkpoint *known_find(const struct known_heads *k, uint64_t size);
#endif
