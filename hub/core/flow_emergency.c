/* flow_emergency.c - a bed for tonight (緊急時の受入れ).
 *
 * A coordinator asks, providers offer, the coordinator confirms one. Only that
 * confirmation decides, the first valid one wins, and `chosen` is written once
 * (I-9); what reaches anyone before it carries no identity. Whoever answers
 * after the end is told so and nothing changes (I-8). When the provider
 * confirmed drops out, the coordinator is told, cancels and asks anew: a case
 * never gets a second provider. */
#include "hub/core/flow.h"
#include "tsunagi/v1/emergency.pb-c.h"
#include <string.h>

enum {
    REQUESTED = EVENT_EMERGENCY_REQUESTED,
    TRIAGED = EVENT_EMERGENCY_TRIAGED,
    CANVASSED = EVENT_STAY_CANVASS,
    OFFERED = EVENT_STAY_OFFERED,
    DECLINED = EVENT_STAY_DECLINED,
    CONFIRMED = EVENT_STAY_CONFIRMED,
    RELEASED = EVENT_STAY_RELEASED,
    REJECTED_LATE = EVENT_OFFER_REJECTED_LATE,
    CANCELLED = EVENT_CANCELLED
};
#define PURPOSE "P_EMG"
/* Proposals, to be settled with those who answer the telephone. */
#define MINUTE UINT64_C(60000)
#define FIRST_ANSWER_MS (10 * MINUTE) /* a person answers the request */
#define FIRST_OFFER_MS (30 * MINUTE)  /* then the second ring is asked */
#define HOLD_MS (30 * MINUTE)         /* an offer that names no end */
#define LONGEST_HOLD_MS (7 * 24 * 60 * MINUTE) /* no bed is held for longer */

/* ---- guards ---- */

static Pb__TriageBranch branch(const struct flow_in *in)
{
    const Pb__EmergencyTriaged *b =
        (const Pb__EmergencyTriaged *)in->event->body;
    return b->branch;
}

static bool to_canvass(const struct flow_in *in)
{
    return branch(in) == PB__TRIAGE_BRANCH__CANVASS;
}

static bool to_medical(const struct flow_in *in)
{
    return branch(in) == PB__TRIAGE_BRANCH__DIVERT_MEDICAL;
}

static bool to_abuse_desk(const struct flow_in *in)
{
    return branch(in) == PB__TRIAGE_BRANCH__DIVERT_ABUSE;
}

static bool advice_only(const struct flow_in *in)
{
    return branch(in) == PB__TRIAGE_BRANCH__ADVICE_ONLY;
}

static uint64_t hold_until(const struct flow_in *in)
{
    const Pb__StayOffered *b = (const Pb__StayOffered *)in->event->body;
    return b->has_hold_until_ms ? b->hold_until_ms : in->now_ms + HOLD_MS;
}

/* Over already, or so far away that nobody can mean it. */
static bool no_hold(const struct flow_in *in)
{
    uint64_t until = hold_until(in);
    return until <= in->now_ms || until - in->now_ms > LONGEST_HOLD_MS;
}

static const Pb__CaseOffer *offer_of(const Pb__CaseState *s, const uint8_t *ref,
                                     size_t n)
{
    for (size_t i = 0; i < s->n_offer; i++)
        if (n == ID_BYTES && s->offer[i]->event_id.len == ID_BYTES &&
            memcmp(s->offer[i]->event_id.data, ref, ID_BYTES) == 0)
            return s->offer[i];
    return NULL;
}

/* The offer that a confirmation names. */
static const Pb__CaseOffer *named(const struct flow_in *in)
{
    const Pb__StayConfirmed *b = (const Pb__StayConfirmed *)in->event->body;
    return b->has_offer_ref
               ? offer_of(in->state, b->offer_ref.data, b->offer_ref.len)
               : NULL;
}

static bool offer_not_open(const struct flow_in *in)
{
    const Pb__CaseOffer *o = named(in);
    return o == NULL || !o->open || o->hold_until_ms <= in->now_ms;
}

static bool other_recipient(const struct flow_in *in)
{
    const struct effects *fx = in->meant;
    const Pb__CaseOffer *o = named(in);
    return fx->to_count != 1 || fx->to[0].agency == NULL ||
           strcmp(fx->to[0].agency->code, o->agency) != 0;
}

static bool by_chosen(const struct flow_in *in)
{
    return in->state->chosen != NULL &&
           strcmp(in->state->chosen, flow_by(in)) == 0;
}

/* An open offer remains besides those of the agency that declines. */
static bool other_offer_open(const struct flow_in *in)
{
    for (size_t i = 0; i < in->state->n_offer; i++)
        if (in->state->offer[i]->open &&
            strcmp(in->state->offer[i]->agency, flow_by(in)) != 0)
            return true;
    return false;
}

static bool others_declined(const struct flow_in *in)
{
    for (size_t i = 0; i < in->state->n_party; i++)
        if (strcmp(in->state->party[i], flow_by(in)) != 0 &&
            !case_declined(in->state, in->state->party[i]))
            return false;
    return true;
}

static bool hold_was_open(const struct flow_in *in)
{
    const Pb__CaseOffer *o = offer_of(in->state, in->ref, ID_BYTES);
    return o != NULL && o->open;
}

static bool hold_was_last(const struct flow_in *in)
{
    size_t open = 0;
    for (size_t i = 0; i < in->state->n_offer; i++)
        open += in->state->offer[i]->open;
    return hold_was_open(in) && open == 1;
}

/* ---- acts ---- */

static void await_triage(const struct flow_in *in, Pb__CaseState *next,
                         struct effects *fx)
{
    const Pb__EmergencyRequested *b =
        (const Pb__EmergencyRequested *)in->event->body;
    next->has_unable = 1;
    next->unable = b->registration == PB__REGISTRATION__UNREGISTERED_UNABLE;
    flow_start(fx, DEADLINE_FIRST_ANSWER, in->now_ms + FIRST_ANSWER_MS, NULL);
}

static void triage(const struct flow_in *in, Pb__CaseState *next,
                   struct effects *fx)
{
    (void)in, (void)next;
    flow_stop(fx, DEADLINE_FIRST_ANSWER, NULL);
}

static void await_offer(const struct flow_in *in, Pb__CaseState *next,
                        struct effects *fx)
{
    (void)next;
    flow_start(fx, DEADLINE_FIRST_OFFER, in->now_ms + FIRST_OFFER_MS, NULL);
}

static void take_offer(const struct flow_in *in, Pb__CaseState *next,
                       struct effects *fx)
{
    const uint8_t *ref = in->event->event_id.b;
    for (size_t i = 0; i < next->n_offer; i++)
        if (strcmp(next->offer[i]->agency, flow_by(in)) == 0 &&
            next->offer[i]->open)
            flow_stop(fx, DEADLINE_OFFER_HOLD, next->offer[i]->event_id.data);
    case_offer(next, ref, flow_by(in), hold_until(in), fx);
    flow_stop(fx, DEADLINE_FIRST_OFFER, NULL);
    flow_start(fx, DEADLINE_OFFER_HOLD, hold_until(in), ref);
}

static void answer_late(const struct flow_in *in, Pb__CaseState *next,
                        struct effects *fx)
{
    (void)next;
    flow_tell(in, fx, REJECTED_LATE, flow_by(in), PURPOSE,
              in->event->event_id.b);
}

static void decline(const struct flow_in *in, Pb__CaseState *next,
                    struct effects *fx)
{
    for (size_t i = 0; i < next->n_offer; i++)
        if (strcmp(next->offer[i]->agency, flow_by(in)) == 0 &&
            next->offer[i]->open)
            flow_stop(fx, DEADLINE_OFFER_HOLD, next->offer[i]->event_id.data);
    case_offer(next, in->event->event_id.b, flow_by(in), 0, fx);
}

static void decline_and_wait(const struct flow_in *in, Pb__CaseState *next,
                             struct effects *fx)
{
    decline(in, next, fx);
    await_offer(in, next, fx);
}

static void decline_last(const struct flow_in *in, Pb__CaseState *next,
                         struct effects *fx)
{
    decline(in, next, fx);
    flow_stop(fx, DEADLINE_FIRST_OFFER, NULL);
}

static void close_offers(Pb__CaseState *next)
{
    for (size_t i = 0; i < next->n_offer; i++)
        next->offer[i]->open = false;
}

static void stop_all(struct effects *fx)
{
    flow_stop(fx, DEADLINE_FIRST_ANSWER, NULL);
    flow_stop(fx, DEADLINE_FIRST_OFFER, NULL);
    flow_stop(fx, DEADLINE_OFFER_HOLD, NULL);
}

/* Everyone asked who has not said no, but for the one chosen. */
static void release(const struct flow_in *in, Pb__CaseState *next,
                    struct effects *fx)
{
    for (size_t i = 0; i < next->n_party; i++)
        if (!case_declined(next, next->party[i]) &&
            (next->chosen == NULL || strcmp(next->chosen, next->party[i]) != 0))
            flow_tell(in, fx, RELEASED, next->party[i], PURPOSE, NULL);
    close_offers(next);
    stop_all(fx);
}

static void release_chosen(const struct flow_in *in, Pb__CaseState *next,
                           struct effects *fx)
{
    flow_tell(in, fx, RELEASED, next->chosen, PURPOSE, NULL);
}

static void choose(const struct flow_in *in, Pb__CaseState *next,
                   struct effects *fx)
{
    case_set(&next->chosen, named(in)->agency, fx);
    if (fx->refuse == ERR_OK)
        release(in, next, fx);
}

static void end_hold(const struct flow_in *in, Pb__CaseState *next,
                     struct effects *fx)
{
    (void)fx;
    for (size_t i = 0; i < next->n_offer; i++)
        if (memcmp(next->offer[i]->event_id.data, in->ref, ID_BYTES) == 0)
            next->offer[i]->open = false;
}

static void end_last_hold(const struct flow_in *in, Pb__CaseState *next,
                          struct effects *fx)
{
    end_hold(in, next, fx);
    await_offer(in, next, fx);
}

/* ---- the table ---- */

#define LOOKING "TRIAGED|CANVASSING|OFFERED|ESCALATED"
#define ASKED "CANVASSING|OFFERED|ESCALATED"
#define DIVERTED "DIVERTED_MEDICAL|DIVERTED_ABUSE|ADVICE_ONLY"
#define ENDED "CANCELLED|" DIVERTED
static const struct flow_rule RULES[] = {
    /* clang-format off */
    ON("", REQUESTED, TO("NEW"), DO(await_triage)),

    ON("*", TRIAGED, IF(flow_not_owner), REFUSE(ERR_FLOW_ACTOR)),
    ON("NEW|TRIAGED", TRIAGED, IF(to_canvass), TO("TRIAGED"), DO(triage)),
    ON("NEW|" LOOKING, TRIAGED, IF(to_medical), TO("DIVERTED_MEDICAL"),
       DO(release)),
    ON("NEW|" LOOKING, TRIAGED, IF(to_abuse_desk), TO("DIVERTED_ABUSE"),
       DO(release)),
    ON("NEW|" LOOKING, TRIAGED, IF(advice_only), TO("ADVICE_ONLY"),
       DO(release)),

    ON("*", CANVASSED, IF(flow_not_owner), REFUSE(ERR_FLOW_ACTOR)),
    ON("TRIAGED|CANVASSING|ESCALATED", CANVASSED, TO("CANVASSING"),
       DO(await_offer), .joins = true),
    ON("OFFERED", CANVASSED, .joins = true),

    ON("*", OFFERED, IF(flow_not_party), REFUSE(ERR_FLOW_ACTOR)),
    ON("CONFIRMED|" ENDED, OFFERED, DO(answer_late), .late = true),
    ON(ASKED, OFFERED, IF(no_hold), REFUSE(ERR_FLOW_OFFER)),
    ON(ASKED, OFFERED, TO("OFFERED"), DO(take_offer)),

    ON("*", DECLINED, IF(flow_not_party), REFUSE(ERR_FLOW_ACTOR)),
    ON("CONFIRMED", DECLINED, IF(by_chosen)),
    ON("CONFIRMED|" ENDED, DECLINED, .late = true),
    ON("OFFERED", DECLINED, IF(other_offer_open), DO(decline)),
    ON(ASKED, DECLINED, IF(others_declined), TO("ESCALATED"), DO(decline_last)),
    ON("OFFERED", DECLINED, TO("CANVASSING"), DO(decline_and_wait)),
    ON("CANVASSING|ESCALATED", DECLINED, DO(decline)),

    ON("*", CONFIRMED, IF(flow_not_owner), REFUSE(ERR_FLOW_ACTOR)),
    ON("CONFIRMED", CONFIRMED, REFUSE(ERR_FLOW_FILLED)),
    ON(ENDED, CONFIRMED, REFUSE(ERR_FLOW_LATE)),
    ON("TRIAGED|CANVASSING|ESCALATED", CONFIRMED, REFUSE(ERR_FLOW_OFFER)),
    ON("OFFERED", CONFIRMED, IF(offer_not_open), REFUSE(ERR_FLOW_OFFER)),
    ON("OFFERED", CONFIRMED, IF(other_recipient), REFUSE(ERR_FLOW_RECIPIENT)),
    ON("OFFERED", CONFIRMED, TO("CONFIRMED"), DO(choose), .reach = true),

    ON("*", CANCELLED, IF(flow_not_owner), REFUSE(ERR_FLOW_ACTOR)),
    ON("CONFIRMED", CANCELLED, TO("CANCELLED"), DO(release_chosen)),
    ON("NEW|" LOOKING, CANCELLED, TO("CANCELLED"), DO(release)),
    ON(ENDED, CANCELLED, .late = true),

    DUE("NEW", DEADLINE_FIRST_ANSWER),
    DUE("CANVASSING", DEADLINE_FIRST_OFFER, TO("ESCALATED")),
    DUE("OFFERED", DEADLINE_OFFER_HOLD, IF(hold_was_last), TO("CANVASSING"),
        DO(end_last_hold)),
    DUE("OFFERED", DEADLINE_OFFER_HOLD, IF(hold_was_open), DO(end_hold)),
}; /* clang-format on */

#define COORDINATES "R_HUBC R_KIKAN"
static const struct flow_sender SENDERS[] = {
    {REQUESTED, COORDINATES}, {TRIAGED, COORDINATES}, {CANVASSED, COORDINATES},
    {OFFERED, "R_SHORT"},     {DECLINED, "R_SHORT"},  {CONFIRMED, COORDINATES},
    {CANCELLED, COORDINATES},
};

const struct flow FLOW_EMERGENCY = {
    "EmergencyRequest", "緊急時の受入れ", "emergency acceptance", RULES,
    NELEM(RULES),       SENDERS,          NELEM(SENDERS),
};
