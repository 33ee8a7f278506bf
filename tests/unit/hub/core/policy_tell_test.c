/* policy_tell_test.c - what the tables say to people and to programs, and how
 * little a refusal, a protection and silence can be told apart (I-13). */
#include "tests/unit/hub/core/pack.h"

/* What is asked of the pack that ships, with or without consent to all. */
struct cell {
    const char *event, *purpose, *role;
    unsigned facts;
    bool consent;
};

static void decide_cell(const struct policy *p, const struct cell *c,
                        struct decision *d)
{
    const struct schema_message *m = schema_event_named(c->event);
    struct agency a = agency_of(c->role);
    struct grant g = consent_to(CODE, c->purpose, every_class(), 7);
    struct policy_ask ask = {.event = c->event,
                             .variant = "",
                             .purpose = c->purpose,
                             .recipient = &a,
                             .role = c->role,
                             .classes = m->class_mask | classes("G_META"),
                             .predicates = c->facts,
                             .grants = &g,
                             .grant_count = c->consent,
                             .now_ms = NOW,
                             .clock_ok = true};
    policy_decide(p, &ask, d);
}

static void words_have_labels(void **state)
{
    (void)state;
    struct policy *p = default_policy();
    assert_true(policy_knows_role(p, "R_HC"));
    assert_false(policy_knows_role(p, "R_POLICE"));
    assert_false(policy_knows_role(p, "P_FIL"));
    assert_true(policy_knows_purpose(p, "P_FIL"));
    assert_false(policy_knows_purpose(p, "R_HC"));
    assert_string_equal(policy_label_ja(p, "R_HC"), "保健所");
    assert_string_equal(policy_label_en(p, "LB_LAW"), "required by law");
    assert_string_equal(policy_label_ja(p, "P_EMG"), "緊急時の受入れ");
    assert_string_equal(policy_label_ja(p, "DISCHARGED"), "退院");
    assert_string_equal(policy_label_en(p, "R_NOBODY"), "R_NOBODY");
    assert_string_equal(policy_rule_row(p, NO_RULE), "");
    policy_free(&p);
}

static void explain(const struct policy *p, const struct cell *c,
                    struct buf *ja, struct buf *en)
{
    struct decision d;
    decide_cell(p, c, &d);
    buf_reset(ja);
    buf_reset(en);
    policy_explain(p, &d, ja, en);
}

static void a_sentence_says_what_and_why(void **state)
{
    (void)state;
    struct policy *p = default_policy();
    struct buf ja = {0}, en = {0};
    struct cell c = {"DISCHARGED", "P_TRA", "R_GH", 0, true};
    explain(p, &c, &ja, &en);
    assert_string_equal(
        (const char *)ja.p,
        "渡す情報: 手続きの状態・日付・担当者名、氏名・生年月日・性別、"
        "住所・電話、退院の日、退院後の行き先。本人の同意があるため、"
        "支援する機関に退院の日と行き先を渡します。"
        "渡さない情報: 入院の事実。渡せる根拠がありません。");
    assert_non_null(strstr((const char *)en.p, "Passed on: "));
    c = (struct cell){"ADMISSION_RECORDED", "P_TRA", "R_PLAN", PRED_EXISTING,
                      true};
    explain(p, &c, &ja, &en);
    assert_string_equal(
        (const char *)en.p,
        "Passed on: status, dates and officers; name, birth date and sex; "
        "the fact of an admission. The person agreed that the supporting "
        "office is told of the admission. Not passed on: address and phone; "
        "diagnosis. There is no ground to pass this on.");
    c = (struct cell){"PLAN_ISSUED", "P_PD", "R_POLICE", 0, true};
    explain(p, &c, &ja, &en);
    assert_string_equal((const char *)ja.p, "支援計画は、警察には渡しません。");
    struct decision d = {.error = ERR_POL_CLOCK};
    buf_reset(&ja);
    policy_explain(p, &d, &ja, &en);
    assert_string_equal((const char *)ja.p, err_ja(ERR_POL_CLOCK));
    buf_fini(&ja);
    buf_fini(&en);
    policy_free(&p);
}

static void i_13_refused_and_never_asked_sound_the_same(void **state)
{
    (void)state;
    struct policy *p = default_policy();
    struct agency a = agency_of("R_PLAN");
    struct grant g = refusal_of("P_PD", 1);
    struct policy_ask ask = {.event = "PLAN_ISSUED",
                             .variant = "",
                             .purpose = "P_PD",
                             .recipient = &a,
                             .classes = classes("G_META G_ID G_PLAN_OWN"),
                             .grants = &g,
                             .now_ms = NOW,
                             .clock_ok = true};
    struct buf ja[2] = {{0}}, en[2] = {{0}};
    for (size_t i = 0; i < 2; i++) {
        struct decision d;
        ask.grant_count = i;
        policy_decide(p, &ask, &d);
        assert_int_equal(d.error, ERR_OK);
        assert_int_equal(d.released, 0);
        assert_int_equal(d.withheld, ask.classes);
        assert_int_equal(d.of[2].rule, NO_RULE);
        policy_explain(p, &d, &ja[i], &en[i]);
    }
    assert_string_equal((const char *)ja[0].p, (const char *)ja[1].p);
    assert_string_equal((const char *)en[0].p, (const char *)en[1].p);
    for (size_t i = 0; i < 2; i++) {
        buf_fini(&ja[i]);
        buf_fini(&en[i]);
    }
    policy_free(&p);
}

/* An address that is protected reads like one nobody agreed to pass on. */
static void i_13_a_protected_address_sounds_like_no_ground(void **state)
{
    (void)state;
    struct policy *p = default_policy();
    struct agency a = agency_of("R_PLAN");
    struct grant all = consent_to(CODE, "P_TRA", every_class(), 1);
    struct grant less = all;
    less.classes &= ~classes("G_CONTACT G_DEST");
    struct policy_ask ask = {.event = "DISCHARGED",
                             .variant = "",
                             .purpose = "P_TRA",
                             .recipient = &a,
                             .classes =
                                 schema_event_named("DISCHARGED")->class_mask,
                             .grant_count = 1,
                             .now_ms = NOW,
                             .clock_ok = true};
    struct buf ja[2] = {{0}}, en[2] = {{0}};
    struct decision d[2];
    for (size_t i = 0; i < 2; i++) {
        ask.predicates = i == 0 ? PRED_ADDRESS_PROTECTED : 0;
        ask.grants = i == 0 ? &all : &less;
        policy_decide(p, &ask, &d[i]);
        policy_explain(p, &d[i], &ja[i], &en[i]);
    }
    assert_string_equal(rule_at(p, &d[0], "G_CONTACT"), "P01");
    assert_string_equal(rule_at(p, &d[1], "G_CONTACT"), "DEFAULT");
    assert_int_equal(d[0].released, d[1].released);
    assert_int_equal(d[0].withheld, d[1].withheld);
    assert_string_equal((const char *)ja[0].p, (const char *)ja[1].p);
    assert_string_equal((const char *)en[0].p, (const char *)en[1].p);
    assert_true(
        policy_rule_plain(p, d[0].of[class_from_name("G_CONTACT")].rule));
    assert_true(policy_rule_plain(p, NO_RULE));
    for (size_t i = 0; i < 2; i++) {
        buf_fini(&ja[i]);
        buf_fini(&en[i]);
    }
    policy_free(&p);
}

/* And so it does when nothing else is left. */
static void i_13_nothing_but_a_protected_address_is_a_plain_no(void **state)
{
    (void)state;
    struct pack k = {0};
    pack_small(&k, "p\t0\tprotect\tdeny\t*\tP\tA\t*\t\t\t\t-\t-\t\t\n"
                   "a\t0\tlaw\tpermit\t*\tP\tA\t*\t\t\tNOW\tj\te\t\t\n");
    struct policy *p = pack_policy(&k);
    struct decision d = decide_small(p, "A", "", NULL, NULL, 0, 0);
    struct buf ja = {0}, en = {0};
    policy_explain(p, &d, &ja, &en);
    assert_int_equal(d.released, 0);
    assert_string_equal((const char *)ja.p, err_ja(ERR_POL_NONE));
    assert_string_equal((const char *)en.p, err_en(ERR_POL_NONE));
    buf_fini(&ja);
    buf_fini(&en);
    policy_free(&p);
    pack_fini(&k);
}

static void a_rule_can_be_looked_at(void **state)
{
    (void)state;
    struct pack k = {0};
    pack_small(&k,
               "a\t1 2\tsession\tpermit\tFILING_SUBMITTED:MP_END DISCHARGED\tP"
               "\tB\tG_ID\tsession\tbreakglass\tTODAY\tj\te\t2026-01-01\t\n"
               "b\t3\tprohibit\tdeny\t*\tP\tX\t*\t\t\t\t-\t-\t\t\n");
    struct policy *p = pack_policy(&k);
    struct policy_rule_view r;
    assert_true(policy_rule_at(p, 0, &r));
    assert_string_equal(r.id, "a");
    assert_string_equal(r.row, "1 2");
    assert_string_equal(r.layer, "session");
    assert_string_equal(r.basis, "TODAY");
    assert_string_equal(r.ja, "j");
    assert_true(r.permit);
    assert_int_equal(r.classes, classes("G_ID"));
    assert_int_equal(r.requires, PRED_SESSION);
    assert_int_equal(r.unless, PRED_BREAKGLASS);
    assert_string_equal(policy_code(p, POLICY_ROLE, 1), "B");
    assert_int_equal(r.roles, 1u << 1);
    assert_string_equal(policy_code(p, POLICY_PURPOSE, 0), "P");
    assert_int_equal(r.purposes, 1);
    assert_int_equal(r.to_day, INT32_MAX);
    assert_true(policy_rule_about(p, 0, "DISCHARGED", ""));
    assert_true(policy_rule_about(p, 0, "FILING_SUBMITTED", ""));
    assert_true(policy_rule_about(p, 0, "FILING_SUBMITTED", "MP_END"));
    assert_false(policy_rule_about(p, 0, "FILING_SUBMITTED", "MP_ADMIT"));
    assert_false(policy_rule_about(p, 0, "STAY_CANVASS", ""));
    assert_false(policy_rule_about(p, 0, "PARTY", ""));
    assert_true(policy_rule_at(p, 1, &r));
    assert_string_equal(r.ja, err_ja(ERR_POL_NONE));
    assert_string_equal(r.basis, "");
    assert_true(policy_rule_about(p, 1, "STAY_CANVASS", ""));
    assert_false(policy_rule_at(p, 2, &r));
    policy_free(&p);
    pack_fini(&k);
}

static void every_code_can_be_counted_out(void **state)
{
    (void)state;
    struct pack k = {0};
    pack_small(&k, "");
    struct policy *p = pack_policy(&k);
    static const struct {
        enum policy_kind kind;
        size_t count;
        const char *last;
    } KINDS[] = {{POLICY_ROLE, 3, "X"},
                 {POLICY_PURPOSE, 1, "P"},
                 {POLICY_PREDICATE, 2, "session"},
                 {POLICY_REASON, 1, "FIRE"}};
    for (size_t i = 0; i < NELEM(KINDS); i++) {
        size_t n = policy_count(p, KINDS[i].kind);
        assert_int_equal(n, KINDS[i].count);
        assert_string_equal(policy_code(p, KINDS[i].kind, n - 1),
                            KINDS[i].last);
        assert_null(policy_code(p, KINDS[i].kind, n));
    }
    assert_string_equal(policy_predicate_name(PRED_RESPONSIBLE), "responsible");
    assert_string_equal(policy_predicate_name(0), "");
    assert_string_equal(policy_predicate_name(PRED_ASKED | PRED_CHOSEN), "");
    policy_free(&p);
    pack_fini(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_have_labels),
        cmocka_unit_test(a_sentence_says_what_and_why),
        cmocka_unit_test(i_13_refused_and_never_asked_sound_the_same),
        cmocka_unit_test(i_13_a_protected_address_sounds_like_no_ground),
        cmocka_unit_test(i_13_nothing_but_a_protected_address_is_a_plain_no),
        cmocka_unit_test(a_rule_can_be_looked_at),
        cmocka_unit_test(every_code_can_be_counted_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
