/* flow_plan.c - the support plan after compulsory admission (退院後支援計画).
 *
 * A hospital names a candidate, the health centre makes the plan; it may also
 * start by itself, as the authority that ordered the measure. Without the
 * person's consent there is no plan, and the answer is the same whether the
 * person refused, was not asked or is not known (I-13). Each recipient's own
 * part is an event of its own, so a plan is issued more than once. */
#include "hub/core/flow.h"
#include <string.h>

enum { CANDIDATE = EVENT_PD_CANDIDATE_NOTIFIED, ISSUED = EVENT_PLAN_ISSUED };

static bool no_consent(const struct flow_in *in)
{
    const struct facts *f = in->facts;
    for (size_t i = 0; i < f->grant_count; i++)
        if (!f->grants[i].third && strcmp(f->grants[i].purpose, "P_PD") == 0 &&
            grant_in_force(&f->grants[i], in->now_ms))
            return false;
    return true;
}

static const struct flow_rule RULES[] = {
    /* clang-format off */
    ON("", CANDIDATE, TO("CANDIDATE"), .joins = true),
    ON("*", CANDIDATE, IF(flow_not_owner), REFUSE(ERR_FLOW_ACTOR)),
    ON("CANDIDATE", CANDIDATE, .joins = true),

    ON("", ISSUED, IF(no_consent), REFUSE(ERR_POL_NONE)),
    ON("", ISSUED, TO("ISSUED")),
    ON("*", ISSUED, IF(no_consent), REFUSE(ERR_POL_NONE)),
    ON("*", ISSUED, TO("ISSUED")),
}; /* clang-format on */

static const struct flow_sender SENDERS[] = {
    {CANDIDATE, "R_HOSP"},
    {ISSUED, "R_HC"},
};

const struct flow FLOW_PLAN = {
    "PostDischargePlan",
    "退院後支援計画",
    "post-discharge support plan",
    RULES,
    NELEM(RULES),
    SENDERS,
    NELEM(SENDERS),
};
