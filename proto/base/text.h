/* text.h - Japanese text as it reaches us: UTF-8, CP932, ISO-2022-JP, kana.
 *
 * CP932 through glibc iconv under that name only (SHIFT_JIS maps 5C to the
 * yen sign). ISO-2022-JP is walked by hand and decoded as CP932, because
 * glibc's rejects NEC row 13 and the IBM extensions that hospital systems
 * emit and passes half-width kana escapes through as text. */
#ifndef TSUNAGI_BASE_TEXT_H
#define TSUNAGI_BASE_TEXT_H
#include "proto/base/buf.h"

/* ERR_PB_UTF8, ERR_PB_NUL. Overlongs, surrogates and > U+10FFFF refused. */
enum err text_check_utf8(struct slice s) MUST_CHECK;
/* Also refuses private-use characters (ERR_VAL_TEXT_PUA) and controls other
 * than tab and newline (ERR_VAL_TEXT_CONTROL). */
enum err text_check_field(struct slice s) MUST_CHECK;

/* Appends UTF-8. Refuses gaiji (ERR_VAL_TEXT_PUA), ERR_TXT_DECODE. */
enum err text_from_cp932(struct slice s, struct buf *out) MUST_CHECK;
/* ISO-2022-JP with ESC $ B, ESC $ @, ESC ( B, ESC ( J, ESC ( I.
 * ERR_TXT_ESCAPE when it ends in a shifted state or inside a pair. */
enum err text_from_iso2022jp(struct slice s, struct buf *out) MUST_CHECK;
/* Byte-order mark, then valid UTF-8, then CP932 if allowed. */
enum err text_from_unknown(struct slice s, bool cp932_allowed,
                           struct buf *out) MUST_CHECK;
/* Appends CP932. A character without a place there is reduced by the table
 * in text_cp932.c and *degraded set; with no reduction ERR_TXT_ENCODE. Never
 * '?'. */
enum err text_to_cp932(struct slice utf8, struct buf *out,
                       bool *degraded) MUST_CHECK;

/* A name's reading for comparing: full-width katakana, small kana large, long
 * marks unified, spaces removed. ERR_VAL_KANA when it holds
 * anything but kana, marks and spaces. */
enum err text_kana_key(struct slice utf8, struct buf *out) MUST_CHECK;
/* Full-width katakana for display; spaces kept as one half-width space. */
enum err text_kana(struct slice utf8, struct buf *out) MUST_CHECK;
/* NFC (libutf8proc). Names are never NFKC. */
enum err text_nfc(struct slice utf8, struct buf *out) MUST_CHECK;
/* True when the text holds a 12-digit token (half- or full-width, spaces and
 * hyphens between digits ignored) whose My Number check digit is right. */
bool text_has_mynumber(struct slice utf8);
/* Columns on a terminal (East Asian wide = 2). */
size_t text_width(struct slice utf8);
#endif
