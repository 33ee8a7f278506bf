/* merkle.h - the growing RFC 6962 tree of the audit log, in tiles of 256
 * hashes (C2SP tlog-tiles). Only the open tiles are in memory; full ones are
 * handed to the caller to keep and asked back for proofs. */
#ifndef TSUNAGI_CORE_MERKLE_H
#define TSUNAGI_CORE_MERKLE_H
#include "proto/wire/proof.h"
#define TILE_WIDTH 256
#define TILE_LEVELS 8
struct merkle {
    uint64_t size;
    /* The open tile of each level: its 256 hashes, then the rows folded from
     * them (128, 64 .. 1), each written as soon as its pair is complete. */
    struct hash open[TILE_LEVELS][2 * TILE_WIDTH];
};
/* Receives a full tile: level, number, 256 hashes. */
typedef enum err merkle_keep(void *ctx, unsigned level, uint64_t n,
                             const struct hash tile[TILE_WIDTH]);
/* Gives back a kept tile. */
typedef enum err merkle_load(void *ctx, unsigned level, uint64_t n,
                             struct hash tile[TILE_WIDTH]);
void merkle_init(struct merkle *m);
/* Rebuilds the open tiles for size from kept tiles and from the leaf hashes
 * of the open level-0 tile (the last size % 256 leaves). */
enum err merkle_restore(struct merkle *m, uint64_t size,
                        const struct hash *last_leaves, merkle_load *load,
                        void *ctx) MUST_CHECK;
/* ERR_INTEGRITY: a tile that is full does not fold into the root it had while
 * it was open; nothing of it was kept. */
enum err merkle_append(struct merkle *m, struct hash leaf, merkle_keep *keep,
                       void *ctx) MUST_CHECK;
struct hash merkle_root(const struct merkle *m); /* of 0 leaves: SHA-256("") */
/* The root as it was at an earlier size; ERR_NOT_FOUND: it is no earlier one.
 */
enum err merkle_root_at(const struct merkle *m, uint64_t size,
                        merkle_load *load, void *ctx,
                        struct hash *out) MUST_CHECK;
/* path has room for PROOF_MAX; *n receives its length. size <= m->size. */
enum err merkle_inclusion(const struct merkle *m, uint64_t index, uint64_t size,
                          merkle_load *load, void *ctx, struct hash *path,
                          size_t *n) MUST_CHECK;
/* The same for many leaves that lie near each other: folded tiles are kept from
 * one call to the next, one of each level. Zero-initialise; for one tree. */
struct merkle_near {
    struct {
        bool there;
        uint64_t number;
        struct hash row[2 * TILE_WIDTH]; /* as open above */
    } tile[TILE_LEVELS];
};
enum err merkle_inclusion_near(const struct merkle *m, uint64_t index,
                               uint64_t size, merkle_load *load, void *ctx,
                               struct merkle_near *near, struct hash *path,
                               size_t *n) MUST_CHECK;
enum err merkle_consistency(const struct merkle *m, uint64_t old_size,
                            uint64_t size, merkle_load *load, void *ctx,
                            struct hash *path, size_t *n) MUST_CHECK;
#endif
