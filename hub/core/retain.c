/* retain.c - terms counted.
 *
 * Days are of 24 hours from the moment a term counts from; after a last day
 * they count from its end in Japan. What somebody has yet to get is not
 * delivered, however old: only a term that counts from the arrival ends that.
 */
#include "hub/core/retain.h"
#include "proto/base/date.h"

#define CONSENT_RECORD "consent_kept"

/* When a term begins for an event; false: it has not. */
static bool begins(const struct policy_term *t, const struct retain_facts *f,
                   uint64_t *from)
{
    *from = f->arrived_ms;
    switch (t->from) {
    case TERM_ARRIVED:
        return true;
    case TERM_DELIVERED:
        if (f->delivered_ms > *from)
            *from = f->delivered_ms;
        return !f->owed;
    case TERM_CONSENT:
        if (f->consent_day == INT32_MAX) /* a refusal has no last day */
            *from = RETAIN_FOREVER;
        else if (f->consent_day > 0 &&
                 japan_day_begins(f->consent_day + 1) > *from)
            *from = japan_day_begins(f->consent_day + 1);
        return true;
    case TERM_CASE:
        *from = f->case_ended_ms;
        return f->case_ended_ms > 0;
    }
    return false;
}

static uint64_t end_of(const struct policy_term *t, uint64_t from)
{
    uint64_t days = (uint64_t)t->days * DAY_MS;
    return from > RETAIN_FOREVER - days ? RETAIN_FOREVER : from + days;
}

/* The earliest end of the terms that name the event, or of those for all;
 * false when none has begun. */
static bool earliest(const struct policy *p, const struct retain_facts *f,
                     bool named, uint64_t *until)
{
    bool any = false;
    uint64_t from;
    const struct policy_term *t;
    *until = RETAIN_FOREVER;
    for (size_t i = 0; (t = policy_term_at(p, i)) != NULL; i++) {
        bool speaks =
            named ? policy_term_names(p, i, f->event) : policy_term_any(p, i);
        if (!speaks || !begins(t, f, &from))
            continue;
        any = true;
        if (end_of(t, from) < *until)
            *until = end_of(t, from);
    }
    return any;
}

uint64_t retain_until(const struct policy *p, const struct retain_facts *f)
{
    uint64_t until;
    if (!earliest(p, f, true, &until))
        (void)earliest(p, f, false, &until);
    return until;
}

bool retain_is_end(const struct policy *p, const char *event)
{
    for (size_t i = 0; policy_term_at(p, i) != NULL; i++)
        if (policy_term_ends(p, i, event))
            return true;
    return false;
}

int32_t retain_consents_from(const struct policy *p, uint64_t now_ms)
{
    int64_t days = policy_limit(p, CONSENT_RECORD);
    return days < 0 ? INT32_MIN : japan_day(now_ms) - (int32_t)days;
}
