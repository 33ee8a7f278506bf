/* event.h - an event as it travels: made and signed by a node, opened and
 * checked by the hub and by recipients. */
#ifndef TSUNAGI_WIRE_EVENT_H
#define TSUNAGI_WIRE_EVENT_H
#include "proto/base/id.h"
#include "proto/wire/part.h"
#include "proto/wire/sign.h"
#include "tsunagi/v1/envelope.pb-c.h"

/* What the maker of an event decides. Strings and messages are borrowed. */
struct event_draft {
    struct id event_id;
    const char *agency, *node;
    uint32_t type;
    uint64_t created_ms, expires_ms, node_seq;
    uint64_t seen_size;
    const uint8_t *seen_root; /* 32 bytes, NULL when seen_size is 0 */
    const ProtobufCMessage *body;
    const Pb__Routing *routing;
};
/* Checks the body (codes, dates, kana, My Number: event_validate), splits it,
 * commits, signs. Appends a packed Event to out. */
enum err event_make(const struct event_draft *d,
                    const uint8_t secret[SIGN_SECRET_BYTES],
                    struct buf *out) MUST_CHECK;

/* An event opened. Everything is owned by it; event_close frees. */
struct event {
    Pb__Event *msg;
    Pb__EventHeader *header;
    Pb__Routing *routing; /* hub only; NULL in a delivery */
    const struct schema_message *schema;
    ProtobufCMessage *body; /* merged from the parts present */
    uint64_t present;       /* classes whose part is not empty */
    const char *variant;    /* "" or the variant's name */
    struct id event_id;
    uint8_t header_sha256[32];
    size_t body_bytes;
};
/* The type a packed Event claims, nothing else of it checked; 0 when it cannot
 * be read. For turning an event away before it is looked into. */
uint32_t event_claimed_type(struct slice packed);
/* Opens a packed Event that must be whole (all parts of its type): wire walk,
 * canonical form, header shape, schema digest, parts against classes and
 * commitments, content. The signature is checked apart: key is looked up by
 * the header's node. On error *out is NULL. */
enum err event_open(struct slice packed, struct event **out) MUST_CHECK;
void event_close(struct event **e);
enum err event_check_signature(const struct event *e,
                               const uint8_t key[KEY_BYTES]) MUST_CHECK;
/* Opens a header and some released parts, as a recipient does: signature,
 * commitments of the parts given, classes, merge. */
enum err event_open_released(struct slice header, struct slice signature,
                             const uint8_t key[KEY_BYTES],
                             Pb__Part *const *parts, size_t n,
                             struct event **out) MUST_CHECK;
/* Content rules on a body: dates real, codes with right check digits, kana,
 * My Number in no text, text clean, required fields by type.
 * field (may be NULL) receives the dotted name of the field at fault. */
enum err event_validate(const struct schema_message *m,
                        const ProtobufCMessage *body,
                        char field[96]) MUST_CHECK;
#endif
