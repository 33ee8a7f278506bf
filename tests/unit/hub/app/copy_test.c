/* copy_test.c - copies of the store: each kind alone opens nothing, and whether
 * one is whole is seen without a key of payload. */
#include "tests/unit/hub/app/region.h"
#include <sqlite3.h>
#include <sys/stat.h>

#define P1 "WO-4931000014"

static void some_life(struct region *r)
{
    struct client *h1 = client(r, "h1");
    assert_string_equal(give(h1, "person", "a consent", P1, "P_TRA"), "");
    assert_string_equal(
        post_sample(h1, "ADMISSION_RECORDED", "person", "case", P1, "P_TRA"),
        "");
    turn(r);
    turn(r);
}

/* Makes FOLDER/copy by the command's question; returns the path of data. */
static char *copy_of(struct region *r)
{
    char *folder = region_path(r, "copy");
    assert_string_equal(control(r, "backup", "path", folder, NULL), "");
    free(folder);
    return region_path(r, "copy/data");
}

static enum err checked(struct region *r, const char *folder, struct buf *why)
{
    struct hub *h = calloc(1, sizeof(*h));
    assert_non_null(h);
    region_config(r, &h->config);
    buf_reset(why);
    enum err e = copy_check(h, folder, why);
    struct hub_config c = h->config;
    hub_close(h);
    config_free(&c);
    free(h);
    return e;
}

static void outside(const char *folder, const char *sql)
{
    char path[256];
    sqlite3 *db;
    snprintf(path, sizeof(path), "%s/hub.db", folder);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void a_copy_alone_is_whole_and_tells_nothing(void **state)
{
    struct region *r = *state;
    struct buf why = {0};
    struct store *s;
    struct stored_event ev;
    some_life(r);
    char *data = copy_of(r);
    assert_int_equal(checked(r, data, &why), ERR_OK);
    struct store_config c = {.dir = data};
    assert_int_equal(store_open(&c, &s, &why), ERR_OK);
    assert_true(store_log_size(s) > 0);
    for (int64_t seq = 1; store_event_get(s, seq, &ev) == ERR_OK; seq++) {
        assert_true(ev.erased);
        assert_int_equal(ev.parts.n, 0);
        stored_event_fini(&ev);
    }
    assert_int_equal(store_begin(s), ERR_STATE);
    store_close(&s);
    free(data);
    buf_fini(&why);
}

static const struct {
    const char *name, *sql;
} DAMAGE[] = {
    {"a changed leaf",
     "DROP TRIGGER log_leaf_no_update;"
     "UPDATE log_leaf SET leaf = CAST(leaf || x'00' AS BLOB) WHERE idx = 1"},
    {"a leaf that is missing",
     "DROP TRIGGER log_leaf_no_delete; DELETE FROM log_leaf WHERE idx = 1"},
    {"a head signed by nobody",
     "UPDATE log_checkpoint SET note ="
     " CAST(replace(CAST(note AS TEXT), char(10), 'x' || char(10)) AS BLOB)"},
    {"an index without its rows",
     "PRAGMA writable_schema = ON; UPDATE sqlite_master SET rootpage ="
     " (SELECT max(rootpage) FROM sqlite_master WHERE name NOT LIKE 'log_%')"
     " WHERE type = 'index' AND name NOT LIKE 'log_%' AND rowid ="
     " (SELECT min(rowid) FROM sqlite_master WHERE type = 'index' AND"
     " name NOT LIKE 'log_%')"},
    {"no leaf at all", "DROP TRIGGER log_leaf_no_delete; DELETE FROM log_leaf"},
};

static void a_copy_that_is_not_whole_is_told(void **state)
{
    struct region *r = *state;
    struct buf why = {0};
    some_life(r);
    char *data = copy_of(r), *other = region_path(r, "other");
    for (size_t i = 0; i < NELEM(DAMAGE); i++) {
        run_command("cp -r", data, other);
        outside(other, DAMAGE[i].sql);
        if (checked(r, other, &why) == ERR_OK)
            fail_msg("%s", DAMAGE[i].name);
        run_command("rm -r", other, NULL);
    }
    free(data);
    free(other);
    buf_fini(&why);
}

/* The folder that was named to backup holds data/, not hub.db. */
static void a_folder_without_a_copy_is_not_whole(void **state)
{
    struct region *r = *state;
    struct buf why = {0};
    struct stat st;
    some_life(r);
    char *data = copy_of(r), *above = region_path(r, "copy"),
         *made = region_path(r, "copy/hub.db");
    assert_int_equal(checked(r, above, &why), ERR_NOT_FOUND);
    assert_non_null(strstr((char *)why.p, "hub.db in it"));
    assert_int_not_equal(stat(made, &st), 0);
    free(data);
    free(above);
    free(made);
    buf_fini(&why);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        REGION_TEST(a_copy_alone_is_whole_and_tells_nothing),
        REGION_TEST(a_copy_that_is_not_whole_is_told),
        REGION_TEST(a_folder_without_a_copy_is_not_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
