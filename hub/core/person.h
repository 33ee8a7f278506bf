/* person.h - what an event changes about a person rather than a case: consents
 * and refusals, the four places, the protection of the address. */
#ifndef TSUNAGI_CORE_PERSON_H
#define TSUNAGI_CORE_PERSON_H
#include "hub/core/step.h"

/* The hub takes it for itself: nobody is a recipient of it. */
bool person_event(const struct event *e);
/* Fills fx->refuse, grant_change, person_change, deadlines. Nothing for an
 * event that is none of these. The caller has checked that the sender may
 * speak for the person. */
void person_change(const struct facts *f, const struct event *e,
                   uint64_t now_ms, struct effects *fx);
/* A deadline of a consent: tells whoever recorded it. Nothing for any other
 * kind, or when the consent ended otherwise before. */
void person_due(const struct facts *f, enum deadline_kind kind,
                const uint8_t ref[ID_BYTES], struct effects *fx);
#endif
