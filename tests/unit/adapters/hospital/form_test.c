/* form_test.c - the CSV forms of a hospital: what each row becomes, and what
 * is refused before any row is sent. */
#include "adapters/hospital/form.h"
#include "proto/base/code.h"
#include "tests/unit/adapters/hospital/sample.h"
#include <stdlib.h>

#define CASE_COUNT(a) (sizeof(a) / sizeof((a)[0]))

#define INTRO                                                                                 \
    "患者番号,入院日,氏名,フリガナ,生年月日,性別,地域,希望,紹介先," \
    "返事の期限\n"
#define CONSENT                                                                \
    "患者番号,入院日,目的,渡す先,渡す情報,同意した人,方法,いつから,いつまで\n"
#define CONSENT2                                                                                             \
    "患者番号,入院日,目的,渡す先,渡す情報,同意した人,方法,いつから,いつまで," \
    "説明文の版,同意書の控え,代理権を示す書類,除く機関,未成年,"                    \
    "未成年の本人の意見,説明した言語・手段,判断能力の記録\n"
#define FILING                                                                              \
    "患者番号,入院日,氏名,様式,入院形態,入院形態の開始日,満了日," \
    "主たる精神障害\n"
#define PLAN "患者番号,入院日,氏名,退院予定日,退院後の住所\n"

/* One paper was scanned. */
static bool scanned(void *ctx, const char *name, char hex[65])
{
    (void)ctx;
    memset(hex, 'a', 64);
    hex[64] = '\0';
    return strcmp(name, "同意書1.pdf") == 0;
}

#define SCANNED                                                                \
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static struct form *read_form(const char *name, const char *text,
                              struct form_faults *faults)
{
    struct form *f = NULL;
    const struct form_rules rules = {.person_digits = 10, .paper = scanned};
    if (form_read((const uint8_t *)text, strlen(text), &rules, &f, faults) !=
            NULL &&
        name != NULL)
        fail_msg("%s: %s line %u column %u %s", name, faults->at[0].code,
                 faults->at[0].line, faults->at[0].column, faults->at[0].field);
    return f;
}

/* One event of one file: its type and up to eight fields. */
static const struct {
    const char *name, *text;
    size_t events, at;
    const char *type, *case_key, *to;
    const char *fields[8][2];
} READS[] = {
    {"an introduction",
     INTRO "0000123456,2026-04-01,架空花子,カクウハナコ,S46.4.7,女,架空市,"
           "一人で暮らしたい,4931000014,令和8年4月20日\n",
     1,
     0,
     "COMMUNITY_PROVIDER_INTRODUCED",
     "admission 0000123456 2026-04-01",
     "WO-4931000014",
     {{"name.kanji", "架空花子"},
      {"name.kana", "カクウハナコ"},
      {"birth", "S46.4.7"},
      {"sex", "FEMALE"},
      {"area", "架空市"},
      {"wishes", "一人で暮らしたい"},
      {"reply_by", "令和8年4月20日"}}},
    {"the era date of a stay is the same stay",
     INTRO "0000123456,R8.4.1,架空花子,,,,,,WO-4931000014,\n",
     1,
     0,
     "COMMUNITY_PROVIDER_INTRODUCED",
     "admission 0000123456 2026-04-01",
     "WO-4931000014",
     {{"birth", NULL}}},
    {"a consent to agencies and a role",
     CONSENT "0000123456,2026-04-01,地域移行,WO-4931000014、R_KIKAN@49201,"
             "G_ID;住所・電話 クライシスプラン,本人,書面,2026-04-14,"
             "2026-10-13\n",
     1,
     0,
     "CONSENT_GIVEN",
     NULL,
     NULL,
     {{"purpose", "P_TRA"},
      {"recipient[0].agency", "WO-4931000014"},
      {"recipient[1].role", "R_KIKAN"},
      {"recipient[1].place", "49201"},
      {"classes[0]", "G_ID"},
      {"classes[1]", "G_CONTACT"},
      {"classes[2]", "G_CRISIS"},
      {"method", "PAPER"}}},
    {"a third person's consent is a row of its own, with its paper",
     CONSENT2 "0000123456,2026-04-01,緊急,OW-B1-49,緊急連絡先,緊急連絡先の人,"
              "書面,,2026-10-13,2026-04,同意書1.pdf,,,,,,\n",
     1,
     0,
     "CONSENT_GIVEN",
     NULL,
     NULL,
     {{"giver", "THIRD_PERSON"},
      {"classes[0]", "G_GUARD"},
      {"text_version", "2026-04"},
      {"paper_sha256", SCANNED},
      {"authority_sha256", NULL}}},
    {"a minor's parent, and what the minor says",
     CONSENT2 "0000123456,2026-04-01,緊急,OW-B1-49,氏名,親権者,書面,,"
              "2026-10-13,2026-04,同意書1.pdf,,,はい,賛成,やさしい日本語,\n",
     1,
     0,
     "CONSENT_GIVEN",
     NULL,
     NULL,
     {{"giver", "PARENT"},
      {"minor", "true"},
      {"minor_view", "MINOR_AGREES"},
      {"language", "やさしい日本語"}}},
    {"a representative with the paper, all but one agency",
     CONSENT2 "0000123456,2026-04-01,緊急,R_SHORT@49201,氏名,法定代理人,書面,,"
              "2026-10-13,2026-04," SCANNED ",同意書1.pdf,WO-4911000018,,,,"
              "落ち着いて話せた\n",
     1,
     0,
     "CONSENT_GIVEN",
     NULL,
     NULL,
     {{"giver", "STATUTORY_REP"},
      {"recipient[0].role", "R_SHORT"},
      {"except[0].agency", "WO-4911000018"},
      {"authority_sha256", SCANNED},
      {"capacity_note", "落ち着いて話せた"}}},
    {"columns of insurance are dropped unread, whatever is in them",
     "患者番号,保険者番号,入院日,氏名,記号・番号,枝番,退院予定日,"
     "公費負担者番号\n"
     "0000123456,4.91E+7,2026-04-01,架空花子,12-34・5678,#N/A,2026-05-28,"
     "21490000\n",
     1,
     0,
     "DISCHARGE_PLANNED",
     NULL,
     NULL,
     {{"name.kanji", "架空花子"}, {"planned_on", "2026-05-28"}}},
    {"a refusal of everything",
     "患者番号,入院日,目的,渡さない先\n0000123456,2026-04-01,P_PD,\n",
     1,
     0,
     "CONSENT_REFUSED",
     NULL,
     NULL,
     {{"purpose", "P_PD"}}},
    {"a withdrawal by telephone",
     "患者番号,入院日,撤回の方法,すべての同意\n"
     "0000123456,2026-04-01,電話,はい\n",
     1,
     0,
     "CONSENT_WITHDRAWN",
     NULL,
     NULL,
     {{"channel", "WITHDRAW_PHONE"}, {"all", "true"}}},
    {"the filing of an admission starts the legal status first",
     FILING "0000123456,2026-04-01,架空花子,入院届,医療保護入院(家族等同意),"
            "2026-04-01,2026-06-30,統合失調症\n",
     2,
     0,
     "LEGAL_STATUS_STARTED",
     "admission 0000123456 2026-04-01",
     NULL,
     {{"legal_status", "MP_FAMILY"},
      {"started_on", "2026-04-01"},
      {"period_end_on", "2026-06-30"},
      {"dx_main", NULL}}},
    {"and is then submitted",
     FILING "0000123456,2026-04-01,架空花子,入院届,21,,,統合失調症\n",
     2,
     1,
     "FILING_SUBMITTED",
     "filing MP_ADMIT admission 0000123456 2026-04-01",
     NULL,
     {{"form_code", "MP_ADMIT"},
      {"legal_status", "MP_FAMILY"},
      {"admitted_on", "2026-04-01"},
      {"dx_main", "統合失調症"}}},
    {"the filing of an end ends it",
     FILING "0000123456,2026-04-01,架空花子,退院届,21,,2026-05-28,\n",
     2,
     0,
     "LEGAL_STATUS_ENDED",
     NULL,
     NULL,
     {{"ended_on", "2026-05-28"}}},
    {"a periodic report changes no status",
     FILING "0000123456,2026-04-01,架空花子,定期病状報告,41,,,\n",
     1,
     0,
     "FILING_SUBMITTED",
     NULL,
     NULL,
     {{"form_code", "PERIODIC"}}},
    {"a discharge plan",
     PLAN "0000123456,2026-04-01,架空花子,2026-05-28,架空市見本町1\n",
     1,
     0,
     "DISCHARGE_PLANNED",
     NULL,
     NULL,
     {{"planned_on", "2026-05-28"}, {"address", "架空市見本町1"}}},
    {"a legal status of its own",
     "患者番号,入院日,入院形態,開始日\n"
     "0000123456,2026-04-01,措置入院,2026-05-12\n",
     1,
     0,
     "LEGAL_STATUS_STARTED",
     NULL,
     NULL,
     {{"legal_status", "INVOLUNTARY"}, {"started_on", "2026-05-12"}}},
    {"English headings in another order, a visit number",
     "planned_on,name,person,visit\n2026-05-28,KAKU Hanako,0000123456,V42\n",
     1,
     0,
     "DISCHARGE_PLANNED",
     "visit 0000123456 V42",
     NULL,
     {{"name.kanji", "KAKU Hanako"}}},
    {"CP932 with second bytes 5C and 7C",
     "\x8a\xb3\x8e\xd2\x94\xd4\x8d\x86,\x93\xfc\x89\x40\x93\xfa,"
     "\x8e\x81\x96\xbc,\x91\xde\x89\x40\x97\x5c\x92\xe8\x93\xfa\r\n"
     "0000123456,2026-04-01,\x83\x5c\x83\x7c,2026-05-28\r\n",
     1,
     0,
     "DISCHARGE_PLANNED",
     NULL,
     NULL,
     {{"name.kanji", "ソポ"}}},
};

static void same(const char *name, const char *what, const char *got,
                 const char *want)
{
    if ((got == NULL) != (want == NULL) ||
        (got != NULL && strcmp(got, want) != 0))
        fail_msg("%s: %s is %s, not %s", name, what, got, want);
}

static void rows_become_events(void **state)
{
    (void)state;
    for (size_t i = 0; i < CASE_COUNT(READS); i++) {
        struct form_faults faults;
        const char *name = READS[i].name;
        struct form *f = read_form(name, READS[i].text, &faults);
        if (f->n != READS[i].events)
            fail_msg("%s: %zu events", name, f->n);
        const struct form_event *e = &f->event[READS[i].at];
        same(name, "type", e->type, READS[i].type);
        same(name, "person", e->person, "0000123456");
        if (READS[i].case_key != NULL)
            same(name, "case", e->case_key, READS[i].case_key);
        if (READS[i].to != NULL)
            same(name, "to", e->tos == 1 ? e->to[0].agency : NULL, READS[i].to);
        for (size_t k = 0; k < 8 && READS[i].fields[k][0] != NULL; k++)
            same(name, READS[i].fields[k][0],
                 form_value(e, READS[i].fields[k][0]), READS[i].fields[k][1]);
        form_free(&f);
    }
}

static const struct {
    const char *name, *text, *code;
    unsigned line, column;
} REFUSED[] = {
    {"a patient number that lost its zeros",
     PLAN "123456,2026-04-01,架空花子,2026-05-28,\n", "E-CSV-004", 2, 1},
    {"a patient number in floating point",
     PLAN "4.91E+11,2026-04-01,架空花子,2026-05-28,\n", "E-CSV-004", 2, 1},
    {"a patient number too long",
     PLAN "00000123456,2026-04-01,架空花子,2026-05-28,\n", "E-VAL-007", 2, 1},
    {"a My Number for a patient's number",
     "患者番号,入院日,氏名,退院予定日\n"
     "1234-5678-9018,2026-04-01,架空花子,2026-05-28\n",
     "E-VAL-007", 2, 1},
    {"a My Number for a visit",
     "患者番号,入院番号,氏名,退院予定日\n"
     "0000123456,123456789018,架空花子,2026-05-28\n",
     "E-VAL-009", 2, 2},
    {"a paper that was not scanned",
     CONSENT2 "0000123456,2026-04-01,緊急,OW-B1-49,氏名,本人,書面,,2026-10-13,"
              "2026-04,ほか.pdf,,,,,,\n",
     "E-VAL-023", 2, 11},
    {"an agency in floating point",
     INTRO "0000123456,2026-04-01,架空花子,,,,,,4.931E+09,\n", "E-CSV-004", 2,
     9},
    {"an office number that lost its zero",
     INTRO "0000123456,2026-04-01,架空花子,,,,,,131000014,\n", "E-CSV-004", 2,
     9},
    {"an office number with a wrong check digit",
     INTRO "0000123456,2026-04-01,架空花子,,,,,,4931000015,\n", "E-VAL-006", 2,
     9},
    {"a medical code with a wrong check digit",
     INTRO "0000123456,2026-04-01,架空花子,,,,,,MI-4910100018,\n", "E-VAL-005",
     2, 9},
    {"an agency made a date",
     INTRO "0000123456,2026-04-01,架空花子,,,,,,2001/2/3,\n", "E-CSV-004", 2,
     9},
    {"a thirteenth month", PLAN "0000123456,2026-04-01,架空花子,2026-13-01,\n",
     "E-VAL-001", 2, 4},
    {"hashes instead of a date",
     PLAN "0000123456,2026-04-01,架空花子,########,\n", "E-CSV-004", 2, 4},
    {"no name", PLAN "0000123456,2026-04-01,,2026-05-28,\n", "E-VAL-012", 2, 3},
    {"neither admission date nor visit",
     PLAN "0000123456,,架空花子,2026-05-28,\n", "E-VAL-012", 2, 0},
    {"an unknown word",
     FILING "0000123456,2026-04-01,架空花子,入院届,入院,,,\n", "E-PB-005", 2,
     5},
    {"an unknown kind of data",
     CONSENT "0000123456,2026-04-01,P_TRA,WO-4931000014,全部,,,,2026-10-13\n",
     "E-PB-005", 2, 5},
    {"a role without a place",
     CONSENT "0000123456,2026-04-01,P_TRA,R_KIKAN,G_ID,,,,2026-10-13\n",
     "E-EVT-014", 2, 4},
    {"an unknown heading",
     "患者番号,入院日,氏名,退院予定日,電話番号\n"
     "0000123456,2026-04-01,架空花子,2026-05-28,\n",
     "E-CSV-003", 1, 5},
    {"a heading twice",
     "患者番号,入院日,氏名,氏名,退院予定日\n"
     "0000123456,2026-04-01,a,b,2026-05-28\n",
     "E-CSV-003", 1, 4},
    {"a heading missing", "患者番号,入院日,退院予定日\n1,2,3\n", "E-CSV-003", 1,
     0},
    {"headings of no form", "a,b\n1,2\n", "E-CSV-003", 1, 0},
    {"a broken quote", PLAN "\"0000123456,2026-04-01,x,2026-05-28,\n",
     "E-CSV-001", 2, 1},
    {"a telephone number that lost its zero",
     "患者番号,入院日,氏名,退院予定日,電話\n"
     "0000123456,2026-04-01,架空花子,2026-05-28,9000000001\n",
     "E-CSV-004", 2, 5},
};

static void what_is_wrong_is_refused_with_its_place(void **state)
{
    (void)state;
    for (size_t i = 0; i < CASE_COUNT(REFUSED); i++) {
        struct form_faults faults;
        struct form *f = read_form(NULL, REFUSED[i].text, &faults);
        if (f != NULL || faults.n == 0)
            fail_msg("%s: taken", REFUSED[i].name);
        const struct form_fault *at = &faults.at[0];
        if (strcmp(at->code, REFUSED[i].code) != 0 ||
            at->line != REFUSED[i].line || at->column != REFUSED[i].column)
            fail_msg("%s: %s line %u column %u %s", REFUSED[i].name, at->code,
                     at->line, at->column, at->field);
    }
}

static void one_wrong_row_refuses_all_and_every_fault_is_told(void **state)
{
    (void)state;
    static const char TEXT[] =
        PLAN "0000123456,2026-04-01,架空花子,2026-05-28,\n"
             "123456,2026-04-01,,2026-05-28,\n"
             "0000123457,2026-04-01,見本太郎,2026-02-30,\n";
    static const unsigned WANT[][2] = {{3, 1}, {3, 3}, {4, 4}};
    struct form_faults faults;
    assert_null(read_form(NULL, TEXT, &faults));
    assert_int_equal(faults.n, 3);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(faults.at[i].line, WANT[i][0]);
        assert_int_equal(faults.at[i].column, WANT[i][1]);
    }
    assert_string_equal(faults.at[1].field, "氏名");
}

static void no_insurance_number_is_in_any_field(void **state)
{
    (void)state;
    static const char TEXT[] =
        "患者番号,入院日,氏名,退院予定日,保険者番号,被保険者記号番号,"
        "被保険者番号,番号,枝番\n"
        "0000123456,2026-04-01,架空花子,2026-05-28,39137777,7777・7777,7777,"
        "7777,77\n";
    struct form_faults faults;
    struct form *f = read_form("insurance", TEXT, &faults);
    for (size_t i = 0; i < f->event[0].fields; i++)
        assert_null(strstr(f->event[0].field[i].value, "777"));
    assert_null(strstr(f->event[0].case_key, "777"));
    form_free(&f);
}

/* Hospitals number patients by twelve digits too; one in eleven of all such
 * numbers has the check digit of an individual number and is refused. */
static void a_my_number_is_refused_whatever_the_length_asked(void **state)
{
    (void)state;
    static const char TEXT[] =
        PLAN "123456789018,2026-04-01,架空花子,2026-05-28,\n";
    const struct form_rules rules = {.person_digits = 0};
    struct form_faults faults;
    struct form *f;
    assert_string_equal(
        form_read((const uint8_t *)TEXT, strlen(TEXT), &rules, &f, &faults),
        "E-VAL-009");
    assert_string_equal(faults.at[0].field, "患者番号");
    assert_null(f);
}

static void faults_stop_at_twenty(void **state)
{
    (void)state;
    char text[2048] = PLAN;
    for (int i = 0; i < 30; i++) {
        size_t n = strlen(text);
        snprintf(text + n, sizeof(text) - n, "1,2026-04-01,x,2026-05-28,\n");
    }
    struct form_faults faults;
    assert_null(read_form(NULL, text, &faults));
    assert_int_equal(faults.n, FORM_FAULTS);
}

static void a_consent_has_the_same_number_when_read_again(void **state)
{
    (void)state;
    static const char TEXT[] =
        CONSENT "0000123456,2026-04-01,P_TRA,WO-4931000014,G_ID,,,,2026-10-13\n"
                "0000123457,2026-04-01,P_TRA,WO-4931000014,G_ID,,,,"
                "2026-10-13\n";
    struct form_faults faults;
    struct form *a = read_form("a", TEXT, &faults);
    struct form *b = read_form("b", TEXT, &faults);
    const char *first = form_value(&a->event[0], "consent_ref");
    assert_int_equal(strlen(first), 36);
    assert_string_equal(first, form_value(&b->event[0], "consent_ref"));
    assert_string_not_equal(first, form_value(&a->event[1], "consent_ref"));
    form_free(&a);
    form_free(&b);
}

static int allow_fictitious(void **state)
{
    (void)state;
    code_allow_fictitious(true);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_become_events),
        cmocka_unit_test(what_is_wrong_is_refused_with_its_place),
        cmocka_unit_test(one_wrong_row_refuses_all_and_every_fault_is_told),
        cmocka_unit_test(no_insurance_number_is_in_any_field),
        cmocka_unit_test(a_my_number_is_refused_whatever_the_length_asked),
        cmocka_unit_test(faults_stop_at_twenty),
        cmocka_unit_test(a_consent_has_the_same_number_when_read_again),
    };
    return cmocka_run_group_tests(tests, allow_fictitious, NULL);
}
