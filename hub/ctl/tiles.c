/* tiles.c - hash tiles written and compared, level by level.
 *
 * A tile of level L holds the roots of full subtrees of 256^L leaves; level 0
 * holds leaf hashes. Only the last tile of a level may be partial. */
#include "hub/ctl/tiles.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* N as C2SP writes it: three digits a group, all but the last after an x. */
static void number_path(struct buf *b, uint64_t n, bool last)
{
    if (n >= 1000)
        number_path(b, n / 1000, false);
    buf_addf(b, "%s%03u%s", last ? "" : "x", (unsigned)(n % 1000),
             last ? "" : "/");
}

void tile_path(const char *folder, int level, uint64_t n, unsigned width,
               char *out, size_t size)
{
    struct buf b = {0};
    buf_addf(&b, "%s/tile/", folder);
    if (level >= 0)
        buf_addf(&b, "%d/", level);
    else
        buf_adds(&b, "entries/");
    number_path(&b, n, true);
    if (width != TILE_WIDTH)
        buf_addf(&b, ".p/%u", width);
    snprintf(out, size, "%s", b.p != NULL ? (const char *)b.p : "");
    buf_fini(&b);
}

static enum err make_folders(const char *path)
{
    char copy[4400];
    snprintf(copy, sizeof(copy), "%s", path);
    for (char *p = strchr(copy + 1, '/'); p != NULL; p = strchr(p + 1, '/')) {
        *p = '\0';
        if (mkdir(copy, 0755) != 0 && errno != EEXIST)
            return ERR_IO;
        *p = '/';
    }
    return ERR_OK;
}

enum err tile_write(const char *folder, int level, uint64_t n, unsigned width,
                    struct slice data)
{
    char path[4400];
    tile_path(folder, level, n, width, path, sizeof(path));
    enum err e = make_folders(path);
    FILE *f = e == ERR_OK ? fopen(path, "wb") : NULL;
    if (f == NULL)
        return ERR_IO;
    size_t done = fwrite(data.p, 1, data.n, f);
    return fclose(f) == 0 && done == data.n ? ERR_OK : ERR_IO;
}

/* Does one tile of a level, then the next level from the tiles' roots. */
typedef enum err on_tile(void *ctx, int level, uint64_t n, unsigned width,
                         struct slice data);

static struct hash subtree(const struct hash *h, size_t n)
{
    struct hash row[TILE_WIDTH];
    memcpy(row, h, n * sizeof(*h));
    for (; n > 1; n /= 2)
        for (size_t i = 0; i < n / 2; i++)
            row[i] = proof_node(row[2 * i], row[2 * i + 1]);
    return row[0];
}

static enum err each_tile(const struct hash *leaf, uint64_t size, on_tile *on,
                          void *ctx)
{
    enum err e = ERR_OK;
    struct hash *up = NULL;
    const struct hash *row = leaf;
    uint64_t n = size;
    for (int level = 0; n > 0 && e == ERR_OK; level++) {
        uint64_t full = n / TILE_WIDTH;
        unsigned rest = (unsigned)(n % TILE_WIDTH);
        struct hash *next = calloc(full + 1, sizeof(*next));
        if (next == NULL)
            e = ERR_NOMEM;
        for (uint64_t i = 0; i < full && e == ERR_OK; i++) {
            next[i] = subtree(row + i * TILE_WIDTH, TILE_WIDTH);
            e = on(ctx, level, i, TILE_WIDTH,
                   slice_of(row + i * TILE_WIDTH, TILE_WIDTH * HASH_BYTES));
        }
        if (rest > 0 && e == ERR_OK)
            e = on(ctx, level, full, rest,
                   slice_of(row + full * TILE_WIDTH, rest * HASH_BYTES));
        free(up);
        row = up = next;
        n = full;
    }
    free(up);
    return e;
}

static enum err keep_nothing(void *ctx, unsigned level, uint64_t n,
                             const struct hash tile[TILE_WIDTH])
{
    (void)ctx, (void)level, (void)n, (void)tile;
    return ERR_OK;
}

enum err tiles_root(const struct hash *leaf, uint64_t size, struct hash *root)
{
    struct merkle *m = malloc(sizeof(*m));
    if (m == NULL)
        return ERR_NOMEM;
    merkle_init(m);
    enum err e = ERR_OK;
    for (uint64_t i = 0; i < size && e == ERR_OK; i++)
        e = merkle_append(m, leaf[i], keep_nothing, NULL);
    *root = merkle_root(m);
    free(m);
    return e;
}

static enum err write_one(void *ctx, int level, uint64_t n, unsigned width,
                          struct slice data)
{
    return tile_write(ctx, level, n, width, data);
}

enum err tiles_write(const char *folder, uint64_t size,
                     struct hash (*next)(void *ctx), void *ctx,
                     struct hash *root)
{
    struct hash *leaf = calloc(size + 1, sizeof(*leaf));
    if (leaf == NULL)
        return ERR_NOMEM;
    for (uint64_t i = 0; i < size; i++)
        leaf[i] = next(ctx);
    enum err e = each_tile(leaf, size, write_one, (void *)(uintptr_t)folder);
    if (e == ERR_OK)
        e = tiles_root(leaf, size, root);
    free(leaf);
    return e;
}

struct comparing {
    const char *folder;
    char *path;
    size_t path_size;
};

static enum err compare_one(void *ctx, int level, uint64_t n, unsigned width,
                            struct slice data)
{
    struct comparing *c = ctx;
    struct buf file = {0};
    tile_path(c->folder, level, n, width, c->path, c->path_size);
    enum err e = file_read(c->path, TILE_WIDTH * HASH_BYTES, &file);
    if (e == ERR_OK && !slice_eq(buf_slice(&file), data))
        e = ERR_INTEGRITY;
    buf_fini(&file);
    return e == ERR_OK ? ERR_OK : ERR_INTEGRITY;
}

enum err tiles_check(const char *folder, uint64_t size, const struct hash *leaf,
                     struct hash *root, char *path, size_t path_size)
{
    struct comparing c = {folder, path, path_size};
    enum err e = each_tile(leaf, size, compare_one, &c);
    return e != ERR_OK ? e : tiles_root(leaf, size, root);
}
