/* delivery.c - views of a delivery: JSON for programs, one field at a time
 * for modules, a page of text for people.
 *
 * The page is 76 columns wide (East Asian characters count two), which fits
 * A4 at ten points. Labels come from the schemas. Kinds of data that were held
 * back inside the recipient's ceiling are named at the end; beyond the ceiling
 * nothing tells withheld from absent, so nothing is said. What break-glass
 * opened for one person is left out of every view but that person's. */
#include "adapters/sdk/delivery.h"
#include "adapters/sdk/verify.h"
#include "proto/base/date.h"
#include "proto/base/text.h"
#include "proto/base/utf8.h"
#include "proto/wire/json.h"
#include "proto/wire/unpack.h"
#include "tsunagi/v1/value.pb-c.h"
#include <assert.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define PAGE_COLUMNS 76
#define LABEL_COLUMNS 22

/* Texts handed out by tsunagi_get; they live as long as the delivery. */
struct given {
    struct given *next;
    struct buf text;
};
struct tsunagi_delivery {
    struct verified v;
    char id[ID_TEXT];
    uint64_t opened; /* classes left out: for who opened break-glass */
    char *json;
    struct given **given; /* head of the list; apart, as views are const */
};

/* ---- open ---- */

static const Pb__Delivery *message(const struct tsunagi_delivery *d)
{
    return d->v.delivery;
}

static enum err fill(struct tsunagi_delivery *d, struct slice packed)
{
    enum err e = verify_stored(packed, &d->v);
    if (e != ERR_OK)
        return e;
    id_format(d->v.delivery_id, d->id);
    d->given = calloc(1, sizeof(*d->given));
    json_t *j = delivery_json(d);
    d->json = j != NULL ? json_dumps(j, JSON_COMPACT) : NULL;
    json_decref(j);
    return d->json != NULL && d->given != NULL ? ERR_OK : ERR_NOMEM;
}

static enum err open_without(struct slice packed, uint64_t opened,
                             struct tsunagi_delivery **out)
{
    *out = NULL;
    struct tsunagi_delivery *d = calloc(1, sizeof(*d));
    if (d == NULL)
        return ERR_NOMEM;
    d->opened = opened;
    enum err e = fill(d, packed);
    if (e != ERR_OK)
        delivery_close(&d);
    *out = d;
    return e;
}

enum err delivery_open(struct slice packed, struct tsunagi_delivery **out)
{
    return open_without(packed, 0, out);
}

/* A delivery without a part is a delivery: each part stands for itself. */
static enum err keep_classes(struct slice packed, uint64_t classes,
                             struct buf *out)
{
    ProtobufCMessage *m = NULL;
    enum err e = unpack(&pb__delivery__descriptor, packed, &m);
    if (e != ERR_OK)
        return e;
    Pb__Delivery *d = (Pb__Delivery *)m;
    size_t n = d->n_part, kept = 0;
    for (size_t i = 0; i < n; i++) {
        Pb__Part *p = d->part[i];
        if ((classes & class_bit(p->cls)) == 0)
            continue;
        d->part[i] = d->part[kept];
        d->part[kept++] = p;
    }
    d->n_part = kept;
    e = pack(m, out);
    d->n_part = n;
    unpack_free(&m);
    return e;
}

enum err delivery_open_for(struct slice packed, uint64_t classes,
                           struct tsunagi_delivery **out)
{
    struct buf less = {0};
    *out = NULL;
    enum err e = keep_classes(packed, classes, &less);
    if (e == ERR_OK)
        e = delivery_open(buf_slice(&less), out);
    buf_fini(&less);
    return e;
}

/* Those of its classes that the leaf of its release calls opened: by someone
 * of this agency, but for a question, which the asking agency's opened. */
static enum err opened_classes(const struct tsunagi_delivery *d,
                               uint64_t *classes)
{
    const Pb__Delivery *m = message(d);
    ProtobufCMessage *leaf = NULL;
    *classes = 0;
    if (d->v.event->schema->event == EVENT_CARE_ASKED)
        return ERR_OK;
    enum err e =
        unpack(&pb__audit_leaf__descriptor, pb_slice(m->release_leaf), &leaf);
    if (e != ERR_OK)
        return e;
    for (size_t i = 0; i < m->n_part; i++)
        *classes |= class_bit(m->part[i]->cls);
    *classes &= ((const Pb__AuditLeaf *)leaf)->glass &
                ~class_bit(PB__DATA_CLASS__G_META);
    unpack_free(&leaf);
    return ERR_OK;
}

enum err delivery_open_shared(struct slice packed,
                              struct tsunagi_delivery **out)
{
    uint64_t opened;
    struct buf less = {0};
    enum err e = delivery_open(packed, out);
    if (e == ERR_OK)
        e = opened_classes(*out, &opened);
    if (e == ERR_OK && opened == 0)
        return ERR_OK;
    delivery_close(out);
    if (e == ERR_OK)
        e = keep_classes(packed, ~opened, &less);
    if (e == ERR_OK)
        e = open_without(buf_slice(&less), opened, out);
    buf_fini(&less);
    return e;
}

const char *delivery_role(const struct tsunagi_delivery *d)
{
    return message(d)->role != NULL ? message(d)->role : "";
}

void delivery_close(struct tsunagi_delivery **dp)
{
    struct tsunagi_delivery *d = *dp;
    if (d == NULL)
        return;
    struct given *g = d->given != NULL ? *d->given : NULL;
    while (g != NULL) {
        struct given *next = g->next;
        buf_fini(&g->text);
        free(g);
        g = next;
    }
    free(d->given);
    free(d->json);
    verified_close(&d->v);
    free(d);
    *dp = NULL;
}

const char *tsunagi_delivery_type(const struct tsunagi_delivery *d)
{
    return d->v.event->schema->event_name;
}

const char *tsunagi_delivery_id(const struct tsunagi_delivery *d)
{
    return d->id;
}

const char *tsunagi_delivery_json(const struct tsunagi_delivery *d)
{
    return d->json;
}

/* ---- JSON ---- */

static json_t *hex(protobuf_c_boolean has, ProtobufCBinaryData b)
{
    struct buf t = {0};
    if (!has)
        return NULL;
    buf_add_hex(&t, slice_of(b.data, b.len));
    json_t *j = json_string(t.p != NULL ? (const char *)t.p : "");
    buf_fini(&t);
    return j;
}

static json_t *time_json(uint64_t ms)
{
    char text[TIME_TEXT];
    time_jst(ms, text);
    return json_string(text);
}

static json_t *withheld(uint64_t mask)
{
    json_t *a = json_array();
    for (unsigned c = 1; c < CLASS_MAX; c++)
        if ((mask & class_bit(c)) != 0 && class_name(c)[0] != '\0')
            json_array_append_new(a, json_string(class_name(c)));
    return a;
}

static void set(json_t *o, const char *key, json_t *v)
{
    if (v != NULL)
        json_object_set_new(o, key, v);
}

static json_t *text_json(const char *s)
{
    return s != NULL ? json_string(s) : NULL;
}

json_t *delivery_json(const struct tsunagi_delivery *d)
{
    const Pb__Delivery *m = message(d);
    const struct event *ev = d->v.event;
    char id[ID_TEXT];
    json_t *o = json_object();
    id_format(ev->event_id, id);
    set(o, "delivery_id", json_string(d->id));
    set(o, "event_id", json_string(id));
    set(o, "type", json_string(ev->schema->event_name));
    set(o, "agency", text_json(ev->header->agency));
    set(o, "purpose", text_json(m->purpose));
    set(o, "role", text_json(m->role));
    set(o, "basis", text_json(m->basis));
    if (m->has_release_index)
        set(o, "leaf_index", json_integer((json_int_t)m->release_index));
    set(o, "person_token", hex(m->has_person_token, m->person_token));
    set(o, "case_token", hex(m->has_case_token, m->case_token));
    set(o, "created_at", time_json(ev->header->created_ms));
    set(o, "released_at", time_json(m->released_ms));
    set(o, "withheld", withheld(m->withheld));
    if (d->opened != 0)
        set(o, "for_opener", withheld(d->opened));
    set(o, "body", json_from_message(ev->body));
    return o;
}

/* ---- values as text ---- */

static const void *member(const ProtobufCMessage *m, unsigned offset)
{
    return (const char *)m + offset;
}

static bool repeated(const ProtobufCFieldDescriptor *f)
{
    return f->label == PROTOBUF_C_LABEL_REPEATED;
}

static size_t count_of(const ProtobufCMessage *m,
                       const ProtobufCFieldDescriptor *f)
{
    if (repeated(f))
        return *(const size_t *)member(m, f->quantifier_offset);
    if (f->type == PROTOBUF_C_TYPE_STRING || f->type == PROTOBUF_C_TYPE_MESSAGE)
        return *(void *const *)member(m, f->offset) != NULL;
    return *(const protobuf_c_boolean *)member(m, f->quantifier_offset) != 0;
}

static const void *value_at(const ProtobufCMessage *m,
                            const ProtobufCFieldDescriptor *f, size_t i)
{
    if (!repeated(f))
        return member(m, f->offset);
    return *(char *const *)member(m, f->offset) + i * schema_value_size(f);
}

static void add_message(struct buf *b, const ProtobufCMessage *m, bool page);

static void add_date(struct buf *b, const Pb__Date *d, bool page)
{
    struct date date;
    char ja[40];
    const char *iso = d->iso != NULL ? d->iso : "";
    buf_adds(b, iso);
    if (!page || date_parse(slice_str(iso), &date) != ERR_OK)
        return;
    date_ja(date, ja);
    if (strcmp(ja, iso) != 0)
        buf_addf(b, "(%s)", ja);
}

static void add_name(struct buf *b, const Pb__Name *n, bool page)
{
    buf_adds(b, n->kanji != NULL ? n->kanji : "");
    if (page && n->kana != NULL)
        buf_addf(b, "(%s)", n->kana);
    if (page && n->degraded)
        buf_adds(b, " ※文字の縮退あり");
}

static bool ends_in(const ProtobufCFieldDescriptor *f, const char *tail)
{
    size_t n = strlen(f->name), t = strlen(tail);
    return n > t && strcmp(f->name + n - t, tail) == 0;
}

static void add_number(struct buf *b, const ProtobufCFieldDescriptor *f,
                       uint64_t v)
{
    char text[TIME_TEXT];
    if (!ends_in(f, "_ms")) {
        buf_addf(b, "%llu", (unsigned long long)v);
        return;
    }
    time_jst(v, text);
    buf_adds(b, text);
}

static void add_enum(struct buf *b, const ProtobufCFieldDescriptor *f, int v)
{
    const struct schema_enum_value *s = schema_enum_value(f->descriptor, v);
    if (s == NULL)
        return;
    buf_adds(b, s->ja != NULL && *s->ja != '\0' ? s->ja : s->name);
}

/* On a page an id looks as commands take it: of a consent, a break-glass. */
static void add_bytes(struct buf *b, const ProtobufCFieldDescriptor *f,
                      const ProtobufCBinaryData *v, bool page)
{
    char text[ID_TEXT];
    struct id id;
    if (!page || !ends_in(f, "_ref") || v->len != sizeof(id.b)) {
        buf_add_hex(b, slice_of(v->data, v->len));
        return;
    }
    memcpy(id.b, v->data, sizeof(id.b));
    id_format(id, text);
    buf_adds(b, text);
}

static void add_value(struct buf *b, const ProtobufCFieldDescriptor *f,
                      const void *p, bool page)
{
    switch (f->type) {
    case PROTOBUF_C_TYPE_BOOL:
        buf_adds(b, *(const protobuf_c_boolean *)p ? "はい" : "いいえ");
        break;
    case PROTOBUF_C_TYPE_UINT64:
        add_number(b, f, *(const uint64_t *)p);
        break;
    case PROTOBUF_C_TYPE_UINT32:
        add_number(b, f, *(const uint32_t *)p);
        break;
    case PROTOBUF_C_TYPE_ENUM:
        add_enum(b, f, *(const int *)p);
        break;
    case PROTOBUF_C_TYPE_BYTES:
        add_bytes(b, f, p, page);
        break;
    case PROTOBUF_C_TYPE_MESSAGE:
        add_message(b, *(ProtobufCMessage *const *)p, page);
        break;
    default:
        buf_adds(b, *(char *const *)p);
        break;
    }
}

static const char *label_of(const ProtobufCMessage *m, uint32_t number)
{
    const struct schema_message *s = schema_of(m->descriptor);
    const struct schema_field *f = s != NULL ? schema_field(s, number) : NULL;
    return f != NULL && f->ja != NULL && *f->ja != '\0' ? f->ja : "";
}

/* Values with a form of their own; any other: its fields with labels. */
static void add_message(struct buf *b, const ProtobufCMessage *m, bool page)
{
    if (m->descriptor == &pb__date__descriptor) {
        add_date(b, (const Pb__Date *)m, page);
        return;
    }
    if (m->descriptor == &pb__name__descriptor) {
        add_name(b, (const Pb__Name *)m, page);
        return;
    }
    bool first = true;
    for (unsigned i = 0; i < m->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *f = &m->descriptor->fields[i];
        for (size_t k = 0; k < count_of(m, f); k++) {
            buf_addf(b, "%s%s:", first ? "" : " / ", label_of(m, f->id));
            add_value(b, f, value_at(m, f, k), page);
            first = false;
        }
    }
}

/* ---- one field ---- */

/* Walks a dotted path; without an index a repeated field gives all of it. */
static void get(const ProtobufCMessage *m, const char *path, struct buf *b)
{
    char name[64];
    size_t n = strcspn(path, ".["), from = 0;
    if (n == 0 || n >= sizeof(name))
        return;
    memcpy(name, path, n);
    name[n] = '\0';
    path += n;
    const ProtobufCFieldDescriptor *f =
        protobuf_c_message_descriptor_get_field_by_name(m->descriptor, name);
    size_t to = f != NULL ? count_of(m, f) : 0;
    if (*path == '[' && isdigit((unsigned char)path[1])) {
        char *end;
        from = strtoul(path + 1, &end, 10);
        path = *end == ']' ? end + 1 : end;
        to = from < to ? from + 1 : 0;
    }
    for (size_t i = from; i < to; i++) {
        if (i > from)
            buf_adds(b, "、");
        if (*path == '.' && f->type == PROTOBUF_C_TYPE_MESSAGE)
            get(*(ProtobufCMessage *const *)value_at(m, f, i), path + 1, b);
        else if (*path == '\0')
            add_value(b, f, value_at(m, f, i), false);
    }
}

const char *tsunagi_get(const struct tsunagi_delivery *d, const char *field)
{
    struct given *g = calloc(1, sizeof(*g));
    if (g == NULL)
        return "";
    g->next = *d->given;
    *d->given = g;
    get(d->v.event->body, field, &g->text);
    return g->text.p != NULL && !g->text.failed ? (const char *)g->text.p : "";
}

/* ---- a page ---- */

static void spaces(FILE *out, size_t n)
{
    while (n-- > 0)
        fputc(' ', out);
}

/* Value beside its label, broken at the right edge and at its own newlines. */
static void print_value(FILE *out, struct slice s)
{
    size_t column = LABEL_COLUMNS;
    while (s.n > 0) {
        struct slice at = s;
        uint32_t u = utf8_next(&s);
        if (u == UTF8_BAD)
            return; /* never: checked when it was opened */
        at.n -= s.n;
        size_t width = text_width(at);
        if (u == '\n' || column + width > PAGE_COLUMNS) {
            fputc('\n', out);
            spaces(out, LABEL_COLUMNS);
            column = LABEL_COLUMNS;
        }
        if (u != '\n') {
            fwrite(at.p, 1, at.n, out);
            column += width;
        }
    }
    fputc('\n', out);
}

static void print_line(FILE *out, const char *label, struct slice value)
{
    size_t used = text_width(slice_str(label)) + 2;
    fprintf(out, "  %s", label);
    if (used + 1 > LABEL_COLUMNS) {
        fputc('\n', out);
        used = 0;
    }
    spaces(out, LABEL_COLUMNS - used);
    print_value(out, value);
}

static void print_text(FILE *out, const char *label, const char *value)
{
    if (value != NULL && *value != '\0')
        print_line(out, label, slice_str(value));
}

static void print_token(FILE *out, const char *label, bool has,
                        const ProtobufCBinaryData *token)
{
    struct buf hex = {0};
    if (has)
        buf_add_hex(&hex, slice_of(token->data, token->len));
    print_text(out, label, (const char *)hex.p);
    buf_fini(&hex);
}

static void print_rule(FILE *out)
{
    for (int i = 0; i < PAGE_COLUMNS; i++)
        fputc('-', out);
    fputc('\n', out);
}

static void print_body(const ProtobufCMessage *m, FILE *out)
{
    for (unsigned i = 0; i < m->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *f = &m->descriptor->fields[i];
        for (size_t k = 0; k < count_of(m, f); k++) {
            struct buf b = {0};
            add_value(&b, f, value_at(m, f, k), true);
            print_line(out, label_of(m, f->id), buf_slice(&b));
            buf_fini(&b);
        }
    }
}

static void print_classes(const char *label, uint64_t mask, FILE *out)
{
    struct buf b = {0};
    for (unsigned c = 1; c < CLASS_MAX; c++)
        if ((mask & class_bit(c)) != 0)
            buf_addf(&b, "%s%s", b.n > 0 ? "、" : "", class_ja(c));
    if (b.n > 0) {
        print_rule(out);
        print_line(out, label, buf_slice(&b));
    }
    buf_fini(&b);
}

void tsunagi_print(const struct tsunagi_delivery *d, FILE *out)
{
    const Pb__Delivery *m = message(d);
    const struct event *ev = d->v.event;
    char when[TIME_TEXT], id[ID_TEXT];
    id_format(ev->event_id, id);
    fprintf(out, "%s\n", ev->schema->ja);
    print_rule(out);
    print_text(out, "送信元", ev->header->agency);
    print_text(out, "目的", m->purpose);
    print_text(out, "受け取る役割", m->role);
    print_text(out, "根拠", m->basis);
    time_jst(ev->header->created_ms, when);
    print_text(out, "作成", when);
    time_jst(m->released_ms, when);
    print_text(out, "受渡し", when);
    print_text(out, "番号", id);
    if (m->has_release_index) {
        char leaf[24];
        snprintf(leaf, sizeof(leaf), "%llu",
                 (unsigned long long)m->release_index);
        print_text(out, "記録の番号", leaf);
    }
    print_token(out, "本人の符号", m->has_person_token, &m->person_token);
    print_token(out, "案件の符号", m->has_case_token, &m->case_token);
    print_rule(out);
    print_body(ev->body, out);
    print_classes("渡されない情報", m->withheld, out);
    print_classes("緊急閲覧の情報", d->opened, out);
    if (d->opened != 0)
        print_text(out, "読み方", "開いた職員だけが、tsunagi inbox show で");
}
