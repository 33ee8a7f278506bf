/* proof.c - checking what the log says of itself.
 *
 * Hashes and proofs are RFC 6962's, checked by the algorithms of RFC 9162
 * 2.1.3.2 (inclusion) and 2.1.4.2 (consistency), so that any tool of that
 * family agrees with us. A checkpoint is a C2SP signed note:
 *
 *   origin \n size in decimal \n base64(root) \n
 *   \n
 *   U+2014 space origin space base64(keyid[4] signature[64]) \n
 *
 * with keyid = SHA-256(origin 0x0A 0x01 public key)[:4] and the Ed25519
 * signature over the text above the empty line, its last newline included.
 * Lines of other signers (witnesses) must be well formed and are otherwise
 * passed over. There are no extension lines. */
#include "proto/wire/proof.h"
#include "proto/base/text.h"
#include <assert.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define NOTE_MAX (128 * 1024)
#define NOTE_SIGNATURES 16
#define KEYID_BYTES 4
#define ED25519_TYPE 0x01
#define BLOB_MAX (5 * 1024) /* one decoded signature line */
#define ROOT_TEXT sodium_base64_ENCODED_LEN(HASH_BYTES, B64)
#define B64 sodium_base64_VARIANT_ORIGINAL
static const char DASH[] = "\xe2\x80\x94 "; /* em dash, space */

/* ---- hashes ---- */

struct hash proof_leaf(struct slice leaf)
{
    static const uint8_t TAG = 0x00;
    struct hash h;
    crypto_hash_sha256_state st;
    crypto_hash_sha256_init(&st);
    crypto_hash_sha256_update(&st, &TAG, 1);
    crypto_hash_sha256_update(&st, leaf.p, leaf.n);
    crypto_hash_sha256_final(&st, h.b);
    return h;
}

struct hash proof_node(struct hash l, struct hash r)
{
    uint8_t all[1 + 2 * HASH_BYTES] = {0x01};
    struct hash h;
    memcpy(all + 1, l.b, HASH_BYTES);
    memcpy(all + 1 + HASH_BYTES, r.b, HASH_BYTES);
    crypto_hash_sha256(h.b, all, sizeof(all));
    return h;
}

static bool same(struct hash a, struct hash b)
{
    return memcmp(a.b, b.b, HASH_BYTES) == 0;
}

/* ---- proofs ---- */

/* Where the walk stands: the node on the path and the last node, both as
 * indexes within the level reached. */
struct walk {
    uint64_t fn, sn;
};

static bool joins_left(const struct walk *w)
{
    return (w->fn & 1) != 0 || w->fn == w->sn;
}

/* Up one level after joining with a left neighbour: levels at which the node
 * has no neighbour are skipped. */
static void up_from_left(struct walk *w)
{
    while ((w->fn & 1) == 0 && w->fn != 0) {
        w->fn >>= 1;
        w->sn >>= 1;
    }
}

static void up(struct walk *w)
{
    w->fn >>= 1;
    w->sn >>= 1;
}

enum err proof_check_inclusion(uint64_t index, uint64_t size, struct hash leaf,
                               const struct hash *path, size_t n,
                               struct hash root)
{
    if (index >= size || n > PROOF_MAX)
        return ERR_DLV_PROOF;
    struct walk w = {index, size - 1};
    struct hash r = leaf;
    for (size_t i = 0; i < n; i++) {
        if (w.sn == 0)
            return ERR_DLV_PROOF;
        if (joins_left(&w)) {
            r = proof_node(path[i], r);
            up_from_left(&w);
        } else {
            r = proof_node(r, path[i]);
        }
        up(&w);
    }
    return w.sn == 0 && same(r, root) ? ERR_OK : ERR_DLV_PROOF;
}

/* 0 < old_size < size; first is the old tree's largest whole subtree on the
 * right, path what is joined to it. */
static bool both_roots(struct walk w, struct hash first,
                       const struct hash *path, size_t n, struct hash old_root,
                       struct hash root)
{
    struct hash fr = first, sr = first;
    for (size_t i = 0; i < n; i++) {
        if (w.sn == 0)
            return false;
        if (joins_left(&w)) {
            fr = proof_node(path[i], fr);
            sr = proof_node(path[i], sr);
            up_from_left(&w);
        } else {
            sr = proof_node(sr, path[i]);
        }
        up(&w);
    }
    return w.sn == 0 && same(fr, old_root) && same(sr, root);
}

enum err proof_check_consistency(uint64_t old_size, struct hash old_root,
                                 uint64_t size, struct hash root,
                                 const struct hash *path, size_t n)
{
    if (old_size > size || n > PROOF_MAX)
        return ERR_DLV_FORK;
    if (old_size == 0)
        return ERR_OK;
    if (old_size == size)
        return n == 0 && same(old_root, root) ? ERR_OK : ERR_DLV_FORK;
    if (n == 0)
        return ERR_DLV_FORK;
    struct walk w = {old_size - 1, size - 1};
    while (w.fn & 1)
        up(&w);
    /* a whole tree of 2^k leaves is itself the first subtree */
    struct hash first = old_root;
    if ((old_size & (old_size - 1)) != 0) {
        first = *path++;
        n--;
    }
    return both_roots(w, first, path, n, old_root, root) ? ERR_OK
                                                         : ERR_DLV_FORK;
}

/* ---- signed notes ---- */

/* A key's name in a note: it stands between spaces on a line. */
static bool origin_ok(const char *origin)
{
    size_t n = strlen(origin);
    if (n == 0 || n >= ORIGIN_MAX)
        return false;
    for (size_t i = 0; i < n; i++)
        if (origin[i] <= 0x20 || origin[i] >= 0x7f || origin[i] == '+')
            return false;
    return true;
}

static void key_id(const char *origin, const uint8_t public[KEY_BYTES],
                   uint8_t out[KEYID_BYTES])
{
    static const uint8_t SEPARATOR[2] = {0x0a, ED25519_TYPE};
    uint8_t h[HASH_BYTES];
    crypto_hash_sha256_state st;
    crypto_hash_sha256_init(&st);
    crypto_hash_sha256_update(&st, (const uint8_t *)origin, strlen(origin));
    crypto_hash_sha256_update(&st, SEPARATOR, sizeof(SEPARATOR));
    crypto_hash_sha256_update(&st, public, KEY_BYTES);
    crypto_hash_sha256_final(&st, h);
    memcpy(out, h, KEYID_BYTES);
}

static void note_text(const struct checkpoint *c, struct buf *text)
{
    char root[ROOT_TEXT];
    sodium_bin2base64(root, sizeof(root), c->root.b, HASH_BYTES, B64);
    buf_addf(text, "%s\n%" PRIu64 "\n%s\n", c->origin, c->size, root);
}

#define SIG_BLOB (KEYID_BYTES + SIGNATURE_BYTES)

enum err checkpoint_sign(const struct checkpoint *c,
                         const uint8_t secret[SIGN_SECRET_BYTES],
                         const uint8_t public[KEY_BYTES], struct buf *note)
{
    if (!origin_ok(c->origin))
        return ERR_INTEGRITY;
    struct buf text = {0};
    note_text(c, &text);
    if (text.failed)
        return ERR_NOMEM;
    uint8_t blob[SIG_BLOB];
    char b64[sodium_base64_ENCODED_LEN(SIG_BLOB, B64)];
    key_id(c->origin, public, blob);
    crypto_sign_detached(blob + KEYID_BYTES, NULL, text.p, text.n, secret);
    sodium_bin2base64(b64, sizeof(b64), blob, sizeof(blob), B64);
    buf_add(note, text.p, text.n);
    buf_addf(note, "\n%s%s %s\n", DASH, c->origin, b64);
    buf_fini(&text);
    return note->failed ? ERR_NOMEM : ERR_OK;
}

void checkpoint_vkey(const char *origin, const uint8_t public[KEY_BYTES],
                     struct buf *out)
{
    uint8_t id[KEYID_BYTES], key[1 + KEY_BYTES] = {ED25519_TYPE};
    char b64[sodium_base64_ENCODED_LEN(1 + KEY_BYTES, B64)];
    key_id(origin, public, id);
    memcpy(key + 1, public, KEY_BYTES);
    sodium_bin2base64(b64, sizeof(b64), key, sizeof(key), B64);
    buf_adds(out, origin);
    buf_addc(out, '+');
    buf_add_hex(out, slice_of(id, sizeof(id)));
    buf_addc(out, '+');
    buf_adds(out, b64);
}

/* ---- opening a note ---- */

/* Takes a line that ends in a newline off s; false when there is none. */
static bool take_line(struct slice *s, struct slice *line)
{
    const uint8_t *nl = s->n > 0 ? memchr(s->p, '\n', s->n) : NULL;
    if (nl == NULL)
        return false;
    *line = slice_of(s->p, (size_t)(nl - s->p));
    *s = slice_of(nl + 1, s->n - line->n - 1);
    return true;
}

static bool clean(struct slice note)
{
    if (note.n == 0 || note.n > NOTE_MAX)
        return false;
    for (size_t i = 0; i < note.n; i++)
        if ((note.p[i] < 0x20 && note.p[i] != '\n') || note.p[i] == 0x7f)
            return false;
    return text_check_utf8(note) == ERR_OK;
}

/* The text is all before the last empty line, the signatures all after. */
static bool cut(struct slice note, struct slice *text, struct slice *sigs)
{
    for (size_t i = note.n; i-- > 1;)
        if (note.p[i] == '\n' && note.p[i - 1] == '\n') {
            *text = slice_of(note.p, i);
            *sigs = slice_of(note.p + i + 1, note.n - i - 1);
            return true;
        }
    return false;
}

/* One way to write a number: digits only, no leading zero, no overflow. */
static bool take_size(struct slice s, uint64_t *out)
{
    uint64_t v = 0;
    if (s.n == 0 || s.n > 20 || (s.n > 1 && s.p[0] == '0'))
        return false;
    for (size_t i = 0; i < s.n; i++) {
        unsigned digit = (unsigned)s.p[i] - '0';
        if (digit > 9 || v > (UINT64_MAX - digit) / 10)
            return false;
        v = v * 10 + digit;
    }
    *out = v;
    return true;
}

static bool unbase64(struct slice s, uint8_t *out, size_t max, size_t *n)
{
    const char *text = s.n > 0 ? (const char *)s.p : "";
    return sodium_base642bin(out, max, text, s.n, NULL, n, NULL, B64) == 0;
}

static bool read_text(struct slice text, const char *origin,
                      struct checkpoint *out)
{
    struct slice line;
    size_t n = 0;
    if (!take_line(&text, &line) || !slice_eq(line, slice_str(origin)))
        return false;
    memcpy(out->origin, origin, line.n + 1);
    if (!take_line(&text, &line) || !take_size(line, &out->size))
        return false;
    if (!take_line(&text, &line) ||
        !unbase64(line, out->root.b, HASH_BYTES, &n) || n != HASH_BYTES)
        return false;
    return text.n == 0;
}

/* A signature line taken apart. */
struct sigline {
    struct slice name;
    uint8_t blob[BLOB_MAX];
    size_t n;
};

static bool read_sigline(struct slice line, struct sigline *out)
{
    size_t dash = strlen(DASH);
    if (line.n <= dash || memcmp(line.p, DASH, dash) != 0)
        return false;
    line = slice_of(line.p + dash, line.n - dash);
    const uint8_t *space = memchr(line.p, ' ', line.n);
    if (space == NULL || space == line.p)
        return false;
    out->name = slice_of(line.p, (size_t)(space - line.p));
    line = slice_of(space + 1, line.n - out->name.n - 1);
    return memchr(out->name.p, '+', out->name.n) == NULL &&
           unbase64(line, out->blob, sizeof(out->blob), &out->n) &&
           out->n > KEYID_BYTES;
}

enum verdict { BROKEN, STRANGER, GOOD };

static enum verdict judge(const struct sigline *s, struct slice text,
                          const char *origin, const uint8_t *public)
{
    uint8_t id[KEYID_BYTES];
    key_id(origin, public, id);
    if (!slice_eq(s->name, slice_str(origin)) ||
        memcmp(s->blob, id, KEYID_BYTES) != 0)
        return STRANGER;
    if (s->n != SIG_BLOB ||
        crypto_sign_verify_detached(s->blob + KEYID_BYTES, text.p, text.n,
                                    public) != 0)
        return BROKEN;
    return GOOD;
}

/* Every line well formed, none that claims our key false, at least one good. */
static bool signatures_ok(struct slice sigs, struct slice text,
                          const char *origin, const uint8_t *public)
{
    bool good = false;
    for (size_t count = 0; sigs.n > 0; count++) {
        struct slice line;
        struct sigline s;
        if (count == NOTE_SIGNATURES || !take_line(&sigs, &line) ||
            !read_sigline(line, &s))
            return false;
        enum verdict v = judge(&s, text, origin, public);
        if (v == BROKEN)
            return false;
        good = good || v == GOOD;
    }
    return good;
}

enum err checkpoint_open(struct slice note, const char *origin,
                         const uint8_t public[KEY_BYTES],
                         struct checkpoint *out)
{
    struct slice text, sigs;
    memset(out, 0, sizeof(*out));
    if (!origin_ok(origin) || !clean(note) || !cut(note, &text, &sigs) ||
        !signatures_ok(sigs, text, origin, public) ||
        !read_text(text, origin, out)) {
        memset(out, 0, sizeof(*out));
        return ERR_INTEGRITY;
    }
    return ERR_OK;
}
