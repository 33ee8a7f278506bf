/* explain.c - why an agency may see which part of an event, or what is missing.
 *
 * The event is decided about once more, as of now and by the policy in force
 * (replay.c does what was). For a class that does not pass, the permits that
 * speak of it are tried with the facts they ask for and a consent granted: the
 * one that then lets it pass with the fewest changes is what would have to be
 * true. That a consent would be needed does not tell whether somebody refused
 * or was never asked (I-13). */
#include "hub/app/hub.h"
#include "proto/wire/unpack.h"
#include <stdlib.h>
#include <string.h>

struct explaining {
    struct hub *h;
    struct stored_event event;
    struct known known;
    const struct agency *to;
    const char *variant;
    uint64_t present;
    const char *purpose, *role;
    struct decision d;
};

/* ---- what would have to be true ---- */

struct way {
    const char *rule;
    unsigned needed, hindering; /* predicates */
    bool consent;
    unsigned changes;
};

static unsigned bits(unsigned set)
{
    unsigned n = 0;
    for (; set != 0; set &= set - 1)
        n++;
    return n;
}

/* Consents of everyone to everything, as of now. */
static void consents(const struct explaining *x, struct grant g[2])
{
    int32_t day = japan_day(x->h->now_ms);
    uint64_t third = policy_third(x->h->policy);
    memset(g, 0, 2 * sizeof(*g));
    for (int i = 0; i < 2; i++) {
        snprintf(g[i].purpose, PURPOSE_MAX, "%s", x->purpose);
        snprintf(g[i].to[0].agency, AGENCY_MAX, "%s", x->to->code);
        g[i].to_count = 1;
        g[i].from_day = g[i].to_day = day;
        g[i].third = i == 1;
        g[i].classes = i == 1 ? third : ~third;
        g[i].leaf = 1;
    }
}

/* Tries a permit with its facts granted; false: it would not help either. */
static bool try_rule(const struct explaining *x,
                     const struct policy_rule_view *r, unsigned cls,
                     struct way *w)
{
    struct grant g[2];
    struct decision d;
    const unsigned is = x->d.predicates;
    consents(x, g);
    struct policy_ask ask = {
        .event = schema_event(x->event.type)->event_name,
        .variant = x->variant,
        .purpose = x->purpose,
        .recipient = x->to,
        .role = x->role[0] != '\0' ? x->role : NULL,
        .classes = x->present,
        .predicates = (is | r->requires) & ~r->unless,
        .session_classes = UINT64_MAX,
        .glass_classes = UINT64_MAX,
        .grants = g,
        .grant_count = 2,
        .now_ms = x->h->now_ms,
        .clock_ok = x->h->clock_ok,
    };
    policy_decide(x->h->policy, &ask, &d);
    if ((d.released & class_bit(cls)) == 0)
        return false;
    *w = (struct way){.rule = policy_rule_id(x->h->policy, d.of[cls].rule),
                      .needed = r->requires & ~is,
                      .hindering = r->unless & is,
                      .consent = d.of[cls].grant >= 0};
    w->changes = bits(w->needed) + bits(w->hindering) + (w->consent ? 1 : 0);
    return true;
}

static bool find_way(const struct explaining *x, unsigned cls, struct way *best)
{
    const struct policy *p = x->h->policy;
    const char *event = schema_event(x->event.type)->event_name;
    struct policy_rule_view r;
    bool found = false;
    for (size_t i = 0; policy_rule_at(p, i, &r); i++) {
        struct way w;
        if (!r.permit || (r.classes & class_bit(cls)) == 0 ||
            !policy_rule_about(p, i, event, x->variant) ||
            !try_rule(x, &r, cls, &w))
            continue;
        if (!found || w.changes < best->changes)
            *best = w;
        found = true;
    }
    return found;
}

/* A fact as its word, or as a person says it. */
enum tongue { TONGUE_CODE, TONGUE_JA, TONGUE_EN };

static const char *fact_text(const struct policy *p, unsigned predicate,
                             enum tongue how)
{
    const char *name = policy_predicate_name(predicate);
    if (how == TONGUE_CODE)
        return name;
    return how == TONGUE_JA ? policy_label_ja(p, name)
                            : policy_label_en(p, name);
}

static const char *consent_text(const struct explaining *x, unsigned cls,
                                enum tongue how)
{
    bool third = (policy_third(x->h->policy) & class_bit(cls)) != 0;
    if (how == TONGUE_CODE)
        return "consent";
    if (how == TONGUE_JA)
        return third ? "その第三者と本人の同意" : "本人の同意";
    return third ? "consent of that third person and of the person"
                 : "the person's consent";
}

static void add_facts(const struct explaining *x, const char *key, unsigned set,
                      const char *consent, enum tongue how, struct buf *j)
{
    static const char *const SUFFIX[] = {"", "_ja", "_en"};
    const char *comma = "";
    buf_addf(j, ",\"%s%s\":[", key, SUFFIX[how]);
    for (unsigned k = 0; k < 32; k++)
        if ((set & 1u << k) != 0) {
            buf_adds(j, comma);
            buf_add_json(j, fact_text(x->h->policy, 1u << k, how));
            comma = ",";
        }
    if (consent != NULL) {
        buf_adds(j, comma);
        buf_add_json(j, consent);
    }
    buf_adds(j, "]");
}

static void add_way(const struct explaining *x, unsigned cls, struct buf *j)
{
    struct way w = {.rule = ""};
    if (x->d.error != ERR_OK || !find_way(x, cls, &w))
        return; /* nothing would help */
    buf_addf(j, ",\"would\":{\"rule\":\"%s\"", w.rule);
    for (enum tongue how = TONGUE_CODE; how <= TONGUE_EN; how++) {
        add_facts(x, "needs", w.needed,
                  w.consent ? consent_text(x, cls, how) : NULL, how, j);
        add_facts(x, "without", w.hindering, NULL, how, j);
    }
    buf_adds(j, "}");
}

/* ---- one class ---- */

/* What an event of this type may hold of a class; who wrote nothing there
 * passes nothing. Content is not looked at. */
static void add_fields(const struct explaining *x, unsigned cls, bool ja,
                       struct buf *j)
{
    const struct schema_message *m = schema_event(x->event.type);
    const char *comma = "";
    buf_addf(j, ",\"fields_%s\":[", ja ? "ja" : "en");
    for (size_t i = 0; i < m->field_count; i++)
        if (m->fields[i].cls == cls) {
            buf_adds(j, comma);
            buf_add_json(j, ja ? m->fields[i].ja : m->fields[i].en);
            comma = ",";
        }
    buf_adds(j, "]");
}

static void add_class(const struct explaining *x, unsigned cls, struct buf *j)
{
    const struct policy *p = x->h->policy;
    const struct class_verdict *v = &x->d.of[cls];
    enum err why = x->d.error != ERR_OK ? x->d.error : ERR_POL_NONE;
    struct policy_rule_view r = {.ja = err_ja(why), .en = err_en(why)};
    if (v->rule != NO_RULE)
        policy_rule_at(p, v->rule, &r);
    buf_addf(j, "{\"class\":\"%s\",\"passes\":%s", class_name(cls),
             v->permit ? "true" : "false");
    ask_add_text(j, "label_ja", class_ja(cls));
    ask_add_text(j, "label_en", class_en(cls));
    add_fields(x, cls, true, j);
    add_fields(x, cls, false, j);
    ask_add_text(j, "rule", policy_rule_id(p, v->rule));
    ask_add_text(j, "row", policy_rule_row(p, v->rule));
    ask_add_text(j, "basis", v->basis);
    ask_add_text(j, "article", policy_article(p, v->basis));
    ask_add_text(j, "ja", r.ja);
    ask_add_text(j, "en", r.en);
    if (!v->permit)
        add_way(x, cls, j);
    buf_adds(j, "}");
}

static void add_labels(const struct explaining *x, const char *key,
                       const char *word, struct buf *j)
{
    const struct policy *p = x->h->policy;
    buf_addf(j, ",\"%s_ja\":", key);
    buf_add_json(j, word[0] != '\0' ? policy_label_ja(p, word) : "");
    buf_addf(j, ",\"%s_en\":", key);
    buf_add_json(j, word[0] != '\0' ? policy_label_en(p, word) : "");
}

static enum err add_decision(struct explaining *x, struct buf *j)
{
    const char *comma = "";
    struct delivery d = {.id = 0};
    snprintf(d.agency, sizeof(d.agency), "%s", x->to->code);
    snprintf(d.purpose, sizeof(d.purpose), "%s", x->purpose);
    snprintf(d.role, sizeof(d.role), "%s", x->role);
    enum err e = decide_kept(x->h, &x->event, &d, &x->known, &x->d);
    if (e != ERR_OK)
        return e;
    buf_adds(j, "{\"purpose\":");
    buf_add_json(j, x->purpose);
    ask_add_text(j, "role", x->d.role);
    add_labels(x, "purpose", x->purpose, j);
    add_labels(x, "role", x->d.role, j);
    buf_adds(j, ",\"classes\":[");
    for (unsigned c = 1; c < CLASS_MAX; c++)
        if ((x->present & class_bit(c)) != 0) {
            buf_adds(j, comma);
            add_class(x, c, j);
            comma = ",";
        }
    buf_adds(j, "]}");
    return ERR_OK;
}

/* ---- what was wished for ---- */

/* The routing of a kept event: its part without class. *out owned, may be
 * NULL (the hub's own events have none). */
static enum err read_routing(const struct stored_event *ev,
                             ProtobufCMessage **out)
{
    ProtobufCMessage *m = NULL;
    *out = NULL;
    enum err e = unpack(&pb__event__descriptor, buf_slice(&ev->parts), &m);
    const Pb__Event *pe = (const Pb__Event *)m;
    for (size_t i = 0; e == ERR_OK && i < pe->n_part && *out == NULL; i++)
        if (pe->part[i]->cls == 0 && pe->part[i]->body.len > 0)
            e = unpack(&pb__routing__descriptor, pb_slice(pe->part[i]->body),
                       out);
    unpack_free(&m);
    return e;
}

static bool means(const Pb__Wanted *w, const struct agency *to)
{
    if (w->agency != NULL && w->agency[0] != '\0')
        return strcmp(w->agency, to->code) == 0;
    return w->role != NULL && agency_has_role(to, w->role);
}

/* Each wish of the sender that means this agency. */
static enum err add_wishes(struct explaining *x, struct buf *j)
{
    ProtobufCMessage *m = NULL;
    size_t n = 0;
    enum err e = read_routing(&x->event, &m);
    const Pb__Routing *r = (const Pb__Routing *)m;
    for (size_t i = 0; e == ERR_OK && r != NULL && i < r->n_to; i++) {
        const Pb__Wanted *w = r->to[i];
        if (!means(w, x->to) || w->purpose == NULL)
            continue;
        x->purpose = w->purpose;
        x->role = w->role != NULL ? w->role : "";
        buf_adds(j, n++ > 0 ? "," : "");
        e = add_decision(x, j);
    }
    unpack_free(&m);
    return e == ERR_OK && n == 0 ? ERR_NOT_FOUND : e;
}

static enum err find(struct hub *h, const Pb__Ask *a, struct explaining *x)
{
    struct id event_id;
    if (id_parse(ask_argument(a, "event_id"), &event_id) != ERR_OK)
        return ERR_USAGE;
    x->to = registry_agency(h->registry, ask_argument(a, "to"));
    if (x->to == NULL)
        return ERR_EVT_RECIPIENT;
    enum err e = store_event_find(h->store, event_id, &x->event);
    if (e == ERR_OK && x->event.erased)
        e = ERR_EVT_GONE;
    if (e == ERR_OK)
        e = kept_look_inside(&x->event, &x->present, &x->variant);
    if (e == ERR_OK)
        e = known_load(h, x->event.person, x->event.case_id, &x->known);
    return e;
}

/* Without a purpose: those for which the sender meant this agency. */
enum err ask_explain(struct hub *h, const Pb__Ask *a, struct buf *j)
{
    struct explaining x = {.h = h,
                           .purpose = ask_argument(a, "purpose"),
                           .role = ask_argument(a, "role")};
    enum err e = find(h, a, &x);
    if (e == ERR_OK) {
        buf_addf(j, "{\"schema\":\"tsunagi.explain/1\",\"event\":\"%s\"",
                 schema_event(x.event.type)->event_name);
        ask_add_text(j, "event_ja", schema_event(x.event.type)->ja);
        ask_add_text(j, "event_en", schema_event(x.event.type)->en);
        ask_add_text(j, "variant", x.variant);
        ask_add_text(j, "to", x.to->code);
        ask_add_text(j, "name", x.to->name_ja);
        buf_adds(j, ",\"decisions\":[");
        e = x.purpose[0] != '\0' ? add_decision(&x, j) : add_wishes(&x, j);
        buf_adds(j, "]}");
    }
    known_fini(&x.known);
    stored_event_fini(&x.event);
    return e;
}
