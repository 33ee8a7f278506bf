/* adt_test.c - admissions, discharges, corrections; refusals and answers. */
#include "adapters/hospital/adt.h"
#include "proto/base/code.h"
#include "tests/unit/adapters/hospital/sample.h"
#include <stdlib.h>

#define CASE_COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define UTF8(type, id) MSH(type, id, "UNICODE UTF-8", "")
/* PV1 with visit number (19), admission (44) and discharge (45) */
#define FOUR "||||"
#define STAY(visit, in, out)                                                   \
    "PV1|0001|I|5E^502^1" FOUR FOUR FOUR FOUR visit FOUR FOUR FOUR FOUR FOUR   \
        FOUR "|" in "|" out "\r"

struct result {
    struct adt a;
    struct adt_fault fault;
    tsunagi_code code;
};

static struct result parse(const void *p, size_t n)
{
    struct result r = {0};
    r.code = adt_parse(p, n, "4910100017", "P", &r.a, &r.fault);
    return r;
}

static void the_sample_of_an_admission_is_read(void **state)
{
    (void)state;
    uint8_t bytes[1024];
    size_t n = to_jis(ADMISSION, bytes, sizeof(bytes));
    struct result r = parse(bytes, n);
    assert_null(r.code);
    assert_int_equal(r.a.kind, ADT_ADMIT);
    assert_string_equal(r.a.local_id, "0000123456");
    assert_string_equal(r.a.kanji, "架空 花子");
    assert_string_equal(r.a.kana, "カクウ ハナコ");
    assert_string_equal(r.a.birth, "1971-04-07");
    assert_string_equal(r.a.sex, "FEMALE");
    assert_string_equal(r.a.postal, "999-0001");
    assert_string_equal(r.a.address, "架空県架空市見本町1-2-3");
    assert_string_equal(r.a.phone, "099-000-0001");
    assert_string_equal(r.a.ward, "5E");
    assert_string_equal(r.a.admitted, "2026-06-01"); /* of EVN-2 */
    assert_string_equal(r.a.control_id, "20260601000017");
    assert_false(r.a.degraded);
    adt_fini(&r.a);
}

/* One row of values a message must give: field by field, NULL: not looked at.
 */
static const struct {
    const char *name, *message;
    enum adt_kind kind;
    const char *kanji, *admitted, *discharged, *address, *phone, *dx, *key;
} READS[] = {
    {"A01 in UTF-8 with characters JIS X 0208 lacks",
     UTF8("ADT^A01^ADT_A01", "1") EVN
     "PID|1||77^^^^PI||髙﨑^𠮷子^^^^^L^I||19710407|F\r" STAY("", "20260401",
                                                             ""),
     ADT_ADMIT, "髙﨑 𠮷子", "2026-04-01", "", "", NULL, NULL,
     "admission 77 2026-04-01"},
    {"A03 has the case key of its A01",
     UTF8("ADT^A03^ADT_A03", "2") EVN
     "PID|1||77^^^^PI||髙﨑^𠮷子^^^^^L^I||19710407|F\r" STAY("", "20260401",
                                                             "20260528103000"),
     ADT_DISCHARGE, "髙﨑 𠮷子", "2026-04-01", "2026-05-28", NULL, NULL, NULL,
     "admission 77 2026-04-01"},
    {"a visit number is the case key when it is there",
     UTF8("ADT^A03^ADT_A03", "3") EVN PID STAY("V42", "", "20260528"),
     ADT_DISCHARGE, NULL, "", "2026-05-28", NULL, NULL, NULL,
     "visit 0000123456 V42"},
    {"A03 without PV1-45 takes the date of the event",
     UTF8("ADT^A03^ADT_A03",
          "3") "EVN||20260529||||20260528\r" PID STAY("V42", "20260401", ""),
     ADT_DISCHARGE, NULL, "2026-04-01", "2026-05-28", NULL, NULL, NULL, NULL},
    {"A08 of a stay is a correction of it",
     UTF8("ADT^A08^ADT_A01", "4") EVN PID STAY("", "20260401", ""), ADT_UPDATE,
     "架空 花子", "2026-04-01", "", NULL, NULL, NULL,
     "admission 0000123456 2026-04-01"},
    {"the patient's number is the one of type PI",
     UTF8("ADT^A01", "5") EVN
     "PID|1||9^^^^VN~77^^^^PI||架空^花子\r" STAY("", "20260401", ""),
     ADT_ADMIT, "架空 花子", NULL, NULL, NULL, NULL, NULL,
     "admission 77 2026-04-01"},
    {"the kana comes first or last, the type tells",
     UTF8("ADT^A01", "5") EVN "PID|1||7^^^^PI||カクウ^ハナコ^^^^^L^P~架空^花子"
                              "^^^^^L^I\r" STAY("", "20260401", ""),
     ADT_ADMIT, "架空 花子", NULL, NULL, NULL, NULL, NULL, NULL},
    {"an address in parts is put together",
     UTF8("ADT^A01", "6") EVN
     "PID|1||7^^^^PI||架空^花子||||||見本町1^101号^"
     "架空市^架空県^999-0001||^PRN^PH^^^^^^^^^099-000-0002\r" STAY(
         "", "20260401", ""),
     ADT_ADMIT, NULL, NULL, NULL, "架空県架空市見本町1101号", "099-000-0002",
     NULL, NULL},
    {"the main diagnosis is the one of priority 1",
     UTF8("ADT^A01", "7") EVN PID STAY(
         "", "20260401", "") "DG1|1||F10^従の病名^I10\r"
                             "DG1|2||F20^主の病名^I10|||A|||||||||1\r",
     ADT_ADMIT, NULL, NULL, NULL, NULL, NULL, "主の病名", NULL},
    {"escapes in a name are taken out",
     UTF8("ADT^A01", "8") EVN
     "PID|1||7^^^^PI||A\\T\\B^C\r" STAY("", "20260401", ""),
     ADT_ADMIT, "A&B C", NULL, NULL, NULL, NULL, NULL, NULL},
    {"an insurance number is not the patient's",
     UTF8("ADT^A01", "9") EVN
     "PID|1||39130001:12-34:5678^^^^HC~77^^^^PI~99^^^^SS||架空^花子\r" STAY(
         "", "20260401", ""),
     ADT_ADMIT, "架空 花子", NULL, NULL, NULL, NULL, NULL,
     "admission 77 2026-04-01"},
    {"a Z segment changes nothing",
     UTF8("ADT^A01", "9") EVN PID "ZX1|a|b\r" STAY("", "20260401", ""),
     ADT_ADMIT, "架空 花子", NULL, NULL, NULL, NULL, NULL, NULL},
};

static void same(const char *name, const char *got, const char *want)
{
    if (want != NULL && strcmp(got, want) != 0)
        fail_msg("%s: %s, not %s", name, got, want);
}

static void messages_are_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < CASE_COUNT(READS); i++) {
        const char *name = READS[i].name;
        struct result r = parse(READS[i].message, strlen(READS[i].message));
        if (r.code != NULL)
            fail_msg("%s: %s %s-%u", name, r.code, r.fault.segment,
                     r.fault.field);
        char *key = adt_case_key(&r.a, false);
        assert_int_equal(r.a.kind, READS[i].kind);
        same(name, r.a.kanji, READS[i].kanji);
        same(name, r.a.admitted, READS[i].admitted);
        same(name, r.a.discharged, READS[i].discharged);
        same(name, r.a.address, READS[i].address);
        same(name, r.a.phone, READS[i].phone);
        same(name, r.a.diagnosis, READS[i].dx);
        same(name, key == NULL ? "" : key, READS[i].key);
        free(key);
        adt_fini(&r.a);
    }
}

static const struct {
    const char *name, *message, *code, *segment;
    unsigned field;
    const char *answer;
} REFUSED[] = {
    {"another version", "MSH|^~\\&|E|4910100017|G||2026||ADT^A01|1|P|2.4\r",
     "E-HL7-006", "MSH", 12, "AR"},
    {"another message", UTF8("ORU^R01", "1") EVN PID, "E-HL7-003", "MSH", 9,
     "AR"},
    {"another event", UTF8("ADT^A11", "1") EVN PID, "E-HL7-003", "MSH", 9,
     "AR"},
    {"a message for training",
     "MSH|^~\\&|E|4910100017|G||2026||ADT^A01|1|T|2.5"
     "\r",
     "E-HL7-003", "MSH", 11, "AR"},
    {"an unknown character set",
     "MSH|^~\\&|E|4910100017|G||2026||ADT^A01|1|P|2.5||||||GB 18030-2000\r",
     "E-TXT-001", "", 0, "AR"},
    {"no control id", "MSH|^~\\&|E|4910100017|G||2026||ADT^A01||P|2.5\r",
     "E-HL7-005", "MSH", 10, "AE"},
    {"a facility with a wrong check digit",
     "MSH|^~\\&|E|4910100018|G||2026||ADT^A01|1|P|2.5\r", "E-VAL-005", "MSH", 4,
     "AE"},
    {"a facility that lost its zero",
     "MSH|^~\\&|E|110100017|G||2026||ADT^A01|1|P|2.5\r", "E-VAL-007", "MSH", 4,
     "AE"},
    {"another hospital's message",
     "MSH|^~\\&|E|4910100025|G||2026||ADT^A01|1|P|2.5\r", "E-HL7-005", "MSH", 4,
     "AE"},
    {"cut after EVN", UTF8("ADT^A01", "1") "EVN||2026", "E-HL7-002", "PID", 0,
     "AE"},
    {"cut inside PID", UTF8("ADT^A01", "1") EVN "PID|1||77^^^^PI", "E-HL7-002",
     "PV1", 0, "AE"},
    {"cut inside PV1", UTF8("ADT^A01", "1") EVN PID "PV1|1|I", "E-HL7-002",
     "PV1", 3, "AE"},
    {"no PV1", UTF8("ADT^A01", "1") EVN PID, "E-HL7-004", "PV1", 0, "AE"},
    {"no patient number",
     UTF8("ADT^A01", "1") EVN "PID|1||||架空^花子\r" STAY("", "20260401", ""),
     "E-HL7-005", "PID", 3, "AE"},
    {"a My Number among the person's numbers",
     UTF8("ADT^A01", "1") EVN
     "PID|1||77^^^^PI~123456789018^^^^NI||架空^花子\r" STAY("", "20260401", ""),
     "E-VAL-009", "PID", 3, "AE"},
    {"a My Number as the patient's number",
     UTF8("ADT^A01", "1") EVN
     "PID|1||1234-5678-9018^^^^PI||架空^花子\r" STAY("", "20260401", ""),
     "E-VAL-009", "PID", 3, "AE"},
    {"a My Number in PID-19",
     UTF8("ADT^A01", "1") EVN
     "PID|1||77^^^^PI||架空^花子||||||||||||||123456789018\r" STAY(
         "", "20260401", ""),
     "E-VAL-009", "PID", 19, "AE"},
    {"no name",
     UTF8("ADT^A01", "1") EVN "PID|1||7^^^^PI||\r" STAY("", "20260401", ""),
     "E-HL7-005", "PID", 5, "AE"},
    {"a thirteenth month",
     UTF8("ADT^A01", "1") EVN
     "PID|1||7^^^^PI||架空^花子||19711307\r" STAY("", "20260401", ""),
     "E-VAL-001", "PID", 7, "AE"},
    {"a 30th of February",
     UTF8("ADT^A01", "1") EVN PID STAY("", "20260230", ""), "E-VAL-001", "PV1",
     44, "AE"},
    {"a sex of no table",
     UTF8("ADT^A01", "1") EVN
     "PID|1||7^^^^PI||架空^花子||19710407|X\r" STAY("", "20260401", ""),
     "E-HL7-005", "PID", 8, "AE"},
    {"an outpatient's admission", UTF8("ADT^A01", "1") EVN PID "PV1|1|O|5E\r",
     "E-HL7-005", "PV1", 2, "AE"},
    {"a discharge that names no stay",
     UTF8("ADT^A03", "1") EVN PID STAY("", "", "20260528"), "E-HL7-005", "PV1",
     44, "AE"},
    {"no MSH", "PID|1\r", "E-HL7-001", "", 0, "AR"},
};

static void what_is_wrong_is_told_by_code_and_place(void **state)
{
    (void)state;
    for (size_t i = 0; i < CASE_COUNT(REFUSED); i++) {
        const char *name = REFUSED[i].name, *text = REFUSED[i].message;
        struct result r = parse(text, strlen(text));
        if (r.code == NULL || strcmp(r.code, REFUSED[i].code) != 0 ||
            strcmp(r.fault.segment, REFUSED[i].segment) != 0 ||
            r.fault.field != REFUSED[i].field)
            fail_msg("%s: %s %s-%u", name, r.code, r.fault.segment,
                     r.fault.field);
        char *answer = adt_answer((const uint8_t *)text, strlen(text), r.code,
                                  &r.fault, 0);
        char want[16];
        snprintf(want, sizeof(want), "\rMSA|%s|", REFUSED[i].answer);
        if (strstr(answer, want) == NULL || strstr(answer, r.code) == NULL)
            fail_msg("%s: %s", name, answer);
        assert_null(strstr(answer, "花子"));
        assert_null(strstr(answer, "5678"));
        free(answer);
        adt_fini(&r.a);
    }
}

static void a_message_cut_before_its_ward_is_refused(void **state)
{
    (void)state;
    uint8_t bytes[1024];
    size_t n = to_jis(ADMISSION, bytes, sizeof(bytes));
    size_t pv1 = n;
    while (memcmp(bytes + pv1 - 4, "\rPV1", 4) != 0)
        pv1--;
    for (size_t cut = 0; cut < pv1 + 9; cut++) {
        struct result r = parse(bytes, cut);
        if (r.code == NULL)
            fail_msg("%zu of %zu bytes were taken for a message", cut, n);
        adt_fini(&r.a);
    }
}

static void names_that_lost_characters_are_flagged(void **state)
{
    (void)state;
    static const char *const LOST[] = {"〓橋", "?橋", "？橋", "\xEF\xBF\xBD橋"};
    for (size_t i = 0; i < CASE_COUNT(LOST); i++) {
        char message[512];
        int n = snprintf(message, sizeof(message),
                         UTF8("ADT^A01", "1") EVN
                         "PID|1||7^^^^PI||%s^花子\r" STAY("", "20260401", ""),
                         LOST[i]);
        struct result r = parse(message, (size_t)n);
        assert_null(r.code);
        assert_true(r.a.degraded);
        adt_fini(&r.a);
    }
}

static void a_message_of_basic_data_names_no_stay(void **state)
{
    (void)state;
    static const char TEXT[] = UTF8("ADT^A08^ADT_A01", "1") EVN PID "PV1|1|N\r";
    struct result r = parse(TEXT, sizeof(TEXT) - 1);
    assert_null(r.code);
    assert_false(r.a.inpatient);
    assert_null(adt_case_key(&r.a, false));
    adt_fini(&r.a);
}

/* Every text of what was read, one after the other. */
static bool holds(const struct adt *a, const char *text)
{
    const char *const ALL[] = {
        a->control_id, a->facility, a->local_id,   a->kanji,    a->kana,
        a->birth,      a->postal,   a->address,    a->phone,    a->ward,
        a->visit,      a->admitted, a->discharged, a->diagnosis};
    for (size_t i = 0; i < CASE_COUNT(ALL); i++)
        if (strstr(ALL[i], text) != NULL)
            return true;
    return false;
}

/* Insurer's number, symbol, number, branch; public funds: IN1, IN2, Z. */
static void insurance_ends_at_the_border(void **state)
{
    (void)state;
    static const char TEXT[] = UTF8("ADT^A01", "1") EVN
        "PID|1||39130001:12-34:5678^^^^HC~77^^^^PI||架空^花子\r" STAY(
            "", "20260401",
            "") "IN1|1|67^国民健康保険^JHSD0001|39130001|||||||12-34|5678|"
                "20250401|20270331|||||SEL^本人^HL70063\r"
                "IN2|1||||||||||||||||||||||||||||||||||||||||||||||||||||||||"
                "||||5678-01\rZIN|39130001\r";
    static const char *const NUMBERS[] = {"3913", "12-34", "5678", "国民健康"};
    struct result r = parse(TEXT, strlen(TEXT));
    assert_null(r.code);
    for (size_t i = 0; i < CASE_COUNT(NUMBERS); i++)
        if (holds(&r.a, NUMBERS[i]))
            fail_msg("%s", NUMBERS[i]);
    adt_fini(&r.a);
}

static void the_same_message_again_has_the_same_source(void **state)
{
    (void)state;
    static const char *const TEXTS[] = {
        UTF8("ADT^A01", "1") EVN PID STAY("", "20260401", ""),
        /* sent again: another time in MSH-7 */
        "MSH|^~\\&|EHR|4910100017|GW|4910100017|20260601093500||ADT^A01|1|P|"
        "2.5||||||UNICODE UTF-8||\r" EVN PID STAY("", "20260401", ""),
        /* the number used again for other content */
        UTF8("ADT^A01", "1") EVN PID STAY("", "20260402", ""),
    };
    char *key[3];
    for (size_t i = 0; i < 3; i++) {
        struct result r = parse(TEXTS[i], strlen(TEXTS[i]));
        assert_null(r.code);
        key[i] =
            adt_source_key(&r.a, (const uint8_t *)TEXTS[i], strlen(TEXTS[i]));
        adt_fini(&r.a);
    }
    assert_string_equal(key[0], key[1]);
    assert_string_not_equal(key[0], key[2]);
    assert_non_null(strstr(key[0], "hl7 4910100017 1 "));
    for (size_t i = 0; i < 3; i++)
        free(key[i]);
}

static void an_answer_names_the_message_it_answers(void **state)
{
    (void)state;
    uint8_t bytes[1024];
    size_t n = to_jis(ADMISSION, bytes, sizeof(bytes));
    char *answer = adt_answer(bytes, n, NULL, NULL, 1780000000);
    assert_string_equal(
        answer, "MSH|^~\\&|TSUNAGI|4910100017|EHR|4910100017|20260529052640||"
                "ACK^A01^ACK|20260529052640-20260601000017|P|2.5||||||\r"
                "MSA|AA|20260601000017\r");
    free(answer);
    /* of a message that cannot be decoded */
    answer = adt_answer(bytes, n - 2, "E-TXT-004", NULL, 0);
    assert_non_null(strstr(answer, "\rMSA|AE|20260601000017|E-TXT-004 "));
    free(answer);
    /* trouble of this machine: send it again later */
    answer = adt_answer(bytes, n, "E-STO-001", NULL, 0);
    assert_non_null(strstr(answer, "\rMSA|AR|20260601000017|E-STO-001 "));
    assert_non_null(strstr(answer, "|207^"));
    free(answer);
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
        cmocka_unit_test(the_sample_of_an_admission_is_read),
        cmocka_unit_test(messages_are_read),
        cmocka_unit_test(what_is_wrong_is_told_by_code_and_place),
        cmocka_unit_test(a_message_cut_before_its_ward_is_refused),
        cmocka_unit_test(names_that_lost_characters_are_flagged),
        cmocka_unit_test(a_message_of_basic_data_names_no_stay),
        cmocka_unit_test(insurance_ends_at_the_border),
        cmocka_unit_test(the_same_message_again_has_the_same_source),
        cmocka_unit_test(an_answer_names_the_message_it_answers),
    };
    return cmocka_run_group_tests(tests, allow_fictitious, NULL);
}
