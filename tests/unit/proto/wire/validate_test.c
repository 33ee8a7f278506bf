/* validate_test.c - content rules, on samples with one thing changed. */
#include "proto/wire/event.h"
#include "sample.h"
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum change { NOTHING, SET, CLEAR, NUMBER, LENGTH };

static const struct {
    const char *name;
    uint32_t type;
    const char *path;
    enum change change;
    const char *text;
    int number; /* NUMBER: the value; LENGTH: that many bytes or letters */
    enum err want;
    const char *field;
} CASES[] = {
    /* clang-format off */
    /* text */
    {"W-053 a gaiji in a name", 1001, "name.kanji", SET, "架空\xee\x80\x80", 0, ERR_VAL_TEXT_PUA, "name.kanji"},
    {"W-053 a control character", 1001, "note", SET, "a\x07", 0, ERR_VAL_TEXT_CONTROL, "note"},
    {"W-025 text that is not UTF-8", 1001, "note", SET, "\xff", 0, ERR_PB_UTF8, "note"},
    {"a string of 4096 bytes", 1001, "address", LENGTH, NULL, 4096, ERR_OK, ""},
    {"a string of 4097 bytes", 1001, "address", LENGTH, NULL, 4097, ERR_VAL_TOO_LONG, "address"},
    {"a note of 60000 bytes", 1001, "note", LENGTH, NULL, 60000, ERR_OK, ""},
    {"strings of more than 64 KiB together", 1001, "note", LENGTH, NULL, 65500, ERR_VAL_TOO_LONG, "note"},
    {"W-053 a guardian's name is text too", 1401, "guardian.name.kanji", SET, "a\x07", 0, ERR_VAL_TEXT_CONTROL, "guardian.name.kanji"},
    /* My Number */
    {"W-052 a My Number in a note", 1001, "note", SET, "番号は123456789018です", 0, ERR_VAL_MYNUMBER, "note"},
    {"W-052 a My Number in full width, with space and hyphen", 1001, "note", SET, "１２３４ ５６７８-９０１８", 0, ERR_VAL_MYNUMBER, "note"},
    {"W-052 a My Number as a message id", 1001, "source_id", SET, "123456789018", 0, ERR_VAL_MYNUMBER, "source_id"},
    {"W-052 a My Number in a guardian's phone", 1401, "guardian.phone", SET, "123456789018", 0, ERR_VAL_MYNUMBER, "guardian.phone"},
    {"W-052 a My Number beside a date", 1001, "birth.original", SET, "昭和46年 123456789018", 0, ERR_VAL_MYNUMBER, "birth.original"},
    {"W-052 12 digits with a wrong check digit", 1001, "note", SET, "123456789012", 0, ERR_OK, ""},
    {"W-052 a time whose 12 digits fit the check digit", 1001, "admitted_on.original", SET, "202604010006", 0, ERR_OK, ""},
    {"W-052 the same 12 digits in a note", 1001, "note", SET, "202604010006", 0, ERR_VAL_MYNUMBER, "note"},
    /* dates */
    {"W-050 a month", 1001, "birth.iso", SET, "2026-04", 0, ERR_VAL_DATE_FORM, "birth.precision"},
    {"W-050 30 February", 1001, "birth.iso", SET, "2026-02-30", 0, ERR_VAL_DATE, "birth.iso"},
    {"W-050 29 February of no leap year", 1001, "birth.iso", SET, "2026-02-29", 0, ERR_VAL_DATE, "birth.iso"},
    {"W-050 29 February of a leap year", 1001, "birth.iso", SET, "2028-02-29", 0, ERR_OK, ""},
    {"W-050 an era date where ISO belongs", 1001, "birth.iso", SET, "R8.4.1", 0, ERR_VAL_DATE_FORM, "birth.iso"},
    {"W-050 no date at all", 1001, "birth.iso", SET, "いつか", 0, ERR_VAL_DATE_FORM, "birth.iso"},
    {"W-050 an empty date", 1001, "birth.iso", SET, "", 0, ERR_VAL_DATE_FORM, "birth.iso"},
    {"W-050 a date without iso", 1001, "birth.iso", CLEAR, NULL, 0, ERR_VAL_DATE_FORM, "birth.iso"},
    {"W-050 a day said to be a month", 1001, "birth.precision", NUMBER, NULL, 2, ERR_VAL_DATE_FORM, "birth.precision"},
    {"W-050 a day of no stated precision", 1001, "birth.precision", CLEAR, NULL, 0, ERR_OK, ""},
    /* names and codes */
    {"W-054 kanji as a reading", 1001, "name.kana", SET, "架空", 0, ERR_VAL_KANA, "name.kana"},
    {"W-054 hiragana as a reading", 1001, "name.kana", SET, "かくう はなこ", 0, ERR_OK, ""},
    {"W-054 half-width kana as a reading", 1001, "name.kana", SET, "ｶｸｳ ﾊﾅｺ", 0, ERR_OK, ""},
    {"W-054 kanji as a guardian's reading", 1401, "guardian.name.kana", SET, "架空", 0, ERR_VAL_KANA, "guardian.name.kana"},
    {"W-051 a certificate number of nine digits", 1401, "certificate_no", SET, "490000001", 0, ERR_VAL_CODE_LENGTH, "certificate_no"},
    {"W-051 a certificate number with a letter", 1401, "certificate_no", SET, "49000O0001", 0, ERR_VAL_CODE_LENGTH, "certificate_no"},
    {"W-056 a reference of 15 bytes", 1415, "offer_ref", LENGTH, NULL, 15, ERR_EVT_ID, "offer_ref"},
    {"W-056 a replaced consent of 17 bytes", 1201, "supersedes", LENGTH, NULL, 17, ERR_EVT_ID, "supersedes"},
    {"a hash of 31 bytes", 1201, "paper_sha256", LENGTH, NULL, 31, ERR_VAL_TYPE, "paper_sha256"},
    {"W-056 an enum of 0", 1001, "sex", NUMBER, NULL, 0, ERR_VAL_TYPE, "sex"},
    {"W-024 an enum unknown", 1001, "sex", NUMBER, NULL, 77, ERR_PB_UNKNOWN_ENUM, "sex"},
    {"W-056 an enum of 0 in a list", 1412, "diet", NUMBER, NULL, 0, ERR_VAL_TYPE, "diet"},
    /* what each type must have */
    {"W-055 an admission without name", 1001, "name", CLEAR, NULL, 0, ERR_VAL_REQUIRED, "name"},
    {"W-055 an admission without date", 1001, "admitted_on", CLEAR, NULL, 0, ERR_VAL_REQUIRED, "admitted_on"},
    {"W-055 an admission without birth date", 1001, "birth", CLEAR, NULL, 0, ERR_OK, ""},
    {"W-055 a filing without form", 1101, "form_code", CLEAR, NULL, 0, ERR_VAL_REQUIRED, "form_code"},
    {"W-055 a filing without name", 1101, "name", CLEAR, NULL, 0, ERR_VAL_REQUIRED, "name"},
    {"W-055 a filing without admission date", 1101, "admitted_on", CLEAR, NULL, 0, ERR_VAL_REQUIRED, "admitted_on"},
    {"W-055 a filing received without which", 1102, "filing_ref", CLEAR, NULL, 0, ERR_VAL_REQUIRED, "filing_ref"},
    {"W-055 an answer to no introduction", 1012, "intro_ref", CLEAR, NULL, 0, ERR_VAL_REQUIRED, "intro_ref"},
    {"W-055 an introduction answered by nothing", 1012, "answer", CLEAR, NULL, 0, ERR_VAL_REQUIRED, "answer"},
    {"W-055 a planned discharge with the day of moving in alone", 1030, "planned_on", CLEAR, NULL, 0, ERR_OK, ""},
    {"W-055 a discharge without date", 1032, "discharged_on", CLEAR, NULL, 0, ERR_VAL_REQUIRED, "discharged_on"},
    {"W-055 a plan without number", 1320, "plan_no", CLEAR, NULL, 0, ERR_VAL_REQUIRED, "plan_no"},
    {"W-055 a plan with an empty number", 1320, "plan_no", SET, "", 0, ERR_VAL_REQUIRED, "plan_no"},
    {"W-055 a registration without name", 1401, "name", CLEAR, NULL, 0, ERR_VAL_REQUIRED, "name"},
    {"W-055 a registration without end", 1401, "valid_to", CLEAR, NULL, 0, ERR_VAL_REQUIRED, "valid_to"},
    {"W-055 an emergency without registration status", 1410, "registration", CLEAR, NULL, 0, ERR_VAL_REQUIRED, "registration"},
    {"W-055 a triage without branch", 1411, "branch", CLEAR, NULL, 0, ERR_VAL_REQUIRED, "branch"},
    {"W-055 a canvass without nights", 1412, "nights", CLEAR, NULL, 0, ERR_VAL_REQUIRED, "nights"},
    {"W-055 a canvass for 0 nights", 1412, "nights", NUMBER, NULL, 0, ERR_VAL_REQUIRED, "nights"},
    {"W-055 a canvass without beginning", 1412, "need_from_ms", CLEAR, NULL, 0, ERR_VAL_REQUIRED, "need_from_ms"},
    {"W-055 a confirmation of no offer", 1415, "offer_ref", CLEAR, NULL, 0, ERR_VAL_REQUIRED, "offer_ref"},
    {"W-055 a confirmation of nobody", 1415, "name", CLEAR, NULL, 0, ERR_VAL_REQUIRED, "name"},
    /* consent */
    {"W-055 a consent without reference", 1201, "consent_ref", CLEAR, NULL, 0, ERR_VAL_CONSENT_SCOPE, "consent_ref"},
    {"W-055 a consent without purpose", 1201, "purpose", CLEAR, NULL, 0, ERR_VAL_CONSENT_SCOPE, "purpose"},
    {"W-055 a consent without recipients", 1201, "recipient", CLEAR, NULL, 0, ERR_VAL_CONSENT_SCOPE, "recipient"},
    {"W-055 a consent without kinds of data", 1201, "classes", CLEAR, NULL, 0, ERR_VAL_CONSENT_SCOPE, "classes"},
    {"W-055 a consent without end", 1201, "valid_to", CLEAR, NULL, 0, ERR_VAL_CONSENT_SCOPE, "valid_to"},
    {"W-055 a recipient by role and place", 1201, "recipient.agency", CLEAR, NULL, 0, ERR_OK, ""},
    {"W-051 a recipient whose code is wrong", 1201, "recipient.agency", SET, "MI-4910100018", 0, ERR_VAL_MEDINST, "recipient.agency"},
    {"W-051 a recipient at no place", 1201, "recipient.place", SET, "99999", 0, ERR_VAL_PREFECTURE, "recipient.place"},
    {"W-055 a refusal of everything", 1202, "recipient", CLEAR, NULL, 0, ERR_OK, ""},
    {"W-055 a withdrawal of one consent", 1203, "all", CLEAR, NULL, 0, ERR_OK, ""},
    {"W-055 a withdrawal of every consent", 1203, "consent_ref", CLEAR, NULL, 0, ERR_OK, ""},
}; /* clang-format on */

/* ---- changing a message by the name of a field ----------------------------
 */

static void *member(ProtobufCMessage *m, size_t offset)
{
    return (uint8_t *)m + offset;
}

static const ProtobufCFieldDescriptor *field_named(const ProtobufCMessage *m,
                                                   const char *name)
{
    const ProtobufCFieldDescriptor *f =
        protobuf_c_message_descriptor_get_field_by_name(m->descriptor, name);
    if (f == NULL)
        fail_msg("no field %s", name);
    return f;
}

/* The (first) message in a field. */
static ProtobufCMessage *inside(ProtobufCMessage *m, const char *name)
{
    const ProtobufCFieldDescriptor *f = field_named(m, name);
    void *p = *(void **)member(m, f->offset);
    return f->label == PROTOBUF_C_LABEL_REPEATED ? *(void **)p : p;
}

/* Takes a field out by packing the message without it. */
static void clear(ProtobufCMessage **m, const char *name)
{
    struct buf b = {0}, out = {0};
    uint32_t number = field_named(*m, name)->id;
    const ProtobufCMessageDescriptor *d = (*m)->descriptor;
    assert_int_equal(pack(*m, &b), ERR_OK);
    for (struct slice rest = buf_slice(&b); rest.n > 0;) {
        struct pb_field f;
        assert_int_equal(unpack_field(&rest, &f), ERR_OK);
        if (f.number != number)
            buf_add(&out, f.whole.p, f.whole.n);
    }
    unpack_free(m);
    assert_int_equal(unpack(d, buf_slice(&out), m), ERR_OK);
    buf_fini(&b);
    buf_fini(&out);
}

static void set_text(ProtobufCMessage *m, const char *name, const char *text)
{
    char **at = member(m, field_named(m, name)->offset);
    free(*at);
    *at = strdup(text);
}

static void set_number(ProtobufCMessage *m, const char *name, int number)
{
    const ProtobufCFieldDescriptor *f = field_named(m, name);
    int *at = member(m, f->offset);
    if (f->label == PROTOBUF_C_LABEL_REPEATED)
        at = *(int **)at;
    *at = number;
}

static void set_length(ProtobufCMessage *m, const char *name, size_t n)
{
    const ProtobufCFieldDescriptor *f = field_named(m, name);
    char *fresh = calloc(1, n + 1);
    if (f->type == PROTOBUF_C_TYPE_BYTES) {
        ProtobufCBinaryData *d = member(m, f->offset);
        free(d->data);
        *d = (ProtobufCBinaryData){n, (uint8_t *)fresh};
        return;
    }
    memset(fresh, 'a', n);
    set_text(m, name, fresh);
    free(fresh);
}

static ProtobufCMessage *replace(ProtobufCMessage *m, const char *name,
                                 ProtobufCMessage *now)
{
    const ProtobufCFieldDescriptor *f = field_named(m, name);
    void **at = member(m, f->offset);
    if (f->label == PROTOBUF_C_LABEL_REPEATED)
        at = *at;
    *at = now;
    return m;
}

static ProtobufCMessage *changed(ProtobufCMessage *m, size_t i,
                                 const char *path)
{
    const char *dot = strchr(path, '.');
    if (dot != NULL) {
        char head[64] = {0};
        memcpy(head, path, (size_t)(dot - path));
        return replace(m, head, changed(inside(m, head), i, dot + 1));
    }
    if (CASES[i].change == SET)
        set_text(m, path, CASES[i].text);
    else if (CASES[i].change == NUMBER)
        set_number(m, path, CASES[i].number);
    else if (CASES[i].change == LENGTH)
        set_length(m, path, (size_t)CASES[i].number);
    else
        clear(&m, path);
    return m;
}

/* ---- the tests ----------------------------------------------------------- */

static void content_is_judged_by_the_rules(void **state)
{
    (void)state;
    for (size_t i = 0; i < NELEM(CASES); i++) {
        const struct schema_message *m = schema_event(CASES[i].type);
        ProtobufCMessage *body = changed(sample_body(m), i, CASES[i].path);
        char field[96];
        enum err e = event_validate(m, body, field);
        if (e != CASES[i].want || strcmp(field, CASES[i].field) != 0)
            fail_msg("%s: %s at '%s'", CASES[i].name, err_code(e), field);
        assert_int_equal(event_validate(m, body, NULL), e);
        unpack_free(&body);
    }
}

static void every_sample_is_valid(void **state)
{
    (void)state;
    for (size_t i = 0; i < SCHEMA_MESSAGE_COUNT; i++) {
        const struct schema_message *m = &SCHEMA_MESSAGES[i];
        if (m->event == 0)
            continue;
        ProtobufCMessage *body = sample_body(m);
        char field[96];
        enum err e = event_validate(m, body, field);
        if (e != ERR_OK)
            fail_msg("%s.%s: %s", m->event_name, field, err_code(e));
        unpack_free(&body);
    }
}

/* A name that is empty but there. */
static void a_name_has_characters_or_a_reading(void **state) /* W-055 */
{
    (void)state;
    const struct schema_message *m = schema_event(1001);
    ProtobufCMessage *body = sample_body(m);
    ProtobufCMessage *name = inside(body, "name");
    char field[96];
    clear(&name, "kanji");
    replace(body, "name", name);
    assert_int_equal(event_validate(m, body, field), ERR_OK);
    clear(&name, "kana");
    replace(body, "name", name);
    assert_int_equal(event_validate(m, body, field), ERR_VAL_REQUIRED);
    assert_string_equal(field, "name.kanji");
    unpack_free(&body);
}

static void either_of_two_is_needed(void **state) /* W-055 */
{
    (void)state;
    static const struct {
        uint32_t type;
        const char *a, *b;
    } EITHER[] = {{1030, "planned_on", "move_in_on"},
                  {1203, "consent_ref", "all"}};
    for (size_t i = 0; i < NELEM(EITHER); i++) {
        const struct schema_message *m = schema_event(EITHER[i].type);
        ProtobufCMessage *body = sample_body(m);
        char field[96];
        clear(&body, EITHER[i].a);
        assert_int_equal(event_validate(m, body, field), ERR_OK);
        clear(&body, EITHER[i].b);
        assert_int_equal(event_validate(m, body, field), ERR_VAL_REQUIRED);
        assert_string_equal(field, EITHER[i].a);
        unpack_free(&body);
    }
}

static void all_of_false_is_no_withdrawal(void **state) /* W-055 */
{
    (void)state;
    const struct schema_message *m = schema_event(1203);
    ProtobufCMessage *body = sample_body(m);
    clear(&body, "consent_ref");
    set_number(body, "all", 0);
    assert_int_equal(event_validate(m, body, NULL), ERR_VAL_REQUIRED);
    unpack_free(&body);
}

/* W-055 */
static void a_consent_recipient_is_an_agency_or_a_role_at_a_place(void **state)
{
    (void)state;
    static const char *const LESS[] = {"role", "place"};
    const struct schema_message *m = schema_event(1201);
    for (size_t i = 0; i < NELEM(LESS); i++) {
        ProtobufCMessage *body = sample_body(m);
        ProtobufCMessage *r = inside(body, "recipient");
        char field[96];
        clear(&r, LESS[i]);
        replace(body, "recipient", r);
        assert_int_equal(event_validate(m, body, field), ERR_OK);
        clear(&r, "agency");
        replace(body, "recipient", r);
        assert_int_equal(event_validate(m, body, field), ERR_VAL_CONSENT_SCOPE);
        assert_string_equal(field, "recipient.agency");
        unpack_free(&body);
    }
}

int main(void)
{
    code_allow_fictitious(true);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(content_is_judged_by_the_rules),
        cmocka_unit_test(every_sample_is_valid),
        cmocka_unit_test(a_name_has_characters_or_a_reading),
        cmocka_unit_test(either_of_two_is_needed),
        cmocka_unit_test(all_of_false_is_no_withdrawal),
        cmocka_unit_test(a_consent_recipient_is_an_agency_or_a_role_at_a_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
