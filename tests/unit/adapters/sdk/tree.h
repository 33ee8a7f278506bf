/* tree.h - small RFC 6962 trees for tests, by the definitions of the RFC
 * (2.1, 2.1.2) and by no code of ours but the two hashes. */
#ifndef TSUNAGI_TEST_TREE_H
#define TSUNAGI_TEST_TREE_H
#include "proto/wire/proof.h"

/* The largest power of two below n. */
static inline size_t tree_split(size_t n)
{
    size_t k = 1;
    while (2 * k < n)
        k *= 2;
    return k;
}

static inline struct hash tree_root(const struct hash *leaf, size_t n)
{
    if (n == 1)
        return leaf[0];
    size_t k = tree_split(n);
    return proof_node(tree_root(leaf, k), tree_root(leaf + k, n - k));
}

/* SUBPROOF(m, D[n], whole); returns the hashes appended to path. */
static inline size_t tree_subproof(size_t m, const struct hash *leaf, size_t n,
                                   int whole, struct hash *path)
{
    if (m == n) {
        if (!whole)
            path[0] = tree_root(leaf, n);
        return whole ? 0 : 1;
    }
    size_t k = tree_split(n), used;
    if (m <= k) {
        used = tree_subproof(m, leaf, k, whole, path);
        path[used] = tree_root(leaf + k, n - k);
    } else {
        used = tree_subproof(m - k, leaf + k, n - k, 0, path);
        path[used] = tree_root(leaf, k);
    }
    return used + 1;
}

static inline size_t tree_consistency(size_t m, const struct hash *leaf,
                                      size_t n, struct hash *path)
{
    return m == 0 || m == n ? 0 : tree_subproof(m, leaf, n, 1, path);
}

/* PATH(m, D[n]) */
static inline size_t tree_inclusion(size_t m, const struct hash *leaf, size_t n,
                                    struct hash *path)
{
    if (n == 1)
        return 0;
    size_t k = tree_split(n), used;
    if (m < k) {
        used = tree_inclusion(m, leaf, k, path);
        path[used] = tree_root(leaf + k, n - k);
    } else {
        used = tree_inclusion(m - k, leaf + k, n - k, path);
        path[used] = tree_root(leaf, k);
    }
    return used + 1;
}
#endif
