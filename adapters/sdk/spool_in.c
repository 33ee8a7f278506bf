/* spool_in.c - the inbox: each delivery once for ever, by its id, and the
 * consents it relied on. */
#include "adapters/sdk/spool_db.h"
#include <sodium.h>
#include <string.h>

static enum err already(struct spool *s, struct id id, bool *has)
{
    sqlite3_stmt *st = db_query(s, Q_IN_HAS);
    db_bind(st, 1, slice_of(id.b, ID_BYTES));
    enum err e = db_row(s, st);
    sqlite3_reset(st);
    *has = e == ERR_OK;
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

static enum err insert_delivery(struct spool *s, const struct spool_delivery *d,
                                struct slice sealed, uint64_t now_ms)
{
    sqlite3_stmt *st = db_query(s, Q_TAKE);
    db_bind(st, 1, slice_of(d->delivery_id.b, ID_BYTES));
    sqlite3_bind_int(st, 2, (int)d->lane);
    sqlite3_bind_int64(st, 3, d->type);
    db_bind(st, 4, db_token(d->person));
    if (d->case_token != NULL)
        db_bind(st, 5, slice_of(d->case_token, TOKEN));
    db_bind_u64(st, 6, d->released_ms);
    db_bind_u64(st, 7, now_ms);
    db_bind(st, 8, sealed);
    return db_run(s, st);
}

static enum err drop_payload(struct spool *s, struct id id, uint64_t now_ms)
{
    sqlite3_stmt *st = db_query(s, Q_DROP);
    db_bind(st, 1, slice_of(id.b, ID_BYTES));
    db_bind_u64(st, 2, now_ms);
    return db_run(s, st);
}

static enum err put_recall(struct spool *s, struct id id,
                           const struct spool_recalled *r, uint64_t now_ms)
{
    sqlite3_stmt *st = db_query(s, Q_RECALL_SET);
    db_bind(st, 1, slice_of(id.b, ID_BYTES));
    db_bind_u64(st, 2, r->no);
    sqlite3_bind_int(st, 3, (int)r->outcome);
    db_bind_u64(st, 4, now_ms);
    if (r->has_leaf)
        db_bind(st, 5, slice_of(r->leaf_sha256, sizeof(r->leaf_sha256)));
    return db_run(s, st);
}

static enum err insert_consents(struct spool *s, const struct spool_delivery *d)
{
    enum err e = ERR_OK;
    for (size_t i = 0; i < d->consents && e == ERR_OK; i++) {
        sqlite3_stmt *st = db_query(s, Q_RELIED);
        db_bind(st, 1, slice_of(d->consent[i].b, ID_BYTES));
        db_bind(st, 2, slice_of(d->delivery_id.b, ID_BYTES));
        e = db_run(s, st);
    }
    return e;
}

/* It was called back before it came: only its number is kept. */
static enum err take_recalled(struct spool *s, const struct spool_delivery *d,
                              uint64_t now_ms)
{
    struct spool_recalled r;
    enum err e = spool_recalled(s, d->delivery_id, &r);
    if (e != ERR_OK)
        return e;
    e = insert_delivery(s, d, slice_of("", 0), now_ms);
    if (e == ERR_OK)
        e = drop_payload(s, d->delivery_id, now_ms);
    r.outcome = RECALL_DELETED;
    return e == ERR_OK ? put_recall(s, d->delivery_id, &r, now_ms) : e;
}

enum err spool_take(struct spool *s, const struct spool_delivery *d,
                    uint64_t now_ms, bool *fresh)
{
    uint8_t key[KEY_BYTES], aad[32];
    struct buf sealed = {0};
    bool has;
    enum err e = already(s, d->delivery_id, &has);
    *fresh = e == ERR_OK && !has;
    if (!*fresh)
        return e;
    e = take_recalled(s, d, now_ms);
    if (e != ERR_NOT_FOUND) {
        *fresh = false;
        return e;
    }
    e = db_key_need(s, db_token(d->person), key);
    if (e == ERR_OK)
        e = seal(key, db_aad(aad, "in", slice_of(d->delivery_id.b, ID_BYTES)),
                 d->delivery, &sealed);
    if (e == ERR_OK)
        e = insert_delivery(s, d, buf_slice(&sealed), now_ms);
    if (e == ERR_OK)
        e = insert_consents(s, d);
    sodium_memzero(key, sizeof(key));
    buf_fini(&sealed);
    return e;
}

void spool_in_fini(struct spool_in *d)
{
    buf_fini(&d->delivery);
}

static void read_in_row(sqlite3_stmt *st, struct spool_in *d)
{
    d->row = sqlite3_column_int64(st, 0);
    d->lane = sqlite3_column_int(st, 2) == 0 ? LANE_URGENT : LANE_NORMAL;
    d->state = (enum in_state)sqlite3_column_int(st, 3);
    d->type = (uint32_t)sqlite3_column_int64(st, 4);
    d->withdrawn = sqlite3_column_int(st, 5) != 0;
    d->has_case = db_column(st, 7).n == TOKEN;
    if (d->has_case)
        memcpy(d->case_token, db_column(st, 7).p, TOKEN);
    d->released_ms = db_column_u64(st, 8);
    d->stored_ms = db_column_u64(st, 9);
    d->shown = sqlite3_column_int(st, 11) != 0;
    d->recalled = (enum recall)sqlite3_column_int(st, 12);
    d->erased = sqlite3_column_int(st, 13) != 0;
    d->has_person = db_column(st, 6).n == TOKEN;
    if (d->has_person)
        memcpy(d->person, db_column(st, 6).p, TOKEN);
}

static enum err take_in(struct spool *s, sqlite3_stmt *st, struct spool_in *d)
{
    uint8_t key[KEY_BYTES];
    read_in_row(st, d);
    enum err e = id_from(db_column(st, 1), &d->delivery_id);
    if (e != ERR_OK)
        return ERR_INTEGRITY;
    e = db_key_get(s, db_column(st, 6), key);
    if (e == ERR_NOT_FOUND)
        return ERR_OK;
    if (e == ERR_OK)
        e = db_unseal(key, "in", slice_of(d->delivery_id.b, ID_BYTES),
                      db_column(st, 10), &d->delivery);
    sodium_memzero(key, sizeof(key));
    return e;
}

static enum err fetch_in(struct spool *s, sqlite3_stmt *st, struct spool_in *d)
{
    memset(d, 0, sizeof(*d));
    enum err e = db_row(s, st);
    if (e == ERR_OK)
        e = take_in(s, st, d);
    sqlite3_reset(st);
    if (e != ERR_OK)
        spool_in_fini(d);
    return e;
}

enum err spool_in_get(struct spool *s, struct id delivery_id,
                      struct spool_in *d)
{
    sqlite3_stmt *st = db_query(s, Q_IN_GET);
    db_bind(st, 1, slice_of(delivery_id.b, ID_BYTES));
    return fetch_in(s, st, d);
}

enum err spool_in_after(struct spool *s, int64_t row, enum in_state up_to,
                        struct spool_in *d)
{
    sqlite3_stmt *st = db_query(s, Q_IN_AFTER);
    sqlite3_bind_int64(st, 1, row);
    sqlite3_bind_int(st, 2, (int)up_to);
    return fetch_in(s, st, d);
}

enum err spool_in_new(struct spool *s, enum lane lane, int64_t row,
                      struct spool_in *d)
{
    sqlite3_stmt *st = db_query(s, Q_IN_NEW);
    sqlite3_bind_int(st, 1, (int)lane);
    sqlite3_bind_int64(st, 2, row);
    return fetch_in(s, st, d);
}

enum err spool_mark(struct spool *s, struct id delivery_id, enum in_state state,
                    uint64_t now_ms)
{
    sqlite3_stmt *st = db_query(s, Q_MARK);
    db_bind(st, 1, slice_of(delivery_id.b, ID_BYTES));
    sqlite3_bind_int(st, 2, (int)state);
    db_bind_u64(st, 3, now_ms);
    enum err e = db_run(s, st);
    return e == ERR_OK && sqlite3_changes(s->db) == 0 ? ERR_NOT_FOUND : e;
}

enum err spool_withdraw_consent(struct spool *s, struct id consent)
{
    sqlite3_stmt *st = db_query(s, Q_WITHDRAW);
    db_bind(st, 1, slice_of(consent.b, ID_BYTES));
    return db_run(s, st);
}

enum err spool_withdraw_all(struct spool *s, const uint8_t *person,
                            const uint8_t *case_token)
{
    sqlite3_stmt *st = db_query(s, Q_WITHDRAW_ALL);
    if (person != NULL)
        db_bind(st, 1, slice_of(person, TOKEN));
    if (case_token != NULL)
        db_bind(st, 2, slice_of(case_token, TOKEN));
    return db_run(s, st);
}

enum err spool_shown(struct spool *s, struct id delivery_id)
{
    sqlite3_stmt *st = db_query(s, Q_SHOWN);
    db_bind(st, 1, slice_of(delivery_id.b, ID_BYTES));
    enum err e = db_run(s, st);
    return e == ERR_OK && sqlite3_changes(s->db) == 0 ? ERR_NOT_FOUND : e;
}

enum err spool_unread(struct spool *s, bool *any)
{
    sqlite3_stmt *st = db_query(s, Q_UNREAD);
    enum err e = db_row(s, st);
    sqlite3_reset(st);
    *any = e == ERR_OK;
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

/* ---- recalls ---- */

enum err spool_recalled(struct spool *s, struct id delivery_id,
                        struct spool_recalled *r)
{
    memset(r, 0, sizeof(*r));
    sqlite3_stmt *st = db_query(s, Q_RECALL_GET);
    db_bind(st, 1, slice_of(delivery_id.b, ID_BYTES));
    enum err e = db_row(s, st);
    if (e == ERR_OK) {
        struct slice leaf = db_column(st, 2);
        r->outcome = (enum recall)sqlite3_column_int(st, 0);
        r->no = db_column_u64(st, 1);
        r->has_leaf = leaf.n == sizeof(r->leaf_sha256);
        if (r->has_leaf)
            memcpy(r->leaf_sha256, leaf.p, leaf.n);
    }
    sqlite3_reset(st);
    return e;
}

/* What its row says of who has it. */
static enum err outcome_of(struct spool *s, struct id delivery_id,
                           enum recall *outcome)
{
    sqlite3_stmt *st = db_query(s, Q_IN_GET);
    db_bind(st, 1, slice_of(delivery_id.b, ID_BYTES));
    enum err e = db_row(s, st);
    bool unread = e == ERR_OK && sqlite3_column_int(st, 3) == IN_NEW &&
                  sqlite3_column_int(st, 11) == 0;
    *outcome = e == ERR_NOT_FOUND ? RECALL_UNKNOWN
               : unread           ? RECALL_DELETED
                                  : RECALL_HANDED;
    sqlite3_reset(st);
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

enum err spool_recall(struct spool *s, struct id delivery_id, uint64_t no,
                      const uint8_t *leaf_sha256, uint64_t now_ms,
                      struct spool_recalled *r)
{
    enum err e = spool_recalled(s, delivery_id, r);
    if (e != ERR_NOT_FOUND)
        return e;
    e = outcome_of(s, delivery_id, &r->outcome);
    r->no = no;
    r->has_leaf = leaf_sha256 != NULL;
    if (r->has_leaf)
        memcpy(r->leaf_sha256, leaf_sha256, sizeof(r->leaf_sha256));
    if (e == ERR_OK) /* also what only a list has shown so far */
        e = drop_payload(s, delivery_id, now_ms);
    return e == ERR_OK ? put_recall(s, delivery_id, r, now_ms) : e;
}
