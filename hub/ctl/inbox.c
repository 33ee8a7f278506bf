/* inbox.c - `tsunagi inbox` and `outbox`: what a node has received and sent.
 *
 * A list never shows content to people; `inbox --json` and `--follow` give it
 * to programs, for which taking it over is the delivery itself. A person opens
 * one delivery with `inbox show`, and the hub is asked first (READ). */
#include "hub/ctl/ctl.h"
#include "proto/base/id.h"
#include "proto/wire/json.h"
#include "proto/wire/sign.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* What a list may say of one that was called back, or has no leave. */
static const char *state_of(const struct ctl *c, const json_t *d)
{
    const char *held = text_of(d, "held");
    if (json_is_true(json_object_get(d, "recalled")))
        return say(c, "取消", "recalled");
    return strcmp(held, "lease") == 0 ? say(c, "確認待ち", "held")
                                      : text_of(d, "state");
}

static void show_delivery(const struct ctl *c, const json_t *d)
{
    cell(text_of(d, "delivery_id"), 36);
    cell(text_of(d, "type"), 28);
    cell(text_of(d, "agency"), 16);
    cell(text_of(d, "purpose"), 7);
    cell(state_of(c, d), 8);
    puts(text_of(d, "released_at"));
}

/* Runs --exec with the delivery on its stdin; true when it succeeded. */
static bool handle(const struct ctl *c, const json_t *d)
{
    char *text = json_dumps(d, JSON_COMPACT);
    FILE *p = text != NULL ? popen(c->exec, "w") : NULL;
    bool ok = p != NULL && fputs(text, p) >= 0 && fputc('\n', p) >= 0;
    int status = p != NULL ? pclose(p) : -1;
    free(text);
    return ok && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void print_arrival(const json_t *d)
{
    uint8_t hash[32];
    char *text =
        json_dumps(json_object_get(d, "body"), JSON_COMPACT | JSON_SORT_KEYS);
    struct buf hex = {0};
    sha256(slice_str(text != NULL ? text : ""), hash);
    buf_add_hex(&hex, slice_of(hash, sizeof(hash)));
    printf("RX %s %s %" JSON_INTEGER_FORMAT " %s\n", text_of(d, "event_id"),
           text_of(d, "case_token"),
           json_integer_value(json_object_get(d, "seq")), (char *)hex.p);
    fflush(stdout);
    buf_fini(&hex);
    free(text);
}

/* Goes on as more arrives; a delivery counts as handled only when CMD did. */
static int follow(struct ctl *c)
{
    for (;;) {
        struct node_answer a = {0};
        int code = request(c, "inbox", NULL, 0, &a);
        size_t i, done = 0;
        json_t *d;
        json_array_foreach(json_object_get(a.json, "deliveries"), i, d)
        {
            if (json_is_true(json_object_get(d, "recalled")))
                continue; /* handed over before, or never */
            if (json_object_get(d, "body") == NULL)
                break; /* no leave yet: the next ones wait, too */
            print_arrival(d);
            if (c->exec != NULL && !handle(c, d))
                break; /* in order: the next ones wait */
            struct node_answer h = {0};
            struct node_arg arg = {"delivery_id", text_of(d, "delivery_id")};
            int marked = request(c, "handled", &arg, 1, &h);
            node_answer_fini(&h);
            if (marked != EXIT_DONE)
                break;
            done++;
        }
        node_answer_fini(&a);
        if (code != EXIT_DONE && code != EXIT_CONFLICT)
            return code;
        if (done == 0)
            usleep(300000);
    }
}

/* One answer of a list, which holds as much as fits a frame. */
static int list_page(struct ctl *c, const char *what, const char *key,
                     long long after, json_t *all, bool *more)
{
    char limit[24], from[24];
    size_t i;
    json_t *d;
    snprintf(limit, sizeof(limit), "%lld",
             c->limit - (long long)json_array_size(all));
    snprintf(from, sizeof(from), "%lld", after);
    struct node_arg args[] = {
        {"limit", limit}, {"all", c->all ? "1" : "0"}, {"after", from}};
    struct node_answer a = {0};
    int code = request(c, what, args, NELEM(args), &a);
    json_array_foreach(json_object_get(a.json, key), i, d)
        json_array_append(all, d);
    *more = i > 0 && json_is_true(json_object_get(a.json, "more")) &&
            (long long)json_array_size(all) < c->limit;
    node_answer_fini(&a);
    return code;
}

static int list(struct ctl *c, const char *what, const char *key,
                const char *schema,
                void (*show)(const struct ctl *, const json_t *))
{
    json_t *all = json_array(), *d;
    bool more = true;
    int code = EXIT_DONE;
    size_t i = 0;
    while (code == EXIT_DONE && more) {
        json_t *last = json_array_get(all, json_array_size(all) - 1);
        long long after = count_of(last, "seq");
        code = list_page(c, what, key, after, all, &more);
    }
    if (code == EXIT_DONE && c->json) {
        json_t *j = json_pack("{s:s,s:O}", "schema", schema, key, all);
        print_json(j);
        json_decref(j);
    } else if (code == EXIT_DONE) {
        json_array_foreach(all, i, d) show(c, d);
    }
    json_decref(all);
    return code;
}

static void show_one(const struct ctl *c, const json_t *j)
{
    if (json_is_true(json_object_get(j, "without_hub")))
        fputs(
            say(c,
                "※ハブに確かめられません。最後の確認(5分以内)によって"
                "表示しています。\n\n",
                "* The hub cannot be asked; shown by its last answer, at most "
                "5 minutes old.\n\n"),
            stdout);
    fputs(text_of(j, "text"), stdout);
}

/* One delivery, for the person who says who they are. */
int cmd_inbox_show(struct ctl *c)
{
    char timeout[24];
    struct id id;
    struct node_answer a = {0};
    if (id_parse(c->argv[0], &id) != ERR_OK)
        return fail(c, ERR_USAGE, c->argv[0]);
    snprintf(timeout, sizeof(timeout), "%lld", c->timeout_ms);
    struct node_arg args[] = {{"delivery_id", c->argv[0]},
                              {"timeout_ms", timeout},
                              {"actor", c->actor}};
    int code = request(c, "show", args, NELEM(args) - (c->actor == NULL), &a);
    if (code == EXIT_DONE && c->json)
        print_json(a.json);
    else if (code == EXIT_DONE)
        show_one(c, a.json);
    else if (code == EXIT_USAGE && c->actor == NULL)
        fputs(say(c, "読む人を --actor か、設定の actor で示してください。\n",
                  "Say who reads: --actor, or actor in the configuration.\n"),
              stderr);
    node_answer_fini(&a);
    return code;
}

static long long figure(const json_t *j, const char *part, const char *key)
{
    return count_of(json_object_get(j, part), key);
}

static void show_figures(const struct ctl *c, const json_t *j)
{
    printf(say(c, "%s  未読 %lld  受取済み %lld  取消 %lld  送信待ち %lld\n",
               "%s  unread %lld  handed over %lld  recalled %lld  "
               "waiting to be sent %lld\n"),
           text_of(j, "agency"), figure(j, "inbox", "new"),
           figure(j, "inbox", "handed") + figure(j, "inbox", "handled"),
           figure(j, "inbox", "recalled"), figure(j, "outbox", "waiting"));
}

/* What this node has and owes, in figures; first whether it can trust the
 * hub's log. */
int cmd_inbox_status(struct ctl *c)
{
    struct node_answer a = {0}, w = {0};
    int code = request(c, "status", NULL, 0, &a);
    if (code == EXIT_DONE)
        code = request(c, "witness", NULL, 0, &w);
    if (code == EXIT_DONE && c->json) {
        json_object_set_new(a.json, "schema", json_string("tsunagi.node/1"));
        json_object_set(a.json, "witness", w.json);
        print_json(a.json);
    } else if (code == EXIT_DONE) {
        show_witness_trouble(c, w.json);
        show_figures(c, a.json);
    }
    if (code == EXIT_DONE)
        code = witness_exit(w.json);
    node_answer_fini(&w);
    node_answer_fini(&a);
    return code;
}

int cmd_inbox(struct ctl *c)
{
    if (c->follow)
        return follow(c);
    return list(c, "inbox", "deliveries", "tsunagi.inbox/1", show_delivery);
}

static void show_outgoing(const struct ctl *c, const json_t *e)
{
    cell(text_of(e, "event_id"), 36);
    cell(text_of(e, "type"), 28);
    cell(text_of(e, "state"), 9);
    puts(text_of(e, "code"));
    (void)c;
}

int cmd_outbox(struct ctl *c)
{
    return list(c, "outbox", "events", "tsunagi.outbox/1", show_outgoing);
}
