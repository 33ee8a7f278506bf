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
#endif
