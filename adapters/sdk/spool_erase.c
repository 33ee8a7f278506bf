/* spool_erase.c - forgetting a person, by order of the hub.
 *
 * The tokens of the person and of their cases say which rows are meant. Of
 * such a row all that tells of a person goes: the payload, the token, and the
 * hash of the source (a key of whoever has the node's secret could otherwise
 * ask whether a local number was here). What the agency recorded after the
 * order was given is about somebody the hub knows anew: it is sealed again
 * under a fresh key before the old one is destroyed, since the agency's own
 * token of a local number never changes.
 *
 * A row about no person may still be about a case: such events are opened to
 * see. Everything is one transaction, the order's answer included, so that a
 * crash leaves either all of it or nothing, and a repeat is told the same.
 *
 * SQLite overwrites what it deletes, but not the copies of cells that it leaves
 * in the gap of a page when it moves them to another. So the database is then
 * written anew, which a mark remembers until it is done. */
#include "adapters/sdk/spool_db.h"
#include "proto/wire/event.h"
#include "proto/wire/unpack.h"
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

/* The key that a surviving row goes under. */
struct fresh {
    uint8_t key[KEY_BYTES];
    bool used;
};
struct work {
    struct spool *s;
    const struct spool_forget *f;
    struct fresh *fresh; /* one for each token */
    struct spool_forgotten *out;
};

/* f->tokens: it is none of them. */
static size_t token_at(const struct spool_forget *f, const uint8_t *token)
{
    size_t i = 0;
    while (i < f->tokens && memcmp(f->token[i].b, token, TOKEN) != 0)
        i++;
    return i;
}

static size_t person_at(const struct spool_forget *f, bool has_person,
                        const uint8_t *person)
{
    return has_person ? token_at(f, person) : f->tokens;
}

static bool has(const struct spool_forget *f, struct slice token)
{
    return token.n == TOKEN && token_at(f, token.p) < f->tokens;
}

static bool of_their_case(const struct spool_forget *f, struct slice packed)
{
    struct event *ev = NULL;
    if (packed.n == 0 || event_open(packed, &ev) != ERR_OK)
        return false;
    const Pb__Routing *r = ev->routing;
    bool meant = r->has_case_token && has(f, pb_slice(r->case_token));
    event_close(&ev);
    return meant;
}

static bool out_meant(const struct spool_forget *f, const struct spool_out *o)
{
    if (o->created_ms > f->before_ms)
        return false;
    return o->has_person ? token_at(f, o->person) < f->tokens
                         : of_their_case(f, buf_slice(&o->event));
}

/* What was called back under a token that no order names, or under none, can
 * be told from nothing else. */
static bool in_meant(const struct spool_forget *f, const struct spool_in *d)
{
    if (f->rest && d->erased && d->delivery.n > 0)
        return true;
    if (d->released_ms > f->before_ms)
        return false;
    return person_at(f, d->has_person, d->person) < f->tokens ||
           (d->has_case && token_at(f, d->case_token) < f->tokens);
}

/* ---- what survives ---- */

static const uint8_t *fresh_key(struct work *w, size_t token)
{
    struct fresh *k = &w->fresh[token];
    if (!k->used)
        randombytes_buf(k->key, KEY_BYTES);
    k->used = true;
    return k->key;
}

static enum err reseal(const uint8_t *key, const char *what, struct id id,
                       const struct buf *plain, struct buf *sealed)
{
    uint8_t aad[32];
    return plain->n == 0
               ? ERR_OK
               : seal(key, db_aad(aad, what, slice_of(id.b, ID_BYTES)),
                      buf_slice(plain), sealed);
}

static void bind_sealed(sqlite3_stmt *st, int at, const struct buf *sealed)
{
    if (sealed->n > 0)
        db_bind(st, at, buf_slice(sealed));
}

static enum err keep_proof(struct work *w, struct id id, size_t token)
{
    struct buf plain = {0}, sealed = {0};
    enum err e = spool_proof(w->s, id, &plain);
    if (e == ERR_OK)
        e = reseal(fresh_key(w, token), "proof", id, &plain, &sealed);
    if (e == ERR_OK) {
        sqlite3_stmt *st = db_query(w->s, Q_PROOF_SET);
        db_bind(st, 1, slice_of(id.b, ID_BYTES));
        db_bind(st, 2, slice_of(w->f->token[token].b, TOKEN));
        db_bind(st, 3, buf_slice(&sealed));
        e = db_run(w->s, st);
    }
    buf_fini(&plain);
    buf_fini(&sealed);
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

static enum err keep_out(struct work *w, const struct spool_out *o,
                         size_t token)
{
    struct buf event = {0}, receipt = {0}, source = {0};
    const uint8_t *key = fresh_key(w, token);
    enum err e = reseal(key, "event", o->event_id, &o->event, &event);
    if (e == ERR_OK)
        e = reseal(key, "receipt", o->event_id, &o->receipt, &receipt);
    if (e == ERR_OK)
        e = reseal(key, "source", o->event_id, &o->source, &source);
    if (e == ERR_OK) {
        sqlite3_stmt *st = db_query(w->s, Q_RESEAL_OUT);
        db_bind(st, 1, slice_of(o->event_id.b, ID_BYTES));
        bind_sealed(st, 2, &event);
        bind_sealed(st, 3, &receipt);
        bind_sealed(st, 4, &source);
        e = db_run(w->s, st);
    }
    buf_fini(&event);
    buf_fini(&receipt);
    buf_fini(&source);
    return e == ERR_OK ? keep_proof(w, o->event_id, token) : e;
}

static enum err keep_in(struct work *w, const struct spool_in *d, size_t token)
{
    struct buf sealed = {0};
    const uint8_t *key = fresh_key(w, token);
    enum err e = reseal(key, "in", d->delivery_id, &d->delivery, &sealed);
    if (e == ERR_OK) {
        sqlite3_stmt *st = db_query(w->s, Q_RESEAL_IN);
        db_bind(st, 1, slice_of(d->delivery_id.b, ID_BYTES));
        bind_sealed(st, 2, &sealed);
        e = db_run(w->s, st);
    }
    buf_fini(&sealed);
    return e == ERR_OK ? keep_proof(w, d->delivery_id, token) : e;
}

/* ---- what goes ---- */

static enum err run_id(struct spool *s, int q, struct id id)
{
    sqlite3_stmt *st = db_query(s, q);
    db_bind(st, 1, slice_of(id.b, ID_BYTES));
    return db_run(s, st);
}

static enum err one_out(struct work *w, const struct spool_out *o)
{
    size_t token = person_at(w->f, o->has_person, o->person);
    if (!out_meant(w->f, o))
        return token < w->f->tokens ? keep_out(w, o, token) : ERR_OK;
    w->out->deleted += o->event.n > 0;
    enum err e = run_id(w->s, Q_ERASE_PROOF, o->event_id);
    return e != ERR_OK ? e : run_id(w->s, Q_ERASE_OUT, o->event_id);
}

static enum err one_in(struct work *w, const struct spool_in *d)
{
    size_t token = person_at(w->f, d->has_person, d->person);
    bool never = d->recalled == RECALL_DELETED; /* nobody ever saw it */
    if (!in_meant(w->f, d))
        return token < w->f->tokens ? keep_in(w, d, token) : ERR_OK;
    w->out->deleted += d->delivery.n > 0 || never;
    w->out->handed += (d->state != IN_NEW || d->shown) && !never;
    enum err e = run_id(w->s, Q_ERASE_RELIED, d->delivery_id);
    if (e == ERR_OK)
        e = run_id(w->s, Q_ERASE_PROOF, d->delivery_id);
    return e != ERR_OK ? e : run_id(w->s, Q_ERASE_IN, d->delivery_id);
}

static enum err all_out(struct work *w)
{
    struct spool_out o;
    int64_t row = 0;
    enum err e;
    while ((e = spool_out_after(w->s, row, true, &o)) == ERR_OK) {
        row = o.row;
        e = one_out(w, &o);
        spool_out_fini(&o);
        if (e != ERR_OK)
            return e;
    }
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

static enum err all_in(struct work *w)
{
    struct spool_in d;
    int64_t row = 0;
    enum err e;
    while ((e = spool_in_after(w->s, row, IN_HANDLED, &d)) == ERR_OK) {
        row = d.row;
        e = one_in(w, &d);
        spool_in_fini(&d);
        if (e != ERR_OK)
            return e;
    }
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

static enum err all_keys(struct work *w)
{
    enum err e = ERR_OK;
    for (size_t i = 0; i < w->f->tokens && e == ERR_OK; i++) {
        e = run_id(w->s, Q_ERASE_KEY, w->f->token[i]);
        if (e == ERR_OK && w->fresh[i].used)
            e = db_key_put(w->s, slice_of(w->f->token[i].b, TOKEN),
                           w->fresh[i].key);
    }
    return e;
}

/* ---- written anew ---- */

#define REWRITE "rewrite"

static enum err mark_rewrite(struct spool *s, bool wanted)
{
    return db_meta_set(s, REWRITE, slice_str(wanted ? "1" : "0"));
}

static enum err rewrite_wanted(struct spool *s, bool *wanted)
{
    struct buf b = {0};
    enum err e = db_meta_get(s, REWRITE, &b);
    *wanted = e == ERR_OK && b.n == 1 && b.p[0] == '1';
    buf_fini(&b);
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

/* ERR_IO: no room on the disk for a second copy; the mark stays. */
static enum err rewrite(struct spool *s)
{
    bool wanted = false;
    enum err e = rewrite_wanted(s, &wanted);
    if (e == ERR_OK)
        e = spool_scrub(s);
    if (e != ERR_OK || !wanted)
        return e;
    if (sqlite3_exec(s->db, "VACUUM", NULL, NULL, NULL) != SQLITE_OK)
        return ERR_IO;
    e = mark_rewrite(s, false);
    return e == ERR_OK ? spool_scrub(s) : e;
}

/* ---- the order ---- */

static enum err remembered(struct spool *s, struct id order,
                           struct spool_forgotten *out)
{
    sqlite3_stmt *st = db_query(s, Q_ERASED_GET);
    db_bind(st, 1, slice_of(order.b, ID_BYTES));
    enum err e = db_row(s, st);
    if (e == ERR_OK) {
        out->leaf = db_column_u64(st, 0);
        out->outcome = (enum recall)sqlite3_column_int(st, 1);
        out->deleted = (uint32_t)sqlite3_column_int64(st, 2);
        out->handed = (uint32_t)sqlite3_column_int64(st, 3);
        out->time_ms = db_column_u64(st, 4);
    }
    sqlite3_reset(st);
    return e;
}

static enum err remember(struct spool *s, const struct spool_forget *f,
                         const struct spool_forgotten *o)
{
    sqlite3_stmt *st = db_query(s, Q_ERASED_SET);
    db_bind(st, 1, slice_of(f->order.b, ID_BYTES));
    db_bind_u64(st, 2, o->leaf);
    sqlite3_bind_int(st, 3, (int)o->outcome);
    sqlite3_bind_int64(st, 4, o->deleted);
    sqlite3_bind_int64(st, 5, o->handed);
    db_bind_u64(st, 6, o->time_ms);
    return db_run(s, st);
}

static enum err forget(struct work *w, uint64_t now_ms)
{
    struct spool_forgotten *o = w->out;
    enum err e = all_out(w);
    if (e == ERR_OK)
        e = all_in(w);
    if (e == ERR_OK)
        e = all_keys(w);
    o->leaf = w->f->leaf;
    o->time_ms = now_ms;
    o->outcome = o->handed > 0    ? RECALL_HANDED
                 : o->deleted > 0 ? RECALL_DELETED
                                  : RECALL_UNKNOWN;
    if (e == ERR_OK)
        e = remember(w->s, w->f, o);
    if (e == ERR_OK)
        e = mark_rewrite(w->s, true);
    return e == ERR_OK ? rewrite(w->s) : e;
}

enum err spool_forget(struct spool *s, const struct spool_forget *f,
                      uint64_t now_ms, struct spool_forgotten *out)
{
    struct work w = {.s = s, .f = f, .out = out};
    memset(out, 0, sizeof(*out));
    enum err e = remembered(s, f->order, out);
    if (e != ERR_NOT_FOUND)
        return e == ERR_OK ? rewrite(s) : e;
    w.fresh = calloc(f->tokens + 1, sizeof(*w.fresh));
    if (w.fresh == NULL)
        return ERR_NOMEM;
    e = forget(&w, now_ms);
    sodium_memzero(w.fresh, (f->tokens + 1) * sizeof(*w.fresh));
    free(w.fresh);
    return e;
}

enum err spool_obeyed(struct spool *s, struct id order, bool *yes)
{
    struct spool_forgotten gone;
    enum err e = remembered(s, order, &gone);
    *yes = e == ERR_OK;
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

enum err spool_recall_erased(struct spool *s, struct id delivery_id)
{
    return run_id(s, Q_RECALL_ERASED, delivery_id);
}

/* ---- for what lies outside the spool ---- */

enum err spool_meant_event(struct spool *s, const struct spool_forget *f,
                           struct id event_id, bool *meant)
{
    struct spool_out o;
    *meant = false;
    enum err e = spool_out_get(s, event_id, &o);
    if (e == ERR_OK) {
        *meant = out_meant(f, &o);
        spool_out_fini(&o);
    }
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

enum err spool_meant_source(struct spool *s, const struct spool_forget *f,
                            const char *source, bool *meant)
{
    struct id event_id;
    *meant = false;
    enum err e = spool_by_source(s, source, &event_id);
    if (e != ERR_OK)
        return e == ERR_NOT_FOUND ? ERR_OK : e;
    return spool_meant_event(s, f, event_id, meant);
}

enum err spool_meant_delivery(struct spool *s, const struct spool_forget *f,
                              struct id delivery_id, bool *meant)
{
    struct spool_in d;
    *meant = false;
    enum err e = spool_in_get(s, delivery_id, &d);
    if (e == ERR_OK) {
        *meant = in_meant(f, &d);
        spool_in_fini(&d);
    }
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}
