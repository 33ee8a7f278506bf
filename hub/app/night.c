/* night.c - what is destroyed in the night: erasures that were ordered, and
 * keys whose content has run out.
 *
 * It goes in steps, each in slices, and the step is kept with what it did; cut
 * off between any two instructions it goes on where it was:
 *
 *   RETAIN      content whose term is over, and its keys (retain.c)
 *   BEGIN       whoever is ready is begun; an ERASE_BEGIN leaf for every key
 *               and handle, in an order made by chance: leaves of one person
 *               do not stand together, and none names the order
 *   EVENTS DELIVERIES PEOPLE    rows (store/erase.c)
 *   KEYS        the wrapped keys                     outside a transaction
 *   SETTLE      the WAL is emptied                   outside a transaction
 *   ROTATE      a new epoch; the old one's key dies  outside a transaction
 *   DONE        an ERASE_DONE leaf for each ERASE_BEGIN
 *
 * Doing a step twice harms nothing: what is gone is not found again. A hold
 * keeps a person from BEGIN and lets the others go on. */
#include "hub/app/hub.h"
#include "proto/base/date.h"
#include "proto/base/log.h"
#include "proto/wire/unpack.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define NIGHT "erase.night"   /* step and row */
#define NIGHT_DAY "erase.day" /* on which the last one began by the clock */
#define NIGHT_GAP_DAYS 7
#define LOOK_MS 30000
#define KEYS_AT_ONCE 64

enum step {
    STEP_REST,
    STEP_RETAIN,
    STEP_BEGIN,
    STEP_EVENTS,
    STEP_DELIVERIES,
    STEP_PEOPLE,
    STEP_KEYS,
    STEP_SETTLE,
    STEP_ROTATE,
    STEP_DONE,
    STEPS
};

/* ---- the night: where it is ---- */

static enum err read_night(struct hub *h)
{
    struct buf b = {0};
    int64_t kept[2];
    enum err e = store_value_get(h->store, NIGHT, &b);
    if (e == ERR_OK && b.n == sizeof(kept)) {
        memcpy(kept, b.p, sizeof(kept));
        h->night.step = kept[0] < STEPS ? (unsigned)kept[0] : STEP_REST;
        h->night.at = kept[1];
    }
    buf_fini(&b);
    h->night.read = e == ERR_OK || e == ERR_NOT_FOUND;
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

static enum err keep_night(struct hub *h, unsigned step, int64_t at)
{
    const int64_t kept[2] = {step, at};
    enum err e = store_value_set(h->store, NIGHT, slice_of(kept, sizeof(kept)));
    h->night.step = step;
    h->night.at = at;
    h->pump = true; /* no waiting before the next slice */
    return e;
}

static enum err next_step(struct hub *h)
{
    return keep_night(h, h->night.step + 1, 0);
}

/* ---- RETAIN ---- */

static enum err something_due(struct hub *h, bool urgent_only, bool *due);

/* A night in which nothing is to be destroyed ends here: no new epoch. */
static enum err step_retain(struct hub *h)
{
    bool done, due = true;
    enum err e = retain_slice(h, &done);
    h->pump = true;
    if (e == ERR_OK && done)
        e = something_due(h, false, &due);
    if (e != ERR_OK || !done)
        return e;
    return due ? next_step(h) : keep_night(h, STEP_REST, 0);
}

/* ---- BEGIN ---- */

/* Every key and every handle of a person, each once. */
static enum err add_keys(struct hub *h, struct id order, struct id person)
{
    struct key_gone *key = NULL;
    struct handle *handle = NULL;
    size_t keys = 0, handles = 0;
    enum err e = store_keys_of(h->store, person, &key, &keys);
    if (e == ERR_OK)
        e = store_person_handles(h->store, person, &handle, &handles);
    for (size_t i = 0; i < keys && e == ERR_OK; i++)
        e = store_erase_order(h->store, order, person, key[i].quarter);
    for (size_t i = 0; i < handles && e == ERR_OK; i++) {
        bool with_key = false;
        for (size_t k = 0; k < keys; k++)
            with_key |= key[k].quarter == handle[i].quarter;
        if (!with_key)
            e = store_erase_order(h->store, order, person, handle[i].quarter);
    }
    free(key);
    free(handle);
    return e;
}

/* One erasure more is on its way; *any false: nobody is ready. */
static enum err begin_one(struct hub *h, bool *any)
{
    struct id order, person;
    enum err e = store_erase_ready(h->store, japan_day(h->now_ms), false,
                                   &order, &person, any);
    if (e != ERR_OK || !*any)
        return e;
    e = store_erase_begin(h->store, order);
    return e != ERR_OK ? e : add_keys(h, order, person);
}

static enum err leaf_begin(struct hub *h, const struct erase_key *k,
                           const struct key_gone *key,
                           const struct handle *handle, uint64_t *index)
{
    Pb__AuditLeaf l = leaf_new(h, PB__LEAF_KIND__ERASE_BEGIN);
    ProtobufCBinaryData id;
    l.node = pb_text(HUB_NODE);
    l.reason = pb_text(id_is_zero(k->order) ? "EXPIRED" : "ERASED");
    if (handle != NULL) {
        l.has_subject_handle = 1;
        l.subject_handle = pb_borrow(slice_of(handle->b, ID_BYTES));
    }
    if (key != NULL) {
        id = pb_borrow(slice_of(key->id, sizeof(key->id)));
        l.n_destroyed = 1;
        l.destroyed = &id;
        l.has_detail_sha256 = 1;
        l.detail_sha256 = pb_borrow(slice_of(key->sha256, 32));
    }
    return store_leaf(h->store, &l, index);
}

static enum err begin_key(struct hub *h, const struct erase_key *k)
{
    struct key_gone *key = NULL;
    struct handle *handle = NULL;
    size_t keys = 0, handles = 0, i = 0, n = 0;
    uint64_t leaf;
    enum err e = store_keys_of(h->store, k->person, &key, &keys);
    if (e == ERR_OK)
        e = store_person_handles(h->store, k->person, &handle, &handles);
    while (i < keys && key[i].quarter != k->quarter)
        i++;
    while (n < handles && handle[n].quarter != k->quarter)
        n++;
    if (e == ERR_OK)
        e = leaf_begin(h, k, i < keys ? &key[i] : NULL,
                       n < handles ? &handle[n] : NULL, &leaf);
    if (e == ERR_OK)
        e = store_erase_key_begun(h->store, k->id, leaf);
    free(key);
    free(handle);
    return e;
}

static enum err step_begin(struct hub *h)
{
    struct erase_key k[KEYS_AT_ONCE];
    bool any = true;
    size_t n;
    enum err e = ERR_OK;
    while (e == ERR_OK && any)
        e = begin_one(h, &any);
    if (e == ERR_OK)
        e = store_erase_keys_due(h->store, japan_day(h->now_ms), k,
                                 KEYS_AT_ONCE, &n);
    if (e == ERR_OK && n == 0)
        return next_step(h);
    for (size_t i = 0; i < n && e == ERR_OK; i++)
        e = begin_key(h, &k[i]);
    return e != ERR_OK ? e : keep_night(h, STEP_BEGIN, 0);
}

/* ---- rows ---- */

static enum err step_events(struct hub *h)
{
    bool end;
    int64_t at = h->night.at;
    enum err e = store_erase_events(h->store, &at, &end);
    if (e != ERR_OK)
        return e;
    return end ? next_step(h) : keep_night(h, STEP_EVENTS, at);
}

static enum err step_deliveries(struct hub *h)
{
    bool end;
    int64_t at = h->night.at;
    enum err e = store_erase_deliveries(h->store, &at, &end);
    if (e != ERR_OK)
        return e;
    return end ? next_step(h) : keep_night(h, STEP_DELIVERIES, at);
}

static enum err step_people(struct hub *h)
{
    enum err e = store_erase_people(h->store);
    return e != ERR_OK ? e : next_step(h);
}

/* ---- outside a transaction ---- */

/* A step that is over is written down in a transaction of the next turn. */
static enum err apart_done(struct hub *h)
{
    if (!turn_begin(h))
        return h->broken;
    return next_step(h);
}

static enum err step_keys(struct hub *h)
{
    struct erase_key k = {.id = h->night.at};
    struct key_name name[KEYS_AT_ONCE];
    struct key_gone *gone = NULL;
    size_t count = 0, n = 0;
    bool found = true;
    enum err e = ERR_OK;
    while (e == ERR_OK && count < KEYS_AT_ONCE) {
        e = store_erase_key_next(h->store, k.id, &k, &found);
        if (e != ERR_OK || !found)
            break;
        name[count++] = (struct key_name){
            k.person, id_is_zero(k.order) ? k.quarter : KEY_EVERY};
    }
    if (e == ERR_OK && count == 0)
        return apart_done(h);
    if (e == ERR_OK)
        e = store_keys_destroy(h->store, name, count, &gone, &n);
    free(gone);
    if (e == ERR_OK && !turn_begin(h))
        e = h->broken;
    return e != ERR_OK ? e : keep_night(h, STEP_KEYS, k.id);
}

static enum err step_settle(struct hub *h)
{
    enum err e = store_erase_settle(h->store);
    return e != ERR_OK ? e : apart_done(h);
}

static enum err step_rotate(struct hub *h)
{
    bool done = false;
    enum err e = store_keys_rotate(h->store, &done);
    h->pump = true;
    return e != ERR_OK || !done ? e : apart_done(h);
}

/* ---- DONE ---- */

static enum err end_key(struct hub *h, const struct erase_key *k)
{
    Pb__AuditLeaf l = leaf_new(h, PB__LEAF_KIND__ERASE_DONE);
    uint64_t index, ref = k->begin_leaf;
    l.node = pb_text(HUB_NODE);
    l.reason = pb_text(id_is_zero(k->order) ? "EXPIRED" : "ERASED");
    l.n_ref = 1;
    l.ref = &ref;
    enum err e = store_leaf(h->store, &l, &index);
    return e != ERR_OK ? e : store_erase_key_done(h->store, k, index);
}

static enum err step_done(struct hub *h)
{
    struct erase_key k[KEYS_AT_ONCE];
    size_t n;
    enum err e = store_erase_keys_begun(h->store, k, KEYS_AT_ONCE, &n);
    for (size_t i = 0; i < n && e == ERR_OK; i++)
        e = end_key(h, &k[i]);
    if (e != ERR_OK || n == KEYS_AT_ONCE)
        return e != ERR_OK ? e : keep_night(h, STEP_DONE, 0);
    e = store_erase_over(h->store, h->now_ms, store_keys_epoch(h->store));
    if (e == ERR_OK)
        log_note("erase: the night's work is done epoch=%" PRIu32,
                 store_keys_epoch(h->store));
    return e != ERR_OK ? e : keep_night(h, STEP_REST, 0);
}

/* ---- when ---- */

static enum err something_due(struct hub *h, bool urgent_only, bool *due)
{
    struct id order, person;
    struct erase_key k;
    size_t n = 0;
    int32_t today = japan_day(h->now_ms);
    enum err e =
        store_erase_ready(h->store, today, urgent_only, &order, &person, due);
    if (e == ERR_OK && !*due && !urgent_only) {
        e = store_erase_keys_due(h->store, today, &k, 1, &n);
        *due = n > 0;
    }
    return e;
}

/* After so many days without a night the clock may have leapt ahead, and all
 * that is kept would be too old at once: somebody has to look. */
static void doubt(struct hub *h, int32_t last, int32_t today)
{
    bool was = h->night.waits;
    h->night.waits = last > 0 && today - last > NIGHT_GAP_DAYS;
    if (h->night.waits && !was)
        log_warn("erase: no night for %d days, or the clock has leapt; it "
                 "waits for: tsunagi erase run",
                 (int)(today - last));
}

/* Its hour has come, or went by while the hub was off, and this day's night has
 * not begun. */
static enum err is_time(struct hub *h, bool *yes)
{
    struct buf b = {0};
    int32_t day = 0, today = japan_day(h->now_ms);
    uint64_t since = h->now_ms - japan_day_begins(today);
    long long hour = h->config.erase_hour;
    *yes = hour >= 0 && since / 3600000 >= (uint64_t)hour;
    enum err e = *yes ? store_value_get(h->store, NIGHT_DAY, &b) : ERR_OK;
    if (e == ERR_OK && b.n == sizeof(day))
        memcpy(&day, b.p, sizeof(day));
    buf_fini(&b);
    if (*yes)
        doubt(h, day, today);
    *yes = *yes && day != today && !h->night.waits;
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

/* An urgent erasure begins in the day, without retention. */
static enum err begin_night(struct hub *h, bool by_clock, unsigned step)
{
    int32_t today = japan_day(h->now_ms);
    enum err e = turn_begin(h) ? ERR_OK : h->broken;
    if (e == ERR_OK)
        e = store_holds_end(h->store, today, h->now_ms);
    if (e == ERR_OK && by_clock)
        e = store_value_set(h->store, NIGHT_DAY,
                            slice_of(&today, sizeof(today)));
    return e != ERR_OK ? e : keep_night(h, step, 0);
}

/* An urgent order waits for its recalls and for nothing else. */
static enum err look(struct hub *h)
{
    bool hour, urgent = false;
    if (h->now_ms < h->night.look_ms || !h->clock_ok)
        return ERR_OK;
    h->night.look_ms = h->now_ms + LOOK_MS;
    enum err e = is_time(h, &hour);
    if (e == ERR_OK && hour)
        return begin_night(h, true, STEP_RETAIN);
    if (e == ERR_OK)
        e = something_due(h, true, &urgent);
    return e == ERR_OK && urgent ? begin_night(h, false, STEP_BEGIN) : e;
}

/* What this step does; NULL: nothing. */
static void run(struct hub *h, enum err (*const step[STEPS])(struct hub *))
{
    enum err e = h->broken;
    if (e == ERR_OK && !h->night.read)
        e = read_night(h);
    if (e == ERR_OK && step[h->night.step] != NULL)
        e = step[h->night.step](h);
    if (e != ERR_OK)
        turn_broken(h, e);
}

/* Each of them writes: its transaction is the turn's. */
static enum err in_turn(struct hub *h)
{
    static enum err (*const STEP[STEPS])(struct hub *) = {
        [STEP_RETAIN] = step_retain, [STEP_BEGIN] = step_begin,
        [STEP_EVENTS] = step_events, [STEP_DELIVERIES] = step_deliveries,
        [STEP_PEOPLE] = step_people, [STEP_DONE] = step_done,
    };
    return turn_begin(h) ? STEP[h->night.step](h) : h->broken;
}

void night_run(struct hub *h)
{
    static enum err (*const STEP[STEPS])(struct hub *) = {
        [STEP_REST] = look,          [STEP_RETAIN] = in_turn,
        [STEP_BEGIN] = in_turn,      [STEP_EVENTS] = in_turn,
        [STEP_DELIVERIES] = in_turn, [STEP_PEOPLE] = in_turn,
        [STEP_DONE] = in_turn,
    };
    run(h, STEP);
}

void night_apart(struct hub *h)
{
    static enum err (*const STEP[STEPS])(struct hub *) = {
        [STEP_KEYS] = step_keys,
        [STEP_SETTLE] = step_settle,
        [STEP_ROTATE] = step_rotate,
    };
    if (!h->open)
        run(h, STEP);
}

/* ---- asked over the control socket ---- */

static const char *step_word(unsigned step)
{
    static const char *const WORD[STEPS] = {
        "",       "retain", "begin",  "events", "deliveries",
        "people", "keys",   "settle", "rotate", "done"};
    return WORD[step];
}

/* What the night is doing, and whether recalls are still to be written. */
enum err ask_erase_look(struct hub *h, const Pb__Ask *a, struct buf *j)
{
    (void)a;
    enum err e = h->night.read ? ERR_OK : read_night(h);
    buf_addf(j,
             "{\"schema\":\"tsunagi.erase-run/1\",\"step\":\"%s\","
             "\"sweeping\":%s}",
             step_word(h->night.step), h->swept ? "false" : "true");
    return e;
}

/* Begins the night now. */
enum err ask_erase_run(struct hub *h, const Pb__Ask *a, struct buf *j)
{
    enum err e = h->night.read ? ERR_OK : read_night(h);
    if (e == ERR_OK && !h->clock_ok)
        e = ERR_POL_CLOCK;
    if (e == ERR_OK && h->night.step == STEP_REST)
        e = begin_night(h, h->night.waits, STEP_RETAIN); /* on by the clock */
    return e != ERR_OK ? e : ask_erase_look(h, a, j);
}

enum err night_status(struct hub *h, struct buf *j)
{
    uint64_t open;
    enum err e = store_holders_open(h->store, &open);
    buf_addf(j,
             ",\"erasing\":\"%s\",\"night_waits\":%s"
             ",\"erasures_unanswered\":%" PRIu64,
             step_word(h->night.step), h->night.waits ? "true" : "false", open);
    return e;
}
