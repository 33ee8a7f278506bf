/* manifest_test.c - a policy pack acts when two people approved exactly it. */
#include "hub/core/manifest.h"
#include "tests/sign_pack.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ORIGIN "kakuu.example/log"
#define NOW UINT64_C(1790000000000)
#define START UINT64_C(1789000000000) /* a whole second */

struct world {
    struct node_keys key[4]; /* a, b, a second key of a's, revoked */
    struct approvers *list;
    struct buf file[PACK_FILES];
    struct slice files[PACK_FILES];
};

static const struct {
    const char *name, *person, *state;
} PEOPLE[] = {
    {"approver/a", "架空 花子", "active"},
    {"approver/b", "架空 次郎", "active"},
    {"approver/a2", "架空 花子", "active"},
    {"approver/r", "架空 三郎", "revoked"},
};

static int setup(void **state)
{
    struct world *w = calloc(1, sizeof(*w));
    struct buf t = {0}, why = {0};
    *state = w;
    assert_int_equal(sign_init(), ERR_OK);
    buf_adds(&t, "name\tperson_ja\tsign\tstate\n");
    for (size_t i = 0; i < NELEM(PEOPLE); i++) {
        keys_make(&w->key[i], PEOPLE[i].name);
        buf_addf(&t, "%s\t%s\t", PEOPLE[i].name, PEOPLE[i].person);
        buf_add_hex(&t, slice_of(w->key[i].pub.sign, KEY_BYTES));
        buf_addf(&t, "\t%s\n", PEOPLE[i].state);
    }
    assert_int_equal(approvers_parse(buf_slice(&t), &w->list, &why), ERR_OK);
    for (size_t i = 0; i < PACK_FILES; i++) {
        buf_addf(&w->file[i], "table %zu\n", i);
        w->files[i] = buf_slice(&w->file[i]);
    }
    buf_fini(&t);
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    approvers_free(&w->list);
    for (size_t i = 0; i < PACK_FILES; i++)
        buf_fini(&w->file[i]);
    free(w);
    return 0;
}

/* A note over text by those whose letter is in who. */
static void signed_by(const struct world *w, const char *text, const char *who,
                      struct buf *out)
{
    static const char LETTERS[] = "ab2r";
    buf_adds(out, text);
    buf_adds(out, "\n"); /* the empty line */
    for (; *who != '\0'; who++) {
        struct buf more = {0};
        size_t i = (size_t)(strchr(LETTERS, *who) - LETTERS);
        assert_int_equal(approve_sign(buf_slice(out), &w->key[i], &more),
                         ERR_OK);
        buf_fini(out);
        *out = more;
    }
}

static void good_text(const struct world *w, uint64_t version, struct buf *text)
{
    manifest_write(ORIGIN, version, START, w->files, text);
}

static enum err verify(const struct world *w, struct slice note,
                       struct approvals *by, struct buf *why)
{
    struct manifest m;
    struct manifest_ask ask = {.note = note,
                               .origin = ORIGIN,
                               .approvers = w->list,
                               .in_force = 2,
                               .now_ms = NOW};
    memcpy(ask.files, w->files, sizeof(ask.files));
    return manifest_verify(&ask, &m, by, why);
}

/* The manifest's text with one edit, and who signs it then. */
static const struct {
    const char *name, *from, *to, *who;
    enum err want;
} CASES[] = {
    {"two different people approve", "", "", "ab", ERR_OK},
    {"the order does not matter", "", "", "ba", ERR_OK},
    {"a third signature does no harm", "", "", "ab2r", ERR_OK},
    {"nobody signed", "", "", "", ERR_POL_APPROVALS},
    {"one signature is not enough", "", "", "a", ERR_POL_APPROVALS},
    {"signing twice is one signature", "", "", "aa", ERR_POL_APPROVALS},
    {"two keys of one person are one person", "", "", "a2", ERR_POL_APPROVALS},
    {"a revoked approver does not count", "", "", "ar", ERR_POL_APPROVALS},
    {"the version in force is not enough", "version 3", "version 2", "ab",
     ERR_POL_VERSION},
    {"a lower version is refused", "version 3", "version 1", "ab",
     ERR_POL_VERSION},
    {"version nought is none", "version 3", "version 0", "ab",
     ERR_POL_MANIFEST},
    {"a number is written in one way", "version 3", "version 03", "ab",
     ERR_POL_MANIFEST},
    {"a word too many", "version 3", "version 3 ", "ab", ERR_POL_MANIFEST},
    {"its day has not come", "not-before 2026", "not-before 2046", "ab",
     ERR_POL_EARLY},
    {"a day is written in one way", "+09:00", "+08:00", "ab", ERR_POL_MANIFEST},
    {"no such day", "not-before 2026-0", "not-before 2026-9", "ab",
     ERR_POL_MANIFEST},
    {"of another hub", "kakuu.", "other.", "ab", ERR_POL_MANIFEST},
    {"of another kind of note", "/policy", "/police", "ab", ERR_POL_MANIFEST},
    {"a file is missing", "rules.tsv", "rulez.tsv", "ab", ERR_POL_MANIFEST},
    {"a file too many", "cases.tsv\n",
     "cases.tsv\n"
     "0000000000000000000000000000000000000000000000000000000000000000 x\n",
     "ab", ERR_POL_MANIFEST},
    {"garbage", "version", "\x01rsion", "ab", ERR_POL_MANIFEST},
};

static void replace(struct buf *text, const char *from, const char *to)
{
    struct buf new = {0};
    char *at = strstr((char *)text->p, from);
    assert_non_null(at);
    buf_add(&new, text->p, (size_t)(at - (char *)text->p));
    buf_adds(&new, to);
    buf_adds(&new, at + strlen(from));
    buf_fini(text);
    *text = new;
}

static void what_is_signed_decides(void **state)
{
    const struct world *w = *state;
    for (size_t i = 0; i < NELEM(CASES); i++) {
        struct buf text = {0}, note = {0}, why = {0};
        struct approvals by;
        good_text(w, 3, &text);
        replace(&text, CASES[i].from, CASES[i].to);
        signed_by(w, (char *)text.p, CASES[i].who, &note);
        enum err e = verify(w, buf_slice(&note), &by, &why);
        if (e != CASES[i].want)
            fail_msg("%s: %s", CASES[i].name, err_code(e));
        if (e != ERR_OK && why.n == 0)
            fail_msg("%s: says nothing", CASES[i].name);
        if (e == ERR_OK)
            assert_int_equal(by.n, 2);
        buf_fini(&text);
        buf_fini(&note);
        buf_fini(&why);
    }
}

static void a_file_that_is_not_the_one_approved_is_refused(void **state)
{
    struct world *w = *state;
    for (size_t i = 0; i < PACK_FILES; i++) {
        struct buf text = {0}, note = {0}, why = {0};
        struct approvals by;
        good_text(w, 3, &text);
        signed_by(w, (char *)text.p, "ab", &note);
        w->file[i].p[0] ^= 1;
        assert_int_equal(verify(w, buf_slice(&note), &by, &why), ERR_POL_FILES);
        assert_non_null(strstr((char *)why.p, pack_file_name(i)));
        w->file[i].p[0] ^= 1;
        buf_fini(&text);
        buf_fini(&note);
        buf_fini(&why);
    }
}

/* Every byte of a good note changed: none is taken for approved by two. */
static void no_byte_of_a_note_may_change(void **state)
{
    struct world *w = *state;
    struct buf text = {0}, note = {0};
    good_text(w, 3, &text);
    signed_by(w, (char *)text.p, "ab", &note);
    for (size_t i = 0; i < note.n; i++) {
        struct buf why = {0};
        struct approvals by;
        note.p[i] ^= 1;
        if (verify(w, buf_slice(&note), &by, &why) == ERR_OK)
            fail_msg("byte %zu", i);
        note.p[i] ^= 1;
        buf_fini(&why);
    }
    buf_fini(&text);
    buf_fini(&note);
}

static void a_note_too_large_is_refused(void **state)
{
    struct world *w = *state;
    struct buf note = {0}, why = {0};
    struct approvals by;
    while (note.n <= NOTE_MAX)
        buf_adds(&note,
                 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\n");
    assert_int_equal(verify(w, buf_slice(&note), &by, &why), ERR_POL_MANIFEST);
    assert_int_equal(verify(w, SLICE_NONE, &by, &why), ERR_POL_MANIFEST);
    buf_fini(&note);
    buf_fini(&why);
}

#define KEY_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define KEY_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define HEAD "name\tperson_ja\tsign\tstate\n"
static const struct {
    const char *name, *text;
    size_t rows; /* 0: refused */
} TABLES[] = {
    {"two people",
     HEAD "a\t花子\t" KEY_A "\tactive\nb\t次郎\t" KEY_B "\trevoked\n", 2},
    {"a name twice",
     HEAD "a\t花子\t" KEY_A "\tactive\na\t次郎\t" KEY_B "\tactive\n", 0},
    {"one key under two names",
     HEAD "a\t花子\t" KEY_A "\tactive\nb\t次郎\t" KEY_A "\tactive\n", 0},
    {"nobody's key", HEAD "a\t\t" KEY_A "\tactive\n", 0},
    {"no state", HEAD "a\t花子\t" KEY_A "\t\n", 0},
    {"half a key", HEAD "a\t花子\taaaa\tactive\n", 0},
    {"not hex",
     HEAD "a\t花子\tz"
          "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
          "aaaaaaaaaaaaaaaaaaa\tactive\n",
     0},
    {"a name with a space", HEAD "a b\t花子\t" KEY_A "\tactive\n", 0},
    {"a column is missing", "name\tsign\tstate\na\t" KEY_A "\tactive\n", 0},
    {"nothing", "", 0},
};

static void a_bad_table_of_approvers_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < NELEM(TABLES); i++) {
        struct approvers *a = NULL;
        struct buf why = {0};
        enum err e = approvers_parse(slice_str(TABLES[i].text), &a, &why);
        if ((e == ERR_OK) != (TABLES[i].rows > 0) ||
            (e == ERR_OK && a == NULL) ||
            (e != ERR_OK && (a != NULL || why.n == 0)))
            fail_msg("%s: %s", TABLES[i].name, err_code(e));
        approvers_free(&a);
        buf_fini(&why);
    }
}

static void a_pack_joined_is_taken_apart_the_same(void **state)
{
    struct world *w = *state;
    struct buf bytes = {0};
    struct slice note, files[PACK_FILES];
    pack_join(slice_str("note\n"), w->files, &bytes);
    assert_int_equal(pack_split(buf_slice(&bytes), &note, files), ERR_OK);
    assert_true(slice_eq(note, slice_str("note\n")));
    for (size_t i = 0; i < PACK_FILES; i++)
        assert_true(slice_eq(files[i], w->files[i]));
    for (size_t n = 0; n < bytes.n; n++)
        assert_int_equal(pack_split(slice_of(bytes.p, n), &note, files),
                         ERR_POL_MANIFEST);
    buf_addc(&bytes, 'x');
    assert_int_equal(pack_split(buf_slice(&bytes), &note, files),
                     ERR_POL_MANIFEST);
    buf_fini(&bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_signed_decides, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(
            a_file_that_is_not_the_one_approved_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(no_byte_of_a_note_may_change, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_note_too_large_is_refused, setup,
                                        teardown),
        cmocka_unit_test(a_bad_table_of_approvers_is_refused),
        cmocka_unit_test_setup_teardown(a_pack_joined_is_taken_apart_the_same,
                                        setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
