/* orders.c - whom an order is about, and which orders were taken.
 *
 * An order names nobody: it carries a reference, 16 random bytes, that was made
 * for it. What stands behind the reference is sealed under the hub's own key,
 * so that a copy of the database without its keys tells nothing, and it is
 * forgotten after the 30 days in which an order may be submitted. */
#include "hub/store/internal.h"
#include <assert.h>
#include <string.h>

#define SUBJECT_PREFIX "tsunagi-subject/1\n"
#define SUBJECT_AAD (sizeof(SUBJECT_PREFIX) - 1 + ID_BYTES)
static const struct id HUB_ITSELF = {{0}};

/* ---- whom ---- */

static void subject_aad(const uint8_t subject[ID_BYTES],
                        uint8_t out[SUBJECT_AAD])
{
    size_t n = sizeof(SUBJECT_PREFIX) - 1;
    memcpy(out, SUBJECT_PREFIX, n);
    memcpy(out + n, subject, ID_BYTES);
}

static enum err drop_old(struct store *s, uint64_t now_ms)
{
    uint64_t oldest = now_ms > ORDER_OLDEST_MS ? now_ms - ORDER_OLDEST_MS : 0;
    return sql_run(s, SQL_ORDER_SUBJECT_OLD, WITH(v_int(oldest)));
}

enum err store_subject_new(struct store *s, struct id person, uint64_t now_ms,
                           uint8_t subject[ID_BYTES])
{
    const uint8_t *key;
    uint8_t aad[SUBJECT_AAD];
    struct buf sealed = {0};
    randombytes_buf(subject, ID_BYTES);
    subject_aad(subject, aad);
    enum err e = drop_old(s, now_ms);
    if (e == ERR_OK)
        e = keyring_make(s, HUB_ITSELF, now_ms, &key);
    if (e == ERR_OK)
        e = seal(key, slice_of(aad, sizeof(aad)), slice_of(person.b, ID_BYTES),
                 &sealed);
    if (e == ERR_OK)
        e = sql_run(s, SQL_ORDER_SUBJECT_PUT,
                    WITH(v_blob(subject, ID_BYTES), v_int(now_ms),
                         v_blob(sealed.p, sealed.n)));
    buf_fini(&sealed);
    return e;
}

static enum err open_subject(struct store *s, const uint8_t *subject,
                             uint64_t made_ms, struct slice sealed,
                             struct id *person)
{
    const uint8_t *key;
    uint8_t aad[SUBJECT_AAD];
    struct buf plain = {0};
    subject_aad(subject, aad);
    enum err e = keyring_find(s, HUB_ITSELF, made_ms, &key);
    if (e == ERR_OK)
        e = unseal(key, slice_of(aad, sizeof(aad)), sealed, &plain);
    if (e == ERR_OK && id_from(buf_slice(&plain), person) != ERR_OK)
        e = ERR_INTEGRITY;
    buf_fini(&plain);
    return e == ERR_NOT_FOUND ? ERR_INTEGRITY : e;
}

enum err store_subject_find(struct store *s, const uint8_t subject[ID_BYTES],
                            uint64_t now_ms, bool *found, struct id *person)
{
    const enum statement q = SQL_ORDER_SUBJECT_GET;
    memset(person, 0, sizeof(*person));
    enum err e = sql_row(s, q, WITH(v_blob(subject, ID_BYTES)), found);
    if (e != ERR_OK || !*found)
        return e;
    uint64_t made = col_int(s, q, 0);
    *found = made + ORDER_OLDEST_MS >= now_ms;
    if (*found)
        e = open_subject(s, subject, made, col_slice(s, q, 1), person);
    enum err d = sql_done(s, q);
    return e != ERR_OK ? e : d;
}

/* ---- which ---- */

void taken_order_fini(struct taken_order *o)
{
    buf_fini(&o->note);
    memset(o, 0, sizeof(*o));
}

enum err store_order_put(struct store *s, const struct taken_order *o)
{
    return sql_run(s, SQL_ORDER_PUT,
                   WITH(v_id(&o->order), v_int(o->kind), v_int(o->state),
                        v_id_or_null(&o->person), v_int(o->leaf),
                        v_int(o->taken_ms),
                        v_int((uint64_t)(int64_t)o->until_day),
                        v_int(o->urgent), v_blob(o->note.p, o->note.n)));
}

/* The columns of ORDER_COLUMNS. */
static enum err read_order(struct store *s, enum statement q,
                           struct taken_order *o)
{
    memset(o, 0, sizeof(*o));
    o->order = col_id(s, q, 0);
    o->kind = (enum order_kind)col_int(s, q, 1);
    o->state = (enum order_state)col_int(s, q, 2);
    o->person = col_id(s, q, 3);
    o->leaf = col_int(s, q, 4);
    o->taken_ms = col_int(s, q, 5);
    o->done_ms = col_int(s, q, 6);
    o->epoch = col_int(s, q, 7);
    o->until_day = (int32_t)(int64_t)col_int(s, q, 8);
    o->urgent = col_int(s, q, 9) != 0;
    col_buf(s, q, 10, &o->note);
    enum err e = sql_done(s, q);
    if (e == ERR_OK && o->note.failed)
        e = ERR_NOMEM;
    if (e == ERR_OK && o->kind >= ORDER_KINDS)
        e = ERR_INTEGRITY;
    if (e != ERR_OK)
        taken_order_fini(o);
    return e;
}

enum err store_order_get(struct store *s, struct id order,
                         struct taken_order *out)
{
    bool found;
    memset(out, 0, sizeof(*out));
    enum err e = sql_row(s, SQL_ORDER_GET, WITH(v_id(&order)), &found);
    if (e != ERR_OK)
        return e;
    return found ? read_order(s, SQL_ORDER_GET, out) : ERR_NOT_FOUND;
}

enum err store_order_next(struct store *s, struct id after,
                          struct taken_order *out, bool *found)
{
    memset(out, 0, sizeof(*out));
    enum err e = sql_row(s, SQL_ORDER_AFTER, WITH(v_id(&after)), found);
    return e != ERR_OK || !*found ? e : read_order(s, SQL_ORDER_AFTER, out);
}

enum err store_hold(struct store *s, struct id person, int32_t today,
                    int32_t *until_day)
{
    const enum statement q = SQL_ORDER_HOLD;
    bool found;
    *until_day = 0;
    enum err e = sql_row(
        s, q, WITH(v_id(&person), v_int((uint64_t)(int64_t)today)), &found);
    if (e != ERR_OK || !found)
        return e;
    *until_day = (int32_t)(int64_t)col_int(s, q, 0); /* NULL is 0 */
    return sql_done(s, q);
}

enum err store_holds_lift(struct store *s, struct id person, uint64_t now_ms)
{
    return sql_run(s, SQL_ORDER_LIFT, WITH(v_id(&person), v_int(now_ms)));
}

enum err store_holds_end(struct store *s, int32_t today, uint64_t now_ms)
{
    return sql_run(s, SQL_HOLD_OVER,
                   WITH(v_int((uint64_t)(int64_t)today), v_int(now_ms)));
}
