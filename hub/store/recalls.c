/* recalls.c - what releases rest on, what was called back, and the sweeps that
 * a withdrawal leaves to be done.
 *
 * A release that rests on a consent or a meeting leaves a row per ground, so
 * that its end finds exactly what rested on it and nothing that rests on law.
 * Rows are by person and delivery: a walk of one person's deliveries is one
 * range. Recalls have numbers that only grow, never used twice; a node asks for
 * those after the last it knows and misses none. A sweep keeps its place in its
 * row, so that a crash between two slices repeats nothing and skips nothing. */
#include "hub/store/internal.h"
#include <assert.h>
#include <string.h>

static struct value ref_or_null(const uint8_t *ref)
{
    return ref != NULL ? v_blob(ref, ID_BYTES)
                       : (struct value){VALUE_NULL, 0, SLICE_NONE};
}

/* ---- grounds ---- */

enum err store_delivery_rest(struct store *s, const struct delivery *d,
                             const uint8_t ref[ID_BYTES], uint64_t classes)
{
    return sql_run(s, SQL_RESTS_PUT,
                   WITH(v_id(&d->person), v_int((uint64_t)d->id),
                        v_blob(ref, ID_BYTES), v_int(classes)));
}

static enum err rested_classes(struct store *s, struct id person,
                               const uint8_t *ref, uint64_t delivery,
                               uint64_t *classes)
{
    const enum statement q = SQL_RESTS_OF;
    bool more;
    *classes = 0;
    enum err e = sql_row(
        s, q, WITH(v_id(&person), v_int(delivery), ref_or_null(ref)), &more);
    while (e == ERR_OK && more) {
        *classes |= col_int(s, q, 0);
        e = sql_next(s, q, &more);
    }
    return e;
}

enum err store_delivery_rested(struct store *s, struct id person,
                               const uint8_t *ref, int64_t after,
                               struct delivery *out, uint64_t *classes,
                               bool *found)
{
    const enum statement q = SQL_RESTS_NEXT;
    enum err e = sql_row(
        s, q, WITH(v_id(&person), v_int((uint64_t)after), ref_or_null(ref)),
        found);
    if (e != ERR_OK || !*found)
        return e;
    uint64_t id = col_int(s, q, 0); /* min() of nothing: 0 */
    e = sql_done(s, q);
    *found = id != 0;
    if (e == ERR_OK && *found)
        e = rested_classes(s, person, ref, id, classes);
    if (e == ERR_OK && *found)
        e = delivery_row(s, (int64_t)id, out);
    return e;
}

/* ---- recalls ---- */

enum err store_delivery_recall(struct store *s, struct delivery *d,
                               uint64_t leaf, uint64_t now_ms, bool erase)
{
    assert(leaf != 0 && d->recall_leaf == 0);
    enum err e =
        sql_run_one(s, SQL_RECALL_PUT,
                    WITH(v_int((uint64_t)d->id), v_int(now_ms), v_int(erase)));
    if (e == ERR_OK)
        e = sql_run_one(s, SQL_DELIVERY_RECALL,
                        WITH(v_int((uint64_t)d->id), v_int(leaf)));
    if (e == ERR_OK)
        d->recall_leaf = leaf;
    return e;
}

static enum err read_recall(struct store *s, enum statement q, struct recall *r)
{
    memset(r, 0, sizeof(*r));
    r->no = col_int(s, q, 0);
    r->delivery_id = col_id(s, q, 1);
    r->at_ms = col_int(s, q, 2);
    r->outcome = (unsigned)col_int(s, q, 3);
    col_text(s, q, 4, r->node, sizeof(r->node));
    r->erase = col_int(s, q, 5) != 0;
    return sql_done(s, q);
}

enum err store_recalls(struct store *s, const char *agency, uint64_t after,
                       bool (*each)(void *ctx, const struct recall *r),
                       void *ctx)
{
    const enum statement q = SQL_RECALL_AFTER;
    struct recall r = {.no = after};
    for (;;) {
        bool found;
        enum err e = sql_row(s, q, WITH(v_text(agency), v_int(r.no)), &found);
        if (e != ERR_OK || !found)
            return e;
        e = read_recall(s, q, &r);
        if (e != ERR_OK || !each(ctx, &r))
            return e;
    }
}

enum err store_recalls_open(struct store *s,
                            bool (*each)(void *ctx, const struct recall *r),
                            void *ctx)
{
    const enum statement q = SQL_RECALL_OPEN;
    struct recall r = {0};
    for (;;) {
        bool found;
        enum err e = sql_row(s, q, WITH(v_int(r.no), v_int(r.at_ms)), &found);
        if (e != ERR_OK || !found)
            return e;
        e = read_recall(s, q, &r);
        if (e != ERR_OK || !each(ctx, &r))
            return e;
    }
}

enum err store_recall_answer(struct store *s, int64_t delivery,
                             unsigned outcome)
{
    return sql_run_one(s, SQL_RECALL_ANSWER,
                       WITH(v_int((uint64_t)delivery), v_int(outcome)));
}

/* ---- sweeps ---- */

enum err store_sweep_add(struct store *s, struct sweep *w)
{
    enum err e =
        sql_run(s, SQL_SWEEP_PUT,
                WITH(v_id(&w->person), v_int(w->why), v_blob(w->ref, ID_BYTES),
                     v_int(w->cites), v_int(w->step), v_text(w->agency),
                     v_int(w->lane), v_int((uint64_t)w->after)));
    w->id = sqlite3_last_insert_rowid(s->db);
    return e;
}

enum err store_sweep_next(struct store *s, struct sweep *out, bool *found)
{
    const enum statement q = SQL_SWEEP_NEXT;
    enum err e = sql_row(s, q, WITH_NOTHING, found);
    if (e != ERR_OK || !*found)
        return e;
    memset(out, 0, sizeof(*out));
    out->id = (int64_t)col_int(s, q, 0);
    out->person = col_id(s, q, 1);
    out->why = (unsigned)col_int(s, q, 2);
    col_bytes(s, q, 3, out->ref, ID_BYTES);
    out->cites = col_int(s, q, 4);
    out->step = (unsigned)col_int(s, q, 5);
    col_text(s, q, 6, out->agency, sizeof(out->agency));
    out->lane = (enum lane)col_int(s, q, 7);
    out->after = (int64_t)col_int(s, q, 8);
    out->stopped = col_int(s, q, 9);
    out->kept = col_int(s, q, 10);
    return sql_done(s, q);
}

enum err store_sweep_update(struct store *s, const struct sweep *w)
{
    return sql_run_one(s, SQL_SWEEP_UPDATE,
                       WITH(v_int((uint64_t)w->id), v_int(w->step),
                            v_text(w->agency), v_int(w->lane),
                            v_int((uint64_t)w->after), v_int(w->stopped),
                            v_int(w->kept)));
}

enum err store_sweep_done(struct store *s, int64_t id)
{
    return sql_run_one(s, SQL_SWEEP_DONE, WITH(v_int((uint64_t)id)));
}

enum err store_sweep_count(struct store *s, uint64_t *n)
{
    return sql_number(s, SQL_SWEEP_COUNT, n);
}

enum err store_tell_add(struct store *s, int64_t sweep, const char *agency,
                        uint64_t classes)
{
    return sql_run(
        s, SQL_TELL_PUT,
        WITH(v_int((uint64_t)sweep), v_text(agency), v_int(classes)));
}

enum err store_tell_next(struct store *s, int64_t sweep,
                         char agency[AGENCY_MAX], uint64_t *classes,
                         bool *found)
{
    const enum statement q = SQL_TELL_NEXT;
    enum err e = sql_row(s, q, WITH(v_int((uint64_t)sweep)), found);
    if (e != ERR_OK || !*found)
        return e;
    col_text(s, q, 0, agency, AGENCY_MAX);
    *classes = col_int(s, q, 1);
    return sql_done(s, q);
}

enum err store_tell_done(struct store *s, int64_t sweep, const char *agency)
{
    return sql_run_one(s, SQL_TELL_DONE,
                       WITH(v_int((uint64_t)sweep), v_text(agency)));
}
