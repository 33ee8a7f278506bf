/* report.h - the files of a person's report (`tsunagi audit report`). */
#ifndef TSUNAGI_CTL_REPORT_H
#define TSUNAGI_CTL_REPORT_H
#include "hub/core/report.h"
#include "hub/ctl/ctl.h"

/* What the whole report says besides its lines. */
struct report_head {
    const json_t *first; /* the hub's first answer; borrowed */
    size_t rows, of[REPORT_SECTIONS];
    const char *order; /* of an erasure; NULL: none */
};

/* ---- report_page.c: report.html ---- */
/* Lines come in the order of the log and stand by sections: each section's
 * wait in a file of its own without a name, so that memory stays small. */
struct report_page {
    char path[4400];
    FILE *part[REPORT_SECTIONS];
};
/* false: errno says what is wrong. */
bool report_page_open(struct report_page *p, const char *folder);
void report_page_row(struct report_page *p, enum report_section s,
                     const json_t *row);
/* Writes the page; false: it is not there. */
bool report_page_end(struct report_page *p, const struct report_head *head);
void report_page_close(struct report_page *p);

const char *report_section_ja(enum report_section s);
const char *report_column_ja(enum report_column c);
/* One cell of a CSV line, quoted; a text that a spreadsheet would take for a
 * formula gets an apostrophe in front. */
void csv_cell(FILE *f, const char *text, bool last);
#endif
