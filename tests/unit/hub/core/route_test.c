/* route_test.c - wishes become agencies, and each gets its own decision. */
#include "tests/unit/hub/core/world.h"

static struct world *w;
static char got[512];

/* "P1 R_PLAN ok; - R_GH E-POL-001": who, the role decided for, what became
 * of it, * for an event of the hub's own. */
static const char *listed(void)
{
    got[0] = '\0';
    if (w->fx->refuse != ERR_OK)
        return err_code(w->fx->refuse);
    for (size_t i = 0; i < w->fx->to_count; i++) {
        const struct recipient *r = &w->fx->to[i];
        size_t n = strlen(got);
        snprintf(got + n, sizeof(got) - n, "%s%s %s %s%s", i > 0 ? "; " : "",
                 r->agency != NULL ? name_of(r->agency->code) : "-", r->role,
                 r->why == ERR_OK ? "ok" : err_code(r->why),
                 r->reissue ? "*" : "");
    }
    return got;
}

/* Sends an event with an empty body from an agency; to: "P1 R_X@49201". */
static void send(const char *from, uint32_t type, const char *to,
                 const char *purpose)
{
    struct sent s;
    union {
        ProtobufCMessage base;
        Pb__FilingSubmitted largest;
    } b;
    char copy[256];
    const ProtobufCMessageDescriptor *d = schema_event(type)->descriptor;
    assert_true(d->sizeof_message <= sizeof(b));
    protobuf_c_message_init(d, &b.base);
    sent_init(w, &s, type, &b.base);
    snprintf(copy, sizeof(copy), "%s", to);
    for (char *save, *t = strtok_r(copy, " ", &save); t != NULL;
         t = strtok_r(NULL, " ", &save))
        sent_to(&s, t, purpose);
    world_send(w, &s, from);
}

enum consent {
    NOBODY,
    TO_P1,
    TO_PLACE,
    BUT_P1,
    P1_BUT_P1,
    BY_THIRD,
    REFUSED,
    TAKEN_BACK,
    OVER
};
static void consent(enum consent c)
{
    struct grant *g;
    world_reset(w);
    if (c == NOBODY)
        return;
    g = world_consent(w, "P_TRA", "P1");
    if (c == TO_PLACE || c == BUT_P1) {
        g->to[0] = (struct grant_recipient){"", "R_PLAN", "49201"};
    }
    if (c == BUT_P1 || c == P1_BUT_P1) {
        g->except_count = 1;
        snprintf(g->except[0].agency, sizeof(g->except[0].agency), "%s",
                 code_of("P1"));
    }
    if (c == BY_THIRD) {
        g->third = true;
    } else if (c == REFUSED) {
        g->kind = GRANT_REFUSED;
    } else if (c == TAKEN_BACK) {
        g->withdrawn = true;
    } else if (c == OVER) {
        g->to_day = 20000;
    }
}

#define ADMITTED 1001
#define PLANNED 1030
static const struct {
    const char *name;
    enum consent consent;
    const char *to, *purpose, *want;
} WISHES[] = {
    {"an agency by its code", TO_P1, "P1", "P_TRA", "P1 R_PLAN ok"},
    {"by two ways, once", TO_P1, "P1 R_LOCAL@49201", "P_TRA", "P1 R_PLAN ok"},
    {"in the role it is meant in", TO_P1, "R_LOCAL@49201 P1", "P_TRA",
     "P1 R_LOCAL ok"},
    {"everyone with a role at a place", TO_PLACE, "R_PLAN@49201", "P_TRA",
     "P2 R_PLAN ok; P1 R_PLAN ok"},
    {"each only once", TO_PLACE, "P2 R_PLAN@49201 P1 R_PLAN@49201", "P_TRA",
     "P2 R_PLAN ok; P1 R_PLAN ok"},
    {"a role anywhere is whom a consent names", TO_P1, "R_PLAN", "P_TRA",
     "P1 R_PLAN ok"},
    {"also where it names a role at a place", TO_PLACE, "R_PLAN", "P_TRA",
     "P2 R_PLAN ok; P1 R_PLAN ok"},
    {"but not whom it excepts", BUT_P1, "R_PLAN", "P_TRA", "P2 R_PLAN ok"},
    {"even where it names it too", P1_BUT_P1, "R_PLAN", "P_TRA",
     "- R_PLAN E-POL-001"},
    {"nor by name", BUT_P1, "P1", "P_TRA", "P1  E-POL-001"},
    {"whom a third person's names is nobody", BY_THIRD, "R_PLAN", "P_TRA",
     "- R_PLAN E-POL-001"},
    {"only in that role", TO_P1, "R_HVN", "P_TRA", "- R_HVN E-POL-001"},
    {"only for that purpose", TO_P1, "R_PLAN", "P_PD", "- R_PLAN E-POL-001"},
    {"I-13 nobody was asked", NOBODY, "R_PLAN", "P_TRA", "- R_PLAN E-POL-001"},
    {"I-13 the person refused", REFUSED, "R_PLAN", "P_TRA",
     "- R_PLAN E-POL-001"},
    {"I-13 the person took it back", TAKEN_BACK, "R_PLAN", "P_TRA",
     "- R_PLAN E-POL-001"},
    {"a consent that is over", OVER, "R_PLAN", "P_TRA", "- R_PLAN E-POL-001"},
    {"a named agency without consent gets nothing", NOBODY, "P1", "P_TRA",
     "P1  E-POL-001"},
    {"a place where nobody has the role", NOBODY, "R_HC@49999", "P_TRA",
     "- R_HC E-POL-001"},
    {"a code nobody has", NOBODY, "P1 OW-NOBODY", "P_TRA", "E-EVT-014"},
    {"a role nobody can have", NOBODY, "R_CAT@49201", "P_TRA", "E-EVT-014"},
    {"police is no recipient", NOBODY, "R_POLICE@49201", "P_TRA", "E-POL-005"},
    {"nor is justice, wherever", NOBODY, "P1 R_JUSTICE", "P_TRA", "E-POL-005"},
    {"a place that is none", NOBODY, "R_PLAN@4920", "P_TRA", "E-EVT-014"},
    {"two roles that nobody has are two answers", NOBODY, "R_GH R_HVN", "P_TRA",
     "- R_GH E-POL-001; - R_HVN E-POL-001"},
    {"nobody at all", NOBODY, "", "P_TRA", ""},
    {"a purpose nobody knows", TO_P1, "P1", "P_FUN", "E-EVT-015"},
};

static void wishes_become_agencies(void **state)
{
    (void)state;
    for (size_t i = 0; i < NELEM(WISHES); i++) {
        consent(WISHES[i].consent);
        send("H1", ADMITTED, WISHES[i].to, WISHES[i].purpose);
        if (strcmp(listed(), WISHES[i].want) != 0)
            fail_msg("%s: %s", WISHES[i].name, listed());
    }
}

static void a_wish_without_agency_and_role_names_nothing(void **state)
{
    (void)state;
    struct sent s;
    Pb__AdmissionRecorded b;
    pb__admission_recorded__init(&b);
    world_reset(w);
    sent_init(w, &s, ADMITTED, &b.base);
    sent_to(&s, "P1", "P_TRA");
    s.wanted[0].agency = NULL;
    world_send(w, &s, "H1");
    assert_int_equal(w->fx->refuse, ERR_EVT_RECIPIENT);
    s.wanted[0].agency = (char *)(uintptr_t)code_of("P1");
    s.wanted[0].role = (char *)(uintptr_t) "R_HVN"; /* it has not */
    world_send(w, &s, "H1");
    assert_int_equal(w->fx->refuse, ERR_EVT_RECIPIENT);
    s.wanted[0].role = (char *)(uintptr_t) "R_LOCAL";
    s.wanted[0].purpose = NULL;
    world_send(w, &s, "H1");
    assert_int_equal(w->fx->refuse, ERR_EVT_PURPOSE);
    s.wanted[0].purpose = (char *)(uintptr_t) "P_TRA";
    world_consent(w, "P_TRA", "P1");
    world_send(w, &s, "H1");
    assert_string_equal(listed(), "P1 R_LOCAL ok");
}

static void one_bad_wish_refuses_the_event_and_nothing_happens(void **state)
{
    (void)state;
    consent(TO_P1);
    send("H1", ADMITTED, "P1 OW-NOBODY", "P_TRA");
    assert_int_equal(w->fx->refuse, ERR_EVT_RECIPIENT);
    assert_int_equal(w->fx->to_count, 0);
    assert_null(w->state);
}

/* ---- a hospital is not shown to those who may not know of it ---- */

static void housing_and_peers_get_the_hubs_own_event(void **state)
{
    (void)state;
    world_reset(w);
    world_consent(w, "P_TRA", "O1");
    world_consent(w, "P_TRA", "E1");
    world_consent(w, "P_TRA", "P1");
    send("H1", PLANNED, "O1 E1 P1", "P_TRA");
    assert_string_equal(listed(),
                        "O1 R_HOUSING ok*; E1 R_PEER ok*; P1 R_PLAN ok");
    assert_int_equal(w->fx->to[0].decision.released,
                     class_bit(PB__DATA_CLASS__G_ID) |
                         class_bit(PB__DATA_CLASS__G_HOUSING));
    /* decided as what it is */
    assert_int_equal(w->fx->to[0].decision.asked,
                     schema_event(1039)->class_mask);
    assert_int_equal(w->fx->to[1].decision.released,
                     class_bit(PB__DATA_CLASS__G_ID_GIVEN) |
                         class_bit(PB__DATA_CLASS__G_PLACE));
}

static void an_event_without_a_stand_in_stays_away_from_them(void **state)
{
    (void)state;
    struct decision d;
    const struct schema_message *m = schema_event(1203);
    world_reset(w);
    const struct agency *o1 = registry_agency(w->registry, code_of("O1"));
    struct facts f = world_facts(w, "H1");
    step_again(&f,
               &(struct question){m, "", o1, "", "P_TRA", m->class_mask, NULL},
               NOW, &d);
    assert_int_equal(d.error, ERR_POL_NONE);
    f = world_facts(w, "N1"); /* visiting nurses are no hospital */
    step_again(&f,
               &(struct question){m, "", o1, "", "P_TRA", m->class_mask, NULL},
               NOW, &d);
    assert_int_equal(d.released, class_bit(PB__DATA_CLASS__G_META));
}

static void release_hides_the_hospital_too(void **state)
{
    (void)state;
    struct decision d;
    const struct schema_message *m = schema_event(1701),
                                *planned = schema_event(PLANNED),
                                *own = schema_event(planned->reissue_as);
    world_reset(w);
    world_consent(w, "P_TRA", "O1");
    struct facts f = world_facts(w, "H1");
    const struct agency *o1 = registry_agency(w->registry, code_of("O1"));
    step_again(&f,
               &(struct question){m, "", o1, "R_HOUSING", "P_TRA",
                                  m->class_mask, NULL},
               NOW, &d);
    assert_int_equal(d.released, 0);
    assert_int_equal(d.error, ERR_POL_NONE);
    step_again(&f,
               &(struct question){planned, "", o1, "R_HOUSING", "P_TRA",
                                  planned->class_mask, NULL},
               NOW, &d);
    assert_int_equal(d.released, 0);
    f.sender = NULL; /* the hub's own */
    step_again(&f,
               &(struct question){own, "", o1, "R_HOUSING", "P_TRA",
                                  own->class_mask, NULL},
               NOW, &d);
    assert_int_equal(d.released, class_bit(PB__DATA_CLASS__G_ID) |
                                     class_bit(PB__DATA_CLASS__G_HOUSING));
}

/* ---- predicates ---- */

static void only_the_government_of_the_measure_hears_of_a_candidate(void **st)
{
    (void)st;
    static const struct {
        const char *name, *from, *to, *want;
    } AT[] = {
        {"the prefecture's own health centre", "H1", "C2", "C2 R_HC ok"},
        {"not a city's", "H1", "C1", "C1  E-POL-001"},
        {"the designated city's, of a hospital there", "MI-4910100033", "C3",
         "C3 R_HC ok"},
        {"not of a hospital elsewhere", "H1", "C3", "C3  E-POL-001"},
    };
    for (size_t i = 0; i < NELEM(AT); i++) {
        world_reset(w);
        send(AT[i].from, 1310, AT[i].to, "P_PD");
        if (strcmp(listed(), AT[i].want) != 0)
            fail_msg("%s: %s", AT[i].name, listed());
    }
}

/* The facts of the end of a measure, for support: without consent only where
 * the prefecture of the hospital passes them on by an arrangement of its own.
 */
static void an_arrangement_is_of_one_prefecture_and_one_event(void **state)
{
    (void)state;
    static const struct {
        const char *name, *from, *enabled, *want;
    } AT[] = {
        {"none", "H1", "", "C1 R_HC E-POL-001"},
        {"for another event", "H1", "PLAN_ISSUED", "C1 R_HC E-POL-001"},
        {"for this one", "H1", "X FILING_SUBMITTED", "C1 R_HC ok"},
        {"of another government", "HD", "FILING_SUBMITTED",
         "C1 R_HC E-POL-001"},
    };
    struct municipality *m =
        (struct municipality *)(uintptr_t)registry_municipality(w->registry,
                                                                "49000");
    const char *before = m->enabled;
    for (size_t i = 0; i < NELEM(AT); i++) {
        struct sent s;
        Pb__FilingSubmitted b = PB__FILING_SUBMITTED__INIT;
        world_reset(w);
        w->places = (struct places){.plan = "49201"};
        b.has_form_code = true;
        b.form_code = PB__FORM_CODE__SOCHI_CEASE;
        m->enabled = AT[i].enabled;
        sent_init(w, &s, 1101, &b.base);
        sent_to(&s, "R_HC", "P_PD");
        world_send(w, &s, AT[i].from);
        if (strcmp(listed(), AT[i].want) != 0)
            fail_msg("%s: %s", AT[i].name, listed());
    }
    m->enabled = before;
}

static void an_address_protected_is_not_passed_on(void **state)
{
    (void)state;
    consent(TO_P1);
    send("H1", PLANNED, "P1", "P_TRA");
    uint64_t place = class_bit(PB__DATA_CLASS__G_CONTACT) |
                     class_bit(PB__DATA_CLASS__G_DEST);
    assert_int_equal(w->fx->to[0].decision.released & place, place);
    consent(TO_P1);
    w->protected = true;
    send("H1", PLANNED, "P1", "P_TRA");
    assert_string_equal(listed(), "P1 R_PLAN ok");
    assert_int_equal(w->fx->to[0].decision.released & place, 0);
}

static void what_cannot_be_decided_or_placed_waits_for_a_person(void **state)
{
    (void)state;
    consent(TO_P1);
    send("H1", ADMITTED, "R_HC@49999", "P_TRA");
    assert_true(w->fx->park); /* nobody is there */
    consent(TO_P1);
    send("H1", ADMITTED, "R_HC@49999 P1", "P_TRA");
    assert_false(w->fx->park); /* told to the sender; the other gets it */
    consent(TO_P1);
    send("H1", ADMITTED, "N1", "P_TRA");
    assert_false(w->fx->park); /* a plain no */
    consent(REFUSED);
    send("H1", ADMITTED, "R_PLAN", "P_TRA");
    assert_false(w->fx->park);
    consent(TO_P1);
    w->clock_off = true;
    send("H1", ADMITTED, "P1", "P_TRA");
    assert_true(w->fx->park); /* I-5: undecided is denied, not dropped */
    assert_string_equal(listed(), "P1  E-POL-004");
}

static int open_world(void **state)
{
    (void)state;
    w = world_new("OW-P2-49\t見本相談室\tMihon Office\tR_PLAN\t49201\t\n"
                  "OW-PEER-49\t架空ピア\tPeer\tR_PEER\t49201\t\n"
                  "MI-4910100033\t仮定病院\tKatei Hospital\tR_HOSP\t49100\t"
                  "\n");
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
        cmocka_unit_test(wishes_become_agencies),
        cmocka_unit_test(a_wish_without_agency_and_role_names_nothing),
        cmocka_unit_test(one_bad_wish_refuses_the_event_and_nothing_happens),
        cmocka_unit_test(housing_and_peers_get_the_hubs_own_event),
        cmocka_unit_test(an_event_without_a_stand_in_stays_away_from_them),
        cmocka_unit_test(release_hides_the_hospital_too),
        cmocka_unit_test(
            only_the_government_of_the_measure_hears_of_a_candidate),
        cmocka_unit_test(an_arrangement_is_of_one_prefecture_and_one_event),
        cmocka_unit_test(an_address_protected_is_not_passed_on),
        cmocka_unit_test(what_cannot_be_decided_or_placed_waits_for_a_person),
    };
    return cmocka_run_group_tests(tests, open_world, close_world);
}
