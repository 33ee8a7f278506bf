/* route.h - who is meant: wishes of the sender turned into agencies. A wish
 * names an agency, or a role (at a place, or wherever). */
#ifndef TSUNAGI_CORE_ROUTE_H
#define TSUNAGI_CORE_ROUTE_H
#include "hub/core/step.h"
/* Fills fx->to with every agency meant, once per (agency, purpose), not yet
 * decided. fx->refuse is set for an unknown agency, role, place or purpose. */
void route_meant(const struct facts *f, const struct event *e, uint64_t now_ms,
                 struct effects *fx);
/* Decides for each of them, with the case as it will be (fx->state, or the one
 * in facts). Sets fx->park when nothing can be delivered and a person should
 * look: a role that nobody has there, or trouble while deciding. */
void route_decide(const struct facts *f, const struct event *e, uint64_t now_ms,
                  struct effects *fx);
/* A decision of the past made again: the question as it was put, the rest as
 * it followed. type: what was decided (for a reissued event the hub's own);
 * from: who sent it, only the code is looked at, NULL: the hub. */
void route_again(const struct policy *p, const struct policy_ask *ask,
                 const struct schema_message *type, bool reissued,
                 const struct agency *from, struct decision *out);
#endif
