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

const struct municipality *authority_place(const struct policy_function *fn,
                                           const struct registry *r,
                                           const struct places *p,
                                           const struct agency *sender)
{
    const char *s = fn->place;
    for (size_t n;; s += n) {
        s += strspn(s, " ");
        n = strcspn(s, " ");
        if (n == 0)
            return NULL;
        const char *place = place_named(p, sender, s, n);
        if (place[0] != '\0')
            return registry_municipality(r, place);
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

size_t authority_agencies(const struct policy *p, const struct registry *r,
                          const struct places *places,
                          const struct agency *sender, const char *event,
                          const char *purpose, const char *role,
                          const struct agency **out, size_t max)
{
    const struct policy_function *fn = policy_function(p, event, purpose, role);
    const struct municipality *m =
        fn == NULL ? NULL : authority_place(fn, r, places, sender);
    size_t n = 0;
    for (size_t i = 0; m != NULL && i < registry_agency_count(r); i++) {
        const struct agency *a = registry_agency_at(r, i);
        if (n < max && acts(fn, m, a, role))
            out[n++] = a;
    }
    return n;
}

bool authority_is(const struct policy *p, const struct registry *r,
                  const struct places *places, const struct agency *sender,
                  const char *event, const char *purpose, const char *role,
                  const struct agency *a)
{
    const struct policy_function *fn = policy_function(p, event, purpose, role);
    if (fn == NULL)
        return true;
    const struct municipality *m = authority_place(fn, r, places, sender);
    return m != NULL && acts(fn, m, a, role);
}
