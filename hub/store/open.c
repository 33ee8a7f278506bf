/* open.c - opening the store safely, or not at all, and closing it.
 *
 *  1. The folder must not be on a network file system.
 *  2. After a failed fsync the kernel may call a page clean that never reached
 *     the disk, so a restart would read what the disk does not hold. Before
 *     SQLite opens them, database and WAL are therefore synced and dropped
 *     from the page cache. (Raw descriptors are safe only then: closing one
 *     later would drop SQLite's locks.)
 *  3. One connection, exclusive: 3.40.1 loses commits when two checkpoint. With
 *     EXCLUSIVE locking there is no -shm file either, whose mmap can raise
 *     SIGBUS on a full disk. Every setting is read back.
 *  4. application_id says whose file it is, user_version which migrations
 *     (schema/NNNN.sql, built in) it has had; a newer one is refused.
 *  5. keyring.db, the same way on a connection of its own: data, keyring and
 *     key-encryption keys lie in three folders, none within another.
 *  6. The log: its last leaves are hashed again, and the anchor beside the
 *     keys must name a leaf that is there. */
#include "hub/store/keyring.h"
#include "proto/base/clock.h"
#include "proto/base/log.h"
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#define APPLICATION_ID 0x54534e31 /* "TSN1" */

#define KEYRING_ID 0x54534b31 /* "TSK1" */

static const char *const MIGRATIONS[] = {
#include "schema_0001.h"
    ,
};
static const char *const KEYRING_MIGRATIONS[] = {
#include "schema_keyring_0001.h"
    ,
};
/* One of the two databases. */
struct database {
    const char *name;
    long id;
    const char *const *migrations;
    size_t versions;
};
static const struct database HUB_DB = {"hub.db", APPLICATION_ID, MIGRATIONS,
                                       NELEM(MIGRATIONS)};
static const struct database KEYRING_DB = {
    "keyring.db", KEYRING_ID, KEYRING_MIGRATIONS, NELEM(KEYRING_MIGRATIONS)};

/* What is set, and what must be read back. */
struct pragma {
    const char *name, *set, *want;
};
static const struct pragma PRAGMAS[] = {
    /* larger pages pack rows better and cost savepoints more than that */
    {"page_size", "4096", "4096"},
    {"locking_mode", "EXCLUSIVE", "exclusive"},
    {"journal_mode", "WAL", "wal"},
    {"synchronous", "FULL", "2"},
    {"secure_delete", "ON", "1"},
    {"trusted_schema", "OFF", "0"},
    {"foreign_keys", "ON", "1"},
    {"mmap_size", "0", "0"},
    {"cell_size_check", "ON", "1"},
    {"journal_size_limit", "4194304", "4194304"},
    {"temp_store", "MEMORY", "2"},
    {"cache_size", "-16384", "-16384"},
};

enum err refuse(struct buf *why, enum err e, const char *fmt, ...)
{
    char line[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(line, sizeof(line), fmt, ap);
    va_end(ap);
    buf_reset(why);
    buf_adds(why, line);
    return e;
}

/* ---- files ---- */

/* The folder that holds path, resolved; false when there is none. */
static bool folder_of(const char *path, char out[PATH_MAX])
{
    char *copy = strdup(path);
    bool ok = copy != NULL && realpath(dirname(copy), out) != NULL;
    free(copy);
    return ok;
}

enum err folder_sync(const char *path)
{
    char folder[PATH_MAX];
    if (!folder_of(path, folder))
        return ERR_IO;
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return ERR_IO;
    enum err e = fsync(fd) == 0 ? ERR_OK : ERR_IO;
    close(fd);
    return e;
}

enum err write_at(int fd, struct slice s, int64_t at)
{
    while (s.n > 0) {
        ssize_t n = pwrite(fd, s.p, s.n, at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return ERR_IO;
        s.p += n;
        s.n -= (size_t)n;
        at += n;
    }
    return ERR_OK;
}

enum err filesystem_check(long type)
{
    /* from linux/magic.h and the kernel's own sources */
    static const uint32_t NETWORK[] = {
        0x6969,     /* NFS */
        0x517b,     /* SMB */
        0xff534d42, /* CIFS */
        0xfe534d42, /* SMB2 */
        0x01021997, /* 9P */
        0x00c36400, /* CEPH */
        0x5346414f, /* AFS */
        0x73757245, /* CODA */
    };
    for (size_t i = 0; i < NELEM(NETWORK); i++)
        if ((uint32_t)type == NETWORK[i])
            return ERR_STORE_OPEN;
    if ((uint32_t)type == 0x794c7630 || (uint32_t)type == 0x01021994)
        log_warn("store: data folder is on overlayfs or tmpfs; not for "
                 "production");
    return ERR_OK;
}

static enum err check_folder(const char *dir, struct buf *why)
{
    struct statfs fs;
    if (statfs(dir, &fs) != 0)
        return refuse(why, ERR_STORE_OPEN, "%s: %s", dir, strerror(errno));
    if (filesystem_check((long)fs.f_type) != ERR_OK)
        return refuse(why, ERR_STORE_OPEN, "%s: is on a network file system",
                      dir);
    return ERR_OK;
}

static bool is_within(const char *inner, const char *outer)
{
    size_t n = strlen(outer);
    return strncmp(inner, outer, n) == 0 &&
           (inner[n] == '/' || inner[n] == '\0');
}

/* The anchor must not be copied, restored or lost with the data. */
static enum err check_outside(const char *dir, const char *path,
                              struct buf *why)
{
    char d[PATH_MAX], f[PATH_MAX];
    if (realpath(dir, d) == NULL || !folder_of(path, f))
        return refuse(why, ERR_STORE_OPEN, "%s: %s", path, strerror(errno));
    if (is_within(f, d))
        return refuse(why, ERR_STORE_OPEN, "%s: must lie outside %s", path,
                      dir);
    return ERR_OK;
}

static enum err make_folder(const char *dir, struct buf *why)
{
    if (mkdir(dir, 0700) == 0 ? folder_sync(dir) != ERR_OK : errno != EEXIST)
        return refuse(why, ERR_STORE_OPEN, "%s: %s", dir, strerror(errno));
    return ERR_OK;
}

/* Two folders of which neither holds the other: whoever copies one must not
 * take the other with it. */
static enum err check_apart(const char *one, const char *other, struct buf *why)
{
    char a[PATH_MAX], b[PATH_MAX];
    if (realpath(one, a) == NULL || realpath(other, b) == NULL)
        return refuse(why, ERR_STORE_OPEN, "%s: %s", other, strerror(errno));
    if (is_within(a, b) || is_within(b, a))
        return refuse(why, ERR_STORE_OPEN, "%s and %s: must lie apart", one,
                      other);
    return ERR_OK;
}

/* fsync first: only clean pages are dropped. */
static enum err drop_cache(const char *path, int flags)
{
    int fd = open(path, O_RDWR | O_CLOEXEC | flags, 0600);
    if (fd < 0)
        return errno == ENOENT ? ERR_OK : ERR_IO;
    bool ok =
        fsync(fd) == 0 && posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) == 0;
    ok = close(fd) == 0 && ok;
    return ok ? ERR_OK : ERR_IO;
}

static enum err prepare_files(const char *db, struct buf *why)
{
    char wal[PATH_MAX];
    snprintf(wal, sizeof(wal), "%s-wal", db);
    /* the WAL gets the mode of the database */
    if (drop_cache(db, O_CREAT) != ERR_OK || drop_cache(wal, 0) != ERR_OK ||
        folder_sync(db) != ERR_OK)
        return refuse(why, ERR_STORE_OPEN, "%s: %s", db, strerror(errno));
    return ERR_OK;
}

/* ---- the connection ---- */

static enum err no_sqlite(sqlite3 *db, struct buf *why, const char *what)
{
    int code = db != NULL ? sqlite3_extended_errcode(db) : SQLITE_NOMEM;
    bool busy = (code & 0xff) == SQLITE_BUSY;
    return refuse(why, ERR_STORE_OPEN, "%s: SQLite error %d%s", what, code,
                  busy ? " (another process has the database open)" : "");
}

/* Copies the first column of the first row of sql. */
static bool ask(sqlite3 *db, const char *sql, char *out, size_t cap)
{
    sqlite3_stmt *st = NULL;
    out[0] = '\0';
    if (sqlite3_prepare_v2(db, sql, -1, &st, NULL) != SQLITE_OK)
        return false;
    bool ok = sqlite3_step(st) == SQLITE_ROW;
    const unsigned char *t = ok ? sqlite3_column_text(st, 0) : NULL;
    if (t != NULL)
        snprintf(out, cap, "%s", (const char *)t);
    sqlite3_finalize(st);
    return ok;
}

static bool ask_number(sqlite3 *db, const char *sql, long *out)
{
    char text[32];
    bool ok = ask(db, sql, text, sizeof(text));
    *out = strtol(text, NULL, 10);
    return ok;
}

static enum err set_pragma(sqlite3 *db, const struct pragma *p, struct buf *why)
{
    char sql[96], got[64];
    snprintf(sql, sizeof(sql), "PRAGMA %s=%s", p->name, p->set);
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
        return no_sqlite(db, why, p->name);
    snprintf(sql, sizeof(sql), "PRAGMA %s", p->name);
    if (!ask(db, sql, got, sizeof(got)))
        return no_sqlite(db, why, p->name);
    if (strcmp(got, p->want) != 0)
        return refuse(why, ERR_STORE_OPEN, "%s is %s, not %s", p->name, got,
                      p->want);
    return ERR_OK;
}

static int count_wal(void *pages, sqlite3 *db, const char *name, int n)
{
    (void)db, (void)name;
    *(int *)pages = n;
    return SQLITE_OK;
}

static bool configure(sqlite3 *db)
{
    static const struct {
        int option, value;
    } SET[] = {
        {SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0},
        {SQLITE_DBCONFIG_DEFENSIVE, 1},
        {SQLITE_DBCONFIG_DQS_DDL, 0},
        {SQLITE_DBCONFIG_DQS_DML, 0},
        {SQLITE_DBCONFIG_ENABLE_TRIGGER, 1},
    };
    for (size_t i = 0; i < NELEM(SET); i++) {
        int now = -1;
        if (sqlite3_db_config(db, SET[i].option, SET[i].value, &now) !=
                SQLITE_OK ||
            now != SET[i].value)
            return false;
    }
    return true;
}

/* *pages follows the WAL; it must live as long as the connection. */
static enum err connect_db(const char *path, sqlite3 **db, int *pages,
                           struct buf *why)
{
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX |
                SQLITE_OPEN_PRIVATECACHE | SQLITE_OPEN_EXRESCODE;
    if (sqlite3_open_v2(path, db, flags, NULL) != SQLITE_OK || !configure(*db))
        return no_sqlite(*db, why, path);
    for (size_t i = 0; i < NELEM(PRAGMAS); i++) {
        enum err e = set_pragma(*db, &PRAGMAS[i], why);
        if (e != ERR_OK)
            return e;
    }
    /* replaces SQLite's own checkpoints: store_commit and store_tidy do them */
    sqlite3_wal_hook(*db, count_wal, pages);
    return ERR_OK;
}

/* ---- whose file, which version ---- */

static enum err migrate(sqlite3 *db, const struct database *d, long from,
                        struct buf *why)
{
    for (size_t v = (size_t)from; v < d->versions; v++) {
        char end[96];
        snprintf(end, sizeof(end),
                 "PRAGMA application_id=%ld; PRAGMA user_version=%zu; COMMIT",
                 d->id, v + 1);
        if (sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL) ||
            sqlite3_exec(db, d->migrations[v], NULL, NULL, NULL) ||
            sqlite3_exec(db, end, NULL, NULL, NULL))
            return no_sqlite(db, why, "migration");
        log_note("store: %s schema version=%zu", d->name, v + 1);
    }
    return ERR_OK;
}

static enum err check_version(sqlite3 *db, const struct database *d,
                              struct buf *why)
{
    long id, version, tables;
    if (!ask_number(db, "PRAGMA application_id", &id) ||
        !ask_number(db, "PRAGMA user_version", &version) ||
        !ask_number(db, "SELECT count(*) FROM sqlite_schema", &tables))
        return no_sqlite(db, why, d->name);
    bool empty = id == 0 && version == 0 && tables == 0;
    if (!empty && id != d->id)
        return refuse(why, ERR_STORE_OPEN, "%s: not a database of ours",
                      d->name);
    if (version < 0 || version > (long)d->versions)
        return refuse(why, ERR_STORE_OPEN,
                      "%s: schema version %ld is newer than this program",
                      d->name, version);
    return migrate(db, d, version, why);
}

static enum err open_file(const char *dir, const struct database *d,
                          sqlite3 **db, int *pages, struct buf *why)
{
    char path[PATH_MAX - 8];
    if ((size_t)snprintf(path, sizeof(path), "%s/%s", dir, d->name) >=
        sizeof(path))
        return refuse(why, ERR_STORE_OPEN, "path too long");
    enum err e = prepare_files(path, why);
    if (e == ERR_OK)
        e = connect_db(path, db, pages, why);
    return e == ERR_OK ? check_version(*db, d, why) : e;
}

static enum err load_counts(struct store *s, struct buf *why)
{
    enum err e = sql_number(s, SQL_EVENT_LAST, &s->now.events);
    if (e == ERR_OK)
        e = sql_number(s, SQL_PARKED_OPEN, &s->now.parked);
    if (e == ERR_OK)
        e = deliveries_count(s);
    return e == ERR_OK ? e : no_sqlite(s->db, why, "counting");
}

static enum err check_places(const struct store_config *c, struct buf *why)
{
    enum err e = check_folder(c->dir, why);
    if (c->keyring_dir == NULL)
        return e;
    if (e == ERR_OK)
        e = check_outside(c->dir, c->anchor_path, why);
    if (e == ERR_OK)
        e = make_folder(c->keyring_dir, why);
    if (e == ERR_OK)
        e = check_folder(c->keyring_dir, why);
    if (e == ERR_OK)
        e = make_folder(c->kek_dir, why);
    if (e == ERR_OK)
        e = check_apart(c->dir, c->keyring_dir, why);
    if (e == ERR_OK)
        e = check_apart(c->dir, c->kek_dir, why);
    return e == ERR_OK ? check_apart(c->keyring_dir, c->kek_dir, why) : e;
}

static enum err open_hub_db(struct store *s, const struct store_config *c,
                            struct buf *why)
{
    enum err e = open_file(c->dir, &HUB_DB, &s->db, &s->wal_pages, why);
    if (e == ERR_OK && sql_prepare(s, false) != ERR_OK)
        e = no_sqlite(s->db, why, HUB_DB.name);
    return e;
}

/* A store that knows a keyring never gets a new one. */
static enum err check_keyring(struct store *s, const char *dir, struct buf *why)
{
    char path[PATH_MAX];
    struct stat st;
    bool known;
    snprintf(path, sizeof(path), "%s/%s", dir, KEYRING_DB.name);
    if (keyring_known(s, &known) != ERR_OK)
        return no_sqlite(s->db, why, HUB_DB.name);
    if (known && (stat(path, &st) != 0 || st.st_size == 0))
        return refuse(why, ERR_STORE_OPEN,
                      "%s: missing, and the payload is sealed under its keys",
                      path);
    return ERR_OK;
}

static enum err open_keyring_db(struct store *s, const struct store_config *c,
                                struct buf *why)
{
    if (c->keyring_dir == NULL)
        return ERR_OK;
    enum err e = check_keyring(s, c->keyring_dir, why);
    if (e == ERR_OK)
        e = open_file(c->keyring_dir, &KEYRING_DB, &s->ring_db, &s->ring_pages,
                      why);
    if (e == ERR_OK && sql_prepare(s, true) != ERR_OK)
        e = no_sqlite(s->ring_db, why, KEYRING_DB.name);
    return e == ERR_OK ? keyring_open(s, c, why) : e;
}

enum err store_open(const struct store_config *c, struct store **out,
                    struct buf *why)
{
    assert(c != NULL && out != NULL && why != NULL);
    *out = NULL;
    struct store *s = calloc(1, sizeof(*s));
    if (s == NULL)
        return ERR_NOMEM;
    s->anchor.fd = -1;
    /* savepoint journals hold page images: never in a temporary file. Refused
     * once SQLite runs, when an earlier store_open has said so already. */
    sqlite3_config(SQLITE_CONFIG_STMTJRNL_SPILL, -1);
    enum err e = check_places(c, why);
    if (e == ERR_OK)
        e = open_hub_db(s, c, why);
    if (e == ERR_OK)
        e = open_keyring_db(s, c, why);
    if (e == ERR_OK && c->keyring_dir != NULL)
        e = anchor_open(&s->anchor, c->anchor_path, why);
    if (e == ERR_OK)
        e = log_load(s, c->accept_rollback, why);
    if (e == ERR_OK)
        e = load_counts(s, why);
    if (e == ERR_OK && s->keys != NULL &&
        (s->keys->differs || c->accept_rollback))
        e = lost_settle(s, s->keys->older);
    if (e != ERR_OK)
        goto fail;
    s->tidied_ms = clock_boot_ms();
    *out = s;
    return ERR_OK;
fail:
    s->broken = true; /* leave the files as they are */
    store_close(&s);
    return e;
}

/* In good order a clean close empties the WAL; after a failure nothing more is
 * written. */
static void close_db(struct store *s, sqlite3 *db)
{
    if (db == NULL)
        return;
    if (s->broken)
        sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    if (sqlite3_close(db) != SQLITE_OK)
        log_error("store: close failed");
}

void store_close(struct store **sp)
{
    assert(sp != NULL);
    struct store *s = *sp;
    *sp = NULL;
    if (s == NULL)
        return;
    store_abort(s);
    s->tidied_ms = 0;
    if (!s->broken && store_tidy(s) != ERR_OK)
        log_error("store: the last checkpoint failed");
    sql_finalize(s);
    close_db(s, s->db);
    close_db(s, s->ring_db);
    anchor_close(&s->anchor);
    keyring_close(s);
    log_free(s);
    free(s);
}
