/* flow_discharge.c - from admission to discharge (地域移行).
 *
 * The hospital owns the case. Its systems do not report in order (a discharge
 * may arrive before the admission it ends), so any of its milestones opens the
 * case in the state it means. Offices introduced become parties; their answers
 * form the team. */
#include "hub/core/flow.h"
#include "proto/base/date.h"
#include "tsunagi/v1/discharge.pb-c.h"
#include <string.h>

enum {
    ADMITTED = EVENT_ADMISSION_RECORDED,
    STATUS_STARTED = EVENT_LEGAL_STATUS_STARTED,
    STATUS_ENDED = EVENT_LEGAL_STATUS_ENDED,
    INTRODUCED = EVENT_COMMUNITY_PROVIDER_INTRODUCED,
    ANSWERED = EVENT_INTRO_ANSWERED,
    PLANNED = EVENT_DISCHARGE_PLANNED,
    DISCHARGED = EVENT_DISCHARGED
};

/* ---- guards ---- */

static const Pb__IntroAnswered *answer(const struct flow_in *in)
{
    return (const Pb__IntroAnswered *)in->event->body;
}

static bool correction(const struct flow_in *in)
{
    const Pb__AdmissionRecorded *b =
        (const Pb__AdmissionRecorded *)in->event->body;
    return b->corrects;
}

static bool other_introduction(const struct flow_in *in)
{
    const Pb__IntroAnswered *b = answer(in);
    return b->has_intro_ref && !case_remembers(in->state, b->intro_ref);
}

static bool accepted(const struct flow_in *in)
{
    return answer(in)->answer == PB__INTRO_ANSWER__INTRO_ACCEPTED;
}

static bool no_answer(const struct flow_in *in)
{
    return answer(in)->answer == PB__INTRO_ANSWER__INTRO_ANSWER_UNSPECIFIED;
}

static bool others_declined(const struct flow_in *in)
{
    for (size_t i = 0; i < in->state->n_party; i++)
        if (strcmp(in->state->party[i], flow_by(in)) != 0 &&
            !case_declined(in->state, in->state->party[i]))
            return false;
    return true;
}

/* ---- acts ---- */

/* The end of the day by which an answer is asked for; 0: no such day. */
static uint64_t reply_due(const struct flow_in *in)
{
    const Pb__CommunityProviderIntroduced *b =
        (const Pb__CommunityProviderIntroduced *)in->event->body;
    struct date d;
    if (b->reply_by == NULL || b->reply_by->iso == NULL ||
        date_parse(slice_str(b->reply_by->iso), &d) != ERR_OK || d.day == 0)
        return 0;
    return japan_day_begins(date_days(d) + 1);
}

static void introduce(const struct flow_in *in, Pb__CaseState *next,
                      struct effects *fx)
{
    case_remember(next, in->event->event_id.b, fx);
    uint64_t due = reply_due(in);
    if (due > in->now_ms)
        flow_start(fx, DEADLINE_INTRO_REPLY, due, in->event->event_id.b);
}

/* An acceptance takes back what the office said before. */
static void accept(const struct flow_in *in, Pb__CaseState *next,
                   struct effects *fx)
{
    case_join(next, flow_by(in), fx);
    flow_stop(fx, DEADLINE_INTRO_REPLY, NULL);
}

static void decline(const struct flow_in *in, Pb__CaseState *next,
                    struct effects *fx)
{
    case_offer(next, in->event->event_id.b, flow_by(in), 0, fx);
}

static void leave(const struct flow_in *in, Pb__CaseState *next,
                  struct effects *fx)
{
    (void)in, (void)next;
    flow_stop(fx, DEADLINE_INTRO_REPLY, NULL);
}

/* ---- the table ---- */

static const struct flow_rule RULES[] = {
    /* clang-format off */
    ON("", ADMITTED, TO("OPENED")),
    ON("", INTRODUCED, TO("NETWORKING"), DO(introduce), .joins = true),
    ON("", PLANNED, TO("DATE_SET")),
    ON("", DISCHARGED, TO("DISCHARGED")),

    ON("*", ADMITTED, IF(flow_not_owner), REFUSE(ERR_FLOW_ACTOR)),
    ON("*", ADMITTED, IF(correction)),
    ON("DISCHARGED", ADMITTED, TO("OPENED")),
    ON("*", ADMITTED),
    ON("*", STATUS_STARTED),
    ON("*", STATUS_ENDED),

    ON("*", INTRODUCED, IF(flow_not_owner), REFUSE(ERR_FLOW_ACTOR)),
    ON("OPENED|NETWORKING|NO_PROVIDER", INTRODUCED, TO("NETWORKING"),
       DO(introduce), .joins = true),
    ON("*", INTRODUCED, DO(introduce), .joins = true),

    ON("*", ANSWERED, IF(flow_not_party), REFUSE(ERR_FLOW_ACTOR)),
    ON("*", ANSWERED, IF(other_introduction), REFUSE(ERR_FLOW_NONE)),
    ON("*", ANSWERED, IF(no_answer), REFUSE(ERR_VAL_REQUIRED)),
    ON("NETWORKING|NO_PROVIDER", ANSWERED, IF(accepted), TO("TEAM_FORMED"),
       DO(accept)),
    ON("*", ANSWERED, IF(accepted), DO(accept)),
    ON("NETWORKING", ANSWERED, IF(others_declined), TO("NO_PROVIDER"),
       DO(decline)),
    ON("*", ANSWERED, DO(decline)),

    ON("*", PLANNED, IF(flow_not_owner), REFUSE(ERR_FLOW_ACTOR)),
    ON("DISCHARGED", PLANNED, .late = true),
    ON("*", PLANNED, TO("DATE_SET")),

    ON("*", DISCHARGED, IF(flow_not_owner), REFUSE(ERR_FLOW_ACTOR)),
    ON("*", DISCHARGED, TO("DISCHARGED"), DO(leave)),

    DUE("NETWORKING", DEADLINE_INTRO_REPLY),
}; /* clang-format on */

static const struct flow_sender SENDERS[] = {
    {ADMITTED, "R_HOSP"},   {INTRODUCED, "R_HOSP"},
    {PLANNED, "R_HOSP"},    {ANSWERED, "R_LOCAL R_PLAN R_KIKAN"},
    {DISCHARGED, "R_HOSP"},
};

const struct flow FLOW_DISCHARGE = {
    "DischargeCase", "退院支援", "discharge planning", RULES,
    NELEM(RULES),    SENDERS,    NELEM(SENDERS),
};
