/* glass.h - break-glass (緊急閲覧): a member of staff opens data without the
 * person's consent because life or body is in danger.
 *
 * Opened by one person of one agency, about one person, for named classes
 * within breakglass.tsv, for an hour at most and once longer. Everybody who
 * watches is told at once, and somebody of another agency judges it within 72
 * hours; until that is done in time, whoever opened it opens nothing more. */
#ifndef TSUNAGI_CORE_GLASS_H
#define TSUNAGI_CORE_GLASS_H
#include "hub/core/consent.h"

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
    uint64_t classes, opened_ms, until_ms, review_due_ms;
    bool extended;
    enum glass_verdict verdict;
    char reviewer[AGENCY_MAX]; /* "" until reviewed */
    uint64_t leaf;             /* its BREAKGLASS_OPEN */
};
/* What the hub remembers of whoever opens. */
#define GLASS_TEXTS 5
struct glass_actor {
    uint8_t text_sha256[GLASS_TEXTS][32]; /* newest first, keyed by the hub */
    size_t texts;
    uint8_t now_sha256[32]; /* the text of this event, keyed alike */
    bool suspended;         /* a review of this person's is overdue */
};
/* Open at this moment. */
bool glass_live(const struct glass *g, uint64_t now_ms);
/* A verdict that ends the duty to review. */
bool glass_reviewed(const struct glass *g);
/* The live one of an agency that was opened last; actor NULL: by anybody of
 * it. NULL: none. */
const struct glass *glass_of(const struct glass *all, size_t n,
                             const char *agency, const uint8_t *actor,
                             uint64_t now_ms);
#endif
