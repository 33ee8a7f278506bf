/* unpack.c - the walk, the budget and the round trip of unpack.h.
 *
 * protobuf-c trusts its input: it recurses without a limit, turns 1 MiB of
 * empty messages into 52 MiB, keeps unknown fields, takes the last of several
 * values and any bytes as text. The walk refuses each of these by name; the
 * budget bounds what is left; packing again proves that nothing was read in a
 * way that another reader would not see (W-020..W-029). */
#include "proto/wire/unpack.h"
#include "proto/base/text.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define DEPTH_MAX 8
#define FIELDS_MAX 4096
#define BUDGET_FACTOR 16
#define BUDGET_BASE (64 * 1024)
#define NUMBER_MAX ((1u << 29) - 1)

enum { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_COUNTED = 2, WIRE_32 = 5 };

/* ---- the wire ------------------------------------------------------------ */

static void skip(struct slice *s, size_t n)
{
    s->p += n;
    s->n -= n;
}

/* A last byte of 0 adds nothing: the same number has a shorter form. */
static enum err read_varint(struct slice *rest, uint64_t *v)
{
    *v = 0;
    for (size_t i = 0; i < rest->n && i < 10; i++) {
        uint8_t b = rest->p[i];
        if (i == 9 && b > 1)
            return ERR_PB_MALFORMED;
        *v |= (uint64_t)(b & 0x7f) << (7 * i);
        if (b >= 0x80)
            continue;
        if (b == 0 && i > 0)
            return ERR_PB_NOT_CANONICAL;
        skip(rest, i + 1);
        return ERR_OK;
    }
    return ERR_PB_MALFORMED;
}

static enum err take(struct slice *rest, uint64_t n, struct slice *value)
{
    if (n > rest->n)
        return ERR_PB_MALFORMED;
    *value = slice_of(rest->p, (size_t)n);
    skip(rest, (size_t)n);
    return ERR_OK;
}

static enum err read_value(struct slice *rest, struct pb_field *f)
{
    const uint8_t *start = rest->p;
    uint64_t n = 0;
    enum err e;
    switch (f->wire) {
    case WIRE_VARINT:
        e = read_varint(rest, &f->varint);
        f->value = slice_of(start, (size_t)(rest->p - start));
        return e;
    case WIRE_64:
        return take(rest, 8, &f->value);
    case WIRE_32:
        return take(rest, 4, &f->value);
    case WIRE_COUNTED:
        e = read_varint(rest, &n);
        return e == ERR_OK ? take(rest, n, &f->value) : e;
    default: /* groups, and two that do not exist */
        return ERR_PB_MALFORMED;
    }
}

enum err unpack_field(struct slice *rest, struct pb_field *f)
{
    assert(rest != NULL && f != NULL && rest->n > 0);
    memset(f, 0, sizeof(*f));
    const uint8_t *start = rest->p;
    uint64_t tag;
    enum err e = read_varint(rest, &tag);
    if (e != ERR_OK)
        return e;
    if (tag >> 3 == 0 || tag >> 3 > NUMBER_MAX)
        return ERR_PB_MALFORMED;
    f->number = (uint32_t)(tag >> 3);
    f->wire = tag & 7;
    e = read_value(rest, f);
    f->whole = slice_of(start, (size_t)(rest->p - start));
    return e;
}

/* ---- the walk ------------------------------------------------------------ */

static unsigned wire_of(ProtobufCType t)
{
    switch (t) {
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_DOUBLE:
        return WIRE_64;
    case PROTOBUF_C_TYPE_FIXED32:
    case PROTOBUF_C_TYPE_SFIXED32:
    case PROTOBUF_C_TYPE_FLOAT:
        return WIRE_32;
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_BYTES:
    case PROTOBUF_C_TYPE_MESSAGE:
        return WIRE_COUNTED;
    default:
        return WIRE_VARINT;
    }
}

/* An int32 is written as the 64-bit number it equals. */
static bool is_int32(uint64_t v)
{
    return v <= INT32_MAX || v >= (uint64_t)(int64_t)INT32_MIN;
}

static bool enum_known(const ProtobufCEnumDescriptor *d, uint64_t v)
{
    return is_int32(v) &&
           protobuf_c_enum_descriptor_get_value(d, (int)(int64_t)v) != NULL;
}

static enum err check_varint(const ProtobufCFieldDescriptor *d, uint64_t v)
{
    bool fits = true;
    switch (d->type) {
    case PROTOBUF_C_TYPE_ENUM:
        return enum_known(d->descriptor, v) ? ERR_OK : ERR_PB_UNKNOWN_ENUM;
    case PROTOBUF_C_TYPE_INT32:
        fits = is_int32(v);
        break;
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_SINT32:
        fits = v <= UINT32_MAX;
        break;
    case PROTOBUF_C_TYPE_BOOL:
        fits = v <= 1;
        break;
    default:
        break;
    }
    return fits ? ERR_OK : ERR_PB_NOT_CANONICAL;
}

static enum err walk(const ProtobufCMessageDescriptor *d, struct slice rest,
                     unsigned depth, size_t *fields);

static enum err check_value(const ProtobufCFieldDescriptor *d,
                            const struct pb_field *f, unsigned depth,
                            size_t *fields)
{
    if (f->wire != wire_of(d->type))
        return ERR_PB_MALFORMED;
    if (f->wire == WIRE_VARINT)
        return check_varint(d, f->varint);
    if (d->type == PROTOBUF_C_TYPE_STRING)
        return text_check_utf8(f->value);
    if (d->type == PROTOBUF_C_TYPE_MESSAGE)
        return walk(d->descriptor, f->value, depth + 1, fields);
    return ERR_OK;
}

static enum err check_order(const ProtobufCFieldDescriptor *d, uint32_t before)
{
    if (d->id < before)
        return ERR_PB_NOT_CANONICAL;
    if (d->id == before && d->label != PROTOBUF_C_LABEL_REPEATED)
        return ERR_PB_DUPLICATE;
    return ERR_OK;
}

static enum err walk(const ProtobufCMessageDescriptor *d, struct slice rest,
                     unsigned depth, size_t *fields)
{
    if (depth > DEPTH_MAX)
        return ERR_PB_DEPTH;
    uint32_t before = 0;
    while (rest.n > 0) {
        if (++*fields > FIELDS_MAX)
            return ERR_PB_FIELDS;
        struct pb_field f;
        enum err e = unpack_field(&rest, &f);
        if (e != ERR_OK)
            return e;
        const ProtobufCFieldDescriptor *fd =
            protobuf_c_message_descriptor_get_field(d, f.number);
        if (fd == NULL)
            return ERR_PB_UNKNOWN_FIELD;
        e = check_order(fd, before);
        if (e == ERR_OK)
            e = check_value(fd, &f, depth, fields);
        if (e != ERR_OK)
            return e;
        before = f.number;
    }
    return ERR_OK;
}

enum err unpack_walk(const ProtobufCMessageDescriptor *d, struct slice bytes)
{
    assert(d != NULL && (bytes.p != NULL || bytes.n == 0));
    size_t fields = 0;
    return walk(d, bytes, 1, &fields);
}

/* ---- unpacking ----------------------------------------------------------- */

struct budget {
    size_t left;
    bool spent;
};

static void *budget_alloc(void *data, size_t n)
{
    struct budget *b = data;
    if (n > b->left) {
        b->spent = true;
        return NULL;
    }
    b->left -= n;
    return malloc(n);
}

static void budget_free(void *data, void *p)
{
    (void)data;
    free(p);
}

/* After a clean walk only memory can be what was missing. */
static enum err unpack_bounded(const ProtobufCMessageDescriptor *d,
                               struct slice bytes, ProtobufCMessage **out)
{
    struct budget b = {BUDGET_FACTOR * bytes.n + BUDGET_BASE, false};
    ProtobufCAllocator a = {budget_alloc, budget_free, &b};
    *out = protobuf_c_message_unpack(d, &a, bytes.n, bytes.p);
    if (*out != NULL)
        return ERR_OK;
    return b.spent ? ERR_PB_BUDGET : ERR_NOMEM;
}

static enum err check_round_trip(const ProtobufCMessage *m, struct slice bytes)
{
    struct buf again = {0};
    enum err e = pack(m, &again);
    if (e == ERR_OK && !slice_eq(buf_slice(&again), bytes))
        e = ERR_PB_NOT_CANONICAL;
    buf_fini(&again);
    return e;
}

enum err unpack(const ProtobufCMessageDescriptor *d, struct slice bytes,
                ProtobufCMessage **out)
{
    assert(out != NULL);
    *out = NULL;
    enum err e = unpack_walk(d, bytes);
    if (e == ERR_OK)
        e = unpack_bounded(d, bytes, out);
    if (e == ERR_OK)
        e = check_round_trip(*out, bytes);
    if (e != ERR_OK)
        unpack_free(out);
    return e;
}

void unpack_free(ProtobufCMessage **m)
{
    assert(m != NULL);
    if (*m != NULL)
        protobuf_c_message_free_unpacked(*m, NULL);
    *m = NULL;
}

/* ---- packing ------------------------------------------------------------- */

struct sink {
    ProtobufCBuffer base;
    struct buf *to;
};

static void sink_append(ProtobufCBuffer *base, size_t n, const uint8_t *p)
{
    buf_add(((struct sink *)base)->to, p, n);
}

enum err pack(const ProtobufCMessage *m, struct buf *b)
{
    assert(m != NULL && b != NULL);
    struct sink s = {{sink_append}, b};
    protobuf_c_message_pack_to_buffer(m, &s.base);
    return b->failed ? ERR_NOMEM : ERR_OK;
}

/* ---- pruning ------------------------------------------------------------- */

static void write_varint(struct buf *out, uint64_t v)
{
    for (; v >= 0x80; v >>= 7)
        buf_addc(out, (char)(v | 0x80));
    buf_addc(out, (char)v);
}

static enum err prune(const ProtobufCMessageDescriptor *d, struct slice rest,
                      unsigned depth, struct buf *out);

static enum err prune_message(const ProtobufCMessageDescriptor *d,
                              const struct pb_field *f, unsigned depth,
                              struct buf *out)
{
    struct buf inner = {0};
    enum err e = prune(d, f->value, depth + 1, &inner);
    write_varint(out, (uint64_t)f->number << 3 | WIRE_COUNTED);
    write_varint(out, inner.n);
    buf_add(out, inner.p, inner.n);
    buf_fini(&inner);
    return e;
}

static enum err prune_field(const ProtobufCFieldDescriptor *d,
                            const struct pb_field *f, unsigned depth,
                            struct buf *out)
{
    if (f->wire != wire_of(d->type))
        return ERR_PB_MALFORMED;
    if (d->type == PROTOBUF_C_TYPE_MESSAGE)
        return prune_message(d->descriptor, f, depth, out);
    if (d->type != PROTOBUF_C_TYPE_ENUM || enum_known(d->descriptor, f->varint))
        buf_add(out, f->whole.p, f->whole.n);
    return ERR_OK;
}

static enum err prune(const ProtobufCMessageDescriptor *d, struct slice rest,
                      unsigned depth, struct buf *out)
{
    if (depth > DEPTH_MAX)
        return ERR_PB_DEPTH;
    while (rest.n > 0) {
        struct pb_field f;
        enum err e = unpack_field(&rest, &f);
        if (e != ERR_OK)
            return e;
        const ProtobufCFieldDescriptor *fd =
            protobuf_c_message_descriptor_get_field(d, f.number);
        if (fd != NULL)
            e = prune_field(fd, &f, depth, out);
        if (e != ERR_OK)
            return e;
    }
    return out->failed ? ERR_NOMEM : ERR_OK;
}

enum err unpack_prune(const ProtobufCMessageDescriptor *d, struct slice bytes,
                      struct buf *out)
{
    assert(d != NULL && out != NULL);
    return prune(d, bytes, 1, out);
}
