/* er7.c - HL7 v2.x encoding rules (chapter 2), reading only.
 *
 * MSH-18 as Japanese systems write it: empty or ASCII; "~ISO IR87" (ASCII by
 * default, JIS X 0208 by escape sequences) with MSH-20 "ISO 2022-1994";
 * "UNICODE UTF-8". To find MSH-18 before decoding, the first segment is walked
 * with an eye on the escape sequences, for a facility's name may be in kanji.
 * Delimiters are single ASCII characters from MSH-1 and MSH-2, so in UTF-8
 * they cannot be part of another character. */
#include "adapters/hospital/er7.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define ESC 0x1b
#define SEGMENTS_MAX 5000

enum charset { ASCII, ISO2022, UTF8 };

struct er7 {
    char *text; /* decoded */
    struct er7_piece *segment;
    size_t n;
    char field, component, repetition, escape, sub; /* delimiters */
    bool closed, utf8;
};

/* ---- the first segment, undecoded ---------------------------------------- */
static bool starts_msh(const uint8_t *p, size_t n)
{
    return n >= 9 && memcmp(p, "MSH", 3) == 0;
}

static struct er7_piece raw_field(const uint8_t *p, size_t n, unsigned field)
{
    struct er7_piece out = {"", 0};
    bool wide = false;
    unsigned at = 1; /* the separator after MSH is field 1 itself */
    size_t begin = 4;
    if (!starts_msh(p, n) || field < 2)
        return out;
    for (size_t i = 3; i <= n; i++) {
        bool end = i == n || p[i] == '\r' || p[i] == '\n';
        if (!end && p[i] == ESC && i + 2 < n) {
            wide = p[i + 1] == '$';
            i += 2;
            continue;
        }
        if (!end && (wide || p[i] != p[3]))
            continue;
        if (at == field && i > 3)
            return (struct er7_piece){(const char *)p + begin, i - begin};
        if (end)
            return out;
        at++;
        begin = i + 1;
    }
    return out;
}

void er7_peek(const uint8_t *p, size_t n, unsigned field, char *out,
              size_t room)
{
    struct er7_piece f = raw_field(p, n, field);
    out[0] = '\0';
    if (f.n >= room)
        return;
    for (size_t i = 0; i < f.n; i++)
        if (f.p[i] < 0x20 || f.p[i] > 0x7e)
            return;
    memcpy(out, f.p, f.n);
    out[f.n] = '\0';
}

/* ---- character set ---------------------------------------------------------
 */
static bool named(const char *p, size_t n, const char *name)
{
    return strlen(name) == n && strncasecmp(p, name, n) == 0;
}

static bool one_charset(const char *p, size_t n, enum charset *out)
{
    static const struct {
        const char *name;
        enum charset is;
    } KNOWN[] = {
        {"", ASCII},
        {"ASCII", ASCII},
        {"ISO IR6", ASCII},
        {"ISO IR87", ISO2022},
        {"ISO IR14", ISO2022},
        {"ISO IR13", ISO2022},
        {"UNICODE UTF-8", UTF8},
        {"UTF-8", UTF8},
    };
    for (size_t i = 0; i < sizeof(KNOWN) / sizeof(KNOWN[0]); i++)
        if (named(p, n, KNOWN[i].name)) {
            if (KNOWN[i].is > *out)
                *out = KNOWN[i].is;
            return true;
        }
    return false;
}

static tsunagi_code find_charset(const uint8_t *p, size_t n, enum charset *out)
{
    struct er7_piece f = raw_field(p, n, 18), way = raw_field(p, n, 20);
    char repetition = (char)p[5]; /* MSH|^~ */
    *out = ASCII;
    for (size_t i = 0, begin = 0; i <= f.n; i++) {
        if (i < f.n && f.p[i] != repetition)
            continue;
        if (!one_charset(f.p + begin, i - begin, out))
            return "E-TXT-001";
        begin = i + 1;
    }
    if (way.n > 0 && !named(way.p, way.n, "ISO 2022-1994"))
        return "E-TXT-001";
    return NULL;
}

static tsunagi_code decode(const uint8_t *p, size_t n, enum charset set,
                           char **out)
{
    if (memchr(p, '\0', n) != NULL)
        return "E-TXT-002";
    if (set == ISO2022)
        return tsunagi_from_iso2022jp(p, n, out);
    if (set == ASCII)
        for (size_t i = 0; i < n; i++)
            if (p[i] >= 0x80 || p[i] == ESC)
                return "E-TXT-001";
    if (set == UTF8 && tsunagi_check_utf8(p, n) != NULL)
        return "E-TXT-002";
    *out = strndup((const char *)p, n);
    return *out == NULL ? "E-INT-002" : NULL;
}

/* ---- splitting -------------------------------------------------------------
 */
static bool is_delimiter(char c)
{
    return c > 0x20 && c < 0x7f &&
           !((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
             (c >= 'a' && c <= 'z'));
}

static tsunagi_code find_delimiters(struct er7 *m)
{
    const char *t = m->text;
    m->field = t[3];
    for (size_t i = 3; i < 8; i++) {
        if (!is_delimiter(t[i]))
            return "E-HL7-005";
        for (size_t j = 3; j < i; j++)
            if (t[i] == t[j])
                return "E-HL7-005";
    }
    m->component = t[4];
    m->repetition = t[5];
    m->escape = t[6];
    m->sub = t[7];
    return t[8] == m->field ? NULL : "E-HL7-005";
}

static bool add_segment(struct er7 *m, const char *p, size_t n)
{
    if (n == 0)
        return true;
    if (m->n % 32 == 0) {
        struct er7_piece *grown =
            realloc(m->segment, (m->n + 32) * sizeof(*grown));
        if (grown == NULL)
            return false;
        m->segment = grown;
    }
    m->segment[m->n++] = (struct er7_piece){p, n};
    return true;
}

static tsunagi_code split(struct er7 *m)
{
    const char *p = m->text;
    for (;;) {
        size_t len = strcspn(p, "\r\n");
        if (m->n >= SEGMENTS_MAX)
            return "E-MLP-002";
        if (!add_segment(m, p, len))
            return "E-INT-002";
        m->closed = len == 0;
        if (p[len] == '\0')
            return NULL;
        p += len + 1;
    }
}

tsunagi_code er7_parse(const uint8_t *p, size_t n, struct er7 **out)
{
    assert(out != NULL);
    enum charset set;
    *out = NULL;
    if (!starts_msh(p, n))
        return "E-HL7-001";
    tsunagi_code code = find_charset(p, n, &set);
    if (code != NULL)
        return code;
    struct er7 *m = calloc(1, sizeof(*m));
    if (m == NULL)
        return "E-INT-002";
    m->utf8 = set == UTF8;
    code = decode(p, n, set, &m->text);
    if (code == NULL)
        code = strlen(m->text) < 9 ? "E-HL7-001" : find_delimiters(m);
    if (code == NULL)
        code = split(m);
    if (code != NULL)
        er7_free(&m);
    *out = m;
    return code;
}

void er7_free(struct er7 **mp)
{
    struct er7 *m = *mp;
    *mp = NULL;
    if (m == NULL)
        return;
    free(m->text);
    free(m->segment);
    free(m);
}

/* ---- looking up ------------------------------------------------------------
 */
size_t er7_segments(const struct er7 *m)
{
    return m->n;
}

bool er7_closed(const struct er7 *m)
{
    return m->closed;
}

bool er7_is_utf8(const struct er7 *m)
{
    return m->utf8;
}

/* The nth (from 1) of the pieces between delimiters; 0: the whole. */
static struct er7_piece nth(struct er7_piece in, char delimiter, unsigned n)
{
    if (n == 0)
        return in;
    while (--n > 0) {
        const char *d = in.n == 0 ? NULL : memchr(in.p, delimiter, in.n);
        if (d == NULL)
            return (struct er7_piece){"", 0};
        in.n -= (size_t)(d - in.p) + 1;
        in.p = d + 1;
    }
    const char *end = in.n == 0 ? NULL : memchr(in.p, delimiter, in.n);
    if (end != NULL)
        in.n = (size_t)(end - in.p);
    return in;
}

struct er7_piece er7_name(const struct er7 *m, size_t segment)
{
    assert(segment < m->n);
    return nth(m->segment[segment], m->field, 1);
}

size_t er7_find(const struct er7 *m, const char *name, size_t count)
{
    for (size_t i = 0; i < m->n; i++) {
        struct er7_piece has = er7_name(m, i);
        if (has.n == strlen(name) && memcmp(has.p, name, has.n) == 0 &&
            count-- == 0)
            return i;
    }
    return SIZE_MAX;
}

static struct er7_piece whole_field(const struct er7 *m, size_t segment,
                                    unsigned field)
{
    bool msh = segment == 0;
    if (msh && field == 1)
        return (struct er7_piece){m->segment[0].p + 3, 1};
    return nth(m->segment[segment], m->field, msh ? field : field + 1);
}

struct er7_piece er7_get(const struct er7 *m, size_t segment, struct er7_at at)
{
    if (segment >= m->n || at.field == 0)
        return (struct er7_piece){"", 0};
    struct er7_piece p = whole_field(m, segment, at.field);
    if (segment == 0 && at.field <= 2)
        return p;
    p = nth(p, m->repetition, at.repetition);
    p = nth(p, m->component, at.component);
    return nth(p, m->sub, at.sub);
}

size_t er7_repetitions(const struct er7 *m, size_t segment, unsigned field)
{
    struct er7_piece p = er7_get(m, segment, (struct er7_at){.field = field});
    size_t count = p.n > 0;
    for (size_t i = 0; i < p.n; i++)
        count += p.p[i] == m->repetition;
    return count;
}

/* ---- escapes ---------------------------------------------------------------
 */
static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool put_hex(FILE *out, const char *p, size_t n)
{
    if (n == 0 || n % 2 != 0)
        return false;
    for (size_t i = 0; i < n; i += 2) {
        int high = hex_digit(p[i]), low = hex_digit(p[i + 1]);
        if (high < 0 || low < 0 || high * 16 + low < 0x09)
            return false;
        fputc(high * 16 + low, out);
    }
    return true;
}

/* One escape without its marks. */
static bool put_escape(const struct er7 *m, FILE *out, const char *p, size_t n)
{
    static const char NAMES[] = "FSTRE";
    const char means[] = {m->field, m->component, m->sub, m->repetition,
                          m->escape};
    const char *at = n == 1 ? strchr(NAMES, p[0]) : NULL;
    if (at != NULL && *at != '\0')
        fputc(means[at - NAMES], out);
    else if (n > 1 && p[0] == 'X')
        return put_hex(out, p + 1, n - 1);
    else if (named(p, n, ".br") || named(p, n, ".sp"))
        fputc('\n', out);
    else if (!(n == 1 && (p[0] == 'H' || p[0] == 'N')))
        fprintf(out, "%c%.*s%c", m->escape, (int)n, p, m->escape);
    return true;
}

static bool put_text(const struct er7 *m, FILE *out, struct er7_piece in)
{
    while (in.n > 0) {
        const char *end = in.p[0] != m->escape || in.n == 1
                              ? NULL
                              : memchr(in.p + 1, m->escape, in.n - 1);
        size_t len = end == NULL ? 1 : (size_t)(end - in.p) + 1;
        if (end == NULL)
            fputc(in.p[0], out);
        else if (!put_escape(m, out, in.p + 1, len - 2))
            return false;
        in.p += len;
        in.n -= len;
    }
    return true;
}

tsunagi_code er7_text(const struct er7 *m, struct er7_piece piece, char **out)
{
    size_t n = 0;
    *out = NULL;
    if (piece.n == 2 && memcmp(piece.p, "\"\"", 2) == 0)
        piece.n = 0;
    FILE *f = open_memstream(out, &n);
    if (f == NULL)
        return "E-INT-002";
    bool ok = put_text(m, f, piece);
    if (fclose(f) != 0 || *out == NULL)
        return "E-INT-002";
    if (ok && (strlen(*out) != n || tsunagi_check_utf8(*out, n) != NULL))
        ok = false;
    if (ok)
        return NULL;
    free(*out);
    *out = NULL;
    return "E-HL7-005";
}
