/* export.c - deliveries for a municipality's system.
 *
 * One file for each delivery, because files cross network zones one by one,
 * sometimes carried by a person, and a file half imported is worse than none.
 * The headings never change with the type of event: systems import by column.
 * Values are the codes and ISO dates of the JSON; sex and the like are written
 * in words by the table below. */
#include "adapters/municipality/export.h"
#include "adapters/connect/csv.h"
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* Heading, and where its value is: "/" of the delivery itself, else of the
 * body; the first path that holds something is taken. */
static const struct column {
    const char *head, *paths[5];
} COLUMNS[] = {
    {"番号", {"/event_id"}},
    {"種類", {"/type"}},
    {"発信機関", {"/agency"}},
    {"目的", {"/purpose"}},
    {"役割", {"/role"}},
    {"受渡日時", {"/released_at"}},
    {"本人番号", {"/person_token"}},
    {"案件番号", {"/case_token"}},
    {"氏名", {"name.kanji"}},
    {"フリガナ", {"name.kana"}},
    {"生年月日", {"birth.iso", "birth"}},
    {"性別", {"sex"}},
    {"郵便番号", {"postal"}},
    {"住所", {"address", "area"}},
    {"電話", {"phone", "contact_phone"}},
    {"入院日", {"admitted_on.iso", "admitted_on"}},
    {"病院名", {"hospital_name"}},
    {"退院予定日", {"planned_on.iso", "planned_on"}},
    {"退院日", {"discharged_on.iso", "discharged_on"}},
    {"帰住先", {"destination"}},
    {"担当者", {"contact_name", "counsellor_name", "author_name"}},
    {"備考", {"note"}},
};
#define COLUMN_COUNT (sizeof(COLUMNS) / sizeof(COLUMNS[0]))

static const struct {
    const char *code, *word;
} WORDS[] = {
    /* clang-format off */
    {"FEMALE", "女"}, {"MALE", "男"},
    {"SEX_OTHER", "その他"}, {"SEX_UNKNOWN", "不明"},
    {"ADMISSION_RECORDED", "入院"}, {"DISCHARGED", "退院"},
    {"DISCHARGE_PLANNED", "退院予定"}, {"FILING_SUBMITTED", "届出の提出"},
    {"FILING_RECEIVED", "届出の受理"}, {"INTRO_ANSWERED", "紹介への返事"},
    {"COMMUNITY_PROVIDER_INTRODUCED", "地域援助事業者の紹介"},
    {"LEGAL_STATUS_STARTED", "入院形態の開始"},
    {"LEGAL_STATUS_ENDED", "入院形態の終了"},
    {"PD_CANDIDATE_NOTIFIED", "退院後支援の候補"},
    {"PLAN_ISSUED", "退院後支援計画の交付"}, {"MOVE_IN_PLANNED", "入居・訪問の予定"},
    {"CONSENT_GIVEN", "同意"}, {"CONSENT_REFUSED", "同意しない"},
    {"CONSENT_WITHDRAWN", "同意の撤回"},
    {"EMERGENCY_REGISTERED", "緊急時の事前登録"},
    {"EMERGENCY_REQUESTED", "緊急の受入れ依頼"},
    {"STAY_CONFIRMED", "受入れの確定"}, {"CANCELLED", "依頼の取消し"},
}; /* clang-format on */

/* ---- finding values ---------------------------------------------------------
 */
static const char *text_at(const json_t *o, const char *path)
{
    const char *dot = strchr(path, '.');
    char first[32];
    size_t n = dot == NULL ? strlen(path) : (size_t)(dot - path);
    if (n >= sizeof(first))
        return NULL;
    memcpy(first, path, n);
    first[n] = '\0';
    const json_t *v = json_object_get(o, first);
    return dot == NULL ? json_string_value(v) : text_at(v, dot + 1);
}

static const char *value_of(const json_t *delivery, const struct column *c)
{
    const json_t *body = json_object_get(delivery, "body");
    for (size_t i = 0; i < 5 && c->paths[i] != NULL; i++) {
        const char *path = c->paths[i];
        const char *v =
            path[0] == '/' ? text_at(delivery, path + 1) : text_at(body, path);
        if (v == NULL || v[0] == '\0')
            continue;
        for (size_t w = 0; w < sizeof(WORDS) / sizeof(WORDS[0]); w++)
            if (strcmp(WORDS[w].code, v) == 0)
                return WORDS[w].word;
        return v;
    }
    return "";
}

static bool has_column(const char *field)
{
    size_t n = strlen(field);
    for (size_t c = 0; c < COLUMN_COUNT; c++)
        for (size_t i = 0; i < 5 && COLUMNS[c].paths[i] != NULL; i++) {
            const char *path = COLUMNS[c].paths[i];
            if (strncmp(path, field, n) == 0 &&
                (path[n] == '\0' || path[n] == '.'))
                return true;
        }
    return false;
}

/* A field of a column that another path has filled already is not lost. */
static bool is_shown(const json_t *delivery, const char *field)
{
    const char *own = text_at(json_object_get(delivery, "body"), field);
    if (!has_column(field))
        return false;
    for (size_t c = 0; own != NULL && c < COLUMN_COUNT; c++)
        for (size_t i = 1; i < 5 && COLUMNS[c].paths[i] != NULL; i++)
            if (strcmp(COLUMNS[c].paths[i], field) == 0)
                return strcmp(value_of(delivery, &COLUMNS[c]), own) == 0;
    return true;
}

/* Everything of the body that has no column, as JSON; "" when nothing. */
static char *others(const json_t *delivery)
{
    json_t *rest = json_object();
    json_t *body = json_object_get(delivery, "body");
    const char *field;
    json_t *v;
    json_object_foreach(body, field, v)
    {
        if (!is_shown(delivery, field))
            json_object_set(rest, field, v);
    }
    char *text = json_object_size(rest) == 0
                     ? strdup("")
                     : json_dumps(rest, JSON_COMPACT | JSON_SORT_KEYS);
    json_decref(rest);
    return text;
}

static char *withheld(const json_t *delivery)
{
    char *text = NULL;
    size_t n = 0, i;
    json_t *v;
    FILE *out = open_memstream(&text, &n);
    if (out == NULL)
        return NULL;
    json_array_foreach(json_object_get(delivery, "withheld"), i, v)
    {
        const char *name = json_string_value(v);
        if (name == NULL)
            name = json_string_value(json_object_get(v, "class"));
        fprintf(out, "%s%s", i > 0 ? " " : "", name == NULL ? "" : name);
    }
    return fclose(out) == 0 ? text : NULL;
}

/* ---- CP932
 * -------------------------------------------------------------------- */
struct row {
    FILE *out; /* UTF-8 that CP932 can hold */
    bool degraded;
};

static bool encodable(const char *utf8, bool *degraded)
{
    char *bytes = NULL;
    size_t n;
    bool reduced = false;
    tsunagi_code code = tsunagi_to_cp932(utf8, &bytes, &n, &reduced);
    free(bytes);
    *degraded = *degraded || reduced || code != NULL;
    return code == NULL;
}

static size_t length_of(const char *p)
{
    unsigned char c = (unsigned char)*p;
    return c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
}

static unsigned point_of(const char *p, size_t n)
{
    static const unsigned char FIRST[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    unsigned c = (unsigned char)*p & FIRST[n];
    for (size_t i = 1; i < n; i++)
        c = c << 6 | ((unsigned char)p[i] & 0x3f);
    return c;
}

/* Names every character that cannot be written: [U+9DD7]. free(). */
static char *spelt_out(const char *utf8)
{
    char *text = NULL;
    size_t len = 0;
    bool unused = false;
    FILE *out = open_memstream(&text, &len);
    if (out == NULL)
        return NULL;
    for (size_t n; *utf8 != '\0'; utf8 += n) {
        char one[5] = "";
        n = strnlen(utf8, length_of(utf8));
        memcpy(one, utf8, n);
        if (encodable(one, &unused))
            fputs(one, out);
        else
            fprintf(out, "[U+%04X]", point_of(utf8, n));
    }
    return fclose(out) == 0 ? text : NULL;
}

/* fallback: what to write when the text itself cannot be. */
static tsunagi_code put_cell(struct row *r, const char *text,
                             const char *fallback)
{
    bool unused = false;
    if (encodable(text, &r->degraded)) {
        table_put(r->out, text);
        return NULL;
    }
    if (fallback != NULL && fallback[0] != '\0' &&
        encodable(fallback, &unused)) {
        table_put(r->out, fallback);
        return NULL;
    }
    char *spelt = spelt_out(text);
    if (spelt == NULL)
        return "E-INT-002";
    table_put(r->out, spelt);
    free(spelt);
    return NULL;
}

static tsunagi_code put_values(struct row *r, const json_t *delivery)
{
    const json_t *body = json_object_get(delivery, "body");
    const char *kana = text_at(body, "name.kana");
    const json_t *lost =
        json_object_get(json_object_get(body, "name"), "degraded");
    tsunagi_code code = NULL;
    r->degraded = json_is_true(lost);
    for (size_t i = 0; i < COLUMN_COUNT && code == NULL; i++) {
        bool is_name = strcmp(COLUMNS[i].paths[0], "name.kanji") == 0;
        code =
            put_cell(r, value_of(delivery, &COLUMNS[i]), is_name ? kana : NULL);
        fputc(',', r->out);
    }
    char *rest = others(delivery), *held = withheld(delivery);
    if (code == NULL)
        code = rest == NULL || held == NULL ? "E-INT-002"
                                            : put_cell(r, rest, NULL);
    fputc(',', r->out);
    if (code == NULL)
        code = put_cell(r, held, NULL);
    fprintf(r->out, ",\"%d\"\r\n", r->degraded ? 1 : 0);
    free(rest);
    free(held);
    return code;
}

static void put_heads(FILE *out)
{
    for (size_t i = 0; i < COLUMN_COUNT; i++) {
        table_put(out, COLUMNS[i].head);
        fputc(',', out);
    }
    fputs("\"その他\",\"渡されない区分\",\"文字縮退\"\r\n", out);
}

tsunagi_code export_csv(const char *delivery, char **csv, size_t *n)
{
    char *text = NULL;
    size_t len = 0;
    bool reduced = false;
    *csv = NULL;
    json_t *d = json_loads(delivery, JSON_REJECT_DUPLICATES, NULL);
    if (d == NULL)
        return "E-VAL-014";
    struct row r = {.out = open_memstream(&text, &len)};
    tsunagi_code code = "E-INT-002";
    if (r.out != NULL) {
        put_heads(r.out);
        code = put_values(&r, d);
        if (fclose(r.out) != 0)
            code = "E-INT-002";
    }
    if (code == NULL)
        code = tsunagi_to_cp932(text, csv, n, &reduced);
    free(text);
    json_decref(d);
    return code;
}

void export_name(const char *delivery, const char *delivery_id, char out[64])
{
    static const size_t MOST[] = {36, 1, 8};
    json_t *d = json_loads(delivery, 0, NULL);
    const char *id = json_string_value(json_object_get(d, "event_id"));
    const char *const PARTS[] = {id == NULL ? "unknown" : id, "-", delivery_id};
    size_t n = 0;
    for (size_t i = 0; i < 3; i++)
        for (size_t k = 0; k < MOST[i] && PARTS[i][k] != '\0'; k++)
            if (strchr("0123456789abcdef-", PARTS[i][k]) != NULL)
                out[n++] = PARTS[i][k];
    snprintf(out + n, 64 - n, ".csv");
    json_decref(d);
}
