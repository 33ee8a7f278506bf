/* err.c - the four columns of err.def as lookups.
 *
 * The enum value is the row number, so a lookup is an index. Row 0 is ERR_OK,
 * which has an empty code: a receipt without a code means yes. */
#include "proto/base/err.h"
#include <assert.h>
#include <stddef.h>
#include <string.h>

static const struct {
    const char *code, *ja, *en;
} ROWS[ERR_COUNT] = {
    [ERR_OK] = {"", "", ""},
#define ERR(name, code, ja, en) [ERR_##name] = {code, ja, en},
#include "proto/base/err.def"
#undef ERR
};

const char *err_code(enum err e)
{
    assert(e >= ERR_OK && e < ERR_COUNT);
    return ROWS[e].code;
}

const char *err_ja(enum err e)
{
    assert(e >= ERR_OK && e < ERR_COUNT);
    return ROWS[e].ja;
}

const char *err_en(enum err e)
{
    assert(e >= ERR_OK && e < ERR_COUNT);
    return ROWS[e].en;
}

enum err err_from_code(const char *code)
{
    assert(code != NULL);
    for (int i = 0; i < ERR_COUNT; i++)
        if (strcmp(ROWS[i].code, code) == 0)
            return (enum err)i;
    return ERR_INTERNAL;
}
