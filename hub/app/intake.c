/* intake.c - one event taken in: every check, the decision, its answer.
 *
 *   another channel's? -> turned away, and nothing of it is kept
 *   open (walk, unpack, parts, commitments, content: proto/wire/event.c)
 *   -> who sent it, signature, lane, times -> seen before?
 *   -> facts -> step -> everything it changes (apply.c) -> receipt
 *
 * Each event has its own savepoint, so one bad event never takes its
 * neighbours with it. A refusal is a receipt too, with its code and a leaf. */
#include "hub/app/hub.h"
#include "proto/base/log.h"
#include "proto/wire/unpack.h"
#include <inttypes.h>
#include <string.h>

#define OLDEST_MS (14 * DAY_MS)  /* what a spool may still hold */
#define NEWEST_MS (5ULL * 60000) /* a clock may be ahead so far */
#define RETRY_MS 1000            /* after too many */

/* ---- checks that need no facts ---- */

static enum err check_sender(const struct arrival *a)
{
    const Pb__EventHeader *hd = a->ev->header;
    if (strcmp(hd->agency, a->node->agency->code) != 0 ||
        strcmp(hd->node, a->node->pub.node) != 0)
        return ERR_EVT_SENDER;
    return event_check_signature(a->ev, a->node->pub.sign);
}

static enum err check_header(const struct hub *h, const struct arrival *a)
{
    const Pb__EventHeader *hd = a->ev->header;
    if (a->ev->schema->hub_only)
        return ERR_EVT_HUB_ONLY;
    if (a->ev->schema->urgent != (a->from->lane == LANE_URGENT))
        return ERR_EVT_LANE;
    if (hd->created_ms + OLDEST_MS < h->now_ms ||
        hd->created_ms > h->now_ms + NEWEST_MS)
        return ERR_EVT_TIME;
    if (hd->has_expires_ms && hd->expires_ms <= h->now_ms)
        return ERR_EVT_EXPIRED;
    return ERR_OK;
}

/* ---- the way through ---- */

/* The person and the case the sender's tokens stand for. A case brings its
 * person with it when the sender names none. */
static enum err load_known(struct hub *h, struct arrival *a)
{
    const Pb__Routing *r = a->ev->routing;
    return known_of_tokens(h, a->node->agency->code, pb_slice(r->person_token),
                           pb_slice(r->case_token), &a->known);
}

/* Decides and applies inside the event's savepoint. ERR_OK: accepted. */
static enum err decide(struct hub *h, struct arrival *a)
{
    struct facts f;
    struct glass_facts glass;
    enum err e = load_known(h, a);
    if (e != ERR_OK)
        return e;
    known_facts(h, &a->known, a->node, &f);
    e = glass_facts(h, a->ev, a->known.person, &glass, &f);
    if (e != ERR_OK)
        return e;
    step(&f, a->ev, h->now_ms, &h->fx);
    if (h->fx.refuse != ERR_OK)
        return h->fx.refuse;
    e = arrival_apply(h, a);
    return e != ERR_OK ? e : glass_remember(h, a->known.person, &f, &h->fx);
}

static enum err note_seq(struct hub *h, const struct arrival *a)
{
    uint64_t last, seq = a->ev->header->node_seq;
    enum lane lane = (enum lane)a->from->lane;
    enum err e = store_node_seq(h->store, a->node->pub.node, lane, &last);
    if (e != ERR_OK || seq <= last)
        return e;
    if (last != 0 && seq > last + 1)
        log_warn("intake: gap in a node's sequence node=%s missing=%" PRIu64,
                 a->node->pub.node, seq - last - 1);
    return store_node_seq_set(h->store, a->node->pub.node, lane, seq);
}

static void accept(struct hub *h, struct arrival *a)
{
    struct buf receipt = {0};
    enum err e = receipt_accepted(h, a->ev, a->leaf, &receipt);
    if (e == ERR_OK)
        e = store_event_receipt(h->store, a->stored.seq, buf_slice(&receipt));
    if (e == ERR_OK)
        e = note_seq(h, a);
    if (e == ERR_OK)
        e = store_keep(h->store);
    if (e != ERR_OK) {
        turn_broken(h, e);
    } else {
        h->count.accepted++;
        h->count.late += h->fx.late;
        h->pump = true;
        turn_answer(h, a->from, VERB_RECEIPT, &receipt);
    }
    buf_fini(&receipt);
}

/* A refusal: its leaf, its receipt, and nothing else of the event. */
static void refuse(struct hub *h, struct arrival *a, enum err why)
{
    struct buf receipt = {0};
    enum err e = arrival_leaf(h, a, why);
    if (e == ERR_OK && why != ERR_EVT_SENDER && why != ERR_EVT_SIGNATURE)
        e = note_seq(h, a);
    if (e == ERR_OK)
        e = receipt_refused(h, a->ev, a->leaf, why, &receipt);
    if (e != ERR_OK)
        turn_broken(h, e);
    else
        turn_answer(h, a->from, VERB_RECEIPT, &receipt);
    h->count.refused++;
    log_note("intake: refused code=%s type=%u node=%s", err_code(why),
             a->ev->header->type, a->node->pub.node);
    buf_fini(&receipt);
}

static void decide_and_answer(struct hub *h, struct arrival *a)
{
    enum err e = store_mark(h->store);
    if (e != ERR_OK) {
        turn_broken(h, e);
        return;
    }
    e = decide(h, a);
    if (e == ERR_OK) {
        accept(h, a);
    } else if (turn_fault(e)) {
        turn_broken(h, e);
    } else {
        enum err undone = store_undo(h->store);
        if (undone != ERR_OK)
            turn_broken(h, undone);
        else
            refuse(h, a, e);
    }
    effects_fini(&h->fx);
}

/* A repeat gets the first answer again; the same id with other content is
 * refused. True when it was answered here. */
static bool answer_repeat(struct hub *h, struct arrival *a)
{
    struct buf receipt = {0};
    bool found = false;
    uint8_t header[32];
    enum err e =
        store_event_seen(h->store, a->ev->event_id, &found, header, &receipt);
    if (e != ERR_OK) {
        turn_broken(h, e);
        found = true;
    } else if (found && memcmp(header, a->ev->header_sha256, 32) != 0) {
        log_warn("intake: id used twice node=%s", a->node->pub.node);
        refuse(h, a, ERR_EVT_REUSED_ID);
    } else if (found) {
        h->count.repeated++;
        turn_answer(h, a->from, VERB_RECEIPT, &receipt);
    }
    buf_fini(&receipt);
    return found;
}

bool intake_spend(const struct hub *h, struct peer *p)
{
    double burst = (double)h->config.burst;
    if (p->tokens_ms == 0)
        p->tokens = burst;
    else
        p->tokens += (double)(h->boot_ms - p->tokens_ms) *
                     (double)h->config.rate / 1000.0;
    p->tokens_ms = h->boot_ms == 0 ? 1 : h->boot_ms;
    if (p->tokens > burst)
        p->tokens = burst;
    if (p->tokens < 1)
        return false;
    p->tokens -= 1;
    return true;
}

/* When an event is turned away, remembers where the node has to begin again,
 * so that nothing overtakes it. */
static bool within_rate(const struct hub *h, struct peer *p, uint64_t seq)
{
    if (p->resume_seq != 0 && seq > p->resume_seq)
        return false;
    if (!intake_spend(h, p)) {
        p->resume_seq = seq;
        return false;
    }
    if (seq == p->resume_seq)
        p->resume_seq = 0;
    return true;
}

static void intake_event(struct hub *h, struct arrival *a)
{
    if (!within_rate(h, a->from, a->ev->header->node_seq)) {
        answer_error(h, a->from, ERR_RATE, a->ev->event_id.b, RETRY_MS);
        return;
    }
    enum err e = check_sender(a);
    if (e == ERR_OK && answer_repeat(h, a))
        return;
    if (e == ERR_OK)
        e = check_header(h, a);
    if (e != ERR_OK)
        refuse(h, a, e);
    else
        decide_and_answer(h, a);
}

#define PARKED_MAX 1000 /* open items, beyond which only leaves are kept */

/* The id a message gives itself, for its sender to know what was refused. */
static bool claimed_id(struct slice packed, struct id *id)
{
    ProtobufCMessage *ev = NULL, *hd = NULL;
    bool found =
        packed.n > 0 && unpack(&pb__event__descriptor, packed, &ev) == ERR_OK &&
        unpack(&pb__event_header__descriptor,
               pb_slice(((const Pb__Event *)ev)->header), &hd) == ERR_OK &&
        id_from(pb_slice(((const Pb__EventHeader *)hd)->event_id), id) ==
            ERR_OK;
    unpack_free(&ev);
    unpack_free(&hd);
    return found;
}

static enum err keep_malformed(struct hub *h, const struct node *node,
                               enum err why)
{
    Pb__AuditLeaf l = leaf_new(h, PB__LEAF_KIND__LEAF_PARKED);
    struct store_counts counts;
    uint64_t index;
    l.node = pb_text(node->pub.node);
    l.reason = pb_text(err_code(why));
    enum err e = store_leaf(h->store, &l, &index);
    if (e == ERR_OK)
        e = store_counts(h->store, &counts);
    if (e != ERR_OK || counts.parked >= PARKED_MAX)
        return e;
    struct parked p = {.at_ms = h->now_ms, .open = true};
    snprintf(p.agency, sizeof(p.agency), "%s", node->agency->code);
    snprintf(p.node, sizeof(p.node), "%s", node->pub.node);
    snprintf(p.code, sizeof(p.code), "%s", err_code(why));
    return store_park(h->store, &p, SLICE_NONE);
}

static void park_message(struct hub *h, struct peer *from, struct slice packed,
                         enum err why)
{
    struct id id;
    const struct node *node = registry_node(h->registry, from->node);
    if (node == NULL || !turn_begin(h))
        return;
    const uint8_t *about = claimed_id(packed, &id) ? id.b : NULL;
    if (!intake_spend(h, from)) {
        answer_error(h, from, ERR_RATE, about, RETRY_MS);
        return;
    }
    h->count.malformed++;
    enum err e = keep_malformed(h, node, why);
    if (e != ERR_OK) {
        turn_broken(h, e);
        return;
    }
    log_note("intake: malformed code=%s node=%s", err_code(why), from->node);
    answer_error(h, from, why, about, 0);
}

void intake_malformed(struct hub *h, struct peer *from, enum err why)
{
    park_message(h, from, SLICE_NONE, why);
}

/* A report of abuse in a hospital (Mental Health and Welfare Act, art. 40-3)
 * must leave no trace where the hospital or the hub could find it: no leaf,
 * no parked item, no count, no line in a log. Only whoever sent it is told. */
static bool is_of_another_channel(struct slice packed)
{
    const struct schema_message *m = schema_event(event_claimed_type(packed));
    return m != NULL && m->channel[0] != '\0';
}

static void turn_away(struct hub *h, struct peer *from, struct slice packed)
{
    struct id id;
    const uint8_t *about = claimed_id(packed, &id) ? id.b : NULL;
    if (intake_spend(h, from))
        answer_error(h, from, ERR_EVT_CHANNEL, about, 0);
    else
        answer_error(h, from, ERR_RATE, about, RETRY_MS);
}

void intake(struct hub *h, struct peer *from, struct slice body)
{
    struct arrival a = {.from = from};
    ProtobufCMessage *m = NULL;
    a.node = registry_node(h->registry, from->node);
    if (a.node == NULL || !turn_begin(h))
        return;
    enum err e = unpack(&pb__send__descriptor, body, &m);
    struct slice packed =
        e == ERR_OK ? pb_slice(((const Pb__Send *)m)->event) : SLICE_NONE;
    bool ours = !is_of_another_channel(packed);
    if (e == ERR_OK && ours)
        e = event_open(packed, &a.ev);
    if (!ours)
        turn_away(h, from, packed);
    else if (e == ERR_OK)
        intake_event(h, &a);
    else
        park_message(h, from, packed, e);
    unpack_free(&m);
    known_fini(&a.known);
    stored_event_fini(&a.stored);
    event_close(&a.ev);
}
