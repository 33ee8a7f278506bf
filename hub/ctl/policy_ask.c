/* policy_ask.c - what the hub says about decisions: `tsunagi policy explain`
 * and `tsunagi policy replay`. */
#include "hub/ctl/policy.h"
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

/* "would need: existing consent" */
static void say_way(const struct ctl *c, const json_t *would)
{
    const json_t *needs = json_object_get(would, "needs");
    const json_t *without = json_object_get(would, "without");
    if (would == NULL) {
        printf("      %s\n",
               say(c, "どんな条件でも渡せません", "nothing would let it pass"));
        return;
    }
    if (json_array_size(needs) > 0) {
        printf("      %s", say(c, "渡すために必要なもの:", "would need:"));
        say_list(needs);
        printf(" [%s]\n", text_of(would, "rule"));
    }
    if (json_array_size(without) > 0) {
        printf("      %s", say(c, "妨げているもの:", "stands in the way:"));
        say_list(without);
        putchar('\n');
    }
}

static void say_class(const struct ctl *c, const json_t *j)
{
    bool passes = json_is_true(json_object_get(j, "passes"));
    printf("  %s %s %s\n", passes ? "○" : "×", text_of(j, "class"),
           in_language(c, j, "label_ja", "label_en"));
    printf("      %s\n      %s%s%s%s%s%s%s\n", in_language(c, j, "ja", "en"),
           text_of(j, "rule"), text_of(j, "row")[0] != '\0' ? " (" : "",
           text_of(j, "row"), text_of(j, "row")[0] != '\0' ? ") " : "",
           text_of(j, "basis"), text_of(j, "article")[0] != '\0' ? " " : "",
           text_of(j, "article"));
    if (!passes)
        say_way(c, json_object_get(j, "would"));
}

static void say_decisions(const struct ctl *c, const json_t *j)
{
    size_t i, k;
    const json_t *d, *cls;
    printf("%s%s%s → %s %s\n", text_of(j, "event"),
           text_of(j, "variant")[0] != '\0' ? ":" : "", text_of(j, "variant"),
           text_of(j, "to"), text_of(j, "name"));
    json_array_foreach(json_object_get(j, "decisions"), i, d)
    {
        printf("%s %s\n", text_of(d, "purpose"), text_of(d, "role"));
        json_array_foreach(json_object_get(d, "classes"), k, cls)
        {
            say_class(c, cls);
        }
    }
}

int cmd_policy_explain(struct ctl *c)
{
    struct node_arg args[] = {
        {"event_id", c->argv[0]},
        {"to", c->agency},
        {"purpose", c->purpose != NULL ? c->purpose : ""},
    };
    json_t *j = NULL;
    if (c->agency == NULL)
        return fail(c, ERR_USAGE, "--agency CODE");
    int code = ask(c, "explain", args, NELEM(args), &j);
    if (code == EXIT_DONE && c->json)
        print_json(j);
    else if (code == EXIT_DONE)
        say_decisions(c, j);
    json_decref(j);
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
           say(c, "方針の版", "policy version"),
           (long long)json_integer_value(json_object_get(j, "version")));
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
