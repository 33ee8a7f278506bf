/* turn.c - the transaction of a turn, and the answers that wait for it.
 *
 *   turn_begin .. what the turn does .. turn_commit: COMMIT, sign the head,
 *   let the answers leave
 *
 * Nothing that depends on the transaction leaves before it is on disk (I-1,
 * I-2). A turn commits whatever has arrived, so events share an fsync without
 * ever waiting for one another; an idle hub writes nothing. */
#include "hub/app/hub.h"
#include "proto/base/log.h"
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

bool turn_fault(enum err e)
{
    return e == ERR_STORE || e == ERR_INTEGRITY || e == ERR_IO ||
           e == ERR_NOMEM;
}

bool turn_begin(struct hub *h)
{
    if (h->broken != ERR_OK)
        return false;
    if (h->open)
        return true;
    enum err e = store_begin(h->store);
    if (e == ERR_OK)
        e = witness_save(h);
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

static void send_answer(struct hub *h, const struct answer *a)
{
    struct peer to = {.lane = a->lane};
    struct frame f = {.routing_n = ROUTING_BYTES};
    memcpy(to.routing, a->routing, ROUTING_BYTES);
    memcpy(f.routing, a->routing, ROUTING_BYTES);
    if (a->lane == LANE_CONTROL)
        net_control_send(h->net, &f, a->verb, buf_slice(&a->body));
    else
        net_send(h->net, &to, a->verb, buf_slice(&a->body));
}

static void send_answers(struct hub *h)
{
    for (size_t i = 0; i < h->answer_count && h->broken == ERR_OK; i++) {
        struct answer *a = &h->answer[i];
        enum err e =
            a->verb == VERB_RECEIPT ? receipt_prove(h, &a->body) : ERR_OK;
        if (e == ERR_OK)
            send_answer(h, a);
        else
            turn_broken(h, e); /* a leaf of ours cannot be read (I-17) */
    }
    drop_answers(h);
}

/* Signs the head over what the last commit added. */
static enum err sign_head(struct hub *h)
{
    if (signer_size(h->signer) == store_log_size(h->store))
        return ERR_OK;
    buf_reset(&h->note);
    enum err e = head_sign(h->store, h->signer, &h->note);
    h->note_unsaved = e == ERR_OK;
    return e;
}

bool turn_commit(struct hub *h)
{
    if (h->broken == ERR_OK && h->open) {
        enum err e = store_commit(h->store);
        h->open = false;
        if (e == ERR_OK)
            e = sign_head(h);
        if (e != ERR_OK)
            turn_broken(h, e);
    }
    if (h->broken != ERR_OK || h->alarm != ERR_OK) {
        drop_answers(h);
        return false;
    }
    send_answers(h);
    h->count.turns++;
    return h->broken == ERR_OK;
}
