/* flow_meeting_test.c - the meeting workflow: every event in every state, who
 * may convene what, and whom papers can reach. */
#include "tests/unit/hub/core/world.h"
#include "tsunagi/v1/meeting.pb-c.h"

enum {
    CALLED = 1701,
    PAPERS = 1702,
    PLEDGED = 1703,
    HELD = 1705,
    MINUTES = 1706,
    CLOSED = 1707,
    CANCELLED = 1708
};
#define BIT(c) (UINT64_C(1) << PB__DATA_CLASS__##c)

static struct world *w;

union body {
    ProtobufCMessage base;
    Pb__MeetingCalled called;
    Pb__MeetingPapers papers;
    Pb__MeetingHeld held;
    Pb__MinutesConfirmed minutes;
};

static void set_kind(union body *b, uint32_t type, Pb__MeetingKind kind)
{
    if (type == CALLED)
        b->called.has_kind = true, b->called.kind = kind;
    else if (type == PAPERS)
        b->papers.has_kind = true, b->papers.kind = kind;
    else if (type == HELD)
        b->held.has_kind = true, b->held.kind = kind;
    else if (type == MINUTES)
        b->minutes.has_kind = true, b->minutes.kind = kind;
}

/* Classes of a call; the rest of its body is of no matter here. */
static Pb__DataClass named[CLASS_MAX];
static size_t name_classes(uint64_t mask)
{
    size_t n = 0;
    for (unsigned c = 1; c < CLASS_MAX; c++)
        if ((mask & class_bit(c)) != 0)
            named[n++] = (Pb__DataClass)c;
    return n;
}

#define USUAL (BIT(G_ID) | BIT(G_CARE) | BIT(G_HOUSING))

static const char *tell(const char *from, uint32_t type, Pb__MeetingKind kind,
                        uint64_t classes, const char *const *to, size_t n)
{
    struct sent s;
    union body b;
    protobuf_c_message_init(schema_event(type)->descriptor, &b);
    set_kind(&b, type, kind);
    if (type == CALLED) {
        b.called.n_classes = name_classes(classes);
        b.called.classes = named;
    }
    sent_init(w, &s, type, &b.base);
    const char *purpose = kind == PB__MEETING_KIND__MT_106 ? "P_M106"
                          : kind == PB__MEETING_KIND__MT_COUNCIL_CASE
                              ? "P_COU"
                              : "P_MCON";
    for (size_t i = 0; i < n; i++)
        sent_to(&s, to[i], purpose);
    world_send(w, &s, from);
    return world_outcome(w);
}

static const char *say(const char *from, uint32_t type, Pb__MeetingKind kind)
{
    return tell(from, type, kind, USUAL, NULL, 0);
}

/* ---- the machine alone ---- */

/* A case as it is in a state; C1 convened a meeting by consent, P1 pledged. */
static void in_state(const char *state)
{
    world_reset(w);
    if (state[0] == '\0')
        return;
    assert_string_equal(say("C1", CALLED, PB__MEETING_KIND__MT_PD), "CALLED");
    struct effects *fx = w->fx;
    case_join(w->state, code_of("P1"), fx);
    case_join(w->state, code_of("K1"), fx);
    case_pledge(w->state, code_of("P1"), fx);
    case_set(&w->state->state, state, fx);
    w->state->has_closed = 1;
    w->state->closed =
        strcmp(state, "CLOSED") == 0 || strcmp(state, "CANCELLED") == 0;
}

#define NO "E-FLW-001"    /* not at this stage */
#define CASE "E-FLW-004"  /* there is no such case */
#define ACTOR "E-FLW-005" /* not by this agency */
static const char *const STATES[] = {"",        "CALLED", "HELD",
                                     "MINUTES", "CLOSED", "CANCELLED"};
static const struct {
    uint32_t event;
    const char *from;
    const char *want[6]; /* in each state */
} TOTAL[] = {
    /* clang-format off */
    /* by the convenor */
    {CALLED, "C1", {"CALLED", "CALLED", "HELD", NO, NO, NO}},
    {PLEDGED, "C1", {CASE, "CALLED", "HELD", NO, NO, NO}},
    {PAPERS, "C1", {CASE, "CALLED", "HELD", NO, NO, NO}},
    {HELD, "C1", {CASE, "HELD", "HELD", NO, NO, NO}},
    {MINUTES, "C1", {CASE, NO, "MINUTES", "MINUTES", NO, NO}},
    {CLOSED, "C1", {CASE, NO, "CLOSED", "CLOSED", NO, NO}},
    {CANCELLED, "C1", {CASE, "CANCELLED", NO, NO, NO, NO}},
    /* by a member who pledged */
    {CALLED, "P1", {ACTOR, ACTOR, ACTOR, ACTOR, ACTOR, ACTOR}},
    {PLEDGED, "P1", {CASE, "CALLED", "HELD", NO, NO, NO}},
    {PAPERS, "P1", {CASE, "CALLED", "HELD", NO, NO, NO}},
    {HELD, "P1", {CASE, ACTOR, ACTOR, ACTOR, ACTOR, ACTOR}},
    {MINUTES, "P1", {CASE, ACTOR, ACTOR, ACTOR, ACTOR, ACTOR}},
    {CLOSED, "P1", {CASE, ACTOR, ACTOR, ACTOR, ACTOR, ACTOR}},
    {CANCELLED, "P1", {CASE, ACTOR, ACTOR, ACTOR, ACTOR, ACTOR}},
    /* by a member who did not */
    {PAPERS, "K1", {CASE, ACTOR, ACTOR, ACTOR, ACTOR, ACTOR}},
    {PLEDGED, "K1", {CASE, "CALLED", "HELD", NO, NO, NO}},
    /* by an agency that is no member: as if the case were not there */
    {PLEDGED, "S1", {CASE, CASE, CASE, CASE, CASE, CASE}},
    {PAPERS, "S1", {CASE, CASE, CASE, CASE, CASE, CASE}},
    {CALLED, "C2", {"CALLED", CASE, CASE, CASE, CASE, CASE}},
    {HELD, "C2", {CASE, CASE, CASE, CASE, CASE, CASE}},
    {MINUTES, "C2", {CASE, CASE, CASE, CASE, CASE, CASE}},
    {CLOSED, "C2", {CASE, CASE, CASE, CASE, CASE, CASE}},
    {CANCELLED, "C2", {CASE, CASE, CASE, CASE, CASE, CASE}},
}; /* clang-format on */

static void every_event_in_every_state_is_decided(void **state)
{
    (void)state;
    for (size_t i = 0; i < NELEM(TOTAL); i++)
        for (size_t j = 0; j < NELEM(STATES); j++) {
            in_state(STATES[j]);
            const char *got =
                say(TOTAL[i].from, TOTAL[i].event, PB__MEETING_KIND__MT_PD);
            if (strcmp(got, TOTAL[i].want[j]) != 0)
                fail_msg("%u by %s in %s: %s, not %s", TOTAL[i].event,
                         TOTAL[i].from, STATES[j], got, TOTAL[i].want[j]);
        }
}

static void the_end_calls_papers_back(void **state)
{
    (void)state;
    static const struct {
        uint32_t event;
        const char *in;
        bool recalls;
    } CASES[] = {{CLOSED, "HELD", true},      {CLOSED, "MINUTES", true},
                 {CANCELLED, "CALLED", true}, {HELD, "CALLED", false},
                 {MINUTES, "HELD", false},    {PAPERS, "HELD", false}};
    for (size_t i = 0; i < NELEM(CASES); i++) {
        in_state(CASES[i].in);
        say("C1", CASES[i].event, PB__MEETING_KIND__MT_PD);
        assert_int_equal(w->fx->recall_papers, CASES[i].recalls);
        assert_int_equal(w->state->closed, CASES[i].recalls);
    }
}

/* ---- who convenes what ---- */

static void a_kind_is_convened_by_who_is_charged_with_it(void **state)
{
    static const struct {
        Pb__MeetingKind kind;
        const char *by;
    } CASES[] = {
        {PB__MEETING_KIND__MT_PD, "C1 C2"},
        {PB__MEETING_KIND__MT_SERVICE, "P1"},
        {PB__MEETING_KIND__MT_JUSO, "M1"},
        {PB__MEETING_KIND__MT_COUNCIL_CASE, "K1 M1"},
        {PB__MEETING_KIND__MT_106, "M1"},
        {PB__MEETING_KIND__MT_COMMITTEE, "H1"},
        {PB__MEETING_KIND__MEETING_KIND_UNSPECIFIED, ""},
    };
    static const char *const FROM[] = {"C1", "C2", "P1", "M1", "K1", "H1"};
    (void)state;
    for (size_t i = 0; i < NELEM(CASES); i++)
        for (size_t j = 0; j < NELEM(FROM); j++) {
            world_reset(w);
            const char *got = say(FROM[j], CALLED, CASES[i].kind);
            bool may = strstr(CASES[i].by, FROM[j]) != NULL;
            if (strcmp(got, may ? "CALLED" : ACTOR) != 0)
                fail_msg("kind %d by %s: %s", (int)CASES[i].kind, FROM[j], got);
        }
    world_reset(w);
    assert_string_equal(say("B1", CALLED, PB__MEETING_KIND__MT_PD),
                        err_code(ERR_EVT_ROLE));
}

/* ---- the call stands ---- */

static void a_meeting_keeps_its_kind_and_what_its_call_named(void **state)
{
    const Pb__MeetingKind pd = PB__MEETING_KIND__MT_PD,
                          juso = PB__MEETING_KIND__MT_JUSO;
    (void)state;
    in_state("CALLED");
    assert_string_equal(w->state->meeting_kind, "MT_PD");
    assert_int_equal(w->state->session_classes, USUAL);
    assert_string_equal(say("C1", PAPERS, juso), NO);
    assert_string_equal(say("C1", HELD, juso), NO);
    assert_string_equal(say("C1", CALLED, juso), NO);
    assert_string_equal(tell("C1", CALLED, pd, USUAL | BIT(G_FIN), NULL, 0),
                        NO);
    assert_string_equal(tell("C1", CALLED, pd, BIT(G_ID), NULL, 0), "CALLED");
    assert_int_equal(w->state->session_classes, USUAL);
    assert_string_equal(say("C1", HELD, pd), "HELD");
    assert_string_equal(say("C1", MINUTES, juso), NO);
}

static void a_pledge_counts_once(void **state)
{
    (void)state;
    in_state("CALLED");
    assert_string_equal(say("K1", PLEDGED, 0), "CALLED");
    assert_string_equal(say("K1", PLEDGED, 0), "CALLED");
    assert_int_equal(w->state->n_pledged, 2);
    assert_true(case_pledged(w->state, code_of("K1")));
    assert_false(case_pledged(w->state, code_of("C1")));
}

/* The police cannot be named, whatever anybody agreed to (SC-13). */
static void no_meeting_event_names_the_police(void **state)
{
    static const uint32_t EVENTS[] = {CALLED, PAPERS,    HELD,   MINUTES,
                                      CLOSED, CANCELLED, PLEDGED};
    static const char *const WHOM[] = {"R_POLICE@49201", "R_JUSTICE@49201",
                                       "R_POLICE"};
    (void)state;
    for (size_t i = 0; i < NELEM(EVENTS); i++)
        for (size_t j = 0; j < NELEM(WHOM); j++) {
            in_state(EVENTS[i] == CALLED ? "" : "HELD");
            world_consent(w, "P_MCON", "P1");
            const char *got = tell("C1", EVENTS[i], PB__MEETING_KIND__MT_PD,
                                   USUAL, &WHOM[j], 1);
            if (strcmp(got, "E-POL-005") != 0)
                fail_msg("%u to %s: %s", EVENTS[i], WHOM[j], got);
            assert_int_equal(w->fx->to_count, 0);
        }
}

/* ---- reach: with the policy that ships ---- */

static uint64_t released_to(const char *name)
{
    for (size_t i = 0; i < w->fx->to_count; i++)
        if (w->fx->to[i].agency != NULL &&
            strcmp(w->fx->to[i].agency->code, code_of(name)) == 0 &&
            w->fx->to[i].why == ERR_OK)
            return w->fx->to[i].decision.released;
    return 0;
}

#define CALL(from, kind, classes, ...)                                         \
    tell(from, CALLED, kind, classes, (const char *const[]){__VA_ARGS__},      \
         NELEM(((const char *const[]){__VA_ARGS__})))
#define SHOW(from, kind, ...)                                                  \
    tell(from, PAPERS, kind, 0, (const char *const[]){__VA_ARGS__},            \
         NELEM(((const char *const[]){__VA_ARGS__})))

/* SC-16: 社会福祉法106条の6, without the person's consent. */
static void papers_reach_pledged_members_alone(void **state)
{
    const Pb__MeetingKind k = PB__MEETING_KIND__MT_106;
    (void)state;
    world_reset(w);
    assert_string_equal(CALL("M1", k, USUAL, "K1", "C1", "O1"), "CALLED");
    assert_true(case_party(w->state, code_of("K1")));
    assert_true(case_party(w->state, code_of("O1")));
    say("K1", PLEDGED, 0);
    SHOW("M1", k, "K1", "C1", "P1");
    assert_true((released_to("K1") & BIT(G_ID)) != 0);
    assert_int_equal(released_to("K1") & ~(USUAL | BIT(G_META)), 0);
    assert_int_equal(released_to("C1"), 0); /* before its pledge */
    assert_int_equal(released_to("P1"), 0); /* no member */
    say("C1", PLEDGED, 0);
    say("O1", PLEDGED, 0);
    SHOW("M1", k, "C1", "O1");
    assert_true((released_to("C1") & BIT(G_CARE)) != 0);
    assert_true((released_to("O1") & BIT(G_HOUSING)) != 0);
    assert_int_equal(released_to("O1") & ~(USUAL | BIT(G_META)), 0);
}

static void after_the_end_nothing_of_it_may_be_had(void **state)
{
    const Pb__MeetingKind k = PB__MEETING_KIND__MT_106;
    struct decision d;
    (void)state;
    world_reset(w);
    CALL("M1", k, USUAL, "K1");
    say("K1", PLEDGED, 0);
    SHOW("M1", k, "K1");
    for (int closed = 0; closed < 2; closed++) {
        struct facts f = world_facts(w, "M1");
        step_again(
            &f,
            &(struct question){schema_event(PAPERS), "MT_106",
                               registry_agency(w->registry, code_of("K1")),
                               "R_KIKAN", "P_M106", USUAL, NULL},
            w->now, &d);
        assert_int_equal(d.released != 0, closed == 0);
        say("M1", HELD, k);
        say("M1", CLOSED, 0);
    }
}

static void a_meeting_by_consent_needs_the_consent_too(void **state)
{
    const Pb__MeetingKind k = PB__MEETING_KIND__MT_PD;
    (void)state;
    world_reset(w);
    CALL("C1", k, USUAL, "P1", "K1");
    say("P1", PLEDGED, 0);
    say("K1", PLEDGED, 0);
    world_consent(w, "P_MCON", "P1");
    SHOW("C1", k, "P1", "K1");
    assert_true((released_to("P1") & BIT(G_ID)) != 0);
    assert_int_equal(released_to("P1") & ~(USUAL | BIT(G_META)), 0);
    assert_int_equal(released_to("K1"), 0);
}

static void minutes_of_a_statutory_meeting_stay_with_the_convenor(void **state)
{
    const Pb__MeetingKind k = PB__MEETING_KIND__MT_106;
    static const char *const K1[] = {"K1"};
    (void)state;
    world_reset(w);
    CALL("M1", k, USUAL, "K1");
    say("K1", PLEDGED, 0);
    world_consent(w, "P_M106", "K1");
    say("M1", HELD, k);
    assert_string_equal(tell("M1", MINUTES, k, 0, K1, 1), "MINUTES");
    assert_int_equal(released_to("K1") & BIT(G_MEET), 0);
}

static int begin(void **state)
{
    (void)state;
    w = world_new("");
    return 0;
}

static int end(void **state)
{
    (void)state;
    world_free(w);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_event_in_every_state_is_decided),
        cmocka_unit_test(the_end_calls_papers_back),
        cmocka_unit_test(a_kind_is_convened_by_who_is_charged_with_it),
        cmocka_unit_test(a_meeting_keeps_its_kind_and_what_its_call_named),
        cmocka_unit_test(a_pledge_counts_once),
        cmocka_unit_test(no_meeting_event_names_the_police),
        cmocka_unit_test(papers_reach_pledged_members_alone),
        cmocka_unit_test(after_the_end_nothing_of_it_may_be_had),
        cmocka_unit_test(a_meeting_by_consent_needs_the_consent_too),
        cmocka_unit_test(minutes_of_a_statutory_meeting_stay_with_the_convenor),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
