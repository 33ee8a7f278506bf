/* policy_parse.c - the policy pack, from five tables to numbers and masks.
 *
 *   vocab.tsv    kind code ja en        the closed lists of words
 *   basis.tsv    code ja en article valid_from valid_to checked_by
 *   ceiling.tsv  role classes           the most a role may ever see
 *   minimum.tsv  purpose event classes  what a purpose needs of an event
 *   rules.tsv    id row layer effect event purpose role classes requires
 *                unless basis ja en from to
 *
 * A cell that holds a set is a list of words by spaces; `*` is every one and
 * `!word` takes one out again. An event is NAME or NAME:VARIANT. Days are
 * inclusive and an empty day is open. There is no expression language: the
 * whole matrix of a pack can be counted out.
 *
 * Events, variants and classes come from the schema; layers and predicates
 * are words this program knows the meaning of, so vocab.tsv only labels them.
 * Two kinds of words are special: a role_excluded can be named by a denial
 * but held by no agency, and a companion is a class that a consent need not
 * name, because it goes along with whatever the same rule lets pass.
 *
 * A pack with one fault is no pack: everything wrong is told, nothing is
 * loaded. What would only ever be a mistake is a fault too: a permit without
 * basis or in a layer that can only forbid, or for an excluded role; a role
 * without ceiling. */
#include "hub/core/policy_table.h"
#include "proto/base/tsv.h"
#include "proto/wire/sign.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(ROLE_MAX == PURPOSE_MAX, "one limit for both");

const char *const POLICY_FILE_NAMES[POLICY_FILES] = {
    [POLICY_VOCAB] = "vocab.tsv",     [POLICY_RULES] = "rules.tsv",
    [POLICY_CEILING] = "ceiling.tsv", [POLICY_MINIMUM] = "minimum.tsv",
    [POLICY_BASIS] = "basis.tsv",
};
const char *const LAYER_NAMES[LAYERS] = {
    [LAYER_PROHIBIT] = "prohibit", [LAYER_PROTECT] = "protect",
    [LAYER_LAW] = "law",           [LAYER_M106] = "m106",
    [LAYER_CONSENT] = "consent",   [LAYER_SESSION] = "session",
    [LAYER_LIFE] = "life",         [LAYER_BREAKGLASS] = "breakglass",
};
/* In the order of the bits of enum predicate. */
static const char *const PREDICATE_NAMES[] = {
    "address_protected", "chosen", "existing", "same_government",
    "breakglass",        "asked",  "session",  "enabled_by_prefecture",
    "unable_to_consent",
};
static const char *const COLUMNS[POLICY_FILES][16] = {
    [POLICY_VOCAB] = {"kind", "code", "ja", "en"},
    [POLICY_RULES] = {"id", "row", "layer", "effect", "event", "purpose",
                      "role", "classes", "requires", "unless", "basis", "ja",
                      "en", "from", "to"},
    [POLICY_CEILING] = {"role", "classes"},
    [POLICY_MINIMUM] = {"purpose", "event", "classes"},
    [POLICY_BASIS] = {"code", "ja", "en", "article", "valid_from", "valid_to",
                      "checked_by"},
};

/* The row being read, and where its faults are told. */
struct load {
    struct policy *p;
    struct buf *why;
    enum policy_file file;
    size_t row, faults;
    size_t use_room;
};

static void fault(struct load *l, const char *column, const char *sentence)
{
    l->faults++;
    buf_addf(l->why, "%s:%zu: error %s: %s: %s\n", POLICY_FILE_NAMES[l->file],
             tsv_line(l->p->file[l->file], l->row), err_code(ERR_POL_INVALID),
             column, sentence);
}

static const char *cell(const struct load *l, const char *column)
{
    return tsv_cell(l->p->file[l->file], l->row, column);
}

/* ---- symbols -------------------------------------------------------------*/

static size_t slot_of(enum symbol_kind kind, const char *code)
{
    uint32_t h = 2166136261u ^ (uint32_t)kind;
    for (; *code != '\0'; code++)
        h = (h ^ (uint8_t)*code) * 16777619u;
    return (h ^ h >> 15) & (SYMBOL_SLOTS - 1);
}

const struct symbol *policy_symbol(const struct policy *p,
                                   enum symbol_kind kind, const char *code)
{
    for (size_t i = slot_of(kind, code); p->slot[i] != 0;
         i = (i + 1) & (SYMBOL_SLOTS - 1)) {
        const struct symbol *s = &p->symbol[p->slot[i] - 1];
        if (s->kind == kind && strcmp(s->code, code) == 0)
            return s;
    }
    return NULL;
}

/* False when the table or the kind is full; the caller knows it is new. */
static bool add_symbol(struct policy *p, struct symbol s, uint16_t limit)
{
    if (p->symbol_count == SYMBOL_MAX || s.index >= limit)
        return false;
    size_t i = slot_of(s.kind, s.code);
    while (p->slot[i] != 0)
        i = (i + 1) & (SYMBOL_SLOTS - 1);
    p->symbol[p->symbol_count++] = s;
    p->slot[i] = (uint16_t)p->symbol_count;
    p->kind_count[s.kind]++;
    return true;
}

static const ProtobufCEnumDescriptor *
variants_of(const struct schema_message *m)
{
    for (size_t i = 0; i < m->field_count; i++)
        if (m->fields[i].variant) {
            const ProtobufCFieldDescriptor *f =
                protobuf_c_message_descriptor_get_field(m->descriptor,
                                                        m->fields[i].number);
            return f == NULL ? NULL : f->descriptor;
        }
    return NULL;
}

/* The values of one enum lie together, so an event keeps only their range. */
static bool add_variants(struct policy *p, struct bucket *b,
                         const ProtobufCEnumDescriptor *e)
{
    if (e == NULL || e->n_values == 0)
        return true;
    const struct symbol *known =
        policy_symbol(p, SYMBOL_VARIANT, e->values[0].name);
    b->variant_first = known != NULL
                           ? known->index
                           : (uint16_t)(p->kind_count[SYMBOL_VARIANT] + 1);
    b->variant_count = (uint16_t)e->n_values;
    for (unsigned i = 0; known == NULL && i < e->n_values; i++) {
        struct symbol s = {.kind = SYMBOL_VARIANT,
                           .code = e->values[i].name,
                           .ja = e->values[i].name,
                           .en = e->values[i].name,
                           .index = (uint16_t)(b->variant_first + i)};
        if (!add_symbol(p, s, UINT16_MAX))
            return false;
    }
    return true;
}

static bool load_schema(struct policy *p)
{
    for (unsigned c = 1; c < CLASS_MAX; c++)
        if (class_name(c)[0] != '\0')
            p->known |= class_bit(c);
    for (size_t i = 0; i < SCHEMA_MESSAGE_COUNT; i++) {
        const struct schema_message *m = &SCHEMA_MESSAGES[i];
        if (m->event == 0)
            continue;
        struct symbol s = {.kind = SYMBOL_EVENT,
                           .code = m->event_name,
                           .ja = m->ja,
                           .en = m->en,
                           .index = p->kind_count[SYMBOL_EVENT]};
        if (!add_symbol(p, s, EVENTS_MAX) ||
            !add_variants(p, &p->bucket[s.index], variants_of(m)))
            return false;
    }
    return true;
}

/* ---- cells ---------------------------------------------------------------*/

#define WORD_MAX 96
/* Takes the next word of a list; false at its end. A word too long is cut,
 * and is then unknown. */
static bool take_word(const char **s, char word[WORD_MAX])
{
    *s += strspn(*s, " ");
    size_t n = strcspn(*s, " "), keep = n < WORD_MAX ? n : WORD_MAX - 1;
    memcpy(word, *s, keep);
    word[keep] = '\0';
    *s += n;
    return n > 0;
}

/* The bit of a word of a kind, 0 when it is unknown. */
typedef uint64_t bit_of(const struct policy *p, const char *word);

static uint64_t symbol_bit(const struct policy *p, enum symbol_kind kind,
                           const char *word)
{
    const struct symbol *s = policy_symbol(p, kind, word);
    return s == NULL ? 0 : (uint64_t)1 << s->index;
}

static uint64_t role_bit(const struct policy *p, const char *word)
{
    return symbol_bit(p, SYMBOL_ROLE, word);
}

static uint64_t purpose_bit(const struct policy *p, const char *word)
{
    return symbol_bit(p, SYMBOL_PURPOSE, word);
}

static uint64_t predicate_bit(const struct policy *p, const char *word)
{
    return symbol_bit(p, SYMBOL_PREDICATE, word);
}

static uint64_t class_word_bit(const struct policy *p, const char *word)
{
    unsigned cls = class_from_name(word);
    return cls == 0 ? 0 : class_bit(cls) & p->known;
}

static uint64_t all_of(const struct policy *p, enum symbol_kind kind)
{
    unsigned n = p->kind_count[kind];
    return n == 64 ? UINT64_MAX : ((uint64_t)1 << n) - 1;
}

static uint64_t read_set(struct load *l, const char *column, bit_of *bit,
                         uint64_t all)
{
    uint64_t set = 0;
    char word[WORD_MAX];
    for (const char *s = cell(l, column); take_word(&s, word);) {
        bool out = word[0] == '!';
        uint64_t b = strcmp(word, "*") == 0 ? all : bit(l->p, word + out);
        if (b == 0)
            fault(l, column, "an unknown word");
        set = out ? set & ~b : set | b;
    }
    return set;
}

static uint64_t read_some(struct load *l, const char *column, bit_of *bit,
                          uint64_t all)
{
    uint64_t set = read_set(l, column, bit, all);
    if (set == 0)
        fault(l, column, "names nothing");
    return set;
}

static int32_t read_day(struct load *l, const char *column, int32_t open)
{
    const char *s = cell(l, column);
    struct date d;
    if (s[0] == '\0')
        return open;
    if (date_parse(slice_str(s), &d) == ERR_OK && d.day != 0)
        return date_days(d);
    fault(l, column, err_en(ERR_VAL_DATE_FORM));
    return open;
}

static const char *read_text(struct load *l, const char *column)
{
    const char *s = cell(l, column);
    if (s[0] == '\0')
        fault(l, column, "is needed");
    return s;
}

/* ---- vocab.tsv, basis.tsv, ceiling.tsv, minimum.tsv ----------------------*/

static int index_in(const char *const *names, size_t n, const char *code)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(names[i], code) == 0)
            return (int)i;
    return -1;
}

static void load_word(struct load *l, enum symbol_kind kind, uint16_t limit,
                      const char *const *names, size_t names_count)
{
    struct symbol s = {.kind = kind,
                       .code = read_text(l, "code"),
                       .ja = read_text(l, "ja"),
                       .en = read_text(l, "en"),
                       .index = l->p->kind_count[kind]};
    if (kind <= SYMBOL_PURPOSE && strlen(s.code) >= ROLE_MAX)
        fault(l, "code", err_en(ERR_VAL_TOO_LONG));
    if (names != NULL) {
        int i = index_in(names, names_count, s.code);
        if (i < 0) {
            fault(l, "code", "this program knows no such word");
            return;
        }
        s.index = (uint16_t)i;
    }
    if (policy_symbol(l->p, kind, s.code) != NULL)
        fault(l, "code", "stands here twice");
    else if (!add_symbol(l->p, s, limit))
        fault(l, "code", "too many of this kind");
}

static void load_role(struct load *l, bool excluded)
{
    load_word(l, SYMBOL_ROLE, ROLES_MAX, NULL, 0);
    if (excluded)
        l->p->excluded |= role_bit(l->p, cell(l, "code"));
}

static void load_companion(struct load *l)
{
    uint64_t b = class_word_bit(l->p, cell(l, "code"));
    if (b == 0)
        fault(l, "code", "no such class");
    l->p->companions |= b;
}

static void load_vocab(struct load *l)
{
    const char *kind = cell(l, "kind");
    if (strcmp(kind, "role") == 0)
        load_role(l, false);
    else if (strcmp(kind, "role_excluded") == 0)
        load_role(l, true);
    else if (strcmp(kind, "purpose") == 0)
        load_word(l, SYMBOL_PURPOSE, PURPOSES_MAX, NULL, 0);
    else if (strcmp(kind, "layer") == 0)
        load_word(l, SYMBOL_LAYER, LAYERS, LAYER_NAMES, LAYERS);
    else if (strcmp(kind, "predicate") == 0)
        load_word(l, SYMBOL_PREDICATE, NELEM(PREDICATE_NAMES), PREDICATE_NAMES,
                  NELEM(PREDICATE_NAMES));
    else if (strcmp(kind, "companion") == 0)
        load_companion(l);
    else
        fault(l, "kind", "an unknown kind of word");
}

static void load_basis(struct load *l)
{
    uint16_t i = l->p->kind_count[SYMBOL_BASIS];
    load_word(l, SYMBOL_BASIS, BASES_MAX, NULL, 0);
    if (l->p->kind_count[SYMBOL_BASIS] == i)
        return;
    l->p->basis[i] =
        (struct basis){.code = cell(l, "code"),
                       .from_day = read_day(l, "valid_from", INT32_MIN),
                       .to_day = read_day(l, "valid_to", INT32_MAX)};
}

static void load_ceiling(struct load *l)
{
    const struct symbol *s = policy_symbol(l->p, SYMBOL_ROLE, cell(l, "role"));
    uint64_t classes = read_some(l, "classes", class_word_bit, l->p->known);
    if (s == NULL)
        fault(l, "role", "no such role");
    else if (l->p->excluded >> s->index & 1)
        fault(l, "role", "an excluded role has no ceiling");
    else if (l->p->ceiling[s->index] != 0)
        fault(l, "role", "stands here twice");
    else
        l->p->ceiling[s->index] = classes;
}

/* Calls use for every event of the cell; variant 0 is any. */
typedef void event_use(struct load *l, uint16_t event, uint16_t variant,
                       void *ctx);

static void read_event(struct load *l, char *word, event_use *use, void *ctx)
{
    char *colon = strchr(word, ':');
    if (colon != NULL)
        *colon = '\0';
    const struct symbol *v = NULL, *e = policy_symbol(l->p, SYMBOL_EVENT, word);
    if (e == NULL) {
        fault(l, "event", "no such event");
        return;
    }
    const struct bucket *b = &l->p->bucket[e->index];
    if (colon != NULL) {
        v = policy_symbol(l->p, SYMBOL_VARIANT, colon + 1);
        if (v == NULL ||
            (uint16_t)(v->index - b->variant_first) >= b->variant_count) {
            fault(l, "event", "the event has no such variant");
            return;
        }
    }
    use(l, e->index, v == NULL ? 0 : v->index, ctx);
}

static void read_events(struct load *l, event_use *use, void *ctx)
{
    size_t n = 0;
    char word[WORD_MAX];
    for (const char *s = cell(l, "event"); take_word(&s, word); n++) {
        if (strcmp(word, "*") != 0) {
            read_event(l, word, use, ctx);
            continue;
        }
        for (uint16_t e = 0; e < l->p->kind_count[SYMBOL_EVENT]; e++)
            use(l, e, 0, ctx);
    }
    if (n == 0)
        fault(l, "event", "names nothing");
}

struct needed {
    uint64_t purposes, classes;
};

static void add_needed(struct load *l, uint16_t event, uint16_t variant,
                       void *ctx)
{
    const struct needed *n = ctx;
    if (variant != 0)
        fault(l, "event", "the minimum knows no variants");
    for (unsigned i = 0; i < l->p->kind_count[SYMBOL_PURPOSE]; i++)
        if (n->purposes >> i & 1)
            l->p->minimum[event][i] |= n->classes;
}

static void load_minimum(struct load *l)
{
    struct needed n = {
        .purposes =
            read_some(l, "purpose", purpose_bit, all_of(l->p, SYMBOL_PURPOSE)),
        .classes = read_some(l, "classes", class_word_bit, l->p->known)};
    read_events(l, add_needed, &n);
}

/* ---- rules.tsv -----------------------------------------------------------*/

static void add_use(struct load *l, uint16_t event, uint16_t variant, void *ctx)
{
    struct policy *p = l->p;
    (void)ctx;
    if (p->use_count == l->use_room) {
        size_t room = l->use_room * 2 + 64;
        struct rule_use *u = realloc(p->use, room * sizeof(*u));
        if (u == NULL) {
            fault(l, "event", err_en(ERR_NOMEM));
            return;
        }
        p->use = u;
        l->use_room = room;
    }
    p->use[p->use_count++] =
        (struct rule_use){event, (uint16_t)p->rule_count, variant};
}

static void read_effect(struct load *l, struct rule *r)
{
    const struct symbol *s =
        policy_symbol(l->p, SYMBOL_LAYER, cell(l, "layer"));
    if (s == NULL)
        fault(l, "layer", "no such layer");
    else
        r->layer = (enum layer)s->index;
    const char *effect = cell(l, "effect");
    r->permit = strcmp(effect, "permit") == 0;
    if (!r->permit && strcmp(effect, "deny") != 0)
        fault(l, "effect", "must be permit or deny");
    if (s != NULL && r->permit && r->layer <= LAYER_PROTECT)
        fault(l, "effect", "this layer can only deny");
}

static void read_roles(struct load *l, struct rule *r)
{
    uint64_t all = all_of(l->p, SYMBOL_ROLE);
    r->roles =
        read_some(l, "role", role_bit, r->permit ? all & ~l->p->excluded : all);
    if (r->permit && (r->roles & l->p->excluded) != 0)
        fault(l, "role", "an excluded role can be permitted nothing");
}

static void read_basis(struct load *l, struct rule *r)
{
    const char *code = cell(l, "basis");
    const struct symbol *s = policy_symbol(l->p, SYMBOL_BASIS, code);
    r->basis = s == NULL ? NO_BASIS : s->index;
    if (s == NULL && (r->permit || code[0] != '\0'))
        fault(l, "basis", "no such basis");
}

static void read_id(struct load *l, struct rule *r)
{
    r->id = read_text(l, "id");
    r->row = read_text(l, "row");
    for (size_t i = 0; i < l->p->rule_count; i++)
        if (strcmp(l->p->rule[i].id, r->id) == 0) {
            fault(l, "id", "stands here twice");
            return;
        }
}

static void load_rule(struct load *l)
{
    struct policy *p = l->p;
    uint64_t predicates = all_of(p, SYMBOL_PREDICATE);
    struct rule r = {0};
    read_id(l, &r);
    read_effect(l, &r);
    r.purposes =
        read_some(l, "purpose", purpose_bit, all_of(p, SYMBOL_PURPOSE));
    read_roles(l, &r);
    r.classes = read_some(l, "classes", class_word_bit, p->known);
    r.requires = (unsigned)read_set(l, "requires", predicate_bit, predicates);
    r.unless = (unsigned)read_set(l, "unless", predicate_bit, predicates);
    read_basis(l, &r);
    r.ja = read_text(l, "ja");
    r.en = read_text(l, "en");
    r.from_day = read_day(l, "from", INT32_MIN);
    r.to_day = read_day(l, "to", INT32_MAX);
    read_events(l, add_use, NULL);
    p->rule[p->rule_count++] = r;
}

static int by_event(const void *x, const void *y)
{
    const struct rule_use *a = x, *b = y;
    if (a->event != b->event)
        return a->event < b->event ? -1 : 1;
    if (a->rule != b->rule)
        return a->rule < b->rule ? -1 : 1;
    return (a->variant > b->variant) - (a->variant < b->variant);
}

static void fill_buckets(struct load *l)
{
    struct policy *p = l->p;
    if (p->use_count > 0)
        qsort(p->use, p->use_count, sizeof(*p->use), by_event);
    for (size_t i = 0; i < p->use_count; i++) {
        struct bucket *b = &p->bucket[p->use[i].event];
        if (b->count == 0)
            b->first = (uint32_t)i;
        if (++b->count > BUCKET_MAX) {
            l->row = p->use[i].rule;
            fault(l, "event", "too many rules for one event");
            return;
        }
    }
}

/* ---- the pack ------------------------------------------------------------*/

static enum err read_files(struct load *l, const struct slice *files)
{
    enum err e = ERR_OK;
    for (size_t i = 0; i < POLICY_FILES; i++) {
        enum err one = tsv_parse(POLICY_FILE_NAMES[i], files[i], COLUMNS[i],
                                 &l->p->file[i], l->why);
        if (one != ERR_OK)
            e = one == ERR_NOMEM ? one : ERR_POL_INVALID;
    }
    return e;
}

static void each_row(struct load *l, enum policy_file file,
                     void (*load)(struct load *))
{
    l->file = file;
    size_t rows = tsv_rows(l->p->file[file]);
    for (l->row = 0; l->row < rows; l->row++)
        load(l);
}

static void check_ceilings(struct load *l)
{
    const struct policy *p = l->p;
    for (size_t i = 0; i < p->symbol_count; i++) {
        const struct symbol *s = &p->symbol[i];
        if (s->kind != SYMBOL_ROLE || p->ceiling[s->index] != 0 ||
            (p->excluded >> s->index & 1))
            continue;
        l->faults++;
        buf_addf(l->why, "%s: error %s: %s has no ceiling\n",
                 POLICY_FILE_NAMES[POLICY_CEILING], err_code(ERR_POL_INVALID),
                 s->code);
    }
}

static enum err load_rules(struct load *l)
{
    struct policy *p = l->p;
    size_t rows = tsv_rows(p->file[POLICY_RULES]);
    if (rows > RULE_MAX) {
        buf_adds(l->why, "rules.tsv: too many rules\n");
        return ERR_POL_INVALID;
    }
    p->rule = calloc(rows + 1, sizeof(*p->rule));
    if (p->rule == NULL)
        return ERR_NOMEM;
    each_row(l, POLICY_RULES, load_rule);
    fill_buckets(l);
    return ERR_OK;
}

static enum err load_all(struct load *l)
{
    if (!load_schema(l->p))
        return ERR_INTERNAL;
    each_row(l, POLICY_VOCAB, load_vocab);
    each_row(l, POLICY_BASIS, load_basis);
    each_row(l, POLICY_CEILING, load_ceiling);
    check_ceilings(l);
    each_row(l, POLICY_MINIMUM, load_minimum);
    enum err e = load_rules(l);
    if (e == ERR_OK && l->faults > 0)
        e = ERR_POL_INVALID;
    return e;
}

/* Over the digests of the files, in the order of enum policy_file. */
static void make_digest(struct policy *p, const struct slice *files)
{
    static const char PREFIX[] = "tsunagi-policy/1\n";
    uint8_t all[sizeof(PREFIX) - 1 + 32 * POLICY_FILES];
    memcpy(all, PREFIX, sizeof(PREFIX) - 1);
    for (size_t i = 0; i < POLICY_FILES; i++)
        sha256(files[i], all + sizeof(PREFIX) - 1 + 32 * i);
    sha256(slice_of(all, sizeof(all)), p->digest);
}

enum err policy_parse(const struct slice files[POLICY_FILES],
                      struct policy **out, struct buf *why)
{
    assert(files != NULL && out != NULL && why != NULL);
    *out = NULL;
    struct policy *p = calloc(1, sizeof(*p));
    if (p == NULL)
        return ERR_NOMEM;
    struct load l = {.p = p, .why = why};
    enum err e = read_files(&l, files);
    if (e == ERR_OK)
        e = load_all(&l);
    if (e != ERR_OK)
        goto fail;
    make_digest(p, files);
    *out = p;
    return ERR_OK;
fail:
    policy_free(&p);
    return e;
}

void policy_free(struct policy **p)
{
    if (p == NULL || *p == NULL)
        return;
    for (size_t i = 0; i < POLICY_FILES; i++)
        tsv_free(&(*p)->file[i]);
    free((*p)->rule);
    free((*p)->use);
    free(*p);
    *p = NULL;
}
