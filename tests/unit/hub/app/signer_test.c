/* signer_test.c - the head is signed only when two independent reckonings of
 * it agree, and only over leaves it was given. */
#include "hub/app/signer.h"
#include "hub/core/merkle.h"
#include "proto/base/log.h"
#include "tests/unit/hub/app/region.h"

struct bench {
    char dir[64], path[80];
    struct node_keys keys;
    struct merkle m; /* the other reckoning */
};

static enum err keep_nothing(void *ctx, unsigned level, uint64_t n,
                             const struct hash tile[TILE_WIDTH])
{
    (void)ctx, (void)level, (void)n, (void)tile;
    return ERR_OK;
}

static int setup(void **state)
{
    struct bench *b = calloc(1, sizeof(*b));
    log_open("test", 0);
    assert_int_equal(sign_init(), ERR_OK);
    snprintf(b->dir, sizeof(b->dir), "/tmp/tsunagi-signer-XXXXXX");
    assert_non_null(mkdtemp(b->dir));
    snprintf(b->path, sizeof(b->path), "%s/signer", b->dir);
    keys_make(&b->keys, "log");
    merkle_init(&b->m);
    *state = b;
    return 0;
}

static int teardown(void **state)
{
    struct bench *b = *state;
    run_command("rm -rf", b->dir, NULL);
    free(b);
    return 0;
}

static struct signer *opened(struct bench *b)
{
    struct signer *s = NULL;
    assert_int_equal(signer_open(ORIGIN, &b->keys, b->path, &s), ERR_OK);
    return s;
}

static struct slice leaf_of(uint64_t i, char text[32])
{
    snprintf(text, 32, "leaf %llu", (unsigned long long)i);
    return slice_str(text);
}

/* Adds leaves up to size to the tree, and to the signer from its own size. */
static void grow_both(struct bench *b, struct signer *s, uint64_t size)
{
    char text[32];
    while (b->m.size < size)
        assert_int_equal(merkle_append(&b->m,
                                       proof_leaf(leaf_of(b->m.size, text)),
                                       keep_nothing, NULL),
                         ERR_OK);
    while (signer_size(s) < size)
        signer_add(s, leaf_of(signer_size(s), text));
}

static void both_reckonings_agree_at_every_size(void **state) /* W-175 */
{
    struct bench *b = *state;
    struct signer *s = opened(b);
    struct buf note = {0};
    struct checkpoint c;
    for (uint64_t size = 1; size <= 600; size++) {
        grow_both(b, s, size);
        buf_reset(&note);
        assert_int_equal(signer_sign(s, size, merkle_root(&b->m), &note),
                         ERR_OK);
    }
    assert_int_equal(
        checkpoint_open(buf_slice(&note), ORIGIN, b->keys.pub.sign, &c),
        ERR_OK);
    assert_int_equal(c.size, 600);
    buf_fini(&note);
    signer_close(&s);
}

static void a_differing_head_is_never_signed(void **state) /* W-175 */
{
    struct bench *b = *state;
    struct signer *s = opened(b);
    struct buf note = {0};
    grow_both(b, s, 5);
    assert_int_equal(signer_save(s), ERR_OK); /* it has signed nothing yet */
    assert_int_equal(access(b->path, F_OK), -1);
    assert_int_equal(signer_sign(s, 5, merkle_root(&b->m), &note), ERR_OK);
    buf_reset(&note);
    assert_int_equal(signer_save(s), ERR_OK);
    grow_both(b, s, 9);
    struct hash root = merkle_root(&b->m);
    root.b[7] ^= 1;
    assert_int_equal(signer_sign(s, 9, root, &note), ERR_INTEGRITY);
    assert_int_equal(signer_sign(s, 8, merkle_root(&b->m), &note),
                     ERR_INTEGRITY);
    assert_int_equal(note.n, 0);
    signer_close(&s); /* and what it had kept stays as it was */
    s = opened(b);
    assert_int_equal(signer_size(s), 5);
    signer_close(&s);
    buf_fini(&note);
}

static void it_goes_on_from_what_it_kept(void **state)
{
    static const uint64_t SIZES[] = {1, 2, 3, 255, 256, 257, 511, 777};
    struct bench *b = *state;
    struct buf note = {0};
    for (size_t i = 0; i < NELEM(SIZES); i++) {
        struct signer *s = opened(b);
        assert_int_equal(signer_size(s), i == 0 ? 0 : SIZES[i - 1]);
        grow_both(b, s, SIZES[i]);
        assert_int_equal(signer_sign(s, SIZES[i], merkle_root(&b->m), &note),
                         ERR_OK);
        signer_close(&s);
    }
    buf_fini(&note);
}

static void a_spoilt_state_is_refused(void **state)
{
    static const char *const BAD[] = {
        "",
        "tsunagi-signer/2\n" ORIGIN "\n0\n",
        "tsunagi-signer/1\nother.example/log\n0\n",
        "tsunagi-signer/1\n" ORIGIN "\nmany\n",
        "tsunagi-signer/1\n" ORIGIN "\n1\n",
        "tsunagi-signer/1\n" ORIGIN "\n1\nabcd\n",
        "tsunagi-signer/1\n" ORIGIN,
    };
    struct bench *b = *state;
    for (size_t i = 0; i < NELEM(BAD); i++) {
        struct signer *s = NULL;
        assert_int_equal(file_replace(b->path, slice_str(BAD[i]), 0600),
                         ERR_OK);
        if (signer_open(ORIGIN, &b->keys, b->path, &s) != ERR_INTEGRITY)
            fail_msg("accepted state %zu", i);
        assert_null(s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(both_reckonings_agree_at_every_size,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(a_differing_head_is_never_signed, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(it_goes_on_from_what_it_kept, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_spoilt_state_is_refused, setup,
                                        teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
