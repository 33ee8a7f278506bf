/* head.c - the head of the log: what was committed is read back and signed.
 *
 * The store hashed each leaf when it was packed and grew its tree from these
 * hashes. The signer gets the bytes of the rows, as a reader of the database
 * would, and reckons by its own code. A bit flipped between the two, in a
 * buffer, in a page or in either reckoning, makes them differ, and what
 * differs is not signed (I-15). Reading a row back costs little: its
 * page was written a moment ago (bench: 6 us for all that a leaf takes). */
#include "hub/app/hub.h"
#include <inttypes.h>
#include <string.h>

static enum err follow(struct store *store, struct signer *s)
{
    struct buf leaf = {0};
    enum err e = ERR_OK;
    while (e == ERR_OK && signer_size(s) < store_log_size(store)) {
        buf_reset(&leaf);
        e = store_leaf_get(store, signer_size(s), &leaf);
        if (e == ERR_OK)
            signer_add(s, buf_slice(&leaf));
    }
    buf_fini(&leaf);
    return e;
}

enum err head_sign(struct store *store, struct signer *s, struct buf *note)
{
    const struct merkle *m = store_merkle(store);
    enum err e = follow(store, s);
    return e == ERR_OK ? signer_sign(s, m->size, merkle_root(m), note) : e;
}

enum err head_check(struct store *store, const struct signer *s,
                    struct buf *why)
{
    uint64_t mine = signer_size(s), size = store_log_size(store);
    struct hash root, want = signer_root(s);
    if (mine > size) {
        buf_addf(why,
                 "signer: has signed %" PRIu64 " leaves, the log has %" PRIu64,
                 mine, size);
        return ERR_ROLLBACK;
    }
    enum err e =
        merkle_root_at(store_merkle(store), mine, store_tile, store, &root);
    if (e != ERR_OK || memcmp(root.b, want.b, HASH_BYTES) == 0)
        return e;
    buf_addf(why,
             "signer: the log's first %" PRIu64
             " leaves are not those it has signed",
             mine);
    return ERR_ROLLBACK;
}
