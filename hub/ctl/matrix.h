/* matrix.h - every situation that a policy tells apart, one after another.
 *
 * A situation is an event (with its variant), a purpose, one role of the
 * recipient and a set of facts; all classes of the event are asked for. Of the
 * facts only those are varied that a rule about this event, purpose and role
 * names, so the enumeration is complete and still small. matrix, diff, lint
 * and the coverage of cases all walk through here. Pure. */
#ifndef TSUNAGI_CTL_MATRIX_H
#define TSUNAGI_CTL_MATRIX_H
#include "hub/core/policy.h"

struct situation {
    const struct schema_message *event;
    const char *variant; /* "" when it has none */
    const char *purpose, *role;
    unsigned predicates;
    bool consent;    /* one in force covers everything, of the right giver */
    bool own_only;   /* the person's alone, not that of third persons */
    bool asked_only; /* it names what is asked for and nothing else */
    bool refused;    /* everything, and later than that consent */
    uint64_t classes;
};
/* False ends the walk. */
typedef bool matrix_each(void *ctx, const struct situation *s);
/* Walks through all situations that any of n policies tells apart; in order of
 * the schema's events, the first policy's purposes and roles, and from few
 * facts to many. ERR_NOMEM. */
enum err matrix_walk(const struct policy *const *p, size_t n, matrix_each *each,
                     void *ctx) MUST_CHECK;
/* What a policy decides there. A meeting's call named every class, and a
 * break-glass was opened for every one: the rules alone decide. */
void matrix_decide(const struct policy *p, const struct situation *s,
                   uint64_t now_ms, struct decision *out);

/* Every event and variant (and each event with none): event, variant and
 * classes are set, all that the event can hold. */
void matrix_events(matrix_each *each, void *ctx);

/* Appends the facts as words by spaces: predicates, then `consent` (or
 * `consent_own`: the person's alone, or `consent_asked`: to what is asked for
 * and no more), `refused`. */
void matrix_words(const struct situation *s, struct buf *out);
/* Reads such words into s; false for an unknown one. */
bool matrix_read_words(const char *words, struct situation *s);
/* How many facts. */
unsigned matrix_facts(const struct situation *s);
/* Appends NAME or NAME:VARIANT. */
void matrix_event(const struct situation *s, struct buf *out);
#endif
