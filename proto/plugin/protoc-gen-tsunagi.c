/* protoc-gen-tsunagi - reads the schemas at build time, refuses those that
 * break a rule, and writes schema_tables.c (see proto/wire/schema.h) and
 * event_types.h, the numbers of the events by their names.
 *
 * protoc hands a CodeGeneratorRequest to stdin and wants a response on stdout.
 * Our options (tsunagi/v1/options.proto) are extensions, which protobuf-c does
 * not know: they arrive as unknown fields of the *Options messages and are
 * decoded here by their numbers. Every complaint is collected and all are
 * reported at once, as "file: Message.field: sentence".
 *
 * The schema digest is SHA-256 over a FileDescriptorSet of the files of our
 * package in order of name, as protoc gives them, without source_code_info:
 * comments and layout do not change it, anything else does. state.proto is left
 * out: it never travels, so a change there is of no concern to nodes.
 *
 * A process of a few milliseconds: what it allocates is never freed. */
#include <assert.h>
#include <ctype.h>
#include <google/protobuf/compiler/plugin.pb-c.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef Google__Protobuf__Compiler__CodeGeneratorRequest Request;
typedef Google__Protobuf__Compiler__CodeGeneratorResponse Response;
typedef Google__Protobuf__Compiler__CodeGeneratorResponse__File OutFile;
typedef Google__Protobuf__FileDescriptorProto File;
typedef Google__Protobuf__FileDescriptorSet FileSet;
typedef Google__Protobuf__DescriptorProto Message;
typedef Google__Protobuf__FieldDescriptorProto Field;
typedef Google__Protobuf__EnumDescriptorProto Enum;
typedef Google__Protobuf__EnumValueDescriptorProto EnumValue;

#define TYPE(t) GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_##t
#define LABEL(l) GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__LABEL__LABEL_##l
#define PACKAGE "tsunagi.v1"
#define OPTION 51000 /* our extension numbers follow */
#define DEPTH_MAX 8
#define CLASS_LAST 63 /* a mask has 64 bits, bit 0 is the routing part */

struct field {
    const Field *d;
    bool has_cls, variant;
    uint32_t cls;
    const char *ja, *en;
};
struct message {
    const File *file;
    const Message *d;
    const char *full;    /* .tsunagi.v1.Outer.Inner */
    struct field *field; /* ascending by number */
    uint32_t event, reissue_as;
    bool has_event, has_reissue, urgent, value, hub_only;
    const char *ja, *en;
    const char *channel; /* "": the hub's own */
    bool on_path;        /* while looking for recursion */
    unsigned height;     /* 0: not yet known */
};
struct enumeration {
    const File *file;
    const Enum *d;
    const char *full;
    bool shown; /* used by an event or value: its values need labels */
};
struct gen {
    const Request *req;
    struct message *message;
    size_t messages;
    struct enumeration *enumeration;
    size_t enums;
    FILE *complaints;
    size_t complained;
};

static void *must(void *p)
{
    if (p == NULL) {
        fputs("protoc-gen-tsunagi: out of memory\n", stderr);
        exit(1);
    }
    return p;
}

static const char *display(const char *full)
{
    return full + strlen("." PACKAGE ".");
}

/* ---- options, by hand ---------------------------------------------------- */

static uint64_t varint(const uint8_t *p, size_t n, size_t *used)
{
    uint64_t v = 0;
    for (*used = 0; *used < n && *used < 10; (*used)++) {
        v |= (uint64_t)(p[*used] & 0x7f) << (7 * *used);
        if (p[*used] < 0x80) {
            (*used)++;
            break;
        }
    }
    return v;
}

static const ProtobufCMessageUnknownField *
option(const ProtobufCMessage *options, uint32_t number)
{
    const ProtobufCMessageUnknownField *found = NULL;
    for (size_t i = 0; options != NULL && i < options->n_unknown_fields; i++)
        if (options->unknown_fields[i].tag == OPTION + number)
            found = &options->unknown_fields[i];
    return found;
}

static uint32_t number_option(const ProtobufCMessage *options, uint32_t number,
                              bool *has)
{
    const ProtobufCMessageUnknownField *u = option(options, number);
    *has = u != NULL && u->wire_type == PROTOBUF_C_WIRE_TYPE_VARINT;
    size_t used;
    return *has ? (uint32_t)varint(u->data, u->len, &used) : 0;
}

static bool flag_option(const ProtobufCMessage *options, uint32_t number)
{
    bool has;
    return number_option(options, number, &has) != 0;
}

/* The data of an unknown LEN field begins with its length. */
static const char *text_option(const ProtobufCMessage *options, uint32_t number)
{
    const ProtobufCMessageUnknownField *u = option(options, number);
    if (u == NULL || u->wire_type != PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED)
        return "";
    size_t used;
    uint64_t n = varint(u->data, u->len, &used);
    if (n != u->len - used)
        return "";
    return must(strndup((const char *)u->data + used, n));
}

/* ---- collecting ---------------------------------------------------------- */

static int by_number(const void *a, const void *b)
{
    int32_t x = ((const struct field *)a)->d->number;
    int32_t y = ((const struct field *)b)->d->number;
    return (x > y) - (x < y);
}

static struct field *read_fields(const Message *d)
{
    struct field *out = must(calloc(d->n_field + 1, sizeof(*out)));
    for (size_t i = 0; i < d->n_field; i++) {
        const ProtobufCMessage *o = (ProtobufCMessage *)d->field[i]->options;
        out[i].d = d->field[i];
        out[i].cls = number_option(o, 1, &out[i].has_cls);
        out[i].ja = text_option(o, 2);
        out[i].en = text_option(o, 3);
        out[i].variant = flag_option(o, 4);
    }
    qsort(out, d->n_field, sizeof(*out), by_number);
    return out;
}

static struct message read_message(const File *file, const Message *d,
                                   const char *full)
{
    const ProtobufCMessage *o = (ProtobufCMessage *)d->options;
    struct message m = {.file = file, .d = d, .full = full};
    m.event = number_option(o, 1, &m.has_event);
    m.ja = text_option(o, 2);
    m.en = text_option(o, 3);
    m.urgent = flag_option(o, 4);
    m.value = flag_option(o, 5);
    m.reissue_as = number_option(o, 6, &m.has_reissue);
    m.hub_only = flag_option(o, 7);
    m.channel = text_option(o, 8);
    m.field = read_fields(d);
    return m;
}

static char *join(const char *scope, const char *name)
{
    char *full = NULL;
    if (asprintf(&full, "%s.%s", scope, name) < 0)
        must(NULL);
    return full;
}

static void collect_enums(struct gen *g, const File *file, const char *scope,
                          size_t n, Enum *const *all)
{
    for (size_t i = 0; i < n; i++) {
        g->enumeration = must(
            realloc(g->enumeration, (g->enums + 1) * sizeof(*g->enumeration)));
        g->enumeration[g->enums++] = (struct enumeration){
            file, all[i], join(scope, all[i]->name), false};
    }
}

static void collect_messages(struct gen *g, const File *file, const char *scope,
                             size_t n, Message *const *all)
{
    for (size_t i = 0; i < n; i++) {
        char *full = join(scope, all[i]->name);
        g->message =
            must(realloc(g->message, (g->messages + 1) * sizeof(*g->message)));
        g->message[g->messages++] = read_message(file, all[i], full);
        collect_enums(g, file, full, all[i]->n_enum_type, all[i]->enum_type);
        collect_messages(g, file, full, all[i]->n_nested_type,
                         all[i]->nested_type);
    }
}

static bool is_ours(const File *f)
{
    return f->package != NULL && strcmp(f->package, PACKAGE) == 0;
}

static int by_name(const void *a, const void *b)
{
    return strcmp((*(File *const *)a)->name, (*(File *const *)b)->name);
}

/* protoc gives files in order of import; ours is the order of names. */
static void collect(struct gen *g)
{
    const Request *r = g->req;
    qsort(r->proto_file, r->n_proto_file, sizeof(*r->proto_file), by_name);
    for (size_t i = 0; i < r->n_proto_file; i++) {
        const File *f = r->proto_file[i];
        if (!is_ours(f))
            continue;
        collect_enums(g, f, "." PACKAGE, f->n_enum_type, f->enum_type);
        collect_messages(g, f, "." PACKAGE, f->n_message_type, f->message_type);
    }
}

static struct message *find_message(struct gen *g, const char *full)
{
    for (size_t i = 0; full != NULL && i < g->messages; i++)
        if (strcmp(g->message[i].full, full) == 0)
            return &g->message[i];
    return NULL;
}

static struct enumeration *find_enum(struct gen *g, const char *full)
{
    for (size_t i = 0; full != NULL && i < g->enums; i++)
        if (strcmp(g->enumeration[i].full, full) == 0)
            return &g->enumeration[i];
    return NULL;
}

static const struct message *find_event(const struct gen *g, uint32_t event)
{
    for (size_t i = 0; i < g->messages; i++)
        if (g->message[i].has_event && g->message[i].event == event)
            return &g->message[i];
    return NULL;
}

static const struct field *find_field(const struct message *m, int32_t number)
{
    for (size_t i = 0; i < m->d->n_field; i++)
        if (m->field[i].d->number == number)
            return &m->field[i];
    return NULL;
}

/* ---- refusing ------------------------------------------------------------ */

__attribute__((format(printf, 5, 6))) static void
complain(struct gen *g, const File *file, const char *thing, const char *member,
         const char *fmt, ...)
{
    fprintf(g->complaints, "\n%s: %s%s%s%s", file->name, thing,
            *member != '\0' ? "." : "", member, *thing != '\0' ? ": " : "");
    va_list ap;
    va_start(ap, fmt);
    vfprintf(g->complaints, fmt, ap);
    va_end(ap);
    g->complained++;
}

static void refuse(struct gen *g, const struct message *m,
                   const struct field *f, const char *what)
{
    complain(g, m->file, display(m->full), f != NULL ? f->d->name : "", "%s",
             what);
}

static void check_file(struct gen *g, const File *f)
{
    if (!is_ours(f))
        complain(g, f, "", "", "is not in package " PACKAGE);
    if (f->syntax != NULL && strcmp(f->syntax, "proto2") != 0)
        complain(g, f, "", "",
                 "syntax is %s; only proto2 tells absent from "
                 "empty",
                 f->syntax);
}

static bool labelled(const char *ja, const char *en)
{
    return *ja != '\0' && *en != '\0';
}

static bool is_map(struct gen *g, const struct field *f)
{
    const struct message *m = find_message(g, f->d->type_name);
    return m != NULL && m->d->options != NULL && m->d->options->map_entry;
}

/* What no message may have: forms with more than one reading or encoding. */
static void check_forms(struct gen *g, const struct message *m,
                        const struct field *f)
{
    if (f->d->label == LABEL(REQUIRED))
        refuse(g, m, f, "required fields cannot be withheld");
    if (f->d->default_value != NULL)
        refuse(g, m, f, "default makes absent look present");
    if (f->d->has_oneof_index)
        refuse(g, m, f, "oneof is not allowed");
    if (f->d->type == TYPE(GROUP))
        refuse(g, m, f, "group is not allowed");
    if (f->d->options != NULL && f->d->options->packed)
        refuse(g, m, f, "packed is not allowed");
    if (is_map(g, f))
        refuse(g, m, f, "map is not allowed");
}

/* A repeated message whose fields were of several classes could not be cut
 * into parts, so what fills a field must have no class of its own. */
static void check_fill(struct gen *g, const struct message *m,
                       const struct field *f)
{
    const struct message *fill = find_message(g, f->d->type_name);
    if (f->d->type == TYPE(MESSAGE) && (fill == NULL || !fill->value))
        refuse(g, m, f, "is filled by a message without option (value)");
    struct enumeration *e = find_enum(g, f->d->type_name);
    if (f->d->type == TYPE(ENUM) && e == NULL)
        refuse(g, m, f, "enum of another package");
    if (e != NULL)
        e->shown = true;
}

static bool class_exists(struct gen *g, uint32_t cls)
{
    const struct enumeration *e = find_enum(g, "." PACKAGE ".DataClass");
    for (size_t i = 0; e != NULL && i < e->d->n_value; i++)
        if (cls != 0 && (uint32_t)e->d->value[i]->number == cls)
            return true;
    return false;
}

static void check_class(struct gen *g, const struct message *m,
                        const struct field *f)
{
    if (m->has_event && (!f->has_cls || !class_exists(g, f->cls)))
        refuse(g, m, f, "has no data class: add (cls)");
    else if (m->value && f->has_cls)
        refuse(g, m, f,
               "a value takes the class of the field it fills: "
               "remove (cls)");
    else if (!m->has_event && f->has_cls)
        refuse(g, m, f, "has a data class, but its message is no event");
}

static void check_variant(struct gen *g, const struct message *m)
{
    size_t variants = 0;
    for (size_t i = 0; i < m->d->n_field; i++) {
        const struct field *f = &m->field[i];
        if (!f->variant)
            continue;
        if (f->d->type != TYPE(ENUM) || f->d->label == LABEL(REPEATED))
            refuse(g, m, f, "a variant must be one enum");
        if (!m->has_event)
            refuse(g, m, f, "only events have variants");
        if (++variants > 1)
            refuse(g, m, f, "is a second variant");
    }
}

static bool same_type(const struct field *a, const struct field *b)
{
    const char *x = a->d->type_name != NULL ? a->d->type_name : "";
    const char *y = b->d->type_name != NULL ? b->d->type_name : "";
    return a->d->type == b->d->type && a->d->label == b->d->label &&
           strcmp(x, y) == 0;
}

/* The hub copies fields by number from an event into its reissue. */
static void check_reissue(struct gen *g, const struct message *m)
{
    if (!m->has_reissue)
        return;
    const struct message *to = find_event(g, m->reissue_as);
    if (to == NULL || to == m) {
        refuse(g, m, NULL, "reissue_as names no other event");
        return;
    }
    if (!to->hub_only)
        refuse(g, to, NULL, "is a reissue, so it must be hub_only");
    for (size_t i = 0; i < to->d->n_field; i++) {
        const struct field *f = &to->field[i];
        const struct field *from = find_field(m, f->d->number);
        if (from != NULL && (from->cls != f->cls || !same_type(from, f)))
            refuse(g, to, f,
                   "differs in class or type from the field of this "
                   "number in the event it is a reissue of");
    }
}

static void check_event(struct gen *g, const struct message *m)
{
    if (m->event == 0)
        refuse(g, m, NULL, "event code 0");
    if (find_event(g, m->event) != m)
        complain(g, m->file, display(m->full), "",
                 "event code %" PRIu32 " is already that of %s", m->event,
                 display(find_event(g, m->event)->full));
    if (m->value)
        refuse(g, m, NULL, "is both an event and a value");
    if (!labelled(m->ja, m->en))
        refuse(g, m, NULL, "has no event_ja or no event_en");
    if (m->hub_only && *m->channel != '\0')
        refuse(g, m, NULL, "is made by the hub, so it has no other channel");
    check_reissue(g, m);
}

static void check_message(struct gen *g, const struct message *m)
{
    if (m->d->n_extension_range != 0 || m->d->n_extension != 0)
        refuse(g, m, NULL, "extensions are not allowed");
    if (m->has_event)
        check_event(g, m);
    else if (m->urgent || m->hub_only || m->has_reissue || *m->channel != '\0')
        refuse(g, m, NULL, "has options of an event without being one");
    check_variant(g, m);
    for (size_t i = 0; i < m->d->n_field; i++) {
        const struct field *f = &m->field[i];
        check_forms(g, m, f);
        check_class(g, m, f);
        if (!m->has_event && !m->value)
            continue;
        check_fill(g, m, f);
        if (!labelled(f->ja, f->en))
            refuse(g, m, f, "has no label: add (ja) and (en)");
    }
}

/* True when a walk from `at` comes back to `root`. */
static bool reaches(struct gen *g, struct message *at,
                    const struct message *root)
{
    if (at == root)
        return true;
    if (at->on_path)
        return false;
    at->on_path = true; /* stays set: each message is looked at once */
    for (size_t i = 0; i < at->d->n_field; i++) {
        struct message *next = find_message(g, at->field[i].d->type_name);
        if (next != NULL && reaches(g, next, root))
            return true;
    }
    return false;
}

static bool check_recursion(struct gen *g, const struct message *m)
{
    bool found = false;
    for (size_t i = 0; i < m->d->n_field; i++) {
        for (size_t k = 0; k < g->messages; k++)
            g->message[k].on_path = false;
        struct message *next = find_message(g, m->field[i].d->type_name);
        if (next != NULL && reaches(g, next, m)) {
            refuse(g, m, &m->field[i],
                   "is recursive: its message leads back "
                   "to the one it is in");
            found = true;
        }
    }
    return found;
}

/* Messages one inside the other, itself included. Needs a schema without
 * recursion. */
static unsigned height(struct gen *g, struct message *m)
{
    if (m->height != 0)
        return m->height;
    unsigned below = 0;
    for (size_t i = 0; i < m->d->n_field; i++) {
        struct message *next = find_message(g, m->field[i].d->type_name);
        unsigned h = next != NULL ? height(g, next) : 0;
        below = h > below ? h : below;
    }
    return m->height = below + 1;
}

/* The field that leads to the deepest message. */
static const struct field *deepest(struct gen *g, const struct message *m)
{
    for (size_t i = 0; i < m->d->n_field; i++) {
        struct message *next = find_message(g, m->field[i].d->type_name);
        if (next != NULL && next->height == m->height - 1)
            return &m->field[i];
    }
    return NULL;
}

static void check_shape(struct gen *g)
{
    bool recursive = false;
    for (size_t i = 0; i < g->messages; i++)
        recursive |= check_recursion(g, &g->message[i]);
    for (size_t i = 0; !recursive && i < g->messages; i++)
        if (height(g, &g->message[i]) > DEPTH_MAX)
            refuse(g, &g->message[i], deepest(g, &g->message[i]),
                   "is nested more than 8 messages deep");
}

static bool ends_in(const char *s, const char *end)
{
    size_t n = strlen(s), k = strlen(end);
    return n >= k && strcmp(s + n - k, end) == 0;
}

static bool has_unspecified(const Enum *e)
{
    for (size_t i = 0; i < e->n_value; i++)
        if (e->value[i]->number == 0)
            return ends_in(e->value[i]->name, "_UNSPECIFIED");
    return false;
}

static void check_enum(struct gen *g, const struct enumeration *e)
{
    const char *name = display(e->full);
    if (!has_unspecified(e->d))
        complain(g, e->file, name, "", "has no value 0 named ..._UNSPECIFIED");
    bool classes = strcmp(name, "DataClass") == 0;
    for (size_t i = 0; i < e->d->n_value; i++) {
        const EnumValue *v = e->d->value[i];
        const ProtobufCMessage *o = (ProtobufCMessage *)v->options;
        if (classes && (v->number < 0 || v->number > CLASS_LAST))
            complain(g, e->file, name, v->name,
                     "more than 63 classes: a mask has no bit for it");
        if ((e->shown || classes) && v->number != 0 &&
            !labelled(text_option(o, 1), text_option(o, 2)))
            complain(g, e->file, name, v->name,
                     "has no label: add (value_ja) and (value_en)");
    }
}

static void check(struct gen *g)
{
    const Request *r = g->req;
    for (size_t i = 0; i < r->n_proto_file; i++)
        for (size_t k = 0; k < r->n_file_to_generate; k++)
            if (strcmp(r->proto_file[i]->name, r->file_to_generate[k]) == 0)
                check_file(g, r->proto_file[i]);
    for (size_t i = 0; i < g->messages; i++)
        check_message(g, &g->message[i]);
    check_shape(g);
    for (size_t i = 0; i < g->enums; i++) /* after messages mark them shown */
        check_enum(g, &g->enumeration[i]);
}

/* ---- writing ------------------------------------------------------------- */

static void write_text(FILE *out, const char *s)
{
    fputc('"', out);
    for (; *s != '\0'; s++) {
        if (*s == '"' || *s == '\\')
            fprintf(out, "\\%c", *s);
        else if ((unsigned char)*s < ' ')
            fprintf(out, "\\%03o", (unsigned)*s);
        else
            fputc(*s, out);
    }
    fputc('"', out);
}

static void write_labels(FILE *out, const char *ja, const char *en)
{
    write_text(out, ja);
    fputs(", ", out);
    write_text(out, en);
}

/* AdmissionRecorded as admission_recorded, the way protoc-c does it: an
 * underscore before each capital that follows a small letter. */
static void write_snake(FILE *out, const char *camel, int (*letter)(int))
{
    bool was_upper = true;
    for (; *camel != '\0'; camel++) {
        bool upper = isupper((unsigned char)*camel);
        if (*camel == '.') {
            fputs(letter == tolower ? "__" : "_", out);
            was_upper = true;
            continue;
        }
        if (upper && !was_upper)
            fputc('_', out);
        fputc(letter((unsigned char)*camel), out);
        was_upper = upper;
    }
}

static void write_descriptor(FILE *out, const char *full)
{
    fputs("&pb__", out);
    write_snake(out, display(full), tolower);
    fputs("__descriptor", out);
}

static void write_field_table(FILE *out, const struct message *m, size_t index)
{
    if (m->d->n_field == 0)
        return;
    fprintf(out, "static const struct schema_field FIELDS_%zu[] = {\n", index);
    for (size_t i = 0; i < m->d->n_field; i++) {
        const struct field *f = &m->field[i];
        fprintf(out, "    {%" PRId32 ", %" PRIu32 ", %s, ", f->d->number,
                f->cls, f->variant ? "true" : "false");
        write_text(out, f->d->name);
        fputs(", ", out);
        write_labels(out, f->ja, f->en);
        fputs("},\n", out);
    }
    fputs("};\n", out);
}

static uint64_t class_mask(const struct message *m)
{
    uint64_t mask = 0;
    for (size_t i = 0; m->has_event && i < m->d->n_field; i++)
        mask |= (uint64_t)1 << m->field[i].cls;
    return mask;
}

static size_t write_class_table(FILE *out, const struct message *m,
                                size_t index)
{
    size_t n = 0;
    for (unsigned c = 1; c <= CLASS_LAST; c++) {
        if ((class_mask(m) >> c & 1) == 0)
            continue;
        if (n++ == 0)
            fprintf(out, "static const uint8_t CLASSES_%zu[] = {", index);
        fprintf(out, "%u, ", c);
    }
    if (n > 0)
        fputs("};\n", out);
    return n;
}

static void write_message(FILE *out, const struct message *m, size_t index,
                          size_t classes)
{
    fputs("    {.descriptor = ", out);
    write_descriptor(out, m->full);
    if (m->d->n_field > 0)
        fprintf(out, ",\n     .fields = FIELDS_%zu, .field_count = %zu", index,
                m->d->n_field);
    fprintf(out, ",\n     .event = %" PRIu32 ", .event_name = \"", m->event);
    if (m->has_event)
        write_snake(out, display(m->full), toupper);
    fputs("\",\n     .ja = ", out);
    write_text(out, m->ja);
    fputs(", .en = ", out);
    write_text(out, m->en);
    fprintf(out, ",\n     .urgent = %s, .hub_only = %s, .reissue_as = %" PRIu32,
            m->urgent ? "true" : "false", m->hub_only ? "true" : "false",
            m->reissue_as);
    fputs(",\n     .channel = ", out);
    write_text(out, m->channel);
    if (classes > 0)
        fprintf(out, ",\n     .classes = CLASSES_%zu, .class_count = %zu",
                index, classes);
    fprintf(out, ",\n     .class_mask = UINT64_C(0x%" PRIx64 ")},\n",
            class_mask(m));
}

static void write_messages(FILE *out, const struct gen *g)
{
    size_t *classes = must(calloc(g->messages + 1, sizeof(*classes)));
    for (size_t i = 0; i < g->messages; i++) {
        fprintf(out, "\n/* %s */\n", display(g->message[i].full));
        write_field_table(out, &g->message[i], i);
        classes[i] = write_class_table(out, &g->message[i], i);
    }
    fputs("\nconst struct schema_message SCHEMA_MESSAGES[] = {\n", out);
    for (size_t i = 0; i < g->messages; i++)
        write_message(out, &g->message[i], i, classes[i]);
    fputs("};\nconst size_t SCHEMA_MESSAGE_COUNT = "
          "NELEM(SCHEMA_MESSAGES);\n",
          out);
}

static void write_enum_table(FILE *out, const Enum *e, size_t index)
{
    fprintf(out, "static const struct schema_enum_value VALUES_%zu[] = {\n",
            index);
    for (size_t i = 0; i < e->n_value; i++) {
        const ProtobufCMessage *o = (ProtobufCMessage *)e->value[i]->options;
        fprintf(out, "    {%" PRId32 ", ", e->value[i]->number);
        write_text(out, e->value[i]->name);
        fputs(", ", out);
        write_labels(out, text_option(o, 1), text_option(o, 2));
        fputs("},\n", out);
    }
    fputs("};\n", out);
}

static void write_enums(FILE *out, const struct gen *g)
{
    for (size_t i = 0; i < g->enums; i++) {
        fprintf(out, "\n/* %s */\n", display(g->enumeration[i].full));
        write_enum_table(out, g->enumeration[i].d, i);
    }
    fputs("\nconst struct schema_enum SCHEMA_ENUMS[] = {\n", out);
    for (size_t i = 0; i < g->enums; i++) {
        fputs("    {", out);
        write_descriptor(out, g->enumeration[i].full);
        fprintf(out, ", VALUES_%zu, NELEM(VALUES_%zu)},\n", i, i);
    }
    fputs("};\nconst size_t SCHEMA_ENUM_COUNT = NELEM(SCHEMA_ENUMS);\n", out);
}

static void write_includes(FILE *out, const struct gen *g)
{
    fputs("/* Made by protoc-gen-tsunagi from the schemas; do not edit. */\n"
          "#include \"proto/wire/schema.h\"\n",
          out);
    for (size_t i = 0; i < g->req->n_proto_file; i++) {
        const File *f = g->req->proto_file[i];
        if (is_ours(f))
            fprintf(out, "#include \"%.*s.pb-c.h\"\n",
                    (int)(strlen(f->name) - strlen(".proto")), f->name);
    }
}

static bool travels(const File *f)
{
    return is_ours(f) && strcmp(f->name, "tsunagi/v1/state.proto") != 0;
}

static void write_digest(FILE *out, const struct gen *g)
{
    const Request *r = g->req;
    FileSet set = GOOGLE__PROTOBUF__FILE_DESCRIPTOR_SET__INIT;
    set.file = must(calloc(r->n_proto_file + 1, sizeof(*set.file)));
    for (size_t i = 0; i < r->n_proto_file; i++) {
        if (!travels(r->proto_file[i]))
            continue;
        r->proto_file[i]->source_code_info = NULL;
        set.file[set.n_file++] = r->proto_file[i];
    }
    size_t n = google__protobuf__file_descriptor_set__get_packed_size(&set);
    uint8_t *bytes = must(malloc(n + 1));
    google__protobuf__file_descriptor_set__pack(&set, bytes);
    uint8_t digest[crypto_hash_sha256_BYTES];
    crypto_hash_sha256(digest, bytes, n);
    fputs("\nconst uint8_t SCHEMA_DIGEST[32] = {\n   ", out);
    for (size_t i = 0; i < sizeof(digest); i++)
        fprintf(out, " 0x%02x,%s", digest[i], i % 8 == 7 ? "\n   " : "");
    fputs("};\n", out);
}

static char *write_tables(const struct gen *g)
{
    char *text = NULL;
    size_t n = 0;
    FILE *out = must(open_memstream(&text, &n));
    write_includes(out, g);
    write_messages(out, g);
    write_enums(out, g);
    write_digest(out, g);
    if (fclose(out) != 0)
        must(NULL);
    return text;
}

static char *write_types(const struct gen *g)
{
    char *text = NULL;
    size_t n = 0;
    FILE *out = must(open_memstream(&text, &n));
    fputs("/* Made by protoc-gen-tsunagi from the schemas; do not edit. */\n"
          "#ifndef TSUNAGI_EVENT_TYPES_H\n#define TSUNAGI_EVENT_TYPES_H\n"
          "enum event_type {\n",
          out);
    for (size_t i = 0; i < g->messages; i++)
        if (g->message[i].has_event) {
            fputs("    EVENT_", out);
            write_snake(out, display(g->message[i].full), toupper);
            fprintf(out, " = %" PRIu32 ",\n", g->message[i].event);
        }
    fputs("    EVENT_NONE = 0\n};\n#endif\n", out);
    if (fclose(out) != 0)
        must(NULL);
    return text;
}

/* ---- talking to protoc --------------------------------------------------- */

static Request *read_request(void)
{
    uint8_t *bytes = NULL;
    size_t n = 0, got = 0;
    do {
        bytes = must(realloc(bytes, n + 65536));
        got = fread(bytes + n, 1, 65536, stdin);
        n += got;
    } while (got > 0);
    return google__protobuf__compiler__code_generator_request__unpack(NULL, n,
                                                                      bytes);
}

static int write_response(const Response *r)
{
    size_t n =
        google__protobuf__compiler__code_generator_response__get_packed_size(r);
    uint8_t *bytes = must(malloc(n + 1));
    google__protobuf__compiler__code_generator_response__pack(r, bytes);
    bool ok = fwrite(bytes, 1, n, stdout) == n && fflush(stdout) == 0;
    return ok ? 0 : 1;
}

int main(void)
{
    struct gen g = {.req = read_request()};
    if (g.req == NULL) {
        fputs("protoc-gen-tsunagi: run it through protoc\n", stderr);
        return 1;
    }
    char tables[] = "schema_tables.c", types[] = "event_types.h";
    char *complaints = NULL;
    size_t n = 0;
    g.complaints = must(open_memstream(&complaints, &n));
    collect(&g);
    check(&g);
    if (fclose(g.complaints) != 0)
        must(NULL);
    Response r = GOOGLE__PROTOBUF__COMPILER__CODE_GENERATOR_RESPONSE__INIT;
    OutFile file[2] = {
        GOOGLE__PROTOBUF__COMPILER__CODE_GENERATOR_RESPONSE__FILE__INIT,
        GOOGLE__PROTOBUF__COMPILER__CODE_GENERATOR_RESPONSE__FILE__INIT};
    OutFile *files[] = {&file[0], &file[1]};
    r.has_supported_features = 1;
    r.supported_features = 1; /* proto3 optional: to refuse proto3 ourselves */
    if (g.complained > 0) {
        r.error = complaints;
    } else {
        file[0].name = tables;
        file[0].content = write_tables(&g);
        file[1].name = types;
        file[1].content = write_types(&g);
        r.n_file = 2;
        r.file = files;
    }
    return write_response(&r);
}
