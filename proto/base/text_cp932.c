/* text_cp932.c - the character sets of Japanese Windows and hospital systems.
 *
 * Both decoders end in glibc's CP932. ISO-2022-JP is walked here: each pair of
 * JIS bytes becomes its Shift_JIS pair by arithmetic, so that NEC row 13 and
 * the IBM extensions (7C62 -> EEE0) are read like Windows reads them. A line
 * must be back in a single-byte set when it ends, as RFC 1468 says; what is
 * not is cut off or garbled, never guessed at. ESC ( J is read as ASCII: the
 * senders that emit it mean 5C as a delimiter, not as a yen sign.
 *
 * Encoding goes character by character. The reductions are those of the
 * 文字情報基盤縮退マップ that names need, then a variation selector is dropped,
 * then a combining mark is taken off (é -> e). Every one of them sets the
 * degraded flag. CP932's own doubles (〜 and ～ are one character of JIS X
 * 0208) do not. */
#include "proto/base/text.h"
#include "proto/base/utf8.h"
#include <assert.h>
#include <errno.h>
#include <iconv.h>
#include <string.h>
#include <utf8proc.h>

static const struct {
    uint32_t from;
    uint16_t to;
} REDUCTIONS[] = {
    /* clang-format off */
    {0x000a0, 0x0020}, /* no-break space */
    {0x000a5, 0xffe5}, /* yen sign, which glibc would make a backslash */
    {0x0203e, 0xffe3}, /* overline, which glibc would make a tilde */
    {0x03402, 0x559c}, /* 㐂 喜 */
    {0x04fe0, 0x4fa0}, /* 俠 侠 */
    {0x04ff1, 0x5036}, /* 俱 倶 */
    {0x0525d, 0x5265}, /* 剝 剥 */
    {0x0537d, 0x5373}, /* 卽 即 */
    {0x0541e, 0x5451}, /* 吞 呑 */
    {0x05433, 0x5449}, /* 吳 呉 */
    {0x0555e, 0x5516}, /* 啞 唖 */
    {0x05653, 0x5618}, /* 噓 嘘 */
    {0x05699, 0x565b}, /* 嚙 噛 */
    {0x056ca, 0x56a2}, /* 囊 嚢 */
    {0x05861, 0x586b}, /* 塡 填 */
    {0x059f8, 0x598d}, /* 姸 妍 */
    {0x05c5b, 0x5c4f}, /* 屛 屏 */
    {0x05c62, 0x5c61}, /* 屢 屡 */
    {0x05de2, 0x5de3}, /* 巢 巣 */
    {0x05e77, 0x5e76}, /* 幷 并 */
    {0x05f3a, 0x5f37}, /* 强 強 */
    {0x05f65, 0x5f66}, /* 彥 彦 */
    {0x06236, 0x6238}, /* 戶 戸 */
    {0x06414, 0x63bb}, /* 搔 掻 */
    {0x06451, 0x63b4}, /* 摑 掴 */
    {0x06522, 0x6505}, /* 攢 攅 */
    {0x065e3, 0x65e2}, /* 旣 既 */
    {0x0665a, 0x6669}, /* 晚 晩 */
    {0x069d7, 0x6a4b}, /* 槗 橋 */
    {0x069ea, 0x6982}, /* 槪 概 */
    {0x06b65, 0x6b69}, /* 步 歩 */
    {0x06b77, 0x6b74}, /* 歷 歴 */
    {0x06bcf, 0x6bce}, /* 每 毎 */
    {0x06dda, 0x6d99}, /* 淚 涙 */
    {0x06eab, 0x6e29}, /* 溫 温 */
    {0x06f51, 0x6e8c}, /* 潑 溌 */
    {0x07006, 0x6d9c}, /* 瀆 涜 */
    {0x07130, 0x7114}, /* 焰 焔 */
    {0x072c0, 0x72b6}, /* 狀 状 */
    {0x07522, 0x7523}, /* 產 産 */
    {0x07626, 0x75e9}, /* 瘦 痩 */
    {0x079b1, 0x7977}, /* 禱 祷 */
    {0x07abb, 0x7a93}, /* 窻 窓 */
    {0x07b15, 0x7b67}, /* 笕 筧 */
    {0x07c1e, 0x7baa}, /* 簞 箪 */
    {0x07de3, 0x7e01}, /* 緣 縁 */
    {0x07e61, 0x7e4d}, /* 繡 繍 */
    {0x07e6b, 0x7e4b}, /* 繫 繋 */
    {0x08354, 0x8318}, /* 荔 茘 */
    {0x0840a, 0x83b1}, /* 萊 莱 */
    {0x08523, 0x848b}, /* 蔣 蒋 */
    {0x087ec, 0x8749}, /* 蟬 蝉 */
    {0x0881f, 0x874b}, /* 蠟 蝋 */
    {0x08aaa, 0x8aac}, /* 說 説 */
    {0x08ec0, 0x8eaf}, /* 軀 躯 */
    {0x091ac, 0x91a4}, /* 醬 醤 */
    {0x092b3, 0x92ed}, /* 銳 鋭 */
    {0x095b1, 0x95b2}, /* 閱 閲 */
    {0x09830, 0x982c}, /* 頰 頬 */
    {0x0985a, 0x985b}, /* 顚 顛 */
    {0x09a52, 0x9a28}, /* 驒 騨 */
    {0x09b2d, 0x95d8}, /* 鬭 闘 */
    {0x09dd7, 0x9d0e}, /* 鷗 鴎 */
    {0x09e7c, 0x9e78}, /* 鹼 鹸 */
    {0x09eb4, 0x9eb9}, /* 麴 麹 */
    {0x09eb5, 0x9eba}, /* 麵 麺 */
    {0x09ec3, 0x9ec4}, /* 黃 黄 */
    {0x2000b, 0x4e08}, /* 𠀋 丈 */
    {0x20b9f, 0x53f1}, /* 𠮟 叱 */
    {0x20bb7, 0x5409}, /* 𠮷 吉 */
    {0x2123d, 0x571f}, /* 𡈽 土 */
    {0x2363a, 0x6a4b}, /* 𣘺 橋 */
    {0x23cfe, 0x6cf0}, /* 𣳾 泰 */
    {0x2550e, 0x7895}, /* 𥔎 碕 */
    {0x286d7, 0x90e8}, /* 𨛗 部 */
    {0x2b746, 0x4eca}, /* 𫝆 今 */
}; /* clang-format on */

/* ---- from ---------------------------------------------------------------- */

static bool is_gaiji_lead(uint8_t c)
{
    return c >= 0xf0 && c <= 0xf9;
}

static bool is_lead(uint8_t c)
{
    return (c >= 0x81 && c <= 0x9f) || (c >= 0xe0 && c <= 0xfc);
}

/* No gaiji, no NUL: what is refused before anything is converted. */
static enum err check_cp932(struct slice s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == 0)
            return ERR_TXT_DECODE;
        if (is_gaiji_lead(s.p[i]))
            return ERR_VAL_TEXT_PUA;
        if (is_lead(s.p[i]))
            i++;
    }
    return ERR_OK;
}

/* iconv(3) takes char **, though it writes to no input. */
static char *as_input(const uint8_t *p)
{
    union {
        const uint8_t *in;
        char *out;
    } u = {.in = p};
    return u.out;
}

static enum err convert(iconv_t cd, struct slice s, struct buf *out)
{
    char *in = as_input(s.p);
    size_t left = s.n;
    while (left > 0) {
        char chunk[1024], *w = chunk;
        size_t room = sizeof(chunk);
        size_t rc = iconv(cd, &in, &left, &w, &room);
        if (rc == (size_t)-1 && errno != E2BIG)
            return ERR_TXT_DECODE;
        buf_add(out, chunk, sizeof(chunk) - room);
    }
    return out->failed ? ERR_NOMEM : ERR_OK;
}

enum err text_from_cp932(struct slice s, struct buf *out)
{
    assert(out != NULL);
    enum err e = check_cp932(s);
    if (e != ERR_OK)
        return e;
    iconv_t cd = iconv_open("UTF-8", "CP932");
    if (cd == (iconv_t)-1)
        return ERR_TXT_CHARSET;
    size_t before = out->n;
    e = convert(cd, s, out);
    iconv_close(cd);
    if (e == ERR_TXT_DECODE && out->p != NULL) {
        out->n = before;
        out->p[before] = 0;
    }
    return e;
}

enum shift { SHIFT_ASCII, SHIFT_KANA, SHIFT_PAIR };

/* Takes an escape sequence off the front; *s begins with ESC. */
static enum err take_escape(struct slice *s, enum shift *shift)
{
    static const struct {
        char text[3];
        enum shift shift;
    } ESCAPES[] = {
        {"$B", SHIFT_PAIR},  {"$@", SHIFT_PAIR}, {"(B", SHIFT_ASCII},
        {"(J", SHIFT_ASCII}, {"(I", SHIFT_KANA},
    };
    if (s->n < 3)
        return ERR_TXT_ESCAPE;
    for (size_t i = 0; i < NELEM(ESCAPES); i++) {
        if (memcmp(s->p + 1, ESCAPES[i].text, 2) != 0)
            continue;
        *shift = ESCAPES[i].shift;
        s->p += 3;
        s->n -= 3;
        return ERR_OK;
    }
    return ERR_TXT_CHARSET;
}

/* A pair of 7-bit JIS bytes as its Shift_JIS pair. */
static void jis_to_sjis(uint8_t hi, uint8_t lo, uint8_t out[2])
{
    unsigned lead = (hi + 1u) / 2 + (hi < 0x5f ? 0x70 : 0xb0);
    unsigned trail =
        hi % 2 == 1 ? lo + (lo < 0x60 ? 0x1fu : 0x20u) : lo + 0x7eu;
    out[0] = (uint8_t)lead;
    out[1] = (uint8_t)trail;
}

static bool is_jis_byte(uint8_t c)
{
    return c >= 0x21 && c <= 0x7e;
}

static enum err take_pair(struct slice *s, struct buf *cp932)
{
    bool ends_early = s->p[0] == '\r' || s->p[0] == '\n' || s->n < 2 ||
                      s->p[1] == 0x1b || s->p[1] == '\r' || s->p[1] == '\n';
    if (ends_early)
        return ERR_TXT_ESCAPE;
    if (!is_jis_byte(s->p[0]) || !is_jis_byte(s->p[1]))
        return ERR_TXT_DECODE;
    uint8_t pair[2];
    jis_to_sjis(s->p[0], s->p[1], pair);
    buf_add(cp932, pair, 2);
    s->p += 2;
    s->n -= 2;
    return ERR_OK;
}

static enum err take_single(struct slice *s, enum shift shift,
                            struct buf *cp932)
{
    uint8_t c = s->p[0];
    if (shift == SHIFT_KANA && (c == '\r' || c == '\n'))
        return ERR_TXT_ESCAPE;
    if (shift == SHIFT_KANA && (c < 0x21 || c > 0x5f))
        return ERR_TXT_DECODE;
    if (c == 0x0e || c == 0x0f)
        return ERR_TXT_CHARSET;
    if (c >= 0x80)
        return ERR_TXT_DECODE;
    buf_addc(cp932, (char)(shift == SHIFT_KANA ? c | 0x80 : c));
    s->p++;
    s->n--;
    return ERR_OK;
}

static enum err walk_iso2022jp(struct slice s, struct buf *cp932)
{
    enum shift shift = SHIFT_ASCII;
    while (s.n > 0) {
        enum err e;
        if (s.p[0] == 0x1b)
            e = take_escape(&s, &shift);
        else if (shift == SHIFT_PAIR)
            e = take_pair(&s, cp932);
        else
            e = take_single(&s, shift, cp932);
        if (e != ERR_OK)
            return e;
    }
    if (shift != SHIFT_ASCII)
        return ERR_TXT_ESCAPE;
    return cp932->failed ? ERR_NOMEM : ERR_OK;
}

enum err text_from_iso2022jp(struct slice s, struct buf *out)
{
    assert(out != NULL);
    struct buf cp932 = {0};
    enum err e = walk_iso2022jp(s, &cp932);
    if (e == ERR_OK)
        e = text_from_cp932(buf_slice(&cp932), out);
    buf_fini(&cp932);
    return e;
}

enum err text_from_unknown(struct slice s, bool cp932_allowed, struct buf *out)
{
    assert(out != NULL);
    if (s.n >= 2 &&
        (memcmp(s.p, "\xff\xfe", 2) == 0 || memcmp(s.p, "\xfe\xff", 2) == 0))
        return ERR_TXT_CHARSET; /* UTF-16 */
    bool marked = s.n >= 3 && memcmp(s.p, "\xef\xbb\xbf", 3) == 0;
    if (marked)
        s = slice_of(s.p + 3, s.n - 3);
    enum err e = text_check_utf8(s);
    if (e == ERR_OK) {
        buf_add(out, s.p, s.n);
        return out->failed ? ERR_NOMEM : ERR_OK;
    }
    if (e == ERR_PB_UTF8 && cp932_allowed && !marked)
        return text_from_cp932(s, out);
    return e;
}

/* ---- to ------------------------------------------------------------------ */

/* True and appended when CP932 has the character. */
static bool put_plain(iconv_t cd, uint32_t u, struct buf *out)
{
    uint8_t in[4];
    char bytes[4], *w = bytes;
    size_t left = utf8_put(u, in), room = sizeof(bytes);
    char *r = as_input(in);
    if (u == 0xa5 || u == 0x203e)
        return false;
    if (iconv(cd, &r, &left, &w, &room) == (size_t)-1) {
        iconv(cd, NULL, NULL, NULL, NULL);
        return false;
    }
    buf_add(out, bytes, sizeof(bytes) - room);
    return true;
}

static uint32_t reduction_of(uint32_t u)
{
    for (size_t i = 0; i < NELEM(REDUCTIONS); i++)
        if (REDUCTIONS[i].from == u)
            return REDUCTIONS[i].to;
    return 0;
}

static bool is_variation_selector(uint32_t u)
{
    return (u >= 0xfe00 && u <= 0xfe0f) || (u >= 0xe0100 && u <= 0xe01ef);
}

/* The base of a decomposable character (é, a compatibility ideograph). */
static bool put_base(iconv_t cd, uint32_t u, struct buf *out)
{
    utf8proc_int32_t parts[8];
    utf8proc_ssize_t n =
        utf8proc_decompose_char((utf8proc_int32_t)u, parts, NELEM(parts),
                                UTF8PROC_DECOMPOSE | UTF8PROC_STRIPMARK, NULL);
    if (n != 1 || parts[0] == (utf8proc_int32_t)u)
        return false;
    return put_plain(cd, (uint32_t)parts[0], out);
}

static bool is_mark(uint32_t u)
{
    utf8proc_category_t c = utf8proc_category((utf8proc_int32_t)u);
    return c == UTF8PROC_CATEGORY_MN;
}

static enum err put_reduced(iconv_t cd, uint32_t u, struct buf *out)
{
    uint32_t other = reduction_of(u);
    if (other != 0 && put_plain(cd, other, out))
        return ERR_OK;
    if (is_variation_selector(u) || is_mark(u))
        return ERR_OK;
    return put_base(cd, u, out) ? ERR_OK : ERR_TXT_ENCODE;
}

/* Joins a kana with the combining sound mark that follows it. */
static uint32_t join_mark(uint32_t u, struct slice *s)
{
    struct slice rest = *s;
    uint32_t mark = rest.n > 0 ? utf8_next(&rest) : 0;
    if (mark != 0x3099 && mark != 0x309a)
        return u;
    utf8proc_int32_t pair[2] = {(utf8proc_int32_t)u, (utf8proc_int32_t)mark};
    if (utf8proc_normalize_utf32(pair, 2, UTF8PROC_STABLE | UTF8PROC_COMPOSE) !=
        1)
        return u;
    *s = rest;
    return (uint32_t)pair[0];
}

static enum err encode_all(iconv_t cd, struct slice s, struct buf *out,
                           bool *degraded)
{
    while (s.n > 0) {
        uint32_t u = join_mark(utf8_next(&s), &s);
        if (utf8_is_private(u))
            return ERR_VAL_TEXT_PUA;
        if (put_plain(cd, u, out))
            continue;
        *degraded = true;
        enum err e = put_reduced(cd, u, out);
        if (e != ERR_OK)
            return e;
    }
    return out->failed ? ERR_NOMEM : ERR_OK;
}

enum err text_to_cp932(struct slice utf8, struct buf *out, bool *degraded)
{
    assert(out != NULL && degraded != NULL);
    *degraded = false;
    enum err e = text_check_utf8(utf8);
    if (e != ERR_OK)
        return e;
    iconv_t cd = iconv_open("CP932", "UTF-8");
    if (cd == (iconv_t)-1)
        return ERR_TXT_CHARSET;
    struct buf bytes = {0};
    e = encode_all(cd, utf8, &bytes, degraded);
    iconv_close(cd);
    if (e == ERR_OK)
        buf_add(out, bytes.p, bytes.n);
    buf_fini(&bytes);
    return e == ERR_OK && out->failed ? ERR_NOMEM : e;
}
