/* person.c - the register of a person: consents, places, protection.
 *
 * The register is made from events alone. What a person said is kept for the
 * hub, which tells the holders; no receipt lists whom it names.
 *
 * A consent ends by its last day, by being taken back or by being replaced.
 * Taken back acts as a refusal and holders are told; replaced is silent, since
 * the new paper speaks. A withdrawal of a paper that was replaced means the one
 * that took its place. The day after the last it is as if taken back, without
 * notices; whoever recorded it hears before and then.
 *
 * Anyone who knows the person may protect the address, and it acts at once;
 * only the municipality and the health centre may take the protection off,
 * after looking. It is not taken off by a date: the date tells them when to
 * look. */
#include "hub/core/person.h"
#include "hub/core/flow.h"
#include "proto/base/code.h"
#include "proto/wire/unpack.h"
#include <assert.h>
#include <string.h>

/* ---- consents ---- */

static const struct grant *grant_of(const struct facts *f,
                                    ProtobufCBinaryData ref)
{
    for (size_t i = 0; i < f->grant_count; i++)
        if (ref.len == ID_BYTES &&
            memcmp(f->grants[i].ref, ref.data, ID_BYTES) == 0)
            return &f->grants[i];
    return NULL;
}

/* What took the place of g: the first that was entered at its end or after. */
static const struct grant *successor(const struct facts *f,
                                     const struct grant *g)
{
    const struct grant *next = NULL;
    for (size_t i = 0; i < f->grant_count; i++) {
        const struct grant *x = &f->grants[i];
        if (x->leaf >= g->until_leaf && x->leaf > g->leaf &&
            x->kind == GRANT_GIVEN && x->third == g->third &&
            strcmp(x->purpose, g->purpose) == 0 &&
            (next == NULL || x->leaf < next->leaf))
            next = x;
    }
    return next;
}

static const struct grant *latest(const struct facts *f, const struct grant *g)
{
    while (g != NULL && g->superseded)
        g = successor(f, g);
    return g;
}

/* A role nobody can have would make a refusal that protects from nothing. */
static bool knows_roles(const struct facts *f, const struct grant_recipient *r,
                        size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (r[i].agency[0] == '\0' && !policy_knows_role(f->policy, r[i].role))
            return false;
    return true;
}

static enum err check_words(const struct facts *f, const struct grant *g)
{
    if (!policy_knows_purpose(f->policy, g->purpose))
        return ERR_EVT_PURPOSE;
    if (!knows_roles(f, g->to, g->to_count) ||
        !knows_roles(f, g->except, g->except_count))
        return ERR_EVT_RECIPIENT;
    return grant_of(f, pb_borrow(slice_of(g->ref, ID_BYTES))) == NULL
               ? ERR_OK
               : ERR_CONFLICT;
}

static struct grant_terms terms(const struct facts *f, uint64_t now_ms)
{
    return (struct grant_terms){
        .now_ms = now_ms,
        .third = policy_third(f->policy),
        .longest_days = policy_limit(f->policy, "consent_longest"),
        .collector = f->sender->agency,
    };
}

/* Every decision about a person looks at all that was said, so there is an end
 * to it; a no has room when nothing else has. */
#define ENTRIES_MAX 1000
static bool no_room(const struct facts *f, const struct grant *g)
{
    return f->grant_count >=
           (g->kind == GRANT_REFUSED ? 2 * ENTRIES_MAX : ENTRIES_MAX);
}

/* Into the register, when its words are known. */
static void enter(const struct facts *f, enum err e, struct effects *fx)
{
    fx->refuse = e == ERR_OK ? check_words(f, &fx->grant) : e;
    if (fx->refuse == ERR_OK && no_room(f, &fx->grant))
        fx->refuse = ERR_LIM_REGISTER;
    if (fx->refuse == ERR_OK)
        fx->grant_change = GRANT_ADD;
}

static void start_on(struct effects *fx, enum deadline_kind kind, int64_t day,
                     uint64_t now_ms)
{
    uint64_t due = japan_day_begins((int32_t)day);
    if (due > now_ms)
        flow_start(fx, kind, due, fx->grant.ref);
}

static void start_terms(const struct facts *f, uint64_t now_ms,
                        struct effects *fx)
{
    int64_t remind = policy_limit(f->policy, "consent_reminder");
    int64_t paper = policy_limit(f->policy, "paper_after_oral");
    int64_t ends = (int64_t)fx->grant.to_day + 1;
    start_on(fx, DEADLINE_CONSENT_END, ends, now_ms);
    start_on(fx, DEADLINE_CONSENT_REMIND, ends - remind, now_ms);
    if (!fx->grant.paper)
        start_on(fx, DEADLINE_PAPER_DUE, japan_day(now_ms) + paper + 1, now_ms);
}

/* ref NULL: of every consent. */
static void stop_terms(struct effects *fx, const uint8_t *ref)
{
    flow_stop(fx, DEADLINE_CONSENT_END, ref);
    flow_stop(fx, DEADLINE_CONSENT_REMIND, ref);
    flow_stop(fx, DEADLINE_PAPER_DUE, ref);
}

/* Replaces what was said before for the same purpose by the same side. */
static enum err replace(const struct facts *f, ProtobufCBinaryData ref,
                        struct effects *fx)
{
    const struct grant *old = latest(f, grant_of(f, ref));
    if (old == NULL || strcmp(old->purpose, fx->grant.purpose) != 0 ||
        old->third != fx->grant.third)
        return ERR_VAL_CONSENT_SUPERSEDES;
    memcpy(fx->supersedes, old->ref, ID_BYTES);
    stop_terms(fx, old->ref);
    return ERR_OK;
}

static void give(const struct facts *f, const struct event *e, uint64_t now_ms,
                 struct effects *fx)
{
    const Pb__ConsentGiven *b = (const Pb__ConsentGiven *)e->body;
    struct grant_terms t = terms(f, now_ms);
    enter(f, grant_from_given(b, &t, &fx->grant), fx);
    if (fx->refuse == ERR_OK && b->has_supersedes)
        fx->refuse = replace(f, b->supersedes, fx);
    if (fx->refuse == ERR_OK)
        start_terms(f, now_ms, fx);
}

static void refuse(const struct facts *f, const struct event *e,
                   uint64_t now_ms, struct effects *fx)
{
    const Pb__ConsentRefused *b = (const Pb__ConsentRefused *)e->body;
    struct grant_terms t = terms(f, now_ms);
    enter(f, grant_from_refused(b, e->event_id.b, &t, &fx->grant), fx);
}

static void defer(const struct facts *f, const struct event *e, uint64_t now_ms,
                  struct effects *fx)
{
    const Pb__ConsentDeferred *b = (const Pb__ConsentDeferred *)e->body;
    struct grant_terms t = terms(f, now_ms);
    enter(f, grant_from_deferred(b, e->event_id.b, &t, &fx->grant), fx);
    if (fx->refuse == ERR_OK)
        start_on(fx, DEADLINE_ASK_AGAIN, fx->grant.to_day, now_ms);
}

/* A withdrawal that names nothing known is refused at once: taken for done, it
 * would leave a consent standing that the person believes ended. */
static void withdraw(const struct facts *f, const struct event *e,
                     uint64_t now_ms, struct effects *fx)
{
    const Pb__ConsentWithdrawn *b = (const Pb__ConsentWithdrawn *)e->body;
    (void)now_ms;
    if (b->all) {
        fx->grant_change = GRANT_WITHDRAW_ALL;
        stop_terms(fx, NULL);
        return;
    }
    const struct grant *g = latest(f, grant_of(f, b->consent_ref));
    if (!b->has_consent_ref)
        fx->refuse = ERR_VAL_REQUIRED;
    else if (g == NULL || g->kind != GRANT_GIVEN)
        fx->refuse = ERR_NOT_FOUND;
    if (fx->refuse != ERR_OK)
        return;
    fx->grant_change = GRANT_WITHDRAW;
    memcpy(fx->grant.ref, g->ref, ID_BYTES);
    stop_terms(fx, g->ref);
}

/* ---- places and protection ---- */

/* A place that is absent stays as it was. Any municipality of the country. */
static enum err take_place(const char *from, char to[6], bool *any)
{
    if (from == NULL || from[0] == '\0')
        return ERR_OK;
    enum err e = code_check_muni5(slice_str(from));
    if (e == ERR_OK)
        memcpy(to, from, 6);
    *any = true;
    return e;
}

static void record_places(const struct facts *f, const struct event *e,
                          uint64_t now_ms, struct effects *fx)
{
    const Pb__PersonPlacesRecorded *b =
        (const Pb__PersonPlacesRecorded *)e->body;
    bool any = false;
    (void)now_ms;
    fx->places = f->places;
    enum err err = take_place(b->resident, fx->places.resident, &any);
    if (err == ERR_OK)
        err = take_place(b->present, fx->places.present, &any);
    if (err == ERR_OK)
        err = take_place(b->shikyu, fx->places.shikyu, &any);
    if (err == ERR_OK)
        err = take_place(b->plan, fx->places.plan, &any);
    fx->refuse = err == ERR_OK && !any ? ERR_VAL_REQUIRED : err;
    if (fx->refuse == ERR_OK)
        fx->person_change = PERSON_PLACES;
}

static bool may_unprotect(const struct agency *a)
{
    return agency_has_role(a, "R_MUNI_W") || agency_has_role(a, "R_MUNI_H") ||
           agency_has_role(a, "R_HC");
}

static void protect(const struct facts *f, const struct event *e,
                    uint64_t now_ms, struct effects *fx)
{
    const Pb__AddressProtectionSet *b =
        (const Pb__AddressProtectionSet *)e->body;
    (void)now_ms;
    if (!b->has_on)
        fx->refuse = ERR_VAL_REQUIRED;
    else if (!b->on && !may_unprotect(f->sender->agency))
        fx->refuse = ERR_EVT_ROLE;
    if (fx->refuse != ERR_OK)
        return;
    fx->person_change = PERSON_PROTECT;
    fx->protect = b->on;
}

/* ---- which is which ---- */

static const struct {
    const ProtobufCMessageDescriptor *body;
    void (*act)(const struct facts *f, const struct event *e, uint64_t now_ms,
                struct effects *fx);
} ACTS[] = {
    {&pb__consent_given__descriptor, give},
    {&pb__consent_refused__descriptor, refuse},
    {&pb__consent_withdrawn__descriptor, withdraw},
    {&pb__consent_deferred__descriptor, defer},
    {&pb__person_places_recorded__descriptor, record_places},
    {&pb__address_protection_set__descriptor, protect},
};

bool person_event(const struct event *e)
{
    for (size_t i = 0; i < NELEM(ACTS); i++)
        if (e->schema->descriptor == ACTS[i].body)
            return true;
    return false;
}

void person_change(const struct facts *f, const struct event *e,
                   uint64_t now_ms, struct effects *fx)
{
    for (size_t i = 0; i < NELEM(ACTS); i++)
        if (e->schema->descriptor == ACTS[i].body)
            ACTS[i].act(f, e, now_ms, fx);
}

/* ---- deadlines ---- */

/* Asked again meanwhile, whatever the answer was. */
static bool asked_since(const struct facts *f, const struct grant *g)
{
    for (size_t i = 0; i < f->grant_count; i++)
        if (f->grants[i].leaf > g->leaf &&
            strcmp(f->grants[i].purpose, g->purpose) == 0)
            return true;
    return false;
}

/* What to tell whoever recorded it; 0: nothing any more. */
static uint32_t notice(const struct facts *f, const struct grant *g,
                       enum deadline_kind kind, uint32_t *reason)
{
    bool stands = g->kind == GRANT_GIVEN && !g->withdrawn && !g->superseded;
    *reason = 0;
    if (kind == DEADLINE_CONSENT_END)
        return stands ? EVENT_CONSENT_EXPIRED : 0;
    if (kind == DEADLINE_CONSENT_REMIND && stands)
        *reason = PB__REMINDER_REASON__ENDING;
    else if (kind == DEADLINE_PAPER_DUE && stands && !g->paper)
        *reason = PB__REMINDER_REASON__PAPER_DUE;
    else if (kind == DEADLINE_ASK_AGAIN && g->kind == GRANT_DEFERRED &&
             !asked_since(f, g))
        *reason = PB__REMINDER_REASON__ASK_AGAIN;
    return *reason != 0 ? EVENT_CONSENT_REMINDER : 0;
}

void person_due(const struct facts *f, enum deadline_kind kind,
                const uint8_t ref[ID_BYTES], struct effects *fx)
{
    const struct grant *g = grant_of(f, pb_borrow(slice_of(ref, ID_BYTES)));
    uint32_t reason, type = g == NULL ? 0 : notice(f, g, kind, &reason);
    if (type == 0)
        return;
    struct flow_in in = {.facts = f};
    size_t before = fx->hub_count;
    flow_tell(&in, fx, type, g->collector, g->purpose, g->ref);
    if (fx->hub_count > before)
        fx->hub[before].reason = reason;
}
