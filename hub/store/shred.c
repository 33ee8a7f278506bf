/* shred.c - the end of keys: a person's are destroyed; all others are wrapped
 * under a new epoch, and the old one is destroyed.
 *
 * Destroying. The rows are deleted in a transaction of keyring.db alone
 * (secure_delete writes zeroes over them), the WAL is emptied, and database
 * and WAL are searched for every wrapped key that was there; what a page's
 * unused space still holds is removed by VACUUM and searched for again.
 *
 * Rotating, so that copies of keyring.db made before are worth nothing:
 *   1. the KEK of epoch n+1 is made              file epoch-<n+1>.kek
 *   2. keyring.db lists it                       table kek
 *   3. every key is wrapped anew, in slices      table dek
 *   4. keyring.db lists n+1 alone; its WAL is emptied
 *   5. the KEK of n and of whatever is older is destroyed
 * A crash leaves one of: a KEK not listed and newer than all (1: list it and go
 * on), two listed (2, 3: go on), a KEK not listed and older (4: destroy it).
 * Never is a KEK destroyed that a listed epoch needs, and a listed epoch
 * without its KEK is an older copy of the keyring, or another's: refused. */
#include "hub/store/keyring.h"
#include "proto/base/log.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define SLICE_KEYS 2048
#define SEARCH_BYTES 65536

/* ---- looking for what should be gone ---- */

/* Wrapped keys that must not be found, by their first two bytes. */
struct needles {
    struct buf bytes; /* back to back, each of `each` bytes */
    size_t each, n;
    bool first[1 << 16];
};

static size_t head_of(const uint8_t *p)
{
    return (size_t)p[0] << 8 | p[1];
}

static bool needle_at(const struct needles *k, const uint8_t *p)
{
    for (size_t i = 0; k->first[head_of(p)] && i < k->n; i++)
        if (memcmp(k->bytes.p + i * k->each, p, k->each) == 0)
            return true;
    return false;
}

static enum err search_file(const struct needles *k, sqlite3_file *f,
                            bool *found)
{
    uint8_t block[SEARCH_BYTES];
    sqlite3_int64 size = 0;
    if (f == NULL || f->pMethods == NULL)
        return ERR_OK; /* there is no WAL */
    if (f->pMethods->xFileSize(f, &size) != SQLITE_OK)
        return ERR_IO;
    size_t step = sizeof(block) - k->each + 1;
    for (sqlite3_int64 at = 0; at < size; at += (sqlite3_int64)step) {
        size_t n =
            size - at < SEARCH_BYTES ? (size_t)(size - at) : sizeof(block);
        if (f->pMethods->xRead(f, block, (int)n, at) != SQLITE_OK)
            return ERR_IO;
        for (size_t i = 0; i + k->each <= n; i++)
            if (needle_at(k, block + i))
                *found = true;
    }
    return ERR_OK;
}

/* Reads through SQLite's own descriptors: closing another one would drop the
 * locks on the file. */
static enum err search(struct store *s, const struct needles *k, bool *found)
{
    sqlite3_file *db = NULL, *wal = NULL;
    *found = false;
    if (k->n == 0)
        return ERR_OK;
    if (sqlite3_file_control(s->ring_db, "main", SQLITE_FCNTL_FILE_POINTER,
                             &db) != SQLITE_OK ||
        sqlite3_file_control(s->ring_db, "main", SQLITE_FCNTL_JOURNAL_POINTER,
                             &wal) != SQLITE_OK)
        return ERR_STORE;
    enum err e = search_file(k, db, found);
    return e == ERR_OK ? search_file(k, wal, found) : e;
}

static enum err vacuum(struct store *s)
{
    if (sqlite3_exec(s->ring_db, "VACUUM", NULL, NULL, NULL) != SQLITE_OK)
        return ERR_STORE;
    return keyring_checkpoint(s, true);
}

/* ERR_ERASE_REMAINS when a wrapped key is still there after all. */
static enum err make_sure(struct store *s, const struct needles *k)
{
    bool found;
    enum err e = keyring_checkpoint(s, true);
    if (e == ERR_OK)
        e = search(s, k, &found);
    if (e != ERR_OK || !found)
        return e;
    log_note("store: deleted keys were still in unused space; rewriting");
    e = vacuum(s);
    if (e == ERR_OK)
        e = search(s, k, &found);
    return e == ERR_OK && found ? ERR_ERASE_REMAINS : e;
}

/* ---- keys ---- */

struct gone_list {
    struct key_gone *one;
    size_t n, cap;
    struct needles *needles; /* NULL: not wanted */
};

static enum err note_gone(struct gone_list *l, const struct dek *d)
{
    struct needles *k = l->needles;
    if (grow((void **)&l->one, l->n, &l->cap, sizeof(*l->one)) != ERR_OK)
        return ERR_NOMEM;
    struct key_gone *g = &l->one[l->n++];
    g->quarter = d->quarter;
    memcpy(g->id, d->id, KEY_ID_BYTES);
    sha256(buf_slice(&d->wrapped), g->sha256);
    if (k == NULL)
        return ERR_OK;
    if (d->wrapped.n < 2 || (k->n > 0 && k->each != d->wrapped.n))
        return ERR_INTEGRITY; /* not of our making */
    k->each = d->wrapped.n;
    k->first[head_of(d->wrapped.p)] = true;
    k->n++;
    buf_add(&k->bytes, d->wrapped.p, d->wrapped.n);
    return k->bytes.failed ? ERR_NOMEM : ERR_OK;
}

/* Notes the keys that k names. */
static enum err collect(struct store *s, const struct key_name *k,
                        struct gone_list *l)
{
    bool more;
    struct dek d = {0};
    enum err e = sql_row(s, SQL_DEK_OF, WITH(v_id(&k->person)), &more);
    while (e == ERR_OK && more) {
        dek_read(s, SQL_DEK_OF, &d);
        if (k->quarter == KEY_EVERY || k->quarter == d.quarter)
            e = note_gone(l, &d);
        if (e == ERR_OK)
            e = sql_next(s, SQL_DEK_OF, &more);
        else
            sql_abandon(s, SQL_DEK_OF);
    }
    buf_fini(&d.wrapped);
    return e;
}

static enum err remove_keys(struct store *s, const struct key_name *k,
                            struct gone_list *l)
{
    size_t before = l->n;
    enum err e = collect(s, k, l);
    for (size_t i = before; i < l->n && e == ERR_OK; i++)
        e = sql_execute(s, SQL_DEK_DROP,
                        WITH(v_id(&k->person), v_int(l->one[i].quarter)));
    return e;
}

static enum err destroy(struct store *s, const struct key_name *k, size_t count,
                        struct gone_list *l)
{
    enum err e = keyring_begin(s);
    for (size_t i = 0; i < count && e == ERR_OK; i++)
        e = remove_keys(s, &k[i], l);
    if (e == ERR_OK)
        e = keyring_commit(s);
    else
        keyring_abort(s);
    keyring_forget(s);
    return e == ERR_OK && l->n > 0 ? make_sure(s, l->needles) : e;
}

static enum err give(struct gone_list *l, enum err e, struct key_gone **out,
                     size_t *n)
{
    if (e != ERR_OK) {
        free(l->one);
        return e;
    }
    *out = l->one;
    *n = l->n;
    return ERR_OK;
}

enum err store_keys_of(struct store *s, struct id person, struct key_gone **out,
                       size_t *n)
{
    struct gone_list l = {0};
    struct key_name k = {person, KEY_EVERY};
    *out = NULL;
    *n = 0;
    enum err e = collect(s, &k, &l);
    return give(&l, e, out, n);
}

enum err store_keys_destroy(struct store *s, const struct key_name *k,
                            size_t count, struct key_gone **out, size_t *n)
{
    *out = NULL;
    *n = 0;
    if (s->in_tx)
        return ERR_STATE;
    struct needles *needles = calloc(1, sizeof(*needles));
    struct gone_list l = {.needles = needles};
    enum err e = needles == NULL ? ERR_NOMEM : destroy(s, k, count, &l);
    s->broken |= e == ERR_STORE || e == ERR_IO;
    if (needles != NULL)
        buf_fini(&needles->bytes);
    free(needles);
    return give(&l, e, out, n);
}

enum err store_keys_next(struct store *s, struct key_name *k, bool *found)
{
    enum err e = sql_row(s, SQL_DEK_NEXT,
                         WITH(v_id(&k->person), v_int(k->quarter)), found);
    if (e != ERR_OK || !*found)
        return e;
    k->person = col_id(s, SQL_DEK_NEXT, 0);
    k->quarter = col_int(s, SQL_DEK_NEXT, 1);
    return sql_done(s, SQL_DEK_NEXT);
}

/* ---- rotation ---- */

static enum err rewrap(struct store *s, struct dek *d)
{
    struct buf key = {0};
    enum err e = dek_unwrap(s, d, &key);
    if (e == ERR_OK) {
        d->epoch = s->keys->epoch;
        e = dek_wrap(s, d, buf_slice(&key));
    }
    if (e == ERR_OK)
        e = sql_execute(s, SQL_DEK_REWRAP,
                        WITH(v_id(&d->person), v_int(d->quarter),
                             v_int(d->epoch),
                             v_blob(d->wrapped.p, d->wrapped.n)));
    buf_fini(&key);
    return e;
}

/* The row after the one rotated last; *found false at the end. */
static enum err next_key(struct store *s, struct dek *d, bool *found)
{
    const struct keyring *k = s->keys;
    enum err e =
        sql_row(s, SQL_DEK_NEXT,
                WITH(v_id(&k->turned), v_int(k->turned_quarter)), found);
    if (e != ERR_OK || !*found)
        return e;
    dek_read(s, SQL_DEK_NEXT, d);
    return sql_done(s, SQL_DEK_NEXT);
}

/* A row that does not open is damaged, and was lost before: the others go on.
 * When none opens it is the KEK that is wrong (finish). */
static enum err turn_one(struct store *s, struct dek *d)
{
    struct keyring *k = s->keys;
    enum err e = d->epoch == k->epoch ? ERR_OK : rewrap(s, d);
    k->turned = d->person;
    k->turned_quarter = d->quarter;
    k->turned_well += e == ERR_OK;
    k->turned_badly += e == ERR_INTEGRITY;
    if (e == ERR_INTEGRITY)
        log_error("store: a wrapped key is damaged, and left as it is");
    return e == ERR_INTEGRITY ? ERR_OK : e;
}

/* *more when rows are left. */
static enum err turn_slice(struct store *s, bool *more)
{
    struct dek d = {0};
    enum err e = keyring_begin(s);
    *more = true;
    for (int i = 0; i < SLICE_KEYS && e == ERR_OK; i++) {
        e = next_key(s, &d, more);
        if (e != ERR_OK || !*more)
            break;
        e = turn_one(s, &d);
    }
    buf_fini(&d.wrapped);
    return e == ERR_OK ? keyring_commit(s) : e;
}

static enum err list_epoch(struct store *s, uint32_t epoch)
{
    enum err e = keyring_begin(s);
    if (e == ERR_OK)
        e = sql_execute(s, SQL_KEK_PUT, WITH(v_int(epoch)));
    return e == ERR_OK ? keyring_commit(s) : e;
}

static enum err destroy_older(struct store *s)
{
    const struct keyring *k = s->keys;
    uint32_t held[KEK_EPOCHS];
    size_t n = k->provider->epochs(k->kek, held);
    enum err e = ERR_OK;
    for (size_t i = 0; i < n && e == ERR_OK; i++)
        if (held[i] < k->epoch)
            e = k->provider->destroy(k->kek, held[i]);
    return e;
}

/* Steps 4 and 5. */
static enum err finish(struct store *s)
{
    if (s->keys->turned_badly > 0 && s->keys->turned_well == 0)
        return ERR_INTEGRITY;
    enum err e = keyring_begin(s);
    if (e == ERR_OK)
        e = sql_execute(s, SQL_KEK_DROP, WITH(v_int(s->keys->epoch)));
    if (e == ERR_OK)
        e = keyring_commit(s);
    if (e == ERR_OK)
        e = keyring_checkpoint(s, true);
    if (e == ERR_OK)
        e = destroy_older(s);
    if (e != ERR_OK)
        return e;
    s->keys->turning = false;
    log_note("store: keys are wrapped under epoch %u, older ones destroyed",
             s->keys->epoch);
    return ERR_OK;
}

static void turn_from_start(struct keyring *k, uint32_t epoch)
{
    k->epoch = epoch;
    k->turning = true;
    k->turned_well = k->turned_badly = 0;
    memset(&k->turned, 0, sizeof(k->turned));
    k->turned_quarter = UINT64_MAX; /* -1: before the first */
}

static enum err begin_turn(struct store *s)
{
    struct keyring *k = s->keys;
    uint32_t next = k->epoch + 1;
    enum err e = k->provider->new_epoch(k->kek, next);
    if (e == ERR_OK)
        e = list_epoch(s, next);
    if (e == ERR_OK)
        turn_from_start(k, next);
    return e;
}

static enum err turn_on(struct store *s, bool *done)
{
    bool more = true;
    enum err e = s->keys->turning ? ERR_OK : begin_turn(s);
    if (e == ERR_OK)
        e = turn_slice(s, &more);
    if (e == ERR_OK && !more)
        e = finish(s);
    *done = e == ERR_OK && !more;
    return e;
}

enum err store_keys_rotate(struct store *s, bool *done)
{
    *done = false;
    if (s->in_tx)
        return ERR_STATE;
    if (s->broken)
        return ERR_STORE;
    enum err e = turn_on(s, done);
    if (e != ERR_OK) {
        log_error("store: rotation failed code=%s", err_code(e));
        s->broken = true; /* the next start goes on */
    }
    return e == ERR_OK ? ERR_OK : ERR_STORE;
}

uint32_t store_keys_epoch(const struct store *s)
{
    return s->keys->epoch;
}

/* ---- the start ---- */

static bool held(const struct keyring *k, uint32_t epoch)
{
    uint32_t all[KEK_EPOCHS];
    size_t n = k->provider->epochs(k->kek, all);
    for (size_t i = 0; i < n; i++)
        if (all[i] == epoch)
            return true;
    return false;
}

/* Every epoch keyring.db lists must be held. *newest 0: none is listed. */
static enum err check_listed(struct store *s, const char *place,
                             uint32_t *newest, size_t *count, struct buf *why)
{
    bool more;
    *newest = 0;
    *count = 0;
    enum err e = sql_row(s, SQL_KEK_ALL, WITH_NOTHING, &more);
    while (e == ERR_OK && more) {
        *newest = (uint32_t)col_int(s, SQL_KEK_ALL, 0);
        ++*count;
        if (!held(s->keys, *newest)) {
            sql_abandon(s, SQL_KEK_ALL);
            return refuse(why, ERR_STORE_OPEN,
                          "%s: epoch %u is missing, and keys are wrapped under "
                          "it (an older keyring opens no more)",
                          place, *newest);
        }
        e = sql_next(s, SQL_KEK_ALL, &more);
    }
    return e;
}

static uint32_t newest_held(const struct keyring *k)
{
    uint32_t all[KEK_EPOCHS];
    size_t n = k->provider->epochs(k->kek, all);
    return n > 0 ? all[n - 1] : 0;
}

/* The first start; or a KEK made by one that was interrupted. */
static enum err first_epoch(struct store *s)
{
    struct keyring *k = s->keys;
    k->epoch = newest_held(k);
    enum err e = ERR_OK;
    if (k->epoch == 0) {
        k->epoch = 1;
        e = k->provider->new_epoch(k->kek, 1);
    }
    return e == ERR_OK ? list_epoch(s, k->epoch) : e;
}

enum err keyring_epochs(struct store *s, const char *place, struct buf *why)
{
    struct keyring *k = s->keys;
    uint32_t newest;
    size_t count;
    enum err e = check_listed(s, place, &newest, &count, why);
    if (e != ERR_OK)
        return e;
    k->epoch = newest;
    if (newest == 0)
        e = first_epoch(s);
    else if (newest_held(k) > newest)
        e = list_epoch(s, newest_held(k));
    if (e == ERR_OK && newest != 0 && (newest_held(k) > newest || count > 1))
        turn_from_start(k, newest_held(k));
    if (e != ERR_OK)
        return refuse(why, ERR_STORE_OPEN, "%s: an epoch cannot be begun",
                      place);
    return ERR_OK;
}

enum err keyring_settle(struct store *s)
{
    bool done = !s->keys->turning;
    enum err e = ERR_OK;
    if (done)
        return destroy_older(s);
    log_note("store: a rotation of keys was interrupted; going on");
    while (e == ERR_OK && !done)
        e = turn_on(s, &done);
    return e;
}
