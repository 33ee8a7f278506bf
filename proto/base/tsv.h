/* tsv.h - tables that open in a spreadsheet: UTF-8, tab-separated, a header
 * row, '#' comments. Used for policy, registry and agencies. */
#ifndef TSUNAGI_BASE_TSV_H
#define TSUNAGI_BASE_TSV_H
#include "proto/base/buf.h"
struct tsv; /* owns a copy of the text */
/* Parses. `columns` (ends with NULL) must all be in the header, which may
 * hold more. On error a line "name:line: ..." is appended to why. */
enum err tsv_parse(const char *name, struct slice text,
                   const char *const *columns, struct tsv **out,
                   struct buf *why) MUST_CHECK;
void tsv_free(struct tsv **t);
size_t tsv_rows(const struct tsv *t);
size_t tsv_line(const struct tsv *t, size_t row); /* in the file, from 1 */
/* The cell under a column of that name, "" when empty or absent. Borrowed. */
const char *tsv_cell(const struct tsv *t, size_t row, const char *column);
#endif
