/* glass.c - openings of break-glass and what is remembered of those who open.
 *
 * Rows hold codes, times and handles; free text is nowhere here, only keyed
 * hashes of the last few, so that nobody can give the same reason over and
 * over. Openings are few and are never deleted. */
#include "hub/store/internal.h"
#include <stdlib.h>
#include <string.h>

#define OFTEN_OVER 3
#define OFTEN_MS (30 * DAY_MS)

enum err store_glass_put(struct store *s, struct id person,
                         const struct glass *g)
{
    return sql_run(
        s, SQL_GLASS_PUT,
        WITH(v_blob(g->ref, ID_BYTES), v_id(&person), v_text(g->agency),
             v_text(g->role), v_blob(g->actor, ID_BYTES), v_text(g->reason),
             v_int(g->classes), v_int(g->opened_ms), v_int(g->until_ms),
             v_int(g->review_due_ms), v_int(g->extended), v_int(g->verdict),
             v_text(g->reviewer), v_int(g->leaf)));
}

enum err store_glass_update(struct store *s, const struct glass *g)
{
    return sql_run_one(s, SQL_GLASS_UPDATE,
                       WITH(v_blob(g->ref, ID_BYTES), v_int(g->until_ms),
                            v_int(g->extended), v_int(g->verdict),
                            v_text(g->reviewer)));
}

/* The columns of GLASS_COLUMNS; returns the row's number. */
static uint64_t read_glass(struct store *s, enum statement q, struct glass *g)
{
    memset(g, 0, sizeof(*g));
    col_bytes(s, q, 1, g->ref, ID_BYTES);
    col_text(s, q, 2, g->agency, sizeof(g->agency));
    col_text(s, q, 3, g->role, sizeof(g->role));
    col_bytes(s, q, 4, g->actor, ID_BYTES);
    col_text(s, q, 5, g->reason, sizeof(g->reason));
    g->classes = col_int(s, q, 6);
    g->opened_ms = col_int(s, q, 7);
    g->until_ms = col_int(s, q, 8);
    g->review_due_ms = col_int(s, q, 9);
    g->extended = col_int(s, q, 10) != 0;
    g->verdict = (enum glass_verdict)col_int(s, q, 11);
    col_text(s, q, 12, g->reviewer, sizeof(g->reviewer));
    g->leaf = col_int(s, q, 13);
    return col_int(s, q, 0);
}

enum err store_glass_of_person(struct store *s, struct id person,
                               struct glass **out, size_t *n)
{
    const enum statement q = SQL_GLASS_OF_PERSON;
    size_t cap = 0;
    bool more;
    *out = NULL;
    *n = 0;
    if (id_is_zero(person))
        return ERR_OK;
    enum err e = sql_row(s, q, WITH(v_id(&person)), &more);
    while (e == ERR_OK && more) {
        e = grow((void **)out, *n, &cap, sizeof(**out));
        if (e != ERR_OK)
            break;
        read_glass(s, q, &(*out)[(*n)++]);
        e = sql_next(s, q, &more);
    }
    if (e == ERR_OK)
        return ERR_OK;
    sql_abandon(s, q);
    free(*out);
    *out = NULL;
    *n = 0;
    return e;
}

enum err store_glass_each(struct store *s,
                          bool (*each)(void *ctx, const struct glass *g),
                          void *ctx)
{
    const enum statement q = SQL_GLASS_BEFORE;
    uint64_t id = INT64_MAX;
    for (;;) {
        struct glass g;
        bool found;
        enum err e = sql_row(s, q, WITH(v_int(id)), &found);
        if (e != ERR_OK || !found)
            return e;
        id = read_glass(s, q, &g);
        e = sql_done(s, q);
        if (e != ERR_OK || !each(ctx, &g))
            return e;
    }
}

/* ---- who opens ---- */

static enum err read_texts(struct store *s, const char *agency,
                           const uint8_t *actor, struct glass_actor *out)
{
    const enum statement q = SQL_GLASS_TEXTS;
    bool more;
    enum err e = sql_row(
        s, q, WITH(v_text(agency), v_blob(actor, ID_BYTES), v_int(GLASS_TEXTS)),
        &more);
    while (e == ERR_OK && more) {
        col_bytes(s, q, 0, out->text[out->texts++], GLASS_TEXT_BYTES);
        e = sql_next(s, q, &more);
    }
    if (e != ERR_OK)
        sql_abandon(s, q);
    return e;
}

enum err store_glass_actor(struct store *s, const char *agency,
                           const uint8_t actor[ID_BYTES], uint64_t now_ms,
                           struct glass_actor *out)
{
    const enum statement q = SQL_GLASS_OVERDUE_OF;
    bool found;
    memset(out, 0, sizeof(*out));
    enum err e = read_texts(s, agency, actor, out);
    if (e == ERR_OK)
        e = sql_row(
            s, q, WITH(v_text(agency), v_blob(actor, ID_BYTES), v_int(now_ms)),
            &found);
    if (e != ERR_OK || !found)
        return e;
    out->suspended = col_int(s, q, 0) > 0;
    return sql_done(s, q);
}

enum err store_glass_text_add(struct store *s, struct id person,
                              const char *agency, const uint8_t actor[ID_BYTES],
                              const uint8_t text[GLASS_TEXT_BYTES])
{
    enum err e = sql_run(s, SQL_GLASS_TEXT_PUT,
                         WITH(v_text(agency), v_blob(actor, ID_BYTES),
                              v_blob(text, GLASS_TEXT_BYTES), v_id(&person)));
    return e != ERR_OK ? e
                       : sql_run(s, SQL_GLASS_TEXT_DROP,
                                 WITH(v_text(agency), v_blob(actor, ID_BYTES),
                                      v_int(GLASS_TEXTS)));
}

enum err store_glass_counts(struct store *s, uint64_t now_ms,
                            struct store_glass_counts *out)
{
    const enum statement q = SQL_GLASS_COUNTS, often = SQL_GLASS_OFTEN;
    uint64_t since = now_ms > OFTEN_MS ? now_ms - OFTEN_MS : 0;
    bool found;
    memset(out, 0, sizeof(*out));
    enum err e = sql_row(s, q, WITH(v_int(now_ms)), &found);
    if (e != ERR_OK || !found)
        return e;
    out->opened = col_int(s, q, 0);
    out->open = col_int(s, q, 1);
    out->reviewed = col_int(s, q, 2);
    out->not_justified = col_int(s, q, 3);
    out->overdue = col_int(s, q, 4);
    e = sql_done(s, q);
    if (e == ERR_OK)
        e = sql_row(s, often, WITH(v_int(since), v_int(OFTEN_OVER)), &found);
    if (e != ERR_OK || !found)
        return e;
    out->often = col_int(s, often, 0);
    return sql_done(s, often);
}
