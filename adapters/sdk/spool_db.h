/* spool_db.h - the database under the spool. Private to spool*.c: spool.c
 * opens it and keeps its keys, spool_out.c and spool_in.c are the two boxes,
 * spool_proof.c the proofs of both. */
#ifndef TSUNAGI_SDK_SPOOL_DB_H
#define TSUNAGI_SDK_SPOOL_DB_H
#include "adapters/sdk/spool.h"
#include <sqlite3.h>

#define TOKEN 16

enum {
    Q_META_GET,
    Q_META_SET,
    Q_META_DROP,
    Q_KEY_GET,
    Q_KEY_SET,
    Q_PUT,
    Q_SOURCE,
    Q_WAITING,
    Q_OUT_GET,
    Q_OUT_AFTER,
    Q_ANSWER,
    Q_RESEND,
    Q_TAKE,
    Q_IN_HAS,
    Q_IN_GET,
    Q_IN_AFTER,
    Q_IN_NEW,
    Q_MARK,
    Q_SHOWN,
    Q_UNREAD,
    Q_DROP,
    Q_RECALL_GET,
    Q_RECALL_SET,
    Q_RELIED,
    Q_WITHDRAW,
    Q_WITHDRAW_ALL,
    Q_PROOF_SET,
    Q_PROOF_GET,
    Q_COUNT,
    Q_COUNT_LANE,
    Q_COUNT_RECALLED,
    Q_PRUNE_OUT,
    Q_PRUNE_IN,
    Q_ERASE_KEY,
    Q_ERASE_OUT,
    Q_ERASE_IN,
    Q_ERASE_PROOF,
    Q_ERASE_RELIED,
    Q_RESEAL_OUT,
    Q_RESEAL_IN,
    Q_RECALL_ERASED,
    Q_ERASED_GET,
    Q_ERASED_SET,
    QUERIES
};

struct spool {
    sqlite3 *db;
    sqlite3_stmt *q[QUERIES];
    uint8_t secret[KEY_BYTES];
    uint64_t seq[LANES]; /* last one used; of committed and open rows */
    int lock;
    bool open_tx, broken;
};

/* A storage error: nothing works from here on. Returns ERR_STORE. */
enum err db_broken(struct spool *s);
/* The statement, reset. */
sqlite3_stmt *db_query(struct spool *s, int q);
void db_bind(sqlite3_stmt *st, int at, struct slice v);
void db_bind_u64(sqlite3_stmt *st, int at, uint64_t v);
struct slice db_column(sqlite3_stmt *st, int at);
uint64_t db_column_u64(sqlite3_stmt *st, int at);
/* One row or ERR_NOT_FOUND; the statement stays on it until its next query. */
enum err db_row(struct spool *s, sqlite3_stmt *st) MUST_CHECK;
/* A write, in the open transaction or a new one. */
enum err db_run(struct spool *s, sqlite3_stmt *st) MUST_CHECK;

/* Named values. ERR_NOT_FOUND. */
enum err db_meta_get(struct spool *s, const char *k, struct buf *v) MUST_CHECK;
enum err db_meta_set(struct spool *s, const char *k, struct slice v) MUST_CHECK;

/* ---- keys of people ---- */
struct slice db_token(const uint8_t *person);
/* what, a zero byte, the row's id: bound into each seal. */
struct slice db_aad(uint8_t out[32], const char *what, struct slice id);
/* ERR_NOT_FOUND: there is none, or it was destroyed. */
enum err db_key_get(struct spool *s, struct slice person,
                    uint8_t key[KEY_BYTES]) MUST_CHECK;
/* Makes one when there is none. */
enum err db_key_need(struct spool *s, struct slice person,
                     uint8_t key[KEY_BYTES]) MUST_CHECK;
/* Stores a key made elsewhere. */
enum err db_key_put(struct spool *s, struct slice person,
                    const uint8_t key[KEY_BYTES]) MUST_CHECK;
/* An absent payload leaves out empty. */
enum err db_unseal(const uint8_t *key, const char *what, struct slice id,
                   struct slice sealed, struct buf *out) MUST_CHECK;
#endif
