/* code_test.c - check digits, with published and fictitious numbers. */
#include "proto/base/code.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
/* cmocka.h needs those above */
#include <cmocka.h>

static const struct {
    const char *name;
    enum err (*check)(struct slice);
    const char *digits;
    enum err want;
} CASES[] = {
    /* clang-format off */
    {"Sapporo", code_check_lg, "011002", ERR_OK},
    {"Chiyoda", code_check_lg, "131016", ERR_OK},
    {"Kurume", code_check_lg, "402036", ERR_OK},
    {"remainder 0 gives 1", code_check_lg, "092011", ERR_OK},
    {"remainder 1 gives 0", code_check_lg, "493210", ERR_OK},
    {"架空市", code_check_lg, "492019", ERR_OK},
    {"架空県", code_check_lg, "490008", ERR_OK},
    {"仮定市", code_check_lg, "491004", ERR_OK},
    {"見本市", code_check_lg, "492027", ERR_OK},
    {"例示町", code_check_lg, "493015", ERR_OK},
    {"wrong digit", code_check_lg, "011003", ERR_VAL_LGCODE},
    {"the mod-10 number is no mod-11 code", code_check_lg, "092015", ERR_VAL_LGCODE},
    {"the mod-10 number of 架空市", code_check_lg, "492017", ERR_VAL_LGCODE},
    {"a lost zero", code_check_lg, "11002", ERR_VAL_CODE_LENGTH},
    {"a digit too many", code_check_lg, "0110020", ERR_VAL_CODE_LENGTH},
    {"a letter", code_check_lg, "01100O", ERR_VAL_CODE_LENGTH},
    {"a sign", code_check_lg, "+11002", ERR_VAL_CODE_LENGTH},
    {"prefecture 00", code_check_lg, "001000", ERR_VAL_PREFECTURE},
    {"prefecture 48", code_check_lg, "482013", ERR_VAL_PREFECTURE},
    {"prefecture 50", code_check_lg, "502014", ERR_VAL_PREFECTURE},
    {"empty", code_check_lg, "", ERR_VAL_CODE_LENGTH},

    {"billing number of Utsunomiya", code_check_kokuho, "092015", ERR_OK},
    {"billing number of 架空市", code_check_kokuho, "492017", ERR_OK},
    {"billing number of 見本市", code_check_kokuho, "492025", ERR_OK},
    {"a place where both agree", code_check_kokuho, "493015", ERR_OK},
    {"the mod-11 code is no mod-10 number", code_check_kokuho, "092011", ERR_VAL_KOKUHO},

    {"a real hospital", code_check_medical, "0110113719", ERR_OK},
    {"架空こころ病院", code_check_medical, "4910100017", ERR_OK},
    {"見本クリニック", code_check_medical, "4910100025", ERR_OK},
    {"訪問看護そら", code_check_medical, "4960100016", ERR_OK},
    {"a wrong digit", code_check_medical, "0110113718", ERR_VAL_MEDINST},
    {"two digits changed round", code_check_medical, "0110113791", ERR_VAL_MEDINST},
    {"the seven digits on paper", code_check_medical, "0113719", ERR_VAL_CODE_LENGTH},
    {"nine digits", code_check_medical, "110113719", ERR_VAL_CODE_LENGTH},
    {"Excel's form", code_check_medical, "4.91E+9000", ERR_VAL_CODE_LENGTH},

    {"短期入所ひなた", code_check_office, "4911000018", ERR_OK},
    {"短期入所つきみ", code_check_office, "4911000026", ERR_OK},
    {"短期入所ほしぞら", code_check_office, "4911000034", ERR_OK},
    {"相談室みちしるべ", code_check_office, "4931000014", ERR_OK},
    {"a wrong office", code_check_office, "4931000015", ERR_VAL_OFFICE},

    {"five digits", code_check_muni5, "49201", ERR_OK},
    {"six digits", code_check_muni5, "492019", ERR_VAL_CODE_LENGTH},
    {"five of no prefecture", code_check_muni5, "99201", ERR_VAL_PREFECTURE},
}; /* clang-format on */

static void check_digits_follow_the_table(void **state) /* W-051 */
{
    (void)state;
    for (size_t i = 0; i < NELEM(CASES); i++)
        if (CASES[i].check(slice_str(CASES[i].digits)) != CASES[i].want)
            fail_msg("%s", CASES[i].name);
}

static const struct {
    const char *code;
    enum err want;
} AGENCIES[] = {
    /* clang-format off */
    {"HUB", ERR_OK},
    {"MI-4910100017", ERR_OK},
    {"WO-4931000014", ERR_OK},
    {"LG-492019", ERR_OK},
    {"HC-492019-01", ERR_OK},
    {"PH-490008-01", ERR_OK},
    {"OW-KYOTEN-01", ERR_OK},
    {"OW-ABCDEFGHIJKLMNOPQRSTUVWX", ERR_OK},
    {"OW-ABCDEFGHIJKLMNOPQRSTUVWXY", ERR_VAL_TOO_LONG},
    {"OW-", ERR_VAL_CODE_LENGTH},
    {"OW-kyoten", ERR_VAL_TYPE},
    {"OW-A B", ERR_VAL_TYPE},
    {"MI-4910100018", ERR_VAL_MEDINST},
    {"WO-4931000015", ERR_VAL_OFFICE},
    {"LG-492017", ERR_VAL_LGCODE},
    {"LG-492019-01", ERR_VAL_CODE_LENGTH},
    {"HC-492019", ERR_VAL_CODE_LENGTH},
    {"HC-492019-1", ERR_VAL_CODE_LENGTH},
    {"HC-492019-0A", ERR_VAL_CODE_LENGTH},
    {"HC-492019x01", ERR_VAL_CODE_LENGTH},
    {"HC-492017-01", ERR_VAL_LGCODE},
    {"PH-492019-01", ERR_VAL_LGCODE}, /* a city has no prefectural centre */
    {"XX-492019", ERR_VAL_TYPE},
    {"hub", ERR_VAL_TYPE},
    {"HUB ", ERR_VAL_TYPE},
    {"", ERR_VAL_TYPE},
    {"MI", ERR_VAL_TYPE},
}; /* clang-format on */

static void agency_codes_follow_the_table(void **state) /* W-011, W-051 */
{
    (void)state;
    for (size_t i = 0; i < NELEM(AGENCIES); i++) {
        enum err e = code_check_agency(AGENCIES[i].code);
        if (e != AGENCIES[i].want)
            fail_msg("%s: %s", AGENCIES[i].code, err_code(e));
        if (e == ERR_OK)
            assert_true(strlen(AGENCIES[i].code) < AGENCY_MAX);
    }
}

static void prefecture_49_is_refused_unless_allowed(void **state)
{
    (void)state;
    code_allow_fictitious(false);
    assert_int_equal(code_check_lg(slice_str("492019")), ERR_VAL_PREFECTURE);
    assert_int_equal(code_check_agency("MI-4910100017"), ERR_VAL_PREFECTURE);
    assert_int_equal(code_check_agency("HC-492019-01"), ERR_VAL_PREFECTURE);
    assert_int_equal(code_check_lg(slice_str("011002")), ERR_OK);
    code_allow_fictitious(true);
    assert_int_equal(code_check_lg(slice_str("492019")), ERR_OK);
}

static void every_five_digits_have_one_check_digit(void **state) /* W-051 */
{
    (void)state;
    for (unsigned v = 1000; v < 47999; v += 7) {
        char text[8];
        int lg = 0, kokuho = 0;
        for (unsigned c = 0; c < 10; c++) {
            snprintf(text, sizeof(text), "%05u%u", v, c);
            lg += code_check_lg(slice_str(text)) == ERR_OK;
            kokuho += code_check_kokuho(slice_str(text)) == ERR_OK;
        }
        assert_int_equal(lg, 1);
        assert_int_equal(kokuho, 1);
    }
}

static const struct {
    const char *name;
    enum err want;
} NODES[] = {
    /* clang-format off */
    {"h1", ERR_OK},
    {"mi-4910100017/a.1", ERR_OK},
    {"0123456789012345678901234567890123456789012345678901234567890123", ERR_OK},
    {"01234567890123456789012345678901234567890123456789012345678901234",
     ERR_VAL_TOO_LONG},
    {"", ERR_VAL_REQUIRED},
    {"-a", ERR_VAL_TYPE},
    {"/a", ERR_VAL_TYPE},
    {".a", ERR_VAL_TYPE},
    {"A", ERR_VAL_TYPE},
    {"a_b", ERR_VAL_TYPE},
    {"a b", ERR_VAL_TYPE},
    {"架空", ERR_VAL_TYPE},
}; /* clang-format on */

static void node_names_follow_the_table(void **state) /* W-011 */
{
    (void)state;
    for (size_t i = 0; i < NELEM(NODES); i++)
        if (code_check_node(NODES[i].name) != NODES[i].want)
            fail_msg("[%s]", NODES[i].name);
}

static int allow(void **state)
{
    (void)state;
    code_allow_fictitious(true);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(check_digits_follow_the_table),
        cmocka_unit_test(agency_codes_follow_the_table),
        cmocka_unit_test(prefecture_49_is_refused_unless_allowed),
        cmocka_unit_test(every_five_digits_have_one_check_digit),
        cmocka_unit_test(node_names_follow_the_table),
    };
    return cmocka_run_group_tests(tests, allow, NULL);
}
