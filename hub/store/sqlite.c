/* sqlite.c - statements, values, transactions, copies: how the store talks to
 * SQLite once it is open (open.c).
 *
 * Every statement is prepared once. A transaction is BEGIN IMMEDIATE ..
 * COMMIT; each event in it has a savepoint, whose journal stays in memory
 * (open.c), so a bad event is taken back without touching its neighbours.
 * What lives beside the rows (pending leaves, counters, keys in memory) is
 * taken back with them: struct tally.
 *
 * The WAL is moved into the database by this same connection: between commits
 * once it is large, and emptied when the hub is idle (store_tidy), because
 * secure_delete wipes a deleted row in the database only when the WAL that
 * still holds it is truncated. After a failure nothing is retried and closing
 * does not checkpoint: what is on disk is read anew at the next start. */
#include "hub/store/internal.h"
#include "proto/base/clock.h"
#include "proto/base/log.h"
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WAL_BUSY_PAGES 4000 /* 16 MiB */
#define WAL_TIDY_PAGES 1024
#define TIDY_MS 1000
#define INDEX_SLICE 1024 /* leaves: some milliseconds */
#define BACKUP_PAGES 64
#define VALUE_MAX (1 << 24) /* bytes of one value; bodies are far smaller */

struct statement_text {
    const char *name, *sql;
};
static const struct statement_text TEXTS[STATEMENT_COUNT] = {
#define STATEMENT(name, sql) {#name, sql},
#include "hub/store/statements.def"
#undef STATEMENT
};

static enum err failed(struct store *s, sqlite3 *db, const char *what)
{
    int code = sqlite3_extended_errcode(db);
    if (code == SQLITE_CONSTRAINT_UNIQUE ||
        code == SQLITE_CONSTRAINT_PRIMARYKEY ||
        code == SQLITE_CONSTRAINT_ROWID) {
        log_warn("store: key taken statement=%s code=%d", what, code);
        return ERR_CONFLICT;
    }
    log_error("store: failed statement=%s code=%d", what, code);
    s->broken = true;
    return ERR_STORE;
}

enum err sql_failed(struct store *s, const char *what)
{
    return failed(s, s->db, what);
}

static sqlite3 *db_of(struct store *s, enum statement q)
{
    return q >= SQL_OF_KEYRING ? s->ring_db : s->db;
}

static enum err failed_at(struct store *s, enum statement q)
{
    return failed(s, db_of(s, q), TEXTS[q].name);
}

enum err sql_prepare(struct store *s, bool keyring)
{
    enum statement q = keyring ? SQL_OF_KEYRING : 0,
                   end = keyring ? STATEMENT_COUNT : SQL_OF_KEYRING;
    for (; q < end; q++)
        if (sqlite3_prepare_v3(db_of(s, q), TEXTS[q].sql, -1,
                               SQLITE_PREPARE_PERSISTENT, &s->st[q],
                               NULL) != SQLITE_OK)
            return failed_at(s, q);
    return ERR_OK;
}

void sql_finalize(struct store *s)
{
    for (size_t i = 0; i < STATEMENT_COUNT; i++) {
        sqlite3_finalize(s->st[i]);
        s->st[i] = NULL;
    }
}

/* ---- values in, columns out ---- */

/* The caller's bytes outlive the step, so nothing is copied. */
static int bind(sqlite3_stmt *st, int at, const struct value *v)
{
    const void *p = v->s.p != NULL ? v->s.p : (const void *)"";
    assert(v->s.n <= VALUE_MAX);
    switch (v->kind) {
    case VALUE_INT:
        return sqlite3_bind_int64(st, at, v->i);
    case VALUE_BLOB:
        return sqlite3_bind_blob(st, at, p, (int)v->s.n, SQLITE_STATIC);
    case VALUE_TEXT:
        return sqlite3_bind_text(st, at, p, (int)v->s.n, SQLITE_STATIC);
    case VALUE_NULL:
        break;
    }
    return sqlite3_bind_null(st, at);
}

static enum err bind_all(struct store *s, enum statement q,
                         const struct value *v, size_t n)
{
    if (s->broken)
        return ERR_STORE;
    assert((int)n == sqlite3_bind_parameter_count(s->st[q]));
    for (size_t i = 0; i < n; i++)
        if (bind(s->st[q], (int)i + 1, &v[i]) != SQLITE_OK)
            return failed_at(s, q);
    return ERR_OK;
}

enum err sql_execute(struct store *s, enum statement q, const struct value *v,
                     size_t n)
{
    enum err e = bind_all(s, q, v, n);
    if (e != ERR_OK)
        return e;
    if (sqlite3_step(s->st[q]) != SQLITE_DONE)
        e = failed_at(s, q);
    sqlite3_reset(s->st[q]);
    return e;
}

enum err sql_run(struct store *s, enum statement q, const struct value *v,
                 size_t n)
{
    if (!s->in_tx)
        return ERR_STATE;
    return sql_execute(s, q, v, n);
}

enum err sql_run_one(struct store *s, enum statement q, const struct value *v,
                     size_t n)
{
    enum err e = sql_run(s, q, v, n);
    if (e == ERR_OK && sqlite3_changes(s->db) == 0)
        return ERR_NOT_FOUND;
    return e;
}

enum err sql_row(struct store *s, enum statement q, const struct value *v,
                 size_t n, bool *found)
{
    *found = false;
    enum err e = bind_all(s, q, v, n);
    if (e != ERR_OK)
        return e;
    return sql_next(s, q, found);
}

enum err sql_next(struct store *s, enum statement q, bool *more)
{
    int rc = sqlite3_step(s->st[q]);
    *more = rc == SQLITE_ROW;
    if (*more)
        return ERR_OK;
    enum err e = rc == SQLITE_DONE ? ERR_OK : failed_at(s, q);
    enum err d = sql_done(s, q);
    return e != ERR_OK ? e : d;
}

enum err sql_done(struct store *s, enum statement q)
{
    sqlite3_reset(s->st[q]);
    if (!s->damaged)
        return ERR_OK;
    s->damaged = false;
    log_error("store: damaged row statement=%s", TEXTS[q].name);
    return ERR_INTEGRITY;
}

void sql_abandon(struct store *s, enum statement q)
{
    sqlite3_reset(s->st[q]);
    s->damaged = false;
}

enum err sql_number(struct store *s, enum statement q, uint64_t *out)
{
    bool found;
    *out = 0;
    enum err e = sql_row(s, q, WITH_NOTHING, &found);
    if (e != ERR_OK || !found)
        return e;
    *out = col_int(s, q, 0);
    return sql_done(s, q);
}

uint64_t col_int(struct store *s, enum statement q, int i)
{
    return (uint64_t)sqlite3_column_int64(s->st[q], i);
}

struct slice col_slice(struct store *s, enum statement q, int i)
{
    const void *p = sqlite3_column_blob(s->st[q], i);
    int n = sqlite3_column_bytes(s->st[q], i);
    return slice_of(p, p != NULL && n > 0 ? (size_t)n : 0);
}

void col_bytes(struct store *s, enum statement q, int i, uint8_t *out, size_t n)
{
    struct slice c = col_slice(s, q, i);
    memset(out, 0, n);
    if (c.n == n)
        memcpy(out, c.p, n);
    else if (sqlite3_column_type(s->st[q], i) != SQLITE_NULL)
        s->damaged = true;
}

struct id col_id(struct store *s, enum statement q, int i)
{
    struct id id;
    col_bytes(s, q, i, id.b, ID_BYTES);
    return id;
}

void col_text(struct store *s, enum statement q, int i, char *out, size_t cap)
{
    struct slice c = col_slice(s, q, i);
    out[0] = '\0';
    if (c.n >= cap) {
        s->damaged = true;
        return;
    }
    if (c.n > 0)
        memcpy(out, c.p, c.n);
    out[c.n] = '\0';
}

void col_buf(struct store *s, enum statement q, int i, struct buf *out)
{
    struct slice c = col_slice(s, q, i);
    buf_add(out, c.p, c.n);
}

enum err grow(void **p, size_t n, size_t *cap, size_t size)
{
    if (n < *cap)
        return ERR_OK;
    size_t more = *cap == 0 ? 16 : *cap * 2;
    void *q = realloc(*p, more * size);
    if (q == NULL)
        return ERR_NOMEM;
    *p = q;
    *cap = more;
    return ERR_OK;
}

void random_take(struct store *s, uint8_t *out, size_t n)
{
    assert(n <= 64);
    if (s->random_left < n) {
        randombytes_buf(s->random, sizeof(s->random));
        s->random_left = sizeof(s->random);
    }
    s->random_left -= n;
    memcpy(out, s->random + s->random_left, n);
    sodium_memzero(s->random + s->random_left, n);
}

/* ---- transactions ---- */

enum err store_begin(struct store *s)
{
    if (s->in_tx || s->keys == NULL)
        return ERR_STATE;
    enum err e = sql_execute(s, SQL_BEGIN, WITH_NOTHING);
    if (e != ERR_OK)
        return e;
    s->in_tx = true;
    s->marked = false;
    s->at_begin = s->now;
    return ERR_OK;
}

static enum err write_note(struct store *s)
{
    if (!s->note_waits)
        return ERR_OK;
    return sql_run(s, SQL_CHECKPOINT_PUT,
                   WITH(v_int(s->note_size), v_blob(s->note.p, s->note.n)));
}

/* COMMIT returns once the WAL is synced: synchronous=FULL. */
static enum err commit_rows(struct store *s)
{
    enum err e = log_write(s);
    if (e == ERR_OK)
        e = write_note(s);
    if (e == ERR_OK)
        e = keyring_commit(s); /* first: see keyring.c */
    if (e == ERR_OK)
        e = sql_execute(s, SQL_COMMIT, WITH_NOTHING);
    return e;
}

enum err store_commit(struct store *s)
{
    if (!s->in_tx || s->marked)
        return ERR_STATE;
    enum err e = commit_rows(s);
    if (e != ERR_OK) {
        s->broken = true; /* nothing of it is known to be on disk */
        return ERR_STORE;
    }
    s->in_tx = false;
    s->note_waits = false;
    bool grown = s->now.leaves > 0;
    log_written(s);
    if (grown)
        e = anchor_write(&s->anchor, s->size, log_last(s));
    if (e == ERR_OK && s->wal_pages >= WAL_BUSY_PAGES)
        e = sql_checkpoint(s, false);
    if (e == ERR_OK && s->ring_pages >= WAL_BUSY_PAGES)
        e = keyring_checkpoint(s, false);
    s->broken |= e != ERR_OK;
    return e == ERR_OK ? ERR_OK : ERR_STORE;
}

void store_abort(struct store *s)
{
    if (!s->in_tx)
        return;
    /* an error may have rolled back already */
    if (!sqlite3_get_autocommit(s->db)) {
        if (sqlite3_step(s->st[SQL_ROLLBACK]) != SQLITE_DONE)
            (void)failed_at(s, SQL_ROLLBACK);
        sqlite3_reset(s->st[SQL_ROLLBACK]);
    }
    s->in_tx = s->marked = false;
    s->now = s->at_begin;
    s->last_seq = 0;
    log_drop(s, s->now.leaves);
    keyring_abort(s);
}

enum err store_mark(struct store *s)
{
    if (!s->in_tx || s->marked)
        return ERR_STATE;
    enum err e = sql_execute(s, SQL_MARK, WITH_NOTHING);
    if (e != ERR_OK)
        return e;
    s->marked = true;
    s->at_mark = s->now;
    return ERR_OK;
}

enum err store_keep(struct store *s)
{
    if (!s->marked)
        return ERR_STATE;
    s->marked = false;
    return sql_execute(s, SQL_KEEP, WITH_NOTHING);
}

enum err store_undo(struct store *s)
{
    if (!s->marked)
        return ERR_STATE;
    s->marked = false;
    s->now = s->at_mark;
    s->last_seq = 0;
    log_drop(s, s->now.leaves); /* keys made stay: they harm nothing */
    enum err e = sql_execute(s, SQL_UNDO, WITH_NOTHING);
    return e != ERR_OK ? e : sql_execute(s, SQL_KEEP, WITH_NOTHING);
}

/* ---- the WAL and copies ---- */

static enum err checkpoint(struct store *s, sqlite3 *db, int *pages,
                           bool truncate)
{
    int mode =
        truncate ? SQLITE_CHECKPOINT_TRUNCATE : SQLITE_CHECKPOINT_PASSIVE;
    if (sqlite3_wal_checkpoint_v2(db, NULL, mode, NULL, NULL) != SQLITE_OK)
        return failed(s, db, "checkpoint");
    *pages = 0;
    return ERR_OK;
}

enum err sql_checkpoint(struct store *s, bool truncate)
{
    return checkpoint(s, s->db, &s->wal_pages, truncate);
}

enum err keyring_checkpoint(struct store *s, bool truncate)
{
    return checkpoint(s, s->ring_db, &s->ring_pages, truncate);
}

/* A note that found no transaction to ride in gets one of its own. */
static enum err flush_note(struct store *s)
{
    if (!s->note_waits)
        return ERR_OK;
    enum err e = store_begin(s);
    return e != ERR_OK ? e : store_commit(s);
}

enum err store_tidy(struct store *s)
{
    if (s->in_tx)
        return ERR_STATE;
    if (s->broken)
        return ERR_STORE;
    if (s->keys == NULL)
        return ERR_OK; /* a copy is looked at */
    uint64_t now = clock_boot_ms();
    bool rested = now - s->tidied_ms >= TIDY_MS;
    uint64_t indexed;
    enum err e = ERR_OK;
    if (rested)
        e = flush_note(s);
    if (e == ERR_OK && rested && s->anchor.dirty)
        e = anchor_sync(&s->anchor);
    if (e == ERR_OK && rested)
        e = store_index_more(s, INDEX_SLICE, &indexed);
    if (e == ERR_OK &&
        (s->wal_pages > WAL_TIDY_PAGES || (s->wal_pages > 0 && rested)))
        e = sql_checkpoint(s, true);
    if (e == ERR_OK && s->ring_pages > 0 && rested)
        e = keyring_checkpoint(s, true);
    if (rested)
        s->tidied_ms = now;
    s->broken |= e != ERR_OK;
    return e;
}

/* Copies every page, then makes the copy durable. */
static enum err copy_pages(sqlite3 *from, sqlite3 *to)
{
    sqlite3_backup *b = sqlite3_backup_init(to, "main", from, "main");
    if (b == NULL)
        return ERR_IO;
    int rc;
    do
        rc = sqlite3_backup_step(b, BACKUP_PAGES);
    while (rc == SQLITE_OK);
    if (sqlite3_backup_finish(b) != SQLITE_OK || rc != SQLITE_DONE) {
        log_error("store: backup failed code=%d", rc);
        return ERR_IO;
    }
    return ERR_OK;
}

static enum err sync_file(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return ERR_IO;
    enum err e = fsync(fd) == 0 ? ERR_OK : ERR_IO;
    close(fd);
    return e == ERR_OK ? folder_sync(path) : e;
}

static enum err create_empty(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return errno == EEXIST ? ERR_CONFLICT : ERR_IO;
    close(fd);
    return ERR_OK;
}

enum err store_backup(struct store *s, enum store_copy what, const char *path)
{
    if (s->in_tx)
        return ERR_STATE;
    if (s->broken)
        return ERR_STORE;
    enum err e = create_empty(path);
    if (e != ERR_OK)
        return e;
    sqlite3 *to = NULL;
    if (sqlite3_open_v2(path, &to, SQLITE_OPEN_READWRITE, NULL) != SQLITE_OK)
        e = ERR_IO;
    else
        e = copy_pages(what == COPY_KEYRING ? s->ring_db : s->db, to);
    if (sqlite3_close(to) != SQLITE_OK && e == ERR_OK)
        e = ERR_IO;
    if (e == ERR_OK)
        e = sync_file(path);
    if (e != ERR_OK)
        unlink(path);
    return e;
}

/* A damaged page, or an index that lacks a row, is nowhere else seen before it
 * is read. */
enum err store_pages_check(struct store *s, struct buf *why)
{
    sqlite3_stmt *st = NULL;
    const char *said = NULL;
    if (sqlite3_prepare_v2(s->db, "PRAGMA integrity_check(1)", -1, &st, NULL) ==
            SQLITE_OK &&
        sqlite3_step(st) == SQLITE_ROW)
        said = (const char *)sqlite3_column_text(st, 0);
    bool ok = said != NULL && strcmp(said, "ok") == 0;
    if (!ok)
        buf_adds(why, "hub.db: a page is damaged; this copy is not whole");
    sqlite3_finalize(st);
    return ok ? ERR_OK : ERR_STORE;
}

/* ---- small things ---- */

enum err store_value_get(struct store *s, const char *name, struct buf *out)
{
    bool found;
    enum err e = sql_row(s, SQL_VALUE_GET, WITH(v_text(name)), &found);
    if (e != ERR_OK)
        return e;
    if (!found)
        return ERR_NOT_FOUND;
    col_buf(s, SQL_VALUE_GET, 0, out);
    e = sql_done(s, SQL_VALUE_GET);
    return e == ERR_OK && out->failed ? ERR_NOMEM : e;
}

enum err store_value_set(struct store *s, const char *name, struct slice v)
{
    return sql_run(s, SQL_VALUE_SET, WITH(v_text(name), v_blob(v.p, v.n)));
}

enum err store_counts(struct store *s, struct store_counts *out)
{
    memset(out, 0, sizeof(*out));
    if (s->broken)
        return ERR_STORE;
    out->events = s->now.events;
    for (int lane = 0; lane < LANE_COUNT; lane++)
        out->queued[lane] = s->now.waiting[lane];
    out->parked = s->now.parked;
    out->leaves = s->size;
    return deliveries_oldest(s, &out->oldest_queued_ms);
}
