/* text_kana.c - readings of names, for showing and for comparing.
 *
 * A reading arrives as half-width kana with separate sound marks (old hospital
 * systems), as hiragana, or as full-width katakana. All become full-width
 * katakana. The comparing key goes further, because half-width systems lose
 * small kana and every long mark that a keyboard has gets used; it never joins
 * ヴ with ブ or ヂ with ジ, which are near matches for a person to judge. */
#include "proto/base/text.h"
#include "proto/base/utf8.h"
#include <assert.h>

enum {
    LONG_MARK = 0x30fc,
    MIDDLE_DOT = 0x30fb,
    VOICED = 0x3099,
    HALF = 0x309a
};

/* U+FF66 .. U+FF9D. */
static const uint16_t HALF_WIDTH[] = {
    /* clang-format off */
    0x30f2, 0x30a1, 0x30a3, 0x30a5, 0x30a7, 0x30a9, 0x30e3, 0x30e5, 0x30e7,
    0x30c3, 0x30fc, 0x30a2, 0x30a4, 0x30a6, 0x30a8, 0x30aa, 0x30ab, 0x30ad,
    0x30af, 0x30b1, 0x30b3, 0x30b5, 0x30b7, 0x30b9, 0x30bb, 0x30bd, 0x30bf,
    0x30c1, 0x30c4, 0x30c6, 0x30c8, 0x30ca, 0x30cb, 0x30cc, 0x30cd, 0x30ce,
    0x30cf, 0x30d2, 0x30d5, 0x30d8, 0x30db, 0x30de, 0x30df, 0x30e0, 0x30e1,
    0x30e2, 0x30e4, 0x30e6, 0x30e8, 0x30e9, 0x30ea, 0x30eb, 0x30ec, 0x30ed,
    0x30ef, 0x30f3,
}; /* clang-format on */

/* U+31F0 .. U+31FF, the small kana of Ainu names, as large ones. */
static const uint16_t AINU_LARGE[] = {
    /* clang-format off */
    0x30af, 0x30b7, 0x30b9, 0x30c8, 0x30cc, 0x30cf, 0x30d2, 0x30d5,
    0x30d8, 0x30db, 0x30e0, 0x30e9, 0x30ea, 0x30eb, 0x30ec, 0x30ed,
}; /* clang-format on */

static bool is_space(uint32_t u)
{
    return u == ' ' || u == 0x3000 || u == 0xa0 || u == '\t';
}

/* One character as full-width katakana, a sound mark or a long mark; 0 when it
 * does not belong in a reading. */
static uint32_t to_katakana(uint32_t u)
{
    if (utf8_is_hyphen(u))
        return LONG_MARK;
    if (u >= 0x3041 && u <= 0x3096)
        return u + 0x60;
    if (u == 0x309d || u == 0x309e)
        return u + 0x60;
    if (u >= 0xff66 && u <= 0xff9d)
        return HALF_WIDTH[u - 0xff66];
    if (u == 0xff65 || u == MIDDLE_DOT)
        return MIDDLE_DOT;
    if (u == 0xff9e || u == 0x309b || u == VOICED)
        return VOICED;
    if (u == 0xff9f || u == 0x309c || u == HALF)
        return HALF;
    bool katakana = (u >= 0x30a1 && u <= 0x30fa) || u == 0x30fd || u == 0x30fe;
    return katakana || (u >= 0x31f0 && u <= 0x31ff) ? u : 0;
}

static bool is_ha_row(uint32_t u)
{
    return u >= 0x30cf && u <= 0x30db && (u - 0x30cf) % 3 == 0;
}

/* カ to チ hold each plain kana at an odd place, ツ to ト at an even one. */
static bool is_voiceable(uint32_t u)
{
    return (u >= 0x30ab && u <= 0x30c1 && u % 2 == 1) || u == 0x30c4 ||
           u == 0x30c6 || u == 0x30c8 || u == 0x30fd;
}

/* The kana that base and sound mark make together, 0 when there is none. */
static uint32_t compose(uint32_t base, uint32_t mark)
{
    if (mark == HALF)
        return is_ha_row(base) ? base + 2 : 0;
    if (is_voiceable(base) || is_ha_row(base))
        return base + 1;
    switch (base) {
    case 0x30a6:
        return 0x30f4; /* ウ ヴ */
    case 0x30ef:
        return 0x30f7; /* ワ ヷ */
    case 0x30f0:
        return 0x30f8; /* ヰ ヸ */
    case 0x30f1:
        return 0x30f9; /* ヱ ヹ */
    case 0x30f2:
        return 0x30fa; /* ヲ ヺ */
    default:
        return 0;
    }
}

static uint32_t enlarge(uint32_t u)
{
    bool small_vowel = u >= 0x30a1 && u <= 0x30a9 && u % 2 == 1;
    bool small_y = u == 0x30e3 || u == 0x30e5 || u == 0x30e7;
    if (small_vowel || small_y || u == 0x30c3 || u == 0x30ee)
        return u + 1;
    if (u == 0x30f5)
        return 0x30ab;
    if (u == 0x30f6)
        return 0x30b1;
    if (u >= 0x31f0 && u <= 0x31ff)
        return AINU_LARGE[u - 0x31f0];
    return u;
}

static void put_kana(uint32_t u, bool key, struct buf *out)
{
    if (u == 0 || (key && (u == ' ' || u == MIDDLE_DOT)))
        return;
    utf8_add(out, key ? enlarge(u) : u);
}

/* `held` waits for the sound mark that may follow it. */
static enum err walk(struct slice s, bool key, struct buf *out)
{
    uint32_t held = 0;
    while (s.n > 0) {
        uint32_t raw = utf8_next(&s);
        if (raw == UTF8_BAD)
            return ERR_PB_UTF8;
        uint32_t u = is_space(raw) ? ' ' : to_katakana(raw);
        if (u == VOICED || u == HALF) {
            held = compose(held, u);
            if (held == 0)
                return ERR_VAL_KANA;
            continue;
        }
        if (u == 0)
            return ERR_VAL_KANA;
        if (u == ' ' && held == ' ')
            continue;
        put_kana(held, key, out);
        held = u;
    }
    put_kana(held, key, out);
    return out->failed ? ERR_NOMEM : ERR_OK;
}

static enum err convert(struct slice utf8, bool key, struct buf *out)
{
    assert(out != NULL);
    struct buf text = {0};
    enum err e = walk(utf8, key, &text);
    if (e == ERR_OK)
        buf_add(out, text.p, text.n);
    buf_fini(&text);
    return e == ERR_OK && out->failed ? ERR_NOMEM : e;
}

enum err text_kana_key(struct slice utf8, struct buf *out)
{
    return convert(utf8, true, out);
}

enum err text_kana(struct slice utf8, struct buf *out)
{
    return convert(utf8, false, out);
}
