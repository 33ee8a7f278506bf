/* proof.h - RFC 6962 hashes and proof checking, and checkpoints. What a
 * verifier needs; the log itself grows in hub/core/merkle. */
#ifndef TSUNAGI_WIRE_PROOF_H
#define TSUNAGI_WIRE_PROOF_H
#include "proto/wire/note.h"
#define HASH_BYTES 32
struct hash {
    uint8_t b[HASH_BYTES];
};
#define PROOF_MAX 64
struct hash proof_leaf(struct slice leaf);            /* SHA-256(0x00 leaf) */
struct hash proof_node(struct hash l, struct hash r); /* SHA-256(0x01 l r) */
/* ERR_DLV_PROOF. */
enum err proof_check_inclusion(uint64_t index, uint64_t size, struct hash leaf,
                               const struct hash *path, size_t n,
                               struct hash root) MUST_CHECK;
/* ERR_DLV_FORK. old_size 0 is consistent with everything. */
enum err proof_check_consistency(uint64_t old_size, struct hash old_root,
                                 uint64_t size, struct hash root,
                                 const struct hash *path, size_t n) MUST_CHECK;

struct checkpoint {
    char origin[ORIGIN_MAX];
    uint64_t size;
    struct hash root;
};
/* Appends the note, signed by the log key whose name is the origin (C2SP
 * tlog-checkpoint, signed-note, Ed25519 type 0x01). */
enum err checkpoint_sign(const struct checkpoint *c,
                         const uint8_t secret[SIGN_SECRET_BYTES],
                         const uint8_t public[KEY_BYTES],
                         struct buf *note) MUST_CHECK;
/* Origin and size as a note says them, nothing checked; false: it does not. */
bool checkpoint_says(struct slice note, struct slice *origin, uint64_t *size);
/* ERR_INTEGRITY: malformed, other origin or no good signature. */
enum err checkpoint_open(struct slice note, const char *origin,
                         const uint8_t public[KEY_BYTES],
                         struct checkpoint *out) MUST_CHECK;
/* "origin+keyid+base64" as C2SP writes verifier keys. */
void checkpoint_vkey(const char *origin, const uint8_t public[KEY_BYTES],
                     struct buf *out);
#endif
