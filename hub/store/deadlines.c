/* deadlines.c - what must happen by a time, and what waits for a person.
 *
 * A deadline is named by case or person, kind and ref; starting it again
 * replaces it under a new number, so that finishing the one that fired cannot
 * end its successor. Parked bytes are sealed under the hub's own key of the
 * quarter and bound to their row. */
#include "hub/store/internal.h"
#include <assert.h>
#include <string.h>

enum err store_deadline_start(struct store *s, const struct deadline *d)
{
    return sql_run(s, SQL_DEADLINE_START,
                   WITH(v_id(&d->case_id), v_id(&d->person), v_int(d->kind),
                        v_blob(d->ref, ID_BYTES), v_int(d->due_ms)));
}

enum err store_deadline_stop(struct store *s, struct id case_id,
                             struct id person, enum deadline_kind kind,
                             const uint8_t *ref)
{
    struct value which = {VALUE_NULL, 0, SLICE_NONE};
    if (ref != NULL)
        which = v_blob(ref, ID_BYTES);
    return sql_run(s, SQL_DEADLINE_STOP,
                   WITH(v_id(&case_id), v_id(&person), v_int(kind), which));
}

enum err store_deadline_next(struct store *s, struct deadline *out, bool *found)
{
    const enum statement q = SQL_DEADLINE_NEXT;
    enum err e = sql_row(s, q, WITH_NOTHING, found);
    if (e != ERR_OK || !*found)
        return e;
    memset(out, 0, sizeof(*out));
    out->id = (int64_t)col_int(s, q, 0);
    out->case_id = col_id(s, q, 1);
    out->person = col_id(s, q, 2);
    out->kind = (enum deadline_kind)col_int(s, q, 3);
    col_bytes(s, q, 4, out->ref, ID_BYTES);
    out->due_ms = col_int(s, q, 5);
    return sql_done(s, q);
}

enum err store_deadline_done(struct store *s, int64_t id)
{
    return sql_run(s, SQL_DEADLINE_DONE, WITH(v_int((uint64_t)id)));
}

/* ---- parked ---- */

#define PARKED_PREFIX "tsunagi-parked/1\n"
#define PARKED_AAD (sizeof(PARKED_PREFIX) - 1 + 8)
static const struct id HUB_ITSELF = {{0}};

static void parked_aad(uint64_t row, uint8_t out[PARKED_AAD])
{
    size_t n = sizeof(PARKED_PREFIX) - 1;
    memcpy(out, PARKED_PREFIX, n);
    for (int i = 0; i < 8; i++)
        out[n + (size_t)i] = (uint8_t)(row >> (56 - 8 * i));
}

static enum err seal_parked(struct store *s, uint64_t row, uint64_t at_ms,
                            struct slice bytes, struct buf *out)
{
    const uint8_t *key;
    uint8_t aad[PARKED_AAD];
    if (bytes.n == 0)
        return ERR_OK;
    parked_aad(row, aad);
    enum err e = keyring_make(s, HUB_ITSELF, at_ms, &key);
    return e != ERR_OK ? e
                       : seal_padded(key, slice_of(aad, sizeof(aad)), bytes,
                                     STORE_BLOCK, out);
}

enum err store_park(struct store *s, const struct parked *p, struct slice bytes)
{
    uint64_t row;
    struct buf sealed = {0};
    enum err e = sql_number(s, SQL_PARKED_NEXT, &row);
    if (e == ERR_OK)
        e = seal_parked(s, row, p->at_ms, bytes, &sealed);
    if (e == ERR_OK)
        e = sql_run(s, SQL_PARKED_PUT,
                    WITH(v_int(row), v_text(p->agency), v_text(p->node),
                         v_text(p->code), v_int(p->at_ms),
                         v_int((uint64_t)p->event_seq),
                         v_blob(sealed.p, sealed.n)));
    buf_fini(&sealed);
    if (e == ERR_OK)
        s->now.parked++;
    return e;
}

/* The columns of PARKED_COLUMNS without bytes. */
static void read_parked(struct store *s, enum statement q, struct parked *p)
{
    memset(p, 0, sizeof(*p));
    p->id = (int64_t)col_int(s, q, 0);
    col_text(s, q, 1, p->agency, sizeof(p->agency));
    col_text(s, q, 2, p->node, sizeof(p->node));
    col_text(s, q, 3, p->code, sizeof(p->code));
    p->at_ms = col_int(s, q, 4);
    p->event_seq = (int64_t)col_int(s, q, 5);
    p->open = col_int(s, q, 6) != 0;
}

static enum err open_parked(struct store *s, const struct parked *p,
                            struct slice sealed, struct buf *out)
{
    const uint8_t *key;
    uint8_t aad[PARKED_AAD];
    if (sealed.n == 0)
        return ERR_OK;
    parked_aad((uint64_t)p->id, aad);
    enum err e = keyring_find(s, HUB_ITSELF, p->at_ms, &key);
    return e != ERR_OK ? e
                       : unseal_padded(key, slice_of(aad, sizeof(aad)), sealed,
                                       STORE_BLOCK, out);
}

enum err store_parked_get(struct store *s, int64_t id, struct parked *out,
                          struct buf *bytes)
{
    const enum statement q = SQL_PARKED_GET;
    bool found;
    enum err e = sql_row(s, q, WITH(v_int((uint64_t)id)), &found);
    if (e != ERR_OK)
        return e;
    if (!found)
        return ERR_NOT_FOUND;
    read_parked(s, q, out);
    e = open_parked(s, out, col_slice(s, q, 7), bytes);
    enum err d = sql_done(s, q);
    return e != ERR_OK ? e : d;
}

enum err store_parked_each(struct store *s,
                           bool (*each)(void *ctx, const struct parked *p),
                           void *ctx)
{
    const enum statement q = SQL_PARKED_BEFORE;
    struct parked p = {.id = INT64_MAX};
    for (;;) {
        bool found;
        enum err e = sql_row(s, q, WITH(v_int((uint64_t)p.id)), &found);
        if (e != ERR_OK || !found)
            return e;
        read_parked(s, q, &p);
        e = sql_done(s, q);
        if (e != ERR_OK || !each(ctx, &p))
            return e;
    }
}

enum err store_parked_close(struct store *s, int64_t id)
{
    enum err e = sql_run_one(s, SQL_PARKED_CLOSE, WITH(v_int((uint64_t)id)));
    if (e == ERR_OK)
        s->now.parked--;
    return e;
}
