/* policy_terms_test.c - the terms around the rules: break-glass, retention,
 * authorities. */
#include "tests/unit/hub/core/pack.h"

static void the_pack_has_every_number_asked_for(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int64_t value;
    } LIMITS[] = {
        {"minutes", 60},          {"extensions", 1},
        {"step_up_minutes", 5},   {"text_characters", 20},
        {"texts_compared", 5},    {"review_hours", 72},
        {"consent_longest", 731}, {"consent_reminder", 30},
        {"paper_after_oral", 3},  {"hub_payload", 30},
        {"meeting_106", 0},       {"audit", 1826},
        {"filing_authority", -1}, {"patience", -1},
    };
    struct policy *p = default_policy();
    for (size_t i = 0; i < NELEM(LIMITS); i++)
        if (policy_limit(p, LIMITS[i].name) != LIMITS[i].value)
            fail_msg("%s", LIMITS[i].name);
    policy_free(&p);
}

static void who_may_open_and_for_which_reason(void **state)
{
    (void)state;
    struct policy *p = default_policy();
    assert_int_equal(policy_glass_ceiling(p, "R_HC"),
                     classes("G_ID G_CRISIS G_RISK_MIN"));
    assert_int_equal(policy_glass_ceiling(p, "R_PLAN"), 0);
    assert_int_equal(policy_glass_ceiling(p, "R_NOBODY"), 0);
    assert_true(policy_glass_reason(p, "LIFE_OTHER"));
    assert_false(policy_glass_reason(p, "CURIOSITY"));
    assert_int_equal(policy_count(p, POLICY_REASON), 4);
    assert_int_equal(policy_third(p), classes("G_GUARD G_FAMILY"));
    policy_free(&p);
}

#define SELF AUTHORITY_SELF
#define PREF AUTHORITY_PREFECTURE
static const struct {
    const char *name, *event, *purpose, *role, *function, *place;
    unsigned acts[PLACE_KINDS]; /* prefecture, designated, hc_city, other */
} FUNCTIONS[] = {
    /* clang-format off */
    {"a filing passes through the health centre of the hospital's place", "FILING_SUBMITTED", "P_FIL", "R_HC", "F_FILING_IN", "sender", {SELF, SELF, SELF, PREF}},
    {"and goes to the prefecture or the designated city", "FILING_SUBMITTED", "P_FIL", "R_PREF", "F_FILING_IN", "sender", {SELF, SELF, PREF, PREF}},
    {"its review to the same", "FILING_SUBMITTED", "P_FIL", "R_MPRB", "F_REVIEW", "sender", {SELF, SELF, PREF, PREF}},
    {"a plan is made where the person will live", "NEEDS_ASSESSED", "P_PD", "R_HC", "F_PDPLAN", "plan resident", {SELF, SELF, SELF, PREF}},
    {"even of somebody the prefecture had admitted", "FILING_SUBMITTED", "P_PD", "R_HC", "F_PDPLAN", "plan resident", {SELF, SELF, SELF, PREF}},
    {"a candidate is told to the authority of the measure", "PD_CANDIDATE_NOTIFIED", "P_PD", "R_HC", "F_SOCHI", "sender", {SELF, SELF, PREF, PREF}},
    {"the mayor of the place of residence consents", "MAYOR_CONSENT_REQUESTED", "P_FIL", "R_MUNI_MC", "F_MAYOR", "resident present", {0, SELF, SELF, SELF}},
    {"visits are the prefecture's", "VISIT_REQUESTED", "P_VIS", "R_VISIT_SEC", "F_VISIT", "present sender", {SELF, SELF, PREF, PREF}},
    {"abuse is reported to the prefecture", "ABUSE_REPORTED", "P_ABU", "R_ABUSE", "F_ABUSE", "sender", {SELF, SELF, PREF, PREF}},
    {"a benefit stays with who decided it", "SERVICE_APPLIED", "P_ADM", "R_MUNI_W", "F_SHIKYU", "shikyu resident", {0, SELF, SELF, SELF}},
    {"an issue goes to the council of the place", "ISSUE_RAISED", "P_COU", "R_COUNCIL", "F_KYOTEN", "sender", {SELF, SELF, SELF, SELF}},
    {"the statutory meeting is the municipality's", "MEETING_CALLED", "P_M106", "R_MUNI_W", "F_106", "resident present", {0, SELF, SELF, SELF}},
    {"no function speaks for another role", "FILING_SUBMITTED", "P_FIL", "R_HOSP", NULL, NULL, {0}},
    {"nor for another purpose", "FILING_SUBMITTED", "P_TRA", "R_HC", NULL, NULL, {0}},
    {"nor for an event nobody knows", "PARTY", "P_FIL", "R_HC", NULL, NULL, {0}},
}; /* clang-format on */

static void a_function_says_whose_place_counts_and_who_acts(void **state)
{
    (void)state;
    struct policy *p = default_policy();
    for (size_t i = 0; i < NELEM(FUNCTIONS); i++) {
        const struct policy_function *f = policy_function(
            p, FUNCTIONS[i].event, FUNCTIONS[i].purpose, FUNCTIONS[i].role);
        if ((f == NULL) != (FUNCTIONS[i].function == NULL))
            fail_msg("%s", FUNCTIONS[i].name);
        if (f != NULL &&
            (strcmp(f->function, FUNCTIONS[i].function) != 0 ||
             strcmp(f->place, FUNCTIONS[i].place) != 0 ||
             memcmp(f->acts, FUNCTIONS[i].acts, sizeof(f->acts)) != 0))
            fail_msg("%s: %s %s", FUNCTIONS[i].name, f->function, f->place);
    }
    policy_free(&p);
}

static void the_first_row_that_speaks_decides(void **state)
{
    (void)state;
    struct pack k = {0};
    pack_small(&k, "");
    buf_adds(&k.file[POLICY_AUTHORITY],
             "F_1\tDISCHARGED\tP\tA\tplan\tself\t-\tself prefecture\t-\t\t\n"
             "F_2\t*\t*\t*\tsender\tself\tself\tself\tself\t\t\n");
    struct policy *p = pack_policy(&k);
    const struct policy_function *f =
        policy_function(p, "DISCHARGED", "P", "A");
    assert_string_equal(f->function, "F_1");
    assert_int_equal(f->acts[PLACE_DESIGNATED], 0);
    assert_int_equal(f->acts[PLACE_HC_CITY], SELF | PREF);
    f = policy_function(p, "DISCHARGED", "P", "B");
    assert_string_equal(f->function, "F_2");
    assert_null(policy_function(p, "DISCHARGED", "P", "X")); /* excluded */
    policy_free(&p);
    pack_fini(&k);
}

static const struct pack_fault FAULTS[] = {
    /* clang-format off */
    {"a break-glass beyond the ceiling", POLICY_BREAKGLASS, "role\tB\tb\tb\tG_ADM", "value: beyond the ceiling"},
    {"of no role", POLICY_BREAKGLASS, "role\tC\tb\tb\tG_ID", "code: no such role"},
    {"of an excluded role", POLICY_BREAKGLASS, "role\tX\tb\tb\tG_ID", "value: beyond the ceiling"},
    {"of the same role twice", POLICY_BREAKGLASS, "role\tA\tb\tb\tG_ID", "code: stands here twice"},
    {"for nothing", POLICY_BREAKGLASS, "role\tB\tb\tb\t", "value: names nothing"},
    {"a reason twice", POLICY_BREAKGLASS, "reason\tFIRE\tf\tf\t", "code: stands here twice"},
    {"a reason without label", POLICY_BREAKGLASS, "reason\tFLOOD\t\tf\t", "ja: is needed"},
    {"a limit twice", POLICY_BREAKGLASS, "limit\tminutes\tm\tm\t61", "code: stands here twice"},
    {"a limit that is no number", POLICY_BREAKGLASS, "limit\tpatience\tm\tm\tlong", "value: must be a number"},
    {"a kind of one's own", POLICY_BREAKGLASS, "wish\tA\tm\tm\t", "unknown kind"},
    {"a term less than none", POLICY_RETENTION, "audit\ta\ta\t-3\t\t\t\t\t", "days: must be a number"},
    {"a term named as a limit is", POLICY_RETENTION, "minutes\ta\ta\t3\t\t\t\t\t", "record: stands here twice"},
    {"no term at all", POLICY_RETENTION, "audit\ta\ta\t\t\t\t\t\t", "days: is needed"},
    {"content of no event", POLICY_RETENTION, "audit\ta\ta\t3\t\t\t\tPARTY\tarrived", "events: no such event"},
    {"a term from nothing", POLICY_RETENTION, "audit\ta\ta\t3\t\t\t\t*\t", "after: is needed"},
    {"a term of nothing", POLICY_RETENTION, "audit\ta\ta\t3\t\t\t\t\tarrived", "events: is needed"},
    {"a term from no event", POLICY_RETENTION, "audit\ta\ta\t3\t\t\t\t*\tPARTY", "after: no such event"},
    {"content without a term", POLICY_RETENTION, "audit\ta\ta\t-\t\t\t\t*\tarrived", "days: must be a number"},
    {"a place nobody has", POLICY_AUTHORITY, "F\t*\tP\tA\tmoon\tself\tself\tself\tself\t\t", "place: an unknown word"},
    {"no place", POLICY_AUTHORITY, "F\t*\tP\tA\t\tself\tself\tself\tself\t\t", "place: is needed"},
    {"somebody else in charge", POLICY_AUTHORITY, "F\t*\tP\tA\tplan\tself\tking\tself\tself\t\t", "designated: an unknown word"},
    {"a function of no event", POLICY_AUTHORITY, "F\tPARTY\tP\tA\tplan\tself\tself\tself\tself\t\t", "event: no such event"},
    {"a function by variant", POLICY_AUTHORITY, "F\tFILING_SUBMITTED:MP_END\tP\tA\tplan\tself\tself\tself\tself\t\t", "knows no variants"},
    {"a function of no role", POLICY_AUTHORITY, "F\t*\tP\tC\tplan\tself\tself\tself\tself\t\t", "role: an unknown word"},
}; /* clang-format on */

static void terms_with_a_fault_are_no_pack(void **state)
{
    (void)state;
    for (size_t i = 0; i < NELEM(FAULTS); i++)
        assert_no_pack(&FAULTS[i]);
}

static void a_number_that_is_missing_is_a_fault(void **state)
{
    (void)state;
    struct pack k = {0};
    struct buf why = {0};
    struct policy *p = NULL;
    pack_small(&k, "");
    pack_set(&k, POLICY_RETENTION,
             "record\tja\ten\tdays\tbasis\tchecked_by\tmark\tevents\tafter\n"
             "consent_longest\tl\tl\t731\t\t\t\t\t\n"
             "consent_reminder\tl\tl\t-\t\t\t\t\t\n");
    assert_int_equal(pack_parse(&k, &p, &why), ERR_POL_INVALID);
    assert_non_null(strstr((const char *)why.p, "consent_reminder is missing"));
    assert_non_null(strstr((const char *)why.p, "paper_after_oral is missing"));
    buf_fini(&why);
    pack_fini(&k);
}

static const struct {
    const char *name, *from, *to;
    bool valid;
} BOUNDS[] = {
    /* clang-format off */
    {"an hour", "minutes\tl\tl\t60", "minutes\tl\tl\t60", true},
    {"less than an hour", "minutes\tl\tl\t60", "minutes\tl\tl\t15", true},
    {"open for longer", "minutes\tl\tl\t60", "minutes\tl\tl\t61", false},
    {"open for no time", "minutes\tl\tl\t60", "minutes\tl\tl\t0", false},
    {"never extended", "extensions\tl\tl\t1", "extensions\tl\tl\t0", true},
    {"extended twice", "extensions\tl\tl\t1", "extensions\tl\tl\t2", false},
    {"an old second factor", "step_up_minutes\tl\tl\t5", "step_up_minutes\tl\tl\t6", false},
    {"few words", "text_characters\tl\tl\t20", "text_characters\tl\tl\t19", false},
    {"the same words again", "texts_compared\tl\tl\t5", "texts_compared\tl\tl\t4", false},
    {"a late review", "review_hours\tl\tl\t72", "review_hours\tl\tl\t73", false},
    {"a consent for three years", "consent_longest\tl\tl\t731", "consent_longest\tl\tl\t732", false},
    {"content for half a year", "hub_payload\tl\tl\t30", "hub_payload\tl\tl\t182", false},
    {"content for a week", "hub_payload\tl\tl\t30", "hub_payload\tl\tl\t7", true},
    {"a consent of a year", "consent_longest\tl\tl\t731", "consent_longest\tl\tl\t365", true},
}; /* clang-format on */

/* A pack may be stricter; no approval makes a break-glass an open door. */
static void a_term_beyond_its_bound_is_no_pack(void **state)
{
    (void)state;
    for (size_t i = 0; i < NELEM(BOUNDS); i++) {
        struct pack k = {0};
        struct buf why = {0};
        struct policy *p = NULL;
        pack_small(&k, "");
        for (int f = POLICY_BREAKGLASS; f <= POLICY_RETENTION; f++) {
            char *old = strdup((char *)k.file[f].p);
            char *at = strstr(old, BOUNDS[i].from);
            if (at != NULL) {
                buf_reset(&k.file[f]);
                buf_add(&k.file[f], old, (size_t)(at - old));
                buf_adds(&k.file[f], BOUNDS[i].to);
                buf_adds(&k.file[f], at + strlen(BOUNDS[i].from));
            }
            free(old);
        }
        enum err e = pack_parse(&k, &p, &why);
        if (e != (BOUNDS[i].valid ? ERR_OK : ERR_POL_INVALID))
            fail_msg("%s: %s %s", BOUNDS[i].name, err_code(e),
                     why.p == NULL ? "" : (const char *)why.p);
        policy_free(&p);
        buf_fini(&why);
        pack_fini(&k);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_pack_has_every_number_asked_for),
        cmocka_unit_test(who_may_open_and_for_which_reason),
        cmocka_unit_test(a_function_says_whose_place_counts_and_who_acts),
        cmocka_unit_test(the_first_row_that_speaks_decides),
        cmocka_unit_test(terms_with_a_fault_are_no_pack),
        cmocka_unit_test(a_term_beyond_its_bound_is_no_pack),
        cmocka_unit_test(a_number_that_is_missing_is_a_fault),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
