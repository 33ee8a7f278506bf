/* json.c - messages as JSON for people and scripts, by descriptors alone.
 *
 * Reading writes the wire form directly, field by field in ascending order
 * (which is the one canonical order), and hands it to unpack(): what comes
 * from JSON passes the same gate as what comes from the network, and there is
 * one allocator for messages. Writing walks the message.
 *
 *   bool true/false · numbers as integers (above 2^63 as decimal text) · enums
 *   by name · text as it is · bytes as hex, 16 bytes in UUID form · messages
 *   as objects, repeated fields as arrays · null nowhere.
 *
 * Two conveniences on the way in: a Date may be one string in any form that
 * people write, and a field named ..._ms may be an RFC 3339 time. Complaints
 * name the field by its path and never quote a value. */
#include "proto/wire/json.h"
#include "proto/base/date.h"
#include "proto/base/id.h"
#include "proto/base/text.h"
#include "proto/wire/unpack.h"
#include "tsunagi/v1/value.pb-c.h"
#include <assert.h>
#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define DEPTH_MAX 8
#define KEY_SHOWN 64
enum { WIRE_VARINT = 0, WIRE_BYTES = 2 };

/* ---- complaints ---- */

/* Where in the document we are; a chain up to the root, on the stack. */
struct where {
    const struct where *up;
    const char *name; /* NULL: an element of the array above */
    size_t index;
};

static void add_path(struct buf *b, const struct where *w)
{
    if (w == NULL)
        return;
    add_path(b, w->up);
    if (w->name == NULL)
        buf_addf(b, "[%zu]", w->index);
    else
        buf_addf(b, "%s%s", w->up != NULL ? "." : "", w->name);
}

static enum err complain(enum err e, const struct where *w, struct buf *why)
{
    if (why == NULL)
        return e;
    size_t before = why->n;
    add_path(why, w);
    buf_addf(why, "%s%s %s", why->n > before ? ": " : "", err_ja(e), err_en(e));
    return e;
}

/* A name we do not know is shown only when it looks like one. */
static bool showable(const char *key)
{
    size_t n = strlen(key);
    for (size_t i = 0; i < n; i++)
        if (!isalnum((unsigned char)key[i]) && key[i] != '_')
            return false;
    return n > 0 && n <= KEY_SHOWN;
}

/* ---- writing wire bytes ---- */

static void put_varint(struct buf *b, uint64_t v)
{
    uint8_t bytes[10];
    size_t n = 0;
    do {
        bytes[n++] = (uint8_t)((v & 0x7f) | (v > 0x7f ? 0x80 : 0));
        v >>= 7;
    } while (v != 0);
    buf_add(b, bytes, n);
}

static void put_tag(struct buf *b, uint32_t number, unsigned type)
{
    put_varint(b, (uint64_t)number << 3 | type);
}

static void put_number(struct buf *b, uint32_t number, uint64_t v)
{
    put_tag(b, number, WIRE_VARINT);
    put_varint(b, v);
}

static void put_bytes(struct buf *b, uint32_t number, struct slice s)
{
    put_tag(b, number, WIRE_BYTES);
    put_varint(b, s.n);
    buf_add(b, s.p, s.n);
}

static void put_text(struct buf *b, uint32_t number, const char *s)
{
    put_bytes(b, number, slice_str(s));
}

/* ---- JSON to wire ---- */

/* What a conversion carries along. */
struct conv {
    struct buf *why;
    unsigned depth;
};

static enum err put_message(struct conv *c, const json_t *j,
                            const ProtobufCMessageDescriptor *d,
                            const struct where *w, struct buf *out);

static bool is_date(const ProtobufCMessageDescriptor *d)
{
    return d == &pb__date__descriptor;
}

static uint64_t precision_of(struct date d)
{
    if (d.day != 0)
        return PB__PRECISION__DAY;
    return d.month != 0 ? PB__PRECISION__MONTH : PB__PRECISION__YEAR;
}

/* A date given as one string. Field numbers are those of Date. */
static enum err put_date(const char *text, struct buf *out)
{
    struct date d;
    char iso[DATE_TEXT];
    enum err e = date_parse(slice_str(text), &d);
    if (e != ERR_OK)
        return e;
    date_iso(d, iso);
    put_text(out, 1, iso);
    if (strcmp(iso, text) != 0)
        put_text(out, 2, text);
    put_number(out, 3, precision_of(d));
    if (d.era)
        put_number(out, 4, 1);
    if (d.overrun)
        put_number(out, 5, 1);
    return ERR_OK;
}

static bool ends_ms(const char *name)
{
    size_t n = strlen(name);
    return n > 3 && strcmp(name + n - 3, "_ms") == 0;
}

static bool read_decimal(const char *s, uint64_t *v)
{
    *v = 0;
    if (*s == '\0' || (s[0] == '0' && s[1] != '\0'))
        return false;
    for (; *s != '\0'; s++) {
        unsigned digit = (unsigned)(unsigned char)*s - '0';
        if (digit > 9 || *v > (UINT64_MAX - digit) / 10)
            return false;
        *v = *v * 10 + digit;
    }
    return true;
}

static enum err read_uint64(const ProtobufCFieldDescriptor *f, const json_t *j,
                            uint64_t *v)
{
    if (json_is_integer(j) && json_integer_value(j) >= 0) {
        *v = (uint64_t)json_integer_value(j);
        return ERR_OK;
    }
    if (!json_is_string(j))
        return ERR_VAL_TYPE;
    if (read_decimal(json_string_value(j), v))
        return ERR_OK;
    return ends_ms(f->name) ? time_parse(json_string_value(j), v)
                            : ERR_VAL_TYPE;
}

static enum err read_uint32(const json_t *j, uint64_t *v)
{
    if (!json_is_integer(j) || json_integer_value(j) < 0 ||
        json_integer_value(j) > UINT32_MAX)
        return ERR_VAL_TYPE;
    *v = (uint64_t)json_integer_value(j);
    return ERR_OK;
}

static enum err read_enum(const ProtobufCFieldDescriptor *f, const json_t *j,
                          uint64_t *v)
{
    if (!json_is_string(j))
        return ERR_VAL_TYPE;
    const ProtobufCEnumValue *found =
        protobuf_c_enum_descriptor_get_value_by_name(f->descriptor,
                                                     json_string_value(j));
    if (found == NULL)
        return ERR_PB_UNKNOWN_ENUM;
    *v = (uint64_t)(int64_t)found->value;
    return ERR_OK;
}

static enum err put_scalar(const ProtobufCFieldDescriptor *f, const json_t *j,
                           struct buf *out)
{
    uint64_t v = 0;
    enum err e = ERR_OK;
    switch (f->type) {
    case PROTOBUF_C_TYPE_BOOL:
        e = json_is_boolean(j) ? ERR_OK : ERR_VAL_TYPE;
        v = json_is_true(j);
        break;
    case PROTOBUF_C_TYPE_UINT64:
        e = read_uint64(f, j, &v);
        break;
    case PROTOBUF_C_TYPE_UINT32:
        e = read_uint32(j, &v);
        break;
    case PROTOBUF_C_TYPE_ENUM:
        e = read_enum(f, j, &v);
        break;
    default: /* the schemas use no other numbers */
        assert(!"field type outside the schemas");
    }
    if (e == ERR_OK)
        put_number(out, f->id, v);
    return e;
}

static enum err put_string(const ProtobufCFieldDescriptor *f, const json_t *j,
                           struct buf *out)
{
    if (!json_is_string(j))
        return ERR_VAL_TYPE;
    struct slice s = slice_of(json_string_value(j), json_string_length(j));
    enum err e = text_check_utf8(s);
    if (e == ERR_OK)
        put_bytes(out, f->id, s);
    return e;
}

static enum err put_hex(const ProtobufCFieldDescriptor *f, const char *hex,
                        struct buf *out)
{
    size_t n = strlen(hex) / 2;
    uint8_t *raw = malloc(n + 1);
    if (raw == NULL)
        return ERR_NOMEM;
    enum err e = hex_decode(hex, raw, n) == ERR_OK ? ERR_OK : ERR_VAL_TYPE;
    if (e == ERR_OK)
        put_bytes(out, f->id, slice_of(raw, n));
    free(raw);
    return e;
}

static enum err put_binary(const ProtobufCFieldDescriptor *f, const json_t *j,
                           struct buf *out)
{
    struct id id;
    if (!json_is_string(j))
        return ERR_VAL_TYPE;
    if (strchr(json_string_value(j), '-') == NULL)
        return put_hex(f, json_string_value(j), out);
    if (id_parse(json_string_value(j), &id) != ERR_OK)
        return ERR_VAL_TYPE;
    put_bytes(out, f->id, slice_of(id.b, ID_BYTES));
    return ERR_OK;
}

/* Complains itself, being the one that knows the path below f. */
static enum err put_child(struct conv *c, const ProtobufCFieldDescriptor *f,
                          const json_t *j, const struct where *w,
                          struct buf *out)
{
    const ProtobufCMessageDescriptor *d = f->descriptor;
    struct buf b = {0};
    enum err e;
    if (is_date(d) && json_is_string(j)) {
        e = put_date(json_string_value(j), &b);
        if (e != ERR_OK)
            complain(e, w, c->why);
    } else {
        e = put_message(c, j, d, w, &b);
    }
    if (e == ERR_OK && b.failed)
        e = ERR_NOMEM;
    if (e == ERR_OK)
        put_bytes(out, f->id, buf_slice(&b));
    buf_fini(&b);
    return e;
}

static enum err put_value(struct conv *c, const ProtobufCFieldDescriptor *f,
                          const json_t *j, const struct where *w,
                          struct buf *out)
{
    enum err e;
    if (f->type == PROTOBUF_C_TYPE_MESSAGE)
        return put_child(c, f, j, w, out);
    if (f->type == PROTOBUF_C_TYPE_STRING)
        e = put_string(f, j, out);
    else if (f->type == PROTOBUF_C_TYPE_BYTES)
        e = put_binary(f, j, out);
    else
        e = put_scalar(f, j, out);
    return e == ERR_OK ? ERR_OK : complain(e, w, c->why);
}

static enum err put_array(struct conv *c, const ProtobufCFieldDescriptor *f,
                          const json_t *j, const struct where *w,
                          struct buf *out)
{
    if (!json_is_array(j))
        return complain(ERR_VAL_TYPE, w, c->why);
    for (size_t i = 0; i < json_array_size(j); i++) {
        struct where at = {w, NULL, i};
        enum err e = put_value(c, f, json_array_get(j, i), &at, out);
        if (e != ERR_OK)
            return e;
    }
    return ERR_OK;
}

static enum err check_names(struct conv *c, const json_t *j,
                            const ProtobufCMessageDescriptor *d,
                            const struct where *up)
{
    /* jansson's iterators take a mutable object and change nothing */
    json_t *object = (json_t *)(uintptr_t)j;
    for (void *it = json_object_iter(object); it != NULL;
         it = json_object_iter_next(object, it)) {
        const char *key = json_object_iter_key(it);
        struct where at = {up, showable(key) ? key : "?", 0};
        if (protobuf_c_message_descriptor_get_field_by_name(d, key) == NULL)
            return complain(ERR_VAL_FIELD, &at, c->why);
    }
    return ERR_OK;
}

static enum err put_fields(struct conv *c, const json_t *j,
                           const ProtobufCMessageDescriptor *d,
                           const struct where *up, struct buf *out)
{
    for (unsigned i = 0; i < d->n_fields; i++) {
        const ProtobufCFieldDescriptor *f = &d->fields[i];
        const json_t *value = json_object_get(j, f->name);
        struct where at = {up, f->name, 0};
        if (value == NULL)
            continue;
        enum err e = f->label == PROTOBUF_C_LABEL_REPEATED
                         ? put_array(c, f, value, &at, out)
                         : put_value(c, f, value, &at, out);
        if (e != ERR_OK)
            return e;
    }
    return out->failed ? ERR_NOMEM : ERR_OK;
}

static enum err put_message(struct conv *c, const json_t *j,
                            const ProtobufCMessageDescriptor *d,
                            const struct where *w, struct buf *out)
{
    if (!json_is_object(j))
        return complain(ERR_VAL_TYPE, w, c->why);
    if (c->depth == DEPTH_MAX)
        return complain(ERR_PB_DEPTH, w, c->why);
    c->depth++;
    enum err e = check_names(c, j, d, w);
    if (e == ERR_OK)
        e = put_fields(c, j, d, w, out);
    c->depth--;
    return e;
}

enum err json_to_message(const json_t *j, const ProtobufCMessageDescriptor *d,
                         ProtobufCMessage **out, struct buf *why)
{
    struct conv c = {.why = why};
    struct buf b = {0};
    *out = NULL;
    enum err e = put_message(&c, j, d, NULL, &b);
    if (e == ERR_OK) {
        e = unpack(d, buf_slice(&b), out);
        if (e != ERR_OK)
            complain(e, NULL, why);
    }
    buf_fini(&b);
    return e;
}

/* ---- message to JSON ---- */

static json_t *from_bytes(struct slice s)
{
    struct id id;
    char text[ID_TEXT];
    if (id_from(s, &id) == ERR_OK) {
        id_format(id, text);
        return json_string(text);
    }
    struct buf b = {0};
    buf_add_hex(&b, s);
    json_t *j = b.failed ? NULL : json_stringn(b.p ? (char *)b.p : "", b.n);
    buf_fini(&b);
    return j;
}

static json_t *from_uint64(uint64_t v)
{
    char text[24];
    if (v <= INT64_MAX)
        return json_integer((json_int_t)v);
    snprintf(text, sizeof(text), "%" PRIu64, v);
    return json_string(text);
}

static json_t *from_enum(const ProtobufCEnumDescriptor *d, int32_t value)
{
    const ProtobufCEnumValue *v =
        protobuf_c_enum_descriptor_get_value(d, value);
    return v != NULL ? json_string(v->name) : json_integer(value);
}

/* One value of f's type, at p. */
static json_t *from_value(const ProtobufCFieldDescriptor *f, const void *p)
{
    switch (f->type) {
    case PROTOBUF_C_TYPE_BOOL:
        return json_boolean(*(const protobuf_c_boolean *)p);
    case PROTOBUF_C_TYPE_UINT64:
        return from_uint64(*(const uint64_t *)p);
    case PROTOBUF_C_TYPE_UINT32:
        return json_integer(*(const uint32_t *)p);
    case PROTOBUF_C_TYPE_ENUM:
        return from_enum(f->descriptor, *(const int32_t *)p);
    case PROTOBUF_C_TYPE_STRING:
        return json_string(*(char *const *)p);
    case PROTOBUF_C_TYPE_BYTES:
        return from_bytes(pb_slice(*(const ProtobufCBinaryData *)p));
    case PROTOBUF_C_TYPE_MESSAGE:
        return json_from_message(*(ProtobufCMessage *const *)p);
    default:
        assert(!"field type outside the schemas");
        return NULL;
    }
}

static const void *member(const ProtobufCMessage *m, unsigned offset)
{
    return (const char *)m + offset;
}

static size_t count_of(const ProtobufCMessage *m,
                       const ProtobufCFieldDescriptor *f)
{
    return *(const size_t *)member(m, f->quantifier_offset);
}

static bool is_present(const ProtobufCMessage *m,
                       const ProtobufCFieldDescriptor *f)
{
    if (f->label == PROTOBUF_C_LABEL_REPEATED)
        return count_of(m, f) > 0;
    if (f->type == PROTOBUF_C_TYPE_STRING || f->type == PROTOBUF_C_TYPE_MESSAGE)
        return *(void *const *)member(m, f->offset) != NULL;
    return *(const protobuf_c_boolean *)member(m, f->quantifier_offset);
}

static json_t *from_array(const ProtobufCMessage *m,
                          const ProtobufCFieldDescriptor *f)
{
    json_t *a = json_array();
    const char *values = *(char *const *)member(m, f->offset);
    for (size_t i = 0; a != NULL && i < count_of(m, f); i++)
        if (json_array_append_new(
                a, from_value(f, values + i * schema_value_size(f))) != 0) {
            json_decref(a);
            return NULL;
        }
    return a;
}

json_t *json_from_message(const ProtobufCMessage *m)
{
    const ProtobufCMessageDescriptor *d = m->descriptor;
    json_t *o = json_object();
    for (unsigned i = 0; o != NULL && i < d->n_fields; i++) {
        const ProtobufCFieldDescriptor *f = &d->fields[i];
        if (!is_present(m, f))
            continue;
        json_t *v = f->label == PROTOBUF_C_LABEL_REPEATED
                        ? from_array(m, f)
                        : from_value(f, member(m, f->offset));
        if (json_object_set_new(o, f->name, v) != 0) {
            json_decref(o);
            return NULL;
        }
    }
    return o;
}

/* ---- text ---- */

/* jansson's own message may quote the document, so only the place is told. */
enum err json_parse(struct slice text, json_t **out, struct buf *why)
{
    json_error_t at;
    *out = json_loadb(text.n > 0 ? (const char *)text.p : "", text.n,
                      JSON_REJECT_DUPLICATES, &at);
    if (*out != NULL)
        return ERR_OK;
    if (why != NULL)
        buf_addf(why, "%d:%d: ", at.line, at.column);
    return complain(ERR_VAL_JSON, NULL, why);
}
