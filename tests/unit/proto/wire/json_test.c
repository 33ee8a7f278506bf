/* json_test.c - JSON in and out, and the golden samples.
 *
 * proto/golden holds one body per event type: NAME.json and, in NAME.hex, the
 * bytes it packs to. Bytes there never change; a new field of an event is
 * added to its sample only together with a new line in COMPAT.md. */
#include "proto/base/code.h"
#include "proto/wire/event.h"
#include "proto/wire/json.h"
#include "proto/wire/unpack.h"
#include "tsunagi/v1/consent.pb-c.h"
#include "tsunagi/v1/discharge.pb-c.h"
#include "tsunagi/v1/emergency.pb-c.h"
#include "tsunagi/v1/envelope.pb-c.h"
#include "tsunagi/v1/value.pb-c.h"
#include <ctype.h>
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void check(bool ok, const char *name)
{
    if (!ok)
        fail_msg("%s", name);
}

static json_t *parse(const char *text)
{
    json_t *j;
    struct buf why = {0};
    enum err e = json_parse(slice_str(text), &j, &why);
    if (e != ERR_OK)
        fail_msg("not JSON: %s: %s", text, (char *)why.p);
    buf_fini(&why);
    return j;
}

/* ---- one field at a time ---- */

#define ADM &pb__admission_recorded__descriptor
#define CONSENT &pb__consent_given__descriptor
#define OFFER &pb__stay_offered__descriptor
#define CANVASS_ &pb__stay_canvass__descriptor
#define OUTCOME_ &pb__recipient_outcome__descriptor
#define REGISTERED_ &pb__emergency_registered__descriptor
#define SAME NULL

static const struct {
    const char *name;
    const ProtobufCMessageDescriptor *d;
    const char *in;
    const char *out; /* SAME: as it went in */
} GOOD[] = {
    /* clang-format off */
    {"W-180 nothing", ADM, "{}", SAME},
    {"W-180 text", ADM, "{\"ward\":\"2病棟 𠮷\"}", SAME},
    {"W-180 true", ADM, "{\"corrects\":true}", SAME},
    {"W-180 false is present", ADM, "{\"corrects\":false}", SAME},
    {"W-180 an enum by name", ADM, "{\"sex\":\"FEMALE\"}", SAME},
    {"W-180 a message", ADM, "{\"name\":{\"kanji\":\"架空花子\"}}", SAME},
    {"W-180 an empty message is present", ADM, "{\"name\":{}}", SAME},
    {"W-180 zero is present", CANVASS_, "{\"nights\":0}", SAME},
    {"W-180 the largest uint32", CANVASS_, "{\"nights\":4294967295}", SAME},
    {"W-180 data classes by name", CONSENT, "{\"classes\":[\"G_ID\",\"G_CONTACT\"]}", SAME},
    {"W-180 a class twice", CONSENT, "{\"classes\":[\"G_ID\",\"G_ID\"]}", SAME},
    {"W-180 an empty list is absent", CONSENT, "{\"classes\":[]}", "{}"},
    {"W-180 repeated messages", REGISTERED_, "{\"guardian\":[{\"relation\":\"母\"},{\"phone\":\"1\"}]}", SAME},
    {"W-181 bytes as hex", CONSENT, "{\"paper_sha256\":\"00ff10\"}", SAME},
    {"W-181 no bytes", CONSENT, "{\"paper_sha256\":\"\"}", SAME},
    {"W-181 sixteen bytes as UUID", CONSENT, "{\"consent_ref\":\"01980000-0000-7000-8000-000000001101\"}", SAME},
    {"W-181 sixteen bytes as hex", CONSENT, "{\"consent_ref\":\"01980000000070008000000000001101\"}",
     "{\"consent_ref\":\"01980000-0000-7000-8000-000000001101\"}"},
    {"W-182 a date taken apart", ADM, "{\"birth\":{\"iso\":\"1971-04-07\"}}", SAME},
    {"W-182 an ISO date", ADM, "{\"birth\":\"1971-04-07\"}",
     "{\"birth\":{\"iso\":\"1971-04-07\",\"precision\":\"DAY\"}}"},
    {"W-182 a date in era years", ADM, "{\"birth\":\"S46.4.7\"}",
     "{\"birth\":{\"iso\":\"1971-04-07\",\"original\":\"S46.4.7\",\"precision\":\"DAY\",\"era_input\":true}}"},
    {"W-182 a date past its era", ADM, "{\"birth\":\"平成33年4月1日\"}",
     "{\"birth\":{\"iso\":\"2021-04-01\",\"original\":\"平成33年4月1日\",\"precision\":\"DAY\",\"era_input\":true,\"era_overrun\":true}}"},
    {"W-182 a month", ADM, "{\"birth\":\"2026-04\"}",
     "{\"birth\":{\"iso\":\"2026-04\",\"precision\":\"MONTH\"}}"},
    {"W-182 a year", ADM, "{\"birth\":\"2026\"}",
     "{\"birth\":{\"iso\":\"2026\",\"precision\":\"YEAR\"}}"},
    {"W-182 a date with slashes", ADM, "{\"birth\":\"2026/4/1\"}",
     "{\"birth\":{\"iso\":\"2026-04-01\",\"original\":\"2026/4/1\",\"precision\":\"DAY\"}}"},
    {"W-183 milliseconds", OFFER, "{\"hold_until_ms\":1789150860000}", SAME},
    {"W-183 a time", OFFER, "{\"hold_until_ms\":\"2026-09-12T03:21:00+09:00\"}",
     "{\"hold_until_ms\":1789150860000}"},
    {"W-183 a number above 2^63", OUTCOME_, "{\"released\":\"18446744073709551615\"}", SAME},
    {"W-183 a small number as text", OUTCOME_, "{\"released\":\"7\"}", "{\"released\":7}"},
}; /* clang-format on */

static void values_come_back_as_the_table_says(void **state)
{
    (void)state;
    for (size_t i = 0; i < NELEM(GOOD); i++) {
        ProtobufCMessage *m;
        struct buf why = {0};
        json_t *in = parse(GOOD[i].in);
        json_t *want = parse(GOOD[i].out != SAME ? GOOD[i].out : GOOD[i].in);
        enum err e = json_to_message(in, GOOD[i].d, &m, &why);
        check(e == ERR_OK && why.n == 0, GOOD[i].name);
        json_t *back = json_from_message(m);
        check(json_equal(back, want), GOOD[i].name);
        json_decref(back);
        json_decref(in);
        json_decref(want);
        unpack_free(&m);
        buf_fini(&why);
    }
}

static const struct {
    const char *name;
    const ProtobufCMessageDescriptor *d;
    const char *in;
    enum err want;
    const char *where;
} BAD[] = {
    /* clang-format off */
    {"W-184 an unknown name", ADM, "{\"nam\":1}", ERR_VAL_FIELD, "nam: "},
    {"W-184 an unknown name inside", ADM, "{\"name\":{\"kanzi\":\"x\"}}", ERR_VAL_FIELD, "name.kanzi: "},
    {"W-184 an unknown name in a list", REGISTERED_, "{\"guardian\":[{},{\"name\":{\"x\":1}}]}", ERR_VAL_FIELD, "guardian[1].name.x: "},
    {"I-11 a strange name is not repeated", ADM, "{\"架空花子\":1}", ERR_VAL_FIELD, "?: "},
    {"W-184 an array for the whole", ADM, "[]", ERR_VAL_TYPE, ""},
    {"W-184 null", ADM, "{\"ward\":null}", ERR_VAL_TYPE, "ward: "},
    {"W-184 a number for text", ADM, "{\"ward\":2}", ERR_VAL_TYPE, "ward: "},
    {"W-184 text for a boolean", ADM, "{\"corrects\":\"true\"}", ERR_VAL_TYPE, "corrects: "},
    {"W-184 a number for a boolean", ADM, "{\"corrects\":1}", ERR_VAL_TYPE, "corrects: "},
    {"W-184 text for a message", ADM, "{\"name\":\"架空花子\"}", ERR_VAL_TYPE, "name: "},
    {"W-184 one value for a list", CONSENT, "{\"classes\":\"G_ID\"}", ERR_VAL_TYPE, "classes: "},
    {"W-184 a list for one value", ADM, "{\"ward\":[\"2\"]}", ERR_VAL_TYPE, "ward: "},
    {"W-184 an enum by number", ADM, "{\"sex\":1}", ERR_VAL_TYPE, "sex: "},
    {"W-184 an unknown enum", ADM, "{\"sex\":\"female\"}", ERR_PB_UNKNOWN_ENUM, "sex: "},
    {"W-184 an unknown class", CONSENT, "{\"classes\":[\"G_ID\",\"G_ALL\"]}", ERR_PB_UNKNOWN_ENUM, "classes[1]: "},
    {"W-184 below zero", CANVASS_, "{\"nights\":-1}", ERR_VAL_TYPE, "nights: "},
    {"W-184 above uint32", CANVASS_, "{\"nights\":4294967296}", ERR_VAL_TYPE, "nights: "},
    {"W-184 a fraction", CANVASS_, "{\"nights\":1.0}", ERR_VAL_TYPE, "nights: "},
    {"W-184 a time for a count", CANVASS_, "{\"nights\":\"2026-09-12T03:21:00+09:00\"}", ERR_VAL_TYPE, "nights: "},
    {"W-183 text that is no time", OFFER, "{\"hold_until_ms\":\"tomorrow\"}", ERR_VAL_TIME, "hold_until_ms: "},
    {"W-183 a number above 2^64", OUTCOME_, "{\"released\":\"18446744073709551616\"}", ERR_VAL_TYPE, "released: "},
    {"W-183 below zero", OUTCOME_, "{\"released\":-1}", ERR_VAL_TYPE, "released: "},
    {"W-183 a leading zero", OUTCOME_, "{\"released\":\"07\"}", ERR_VAL_TYPE, "released: "},
    {"W-181 half a byte", CONSENT, "{\"paper_sha256\":\"00f\"}", ERR_VAL_TYPE, "paper_sha256: "},
    {"W-181 no hex", CONSENT, "{\"paper_sha256\":\"zz\"}", ERR_VAL_TYPE, "paper_sha256: "},
    {"W-181 a broken UUID", CONSENT, "{\"consent_ref\":\"01980000-0000-7000-8000\"}", ERR_VAL_TYPE, "consent_ref: "},
    {"W-182 an impossible date", ADM, "{\"birth\":\"2026-02-30\"}", ERR_VAL_DATE, "birth: "},
    {"W-182 no date", ADM, "{\"birth\":\"soon\"}", ERR_VAL_DATE_FORM, "birth: "},
    {"W-182 a number for a date", ADM, "{\"birth\":20260401}", ERR_VAL_TYPE, "birth: "},
}; /* clang-format on */

static void faults_are_told_with_their_place(void **state)
{
    (void)state;
    for (size_t i = 0; i < NELEM(BAD); i++) {
        ProtobufCMessage *m;
        struct buf why = {0};
        json_t *in = parse(BAD[i].in);
        enum err e = json_to_message(in, BAD[i].d, &m, &why);
        check(e == BAD[i].want && m == NULL, BAD[i].name);
        size_t n = strlen(BAD[i].where);
        check(why.n > n && memcmp(why.p, BAD[i].where, n) == 0, BAD[i].name);
        check(strstr((char *)why.p + n, err_ja(e)) == (char *)why.p + n,
              BAD[i].name);
        check(strstr((char *)why.p, "架空花子") == NULL,
              "I-11 no value in a complaint");
        json_decref(in);
        buf_fini(&why);
        assert_int_equal(
            json_to_message(in = parse(BAD[i].in), BAD[i].d, &m, NULL),
            BAD[i].want);
        json_decref(in);
    }
}

static void text_with_nul_is_refused(void **state)
{
    (void)state;
    ProtobufCMessage *m;
    json_t *j = json_object();
    json_object_set_new(j, "ward", json_stringn_nocheck("a\0b", 3));
    assert_int_equal(json_to_message(j, ADM, &m, NULL), ERR_PB_NUL);
    json_object_set_new(j, "ward", json_stringn_nocheck("\xff", 1));
    struct buf why = {0};
    assert_int_equal(json_to_message(j, ADM, &m, &why), ERR_PB_UTF8);
    assert_memory_equal(why.p, "ward: ", 6);
    buf_fini(&why);
    json_decref(j);
}

static const struct {
    const char *name, *text;
    enum err want;
} TEXTS[] = {
    {"W-185 an object", "{\"a\":1}", ERR_OK},
    {"W-185 nothing", "", ERR_VAL_JSON},
    {"W-185 a name twice", "{\"a\":1,\"a\":2}", ERR_VAL_JSON},
    {"W-185 a name twice inside", "{\"b\":{\"a\":1,\"a\":1}}", ERR_VAL_JSON},
    {"W-185 text after the end", "{} {}", ERR_VAL_JSON},
    {"W-185 a comma too many", "{\"a\":1,}", ERR_VAL_JSON},
    {"W-185 no UTF-8", "{\"a\":\"\xff\"}", ERR_VAL_JSON},
    {"W-185 an escaped NUL", "{\"a\":\"\\u0000\"}", ERR_VAL_JSON},
    {"W-185 half a surrogate", "{\"a\":\"\\ud800\"}", ERR_VAL_JSON},
    {"W-185 a byte-order mark", "\xef\xbb\xbf{}", ERR_VAL_JSON},
    {"W-185 a bare value", "1", ERR_VAL_JSON},
    {"W-185 a number that overflows", "{\"a\":9223372036854775808}",
     ERR_VAL_JSON},
};

static void only_strict_json_is_parsed(void **state)
{
    (void)state;
    for (size_t i = 0; i < NELEM(TEXTS); i++) {
        json_t *j;
        struct buf why = {0};
        enum err e = json_parse(slice_str(TEXTS[i].text), &j, &why);
        check(e == TEXTS[i].want, TEXTS[i].name);
        check((e == ERR_OK) == (j != NULL) && (e == ERR_OK) == (why.n == 0),
              TEXTS[i].name);
        json_decref(j);
        buf_fini(&why);
    }
    json_t *j;
    struct buf why = {0};
    assert_int_equal(json_parse(slice_str("{\n\"架空花子\" 1}"), &j, &why),
                     ERR_VAL_JSON);
    assert_non_null(strstr((char *)why.p, "2:"));
    check(strstr((char *)why.p, "花子") == NULL, "I-11 no text in a complaint");
    buf_fini(&why);
}

/* ---- every event type with generated values ---- */

static uint64_t seed;

static unsigned draw(unsigned below) /* xorshift: the same in every run */
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (unsigned)(seed >> 16) % below;
}

static json_t *some_message(const ProtobufCMessageDescriptor *d);

static json_t *some_bytes(void)
{
    struct buf b = {0};
    uint8_t raw[40];
    size_t n = draw(40);
    for (size_t i = 0; i < n; i++)
        raw[i] = (uint8_t)draw(256);
    buf_add_hex(&b, slice_of(raw, n == 16 ? 15 : n));
    json_t *j = json_string(b.n > 0 ? (char *)b.p : "");
    buf_fini(&b);
    return j;
}

static json_t *some_text(void)
{
    static const char *const TEXT[] = {
        "",      "a",        "架空花子",   "カクウハナコ",
        "髙𠮷①", "\"\\\t\n", "2026-04-01", "-"};
    return json_string(TEXT[draw(NELEM(TEXT))]);
}

static json_t *some_enum(const ProtobufCEnumDescriptor *d)
{
    return json_string(d->values[draw(d->n_values)].name);
}

static json_t *some_value(const ProtobufCFieldDescriptor *f)
{
    switch (f->type) {
    case PROTOBUF_C_TYPE_BOOL:
        return json_boolean(draw(2));
    case PROTOBUF_C_TYPE_UINT32:
        return json_integer(draw(2) ? draw(200) : UINT32_MAX - draw(9));
    case PROTOBUF_C_TYPE_UINT64:
        return json_integer(draw(2) ? draw(200) : INT64_MAX - draw(9));
    case PROTOBUF_C_TYPE_ENUM:
        return some_enum(f->descriptor);
    case PROTOBUF_C_TYPE_STRING:
        return some_text();
    case PROTOBUF_C_TYPE_BYTES:
        return some_bytes();
    default:
        return some_message(f->descriptor);
    }
}

static json_t *some_list(const ProtobufCFieldDescriptor *f)
{
    json_t *a = json_array();
    for (unsigned n = 1 + draw(3); n > 0; n--)
        json_array_append_new(a, some_value(f));
    return a;
}

static json_t *some_message(const ProtobufCMessageDescriptor *d)
{
    json_t *o = json_object();
    for (unsigned i = 0; i < d->n_fields; i++)
        if (draw(3) > 0)
            json_object_set_new(o, d->fields[i].name,
                                d->fields[i].label == PROTOBUF_C_LABEL_REPEATED
                                    ? some_list(&d->fields[i])
                                    : some_value(&d->fields[i]));
    return o;
}

/* JSON -> message -> JSON is the same, and so is message -> JSON -> message */
static void round_trip(const ProtobufCMessageDescriptor *d, const json_t *in)
{
    ProtobufCMessage *m, *again;
    struct buf why = {0}, one = {0}, two = {0};
    if (json_to_message(in, d, &m, &why) != ERR_OK)
        fail_msg("%s: %s", d->name, (char *)why.p);
    json_t *back = json_from_message(m);
    check(json_equal(in, back), d->name);
    check(json_to_message(back, d, &again, &why) == ERR_OK, d->name);
    check(pack(m, &one) == ERR_OK && pack(again, &two) == ERR_OK, d->name);
    check(slice_eq(buf_slice(&one), buf_slice(&two)), d->name);
    json_decref(back);
    unpack_free(&m);
    unpack_free(&again);
    buf_fini(&one);
    buf_fini(&two);
    buf_fini(&why);
}

static void every_message_comes_back_from_json(void **state)
{
    (void)state;
    seed = 0x7473756e616769;
    for (size_t i = 0; i < SCHEMA_MESSAGE_COUNT; i++)
        for (int n = 0; n < 200; n++) {
            json_t *j = some_message(SCHEMA_MESSAGES[i].descriptor);
            round_trip(SCHEMA_MESSAGES[i].descriptor, j);
            json_decref(j);
        }
}

/* ---- depth ---- */

/* No schema nests without end, so one that does is made here. */
struct nest {
    ProtobufCMessage base;
    struct nest *a;
};
static const ProtobufCMessageDescriptor NEST;
static const ProtobufCFieldDescriptor NEST_FIELD[] = {
    {.name = "a",
     .id = 1,
     .label = PROTOBUF_C_LABEL_OPTIONAL,
     .type = PROTOBUF_C_TYPE_MESSAGE,
     .offset = offsetof(struct nest, a),
     .descriptor = &NEST},
};
static const unsigned NEST_NAMES[] = {0};
static const ProtobufCIntRange NEST_RANGES[] = {{1, 0}, {0, 1}};
static const ProtobufCMessageDescriptor NEST = {
    .magic = PROTOBUF_C__MESSAGE_DESCRIPTOR_MAGIC,
    .name = "nest",
    .sizeof_message = sizeof(struct nest),
    .n_fields = 1,
    .fields = NEST_FIELD,
    .fields_sorted_by_name = NEST_NAMES,
    .n_field_ranges = 1,
    .field_ranges = NEST_RANGES,
};

static void ninth_level_is_refused(void **state)
{
    (void)state;
    json_t *j = json_object();
    for (int levels = 1; levels <= 9; levels++) {
        ProtobufCMessage *m;
        enum err want = levels <= 8 ? ERR_OK : ERR_PB_DEPTH;
        struct buf why = {0};
        check(json_to_message(j, &NEST, &m, &why) == want,
              "W-184 eight levels and no more");
        check(want == ERR_OK || strncmp((char *)why.p, "a.a.", 4) == 0,
              "W-184 told with its place");
        buf_fini(&why);
        unpack_free(&m);
        j = json_pack("{s:o}", "a", j);
    }
    json_decref(j);
}

/* ---- golden samples ---- */

static void golden_path(const char *event, const char *ext, char path[160])
{
    int n = snprintf(path, 160, "proto/golden/%s.%s", event, ext);
    for (int i = 13; i < n; i++)
        path[i] = (char)tolower((unsigned char)path[i]);
}

static struct buf golden(const char *event, const char *ext)
{
    char path[160];
    struct buf b = {0};
    golden_path(event, ext, path);
    if (file_read(path, 65536, &b) != ERR_OK)
        fail_msg("%s is missing", path);
    return b;
}

static void sample_is_identical(const struct schema_message *s)
{
    ProtobufCMessage *m;
    struct buf text = golden(s->event_name, "json"), why = {0}, bytes = {0};
    struct buf want = golden(s->event_name, "hex"), hex = {0};
    json_t *j = parse((char *)text.p);
    if (json_to_message(j, s->descriptor, &m, &why) != ERR_OK)
        fail_msg("%s: %s", s->event_name, (char *)why.p);
    char field[96];
    if (event_validate(s, m, field) != ERR_OK)
        fail_msg("%s: %s is not valid content", s->event_name, field);
    json_t *back = json_from_message(m);
    char *again = json_dumps(back, JSON_INDENT(2));
    buf_addc(&text, '\0');
    text.p[text.n - 2] = '\0'; /* the newline at the end */
    check(strcmp((char *)text.p, again) == 0, s->event_name);
    check(pack(m, &bytes) == ERR_OK, s->event_name);
    buf_add_hex(&hex, buf_slice(&bytes));
    buf_addc(&hex, '\n');
    if (!slice_eq(buf_slice(&hex), buf_slice(&want)))
        fail_msg("%s.hex: the body now packs to\n%s", s->event_name,
                 (char *)hex.p);
    free(again);
    json_decref(j);
    json_decref(back);
    unpack_free(&m);
    buf_fini(&text);
    buf_fini(&why);
    buf_fini(&want);
    buf_fini(&bytes);
    buf_fini(&hex);
}

/* W-001, W-004 */
static void every_event_type_has_a_golden_sample(void **state)
{
    (void)state;
    for (size_t i = 0; i < SCHEMA_MESSAGE_COUNT; i++)
        if (SCHEMA_MESSAGES[i].event != 0)
            sample_is_identical(&SCHEMA_MESSAGES[i]);
}

static void every_golden_file_belongs_to_an_event(void **state)
{
    (void)state;
    DIR *dir = opendir("proto/golden");
    assert_non_null(dir);
    for (struct dirent *e; (e = readdir(dir)) != NULL;) {
        char name[256];
        const char *dot = strchr(e->d_name, '.');
        if (dot == NULL || dot == e->d_name)
            continue;
        int n = snprintf(name, sizeof(name), "%.*s", (int)(dot - e->d_name),
                         e->d_name);
        for (int i = 0; i < n; i++)
            name[i] = (char)toupper((unsigned char)name[i]);
        check(schema_event_named(name) != NULL, e->d_name);
    }
    closedir(dir);
}

int main(void)
{
    code_allow_fictitious(true);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_come_back_as_the_table_says),
        cmocka_unit_test(faults_are_told_with_their_place),
        cmocka_unit_test(text_with_nul_is_refused),
        cmocka_unit_test(only_strict_json_is_parsed),
        cmocka_unit_test(every_message_comes_back_from_json),
        cmocka_unit_test(ninth_level_is_refused),
        cmocka_unit_test(every_event_type_has_a_golden_sample),
        cmocka_unit_test(every_golden_file_belongs_to_an_event),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
