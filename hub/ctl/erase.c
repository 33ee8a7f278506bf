/* erase.c - `tsunagi erase`: the night's work now, and the certificate.
 *
 * The certificate says what was destroyed and what was not; the second half is
 * as long as the first, because nobody can show that something exists nowhere.
 * Its text and its page are made by the same lines, one writer each. */
#include "hub/core/order.h"
#include "hub/ctl/ctl.h"
#include "proto/base/clock.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- run ---- */

static bool resting(const json_t *j)
{
    return text_of(j, "step")[0] == '\0';
}

/* Looks until the hub rests, or the time is over. */
static int await(struct ctl *c, bool sweep, json_t **j)
{
    uint64_t until = clock_boot_ms() + (uint64_t)c->timeout_ms;
    for (;;) {
        int code = ask(c, "erase-look", NULL, 0, j);
        if (code != EXIT_DONE || clock_boot_ms() > until)
            return code;
        if (resting(*j) &&
            !(sweep && json_is_true(json_object_get(*j, "sweeping"))))
            return code;
        json_decref(*j);
        *j = NULL;
        usleep(50000);
    }
}

int cmd_erase_run(struct ctl *c)
{
    json_t *j = NULL;
    int code = await(c, true, &j); /* recalls are written first */
    json_decref(j);
    j = NULL;
    if (code == EXIT_DONE)
        code = ask(c, "erase-run", NULL, 0, &j);
    json_decref(j);
    j = NULL;
    if (code == EXIT_DONE)
        code = await(c, false, &j);
    if (code == EXIT_DONE && c->json)
        print_json(j);
    else if (code == EXIT_DONE)
        puts(resting(j) ? say(c,
                              "いまできる消去は終わりました。保全中のものと"
                              "返事のない接続: tsunagi order list",
                              "what can be erased now is; what is held and who "
                              "has not answered: tsunagi order list")
                        : say(c, "消去の作業は続いています", "still erasing"));
    if (code == EXIT_DONE && !resting(j))
        code = EXIT_PARTLY;
    json_decref(j);
    return code;
}

/* ---- two writers ---- */

struct page {
    struct buf *out;
    bool html;
};

static void put(struct page *p, const char *text)
{
    if (!p->html) {
        buf_adds(p->out, text);
        return;
    }
    for (; *text != '\0'; text++) {
        const char *entity = html_entity(*text);
        if (entity != NULL)
            buf_adds(p->out, entity);
        else
            buf_addc(p->out, *text);
    }
}

static void put_in(struct page *p, const char *tag, const char *text)
{
    buf_addf(p->out, "<%s>", tag);
    put(p, text);
    buf_addf(p->out, "</%s>", tag);
}

static void heading(struct page *p, const char *text)
{
    if (p->html) {
        put_in(p, "h2", text);
        buf_addc(p->out, '\n');
    } else {
        buf_addf(p->out, "\n■ %s\n", text);
    }
}

static void line(struct page *p, const char *text)
{
    if (p->html) {
        put_in(p, "p", text);
        buf_addc(p->out, '\n');
    } else {
        buf_addf(p->out, "  %s\n", text);
    }
}

/* Label and what stands beside it. */
static void item(struct page *p, const char *label, const char *text)
{
    if (p->html) {
        buf_adds(p->out, "<dl>");
        put_in(p, "dt", label);
        put_in(p, "dd", text);
        buf_adds(p->out, "</dl>\n");
    } else {
        buf_addf(p->out, "  %s%s%s\n", label, label[0] != '\0' ? ": " : "  ",
                 text);
    }
}

/* The same with a text that may be long; ends it. */
static void item_of(struct page *p, const char *label, struct buf *text)
{
    p->out->failed |= text->failed;
    item(p, label, text->n > 0 ? (char *)text->p : "");
    buf_fini(text);
}

static void bullet(struct page *p, const char *text)
{
    if (p->html) {
        buf_adds(p->out, "<p class=\"b\">");
        put(p, text);
        buf_adds(p->out, "</p>\n");
    } else {
        buf_addf(p->out, "  ・%s\n", text);
    }
}

static const char HEAD[] =
    "<!DOCTYPE html>\n<html lang=\"ja\"><head><meta charset=\"utf-8\">\n"
    "<meta name=\"viewport\" content=\"width=device-width\">\n"
    "<title>情報消去証明書</title>\n<style>\n"
    "@page{size:A4;margin:18mm 16mm}\n"
    "body{font-family:\"Noto Serif CJK JP\",\"Yu Mincho\",serif;"
    "font-size:11pt;line-height:1.6;color:#000;max-width:180mm;margin:auto}\n"
    "h1{font-size:18pt;text-align:center;letter-spacing:.2em}\n"
    "h2{font-size:12pt;border-bottom:1px solid #000;margin:1.2em 0 .4em}\n"
    "p{margin:.3em 0}.b{padding-left:1.2em;text-indent:-1.2em}"
    ".b::before{content:\"・ \"}\n"
    "dl{display:flex;margin:.15em 0}dt{flex:0 0 11em}dd{margin:0;"
    "overflow-wrap:anywhere}\n"
    "h2,dl,p{break-inside:avoid}\n"
    "</style></head><body>\n";

/* ---- what it says ---- */

static void say_title(struct page *p, const json_t *j)
{
    bool over = strcmp(text_of(j, "state"), "over") == 0;
    if (p->html) {
        buf_adds(p->out, HEAD);
        put_in(p, "h1", "情報消去証明書");
    } else {
        buf_adds(p->out, "情報消去証明書\n");
    }
    if (!over)
        line(p, "【途中】この消去はまだ終わっていません。これは途中の様子で、"
                "証明書ではありません。");
    item(p, "番号", text_of(j, "order"));
    item(p, "監査記録の名前", text_of(j, "origin"));
}

static void say_request(struct page *p, const json_t *j)
{
    char text[32], when[48];
    struct buf name = {0};
    const char *reason = order_reason_ja(ORDER_ERASE, text_of(j, "reason"));
    heading(p, "求めと承認");
    item(p, "求めのあった日", text_of(j, "asked_on"));
    buf_addf(&name, "%s(%s)", text_of(j, "asked_by_name"),
             text_of(j, "asked_by"));
    item_of(p, "受け付けた機関", &name);
    item(p, "理由", reason != NULL ? reason : "");
    item(p, "基盤が受け付けた日時", time_ja(text_of(j, "taken"), when));
    snprintf(text, sizeof(text), "%lld", count_of(j, "leaf"));
    item(p, "証明番号", text);
    size_t i;
    json_t *by;
    json_array_foreach(json_object_get(j, "approved_by"), i, by)
    {
        buf_addf(&name, "%s(署名鍵 %s)", text_of(by, "person"),
                 text_of(by, "key"));
        item_of(p, "承認した人", &name);
    }
}

static void say_destroyed(struct page *p, const json_t *j)
{
    char text[256], when[48];
    size_t i;
    json_t *d;
    bool over = text_of(j, "done")[0] != '\0';
    heading(p, over ? "消したもの" : "これから消すもの(まだ残っています)");
    if (over)
        item(p, "終わった日時", time_ja(text_of(j, "done"), when));
    if (text_of(j, "held_until")[0] != '\0')
        item(p, "保全により待っています。いつまで", text_of(j, "held_until"));
    bullet(p, over ? "この方の情報の中身を閉じていた鍵。鍵がないので、中身は"
                     "読めません。"
                   : "この方の情報の中身を閉じている鍵。");
    bullet(
        p,
        "機関がこの方を呼んでいた番号、案件とその段階、同意の記録、市区町村、"
        "住所の保護、期限、送り待ちの知らせ、受け取った知らせの中身。");
    bullet(p, "緊急閲覧の理由の文と、文を見比べるための値。");
    json_array_foreach(json_object_get(j, "destroyed"), i, d)
    {
        snprintf(text, sizeof(text), "鍵 %s  証明番号 始め %lld 終わり %lld",
                 text_of(d, "key")[0] != '\0' ? text_of(d, "key") : "なし",
                 count_of(d, "begin"), count_of(d, "done"));
        item(p, i == 0 ? "壊した鍵" : "", text);
    }
    if (count_of(j, "epoch") > 0) {
        snprintf(
            text, sizeof(text),
            "残りの鍵を第%lld世代の鍵で包み直し、前の世代の鍵を壊しました。"
            "鍵束の古い控えは開きません。",
            count_of(j, "epoch"));
        line(p, text);
    }
}

static const char *outcome(const json_t *h, bool held)
{
    const char *o = text_of(h, "outcome");
    if (strcmp(o, "DELETED") == 0)
        return "消した、と署名して答えました";
    if (strcmp(o, "HANDED_OVER") == 0)
        return "接続に残る分は消しました。すでに機関の記録に移したものがあり、"
               "それは機関の規則によります";
    if (strcmp(o, "UNKNOWN") == 0)
        return "該当するものはない、と署名して答えました";
    return text_of(h, "node")[0] == '\0'
               ? "【未了】使える接続がなく、伝えられていません。書面で伝えて"
                 "ください"
           : held ? "【未了】まだ答えていません。保全が終わるまで、消す命令は"
                    "渡しません"
                  : "【未了】まだ答えていません。つながり次第、消します";
}

static void say_holders(struct page *p, const json_t *j)
{
    char text[400];
    struct buf name = {0};
    size_t i;
    json_t *h;
    heading(p, "この方の情報を持っていた機関");
    if (json_array_size(json_object_get(j, "holders")) == 0)
        line(p, "ありません。");
    json_array_foreach(json_object_get(j, "holders"), i, h)
    {
        buf_addf(&name, "%s(%s)", text_of(h, "name"), text_of(h, "agency"));
        snprintf(text, sizeof(text), "%s。接続 %s",
                 outcome(h, text_of(j, "held_until")[0] != '\0'),
                 text_of(h, "node")[0] != '\0' ? text_of(h, "node") : "なし");
        if (count_of(h, "leaf") > 0)
            snprintf(text + strlen(text), sizeof(text) - strlen(text),
                     "  証明番号 %lld", count_of(h, "leaf"));
        p->out->failed |= name.failed;
        item(p, name.n > 0 ? (char *)name.p : "", text);
        buf_fini(&name);
    }
}

static void say_rest(struct page *p)
{
    heading(p, "消していないもの、証明できないこと");
    bullet(
        p,
        "機関がすでに自分の記録や紙に移したもの。それぞれの機関の規則と法令に"
        "よります(例: 診療録の保存は5年)。");
    bullet(p,
           "監査記録の行。いつ、どの機関に、どの種類の情報が渡ったかと、乱数の"
           "番号だけがあり、名前も中身もありません。この消去に関わる行は、"
           "この証明書の番号からだけたどれます。");
    bullet(p, "保管庫の古い控え。開けない暗号文と乱数の番号だけが残ります。");
    bullet(
        p,
        "緊急閲覧を開いた職員と点検の記録。この方との結びつきは外しました。");
    bullet(
        p,
        "鍵の写しがどこにもないことは、だれにも証明できません。この証明書が示す"
        "のは、この基盤が持っていた鍵を壊したことと、それが監査記録に残って"
        "いることです。");
    bullet(p, "この後に届いた知らせは、別の方のものとして扱われます。");
    heading(p, "確かめ方");
    line(p,
         "証明番号の行は、監査記録の写しで、基盤を信じなくても確かめられます"
         "(tsunagi audit export、tsunagi audit verify)。だれが見たかの記録は、"
         "この番号で求められます(tsunagi audit report --order)。");
}

static void write_page(const json_t *j, bool html, struct buf *out)
{
    struct page p = {out, html};
    char when[48];
    say_title(&p, j);
    say_request(&p, j);
    say_destroyed(&p, j);
    say_holders(&p, j);
    say_rest(&p);
    item(&p, "作成", time_ja(text_of(j, "time"), when));
    if (html)
        buf_adds(out, "</body></html>\n");
}

/* ---- files ---- */

static int put_file(const struct ctl *c, const char *name, struct slice s)
{
    char path[4200];
    snprintf(path, sizeof(path), "%s/%s", c->out, name);
    enum err e = file_replace(path, s, 0600);
    return e == ERR_OK ? EXIT_DONE : fail(c, e, path);
}

static int put_folder(const struct ctl *c, const json_t *j,
                      const struct buf *text)
{
    struct buf page = {0};
    if (mkdir(c->out, 0700) != 0)
        return not_made(c, c->out);
    char *json = json_dumps(j, JSON_INDENT(1));
    write_page(j, true, &page);
    int code = page.failed || json == NULL ? fail(c, ERR_NOMEM, "") : EXIT_DONE;
    if (code == EXIT_DONE)
        code = put_file(c, "certificate.txt", buf_slice(text));
    if (code == EXIT_DONE)
        code = put_file(c, "certificate.html", buf_slice(&page));
    if (code == EXIT_DONE)
        code = put_file(c, "certificate.json", slice_str(json));
    if (code == EXIT_DONE)
        fprintf(
            stderr,
            say(c, "証明書を書きました: %s\n", "wrote the certificate: %s\n"),
            c->out);
    free(json);
    buf_fini(&page);
    return code;
}

/* Not over, or somebody has not answered. */
static bool partly(const json_t *j)
{
    size_t i;
    json_t *h;
    json_array_foreach(json_object_get(j, "holders"), i,
                       h) if (text_of(h, "outcome")[0] == '\0') return true;
    return strcmp(text_of(j, "state"), "over") != 0;
}

int cmd_erase_certificate(struct ctl *c)
{
    struct node_arg arg = {"order", c->argv[0]};
    struct buf text = {0};
    json_t *j = NULL;
    int code = ask(c, "erase-certificate", &arg, 1, &j);
    if (code == EXIT_DONE) {
        write_page(j, false, &text);
        if (c->json)
            print_json(j);
        else if (c->out == NULL)
            fwrite(text.p, 1, text.n, stdout);
        if (c->out != NULL)
            code = put_folder(c, j, &text);
    }
    if (code == EXIT_DONE && partly(j)) {
        fputs(say(c,
                  "まだ終わっていません(証明書の【未了】、tsunagi order list)。"
                  "全部そろってから、もう一度出せます\n",
                  "not over yet (the certificate, tsunagi order list); it can "
                  "be made again when it is\n"),
              stderr);
        code = EXIT_PARTLY;
    }
    json_decref(j);
    buf_fini(&text);
    return code;
}
