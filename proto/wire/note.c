/* note.c - C2SP signed notes:
 *
 *   lines of text, the last newline included
 *   \n
 *   U+2014 space name space base64(keyid[4] signature[64]) \n    (per signer)
 *
 * with keyid = SHA-256(name 0x0A 0x01 public key)[:4] and the Ed25519
 * signature over the text above the empty line. Lines of other signers must
 * be well formed and are otherwise passed over. */
#include "proto/wire/note.h"
#include "proto/base/text.h"
#include <assert.h>
#include <sodium.h>
#include <string.h>

#define B64 sodium_base64_VARIANT_ORIGINAL
#define SIG_BLOB (NOTE_KEYID + SIGNATURE_BYTES)
static const char DASH[] = "\xe2\x80\x94 "; /* em dash, space */

/* A key's name in a note: it stands between spaces on a line. */
bool note_name_ok(const char *name)
{
    size_t n = strlen(name);
    if (n == 0 || n >= ORIGIN_MAX)
        return false;
    for (size_t i = 0; i < n; i++)
        if (name[i] <= 0x20 || name[i] >= 0x7f || name[i] == '+')
            return false;
    return true;
}

static void key_id(const char *name, enum vkey_type type,
                   const uint8_t public[KEY_BYTES], uint8_t out[NOTE_KEYID])
{
    const uint8_t separator[2] = {0x0a, (uint8_t)type};
    uint8_t h[crypto_hash_sha256_BYTES];
    crypto_hash_sha256_state st;
    crypto_hash_sha256_init(&st);
    crypto_hash_sha256_update(&st, (const uint8_t *)name, strlen(name));
    crypto_hash_sha256_update(&st, separator, sizeof(separator));
    crypto_hash_sha256_update(&st, public, KEY_BYTES);
    crypto_hash_sha256_final(&st, h);
    memcpy(out, h, NOTE_KEYID);
}

void note_key_id(const char *name, const uint8_t public[KEY_BYTES],
                 uint8_t out[NOTE_KEYID])
{
    key_id(name, VKEY_SIGNER, public, out);
}

void vkey_id(const struct vkey *v, uint8_t out[NOTE_KEYID])
{
    key_id(v->name, v->type, v->key, out);
}

enum err note_add_line(const char *name, struct slice blob, struct buf *out)
{
    char b64[sodium_base64_ENCODED_LEN(NOTE_OWN_BLOB, B64)];
    assert(blob.n <= NOTE_OWN_BLOB);
    if (!note_name_ok(name))
        return ERR_INTEGRITY;
    sodium_bin2base64(b64, sizeof(b64), blob.p, blob.n, B64);
    buf_addf(out, "%s%s %s\n", DASH, name, b64);
    return out->failed ? ERR_NOMEM : ERR_OK;
}

enum err note_sign(struct slice text, const char *name,
                   const uint8_t secret[SIGN_SECRET_BYTES],
                   const uint8_t public[KEY_BYTES], struct buf *out)
{
    uint8_t blob[SIG_BLOB];
    note_key_id(name, public, blob);
    crypto_sign_detached(blob + NOTE_KEYID, NULL, text.p, text.n, secret);
    return note_add_line(name, slice_of(blob, sizeof(blob)), out);
}

void vkey_write(const struct vkey *v, struct buf *out)
{
    uint8_t id[NOTE_KEYID], key[1 + KEY_BYTES] = {(uint8_t)v->type};
    char b64[sodium_base64_ENCODED_LEN(1 + KEY_BYTES, B64)];
    vkey_id(v, id);
    memcpy(key + 1, v->key, KEY_BYTES);
    sodium_bin2base64(b64, sizeof(b64), key, sizeof(key), B64);
    buf_adds(out, v->name);
    buf_addc(out, '+');
    buf_add_hex(out, slice_of(id, sizeof(id)));
    buf_addc(out, '+');
    buf_adds(out, b64);
}

void note_vkey(const char *name, const uint8_t public[KEY_BYTES],
               struct buf *out)
{
    struct vkey v = {.type = VKEY_SIGNER};
    memcpy(v.name, name, strlen(name) + 1);
    memcpy(v.key, public, KEY_BYTES);
    vkey_write(&v, out);
}

/* name '+' eight hex digits '+' the rest. */
static bool vkey_cut(struct slice text, struct vkey *out, struct slice *b64)
{
    const uint8_t *plus = text.n > 0 ? memchr(text.p, '+', text.n) : NULL;
    size_t n = plus != NULL ? (size_t)(plus - text.p) : 0;
    if (n == 0 || n >= ORIGIN_MAX || text.n < n + 2 + 2 * NOTE_KEYID ||
        memchr(text.p, '\0', n) != NULL)
        return false;
    memcpy(out->name, text.p, n);
    out->name[n] = '\0';
    n += 2 + 2 * NOTE_KEYID;
    *b64 = slice_of(text.p + n, text.n - n);
    return note_name_ok(out->name);
}

/* Written again and compared, so that there is one way to write each and the
 * id is that of the key. */
bool vkey_parse(struct slice text, struct vkey *out)
{
    uint8_t raw[1 + KEY_BYTES];
    struct slice b64;
    struct buf same = {0};
    size_t n = 0;
    memset(out, 0, sizeof(*out));
    if (!vkey_cut(text, out, &b64) ||
        !note_unbase64(b64, raw, sizeof(raw), &n) || n != sizeof(raw) ||
        (raw[0] != VKEY_SIGNER && raw[0] != VKEY_COSIGNER))
        return false;
    out->type = (enum vkey_type)raw[0];
    memcpy(out->key, raw + 1, KEY_BYTES);
    vkey_write(out, &same);
    bool good = !same.failed && slice_eq(buf_slice(&same), text);
    buf_fini(&same);
    return good;
}

/* ---- opening a note ---- */

bool note_take_line(struct slice *s, struct slice *line)
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
bool note_cut(struct slice note, struct slice *text, struct slice *lines)
{
    for (size_t i = clean(note) ? note.n : 0; i-- > 1;)
        if (note.p[i] == '\n' && note.p[i - 1] == '\n') {
            *text = slice_of(note.p, i);
            *lines = slice_of(note.p + i + 1, note.n - i - 1);
            return true;
        }
    return false;
}

/* One way to write a number: digits only, no leading zero, no overflow. */
bool note_number(struct slice s, uint64_t *out)
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

/* libsodium takes some bytes above ASCII for letters. */
bool note_unbase64(struct slice s, uint8_t *out, size_t max, size_t *n)
{
    const char *text = s.n > 0 ? (const char *)s.p : "";
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] >= 0x80)
            return false;
    return sodium_base642bin(out, max, text, s.n, NULL, n, NULL, B64) == 0;
}

static bool read_line(struct slice line, struct note_line *out)
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
           note_unbase64(line, out->blob, sizeof(out->blob), &out->n) &&
           out->n > NOTE_KEYID;
}

bool note_next(struct slice *lines, struct note_line *out)
{
    struct slice line;
    return note_take_line(lines, &line) && read_line(line, out);
}

enum note_verdict note_judge(const struct note_line *l, struct slice text,
                             const char *name, const uint8_t public[KEY_BYTES])
{
    uint8_t id[NOTE_KEYID];
    note_key_id(name, public, id);
    if (!slice_eq(l->name, slice_str(name)) ||
        memcmp(l->blob, id, NOTE_KEYID) != 0)
        return NOTE_STRANGER;
    if (l->n != SIG_BLOB ||
        crypto_sign_verify_detached(l->blob + NOTE_KEYID, text.p, text.n,
                                    public) != 0)
        return NOTE_BROKEN;
    return NOTE_GOOD;
}
