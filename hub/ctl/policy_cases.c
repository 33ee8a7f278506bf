/* policy_cases.c - `tsunagi policy test`: the cases that a policy promises.
 *
 *   cases.tsv  id ja event purpose role predicates classes released rule
 *
 * event, purpose and role are sets as in rules.tsv, and the case must hold for
 * each combination. predicates: a set of facts, and of the person `consent`,
 * `consent_own`, `consent_asked` or `refused` (matrix.h); * is every predicate
 * and `consent`. classes: asked for as they are, * all of the event. released:
 * the exact set,
 * - for none. rule: cited by the first class released, or when there is none
 * by the first denied; DEFAULT: no rule; an empty cell is not looked at.
 *
 * A rule is covered when a case rests on it, and a permit also needs a case in
 * which it holds back: a promise that was only tried where it gives says
 * nothing about where it must not. */
#include "hub/ctl/policy.h"
#include "proto/base/tsv.h"
#include <stdlib.h>
#include <string.h>

#define WORD_SIZE 80

/* ---- sets as in rules.tsv ---- */

/* Takes the next word; out: it stood behind a '!'. */
static bool take_word(const char **s, bool *out, char word[WORD_SIZE])
{
    *s += strspn(*s, " ");
    *out = **s == '!';
    *s += *out ? 1 : 0;
    size_t n = strcspn(*s, " ");
    snprintf(word, WORD_SIZE, "%.*s", (int)n, *s);
    *s += n;
    return n > 0;
}

static bool chosen(const char *cell, const char *word)
{
    char w[WORD_SIZE];
    bool in = false, out = false, minus;
    for (const char *s = cell; take_word(&s, &minus, w);) {
        bool is = strcmp(w, word) == 0;
        in |= !minus && (is || strcmp(w, "*") == 0);
        out |= minus && is;
    }
    return in && !out;
}

/* An event without a variant means it in every variant. */
static bool chosen_event(const char *cell, const struct situation *s)
{
    char w[WORD_SIZE], full[WORD_SIZE];
    bool in = false, out = false, minus;
    snprintf(full, sizeof(full), "%s:%s", s->event->event_name, s->variant);
    for (const char *c = cell; take_word(&c, &minus, w);) {
        bool is = strcmp(w, s->event->event_name) == 0 || strcmp(w, full) == 0;
        in |= !minus && (is || strcmp(w, "*") == 0);
        out |= minus && is;
    }
    return in && !out;
}

/* Facts of a cell; false when a word is none. */
static bool read_facts(const struct policy *p, const char *cell,
                       struct situation *facts)
{
    char w[WORD_SIZE];
    bool minus;
    struct situation out = {.event = NULL};
    *facts = out;
    for (const char *s = cell; take_word(&s, &minus, w);)
        if (strcmp(w, "*") != 0 && !matrix_read_words(w, minus ? &out : facts))
            return false;
    if (!chosen(cell, "*"))
        return true;
    for (size_t i = 0; i < policy_count(p, POLICY_PREDICATE); i++)
        matrix_read_words(policy_code(p, POLICY_PREDICATE, i), facts);
    facts->consent = !out.consent;
    facts->predicates &= ~out.predicates;
    return true;
}

/* Classes of a cell, `every` for *; false when a word is none. */
static bool read_classes(const char *cell, uint64_t every, uint64_t *set)
{
    char w[WORD_SIZE];
    bool minus;
    *set = 0;
    for (const char *s = cell; take_word(&s, &minus, w);) {
        unsigned cls = class_from_name(w);
        uint64_t bits = strcmp(w, "*") == 0 ? every : class_bit(cls);
        if (cls == 0 && strcmp(w, "*") != 0)
            return false;
        *set = minus ? *set & ~bits : *set | bits;
    }
    return true;
}

/* ---- one case ---- */

enum { CITED = 1, HELD_BACK = 2 };
struct trial {
    const struct ctl *c;
    const struct policy *p;
    const struct tsv *t;
    uint64_t now_ms;
    size_t row, situations, failed, asked; /* asked: of this row */
    bool bad;                              /* this row does not hold */
    struct situation facts;
    uint64_t released;
    uint8_t *seen; /* by rule */
};

static const char *cell_of(const struct trial *x, const char *column)
{
    return tsv_cell(x->t, x->row, column);
}

static void complain(struct trial *x, const char *ja, const char *en)
{
    printf("%s:%zu: %s %s: %s\n", pack_file_name(POLICY_FILES),
           tsv_line(x->t, x->row), cell_of(x, "id"), cell_of(x, "ja"),
           say(x->c, ja, en));
    x->bad = true;
}

/* What it came to instead. */
static void say_other(struct trial *x, const struct situation *s,
                      const struct decision *d, const char *rule)
{
    struct buf line = {0};
    complain(x, "このとおりになりません", "does not hold");
    matrix_event(s, &line);
    buf_addf(&line, " %s %s: ", s->purpose, s->role);
    if (d->error != ERR_OK)
        buf_adds(&line, err_code(d->error));
    for (unsigned k = 1; k < CLASS_MAX; k++)
        if ((d->released & class_bit(k)) != 0)
            buf_addf(&line, "%s ", class_name(k));
    buf_addf(&line, "[%s]", rule);
    printf("    %s\n", line.failed ? "" : (char *)line.p);
    buf_fini(&line);
}

static unsigned first_of(uint64_t set)
{
    unsigned k = 1;
    while (k < CLASS_MAX && (set & class_bit(k)) == 0)
        k++;
    return k;
}

/* Notes which rules this decision rests on, and which permits held back. */
static void note(struct trial *x, const struct situation *s,
                 const struct decision *d)
{
    struct policy_rule_view r;
    for (unsigned k = 1; k < CLASS_MAX; k++)
        if ((s->classes & class_bit(k)) != 0 &&
            d->of[k].rule < policy_rule_count(x->p))
            x->seen[d->of[k].rule] |= CITED;
    for (size_t i = 0; policy_rule_at(x->p, i, &r); i++)
        if (r.permit && (r.classes & s->classes) != 0 &&
            (r.classes & d->released) == 0 &&
            policy_rule_about(x->p, i, s->event->event_name, s->variant))
            x->seen[i] |= HELD_BACK;
}

static void try_one(struct trial *x, struct situation *s)
{
    struct decision d;
    const char *want = cell_of(x, "rule");
    x->asked++;
    matrix_decide(x->p, s, x->now_ms, &d);
    note(x, s, &d);
    unsigned first = first_of(d.released != 0 ? d.released : s->classes);
    const char *rule = policy_rule_id(x->p, d.of[first].rule);
    if (!x->bad && (d.error != ERR_OK || d.released != x->released ||
                    (want[0] != '\0' && strcmp(want, rule) != 0)))
        say_other(x, s, &d, rule);
}

static bool try_event(void *ctx, const struct situation *event)
{
    struct trial *x = ctx;
    struct situation s = x->facts;
    s.event = event->event;
    s.variant = event->variant;
    if (!chosen_event(cell_of(x, "event"), event) ||
        !read_classes(cell_of(x, "classes"), event->classes, &s.classes) ||
        s.classes == 0)
        return true;
    for (size_t i = 0; i < policy_count(x->p, POLICY_PURPOSE); i++) {
        s.purpose = policy_code(x->p, POLICY_PURPOSE, i);
        if (!chosen(cell_of(x, "purpose"), s.purpose))
            continue;
        for (size_t k = 0; k < policy_count(x->p, POLICY_ROLE); k++) {
            s.role = policy_code(x->p, POLICY_ROLE, k);
            if (chosen(cell_of(x, "role"), s.role))
                try_one(x, &s);
        }
    }
    return true;
}

static void try_row(struct trial *x)
{
    const char *released = cell_of(x, "released");
    x->bad = false;
    x->asked = 0;
    uint64_t asked;
    if (!read_facts(x->p, cell_of(x, "predicates"), &x->facts))
        complain(x, "知らない条件の語があります", "an unknown fact");
    else if (!read_classes(cell_of(x, "classes"), UINT64_MAX, &asked) ||
             (strcmp(released, "-") != 0 &&
              !read_classes(released, 0, &x->released)))
        complain(x, "知らない情報の区分があります", "an unknown class");
    if (strcmp(released, "-") == 0)
        x->released = 0;
    if (!x->bad)
        matrix_events(try_event, x);
    if (!x->bad && x->asked == 0)
        complain(x, "何も問われていません(語の誤り)",
                 "asks nothing (a word is wrong)");
    x->situations += x->asked;
    x->failed += x->bad ? 1 : 0;
}

/* ---- all of them ---- */

/* Prints the ids of rules that lack a kind of case; returns how many. */
static size_t lacking(const struct trial *x, uint8_t kind, const char *title)
{
    struct policy_rule_view r;
    size_t n = 0;
    for (size_t i = 0; policy_rule_at(x->p, i, &r); i++) {
        if ((x->seen[i] & kind) != 0 || (kind == HELD_BACK && !r.permit))
            continue;
        printf("%s%s", n == 0 ? title : " ", r.id);
        n++;
    }
    if (n > 0)
        putchar('\n');
    return n;
}

static void sum_up(const struct trial *x)
{
    lacking(
        x, CITED,
        say(x->c, "どの例にも使われない規則: ", "rules no case rests on: "));
    lacking(x, HELD_BACK,
            say(x->c, "渡さない例のない規則: ",
                "rules without a case in which they hold back: "));
    printf(say(x->c, "例 %zu件、場合 %zu通り、合わない例 %zu件\n",
               "%zu cases, %zu situations, %zu cases do not hold\n"),
           tsv_rows(x->t), x->situations, x->failed);
}

static enum err try_all(struct trial *x, const struct pack *k, struct buf *why)
{
    static const char *const COLUMNS[] = {
        "id",         "ja",      "event",    "purpose", "role",
        "predicates", "classes", "released", "rule",    NULL};
    struct tsv *t = NULL;
    enum err e = tsv_parse(pack_file_name(POLICY_FILES), k->files[POLICY_FILES],
                           COLUMNS, &t, why);
    if (e != ERR_OK)
        return e;
    x->t = t;
    x->seen = calloc(policy_rule_count(x->p) + 1, 1);
    if (x->seen == NULL)
        e = ERR_NOMEM;
    for (x->row = 0; e == ERR_OK && x->row < tsv_rows(t); x->row++)
        try_row(x);
    if (e == ERR_OK)
        sum_up(x);
    free(x->seen);
    tsv_free(&t);
    return e;
}

int cmd_policy_test(struct ctl *c)
{
    struct pack k;
    struct trial x = {.c = c};
    struct buf why = {0};
    int code = policy_day(c, &x.now_ms);
    if (code != EXIT_DONE)
        return code;
    code = pack_load(c, c->argv[0], &k);
    x.p = k.policy;
    if (code == EXIT_DONE) {
        enum err e = try_all(&x, &k, &why);
        if (e != ERR_OK) {
            fputs(why.n > 0 ? (char *)why.p : "", stderr);
            fail(c, e, c->argv[0]);
        }
        code = e == ERR_OK && x.failed == 0 ? EXIT_DONE : EXIT_CONFIG;
    }
    buf_fini(&why);
    pack_fini(&k);
    return code;
}
