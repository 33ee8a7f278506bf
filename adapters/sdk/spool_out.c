/* spool_out.c - the outbox: events by lane and number, until answered, and
 * their receipts. */
#include "adapters/sdk/spool_db.h"
#include <assert.h>
#include <sodium.h>
#include <string.h>

enum err spool_next_seq(struct spool *s, enum lane lane, uint64_t *seq)
{
    *seq = s->seq[lane] + 1;
    return s->broken ? ERR_STORE : ERR_OK;
}

static void source_hash(const struct spool *s, const char *source,
                        uint8_t out[16])
{
    token_make(s->secret, "source", slice_str(source), out);
}

struct sealed_event {
    struct buf event, source;
};

static enum err seal_event(struct spool *s, const struct spool_event *v,
                           struct sealed_event *out)
{
    uint8_t key[KEY_BYTES], aad[32];
    struct slice id = slice_of(v->event_id.b, ID_BYTES);
    enum err e = db_key_need(s, db_token(v->person), key);
    if (e == ERR_OK)
        e = seal(key, db_aad(aad, "event", id), v->event, &out->event);
    if (e == ERR_OK && v->source != NULL)
        e = seal(key, db_aad(aad, "source", id), slice_str(v->source),
                 &out->source);
    sodium_memzero(key, sizeof(key));
    return e;
}

static enum err insert_event(struct spool *s, const struct spool_event *v,
                             const struct sealed_event *b)
{
    uint8_t hash[16];
    sqlite3_stmt *st = db_query(s, Q_PUT);
    db_bind(st, 1, slice_of(v->event_id.b, ID_BYTES));
    sqlite3_bind_int(st, 2, (int)v->lane);
    db_bind_u64(st, 3, v->node_seq);
    sqlite3_bind_int64(st, 4, v->type);
    db_bind_u64(st, 5, v->created_ms);
    db_bind(st, 6, slice_of(v->header_sha256, 32));
    db_bind(st, 7, db_token(v->person));
    if (v->source != NULL) {
        source_hash(s, v->source, hash);
        db_bind(st, 8, slice_of(hash, sizeof(hash)));
        db_bind(st, 9, buf_slice(&b->source));
    }
    db_bind(st, 10, buf_slice(&b->event));
    return db_run(s, st);
}

enum err spool_put(struct spool *s, const struct spool_event *v)
{
    assert(v->node_seq == s->seq[v->lane] + 1);
    struct sealed_event b = {0};
    enum err e = seal_event(s, v, &b);
    if (e == ERR_OK)
        e = insert_event(s, v, &b);
    if (e == ERR_OK)
        s->seq[v->lane] = v->node_seq;
    buf_fini(&b.event);
    buf_fini(&b.source);
    return e;
}

enum err spool_by_source(struct spool *s, const char *source,
                         struct id *event_id)
{
    uint8_t hash[16];
    source_hash(s, source, hash);
    sqlite3_stmt *st = db_query(s, Q_SOURCE);
    db_bind(st, 1, slice_of(hash, sizeof(hash)));
    enum err e = db_row(s, st);
    if (e == ERR_OK)
        e = id_from(db_column(st, 0), event_id);
    sqlite3_reset(st);
    return e;
}

void spool_out_fini(struct spool_out *o)
{
    buf_fini(&o->event);
    buf_fini(&o->receipt);
    buf_fini(&o->source);
}

static void read_out_row(sqlite3_stmt *st, struct spool_out *o)
{
    o->row = sqlite3_column_int64(st, 0);
    o->lane = sqlite3_column_int(st, 2) == 0 ? LANE_URGENT : LANE_NORMAL;
    o->node_seq = db_column_u64(st, 3);
    o->type = (uint32_t)sqlite3_column_int64(st, 4);
    o->state = (enum out_state)sqlite3_column_int(st, 5);
    o->created_ms = db_column_u64(st, 6);
    o->answered_ms = db_column_u64(st, 7);
    if (db_column(st, 8).n == 32)
        memcpy(o->header_sha256, db_column(st, 8).p, 32);
    snprintf(o->code, sizeof(o->code), "%s",
             (const char *)sqlite3_column_text(st, 9));
    o->has_person = db_column(st, 10).n == TOKEN;
    if (o->has_person)
        memcpy(o->person, db_column(st, 10).p, TOKEN);
}

/* A destroyed key leaves the payload empty; anything else is damage. */
static enum err take_out(struct spool *s, sqlite3_stmt *st, struct spool_out *o)
{
    uint8_t key[KEY_BYTES];
    read_out_row(st, o);
    enum err e = id_from(db_column(st, 1), &o->event_id);
    if (e != ERR_OK)
        return ERR_INTEGRITY;
    e = db_key_get(s, db_column(st, 10), key);
    if (e == ERR_NOT_FOUND)
        return ERR_OK;
    if (e != ERR_OK)
        return e;
    struct slice id = slice_of(o->event_id.b, ID_BYTES);
    e = db_unseal(key, "event", id, db_column(st, 12), &o->event);
    if (e == ERR_OK)
        e = db_unseal(key, "receipt", id, db_column(st, 13), &o->receipt);
    if (e == ERR_OK)
        e = db_unseal(key, "source", id, db_column(st, 11), &o->source);
    sodium_memzero(key, sizeof(key));
    return e;
}

static enum err fetch_out(struct spool *s, sqlite3_stmt *st,
                          struct spool_out *o)
{
    memset(o, 0, sizeof(*o));
    enum err e = db_row(s, st);
    if (e == ERR_OK)
        e = take_out(s, st, o);
    sqlite3_reset(st);
    if (e != ERR_OK)
        spool_out_fini(o);
    return e;
}

enum err spool_waiting(struct spool *s, enum lane lane, uint64_t after_seq,
                       struct spool_out *o)
{
    sqlite3_stmt *st = db_query(s, Q_WAITING);
    sqlite3_bind_int(st, 1, (int)lane);
    db_bind_u64(st, 2, after_seq);
    return fetch_out(s, st, o);
}

enum err spool_out_get(struct spool *s, struct id event_id, struct spool_out *o)
{
    sqlite3_stmt *st = db_query(s, Q_OUT_GET);
    db_bind(st, 1, slice_of(event_id.b, ID_BYTES));
    return fetch_out(s, st, o);
}

enum err spool_out_after(struct spool *s, int64_t row, bool all,
                         struct spool_out *o)
{
    sqlite3_stmt *st = db_query(s, Q_OUT_AFTER);
    sqlite3_bind_int64(st, 1, row);
    sqlite3_bind_int(st, 2, all);
    return fetch_out(s, st, o);
}

/* The person of a row, as its token. */
static enum err person_of(struct spool *s, struct id event_id,
                          uint8_t key[KEY_BYTES])
{
    sqlite3_stmt *st = db_query(s, Q_OUT_GET);
    db_bind(st, 1, slice_of(event_id.b, ID_BYTES));
    enum err e = db_row(s, st);
    if (e == ERR_OK)
        e = db_key_need(s, db_column(st, 10), key);
    sqlite3_reset(st);
    return e;
}

enum err spool_answer(struct spool *s, struct id event_id, enum out_state state,
                      const char *code, struct slice receipt, uint64_t now_ms)
{
    uint8_t key[KEY_BYTES], aad[32];
    struct slice id = slice_of(event_id.b, ID_BYTES);
    struct buf sealed = {0};
    enum err e = person_of(s, event_id, key);
    if (e == ERR_OK && receipt.n > 0)
        e = seal(key, db_aad(aad, "receipt", id), receipt, &sealed);
    if (e == ERR_OK) {
        sqlite3_stmt *st = db_query(s, Q_ANSWER);
        db_bind(st, 1, id);
        sqlite3_bind_int(st, 2, (int)state);
        sqlite3_bind_text(st, 3, code, -1, SQLITE_STATIC);
        db_bind_u64(st, 4, now_ms);
        if (receipt.n > 0)
            db_bind(st, 5, buf_slice(&sealed));
        e = db_run(s, st);
    }
    sodium_memzero(key, sizeof(key));
    buf_fini(&sealed);
    return e;
}

enum err spool_resend_all(struct spool *s, size_t *n)
{
    enum err e = db_run(s, db_query(s, Q_RESEND));
    *n = e == ERR_OK ? (size_t)sqlite3_changes(s->db) : 0;
    return e;
}
