/* authority_test.c - which authority is meant: what a prefecture, a designated
 * city, a city with a health centre and any other municipality do, over the
 * fictitious region; and the rules of routing that follow from it. */
#include "tests/unit/hub/core/world.h"

static struct world *w;
static char got[256];

/* Short names by spaces, in the order of the register. */
static const char *named(const struct agency *const *a, size_t n)
{
    got[0] = '\0';
    for (size_t i = 0; i < n; i++) {
        size_t at = strlen(got);
        snprintf(got + at, sizeof(got) - at, "%s%s", i > 0 ? " " : "",
                 name_of(a[i]->code));
    }
    return got;
}

static const char *meant(const char *from, const struct places *p,
                         const char *event, const char *purpose,
                         const char *role)
{
    const struct agency *a[8];
    const struct agency *sender =
        from != NULL ? registry_agency(w->registry, code_of(from)) : NULL;
    struct authority_ask ask = {w->policy, w->registry, p,   sender,
                                event,     purpose,     role};
    return named(a, authority_agencies(&ask, a, NELEM(a)));
}

/* ---- the matrix: function by kind of local government ---- */

/* HD is a hospital in the designated city, HO one in a municipality without a
 * health centre. Places in the order of the columns: designated city 49100,
 * city with a health centre 49201, others 49202 and 49301. */
static const struct {
    const char *name, *event, *purpose, *role;
    const char *designated, *hc_city, *other;
    const char *who; /* whose place: s(ender) or the person's */
} MATRIX[] = {
    /* clang-format off */
    {"F_SOCHI: who ordered the measure prepares", "PD_CANDIDATE_NOTIFIED", "P_PD", "R_HC", "C3", "", "C2", "sender"},
    {"F_FILING_IN: by way of the nearest health centre", "FILING_SUBMITTED", "P_FIL", "R_HC", "C3", "C1", "C2", "sender"},
    {"F_FILING_IN: to the governor or the mayor of a designated city", "FILING_SUBMITTED", "P_FIL", "R_PREF", "M4", "G1", "G1", "sender"},
    {"F_REVIEW: of the prefecture or the designated city", "FILING_SUBMITTED", "P_FIL", "R_MPRB", "", "W1", "W1", "sender"},
    {"F_PDPLAN: whoever runs a health centre, else the prefecture", "LEGAL_STATUS_ENDED", "P_PD", "R_HC", "C3", "C1", "C2", "plan"},
    {"F_PDPLAN: the facts of the end of a measure", "FILING_SUBMITTED", "P_PD", "R_HC", "C3", "C1", "C2", "plan"},
    {"F_VISIT: of the prefecture or the designated city", "VISIT_REQUESTED", "P_VIS", "R_VISIT_SEC", "", "V1", "V1", "present"},
    {"F_MAYOR: every municipality", "MAYOR_CONSENT_REQUESTED", "P_FIL", "R_MUNI_MC", "M4", "M1", "M2", "resident"},
    {"F_SHIKYU: every municipality", "SERVICE_APPLIED", "P_ADM", "R_MUNI_W", "M4", "M1", "M2", "shikyu"},
    {"F_SHIKYU: told of an admission", "ADMISSION_RECORDED", "P_ADM", "R_MUNI_W", "M4", "M1", "M2", "shikyu"},
}; /* clang-format on */

static void put(struct places *p, const char *which, const char *muni5)
{
    char *to = strcmp(which, "plan") == 0       ? p->plan
               : strcmp(which, "present") == 0  ? p->present
               : strcmp(which, "resident") == 0 ? p->resident
                                                : p->shikyu;
    memcpy(to, muni5, 6);
}

static void who_acts_depends_on_the_function_and_the_kind_of_place(void **state)
{
    (void)state;
    static const char *const HOSPITAL[] = {"HD", "H1", "HO"};
    static const char *const PLACE[] = {"49100", "49201", "49202"};
    for (size_t i = 0; i < NELEM(MATRIX); i++) {
        const char *want[] = {MATRIX[i].designated, MATRIX[i].hc_city,
                              MATRIX[i].other};
        for (size_t k = 0; k < NELEM(want); k++) {
            struct places p = {0};
            bool sender = strcmp(MATRIX[i].who, "sender") == 0;
            if (!sender)
                put(&p, MATRIX[i].who, PLACE[k]);
            meant(sender ? HOSPITAL[k] : "K1", &p, MATRIX[i].event,
                  MATRIX[i].purpose, MATRIX[i].role);
            if (strcmp(got, want[k]) != 0)
                fail_msg("%s, %s: %s", MATRIX[i].name, PLACE[k], got);
        }
    }
}

/* ---- the rules that follow ---- */

static const struct {
    const char *name, *from;
    struct places places; /* resident present shikyu plan */
    const char *event, *purpose, *role, *want;
} RULES[] = {
    /* clang-format off */
    {"the measure by the prefecture: its health centre prepares", "HO", {"49201", "49202", "49201", "49201"}, "PD_CANDIDATE_NOTIFIED", "P_PD", "R_HC", "C2"},
    {"the plan by the core city where the person goes", "HO", {"49201", "49202", "49201", "49201"}, "FILING_SUBMITTED", "P_PD", "R_HC", "C1"},
    {"a filing by the hospital's place, wherever the person is from", "H1", {"49301", "49201", "49301", "49100"}, "FILING_SUBMITTED", "P_FIL", "R_HC", "C1"},
    {"the plan by the destination, not by the hospital", "H1", {"49301", "49201", "49301", "49100"}, "FILING_SUBMITTED", "P_PD", "R_HC", "C3"},
    {"the plan by the residence while no destination is known", "H1", {"49301", "49201", "", ""}, "FILING_SUBMITTED", "P_PD", "R_HC", "C2"},
    {"in a group home elsewhere: the former municipality decides benefits", "P1", {"49100", "49100", "49201", "49100"}, "SERVICE_APPLIED", "P_ADM", "R_MUNI_W", "M1"},
    {"in a group home elsewhere: the new health centre plans", "H1", {"49100", "49100", "49201", "49100"}, "LEGAL_STATUS_ENDED", "P_PD", "R_HC", "C3"},
    {"the residence decides benefits when nothing else is known", "P1", {"49202", "49100", "", ""}, "SERVICE_APPLIED", "P_ADM", "R_MUNI_W", "M2"},
    {"a mayor's consent by the residence", "H1", {"49202", "49201", "", ""}, "MAYOR_CONSENT_REQUESTED", "P_FIL", "R_MUNI_MC", "M2"},
    {"a mayor's consent by the present place when there is none", "H1", {"", "49301", "", ""}, "MAYOR_CONSENT_REQUESTED", "P_FIL", "R_MUNI_MC", "M3"},
    {"nobody when no place is known", "H1", {"", "", "", ""}, "MAYOR_CONSENT_REQUESTED", "P_FIL", "R_MUNI_MC", ""},
    {"nobody for a place outside the region", "H1", {"13101", "", "", ""}, "MAYOR_CONSENT_REQUESTED", "P_FIL", "R_MUNI_MC", ""},
    {"nobody when no function speaks", "H1", {"49201", "49201", "49201", "49201"}, "DISCHARGE_PLANNED", "P_TRA", "R_HC", ""},
    {"nobody by the sender's place for the hub", NULL, {"49201", "", "", ""}, "FILING_SUBMITTED", "P_FIL", "R_HC", ""},
}; /* clang-format on */

static void the_routing_follows_the_function_not_the_address(void **state)
{
    (void)state;
    for (size_t i = 0; i < NELEM(RULES); i++) {
        meant(RULES[i].from, &RULES[i].places, RULES[i].event, RULES[i].purpose,
              RULES[i].role);
        if (strcmp(got, RULES[i].want) != 0)
            fail_msg("%s: %s", RULES[i].name, got);
    }
}

static bool is(const char *who, const struct places *p, const char *event,
               const char *role)
{
    struct authority_ask ask = {
        w->policy, w->registry,
        p,         registry_agency(w->registry, code_of("H1")),
        event,     "P_PD",
        role};
    return authority_is(&ask, registry_agency(w->registry, code_of(who)));
}

static void responsible_is_whom_the_function_means(void **state)
{
    (void)state;
    struct places p = {.plan = "49202"};
    assert_true(is("C2", &p, "LEGAL_STATUS_ENDED", "R_HC"));
    assert_false(is("C1", &p, "LEGAL_STATUS_ENDED", "R_HC"));
    assert_false(is("G1", &p, "LEGAL_STATUS_ENDED", "R_HC")); /* not its role */
    assert_true(is("C1", &p, "PLAN_ISSUED", "R_HC")); /* nothing speaks */
    memset(&p, 0, sizeof(p));
    assert_false(is("C2", &p, "LEGAL_STATUS_ENDED", "R_HC"));
}

/* ---- in a whole decision ---- */

static const struct recipient *reached(const char *who)
{
    for (size_t i = 0; i < w->fx->to_count; i++)
        if (w->fx->to[i].agency != NULL &&
            strcmp(w->fx->to[i].agency->code, code_of(who)) == 0)
            return &w->fx->to[i];
    return NULL;
}

static void file(const char *from, Pb__FilingSubmitted *b)
{
    struct sent s;
    pb__filing_submitted__init(b);
    b->has_form_code = true;
    b->form_code = PB__FORM_CODE__SOCHI_CEASE;
    sent_init(w, &s, 1101, &b->base);
    sent_to(&s, "R_HC", "P_FIL");
    sent_to(&s, "R_PREF", "P_FIL");
    sent_to(&s, "R_HC", "P_PD");
    world_send(w, &s, from);
}

static void a_filing_finds_its_way_by_roles_alone(void **state)
{
    (void)state;
    Pb__FilingSubmitted b;
    world_reset(w);
    w->places = (struct places){"49202", "49201", "49202", "49202"};
    file("H1", &b);
    assert_int_equal(w->fx->refuse, ERR_OK);
    assert_int_equal(w->fx->to_count, 3);
    assert_int_equal(reached("C1")->why, ERR_OK); /* passes it on */
    assert_int_equal(reached("G1")->why, ERR_OK);
    assert_int_equal(reached("C2")->why, ERR_POL_NONE); /* no consent */
    world_reset(w);
    w->places = (struct places){"49202", "49201", "49202", "49202"};
    world_consent(w, "P_PD", "C2");
    file("H1", &b);
    assert_int_equal(reached("C2")->why, ERR_OK);
}

static void who_is_nowhere_waits_for_a_person(void **state)
{
    (void)state;
    Pb__LegalStatusEnded b = PB__LEGAL_STATUS_ENDED__INIT;
    struct sent s;
    world_reset(w);
    sent_init(w, &s, 1004, &b.base);
    sent_to(&s, "R_HC", "P_PD"); /* no place known */
    world_send(w, &s, "H1");
    assert_null(w->fx->to[0].agency);
    assert_true(w->fx->park);
}

static int open_world(void **state)
{
    (void)state;
    w = world_new("MI-4910100033\t仮定病院\tKatei Hospital\tR_HOSP\t49100\t\n"
                  "MI-4910100041\t見本病院\tMihon Hospital\tR_HOSP\t49202\t\n");
    return 0;
}

static int close_world(void **state)
{
    (void)state;
    world_free(w);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            who_acts_depends_on_the_function_and_the_kind_of_place),
        cmocka_unit_test(the_routing_follows_the_function_not_the_address),
        cmocka_unit_test(responsible_is_whom_the_function_means),
        cmocka_unit_test(a_filing_finds_its_way_by_roles_alone),
        cmocka_unit_test(who_is_nowhere_waits_for_a_person),
    };
    return cmocka_run_group_tests(tests, open_world, close_world);
}
