/* policy_ask.c - what the hub says about decisions: `tsunagi policy explain`
 * and `tsunagi policy replay`. */
#include "hub/ctl/policy.h"
#include "proto/base/id.h"
#include <string.h>

/* ---- explain ---- */

static const char *in_language(const struct ctl *c, const json_t *j,
                               const char *ja, const char *en)
{
    return text_of(j, c->ja ? ja : en);
}

static void say_list(const json_t *list)
{
    size_t i;
    const json_t *v;
    json_array_foreach(list, i, v)
    {
        printf(" %s", json_string_value(v));
    }
}

/* "name, birth date, sex" */
static void say_words(const struct ctl *c, const json_t *list)
{
    size_t i;
    const json_t *v;
    json_array_foreach(list, i, v)
    {
        printf("%s%s", i > 0 ? say(c, "、", ", ") : "", json_string_value(v));
    }
}

/* "would need: the person's consent [R020]" */
static void say_way(const struct ctl *c, const json_t *would)
{
    const json_t *needs =
        json_object_get(would, c->ja ? "needs_ja" : "needs_en");
    const json_t *without =
        json_object_get(would, c->ja ? "without_ja" : "without_en");
    if (would == NULL) {
        printf("      %s\n", say(c, "どんな条件がそろっても渡せません",
                                 "nothing would let it pass"));
        return;
    }
    if (json_array_size(needs) > 0) {
        printf("      %s", say(c, "渡すために要るもの: ", "would need: "));
        say_words(c, needs);
        printf(" [%s]\n", text_of(would, "rule"));
    }
    if (json_array_size(without) > 0) {
        printf("      %s", say(c, "妨げているもの: ", "stands in the way: "));
        say_words(c, without);
        putchar('\n');
    }
}

/* "by rule R036 (row 036), ground LB_CONSENT article" */
static void say_rule(const struct ctl *c, const json_t *j)
{
    const char *row = text_of(j, "row"), *basis = text_of(j, "basis");
    if (strcmp(text_of(j, "rule"), "DEFAULT") == 0)
        return; /* no rule: its sentence has said so */
    printf(say(c, "      規則 %s", "      rule %s"), text_of(j, "rule"));
    if (row[0] != '\0')
        printf(say(c, "(決定表 %s)", " (row %s)"), row);
    if (basis[0] != '\0')
        printf(say(c, "、根拠 %s %s", ", ground %s %s"), basis,
               text_of(j, "article"));
    putchar('\n');
}

static void say_class(const struct ctl *c, const json_t *j)
{
    bool passes = json_is_true(json_object_get(j, "passes"));
    printf("  %s %s(%s): ", passes ? "○" : "×",
           in_language(c, j, "label_ja", "label_en"), text_of(j, "class"));
    say_words(c, json_object_get(j, c->ja ? "fields_ja" : "fields_en"));
    printf("\n      %s\n", in_language(c, j, "ja", "en"));
    say_rule(c, j);
    if (!passes)
        say_way(c, json_object_get(j, "would"));
}

/* "discharge planning (P_TRA), in the role of office (R_PLAN)" */
static void say_purpose(const struct ctl *c, const json_t *d)
{
    printf(say(c, "目的: %s(%s)", "purpose: %s (%s)"),
           in_language(c, d, "purpose_ja", "purpose_en"),
           text_of(d, "purpose"));
    if (text_of(d, "role")[0] != '\0')
        printf(say(c, "、役割: %s(%s)", ", role: %s (%s)"),
               in_language(c, d, "role_ja", "role_en"), text_of(d, "role"));
    putchar('\n');
}

static void say_decisions(const struct ctl *c, const json_t *j)
{
    size_t i, k;
    const json_t *d, *cls;
    const char *variant = text_of(j, "variant");
    printf("%s(%s%s%s) → %s(%s)\n", in_language(c, j, "event_ja", "event_en"),
           text_of(j, "event"), variant[0] != '\0' ? ":" : "", variant,
           text_of(j, "name"), text_of(j, "to"));
    json_array_foreach(json_object_get(j, "decisions"), i, d)
    {
        say_purpose(c, d);
        json_array_foreach(json_object_get(d, "classes"), k, cls)
        {
            say_class(c, cls);
        }
    }
}

/* Without a purpose the hub looks for the wishes of the sender. */
static void hint_purpose(const struct ctl *c, int code)
{
    if (code == EXIT_NOT_FOUND && c->purpose == NULL)
        fputs(
            say(c,
                "イベントがないか、その機関あてではありません。宛先でない機関に"
                "ついて知りたいときは、--purpose P_... を付けてください。\n",
                "No such event, or not sent to this agency. About an agency "
                "it was not sent to: --purpose P_...\n"),
            stderr);
}

int cmd_policy_explain(struct ctl *c)
{
    struct node_arg args[] = {
        {"event_id", c->argv[0]},
        {"to", c->to},
        {"purpose", c->purpose != NULL ? c->purpose : ""},
    };
    struct id id;
    if (c->to == NULL)
        return fail(c, ERR_USAGE, "--to CODE");
    if (id_parse(c->argv[0], &id) != ERR_OK)
        return fail(c, ERR_USAGE, c->argv[0]);
    int code = view(c, "explain", args, NELEM(args), say_decisions);
    hint_purpose(c, code);
    return code;
}

/* ---- replay ---- */

static void say_side(const char *title, const json_t *j)
{
    printf("%s\n  +", title);
    say_list(json_object_get(j, "released"));
    printf("\n  -");
    say_list(json_object_get(j, "withheld"));
    printf("\n  ");
    say_list(json_object_get(j, "rule"));
    say_list(json_object_get(j, "basis"));
    putchar('\n');
}

static void say_replay(const struct ctl *c, const json_t *j, bool same)
{
    printf("%s %s → %s (%s) %s %lld\n", text_of(j, "time"), text_of(j, "event"),
           text_of(j, "peer"), text_of(j, "purpose"),
           say(c, "方針の版", "policy version"), count_of(j, "version"));
    say_side(say(c, "記録", "recorded"), json_object_get(j, "recorded"));
    if (!same)
        say_side(say(c, "やり直した結果", "decided again"),
                 json_object_get(j, "replayed"));
    puts(same ? say(c, "記録のとおりです", "the same")
              : say(c, "記録と違います", "not as recorded"));
}

int cmd_policy_replay(struct ctl *c)
{
    struct node_arg arg = {"leaf", c->argv[0]};
    json_t *j = NULL;
    int code = ask(c, "replay", &arg, 1, &j);
    if (code != EXIT_DONE)
        return code;
    bool same = json_is_true(json_object_get(j, "same"));
    if (c->json)
        print_json(j);
    else
        say_replay(c, j, same);
    json_decref(j);
    return same ? EXIT_DONE : EXIT_INTEGRITY;
}
