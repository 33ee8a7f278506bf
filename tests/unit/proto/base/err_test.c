/* err_test.c - the table of errors is complete and its codes are unique. */
#include "proto/base/err.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
/* cmocka.h needs those above */
#include <cmocka.h>

static void every_code_finds_its_error(void **state)
{
    (void)state;
    for (int i = 0; i < ERR_COUNT; i++)
        if (err_from_code(err_code((enum err)i)) != (enum err)i)
            fail_msg("%s stands twice", err_code((enum err)i));
}

static void every_error_has_two_sentences(void **state)
{
    (void)state;
    for (int i = 1; i < ERR_COUNT; i++) {
        enum err e = (enum err)i;
        if (strlen(err_code(e)) < 8 || err_ja(e)[0] == '\0' ||
            err_en(e)[0] == '\0')
            fail_msg("row %d", i);
    }
}

/* Whoever sends one cannot put a name into it: there is no place for one, and
 * no number but what a rule says (W-154). */
static void a_sentence_has_no_place_for_a_value(void **state)
{
    (void)state;
    for (int i = 1; i < ERR_COUNT; i++) {
        enum err e = (enum err)i;
        if (strpbrk(err_ja(e), "%{}<>$@\n") != NULL ||
            strpbrk(err_en(e), "%{}<>$@\n") != NULL)
            fail_msg("W-154 %s has a place for a value", err_code(e));
    }
}

static void ok_has_the_empty_code(void **state)
{
    (void)state;
    assert_string_equal(err_code(ERR_OK), "");
    assert_int_equal(err_from_code(""), ERR_OK);
}

static void an_unknown_code_is_internal(void **state)
{
    (void)state;
    assert_int_equal(err_from_code("E-XXX-999"), ERR_INTERNAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_code_finds_its_error),
        cmocka_unit_test(every_error_has_two_sentences),
        cmocka_unit_test(a_sentence_has_no_place_for_a_value),
        cmocka_unit_test(ok_has_the_empty_code),
        cmocka_unit_test(an_unknown_code_is_internal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
