/* text_kana_test.c - readings for showing and for comparing. */
#include "proto/base/text.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
/* cmocka.h needs those above */
#include <cmocka.h>

static const struct {
    const char *name, *text, *shown, *key; /* NULL: ERR_VAL_KANA */
} CASES[] = {
    /* clang-format off */
    {"plain", "カクウ ハナコ", "カクウ ハナコ", "カクウハナコ"},
    {"hiragana", "かくう　はなこ", "カクウ ハナコ", "カクウハナコ"},
    {"half-width", "ﾔﾏﾀﾞ", "ヤマダ", "ヤマダ"},
    {"half-width with ﾟ", "ﾎﾟﾋﾟｰ", "ポピー", "ポピー"},
    {"half-width ｳﾞ", "ｳﾞｨﾗ", "ヴィラ", "ヴイラ"},
    {"ヴ is not ブ", "ヴ", "ヴ", "ヴ"},
    {"ヂ is not ジ", "ヂ", "ヂ", "ヂ"},
    {"ヅ is not ズ", "ﾂﾞ", "ヅ", "ヅ"},
    {"small kana are large in the key", "ｷｬｯﾁｮｧ", "キャッチョァ", "キヤツチヨア"},
    {"ヵ and ヶ", "ヵヶゎ", "ヵヶヮ", "カケワ"},
    {"Ainu small kana", "ㇰㇿ", "ㇰㇿ", "クロ"},
    {"long marks are one", "ｰー-‐－−―", "ーーーーーーー", "ーーーーーーー"},
    {"combining marks", "か\xe3\x82\x99は\xe3\x82\x9a", "ガパ", "ガパ"},
    {"spacing marks", "カ゛ハ゜", "ガパ", "ガパ"},
    {"ワ with a mark", "ﾜﾞｦﾞ", "ヷヺ", "ヷヺ"},
    {"every voiced kana", "ｶﾞｷﾞｸﾞｹﾞｺﾞｻﾞｼﾞｽﾞｾﾞｿﾞﾀﾞﾁﾞﾂﾞﾃﾞﾄﾞﾊﾞﾋﾞﾌﾞﾍﾞﾎﾞ",
     "ガギグゲゴザジズゼゾダヂヅデドバビブベボ",
     "ガギグゲゴザジズゼゾダヂヅデドバビブベボ"},
    {"every half-width kana", "ｦｧｨｩｪｫｬｭｮｯｱｲｳｴｵﾅﾆﾇﾈﾉﾏﾐﾑﾒﾓﾔﾕﾖﾗﾘﾙﾚﾛﾜﾝ",
     "ヲァィゥェォャュョッアイウエオナニヌネノマミムメモヤユヨラリルレロワン",
     "ヲアイウエオヤユヨツアイウエオナニヌネノマミムメモヤユヨラリルレロワン"},
    {"middle dot", "ホセ･マリア", "ホセ・マリア", "ホセマリア"},
    {"iteration marks", "すゞき", "スヾキ", "スヾキ"},
    {"blanks become one", "カ  　ナ", "カ ナ", "カナ"},
    {"a mark after a blank", "カ ﾞ", NULL, NULL},
    {"a mark alone", "ﾞカ", NULL, NULL},
    {"a mark on ア", "ｱﾞ", NULL, NULL},
    {"a second mark", "ｶﾞﾞ", NULL, NULL},
    {"half mark on カ", "ｶﾟ", NULL, NULL},
    {"kanji", "架空", NULL, NULL},
    {"Latin letters", "カA", NULL, NULL},
    {"digits", "カ1", NULL, NULL},
    {"newline", "カ\n", NULL, NULL},
    {"empty", "", "", ""},
}; /* clang-format on */

static void check(const char *name, const char *text, const char *want,
                  enum err (*convert)(struct slice, struct buf *))
{
    struct buf b = {0};
    buf_adds(&b, "+");
    enum err e = convert(slice_str(text), &b);
    if (e != (want == NULL ? ERR_VAL_KANA : ERR_OK) ||
        strcmp((char *)b.p + 1, want == NULL ? "" : want) != 0)
        fail_msg("%s: %s [%s]", name, err_code(e), b.p);
    buf_fini(&b);
}

static void readings_follow_the_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < NELEM(CASES); i++) {
        check(CASES[i].name, CASES[i].text, CASES[i].shown, text_kana);
        check(CASES[i].name, CASES[i].text, CASES[i].key, text_kana_key);
    }
}

static void converting_twice_changes_nothing(void **state)
{
    (void)state;
    for (size_t i = 0; i < NELEM(CASES); i++) {
        if (CASES[i].shown == NULL)
            continue;
        check(CASES[i].name, CASES[i].shown, CASES[i].shown, text_kana);
        check(CASES[i].name, CASES[i].key, CASES[i].key, text_kana_key);
        check(CASES[i].name, CASES[i].shown, CASES[i].key, text_kana_key);
    }
}

static void broken_utf8_is_refused(void **state)
{
    (void)state;
    struct buf b = {0};
    assert_int_equal(text_kana_key(slice_str("\xe3\x82"), &b), ERR_PB_UTF8);
    assert_int_equal(b.n, 0);
    buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(readings_follow_the_table),
        cmocka_unit_test(converting_twice_changes_nothing),
        cmocka_unit_test(broken_utf8_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
