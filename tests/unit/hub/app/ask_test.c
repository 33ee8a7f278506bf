/* ask_test.c - questions and their answers. */
#include "tests/unit/hub/app/region.h"
#include <jansson.h>

#define C1 "HC-492019-01"

static json_t *asked(struct region *r, const char *what, const char *key,
                     const char *value)
{
    char *text = NULL;
    const char *code = control(r, what, key, value, &text);
    if (code[0] != '\0')
        fail_msg("%s: %s", what, code);
    json_t *j = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    free(text);
    assert_true(json_is_object(j));
    return j;
}

static void every_answer_is_one_object_with_a_schema(void **state) /* W-132 */
{
    static const struct {
        const char *what, *schema;
    } ALL[] = {
        {"status", "tsunagi.status/1"},
        {"cases", "tsunagi.case-list/1"},
        {"parked", "tsunagi.park/1"},
        {"metrics", "tsunagi.metrics/1"},
        {"leaves", "tsunagi.audit-leaves/1"},
        {"checkpoint", "tsunagi.audit-checkpoint/1"},
        {"reload", "tsunagi.config-reload/1"},
        {"stop", "tsunagi.stop/1"},
    };
    struct region *r = *state;
    struct client *h1 = client(r, "h1");
    post_sample(h1, "FILING_SUBMITTED", "person", "filing", C1, "P_FIL");
    for (size_t i = 0; i < NELEM(ALL); i++) {
        json_t *j = asked(r, ALL[i].what, NULL, NULL);
        assert_string_equal(json_string_value(json_object_get(j, "schema")),
                            ALL[i].schema);
        char *text = json_dumps(j, 0);
        assert_null(strstr(text, "架空花子")); /* I-11 */
        free(text);
        json_decref(j);
    }
    assert_true(r->hub->stop);
}

static void what_is_shown_and_done_is_leafed_first(void **state) /* W-130 */
{
    struct region *r = *state;
    struct client *h1 = client(r, "h1");
    post_sample(h1, "FILING_SUBMITTED", "person", "filing", C1, "P_FIL");
    json_t *j = asked(r, "cases", NULL, NULL);
    json_t *first = json_array_get(json_object_get(j, "cases"), 0);
    const char *id = json_string_value(json_object_get(first, "case"));
    json_t *one = asked(r, "case", "case", id);
    assert_int_equal(count_leaves(r, PB__LEAF_KIND__READ), 2);
    Pb__AuditLeaf *l = leaf_at(r, store_log_size(r->hub->store) - 1);
    assert_string_equal(l->reason, "case");
    assert_int_equal(l->outcome, 1);
    pb__audit_leaf__free_unpacked(l, NULL);
    json_decref(one);
    json_decref(j);
    /* counts and the log itself are nobody's business: polled, not leafed */
    uint64_t size = store_log_size(r->hub->store);
    json_decref(asked(r, "status", NULL, NULL));
    json_decref(asked(r, "metrics", NULL, NULL));
    assert_int_equal(store_log_size(r->hub->store), size);
}

static void raw_node_ask(struct client *c, const char *what, struct buf *out)
{
    struct frame f;
    Pb__Ask a = PB__ASK__INIT;
    a.what = (char *)(uintptr_t)what;
    client_send_message(c, LANE_NORMAL, VERB_ASK, &a.base);
    client_want(c, LANE_NORMAL, VERB_ANSWER, &f);
    buf_add(out, f.body.p, f.body.n);
    frame_close(&f);
}

static void refused_reads_like_unknown(void **state) /* W-131 I-13 */
{
    static const char *const FORBIDDEN[] = {
        "status", "cases", "case", "leaves", "reload", "stop", "backup"};
    struct region *r = *state;
    struct client *h1 = client(r, "h1");
    struct buf unknown = {0}, got = {0};
    raw_node_ask(h1, "no such thing", &unknown);
    for (size_t i = 0; i < NELEM(FORBIDDEN); i++) {
        buf_reset(&got);
        raw_node_ask(h1, FORBIDDEN[i], &got);
        assert_true(slice_eq(buf_slice(&unknown), buf_slice(&got)));
    }
    buf_reset(&got); /* a case that there is not, over the local socket */
    control_ask(r, "case", "case", "01990000-0000-7000-8000-000000000000",
                &got);
    assert_true(slice_eq(buf_slice(&unknown), buf_slice(&got)));
    assert_false(r->hub->stop);
    buf_fini(&unknown);
    buf_fini(&got);
}

static void anyone_may_see_the_signed_head(void **state)
{
    struct region *r = *state;
    struct buf raw = {0};
    ProtobufCMessage *m = NULL;
    struct checkpoint c;
    raw_node_ask(client(r, "h1"), "checkpoint", &raw);
    assert_int_equal(unpack(&pb__answer__descriptor, buf_slice(&raw), &m),
                     ERR_OK);
    json_t *j = json_loads(((Pb__Answer *)m)->json, 0, NULL);
    const char *note = json_string_value(json_object_get(j, "note"));
    assert_int_equal(
        checkpoint_open(slice_str(note), ORIGIN, r->hub->log_keys.pub.sign, &c),
        ERR_OK);
    assert_int_equal(c.size, store_log_size(r->hub->store));
    json_decref(j);
    unpack_free(&m);
    buf_fini(&raw);
}

static json_t *node_asks_consistency(struct region *r, const char *from,
                                     const char *to, const char *code)
{
    struct frame f;
    ProtobufCMessage *m = NULL;
    Pb__AskArgument old = PB__ASK_ARGUMENT__INIT, new = PB__ASK_ARGUMENT__INIT;
    char what[] = "consistency", key_old[] = "old", key_new[] = "new";
    Pb__AskArgument *args[] = {&old, &new};
    Pb__Ask a = PB__ASK__INIT;
    old.key = key_old;
    old.value = (char *)(uintptr_t)from;
    new.key = key_new;
    new.value = (char *)(uintptr_t)to;
    a.what = what;
    a.n_arg = 2;
    a.arg = args;
    client_send_message(client(r, "h1"), LANE_NORMAL, VERB_ASK, &a.base);
    client_want(client(r, "h1"), LANE_NORMAL, VERB_ANSWER, &f);
    assert_int_equal(unpack(&pb__answer__descriptor, f.body, &m), ERR_OK);
    const Pb__Answer *answer = (Pb__Answer *)m;
    assert_string_equal(answer->code != NULL ? answer->code : "", code);
    json_t *j = json_loads(answer->json != NULL ? answer->json : "", 0, NULL);
    unpack_free(&m);
    frame_close(&f);
    return j;
}

static void a_node_gets_the_proof_between_two_sizes(void **state) /* W-177 */
{
    struct region *r = *state;
    uint64_t size = store_log_size(r->hub->store);
    struct merkle small = {.size = 0};
    struct hash path[PROOF_MAX];
    char to[24], beyond[24];
    size_t n = 0;
    assert_true(size > 2);
    merkle_init(&small);
    for (uint64_t i = 0; i < 2; i++) {
        struct buf leaf = {0};
        assert_int_equal(store_leaf_get(r->hub->store, i, &leaf), ERR_OK);
        assert_int_equal(
            merkle_append(&small, proof_leaf(buf_slice(&leaf)), NULL, NULL),
            ERR_OK);
        buf_fini(&leaf);
    }
    snprintf(to, sizeof(to), "%llu", (unsigned long long)size);
    json_t *j = node_asks_consistency(r, "2", to, "");
    json_t *list = json_object_get(j, "proof");
    for (n = 0; n < json_array_size(list); n++)
        assert_int_equal(hex_decode(json_string_value(json_array_get(list, n)),
                                    path[n].b, HASH_BYTES),
                         ERR_OK);
    assert_int_equal(proof_check_consistency(
                         2, merkle_root(&small), size,
                         merkle_root(store_merkle(r->hub->store)), path, n),
                     ERR_OK);
    json_decref(j);
    snprintf(beyond, sizeof(beyond), "%llu", (unsigned long long)size + 9);
    json_decref(node_asks_consistency(r, "2", beyond, err_code(ERR_NOT_FOUND)));
    json_decref(node_asks_consistency(r, "3", "2", err_code(ERR_USAGE)));
    json_decref(node_asks_consistency(r, "0", "2", err_code(ERR_USAGE)));
}

static void the_parked_can_be_closed(void **state) /* I-10 */
{
    struct region *r = *state;
    struct client *h1 = client(r, "h1");
    client_send(h1, LANE_NORMAL, VERB_SEND, slice_str("\xff\xff"));
    (void)want_error(h1, LANE_NORMAL, NULL, NULL);
    json_t *j = asked(r, "parked", NULL, NULL);
    json_t *list = json_object_get(j, "parked");
    assert_int_equal(json_array_size(list), 1);
    char id[24];
    snprintf(id, sizeof(id), "%lld",
             (long long)json_integer_value(
                 json_object_get(json_array_get(list, 0), "id")));
    json_decref(j);
    json_decref(asked(r, "park-close", "id", id));
    assert_string_equal(control(r, "park-close", "id", id, NULL), "E-NF-001");
    j = asked(r, "parked", NULL, NULL);
    assert_int_equal(json_array_size(json_object_get(j, "parked")), 0);
    json_decref(j);
    assert_true(count_leaves(r, PB__LEAF_KIND__ADMIN) >= 1);
}

static void a_backup_is_a_store_of_the_same_log(void **state)
{
    struct region *r = *state;
    struct client *h1 = client(r, "h1");
    post_sample(h1, "FILING_SUBMITTED", "person", "filing", C1, "P_FIL");
    char *folder = region_path(r, "copy"), *data = region_path(r, "copy/data"),
         *ring = region_path(r, "copy/keyring"),
         *anchor = region_path(r, "copy-anchor"),
         *kek = region_path(r, "keys/kek");
    uint64_t size = store_log_size(r->hub->store);
    json_decref(asked(r, "backup", "path", folder));
    struct store_config c = {.dir = data,
                             .anchor_path = anchor,
                             .keyring_dir = ring,
                             .kek_dir = kek};
    struct store *s = NULL;
    struct buf why = {0};
    assert_int_equal(store_open(&c, &s, &why), ERR_OK);
    assert_int_equal(store_log_size(s), size);
    store_close(&s);
    buf_fini(&why);
    free(folder);
    free(data);
    free(ring);
    free(anchor);
    free(kek);
}

static void malformed_questions_stop_nobody(void **state)
{
    struct region *r = *state;
    char endpoint[160];
    snprintf(endpoint, sizeof(endpoint), "ipc://%s/control", r->dir);
    void *s = dealer(r, NULL, NULL, endpoint, NULL);
    for (int i = 0; i < 20; i++)
        assert_true(zmq_send(s, "junk", 4, 0) == 4);
    json_decref(asked(r, "status", NULL, NULL));
    dealer_close(r, s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        REGION_TEST(every_answer_is_one_object_with_a_schema),
        REGION_TEST(what_is_shown_and_done_is_leafed_first),
        REGION_TEST(refused_reads_like_unknown),
        REGION_TEST(anyone_may_see_the_signed_head),
        REGION_TEST(a_node_gets_the_proof_between_two_sizes),
        REGION_TEST(the_parked_can_be_closed),
        REGION_TEST(a_backup_is_a_store_of_the_same_log),
        REGION_TEST(malformed_questions_stop_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
