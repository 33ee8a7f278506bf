/* log_proof.c - C2SP tlog-proof:
 *
 *   c2sp.org/tlog-proof@v1\n
 *   extra <base64>\n           (may be absent)
 *   index <decimal>\n
 *   <base64 of a hash>\n       (inclusion, from the leaf up)
 *   \n
 *   <note>
 *
 * The extra data are not covered by anything: the leaf they hold counts only
 * because its hash is proved. */
#include "proto/wire/log_proof.h"
#include <inttypes.h>
#include <sodium.h>
#include <string.h>

#define B64 sodium_base64_VARIANT_ORIGINAL
#define HEADER "c2sp.org/tlog-proof@v1"
/* Base64 goes piecewise: so many bytes need no filling. */
#define PIECE 48
#define PIECE_TEXT 64

static void add_base64(struct buf *out, struct slice s)
{
    while (s.n > 0) {
        char text[sodium_base64_ENCODED_LEN(PIECE, B64)];
        size_t n = s.n < PIECE ? s.n : PIECE;
        sodium_bin2base64(text, sizeof(text), s.p, n, B64);
        buf_adds(out, text);
        s = slice_of(s.p + n, s.n - n);
    }
    buf_addc(out, '\n');
}

enum err log_proof_write(struct slice extra, uint64_t index,
                         const struct hash *path, size_t n, struct slice note,
                         struct buf *out)
{
    buf_adds(out, HEADER "\n");
    if (extra.n > 0) {
        buf_adds(out, "extra ");
        add_base64(out, extra);
    }
    buf_addf(out, "index %" PRIu64 "\n", index);
    for (size_t i = 0; i < n; i++)
        add_base64(out, slice_of(path[i].b, HASH_BYTES));
    buf_addc(out, '\n');
    buf_add(out, note.p, note.n);
    return out->failed ? ERR_NOMEM : ERR_OK;
}

/* "name value" -> value. */
static bool after(struct slice line, const char *name, struct slice *value)
{
    size_t n = strlen(name);
    if (line.n <= n || memcmp(line.p, name, n) != 0)
        return false;
    *value = slice_of(line.p + n, line.n - n);
    return true;
}

/* Only the last piece may have filling. */
static bool take_base64(struct slice text, struct buf *out)
{
    uint8_t part[PIECE];
    size_t n = PIECE;
    bool good = text.n > 0;
    while (good && text.n > 0) {
        size_t take = text.n < PIECE_TEXT ? text.n : PIECE_TEXT;
        good = n == PIECE &&
               note_unbase64(slice_of(text.p, take), part, sizeof(part), &n);
        if (good)
            buf_add(out, part, n);
        text = slice_of(text.p + take, text.n - take);
    }
    return good && !out->failed;
}

static bool take_hash(struct slice line, struct hash *out)
{
    size_t n = 0;
    return note_unbase64(line, out->b, HASH_BYTES, &n) && n == HASH_BYTES;
}

static bool parse(struct slice text, struct log_proof *out)
{
    struct slice line, value;
    if (!note_take_line(&text, &line) || !slice_eq(line, slice_str(HEADER)) ||
        !note_take_line(&text, &line))
        return false;
    if (after(line, "extra ", &value) &&
        (!take_base64(value, &out->extra) || !note_take_line(&text, &line)))
        return false;
    if (!after(line, "index ", &value) || !note_number(value, &out->index))
        return false;
    while (note_take_line(&text, &line)) {
        if (line.n == 0) {
            out->note = text;
            return text.n > 0;
        }
        if (out->n == PROOF_MAX || !take_hash(line, &out->path[out->n]))
            return false;
        out->n++;
    }
    return false;
}

enum err log_proof_parse(struct slice text, struct log_proof *out)
{
    memset(out, 0, sizeof(*out));
    if (text.n <= LOG_PROOF_MAX && parse(text, out))
        return ERR_OK;
    log_proof_fini(out);
    return ERR_INTEGRITY;
}

void log_proof_fini(struct log_proof *p)
{
    buf_fini(&p->extra);
    memset(p, 0, sizeof(*p));
}

enum err log_proof_check(const struct log_proof *p, const char *origin,
                         const uint8_t log_key[KEY_BYTES], struct slice leaf,
                         struct checkpoint *head)
{
    enum err e = checkpoint_open(p->note, origin, log_key, head);
    return e != ERR_OK
               ? e
               : proof_check_inclusion(p->index, head->size, proof_leaf(leaf),
                                       p->path, p->n, head->root);
}
