/* policy_faults_test.c - a clerk's slips in a table, and what is said of them.
 */
#include "hub/ctl/policy.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct heard {
    size_t n;
    char where[64], text[256];
};

static void hear(void *ctx, const char *where, const char *text)
{
    struct heard *h = ctx;
    if (h->n++ > 0)
        return;
    snprintf(h->where, sizeof(h->where), "%s", where);
    snprintf(h->text, sizeof(h->text), "%s", text);
}

/* The pack that ships with `from` of one file replaced, and what is heard. */
static struct heard slip(bool ja, size_t file, const char *from, const char *to)
{
    struct ctl c = {.ja = ja};
    struct pack p = {.policy = NULL};
    struct buf why = {0}, edited = {0};
    struct heard h = {0};
    assert_int_equal(pack_read_files(&c, "deploy/policy", &p), EXIT_DONE);
    char *at = strstr((char *)p.text[file].p, from);
    assert_non_null(at);
    buf_add(&edited, p.text[file].p, (size_t)(at - (char *)p.text[file].p));
    buf_adds(&edited, to);
    buf_adds(&edited, at + strlen(from));
    p.files[file] = buf_slice(&edited);
    assert_int_not_equal(policy_parse(p.files, &p.policy, &why), ERR_OK);
    policy_faults(&c, &p, &why, hear, &h);
    pack_fini(&p);
    buf_fini(&edited);
    buf_fini(&why);
    return h;
}

static const struct {
    const char *name;
    size_t file;
    const char *from, *to, *where, *ja, *en;
} SLIPS[] = {
    /* clang-format off */
    {"a word mistyped", POLICY_RULES, "R_LOCAL R_PLAN\tG_META G_ID", "R_LOCAL R_PLAN\tG_META G_IDD", " classes", "使えない語があります「G_IDD」", "an unknown word: G_IDD"},
    {"an effect that is none", POLICY_RULES, "\tpermit\t", "\tallow\t", " effect", "permit(渡す)か deny(渡さない)と書いてください「allow」", "must be permit or deny: allow"},
    {"a cell lost", POLICY_RULES, "\tpermit\t", "\tpermit ", "rules.tsv:", "列の数が違います", "Wrong number of columns"},
    {"a heading lost", POLICY_RULES, "\nid\trow", "\nid\tgyou", "rules.tsv:", "見出しが違います「row」", "Unknown header: row"},
    {"saved in another encoding", POLICY_BASIS, "\xe5", "\x8c", "basis.tsv:", "UTF-8・タブ区切り", "Save it as UTF-8"},
    {"a row taken out", POLICY_CEILING, "\nR_HC\t", "\n#R_HC\t", "ceiling.tsv", "上限(ceiling.tsv)の行がありません「R_HC」", "has no ceiling: R_HC"},
}; /* clang-format on */

static void a_slip_is_told_with_place_and_word(void **state)
{
    (void)state;
    for (size_t i = 0; i < NELEM(SLIPS); i++) {
        for (int ja = 0; ja < 2; ja++) {
            struct heard h =
                slip(ja, SLIPS[i].file, SLIPS[i].from, SLIPS[i].to);
            if (strstr(h.where, SLIPS[i].where) == NULL ||
                strstr(h.text, ja ? SLIPS[i].ja : SLIPS[i].en) == NULL)
                fail_msg("%s: %s | %s", SLIPS[i].name, h.where, h.text);
        }
    }
}

static void a_cell_of_unknown_words_is_told_once(void **state)
{
    (void)state;
    struct heard h = slip(true, POLICY_RULES, "\tR_LOCAL R_PLAN\tG_META G_ID",
                          "\tR_NONE\tG_META G_ID");
    assert_int_equal(h.n, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_slip_is_told_with_place_and_word),
        cmocka_unit_test(a_cell_of_unknown_words_is_told_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
