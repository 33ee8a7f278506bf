/* views.c - what the hub says of itself: status, cases, parked items, metrics,
 * configuration, backup, flow tables. Nothing personal in any. */
#include "hub/core/flow.h"
#include "hub/ctl/ctl.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- status ---- */

static const char *connection(const struct ctl *c, const json_t *n)
{
    bool on = json_is_true(json_object_get(n, "urgent")) ||
              json_is_true(json_object_get(n, "normal"));
    if (strcmp(text_of(n, "state"), "active") != 0)
        return text_of(n, "state");
    return on ? say(c, "● 接続", "● connected") : say(c, "✕ 断", "✕ away");
}

/* The quorum over the log's heads, and who did not take part. */
static void show_witnesses(const struct ctl *c, const json_t *j)
{
    size_t i;
    json_t *n;
    const json_t *w = json_object_get(j, "witness");
    if (w == NULL)
        return;
    printf(say(c,
               "証人 %lld機関(開いている %lld)  連署 %lld行まで  "
               "依頼中 %lld行: %lld機関が署名\n",
               "witnesses %lld (open %lld)  cosigned to leaf %lld  "
               "asked for %lld: %lld have signed\n"),
           count_of(j, "witnesses"), count_of(w, "open"),
           count_of(w, "cosigned"), count_of(w, "asked"),
           count_of(w, "signed"));
    if (json_is_true(json_object_get(w, "normal_stopped")))
        puts(say(c,
                 "証人がそろわないため、通常の配送を止めています("
                 "緊急は動いています)",
                 "too few witnesses: ordinary deliveries wait, urgent ones go "
                 "on"));
    json_array_foreach(json_object_get(w, "list"), i, n)
    {
        if (count_of(n, "lies") > 0)
            printf(say(c, "証人 %s: 正しくない答え %lld回\n",
                       "witness %s: %lld false answers\n"),
                   text_of(n, "name"), count_of(n, "lies"));
        else if (strcmp(text_of(n, "state"), "refused") == 0)
            printf(say(c, "証人 %s: 連署を断りました\n",
                       "witness %s: refuses to cosign\n"),
                   text_of(n, "name"));
    }
}

static void show_status(const struct ctl *c, const json_t *j)
{
    size_t i;
    json_t *n;
    printf(say(c, "ハブ %s  版 %s  %s\n", "hub %s  version %s  %s\n"),
           text_of(j, "origin"), text_of(j, "version"), text_of(j, "time"));
    printf(say(c,
               "受付 %lld件  未配送 緊急%lld・通常%lld  判断待ち %lld  "
               "監査記録 %lld行\n",
               "accepted %lld  waiting urgent %lld, normal %lld  parked %lld  "
               "log %lld leaves\n"),
           count_of(j, "events"), count_of(j, "waiting_urgent"),
           count_of(j, "waiting_normal"), count_of(j, "parked"),
           count_of(j, "leaves"));
    if (text_of(j, "oldest_waiting")[0] != '\0')
        printf(say(c, "最も古い未配送 %s\n", "oldest waiting since %s\n"),
               text_of(j, "oldest_waiting"));
    json_array_foreach(json_object_get(j, "recalls_unanswered"), i, n)
        printf(say(c, "取消しに返事がない接続 %s  %sから\n",
                   "recall unanswered by %s since %s\n"),
               text_of(n, "node"), text_of(n, "since"));
    if (count_of(j, "erasures_unanswered") > 0)
        printf(say(c, "消去に返事がない接続 %lld(tsunagi order list)\n",
                   "erasures unanswered by %lld nodes (tsunagi order list)\n"),
               count_of(j, "erasures_unanswered"));
    if (text_of(j, "erasing")[0] != '\0')
        printf(say(c, "消去の作業中 %s\n", "erasing: %s\n"),
               text_of(j, "erasing"));
    if (json_is_true(json_object_get(j, "night_waits")))
        puts(say(c,
                 "夜の消去が止まっています: 7日より長く行われていないか、時計が"
                 "進んでいます。時計を確かめてから tsunagi erase run",
                 "the nightly erasing waits: none for more than 7 days, or the "
                 "clock has leapt; check it, then tsunagi erase run"));
    show_witnesses(c, j);
    if (count_of(j, "witnesses") < 3)
        puts(say(c,
                 "証人が3機関未満です: 記録の食い違いを外から見つけられません",
                 "fewer than three witnesses: a split view is not excluded"));
    json_array_foreach(json_object_get(j, "nodes"), i, n)
    {
        cell(connection(c, n), 12);
        cell(text_of(n, "node"), 18);
        puts(text_of(n, "name"));
    }
}

int cmd_status(struct ctl *c)
{
    return view(c, "status", NULL, 0, show_status);
}

/* ---- cases ---- */

static void show_case(const struct ctl *c, const json_t *k)
{
    (void)c;
    cell(text_of(k, "case"), 36);
    cell(text_of(k, "flow"), 18);
    cell(text_of(k, "state"), 16);
    cell(text_of(k, "owner"), 16);
    puts(text_of(k, "opened"));
}

static void show_cases(const struct ctl *c, const json_t *j)
{
    size_t i;
    json_t *k;
    json_array_foreach(json_object_get(j, "cases"), i, k) show_case(c, k);
}

static void show_one_case(const struct ctl *c, const json_t *j)
{
    size_t i;
    json_t *p;
    const json_t *k = json_object_get(j, "case");
    show_case(c, k);
    json_array_foreach(json_object_get(k, "parties"), i, p)
        printf("  %s%s\n", json_string_value(p),
               strcmp(json_string_value(p), text_of(k, "chosen")) == 0
                   ? say(c, "  決定", "  chosen")
                   : "");
}

int cmd_case_list(struct ctl *c)
{
    return view(c, "cases", NULL, 0, show_cases);
}

int cmd_case_show(struct ctl *c)
{
    struct node_arg a = {"case", c->argv[0]};
    return view(c, "case", &a, 1, show_one_case);
}

/* ---- parked ---- */

static void show_parked(const struct ctl *c, const json_t *j)
{
    size_t i;
    json_t *p;
    json_array_foreach(json_object_get(j, "parked"), i, p)
    {
        printf("%-6lld ", count_of(p, "id"));
        cell(text_of(p, "code"), 10);
        cell(text_of(p, "node"), 18);
        printf("%s  %s\n", text_of(p, "at"),
               c->ja ? text_of(p, "text_ja")
                     : err_en(err_from_code(text_of(p, "code"))));
    }
}

int cmd_park(struct ctl *c)
{
    return view(c, "parked", NULL, 0, show_parked);
}

int cmd_park_close(struct ctl *c)
{
    struct node_arg a = {"id", c->argv[0]};
    return view(c, "park-close", &a, 1, NULL);
}

/* ---- metrics, reload, backup ---- */

static void show_metrics(const struct ctl *c, const json_t *j)
{
    (void)c;
    fputs(text_of(j, "text"), stdout);
}

int cmd_metrics(struct ctl *c)
{
    return view(c, "metrics", NULL, 0, show_metrics);
}

static void show_nothing(const struct ctl *c, const json_t *j)
{
    (void)j;
    fputs(say(c, "済みました\n", "done\n"), stderr);
}

int cmd_config_reload(struct ctl *c)
{
    return view(c, "reload", NULL, 0, show_nothing);
}

int cmd_backup_create(struct ctl *c)
{
    char *full = NULL;
    if (c->argv[0][0] != '/') {
        char *here = getcwd(NULL, 0);
        if (here == NULL || asprintf(&full, "%s/%s", here, c->argv[0]) < 0)
            full = NULL;
        free(here);
    } else {
        full = strdup(c->argv[0]);
    }
    if (full == NULL)
        return fail(c, ERR_NOMEM, "");
    struct node_arg a[] = {{"path", full},
                           {"what", c->what != NULL ? c->what : "data"}};
    int code = view(c, "backup", a, NELEM(a), show_nothing);
    if (code != EXIT_DONE && code != EXIT_UNREACHABLE)
        fprintf(
            stderr,
            say(c,
                "控えは取れていません: %s\n"
                "まだ控えのないフォルダーで、上のフォルダーがあり、ハブが書け、"
                "空きがあるかを見てください\n",
                "no copy was made: %s\n"
                "it must hold no copy yet, in a folder that is there, that "
                "the hub may write to and that has room\n"),
            full);
    free(full);
    return code;
}

/* ---- configuration ---- */

/* A node's file has a module group; the hub's has not. */
static bool is_node_file(const char *path)
{
    struct buf text = {0};
    bool node = file_read(path, 1U << 20, &text) == ERR_OK &&
                strstr((char *)text.p, "key_file") != NULL;
    buf_fini(&text);
    return node;
}

int cmd_config_check(struct ctl *c)
{
    struct hub_config h;
    if (c->argc > 0)
        c->config = c->argv[0];
    if (c->config != NULL && is_node_file(c->config)) {
        enum err e = node_check(c->config, stderr);
        return e == ERR_OK ? EXIT_DONE : EXIT_CONFIG;
    }
    int code = load_hub(c, &h);
    if (code == EXIT_DONE)
        fputs(say(c, "誤りはありません\n", "no errors\n"), stderr);
    conf_fini(HUB_CONFIG, &h);
    return code == EXIT_DONE ? EXIT_DONE : EXIT_CONFIG;
}

int cmd_config_show(struct ctl *c)
{
    struct hub_config h;
    if (c->argc > 0)
        c->config = c->argv[0];
    int code = load_hub(c, &h);
    if (code == EXIT_DONE)
        conf_print(HUB_CONFIG, &h, stdout);
    conf_fini(HUB_CONFIG, &h);
    return code;
}

/* ---- flow tables ---- */

int cmd_flow_dot(struct ctl *c)
{
    struct buf out = {0};
    const struct flow *f = flow_named(c->argv[0]);
    if (f == NULL) {
        for (size_t i = 0; i < FLOW_COUNT; i++)
            fprintf(stderr, "  %s  %s\n", FLOWS[i]->name,
                    say(c, FLOWS[i]->ja, FLOWS[i]->en));
        return fail(c, ERR_NOT_FOUND, c->argv[0]);
    }
    flow_dot(f, &out);
    fwrite(out.p, 1, out.n, stdout);
    buf_fini(&out);
    return EXIT_DONE;
}

/* ---- demo ---- */

/* tsunagi-demo lies beside this program. */
int cmd_demo(struct ctl *c)
{
    char path[4096];
    ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 16);
    char *argv[64] = {path};
    if (n <= 0)
        return fail(c, ERR_INTERNAL, "/proc/self/exe");
    path[n] = '\0';
    snprintf(path + n, 6, "-demo");
    for (int i = 0; i < c->argc && i < 62; i++)
        argv[i + 1] = c->argv[i];
    execv(path, argv);
    return fail(c, ERR_NOT_FOUND, path);
}
