/* provisions.c - what an agency passed on to others, and what it got from
 * them: the records of provision to third parties and of acquisition that it
 * must keep (個人情報保護法 29条, 30条) and may print from here.
 *
 *   provisions  from_ms, to_ms, [after, upto]
 *
 * A page looks at a slice of the deliveries, whoever they belong to, so a long
 * history costs many short turns; each is a leaf. What the hub issued in an
 * agency's stead (reissue_as) counts as that agency's: its leaf cites the event
 * it comes from. Only what really left is here; whom an erased line was about
 * nobody knows any more. */
#include "hub/app/hub.h"
#include "proto/wire/unpack.h"
#include <inttypes.h>
#include <string.h>

#define IDS_AT_ONCE 20000
#define LINES_AT_ONCE 200
#define ANSWER_BYTES (FRAME_MAX / 2)

struct listing {
    const struct node *who;
    uint64_t from_ms, to_ms;
    int64_t after, upto, last;
    size_t n;
};

static enum err read_question(const Pb__Ask *a, struct listing *w)
{
    uint64_t after = 0, upto = 0;
    bool later = ask_argument(a, "after")[0] != '\0';
    if (!ask_number(a, "from_ms", &w->from_ms) ||
        !ask_number(a, "to_ms", &w->to_ms) ||
        (later &&
         (!ask_number(a, "after", &after) || !ask_number(a, "upto", &upto))) ||
        after > upto || upto > INT64_MAX)
        return ERR_USAGE;
    w->after = (int64_t)after;
    w->last = (int64_t)upto;
    return ERR_OK;
}

/* Whose event a hub-made one comes from: by the leaf that its own cites. */
static enum err origin_of(struct hub *h, uint64_t ingest,
                          char agency[AGENCY_MAX])
{
    Pb__AuditLeaf *own = NULL, *cited = NULL;
    struct id event_id;
    bool found;
    agency[0] = '\0';
    enum err e = leaf_open(h, ingest, NULL, &own);
    if (e == ERR_OK && own->n_ref > 0 && own->ref[0] < own->index)
        e = leaf_open(h, own->ref[0], NULL, &cited);
    if (e == ERR_OK && cited != NULL && cited->kind == PB__LEAF_KIND__INGEST &&
        cited->event_id.len == ID_BYTES) {
        memcpy(event_id.b, cited->event_id.data, ID_BYTES);
        e = store_event_agency(h->store, event_id, agency, &found);
    }
    leaf_close(&own);
    leaf_close(&cited);
    return e;
}

static void add_party(const struct hub *h, const char *code, struct buf *j)
{
    const struct agency *a = registry_agency(h->registry, code);
    const struct {
        const char *key, *text;
    } TEXTS[] = {
        {"agency_code", code},
        {"agency", a != NULL ? a->name_ja : ""},
        {"address", a != NULL ? a->address : ""},
        {"representative", a != NULL ? a->representative : ""},
    };
    for (size_t i = 0; i < NELEM(TEXTS); i++)
        ask_add_text(j, TEXTS[i].key,
                     TEXTS[i].text != NULL ? TEXTS[i].text : "");
}

static enum err add_person(struct hub *h, const struct listing *w,
                           const struct provision *p, struct buf *j)
{
    uint8_t token[ID_BYTES];
    struct buf hex = {0};
    bool found = false;
    enum err e = ERR_OK;
    if (!id_is_zero(p->person))
        e = store_token_of(h->store, w->who->agency->code, TOKEN_PERSON,
                           p->person, token, &found);
    if (e == ERR_OK && found)
        buf_add_hex(&hex, slice_of(token, sizeof(token)));
    ask_add_text(j, "person_token", hex.n > 0 ? (char *)hex.p : "");
    buf_fini(&hex);
    return e;
}

static void add_items(const struct provision *p, struct buf *j)
{
    struct buf t = {0};
    for (unsigned c = 1; c < CLASS_MAX; c++)
        if ((p->released_classes & class_bit(c)) != 0)
            buf_addf(&t, "%s%s", t.n > 0 ? "、" : "", class_ja(c));
    ask_add_text(j, "items", t.n > 0 && !t.failed ? (char *)t.p : "");
    buf_fini(&t);
}

/* Consent or law, as the leaf of the release says it. */
static enum err add_basis(struct hub *h, const struct provision *p,
                          struct buf *j)
{
    struct buf t = {0};
    Pb__AuditLeaf *l = NULL;
    enum err e = leaf_open(h, p->release_leaf, NULL, &l);
    for (size_t i = 0; e == ERR_OK && i < l->n_basis; i++) {
        const char *code = l->basis[i] != NULL ? l->basis[i] : "";
        const char *article = policy_article(h->policy, code);
        buf_addf(&t, "%s%s%s%s%s", t.n > 0 ? "、" : "",
                 policy_label_ja(h->policy, code),
                 article[0] != '\0' ? "(" : "", article,
                 article[0] != '\0' ? ")" : "");
    }
    ask_add_text(j, "basis", t.n > 0 && !t.failed ? (char *)t.p : "");
    leaf_close(&l);
    buf_fini(&t);
    return e;
}

static enum err add_line(struct hub *h, struct listing *w,
                         const struct provision *p, bool given, struct buf *j)
{
    const struct schema_message *m = schema_event(p->type);
    buf_addf(j, "%s{\"direction\":\"%s\",\"leaf\":%" PRIu64,
             w->n++ > 0 ? "," : "", given ? "provision" : "acquisition",
             p->release_leaf);
    ask_add_time(j, "at", p->released_ms);
    add_party(h, given ? p->to : p->from, j);
    ask_add_text(j, "what", m != NULL ? m->ja : "");
    ask_add_text(j, "purpose", policy_label_ja(h->policy, p->purpose));
    add_items(p, j);
    enum err e = add_person(h, w, p, j);
    if (e == ERR_OK)
        e = add_basis(h, p, j);
    buf_addf(j, ",\"recalled\":%s}", p->recall_leaf != 0 ? "true" : "false");
    return e;
}

/* An agency's own notes to itself are neither. */
static enum err tell(struct hub *h, struct listing *w, struct provision *p,
                     struct buf *j)
{
    const char *me = w->who->agency->code;
    char origin[AGENCY_MAX];
    snprintf(origin, sizeof(origin), "%s", p->from);
    enum err e = ERR_OK;
    if (p->released_ms < w->from_ms || p->released_ms >= w->to_ms)
        return ERR_OK;
    if (p->hub_made)
        e = origin_of(h, p->ingest_leaf, origin);
    bool given = strcmp(origin, me) == 0, got = strcmp(p->to, me) == 0;
    if (e == ERR_OK && given && !got)
        e = add_line(h, w, p, true, j);
    if (e == ERR_OK && got && !given)
        e = add_line(h, w, p, false, j);
    return e;
}

static enum err add_lines(struct hub *h, struct listing *w, struct buf *j)
{
    bool found = true;
    enum err e = ERR_OK;
    w->upto =
        w->last - w->after > IDS_AT_ONCE ? w->after + IDS_AT_ONCE : w->last;
    buf_addf(j, "{\"schema\":\"tsunagi.provisions/1\",\"lines\":[");
    while (e == ERR_OK && found && w->n < LINES_AT_ONCE &&
           j->n < ANSWER_BYTES) {
        struct provision p;
        e = store_provision_next(h->store, w->who->agency->code, w->after,
                                 w->upto, &p, &found);
        if (e == ERR_OK && found)
            e = tell(h, w, &p, j);
        w->after = found ? p.id : w->upto;
    }
    buf_addf(j, "],\"after\":%" PRId64 ",\"upto\":%" PRId64 ",\"more\":%s}",
             w->after, w->last, w->after < w->last ? "true" : "false");
    return e;
}

static enum err leaf_asked(struct hub *h, const struct listing *w)
{
    Pb__AuditLeaf l = leaf_new(h, PB__LEAF_KIND__REPORT);
    uint64_t index;
    if (!turn_begin(h))
        return h->broken;
    l.phase = pb_text("PROVISIONS");
    l.node = pb_text(w->who->pub.node);
    l.peer = pb_text(w->who->agency->code);
    l.has_outcome = 1;
    l.outcome = 1;
    return store_leaf(h->store, &l, &index);
}

enum err ask_provisions(struct hub *h, const struct node *who, const Pb__Ask *a,
                        struct buf *j)
{
    struct listing w = {.who = who};
    enum err e = read_question(a, &w);
    if (e == ERR_OK && w.last == 0)
        e = store_provision_last(h->store, &w.last);
    if (e == ERR_OK)
        e = leaf_asked(h, &w);
    return e != ERR_OK ? e : add_lines(h, &w, j);
}
