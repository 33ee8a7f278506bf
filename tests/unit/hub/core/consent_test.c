/* Consents and refusals: how they are read, when and for whom they speak. */
#include "hub/core/consent.h"
#include "proto/wire/schema.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NOON(day) ((uint64_t)(day)*DAY_MS + 3 * 3600000ull)
#define ID (1ull << 2)
#define ADM (1ull << 8)

/* ---- reading -------------------------------------------------------------*/

static uint8_t ref[ID_BYTES] = {1, 2, 3};
static char agency[] = "WO-4931000014", role[] = "R_PLAN", place[] = "49201",
            bad_place[] = "492019", purpose[] = "P_TRA",
            long_purpose[] = "P_THE_LONGEST_ONE", from[] = "2026-04-01",
            to[] = "令和8年9月30日", month[] = "2026-09", far[] = "2036-04-01",
            no_day[] = "2026-02-30", empty[] = "", two_years[] = "2028-04-01",
            longer[] = "2028-04-02", version[] = "2026-04";
static uint8_t hash[32] = {9};
#define GUARD (1ull << PB__DATA_CLASS__G_GUARD)
static const struct agency H1 = {
    .code = "MI-4910100017", .role = {"R_HOSP"}, .place = {"49201"}};
static const struct agency P1_ITSELF = {
    .code = "WO-4931000014", .role = {"R_LOCAL", "R_PLAN"}, .place = {"49201"}};
/* 2026-04-01 */
static const struct grant_terms TERMS = {.now_ms = NOON(20544),
                                         .third = GUARD,
                                         .longest_days = 731,
                                         .collector = &H1};

/* A good consent, of which a case spoils one thing. */
struct draft {
    Pb__ConsentGiven b;
    Pb__ConsentRecipient r[GRANT_RECIPIENTS + 1];
    Pb__ConsentRecipient *rp[GRANT_RECIPIENTS + 1];
    Pb__DataClass c[2];
    Pb__Date from, to;
};

static void make(struct draft *d)
{
    pb__consent_given__init(&d->b);
    for (size_t i = 0; i < NELEM(d->r); i++) {
        pb__consent_recipient__init(&d->r[i]);
        d->r[i].agency = agency;
        d->rp[i] = &d->r[i];
    }
    pb__date__init(&d->from);
    pb__date__init(&d->to);
    d->from.iso = from;
    d->to.iso = to;
    d->c[0] = PB__DATA_CLASS__G_ID;
    d->c[1] = PB__DATA_CLASS__G_ADM;
    d->b.has_consent_ref = 1;
    d->b.consent_ref = (ProtobufCBinaryData){ID_BYTES, ref};
    d->b.purpose = purpose;
    d->b.recipient = d->rp;
    d->b.n_recipient = 1;
    d->b.classes = d->c;
    d->b.n_classes = 2;
    d->b.valid_from = &d->from;
    d->b.valid_to = &d->to;
    d->b.has_giver = d->b.has_method = d->b.has_paper_sha256 = 1;
    d->b.giver = PB__CONSENT_GIVER__SELF;
    d->b.method = PB__CONSENT_METHOD__PAPER;
    d->b.paper_sha256 = (ProtobufCBinaryData){sizeof(hash), hash};
    d->b.text_version = version;
}

enum spoil {
    NOTHING,
    NO_REF,
    SHORT_REF,
    NO_PURPOSE,
    LONG_PURPOSE,
    NO_RECIPIENT,
    MANY_RECIPIENTS,
    MOST_RECIPIENTS,
    BY_ROLE,
    ROLE_ANYWHERE,
    BAD_PLACE,
    AGENCY_AND_ROLE,
    NOBODY,
    NO_CLASS,
    CLASS_ZERO,
    CLASS_UNKNOWN,
    NO_END,
    END_BY_MONTH,
    END_NO_DAY,
    END_TOO_FAR,
    END_BEFORE,
    NO_START,
    TWO_YEARS,
    LONGER,
    LONGER_FROM_TODAY,
    EXCEPT_ONE,
    EXCEPT_ALL,
};

static void spoil(struct draft *d, enum spoil s)
{
    switch (s) {
    case NOTHING:
        break;
    case NO_REF:
        d->b.consent_ref.len = 0;
        break;
    case SHORT_REF:
        d->b.consent_ref.len = 8;
        break;
    case NO_PURPOSE:
        d->b.purpose = NULL;
        break;
    case LONG_PURPOSE:
        d->b.purpose = long_purpose;
        break;
    case NO_RECIPIENT:
        d->b.n_recipient = 0;
        break;
    case MANY_RECIPIENTS:
        d->b.n_recipient = GRANT_RECIPIENTS + 1;
        break;
    case MOST_RECIPIENTS:
        d->b.n_recipient = GRANT_RECIPIENTS;
        break;
    case BY_ROLE:
        d->r[0].agency = empty;
        d->r[0].role = role;
        d->r[0].place = place;
        break;
    case ROLE_ANYWHERE:
        d->r[0].agency = NULL;
        d->r[0].role = role;
        break;
    case BAD_PLACE:
        d->r[0].agency = NULL;
        d->r[0].role = role;
        d->r[0].place = bad_place;
        break;
    case AGENCY_AND_ROLE:
        d->r[0].role = role;
        break;
    case NOBODY:
        d->r[0].agency = NULL;
        break;
    case NO_CLASS:
        d->b.n_classes = 0;
        break;
    case CLASS_ZERO:
        d->c[1] = PB__DATA_CLASS__DATA_CLASS_UNSPECIFIED;
        break;
    case CLASS_UNKNOWN:
        d->c[1] = (Pb__DataClass)63;
        break;
    case NO_END:
        d->b.valid_to = NULL;
        break;
    case END_BY_MONTH:
        d->to.iso = month;
        break;
    case END_NO_DAY:
        d->to.iso = no_day;
        break;
    case END_TOO_FAR:
        d->to.iso = far;
        break;
    case END_BEFORE:
        d->from.iso = to;
        d->to.iso = from;
        break;
    case NO_START:
        d->b.valid_from = NULL;
        break;
    case TWO_YEARS:
        d->to.iso = two_years;
        break;
    case LONGER_FROM_TODAY:
        d->b.valid_from = NULL;
        d->to.iso = longer;
        break;
    case LONGER:
        d->to.iso = longer;
        break;
    case EXCEPT_ONE:
        d->b.except = d->rp;
        d->b.n_except = 1;
        break;
    case EXCEPT_ALL:
        d->b.except = d->rp;
        d->b.n_except = GRANT_EXCEPT + 1;
        break;
    }
}

#define SCOPE ERR_VAL_CONSENT_SCOPE
static const struct {
    const char *name;
    enum spoil spoil;
    enum err want;
} READING[] = {
    {"a whole consent", NOTHING, ERR_OK},
    {"without its number", NO_REF, SCOPE},
    {"with half a number", SHORT_REF, SCOPE},
    {"without purpose", NO_PURPOSE, SCOPE},
    {"with a purpose longer than any", LONG_PURPOSE, SCOPE},
    {"to nobody named", NO_RECIPIENT, SCOPE},
    {"to more than a consent can name", MANY_RECIPIENTS, SCOPE},
    {"to as many as it can name", MOST_RECIPIENTS, ERR_OK},
    {"to a role in a municipality", BY_ROLE, ERR_OK},
    {"to a role anywhere", ROLE_ANYWHERE, SCOPE},
    {"to a role at no such place", BAD_PLACE, SCOPE},
    {"to an agency and a role in one", AGENCY_AND_ROLE, SCOPE},
    {"to an empty recipient", NOBODY, SCOPE},
    {"of no kind of data", NO_CLASS, SCOPE},
    {"of the class that is none", CLASS_ZERO, SCOPE},
    {"of a class nobody knows", CLASS_UNKNOWN, SCOPE},
    {"without end", NO_END, SCOPE},
    {"ending some day of a month", END_BY_MONTH, SCOPE},
    {"ending on a day that is none", END_NO_DAY, SCOPE},
    {"ending after ten years", END_TOO_FAR, ERR_VAL_CONSENT_LONG},
    {"ending before it starts", END_BEFORE, SCOPE},
    {"starting at once", NO_START, ERR_OK},
    {"for two years", TWO_YEARS, ERR_OK},
    {"for a day more", LONGER, ERR_VAL_CONSENT_LONG},
    {"for a day more from today", LONGER_FROM_TODAY, ERR_VAL_CONSENT_LONG},
    {"with an exception", EXCEPT_ONE, ERR_OK},
    {"with more exceptions than it can name", EXCEPT_ALL, SCOPE},
};

static void
a_consent_has_one_purpose_recipients_classes_and_an_end(void **state)
{
    (void)state;
    for (size_t i = 0; i < NELEM(READING); i++) {
        struct draft d;
        struct grant g;
        make(&d);
        spoil(&d, READING[i].spoil);
        enum err e = grant_from_given(&d.b, &TERMS, &g);
        if (e != READING[i].want)
            fail_msg("%s: %s", READING[i].name, err_code(e));
    }
}

/* ---- who gives it, and the evidence --------------------------------------*/

enum { NOT_SAID, AGREES, DISAGREES, CANNOT_SAY };
static const struct {
    const char *name;
    int giver, method, minor, view;
    bool authority, paper, text, third; /* third: of G_GUARD alone */
    const struct agency *collector;
    enum err want;
} GIVING[] = {
    /* clang-format off */
    /* giver method minor view rep paper text third */
    {"the person, on paper", 1, 1, 0, 0, false, true, true, false, &H1, ERR_OK},
    {"by nobody", 0, 1, 0, 0, false, true, true, false, &H1, ERR_VAL_CONSENT_GIVER},
    {"by a giver nobody knows", 9, 1, 0, 0, false, true, true, false, &H1, ERR_VAL_CONSENT_GIVER},
    {"a representative with the paper that says so", 2, 1, 0, 0, true, true, true, false, &H1, ERR_OK},
    {"a representative without it", 2, 1, 0, 0, false, true, true, false, &H1, ERR_VAL_CONSENT_GIVER},
    {"a parent of a minor who agrees", 3, 1, 1, AGREES, false, true, true, false, &H1, ERR_OK},
    {"a parent of a minor who cannot say", 3, 1, 1, CANNOT_SAY, false, true, true, false, &H1, ERR_OK},
    {"a parent of a minor who disagrees", 3, 1, 1, DISAGREES, false, true, true, false, &H1, ERR_VAL_CONSENT_MINOR},
    {"a parent of a minor who was not asked", 3, 1, 1, NOT_SAID, false, true, true, false, &H1, ERR_VAL_CONSENT_MINOR},
    {"family cannot consent for an adult", 3, 1, 0, AGREES, false, true, true, false, &H1, ERR_VAL_CONSENT_GIVER},
    {"a representative of a minor who was not asked", 2, 1, 1, NOT_SAID, true, true, true, false, &H1, ERR_VAL_CONSENT_MINOR},
    {"a minor who speaks for itself", 1, 1, 1, NOT_SAID, false, true, true, false, &H1, ERR_OK},
    {"a minor who disagrees", 1, 1, 1, DISAGREES, false, true, true, false, &H1, ERR_VAL_CONSENT_MINOR},
    {"a third person, of its own data", 4, 1, 0, 0, false, true, true, true, &H1, ERR_OK},
    {"a third person, of the person's", 4, 1, 0, 0, false, true, true, false, &H1, ERR_VAL_CONSENT_THIRD},
    {"the person, of a third's", 1, 1, 0, 0, false, true, true, true, &H1, ERR_VAL_CONSENT_THIRD},
    {"a parent, of a third's", 3, 1, 1, AGREES, false, true, true, true, &H1, ERR_VAL_CONSENT_THIRD},
    {"on paper, without the paper", 1, 1, 0, 0, false, false, true, false, &H1, ERR_VAL_CONSENT_EVIDENCE},
    {"signed in a file", 1, 2, 0, 0, false, true, true, false, &H1, ERR_OK},
    {"by word of mouth", 1, 3, 0, 0, false, false, true, false, &H1, ERR_OK},
    {"in no known way", 1, 0, 0, 0, false, true, true, false, &H1, ERR_VAL_CONSENT_EVIDENCE},
    {"without the text explained", 1, 1, 0, 0, false, true, false, false, &H1, ERR_VAL_CONSENT_EVIDENCE},
    {"to whoever records it, on paper", 1, 1, 0, 0, false, true, true, false, &P1_ITSELF, ERR_OK},
    {"to whoever records it, by word of mouth", 1, 3, 0, 0, false, false, true, false, &P1_ITSELF, ERR_VAL_CONSENT_EVIDENCE},
    {"even with some hash", 1, 3, 0, 0, false, true, true, false, &P1_ITSELF, ERR_VAL_CONSENT_EVIDENCE},
    {"to whoever records it, signed in no file", 1, 2, 0, 0, false, false, true, false, &P1_ITSELF, ERR_VAL_CONSENT_EVIDENCE},
}; /* clang-format on */

static void who_gives_it_and_how_are_checked(void **state)
{
    (void)state;
    for (size_t i = 0; i < NELEM(GIVING); i++) {
        struct draft d;
        struct grant g;
        struct grant_terms t = TERMS;
        make(&d);
        t.collector = GIVING[i].collector;
        d.b.giver = (Pb__ConsentGiver)GIVING[i].giver;
        d.b.method = (Pb__ConsentMethod)GIVING[i].method;
        d.b.has_minor = d.b.minor = GIVING[i].minor;
        d.b.has_minor_view = GIVING[i].view != NOT_SAID;
        d.b.minor_view = (Pb__MinorView)GIVING[i].view;
        d.b.has_authority_sha256 = GIVING[i].authority;
        d.b.authority_sha256 = (ProtobufCBinaryData){sizeof(hash), hash};
        d.b.has_paper_sha256 = GIVING[i].paper;
        d.b.text_version = GIVING[i].text ? version : NULL;
        if (GIVING[i].third) {
            d.c[0] = PB__DATA_CLASS__G_GUARD;
            d.b.n_classes = 1;
        }
        enum err e = grant_from_given(&d.b, &t, &g);
        if (e != GIVING[i].want)
            fail_msg("%s: %s", GIVING[i].name, err_code(e));
        if (e == ERR_OK &&
            (g.third != GIVING[i].third || g.paper != (GIVING[i].method != 3) ||
             strcmp(g.collector, t.collector->code) != 0))
            fail_msg("%s: what was read", GIVING[i].name);
    }
}

static void a_hash_has_32_bytes(void **state)
{
    (void)state;
    struct draft d;
    struct grant g;
    make(&d);
    d.b.paper_sha256.len = 31;
    assert_int_equal(grant_from_given(&d.b, &TERMS, &g),
                     ERR_VAL_CONSENT_EVIDENCE);
    make(&d);
    d.b.giver = PB__CONSENT_GIVER__STATUTORY_REP;
    d.b.has_authority_sha256 = 1;
    d.b.authority_sha256 = (ProtobufCBinaryData){31, hash};
    assert_int_equal(grant_from_given(&d.b, &TERMS, &g), ERR_VAL_CONSENT_GIVER);
}

static void a_deferral_keeps_the_day_to_ask_again(void **state)
{
    (void)state;
    struct grant g;
    Pb__Date again = PB__DATE__INIT;
    Pb__ConsentDeferred b = PB__CONSENT_DEFERRED__INIT;
    b.purpose = purpose;
    assert_int_equal(grant_from_deferred(&b, ref, &TERMS, &g),
                     ERR_VAL_REQUIRED);
    again.iso = to;
    b.ask_again_on = &again;
    assert_int_equal(grant_from_deferred(&b, ref, &TERMS, &g), ERR_OK);
    struct date day = {.year = 2026, .month = 9, .day = 30};
    assert_int_equal(g.kind, GRANT_DEFERRED);
    assert_int_equal(g.to_day, date_days(day));
    assert_memory_equal(g.ref, ref, ID_BYTES);
    assert_int_equal(
        consent_refusing(&g, 1, &P1_ITSELF, "P_TRA", 2, false, TERMS.now_ms),
        -1);
    assert_int_equal(
        consent_covering(&g, 1, &P1_ITSELF, "P_TRA", 2, false, TERMS.now_ms),
        -1);
}

static void what_was_read_is_what_was_said(void **state)
{
    (void)state;
    struct draft d;
    struct grant g;
    make(&d);
    spoil(&d, BY_ROLE);
    d.b.n_recipient = 2;
    assert_int_equal(grant_from_given(&d.b, &TERMS, &g), ERR_OK);
    assert_memory_equal(g.ref, ref, ID_BYTES);
    assert_int_equal(g.kind, GRANT_GIVEN);
    assert_false(g.withdrawn);
    assert_string_equal(g.purpose, "P_TRA");
    assert_int_equal(g.to_count, 2);
    assert_string_equal(g.to[0].role, "R_PLAN");
    assert_string_equal(g.to[0].place, "49201");
    assert_string_equal(g.to[1].agency, "WO-4931000014");
    assert_int_equal(g.classes, ID | ADM);
    struct date first = {.year = 2026, .month = 4, .day = 1};
    struct date last = {.year = 2026, .month = 9, .day = 30};
    assert_int_equal(g.from_day, date_days(first));
    assert_int_equal(g.to_day, date_days(last));
}

static void a_refusal_needs_no_more_than_a_purpose(void **state)
{
    (void)state;
    Pb__ConsentRefused b = PB__CONSENT_REFUSED__INIT;
    struct grant g;
    struct grant_terms t = TERMS;
    t.now_ms = NOON(100);
    assert_int_equal(grant_from_refused(&b, ref, &t, &g),
                     ERR_VAL_CONSENT_SCOPE); /* no purpose */
    b.purpose = purpose;
    assert_int_equal(grant_from_refused(&b, ref, &t, &g), ERR_OK);
    assert_memory_equal(g.ref, ref, ID_BYTES);
    assert_int_equal(g.kind, GRANT_REFUSED);
    assert_int_equal(g.to_count, 0);
    assert_int_equal(g.classes, 0);
    assert_int_equal(g.from_day, 100);
    struct agency anyone = {.code = "OW-X"};
    assert_int_equal(
        consent_refusing(&g, 1, &anyone, "P_TRA", 2, false, NOON(100000)), 0);
    assert_int_equal(
        consent_covering(&g, 1, &anyone, "P_TRA", 2, false, NOON(100)), -1);
    assert_false(grant_in_force(&g, NOON(100)));
    uint8_t own[ID_BYTES] = {4};
    b.has_consent_ref = 1;
    b.consent_ref = (ProtobufCBinaryData){ID_BYTES, own};
    assert_int_equal(grant_from_refused(&b, ref, &t, &g), ERR_OK);
    assert_memory_equal(g.ref, own, ID_BYTES);
    b.consent_ref.len = 1;
    assert_int_equal(grant_from_refused(&b, ref, &t, &g),
                     ERR_VAL_CONSENT_SCOPE);
}

static void a_third_person_refuses_for_its_own_data(void **state)
{
    (void)state;
    Pb__DataClass c[] = {PB__DATA_CLASS__G_GUARD, PB__DATA_CLASS__G_ID};
    Pb__ConsentRefused b = PB__CONSENT_REFUSED__INIT;
    struct grant g;
    b.purpose = purpose;
    b.giver = PB__CONSENT_GIVER__THIRD_PERSON;
    b.has_giver = 1;
    b.classes = c;
    b.n_classes = 1;
    assert_int_equal(grant_from_refused(&b, ref, &TERMS, &g), ERR_OK);
    assert_true(g.third);
    b.n_classes = 2;
    assert_int_equal(grant_from_refused(&b, ref, &TERMS, &g),
                     ERR_VAL_CONSENT_THIRD);
}

/* ---- speaking ------------------------------------------------------------*/

/* Days 10 to 20; '+' given, '-' refused, 'w' withdrawn, 'W' withdrawn two
 * leaves later, 'u' refusal undone, 's' superseded, 'S' a no superseded, 'd'
 * deferred; 'T' and 't' a third person's yes and no. */
struct word {
    char what;
    const char *agency, *role, *place; /* all NULL: everyone */
    uint64_t classes, leaf;
};
#define P1 "WO-4931000014", NULL, NULL
#define S1 "WO-4911000018", NULL, NULL
#define ALL NULL, NULL, NULL
#define TG (1ull << 3) /* a class of third persons */

static struct grant grant_of(const struct word *w)
{
    char c = w->what;
    struct grant g = {.kind = strchr("-utS", c) ? GRANT_REFUSED
                              : c == 'd'        ? GRANT_DEFERRED
                                                : GRANT_GIVEN,
                      .withdrawn = c == 'w' || c == 'u' || c == 'W',
                      .superseded = c == 's' || c == 'S',
                      .third = c == 'T' || c == 't',
                      .purpose = "P_TRA",
                      .classes = w->classes,
                      .from_day = 10,
                      .to_day = 20,
                      .leaf = w->leaf,
                      .withdrawn_leaf = c == 'W' ? w->leaf + 2 : 0};
    g.to_count = w->agency != NULL || w->role != NULL;
    if (w->agency != NULL)
        memcpy(g.to[0].agency, w->agency, strlen(w->agency) + 1);
    if (w->role != NULL) {
        memcpy(g.to[0].role, w->role, strlen(w->role) + 1);
        memcpy(g.to[0].place, w->place, 6);
    }
    return g;
}

static const struct {
    const char *name;
    struct word word[3];
    const char *purpose;
    unsigned cls;
    int day;
    int covering, refusing;
} SPEAKING[] = {
    /* clang-format off */
    {"a consent speaks on its days", {{'+', P1, ID, 1}}, "P_TRA", 2, 15, 0, -1},
    {"on its first", {{'+', P1, ID, 1}}, "P_TRA", 2, 10, 0, -1},
    {"on its last", {{'+', P1, ID, 1}}, "P_TRA", 2, 20, 0, -1},
    {"not before", {{'+', P1, ID, 1}}, "P_TRA", 2, 9, -1, -1},
    {"not after", {{'+', P1, ID, 1}}, "P_TRA", 2, 21, -1, -1},
    {"for its classes", {{'+', P1, ID, 1}}, "P_TRA", 8, 15, -1, -1},
    {"for its purpose", {{'+', P1, ID, 1}}, "P_PD", 2, 15, -1, -1},
    {"for its recipient", {{'+', S1, ID, 1}}, "P_TRA", 2, 15, -1, -1},
    {"a role at a place the agency serves", {{'+', NULL, "R_PLAN", "49201", ID, 1}}, "P_TRA", 2, 15, 0, -1},
    {"not at another place", {{'+', NULL, "R_PLAN", "49301", ID, 1}}, "P_TRA", 2, 15, -1, -1},
    {"not another role there", {{'+', NULL, "R_SHORT", "49201", ID, 1}}, "P_TRA", 2, 15, -1, -1},
    {"a consent to nobody is for nobody", {{'+', ALL, ID, 1}}, "P_TRA", 2, 15, -1, -1},
    {"a consent to nothing covers nothing", {{'+', P1, 0, 1}}, "P_TRA", 2, 15, -1, -1},
    {"the first that covers is cited", {{'+', S1, ID, 1}, {'+', P1, ID, 2}, {'+', P1, ID, 3}}, "P_TRA", 2, 15, 1, -1},
    {"a refusal is for everyone and everything", {{'-', ALL, 0, 1}}, "P_TRA", 8, 15, -1, 0},
    {"or for one agency", {{'-', S1, 0, 1}}, "P_TRA", 8, 15, -1, -1},
    {"or for one class", {{'-', ALL, ID, 1}}, "P_TRA", 8, 15, -1, -1},
    {"for its purpose alone", {{'-', ALL, 0, 1}}, "P_PD", 8, 15, -1, -1},
    {"a refusal cannot be withdrawn", {{'u', ALL, 0, 1}}, "P_TRA", 2, 15, -1, 0},
    {"only answered by a later consent", {{'u', ALL, 0, 1}, {'+', P1, ID, 2}}, "P_TRA", 2, 15, 1, -1},
    {"a withdrawn consent refuses what it covered", {{'w', P1, ID, 1}}, "P_TRA", 2, 15, -1, 0},
    {"no other class", {{'w', P1, ID, 1}}, "P_TRA", 8, 15, -1, -1},
    {"no other agency", {{'w', S1, ID, 1}}, "P_TRA", 2, 15, -1, -1},
    {"no later day", {{'w', P1, ID, 1}}, "P_TRA", 2, 21, -1, -1},
    {"a later consent supersedes a refusal", {{'-', ALL, 0, 1}, {'+', P1, ID, 2}}, "P_TRA", 2, 15, 1, -1},
    {"in its own classes", {{'-', ALL, 0, 1}, {'+', P1, ID, 2}}, "P_TRA", 8, 15, -1, 0},
    {"for its own recipients", {{'-', ALL, 0, 1}, {'+', S1, ID, 2}}, "P_TRA", 2, 15, -1, 0},
    {"while it is in force", {{'-', ALL, 0, 1}, {'w', P1, ID, 2}}, "P_TRA", 2, 15, -1, 0},
    {"an earlier consent does not", {{'+', P1, ID, 1}, {'-', ALL, 0, 2}}, "P_TRA", 2, 15, 0, 1},
    {"the order is that of the log, not of the list", {{'+', P1, ID, 2}, {'-', ALL, 0, 1}}, "P_TRA", 2, 15, 0, -1},
    {"a refusal after the new consent counts again", {{'-', ALL, 0, 1}, {'+', P1, ID, 2}, {'-', ALL, ID, 3}}, "P_TRA", 2, 15, 1, 2},
    {"a withdrawal counts from when it was said", {{'W', P1, ID, 1}, {'+', P1, ID, 2}}, "P_TRA", 2, 15, 1, 0},
    {"a consent after it speaks", {{'W', P1, ID, 1}, {'+', P1, ID, 4}}, "P_TRA", 2, 15, 1, -1},
    {"what was replaced is silent", {{'s', P1, ID, 1}}, "P_TRA", 2, 15, -1, -1},
    {"also a no that was replaced", {{'S', ALL, 0, 1}}, "P_TRA", 2, 15, -1, -1},
    {"so is what was put off", {{'d', ALL, 0, 1}}, "P_TRA", 2, 15, -1, -1},
    {"a third's consent covers nothing of the person", {{'T', P1, ID | TG, 1}}, "P_TRA", 2, 15, -1, -1},
    {"nor the person's anything of a third", {{'+', P1, ID | TG, 1}}, "P_TRA", 3, 15, -1, -1},
    {"a third's data pass by both", {{'+', P1, ID, 1}, {'T', P1, TG, 2}}, "P_TRA", 3, 15, 1, -1},
    {"not by the third's alone", {{'T', P1, TG, 1}}, "P_TRA", 3, 15, -1, -1},
    {"not when the person names another", {{'+', S1, ID, 1}, {'T', P1, TG, 2}}, "P_TRA", 3, 15, -1, -1},
    {"a third's no is not the person's", {{'+', P1, ID, 1}, {'t', ALL, 0, 2}}, "P_TRA", 2, 15, 0, -1},
    {"it is for its own data", {{'+', P1, ID, 1}, {'t', ALL, 0, 2}}, "P_TRA", 3, 15, -1, 1},
    {"the person's no is for everything", {{'-', ALL, 0, 2}, {'T', P1, TG, 3}}, "P_TRA", 3, 15, -1, 0},
    {"until the person says yes", {{'-', ALL, 0, 1}, {'T', P1, TG, 2}, {'+', P1, ID, 3}}, "P_TRA", 3, 15, 1, -1},
    {"a third's yes lifts a third's no", {{'+', P1, ID, 1}, {'t', ALL, TG, 2}, {'T', P1, TG, 3}}, "P_TRA", 3, 15, 2, -1},
    {"the person's does not", {{'t', ALL, TG, 1}, {'+', P1, ID, 2}}, "P_TRA", 3, 15, -1, 0},
}; /* clang-format on */

static void who_what_and_when_decide(void **state)
{
    (void)state;
    struct agency a = {.code = "WO-4931000014",
                       .role = {"R_LOCAL", "R_PLAN"},
                       .place = {"49201", "49202"}};
    for (size_t i = 0; i < NELEM(SPEAKING); i++) {
        struct grant g[3];
        size_t n = 0;
        for (; n < 3 && SPEAKING[i].word[n].what != 0; n++)
            g[n] = grant_of(&SPEAKING[i].word[n]);
        uint64_t now = NOON(SPEAKING[i].day);
        bool third = SPEAKING[i].cls == 3;
        if (consent_covering(g, n, &a, SPEAKING[i].purpose, SPEAKING[i].cls,
                             third, now) != SPEAKING[i].covering ||
            consent_refusing(g, n, &a, SPEAKING[i].purpose, SPEAKING[i].cls,
                             third, now) != SPEAKING[i].refusing)
            fail_msg("%s", SPEAKING[i].name);
    }
}

static void an_exception_is_no_recipient(void **state)
{
    (void)state;
    struct word w = {'+', NULL, "R_PLAN", "49201", ID, 1};
    struct grant g = grant_of(&w);
    assert_true(grant_names(&g, &P1_ITSELF));
    g.except_count = 1;
    memcpy(g.except[0].agency, P1_ITSELF.code, sizeof(P1_ITSELF.code));
    assert_false(grant_names(&g, &P1_ITSELF));
    assert_int_equal(
        consent_covering(&g, 1, &P1_ITSELF, "P_TRA", 2, false, NOON(15)), -1);
    g.kind = GRANT_REFUSED;
    g.to_count = 0;
    assert_int_equal(
        consent_refusing(&g, 1, &P1_ITSELF, "P_TRA", 2, false, NOON(15)), -1);
}

/* I-14: a replay decides by what was known. */
static void the_register_is_found_as_it_stood(void **state)
{
    (void)state;
    struct grant all[3], at[3];
    for (size_t i = 0; i < 3; i++) {
        struct word w = {'+', P1, ID, 10 + i};
        all[i] = grant_of(&w);
    }
    all[0].withdrawn = true;
    all[0].withdrawn_leaf = 20;
    all[1].superseded = true;
    all[1].until_leaf = 12;
    assert_int_equal(grants_at(all, 3, 10, at), 0);
    assert_int_equal(grants_at(all, 3, 12, at), 2);
    assert_int_equal(grants_at(all, 3, 20, at), 3);
    assert_int_equal(at[0].withdrawn_leaf, 0);
    assert_int_equal(grants_at(all, 3, 21, at), 3);
}

static void days_change_at_midnight_in_japan(void **state)
{
    (void)state;
    struct word w = {'+', P1, ID, 1};
    struct grant g = grant_of(&w);
    assert_int_equal(japan_day_begins(10), 9 * DAY_MS + 15 * 3600000ull);
    assert_int_equal(japan_day(japan_day_begins(10)), 10);
    uint64_t begins = 9 * DAY_MS + 15 * 3600000ull; /* day 10 in Japan */
    uint64_t ends = 20 * DAY_MS + 15 * 3600000ull;
    assert_false(grant_in_force(&g, begins - 1));
    assert_true(grant_in_force(&g, begins));
    assert_true(grant_in_force(&g, ends - 1));
    assert_false(grant_in_force(&g, ends));
    g.withdrawn = true;
    assert_false(grant_in_force(&g, begins));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            a_consent_has_one_purpose_recipients_classes_and_an_end),
        cmocka_unit_test(what_was_read_is_what_was_said),
        cmocka_unit_test(who_gives_it_and_how_are_checked),
        cmocka_unit_test(a_hash_has_32_bytes),
        cmocka_unit_test(a_deferral_keeps_the_day_to_ask_again),
        cmocka_unit_test(a_refusal_needs_no_more_than_a_purpose),
        cmocka_unit_test(a_third_person_refuses_for_its_own_data),
        cmocka_unit_test(an_exception_is_no_recipient),
        cmocka_unit_test(the_register_is_found_as_it_stood),
        cmocka_unit_test(who_what_and_when_decide),
        cmocka_unit_test(days_change_at_midnight_in_japan),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
