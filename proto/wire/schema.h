/* schema.h - what the schemas say beyond types: the tables that
 * protoc-gen-tsunagi writes (schema_tables.c, and EVENT_* in event_types.h)
 * and look-ups in them. */
#ifndef TSUNAGI_WIRE_SCHEMA_H
#define TSUNAGI_WIRE_SCHEMA_H
#include "event_types.h"
#include "proto/base/buf.h"
#include "tsunagi/v1/options.pb-c.h"
#include <protobuf-c/protobuf-c.h>

#define CLASS_MAX 64 /* bit positions in a mask */

struct schema_field {
    uint32_t number;
    uint8_t cls; /* 0 in value messages */
    bool variant;
    const char *name, *ja, *en;
};
struct schema_message {
    const ProtobufCMessageDescriptor *descriptor;
    const struct schema_field *fields; /* ascending by number */
    size_t field_count;
    uint32_t event;         /* 0: not an event body */
    const char *event_name; /* ADMISSION_RECORDED */
    const char *ja, *en;
    bool urgent, hub_only;
    uint32_t reissue_as;
    const char *channel;    /* "": this hub's */
    const uint8_t *classes; /* of an event: ascending, without routing */
    size_t class_count;
    uint64_t class_mask;
};
struct schema_enum_value {
    int32_t number;
    const char *name, *ja, *en;
};
struct schema_enum {
    const ProtobufCEnumDescriptor *descriptor;
    const struct schema_enum_value *values;
    size_t value_count;
};

/* Generated. */
extern const struct schema_message SCHEMA_MESSAGES[];
extern const size_t SCHEMA_MESSAGE_COUNT;
extern const struct schema_enum SCHEMA_ENUMS[];
extern const size_t SCHEMA_ENUM_COUNT;
extern const uint8_t SCHEMA_DIGEST[32]; /* SHA-256 of the descriptor set,
                                          without state.proto */

/* NULL when there is none. */
const struct schema_message *schema_event(uint32_t type);
const struct schema_message *schema_event_named(const char *name);
const struct schema_message *schema_of(const ProtobufCMessageDescriptor *d);
const struct schema_field *schema_field(const struct schema_message *m,
                                        uint32_t number);
const struct schema_enum_value *
schema_enum_value(const ProtobufCEnumDescriptor *d, int32_t number);
/* "G_ID" and "氏名…"; "" for an unknown class. */
const char *class_name(unsigned cls);
const char *class_ja(unsigned cls);
const char *class_en(unsigned cls);
unsigned class_from_name(const char *name); /* 0 when unknown */
static inline uint64_t class_bit(unsigned cls)
{
    return cls < CLASS_MAX ? (uint64_t)1 << cls : 0;
}
/* A list of classes as a mask, what is no class left out; and back: how many.
 */
uint64_t class_mask(const Pb__DataClass *list, size_t n);
size_t class_list(uint64_t mask, Pb__DataClass list[CLASS_MAX]);
/* The name of an enum's value, "" for an unknown one. */
const char *schema_enum_name(const ProtobufCEnumDescriptor *d, int32_t number);
/* Bytes of one value of a field in protobuf-c's struct. */
size_t schema_value_size(const ProtobufCFieldDescriptor *f);
/* How many values a field has: 0 or 1 unless repeated. */
size_t schema_count(const ProtobufCMessage *m,
                    const ProtobufCFieldDescriptor *f);
/* Where the i-th lies, i < schema_count. */
const void *schema_element(const ProtobufCMessage *m,
                           const ProtobufCFieldDescriptor *f, size_t i);
/* A value that is a number, bool or enum. */
uint64_t schema_number(const ProtobufCFieldDescriptor *f, const void *at);
/* The name of the variant field's value in a body, "" when it has none. */
const char *schema_variant(const struct schema_message *m,
                           const ProtobufCMessage *body);
#endif
