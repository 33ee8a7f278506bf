/* erase.c - what becomes of each table when a person is erased.
 *
 * Payload is sealed under keys that die (shred.c); what is left is what says
 * whose it was. In two strokes: when the order is taken nobody can name the
 * person any more (store_person_deny); in the night after, rows are deleted or
 * emptied, for everybody whose erasure has begun at once. Long tables are
 * walked in slices, because an emergency must not wait; every statement asks
 * for what there still is, so whatever a crash has cut off is done again.
 *
 *   token, deadline       deleted when the order is taken
 *   event                 stays as an empty shell: header (no identifier in
 *                         it), receipt and number answer a repeat; person,
 *                         case and parts go
 *   delivery, recall      stay as numbers between an event and an agency, so
 *                         that a node that was off still gets its recalls;
 *                         delivery.person goes
 *   care_case, consent, consent_to, handle, holding, delivery_rests,
 *   glass_text, person    deleted
 *   delay                 stays, numbers of leaves alone: an erasure must not
 *                         show before its day what two people delayed
 *   sweep, sweep_tell     none is left: an erasure waits for its own
 *   glass                 stays for the oversight of staff; its person goes
 *   parked                closed, its bytes emptied
 *   taken_order           an erasure stays for its certificate, its person
 *                         goes; others are deleted (a delay names leaves)
 *   order_subject         deleted
 *   erase_key             deleted when the night is over
 *   erase_leaf, erase_holder  stay for the certificate; sealed orders are for
 *                         a node's key alone, and emptied by its answer
 *   log_*                 only grows: handles, of which nothing says any more
 *                         whose they were */
#include "hub/store/internal.h"
#include <assert.h>
#include <string.h>

#define SLICE_ROWS 4096

const struct erase_table ERASE_TABLES[] = {
    {"event", ERASE_CLEARED},          {"event_receipt", ERASE_NOT_THEIRS},
    {"node_seq", ERASE_NOT_THEIRS},    {"person", ERASE_DELETED},
    {"token", ERASE_DELETED},          {"handle", ERASE_DELETED},
    {"consent", ERASE_DELETED},        {"consent_to", ERASE_DELETED},
    {"care_case", ERASE_DELETED},      {"delivery", ERASE_CLEARED},
    {"holding", ERASE_DELETED},        {"delivery_rests", ERASE_DELETED},
    {"recall", ERASE_NOT_THEIRS},      {"sweep", ERASE_DELETED},
    {"sweep_tell", ERASE_NOT_THEIRS},  {"deadline", ERASE_DELETED},
    {"parked", ERASE_CLEARED},         {"policy_pack", ERASE_NOT_THEIRS},
    {"glass", ERASE_CLEARED},          {"glass_text", ERASE_DELETED},
    {"log_leaf", ERASE_NOT_THEIRS},    {"log_tile", ERASE_NOT_THEIRS},
    {"log_state", ERASE_NOT_THEIRS},   {"log_checkpoint", ERASE_NOT_THEIRS},
    {"log_subject", ERASE_NOT_THEIRS}, {"delay", ERASE_NOT_THEIRS},
    {"value", ERASE_NOT_THEIRS},       {"order_subject", ERASE_DELETED},
    {"taken_order", ERASE_CLEARED},    {"erase_key", ERASE_DELETED},
    {"erase_leaf", ERASE_NOT_THEIRS},  {"erase_holder", ERASE_NOT_THEIRS},
};
const size_t ERASE_TABLE_COUNT = NELEM(ERASE_TABLES);

/* ---- when the order is taken ---- */

enum err store_person_deny(struct store *s, struct id person)
{
    static const enum statement FIRST[] = {SQL_PERSON_DENY, SQL_TOKENS_DROP,
                                           SQL_DEADLINES_DROP};
    enum err e = ERR_OK;
    for (size_t i = 0; i < NELEM(FIRST) && e == ERR_OK; i++)
        e = sql_run(s, FIRST[i], WITH(v_id(&person)));
    return e;
}

static enum err count_busy(struct store *s, enum statement q,
                           const struct value *with, size_t values, uint64_t *n)
{
    bool found;
    *n = 0;
    enum err e = sql_row(s, q, with, values, &found);
    if (e != ERR_OK || !found)
        return e;
    *n = col_int(s, q, 0);
    return sql_done(s, q);
}

enum err store_emergency_busy(struct store *s, struct id person, uint64_t *n)
{
    return count_busy(s, SQL_EMERGENCY_BUSY,
                      WITH(v_id(&person), v_int(DEADLINE_FIRST_ANSWER),
                           v_int(DEADLINE_OFFER_HOLD)),
                      n);
}

enum err store_glass_busy(struct store *s, struct id person, uint64_t now_ms,
                          uint64_t *n)
{
    return count_busy(s, SQL_GLASS_BUSY, WITH(v_id(&person), v_int(now_ms)), n);
}

static enum err each_token(struct store *s, struct id person,
                           enum err (*each)(void *ctx, const char *agency,
                                            enum token_kind kind,
                                            const uint8_t *token),
                           void *ctx)
{
    const enum statement q = SQL_TOKENS_OF_PERSON;
    bool more;
    enum err e = sql_row(s, q, WITH(v_id(&person)), &more);
    while (e == ERR_OK && more) {
        char agency[AGENCY_MAX];
        uint8_t token[ID_BYTES];
        col_text(s, q, 0, agency, sizeof(agency));
        col_bytes(s, q, 2, token, sizeof(token));
        e = each(ctx, agency, (enum token_kind)col_int(s, q, 1), token);
        if (e == ERR_OK)
            e = sql_next(s, q, &more);
    }
    if (e != ERR_OK)
        sql_abandon(s, q);
    return e;
}

enum err store_holdings(struct store *s, struct id person,
                        enum err (*each)(void *ctx, const char *agency,
                                         enum token_kind kind,
                                         const uint8_t *token),
                        void *ctx)
{
    const enum statement q = SQL_HOLDING_OF;
    bool more;
    enum err e = each_token(s, person, each, ctx);
    if (e == ERR_OK)
        e = sql_row(s, q, WITH(v_id(&person)), &more);
    while (e == ERR_OK && more) {
        char agency[AGENCY_MAX];
        col_text(s, q, 0, agency, sizeof(agency));
        e = each(ctx, agency, TOKEN_PERSON, NULL);
        if (e == ERR_OK)
            e = sql_next(s, q, &more);
    }
    if (e != ERR_OK)
        sql_abandon(s, q);
    return e;
}

enum err store_delivery_of_person(struct store *s, struct id person,
                                  int64_t after, struct delivery *out,
                                  int64_t *at, bool *end)
{
    const enum statement q = SQL_DELIVERY_OF_PERSON;
    bool found;
    int64_t to = after + SLICE_ROWS;
    memset(out, 0, sizeof(*out));
    enum err e = sql_row(
        s, q, WITH(v_id(&person), v_int((uint64_t)after), v_int((uint64_t)to)),
        &found);
    if (e != ERR_OK)
        return e;
    int64_t id = (int64_t)col_int(s, q, 0); /* NULL is 0 */
    e = sql_done(s, q);
    *at = id != 0 ? id : to;
    *end = id == 0 && to >= (int64_t)s->now.deliveries;
    return e != ERR_OK || id == 0 ? e : delivery_row(s, id, out);
}

/* ---- holders ---- */

enum err store_holder_put(struct store *s, struct id order, const char *agency,
                          const char *node, struct slice sealed)
{
    return sql_run(s, SQL_HOLDER_PUT,
                   WITH(v_id(&order), v_text(agency), v_text(node),
                        v_blob(sealed.p, sealed.n)));
}

enum err store_holder_open(struct store *s, const char *node, int32_t today,
                           struct id after, struct id *order,
                           struct buf *sealed, bool *found)
{
    const enum statement q = SQL_HOLDER_OPEN;
    enum err e = sql_row(
        s, q, WITH(v_text(node), v_id(&after), v_int((uint64_t)(int64_t)today)),
        found);
    if (e != ERR_OK || !*found)
        return e;
    *order = col_id(s, q, 0);
    col_buf(s, q, 1, sealed);
    e = sql_done(s, q);
    return e == ERR_OK && sealed->failed ? ERR_NOMEM : e;
}

/* The columns of HOLDER_COLUMNS. */
static enum err read_holder(struct store *s, enum statement q, struct holder *h)
{
    memset(h, 0, sizeof(*h));
    col_text(s, q, 0, h->agency, sizeof(h->agency));
    col_text(s, q, 1, h->node, sizeof(h->node));
    h->outcome = (unsigned)col_int(s, q, 2);
    h->handed_over = col_int(s, q, 3);
    h->answered_ms = col_int(s, q, 4);
    h->leaf = col_int(s, q, 5);
    return sql_done(s, q);
}

enum err store_holder_get(struct store *s, struct id order, const char *node,
                          struct holder *out)
{
    bool found;
    enum err e =
        sql_row(s, SQL_HOLDER_GET, WITH(v_id(&order), v_text(node)), &found);
    if (e != ERR_OK)
        return e;
    return found ? read_holder(s, SQL_HOLDER_GET, out) : ERR_NOT_FOUND;
}

enum err store_holder_answer(struct store *s, struct id order,
                             const struct holder *a)
{
    return sql_run_one(s, SQL_HOLDER_ANSWER,
                       WITH(v_id(&order), v_text(a->node), v_int(a->outcome),
                            v_int(a->handed_over), v_int(a->answered_ms),
                            v_int(a->leaf)));
}

enum err store_holder_next(struct store *s, struct id order, struct holder *h,
                           bool *found)
{
    enum err e =
        sql_row(s, SQL_HOLDER_AFTER,
                WITH(v_id(&order), v_text(h->agency), v_text(h->node)), found);
    return e != ERR_OK || !*found ? e : read_holder(s, SQL_HOLDER_AFTER, h);
}

enum err store_holders_open(struct store *s, uint64_t *n)
{
    return sql_number(s, SQL_HOLDER_COUNT, n);
}

/* ---- what a night destroys ---- */

enum err store_erase_ready(struct store *s, int32_t today, bool urgent_only,
                           struct id *order, struct id *person, bool *found)
{
    const enum statement q = SQL_ERASE_READY;
    enum err e = sql_row(
        s, q, WITH(v_int((uint64_t)(int64_t)today), v_int(urgent_only)), found);
    if (e != ERR_OK || !*found)
        return e;
    *order = col_id(s, q, 0);
    *person = col_id(s, q, 1);
    return sql_done(s, q);
}

enum err store_erase_begin(struct store *s, struct id order)
{
    return sql_run_one(s, SQL_ERASE_BEGUN, WITH(v_id(&order)));
}

enum err store_erase_begun(struct store *s, struct id person, bool *begun)
{
    enum err e = sql_row(s, SQL_GONE_IS, WITH(v_id(&person)), begun);
    return e != ERR_OK || !*begun ? e : sql_done(s, SQL_GONE_IS);
}

static enum err add_key(struct store *s, struct id person, uint64_t quarter,
                        struct id order)
{
    return sql_run(
        s, SQL_ERASE_KEY_PUT,
        WITH(v_id(&person), v_int(quarter), v_id_or_null(&order), v_int(0)));
}

enum err store_erase_order(struct store *s, struct id order, struct id person,
                           uint64_t quarter)
{
    enum err e = sql_run_one(s, SQL_ERASE_KEY_TAKE,
                             WITH(v_id(&person), v_int(quarter), v_id(&order)));
    return e == ERR_NOT_FOUND ? add_key(s, person, quarter, order) : e;
}

enum err store_erase_due(struct store *s, struct id person, uint64_t quarter)
{
    bool found;
    enum err e = sql_row(s, SQL_ERASE_KEY_HAS,
                         WITH(v_id(&person), v_int(quarter)), &found);
    if (e == ERR_OK && found)
        return sql_done(s, SQL_ERASE_KEY_HAS);
    return e != ERR_OK ? e : add_key(s, person, quarter, (struct id){{0}});
}

enum err store_erase_key_begun(struct store *s, int64_t id, uint64_t leaf)
{
    return sql_run_one(s, SQL_ERASE_KEY_BEGUN,
                       WITH(v_int((uint64_t)id), v_int(leaf)));
}

static void read_key(struct store *s, enum statement q, struct erase_key *k)
{
    memset(k, 0, sizeof(*k));
    k->id = (int64_t)col_int(s, q, 0);
    k->person = col_id(s, q, 1);
    k->quarter = col_int(s, q, 2);
    k->order = col_id(s, q, 3);
    k->begin_leaf = col_int(s, q, 4);
}

static enum err read_keys(struct store *s, enum statement q, bool more,
                          struct erase_key *out, size_t *n)
{
    enum err e = ERR_OK;
    for (*n = 0; e == ERR_OK && more; e = sql_next(s, q, &more))
        read_key(s, q, &out[(*n)++]);
    return e;
}

enum err store_erase_keys_due(struct store *s, int32_t today,
                              struct erase_key *out, size_t max, size_t *n)
{
    const enum statement q = SQL_ERASE_KEY_DUE;
    bool more;
    enum err e =
        sql_row(s, q, WITH(v_int((uint64_t)(int64_t)today), v_int(max)), &more);
    return e != ERR_OK ? e : read_keys(s, q, more, out, n);
}

enum err store_erase_keys_begun(struct store *s, struct erase_key *out,
                                size_t max, size_t *n)
{
    const enum statement q = SQL_ERASE_KEY_ANY;
    bool more;
    enum err e = sql_row(s, q, WITH(v_int(max)), &more);
    return e != ERR_OK ? e : read_keys(s, q, more, out, n);
}

enum err store_erase_key_next(struct store *s, int64_t after,
                              struct erase_key *out, bool *found)
{
    const enum statement q = SQL_ERASE_KEY_AFTER;
    enum err e = sql_row(s, q, WITH(v_int((uint64_t)after)), found);
    if (e != ERR_OK || !*found)
        return e;
    read_key(s, q, out);
    return sql_done(s, q);
}

enum err store_erase_key_done(struct store *s, const struct erase_key *k,
                              uint64_t done_leaf)
{
    enum err e = sql_run(s, SQL_ERASE_KEY_DROP, WITH(v_int((uint64_t)k->id)));
    if (e != ERR_OK || id_is_zero(k->order))
        return e;
    return sql_run(
        s, SQL_ERASE_LEAF_PUT,
        WITH(v_id(&k->order), v_int(k->begin_leaf), v_int(done_leaf)));
}

enum err store_erase_leaf(struct store *s, struct id order, uint64_t *begin,
                          uint64_t *done, bool *found)
{
    const enum statement q = SQL_ERASE_LEAF_AFTER;
    enum err e = sql_row(s, q, WITH(v_id(&order), v_int(*begin)), found);
    if (e != ERR_OK || !*found)
        return e;
    *begin = col_int(s, q, 0);
    *done = col_int(s, q, 1);
    return sql_done(s, q);
}

/* ---- rows ---- */

static enum err close_parked(struct store *s, int64_t from, int64_t to)
{
    const enum statement q = SQL_GONE_PARKED_OPEN;
    bool found;
    uint64_t open = 0;
    enum err e =
        sql_row(s, q, WITH(v_int((uint64_t)from), v_int((uint64_t)to)), &found);
    if (e == ERR_OK && found) {
        open = col_int(s, q, 0);
        e = sql_done(s, q);
    }
    if (e == ERR_OK)
        e = sql_run(s, SQL_GONE_PARKED,
                    WITH(v_int((uint64_t)from), v_int((uint64_t)to)));
    if (e == ERR_OK)
        s->now.parked -= open;
    return e;
}

enum err store_erase_events(struct store *s, int64_t *at, bool *end)
{
    int64_t to = *at + SLICE_ROWS;
    enum err e = close_parked(s, *at, to); /* asks whose events they are */
    if (e == ERR_OK)
        e = sql_run(s, SQL_GONE_EVENT,
                    WITH(v_int((uint64_t)*at), v_int((uint64_t)to)));
    *at = to;
    *end = to >= (int64_t)s->now.events;
    return e;
}

enum err store_erase_deliveries(struct store *s, int64_t *at, bool *end)
{
    int64_t to = *at + SLICE_ROWS;
    enum err e = sql_run(s, SQL_GONE_DELIVERY,
                         WITH(v_int((uint64_t)*at), v_int((uint64_t)to)));
    *at = to;
    *end = to >= (int64_t)s->now.deliveries;
    return e;
}

/* A reference to one of them that is still kept. */
static enum err next_subject(struct store *s, uint8_t after[ID_BYTES],
                             struct id *person, bool *found)
{
    const enum statement q = SQL_ORDER_SUBJECT_AFTER;
    enum err e = sql_row(s, q, WITH(v_blob(after, ID_BYTES)), found);
    if (e != ERR_OK || !*found)
        return e;
    col_bytes(s, q, 0, after, ID_BYTES);
    e = sql_done(s, q);
    return e != ERR_OK ? e : store_subject_find(s, after, 0, found, person);
}

static enum err drop_subjects(struct store *s)
{
    uint8_t at[ID_BYTES] = {0};
    bool found = true;
    enum err e = ERR_OK;
    while (e == ERR_OK) {
        struct id person;
        bool gone;
        e = next_subject(s, at, &person, &found);
        if (e != ERR_OK || !found)
            return e;
        e = store_erase_begun(s, person, &gone);
        if (e == ERR_OK && gone)
            e = sql_run(s, SQL_ORDER_SUBJECT_DROP, WITH(v_blob(at, ID_BYTES)));
    }
    return e;
}

enum err store_erase_people(struct store *s)
{
    /* children before what they refer to; cases are asked for until the end */
    static const enum statement ROWS[] = {
        SQL_GONE_TOKEN,      SQL_GONE_DEADLINE,   SQL_GONE_CASE,
        SQL_GONE_CONSENT_TO, SQL_GONE_CONSENT,    SQL_GONE_HANDLE,
        SQL_GONE_HOLDING,    SQL_GONE_RESTS,      SQL_GONE_SWEEP,
        SQL_GONE_GLASS,      SQL_GONE_GLASS_TEXT, SQL_GONE_ORDER,
        SQL_GONE_PERSON};
    enum err e = drop_subjects(s);
    for (size_t i = 0; i < NELEM(ROWS) && e == ERR_OK; i++)
        e = sql_run(s, ROWS[i], WITH_NOTHING);
    s->last_seq = 0; /* whom the last event was about */
    return e;
}

/* secure_delete has zeroed what was deleted; older versions of its pages are in
 * the WAL until that is emptied. */
enum err store_erase_settle(struct store *s)
{
    if (s->in_tx)
        return ERR_STATE;
    if (s->broken)
        return ERR_STORE;
    enum err e = sql_checkpoint(s, true);
    s->broken |= e != ERR_OK;
    return e;
}

enum err store_erase_over(struct store *s, uint64_t now_ms, uint64_t epoch)
{
    return sql_run(s, SQL_ERASE_OVER, WITH(v_int(now_ms), v_int(epoch)));
}
