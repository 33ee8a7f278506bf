/* withdraw.c - what must stop or come back when a decision loses its ground.
 *
 * A consent taken back, a refusal, replaced or run out, a meeting closed, an
 * address protected, a person moved, another policy: each leaves one row that
 * says what happened (store: sweep), written in the transaction of its cause.
 * The work follows in slices, in three steps:
 *
 *   recall   what was released on that ground and has no other now, and what
 *            was released on another consent and is refused now: RECALL
 *   tell     whoever holds such a thing hears of the withdrawal
 *   queue    what waits is decided again, and stopped if nothing is left of it
 *
 * Slices, because an emergency must not wait for ten thousand deliveries (I-7);
 * and they may be, because a delivery is decided again when it is released, so
 * that nothing leaves on the lost ground in the meantime either (I-3). Most
 * fit into the turn they begin in. Where a sweep has got to is kept with each
 * slice: after a crash it goes on. While the clock is not believed there is
 * nothing to decide, and all of it waits. */
#include "hub/app/hub.h"
#include "proto/wire/unpack.h"
#include "tsunagi/v1/consent.pb-c.h"
#include <stdlib.h>
#include <string.h>

#define SLICE 512       /* of work in a turn, in looks at a delivery */
#define SLICE_URGENT 64 /* beside urgent traffic */
#define DECIDING 8      /* deciding costs as much as so many looks */
#define LOOK_AT 32      /* read together */

enum step { STEP_RECALL, STEP_TELL, STEP_QUEUE, STEP_DONE };

/* A slice of one sweep. */
struct slice_of_work {
    struct hub *h;
    struct sweep w;
    struct known known; /* of the last case looked at */
    bool has_known;
    int left;
};

static const char *why_code(unsigned why)
{
    static const char *const CODE[] = {
        [SWEEP_WITHDRAWN] = "WITHDRAWN", [SWEEP_SUPERSEDED] = "SUPERSEDED",
        [SWEEP_EXPIRED] = "EXPIRED",     [SWEEP_CLOSED] = "CLOSED",
        [SWEEP_PROTECTED] = "PROTECTED", [SWEEP_PLACES] = "PLACES",
        [SWEEP_POLICY] = "POLICY",       [SWEEP_REFUSED] = "REFUSED",
        [SWEEP_ERASED] = "ERASED"};
    return why < NELEM(CODE) && CODE[why] != NULL ? CODE[why] : "";
}

enum err sweep_person(struct hub *h, struct id person, enum sweep_why why,
                      const uint8_t *ref, uint64_t cites)
{
    struct sweep w = {.person = person, .why = why, .cites = cites};
    bool recalls = why == SWEEP_WITHDRAWN || why == SWEEP_SUPERSEDED ||
                   why == SWEEP_CLOSED || why == SWEEP_REFUSED ||
                   why == SWEEP_ERASED;
    w.step = recalls ? STEP_RECALL : STEP_QUEUE;
    if (ref != NULL)
        memcpy(w.ref, ref, ID_BYTES);
    h->swept = false;
    return store_sweep_add(h->store, &w);
}

/* ---- leaves ---- */

/* A leaf about a delivery that ends: cites what it ends and why. */
static enum err leaf_end(struct hub *h, Pb__LeafKind kind,
                         const struct delivery *d, const char *reason,
                         uint64_t released, uint64_t cites, uint64_t *index)
{
    Pb__AuditLeaf l = leaf_new(h, kind);
    uint8_t handle[16];
    uint64_t ref[3];
    l.ref = ref;
    if (kind != PB__LEAF_KIND__RECALL)
        ref[l.n_ref++] = d->decision_leaf;
    if (d->release_leaf != 0)
        ref[l.n_ref++] = d->release_leaf;
    if (cites != 0)
        ref[l.n_ref++] = cites;
    l.peer = pb_text(d->agency);
    l.purpose = pb_text(d->purpose);
    l.reason = pb_text(reason);
    l.has_released = released != 0;
    l.released = released;
    enum err e = leaf_subject(h, d->person, &l, handle);
    return e != ERR_OK ? e : store_leaf(h->store, &l, index);
}

enum err withhold(struct hub *h, struct delivery *d, uint64_t cites)
{
    uint64_t index;
    enum err e = leaf_end(h, PB__LEAF_KIND__WITHHELD, d, err_code(ERR_POL_NONE),
                          0, cites, &index);
    d->state = DELIVERY_WITHHELD;
    h->count.withheld++;
    return e != ERR_OK ? e : store_delivery_update(h->store, d);
}

enum err park_delivery(struct hub *h, struct delivery *d, enum err why)
{
    struct parked item = {
        .at_ms = h->now_ms, .open = true, .event_seq = d->event_seq};
    uint64_t index;
    snprintf(item.agency, sizeof(item.agency), "%s", d->agency);
    snprintf(item.code, sizeof(item.code), "%s", err_code(why));
    d->state = DELIVERY_PARKED;
    enum err e =
        leaf_end(h, PB__LEAF_KIND__LEAF_PARKED, d, item.code, 0, 0, &index);
    if (e == ERR_OK)
        e = store_park(h->store, &item, SLICE_NONE);
    return e != ERR_OK ? e : store_delivery_update(h->store, d);
}

/* ---- deciding again ---- */

static bool same_case(const struct slice_of_work *s,
                      const struct stored_event *ev)
{
    return s->has_known && id_eq(s->known.case_id, ev->case_id) &&
           id_eq(s->known.person, ev->person);
}

/* Deliveries of one case come one after another: its facts are kept. */
static enum err load_facts(struct slice_of_work *s,
                           const struct stored_event *ev)
{
    if (same_case(s, ev))
        return ERR_OK;
    known_fini(&s->known);
    enum err e = known_load(s->h, ev->person, ev->case_id, &s->known);
    s->has_known = e == ERR_OK;
    return e;
}

static enum err decide_now(struct slice_of_work *s, const struct delivery *d,
                           struct decision *now)
{
    struct stored_event ev = {0};
    s->left -= DECIDING;
    enum err e = store_event_get(s->h->store, d->event_seq, &ev);
    if (e == ERR_OK)
        e = load_facts(s, &ev);
    if (e == ERR_OK)
        e = decide_kept(s->h, &ev, d, &s->known, now);
    stored_event_fini(&ev);
    return e;
}

/* ---- recall ---- */

/* What may still be had of a delivery called back on its way goes anew. */
static enum err queue_rest(struct hub *h, const struct delivery *d,
                           uint64_t rest)
{
    struct delivery again = {.event_seq = d->event_seq,
                             .lane = d->lane,
                             .state = DELIVERY_QUEUED,
                             .decision_leaf = d->decision_leaf,
                             .released_classes = rest,
                             .queued_ms = h->now_ms,
                             .expires_ms = d->expires_ms};
    memcpy(again.agency, d->agency, sizeof(again.agency));
    memcpy(again.role, d->role, sizeof(again.role));
    memcpy(again.wanted, d->wanted, sizeof(again.wanted));
    memcpy(again.purpose, d->purpose, sizeof(again.purpose));
    return rest == 0 ? ERR_OK : store_delivery_put(h->store, &again);
}

/* Calls it back: whether it has been acknowledged or not, it may be there. */
static enum err call_back(struct slice_of_work *s, struct delivery *d,
                          uint64_t lost, uint64_t rest)
{
    struct hub *h = s->h;
    uint64_t index;
    enum err e = leaf_end(h, PB__LEAF_KIND__RECALL, d, why_code(s->w.why), lost,
                          s->w.cites, &index);
    if (e == ERR_OK)
        e = store_delivery_recall(h->store, d, index, h->now_ms,
                                  s->w.why == SWEEP_ERASED);
    if (e != ERR_OK || d->state != DELIVERY_RELEASED)
        return e;
    e = withhold(h, d, s->w.cites);
    return e != ERR_OK ? e : queue_rest(h, d, rest);
}

/* Who never knew whom it was about is told nothing (I-13). */
static enum err note_holder(struct slice_of_work *s, const struct delivery *d,
                            uint64_t lost)
{
    const uint64_t met = class_bit(PB__DATA_CLASS__G_ID_GIVEN);
    if (s->w.why != SWEEP_WITHDRAWN ||
        (d->released_classes & (NAMES_PERSON | met)) == 0)
        return ERR_OK;
    return store_tell_add(s->h->store, s->w.id, d->agency, lost);
}

/* A no speaks for what it is about, whichever consent a release rested on. */
static bool by_no(const struct slice_of_work *s)
{
    return s->w.why == SWEEP_WITHDRAWN || s->w.why == SWEEP_REFUSED;
}

static const uint8_t *ground(const struct slice_of_work *s)
{
    return id_is_zero(*(const struct id *)s->w.ref) ? NULL : s->w.ref;
}

/* Of classes, those that rested on the ground that is gone. */
static enum err rested_on_it(struct slice_of_work *s, const struct delivery *d,
                             uint64_t classes, uint64_t *own)
{
    struct delivery same;
    bool found;
    *own = classes;
    if (!by_no(s) || ground(s) == NULL)
        return ERR_OK;
    enum err e = store_delivery_rested(s->h->store, s->w.person, ground(s),
                                       d->id - 1, &same, own, &found);
    if (e == ERR_OK && (!found || same.id != d->id))
        *own = 0;
    return e;
}

/* Of classes, those that the person said no to. */
static uint64_t refused_now(const struct decision *now, uint64_t classes)
{
    uint64_t refused = 0;
    for (unsigned c = 1; c < CLASS_MAX; c++)
        if (!now->of[c].permit && now->of[c].grant >= 0)
            refused |= class_bit(c);
    return classes & refused;
}

static enum err recall_one(struct slice_of_work *s, struct delivery *d,
                           uint64_t classes)
{
    struct decision now;
    uint64_t own = 0;
    if (d->release_leaf == 0 || d->recall_leaf != 0)
        return ERR_OK;
    enum err e = decide_now(s, d, &now);
    if (e == ERR_OK)
        e = rested_on_it(s, d, classes, &own);
    if (e != ERR_OK || (now.error != ERR_OK && s->w.why == SWEEP_SUPERSEDED))
        return e;
    uint64_t lost = (own | refused_now(&now, classes)) & ~now.released;
    if (lost == 0)
        return ERR_OK; /* another ground carries it */
    e = note_holder(s, d, lost);
    return e != ERR_OK
               ? e
               : call_back(s, d, lost, d->released_classes & now.released);
}

/* An erasure asks for no ground: whatever was released comes back. */
static enum err recall_all(struct slice_of_work *s)
{
    struct delivery d;
    bool end;
    s->left -= LOOK_AT;
    enum err e = store_delivery_of_person(s->h->store, s->w.person, s->w.after,
                                          &d, &s->w.after, &end);
    if (e != ERR_OK)
        return e;
    if (end) {
        s->w.step = STEP_QUEUE;
        s->w.after = 0;
    }
    if (d.id == 0 || d.release_leaf == 0 || d.recall_leaf != 0)
        return ERR_OK;
    return call_back(s, &d, d.released_classes, 0);
}

static enum err step_recall(struct slice_of_work *s)
{
    struct delivery d;
    uint64_t classes;
    bool found;
    if (s->w.why == SWEEP_ERASED)
        return recall_all(s);
    s->left--;
    enum err e = store_delivery_rested(s->h->store, s->w.person,
                                       by_no(s) ? NULL : ground(s), s->w.after,
                                       &d, &classes, &found);
    if (e != ERR_OK)
        return e;
    if (!found) {
        s->w.step = STEP_TELL;
        s->w.after = 0;
        return ERR_OK;
    }
    s->w.after = d.id;
    return recall_one(s, &d, classes);
}

/* ---- tell ---- */

static enum err tell(struct slice_of_work *s, const struct agency *to,
                     uint64_t classes)
{
    Pb__ConsentWithdrawn b = PB__CONSENT_WITHDRAWN__INIT;
    Pb__DataClass held[CLASS_MAX];
    struct known k;
    b.n_classes = class_list(classes, held);
    b.classes = held;
    b.has_all = b.all = id_is_zero(*(const struct id *)s->w.ref);
    b.has_consent_ref = !b.all;
    b.consent_ref = (ProtobufCBinaryData){ID_BYTES, s->w.ref};
    struct issue i = {.type = EVENT_CONSENT_WITHDRAWN,
                      .body = &b.base,
                      .to = to,
                      .purpose = "P_ACC",
                      .person = s->w.person,
                      .cites = s->w.cites};
    enum err e = known_load(s->h, s->w.person, (struct id){{0}}, &k);
    if (e == ERR_OK && !k.about.erased) /* no agency gets a name for it anew */
        e = issue_event(s->h, &i, &k);
    known_fini(&k);
    return e;
}

static enum err step_tell(struct slice_of_work *s)
{
    char agency[AGENCY_MAX];
    uint64_t classes;
    bool found;
    s->left -= DECIDING;
    enum err e =
        store_tell_next(s->h->store, s->w.id, agency, &classes, &found);
    if (e != ERR_OK)
        return e;
    if (!found) {
        s->w.step = STEP_QUEUE;
        return ERR_OK;
    }
    const struct agency *to = registry_agency(s->h->registry, agency);
    if (to != NULL)
        e = tell(s, to, classes);
    return e != ERR_OK ? e : store_tell_done(s->h->store, s->w.id, agency);
}

/* ---- queue ---- */

/* Trouble in deciding is no no: the release meets it again, and parks. What a
 * consent that ran out had let go was rightly let go. */
static enum err redecide(struct slice_of_work *s, struct delivery *d)
{
    struct decision now;
    if (s->w.why == SWEEP_ERASED) /* what was released is called back already */
        return withhold(s->h, d, s->w.cites);
    enum err e = decide_now(s, d, &now);
    if (e != ERR_OK || now.error != ERR_OK)
        return e;
    uint64_t rest = d->released_classes & now.released;
    s->w.stopped += rest == 0;
    s->w.kept += rest != 0;
    if (d->state == DELIVERY_QUEUED)
        return rest == 0 ? withhold(s->h, d, s->w.cites) : ERR_OK;
    if (rest == d->released_classes || s->w.why == SWEEP_EXPIRED)
        return ERR_OK;
    return call_back(s, d, d->released_classes & ~rest, rest);
}

/* The next lane, or the next agency's first. */
static enum err next_queue(struct slice_of_work *s)
{
    bool found;
    s->w.after = 0;
    s->w.lane++;
    if (s->w.agency[0] != '\0' && s->w.lane < LANE_COUNT)
        return ERR_OK;
    s->w.lane = LANE_URGENT;
    enum err e =
        store_queue_next(s->h->store, s->w.person, s->w.agency, &found);
    if (e == ERR_OK && !found)
        s->w.step = STEP_DONE;
    return e;
}

static enum err step_queue(struct slice_of_work *s)
{
    struct delivery due[LOOK_AT];
    size_t n = 0;
    enum err e = ERR_OK;
    s->left--;
    if (s->w.agency[0] != '\0')
        e = store_delivery_due(s->h->store, s->w.agency, s->w.lane, s->w.after,
                               due, LOOK_AT, &n);
    if (e == ERR_OK && n == 0)
        return next_queue(s);
    for (size_t i = 0; i < n && e == ERR_OK && s->left > 0; i++) {
        s->left--;
        s->w.after = due[i].id;
        if (id_is_zero(s->w.person) || id_eq(due[i].person, s->w.person))
            e = redecide(s, &due[i]);
    }
    return e;
}

/* ---- slices ---- */

/* Of everybody's, somebody may ask afterwards how it went. */
#define LAST_SWEEP "sweep.policy"
static enum err finish(struct slice_of_work *s)
{
    const uint64_t said[3] = {s->w.cites, s->w.stopped, s->w.kept};
    enum err e = ERR_OK;
    if (s->w.why == SWEEP_POLICY)
        e = store_value_set(s->h->store, LAST_SWEEP,
                            slice_of(said, sizeof(said)));
    return e != ERR_OK ? e : store_sweep_done(s->h->store, s->w.id);
}

enum err sweep_said(struct hub *h, uint64_t cites, bool *done,
                    uint64_t *stopped, uint64_t *kept)
{
    struct buf b = {0};
    uint64_t said[3];
    *done = false;
    enum err e = store_value_get(h->store, LAST_SWEEP, &b);
    if (e == ERR_OK && b.n == sizeof(said)) {
        memcpy(said, b.p, sizeof(said));
        *done = said[0] == cites;
        *stopped = said[1];
        *kept = said[2];
    }
    buf_fini(&b);
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

static enum err work(struct slice_of_work *s)
{
    static enum err (*const STEP[])(struct slice_of_work *) = {
        [STEP_RECALL] = step_recall,
        [STEP_TELL] = step_tell,
        [STEP_QUEUE] = step_queue,
    };
    enum err e = ERR_OK;
    while (e == ERR_OK && s->left > 0 && s->w.step < STEP_DONE)
        e = STEP[s->w.step](s);
    if (e != ERR_OK)
        return e;
    return s->w.step == STEP_DONE ? finish(s)
                                  : store_sweep_update(s->h->store, &s->w);
}

static enum err run(struct hub *h, int *left)
{
    struct slice_of_work s = {.h = h, .left = *left};
    bool found;
    enum err e = store_sweep_next(h->store, &s.w, &found);
    h->swept = e == ERR_OK && !found;
    if (e == ERR_OK && found && turn_begin(h)) {
        e = work(&s);
        h->pump = true; /* no waiting before the next slice */
    }
    known_fini(&s.known);
    *left = s.left;
    return e;
}

void sweep_run(struct hub *h, bool urgent)
{
    int left = urgent ? SLICE_URGENT : SLICE;
    while (!h->swept && h->clock_ok && left > 0 && h->broken == ERR_OK) {
        enum err e = run(h, &left);
        if (e != ERR_OK)
            turn_broken(h, e);
    }
}
