/* erase.c - the erasure of a person (個人情報保護法 35条, 98条), from the order
 * to the last answer of those who held something.
 *
 * With the order, in one transaction: the ADMIN leaf, an order for every node
 * of every agency that has a token or was ever sent something, sealed to that
 * node; then the tokens go, so that nobody can name the person any more, and an
 * event under an old token begins a new person (an emergency never waits). A
 * sweep recalls whatever was released and empties the queues.
 *
 * The rest is the night's work, which also destroys the keys that have run out
 * (retention). It goes in steps, each in slices, and the step is kept with what
 * it did; cut off between any two instructions it goes on where it was:
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
 * keeps a person from BEGIN and lets the others go on.
 *
 * A node's answer may come years later, and is a leaf (RECALL, phase ERASE)
 * that names the order and nobody. */
#include "proto/wire/erase.h"
#include "hub/app/hub.h"
#include "hub/core/order.h"
#include "proto/base/date.h"
#include "proto/base/log.h"
#include "proto/wire/unpack.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define NIGHT "erase.night"   /* step and row */
#define NIGHT_DAY "erase.day" /* on which the last one began by the clock */
#define LOOK_MS 30000
#define KEYS_AT_ONCE 64
#define OWED_AT_ONCE 100

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

/* ---- when the order is taken: who held something ---- */

struct held {
    char agency[AGENCY_MAX];
    enum token_kind kind;
    bool has_token;
    uint8_t token[ID_BYTES];
};
struct held_list {
    struct held *one;
    size_t n, cap;
};

static enum err note_held(void *ctx, const char *agency, enum token_kind kind,
                          const uint8_t *token)
{
    struct held_list *l = ctx;
    if (l->n == l->cap) {
        size_t cap = l->cap == 0 ? 16 : 2 * l->cap;
        struct held *more = realloc(l->one, cap * sizeof(*more));
        if (more == NULL)
            return ERR_NOMEM;
        l->one = more;
        l->cap = cap;
    }
    struct held *h = &l->one[l->n++];
    *h = (struct held){.kind = kind, .has_token = token != NULL};
    snprintf(h->agency, sizeof(h->agency), "%s", agency);
    if (token != NULL)
        memcpy(h->token, token, ID_BYTES);
    return ERR_OK;
}

static int by_agency(const void *a, const void *b)
{
    return strcmp(((const struct held *)a)->agency,
                  ((const struct held *)b)->agency);
}

/* What one agency calls the person and the cases: list[0..n). */
static enum err seal_for(struct hub *h, struct id order, uint64_t leaf,
                         struct held *list, size_t n, const struct node *node,
                         struct buf *sealed)
{
    Pb__EraseOrder o = PB__ERASE_ORDER__INIT;
    ProtobufCBinaryData *token = calloc(2 * n, sizeof(*token));
    if (token == NULL)
        return ERR_NOMEM;
    o.has_order = o.has_leaf = o.has_made_ms = 1;
    o.order = pb_borrow(slice_of(order.b, ID_BYTES));
    o.leaf = leaf;
    o.made_ms = h->now_ms;
    o.person_token = token;
    o.case_token = token + n;
    for (size_t i = 0; i < n; i++) {
        ProtobufCBinaryData t = {ID_BYTES, list[i].token};
        if (list[i].has_token && list[i].kind == TOKEN_PERSON)
            o.person_token[o.n_person_token++] = t;
        else if (list[i].has_token)
            o.case_token[o.n_case_token++] = t;
    }
    enum err e = erase_seal(&o, h->keys.sign_secret, node->pub.box, sealed);
    free(token);
    return e;
}

/* An order for every node in use of an agency; one that has none is named. */
static enum err order_holder(struct hub *h, struct id order, uint64_t leaf,
                             struct held *list, size_t n)
{
    bool any = false;
    enum err e = ERR_OK;
    for (size_t i = 0; i < registry_node_count(h->registry) && e == ERR_OK;
         i++) {
        const struct node *node = registry_node_at(h->registry, i);
        struct buf sealed = {0};
        if (node->state != NODE_ACTIVE ||
            strcmp(node->agency->code, list[0].agency) != 0)
            continue;
        any = true;
        e = seal_for(h, order, leaf, list, n, node, &sealed);
        if (e == ERR_OK)
            e = store_holder_put(h->store, order, list[0].agency,
                                 node->pub.node, buf_slice(&sealed));
        buf_fini(&sealed);
    }
    if (e != ERR_OK || any)
        return e;
    return store_holder_put(h->store, order, list[0].agency, "", SLICE_NONE);
}

static enum err order_holders(struct hub *h, struct id order, struct id person,
                              uint64_t leaf)
{
    struct held_list l = {0};
    enum err e = store_holdings(h->store, person, note_held, &l);
    if (l.n > 0)
        qsort(l.one, l.n, sizeof(*l.one), by_agency);
    for (size_t i = 0, n; i < l.n && e == ERR_OK; i += n) {
        for (n = 1; i + n < l.n && by_agency(&l.one[i], &l.one[i + n]) == 0;)
            n++;
        e = order_holder(h, order, leaf, &l.one[i], n);
    }
    free(l.one);
    return e;
}

enum err erase_take(struct hub *h, struct id order, struct id person,
                    uint64_t leaf)
{
    enum err e = order_holders(h, order, person, leaf);
    if (e == ERR_OK)
        e = store_person_deny(h->store, person);
    h->night.look_ms = 0;
    return e != ERR_OK ? e : sweep_person(h, person, SWEEP_ERASED, NULL, leaf);
}

/* ---- what a node owes, and its answer ---- */

enum err erase_owed(struct hub *h, const struct node *who, struct buf *j)
{
    struct id at = {{0}};
    bool found = true;
    enum err e = ERR_OK;
    buf_adds(j, ",\"erase\":[");
    for (int n = 0; n < OWED_AT_ONCE && e == ERR_OK; n++) {
        struct buf sealed = {0};
        e = store_holder_open(h->store, who->pub.node, at, &at, &sealed,
                              &found);
        if (e == ERR_OK && found) {
            buf_addf(j, "%s{\"order\":\"", n > 0 ? "," : "");
            buf_add_hex(j, slice_of(at.b, ID_BYTES));
            buf_adds(j, "\",\"sealed\":\"");
            buf_add_hex(j, buf_slice(&sealed));
            buf_adds(j, "\"}");
        }
        buf_fini(&sealed);
        if (!found)
            break;
    }
    buf_adds(j, "]");
    return e;
}

static const char *outcome_word(unsigned outcome)
{
    return outcome == PB__RECALL_OUTCOME__RECALL_DELETED       ? "DELETED"
           : outcome == PB__RECALL_OUTCOME__RECALL_HANDED_OVER ? "HANDED_OVER"
           : outcome == PB__RECALL_OUTCOME__RECALL_UNKNOWN     ? "UNKNOWN"
                                                               : "";
}

struct erased_answer {
    const struct node *who;
    struct buf bytes, signature;
    const Pb__EraseAnswer *said; /* in m */
    ProtobufCMessage *m;
    struct id order;
};

static enum err unhex(const char *hex, size_t max, struct buf *out)
{
    uint8_t byte;
    size_t n = strlen(hex) / 2;
    if (n == 0 || n > max || strlen(hex) % 2 != 0)
        return ERR_USAGE;
    for (size_t i = 0; i < n; i++) {
        char two[3] = {hex[2 * i], hex[2 * i + 1], '\0'};
        if (hex_decode(two, &byte, 1) != ERR_OK)
            return ERR_USAGE;
        buf_addc(out, (char)byte);
    }
    return out->failed ? ERR_NOMEM : ERR_OK;
}

#define ANSWER_BYTES 512
static enum err open_answer(const Pb__Ask *a, struct erased_answer *x)
{
    enum err e = unhex(ask_argument(a, "answer"), ANSWER_BYTES, &x->bytes);
    if (e == ERR_OK)
        e = unhex(ask_argument(a, "signature"), SIGNATURE_BYTES, &x->signature);
    if (e == ERR_OK)
        e = sign_check(SIGN_ERASE, buf_slice(&x->bytes),
                       buf_slice(&x->signature), x->who->pub.sign);
    if (e == ERR_OK)
        e = unpack(&pb__erase_answer__descriptor, buf_slice(&x->bytes), &x->m);
    x->said = (const Pb__EraseAnswer *)x->m;
    if (e == ERR_OK)
        e = id_from(pb_slice(x->said->order), &x->order);
    if (e == ERR_OK && outcome_word((unsigned)x->said->outcome)[0] == '\0')
        e = ERR_USAGE;
    return e;
}

static enum err leaf_answer(struct hub *h, const struct erased_answer *x,
                            uint64_t taken, uint64_t *leaf)
{
    Pb__AuditLeaf l = leaf_new(h, PB__LEAF_KIND__RECALL);
    l.phase = pb_text("ERASE");
    l.peer = pb_text(x->who->agency->code);
    l.node = pb_text(x->who->pub.node);
    l.reason = pb_text(outcome_word((unsigned)x->said->outcome));
    l.has_order = l.has_signature = l.has_signed_ = 1;
    l.order = pb_borrow(slice_of(x->order.b, ID_BYTES));
    l.signature = pb_borrow(buf_slice(&x->signature));
    l.signed_ = pb_borrow(buf_slice(&x->bytes));
    l.n_ref = 1;
    l.ref = &taken;
    return store_leaf(h->store, &l, leaf);
}

/* The first answer stays; a repeat is answered the same (I-8). */
static enum err take_answer(struct hub *h, const struct erased_answer *x)
{
    struct taken_order o = {0};
    struct holder was;
    struct holder now = {.outcome = (unsigned)x->said->outcome,
                         .handed_over = x->said->handed_over,
                         .answered_ms = h->now_ms};
    enum err e = store_holder_get(h->store, x->order, x->who->pub.node, &was);
    if (e != ERR_OK || was.outcome != 0)
        return e;
    if (!turn_begin(h))
        return h->broken;
    snprintf(now.node, sizeof(now.node), "%s", x->who->pub.node);
    e = store_order_get(h->store, x->order, &o);
    if (e == ERR_OK)
        e = leaf_answer(h, x, o.leaf, &now.leaf);
    if (e == ERR_OK)
        e = store_holder_answer(h->store, x->order, &now);
    taken_order_fini(&o);
    return e == ERR_OK ? ERR_OK : turn_broken(h, e);
}

enum err ask_erased(struct hub *h, const struct node *who, const Pb__Ask *a,
                    struct buf *j)
{
    struct erased_answer x = {.who = who};
    enum err e = open_answer(a, &x);
    if (e == ERR_OK)
        e = take_answer(h, &x);
    if (e == ERR_OK)
        buf_adds(j, "{\"schema\":\"tsunagi.erased/1\"}");
    unpack_free(&x.m);
    buf_fini(&x.bytes);
    buf_fini(&x.signature);
    return e;
}

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

static enum err add_key(struct hub *h, struct id order, struct id person,
                        uint64_t quarter)
{
    struct erase_key k = {.person = person, .order = order, .quarter = quarter};
    return store_erase_key_add(h->store, &k);
}

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
        e = add_key(h, order, person, key[i].quarter);
    for (size_t i = 0; i < handles && e == ERR_OK; i++) {
        bool with_key = false;
        for (size_t k = 0; k < keys; k++)
            with_key |= key[k].quarter == handle[i].quarter;
        if (!with_key)
            e = add_key(h, order, person, handle[i].quarter);
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
    *yes = *yes && day != today;
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

void erase_run(struct hub *h)
{
    static enum err (*const STEP[STEPS])(struct hub *) = {
        [STEP_REST] = look,          [STEP_RETAIN] = in_turn,
        [STEP_BEGIN] = in_turn,      [STEP_EVENTS] = in_turn,
        [STEP_DELIVERIES] = in_turn, [STEP_PEOPLE] = in_turn,
        [STEP_DONE] = in_turn,
    };
    run(h, STEP);
}

void erase_apart(struct hub *h)
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
        e = begin_night(h, false, STEP_RETAIN);
    return e != ERR_OK ? e : ask_erase_look(h, a, j);
}

enum err erase_status(struct hub *h, struct buf *j)
{
    uint64_t open;
    enum err e = store_holders_open(h->store, &open);
    buf_addf(j, ",\"erasing\":\"%s\",\"erasures_unanswered\":%" PRIu64,
             step_word(h->night.step), open);
    return e;
}

/* ---- the certificate ---- */

static void add_signed_by(const struct approvals *by, struct buf *j)
{
    buf_adds(j, ",\"approved_by\":[");
    for (size_t i = 0; i < by->n; i++) {
        buf_addf(j, "%s{\"key\":\"%s\",\"person\":", i > 0 ? "," : "",
                 by->by[i]->name);
        buf_add_json(j, by->by[i]->person);
        buf_adds(j, "}");
    }
    buf_adds(j, "]");
}

/* As the table of today names them: who left since is there as revoked. */
static enum err add_approvers(struct hub *h, struct slice note, struct buf *j)
{
    struct who_approves who = {0};
    struct approvals by = {0};
    struct buf why = {0};
    enum err e = who_read(h, &who, &why);
    if (e == ERR_OK)
        e = approve_count(note, who.now, "order", &by, &why);
    add_signed_by(&by, j);
    who_fini(&who);
    buf_fini(&why);
    return e == ERR_POL_APPROVALS || e == ERR_POL_INVALID ? ERR_OK : e;
}

static enum err add_erase_leaf(struct hub *h, uint64_t begin, uint64_t done,
                               struct buf *j)
{
    struct buf bytes = {0};
    ProtobufCMessage *m = NULL;
    enum err e = store_leaf_get(h->store, begin, &bytes);
    if (e == ERR_OK)
        e = unpack(&pb__audit_leaf__descriptor, buf_slice(&bytes), &m);
    if (e == ERR_OK) {
        const Pb__AuditLeaf *l = (const Pb__AuditLeaf *)m;
        buf_addf(j, "{\"begin\":%" PRIu64 ",\"done\":%" PRIu64 ",\"key\":\"",
                 begin, done);
        if (l->n_destroyed > 0)
            buf_add_hex(j, pb_slice(l->destroyed[0]));
        buf_adds(j, "\"}");
    }
    unpack_free(&m);
    buf_fini(&bytes);
    return e;
}

static enum err add_leaves(struct hub *h, struct id order, struct buf *j)
{
    uint64_t begin = 0, done;
    bool found = true;
    enum err e = ERR_OK;
    buf_adds(j, ",\"destroyed\":[");
    for (const char *comma = ""; e == ERR_OK; comma = ",") {
        e = store_erase_leaf(h->store, order, &begin, &done, &found);
        if (e != ERR_OK || !found)
            break;
        buf_adds(j, comma);
        e = add_erase_leaf(h, begin, done, j);
    }
    buf_adds(j, "]");
    return e;
}

static void add_holder(const struct hub *h, const struct holder *x,
                       struct buf *j)
{
    const struct agency *agency = registry_agency(h->registry, x->agency);
    buf_adds(j, "{\"agency\":");
    buf_add_json(j, x->agency);
    ask_add_text(j, "name", agency != NULL ? agency->name_ja : "");
    ask_add_text(j, "node", x->node);
    ask_add_text(j, "outcome", outcome_word(x->outcome));
    if (x->outcome != 0) {
        ask_add_time(j, "answered", x->answered_ms);
        buf_addf(j, ",\"handed_over\":%" PRIu64 ",\"leaf\":%" PRIu64,
                 x->handed_over, x->leaf);
    }
    buf_adds(j, "}");
}

static enum err add_holders(struct hub *h, struct id order, struct buf *j)
{
    struct holder x = {.agency = ""};
    bool found = true;
    enum err e = ERR_OK;
    buf_adds(j, ",\"holders\":[");
    for (const char *comma = ""; e == ERR_OK; comma = ",") {
        e = store_holder_next(h->store, order, &x, &found);
        if (e != ERR_OK || !found)
            break;
        buf_adds(j, comma);
        add_holder(h, &x, j);
    }
    buf_adds(j, "]");
    return e;
}

static void add_head(const struct hub *h, const struct taken_order *o,
                     const struct order *text, struct buf *j)
{
    char day[DATE_TEXT];
    date_iso(date_from_days(text->asked_on), day);
    buf_adds(j, "{\"schema\":\"tsunagi.erase-certificate/1\",\"order\":\"");
    buf_add_hex(j, slice_of(o->order.b, ID_BYTES));
    buf_addf(j, "\",\"origin\":\"%s\",\"state\":\"%s\",\"leaf\":%" PRIu64,
             h->config.origin,
             o->state == ORDER_OVER    ? "over"
             : o->state == ORDER_BEGUN ? "begun"
                                       : "taken",
             o->leaf);
    ask_add_time(j, "time", h->now_ms);
    ask_add_time(j, "taken", o->taken_ms);
    if (o->state == ORDER_OVER)
        ask_add_time(j, "done", o->done_ms);
    buf_addf(j, ",\"epoch\":%" PRIu64, o->epoch);
    ask_add_text(j, "reason", text->reason);
    ask_add_text(j, "asked_on", day);
    ask_add_text(j, "asked_by", text->asked_by);
    const struct agency *by = registry_agency(h->registry, text->asked_by);
    ask_add_text(j, "asked_by_name", by != NULL ? by->name_ja : "");
}

static enum err certify(struct hub *h, const struct taken_order *o,
                        struct buf *j)
{
    struct order text;
    struct buf why = {0};
    enum err e = order_parse(buf_slice(&o->note), &text, &why);
    buf_fini(&why);
    if (e != ERR_OK)
        return ERR_INTEGRITY;
    add_head(h, o, &text, j);
    e = add_approvers(h, buf_slice(&o->note), j);
    if (e == ERR_OK)
        e = add_leaves(h, o->order, j);
    if (e == ERR_OK)
        e = add_holders(h, o->order, j);
    buf_adds(j, "}");
    return e;
}

enum err ask_erase_certificate(struct hub *h, const Pb__Ask *a, struct buf *j)
{
    struct taken_order o = {0};
    struct id order;
    if (id_parse(ask_argument(a, "order"), &order) != ERR_OK)
        return ERR_USAGE;
    enum err e = store_order_get(h->store, order, &o);
    if (e == ERR_NOT_FOUND || (e == ERR_OK && o.kind != ORDER_ERASE))
        e = ERR_ERASE_NONE;
    if (e == ERR_OK)
        e = certify(h, &o, j);
    taken_order_fini(&o);
    return e;
}
