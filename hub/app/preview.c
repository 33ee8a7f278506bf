/* preview.c - a node asks what would pass of an event it has not sent.
 *
 * It tells the type, the variant, which classes would have content, and whom
 * it means; nothing of the content. The facts are those of a real sending at
 * this moment and the decision is the same code; nothing is kept but the leaf
 * that says it was asked.
 *
 *   type variant person_token case_token classes
 *   to = AGENCY|ROLE|PLACE|PURPOSE    (each wish; empty: not given) */
#include "hub/app/hub.h"
#include "proto/wire/unpack.h"
#include <stdlib.h>
#include <string.h>

#define WISHES 32
#define WISH_PARTS 4
#define WISH_MAX 128

struct preview {
    Pb__Routing routing;
    Pb__Wanted wanted[WISHES], *list[WISHES];
    char text[WISHES][WISH_MAX]; /* what wanted borrows */
    uint8_t person[ID_BYTES], case_token[ID_BYTES];
    struct event event;
    struct known known;
};

/* ---- the question ---- */

/* Absent: none. */
static enum err read_token(const Pb__Ask *a, const char *key,
                           uint8_t out[ID_BYTES], struct slice *token)
{
    if (ask_argument(a, key)[0] == '\0')
        return ERR_OK;
    *token = slice_of(out, ID_BYTES);
    return ask_id(a, key, out) ? ERR_OK : ERR_EVT_TOKEN;
}

static enum err read_wish(struct preview *p, const char *value)
{
    size_t n = p->routing.n_to;
    char *part[WISH_PARTS], *s = p->text[n];
    if (n == WISHES || strlen(value) >= WISH_MAX)
        return ERR_EVT_RECIPIENT;
    memcpy(s, value, strlen(value) + 1);
    for (int i = 0; i < WISH_PARTS; i++) {
        char *end = s + strcspn(s, "|");
        if ((*end == '\0') != (i == WISH_PARTS - 1))
            return ERR_USAGE;
        part[i] = s;
        *end = '\0';
        s = end + 1;
    }
    Pb__Wanted *w = p->list[n] = &p->wanted[n];
    pb__wanted__init(w);
    w->agency = part[0];
    w->role = part[1];
    w->place = part[2];
    w->purpose = part[3];
    p->routing.n_to++;
    return ERR_OK;
}

static enum err read_wishes(struct preview *p, const Pb__Ask *a)
{
    enum err e = ERR_OK;
    p->routing.to = p->list;
    for (size_t i = 0; i < a->n_arg && e == ERR_OK; i++)
        if (a->arg[i]->key != NULL && strcmp(a->arg[i]->key, "to") == 0 &&
            a->arg[i]->value != NULL)
            e = read_wish(p, a->arg[i]->value);
    return e;
}

/* "" or the name of one of the type's variants, as static text. */
static bool find_variant(const struct schema_message *m, const char *name,
                         const char **out)
{
    *out = "";
    for (size_t i = 0; i < m->field_count && name[0] != '\0'; i++) {
        const ProtobufCFieldDescriptor *f =
            protobuf_c_message_descriptor_get_field(m->descriptor,
                                                    m->fields[i].number);
        if (!m->fields[i].variant || f == NULL)
            continue;
        const ProtobufCEnumDescriptor *d = f->descriptor;
        for (unsigned k = 0; k < d->n_values; k++)
            if (strcmp(d->values[k].name, name) == 0)
                *out = d->values[k].name;
    }
    return name[0] == '\0' || (*out)[0] != '\0';
}

static enum err read_event(struct preview *p, const Pb__Ask *a)
{
    const struct schema_message *m =
        schema_event_named(ask_argument(a, "type"));
    uint64_t classes;
    if (m == NULL || m->channel[0] != '\0')
        return ERR_EVT_TYPE;
    if (m->hub_only)
        return ERR_EVT_HUB_ONLY;
    if (!find_variant(m, ask_argument(a, "variant"), &p->event.variant))
        return ERR_EVT_TYPE;
    if (!ask_number(a, "classes", &classes) || (classes & ~m->class_mask) != 0)
        return ERR_EVT_CLASS;
    p->event.schema = m;
    p->event.present = classes;
    p->event.routing = &p->routing;
    return ERR_OK;
}

/* ---- facts ---- */

/* Refused like a sending: a case of someone else, or one it has no part in. */
static enum err load(struct hub *h, const struct node *who, const Pb__Ask *a,
                     struct preview *p)
{
    struct slice person = SLICE_NONE, case_token = SLICE_NONE;
    const char *agency = who->agency->code;
    enum err e = read_token(a, "person_token", p->person, &person);
    if (e == ERR_OK)
        e = read_token(a, "case_token", p->case_token, &case_token);
    if (e == ERR_OK)
        e = known_of_tokens(h, agency, person, case_token, &p->known);
    if (e == ERR_OK && p->known.state != NULL && !p->known.named &&
        !case_member(p->known.state, agency))
        return ERR_FLOW_CASE;
    return e;
}

/* ---- the answer ---- */

static enum err leaf_preview(struct hub *h, const struct node *who,
                             const struct preview *p, enum err answer)
{
    Pb__AuditLeaf l = leaf_new(h, PB__LEAF_KIND__READ);
    uint8_t handle[16];
    uint64_t index;
    if (!turn_begin(h))
        return h->broken;
    l.phase = pb_text("PREVIEW");
    l.node = pb_text(who->pub.node);
    l.peer = pb_text(who->agency->code);
    l.has_type = p->event.schema != NULL;
    if (l.has_type)
        l.type = p->event.schema->event;
    l.has_outcome = 1;
    l.outcome = answer == ERR_OK;
    if (answer != ERR_OK)
        l.reason = pb_text(err_code(answer));
    enum err e = leaf_subject(h, p->known.person, &l, handle);
    return e != ERR_OK ? e : store_leaf(h->store, &l, &index);
}

static void add_recipient(const struct hub *h, const struct recipient *r,
                          struct buf *j)
{
    Pb__RecipientOutcome o;
    struct buf ja = {0}, en = {0};
    receipt_describe(h, r, &o, &ja, &en);
    const struct {
        const char *key, *text;
    } TEXTS[] = {
        {"agency", o.agency},       {"role", o.role},
        {"purpose", o.purpose},     {"rule", o.rule},
        {"basis", o.basis},         {"reason_ja", o.reason_ja},
        {"reason_en", o.reason_en},
    };
    buf_adds(j, "{\"released\":");
    ask_add_classes(j, o.released);
    buf_adds(j, ",\"withheld\":");
    ask_add_classes(j, o.withheld);
    for (size_t i = 0; i < NELEM(TEXTS); i++)
        ask_add_text(j, TEXTS[i].key,
                     TEXTS[i].text != NULL ? TEXTS[i].text : "");
    buf_adds(j, "}");
    buf_fini(&ja);
    buf_fini(&en);
}

static enum err decide(struct hub *h, const struct node *who, struct preview *p,
                       struct buf *j)
{
    struct facts f;
    known_facts(h, &p->known, who, &f);
    step_preview(&f, &p->event, h->now_ms, &h->fx);
    enum err e = h->fx.refuse;
    if (e == ERR_OK) {
        buf_adds(j, "{\"schema\":\"tsunagi.preview/1\",\"recipient\":[");
        struct recipient told;
        const char *comma = "";
        for (size_t i = 0; i < h->fx.to_count; i++) {
            if (!receipt_tells(&h->fx, i, &told))
                continue;
            buf_adds(j, comma);
            add_recipient(h, &told, j);
            comma = ",";
        }
        buf_adds(j, "]}");
    }
    effects_fini(&h->fx);
    return e;
}

enum err ask_preview(struct hub *h, const struct node *who, const Pb__Ask *a,
                     struct buf *j)
{
    struct preview *p = calloc(1, sizeof(*p));
    if (p == NULL)
        return ERR_NOMEM;
    pb__routing__init(&p->routing);
    enum err e = read_event(p, a);
    if (e == ERR_OK)
        e = read_wishes(p, a);
    if (e == ERR_OK)
        e = load(h, who, a, p);
    if (e == ERR_OK)
        e = decide(h, who, p, j);
    enum err leafed = leaf_preview(h, who, p, e);
    known_fini(&p->known);
    free(p);
    return leafed != ERR_OK ? leafed : e;
}
