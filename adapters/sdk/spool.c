/* spool.c - the node's own disk: SQLite, one connection, one process.
 *
 * Every payload is sealed under a key of the person it is about; that key is
 * itself sealed under the node's spool secret and kept in `person_key`, so
 * destroying one small row makes everything of a person unreadable. Events
 * about nobody share the key of the empty token. The row's own id is bound
 * into each seal, so payloads cannot be swapped between rows. A source key
 * may hold a local number of a person: only a keyed hash of it is in the
 * clear (for telling repeats), the text is sealed.
 *
 * Settings are demanded and read back: WAL with synchronous=FULL, the only
 * pair that keeps a commit through a power cut here; locking_mode=EXCLUSIVE,
 * because SQLite before 3.51.3 can corrupt a WAL database when a second
 * connection checkpoints; secure_delete. After a failed fsync the kernel may
 * show pages that are not on the disk, so the page cache of both files is
 * dropped before they are opened (see evict). */
#include "adapters/sdk/spool_db.h"
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#define APPLICATION_ID 0x54534e53 /* "TSNS" */
#define SCHEMA_VERSION 2

#define PROOF_TABLE                                                            \
    "CREATE TABLE proof(id BLOB PRIMARY KEY, person BLOB NOT NULL,"            \
    " proof BLOB NOT NULL) WITHOUT ROWID;"
#define ERASED_TABLE                                                           \
    "CREATE TABLE erased(order_id BLOB PRIMARY KEY, leaf INTEGER NOT NULL,"    \
    " outcome INTEGER NOT NULL, deleted INTEGER NOT NULL,"                     \
    " handed INTEGER NOT NULL, time_ms INTEGER NOT NULL) WITHOUT ROWID;"
static const char SCHEMA[] =
    "CREATE TABLE meta(k TEXT PRIMARY KEY, v BLOB NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE person_key(person BLOB PRIMARY KEY, wrapped BLOB NOT NULL)"
    " WITHOUT ROWID;"
    "CREATE TABLE outbox(row INTEGER PRIMARY KEY AUTOINCREMENT,"
    " event_id BLOB NOT NULL UNIQUE, lane INTEGER NOT NULL,"
    " node_seq INTEGER NOT NULL, type INTEGER NOT NULL,"
    " state INTEGER NOT NULL, created_ms INTEGER NOT NULL,"
    " answered_ms INTEGER NOT NULL, header_sha256 BLOB NOT NULL,"
    " code TEXT NOT NULL, person BLOB NOT NULL, source_hash BLOB UNIQUE,"
    " source BLOB, event BLOB, receipt BLOB, UNIQUE(lane, node_seq));"
    "CREATE INDEX outbox_waiting ON outbox(lane, node_seq) WHERE state = 0;"
    "CREATE TABLE inbox(row INTEGER PRIMARY KEY AUTOINCREMENT,"
    " delivery_id BLOB NOT NULL UNIQUE, lane INTEGER NOT NULL,"
    " state INTEGER NOT NULL, type INTEGER NOT NULL,"
    " withdrawn INTEGER NOT NULL, shown INTEGER NOT NULL DEFAULT 0,"
    " person BLOB NOT NULL, case_token BLOB,"
    " released_ms INTEGER NOT NULL, stored_ms INTEGER NOT NULL,"
    " done_ms INTEGER NOT NULL, delivery BLOB);"
    "CREATE TABLE relied(consent BLOB NOT NULL, delivery_id BLOB NOT NULL,"
    " PRIMARY KEY(consent, delivery_id)) WITHOUT ROWID;"
    "CREATE TABLE recall(delivery_id BLOB PRIMARY KEY, no INTEGER NOT NULL,"
    " outcome INTEGER NOT NULL, taken_ms INTEGER NOT NULL, leaf_sha256 BLOB,"
    " erased INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID;" PROOF_TABLE
        ERASED_TABLE "CREATE INDEX inbox_open ON inbox(row) WHERE state < 2;"
    "CREATE INDEX inbox_new ON inbox(lane, row) WHERE state = 0;";

#define OUT_COLUMNS                                                            \
    "row, event_id, lane, node_seq, type, state, created_ms, answered_ms,"     \
    " header_sha256, code, person, source, event, receipt FROM outbox "
#define IN_COLUMNS                                                             \
    "row, delivery_id, lane, state, type, withdrawn, person, case_token,"      \
    " released_ms, stored_ms, delivery, shown,"                                \
    " (SELECT outcome FROM recall WHERE recall.delivery_id ="                  \
    " inbox.delivery_id), (SELECT erased FROM recall WHERE"                    \
    " recall.delivery_id = inbox.delivery_id) FROM inbox "
static const char *const SQL[QUERIES] = {
    [Q_META_GET] = "SELECT v FROM meta WHERE k = ?1",
    [Q_META_SET] = "INSERT OR REPLACE INTO meta VALUES(?1, ?2)",
    [Q_META_DROP] = "DELETE FROM meta WHERE k = ?1",
    [Q_KEY_GET] = "SELECT wrapped FROM person_key WHERE person = ?1",
    [Q_KEY_SET] = "INSERT INTO person_key VALUES(?1, ?2)",
    [Q_PUT] = "INSERT INTO outbox(event_id, lane, node_seq, type, state,"
              " created_ms, answered_ms, header_sha256, code, person,"
              " source_hash, source, event)"
              " VALUES(?1, ?2, ?3, ?4, 0, ?5, 0, ?6, '', ?7, ?8, ?9, ?10)",
    [Q_SOURCE] = "SELECT event_id FROM outbox WHERE source_hash = ?1",
    [Q_WAITING] = "SELECT " OUT_COLUMNS "WHERE state = 0 AND lane = ?1"
                  " AND node_seq > ?2 ORDER BY node_seq LIMIT 1",
    [Q_OUT_GET] = "SELECT " OUT_COLUMNS "WHERE event_id = ?1",
    [Q_OUT_AFTER] = "SELECT " OUT_COLUMNS "WHERE row > ?1"
                    " AND (?2 OR state IN (0, 3)) ORDER BY row LIMIT 1",
    [Q_ANSWER] = "UPDATE outbox SET state = ?2, code = ?3, answered_ms = ?4,"
                 " receipt = ?5 WHERE event_id = ?1",
    [Q_RESEND] = "UPDATE outbox SET state = 0 WHERE state != 0"
                 " AND event IS NOT NULL",
    [Q_TAKE] = "INSERT INTO inbox(delivery_id, lane, state, type, withdrawn,"
               " person, case_token, released_ms, stored_ms, done_ms, delivery)"
               " VALUES(?1, ?2, 0, ?3, 0, ?4, ?5, ?6, ?7, 0, ?8)",
    [Q_IN_HAS] = "SELECT 1 FROM inbox WHERE delivery_id = ?1",
    [Q_IN_GET] = "SELECT " IN_COLUMNS "WHERE delivery_id = ?1",
    [Q_IN_AFTER] = "SELECT " IN_COLUMNS "WHERE row > ?1 AND state <= ?2"
                   " ORDER BY row LIMIT 1",
    [Q_IN_NEW] = "SELECT " IN_COLUMNS "WHERE state = 0 AND lane = ?1"
                 " AND row > ?2 ORDER BY row LIMIT 1",
    [Q_MARK] = "UPDATE inbox SET state = max(state, ?2), done_ms = ?3"
               " WHERE delivery_id = ?1",
    [Q_SHOWN] = "UPDATE inbox SET shown = 1 WHERE delivery_id = ?1",
    [Q_UNREAD] = "SELECT 1 FROM inbox WHERE state = 0 AND shown = 0 LIMIT 1",
    [Q_DROP] = "UPDATE inbox SET delivery = NULL, state = 2, done_ms = ?2"
               " WHERE delivery_id = ?1 AND state = 0",
    [Q_RECALL_GET] = "SELECT outcome, no, leaf_sha256 FROM recall"
                     " WHERE delivery_id = ?1",
    [Q_RECALL_SET] = "INSERT OR REPLACE INTO recall(delivery_id, no, outcome,"
                     " taken_ms, leaf_sha256) VALUES(?1, ?2, ?3, ?4, ?5)",
    [Q_RELIED] = "INSERT OR IGNORE INTO relied VALUES(?1, ?2)",
    [Q_WITHDRAW] = "UPDATE inbox SET withdrawn = 1 WHERE delivery_id IN"
                   " (SELECT delivery_id FROM relied WHERE consent = ?1)",
    [Q_WITHDRAW_ALL] = "UPDATE inbox SET withdrawn = 1 WHERE person = ?1"
                       " OR case_token = ?2",
    [Q_PROOF_SET] = "INSERT OR REPLACE INTO proof VALUES(?1, ?2, ?3)",
    [Q_PROOF_GET] = "SELECT person, proof FROM proof WHERE id = ?1",
    [Q_COUNT] = "SELECT 0, state, count(*) FROM outbox GROUP BY state"
                " UNION ALL SELECT 1, state, count(*) FROM inbox"
                " GROUP BY state",
    [Q_COUNT_LANE] = "SELECT lane, count(*), min(created_ms) FROM outbox"
                     " WHERE state = 0 GROUP BY lane",
    [Q_COUNT_RECALLED] = "SELECT count(*) FROM recall",
    /* consents and the register (1201..1211) are kept without limit, I-16 */
    [Q_PRUNE_OUT] = "UPDATE outbox SET event = NULL, receipt = NULL,"
                    " source = NULL WHERE state IN (1, 2)"
                    " AND answered_ms < ?1 AND event IS NOT NULL"
                    " AND type NOT BETWEEN 1201 AND 1211",
    [Q_PRUNE_IN] = "UPDATE inbox SET delivery = NULL WHERE state > 0"
                   " AND done_ms < ?1 AND delivery IS NOT NULL",
    [Q_ERASE_KEY] = "DELETE FROM person_key WHERE person = ?1",
    [Q_ERASE_OUT] = "UPDATE outbox SET event = NULL, receipt = NULL,"
                    " source = NULL, source_hash = NULL, person = x'',"
                    " state = CASE state WHEN 0 THEN 3 ELSE state END"
                    " WHERE event_id = ?1",
    [Q_ERASE_IN] = "UPDATE inbox SET delivery = NULL, person = x'',"
                   " case_token = NULL, state = 2 WHERE delivery_id = ?1",
    [Q_ERASE_PROOF] = "DELETE FROM proof WHERE id = ?1",
    [Q_ERASE_RELIED] = "DELETE FROM relied WHERE delivery_id = ?1",
    [Q_RESEAL_OUT] = "UPDATE outbox SET event = ?2, receipt = ?3, source = ?4"
                     " WHERE event_id = ?1",
    [Q_RESEAL_IN] = "UPDATE inbox SET delivery = ?2 WHERE delivery_id = ?1",
    [Q_RECALL_ERASED] = "UPDATE recall SET erased = 1 WHERE delivery_id = ?1",
    [Q_ERASED_GET] = "SELECT leaf, outcome, deleted, handed, time_ms"
                     " FROM erased WHERE order_id = ?1",
    [Q_ERASED_SET] = "INSERT INTO erased VALUES(?1, ?2, ?3, ?4, ?5, ?6)",
};

const char *out_state_name(enum out_state s)
{
    static const char *const NAME[] = {"waiting", "accepted", "refused",
                                       "parked"};
    return (size_t)s < NELEM(NAME) ? NAME[s] : "";
}

const char *in_state_name(enum in_state s)
{
    static const char *const NAME[] = {"new", "handed", "handled"};
    return (size_t)s < NELEM(NAME) ? NAME[s] : "";
}

/* ---- statements ---- */

enum err db_broken(struct spool *s)
{
    s->broken = true;
    return ERR_STORE;
}

sqlite3_stmt *db_query(struct spool *s, int q)
{
    sqlite3_reset(s->q[q]);
    sqlite3_clear_bindings(s->q[q]);
    return s->q[q];
}

void db_bind(sqlite3_stmt *st, int at, struct slice v)
{
    /* an empty blob is not NULL */
    sqlite3_bind_blob(st, at, v.n > 0 ? (const void *)v.p : "", (int)v.n,
                      SQLITE_STATIC);
}

void db_bind_u64(sqlite3_stmt *st, int at, uint64_t v)
{
    sqlite3_bind_int64(st, at, (sqlite3_int64)v);
}

struct slice db_column(sqlite3_stmt *st, int at)
{
    const void *p = sqlite3_column_blob(st, at);
    return slice_of(p, (size_t)sqlite3_column_bytes(st, at));
}

uint64_t db_column_u64(sqlite3_stmt *st, int at)
{
    return (uint64_t)sqlite3_column_int64(st, at);
}

/* One row or none. The statement stays on its row until the next query. */
enum err db_row(struct spool *s, sqlite3_stmt *st)
{
    if (s->broken)
        return ERR_STORE;
    int rc = sqlite3_step(st);
    if (rc == SQLITE_ROW)
        return ERR_OK;
    sqlite3_reset(st);
    return rc == SQLITE_DONE ? ERR_NOT_FOUND : db_broken(s);
}

static enum err begin(struct spool *s)
{
    if (s->broken)
        return ERR_STORE;
    if (s->open_tx)
        return ERR_OK;
    if (sqlite3_exec(s->db, "BEGIN IMMEDIATE", NULL, NULL, NULL) != SQLITE_OK)
        return db_broken(s);
    s->open_tx = true;
    return ERR_OK;
}

enum err db_run(struct spool *s, sqlite3_stmt *st)
{
    enum err e = begin(s);
    if (e != ERR_OK)
        return e;
    int rc = sqlite3_step(st);
    sqlite3_reset(st);
    return rc == SQLITE_DONE ? ERR_OK : db_broken(s);
}

enum err spool_commit(struct spool *s)
{
    if (s->broken)
        return ERR_STORE;
    if (!s->open_tx)
        return ERR_OK;
    for (int i = 0; i < QUERIES; i++)
        sqlite3_reset(s->q[i]);
    if (sqlite3_exec(s->db, "COMMIT", NULL, NULL, NULL) != SQLITE_OK)
        return db_broken(s);
    s->open_tx = false;
    return ERR_OK;
}

bool spool_dirty(const struct spool *s)
{
    return s->open_tx;
}

enum err db_meta_get(struct spool *s, const char *k, struct buf *v)
{
    sqlite3_stmt *st = db_query(s, Q_META_GET);
    sqlite3_bind_text(st, 1, k, -1, SQLITE_STATIC);
    enum err e = db_row(s, st);
    if (e == ERR_OK) {
        struct slice c = db_column(st, 0);
        buf_add(v, c.p, c.n);
    }
    sqlite3_reset(st);
    return v->failed ? ERR_NOMEM : e;
}

enum err db_meta_set(struct spool *s, const char *k, struct slice v)
{
    sqlite3_stmt *st = db_query(s, Q_META_SET);
    sqlite3_bind_text(st, 1, k, -1, SQLITE_STATIC);
    db_bind(st, 2, v);
    return db_run(s, st);
}

/* ---- keys of people ---- */

struct slice db_token(const uint8_t *person)
{
    return person != NULL ? slice_of(person, TOKEN) : slice_of("", 0);
}

/* what, a zero byte, the row's id: bound into each seal. */
struct slice db_aad(uint8_t out[32], const char *what, struct slice id)
{
    size_t n = strlen(what) + 1;
    assert(n + id.n <= 32);
    memcpy(out, what, n);
    if (id.n > 0)
        memcpy(out + n, id.p, id.n);
    return slice_of(out, n + id.n);
}

enum err db_key_put(struct spool *s, struct slice person,
                    const uint8_t key[KEY_BYTES])
{
    uint8_t aad[32];
    struct buf wrapped = {0};
    enum err e = seal(s->secret, db_aad(aad, "key", person),
                      slice_of(key, KEY_BYTES), &wrapped);
    if (e == ERR_OK) {
        sqlite3_stmt *st = db_query(s, Q_KEY_SET);
        db_bind(st, 1, person);
        db_bind(st, 2, buf_slice(&wrapped));
        e = db_run(s, st);
    }
    buf_fini(&wrapped);
    return e;
}

static enum err key_make(struct spool *s, struct slice person,
                         uint8_t key[KEY_BYTES])
{
    randombytes_buf(key, KEY_BYTES);
    return db_key_put(s, person, key);
}

/* ERR_NOT_FOUND: there is none, or it was destroyed. */
enum err db_key_get(struct spool *s, struct slice person,
                    uint8_t key[KEY_BYTES])
{
    uint8_t aad[32];
    struct buf plain = {0};
    sqlite3_stmt *st = db_query(s, Q_KEY_GET);
    db_bind(st, 1, person);
    enum err e = db_row(s, st);
    if (e == ERR_OK)
        e = unseal(s->secret, db_aad(aad, "key", person), db_column(st, 0),
                   &plain);
    if (e == ERR_OK && plain.n != KEY_BYTES)
        e = ERR_INTEGRITY;
    if (e == ERR_OK)
        memcpy(key, plain.p, KEY_BYTES);
    sqlite3_reset(st);
    buf_fini(&plain);
    return e;
}

enum err db_key_need(struct spool *s, struct slice person,
                     uint8_t key[KEY_BYTES])
{
    enum err e = db_key_get(s, person, key);
    return e == ERR_NOT_FOUND ? key_make(s, person, key) : e;
}

enum err db_unseal(const uint8_t *key, const char *what, struct slice id,
                   struct slice sealed, struct buf *out)
{
    uint8_t aad[32];
    return sealed.n == 0 ? ERR_OK
                         : unseal(key, db_aad(aad, what, id), sealed, out);
}

/* ---- opening ---- */

/* Puts on disk what the cache holds and forgets the cache, so that what is
 * read next is what is truly there. */
static enum err evict(const char *path)
{
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? ERR_OK : ERR_STORE_OPEN;
    enum err e = fsync(fd) == 0 ? ERR_OK : ERR_STORE_OPEN;
    if (posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) != 0)
        e = ERR_STORE_OPEN;
    close(fd);
    return e;
}

/* SQLite's locks and syncs mean nothing on a network disk. */
static bool network_disk(const char *folder)
{
    static const unsigned long KINDS[] = {0x6969, 0x517b, 0xff534d42,
                                          0xfe534d42, 0x01021997};
    struct statfs fs;
    if (statfs(folder, &fs) != 0)
        return true;
    for (size_t i = 0; i < NELEM(KINDS); i++)
        if (((unsigned long)fs.f_type & 0xffffffffu) == KINDS[i])
            return true;
    return false;
}

static enum err own(struct spool *s, const char *folder)
{
    char path[PATH_MAX];
    if (mkdir(folder, 0700) != 0 && errno != EEXIST)
        return ERR_STORE_OPEN;
    if (network_disk(folder) ||
        snprintf(path, sizeof(path), "%s/owner.lock", folder) >= PATH_MAX)
        return ERR_STORE_OPEN;
    s->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (s->lock < 0)
        return ERR_STORE_OPEN;
    if (flock(s->lock, LOCK_EX | LOCK_NB) != 0)
        return errno == EWOULDBLOCK ? ERR_CONFLICT : ERR_STORE_OPEN;
    return ERR_OK;
}

/* The file is made with its mode first: the journal takes the same. */
static enum err prepare_files(const char *folder, char path[PATH_MAX])
{
    char wal[PATH_MAX];
    if (snprintf(path, PATH_MAX, "%s/spool.db", folder) >= PATH_MAX ||
        snprintf(wal, sizeof(wal), "%s/spool.db-wal", folder) >= PATH_MAX)
        return ERR_STORE_OPEN;
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return ERR_STORE_OPEN;
    close(fd);
    enum err e = evict(path);
    return e == ERR_OK ? evict(wal) : e;
}

/* Runs a pragma and compares what it answers. */
static bool pragma_is(struct spool *s, const char *sql, const char *want)
{
    sqlite3_stmt *st = NULL;
    bool ok = sqlite3_prepare_v2(s->db, sql, -1, &st, NULL) == SQLITE_OK &&
              sqlite3_step(st) == SQLITE_ROW &&
              sqlite3_column_text(st, 0) != NULL &&
              strcmp((const char *)sqlite3_column_text(st, 0), want) == 0;
    sqlite3_finalize(st);
    return ok;
}

static enum err settings(struct spool *s)
{
    static const char *const SET[] = {
        "PRAGMA cell_size_check=ON", "PRAGMA trusted_schema=OFF",
        "PRAGMA synchronous=FULL", "PRAGMA temp_store=MEMORY"};
    static const struct {
        const char *sql, *want;
    } DEMAND[] = {{"PRAGMA locking_mode=EXCLUSIVE", "exclusive"},
                  {"PRAGMA journal_mode=WAL", "wal"},
                  {"PRAGMA synchronous", "2"},
                  {"PRAGMA secure_delete=ON", "1"},
                  {"PRAGMA mmap_size=0", "0"},
                  {"PRAGMA journal_size_limit=67108864", "67108864"}};
    for (size_t i = 0; i < NELEM(SET); i++)
        if (sqlite3_exec(s->db, SET[i], NULL, NULL, NULL) != SQLITE_OK)
            return ERR_STORE_OPEN;
    for (size_t i = 0; i < NELEM(DEMAND); i++)
        if (!pragma_is(s, DEMAND[i].sql, DEMAND[i].want))
            return ERR_STORE_OPEN;
    return ERR_OK;
}

static enum err create(struct spool *s)
{
    char sql[160];
    snprintf(sql, sizeof(sql),
             "PRAGMA application_id=%d; PRAGMA user_version=%d; COMMIT",
             APPLICATION_ID, SCHEMA_VERSION);
    if (sqlite3_exec(s->db, "BEGIN IMMEDIATE", NULL, NULL, NULL) != SQLITE_OK ||
        sqlite3_exec(s->db, SCHEMA, NULL, NULL, NULL) != SQLITE_OK ||
        sqlite3_exec(s->db, sql, NULL, NULL, NULL) != SQLITE_OK)
        return ERR_STORE_OPEN;
    return ERR_OK;
}

/* A spool from before proofs were kept. */
static enum err upgrade(struct spool *s)
{
    return sqlite3_exec(s->db,
                        "BEGIN IMMEDIATE;" PROOF_TABLE ERASED_TABLE
                        "ALTER TABLE recall ADD COLUMN erased INTEGER"
                        " NOT NULL DEFAULT 0;"
                        "PRAGMA user_version=2; COMMIT",
                        NULL, NULL, NULL) == SQLITE_OK
               ? ERR_OK
               : ERR_STORE_OPEN;
}

static enum err schema(struct spool *s)
{
    if (pragma_is(s, "PRAGMA user_version", "0") &&
        pragma_is(s, "SELECT count(*) FROM sqlite_schema", "0"))
        return create(s);
    if (!pragma_is(s, "PRAGMA application_id", "1414745683"))
        return ERR_STORE_OPEN;
    if (pragma_is(s, "PRAGMA user_version", "1"))
        return upgrade(s);
    return pragma_is(s, "PRAGMA user_version", "2") ? ERR_OK : ERR_STORE_OPEN;
}

/* The key of the empty token opens only with the secret that made it: a spool
 * of another node, or with another key file, is refused here. */
static enum err check_secret(struct spool *s)
{
    uint8_t key[KEY_BYTES];
    enum err e = db_key_need(s, slice_of("", 0), key);
    sodium_memzero(key, sizeof(key));
    if (e == ERR_OK)
        e = spool_commit(s);
    return e == ERR_INTEGRITY ? ERR_STORE_OPEN : e;
}

static enum err load_seq(struct spool *s)
{
    for (int i = 0; i < LANES; i++) {
        sqlite3_stmt *st = NULL;
        if (sqlite3_prepare_v2(s->db,
                               "SELECT ifnull(max(node_seq), 0) FROM outbox"
                               " WHERE lane = ?1",
                               -1, &st, NULL) != SQLITE_OK)
            return ERR_STORE_OPEN;
        sqlite3_bind_int(st, 1, i);
        bool ok = sqlite3_step(st) == SQLITE_ROW;
        s->seq[i] = ok ? db_column_u64(st, 0) : 0;
        sqlite3_finalize(st);
        if (!ok)
            return ERR_STORE_OPEN;
    }
    return ERR_OK;
}

static enum err prepare(struct spool *s)
{
    for (int i = 0; i < QUERIES; i++)
        if (sqlite3_prepare_v3(s->db, SQL[i], -1, SQLITE_PREPARE_PERSISTENT,
                               &s->q[i], NULL) != SQLITE_OK)
            return ERR_STORE_OPEN;
    return ERR_OK;
}

static enum err open_db(struct spool *s, const char *folder)
{
    char path[PATH_MAX];
    enum err e = own(s, folder);
    if (e == ERR_OK)
        e = prepare_files(folder, path);
    if (e != ERR_OK)
        return e;
    if (sqlite3_open_v2(path, &s->db,
                        SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX,
                        NULL) != SQLITE_OK)
        return ERR_STORE_OPEN;
    e = settings(s);
    if (e == ERR_OK)
        e = schema(s);
    if (e == ERR_OK && !pragma_is(s, "PRAGMA quick_check(1)", "ok"))
        e = ERR_STORE_OPEN;
    if (e == ERR_OK)
        e = prepare(s);
    if (e == ERR_OK)
        e = load_seq(s);
    return e == ERR_OK ? check_secret(s) : e;
}

enum err spool_open(const char *folder, const uint8_t secret[KEY_BYTES],
                    struct spool **out)
{
    assert(folder != NULL && out != NULL);
    *out = NULL;
    struct spool *s = calloc(1, sizeof(*s));
    if (s == NULL)
        return ERR_NOMEM;
    s->lock = -1;
    memcpy(s->secret, secret, KEY_BYTES);
    enum err e = open_db(s, folder);
    if (e != ERR_OK)
        spool_close(&s);
    *out = s;
    return e;
}

void spool_close(struct spool **sp)
{
    assert(sp != NULL);
    struct spool *s = *sp;
    if (s == NULL)
        return;
    for (int i = 0; i < QUERIES; i++)
        sqlite3_finalize(s->q[i]);
    sqlite3_close(s->db);
    if (s->lock >= 0)
        close(s->lock);
    sodium_memzero(s, sizeof(*s));
    free(s);
    *sp = NULL;
}

/* ---- the hub's log ---- */

static const char *head_name(enum spool_head which)
{
    static const char *const NAME[SPOOL_HEADS] = {"head urgent", "head normal",
                                                  "head quorum"};
    return NAME[which];
}

/* Kept as: size in decimal, a space, the root in hex, a space, the origin, a
 * newline, the note. */
enum err spool_set_head(struct spool *s, enum spool_head which,
                        const struct checkpoint *c, struct slice note)
{
    struct buf b = {0};
    buf_addf(&b, "%llu ", (unsigned long long)c->size);
    buf_add_hex(&b, slice_of(c->root.b, HASH_BYTES));
    buf_addf(&b, " %s\n", c->origin);
    buf_add(&b, note.p, note.n);
    enum err e =
        b.failed ? ERR_NOMEM : db_meta_set(s, head_name(which), buf_slice(&b));
    buf_fini(&b);
    return e;
}

static enum err parse_checkpoint(struct slice text, struct checkpoint *c,
                                 struct buf *note)
{
    char line[64 + 2 * HASH_BYTES + ORIGIN_MAX], hex[2 * HASH_BYTES + 1];
    unsigned long long size;
    const uint8_t *end = text.n > 0 ? memchr(text.p, '\n', text.n) : NULL;
    if (end == NULL || (size_t)(end - text.p) >= sizeof(line))
        return ERR_INTEGRITY;
    size_t n = (size_t)(end - text.p);
    memcpy(line, text.p, n);
    line[n] = '\0';
    if (sscanf(line, "%llu %64s %127[^\n]", &size, hex, c->origin) != 3 ||
        hex_decode(hex, c->root.b, HASH_BYTES) != ERR_OK)
        return ERR_INTEGRITY;
    c->size = size;
    buf_add(note, text.p + n + 1, text.n - n - 1);
    return note->failed ? ERR_NOMEM : ERR_OK;
}

enum err spool_head(struct spool *s, enum spool_head which,
                    struct checkpoint *c, struct buf *note)
{
    struct buf b = {0};
    memset(c, 0, sizeof(*c));
    enum err e = db_meta_get(s, head_name(which), &b);
    if (e == ERR_OK)
        e = parse_checkpoint(buf_slice(&b), c, note);
    buf_fini(&b);
    return e;
}

enum err spool_forget_heads(struct spool *s)
{
    enum err e = ERR_OK;
    for (int i = 0; i < SPOOL_HEADS && e == ERR_OK; i++) {
        sqlite3_stmt *st = db_query(s, Q_META_DROP);
        sqlite3_bind_text(st, 1, head_name((enum spool_head)i), -1,
                          SQLITE_STATIC);
        e = db_run(s, st);
    }
    return e;
}

/* ---- upkeep ---- */

static enum err count_states(struct spool *s, struct spool_counts *c)
{
    sqlite3_stmt *st = db_query(s, Q_COUNT);
    enum err e;
    while ((e = db_row(s, st)) == ERR_OK) {
        size_t state = (size_t)sqlite3_column_int(st, 1);
        if (sqlite3_column_int(st, 0) == 0 && state < NELEM(c->out))
            c->out[state] = db_column_u64(st, 2);
        else if (state < NELEM(c->in))
            c->in[state] = db_column_u64(st, 2);
    }
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

enum err spool_count(struct spool *s, struct spool_counts *c)
{
    memset(c, 0, sizeof(*c));
    enum err e = count_states(s, c);
    if (e != ERR_OK)
        return e;
    sqlite3_stmt *st = db_query(s, Q_COUNT_LANE);
    while ((e = db_row(s, st)) == ERR_OK) {
        size_t lane = sqlite3_column_int(st, 0) == 0 ? 0 : 1;
        c->out_waiting[lane] = db_column_u64(st, 1);
        c->oldest_waiting_ms[lane] = db_column_u64(st, 2);
    }
    if (e != ERR_NOT_FOUND)
        return e;
    st = db_query(s, Q_COUNT_RECALLED);
    e = db_row(s, st);
    c->recalled = e == ERR_OK ? db_column_u64(st, 0) : 0;
    sqlite3_reset(st);
    return e;
}

enum err spool_scrub(struct spool *s)
{
    enum err e = spool_commit(s);
    if (e == ERR_OK &&
        sqlite3_wal_checkpoint_v2(s->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL,
                                  NULL) != SQLITE_OK)
        e = db_broken(s);
    return e;
}

enum err spool_prune(struct spool *s, uint64_t now_ms)
{
    static const int WHAT[] = {Q_PRUNE_OUT, Q_PRUNE_IN};
    uint64_t before = now_ms > SPOOL_KEEP_MS ? now_ms - SPOOL_KEEP_MS : 0;
    for (size_t i = 0; i < NELEM(WHAT); i++) {
        sqlite3_stmt *st = db_query(s, WHAT[i]);
        db_bind_u64(st, 1, before);
        enum err e = db_run(s, st);
        if (e != ERR_OK)
            return e;
    }
    return spool_scrub(s);
}
