/* leaf_test.c - entries of the log: small, and silent about people. */
#include "tests/unit/hub/app/region.h"

#define P1 "WO-4931000014"
#define O1 "OW-HOUSE-49"

/* The largest decision there can be: every class its own rule and consent. */
static void the_largest_leaf_fits(void **state) /* W-174 */
{
    struct region *r = *state;
    struct hub *h = r->hub;
    struct decision d = {.asked = ~UINT64_C(1)};
    struct grant grants[CLASS_MAX];
    struct leaf_lists lists;
    uint8_t handle[16] = {1}, hash[32] = {2};
    memset(grants, 0, sizeof(grants));
    for (unsigned c = 1; c < CLASS_MAX; c++) {
        grants[c].ref[0] = (uint8_t)c;
        d.of[c] = (struct class_verdict){
            true, (uint16_t)(c % policy_rule_count(h->policy)), (int16_t)c,
            "LB_PUBLICDUTY"};
        d.released |= class_bit(c);
    }
    Pb__AuditLeaf l = leaf_new(h, PB__LEAF_KIND__RELEASE);
    uint64_t ref = UINT64_MAX, index;
    char node[NODE_MAX];
    memset(node, 'n', sizeof(node) - 1);
    node[sizeof(node) - 1] = '\0';
    l.node = node;
    l.peer = l.purpose = l.role = (char *)(uintptr_t)P1;
    l.n_ref = 1;
    l.ref = &ref;
    l.has_event_id = l.has_header_sha256 = l.has_subject_handle = 1;
    l.event_id = l.subject_handle = (ProtobufCBinaryData){16, handle};
    l.header_sha256 = (ProtobufCBinaryData){32, hash};
    leaf_decision(h, &d, grants, &lists, &l);
    assert_int_equal(l.n_consent, CLASS_MAX - 1);
    assert_true(turn_begin(h));
    assert_int_equal(store_leaf(h->store, &l, &index), ERR_OK); /* <= 4 KiB */
}

static bool mentions(struct slice s, const char *text)
{
    return memmem(s.p, s.n, text, strlen(text)) != NULL;
}

static void no_leaf_says_who_or_what(void **state) /* W-174 I-11 */
{
    /* what the sample events are full of, and the tokens used */
    static const char *const SECRETS[] = {"架空", "カクウ", "2026-04-01",
                                          "令和", "4900000001"};
    struct region *r = *state;
    struct client *h1 = client(r, "h1"), *p1 = client(r, "p1"),
                  *o1 = client(r, "o1");
    uint8_t token[16];
    token_of(token, "person");
    give(h1, "person", "consent", P1, "P_TRA");
    give(h1, "person", "housing", O1, "P_TRA");
    post_sample(h1, "ADMISSION_RECORDED", "person", "case", P1, "P_TRA");
    post_sample(h1, "DISCHARGE_PLANNED", "person", "case", O1, "P_TRA");
    fetch(p1, LANE_NORMAL);
    fetch(o1, LANE_NORMAL);
    client_ack(p1, last_got(p1));
    client_sync(p1, LANE_NORMAL);
    withdraw(h1, "person", NULL);
    for (uint64_t i = 0; i < store_log_size(r->hub->store); i++) {
        struct buf b = {0};
        assert_int_equal(store_leaf_get(r->hub->store, i, &b), ERR_OK);
        assert_true(b.n <= 4096);
        for (size_t k = 0; k < NELEM(SECRETS); k++)
            if (mentions(buf_slice(&b), SECRETS[k]))
                fail_msg("leaf %llu holds %s", (unsigned long long)i,
                         SECRETS[k]);
        assert_null(memmem(b.p, b.n, token, sizeof(token)));
        buf_fini(&b);
        Pb__AuditLeaf *l = leaf_at(r, i);
        assert_int_equal(l->nonce.len, 16);
        pb__audit_leaf__free_unpacked(l, NULL);
    }
}

static void a_person_has_one_handle_a_quarter(void **state) /* W-174 */
{
    struct region *r = *state;
    Pb__AuditLeaf a = leaf_new(r->hub, PB__LEAF_KIND__READ), b = a;
    uint8_t ha[16], hb[16], hc[16];
    struct id person;
    assert_true(turn_begin(r->hub));
    assert_int_equal(store_person_new(r->hub->store, &person), ERR_OK);
    assert_int_equal(leaf_subject(r->hub, person, &a, ha), ERR_OK);
    assert_int_equal(leaf_subject(r->hub, person, &b, hb), ERR_OK);
    assert_memory_equal(ha, hb, 16);
    assert_memory_not_equal(ha, person.b, 16);
    r->hub->now_ms += UINT64_C(100) * 86400000;
    assert_int_equal(leaf_subject(r->hub, person, &b, hc), ERR_OK);
    assert_memory_not_equal(ha, hc, 16);
    assert_int_equal(leaf_subject(r->hub, (struct id){{0}}, &b, hc), ERR_OK);
}

/* What a withdrawn or refused consent stopped was not passed on because of
 * it: only what a release relies on counts (I-3). */
static void only_consents_relied_on_are_cited(void **state)
{
    struct region *r = *state;
    struct grant g[2] = {{.ref = "relied on"}, {.ref = "refused by"}};
    struct leaf_lists lists;
    Pb__AuditLeaf l = leaf_new(r->hub, PB__LEAF_KIND__RELEASE);
    struct decision d = {.asked = 6, .released = 2, .withheld = 4};
    d.predicates = PRED_CHOSEN | PRED_BREAKGLASS;
    d.glass_classes = 2;
    d.of[1] = (struct class_verdict){true, NO_RULE, 0, ""};
    d.of[2] = (struct class_verdict){false, NO_RULE, 1, ""};
    leaf_decision(r->hub, &d, g, &lists, &l);
    assert_int_equal(l.n_consent, 1);
    assert_memory_equal(l.consent[0].data, g[0].ref, ID_BYTES);
    assert_int_equal(l.n_predicate, 2);
    assert_string_equal(l.predicate[0], "chosen");
    assert_string_equal(l.predicate[1], "breakglass");
    assert_true(l.asked == 6 && l.glass == 2 && !l.has_session);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        REGION_TEST(the_largest_leaf_fits),
        REGION_TEST(no_leaf_says_who_or_what),
        REGION_TEST(a_person_has_one_handle_a_quarter),
        REGION_TEST(only_consents_relied_on_are_cited),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
