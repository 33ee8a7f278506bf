/* link_send.c - what goes out: acknowledgements, the answer to WITNESS, FETCH,
 * waiting events, questions of our own, PING in this order. A full pipe is
 * tried again after a moment. */
#include "adapters/sdk/link_lanes.h"
#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "proto/wire/frame.h"
#include "proto/wire/unpack.h"
#include <string.h>

/* A full pipe is waited out; a dead one comes back through the monitor. */
static bool sent(struct lane_link *l, enum err e, uint64_t now)
{
    l->busy = e != ERR_OK;
    if (e == ERR_OK)
        l->sent_ms = now;
    return e == ERR_OK;
}

/* Send{event}: one field of bytes around what is stored. */
static void wrap_event(struct slice event, struct buf *out)
{
    buf_addc(out, 0x0a);
    for (size_t n = event.n;; n >>= 7) {
        buf_addc(out, (char)((n & 0x7f) | (n > 0x7f ? 0x80 : 0)));
        if (n <= 0x7f)
            break;
    }
    buf_add(out, event.p, event.n);
}

static enum err send_one(struct link *k, struct lane_link *l,
                         const struct spool_out *o, uint64_t now)
{
    struct buf b = {0};
    wrap_event(buf_slice(&o->event), &b);
    enum err e = b.failed
                     ? ERR_NOMEM
                     : frame_send(l->socket, NULL, VERB_SEND, buf_slice(&b));
    buf_fini(&b);
    if (e == ERR_FRAME_SIZE)
        return spool_answer(k->c.spool, o->event_id, OUT_PARKED, err_code(e),
                            SLICE_NONE, clock_wall_ms());
    if (e == ERR_NOMEM || !sent(l, e, now))
        return e;
    if (l->in_flight++ == 0)
        l->progress_ms = now;
    l->cursor = o->node_seq;
    return ERR_OK;
}

static enum err send_events(struct link *k, size_t i, uint64_t now)
{
    struct lane_link *l = &k->lane[i];
    if (l->in_flight > 0 && now - l->progress_ms > LINK_RESEND_MS)
        link_rewind_lane(l);
    while (now >= l->pause_ms && l->in_flight < LINK_WINDOW) {
        struct spool_out o;
        enum err e = spool_waiting(k->c.spool, (enum lane)i, l->cursor, &o);
        if (e == ERR_NOT_FOUND)
            return ERR_OK;
        if (e != ERR_OK)
            return e;
        e = send_one(k, l, &o, now);
        spool_out_fini(&o);
        if (e != ERR_OK)
            return e == ERR_NOMEM || e == ERR_STORE ? e : ERR_OK;
    }
    return ERR_OK;
}

static enum err pack_ack(const struct link *k, const struct ack *a,
                         struct buf *out)
{
    uint8_t signature[SIGNATURE_BYTES];
    struct buf inner = {0};
    Pb__AckBody body = PB__ACK_BODY__INIT;
    body.has_delivery_id = body.has_time_ms = 1;
    body.has_sha256 = a->has_sha256;
    body.has_recalled = a->recalled != RECALL_NONE;
    body.recalled = (Pb__RecallOutcome)a->recalled;
    body.delivery_id = pb_borrow(slice_of(a->delivery_id.b, ID_BYTES));
    body.sha256 = pb_borrow(slice_of(a->sha256, 32));
    body.time_ms = clock_wall_ms();
    enum err e = pack(&body.base, &inner);
    if (e == ERR_OK)
        e = sign_make(SIGN_ACK, buf_slice(&inner), k->c.keys->sign_secret,
                      signature);
    if (e == ERR_OK) {
        Pb__Ack m = PB__ACK__INIT;
        m.has_ack = m.has_signature = 1;
        m.ack = pb_borrow(buf_slice(&inner));
        m.signature = pb_borrow(slice_of(signature, SIGNATURE_BYTES));
        e = pack(&m.base, out);
    }
    buf_fini(&inner);
    return e;
}

/* What cannot be said now is said again when the hub delivers again. */
static enum err send_acks(struct link *k, struct lane_link *l, uint64_t now)
{
    enum err e = ERR_OK;
    for (size_t i = 0; i < l->ack_count && e == ERR_OK; i++) {
        struct buf b = {0};
        e = pack_ack(k, &l->ack[i], &b);
        if (e == ERR_OK &&
            !sent(l, frame_send(l->socket, NULL, VERB_ACK, buf_slice(&b)), now))
            e = ERR_BUSY;
        buf_fini(&b);
    }
    l->ack_count = 0;
    return e == ERR_BUSY ? ERR_OK : e;
}

/* The answer to WITNESS; what it says is on disk. */
static enum err send_cosigned(struct lane_link *l, uint64_t now)
{
    if (l->cosigned.n == 0)
        return ERR_OK;
    enum err e =
        frame_send(l->socket, NULL, VERB_WITNESS, buf_slice(&l->cosigned));
    if (e == ERR_NOMEM)
        return e;
    if (sent(l, e, now))
        buf_reset(&l->cosigned);
    return ERR_OK;
}

static enum err send_fetch(struct link *k, size_t i, uint64_t now)
{
    struct buf b = {0};
    struct lane_link *l = &k->lane[i];
    Pb__Fetch m = PB__FETCH__INIT;
    if (!l->want_fetch || now < l->fetch_ms || k->forked ||
        (i == LANE_NORMAL && link_stopped(k, now)))
        return ERR_OK;
    const struct checkpoint *seen = &k->history.tip[i].at;
    m.has_credit = 1;
    m.credit = LINK_CREDIT;
    m.has_seen_size = m.has_seen_root = seen->size > 0;
    m.seen_size = seen->size;
    m.seen_root = pb_borrow(slice_of(seen->root.b, HASH_BYTES));
    enum err e = pack(&m.base, &b);
    if (e == ERR_OK &&
        sent(l, frame_send(l->socket, NULL, VERB_FETCH, buf_slice(&b)), now))
        l->want_fetch = false;
    buf_fini(&b);
    return e;
}

static enum err send_ping(struct lane_link *l, uint64_t now)
{
    struct buf b = {0};
    Pb__Ping m = PB__PING__INIT;
    if (now - l->sent_ms < LINK_PING_MS)
        return ERR_OK;
    m.has_time_ms = 1;
    m.time_ms = clock_wall_ms();
    enum err e = pack(&m.base, &b);
    if (e == ERR_OK)
        sent(l, frame_send(l->socket, NULL, VERB_PING, buf_slice(&b)), now);
    l->sent_ms = now;
    buf_fini(&b);
    return e;
}

static enum err send_lane(struct link *k, size_t i, uint64_t now)
{
    struct lane_link *l = &k->lane[i];
    if (!l->up)
        return ERR_OK;
    if (now - l->heard_ms > LINK_DEAD_MS)
        return link_reopen_lane(k, i);
    enum err e = send_acks(k, l, now);
    if (e == ERR_OK)
        e = send_cosigned(l, now);
    if (e == ERR_OK)
        e = send_fetch(k, i, now);
    if (e == ERR_OK)
        e = send_events(k, i, now);
    if (e == ERR_OK && i == LANE_NORMAL)
        e = link_lease_send(k, now);
    if (e == ERR_OK && i == LANE_NORMAL)
        e = link_witness_send(k, now);
    if (e == ERR_OK && i == LANE_NORMAL)
        e = link_quorum_send(k, now);
    return e == ERR_OK ? send_ping(l, now) : e;
}

enum err link_send(struct link *k, uint64_t now)
{
    enum err e = ERR_OK;
    for (size_t i = 0; i < LANES && e == ERR_OK; i++)
        e = send_lane(k, i, now);
    return e;
}
