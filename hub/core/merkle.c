/* merkle.c - the audit log's tree (RFC 6962 2.1), grown one leaf at a time.
 *
 * Hashes are kept in tiles of 256 (C2SP tlog-tiles): tile n of level L holds
 * the roots of the whole subtrees of 256^L leaves numbered 256n and on. Only
 * the open, rightmost tile of each level is in memory. When one fills up it is
 * handed out to be kept and its own root becomes the next entry one level up,
 * so appending costs two hashes a leaf on average and nothing is ever read
 * back. An open tile carries its folded rows with it, so the root and proofs
 * of recent leaves cost a few hashes; a node inside a kept tile is folded on
 * demand, and a walk keeps the last tile it loaded. A full tile is folded once
 * more before it is handed out: it lay in memory for long, and what is kept of
 * it is never looked at again until somebody wants a proof. */
#include "hub/core/merkle.h"
#include <assert.h>
#include <string.h>

#define TILE_BITS 8

/* Whole subtrees of 256^level leaves in a tree of size leaves. */
static uint64_t entries(uint64_t size, unsigned level)
{
    return size >> (TILE_BITS * level);
}

/* Where row `bits` of an open tile begins. */
static size_t row_at(unsigned bits)
{
    return 2 * TILE_WIDTH - ((size_t)2 * TILE_WIDTH >> bits);
}

/* Writes entry i of an open tile and every fold it completes. */
static void put(struct hash *tile, uint64_t i, struct hash h)
{
    tile[i] = h;
    for (unsigned bits = 0; bits < TILE_BITS && (i & 1) == 1; bits++) {
        const struct hash *pair = tile + row_at(bits) + i - 1;
        h = proof_node(pair[0], pair[1]);
        i >>= 1;
        tile[row_at(bits + 1) + i] = h;
    }
}

/* Folds 2^bits neighbouring hashes into their root. */
static struct hash fold(const struct hash *row, unsigned bits)
{
    struct hash h[TILE_WIDTH];
    size_t n = (size_t)1 << bits;
    memcpy(h, row, n * sizeof(*row));
    for (; n > 1; n /= 2)
        for (size_t i = 0; i < n / 2; i++)
            h[i] = proof_node(h[2 * i], h[2 * i + 1]);
    return h[0];
}

void merkle_init(struct merkle *m)
{
    memset(m, 0, sizeof(*m));
}

/* Whether the hashes of a full tile still give its root. */
static bool tile_holds(const struct hash *tile)
{
    struct hash root = fold(tile, TILE_BITS);
    return memcmp(root.b, tile[row_at(TILE_BITS)].b, HASH_BYTES) == 0;
}

enum err merkle_append(struct merkle *m, struct hash leaf, merkle_keep *keep,
                       void *ctx)
{
    /* size is raised last: after a failed keep the tree is as before */
    uint64_t size = m->size + 1;
    put(m->open[0], m->size % TILE_WIDTH, leaf);
    for (unsigned level = 0; level < TILE_LEVELS; level++) {
        uint64_t n = entries(size, level);
        if (n % TILE_WIDTH != 0)
            break;
        enum err e = tile_holds(m->open[level])
                         ? keep(ctx, level, n / TILE_WIDTH - 1, m->open[level])
                         : ERR_INTEGRITY;
        if (e != ERR_OK)
            return e;
        if (level + 1 < TILE_LEVELS)
            put(m->open[level + 1], (n / TILE_WIDTH - 1) % TILE_WIDTH,
                m->open[level][row_at(TILE_BITS)]);
    }
    m->size = size;
    return ERR_OK;
}

/* Fills the open tile of a level from the kept tiles one level below. */
static enum err restore_level(struct merkle *m, unsigned level,
                              merkle_load *load, void *ctx)
{
    struct hash tile[TILE_WIDTH];
    uint64_t count = entries(m->size, level);
    uint64_t first = count - count % TILE_WIDTH;
    for (uint64_t n = first; n < count; n++) {
        enum err e = load(ctx, level - 1, n, tile);
        if (e != ERR_OK)
            return e;
        put(m->open[level], n - first, fold(tile, TILE_BITS));
    }
    return ERR_OK;
}

enum err merkle_restore(struct merkle *m, uint64_t size,
                        const struct hash *last_leaves, merkle_load *load,
                        void *ctx)
{
    merkle_init(m);
    m->size = size;
    for (uint64_t i = 0; i < size % TILE_WIDTH; i++)
        put(m->open[0], i, last_leaves[i]);
    for (unsigned level = 1; level < TILE_LEVELS; level++) {
        enum err e = restore_level(m, level, load, ctx);
        if (e != ERR_OK) {
            merkle_init(m);
            return e;
        }
    }
    return ERR_OK;
}

struct hash merkle_root(const struct merkle *m)
{
    struct hash root;
    bool any = false;
    if (m->size == 0) {
        sha256(SLICE_NONE, root.b);
        return root;
    }
    /* the whole subtrees from the smallest up; all lie in open tiles */
    for (unsigned bit = 0; bit < 64; bit++) {
        if ((m->size >> bit & 1) == 0)
            continue;
        unsigned in_tile = bit % TILE_BITS;
        uint64_t i = ((m->size >> bit) - 1) % (TILE_WIDTH >> in_tile);
        struct hash h = m->open[bit / TILE_BITS][row_at(in_tile) + i];
        root = any ? proof_node(h, root) : h;
        any = true;
    }
    return root;
}

/* ---- proofs ---- */

/* A walk through the tree: collects a path from the top down. */
struct walk {
    const struct merkle *m;
    merkle_load *load;
    void *ctx;
    struct merkle_near *near; /* NULL: nothing is kept */
    struct hash *path;
    size_t n;
    bool loaded; /* tile holds tile number of level */
    unsigned level;
    uint64_t number;
    struct hash tile[TILE_WIDTH];
};

static enum err load_tile(struct walk *w, unsigned level, uint64_t number)
{
    if (w->loaded && w->level == level && w->number == number)
        return ERR_OK;
    enum err e = w->load(w->ctx, level, number, w->tile);
    w->loaded = e == ERR_OK;
    w->level = level;
    w->number = number;
    return e;
}

/* The same with all its folds, from those kept of the calls before. */
static enum err near_tile(struct walk *w, unsigned level, uint64_t number,
                          const struct hash **rows)
{
    struct hash *row = w->near->tile[level].row;
    *rows = row;
    if (w->near->tile[level].there && w->near->tile[level].number == number)
        return ERR_OK;
    enum err e = w->load(w->ctx, level, number, row);
    w->near->tile[level].there = e == ERR_OK;
    w->near->tile[level].number = number;
    for (uint64_t i = 0; e == ERR_OK && i < TILE_WIDTH; i++)
        put(row, i, row[i]);
    return e;
}

/* The root of whole subtree number index of 2^bit leaves. */
static enum err node_at(struct walk *w, unsigned bit, uint64_t index,
                        struct hash *out)
{
    unsigned level = bit / TILE_BITS, in_tile = bit % TILE_BITS;
    uint64_t number = (index << in_tile) / TILE_WIDTH;
    uint64_t i = index % (TILE_WIDTH >> in_tile);
    if (number == entries(w->m->size, level) / TILE_WIDTH) {
        *out = w->m->open[level][row_at(in_tile) + i];
        return ERR_OK;
    }
    const struct hash *rows = NULL;
    enum err e = w->near != NULL ? near_tile(w, level, number, &rows)
                                 : load_tile(w, level, number);
    if (e == ERR_OK && w->near != NULL)
        *out = rows[row_at(in_tile) + i];
    else if (e == ERR_OK)
        *out = fold(w->tile + (i << in_tile), in_tile);
    return e;
}

/* MTH(D[lo : lo + n]); lo is a multiple of every power of two up to n. */
static enum err range_root(struct walk *w, uint64_t lo, uint64_t n,
                           struct hash *out)
{
    bool any = false;
    for (unsigned bit = 0; bit < 64; bit++) {
        struct hash h;
        if ((n >> bit & 1) == 0)
            continue;
        uint64_t start = lo + (n >> bit << bit) - ((uint64_t)1 << bit);
        enum err e = node_at(w, bit, start >> bit, &h);
        if (e != ERR_OK)
            return e;
        *out = any ? proof_node(h, *out) : h;
        any = true;
    }
    return ERR_OK;
}

enum err merkle_root_at(const struct merkle *m, uint64_t size,
                        merkle_load *load, void *ctx, struct hash *out)
{
    struct walk w = {.m = m, .load = load, .ctx = ctx};
    if (size > m->size)
        return ERR_NOT_FOUND;
    if (size == 0)
        sha256(SLICE_NONE, out->b);
    return range_root(&w, 0, size, out);
}

static enum err push(struct walk *w, uint64_t lo, uint64_t n)
{
    assert(w->n < PROOF_MAX);
    return range_root(w, lo, n, &w->path[w->n++]);
}

/* Paths are written from the leaf up. */
static void reverse(struct walk *w)
{
    for (size_t i = 0; i < w->n / 2; i++) {
        struct hash h = w->path[i];
        w->path[i] = w->path[w->n - 1 - i];
        w->path[w->n - 1 - i] = h;
    }
}

/* The largest power of two below n; n > 1. */
static uint64_t split(uint64_t n)
{
    return (uint64_t)1 << (63 - __builtin_clzll(n - 1));
}

/* A subtree [lo, lo + n) and a place in it, narrowed step by step. */
struct place {
    uint64_t lo, n, at;
    bool left_edge; /* never went right */
};

/* Into the half that holds `at`, or for a boundary ends there; the other half
 * goes onto the path. */
static enum err descend(struct walk *w, struct place *p, bool right)
{
    uint64_t k = split(p->n);
    enum err e;
    if (right) {
        e = push(w, p->lo, k);
        p->lo += k;
        p->n -= k;
        p->at -= k;
        p->left_edge = false;
        return e;
    }
    e = push(w, p->lo + k, p->n - k);
    p->n = k;
    return e;
}

/* RFC 6962 2.1.1. */
enum err merkle_inclusion(const struct merkle *m, uint64_t index, uint64_t size,
                          merkle_load *load, void *ctx, struct hash *path,
                          size_t *n)
{
    return merkle_inclusion_near(m, index, size, load, ctx, NULL, path, n);
}

enum err merkle_inclusion_near(const struct merkle *m, uint64_t index,
                               uint64_t size, merkle_load *load, void *ctx,
                               struct merkle_near *near, struct hash *path,
                               size_t *n)
{
    *n = 0;
    /* both come from requests of nodes */
    if (size > m->size || index >= size)
        return ERR_NOT_FOUND;
    struct walk w = {
        .m = m, .load = load, .ctx = ctx, .near = near, .path = path};
    struct place p = {0, size, index, true};
    while (p.n > 1) {
        enum err e = descend(&w, &p, p.at >= split(p.n));
        if (e != ERR_OK)
            return e;
    }
    reverse(&w);
    *n = w.n;
    return ERR_OK;
}

/* RFC 6962 2.1.2. */
enum err merkle_consistency(const struct merkle *m, uint64_t old_size,
                            uint64_t size, merkle_load *load, void *ctx,
                            struct hash *path, size_t *n)
{
    *n = 0;
    if (size > m->size || old_size > size)
        return ERR_NOT_FOUND;
    if (old_size == 0 || old_size == size)
        return ERR_OK;
    struct walk w = {.m = m, .load = load, .ctx = ctx, .path = path};
    struct place p = {0, size, old_size, true};
    enum err e = ERR_OK;
    while (e == ERR_OK && p.at < p.n)
        e = descend(&w, &p, p.at > split(p.n));
    /* the old tree's last subtree is known to the asker if it is all of it */
    if (e == ERR_OK && !p.left_edge)
        e = push(&w, p.lo, p.n);
    if (e != ERR_OK)
        return e;
    reverse(&w);
    *n = w.n;
    return ERR_OK;
}
