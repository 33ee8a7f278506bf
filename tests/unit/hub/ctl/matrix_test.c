/* matrix_test.c - situations counted out: complete, each once, and decided as
 * the hub decides. */
#include "hub/ctl/matrix.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NOW UINT64_C(1783000000000) /* July 2026 */

/* The policy that ships; edit replaces `from` in its rules. */
static struct policy *load(const char *from, const char *to)
{
    struct buf file[POLICY_FILES] = {{0}}, why = {0};
    struct slice s[POLICY_FILES];
    struct policy *p = NULL;
    for (size_t i = 0; i < POLICY_FILES; i++) {
        char path[64];
        snprintf(path, sizeof(path), "deploy/policy/%s", POLICY_FILE_NAMES[i]);
        assert_int_equal(file_read(path, 1 << 20, &file[i]), ERR_OK);
        if (i == POLICY_RULES && from != NULL) {
            struct buf new = {0};
            char *at = strstr((char *)file[i].p, from);
            assert_non_null(at);
            buf_add(&new, file[i].p, (size_t)(at - (char *)file[i].p));
            buf_adds(&new, to);
            buf_adds(&new, at + strlen(from));
            buf_fini(&file[i]);
            file[i] = new;
        }
        s[i] = buf_slice(&file[i]);
    }
    if (policy_parse(s, &p, &why) != ERR_OK)
        fail_msg("%s", why.n > 0 ? (char *)why.p : "");
    for (size_t i = 0; i < POLICY_FILES; i++)
        buf_fini(&file[i]);
    buf_fini(&why);
    return p;
}

struct count {
    const struct policy *p;
    struct situation last;
    size_t situations, permits, events;
    bool consent_matters, refused_matters;
};

static bool count_one(void *ctx, const struct situation *s)
{
    struct count *c = ctx;
    struct decision d;
    matrix_decide(c->p, s, NOW, &d);
    assert_int_equal(d.error, ERR_OK);
    assert_int_equal(d.asked, s->classes);
    if (c->last.event != s->event)
        c->events++;
    /* never the same one twice: within a cell the facts change */
    if (c->situations > 0 && c->last.event == s->event &&
        c->last.variant == s->variant && c->last.purpose == s->purpose &&
        c->last.role == s->role)
        assert_true(c->last.predicates != s->predicates ||
                    c->last.consent != s->consent ||
                    c->last.refused != s->refused);
    c->consent_matters |= s->consent && d.released != 0;
    c->refused_matters |= s->refused;
    c->last = *s;
    c->situations++;
    c->permits += d.released != 0;
    return true;
}

static void every_event_is_walked_and_some_of_it_passes(void **state)
{
    (void)state;
    struct policy *p = load(NULL, NULL);
    const struct policy *list[] = {p};
    struct count c = {.p = p};
    size_t events = 0;
    assert_int_equal(matrix_walk(list, 1, count_one, &c), ERR_OK);
    for (size_t i = 0; i < SCHEMA_MESSAGE_COUNT; i++)
        events += SCHEMA_MESSAGES[i].event != 0;
    assert_int_equal(c.events, events);
    assert_true(c.situations > 10000 && c.permits > 100);
    assert_true(c.consent_matters && c.refused_matters);
    policy_free(&p);
}

/* Predicates that some rule about the event names. */
static unsigned named(const struct policy *p, const struct situation *s)
{
    struct policy_rule_view r;
    unsigned set = 0;
    for (size_t i = 0; policy_rule_at(p, i, &r); i++)
        if (policy_rule_about(p, i, s->event->event_name, s->variant))
    set |= r.requires | r.unless;
    return set;
}

/* Where no fact holds, each that no rule names may hold as well. */
static bool flip_others(void *ctx, const struct situation *s)
{
    const struct policy *p = ctx;
    struct decision a, b;
    if (s->predicates != 0 || s->consent || s->refused)
        return true;
    matrix_decide(p, s, NOW, &a);
    for (unsigned k = 0; k < 10; k++) {
        struct situation other = *s;
        other.predicates = 1u << k;
        if ((named(p, s) >> k & 1) != 0)
            continue;
        matrix_decide(p, &other, NOW, &b);
        assert_memory_equal(a.of, b.of, sizeof(a.of));
    }
    return true;
}

static void a_fact_that_no_rule_names_changes_nothing(void **state)
{
    (void)state;
    struct policy *p = load(NULL, NULL);
    const struct policy *list[] = {p};
    assert_int_equal(matrix_walk(list, 1, flip_others, p), ERR_OK);
    policy_free(&p);
}

/* Facts that only one of two policies names are varied for both. */
static bool find_fact(void *ctx, const struct situation *s)
{
    bool *found = ctx;
    *found |= strcmp(s->event->event_name, "FILING_SUBMITTED") == 0 &&
              strcmp(s->variant, "MP_ADMIT") == 0 &&
              strcmp(s->purpose, "P_FIL") == 0 &&
              strcmp(s->role, "R_HC") == 0 &&
              (s->predicates & PRED_CHOSEN) != 0;
    return true;
}

static void two_policies_are_walked_together(void **state)
{
    (void)state;
    static const char RULE[] = "R001\t001\tlaw\tpermit\tFILING_SUBMITTED:"
                               "MP_ADMIT\tP_FIL\tR_HC\tG_META";
    bool found = false;
    struct policy *a = load(NULL, NULL);
    const struct policy *one[] = {a};
    assert_int_equal(matrix_walk(one, 1, find_fact, &found), ERR_OK);
    assert_false(found);
    static const char MORE[] =
        "ZZ1\tZZ1\tlaw\tdeny\tFILING_SUBMITTED:MP_ADMIT\tP_FIL\tR_HC\tG_META\t"
        "chosen\t\t\tない。\tNo.\t\t\nR001\t001\tlaw\tpermit\t"
        "FILING_SUBMITTED:MP_ADMIT\tP_FIL\tR_HC\tG_META";
    struct policy *b = load(RULE, MORE);
    const struct policy *two[] = {a, b};
    assert_int_equal(matrix_walk(two, 2, find_fact, &found), ERR_OK);
    assert_true(found);
    policy_free(&a);
    policy_free(&b);
}

static void words_are_read_as_they_are_written(void **state)
{
    static const char *const WORDS[] = {
        "",
        "consent",
        "refused",
        "consent refused",
        "existing consent",
        "address_protected asked consent_own",
        "breakglass session unable_to_consent refused",
    };
    static const char *const BAD[] = {"consents", "existing chosen_", "P_TRA"};
    (void)state;
    for (size_t i = 0; i < NELEM(WORDS); i++) {
        struct situation s = {.event = NULL};
        struct buf again = {0};
        if (!matrix_read_words(WORDS[i], &s))
            fail_msg("%s", WORDS[i]);
        matrix_words(&s, &again);
        assert_string_equal(again.n > 0 ? (char *)again.p : "", WORDS[i]);
        buf_fini(&again);
    }
    for (size_t i = 0; i < NELEM(BAD); i++) {
        struct situation s = {.event = NULL};
        if (matrix_read_words(BAD[i], &s))
            fail_msg("%s", BAD[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_event_is_walked_and_some_of_it_passes),
        cmocka_unit_test(a_fact_that_no_rule_names_changes_nothing),
        cmocka_unit_test(two_policies_are_walked_together),
        cmocka_unit_test(words_are_read_as_they_are_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
