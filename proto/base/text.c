/* text.c - what text may hold: UTF-8, controls, private characters, My Number.
 *
 * Line separators and bidirectional overrides count as controls: on a screen
 * they let a name or a dose read otherwise than it is stored. The legacy
 * character sets are in text_cp932.c, readings in text_kana.c. */
#include "proto/base/text.h"
#include "proto/base/utf8.h"
#include <stdlib.h>
#include <utf8proc.h>

enum err text_check_utf8(struct slice s)
{
    while (s.n > 0) {
        uint32_t u = utf8_next(&s);
        if (u == UTF8_BAD)
            return ERR_PB_UTF8;
        if (u == 0)
            return ERR_PB_NUL;
    }
    return ERR_OK;
}

static bool is_control(uint32_t u)
{
    if (u == '\t' || u == '\n')
        return false;
    return u < 0x20 || (u >= 0x7f && u < 0xa0) ||
           (u >= 0x2028 && u <= 0x202e) || (u >= 0x2066 && u <= 0x2069);
}

enum err text_check_field(struct slice s)
{
    enum err e = text_check_utf8(s);
    while (e == ERR_OK && s.n > 0) {
        uint32_t u = utf8_next(&s);
        if (is_control(u))
            e = ERR_VAL_TEXT_CONTROL;
        else if (utf8_is_private(u))
            e = ERR_VAL_TEXT_PUA;
    }
    return e;
}

enum err text_nfc(struct slice utf8, struct buf *out)
{
    enum err e = text_check_utf8(utf8);
    if (e != ERR_OK || utf8.n == 0)
        return e;
    utf8proc_uint8_t *s = NULL;
    utf8proc_ssize_t n = utf8proc_map(utf8.p, (utf8proc_ssize_t)utf8.n, &s,
                                      UTF8PROC_STABLE | UTF8PROC_COMPOSE);
    if (n < 0)
        return n == UTF8PROC_ERROR_NOMEM ? ERR_NOMEM : ERR_PB_UTF8;
    buf_add(out, s, (size_t)n);
    free(s);
    return out->failed ? ERR_NOMEM : ERR_OK;
}

size_t text_width(struct slice utf8)
{
    size_t width = 0;
    while (utf8.n > 0) {
        uint32_t u = utf8_next(&utf8);
        if (u == UTF8_BAD)
            break;
        int w = utf8proc_charwidth((utf8proc_int32_t)u);
        width += w > 0 ? (size_t)w : 0;
    }
    return width;
}

/* 行政手続における特定の個人を識別するための番号の…省令 5条: weights 6 5 4 3 2
 * 7 6 5 4 3 2 from the left, 11 minus the remainder, 0 for remainders 0, 1. */
static bool mynumber_fits(const uint8_t d[12])
{
    static const uint8_t WEIGHT[11] = {6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2};
    unsigned sum = 0;
    for (size_t i = 0; i < NELEM(WEIGHT); i++)
        sum += d[i] * WEIGHT[i];
    unsigned rest = sum % 11;
    return d[11] == (rest <= 1 ? 0 : 11 - rest);
}

/* At the first digit of s, which begins a group of digits: do whole groups,
 * joined over spaces and hyphens, make exactly twelve with a right check? */
static bool mynumber_at(struct slice s)
{
    uint8_t d[12];
    size_t n = 0;
    while (s.n > 0) {
        uint32_t raw = utf8_next(&s), u = utf8_narrow(raw);
        bool digit = u >= '0' && u <= '9';
        if (!digit && n == NELEM(d))
            break;
        if (digit && n == NELEM(d))
            return false;
        if (digit)
            d[n++] = (uint8_t)(u - '0');
        else if (u != ' ' && u != 0xa0 && !utf8_is_hyphen(raw))
            return false;
    }
    return n == NELEM(d) && mynumber_fits(d);
}

bool text_has_mynumber(struct slice utf8)
{
    bool in_group = false;
    while (utf8.n > 0) {
        struct slice here = utf8;
        uint32_t u = utf8_narrow(utf8_next(&utf8));
        if (u == UTF8_BAD) {
            utf8.p++; /* a broken byte must not hide the rest */
            utf8.n--;
        }
        bool digit = u >= '0' && u <= '9';
        if (digit && !in_group && mynumber_at(here))
            return true;
        in_group = digit;
    }
    return false;
}
