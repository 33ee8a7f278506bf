/* consents_test.c - what was recorded here can be found again by the person,
 * without what was written in words. */
#include "tests/unit/adapters/sdk/nodeside.h"

static int setup(void **state)
{
    struct nodeside *n = calloc(1, sizeof(*n));
    nodeside_init(n);
    *state = n;
    return 0;
}

static int teardown(void **state)
{
    struct nodeside *n = *state;
    nodeside_fini(n);
    free(n);
    return 0;
}

#define GIVE                                                                   \
    "{\"type\":\"CONSENT_GIVEN\",\"person\":\"%s\",\"to\":[],\"body\":{"       \
    "\"consent_ref\":\"01994c00-0000-7000-8000-00000000000%c\","               \
    "\"purpose\":\"P_REG\",\"recipient\":[{\"agency\":\"" US "\"}],"           \
    "\"classes\":[\"G_ID\"],\"giver\":\"SELF\",\"method\":\"ELECTRONIC_"       \
    "SIGN\","                                                                  \
    "\"text_version\":\"1\",\"valid_to\":\"2099-03-31\","                      \
    "\"capacity_note\":\"落ち着いて話せた\"}}"

static void submit(struct node_session *s, const char *person, char last)
{
    char json[1024];
    struct buf why = {0};
    snprintf(json, sizeof(json), GIVE, person, last);
    enum err e = node_submit(s, slice_str(json), false, NULL, &why);
    if (e != ERR_OK)
        fail_msg("%s", (char *)why.p);
    buf_fini(&why);
}

static size_t listed(struct node_session *s, const char *person)
{
    struct node_arg arg = {"person", person};
    struct node_answer a;
    assert_int_equal(node_do(s, "consents", &arg, person != NULL, &a), ERR_OK);
    assert_int_equal(a.code, ERR_OK);
    json_t *list = json_object_get(a.json, "consents");
    size_t i, n = json_array_size(list);
    json_t *row;
    json_array_foreach(list, i, row)
    {
        assert_string_equal(at(row, "type"), "CONSENT_GIVEN");
        assert_string_equal(at(row, "purpose"), "P_REG");
        assert_null(json_object_get(row, "capacity_note"));
    }
    node_answer_fini(&a);
    return n;
}

static void those_of_a_person_are_found_and_nothing_in_words(void **state)
{
    struct nodeside *n = *state;
    struct node_session *s;
    struct node_arg bad = {"person_token", "nonsense"};
    struct node_answer a;
    assert_int_equal(node_open(n->conf, NODE_OFFLINE, stderr, &s), ERR_OK);
    submit(s, "0000000001", '1');
    submit(s, "0000000001", '2');
    submit(s, "0000000002", '3');
    assert_int_equal(listed(s, NULL), 3);
    assert_int_equal(listed(s, "0000000001"), 2);
    assert_int_equal(listed(s, "0000000002"), 1);
    assert_int_equal(listed(s, "0000000003"), 0);
    assert_int_equal(node_do(s, "consents", &bad, 1, &a), ERR_OK);
    assert_int_equal(a.code, ERR_USAGE);
    node_answer_fini(&a);
    node_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            those_of_a_person_are_found_and_nothing_in_words, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
