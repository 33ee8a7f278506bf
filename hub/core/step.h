/* step.h - the whole decision about one event: facts in, effects out.
 *
 * Pure: no clock, socket, file, database or random source. Everything needed
 * comes in as values; everything that must happen leaves as values, to be
 * made durable in one transaction by app/turn.c. */
#ifndef TSUNAGI_CORE_STEP_H
#define TSUNAGI_CORE_STEP_H
#include "hub/core/authority.h"
#include "hub/core/glass.h"
#include "hub/core/policy.h"
#include "proto/wire/event.h"
#include "tsunagi/v1/state.pb-c.h"

struct facts {
    const struct registry *registry;
    const struct policy *policy;
    const struct node *sender; /* as ZAP says (I-6); NULL: the hub */
    bool clock_ok;
    /* the person of the case, when it is known, else of the sender's token */
    bool person_known;
    bool person_named; /* by a token of the sender, not by its case alone */
    bool address_protected;
    const struct grant *grants;
    size_t grant_count;
    /* the case the sender's token stands for */
    bool case_known;
    const Pb__CaseState *state; /* NULL when not known */
    struct places places;       /* of the person; "" what is not known */
    const struct glass *glass;  /* every one of the person */
    size_t glass_count;
    const struct glass_actor *actor; /* of a break-glass event, else NULL */
    const char *asker; /* of the question that is answered, else NULL */
};

#define MAX_RECIPIENTS 64
/* One recipient that was meant, and what becomes of it. */
struct recipient {
    const struct agency *agency; /* NULL: the wish named nobody */
    char role[ROLE_MAX], purpose[PURPOSE_MAX];
    char wanted[ROLE_MAX]; /* the role of the wish; "": any it has */
    struct decision decision;
    enum err why; /* ERR_OK: deliver; else told to the sender */
    bool reissue; /* the hub's own event goes instead (hospital hidden) */
    bool found;   /* by the hub, from consents or places: told to the sender
                   * only where something is passed on (I-13) */
};
/* An event the hub makes because of this one. */
#define MAX_HUB_EVENTS 64
struct hub_event {
    uint32_t type;
    const struct agency *to;
    char purpose[PURPOSE_MAX];
    uint8_t ref[ID_BYTES]; /* offer_ref and the like; zero when unused */
    uint32_t reason;       /* a value of the body's enum; 0 when it has none */
    uint64_t classes;      /* kinds of data the body lists; 0: none */
};
enum deadline_kind {
    DEADLINE_NONE,
    DEADLINE_FIRST_ANSWER, /* T22: first human answer */
    DEADLINE_FIRST_OFFER,  /* T22: canvass without an offer -> escalate */
    DEADLINE_OFFER_HOLD,   /* an offer's hold_until */
    DEADLINE_FILING_DUE,   /* T05/T06: warn about a filing */
    DEADLINE_CONSENT_END,  /* a consent's last day */
    DEADLINE_INTRO_REPLY,
    /* of a person, not of a case; ref: the consent's or the glass's */
    DEADLINE_CONSENT_REMIND, /* a consent ends soon */
    DEADLINE_PAPER_DUE,      /* the paper after an oral consent */
    DEADLINE_ASK_AGAIN,      /* a deferred consent */
    DEADLINE_GLASS_END,
    DEADLINE_GLASS_REVIEW
};
struct deadline_change {
    enum deadline_kind kind;
    bool start; /* false: stop */
    uint64_t due_ms;
    uint8_t ref[ID_BYTES]; /* zero when stopping: every one of the kind */
};
#define MAX_DEADLINES 8
enum grant_change {
    GRANT_NO_CHANGE,
    GRANT_ADD,
    GRANT_WITHDRAW,
    GRANT_WITHDRAW_ALL
};
enum person_change { PERSON_NO_CHANGE, PERSON_PLACES, PERSON_PROTECT };
enum glass_change {
    GLASS_NO_CHANGE,
    GLASS_OPEN,
    GLASS_EXTEND,
    GLASS_CLOSE, /* its time is over */
    GLASS_REVIEW,
    GLASS_OVERDUE /* nobody judged it in time */
};

struct effects {
    enum err refuse; /* ERR_OK: accepted (perhaps late) */
    bool late;       /* kept and answered, not applied (I-8) */
    bool park;       /* accepted, waits for a person (I-10) */
    struct recipient to[MAX_RECIPIENTS];
    size_t to_count;
    struct hub_event hub[MAX_HUB_EVENTS];
    size_t hub_count;
    struct deadline_change deadline[MAX_DEADLINES];
    size_t deadline_count;
    enum grant_change grant_change;
    struct grant grant;           /* added, or (ref only) withdrawn */
    uint8_t supersedes[ID_BYTES]; /* GRANT_ADD: replaces this one; or 0 */
    enum person_change person_change;
    struct places places; /* PERSON_PLACES: all four as they are now */
    bool protect;         /* PERSON_PROTECT: on or off */
    enum glass_change glass_change;
    struct glass glass;   /* as it is now, whole; BREAK_GLASS_NOTICE tells it */
    bool recall_papers;   /* the meeting closed: what its members hold */
    Pb__CaseState *state; /* the next state, owned; NULL: unchanged */
};
/* Decides. Never fails: trouble is in effects.refuse. */
void step(const struct facts *f, const struct event *e, uint64_t now_ms,
          struct effects *out);
/* Whom an event would reach and with what, as the case stands, without a look
 * at its content (body is not read): recipients of out only. */
void step_preview(const struct facts *f, const struct event *e, uint64_t now_ms,
                  struct effects *out);
/* A deadline that fell due on a case or on a person (no case): hub events and
 * the next state only. What relied on a consent that ended, or on a glass, is
 * decided again by the caller. */
void step_deadline(const struct facts *f, enum deadline_kind kind,
                   const uint8_t ref[ID_BYTES], uint64_t now_ms,
                   struct effects *out);
void effects_fini(struct effects *fx);

/* What is asked about one recipient of an event. */
struct question {
    const struct schema_message *type;
    const char *variant; /* "" when it has none */
    const struct agency *to;
    const char *role; /* that is wanted; "" or NULL: any it has */
    const char *purpose;
    uint64_t present; /* classes with content */
    /* A person of the recipient who reads it (16 bytes): what was opened by
     * break-glass is for the one who opened it. NULL: it is released. */
    const uint8_t *reader;
};
/* The same decision again, when a delivery is released or read. f->sender is
 * the node the event came from, NULL when the event is the hub's own. */
void step_again(const struct facts *f, const struct question *q,
                uint64_t now_ms, struct decision *out);
#endif
