/* audit_proof_test.c - a proof of one entry holds as it is, and in no other
 * way: exit 0, else 9. */
#include "hub/core/merkle.h"
#include "hub/ctl/ctl.h"
#include "proto/base/log.h"
#include "proto/wire/log_proof.h"
#include "proto/wire/unpack.h"
#include "tsunagi/v1/envelope.pb-c.h"
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
/* cmocka needs the ones above */
#include <cmocka.h>

#define ORIGIN "kakuu.example/log"
#define LEAVES 300
#define AT 117

struct place {
    char dir[64], file[80], vkey[80];
    struct node_keys keys;
    struct merkle tree;
    struct hash tile[TILE_WIDTH]; /* the full one */
    struct buf leaf, note, text;
};

static enum err keep(void *ctx, unsigned level, uint64_t n,
                     const struct hash tile[TILE_WIDTH])
{
    (void)level, (void)n;
    memcpy(((struct place *)ctx)->tile, tile, sizeof(struct hash) * TILE_WIDTH);
    return ERR_OK;
}

static enum err load(void *ctx, unsigned level, uint64_t n,
                     struct hash tile[TILE_WIDTH])
{
    (void)level, (void)n;
    memcpy(tile, ((struct place *)ctx)->tile, sizeof(struct hash) * TILE_WIDTH);
    return ERR_OK;
}

static void pack_leaf(uint64_t i, struct buf *out)
{
    Pb__AuditLeaf l = PB__AUDIT_LEAF__INIT;
    l.has_kind = l.has_index = l.has_time_ms = 1;
    l.kind = PB__LEAF_KIND__INGEST;
    l.index = i;
    l.time_ms = 1774969200000 + i;
    buf_reset(out);
    assert_int_equal(pack(&l.base, out), ERR_OK);
}

static void make_log(struct place *p)
{
    merkle_init(&p->tree);
    for (uint64_t i = 0; i < LEAVES; i++) {
        pack_leaf(i, &p->leaf);
        assert_int_equal(
            merkle_append(&p->tree, proof_leaf(buf_slice(&p->leaf)), keep, p),
            ERR_OK);
    }
    pack_leaf(AT, &p->leaf);
    struct checkpoint c = {.size = LEAVES, .root = merkle_root(&p->tree)};
    snprintf(c.origin, sizeof(c.origin), ORIGIN);
    assert_int_equal(
        checkpoint_sign(&c, p->keys.sign_secret, p->keys.pub.sign, &p->note),
        ERR_OK);
}

static void make_proof(struct place *p)
{
    struct hash path[PROOF_MAX];
    size_t n;
    assert_int_equal(merkle_inclusion(&p->tree, AT, LEAVES, load, p, path, &n),
                     ERR_OK);
    assert_int_equal(log_proof_write(buf_slice(&p->leaf), AT, path, n,
                                     buf_slice(&p->note), &p->text),
                     ERR_OK);
}

static int setup(void **state)
{
    struct place *p = calloc(1, sizeof(*p));
    struct buf vkey = {0};
    log_open("test", 0);
    assert_int_equal(sign_init(), ERR_OK);
    snprintf(p->dir, sizeof(p->dir), "/tmp/tsunagi-proof-XXXXXX");
    assert_non_null(mkdtemp(p->dir));
    snprintf(p->file, sizeof(p->file), "%s/x.tlog-proof", p->dir);
    snprintf(p->vkey, sizeof(p->vkey), "%s/log.vkey", p->dir);
    keys_make(&p->keys, "log");
    make_log(p);
    make_proof(p);
    checkpoint_vkey(ORIGIN, p->keys.pub.sign, &vkey);
    buf_addc(&vkey, '\n');
    assert_int_equal(file_replace(p->vkey, buf_slice(&vkey), 0600), ERR_OK);
    buf_fini(&vkey);
    *state = p;
    return 0;
}

static int teardown(void **state)
{
    struct place *p = *state;
    unlink(p->file);
    unlink(p->vkey);
    rmdir(p->dir);
    buf_fini(&p->leaf);
    buf_fini(&p->note);
    buf_fini(&p->text);
    free(p);
    return 0;
}

/* It complains on stderr, some thousand times. */
static int verified(struct place *p, struct slice text)
{
    struct ctl c = {.vkey = p->vkey, .json = true};
    assert_int_equal(file_replace(p->file, text, 0600), ERR_OK);
    int kept = dup(2), none = open("/dev/null", O_WRONLY);
    assert_true(kept >= 0 && none >= 0 && dup2(none, 2) == 2);
    int code = audit_verify_proof(&c, p->file);
    assert_int_equal(dup2(kept, 2), 2);
    close(kept);
    close(none);
    return code;
}

static void a_proof_holds(void **state)
{
    struct place *p = *state;
    assert_int_equal(verified(p, buf_slice(&p->text)), EXIT_DONE);
}

static void no_bit_of_it_is_free(void **state)
{
    struct place *p = *state;
    uint64_t accepted = 0;
    for (size_t i = 0; i < p->text.n; i++) {
        p->text.p[i] ^= (uint8_t)(1u << i % 7);
        accepted += verified(p, buf_slice(&p->text)) != EXIT_INTEGRITY;
        p->text.p[i] ^= (uint8_t)(1u << i % 7);
    }
    assert_int_equal(accepted, 0);
    for (size_t n = 0; n < p->text.n; n += 7)
        assert_int_equal(verified(p, slice_of(p->text.p, n)), EXIT_INTEGRITY);
}

static void another_leaf_another_log_or_none_is_refused(void **state)
{
    struct place *p = *state;
    struct log_proof was;
    struct buf other = {0}, text = {0};
    assert_int_equal(log_proof_parse(buf_slice(&p->text), &was), ERR_OK);
    pack_leaf(AT + 1, &other);
    const struct slice extra[] = {buf_slice(&other), SLICE_NONE};
    for (size_t i = 0; i < NELEM(extra); i++) {
        buf_reset(&text);
        assert_int_equal(log_proof_write(extra[i], AT, was.path, was.n,
                                         buf_slice(&p->note), &text),
                         ERR_OK);
        assert_int_equal(verified(p, buf_slice(&text)), EXIT_INTEGRITY);
    }
    struct node_keys stranger;
    struct buf vkey = {0};
    keys_make(&stranger, "log");
    checkpoint_vkey(ORIGIN, stranger.pub.sign, &vkey);
    assert_int_equal(file_replace(p->vkey, buf_slice(&vkey), 0600), ERR_OK);
    assert_int_equal(verified(p, buf_slice(&p->text)), EXIT_INTEGRITY);
    buf_fini(&vkey);
    buf_fini(&other);
    buf_fini(&text);
    log_proof_fini(&was);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_proof_holds, setup, teardown),
        cmocka_unit_test_setup_teardown(no_bit_of_it_is_free, setup, teardown),
        cmocka_unit_test_setup_teardown(
            another_leaf_another_log_or_none_is_refused, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
