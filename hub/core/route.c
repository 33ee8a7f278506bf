/* route.c - who is meant, and what each of them may have.
 *
 * In two halves with the workflow between them: first the wishes of the sender
 * become agencies (the workflow needs to know them, to compare a confirmation
 * with its offer), then each agency is decided for, with the case as the
 * workflow leaves it (so that the one provider confirmed is already known).
 *
 * A wish by role at a place means everyone with the role there. A wish by role
 * alone means the authority that the policy's function names for the person,
 * where one speaks, and else those whom the person's consents name. Who is
 * found so and may have nothing is not told to the sender: it would learn where
 * the person lives, or who supports the person.
 *
 * A header signed by a medical institution says by itself that a hospital is
 * involved. Whoever may not know that gets an event of the hub's own instead,
 * if the type has one, and otherwise nothing. */
#include "hub/core/route.h"
#include "hub/core/flow.h"
#include <stdio.h>
#include <string.h>

static const char *text(const char *s)
{
    return s != NULL ? s : "";
}

/* ---- from wishes to agencies ---- */

/* One wish, checked. */
struct wish {
    const struct agency *agency; /* NULL: by role */
    const char *role, *place, *purpose;
};

/* Somebody found by the hub, whom the sender has not named. */
static bool found(const struct wish *w, const struct agency *a)
{
    return a != NULL && w->agency == NULL && w->place[0] == '\0';
}

static void add(struct effects *fx, const struct wish *w,
                const struct agency *a)
{
    for (size_t i = 0; i < fx->to_count; i++)
        if (fx->to[i].agency == a &&
            strcmp(fx->to[i].purpose, w->purpose) == 0 &&
            (a != NULL || strcmp(fx->to[i].role, w->role) == 0)) {
            fx->to[i].found = fx->to[i].found && found(w, a);
            return;
        }
    if (fx->to_count == MAX_RECIPIENTS) {
        fx->refuse = ERR_EVT_RECIPIENT;
        return;
    }
    struct recipient *r = &fx->to[fx->to_count++];
    memset(r, 0, sizeof(*r));
    r->agency = a;
    r->why = ERR_POL_NONE;
    r->found = found(w, a);
    snprintf(r->role, sizeof(r->role), "%s", w->role);
    snprintf(r->wanted, sizeof(r->wanted), "%s", w->role);
    snprintf(r->purpose, sizeof(r->purpose), "%s", w->purpose);
}

/* A role that the vocabulary has so that it can be denied, and nobody holds:
 * police and justice. The wish has a refusal of its own, since it is asked for
 * by mistake rather than by misspelling. */
static bool prohibited(const struct policy *p, const char *role)
{
    for (size_t i = 0; i < policy_count(p, POLICY_ROLE); i++)
        if (strcmp(policy_code(p, POLICY_ROLE, i), role) == 0)
            return !policy_knows_role(p, role);
    return false;
}

static enum err read_wish(const struct facts *f, const Pb__Wanted *in,
                          struct wish *w)
{
    const char *code = text(in->agency);
    *w =
        (struct wish){NULL, text(in->role), text(in->place), text(in->purpose)};
    if (w->purpose[0] == '\0' || !policy_knows_purpose(f->policy, w->purpose))
        return ERR_EVT_PURPOSE;
    if (w->role[0] != '\0' && !policy_knows_role(f->policy, w->role))
        return prohibited(f->policy, w->role) ? ERR_POL_PROHIBITED
                                              : ERR_EVT_RECIPIENT;
    if (w->place[0] != '\0' && code_check_muni5(slice_str(w->place)) != ERR_OK)
        return ERR_EVT_RECIPIENT;
    if (code[0] == '\0')
        return w->role[0] != '\0' ? ERR_OK : ERR_EVT_RECIPIENT;
    w->agency = registry_agency(f->registry, code);
    if (w->agency == NULL ||
        (w->role[0] != '\0' && !agency_has_role(w->agency, w->role)) ||
        (w->place[0] != '\0' && !agency_serves(w->agency, w->place)))
        return ERR_EVT_RECIPIENT;
    return ERR_OK;
}

/* Every agency with the role that serves the place; those a consent excepts
 * left out (g may be NULL). False: there is none. */
static bool add_serving(const struct facts *f, const struct wish *w,
                        const char *place, const struct grant *g,
                        struct effects *fx)
{
    bool any = false;
    for (size_t i = 0; i < registry_agency_count(f->registry); i++) {
        const struct agency *a = registry_agency_at(f->registry, i);
        if (!agency_has_role(a, w->role) || !agency_serves(a, place) ||
            (g != NULL && !grant_names(g, a)))
            continue;
        add(fx, w, a);
        any = true;
    }
    return any;
}

/* Those whom a consent in force names for the purpose. A refusal is not
 * looked at: it must read like a person nobody knows (I-13). */
static bool add_named(const struct facts *f, const struct wish *w,
                      const struct grant *g, const struct grant_recipient *to,
                      struct effects *fx)
{
    if (to->agency[0] == '\0')
        return strcmp(to->role, w->role) == 0 &&
               add_serving(f, w, to->place, g, fx);
    const struct agency *a = registry_agency(f->registry, to->agency);
    if (a == NULL || !agency_has_role(a, w->role) || !grant_names(g, a))
        return false;
    add(fx, w, a);
    return true;
}

static bool add_consented(const struct facts *f, const struct wish *w,
                          uint64_t now_ms, struct effects *fx)
{
    bool any = false;
    for (size_t i = 0; i < f->grant_count; i++) {
        const struct grant *g = &f->grants[i];
        if (g->third || strcmp(g->purpose, w->purpose) != 0 ||
            !grant_in_force(g, now_ms))
            continue;
        for (size_t j = 0; j < g->to_count; j++)
            any = add_named(f, w, g, &g->to[j], fx) || any;
    }
    return any;
}

static const struct agency *from_agency(const struct facts *f)
{
    return f->sender != NULL ? f->sender->agency : NULL;
}

static bool add_authority(const struct facts *f, const struct wish *w,
                          const char *event, struct effects *fx)
{
    const struct agency *a[MAX_RECIPIENTS];
    struct authority_ask ask = {f->policy,      f->registry, &f->places,
                                from_agency(f), event,       w->purpose,
                                w->role};
    size_t n = authority_agencies(&ask, a, NELEM(a));
    for (size_t i = 0; i < n; i++)
        add(fx, w, a[i]);
    return n > 0;
}

static void expand(const struct facts *f, const struct wish *w,
                   const char *event, uint64_t now_ms, struct effects *fx)
{
    bool any;
    if (w->place[0] != '\0')
        any = add_serving(f, w, w->place, NULL, fx);
    else if (policy_function(f->policy, event, w->purpose, w->role) != NULL)
        any = add_authority(f, w, event, fx);
    else
        any = add_consented(f, w, now_ms, fx);
    if (!any)
        add(fx, w, NULL);
}

void route_meant(const struct facts *f, const struct event *e, uint64_t now_ms,
                 struct effects *fx)
{
    for (size_t i = 0; i < e->routing->n_to && fx->refuse == ERR_OK; i++) {
        struct wish w;
        fx->refuse = read_wish(f, e->routing->to[i], &w);
        if (fx->refuse != ERR_OK)
            return;
        if (w.agency != NULL)
            add(fx, &w, w.agency);
        else
            expand(f, &w, e->schema->event_name, now_ms, fx);
    }
}

/* ---- predicates ---- */

/* A medical institution's number: prefecture (2), then 1 for a hospital or
 * clinic (3 dental, 4 pharmacy, 6 home-visit nursing). */
#define MEDICAL "MI-"
static bool is_hospital(const struct agency *a)
{
    size_t n = strlen(MEDICAL);
    return strncmp(a->code, MEDICAL, n) == 0 && strlen(a->code) > n + 2 &&
           a->code[n + 2] == '1';
}

/* The measure is ordered by the governor, in a designated city by its mayor:
 * the upper government of the place where the hospital stands. */
static bool same_government(const struct registry *r, const struct agency *from,
                            const struct agency *to)
{
    if (from == NULL || !is_hospital(from))
        return false;
    const struct municipality *m = registry_upper(r, from->place[0]);
    return m != NULL && strcmp(m->muni5, to->government) == 0;
}

/* That government passes this event on by an arrangement of its own. */
static bool enabled(const struct registry *r, const struct agency *from,
                    const char *event)
{
    const struct municipality *m =
        from == NULL ? NULL : registry_upper(r, from->place[0]);
    return m != NULL && municipality_enabled(m, event);
}

static bool supports(const struct facts *f, const Pb__CaseState *s,
                     const struct agency *a, uint64_t now_ms)
{
    for (size_t i = 0; i < f->grant_count; i++)
        if (!f->grants[i].third && grant_in_force(&f->grants[i], now_ms) &&
            grant_names(&f->grants[i], a))
            return true;
    return case_member(s, a->code);
}

/* ---- decisions ---- */

/* Who acts: the sender, or for an event of the hub's own whoever runs the case
 * that it is about. */
static const struct agency *acting(const struct facts *f)
{
    if (f->sender != NULL || f->state == NULL || f->state->owner == NULL)
        return from_agency(f);
    return registry_agency(f->registry, f->state->owner);
}

static bool responsible_as(const struct facts *f, const struct question *q,
                           const char *role)
{
    struct authority_ask ask = {f->policy, f->registry,         &f->places,
                                acting(f), q->type->event_name, q->purpose,
                                role};
    return authority_is(&ask, q->to);
}

/* The authority its function means. When no role is wanted, in every role for
 * which a function speaks: a guess in its favour would be a disclosure. */
static bool responsible(const struct facts *f, const struct question *q)
{
    if (text(q->role)[0] != '\0')
        return responsible_as(f, q, q->role);
    for (size_t i = 0; i < AGENCY_ROLES && q->to->role[i][0] != '\0'; i++)
        if (!responsible_as(f, q, q->to->role[i]))
            return false;
    return true;
}

/* Pledged in an open meeting. */
static bool in_session(const struct facts *f, const struct question *q)
{
    return f->state != NULL && !f->state->closed &&
           case_pledged(f->state, q->to->code);
}

/* Facts that hold for some classes only. */
static void ask_sessions(const struct facts *f, const struct question *q,
                         uint64_t now_ms, struct policy_ask *ask)
{
    struct glass_way way = {
        .event = q->type->event, .to = q->to->code, .reader = q->reader};
    if (f->sender != NULL)
        way.from = f->sender->agency->code;
    if (in_session(f, q)) {
        ask->predicates |= PRED_SESSION;
        ask->session_classes =
            f->state->session_classes | class_bit(PB__DATA_CLASS__G_MEET);
    }
    if (glass_between(f->glass, f->glass_count, &way, now_ms,
                      &ask->glass_classes) != NULL)
        ask->predicates |= PRED_BREAKGLASS;
}

static unsigned predicates(const struct facts *f, const struct question *q,
                           uint64_t now_ms)
{
    const struct agency *from = acting(f), *to = q->to;
    const Pb__CaseState *s = f->state;
    unsigned p = f->address_protected ? PRED_ADDRESS_PROTECTED : 0;
    if (s != NULL && s->chosen != NULL && strcmp(s->chosen, to->code) == 0)
        p |= PRED_CHOSEN;
    if (s != NULL && s->unable)
        p |= PRED_UNABLE_TO_CONSENT;
    if (case_member(s, to->code))
        p |= PRED_ASKED;
    if (supports(f, s, to, now_ms))
        p |= PRED_EXISTING;
    if (same_government(f->registry, from, to))
        p |= PRED_SAME_GOVERNMENT;
    if (enabled(f->registry, from, q->type->event_name))
        p |= PRED_ENABLED_BY_PREFECTURE;
    if (responsible(f, q))
        p |= PRED_RESPONSIBLE;
    return p;
}

static void decide(const struct facts *f, const struct question *q,
                   uint64_t now_ms, struct decision *out)
{
    struct policy_ask ask = {
        .event = q->type->event_name,
        .variant = text(q->variant),
        .purpose = q->purpose,
        .recipient = q->to,
        .role = text(q->role)[0] != '\0' ? q->role : NULL,
        .classes = q->present,
        .predicates = predicates(f, q, now_ms),
        .grants = f->grants,
        .grant_count = f->grant_count,
        .now_ms = now_ms,
        .clock_ok = f->clock_ok,
    };
    ask_sessions(f, q, now_ms, &ask);
    policy_decide(f->policy, &ask, out);
}

/* The answer to a question at night: only to the one who asked this hospital by
 * name (glass.c), and so knows already. */

/* The signed header of this sender (NULL: the hub) may not reach this role. It
 * tells of a hospital, and with the person's data it would tell of an
 * admission. */
static bool hides(const struct policy *p, const struct agency *from,
                  const struct schema_message *type, const char *role)
{
    return from != NULL && type->event != EVENT_CARE_ANSWERED &&
           !flow_about_nobody(type->event) && is_hospital(from) &&
           (policy_ceiling(p, role) & class_bit(PB__DATA_CLASS__G_ADM)) == 0;
}

static bool header_hidden(const struct facts *f,
                          const struct schema_message *type, const char *role)
{
    return hides(f->policy, from_agency(f), type, role);
}

static void deny(struct decision *d)
{
    d->error = ERR_POL_NONE;
    d->released = 0;
    d->withheld = 0;
    for (size_t i = 0; i < CLASS_MAX; i++)
        d->of[i] = (struct class_verdict){false, NO_RULE, -1, ""};
}

/* The hub's own event in place of the sender's: decided as what it is. False
 * when the type has none, or this recipient may have nothing of it. */
static bool decide_reissue(const struct facts *f, struct question q,
                           uint64_t now_ms, struct decision *out)
{
    q.type = schema_event(q.type->reissue_as);
    if (q.type == NULL)
        return false;
    q.variant = "";
    q.present &= q.type->class_mask;
    decide(f, &q, now_ms, out);
    out->decided_as = q.type->event;
    return out->released != 0 && header_hidden(f, q.type, out->role);
}

static void decide_one(const struct facts *f, const struct question *q,
                       uint64_t now_ms, struct recipient *r)
{
    struct decision *d = &r->decision, own;
    decide(f, q, now_ms, d);
    bool passes = d->released != 0;
    bool hidden = passes && header_hidden(f, q->type, d->role);
    if (!passes || hidden)
        r->reissue = decide_reissue(f, *q, now_ms, &own);
    if (r->reissue)
        *d = own;
    else if (hidden)
        deny(d);
    if (d->role[0] != '\0')
        memcpy(r->role, d->role, sizeof(r->role));
    r->why = d->error;
    if (d->error == ERR_OK && d->released == 0)
        r->why = ERR_POL_NONE;
}

/* Not a plain no: nobody is there, or deciding failed. Whom consents name is
 * never told, so a wish that only they could answer is a plain no. */
static bool wants_person(const struct facts *f, const struct event *e,
                         const struct recipient *r)
{
    if (r->agency != NULL)
        return r->why != ERR_OK && r->why != ERR_POL_NONE;
    if (policy_function(f->policy, e->schema->event_name, r->purpose,
                        r->role) != NULL)
        return true;
    for (size_t i = 0; i < e->routing->n_to; i++)
        if (strcmp(text(e->routing->to[i]->role), r->role) == 0 &&
            text(e->routing->to[i]->place)[0] != '\0')
            return true;
    return false;
}

void route_decide(const struct facts *f, const struct event *e, uint64_t now_ms,
                  struct effects *fx)
{
    struct facts then = *f; /* with the case as it will be */
    bool reached = false, person = false;
    if (fx->state != NULL)
        then.state = fx->state;
    for (size_t i = 0; i < fx->to_count; i++) {
        struct recipient *r = &fx->to[i];
        struct question q = {e->schema,  e->variant, r->agency, r->role,
                             r->purpose, e->present, NULL};
        if (r->agency != NULL)
            decide_one(&then, &q, now_ms, r);
        reached = reached || r->why == ERR_OK;
        person = person || wants_person(f, e, r);
    }
    fx->park = person && !reached;
}

void step_again(const struct facts *f, const struct question *q,
                uint64_t now_ms, struct decision *out)
{
    decide(f, q, now_ms, out);
    if (out->released != 0 && header_hidden(f, q->type, out->role))
        deny(out);
}

void route_again(const struct policy *p, const struct policy_ask *ask,
                 const struct schema_message *type, bool reissued,
                 const struct agency *from, struct decision *out)
{
    policy_decide(p, ask, out);
    if (reissued)
        out->decided_as = type->event;
    if (out->released != 0 && hides(p, from, type, out->role) != reissued)
        deny(out);
}
