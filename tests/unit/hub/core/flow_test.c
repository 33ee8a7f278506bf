/* flow_test.c - traces through the discharge, filing and plan workflows, and
 * what all tables have in common. A trace is words  agency.event[:to]>outcome
 * (see flow_emergency_test.c for the emergency workflow). */
#include "tests/unit/hub/core/world.h"

static struct world *w;
static uint8_t last_ref[ID_BYTES]; /* the last introduction or filing */
static uint8_t other_ref[ID_BYTES] = {9};

union body {
    ProtobufCMessage base;
    Pb__AdmissionRecorded admission;
    Pb__CommunityProviderIntroduced introduction;
    Pb__IntroAnswered answer;
    Pb__FilingSubmitted filing;
    Pb__FilingReceived receipt;
};
static Pb__Date reply_by;
static ProtobufCBinaryData REF = {ID_BYTES, last_ref};
static ProtobufCBinaryData OTHER = {ID_BYTES, other_ref};

static void correct(union body *b)
{
    b->admission.has_corrects = b->admission.corrects = true;
}

static void ask_by(union body *b)
{
    pb__date__init(&reply_by);
    reply_by.iso = (char *)(uintptr_t) "2026-09-20";
    b->introduction.reply_by = &reply_by;
}

static void accept(union body *b)
{
    b->answer.has_answer = b->answer.has_intro_ref = true;
    b->answer.answer = PB__INTRO_ANSWER__INTRO_ACCEPTED;
    b->answer.intro_ref = REF;
}

static void decline(union body *b)
{
    b->answer.has_answer = true;
    b->answer.answer = PB__INTRO_ANSWER__INTRO_DECLINED;
}

static void answer_other(union body *b)
{
    accept(b);
    b->answer.intro_ref = OTHER;
}

static void file(union body *b)
{
    b->filing.has_form_code = true;
    b->filing.form_code = PB__FORM_CODE__MP_ADMIT;
}

static void stamp(union body *b)
{
    b->receipt.has_filing_ref = true;
    b->receipt.filing_ref = REF;
}

static void stamp_other(union body *b)
{
    b->receipt.has_filing_ref = true;
    b->receipt.filing_ref = OTHER;
}

static const struct {
    const char *word;
    uint32_t type;
    const char *purpose;
    void (*fill)(union body *b);
} VERBS[] = {
    {"admit", 1001, "P_TRA", NULL},
    {"correct", 1001, "P_TRA", correct},
    {"status", 1002, "P_PD", NULL},
    {"introduce", 1011, "P_TRA", ask_by},
    {"accept", 1012, "P_TRA", accept},
    {"decline", 1012, "P_TRA", decline},
    {"noanswer", 1012, "P_TRA", NULL},
    {"acceptother", 1012, "P_TRA", answer_other},
    {"plan", 1030, "P_TRA", NULL},
    {"discharge", 1032, "P_TRA", NULL},
    {"file", 1101, "P_FIL", file},
    {"stamp", 1102, "P_FIL", stamp},
    {"stampother", 1102, "P_FIL", stamp_other},
    {"candidate", 1310, "P_PD", NULL},
    {"issue", 1320, "P_PD", NULL},
};

static void send_word(const char *from, const char *verb, char *to)
{
    struct sent s;
    union body b;
    size_t i = 0;
    while (i < NELEM(VERBS) && strcmp(VERBS[i].word, verb) != 0)
        i++;
    assert_true(i < NELEM(VERBS));
    protobuf_c_message_init(schema_event(VERBS[i].type)->descriptor, &b.base);
    if (VERBS[i].fill != NULL)
        VERBS[i].fill(&b);
    sent_init(w, &s, VERBS[i].type, &b.base);
    for (char *save, *t = strtok_r(to, ",", &save); t != NULL;
         t = strtok_r(NULL, ",", &save))
        sent_to(&s, t, VERBS[i].purpose);
    world_send(w, &s, from);
    if (VERBS[i].type == 1011 || VERBS[i].type == 1101)
        memcpy(last_ref, s.e.event_id.b, ID_BYTES);
}

static void play(const char *name, const char *trace)
{
    char copy[512];
    snprintf(copy, sizeof(copy), "%s", trace);
    for (char *save, *t = strtok_r(copy, " ", &save); t != NULL;
         t = strtok_r(NULL, " ", &save)) {
        char from[64], verb[64], to[64] = "", want[64];
        if (sscanf(t, "%63[^.].%63[a-z]>%63s", from, verb, want) != 3 &&
            sscanf(t, "%63[^.].%63[a-z]:%63[^>]>%63s", from, verb, to, want) !=
                4)
            fail_msg("bad word %s", t);
        send_word(from, verb, to);
        if (strcmp(world_outcome(w), want) != 0)
            fail_msg("%s: after %s: %s", name, t, world_outcome(w));
    }
}

/* Consents in force: to P1 and P2 for the transition, to N1 for the plan. */
static void with_consents(void)
{
    world_reset(w);
    world_consent(w, "P_TRA", "P1");
    world_consent(w, "P_TRA", "P2");
    world_consent(w, "P_PD", "N1");
}

static const struct {
    const char *name, *trace;
} CASES[] = {
    {"SC-01 from admission to discharge",
     "H1.admit>OPENED H1.status>OPENED H1.introduce:P1>NETWORKING "
     "P1.accept:H1>TEAM_FORMED H1.plan:P1>DATE_SET "
     "H1.discharge:P1>DISCHARGED"},
    {"a correction changes nothing", "H1.admit>OPENED H1.correct>OPENED"},
    {"a correction after the discharge does not reopen",
     "H1.admit>OPENED H1.discharge>DISCHARGED H1.correct>DISCHARGED"},
    {"a new admission after the discharge does",
     "H1.admit>OPENED H1.discharge>DISCHARGED H1.admit>OPENED"},
    {"a discharge may arrive before its admission", "H1.discharge>DISCHARGED"},
    {"so may an introduction", "H1.introduce:P1>NETWORKING"},
    {"and a planned discharge", "H1.plan>DATE_SET"},
    {"a plan after the discharge is late",
     "H1.discharge>DISCHARGED H1.plan>late"},
    {"when all decline there is no provider",
     "H1.introduce:P1>NETWORKING P1.decline:H1>NO_PROVIDER "
     "P1.accept:H1>TEAM_FORMED"},
    {"one no is not all",
     "H1.introduce:R_PLAN@49201>NETWORKING P1.decline:H1>NETWORKING "
     "P2.decline:H1>NO_PROVIDER"},
    {"asked again, a no is not the last word",
     "H1.introduce:P1,P2>NETWORKING P1.decline:H1>NETWORKING "
     "H1.introduce:P1>NETWORKING P2.decline:H1>NETWORKING"},
    {"who was not introduced has no case to answer",
     "H1.introduce:P1>NETWORKING K1.accept:H1>E-FLW-004"},
    {"an introduction that may not be passed on makes no party",
     "H1.admit>OPENED H1.introduce:N1>NETWORKING P1.accept:H1>E-FLW-004"},
    {"an answer to something else is none",
     "H1.introduce:P1>NETWORKING P1.acceptother:H1>E-FLW-001"},
    {"an answer says yes or no",
     "H1.introduce:P1>NETWORKING P1.noanswer:H1>E-VAL-012"},
    {"a late yes joins the team",
     "H1.introduce:P1>NETWORKING H1.plan>DATE_SET P1.accept:H1>DATE_SET"},
    {"another hospital has no such case", "H1.admit>OPENED H2.plan>E-EVT-018"},
    {"a party does not do the hospital's part",
     "H1.introduce:P1>NETWORKING P1.discharge>E-EVT-018"},
    {"a legal status alone opens nothing", "H1.status>none"},

    {"a filing is stamped", "H1.file:C1>SUBMITTED C1.stamp:H1>RECEIVED_HC"},
    {"a filing is sent again until it is stamped",
     "H1.file:C1>SUBMITTED H1.file:C1>SUBMITTED C1.stamp:H1>RECEIVED_HC "
     "H1.file:C1>E-FLW-001"},
    {"a stamp is for a filing that was sent",
     "H1.file:C1>SUBMITTED C1.stampother:H1>E-FLW-001"},
    {"only who got the filing stamps it",
     "H1.file:C1>SUBMITTED C2.stamp:H1>E-FLW-004"},
    {"a stamp without a filing", "C1.stamp:H1>E-FLW-004"},
    {"a filing is no part of a discharge case",
     "H1.admit>OPENED H1.file:C1>E-FLW-001"},

    {"a candidate becomes a plan",
     "H1.candidate:C2>CANDIDATE C2.issue:N1>ISSUED C2.issue:P1>ISSUED"},
    {"the authority that ordered the measure starts by itself",
     "C2.issue:N1>ISSUED"},
    {"a health centre of another government gets no candidate",
     "H1.candidate:C1>CANDIDATE C1.issue:N1>E-FLW-004"},
    {"only a health centre issues", "H1.candidate:C2>CANDIDATE "
                                    "H1.issue:N1>E-EVT-018"},
};

static void traces_end_as_told(void **state)
{
    (void)state;
    for (size_t i = 0; i < NELEM(CASES); i++) {
        with_consents();
        play(CASES[i].name, CASES[i].trace);
    }
}

static void no_plan_without_consent(void **state)
{
    (void)state;
    static const char TRACE[] =
        "H1.candidate:C2>CANDIDATE C2.issue:N1>E-POL-001";
    world_reset(w);
    play("nobody was asked", TRACE);
    world_reset(w);
    world_consent(w, "P_PD", "N1")->kind = GRANT_REFUSED;
    play("the person refused", TRACE);
    world_reset(w);
    world_consent(w, "P_PD", "N1")->withdrawn = true;
    play("the person took it back", TRACE);
    world_reset(w);
    world_consent(w, "P_PD", "N1")->to_day = 20000;
    play("the consent is over", TRACE);
    world_reset(w);
    world_consent(w, "P_TRA", "N1");
    play("consent for something else", TRACE);
    world_reset(w);
    play("nor for a case that is not known", "C2.issue:N1>E-POL-001");
}

static void an_introduction_waits_until_the_end_of_its_day(void **state)
{
    (void)state;
    with_consents();
    play("reply by", "H1.introduce:P1>NETWORKING");
    const struct deadline_change *d = &w->fx->deadline[0];
    assert_int_equal(w->fx->deadline_count, 1);
    assert_int_equal(d->kind, DEADLINE_INTRO_REPLY);
    assert_int_equal(d->due_ms, UINT64_C(1789916400000)); /* 09-21 00:00 */
    assert_memory_equal(d->ref, last_ref, ID_BYTES);
    world_due(w, DEADLINE_INTRO_REPLY, last_ref);
    assert_string_equal(w->state->state, "NETWORKING");
    play("reply by", "P1.accept:H1>TEAM_FORMED");
    assert_int_equal(w->fx->deadline_count, 1);
    assert_false(w->fx->deadline[0].start);
}

/* ---- all tables ---- */

static void every_event_of_a_table_has_senders_and_a_schema(void **state)
{
    (void)state;
    for (size_t i = 0; i < FLOW_COUNT; i++)
        for (size_t j = 0; j < FLOWS[i]->rule_count; j++) {
            const struct flow_rule *r = &FLOWS[i]->rules[j];
            if (r->event == 0)
                continue;
            assert_non_null(schema_event(r->event));
            assert_false(schema_event(r->event)->hub_only);
            if (flow_senders(r->event) == NULL)
                fail_msg("nobody sends %s", schema_event(r->event)->event_name);
        }
}

static void every_event_that_is_not_the_hubs_can_be_sent(void **state)
{
    (void)state;
    for (size_t i = 0; i < SCHEMA_MESSAGE_COUNT; i++) {
        const struct schema_message *m = &SCHEMA_MESSAGES[i];
        bool nobody = m->hub_only || m->channel[0] != '\0';
        if (m->event != 0 && (flow_senders(m->event) == NULL) != nobody)
            fail_msg("%s", m->event_name);
    }
}

static bool reached(const struct flow *f, const char *name, size_t n)
{
    for (size_t i = 0; i < f->rule_count; i++)
        if (f->rules[i].next != NULL && strlen(f->rules[i].next) == n &&
            strncmp(f->rules[i].next, name, n) == 0)
            return true;
    return false;
}

static void every_state_named_is_reached_by_some_rule(void **state)
{
    (void)state;
    for (size_t i = 0; i < FLOW_COUNT; i++)
        for (size_t j = 0; j < FLOWS[i]->rule_count; j++) {
            const char *p = FLOWS[i]->rules[j].state;
            for (size_t n; *p != '\0' && *p != '*'; p += n + (p[n] == '|')) {
                n = strcspn(p, "|");
                if (!reached(FLOWS[i], p, n))
                    fail_msg("%s: %s", FLOWS[i]->name, p);
            }
        }
}

static void the_first_rule_that_fits_wins_and_none_is_refused(void **state)
{
    (void)state;
    static const struct flow_rule RULES[] = {
        ON("ANEW|NEWER", 1001, TO("WRONG")),
        ON("OLD|NEW", 1001, TO("FIRST")),
        ON("*", 1001, TO("SECOND")),
        ON("FIRST", 1030, REFUSE(ERR_FLOW_LATE)),
    };
    static const struct flow F = {.name = "T", .rules = RULES, .rule_count = 4};
    static const struct {
        const char *state;
        uint32_t event;
        const char *want;
    } STEPS[] = {{"NEW", 1001, "FIRST"},       {"OLD", 1001, "FIRST"},
                 {"NEWER", 1001, "WRONG"},     {"NE", 1001, "SECOND"},
                 {"FIRST", 1030, "E-FLW-003"}, {"OLD", 1030, "E-FLW-001"}};
    for (size_t i = 0; i < NELEM(STEPS); i++) {
        Pb__CaseState s;
        struct event e = {.schema = schema_event(STEPS[i].event)};
        struct facts f = world_facts(w, "H1");
        pb__case_state__init(&s);
        s.state = (char *)(uintptr_t)STEPS[i].state;
        struct flow_in in = {.facts = &f, .event = &e, .state = &s};
        effects_fini(w->fx);
        flow_step(&F, &in, w->fx);
        const char *got = w->fx->refuse != ERR_OK ? err_code(w->fx->refuse)
                                                  : w->fx->state->state;
        if (strcmp(got, STEPS[i].want) != 0)
            fail_msg("%s: %s", STEPS[i].state, got);
    }
}

static void a_table_prints_as_a_graph(void **state)
{
    (void)state;
    struct buf out = {0};
    flow_dot(&FLOW_EMERGENCY, &out);
    const char *text = (const char *)out.p;
    assert_non_null(strstr(text, "digraph EmergencyRequest {"));
    assert_non_null(strstr(
        text, "  \"start\" -> \"NEW\" [label=\"EMERGENCY_REQUESTED\"];\n"));
    assert_non_null(
        strstr(text, "  \"TRIAGED\" -> \"CANVASSING\" [label=\"STAY_CANVASS"));
    assert_non_null(strstr(text, "\\n[hold_was_last]"));
    assert_string_equal(text + out.n - 2, "}\n");
    buf_fini(&out);
}

static void a_copy_of_a_case_is_a_case_of_its_own(void **state)
{
    (void)state;
    with_consents();
    play("copy", "H1.introduce:P1>NETWORKING P1.decline:H1>NO_PROVIDER");
    Pb__CaseState *copy = case_copy(w->state);
    assert_non_null(copy);
    assert_string_equal(copy->flow, "DischargeCase");
    assert_string_equal(copy->owner, code_of("H1"));
    assert_int_equal(copy->version, 2);
    assert_int_equal(copy->opened_ms, NOW);
    assert_true(case_party(copy, code_of("P1")));
    assert_true(case_declined(copy, code_of("P1")));
    assert_true(case_remembers(copy, REF));
    assert_ptr_not_equal(copy->party[0], w->state->party[0]);
    case_free(&copy);
    assert_null(copy);
    case_free(&copy);
}

static int open_world(void **state)
{
    (void)state;
    w = world_new("OW-P2-49\t見本相談室\tMihon Office\tR_PLAN\t49201\t\n");
    return 0;
}

static int close_world(void **state)
{
    (void)state;
    world_free(w);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(traces_end_as_told),
        cmocka_unit_test(no_plan_without_consent),
        cmocka_unit_test(an_introduction_waits_until_the_end_of_its_day),
        cmocka_unit_test(every_event_of_a_table_has_senders_and_a_schema),
        cmocka_unit_test(every_event_that_is_not_the_hubs_can_be_sent),
        cmocka_unit_test(every_state_named_is_reached_by_some_rule),
        cmocka_unit_test(the_first_rule_that_fits_wins_and_none_is_refused),
        cmocka_unit_test(a_table_prints_as_a_graph),
        cmocka_unit_test(a_copy_of_a_case_is_a_case_of_its_own),
    };
    return cmocka_run_group_tests(tests, open_world, close_world);
}
