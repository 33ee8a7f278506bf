/* lost.c - after copies were put back: what is sealed under keys that are not
 * there.
 *
 * A new key of the same person and quarter would take the place of one that is
 * gone, and what lies under the old one would look damaged: it stopped the hub
 * whenever it was met. So before the first turn such content is emptied, such
 * handles are deleted, and all of it is counted aloud. Two causes:
 *
 *   an older keyring   keys of living people are lost; they are served on
 *   an older hub.db    its keyring knows better: whoever has no master key any
 *                      more was erased after the copy was made. Everything of
 *                      theirs that the copy brought back goes again. */
#include "hub/store/keyring.h"
#include "proto/base/log.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define EVENTS_AT_ONCE 256

static enum err has_key(struct store *s, struct id person, uint64_t quarter,
                        bool *has)
{
    enum err e =
        sql_row(s, SQL_DEK_GET, WITH(v_id(&person), v_int(quarter)), has);
    return e != ERR_OK || !*has ? e : sql_done(s, SQL_DEK_GET);
}

static enum err empty_event(struct store *s, const struct retain_event *v,
                            uint64_t *emptied)
{
    bool has;
    enum err e = has_key(s, v->person, quarter_of(v->accepted_ms), &has);
    if (e != ERR_OK || has)
        return e;
    ++*emptied;
    return store_event_empty(s, v->seq);
}

static enum err empty_events(struct store *s, uint64_t *emptied)
{
    struct retain_event v[EVENTS_AT_ONCE];
    int64_t at = 0;
    size_t n = 1;
    enum err e = ERR_OK;
    while (e == ERR_OK && n > 0) {
        e = store_retain_next(s, at, v, EVENTS_AT_ONCE, &n);
        for (size_t i = 0; e == ERR_OK && i < n; i++) {
            e = empty_event(s, &v[i], emptied);
            at = v[i].seq;
        }
    }
    return e;
}

/* References of orders are sealed under the hub's own key. */
static enum err drop_subjects(struct store *s)
{
    uint8_t at[ID_BYTES] = {0};
    bool found, has;
    for (;;) {
        enum err e = sql_row(s, SQL_ORDER_SUBJECT_AFTER,
                             WITH(v_blob(at, ID_BYTES)), &found);
        if (e != ERR_OK || !found)
            return e;
        col_bytes(s, SQL_ORDER_SUBJECT_AFTER, 0, at, ID_BYTES);
        uint64_t made = col_int(s, SQL_ORDER_SUBJECT_AFTER, 1);
        e = sql_done(s, SQL_ORDER_SUBJECT_AFTER);
        if (e == ERR_OK)
            e = has_key(s, (struct id){{0}}, quarter_of(made), &has);
        if (e == ERR_OK && !has)
            e = sql_run(s, SQL_ORDER_SUBJECT_DROP, WITH(v_blob(at, ID_BYTES)));
        if (e != ERR_OK)
            return e;
    }
}

/* The next person with handles; *found false: there is none. */
static enum err next_person(struct store *s, struct id *at, bool *found)
{
    enum err e = sql_row(s, SQL_HANDLE_OWNER, WITH(v_id(at)), found);
    if (e != ERR_OK || !*found)
        return e;
    *at = col_id(s, SQL_HANDLE_OWNER, 0);
    return sql_done(s, SQL_HANDLE_OWNER);
}

/* An order of the hub's own stands for the one that the copy does not know. */
static enum err erase_again(struct store *s, struct id person)
{
    struct taken_order o = {
        .order = person, .kind = ORDER_ERASE, .person = person};
    enum err e = store_person_deny(s, person);
    if (e == ERR_OK)
        e = store_order_put(s, &o);
    return e == ERR_OK ? store_erase_begin(s, person) : e;
}

static enum err each_person(struct store *s, bool erased, uint64_t *people)
{
    struct id at = {{0}};
    bool found = true, has = true;
    enum err e = ERR_OK;
    while (e == ERR_OK) {
        e = next_person(s, &at, &found);
        if (e != ERR_OK || !found)
            return e;
        e = has_key(s, at, MASTER_QUARTER, &has);
        if (e != ERR_OK || has)
            continue;
        ++*people;
        e = erased ? erase_again(s, at)
                   : sql_run(s, SQL_HANDLES_DROP, WITH(v_id(&at)));
    }
    return e;
}

static enum err erase_rows(struct store *s)
{
    int64_t at = 0;
    bool end = false;
    enum err e = ERR_OK;
    while (e == ERR_OK && !end)
        e = store_erase_events(s, &at, &end);
    for (at = 0, end = false; e == ERR_OK && !end;)
        e = store_erase_deliveries(s, &at, &end);
    if (e == ERR_OK)
        e = store_erase_people(s);
    return e == ERR_OK ? sql_run(s, SQL_ORDER_OURS_DROP, WITH_NOTHING) : e;
}

static enum err settle(struct store *s, bool erased, uint64_t *events,
                       uint64_t *people)
{
    enum err e = empty_events(s, events);
    if (e == ERR_OK)
        e = drop_subjects(s);
    if (e == ERR_OK)
        e = each_person(s, erased, people);
    return e == ERR_OK && erased && *people > 0 ? erase_rows(s) : e;
}

enum err lost_settle(struct store *s, bool older_keyring)
{
    uint64_t events = 0, people = 0;
    enum err e = store_begin(s);
    if (e == ERR_OK)
        e = settle(s, !older_keyring, &events, &people);
    if (e == ERR_OK)
        e = store_commit(s);
    else
        store_abort(s);
    if (e == ERR_OK && people > 0 && !older_keyring)
        e = store_erase_settle(s);
    if (e == ERR_OK && events + people > 0)
        log_warn(
            "store: keys are missing: emptied events=%" PRIu64 " %s=%" PRIu64
            "%s",
            events, older_keyring ? "lost_handles" : "erased_again", people,
            older_keyring ? "; ask the senders for what is still needed" : "");
    return e;
}
