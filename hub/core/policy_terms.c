/* policy_terms.c - the terms around the rules: numbers, and who is in charge.
 *
 *   breakglass.tsv  kind code ja en value
 *     role    what the role may open: classes, within its ceiling
 *     reason  a reason one may give; value is empty
 *     limit   a number this program asks for: minutes, hours, characters
 *   retention.tsv   record ja en days basis checked_by mark events after
 *     days a record is kept, and other terms counted in days; a record whose
 *     term somebody else's rule sets has `-`. events: whose content goes when
 *     the term is over, `*` that of all others; after: what it counts from,
 *     arrived, delivered, consent, or events that end the case for this
 *   authority.tsv   function event purpose role place prefecture designated
 *                   hc_city other article checked_by
 *     which authority acts for an event: the first place known of a list by
 *     spaces, then by the kind of that municipality `self`, `prefecture`, both
 *     or `-`. The first row that speaks of event, purpose and role decides. */
#include "hub/core/policy_load.h"
#include <assert.h>
#include <inttypes.h>
#include <string.h>

/* What this program asks for, and how loose a pack may make it: stricter it may
 * be. At most an hour with one extension, a fresh second factor, a reason in
 * words, a review within three days; a consent for two years; content on the
 * hub for three months after it was delivered. */
static const struct {
    const char *name;
    int64_t least, most;
} NEEDED[] = {
    {"minutes", 1, GLASS_MINUTES_MOST},
    {"extensions", 0, 1},
    {"step_up_minutes", 1, 5},
    {"text_characters", 20, 1000},
    {"texts_compared", 5, 5},
    {"review_hours", 1, GLASS_REVIEW_HOURS_MOST},
    {"consent_longest", 1, 731},
    {"consent_reminder", 0, 731},
    {"paper_after_oral", 0, 31},
    {"hub_payload", 0, 90},
};
static const char *const PLACES[] = {"sender", "resident", "present", "shikyu",
                                     "plan"};
static const char *const KINDS[PLACE_KINDS] = {
    [PLACE_PREFECTURE] = "prefecture",
    [PLACE_DESIGNATED] = "designated",
    [PLACE_HC_CITY] = "hc_city",
    [PLACE_OTHER] = "other",
};

static void add_limit(struct load *l, const char *column, const char *number)
{
    struct policy *p = l->p;
    const char *name = load_text(l, column);
    if (policy_limit(p, name) >= 0) {
        load_fault(l, column, "stands here twice");
        return;
    }
    if (p->limit_count == LIMITS_MAX) {
        load_fault(l, column, "too many of this kind");
        return;
    }
    p->limit[p->limit_count++] = (struct limit){name, load_number(l, number)};
}

/* ---- breakglass.tsv ------------------------------------------------------*/

static void add_opener(struct load *l)
{
    struct policy *p = l->p;
    const char *code = load_text(l, "code");
    const struct symbol *s = policy_symbol(p, SYMBOL_ROLE, code);
    uint64_t classes = load_classes(l, "value");
    if (s == NULL)
        load_fault(l, "code", "no such role");
    else if (p->glass[s->index] != 0)
        load_fault(l, "code", "stands here twice");
    else if ((classes & ~p->ceiling[s->index]) != 0)
        load_fault(l, "value", "beyond the ceiling of the role");
    else
        p->glass[s->index] = classes;
}

static void add_reason(struct load *l)
{
    struct symbol s = {.kind = SYMBOL_REASON,
                       .code = load_text(l, "code"),
                       .ja = load_text(l, "ja"),
                       .en = load_text(l, "en")};
    if (policy_symbol(l->p, s.kind, s.code) != NULL)
        load_fault(l, "code", "stands here twice");
    else if (!policy_add_symbol(l->p, s, REASONS_MAX))
        load_fault(l, "code", "too many of this kind");
}

void load_breakglass(struct load *l)
{
    const char *kind = load_cell(l, "kind");
    load_text(l, "ja");
    load_text(l, "en");
    if (strcmp(kind, "role") == 0)
        add_opener(l);
    else if (strcmp(kind, "reason") == 0)
        add_reason(l);
    else if (strcmp(kind, "limit") == 0)
        add_limit(l, "code", "value");
    else
        load_fault(l, "kind", "an unknown kind of word");
}

/* ---- retention.tsv -------------------------------------------------------*/

static void term_event(struct load *l, const char *column, const char *word,
                       uint64_t *set)
{
    const struct symbol *s = policy_symbol(l->p, SYMBOL_EVENT, word);
    if (s == NULL)
        load_fault(l, column, "no such event");
    else
        set[s->index / 64] |= (uint64_t)1 << s->index % 64;
}

static void term_events(struct load *l, struct term *t)
{
    char word[WORD_MAX];
    for (const char *s = load_cell(l, "events"); load_word(&s, word);)
        if (strcmp(word, "*") == 0)
            t->any = true;
        else
            term_event(l, "events", word, t->events);
}

/* One of the words, or events. */
static void term_after(struct load *l, struct term *t)
{
    static const char *const WORDS[] = {[TERM_ARRIVED] = "arrived",
                                        [TERM_DELIVERED] = "delivered",
                                        [TERM_CONSENT] = "consent"};
    const char *s = load_text(l, "after");
    char word[WORD_MAX];
    for (size_t i = 0; i < NELEM(WORDS); i++)
        if (strcmp(s, WORDS[i]) == 0) {
            t->t.from = (enum term_from)i;
            return;
        }
    t->t.from = TERM_CASE;
    while (load_word(&s, word))
        term_event(l, "after", word, t->ends);
}

static void add_term(struct load *l)
{
    struct policy *p = l->p;
    struct term t = {.t = {.days = load_number(l, "days")}};
    term_events(l, &t);
    term_after(l, &t);
    if (p->term_count == TERMS_MAX)
        load_fault(l, "record", "too many of this kind");
    else
        p->term[p->term_count++] = t;
}

void load_retention(struct load *l)
{
    bool counted = strcmp(load_text(l, "days"), "-") != 0;
    load_text(l, "ja");
    load_text(l, "en");
    if (counted)
        add_limit(l, "record", "days");
    if (load_cell(l, "events")[0] != '\0')
        add_term(l);
    else if (load_cell(l, "after")[0] != '\0')
        load_fault(l, "events", "is needed");
}

void load_check_terms(struct load *l)
{
    for (size_t i = 0; i < NELEM(NEEDED); i++) {
        int64_t value = policy_limit(l->p, NEEDED[i].name);
        if (value >= NEEDED[i].least && value <= NEEDED[i].most)
            continue;
        l->faults++;
        buf_addf(l->why, "%s, %s: error %s: %s ",
                 POLICY_FILE_NAMES[POLICY_BREAKGLASS],
                 POLICY_FILE_NAMES[POLICY_RETENTION], err_code(ERR_POL_INVALID),
                 NEEDED[i].name);
        if (value < 0)
            buf_adds(l->why, "is missing\n");
        else
            buf_addf(l->why, "must be %" PRId64 " to %" PRId64 "\n",
                     NEEDED[i].least, NEEDED[i].most);
    }
}

/* ---- authority.tsv -------------------------------------------------------*/

static void check_places(struct load *l)
{
    char word[WORD_MAX];
    for (const char *s = load_text(l, "place"); load_word(&s, word);) {
        bool known = false;
        for (size_t i = 0; i < NELEM(PLACES); i++)
            known = known || strcmp(word, PLACES[i]) == 0;
        if (!known)
            load_fault(l, "place", "an unknown word");
    }
}

static unsigned read_acts(struct load *l, const char *column)
{
    unsigned acts = 0;
    char word[WORD_MAX];
    for (const char *s = load_text(l, column); load_word(&s, word);) {
        if (strcmp(word, "self") == 0)
            acts |= AUTHORITY_SELF;
        else if (strcmp(word, "prefecture") == 0)
            acts |= AUTHORITY_PREFECTURE;
        else if (strcmp(word, "-") != 0)
            load_fault(l, column, "an unknown word");
    }
    return acts;
}

static void add_event(struct load *l, uint16_t event, uint16_t variant,
                      void *ctx)
{
    struct function *f = ctx;
    if (variant != 0)
        load_fault(l, "event", "an authority knows no variants");
    f->events[event / 64] |= (uint64_t)1 << event % 64;
}

void load_authority(struct load *l)
{
    struct policy *p = l->p;
    struct function f = {
        .f = {.function = load_text(l, "function"),
              .place = load_cell(l, "place")},
        .purposes = load_some(l, "purpose", load_purpose_bit,
                              load_every(p, SYMBOL_PURPOSE)),
        .roles = load_some(l, "role", load_role_bit,
                           load_every(p, SYMBOL_ROLE) & ~p->excluded)};
    check_places(l);
    for (size_t i = 0; i < PLACE_KINDS; i++)
        f.f.acts[i] = read_acts(l, KINDS[i]);
    load_events(l, add_event, &f);
    if (p->function_count == FUNCTIONS_MAX)
        load_fault(l, "function", "too many of this kind");
    else
        p->function[p->function_count++] = f;
}
