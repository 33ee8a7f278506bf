/* proof_test.c - proofs against a naive log, and signed notes.
 *
 * The reference below is RFC 6962 2.1 word for word, recursive; it shares
 * nothing with the code under test but SHA-256. */
#include "proto/wire/proof.h"
#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SIZE_MAX_TRIED 70

static void check(bool ok, const char *name)
{
    if (!ok)
        fail_msg("%s", name);
}

/* ---- the naive log ---- */

static struct slice leaf_at(size_t i)
{
    static const struct {
        size_t n;
        const char *bytes;
    } VECTOR[8] = {
        {0, ""},
        {1, "\x00"},
        {1, "\x10"},
        {2, "\x20\x21"},
        {2, "\x30\x31"},
        {4, "\x40\x41\x42\x43"},
        {8, "\x50\x51\x52\x53\x54\x55\x56\x57"},
        {16,
         "\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f"},
    };
    static const char MORE[] = "0123456789abcdefghijklmnopqrstuvwxyz0123456789"
                               "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    if (i < 8)
        return slice_of(VECTOR[i].bytes, VECTOR[i].n);
    return slice_of(MORE, i - 7);
}

static size_t split(size_t n) /* largest power of two smaller than n */
{
    size_t k = 1;
    while (k * 2 < n)
        k *= 2;
    return k;
}

static struct hash hash_with(uint8_t tag, struct slice a, struct slice b)
{
    uint8_t all[256] = {tag};
    struct hash h;
    memcpy(all + 1, a.p, a.n);
    if (b.n > 0)
        memcpy(all + 1 + a.n, b.p, b.n);
    crypto_hash_sha256(h.b, all, 1 + a.n + b.n);
    return h;
}

static struct hash mth(size_t from, size_t n)
{
    if (n == 1)
        return hash_with(0, leaf_at(from), SLICE_NONE);
    size_t k = split(n);
    struct hash l = mth(from, k), r = mth(from + k, n - k);
    return hash_with(1, slice_of(l.b, 32), slice_of(r.b, 32));
}

static size_t naive_path(size_t m, size_t from, size_t n, struct hash *out)
{
    if (n == 1)
        return 0;
    size_t k = split(n), used;
    if (m < k) {
        used = naive_path(m, from, k, out);
        out[used] = mth(from + k, n - k);
    } else {
        used = naive_path(m - k, from + k, n - k, out);
        out[used] = mth(from, k);
    }
    return used + 1;
}

static size_t naive_proof(size_t m, size_t from, size_t n, bool whole,
                          struct hash *out)
{
    if (m == n) {
        out[0] = mth(from, n);
        return whole ? 0 : 1;
    }
    size_t k = split(n), used;
    if (m <= k) {
        used = naive_proof(m, from, k, whole, out);
        out[used] = mth(from + k, n - k);
    } else {
        used = naive_proof(m - k, from + k, n - k, false, out);
        out[used] = mth(from, k);
    }
    return used + 1;
}

/* ---- hashes ---- */

static const char *const ROOTS[8] = {
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
};

static void published_roots_are_reproduced(void **state)
{
    (void)state;
    for (size_t n = 1; n <= 8; n++) {
        struct hash want, got = mth(0, n);
        assert_int_equal(hex_decode(ROOTS[n - 1], want.b, 32), ERR_OK);
        check(memcmp(got.b, want.b, 32) == 0, "W-170 RFC 6962's roots");
    }
    struct hash l = proof_leaf(leaf_at(0)), r = proof_leaf(leaf_at(1));
    struct hash two = proof_node(l, r), want;
    assert_int_equal(hex_decode(ROOTS[0], want.b, 32), ERR_OK);
    assert_memory_equal(l.b, want.b, 32);
    assert_int_equal(hex_decode(ROOTS[1], want.b, 32), ERR_OK);
    assert_memory_equal(two.b, want.b, 32);
}

/* ---- proofs: W-170 ---- */

static void inclusion_holds_and_nothing_else(size_t i, size_t size)
{
    struct hash path[PROOF_MAX], root = mth(0, size);
    struct hash leaf = proof_leaf(leaf_at(i));
    size_t n = naive_path(i, 0, size, path);
    enum err bad = ERR_DLV_PROOF;
#define INCLUDED(at, hash, len)                                                \
    proof_check_inclusion(at, size, hash, path, len, root)
    assert_int_equal(INCLUDED(i, leaf, n), ERR_OK);
    for (size_t j = 0; j < size; j++)
        if (j != i)
            assert_int_equal(INCLUDED(j, leaf, n), bad);
    assert_int_equal(INCLUDED(size, leaf, n), bad);
    path[n] = root;
    assert_int_equal(INCLUDED(i, leaf, n + 1), bad);
    if (n > 0)
        assert_int_equal(INCLUDED(i, leaf, n - 1), bad);
    for (size_t j = 0; j < n; j++) {
        path[j].b[j % 32] ^= 1;
        assert_int_equal(INCLUDED(i, leaf, n), bad);
        path[j].b[j % 32] ^= 1;
    }
    leaf.b[0] ^= 1;
    assert_int_equal(INCLUDED(i, leaf, n), bad);
}

static void inclusion_of_every_leaf(void **state)
{
    (void)state;
    for (size_t size = 1; size <= SIZE_MAX_TRIED; size++)
        for (size_t i = 0; i < size; i++)
            inclusion_holds_and_nothing_else(i, size);
    assert_int_equal(proof_check_inclusion(0, 0, mth(0, 1), NULL, 0, mth(0, 1)),
                     ERR_DLV_PROOF);
}

static void consistency_holds_and_nothing_else(size_t m, size_t size)
{
    struct hash path[PROOF_MAX], old = mth(0, m), root = mth(0, size);
    size_t n = naive_proof(m, 0, size, true, path);
    enum err bad = ERR_DLV_FORK;
#define CONSISTENT(from, hash, len)                                            \
    proof_check_consistency(from, hash, size, root, path, len)
    assert_int_equal(CONSISTENT(m, old, n), ERR_OK);
    path[n] = root;
    assert_int_equal(CONSISTENT(m, old, n + 1), bad);
    if (n > 0)
        assert_int_equal(CONSISTENT(m, old, n - 1), bad);
    for (size_t j = 0; j < n; j++) {
        path[j].b[j % 32] ^= 1;
        assert_int_equal(CONSISTENT(m, old, n), bad);
        path[j].b[j % 32] ^= 1;
    }
    old.b[31] ^= 1;
    assert_int_equal(CONSISTENT(m, old, n), bad);
    old.b[31] ^= 1;
    assert_int_equal(CONSISTENT(size + 1, old, n), bad);
    root.b[31] ^= 1;
    assert_int_equal(CONSISTENT(m, old, n), bad);
}

static void consistency_of_every_pair(void **state)
{
    (void)state;
    for (size_t size = 1; size <= SIZE_MAX_TRIED; size++)
        for (size_t m = 1; m <= size; m++)
            consistency_holds_and_nothing_else(m, size);
}

static void everything_grows_from_nothing(void **state)
{
    (void)state;
    struct hash none = {{0}};
    assert_int_equal(proof_check_consistency(0, none, 5, mth(0, 5), NULL, 0),
                     ERR_OK);
    assert_int_equal(proof_check_consistency(0, none, 0, none, NULL, 0),
                     ERR_OK);
}

static void overlong_proofs_are_refused(void **state)
{
    (void)state;
    static struct hash path[PROOF_MAX + 1];
    struct hash h = {{0}};
    assert_int_equal(
        proof_check_inclusion(0, UINT64_MAX, h, path, PROOF_MAX + 1, h),
        ERR_DLV_PROOF);
    assert_int_equal(
        proof_check_consistency(1, h, UINT64_MAX, h, path, PROOF_MAX + 1),
        ERR_DLV_FORK);
}

static void log_that_shrank_is_a_fork(void **state)
{
    (void)state;
    struct hash path[PROOF_MAX] = {{{0}}}, old = mth(0, 1), root = old;
    for (size_t i = 0; i < PROOF_MAX; i++)
        root = proof_node(root, path[i]);
    assert_int_equal(proof_check_consistency(1, old, 0, root, path, PROOF_MAX),
                     ERR_DLV_FORK);
}

/* ---- notes ---- */

#define ORIGIN "tsunagi.example.jp/audit/2026a"
static uint8_t public[KEY_BYTES], secret[SIGN_SECRET_BYTES];

static struct buf sign_text(const char *text, const char *name)
{
    /* by hand, so that texts checkpoint_sign would never write can be signed */
    struct buf note = {0}, id = {0};
    uint8_t h[32], blob[68];
    char b64[128];
    buf_addf(&id, "%s\n%c", name, 1);
    buf_add(&id, public, KEY_BYTES);
    crypto_hash_sha256(h, id.p, id.n);
    memcpy(blob, h, 4);
    crypto_sign_detached(blob + 4, NULL, (const uint8_t *)text, strlen(text),
                         secret);
    sodium_bin2base64(b64, sizeof(b64), blob, sizeof(blob),
                      sodium_base64_VARIANT_ORIGINAL);
    buf_addf(&note, "%s\n\xe2\x80\x94 %s %s\n", text, name, b64);
    buf_fini(&id);
    return note;
}

#define ROOT64 "XcnaeacGWamtVZy3Ad7ZoqudgjqtL0lgz+Nw7/RgQyg="
#define GOOD ORIGIN "\n8\n" ROOT64 "\n"

static const struct {
    const char *name, *text;
    uint64_t size; /* 0: refused */
} TEXTS[] = {
    /* clang-format off */
    {"W-171 origin, size, root", GOOD, 8},
    {"W-171 the largest size", ORIGIN "\n18446744073709551615\n" ROOT64 "\n", UINT64_MAX},
    {"W-171 one more overflows", ORIGIN "\n18446744073709551616\n" ROOT64 "\n", 0},
    {"W-171 a leading zero", ORIGIN "\n08\n" ROOT64 "\n", 0},
    {"W-171 a sign", ORIGIN "\n+8\n" ROOT64 "\n", 0},
    {"W-171 a blank before the size", ORIGIN "\n 8\n" ROOT64 "\n", 0},
    {"W-171 no size", ORIGIN "\n\n" ROOT64 "\n", 0},
    {"W-171 hexadecimal", ORIGIN "\n0x8\n" ROOT64 "\n", 0},
    {"W-171 an extension line", GOOD "more\n", 0},
    {"W-171 a root too short", ORIGIN "\n8\nXcnaeacGWamtVZy3Ad7ZoqudgjqtL0lgz+Nw7/RgQw==\n", 0},
    {"W-171 a root written otherwise", ORIGIN "\n8\nXcnaeacGWamtVZy3Ad7ZoqudgjqtL0lgz+Nw7/RgQyh=\n", 0},
    {"W-171 a root without padding", ORIGIN "\n8\nXcnaeacGWamtVZy3Ad7ZoqudgjqtL0lgz+Nw7/RgQyg\n", 0},
    {"W-171 another origin", "tsunagi.example.jp/audit/2026b\n8\n" ROOT64 "\n", 0},
    {"W-171 a carriage return", ORIGIN "\r\n8\n" ROOT64 "\n", 0},
    {"W-171 nothing", "", 0},
}; /* clang-format on */

static void only_exact_texts_are_checkpoints(void **state)
{
    (void)state;
    for (size_t i = 0; i < NELEM(TEXTS); i++) {
        struct checkpoint c;
        struct buf note = sign_text(TEXTS[i].text, ORIGIN);
        enum err e = checkpoint_open(buf_slice(&note), ORIGIN, public, &c);
        check(e == (TEXTS[i].size ? ERR_OK : ERR_INTEGRITY), TEXTS[i].name);
        check(c.size == TEXTS[i].size, TEXTS[i].name);
        buf_fini(&note);
    }
}

static struct buf good_note(void)
{
    struct checkpoint c = {.origin = ORIGIN, .size = 8};
    struct buf note = {0};
    c.root = mth(0, 8);
    assert_int_equal(checkpoint_sign(&c, secret, public, &note), ERR_OK);
    return note;
}

static void signed_checkpoint_opens_again(void **state)
{
    (void)state;
    struct buf note = good_note(), by_hand = sign_text(GOOD, ORIGIN);
    struct checkpoint c;
    struct hash root = mth(0, 8);
    assert_int_equal(checkpoint_open(buf_slice(&note), ORIGIN, public, &c),
                     ERR_OK);
    assert_string_equal(c.origin, ORIGIN);
    assert_memory_equal(c.root.b, root.b, 32);
    assert_true(slice_eq(buf_slice(&note), buf_slice(&by_hand)));
    buf_fini(&note);
    buf_fini(&by_hand);
}

static void any_changed_byte_is_refused(void **state)
{
    (void)state;
    struct buf note = good_note();
    struct checkpoint c;
    for (size_t i = 0; i < note.n; i++)
        for (int bit = 0; bit < 8; bit++) {
            note.p[i] ^= (uint8_t)(1 << bit);
            assert_int_equal(
                checkpoint_open(buf_slice(&note), ORIGIN, public, &c),
                ERR_INTEGRITY);
            note.p[i] ^= (uint8_t)(1 << bit);
        }
    for (size_t n = 0; n < note.n; n++)
        assert_int_equal(
            checkpoint_open(slice_of(note.p, n), ORIGIN, public, &c),
            ERR_INTEGRITY);
    buf_fini(&note);
}

#define DASH "\xe2\x80\x94 "
static const struct {
    const char *name, *added;
    enum err want;
} ADDED[] = {
    /* clang-format off */
    {"W-172 a witness's line is passed over", DASH "w.example AQIDBAUG\n", ERR_OK},
    {"W-172 our name with another key id is passed over", DASH ORIGIN " AQIDBAUG\n", ERR_OK},
    {"W-172 a line without the dash", "- w.example AQIDBAUG\n", ERR_INTEGRITY},
    {"W-172 a line without a newline", DASH "w.example AQIDBAUG", ERR_INTEGRITY},
    {"W-172 a signature of the key id alone", DASH "w.example AQIDBA==\n", ERR_INTEGRITY},
    {"W-172 a signature that is no base64", DASH "w.example ****\n", ERR_INTEGRITY},
    {"W-172 a name with a plus", DASH "w+x AQIDBAUG\n", ERR_INTEGRITY},
    {"W-172 a third word", DASH "w.example AQIDBAUG x\n", ERR_INTEGRITY},
    {"W-172 an empty name", DASH " AQIDBAUG\n", ERR_INTEGRITY},
    {"W-172 a control character", DASH "w\x01 AQIDBAUG\n", ERR_INTEGRITY},
    {"W-172 bytes that are no UTF-8", DASH "w\xff AQIDBAUG\n", ERR_INTEGRITY},
    {"W-172 an empty line at the end", "\n", ERR_INTEGRITY},
}; /* clang-format on */

static void signature_lines_are_checked(void **state)
{
    (void)state;
    struct checkpoint c;
    for (size_t i = 0; i < NELEM(ADDED); i++) {
        struct buf note = good_note();
        buf_adds(&note, ADDED[i].added);
        check(checkpoint_open(buf_slice(&note), ORIGIN, public, &c) ==
                  ADDED[i].want,
              ADDED[i].name);
        buf_fini(&note);
    }
}

static void notes_are_bounded(void **state)
{
    (void)state;
    struct checkpoint c;
    struct buf note = good_note();
    for (int i = 0; i < 99; i++)
        buf_adds(&note, DASH "w.example AQIDBAUG\n");
    assert_int_equal(checkpoint_open(buf_slice(&note), ORIGIN, public, &c),
                     ERR_OK);
    buf_adds(&note, DASH "w.example AQIDBAUG\n");
    check(checkpoint_open(buf_slice(&note), ORIGIN, public, &c) ==
              ERR_INTEGRITY,
          "W-172 at most 100 signatures");
    buf_fini(&note);
    note = good_note();
    buf_adds(&note, DASH);
    while (note.n < 128 * 1024 - 10)
        buf_addc(&note, 'w');
    buf_adds(&note, " AQIDBAUG\n");
    check(checkpoint_open(buf_slice(&note), ORIGIN, public, &c) == ERR_OK,
          "W-172 128 KiB");
    buf_fini(&note);
    note = good_note();
    buf_adds(&note, DASH);
    while (note.n < 128 * 1024 - 9)
        buf_addc(&note, 'w');
    buf_adds(&note, " AQIDBAUG\n");
    check(checkpoint_open(buf_slice(&note), ORIGIN, public, &c) ==
              ERR_INTEGRITY,
          "W-172 at most 128 KiB");
    buf_fini(&note);
}

static void second_signature_of_ours_must_hold_too(void **state)
{
    (void)state;
    struct buf note = good_note();
    struct buf other = sign_text(ORIGIN "\n9\n" ROOT64 "\n", ORIGIN);
    struct checkpoint c;
    buf_adds(&note, strstr((char *)other.p, DASH));
    check(checkpoint_open(buf_slice(&note), ORIGIN, public, &c) ==
              ERR_INTEGRITY,
          "W-172 a false signature of the log's own key spoils the note");
    buf_fini(&note);
    buf_fini(&other);
}

static void stranger_alone_is_refused(void **state)
{
    (void)state;
    uint8_t other[KEY_BYTES] = {9};
    struct buf note = good_note();
    struct checkpoint c;
    assert_int_equal(checkpoint_open(buf_slice(&note), ORIGIN, other, &c),
                     ERR_INTEGRITY);
    assert_int_equal(checkpoint_open(buf_slice(&note), "other", public, &c),
                     ERR_INTEGRITY);
    buf_fini(&note);
}

static void origin_that_breaks_a_note_is_not_signed(void **state)
{
    (void)state;
    static const char *const BAD[] = {"", "a b", "a+b", "a\nb", "\xe7\xb9\x8b"};
    for (size_t i = 0; i < NELEM(BAD); i++) {
        struct checkpoint c = {.size = 1};
        struct buf note = {0};
        snprintf(c.origin, sizeof(c.origin), "%s", BAD[i]);
        assert_int_equal(checkpoint_sign(&c, secret, public, &note),
                         ERR_INTEGRITY);
        assert_int_equal(note.n, 0);
        buf_fini(&note);
    }
}

/* The example key of Go's golang.org/x/mod/sumdb/note. */
static void verifier_key_is_written_as_go_writes_it(void **state)
{
    (void)state;
    static const char KEY[] =
        "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    uint8_t blob[33];
    size_t n;
    struct buf out = {0};
    assert_int_equal(sodium_base642bin(blob, sizeof(blob), KEY + 22,
                                       strlen(KEY + 22), NULL, &n, NULL,
                                       sodium_base64_VARIANT_ORIGINAL),
                     0);
    checkpoint_vkey("PeterNeumann", blob + 1, &out);
    assert_string_equal((char *)out.p, KEY);
    buf_fini(&out);
}

static int set_up(void **state)
{
    (void)state;
    static const uint8_t SEED[KEY_BYTES] = {49};
    if (sign_init() != ERR_OK)
        return -1;
    return crypto_sign_seed_keypair(public, secret, SEED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(published_roots_are_reproduced),
        cmocka_unit_test(inclusion_of_every_leaf),
        cmocka_unit_test(consistency_of_every_pair),
        cmocka_unit_test(everything_grows_from_nothing),
        cmocka_unit_test(overlong_proofs_are_refused),
        cmocka_unit_test(log_that_shrank_is_a_fork),
        cmocka_unit_test(only_exact_texts_are_checkpoints),
        cmocka_unit_test(signed_checkpoint_opens_again),
        cmocka_unit_test(any_changed_byte_is_refused),
        cmocka_unit_test(signature_lines_are_checked),
        cmocka_unit_test(notes_are_bounded),
        cmocka_unit_test(second_signature_of_ours_must_hold_too),
        cmocka_unit_test(stranger_alone_is_refused),
        cmocka_unit_test(origin_that_breaks_a_note_is_not_signed),
        cmocka_unit_test(verifier_key_is_written_as_go_writes_it),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
