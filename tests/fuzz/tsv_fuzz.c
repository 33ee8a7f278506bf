/* tsv_fuzz.c - any bytes as a table.
 *
 * Oracles: a refusal says why and gives no table; the cells of an accepted
 * table, all quoted and written out again, are read back the same; line
 * numbers rise; every cell is valid text without tab or newline. */
#include "proto/base/text.h"
#include "proto/base/tsv.h"
#include <stdlib.h>
#include <string.h>

static const char *const COLUMNS[] = {"code", "ja", NULL};

static void require(bool truth)
{
    if (!truth)
        abort();
}

static void put_cell(struct buf *b, const char *cell)
{
    buf_addc(b, '"');
    for (; *cell != '\0'; cell++) {
        if (*cell == '"')
            buf_addc(b, '"');
        buf_addc(b, *cell);
    }
    buf_addc(b, '"');
}

static void check_cell(const char *cell)
{
    require(text_check_utf8(slice_str(cell)) == ERR_OK);
    require(strpbrk(cell, "\t\n") == NULL);
}

/* A row that begins with '#' would be a comment when written first; the
 * third column keeps it and blank rows from being skipped. */
static void write_out(const struct tsv *t, struct buf *b)
{
    buf_adds(b, "x\tcode\tja\n");
    for (size_t i = 0; i < tsv_rows(t); i++) {
        buf_adds(b, "x\t");
        put_cell(b, tsv_cell(t, i, "code"));
        buf_addc(b, '\t');
        put_cell(b, tsv_cell(t, i, "ja"));
        buf_addc(b, '\n');
    }
}

static void check_same(const struct tsv *a, const struct tsv *b)
{
    require(tsv_rows(a) == tsv_rows(b));
    for (size_t i = 0; i < tsv_rows(a); i++)
        for (const char *const *c = COLUMNS; *c != NULL; c++)
            require(strcmp(tsv_cell(a, i, *c), tsv_cell(b, i, *c)) == 0);
}

static void check_table(const struct tsv *t)
{
    size_t line = 1;
    for (size_t i = 0; i < tsv_rows(t); i++) {
        require(tsv_line(t, i) > line);
        line = tsv_line(t, i);
        check_cell(tsv_cell(t, i, "code"));
        check_cell(tsv_cell(t, i, "ja"));
        require(tsv_cell(t, i, "no such column")[0] == '\0');
    }
}

static void check_round_trip(const struct tsv *t)
{
    struct buf text = {0}, why = {0};
    struct tsv *again;
    write_out(t, &text);
    require(tsv_parse("t", buf_slice(&text), COLUMNS, &again, &why) == ERR_OK);
    check_same(t, again);
    tsv_free(&again);
    buf_fini(&text);
    buf_fini(&why);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tsv *t;
    struct buf why = {0};
    enum err e = tsv_parse("t", slice_of(data, size), COLUMNS, &t, &why);
    if (e == ERR_OK) {
        require(why.n == 0);
        check_table(t);
        check_round_trip(t);
    } else {
        require(t == NULL && why.n > 0 && why.p[why.n - 1] == '\n');
        require(strstr((char *)why.p, err_code(e)) != NULL);
    }
    tsv_free(&t);
    buf_fini(&why);
    return 0;
}
