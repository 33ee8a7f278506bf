/* report_page.c - the report as a page for the person: plain Japanese, A4 when
 * it is printed, one card for each line on a phone. Nothing in it is fetched
 * from elsewhere and nothing runs. */
#include "hub/ctl/report.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WHEN_JA "日時"
#define C(column) (1u << REPORT_##column)
#define WHEN (1u << REPORT_COLUMNS)
#define PROOF (1u << (REPORT_COLUMNS + 1))
#define EVERY (PROOF * 2 - 1)

static const struct {
    const char *ja, *about;
    unsigned columns;
} SECTIONS[REPORT_SECTIONS] = {
    [REPORT_DELIVERIES] = {"あなたの情報を渡した記録",
                           "あなたについての知らせが、ほかの機関に渡りました。"
                           "渡したあとで取り消したものも、ここにあります。",
                           EVERY},
    [REPORT_READS] = {"あなたの情報を開いた記録",
                      "受け取った機関の職員が、画面などで開きました。"
                      "ファイルで受け取った機関では、だれが開いたかまでは"
                      "この仕組みには分かりません。",
                      EVERY},
    [REPORT_REFUSALS] = {"渡さなかった、見せなかった記録",
                         "渡す理由がないので、渡しませんでした。",
                         EVERY & ~C(GROUND)},
    [REPORT_GLASS] = {"緊急閲覧の記録",
                      "命や体を守るために急ぐときは、同意がなくても見ることが"
                      "あります。そのあと、別の機関が、正しかったかを"
                      "点検します。",
                      EVERY & ~C(PURPOSE)},
    [REPORT_CONSENTS] = {"あなたの同意の記録",
                         "同意したこと、同意しなかったこと、取り消したことの"
                         "記録です。",
                         WHEN | C(AGENCY) | C(ACT) | C(PURPOSE) | C(KINDS) |
                             C(GROUND) | PROOF},
    [REPORT_ERASURES] = {"情報を消した、残した記録",
                         "あなたの情報を消すこと、消さずに残すことについての"
                         "記録です。",
                         WHEN | C(AGENCY) | C(ACT) | C(WHY) | PROOF},
    [REPORT_LOOKUPS] = {"この記録を取り出した、送る前に確かめた記録",
                        "この紙のもとになる記録を取り出したことや、送る前に"
                        "何が渡るかを確かめたことの記録です。あなたの情報の"
                        "中身は渡っていません。",
                        WHEN | C(AGENCY) | C(ROLE) | C(ACT) | C(WHY) | PROOF},
    [REPORT_STEPS] = {"手続きの途中の記録",
                      "知らせを送り出したこと、渡してよいかを確かめたこと、"
                      "届いたという返事など、途中で残した記録です。",
                      WHEN | C(AGENCY) | C(ACT) | C(PURPOSE) | C(KINDS) |
                          C(WHY) | PROOF},
    [REPORT_DELAYED] = {"あとの日に見られる記録",
                        "法律にもとづいて、書いてある日まで見せることを待って"
                        "いる記録です。2人が承認しています。その日を過ぎて"
                        "からもう一度求めると、見ることができます。",
                        C(ACT) | C(WHY)},
};
static const char *const COLUMNS[REPORT_COLUMNS] = {
    [REPORT_AGENCY] = "機関",
    [REPORT_ROLE] = "その機関の役割",
    [REPORT_ACT] = "したこと",
    [REPORT_PURPOSE] = "何のため",
    [REPORT_KINDS] = "情報の種類",
    [REPORT_WHY] = "理由",
    [REPORT_GROUND] = "同意・法律・緊急",
};

const char *report_section_ja(enum report_section s)
{
    return SECTIONS[s].ja;
}

const char *report_column_ja(enum report_column c)
{
    return COLUMNS[c];
}

/* ---- writing ---- */

static void put_text(FILE *f, const char *s)
{
    for (; *s != '\0'; s++) {
        const char *entity = html_entity(*s);
        if (entity != NULL)
            fputs(entity, f);
        else
            fputc(*s, f);
    }
}

static void put_cell(FILE *f, const char *label, const char *text)
{
    fprintf(f, "<td%s data-label=\"%s\">",
            strcmp(label, WHEN_JA) == 0 ? " class=\"when\"" : "", label);
    put_text(f, text[0] != '\0' ? text : "―");
    fputs("</td>", f);
}

void report_page_row(struct report_page *p, enum report_section s,
                     const json_t *row)
{
    FILE *f = p->part[s];
    char text[48];
    unsigned show = SECTIONS[s].columns;
    fputs("<tr>", f);
    if ((show & WHEN) != 0) {
        time_ja(text_of(row, "at"), text);
        put_cell(f, WHEN_JA, text);
    }
    for (unsigned c = 0; c < REPORT_COLUMNS; c++)
        if ((show & 1u << c) != 0)
            put_cell(f, COLUMNS[c],
                     text_of(row, report_column_name((enum report_column)c)));
    if ((show & PROOF) != 0) {
        snprintf(text, sizeof(text), "%lld", count_of(row, "leaf"));
        put_cell(f, "証明番号", text);
    }
    fputs("</tr>\n", f);
}

static const char STYLE[] =
    "@page{size:A4 landscape;margin:12mm}\n"
    "*{box-sizing:border-box}\n"
    "body{font-family:sans-serif;font-size:16px;line-height:1.7;color:#111;"
    "background:#fff;margin:0 auto;padding:16px;max-width:1400px}\n"
    "h1{font-size:1.7em;margin:.2em 0}h2{font-size:1.25em;margin:1.6em 0 .2em;"
    "border-left:.4em solid #244;padding-left:.5em}\n"
    "table{border-collapse:collapse;width:100%}\n"
    "caption{text-align:left;font-size:.9em}\n"
    "td.when{word-break:keep-all;overflow-wrap:normal}\n"
    "th,td{border:1px solid #555;padding:.35em .5em;text-align:left;"
    "vertical-align:top;overflow-wrap:anywhere}\n"
    "th{background:#e8eeee}thead{display:table-header-group}\n"
    "tr{break-inside:avoid}h2,h2+p{break-after:avoid}\n"
    ".box{border:2px solid #244;padding:.6em 1em;margin:1em 0}\n"
    ".line{display:inline-block;min-width:18em;border-bottom:1px solid #111}\n"
    "table.short{width:auto}\n"
    "dt{font-weight:bold}dd{margin:0 0 .5em 1em}\n"
    "@media print{body{font-size:9.5pt;padding:0;line-height:1.5}}\n"
    "@media screen and (max-width:760px){\n"
    "table.log,table.log tbody,table.log tr,table.log td{display:block}\n"
    "table.log thead{position:absolute;left:-9999px}\n"
    "table.log tr{border:2px solid #555;margin:0 0 1em}\n"
    "table.log td{border:0;border-bottom:1px solid #ccc}\n"
    "table.log td::before{content:attr(data-label);display:block;"
    "font-weight:bold;font-size:.85em}\n"
    ".line{min-width:10em}}\n";

static void put_head(FILE *f, const struct report_head *h)
{
    char made[48];
    time_ja(text_of(h->first, "made"), made);
    fputs("<!DOCTYPE html>\n<html lang=\"ja\">\n<head>\n<meta charset="
          "\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width,"
          " initial-scale=1\">\n<meta name=\"robots\" content=\"noindex\">\n"
          "<title>あなたの情報の記録</title>\n<style>\n",
          f);
    fputs(STYLE, f);
    fputs(
        "</style>\n</head>\n<body>\n<main>\n<h1>あなたの情報の記録</h1>\n"
        "<p>この紙には、あなたの情報を、<strong>いつ、どの機関が、何のために"
        "</strong>受け取ったか、開いたかが書いてあります。あなたが求めたので、"
        "お渡しします。</p>\n<p>氏名 <span class=\"line\">&nbsp;</span>"
        "(窓口で書きます)</p>\n<p>作った日時: ",
        f);
    put_text(f, made);
    fputs("<br>お渡しする機関: ", f);
    put_text(f, text_of(h->first, "agency"));
    fputs("</p>\n", f);
}

static void put_erased(FILE *f, const struct report_head *h)
{
    char when[48];
    const json_t *e = json_object_get(h->first, "erased");
    if (e == NULL)
        return;
    time_ja(text_of(e, "at"), when);
    fputs("<div class=\"box\"><p><strong>", f);
    if (text_of(e, "at")[0] != '\0') {
        fputs("あなたの情報は、", f);
        put_text(f, when);
        fprintf(f, "に、この仕組みから消しました(証明番号 %lld)。",
                count_of(e, "leaf"));
    } else {
        fputs("あなたの情報は、いま消しているところです。", f);
    }
    fputs("</strong></p><p>消したことの証明書の番号: ", f);
    put_text(f, h->order != NULL ? h->order : "");
    fputs("</p><p>この紙に残っているのは、消す前に、いつ、どの機関が受け取った"
          "か、開いたかという記録だけです。情報の中身は残っていません。</p>"
          "<p>ほかの機関が自分の記録にうつしたものは、その機関の決まりで残る"
          "ことがあります。それぞれの機関の返事は、証明書に書いてあります。</p>"
          "</div>\n",
          f);
}

static void put_count(FILE *f, const struct report_head *h)
{
    long long total = count_of(h->first, "total");
    fprintf(f,
            "<h2>まとめ</h2>\n<p>あなたについての記録は、ぜんぶで <strong>%zu件"
            "</strong> です。",
            h->rows);
    if ((long long)h->rows == total)
        fprintf(f,
                "元の台帳にある、あなたについての記録も %lld件 です。"
                "数は同じで、抜けているものはありません。</p>\n",
                total);
    else
        fprintf(f, "元の台帳の記録は %lld件 で、数が合いません。</p>\n", total);
    fputs("<table class=\"short\"><caption>記録の数</caption><thead><tr>"
          "<th scope=\"col\">記録</th><th scope=\"col\">件数</th></tr></thead>"
          "<tbody>\n",
          f);
    for (int s = 0; s < REPORT_SECTIONS; s++)
        fprintf(f, "<tr><td>%d. %s</td><td>%zu件</td></tr>\n", s + 1,
                SECTIONS[s].ja, h->of[s]);
    fputs("</tbody></table>\n", f);
}

static void put_columns(FILE *f, enum report_section s)
{
    unsigned show = SECTIONS[s].columns;
    fprintf(f, "<table class=\"log\" aria-labelledby=\"s%d\"><thead><tr>",
            (int)s + 1);
    if ((show & WHEN) != 0)
        fputs("<th scope=\"col\">" WHEN_JA "</th>", f);
    for (unsigned c = 0; c < REPORT_COLUMNS; c++)
        if ((show & 1u << c) != 0)
            fprintf(f, "<th scope=\"col\">%s</th>", COLUMNS[c]);
    if ((show & PROOF) != 0)
        fputs("<th scope=\"col\">証明番号</th>", f);
    fputs("</tr></thead>\n<tbody>\n", f);
}

static bool put_part(FILE *f, FILE *part)
{
    char block[8192];
    size_t n;
    rewind(part);
    while ((n = fread(block, 1, sizeof(block), part)) > 0)
        if (fwrite(block, 1, n, f) != n)
            return false;
    return ferror(part) == 0;
}

static bool put_section(FILE *f, const struct report_page *p,
                        const struct report_head *h, enum report_section s)
{
    bool ok = true;
    int number = (int)s + 1;
    fprintf(f, "<section>\n<h2 id=\"s%d\">%d. %s(%zu件)</h2>\n", number, number,
            SECTIONS[s].ja, h->of[s]);
    if (h->of[s] == 0) {
        fputs(s != REPORT_DELAYED && h->of[REPORT_DELAYED] > 0
                  ? "<p>いま見られるものはありません。</p>\n"
                  : "<p>ありません。</p>\n",
              f);
    } else {
        fprintf(f, "<p>%s</p>\n", SECTIONS[s].about);
        put_columns(f, s);
        ok = put_part(f, p->part[s]);
        fputs("</tbody></table>\n", f);
    }
    fputs("</section>\n", f);
    return ok;
}

static void put_words(FILE *f, const struct report_head *h)
{
    fputs(
        "<section>\n<h2>ことばの説明</h2>\n<dl>\n"
        "<dt>本人の同意</dt><dd>あなたが「渡してよい」と決めたことです。"
        "いつでも取り消せます。</dd>\n"
        "<dt>法律などの決まり</dt><dd>あなたの同意がなくても、法律などで渡すと"
        "決まっている届けや知らせです。</dd>\n"
        "<dt>緊急</dt><dd>命や体を守るために、同意をもらう時間がないときです。"
        "</dd>\n"
        "<dt>ほかの人についての情報</dt><dd>家族など、あなたではない人の情報"
        "です。その人を守るため、くわしくは書いていません。</dd>\n"
        "<dt>証明番号</dt><dd>元の台帳の何番目の記録かを示す番号です。台帳は"
        "あとから書きかえると分かる仕組みで、ほかの人に確かめてもらうときに"
        "使います。</dd>\n</dl>\n"
        "<p>職員の名前は書いていません。知りたいときは、書いてある機関に聞いて"
        "ください。</p>\n"
        "<p>"
        "わからないこと、おかしいと思うことがあるときは、この紙を渡した機関に"
        "聞いてください。まちがいを直すこと、使うのをやめることも求められます。"
        "</p>\n<p>元の台帳の名前: ",
        f);
    put_text(f, text_of(h->first, "origin"));
    fprintf(f, "(%lld件目まで)。この紙を作ったことの証明番号: %lld</p>\n",
            count_of(h->first, "size"), count_of(h->first, "report"));
    fputs("</section>\n</main>\n</body>\n</html>\n", f);
}

/* ---- the file ---- */

/* On a stick or a shared folder that knows no O_TMPFILE the name goes at once.
 */
static int unnamed(const char *folder)
{
    char path[4400];
    int fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR))
        return fd;
    snprintf(path, sizeof(path), "%s/part-XXXXXX", folder);
    fd = mkostemp(path, O_CLOEXEC);
    if (fd >= 0)
        unlink(path);
    return fd;
}

static FILE *nameless(const char *folder)
{
    int fd = unnamed(folder);
    FILE *f = fd >= 0 ? fdopen(fd, "w+") : NULL;
    if (f == NULL && fd >= 0)
        close(fd);
    return f;
}

bool report_page_open(struct report_page *p, const char *folder)
{
    memset(p, 0, sizeof(*p));
    snprintf(p->path, sizeof(p->path), "%s/report.html", folder);
    for (int s = 0; s < REPORT_SECTIONS; s++)
        if ((p->part[s] = nameless(folder)) == NULL)
            return false;
    return true;
}

bool report_page_end(struct report_page *p, const struct report_head *h)
{
    FILE *f = fopen(p->path, "wxe");
    if (f == NULL)
        return false;
    put_head(f, h);
    put_erased(f, h);
    put_count(f, h);
    bool ok = true;
    for (int s = 0; s < REPORT_SECTIONS && ok; s++)
        ok = put_section(f, p, h, (enum report_section)s);
    put_words(f, h);
    ok = ok && ferror(f) == 0;
    return fclose(f) == 0 && ok;
}

void report_page_close(struct report_page *p)
{
    for (int s = 0; s < REPORT_SECTIONS; s++)
        if (p->part[s] != NULL)
            fclose(p->part[s]);
    memset(p, 0, sizeof(*p));
}
