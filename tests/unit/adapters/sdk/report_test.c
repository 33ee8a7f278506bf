/* report_test.c - the hub is asked by this agency's token and by a handle: the
 * person's number and the name of who asks stay here (SC-19). */
#include "tests/unit/adapters/sdk/peer.h"

#define NUMBER "0000123456"
#define CLERK "窓口の山田"

/* One question through the local socket; the hub answers, when it is asked. */
static enum err report(struct peer *p, const struct node_arg *args, size_t n,
                       bool asked)
{
    struct node_client *c;
    struct node_answer a;
    assert_int_equal(node_client_open(p->n.conf, stderr, &c), ERR_OK);
    assert_int_equal(node_client_ask(c, "report", args, n), ERR_OK);
    if (asked) {
        UNTIL(p, p->asks == 1);
        answer_json(p, "", "{\"schema\":\"tsunagi.report/1\",\"rows\":[]}");
    }
    await_answer(p, c, &a);
    enum err code = a.code;
    assert_true(!asked || json_object_get(a.json, "rows") != NULL);
    node_answer_fini(&a);
    node_client_close(&c);
    return code;
}

static const char *value(const Pb__Ask *ask, const char *key)
{
    for (size_t i = 0; i < ask->n_arg; i++)
        if (strcmp(ask->arg[i]->key, key) == 0)
            return ask->arg[i]->value;
    return "";
}

static void a_token_and_a_handle_are_all_that_leaves(void **state)
{
    struct peer *p = *state;
    const struct node_arg args[] = {
        {"person", NUMBER},    {"actor", CLERK}, {"identity_checked", "1"},
        {"report", "9"},       {"size", "8"},    {"after", "7"},
        {"timeout_ms", "2000"}};
    ProtobufCMessage *m = NULL;
    assert_int_equal(node_serve(p->s), ERR_OK);
    UNTIL(p, p->fetches[1] > 0);
    assert_int_equal(report(p, args, NELEM(args), true), ERR_OK);
    assert_int_equal(unpack(&pb__ask__descriptor, buf_slice(&p->asked), &m),
                     ERR_OK);
    const Pb__Ask *ask = (Pb__Ask *)m;
    assert_string_equal(ask->what, "report");
    assert_int_equal(strlen(value(ask, "person_token")), 32);
    assert_int_equal(strlen(value(ask, "actor")), 36);
    assert_string_equal(value(ask, "identity_checked"), "1");
    assert_string_equal(value(ask, "report"), "9");
    assert_string_equal(value(ask, "size"), "8");
    assert_string_equal(value(ask, "after"), "7");
    unpack_free(&m);
    assert_null(memmem(p->asked.p, p->asked.n, NUMBER, strlen(NUMBER)));
    assert_null(memmem(p->asked.p, p->asked.n, CLERK, strlen(CLERK)));
}

static const struct {
    const char *name;
    struct node_arg args[4];
    enum err want;
} BAD[] = {
    {"about nobody", {{"actor", "a"}, {"identity_checked", "1"}}, ERR_USAGE},
    {"about two",
     {{"person", "1"}, {"order", "00"}, {"actor", "a"}},
     ERR_USAGE},
    {"by nobody",
     {{"person", "1"}, {"identity_checked", "1"}},
     ERR_VAL_REQUIRED},
    {"a token without end",
     {{"person_token", "0123456789012345678901234567890123456789"},
      {"actor", "a"}},
     ERR_USAGE},
};

static void a_question_that_is_none_does_not_leave(void **state)
{
    struct peer *p = *state;
    assert_int_equal(node_serve(p->s), ERR_OK);
    UNTIL(p, p->fetches[1] > 0);
    for (size_t i = 0; i < NELEM(BAD); i++) {
        size_t n = 0;
        while (n < NELEM(BAD[i].args) && BAD[i].args[n].key != NULL)
            n++;
        if (report(p, BAD[i].args, n, false) != BAD[i].want)
            fail_msg("%s", BAD[i].name);
    }
    assert_int_equal(p->asks, 0);
}

static void many_numbers_become_the_tokens_of_each(void **state)
{
    struct peer *p = *state;
    const struct node_arg one = {"person", NUMBER},
                          many = {"persons", "1\n" NUMBER "\n2\n"};
    struct node_answer a, b;
    assert_int_equal(node_do(p->s, "token", &one, 1, &a), ERR_OK);
    assert_int_equal(node_do(p->s, "token", &many, 1, &b), ERR_OK);
    const json_t *list = json_object_get(b.json, "person_tokens");
    assert_int_equal(json_array_size(list), 3);
    assert_string_equal(
        json_string_value(json_array_get(list, 1)),
        json_string_value(json_object_get(a.json, "person_token")));
    assert_string_not_equal(json_string_value(json_array_get(list, 0)),
                            json_string_value(json_array_get(list, 2)));
    node_answer_fini(&a);
    node_answer_fini(&b);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_token_and_a_handle_are_all_that_leaves),
        CASE(a_question_that_is_none_does_not_leave),
        CASE(many_numbers_become_the_tokens_of_each),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
