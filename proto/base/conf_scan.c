/* conf_scan.c - the pre-pass over a configuration file.
 *
 * libconfig 1.5 calls a byte-order mark a syntax error, reads 30000000000 as
 * -64771072, and names the line after a string that CP932 broke. So the bytes
 * are checked first, then the tokens are walked by libconfig's own lexical
 * rules. @include is refused: an included file would escape this pass. */
#include "proto/base/conf_scan.h"
#include "proto/base/text.h"
#include "proto/base/utf8.h"
#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

enum { DEEPEST = 16 };

struct walk {
    const char *p, *end;
    const char *line_start;
    unsigned line;
    int depth;
    conf_flaw_fn *tell;
    void *arg;
};

static unsigned column_of(const char *line_start, const char *at)
{
    unsigned n = 1;
    for (; line_start < at; line_start++)
        n += ((unsigned char)*line_start & 0xc0) != 0x80;
    return n;
}

static void flaw(const struct walk *w, const char *at, enum err e,
                 const char *what, const char *hint)
{
    struct conf_flaw f = {e, w->line, column_of(w->line_start, at), what, hint};
    w->tell(w->arg, &f);
}

static void next(struct walk *w)
{
    if (*w->p++ == '\n') {
        w->line++;
        w->line_start = w->p;
    }
}

static char at(const struct walk *w, size_t ahead)
{
    return (size_t)(w->end - w->p) > ahead ? w->p[ahead] : '\0';
}

static struct walk walk_of(struct slice text, conf_flaw_fn *tell, void *arg)
{
    const char *p = (const char *)text.p;
    return (struct walk){p, p + text.n, p, 1, 0, tell, arg};
}

/* ---- bytes --------------------------------------------------------------- */

static bool begins(struct slice s, const char *bytes, size_t n)
{
    return s.n >= n && memcmp(s.p, bytes, n) == 0;
}

static const char *guess_charset(struct slice text)
{
    struct buf b = {0};
    enum err e = text_from_cp932(text, &b);
    buf_fini(&b);
    return e == ERR_OK ? "this file is saved as CP932 (Shift_JIS)"
                       : "a byte here is not UTF-8";
}

enum err conf_scan_bytes(struct slice text, conf_flaw_fn *tell, void *arg)
{
    static const char SAVE[] = "save it as UTF-8 without a byte-order mark";
    struct walk w = walk_of(text, tell, arg);
    const char *what = NULL;
    if (begins(text, "\xef\xbb\xbf", 3))
        what = "this file begins with a byte-order mark";
    else if (begins(text, "\xff\xfe", 2) || begins(text, "\xfe\xff", 2))
        what = "this file is saved as UTF-16";
    struct slice rest = text;
    while (what == NULL && rest.n > 0) {
        uint32_t u = utf8_next(&rest);
        if (u == UTF8_BAD)
            what = guess_charset(text);
        else if (u == 0)
            what = "a NUL byte";
        else
            while (w.p < (const char *)rest.p)
                next(&w);
    }
    if (what == NULL)
        return ERR_OK;
    flaw(&w, w.p, ERR_CONF_ENCODING, what, SAVE);
    return ERR_CONF_ENCODING;
}

/* ---- tokens -------------------------------------------------------------- */

static void skip_line(struct walk *w)
{
    while (w->p < w->end && *w->p != '\n')
        w->p++;
}

static void skip_block(struct walk *w)
{
    struct walk start = *w;
    w->p += 2;
    while (w->p < w->end && !(at(w, 0) == '*' && at(w, 1) == '/'))
        next(w);
    if (w->p < w->end)
        w->p += 2;
    else
        flaw(&start, start.p, ERR_CONF_SYNTAX, "this comment has no end",
             "close it with */");
}

/* libconfig keeps strings as C strings: \x00 would cut one short. */
static void skip_string(struct walk *w)
{
    struct walk start = *w;
    w->p++;
    while (w->p < w->end && *w->p != '"') {
        if (at(w, 0) == '\\' && at(w, 1) == 'x' && at(w, 2) == '0' &&
            at(w, 3) == '0')
            flaw(w, w->p, ERR_CONF_SYNTAX, "\\x00 cannot be in a string",
                 "remove it");
        if (at(w, 0) == '\\' && w->end - w->p > 1)
            next(w);
        next(w);
    }
    if (w->p < w->end)
        w->p++;
    else
        flaw(&start, start.p, ERR_CONF_SYNTAX, "this string has no end",
             "close it with a double quote");
}

static bool is_alpha(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '*';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_name(char c)
{
    return is_alpha(c) || is_digit(c) || c == '-' || c == '_';
}

/* text is an integer as libconfig writes them: is it read as another one? */
static void check_integer(const struct walk *w, const char *text, bool wide)
{
    bool hex = text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
    errno = 0;
    long long v = strtoll(text, NULL, hex ? 16 : 10);
    bool fits = errno == 0 && (wide || (v >= INT_MIN && v <= INT_MAX));
    if (fits)
        return;
    if (errno == 0)
        flaw(w, w->p, ERR_CONF_OVERFLOW,
             "this integer does not fit 32 bits and would be misread",
             "append L");
    else
        flaw(w, w->p, ERR_CONF_OVERFLOW, "this integer does not fit 64 bits",
             "use a smaller one");
}

/* Takes [-+]?[0-9]+L?L? or 0x...; floats and the rest are libconfig's. */
static void take_number(struct walk *w)
{
    char text[48];
    const char *p = w->p + (*w->p == '-' || *w->p == '+');
    bool hex = w->end - p > 1 && p[0] == '0' && (p[1] == 'x' || p[1] == 'X');
    const char *q = hex ? p + 2 : p;
    while (q < w->end && (is_digit(*q) || (hex && is_alpha(*q) && *q != 'L')))
        q++;
    size_t n = (size_t)(q - w->p);
    bool decimal = q < w->end && (*q == '.' || *q == 'e' || *q == 'E');
    bool wide = q < w->end && *q == 'L';
    if (!decimal && n >= sizeof(text)) {
        flaw(w, w->p, ERR_CONF_OVERFLOW, "this integer does not fit 64 bits",
             "use a smaller one");
    } else if (!decimal) {
        memcpy(text, w->p, n);
        text[n] = '\0';
        check_integer(w, text, wide);
    }
    while (q < w->end && (is_name(*q) || *q == '.' || *q == '+'))
        q++;
    w->p = q;
}

static void bracket(struct walk *w)
{
    w->depth += strchr("([{", *w->p) != NULL ? 1 : -1;
    if (w->depth == DEEPEST + 1)
        flaw(w, w->p, ERR_CONF_SYNTAX, "nested too deeply",
             "at most 16 levels");
    w->p++;
}

static void take_token(struct walk *w)
{
    char c = *w->p;
    bool sign = (c == '-' || c == '+') && is_digit(at(w, 1));
    if (c == '#' || (c == '/' && at(w, 1) == '/')) {
        skip_line(w);
    } else if (c == '/' && at(w, 1) == '*') {
        skip_block(w);
    } else if (c == '"') {
        skip_string(w);
    } else if (is_alpha(c)) {
        while (w->p < w->end && is_name(*w->p))
            w->p++;
    } else if (is_digit(c) || sign) {
        take_number(w);
    } else if (c != '\0' && strchr("()[]{}", c) != NULL) {
        bracket(w);
    } else {
        if (c == '@')
            flaw(w, w->p, ERR_CONF_SYNTAX, "@include is not used here",
                 "put everything in one file");
        next(w);
    }
}

void conf_scan_tokens(struct slice text, conf_flaw_fn *tell, void *arg)
{
    assert(tell != NULL);
    struct walk w = walk_of(text, tell, arg);
    while (w.p < w.end)
        take_token(&w);
}

/* ---- columns ------------------------------------------------------------- */

static bool is_key_at(const char *p, const char *end, const char *key)
{
    size_t n = strlen(key);
    if ((size_t)(end - p) < n || memcmp(p, key, n) != 0)
        return false;
    p += n;
    if (p < end && is_name(*p))
        return false;
    while (p < end && (*p == ' ' || *p == '\t'))
        p++;
    return p == end || *p == '=' || *p == ':' || *p == '\r' || *p == '/';
}

unsigned conf_scan_column(struct slice text, unsigned line, const char *key)
{
    const char *p = (const char *)text.p, *all = p + text.n;
    for (unsigned i = 1; i < line && p < all; i++) {
        const char *nl = memchr(p, '\n', (size_t)(all - p));
        p = nl == NULL ? all : nl + 1;
    }
    const char *nl = p < all ? memchr(p, '\n', (size_t)(all - p)) : NULL;
    const char *end = nl == NULL ? all : nl;
    for (const char *q = p; q < end; q++)
        if ((q == p || !is_name(q[-1])) && is_key_at(q, end, key))
            return column_of(p, q);
    return 1;
}
