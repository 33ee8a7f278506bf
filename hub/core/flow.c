/* flow.c - running the workflow tables.
 *
 * A rule is chosen by state, event (or deadline) and guard; the first that
 * fits wins. It acts on a copy of the case, so that an event refused halfway
 * has changed nothing. Who may send an event stands beside the rules, per
 * workflow; the few events that move no case are listed here.
 *
 * A case keeps offers and refusals of its parties in one list: an offer has an
 * end (hold_until_ms), a refusal has none. The last entry of an agency is its
 * last word. */
#include "hub/core/flow.h"
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct flow *const FLOWS[] = {&FLOW_DISCHARGE, &FLOW_FILING,
                                    &FLOW_EMERGENCY, &FLOW_PLAN, &FLOW_MEETING};
const size_t FLOW_COUNT = NELEM(FLOWS);

/* Events that may come without a case. Consent is collected by whoever works
 * with the person and may be taken back through anyone; emergency lists are
 * kept by the planning offices, the base centre and the hub coordinator. */
#define COLLECTS                                                               \
    "R_HOSP R_PLAN R_LOCAL R_KIKAN R_HC R_HUBC R_MUNI_W R_HVN R_OUTPT R_SHORT"
#define FOLLOWS_UP "R_OUTPT R_HVN R_PLAN R_LOCAL"
#define ANSWERS_ACCESS                                                         \
    "R_HOSP R_OUTPT R_HVN R_HC R_PREF R_MUNI_W R_MUNI_H R_KIKAN R_HUBC "       \
    "R_SHORT R_PLAN R_LOCAL R_GH"
#define OFFICES                                                                \
    ANSWERS_ACCESS " R_MHWC R_MUNI_MC R_PEER R_VISIT_SEC R_HOUSING R_COUNCIL"
static const struct flow_sender FREE[] = {
    /* clang-format off */
    {EVENT_LEGAL_STATUS_STARTED, "R_HOSP R_PREF"},
    {EVENT_LEGAL_STATUS_ENDED, "R_HOSP R_PREF"},
    {EVENT_ADMISSION_NOTICE_GIVEN, "R_HOSP"},
    {EVENT_SUPPORT_INFORMATION_PROVIDED, "R_HOSP"},
    {EVENT_COMMITTEE_CALLED, "R_HOSP"},
    {EVENT_COMMITTEE_RESULT_GIVEN, "R_HOSP"},
    {EVENT_FIRST_CONTACT_CONFIRMED, FOLLOWS_UP},
    {EVENT_FIRST_CONTACT_MISSED, FOLLOWS_UP},
    {EVENT_DISCHARGE_SUMMARY, "R_HOSP"},
    {EVENT_RENEW_NOTICE_SENT, "R_HOSP"},
    {EVENT_MAYOR_CONSENT_REQUESTED, "R_HOSP"},
    {EVENT_MAYOR_VISITED, "R_MUNI_MC"},
    {EVENT_CONSENT_GIVEN, COLLECTS},
    {EVENT_CONSENT_REFUSED, COLLECTS},
    {EVENT_CONSENT_WITHDRAWN, ""},
    {EVENT_CONSENT_DEFERRED, COLLECTS},
    {EVENT_PERSON_PLACES_RECORDED,
     "R_HOSP R_HC R_MUNI_W R_MUNI_H R_PLAN R_KIKAN R_HUBC"},
    {EVENT_ADDRESS_PROTECTION_SET, ""}, /* to put it on; off: person.c */
    {EVENT_NEEDS_ASSESSED, "R_HOSP R_PLAN R_HC"},
    {EVENT_PLAN_ENDED, "R_HC"},
    {EVENT_TRANSFER_PROPOSED, "R_HC"},
    {EVENT_TRANSFER_SENT, "R_HC"},
    {EVENT_TRANSFER_ACCEPTED, "R_HC"},
    {EVENT_EARLY_WARNING, FOLLOWS_UP " R_GH R_SHORT R_HC R_HOSP"},
    {EVENT_EMERGENCY_REGISTERED, "R_PLAN R_KIKAN R_HUBC"},
    {EVENT_EMERGENCY_UNMET, "R_HUBC"},
    {EVENT_EMERGENCY_NOTIFIED, "R_HUBC R_SHORT"},
    {EVENT_CARE_ASKED, "R_HUBC R_SHORT"},
    {EVENT_CARE_ANSWERED, "R_HOSP R_OUTPT"},
    {EVENT_STAY_HOSPITALISED, "R_SHORT R_HUBC"},
    {EVENT_VACANCY_UPDATED, "R_SHORT"},
    {EVENT_VISIT_REQUESTED, "R_HOSP R_MUNI_MC"},
    {EVENT_VISIT_ASSIGNED, "R_VISIT_SEC"},
    {EVENT_VISIT_SCHEDULED, "R_VISIT_SEC"},
    {EVENT_VISIT_REPORTED, "R_VISIT"},
    {EVENT_SERVICE_APPLIED, "R_PLAN R_LOCAL R_MUNI_W"},
    {EVENT_SERVICE_DECIDED, "R_PLAN R_LOCAL R_MUNI_W"},
    {EVENT_SERVICE_PLAN_FIXED, "R_PLAN"},
    {EVENT_MONITORED, "R_PLAN"},
    {EVENT_ISSUE_RAISED, OFFICES},
    {EVENT_STAT_REPORTED, "R_KIKAN R_HUBC R_HC R_MUNI_W R_PREF"},
    {EVENT_BREAK_GLASS_OPENED, ""}, /* who may, says the policy */
    {EVENT_BREAK_GLASS_REVIEWED, "R_AUDIT R_HOSP R_KIKAN R_HC R_MUNI_W"},
    {EVENT_ACCESS_REQUESTED, ""},
    {EVENT_ACCESS_ANSWERED, ANSWERS_ACCESS},
    {EVENT_PERSON_DIED, "R_HVN R_HC R_HOSP R_MUNI_W R_PLAN R_GH R_SHORT"},
}; /* clang-format on */

static const char *senders_in(const struct flow_sender *s, size_t n,
                              uint32_t event)
{
    for (size_t i = 0; i < n; i++)
        if (s[i].event == event)
            return s[i].roles;
    return NULL;
}

const char *flow_senders(uint32_t event)
{
    const char *roles = senders_in(FREE, NELEM(FREE), event);
    for (size_t i = 0; i < FLOW_COUNT && roles == NULL; i++)
        roles = senders_in(FLOWS[i]->senders, FLOWS[i]->sender_count, event);
    return roles;
}

bool flow_free(uint32_t event)
{
    return senders_in(FREE, NELEM(FREE), event) != NULL;
}

bool flow_about_nobody(uint32_t event)
{
    static const uint32_t NOBODY[] = {
        EVENT_VACANCY_UPDATED,
        EVENT_ISSUE_RAISED,
        EVENT_STAT_REPORTED,
    };
    for (size_t i = 0; i < NELEM(NOBODY); i++)
        if (NOBODY[i] == event)
            return true;
    return false;
}

bool flow_handles(const struct flow *f, uint32_t event)
{
    for (size_t i = 0; i < f->rule_count; i++)
        if (f->rules[i].event == event)
            return true;
    return false;
}

const struct flow *flow_opening(uint32_t event)
{
    for (size_t i = 0; i < FLOW_COUNT; i++)
        for (size_t j = 0; j < FLOWS[i]->rule_count; j++)
            if (FLOWS[i]->rules[j].event == event &&
                FLOWS[i]->rules[j].state[0] == '\0')
                return FLOWS[i];
    return NULL;
}

const struct flow *flow_named(const char *name)
{
    for (size_t i = 0; i < FLOW_COUNT && name != NULL; i++)
        if (strcmp(FLOWS[i]->name, name) == 0)
            return FLOWS[i];
    return NULL;
}

/* ---- cases ---- */

Pb__CaseState *case_copy(const Pb__CaseState *s)
{
    size_t n = pb__case_state__get_packed_size(s);
    uint8_t *bytes = malloc(n + 1);
    if (bytes == NULL)
        return NULL;
    pb__case_state__pack(s, bytes);
    Pb__CaseState *copy = pb__case_state__unpack(NULL, n, bytes);
    free(bytes);
    return copy;
}

void case_free(Pb__CaseState **s)
{
    if (*s != NULL)
        pb__case_state__free_unpacked(*s, NULL);
    *s = NULL;
}

static bool is(const char *a, const char *b)
{
    return a != NULL && b != NULL && strcmp(a, b) == 0;
}

bool case_party(const Pb__CaseState *s, const char *agency)
{
    for (size_t i = 0; s != NULL && i < s->n_party; i++)
        if (is(s->party[i], agency))
            return true;
    return false;
}

bool case_member(const Pb__CaseState *s, const char *agency)
{
    return s != NULL && (is(s->owner, agency) || case_party(s, agency));
}

bool case_declined(const Pb__CaseState *s, const char *agency)
{
    for (size_t i = s->n_offer; i-- > 0;)
        if (is(s->offer[i]->agency, agency))
            return !s->offer[i]->has_hold_until_ms;
    return false;
}

void case_set(char **field, const char *value, struct effects *fx)
{
    char *copy = strdup(value);
    if (copy == NULL) {
        fx->refuse = ERR_NOMEM;
        return;
    }
    free(*field);
    *field = copy;
}

/* Room for one more in a repeated field. */
static void *longer(void *list, size_t n, size_t size, struct effects *fx)
{
    void *p = realloc(list, (n + 1) * size);
    if (p == NULL)
        fx->refuse = ERR_NOMEM;
    return p;
}

/* Asked again: an earlier no is no longer the last word. */
static void forget_refusal(Pb__CaseState *s, const char *agency)
{
    for (size_t i = 0; i < s->n_offer; i++)
        if (is(s->offer[i]->agency, agency))
            s->offer[i]->has_hold_until_ms = true;
}

void case_join(Pb__CaseState *s, const char *agency, struct effects *fx)
{
    if (case_party(s, agency)) {
        forget_refusal(s, agency);
        return;
    }
    /* each party may have to be told something, all in one step */
    if (s->n_party == MAX_HUB_EVENTS) {
        fx->refuse = ERR_EVT_RECIPIENT;
        return;
    }
    char **list = longer(s->party, s->n_party, sizeof(*list), fx);
    if (list == NULL)
        return;
    s->party = list;
    list[s->n_party] = NULL;
    case_set(&list[s->n_party], agency, fx);
    if (list[s->n_party] != NULL)
        s->n_party++;
}

bool case_pledged(const Pb__CaseState *s, const char *agency)
{
    for (size_t i = 0; s != NULL && i < s->n_pledged; i++)
        if (is(s->pledged[i], agency))
            return true;
    return false;
}

void case_pledge(Pb__CaseState *s, const char *agency, struct effects *fx)
{
    if (case_pledged(s, agency))
        return;
    char **list = longer(s->pledged, s->n_pledged, sizeof(*list), fx);
    if (list == NULL)
        return;
    s->pledged = list;
    list[s->n_pledged] = NULL;
    case_set(&list[s->n_pledged], agency, fx);
    if (list[s->n_pledged] != NULL)
        s->n_pledged++;
}

static void set_bytes(ProtobufCBinaryData *field, const uint8_t ref[ID_BYTES],
                      struct effects *fx)
{
    *field = (ProtobufCBinaryData){0, malloc(ID_BYTES)};
    if (field->data == NULL) {
        fx->refuse = ERR_NOMEM;
        return;
    }
    memcpy(field->data, ref, ID_BYTES);
    field->len = ID_BYTES;
}

void case_remember(Pb__CaseState *s, const uint8_t ref[ID_BYTES],
                   struct effects *fx)
{
    ProtobufCBinaryData *list = longer(s->seen, s->n_seen, sizeof(*list), fx);
    if (list == NULL)
        return;
    s->seen = list;
    set_bytes(&list[s->n_seen++], ref, fx);
}

bool case_remembers(const Pb__CaseState *s, ProtobufCBinaryData ref)
{
    for (size_t i = 0; i < s->n_seen; i++)
        if (ref.len == s->seen[i].len && ref.len == ID_BYTES &&
            memcmp(ref.data, s->seen[i].data, ID_BYTES) == 0)
            return true;
    return false;
}

static Pb__CaseOffer *offer_new(const uint8_t ref[ID_BYTES], const char *agency,
                                uint64_t hold_until_ms, struct effects *fx)
{
    Pb__CaseOffer *o = malloc(sizeof(*o));
    if (o == NULL) {
        fx->refuse = ERR_NOMEM;
        return NULL;
    }
    pb__case_offer__init(o);
    o->has_event_id = true;
    set_bytes(&o->event_id, ref, fx);
    case_set(&o->agency, agency, fx);
    o->has_open = true;
    o->open = hold_until_ms != 0;
    o->has_hold_until_ms = o->open;
    o->hold_until_ms = hold_until_ms;
    return o;
}

/* Drops what an agency said before, so that the list stays short. */
static void drop_offers(Pb__CaseState *s, const char *agency)
{
    size_t kept = 0;
    for (size_t i = 0; i < s->n_offer; i++)
        if (is(s->offer[i]->agency, agency))
            pb__case_offer__free_unpacked(s->offer[i], NULL);
        else
            s->offer[kept++] = s->offer[i];
    s->n_offer = kept;
}

void case_offer(Pb__CaseState *s, const uint8_t ref[ID_BYTES],
                const char *agency, uint64_t hold_until_ms, struct effects *fx)
{
    drop_offers(s, agency);
    Pb__CaseOffer **list = longer(s->offer, s->n_offer, sizeof(*list), fx);
    if (list == NULL)
        return;
    s->offer = list;
    list[s->n_offer] = offer_new(ref, agency, hold_until_ms, fx);
    if (list[s->n_offer] != NULL)
        s->n_offer++;
}

/* ---- effects ---- */

static void change_deadline(struct effects *fx, enum deadline_kind kind,
                            bool start, uint64_t due_ms, const uint8_t *ref)
{
    assert(fx->deadline_count < MAX_DEADLINES);
    struct deadline_change *d = &fx->deadline[fx->deadline_count++];
    *d = (struct deadline_change){.kind = kind, .start = start};
    d->due_ms = due_ms;
    if (ref != NULL)
        memcpy(d->ref, ref, ID_BYTES);
}

void flow_start(struct effects *fx, enum deadline_kind kind, uint64_t due_ms,
                const uint8_t *ref)
{
    change_deadline(fx, kind, true, due_ms, ref);
}

void flow_stop(struct effects *fx, enum deadline_kind kind, const uint8_t *ref)
{
    change_deadline(fx, kind, false, 0, ref);
}

void flow_tell(const struct flow_in *in, struct effects *fx, uint32_t type,
               const char *agency, const char *purpose, const uint8_t *ref)
{
    const struct agency *to = registry_agency(in->facts->registry, agency);
    if (to == NULL)
        return;
    assert(fx->hub_count < MAX_HUB_EVENTS);
    struct hub_event *h = &fx->hub[fx->hub_count++];
    *h = (struct hub_event){.type = type, .to = to};
    snprintf(h->purpose, sizeof(h->purpose), "%s", purpose);
    if (ref != NULL)
        memcpy(h->ref, ref, ID_BYTES);
}

const char *flow_by(const struct flow_in *in)
{
    return in->facts->sender->agency->code;
}

bool flow_not_owner(const struct flow_in *in)
{
    return in->state != NULL && !is(in->state->owner, flow_by(in));
}

bool flow_not_party(const struct flow_in *in)
{
    return !case_party(in->state, flow_by(in));
}

/* ---- one step ---- */

/* Whether a state is in a list as tables write it. */
static bool listed(const char *list, const char *state)
{
    size_t n = strlen(state);
    if (strcmp(list, "*") == 0)
        return true;
    for (const char *p = list; (p = strstr(p, state)) != NULL; p += n)
        if ((p == list || p[-1] == '|') && (p[n] == '\0' || p[n] == '|'))
            return true;
    return false;
}

static bool fits(const struct flow_rule *r, const struct flow_in *in)
{
    bool opens = r->state[0] == '\0';
    if (opens != (in->state == NULL) ||
        (!opens && !listed(r->state, in->state->state)))
        return false;
    if (in->event == NULL ? r->event != 0 || r->deadline != in->deadline
                          : r->event != in->event->schema->event)
        return false;
    return r->guard == NULL || r->guard(in);
}

static const struct flow_rule *find(const struct flow *f,
                                    const struct flow_in *in)
{
    for (size_t i = 0; i < f->rule_count; i++)
        if (fits(&f->rules[i], in))
            return &f->rules[i];
    return NULL;
}

static Pb__CaseState *open_case(const struct flow *f, const struct flow_in *in,
                                struct effects *fx)
{
    Pb__CaseState *s = malloc(sizeof(*s));
    if (s == NULL)
        return NULL;
    pb__case_state__init(s);
    case_set(&s->flow, f->name, fx);
    case_set(&s->owner, flow_by(in), fx);
    s->has_opened_ms = true;
    s->opened_ms = in->now_ms;
    s->has_version = true;
    return s;
}

static void apply(const struct flow *f, const struct flow_rule *r,
                  const struct flow_in *in, struct effects *fx)
{
    Pb__CaseState *next =
        in->state == NULL ? open_case(f, in, fx) : case_copy(in->state);
    if (next == NULL) {
        fx->refuse = ERR_NOMEM;
        return;
    }
    if (r->next != NULL)
        case_set(&next->state, r->next, fx);
    next->version++;
    if (r->act != NULL)
        r->act(in, next, fx);
    if (fx->refuse != ERR_OK)
        case_free(&next);
    fx->state = next;
}

const struct flow_rule *flow_step(const struct flow *f,
                                  const struct flow_in *in, struct effects *fx)
{
    const struct flow_rule *r = find(f, in);
    if (r == NULL) {
        /* a deadline that outlived its reason is no mistake of anyone */
        if (in->event != NULL)
            fx->refuse = ERR_FLOW_NONE;
    } else if (r->refuse != ERR_OK) {
        fx->refuse = r->refuse;
    } else if (r->late) {
        fx->late = true;
        fx->to_count = 0;
        if (r->act != NULL)
            r->act(in, NULL, fx);
    } else {
        apply(f, r, in, fx);
    }
    return r;
}

/* ---- the graph ---- */

static const char *deadline_name(enum deadline_kind kind)
{
    static const char *const NAMES[] = {
        [DEADLINE_NONE] = "",
        [DEADLINE_FIRST_ANSWER] = "first answer due",
        [DEADLINE_FIRST_OFFER] = "first offer due",
        [DEADLINE_OFFER_HOLD] = "hold ends",
        [DEADLINE_FILING_DUE] = "filing due",
        [DEADLINE_CONSENT_END] = "consent ends",
        [DEADLINE_INTRO_REPLY] = "reply due",
        [DEADLINE_CONSENT_REMIND] = "consent ends soon",
        [DEADLINE_PAPER_DUE] = "paper due",
        [DEADLINE_ASK_AGAIN] = "ask again",
        [DEADLINE_GLASS_END] = "break-glass ends",
        [DEADLINE_GLASS_REVIEW] = "review due",
    };
    return NAMES[kind];
}

static void dot_edge(const struct flow_rule *r, const char *from, int n,
                     struct buf *out)
{
    const struct schema_message *m = schema_event(r->event);
    if (n == 0)
        from = "start", n = 5;
    buf_addf(out, "  \"%.*s\" -> ", n, from);
    if (r->next != NULL)
        buf_addf(out, "\"%s\"", r->next);
    else
        buf_addf(out, "\"%.*s\"", n, from);
    buf_addf(out, " [label=\"%s",
             m != NULL ? m->event_name : deadline_name(r->deadline));
    if (r->when != NULL)
        buf_addf(out, "\\n[%s]", r->when);
    buf_addf(out, "\"%s];\n", r->late ? ", style=dotted" : "");
}

void flow_dot(const struct flow *f, struct buf *out)
{
    buf_addf(out, "digraph %s {\n  label=\"%s / %s\";\n  rankdir=LR;\n",
             f->name, f->ja, f->en);
    buf_adds(out, "  start [shape=point];\n  \"*\" [label=\"any\"];\n");
    for (size_t i = 0; i < f->rule_count; i++) {
        const struct flow_rule *r = &f->rules[i];
        if (r->refuse != ERR_OK)
            continue;
        const char *p = r->state;
        for (;;) {
            size_t n = strcspn(p, "|");
            dot_edge(r, p, (int)n, out);
            if (p[n] == '\0')
                break;
            p += n + 1;
        }
    }
    buf_adds(out, "}\n");
}
