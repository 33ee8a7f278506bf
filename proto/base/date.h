/* date.h - calendar dates: ISO 8601 and era years (和暦), and JST time.
 * Eras and forms accepted: proto/FIELD.md. */
#ifndef TSUNAGI_BASE_DATE_H
#define TSUNAGI_BASE_DATE_H
#include "proto/base/buf.h"
struct date {
    int16_t year;       /* Gregorian */
    uint8_t month, day; /* 0 when the precision does not reach them */
    bool era;           /* written in era years */
    bool overrun;       /* era year past the era's end (平成33年) */
};
/* Reads any accepted form: 2026-04-01 2026/4/1 20260401 2026-04 2026
 * R8.4.1 R080401 令和8年4月1日 令和元年 ㋿8.4.1 5080401, full-width
 * digits. ERR_VAL_DATE_FORM unknown form, ERR_VAL_DATE impossible date. */
enum err date_parse(struct slice utf8, struct date *out) MUST_CHECK;
bool date_valid(struct date d);
#define DATE_TEXT 11
void date_iso(struct date d, char out[DATE_TEXT]); /* as precise as d */
/* 令和8年4月1日; before Meiji 6 or imprecise: the Gregorian form. */
void date_ja(struct date d, char out[40]);
/* Days since 1970-01-01. */
int32_t date_days(struct date d);
struct date date_from_days(int32_t days);
struct date date_of_ms(uint64_t wall_ms); /* the day in Japan */
/* The same as days since 1970, and the moment at which one begins in Japan (0
 * before 1970). */
int32_t japan_day(uint64_t wall_ms);
uint64_t japan_day_begins(int32_t day);
#define DAY_MS 86400000ull
#define TIME_TEXT 30
void time_jst(uint64_t wall_ms,
              char out[TIME_TEXT]); /* 2026-04-01T09:00:00+09:00 */
/* RFC 3339 with an offset. ERR_VAL_TIME. */
enum err time_parse(const char *rfc3339, uint64_t *wall_ms) MUST_CHECK;
/* HL7 TS: YYYYMMDD[HHMM[SS[.fff]]][+ZZZZ], Japan time when no offset. Either
 * output may be NULL; *d is the day as written; *wall_ms is 0 before 1970.
 * ERR_VAL_TIME, ERR_VAL_DATE. */
enum err time_parse_hl7(struct slice s, uint64_t *wall_ms,
                        struct date *d) MUST_CHECK;
#endif
