/* matrix.c - situations counted out.
 *
 * For each event and variant the rules about it are picked out once; for each
 * purpose and role the facts they name are collected, and every subset of
 * those facts is one situation. A fact that no such rule names cannot change
 * the answer. */
#include "hub/ctl/matrix.h"
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PREDICATE_BITS 16
#define WORD_CONSENT "consent"
#define WORD_REFUSED "refused"
#define WORD_OWN "consent_own"
#define WORD_ASKED "consent_asked"

/* ---- one situation ---- */

static void everything(struct grant *g, const struct agency *to,
                       const struct situation *s, int32_t day)
{
    memset(g, 0, sizeof(*g));
    snprintf(g->purpose, sizeof(g->purpose), "%s", s->purpose);
    snprintf(g->to[0].agency, sizeof(g->to[0].agency), "%s", to->code);
    g->to_count = 1;
    g->from_day = day - 1;
    g->to_day = day + 1;
    g->leaf = 1;
}

/* The person's consent, the third person's, and a refusal of everything. */
static size_t register_of(const struct policy *p, const struct situation *s,
                          const struct agency *to, int32_t day,
                          struct grant g[3])
{
    size_t n = 0;
    uint64_t third = policy_third(p);
    uint64_t named = s->asked_only ? s->classes : UINT64_MAX;
    if (s->consent) {
        everything(&g[n], to, s, day);
        g[n++].classes = named & ~third;
    }
    if (s->consent && !s->own_only && third != 0) {
        everything(&g[n], to, s, day);
        g[n].third = true;
        g[n++].classes = named & third;
    }
    if (s->refused) {
        everything(&g[n], to, s, day);
        g[n].kind = GRANT_REFUSED;
        g[n].to_count = 0;
        g[n++].leaf = 2;
    }
    return n;
}

void matrix_decide(const struct policy *p, const struct situation *s,
                   uint64_t now_ms, struct decision *out)
{
    static const char CODE[] = "OW-MATRIX-49", PLACE[] = "49201";
    struct agency to = {0};
    struct grant g[3];
    memcpy(to.code, CODE, sizeof(CODE));
    memcpy(to.place[0], PLACE, sizeof(PLACE));
    snprintf(to.role[0], sizeof(to.role[0]), "%s", s->role);
    struct policy_ask ask = {
        .event = s->event->event_name,
        .variant = s->variant,
        .purpose = s->purpose,
        .recipient = &to,
        .role = s->role,
        .classes = s->classes,
        .predicates = s->predicates,
        .session_classes = UINT64_MAX,
        .glass_classes = UINT64_MAX,
        .grants = g,
        .grant_count = register_of(p, s, &to, japan_day(now_ms), g),
        .now_ms = now_ms,
        .clock_ok = true,
    };
    policy_decide(p, &ask, out);
}

/* ---- as words ---- */

void matrix_words(const struct situation *s, struct buf *out)
{
    const char *sep = "";
    for (unsigned i = 0; i < PREDICATE_BITS; i++)
        if ((s->predicates >> i & 1) != 0) {
            buf_addf(out, "%s%s", sep, policy_predicate_name(1u << i));
            sep = " ";
        }
    if (s->consent) {
        buf_addf(out, "%s%s", sep,
                 s->own_only     ? WORD_OWN
                 : s->asked_only ? WORD_ASKED
                                 : WORD_CONSENT);
        sep = " ";
    }
    if (s->refused)
        buf_addf(out, "%s" WORD_REFUSED, sep);
}

static bool read_word(const char *word, size_t n, struct situation *s)
{
    if (n == strlen(WORD_CONSENT) && memcmp(word, WORD_CONSENT, n) == 0)
        return s->consent = true;
    if (n == strlen(WORD_REFUSED) && memcmp(word, WORD_REFUSED, n) == 0)
        return s->refused = true;
    if (n == strlen(WORD_OWN) && memcmp(word, WORD_OWN, n) == 0)
        return s->consent = s->own_only = true;
    if (n == strlen(WORD_ASKED) && memcmp(word, WORD_ASKED, n) == 0)
        return s->consent = s->asked_only = true;
    for (unsigned i = 0; i < PREDICATE_BITS; i++) {
        const char *name = policy_predicate_name(1u << i);
        if (strlen(name) == n && n > 0 && memcmp(name, word, n) == 0) {
            s->predicates |= 1u << i;
            return true;
        }
    }
    return false;
}

bool matrix_read_words(const char *words, struct situation *s)
{
    for (const char *w = words + strspn(words, " "); *w != '\0';) {
        size_t n = strcspn(w, " ");
        if (!read_word(w, n, s))
            return false;
        w += n;
        w += strspn(w, " ");
    }
    return true;
}

unsigned matrix_facts(const struct situation *s)
{
    unsigned n = (s->consent ? 1 : 0) + (s->refused ? 1 : 0);
    for (unsigned i = 0; i < PREDICATE_BITS; i++)
        n += s->predicates >> i & 1;
    return n;
}

void matrix_event(const struct situation *s, struct buf *out)
{
    buf_addf(out, "%s%s%s", s->event->event_name,
             s->variant[0] != '\0' ? ":" : "", s->variant);
}

/* The enum of an event's variants, NULL when it has none. */
static const ProtobufCEnumDescriptor *variants(const struct schema_message *m)
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

/* ---- the walk ---- */

/* The rules of one policy that are about the event at hand. */
struct about {
    const struct policy *p;
    struct policy_rule_view *rule;
    size_t n;
};
struct walk {
    struct about *of;
    size_t n;
    matrix_each *each;
    void *ctx;
};

static void pick(struct about *a, const char *event, const char *variant)
{
    size_t rules = policy_rule_count(a->p);
    a->n = 0;
    for (size_t i = 0; i < rules; i++)
        if (policy_rule_about(a->p, i, event, variant) &&
            policy_rule_at(a->p, i, &a->rule[a->n]))
            a->n++;
}

/* Bit of a code within its kind, 0 when this policy has no such word. */
static uint64_t bit_of(const struct policy *p, enum policy_kind kind,
                       const char *code)
{
    for (size_t i = 0; i < policy_count(p, kind); i++)
        if (strcmp(policy_code(p, kind, i), code) == 0)
            return (uint64_t)1 << i;
    return 0;
}

/* Layers in which what the person said counts. */
static bool asks_person(const char *layer)
{
    static const char *const LAYERS[] = {"consent", "session", "life",
                                         "breakglass"};
    for (size_t i = 0; i < NELEM(LAYERS); i++)
        if (strcmp(layer, LAYERS[i]) == 0)
            return true;
    return false;
}

/* Adds what the rules about this cell name to the facts of s. */
static void collect(const struct about *a, struct situation *s)
{
    uint64_t purpose = bit_of(a->p, POLICY_PURPOSE, s->purpose);
    uint64_t role = bit_of(a->p, POLICY_ROLE, s->role);
    for (size_t i = 0; i < a->n; i++) {
        const struct policy_rule_view *r = &a->rule[i];
        if ((r->purposes & purpose) == 0 || (r->roles & role) == 0 ||
            (r->classes & s->classes) == 0)
            continue;
        s->predicates |= r->requires | r->unless;
        s->consent |= strcmp(r->layer, "consent") == 0;
        s->refused |= asks_person(r->layer);
    }
}

/* The i-th subset of the facts of all. */
static struct situation subset(const struct situation *all, unsigned i)
{
    struct situation s = *all;
    s.predicates = 0;
    for (unsigned k = 0; k < PREDICATE_BITS; k++)
        if ((all->predicates >> k & 1) != 0) {
            s.predicates |= (i & 1) << k;
            i >>= 1;
        }
    s.consent = all->consent && (i & 1) != 0;
    i >>= all->consent ? 1 : 0;
    s.refused = all->refused && (i & 1) != 0;
    return s;
}

static bool walk_cell(const struct walk *w, struct situation *s)
{
    s->predicates = 0;
    s->consent = s->refused = false;
    for (size_t i = 0; i < w->n; i++)
        collect(&w->of[i], s);
    unsigned facts = matrix_facts(s);
    for (unsigned i = 0; i < 1u << facts; i++) {
        struct situation one = subset(s, i);
        if (!w->each(w->ctx, &one))
            return false;
    }
    return true;
}

/* Words of a kind that the policies before the i-th do not have. */
static bool is_new(const struct walk *w, size_t i, enum policy_kind kind,
                   const char *code)
{
    for (size_t k = 0; k < i; k++)
        if (bit_of(w->of[k].p, kind, code) != 0)
            return false;
    return true;
}

static bool walk_roles(const struct walk *w, struct situation *s)
{
    for (size_t i = 0; i < w->n; i++)
        for (size_t k = 0; k < policy_count(w->of[i].p, POLICY_ROLE); k++) {
            s->role = policy_code(w->of[i].p, POLICY_ROLE, k);
            if (is_new(w, i, POLICY_ROLE, s->role) && !walk_cell(w, s))
                return false;
        }
    return true;
}

static bool walk_event(void *ctx, const struct situation *event)
{
    const struct walk *w = ctx;
    struct situation s = *event;
    for (size_t i = 0; i < w->n; i++)
        pick(&w->of[i], s.event->event_name, s.variant);
    for (size_t i = 0; i < w->n; i++)
        for (size_t k = 0; k < policy_count(w->of[i].p, POLICY_PURPOSE); k++) {
            s.purpose = policy_code(w->of[i].p, POLICY_PURPOSE, k);
            if (is_new(w, i, POLICY_PURPOSE, s.purpose) && !walk_roles(w, &s))
                return false;
        }
    return true;
}

void matrix_events(matrix_each *each, void *ctx)
{
    for (size_t i = 0; i < SCHEMA_MESSAGE_COUNT; i++) {
        const struct schema_message *m = &SCHEMA_MESSAGES[i];
        struct situation s = {
            .event = m, .variant = "", .classes = m->class_mask};
        if (m->event == 0)
            continue;
        const ProtobufCEnumDescriptor *e = variants(m);
        if (!each(ctx, &s))
            return;
        for (unsigned k = 0; e != NULL && k < e->n_values; k++) {
            s.variant = e->values[k].name;
            if (e->values[k].value != 0 && !each(ctx, &s))
                return; /* 0 stands for "none was said" */
        }
    }
}

enum err matrix_walk(const struct policy *const *p, size_t n, matrix_each *each,
                     void *ctx)
{
    struct walk w = {calloc(n, sizeof(*w.of)), n, each, ctx};
    enum err e = w.of == NULL ? ERR_NOMEM : ERR_OK;
    for (size_t i = 0; i < n && e == ERR_OK; i++) {
        w.of[i].p = p[i];
        w.of[i].rule =
            calloc(policy_rule_count(p[i]) + 1, sizeof(*w.of[i].rule));
        if (w.of[i].rule == NULL)
            e = ERR_NOMEM;
    }
    if (e == ERR_OK)
        matrix_events(walk_event, &w);
    for (size_t i = 0; w.of != NULL && i < n; i++)
        free(w.of[i].rule);
    free(w.of);
    return e;
}
