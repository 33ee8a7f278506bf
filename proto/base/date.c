/* date.c - dates as Japanese offices write them.
 *
 * A date is first rewritten into a short ASCII alphabet (digits, . / -, the
 * era letters M T S H R, g for 元, y m d for 年 月 日), then matched against
 * the few forms there are. An era year past the era's end (平成33年 on an old
 * certificate) is converted and marked. Before 1873-01-01 the calendar was
 * lunar, so a month or day of 明治 1-5 is refused. */
#include "proto/base/date.h"
#include "proto/base/utf8.h"
#include <assert.h>
#include <stdio.h>
#include <string.h>

#define JST_MS 32400000ull         /* nine hours ahead, no summer time */
#define LAST_MS 253402268399999ull /* 9999-12-31T23:59:59.999 in Japan */

enum { TEXT_SIZE = 24, LONGEST_ERA = 199, GREGORIAN_FROM = 1873 };

static const struct era {
    char letter;
    uint16_t first, second, glyph; /* 令 和 ㋿ */
    const char *name;
    int32_t begin; /* as yyyymmdd */
} ERAS[] = {
    /* clang-format off */
    {'M', 0x660e, 0x6cbb, 0x337e, "明治", 18681023},
    {'T', 0x5927, 0x6b63, 0x337d, "大正", 19120730},
    {'S', 0x662d, 0x548c, 0x337c, "昭和", 19261225},
    {'H', 0x5e73, 0x6210, 0x337b, "平成", 19890108},
    {'R', 0x4ee4, 0x548c, 0x32ff, "令和", 20190501},
}; /* clang-format on */

/* ---- the calendar -------------------------------------------------------- */

static bool is_leap(int year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static int month_length(int year, int month)
{
    static const uint8_t DAYS[] = {31, 28, 31, 30, 31, 30,
                                   31, 31, 30, 31, 30, 31};
    return DAYS[month - 1] + (month == 2 && is_leap(year));
}

bool date_valid(struct date d)
{
    if (d.year < 1 || d.year > 9999 || d.month > 12)
        return false;
    if (d.month == 0)
        return d.day == 0;
    return d.day <= month_length(d.year, d.month);
}

/* Days of the civil calendar, counted in 400-year cycles that begin in March
 * so that the leap day is the last of a year. */
int32_t date_days(struct date d)
{
    int month = d.month == 0 ? 1 : d.month, day = d.day == 0 ? 1 : d.day;
    int y = d.year - (month <= 2);
    int cycle = (y >= 0 ? y : y - 399) / 400;
    int in_cycle = y - cycle * 400;
    int in_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    int days = in_cycle * 365 + in_cycle / 4 - in_cycle / 100 + in_year;
    return cycle * 146097 + days - 719468;
}

struct date date_from_days(int32_t days)
{
    int z = days + 719468;
    int cycle = (z >= 0 ? z : z - 146096) / 146097;
    int n = z - cycle * 146097;
    int y = (n - n / 1460 + n / 36524 - n / 146096) / 365;
    int in_year = n - (365 * y + y / 4 - y / 100);
    int m = (5 * in_year + 2) / 153;
    int month = m < 10 ? m + 3 : m - 9;
    return (struct date){.year = (int16_t)(y + cycle * 400 + (month <= 2)),
                         .month = (uint8_t)month,
                         .day = (uint8_t)(in_year - (153 * m + 2) / 5 + 1)};
}

static int32_t as_number(struct date d)
{
    int month = d.month == 0 ? 1 : d.month, day = d.day == 0 ? 1 : d.day;
    return d.year * 10000 + month * 100 + day;
}

/* ---- reading ------------------------------------------------------------- */

static const struct era *era_of_letter(char c)
{
    for (size_t i = 0; i < NELEM(ERAS); i++)
        if (ERAS[i].letter == c)
            return &ERAS[i];
    return NULL;
}

static char era_letter(uint32_t u)
{
    for (size_t i = 0; i < NELEM(ERAS); i++)
        if (u == (uint32_t)ERAS[i].letter || u == ERAS[i].letter + 0x20u ||
            u == ERAS[i].first || u == ERAS[i].glyph)
            return ERAS[i].letter;
    return 0;
}

/* One character in the short alphabet; 0 when it has no place in a date. */
static char simplify(uint32_t u)
{
    if ((u >= '0' && u <= '9') || u == '.' || u == '/')
        return (char)u;
    if (utf8_is_hyphen(u))
        return '-';
    switch (u) {
    case 0x5143:
        return 'g'; /* 元 */
    case 0x5e74:
        return 'y'; /* 年 */
    case 0x6708:
        return 'm'; /* 月 */
    case 0x65e5:
        return 'd'; /* 日 */
    default:
        return era_letter(u);
    }
}

/* 和 of 令和: the second character of the era that text just got. */
static bool is_second(uint32_t before, uint32_t u)
{
    for (size_t i = 0; i < NELEM(ERAS); i++)
        if (ERAS[i].first == before && ERAS[i].second == u)
            return true;
    return false;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Blanks may stand beside a sign (平成 2年 1月 8日), not between digits. */
static enum err rewrite(struct slice s, char text[TEXT_SIZE])
{
    size_t n = 0;
    uint32_t before = 0;
    bool blank = false;
    while (s.n > 0) {
        uint32_t u = utf8_narrow(utf8_next(&s));
        if (u == UTF8_BAD)
            return ERR_VAL_DATE_FORM;
        bool second = is_second(before, u);
        before = u;
        if (u == ' ')
            blank = true;
        if (second || u == ' ')
            continue;
        char c = simplify(u);
        bool split = blank && n > 0 && is_digit(text[n - 1]) && is_digit(c);
        if (c == 0 || split || n + 1 >= TEXT_SIZE)
            return ERR_VAL_DATE_FORM;
        text[n++] = c;
        blank = false;
    }
    text[n] = '\0';
    return ERR_OK;
}

/* The n digits at p as a number. */
static int number(const char *p, size_t n)
{
    int v = 0;
    for (size_t i = 0; i < n; i++)
        v = v * 10 + (p[i] - '0');
    return v;
}

static size_t count_digits(const char *p)
{
    return strspn(p, "0123456789");
}

/* Takes one or two digits; zero is a date that does not exist. */
static enum err take_short(const char **p, uint8_t *out)
{
    size_t n = count_digits(*p);
    if (n < 1 || n > 2)
        return ERR_VAL_DATE_FORM;
    *out = (uint8_t)number(*p, n);
    *p += n;
    return *out != 0 ? ERR_OK : ERR_VAL_DATE;
}

/* What follows the year: "", ".4", ".4.1", "y", "y4m", "y4m1d". */
static enum err read_rest(const char *p, struct date *d)
{
    char sep = *p, after = sep == 'y' ? 'm' : sep;
    if (sep == '\0' || strchr("./-y", sep) == NULL)
        return ERR_VAL_DATE_FORM;
    if (*++p == '\0' && sep == 'y')
        return ERR_OK;
    enum err e = take_short(&p, &d->month);
    if (e != ERR_OK || (*p == '\0' && sep != 'y'))
        return e;
    if (*p++ != after)
        return ERR_VAL_DATE_FORM;
    if (*p == '\0' && sep == 'y')
        return ERR_OK;
    e = take_short(&p, &d->day);
    if (e != ERR_OK)
        return e;
    if (sep == 'y' && *p++ != 'd')
        return ERR_VAL_DATE_FORM;
    return *p == '\0' ? ERR_OK : ERR_VAL_DATE_FORM;
}

/* Turns an era year into ours and marks it when the era was over. */
static enum err from_era(const struct era *era, int year, struct date *d)
{
    if (year < 1 || year > LONGEST_ERA)
        return ERR_VAL_DATE;
    d->year = (int16_t)(era->begin / 10000 + year - 1);
    d->era = true;
    if (d->year < GREGORIAN_FROM && d->month != 0)
        return ERR_VAL_DATE;
    const struct era *next = era + 1;
    bool last = next == ERAS + NELEM(ERAS);
    d->overrun = !last && as_number(*d) >= next->begin;
    return ERR_OK;
}

/* YYMMDD or YYYYMMDD: the last four are always month and day. */
static enum err read_run(const char *p, size_t n, struct date *d)
{
    d->month = (uint8_t)number(p + n - 4, 2);
    d->day = (uint8_t)number(p + n - 2, 2);
    return d->month == 0 || d->day == 0 ? ERR_VAL_DATE : ERR_OK;
}

static enum err read_era(const char *p, struct date *d)
{
    const struct era *era = era_of_letter(*p++);
    if (era == NULL)
        return ERR_VAL_DATE_FORM;
    size_t n = *p == 'g' ? 1 : count_digits(p);
    int year = *p == 'g' ? 1 : number(p, n > 3 ? 2 : n);
    enum err e;
    if (n == 6 && p[n] == '\0')
        e = read_run(p, n, d);
    else if (n >= 1 && n <= 3)
        e = read_rest(p + n, d);
    else
        e = ERR_VAL_DATE_FORM;
    return e == ERR_OK ? from_era(era, year, d) : e;
}

static enum err read_ours(const char *p, struct date *d)
{
    size_t n = count_digits(p);
    bool whole = p[n] == '\0';
    if (whole && n == 7 && p[0] >= '1' && p[0] <= '5') {
        enum err e = read_run(p, n, d);
        return e == ERR_OK ? from_era(&ERAS[p[0] - '1'], number(p + 1, 2), d)
                           : e;
    }
    if (n != 4 && !(whole && n == 8))
        return ERR_VAL_DATE_FORM;
    d->year = (int16_t)number(p, 4);
    if (n == 8)
        return read_run(p, n, d);
    return whole ? ERR_OK : read_rest(p + n, d);
}

enum err date_parse(struct slice utf8, struct date *out)
{
    assert(out != NULL);
    char text[TEXT_SIZE];
    struct date d = {0};
    enum err e = rewrite(utf8, text);
    if (e == ERR_OK)
        e = is_digit(text[0]) ? read_ours(text, &d) : read_era(text, &d);
    if (e != ERR_OK)
        return e;
    if (!date_valid(d))
        return ERR_VAL_DATE;
    *out = d;
    return ERR_OK;
}

/* ---- writing ------------------------------------------------------------- */

/* v as n digits, with leading zeros. */
static char *put_digits(char *w, unsigned v, int n)
{
    for (int i = n - 1; i >= 0; i--, v /= 10)
        w[i] = (char)('0' + v % 10);
    return w + n;
}

void date_iso(struct date d, char out[DATE_TEXT])
{
    assert(date_valid(d));
    char *w = put_digits(out, (unsigned)d.year, 4);
    if (d.month != 0) {
        *w++ = '-';
        w = put_digits(w, d.month, 2);
    }
    if (d.day != 0) {
        *w++ = '-';
        w = put_digits(w, d.day, 2);
    }
    *w = '\0';
}

static const struct era *era_of_day(struct date d)
{
    for (size_t i = NELEM(ERAS); i-- > 0;)
        if (as_number(d) >= ERAS[i].begin)
            return &ERAS[i];
    return NULL;
}

void date_ja(struct date d, char out[40])
{
    assert(date_valid(d));
    const struct era *era = era_of_day(d);
    if (d.month == 0) {
        snprintf(out, 40, "%d年", d.year);
    } else if (d.day == 0) {
        snprintf(out, 40, "%d年%d月", d.year, d.month);
    } else if (era == NULL || d.year < GREGORIAN_FROM) {
        snprintf(out, 40, "%d年%d月%d日", d.year, d.month, d.day);
    } else {
        char year[8] = "元";
        int n = d.year - era->begin / 10000 + 1;
        if (n > 1)
            snprintf(year, sizeof(year), "%d", n % 10000);
        snprintf(out, 40, "%s%s年%d月%d日", era->name, year, d.month, d.day);
    }
}

/* ---- times --------------------------------------------------------------- */

struct date date_of_ms(uint64_t wall_ms)
{
    uint64_t ms = wall_ms > LAST_MS ? LAST_MS : wall_ms;
    return date_from_days(japan_day(ms));
}

int32_t japan_day(uint64_t ms)
{
    return (int32_t)((ms + JST_MS) / DAY_MS);
}

uint64_t japan_day_begins(int32_t day)
{
    int64_t ms = (int64_t)day * (int64_t)DAY_MS - (int64_t)JST_MS;
    return ms > 0 ? (uint64_t)ms : 0;
}

void time_jst(uint64_t wall_ms, char out[TIME_TEXT])
{
    uint64_t ms = wall_ms > LAST_MS ? LAST_MS : wall_ms;
    unsigned s = (unsigned)((ms + JST_MS) % DAY_MS / 1000);
    char *w = out;
    date_iso(date_of_ms(ms), w);
    w += 10;
    *w++ = 'T';
    w = put_digits(w, s / 3600, 2);
    *w++ = ':';
    w = put_digits(w, s / 60 % 60, 2);
    *w++ = ':';
    w = put_digits(w, s % 60, 2);
    memcpy(w, "+09:00", 7);
}

struct clock_time {
    struct date day;
    int hour, minute, second, milli;
    int offset; /* minutes east */
};

/* Follows a pattern in which 9 stands for a digit. */
static bool fits(const char *p, const char *pattern)
{
    for (; *pattern != '\0'; p++, pattern++)
        if (*pattern == '9' ? !is_digit(*p) : *p != *pattern)
            return false;
    return true;
}

/* Takes ".fff" of any length up to nine digits, to the millisecond. */
static bool take_fraction(const char **p, int *milli)
{
    if (**p != '.')
        return true;
    const char *f = ++*p;
    size_t n = count_digits(f);
    if (n < 1 || n > 9)
        return false;
    for (size_t i = 0; i < 3; i++)
        *milli = *milli * 10 + (i < n ? f[i] - '0' : 0);
    *p += n;
    return true;
}

/* Takes +09:00 (colon) or +0900. */
static bool take_offset(const char **p, bool colon, int *minutes)
{
    const char *s = *p;
    if (*s != '+' && *s != '-')
        return false;
    if (!fits(s + 1, colon ? "99:99" : "9999"))
        return false;
    int h = number(s + 1, 2), m = number(s + (colon ? 4 : 3), 2);
    *minutes = (h * 60 + m) * (*s == '-' ? -1 : 1);
    *p += colon ? 6 : 5;
    return h <= 23 && m <= 59;
}

static bool in_range(const struct clock_time *t)
{
    return t->hour < 24 && t->minute < 60 && t->second < 60;
}

/* Negative before 1970. */
static int64_t to_ms(const struct clock_time *t)
{
    int64_t s = (int64_t)date_days(t->day) * 86400 + t->hour * 3600 +
                t->minute * 60 + t->second - t->offset * 60;
    return s * 1000 + t->milli;
}

static struct date ymd(const char *p, size_t month_at, size_t day_at)
{
    return (struct date){.year = (int16_t)number(p, 4),
                         .month = (uint8_t)number(p + month_at, 2),
                         .day = (uint8_t)number(p + day_at, 2)};
}

static bool is_day(struct date d)
{
    return d.month != 0 && d.day != 0 && date_valid(d);
}

enum err time_parse(const char *rfc3339, uint64_t *wall_ms)
{
    assert(rfc3339 != NULL && wall_ms != NULL);
    const char *p = rfc3339;
    bool shape =
        fits(p, "9999-99-99T99:99:99") || fits(p, "9999-99-99t99:99:99");
    if (!shape)
        return ERR_VAL_TIME;
    struct clock_time t = {.day = ymd(p, 5, 8),
                           .hour = number(p + 11, 2),
                           .minute = number(p + 14, 2),
                           .second = number(p + 17, 2)};
    p += 19;
    if (!take_fraction(&p, &t.milli))
        return ERR_VAL_TIME;
    if (*p == 'Z' || *p == 'z')
        p++;
    else if (!take_offset(&p, true, &t.offset))
        return ERR_VAL_TIME;
    if (*p != '\0' || !is_day(t.day) || !in_range(&t) || to_ms(&t) < 0)
        return ERR_VAL_TIME;
    *wall_ms = (uint64_t)to_ms(&t);
    return ERR_OK;
}

/* What follows YYYYMMDD in an HL7 time. */
static bool read_hl7_rest(const char *p, struct clock_time *t)
{
    if (fits(p, "9999")) {
        t->hour = number(p, 2);
        t->minute = number(p + 2, 2);
        p += 4;
        if (fits(p, "99")) {
            t->second = number(p, 2);
            p += 2;
            if (!take_fraction(&p, &t->milli))
                return false;
        }
    }
    if (*p == '\0')
        return true;
    return take_offset(&p, false, &t->offset) && *p == '\0';
}

enum err time_parse_hl7(struct slice s, uint64_t *wall_ms, struct date *d)
{
    char text[40];
    if (s.n >= sizeof(text) || s.n < 8 || memchr(s.p, 0, s.n) != NULL)
        return ERR_VAL_TIME;
    memcpy(text, s.p, s.n);
    text[s.n] = '\0';
    if (!fits(text, "99999999"))
        return ERR_VAL_TIME;
    struct clock_time t = {.day = ymd(text, 4, 6), .offset = 540};
    if (!is_day(t.day))
        return ERR_VAL_DATE;
    if (!read_hl7_rest(text + 8, &t) || !in_range(&t))
        return ERR_VAL_TIME;
    int64_t ms = to_ms(&t);
    if (wall_ms != NULL)
        *wall_ms = ms < 0 ? 0 : (uint64_t)ms;
    if (d != NULL)
        *d = t.day;
    return ERR_OK;
}
