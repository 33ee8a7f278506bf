/* export.h - one delivery as a CSV file for a municipality's own system. */
#ifndef TSUNAGI_MUNICIPALITY_EXPORT_H
#define TSUNAGI_MUNICIPALITY_EXPORT_H
#include "tsunagi/adapter.h"

/* delivery: the JSON of tsunagi_delivery_json. CP932 with CRLF: one row of
 * Japanese headings, always the same and in the same order, and one row of
 * values. What has no column of its own is in その他 as JSON. A character that
 * CP932 does not have is reduced to the accepted form; where there is none, a
 * name is written as its reading and other text shows [U+9DD7]; in all these
 * cases 文字縮退 is 1. E-VAL-014, E-INT-002. free(*csv). */
tsunagi_code export_csv(const char *delivery, char **csv, size_t *n);
/* "EVENTID-DELIVERY8.csv": ASCII, nothing personal. */
void export_name(const char *delivery, const char *delivery_id, char out[64]);
#endif
