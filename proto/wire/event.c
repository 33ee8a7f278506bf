/* event.c - events made, signed, opened and checked.
 *
 * An Event is a signed header, its signature and parts. The header commits to
 * the routing part and to every class its type can have, present or not, so
 * it betrays nothing of what the event holds. Maker and opener run the same
 * checks of header and routing: what cannot be opened is never made.
 *
 * A recipient with an older schema than the sender cannot know which
 * commitment belongs to a class it has never heard of. It accepts a part that
 * fits any of them - the class number is inside the commitment - and leaves
 * out the fields it does not know, after the commitment was checked. */
#include "proto/wire/event.h"
#include "proto/base/code.h"
#include "proto/base/text.h"
#include "proto/wire/frame.h"
#include "proto/wire/unpack.h"
#include <assert.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define TOKEN_BYTES 16

/* ---- header and routing -------------------------------------------------- */

static bool filled(const char *s)
{
    return s != NULL && *s != '\0';
}

static enum err check_sender(const Pb__EventHeader *h)
{
    if (h->agency == NULL || h->node == NULL)
        return ERR_EVT_SENDER;
    enum err e = code_check_agency(h->agency);
    return e == ERR_OK ? code_check_node(h->node) : e;
}

static enum err check_seen(const Pb__EventHeader *h)
{
    bool seen = h->has_seen_size && h->seen_size > 0;
    if (seen != (h->has_seen_root != 0))
        return ERR_PB_MALFORMED;
    return seen && h->seen_root.len != 32 ? ERR_PB_MALFORMED : ERR_OK;
}

static enum err check_header(const Pb__EventHeader *h,
                             const struct schema_message **schema)
{
    if (!h->has_event_id || !id_is_v7(pb_slice(h->event_id)))
        return ERR_EVT_ID;
    enum err e = check_sender(h);
    if (e != ERR_OK)
        return e;
    *schema = h->has_type ? schema_event(h->type) : NULL;
    if (*schema == NULL)
        return ERR_EVT_TYPE;
    if ((*schema)->hub_only && strcmp(h->agency, "HUB") != 0)
        return ERR_EVT_HUB_ONLY;
    if (!h->has_created_ms || h->created_ms == 0)
        return ERR_EVT_TIME;
    if (!h->has_node_seq || h->node_seq == 0)
        return ERR_EVT_SEQ;
    if (!h->has_schema_digest)
        return ERR_EVT_SCHEMA;
    for (size_t i = 0; i < h->n_commitment; i++)
        if (h->commitment[i].len != COMMIT_BYTES)
            return ERR_EVT_PARTS;
    return check_seen(h);
}

static bool same_schema(const Pb__EventHeader *h)
{
    return slice_eq(pb_slice(h->schema_digest), slice_of(SCHEMA_DIGEST, 32));
}

/* What a routing part says in words is kept like the rest of it. */
static enum err check_words(const char *s)
{
    enum err e = s == NULL ? ERR_OK : text_check_field(slice_str(s));
    if (e == ERR_OK && s != NULL && text_has_mynumber(slice_str(s)))
        e = ERR_VAL_MYNUMBER;
    return e;
}

static enum err check_wanted(const Pb__Wanted *w)
{
    const char *const words[] = {w->agency, w->role, w->place, w->purpose,
                                 w->basis};
    for (size_t i = 0; i < NELEM(words); i++) {
        enum err e = check_words(words[i]);
        if (e != ERR_OK)
            return e;
    }
    if (!filled(w->purpose))
        return ERR_EVT_PURPOSE;
    if (!filled(w->agency) && !filled(w->role))
        return ERR_EVT_RECIPIENT;
    if (filled(w->agency) && code_check_agency(w->agency) != ERR_OK)
        return ERR_EVT_RECIPIENT;
    if (filled(w->place) && code_check_muni5(slice_str(w->place)) != ERR_OK)
        return ERR_EVT_RECIPIENT;
    return ERR_OK;
}

static bool sized(protobuf_c_boolean has, ProtobufCBinaryData d, size_t n)
{
    return !has || d.len == n;
}

static enum err check_routing(const Pb__Routing *r)
{
    if (!sized(r->has_person_token, r->person_token, TOKEN_BYTES) ||
        !sized(r->has_case_token, r->case_token, TOKEN_BYTES) ||
        !sized(r->has_actor, r->actor, TOKEN_BYTES))
        return ERR_EVT_TOKEN;
    if (!sized(r->has_correlation, r->correlation, ID_BYTES) ||
        !sized(r->has_causation, r->causation, ID_BYTES))
        return ERR_EVT_ID;
    enum err e = check_words(r->actor_role);
    for (size_t i = 0; i < r->n_to && e == ERR_OK; i++)
        e = check_wanted(r->to[i]);
    return e;
}

/* ---- making -------------------------------------------------------------- */

/* An event under construction; index 0 is the routing part. */
struct maker {
    const struct schema_message *schema;
    size_t parts;
    struct buf body[CLASS_MAX];
    struct part part[CLASS_MAX];
    uint8_t commitment[CLASS_MAX][COMMIT_BYTES];
    struct buf header;
    uint8_t signature[SIGNATURE_BYTES];
};

static void maker_fini(struct maker *k)
{
    for (size_t i = 0; i < CLASS_MAX; i++)
        buf_fini(&k->body[i]);
    buf_fini(&k->header);
    sodium_memzero(k->part, sizeof(k->part));
}

static enum err cut(struct maker *k, const struct event_draft *d)
{
    struct buf whole = {0};
    enum err e = pack(d->body, &whole);
    if (e == ERR_OK && whole.n > EVENT_BODY_MAX)
        e = ERR_EVT_OVERSIZE;
    if (e == ERR_OK)
        e = part_split(k->schema, buf_slice(&whole), k->body + 1);
    buf_fini(&whole);
    return e == ERR_OK ? pack(&d->routing->base, &k->body[0]) : e;
}

static void commit(struct maker *k)
{
    k->parts = 1 + k->schema->class_count;
    for (size_t i = 0; i < k->parts; i++) {
        struct part *p = &k->part[i];
        p->cls = i == 0 ? 0 : k->schema->classes[i - 1];
        p->body = buf_slice(&k->body[i]);
        randombytes_buf(p->salt, sizeof(p->salt));
        part_commit(p, k->commitment[i]);
    }
}

static enum err fill_header(struct maker *k, const struct event_draft *d)
{
    Pb__EventHeader h = PB__EVENT_HEADER__INIT;
    h.has_event_id = h.has_type = h.has_created_ms = h.has_node_seq = 1;
    h.event_id = pb_borrow(slice_of(d->event_id.b, ID_BYTES));
    h.agency = pb_text(d->agency);
    h.node = pb_text(d->node);
    h.type = d->type;
    h.created_ms = d->created_ms;
    h.has_expires_ms = d->expires_ms != 0;
    h.expires_ms = d->expires_ms;
    h.node_seq = d->node_seq;
    h.has_schema_digest = 1;
    h.schema_digest = pb_borrow(slice_of(SCHEMA_DIGEST, 32));
    h.has_seen_size = h.has_seen_root = d->seen_size != 0;
    h.seen_size = d->seen_size;
    h.seen_root = pb_borrow(slice_of(d->seen_root, 32));
    ProtobufCBinaryData commitment[CLASS_MAX];
    for (size_t i = 0; i < k->parts; i++)
        commitment[i] = pb_borrow(slice_of(k->commitment[i], COMMIT_BYTES));
    h.n_commitment = k->parts;
    h.commitment = commitment;
    const struct schema_message *schema;
    enum err e = check_header(&h, &schema);
    return e == ERR_OK ? pack(&h.base, &k->header) : e;
}

static enum err pack_event(const struct maker *k, struct buf *out)
{
    Pb__Part part[CLASS_MAX];
    Pb__Part *at[CLASS_MAX];
    for (size_t i = 0; i < k->parts; i++) {
        pb__part__init(&part[i]);
        part[i].has_cls = part[i].has_salt = part[i].has_body = 1;
        part[i].cls = k->part[i].cls;
        part[i].salt = pb_borrow(slice_of(k->part[i].salt, SALT_BYTES));
        part[i].body = pb_borrow(k->part[i].body);
        at[i] = &part[i];
    }
    Pb__Event m = PB__EVENT__INIT;
    m.has_header = m.has_signature = 1;
    m.header = pb_borrow(buf_slice(&k->header));
    m.signature = pb_borrow(slice_of(k->signature, SIGNATURE_BYTES));
    m.n_part = k->parts;
    m.part = at;
    return pack(&m.base, out);
}

static enum err make(struct maker *k, const struct event_draft *d,
                     const uint8_t *secret, struct buf *out)
{
    k->schema = schema_event(d->type);
    if (k->schema == NULL || d->body->descriptor != k->schema->descriptor)
        return ERR_EVT_TYPE;
    enum err e = event_validate(k->schema, d->body, NULL);
    if (e == ERR_OK)
        e = check_routing(d->routing);
    if (e == ERR_OK)
        e = cut(k, d);
    if (e != ERR_OK)
        return e;
    commit(k);
    e = fill_header(k, d);
    if (e == ERR_OK)
        e = sign_make(SIGN_EVENT, buf_slice(&k->header), secret, k->signature);
    return e == ERR_OK ? pack_event(k, out) : e;
}

enum err event_make(const struct event_draft *d,
                    const uint8_t secret[SIGN_SECRET_BYTES], struct buf *out)
{
    assert(d != NULL && d->body != NULL && d->routing != NULL && out != NULL);
    assert(d->seen_size == 0 || d->seen_root != NULL);
    struct maker k = {0};
    enum err e = make(&k, d, secret, out);
    maker_fini(&k);
    return e;
}

/* ---- opening ------------------------------------------------------------- */

static void drop(void *message)
{
    ProtobufCMessage *m = message;
    unpack_free(&m);
}

void event_close(struct event **e)
{
    assert(e != NULL);
    if (*e == NULL)
        return;
    drop((*e)->msg);
    drop((*e)->header);
    drop((*e)->routing);
    drop((*e)->body);
    free(*e);
    *e = NULL;
}

static enum err open_header(struct event *ev)
{
    if (!ev->msg->has_header || !ev->msg->has_signature)
        return ERR_PB_MALFORMED;
    struct slice bytes = pb_slice(ev->msg->header);
    ProtobufCMessage *m;
    enum err e = unpack(&pb__event_header__descriptor, bytes, &m);
    if (e != ERR_OK)
        return e;
    ev->header = (Pb__EventHeader *)m;
    sha256(bytes, ev->header_sha256);
    e = check_header(ev->header, &ev->schema);
    return e == ERR_OK ? id_from(pb_slice(ev->header->event_id), &ev->event_id)
                       : e;
}

static enum err open_routing(struct event *ev)
{
    ProtobufCMessage *m;
    enum err e =
        unpack(&pb__routing__descriptor, pb_slice(ev->msg->part[0]->body), &m);
    if (e != ERR_OK)
        return e;
    ev->routing = (Pb__Routing *)m;
    return check_routing(ev->routing);
}

static enum err read_part(const Pb__Part *from, struct part *p)
{
    if (!from->has_cls || from->cls >= CLASS_MAX || !from->has_body ||
        !from->has_salt || from->salt.len != SALT_BYTES)
        return ERR_EVT_PARTS;
    p->cls = from->cls;
    memcpy(p->salt, from->salt.data, SALT_BYTES);
    p->body = pb_slice(from->body);
    return ERR_OK;
}

/* One of the header's commitments first..last fits the part. */
static enum err check_commitment(const Pb__EventHeader *h, const struct part *p,
                                 size_t first, size_t last)
{
    uint8_t want[COMMIT_BYTES];
    part_commit(p, want);
    for (size_t i = first; i <= last && i < h->n_commitment; i++)
        if (memcmp(h->commitment[i].data, want, COMMIT_BYTES) == 0)
            return ERR_OK;
    return ERR_EVT_COMMITMENT;
}

static enum err merge(struct event *ev, const struct part *parts, size_t n)
{
    struct buf joined = {0};
    enum err e = part_merge(ev->schema, parts, n, &joined);
    if (e == ERR_OK)
        e = unpack(ev->schema->descriptor, buf_slice(&joined), &ev->body);
    buf_fini(&joined);
    if (e != ERR_OK)
        return e;
    for (size_t i = 0; i < n; i++)
        if (parts[i].body.n > 0)
            ev->present |= class_bit(parts[i].cls);
    ev->variant = schema_variant(ev->schema, ev->body);
    return ERR_OK;
}

/* Routing first, then every class of the type, each as committed. */
static enum err open_whole(struct event *ev, struct part *parts)
{
    const struct schema_message *m = ev->schema;
    size_t n = ev->msg->n_part;
    if (n != 1 + m->class_count || ev->header->n_commitment != n)
        return ERR_EVT_PARTS;
    for (size_t i = 0; i < n; i++) {
        enum err e = read_part(ev->msg->part[i], &parts[i]);
        if (e != ERR_OK)
            return e;
        if (parts[i].cls != (i == 0 ? 0 : m->classes[i - 1]))
            return ERR_EVT_PARTS;
        e = check_commitment(ev->header, &parts[i], i, i);
        if (e != ERR_OK)
            return e;
        ev->body_bytes += i == 0 ? 0 : parts[i].body.n;
    }
    return ev->body_bytes > EVENT_BODY_MAX ? ERR_EVT_OVERSIZE : ERR_OK;
}

static enum err open_event(struct event *ev, struct slice packed)
{
    ProtobufCMessage *m;
    enum err e = unpack(&pb__event__descriptor, packed, &m);
    if (e != ERR_OK)
        return e;
    ev->msg = (Pb__Event *)m;
    e = open_header(ev);
    if (e == ERR_OK && !same_schema(ev->header))
        e = ERR_EVT_SCHEMA;
    struct part parts[CLASS_MAX];
    if (e == ERR_OK)
        e = open_whole(ev, parts);
    if (e == ERR_OK)
        e = open_routing(ev);
    if (e == ERR_OK)
        e = merge(ev, parts + 1, ev->msg->n_part - 1);
    return e == ERR_OK ? event_validate(ev->schema, ev->body, NULL) : e;
}

/* The first field of this number and wire type. */
static bool find_field(struct slice message, uint32_t number, uint8_t wire,
                       struct pb_field *f)
{
    while (message.n > 0 && unpack_field(&message, f) == ERR_OK)
        if (f->number == number && f->wire == wire)
            return true;
    return false;
}

uint32_t event_claimed_type(struct slice packed)
{
    struct pb_field header, type;
    return find_field(packed, 1, 2, &header) &&
                   find_field(header.value, 4, 0, &type)
               ? (uint32_t)type.varint
               : 0;
}

enum err event_open(struct slice packed, struct event **out)
{
    assert(out != NULL);
    *out = NULL;
    struct event *ev = calloc(1, sizeof(*ev));
    if (ev == NULL)
        return ERR_NOMEM;
    enum err e = open_event(ev, packed);
    if (e != ERR_OK)
        event_close(&ev);
    *out = ev;
    return e;
}

enum err event_check_signature(const struct event *e,
                               const uint8_t key[KEY_BYTES])
{
    assert(e != NULL && e->msg != NULL);
    return sign_check(SIGN_EVENT, pb_slice(e->msg->header),
                      pb_slice(e->msg->signature), key);
}

/* ---- opening what was released ------------------------------------------- */

/* Copies header, signature and parts into a message of our own. */
static enum err adopt(struct event *ev, struct slice header,
                      struct slice signature, Pb__Part *const *parts, size_t n)
{
    Pb__Event borrowed = PB__EVENT__INIT;
    borrowed.has_header = borrowed.has_signature = 1;
    borrowed.header = pb_borrow(header);
    borrowed.signature = pb_borrow(signature);
    borrowed.n_part = n;
    borrowed.part = (Pb__Part **)(uintptr_t)parts;
    struct buf bytes = {0};
    ProtobufCMessage *m = NULL;
    enum err e = pack(&borrowed.base, &bytes);
    if (e == ERR_OK)
        e = unpack(&pb__event__descriptor, buf_slice(&bytes), &m);
    buf_fini(&bytes);
    ev->msg = (Pb__Event *)m;
    return e;
}

static size_t position(const struct schema_message *m, unsigned cls)
{
    for (size_t i = 0; i < m->class_count; i++)
        if (m->classes[i] == cls)
            return 1 + i;
    return 0;
}

static enum err check_released(struct event *ev, const struct part *p)
{
    size_t at = position(ev->schema, p->cls);
    ev->body_bytes += p->body.n;
    if (!same_schema(ev->header))
        return check_commitment(ev->header, p, 1, SIZE_MAX);
    if (ev->header->n_commitment != 1 + ev->schema->class_count)
        return ERR_EVT_PARTS;
    return at == 0 ? ERR_EVT_CLASS : check_commitment(ev->header, p, at, at);
}

/* With another schema than ours: what we know of the part, in *kept. */
static enum err prune(const struct event *ev, struct part *p, struct buf *kept)
{
    if (same_schema(ev->header))
        return ERR_OK;
    enum err e = ERR_OK;
    if (position(ev->schema, p->cls) != 0)
        e = unpack_prune(ev->schema->descriptor, p->body, kept);
    p->body = buf_slice(kept);
    return e;
}

static enum err open_parts(struct event *ev, struct part *parts,
                           struct buf *kept, size_t *n)
{
    for (size_t i = 0; i < ev->msg->n_part; i++) {
        struct part *p = &parts[*n];
        enum err e = read_part(ev->msg->part[i], p);
        if (e != ERR_OK)
            return e;
        if (p->cls == 0 || (i > 0 && p->cls <= ev->msg->part[i - 1]->cls))
            return ERR_EVT_PARTS;
        e = check_released(ev, p);
        if (e == ERR_OK)
            e = prune(ev, p, &kept[i]);
        if (e != ERR_OK)
            return e;
        *n += position(ev->schema, p->cls) != 0;
    }
    return ERR_OK;
}

static enum err open_released(struct event *ev, const uint8_t *key)
{
    enum err e = open_header(ev);
    if (e == ERR_OK)
        e = event_check_signature(ev, key);
    if (e != ERR_OK)
        return e;
    if (ev->msg->n_part >= CLASS_MAX)
        return ERR_EVT_PARTS;
    struct part parts[CLASS_MAX];
    struct buf kept[CLASS_MAX] = {{0}};
    size_t n = 0;
    e = open_parts(ev, parts, kept, &n);
    if (e == ERR_OK)
        e = merge(ev, parts, n);
    for (size_t i = 0; i < CLASS_MAX; i++)
        buf_fini(&kept[i]);
    return e;
}

enum err event_open_released(struct slice header, struct slice signature,
                             const uint8_t key[KEY_BYTES],
                             Pb__Part *const *parts, size_t n,
                             struct event **out)
{
    assert(out != NULL && key != NULL && (parts != NULL || n == 0));
    *out = NULL;
    struct event *ev = calloc(1, sizeof(*ev));
    if (ev == NULL)
        return ERR_NOMEM;
    enum err e = adopt(ev, header, signature, parts, n);
    if (e == ERR_OK)
        e = open_released(ev, key);
    if (e != ERR_OK)
        event_close(&ev);
    *out = ev;
    return e;
}
