/* Transactions, durability, settings and copies of the store; with --bench a
 * measurement of the store's share of an event. */
#include "tests/unit/hub/store/world.h"
#include <stdio.h>
#include <sys/resource.h>
#include <time.h>

/* ---- transactions ---- */

static void what_is_committed_is_there_after_reopening(void **state)
{
    struct world *w = *state;
    ok(store_begin(w->s));
    set_value(w->s, "registry", "one");
    ok(store_commit(w->s));
    ok(store_begin(w->s));
    set_value(w->s, "registry", "two");
    set_value(w->s, "empty", "");
    ok(store_commit(w->s));
    world_reopen(w);
    value_is(w->s, "registry", "two");
    struct buf b = {0};
    ok(store_value_get(w->s, "empty", &b));
    assert_int_equal(b.n, 0);
    buf_fini(&b);
}

static void an_aborted_transaction_leaves_nothing(void **state)
{
    struct world *w = *state;
    commit_leaves(w->s, 2);
    ok(store_begin(w->s));
    set_value(w->s, "x", "lost");
    new_event(w->s, new_person(w->s));
    add_leaf(w->s, NOON_MS + 5000);
    store_abort(w->s);
    value_is(w->s, "x", NULL);
    assert_int_equal(counts(w->s).events, 0);
    ok(store_begin(w->s));
    assert_int_equal(add_leaf(w->s, NOON_MS), 2);
    ok(store_commit(w->s));
    assert_int_equal(store_log_size(w->s), 3);
}

static void undo_takes_back_one_event_and_not_its_neighbours(void **state)
{
    struct world *w = *state;
    struct id lost, kept;
    ok(store_begin(w->s));
    ok(store_mark(w->s));
    kept = new_person(w->s);
    int64_t first = new_event(w->s, kept);
    assert_int_equal(add_leaf(w->s, NOON_MS), 0);
    ok(store_keep(w->s));
    ok(store_mark(w->s));
    lost = new_person(w->s);
    new_event(w->s, lost); /* its key is taken back as well */
    add_leaf(w->s, NOON_MS + 9000);
    add_leaf(w->s, NOON_MS + 9000);
    ok(store_undo(w->s));
    ok(store_mark(w->s));
    assert_int_equal(add_leaf(w->s, NOON_MS), 1);
    int64_t second = new_event(w->s, kept);
    ok(store_keep(w->s));
    ok(store_commit(w->s));
    assert_int_equal(store_log_size(w->s), 2);
    assert_int_equal(counts(w->s).events, 2);
    world_reopen(w);
    struct stored_event e;
    ok(store_event_get(w->s, first, &e));
    stored_event_fini(&e);
    ok(store_event_get(w->s, second, &e));
    stored_event_fini(&e);
    assert_int_equal(store_log_size(w->s), 2);
}

static void a_key_made_in_an_undone_event_is_not_used_again(void **state)
{
    struct world *w = *state;
    struct id person;
    ok(store_begin(w->s));
    person = new_person(w->s);
    ok(store_mark(w->s));
    new_event(w->s, person);
    ok(store_undo(w->s));
    int64_t seq = new_event(w->s, person);
    ok(store_commit(w->s));
    world_reopen(w);
    struct stored_event e;
    ok(store_event_get(w->s, seq, &e));
    assert_string_equal((char *)e.parts.p, "parts");
    stored_event_fini(&e);
}

static void writes_need_a_transaction(void **state)
{
    struct world *w = *state;
    struct id id;
    uint64_t index;
    Pb__AuditLeaf leaf = PB__AUDIT_LEAF__INIT;
    assert_int_equal(store_value_set(w->s, "x", SLICE_NONE), ERR_STATE);
    assert_int_equal(store_person_new(w->s, &id), ERR_STATE);
    assert_int_equal(store_leaf(w->s, &leaf, &index), ERR_STATE);
    assert_int_equal(store_commit(w->s), ERR_STATE);
    assert_int_equal(store_mark(w->s), ERR_STATE);
    assert_int_equal(store_keep(w->s), ERR_STATE);
    assert_int_equal(store_undo(w->s), ERR_STATE);
    ok(store_begin(w->s));
    assert_int_equal(store_begin(w->s), ERR_STATE);
    assert_int_equal(store_tidy(w->s), ERR_STATE);
    ok(store_mark(w->s));
    assert_int_equal(store_mark(w->s), ERR_STATE);
    assert_int_equal(store_commit(w->s), ERR_STATE);
    store_abort(w->s);
    store_abort(w->s);
}

/* ---- dying ---- */

/* A child that commits, tells each acknowledgement, and stops in the middle
 * of a transaction. */
static pid_t committing_child(struct world *w, int commits, int *acks)
{
    int fd[2];
    assert_int_equal(pipe(fd), 0);
    pid_t pid = fork_child();
    if (pid != 0) {
        close(fd[1]);
        *acks = fd[0];
        return pid;
    }
    bool good = world_open(w) == ERR_OK;
    for (int i = 1; good && i <= commits + 1; i++) {
        char text[16];
        snprintf(text, sizeof(text), "%d", i);
        good = store_begin(w->s) == ERR_OK &&
               store_value_set(w->s, "last", slice_str(text)) == ERR_OK;
        add_leaf(w->s, 0);
        if (i <= commits)
            good = good && store_commit(w->s) == ERR_OK;
        good = good && write(fd[1], &i, sizeof(i)) == sizeof(i);
    }
    if (good)
        pause();
    _exit(1);
}

static void read_acks(int fd, int upto)
{
    int i = 0;
    while (i < upto)
        assert_int_equal(read(fd, &i, sizeof(i)), sizeof(i));
    close(fd);
}

static void kill_child(pid_t pid)
{
    int status;
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
}

static void kill_9_in_a_transaction_loses_only_that_transaction(void **state)
{
    struct world *w = *state;
    int acks;
    pid_t pid = committing_child(w, 20, &acks);
    read_acks(acks, 21);
    kill_child(pid);
    ok(world_open(w));
    value_is(w->s, "last", "20");
    assert_int_equal(store_log_size(w->s), 20);
    commit_leaves(w->s, 1);
    assert_int_equal(store_log_size(w->s), 21);
}

static void kill_9_at_any_moment_loses_nothing_acknowledged(void **state)
{
    struct world *w = *state;
    int acks;
    pid_t pid = committing_child(w, 100000, &acks);
    read_acks(acks, 50);
    kill_child(pid);
    ok(world_open(w));
    assert_true(store_log_size(w->s) >= 50);
}

static void a_damaged_wal_is_noticed(void **state)
{
    struct world *w = *state;
    char wal[112];
    int acks;
    pid_t pid = committing_child(w, 20, &acks);
    read_acks(acks, 21);
    kill_child(pid);
    /* SQLite itself opens it without an error, at an earlier commit */
    snprintf(wal, sizeof(wal), "%s-wal", w->db);
    struct buf b = {0};
    slurp(wal, &b);
    b.p[b.n / 2] ^= 1;
    ok(file_replace(wal, buf_slice(&b), 0600));
    buf_fini(&b);
    world_refuses(w, ERR_ROLLBACK);
}

/* In the child: the disk is full from here on. */
static int on_a_full_disk(struct world *w)
{
    struct stat st;
    char wal[112], big[40000];
    memset(big, 'x', sizeof(big));
    snprintf(wal, sizeof(wal), "%s-wal", w->db);
    signal(SIGXFSZ, SIG_IGN);
    if (world_open(w) != ERR_OK || store_begin(w->s) != ERR_OK ||
        store_value_set(w->s, "a", slice_str("yes")) != ERR_OK ||
        store_commit(w->s) != ERR_OK || stat(wal, &st) != 0)
        return 1;
    struct rlimit limit = {(rlim_t)st.st_size + 5000, RLIM_INFINITY};
    if (setrlimit(RLIMIT_FSIZE, &limit) != 0 || store_begin(w->s) != ERR_OK ||
        store_value_set(w->s, "b", slice_of(big, sizeof(big))) != ERR_OK)
        return 2;
    if (store_commit(w->s) != ERR_STORE)
        return 3;
    store_abort(w->s);
    if (store_begin(w->s) != ERR_STORE || store_tidy(w->s) != ERR_STORE)
        return 4;
    store_close(&w->s);
    return 0;
}

static void after_a_storage_error_nothing_more_is_done(void **state)
{
    struct world *w = *state;
    int status;
    pid_t pid = fork_child();
    if (pid == 0)
        _exit(on_a_full_disk(w));
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    ok(world_open(w));
    value_is(w->s, "a", "yes");
    value_is(w->s, "b", NULL);
}

static int interrupt(void *ctx)
{
    (void)ctx;
    return 1;
}

static void
a_statement_that_fails_breaks_the_store_until_it_is_reopened(void **state)
{
    struct world *w = *state;
    struct buf b = {0};
    ok(store_begin(w->s));
    set_value(w->s, "a", "lost");
    sqlite3_progress_handler(w->s->db, 1, interrupt, NULL);
    assert_int_equal(store_value_get(w->s, "a", &b), ERR_STORE);
    sqlite3_progress_handler(w->s->db, 0, NULL, NULL);
    assert_int_equal(store_value_get(w->s, "a", &b), ERR_STORE);
    assert_int_equal(store_value_set(w->s, "b", SLICE_NONE), ERR_STORE);
    assert_int_equal(store_commit(w->s), ERR_STORE);
    store_abort(w->s);
    assert_int_equal(store_begin(w->s), ERR_STORE);
    world_reopen(w);
    value_is(w->s, "a", NULL);
    buf_fini(&b);
}

/* ---- copies and the WAL ---- */

static void tidy_empties_the_wal_when_idle(void **state)
{
    struct world *w = *state;
    struct stat st;
    char wal[112];
    snprintf(wal, sizeof(wal), "%s-wal", w->db);
    commit_leaves(w->s, 3);
    assert_int_equal(stat(wal, &st), 0);
    assert_true(st.st_size > 0);
    ok(store_tidy(w->s)); /* within a second of opening: nothing yet */
    assert_int_equal(stat(wal, &st), 0);
    assert_true(st.st_size > 0);
    w->s->tidied_ms = 0;
    ok(store_tidy(w->s));
    assert_int_equal(stat(wal, &st), 0);
    assert_int_equal(st.st_size, 0);
    world_reopen(w);
    assert_int_equal(store_log_size(w->s), 3);
}

static void a_long_wal_is_moved_while_busy(void **state)
{
    struct world *w = *state;
    static char page[200000];
    memset(page, 'x', sizeof(page));
    for (int i = 0; i < 100; i++) {
        ok(store_begin(w->s));
        ok(store_value_set(w->s, "p", slice_of(page, sizeof(page))));
        ok(store_commit(w->s));
    }
    assert_true(w->s->wal_pages < 4000);
}

static void a_backup_is_a_store_of_its_own(void **state)
{
    struct world *w = *state;
    char copy[112];
    snprintf(copy, sizeof(copy), "%s/copy.db", w->dir);
    ok(store_begin(w->s));
    set_value(w->s, "x", "kept");
    ok(store_commit(w->s));
    commit_leaves(w->s, 300);
    ok(store_backup(w->s, COPY_DATA, copy));
    assert_int_equal(store_backup(w->s, COPY_DATA, copy), ERR_CONFLICT);
    commit_leaves(w->s, 1); /* the store goes on */
    store_close(&w->s);
    copy_file(copy, w->db);
    world_refuses(w, ERR_ROLLBACK); /* older than what was acknowledged */
    assert_int_equal(unlink(w->anchor), 0);
    ok(world_open(w));
    value_is(w->s, "x", "kept");
    assert_int_equal(store_log_size(w->s), 300);
}

static void no_statement_of_an_event_walks_a_table(void **state)
{
    struct world *w = *state;
    for (size_t i = SQL_EVENT_SEEN; i < STATEMENT_COUNT; i++) {
        const char *sql = sqlite3_sql(w->s->st[i]);
        /* once at the start, or by its nature at one end of the table */
        if (i == SQL_DELIVERY_WAITING || i == SQL_PARKED_OPEN ||
            i == SQL_DEK_ANY || i == SQL_KEK_ALL || i == SQL_DEADLINE_NEXT ||
            i == SQL_CASE_BEFORE || i == SQL_SWEEP_NEXT ||
            i == SQL_SWEEP_COUNT || i == SQL_POLICY_GET ||
            i == SQL_GLASS_COUNTS || i == SQL_GLASS_OFTEN ||
            strstr(sql, "max(") != NULL)
            continue;
        /* of orders, which are few, and of the night */
        if (i >= SQL_ORDER_SUBJECT_PUT && i <= SQL_GONE_IS)
            continue;
        char explain[1024];
        sqlite3_stmt *st;
        snprintf(explain, sizeof(explain), "EXPLAIN QUERY PLAN %s", sql);
        sqlite3 *db = sqlite3_db_handle(w->s->st[i]);
        assert_int_equal(sqlite3_prepare_v2(db, explain, -1, &st, NULL),
                         SQLITE_OK);
        while (sqlite3_step(st) == SQLITE_ROW) {
            const char *plan = (const char *)sqlite3_column_text(st, 3);
            if (strstr(plan, "SCAN") != NULL ||
                (i == SQL_DELIVERY_DUE && strstr(plan, "B-TREE") != NULL))
                fail_msg("%s: %s", sql, plan);
        }
        sqlite3_finalize(st);
    }
}

static void a_fetch_starts_where_the_last_one_ended(void **state)
{
    struct world *w = *state;
    sqlite3_stmt *st;
    char explain[1024];
    snprintf(explain, sizeof(explain), "EXPLAIN QUERY PLAN %s",
             sqlite3_sql(w->s->st[SQL_DELIVERY_DUE]));
    assert_int_equal(sqlite3_prepare_v2(w->s->db, explain, -1, &st, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_step(st), SQLITE_ROW);
    const char *plan = (const char *)sqlite3_column_text(st, 3);
    assert_non_null(strstr(plan, "delivery_due"));
    assert_non_null(strstr(plan, "rowid>?"));
    sqlite3_finalize(st);
}

/* ---- --bench ---- */

#define BATCH 64

static double seconds(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static struct stored_event bench_body(struct id person, uint64_t n)
{
    struct stored_event e = event_of(person, "");
    for (size_t i = 0; i < 40; i++)
        buf_adds(&e.header, "0123456789abcdef");
    for (size_t i = 0; i < 64; i++)
        buf_adds(&e.parts, "0123456789abcdef");
    e.event_id = id_new(NOON_MS + n);
    return e;
}

/* What bench_event does beside the store's work. */
static double bench_overhead(int events)
{
    struct id person = id_random();
    double cpu = seconds(CLOCK_PROCESS_CPUTIME_ID);
    for (int i = 0; i < events; i++) {
        uint8_t hash[32];
        struct stored_event e = bench_body(person, (uint64_t)i);
        sha256(buf_slice(&e.header), hash);
        stored_event_fini(&e);
    }
    return (seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu) * 1e6 / events;
}

/* Everything the hub asks of the store for one event to one recipient. */
static void bench_event(struct store *s, struct id person, uint64_t n)
{
    uint8_t hash[32], token[16] = {1};
    struct grant *g;
    size_t grants;
    uint64_t last;
    bool found;
    struct person_facts about;
    struct id who;
    struct buf receipt = {0};
    struct stored_event e = bench_body(person, n);
    ok(store_mark(s));
    ok(store_event_seen(s, e.event_id, &found, hash, &receipt));
    ok(store_node_seq(s, "h1/ad1", LANE_NORMAL, &last));
    ok(store_node_seq_set(s, "h1/ad1", LANE_NORMAL, last + 1));
    ok(store_token_find(s, HOSPITAL, TOKEN_PERSON, token, &found, &who));
    ok(store_person(s, person, &about));
    ok(store_grants(s, person, &g, &grants));
    free(g);
    ok(store_person_handle(s, person, NOON_MS, token));
    add_leaf(s, NOON_MS + n);
    add_leaf(s, NOON_MS + n);
    ok(put(s, &e));
    struct delivery d = {.event_seq = e.seq,
                         .agency = CITY,
                         .lane = LANE_NORMAL,
                         .role = "R_CITY",
                         .purpose = "P_PLAN",
                         .queued_ms = NOON_MS};
    ok(store_delivery_put(s, &d));
    ok(store_event_receipt(s, e.seq, buf_slice(&e.header)));
    ok(store_keep(s));
    stored_event_fini(&e);
    buf_fini(&receipt);
}

static void bench_run(struct world *w, int events, const char *label)
{
    static struct id people[1000];
    ok(store_begin(w->s));
    for (size_t i = 0; i < NELEM(people); i++)
        people[i] = new_person(w->s);
    ok(store_commit(w->s));
    double beside = bench_overhead(events);
    double wall = seconds(CLOCK_MONOTONIC),
           cpu = seconds(CLOCK_PROCESS_CPUTIME_ID);
    for (int i = 0; i < events; i += BATCH) {
        ok(store_begin(w->s));
        for (int j = 0; j < BATCH; j++)
            bench_event(w->s, people[(i + j) * 7919 % 1000], (uint64_t)i);
        ok(store_commit(w->s));
    }
    printf("%s: %d events, %d a commit: %.1f us wall, %.1f us cpu an event\n",
           label, events, BATCH,
           (seconds(CLOCK_MONOTONIC) - wall) * 1e6 / events - beside,
           (seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu) * 1e6 / events - beside);
}

static int bench(void)
{
    void *state;
    if (world_make_open(&state) != 0)
        return 1;
    bench_run(state, 19200, "empty store");
    bench_run(state, 64000, "filling");
    bench_run(state, 19200, "filled store");
    return world_end(&state);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        IN_OPEN_WORLD(what_is_committed_is_there_after_reopening),
        IN_OPEN_WORLD(an_aborted_transaction_leaves_nothing),
        IN_OPEN_WORLD(undo_takes_back_one_event_and_not_its_neighbours),
        IN_OPEN_WORLD(a_key_made_in_an_undone_event_is_not_used_again),
        IN_OPEN_WORLD(writes_need_a_transaction),
        IN_WORLD(kill_9_in_a_transaction_loses_only_that_transaction),
        IN_WORLD(kill_9_at_any_moment_loses_nothing_acknowledged),
        IN_WORLD(a_damaged_wal_is_noticed),
        IN_WORLD(after_a_storage_error_nothing_more_is_done),
        IN_OPEN_WORLD(
            a_statement_that_fails_breaks_the_store_until_it_is_reopened),
        IN_OPEN_WORLD(tidy_empties_the_wal_when_idle),
        IN_OPEN_WORLD(a_long_wal_is_moved_while_busy),
        IN_OPEN_WORLD(a_backup_is_a_store_of_its_own),
        IN_OPEN_WORLD(no_statement_of_an_event_walks_a_table),
        IN_OPEN_WORLD(a_fetch_starts_where_the_last_one_ended),
    };
    if (argc > 1 && strcmp(argv[1], "--bench") == 0)
        return bench();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
