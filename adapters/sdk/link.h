/* link.h - the two connections of a node to its hub, urgent and normal.
 *
 * It sends what waits in the spool and takes what the hub has for us. A turn
 * has two halves with the spool's commit between them: link_receive takes in
 * and writes to the spool, link_send answers and sends. */
#ifndef TSUNAGI_SDK_LINK_H
#define TSUNAGI_SDK_LINK_H
#include "adapters/sdk/spool.h"
#include "adapters/sdk/verify.h"
#include "proto/wire/quorum.h"
#include "tsunagi/v1/wire.pb-c.h"
#include <zmq.h>

#define LINK_WINDOW 256 /* events of a lane without a receipt */
#define LINK_CREDIT 64  /* deliveries on their way to us */
#define LINK_RESEND_MS 10000
#define LINK_PING_MS 2000
#define LINK_DEAD_MS 6000

struct link_config { /* all borrowed, must outlive the link */
    const char *agency, *endpoint[LANES], *origin, *folder;
    const char *state;           /* file of the witness, witness.h */
    const struct quorum *quorum; /* NULL: no witnesses are demanded */
    const struct hours *hours;   /* NULL: they are always open */
    uint64_t quorum_ms;          /* until then they have cosigned */
    const struct node_keys *keys;
    const struct node_public *hub, *log;
    struct spool *spool;
};
struct link; /* opaque */

enum err link_open(const struct link_config *c, struct link **out) MUST_CHECK;
void link_close(struct link **l);

#define LINK_ITEMS (2 * LANES)
void link_items(struct link *l, zmq_pollitem_t items[LINK_ITEMS]);
/* How long until something is due. */
int link_wait_ms(const struct link *l, uint64_t boot_ms);
/* ERR_STORE and ERR_NOMEM only; bad messages are counted and logged. */
enum err link_receive(struct link *l, uint64_t boot_ms) MUST_CHECK;
enum err link_send(struct link *l, uint64_t boot_ms) MUST_CHECK;
/* Events answered since, oldest first; false when there is none left. */
bool link_answered(struct link *l, struct id *event_id);
/* True once after deliveries were stored. */
bool link_delivered(struct link *l);

/* Asks the hub; done (once) with its answer, or NULL when the connection was
 * lost or it refused (then e says why). ERR_UNREACHABLE: not connected. */
typedef void link_done(void *ctx, enum err e, const Pb__Answer *a);
enum err link_ask(struct link *l, const Pb__Ask *ask, link_done *done,
                  void *ctx) MUST_CHECK;
/* Forgets a question; its answer goes nowhere. */
void link_ask_forget(struct link *l, const void *ctx);

/* Orders to forget somebody (EraseOrder) that came with the last lease, given
 * once; valid until link_receive. One that is not answered comes again with the
 * next lease. */
ProtobufCMessage *const *link_erase_orders(struct link *l, size_t *n);
/* Signs what became of it and tells the hub. ERR_NOMEM. */
enum err link_erase_answer(struct link *l, const Pb__EraseOrder *order,
                           const struct spool_forgotten *o) MUST_CHECK;

/* May what is unread be handed over and shown? False when l is NULL. */
bool link_lease(const struct link *l, uint64_t boot_ms);

/* The longest checkpoint verified; size 0 when there is none or l is NULL. */
struct checkpoint link_seen(const struct link *l);
/* A person decided that the log seen from now on is the right one; the reason
 * is kept (witness_clear). ERR_USAGE, ERR_IO, ERR_STORE. */
enum err link_clear_fork(struct link *l, const char *reason) MUST_CHECK;
/* Everything waiting is sent again from the first. */
void link_rewind(struct link *l);

enum link_quorum {
    QUORUM_UNASKED, /* no policy of witnesses is configured */
    QUORUM_CLOSED,  /* no witness is open: none is due */
    QUORUM_COVERED, /* what was delivered is cosigned */
    QUORUM_AWAITED, /* not yet, and it is not late */
    QUORUM_LATE     /* the normal lane has stopped */
};
const char *link_quorum_name(enum link_quorum q); /* "late" */
struct link_status {
    bool up[LANES], forked;
    enum link_quorum quorum;
    uint64_t cosigned;     /* size of the newest head with a quorum */
    bool apart;            /* the hub does not join what it showed us */
    uint64_t asked, given; /* requests to cosign; cosignatures */
    size_t in_flight[LANES];
    uint64_t heard_ms[LANES]; /* boot clock; 0: never */
    uint64_t lease_ms;        /* boot clock: until then */
    uint64_t taken, repeated, refused;
    enum err trouble; /* the last one with the hub */
};
struct link_status link_status(const struct link *l);
#endif
