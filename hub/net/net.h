/* net.h - the hub's sockets: one ROUTER for each lane (CURVE), the control
 * socket for the command line, and who is at the other end of each. */
#ifndef TSUNAGI_NET_NET_H
#define TSUNAGI_NET_NET_H
#include "hub/net/zap.h"
#include "proto/wire/frame.h"
#include "proto/wire/proof.h"
#include <zmq.h>

#define NET_LANES 2       /* 0 urgent, 1 normal */
#define PEERS_MAX 1024    /* connections of a lane */
#define PEER_DEAD_MS 6000 /* nothing heard for so long: gone (W-140) */
#define ROUTING_BYTES 5   /* ids that ROUTER assigns */

/* One connection of one node in one lane. */
struct peer {
    uint8_t routing[ROUTING_BYTES];
    char node[NODE_MAX]; /* User-Id; "" in a free slot */
    int lane;
    uint64_t heard_ms; /* boot clock */
    /* what FETCH said */
    uint32_t credit;
    uint64_t seen_size;
    struct hash seen_root;
    uint64_t cosigned_size; /* of the newest quorum's head sent to it */
    int64_t cursor;  /* id of the last delivery sent on this connection */
    int64_t skipped; /* first one left to skipped_node; 0: none */
    char skipped_node[NODE_MAX];
    /* key of the box between hub and node, made when first needed */
    bool has_shared;
    uint8_t shared[KEY_BYTES];
    /* rate limit: tokens left, and the sequence to resume at when it ran dry */
    double tokens;
    uint64_t tokens_ms, resume_seq;
};

struct net_config {
    const char *endpoint[NET_LANES];
    const char *control; /* path of the local socket; NULL: none */
    const struct node_keys *keys;
    const struct registry *const *registry;
};
struct net;
/* Opens everything and proves that an unknown key is refused. */
enum err net_open(const struct net_config *c, struct net **out,
                  struct buf *why) MUST_CHECK;
void net_close(struct net **n);

/* Fills items: zap, urgent, normal, control. */
#define NET_ITEMS 4
void net_items(const struct net *n, zmq_pollitem_t items[NET_ITEMS]);
void net_serve_zap(struct net *n);

/* The next message of a lane from an active node. ERR_NOT_FOUND: none. Other
 * errors: a malformed message of *from (NULL: not from an active node; it is
 * dropped and has been answered). One message a call, so that nobody can keep
 * the hub busy with refusals. frame_close(f) after use. */
enum err net_recv(struct net *n, int lane, uint64_t boot_ms, struct frame *f,
                  struct peer **from) MUST_CHECK;
/* Answers; a peer that is gone or full is forgotten (its node asks again). */
void net_send(struct net *n, struct peer *to, enum verb v, struct slice body);
enum err net_control_recv(struct net *n, struct frame *f) MUST_CHECK;
void net_control_send(struct net *n, const struct frame *to, enum verb v,
                      struct slice body);

/* Calls each for every live peer of a lane. */
void net_each_peer(struct net *n, int lane,
                   void (*each)(void *ctx, struct peer *p), void *ctx);
size_t net_peer_count(const struct net *n);
/* Is this node connected in this lane? */
bool net_connected(const struct net *n, int lane, const char *node);
/* Forgets the silent. */
void net_sweep(struct net *n, uint64_t boot_ms);
/* Closes and reopens both lanes: every connection has to authenticate again,
 * which cuts off a node that was revoked (W-165). */
enum err net_reauthenticate(struct net *n) MUST_CHECK;
#endif
