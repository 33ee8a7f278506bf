/* policy.c - one decision, class by class, from the compiled tables.
 *
 * First the question is turned into numbers; a word the policy does not know,
 * a clock that is off or a basis whose days are over denies all of it. Then
 * the rules that match are collected once per role of the recipient, and each
 * class goes down the layers until one speaks:
 *
 *   prohibit protect   a denial for good
 *   ceiling minimum    what the role may ever see, what the purpose needs
 *   law m106           do not ask the person
 *   (refusal)          the person said no, or took a consent back
 *   consent            a permit that needs a consent in force
 *   session life breakglass
 *
 * With several roles each is judged for itself, and the one that lets most
 * pass decides alone. But a prohibition that lists roles holds for whoever has
 * one of them, in whatever role it is served; one for everybody but some holds
 * unless the role served in is one of those. A consent or a refusal that
 * names a role speaks for that role only, so it is compared with the recipient
 * reduced to the role being looked at. Companion classes come last: under a
 * consent rule they pass with whatever that rule let pass. A class about third
 * persons passes by their own consent, any other by the person's.
 *
 * Some kinds of events tell something by their mere arrival (the table says
 * what). That is judged along with what was asked for, and unless all of it
 * may be told nothing is.
 *
 * A rule tied to a meeting or to a break-glass is cut to the classes those are
 * for before it is looked at: outside of them it does not even match.
 *
 * Nobody can tell from a decision or from its sentence whether a person
 * refused or was never asked. */
#include "hub/core/policy_table.h"
#include <assert.h>
#include <string.h>

/* One role the recipient may be served in. */
struct candidate {
    unsigned role;
    uint64_t ceiling;
    uint16_t rule[BUCKET_MAX];    /* that match, in the order of the file */
    uint64_t classes[BUCKET_MAX]; /* which each counts for here */
    size_t count;
    uint64_t speaks[LAYERS][2]; /* about which classes: denying, permitting */
    struct agency named;        /* the recipient with this role alone */
};
struct query {
    const struct policy *p;
    const struct policy_ask *ask;
    const struct bucket *bucket;
    uint16_t variant; /* 0: none */
    unsigned purpose;
    uint64_t held; /* every role of the recipient */
    uint64_t minimum, tells;
    uint64_t judged; /* asked for, and what the event tells by arriving */
    uint64_t session, glass; /* classes a meeting or a break-glass is for */
    int32_t day;
    struct candidate as[AGENCY_ROLES];
    size_t roles;
    struct decision *out; /* as one role, while it is judged */
};

static const struct class_verdict NOTHING = {
    .rule = NO_RULE, .grant = -1, .basis = ""};

/* ---- the question --------------------------------------------------------*/

static enum err understand_event(struct query *q)
{
    const struct symbol *e = policy_symbol(q->p, SYMBOL_EVENT, q->ask->event);
    const struct symbol *u =
        policy_symbol(q->p, SYMBOL_PURPOSE, q->ask->purpose);
    if (e == NULL)
        return ERR_EVT_TYPE;
    if (u == NULL)
        return ERR_EVT_PURPOSE;
    q->bucket = &q->p->bucket[e->index];
    q->purpose = u->index;
    q->minimum = q->p->minimum[e->index][u->index];
    q->tells = q->p->tells[e->index][u->index];
    q->judged = q->ask->classes == 0 ? 0 : q->ask->classes | q->tells;
    if (q->ask->variant == NULL || q->ask->variant[0] == '\0')
        return ERR_OK;
    const struct symbol *v =
        policy_symbol(q->p, SYMBOL_VARIANT, q->ask->variant);
    if (v == NULL || (uint16_t)(v->index - q->bucket->variant_first) >=
                         q->bucket->variant_count)
        return ERR_EVT_TYPE;
    q->variant = v->index;
    return ERR_OK;
}

static enum err add_role(struct query *q, const char *role)
{
    const struct symbol *s = policy_symbol(q->p, SYMBOL_ROLE, role);
    if (s == NULL)
        return ERR_EVT_RECIPIENT;
    struct candidate *c = &q->as[q->roles++];
    c->role = s->index;
    c->ceiling = q->p->ceiling[s->index];
    c->count = 0;
    memset(c->speaks, 0, sizeof(c->speaks));
    if (q->ask->grant_count > 0) {
        c->named = *q->ask->recipient;
        memset(c->named.role, 0, sizeof(c->named.role));
        memcpy(c->named.role[0], s->code, strlen(s->code) + 1);
    }
    return ERR_OK;
}

static enum err note_held(struct query *q)
{
    const struct agency *a = q->ask->recipient;
    for (size_t i = 0; i < AGENCY_ROLES && a->role[i][0] != '\0'; i++) {
        const struct symbol *s = policy_symbol(q->p, SYMBOL_ROLE, a->role[i]);
        if (s == NULL)
            return ERR_EVT_RECIPIENT;
        q->held |= (uint64_t)1 << s->index;
    }
    return q->held == 0 ? ERR_EVT_RECIPIENT : ERR_OK;
}

/* A role that the agency does not have is as unknown as one nobody has. */
static enum err understand_roles(struct query *q)
{
    const struct agency *a = q->ask->recipient;
    enum err e = note_held(q);
    if (e == ERR_OK && q->ask->role != NULL)
        return agency_has_role(a, q->ask->role) ? add_role(q, q->ask->role)
                                                : ERR_EVT_RECIPIENT;
    for (size_t i = 0; e == ERR_OK && i < AGENCY_ROLES && a->role[i][0] != '\0';
         i++)
        e = add_role(q, a->role[i]);
    return e;
}

static bool matches(const struct query *q, const struct rule *r, unsigned role)
{
    unsigned is = q->ask->predicates;
    uint64_t as = r->whoever ? q->held : (uint64_t)1 << role;
    return (r->purposes >> q->purpose & 1) && (r->roles & as) != 0 &&
           (r->requires & ~is) == 0 && (r->unless & is) == 0 &&
           r->from_day <= q->day && q->day <= r->to_day;
}

/* The classes in question that the rule counts for. */
static uint64_t counts_for(const struct query *q, const struct rule *r)
{
    uint64_t asked = r->classes & q->judged, only = asked;
    if (r->by_session)
        only &= q->session;
    if (r->by_glass)
        only &= q->glass;
    bool more = (only & ~q->p->companions) != 0;
    return more ? only | (asked & q->p->companions) : only;
}

static bool basis_stands(const struct query *q, const struct rule *r)
{
    if (r->basis == NO_BASIS)
        return true;
    const struct basis *b = &q->p->basis[r->basis];
    return b->from_day <= q->day && q->day <= b->to_day;
}

/* One matching rule on a basis that is over makes the whole question
 * undecidable: which layer would have spoken is not known any more. */
static enum err collect(const struct query *q, struct candidate *c)
{
    for (uint32_t i = 0; i < q->bucket->count; i++) {
        const struct rule_use *u = &q->p->use[q->bucket->first + i];
        const struct rule *r = &q->p->rule[u->rule];
        uint64_t classes = counts_for(q, r);
        if ((u->variant != 0 && u->variant != q->variant) || classes == 0 ||
            !matches(q, r, c->role))
            continue;
        if (!basis_stands(q, r))
            return ERR_POL_EXPIRED;
        c->speaks[r->layer][r->permit] |= classes;
        c->classes[c->count] = classes;
        c->rule[c->count++] = u->rule;
    }
    return ERR_OK;
}

static enum err understand(struct query *q)
{
    if (!q->ask->clock_ok)
        return ERR_POL_CLOCK;
    if ((q->ask->classes & ~q->p->known) != 0)
        return ERR_EVT_CLASS;
    q->day = japan_day(q->ask->now_ms);
    if (q->ask->predicates & PRED_SESSION)
        q->session = q->ask->session_classes;
    if (q->ask->predicates & PRED_BREAKGLASS)
        q->glass = q->ask->glass_classes;
    enum err e = understand_event(q);
    if (e == ERR_OK)
        e = understand_roles(q);
    for (size_t i = 0; e == ERR_OK && i < q->roles; i++)
        e = collect(q, &q->as[i]);
    return e;
}

/* ---- one class -----------------------------------------------------------*/

/* The first rule of a layer with that effect on the class. */
static uint16_t spoken(const struct query *q, const struct candidate *c,
                       enum layer layer, bool permit, uint64_t bit)
{
    if ((c->speaks[layer][permit] & bit) == 0)
        return NO_RULE;
    for (size_t i = 0; i < c->count; i++) {
        const struct rule *r = &q->p->rule[c->rule[i]];
        if (r->layer == layer && r->permit == permit && (c->classes[i] & bit))
            return c->rule[i];
    }
    return NO_RULE;
}

static void permit(const struct query *q, struct class_verdict *v,
                   uint16_t rule, int grant)
{
    v->permit = true;
    v->rule = rule;
    v->grant = (int16_t)grant;
    v->basis = q->p->basis[q->p->rule[rule].basis].code;
}

/* True when the layer speaks, whatever it says. */
static bool layer_speaks(const struct query *q, const struct candidate *c,
                         enum layer layer, uint64_t bit,
                         struct class_verdict *v)
{
    uint16_t r = spoken(q, c, layer, false, bit);
    if (r != NO_RULE) {
        v->rule = r;
        return true;
    }
    r = spoken(q, c, layer, true, bit);
    if (r != NO_RULE)
        permit(q, v, r, -1);
    return r != NO_RULE;
}

/* The consent of a class that passed by this rule; -1: none did. */
static int grant_of(const struct query *q, uint16_t rule)
{
    for (unsigned i = 0; i < CLASS_MAX; i++) {
        const struct class_verdict *v = &q->out->of[i];
        if (v->permit && v->rule == rule && v->grant >= 0)
            return v->grant;
    }
    return -1;
}

/* A companion class goes along with whatever the same rule let pass. */
static bool goes_along(const struct query *q, const struct candidate *c,
                       uint64_t bit, struct class_verdict *v)
{
    for (size_t i = 0; i < c->count; i++) {
        const struct rule *r = &q->p->rule[c->rule[i]];
        if (r->layer != LAYER_CONSENT || !r->permit ||
            (c->classes[i] & bit) == 0)
            continue;
        int g = grant_of(q, c->rule[i]);
        if (g < 0)
            continue;
        permit(q, v, c->rule[i], g);
        return true;
    }
    return false;
}

static bool consent_speaks(const struct query *q, const struct candidate *c,
                           unsigned cls, struct class_verdict *v)
{
    const struct policy_ask *a = q->ask;
    uint64_t bit = class_bit(cls);
    uint16_t r = spoken(q, c, LAYER_CONSENT, false, bit);
    if (r != NO_RULE) {
        v->rule = r;
        return true;
    }
    r = spoken(q, c, LAYER_CONSENT, true, bit);
    if (r == NO_RULE || a->grant_count == 0)
        return false;
    int g = consent_covering(a->grants, a->grant_count, &c->named, a->purpose,
                             cls, (q->p->third & bit) != 0, a->now_ms);
    if (g >= 0)
        permit(q, v, r, g);
    return g >= 0 ||
           ((q->p->companions & bit) != 0 && goes_along(q, c, bit, v));
}

static bool refused(const struct query *q, const struct candidate *c,
                    unsigned cls, struct class_verdict *v)
{
    const struct policy_ask *a = q->ask;
    if (a->grant_count == 0)
        return false;
    bool third = (q->p->third & class_bit(cls)) != 0;
    int g = consent_refusing(a->grants, a->grant_count, &c->named, a->purpose,
                             cls, third, a->now_ms);
    if (g >= 0)
        v->grant = (int16_t)g;
    return g >= 0;
}

/* The layers below the prohibitions, for one role. */
static struct class_verdict judge_as(const struct query *q,
                                     const struct candidate *c, unsigned cls)
{
    static const enum layer LAST[] = {LAYER_SESSION, LAYER_LIFE,
                                      LAYER_BREAKGLASS};
    struct class_verdict v = NOTHING;
    uint64_t bit = class_bit(cls);
    if ((bit & c->ceiling & q->minimum) == 0)
        return v;
    if (layer_speaks(q, c, LAYER_LAW, bit, &v) ||
        layer_speaks(q, c, LAYER_M106, bit, &v) || refused(q, c, cls, &v) ||
        consent_speaks(q, c, cls, &v))
        return v;
    for (size_t i = 0; i < NELEM(LAST); i++)
        if (layer_speaks(q, c, LAST[i], bit, &v))
            return v;
    return v;
}

static void judge(struct query *q, const struct candidate *c, unsigned cls)
{
    struct class_verdict *v = &q->out->of[cls];
    for (enum layer l = LAYER_PROHIBIT; l <= LAYER_PROTECT; l++) {
        v->rule = spoken(q, c, l, false, class_bit(cls));
        if (v->rule != NO_RULE)
            return;
    }
    *v = judge_as(q, c, cls);
    if (v->permit)
        q->out->released |= class_bit(cls);
}

static void judge_all(struct query *q, const struct candidate *c,
                      uint64_t classes)
{
    for (; classes != 0; classes &= classes - 1)
        judge(q, c, (unsigned)__builtin_ctzll(classes));
}

/* ---- the decision --------------------------------------------------------*/

static void deny_all(const struct policy_ask *ask, struct decision *out)
{
    memset(out, 0, sizeof(*out));
    out->asked = ask->classes;
    out->any_role = ask->role == NULL;
    out->predicates = ask->predicates;
    out->session_classes = ask->session_classes;
    out->glass_classes = ask->glass_classes;
    for (size_t i = 0; i < CLASS_MAX; i++)
        out->of[i] = NOTHING;
}

/* As if no rule had let it pass. */
static void take_back(struct decision *d, uint64_t classes)
{
    for (; classes != 0; classes &= classes - 1)
        d->of[__builtin_ctzll(classes)] = NOTHING;
}

/* An event tells some things by its mere arrival: unless all of them may be
 * told, none of it goes, and it looks like want of a ground. */
static void keep_silent(struct query *q)
{
    struct decision *d = q->out;
    if ((q->tells & ~d->released) != 0) {
        take_back(d, d->released);
        d->released = 0;
    }
    take_back(d, q->judged & ~d->asked);
    d->released &= d->asked;
}

static void decide_as(struct query *q, const struct candidate *c)
{
    struct decision *d = q->out;
    const struct policy_ask *a = q->ask;
    judge_all(q, c, q->judged & ~q->p->companions);
    judge_all(q, c, q->judged & q->p->companions);
    keep_silent(q);
    d->withheld = d->asked & c->ceiling & ~d->released;
    if (d->released == 0 && a->role == NULL)
        return;
    const char *role =
        a->role != NULL ? a->role : a->recipient->role[c - q->as];
    memcpy(d->role, role, strlen(role) + 1);
}

/* Nothing is released in either role: each denial that says more counts. */
static void join_denials(struct decision *best, const struct decision *one)
{
    best->withheld |= one->withheld;
    for (unsigned c = 1; c < CLASS_MAX; c++)
        if (best->of[c].rule == NO_RULE && best->of[c].grant < 0)
            best->of[c] = one->of[c];
}

/* In one role: the one that lets most pass, the first of them. A decision
 * joined from several could not say whose ceiling it kept to. */
static void decide_best(struct query *q)
{
    struct decision *best = q->out, one;
    decide_as(q, &q->as[0]);
    for (size_t i = 1; i < q->roles; i++) {
        q->out = &one;
        deny_all(q->ask, &one);
        decide_as(q, &q->as[i]);
        if (__builtin_popcountll(one.released) >
            __builtin_popcountll(best->released))
            *best = one;
        else if (best->released == 0)
            join_denials(best, &one);
    }
}

void policy_decide(const struct policy *p, const struct policy_ask *ask,
                   struct decision *out)
{
    assert(p != NULL && ask != NULL && out != NULL);
    assert(ask->recipient != NULL && ask->event != NULL);
    assert(ask->purpose != NULL);
    assert(ask->grants != NULL || ask->grant_count == 0);
    struct query q;
    q.p = p;
    q.ask = ask;
    q.variant = 0;
    q.session = q.glass = 0;
    q.roles = 0;
    q.held = 0;
    q.out = out;
    deny_all(ask, out);
    out->error = understand(&q);
    if (out->error == ERR_OK)
        decide_best(&q);
}
