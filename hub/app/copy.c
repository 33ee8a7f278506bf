/* copy.c - a copy of the store looked at without any key of payload: the log in
 * it is walked from its first leaf, and its newest head must be signed by the
 * log's key and be a head of these leaves. The other pages are looked at as
 * SQLite does. What is sealed stays sealed.
 *
 * For the drill: that a copy is whole is known before it is needed. The copy
 * is opened as the store opens it, so it should be on a disk that can be
 * written to; the original, and what it is read from, are not touched. */
#include "hub/app/hub.h"
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static enum err no_tile(void *ctx, unsigned level, uint64_t n,
                        const struct hash tile[TILE_WIDTH])
{
    (void)ctx, (void)level, (void)n, (void)tile;
    return ERR_OK;
}

/* Adds the leaves up to a size to the tree. */
static enum err add_leaves(struct store *s, uint64_t size, struct merkle *m)
{
    enum err e = ERR_OK;
    while (m->size < size && e == ERR_OK) {
        struct buf leaf = {0};
        e = store_leaf_get(s, m->size, &leaf);
        if (e == ERR_OK)
            e = merkle_append(m, proof_leaf(buf_slice(&leaf)), no_tile, NULL);
        buf_fini(&leaf);
    }
    return e;
}

static bool same(struct hash a, struct hash b)
{
    return memcmp(a.b, b.b, HASH_BYTES) == 0;
}

/* The head that was signed last; a copy of an empty log has none. */
static enum err read_head(struct hub *h, struct checkpoint *c)
{
    struct buf note = {0};
    memset(c, 0, sizeof(*c));
    enum err e = store_checkpoint_get(h->store, &note);
    if (e == ERR_OK)
        e = checkpoint_open(buf_slice(&note), h->config.origin,
                            h->log_keys.pub.sign, c);
    else if (e == ERR_NOT_FOUND)
        e = ERR_OK;
    buf_fini(&note);
    return e;
}

static enum err walk(struct hub *h, const struct checkpoint *c,
                     struct merkle *m, struct buf *why)
{
    uint64_t size = store_log_size(h->store);
    enum err e =
        c->size <= size ? add_leaves(h->store, c->size, m) : ERR_INTEGRITY;
    if (e == ERR_OK && c->size > 0 && !same(merkle_root(m), c->root))
        e = ERR_INTEGRITY;
    if (e == ERR_OK)
        e = add_leaves(h->store, size, m);
    if (e == ERR_OK &&
        !same(merkle_root(m), merkle_root(store_merkle(h->store))))
        e = ERR_INTEGRITY;
    if (e != ERR_OK)
        buf_addf(why, "at leaf %" PRIu64 " of %" PRIu64, m->size, size);
    return e;
}

/* Opening the store would make one where none is, and that is whole. */
static enum err is_there(const char *folder, struct buf *why)
{
    char path[PATH_MAX];
    snprintf(path, sizeof(path), "%s/hub.db", folder);
    if (access(path, R_OK) == 0)
        return ERR_OK;
    buf_addf(why, "%s: %s; name the folder that has hub.db in it", path,
             strerror(errno));
    return ERR_NOT_FOUND;
}

enum err copy_check(struct hub *h, const char *folder, struct buf *why)
{
    struct store_config c = {.dir = folder};
    struct checkpoint head;
    struct merkle *tree = malloc(sizeof(*tree));
    if (tree == NULL)
        return ERR_NOMEM;
    merkle_init(tree);
    enum err e = is_there(folder, why);
    if (e == ERR_OK)
        e = sign_init();
    if (e == ERR_OK)
        e = keys_read(h->config.log_key, &h->log_keys);
    if (e == ERR_OK)
        e = store_open(&c, &h->store, why);
    if (e == ERR_OK)
        e = store_pages_check(h->store, why);
    if (e == ERR_OK)
        e = read_head(h, &head);
    if (e == ERR_OK)
        e = walk(h, &head, tree, why);
    if (e == ERR_OK)
        printf("%s: leaves %" PRIu64 ", signed %" PRIu64 ", whole\n", folder,
               tree->size, head.size);
    free(tree);
    return e;
}
