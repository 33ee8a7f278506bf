/* dispatch.c - one turn of the hub, from poll to send: the way of every
 * message, and where core, store and net meet.
 *
 *   poll -> control -> take in (urgent first) -> deadlines -> sweep -> release
 *        -> commit, answers leave (turn.c) -> deliveries leave
 */
#include "hub/app/hub.h"
#include "proto/base/clock.h"

static void pong(struct hub *h, struct peer *p, const struct frame *f)
{
    net_send(h->net, p, VERB_PONG, f->body);
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
        ack_take(h, p, f->body);
        break;
    case VERB_ASK:
        ask_node(h, p, f->body);
        break;
    case VERB_WITNESS:
        witness_answer(h, p, f->body);
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
        intake_malformed(h, p, ERR_FRAME_VERB);
    }
}

/* Takes up to max messages of a lane; returns how many were events. */
static int receive(struct hub *h, int lane, int max)
{
    int events = 0;
    for (int n = 0; n < max && h->broken == ERR_OK && h->alarm == ERR_OK; n++) {
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
    night_apart(h);     /* wants no transaction open, */
    receive_control(h); /* and a backup does not either */
    int urgent = receive(h, LANE_URGENT, TURN_EVENTS);
    receive(h, LANE_NORMAL, urgent > 0 ? TURN_BESIDE_URGENT : TURN_NORMAL);
    deadline_run(h);
    sweep_run(h, urgent > 0);
    if (urgent == 0)
        night_run(h);
    if (h->pump && h->alarm == ERR_OK)
        release_pump(h);
    if (turn_commit(h))
        deliver(h);
}
