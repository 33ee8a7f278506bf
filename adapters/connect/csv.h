/* csv.h - CSV as Japanese offices write it, in and out.
 *
 * In: UTF-8 with or without a byte-order mark, or CP932; CRLF or LF; quotes by
 * RFC 4180, strictly. A table is whole or refused with the place of the fault.
 * Out: CP932 or UTF-8 with a mark, CRLF, every cell quoted, formulas made
 * harmless. */
#ifndef TSUNAGI_CONNECT_CSV_H
#define TSUNAGI_CONNECT_CSV_H
#include "tsunagi/adapter.h"

struct table; /* opaque: header row and data rows of equal width */

struct table_fault {
    tsunagi_code code;
    unsigned line, column; /* physical line and column, 1-based; 0 unknown */
};

/* Lines whose cells are all empty are skipped. E-CSV-001 broken quote, -002
 * another number of columns than the header, -005 no data row, E-TXT-002 a
 * cell that is neither, E-VAL-010 gaiji, E-VAL-011 controls. *out is NULL on
 * error. free with table_free. */
tsunagi_code table_read(const void *p, size_t n, struct table **out,
                        struct table_fault *fault);
void table_free(struct table **t);

size_t table_rows(const struct table *t); /* without the header */
size_t table_cols(const struct table *t);
/* UTF-8, borrowed, outer spaces removed. row < rows, col < cols. */
const char *table_cell(const struct table *t, size_t row, size_t col);
const char *table_head(const struct table *t, size_t col);
/* The physical line on which the row begins. */
unsigned table_line(const struct table *t, size_t row);

/* Digits that a spreadsheet destroyed: 4.91E+11, ####, or (in a column of
 * codes) a date made from them: 2001/2/3, 1月2日, 2-Jan. */
bool table_damaged(const char *cell, bool is_code);

/* Writes one cell, quoted. = + - @ tab and CR at its start get an apostrophe
 * before them (a phone number that begins with + as well). */
void table_put(FILE *out, const char *utf8);
#endif
