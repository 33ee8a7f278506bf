/* world.h - a store in a folder of its own, made anew for every test:
 *   DIR/data (hub.db), DIR/ring (keyring.db), DIR/keys (anchor, kek/). */
#ifndef TSUNAGI_TEST_STORE_WORLD_H
#define TSUNAGI_TEST_STORE_WORLD_H
#include "hub/store/internal.h"
#include "proto/base/log.h"
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define MAYBE __attribute__((unused)) static
#define NOON_MS 1775012400000u /* 2026-04-01T12:00:00+09:00 */
#define HOSPITAL "MI-4910100017"
#define OFFICE "WO-4931000014"
#define CITY "LG-492019"
#define ok(e) assert_int_equal((e), ERR_OK)

struct world {
    char dir[64], data[80], ring[80], keys[80];
    char db[96], ring_db[96], anchor[96], kek[96], kek_file[112];
    bool accept_older_keyring, accept_rollback;
    struct store *s;
    struct buf why;
};

MAYBE enum err world_open(struct world *w)
{
    struct store_config c = {
        w->data,           w->anchor, w->ring, w->kek, w->accept_older_keyring,
        w->accept_rollback};
    return store_open(&c, &w->s, &w->why);
}

MAYBE void world_reopen(struct world *w)
{
    store_close(&w->s);
    ok(world_open(w));
}

/* Opening must fail with e, say why in one line and give nothing. */
MAYBE void world_refuses(struct world *w, enum err e)
{
    buf_reset(&w->why);
    assert_int_equal(world_open(w), e);
    assert_null(w->s);
    assert_true(w->why.n > 0);
    assert_null(memchr(w->why.p, '\n', w->why.n));
}

MAYBE int world_make(void **state)
{
    struct world *w = calloc(1, sizeof(*w));
    log_open("store_test", 0); /* refusals are expected here */
    snprintf(w->dir, sizeof(w->dir), "/tmp/tsunagi-store-XXXXXX");
    if (w == NULL || mkdtemp(w->dir) == NULL)
        return -1;
    snprintf(w->data, sizeof(w->data), "%s/data", w->dir);
    snprintf(w->keys, sizeof(w->keys), "%s/keys", w->dir);
    snprintf(w->db, sizeof(w->db), "%s/hub.db", w->data);
    snprintf(w->anchor, sizeof(w->anchor), "%s/anchor", w->keys);
    snprintf(w->ring, sizeof(w->ring), "%s/ring", w->dir);
    snprintf(w->ring_db, sizeof(w->ring_db), "%s/keyring.db", w->ring);
    snprintf(w->kek, sizeof(w->kek), "%s/kek", w->keys);
    snprintf(w->kek_file, sizeof(w->kek_file), "%s/epoch-1.kek", w->kek);
    *state = w;
    return mkdir(w->data, 0700) != 0 || mkdir(w->keys, 0700) != 0;
}

MAYBE int world_make_open(void **state)
{
    return world_make(state) != 0 || world_open(*state) != ERR_OK;
}

static int remove_one(const char *path, const struct stat *st, int flag,
                      struct FTW *f)
{
    (void)st, (void)flag, (void)f;
    return remove(path);
}

MAYBE int world_end(void **state)
{
    struct world *w = *state;
    store_close(&w->s);
    buf_fini(&w->why);
    int rc = nftw(w->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    free(w);
    return rc;
}

#define IN_WORLD(f) cmocka_unit_test_setup_teardown(f, world_make, world_end)
#define IN_OPEN_WORLD(f)                                                       \
    cmocka_unit_test_setup_teardown(f, world_make_open, world_end)

/* ---- files ---- */

MAYBE void slurp(const char *path, struct buf *b)
{
    ok(file_read(path, 64 << 20, b));
}

MAYBE void copy_file(const char *from, const char *to)
{
    struct buf b = {0};
    slurp(from, &b);
    ok(file_replace(to, buf_slice(&b), 0600));
    buf_fini(&b);
}

/* Flips a bit of every place in path where what is found; how many. */
MAYBE size_t flip(const char *path, struct slice what)
{
    struct buf b = {0};
    size_t n = 0;
    slurp(path, &b);
    uint8_t *p = b.p, *end = b.p + b.n;
    while ((p = memmem(p, (size_t)(end - p), what.p, what.n)) != NULL) {
        p[what.n / 2] ^= 0x10;
        p += what.n;
        n++;
    }
    ok(file_replace(path, buf_slice(&b), 0600));
    buf_fini(&b);
    return n;
}

static const char *sought;
static size_t sightings;
static int look(const char *path, const struct stat *st, int flag,
                struct FTW *f)
{
    (void)f;
    if (flag != FTW_F || st->st_size == 0)
        return 0;
    struct buf b = {0};
    slurp(path, &b);
    sightings += memmem(b.p, b.n, sought, strlen(sought)) != NULL;
    buf_fini(&b);
    return 0;
}

/* In how many files of the world a text can be found. */
MAYBE size_t seen_on_disk(const struct world *w, const char *text)
{
    sought = text;
    sightings = 0;
    assert_int_equal(nftw(w->dir, look, 8, FTW_PHYS), 0);
    return sightings;
}

/* SQL from outside, on a closed store. */
MAYBE void outside_sql_in(const char *path, const char *sql)
{
    sqlite3 *db;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

MAYBE void outside_sql(const struct world *w, const char *sql)
{
    outside_sql_in(w->db, sql);
}

/* A child that does not outlive the test, however that ends. */
MAYBE pid_t fork_child(void)
{
    pid_t pid = fork();
    if (pid == 0)
        prctl(PR_SET_PDEATHSIG, SIGKILL);
    assert_true(pid >= 0);
    return pid;
}

/* ---- content ---- */

MAYBE uint64_t add_leaf(struct store *s, uint64_t time_ms)
{
    Pb__AuditLeaf leaf = PB__AUDIT_LEAF__INIT;
    uint64_t index;
    leaf.has_kind = 1;
    leaf.kind = PB__LEAF_KIND__ADMIN;
    leaf.has_time_ms = time_ms != 0;
    leaf.time_ms = time_ms;
    ok(store_leaf(s, &leaf, &index));
    assert_int_equal(leaf.index, index);
    return index;
}

MAYBE void commit_leaves(struct store *s, size_t n)
{
    ok(store_begin(s));
    for (size_t i = 0; i < n; i++)
        add_leaf(s, NOON_MS);
    ok(store_commit(s));
}

MAYBE struct id new_person(struct store *s)
{
    struct id person;
    ok(store_person_new(s, &person));
    return person;
}

/* An event with this text as its parts; fini by the caller. */
MAYBE struct stored_event event_of(struct id person, const char *parts)
{
    struct stored_event e = {.event_id = id_new(NOON_MS),
                             .person = person,
                             .type = 101,
                             .lane = LANE_NORMAL,
                             .accepted_ms = NOON_MS,
                             .ingest_leaf = 7,
                             .agency = HOSPITAL,
                             .node = "h1/ad1"};
    buf_adds(&e.header, "header as it arrived");
    buf_adds(&e.signature, "signature");
    buf_adds(&e.parts, parts);
    return e;
}

MAYBE enum err put(struct store *s, struct stored_event *e)
{
    uint8_t hash[32];
    sha256(buf_slice(&e->header), hash);
    return store_event_put(s, e, hash);
}

MAYBE int64_t new_event(struct store *s, struct id person)
{
    struct stored_event e = event_of(person, "parts");
    ok(put(s, &e));
    int64_t seq = e.seq;
    stored_event_fini(&e);
    return seq;
}

MAYBE void set_value(struct store *s, const char *name, const char *text)
{
    ok(store_value_set(s, name, slice_str(text)));
}

/* The value is this text; NULL: there is none. */
MAYBE void value_is(struct store *s, const char *name, const char *text)
{
    struct buf b = {0};
    enum err e = store_value_get(s, name, &b);
    assert_int_equal(e, text == NULL ? ERR_NOT_FOUND : ERR_OK);
    if (text != NULL)
        assert_string_equal((const char *)b.p, text);
    buf_fini(&b);
}

MAYBE struct store_counts counts(struct store *s)
{
    struct store_counts c;
    ok(store_counts(s, &c));
    return c;
}
#endif
