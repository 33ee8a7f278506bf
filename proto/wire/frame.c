/* frame.c - messages on ZeroMQ sockets (W-100 and on).
 *
 * A message is three frames: "TSN1", the verb in ASCII, the body. On a ROUTER
 * the socket puts the routing id in front, which is an address and nothing
 * more: who sent the message is what ZAP attached to the connection, read
 * here as User-Id. A message is always taken off the socket whole, however
 * malformed, so that the next one starts at its own beginning; only the
 * frames that a good message can have (and one more, the proof that there are
 * too many) are kept while receiving. */
#include "proto/wire/frame.h"
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

enum { AT_VERSION, AT_VERB, AT_BODY, FRAMES, KEPT };
static_assert(KEPT == FRAMES + 1, "one more than a good message has");

static const char *const VERBS[VERB_COUNT] = {
    [VERB_NONE] = "",
    [VERB_SEND] = "SEND",
    [VERB_RECEIPT] = "RECEIPT",
    [VERB_FETCH] = "FETCH",
    [VERB_DELIVERIES] = "DELIVERIES",
    [VERB_ACK] = "ACK",
    [VERB_ASK] = "ASK",
    [VERB_ANSWER] = "ANSWER",
    [VERB_WITNESS] = "WITNESS",
    [VERB_ENROL] = "ENROL",
    [VERB_PING] = "PING",
    [VERB_PONG] = "PONG",
    [VERB_ERROR] = "ERROR",
};

const char *verb_name(enum verb v)
{
    return (size_t)v < VERB_COUNT ? VERBS[v] : "";
}

static enum verb verb_of(struct slice s)
{
    for (size_t i = VERB_NONE + 1; i < VERB_COUNT; i++)
        if (slice_eq(s, slice_str(VERBS[i])))
            return (enum verb)i;
    return VERB_NONE;
}

/* The version is looked at first: another version may have another shape. */
enum err frame_check(const struct slice *frames, size_t n, enum verb *v,
                     struct slice *body)
{
    *v = VERB_NONE;
    *body = SLICE_NONE;
    if (n == 0)
        return ERR_FRAME_SHAPE;
    if (!slice_eq(frames[AT_VERSION], slice_str(FRAME_VERSION)))
        return ERR_FRAME_VERSION;
    if (n != FRAMES)
        return ERR_FRAME_SHAPE;
    enum verb found = verb_of(frames[AT_VERB]);
    if (found == VERB_NONE)
        return ERR_FRAME_VERB;
    if (frames[AT_BODY].n > FRAME_MAX)
        return ERR_FRAME_SIZE;
    *v = found;
    *body = frames[AT_BODY];
    return ERR_OK;
}

/* ---- receiving ---- */

/* The frames of one message, as far as they matter. */
struct parts {
    zmq_msg_t msg[KEPT];
    size_t n; /* at most KEPT */
    bool routing_bad;
};

static enum err receive(void *socket, zmq_msg_t *m)
{
    int rc;
    do {
        rc = zmq_msg_recv(m, socket, ZMQ_DONTWAIT);
    } while (rc < 0 && errno == EINTR);
    if (rc >= 0)
        return ERR_OK;
    return errno == EAGAIN ? ERR_NOT_FOUND : ERR_IO;
}

/* A name too long for us is no name: the message stays nobody's. */
static void take_user(zmq_msg_t *m, struct frame *f)
{
    const char *user = zmq_msg_gets(m, "User-Id");
    if (f->user_id[0] != '\0' || user == NULL)
        return;
    size_t n = strlen(user);
    if (n < sizeof(f->user_id))
        memcpy(f->user_id, user, n + 1);
}

static bool take_routing(zmq_msg_t *m, struct frame *f)
{
    size_t n = zmq_msg_size(m);
    if (n == 0 || n > sizeof(f->routing))
        return false;
    memcpy(f->routing, zmq_msg_data(m), n);
    f->routing_n = n;
    return true;
}

static void keep(struct parts *p, zmq_msg_t *m)
{
    if (p->n == KEPT)
        return;
    zmq_msg_init(&p->msg[p->n]);
    zmq_msg_move(&p->msg[p->n], m);
    p->n++;
}

static enum err receive_all(void *socket, bool with_routing, struct frame *f,
                            struct parts *p)
{
    bool address = with_routing;
    int more = 1;
    enum err e = ERR_OK;
    while (more && e == ERR_OK) {
        zmq_msg_t m;
        zmq_msg_init(&m);
        e = receive(socket, &m);
        more = e == ERR_OK && zmq_msg_more(&m);
        if (e == ERR_OK)
            take_user(&m, f);
        if (e == ERR_OK && address)
            p->routing_bad = !take_routing(&m, f);
        else if (e == ERR_OK)
            keep(p, &m);
        address = false;
        zmq_msg_close(&m);
    }
    return e;
}

/* Small messages lie inside the zmq_msg_t, so the body's address is taken
 * only where the message stays. */
static enum err own_body(struct frame *f, zmq_msg_t *m)
{
    zmq_msg_t *own = malloc(sizeof(*own));
    if (own == NULL)
        return ERR_NOMEM;
    zmq_msg_init(own);
    zmq_msg_move(own, m);
    f->msg = own;
    f->body = slice_of(zmq_msg_data(own), zmq_msg_size(own));
    return ERR_OK;
}

static enum err check_parts(struct parts *p, struct frame *f)
{
    struct slice s[KEPT], body;
    enum verb v;
    for (size_t i = 0; i < p->n; i++)
        s[i] = slice_of(zmq_msg_data(&p->msg[i]), zmq_msg_size(&p->msg[i]));
    enum err e = frame_check(s, p->n, &v, &body);
    if (e == ERR_OK && p->routing_bad)
        e = ERR_FRAME_SHAPE;
    if (e == ERR_OK)
        e = own_body(f, &p->msg[AT_BODY]);
    if (e == ERR_OK)
        f->verb = v;
    return e;
}

enum err frame_recv(void *socket, bool with_routing, struct frame *f)
{
    struct parts p = {.n = 0};
    memset(f, 0, sizeof(*f));
    enum err e = receive_all(socket, with_routing, f, &p);
    if (e == ERR_OK)
        e = check_parts(&p, f);
    while (p.n > 0)
        zmq_msg_close(&p.msg[--p.n]);
    return e;
}

void frame_close(struct frame *f)
{
    if (f == NULL || f->msg == NULL)
        return;
    zmq_msg_close(f->msg);
    free(f->msg);
    f->msg = NULL;
    f->body = SLICE_NONE;
}

/* ---- sending ---- */

static enum err send_one(void *socket, struct slice s, bool more)
{
    int rc;
    do {
        rc = zmq_send(socket, s.n > 0 ? (const void *)s.p : "", s.n,
                      ZMQ_DONTWAIT | (more ? ZMQ_SNDMORE : 0));
    } while (rc < 0 && errno == EINTR);
    if (rc >= 0)
        return ERR_OK;
    if (errno == EAGAIN)
        return ERR_BUSY;
    return errno == EHOSTUNREACH ? ERR_UNREACHABLE : ERR_IO;
}

enum err frame_send(void *socket, const struct frame *to, enum verb v,
                    struct slice body)
{
    assert(v > VERB_NONE && v < VERB_COUNT);
    if (body.n > FRAME_MAX)
        return ERR_FRAME_SIZE;
    struct slice list[FRAMES + 1];
    size_t n = 0;
    if (to != NULL && to->routing_n > 0)
        list[n++] = slice_of(to->routing, to->routing_n);
    list[n++] = slice_str(FRAME_VERSION);
    list[n++] = slice_str(VERBS[v]);
    list[n++] = body;
    enum err e = ERR_OK;
    for (size_t i = 0; i < n && e == ERR_OK; i++)
        e = send_one(socket, list[i], i + 1 < n);
    return e;
}
