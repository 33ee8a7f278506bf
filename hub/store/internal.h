/* internal.h - what the files of this folder share; nobody else includes it.
 *
 * All SQL goes through sql_run (one write) and sql_row/sql_next/sql_done (a
 * read). Values are typed, statements are named by statements.def. A failure
 * of SQLite is logged with its extended code and no data, and leaves the store
 * broken: every later call fails, nothing is retried (I-17). Only a violated
 * uniqueness is an answer (ERR_CONFLICT), not a failure. */
#ifndef TSUNAGI_STORE_INTERNAL_H
#define TSUNAGI_STORE_INTERNAL_H
#include "hub/store/store.h"
#include <sodium.h>
#include <sqlite3.h>

enum statement {
#define STATEMENT(name, sql) SQL_##name,
#include "hub/store/statements.def"
#undef STATEMENT
    STATEMENT_COUNT
};
#define SQL_OF_KEYRING SQL_KEYS_BEGIN /* and all after it */

/* The leaves of one transaction, their bytes back to back. */
struct leaves {
    struct buf bytes;
    size_t *end;       /* of each leaf in bytes */
    struct hash *hash; /* of each, as it was packed */
    size_t n, cap_end, cap_hash;
};

/* What a savepoint or a transaction takes back besides rows. */
struct tally {
    uint64_t events, deliveries, waiting[LANE_COUNT], parked;
    uint64_t last_ms; /* time of the last leaf */
    size_t leaves;    /* pending */
};

/* The tail anchor (anchor.c). */
struct anchor {
    int fd; /* -1: not open */
    bool found, dirty;
    unsigned slot; /* the next one written */
    uint64_t size, synced_ms;
    struct hash leaf;
};

struct keyring; /* keyring.c */

#define RANDOM_POOL 1024

struct store {
    sqlite3 *db;      /* hub.db */
    sqlite3 *ring_db; /* keyring.db */
    sqlite3_stmt *st[STATEMENT_COUNT];
    bool in_tx, marked, broken;
    bool damaged; /* a column of the row being read has a wrong shape */
    int wal_pages, ring_pages;
    uint64_t tidied_ms;
    struct tally now, at_begin, at_mark;
    int64_t last_seq; /* the event put last, and whom it is about */
    struct id last_person;
    uint8_t random[RANDOM_POOL];
    size_t random_left;
    struct keyring *keys;
    struct anchor anchor;
    uint64_t size; /* committed leaves */
    struct merkle tree;
    crypto_hash_sha256_state tail; /* leaf hashes of the last tile */
    struct leaves pending;
    struct buf note; /* newest checkpoint, of note_size */
    uint64_t note_size;
    bool note_waits; /* for the next transaction */
};

/* ---- sqlite.c ---- */
struct value {
    enum { VALUE_NULL, VALUE_INT, VALUE_BLOB, VALUE_TEXT } kind;
    int64_t i;
    struct slice s;
};
static inline struct value v_int(uint64_t i)
{
    return (struct value){VALUE_INT, (int64_t)i, SLICE_NONE};
}
static inline struct value v_blob(const void *p, size_t n)
{
    return (struct value){VALUE_BLOB, 0, slice_of(p, n)};
}
static inline struct value v_id(const struct id *id)
{
    return v_blob(id->b, ID_BYTES);
}
/* NULL for a zero id. */
static inline struct value v_id_or_null(const struct id *id)
{
    return id_is_zero(*id) ? (struct value){VALUE_NULL, 0, SLICE_NONE}
                           : v_id(id);
}
static inline struct value v_text(const char *t)
{
    return (struct value){VALUE_TEXT, 0, slice_str(t)};
}
#define WITH(...)                                                              \
    (const struct value[]){__VA_ARGS__},                                       \
        NELEM(((const struct value[]){__VA_ARGS__}))
#define WITH_NOTHING NULL, 0

/* One write; ERR_STATE outside a transaction, ERR_CONFLICT on a key taken. */
enum err sql_run(struct store *s, enum statement q, const struct value *v,
                 size_t n) MUST_CHECK;
/* The same in or outside a transaction. */
enum err sql_execute(struct store *s, enum statement q, const struct value *v,
                     size_t n) MUST_CHECK;
/* sql_run, ERR_NOT_FOUND when no row was changed. */
enum err sql_run_one(struct store *s, enum statement q, const struct value *v,
                     size_t n) MUST_CHECK;
/* Starts a read. When *found the row's columns may be read, then sql_next or
 * sql_done. */
enum err sql_row(struct store *s, enum statement q, const struct value *v,
                 size_t n, bool *found) MUST_CHECK;
enum err sql_next(struct store *s, enum statement q, bool *more) MUST_CHECK;
/* Ends a read. ERR_INTEGRITY when a column had a wrong shape. */
enum err sql_done(struct store *s, enum statement q) MUST_CHECK;
/* Ends a read whose outcome does not matter any more. */
void sql_abandon(struct store *s, enum statement q);
/* A single number. */
enum err sql_number(struct store *s, enum statement q,
                    uint64_t *out) MUST_CHECK;
enum err sql_failed(struct store *s, const char *what);

/* Columns of the current row. */
uint64_t col_int(struct store *s, enum statement q, int i);
struct slice col_slice(struct store *s, enum statement q, int i); /* borrowed */
/* Exactly n bytes; NULL gives zeroes. */
void col_bytes(struct store *s, enum statement q, int i, uint8_t *out,
               size_t n);
struct id col_id(struct store *s, enum statement q, int i);
void col_text(struct store *s, enum statement q, int i, char *out, size_t cap);
void col_buf(struct store *s, enum statement q, int i, struct buf *out);

/* Those of hub.db, or of keyring.db. */
enum err sql_prepare(struct store *s, bool keyring) MUST_CHECK;
void sql_finalize(struct store *s);
/* Moves the WAL into the database; truncate also empties it. */
enum err sql_checkpoint(struct store *s, bool truncate) MUST_CHECK;
enum err keyring_checkpoint(struct store *s, bool truncate) MUST_CHECK;
/* Makes *p hold at least one more than n elements of the size. */
enum err grow(void **p, size_t n, size_t *cap, size_t size) MUST_CHECK;

/* Random bytes for nonces and ids from a small pool: one call to the kernel
 * for many. Bytes handed out are wiped. n <= 64. */
void random_take(struct store *s, uint8_t *out, size_t n);

/* ---- open.c ---- */
/* Writes the one line of why and gives e back. */
enum err refuse(struct buf *why, enum err e, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* ERR_STORE_OPEN for a file system that is a network. */
enum err filesystem_check(long type);
/* fsync of the folder that holds path. */
enum err folder_sync(const char *path) MUST_CHECK;
enum err write_at(int fd, struct slice s, int64_t at) MUST_CHECK;

/* ---- keyring.c ---- */
enum err keyring_open(struct store *s, const struct store_config *c,
                      struct buf *why) MUST_CHECK;
void keyring_close(struct store *s);
/* Whether hub.db has seen a keyring: then one must be there. */
enum err keyring_known(struct store *s, bool *known) MUST_CHECK;
/* Keys made in this transaction: made durable, or taken back. */
enum err keyring_commit(struct store *s) MUST_CHECK;
void keyring_abort(struct store *s);
/* Drops keys in memory. */
void keyring_forget(struct store *s);
/* The key of a person and the quarter of a time, made if there is none. It is
 * valid until the next call. A zero person is the hub. */
enum err keyring_make(struct store *s, struct id person, uint64_t ms,
                      const uint8_t **key) MUST_CHECK;
/* The same, ERR_NOT_FOUND when there is none. */
enum err keyring_find(struct store *s, struct id person, uint64_t ms,
                      const uint8_t **key) MUST_CHECK;
/* A person's master key, which outlives quarters, the same two ways. */
enum err keyring_make_master(struct store *s, struct id person,
                             const uint8_t **key) MUST_CHECK;
enum err keyring_find_master(struct store *s, struct id person,
                             const uint8_t **key) MUST_CHECK;
/* ---- lost.c ---- */
/* Empties and counts what is sealed under keys that are not there, in a
 * transaction of its own. older_keyring: else they were destroyed. */
enum err lost_settle(struct store *s, bool older_keyring) MUST_CHECK;

/* What is sealed at the hub is padded to this. */
#define STORE_BLOCK 256

/* ---- anchor.c ---- */
enum err anchor_open(struct anchor *a, const char *path,
                     struct buf *why) MUST_CHECK;
enum err anchor_write(struct anchor *a, uint64_t size,
                      struct hash leaf) MUST_CHECK;
enum err anchor_sync(struct anchor *a) MUST_CHECK;
/* Both records; a smaller size than before counts too. */
enum err anchor_reset(struct anchor *a, uint64_t size,
                      struct hash leaf) MUST_CHECK;
void anchor_close(struct anchor *a);

/* ---- log.c ---- */
enum err log_load(struct store *s, bool accept_rollback,
                  struct buf *why) MUST_CHECK;
enum err log_write(struct store *s) MUST_CHECK; /* pending leaves, in SQL */
void log_written(struct store *s);              /* after COMMIT */
struct hash log_last(const struct store *s);    /* hash of the last leaf */
void log_drop(struct store *s, size_t keep);    /* pending beyond keep */
void log_free(struct store *s);

/* ---- erase.c ---- */
/* Every table of the schema, and what an erasure does to a person's rows. */
struct erase_table {
    const char *name;
    enum { ERASE_NOT_THEIRS, ERASE_CLEARED, ERASE_DELETED } what;
};
extern const struct erase_table ERASE_TABLES[];
extern const size_t ERASE_TABLE_COUNT;

/* ---- deliveries.c ---- */
enum err delivery_row(struct store *s, int64_t id,
                      struct delivery *out) MUST_CHECK;
enum err deliveries_count(struct store *s) MUST_CHECK;
enum err deliveries_oldest(struct store *s, uint64_t *queued_ms) MUST_CHECK;
#endif
