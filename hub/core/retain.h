/* retain.h - until when the hub keeps an event's content. The figures are the
 * policy pack's (retention.tsv); here is only how they are counted. */
#ifndef TSUNAGI_CORE_RETAIN_H
#define TSUNAGI_CORE_RETAIN_H
#include "hub/core/policy.h"

struct retain_facts {
    const char *event; /* its code */
    uint64_t arrived_ms;
    bool owed;              /* somebody has yet to get it */
    uint64_t delivered_ms;  /* when the last delivery was over; 0: none was */
    uint64_t case_ended_ms; /* by an event that retain_is_end; 0: it is not */
    int32_t consent_day;    /* last day of the person's last consent; 0: none */
};
#define RETAIN_FOREVER UINT64_MAX
/* The moment from which the content is to be removed. The earliest of the
 * terms that name the event and have begun; when there is none, of those for
 * every event (`*`). RETAIN_FOREVER: no term has begun. */
uint64_t retain_until(const struct policy *p, const struct retain_facts *f);
/* Whether an event ends its case for some term. */
bool retain_is_end(const struct policy *p, const char *event);
/* A consent whose last day is before this day is over for good; INT32_MIN:
 * the pack does not say. */
int32_t retain_consents_from(const struct policy *p, uint64_t now_ms);
#endif
