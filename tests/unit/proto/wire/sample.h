/* sample.h - for tests: events of every type with every field filled, made by
 * descriptors, so that a type is covered from the day it is written. */
#ifndef TSUNAGI_TESTS_SAMPLE_H
#define TSUNAGI_TESTS_SAMPLE_H
#include "proto/base/code.h"
#include "proto/wire/event.h"
#include "proto/wire/unpack.h"
#include <stdlib.h>
#include <string.h>

static inline void sample_varint(struct buf *b, uint64_t v)
{
    for (; v >= 0x80; v >>= 7)
        buf_addc(b, (char)(v | 0x80));
    buf_addc(b, (char)v);
}

static inline void sample_counted(struct buf *b, uint32_t number,
                                  struct slice s)
{
    sample_varint(b, (uint64_t)number << 3 | 2);
    sample_varint(b, s.n);
    buf_add(b, s.p, s.n);
}

/* How a sample is to look; NULL for the usual one. */
struct sample_how {
    const char *canary; /* what every free string holds */
    unsigned pick;      /* which of an enum's values: 0 the first, and so on */
};

/* Strings that are not free: any of this name, or in one message alone. */
static inline const char *sample_form(const ProtobufCMessageDescriptor *d,
                                      const char *name)
{
    static const struct {
        const char *message, *name, *text;
    } FORMS[] = {
        {NULL, "kana", "カクウ ハナコ"},
        {NULL, "iso", "2026-04-01"},
        {NULL, "agency", "MI-4910100017"},
        {NULL, "role", "R_PLAN"},
        {NULL, "place", "49201"},
        {NULL, "certificate_no", "4900000001"},
        {"ConsentGiven", "purpose", "P_TRA"},
        {"ConsentRefused", "purpose", "P_TRA"},
        {"ConsentDeferred", "purpose", "P_TRA"},
        {"PersonPlacesRecorded", "resident", "49201"},
        {"PersonPlacesRecorded", "present", "49202"},
        {"PersonPlacesRecorded", "shikyu", "49201"},
        {"PersonPlacesRecorded", "plan", "49301"},
    };
    for (size_t i = 0; i < NELEM(FORMS); i++)
        if (strcmp(FORMS[i].name, name) == 0 &&
            (FORMS[i].message == NULL ||
             strcmp(FORMS[i].message, d->short_name) == 0))
            return FORMS[i].text;
    return NULL;
}

/* Whether a string field takes any text: those that carry the canary. */
static inline bool sample_is_free(const ProtobufCMessageDescriptor *d,
                                  const ProtobufCFieldDescriptor *f)
{
    return f->type == PROTOBUF_C_TYPE_STRING && sample_form(d, f->name) == NULL;
}

static inline const char *sample_text(const ProtobufCMessageDescriptor *d,
                                      const ProtobufCFieldDescriptor *f,
                                      const struct sample_how *how)
{
    const char *form = sample_form(d, f->name);
    if (form != NULL)
        return form;
    if (how != NULL && how->canary != NULL)
        return how->canary;
    return strcmp(f->name, "original") == 0 ? "令和8年4月1日" : "架空花子";
}

static inline uint64_t sample_number(const ProtobufCFieldDescriptor *f)
{
    size_t n = strlen(f->name);
    if (f->type == PROTOBUF_C_TYPE_UINT64 && n > 3 &&
        strcmp(f->name + n - 3, "_ms") == 0)
        return UINT64_C(1774969200000); /* 2026-04-01 */
    if (strcmp(f->name, "fiscal_year") == 0)
        return 2025;
    return strcmp(f->name, "count") == 0 ? 0 : 1; /* a suppressed cell */
}

static inline int32_t sample_enum(const ProtobufCEnumDescriptor *d,
                                  unsigned pick)
{
    pick %= d->n_values - 1;
    for (unsigned i = 0; i < d->n_values; i++)
        if (d->values[i].value != 0 && pick-- == 0)
            return d->values[i].value;
    abort();
}

static inline void sample_fill_how(const ProtobufCMessageDescriptor *d,
                                   struct buf *b, const struct sample_how *how);

/* One field of d, once. */
static inline void sample_field_how(const ProtobufCMessageDescriptor *d,
                                    const ProtobufCFieldDescriptor *f,
                                    struct buf *b, const struct sample_how *how)
{
    static const uint8_t BYTES[32] = {0xb7, 0x01};
    struct buf inner = {0};
    switch (f->type) {
    case PROTOBUF_C_TYPE_STRING:
        sample_counted(b, f->id, slice_str(sample_text(d, f, how)));
        break;
    case PROTOBUF_C_TYPE_BYTES:
        sample_counted(
            b, f->id,
            slice_of(BYTES, strstr(f->name, "_sha256") != NULL ? 32 : 16));
        break;
    case PROTOBUF_C_TYPE_MESSAGE:
        sample_fill_how(f->descriptor, &inner, how);
        sample_counted(b, f->id, buf_slice(&inner));
        break;
    case PROTOBUF_C_TYPE_ENUM:
        sample_varint(b, (uint64_t)f->id << 3);
        /* of a date as given: the day of sample_form */
        sample_varint(b, (uint64_t)sample_enum(
                             f->descriptor,
                             how == NULL || strcmp(f->name, "precision") == 0
                                 ? 0
                                 : how->pick));
        break;
    case PROTOBUF_C_TYPE_BOOL:
        sample_varint(b, (uint64_t)f->id << 3);
        sample_varint(b, 1);
        break;
    default: /* numbers: the schemas have varints only */
        sample_varint(b, (uint64_t)f->id << 3);
        sample_varint(b, sample_number(f));
    }
    buf_fini(&inner);
}

/* Every field, repeated ones twice, packed. */
static inline void sample_fill_how(const ProtobufCMessageDescriptor *d,
                                   struct buf *b, const struct sample_how *how)
{
    for (unsigned i = 0; i < d->n_fields; i++) {
        sample_field_how(d, &d->fields[i], b, how);
        if (d->fields[i].label == PROTOBUF_C_LABEL_REPEATED)
            sample_field_how(d, &d->fields[i], b, how);
    }
}

static inline void sample_field(const ProtobufCMessageDescriptor *d,
                                const ProtobufCFieldDescriptor *f,
                                struct buf *b)
{
    sample_field_how(d, f, b, NULL);
}

static inline void sample_fill(const ProtobufCMessageDescriptor *d,
                               struct buf *b)
{
    sample_fill_how(d, b, NULL);
}

/* A body of any event type with every field filled and valid: its free strings
 * hold the canary, its enums their pick-th values. Free with unpack_free. */
static inline ProtobufCMessage *sample_body_how(const struct schema_message *m,
                                                const struct sample_how *how)
{
    struct buf b = {0};
    sample_fill_how(m->descriptor, &b, how);
    ProtobufCMessage *body = NULL;
    if (unpack(m->descriptor, buf_slice(&b), &body) != ERR_OK)
        abort();
    buf_fini(&b);
    return body;
}

static inline ProtobufCMessage *
sample_message(const ProtobufCMessageDescriptor *d)
{
    struct buf b = {0};
    sample_fill(d, &b);
    ProtobufCMessage *m = NULL;
    if (unpack(d, buf_slice(&b), &m) != ERR_OK)
        abort();
    buf_fini(&b);
    return m;
}

/* Free with unpack_free. */
static inline ProtobufCMessage *sample_body(const struct schema_message *m)
{
    return sample_message(m->descriptor);
}

struct sample_keys {
    uint8_t secret[SIGN_SECRET_BYTES];
    uint8_t public[KEY_BYTES];
};

static inline struct sample_keys sample_key(void)
{
    if (sign_init() != ERR_OK)
        abort();
    code_allow_fictitious(true);
    struct node_keys k;
    keys_make(&k, "h1/adapter");
    struct sample_keys s;
    memcpy(s.secret, k.sign_secret, sizeof(s.secret));
    memcpy(s.public, k.pub.sign, sizeof(s.public));
    return s;
}

/* A draft of an event of this type by hospital H1 (or the hub). */
static inline struct event_draft sample_draft(const struct schema_message *m,
                                              const ProtobufCMessage *body,
                                              const Pb__Routing *routing)
{
    struct event_draft d = {.event_id = id_new(1774969200000),
                            .agency = m->hub_only ? "HUB" : "MI-4910100017",
                            .node = m->hub_only ? "hub" : "h1/adapter",
                            .type = m->event,
                            .created_ms = 1774969200000,
                            .expires_ms = 1777561200000,
                            .node_seq = 7,
                            .body = body,
                            .routing = routing};
    return d;
}

static inline void sample_event(const struct schema_message *m,
                                const ProtobufCMessage *body,
                                const struct sample_keys *k, struct buf *out)
{
    Pb__Wanted wanted = PB__WANTED__INIT;
    char agency[] = "WO-4931000014", purpose[] = "P_TRA";
    wanted.agency = agency;
    wanted.purpose = purpose;
    Pb__Wanted *to[] = {&wanted};
    uint8_t token[16] = {1};
    Pb__Routing r = PB__ROUTING__INIT;
    r.n_to = 1;
    r.to = to;
    r.has_person_token = 1;
    r.person_token = pb_borrow(slice_of(token, sizeof(token)));
    struct event_draft d = sample_draft(m, body, &r);
    if (event_make(&d, k->secret, out) != ERR_OK)
        abort();
}
#endif
