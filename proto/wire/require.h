/* require.h - the fields an event of each type must have (W-055). */
#ifndef TSUNAGI_WIRE_REQUIRE_H
#define TSUNAGI_WIRE_REQUIRE_H
#include "proto/wire/schema.h"

#define REQUIRE_NAME 64
/* ERR_VAL_REQUIRED or ERR_VAL_CONSENT_SCOPE, and then the name of the field at
 * fault. */
enum err require_fields(const struct schema_message *m,
                        const ProtobufCMessage *body,
                        char missing[REQUIRE_NAME]) MUST_CHECK;
#endif
