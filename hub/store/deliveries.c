/* deliveries.c - what is owed to whom.
 *
 * A row per event and recipient, in order of acceptance. The queues are one
 * partial index over what is not over yet (queued, or released and not
 * acknowledged), so a fetch walks its own agency and lane from where it left
 * off, however many rows wait elsewhere or are done. How many wait is counted
 * once at the start and kept in step with the transaction.
 *
 * What is owed about one person is asked for on a withdrawal, and is found by
 * walking the queues of the agencies that person ever had to do with (holding).
 *
 * delivery_id is eight random bytes and the row number: found without an index
 * of its own, and not to be guessed. */
#include "hub/store/internal.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

static bool waits(uint64_t state)
{
    return state <= DELIVERY_RELEASED;
}

static struct id make_id(struct store *s, uint64_t row)
{
    struct id id;
    random_take(s, id.b, 8);
    for (int i = 0; i < 8; i++)
        id.b[8 + i] = (uint8_t)(row >> (56 - 8 * i));
    return id;
}

static uint64_t row_of(struct id id)
{
    uint64_t row = 0;
    for (int i = 0; i < 8; i++)
        row = row << 8 | id.b[8 + i];
    return row;
}

/* Whom an event is about; mostly the event just put. */
static enum err person_of(struct store *s, int64_t seq, struct id *person)
{
    bool found;
    *person = s->last_person;
    if (seq == s->last_seq)
        return ERR_OK;
    enum err e =
        sql_row(s, SQL_DELIVERY_PERSON, WITH(v_int((uint64_t)seq)), &found);
    if (e != ERR_OK)
        return e;
    if (!found)
        return ERR_NOT_FOUND;
    *person = col_id(s, SQL_DELIVERY_PERSON, 0);
    return sql_done(s, SQL_DELIVERY_PERSON);
}

/* Whatever ends a delivery writes a leaf: its time is the delivery's end. */
static uint64_t ended(const struct store *s, const struct delivery *d)
{
    return waits(d->state) ? 0 : s->now.last_ms;
}

static enum err insert(struct store *s, const struct delivery *d,
                       const struct id *person)
{
    return sql_run(s, SQL_DELIVERY_PUT,
                   WITH(v_int((uint64_t)d->id), v_id(&d->delivery_id),
                        v_int((uint64_t)d->event_seq), v_id_or_null(person),
                        v_text(d->agency), v_int(d->lane), v_text(d->role),
                        v_text(d->purpose), v_int(d->state),
                        v_int(d->decision_leaf), v_int(d->release_leaf),
                        v_int(d->released_classes), v_int(d->released_ms),
                        v_int(d->consent_generation),
                        v_blob(d->policy_digest, 32), v_int(d->queued_ms),
                        v_int(d->expires_ms), v_text(d->node),
                        v_text(d->wanted), v_int(ended(s, d))));
}

enum err store_delivery_put(struct store *s, struct delivery *d)
{
    struct id person;
    assert(d->lane < LANE_COUNT);
    enum err e = person_of(s, d->event_seq, &person);
    if (e != ERR_OK)
        return e;
    d->id = (int64_t)s->now.deliveries + 1;
    d->delivery_id = make_id(s, (uint64_t)d->id);
    d->person = person;
    e = insert(s, d, &person);
    if (e != ERR_OK)
        return e;
    s->now.deliveries++;
    s->now.waiting[d->lane] += waits(d->state);
    if (id_is_zero(person))
        return ERR_OK;
    return sql_run(s, SQL_HOLDING_PUT, WITH(v_id(&person), v_text(d->agency)));
}

/* What a row said before an update. */
struct before {
    uint64_t state, lane;
};

static enum err read_before(struct store *s, int64_t id, struct before *b)
{
    const enum statement q = SQL_DELIVERY_STATE;
    bool found;
    enum err e = sql_row(s, q, WITH(v_int((uint64_t)id)), &found);
    if (e != ERR_OK)
        return e;
    if (!found)
        return ERR_NOT_FOUND;
    b->state = col_int(s, q, 0);
    b->lane = col_int(s, q, 1);
    if (b->lane >= LANE_COUNT)
        s->damaged = true;
    return sql_done(s, q);
}

enum err store_delivery_update(struct store *s, const struct delivery *d)
{
    struct before b;
    enum err e = read_before(s, d->id, &b);
    if (e != ERR_OK)
        return e;
    e = sql_run_one(s, SQL_DELIVERY_UPDATE,
                    WITH(v_int((uint64_t)d->id), v_int(d->state),
                         v_int(d->decision_leaf), v_int(d->release_leaf),
                         v_int(d->released_classes), v_int(d->released_ms),
                         v_int(d->consent_generation),
                         v_blob(d->policy_digest, 32), v_int(d->expires_ms),
                         v_text(d->node), v_text(d->role), v_int(ended(s, d))));
    if (e != ERR_OK)
        return e;
    s->now.waiting[b.lane] += waits(d->state);
    s->now.waiting[b.lane] -= waits(b.state);
    return ERR_OK;
}

/* The columns of DELIVERY_COLUMNS. */
static void read_delivery(struct store *s, enum statement q, struct delivery *d)
{
    memset(d, 0, sizeof(*d));
    d->id = (int64_t)col_int(s, q, 0);
    d->delivery_id = col_id(s, q, 1);
    d->event_seq = (int64_t)col_int(s, q, 2);
    col_text(s, q, 3, d->agency, sizeof(d->agency));
    d->lane = (enum lane)col_int(s, q, 4);
    col_text(s, q, 5, d->role, sizeof(d->role));
    col_text(s, q, 6, d->purpose, sizeof(d->purpose));
    d->state = (enum delivery_state)col_int(s, q, 7);
    d->decision_leaf = col_int(s, q, 8);
    d->release_leaf = col_int(s, q, 9);
    d->released_classes = col_int(s, q, 10);
    d->released_ms = col_int(s, q, 11);
    d->consent_generation = col_int(s, q, 12);
    col_bytes(s, q, 13, d->policy_digest, 32);
    d->queued_ms = col_int(s, q, 14);
    d->expires_ms = col_int(s, q, 15);
    col_text(s, q, 16, d->node, sizeof(d->node));
    col_text(s, q, 17, d->wanted, sizeof(d->wanted));
    d->recall_leaf = col_int(s, q, 18);
    d->person = col_id(s, q, 19);
}

enum err store_delivery_find(struct store *s, struct id delivery_id,
                             struct delivery *out)
{
    bool found;
    enum err e =
        sql_row(s, SQL_DELIVERY_FIND,
                WITH(v_int(row_of(delivery_id)), v_id(&delivery_id)), &found);
    if (e != ERR_OK)
        return e;
    if (!found)
        return ERR_NOT_FOUND;
    read_delivery(s, SQL_DELIVERY_FIND, out);
    return sql_done(s, SQL_DELIVERY_FIND);
}

enum err delivery_row(struct store *s, int64_t id, struct delivery *out)
{
    bool found;
    enum err e =
        sql_row(s, SQL_DELIVERY_ROW, WITH(v_int((uint64_t)id)), &found);
    if (e != ERR_OK)
        return e;
    if (!found)
        return ERR_NOT_FOUND;
    read_delivery(s, SQL_DELIVERY_ROW, out);
    return sql_done(s, SQL_DELIVERY_ROW);
}

enum err store_delivery_due(struct store *s, const char *agency, enum lane lane,
                            int64_t after, struct delivery *out, size_t max,
                            size_t *n)
{
    const enum statement q = SQL_DELIVERY_DUE;
    bool more;
    *n = 0;
    enum err e = sql_row(
        s, q,
        WITH(v_text(agency), v_int(lane), v_int((uint64_t)after), v_int(max)),
        &more);
    while (e == ERR_OK && more) {
        read_delivery(s, q, &out[(*n)++]);
        e = sql_next(s, q, &more);
    }
    return e;
}

enum err store_queue_next(struct store *s, struct id person,
                          char agency[AGENCY_MAX], bool *found)
{
    enum statement q =
        id_is_zero(person) ? SQL_DELIVERY_AGENCY : SQL_HOLDING_NEXT;
    enum err e =
        q == SQL_DELIVERY_AGENCY
            ? sql_row(s, q, WITH(v_text(agency)), found)
            : sql_row(s, q, WITH(v_id(&person), v_text(agency)), found);
    if (e != ERR_OK || !*found)
        return e;
    col_text(s, q, 0, agency, AGENCY_MAX);
    return sql_done(s, q);
}

/* ---- counts ---- */

enum err deliveries_count(struct store *s)
{
    const enum statement q = SQL_DELIVERY_WAITING;
    bool more;
    enum err e = sql_number(s, SQL_DELIVERY_LAST, &s->now.deliveries);
    if (e == ERR_OK)
        e = sql_row(s, q, WITH_NOTHING, &more);
    while (e == ERR_OK && more) {
        uint64_t lane = col_int(s, q, 0);
        if (lane < LANE_COUNT)
            s->now.waiting[lane] = col_int(s, q, 1);
        e = sql_next(s, q, &more);
    }
    return e;
}

static enum err oldest_of(struct store *s, const char *agency, int lane,
                          uint64_t *queued_ms)
{
    const enum statement q = SQL_DELIVERY_OLDEST;
    bool found;
    enum err e =
        sql_row(s, q, WITH(v_text(agency), v_int((uint64_t)lane)), &found);
    if (e != ERR_OK || !found)
        return e;
    uint64_t ms = col_int(s, q, 0);
    if (*queued_ms == 0 || ms < *queued_ms)
        *queued_ms = ms;
    return sql_done(s, q);
}

/* One look at the head of each queue. (A row value compared with > would walk
 * the whole queue it starts from.) */
enum err deliveries_oldest(struct store *s, uint64_t *queued_ms)
{
    const enum statement q = SQL_DELIVERY_AGENCY;
    char agency[AGENCY_MAX] = "";
    *queued_ms = 0;
    for (;;) {
        bool found;
        enum err e = sql_row(s, q, WITH(v_text(agency)), &found);
        if (e != ERR_OK || !found)
            return e;
        col_text(s, q, 0, agency, sizeof(agency));
        e = sql_done(s, q);
        for (int lane = 0; e == ERR_OK && lane < LANE_COUNT; lane++)
            e = oldest_of(s, agency, lane, queued_ms);
        if (e != ERR_OK)
            return e;
    }
}

/* ---- what was passed on ---- */

static void read_provision(struct store *s, struct provision *p)
{
    const enum statement q = SQL_PROVISION_NEXT;
    memset(p, 0, sizeof(*p));
    p->id = (int64_t)col_int(s, q, 0);
    col_text(s, q, 1, p->to, sizeof(p->to));
    col_text(s, q, 2, p->role, sizeof(p->role));
    col_text(s, q, 3, p->purpose, sizeof(p->purpose));
    p->released_ms = col_int(s, q, 4);
    p->released_classes = col_int(s, q, 5);
    p->release_leaf = col_int(s, q, 6);
    p->recall_leaf = col_int(s, q, 7);
    p->person = col_id(s, q, 8);
    col_text(s, q, 9, p->from, sizeof(p->from));
    p->type = (uint32_t)col_int(s, q, 10);
    p->ingest_leaf = col_int(s, q, 11);
    p->hub_made = col_int(s, q, 12) != 0;
}

enum err store_provision_next(struct store *s, const char *agency,
                              int64_t after, int64_t upto,
                              struct provision *out, bool *found)
{
    enum err e = sql_row(
        s, SQL_PROVISION_NEXT,
        WITH(v_int((uint64_t)after), v_int((uint64_t)upto), v_text(agency)),
        found);
    if (e != ERR_OK || !*found)
        return e;
    read_provision(s, out);
    return sql_done(s, SQL_PROVISION_NEXT);
}

enum err store_provision_last(struct store *s, int64_t *id)
{
    uint64_t last;
    enum err e = sql_number(s, SQL_DELIVERY_LAST, &last);
    *id = (int64_t)last;
    return e;
}
