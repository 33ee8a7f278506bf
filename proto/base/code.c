/* code.c - check digits of public codes, and the grammar of agency codes.
 *
 * Two municipal numbers share five digits and differ in the sixth: the local
 * government code (mod 11) and the billing number of 国保連 (mod 10). Each has
 * its own function, and neither is ever repaired into the other. The third
 * digit of an office number is not checked: its list is not published. */
#include "proto/base/code.h"
#include <assert.h>
#include <string.h>

enum { FICTITIOUS = 49, PREFECTURES = 47 };

static bool fictitious_allowed;

void code_allow_fictitious(bool allowed)
{
    fictitious_allowed = allowed;
}

/* n digits that begin with a prefecture. */
static enum err check_shape(struct slice s, size_t n)
{
    if (s.n != n)
        return ERR_VAL_CODE_LENGTH;
    for (size_t i = 0; i < n; i++)
        if (s.p[i] < '0' || s.p[i] > '9')
            return ERR_VAL_CODE_LENGTH;
    int prefecture = (s.p[0] - '0') * 10 + (s.p[1] - '0');
    if (prefecture == FICTITIOUS && fictitious_allowed)
        return ERR_OK;
    if (prefecture < 1 || prefecture > PREFECTURES)
        return ERR_VAL_PREFECTURE;
    return ERR_OK;
}

/* モジュラス10 ウェイト2・1分割 over the whole number, check digit included. */
static bool luhn_fits(struct slice s)
{
    int sum = 0;
    for (size_t i = 0; i < s.n; i++) {
        int d = s.p[s.n - 1 - i] - '0';
        if (i % 2 == 1)
            d = d * 2 > 9 ? d * 2 - 9 : d * 2;
        sum += d;
    }
    return sum % 10 == 0;
}

enum err code_check_lg(struct slice digits)
{
    enum err e = check_shape(digits, 6);
    if (e != ERR_OK)
        return e;
    int sum = 0;
    for (int i = 0; i < 5; i++)
        sum += (digits.p[i] - '0') * (6 - i);
    int want = (11 - sum % 11) % 10;
    return digits.p[5] - '0' == want ? ERR_OK : ERR_VAL_LGCODE;
}

enum err code_check_kokuho(struct slice digits)
{
    enum err e = check_shape(digits, 6);
    if (e != ERR_OK)
        return e;
    return luhn_fits(digits) ? ERR_OK : ERR_VAL_KOKUHO;
}

enum err code_check_medical(struct slice digits)
{
    enum err e = check_shape(digits, 10);
    if (e != ERR_OK)
        return e;
    return luhn_fits(digits) ? ERR_OK : ERR_VAL_MEDINST;
}

enum err code_check_office(struct slice digits)
{
    enum err e = check_shape(digits, 10);
    if (e != ERR_OK)
        return e;
    return luhn_fits(digits) ? ERR_OK : ERR_VAL_OFFICE;
}

enum err code_check_muni5(struct slice digits)
{
    return check_shape(digits, 5);
}

/* A health centre: 団体コード, '-', two digits. */
static enum err check_centre(struct slice s)
{
    if (s.n != 9 || s.p[6] != '-')
        return ERR_VAL_CODE_LENGTH;
    for (size_t i = 7; i < 9; i++)
        if (s.p[i] < '0' || s.p[i] > '9')
            return ERR_VAL_CODE_LENGTH;
    return code_check_lg(slice_of(s.p, 6));
}

/* Of a prefecture: the municipal part of its code is 000. */
static enum err check_prefectural_centre(struct slice s)
{
    enum err e = check_centre(s);
    if (e == ERR_OK && memcmp(s.p + 2, "000", 3) != 0)
        return ERR_VAL_LGCODE;
    return e;
}

static enum err check_own(struct slice s)
{
    if (s.n == 0)
        return ERR_VAL_CODE_LENGTH;
    if (s.n > 24)
        return ERR_VAL_TOO_LONG;
    for (size_t i = 0; i < s.n; i++) {
        uint8_t c = s.p[i];
        if (!(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') && c != '-')
            return ERR_VAL_TYPE;
    }
    return ERR_OK;
}

enum err code_check_agency(const char *code)
{
    static const struct {
        const char *scheme;
        enum err (*check)(struct slice);
    } SCHEMES[] = {
        {"MI-", code_check_medical},
        {"WO-", code_check_office},
        {"LG-", code_check_lg},
        {"HC-", check_centre},
        {"PH-", check_prefectural_centre},
        {"OW-", check_own},
    };
    assert(code != NULL);
    if (strcmp(code, "HUB") == 0)
        return ERR_OK;
    for (size_t i = 0; i < NELEM(SCHEMES); i++)
        if (strncmp(code, SCHEMES[i].scheme, 3) == 0)
            return SCHEMES[i].check(slice_str(code + 3));
    return ERR_VAL_TYPE;
}

enum err code_check_node(const char *name)
{
    assert(name != NULL);
    size_t n = strlen(name);
    if (n == 0)
        return ERR_VAL_REQUIRED;
    if (n >= NODE_MAX)
        return ERR_VAL_TOO_LONG;
    for (size_t i = 0; i < n; i++) {
        char c = name[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
        bool inner = i > 0 && (c == '.' || c == '/' || c == '-');
        if (!plain && !inner)
            return ERR_VAL_TYPE;
    }
    return ERR_OK;
}
