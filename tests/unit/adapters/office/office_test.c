/* office_test.c - an office works with folders: a delivery becomes a page, a
 * file becomes an answer, and its profile says which. */
#include "adapters/sdk/delivery.h"
#include "adapters/sdk/verify.h"
#include "tests/unit/adapters/sdk/nodeside.h"

struct office_world {
    struct nodeside n;
    struct node_session *s;
    void *self; /* the module's */
    struct tsunagi_delivery *d;
    char event[40], page[64]; /* the delivery's event, inbox/EVENTID */
};

static void open_delivery(struct office_world *w)
{
    struct buf packed = {0}, bytes = {0};
    struct checkpoint head = {.size = 0};
    struct verified v;
    hubside_delivery(&w->n.hub, HONEST, 0, &packed, &head);
    assert_int_equal(verify_delivery(buf_slice(&packed), US,
                                     w->n.hub.hub.pub.sign, &head, &bytes, &v),
                     ERR_OK);
    verified_close(&v);
    assert_int_equal(delivery_open(buf_slice(&bytes), &w->d), ERR_OK);
    json_t *j = json_loads(tsunagi_delivery_json(w->d), 0, NULL);
    snprintf(w->event, sizeof(w->event), "%s", at(j, "event_id"));
    snprintf(w->page, sizeof(w->page), "inbox/%s", w->event);
    json_decref(j);
    buf_fini(&packed);
    buf_fini(&bytes);
}

static tsunagi_code start(struct office_world *w, const char *profile)
{
    char module[128];
    snprintf(module, sizeof(module),
             "module = { name = \"office\"; profile = \"%s\"; "
             "folder_quiet_ms = 1; };\n",
             profile);
    nodeside_conf(&w->n, module);
    assert_int_equal(node_open(w->n.conf, NODE_OFFLINE, stderr, &w->s), ERR_OK);
    return tsunagi_module.open(node_host(w->s), &w->self);
}

static void stop(struct office_world *w)
{
    tsunagi_module.close(w->self);
    w->self = NULL;
    node_close(&w->s);
}

static int setup(void **state)
{
    struct office_world *w = calloc(1, sizeof(*w));
    nodeside_init(&w->n);
    open_delivery(w);
    assert_null(start(w, "short_stay"));
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct office_world *w = *state;
    stop(w);
    delivery_close(&w->d);
    nodeside_fini(&w->n);
    free(w);
    return 0;
}

/* The file's text into b; false when it is not there. */
static bool holds(const struct office_world *w, const char *name,
                  const char *tail, const char *text)
{
    char path[256];
    struct buf b = {0};
    snprintf(path, sizeof(path), "%s/%s%s", w->n.folder, name, tail);
    bool ok = file_read(path, 1 << 20, &b) == ERR_OK &&
              (text == NULL || strstr((char *)b.p, text) != NULL);
    buf_fini(&b);
    return ok;
}

static void ticks(struct office_world *w)
{
    for (int i = 0; i < 5; i++) {
        tsunagi_module.on_tick(w->self);
        usleep(3000);
    }
}

/* The only event in the outbox, as JSON; NULL when there is none. */
static json_t *sent(struct office_world *w)
{
    struct node_answer a;
    struct node_arg all = {"all", "1"};
    assert_int_equal(node_do(w->s, "outbox", &all, 1, &a), ERR_OK);
    json_t *list = json_object_get(a.json, "events");
    assert_true(json_array_size(list) <= 1);
    json_t *e = json_incref(json_array_get(list, 0));
    node_answer_fini(&a);
    return e;
}

static void a_delivery_becomes_a_page_and_a_file(void **state)
{
    struct office_world *w = *state;
    assert_null(tsunagi_module.on_delivery(w->self, w->d));
    assert_null(tsunagi_module.on_delivery(w->self, w->d)); /* again */
    assert_true(holds(w, w->page, ".txt", "仮名美咲"));
    assert_true(holds(w, w->page, ".txt", w->event)); /* to write answer_to */
    assert_true(holds(w, w->page, ".json", "\"released_at\""));
    assert_false(holds(w, w->page, "-2.json", NULL));
}

static void answer(struct office_world *w, const char *name)
{
    char text[512], path[64];
    snprintf(text, sizeof(text),
             "{\"answer_to\":\"%s\",\"type\":\"STAY_OFFERED\",\"body\":"
             "{\"condition\":[\"NO_CONDITION\"]}}",
             w->event);
    snprintf(path, sizeof(path), "answers/%s", name);
    put_file(&w->n, path, text);
    ticks(w);
}

static void an_answer_becomes_an_event_and_the_hubs_word_a_file(void **state)
{
    struct office_world *w = *state;
    char receipt[64];
    assert_null(tsunagi_module.on_delivery(w->self, w->d));
    answer(w, "offer.json");
    json_t *e = sent(w);
    assert_non_null(e);
    assert_string_equal(at(e, "type"), "STAY_OFFERED");
    assert_true(holds(w, "answers/done/offer", ".json", NULL));
    assert_true(
        holds(w, "answers/done/offer.json", ".receipt.txt", at(e, "event_id")));
    struct tsunagi_receipt r = {.event_id = at(e, "event_id"),
                                .type = "STAY_OFFERED",
                                .code = "E-FLW-003",
                                .text_ja = "間に合いませんでした",
                                .text_en = "Too late",
                                .json = "{\"outcome\":\"REFUSED\"}"};
    tsunagi_module.on_receipt(w->self, &r);
    snprintf(receipt, sizeof(receipt), "receipts/%s", at(e, "event_id"));
    assert_true(holds(w, receipt, ".json", "REFUSED"));
    assert_true(holds(w, receipt, ".txt", "E-FLW-003"));
    json_decref(e);
}

static const struct {
    const char *name, *file, *text, *code;
} REFUSED[] = {
    {"an unknown type", "a.json", "{\"type\":\"SMILED\",\"body\":{}}",
     "E-EVT-002"},
    {"an answer to nothing", "b.json",
     "{\"answer_to\":\"01970000-0000-7000-8000-00000000ffff\",\"type\":\"STAY_"
     "DECLINED\",\"body\":"
     "{\"reason\":\"FULL\"}}",
     "E-NF-001"},
    {"broken JSON", "c.json", "{\"type\":", "E-VAL-014"},
    {"a field that is none", "d.json",
     "{\"type\":\"STAY_OFFERED\",\"case\":\"1\",\"body\":{\"bed\":1}}",
     "E-VAL-015"},
};

static void a_bad_file_is_refused_with_its_reason(void **state)
{
    struct office_world *w = *state;
    for (size_t i = 0; i < NELEM(REFUSED); i++) {
        char path[64];
        snprintf(path, sizeof(path), "answers/%s", REFUSED[i].file);
        put_file(&w->n, path, REFUSED[i].text);
        ticks(w);
        snprintf(path, sizeof(path), "answers/rejected/%s", REFUSED[i].file);
        if (!holds(w, path, ".reason.txt", REFUSED[i].code))
            fail_msg("%s", REFUSED[i].name);
    }
    assert_null(sent(w));
}

static void half_written_files_are_not_read(void **state)
{
    struct office_world *w = *state;
    static const char *const NAMES[] = {"x.json.tmp", "x.json.part", ".x.json"};
    assert_null(tsunagi_module.on_delivery(w->self, w->d));
    for (size_t i = 0; i < NELEM(NAMES); i++) {
        char path[64];
        snprintf(path, sizeof(path), "answers/%s", NAMES[i]);
        answer(w, NAMES[i]);
        assert_true(holds(w, path, "", NULL));
    }
    assert_null(sent(w));
}

/* What the hub takes from such an agency and what it does not. */
static const struct {
    const char *profile, *type;
    bool may;
} PROFILES[] = {
    {"short_stay", "STAY_OFFERED", true},
    {"short_stay", "STAY_DECLINED", true},
    {"short_stay", "CONSENT_GIVEN", true},
    {"short_stay", "INTRO_ANSWERED", false},
    {"short_stay", "EMERGENCY_REQUESTED", false},
    {"planning_office", "INTRO_ANSWERED", true},
    {"planning_office", "EMERGENCY_REGISTERED", true},
    {"planning_office", "CONSENT_REFUSED", true},
    {"planning_office", "EMERGENCY_REQUESTED", false},
    {"home_nursing", "CONSENT_GIVEN", true},
    {"home_nursing", "EMERGENCY_REQUESTED", false},
    {"outpatient", "CONSENT_WITHDRAWN", true},
    {"outpatient", "INTRO_ANSWERED", false},
    {"housing", "CONSENT_WITHDRAWN", true},
    {"housing", "CONSENT_GIVEN", false},
    {"group_home", "CONSENT_WITHDRAWN", true},
    {"group_home", "STAY_OFFERED", false},
};

/* A body that is none is refused after the type. */
static void a_profile_sends_only_its_types(void **state)
{
    struct office_world *w = *state;
    for (size_t i = 0; i < NELEM(PROFILES); i++) {
        char path[64], text[96];
        stop(w);
        assert_null(start(w, PROFILES[i].profile));
        snprintf(text, sizeof(text), "{\"type\":\"%s\",\"body\":7}",
                 PROFILES[i].type);
        snprintf(path, sizeof(path), "answers/%zu.json", i);
        put_file(&w->n, path, text);
        ticks(w);
        snprintf(path, sizeof(path), "answers/rejected/%zu.json", i);
        if (!holds(w, path, ".reason.txt",
                   PROFILES[i].may ? "E-VAL-016" : "E-EVT-018"))
            fail_msg("%s %s", PROFILES[i].profile, PROFILES[i].type);
    }
}

static void an_unknown_profile_does_not_start(void **state)
{
    struct office_world *w = *state;
    stop(w);
    assert_string_equal(start(w, "bar"), "E-CFG-016");
    assert_null(w->self);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_delivery_becomes_a_page_and_a_file),
        CASE(an_answer_becomes_an_event_and_the_hubs_word_a_file),
        CASE(a_bad_file_is_refused_with_its_reason),
        CASE(half_written_files_are_not_read),
        CASE(a_profile_sends_only_its_types),
        CASE(an_unknown_profile_does_not_start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
