/* conf_scan.h - what is wrong with a configuration before libconfig sees it. */
#ifndef TSUNAGI_BASE_CONF_SCAN_H
#define TSUNAGI_BASE_CONF_SCAN_H
#include "proto/base/buf.h"

struct conf_flaw {
    enum err e;
    unsigned line, column; /* from 1, in characters */
    const char *what, *hint;
};
typedef void conf_flaw_fn(void *arg, const struct conf_flaw *flaw);

/* Reports the first byte that makes the file no plain UTF-8. */
enum err conf_scan_bytes(struct slice text, conf_flaw_fn *tell,
                         void *arg) MUST_CHECK;
/* Reports every integer that libconfig would wrap, @include, strings and
 * comments without an end, and brackets nested too deeply. */
void conf_scan_tokens(struct slice text, conf_flaw_fn *tell, void *arg);
/* The column of a key on a line, 1 when it is not there. */
unsigned conf_scan_column(struct slice text, unsigned line, const char *key);
#endif
