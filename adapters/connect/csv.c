/* csv.c - CSV reading by libcsv in strict mode, and writing.
 *
 * The character set is decided for the whole file (valid UTF-8, else CP932),
 * the bytes are split first and each cell decoded after: in CP932 no second
 * byte is a comma, a quote or a line end (they begin at 40), so splitting is
 * safe, and a fault of one cell has a row and a column. libcsv is fed one line
 * at a time, for it does not say where it stopped. */
#include "adapters/connect/csv.h"
#include <assert.h>
#include <csv.h>
#include <stdlib.h>
#include <string.h>

#define COLS_MAX 256
#define ROWS_MAX 20000

struct row {
    unsigned line;
    size_t n;
    char **cell;
};

struct table {
    struct row *row; /* row[0] is the header */
    size_t n, room;
};

struct reader {
    struct table *t;
    struct row now;
    unsigned line;
    bool utf8, empty;
    struct table_fault *fault;
};

/* ---- reading ------------------------------------------------------------ */
static void row_fini(struct row *r)
{
    for (size_t i = 0; i < r->n; i++)
        free(r->cell[i]);
    free(r->cell);
    *r = (struct row){0};
}

void table_free(struct table **tp)
{
    struct table *t = *tp;
    *tp = NULL;
    if (t == NULL)
        return;
    for (size_t i = 0; i < t->n; i++)
        row_fini(&t->row[i]);
    free(t->row);
    free(t);
}

static void fail_at(struct reader *rd, tsunagi_code code, size_t column)
{
    if (rd->fault->code != NULL)
        return;
    rd->fault->code = code;
    rd->fault->line = rd->line;
    rd->fault->column = (unsigned)column;
}

/* Outer spaces, the full-width one too, mean nothing in a cell. */
static void trim(char *s)
{
    static const char WIDE[] = "\xE3\x80\x80";
    char *from = s;
    while (*from == ' ' || *from == '\t' || strncmp(from, WIDE, 3) == 0)
        from += *from == WIDE[0] ? 3 : 1;
    size_t n = strlen(from);
    for (;;) {
        if (n > 0 && (from[n - 1] == ' ' || from[n - 1] == '\t'))
            n--;
        else if (n >= 3 && memcmp(from + n - 3, WIDE, 3) == 0)
            n -= 3;
        else
            break;
    }
    memmove(s, from, n);
    s[n] = '\0';
}

static tsunagi_code decode(const struct reader *rd, const char *p, size_t n,
                           char **out)
{
    *out = NULL;
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)p[i] < 0x20 && strchr("\t\r\n", p[i]) == NULL)
            return "E-VAL-011";
    if (memchr(p, '\0', n) != NULL)
        return "E-VAL-011";
    if (!rd->utf8)
        return tsunagi_from_cp932(p, n, out);
    *out = strndup(p, n);
    return *out == NULL ? "E-INT-002" : NULL;
}

static void on_cell(void *p, size_t n, void *self)
{
    struct reader *rd = self;
    char *text = NULL;
    if (rd->fault->code != NULL)
        return;
    size_t column = rd->now.n + 1;
    if (column > COLS_MAX) {
        fail_at(rd, "E-CSV-002", column);
        return;
    }
    char **grown = realloc(rd->now.cell, column * sizeof(*grown));
    if (grown == NULL) {
        fail_at(rd, "E-INT-002", column);
        return;
    }
    rd->now.cell = grown;
    tsunagi_code code = decode(rd, p == NULL ? "" : p, n, &text);
    if (code != NULL) {
        free(text);
        fail_at(rd, code, column);
        return;
    }
    trim(text);
    rd->empty = rd->empty && text[0] == '\0';
    rd->now.cell[rd->now.n++] = text;
}

static bool keep_row(struct reader *rd)
{
    struct table *t = rd->t;
    if (t->n == t->room) {
        size_t room = t->room == 0 ? 64 : t->room * 2;
        struct row *grown = realloc(t->row, room * sizeof(*grown));
        if (grown == NULL)
            return false;
        t->row = grown;
        t->room = room;
    }
    t->row[t->n++] = rd->now;
    rd->now = (struct row){0};
    return true;
}

static void on_row(int end, void *self)
{
    struct reader *rd = self;
    (void)end;
    if (rd->fault->code != NULL)
        return;
    bool skip = rd->empty;
    if (!skip && rd->t->n > 0 && rd->now.n != rd->t->row[0].n)
        fail_at(rd, "E-CSV-002", 0);
    else if (!skip && rd->t->n > ROWS_MAX)
        fail_at(rd, "E-FIL-001", 0);
    else if (!skip && !keep_row(rd))
        fail_at(rd, "E-INT-002", 0);
    row_fini(&rd->now);
    rd->now.line = rd->line;
    rd->empty = true;
}

static int no_space(unsigned char c)
{
    (void)c;
    return 0;
}

/* One physical line at a time; the row keeps the line on which it began. */
static void feed(struct reader *rd, struct csv_parser *p, const char *s,
                 size_t n)
{
    bool inside = false;
    while (n > 0 && rd->fault->code == NULL) {
        const char *end = memchr(s, '\n', n);
        size_t len = end == NULL ? n : (size_t)(end - s) + 1;
        if (!inside)
            rd->now.line = rd->line;
        if (csv_parse(p, s, len, on_cell, on_row, rd) != len)
            fail_at(rd, csv_error(p) == CSV_EPARSE ? "E-CSV-001" : "E-INT-002",
                    rd->now.n + 1);
        for (size_t i = 0; i < len; i++)
            inside ^= s[i] == '"';
        s += len;
        n -= len;
        rd->line++;
    }
    if (rd->fault->code == NULL && csv_fini(p, on_cell, on_row, rd) != 0) {
        rd->line = rd->now.line; /* where the open quote's row began */
        fail_at(rd, "E-CSV-001", rd->now.n + 1);
    }
}

tsunagi_code table_read(const void *bytes, size_t n, struct table **out,
                        struct table_fault *fault)
{
    struct csv_parser parser;
    assert(out != NULL && fault != NULL);
    *fault = (struct table_fault){0};
    *out = NULL;
    const char *s = bytes;
    if (n >= 3 && memcmp(s, "\xEF\xBB\xBF", 3) == 0) {
        s += 3;
        n -= 3;
    }
    struct reader rd = {.line = 1, .empty = true, .fault = fault};
    rd.utf8 = tsunagi_check_utf8(s, n) == NULL;
    rd.t = calloc(1, sizeof(*rd.t));
    if (rd.t == NULL || csv_init(&parser, CSV_STRICT | CSV_STRICT_FINI) != 0) {
        free(rd.t);
        return fault->code = "E-INT-002";
    }
    csv_set_space_func(&parser, no_space);
    feed(&rd, &parser, s, n);
    csv_free(&parser);
    row_fini(&rd.now);
    if (fault->code == NULL && rd.t->n < 2)
        fault->code = "E-CSV-005";
    if (fault->code != NULL)
        table_free(&rd.t);
    *out = rd.t;
    return fault->code;
}

size_t table_rows(const struct table *t)
{
    return t->n - 1;
}

size_t table_cols(const struct table *t)
{
    return t->row[0].n;
}

const char *table_cell(const struct table *t, size_t row, size_t col)
{
    assert(row + 1 < t->n && col < t->row[0].n);
    return t->row[row + 1].cell[col];
}

const char *table_head(const struct table *t, size_t col)
{
    assert(col < t->row[0].n);
    return t->row[0].cell[col];
}

unsigned table_line(const struct table *t, size_t row)
{
    assert(row + 1 < t->n);
    return t->row[row + 1].line;
}

/* ---- spreadsheets -------------------------------------------------------- */
static size_t digits(const char *s)
{
    return strspn(s, "0123456789");
}

/* 4.91E+11 */
static bool is_scientific(const char *s)
{
    size_t n = digits(s);
    if (n == 0)
        return false;
    s += n;
    if (*s == '.')
        s += 1 + digits(s + 1);
    if ((*s != 'E' && *s != 'e') || s[1] != '+')
        return false;
    s += 2;
    n = digits(s);
    return n > 0 && s[n] == '\0';
}

/* 2001/2/3, 1月2日, 2-Jan: what a spreadsheet makes of 1-2-3 */
static bool is_date_like(const char *s)
{
    static const char MONTHS[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    size_t n = digits(s);
    if (n == 0)
        return false;
    if (s[n] == '/' && digits(s + n + 1) > 0)
        return true;
    if (strncmp(s + n, "月", strlen("月")) == 0)
        return true;
    if (s[n] == '-' && strlen(s + n) >= 4) {
        char month[4] = {s[n + 1], s[n + 2], s[n + 3], '\0'};
        const char *at = strstr(MONTHS, month);
        return at != NULL && (at - MONTHS) % 3 == 0;
    }
    return false;
}

bool table_damaged(const char *cell, bool is_code)
{
    size_t n = strlen(cell);
    if (n >= 2 && strspn(cell, "#") == n)
        return true;
    return is_scientific(cell) || (is_code && is_date_like(cell));
}

/* ---- writing ------------------------------------------------------------- */
void table_put(FILE *out, const char *utf8)
{
    fputc('"', out);
    if (utf8[0] != '\0' && strchr("=+-@\t\r", utf8[0]) != NULL)
        fputc('\'', out);
    for (const char *p = utf8; *p != '\0'; p++) {
        if (*p == '"')
            fputc('"', out);
        fputc(*p, out);
    }
    fputc('"', out);
}
