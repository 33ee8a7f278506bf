/* note.h - C2SP signed notes: a text and who signed it. Log checkpoints
 * (proof.h) and manifests of policy packs are notes. */
#ifndef TSUNAGI_WIRE_NOTE_H
#define TSUNAGI_WIRE_NOTE_H
#include "proto/base/buf.h"
#include "proto/wire/sign.h"

#define ORIGIN_MAX 128 /* bytes of a signer's name with NUL */
#define NOTE_MAX (128 * 1024)
#define NOTE_SIGNATURES 100 /* lines of one note */
#define NOTE_KEYID 4
#define NOTE_BLOB_MAX (5 * 1024) /* one decoded signature line */

/* May stand as a signer's name: printable, no space, no '+'. */
bool note_name_ok(const char *name);
void note_key_id(const char *name, const uint8_t public[KEY_BYTES],
                 uint8_t out[NOTE_KEYID]);
/* A verifier key: "name+keyid+base64(type key)" in text. */
enum vkey_type { VKEY_SIGNER = 0x01, VKEY_COSIGNER = 0x04 };
struct vkey {
    char name[ORIGIN_MAX];
    enum vkey_type type;
    uint8_t key[KEY_BYTES];
};
/* False when it is not one of these types, or its id is not that of its key. */
bool vkey_parse(struct slice text, struct vkey *out);
void vkey_write(const struct vkey *v, struct buf *out);
void vkey_id(const struct vkey *v, uint8_t out[NOTE_KEYID]);
/* The one of a signer. */
void note_vkey(const char *name, const uint8_t public[KEY_BYTES],
               struct buf *out);
/* Appends one signature line over text (Ed25519, type 0x01). ERR_INTEGRITY for
 * a name that cannot stand in a note. */
enum err note_sign(struct slice text, const char *name,
                   const uint8_t secret[SIGN_SECRET_BYTES],
                   const uint8_t public[KEY_BYTES], struct buf *out) MUST_CHECK;

/* Appends a line of one's own making: blob is keyid and signature, at most
 * NOTE_OWN_BLOB. ERR_INTEGRITY for a name that cannot stand in a note. */
#define NOTE_OWN_BLOB 128
enum err note_add_line(const char *name, struct slice blob,
                       struct buf *out) MUST_CHECK;

/* Cuts a note at its last empty line. False when it is no note: control
 * characters, not UTF-8, too long, no empty line. Both borrow from note. */
bool note_cut(struct slice note, struct slice *text, struct slice *lines);
/* Takes a line that ends in a newline off s; false when there is none. */
bool note_take_line(struct slice *s, struct slice *line);
bool note_number(struct slice s, uint64_t *out); /* one way to write each */
bool note_unbase64(struct slice s, uint8_t *out, size_t max, size_t *n);

/* A signature line taken apart; name borrows from the note. */
struct note_line {
    struct slice name;
    uint8_t blob[NOTE_BLOB_MAX];
    size_t n;
};
/* Takes the next one off lines; false when it is malformed. */
bool note_next(struct slice *lines, struct note_line *out);
enum note_verdict {
    NOTE_BROKEN,   /* claims to be of this key and is not */
    NOTE_STRANGER, /* of another key */
    NOTE_GOOD
};
enum note_verdict note_judge(const struct note_line *l, struct slice text,
                             const char *name, const uint8_t public[KEY_BYTES]);
#endif
