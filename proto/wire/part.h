/* part.h - an event body cut into one part per data class, and put together
 * again. A part is the body's top-level fields of one class, in order, so any
 * subset of parts concatenates to a valid body that lacks the others. */
#ifndef TSUNAGI_WIRE_PART_H
#define TSUNAGI_WIRE_PART_H
#include "proto/wire/schema.h"

#define SALT_BYTES 32
#define COMMIT_BYTES 32

struct part {
    unsigned cls; /* 0: routing */
    uint8_t salt[SALT_BYTES];
    struct slice body; /* borrowed */
};
/* HMAC-SHA-256(salt, "tsunagi-part/1\n" class-byte body). */
void part_commit(const struct part *p, uint8_t out[COMMIT_BYTES]);

/* Cuts a packed body: bodies[i] receives the bytes of m->classes[i] (each
 * appended; the caller owns them). ERR_PB_*, ERR_EVT_CLASS. */
enum err part_split(const struct schema_message *m, struct slice body,
                    struct buf *bodies) MUST_CHECK;
/* Checks that every top-level field of a part is of class cls. */
enum err part_check(const struct schema_message *m, unsigned cls,
                    struct slice body) MUST_CHECK;
/* Joins parts (any subset) into one packed body with ascending fields. */
enum err part_merge(const struct schema_message *m, const struct part *parts,
                    size_t n, struct buf *body) MUST_CHECK;
#endif
