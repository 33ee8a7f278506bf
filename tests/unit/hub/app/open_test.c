/* open_test.c - the hub starts from what is true, or not at all. */
#include "tests/unit/hub/app/region.h"

static void a_restart_goes_on_where_it_was(void **state)
{
    struct region *r = *state;
    some_events(r, 3);
    uint64_t size = store_log_size(r->hub->store);
    struct checkpoint before, after;
    assert_int_equal(checkpoint_open(buf_slice(&r->hub->note), ORIGIN,
                                     r->hub->log_keys.pub.sign, &before),
                     ERR_OK);
    assert_int_equal(before.size, size);
    region_stop(r);
    region_start(r);
    assert_int_equal(store_log_size(r->hub->store), size); /* nothing changed */
    assert_int_equal(checkpoint_open(buf_slice(&r->hub->note), ORIGIN,
                                     r->hub->log_keys.pub.sign, &after),
                     ERR_OK);
    assert_memory_equal(&before, &after, sizeof(before));
    /* what was owed is still owed */
    assert_int_equal(fetch(client(r, "c1"), LANE_NORMAL), 3);
}

static void a_log_that_went_back_is_refused(void **state) /* I-15 */
{
    struct region *r = *state;
    some_events(r, 2);
    region_stop(r);
    copy_tree(r, "data", "data-then");
    region_start(r);
    some_events(r, 2);
    region_stop(r);
    copy_tree(r, "data", "data-now");
    copy_tree(r, "data-then", "data");
    refuses_to_start(r, ERR_ROLLBACK);
    /* an attacker who takes the anchor away still has the signer against him */
    char *anchor = region_path(r, "state/anchor");
    assert_int_equal(unlink(anchor), 0);
    free(anchor);
    refuses_to_start(r, ERR_ROLLBACK);
    copy_tree(r, "data-now", "data");
    region_start(r);
}

static void the_signer_catches_up(void **state) /* W-175 */
{
    struct region *r = *state;
    char *path = region_path(r, "state/signer");
    struct checkpoint c;
    some_events(r, 2);
    assert_int_equal(signer_save(r->hub->signer), ERR_OK);
    copy_tree(r, "state/signer", "signer-then");
    some_events(r, 3);
    uint64_t size = store_log_size(r->hub->store);
    for (int missing = 0; missing < 2; missing++) {
        region_stop(r);
        if (missing)
            assert_int_equal(unlink(path), 0);
        else
            copy_tree(r, "signer-then", "state/signer");
        region_start(r);
        assert_int_equal(signer_size(r->hub->signer), size);
        assert_int_equal(checkpoint_open(buf_slice(&r->hub->note), ORIGIN,
                                         r->hub->log_keys.pub.sign, &c),
                         ERR_OK);
        assert_int_equal(c.size, size);
    }
    free(path);
}

static void a_signer_of_another_history_is_refused(void **state) /* W-175 */
{
    struct region *r = *state;
    struct buf text = {0};
    char *path = region_path(r, "state/signer");
    some_events(r, 2);
    region_stop(r);
    assert_int_equal(file_read(path, 16384, &text), ERR_OK);
    text.p[text.n - 2] = text.p[text.n - 2] == '0' ? '1' : '0';
    assert_int_equal(file_replace(path, buf_slice(&text), 0600), ERR_OK);
    refuses_to_start(r, ERR_ROLLBACK);
    buf_fini(&text);
    free(path);
    /* teardown wants a hub */
    char *state_file = region_path(r, "state/signer");
    assert_int_equal(unlink(state_file), 0);
    free(state_file);
    region_start(r);
}

static void an_open_key_file_is_refused(void **state)
{
    struct region *r = *state;
    char *key = region_path(r, "keys/log.key");
    region_stop(r);
    assert_int_equal(chmod(key, 0644), 0);
    refuses_to_start(r, ERR_KEY_FILE);
    assert_int_equal(chmod(key, 0600), 0);
    free(key);
    region_start(r);
}

static void bad_tables_stop_the_start(void **state)
{
    struct region *r = *state;
    region_stop(r);
    region_write(r, "nodes.tsv", slice_str("node\tagency\nh1\tX\n"));
    refuses_to_start(r, ERR_CSV_HEADER);
    region_write_nodes(r);
    region_start(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        REGION_TEST(a_restart_goes_on_where_it_was),
        REGION_TEST(a_log_that_went_back_is_refused),
        REGION_TEST(the_signer_catches_up),
        REGION_TEST(a_signer_of_another_history_is_refused),
        REGION_TEST(an_open_key_file_is_refused),
        REGION_TEST(bad_tables_stop_the_start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
