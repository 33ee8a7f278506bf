/* show_test.c - a person sees what the hub permits at that moment; without the
 * hub only under the lease, and is told so (W-137). */
#include "tests/unit/adapters/sdk/peer.h"

#define ACTOR "00112233-4455-6677-8899-aabbccddeeff"

static void arrive(struct peer *p)
{
    UNTIL(p, p->fetches[0] > 0 && link_lease(p->s->host.link, clock_boot_ms()));
    deliver(p, HONEST, 0);
    UNTIL(p, p->acks == 1);
}

static void id_of(const struct peer *p, char text[ID_TEXT])
{
    struct id id;
    memcpy(id.b, p->n.hub.delivery_id, ID_BYTES);
    id_format(id, text);
}

/* Asks over the local socket; the hub (the test) answers with code and json. */
static struct node_answer show(struct peer *p, const char *actor,
                               const char *code, const char *json)
{
    struct node_client *c;
    struct node_answer a;
    char id[ID_TEXT];
    id_of(p, id);
    struct node_arg args[] = {
        {"delivery_id", id}, {"timeout_ms", "400"}, {"actor", actor}};
    size_t asked = p->asks;
    assert_int_equal(node_client_open(p->n.conf, stderr, &c), ERR_OK);
    assert_int_equal(node_client_ask(c, "show", args, actor != NULL ? 3 : 2),
                     ERR_OK);
    if (json != NULL) {
        UNTIL(p, p->asks == asked + 1);
        answer_json(p, code, json);
    }
    await_answer(p, c, &a);
    node_client_close(&c);
    return a;
}

static const char *argument(const Pb__Ask *a, const char *key)
{
    for (size_t i = 0; i < a->n_arg; i++)
        if (strcmp(a->arg[i]->key, key) == 0)
            return a->arg[i]->value;
    return "";
}

static void the_hub_is_asked_for_this_person_and_names_the_classes(void **state)
{
    struct peer *p = *state;
    ProtobufCMessage *m = NULL;
    char id[ID_TEXT];
    assert_int_equal(node_serve(p->s), ERR_OK);
    arrive(p);
    struct node_answer a =
        show(p, ACTOR, "", "{\"classes\":[\"G_META\",\"G_ID\"]}");
    assert_int_equal(a.code, ERR_OK);
    json_t *body = json_object_get(a.json, "body");
    assert_non_null(json_object_get(body, "name"));
    assert_null(json_object_get(body, "guardian"));
    assert_null(json_object_get(body, "crisis"));
    assert_non_null(strstr(at(a.json, "text"), "仮名美咲"));
    assert_null(strstr(at(a.json, "text"), "大きな音"));
    assert_null(json_object_get(a.json, "without_hub"));
    node_answer_fini(&a);
    assert_int_equal(unpack(&pb__ask__descriptor, buf_slice(&p->asked), &m),
                     ERR_OK);
    id_of(p, id);
    assert_string_equal(((Pb__Ask *)m)->what, "read");
    assert_string_equal(argument((Pb__Ask *)m, "delivery_id"), id);
    assert_string_equal(argument((Pb__Ask *)m, "actor"), ACTOR);
    assert_string_equal(argument((Pb__Ask *)m, "role"), "R_SHORTSTAY");
    unpack_free(&m);
}

static void a_refusal_of_the_hub_shows_nothing(void **state)
{
    struct peer *p = *state;
    assert_int_equal(node_serve(p->s), ERR_OK);
    arrive(p);
    struct node_answer a = show(p, ACTOR, "E-NF-001", "");
    assert_int_equal(a.code, ERR_NOT_FOUND);
    assert_int_equal(json_object_size(a.json), 0);
    node_answer_fini(&a);
    a = show(p, ACTOR, "", "{\"classes\":[]}");
    assert_int_equal(a.code, ERR_OK);
    assert_int_equal(json_object_size(json_object_get(a.json, "body")), 0);
    node_answer_fini(&a);
}

static void nobody_opens_without_saying_who(void **state)
{
    struct peer *p = *state;
    assert_int_equal(node_serve(p->s), ERR_OK);
    arrive(p);
    static const char *const BAD[] = {NULL, ""};
    for (size_t i = 0; i < NELEM(BAD); i++) {
        struct node_answer a = show(p, BAD[i], NULL, NULL);
        assert_int_equal(a.code, ERR_USAGE);
        node_answer_fini(&a);
    }
    assert_int_equal(p->asks, 0);
}

static void the_configuration_may_say_who(void **state)
{
    struct peer *p = *state;
    node_close(&p->s);
    nodeside_conf(&p->n, "actor = \"" ACTOR "\";\n");
    assert_int_equal(node_open(p->n.conf, NODE_ONLINE, stderr, &p->s), ERR_OK);
    assert_int_equal(node_serve(p->s), ERR_OK);
    arrive(p);
    struct node_answer a = show(p, NULL, "", "{\"classes\":[\"G_ID\"]}");
    assert_int_equal(a.code, ERR_OK);
    node_answer_fini(&a);
}

static void without_the_hub_the_lease_stands_in_and_it_is_said(void **state)
{
    struct peer *p = *state;
    assert_int_equal(node_serve(p->s), ERR_OK);
    arrive(p);
    struct node_answer a = show(p, ACTOR, NULL, NULL);
    assert_int_equal(a.code, ERR_OK);
    assert_true(json_is_true(json_object_get(a.json, "without_hub")));
    assert_non_null(strstr(at(a.json, "text"), "仮名美咲"));
    node_answer_fini(&a);
    p->s->host.link->lease.until_ms = 0;
    a = show(p, ACTOR, NULL, NULL);
    assert_int_equal(a.code, ERR_DLV_LEASE);
    assert_int_equal(json_object_size(a.json), 0);
    node_answer_fini(&a);
}

/* Only the hub knows who opened a break-glass, and until when: pulling the
 * cable makes nobody that person. */
static void without_the_hub_nobody_is_the_opener(void **state)
{
    struct peer *p = *state;
    assert_int_equal(node_serve(p->s), ERR_OK);
    p->n.hub.glass = class_bit(PB__DATA_CLASS__G_CRISIS);
    arrive(p);
    struct node_answer a =
        show(p, ACTOR, "", "{\"classes\":[\"G_META\",\"G_CRISIS\"]}");
    assert_int_equal(a.code, ERR_OK);
    assert_non_null(strstr(at(a.json, "text"), "静かな部屋"));
    node_answer_fini(&a);
    a = show(p, ACTOR, NULL, NULL);
    assert_int_equal(a.code, ERR_OK);
    assert_null(strstr(at(a.json, "text"), "静かな部屋"));
    node_answer_fini(&a);
}

/* Who asks so much that no question goes out has not asked. */
static void too_many_questions_are_no_way_around_the_hub(void **state)
{
    struct peer *p = *state;
    struct link *k;
    assert_int_equal(node_serve(p->s), ERR_OK);
    arrive(p);
    k = p->s->host.link;
    for (size_t n = k->ask_count; n < ASKS_MAX; n++)
        k->ask[k->ask_count++].done = NULL;
    struct node_answer a = show(p, ACTOR, NULL, NULL);
    assert_int_equal(a.code, ERR_BUSY);
    assert_int_equal(json_object_size(a.json), 0);
    node_answer_fini(&a);
}

static void what_was_called_back_is_not_opened(void **state)
{
    struct peer *p = *state;
    struct spool_recalled r;
    struct id id;
    assert_int_equal(node_serve(p->s), ERR_OK);
    arrive(p);
    memcpy(id.b, p->n.hub.delivery_id, ID_BYTES);
    assert_int_equal(
        spool_mark(p->s->host.spool, id, IN_HANDED, clock_wall_ms()), ERR_OK);
    assert_int_equal(
        spool_recall(p->s->host.spool, id, 1, NULL, clock_wall_ms(), &r),
        ERR_OK);
    assert_int_equal(r.outcome, RECALL_HANDED);
    struct node_answer a = show(p, ACTOR, NULL, NULL);
    assert_int_equal(a.code, ERR_DLV_RECALLED);
    assert_int_equal(json_object_size(a.json), 0);
    node_answer_fini(&a);
    assert_int_equal(p->asks, 0);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(the_hub_is_asked_for_this_person_and_names_the_classes),
        CASE(a_refusal_of_the_hub_shows_nothing),
        CASE(nobody_opens_without_saying_who),
        CASE(the_configuration_may_say_who),
        CASE(without_the_hub_the_lease_stands_in_and_it_is_said),
        CASE(without_the_hub_nobody_is_the_opener),
        CASE(too_many_questions_are_no_way_around_the_hub),
        CASE(what_was_called_back_is_not_opened),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
