/* link_receipt.c - the hub's answers to what we sent.
 *
 * A receipt counts only under the hub's signature and for the very header that
 * is in our spool; the first one ends the matter. The proof of its leaf that
 * comes with it is checked and kept apart; a false one is no receipt. An ERROR
 * about the event itself parks it for a person to see, any other makes the lane
 * wait and start again, for nothing was promised. */
#include "adapters/sdk/link_lanes.h"
#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "proto/wire/frame.h"
#include "proto/wire/json.h"
#include "proto/wire/log_proof.h"
#include "proto/wire/unpack.h"
#include <stdlib.h>
#include <string.h>

static enum err note_answered(struct link *k, struct id event_id)
{
    struct id *list = link_room(k->answered, k->answered_count,
                                &k->answered_cap, sizeof(*k->answered));
    if (list == NULL)
        return ERR_NOMEM;
    k->answered = list;
    k->answered[k->answered_count++] = event_id;
    return ERR_OK;
}

bool link_answered(struct link *k, struct id *event_id)
{
    if (k->answered_at == k->answered_count) {
        k->answered_at = k->answered_count = 0;
        return false;
    }
    *event_id = k->answered[k->answered_at++];
    return true;
}

static enum err answer(struct link *k, size_t lane, struct id event_id,
                       enum out_state state, const char *code,
                       struct slice receipt, uint64_t now)
{
    struct lane_link *l = &k->lane[lane];
    enum err e = spool_answer(k->c.spool, event_id, state, code, receipt,
                              clock_wall_ms());
    if (e != ERR_OK)
        return e;
    l->in_flight -= l->in_flight > 0;
    l->progress_ms = now;
    return note_answered(k, event_id);
}

static enum out_state state_of(const Pb__Receipt *r)
{
    switch (r->has_outcome ? r->outcome : PB__OUTCOME__OUTCOME_UNSPECIFIED) {
    case PB__OUTCOME__ACCEPTED:
    case PB__OUTCOME__ACCEPTED_LATE:
        return OUT_ACCEPTED;
    case PB__OUTCOME__REFUSED:
        return OUT_REFUSED;
    case PB__OUTCOME__PARKED:
        return OUT_PARKED;
    default:
        return OUT_WAITING;
    }
}

static enum err open_receipt(struct link *k, struct slice body,
                             ProtobufCMessage **signed_receipt,
                             ProtobufCMessage **receipt)
{
    enum err e = unpack(&pb__signed_receipt__descriptor, body, signed_receipt);
    if (e != ERR_OK)
        return e;
    const Pb__SignedReceipt *s = (Pb__SignedReceipt *)*signed_receipt;
    e = sign_check(SIGN_RECEIPT, pb_slice(s->receipt), pb_slice(s->signature),
                   k->c.hub->sign);
    return e == ERR_OK
               ? unpack(&pb__receipt__descriptor, pb_slice(s->receipt), receipt)
               : e;
}

/* ---- the proof ---- */

/* The leaf is the one that the receipt names, and about this event. */
static enum err leaf_fits(const struct log_proof *p, const Pb__Receipt *r)
{
    ProtobufCMessage *m = NULL;
    enum err e = unpack(&pb__audit_leaf__descriptor, buf_slice(&p->extra), &m);
    const Pb__AuditLeaf *l = (Pb__AuditLeaf *)m;
    if (e == ERR_OK &&
        (p->index != r->leaf_index || l->index != p->index ||
         !l->has_event_id || !r->has_event_id ||
         !slice_eq(pb_slice(l->event_id), pb_slice(r->event_id))))
        e = ERR_DLV_PROOF;
    unpack_free(&m);
    return e;
}

/* Its head is one more that we have seen. */
static enum err head_fits(struct link *k, const struct checkpoint *c,
                          struct slice note)
{
    struct head now = {.at = {.size = 0}};
    const struct head *other = history_contradicts(&k->history, c);
    if (other == NULL)
        return ERR_OK;
    enum err e = head_set(&now, c, note);
    if (e == ERR_OK)
        e = link_fork(k, DISPUTE_SAME_SIZE, other, &now, NULL);
    head_fini(&now);
    return e == ERR_OK ? ERR_DLV_FORK : e;
}

static enum err check_proof(struct link *k, const Pb__Receipt *r,
                            struct slice text)
{
    struct log_proof p;
    struct checkpoint c;
    enum err e = log_proof_parse(text, &p);
    if (e != ERR_OK)
        return ERR_DLV_PROOF;
    e = log_proof_check(&p, k->c.origin, k->c.log->sign, buf_slice(&p.extra),
                        &c);
    if (e == ERR_OK)
        e = leaf_fits(&p, r);
    if (e == ERR_OK)
        e = head_fits(k, &c, p.note);
    log_proof_fini(&p);
    return e;
}

static enum err keep_proof(struct link *k, const struct spool_out *row,
                           const Pb__Receipt *r, const char *text)
{
    if (text == NULL || *text == '\0')
        return ERR_OK;
    enum err e = check_proof(k, r, slice_str(text));
    return e == ERR_OK ? spool_keep_proof(k->c.spool, row->event_id,
                                          row->has_person ? row->person : NULL,
                                          slice_str(text))
                       : e;
}

/* ---- the receipt ---- */

static enum err apply_receipt(struct link *k, size_t lane,
                              const Pb__SignedReceipt *s, const Pb__Receipt *r,
                              uint64_t now)
{
    struct id id;
    struct spool_out row;
    struct buf kept = {0};
    Pb__SignedReceipt bare = *s;
    enum err e = id_from(pb_slice(r->event_id), &id);
    if (e == ERR_OK)
        e = spool_out_get(k->c.spool, id, &row);
    if (e != ERR_OK)
        return e;
    bool waiting = row.state == OUT_WAITING;
    if (!slice_eq(pb_slice(r->header_sha256),
                  slice_of(row.header_sha256, 32)) ||
        state_of(r) == OUT_WAITING)
        e = ERR_INTEGRITY;
    if (e == ERR_OK)
        e = keep_proof(k, &row, r, s->proof);
    spool_out_fini(&row);
    if (e != ERR_OK || !waiting)
        return e; /* an answer that came twice changes nothing */
    bare.proof = NULL;
    e = pack(&bare.base, &kept);
    if (e == ERR_OK)
        e = answer(k, lane, id, state_of(r), r->code != NULL ? r->code : "",
                   buf_slice(&kept), now);
    buf_fini(&kept);
    return e;
}

enum err link_take_receipt(struct link *k, size_t lane, struct slice body,
                           uint64_t now)
{
    ProtobufCMessage *s = NULL, *r = NULL;
    enum err e = open_receipt(k, body, &s, &r);
    if (e == ERR_OK)
        e = apply_receipt(k, lane, (Pb__SignedReceipt *)s, (Pb__Receipt *)r,
                          now);
    unpack_free(&s);
    unpack_free(&r);
    return link_swallow(k, "receipt", e);
}

/* ---- errors ---- */

/* Codes that speak of the message itself: sending it again cannot help. */
static bool about_the_event(const char *code)
{
    static const char *const KINDS[] = {"E-EVT-", "E-PB-", "E-VAL-", "E-FRM-"};
    for (size_t i = 0; i < NELEM(KINDS); i++)
        if (strncmp(code, KINDS[i], strlen(KINDS[i])) == 0)
            return true;
    return false;
}

static enum err apply_error(struct link *k, size_t lane, const Pb__Error *m,
                            uint64_t now)
{
    struct lane_link *l = &k->lane[lane];
    const char *code = m->code != NULL ? m->code : "";
    struct id id;
    struct spool_out row;
    if (m->has_event_id && m->retry_after_ms == 0 && about_the_event(code) &&
        id_from(pb_slice(m->event_id), &id) == ERR_OK) {
        enum err e = spool_out_get(k->c.spool, id, &row);
        if (e != ERR_OK)
            return e;
        bool waiting = row.state == OUT_WAITING;
        spool_out_fini(&row);
        return waiting ? answer(k, lane, id, OUT_PARKED, code, SLICE_NONE, now)
                       : ERR_OK;
    }
    if (!m->has_event_id && lane == LANE_NORMAL && k->ask_count > 0) {
        link_end_ask(k, err_from_code(code), NULL);
        return ERR_OK;
    }
    l->pause_ms = now + (m->retry_after_ms > 0 ? m->retry_after_ms : PAUSE_MS);
    link_rewind_lane(l);
    return ERR_OK;
}

enum err link_open_answer(enum err e, const Pb__Answer *a, json_t **j)
{
    *j = NULL;
    if (e != ERR_OK || a == NULL)
        return e != ERR_OK ? e : ERR_UNREACHABLE;
    if (a->code != NULL && *a->code != '\0')
        return err_from_code(a->code);
    return json_parse(slice_str(a->json != NULL ? a->json : ""), j, NULL);
}

enum err link_take_error(struct link *k, size_t lane, struct slice body,
                         uint64_t now)
{
    ProtobufCMessage *m = NULL;
    enum err e = unpack(&pb__error__descriptor, body, &m);
    if (e == ERR_OK) {
        const char *code = ((Pb__Error *)m)->code;
        k->trouble = err_from_code(code != NULL ? code : "");
        log_warn("link: the hub answered code=%s lane=%s", err_code(k->trouble),
                 link_lane_name(lane));
        e = apply_error(k, lane, (Pb__Error *)m, now);
    }
    unpack_free(&m);
    return link_swallow(k, "error", e);
}
