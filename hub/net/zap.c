/* zap.c - ZAP 1.0 over inproc://zeromq.zap.01.
 *
 * A request is: routing frames, empty, version, request id, domain, address,
 * identity, mechanism, credentials. Anything but CURVE with a 32-byte key of
 * an active node is refused. The User-Id returned is the node's name; every
 * later message of the connection carries it, and nothing else says who sent
 * a message (I-6). */
#include "hub/net/zap.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#define ZAP_FRAMES 16
#define ZAP_FRAME_MAX 256

struct zap {
    void *socket;
    const struct registry *const *registry;
    uint64_t refused;
};

struct request {
    uint8_t frame[ZAP_FRAMES][ZAP_FRAME_MAX];
    size_t size[ZAP_FRAMES];
    size_t count, envelope; /* envelope: frames up to the empty one */
    bool fits;
};

enum err zap_open(void *zmq, const struct registry *const *registry,
                  struct zap **out)
{
    assert(zmq != NULL && registry != NULL);
    struct zap *z = calloc(1, sizeof(*z));
    if (z == NULL)
        return ERR_NOMEM;
    z->registry = registry;
    z->socket = zmq_socket(zmq, ZMQ_ROUTER);
    int linger = 0;
    if (z->socket == NULL ||
        zmq_setsockopt(z->socket, ZMQ_LINGER, &linger, sizeof(linger)) != 0 ||
        zmq_bind(z->socket, "inproc://zeromq.zap.01") != 0) {
        zap_close(&z);
        return ERR_IO;
    }
    *out = z;
    return ERR_OK;
}

void zap_close(struct zap **z)
{
    if (*z == NULL)
        return;
    if ((*z)->socket != NULL)
        zmq_close((*z)->socket);
    free(*z);
    *z = NULL;
}

void *zap_socket(const struct zap *z)
{
    return z->socket;
}

uint64_t zap_refused(const struct zap *z)
{
    return z->refused;
}

/* Reads one request whole; false when none is waiting. */
static bool read_request(void *socket, struct request *r)
{
    memset(r, 0, sizeof(*r));
    r->fits = true;
    for (;;) {
        zmq_msg_t m;
        zmq_msg_init(&m);
        if (zmq_msg_recv(&m, socket, ZMQ_DONTWAIT) < 0) {
            zmq_msg_close(&m);
            return r->count > 0;
        }
        size_t n = zmq_msg_size(&m);
        if (r->count < ZAP_FRAMES && n <= ZAP_FRAME_MAX) {
            memcpy(r->frame[r->count], zmq_msg_data(&m), n);
            r->size[r->count] = n;
            if (n == 0 && r->envelope == 0)
                r->envelope = r->count + 1;
            r->count++;
        } else {
            r->fits = false;
        }
        bool more = zmq_msg_more(&m);
        zmq_msg_close(&m);
        if (!more)
            return true;
    }
}

static bool frame_is(const struct request *r, size_t i, const char *text)
{
    return r->size[i] == strlen(text) &&
           memcmp(r->frame[i], text, r->size[i]) == 0;
}

static const struct node *node_of(const struct zap *z, const struct request *r)
{
    size_t at = r->envelope; /* version, id, domain, address, identity, ... */
    if (!r->fits || r->count != at + 7 || !frame_is(r, at, "1.0") ||
        !frame_is(r, at + 5, "CURVE") || r->size[at + 6] != KEY_BYTES)
        return NULL;
    const struct node *n =
        registry_node_by_curve(*z->registry, r->frame[at + 6]);
    return n != NULL && n->state == NODE_ACTIVE ? n : NULL;
}

static void answer(struct zap *z, const struct request *r, const struct node *n)
{
    for (size_t i = 0; i < r->envelope; i++)
        zmq_send(z->socket, r->frame[i], r->size[i], ZMQ_SNDMORE);
    const char *status = n != NULL ? "200" : "400";
    const char *text = n != NULL ? "OK" : "not enrolled";
    const char *user = n != NULL ? n->pub.node : "";
    size_t id = r->envelope + 1;
    zmq_send(z->socket, "1.0", 3, ZMQ_SNDMORE);
    zmq_send(z->socket, r->frame[id], r->size[id], ZMQ_SNDMORE);
    zmq_send(z->socket, status, strlen(status), ZMQ_SNDMORE);
    zmq_send(z->socket, text, strlen(text), ZMQ_SNDMORE);
    zmq_send(z->socket, user, strlen(user), ZMQ_SNDMORE);
    zmq_send(z->socket, "", 0, 0);
}

void zap_serve(struct zap *z)
{
    struct request r;
    while (read_request(z->socket, &r)) {
        if (r.envelope == 0 || r.count < r.envelope + 2)
            continue; /* not even an id to answer to */
        const struct node *n = node_of(z, &r);
        z->refused += n == NULL;
        answer(z, &r, n);
    }
}
