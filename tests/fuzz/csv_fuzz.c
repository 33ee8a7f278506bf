/* csv_fuzz.c - any bytes as a table and as a hospital's form. A table that is
 * taken is rectangular and UTF-8; a form that is taken has a person and a case
 * in every event. */
#include "adapters/connect/csv.h"
#include "adapters/hospital/form.h"
#include "proto/base/code.h"
#include <assert.h>
#include <string.h>

static void as_table(const uint8_t *p, size_t n)
{
    struct table *t;
    struct table_fault fault;
    if (table_read(p, n, &t, &fault) != NULL) {
        assert(t == NULL && fault.code != NULL);
        return;
    }
    for (size_t row = 0; row < table_rows(t); row++)
        for (size_t col = 0; col < table_cols(t); col++) {
            const char *cell = table_cell(t, row, col);
            assert(tsunagi_check_utf8(cell, strlen(cell)) == NULL);
            (void)table_damaged(cell, col % 2 == 0);
        }
    table_free(&t);
}

static void as_form(const uint8_t *p, size_t n)
{
    struct form *f;
    struct form_faults faults;
    const struct form_rules rules = {.person_digits = n % 2 == 0 ? 10 : 0};
    if (form_read(p, n, &rules, &f, &faults) != NULL) {
        assert(f == NULL && faults.n > 0 && faults.at[0].code != NULL);
        return;
    }
    for (size_t i = 0; i < f->n; i++)
        assert(f->event[i].person != NULL && f->event[i].case_key != NULL);
    form_free(&f);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    code_allow_fictitious(true);
    as_table(p, n);
    as_form(p, n);
    return 0;
}
