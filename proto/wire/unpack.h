/* unpack.h - protobuf from outside, made safe before protobuf-c sees it.
 *
 * The bytes are walked first against the descriptor: depth <= 8, fields <=
 * 4096, no unknown field or enum value, no duplicate singular field, no
 * groups, strings UTF-8 without NUL, minimal varints, fields in ascending
 * order (so that one value has one form). Then they are unpacked with an
 * allocator that stops at a budget of 16 x size + 64 KiB, and packed again:
 * the bytes must be the same (W-020..W-029). */
#ifndef TSUNAGI_WIRE_UNPACK_H
#define TSUNAGI_WIRE_UNPACK_H
#include "proto/base/buf.h"
#include <protobuf-c/protobuf-c.h>

/* *out is freed with unpack_free. ERR_PB_*. */
enum err unpack(const ProtobufCMessageDescriptor *d, struct slice bytes,
                ProtobufCMessage **out) MUST_CHECK;
void unpack_free(ProtobufCMessage **m);
/* The walk alone. */
enum err unpack_walk(const ProtobufCMessageDescriptor *d,
                     struct slice bytes) MUST_CHECK;
/* One field as it lies in packed bytes. */
struct pb_field {
    uint32_t number;
    uint8_t wire;       /* 0 varint, 1 eight bytes, 2 counted, 5 four bytes */
    uint64_t varint;    /* when wire is 0 */
    struct slice value; /* without tag and length */
    struct slice whole; /* with them */
};
/* Reads the first field of *rest and moves behind it. ERR_PB_MALFORMED,
 * ERR_PB_NOT_CANONICAL. */
enum err unpack_field(struct slice *rest, struct pb_field *f) MUST_CHECK;
/* Appends what this schema knows of bytes made by a newer one, at every depth:
 * other fields and enum values are left out. The result still needs unpack. */
enum err unpack_prune(const ProtobufCMessageDescriptor *d, struct slice bytes,
                      struct buf *out) MUST_CHECK;
/* Packs m at the end of b. ERR_NOMEM. */
enum err pack(const ProtobufCMessage *m, struct buf *b) MUST_CHECK;
static inline struct slice pb_slice(ProtobufCBinaryData d)
{
    return (struct slice){d.data, d.len};
}
/* For filling a message that is packed before s goes away. */
static inline ProtobufCBinaryData pb_borrow(struct slice s)
{
    return (ProtobufCBinaryData){s.n, (uint8_t *)(uintptr_t)s.p};
}
static inline char *pb_text(const char *s)
{
    return (char *)(uintptr_t)s;
}
#endif
