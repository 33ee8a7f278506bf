/* policy_load.c - the cells of a policy pack.
 *
 * A cell that holds a set is a list of words by spaces; `*` is every one and
 * `!word` takes one out again. An event is NAME or NAME:VARIANT. Days are
 * inclusive and an empty day is open. Faults are told one by one and counted,
 * never thrown: the reader goes on, so that a clerk sees all of them. */
#include "hub/core/policy_load.h"
#include <stdlib.h>
#include <string.h>

void load_fault(struct load *l, const char *column, const char *sentence)
{
    l->faults++;
    buf_addf(l->why, "%s:%zu: error %s: %s: %s\n", POLICY_FILE_NAMES[l->file],
             tsv_line(l->p->file[l->file], l->row), err_code(ERR_POL_INVALID),
             column, sentence);
}

const char *load_cell(const struct load *l, const char *column)
{
    return tsv_cell(l->p->file[l->file], l->row, column);
}

const char *load_text(struct load *l, const char *column)
{
    const char *s = load_cell(l, column);
    if (s[0] == '\0')
        load_fault(l, column, "is needed");
    return s;
}

bool load_word(const char **s, char word[WORD_MAX])
{
    *s += strspn(*s, " ");
    size_t n = strcspn(*s, " "), keep = n < WORD_MAX ? n : WORD_MAX - 1;
    memcpy(word, *s, keep);
    word[keep] = '\0';
    *s += n;
    return n > 0;
}

static uint64_t symbol_bit(const struct policy *p, enum symbol_kind kind,
                           const char *word)
{
    const struct symbol *s = policy_symbol(p, kind, word);
    return s == NULL ? 0 : (uint64_t)1 << s->index;
}

uint64_t load_role_bit(const struct policy *p, const char *word)
{
    return symbol_bit(p, SYMBOL_ROLE, word);
}

uint64_t load_purpose_bit(const struct policy *p, const char *word)
{
    return symbol_bit(p, SYMBOL_PURPOSE, word);
}

uint64_t load_predicate_bit(const struct policy *p, const char *word)
{
    return symbol_bit(p, SYMBOL_PREDICATE, word);
}

uint64_t load_class_bit(const struct policy *p, const char *word)
{
    unsigned cls = class_from_name(word);
    return cls == 0 ? 0 : class_bit(cls) & p->known;
}

uint64_t load_every(const struct policy *p, enum symbol_kind kind)
{
    unsigned n = p->kind_count[kind];
    return n == 64 ? UINT64_MAX : ((uint64_t)1 << n) - 1;
}

uint64_t load_set(struct load *l, const char *column, load_bit *bit,
                  uint64_t all)
{
    uint64_t set = 0;
    char word[WORD_MAX];
    for (const char *s = load_cell(l, column); load_word(&s, word);) {
        bool out = word[0] == '!';
        uint64_t b = strcmp(word, "*") == 0 ? all : bit(l->p, word + out);
        if (b == 0)
            load_fault(l, column, "an unknown word");
        set = out ? set & ~b : set | b;
    }
    return set;
}

uint64_t load_some(struct load *l, const char *column, load_bit *bit,
                   uint64_t all)
{
    uint64_t set = load_set(l, column, bit, all);
    if (set == 0)
        load_fault(l, column, "names nothing");
    return set;
}

int32_t load_day(struct load *l, const char *column, int32_t open)
{
    const char *s = load_cell(l, column);
    struct date d;
    if (s[0] == '\0')
        return open;
    if (date_parse(slice_str(s), &d) == ERR_OK && d.day != 0)
        return date_days(d);
    load_fault(l, column, err_en(ERR_VAL_DATE_FORM));
    return open;
}

uint64_t load_classes(struct load *l, const char *column)
{
    return load_some(l, column, load_class_bit, l->p->known);
}

int64_t load_number(struct load *l, const char *column)
{
    const char *s = load_cell(l, column);
    size_t n = strlen(s);
    if (n > 0 && n < 10 && strspn(s, "0123456789") == n)
        return strtol(s, NULL, 10);
    load_fault(l, column, "must be a number");
    return -1;
}

/* ---- events --------------------------------------------------------------*/

static void read_event(struct load *l, char *word, load_use *use, void *ctx)
{
    char *colon = strchr(word, ':');
    if (colon != NULL)
        *colon = '\0';
    const struct symbol *v = NULL, *e = policy_symbol(l->p, SYMBOL_EVENT, word);
    if (e == NULL) {
        load_fault(l, "event", "no such event");
        return;
    }
    const struct bucket *b = &l->p->bucket[e->index];
    if (colon != NULL) {
        v = policy_symbol(l->p, SYMBOL_VARIANT, colon + 1);
        if (v == NULL ||
            (uint16_t)(v->index - b->variant_first) >= b->variant_count) {
            load_fault(l, "event", "the event has no such variant");
            return;
        }
    }
    use(l, e->index, v == NULL ? 0 : v->index, ctx);
}

void load_events(struct load *l, load_use *use, void *ctx)
{
    size_t n = 0;
    char word[WORD_MAX];
    for (const char *s = load_cell(l, "event"); load_word(&s, word); n++) {
        if (strcmp(word, "*") != 0) {
            read_event(l, word, use, ctx);
            continue;
        }
        for (uint16_t e = 0; e < l->p->kind_count[SYMBOL_EVENT]; e++)
            use(l, e, 0, ctx);
    }
    if (n == 0)
        load_fault(l, "event", "names nothing");
}
