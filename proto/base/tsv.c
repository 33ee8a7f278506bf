/* tsv.c - a table of tab-separated cells.
 *
 * The text is copied once and cut in place: every cell points into the copy
 * and ends with the NUL that replaced its tab. Lines may end in CR LF and the
 * file may begin with a byte-order mark, because spreadsheets write both. A
 * row must have as many cells as the header: a lost column in a policy table
 * would shift a right into another column. A cell in double quotes is what a
 * spreadsheet makes of a cell with a quote or comma; it is unquoted, and may
 * hold neither a tab nor a line end. */
#include "proto/base/tsv.h"
#include "proto/base/text.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct tsv {
    char *text;
    size_t width;
    char **header; /* width names */
    char **cells;  /* rows * width */
    size_t *lines;
    size_t rows, room;
};

struct reader {
    const char *name;
    struct buf *why;
    size_t line;
};

static enum err complain(const struct reader *r, enum err e, const char *what)
{
    buf_addf(r->why, "%s:%zu: error %s: %s", r->name, r->line, err_code(e),
             err_en(e));
    if (what != NULL)
        buf_addf(r->why, " (%s)", what);
    buf_adds(r->why, "\n");
    return e;
}

/* Cuts the first line off *at; NULL at the end. */
static char *take_line(char **at)
{
    char *line = *at;
    if (*line == '\0')
        return NULL;
    char *end = strchr(line, '\n');
    *at = end == NULL ? line + strlen(line) : end + 1;
    if (end != NULL)
        *end = '\0';
    size_t n = strlen(line);
    if (n > 0 && line[n - 1] == '\r')
        line[n - 1] = '\0';
    return line;
}

/* Spreadsheets fill an empty or a comment row up with tabs. */
static bool is_skipped(const char *line)
{
    bool comment = line[0] == '#' || (line[0] == '"' && line[1] == '#');
    return comment || line[strspn(line, "\t ")] == '\0';
}

static size_t count_cells(const char *line)
{
    size_t n = 1;
    for (; *line != '\0'; line++)
        n += *line == '\t';
    return n;
}

/* Removes the quotes of one cell in place; false when they do not pair. */
static bool unquote(char *cell)
{
    if (cell[0] != '"')
        return true;
    char *w = cell;
    const char *r = cell + 1;
    bool closed = false;
    while (*r != '\0' && !closed) {
        closed = r[0] == '"' && r[1] != '"';
        r += r[0] == '"' && !closed ? 1 : 0; /* the first of two quotes */
        if (!closed)
            *w++ = *r;
        r++;
    }
    *w = '\0';
    return closed && *r == '\0';
}

static bool cut_cells(char *line, char **cells, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        cells[i] = line;
        char *tab = strchr(line, '\t');
        if (tab != NULL) {
            *tab = '\0';
            line = tab + 1;
        }
        if (!unquote(cells[i]))
            return false;
    }
    return true;
}

static enum err check_header(const struct tsv *t, const struct reader *r,
                             const char *const *columns)
{
    for (size_t i = 0; i < t->width; i++)
        for (size_t k = i + 1; k < t->width; k++)
            if (t->header[i][0] != '\0' &&
                strcmp(t->header[i], t->header[k]) == 0)
                return complain(r, ERR_CSV_HEADER, "a column appears twice");
    for (; *columns != NULL; columns++) {
        size_t i = 0;
        while (i < t->width && strcmp(t->header[i], *columns) != 0)
            i++;
        if (i == t->width)
            return complain(r, ERR_CSV_HEADER, *columns);
    }
    return ERR_OK;
}

enum { WIDEST = 256 };

static enum err read_header(struct tsv *t, struct reader *r, char **at,
                            const char *const *columns)
{
    char *line;
    do {
        line = take_line(at);
        r->line++;
    } while (line != NULL && is_skipped(line));
    if (line == NULL)
        return complain(r, ERR_CSV_EMPTY, NULL);
    t->width = count_cells(line);
    if (t->width > WIDEST)
        return complain(r, ERR_CSV_COLUMNS, "more than 256");
    t->header = calloc(t->width, sizeof(*t->header));
    if (t->header == NULL)
        return ERR_NOMEM;
    if (!cut_cells(line, t->header, t->width))
        return complain(r, ERR_CSV_QUOTE, NULL);
    return check_header(t, r, columns);
}

static bool make_room(struct tsv *t)
{
    if (t->rows < t->room)
        return true;
    size_t room = t->room == 0 ? 64 : t->room * 2;
    char **cells = realloc(t->cells, room * t->width * sizeof(*cells));
    if (cells == NULL)
        return false;
    t->cells = cells;
    size_t *lines = realloc(t->lines, room * sizeof(*lines));
    if (lines == NULL)
        return false;
    t->lines = lines;
    t->room = room;
    return true;
}

static enum err add_row(struct tsv *t, const struct reader *r, char *line)
{
    if (count_cells(line) != t->width)
        return complain(r, ERR_CSV_COLUMNS, NULL);
    if (!make_room(t))
        return ERR_NOMEM;
    if (!cut_cells(line, t->cells + t->rows * t->width, t->width))
        return complain(r, ERR_CSV_QUOTE, NULL);
    t->lines[t->rows++] = r->line;
    return ERR_OK;
}

static enum err read_rows(struct tsv *t, struct reader *r, char **at)
{
    for (char *line; (line = take_line(at)) != NULL;) {
        r->line++;
        enum err e = is_skipped(line) ? ERR_OK : add_row(t, r, line);
        if (e != ERR_OK)
            return e;
    }
    return ERR_OK;
}

/* The line of the first byte that is not UTF-8 text. */
static enum err check_text(struct reader *r, struct slice s)
{
    r->line = 0;
    while (s.n > 0) {
        const uint8_t *end = memchr(s.p, '\n', s.n);
        size_t n = end == NULL ? s.n : (size_t)(end - s.p) + 1;
        r->line++;
        enum err e = text_check_utf8(slice_of(s.p, n));
        if (e != ERR_OK)
            return complain(r, e, NULL);
        s = slice_of(s.p + n, s.n - n);
    }
    r->line = 0;
    return ERR_OK;
}

static enum err parse(struct tsv *t, struct reader *r, struct slice s,
                      const char *const *columns)
{
    if (s.n >= 3 && memcmp(s.p, "\xef\xbb\xbf", 3) == 0)
        s = slice_of(s.p + 3, s.n - 3);
    enum err e = check_text(r, s);
    if (e != ERR_OK)
        return e;
    t->text = calloc(1, s.n + 1);
    if (t->text == NULL)
        return ERR_NOMEM;
    if (s.n > 0)
        memcpy(t->text, s.p, s.n);
    char *at = t->text;
    e = read_header(t, r, &at, columns);
    return e == ERR_OK ? read_rows(t, r, &at) : e;
}

enum err tsv_parse(const char *name, struct slice text,
                   const char *const *columns, struct tsv **out,
                   struct buf *why)
{
    assert(name != NULL && columns != NULL && out != NULL && why != NULL);
    *out = NULL;
    struct tsv *t = calloc(1, sizeof(*t));
    if (t == NULL)
        return ERR_NOMEM;
    struct reader r = {name, why, 0};
    enum err e = parse(t, &r, text, columns);
    if (e != ERR_OK)
        goto fail;
    *out = t;
    return ERR_OK;
fail:
    tsv_free(&t);
    return e;
}

void tsv_free(struct tsv **t)
{
    if (t == NULL || *t == NULL)
        return;
    free((*t)->text);
    free((*t)->header);
    free((*t)->cells);
    free((*t)->lines);
    free(*t);
    *t = NULL;
}

size_t tsv_rows(const struct tsv *t)
{
    return t->rows;
}

size_t tsv_line(const struct tsv *t, size_t row)
{
    assert(row < t->rows);
    return t->lines[row];
}

const char *tsv_cell(const struct tsv *t, size_t row, const char *column)
{
    assert(row < t->rows && column != NULL);
    for (size_t i = 0; i < t->width; i++)
        if (strcmp(t->header[i], column) == 0)
            return t->cells[row * t->width + i];
    return "";
}
