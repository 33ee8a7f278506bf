/* retain.c - what content is left, and what keeps it there. The index
 * event_filled holds just the events that have content, so that a walk costs
 * by what is kept and not by all that ever was. */
#include "hub/store/internal.h"

static void read_event(struct store *s, enum statement q,
                       struct retain_event *e)
{
    e->seq = (int64_t)col_int(s, q, 0);
    e->person = col_id(s, q, 1);
    e->case_id = col_id(s, q, 2);
    e->type = (uint32_t)col_int(s, q, 3);
    e->accepted_ms = col_int(s, q, 4);
}

enum err store_retain_next(struct store *s, int64_t after,
                           struct retain_event *out, size_t max, size_t *n)
{
    const enum statement q = SQL_RETAIN_NEXT;
    bool more;
    *n = 0;
    enum err e = sql_row(s, q, WITH(v_int((uint64_t)after), v_int(max)), &more);
    while (e == ERR_OK && more) {
        read_event(s, q, &out[(*n)++]);
        e = sql_next(s, q, &more);
    }
    return e;
}

enum err store_retain_owed(struct store *s, int64_t seq, bool *owed,
                           uint64_t *ended_ms)
{
    const enum statement q = SQL_RETAIN_OWED;
    bool found;
    enum err e = sql_row(s, q, WITH(v_int((uint64_t)seq)), &found);
    if (e != ERR_OK || !found)
        return e;
    *owed = col_int(s, q, 0) > 0;
    *ended_ms = col_int(s, q, 1); /* NULL is 0 */
    return sql_done(s, q);
}

enum err store_case_end(struct store *s, struct id case_id, uint64_t at_ms)
{
    return sql_run(s, SQL_CASE_END, WITH(v_id(&case_id), v_int(at_ms)));
}

enum err store_case_ended(struct store *s, struct id case_id, uint64_t *at_ms)
{
    bool found;
    *at_ms = 0;
    enum err e = sql_row(s, SQL_CASE_ENDED, WITH(v_id(&case_id)), &found);
    if (e != ERR_OK || !found)
        return e;
    *at_ms = col_int(s, SQL_CASE_ENDED, 0);
    return sql_done(s, SQL_CASE_ENDED);
}

static enum err drop_consent(struct store *s, int32_t before, int32_t today,
                             bool *found)
{
    const enum statement q = SQL_RETAIN_CONSENT;
    enum err e = sql_row(
        s, q,
        WITH(v_int((uint64_t)(int64_t)today), v_int((uint64_t)(int64_t)before)),
        found);
    if (e != ERR_OK || !*found)
        return e;
    struct id person = col_id(s, q, 0), ref = col_id(s, q, 1);
    e = sql_done(s, q);
    if (e == ERR_OK)
        e = sql_run(s, SQL_CONSENT_TO_DROP, WITH(v_id(&person), v_id(&ref)));
    if (e == ERR_OK)
        e = sql_run(s, SQL_CONSENT_DROP, WITH(v_id(&person), v_id(&ref)));
    return e;
}

enum err store_consents_drop(struct store *s, int32_t before, int32_t today,
                             size_t max, size_t *n)
{
    bool found = true;
    enum err e = ERR_OK;
    for (*n = 0; *n < max && e == ERR_OK; ++*n) {
        e = drop_consent(s, before, today, &found);
        if (e != ERR_OK || !found)
            break;
    }
    return e;
}

enum err store_parked_empty(struct store *s, uint64_t before_ms)
{
    uint64_t end;
    enum err e = sql_number(s, SQL_PARKED_NEXT, &end);
    return e != ERR_OK ? e
                       : sql_run(s, SQL_PARKED_EMPTY,
                                 WITH(v_int(before_ms), v_int(0), v_int(end)));
}
