/* office_test.c - an office works with folders: a delivery becomes a page, a
 * file becomes an answer, the hub's answer lies beside the file. */
#include "adapters/sdk/delivery.h"
#include "adapters/sdk/verify.h"
#include "tests/unit/adapters/sdk/nodeside.h"

struct office_world {
    struct nodeside n;
    struct node_session *s;
    void *self; /* the module's */
    struct tsunagi_delivery *d;
    char page[64]; /* inbox/DATE-ID8 of the delivery */
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
    snprintf(w->page, sizeof(w->page), "inbox/2026-09-12-%.8s",
             tsunagi_delivery_id(w->d));
    buf_fini(&packed);
    buf_fini(&bytes);
}

static int setup(void **state)
{
    struct office_world *w = calloc(1, sizeof(*w));
    nodeside_init(&w->n);
    nodeside_conf(&w->n, "module = { name = \"office\"; profile = "
                         "\"short_stay\"; folder_quiet_ms = 1; };\n");
    open_delivery(w);
    assert_int_equal(node_open(w->n.conf, NODE_OFFLINE, stderr, &w->s), ERR_OK);
    assert_null(tsunagi_module.open(node_host(w->s), &w->self));
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct office_world *w = *state;
    tsunagi_module.close(w->self);
    node_close(&w->s);
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
    assert_true(holds(w, w->page, ".json", "\"released_at\""));
    char index[128];
    snprintf(index, sizeof(index), "inbox/.index/%s",
             tsunagi_delivery_id(w->d));
    assert_true(holds(w, index, ".json", "person_token"));
    assert_false(holds(w, index, ".json", "仮名"));
}

static void answer(struct office_world *w, const char *name, const char *to,
                   const char *type)
{
    char text[512], path[64];
    snprintf(text, sizeof(text),
             "{\"answer_to\":\"%s\",\"type\":\"%s\",\"body\":"
             "{\"condition\":[\"NO_CONDITION\"]}}",
             to, type);
    snprintf(path, sizeof(path), "answers/%s", name);
    put_file(&w->n, path, text);
    ticks(w);
}

static void answers_are_found_by(struct office_world *w, const char *id)
{
    assert_null(tsunagi_module.on_delivery(w->self, w->d));
    answer(w, "offer.json", id, "STAY_OFFERED");
    json_t *e = sent(w);
    assert_non_null(e);
    assert_string_equal(at(e, "type"), "STAY_OFFERED");
    assert_true(holds(w, "answers/done/offer", ".json", NULL));
    struct tsunagi_receipt r = {.event_id = at(e, "event_id"),
                                .type = "STAY_OFFERED",
                                .accepted = true,
                                .text_ja = "",
                                .text_en = "",
                                .json = "{\"outcome\":\"ACCEPTED\"}"};
    tsunagi_module.on_receipt(w->self, &r);
    assert_true(
        holds(w, "answers/done/offer.json", ".receipt.json", "ACCEPTED"));
    json_decref(e);
}

static void an_answer_names_the_delivery(void **state)
{
    struct office_world *w = *state;
    answers_are_found_by(w, tsunagi_delivery_id(w->d));
}

static void an_answer_names_the_eight_digits(void **state)
{
    struct office_world *w = *state;
    char id[9];
    snprintf(id, sizeof(id), "%.8s", tsunagi_delivery_id(w->d));
    answers_are_found_by(w, id);
}

static void an_answer_names_the_event(void **state)
{
    struct office_world *w = *state;
    json_t *j = json_loads(tsunagi_delivery_json(w->d), 0, NULL);
    answers_are_found_by(w, at(j, "event_id"));
    json_decref(j);
}

static void a_refusal_of_the_hub_moves_the_file(void **state)
{
    struct office_world *w = *state;
    assert_null(tsunagi_module.on_delivery(w->self, w->d));
    answer(w, "offer.json", tsunagi_delivery_id(w->d), "STAY_OFFERED");
    json_t *e = sent(w);
    struct tsunagi_receipt r = {.event_id = at(e, "event_id"),
                                .type = "STAY_OFFERED",
                                .code = "E-FLW-003",
                                .text_ja = "間に合いませんでした",
                                .text_en = "Too late",
                                .json = "{\"outcome\":\"REFUSED\"}"};
    tsunagi_module.on_receipt(w->self, &r);
    assert_false(holds(w, "answers/done/offer", ".json", NULL));
    assert_true(
        holds(w, "answers/rejected/offer.json", ".reason.txt", "E-FLW-003"));
    json_decref(e);
}

static const struct {
    const char *name, *file, *text, *code;
} REFUSED[] = {
    {"a type of another profile", "a.json",
     "{\"type\":\"DISCHARGED\",\"body\":{}}", "E-EVT-018"},
    {"an answer to nothing", "b.json",
     "{\"answer_to\":\"00000000\",\"type\":\"STAY_DECLINED\",\"body\":"
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
        answer(w, NAMES[i], tsunagi_delivery_id(w->d), "STAY_OFFERED");
        assert_true(holds(w, path, "", NULL));
    }
    assert_null(sent(w));
}

static void an_unknown_profile_does_not_start(void **state)
{
    struct office_world *w = *state;
    struct node_session *s;
    void *self = NULL;
    node_close(&w->s);
    nodeside_conf(&w->n, "module = { name = \"office\"; profile = \"bar\"; };");
    assert_int_equal(node_open(w->n.conf, NODE_OFFLINE, stderr, &s), ERR_OK);
    assert_string_equal(tsunagi_module.open(node_host(s), &self), "E-CFG-016");
    assert_null(self);
    w->s = s;
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_delivery_becomes_a_page_and_a_file),
        CASE(an_answer_names_the_delivery),
        CASE(an_answer_names_the_eight_digits),
        CASE(an_answer_names_the_event),
        CASE(a_refusal_of_the_hub_moves_the_file),
        CASE(a_bad_file_is_refused_with_its_reason),
        CASE(half_written_files_are_not_read),
        CASE(an_unknown_profile_does_not_start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
