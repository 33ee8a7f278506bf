/* glass.h - break-glass (緊急閲覧): a member of staff opens data without the
 * person's consent because life or body is in danger.
 *
 * Opened by one person of one agency, about one person, for named classes
 * within breakglass.tsv, for an hour at most and once longer. Everybody who
 * watches is told at once, and somebody of another agency judges it within 72
 * hours; until that is done, whoever opened it opens nothing more. */
#ifndef TSUNAGI_CORE_GLASS_H
#define TSUNAGI_CORE_GLASS_H
#include "hub/core/policy.h"
#include "proto/wire/event.h"

#define GLASS_REASON_MAX 24
#define GLASS_TEXTS 5 /* remembered of a person, at most */
#define GLASS_TEXT_BYTES 16

enum glass_verdict {
    GLASS_UNREVIEWED,
    GLASS_JUSTIFIED,
    GLASS_NOT_JUSTIFIED,
    GLASS_TRAINING,
    GLASS_NEED_INFO /* asked back: the review is still due */
};
/* One opening. A plain value; kept by the store with the person it is about.
 * The free text stays in the event, sealed. */
struct glass {
    uint8_t ref[ID_BYTES];
    char agency[AGENCY_MAX], role[ROLE_MAX]; /* of the opener */
    uint8_t actor[ID_BYTES];                 /* the agency's handle for staff */
    char reason[GLASS_REASON_MAX];           /* LIFE_SELF ... */
    uint64_t classes, opened_ms, until_ms, review_due_ms;
    bool extended;
    enum glass_verdict verdict;
    char reviewer[AGENCY_MAX]; /* "" until reviewed */
    uint64_t leaf;             /* its BREAKGLASS_OPEN */
};
/* What the hub remembers of whoever opens: an agency and its handle. Texts are
 * compared by hashes that are keyed by the hub, of glass_text_key. */
struct glass_actor {
    uint8_t text[GLASS_TEXTS][GLASS_TEXT_BYTES]; /* the newest first */
    size_t texts;
    uint8_t now[GLASS_TEXT_BYTES]; /* the text of the event at hand */
    bool suspended;                /* a review of this person is overdue */
};

/* ---- facts about openings ---- */

/* Open at this moment. */
bool glass_live(const struct glass *g, uint64_t now_ms);
/* A verdict that ends the duty to review. */
bool glass_reviewed(const struct glass *g);
/* The one under which an event passes from one agency to another: the
 * recipient's own, or the sender's when it asks about the person. from NULL:
 * the hub. reader: who reads it at the recipient, to whom alone it is open;
 * NULL: nobody yet. *classes: what it opens there. NULL: none. */
struct glass_way {
    uint32_t event;
    const char *from, *to;
    const uint8_t *reader;
};
const struct glass *glass_between(const struct glass *all, size_t n,
                                  const struct glass_way *way, uint64_t now_ms,
                                  uint64_t *classes);
/* Whether anything of a decision was released because of a break-glass. */
bool glass_relied_on(const struct policy *p, const struct decision *d);
/* What counts as the same text: without spaces, in one form. Appends. */
enum err glass_text_key(struct slice utf8, struct buf *out) MUST_CHECK;

/* ---- for step.c ---- */

struct facts;
struct effects;
/* What a break-glass event does. Nothing for any other event. */
void glass_event(const struct facts *f, const struct event *e, uint64_t now_ms,
                 struct effects *fx);
/* Questions at night and their answers, once recipients are decided. Whoever
 * was asked under a break-glass is told of it; a question that cites one which
 * is not the asker's and open is refused, and so is an answer to anybody but
 * the one who asked. */
void glass_asked(const struct facts *f, const struct event *e, uint64_t now_ms,
                 struct effects *fx);
/* DEADLINE_GLASS_END and DEADLINE_GLASS_REVIEW. */
void glass_due(const struct facts *f, uint32_t kind,
               const uint8_t ref[ID_BYTES], struct effects *fx);
#endif
