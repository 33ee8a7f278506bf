/* link_delivery.c - what the hub has for us.
 *
 * The head comes first: signed, and proved to extend the last one of its lane
 * (history.c), with the newest head that a quorum of witnesses cosigned beside
 * it. Then each delivery is unboxed, checked (verify.c) and stored; it is
 * acknowledged after the commit. What fails is not acknowledged and the hub
 * offers it again. */
#include "adapters/sdk/link_lanes.h"
#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "proto/wire/frame.h"
#include "proto/wire/log_proof.h"
#include "proto/wire/unpack.h"
#include "tsunagi/v1/consent.pb-c.h"
#include <stdlib.h>
#include <string.h>

#define FETCH_AGAIN_MS 1000

enum err link_hashes(const ProtobufCBinaryData *p, size_t n,
                     struct hash path[PROOF_MAX])
{
    if (n > PROOF_MAX)
        return ERR_DLV_PROOF;
    for (size_t i = 0; i < n; i++) {
        if (p[i].len != HASH_BYTES)
            return ERR_DLV_PROOF;
        memcpy(path[i].b, p[i].data, HASH_BYTES);
    }
    return ERR_OK;
}

/* It follows the last head of its lane, or is a fork. */
static enum err check_head(struct link *k, size_t lane, const Pb__Deliveries *d,
                           const struct head *h)
{
    struct hash path[PROOF_MAX];
    struct finding f;
    const struct given g = {d->from_size, path, d->n_consistency};
    enum err e = link_hashes(d->consistency, d->n_consistency, path);
    if (e == ERR_OK)
        e = history_check(&k->history, (enum strand)lane, &h->at, &g, &f);
    if (e == ERR_DLV_FORK) {
        enum err kept = link_fork(k, f.dispute, f.before, h,
                                  f.dispute == DISPUTE_NO_PROOF ? &g : NULL);
        return kept == ERR_OK ? ERR_DLV_FORK : kept;
    }
    return e == ERR_OK && f.gap ? link_gap(k, &k->history.tip[lane], &h->at)
                                : e;
}

/* The new head, proved to extend what we know. */
static enum err take_head(struct link *k, size_t lane, const Pb__Deliveries *d,
                          struct head *h)
{
    struct checkpoint c;
    struct slice note = slice_str(d->checkpoint != NULL ? d->checkpoint : "");
    if (checkpoint_open(note, k->c.origin, k->c.log->sign, &c) != ERR_OK)
        return ERR_DLV_PROOF;
    enum err e = head_set(h, &c, note);
    if (e == ERR_OK)
        e = check_head(k, lane, d, h);
    if (e == ERR_OK)
        e = link_take_cosigned(k, d, h);
    if (e == ERR_OK)
        e = history_set(&k->history, (enum strand)lane, &c, note);
    return e == ERR_OK
               ? spool_set_head(k->c.spool, (enum spool_head)lane, &c, note)
               : e;
}

static enum err queue_ack(struct lane_link *l, const struct ack *a)
{
    struct ack *list =
        link_room(l->ack, l->ack_count, &l->ack_cap, sizeof(*l->ack));
    if (list == NULL)
        return ERR_NOMEM;
    l->ack = list;
    l->ack[l->ack_count++] = *a;
    return ERR_OK;
}

enum err link_ack_recall(struct lane_link *l, struct id delivery_id,
                         const struct spool_recalled *r)
{
    struct ack a = {.delivery_id = delivery_id,
                    .has_sha256 = r->has_leaf,
                    .recalled = r->outcome};
    memcpy(a.sha256, r->leaf_sha256, sizeof(a.sha256));
    return queue_ack(l, &a);
}

/* One that was called back before it came is answered as that. */
static enum err ack_delivery(struct link *k, size_t lane,
                             const struct verified *v)
{
    struct spool_recalled r;
    struct ack a = {.delivery_id = v->delivery_id, .has_sha256 = true};
    enum err e = spool_recalled(k->c.spool, v->delivery_id, &r);
    if (e != ERR_OK && e != ERR_NOT_FOUND)
        return e;
    a.recalled = e == ERR_OK ? r.outcome : RECALL_NONE;
    sha256(pb_slice(v->delivery->release_leaf), a.sha256);
    return queue_ack(&k->lane[lane], &a);
}

/* Someone took a consent back: what rested on it is marked here too. */
static enum err take_withdrawal(struct link *k, const struct verified *v,
                                const struct spool_delivery *row)
{
    const Pb__ConsentWithdrawn *w = (Pb__ConsentWithdrawn *)v->event->body;
    struct id consent;
    if (w->has_consent_ref &&
        id_from(pb_slice(w->consent_ref), &consent) == ERR_OK)
        return spool_withdraw_consent(k->c.spool, consent);
    return spool_withdraw_all(k->c.spool, row->person, row->case_token);
}

/* The consents that the release relied on, as its leaf names them. */
static size_t consents_of(const struct verified *v, struct id *out)
{
    size_t n = 0;
    for (size_t i = 0; i < v->leaf->n_consent && n < SPOOL_CONSENTS; i++)
        n += id_from(pb_slice(v->leaf->consent[i]), &out[n]) == ERR_OK;
    return n;
}

/* After these something here may be called back: it is asked for at once, not
 * when the lease would be renewed. */
static bool calls_back(uint32_t type)
{
    static const uint32_t TYPES[] = {
        EVENT_CONSENT_WITHDRAWN, EVENT_CONSENT_EXPIRED, EVENT_MEETING_CLOSED,
        EVENT_MEETING_CANCELLED};
    for (size_t i = 0; i < NELEM(TYPES); i++)
        if (TYPES[i] == type)
            return true;
    return false;
}

/* What its leaf's place in the log was shown with, for anybody to check. */
static enum err keep_proof(struct link *k, const struct verified *v,
                           const struct spool_delivery *row,
                           const struct head *h)
{
    const Pb__Delivery *d = v->delivery;
    struct hash path[PROOF_MAX];
    struct buf text = {0};
    enum err e = link_hashes(d->inclusion, d->n_inclusion, path);
    if (e == ERR_OK)
        e = log_proof_write(pb_slice(d->release_leaf), d->release_index, path,
                            d->n_inclusion, buf_slice(&h->note), &text);
    if (e == ERR_OK)
        e = spool_keep_proof(k->c.spool, row->delivery_id, row->person,
                             buf_slice(&text));
    buf_fini(&text);
    return e;
}

static enum err store_delivery(struct link *k, size_t lane,
                               const struct verified *v, struct slice bytes,
                               const struct head *h)
{
    const Pb__Delivery *d = v->delivery;
    struct id consent[SPOOL_CONSENTS];
    struct spool_delivery row = {
        .delivery_id = v->delivery_id,
        .lane = (enum lane)lane,
        .type = v->event->schema->event,
        .person = d->has_person_token ? d->person_token.data : NULL,
        .case_token = d->has_case_token ? d->case_token.data : NULL,
        .released_ms = d->released_ms,
        .delivery = bytes,
        .consent = consent,
        .consents = consents_of(v, consent),
    };
    bool fresh;
    enum err e = spool_take(k->c.spool, &row, clock_wall_ms(), &fresh);
    if (e == ERR_OK && fresh)
        e = keep_proof(k, v, &row, h);
    if (e == ERR_OK && fresh && row.type == EVENT_CONSENT_WITHDRAWN)
        e = take_withdrawal(k, v, &row);
    if (e != ERR_OK)
        return e;
    if (fresh && calls_back(row.type))
        k->lease.due_ms = 0;
    k->delivered |= fresh;
    *(fresh ? &k->taken : &k->repeated) += 1;
    return ack_delivery(k, lane, v);
}

static enum err take_delivery(struct link *k, size_t lane,
                              const Pb__BoxedDelivery *boxed,
                              const struct head *h)
{
    struct buf plain = {0}, bytes = {0};
    struct verified v = {0};
    enum err e = box_open(k->shared, pb_slice(boxed->nonce),
                          pb_slice(boxed->box), &plain);
    if (e == ERR_OK)
        e = verify_delivery(buf_slice(&plain), k->c.agency, k->c.hub->sign,
                            &h->at, &bytes, &v);
    if (e == ERR_OK)
        e = store_delivery(k, lane, &v, buf_slice(&bytes), h);
    verified_close(&v);
    buf_fini(&plain);
    buf_fini(&bytes);
    k->refused += e != ERR_OK;
    return link_swallow(k, "delivery", e);
}

static enum err take_each(struct link *k, size_t lane, const Pb__Deliveries *d,
                          const struct head *h, uint64_t now)
{
    enum err e = ERR_OK;
    uint64_t before = k->taken;
    for (size_t i = 0; i < d->n_delivery && e == ERR_OK; i++)
        e = take_delivery(k, lane, d->delivery[i], h);
    if (k->taken > before)
        link_quorum_due(k, h->at.size, now);
    return e;
}

static enum err take_all(struct link *k, size_t lane, const Pb__Deliveries *d,
                         uint64_t now)
{
    struct head h = {.at = {.size = 0}};
    struct lane_link *l = &k->lane[lane];
    l->want_fetch = true;
    if (k->forked)
        return ERR_OK;
    enum err e = take_head(k, lane, d, &h);
    if (e != ERR_OK) {
        l->heard_ms = 0; /* a new connection begins from what we know */
        l->fetch_ms = now + FETCH_AGAIN_MS;
    } else if (lane == LANE_NORMAL && link_stopped(k, now)) {
        k->covering.dropped = true;
        e = ERR_WITNESS_QUORUM;
    } else {
        e = take_each(k, lane, d, &h, now);
        head_fini(&h);
        return e;
    }
    k->refused += d->n_delivery;
    head_fini(&h);
    return link_swallow(k, "checkpoint", e);
}

enum err link_take_deliveries(struct link *k, size_t lane, struct slice body,
                              uint64_t now)
{
    ProtobufCMessage *m = NULL;
    enum err e = unpack(&pb__deliveries__descriptor, body, &m);
    if (e == ERR_OK)
        e = take_all(k, lane, (Pb__Deliveries *)m, now);
    unpack_free(&m);
    return link_swallow(k, "deliveries", e);
}

bool link_delivered(struct link *k)
{
    bool was = k->delivered;
    k->delivered = false;
    return was;
}
