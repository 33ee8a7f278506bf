/* field.c - paths walked along the message descriptors, and text turned into
 * what JSON holds for a field: enums by name or Japanese label, times and
 * dates in any accepted form. */
#include "adapters/sdk/field.h"
#include "proto/base/date.h"
#include "proto/base/text.h"
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define INDEX_MAX 255
#define NAME_LEN_MAX 64

/* ---- one value as text ---- */

static enum err enum_value(const ProtobufCEnumDescriptor *d, const char *text,
                           json_t **out)
{
    const char *name = NULL;
    const ProtobufCEnumValue *v =
        protobuf_c_enum_descriptor_get_value_by_name(d, text);
    if (v != NULL)
        name = v->name;
    for (size_t i = 0; name == NULL && i < d->n_values; i++) {
        const struct schema_enum_value *s =
            schema_enum_value(d, d->values[i].value);
        if (s != NULL && s->ja != NULL && strcmp(s->ja, text) == 0)
            name = d->values[i].name;
    }
    if (name == NULL)
        return ERR_PB_UNKNOWN_ENUM;
    *out = json_string(name);
    return ERR_OK;
}

static enum err bool_value(const char *text, json_t **out)
{
    bool yes = strcmp(text, "true") == 0 || strcmp(text, "1") == 0;
    if (!yes && strcmp(text, "false") != 0 && strcmp(text, "0") != 0)
        return ERR_VAL_TYPE;
    *out = json_boolean(yes);
    return ERR_OK;
}

static bool decimal(const char *text)
{
    size_t n = strspn(text, "0123456789");
    return n > 0 && n < 19 && text[n] == '\0';
}

static enum err number_value(const ProtobufCFieldDescriptor *f,
                             const char *text, json_t **out)
{
    size_t n = strlen(f->name);
    uint64_t ms;
    if (decimal(text)) {
        *out = json_integer((json_int_t)strtoll(text, NULL, 10));
        return ERR_OK;
    }
    if (n < 4 || strcmp(f->name + n - 3, "_ms") != 0)
        return ERR_VAL_TYPE;
    enum err e = time_parse(text, &ms);
    if (e == ERR_OK)
        *out = json_integer((json_int_t)ms);
    return e;
}

static enum err text_value(const ProtobufCFieldDescriptor *f, const char *text,
                           json_t **out)
{
    struct date date;
    struct slice s = slice_str(text);
    enum err e = text_check_utf8(s);
    if (e == ERR_OK && f->type == PROTOBUF_C_TYPE_STRING)
        e = text_check_field(s);
    if (e == ERR_OK && f->type == PROTOBUF_C_TYPE_MESSAGE)
        e = strcmp(
                ((const ProtobufCMessageDescriptor *)f->descriptor)->short_name,
                "Date") == 0
                ? date_parse(s, &date)
                : ERR_VAL_TYPE;
    if (e == ERR_OK)
        *out = json_stringn(text, s.n);
    return e;
}

static enum err value_of(const ProtobufCFieldDescriptor *f, const char *text,
                         json_t **out)
{
    *out = NULL;
    enum err e;
    switch (f->type) {
    case PROTOBUF_C_TYPE_ENUM:
        e = enum_value(f->descriptor, text, out);
        break;
    case PROTOBUF_C_TYPE_BOOL:
        e = bool_value(text, out);
        break;
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_UINT64:
        e = number_value(f, text, out);
        break;
    default:
        e = text_value(f, text, out);
        break;
    }
    return e == ERR_OK && *out == NULL ? ERR_NOMEM : e;
}

/* ---- paths ---- */

/* One step of a path: name and, when given, index. */
struct path_step {
    char name[NAME_LEN_MAX];
    bool indexed;
    size_t index;
    const char *rest; /* after the dot; NULL at the end */
};

static enum err take_step(const char *path, struct path_step *s)
{
    size_t n = strcspn(path, ".[");
    memset(s, 0, sizeof(*s));
    if (n == 0 || n >= sizeof(s->name))
        return ERR_VAL_FIELD;
    memcpy(s->name, path, n);
    path += n;
    if (*path == '[') {
        char *end;
        unsigned long i = strtoul(path + 1, &end, 10);
        if (!isdigit((unsigned char)path[1]) || *end != ']' || i > INDEX_MAX)
            return ERR_VAL_FIELD;
        s->indexed = true;
        s->index = i;
        path = end + 1;
    }
    if (*path != '\0' && *path != '.')
        return ERR_VAL_FIELD;
    s->rest = *path == '.' ? path + 1 : NULL;
    return ERR_OK;
}

/* Puts v (taken) under the step. Elements come in order, without holes. */
static enum err put(json_t *object, const struct path_step *s, json_t *v)
{
    int rc;
    if (!s->indexed) {
        rc = json_object_set_new(object, s->name, v);
        return rc == 0 ? ERR_OK : ERR_NOMEM;
    }
    json_t *a = json_object_get(object, s->name);
    if (a == NULL) {
        a = json_array();
        if (json_object_set_new(object, s->name, a) != 0) {
            json_decref(v);
            return ERR_NOMEM;
        }
    }
    if (s->index > json_array_size(a)) {
        json_decref(v);
        return ERR_VAL_FIELD;
    }
    rc = s->index == json_array_size(a) ? json_array_append_new(a, v)
                                        : json_array_set_new(a, s->index, v);
    return rc == 0 ? ERR_OK : ERR_NOMEM;
}

/* The object under the step, made when there is none. */
static enum err child_of(json_t *object, const struct path_step *s,
                         json_t **child)
{
    json_t *v = json_object_get(object, s->name);
    if (s->indexed)
        v = json_array_get(v, s->index);
    *child = v;
    if (json_is_object(v))
        return ERR_OK;
    *child = json_object();
    return *child != NULL ? put(object, s, *child) : ERR_NOMEM;
}

enum err field_set(json_t *object, const ProtobufCMessageDescriptor *d,
                   const char *path, const char *text)
{
    struct path_step s;
    enum err e = take_step(path, &s);
    const ProtobufCFieldDescriptor *f =
        e == ERR_OK ? protobuf_c_message_descriptor_get_field_by_name(d, s.name)
                    : NULL;
    if (f == NULL || s.indexed != (f->label == PROTOBUF_C_LABEL_REPEATED))
        return ERR_VAL_FIELD;
    json_t *v;
    if (s.rest == NULL) {
        e = value_of(f, text, &v);
        return e == ERR_OK ? put(object, &s, v) : e;
    }
    if (f->type != PROTOBUF_C_TYPE_MESSAGE)
        return ERR_VAL_FIELD;
    e = child_of(object, &s, &v);
    return e == ERR_OK ? field_set(v, f->descriptor, s.rest, text) : e;
}
