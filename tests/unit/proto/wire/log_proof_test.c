/* log_proof_test.c - C2SP tlog-proof: a leaf proved without its log. */
#include "proto/wire/log_proof.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define ORIGIN "kakuu.example/audit"

static struct node_keys logk, other;
static uint8_t leaf[4][100];
static struct hash path[2];

static int set_up(void **state)
{
    (void)state;
    if (sign_init() != ERR_OK)
        return -1;
    keys_make(&logk, "log");
    keys_make(&other, "else");
    for (uint8_t i = 0; i < 4; i++)
        memset(leaf[i], i, sizeof(leaf[i]));
    return 0;
}

static void check(bool ok, const char *name)
{
    if (!ok)
        fail_msg("%s", name);
}

static struct slice leaf_at(size_t i)
{
    return slice_of(leaf[i], sizeof(leaf[i]));
}

/* Of four leaves, the one numbered 2. */
static struct buf a_proof(bool extra)
{
    struct hash h[4];
    struct checkpoint c = {.origin = ORIGIN, .size = 4};
    struct buf note = {0}, text = {0};
    for (size_t i = 0; i < 4; i++)
        h[i] = proof_leaf(leaf_at(i));
    path[0] = h[3];
    path[1] = proof_node(h[0], h[1]);
    c.root = proof_node(path[1], proof_node(h[2], h[3]));
    assert_int_equal(
        checkpoint_sign(&c, logk.sign_secret, logk.pub.sign, &note), ERR_OK);
    assert_int_equal(log_proof_write(extra ? leaf_at(2) : SLICE_NONE, 2, path,
                                     2, buf_slice(&note), &text),
                     ERR_OK);
    buf_fini(&note);
    return text;
}

static void a_proof_comes_back_whole(void **state)
{
    (void)state;
    for (int extra = 0; extra < 2; extra++) {
        struct buf text = a_proof(extra);
        struct log_proof p;
        assert_int_equal(log_proof_parse(buf_slice(&text), &p), ERR_OK);
        assert_int_equal(p.index, 2);
        assert_int_equal(p.n, 2);
        assert_memory_equal(p.path, path, sizeof(path));
        assert_true(
            slice_eq(buf_slice(&p.extra), extra ? leaf_at(2) : SLICE_NONE));
        assert_memory_equal(text.p, "c2sp.org/tlog-proof@v1\n", 23);
        log_proof_fini(&p);
        buf_fini(&text);
    }
}

/* W-198 */
static void a_leaf_is_proved_or_not(void **state)
{
    (void)state;
    struct buf text = a_proof(true);
    struct log_proof p;
    struct checkpoint head;
    assert_int_equal(log_proof_parse(buf_slice(&text), &p), ERR_OK);
    assert_int_equal(
        log_proof_check(&p, ORIGIN, logk.pub.sign, buf_slice(&p.extra), &head),
        ERR_OK);
    assert_int_equal(head.size, 4);
    check(log_proof_check(&p, ORIGIN, logk.pub.sign, leaf_at(1), &head) ==
              ERR_DLV_PROOF,
          "W-198 another leaf");
    check(log_proof_check(&p, ORIGIN, other.pub.sign, leaf_at(2), &head) ==
              ERR_INTEGRITY,
          "W-198 another log's key");
    check(log_proof_check(&p, "else.example", logk.pub.sign, leaf_at(2),
                          &head) == ERR_INTEGRITY,
          "W-198 another log");
    p.index = 3;
    check(log_proof_check(&p, ORIGIN, logk.pub.sign, leaf_at(2), &head) ==
              ERR_DLV_PROOF,
          "W-198 another index");
    log_proof_fini(&p);
    buf_fini(&text);
}

/* W-198: every bit of it counts. */
static void a_changed_proof_proves_nothing(void **state)
{
    (void)state;
    struct buf text = a_proof(true);
    for (size_t i = 0; i < 8 * text.n; i++) {
        struct log_proof p;
        struct checkpoint head;
        text.p[i / 8] ^= (uint8_t)(1 << i % 8);
        if (log_proof_parse(buf_slice(&text), &p) == ERR_OK) {
            check(log_proof_check(&p, ORIGIN, logk.pub.sign,
                                  buf_slice(&p.extra), &head) != ERR_OK,
                  "W-198 a changed proof");
            log_proof_fini(&p);
        }
        text.p[i / 8] ^= (uint8_t)(1 << i % 8);
    }
    buf_fini(&text);
}

#define FIRST "c2sp.org/tlog-proof@v1\n"
#define HASH_LINE "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
static const struct {
    const char *name, *text;
    enum err want;
} TEXTS[] = {
    /* clang-format off */
    {"W-198 the shape", FIRST "index 0\n\nnote", ERR_OK},
    {"W-198 extra and a hash", FIRST "extra YWJj\nindex 7\n" HASH_LINE "\nnote", ERR_OK},
    {"W-198 nothing", "", ERR_INTEGRITY},
    {"W-198 another version", "c2sp.org/tlog-proof@v2\nindex 0\n\nnote", ERR_INTEGRITY},
    {"W-198 no index", FIRST "\nnote", ERR_INTEGRITY},
    {"W-198 extra and no index", FIRST "extra YWJj\n\nnote", ERR_INTEGRITY},
    {"W-198 extra that is empty", FIRST "extra \nindex 0\n\nnote", ERR_INTEGRITY},
    {"W-198 extra twice", FIRST "extra YWJj\nextra YWJj\nindex 0\n\nnote", ERR_INTEGRITY},
    {"W-198 extra without its filling", FIRST "extra YWI\nindex 0\n\nnote", ERR_INTEGRITY},
    {"W-198 extra with filling inside", FIRST "extra YWI=YWI=\nindex 0\n\nnote", ERR_INTEGRITY},
    {"W-198 extra after the index", FIRST "index 0\nextra YWJj\n\nnote", ERR_INTEGRITY},
    {"W-198 an index with a zero before it", FIRST "index 07\n\nnote", ERR_INTEGRITY},
    {"W-198 half a hash", FIRST "index 0\nCsUYapGGPo4dkMgIAUqomw==\n\nnote", ERR_INTEGRITY},
    {"W-198 no empty line", FIRST "index 0\n" HASH_LINE, ERR_INTEGRITY},
    {"W-198 no checkpoint", FIRST "index 0\n\n", ERR_INTEGRITY},
}; /* clang-format on */

static void a_malformed_proof_is_refused(void **state)
{
    (void)state;
    struct log_proof p;
    for (size_t i = 0; i < NELEM(TEXTS); i++) {
        check(log_proof_parse(slice_str(TEXTS[i].text), &p) == TEXTS[i].want,
              TEXTS[i].name);
        log_proof_fini(&p);
    }
    struct buf text = {0};
    buf_adds(&text, FIRST "index 0\n");
    for (int i = 0; i <= PROOF_MAX; i++)
        buf_adds(&text, HASH_LINE);
    buf_adds(&text, "\nnote");
    check(log_proof_parse(buf_slice(&text), &p) == ERR_INTEGRITY,
          "W-198 too many hashes");
    buf_fini(&text);
}

/* Extra data longer than a piece of the text that is read at once. */
static void extra_data_of_any_length_come_back(void **state)
{
    (void)state;
    uint8_t bytes[200];
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(i * 7);
    for (size_t n = 1; n <= sizeof(bytes); n++) {
        struct buf text = {0};
        struct log_proof p;
        assert_int_equal(log_proof_write(slice_of(bytes, n), n, NULL, 0,
                                         slice_str("note"), &text),
                         ERR_OK);
        assert_int_equal(log_proof_parse(buf_slice(&text), &p), ERR_OK);
        assert_true(slice_eq(buf_slice(&p.extra), slice_of(bytes, n)));
        log_proof_fini(&p);
        buf_fini(&text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_proof_comes_back_whole),
        cmocka_unit_test(a_leaf_is_proved_or_not),
        cmocka_unit_test(a_changed_proof_proves_nothing),
        cmocka_unit_test(a_malformed_proof_is_refused),
        cmocka_unit_test(extra_data_of_any_length_come_back),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
