/* cases.c - what a workflow keeps between events: one packed CaseState a case.
 *
 * States hold codes, times and event ids only, so they are not sealed. Case
 * ids are time-ordered; walking them backwards is walking from the newest. No
 * read stays open while a callback runs, which may itself use the store. */
#include "hub/store/internal.h"
#include <stdlib.h>

static enum err pack_state(const Pb__CaseState *state, struct buf *out)
{
    size_t n = pb__case_state__get_packed_size(state);
    uint8_t *p = malloc(n + 1);
    if (p == NULL)
        return ERR_NOMEM;
    pb__case_state__pack(state, p);
    buf_add(out, p, n);
    free(p);
    return out->failed ? ERR_NOMEM : ERR_OK;
}

static enum err unpack_state(struct slice s, Pb__CaseState **out)
{
    static const uint8_t NOTHING;
    *out = pb__case_state__unpack(NULL, s.n, s.n > 0 ? s.p : &NOTHING);
    return *out != NULL ? ERR_OK : ERR_INTEGRITY;
}

enum err store_case_new(struct store *s, struct id person, uint64_t now_ms,
                        struct id *out)
{
    *out = id_new(now_ms);
    return sql_run(s, SQL_CASE_NEW,
                   WITH(v_id(out), v_id_or_null(&person), v_blob(NULL, 0)));
}

enum err store_case_get(struct store *s, struct id case_id,
                        Pb__CaseState **state, struct id *person)
{
    bool found;
    *state = NULL;
    enum err e = sql_row(s, SQL_CASE_GET, WITH(v_id(&case_id)), &found);
    if (e != ERR_OK)
        return e;
    if (!found)
        return ERR_NOT_FOUND;
    e = unpack_state(col_slice(s, SQL_CASE_GET, 0), state);
    *person = col_id(s, SQL_CASE_GET, 1);
    enum err d = sql_done(s, SQL_CASE_GET);
    if (e == ERR_OK && d == ERR_OK)
        return ERR_OK;
    if (*state != NULL)
        pb__case_state__free_unpacked(*state, NULL);
    *state = NULL;
    return e != ERR_OK ? e : d;
}

enum err store_case_put(struct store *s, struct id case_id,
                        const Pb__CaseState *state)
{
    struct buf b = {0};
    enum err e = pack_state(state, &b);
    if (e == ERR_OK)
        e = sql_run_one(s, SQL_CASE_PUT,
                        WITH(v_id(&case_id), v_blob(b.p, b.n)));
    buf_fini(&b);
    return e;
}

/* The newest case older than *id (zero: of all), which it becomes. */
static enum err case_before(struct store *s, struct id *id,
                            Pb__CaseState **state, bool *found)
{
    *state = NULL;
    enum err e = sql_row(s, SQL_CASE_BEFORE, WITH(v_id_or_null(id)), found);
    if (e != ERR_OK || !*found)
        return e;
    *id = col_id(s, SQL_CASE_BEFORE, 0);
    e = unpack_state(col_slice(s, SQL_CASE_BEFORE, 1), state);
    enum err d = sql_done(s, SQL_CASE_BEFORE);
    return e != ERR_OK ? e : d;
}

enum err store_case_each(struct store *s,
                         bool (*each)(void *ctx, struct id case_id,
                                      const Pb__CaseState *state),
                         void *ctx)
{
    struct id id = {{0}};
    bool more = true;
    while (more) {
        Pb__CaseState *state;
        enum err e = case_before(s, &id, &state, &more);
        if (e == ERR_OK && more)
            more = each(ctx, id, state);
        if (state != NULL)
            pb__case_state__free_unpacked(state, NULL);
        if (e != ERR_OK)
            return e;
    }
    return ERR_OK;
}
