/* policy_tell.c - what the tables say, to programs and to people.
 *
 * The sentence about a decision is put together from the sentences of its
 * rules, one for each reason. Classes that are withheld for no more than want
 * of a ground share one sentence, whether a rule with the plain sentence `-`
 * held them back or no rule let them pass: an address that is protected reads
 * like one that nobody agreed to pass on (I-13). */
#include "hub/core/policy_table.h"
#include "proto/base/tsv.h"
#include <string.h>

/* ---- words and terms -------------------------------------------------*/

const uint8_t *policy_digest(const struct policy *p)
{
    return p->digest;
}

bool policy_knows_purpose(const struct policy *p, const char *purpose)
{
    return policy_symbol(p, SYMBOL_PURPOSE, purpose) != NULL;
}

bool policy_knows_role(const struct policy *p, const char *role)
{
    const struct symbol *s = policy_symbol(p, SYMBOL_ROLE, role);
    return s != NULL && (p->excluded >> s->index & 1) == 0;
}

static const struct symbol *symbol_named(const struct policy *p,
                                         const char *code)
{
    for (int k = 0; k < SYMBOL_KINDS; k++) {
        const struct symbol *s = policy_symbol(p, (enum symbol_kind)k, code);
        if (s != NULL)
            return s;
    }
    return NULL;
}

const char *policy_label_ja(const struct policy *p, const char *code)
{
    const struct symbol *s = symbol_named(p, code);
    return s == NULL ? code : s->ja;
}

const char *policy_label_en(const struct policy *p, const char *code)
{
    const struct symbol *s = symbol_named(p, code);
    return s == NULL ? code : s->en;
}

uint64_t policy_ceiling(const struct policy *p, const char *role)
{
    const struct symbol *s = policy_symbol(p, SYMBOL_ROLE, role);
    return s == NULL ? 0 : p->ceiling[s->index];
}

uint64_t policy_third(const struct policy *p)
{
    return p->third;
}

uint64_t policy_companions(const struct policy *p)
{
    return p->companions;
}

uint64_t policy_glass_ceiling(const struct policy *p, const char *role)
{
    const struct symbol *s = policy_symbol(p, SYMBOL_ROLE, role);
    return s == NULL ? 0 : p->glass[s->index];
}

bool policy_glass_reason(const struct policy *p, const char *reason)
{
    return policy_symbol(p, SYMBOL_REASON, reason) != NULL;
}

int64_t policy_limit(const struct policy *p, const char *name)
{
    for (size_t i = 0; i < p->limit_count; i++)
        if (strcmp(p->limit[i].name, name) == 0)
            return p->limit[i].value;
    return -1;
}

/* ---- how long content is kept ---- */

const struct policy_term *policy_term_at(const struct policy *p, size_t i)
{
    return i < p->term_count ? &p->term[i].t : NULL;
}

static bool has_event(const struct policy *p, const uint64_t *set,
                      const char *event)
{
    const struct symbol *s = policy_symbol(p, SYMBOL_EVENT, event);
    return s != NULL && (set[s->index / 64] >> s->index % 64 & 1) != 0;
}

bool policy_term_names(const struct policy *p, size_t i, const char *event)
{
    assert(i < p->term_count);
    return has_event(p, p->term[i].events, event);
}

bool policy_term_any(const struct policy *p, size_t i)
{
    assert(i < p->term_count);
    return p->term[i].any;
}

bool policy_term_ends(const struct policy *p, size_t i, const char *event)
{
    assert(i < p->term_count);
    return has_event(p, p->term[i].ends, event);
}

static enum symbol_kind symbol_kind_of(enum policy_kind kind)
{
    static const enum symbol_kind KIND[] = {
        [POLICY_ROLE] = SYMBOL_ROLE,     [POLICY_PURPOSE] = SYMBOL_PURPOSE,
        [POLICY_EVENT] = SYMBOL_EVENT,   [POLICY_PREDICATE] = SYMBOL_PREDICATE,
        [POLICY_REASON] = SYMBOL_REASON,
    };
    return KIND[kind];
}

size_t policy_count(const struct policy *p, enum policy_kind kind)
{
    return p->kind_count[symbol_kind_of(kind)];
}

const char *policy_code(const struct policy *p, enum policy_kind kind, size_t i)
{
    enum symbol_kind k = symbol_kind_of(kind);
    for (size_t n = 0, j = 0; j < p->symbol_count; j++)
        if (p->symbol[j].kind == k && n++ == i)
            return p->symbol[j].code;
    return NULL;
}

static bool function_is_for(const struct function *f, unsigned event,
                            unsigned purpose, unsigned role)
{
    return (f->events[event / 64] >> event % 64 & 1) &&
           (f->purposes >> purpose & 1) && (f->roles >> role & 1);
}

const struct policy_function *policy_function(const struct policy *p,
                                              const char *event,
                                              const char *purpose,
                                              const char *role)
{
    const struct symbol *e = policy_symbol(p, SYMBOL_EVENT, event);
    const struct symbol *u = policy_symbol(p, SYMBOL_PURPOSE, purpose);
    const struct symbol *r = policy_symbol(p, SYMBOL_ROLE, role);
    if (e == NULL || u == NULL || r == NULL)
        return NULL;
    for (size_t i = 0; i < p->function_count; i++)
        if (function_is_for(&p->function[i], e->index, u->index, r->index))
            return &p->function[i].f;
    return NULL;
}

/* ---- rules ---------------------------------------------------------------*/

size_t policy_rule_count(const struct policy *p)
{
    return p->rule_count;
}

const char *policy_rule_id(const struct policy *p, uint16_t rule)
{
    return rule < p->rule_count ? p->rule[rule].id : "DEFAULT";
}

const char *policy_rule_row(const struct policy *p, uint16_t rule)
{
    return rule < p->rule_count ? p->rule[rule].row : "";
}

bool policy_rule_plain(const struct policy *p, uint16_t rule)
{
    return rule >= p->rule_count || p->rule[rule].plain;
}

const char *policy_article(const struct policy *p, const char *basis)
{
    const struct tsv *t = p->file[POLICY_BASIS];
    for (size_t i = 0; i < tsv_rows(t); i++)
        if (strcmp(tsv_cell(t, i, "code"), basis) == 0)
            return tsv_cell(t, i, "article");
    return "";
}

bool policy_rule_at(const struct policy *p, size_t i,
                    struct policy_rule_view *out)
{
    if (i >= p->rule_count)
        return false;
    const struct rule *r = &p->rule[i];
    *out = (struct policy_rule_view){
        .id = r->id,
        .row = r->row,
        .layer = LAYER_NAMES[r->layer],
        .basis = r->basis == NO_BASIS ? "" : p->basis[r->basis].code,
        .ja = r->plain ? err_ja(ERR_POL_NONE) : r->ja,
        .en = r->plain ? err_en(ERR_POL_NONE) : r->en,
        .permit = r->permit,
        .purposes = r->purposes,
        .roles = r->roles,
        .classes = r->classes,
        .requires = r->requires,
        .unless = r->unless,
        .from_day = r->from_day,
        .to_day = r->to_day,
    };
    return true;
}

bool policy_rule_about(const struct policy *p, size_t i, const char *event,
                       const char *variant)
{
    const struct symbol *e = policy_symbol(p, SYMBOL_EVENT, event);
    const struct symbol *v = policy_symbol(p, SYMBOL_VARIANT, variant);
    if (e == NULL)
        return false;
    const struct bucket *b = &p->bucket[e->index];
    for (uint32_t k = 0; k < b->count; k++) {
        const struct rule_use *u = &p->use[b->first + k];
        if (u->rule == i && (u->variant == 0 || variant[0] == '\0' ||
                             (v != NULL && u->variant == v->index)))
            return true;
    }
    return false;
}

/* ---- the sentence --------------------------------------------------------*/

/* Some classes of a decision that have one reason. */
struct reason {
    uint64_t classes;
    bool permit;
    const char *ja, *en;
};

/* Plain ones are one and the same reason. */
static uint16_t told(const struct policy *p, uint16_t rule)
{
    return policy_rule_plain(p, rule) ? NO_RULE : rule;
}

static struct reason reason_of(const struct policy *p, const struct decision *d,
                               unsigned cls, uint64_t shown)
{
    const struct class_verdict *v = &d->of[cls];
    struct reason r = {.permit = v->permit,
                       .ja = err_ja(ERR_POL_NONE),
                       .en = err_en(ERR_POL_NONE)};
    if (!policy_rule_plain(p, v->rule)) {
        r.ja = p->rule[v->rule].ja;
        r.en = p->rule[v->rule].en;
    }
    for (unsigned c = 1; c < CLASS_MAX; c++)
        if ((shown & class_bit(c)) && d->of[c].permit == v->permit &&
            told(p, d->of[c].rule) == told(p, v->rule))
            r.classes |= class_bit(c);
    return r;
}

static void add_labels(uint64_t classes, struct buf *ja, struct buf *en)
{
    const char *sep_ja = "", *sep_en = "";
    for (unsigned c = 1; c < CLASS_MAX; c++) {
        if ((classes & class_bit(c)) == 0)
            continue;
        buf_addf(ja, "%s%s", sep_ja, class_ja(c));
        buf_addf(en, "%s%s", sep_en, class_en(c));
        sep_ja = "、";
        sep_en = "; ";
    }
}

static void add_reason(const struct reason *r, struct buf *ja, struct buf *en)
{
    buf_adds(ja, r->permit ? "渡す情報: " : "渡さない情報: ");
    buf_adds(en, en->n > 0 ? " " : "");
    buf_adds(en, r->permit ? "Passed on: " : "Not passed on: ");
    add_labels(r->classes, ja, en);
    buf_addf(ja, "。%s", r->ja);
    buf_addf(en, ". %s", r->en);
}

/* The groups of one kind, each class in the first group it belongs to. */
static void add_reasons(const struct policy *p, const struct decision *d,
                        uint64_t classes, struct buf *ja, struct buf *en)
{
    for (unsigned c = 1; c < CLASS_MAX; c++) {
        if ((classes & class_bit(c)) == 0)
            continue;
        struct reason r = reason_of(p, d, c, classes);
        add_reason(&r, ja, en);
        classes &= ~r.classes;
    }
}

/* Nothing is passed on: the first prohibition met, else the plain sentence,
 * and no list, because a list would tell what the event held. */
static void add_nothing(const struct policy *p, const struct decision *d,
                        struct buf *ja, struct buf *en)
{
    struct reason r = {.ja = err_ja(ERR_POL_NONE), .en = err_en(ERR_POL_NONE)};
    for (unsigned c = CLASS_MAX - 1; c > 0; c--)
        if ((d->asked & class_bit(c)) && !policy_rule_plain(p, d->of[c].rule)) {
            r.ja = p->rule[d->of[c].rule].ja;
            r.en = p->rule[d->of[c].rule].en;
        }
    buf_adds(ja, r.ja);
    buf_adds(en, r.en);
}

void policy_explain(const struct policy *p, const struct decision *d,
                    struct buf *ja, struct buf *en)
{
    if (d->error != ERR_OK) {
        buf_adds(ja, err_ja(d->error));
        buf_adds(en, err_en(d->error));
    } else if (d->released == 0) {
        add_nothing(p, d, ja, en);
    } else {
        add_reasons(p, d, d->released, ja, en);
        add_reasons(p, d, d->withheld, ja, en);
    }
}
