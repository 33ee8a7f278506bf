/* order.c - orders that people sign: the reference that one is made with, its
 * taking, the list.
 *
 *   order-subject  agency, token | order      -> subject, origin
 *   order-submit   note                       -> taken, or why not
 *   order-list
 *
 * The operator's command line carries an order in; who may give it is decided
 * by the signatures under it (core/order.c) and by the table of approvers as
 * the last activation of a policy left it (who.c). What is taken is a leaf of
 * kind ADMIN that names the order, its kind, its reason and who signed, and
 * nobody else. A token that stands for nobody and one whose person is erased
 * are the same (I-13). */
#include "hub/core/order.h"
#include "hub/app/hub.h"
#include "proto/base/date.h"
#include "proto/base/log.h"
#include "proto/wire/unpack.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* ---- whom ---- */

/* Somebody that an order taken before is about: tokens may be gone. */
static enum err person_of_order(struct hub *h, const Pb__Ask *a,
                                struct id *person)
{
    struct taken_order o = {0};
    struct id order;
    if (!ask_id(a, "order", order.b))
        return ERR_USAGE;
    enum err e = store_order_get(h->store, order, &o);
    *person = o.person;
    bool gone = id_is_zero(o.person);
    if (e == ERR_OK && !gone)
        e = store_erase_begun(h->store, o.person, &gone);
    taken_order_fini(&o);
    return e == ERR_OK && gone ? ERR_NOT_FOUND : e;
}

static enum err person_of_token(struct hub *h, const Pb__Ask *a,
                                struct id *person)
{
    uint8_t token[ID_BYTES];
    bool found;
    if (!ask_id(a, "token", token) || ask_argument(a, "agency")[0] == '\0')
        return ERR_USAGE;
    enum err e = store_token_find(h->store, ask_argument(a, "agency"),
                                  TOKEN_PERSON, token, &found, person);
    return e == ERR_OK && !found ? ERR_NOT_FOUND : e;
}

enum err ask_order_subject(struct hub *h, const Pb__Ask *a, struct buf *j)
{
    struct id person;
    uint8_t subject[ID_BYTES];
    if (!turn_begin(h))
        return h->broken;
    enum err e = ask_argument(a, "order")[0] != '\0'
                     ? person_of_order(h, a, &person)
                     : person_of_token(h, a, &person);
    if (e == ERR_OK)
        e = store_subject_new(h->store, person, h->now_ms, subject);
    if (e != ERR_OK)
        return e;
    buf_adds(j, "{\"schema\":\"tsunagi.order-subject/1\",\"subject\":\"");
    buf_add_hex(j, slice_of(subject, ID_BYTES));
    buf_addf(j, "\",\"origin\":\"%s\"}", h->config.origin);
    return ERR_OK;
}

/* ---- taking one ---- */

struct taking {
    struct hub *h;
    struct slice note;
    struct who_approves who;
    struct order order;
    struct approvals by;
    struct id person;
    struct person_facts about;
    uint64_t leaf;
    struct buf *why;
};

static enum err read_signed(struct taking *t)
{
    struct hub *h = t->h;
    enum err e = h->clock_ok ? who_read(h, &t->who, t->why) : ERR_POL_CLOCK;
    if (e != ERR_OK)
        return e;
    struct order_ask ask = {t->note, h->config.origin, t->who.now, h->now_ms};
    e = order_verify(&ask, &t->order, &t->by, t->why);
    if (e == ERR_OK && t->order.kind == ORDER_EPOCH) {
        buf_adds(t->why, "order: a new epoch begins with: tsunagid "
                         "--new-epoch FILE, while the hub is stopped\n");
        e = ERR_USAGE;
    }
    return e;
}

static enum err check_taken(struct taking *t)
{
    struct taken_order old = {0};
    enum err e = store_order_get(t->h->store, t->order.order, &old);
    taken_order_fini(&old);
    return e == ERR_OK ? ERR_ORDER_TAKEN : e == ERR_NOT_FOUND ? ERR_OK : e;
}

static enum err find_person(struct taking *t)
{
    struct store *s = t->h->store;
    bool found = false, gone = false;
    enum err e = store_subject_find(s, t->order.subject, t->h->now_ms, &found,
                                    &t->person);
    if (e == ERR_OK && found)
        e = store_person(s, t->person, &t->about);
    if (e == ERR_OK && found)
        e = store_erase_begun(s, t->person, &gone);
    if (e == ERR_NOT_FOUND || (e == ERR_OK && (!found || gone)))
        return ERR_ORDER_SUBJECT;
    return e;
}

/* ---- what its kind asks for ---- */

static enum err check_hold(struct taking *t)
{
    int32_t until;
    char day[DATE_TEXT];
    enum err e =
        store_hold(t->h->store, t->person, japan_day(t->h->now_ms), &until);
    if (e != ERR_OK || until == 0)
        return e;
    date_iso(date_from_days(until), day);
    buf_addf(t->why, "order: a hold keeps this person's data until %s\n", day);
    return ERR_ERASE_HELD;
}

static enum err check_erase(struct taking *t)
{
    uint64_t busy = 0;
    if (t->about.erased)
        return ERR_ORDER_TAKEN;
    if (registry_agency(t->h->registry, t->order.asked_by) == NULL) {
        buf_addf(t->why, "order: asked_by: %s is no agency here\n",
                 t->order.asked_by);
        return ERR_ORDER_FORM;
    }
    enum err e = check_hold(t);
    if (e == ERR_OK)
        e = store_glass_busy(t->h->store, t->person, t->h->now_ms, &busy);
    if (e != ERR_OK || busy > 0)
        return e != ERR_OK ? e : ERR_ERASE_GLASS;
    e = store_emergency_busy(t->h->store, t->person, &busy);
    return e == ERR_OK && busy > 0 ? ERR_ERASE_EMERGENCY : e;
}

static bool has_day(struct taking *t)
{
    if (t->order.until >= japan_day(t->h->now_ms))
        return true;
    buf_adds(t->why, "order: until is a day that is past\n");
    return false;
}

/* A leaf whose subject is one of the person's handles. */
static enum err check_leaf(struct taking *t, uint64_t index,
                           const struct handle *handle, size_t handles)
{
    Pb__AuditLeaf *l;
    bool theirs = false;
    enum err e = leaf_open(t->h, index, NULL, &l);
    for (size_t i = 0; e == ERR_OK && i < handles; i++)
        theirs |= slice_eq(pb_slice(l->subject_handle),
                           slice_of(handle[i].b, ID_BYTES));
    leaf_close(&l);
    if (e != ERR_OK && e != ERR_NOT_FOUND)
        return e;
    if (!theirs)
        buf_addf(t->why, "order: leaf %" PRIu64 " is not about this person\n",
                 index);
    return theirs ? ERR_OK : ERR_ORDER_SUBJECT;
}

static enum err check_delay(struct taking *t)
{
    struct handle *handle;
    size_t n;
    if (!has_day(t))
        return ERR_ORDER_OLD;
    if (policy_article(t->h->policy, t->order.basis)[0] == '\0') {
        buf_addf(t->why, "order: basis: %s names no article\n", t->order.basis);
        return ERR_ORDER_FORM;
    }
    enum err e = store_person_handles(t->h->store, t->person, &handle, &n);
    for (size_t i = 0; i < t->order.leaf_count && e == ERR_OK; i++)
        e = check_leaf(t, t->order.leaf[i], handle, n);
    free(handle);
    return e;
}

static enum err check_kind(struct taking *t)
{
    switch (t->order.kind) {
    case ORDER_ERASE:
        return check_erase(t);
    case ORDER_HOLD:
        return has_day(t) ? ERR_OK : ERR_ORDER_OLD;
    case ORDER_DELAY:
        return check_delay(t);
    default:
        return ERR_OK;
    }
}

/* ---- its effects ---- */

static enum err leaf_taken(struct taking *t)
{
    struct approval_names names;
    Pb__AuditLeaf l = leaf_new(t->h, PB__LEAF_KIND__ADMIN);
    l.node = pb_text(HUB_NODE);
    l.phase = pb_text(order_kind_name(t->order.kind));
    l.reason = pb_text(t->order.reason);
    l.has_order = l.has_detail_sha256 = 1;
    l.order = pb_borrow(slice_of(t->order.order.b, ID_BYTES));
    l.detail_sha256 = pb_borrow(slice_of(t->order.digest, 32));
    leaf_approvals(&t->by, &names, &l);
    return store_leaf(t->h->store, &l, &t->leaf);
}

static enum err keep_order(struct taking *t)
{
    bool over = t->order.kind == ORDER_LIFT;
    struct taken_order o = {.order = t->order.order,
                            .kind = t->order.kind,
                            .state = over ? ORDER_OVER : ORDER_TAKEN,
                            .leaf = t->leaf,
                            .taken_ms = t->h->now_ms,
                            .until_day = t->order.until,
                            .urgent = t->order.urgent};
    if (!over)
        o.person = t->person;
    buf_add(&o.note, t->note.p, t->note.n);
    enum err e = o.note.failed ? ERR_NOMEM : store_order_put(t->h->store, &o);
    taken_order_fini(&o);
    return e;
}

static enum err put_delays(struct taking *t)
{
    enum err e = ERR_OK;
    for (size_t i = 0; i < t->order.leaf_count && e == ERR_OK; i++) {
        struct delay d = {.leaf = t->order.leaf[i],
                          .until_day = t->order.until};
        snprintf(d.basis, sizeof(d.basis), "%s", t->order.basis);
        memcpy(d.order, t->order.order.b, ID_BYTES);
        e = store_delay_put(t->h->store, &d);
    }
    return e;
}

/* Everything in the turn's transaction: half of it is a broken turn. */
static enum err carry_out(struct taking *t)
{
    enum err e = leaf_taken(t);
    if (e == ERR_OK)
        e = keep_order(t);
    if (e == ERR_OK && t->order.kind == ORDER_LIFT)
        e = store_holds_lift(t->h->store, t->person, t->h->now_ms);
    if (e == ERR_OK && t->order.kind == ORDER_DELAY)
        e = put_delays(t);
    if (e == ERR_OK && t->order.kind == ORDER_ERASE)
        e = erase_take(t->h, t->order.order, t->person, t->leaf);
    return e == ERR_OK ? ERR_OK : turn_broken(t->h, e);
}

static enum err take(struct taking *t)
{
    enum err e = read_signed(t);
    if (e == ERR_OK && !turn_begin(t->h))
        e = t->h->broken;
    if (e == ERR_OK)
        e = check_taken(t);
    if (e == ERR_OK)
        e = find_person(t);
    if (e == ERR_OK)
        e = check_kind(t);
    return e == ERR_OK ? carry_out(t) : e;
}

static void add_taken(const struct taking *t, struct buf *j)
{
    buf_adds(j, "{\"schema\":\"tsunagi.order-submit/1\",\"order\":\"");
    buf_add_hex(j, slice_of(t->order.order.b, ID_BYTES));
    buf_addf(j, "\",\"kind\":\"%s\",\"leaf\":%" PRIu64 "}",
             order_kind_name(t->order.kind), t->leaf);
    log_note("order: taken kind=%s leaf=%" PRIu64,
             order_kind_name(t->order.kind), t->leaf);
}

enum err ask_order_submit(struct hub *h, const Pb__Ask *a, struct buf *j)
{
    struct buf why = {0};
    struct taking *t = calloc(1, sizeof(*t)); /* large */
    if (t == NULL)
        return ERR_NOMEM;
    *t = (struct taking){
        .h = h, .note = slice_str(ask_argument(a, "note")), .why = &why};
    enum err e = take(t);
    if (e == ERR_OK)
        add_taken(t, j);
    else if (why.n > 0)
        ask_add_why(&why, j);
    who_fini(&t->who);
    free(t);
    buf_fini(&why);
    return e;
}

/* ---- the list ---- */

static enum err count_holders(struct hub *h, struct id order, uint64_t *open,
                              uint64_t *all)
{
    struct holder holder = {.agency = ""};
    bool found;
    *open = *all = 0;
    for (;;) {
        enum err e = store_holder_next(h->store, order, &holder, &found);
        if (e != ERR_OK || !found)
            return e;
        ++*all;
        *open += holder.outcome == 0;
    }
}

static void add_fields(const struct order *o, struct buf *j)
{
    char day[DATE_TEXT];
    if (o->reason[0] != '\0')
        ask_add_text(j, "reason", o->reason);
    if (o->kind == ORDER_ERASE) {
        date_iso(date_from_days(o->asked_on), day);
        ask_add_text(j, "asked_on", day);
        ask_add_text(j, "asked_by", o->asked_by);
        buf_addf(j, ",\"urgent\":%s", o->urgent ? "true" : "false");
    }
    if (o->kind == ORDER_HOLD || o->kind == ORDER_DELAY) {
        date_iso(date_from_days(o->until), day);
        ask_add_text(j, "until", day);
    }
    if (o->kind == ORDER_DELAY)
        buf_addf(j, ",\"leaves\":%zu", o->leaf_count);
}

const char *order_state_name(enum order_state s)
{
    static const char *const NAME[] = {"taken", "begun", "over"};
    return NAME[s];
}

/* "" or until when something keeps an erasure from going on. */
enum err order_add_held(struct hub *h, const struct taken_order *o,
                        struct buf *j)
{
    int32_t until = 0;
    char day[DATE_TEXT];
    if (o->kind != ORDER_ERASE || o->state != ORDER_TAKEN)
        return ERR_OK;
    enum err e = store_hold(h->store, o->person, japan_day(h->now_ms), &until);
    if (e != ERR_OK || until == 0)
        return e;
    date_iso(date_from_days(until), day);
    ask_add_text(j, "held_until", day);
    return ERR_OK;
}

static enum err add_order(struct hub *h, const struct taken_order *o,
                          struct buf *j)
{
    struct order text;
    struct buf why = {0};
    uint64_t open, all;
    enum err e = order_parse(buf_slice(&o->note), &text, &why);
    buf_fini(&why);
    if (e != ERR_OK)
        return ERR_INTEGRITY;
    buf_adds(j, "{\"order\":\"");
    buf_add_hex(j, slice_of(o->order.b, ID_BYTES));
    buf_addf(j, "\",\"kind\":\"%s\",\"state\":\"%s\",\"leaf\":%" PRIu64,
             order_kind_name(o->kind), order_state_name(o->state), o->leaf);
    ask_add_time(j, "taken", o->taken_ms);
    if (o->done_ms != 0)
        ask_add_time(j, "done", o->done_ms);
    add_fields(&text, j);
    e = order_add_held(h, o, j);
    if (e == ERR_OK)
        e = count_holders(h, o->order, &open, &all);
    if (e == ERR_OK && o->kind == ORDER_ERASE)
        buf_addf(j, ",\"holders\":%" PRIu64 ",\"unanswered\":%" PRIu64, all,
                 open);
    buf_adds(j, "}");
    return e;
}

enum err ask_order_list(struct hub *h, const Pb__Ask *a, struct buf *j)
{
    struct id at = {{0}};
    bool found = true;
    enum err e = ERR_OK;
    (void)a;
    buf_adds(j, "{\"schema\":\"tsunagi.order-list/1\",\"orders\":[");
    for (const char *comma = ""; e == ERR_OK && found; comma = ",") {
        struct taken_order o;
        e = store_order_next(h->store, at, &o, &found);
        if (e != ERR_OK || !found)
            break;
        at = o.order;
        buf_adds(j, comma);
        e = add_order(h, &o, j);
        taken_order_fini(&o);
    }
    buf_adds(j, "]}");
    return e;
}
