/* link_delivery.c - what the hub has for us.
 *
 * The head comes first: signed, and proved to extend one that was told or came
 * on this connection. Then each delivery is unboxed, checked (verify.c) and
 * stored; it is acknowledged after the commit. What fails is not acknowledged
 * and the hub offers it again. A head that contradicts what was seen before is
 * a fork: both notes are kept as evidence for people to show. */
#include "adapters/sdk/link_lanes.h"
#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "proto/wire/frame.h"
#include "proto/wire/unpack.h"
#include "tsunagi/v1/consent.pb-c.h"
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define FETCH_AGAIN_MS 1000

static void add_evidence(struct buf *b, const char *what, struct slice note)
{
    buf_addf(b, "---- %s ----\n", what);
    buf_add(b, note.p, note.n);
    buf_adds(b, "\n");
}

/* Two signed heads that cannot both be true, kept for people to show. */
static enum err fork_found(struct link *k, const Pb__Deliveries *d)
{
    struct checkpoint known;
    struct buf note = {0}, b = {0};
    char path[PATH_MAX];
    log_error("link: the hub's log contradicts what was seen before");
    enum err e = spool_checkpoint(k->c.spool, &known, &note);
    if (e != ERR_OK && e != ERR_NOT_FOUND)
        return e;
    buf_adds(&b, "tsunagi-fork-evidence/1\n");
    add_evidence(&b, "seen before", buf_slice(&note));
    add_evidence(&b, "received now", slice_str(d->checkpoint));
    buf_addf(&b, "---- proof from size %llu ----\n",
             (unsigned long long)d->from_size);
    for (size_t i = 0; i < d->n_consistency; i++) {
        buf_add_hex(&b, pb_slice(d->consistency[i]));
        buf_addc(&b, '\n');
    }
    int n = snprintf(path, sizeof(path), "%s/fork-evidence-%llu.txt",
                     k->c.folder, (unsigned long long)clock_wall_ms());
    e = b.failed || n >= (int)sizeof(path)
            ? ERR_NOMEM
            : file_replace(path, buf_slice(&b), 0600);
    if (e != ERR_OK)
        log_error("link: evidence not written code=%s", err_code(e));
    buf_fini(&note);
    buf_fini(&b);
    k->forked = true;
    return spool_set_forked(k->c.spool, true);
}

static enum err take_hashes(const ProtobufCBinaryData *p, size_t n,
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

/* c extends the head that the proof starts at. A head shorter than what we
 * told on this connection is a log that went back in time. */
static enum err check_head(struct link *k, const struct lane_link *l,
                           const Pb__Deliveries *d, const struct checkpoint *c)
{
    struct hash path[PROOF_MAX];
    const struct checkpoint *base = known_find(&l->known, d->from_size);
    if (c->size < l->known.least)
        return ERR_DLV_FORK;
    if (base == NULL)
        return ERR_DLV_PROOF;
    enum err e = take_hashes(d->consistency, d->n_consistency, path);
    return e == ERR_OK
               ? heads_extend(&k->heads, base, c, path, d->n_consistency)
               : e;
}

/* The new head, proved to extend what we know. */
static enum err take_head(struct link *k, struct lane_link *l,
                          const Pb__Deliveries *d, struct checkpoint *c)
{
    uint64_t before = heads_last(&k->heads)->size;
    struct slice note = slice_str(d->checkpoint != NULL ? d->checkpoint : "");
    if (checkpoint_open(note, k->c.origin, k->c.log->sign, c) != ERR_OK)
        return ERR_DLV_PROOF;
    enum err e = check_head(k, l, d, c);
    if (e == ERR_DLV_FORK) {
        enum err stored = fork_found(k, d);
        return stored == ERR_OK ? ERR_DLV_FORK : stored;
    }
    if (e != ERR_OK)
        return e;
    known_add(&l->known, c);
    return c->size > before ? spool_set_checkpoint(k->c.spool, c, note)
                            : ERR_OK;
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

static enum err store_delivery(struct link *k, size_t lane,
                               const struct verified *v, struct slice bytes)
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
                              const struct checkpoint *c)
{
    struct buf plain = {0}, bytes = {0};
    struct verified v = {0};
    enum err e = box_open(k->shared, pb_slice(boxed->nonce),
                          pb_slice(boxed->box), &plain);
    if (e == ERR_OK)
        e = verify_delivery(buf_slice(&plain), k->c.agency, k->c.hub->sign, c,
                            &bytes, &v);
    if (e == ERR_OK)
        e = store_delivery(k, lane, &v, buf_slice(&bytes));
    verified_close(&v);
    buf_fini(&plain);
    buf_fini(&bytes);
    k->refused += e != ERR_OK;
    return link_swallow(k, "delivery", e);
}

static enum err take_all(struct link *k, size_t lane, const Pb__Deliveries *d,
                         uint64_t now)
{
    struct checkpoint c;
    struct lane_link *l = &k->lane[lane];
    l->want_fetch = true;
    if (k->forked)
        return ERR_OK;
    enum err e = take_head(k, l, d, &c);
    if (e != ERR_OK) {
        k->refused += d->n_delivery;
        l->heard_ms = 0; /* a new connection begins from what we know */
        l->fetch_ms = now + FETCH_AGAIN_MS;
        return link_swallow(k, "checkpoint", e);
    }
    for (size_t i = 0; i < d->n_delivery && e == ERR_OK; i++)
        e = take_delivery(k, lane, d->delivery[i], &c);
    return e;
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
