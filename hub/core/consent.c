/* consent.c - consents and refusals as plain values, and which of them speaks.
 *
 * A grant is read from its event once (consent_read.c) and then only compared:
 * first masks and days, then the purpose, last the recipients, because a
 * decision asks for every class of an event. Days are counted in Japan: a
 * consent ends with its last day at midnight there, wherever the hub's clock
 * thinks it is.
 *
 * A withdrawn consent refuses exactly what it had covered: its purpose, its
 * recipients, its classes and its days. When those days are over it is silent
 * again, so that an old paper replaced by a newer one cannot stand in the way
 * of a rescue years later. A refusal has no last day and cannot be taken back:
 * anyone connected may record a withdrawal, "of every consent" too, and that
 * must never open anything. Only a later consent answers it. A no counts from
 * the moment it was said, so that a consent given before a withdrawal does not
 * undo it, and only a later one does.
 *
 * Two sides are kept apart: the person's, and that of third persons, whose
 * consent alone covers data about them. It covers nothing unless the person,
 * too, let the recipient be told something for the purpose: a relative cannot
 * make the hub tell that it knows the person. */
#include "hub/core/consent.h"
#include "proto/wire/schema.h"
#include <assert.h>
#include <string.h>

static bool on_day(const struct grant *g, int32_t day)
{
    return g->from_day <= day && day <= g->to_day;
}

bool grant_in_force(const struct grant *g, uint64_t now_ms)
{
    return g->kind == GRANT_GIVEN && !g->withdrawn && !g->superseded &&
           on_day(g, japan_day(now_ms));
}

size_t grants_at(const struct grant *all, size_t n, uint64_t leaf,
                 struct grant *out)
{
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        if (all[i].leaf >= leaf)
            continue;
        struct grant *g = &out[kept++];
        *g = all[i];
        g->withdrawn = g->withdrawn && g->withdrawn_leaf < leaf;
        g->superseded = g->superseded && g->until_leaf < leaf;
        if (!g->withdrawn)
            g->withdrawn_leaf = 0;
        if (!g->superseded)
            g->until_leaf = 0;
    }
    return kept;
}

static bool recipient_is(const struct grant_recipient *to,
                         const struct agency *a)
{
    if (to->agency[0] != '\0')
        return strcmp(to->agency, a->code) == 0;
    return agency_has_role(a, to->role) && agency_serves(a, to->place);
}

bool grant_names(const struct grant *g, const struct agency *a)
{
    for (size_t i = 0; i < g->except_count; i++)
        if (recipient_is(&g->except[i], a))
            return false;
    if (g->to_count == 0)
        return g->kind == GRANT_REFUSED;
    for (size_t i = 0; i < g->to_count; i++)
        if (recipient_is(&g->to[i], a))
            return true;
    return false;
}

static bool holds_class(const struct grant *g, unsigned cls)
{
    if (g->classes == 0)
        return g->kind == GRANT_REFUSED;
    return (g->classes & class_bit(cls)) != 0;
}

/* Whether g is about this at all, whatever it says and whenever. */
static bool about(const struct grant *g, const struct agency *a,
                  const char *purpose, unsigned cls)
{
    return holds_class(g, cls) && strcmp(g->purpose, purpose) == 0 &&
           grant_names(g, a);
}

/* The person's side lets the recipient be told anything at all for it. */
static bool person_names(const struct grant *g, size_t n,
                         const struct agency *a, const char *purpose,
                         uint64_t now_ms)
{
    for (size_t i = 0; i < n; i++)
        if (!g[i].third && grant_in_force(&g[i], now_ms) &&
            strcmp(g[i].purpose, purpose) == 0 && grant_names(&g[i], a))
            return true;
    return false;
}

int consent_covering(const struct grant *g, size_t n, const struct agency *a,
                     const char *purpose, unsigned cls, bool third,
                     uint64_t now_ms)
{
    if (third && !person_names(g, n, a, purpose, now_ms))
        return -1;
    for (size_t i = 0; i < n; i++)
        if (g[i].third == third && grant_in_force(&g[i], now_ms) &&
            about(&g[i], a, purpose, cls))
            return (int)i;
    return -1;
}

/* A refusal, or a consent taken back. */
static bool says_no(const struct grant *g, int32_t day)
{
    bool no =
        g->kind == GRANT_REFUSED || (g->kind == GRANT_GIVEN && g->withdrawn);
    return no && !g->superseded && on_day(g, day);
}

/* When the no was said: for a consent, when it was taken back. */
static uint64_t no_leaf(const struct grant *g)
{
    bool later = g->kind == GRANT_GIVEN && g->withdrawn_leaf > g->leaf;
    return later ? g->withdrawn_leaf : g->leaf;
}

/* What is asked about a class, for one recipient. */
struct matter {
    const struct agency *a;
    const char *purpose;
    unsigned cls;
    bool third;
    uint64_t now_ms;
};

/* A person cannot consent for a third. So where the person had refused all of
 * it, any later consent of theirs for the purpose to the recipient answers
 * that refusal for a third's data too; the third is asked all the same. */
static bool answers(const struct grant *yes, const struct grant *no,
                    const struct matter *m)
{
    if (yes->third != no->third)
        return false;
    if (m->third && !no->third && no->classes == 0)
        return strcmp(yes->purpose, m->purpose) == 0 && grant_names(yes, m->a);
    return about(yes, m->a, m->purpose, m->cls);
}

static bool answered(const struct grant *g, size_t n, const struct grant *no,
                     const struct matter *m)
{
    for (size_t i = 0; i < n; i++)
        if (g[i].leaf > no_leaf(no) && grant_in_force(&g[i], m->now_ms) &&
            answers(&g[i], no, m))
            return true;
    return false;
}

int consent_refusing(const struct grant *g, size_t n, const struct agency *a,
                     const char *purpose, unsigned cls, bool third,
                     uint64_t now_ms)
{
    struct matter m = {a, purpose, cls, third, now_ms};
    int32_t day = japan_day(now_ms);
    for (size_t i = 0; i < n; i++)
        if (says_no(&g[i], day) && (third || !g[i].third) &&
            about(&g[i], a, purpose, cls) && !answered(g, n, &g[i], &m))
            return (int)i;
    return -1;
}
