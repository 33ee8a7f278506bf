/* subjects.c - which leaves are about whom, for the person who asks.
 *
 * The index is made from the leaves and from nothing else: a leaf's subject
 * handle and the order it names are its keys. It is filled after the leaves,
 * in slices, so that the path of an event does not pay for it: by store_tidy
 * while the hub rests, and by whoever needs it now. How far it has got is
 * written in the same transaction as its rows; a crash costs a slice. An
 * erased person's rows stay like the leaves they come from: nothing says any
 * more whose handle it was. */
#include "hub/store/internal.h"
#include "proto/base/log.h"
#include <assert.h>
#include <string.h>

#define INDEXED "leaves-indexed"

static enum err put_key(struct store *s, ProtobufCBinaryData key,
                        uint64_t index)
{
    if (key.len != ID_BYTES)
        return ERR_OK;
    return sql_run(s, SQL_SUBJECT_PUT,
                   WITH(v_blob(key.data, ID_BYTES), v_int(index)));
}

static enum err index_leaf(struct store *s, uint64_t index, struct buf *bytes)
{
    buf_reset(bytes);
    enum err e = store_leaf_get(s, index, bytes);
    if (e != ERR_OK)
        return e;
    Pb__AuditLeaf *l = pb__audit_leaf__unpack(NULL, bytes->n, bytes->p);
    if (l == NULL)
        return ERR_INTEGRITY;
    e = put_key(s, l->subject_handle, index);
    if (e == ERR_OK)
        e = put_key(s, l->order, index);
    pb__audit_leaf__free_unpacked(l, NULL);
    return e;
}

/* How far the index has got; one that names leaves there are not begins anew.
 */
static enum err indexed(struct store *s, uint64_t *to)
{
    struct buf b = {0};
    enum err e = store_value_get(s, INDEXED, &b);
    *to = 0;
    if (e == ERR_OK && b.n == sizeof(*to))
        memcpy(to, b.p, sizeof(*to));
    bool none = e == ERR_NOT_FOUND || (e == ERR_OK && *to > s->size);
    buf_fini(&b);
    if (!none)
        return e;
    *to = 0;
    return s->in_tx ? sql_run(s, SQL_SUBJECT_NONE, WITH_NOTHING) : ERR_OK;
}

static enum err index_slice(struct store *s, size_t max, uint64_t *to)
{
    struct buf bytes = {0};
    enum err e = indexed(s, to);
    uint64_t end = s->size - *to > max ? *to + max : s->size;
    for (; e == ERR_OK && *to < end; (*to)++)
        e = index_leaf(s, *to, &bytes);
    buf_fini(&bytes);
    return e != ERR_OK ? e
                       : store_value_set(s, INDEXED, slice_of(to, sizeof(*to)));
}

enum err store_index_more(struct store *s, size_t max, uint64_t *to)
{
    bool ours = !s->in_tx;
    enum err e = indexed(s, to);
    if (e != ERR_OK || *to == s->size)
        return e;
    if (ours)
        e = store_begin(s);
    if (e == ERR_OK)
        e = index_slice(s, max, to);
    if (!ours)
        return e;
    if (e == ERR_OK)
        return store_commit(s);
    store_abort(s);
    return e;
}

enum err store_index_next(struct store *s, const uint8_t key[16], uint64_t from,
                          uint64_t *leaf, bool *found)
{
    enum err e = sql_row(s, SQL_SUBJECT_NEXT,
                         WITH(v_blob(key, ID_BYTES), v_int(from)), found);
    if (e != ERR_OK || !*found)
        return e;
    *leaf = col_int(s, SQL_SUBJECT_NEXT, 0);
    return sql_done(s, SQL_SUBJECT_NEXT);
}

enum err store_index_count(struct store *s, const uint8_t key[16],
                           uint64_t below, uint64_t *n)
{
    bool found;
    enum err e = sql_row(s, SQL_SUBJECT_COUNT,
                         WITH(v_blob(key, ID_BYTES), v_int(below)), &found);
    *n = 0;
    if (e != ERR_OK || !found)
        return e;
    *n = col_int(s, SQL_SUBJECT_COUNT, 0);
    return sql_done(s, SQL_SUBJECT_COUNT);
}

/* ---- what is shown later ---- */

enum err store_delay_put(struct store *s, const struct delay *d)
{
    return sql_run(s, SQL_DELAY_PUT,
                   WITH(v_int(d->leaf), v_int((uint64_t)(int64_t)d->until_day),
                        v_text(d->basis), v_blob(d->order, ID_BYTES)));
}

enum err store_delay_get(struct store *s, uint64_t leaf, struct delay *out,
                         bool *found)
{
    const enum statement q = SQL_DELAY_GET;
    enum err e = sql_row(s, q, WITH(v_int(leaf)), found);
    memset(out, 0, sizeof(*out));
    if (e != ERR_OK || !*found)
        return e;
    out->leaf = leaf;
    out->until_day = (int32_t)(int64_t)col_int(s, q, 0);
    col_text(s, q, 1, out->basis, sizeof(out->basis));
    col_bytes(s, q, 2, out->order, ID_BYTES);
    return sql_done(s, q);
}
