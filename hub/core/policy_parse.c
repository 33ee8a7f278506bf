/* policy_parse.c - the policy pack, from its tables to numbers and masks.
 *
 *   vocab.tsv    kind code ja en        the closed lists of words
 *   rules.tsv    id row layer effect event purpose role classes requires
 *                unless basis ja en from to
 *   ceiling.tsv  role classes           the most a role may ever see
 *   minimum.tsv  purpose event classes tells   what a purpose needs of an
 *                event, and what its mere arrival tells
 *   basis.tsv    code ja en article valid_from valid_to checked_by
 *   breakglass.tsv, retention.tsv, authority.tsv: in policy_terms.c
 *
 * There is no expression language: the whole matrix of a pack can be counted
 * out. Events, variants and classes come from the schema; layers and
 * predicates are words this program knows the meaning of. vocab.tsv labels all
 * of them, so that a clerk finds every code in one place: a word that is not
 * there, or is labelled otherwise than in the schema, is a fault.
 *
 * Three kinds of words are special: a role_excluded can be named by a denial
 * but held by no agency; a companion is a class that a consent need not name,
 * because it goes along with whatever the same rule lets pass; a third is a
 * class about third persons, for which their own consent counts.
 *
 * The sentence `-` of a rule is the plain one: no ground to pass this on. A
 * rule of the layer breakglass, or one that requires `breakglass` or
 * `session`, counts only for the classes opened or named in the call.
 *
 * A pack with one fault is no pack: everything wrong is told, nothing is
 * loaded. What would only ever be a mistake is a fault too: a permit without
 * basis or in a layer that can only forbid, or for an excluded role; a role
 * without ceiling; a number this program asks for and does not find. */
#include "hub/core/policy_load.h"
#include "proto/wire/sign.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(ROLE_MAX == PURPOSE_MAX, "one limit for both");

const char *const POLICY_FILE_NAMES[POLICY_FILES] = {
    [POLICY_VOCAB] = "vocab.tsv",
    [POLICY_RULES] = "rules.tsv",
    [POLICY_CEILING] = "ceiling.tsv",
    [POLICY_MINIMUM] = "minimum.tsv",
    [POLICY_BASIS] = "basis.tsv",
    [POLICY_BREAKGLASS] = "breakglass.tsv",
    [POLICY_RETENTION] = "retention.tsv",
    [POLICY_AUTHORITY] = "authority.tsv",
};
const char *const LAYER_NAMES[LAYERS] = {
    [LAYER_PROHIBIT] = "prohibit", [LAYER_PROTECT] = "protect",
    [LAYER_LAW] = "law",           [LAYER_M106] = "m106",
    [LAYER_CONSENT] = "consent",   [LAYER_SESSION] = "session",
    [LAYER_LIFE] = "life",         [LAYER_BREAKGLASS] = "breakglass",
};
/* In the order of the bits of enum predicate. */
static const char *const PREDICATE_NAMES[] = {
    "address_protected", "chosen",      "existing", "same_government",
    "breakglass",        "asked",       "session",  "enabled_by_prefecture",
    "unable_to_consent", "responsible",
};
const char *policy_predicate_name(unsigned bit)
{
    for (size_t i = 0; i < NELEM(PREDICATE_NAMES); i++)
        if (bit == 1u << i)
            return PREDICATE_NAMES[i];
    return "";
}

static const char *const COLUMNS[POLICY_FILES][16] = {
    [POLICY_VOCAB] = {"kind", "code", "ja", "en"},
    [POLICY_RULES] = {"id", "row", "layer", "effect", "event", "purpose",
                      "role", "classes", "requires", "unless", "basis", "ja",
                      "en", "from", "to"},
    [POLICY_CEILING] = {"role", "classes"},
    [POLICY_MINIMUM] = {"purpose", "event", "classes", "tells"},
    [POLICY_BASIS] = {"code", "ja", "en", "article", "valid_from", "valid_to",
                      "checked_by"},
    [POLICY_BREAKGLASS] = {"kind", "code", "ja", "en", "value"},
    [POLICY_RETENTION] = {"record", "ja", "en", "days", "basis", "checked_by",
                          "mark", "events", "after"},
    [POLICY_AUTHORITY] = {"function", "event", "purpose", "role", "place",
                          "prefecture", "designated", "hc_city", "other",
                          "article", "checked_by"},
};

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
bool policy_add_symbol(struct policy *p, struct symbol s, uint16_t limit)
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

/* Value 0 of an enum is what nobody said: it is no variant. */
static bool is_said(const ProtobufCEnumValue *v)
{
    return v->value != 0;
}

/* The values of one enum lie together, so an event keeps only their range. */
static bool add_variants(struct policy *p, struct bucket *b,
                         const ProtobufCEnumDescriptor *e)
{
    unsigned first = 0;
    while (e != NULL && first < e->n_values && !is_said(&e->values[first]))
        first++;
    if (e == NULL || first == e->n_values)
        return true;
    const struct symbol *known =
        policy_symbol(p, SYMBOL_VARIANT, e->values[first].name);
    b->variant_first = known != NULL
                           ? known->index
                           : (uint16_t)(p->kind_count[SYMBOL_VARIANT] + 1);
    b->variant_count = (uint16_t)(e->n_values - first);
    for (unsigned i = first; known == NULL && i < e->n_values; i++) {
        struct symbol s = {.kind = SYMBOL_VARIANT,
                           .code = e->values[i].name,
                           .ja = e->values[i].name,
                           .en = e->values[i].name,
                           .index = (uint16_t)(b->variant_first + i - first)};
        if (!policy_add_symbol(p, s, UINT16_MAX))
            return false;
    }
    return true;
}

static bool load_schema(struct policy *p)
{
    for (unsigned c = 1; c < CLASS_MAX; c++) {
        struct symbol s = {.kind = SYMBOL_CLASS,
                           .code = class_name(c),
                           .ja = class_ja(c),
                           .en = class_en(c),
                           .index = (uint16_t)c};
        if (s.code[0] == '\0')
            continue;
        p->known |= class_bit(c);
        if (!policy_add_symbol(p, s, CLASS_MAX))
            return false;
    }
    for (size_t i = 0; i < SCHEMA_MESSAGE_COUNT; i++) {
        const struct schema_message *m = &SCHEMA_MESSAGES[i];
        if (m->event == 0)
            continue;
        struct symbol s = {.kind = SYMBOL_EVENT,
                           .code = m->event_name,
                           .ja = m->ja,
                           .en = m->en,
                           .index = p->kind_count[SYMBOL_EVENT]};
        if (!policy_add_symbol(p, s, EVENTS_MAX) ||
            !add_variants(p, &p->bucket[s.index], variants_of(m)))
            return false;
    }
    return true;
}

/* ---- vocab.tsv, basis.tsv, ceiling.tsv, minimum.tsv ----------------------*/

static int index_in(const char *const *names, size_t n, const char *code)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(names[i], code) == 0)
            return (int)i;
    return -1;
}

static void add_word(struct load *l, enum symbol_kind kind, uint16_t limit,
                     const char *const *names, size_t names_count)
{
    struct symbol s = {.kind = kind,
                       .code = load_text(l, "code"),
                       .ja = load_text(l, "ja"),
                       .en = load_text(l, "en"),
                       .index = l->p->kind_count[kind]};
    if (kind <= SYMBOL_PURPOSE && strlen(s.code) >= ROLE_MAX)
        load_fault(l, "code", err_en(ERR_VAL_TOO_LONG));
    if (names != NULL) {
        int i = index_in(names, names_count, s.code);
        if (i < 0) {
            load_fault(l, "code", "this program knows no such word");
            return;
        }
        s.index = (uint16_t)i;
    }
    if (policy_symbol(l->p, kind, s.code) != NULL)
        load_fault(l, "code", "stands here twice");
    else if (!policy_add_symbol(l->p, s, limit))
        load_fault(l, "code", "too many of this kind");
}

static void load_role(struct load *l, bool excluded)
{
    add_word(l, SYMBOL_ROLE, ROLES_MAX, NULL, 0);
    if (excluded)
        l->p->excluded |= load_role_bit(l->p, load_cell(l, "code"));
}

static void add_class(struct load *l, uint64_t *set)
{
    uint64_t b = load_class_bit(l->p, load_cell(l, "code"));
    if (b == 0)
        load_fault(l, "code", "no such class");
    *set |= b;
}

/* A word of the schema: here only so that it can be looked up. */
static void label(struct load *l, enum symbol_kind kind)
{
    const char *code = load_text(l, "code");
    struct symbol *s =
        (struct symbol *)(uintptr_t)policy_symbol(l->p, kind, code);
    if (s == NULL)
        load_fault(l, "code", "the schemas know no such word");
    else if (s->labelled)
        load_fault(l, "code", "stands here twice");
    else if (strcmp(s->ja, load_text(l, "ja")) != 0)
        load_fault(l, "ja", "the schema labels it otherwise");
    else if (strcmp(s->en, load_text(l, "en")) != 0)
        load_fault(l, "en", "the schema labels it otherwise");
    if (s != NULL)
        s->labelled = true;
}

static void load_vocab(struct load *l)
{
    const char *kind = load_cell(l, "kind");
    if (strcmp(kind, "role") == 0)
        load_role(l, false);
    else if (strcmp(kind, "role_excluded") == 0)
        load_role(l, true);
    else if (strcmp(kind, "purpose") == 0)
        add_word(l, SYMBOL_PURPOSE, PURPOSES_MAX, NULL, 0);
    else if (strcmp(kind, "layer") == 0)
        add_word(l, SYMBOL_LAYER, LAYERS, LAYER_NAMES, LAYERS);
    else if (strcmp(kind, "predicate") == 0)
        add_word(l, SYMBOL_PREDICATE, NELEM(PREDICATE_NAMES), PREDICATE_NAMES,
                 NELEM(PREDICATE_NAMES));
    else if (strcmp(kind, "companion") == 0)
        add_class(l, &l->p->companions);
    else if (strcmp(kind, "third") == 0)
        add_class(l, &l->p->third);
    else if (strcmp(kind, "class") == 0)
        label(l, SYMBOL_CLASS);
    else if (strcmp(kind, "event") == 0)
        label(l, SYMBOL_EVENT);
    else
        load_fault(l, "kind", "an unknown kind of word");
}

static void load_basis(struct load *l)
{
    uint16_t i = l->p->kind_count[SYMBOL_BASIS];
    add_word(l, SYMBOL_BASIS, BASES_MAX, NULL, 0);
    if (l->p->kind_count[SYMBOL_BASIS] == i)
        return;
    l->p->basis[i] =
        (struct basis){.code = load_cell(l, "code"),
                       .from_day = load_day(l, "valid_from", INT32_MIN),
                       .to_day = load_day(l, "valid_to", INT32_MAX)};
}

static void load_ceiling(struct load *l)
{
    const struct symbol *s =
        policy_symbol(l->p, SYMBOL_ROLE, load_cell(l, "role"));
    uint64_t classes = load_some(l, "classes", load_class_bit, l->p->known);
    if (s == NULL)
        load_fault(l, "role", "no such role");
    else if (l->p->excluded >> s->index & 1)
        load_fault(l, "role", "an excluded role has no ceiling");
    else if (l->p->ceiling[s->index] != 0)
        load_fault(l, "role", "stands here twice");
    else
        l->p->ceiling[s->index] = classes;
}

struct needed {
    uint64_t purposes, classes, tells;
};

static void add_needed(struct load *l, uint16_t event, uint16_t variant,
                       void *ctx)
{
    const struct needed *n = ctx;
    if (variant != 0)
        load_fault(l, "event", "the minimum knows no variants");
    for (unsigned i = 0; i < l->p->kind_count[SYMBOL_PURPOSE]; i++)
        if (n->purposes >> i & 1) {
            l->p->minimum[event][i] |= n->classes;
            l->p->tells[event][i] |= n->tells;
        }
}

static void load_minimum(struct load *l)
{
    struct needed n = {.purposes = load_some(l, "purpose", load_purpose_bit,
                                             load_every(l->p, SYMBOL_PURPOSE)),
                       .classes = load_classes(l, "classes"),
                       .tells =
                           load_set(l, "tells", load_class_bit, l->p->known)};
    if ((n.tells & ~n.classes) != 0)
        load_fault(l, "tells", "what it tells must be among the classes");
    load_events(l, add_needed, &n);
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
            load_fault(l, "event", err_en(ERR_NOMEM));
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
        policy_symbol(l->p, SYMBOL_LAYER, load_cell(l, "layer"));
    if (s == NULL)
        load_fault(l, "layer", "no such layer");
    else
        r->layer = (enum layer)s->index;
    const char *effect = load_cell(l, "effect");
    r->permit = strcmp(effect, "permit") == 0;
    if (!r->permit && strcmp(effect, "deny") != 0)
        load_fault(l, "effect", "must be permit or deny");
    if (s != NULL && r->permit && r->layer <= LAYER_PROTECT)
        load_fault(l, "effect", "this layer can only deny");
}

static void read_roles(struct load *l, struct rule *r)
{
    uint64_t all = load_every(l->p, SYMBOL_ROLE);
    r->roles = load_some(l, "role", load_role_bit,
                         r->permit ? all & ~l->p->excluded : all);
    r->whoever =
        r->layer <= LAYER_PROTECT && strchr(load_cell(l, "role"), '*') == NULL;
    if (r->permit && (r->roles & l->p->excluded) != 0)
        load_fault(l, "role", "an excluded role can be permitted nothing");
}

static void read_basis(struct load *l, struct rule *r)
{
    const char *code = load_cell(l, "basis");
    const struct symbol *s = policy_symbol(l->p, SYMBOL_BASIS, code);
    r->basis = s == NULL ? NO_BASIS : s->index;
    if (s == NULL && (r->permit || code[0] != '\0'))
        load_fault(l, "basis", "no such basis");
}

static void read_id(struct load *l, struct rule *r)
{
    r->id = load_text(l, "id");
    r->row = load_text(l, "row");
    for (size_t i = 0; i < l->p->rule_count; i++)
        if (strcmp(l->p->rule[i].id, r->id) == 0) {
            load_fault(l, "id", "stands here twice");
            return;
        }
}

/* Plain in both languages or in neither, and never what is passed on. */
static void read_sentence(struct load *l, struct rule *r)
{
    r->ja = load_text(l, "ja");
    r->en = load_text(l, "en");
    r->plain = strcmp(r->ja, "-") == 0;
    if (r->plain != (strcmp(r->en, "-") == 0))
        load_fault(l, "en", "plain in one language only");
    if (r->plain && r->permit)
        load_fault(l, "ja", "a permit needs a sentence");
}

static void load_rule(struct load *l)
{
    struct policy *p = l->p;
    uint64_t predicates = load_every(p, SYMBOL_PREDICATE);
    struct rule r = {0};
    read_id(l, &r);
    read_effect(l, &r);
    r.purposes = load_some(l, "purpose", load_purpose_bit,
                           load_every(p, SYMBOL_PURPOSE));
    read_roles(l, &r);
    r.classes = load_some(l, "classes", load_class_bit, p->known);
    r.requires =
        (unsigned)load_set(l, "requires", load_predicate_bit, predicates);
    r.unless = (unsigned)load_set(l, "unless", load_predicate_bit, predicates);
    read_basis(l, &r);
    read_sentence(l, &r);
    r.by_session = (r.requires & PRED_SESSION) != 0;
    r.by_glass =
        r.layer == LAYER_BREAKGLASS || (r.requires & PRED_BREAKGLASS) != 0;
    r.from_day = load_day(l, "from", INT32_MIN);
    r.to_day = load_day(l, "to", INT32_MAX);
    load_events(l, add_use, NULL);
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
            load_fault(l, "event", "too many rules for one event");
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

static void check_labels(struct load *l)
{
    for (size_t i = 0; i < l->p->symbol_count; i++) {
        const struct symbol *s = &l->p->symbol[i];
        if ((s->kind != SYMBOL_CLASS && s->kind != SYMBOL_EVENT) || s->labelled)
            continue;
        l->faults++;
        buf_addf(l->why, "%s: error %s: %s is missing\n",
                 POLICY_FILE_NAMES[POLICY_VOCAB], err_code(ERR_POL_INVALID),
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
    check_labels(l);
    each_row(l, POLICY_BASIS, load_basis);
    each_row(l, POLICY_CEILING, load_ceiling);
    check_ceilings(l);
    each_row(l, POLICY_MINIMUM, load_minimum);
    enum err e = load_rules(l);
    each_row(l, POLICY_BREAKGLASS, load_breakglass);
    each_row(l, POLICY_RETENTION, load_retention);
    each_row(l, POLICY_AUTHORITY, load_authority);
    load_check_terms(l);
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
