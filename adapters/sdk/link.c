/* link.c - two DEALER sockets under CURVE.
 *
 * Sending: each lane goes through its waiting events by node_seq with at most
 * 256 unanswered. A receipt counts only under the hub's signature and for the
 * very header we sent. After a reconnect, an ERROR that says to wait, or 10 s
 * without a receipt, the lane starts again at its first waiting event; the hub
 * answers repeats with the first answer.
 *
 * Receiving: FETCH grants a credit of 64 and says which checkpoint this lane
 * has verified; DELIVERIES carry the next one. Each delivery is unboxed,
 * checked (verify.c), stored, committed by the caller, and only then
 * acknowledged. A head that contradicts what was seen before is a fork of the
 * hub's log: both notes are kept as evidence and nothing more is taken until a
 * person clears it (link_fork.c). What fails is not acknowledged; the hub
 * offers it again.
 *
 * libzmq reconnects by itself; the monitor sockets tell when, because a new
 * connection has no credit at the hub and may have lost what was on its way.
 * libzmq's own heartbeats and our PING both end a connection that is silent
 * for 6 s. */
#include "adapters/sdk/link_lanes.h"
#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "proto/wire/frame.h"
#include "proto/wire/unpack.h"
#include <assert.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define TURN_FRAMES 64 /* of a lane, before the other gets its turn */
#define BUSY_WAIT_MS 20
#define IDLE_WAIT_MS 1000

const char *link_lane_name(size_t i)
{
    return i == LANE_URGENT ? "urgent" : "normal";
}

void *link_room(void *list, size_t count, size_t *cap, size_t size)
{
    if (count < *cap)
        return list;
    size_t wanted = *cap == 0 ? 64 : *cap * 2;
    void *grown = realloc(list, wanted * size);
    if (grown != NULL)
        *cap = wanted;
    return grown;
}

enum err link_swallow(struct link *k, const char *what, enum err e)
{
    if (e == ERR_OK || e == ERR_STORE || e == ERR_NOMEM)
        return e;
    k->trouble = e;
    log_warn("link: refused %s code=%s", what, err_code(e));
    return ERR_OK;
}

/* ---- sockets ---- */

static bool set_int(void *s, int option, int value)
{
    return zmq_setsockopt(s, option, &value, sizeof(value)) == 0;
}

static bool set_options(const struct link_config *c, void *s)
{
    const struct {
        int option, value;
    } INTS[] = {
        {ZMQ_LINGER, 0},
        {ZMQ_IMMEDIATE, 1},
        {ZMQ_HEARTBEAT_IVL, LINK_PING_MS},
        {ZMQ_HEARTBEAT_TIMEOUT, LINK_DEAD_MS},
        {ZMQ_HEARTBEAT_TTL, LINK_DEAD_MS},
        {ZMQ_RECONNECT_IVL, 500 + (int)randombytes_uniform(500)},
        {ZMQ_RECONNECT_IVL_MAX, 60000},
        {ZMQ_HANDSHAKE_IVL, 5000},
        {ZMQ_SNDHWM, 1000},
        {ZMQ_RCVHWM, 1000},
    };
    for (size_t i = 0; i < NELEM(INTS); i++)
        if (!set_int(s, INTS[i].option, INTS[i].value))
            return false;
    int64_t max = FRAME_MAX;
    return zmq_setsockopt(s, ZMQ_MAXMSGSIZE, &max, sizeof(max)) == 0 &&
           zmq_setsockopt(s, ZMQ_CURVE_SERVERKEY, c->hub->curve, KEY_BYTES) ==
               0 &&
           zmq_setsockopt(s, ZMQ_CURVE_PUBLICKEY, c->keys->pub.curve,
                          KEY_BYTES) == 0 &&
           zmq_setsockopt(s, ZMQ_CURVE_SECRETKEY, c->keys->curve_secret,
                          KEY_BYTES) == 0;
}

static void lane_shut(struct lane_link *l)
{
    if (l->monitor != NULL)
        zmq_close(l->monitor);
    if (l->socket != NULL) {
        zmq_socket_monitor(l->socket, NULL, 0);
        zmq_close(l->socket);
    }
    l->socket = l->monitor = NULL;
    l->up = false;
    l->ack_count = 0;
}

static enum err lane_open(struct link *k, size_t i)
{
    struct lane_link *l = &k->lane[i];
    char name[64];
    const int events = ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_DISCONNECTED |
                       ZMQ_EVENT_HANDSHAKE_FAILED_AUTH |
                       ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL;
    snprintf(name, sizeof(name), "inproc://link-%u", k->opened++);
    l->socket = zmq_socket(k->context, ZMQ_DEALER);
    l->monitor = zmq_socket(k->context, ZMQ_PAIR);
    if (l->socket == NULL || l->monitor == NULL ||
        !set_options(&k->c, l->socket) || !set_int(l->monitor, ZMQ_LINGER, 0))
        return ERR_IO;
    if (zmq_socket_monitor(l->socket, name, events) != 0 ||
        zmq_connect(l->monitor, name) != 0)
        return ERR_IO;
    return zmq_connect(l->socket, k->c.endpoint[i]) == 0 ? ERR_OK
                                                         : ERR_CONF_RANGE;
}

void link_rewind_lane(struct lane_link *l)
{
    l->cursor = 0;
    l->in_flight = 0;
}

void link_end_ask(struct link *k, enum err e, const Pb__Answer *a)
{
    struct asked oldest = k->ask[0];
    assert(k->ask_count > 0);
    k->ask_count--;
    memmove(&k->ask[0], &k->ask[1], k->ask_count * sizeof(oldest));
    if (oldest.done != NULL)
        oldest.done(oldest.ctx, e, a);
}

static void fail_asks(struct link *k, enum err e)
{
    while (k->ask_count > 0)
        link_end_ask(k, e, NULL);
}

static void lane_up(struct link *k, size_t i, uint64_t now)
{
    struct lane_link *l = &k->lane[i];
    l->up = true;
    l->heard_ms = now;
    l->sent_ms = now;
    l->want_fetch = true;
    buf_reset(&l->cosigned);
    l->ack_count = 0;
    link_rewind_lane(l);
    if (i == LANE_NORMAL) {
        link_lease_connected(k, now);
        k->joining.due_ms = k->covering.due_ms = 0;
    }
    log_note("link: connected lane=%s", link_lane_name(i));
}

static void lane_down(struct link *k, size_t i)
{
    if (k->lane[i].up)
        log_note("link: disconnected lane=%s", link_lane_name(i));
    k->lane[i].up = false;
    if (i == LANE_NORMAL)
        fail_asks(k, ERR_UNREACHABLE);
}

enum err link_reopen_lane(struct link *k, size_t i)
{
    lane_down(k, i);
    lane_shut(&k->lane[i]);
    return lane_open(k, i);
}

static void monitor_event(struct link *k, size_t i, unsigned event,
                          uint64_t now)
{
    if (event == ZMQ_EVENT_HANDSHAKE_SUCCEEDED) {
        lane_up(k, i, now);
        return;
    }
    if (event != ZMQ_EVENT_DISCONNECTED) {
        if (k->trouble != ERR_NODE_UNKNOWN)
            log_warn("link: the hub does not admit this node lane=%s",
                     link_lane_name(i));
        k->trouble = ERR_NODE_UNKNOWN;
    }
    lane_down(k, i);
}

/* An event is two frames: number and value, then the address. */
static void read_monitor(struct link *k, size_t i, uint64_t now)
{
    uint8_t number[16];
    int n;
    while ((n = zmq_recv(k->lane[i].monitor, number, sizeof(number),
                         ZMQ_DONTWAIT)) >= 0) {
        int more = 0;
        size_t size = sizeof(more);
        uint16_t event = 0;
        if (n >= 2)
            memcpy(&event, number, sizeof(event));
        zmq_getsockopt(k->lane[i].monitor, ZMQ_RCVMORE, &more, &size);
        if (more)
            zmq_recv(k->lane[i].monitor, number, 0, ZMQ_DONTWAIT);
        monitor_event(k, i, event, now);
    }
}

/* ---- opening ---- */

enum err link_open(const struct link_config *c, struct link **out)
{
    assert(c != NULL && out != NULL);
    *out = NULL;
    struct link *k = calloc(1, sizeof(*k));
    if (k == NULL)
        return ERR_NOMEM;
    k->c = *c;
    box_shared(k->shared, c->hub->box, c->keys->box_secret);
    enum err e = link_remember(k);
    if (e == ERR_OK)
        e = link_quorum_remember(k, clock_boot_ms());
    k->context = e == ERR_OK ? zmq_ctx_new() : NULL;
    if (e == ERR_OK && k->context == NULL)
        e = ERR_NOMEM;
    for (size_t i = 0; i < LANES && e == ERR_OK; i++)
        e = lane_open(k, i);
    if (e != ERR_OK)
        link_close(&k);
    *out = k;
    return e;
}

void link_close(struct link **kp)
{
    struct link *k = *kp;
    if (k == NULL)
        return;
    fail_asks(k, ERR_UNREACHABLE);
    for (size_t i = 0; i < LANES; i++) {
        lane_shut(&k->lane[i]);
        free(k->lane[i].ack);
        buf_fini(&k->lane[i].cosigned);
    }
    link_witness_forget(k);
    link_quorum_forget(k);
    history_fini(&k->history);
    if (k->context != NULL)
        zmq_ctx_term(k->context);
    link_erase_reset(k);
    free(k->answered);
    sodium_memzero(k, sizeof(*k));
    free(k);
    *kp = NULL;
}

void link_items(struct link *k, zmq_pollitem_t items[LINK_ITEMS])
{
    for (size_t i = 0; i < LANES; i++) {
        items[2 * i] = (zmq_pollitem_t){k->lane[i].socket, -1, ZMQ_POLLIN, 0};
        items[2 * i + 1] =
            (zmq_pollitem_t){k->lane[i].monitor, -1, ZMQ_POLLIN, 0};
    }
}

int link_wait_ms(const struct link *k, uint64_t now)
{
    uint64_t due = now + IDLE_WAIT_MS;
    for (size_t i = 0; i < LANES; i++) {
        const struct lane_link *l = &k->lane[i];
        if (l->up && l->sent_ms + LINK_PING_MS < due)
            due = l->sent_ms + LINK_PING_MS;
        if (l->up && l->busy && now + BUSY_WAIT_MS < due)
            due = now + BUSY_WAIT_MS;
        if (l->up && l->pause_ms > now && l->pause_ms < due)
            due = l->pause_ms;
    }
    return due > now ? (int)(due - now) : 0;
}

/* ---- questions ---- */

enum err link_ask(struct link *k, const Pb__Ask *ask, link_done *done,
                  void *ctx)
{
    struct lane_link *l = &k->lane[LANE_NORMAL];
    struct buf b = {0};
    if (!l->up)
        return ERR_UNREACHABLE;
    if (k->ask_count == ASKS_MAX)
        return ERR_BUSY;
    enum err e = pack(&ask->base, &b);
    if (e == ERR_OK)
        e = frame_send(l->socket, NULL, VERB_ASK, buf_slice(&b));
    buf_fini(&b);
    if (e == ERR_OK)
        k->ask[k->ask_count++] = (struct asked){done, ctx};
    return e;
}

void link_ask_forget(struct link *k, const void *ctx)
{
    for (size_t i = 0; i < k->ask_count; i++)
        if (k->ask[i].ctx == ctx)
            k->ask[i].done = NULL;
}

/* Answers of one connection come in the order of the questions. */
static enum err take_answer(struct link *k, struct slice body)
{
    ProtobufCMessage *m = NULL;
    enum err e = unpack(&pb__answer__descriptor, body, &m);
    if (e == ERR_OK && k->ask_count > 0) {
        link_end_ask(k, ERR_OK, (Pb__Answer *)m);
    }
    unpack_free(&m);
    return link_swallow(k, "answer", e);
}

/* ---- receiving ---- */

static enum err dispatch(struct link *k, size_t lane, const struct frame *f,
                         uint64_t now)
{
    switch (f->verb) {
    case VERB_RECEIPT:
        return link_take_receipt(k, lane, f->body, now);
    case VERB_DELIVERIES:
        return link_take_deliveries(k, lane, f->body, now);
    case VERB_ANSWER:
        return take_answer(k, f->body);
    case VERB_WITNESS:
        return link_take_witness(k, lane, f->body);
    case VERB_ERROR:
        return link_take_error(k, lane, f->body, now);
    case VERB_PONG:
        return ERR_OK;
    default:
        return link_swallow(k, "message", ERR_FRAME_VERB);
    }
}

static enum err receive_lane(struct link *k, size_t i, uint64_t now)
{
    struct frame f;
    for (int n = 0; n < TURN_FRAMES; n++) {
        enum err e = frame_recv(k->lane[i].socket, false, &f);
        if (e == ERR_NOT_FOUND)
            return ERR_OK;
        if (e == ERR_IO)
            return ERR_OK; /* the socket is reopened when it stays silent */
        k->lane[i].heard_ms = now;
        e = e == ERR_OK ? dispatch(k, i, &f, now) : link_swallow(k, "frame", e);
        frame_close(&f);
        if (e != ERR_OK)
            return e;
    }
    return ERR_OK;
}

enum err link_receive(struct link *k, uint64_t now)
{
    enum err e = ERR_OK;
    for (size_t i = 0; i < LANES && e == ERR_OK; i++) {
        read_monitor(k, i, now);
        e = receive_lane(k, i, now);
    }
    return e;
}

/* ---- state ---- */

struct checkpoint link_seen(const struct link *k)
{
    const struct checkpoint *c =
        k != NULL ? &history_newest(&k->history)->at : NULL;
    return c != NULL && strcmp(c->origin, k->c.origin) == 0
               ? *c
               : (struct checkpoint){.size = 0};
}

enum err link_clear_fork(struct link *k, const char *reason)
{
    enum err e =
        witness_clear(k->c.state, k->c.origin, reason, clock_wall_ms());
    if (e == ERR_OK)
        e = spool_forget_heads(k->c.spool);
    if (e == ERR_OK)
        e = spool_commit(k->c.spool);
    if (e != ERR_OK)
        return e;
    history_forget(&k->history);
    link_witness_forget(k);
    link_quorum_forget(k);
    k->forked = false;
    for (size_t i = 0; i < LANES; i++) /* from nothing, on new connections */
        k->lane[i].heard_ms = 0;
    log_warn("link: a person cleared the fork");
    return ERR_OK;
}

void link_rewind(struct link *k)
{
    for (size_t i = 0; i < LANES; i++)
        link_rewind_lane(&k->lane[i]);
}

struct link_status link_status(const struct link *k)
{
    struct link_status s = {.forked = k->forked,
                            .taken = k->taken,
                            .repeated = k->repeated,
                            .lease_ms = k->lease.until_ms,
                            .refused = k->refused,
                            .asked = k->asked,
                            .given = k->given,
                            .cosigned = k->covering.size,
                            .trouble = k->trouble};
    for (size_t i = 0; i < LANES; i++) {
        s.up[i] = k->lane[i].up;
        s.in_flight[i] = k->lane[i].in_flight;
        s.heard_ms[i] = k->lane[i].heard_ms;
    }
    s.quorum = link_quorum_state(k, clock_boot_ms());
    s.apart = link_apart(k, clock_boot_ms());
    return s;
}
