/* The log grows, can be proved, and tells when it was touched. */
#include "tests/unit/hub/store/world.h"

/* RFC 6962 2.1, as it is written there. */
static struct hash naive(struct store *s, uint64_t from, uint64_t n)
{
    struct hash h;
    struct buf b = {0};
    if (n == 0) {
        sha256(SLICE_NONE, h.b);
        return h;
    }
    if (n == 1) {
        ok(store_leaf_get(s, from, &b));
        h = proof_leaf(buf_slice(&b));
        buf_fini(&b);
        return h;
    }
    uint64_t k = 1;
    while (k * 2 < n)
        k *= 2;
    return proof_node(naive(s, from, k), naive(s, from + k, n - k));
}

static void root_is_naive(struct store *s)
{
    struct hash got = merkle_root(store_merkle(s)),
                want = naive(s, 0, store_log_size(s));
    assert_memory_equal(got.b, want.b, HASH_BYTES);
}

static void the_root_is_that_of_the_stored_leaves(void **state)
{
    struct world *w = *state;
    static const size_t STEPS[] = {0, 1, 1, 1, 252, 1, 1, 64, 191, 300};
    for (size_t i = 0; i < NELEM(STEPS); i++) {
        commit_leaves(w->s, STEPS[i]);
        root_is_naive(w->s);
        world_reopen(w);
        root_is_naive(w->s);
    }
    assert_int_equal(store_log_size(w->s), 812);
}

static void a_leaf_is_proved_from_kept_tiles(void **state)
{
    struct world *w = *state;
    struct hash path[PROOF_MAX];
    struct buf b = {0};
    size_t n;
    commit_leaves(w->s, 600);
    world_reopen(w);
    const struct merkle *m = store_merkle(w->s);
    ok(merkle_inclusion(m, 3, 600, store_tile, w->s, path, &n));
    ok(store_leaf_get(w->s, 3, &b));
    ok(proof_check_inclusion(3, 600, proof_leaf(buf_slice(&b)), path, n,
                             merkle_root(m)));
    struct hash tile[TILE_WIDTH];
    assert_int_equal(store_tile(w->s, 0, 2, tile), ERR_NOT_FOUND);
    buf_fini(&b);
}

/* ---- leaves ---- */

static Pb__AuditLeaf *leaf_of(struct store *s, uint64_t index)
{
    struct buf b = {0};
    ok(store_leaf_get(s, index, &b));
    Pb__AuditLeaf *leaf = pb__audit_leaf__unpack(NULL, b.n, b.p);
    assert_non_null(leaf);
    assert_int_equal(leaf->index, index);
    assert_int_equal(leaf->nonce.len, 16);
    buf_fini(&b);
    return leaf;
}

static const struct {
    const char *name;
    uint64_t given, want;
} TIMES[] = {
    {"a time is kept", NOON_MS, NOON_MS},
    {"an earlier one is raised", NOON_MS - 5000, NOON_MS},
    {"the same is kept", NOON_MS, NOON_MS},
    {"a later one is kept", NOON_MS + 7, NOON_MS + 7},
    {"and holds from then on", NOON_MS + 6, NOON_MS + 7},
};

static void the_time_of_leaves_never_goes_back(void **state)
{
    struct world *w = *state;
    for (size_t i = 0; i < NELEM(TIMES); i++) {
        ok(store_begin(w->s));
        uint64_t index = add_leaf(w->s, TIMES[i].given);
        ok(store_commit(w->s));
        Pb__AuditLeaf *leaf = leaf_of(w->s, index);
        if (leaf->time_ms != TIMES[i].want)
            fail_msg("%s", TIMES[i].name);
        pb__audit_leaf__free_unpacked(leaf, NULL);
        world_reopen(w);
    }
}

static void no_two_leaves_have_one_nonce(void **state)
{
    struct world *w = *state;
    commit_leaves(w->s, 2);
    Pb__AuditLeaf *a = leaf_of(w->s, 0), *b = leaf_of(w->s, 1);
    assert_memory_not_equal(a->nonce.data, b->nonce.data, 16);
    pb__audit_leaf__free_unpacked(a, NULL);
    pb__audit_leaf__free_unpacked(b, NULL);
}

static void a_leaf_over_4096_bytes_is_refused(void **state)
{
    struct world *w = *state;
    char reason[5000];
    uint64_t index;
    Pb__AuditLeaf leaf = PB__AUDIT_LEAF__INIT;
    memset(reason, 'x', sizeof(reason) - 1);
    reason[sizeof(reason) - 1] = '\0';
    leaf.reason = reason;
    ok(store_begin(w->s));
    add_leaf(w->s, NOON_MS);
    assert_int_equal(store_leaf(w->s, &leaf, &index), ERR_INTERNAL);
    assert_int_equal(add_leaf(w->s, NOON_MS), 1);
    ok(store_commit(w->s));
    assert_int_equal(store_log_size(w->s), 2);
}

static void only_a_committed_leaf_is_given_out(void **state)
{
    struct world *w = *state;
    commit_leaves(w->s, 5);
    commit_leaves(w->s, 3);
    commit_leaves(w->s, 0);
    assert_int_equal(store_log_size(w->s), 8);
    struct buf b = {0};
    ok(store_begin(w->s));
    add_leaf(w->s, NOON_MS);
    assert_int_equal(store_leaf_get(w->s, 8, &b), ERR_NOT_FOUND);
    assert_int_equal(store_log_size(w->s), 8);
    store_abort(w->s);
    buf_fini(&b);
}

static void leaves_cannot_be_changed_or_deleted(void **state)
{
    struct world *w = *state;
    commit_leaves(w->s, 2);
    static const char *const SQL[] = {
        "UPDATE log_leaf SET leaf = x'00' WHERE idx = 1",
        "DELETE FROM log_leaf WHERE idx = 1", "DELETE FROM log_leaf"};
    for (size_t i = 0; i < NELEM(SQL); i++)
        assert_int_equal(sqlite3_exec(w->s->db, SQL[i], NULL, NULL, NULL),
                         SQLITE_CONSTRAINT_TRIGGER);
    root_is_naive(w->s);
}

/* ---- checkpoints ---- */

static void sign_note(uint64_t size, struct hash root, struct buf *note)
{
    struct node_keys k;
    struct checkpoint c = {
        .origin = "hub.example/audit/1", .size = size, .root = root};
    keys_make(&k, "hub");
    ok(checkpoint_sign(&c, k.sign_secret, k.pub.sign, note));
}

static void note_is(struct store *s, const struct buf *want)
{
    struct buf got = {0};
    ok(store_checkpoint_get(s, &got));
    assert_true(slice_eq(buf_slice(&got), buf_slice(want)));
    buf_fini(&got);
}

static void the_newest_checkpoint_is_kept(void **state)
{
    struct world *w = *state;
    struct buf older = {0}, newer = {0}, none = {0};
    assert_int_equal(store_checkpoint_get(w->s, &none), ERR_NOT_FOUND);
    commit_leaves(w->s, 300);
    sign_note(300, merkle_root(store_merkle(w->s)), &older);
    ok(store_checkpoint_put(w->s, 300, buf_slice(&older)));
    note_is(w->s, &older);
    commit_leaves(w->s, 7); /* it rides along */
    sign_note(307, merkle_root(store_merkle(w->s)), &newer);
    ok(store_checkpoint_put(w->s, 307, buf_slice(&newer)));
    ok(store_checkpoint_put(w->s, 300, buf_slice(&older))); /* late */
    note_is(w->s, &newer);
    world_reopen(w);
    note_is(w->s, &newer);
    commit_leaves(w->s, 1);
    world_reopen(w); /* a checkpoint behind the log is checked where it is */
    assert_int_equal(store_checkpoint_put(w->s, 400, buf_slice(&newer)),
                     ERR_INTEGRITY);
    assert_int_equal(
        store_checkpoint_put(w->s, 308, slice_str("origin\n308\nno root\n")),
        ERR_INTEGRITY);
    static const char *const CUT[] = {"origin",
                                      "origin\n",
                                      "origin\n308",
                                      "origin\n308\n",
                                      "origin\n\n",
                                      "\n308\n",
                                      "origin\n308\nAAAAAAAAAAAAAAAAAAAAAAAAAAA"
                                      "AAAAAAAAAAAAAAAA="};
    for (size_t i = 0; i < NELEM(CUT); i++)
        assert_int_equal(store_checkpoint_put(w->s, 308, slice_str(CUT[i])),
                         ERR_INTEGRITY);
    assert_int_equal(store_checkpoint_put(w->s, 308, SLICE_NONE),
                     ERR_INTEGRITY);
    buf_fini(&older);
    buf_fini(&newer);
    buf_fini(&none);
}

static void a_checkpoint_with_another_root_stops_the_start(void **state)
{
    struct world *w = *state;
    struct buf note = {0};
    commit_leaves(w->s, 5);
    sign_note(4, naive(w->s, 0, 5), &note);
    ok(store_checkpoint_put(w->s, 4, buf_slice(&note)));
    store_close(&w->s);
    world_refuses(w, ERR_INTEGRITY);
    buf_fini(&note);
}

/* ---- damage ---- */

static const struct {
    const char *name;
    size_t leaves;
    uint64_t leaf;
    bool tile; /* its hash in the kept tile instead of its bytes */
} FLIPS[] = {
    {"a flipped bit in the only leaf", 1, 0, false},
    {"in the open tile", 10, 4, false},
    {"in the last leaf", 10, 9, false},
    {"in a full tile", 600, 100, false},
    {"in the last leaf of a full tile", 256, 255, false},
    {"in the open tile after full ones", 600, 520, false},
    {"in a kept tile", 600, 300, true},
};

static void a_flipped_bit_stops_the_start(void **state)
{
    struct world *w = *state;
    for (size_t i = 0; i < NELEM(FLIPS); i++) {
        struct buf b = {0};
        ok(world_open(w));
        commit_leaves(w->s, FLIPS[i].leaves);
        ok(store_leaf_get(w->s, FLIPS[i].leaf, &b));
        store_close(&w->s);
        struct hash h = proof_leaf(buf_slice(&b));
        struct slice what =
            FLIPS[i].tile ? slice_of(h.b, HASH_BYTES) : buf_slice(&b);
        assert_int_equal(flip(w->db, what), 1);
        if (world_open(w) != ERR_INTEGRITY)
            fail_msg("%s", FLIPS[i].name);
        assert_int_equal(unlink(w->db), 0);
        assert_int_equal(unlink(w->anchor), 0);
        buf_fini(&b);
    }
}

static const struct {
    const char *name, *sql;
} CUTS[] = {
    {"a missing leaf", "DELETE FROM log_leaf WHERE idx = 100"},
    {"a missing last leaf", "DELETE FROM log_leaf WHERE idx = 299"},
    {"a leaf too many", "INSERT INTO log_leaf VALUES (300, x'00')"},
    {"a missing tile", "DELETE FROM log_tile"},
    {"a size too small", "UPDATE log_state SET size = 299"},
    {"no state at all", "DELETE FROM log_state"},
    {"a shortened log whose size was mended",
     "UPDATE log_state SET size = 299; DELETE FROM log_leaf WHERE idx = 299"},
};

static void a_cut_log_stops_the_start(void **state)
{
    struct world *w = *state;
    for (size_t i = 0; i < NELEM(CUTS); i++) {
        ok(world_open(w));
        commit_leaves(w->s, 300);
        store_close(&w->s);
        outside_sql(w, "DROP TRIGGER log_leaf_no_delete");
        outside_sql(w, CUTS[i].sql);
        if (world_open(w) != ERR_INTEGRITY)
            fail_msg("%s", CUTS[i].name);
        assert_int_equal(unlink(w->db), 0);
        assert_int_equal(unlink(w->anchor), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_OPEN_WORLD(the_root_is_that_of_the_stored_leaves),
        IN_OPEN_WORLD(a_leaf_is_proved_from_kept_tiles),
        IN_OPEN_WORLD(the_time_of_leaves_never_goes_back),
        IN_OPEN_WORLD(no_two_leaves_have_one_nonce),
        IN_OPEN_WORLD(a_leaf_over_4096_bytes_is_refused),
        IN_OPEN_WORLD(only_a_committed_leaf_is_given_out),
        IN_OPEN_WORLD(leaves_cannot_be_changed_or_deleted),
        IN_OPEN_WORLD(the_newest_checkpoint_is_kept),
        IN_OPEN_WORLD(a_checkpoint_with_another_root_stops_the_start),
        IN_WORLD(a_flipped_bit_stops_the_start),
        IN_WORLD(a_cut_log_stops_the_start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
