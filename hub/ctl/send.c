/* send.c - `tsunagi send`: one event through the running adapter or through the
 * node's spool, and what would become of it (--preview). Many, a line each, go
 * by stream.c. */
#include "hub/ctl/ctl.h"
#include "proto/wire/schema.h"
#include <stdlib.h>
#include <string.h>

/* ---- one event ---- */

static void show_recipients(const struct ctl *c, const json_t *receipt)
{
    size_t i;
    json_t *r;
    json_array_foreach(json_object_get(receipt, "recipient"), i, r)
    {
        fputs("  ", stdout);
        cell(text_of(r, "agency"), 18);
        cell(text_of(r, "purpose"), 8);
        puts(text_of(r, c->ja ? "reason_ja" : "reason_en"));
    }
}

static int show_sent(const struct ctl *c, const struct node_answer *a)
{
    const char *code = text_of(a->json, "code");
    if (c->json) {
        json_object_set_new(a->json, "schema", json_string("tsunagi.send/1"));
        print_json(a->json);
    } else {
        printf("%s  %s\n", text_of(a->json, "event_id"),
               code[0] == '\0' ? say(c, "受け付けられました", "accepted")
                               : code);
        if (code[0] != '\0')
            printf("  %s\n", text_of(a->json, c->ja ? "text_ja" : "text_en"));
        show_recipients(c, json_object_get(a->json, "receipt"));
    }
    return exit_of(a->code != ERR_OK ? a->code : err_from_code(code));
}

int send_json(struct ctl *c, struct slice json)
{
    char path[4096], timeout[24];
    int code = node_config(c, path, sizeof(path));
    if (code != EXIT_DONE)
        return code;
    struct buf text = {0};
    buf_add(&text, json.p, json.n);
    snprintf(timeout, sizeof(timeout), "%lld", c->timeout_ms);
    struct node_arg args[] = {{"json", (char *)text.p},
                              {"timeout_ms", timeout}};
    struct node_answer a = {0};
    enum err e =
        text.failed ? ERR_NOMEM
                    : node_request(path, "send", args, NELEM(args), stderr, &a);
    if (e != ERR_OK)
        code = fail(c, e, path);
    else if (a.code != ERR_OK && text_of(a.json, "event_id")[0] == '\0')
        code = fail(c, a.code, text_of(a.json, "field"));
    else
        code = show_sent(c, &a);
    node_answer_fini(&a);
    buf_fini(&text);
    return code;
}

/* ---- what would pass ---- */

static const char *class_label(const struct ctl *c, const char *name)
{
    unsigned cls = class_from_name(name);
    return cls == 0 ? name : c->ja ? class_ja(cls) : class_en(cls);
}

static void show_classes(const struct ctl *c, const json_t *list,
                         const char *what)
{
    size_t i;
    json_t *name;
    if (json_array_size(list) == 0)
        return;
    printf("    %s", what);
    json_array_foreach(list, i, name)
        printf("%s%s", i > 0 ? say(c, "、", ", ") : "",
               class_label(c, json_string_value(name)));
    putchar('\n');
}

static void show_preview(const struct ctl *c, const json_t *r)
{
    const json_t *passes = json_object_get(r, "released");
    const char *agency = text_of(r, "agency");
    printf("  %s  %s\n",
           agency[0] != '\0' ? agency : say(c, "(宛先なし)", "(nobody)"),
           text_of(r, "purpose"));
    show_classes(c, passes, say(c, "渡るもの: ", "passes: "));
    if (json_array_size(passes) == 0)
        printf("    %s\n", say(c, "何も渡りません。", "Nothing passes."));
    show_classes(c, json_object_get(r, "withheld"),
                 say(c, "渡らないもの: ", "does not pass: "));
    if (text_of(r, c->ja ? "reason_ja" : "reason_en")[0] != '\0')
        printf("    %s\n", text_of(r, c->ja ? "reason_ja" : "reason_en"));
    if (text_of(r, "basis")[0] != '\0')
        printf("    %s%s\n", say(c, "根拠: ", "ground: "), text_of(r, "basis"));
}

static int preview(struct ctl *c, struct slice json)
{
    char timeout[24];
    size_t i;
    json_t *r;
    struct node_answer a = {0};
    snprintf(timeout, sizeof(timeout), "%lld", c->timeout_ms);
    struct node_arg args[] = {{"json", (const char *)json.p},
                              {"timeout_ms", timeout}};
    int code = request(c, "preview", args, NELEM(args), &a);
    if (code == EXIT_DONE && c->json) {
        print_json(a.json);
    } else if (code == EXIT_DONE) {
        puts(say(c, "いま送ると次のようになります(まだ何も送っていません)。",
                 "Sent now, this would happen (nothing has been sent)."));
        json_array_foreach(json_object_get(a.json, "recipient"), i, r)
            show_preview(c, r);
    }
    node_answer_fini(&a);
    return code;
}

int cmd_send(struct ctl *c)
{
    struct buf json = {0};
    if (c->stream)
        return send_stream(c);
    int code = read_text(c, c->argc > 0 ? c->argv[0] : NULL, &json);
    if (code == EXIT_DONE)
        code = c->preview ? preview(c, buf_slice(&json))
                          : send_json(c, buf_slice(&json));
    buf_fini(&json);
    return code;
}
