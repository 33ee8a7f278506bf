/* flow.h - workflows as tables: (state, event, guard) -> (state, effects).
 * The first rule that fits wins; no rule is an error, refused and audited by
 * the caller, never ignored. One file per workflow: flow_*.c. */
#ifndef TSUNAGI_CORE_FLOW_H
#define TSUNAGI_CORE_FLOW_H
#include "hub/core/step.h"

struct flow_in {
    const struct facts *facts;
    const struct event *event; /* NULL for a deadline */
    enum deadline_kind deadline;
    const uint8_t *ref;
    uint64_t now_ms;
    const Pb__CaseState *state;  /* NULL: the case opens */
    const struct effects *meant; /* recipients resolved, not yet decided */
};
typedef bool flow_guard(const struct flow_in *in);
/* Acts on a copy of the case and on the effects. */
typedef void flow_act(const struct flow_in *in, Pb__CaseState *next,
                      struct effects *fx);
struct flow_rule {
    const char *state; /* "" : opens the case; "*": any; or NEW|TRIAGED */
    uint32_t event;    /* 0: the deadline */
    enum deadline_kind deadline;
    flow_guard *guard; /* NULL: always */
    const char *when;  /* the guard in words, for the graph */
    const char *next;  /* NULL: stays */
    flow_act *act;     /* NULL: nothing more */
    enum err refuse;   /* not ERR_OK: refused with this code */
    bool late;         /* kept and answered, not applied */
    bool joins;        /* those it reaches become parties of the case */
    bool reach;        /* refused when it reaches nobody */
};
/* Roles that may send an event, separated by spaces; "": anyone connected. */
struct flow_sender {
    uint32_t event;
    const char *roles;
};
struct flow {
    const char *name, *ja, *en;
    const struct flow_rule *rules;
    size_t rule_count;
    const struct flow_sender *senders;
    size_t sender_count;
};
extern const struct flow FLOW_DISCHARGE, FLOW_FILING, FLOW_EMERGENCY, FLOW_PLAN,
    FLOW_MEETING;
extern const struct flow *const FLOWS[];
extern const size_t FLOW_COUNT;
/* The flow an event belongs to when its case is not known; NULL: none (consent,
 * legal status): the event moves no case. */
const struct flow *flow_opening(uint32_t event);
const struct flow *flow_named(const char *name);
/* Whether any rule of f speaks of the event. */
bool flow_handles(const struct flow *f, uint32_t event);
/* Whether the event may come without a case (consent, legal status ...). */
bool flow_free(uint32_t event);
/* Whether the event is about nobody (vacancies, issues, figures): it names
 * neither person nor case. */
bool flow_about_nobody(uint32_t event);
/* NULL when nobody may send it. */
const char *flow_senders(uint32_t event);
/* Applies one event to a case: fills fx->refuse, late, state, hub, deadline.
 * Returns the rule that fitted, NULL when there was none. */
const struct flow_rule *flow_step(const struct flow *f,
                                  const struct flow_in *in, struct effects *fx);
/* The table as a Graphviz graph. */
void flow_dot(const struct flow *f, struct buf *out);
/* Copy and free of a case. NULL when out of memory. */
Pb__CaseState *case_copy(const Pb__CaseState *s);
void case_free(Pb__CaseState **s);

/* ---- for the tables ---- */
bool case_party(const Pb__CaseState *s, const char *agency);
bool case_member(const Pb__CaseState *s, const char *agency); /* or owner */
/* A party's last word was no. Kept as an offer without an end. */
bool case_declined(const Pb__CaseState *s, const char *agency);
/* Changes of a case; out of memory goes to fx->refuse. */
void case_set(char **field, const char *value, struct effects *fx);
void case_join(Pb__CaseState *s, const char *agency, struct effects *fx);
void case_remember(Pb__CaseState *s, const uint8_t ref[ID_BYTES],
                   struct effects *fx);
bool case_remembers(const Pb__CaseState *s, ProtobufCBinaryData ref);
/* A member that took the pledge of secrecy; once is enough. */
bool case_pledged(const Pb__CaseState *s, const char *agency);
void case_pledge(Pb__CaseState *s, const char *agency, struct effects *fx);
/* hold_until_ms 0: the agency declines. */
void case_offer(Pb__CaseState *s, const uint8_t ref[ID_BYTES],
                const char *agency, uint64_t hold_until_ms, struct effects *fx);
void flow_start(struct effects *fx, enum deadline_kind kind, uint64_t due_ms,
                const uint8_t *ref); /* NULL: zero */
void flow_stop(struct effects *fx, enum deadline_kind kind,
               const uint8_t *ref); /* NULL: zero, every one of the kind */
/* A hub event to an agency; an agency that left is passed over. */
void flow_tell(const struct flow_in *in, struct effects *fx, uint32_t type,
               const char *agency, const char *purpose,
               const uint8_t *ref); /* NULL: zero */
/* The agency that sent the event. */
const char *flow_by(const struct flow_in *in);
flow_guard flow_not_owner, flow_not_party;
/* Rules as they read: ON("NEW|TRIAGED", EVENT, IF(guard), TO("NEXT")). */
#define ON(s, e, ...)                                                          \
    {                                                                          \
        .state = (s), .event = (e), __VA_ARGS__                                \
    }
#define DUE(s, d, ...)                                                         \
    {                                                                          \
        .state = (s), .deadline = (d), __VA_ARGS__                             \
    }
#define IF(g) .guard = (g), .when = #g
#define TO(s) .next = (s)
#define DO(a) .act = (a)
#define REFUSE(e) .refuse = (e)
#endif
