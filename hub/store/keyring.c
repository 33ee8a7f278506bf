/* keyring.c - keys of payload at rest: one per person and quarter, and a
 * master key per person.
 *
 * Payload is sealed (XChaCha20-Poly1305) under random keys. They lie in
 * keyring.db, a database, connection and folder of their own, each wrapped
 * under the key-encryption key of an epoch (kek.h) and bound to person,
 * quarter, id and epoch. The KEK is in neither database and in no backup. So
 * there are three things to copy, and each alone opens nothing; destroying a
 * wrapped key and then the epoch (shred.c) erases in every copy.
 *
 * Keys made in a turn are committed to keyring.db just before hub.db's commit:
 * a key without payload harms nothing, payload without its key is lost. hub.db
 * remembers which keyring is its own and how many keys that had made, so that
 * a missing, strange or older one stops the start.
 *
 * Unwrapped keys are cached in guarded memory and dropped whenever keys that
 * were made are taken back. */
#include "hub/store/keyring.h"
#include "proto/base/date.h"
#include "proto/base/log.h"
#include <assert.h>
#include <string.h>

#define WRAP_PREFIX "tsunagi-wrap/2\n"
#define WRAP_AAD (sizeof(WRAP_PREFIX) - 1 + ID_BYTES + 8 + KEY_ID_BYTES + 4)
#define NOTE_NAME "keyring"
#define NOTE_BYTES (RING_BYTES + 8)

uint64_t quarter_of(uint64_t ms)
{
    struct date d = date_of_ms(ms);
    return (uint64_t)d.year * 4 + (d.month - 1u) / 3;
}

/* ---- wrapping ---- */

static uint8_t *big_endian(uint8_t *out, uint64_t v, int bytes)
{
    for (int i = 0; i < bytes; i++)
        *out++ = (uint8_t)(v >> (8 * (bytes - 1 - i)));
    return out;
}

static struct slice wrap_aad(const struct dek *d, uint8_t out[WRAP_AAD])
{
    uint8_t *p = out;
    memcpy(p, WRAP_PREFIX, sizeof(WRAP_PREFIX) - 1);
    p += sizeof(WRAP_PREFIX) - 1;
    memcpy(p, d->person.b, ID_BYTES);
    p = big_endian(p + ID_BYTES, d->quarter, 8);
    memcpy(p, d->id, KEY_ID_BYTES);
    big_endian(p + KEY_ID_BYTES, d->epoch, 4);
    return slice_of(out, WRAP_AAD);
}

enum err dek_wrap(struct store *s, struct dek *d, struct slice key)
{
    uint8_t aad[WRAP_AAD];
    buf_reset(&d->wrapped);
    return s->keys->provider->wrap(s->keys->kek, d->epoch, wrap_aad(d, aad),
                                   key, &d->wrapped);
}

enum err dek_unwrap(struct store *s, const struct dek *d, struct buf *key)
{
    uint8_t aad[WRAP_AAD];
    enum err e = s->keys->provider->unwrap(
        s->keys->kek, d->epoch, wrap_aad(d, aad), buf_slice(&d->wrapped), key);
    if (e == ERR_OK && key->n != KEY_BYTES)
        e = ERR_INTEGRITY;
    return e == ERR_NOT_FOUND ? ERR_INTEGRITY : e; /* of no epoch we hold */
}

void dek_read(struct store *s, enum statement q, struct dek *d)
{
    d->person = col_id(s, q, 0);
    d->quarter = col_int(s, q, 1);
    col_bytes(s, q, 2, d->id, KEY_ID_BYTES);
    d->epoch = (uint32_t)col_int(s, q, 3);
    buf_reset(&d->wrapped);
    col_buf(s, q, 4, &d->wrapped);
}

/* ---- the cache ---- */

static struct slot *slot_for(struct keyring *k, struct id person,
                             uint64_t quarter, bool *hit)
{
    uint32_t h;
    memcpy(&h, person.b, sizeof(h)); /* random bytes already */
    struct slot *t = &k->slot[(h ^ quarter) % KEY_CACHED];
    *hit = t->used && t->quarter == quarter && id_eq(t->person, person);
    if (!*hit) {
        sodium_memzero(t, sizeof(*t));
        t->person = person;
        t->quarter = quarter;
    }
    return t;
}

static enum err load_key(struct store *s, struct slot *t)
{
    bool found;
    struct dek d = {0};
    struct buf key = {0};
    enum err e = sql_row(s, SQL_DEK_GET,
                         WITH(v_id(&t->person), v_int(t->quarter)), &found);
    if (e != ERR_OK)
        return e;
    if (!found)
        return ERR_NOT_FOUND;
    dek_read(s, SQL_DEK_GET, &d);
    e = sql_done(s, SQL_DEK_GET);
    if (e == ERR_OK)
        e = dek_unwrap(s, &d, &key);
    if (e == ERR_OK)
        memcpy(t->key, key.p, KEY_BYTES);
    else
        log_error("store: a wrapped key does not open");
    t->used = e == ERR_OK;
    buf_fini(&key);
    buf_fini(&d.wrapped);
    return e;
}

static enum err make_key(struct store *s, struct slot *t)
{
    struct dek d = {
        .person = t->person, .quarter = t->quarter, .epoch = s->keys->epoch};
    enum err e = s->in_tx ? keyring_begin(s) : ERR_STATE;
    if (e != ERR_OK)
        return e;
    randombytes_buf(t->key, KEY_BYTES);
    randombytes_buf(d.id, KEY_ID_BYTES);
    e = dek_wrap(s, &d, slice_of(t->key, KEY_BYTES));
    if (e == ERR_OK)
        e = sql_run(s, SQL_DEK_PUT,
                    WITH(v_id(&d.person), v_int(d.quarter),
                         v_blob(d.id, KEY_ID_BYTES), v_int(d.epoch),
                         v_blob(d.wrapped.p, d.wrapped.n)));
    buf_fini(&d.wrapped);
    t->used = e == ERR_OK;
    s->keys->made += e == ERR_OK;
    return e;
}

static enum err find(struct store *s, struct id person, uint64_t quarter,
                     const uint8_t **key)
{
    bool hit;
    if (s->keys == NULL)
        return ERR_NOT_FOUND; /* the log alone is open */
    struct slot *t = slot_for(s->keys, person, quarter, &hit);
    *key = t->key;
    return hit ? ERR_OK : load_key(s, t);
}

static enum err make(struct store *s, struct id person, uint64_t quarter,
                     const uint8_t **key)
{
    bool hit;
    struct slot *t = slot_for(s->keys, person, quarter, &hit);
    *key = t->key;
    enum err e = hit ? ERR_OK : load_key(s, t);
    return e == ERR_NOT_FOUND ? make_key(s, t) : e;
}

enum err keyring_find(struct store *s, struct id person, uint64_t ms,
                      const uint8_t **key)
{
    return find(s, person, quarter_of(ms), key);
}

enum err keyring_make(struct store *s, struct id person, uint64_t ms,
                      const uint8_t **key)
{
    return make(s, person, quarter_of(ms), key);
}

enum err keyring_find_master(struct store *s, struct id person,
                             const uint8_t **key)
{
    return find(s, person, MASTER_QUARTER, key);
}

enum err keyring_make_master(struct store *s, struct id person,
                             const uint8_t **key)
{
    return make(s, person, MASTER_QUARTER, key);
}

void keyring_forget(struct store *s)
{
    if (s->keys != NULL)
        sodium_memzero(s->keys->slot, sizeof(s->keys->slot));
}

/* ---- transactions ---- */

enum err keyring_begin(struct store *s)
{
    struct keyring *k = s->keys;
    if (k->in_tx)
        return ERR_OK;
    enum err e = sql_execute(s, SQL_KEYS_BEGIN, WITH_NOTHING);
    k->in_tx = e == ERR_OK;
    k->at_begin = k->made;
    return e;
}

/* What hub.db remembers of its keyring. */
static enum err note_keyring(struct store *s)
{
    uint8_t note[NOTE_BYTES];
    memcpy(note, s->keys->ring, RING_BYTES);
    big_endian(note + RING_BYTES, s->keys->made, 8);
    return store_value_set(s, NOTE_NAME, slice_of(note, sizeof(note)));
}

enum err keyring_commit(struct store *s)
{
    struct keyring *k = s->keys;
    enum err e = ERR_OK;
    if (!k->in_tx)
        return ERR_OK;
    if (k->made != k->at_begin) {
        e = sql_execute(s, SQL_RING_MADE, WITH(v_int(k->made)));
        if (e == ERR_OK && s->in_tx)
            e = note_keyring(s);
    }
    if (e == ERR_OK)
        e = sql_execute(s, SQL_KEYS_COMMIT, WITH_NOTHING);
    k->in_tx = e != ERR_OK;
    return e;
}

void keyring_abort(struct store *s)
{
    struct keyring *k = s->keys;
    if (k == NULL || !k->in_tx)
        return;
    k->in_tx = false;
    k->made = k->at_begin;
    keyring_forget(s);
    if (!sqlite3_get_autocommit(s->ring_db) && !s->broken &&
        sql_execute(s, SQL_KEYS_ROLLBACK, WITH_NOTHING) != ERR_OK)
        log_error("store: the keyring was not rolled back");
}

/* ---- opening ---- */

static enum err read_ring(struct store *s)
{
    bool found;
    enum err e = sql_row(s, SQL_RING_GET, WITH_NOTHING, &found);
    if (e != ERR_OK)
        return e;
    if (!found)
        return ERR_INTEGRITY;
    col_bytes(s, SQL_RING_GET, 0, s->keys->ring, RING_BYTES);
    s->keys->made = col_int(s, SQL_RING_GET, 1);
    return sql_done(s, SQL_RING_GET);
}

enum err keyring_known(struct store *s, bool *known)
{
    struct buf note = {0};
    enum err e = store_value_get(s, NOTE_NAME, &note);
    *known = e == ERR_OK;
    buf_fini(&note);
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

/* Goes on from what hub.db remembers: some keys are lost, and that is known. */
static enum err accept_older(struct store *s, uint64_t made)
{
    enum err e = keyring_begin(s);
    s->keys->made = made;
    log_warn("store: an older keyring was accepted; payload sealed since then "
             "is lost");
    return e == ERR_OK ? keyring_commit(s) : e;
}

/* Whether it is the one hub.db was written with, and not an older copy. */
static enum err compare_note(struct store *s, const struct store_config *c,
                             struct buf *why)
{
    struct buf note = {0};
    enum err e = store_value_get(s, NOTE_NAME, &note);
    uint64_t made = 0;
    if (e == ERR_NOT_FOUND)
        return ERR_OK;
    if (e != ERR_OK || note.n != NOTE_BYTES ||
        memcmp(note.p, s->keys->ring, RING_BYTES) != 0)
        e = refuse(why, ERR_STORE_OPEN, "%s: is the keyring of another store",
                   c->keyring_dir);
    for (size_t i = RING_BYTES; e == ERR_OK && i < NOTE_BYTES; i++)
        made = made << 8 | note.p[i];
    buf_fini(&note);
    s->keys->older = e == ERR_OK && made > s->keys->made;
    s->keys->differs = made != s->keys->made;
    if (e != ERR_OK || !s->keys->older)
        return e;
    if (c->accept_older_keyring)
        return accept_older(s, made);
    return refuse(why, ERR_STORE_OPEN,
                  "%s: is older than the store; put its newest copy back, or "
                  "start once with --older-keyring",
                  c->keyring_dir);
}

static enum err opens(struct store *s, bool *yes)
{
    struct dek d = {0};
    struct buf key = {0};
    dek_read(s, SQL_DEK_ANY, &d);
    enum err e = dek_unwrap(s, &d, &key);
    *yes = e == ERR_OK;
    buf_fini(&key);
    buf_fini(&d.wrapped);
    return e == ERR_INTEGRITY ? ERR_OK : e;
}

/* A KEK that opens none of some wrapped keys is another hub's; one that does
 * not open is damaged. */
static enum err try_kek(struct store *s)
{
    bool more, opened = false, any;
    enum err e = sql_row(s, SQL_DEK_ANY, WITH_NOTHING, &more);
    any = more;
    while (e == ERR_OK && more && !opened) {
        e = opens(s, &opened);
        if (e == ERR_OK)
            e = sql_next(s, SQL_DEK_ANY, &more);
    }
    sql_abandon(s, SQL_DEK_ANY);
    return e == ERR_OK && any && !opened ? ERR_INTEGRITY : e;
}

static enum err open_kek(struct store *s, const struct store_config *c,
                         struct buf *why)
{
    s->keys = sodium_malloc(sizeof(*s->keys));
    if (s->keys == NULL)
        return refuse(why, ERR_STORE_OPEN, "no guarded memory for keys");
    if (sodium_mlock(s->keys, sizeof(*s->keys)) != 0)
        log_warn("store: keys are not locked in memory (LimitMEMLOCK); use no "
                 "swap, or an encrypted one");
    sodium_memzero(s->keys, sizeof(*s->keys));
    s->keys->provider = &KEK_FILES;
    return s->keys->provider->open(c->kek_dir, &s->keys->kek, why);
}

enum err keyring_open(struct store *s, const struct store_config *c,
                      struct buf *why)
{
    if (sign_init() != ERR_OK)
        return refuse(why, ERR_STORE_OPEN, "libsodium does not start");
    enum err e = open_kek(s, c, why);
    if (e != ERR_OK)
        return e;
    if (read_ring(s) != ERR_OK)
        return refuse(why, ERR_STORE_OPEN, "%s: cannot be read",
                      c->keyring_dir);
    e = compare_note(s, c, why);
    if (e == ERR_OK)
        e = keyring_epochs(s, c->kek_dir, why);
    if (e != ERR_OK)
        return e;
    if (try_kek(s) != ERR_OK)
        return refuse(why, ERR_STORE_OPEN, "%s: does not open the stored keys",
                      c->kek_dir);
    if (keyring_settle(s) != ERR_OK)
        return refuse(why, ERR_STORE_OPEN,
                      "%s: the rotation cannot be finished", c->kek_dir);
    return ERR_OK;
}

void keyring_close(struct store *s)
{
    if (s->keys == NULL)
        return;
    if (s->keys->kek != NULL)
        s->keys->provider->close(&s->keys->kek);
    sodium_free(s->keys); /* wipes */
    s->keys = NULL;
}
