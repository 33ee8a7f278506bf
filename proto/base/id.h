/* id.h - identifiers: UUIDv7 for events and cases (RFC 9562 5.7), 16 random
 * bytes for people, tokens and handles. */
#ifndef TSUNAGI_BASE_ID_H
#define TSUNAGI_BASE_ID_H
#include "proto/base/buf.h"
#define ID_BYTES 16
struct id {
    uint8_t b[ID_BYTES];
};
/* A new UUIDv7; later calls of one process sort after earlier ones. */
struct id id_new(uint64_t wall_ms);
struct id id_random(void);
bool id_is_v7(struct slice s); /* 16 bytes, version 7, variant 10 */
bool id_eq(struct id a, struct id b);
bool id_is_zero(struct id a);
#define ID_TEXT 37 /* 8-4-4-4-12 and NUL */
void id_format(struct id a, char out[ID_TEXT]);
/* Accepts the text form and 32 hex digits. ERR_EVT_ID. */
enum err id_parse(const char *text, struct id *out) MUST_CHECK;
/* Copies 16 bytes; ERR_EVT_ID when s is not 16 long. */
enum err id_from(struct slice s, struct id *out) MUST_CHECK;
#endif
