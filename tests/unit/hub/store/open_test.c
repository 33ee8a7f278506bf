/* The store opens safely or not at all. */
#include "tests/unit/hub/store/world.h"

static const struct {
    const char *pragma, *want;
} SETTINGS[] = {
    {"locking_mode", "exclusive"},
    {"journal_mode", "wal"},
    {"synchronous", "2"},
    {"secure_delete", "1"},
    {"trusted_schema", "0"},
    {"foreign_keys", "1"},
    {"mmap_size", "0"},
    {"cell_size_check", "1"},
    {"temp_store", "2"},
    {"journal_size_limit", "4194304"},
    {"user_version", "1"},
    {"application_id", "1414745649"},
};

static void the_settings_are_what_durability_needs(void **state)
{
    struct world *w = *state;
    for (size_t i = 0; i < NELEM(SETTINGS); i++) {
        char sql[64];
        sqlite3_stmt *st;
        snprintf(sql, sizeof(sql), "PRAGMA %s", SETTINGS[i].pragma);
        assert_int_equal(sqlite3_prepare_v2(w->s->db, sql, -1, &st, NULL),
                         SQLITE_OK);
        assert_int_equal(sqlite3_step(st), SQLITE_ROW);
        const char *got = (const char *)sqlite3_column_text(st, 0);
        if (strcmp(got, SETTINGS[i].want) != 0)
            fail_msg("%s is %s", SETTINGS[i].pragma, got);
        sqlite3_finalize(st);
    }
}

static void there_is_no_shared_memory_file(void **state)
{
    struct world *w = *state;
    char shm[112];
    snprintf(shm, sizeof(shm), "%s-shm", w->db);
    commit_leaves(w->s, 1);
    assert_int_not_equal(access(shm, F_OK), 0);
}

static void extensions_cannot_be_loaded(void **state)
{
    struct world *w = *state;
    assert_int_not_equal(
        sqlite3_exec(w->s->db, "SELECT load_extension('x')", 0, 0, 0),
        SQLITE_OK);
    assert_int_not_equal(sqlite3_load_extension(w->s->db, "x", NULL, NULL),
                         SQLITE_OK);
}

static const struct {
    const char *name;
    long type;
    enum err want;
} FILESYSTEMS[] = {
    {"ext4 is taken", 0xef53, ERR_OK},
    {"xfs is taken", 0x58465342, ERR_OK},
    {"overlayfs is taken with a warning", 0x794c7630, ERR_OK},
    {"NFS is refused", 0x6969, ERR_STORE_OPEN},
    {"SMB is refused", 0x517b, ERR_STORE_OPEN},
    {"CIFS is refused", 0xff534d42, ERR_STORE_OPEN},
    {"CIFS is refused, sign-extended", (long)(int32_t)0xff534d42,
     ERR_STORE_OPEN},
    {"SMB2 is refused", 0xfe534d42, ERR_STORE_OPEN},
};

static void network_file_systems_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < NELEM(FILESYSTEMS); i++)
        if (filesystem_check(FILESYSTEMS[i].type) != FILESYSTEMS[i].want)
            fail_msg("%s", FILESYSTEMS[i].name);
}

/* ---- whose database ---- */

static const struct {
    const char *name, *sql;
} FOREIGN[] = {
    {"a newer schema is refused", "PRAGMA user_version=99"},
    {"another program's file is refused", "PRAGMA application_id=7"},
    {"a missing table is refused", "DROP TABLE node_seq"},
};

static void a_database_that_is_not_ours_is_refused(void **state)
{
    struct world *w = *state;
    for (size_t i = 0; i < NELEM(FOREIGN); i++) {
        ok(world_open(w));
        store_close(&w->s);
        outside_sql(w, FOREIGN[i].sql);
        world_refuses(w, ERR_STORE_OPEN);
        assert_int_equal(unlink(w->db), 0);
    }
}

static void a_file_of_rubbish_is_refused(void **state)
{
    struct world *w = *state;
    ok(file_replace(w->db, slice_str("this is no database, not at all"), 0600));
    world_refuses(w, ERR_STORE_OPEN);
}

static void a_missing_folder_is_refused(void **state)
{
    struct world *w = *state;
    assert_int_equal(rmdir(w->data), 0);
    world_refuses(w, ERR_STORE_OPEN);
    assert_int_equal(mkdir(w->data, 0700), 0);
}

static void a_second_process_is_refused(void **state)
{
    struct world *w = *state;
    int fd[2], status;
    char c;
    assert_int_equal(pipe(fd), 0);
    pid_t pid = fork_child();
    if (pid == 0) {
        if (world_open(w) == ERR_OK && write(fd[1], "x", 1) == 1)
            pause();
        _exit(1);
    }
    assert_int_equal(read(fd[0], &c, 1), 1);
    world_refuses(w, ERR_STORE_OPEN);
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    ok(world_open(w));
    close(fd[0]);
    close(fd[1]);
}

static void files_are_for_their_owner_only(void **state)
{
    struct world *w = *state;
    char wal[112];
    snprintf(wal, sizeof(wal), "%s-wal", w->db);
    commit_leaves(w->s, 1);
    const char *files[] = {w->db, wal, w->ring_db, w->kek_file, w->anchor};
    for (size_t i = 0; i < NELEM(files); i++) {
        struct stat st;
        assert_int_equal(stat(files[i], &st), 0);
        if ((st.st_mode & 07777) != 0600)
            fail_msg("%s is %o", files[i], (unsigned)st.st_mode);
    }
}

static void keys_and_anchor_must_lie_outside_the_data(void **state)
{
    struct world *w = *state;
    char inside[112];
    struct buf why = {0};
    struct store *s;
    snprintf(inside, sizeof(inside), "%s/../data/x", w->data);
    struct store_config kek = {w->data, w->anchor, w->ring,
                               inside,  false,     false};
    struct store_config anchor = {w->data, inside, w->ring,
                                  w->kek,  false,  false};
    struct store_config ring = {w->data, w->anchor, inside,
                                w->kek,  false,     false};
    struct store_config both = {w->data, w->anchor, w->ring,
                                w->ring, false,     false};
    assert_int_equal(store_open(&kek, &s, &why), ERR_STORE_OPEN);
    assert_int_equal(store_open(&anchor, &s, &why), ERR_STORE_OPEN);
    assert_int_equal(store_open(&ring, &s, &why), ERR_STORE_OPEN);
    assert_int_equal(store_open(&both, &s, &why), ERR_STORE_OPEN);
    buf_fini(&why);
}

/* ---- the anchor ---- */

static void an_older_copy_of_the_database_is_refused(void **state)
{
    struct world *w = *state;
    char old[112];
    snprintf(old, sizeof(old), "%s/old.db", w->dir);
    commit_leaves(w->s, 10);
    store_close(&w->s);
    copy_file(w->db, old);
    ok(world_open(w));
    commit_leaves(w->s, 1);
    store_close(&w->s);
    copy_file(old, w->db);
    world_refuses(w, ERR_ROLLBACK);
}

static void a_vanished_database_is_refused(void **state)
{
    struct world *w = *state;
    commit_leaves(w->s, 1);
    store_close(&w->s);
    assert_int_equal(unlink(w->db), 0);
    world_refuses(w, ERR_ROLLBACK);
}

static void another_log_of_the_same_length_is_refused(void **state)
{
    struct world *w = *state;
    char old[112];
    snprintf(old, sizeof(old), "%s/old", w->keys);
    commit_leaves(w->s, 3);
    store_close(&w->s);
    assert_int_equal(rename(w->anchor, old), 0);
    assert_int_equal(unlink(w->db), 0);
    ok(world_open(w));
    commit_leaves(w->s, 3);
    store_close(&w->s);
    assert_int_equal(rename(old, w->anchor), 0);
    world_refuses(w, ERR_ROLLBACK);
}

static void the_database_may_be_ahead_of_the_anchor(void **state)
{
    struct world *w = *state;
    char old[112];
    snprintf(old, sizeof(old), "%s/old", w->keys);
    commit_leaves(w->s, 3);
    store_close(&w->s);
    copy_file(w->anchor, old);
    ok(world_open(w));
    commit_leaves(w->s, 3);
    store_close(&w->s);
    copy_file(old, w->anchor);
    ok(world_open(w));
    assert_int_equal(w->s->anchor.size, 6); /* and it is brought up */
    store_close(&w->s);
    ok(world_open(w));
    assert_int_equal(w->s->anchor.size, 6);
}

static void a_torn_anchor_record_leaves_the_other(void **state)
{
    struct world *w = *state;
    uint8_t size[2] = {0};
    commit_leaves(w->s, 1);
    commit_leaves(w->s, 1);
    store_close(&w->s);
    int fd = open(w->anchor, O_RDWR);
    for (int slot = 0; slot < 2; slot++)
        assert_int_equal(pread(fd, &size[slot], 1, slot * 4096 + 15), 1);
    assert_int_equal(size[0] + size[1], 1 + 2);
    unsigned newest = size[1] == 2;
    assert_int_equal(pwrite(fd, "torn", 4, (off_t)newest * 4096 + 20), 4);
    close(fd);
    ok(world_open(w));
    assert_int_equal(store_log_size(w->s), 2);
    store_close(&w->s);
    fd = open(w->anchor, O_RDWR);
    assert_int_equal(pwrite(fd, "torn", 4, 20), 4);
    assert_int_equal(pwrite(fd, "torn", 4, 4096 + 20), 4);
    close(fd);
    world_refuses(w, ERR_STORE_OPEN);
}

/* ---- the key-encryption key ---- */

static void with_an_event(struct world *w)
{
    ok(world_open(w));
    ok(store_begin(w->s));
    new_event(w->s, new_person(w->s));
    ok(store_commit(w->s));
    store_close(&w->s);
}

static void a_key_file_open_to_others_is_refused(void **state)
{
    struct world *w = *state;
    with_an_event(w);
    assert_int_equal(chmod(w->kek_file, 0640), 0);
    world_refuses(w, ERR_STORE_OPEN);
    assert_int_equal(chmod(w->kek_file, 0600), 0);
    ok(world_open(w));
}

static void a_lost_key_is_not_replaced_by_a_new_one(void **state)
{
    struct world *w = *state;
    with_an_event(w);
    assert_int_equal(unlink(w->kek_file), 0);
    world_refuses(w, ERR_STORE_OPEN);
    assert_non_null(strstr((const char *)w->why.p, "missing"));
    assert_int_not_equal(access(w->kek_file, F_OK), 0);
}

static void another_hubs_key_is_refused(void **state)
{
    struct world *w = *state;
    with_an_event(w);
    struct buf b = {0};
    slurp(w->kek_file, &b);
    uint8_t *digit = &b.p[40];
    *digit = *digit == '0' ? '1' : '0';
    ok(file_replace(w->kek_file, buf_slice(&b), 0600));
    world_refuses(w, ERR_STORE_OPEN);
    b.p[40] = 'x';
    ok(file_replace(w->kek_file, buf_slice(&b), 0600));
    world_refuses(w, ERR_STORE_OPEN);
    buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_OPEN_WORLD(the_settings_are_what_durability_needs),
        IN_OPEN_WORLD(there_is_no_shared_memory_file),
        IN_OPEN_WORLD(extensions_cannot_be_loaded),
        IN_WORLD(network_file_systems_are_refused),
        IN_WORLD(a_database_that_is_not_ours_is_refused),
        IN_WORLD(a_file_of_rubbish_is_refused),
        IN_WORLD(a_missing_folder_is_refused),
        IN_WORLD(a_second_process_is_refused),
        IN_OPEN_WORLD(files_are_for_their_owner_only),
        IN_WORLD(keys_and_anchor_must_lie_outside_the_data),
        IN_OPEN_WORLD(an_older_copy_of_the_database_is_refused),
        IN_OPEN_WORLD(a_vanished_database_is_refused),
        IN_OPEN_WORLD(another_log_of_the_same_length_is_refused),
        IN_OPEN_WORLD(the_database_may_be_ahead_of_the_anchor),
        IN_OPEN_WORLD(a_torn_anchor_record_leaves_the_other),
        IN_WORLD(a_key_file_open_to_others_is_refused),
        IN_WORLD(a_lost_key_is_not_replaced_by_a_new_one),
        IN_WORLD(another_hubs_key_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
