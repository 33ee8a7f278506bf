/* witness.c - cosignatures and the bodies of add-checkpoint.
 *
 * A cosignature line is that of a note with keyid[4] time[8] signature[64], the
 * time big-endian in Unix seconds, the signature (Ed25519) over
 *
 *   cosignature/v1\n
 *   time <decimal>\n
 *   <the text of the note>
 *
 * and keyid = SHA-256(name 0x0A 0x04 public key)[:4]. A body that asks for one:
 *
 *   old <size>\n
 *   <base64 of a hash>\n     (at most 63)
 *   \n
 *   <note> */
#include "proto/wire/witness.h"
#include <inttypes.h>
#include <sodium.h>
#include <string.h>

#define TIME_BYTES 8
#define COSIGNATURE_BYTES (NOTE_KEYID + TIME_BYTES + SIGNATURE_BYTES)
#define B64 sodium_base64_VARIANT_ORIGINAL

/* ---- cosignatures ---- */

static void put_time(uint8_t out[TIME_BYTES], uint64_t t)
{
    for (int i = 0; i < TIME_BYTES; i++)
        out[i] = (uint8_t)(t >> (56 - 8 * i));
}

static uint64_t get_time(const uint8_t in[TIME_BYTES])
{
    uint64_t t = 0;
    for (int i = 0; i < TIME_BYTES; i++)
        t = t << 8 | in[i];
    return t;
}

static void message(uint64_t time_s, struct slice text, struct buf *out)
{
    buf_addf(out, "cosignature/v1\ntime %" PRIu64 "\n", time_s);
    buf_add(out, text.p, text.n);
}

enum err cosignature_make(struct slice note, const char *name,
                          const uint8_t secret[SIGN_SECRET_BYTES],
                          const uint8_t public[KEY_BYTES], uint64_t time_s,
                          struct buf *out)
{
    struct slice text, lines;
    struct vkey v = {.type = VKEY_COSIGNER};
    struct buf m = {0};
    uint8_t blob[COSIGNATURE_BYTES];
    if (!note_name_ok(name) || !note_cut(note, &text, &lines))
        return ERR_INTEGRITY;
    memcpy(v.name, name, strlen(name) + 1);
    memcpy(v.key, public, KEY_BYTES);
    vkey_id(&v, blob);
    put_time(blob + NOTE_KEYID, time_s);
    message(time_s, text, &m);
    if (!m.failed)
        crypto_sign_detached(blob + NOTE_KEYID + TIME_BYTES, NULL, m.p, m.n,
                             secret);
    enum err e = m.failed
                     ? ERR_NOMEM
                     : note_add_line(name, slice_of(blob, sizeof(blob)), out);
    buf_fini(&m);
    return e;
}

static bool signed_by(const struct note_line *l, struct slice text,
                      const uint8_t key[KEY_BYTES], uint64_t time_s)
{
    struct buf m = {0};
    message(time_s, text, &m);
    bool good = !m.failed &&
                crypto_sign_verify_detached(l->blob + NOTE_KEYID + TIME_BYTES,
                                            m.p, m.n, key) == 0;
    buf_fini(&m);
    return good;
}

enum note_verdict cosignature_judge(const struct note_line *l,
                                    struct slice text, const struct vkey *w,
                                    uint64_t *time_s)
{
    uint8_t id[NOTE_KEYID];
    vkey_id(w, id);
    if (!slice_eq(l->name, slice_str(w->name)) ||
        memcmp(l->blob, id, NOTE_KEYID) != 0)
        return NOTE_STRANGER;
    if (l->n != COSIGNATURE_BYTES)
        return NOTE_BROKEN;
    uint64_t t = get_time(l->blob + NOTE_KEYID);
    if (t > INT64_MAX || !signed_by(l, text, w->key, t))
        return NOTE_BROKEN;
    *time_s = t;
    return NOTE_GOOD;
}

enum err cosignature_find(struct slice note, struct slice lines,
                          const struct vkey *w, struct slice *line,
                          uint64_t *time_s)
{
    struct slice text, own;
    struct note_line l;
    if (!note_cut(note, &text, &own))
        return ERR_INTEGRITY;
    for (size_t i = 0; i < NOTE_SIGNATURES && lines.n > 0; i++) {
        const uint8_t *at = lines.p;
        if (!note_next(&lines, &l))
            return ERR_WITNESS_SIGNATURE;
        if (cosignature_judge(&l, text, w, time_s) != NOTE_GOOD)
            continue;
        *line = slice_of(at, (size_t)(lines.p - at));
        return ERR_OK;
    }
    return ERR_WITNESS_SIGNATURE;
}

/* ---- add-checkpoint ---- */

static void add_hash(struct buf *out, struct hash h)
{
    char b64[sodium_base64_ENCODED_LEN(HASH_BYTES, B64)];
    sodium_bin2base64(b64, sizeof(b64), h.b, HASH_BYTES, B64);
    buf_addf(out, "%s\n", b64);
}

enum err witness_ask_write(uint64_t old_size, const struct hash *path, size_t n,
                           struct slice note, struct buf *out)
{
    if (n > WITNESS_PROOF_MAX)
        return ERR_WITNESS_ASK;
    buf_addf(out, "old %" PRIu64 "\n", old_size);
    for (size_t i = 0; i < n; i++)
        add_hash(out, path[i]);
    buf_addc(out, '\n');
    buf_add(out, note.p, note.n);
    return out->failed ? ERR_NOMEM : ERR_OK;
}

static bool take_hash(struct slice line, struct hash *out)
{
    size_t n = 0;
    return note_unbase64(line, out->b, HASH_BYTES, &n) && n == HASH_BYTES;
}

static bool take_old(struct slice line, uint64_t *out)
{
    return line.n > 4 && memcmp(line.p, "old ", 4) == 0 &&
           note_number(slice_of(line.p + 4, line.n - 4), out);
}

enum err witness_ask_parse(struct slice body, struct witness_ask *out)
{
    struct slice line;
    memset(out, 0, sizeof(*out));
    if (!note_take_line(&body, &line) || !take_old(line, &out->old_size))
        return ERR_WITNESS_ASK;
    while (note_take_line(&body, &line)) {
        if (line.n == 0) {
            out->note = body;
            return body.n > 0 ? ERR_OK : ERR_WITNESS_ASK;
        }
        if (out->n == WITNESS_PROOF_MAX || !take_hash(line, &out->path[out->n]))
            break;
        out->n++;
    }
    return ERR_WITNESS_ASK;
}

/* The first line of a note names its log. */
static bool speaks_of(struct slice note, const char *origin)
{
    struct slice line;
    return note_take_line(&note, &line) && slice_eq(line, slice_str(origin));
}

enum witness_status witness_judge(const struct witness_ask *ask,
                                  const char *origin,
                                  const uint8_t log_key[KEY_BYTES],
                                  const struct checkpoint *kept,
                                  struct checkpoint *head)
{
    memset(head, 0, sizeof(*head));
    if (!speaks_of(ask->note, origin))
        return WITNESS_UNKNOWN;
    if (checkpoint_open(ask->note, origin, log_key, head) != ERR_OK)
        return WITNESS_FORBIDDEN;
    if (ask->old_size > head->size)
        return WITNESS_MALFORMED;
    if (ask->old_size != kept->size)
        return WITNESS_CONFLICT;
    if (kept->size != 0 && kept->size == head->size &&
        memcmp(&kept->root, &head->root, sizeof(head->root)) != 0)
        return WITNESS_CONFLICT;
    if ((ask->old_size == 0 && ask->n > 0) ||
        proof_check_consistency(kept->size, kept->root, head->size, head->root,
                                ask->path, ask->n) != ERR_OK)
        return WITNESS_UNPROVED;
    return WITNESS_DONE;
}

void witness_size_write(uint64_t size, struct buf *out)
{
    buf_addf(out, "%" PRIu64 "\n", size);
}

enum err witness_size_parse(struct slice body, uint64_t *size)
{
    struct slice line;
    return note_take_line(&body, &line) && body.n == 0 &&
                   note_number(line, size)
               ? ERR_OK
               : ERR_WITNESS_ASK;
}
