/* log.c - the audit log: leaves, tiles, the tail and the newest checkpoint.
 *
 * A leaf gets its index, nonce and time when it is added; it is hashed as it is
 * packed and waits in memory. The commit writes its row, grows the tree (full
 * tiles become rows) and, in the same transaction, the size and SHA-256 over
 * the leaf hashes of the last tile. Hashing that running digest costs a leaf
 * half a microsecond, where the root would cost a commit up to 255 hashes.
 *
 * Memory is not trusted to keep what it was given: the tree gets the hash made
 * when the leaf was packed; bytes that no longer have it stop the commit; and
 * the signer hashes the row that was committed, read back. So a bit that flips
 * anywhere on the way from packing to the row ends in no signed head.
 *
 * At the start the last 65,536 leaves are hashed again: full tiles must hold
 * these hashes, the open one this digest, the tree of the newest checkpoint's
 * size must have its root, and the anchor must name a leaf that is there.
 * So a flipped bit is found (ERR_INTEGRITY), and so is a log that became
 * shorter (ERR_ROLLBACK), which no check of the database itself can see. */
#include "proto/base/log.h"
#include "hub/store/internal.h"
#include "proto/base/clock.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define LEAF_MAX 4096
#define LEAF_NONCE 16
#define REHASHED 65536
#define NOTE_MAX (128 * 1024)

/* ---- adding ---- */

void log_drop(struct store *s, size_t keep)
{
    struct leaves *l = &s->pending;
    assert(keep <= l->n);
    l->n = keep;
    l->bytes.n = keep == 0 ? 0 : l->end[keep - 1];
}

void log_free(struct store *s)
{
    buf_fini(&s->pending.bytes);
    free(s->pending.end);
    free(s->pending.hash);
    buf_fini(&s->note);
}

static struct slice leaf_at(const struct leaves *l, size_t i)
{
    size_t start = i == 0 ? 0 : l->end[i - 1];
    return slice_of(l->bytes.p + start, l->end[i] - start);
}

static enum err push_leaf(struct leaves *l, const Pb__AuditLeaf *leaf)
{
    uint8_t packed[LEAF_MAX];
    enum err e = grow((void **)&l->end, l->n, &l->cap_end, sizeof(*l->end));
    if (e == ERR_OK)
        e = grow((void **)&l->hash, l->n, &l->cap_hash, sizeof(*l->hash));
    if (e != ERR_OK)
        return e;
    if (pb__audit_leaf__get_packed_size(leaf) > LEAF_MAX) {
        log_error("store: leaf too large kind=%d", (int)leaf->kind);
        return ERR_INTERNAL;
    }
    size_t n = pb__audit_leaf__pack(leaf, packed);
    buf_add(&l->bytes, packed, n);
    if (l->bytes.failed)
        return ERR_NOMEM;
    l->hash[l->n] = proof_leaf(slice_of(packed, n));
    l->end[l->n++] = l->bytes.n;
    return ERR_OK;
}

enum err store_leaf(struct store *s, Pb__AuditLeaf *leaf, uint64_t *index)
{
    assert(leaf != NULL && index != NULL);
    if (!s->in_tx)
        return ERR_STATE;
    if (s->broken)
        return ERR_STORE;
    uint8_t nonce[LEAF_NONCE];
    random_take(s, nonce, sizeof(nonce));
    uint64_t ms = leaf->has_time_ms ? leaf->time_ms : clock_wall_ms();
    leaf->has_index = leaf->has_time_ms = leaf->has_nonce = 1;
    leaf->index = s->size + s->pending.n;
    leaf->time_ms = ms > s->now.last_ms ? ms : s->now.last_ms;
    leaf->nonce = (ProtobufCBinaryData){sizeof(nonce), nonce};
    enum err e = push_leaf(&s->pending, leaf);
    /* the nonce is ours, on the stack */
    leaf->has_nonce = 0;
    leaf->nonce = (ProtobufCBinaryData){0, NULL};
    if (e != ERR_OK)
        return e;
    *index = leaf->index;
    s->now.last_ms = leaf->time_ms;
    s->now.leaves = s->pending.n;
    return ERR_OK;
}

/* ---- committing ---- */

/* A merkle_keep. */
static enum err keep_tile(void *ctx, unsigned level, uint64_t n,
                          const struct hash tile[TILE_WIDTH])
{
    return sql_run(
        ctx, SQL_TILE_PUT,
        WITH(v_int(level), v_int(n), v_blob(tile, sizeof(*tile) * TILE_WIDTH)));
}

static void tail_add(struct store *s, uint64_t index, struct hash leaf)
{
    if (index % TILE_WIDTH == 0)
        crypto_hash_sha256_init(&s->tail);
    crypto_hash_sha256_update(&s->tail, leaf.b, HASH_BYTES);
}

static void tail_digest(const struct store *s, uint8_t out[32])
{
    crypto_hash_sha256_state copy = s->tail;
    memset(out, 0, 32);
    if (s->tree.size > 0)
        crypto_hash_sha256_final(&copy, out);
}

/* Writes pending leaf i. */
static enum err write_leaf(struct store *s, size_t i)
{
    uint64_t index = s->size + i;
    struct slice leaf = leaf_at(&s->pending, i);
    struct hash h = s->pending.hash[i], now = proof_leaf(leaf);
    if (memcmp(now.b, h.b, HASH_BYTES) != 0) {
        log_error("store: a leaf changed in memory index=%llu",
                  (unsigned long long)index);
        return ERR_INTEGRITY;
    }
    enum err e =
        sql_run(s, SQL_LEAF_PUT, WITH(v_int(index), v_blob(leaf.p, leaf.n)));
    if (e == ERR_OK)
        e = merkle_append(&s->tree, h, keep_tile, s);
    if (e != ERR_OK)
        return e;
    tail_add(s, index, h);
    return ERR_OK;
}

enum err log_write(struct store *s)
{
    uint8_t digest[32];
    if (s->pending.n == 0)
        return ERR_OK;
    for (size_t i = 0; i < s->pending.n; i++) {
        enum err e = write_leaf(s, i);
        if (e != ERR_OK)
            return e;
    }
    tail_digest(s, digest);
    return sql_run(s, SQL_LOG_STATE_SET,
                   WITH(v_int(s->tree.size), v_blob(digest, sizeof(digest))));
}

void log_written(struct store *s)
{
    s->size += s->pending.n;
    s->now.leaves = 0;
    log_drop(s, 0);
}

struct hash log_last(const struct store *s)
{
    assert(s->size > 0);
    return s->tree.open[0][(s->size - 1) % TILE_WIDTH];
}

/* ---- reading ---- */

uint64_t store_log_size(const struct store *s)
{
    return s->size;
}

const struct merkle *store_merkle(const struct store *s)
{
    return &s->tree;
}

enum err store_leaf_get(struct store *s, uint64_t index, struct buf *out)
{
    bool found;
    if (index >= s->size)
        return ERR_NOT_FOUND;
    enum err e = sql_row(s, SQL_LEAF_GET, WITH(v_int(index)), &found);
    if (e != ERR_OK)
        return e;
    if (!found)
        return ERR_INTEGRITY;
    col_buf(s, SQL_LEAF_GET, 0, out);
    e = sql_done(s, SQL_LEAF_GET);
    return e == ERR_OK && out->failed ? ERR_NOMEM : e;
}

enum err store_tile(void *store, unsigned level, uint64_t n,
                    struct hash tile[TILE_WIDTH])
{
    struct store *s = store;
    bool found;
    enum err e = sql_row(s, SQL_TILE_GET, WITH(v_int(level), v_int(n)), &found);
    if (e != ERR_OK)
        return e;
    if (!found)
        return ERR_NOT_FOUND;
    col_bytes(s, SQL_TILE_GET, 0, tile[0].b, sizeof(*tile) * TILE_WIDTH);
    return sql_done(s, SQL_TILE_GET);
}

/* ---- the checkpoint ---- */

/* The second and third line of a note: size and root. A buf ends with NUL, so
 * reading a number cannot run past it. */
static bool note_lines(const struct buf *note, uint64_t *size,
                       struct hash *root)
{
    const char *p = (const char *)note->p, *stop = NULL;
    const char *at = note->n > 0 ? memchr(p, '\n', note->n) : NULL;
    if (at == NULL)
        return false;
    char *end;
    *size = strtoull(at + 1, &end, 10);
    if (*end != '\n' || end == at + 1)
        return false;
    const char *b64 = end + 1;
    size_t n = 0, left = note->n - (size_t)(b64 - p);
    return sodium_base642bin(root->b, HASH_BYTES, b64, left, NULL, &n, &stop,
                             sodium_base64_VARIANT_ORIGINAL) == 0 &&
           n == HASH_BYTES && *stop == '\n';
}

static enum err check_note(const struct store *s, uint64_t size,
                           const struct buf *note)
{
    struct hash root;
    uint64_t said;
    if (note->failed)
        return ERR_NOMEM;
    if (note->n > NOTE_MAX || !note_lines(note, &said, &root) || said != size ||
        size > s->size)
        return ERR_INTEGRITY; /* stored, it would stop the next start */
    return ERR_OK;
}

enum err store_checkpoint_put(struct store *s, uint64_t size, struct slice note)
{
    struct buf b = {0};
    if (s->broken)
        return ERR_STORE;
    if (s->note.n > 0 && size < s->note_size)
        return ERR_OK; /* an answer that came late */
    buf_add(&b, note.p, note.n);
    enum err e = check_note(s, size, &b);
    if (e != ERR_OK) {
        buf_fini(&b);
        return e;
    }
    buf_fini(&s->note);
    s->note = b;
    s->note_size = size;
    s->note_waits = true;
    return ERR_OK;
}

enum err store_checkpoint_get(struct store *s, struct buf *note)
{
    if (s->note.n == 0)
        return ERR_NOT_FOUND;
    buf_add(note, s->note.p, s->note.n);
    return note->failed ? ERR_NOMEM : ERR_OK;
}

/* ---- the start ---- */

/* Hashes of the leaves from..size-1, read anew. */
struct recent {
    uint64_t from, size;
    struct hash *h;
};

/* Hashes leaves from..to-1 into out. */
static enum err hash_leaves(struct store *s, uint64_t from, uint64_t to,
                            struct hash *out)
{
    const enum statement q = SQL_LEAF_FROM;
    uint64_t at = from;
    bool more;
    enum err e = sql_row(s, q, WITH(v_int(from)), &more);
    while (e == ERR_OK && more && at < to) {
        if (col_int(s, q, 0) != at)
            break;
        out[at++ - from] = proof_leaf(col_slice(s, q, 1));
        e = sql_next(s, q, &more);
    }
    enum err d = e == ERR_OK ? sql_done(s, q) : ERR_OK;
    if (e == ERR_OK)
        e = d;
    return e == ERR_OK && at != to ? ERR_INTEGRITY : e;
}

static enum err check_tiles(struct store *s, const struct recent *r)
{
    struct hash tile[TILE_WIDTH];
    for (uint64_t n = r->from / TILE_WIDTH; n < r->size / TILE_WIDTH; n++) {
        enum err e = store_tile(s, 0, n, tile);
        if (e != ERR_OK)
            return e;
        if (memcmp(tile, r->h + (n * TILE_WIDTH - r->from), sizeof(tile)) != 0)
            return ERR_INTEGRITY;
    }
    return ERR_OK;
}

/* Leaves the running digest ready for the next leaf. */
static enum err check_tail(struct store *s, const struct recent *r,
                           const uint8_t want[32])
{
    uint8_t got[32];
    if (r->size > 0)
        for (uint64_t i = (r->size - 1) / TILE_WIDTH * TILE_WIDTH; i < r->size;
             i++)
            tail_add(s, i, r->h[i - r->from]);
    tail_digest(s, got);
    return memcmp(got, want, sizeof(got)) == 0 ? ERR_OK : ERR_INTEGRITY;
}

static enum err restore_tree(struct store *s, const struct recent *r)
{
    uint64_t open = r->size - r->size % TILE_WIDTH;
    enum err e = merkle_restore(&s->tree, r->size, r->h + (open - r->from),
                                store_tile, s);
    return e == ERR_NOT_FOUND ? ERR_INTEGRITY : e;
}

/* The tree as it was at the checkpoint must have the root that was signed. */
static enum err check_root(struct store *s, uint64_t size, struct hash want)
{
    struct hash leaf[TILE_WIDTH], root;
    uint64_t open = size - size % TILE_WIDTH;
    enum err e = hash_leaves(s, open, size, leaf);
    struct merkle *m = e == ERR_OK ? malloc(sizeof(*m)) : NULL;
    if (m == NULL)
        return e == ERR_OK ? ERR_NOMEM : e;
    e = merkle_restore(m, size, leaf, store_tile, s);
    root = merkle_root(m);
    free(m);
    if (e == ERR_OK && memcmp(root.b, want.b, HASH_BYTES) != 0)
        e = ERR_INTEGRITY;
    return e == ERR_NOT_FOUND ? ERR_INTEGRITY : e;
}

static enum err load_note(struct store *s)
{
    bool found;
    uint64_t size;
    struct hash root;
    enum err e = sql_row(s, SQL_CHECKPOINT_GET, WITH_NOTHING, &found);
    if (e != ERR_OK || !found)
        return e;
    s->note_size = col_int(s, SQL_CHECKPOINT_GET, 0);
    col_buf(s, SQL_CHECKPOINT_GET, 1, &s->note);
    e = sql_done(s, SQL_CHECKPOINT_GET);
    if (e != ERR_OK || s->note.failed)
        return e != ERR_OK ? e : ERR_NOMEM;
    if (!note_lines(&s->note, &size, &root) || size != s->note_size ||
        size > s->size)
        return ERR_INTEGRITY;
    return check_root(s, size, root);
}

static enum err load_state(struct store *s, uint8_t tail[32])
{
    bool found;
    uint64_t last;
    enum err e = sql_row(s, SQL_LOG_STATE, WITH_NOTHING, &found);
    if (e != ERR_OK || !found)
        return e == ERR_OK ? ERR_INTEGRITY : e;
    s->size = col_int(s, SQL_LOG_STATE, 0);
    col_bytes(s, SQL_LOG_STATE, 1, tail, 32);
    e = sql_done(s, SQL_LOG_STATE);
    if (e != ERR_OK || s->size == 0)
        return e;
    e = sql_number(s, SQL_LEAF_LAST, &last);
    return e == ERR_OK && last + 1 != s->size ? ERR_INTEGRITY : e;
}

static enum err load_time(struct store *s)
{
    struct buf b = {0};
    if (s->size == 0)
        return ERR_OK;
    enum err e = store_leaf_get(s, s->size - 1, &b);
    Pb__AuditLeaf *leaf =
        e == ERR_OK ? pb__audit_leaf__unpack(NULL, b.n, b.p) : NULL;
    buf_fini(&b);
    if (leaf == NULL)
        return e == ERR_OK ? ERR_INTEGRITY : e;
    s->now.last_ms = leaf->time_ms;
    pb__audit_leaf__free_unpacked(leaf, NULL);
    return ERR_OK;
}

static enum err check_recent(struct store *s, const uint8_t tail[32])
{
    struct recent r = {.size = s->size};
    if (r.size > REHASHED)
        r.from = (r.size - REHASHED) / TILE_WIDTH * TILE_WIDTH;
    r.h = calloc(r.size - r.from + 1, sizeof(*r.h));
    if (r.h == NULL)
        return ERR_NOMEM;
    enum err e = hash_leaves(s, r.from, r.size, r.h);
    if (e == ERR_OK)
        e = check_tiles(s, &r);
    if (e == ERR_OK)
        e = restore_tree(s, &r);
    if (e == ERR_OK)
        e = check_tail(s, &r, tail);
    free(r.h);
    return e;
}

/* The leaf the anchor names must be there; then the anchor is brought up. */
static enum err check_anchor(struct store *s)
{
    struct anchor *a = &s->anchor;
    struct hash h;
    if (!a->found && s->size > 0)
        log_warn("store: no anchor was found; made anew leaves=%llu",
                 (unsigned long long)s->size);
    if (a->size > s->size)
        return ERR_ROLLBACK;
    if (a->size > 0) {
        enum err e = hash_leaves(s, a->size - 1, a->size, &h);
        if (e != ERR_OK)
            return e;
        if (memcmp(h.b, a->leaf.b, HASH_BYTES) != 0)
            return ERR_ROLLBACK;
    }
    if (a->size == s->size)
        return ERR_OK;
    enum err e = hash_leaves(s, s->size - 1, s->size, &h);
    if (e == ERR_OK)
        e = anchor_write(a, s->size, h);
    return e == ERR_OK ? anchor_sync(a) : e;
}

enum err store_anchor_renew(struct store *s)
{
    struct hash none = {{0}};
    if (s->broken)
        return ERR_STORE;
    enum err e =
        anchor_reset(&s->anchor, s->size, s->size > 0 ? log_last(s) : none);
    s->broken |= e != ERR_OK;
    return e;
}

enum err log_load(struct store *s, bool accept_rollback, struct buf *why)
{
    uint8_t tail[32];
    enum err e = load_state(s, tail);
    if (e == ERR_OK)
        e = check_recent(s, tail);
    if (e == ERR_OK)
        e = load_note(s);
    if (e == ERR_OK)
        e = load_time(s);
    if (e == ERR_OK && !accept_rollback)
        e = check_anchor(s);
    if (e == ERR_OK)
        return ERR_OK;
    if (e == ERR_ROLLBACK)
        return refuse(why, e,
                      "hub.db: its log lacks leaf %llu, which was "
                      "acknowledged; an older copy?",
                      (unsigned long long)s->anchor.size - 1);
    if (e == ERR_INTEGRITY || e == ERR_NOT_FOUND)
        return refuse(why, ERR_INTEGRITY,
                      "hub.db: the log's leaves do not fit its tree");
    return refuse(why, ERR_STORE_OPEN, "hub.db: the log cannot be read");
}
