/* sign.c - keys, signatures, boxes and sealing, all of them libsodium's.
 *
 * A key file is text, so that a clerk can see what it is and mail the public
 * one: a header line, then one "name: value" line per key in hex.
 *
 *   tsunagi-key/1            tsunagi-public/1
 *   node: h1/ad1             node: h1/ad1
 *   curve: <64 digits>       curve: <64 digits>
 *   ...                      ...
 *
 * The secret file holds seeds and secrets only; public halves are derived on
 * reading, so the two can never disagree. It is created once (never written
 * over), on disk before keys_write returns, and refused on reading when it is
 * a link, somebody else's, or open to group or others. The connection key is
 * an X25519 pair, which is what ZeroMQ's CURVE takes raw.
 *
 * Sealed data is nonce[24] ciphertext; the plain text is padded to 64 bytes
 * first, which blunts what its length tells. Random nonces are safe with
 * XChaCha20. */
#include "proto/wire/sign.h"
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define KEY_FILE_MAX 4096
#define PAD 64
#define NONCE_BYTES 24

static_assert(crypto_box_PUBLICKEYBYTES == KEY_BYTES, "X25519");
static_assert(crypto_box_BEFORENMBYTES == KEY_BYTES, "X25519");
static_assert(crypto_box_NONCEBYTES == NONCE_BYTES, "box nonce");
static_assert(crypto_sign_SECRETKEYBYTES == SIGN_SECRET_BYTES, "Ed25519");
static_assert(crypto_sign_SEEDBYTES == KEY_BYTES, "Ed25519 seed");
static_assert(crypto_sign_BYTES == SIGNATURE_BYTES, "Ed25519");
static_assert(crypto_aead_xchacha20poly1305_ietf_NPUBBYTES == NONCE_BYTES,
              "AEAD nonce");

enum err sign_init(void)
{
    return sodium_init() < 0 ? ERR_INTERNAL : ERR_OK;
}

/* ---- keys ---- */

void keys_make(struct node_keys *k, const char *node)
{
    assert(strlen(node) < NODE_MAX);
    memset(k, 0, sizeof(*k));
    memcpy(k->pub.node, node, strlen(node) + 1);
    crypto_box_keypair(k->pub.curve, k->curve_secret);
    crypto_sign_keypair(k->pub.sign, k->sign_secret);
    crypto_box_keypair(k->pub.box, k->box_secret);
    crypto_sign_keypair(k->pub.witness, k->witness_secret);
    randombytes_buf(k->spool_secret, KEY_BYTES);
    randombytes_buf(k->token_secret, KEY_BYTES);
}

void keys_wipe(struct node_keys *k)
{
    sodium_memzero(k, sizeof(*k));
}

void keys_fingerprint(const struct node_public *p, char out[FINGERPRINT_TEXT])
{
    uint8_t all[4 * KEY_BYTES], h[32];
    memcpy(all, p->curve, KEY_BYTES);
    memcpy(all + KEY_BYTES, p->sign, KEY_BYTES);
    memcpy(all + 2 * KEY_BYTES, p->box, KEY_BYTES);
    memcpy(all + 3 * KEY_BYTES, p->witness, KEY_BYTES);
    sha256(slice_of(all, sizeof(all)), h);
    for (size_t i = 0; i < 8; i++)
        snprintf(out + 5 * i, 6, "%02x%02x%s", h[2 * i], h[2 * i + 1],
                 i < 7 ? "-" : "");
}

/* One line of a key file and where its 32 bytes are. */
struct key_line {
    const char *name;
    uint8_t *key;
};
#define KEY_LINES_MAX 6

static enum err write_new(int fd, struct slice s)
{
    while (s.n > 0) {
        ssize_t n = write(fd, s.p, s.n);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return ERR_IO;
        s.p += n;
        s.n -= (size_t)n;
    }
    return fsync(fd) == 0 ? ERR_OK : ERR_IO;
}

/* A new file's name is durable only once its folder is synced too. */
static enum err sync_folder_of(const char *path)
{
    char *copy = strdup(path);
    if (copy == NULL)
        return ERR_NOMEM;
    int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    free(copy);
    if (fd < 0)
        return ERR_IO;
    enum err e = fsync(fd) == 0 ? ERR_OK : ERR_IO;
    close(fd);
    return e;
}

static enum err create_secret(const char *path, struct slice s)
{
    int fd =
        open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return errno == EEXIST ? ERR_CONFLICT : ERR_IO;
    enum err e = fchmod(fd, 0600) == 0 ? write_new(fd, s) : ERR_IO;
    if (close(fd) != 0 && e == ERR_OK)
        e = ERR_IO;
    if (e == ERR_OK)
        e = sync_folder_of(path);
    if (e != ERR_OK)
        unlink(path);
    return e;
}

static void print_keys(struct buf *b, const char *header, const char *node,
                       const struct key_line *lines, size_t n)
{
    buf_addf(b, "%s\nnode: %s\n", header, node);
    for (size_t i = 0; i < n; i++) {
        buf_addf(b, "%s: ", lines[i].name);
        buf_add_hex(b, slice_of(lines[i].key, KEY_BYTES));
        buf_addc(b, '\n');
    }
}

static bool blank(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

/* Takes the next line off text, without its end and trailing blanks. */
static struct slice next_line(struct slice *text)
{
    if (text->n == 0)
        return SLICE_NONE;
    const uint8_t *nl = memchr(text->p, '\n', text->n);
    struct slice line = {text->p, nl ? (size_t)(nl - text->p) : text->n};
    size_t used = line.n + (nl ? 1 : 0);
    *text = slice_of(text->p + used, text->n - used);
    while (line.n > 0 && blank(line.p[line.n - 1]))
        line.n--;
    return line;
}

/* "name: value" -> value, false when the line has another name. */
static bool value_of(struct slice line, const char *name, struct slice *value)
{
    size_t n = strlen(name);
    if (line.n < n + 2 || memcmp(line.p, name, n) != 0 ||
        memcmp(line.p + n, ": ", 2) != 0)
        return false;
    *value = slice_of(line.p + n + 2, line.n - n - 2);
    return true;
}

static enum err take_key(struct slice value, uint8_t out[KEY_BYTES])
{
    char hex[2 * KEY_BYTES + 1];
    if (value.n != 2 * KEY_BYTES)
        return ERR_KEY_FILE;
    memcpy(hex, value.p, value.n);
    hex[value.n] = '\0';
    enum err e = hex_decode(hex, out, KEY_BYTES);
    sodium_memzero(hex, sizeof(hex));
    return e == ERR_OK ? ERR_OK : ERR_KEY_FILE;
}

static enum err take_node(struct slice value, char node[NODE_MAX])
{
    if (value.n >= NODE_MAX || memchr(value.p, '\0', value.n) != NULL)
        return ERR_KEY_FILE;
    memcpy(node, value.p, value.n);
    node[value.n] = '\0';
    return code_check_node(node) == ERR_OK ? ERR_OK : ERR_KEY_FILE;
}

/* The lines come in the order they are written; nothing else may follow. */
static enum err parse_keys(struct slice text, const char *header,
                           char node[NODE_MAX], const struct key_line *lines,
                           size_t n)
{
    struct slice value;
    if (!slice_eq(next_line(&text), slice_str(header)))
        return ERR_KEY_FILE;
    if (!value_of(next_line(&text), "node", &value) ||
        take_node(value, node) != ERR_OK)
        return ERR_KEY_FILE;
    for (size_t i = 0; i < n; i++)
        if (!value_of(next_line(&text), lines[i].name, &value) ||
            take_key(value, lines[i].key) != ERR_OK)
            return ERR_KEY_FILE;
    while (text.n > 0)
        if (next_line(&text).n > 0)
            return ERR_KEY_FILE;
    return ERR_OK;
}

static size_t secret_lines(struct node_keys *k, struct key_line *lines)
{
    /* the first half of an Ed25519 secret key is its seed */
    const struct key_line all[] = {
        {"curve-secret", k->curve_secret}, {"sign-seed", k->sign_secret},
        {"box-secret", k->box_secret},     {"witness-seed", k->witness_secret},
        {"spool-secret", k->spool_secret}, {"token-secret", k->token_secret},
    };
    static_assert(NELEM(all) == KEY_LINES_MAX, "lines");
    memcpy(lines, all, sizeof(all));
    return NELEM(all);
}

static size_t public_lines(struct node_public *p, struct key_line *lines)
{
    const struct key_line all[] = {{"curve", p->curve},
                                   {"sign", p->sign},
                                   {"box", p->box},
                                   {"witness", p->witness}};
    memcpy(lines, all, sizeof(all));
    return NELEM(all);
}

enum err keys_write(const char *path, const struct node_keys *k)
{
    struct node_keys copy = *k;
    struct key_line lines[KEY_LINES_MAX];
    size_t n = secret_lines(&copy, lines);
    struct buf b = {0};
    print_keys(&b, "tsunagi-key/1", k->pub.node, lines, n);
    enum err e = b.failed ? ERR_NOMEM : create_secret(path, buf_slice(&b));
    buf_fini(&b);
    keys_wipe(&copy);
    return e;
}

static bool private_file(int fd)
{
    struct stat st;
    return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
           st.st_uid == geteuid() && (st.st_mode & 077) == 0;
}

/* Reads through the descriptor that was checked, not through the path. */
static enum err read_secret(const char *path, char text[KEY_FILE_MAX],
                            size_t *n)
{
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return ERR_KEY_FILE;
    enum err e = private_file(fd) ? ERR_OK : ERR_KEY_FILE;
    *n = 0;
    while (e == ERR_OK && *n < KEY_FILE_MAX) {
        ssize_t got = read(fd, text + *n, KEY_FILE_MAX - *n);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            e = ERR_KEY_FILE;
        if (got <= 0)
            break;
        *n += (size_t)got;
    }
    close(fd);
    return *n < KEY_FILE_MAX ? e : ERR_KEY_FILE;
}

static void from_seed(uint8_t public[KEY_BYTES],
                      uint8_t secret[SIGN_SECRET_BYTES])
{
    uint8_t seed[KEY_BYTES];
    memcpy(seed, secret, KEY_BYTES);
    crypto_sign_seed_keypair(public, secret, seed);
    sodium_memzero(seed, sizeof(seed));
}

static enum err derive_public(struct node_keys *k)
{
    from_seed(k->pub.sign, k->sign_secret);
    from_seed(k->pub.witness, k->witness_secret);
    if (crypto_scalarmult_base(k->pub.curve, k->curve_secret) != 0 ||
        crypto_scalarmult_base(k->pub.box, k->box_secret) != 0)
        return ERR_KEY_FILE;
    return ERR_OK;
}

enum err keys_read(const char *path, struct node_keys *k)
{
    char text[KEY_FILE_MAX];
    size_t n;
    struct key_line lines[KEY_LINES_MAX];
    memset(k, 0, sizeof(*k));
    enum err e = read_secret(path, text, &n);
    if (e == ERR_OK)
        e = parse_keys(slice_of(text, n), "tsunagi-key/1", k->pub.node, lines,
                       secret_lines(k, lines));
    if (e == ERR_OK)
        e = derive_public(k);
    sodium_memzero(text, sizeof(text));
    if (e != ERR_OK)
        keys_wipe(k);
    return e;
}

enum err keys_write_public(const char *path, const struct node_public *p)
{
    struct node_public copy = *p;
    struct key_line lines[KEY_LINES_MAX];
    size_t n = public_lines(&copy, lines);
    struct buf b = {0};
    print_keys(&b, "tsunagi-public/1", p->node, lines, n);
    enum err e = b.failed ? ERR_NOMEM : file_replace(path, buf_slice(&b), 0644);
    buf_fini(&b);
    return e;
}

enum err keys_read_public(const char *path, struct node_public *p)
{
    struct buf b = {0};
    struct key_line lines[KEY_LINES_MAX];
    size_t n = public_lines(p, lines);
    memset(p, 0, sizeof(*p));
    enum err e = file_read(path, KEY_FILE_MAX, &b);
    if (e == ERR_OK)
        e = parse_keys(buf_slice(&b), "tsunagi-public/1", p->node, lines, n);
    buf_fini(&b);
    return e;
}

/* ---- signatures ---- */

static const char *const PREFIX[] = {
    [SIGN_EVENT] = "tsunagi-event/1\n",
    [SIGN_RECEIPT] = "tsunagi-receipt/1\n",
    [SIGN_DELIVERY] = "tsunagi-delivery/1\n",
    [SIGN_ACK] = "tsunagi-ack/1\n",
    [SIGN_ERASE_ORDER] = "tsunagi-erase-order/1\n",
    [SIGN_ERASE] = "tsunagi-erase/1\n",
};

static enum err prefixed(enum sign_what what, struct slice bytes,
                         struct buf *out)
{
    assert((size_t)what < NELEM(PREFIX));
    buf_adds(out, PREFIX[what]);
    buf_add(out, bytes.p, bytes.n);
    return out->failed ? ERR_NOMEM : ERR_OK;
}

enum err sign_make(enum sign_what what, struct slice bytes,
                   const uint8_t secret[SIGN_SECRET_BYTES],
                   uint8_t out[SIGNATURE_BYTES])
{
    struct buf b = {0};
    enum err e = prefixed(what, bytes, &b);
    if (e == ERR_OK)
        crypto_sign_detached(out, NULL, b.p, b.n, secret);
    buf_fini(&b);
    return e;
}

enum err sign_check(enum sign_what what, struct slice bytes,
                    struct slice signature, const uint8_t key[KEY_BYTES])
{
    if (signature.n != SIGNATURE_BYTES)
        return ERR_EVT_SIGNATURE;
    struct buf b = {0};
    enum err e = prefixed(what, bytes, &b);
    if (e == ERR_OK &&
        crypto_sign_verify_detached(signature.p, b.p, b.n, key) != 0)
        e = ERR_EVT_SIGNATURE;
    buf_fini(&b);
    return e;
}

/* ---- boxes ---- */

/* Fails only for a public key of small order; then the shared key is random,
 * so that what is sealed with it opens for nobody. */
void box_shared(uint8_t shared[KEY_BYTES],
                const uint8_t their_public[KEY_BYTES],
                const uint8_t my_secret[KEY_BYTES])
{
    if (crypto_box_beforenm(shared, their_public, my_secret) != 0)
        randombytes_buf(shared, KEY_BYTES);
}

/* Room for n more bytes at the end of b, NULL when out of memory. */
static uint8_t *grow(struct buf *b, size_t n)
{
    static const uint8_t ZERO[256];
    size_t at = b->n;
    while (n > 0 && !b->failed) {
        size_t step = n < sizeof(ZERO) ? n : sizeof(ZERO);
        buf_add(b, ZERO, step);
        n -= step;
    }
    return b->failed || b->p == NULL ? NULL : b->p + at;
}

enum err box_seal(const uint8_t shared[KEY_BYTES], struct slice plain,
                  uint8_t nonce[24], struct buf *out)
{
    uint8_t *box = grow(out, plain.n + crypto_box_MACBYTES);
    if (box == NULL)
        return ERR_NOMEM;
    randombytes_buf(nonce, NONCE_BYTES);
    crypto_box_easy_afternm(box, plain.p, plain.n, nonce, shared);
    return ERR_OK;
}

enum err box_open(const uint8_t shared[KEY_BYTES], struct slice nonce,
                  struct slice box, struct buf *out)
{
    if (nonce.n != NONCE_BYTES || box.n < crypto_box_MACBYTES)
        return ERR_DLV_BOX;
    size_t before = out->n;
    uint8_t *plain = grow(out, box.n - crypto_box_MACBYTES);
    if (plain == NULL && out->failed)
        return ERR_NOMEM;
    if (crypto_box_open_easy_afternm(plain, box.p, box.n, nonce.p, shared) == 0)
        return ERR_OK;
    out->n = before;
    return ERR_DLV_BOX;
}

/* ---- at rest ---- */

#define TAG_BYTES crypto_aead_xchacha20poly1305_ietf_ABYTES

enum err seal_padded(const uint8_t key[KEY_BYTES], struct slice aad,
                     struct slice plain, size_t block, struct buf *out)
{
    size_t padded = plain.n + block - plain.n % block;
    struct buf p = {0};
    if (grow(&p, padded) == NULL)
        return ERR_NOMEM;
    if (plain.n > 0)
        memcpy(p.p, plain.p, plain.n);
    size_t n;
    int rc = sodium_pad(&n, p.p, plain.n, block, padded);
    assert(rc == 0 && n == padded);
    uint8_t *nonce = grow(out, NONCE_BYTES + padded + TAG_BYTES);
    if (nonce != NULL) {
        randombytes_buf(nonce, NONCE_BYTES);
        crypto_aead_xchacha20poly1305_ietf_encrypt(nonce + NONCE_BYTES, NULL,
                                                   p.p, padded, aad.p, aad.n,
                                                   NULL, nonce, key);
    }
    buf_fini(&p);
    return nonce != NULL ? ERR_OK : ERR_NOMEM;
}

enum err unseal_padded(const uint8_t key[KEY_BYTES], struct slice aad,
                       struct slice sealed, size_t block, struct buf *out)
{
    if (sealed.n < NONCE_BYTES + block + TAG_BYTES)
        return ERR_INTEGRITY;
    size_t before = out->n, n = 0;
    size_t padded = sealed.n - NONCE_BYTES - TAG_BYTES;
    uint8_t *plain = grow(out, padded);
    if (plain == NULL)
        return ERR_NOMEM;
    if (crypto_aead_xchacha20poly1305_ietf_decrypt(
            plain, NULL, NULL, sealed.p + NONCE_BYTES, padded + TAG_BYTES,
            aad.p, aad.n, sealed.p, key) != 0 ||
        sodium_unpad(&n, plain, padded, block) != 0) {
        out->n = before;
        return ERR_INTEGRITY;
    }
    out->n = before + n;
    out->p[out->n] = '\0';
    return ERR_OK;
}

enum err seal(const uint8_t key[KEY_BYTES], struct slice aad,
              struct slice plain, struct buf *out)
{
    return seal_padded(key, aad, plain, PAD, out);
}

enum err unseal(const uint8_t key[KEY_BYTES], struct slice aad,
                struct slice sealed, struct buf *out)
{
    return unseal_padded(key, aad, sealed, PAD, out);
}

void sha256(struct slice s, uint8_t out[32])
{
    crypto_hash_sha256(out, s.p, s.n);
}

void token_make(const uint8_t key[KEY_BYTES], const char *what,
                struct slice local_id, uint8_t out[16])
{
    crypto_generichash_state st;
    crypto_generichash_init(&st, key, KEY_BYTES, 16);
    crypto_generichash_update(&st, (const uint8_t *)what, strlen(what) + 1);
    crypto_generichash_update(&st, local_id.p, local_id.n);
    crypto_generichash_final(&st, out, 16);
    sodium_memzero(&st, sizeof(st));
}
