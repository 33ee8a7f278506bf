/* consent.h - what a person agreed to or refused, as facts for a decision. */
#ifndef TSUNAGI_CORE_CONSENT_H
#define TSUNAGI_CORE_CONSENT_H
#include "hub/core/registry.h"
#include "proto/base/date.h"
#include "proto/base/id.h"
#include "tsunagi/v1/consent.pb-c.h"

#define PURPOSE_MAX 16
#define GRANT_RECIPIENTS 32
struct grant_recipient {
    char agency[AGENCY_MAX]; /* or "" and role at place */
    char role[ROLE_MAX];
    char place[6];
};
enum grant_kind { GRANT_GIVEN, GRANT_REFUSED };
/* One consent or refusal. A plain value; kept by the store. */
struct grant {
    uint8_t ref[ID_BYTES];
    enum grant_kind kind;
    bool withdrawn; /* or superseded */
    char purpose[PURPOSE_MAX];
    struct grant_recipient to[GRANT_RECIPIENTS];
    size_t to_count;          /* 0 in a refusal: everyone */
    uint64_t classes;         /* 0 in a refusal: everything */
    int32_t from_day, to_day; /* days since 1970 in Japan, inclusive */
    uint64_t leaf;            /* its leaf in the log */
};
/* Reads the body of CONSENT_GIVEN / CONSENT_REFUSED. ERR_VAL_CONSENT_SCOPE. */
enum err grant_from_given(const Pb__ConsentGiven *b,
                          struct grant *out) MUST_CHECK;
enum err grant_from_refused(const Pb__ConsentRefused *b, uint64_t now_ms,
                            struct grant *out) MUST_CHECK;
/* In force now: given, not withdrawn, inside its dates; a withdrawn consent
 * acts as a refusal of exactly what it had covered. */
bool grant_in_force(const struct grant *g, uint64_t now_ms);
bool grant_names(const struct grant *g, const struct agency *a);
/* -1 or the index of the first grant in force that covers it. */
int consent_covering(const struct grant *g, size_t n, const struct agency *a,
                     const char *purpose, unsigned cls, uint64_t now_ms);
/* -1 or the index of a live refusal or withdrawal that covers it. A later
 * consent for the same purpose supersedes an earlier refusal (by leaf). */
int consent_refusing(const struct grant *g, size_t n, const struct agency *a,
                     const char *purpose, unsigned cls, uint64_t now_ms);
#endif
