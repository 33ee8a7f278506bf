/* proof.c - checking what the log says of itself.
 *
 * Hashes and proofs are RFC 6962's, checked by the algorithms of RFC 9162
 * 2.1.3.2 (inclusion) and 2.1.4.2 (consistency), so that any tool of that
 * family agrees with us. A checkpoint is a C2SP signed note (note.h) over
 *
 *   origin \n size in decimal \n base64(root) \n
 *
 * signed in the name of the origin. Other signers are witnesses. There are no
 * extension lines. */
#include "proto/wire/proof.h"
#include <assert.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define ROOT_TEXT sodium_base64_ENCODED_LEN(HASH_BYTES, B64)
#define B64 sodium_base64_VARIANT_ORIGINAL

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

/* ---- checkpoints ---- */

static void checkpoint_text(const struct checkpoint *c, struct buf *text)
{
    char root[ROOT_TEXT];
    sodium_bin2base64(root, sizeof(root), c->root.b, HASH_BYTES, B64);
    buf_addf(text, "%s\n%" PRIu64 "\n%s\n", c->origin, c->size, root);
}

enum err checkpoint_sign(const struct checkpoint *c,
                         const uint8_t secret[SIGN_SECRET_BYTES],
                         const uint8_t public[KEY_BYTES], struct buf *note)
{
    if (!note_name_ok(c->origin))
        return ERR_INTEGRITY;
    struct buf text = {0};
    checkpoint_text(c, &text);
    if (text.failed)
        return ERR_NOMEM;
    buf_add(note, text.p, text.n);
    buf_addc(note, '\n');
    enum err e = note_sign(buf_slice(&text), c->origin, secret, public, note);
    buf_fini(&text);
    return e;
}

void checkpoint_vkey(const char *origin, const uint8_t public[KEY_BYTES],
                     struct buf *out)
{
    note_vkey(origin, public, out);
}

static bool read_text(struct slice text, const char *origin,
                      struct checkpoint *out)
{
    struct slice line;
    size_t n = 0;
    if (!note_take_line(&text, &line) || !slice_eq(line, slice_str(origin)))
        return false;
    memcpy(out->origin, origin, line.n + 1);
    if (!note_take_line(&text, &line) || !note_number(line, &out->size))
        return false;
    if (!note_take_line(&text, &line) ||
        !note_unbase64(line, out->root.b, HASH_BYTES, &n) || n != HASH_BYTES)
        return false;
    return text.n == 0;
}

/* Every line well formed, none that claims our key false, at least one good. */
static bool signatures_ok(struct slice lines, struct slice text,
                          const char *origin, const uint8_t *public)
{
    bool good = false;
    for (size_t count = 0; lines.n > 0; count++) {
        struct note_line l;
        if (count == NOTE_SIGNATURES || !note_next(&lines, &l))
            return false;
        enum note_verdict v = note_judge(&l, text, origin, public);
        if (v == NOTE_BROKEN)
            return false;
        good = good || v == NOTE_GOOD;
    }
    return good;
}

bool checkpoint_says(struct slice note, struct slice *origin, uint64_t *size)
{
    struct slice line;
    return note_take_line(&note, origin) && note_take_line(&note, &line) &&
           note_number(line, size);
}

enum err checkpoint_open(struct slice note, const char *origin,
                         const uint8_t public[KEY_BYTES],
                         struct checkpoint *out)
{
    struct slice text, lines;
    memset(out, 0, sizeof(*out));
    if (!note_name_ok(origin) || !note_cut(note, &text, &lines) ||
        !signatures_ok(lines, text, origin, public) ||
        !read_text(text, origin, out)) {
        memset(out, 0, sizeof(*out));
        return ERR_INTEGRITY;
    }
    return ERR_OK;
}
