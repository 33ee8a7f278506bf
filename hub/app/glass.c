/* glass.c - break-glass at work: the facts core needs, what it decided made
 * durable, notices filled, releases tied to the opening, figures.
 *
 * The leaves say who (a handle), which reason, which classes and until when;
 * what was written in words stays in the event's sealed part. Texts are
 * compared by a hash keyed with the hub's own secret, so that neither a copy
 * of the store nor the log lets anybody guess one. */
#include "hub/app/hub.h"
#include "proto/wire/unpack.h"
#include "tsunagi/v1/emergency.pb-c.h"
#include "tsunagi/v1/glass.pb-c.h"
#include <inttypes.h>
#include <string.h>

#define TEXT_KEY "glass-text"

static ProtobufCBinaryData bytes16(const uint8_t *p)
{
    return pb_borrow(slice_of(p, ID_BYTES));
}

/* ---- facts ---- */

static enum err hash_text(const struct hub *h, const char *agency,
                          const uint8_t *actor, const char *text,
                          uint8_t out[GLASS_TEXT_BYTES])
{
    struct buf b = {0};
    buf_adds(&b, agency);
    buf_addc(&b, '\0');
    buf_add(&b, actor, ID_BYTES);
    enum err e =
        glass_text_key(text != NULL ? slice_str(text) : SLICE_NONE, &b);
    if (e == ERR_OK)
        token_make(h->keys.box_secret, TEXT_KEY, buf_slice(&b), out);
    buf_fini(&b);
    return e;
}

static enum err load_actor(struct hub *h, const struct event *e,
                           const char *agency, struct glass_actor *out)
{
    const Pb__BreakGlassOpened *b = (const Pb__BreakGlassOpened *)e->body;
    const uint8_t *actor = e->routing->actor.data;
    enum err err = store_glass_actor(h->store, agency, actor, h->now_ms, out);
    return err != ERR_OK ? err : hash_text(h, agency, actor, b->text, out->now);
}

/* Who put the question about this person that is answered; "" when nobody. */
static enum err load_asker(struct hub *h, const struct event *e,
                           struct id person, char out[AGENCY_MAX])
{
    const Pb__CareAnswered *b = (const Pb__CareAnswered *)e->body;
    struct stored_event q = {0};
    struct id ref;
    out[0] = '\0';
    if (!b->has_asked_ref || b->asked_ref.len != ID_BYTES)
        return ERR_OK;
    memcpy(ref.b, b->asked_ref.data, ID_BYTES);
    enum err err = store_event_find(h->store, ref, &q);
    if (err == ERR_OK && q.type == EVENT_CARE_ASKED && id_eq(q.person, person))
        memcpy(out, q.agency, AGENCY_MAX);
    stored_event_fini(&q);
    return err == ERR_NOT_FOUND ? ERR_OK : err;
}

enum err glass_facts(struct hub *h, const struct event *e, struct id person,
                     struct glass_facts *g, struct facts *f)
{
    const char *agency = f->sender->agency->code;
    enum err err = ERR_OK;
    if (e->schema->event == EVENT_BREAK_GLASS_OPENED && e->routing->has_actor) {
        err = load_actor(h, e, agency, &g->actor);
        f->actor = &g->actor;
    } else if (e->schema->event == EVENT_CARE_ANSWERED) {
        err = load_asker(h, e, person, g->asker);
        f->asker = g->asker[0] != '\0' ? g->asker : NULL;
    }
    return err;
}

/* ---- what changed ---- */

static const char *verdict_name(enum glass_verdict v)
{
    return schema_enum_name(&pb__glass_verdict__descriptor, (int32_t)v);
}

/* What a leaf of this change says besides its subject and its references. */
static Pb__AuditLeaf describe(const struct hub *h, enum glass_change change,
                              const struct glass *g)
{
    static const Pb__LeafKind KIND[] = {
        [GLASS_OPEN] = PB__LEAF_KIND__BREAKGLASS_OPEN,
        [GLASS_EXTEND] = PB__LEAF_KIND__BREAKGLASS_OPEN,
        [GLASS_CLOSE] = PB__LEAF_KIND__BREAKGLASS_CLOSE,
        [GLASS_REVIEW] = PB__LEAF_KIND__REVIEW,
        [GLASS_OVERDUE] = PB__LEAF_KIND__REVIEW,
    };
    Pb__AuditLeaf l = leaf_new(h, KIND[change]);
    l.peer = pb_text(g->agency);
    l.role = pb_text(g->role);
    l.reason = pb_text(change == GLASS_REVIEW    ? verdict_name(g->verdict)
                       : change == GLASS_OVERDUE ? "OVERDUE"
                                                 : g->reason);
    l.has_glass = l.has_valid_until_ms = 1;
    l.glass = g->classes;
    l.valid_until_ms = g->until_ms;
    return l;
}

enum err glass_apply(struct hub *h, struct id person, const struct event *e,
                     const char *node, uint64_t cites, struct effects *fx)
{
    struct glass *g = &fx->glass;
    uint8_t handle[16];
    uint64_t ref[2] = {cites, g->leaf}, index;
    if (fx->glass_change == GLASS_NO_CHANGE)
        return ERR_OK;
    if (id_is_zero(person))
        return ERR_EVT_TOKEN;
    Pb__AuditLeaf l = describe(h, fx->glass_change, g);
    l.node = pb_text(node);
    l.ref = ref;
    l.n_ref = fx->glass_change == GLASS_OPEN ? 1 : 2;
    if (e != NULL) {
        l.has_event_id = l.has_actor = 1;
        l.event_id = bytes16(e->event_id.b);
        l.actor = e->routing->actor;
    }
    enum err err = leaf_subject(h, person, &l, handle);
    if (err == ERR_OK)
        err = store_leaf(h->store, &l, &index);
    if (err != ERR_OK || fx->glass_change == GLASS_CLOSE ||
        fx->glass_change == GLASS_OVERDUE)
        return err;
    if (fx->glass_change == GLASS_OPEN) {
        g->leaf = index;
        err = store_glass_put(h->store, person, g);
    } else {
        err = store_glass_update(h->store, g);
    }
    return err;
}

enum err glass_remember(struct hub *h, struct id person, const struct facts *f,
                        const struct effects *fx)
{
    bool said =
        fx->glass_change == GLASS_OPEN || fx->glass_change == GLASS_EXTEND;
    return !said ? ERR_OK
                 : store_glass_text_add(h->store, person, fx->glass.agency,
                                        fx->glass.actor, f->actor->now);
}

/* ---- notices ---- */

const ProtobufCMessage *glass_notice(const struct glass *g, bool overdue,
                                     struct glass_notice *n)
{
    Pb__BreakGlassNotice *b = &n->body;
    const ProtobufCEnumValue *reason =
        protobuf_c_enum_descriptor_get_value_by_name(
            &pb__break_glass_reason__descriptor, g->reason);
    pb__break_glass_notice__init(b);
    b->has_glass_ref = b->has_opened_ms = b->has_until_ms = 1;
    b->has_review_due_ms = b->has_extended = b->has_overdue = 1;
    b->glass_ref = bytes16(g->ref);
    b->agency = pb_text(g->agency);
    b->role = pb_text(g->role);
    b->has_reason = reason != NULL;
    if (reason != NULL)
        b->reason = (Pb__BreakGlassReason)reason->value;
    b->opened_ms = g->opened_ms;
    b->until_ms = g->until_ms;
    b->review_due_ms = g->review_due_ms;
    b->extended = g->extended;
    b->overdue = overdue;
    b->has_verdict = g->verdict != GLASS_UNREVIEWED;
    b->verdict = (Pb__GlassVerdict)g->verdict;
    b->classes = n->classes;
    b->n_classes = class_list(g->classes, n->classes);
    return &b->base;
}

/* ---- what passes under it ---- */

const struct glass *glass_behind(const struct hub *h, const struct known *k,
                                 const struct stored_event *e, const char *to,
                                 const uint8_t *reader,
                                 const struct decision *d)
{
    struct glass_way way = {.event = e->type,
                            .from = e->hub_made ? NULL : e->agency,
                            .to = to,
                            .reader = reader};
    uint64_t classes;
    if (!glass_relied_on(h->policy, d))
        return NULL;
    return glass_between(k->glass, k->glass_count, &way, h->now_ms, &classes);
}

/* ---- figures and the list ---- */

struct listing {
    struct buf *j;
    size_t n;
};
#define LIST_MAX 500

/* By the number of its leaf: its ref would let anybody review it. */
static bool list_one(void *ctx, const struct glass *g)
{
    struct listing *l = ctx;
    buf_addf(l->j,
             "%s{\"leaf\":%" PRIu64 ",\"agency\":\"%s\",\"role\":\"%s\","
             "\"reason\":\"%s\",\"extended\":%s,\"verdict\":\"%s\","
             "\"reviewer\":\"%s\"",
             l->n > 0 ? "," : "", g->leaf, g->agency, g->role, g->reason,
             g->extended ? "true" : "false",
             g->verdict != GLASS_UNREVIEWED ? verdict_name(g->verdict) : "",
             g->reviewer);
    ask_add_time(l->j, "opened", g->opened_ms);
    ask_add_time(l->j, "until", g->until_ms);
    ask_add_time(l->j, "review_due", g->review_due_ms);
    buf_adds(l->j, ",\"classes\":");
    ask_add_classes(l->j, g->classes);
    buf_adds(l->j, "}");
    return ++l->n < LIST_MAX;
}

static enum err add_counts(struct hub *h, struct buf *j)
{
    struct store_glass_counts c;
    enum err e = store_glass_counts(h->store, h->now_ms, &c);
    if (e == ERR_OK)
        buf_addf(j,
                 "\"opened\":%" PRIu64 ",\"open\":%" PRIu64
                 ",\"reviewed\":%" PRIu64 ",\"not_justified\":%" PRIu64
                 ",\"overdue\":%" PRIu64 ",\"often\":%" PRIu64,
                 c.opened, c.open, c.reviewed, c.not_justified, c.overdue,
                 c.often);
    return e;
}

enum err ask_glass(struct hub *h, const Pb__Ask *a, struct buf *j)
{
    struct listing l = {.j = j};
    (void)a;
    buf_adds(j, "{\"schema\":\"tsunagi.glass-list/1\",");
    enum err e = add_counts(h, j);
    buf_adds(j, ",\"glass\":[");
    if (e == ERR_OK)
        e = store_glass_each(h->store, list_one, &l);
    buf_adds(j, "]}");
    return e;
}

enum err glass_status(struct hub *h, struct buf *j)
{
    buf_adds(j, ",\"glass\":{");
    enum err e = add_counts(h, j);
    buf_adds(j, "}");
    return e;
}
