/* policy_diff.c - `tsunagi policy diff OLD NEW`: what would change.
 *
 * Every situation that either policy tells apart is decided by both. A cell is
 * one class in one situation; it counts as newly permitted, newly denied, or
 * as decided by another rule. For people the cells are grouped by event,
 * recipient and classes, with the fewest facts under which it happens. */
#include "hub/ctl/policy.h"
#include <stdlib.h>
#include <string.h>

enum change { CHANGE_PERMIT, CHANGE_DENY, CHANGE_RULE, CHANGES };
static const struct {
    const char *code, *ja, *en;
} CHANGE[CHANGES] = {
    {"permit", "新しく渡すもの", "newly permitted"},
    {"deny", "渡さなくなるもの", "newly denied"},
    {"rule", "根拠の規則だけが変わるもの", "decided by another rule"},
};

/* What happens to one class in one cell, at its least situation. */
struct group {
    struct situation least;
    const char *old_rule, *new_rule;
    bool any;
};
struct diff {
    const struct ctl *c;
    const struct policy *p[2];
    uint64_t now_ms;
    uint64_t cells[CHANGES];
    struct situation cell; /* being gathered; event NULL: none */
    struct group group[CHANGES][CLASS_MAX];
    struct buf text[CHANGES];
};

static const char *rule_of(const struct policy *p, const struct decision *d,
                           unsigned cls)
{
    return d->error != ERR_OK ? err_code(d->error)
                              : policy_rule_id(p, d->of[cls].rule);
}

/* False when the class fares the same under both. */
static bool changed(const struct diff *x, const struct decision d[2],
                    unsigned cls, enum change *how)
{
    const struct class_verdict *a = &d[0].of[cls], *b = &d[1].of[cls];
    *how = b->permit ? CHANGE_PERMIT : CHANGE_DENY;
    if (a->permit != b->permit)
        return true;
    *how = CHANGE_RULE;
    return strcmp(rule_of(x->p[0], &d[0], cls), rule_of(x->p[1], &d[1], cls)) !=
               0 ||
           strcmp(a->basis, b->basis) != 0;
}

/* ---- --tsv ---- */

static void print_row(const struct diff *x, const struct situation *s,
                      unsigned cls, enum change how, const struct decision d[2])
{
    struct buf line = {0};
    matrix_event(s, &line);
    buf_addf(&line, "\t%s\t%s\t%s\t", s->purpose, s->role, class_name(cls));
    matrix_words(s, &line);
    printf("%s\t%s\t%s\t%s\n", line.failed ? "" : (char *)line.p,
           CHANGE[how].code, rule_of(x->p[0], &d[0], cls),
           rule_of(x->p[1], &d[1], cls));
    buf_fini(&line);
}

/* ---- for people ---- */

static bool alike(const struct group *a, const struct group *b)
{
    return a->any && b->any && a->least.predicates == b->least.predicates &&
           a->least.consent == b->least.consent &&
           a->least.refused == b->least.refused &&
           strcmp(a->old_rule, b->old_rule) == 0 &&
           strcmp(a->new_rule, b->new_rule) == 0;
}

/* A rule for people: none is none. */
static const char *rule_name(const struct ctl *c, const char *rule)
{
    return strcmp(rule, "DEFAULT") == 0 ? say(c, "規則なし", "no rule") : rule;
}

static void say_group(struct diff *x, enum change how, unsigned first)
{
    const struct ctl *c = x->c;
    struct group *g = x->group[how];
    const struct situation s = g[first].least;
    const struct policy *p = x->p[how == CHANGE_DENY ? 0 : 1];
    struct buf *out = &x->text[how];
    uint64_t classes = 0;
    const char *old_rule = g[first].old_rule, *new_rule = g[first].new_rule;
    for (unsigned k = CLASS_MAX; k-- > first;)
        if (alike(&g[k], &g[first])) {
            classes |= class_bit(k);
            g[k].any = k == first;
        }
    g[first].any = false;
    buf_addf(out, "  %s%s%s → %s (%s): ", c->ja ? s.event->ja : s.event->en,
             s.variant[0] != '\0' ? " " : "", s.variant,
             c->ja ? policy_label_ja(p, s.role) : policy_label_en(p, s.role),
             c->ja ? policy_label_ja(p, s.purpose)
                   : policy_label_en(p, s.purpose));
    policy_labels(c, classes, out);
    buf_adds(out, c->ja ? "。条件: " : ". When: ");
    policy_facts(c, p, &s, out);
    buf_addf(out, " [%s → %s]\n", rule_name(c, old_rule),
             rule_name(c, new_rule));
}

static void say_cell(struct diff *x)
{
    for (int how = 0; how < CHANGES; how++)
        for (unsigned k = 1; k < CLASS_MAX; k++)
            if (x->group[how][k].any)
                say_group(x, (enum change)how, k);
}

static bool same_cell(const struct situation *a, const struct situation *b)
{
    return a->event == b->event && a->variant == b->variant &&
           strcmp(a->purpose, b->purpose) == 0 && strcmp(a->role, b->role) == 0;
}

static void keep(struct diff *x, const struct situation *s, unsigned cls,
                 enum change how, const struct decision d[2])
{
    struct group *g = &x->group[how][cls];
    if (g->any && matrix_facts(&g->least) <= matrix_facts(s))
        return;
    *g = (struct group){*s, rule_of(x->p[0], &d[0], cls),
                        rule_of(x->p[1], &d[1], cls), true};
}

static bool compare(void *ctx, const struct situation *s)
{
    struct diff *x = ctx;
    struct decision d[2];
    enum change how;
    if (x->cell.event == NULL || !same_cell(&x->cell, s)) {
        say_cell(x);
        memset(x->group, 0, sizeof(x->group));
        x->cell = *s;
    }
    for (int i = 0; i < 2; i++)
        matrix_decide(x->p[i], s, x->now_ms, &d[i]);
    for (unsigned k = 1; k < CLASS_MAX; k++) {
        if ((s->classes & class_bit(k)) == 0 || !changed(x, d, k, &how))
            continue;
        x->cells[how]++;
        if (x->c->tsv)
            print_row(x, s, k, how, d);
        else
            keep(x, s, k, how, d);
    }
    return true;
}

/* Files that differ, also where no cell does: terms, labels, cases. */
static void say_files(const struct ctl *c, const struct pack k[2])
{
    for (size_t i = 0; i < PACK_FILES; i++)
        if (!slice_eq(k[0].files[i], k[1].files[i]))
            printf(say(c, "変わったファイル: %s\n", "file changed: %s\n"),
                   pack_file_name(i));
}

static void say_all(const struct diff *x, const struct pack k[2])
{
    const struct ctl *c = x->c;
    say_files(c, k);
    if (x->cells[0] + x->cells[1] + x->cells[2] == 0)
        puts(say(c, "変わるマスはありません", "no cell changed"));
    for (int how = 0; how < CHANGES; how++)
        if (x->cells[how] > 0)
            printf(say(c, "%s: %llu マス\n%s", "%s: %llu cells\n%s"),
                   c->ja ? CHANGE[how].ja : CHANGE[how].en,
                   (unsigned long long)x->cells[how],
                   x->text[how].n > 0 ? (char *)x->text[how].p : "");
}

static int run(const struct ctl *c, const struct pack k[2], uint64_t now_ms)
{
    struct diff *x = calloc(1, sizeof(*x));
    if (x == NULL)
        return fail(c, ERR_NOMEM, "");
    *x = (struct diff){
        .c = c, .p = {k[0].policy, k[1].policy}, .now_ms = now_ms};
    if (c->tsv)
        puts("event\tpurpose\trecipient\tclass\tpredicates\tchange\told_rule\t"
             "new_rule");
    enum err e = matrix_walk(x->p, 2, compare, x);
    if (e == ERR_OK && !c->tsv) {
        say_cell(x);
        say_all(x, k);
    }
    for (int i = 0; i < CHANGES; i++)
        buf_fini(&x->text[i]);
    free(x);
    return e == ERR_OK ? EXIT_DONE : fail(c, e, "");
}

int cmd_policy_diff(struct ctl *c)
{
    struct pack k[2] = {{.policy = NULL}};
    uint64_t now_ms;
    int code = policy_day(c, &now_ms);
    for (int i = 0; i < 2 && code == EXIT_DONE; i++)
        code = pack_load(c, c->argv[i], &k[i]);
    if (code == EXIT_DONE)
        code = run(c, k, now_ms);
    for (int i = 0; i < 2; i++)
        pack_fini(&k[i]);
    return code;
}
