/* sign.h - keys, signatures and boxes. Every signature covers a prefix
 * "tsunagi-<what>/1\n", so no byte string is valid in two roles. */
#ifndef TSUNAGI_WIRE_SIGN_H
#define TSUNAGI_WIRE_SIGN_H
#include "proto/base/buf.h"
#include "proto/base/code.h"

#define KEY_BYTES 32
#define SIGN_SECRET_BYTES 64
#define SIGNATURE_BYTES 64

/* Public halves of a node's four keys. */
struct node_public {
    char node[NODE_MAX];
    uint8_t curve[KEY_BYTES];   /* connection (CURVE) */
    uint8_t sign[KEY_BYTES];    /* events and acknowledgements (Ed25519) */
    uint8_t box[KEY_BYTES];     /* deliveries (X25519) */
    uint8_t witness[KEY_BYTES]; /* checkpoints seen (Ed25519) */
};
struct node_keys {
    struct node_public pub;
    uint8_t curve_secret[KEY_BYTES];
    uint8_t sign_secret[SIGN_SECRET_BYTES];
    uint8_t box_secret[KEY_BYTES];
    uint8_t witness_secret[SIGN_SECRET_BYTES];
    uint8_t spool_secret[KEY_BYTES]; /* wraps the spool's keys; random */
    uint8_t token_secret[KEY_BYTES]; /* makes person and case tokens */
};
/* sodium_init and friends; call once per process. */
enum err sign_init(void) MUST_CHECK;
void keys_make(struct node_keys *k, const char *node);
/* Text file "tsunagi-key/1", mode 0600 and owned by us or ERR_KEY_FILE. */
enum err keys_write(const char *path, const struct node_keys *k) MUST_CHECK;
enum err keys_read(const char *path, struct node_keys *k) MUST_CHECK;
/* Text file "tsunagi-public/1". */
enum err keys_write_public(const char *path,
                           const struct node_public *p) MUST_CHECK;
enum err keys_read_public(const char *path, struct node_public *p) MUST_CHECK;
void keys_wipe(struct node_keys *k);
/* Eight groups of four hex digits of SHA-256 over the four public keys. */
#define FINGERPRINT_TEXT 40
void keys_fingerprint(const struct node_public *p, char out[FINGERPRINT_TEXT]);

enum sign_what {
    SIGN_EVENT,
    SIGN_RECEIPT,
    SIGN_DELIVERY,
    SIGN_ACK,
    SIGN_ERASE_ORDER,
    SIGN_ERASE /* the answer */
};
enum err sign_make(enum sign_what what, struct slice bytes,
                   const uint8_t secret[SIGN_SECRET_BYTES],
                   uint8_t out[SIGNATURE_BYTES]) MUST_CHECK;
/* ERR_EVT_SIGNATURE. */
enum err sign_check(enum sign_what what, struct slice bytes,
                    struct slice signature,
                    const uint8_t key[KEY_BYTES]) MUST_CHECK;

/* crypto_box with a precomputed shared key. */
void box_shared(uint8_t shared[KEY_BYTES],
                const uint8_t their_public[KEY_BYTES],
                const uint8_t my_secret[KEY_BYTES]);
enum err box_seal(const uint8_t shared[KEY_BYTES], struct slice plain,
                  uint8_t nonce[24], struct buf *out) MUST_CHECK;
enum err box_open(const uint8_t shared[KEY_BYTES], struct slice nonce,
                  struct slice box,
                  struct buf *out) MUST_CHECK; /* ERR_DLV_BOX */

/* XChaCha20-Poly1305 at rest: nonce[24] ciphertext, plain padded to a multiple
 * of block (a power of two; the same for both), so that its length tells
 * little. aad is bound. ERR_INTEGRITY on any change. */
enum err seal_padded(const uint8_t key[KEY_BYTES], struct slice aad,
                     struct slice plain, size_t block,
                     struct buf *out) MUST_CHECK;
enum err unseal_padded(const uint8_t key[KEY_BYTES], struct slice aad,
                       struct slice sealed, size_t block,
                       struct buf *out) MUST_CHECK;
/* The same with blocks of 64. */
enum err seal(const uint8_t key[KEY_BYTES], struct slice aad,
              struct slice plain, struct buf *out) MUST_CHECK;
enum err unseal(const uint8_t key[KEY_BYTES], struct slice aad,
                struct slice sealed, struct buf *out) MUST_CHECK;
void sha256(struct slice s, uint8_t out[32]);
/* Token for a local id: BLAKE2b-128(key, what 0x00 local id). */
void token_make(const uint8_t key[KEY_BYTES], const char *what,
                struct slice local_id, uint8_t out[16]);
#endif
