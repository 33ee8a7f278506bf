/* schema.c - look-ups in the generated tables. Some fifty messages and twenty
 * enums: walking them costs less than keeping an index right. */
#include "proto/wire/schema.h"
#include "tsunagi/v1/options.pb-c.h"
#include <assert.h>
#include <string.h>

const struct schema_message *schema_event(uint32_t type)
{
    for (size_t i = 0; type != 0 && i < SCHEMA_MESSAGE_COUNT; i++)
        if (SCHEMA_MESSAGES[i].event == type)
            return &SCHEMA_MESSAGES[i];
    return NULL;
}

const struct schema_message *schema_event_named(const char *name)
{
    assert(name != NULL);
    for (size_t i = 0; i < SCHEMA_MESSAGE_COUNT; i++)
        if (SCHEMA_MESSAGES[i].event != 0 &&
            strcmp(SCHEMA_MESSAGES[i].event_name, name) == 0)
            return &SCHEMA_MESSAGES[i];
    return NULL;
}

const struct schema_message *schema_of(const ProtobufCMessageDescriptor *d)
{
    for (size_t i = 0; i < SCHEMA_MESSAGE_COUNT; i++)
        if (SCHEMA_MESSAGES[i].descriptor == d)
            return &SCHEMA_MESSAGES[i];
    return NULL;
}

const struct schema_field *schema_field(const struct schema_message *m,
                                        uint32_t number)
{
    assert(m != NULL);
    for (size_t i = 0; i < m->field_count; i++)
        if (m->fields[i].number == number)
            return &m->fields[i];
    return NULL;
}

const struct schema_enum_value *
schema_enum_value(const ProtobufCEnumDescriptor *d, int32_t number)
{
    for (size_t i = 0; i < SCHEMA_ENUM_COUNT; i++) {
        const struct schema_enum *e = &SCHEMA_ENUMS[i];
        for (size_t k = 0; e->descriptor == d && k < e->value_count; k++)
            if (e->values[k].number == number)
                return &e->values[k];
    }
    return NULL;
}

static const struct schema_enum_value *class_value(unsigned cls)
{
    if (cls == 0 || cls >= CLASS_MAX)
        return NULL;
    return schema_enum_value(&pb__data_class__descriptor, (int32_t)cls);
}

const char *class_name(unsigned cls)
{
    const struct schema_enum_value *v = class_value(cls);
    return v != NULL ? v->name : "";
}

const char *class_ja(unsigned cls)
{
    const struct schema_enum_value *v = class_value(cls);
    return v != NULL ? v->ja : "";
}

const char *class_en(unsigned cls)
{
    const struct schema_enum_value *v = class_value(cls);
    return v != NULL ? v->en : "";
}

uint64_t class_mask(const Pb__DataClass *list, size_t n)
{
    uint64_t mask = 0;
    for (size_t i = 0; i < n; i++)
        if (list[i] > 0 && (unsigned)list[i] < CLASS_MAX)
            mask |= class_bit((unsigned)list[i]);
    return mask;
}

size_t class_list(uint64_t mask, Pb__DataClass list[CLASS_MAX])
{
    size_t n = 0;
    for (unsigned c = 1; c < CLASS_MAX; c++)
        if ((mask & class_bit(c)) != 0)
            list[n++] = (Pb__DataClass)c;
    return n;
}

const char *schema_enum_name(const ProtobufCEnumDescriptor *d, int32_t number)
{
    const ProtobufCEnumValue *v =
        protobuf_c_enum_descriptor_get_value(d, number);
    return v != NULL ? v->name : "";
}

unsigned class_from_name(const char *name)
{
    assert(name != NULL);
    for (unsigned c = 1; c < CLASS_MAX; c++)
        if (class_value(c) != NULL && strcmp(class_name(c), name) == 0)
            return c;
    return 0;
}

/* The value of a present optional enum, 0 when it is absent. */
static int32_t enum_at(const ProtobufCMessage *body,
                       const ProtobufCFieldDescriptor *f)
{
    const uint8_t *base = (const uint8_t *)body;
    protobuf_c_boolean has;
    memcpy(&has, base + f->quantifier_offset, sizeof(has));
    int value;
    memcpy(&value, base + f->offset, sizeof(value));
    return has ? value : 0;
}

const char *schema_variant(const struct schema_message *m,
                           const ProtobufCMessage *body)
{
    assert(m != NULL && body != NULL && body->descriptor == m->descriptor);
    for (size_t i = 0; i < m->field_count; i++) {
        if (!m->fields[i].variant)
            continue;
        const ProtobufCFieldDescriptor *f =
            protobuf_c_message_descriptor_get_field(m->descriptor,
                                                    m->fields[i].number);
        int32_t value = enum_at(body, f);
        const struct schema_enum_value *v =
            value != 0 ? schema_enum_value(f->descriptor, value) : NULL;
        return v != NULL ? v->name : "";
    }
    return "";
}

size_t schema_value_size(const ProtobufCFieldDescriptor *f)
{
    switch (f->type) {
    case PROTOBUF_C_TYPE_BOOL:
        return sizeof(protobuf_c_boolean);
    case PROTOBUF_C_TYPE_UINT64:
        return sizeof(uint64_t);
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_ENUM:
        return sizeof(uint32_t);
    case PROTOBUF_C_TYPE_BYTES:
        return sizeof(ProtobufCBinaryData);
    default:
        return sizeof(void *);
    }
}

size_t schema_count(const ProtobufCMessage *m,
                    const ProtobufCFieldDescriptor *f)
{
    const uint8_t *base = (const uint8_t *)m;
    size_t n;
    const void *p;
    protobuf_c_boolean has;
    if (f->label == PROTOBUF_C_LABEL_REPEATED) {
        memcpy(&n, base + f->quantifier_offset, sizeof(n));
        return n;
    }
    if (f->type == PROTOBUF_C_TYPE_STRING ||
        f->type == PROTOBUF_C_TYPE_MESSAGE) {
        memcpy(&p, base + f->offset, sizeof(p));
        return p != NULL;
    }
    memcpy(&has, base + f->quantifier_offset, sizeof(has));
    return has ? 1 : 0;
}

const void *schema_element(const ProtobufCMessage *m,
                           const ProtobufCFieldDescriptor *f, size_t i)
{
    const uint8_t *at = (const uint8_t *)m + f->offset;
    if (f->label != PROTOBUF_C_LABEL_REPEATED)
        return at;
    const uint8_t *list;
    memcpy(&list, at, sizeof(list));
    return list + i * schema_value_size(f);
}

uint64_t schema_number(const ProtobufCFieldDescriptor *f, const void *at)
{
    uint64_t wide;
    uint32_t narrow;
    if (f->type == PROTOBUF_C_TYPE_UINT64) {
        memcpy(&wide, at, sizeof(wide));
        return wide;
    }
    memcpy(&narrow, at, sizeof(narrow)); /* enums and bools are int */
    return narrow;
}
