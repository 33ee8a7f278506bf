/* policy_matrix.c - `tsunagi policy matrix`: everything a policy decides.
 *
 * With --tsv one line for every situation and class. Without, what a person
 * reads: for each event and recipient what passes, and the fewest facts under
 * which it does. */
#include "hub/ctl/matrix.h"
#include "hub/ctl/policy.h"
#include "proto/base/clock.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

int policy_day(const struct ctl *c, uint64_t *now_ms)
{
    struct date d;
    *now_ms = clock_wall_ms();
    if (c->day == NULL)
        return EXIT_DONE;
    if (date_parse(slice_str(c->day), &d) != ERR_OK || d.day == 0)
        return fail(c, ERR_USAGE, "--day");
    *now_ms = japan_day_begins(date_days(d)) + DAY_MS / 2; /* noon there */
    return EXIT_DONE;
}

void policy_labels(const struct ctl *c, uint64_t classes, struct buf *out)
{
    const char *sep = "";
    for (unsigned k = 1; k < CLASS_MAX; k++)
        if ((classes & class_bit(k)) != 0) {
            buf_addf(out, "%s%s", sep, c->ja ? class_ja(k) : class_en(k));
            sep = c->ja ? "、" : "; ";
        }
}

void policy_facts(const struct ctl *c, const struct policy *p,
                  const struct situation *s, struct buf *out)
{
    struct situation one = *s;
    const char *sep = "";
    for (unsigned i = 0; i < 16; i++)
        if ((s->predicates >> i & 1) != 0) {
            const char *name = policy_predicate_name(1u << i);
            buf_addf(out, "%s%s", sep,
                     c->ja ? policy_label_ja(p, name)
                           : policy_label_en(p, name));
            sep = c->ja ? "、" : "; ";
        }
    if (s->consent) {
        buf_addf(out, "%s%s", sep, c->ja ? "同意がある" : "consent given");
        sep = c->ja ? "、" : "; ";
    }
    if (s->refused)
        buf_addf(out, "%s%s", sep, c->ja ? "拒否がある" : "refused");
    if (matrix_facts(&one) == 0)
        buf_adds(out, c->ja ? "いつでも" : "always");
}

/* ---- --tsv ---- */

struct table {
    const struct policy *p;
    uint64_t now_ms;
    struct buf head, line;
};

static bool add_rows(void *ctx, const struct situation *s)
{
    struct table *t = ctx;
    struct decision d;
    matrix_decide(t->p, s, t->now_ms, &d);
    buf_reset(&t->head);
    buf_reset(&t->line);
    matrix_event(s, &t->head);
    buf_addf(&t->head, "\t%s\t%s\t", s->purpose, s->role);
    for (unsigned k = 1; k < CLASS_MAX; k++) {
        const struct class_verdict *v = &d.of[k];
        if ((s->classes & class_bit(k)) == 0)
            continue;
        buf_add(&t->line, t->head.p, t->head.n);
        buf_addf(&t->line, "%s\t", class_name(k));
        matrix_words(s, &t->line);
        buf_addf(&t->line, "\t%s\t%s\t%s\n", v->permit ? "permit" : "deny",
                 d.error != ERR_OK ? err_code(d.error)
                                   : policy_rule_id(t->p, v->rule),
                 v->basis);
    }
    return fwrite(t->line.p, 1, t->line.n, stdout) == t->line.n;
}

static enum err print_table(const struct policy *p, uint64_t now_ms)
{
    struct table t = {.p = p, .now_ms = now_ms};
    puts("event\tpurpose\trecipient\tclass\tpredicates\toutcome\trule\tbasis");
    enum err e = matrix_walk(&p, 1, add_rows, &t);
    buf_fini(&t.head);
    buf_fini(&t.line);
    return e;
}

/* ---- for people ---- */

/* What passes in one cell, and the smallest situation in which it does. */
struct view {
    const struct ctl *c;
    const struct policy *p;
    uint64_t now_ms;
    struct situation cell; /* the one being gathered; event NULL: none */
    struct situation least[CLASS_MAX];
    uint16_t rule[CLASS_MAX];
    uint64_t passes;
};

static bool same_cell(const struct situation *a, const struct situation *b)
{
    return a->event == b->event && a->variant == b->variant &&
           strcmp(a->purpose, b->purpose) == 0 && strcmp(a->role, b->role) == 0;
}

static bool same_facts(const struct situation *a, const struct situation *b)
{
    return a->predicates == b->predicates && a->consent == b->consent &&
           a->refused == b->refused;
}

/* The classes that pass as class k does. */
static uint64_t alike(const struct view *v, unsigned k)
{
    uint64_t set = 0;
    for (unsigned i = k; i < CLASS_MAX; i++)
        if ((v->passes & class_bit(i)) != 0 && v->rule[i] == v->rule[k] &&
            same_facts(&v->least[i], &v->least[k]))
            set |= class_bit(i);
    return set;
}

static void print_cell(struct view *v)
{
    const struct ctl *c = v->c;
    const struct situation *s = &v->cell;
    if (v->passes == 0)
        return;
    printf("%s%s%s %s → %s (%s)\n", s->event->event_name,
           s->variant[0] != '\0' ? ":" : "", s->variant,
           c->ja ? s->event->ja : s->event->en,
           c->ja ? policy_label_ja(v->p, s->role)
                 : policy_label_en(v->p, s->role),
           c->ja ? policy_label_ja(v->p, s->purpose)
                 : policy_label_en(v->p, s->purpose));
    for (unsigned k = 1; k < CLASS_MAX; k++) {
        if ((v->passes & class_bit(k)) == 0)
            continue;
        struct buf line = {0};
        uint64_t set = alike(v, k);
        policy_facts(c, v->p, &v->least[k], &line);
        buf_adds(&line, ": ");
        policy_labels(c, set, &line);
        printf("    %s [%s]\n", (char *)line.p,
               policy_rule_id(v->p, v->rule[k]));
        v->passes &= ~set;
        buf_fini(&line);
    }
}

static bool gather(void *ctx, const struct situation *s)
{
    struct view *v = ctx;
    struct decision d;
    if (v->cell.event == NULL || !same_cell(&v->cell, s)) {
        if (v->cell.event != NULL)
            print_cell(v);
        v->cell = *s;
        v->passes = 0;
    }
    matrix_decide(v->p, s, v->now_ms, &d);
    for (unsigned k = 1; k < CLASS_MAX; k++) {
        if ((d.released & class_bit(k)) == 0 ||
            ((v->passes & class_bit(k)) != 0 &&
             matrix_facts(&v->least[k]) <= matrix_facts(s)))
            continue;
        v->passes |= class_bit(k);
        v->least[k] = *s;
        v->rule[k] = d.of[k].rule;
    }
    return true;
}

static enum err print_view(const struct ctl *c, const struct policy *p,
                           uint64_t now_ms)
{
    struct view *v = calloc(1, sizeof(*v));
    if (v == NULL)
        return ERR_NOMEM;
    *v = (struct view){.c = c, .p = p, .now_ms = now_ms};
    enum err e = matrix_walk(&p, 1, gather, v);
    if (e == ERR_OK && v->cell.event != NULL)
        print_cell(v);
    free(v);
    return e;
}

int cmd_policy_matrix(struct ctl *c)
{
    struct pack k;
    uint64_t now_ms;
    int code = policy_day(c, &now_ms);
    if (code != EXIT_DONE)
        return code;
    code = pack_load(c, c->argv[0], &k);
    if (code == EXIT_DONE) {
        enum err e = c->tsv ? print_table(k.policy, now_ms)
                            : print_view(c, k.policy, now_ms);
        if (e == ERR_OK && fflush(stdout) != 0 && errno != EPIPE) /* head */
            e = ERR_IO;
        code = e == ERR_OK ? EXIT_DONE : fail(c, e, "");
    }
    pack_fini(&k);
    return code;
}
