/* messages.c - `tsunagi send`, `inbox`, `outbox`: what a node sends and
 * receives, through its running adapter or through its spool.
 *
 * A list never shows content to people; `inbox --json` and `--follow` give it
 * to programs, for which taking it over is the delivery itself. A person opens
 * one delivery with `inbox show`, and the hub is asked first (READ). */
#include "hub/ctl/ctl.h"
#include "proto/base/id.h"
#include "proto/wire/json.h"
#include "proto/wire/sign.h"
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define EVENT_MAX (1U << 20)

int read_text(const struct ctl *c, const char *path, struct buf *out)
{
    enum err e = ERR_OK;
    if (path != NULL && strcmp(path, "-") != 0) {
        e = file_read(path, EVENT_MAX, out);
    } else {
        char part[4096];
        size_t n;
        while ((n = fread(part, 1, sizeof(part), stdin)) > 0 &&
               out->n <= EVENT_MAX)
            buf_add(out, part, n);
        e = out->failed ? ERR_NOMEM : out->n > EVENT_MAX ? ERR_FILE_SIZE : e;
    }
    return e == ERR_OK ? EXIT_DONE : fail(c, e, path != NULL ? path : "-");
}

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

int request(struct ctl *c, const char *what, const struct node_arg *args,
            size_t n, struct node_answer *a)
{
    char path[4096];
    int code = node_config(c, path, sizeof(path));
    if (code != EXIT_DONE)
        return code;
    enum err e = node_request(path, what, args, n, stderr, a);
    if (e == ERR_OK)
        e = a->code;
    return e == ERR_OK ? EXIT_DONE : fail(c, e, text_of(a->json, "field"));
}

/* ---- what would pass ---- */

static const char *class_label(const struct ctl *c, const char *name)
{
    for (unsigned i = 1; i < CLASS_MAX; i++)
        if (strcmp(class_name(i), name) == 0)
            return c->ja ? class_ja(i) : class_en(i);
    return name;
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

static int send_stream(struct ctl *c);

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

/* ---- a stream: ACK or NACK a line, after the durable answer ---- */

struct stream {
    size_t open, refused;
};

static void stream_receipt(void *ctx, const struct tsunagi_receipt *r,
                           uint64_t leaf)
{
    struct stream *s = ctx;
    if (s->open > 0)
        s->open--;
    s->refused += !r->accepted;
    if (r->accepted)
        printf("ACK %s %" PRIu64 "\n", r->event_id, leaf);
    else
        printf("NACK %s %s\n", r->event_id, r->code != NULL ? r->code : "");
    fflush(stdout);
}

#define STREAM_WINDOW 256
#define STREAM_LOOK_MS 20 /* how long answers keep us from looking at stdin */

/* Lines of stdin, read without ever waiting for the next one while answers
 * are due: whoever writes one line and waits for its answer gets it. */
struct lines {
    struct buf text;
    size_t at;
    bool ended;
};

/* The next whole line with its newline made NUL; NULL when none is there. It
 * stays valid until the next call. */
static char *next_line(struct lines *l)
{
    char *from = l->text.p != NULL ? (char *)l->text.p + l->at : NULL;
    size_t left = l->text.n - l->at;
    char *end = left > 0 ? memchr(from, '\n', left) : NULL;
    if (end == NULL && l->ended && left > 0) {
        l->at = l->text.n;
        return from; /* buf keeps a NUL behind its end */
    }
    if (end == NULL)
        return NULL;
    *end = '\0';
    l->at = (size_t)(end + 1 - (char *)l->text.p);
    return from;
}

/* Reads what stdin has; wait_ms -1 waits for something. */
static void read_lines(struct lines *l, int wait_ms)
{
    struct pollfd fd = {STDIN_FILENO, POLLIN, 0};
    char part[16384];
    struct buf rest = {0};
    if (l->ended || poll(&fd, 1, wait_ms) <= 0)
        return;
    ssize_t n = read(STDIN_FILENO, part, sizeof(part));
    buf_add(&rest, l->text.p + l->at, l->text.n - l->at);
    if (n > 0)
        buf_add(&rest, part, (size_t)n);
    l->ended = n <= 0 || rest.failed || rest.n > 2 * EVENT_MAX;
    buf_fini(&l->text);
    *l = (struct lines){rest, 0, l->ended};
}

/* In a session of our own: no adapter of this node is running. */
static enum err own_line(struct node_session *s, struct stream *st, char *line)
{
    char id[37] = "";
    enum err bad = node_submit(s, slice_str(line), true, id, NULL);
    if (bad == ERR_STORE || bad == ERR_NOMEM)
        return bad;
    if (bad == ERR_OK) {
        st->open++;
        return ERR_OK;
    }
    printf("NACK %s %s\n", id[0] != '\0' ? id : "-", err_code(bad));
    fflush(stdout);
    st->refused++;
    return ERR_OK;
}

static int stream_end(struct ctl *c, const char *path, enum err e,
                      const struct stream *st)
{
    if (e != ERR_OK)
        return fail(c, e, path);
    if (st->open > 0)
        return EXIT_UNREACHABLE;
    return st->refused > 0 ? EXIT_PARTLY : EXIT_DONE;
}

static int stream_own(struct ctl *c, const char *path)
{
    struct node_session *s = NULL;
    struct stream st = {0};
    struct lines in = {0};
    long long waited = 0;
    enum err e = node_open(path, NODE_ONLINE, stderr, &s);
    if (e != ERR_OK)
        return fail(c, e, path);
    node_on_receipt(s, stream_receipt, &st);
    while (e == ERR_OK &&
           (!in.ended || (st.open > 0 && waited < c->timeout_ms))) {
        char *line;
        read_lines(&in, 0);
        while (e == ERR_OK && st.open < STREAM_WINDOW &&
               (line = next_line(&in)) != NULL)
            e = own_line(s, &st, line);
        waited += in.ended ? STREAM_LOOK_MS : 0;
        if (e == ERR_OK)
            e = node_turn(s, STREAM_LOOK_MS);
    }
    buf_fini(&in.text);
    node_close(&s);
    return stream_end(c, path, e, &st);
}

static void print_stream_answer(const struct node_answer *a, struct stream *s)
{
    const char *id = text_of(a->json, "event_id");
    const char *code = text_of(a->json, "code");
    if (a->code != ERR_OK)
        code = err_code(a->code);
    s->open--;
    if (code[0] == '\0' || strcmp(code, err_code(ERR_FLOW_LATE)) == 0) {
        printf("ACK %s %" JSON_INTEGER_FORMAT "\n", id,
               json_integer_value(json_object_get(a->json, "leaf_index")));
    } else {
        printf("NACK %s %s\n", id[0] != '\0' ? id : "-", code);
        s->refused++;
    }
    fflush(stdout);
}

/* Asks for every line there is room for. */
static enum err ask_lines(struct node_client *nc, struct stream *st,
                          struct lines *in, const char *timeout)
{
    enum err e = ERR_OK;
    char *line;
    while (e == ERR_OK && st->open < STREAM_WINDOW &&
           (line = next_line(in)) != NULL) {
        struct node_arg args[] = {{"json", line}, {"timeout_ms", timeout}};
        e = node_client_ask(nc, "send", args, NELEM(args));
        st->open += e == ERR_OK;
    }
    return e;
}

/* Takes answers until none comes within wait_ms. */
static enum err take_answers(struct node_client *nc, struct stream *st,
                             int wait_ms)
{
    enum err e = ERR_OK;
    for (; st->open > 0 && e == ERR_OK; wait_ms = 0) {
        struct node_answer a = {0};
        e = node_client_answer(nc, wait_ms, &a);
        if (e == ERR_OK)
            print_stream_answer(&a, st);
        node_answer_fini(&a);
    }
    return e;
}

/* Through the running adapter. */
static int stream_through(struct ctl *c, const char *path)
{
    struct node_client *nc = NULL;
    struct stream st = {0};
    struct lines in = {0};
    char timeout[24];
    long long silent = 0;
    snprintf(timeout, sizeof(timeout), "%lld", c->timeout_ms);
    enum err e = node_client_open(path, stderr, &nc);
    while (e == ERR_OK && (!in.ended || in.at < in.text.n || st.open > 0)) {
        if (st.open < STREAM_WINDOW)
            read_lines(&in, st.open == 0 && in.at == in.text.n ? -1 : 0);
        e = ask_lines(nc, &st, &in, timeout);
        size_t before = st.open;
        if (e == ERR_OK)
            e = take_answers(nc, &st, STREAM_LOOK_MS);
        silent = st.open < before ? 0 : silent + STREAM_LOOK_MS;
        if (e == ERR_UNREACHABLE && silent < c->timeout_ms + 1000)
            e = ERR_OK;
    }
    buf_fini(&in.text);
    node_client_close(&nc);
    return stream_end(c, path, e, &st);
}

static int send_stream(struct ctl *c)
{
    char path[4096];
    int code = node_config(c, path, sizeof(path));
    if (code != EXIT_DONE)
        return code;
    return node_is_running(path) ? stream_through(c, path)
                                 : stream_own(c, path);
}

/* ---- inbox and outbox ---- */

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
        long long after = json_integer_value(json_object_get(last, "seq"));
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
    return json_integer_value(json_object_get(json_object_get(j, part), key));
}

/* What this node has and owes, in figures. */
int cmd_inbox_status(struct ctl *c)
{
    struct node_answer a = {0};
    int code = request(c, "status", NULL, 0, &a);
    if (code == EXIT_DONE && c->json) {
        json_object_set_new(a.json, "schema", json_string("tsunagi.node/1"));
        print_json(a.json);
    } else if (code == EXIT_DONE) {
        printf(say(c,
                   "%s  未読 %lld  受取済み %lld  取消 %lld  送信待ち %lld\n",
                   "%s  unread %lld  handed over %lld  recalled %lld  "
                   "waiting to be sent %lld\n"),
               text_of(a.json, "agency"), figure(a.json, "inbox", "new"),
               figure(a.json, "inbox", "handed") +
                   figure(a.json, "inbox", "handled"),
               figure(a.json, "inbox", "recalled"),
               figure(a.json, "outbox", "waiting"));
    }
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
