/* utf8.h - one character at a time; for the text modules of this floor. */
#ifndef TSUNAGI_BASE_UTF8_H
#define TSUNAGI_BASE_UTF8_H
#include "proto/base/buf.h"

#define UTF8_BAD 0xffffffffu

/* Takes one character off the front of *s. UTF8_BAD for anything RFC 3629
 * forbids (overlong, surrogate, above 10FFFF, cut off); *s then stays where
 * it was. s->n > 0. */
static inline uint32_t utf8_next(struct slice *s)
{
    static const uint32_t LEAST[] = {0, 0x80, 0x800, 0x10000};
    uint8_t c = s->p[0];
    size_t more = c < 0x80 ? 0 : c < 0xe0 ? 1 : c < 0xf0 ? 2 : 3;
    if ((c >= 0x80 && c < 0xc2) || c > 0xf4 || s->n < more + 1)
        return UTF8_BAD;
    uint32_t u = more == 0 ? c : c & (0x3fu >> more);
    for (size_t i = 1; i <= more; i++) {
        if ((s->p[i] & 0xc0) != 0x80)
            return UTF8_BAD;
        u = u << 6 | (s->p[i] & 0x3fu);
    }
    if (u < LEAST[more] || u > 0x10ffff || (u >= 0xd800 && u <= 0xdfff))
        return UTF8_BAD;
    s->p += more + 1;
    s->n -= more + 1;
    return u;
}

static inline size_t utf8_put(uint32_t u, uint8_t out[4])
{
    size_t n = u < 0x80 ? 1 : u < 0x800 ? 2 : u < 0x10000 ? 3 : 4;
    for (size_t i = n; i-- > 1; u >>= 6)
        out[i] = (uint8_t)(0x80 | (u & 0x3f));
    static const uint8_t LEAD[] = {0, 0, 0xc0, 0xe0, 0xf0};
    out[0] = (uint8_t)(LEAD[n] | u);
    return n;
}

static inline void utf8_add(struct buf *b, uint32_t u)
{
    uint8_t c[4];
    buf_add(b, c, utf8_put(u, c));
}

/* Gaiji: not the variation selectors of plane 14. */
static inline bool utf8_is_private(uint32_t u)
{
    return (u >= 0xe000 && u <= 0xf8ff) || (u >= 0xf0000 && u != UTF8_BAD);
}

/* Full-width digits, letters and signs as their ASCII forms. */
static inline uint32_t utf8_narrow(uint32_t u)
{
    return u >= 0xff01 && u <= 0xff5e ? u - 0xfee0 : u == 0x3000 ? ' ' : u;
}

/* Everything that people type for a hyphen. */
static inline bool utf8_is_hyphen(uint32_t u)
{
    return u == '-' || (u >= 0x2010 && u <= 0x2015) || u == 0x2212 ||
           u == 0x2500 || u == 0x30fc || u == 0xff0d || u == 0xff70;
}
#endif
