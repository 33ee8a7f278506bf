/* provisions.c - `tsunagi audit provisions`: an agency's records of what it
 * passed on to third parties and of what it acquired from them, as a table for
 * its files (個人情報保護法 29条, 30条; kept three years or longer). */
#include "hub/ctl/report.h"
#include "proto/base/date.h"
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

struct listing {
    FILE *out;
    char from[24], to[24];
    size_t lines;
    json_t *numbers; /* token -> the person's number here; NULL: not asked */
};

/* ---- whose tokens they are ---- */

#define NUMBERS_AT_ONCE 1000

/* Up to so many lines of text, as an argument; what is left. */
static const char *cut(const char *text, struct buf *lines, size_t *count)
{
    for (*count = 0; *text != '\0' && *count < NUMBERS_AT_ONCE;) {
        size_t n = strcspn(text, "\r\n");
        if (n > 0) {
            buf_add(lines, text, n);
            buf_addc(lines, '\n');
            (*count)++;
        }
        text += n + strspn(text + n, "\r\n");
    }
    return text;
}

/* The node makes the tokens; numbers go no further. */
static int ask_tokens(struct ctl *c, struct listing *w, const char *lines)
{
    struct node_answer a = {0};
    struct node_arg arg = {"persons", lines};
    int code = request(c, "token", &arg, 1, &a);
    const json_t *list = json_object_get(a.json, "person_tokens");
    for (size_t i = 0; code == EXIT_DONE && *lines != '\0'; i++) {
        size_t n = strcspn(lines, "\n");
        const char *token = json_string_value(json_array_get(list, i));
        if (token != NULL)
            json_object_set_new(w->numbers, token, json_stringn(lines, n));
        lines += n + (lines[n] == '\n');
    }
    node_answer_fini(&a);
    return code;
}

static int read_numbers(struct ctl *c, struct listing *w)
{
    struct buf text = {0};
    size_t count = 0;
    if (c->persons == NULL)
        return EXIT_DONE;
    w->numbers = json_object();
    int code = read_text(c, c->persons, &text);
    const char *at = code == EXIT_DONE && text.n > 0 ? (char *)text.p : "";
    while (code == EXIT_DONE && *at != '\0') {
        struct buf lines = {0};
        at = cut(at, &lines, &count);
        if (count > 0)
            code = lines.failed ? fail(c, ERR_NOMEM, c->persons)
                                : ask_tokens(c, w, (char *)lines.p);
        buf_fini(&lines);
    }
    buf_fini(&text);
    return code;
}

/* ---- the table ---- */

/* Days of Japan; the last one is in it. */
static enum err read_days(const struct ctl *c, struct listing *w)
{
    struct date from, to;
    if (c->consent.from == NULL || c->to == NULL)
        return ERR_USAGE;
    enum err e = date_parse(slice_str(c->consent.from), &from);
    if (e == ERR_OK)
        e = date_parse(slice_str(c->to), &to);
    if (e != ERR_OK || from.day == 0 || to.day == 0)
        return e != ERR_OK ? e : ERR_USAGE;
    snprintf(w->from, sizeof(w->from), "%" PRIu64,
             japan_day_begins(date_days(from)));
    snprintf(w->to, sizeof(w->to), "%" PRIu64,
             japan_day_begins(date_days(to) + 1));
    return ERR_OK;
}

static void put_head(FILE *f)
{
    static const char *const COLUMNS[] = {"区分",
                                          "日時",
                                          "相手の名称",
                                          "相手の住所",
                                          "相手の代表者",
                                          "本人の番号(自機関のもの)",
                                          "本人の符号(自機関のもの)",
                                          "知らせ",
                                          "情報の項目",
                                          "目的",
                                          "同意または法律の根拠",
                                          "取得の経緯",
                                          "取り消し",
                                          "証明番号"};
    fputs("\xef\xbb\xbf", f);
    for (size_t i = 0; i < NELEM(COLUMNS); i++)
        csv_cell(f, COLUMNS[i], i + 1 == NELEM(COLUMNS));
}

static const char *party(const json_t *l)
{
    const char *name = text_of(l, "agency");
    return name[0] != '\0' ? name : text_of(l, "agency_code");
}

static void put_line(const struct listing *w, const json_t *l)
{
    char when[48], leaf[24];
    bool given = strcmp(text_of(l, "direction"), "provision") == 0;
    const char *person = text_of(l, "person_token");
    time_ja(text_of(l, "at"), when);
    snprintf(leaf, sizeof(leaf), "%lld", count_of(l, "leaf"));
    const char *number = w->numbers != NULL ? text_of(w->numbers, person) : "";
    const char *const CELLS[] = {
        given ? "提供" : "取得",
        when,
        party(l),
        text_of(l, "address"),
        text_of(l, "representative"),
        number,
        person[0] != '\0' ? person : "(本人の符号なし、または消去済み)",
        text_of(l, "what"),
        text_of(l, "items"),
        text_of(l, "purpose"),
        text_of(l, "basis"),
        given ? ""
              : "つなぎ(この仕組み)を通じて、相手から知らせとして受け取った",
        json_is_true(json_object_get(l, "recalled")) ? "取り消した" : "",
        leaf};
    for (size_t i = 0; i < NELEM(CELLS); i++)
        csv_cell(w->out, CELLS[i], i + 1 == NELEM(CELLS));
}

static int fetch_page(struct ctl *c, struct listing *w, const json_t *before,
                      struct node_answer *a)
{
    char after[24], upto[24];
    struct node_arg args[] = {{"from_ms", w->from},
                              {"to_ms", w->to},
                              {"after", after},
                              {"upto", upto}};
    snprintf(after, sizeof(after), "%lld", count_of(before, "after"));
    snprintf(upto, sizeof(upto), "%lld", count_of(before, "upto"));
    return request(c, "hub:provisions", args, before != NULL ? NELEM(args) : 2,
                   a);
}

static int fetch(struct ctl *c, struct listing *w)
{
    struct node_answer a = {0};
    size_t i;
    json_t *l;
    int code = fetch_page(c, w, NULL, &a);
    while (code == EXIT_DONE) {
        json_array_foreach(json_object_get(a.json, "lines"), i, l)
        {
            put_line(w, l);
            w->lines++;
        }
        if (isatty(STDERR_FILENO))
            fprintf(stderr, "\r%lld/%lld", count_of(a.json, "after"),
                    count_of(a.json, "upto"));
        if (!json_is_true(json_object_get(a.json, "more")))
            break;
        struct node_answer next = {0};
        code = fetch_page(c, w, a.json, &next);
        node_answer_fini(&a);
        a = next;
    }
    node_answer_fini(&a);
    return code;
}

int cmd_audit_provisions(struct ctl *c)
{
    struct listing w = {.out = stdout};
    enum err e = read_days(c, &w);
    if (e != ERR_OK)
        return fail(c, e, "--from DATE --to DATE");
    if (c->out != NULL && (w.out = fopen(c->out, "wxe")) == NULL)
        return not_made(c, c->out);
    put_head(w.out);
    int code = read_numbers(c, &w);
    if (code == EXIT_DONE)
        code = fetch(c, &w);
    json_decref(w.numbers);
    bool bad = ferror(w.out) != 0;
    if (w.out != stdout)
        bad = fclose(w.out) != 0 || bad;
    if (code == EXIT_DONE && bad)
        return fail(c, ERR_IO, c->out != NULL ? c->out : "");
    if (code == EXIT_DONE)
        fprintf(stderr, say(c, "%zu件\n", "%zu lines\n"), w.lines);
    return code;
}
