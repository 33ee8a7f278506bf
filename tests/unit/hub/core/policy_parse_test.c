/* policy_parse_test.c - packs with faults, and the digest of a pack. */
#include "tests/unit/hub/core/pack.h"

static const struct pack_fault FAULTS[] = {
    /* clang-format off */
    {"unknown layer", POLICY_RULES, "a\t0\twish\tpermit\t*\tP\tA\t*\t\t\tNOW\tj\te\t\t", "rules.tsv:2: error E-POL-002: layer"},
    {"unknown effect", POLICY_RULES, "a\t0\tlaw\tmaybe\t*\tP\tA\t*\t\t\tNOW\tj\te\t\t", "effect"},
    {"unknown event", POLICY_RULES, "a\t0\tlaw\tpermit\tPARTY\tP\tA\t*\t\t\tNOW\tj\te\t\t", "event: no such event"},
    {"variant of no such event", POLICY_RULES, "a\t0\tlaw\tpermit\tDISCHARGED:MP_END\tP\tA\t*\t\t\tNOW\tj\te\t\t", "event: the event has no such variant"},
    {"no event", POLICY_RULES, "a\t0\tlaw\tpermit\t\tP\tA\t*\t\t\tNOW\tj\te\t\t", "event: names nothing"},
    {"unknown purpose", POLICY_RULES, "a\t0\tlaw\tpermit\t*\tQ\tA\t*\t\t\tNOW\tj\te\t\t", "purpose: an unknown word"},
    {"unknown role", POLICY_RULES, "a\t0\tlaw\tpermit\t*\tP\tC\t*\t\t\tNOW\tj\te\t\t", "role: an unknown word"},
    {"unknown class", POLICY_RULES, "a\t0\tlaw\tpermit\t*\tP\tA\tG_SOUL\t\t\tNOW\tj\te\t\t", "classes: an unknown word"},
    {"everything taken out again", POLICY_RULES, "a\t0\tlaw\tpermit\t*\tP\t* !A !B\t*\t\t\tNOW\tj\te\t\t", "role: names nothing"},
    {"unknown predicate", POLICY_RULES, "a\t0\tlaw\tpermit\t*\tP\tA\t*\trich\t\tNOW\tj\te\t\t", "requires: an unknown word"},
    {"permit without basis", POLICY_RULES, "a\t0\tlaw\tpermit\t*\tP\tA\t*\t\t\t\tj\te\t\t", "basis"},
    {"unknown basis", POLICY_RULES, "a\t0\tlaw\tdeny\t*\tP\tA\t*\t\t\tLB_WHIM\tj\te\t\t", "basis"},
    {"permit by a layer that forbids", POLICY_RULES, "a\t0\tprotect\tpermit\t*\tP\tA\t*\t\t\tNOW\tj\te\t\t", "can only deny"},
    {"permit for an excluded role", POLICY_RULES, "a\t0\tlaw\tpermit\t*\tP\tX\t*\t\t\tNOW\tj\te\t\t", "excluded role"},
    {"no sentence", POLICY_RULES, "a\t0\tlaw\tpermit\t*\tP\tA\t*\t\t\tNOW\t\te\t\t", "ja: is needed"},
    {"no row of the table", POLICY_RULES, "a\t\tlaw\tpermit\t*\tP\tA\t*\t\t\tNOW\tj\te\t\t", "row: is needed"},
    {"the same id twice", POLICY_RULES, "a\t0\tlaw\tpermit\t*\tP\tA\t*\t\t\tNOW\tj\te\t\t\na\t0\tlaw\tdeny\t*\tP\tA\t*\t\t\t\tj\te\t\t", "rules.tsv:3: error E-POL-002: id"},
    {"a day that is none", POLICY_RULES, "a\t0\tlaw\tpermit\t*\tP\tA\t*\t\t\tNOW\tj\te\t2026-02-30\t", "from"},
    {"a lost column", POLICY_RULES, "a\t0\tlaw\tpermit", "rules.tsv:2"},
    {"ceiling of no role", POLICY_CEILING, "C\t*", "role: no such role"},
    {"ceiling twice", POLICY_CEILING, "A\tG_ID", "role: stands here twice"},
    {"ceiling of an excluded role", POLICY_CEILING, "X\t*", "excluded role"},
    {"role without ceiling", POLICY_VOCAB, "role\tD\td\td", "D has no ceiling"},
    {"a word twice", POLICY_VOCAB, "role\tA\ta\ta", "stands here twice"},
    {"a word without label", POLICY_VOCAB, "purpose\tQ\t\tq", "ja: is needed"},
    {"a layer of one's own", POLICY_VOCAB, "layer\twhim\tl\tl", "knows no such word"},
    {"a kind of one's own", POLICY_VOCAB, "whim\tq\tq\tq", "unknown kind"},
    {"a companion that is no class", POLICY_VOCAB, "companion\tG_SOUL\tq\tq", "no such class"},
    {"a name too long for a consent", POLICY_VOCAB, "purpose\tP_23456789012345\tq\tq", "too long"},
    {"a minimum by variant", POLICY_MINIMUM, "P\tFILING_SUBMITTED:MP_END\t*\t", "no variants"},
    {"an event that tells what its purpose does not need", POLICY_MINIMUM, "P\tDISCHARGED\tG_ID\tG_ADM", "tells: what it tells must be among the classes"},
    {"a class nobody knows", POLICY_VOCAB, "class\tG_SOUL\ts\ts", "code: the schemas know no such word"},
    {"an event nobody knows", POLICY_VOCAB, "event\tPARTY\tp\tp", "code: the schemas know no such word"},
    {"a class twice", POLICY_VOCAB, "class\tG_ID\ts\ts", "code: stands here twice"},
    {"a third person's class that is none", POLICY_VOCAB, "third\tG_SOUL\ts\ts", "no such class"},
    {"plain in one language only", POLICY_RULES, "a\t0\tlaw\tdeny\t*\tP\tA\t*\t\t\t\t-\te\t\t", "en: plain in one language only"},
    {"a permit without a sentence", POLICY_RULES, "a\t0\tlaw\tpermit\t*\tP\tA\t*\t\t\tNOW\t-\t-\t\t", "ja: a permit needs a sentence"},
    {"a variant nobody says", POLICY_RULES, "a\t0\tlaw\tpermit\tFILING_SUBMITTED:FORM_CODE_UNSPECIFIED\tP\tA\t*\t\t\tNOW\tj\te\t\t", "event: the event has no such variant"},
    {"a basis with a bad day", POLICY_BASIS, "LB\tj\te\t\tlong ago\t\t", "valid_from"},
}; /* clang-format on */

static void a_pack_with_a_fault_is_no_pack(void **state)
{
    (void)state;
    for (size_t i = 0; i < NELEM(FAULTS); i++)
        assert_no_pack(&FAULTS[i]);
}

static void all_faults_are_told_at_once(void **state)
{
    (void)state;
    struct pack k = {0};
    struct buf why = {0};
    struct policy *p = NULL;
    pack_small(&k, "a\t0\twish\tmaybe\tPARTY\tQ\tC\tG_SOUL\t\t\t\t\t\t\t\n");
    pack_set(&k, POLICY_CEILING, "role\tclasses\nC\t*\n");
    assert_int_equal(pack_parse(&k, &p, &why), ERR_POL_INVALID);
    size_t lines = 0;
    for (size_t i = 0; i < why.n; i++)
        lines += why.p[i] == '\n';
    assert_true(lines >= 10);
    buf_fini(&why);
    pack_fini(&k);
}

/* Every word of the schemas stands in the vocabulary, labelled as there. */
static void a_vocabulary_names_every_class_and_event(void **state)
{
    (void)state;
    static const struct {
        const char *cut, *instead, *why;
    } CASES[] = {
        {"class\tG_DX\t", "#", "vocab.tsv: error E-POL-002: G_DX is missing"},
        {"event\tDISCHARGED\t", "#", "DISCHARGED is missing"},
        {"\tdiagnosis\n", "\tname of it\n",
         "en: the schema labels it otherwise"},
        {"\t病名\t", "\tなまえ\t", "ja: the schema labels it otherwise"},
    };
    for (size_t i = 0; i < NELEM(CASES); i++) {
        struct pack k = {0};
        struct buf why = {0}, text = {0};
        struct policy *p = NULL;
        pack_small(&k, "");
        const char *old = (const char *)k.file[POLICY_VOCAB].p;
        const char *at = strstr(old, CASES[i].cut);
        assert_non_null(at);
        buf_add(&text, old, (size_t)(at - old));
        buf_addf(&text, "%s%s", CASES[i].instead, at + strlen(CASES[i].cut));
        pack_set(&k, POLICY_VOCAB, (const char *)text.p);
        assert_int_equal(pack_parse(&k, &p, &why), ERR_POL_INVALID);
        if (strstr((const char *)why.p, CASES[i].why) == NULL)
            fail_msg("%s: %s", CASES[i].cut, (const char *)why.p);
        buf_fini(&why);
        buf_fini(&text);
        pack_fini(&k);
    }
}

static void the_digest_is_over_every_file(void **state)
{
    (void)state;
    struct pack k = {0};
    pack_default(&k);
    struct policy *p = pack_policy(&k), *q = pack_policy(&k);
    assert_memory_equal(policy_digest(p), policy_digest(q), 32);
    policy_free(&q);
    for (size_t i = 0; i < POLICY_FILES; i++) {
        buf_adds(&k.file[i], "# a word more\n");
        q = pack_policy(&k);
        assert_memory_not_equal(policy_digest(p), policy_digest(q), 32);
        k.file[i].n -= strlen("# a word more\n");
        policy_free(&q);
    }
    policy_free(&p);
    pack_fini(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pack_with_a_fault_is_no_pack),
        cmocka_unit_test(all_faults_are_told_at_once),
        cmocka_unit_test(a_vocabulary_names_every_class_and_event),
        cmocka_unit_test(the_digest_is_over_every_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
