/* pack.h - policy packs for tests: the one that ships, one that is opened wide
 * and small ones of our own; agencies, consents and decisions to try them. */
#ifndef TESTS_CORE_PACK_H
#define TESTS_CORE_PACK_H
#include "hub/core/policy.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka needs the ones above */
#include <cmocka.h>

#define NOW 1790000000000ull /* 2026-09-21 in Japan */
#define CODE "OW-PROBE-49"
#define SAME PRED_SAME_GOVERNMENT
#define ENABLED PRED_ENABLED_BY_PREFECTURE
#define INCHARGE PRED_RESPONSIBLE
#define UNABLE PRED_UNABLE_TO_CONSENT
#define GLASS PRED_BREAKGLASS
#define SESSION PRED_SESSION
#define PROTECTED PRED_ADDRESS_PROTECTED

struct pack {
    struct buf file[POLICY_FILES];
};

static inline void pack_set(struct pack *k, enum policy_file f,
                            const char *text)
{
    buf_reset(&k->file[f]);
    buf_adds(&k->file[f], text);
}

static inline void pack_default(struct pack *k)
{
    for (size_t i = 0; i < POLICY_FILES; i++) {
        char path[64];
        snprintf(path, sizeof(path), "deploy/policy/%s", POLICY_FILE_NAMES[i]);
        assert_int_equal(file_read(path, 1 << 20, &k->file[i]), ERR_OK);
    }
}

static inline void pack_fini(struct pack *k)
{
    for (size_t i = 0; i < POLICY_FILES; i++)
        buf_fini(&k->file[i]);
}

static inline enum err pack_parse(const struct pack *k, struct policy **p,
                                  struct buf *why)
{
    struct slice s[POLICY_FILES];
    for (size_t i = 0; i < POLICY_FILES; i++)
        s[i] = buf_slice(&k->file[i]);
    return policy_parse(s, p, why);
}

static inline struct policy *pack_policy(const struct pack *k)
{
    struct buf why = {0};
    struct policy *p = NULL;
    if (pack_parse(k, &p, &why) != ERR_OK)
        fail_msg("%s", (const char *)why.p);
    buf_fini(&why);
    return p;
}

static inline struct policy *default_policy(void)
{
    struct pack k = {0};
    pack_default(&k);
    struct policy *p = pack_policy(&k);
    pack_fini(&k);
    return p;
}

static inline uint64_t every_class(void)
{
    uint64_t all = 0;
    for (unsigned c = 1; c < CLASS_MAX; c++)
        if (class_name(c)[0] != '\0')
            all |= class_bit(c);
    return all;
}

/* "G_ID G_ADM" as a mask. */
static inline uint64_t classes(const char *s)
{
    uint64_t set = 0;
    char word[32];
    for (int n; sscanf(s, " %31s%n", word, &n) == 1; s += n) {
        assert_true(class_from_name(word) != 0);
        set |= class_bit(class_from_name(word));
    }
    return set;
}

static inline bool listed(const char *list, const char *word)
{
    size_t n = strlen(word);
    for (const char *s = list; n > 0 && (s = strstr(s, word)) != NULL; s += n)
        if ((s == list || s[-1] == ' ') && (s[n] == '\0' || s[n] == ' '))
            return true;
    return false;
}

static inline struct agency agency_of(const char *role)
{
    struct agency a = {.code = CODE, .name_ja = "試験", .name_en = "probe"};
    memcpy(a.role[0], role, strlen(role) + 1);
    memcpy(a.place[0], "49201", 6);
    return a;
}

static inline struct grant consent_to(const char *agency, const char *purpose,
                                      uint64_t cls, uint64_t leaf)
{
    struct grant g = {.kind = GRANT_GIVEN,
                      .to_count = 1,
                      .classes = cls,
                      .from_day = 0,
                      .to_day = INT32_MAX,
                      .leaf = leaf};
    memcpy(g.to[0].agency, agency, strlen(agency) + 1);
    memcpy(g.purpose, purpose, strlen(purpose) + 1);
    return g;
}

static inline struct grant refusal_of(const char *purpose, uint64_t leaf)
{
    struct grant g = {.kind = GRANT_REFUSED, .to_day = INT32_MAX, .leaf = leaf};
    memcpy(g.purpose, purpose, strlen(purpose) + 1);
    return g;
}

static inline const char *rule_at(const struct policy *p,
                                  const struct decision *d, const char *cls)
{
    return policy_rule_id(p, d->of[class_from_name(cls)].rule);
}

/* ---- packs of our own ----------------------------------------------------*/

#define RULE_HEAD                                                              \
    "id\trow\tlayer\teffect\tevent\tpurpose\trole\tclasses\trequires\tunless"  \
    "\t"                                                                       \
    "basis\tja\ten\tfrom\tto\n"

/* The words of the schemas, which every vocabulary names. */
static inline void add_labels(struct buf *vocab)
{
    for (unsigned c = 1; c < CLASS_MAX; c++)
        if (class_name(c)[0] != '\0')
            buf_addf(vocab, "class\t%s\t%s\t%s\n", class_name(c), class_ja(c),
                     class_en(c));
    for (size_t i = 0; i < SCHEMA_MESSAGE_COUNT; i++) {
        const struct schema_message *m = &SCHEMA_MESSAGES[i];
        if (m->event != 0)
            buf_addf(vocab, "event\t%s\t%s\t%s\n", m->event_name, m->ja, m->en);
    }
}

static inline void pack_small(struct pack *k, const char *rules)
{
    pack_set(k, POLICY_VOCAB,
             "kind\tcode\tja\ten\n"
             "role\tA\ta\ta\nrole\tB\tb\tb\nrole_excluded\tX\tx\tx\n"
             "purpose\tP\tp\tp\n"
             "layer\tprohibit\tl\tl\nlayer\tprotect\tl\tl\nlayer\tlaw\tl\tl\n"
             "layer\tm106\tl\tl\nlayer\tconsent\tl\tl\nlayer\tsession\tl\tl\n"
             "layer\tlife\tl\tl\nlayer\tbreakglass\tl\tl\n"
             "predicate\tbreakglass\tl\tl\n"
             "predicate\tsession\tl\tl\n");
    add_labels(&k->file[POLICY_VOCAB]);
    pack_set(k, POLICY_BASIS,
             "code\tja\ten\tarticle\tvalid_from\tvalid_to\tchecked_by\n"
             "NOW\tn\tn\t\t\t\t\nPAST\tn\tn\t\t2020-01-01\t2026-09-20\t\n"
             "TODAY\tn\tn\t\t2026-09-21\t2026-09-21\t\n");
    pack_set(k, POLICY_CEILING, "role\tclasses\nA\t*\nB\tG_META G_ID\n");
    pack_set(k, POLICY_MINIMUM, "purpose\tevent\tclasses\ttells\nP\t*\t*\t\n");
    pack_set(k, POLICY_RULES, RULE_HEAD);
    buf_adds(&k->file[POLICY_RULES], rules);
    pack_set(k, POLICY_BREAKGLASS,
             "kind\tcode\tja\ten\tvalue\n"
             "role\tA\ta\ta\tG_ID\nreason\tFIRE\tf\tf\t\n"
             "limit\tminutes\tl\tl\t60\nlimit\textensions\tl\tl\t1\n"
             "limit\tstep_up_minutes\tl\tl\t5\n"
             "limit\ttext_characters\tl\tl\t20\n"
             "limit\ttexts_compared\tl\tl\t5\n"
             "limit\treview_hours\tl\tl\t72\n");
    pack_set(k, POLICY_RETENTION,
             "record\tja\ten\tdays\tbasis\tchecked_by\tmark\tevents\tafter\n"
             "consent_longest\tl\tl\t731\t\t\t\t\t\n"
             "consent_reminder\tl\tl\t30\t\t\t\t\t\n"
             "paper_after_oral\tl\tl\t3\t\t\t\t\t\n"
             "hub_payload\tl\tl\t30\t\t\t\t*\tdelivered\n");
    pack_set(k, POLICY_AUTHORITY,
             "function\tevent\tpurpose\trole\tplace\tprefecture\t"
             "designated\thc_city\tother\tarticle\tchecked_by\n");
}

/* One line added to a small pack, and what the parser says of it. */
struct pack_fault {
    const char *name;
    enum policy_file file;
    const char *line, *why;
};
static inline void assert_no_pack(const struct pack_fault *f)
{
    struct pack k = {0};
    struct buf why = {0};
    struct policy *p = NULL;
    pack_small(&k, "");
    buf_addf(&k.file[f->file], "%s\n", f->line);
    enum err e = pack_parse(&k, &p, &why);
    if (e != ERR_POL_INVALID || p != NULL ||
        strstr((const char *)why.p, f->why) == NULL)
        fail_msg("%s: %s %s", f->name, err_code(e),
                 why.p == NULL ? "" : (const char *)why.p);
    buf_fini(&why);
    pack_fini(&k);
}

static inline struct decision
decide_small(const struct policy *p, const char *role1, const char *role2,
             const char *role, const struct grant *g, size_t n, unsigned facts)
{
    struct agency a = agency_of(role1);
    memcpy(a.role[1], role2, strlen(role2) + 1);
    struct policy_ask ask = {.event = "DISCHARGED",
                             .variant = "",
                             .purpose = "P",
                             .recipient = &a,
                             .role = role,
                             .classes = classes("G_META G_ID G_ADM"),
                             .predicates = facts,
                             .glass_classes = classes("G_ID"),
                             .grants = g,
                             .grant_count = n,
                             .now_ms = NOW,
                             .clock_ok = true};
    struct decision d;
    policy_decide(p, &ask, &d);
    return d;
}

#define R(id, layer, effect, role, cls)                                        \
    id "\t0\t" layer "\t" effect "\tDISCHARGED\tP\t" role "\t" cls             \
       "\t\t\tNOW\tj\te\t\t\n"
#endif
