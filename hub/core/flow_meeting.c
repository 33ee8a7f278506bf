/* flow_meeting.c - a meeting about one person (会議): called, pledged, supplied
 * with papers, held, minuted, closed.
 *
 * Every meeting is a case of its own, so that nothing passes from one to the
 * next: a meeting by consent after a statutory one begins with no papers. The
 * call names the kinds of data once and for all; papers of those kinds reach a
 * member from the moment of its pledge of secrecy, and whoever joins later is
 * sent nothing of what went before. The end calls back what members hold.
 *
 * Who may convene which kind stands here; whom papers reach, and that the
 * minutes of a statutory meeting stay with the convenor, the policy says. */
#include "hub/core/flow.h"
#include "tsunagi/v1/meeting.pb-c.h"
#include <string.h>

enum {
    CALLED = EVENT_MEETING_CALLED,
    PAPERS = EVENT_MEETING_PAPERS,
    PLEDGED = EVENT_MEETING_PLEDGED,
    HELD = EVENT_MEETING_HELD,
    MINUTES = EVENT_MINUTES_CONFIRMED,
    CLOSED = EVENT_MEETING_CLOSED,
    CANCELLED = EVENT_MEETING_CANCELLED
};

/* ---- kinds ---- */

static const struct {
    Pb__MeetingKind kind;
    const char *convenor[3]; /* roles */
} KINDS[] = {
    {PB__MEETING_KIND__MT_PD, {"R_HC"}},
    {PB__MEETING_KIND__MT_SERVICE, {"R_PLAN"}},
    {PB__MEETING_KIND__MT_JUSO, {"R_MUNI_W"}},
    {PB__MEETING_KIND__MT_COUNCIL_CASE, {"R_KIKAN", "R_MUNI_W"}},
    {PB__MEETING_KIND__MT_106, {"R_MUNI_W"}},
    {PB__MEETING_KIND__MT_COMMITTEE, {"R_HOSP"}},
};

/* The kind an event says; unspecified when it says none. */
static Pb__MeetingKind kind_of(const struct flow_in *in)
{
    const ProtobufCMessage *b = in->event->body;
    switch (in->event->schema->event) {
    case CALLED:
        return ((const Pb__MeetingCalled *)b)->kind;
    case PAPERS:
        return ((const Pb__MeetingPapers *)b)->kind;
    case HELD:
        return ((const Pb__MeetingHeld *)b)->kind;
    default:
        return ((const Pb__MinutesConfirmed *)b)->kind;
    }
}

static const char *kind_name(const struct flow_in *in)
{
    return schema_enum_name(&pb__meeting_kind__descriptor,
                            (int32_t)kind_of(in));
}

static bool may_not_convene(const struct flow_in *in)
{
    const struct agency *a = in->facts->sender->agency;
    for (size_t i = 0; i < NELEM(KINDS); i++)
        for (size_t j = 0; KINDS[i].kind == kind_of(in) && j < 3 &&
                           KINDS[i].convenor[j] != NULL;
             j++)
            if (agency_has_role(a, KINDS[i].convenor[j]))
                return false;
    return true;
}

static bool other_kind(const struct flow_in *in)
{
    const char *kind = in->state->meeting_kind;
    return kind == NULL || strcmp(kind, kind_name(in)) != 0;
}

/* ---- who and what ---- */

static uint64_t classes_named(const struct flow_in *in)
{
    const Pb__MeetingCalled *b = (const Pb__MeetingCalled *)in->event->body;
    return class_mask(b->classes, b->n_classes);
}

/* Members pledged for what the first call named. */
static bool names_more(const struct flow_in *in)
{
    return (classes_named(in) & ~in->state->session_classes) != 0;
}

static bool not_member(const struct flow_in *in)
{
    return !case_member(in->state, flow_by(in));
}

static bool may_not_send_papers(const struct flow_in *in)
{
    return flow_not_owner(in) && !case_pledged(in->state, flow_by(in));
}

/* ---- acts ---- */

static void call(const struct flow_in *in, Pb__CaseState *next,
                 struct effects *fx)
{
    case_set(&next->meeting_kind, kind_name(in), fx);
    next->has_session_classes = 1;
    next->session_classes = classes_named(in);
}

static void pledge(const struct flow_in *in, Pb__CaseState *next,
                   struct effects *fx)
{
    case_pledge(next, flow_by(in), fx);
}

static void end(const struct flow_in *in, Pb__CaseState *next,
                struct effects *fx)
{
    (void)in;
    next->has_closed = 1;
    next->closed = 1;
    fx->recall_papers = true;
}

/* ---- the table ---- */

#define OPEN "CALLED|HELD"
static const struct flow_rule RULES[] = {
    /* clang-format off */
    ON("", CALLED, IF(may_not_convene), REFUSE(ERR_FLOW_ACTOR)),
    ON("", CALLED, TO("CALLED"), DO(call), .joins = true),
    ON("*", CALLED, IF(flow_not_owner), REFUSE(ERR_FLOW_ACTOR)),
    ON("*", CALLED, IF(other_kind), REFUSE(ERR_FLOW_NONE)),
    ON("*", CALLED, IF(names_more), REFUSE(ERR_FLOW_NONE)),
    ON(OPEN, CALLED, .joins = true),

    ON("*", PLEDGED, IF(not_member), REFUSE(ERR_FLOW_ACTOR)),
    ON(OPEN, PLEDGED, DO(pledge)),

    ON("*", PAPERS, IF(may_not_send_papers), REFUSE(ERR_FLOW_ACTOR)),
    ON("*", PAPERS, IF(other_kind), REFUSE(ERR_FLOW_NONE)),
    ON(OPEN, PAPERS),

    ON("*", HELD, IF(flow_not_owner), REFUSE(ERR_FLOW_ACTOR)),
    ON("*", HELD, IF(other_kind), REFUSE(ERR_FLOW_NONE)),
    ON(OPEN, HELD, TO("HELD")),

    ON("*", MINUTES, IF(flow_not_owner), REFUSE(ERR_FLOW_ACTOR)),
    ON("*", MINUTES, IF(other_kind), REFUSE(ERR_FLOW_NONE)),
    ON("HELD|MINUTES", MINUTES, TO("MINUTES")),

    ON("*", CLOSED, IF(flow_not_owner), REFUSE(ERR_FLOW_ACTOR)),
    ON("HELD|MINUTES", CLOSED, TO("CLOSED"), DO(end)),

    ON("*", CANCELLED, IF(flow_not_owner), REFUSE(ERR_FLOW_ACTOR)),
    ON("CALLED", CANCELLED, TO("CANCELLED"), DO(end)),
}; /* clang-format on */

#define CONVENES "R_MUNI_W R_HC R_PLAN R_KIKAN R_HOSP"
static const struct flow_sender SENDERS[] = {
    {CALLED, CONVENES},    {PAPERS, ""},        {PLEDGED, ""},
    {HELD, CONVENES},      {MINUTES, CONVENES}, {CLOSED, CONVENES},
    {CANCELLED, CONVENES},
};

const struct flow FLOW_MEETING = {
    "Meeting", "会議", "meeting", RULES, NELEM(RULES), SENDERS, NELEM(SENDERS),
};
