/* er7.h - HL7 v2 messages in "vertical bar" form: decoding and looking up.
 *
 * The whole message is decoded to UTF-8 by MSH-18 before it is split, because
 * in ISO-2022-JP the second bytes of 本 五 美 愛 髙 are the delimiters
 * themselves. Then pieces are views into that text; nothing is copied until
 * er7_text takes the escapes out. Unknown and Z segments stay where they are.
 */
#ifndef TSUNAGI_HOSPITAL_ER7_H
#define TSUNAGI_HOSPITAL_ER7_H
#include "tsunagi/adapter.h"

struct er7; /* opaque */

struct er7_piece {
    const char *p; /* borrowed from the message, not terminated */
    size_t n;
};

/* Where in a segment: field from 1, the others from 1 too (0: the whole). */
struct er7_at {
    unsigned field, repetition, component, sub;
};

/* E-HL7-001 no MSH, E-TXT-001 unknown MSH-18 or -20, E-TXT-002/-004 text that
 * is not in it, E-HL7-005 delimiters that are none. *out NULL on error. */
tsunagi_code er7_parse(const uint8_t *p, size_t n, struct er7 **out);
void er7_free(struct er7 **m);

size_t er7_segments(const struct er7 *m);
struct er7_piece er7_name(const struct er7 *m, size_t segment);
/* Index of the nth (from 0) segment of that name, or SIZE_MAX. */
size_t er7_find(const struct er7 *m, const char *name, size_t nth);
/* Empty where there is nothing. In MSH field 1 is the separator itself. */
struct er7_piece er7_get(const struct er7 *m, size_t segment, struct er7_at at);
size_t er7_repetitions(const struct er7 *m, size_t segment, unsigned field);
/* Escapes taken out (\F\ \S\ \T\ \R\ \E\ \X41\ \.br\; \H\ \N\ dropped, others
 * kept), "" for HL7's explicit null. free(). E-HL7-005 for \X..\ that makes no
 * text, E-INT-002. */
tsunagi_code er7_text(const struct er7 *m, struct er7_piece piece, char **out);
/* False when the last segment has no carriage return: allowed, but what is
 * missing from it was perhaps cut off. */
bool er7_closed(const struct er7 *m);
bool er7_is_utf8(const struct er7 *m); /* as sent */

/* A field of MSH from the undecoded bytes, for answering what cannot be read:
 * printable ASCII only, "" otherwise. */
void er7_peek(const uint8_t *p, size_t n, unsigned field, char *out,
              size_t room);
#endif
