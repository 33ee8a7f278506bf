/* preview_test.c - the hub is told what kind of event it would be, and nothing
 * of what it says; nothing is kept and nothing is sent (W-138). */
#include "tests/unit/adapters/sdk/peer.h"

#define EVENT                                                                          \
    "{\"type\":\"EMERGENCY_REGISTERED\",\"person\":\"0000123456\",\"to\":["            \
    "{\"agency\":\"OW-B1-49\",\"purpose\":\"P_REG\"},"                                 \
    "{\"role\":\"R_HC\",\"place\":\"49201\",\"purpose\":\"P_REG\"}],"                  \
    "\"body\":{\"name\":{\"kanji\":\"例示次郎\",\"kana\":\"レイジジロウ\"}," \
    "\"birth\":\"S58.1.15\",\"sex\":\"MALE\",\"crisis\":\"静かに待つ。\","       \
    "\"valid_to\":\"2099-03-31\"}}"

static struct node_answer preview(struct peer *p, const char *json,
                                  const char *answer)
{
    struct node_client *c;
    struct node_answer a;
    struct node_arg args[] = {{"json", json}, {"timeout_ms", "2000"}};
    assert_int_equal(node_client_open(p->n.conf, stderr, &c), ERR_OK);
    assert_int_equal(node_client_ask(c, "preview", args, 2), ERR_OK);
    if (answer != NULL) {
        UNTIL(p, p->asks == 1);
        answer_json(p, "", answer);
    }
    await_answer(p, c, &a);
    node_client_close(&c);
    return a;
}

static bool outbox_is_empty(struct peer *p)
{
    struct node_arg all = {"all", "1"};
    struct node_answer a;
    assert_int_equal(node_do(p->s, "outbox", &all, 1, &a), ERR_OK);
    bool empty = json_array_size(json_object_get(a.json, "events")) == 0;
    node_answer_fini(&a);
    return empty && p->sends[0] + p->sends[1] == 0;
}

static void kinds_tokens_and_wishes_are_asked_and_nothing_is_kept(void **state)
{
    struct peer *p = *state;
    static const char *const WANT[][2] = {
        {"type", "EMERGENCY_REGISTERED"},
        {"variant", ""},
        {"classes", NULL},
        {"person_token", NULL},
        {"to", "OW-B1-49|||P_REG"},
        {"to", "|R_HC|49201|P_REG"},
    };
    ProtobufCMessage *m = NULL;
    assert_int_equal(node_serve(p->s), ERR_OK);
    UNTIL(p, p->fetches[1] > 0);
    struct node_answer a = preview(p, EVENT, "{\"recipient\":[{}]}");
    assert_int_equal(a.code, ERR_OK);
    assert_int_equal(json_array_size(json_object_get(a.json, "recipient")), 1);
    node_answer_fini(&a);
    assert_int_equal(unpack(&pb__ask__descriptor, buf_slice(&p->asked), &m),
                     ERR_OK);
    const Pb__Ask *ask = (Pb__Ask *)m;
    assert_string_equal(ask->what, "preview");
    assert_int_equal(ask->n_arg, NELEM(WANT));
    for (size_t i = 0; i < NELEM(WANT); i++) {
        assert_string_equal(ask->arg[i]->key, WANT[i][0]);
        if (WANT[i][1] != NULL)
            assert_string_equal(ask->arg[i]->value, WANT[i][1]);
    }
    uint64_t classes = strtoull(ask->arg[2]->value, NULL, 10);
    assert_true(classes & class_bit(PB__DATA_CLASS__G_ID));
    assert_true(classes & class_bit(PB__DATA_CLASS__G_CRISIS));
    assert_false(classes & class_bit(PB__DATA_CLASS__G_DX));
    assert_int_equal(strlen(ask->arg[3]->value), 32);
    unpack_free(&m);
    static const char *const CONTENT[] = {"例示", "レイジ", "静か",
                                          "0000123456", "1983"};
    for (size_t i = 0; i < NELEM(CONTENT); i++)
        assert_null(
            memmem(p->asked.p, p->asked.n, CONTENT[i], strlen(CONTENT[i])));
    assert_true(outbox_is_empty(p));
}

static void what_could_not_be_sent_is_refused_without_asking(void **state)
{
    struct peer *p = *state;
    static const struct {
        const char *json;
        enum err want;
    } BAD[] = {
        {"{\"type\":\"NO_SUCH\"}", ERR_EVT_TYPE},
        {"{\"type\":\"STAY_RELEASED\",\"case\":\"c\",\"to\":[]}",
         ERR_EVT_HUB_ONLY},
        {"{\"type\":\"EMERGENCY_REGISTERED\",\"person\":\"1\",\"to\":[],"
         "\"body\":{\"birth\":\"2026-02-30\"}}",
         ERR_VAL_DATE},
        {"[]", ERR_VAL_TYPE},
    };
    assert_int_equal(node_serve(p->s), ERR_OK);
    UNTIL(p, p->fetches[1] > 0);
    for (size_t i = 0; i < NELEM(BAD); i++) {
        struct node_answer a = preview(p, BAD[i].json, NULL);
        if (a.code != BAD[i].want)
            fail_msg("%s: %s", BAD[i].json, err_code(a.code));
        node_answer_fini(&a);
    }
    assert_int_equal(p->asks, 0);
    assert_true(outbox_is_empty(p));
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(kinds_tokens_and_wishes_are_asked_and_nothing_is_kept),
        CASE(what_could_not_be_sent_is_refused_without_asking),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
