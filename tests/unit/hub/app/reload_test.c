/* reload_test.c - the registry read again: all or nothing, and what changed is
 * in the log. */
#include "tests/unit/hub/app/region.h"

#define C1 "HC-492019-01"

/* Replaces the first `from` in a file of the region. */
static void edit(struct region *r, const char *file, const char *from,
                 const char *to)
{
    struct buf old = {0}, new = {0};
    char *path = region_path(r, file);
    assert_int_equal(file_read(path, 1 << 20, &old), ERR_OK);
    char *at = strstr((char *)old.p, from);
    assert_non_null(at);
    buf_add(&new, old.p, (size_t)(at - (char *)old.p));
    buf_adds(&new, to);
    buf_adds(&new, at + strlen(from));
    assert_int_equal(file_replace(path, buf_slice(&new), 0600), ERR_OK);
    buf_fini(&old);
    buf_fini(&new);
    free(path);
}

static enum err reloaded(struct region *r)
{
    struct buf why = {0};
    enum err e = reload(r->hub, &why);
    if (e != ERR_OK)
        assert_true(why.n > 0);
    buf_fini(&why);
    turn(r);
    return e;
}

static void bad_tables_change_nothing(void **state)
{
    static const struct {
        const char *file, *from, *to;
    } BAD[] = {
        {"agencies.tsv", "R_HOUSING", "R_POLICE"}, /* has no role here */
        {"agencies.tsv", "R_HOUSING", "R_HOUSE"},
    };
    struct region *r = *state;
    const struct policy *policy = r->hub->policy;
    const struct registry *registry = r->hub->registry;
    struct client *h1 = client(r, "h1");
    uint64_t size = store_log_size(r->hub->store);
    for (size_t i = 0; i < NELEM(BAD); i++) {
        edit(r, BAD[i].file, BAD[i].from, BAD[i].to);
        char *json = NULL;
        log_open("test", 0);
        assert_int_not_equal(reloaded(r), ERR_OK);
        const char *code = control(r, "reload", NULL, NULL, &json);
        log_open("test", LOG_ERROR);
        assert_string_equal(code, "E-POL-002");
        assert_null(json);
        edit(r, BAD[i].file, BAD[i].to, BAD[i].from);
    }
    region_write(r, "nodes.tsv", slice_str("nonsense"));
    log_open("test", 0);
    assert_int_not_equal(reloaded(r), ERR_OK);
    log_open("test", LOG_ERROR);
    assert_ptr_equal(r->hub->policy, policy);
    assert_ptr_equal(r->hub->registry, registry);
    assert_int_equal(store_log_size(r->hub->store), size);
    assert_string_equal(
        post_sample(h1, "FILING_SUBMITTED", "person", "filing", C1, "P_FIL"),
        "");
}

static void a_policy_is_never_read_again(void **state)
{
    struct region *r = *state;
    const struct policy *policy = r->hub->policy;
    edit(r, "policy/vocab.tsv", "statutory filing", "statutory  filing");
    assert_int_equal(reloaded(r), ERR_OK);
    assert_ptr_equal(r->hub->policy, policy);
    assert_int_equal(count_leaves(r, PB__LEAF_KIND__POLICY_ACTIVATE), 1);
}

static void a_row_taken_out_cuts_the_node_off(void **state) /* W-164 W-165 */
{
    struct region *r = *state;
    struct client *c1 = client(r, "c1");
    struct buf nodes = {0};
    struct frame f;
    client_sync(c1, LANE_NORMAL);
    char *path = region_path(r, "nodes.tsv");
    assert_int_equal(file_read(path, 1 << 20, &nodes), ERR_OK);
    char *row = strstr((char *)nodes.p, "\nc1\t");
    assert_non_null(row);
    char *end = strchr(row + 1, '\n');
    memmove(row, end, strlen(end) + 1);
    region_write(r, "nodes.tsv", slice_str((char *)nodes.p));
    assert_int_equal(reloaded(r), ERR_OK);
    Pb__AuditLeaf *l = leaf_at(r, store_log_size(r->hub->store) - 1);
    assert_int_equal(l->kind, PB__LEAF_KIND__NODE_CHANGE);
    assert_string_equal(l->node, "c1");
    assert_string_equal(l->reason, "REMOVED");
    pb__audit_leaf__free_unpacked(l, NULL);
    usleep(200000);
    client_send(c1, LANE_NORMAL, VERB_PING, SLICE_NONE);
    assert_false(wait_for(r, c1->lane[LANE_NORMAL], &f, 300));
    buf_fini(&nodes);
    free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        REGION_TEST(bad_tables_change_nothing),
        REGION_TEST(a_policy_is_never_read_again),
        REGION_TEST(a_row_taken_out_cuts_the_node_off),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
