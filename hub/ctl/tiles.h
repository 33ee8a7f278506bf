/* tiles.h - an exported log on disk: C2SP tlog-tiles.
 *
 *   checkpoint            the signed head
 *   log.vkey              its verifier key
 *   tile/L/N[.p/W]        W x 32 bytes of hashes (256 when not partial)
 *   tile/entries/N[.p/W]  leaves, each after its length (u16, big endian) */
#ifndef TSUNAGI_CTL_TILES_H
#define TSUNAGI_CTL_TILES_H
#include "hub/core/merkle.h"

/* "FOLDER/tile/0/x001/234.p/17"; level < 0: entries. width 256: whole. */
void tile_path(const char *folder, int level, uint64_t n, unsigned width,
               char *out, size_t size);
/* Writes a tile, with the folders it needs. */
enum err tile_write(const char *folder, int level, uint64_t n, unsigned width,
                    struct slice data) MUST_CHECK;
/* Writes every hash tile of a tree whose leaf hashes come from next(ctx). */
enum err tiles_write(const char *folder, uint64_t size,
                     struct hash (*next)(void *ctx), void *ctx,
                     struct hash *root) MUST_CHECK;
/* The root over the first size leaf hashes. */
enum err tiles_root(const struct hash *leaf, uint64_t size,
                    struct hash *root) MUST_CHECK;
/* Compares every hash tile with the same tree; ERR_INTEGRITY on a difference
 * (path gets the file's name). */
enum err tiles_check(const char *folder, uint64_t size, const struct hash *leaf,
                     struct hash *root, char *path,
                     size_t path_size) MUST_CHECK;
#endif
