/* merkle_test.c - the tree against the definition in RFC 6962 written down
 * plainly (recursive, everything in memory), for every size to 600, and a
 * tree large enough to fill a tile of level 1. */
#include "hub/core/merkle.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
/* cmocka needs the ones above */
#include <cmocka.h>

#define SMALL 600
#define LARGE (TILE_WIDTH * TILE_WIDTH + 300)
#define KEPT_MAX 300

/* The tiles kept, as a store would. */
struct kept {
    size_t n;
    size_t refuse_after; /* keeps that succeed */
    struct {
        unsigned level;
        uint64_t number;
        struct hash tile[TILE_WIDTH];
    } at[KEPT_MAX];
};
static struct kept *kept;
static struct hash *leaves;
static struct merkle *tree, *other;

static enum err keep(void *ctx, unsigned level, uint64_t n,
                     const struct hash tile[TILE_WIDTH])
{
    struct kept *k = ctx;
    if (k->n >= k->refuse_after)
        return ERR_STORE;
    assert_true(k->n < KEPT_MAX);
    k->at[k->n].level = level;
    k->at[k->n].number = n;
    memcpy(k->at[k->n].tile, tile, sizeof(k->at[0].tile));
    k->n++;
    return ERR_OK;
}

static enum err load(void *ctx, unsigned level, uint64_t n,
                     struct hash tile[TILE_WIDTH])
{
    const struct kept *k = ctx;
    for (size_t i = 0; i < k->n; i++)
        if (k->at[i].level == level && k->at[i].number == n) {
            memcpy(tile, k->at[i].tile, sizeof(k->at[i].tile));
            return ERR_OK;
        }
    return ERR_NOT_FOUND;
}

/* MTH of RFC 6962, as it is written there. */
static struct hash naive(const struct hash *d, size_t n)
{
    size_t k = 1;
    struct hash h;
    if (n == 0) {
        sha256(SLICE_NONE, h.b);
        return h;
    }
    if (n == 1)
        return d[0];
    while (2 * k < n)
        k *= 2;
    return proof_node(naive(d, k), naive(d + k, n - k));
}

static bool same(struct hash a, struct hash b)
{
    return memcmp(&a, &b, sizeof(a)) == 0;
}

static void grow(uint64_t to)
{
    while (tree->size < to)
        assert_int_equal(merkle_append(tree, leaves[tree->size], keep, kept),
                         ERR_OK);
}

static int fresh(void **state)
{
    (void)state;
    kept->n = 0;
    kept->refuse_after = KEPT_MAX;
    merkle_init(tree);
    return 0;
}

static void root_is_that_of_rfc_6962_at_every_size(void **state)
{
    (void)state;
    for (size_t n = 0; n <= SMALL; n++) {
        grow(n);
        if (!same(merkle_root(tree), naive(leaves, n)))
            fail_msg("size %zu", n);
    }
}

static void a_restored_tree_is_the_tree_that_was(void **state)
{
    (void)state;
    for (size_t n = 0; n <= SMALL; n++) {
        grow(n);
        const struct hash *open = leaves + n / TILE_WIDTH * TILE_WIDTH;
        assert_int_equal(merkle_restore(other, n, open, load, kept), ERR_OK);
        if (!same(merkle_root(tree), merkle_root(other)))
            fail_msg("root at %zu", n);
        assert_int_equal(merkle_append(other, leaves[n], keep, kept), ERR_OK);
        if (!same(merkle_root(other), naive(leaves, n + 1)))
            fail_msg("append after restore at %zu", n);
        kept->n = n / TILE_WIDTH; /* forget what `other` kept */
    }
}

/* Kept tiles give the same path, whatever was asked before. */
static void check_near(uint64_t index, uint64_t size, const struct hash *path,
                       size_t n)
{
    static struct merkle_near near;
    static uint64_t of; /* kept tiles are of one tree */
    struct hash again[PROOF_MAX];
    size_t m;
    if (of != tree->size)
        memset(&near, 0, sizeof(near));
    of = tree->size;
    assert_int_equal(
        merkle_inclusion_near(tree, index, size, load, kept, &near, again, &m),
        ERR_OK);
    assert_int_equal(m, n);
    assert_memory_equal(again, path, n * sizeof(*path));
}

static void check_inclusion(uint64_t index, uint64_t size)
{
    struct hash path[PROOF_MAX];
    size_t n;
    assert_int_equal(merkle_inclusion(tree, index, size, load, kept, path, &n),
                     ERR_OK);
    if (proof_check_inclusion(index, size, leaves[index], path, n,
                              naive(leaves, size)) != ERR_OK)
        fail_msg("leaf %ju in %ju", (uintmax_t)index, (uintmax_t)size);
    check_near(index, size, path, n);
}

static void check_consistency(uint64_t old, uint64_t size)
{
    struct hash path[PROOF_MAX];
    size_t n;
    assert_int_equal(merkle_consistency(tree, old, size, load, kept, path, &n),
                     ERR_OK);
    if (proof_check_consistency(old, naive(leaves, old), size,
                                naive(leaves, size), path, n) != ERR_OK)
        fail_msg("%ju to %ju", (uintmax_t)old, (uintmax_t)size);
}

/* Sizes to 70 in full, then those around powers of two and tile edges. */
static bool sampled(uint64_t v)
{
    uint64_t edge = v % 64;
    return v <= 70 || v >= SMALL - 2 || edge <= 1 || edge == 63;
}

static void every_leaf_is_proved_in_every_later_tree(void **state)
{
    (void)state;
    grow(SMALL);
    for (uint64_t size = 1; size <= SMALL; size++)
        for (uint64_t i = 0; sampled(size) && i < size; i++)
            if (size <= 70 || sampled(i))
                check_inclusion(i, size);
}

static void every_tree_is_proved_to_grow_into_every_later_one(void **state)
{
    (void)state;
    grow(SMALL);
    for (uint64_t size = 1; size <= SMALL; size++)
        for (uint64_t old = 0; sampled(size) && old <= size; old++)
            if (size <= 70 || sampled(old))
                check_consistency(old, size);
}

static void a_tree_proves_its_newest_leaf_at_every_size(void **state)
{
    (void)state;
    for (uint64_t size = 1; size <= SMALL; size++) {
        grow(size);
        check_inclusion(0, size);
        check_inclusion(size - 1, size);
        check_consistency(size / 2, size);
        check_consistency(size - 1, size);
    }
}

static void a_tree_of_three_levels_restores_and_proves(void **state)
{
    (void)state;
    static const uint64_t AT[] = {0, 255, 256, 65535, 65536, LARGE - 1};
    grow(LARGE);
    assert_int_equal(kept->n, LARGE / TILE_WIDTH + 1);
    assert_true(same(merkle_root(tree), naive(leaves, LARGE)));
    for (size_t i = 0; i < NELEM(AT); i++) {
        check_inclusion(AT[i], LARGE);
        check_consistency(AT[i] + 1, LARGE);
    }
    const struct hash *open = leaves + LARGE / TILE_WIDTH * TILE_WIDTH;
    assert_int_equal(merkle_restore(other, LARGE, open, load, kept), ERR_OK);
    assert_true(same(merkle_root(other), merkle_root(tree)));
}

static void a_tree_knows_the_root_of_every_earlier_size(void **state)
{
    (void)state;
    struct hash root;
    grow(SMALL);
    for (uint64_t size = 0; size <= SMALL; size++) {
        assert_int_equal(merkle_root_at(tree, size, load, kept, &root), ERR_OK);
        if (!same(root, naive(leaves, size)))
            fail_msg("size %ju", (uintmax_t)size);
    }
    assert_int_equal(merkle_root_at(tree, SMALL + 1, load, kept, &root),
                     ERR_NOT_FOUND);
}

static void a_size_that_never_was_has_no_proof(void **state)
{
    (void)state;
    struct hash path[PROOF_MAX];
    size_t n;
    grow(10);
    assert_int_equal(merkle_inclusion(tree, 10, 10, load, kept, path, &n),
                     ERR_NOT_FOUND);
    assert_int_equal(merkle_inclusion(tree, 0, 11, load, kept, path, &n),
                     ERR_NOT_FOUND);
    assert_int_equal(merkle_consistency(tree, 5, 11, load, kept, path, &n),
                     ERR_NOT_FOUND);
    assert_int_equal(merkle_consistency(tree, 9, 8, load, kept, path, &n),
                     ERR_NOT_FOUND);
}

static void trouble_in_keeping_leaves_the_tree_as_it_was(void **state)
{
    (void)state;
    grow(TILE_WIDTH - 1);
    kept->refuse_after = 0;
    assert_int_equal(merkle_append(tree, leaves[TILE_WIDTH - 1], keep, kept),
                     ERR_STORE);
    assert_true(same(merkle_root(tree), naive(leaves, TILE_WIDTH - 1)));
    kept->refuse_after = KEPT_MAX;
    grow(TILE_WIDTH + 5);
    assert_true(same(merkle_root(tree), naive(leaves, TILE_WIDTH + 5)));
}

static void a_tile_that_changed_in_memory_is_not_kept(void **state)
{
    (void)state;
    grow(TILE_WIDTH - 1);
    tree->open[0][7].b[3] ^= 4;
    assert_int_equal(merkle_append(tree, leaves[TILE_WIDTH - 1], keep, kept),
                     ERR_INTEGRITY);
    assert_int_equal(tree->size, TILE_WIDTH - 1);
}

static void a_lost_tile_is_told_not_guessed(void **state)
{
    (void)state;
    struct hash path[PROOF_MAX];
    size_t n;
    grow(SMALL);
    kept->n = 0;
    assert_int_equal(merkle_inclusion(tree, 3, SMALL, load, kept, path, &n),
                     ERR_NOT_FOUND);
    assert_int_equal(merkle_restore(other, SMALL, leaves + 512, load, kept),
                     ERR_NOT_FOUND);
    assert_int_equal(other->size, 0);
}

static int make_leaves(void **state)
{
    (void)state;
    kept = calloc(1, sizeof(*kept));
    tree = calloc(1, sizeof(*tree));
    other = calloc(1, sizeof(*other));
    leaves = calloc(LARGE + 1, sizeof(*leaves));
    for (uint32_t i = 0; leaves != NULL && i <= LARGE; i++)
        leaves[i] = proof_leaf(slice_of(&i, sizeof(i)));
    return kept == NULL || tree == NULL || other == NULL || leaves == NULL;
}

static int free_leaves(void **state)
{
    (void)state;
    free(kept);
    free(tree);
    free(other);
    free(leaves);
    return 0;
}

#define CASE(f) cmocka_unit_test_setup(f, fresh)
int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(root_is_that_of_rfc_6962_at_every_size),
        CASE(a_restored_tree_is_the_tree_that_was),
        CASE(every_leaf_is_proved_in_every_later_tree),
        CASE(every_tree_is_proved_to_grow_into_every_later_one),
        CASE(a_tree_proves_its_newest_leaf_at_every_size),
        CASE(a_tree_of_three_levels_restores_and_proves),
        CASE(a_tree_knows_the_root_of_every_earlier_size),
        CASE(a_size_that_never_was_has_no_proof),
        CASE(trouble_in_keeping_leaves_the_tree_as_it_was),
        CASE(a_tile_that_changed_in_memory_is_not_kept),
        CASE(a_lost_tile_is_told_not_guessed),
    };
    return cmocka_run_group_tests(tests, make_leaves, free_leaves);
}
