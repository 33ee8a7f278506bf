/* authority.c - from a function and a place to the agencies that act.
 *
 * The policy says, for an event, a purpose and a role, which of the person's
 * places counts (or the sender's) and which government acts for a place of
 * each kind: its own, the prefecture's, or none. Here that is looked up and
 * compared with what the register says of the agencies: one acts when it has
 * the role, belongs to that government and serves the place. */
#include "hub/core/authority.h"
#include <assert.h>
#include <string.h>

/* The place behind one word of the policy; "" when it is not known. */
static const char *place_named(const struct places *p,
                               const struct agency *sender, const char *word,
                               size_t n)
{
    const struct {
        const char *word, *place;
    } ALL[] = {
        {"sender", sender != NULL ? sender->place[0] : ""},
        {"resident", p->resident},
        {"present", p->present},
        {"shikyu", p->shikyu},
        {"plan", p->plan},
    };
    for (size_t i = 0; i < NELEM(ALL); i++)
        if (strlen(ALL[i].word) == n && strncmp(ALL[i].word, word, n) == 0)
            return ALL[i].place;
    return "";
}

/* The place a function speaks of: the first known of those it names. NULL:
 * none is known, or it lies outside the table. */
static const struct municipality *place_of(const struct policy_function *fn,
                                           const struct authority_ask *ask)
{
    const char *s = fn->place;
    for (size_t n;; s += n) {
        s += strspn(s, " ");
        n = strcspn(s, " ");
        if (n == 0)
            return NULL;
        const char *place = place_named(ask->places, ask->sender, s, n);
        if (place[0] != '\0')
            return registry_municipality(ask->registry, place);
    }
}

static bool acts(const struct policy_function *fn, const struct municipality *m,
                 const struct agency *a, const char *role)
{
    unsigned level = fn->acts[m->kind];
    bool own = (level & AUTHORITY_SELF) && strcmp(a->government, m->muni5) == 0;
    bool upper = (level & AUTHORITY_PREFECTURE) &&
                 strcmp(a->government, m->prefecture) == 0;
    return (own || upper) && agency_has_role(a, role) &&
           (m->kind == PLACE_PREFECTURE || agency_serves(a, m->muni5));
}

static const struct policy_function *
function_of(const struct authority_ask *ask)
{
    return policy_function(ask->policy, ask->event, ask->purpose, ask->role);
}

size_t authority_agencies(const struct authority_ask *ask,
                          const struct agency **out, size_t max)
{
    const struct policy_function *fn = function_of(ask);
    const struct municipality *m = fn == NULL ? NULL : place_of(fn, ask);
    size_t n = 0, all = registry_agency_count(ask->registry);
    for (size_t i = 0; m != NULL && i < all && n < max; i++) {
        const struct agency *a = registry_agency_at(ask->registry, i);
        if (acts(fn, m, a, ask->role))
            out[n++] = a;
    }
    return n;
}

bool authority_is(const struct authority_ask *ask, const struct agency *a)
{
    const struct policy_function *fn = function_of(ask);
    if (fn == NULL)
        return true;
    const struct municipality *m = place_of(fn, ask);
    return m != NULL && acts(fn, m, a, ask->role);
}
