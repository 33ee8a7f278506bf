/* report.c - `tsunagi audit report`: who has seen a person's data, as files
 * that the agency hands to that person.
 *
 *   report.html  to read and to print        report.csv  for a spreadsheet
 *   report.json  every line with its proof (C2SP tlog-proof), for programs
 *
 * The hub gives the lines by pages; they are written as they come, so neither
 * memory nor the hub's turns grow with the report. Every proof is checked, and
 * the lines are counted against what the log has: else it ends with 9. The
 * person's number goes no further than the node, which makes the token. */
#include "hub/ctl/report.h"
#include "proto/wire/log_proof.h"
#include <errno.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LEAF_BYTES 4096
#define ARGS_MAX 10

struct writing {
    struct ctl *c;
    struct report_page page;
    FILE *json, *csv;
    json_t *first, *waits; /* owned; lines shown later: they stand at the end,
                              where nothing says when they were written */
    struct report_head head;
    struct checkpoint tree;
    char person[PERSON_BYTES];
    bool folder; /* made here */
};

/* ---- asking ---- */

static size_t question(const struct writing *w, const json_t *page,
                       char number[3][24], struct node_arg *args)
{
    static const char *const KEY[] = {"report", "size", "after"};
    const struct ctl *c = w->c;
    const struct {
        const char *key, *value;
    } FIXED[] = {
        {"person", w->person[0] != '\0' ? w->person : NULL},
        {"person_token", c->token},
        {"order", c->order},
        {"agency", c->agency},
        {"actor", c->actor},
        {"identity_checked", "1"},
    };
    size_t n = 0;
    for (size_t i = 0; i < NELEM(FIXED); i++)
        if (FIXED[i].value != NULL)
            args[n++] = (struct node_arg){FIXED[i].key, FIXED[i].value};
    for (size_t i = 0; page != NULL && i < NELEM(KEY); i++) {
        const json_t *from = i < 2 ? w->first : page;
        snprintf(number[i], sizeof(number[i]), "%lld", count_of(from, KEY[i]));
        args[n++] = (struct node_arg){KEY[i], number[i]};
    }
    return n;
}

/* One answer; the operator's command line asks the hub, everybody else the
 * node. */
static int ask_once(struct writing *w, const json_t *page, json_t **out)
{
    char number[3][24];
    struct node_arg args[ARGS_MAX];
    size_t n = question(w, page, number, args);
    struct node_answer a = {0};
    if (w->c->agency != NULL)
        return ask(w->c, "report", args, n, out);
    int code = request(w->c, "report", args, n, &a);
    *out = code == EXIT_DONE ? json_incref(a.json) : NULL;
    node_answer_fini(&a);
    return code;
}

static void progress(const struct writing *w, const char *ja, const char *en,
                     long long done, long long of)
{
    if (isatty(STDERR_FILENO))
        fprintf(stderr, "\r%s %lld/%lld", say(w->c, ja, en), done, of);
}

/* Until the hub's index of the log has caught up. */
static int ask_page(struct writing *w, const json_t *page, json_t **out)
{
    for (;;) {
        int code = ask_once(w, page, out);
        if (code != EXIT_DONE || json_object_get(*out, "indexed") == NULL)
            return code;
        progress(w, "記録を調べています", "looking through the log",
                 count_of(*out, "indexed"), count_of(*out, "of"));
        json_decref(*out);
    }
}

/* ---- proofs ---- */

static size_t unbase64(const char *s, uint8_t *out, size_t max)
{
    size_t n = 0;
    return sodium_base642bin(out, max, s, strlen(s), NULL, &n, NULL,
                             sodium_base64_VARIANT_ORIGINAL) == 0
               ? n
               : 0;
}

static enum err open_head(struct writing *w)
{
    struct vkey key;
    if (!vkey_parse(slice_str(text_of(w->first, "vkey")), &key) ||
        key.type != VKEY_SIGNER)
        return ERR_INTEGRITY;
    return checkpoint_open(slice_str(text_of(w->first, "note")), key.name,
                           key.key, &w->tree);
}

/* Checks where the entry is and appends the proof as a text of its own; an
 * entry whose bytes are not shown goes by its hash. */
static enum err prove(struct writing *w, const json_t *row, struct buf *text)
{
    struct hash path[PROOF_MAX], leaf;
    uint8_t bytes[LEAF_BYTES];
    size_t size = unbase64(text_of(row, "bytes"), bytes, sizeof(bytes)), i;
    uint64_t index = (uint64_t)count_of(row, "leaf");
    const json_t *list = json_object_get(row, "proof");
    json_t *v;
    if (json_array_size(list) > PROOF_MAX)
        return ERR_INTEGRITY;
    json_array_foreach(
        list, i, v) if (unbase64(json_string_value(v), path[i].b, HASH_BYTES) !=
                        HASH_BYTES) return ERR_INTEGRITY;
    if (size > 0)
        leaf = proof_leaf(slice_of(bytes, size));
    else if (unbase64(text_of(row, "hash"), leaf.b, HASH_BYTES) != HASH_BYTES)
        return ERR_INTEGRITY;
    enum err e = proof_check_inclusion(index, w->tree.size, leaf, path,
                                       json_array_size(list), w->tree.root);
    if (e != ERR_OK)
        return e;
    return log_proof_write(size > 0 ? slice_of(bytes, size) : SLICE_NONE, index,
                           path, json_array_size(list),
                           slice_str(text_of(w->first, "note")), text);
}

/* ---- lines ---- */

static const char *const CSV_FIRST[] = {"区分", "日時"};

/* Wide forms, too: a Japanese spreadsheet reads them as the narrow ones. */
static bool begins_formula(const char *text)
{
    static const char *const SIGNS[] = {"=",  "+",  "-",  "@",  "\t", "\r",
                                        "\n", "＝", "＋", "－", "＠"};
    for (size_t i = 0; i < NELEM(SIGNS); i++)
        if (strncmp(text, SIGNS[i], strlen(SIGNS[i])) == 0)
            return true;
    return false;
}

void csv_cell(FILE *f, const char *text, bool last)
{
    fputc('"', f);
    if (begins_formula(text))
        fputc('\'', f);
    for (; *text != '\0'; text++) {
        if (*text == '"')
            fputc('"', f);
        fputc(*text, f);
    }
    fputs(last ? "\"\r\n" : "\",", f);
}

static void csv_head(FILE *f)
{
    fputs("\xef\xbb\xbf", f);
    for (size_t i = 0; i < NELEM(CSV_FIRST); i++)
        csv_cell(f, CSV_FIRST[i], false);
    for (int c = 0; c < REPORT_COLUMNS; c++)
        csv_cell(f, report_column_ja((enum report_column)c), false);
    csv_cell(f, "証明番号", true);
}

static void csv_row(FILE *f, enum report_section s, const json_t *row)
{
    char text[48] = "";
    csv_cell(f, report_section_ja(s), false);
    if (s != REPORT_DELAYED)
        time_ja(text_of(row, "at"), text);
    csv_cell(f, text, false);
    for (int c = 0; c < REPORT_COLUMNS; c++)
        csv_cell(f, text_of(row, report_column_name((enum report_column)c)),
                 false);
    text[0] = '\0';
    if (s != REPORT_DELAYED)
        snprintf(text, sizeof(text), "%lld", count_of(row, "leaf"));
    csv_cell(f, text, true);
}

static enum err json_row(struct writing *w, enum report_section s, json_t *row)
{
    struct buf text = {0};
    enum err e = ERR_OK;
    if (s != REPORT_DELAYED)
        e = prove(w, row, &text);
    json_object_del(row, "proof");
    json_object_del(row, "bytes");
    if (e == ERR_OK && s != REPORT_DELAYED)
        json_object_set_new(row, "tlog_proof",
                            json_stringn((char *)text.p, text.n));
    fputs(w->head.rows > 0 ? ",\n" : "\n", w->json);
    if (e == ERR_OK && json_dumpf(row, w->json, JSON_COMPACT) != 0)
        e = ERR_IO;
    buf_fini(&text);
    return e;
}

static bool section_of(const json_t *row, enum report_section *s)
{
    for (int i = 0; i < REPORT_SECTIONS; i++)
        if (strcmp(text_of(row, "section"),
                   report_section_name((enum report_section)i)) == 0) {
            *s = (enum report_section)i;
            return true;
        }
    return false;
}

static enum err write_row(struct writing *w, enum report_section s, json_t *row)
{
    report_page_row(&w->page, s, row);
    csv_row(w->csv, s, row);
    enum err e = json_row(w, s, row);
    w->head.rows++;
    w->head.of[s]++;
    return e;
}

static enum err write_waiting(struct writing *w)
{
    enum err e = ERR_OK;
    for (size_t i = 0; e == ERR_OK && i < json_array_size(w->waits); i++)
        e = write_row(w, REPORT_DELAYED, json_array_get(w->waits, i));
    return e;
}

static enum err write_rows(struct writing *w, const json_t *page)
{
    size_t i;
    json_t *row;
    enum err e = ERR_OK;
    json_array_foreach(json_object_get(page, "rows"), i, row)
    {
        enum report_section s;
        if (!section_of(row, &s))
            return ERR_INTEGRITY;
        if (s != REPORT_DELAYED)
            e = write_row(w, s, row);
        else if (json_array_append(w->waits, row) != 0)
            e = ERR_NOMEM;
        if (e != ERR_OK)
            return e;
    }
    return ferror(w->csv) || ferror(w->json) ? ERR_IO : e;
}

/* ---- the files ---- */

static FILE *open_file(const struct writing *w, const char *name)
{
    char path[4400];
    snprintf(path, sizeof(path), "%s/%s", w->c->out, name);
    return fopen(path, "wxe");
}

static bool open_files(struct writing *w)
{
    umask(0077);
    if (mkdir(w->c->out, 0700) != 0)
        return false;
    w->folder = true;
    if (!report_page_open(&w->page, w->c->out))
        return false;
    w->csv = open_file(w, "report.csv");
    w->json = open_file(w, "report.json");
    if (w->csv == NULL || w->json == NULL)
        return false;
    csv_head(w->csv);
    return true;
}

/* What the machine-readable file says before its lines. */
static void json_begin(struct writing *w)
{
    static const char *const KEYS[] = {"report", "size", "total",
                                       "agency", "made", "origin",
                                       "note",   "vkey", "erased"};
    fputs("{\"schema\":\"tsunagi.report-file/1\"", w->json);
    for (size_t i = 0; i < NELEM(KEYS); i++) {
        const json_t *v = json_object_get(w->first, KEYS[i]);
        if (v == NULL)
            continue;
        fprintf(w->json, ",\"%s\":", KEYS[i]);
        json_dumpf(v, w->json, JSON_COMPACT | JSON_ENCODE_ANY);
    }
    fputs(",\"rows\":[", w->json);
}

static bool end_files(struct writing *w)
{
    bool ok = write_waiting(w) == ERR_OK;
    fputs("\n]}\n", w->json);
    ok = fclose(w->json) == 0 && ok;
    w->json = NULL;
    ok = fclose(w->csv) == 0 && ok;
    w->csv = NULL;
    return report_page_end(&w->page, &w->head) && ok;
}

/* Half a report is none: nobody is to hand it on by mistake. */
static void drop_files(const struct writing *w)
{
    static const char *const NAMES[] = {"report.html", "report.csv",
                                        "report.json"};
    char path[4400];
    for (size_t i = 0; w->folder && i < NELEM(NAMES); i++) {
        snprintf(path, sizeof(path), "%s/%s", w->c->out, NAMES[i]);
        unlink(path);
    }
    if (w->folder)
        rmdir(w->c->out);
}

static void writing_fini(struct writing *w)
{
    report_page_close(&w->page);
    if (w->json != NULL)
        fclose(w->json);
    if (w->csv != NULL)
        fclose(w->csv);
    json_decref(w->first);
    json_decref(w->waits);
}

static int begin(struct writing *w, json_t *page)
{
    w->first = json_incref(page);
    w->waits = json_array();
    w->head.first = w->first;
    w->head.order = w->c->order;
    if (open_head(w) != ERR_OK)
        return fail(w->c, ERR_INTEGRITY, "note");
    if (!open_files(w))
        return not_made(w->c, w->c->out);
    json_begin(w);
    return EXIT_DONE;
}

/* Every page, as it comes. */
static int fetch(struct writing *w)
{
    json_t *page = NULL, *next = NULL;
    int code = ask_page(w, NULL, &page);
    if (code == EXIT_DONE)
        code = begin(w, page);
    while (code == EXIT_DONE) {
        enum err e = write_rows(w, page);
        if (e != ERR_OK)
            code = fail(w->c, e, w->c->out);
        progress(w, "書き出しています", "writing", (long long)w->head.rows,
                 count_of(w->first, "total"));
        if (code != EXIT_DONE || !json_is_true(json_object_get(page, "more")))
            break;
        code = ask_page(w, page, &next);
        json_decref(page);
        page = next;
        next = NULL;
    }
    if (isatty(STDERR_FILENO))
        fputc('\n', stderr);
    json_decref(page);
    return code;
}

static int finish(struct writing *w)
{
    if (!end_files(w))
        return fail(w->c, ERR_IO, w->c->out);
    if ((long long)w->head.rows != count_of(w->first, "total"))
        return fail(w->c, ERR_INTEGRITY,
                    say(w->c, "記録の数が台帳と合いません",
                        "the lines are not as many as the log's entries"));
    if (w->c->json)
        printf("{\"schema\":\"tsunagi.audit-report/1\",\"rows\":%zu,"
               "\"report\":%lld}\n",
               w->head.rows, count_of(w->first, "report"));
    else
        printf(say(w->c, "%s: %zu件(台帳の数と同じ)\n",
                   "%s: %zu lines, as many as the log's entries\n"),
               w->c->out, w->head.rows);
    return EXIT_DONE;
}

/* Whom it is handed to was asked who they are. */
static bool identity_checked(const struct ctl *c)
{
    char line[16];
    if (c->yes)
        return true;
    if (c->person != NULL && strcmp(c->person, "-") == 0)
        return false; /* nobody can answer there */
    fputs(say(c,
              "請求した人が本人(または代理人)であることを確かめましたか。"
              "確かめたら yes と入力: ",
              "Was it checked that it is the person, or who represents them, "
              "that asks? Type yes: "),
          stderr);
    return fgets(line, sizeof(line), stdin) != NULL &&
           strcmp(line, "yes\n") == 0;
}

int cmd_audit_report(struct ctl *c)
{
    struct writing w = {.c = c};
    int code = person_of(c, w.person);
    if (code != EXIT_DONE)
        return code;
    if (c->out == NULL ||
        (w.person[0] != '\0') + (c->token != NULL) + (c->order != NULL) != 1)
        return fail(c, ERR_USAGE,
                    "--out FOLDER; --person -|@FILE, --token HEX, --order REF");
    if (c->agency == NULL && c->actor == NULL)
        return fail(c, ERR_USAGE, "--actor");
    if (!identity_checked(c))
        return fail(
            c, ERR_DENIED,
            say(c, "何も作っていません。本人か代理人かを確かめてから、もう一度",
                "nothing was made; check who it is, then again"));
    code = fetch(&w);
    if (code == EXIT_DONE)
        code = finish(&w);
    if (code != EXIT_DONE)
        drop_files(&w);
    writing_fini(&w);
    return code;
}
