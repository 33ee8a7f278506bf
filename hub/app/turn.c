/* turn.c - one turn of the hub: where core, store and net meet.
 *
 *   poll -> take in (urgent first) -> deadlines -> release -> COMMIT
 *        -> sign the head -> receipts and deliveries leave
 *
 * Nothing that depends on the transaction leaves before it is on disk (I-1,
 * I-2). A turn commits whatever has arrived, so events share an fsync without
 * ever waiting for one another; an idle hub writes nothing. */
#include "hub/app/hub.h"
#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "proto/wire/unpack.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum err turn_broken(struct hub *h, enum err e)
{
    if (h->broken == ERR_OK)
        log_error("turn: storage fault, no longer acknowledging code=%s",
                  err_code(e));
    h->broken = e;
    h->stop = true;
    return e;
}

bool turn_begin(struct hub *h)
{
    if (h->broken != ERR_OK)
        return false;
    if (h->open)
        return true;
    enum err e = store_begin(h->store);
    if (e == ERR_OK && h->note_unsaved) {
        e = store_checkpoint_put(h->store, signer_size(h->signer),
                                 buf_slice(&h->note));
        h->note_unsaved = false;
    }
    if (e != ERR_OK) {
        turn_broken(h, e);
        return false;
    }
    h->open = true;
    return true;
}

void turn_answer(struct hub *h, const struct peer *to, enum verb v,
                 struct buf *body)
{
    if (h->answer_count == h->answer_cap) {
        size_t cap = h->answer_cap == 0 ? 64 : 2 * h->answer_cap;
        struct answer *more = realloc(h->answer, cap * sizeof(*more));
        if (more == NULL) {
            buf_fini(body); /* the sender asks again and gets the same answer */
            return;
        }
        h->answer = more;
        h->answer_cap = cap;
    }
    struct answer *a = &h->answer[h->answer_count++];
    *a = (struct answer){.lane = to->lane, .verb = v, .body = *body};
    memcpy(a->routing, to->routing, ROUTING_BYTES);
    *body = (struct buf){0};
}

void turn_answer_control(struct hub *h, const struct frame *to,
                         struct buf *body)
{
    struct peer asker = {.lane = LANE_CONTROL};
    if (to->routing_n != ROUTING_BYTES) {
        buf_fini(body); /* ids of its own choosing: not our command line */
        return;
    }
    memcpy(asker.routing, to->routing, ROUTING_BYTES);
    turn_answer(h, &asker, VERB_ANSWER, body);
}

static void drop_answers(struct hub *h)
{
    for (size_t i = 0; i < h->answer_count; i++)
        buf_fini(&h->answer[i].body);
    h->answer_count = 0;
}

static void send_answers(struct hub *h)
{
    for (size_t i = 0; i < h->answer_count; i++) {
        struct answer *a = &h->answer[i];
        struct peer to = {.lane = a->lane};
        struct frame f = {.routing_n = ROUTING_BYTES};
        memcpy(to.routing, a->routing, ROUTING_BYTES);
        memcpy(f.routing, a->routing, ROUTING_BYTES);
        if (a->lane == LANE_CONTROL)
            net_control_send(h->net, &f, a->verb, buf_slice(&a->body));
        else
            net_send(h->net, &to, a->verb, buf_slice(&a->body));
    }
    drop_answers(h);
}

/* Signs the head over what the last commit added. */
static enum err sign_head(struct hub *h)
{
    size_t n;
    uint64_t first;
    const struct slice *leaf = store_committed_leaves(h->store, &n, &first);
    if (n == 0)
        return ERR_OK;
    for (size_t i = 0; i < n; i++)
        signer_add(h->signer, leaf[i]);
    const struct merkle *m = store_merkle(h->store);
    buf_reset(&h->note);
    enum err e = signer_sign(h->signer, m->size, merkle_root(m), &h->note);
    h->note_unsaved = e == ERR_OK;
    return e;
}

static void turn_end(struct hub *h)
{
    if (h->broken == ERR_OK && h->open) {
        enum err e = store_commit(h->store);
        h->open = false;
        if (e == ERR_OK)
            e = sign_head(h);
        if (e != ERR_OK)
            turn_broken(h, e);
    }
    if (h->broken != ERR_OK) {
        drop_answers(h);
        return;
    }
    send_answers(h);
    release_send(h);
    h->count.turns++;
}

static void pong(struct hub *h, struct peer *p, const struct frame *f)
{
    net_send(h->net, p, VERB_PONG, f->body);
}

static void refuse_verb(struct hub *h, struct peer *p)
{
    intake_malformed(h, p, ERR_FRAME_VERB);
}

static void dispatch(struct hub *h, struct peer *p, const struct frame *f)
{
    switch (f->verb) {
    case VERB_SEND:
        intake(h, p, f->body);
        break;
    case VERB_FETCH:
        release_fetch(h, p, f->body);
        break;
    case VERB_ACK:
        release_ack(h, p, f->body);
        break;
    case VERB_ASK:
        ask_node(h, p, f->body);
        break;
    case VERB_PING:
        pong(h, p, f);
        break;
    case VERB_RECEIPT:
    case VERB_DELIVERIES:
    case VERB_ANSWER:
    case VERB_PONG:
    case VERB_ERROR:
        break; /* answers to nothing: an answer would begin a quarrel */
    default:
        refuse_verb(h, p);
    }
}

/* Takes up to max messages of a lane; returns how many were events. */
static int receive(struct hub *h, int lane, int max)
{
    int events = 0;
    for (int n = 0; n < max && h->broken == ERR_OK; n++) {
        struct frame f;
        struct peer *p;
        enum err e = net_recv(h->net, lane, h->boot_ms, &f, &p);
        if (e == ERR_NOT_FOUND)
            break;
        events += e == ERR_OK && f.verb == VERB_SEND;
        if (e == ERR_OK)
            dispatch(h, p, &f);
        else if (p != NULL)
            intake_malformed(h, p, e);
        frame_close(&f);
    }
    return events;
}

#define CONTROL_ASKS 8 /* of a turn: emergencies wait behind them */
static void receive_control(struct hub *h)
{
    struct frame f;
    for (int n = 0; n < CONTROL_ASKS && h->broken == ERR_OK; n++) {
        enum err e = net_control_recv(h->net, &f);
        if (e == ERR_NOT_FOUND || e == ERR_IO)
            return;
        if (e == ERR_OK && f.verb == VERB_ASK)
            ask_control(h, &f);
        frame_close(&f);
    }
}

/* The wall clock never goes back within a run; one that fell behind by more
 * than a minute is not believed, and nothing is decided by it (I-5). */
static void read_clocks(struct hub *h)
{
    uint64_t wall = clock_wall_ms();
    bool was_ok = h->clock_ok;
    h->now_ms = wall > h->now_ms ? wall : h->now_ms;
    h->clock_ok = wall + 60000 > h->now_ms;
    h->pump |= h->clock_ok && !was_ok; /* what waited for it */
    h->boot_ms = clock_boot_ms();
}

void hub_turn(struct hub *h, int wait_ms)
{
    zmq_pollitem_t items[NET_ITEMS];
    net_items(h->net, items);
    zmq_poll(items, NET_ITEMS, wait_ms);
    read_clocks(h);
    net_serve_zap(h->net);
    receive_control(h); /* a backup wants no transaction open */
    int urgent = receive(h, LANE_URGENT, TURN_EVENTS);
    receive(h, LANE_NORMAL, urgent > 0 ? TURN_BESIDE_URGENT : TURN_NORMAL);
    deadline_run(h);
    if (h->pump)
        release_pump(h);
    turn_end(h);
}
