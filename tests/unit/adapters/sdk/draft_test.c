/* draft_test.c - building events: fields by path, whom, where to, repeats. */
#include "adapters/sdk/draft.h"
#include "tests/unit/adapters/sdk/nodeside.h"

static int setup(void **state)
{
    struct nodeside *n = calloc(1, sizeof(*n));
    nodeside_init(n);
    nodeside_conf(n, "module = { name = \"x\"; routes = (\n"
                     " { event = \"STAY_OFFERED\"; to = \"" SENDER
                     "\"; purpose = \"P_EMG\"; },\n"
                     " { event = \"OTHER\"; to = \"HUB\"; purpose = \"P\"; }); "
                     "};\n");
    *state = n;
    return 0;
}

static int teardown(void **state)
{
    nodeside_fini(*state);
    free(*state);
    return 0;
}

static struct node_session *start(struct nodeside *n)
{
    struct node_session *s;
    assert_int_equal(node_open(n->conf, NODE_OFFLINE, stderr, &s), ERR_OK);
    return s;
}

static const struct {
    const char *name, *type, *field, *value, *want;
} FIELDS[] = {
    {"text is taken", "STAY_CONFIRMED", "care", "夜間の見守り", NULL},
    {"a nested field is taken", "STAY_CONFIRMED", "name.kanji", "仮名美咲",
     NULL},
    {"an element is taken", "STAY_CONFIRMED", "guardian[0].name.kanji", "母",
     NULL},
    {"a hole in a list is refused", "STAY_CONFIRMED", "guardian[1].phone", "1",
     "E-VAL-015"},
    {"a list needs an index", "STAY_CONFIRMED", "guardian.phone", "1",
     "E-VAL-015"},
    {"a single field has no index", "STAY_CONFIRMED", "care[0]", "1",
     "E-VAL-015"},
    {"an era date is taken", "STAY_CONFIRMED", "birth", "H13.2.28", NULL},
    {"a date that never was", "STAY_CONFIRMED", "birth", "H13.2.30",
     "E-VAL-001"},
    {"a date in no form", "STAY_CONFIRMED", "birth", "いつか", "E-VAL-002"},
    {"an enum by its name", "STAY_CONFIRMED", "reason", "CARER_ILL", NULL},
    {"an enum by its label", "STAY_CONFIRMED", "reason", "介護者の急病", NULL},
    {"an enum that is none", "STAY_CONFIRMED", "reason", "眠い", "E-PB-005"},
    {"a number", "STAY_CANVASS", "nights", "2", NULL},
    {"a number in words", "STAY_CANVASS", "nights", "two", "E-VAL-016"},
    {"a time", "STAY_CANVASS", "reply_by_ms", "2026-09-12T02:40:00+09:00",
     NULL},
    {"a boolean", "STAY_CANVASS", "pet", "true", NULL},
    {"a boolean in words", "STAY_CANVASS", "pet", "猫", "E-VAL-016"},
    {"no such field", "STAY_CONFIRMED", "nickname", "みっちゃん", "E-VAL-015"},
    {"no such field inside", "STAY_CONFIRMED", "name.roman", "M", "E-VAL-015"},
    {"below a scalar", "STAY_CONFIRMED", "care.more", "M", "E-VAL-015"},
    {"an empty cell is absent", "STAY_CONFIRMED", "birth", "", NULL},
    {"not UTF-8", "STAY_CONFIRMED", "care", "\x83\x5c", "E-PB-006"},
};

static void fields_are_set_by_path(void **state)
{
    struct node_session *s = start(*state);
    for (size_t i = 0; i < NELEM(FIELDS); i++) {
        struct tsunagi_draft *d =
            tsunagi_draft_new(node_host(s), FIELDS[i].type);
        assert_non_null(d);
        const char *code = tsunagi_set(d, FIELDS[i].field, FIELDS[i].value);
        if ((code == NULL) != (FIELDS[i].want == NULL) ||
            (code != NULL && strcmp(code, FIELDS[i].want) != 0))
            fail_msg("%s: %s", FIELDS[i].name, code != NULL ? code : "taken");
        tsunagi_draft_free(&d);
    }
    assert_null(tsunagi_draft_new(node_host(s), "NO_SUCH_EVENT"));
    node_close(&s);
}

static const struct {
    const char *name, *json, *field;
    enum err want;
} SENDS[] = {
    {"an offer is stored",
     "{\"type\":\"STAY_OFFERED\",\"person\":\"1\",\"case\":\"c\",\"to\":"
     "[{\"agency\":\"" SENDER "\",\"purpose\":\"P_EMG\"}],\"body\":"
     "{\"condition\":[\"NO_CONDITION\"],\"hold_until_ms\":1789149600000}}",
     "", ERR_OK},
    {"an unknown key is refused",
     "{\"type\":\"STAY_OFFERED\",\"persn\":\"1\",\"body\":{}}", "(event)",
     ERR_VAL_FIELD},
    {"an unknown type is refused", "{\"type\":\"STAY\",\"body\":{}}", "type",
     ERR_EVT_TYPE},
    {"broken JSON is refused", "{\"type\":", "", ERR_VAL_JSON},
    {"a token must be hex",
     "{\"type\":\"STAY_OFFERED\",\"case_token\":\"xyz\",\"body\":{}}",
     "case_token", ERR_EVT_TOKEN},
    {"a recipient without purpose is refused",
     "{\"type\":\"STAY_DECLINED\",\"case\":\"c\",\"to\":[{\"agency\":\"" SENDER
     "\"}],\"body\":{\"reason\":\"FULL\"}}",
     "(event)", ERR_EVT_PURPOSE},
    {"what only the hub makes is refused",
     "{\"type\":\"STAY_RELEASED\",\"case\":\"c\",\"body\":{}}", "type",
     ERR_EVT_HUB_ONLY},
    {"what has another channel never enters the spool",
     "{\"type\":\"ABUSE_REPORTED\",\"person\":\"1\",\"body\":{\"situation\":"
     "\"見た\"}}",
     "type", ERR_EVT_CHANNEL},
    {"who acts is named",
     "{\"type\":\"STAY_DECLINED\",\"case\":\"c\",\"actor\":\"夜勤1\",\"to\":[{"
     "\"agency\":\"" SENDER "\",\"purpose\":\"P_EMG\"}],\"body\":{\"reason\":"
     "\"FULL\"}}",
     "", ERR_OK},
    {"who acts is a text",
     "{\"type\":\"STAY_DECLINED\",\"case\":\"c\",\"actor\":1,\"body\":{}}",
     "actor", ERR_VAL_TYPE},
    {"a number in text is refused",
     "{\"type\":\"STAY_OFFERED\",\"case\":\"c\",\"body\":"
     "{\"hold_until_ms\":\"soon\"}}",
     "hold_until_ms", ERR_VAL_TIME},
    {"an individual number is no number of a person",
     "{\"type\":\"STAY_OFFERED\",\"person\":\"1234-5678-9018\",\"body\":{}}",
     "(event)", ERR_VAL_MYNUMBER},
    {"an individual number is refused",
     "{\"type\":\"EMERGENCY_REQUESTED\",\"case\":\"c\",\"to\":[{\"agency\":"
     "\"" SENDER "\",\"purpose\":\"P_EMG\"}],\"body\":{\"registration\":"
     "\"REGISTERED\",\"reason\":\"CARER_ILL\",\"note\":\"123456789018\"}}",
     "note", ERR_VAL_MYNUMBER},
};

static void json_is_checked_and_the_field_named(void **state)
{
    struct node_session *s = start(*state);
    for (size_t i = 0; i < NELEM(SENDS); i++) {
        char id[37] = "";
        struct buf why = {0};
        enum err e = node_submit(s, slice_str(SENDS[i].json), false, id, &why);
        if (e != SENDS[i].want)
            fail_msg("%s: %s %s", SENDS[i].name, err_code(e),
                     why.p != NULL ? (char *)why.p : "");
        if (why.n > 0 &&
            strncmp((char *)why.p, SENDS[i].field, strlen(SENDS[i].field)) != 0)
            fail_msg("%s: %s", SENDS[i].name, (char *)why.p);
        assert_int_equal(strlen(id), e == ERR_OK ? 36 : 0);
        buf_fini(&why);
    }
    node_close(&s);
}

/* The same each time, and no name of anybody. */
static void staff_go_by_handles(void **state)
{
    static const char HEX[] = "00112233445566778899aabbccddeeff";
    struct node_session *s = start(*state);
    const struct tsunagi_host *h = node_host(s);
    uint8_t one[16], again[16], other[16], given[16];
    actor_handle(h, "夜勤1", one);
    actor_handle(h, "夜勤1", again);
    actor_handle(h, "夜勤2", other);
    actor_handle(h, HEX, given);
    assert_memory_equal(one, again, 16);
    assert_memory_not_equal(one, other, 16);
    assert_int_equal(given[0], 0);
    assert_int_equal(given[15], 0xff);
    node_close(&s);
}

static void submit(struct node_session *s, const char *source, char id[37])
{
    struct tsunagi_draft *d = tsunagi_draft_new(node_host(s), "STAY_OFFERED");
    assert_null(tsunagi_set(d, "condition[0]", "NO_CONDITION"));
    tsunagi_person(d, "0000123456");
    tsunagi_case(d, "stay 1");
    tsunagi_to_routes(d);
    tsunagi_source(d, source);
    assert_null(tsunagi_submit(&d, id, NULL));
    assert_null(d);
}

static void a_source_sent_twice_is_one_event(void **state)
{
    struct nodeside *n = *state;
    struct node_session *s = start(n);
    char first[37], again[37], other[37];
    submit(s, "file 1", first);
    node_close(&s);
    s = start(n);
    submit(s, "file 1", again);
    submit(s, "file 2", other);
    assert_string_equal(first, again);
    assert_string_not_equal(first, other);
    node_close(&s);
}

static void what_is_stored_waits_in_its_lane(void **state)
{
    struct node_session *s = start(*state);
    struct node_answer a;
    char id[37];
    submit(s, "file 1", id);
    assert_int_equal(node_do(s, "outbox", NULL, 0, &a), ERR_OK);
    json_t *list = json_object_get(a.json, "events");
    assert_int_equal(json_array_size(list), 1);
    assert_string_equal(at(json_array_get(list, 0), "state"), "waiting");
    assert_string_equal(at(json_array_get(list, 0), "type"), "STAY_OFFERED");
    assert_string_equal(at(json_array_get(list, 0), "lane"), "urgent");
    assert_string_equal(at(json_array_get(list, 0), "event_id"), id);
    node_answer_fini(&a);
    node_close(&s);
}

static void options_are_flat(void **state)
{
    struct nodeside *n = *state;
    nodeside_conf(n, "module = { name = \"x\"; deep = { n = 5; on = true; };\n"
                     " list = ( \"a\", \"b\" ); big = 30000000000L; };\n");
    struct node_session *s = start(n);
    struct tsunagi_host *h = node_host(s);
    assert_string_equal(tsunagi_option(h, "name"), "x");
    assert_int_equal(tsunagi_option_int(h, "deep.n", 0), 5);
    assert_string_equal(tsunagi_option(h, "deep.on"), "true");
    assert_int_equal(tsunagi_option_count(h, "list"), 2);
    assert_string_equal(tsunagi_option_at(h, "list", 1, NULL), "b");
    assert_null(tsunagi_option_at(h, "list", 2, NULL));
    assert_null(tsunagi_option(h, "absent"));
    assert_true(tsunagi_option_int(h, "big", 0) == 30000000000LL);
    assert_string_equal(tsunagi_agency(h), US);
    node_close(&s);
}

static const struct {
    const char *name, *extra;
    enum err want;
} FILES[] = {
    {"a module may have any keys", "module = { anything = 1; };", ERR_OK},
    {"a comment may speak of the module", "# module = {\n", ERR_OK},
    {"any other key is refused", "modul = { name = \"x\"; };",
     ERR_CONF_UNKNOWN},
    {"a module is a group", "module = ( 1 );", ERR_CONF_TYPE},
    {"an integer that would wrap is refused", "module = { n = 30000000000; };",
     ERR_CONF_OVERFLOW},
    {"a syntax error is told", "module = { n = ; };", ERR_CONF_SYNTAX},
    {"CP932 is refused", "module = { n = \"\x95\x5c\"; };", ERR_CONF_ENCODING},
};

static void configuration_files_are_checked(void **state)
{
    struct nodeside *n = *state;
    for (size_t i = 0; i < NELEM(FILES); i++) {
        char *text = NULL;
        size_t size = 0;
        FILE *f = open_memstream(&text, &size);
        nodeside_conf(n, FILES[i].extra);
        enum err e = node_check(n->conf, f);
        fclose(f);
        if (e != FILES[i].want)
            fail_msg("%s: %s %s", FILES[i].name, err_code(e), text);
        if ((e == ERR_OK) != (size == 0))
            fail_msg("%s: %s", FILES[i].name, text);
        free(text);
    }
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(fields_are_set_by_path),
        CASE(json_is_checked_and_the_field_named),
        CASE(staff_go_by_handles),
        CASE(a_source_sent_twice_is_one_event),
        CASE(what_is_stored_waits_in_its_lane),
        CASE(options_are_flat),
        CASE(configuration_files_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
