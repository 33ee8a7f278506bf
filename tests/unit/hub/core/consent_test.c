/* Consents and refusals: how they are read, when and for whom they speak. */
#include "hub/core/consent.h"
#include "proto/wire/schema.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define DAY_MS 86400000ull
#define NOON(day) ((uint64_t)(day)*DAY_MS + 3 * 3600000ull)
#define ID (1ull << 2)
#define ADM (1ull << 8)

/* ---- reading -------------------------------------------------------------*/

static uint8_t ref[ID_BYTES] = {1, 2, 3};
static char agency[] = "WO-4931000014", role[] = "R_PLAN", place[] = "49201",
            bad_place[] = "492019", purpose[] = "P_TRA",
            long_purpose[] = "P_THE_LONGEST_ONE", from[] = "2026-04-01",
            to[] = "令和8年9月30日", month[] = "2026-09", far[] = "2036-04-01",
            no_day[] = "2026-02-30", empty[] = "";

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
    }
}

static const struct {
    const char *name;
    enum spoil spoil;
    bool good;
} READING[] = {
    {"a whole consent", NOTHING, true},
    {"without its number", NO_REF, false},
    {"with half a number", SHORT_REF, false},
    {"without purpose", NO_PURPOSE, false},
    {"with a purpose longer than any", LONG_PURPOSE, false},
    {"to nobody named", NO_RECIPIENT, false},
    {"to more than a consent can name", MANY_RECIPIENTS, false},
    {"to as many as it can name", MOST_RECIPIENTS, true},
    {"to a role in a municipality", BY_ROLE, true},
    {"to a role anywhere", ROLE_ANYWHERE, false},
    {"to a role at no such place", BAD_PLACE, false},
    {"to an agency and a role in one", AGENCY_AND_ROLE, false},
    {"to an empty recipient", NOBODY, false},
    {"of no kind of data", NO_CLASS, false},
    {"of the class that is none", CLASS_ZERO, false},
    {"of a class nobody knows", CLASS_UNKNOWN, false},
    {"without end", NO_END, false},
    {"ending some day of a month", END_BY_MONTH, false},
    {"ending on a day that is none", END_NO_DAY, false},
    {"ending after ten years", END_TOO_FAR, false},
    {"ending before it starts", END_BEFORE, false},
    {"starting at once", NO_START, true},
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
        enum err e = grant_from_given(&d.b, &g);
        if (e != (READING[i].good ? ERR_OK : ERR_VAL_CONSENT_SCOPE))
            fail_msg("%s: %s", READING[i].name, err_code(e));
    }
}

static void what_was_read_is_what_was_said(void **state)
{
    (void)state;
    struct draft d;
    struct grant g;
    make(&d);
    spoil(&d, BY_ROLE);
    d.b.n_recipient = 2;
    assert_int_equal(grant_from_given(&d.b, &g), ERR_OK);
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

static void a_refusal_may_leave_everything_open(void **state)
{
    (void)state;
    Pb__ConsentRefused b = PB__CONSENT_REFUSED__INIT;
    struct grant g;
    b.has_consent_ref = 1;
    b.consent_ref = (ProtobufCBinaryData){ID_BYTES, ref};
    assert_int_equal(grant_from_refused(&b, NOON(100), &g),
                     ERR_VAL_CONSENT_SCOPE); /* no purpose */
    b.purpose = purpose;
    assert_int_equal(grant_from_refused(&b, NOON(100), &g), ERR_OK);
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
    b.consent_ref.len = 1;
    assert_int_equal(grant_from_refused(&b, NOON(100), &g),
                     ERR_VAL_CONSENT_SCOPE);
}

/* ---- speaking ------------------------------------------------------------*/

/* Days 10 to 20; '+' given, '-' refused, 'w' withdrawn, 'u' refusal undone. */
struct word {
    char what;
    const char *agency, *role, *place; /* all NULL: everyone */
    uint64_t classes, leaf;
};
#define P1 "WO-4931000014", NULL, NULL
#define S1 "WO-4911000018", NULL, NULL
#define ALL NULL, NULL, NULL

static struct grant grant_of(const struct word *w)
{
    struct grant g = {.kind = w->what == '-' || w->what == 'u' ? GRANT_REFUSED
                                                               : GRANT_GIVEN,
                      .withdrawn = w->what == 'w' || w->what == 'u',
                      .purpose = "P_TRA",
                      .classes = w->classes,
                      .from_day = 10,
                      .to_day = 20,
                      .leaf = w->leaf};
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
    {"a refusal taken back is silent", {{'u', ALL, 0, 1}}, "P_TRA", 2, 15, -1, -1},
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
        if (consent_covering(g, n, &a, SPEAKING[i].purpose, SPEAKING[i].cls,
                             false, now) != SPEAKING[i].covering ||
            consent_refusing(g, n, &a, SPEAKING[i].purpose, SPEAKING[i].cls,
                             false, now) != SPEAKING[i].refusing)
            fail_msg("%s", SPEAKING[i].name);
    }
}

static void days_change_at_midnight_in_japan(void **state)
{
    (void)state;
    struct word w = {'+', P1, ID, 1};
    struct grant g = grant_of(&w);
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
        cmocka_unit_test(a_refusal_may_leave_everything_open),
        cmocka_unit_test(who_what_and_when_decide),
        cmocka_unit_test(days_change_at_midnight_in_japan),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
