/* json.h - messages as JSON and back, by descriptors alone. Field names are
 * the schema's; enums by name; bytes as hex (16 bytes: UUID form); dates may be
 * given as one string in any accepted form. Needs jansson: not linked into
 * tsunagid. */
#ifndef TSUNAGI_WIRE_JSON_H
#define TSUNAGI_WIRE_JSON_H
#include "proto/wire/schema.h"
#include <jansson.h>
/* *out by unpack_free. why receives "field: sentence". ERR_VAL_*. */
enum err json_to_message(const json_t *j, const ProtobufCMessageDescriptor *d,
                         ProtobufCMessage **out, struct buf *why) MUST_CHECK;
/* A new reference, NULL when out of memory. Absent fields are left out. */
json_t *json_from_message(const ProtobufCMessage *m);
/* Strict parse: duplicates, trailing text and non-UTF-8 refused. */
enum err json_parse(struct slice text, json_t **out,
                    struct buf *why) MUST_CHECK;
#endif
