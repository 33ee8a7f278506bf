/* date_test.c - every form in which a date reaches us. */
#include "proto/base/date.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>
/* cmocka.h needs those above */
#include <cmocka.h>

enum { E = 1, X = 2 }; /* written in era years; past the era's end */

static const struct {
    const char *text, *want; /* want NULL: an error */
    int marks;
    enum err e;
} DATES[] = {
    /* clang-format off */
    {"2026-04-01", "2026-04-01", 0, ERR_OK},
    {"2026/4/1", "2026-04-01", 0, ERR_OK},
    {"2026.4.1", "2026-04-01", 0, ERR_OK},
    {"2026年4月1日", "2026-04-01", 0, ERR_OK},
    {"20260401", "2026-04-01", 0, ERR_OK},
    {"2026-04", "2026-04", 0, ERR_OK},
    {"2026年4月", "2026-04", 0, ERR_OK},
    {"2026", "2026", 0, ERR_OK},
    {"2026年", "2026", 0, ERR_OK},
    {"R8.4.1", "2026-04-01", E, ERR_OK},
    {"r8.4.1", "2026-04-01", E, ERR_OK},
    {"R07.05.28", "2025-05-28", E, ERR_OK},
    {"R8/4/1", "2026-04-01", E, ERR_OK},
    {"R8-4-1", "2026-04-01", E, ERR_OK},
    {"R080401", "2026-04-01", E, ERR_OK},
    {"令和8年4月1日", "2026-04-01", E, ERR_OK},
    {"令8.4.1", "2026-04-01", E, ERR_OK},
    {"令和元年", "2019", E, ERR_OK},
    {"令和元年5月", "2019-05", E, ERR_OK},
    {"令和元年5月1日", "2019-05-01", E, ERR_OK},
    {"R元.5.1", "2019-05-01", E, ERR_OK},
    {"㋿8.4.1", "2026-04-01", E, ERR_OK},
    {"㍻2.11.30", "1990-11-30", E, ERR_OK},
    {"㍼46.4.7", "1971-04-07", E, ERR_OK},
    {"㍽15.12.25", "1926-12-25", E | X, ERR_OK},
    {"㍾45.7.29", "1912-07-29", E, ERR_OK},
    {"5080401", "2026-04-01", E, ERR_OK},
    {"4021130", "1990-11-30", E, ERR_OK},
    {"3460407", "1971-04-07", E, ERR_OK},
    {"2150101", "1926-01-01", E, ERR_OK},
    {"1450101", "1912-01-01", E, ERR_OK},
    {"S46.04.07", "1971-04-07", E, ERR_OK},
    {"H02.11.30", "1990-11-30", E, ERR_OK},
    {"Ｒ８．４．１", "2026-04-01", E, ERR_OK},
    {"２０２６／０４／０１", "2026-04-01", 0, ERR_OK},
    {"２０２６－４－１", "2026-04-01", 0, ERR_OK},
    {"平成 2年 1月 8日", "1990-01-08", E, ERR_OK},
    {" 2026-04-01 ", "2026-04-01", 0, ERR_OK},
    /* an era that was over */
    {"平成33年4月", "2021-04", E | X, ERR_OK},
    {"平成31年4月30日", "2019-04-30", E, ERR_OK},
    {"平成31年5月1日", "2019-05-01", E | X, ERR_OK},
    {"平成31年", "2019", E, ERR_OK},
    {"昭和64年1月7日", "1989-01-07", E, ERR_OK},
    {"昭和64年1月8日", "1989-01-08", E | X, ERR_OK},
    {"昭和64年1月", "1989-01", E, ERR_OK},
    {"昭和100年1月1日", "2025-01-01", E | X, ERR_OK},
    {"明治45年7月30日", "1912-07-30", E | X, ERR_OK},
    /* the lunar years */
    {"明治6年1月1日", "1873-01-01", E, ERR_OK},
    {"明治5年12月2日", NULL, 0, ERR_VAL_DATE},
    {"明治5年", "1872", E, ERR_OK},
    {"1051201", NULL, 0, ERR_VAL_DATE},
    /* no such date */
    {"2026-02-29", NULL, 0, ERR_VAL_DATE},
    {"2024-02-29", "2024-02-29", 0, ERR_OK},
    {"1900-02-29", NULL, 0, ERR_VAL_DATE},
    {"2000-02-29", "2000-02-29", 0, ERR_OK},
    {"2026-04-31", NULL, 0, ERR_VAL_DATE},
    {"2026-13-01", NULL, 0, ERR_VAL_DATE},
    {"2026-00-01", NULL, 0, ERR_VAL_DATE},
    {"2026-04-00", NULL, 0, ERR_VAL_DATE},
    {"20260400", NULL, 0, ERR_VAL_DATE},
    {"20260001", NULL, 0, ERR_VAL_DATE},
    {"0000", NULL, 0, ERR_VAL_DATE},
    {"令和0年4月1日", NULL, 0, ERR_VAL_DATE},
    {"R8.2.29", NULL, 0, ERR_VAL_DATE},
    {"R080229", NULL, 0, ERR_VAL_DATE},
    {"5080229", NULL, 0, ERR_VAL_DATE},
    {"昭和999年1月1日", NULL, 0, ERR_VAL_DATE},
    /* no such form */
    {"", NULL, 0, ERR_VAL_DATE_FORM},
    {" ", NULL, 0, ERR_VAL_DATE_FORM},
    {"R8", NULL, 0, ERR_VAL_DATE_FORM},
    {"R", NULL, 0, ERR_VAL_DATE_FORM},
    {"令和", NULL, 0, ERR_VAL_DATE_FORM},
    {"8.4.1", NULL, 0, ERR_VAL_DATE_FORM},
    {"080401", NULL, 0, ERR_VAL_DATE_FORM},
    {"202604", NULL, 0, ERR_VAL_DATE_FORM},
    {"6080401", NULL, 0, ERR_VAL_DATE_FORM},
    {"R08401", NULL, 0, ERR_VAL_DATE_FORM},
    {"2026-04/01", NULL, 0, ERR_VAL_DATE_FORM},
    {"2026-4-1-1", NULL, 0, ERR_VAL_DATE_FORM},
    {"2026-04-001", NULL, 0, ERR_VAL_DATE_FORM},
    {"2026-", NULL, 0, ERR_VAL_DATE_FORM},
    {"2026-04-", NULL, 0, ERR_VAL_DATE_FORM},
    {"2026年4", NULL, 0, ERR_VAL_DATE_FORM},
    {"2026年4月1", NULL, 0, ERR_VAL_DATE_FORM},
    {"2026年4月1日1", NULL, 0, ERR_VAL_DATE_FORM},
    {"2026 04 01", NULL, 0, ERR_VAL_DATE_FORM},
    {"20 26-04-01", NULL, 0, ERR_VAL_DATE_FORM},
    {"2026-04-01T09:00", NULL, 0, ERR_VAL_DATE_FORM},
    {"平成10年頃", NULL, 0, ERR_VAL_DATE_FORM},
    {"不明", NULL, 0, ERR_VAL_DATE_FORM},
    {"A8.4.1", NULL, 0, ERR_VAL_DATE_FORM},
    {"和8年4月1日", NULL, 0, ERR_VAL_DATE_FORM},
    {"元年", NULL, 0, ERR_VAL_DATE_FORM},
    {"-1-1-1", NULL, 0, ERR_VAL_DATE_FORM},
    {"4.91E+11", NULL, 0, ERR_VAL_DATE_FORM},
    {"\xff", NULL, 0, ERR_VAL_DATE_FORM},
    {"0000000000000000000000000000", NULL, 0, ERR_VAL_DATE_FORM},
    {"R000000000000000000000", NULL, 0, ERR_VAL_DATE_FORM},
}; /* clang-format on */

static void dates_follow_the_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < NELEM(DATES); i++) {
        struct date d = {0};
        char iso[DATE_TEXT] = "";
        enum err e = date_parse(slice_str(DATES[i].text), &d);
        if (e == ERR_OK)
            date_iso(d, iso);
        const char *want = DATES[i].want == NULL ? "" : DATES[i].want;
        if (e != DATES[i].e || strcmp(iso, want) != 0 ||
            d.era != ((DATES[i].marks & E) != 0) ||
            d.overrun != ((DATES[i].marks & X) != 0))
            fail_msg("[%s]: %s [%s]", DATES[i].text, err_code(e), iso);
    }
}

static const struct {
    const char *iso, *want;
} ERAS[] = {
    {"2026-04-01", "令和8年4月1日"},
    {"2019-05-01", "令和元年5月1日"},
    {"2019-04-30", "平成31年4月30日"},
    {"1989-01-08", "平成元年1月8日"},
    {"1989-01-07", "昭和64年1月7日"},
    {"1926-12-25", "昭和元年12月25日"},
    {"1926-12-24", "大正15年12月24日"},
    {"1912-07-30", "大正元年7月30日"},
    {"1912-07-29", "明治45年7月29日"},
    {"1873-01-01", "明治6年1月1日"},
    {"1872-12-31", "1872年12月31日"},
    {"1800-01-01", "1800年1月1日"},
    {"2026-04", "2026年4月"},
    {"2026", "2026年"},
    {"9999-12-31", "令和7981年12月31日"},
};

static void japanese_dates_follow_the_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < NELEM(ERAS); i++) {
        struct date d;
        char ja[40];
        assert_int_equal(date_parse(slice_str(ERAS[i].iso), &d), ERR_OK);
        date_ja(d, ja);
        assert_string_equal(ja, ERAS[i].want);
    }
}

/* Every day from 1873 to 2100: days are dense, and both texts read back. */
static void every_day_survives_the_round_trips(void **state)
{
    (void)state;
    struct date first = {.year = 1873, .month = 1, .day = 1};
    int32_t from = date_days(first), to = from + 83000;
    for (int32_t n = from; n < to; n++) {
        struct date d = date_from_days(n), back;
        char iso[DATE_TEXT], ja[40];
        assert_true(date_valid(d));
        assert_int_equal(date_days(d), n);
        date_iso(d, iso);
        date_ja(d, ja);
        assert_int_equal(date_parse(slice_str(ja), &back), ERR_OK);
        assert_true(back.era && !back.overrun);
        assert_int_equal(date_days(back), n);
        assert_int_equal(date_parse(slice_str(iso), &back), ERR_OK);
        assert_int_equal(date_days(back), n);
    }
}

static void days_agree_with_the_c_library(void **state)
{
    (void)state;
    for (int32_t n = -140000; n < 2900000; n += 997) {
        time_t t = (time_t)n * 86400;
        struct tm tm;
        assert_non_null(gmtime_r(&t, &tm));
        struct date d = date_from_days(n);
        assert_int_equal(d.year, tm.tm_year + 1900);
        assert_int_equal(d.month, tm.tm_mon + 1);
        assert_int_equal(d.day, tm.tm_mday);
    }
}

static void the_day_in_japan_begins_nine_hours_early(void **state)
{
    (void)state;
    char iso[DATE_TEXT], text[TIME_TEXT];
    uint64_t ms = 1774969199999; /* 2026-03-31T23:59:59.999+09:00 */
    date_iso(date_of_ms(ms), iso);
    assert_string_equal(iso, "2026-03-31");
    date_iso(date_of_ms(ms + 1), iso);
    assert_string_equal(iso, "2026-04-01");
    time_jst(ms + 1, text);
    assert_string_equal(text, "2026-04-01T00:00:00+09:00");
    time_jst(0, text);
    assert_string_equal(text, "1970-01-01T09:00:00+09:00");
    time_jst(UINT64_MAX, text);
    assert_string_equal(text, "9999-12-31T23:59:59+09:00");
}

static const struct {
    const char *text;
    uint64_t want; /* 0 stands for an error, but for the first row */
} TIMES[] = {
    /* clang-format off */
    {"1970-01-01T00:00:00Z", 0},
    {"1970-01-01T09:00:00+09:00", 0},
    {"2026-04-01T09:00:00+09:00", 1775001600000},
    {"2026-04-01T00:00:00Z", 1775001600000},
    {"2026-04-01t00:00:00z", 1775001600000},
    {"2026-03-31T19:00:00-05:00", 1775001600000},
    {"2026-04-01T09:00:00.5+09:00", 1775001600500},
    {"2026-04-01T09:00:00.123456789+09:00", 1775001600123},
    {"2026-04-01T09:00:00", UINT64_MAX},
    {"2026-04-01T09:00:00+0900", UINT64_MAX},
    {"2026-04-01T09:00+09:00", UINT64_MAX},
    {"2026-04-01 09:00:00+09:00", UINT64_MAX},
    {"2026-04-01T24:00:00+09:00", UINT64_MAX},
    {"2026-04-01T09:60:00+09:00", UINT64_MAX},
    {"2026-04-01T09:00:60+09:00", UINT64_MAX},
    {"2026-04-31T09:00:00+09:00", UINT64_MAX},
    {"2026-00-01T09:00:00+09:00", UINT64_MAX},
    {"2026-04-00T09:00:00+09:00", UINT64_MAX},
    {"2026-04-01T09:00:00.+09:00", UINT64_MAX},
    {"2026-04-01T09:00:00+24:00", UINT64_MAX},
    {"2026-04-01T09:00:00+09:60", UINT64_MAX},
    {"2026-04-01T09:00:00Zx", UINT64_MAX},
    {"1969-12-31T23:59:59Z", UINT64_MAX},
    {"", UINT64_MAX},
    {"2026", UINT64_MAX},
}; /* clang-format on */

static void times_follow_the_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < NELEM(TIMES); i++) {
        uint64_t ms = UINT64_MAX;
        enum err e = time_parse(TIMES[i].text, &ms);
        enum err want = TIMES[i].want == UINT64_MAX ? ERR_VAL_TIME : ERR_OK;
        if (e != want || ms != TIMES[i].want)
            fail_msg("[%s]", TIMES[i].text);
    }
}

static void a_time_survives_a_round_trip(void **state)
{
    (void)state;
    for (uint64_t ms = 0; ms < 4000000000000; ms += 7777777000) {
        char text[TIME_TEXT];
        uint64_t back;
        time_jst(ms, text);
        assert_int_equal(time_parse(text, &back), ERR_OK);
        assert_int_equal(back, ms);
    }
}

static const struct {
    const char *text, *day; /* day NULL: an error */
    uint64_t want;
    enum err e;
} HL7[] = {
    /* clang-format off */
    {"20260401", "2026-04-01", 1774969200000, ERR_OK},
    {"202604010900", "2026-04-01", 1775001600000, ERR_OK},
    {"20260401090001", "2026-04-01", 1775001601000, ERR_OK},
    {"20260401090001.25", "2026-04-01", 1775001601250, ERR_OK},
    {"20260401090001.1234", "2026-04-01", 1775001601123, ERR_OK},
    {"20260401090001+0900", "2026-04-01", 1775001601000, ERR_OK},
    {"202604010000+0000", "2026-04-01", 1775001600000, ERR_OK},
    {"20260331190000-0500", "2026-03-31", 1775001600000, ERR_OK},
    {"19580809", "1958-08-09", 0, ERR_OK},
    {"20260431", NULL, 0, ERR_VAL_DATE},
    {"20260400", NULL, 0, ERR_VAL_DATE},
    {"2026040109", NULL, 0, ERR_VAL_TIME},
    {"202604012400", NULL, 0, ERR_VAL_TIME},
    {"202604010960", NULL, 0, ERR_VAL_TIME},
    {"20260401090060", NULL, 0, ERR_VAL_TIME},
    {"202604010900.5", NULL, 0, ERR_VAL_TIME},
    {"20260401090001.", NULL, 0, ERR_VAL_TIME},
    {"20260401090001+09:00", NULL, 0, ERR_VAL_TIME},
    {"20260401090001+0900 ", NULL, 0, ERR_VAL_TIME},
    {"202604", NULL, 0, ERR_VAL_TIME},
    {"2026-04-01", NULL, 0, ERR_VAL_TIME},
    {"", NULL, 0, ERR_VAL_TIME},
    {"20260401090001.1234567890123456789012345678", NULL, 0, ERR_VAL_TIME},
}; /* clang-format on */

static void hl7_times_follow_the_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < NELEM(HL7); i++) {
        uint64_t ms = 0;
        struct date d = {0};
        char iso[DATE_TEXT] = "";
        enum err e = time_parse_hl7(slice_str(HL7[i].text), &ms, &d);
        if (e == ERR_OK)
            date_iso(d, iso);
        if (e != HL7[i].e || ms != HL7[i].want ||
            strcmp(iso, HL7[i].day == NULL ? "" : HL7[i].day) != 0)
            fail_msg("[%s]", HL7[i].text);
    }
    assert_int_equal(time_parse_hl7(slice_str("20260401"), NULL, NULL), ERR_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dates_follow_the_table),
        cmocka_unit_test(japanese_dates_follow_the_table),
        cmocka_unit_test(every_day_survives_the_round_trips),
        cmocka_unit_test(days_agree_with_the_c_library),
        cmocka_unit_test(the_day_in_japan_begins_nine_hours_early),
        cmocka_unit_test(times_follow_the_table),
        cmocka_unit_test(a_time_survives_a_round_trip),
        cmocka_unit_test(hl7_times_follow_the_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
