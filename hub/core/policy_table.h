/* policy_table.h - the compiled policy, shared by those who make it
 * (policy_parse.c, policy_terms.c), decide by it (policy.c) and tell what it
 * says (policy_tell.c). Nobody else includes it.
 *
 * Every code becomes a small number, every set of codes a mask, and the rules
 * lie in one bucket per event, so that a decision touches a dozen rules and
 * compares no strings but those of its question. */
#ifndef TSUNAGI_CORE_POLICY_TABLE_H
#define TSUNAGI_CORE_POLICY_TABLE_H
#include "hub/core/policy.h"

enum symbol_kind {
    SYMBOL_ROLE,
    SYMBOL_PURPOSE,
    SYMBOL_EVENT,
    SYMBOL_VARIANT,
    SYMBOL_BASIS,
    SYMBOL_LAYER,
    SYMBOL_PREDICATE,
    SYMBOL_REASON,
    SYMBOL_CLASS,
    SYMBOL_KINDS
};
struct symbol {
    enum symbol_kind kind;
    const char *code, *ja, *en; /* borrowed from the files or the schema */
    uint16_t index;             /* within its kind; variants from 1 */
    bool labelled;              /* an event or class that vocab.tsv names */
};
#define SYMBOL_MAX 768
#define SYMBOL_SLOTS 2048 /* a power of two above SYMBOL_MAX */

/* In the order in which they speak; refusals stand between m106 and consent. */
enum layer {
    LAYER_PROHIBIT,
    LAYER_PROTECT,
    LAYER_LAW,
    LAYER_M106,
    LAYER_CONSENT,
    LAYER_SESSION,
    LAYER_LIFE,
    LAYER_BREAKGLASS,
    LAYERS
};
extern const char *const LAYER_NAMES[LAYERS];

struct rule {
    const char *id, *row, *ja, *en;
    enum layer layer;
    bool permit;
    uint64_t purposes, roles, classes;
    bool whoever; /* the roles are a list: it holds for whoever has one */
    unsigned requires, unless;
    bool by_session, by_glass; /* counts for those classes only */
    bool plain;                /* says no more than that there is no ground */
    uint16_t basis;            /* NO_BASIS: none, only when it denies */
    int32_t from_day, to_day;
};
#define NO_BASIS 0xffff
#define RULE_MAX 4096

/* One rule under one event; variant 0: any. */
struct rule_use {
    uint16_t event, rule, variant;
};
#define BUCKET_MAX 128 /* rules of one event */
struct bucket {
    uint32_t first, count;
    uint16_t variant_first, variant_count; /* the variants it can have */
};
struct basis {
    const char *code;
    int32_t from_day, to_day;
};
/* A number by its name. */
struct limit {
    const char *name;
    int64_t value;
};

#define EVENTS_MAX 128
/* How long content of events is kept: a row of retention.tsv. */
struct term {
    struct policy_term t;
    bool any; /* every event that no other row names */
    uint64_t events[EVENTS_MAX / 64], ends[EVENTS_MAX / 64];
};
#define TERMS_MAX 32

#define ROLES_MAX 64
#define PURPOSES_MAX 64
#define BASES_MAX 64
#define REASONS_MAX 16
#define LIMITS_MAX 64
#define FUNCTIONS_MAX 64
/* Which authority an event means. */
struct function {
    struct policy_function f;
    uint64_t events[EVENTS_MAX / 64], purposes, roles;
};
struct policy {
    struct tsv *file[POLICY_FILES];
    uint8_t digest[32];
    struct symbol symbol[SYMBOL_MAX];
    size_t symbol_count;
    uint16_t slot[SYMBOL_SLOTS]; /* index in symbol + 1 */
    uint16_t kind_count[SYMBOL_KINDS];
    uint64_t excluded;   /* roles no agency can have */
    uint64_t companions; /* classes a consent need not name */
    uint64_t third;      /* classes of third persons */
    uint64_t known;      /* classes of the schema */
    uint64_t ceiling[ROLES_MAX], glass[ROLES_MAX];
    uint64_t minimum[EVENTS_MAX][PURPOSES_MAX];
    uint64_t tells[EVENTS_MAX][PURPOSES_MAX]; /* by its mere arrival */
    struct basis basis[BASES_MAX];
    struct rule *rule;
    size_t rule_count;
    struct rule_use *use; /* by event, then in the order of the file */
    size_t use_count;
    struct bucket bucket[EVENTS_MAX];
    struct limit limit[LIMITS_MAX];
    size_t limit_count;
    struct function function[FUNCTIONS_MAX];
    size_t function_count;
    struct term term[TERMS_MAX];
    size_t term_count;
};
/* NULL when there is none. */
const struct symbol *policy_symbol(const struct policy *p,
                                   enum symbol_kind kind, const char *code);
#endif
