/* convert.c - text, dates and codes for adapter modules: the ground floor's
 * functions with results a module can free. */
#include "adapters/sdk/include/tsunagi/adapter.h"
#include "proto/base/code.h"
#include "proto/base/date.h"
#include "proto/base/text.h"
#include <stdlib.h>
#include <string.h>

static tsunagi_code code(enum err e)
{
    return e == ERR_OK ? NULL : err_code(e);
}

const char *tsunagi_code_ja(tsunagi_code c)
{
    return c != NULL ? err_ja(err_from_code(c)) : "";
}

const char *tsunagi_code_en(tsunagi_code c)
{
    return c != NULL ? err_en(err_from_code(c)) : "";
}

/* Moves the text out of b, which is wiped. */
static tsunagi_code hand_out(enum err e, struct buf *b, char **out, size_t *n)
{
    *out = NULL;
    if (e == ERR_OK && b->failed)
        e = ERR_NOMEM;
    if (e == ERR_OK) {
        *out = malloc(b->n + 1);
        if (*out == NULL)
            e = ERR_NOMEM;
    }
    if (e == ERR_OK) {
        if (b->n > 0)
            memcpy(*out, b->p, b->n);
        (*out)[b->n] = '\0';
        if (n != NULL)
            *n = b->n;
    }
    buf_fini(b);
    return code(e);
}

tsunagi_code tsunagi_from_cp932(const void *p, size_t n, char **utf8)
{
    struct buf b = {0};
    return hand_out(text_from_cp932(slice_of(p, n), &b), &b, utf8, NULL);
}

tsunagi_code tsunagi_from_iso2022jp(const void *p, size_t n, char **utf8)
{
    struct buf b = {0};
    return hand_out(text_from_iso2022jp(slice_of(p, n), &b), &b, utf8, NULL);
}

tsunagi_code tsunagi_from_unknown(const void *p, size_t n, char **utf8)
{
    struct buf b = {0};
    return hand_out(text_from_unknown(slice_of(p, n), true, &b), &b, utf8,
                    NULL);
}

tsunagi_code tsunagi_to_cp932(const char *utf8, char **out, size_t *n,
                              bool *degraded)
{
    struct buf b = {0};
    bool reduced = false;
    enum err e = text_to_cp932(slice_str(utf8), &b, &reduced);
    if (degraded != NULL)
        *degraded = reduced;
    return hand_out(e, &b, out, n);
}

tsunagi_code tsunagi_check_utf8(const void *p, size_t n)
{
    return code(text_check_utf8(slice_of(p, n)));
}

tsunagi_code tsunagi_check_date(const char *utf8, char iso[11])
{
    struct date d;
    enum err e = date_parse(slice_str(utf8), &d);
    if (e == ERR_OK)
        date_iso(d, iso);
    return code(e);
}

tsunagi_code tsunagi_check_hl7_time(const char *s, char iso[11], uint64_t *ms)
{
    struct date d;
    uint64_t when = 0;
    enum err e = time_parse_hl7(slice_str(s), &when, &d);
    if (e == ERR_OK)
        date_iso(d, iso);
    if (e == ERR_OK && ms != NULL)
        *ms = when;
    return code(e);
}

/* Any number of an agency's own, but never the individual number (Act on My
 * Number, art. 15, 19, 20). */
static enum err check_person(struct slice s)
{
    return text_has_mynumber(s) ? ERR_VAL_MYNUMBER : ERR_OK;
}

tsunagi_code tsunagi_check_code(const char *scheme, const char *digits)
{
    static const struct {
        const char *scheme;
        enum err (*check)(struct slice);
    } CHECKS[] = {{"LG", code_check_lg},       {"KOKUHO", code_check_kokuho},
                  {"MI", code_check_medical},  {"WO", code_check_office},
                  {"MUNI5", code_check_muni5}, {"PERSON", check_person}};
    for (size_t i = 0; i < NELEM(CHECKS); i++)
        if (strcmp(CHECKS[i].scheme, scheme) == 0)
            return code(CHECKS[i].check(slice_str(digits)));
    return code(ERR_USAGE);
}

int tsunagi_write_file(const char *path, const void *p, size_t n)
{
    return file_replace(path, slice_of(p, n), 0600) == ERR_OK ? 0 : -1;
}
