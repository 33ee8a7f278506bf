/* authority.h - which authority is meant. "The municipality" is a function, not
 * an address: who orders, receives, plans or pays depends on what is to be done
 * and on which of a person's places counts for it. Four places are kept apart
 * because they differ: who moves into a group home elsewhere keeps the former
 * municipality for benefits, while the health centre of the new place plans. */
#ifndef TSUNAGI_CORE_AUTHORITY_H
#define TSUNAGI_CORE_AUTHORITY_H
#include "hub/core/policy.h"

/* Municipalities by five digits; "" when not known. */
struct places {
    char resident[6]; /* where the person is registered or lives */
    char present[6];  /* where the person is */
    char shikyu[6];   /* decides on benefits */
    char plan[6];     /* makes the support plan: the destination */
};
/* The place a function speaks of: the first known of those it names. NULL:
 * none is known, or it lies outside the table. */
const struct municipality *authority_place(const struct policy_function *fn,
                                           const struct registry *r,
                                           const struct places *places,
                                           const struct agency *sender);
/* The agencies with the role that act for the place the function means; 0 when
 * no function speaks of the three, the place is not known, or nobody acts.
 * sender: NULL for an event of the hub's own. */
size_t authority_agencies(const struct policy *p, const struct registry *r,
                          const struct places *places,
                          const struct agency *sender, const char *event,
                          const char *purpose, const char *role,
                          const struct agency **out, size_t max);
/* Whether a is one of them; true as well when no function speaks. */
bool authority_is(const struct policy *p, const struct registry *r,
                  const struct places *places, const struct agency *sender,
                  const char *event, const char *purpose, const char *role,
                  const struct agency *a);
#endif
