/* report_test.c - a leaf as a line for the person: what it says, in which
 * section, and what it leaves out. */
#include "hub/core/report.h"
#include "proto/base/date.h"
#include "tests/unit/hub/core/world.h"

#define K(name) PB__LEAF_KIND__##name
#define BIT(c) (UINT64_C(1) << PB__DATA_CLASS__##c)
#define HC "HC-492019-01"
#define FAMILY "OW-FAMILY-49"

static struct world *w;
static struct grant grants[2];

static struct report_view view(const char *from)
{
    return (struct report_view){w->policy, w->registry, grants, 2, from};
}

static void is_text(const struct report_row *r, enum report_column c,
                    const char *want, const char *name)
{
    const char *got = r->text[c].n > 0 ? (const char *)r->text[c].p : "";
    if (strcmp(got, want) != 0)
        fail_msg("%s: %s: %s, not %s", name, report_column_name(c), got, want);
}

/* ---- sections and sentences ---- */

static const struct {
    const char *name;
    Pb__LeafKind kind;
    const char *phase;
    int outcome;
    const char *reason;
    enum report_section section;
    const char *act, *why;
} LINES[] = {
    /* clang-format off */
    {"a release is a delivery", K(RELEASE), "RELEASE", 1, NULL, REPORT_DELIVERIES,
     "架空こころ病院からの「退院」の知らせを渡しました", ""},
    {"what was called back", K(RECALL), NULL, -1, "E-POL-001", REPORT_DELIVERIES,
     "渡した知らせを取り消しました", ""},
    {"what became of it", K(RECALL), "ANSWER", -1, "HANDED_OVER", REPORT_DELIVERIES,
     "取り消した知らせについて、返事がありました",
     "すでに相手の記録に入っていました。取り消しの印を付けました。"},
    {"a holder of erased data", K(RECALL), "ERASE", -1, "DELETED", REPORT_ERASURES,
     "持っている情報を消すように頼み、返事がありました", "持っていたものを消しました。"},
    {"somebody opened it", K(READ), "READ", 1, NULL, REPORT_READS,
     "架空こころ病院からの「退院」の知らせを職員が開きました", ""},
    {"somebody tried to", K(READ), "READ", 0, "E-NF-001", REPORT_REFUSALS,
     "開こうとしましたが、見られませんでした", "渡せる根拠がありません。"},
    {"a question before sending", K(READ), "PREVIEW", 1, NULL, REPORT_LOOKUPS,
     "架空こころ病院からの「退院」を送ると何が渡るかを、送る前に確かめました", ""},
    {"a refusal", K(DECISION), "ROUTE", 0, "E-POL-001", REPORT_REFUSALS,
     "架空こころ病院からの「退院」の知らせを渡しませんでした", "渡せる根拠がありません。"},
    {"a decision that let it pass is a step", K(DECISION), "ROUTE", 2, NULL, REPORT_STEPS,
     "架空こころ病院からの「退院」の知らせを渡してよいかを確かめました", ""},
    {"stopped on its way", K(WITHHELD), NULL, -1, "E-POL-001", REPORT_REFUSALS,
     "渡す前に止めました", "渡せる根拠がありません。"},
    {"a withdrawal", K(CONSENT_REVOKE), NULL, -1, NULL, REPORT_CONSENTS,
     "同意の取り消しを記録しました", ""},
    {"a no", K(CONSENT_REFUSAL), NULL, -1, NULL, REPORT_CONSENTS, "同意しないことを記録しました", ""},
    {"break-glass", K(BREAKGLASS_OPEN), NULL, -1, "UNCONSCIOUS", REPORT_GLASS,
     "緊急のため、同意なしで見られるようにしました(緊急閲覧)", "本人に意識がない"},
    {"its verdict", K(REVIEW), NULL, -1, "NOT_JUSTIFIED", REPORT_GLASS,
     "この機関の緊急閲覧が正しかったかどうかの、別の機関による点検です", "点検の結果: 妥当でない"},
    {"or none in time", K(REVIEW), NULL, -1, "OVERDUE", REPORT_GLASS,
     "この機関の緊急閲覧が正しかったかどうかの、別の機関による点検です", "点検が期限までに終わりませんでした。"},
    {"keys destroyed", K(ERASE_BEGIN), NULL, -1, "ERASED", REPORT_ERASURES,
     "情報を読むための鍵を壊し始めました", "消すことを、2人が承認しました。"},
    {"or because their time was over", K(ERASE_BEGIN), NULL, -1, "EXPIRED", REPORT_ERASURES,
     "情報を読むための鍵を壊し始めました", "置いておく期限が過ぎました。"},
    {"an order to delay", K(ADMIN), "delay", -1, NULL, REPORT_ERASURES,
     "記録の一部を後の日に見せることを、2人が承認しました", ""},
    {"a report given", K(REPORT), "REPORT", 1, NULL, REPORT_LOOKUPS,
     "この記録を取り出しました", ""},
    {"sent", K(INGEST), NULL, 1, NULL, REPORT_STEPS, "「退院」の知らせを送り出しました", ""},
    {"a kind that is not known", (Pb__LeafKind)99, NULL, -1, NULL, REPORT_STEPS,
     "そのほかの手続きを記録しました", ""},
}; /* clang-format on */

static Pb__AuditLeaf leaf_of(Pb__LeafKind kind)
{
    Pb__AuditLeaf l = PB__AUDIT_LEAF__INIT;
    l.has_index = l.has_time_ms = l.has_kind = l.has_type = 1;
    l.index = 7;
    l.time_ms = NOW;
    l.kind = kind;
    l.type = EVENT_DISCHARGED;
    l.peer = (char *)(uintptr_t)HC;
    return l;
}

static void each_kind_has_its_section_and_its_sentence(void **state)
{
    (void)state;
    struct report_row r = {0};
    struct report_view v = view("MI-4910100017");
    for (size_t i = 0; i < NELEM(LINES); i++) {
        Pb__AuditLeaf l = leaf_of(LINES[i].kind);
        l.phase = (char *)(uintptr_t)LINES[i].phase;
        l.reason = (char *)(uintptr_t)LINES[i].reason;
        l.has_outcome = LINES[i].outcome >= 0;
        l.outcome = (uint32_t)LINES[i].outcome;
        assert_int_equal(report_row(&v, &l, &r), ERR_OK);
        if (r.section != LINES[i].section || r.leaf != 7 || r.time_ms != NOW)
            fail_msg("%s: section %s", LINES[i].name,
                     report_section_name(r.section));
        is_text(&r, REPORT_ACT, LINES[i].act, LINES[i].name);
        is_text(&r, REPORT_WHY, LINES[i].why, LINES[i].name);
        is_text(&r, REPORT_AGENCY, "架空市保健所", LINES[i].name);
        assert_false(r.masked);
    }
    report_row_fini(&r);
}

static void grounds_are_words(void **state)
{
    (void)state;
    char law[] = "R001", never[] = "R004A", code[] = "LB_LAW";
    char *rule[] = {law, never}, *basis[] = {code};
    struct report_row r = {0};
    struct report_view v = view("");
    Pb__AuditLeaf l = leaf_of(K(RELEASE));
    l.role = (char *)(uintptr_t) "R_HC";
    l.purpose = (char *)(uintptr_t) "P_FIL";
    l.rule = rule;
    l.n_rule = 2;
    l.basis = basis;
    l.n_basis = 1;
    l.has_released = l.has_withheld = 1;
    l.released = BIT(G_ID) | BIT(G_ADM);
    l.withheld = BIT(G_DX);
    assert_int_equal(report_row(&v, &l, &r), ERR_OK);
    is_text(&r, REPORT_ROLE, "保健所", "role");
    is_text(&r, REPORT_PURPOSE, "法律による届出", "purpose");
    is_text(&r, REPORT_KINDS,
            "氏名・生年月日・性別、入院の事実(渡さなかったもの: 病名)",
            "kinds");
    is_text(&r, REPORT_GROUND, "法律などの決まり", "ground");
    const char *why = (const char *)r.text[REPORT_WHY].p;
    assert_non_null(strstr(
        why, "根拠: 法令に基づく場合(個人情報保護法27条1項1号・69条1項)"));
    assert_null(strstr(why, "LB_"));
    /* what forbids is no reason for what passed */
    assert_null(strstr(why, "届出のほかの目的には使えません"));
    report_row_fini(&r);
}

/* ---- consents ---- */

static void a_consent_is_told_with_its_kinds_and_its_days(void **state)
{
    (void)state;
    struct report_row r = {0};
    struct report_view v = view("");
    Pb__AuditLeaf l = leaf_of(K(CONSENT_GRANT));
    ProtobufCBinaryData ref = {ID_BYTES, grants[0].ref};
    l.consent = &ref;
    l.n_consent = 1;
    l.purpose = (char *)(uintptr_t) "P_TRA";
    assert_int_equal(report_row(&v, &l, &r), ERR_OK);
    is_text(&r, REPORT_KINDS, "氏名・生年月日・性別、退院の日", "kinds");
    is_text(&r, REPORT_GROUND, "2026年4月1日から2026年9月30日まで", "days");
    l.kind = K(RELEASE);
    assert_int_equal(report_row(&v, &l, &r), ERR_OK);
    is_text(&r, REPORT_GROUND, "", "no rule, no ground");
    char consent[] = "R025", *rule[] = {consent};
    l.rule = rule;
    l.n_rule = 1;
    assert_int_equal(report_row(&v, &l, &r), ERR_OK);
    assert_non_null(strstr((char *)r.text[REPORT_GROUND].p, "証明番号42"));
    report_row_fini(&r);
}

/* ---- other people: T-REP-1 ---- */

static const struct {
    const char *name;
    Pb__LeafKind kind;
    const char *peer, *role;
    uint64_t released, withheld;
    int grant;
    bool masked;
    const char *kinds;
} OTHERS[] = {
    /* clang-format off */
    {"the filing names the family: said to be another person", K(RELEASE), HC, "R_HC",
     BIT(G_ID) | BIT(G_FAMILY), 0, -1, false, "氏名・生年月日・性別、ほかの人についての情報"},
    {"held back about the family", K(RELEASE), HC, "R_HC", BIT(G_ID), BIT(G_GUARD), -1, false,
     "氏名・生年月日・性別(渡さなかったもの: ほかの人についての情報)"},
    {"nothing but the family", K(RELEASE), HC, "R_HC", BIT(G_FAMILY), 0, -1, true, ""},
    {"the family and what goes along with anything", K(RELEASE), HC, "R_HC",
     BIT(G_FAMILY) | BIT(G_META), 0, -1, true, ""},
    {"a relative was asked", K(RELEASE), FAMILY, "R_FAMILY", BIT(G_ID), 0, -1, true, ""},
    {"a relative told", K(INGEST), FAMILY, NULL, 0, 0, -1, true, ""},
    {"the consent of a third person", K(CONSENT_GRANT), HC, NULL, 0, 0, 1, true, ""},
    {"the person's own", K(CONSENT_GRANT), HC, NULL, 0, 0, 0, false,
     "氏名・生年月日・性別、退院の日"},
}; /* clang-format on */

static void the_other_party_is_hidden_and_the_act_is_not(void **state)
{
    (void)state;
    struct report_row r = {0};
    struct report_view v = view("");
    for (size_t i = 0; i < NELEM(OTHERS); i++) {
        Pb__AuditLeaf l = leaf_of(OTHERS[i].kind);
        ProtobufCBinaryData ref = {
            ID_BYTES, grants[OTHERS[i].grant < 0 ? 0 : OTHERS[i].grant].ref};
        l.peer = (char *)(uintptr_t)OTHERS[i].peer;
        l.role = (char *)(uintptr_t)OTHERS[i].role;
        l.has_released = l.has_withheld = 1;
        l.released = OTHERS[i].released;
        l.withheld = OTHERS[i].withheld;
        l.consent = &ref;
        l.n_consent = OTHERS[i].grant >= 0;
        assert_int_equal(report_row(&v, &l, &r), ERR_OK);
        if (r.masked != OTHERS[i].masked)
            fail_msg("%s: masked %d", OTHERS[i].name, r.masked);
        is_text(&r, REPORT_KINDS, OTHERS[i].kinds, OTHERS[i].name);
        assert_true(r.text[REPORT_ACT].n > 0);
        if (!r.masked)
            continue;
        is_text(&r, REPORT_AGENCY, "(ほかの人を守るため、書いていません)",
                OTHERS[i].name);
        is_text(&r, REPORT_ROLE, "", OTHERS[i].name);
        assert_string_equal(r.agency, "");
    }
    report_row_fini(&r);
}

/* W-139: the machine-readable proof tells no more than the line */
static void bytes_that_say_more_than_the_line_are_marked(void **state)
{
    (void)state;
    struct report_row r = {0};
    struct report_view v = view("");
    for (size_t i = 0; i < NELEM(OTHERS); i++) {
        Pb__AuditLeaf l = leaf_of(K(RELEASE));
        bool third = strstr(OTHERS[i].name, "family") != NULL;
        l.released = OTHERS[i].released;
        l.withheld = OTHERS[i].withheld;
        assert_int_equal(report_row(&v, &l, &r), ERR_OK);
        if (r.others != third)
            fail_msg("%s: others %d", OTHERS[i].name, r.others);
    }
    for (size_t i = 0; i < 2; i++) { /* rests on whose consent */
        ProtobufCBinaryData ref = {ID_BYTES, grants[i].ref};
        Pb__AuditLeaf l = leaf_of(K(RELEASE));
        l.consent = &ref;
        l.n_consent = 1;
        assert_int_equal(report_row(&v, &l, &r), ERR_OK);
        assert_int_equal(r.others, grants[i].third);
    }
    report_row_fini(&r);
}

static void a_relative_who_sent_is_not_named(void **state)
{
    (void)state;
    struct report_row r = {0};
    struct report_view v = view(FAMILY);
    Pb__AuditLeaf l = leaf_of(K(RELEASE));
    assert_int_equal(report_row(&v, &l, &r), ERR_OK);
    is_text(&r, REPORT_ACT, "ほかの人からの「退院」の知らせを渡しました",
            "act");
    report_row_fini(&r);
}

static void what_the_operator_asked_no_agency_did(void **state)
{
    (void)state;
    struct report_row r = {0};
    struct report_view v = view("");
    Pb__AuditLeaf l = leaf_of(K(REPORT));
    l.node = (char *)(uintptr_t) "hub";
    assert_int_equal(report_row(&v, &l, &r), ERR_OK);
    is_text(&r, REPORT_AGENCY, "つなぎ(この仕組み)の運用者", "operator");
    assert_string_equal(r.agency, "");
    l.node = (char *)(uintptr_t) "c1";
    l.role = (char *)(uintptr_t) "R_PERSON"; /* no agency is that */
    assert_int_equal(report_row(&v, &l, &r), ERR_OK);
    is_text(&r, REPORT_ROLE, "本人の求めによる", "role");
    assert_string_equal(r.agency, HC);
    report_row_fini(&r);
}

/* ---- what is no line, and what is one later ---- */

static void the_abuse_channel_is_absent(void **state)
{
    (void)state;
    struct report_row r = {0};
    struct report_view v = view("");
    Pb__AuditLeaf l = leaf_of(K(INGEST));
    l.type = EVENT_ABUSE_REPORTED;
    assert_int_equal(report_row(&v, &l, &r), ERR_NOT_FOUND);
    l = leaf_of(K(DECISION));
    l.has_asked = 1;
    l.asked = BIT(G_REPORTER);
    assert_int_equal(report_row(&v, &l, &r), ERR_NOT_FOUND);
    report_row_fini(&r);
}

static void a_leaf_with_a_handle_of_staff_is_marked(void **state)
{
    (void)state;
    uint8_t actor[16] = "handle of staff";
    struct report_row r = {0};
    struct report_view v = view("");
    Pb__AuditLeaf l = leaf_of(K(READ));
    l.has_outcome = l.outcome = 1;
    assert_int_equal(report_row(&v, &l, &r), ERR_OK);
    assert_false(r.staff);
    l.has_actor = 1;
    l.actor = (ProtobufCBinaryData){sizeof(actor), actor};
    assert_int_equal(report_row(&v, &l, &r), ERR_OK);
    assert_true(r.staff);
    char *approver = (char *)(uintptr_t) "approver-a+00000000";
    l = leaf_of(K(ADMIN));
    l.n_approved_by = 1;
    l.approved_by = &approver;
    assert_int_equal(report_row(&v, &l, &r), ERR_OK);
    assert_true(r.staff);
    for (int c = 0; c < REPORT_COLUMNS; c++)
        assert_true(r.text[c].n == 0 ||
                    strstr((char *)r.text[c].p, "handle of") == NULL);
    report_row_fini(&r);
}

static void a_later_line_says_when_and_on_what_ground(void **state)
{
    (void)state;
    struct report_row r = {0};
    struct report_view v = view("");
    struct date day = {2026, 9, 1, false, false};
    assert_int_equal(report_row_delayed(&v, date_days(day), "LB_LAW", &r),
                     ERR_OK);
    assert_int_equal(r.section, REPORT_DELAYED);
    is_text(&r, REPORT_ACT, "2026年9月1日から見られるようになります(1件)", "");
    is_text(&r, REPORT_WHY,
            "根拠: 法令に基づく場合(個人情報保護法27条1項1号・69条1項)", "");
    for (int c = 0; c < REPORT_COLUMNS; c++)
        if (c != REPORT_ACT && c != REPORT_WHY)
            is_text(&r, (enum report_column)c, "", "nothing else");
    assert_true(r.masked && r.leaf == 0 && r.time_ms == 0);
    report_row_fini(&r);
}

static int setup(void **state)
{
    (void)state;
    struct date from = {2026, 4, 1, false, false},
                to = {2026, 9, 30, false, false};
    w = world_new(FAMILY "\t架空家族\tKakuu Family\tR_FAMILY\t49201\t\n");
    memset(grants, 0, sizeof(grants));
    for (int i = 0; i < 2; i++) {
        grants[i].ref[0] = (uint8_t)(i + 1);
        grants[i].classes = BIT(G_ID) | BIT(G_DIS_DATE);
        grants[i].from_day = date_days(from);
        grants[i].to_day = date_days(to);
        grants[i].leaf = 42;
        grants[i].third = i == 1;
    }
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    world_free(w);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_kind_has_its_section_and_its_sentence),
        cmocka_unit_test(grounds_are_words),
        cmocka_unit_test(a_consent_is_told_with_its_kinds_and_its_days),
        cmocka_unit_test(the_other_party_is_hidden_and_the_act_is_not),
        cmocka_unit_test(bytes_that_say_more_than_the_line_are_marked),
        cmocka_unit_test(a_relative_who_sent_is_not_named),
        cmocka_unit_test(what_the_operator_asked_no_agency_did),
        cmocka_unit_test(the_abuse_channel_is_absent),
        cmocka_unit_test(a_leaf_with_a_handle_of_staff_is_marked),
        cmocka_unit_test(a_later_line_says_when_and_on_what_ground),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
