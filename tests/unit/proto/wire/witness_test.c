/* witness_test.c - cosignatures and add-checkpoint, against the formats of C2SP
 * tlog-cosignature and tlog-witness. */
#include "proto/wire/witness.h"
#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define ORIGIN "kakuu.example/audit"
#define NOW 1679315147u

static struct node_keys logk, wit, other;
static struct hash leaf[8];

static int set_up(void **state)
{
    (void)state;
    if (sign_init() != ERR_OK)
        return -1;
    keys_make(&logk, "log");
    keys_make(&wit, "t1/ad1");
    keys_make(&other, "t2/ad1");
    for (int i = 0; i < 8; i++)
        leaf[i] = proof_leaf(slice_of(&i, sizeof(i)));
    return 0;
}

static void check(bool ok, const char *name)
{
    if (!ok)
        fail_msg("%s", name);
}

static struct vkey key_of(const struct node_keys *k)
{
    struct vkey v = {.type = VKEY_COSIGNER};
    snprintf(v.name, sizeof(v.name), "%s", k->pub.node);
    memcpy(v.key, k->pub.witness, KEY_BYTES);
    return v;
}

/* Root of the first n of the leaves, n a power of two, from one of them on. */
static struct hash root_at(size_t from, size_t n)
{
    return n == 1
               ? leaf[from]
               : proof_node(root_at(from, n / 2), root_at(from + n / 2, n / 2));
}

static struct checkpoint head_of(uint64_t size)
{
    struct checkpoint c = {.origin = ORIGIN, .size = size};
    if (size > 0)
        c.root = root_at(0, size);
    return c;
}

static struct buf note_of(const struct checkpoint *c)
{
    struct buf note = {0};
    assert_int_equal(checkpoint_sign(c, logk.sign_secret, logk.pub.sign, &note),
                     ERR_OK);
    return note;
}

static struct buf a_note(uint64_t size)
{
    struct checkpoint c = head_of(size);
    return note_of(&c);
}

static void cosign(struct slice note, const struct node_keys *k,
                   struct buf *lines)
{
    assert_int_equal(cosignature_make(note, k->pub.node, k->witness_secret,
                                      k->pub.witness, NOW, lines),
                     ERR_OK);
}

/* ---- cosignatures ---- */

/* W-190: the bytes that C2SP says are signed, put together by hand. */
static void a_cosignature_is_as_written_in_c2sp(void **state)
{
    (void)state;
    struct buf note = a_note(4), line = {0}, m = {0};
    struct slice text, own, all;
    struct note_line l;
    uint8_t id[32], pre[128];
    cosign(buf_slice(&note), &wit, &line);
    all = buf_slice(&line);
    assert_true(note_cut(buf_slice(&note), &text, &own));
    assert_true(note_next(&all, &l));
    assert_int_equal(all.n, 0);
    assert_int_equal(l.n, 4 + 8 + 64);
    size_t n = (size_t)snprintf((char *)pre, sizeof(pre), "t1/ad1\n\x04");
    memcpy(pre + n, wit.pub.witness, KEY_BYTES);
    sha256(slice_of(pre, n + KEY_BYTES), id);
    assert_memory_equal(l.blob, id, 4);
    assert_memory_equal(l.blob + 4, "\0\0\0\0\x64\x18\x50\xcb", 8);
    buf_adds(&m, "cosignature/v1\ntime 1679315147\n");
    buf_add(&m, text.p, text.n);
    assert_int_equal(
        crypto_sign_verify_detached(l.blob + 12, m.p, m.n, wit.pub.witness), 0);
    buf_fini(&m);
    buf_fini(&line);
    buf_fini(&note);
}

static void a_log_key_is_no_witness_key(void **state)
{
    (void)state;
    struct vkey v = key_of(&wit), w = v;
    uint8_t a[NOTE_KEYID], b[NOTE_KEYID];
    w.type = VKEY_SIGNER;
    vkey_id(&v, a);
    vkey_id(&w, b);
    assert_memory_not_equal(a, b, sizeof(a));
}

static enum note_verdict judge(struct slice note, struct slice line,
                               const struct vkey *w, uint64_t *time_s)
{
    struct slice text, own;
    struct note_line l;
    assert_true(note_cut(note, &text, &own));
    return note_next(&line, &l) ? cosignature_judge(&l, text, w, time_s)
                                : NOTE_BROKEN;
}

/* W-190 */
static void a_changed_cosignature_is_broken(void **state)
{
    (void)state;
    struct buf note = a_note(4), line = {0};
    struct vkey w = key_of(&wit), strange = key_of(&other);
    uint64_t t = 0;
    struct slice text, own;
    cosign(buf_slice(&note), &wit, &line);
    assert_int_equal(judge(buf_slice(&note), buf_slice(&line), &w, &t),
                     NOTE_GOOD);
    assert_int_equal(t, NOW);
    assert_int_equal(judge(buf_slice(&note), buf_slice(&line), &strange, &t),
                     NOTE_STRANGER);
    assert_true(note_cut(buf_slice(&note), &text, &own));
    struct note_line l;
    struct slice s = buf_slice(&line);
    assert_true(note_next(&s, &l));
    for (size_t i = 8 * NOTE_KEYID; i < 8 * l.n; i++) {
        l.blob[i / 8] ^= (uint8_t)(1 << i % 8);
        check(cosignature_judge(&l, text, &w, &t) == NOTE_BROKEN,
              "W-190 one bit of the time or the signature");
        l.blob[i / 8] ^= (uint8_t)(1 << i % 8);
    }
    l.n--;
    assert_int_equal(cosignature_judge(&l, text, &w, &t), NOTE_BROKEN);
    struct buf elsewhere = a_note(8);
    check(judge(buf_slice(&elsewhere), buf_slice(&line), &w, &t) == NOTE_BROKEN,
          "W-190 it is of this checkpoint alone");
    buf_fini(&elsewhere);
    buf_fini(&line);
    buf_fini(&note);
}

static void the_answer_of_one_witness_is_found(void **state)
{
    (void)state;
    struct buf note = a_note(4), lines = {0};
    struct slice line;
    struct vkey w = key_of(&wit), strange = key_of(&logk);
    uint64_t t = 0;
    cosign(buf_slice(&note), &other, &lines);
    size_t second = lines.n;
    cosign(buf_slice(&note), &wit, &lines);
    assert_int_equal(
        cosignature_find(buf_slice(&note), buf_slice(&lines), &w, &line, &t),
        ERR_OK);
    assert_ptr_equal(line.p, lines.p + second);
    assert_int_equal(line.n, lines.n - second);
    assert_int_equal(cosignature_find(buf_slice(&note), buf_slice(&lines),
                                      &strange, &line, &t),
                     ERR_WITNESS_SIGNATURE);
    assert_int_equal(
        cosignature_find(buf_slice(&note), SLICE_NONE, &w, &line, &t),
        ERR_WITNESS_SIGNATURE);
    assert_int_equal(cosignature_find(buf_slice(&note), slice_str("no line\n"),
                                      &w, &line, &t),
                     ERR_WITNESS_SIGNATURE);
    buf_fini(&lines);
    buf_fini(&note);
}

/* ---- add-checkpoint ---- */

static void a_request_comes_back_whole(void **state)
{
    (void)state;
    struct buf note = a_note(8), body = {0};
    struct witness_ask ask;
    assert_int_equal(witness_ask_write(4, leaf, 3, buf_slice(&note), &body),
                     ERR_OK);
    assert_memory_equal(body.p, "old 4\n", 6);
    assert_int_equal(witness_ask_parse(buf_slice(&body), &ask), ERR_OK);
    assert_int_equal(ask.old_size, 4);
    assert_int_equal(ask.n, 3);
    assert_memory_equal(ask.path, leaf, 3 * sizeof(leaf[0]));
    assert_true(slice_eq(ask.note, buf_slice(&note)));
    buf_fini(&note);
    buf_fini(&body);
}

#define HASH_LINE "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
static const struct {
    const char *name, *body;
    enum err want;
} BODIES[] = {
    /* clang-format off */
    {"W-191 the shape", "old 0\n\nnote", ERR_OK},
    {"W-191 a proof", "old 20852014\n" HASH_LINE HASH_LINE "\nnote", ERR_OK},
    {"W-191 nothing", "", ERR_WITNESS_ASK},
    {"W-191 no size", "old \n\nnote", ERR_WITNESS_ASK},
    {"W-191 another word", "new 1\n\nnote", ERR_WITNESS_ASK},
    {"W-191 a size with a zero before it", "old 01\n\nnote", ERR_WITNESS_ASK},
    {"W-191 a size with a sign", "old -1\n\nnote", ERR_WITNESS_ASK},
    {"W-191 a size of 65 bits", "old 18446744073709551616\n\nnote", ERR_WITNESS_ASK},
    {"W-191 a blank too many", "old  1\n\nnote", ERR_WITNESS_ASK},
    {"W-191 a carriage return", "old 1\r\n\nnote", ERR_WITNESS_ASK},
    {"W-191 half a hash", "old 1\nCsUYapGGPo4dkMgIAUqomw==\n\nnote", ERR_WITNESS_ASK},
    {"W-191 a hash without its filling", "old 1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I\n\nnote", ERR_WITNESS_ASK},
    {"W-191 a hash with bits left over", "old 1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2J=\n\nnote", ERR_WITNESS_ASK},
    {"W-191 no empty line", "old 1\n" HASH_LINE, ERR_WITNESS_ASK},
    {"W-191 no checkpoint", "old 1\n" HASH_LINE "\n", ERR_WITNESS_ASK},
}; /* clang-format on */

static void a_malformed_request_is_refused(void **state)
{
    (void)state;
    struct witness_ask ask;
    for (size_t i = 0; i < NELEM(BODIES); i++)
        check(witness_ask_parse(slice_str(BODIES[i].body), &ask) ==
                  BODIES[i].want,
              BODIES[i].name);
    struct buf body = {0};
    buf_adds(&body, "old 1\n");
    for (int i = 0; i < WITNESS_PROOF_MAX; i++)
        buf_adds(&body, HASH_LINE);
    struct buf longer = {0};
    buf_add(&longer, body.p, body.n);
    buf_adds(&longer, HASH_LINE "\nnote");
    buf_adds(&body, "\nnote");
    check(witness_ask_parse(buf_slice(&body), &ask) == ERR_OK,
          "W-191 63 hashes");
    check(witness_ask_parse(buf_slice(&longer), &ask) == ERR_WITNESS_ASK,
          "W-191 64 hashes");
    buf_fini(&body);
    buf_fini(&longer);
}

enum asked { AS_IT_IS, OTHER_LOG, OTHER_KEY, OTHER_ROOT, NO_NOTE };
static const struct {
    const char *name;
    uint64_t kept, old, size;
    size_t proof; /* hashes; the true proof of 4 to 8 is one hash */
    enum asked bend;
    enum witness_status want;
} ASKED[] = {
    /* clang-format off */
    {"W-192 the first ever", 0, 0, 4, 0, AS_IT_IS, WITNESS_DONE},
    {"W-192 an empty log", 0, 0, 0, 0, AS_IT_IS, WITNESS_DONE},
    {"W-192 a proof from nothing is empty", 0, 0, 4, 1, AS_IT_IS, WITNESS_UNPROVED},
    {"W-192 grown and proved", 4, 4, 8, 1, AS_IT_IS, WITNESS_DONE},
    {"W-192 grown and not proved", 4, 4, 8, 0, AS_IT_IS, WITNESS_UNPROVED},
    {"W-192 grown and badly proved", 4, 4, 8, 2, AS_IT_IS, WITNESS_UNPROVED},
    {"W-192 grown out of another tree", 4, 4, 8, 1, OTHER_ROOT, WITNESS_UNPROVED},
    {"W-192 the same again", 4, 4, 4, 0, AS_IT_IS, WITNESS_DONE},
    {"W-192 the same size, another root", 4, 4, 4, 0, OTHER_ROOT, WITNESS_CONFLICT},
    {"W-192 less than is kept", 8, 4, 4, 0, AS_IT_IS, WITNESS_CONFLICT},
    {"W-192 another size is kept", 8, 4, 8, 1, AS_IT_IS, WITNESS_CONFLICT},
    {"W-192 nothing is kept", 0, 4, 8, 1, AS_IT_IS, WITNESS_CONFLICT},
    {"W-192 an old size beyond the new", 8, 8, 4, 0, AS_IT_IS, WITNESS_MALFORMED},
    {"W-192 another log", 0, 0, 4, 0, OTHER_LOG, WITNESS_UNKNOWN},
    {"W-192 no key of the log", 0, 0, 4, 0, OTHER_KEY, WITNESS_FORBIDDEN},
    {"W-192 no note", 0, 0, 4, 0, NO_NOTE, WITNESS_UNKNOWN},
}; /* clang-format on */

static enum witness_status answer_to(size_t i)
{
    struct checkpoint c = head_of(ASKED[i].size), kept = head_of(ASKED[i].kept);
    struct checkpoint head;
    struct hash proof[2] = {root_at(4, 4), {{0}}};
    struct buf body = {0};
    if (ASKED[i].bend == OTHER_LOG)
        snprintf(c.origin, sizeof(c.origin), "else.example/log");
    if (ASKED[i].bend == OTHER_ROOT)
        c.root.b[0] ^= 1;
    struct buf note = note_of(&c);
    if (ASKED[i].bend == NO_NOTE)
        note.n = 5;
    assert_int_equal(witness_ask_write(ASKED[i].old, proof, ASKED[i].proof,
                                       buf_slice(&note), &body),
                     ERR_OK);
    struct witness_ask ask;
    assert_int_equal(witness_ask_parse(buf_slice(&body), &ask), ERR_OK);
    const struct node_keys *k = ASKED[i].bend == OTHER_KEY ? &other : &logk;
    enum witness_status s =
        witness_judge(&ask, ORIGIN, k->pub.sign, &kept, &head);
    if (s == WITNESS_DONE)
        assert_memory_equal(&head, &c, sizeof(c));
    buf_fini(&note);
    buf_fini(&body);
    return s;
}

static void a_witness_answers_by_the_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < NELEM(ASKED); i++)
        check(answer_to(i) == ASKED[i].want, ASKED[i].name);
}

static void the_size_kept_is_one_line(void **state)
{
    (void)state;
    struct buf b = {0};
    uint64_t n = 0;
    witness_size_write(20852163, &b);
    assert_string_equal((char *)b.p, "20852163\n");
    assert_int_equal(witness_size_parse(buf_slice(&b), &n), ERR_OK);
    assert_int_equal(n, 20852163);
    static const char *const BAD[] = {"", "1", "01\n", "1\n\n", "x\n"};
    for (size_t i = 0; i < NELEM(BAD); i++)
        assert_int_equal(witness_size_parse(slice_str(BAD[i]), &n),
                         ERR_WITNESS_ASK);
    buf_fini(&b);
}

/* ---- verifier keys ---- */

static void a_verifier_key_comes_back_whole(void **state)
{
    (void)state;
    struct vkey v = key_of(&wit), back;
    struct buf text = {0};
    vkey_write(&v, &text);
    assert_true(vkey_parse(buf_slice(&text), &back));
    assert_memory_equal(&v, &back, sizeof(v));
    for (size_t i = 0; i < text.n; i++) {
        text.p[i] ^= 1;
        check(!vkey_parse(buf_slice(&text), &back),
              "W-190 a key and its id belong together");
        text.p[i] ^= 1;
    }
    for (size_t n = 0; n < text.n; n++)
        assert_false(vkey_parse(slice_of(text.p, n), &back));
    buf_addc(&text, '\n');
    assert_false(vkey_parse(buf_slice(&text), &back));
    buf_fini(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_cosignature_is_as_written_in_c2sp),
        cmocka_unit_test(a_log_key_is_no_witness_key),
        cmocka_unit_test(a_changed_cosignature_is_broken),
        cmocka_unit_test(the_answer_of_one_witness_is_found),
        cmocka_unit_test(a_request_comes_back_whole),
        cmocka_unit_test(a_malformed_request_is_refused),
        cmocka_unit_test(a_witness_answers_by_the_table),
        cmocka_unit_test(the_size_kept_is_one_line),
        cmocka_unit_test(a_verifier_key_comes_back_whole),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
