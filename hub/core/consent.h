/* consent.h - what a person agreed to or refused, as facts for a decision. */
#ifndef TSUNAGI_CORE_CONSENT_H
#define TSUNAGI_CORE_CONSENT_H
#include "hub/core/registry.h"
#include "proto/base/date.h"
#include "proto/base/id.h"
#include "proto/wire/schema.h"
#include "tsunagi/v1/consent.pb-c.h"

/* Who gets one of these knows whom it is about, and may hold a token. */
#define NAMES_PERSON                                                           \
    (class_bit(PB__DATA_CLASS__G_ID) | class_bit(PB__DATA_CLASS__G_NAME))
#define PURPOSE_MAX 16
#define GRANT_RECIPIENTS 32
struct grant_recipient {
    char agency[AGENCY_MAX]; /* or "" and role at place */
    char role[ROLE_MAX];
    char place[6];
};
#define GRANT_EXCEPT 8
/* DEFERRED: the person could not be asked; it neither permits nor refuses. */
enum grant_kind { GRANT_GIVEN, GRANT_REFUSED, GRANT_DEFERRED };
/* One entry of a person's register. A plain value; kept by the store. Whether
 * it is in force is never stored: the days and the leaves say it. */
struct grant {
    uint8_t ref[ID_BYTES];
    enum grant_kind kind;
    bool withdrawn;  /* a consent taken back: refuses what it covered */
    bool superseded; /* replaced by a later one: silent, holders not told */
    bool third;      /* given by a third person, of that person's own data */
    bool paper;      /* a paper or an electronic signature is behind it */
    char purpose[PURPOSE_MAX];
    struct grant_recipient to[GRANT_RECIPIENTS];
    size_t to_count;                             /* 0 in a refusal: everyone */
    struct grant_recipient except[GRANT_EXCEPT]; /* never these */
    size_t except_count;
    uint64_t classes;           /* 0 in a refusal: everything */
    int32_t from_day, to_day;   /* days since 1970 in Japan, inclusive */
    char collector[AGENCY_MAX]; /* who recorded it; told of its end */
    uint64_t leaf;              /* its leaf in the log */
    uint64_t withdrawn_leaf;    /* the leaf that took it back; 0: none */
    uint64_t until_leaf;        /* the leaf that ended it when it was replaced,
                                   just before or at its successor's; 0: none */
};
/* The register as it stood just before a leaf: for a replay. out has room for
 * n; returns how many there were, in the order of all. */
size_t grants_at(const struct grant *all, size_t n, uint64_t leaf,
                 struct grant *out);

/* What a consent is held against when it is recorded. */
struct grant_terms {
    uint64_t now_ms;
    uint64_t third;                 /* classes of third persons' data */
    int64_t longest_days;           /* from its first day, or from today */
    const struct agency *collector; /* records it */
};
/* Reads the body of CONSENT_GIVEN. ERR_VAL_CONSENT_SCOPE: not one purpose,
 * recipients by name or by role in one municipality, kinds of data and a last
 * day; _LONG; _GIVER: family of an adult, a representative without the paper,
 * nobody; _MINOR: not asked, or disagrees; _THIRD: a third person's data mixed
 * with others'; _EVIDENCE: no method, no text explained, no paper - who records
 * a consent that names itself needs the signed paper, by its hash. */
enum err grant_from_given(const Pb__ConsentGiven *b,
                          const struct grant_terms *t,
                          struct grant *out) MUST_CHECK;
/* Of CONSENT_REFUSED, which needs no more than a purpose. ref (16 bytes) is
 * its number when the body has none: the event's. */
enum err grant_from_refused(const Pb__ConsentRefused *b, const uint8_t *ref,
                            const struct grant_terms *t,
                            struct grant *out) MUST_CHECK;
/* Of CONSENT_DEFERRED: to_day is the day to ask again. */
enum err grant_from_deferred(const Pb__ConsentDeferred *b, const uint8_t *ref,
                             const struct grant_terms *t,
                             struct grant *out) MUST_CHECK;
/* In force now: given, not withdrawn, inside its dates; a withdrawn consent
 * acts as a refusal of exactly what it had covered. */
bool grant_in_force(const struct grant *g, uint64_t now_ms);
bool grant_names(const struct grant *g, const struct agency *a);
/* -1 or the index of the first grant in force that covers it. third: the class
 * is a third person's data, which needs a grant of a third person and, beside
 * it, any grant of the person's side that names a for the purpose; any other
 * class needs one of the person's side. */
int consent_covering(const struct grant *g, size_t n, const struct agency *a,
                     const char *purpose, unsigned cls, bool third,
                     uint64_t now_ms);
/* -1 or the index of a live refusal or withdrawal that covers it. A consent
 * in force whose leaf is later than the no lifts it for what it covers itself,
 * on the same side; a person's no to everything is lifted for third persons'
 * classes by any later consent of the person to a for the purpose. A third
 * person's no speaks for those classes only. */
int consent_refusing(const struct grant *g, size_t n, const struct agency *a,
                     const char *purpose, unsigned cls, bool third,
                     uint64_t now_ms);
#endif
