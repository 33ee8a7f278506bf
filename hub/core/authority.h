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
/* What is asked: who acts for this function. */
struct authority_ask {
    const struct policy *policy;
    const struct registry *registry;
    const struct places *places; /* of the person */
    const struct agency *sender; /* NULL: an event of the hub's own */
    const char *event, *purpose, *role;
};
/* The agencies with the role that act for the place the function means; 0 when
 * no function speaks of event, purpose and role, when the place (the first
 * known of those the function names) is not in the table, or nobody acts. */
size_t authority_agencies(const struct authority_ask *ask,
                          const struct agency **out, size_t max);
/* Whether a is one of them; true as well when no function speaks. */
bool authority_is(const struct authority_ask *ask, const struct agency *a);
#endif
