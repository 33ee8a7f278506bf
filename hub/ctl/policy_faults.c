/* policy_faults.c - what policy_parse found wrong, for whoever edits the
 * tables: in the reader's language, with the words of the cell that are meant.
 *
 * Core tells faults as lines of English, "FILE:LINE: error CODE: COLUMN:
 * SENTENCE" or, where there is no table yet, "FILE:LINE: error CODE: SENTENCE
 * (WHAT)". Each of its sentences stands in SENTENCES (tests/check_faults.sh);
 * one that does not is shown as it came. */
#include "hub/ctl/policy.h"
#include "proto/base/tsv.h"
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *en, *ja;
} SENTENCES[] = {
    {"is needed", "空です。書いてください"},
    {"an unknown word", "使えない語があります"},
    {"names nothing", "一つも書かれていません"},
    {"must be a number", "数字を書いてください"},
    {"no such event", "その名前のイベントはありません"},
    {"the event has no such variant", "そのイベントに、その区別はありません"},
    {"this program knows no such word", "プログラムの知らない語です"},
    {"stands here twice", "同じものが二度書かれています"},
    {"too many of this kind", "この種類の行が多すぎます"},
    {"no such class", "その情報の区分はありません"},
    {"the schemas know no such word", "様式にない語です"},
    {"the schema labels it otherwise", "様式にある説明の文と違います"},
    {"an unknown kind of word", "kind の列の語が違います"},
    {"no such role", "その役割はありません"},
    {"an excluded role has no ceiling",
     "使えない役割(警察など)に上限は書けません"},
    {"the minimum knows no variants",
     "必要最小限の表に「:」のあとの区別は書けません"},
    {"an authority knows no variants",
     "受け持ちの表に「:」のあとの区別は書けません"},
    {"what it tells must be among the classes",
     "届くだけで伝わる区分(tells)が classes にありません"},
    {"beyond the ceiling of the role", "その役割の上限を超えています"},
    {"no such layer", "その層はありません"},
    {"must be permit or deny", "permit(渡す)か deny(渡さない)と書いてください"},
    {"this layer can only deny", "この層には deny(渡さない)しか書けません"},
    {"an excluded role can be permitted nothing",
     "使えない役割(警察など)には何も渡せません"},
    {"no such basis", "その根拠は basis.tsv にありません"},
    {"plain in one language only", "「-」は日本語と英語の両方に書きます"},
    {"a permit needs a sentence", "渡す規則には理由の文が要ります"},
    {"too many rules for one event", "一つのイベントの規則が多すぎます"},
    {"has no ceiling", "上限(ceiling.tsv)の行がありません"},
    {"is missing", "行がありません"},
    {"too many rules", "規則が多すぎます"},
};

struct fault {
    char file[64], code[16], column[32], what[160];
    size_t line; /* 0: none */
    const char *sentence;
};

/* Copies what stands before `end`, and goes behind it; false when it does not
 * stand there. */
static bool cut(const char **at, const char *end, char *out, size_t size)
{
    const char *p = strstr(*at, end);
    size_t n = p != NULL ? (size_t)(p - *at) : size;
    if (n >= size)
        return false;
    memcpy(out, *at, n);
    out[n] = '\0';
    *at = p + strlen(end);
    return true;
}

static const char *plain(const char *sentence, bool ja)
{
    for (size_t i = 0; ja && i < NELEM(SENTENCES); i++)
        if (strcmp(SENTENCES[i].en, sentence) == 0)
            return SENTENCES[i].ja;
    for (int e = 1; ja && e < ERR_COUNT; e++)
        if (strcmp(err_en((enum err)e), sentence) == 0)
            return err_ja((enum err)e);
    return sentence;
}

/* "G_DX is missing": what it is about stands before a sentence we know. */
static void split_subject(struct fault *f)
{
    const char *space = strchr(f->sentence, ' ');
    if (space == NULL || plain(f->sentence, true) != f->sentence ||
        plain(space + 1, true) == space + 1)
        return;
    snprintf(f->what, sizeof(f->what), "%.*s", (int)(space - f->sentence),
             f->sentence);
    f->sentence = space + 1;
}

/* "Unknown header. (basis)": what is meant stands behind. */
static void split_detail(struct fault *f, char *text)
{
    size_t n = strlen(text);
    char *open = strrchr(text, '(');
    if (n == 0 || text[n - 1] != ')' || open == NULL || open - text < 2)
        return;
    text[n - 1] = '\0';
    snprintf(f->what, sizeof(f->what), "%s", open + 1);
    open[-1] = '\0';
}

static void read_fault(char *text, struct fault *f)
{
    char number[24];
    const char *at = text;
    *f = (struct fault){.sentence = text};
    if (!cut(&at, ":", f->file, sizeof(f->file)))
        return;
    if (at[0] != ' ' && cut(&at, ":", number, sizeof(number)))
        f->line = strtoul(number, NULL, 10);
    at += strspn(at, " ");
    if (strncmp(at, "error ", 6) == 0) {
        at += 6;
        (void)cut(&at, ": ", f->code, sizeof(f->code));
    }
    const char *column = at;
    if (strcmp(f->code, err_code(ERR_POL_INVALID)) == 0 && f->line > 0 &&
        cut(&at, ": ", f->column, sizeof(f->column)))
        column = at;
    f->sentence = column;
    if (f->column[0] == '\0')
        split_detail(f, text + (column - text));
    split_subject(f);
}

/* ---- the cell ---- */

static size_t file_number(const char *name)
{
    size_t i = 0;
    while (i < PACK_FILES && strcmp(pack_file_name(i), name) != 0)
        i++;
    return i;
}

static struct tsv *table(const struct pack *p, size_t file)
{
    static const char *const NONE[] = {NULL};
    struct tsv *t = NULL;
    struct buf why = {0};
    if (file < PACK_FILES && tsv_parse(pack_file_name(file), p->files[file],
                                       NONE, &t, &why) != ERR_OK)
        t = NULL;
    buf_fini(&why);
    return t;
}

/* Some row of the vocabulary has this code. */
static bool in_vocabulary(const struct tsv *vocab, const char *word, size_t n)
{
    for (size_t i = 0; i < tsv_rows(vocab); i++) {
        const char *code = tsv_cell(vocab, i, "code");
        if (strlen(code) == n && memcmp(code, word, n) == 0)
            return true;
    }
    return false;
}

/* The words of a cell that vocab.tsv does not have; all of them when it has
 * every one or is broken itself. */
static void unknown_words(const struct pack *p, const char *cell,
                          struct buf *out)
{
    struct tsv *vocab = table(p, POLICY_VOCAB);
    const char *at = cell;
    while (vocab != NULL && *at != '\0') {
        at += strspn(at, " !");
        size_t n = strcspn(at, " "), name = strcspn(at, " :");
        if (n > 0 && strncmp(at, "*", n) != 0 &&
            !in_vocabulary(vocab, at, name))
            buf_addf(out, "%s%.*s", out->n > 0 ? " " : "", (int)n, at);
        at += n;
    }
    if (out->n == 0)
        buf_adds(out, cell);
    tsv_free(&vocab);
}

static void look_up(const struct pack *p, struct fault *f)
{
    struct buf words = {0};
    struct tsv *t = table(p, file_number(f->file));
    for (size_t i = 0; t != NULL && i < tsv_rows(t); i++)
        if (tsv_line(t, i) == f->line)
            unknown_words(p, tsv_cell(t, i, f->column), &words);
    if (words.n > 0)
        snprintf(f->what, sizeof(f->what), "%s", (char *)words.p);
    buf_fini(&words);
    tsv_free(&t);
}

/* ---- telling ---- */

/* A sentence of errors ends in a full stop; words may follow here. */
static void add_sentence(struct buf *b, const char *s)
{
    static const char *const STOP[] = {"。", "."};
    size_t n = strlen(s);
    for (size_t i = 0; i < NELEM(STOP); i++) {
        size_t k = strlen(STOP[i]);
        if (n > k && strcmp(s + n - k, STOP[i]) == 0)
            n -= k;
    }
    buf_add(b, s, n);
}

/* A cell whose words are all unknown names nothing, too: told already. */
static bool is_echo(const struct fault *f)
{
    return strcmp(f->sentence, "names nothing") == 0 && f->what[0] != '\0';
}

static void tell(const struct ctl *c, const struct fault *f, fault_told *told,
                 void *ctx)
{
    struct buf where = {0}, text = {0};
    buf_adds(&where, f->file);
    if (f->line > 0)
        buf_addf(&where, ":%zu", f->line);
    if (f->column[0] != '\0')
        buf_addf(&where, " %s", f->column);
    add_sentence(&text, plain(f->sentence, c->ja));
    if (f->what[0] != '\0')
        buf_addf(&text, c->ja ? "「%s」" : ": %s", f->what);
    if (strcmp(f->code, err_code(ERR_PB_UTF8)) == 0)
        buf_adds(&text,
                 say(c, "。表計算ソフトで「UTF-8・タブ区切り」で保存し直します",
                     ". Save it as UTF-8, separated by tabs"));
    told(ctx, where.failed ? "" : (char *)where.p,
         text.failed ? "" : (char *)text.p);
    buf_fini(&where);
    buf_fini(&text);
}

void policy_faults(const struct ctl *c, const struct pack *p,
                   const struct buf *why, fault_told *told, void *ctx)
{
    struct buf copy = {0};
    buf_add(&copy, why->p, why->n);
    char *line = copy.n > 0 ? (char *)copy.p : NULL;
    for (char *next; line != NULL && *line != '\0'; line = next) {
        struct fault f;
        next = line + strcspn(line, "\n");
        if (*next == '\n')
            *next++ = '\0';
        read_fault(line, &f);
        if (f.column[0] != '\0')
            look_up(p, &f);
        if (!is_echo(&f))
            tell(c, &f, told, ctx);
    }
    buf_fini(&copy);
}
