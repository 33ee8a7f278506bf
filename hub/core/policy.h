/* policy.h - may this recipient see this class of this event, and why.
 *
 * The tables are data; this module names no role, class, purpose or event.
 * Order (first layer that speaks decides, per class):
 *   prohibit > protect > law > m106 > refusal or withdrawal > consent >
 *   session > life > breakglass > deny
 * always within the recipient's ceiling and what the purpose needs. Any error
 * while deciding is a denial (I-5). Within a layer deny beats permit; among
 * permits the first rule of the file is cited.
 *
 * Two facts hold for some classes only: a meeting for what its call named, a
 * break-glass for what was opened. A rule that requires `session` counts for
 * session_classes, a rule of the layer breakglass or one that requires
 * `breakglass` for glass_classes, as if it named no others; companion classes
 * stay in it as long as any other class does. */
#ifndef TSUNAGI_CORE_POLICY_H
#define TSUNAGI_CORE_POLICY_H
#include "hub/core/consent.h"
#include "hub/core/registry.h"
#include "proto/wire/schema.h"

struct policy;
/* The pack as bytes, in this order everywhere; columns in policy_parse.c. */
enum policy_file {
    POLICY_VOCAB,      /* the closed lists of words */
    POLICY_RULES,      /* who may see what of which event, and why */
    POLICY_CEILING,    /* the most a role may ever see */
    POLICY_MINIMUM,    /* what a purpose needs of an event */
    POLICY_BASIS,      /* grounds in law, with their days */
    POLICY_BREAKGLASS, /* who may open what, for which reasons, how long */
    POLICY_RETENTION,  /* how long what is kept, and other terms in days */
    POLICY_AUTHORITY,  /* which authority an event means, by place */
    POLICY_FILES
};
extern const char *const POLICY_FILE_NAMES[POLICY_FILES]; /* vocab.tsv ... */
/* Reads a whole pack. *out is NULL on error; why receives a line for each
 * fault. ERR_POL_INVALID, ERR_NOMEM. */
enum err policy_parse(const struct slice files[POLICY_FILES],
                      struct policy **out, struct buf *why) MUST_CHECK;
void policy_free(struct policy **p);
const uint8_t *policy_digest(const struct policy *p); /* 32: SHA-256 over all */

/* ---- words and terms ---- */

bool policy_knows_purpose(const struct policy *p, const char *purpose);
/* False for a role that no agency may hold. */
bool policy_knows_role(const struct policy *p, const char *role);
/* The code itself when it has no label. */
const char *policy_label_ja(const struct policy *p, const char *code);
const char *policy_label_en(const struct policy *p, const char *code);
uint64_t policy_ceiling(const struct policy *p, const char *role);
/* Classes that are about third persons: their own consent counts for them. */
uint64_t policy_third(const struct policy *p);
/* Classes that go along with whatever else passes. */
uint64_t policy_companions(const struct policy *p);
/* What a role may open by break-glass; 0: it may not. */
uint64_t policy_glass_ceiling(const struct policy *p, const char *role);
bool policy_glass_reason(const struct policy *p, const char *reason);
/* A number of breakglass.tsv (kind limit) or the days of retention.tsv by
 * name: "minutes", "review_hours", "consent_longest"; -1: the pack has none. */
int64_t policy_limit(const struct policy *p, const char *name);
/* The most any pack may allow: whoever verifies a log has no pack to ask. */
#define GLASS_MINUTES_MOST 60
#define GLASS_REVIEW_HOURS_MOST 72

/* ---- how long content is kept (core/retain.h reckons with it) ---- */

enum term_from {
    TERM_ARRIVED,   /* at the hub */
    TERM_DELIVERED, /* to the last who was to have it */
    TERM_CONSENT,   /* the last day of the person's last consent */
    TERM_CASE       /* an event that ends the case for this */
};
struct policy_term {
    int64_t days;
    enum term_from from;
};
/* The i-th term; NULL past the end. */
const struct policy_term *policy_term_at(const struct policy *p, size_t i);
/* Whether it speaks of an event: by its name, or (any) of all the others. */
bool policy_term_names(const struct policy *p, size_t i, const char *event);
bool policy_term_any(const struct policy *p, size_t i);
/* Whether an event begins the i-th term of its case. */
bool policy_term_ends(const struct policy *p, size_t i, const char *event);

enum policy_kind {
    POLICY_ROLE, /* those nobody may hold among them */
    POLICY_PURPOSE,
    POLICY_EVENT, /* of the schema */
    POLICY_PREDICATE,
    POLICY_REASON /* of a break-glass */
};
/* Each code in the order of its file; NULL past the end. */
size_t policy_count(const struct policy *p, enum policy_kind kind);
const char *policy_code(const struct policy *p, enum policy_kind kind,
                        size_t i);

/* ---- which authority is meant ---- */

#define AUTHORITY_SELF 1u       /* the place's own government acts */
#define AUTHORITY_PREFECTURE 2u /* the prefecture it lies in acts */
struct policy_function {
    const char *function; /* F_... */
    /* Words: sender resident present shikyu plan; the first known counts. */
    const char *place;
    unsigned acts[PLACE_KINDS]; /* AUTHORITY_ bits; 0: nobody */
};
/* The first row that speaks of the three; NULL: none. Borrowed. */
const struct policy_function *policy_function(const struct policy *p,
                                              const char *event,
                                              const char *purpose,
                                              const char *role);

/* ---- the decision ---- */

/* Facts that rules may require or exclude; names in vocab.tsv. `consent` is
 * not among them: the layer says it. */
enum predicate {
    PRED_ADDRESS_PROTECTED = 1 << 0,
    PRED_CHOSEN = 1 << 1,          /* the one provider confirmed */
    PRED_EXISTING = 1 << 2,        /* already supports the person */
    PRED_SAME_GOVERNMENT = 1 << 3, /* as the authority of the measure */
    PRED_BREAKGLASS = 1 << 4,      /* for glass_classes */
    PRED_ASKED = 1 << 5,   /* answers or is told about its own request */
    PRED_SESSION = 1 << 6, /* pledged in an open meeting; session_classes */
    PRED_ENABLED_BY_PREFECTURE = 1 << 7,
    PRED_UNABLE_TO_CONSENT = 1 << 8, /* said so in the request */
    PRED_RESPONSIBLE = 1 << 9        /* the authority its function means */
};
const char *policy_predicate_name(unsigned bit); /* "" when there is none */

struct policy_ask {
    const char *event, *variant; /* names; variant "" when there is none */
    const char *purpose;
    const struct agency *recipient;
    const char *role; /* the role wanted, NULL: any the agency has */
    uint64_t classes; /* asked for */
    unsigned predicates;
    uint64_t session_classes;   /* with PRED_SESSION: named in the call */
    uint64_t glass_classes;     /* with PRED_BREAKGLASS: opened */
    const struct grant *grants; /* all of the person's, any state */
    size_t grant_count;
    uint64_t now_ms;
    bool clock_ok;
};
#define NO_RULE 0xffff
struct class_verdict {
    bool permit;
    uint16_t rule;     /* index, NO_RULE: default deny or refusal */
    int16_t grant;     /* index in grants relied on (or refused by), -1 */
    const char *basis; /* borrowed from the policy, "" when denied */
};
struct decision {
    enum err error; /* not ERR_OK: everything denied for this reason */
    uint64_t asked, released, withheld; /* withheld: within the ceiling only */
    unsigned predicates;                /* as asked, for the leaf */
    uint64_t session_classes, glass_classes;
    char role[ROLE_MAX]; /* the role it was decided for */
    bool any_role;       /* no role was wanted: any that the agency has */
    uint32_t decided_as; /* the hub's own event it was decided as; 0: itself */
    uint64_t limit;      /* what an earlier decision let pass; 0: none was */
    struct class_verdict of[CLASS_MAX];
};
void policy_decide(const struct policy *p, const struct policy_ask *ask,
                   struct decision *out);

/* ---- the rules ---- */

size_t policy_rule_count(const struct policy *p);
/* id of a rule; "DEFAULT" for NO_RULE. */
const char *policy_rule_id(const struct policy *p, uint16_t rule);
/* Rows of the decision table, by spaces. */
const char *policy_rule_row(const struct policy *p, uint16_t rule);
/* The article that a basis rests on, "" when none is named. */
const char *policy_article(const struct policy *p, const char *basis);
/* True when it tells no more than that there is no ground (I-13). */
bool policy_rule_plain(const struct policy *p, uint16_t rule);
/* One rule as its row says it. Bit i of roles and purposes is the i-th code of
 * that kind; classes are class bits. All borrowed. */
struct policy_rule_view {
    const char *id, *row, *layer, *basis; /* basis "" when there is none */
    const char *ja, *en;                  /* the sentence, a plain one too */
    bool permit;
    uint64_t purposes, roles, classes;
    unsigned requires, unless; /* PRED_ bits */
    int32_t from_day, to_day;  /* days since 1970 in Japan, inclusive */
};
/* False past the end. */
bool policy_rule_at(const struct policy *p, size_t i,
                    struct policy_rule_view *out);
/* Whether rule i is about the event; variant "": about any case of it. */
bool policy_rule_about(const struct policy *p, size_t i, const char *event,
                       const char *variant);
/* One sentence for the whole decision, made from its rules: what is passed
 * on and why, or why not. Names no other person or consent content. */
void policy_explain(const struct policy *p, const struct decision *d,
                    struct buf *ja, struct buf *en);
#endif
