/* read.c - what a node asks about deliveries it holds.
 *
 * lease: for how long it may show what it holds, and what was called back. A
 * withdrawal reaches what lies unread at a node within the life of a lease, or
 * the node shows nothing any more.
 *
 * read: may this person see this delivery now? Decided again, like a release,
 * and written down before the answer leaves (it leaves after the commit). What
 * there is not, what is somebody else's and what may not be seen any more are
 * one and the same answer (I-13). */
#include "hub/app/hub.h"
#include "proto/wire/unpack.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define LEASE_MS (UINT64_C(5) * 60000)
#define RECALLS_AT_ONCE 1000

/* ---- lease ---- */

struct page {
    struct buf *j;
    size_t n;
    bool more;
};

static bool add_recall(void *ctx, const struct recall *r)
{
    struct page *p = ctx;
    char id[ID_TEXT];
    if (r->outcome != 0)
        return true;
    p->more = p->n == RECALLS_AT_ONCE;
    if (p->more)
        return false;
    id_format(r->delivery_id, id);
    buf_addf(p->j, "%s{\"no\":%" PRIu64 ",\"delivery_id\":\"%s\"%s}",
             p->n++ > 0 ? "," : "", r->no, id,
             r->erase ? ",\"erase\":true" : "");
    return true;
}

/* While the clock is off nobody can say until when. */
enum err ask_lease(struct hub *h, const struct node *who, const Pb__Ask *a,
                   struct buf *j)
{
    uint64_t after = strtoull(ask_argument(a, "after"), NULL, 10);
    struct page p = {.j = j};
    if (!h->clock_ok)
        return ERR_POL_CLOCK;
    buf_addf(j,
             "{\"schema\":\"tsunagi.lease/1\",\"now_ms\":%" PRIu64
             ",\"until_ms\":%" PRIu64 ",\"recalls\":[",
             h->now_ms, h->now_ms + LEASE_MS);
    enum err e =
        store_recalls(h->store, who->agency->code, after, add_recall, &p);
    buf_addf(j, "],\"more\":%s", p.more ? "true" : "false");
    if (e == ERR_OK)
        e = erase_owed(h, who, j);
    buf_adds(j, "}");
    return e;
}

/* ---- read ---- */

struct reading {
    const struct node *who;
    uint8_t actor[16];
    const char *role; /* "": as it was asked for */
    struct delivery d;
    struct stored_event event;
    struct known known;
    struct decision now;
    uint64_t ref[2]; /* leaves it depends on */
    uint64_t until_ms;
};

static enum err read_question(const Pb__Ask *a, struct reading *r,
                              struct id *delivery_id)
{
    const char *actor = ask_argument(a, "actor");
    r->role = ask_argument(a, "role");
    if (actor[0] == '\0')
        return ERR_VAL_REQUIRED;
    struct id who;
    if (id_parse(actor, &who) != ERR_OK ||
        id_parse(ask_argument(a, "delivery_id"), delivery_id) != ERR_OK)
        return ERR_USAGE;
    memcpy(r->actor, who.b, ID_BYTES);
    return ERR_OK;
}

/* Whether it is there for this agency at all. */
static enum err find(struct hub *h, struct id delivery_id, struct reading *r)
{
    enum err e = store_delivery_find(h->store, delivery_id, &r->d);
    if (e != ERR_OK)
        return e;
    bool sent = r->d.state == DELIVERY_RELEASED || r->d.state == DELIVERY_DONE;
    return strcmp(r->d.agency, r->who->agency->code) == 0 && sent &&
                   r->d.recall_leaf == 0
               ? ERR_OK
               : ERR_NOT_FOUND;
}

static enum err decide(struct hub *h, struct reading *r)
{
    enum err e = store_event_get(h->store, r->d.event_seq, &r->event);
    if (e == ERR_OK)
        e = known_load(h, r->event.person, r->event.case_id, &r->known);
    if (e == ERR_OK)
        e = decide_reading(h, &r->event, &r->d, &r->known, r->actor, r->role,
                           &r->now);
    if (e == ERR_OK)
        decision_narrow(&r->now, r->d.released_classes);
    return e == ERR_OK && r->now.released == 0 ? ERR_NOT_FOUND : e;
}

/* What was opened by break-glass may be seen until that ends. */
static void leaf_permitted(const struct hub *h, struct reading *r,
                           struct leaf_lists *lists, Pb__AuditLeaf *l)
{
    const struct glass *g =
        glass_behind(h, &r->known, &r->event, r->d.agency, r->actor, &r->now);
    r->until_ms = h->now_ms + LEASE_MS;
    if (g != NULL && g->until_ms < r->until_ms)
        r->until_ms = g->until_ms;
    l->has_event_id = l->has_type = l->has_valid_until_ms = 1;
    l->event_id = (ProtobufCBinaryData){ID_BYTES, r->event.event_id.b};
    l->type = r->event.type;
    l->purpose = r->d.purpose;
    l->role = r->now.role;
    l->ref = r->ref;
    l->ref[l->n_ref++] = r->d.release_leaf;
    if (g != NULL)
        l->ref[l->n_ref++] = g->leaf;
    l->valid_until_ms = r->until_ms;
    leaf_decision(h, &r->now, r->known.grants, lists, l);
}

/* Who looked, at what, and whether it was shown; a no names nothing that the
 * one who asked may not know. */
static enum err leaf_read(struct hub *h, struct reading *r, struct id asked,
                          enum err answer)
{
    Pb__AuditLeaf l = leaf_new(h, PB__LEAF_KIND__READ);
    struct leaf_lists lists;
    uint8_t handle[16], hash[32];
    uint64_t index;
    struct id person = {{0}};
    l.phase = pb_text("READ");
    l.node = pb_text(r->who->pub.node);
    l.peer = pb_text(r->who->agency->code);
    l.has_actor = l.has_detail_sha256 = l.has_outcome = 1;
    l.actor = (ProtobufCBinaryData){16, r->actor};
    sha256(slice_of(asked.b, ID_BYTES), hash);
    l.detail_sha256 = (ProtobufCBinaryData){sizeof(hash), hash};
    if (answer == ERR_OK) {
        person = r->event.person;
        leaf_permitted(h, r, &lists, &l);
    } else {
        l.reason = pb_text(err_code(answer));
    }
    enum err e = leaf_subject(h, person, &l, handle);
    return e != ERR_OK ? e : store_leaf(h->store, &l, &index);
}

static void add_reading(const struct reading *r, struct buf *j)
{
    buf_adds(j, "{\"schema\":\"tsunagi.read/1\",\"classes\":");
    ask_add_classes(j, r->now.released);
    buf_addf(j, ",\"until_ms\":%" PRIu64 "}", r->until_ms);
}

enum err ask_read(struct hub *h, const struct node *who, const Pb__Ask *a,
                  struct buf *j)
{
    struct reading r = {.who = who};
    struct id delivery_id;
    enum err e = read_question(a, &r, &delivery_id);
    if (e != ERR_OK)
        return e;
    if (!turn_begin(h))
        return h->broken;
    e = find(h, delivery_id, &r);
    if (e == ERR_OK)
        e = decide(h, &r);
    if (e == ERR_OK || e == ERR_NOT_FOUND) {
        enum err leafed = leaf_read(h, &r, delivery_id, e);
        e = leafed != ERR_OK ? leafed : e;
    }
    if (e == ERR_OK)
        add_reading(&r, j);
    known_fini(&r.known);
    stored_event_fini(&r.event);
    return e;
}
