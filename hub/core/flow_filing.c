/* flow_filing.c - a statutory filing and its receipt (届出).
 *
 * Every filing is a case of its own, opened by the hospital. The health centre
 * it reached stamps it; until then the hospital may send it again. */
#include "hub/core/flow.h"
#include "tsunagi/v1/discharge.pb-c.h"

enum { SUBMITTED = EVENT_FILING_SUBMITTED, RECEIVED = EVENT_FILING_RECEIVED };

static bool other_filing(const struct flow_in *in)
{
    const Pb__FilingReceived *b = (const Pb__FilingReceived *)in->event->body;
    return b->has_filing_ref && !case_remembers(in->state, b->filing_ref);
}

static void remember(const struct flow_in *in, Pb__CaseState *next,
                     struct effects *fx)
{
    case_remember(next, in->event->event_id.b, fx);
}

static const struct flow_rule RULES[] = {
    /* clang-format off */
    ON("", SUBMITTED, TO("SUBMITTED"), DO(remember), .joins = true),
    ON("*", SUBMITTED, IF(flow_not_owner), REFUSE(ERR_FLOW_ACTOR)),
    ON("SUBMITTED", SUBMITTED, DO(remember), .joins = true),

    ON("*", RECEIVED, IF(flow_not_party), REFUSE(ERR_FLOW_ACTOR)),
    ON("*", RECEIVED, IF(other_filing), REFUSE(ERR_FLOW_NONE)),
    ON("*", RECEIVED, TO("RECEIVED_HC")),
}; /* clang-format on */

static const struct flow_sender SENDERS[] = {
    {SUBMITTED, "R_HOSP"},
    {RECEIVED, "R_HC R_PREF"},
};

const struct flow FLOW_FILING = {
    "Filing",     "届出",  "statutory filing", RULES,
    NELEM(RULES), SENDERS, NELEM(SENDERS),
};
