/* policy_lint.c - `tsunagi policy lint`: what is wrong with a folder of
 * tables, and what a person should look at before approving it.
 *
 * Errors are those of policy_parse (a pack with one fault is no pack, and
 * nothing else is looked at), and a legal duty that names no article.
 * Everything else is a warning: a rule that decides nothing in any situation, a
 * denial that stands in the way of a break-glass, a ground that nobody has
 * checked or that ends soon. */
#include "hub/ctl/policy.h"
#include "proto/base/tsv.h"
#include <stdlib.h>
#include <string.h>

#define SOON_DAYS 90

struct lint {
    const struct ctl *c;
    const struct policy *p;
    struct tsv *basis;
    uint64_t now_ms;
    size_t errors, warnings;
    bool *speaks; /* by rule: it decides something somewhere */
    struct buf json;
};

/* One line on stdout, or one object. */
static void say_it(struct lint *l, bool error, const char *what, const char *ja,
                   const char *en)
{
    const char *text = l->c->ja ? ja : en;
    size_t *count = error ? &l->errors : &l->warnings;
    const char *sep = l->errors + l->warnings > 0 ? "," : "";
    ++*count;
    if (!l->c->json) {
        printf("%s %s: %s\n",
               error ? say(l->c, "誤り", "error")
                     : say(l->c, "注意", "warning"),
               what, text);
        return;
    }
    buf_addf(&l->json, "%s{\"error\":%s,\"about\":", sep,
             error ? "true" : "false");
    buf_add_json(&l->json, what);
    buf_adds(&l->json, ",\"text\":");
    buf_add_json(&l->json, text);
    buf_adds(&l->json, "}");
}

/* ---- grounds ---- */

static void check_article(struct lint *l, const struct policy_rule_view *r)
{
    if (r->permit && strcmp(r->layer, "law") == 0 &&
        policy_article(l->p, r->basis)[0] == '\0')
        say_it(l, true, r->id, "法律の層の規則なのに、根拠に条文がありません",
               "a rule of the law, and its basis names no article");
}

static void check_basis(struct lint *l, size_t row)
{
    const char *code = tsv_cell(l->basis, row, "code");
    const char *to = tsv_cell(l->basis, row, "valid_to");
    struct date d;
    if (tsv_cell(l->basis, row, "checked_by")[0] == '\0')
        say_it(l, false, code, "根拠を確かめた人が書かれていません",
               "nobody is named who checked this basis");
    if (to[0] == '\0' || date_parse(slice_str(to), &d) != ERR_OK)
        return;
    int32_t left = date_days(d) - japan_day(l->now_ms);
    if (left < 0)
        say_it(l, false, code, "根拠の期限が過ぎています",
               "this basis is over");
    else if (left <= SOON_DAYS)
        say_it(l, false, code, "根拠の期限が90日以内に来ます",
               "this basis ends within 90 days");
}

/* ---- rules ---- */

static bool hear(void *ctx, const struct situation *s)
{
    struct lint *l = ctx;
    struct decision d;
    matrix_decide(l->p, s, l->now_ms, &d);
    for (unsigned k = 1; k < CLASS_MAX; k++)
        if ((s->classes & class_bit(k)) != 0 &&
            d.of[k].rule < policy_rule_count(l->p))
            l->speaks[d.of[k].rule] = true;
    return true;
}

static void check_shadow(struct lint *l, size_t i,
                         const struct policy_rule_view *r)
{
    int32_t day = japan_day(l->now_ms);
    if (l->speaks[i])
        return;
    if (r->from_day > day || r->to_day < day)
        say_it(l, false, r->id, "この日には効かない規則です",
               "not in force on this day");
    else
        say_it(l, false, r->id,
               "どんな場合にも何も決めない規則です(ほかの規則に隠れているか、"
               "必要最小限・上限の外です)",
               "decides nothing in any situation (shadowed by others, or "
               "outside minimum and ceiling)");
}

/* A no of these layers is heard before a break-glass is. */
static void check_glass(struct lint *l, const struct policy_rule_view *r)
{
    if (r->permit ||
        (strcmp(r->layer, "consent") != 0 && strcmp(r->layer, "session") != 0))
        return;
    for (size_t i = 0; i < policy_count(l->p, POLICY_ROLE); i++)
        if ((r->roles >> i & 1) != 0 &&
            (r->classes & policy_glass_ceiling(
                              l->p, policy_code(l->p, POLICY_ROLE, i))) != 0) {
            say_it(l, false, r->id,
                   "緊急閲覧で開けるはずの情報を止めている規則です",
                   "stands in the way of what a break-glass may open");
            return;
        }
}

static enum err check_rules(struct lint *l)
{
    struct policy_rule_view r;
    l->speaks = calloc(policy_rule_count(l->p) + 1, sizeof(*l->speaks));
    if (l->speaks == NULL)
        return ERR_NOMEM;
    enum err e = matrix_walk(&l->p, 1, hear, l);
    for (size_t i = 0; e == ERR_OK && policy_rule_at(l->p, i, &r); i++) {
        check_article(l, &r);
        check_shadow(l, i, &r);
        check_glass(l, &r);
    }
    free(l->speaks);
    return e;
}

static enum err check(struct lint *l, const struct pack *k)
{
    static const char *const COLUMNS[] = {"code", "valid_to", "checked_by",
                                          NULL};
    struct buf why = {0};
    enum err e = tsv_parse(POLICY_FILE_NAMES[POLICY_BASIS],
                           k->files[POLICY_BASIS], COLUMNS, &l->basis, &why);
    if (e == ERR_OK)
        e = check_rules(l);
    for (size_t i = 0; e == ERR_OK && i < tsv_rows(l->basis); i++)
        check_basis(l, i);
    tsv_free(&l->basis);
    buf_fini(&why);
    return e;
}

static void say_fault(void *ctx, const char *where, const char *text)
{
    say_it(ctx, true, where, text, text);
}

static void sum_up(const struct lint *l)
{
    size_t rules = l->p != NULL ? policy_rule_count(l->p) : 0;
    if (l->c->json)
        printf("{\"schema\":\"tsunagi.policy-lint/1\",\"rules\":%zu,"
               "\"errors\":%zu,\"warnings\":%zu,\"found\":[%s]}\n",
               rules, l->errors, l->warnings,
               l->json.n > 0 ? (const char *)l->json.p : "");
    else if (l->p == NULL)
        printf(say(l->c, "誤り %zu件。直してから、もう一度点検してください\n",
                   "%zu errors. Mend them and check again\n"),
               l->errors);
    else
        printf(say(l->c, "規則 %zu件、誤り %zu件、注意 %zu件\n",
                   "%zu rules, %zu errors, %zu warnings\n"),
               rules, l->errors, l->warnings);
}

/* The tables as such; a fault is said and is no trouble of ours. */
static enum err compile(struct lint *l, struct pack *k)
{
    struct buf why = {0};
    enum err e = policy_parse(k->files, &k->policy, &why);
    l->p = k->policy;
    if (e != ERR_OK)
        policy_faults(l->c, k, &why, say_fault, l);
    buf_fini(&why);
    return e != ERR_OK && l->errors > 0 ? ERR_OK : e;
}

int cmd_policy_lint(struct ctl *c)
{
    struct pack k;
    struct lint l = {.c = c};
    int code = policy_day(c, &l.now_ms);
    if (code != EXIT_DONE)
        return code;
    code = pack_read_files(c, c->argv[0], &k);
    if (code == EXIT_DONE) {
        enum err e = compile(&l, &k);
        if (e == ERR_OK && l.p != NULL)
            e = check(&l, &k);
        if (e != ERR_OK)
            code = fail(c, e, c->argv[0]);
        else
            sum_up(&l);
        if (l.errors > 0)
            code = EXIT_CONFIG;
    }
    buf_fini(&l.json);
    pack_fini(&k);
    return code;
}
