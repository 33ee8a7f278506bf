/* policy.h - may this recipient see this class of this event, and why.
 *
 * The tables are data; this module names no role, class, purpose or event.
 * Order (first layer that speaks decides, per class):
 *   prohibit > protect > law > m106 > refusal or withdrawal > consent >
 *   session > life > breakglass > deny
 * always within the recipient's ceiling and what the purpose needs. Any error
 * while deciding is a denial (I-5). Within a layer deny beats permit; among
 * permits the first rule of the file is cited. */
#ifndef TSUNAGI_CORE_POLICY_H
#define TSUNAGI_CORE_POLICY_H
#include "hub/core/consent.h"
#include "hub/core/registry.h"
#include "proto/wire/schema.h"

struct policy;
/* The pack as bytes, in this order everywhere. */
enum policy_file {
    POLICY_VOCAB,   /* kind code ja en: roles, purposes, layers, predicates */
    POLICY_RULES,   /* id row layer effect event purpose role classes requires
                       unless basis ja en from to */
    POLICY_CEILING, /* role classes */
    POLICY_MINIMUM, /* purpose event classes: what the purpose needs */
    POLICY_BASIS,   /* code ja en article valid_from valid_to checked_by */
    POLICY_FILES
};
extern const char *const POLICY_FILE_NAMES[POLICY_FILES]; /* rules.tsv ... */
enum err policy_parse(const struct slice files[POLICY_FILES],
                      struct policy **out, struct buf *why) MUST_CHECK;
void policy_free(struct policy **p);
const uint8_t *policy_digest(const struct policy *p); /* 32: SHA-256 over all */
bool policy_knows_purpose(const struct policy *p, const char *purpose);
bool policy_knows_role(const struct policy *p, const char *role);
const char *policy_label_ja(const struct policy *p, const char *code);
const char *policy_label_en(const struct policy *p, const char *code);
uint64_t policy_ceiling(const struct policy *p, const char *role);
size_t policy_rule_count(const struct policy *p);

/* Facts that rules may require or exclude; names in vocab.tsv. `consent` is
 * not among them: the layer says it. */
enum predicate {
    PRED_ADDRESS_PROTECTED = 1 << 0,
    PRED_CHOSEN = 1 << 1,          /* the one provider confirmed */
    PRED_EXISTING = 1 << 2,        /* already supports the person */
    PRED_SAME_GOVERNMENT = 1 << 3, /* as the authority of the measure */
    PRED_BREAKGLASS = 1 << 4,
    PRED_ASKED = 1 << 5, /* answers or is told about its own request */
    PRED_SESSION = 1 << 6,
    PRED_ENABLED_BY_PREFECTURE = 1 << 7,
    PRED_UNABLE_TO_CONSENT = 1 << 8 /* said so in the request */
};

struct policy_ask {
    const char *event, *variant; /* names; variant "" when there is none */
    const char *purpose;
    const struct agency *recipient;
    const char *role; /* the role wanted, NULL: any the agency has */
    uint64_t classes; /* asked for */
    unsigned predicates;
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
    char role[ROLE_MAX];                /* the role it was decided for */
    unsigned predicates;                /* true when it was decided */
    uint64_t session_classes, glass_classes;
    struct class_verdict of[CLASS_MAX];
};
void policy_decide(const struct policy *p, const struct policy_ask *ask,
                   struct decision *out);
/* id of a rule; "DEFAULT" for NO_RULE. */
const char *policy_rule_id(const struct policy *p, uint16_t rule);
const char *policy_rule_row(const struct policy *p, uint16_t rule);
/* One sentence for the whole decision, made from its rules: what is passed
 * on and why, or why not. Names no other person or consent content. */
void policy_explain(const struct policy *p, const struct decision *d,
                    struct buf *ja, struct buf *en);
#endif
