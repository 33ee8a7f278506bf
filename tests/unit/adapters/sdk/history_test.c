/* history_test.c - heads of the hub's log are of one history, or it is a fork:
 * on one strand, on two strands of the same node, and over an epoch. */
#include "adapters/sdk/history.h"
#include "tests/unit/adapters/sdk/tree.h"
#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define ORIGIN "hub.example.test/log"

/* Trees of 1, 2, 3 and 4 leaves of one log, and logs that differ in a leaf. */
static struct hash leaf(unsigned i, unsigned salt)
{
    uint8_t b[2] = {(uint8_t)i, (uint8_t)salt};
    return proof_leaf(slice_of(b, 2));
}

/* The leaves from `odd` on are of another log. */
static void leaves(unsigned odd, struct hash out[4])
{
    for (unsigned i = 0; i < 4; i++)
        out[i] = leaf(i, i >= odd);
}

static struct checkpoint tree(unsigned size, unsigned odd)
{
    struct checkpoint c = {.origin = ORIGIN, .size = size};
    struct hash l[4];
    leaves(odd, l);
    c.root = tree_root(l, size);
    return c;
}

static size_t prove(unsigned from, unsigned to, unsigned odd,
                    struct hash path[PROOF_MAX])
{
    struct hash l[4];
    leaves(odd, l);
    return tree_consistency(from, l, to, path);
}

#define NEVER 9

struct step {
    enum strand strand;
    unsigned size, odd; /* of the new head */
    unsigned from;      /* where its proof starts */
};
static const struct {
    const char *name;
    struct step before[3];
    size_t n;
    struct step last;
    enum err want;
    enum dispute dispute;
} CASES[] = {
    {"the first head is taken without a proof",
     {{0}},
     0,
     {STRAND_NORMAL, 3, NEVER, 0},
     ERR_OK,
     DISPUTE_NONE},
    {"a head that extends the last one is taken",
     {{STRAND_NORMAL, 1, NEVER, 0}, {STRAND_NORMAL, 2, NEVER, 1}},
     2,
     {STRAND_NORMAL, 4, NEVER, 2},
     ERR_OK,
     DISPUTE_NONE},
    {"the same head comes again",
     {{STRAND_NORMAL, 3, NEVER, 0}},
     1,
     {STRAND_NORMAL, 3, NEVER, 3},
     ERR_OK,
     DISPUTE_NONE},
    {"strands may be of different lengths",
     {{STRAND_NORMAL, 4, NEVER, 0}, {STRAND_URGENT, 1, NEVER, 0}},
     2,
     {STRAND_URGENT, 2, NEVER, 1},
     ERR_OK,
     DISPUTE_NONE},
    {"a proof from an earlier head than the last is not enough",
     {{STRAND_NORMAL, 1, NEVER, 0}, {STRAND_NORMAL, 2, NEVER, 1}},
     2,
     {STRAND_NORMAL, 4, NEVER, 1},
     ERR_DLV_PROOF,
     DISPUTE_NONE},
    {"a proof from a head of another strand is not enough",
     {{STRAND_NORMAL, 2, NEVER, 0}, {STRAND_URGENT, 3, NEVER, 0}},
     2,
     {STRAND_NORMAL, 4, NEVER, 3},
     ERR_DLV_PROOF,
     DISPUTE_NONE},
    {"no proof at all, of a log that is known",
     {{STRAND_NORMAL, 2, NEVER, 0}},
     1,
     {STRAND_NORMAL, 4, NEVER, 0},
     ERR_DLV_PROOF,
     DISPUTE_NONE},
    {"one size with two roots is a fork",
     {{STRAND_NORMAL, 4, NEVER, 0}},
     1,
     {STRAND_NORMAL, 4, 3, 4},
     ERR_DLV_FORK,
     DISPUTE_SAME_SIZE},
    {"one size with two roots is a fork also on two strands",
     {{STRAND_URGENT, 4, NEVER, 0}},
     1,
     {STRAND_NORMAL, 4, 3, 0},
     ERR_DLV_FORK,
     DISPUTE_SAME_SIZE},
    {"also against what was cosigned",
     {{STRAND_WITNESS, 2, NEVER, 0}},
     1,
     {STRAND_URGENT, 2, 1, 0},
     ERR_DLV_FORK,
     DISPUTE_SAME_SIZE},
    {"a log that was changed below the last head is a fork",
     {{STRAND_NORMAL, 3, NEVER, 0}},
     1,
     {STRAND_NORMAL, 4, 1, 3},
     ERR_DLV_FORK,
     DISPUTE_NO_PROOF},
    {"a log that got shorter is a fork",
     {{STRAND_NORMAL, 4, NEVER, 0}},
     1,
     {STRAND_NORMAL, 3, NEVER, 0},
     ERR_DLV_FORK,
     DISPUTE_SHRUNK},
};

static enum err go(struct history *h, const struct step *s, struct finding *f)
{
    struct checkpoint c = tree(s->size, s->odd);
    struct hash path[PROOF_MAX];
    struct given g = {s->from, path, prove(s->from, s->size, s->odd, path)};
    enum err e = history_check(h, s->strand, &c, &g, f);
    if (e == ERR_OK)
        e = history_set(h, s->strand, &c, slice_str("note"));
    return e;
}

static void heads_are_of_one_history(void **state) /* W-126, W-173 */
{
    (void)state;
    for (size_t i = 0; i < NELEM(CASES); i++) {
        struct history h;
        struct finding f;
        history_init(&h, ORIGIN);
        for (size_t k = 0; k < CASES[i].n; k++)
            if (go(&h, &CASES[i].before[k], &f) != ERR_OK)
                fail_msg("%s: step %zu", CASES[i].name, k);
        enum err e = go(&h, &CASES[i].last, &f);
        if (e != CASES[i].want || f.dispute != CASES[i].dispute ||
            (f.before != NULL) != (e == ERR_DLV_FORK))
            fail_msg("%s: %s %s", CASES[i].name, err_code(e),
                     dispute_name(f.dispute));
        history_fini(&h);
    }
}

/* ---- an epoch ---- */

static void a_new_origin_continues_or_has_a_gap(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        unsigned size, odd, from;
        bool gap;
    } AFTER[] = {{"the new log holds the old head", 4, NEVER, 3, false},
                 {"the new log holds another one", 4, 2, 3, true},
                 {"the new log is shorter", 2, NEVER, 0, true}};
    for (size_t i = 0; i < NELEM(AFTER); i++) {
        struct history h;
        struct finding f;
        struct hash path[PROOF_MAX];
        struct step old = {STRAND_NORMAL, 3, NEVER, 0};
        history_init(&h, ORIGIN);
        assert_int_equal(go(&h, &old, &f), ERR_OK);
        struct checkpoint c = tree(AFTER[i].size, AFTER[i].odd);
        memcpy(c.origin, ORIGIN "/b", sizeof(ORIGIN "/b"));
        struct given g = {
            AFTER[i].from, path,
            prove(AFTER[i].from, AFTER[i].size, AFTER[i].odd, path)};
        if (history_check(&h, STRAND_NORMAL, &c, &g, &f) != ERR_OK ||
            f.gap != AFTER[i].gap)
            fail_msg("%s", AFTER[i].name);
        history_fini(&h);
    }
}

/* ---- joining ---- */

static const struct {
    const char *name;
    struct {
        unsigned size, odd;
    } at[STRANDS];
    unsigned log; /* the log the proofs are of: its first odd leaf */
    size_t asks;
    enum err want;
} JOINS[] = {
    {"nothing is known", {{0, 0}, {0, 0}, {0, 0}}, NEVER, 0, ERR_OK},
    {"one head alone", {{3, NEVER}, {0, 0}, {0, 0}}, NEVER, 0, ERR_OK},
    {"the same head twice", {{3, NEVER}, {3, NEVER}, {0, 0}}, NEVER, 0, ERR_OK},
    {"three lengths of one log",
     {{2, NEVER}, {4, NEVER}, {1, NEVER}},
     NEVER,
     2,
     ERR_OK},
    {"two lanes of two logs, the longer is true",
     {{2, 1}, {4, NEVER}, {0, 0}},
     NEVER,
     1,
     ERR_DLV_FORK},
    {"two lanes of two logs, the proof is of the other",
     {{2, 1}, {4, NEVER}, {0, 0}},
     1,
     1,
     ERR_DLV_FORK},
    {"what was cosigned is not in what is delivered",
     {{4, NEVER}, {4, NEVER}, {3, 2}},
     NEVER,
     1,
     ERR_DLV_FORK},
};

static enum err join_all(struct history *h, unsigned log, size_t *asks)
{
    struct join j = {.next = 0};
    uint64_t from, to;
    enum err e = join_begin(h, NULL, &j);
    while (e == ERR_OK && join_next(&j, &from, &to)) {
        struct hash path[PROOF_MAX];
        const struct head *a, *b;
        size_t n = prove((unsigned)from, (unsigned)to, log, path);
        e = join_take(&j, path, n, &a, &b);
        assert_true(a->at.size <= b->at.size);
        *asks += 1;
    }
    if (e == ERR_OK)
        history_joined(h, &j);
    join_fini(&j);
    return e;
}

static void strands_are_joined_or_it_is_a_fork(void **state) /* W-177 */
{
    (void)state;
    for (size_t i = 0; i < NELEM(JOINS); i++) {
        struct history h;
        size_t asks = 0;
        history_init(&h, ORIGIN);
        for (size_t s = 0; s < STRANDS; s++) {
            unsigned size = JOINS[i].at[s].size;
            struct checkpoint c = {.origin = ORIGIN};
            if (size == 0)
                continue;
            c = tree(size, JOINS[i].at[s].odd);
            assert_int_equal(
                history_set(&h, (enum strand)s, &c, slice_str("note")), ERR_OK);
        }
        enum err e = join_all(&h, JOINS[i].log, &asks);
        if (e != JOINS[i].want || asks != JOINS[i].asks ||
            (e == ERR_OK && history_apart(&h)))
            fail_msg("%s: %s, %zu asked", JOINS[i].name, err_code(e), asks);
        history_fini(&h);
    }
}

static void what_grows_beside_the_longest_must_be_joined_again(void **state)
{
    (void)state;
    struct history h;
    struct finding f;
    size_t asks = 0;
    const struct step grow[] = {{STRAND_URGENT, 2, NEVER, 0},
                                {STRAND_NORMAL, 1, NEVER, 0}};
    history_init(&h, ORIGIN);
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(go(&h, &grow[i], &f), ERR_OK);
    assert_true(history_apart(&h));
    assert_int_equal(join_all(&h, NEVER, &asks), ERR_OK);
    assert_int_equal(asks, 1);
    struct step longest = {STRAND_URGENT, 3, NEVER, 2};
    assert_int_equal(go(&h, &longest, &f), ERR_OK);
    assert_false(history_apart(&h));
    struct step other = {STRAND_NORMAL, 2, NEVER, 1};
    assert_int_equal(go(&h, &other, &f), ERR_OK);
    assert_true(history_apart(&h));
    history_fini(&h);
}

static void a_candidate_stands_for_the_witness_strand(void **state)
{
    (void)state;
    struct history h;
    struct finding f;
    struct join j = {.next = 0};
    struct head candidate = {.at = tree(4, NEVER)};
    uint64_t from, to;
    struct step s = {STRAND_NORMAL, 2, NEVER, 0};
    history_init(&h, ORIGIN);
    assert_int_equal(go(&h, &s, &f), ERR_OK);
    assert_int_equal(join_begin(&h, &candidate, &j), ERR_OK);
    assert_true(join_next(&j, &from, &to));
    assert_int_equal(from, 2);
    assert_int_equal(to, 4);
    join_fini(&j);
    head_fini(&candidate);
    history_fini(&h);
}

static void a_note_too_long_to_keep_is_refused(void **state)
{
    (void)state;
    struct head h = {.at = {.size = 0}};
    static uint8_t many[HEAD_NOTE_MAX + 1];
    struct checkpoint c = tree(1, NEVER);
    assert_int_equal(head_set(&h, &c, slice_of(many, sizeof(many))),
                     ERR_DLV_PROOF);
    head_fini(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(heads_are_of_one_history),
        cmocka_unit_test(a_new_origin_continues_or_has_a_gap),
        cmocka_unit_test(strands_are_joined_or_it_is_a_fork),
        cmocka_unit_test(what_grows_beside_the_longest_must_be_joined_again),
        cmocka_unit_test(a_candidate_stands_for_the_witness_strand),
        cmocka_unit_test(a_note_too_long_to_keep_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
