/* net.c - ROUTER sockets behind CURVE and ZAP.
 *
 * Identity. Who sent a message is the User-Id that ZAP set on its connection;
 * the routing id is only an address. A peer may not choose its own routing id
 * (those ROUTER assigns are five bytes beginning with 0), and a routing id
 * stays with the User-Id it was first seen with; anything else is refused, so
 * squatting another node's address gains nothing (W-160). Deliveries are
 * boxed to the node's key besides.
 *
 * Revocation. ZAP is not asked again on a live connection, so the registry is
 * looked up on every message, and net_reauthenticate closes the sockets:
 * zmq_unbind would leave the connections up. */
#include "hub/net/net.h"
#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "tsunagi/v1/wire.pb-c.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ZAP_ENFORCE_DOMAIN                                                     \
    93 /* draft in the header, honoured by the library                         \
        */
#define HANDSHAKE_MS 5000
#define CANARY_MS 1000
/* Up to here a message that is too large is answered; above, the library ends
 * the connection. */
#define LARGEST (2 * FRAME_MAX)
#define CONNECTIONS_MAX 8 /* of one node in one lane */

struct net {
    struct net_config c;
    void *zmq;
    struct zap *zap;
    void *lane[NET_LANES];
    void *control;
    struct peer *peer[NET_LANES]; /* PEERS_MAX each */
    size_t used[NET_LANES];       /* slots up to the highest ever taken */
};

static bool set_int(void *s, int option, int v)
{
    return zmq_setsockopt(s, option, &v, sizeof(v)) == 0;
}

static bool set_options(void *s, const struct node_keys *k)
{
    int64_t largest = LARGEST;
    return set_int(s, ZMQ_CURVE_SERVER, 1) &&
           zmq_setsockopt(s, ZMQ_CURVE_SECRETKEY, k->curve_secret, KEY_BYTES) ==
               0 &&
           zmq_setsockopt(s, ZMQ_ZAP_DOMAIN, "data", 4) == 0 &&
           set_int(s, ZAP_ENFORCE_DOMAIN, 1) && set_int(s, ZMQ_LINGER, 0) &&
           zmq_setsockopt(s, ZMQ_MAXMSGSIZE, &largest, sizeof(largest)) == 0 &&
           set_int(s, ZMQ_ROUTER_MANDATORY, 1) &&
           set_int(s, ZMQ_ROUTER_HANDOVER, 0) &&
           set_int(s, ZMQ_HANDSHAKE_IVL, HANDSHAKE_MS) &&
           set_int(s, ZMQ_HEARTBEAT_IVL, 2000) &&
           set_int(s, ZMQ_HEARTBEAT_TIMEOUT, PEER_DEAD_MS) &&
           set_int(s, ZMQ_SNDHWM, 512) && set_int(s, ZMQ_RCVHWM, 512) &&
           set_int(s, ZMQ_BACKLOG, 1024) && set_int(s, ZMQ_TCP_KEEPALIVE, 1);
}

static enum err open_router(struct net *n, const char *endpoint, void **out)
{
    *out = zmq_socket(n->zmq, ZMQ_ROUTER);
    if (*out == NULL)
        return ERR_IO;
    if (set_options(*out, n->c.keys) && zmq_bind(*out, endpoint) == 0)
        return ERR_OK;
    zmq_close(*out);
    *out = NULL;
    return ERR_IO;
}

/* ---- the canary ---- */

static void *canary_client(struct net *n, const char *endpoint)
{
    struct node_keys stranger;
    keys_make(&stranger, "canary");
    void *s = zmq_socket(n->zmq, ZMQ_DEALER);
    bool ok = s != NULL && set_int(s, ZMQ_LINGER, 0) &&
              zmq_setsockopt(s, ZMQ_CURVE_SERVERKEY, n->c.keys->pub.curve,
                             KEY_BYTES) == 0 &&
              zmq_setsockopt(s, ZMQ_CURVE_PUBLICKEY, stranger.pub.curve,
                             KEY_BYTES) == 0 &&
              zmq_setsockopt(s, ZMQ_CURVE_SECRETKEY, stranger.curve_secret,
                             KEY_BYTES) == 0 &&
              zmq_connect(s, endpoint) == 0 && zmq_send(s, "x", 1, 0) == 1;
    keys_wipe(&stranger);
    if (ok)
        return s;
    if (s != NULL)
        zmq_close(s);
    return NULL;
}

/* Waits until the canary was refused; true as well when a message came. */
static bool canary_settles(struct net *n, void *server, bool *let_in)
{
    uint64_t until = clock_boot_ms() + CANARY_MS;
    uint64_t before = zap_refused(n->zap);
    *let_in = false;
    while (clock_boot_ms() < until && !*let_in) {
        zmq_pollitem_t items[2] = {{zap_socket(n->zap), 0, ZMQ_POLLIN, 0},
                                   {server, 0, ZMQ_POLLIN, 0}};
        zmq_poll(items, 2, 50);
        zap_serve(n->zap);
        *let_in = (items[1].revents & ZMQ_POLLIN) != 0;
        if (zap_refused(n->zap) > before)
            return true;
    }
    return false;
}

/* A random key on a socket with the same options must get nowhere. */
static enum err prove_refusal(struct net *n, struct buf *why)
{
    char endpoint[128];
    size_t size = sizeof(endpoint);
    void *server = NULL, *client = NULL;
    bool let_in = true, refused = false;
    if (open_router(n, "tcp://127.0.0.1:*", &server) == ERR_OK &&
        zmq_getsockopt(server, ZMQ_LAST_ENDPOINT, endpoint, &size) == 0 &&
        (client = canary_client(n, endpoint)) != NULL)
        refused = canary_settles(n, server, &let_in);
    if (client != NULL)
        zmq_close(client);
    if (server != NULL)
        zmq_close(server);
    if (refused && !let_in)
        return ERR_OK;
    buf_adds(why, "net: an unknown key was not refused; not starting");
    return ERR_DENIED;
}

/* ---- opening and closing ---- */

static enum err open_control(struct net *n)
{
    if (n->c.control == NULL)
        return ERR_OK;
    struct buf endpoint = {0};
    buf_addf(&endpoint, "ipc://%s", n->c.control);
    n->control = zmq_socket(n->zmq, ZMQ_ROUTER);
    unlink(n->c.control);
    mode_t before = umask(0177);
    bool ok = n->control != NULL && !endpoint.failed &&
              set_int(n->control, ZMQ_LINGER, 1000) &&
              set_int(n->control, ZMQ_ROUTER_MANDATORY, 1) &&
              zmq_bind(n->control, (const char *)endpoint.p) == 0;
    umask(before);
    buf_fini(&endpoint);
    return ok ? ERR_OK : ERR_IO;
}

static enum err open_lanes(struct net *n, struct buf *why)
{
    for (int i = 0; i < NET_LANES; i++) {
        enum err e = open_router(n, n->c.endpoint[i], &n->lane[i]);
        if (e != ERR_OK) {
            buf_addf(why, "net: cannot bind %s: %s", n->c.endpoint[i],
                     zmq_strerror(zmq_errno()));
            return e;
        }
    }
    return ERR_OK;
}

enum err net_open(const struct net_config *c, struct net **out, struct buf *why)
{
    assert(c->keys != NULL && c->registry != NULL);
    *out = NULL;
    struct net *n = calloc(1, sizeof(*n));
    if (n == NULL)
        return ERR_NOMEM;
    n->c = *c;
    enum err e = ERR_NOMEM;
    n->zmq = zmq_ctx_new();
    for (int i = 0; i < NET_LANES; i++)
        n->peer[i] = calloc(PEERS_MAX, sizeof(struct peer));
    if (n->zmq == NULL || n->peer[0] == NULL || n->peer[1] == NULL)
        goto fail;
    zmq_ctx_set(n->zmq, ZMQ_MAX_SOCKETS, 4096);
    e = zap_open(n->zmq, c->registry, &n->zap);
    if (e != ERR_OK)
        goto fail;
    e = prove_refusal(n, why);
    if (e != ERR_OK)
        goto fail;
    e = open_lanes(n, why);
    if (e != ERR_OK)
        goto fail;
    e = open_control(n);
    if (e != ERR_OK) {
        buf_addf(why, "net: cannot open the control socket %s", c->control);
        goto fail;
    }
    *out = n;
    return ERR_OK;
fail:
    net_close(&n);
    return e;
}

void net_close(struct net **pn)
{
    struct net *n = *pn;
    if (n == NULL)
        return;
    for (int i = 0; i < NET_LANES; i++) {
        if (n->lane[i] != NULL)
            zmq_close(n->lane[i]);
        free(n->peer[i]);
    }
    if (n->control != NULL) {
        zmq_close(n->control);
        unlink(n->c.control);
    }
    zap_close(&n->zap);
    if (n->zmq != NULL)
        zmq_ctx_term(n->zmq);
    free(n);
    *pn = NULL;
}

enum err net_reauthenticate(struct net *n)
{
    for (int i = 0; i < NET_LANES; i++) {
        zmq_close(n->lane[i]);
        n->lane[i] = NULL;
        memset(n->peer[i], 0, PEERS_MAX * sizeof(struct peer));
    }
    /* the port is free only when the I/O thread has closed the old socket */
    uint64_t until = clock_boot_ms() + 1500;
    for (int i = 0; i < NET_LANES;) {
        if (open_router(n, n->c.endpoint[i], &n->lane[i]) == ERR_OK)
            i++;
        else if (clock_boot_ms() > until)
            return ERR_IO;
        else
            usleep(2000);
    }
    return ERR_OK;
}

/* ---- peers ---- */

static struct peer *find_peer(struct net *n, int lane, const struct frame *f)
{
    for (size_t i = 0; i < n->used[lane]; i++) {
        struct peer *p = &n->peer[lane][i];
        if (p->node[0] != '\0' &&
            memcmp(p->routing, f->routing, ROUTING_BYTES) == 0)
            return p;
    }
    return NULL;
}

/* A node that opens ever more connections only displaces its own. */
static void displace_oldest(struct net *n, int lane, const char *node)
{
    struct peer *oldest = NULL;
    size_t count = 0;
    for (size_t i = 0; i < n->used[lane]; i++) {
        struct peer *p = &n->peer[lane][i];
        if (strcmp(p->node, node) != 0)
            continue;
        count++;
        if (oldest == NULL || p->heard_ms < oldest->heard_ms)
            oldest = p;
    }
    if (count >= CONNECTIONS_MAX)
        memset(oldest, 0, sizeof(*oldest));
}

static struct peer *new_peer(struct net *n, int lane, const struct frame *f)
{
    displace_oldest(n, lane, f->user_id);
    for (size_t i = 0; i < PEERS_MAX; i++) {
        struct peer *p = &n->peer[lane][i];
        if (p->node[0] != '\0')
            continue;
        memset(p, 0, sizeof(*p));
        memcpy(p->routing, f->routing, ROUTING_BYTES);
        snprintf(p->node, sizeof(p->node), "%s", f->user_id);
        p->lane = lane;
        if (i >= n->used[lane])
            n->used[lane] = i + 1;
        return p;
    }
    return NULL;
}

/* Says why on the address the message came from. */
static void refuse(struct net *n, int lane, const struct frame *f, enum err why)
{
    Pb__Error m = PB__ERROR__INIT;
    m.code = (char *)(uintptr_t)err_code(why);
    m.text_ja = (char *)(uintptr_t)err_ja(why);
    m.text_en = (char *)(uintptr_t)err_en(why);
    uint8_t bytes[1024];
    assert(pb__error__get_packed_size(&m) <= sizeof(bytes));
    size_t size = pb__error__pack(&m, bytes);
    enum err e =
        frame_send(n->lane[lane], f, VERB_ERROR, slice_of(bytes, size));
    if (e != ERR_OK)
        log_debug("net: a refusal could not be sent");
}

/* The peer a message is from, or why it is not taken. */
static enum err identify(struct net *n, int lane, const struct frame *f,
                         struct peer **out)
{
    *out = NULL;
    if (f->routing_n != ROUTING_BYTES || f->routing[0] != 0)
        return ERR_NODE_ROUTING;
    const struct node *node = registry_node(*n->c.registry, f->user_id);
    if (node == NULL)
        return ERR_NODE_UNKNOWN;
    if (node->state != NODE_ACTIVE)
        return ERR_NODE_REVOKED;
    struct peer *p = find_peer(n, lane, f);
    if (p != NULL && strcmp(p->node, f->user_id) != 0)
        return ERR_NODE_ROUTING;
    if (p == NULL)
        p = new_peer(n, lane, f);
    if (p == NULL)
        return ERR_BUSY;
    *out = p;
    return ERR_OK;
}

enum err net_recv(struct net *n, int lane, uint64_t boot_ms, struct frame *f,
                  struct peer **from)
{
    *from = NULL;
    enum err e = frame_recv(n->lane[lane], true, f);
    if (e == ERR_NOT_FOUND || e == ERR_IO)
        return ERR_NOT_FOUND;
    enum err who = identify(n, lane, f, from);
    if (who != ERR_OK) {
        refuse(n, lane, f, who);
        log_warn("net: message refused code=%s", err_code(who));
        return who;
    }
    (*from)->heard_ms = boot_ms;
    return e;
}

static struct frame address_of(const struct peer *p)
{
    struct frame f = {.routing_n = ROUTING_BYTES};
    memcpy(f.routing, p->routing, ROUTING_BYTES);
    return f;
}

void net_send(struct net *n, struct peer *to, enum verb v, struct slice body)
{
    struct frame f = address_of(to);
    enum err e = frame_send(n->lane[to->lane], &f, v, body);
    if (e == ERR_OK)
        return;
    log_debug("net: peer gone or full node=%s verb=%s code=%s", to->node,
              verb_name(v), err_code(e));
    if (e == ERR_UNREACHABLE)
        memset(to, 0, sizeof(*to));
    else
        to->credit = 0, to->cursor = 0; /* asks again when it has room */
}

enum err net_control_recv(struct net *n, struct frame *f)
{
    if (n->control == NULL)
        return ERR_NOT_FOUND;
    return frame_recv(n->control, true, f);
}

void net_control_send(struct net *n, const struct frame *to, enum verb v,
                      struct slice body)
{
    if (frame_send(n->control, to, v, body) != ERR_OK)
        log_warn("net: control answer could not be sent");
}

void net_items(const struct net *n, zmq_pollitem_t items[NET_ITEMS])
{
    void *sockets[NET_ITEMS] = {zap_socket(n->zap), n->lane[0], n->lane[1],
                                n->control};
    for (int i = 0; i < NET_ITEMS; i++)
        items[i] = (zmq_pollitem_t){sockets[i], -1, ZMQ_POLLIN, 0};
}

void net_serve_zap(struct net *n)
{
    zap_serve(n->zap);
}

void net_each_peer(struct net *n, int lane,
                   void (*each)(void *ctx, struct peer *p), void *ctx)
{
    for (size_t i = 0; i < n->used[lane]; i++)
        if (n->peer[lane][i].node[0] != '\0')
            each(ctx, &n->peer[lane][i]);
}

size_t net_peer_count(const struct net *n)
{
    size_t count = 0;
    for (int l = 0; l < NET_LANES; l++)
        for (size_t i = 0; i < n->used[l]; i++)
            count += n->peer[l][i].node[0] != '\0';
    return count;
}

bool net_connected(const struct net *n, int lane, const char *node)
{
    for (size_t i = 0; i < n->used[lane]; i++)
        if (strcmp(n->peer[lane][i].node, node) == 0)
            return true;
    return false;
}

void net_sweep(struct net *n, uint64_t boot_ms)
{
    for (int l = 0; l < NET_LANES; l++)
        for (size_t i = 0; i < n->used[l]; i++) {
            struct peer *p = &n->peer[l][i];
            if (p->node[0] != '\0' && boot_ms - p->heard_ms > PEER_DEAD_MS)
                memset(p, 0, sizeof(*p));
        }
}
