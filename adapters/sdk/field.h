/* field.h - one field of a body, set by its path from text. */
#ifndef TSUNAGI_SDK_FIELD_H
#define TSUNAGI_SDK_FIELD_H
#include "proto/wire/schema.h"
#include <jansson.h>
/* "name.kanji", "guardian[0].phone": elements come in order, without holes.
 * ERR_VAL_FIELD: no such field; ERR_VAL_*, ERR_PB_*: not a value of its kind.
 * object grows in the form that json_to_message reads. */
enum err field_set(json_t *object, const ProtobufCMessageDescriptor *d,
                   const char *path, const char *text) MUST_CHECK;
#endif
