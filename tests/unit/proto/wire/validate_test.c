/* validate_test.c - content rules, on samples with one thing changed. */
#include "proto/wire/event.h"
#include "sample.h"
#include "tsunagi/v1/record.pb-c.h"
#include "tsunagi/v1/support.pb-c.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

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
    {"W-057 a canvass for 0 nights", 1412, "nights", NUMBER, NULL, 0, ERR_VAL_RANGE, "nights"},
    {"W-057 a canvass for 31 nights", 1412, "nights", NUMBER, NULL, 31, ERR_OK, ""},
    {"W-057 a canvass for 32 nights", 1412, "nights", NUMBER, NULL, 32, ERR_VAL_RANGE, "nights"},
    {"W-057 support level 0 in a canvass", 1412, "support_level", NUMBER, NULL, 0, ERR_VAL_RANGE, "support_level"},
    {"W-057 support level 6 in a canvass", 1412, "support_level", NUMBER, NULL, 6, ERR_OK, ""},
    {"W-057 support level 7 in a canvass", 1412, "support_level", NUMBER, NULL, 7, ERR_VAL_RANGE, "support_level"},
    {"W-057 1001 providers asked", 1423, "asked", NUMBER, NULL, 1001, ERR_VAL_RANGE, "asked"},
    {"W-057 more than a week waited", 1423, "waited_minutes", NUMBER, NULL, 10081, ERR_VAL_RANGE, "waited_minutes"},
    {"W-057 no bed free", 1430, "beds", NUMBER, NULL, 0, ERR_OK, ""},
    {"W-057 101 beds free", 1430, "beds", NUMBER, NULL, 101, ERR_VAL_RANGE, "beds"},
    {"W-057 a break-glass of no time", 2001, "minutes", NUMBER, NULL, 0, ERR_VAL_RANGE, "minutes"},
    {"W-057 a break-glass of more than a day", 2001, "minutes", NUMBER, NULL, 1441, ERR_VAL_RANGE, "minutes"},
    {"W-057 a cell that is suppressed and told", 1910, "counts.count", NUMBER, NULL, 5, ERR_VAL_RANGE, "counts.count"},
    {"W-057 a cell of 0 that is not suppressed", 1910, "counts.suppressed", NUMBER, NULL, 0, ERR_VAL_RANGE, "counts.count"},
    {"W-055 a cell of nothing", 1910, "counts.item", CLEAR, NULL, 0, ERR_VAL_REQUIRED, "counts.item"},
    {"W-051 figures of no place", 1910, "place", SET, "99999", 0, ERR_VAL_PREFECTURE, "place"},
    {"W-051 a residence of four digits", 1210, "resident", SET, "4920", 0, ERR_VAL_CODE_LENGTH, "resident"},
    {"W-051 a present place outside Japan", 1210, "present", SET, "00201", 0, ERR_VAL_PREFECTURE, "present"},
    {"W-051 a benefit municipality by name", 1210, "shikyu", SET, "架空市", 0, ERR_VAL_CODE_LENGTH, "shikyu"},
    {"W-051 a plan's place with a check digit", 1210, "plan", SET, "492019", 0, ERR_VAL_CODE_LENGTH, "plan"},
    {"W-051 the plan of an application is text", 1801, "plan", SET, "月2回の同行", 0, ERR_OK, ""},
    {"W-056 an extended break-glass of 15 bytes", 2001, "extends", LENGTH, NULL, 15, ERR_EVT_ID, "extends"},
    {"a paper of representation of 31 bytes", 1201, "authority_sha256", LENGTH, NULL, 31, ERR_VAL_TYPE, "authority_sha256"},
    {"W-055 protection switched off", 1211, "on", NUMBER, NULL, 0, ERR_OK, ""},
    {"W-055 a wish confirmed without date", 1501, "wish_confirmed_on", CLEAR, NULL, 0, ERR_VAL_REQUIRED, "wish_confirmed_on"},
    {"W-055 a wish confirmed in no way", 1501, "wish_method", CLEAR, NULL, 0, ERR_VAL_REQUIRED, "wish_method"},
    {"W-055 a wish to be visited by nobody known", 1123, "name", CLEAR, NULL, 0, ERR_VAL_REQUIRED, "name"},
    {"a report of a visit of 60000 bytes", 1506, "report", LENGTH, NULL, 60000, ERR_OK, ""},
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

/* What each type must have, one field at a time. */
static const struct {
    uint32_t type;
    const char *fields;
} MUST[] = {
    {1005, "given_on text"},
    {1013, "name"},
    {1020, "held_on"},
    {1022, "told_on"},
    {1033, "contact_on"},
    {1034, "planned_on"},
    {1035, "name discharged_on"},
    {1111, "sent_on reason period_to answer_by"},
    {1120, "requested_on name condition"},
    {1123, "wish visited_on"},
    {1204, "consent_ref"},
    {1206, "purpose ask_again_on"},
    {1207, "reason"},
    {1211, "on"},
    {1301, "assessed_on"},
    {1323, "plan_no ended_on"},
    {1330, "plan_no"},
    {1332, "name"},
    {1333, "transfer_ref"},
    {1341, "name signs"},
    {1423, "reason"},
    {1425, "provision name"},
    {1427, "name items"},
    {1428, "asked_ref"},
    {1429, "name"},
    {1430, "beds"},
    {1501, "wish name"},
    {1503, "supporter_name"},
    {1504, "visit_ms"},
    {1506, "visited_ms"},
    {1601, "situation"},
    {1602, "fiscal_year"},
    {1701, "kind"},
    {1702, "kind"},
    {1703, "member_name"},
    {1705, "kind held_on"},
    {1706, "kind held_on"},
    {1708, "reason"},
    {1801, "name applied_on"},
    {1802, "name decided_on"},
    {1803, "name fixed_on"},
    {1804, "monitored_on"},
    {1901, "issue checked_by"},
    {1910, "period counts"},
    {2001, "glass_ref"},
    {2002, "glass_ref verdict"},
    {2003, "requested_on"},
    {2004, "request_ref answered_on"},
    {2006, "name died_on"},
    {2009, "glass_ref"},
};

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

static void check_must(uint32_t type, const char *name)
{
    const struct schema_message *m = schema_event(type);
    ProtobufCMessage *body = sample_body(m);
    char field[96];
    clear(&body, name);
    enum err e = event_validate(m, body, field);
    if (e != ERR_VAL_REQUIRED || strcmp(field, name) != 0)
        fail_msg("%s without %s: %s at '%s'", m->event_name, name, err_code(e),
                 field);
    unpack_free(&body);
}

static void what_a_type_must_have_is_asked_for(void **state) /* W-055 */
{
    (void)state;
    for (size_t i = 0; i < NELEM(MUST); i++) {
        char list[96], *rest = list;
        snprintf(list, sizeof(list), "%s", MUST[i].fields);
        for (char *name; (name = strsep(&rest, " ")) != NULL;)
            check_must(MUST[i].type, name);
    }
}

static void one_place_of_four_is_enough(void **state) /* W-055 */
{
    (void)state;
    static const char *const PLACES[] = {"resident", "present", "shikyu",
                                         "plan"};
    const struct schema_message *m = schema_event(1210);
    for (size_t keep = 0; keep <= NELEM(PLACES); keep++) {
        ProtobufCMessage *body = sample_body(m);
        for (size_t i = 0; i < NELEM(PLACES); i++)
            if (i != keep)
                clear(&body, PLACES[i]);
        assert_int_equal(event_validate(m, body, NULL),
                         keep < NELEM(PLACES) ? ERR_OK : ERR_VAL_REQUIRED);
        unpack_free(&body);
    }
}

static void an_unconfirmed_wish_needs_no_date(void **state) /* W-055 */
{
    (void)state;
    const struct schema_message *m = schema_event(1501);
    ProtobufCMessage *body = sample_body(m);
    clear(&body, "wish_confirmed_on");
    clear(&body, "wish_method");
    set_number(body, "wish", PB__VISIT_WISH_STATE__WISH_NOT_CONFIRMED);
    assert_int_equal(event_validate(m, body, NULL), ERR_OK);
    unpack_free(&body);
}

static void a_cell_is_told_from_10_on(void **state) /* W-057 */
{
    (void)state;
    const struct schema_message *m = schema_event(1910);
    for (int n = 9; n <= 10; n++) {
        ProtobufCMessage *body = sample_body(m);
        for (size_t i = 0; i < 2; i++) {
            ProtobufCMessage *cell =
                &((Pb__StatReported *)body)->counts[i]->base;
            clear(&cell, "suppressed");
            set_number(cell, "count", n);
            ((Pb__StatReported *)body)->counts[i] = (Pb__StatCount *)cell;
        }
        assert_int_equal(event_validate(m, body, NULL),
                         n < 10 ? ERR_VAL_RANGE : ERR_OK);
        unpack_free(&body);
    }
}

/* ---- every field of every type ------------------------------------------- */

/* Calls f for each field of a message and of those in it, with the first
 * message that holds it. */
struct visit {
    const struct schema_message *m;
    ProtobufCMessage *body;
    char path[96]; /* of the field */
    size_t seen;
};

static void each_field(struct visit *v, ProtobufCMessage *m,
                       void (*f)(struct visit *v, ProtobufCMessage *in,
                                 const ProtobufCFieldDescriptor *d))
{
    size_t n = strlen(v->path);
    for (unsigned i = 0; i < m->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *d = &m->descriptor->fields[i];
        snprintf(v->path + n, sizeof(v->path) - n, "%s%s", n > 0 ? "." : "",
                 d->name);
        if (d->type == PROTOBUF_C_TYPE_MESSAGE)
            each_field(v, inside(m, d->name), f);
        else
            f(v, m, d);
        v->path[n] = '\0';
    }
}

static void
each_field_of_each_event(struct visit *v,
                         void (*f)(struct visit *v, ProtobufCMessage *in,
                                   const ProtobufCFieldDescriptor *d))
{
    for (size_t i = 0; i < SCHEMA_MESSAGE_COUNT; i++) {
        v->m = &SCHEMA_MESSAGES[i];
        if (v->m->event == 0)
            continue;
        v->body = sample_body(v->m);
        each_field(v, v->body, f);
        unpack_free(&v->body);
    }
}

static void want_fault(struct visit *v, enum err want)
{
    char field[96];
    enum err e = event_validate(v->m, v->body, field);
    if (e != want || (e != ERR_OK && strcmp(field, v->path) != 0))
        fail_msg("%s.%s: %s at '%s'", v->m->event_name, v->path, err_code(e),
                 field);
}

static char **text_at(ProtobufCMessage *in, const ProtobufCFieldDescriptor *d)
{
    char **at = member(in, d->offset);
    return d->label == PROTOBUF_C_LABEL_REPEATED ? *(char ***)at : at;
}

static void try_my_number(struct visit *v, ProtobufCMessage *in,
                          const ProtobufCFieldDescriptor *d)
{
    static const char *const FORMS[] = {"123456789018", "番号1234-5678-9018。",
                                        "１２３４　５６７８　９０１８"};
    if (d->type != PROTOBUF_C_TYPE_STRING)
        return;
    char **at = text_at(in, d), *good = *at;
    for (size_t i = 0; i < NELEM(FORMS); i++) {
        *at = strdup(FORMS[i]);
        want_fault(v, ERR_VAL_MYNUMBER);
        free(*at);
    }
    *at = good;
    v->seen++;
}

static void no_string_of_any_event_takes_a_my_number(void **state) /* W-052 */
{
    (void)state;
    struct visit v = {0};
    each_field_of_each_event(&v, try_my_number);
    assert_true(v.seen > 400);
    print_message("%zu string fields\n", v.seen);
}

/* A time of 12 digits that fits the check digit. */
static void try_time(struct visit *v, ProtobufCMessage *in,
                     const ProtobufCFieldDescriptor *d)
{
    if (d->type != PROTOBUF_C_TYPE_STRING || strcmp(d->name, "original") != 0)
        return;
    char **at = text_at(in, d), *good = *at;
    *at = strdup("202604010006");
    want_fault(v, ERR_OK);
    free(*at);
    *at = good;
    v->seen++;
}

static void a_time_of_any_event_is_no_my_number(void **state) /* W-052 */
{
    (void)state;
    struct visit v = {0};
    each_field_of_each_event(&v, try_time);
    assert_true(v.seen > 60);
}

static void try_number(struct visit *v, ProtobufCMessage *in,
                       const ProtobufCFieldDescriptor *d)
{
    static const uint64_t BAD[] = {UINT64_C(123456789018), 0,
                                   UINT64_C(1420070399999),
                                   UINT64_C(4102444800001)};
    if (d->type != PROTOBUF_C_TYPE_UINT64)
        return;
    uint64_t *at = member(in, d->offset), good = *at;
    for (size_t i = 0; i < NELEM(BAD); i++) {
        *at = BAD[i];
        want_fault(v, ERR_VAL_RANGE);
    }
    *at = good;
    v->seen++;
}

/* All numbers of 64 bits are times; 32 bits have no room for 12 digits. */
static void no_number_of_any_event_takes_a_my_number(void **state) /* W-057 */
{
    (void)state;
    struct visit v = {0};
    each_field_of_each_event(&v, try_number);
    assert_true(v.seen > 10);
}

static void try_control(struct visit *v, ProtobufCMessage *in,
                        const ProtobufCFieldDescriptor *d)
{
    if (d->type != PROTOBUF_C_TYPE_STRING)
        return;
    char **at = text_at(in, d), *good = *at;
    *at = strdup("架空\x07");
    want_fault(v, ERR_VAL_TEXT_CONTROL);
    free(*at);
    *at = good;
}

static void no_string_of_any_event_takes_control_characters(void **state)
{
    (void)state; /* W-053 */
    struct visit v = {0};
    each_field_of_each_event(&v, try_control);
}

static void try_canary(struct visit *v, ProtobufCMessage *in,
                       const ProtobufCFieldDescriptor *d)
{
    if (d->type != PROTOBUF_C_TYPE_STRING || !sample_is_free(in->descriptor, d))
        return;
    assert_string_equal(*text_at(in, d), "カナリア0001");
    v->seen++;
}

/* The samples other tests rely on: any value of every enum, one text in every
 * free string. */
static void every_sample_of_any_choice_is_valid(void **state)
{
    (void)state;
    struct visit v = {0};
    for (unsigned pick = 0; pick < 30; pick++)
        for (size_t i = 0; i < SCHEMA_MESSAGE_COUNT; i++) {
            struct sample_how how = {"カナリア0001", pick};
            v.m = &SCHEMA_MESSAGES[i];
            if (v.m->event == 0)
                continue;
            v.body = sample_body_how(v.m, &how);
            want_fault(&v, ERR_OK);
            each_field(&v, v.body, try_canary);
            unpack_free(&v.body);
        }
    assert_true(v.seen > 30 * 300);
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
        cmocka_unit_test(every_sample_of_any_choice_is_valid),
        cmocka_unit_test(what_a_type_must_have_is_asked_for),
        cmocka_unit_test(one_place_of_four_is_enough),
        cmocka_unit_test(an_unconfirmed_wish_needs_no_date),
        cmocka_unit_test(a_cell_is_told_from_10_on),
        cmocka_unit_test(no_string_of_any_event_takes_a_my_number),
        cmocka_unit_test(a_time_of_any_event_is_no_my_number),
        cmocka_unit_test(no_number_of_any_event_takes_a_my_number),
        cmocka_unit_test(no_string_of_any_event_takes_control_characters),
        cmocka_unit_test(a_name_has_characters_or_a_reading),
        cmocka_unit_test(either_of_two_is_needed),
        cmocka_unit_test(all_of_false_is_no_withdrawal),
        cmocka_unit_test(a_consent_recipient_is_an_agency_or_a_role_at_a_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
