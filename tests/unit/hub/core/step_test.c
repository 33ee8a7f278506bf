/* step_test.c - who may send what, what consents do, and that a refused event
 * leaves nothing behind. */
#include "tests/unit/hub/core/world.h"

static struct world *w;
static uint8_t ref[ID_BYTES] = {7};
static uint8_t unknown[ID_BYTES] = {8};

union body {
    ProtobufCMessage base;
    uint8_t room[1024]; /* for the largest */
};

static void prepare(struct sent *s, union body *b, uint32_t type)
{
    const ProtobufCMessageDescriptor *d = schema_event(type)->descriptor;
    assert_true(d->sizeof_message <= sizeof(*b));
    protobuf_c_message_init(d, &b->base);
    sent_init(w, s, type, &b->base);
}

/* ---- who may send ---- */

static const struct {
    const char *name;
    uint32_t type;
    const char *from;
    enum err want;
} SENDERS[] = {
    {"a hospital reports an admission", 1001, "H1", ERR_OK},
    {"a clinic does not", 1001, "H2", ERR_EVT_ROLE},
    {"a prefecture reports a legal status", 1002, "G1", ERR_OK},
    {"a planning office does not", 1002, "P1", ERR_EVT_ROLE},
    {"a hospital files", 1101, "H1", ERR_OK},
    {"a hospital introduces", 1011, "H1", ERR_OK},
    {"a planning office registers for emergencies", 1401, "P1", ERR_OK},
    {"a provider does not", 1401, "S1", ERR_EVT_ROLE},
    {"a coordinator opens an emergency", 1410, "B1", ERR_OK},
    {"the base centre too", 1410, "K1", ERR_OK},
    {"a hospital does not", 1410, "H1", ERR_EVT_ROLE},
    {"nobody makes the hub's events: move-in", 1039, "H1", ERR_EVT_HUB_ONLY},
    {"nobody makes the hub's events: release", 1416, "B1", ERR_EVT_HUB_ONLY},
    {"nobody makes the hub's events: late", 1417, "S1", ERR_EVT_HUB_ONLY},
    {"housing collects no consent", 1201, "O1", ERR_EVT_ROLE},
    {"a hospital tells of an admission in writing", 1005, "H1", ERR_OK},
    {"a health centre does not", 1005, "C1", ERR_EVT_ROLE},
    {"a hospital hands over what support needs", 1013, "H1", ERR_OK},
    {"a planning office does not", 1013, "P1", ERR_EVT_ROLE},
    {"a hospital calls its committee", 1020, "H1", ERR_OK},
    {"a hospital tells its result", 1022, "H1", ERR_OK},
    {"home nursing confirms the first contact", 1033, "N1", ERR_OK},
    {"a clinic tells of a missed one", 1034, "H2", ERR_OK},
    {"the hospital does not", 1034, "H1", ERR_EVT_ROLE},
    {"a hospital sums up", 1035, "H1", ERR_OK},
    {"a clinic does not sum up a stay", 1035, "H2", ERR_EVT_ROLE},
    {"a hospital notifies of a renewal", 1111, "H1", ERR_OK},
    {"nobody makes the hub's events: expired", 1114, "H1", ERR_EVT_HUB_ONLY},
    {"a hospital asks the mayor", 1120, "H1", ERR_OK},
    {"a prefecture does not", 1120, "G1", ERR_EVT_ROLE},
    {"nobody makes the hub's events: consent ended", 1204, "H1",
     ERR_EVT_HUB_ONLY},
    {"nobody makes the hub's events: reminder", 1207, "H1", ERR_EVT_HUB_ONLY},
    {"a planning office assesses needs", 1301, "P1", ERR_OK},
    {"a provider does not", 1301, "S1", ERR_EVT_ROLE},
    {"a health centre ends its plan", 1323, "C1", ERR_OK},
    {"a hospital does not", 1323, "H1", ERR_EVT_ROLE},
    {"a health centre proposes a transfer", 1330, "C1", ERR_OK},
    {"a health centre sends it", 1332, "C1", ERR_OK},
    {"a health centre accepts it", 1333, "C2", ERR_OK},
    {"a planning office does not", 1333, "P1", ERR_EVT_ROLE},
    {"a provider warns early", 1341, "S1", ERR_OK},
    {"housing does not", 1341, "O1", ERR_EVT_ROLE},
    {"a coordinator counts what found no place", 1423, "B1", ERR_OK},
    {"a provider does not", 1423, "S1", ERR_EVT_ROLE},
    {"a provider tells of a stay", 1425, "S1", ERR_OK},
    {"housing does not tell of one", 1425, "O1", ERR_EVT_ROLE},
    {"a hospital does not ask itself", 1427, "H1", ERR_EVT_ROLE},
    {"a provider answers no question of care", 1428, "S1", ERR_EVT_ROLE},
    {"a provider hands over to a hospital", 1429, "S1", ERR_OK},
    {"a hospital asks for a visit", 1501, "H1", ERR_OK},
    {"a provider does not", 1501, "S1", ERR_EVT_ROLE},
    {"a hospital assigns no visitors", 1503, "H1", ERR_EVT_ROLE},
    {"a hospital schedules no visit", 1504, "H1", ERR_EVT_ROLE},
    {"a hospital reports no visit", 1506, "H1", ERR_EVT_ROLE},
    {"reports of abuse have another channel", 1601, "H1", ERR_EVT_ROLE},
    {"figures of abuse have another channel", 1602, "G1", ERR_EVT_ROLE},
    {"a planning office applies for services", 1801, "P1", ERR_OK},
    {"a municipality decides", 1802, "M1", ERR_OK},
    {"a hospital does not", 1802, "H1", ERR_EVT_ROLE},
    {"a planning office fixes its plan", 1803, "P1", ERR_OK},
    {"a planning office monitors", 1804, "P1", ERR_OK},
    {"a provider does not", 1804, "S1", ERR_EVT_ROLE},
    {"anyone asks for access", 2003, "O1", ERR_OK},
    {"a hospital answers", 2004, "H1", ERR_OK},
    {"housing holds no record to answer from", 2004, "O1", ERR_EVT_ROLE},
    {"home nursing tells of a death", 2006, "N1", ERR_OK},
    {"housing does not", 2006, "O1", ERR_EVT_ROLE},
    {"nobody makes the hub's events: break-glass", 2009, "H1",
     ERR_EVT_HUB_ONLY},
    {"an answer needs a case", 1012, "P1", ERR_FLOW_CASE},
    {"an offer needs a case", 1413, "S1", ERR_FLOW_CASE},
};

static void a_role_may_send_what_its_work_makes(void **state)
{
    (void)state;
    for (size_t i = 0; i < NELEM(SENDERS); i++) {
        struct sent s;
        union body b;
        world_reset(w);
        prepare(&s, &b, SENDERS[i].type);
        world_send(w, &s, SENDERS[i].from);
        if (w->fx->refuse != SENDERS[i].want)
            fail_msg("%s: %s", SENDERS[i].name, err_code(w->fx->refuse));
    }
}

static void a_case_is_opened_for_a_person_under_a_token(void **state)
{
    (void)state;
    struct sent s;
    union body b;
    world_reset(w);
    prepare(&s, &b, 1001);
    s.routing.has_person_token = false;
    world_send(w, &s, "H1");
    assert_int_equal(w->fx->refuse, ERR_EVT_TOKEN);
    prepare(&s, &b, 1001);
    s.routing.case_token.len = 15;
    world_send(w, &s, "H1");
    assert_int_equal(w->fx->refuse, ERR_EVT_TOKEN);
    prepare(&s, &b, 1413);
    s.routing.has_case_token = false;
    world_send(w, &s, "S1");
    assert_int_equal(w->fx->refuse, ERR_EVT_TOKEN);
    prepare(&s, &b, 1401);
    s.routing.has_person_token = false;
    world_send(w, &s, "P1");
    assert_int_equal(w->fx->refuse, ERR_EVT_TOKEN);
}

static const struct {
    const char *name;
    uint32_t type;
    const char *from;
    bool person, on_case;
    enum err want;
} NOBODY[] = {
    {"a provider tells of empty beds", 1430, "S1", false, false, ERR_OK},
    {"a hospital has none to tell of", 1430, "H1", false, false, ERR_EVT_ROLE},
    {"beds are nobody's", 1430, "S1", true, false, ERR_EVT_NOBODY},
    {"any office raises an issue", 1901, "P1", false, false, ERR_OK},
    {"an issue points at no person", 1901, "P1", true, false, ERR_EVT_NOBODY},
    {"an issue points at no case", 1901, "P1", false, true, ERR_EVT_NOBODY},
    {"a base centre reports figures", 1910, "K1", false, false, ERR_OK},
    {"a provider does not", 1910, "S1", false, false, ERR_EVT_ROLE},
    {"figures point at no person", 1910, "K1", true, true, ERR_EVT_NOBODY},
    {"a plan is about somebody", 1323, "C1", false, false, ERR_EVT_TOKEN},
};

static void what_is_about_nobody_names_nobody(void **state)
{
    (void)state;
    for (size_t i = 0; i < NELEM(NOBODY); i++) {
        struct sent s;
        union body b;
        world_reset(w);
        prepare(&s, &b, NOBODY[i].type);
        s.routing.has_person_token = NOBODY[i].person;
        s.routing.has_case_token = NOBODY[i].on_case;
        world_send(w, &s, NOBODY[i].from);
        if (w->fx->refuse != NOBODY[i].want)
            fail_msg("%s: %s", NOBODY[i].name, err_code(w->fx->refuse));
    }
}

/* ---- consents ---- */

static void give(struct paper *p, const char *from)
{
    struct sent s;
    sent_init(w, &s, 1201, &p->b.base);
    world_send(w, &s, from);
}

static void a_consent_becomes_a_grant_and_a_deadline(void **state)
{
    (void)state;
    struct paper p;
    world_reset(w);
    write_paper(&p, ref);
    give(&p, "H1");
    assert_int_equal(w->fx->refuse, ERR_OK);
    assert_int_equal(w->fx->grant_change, GRANT_ADD);
    assert_memory_equal(w->fx->grant.ref, ref, ID_BYTES);
    assert_string_equal(w->fx->grant.purpose, "P_TRA");
    assert_string_equal(w->fx->grant.to[0].agency, code_of("P1"));
    assert_int_equal(w->fx->deadline_count, 2);
    assert_int_equal(w->fx->deadline[1].kind, DEADLINE_CONSENT_REMIND);
    assert_int_equal(w->fx->deadline[0].kind, DEADLINE_CONSENT_END);
    assert_true(w->fx->deadline[0].start);
    assert_memory_equal(w->fx->deadline[0].ref, ref, ID_BYTES);
    /* the moment 2027-04-01 begins in Japan */
    assert_int_equal(w->fx->deadline[0].due_ms, UINT64_C(1806505200000));
    assert_null(w->state);
}

static void a_consent_may_take_the_place_of_another(void **state)
{
    (void)state;
    struct paper p;
    world_reset(w);
    write_paper(&p, ref);
    give(&p, "H1");
    assert_memory_equal(w->fx->supersedes, (uint8_t[ID_BYTES]){0}, ID_BYTES);
    p.b.has_supersedes = true;
    p.b.supersedes = (ProtobufCBinaryData){ID_BYTES, unknown};
    memcpy(world_consent(w, "P_TRA", "N1")->ref, unknown, ID_BYTES);
    give(&p, "H1");
    assert_int_equal(w->fx->refuse, ERR_OK);
    assert_memory_equal(w->fx->supersedes, unknown, ID_BYTES);
}

static void a_consent_that_says_too_little_is_refused(void **state)
{
    (void)state;
    struct paper p;
    world_reset(w);
    write_paper(&p, ref);
    p.b.valid_to = NULL;
    give(&p, "H1");
    assert_int_equal(w->fx->refuse, ERR_VAL_CONSENT_SCOPE);
    write_paper(&p, ref);
    p.b.purpose = (char *)(uintptr_t) "P_FUN";
    give(&p, "H1");
    assert_int_equal(w->fx->refuse, ERR_EVT_PURPOSE);
    write_paper(&p, ref);
    p.to.agency = NULL;
    p.to.role = (char *)(uintptr_t) "R_CAT";
    p.to.place = (char *)(uintptr_t) "49201";
    give(&p, "H1");
    assert_int_equal(w->fx->refuse, ERR_EVT_RECIPIENT);
    assert_int_equal(w->fx->grant_change, GRANT_NO_CHANGE);
    assert_int_equal(w->fx->deadline_count, 0);
}

static void a_consent_number_is_used_once(void **state)
{
    (void)state;
    struct paper p;
    world_reset(w);
    memcpy(world_consent(w, "P_PD", "N1")->ref, ref, ID_BYTES);
    write_paper(&p, ref);
    give(&p, "H1");
    assert_int_equal(w->fx->refuse, ERR_CONFLICT);
}

static void a_refusal_is_a_grant_too(void **state)
{
    (void)state;
    struct sent s;
    Pb__ConsentRefused b;
    world_reset(w);
    pb__consent_refused__init(&b);
    b.has_consent_ref = true;
    b.consent_ref = (ProtobufCBinaryData){ID_BYTES, ref};
    b.purpose = (char *)(uintptr_t) "P_PD";
    sent_init(w, &s, 1202, &b.base);
    world_send(w, &s, "C1");
    assert_int_equal(w->fx->refuse, ERR_OK);
    assert_int_equal(w->fx->grant_change, GRANT_ADD);
    assert_int_equal(w->fx->grant.kind, GRANT_REFUSED);
    assert_int_equal(w->fx->deadline_count, 0);
}

enum named { NOTHING, KNOWN, UNKNOWN, ALL };
static const struct {
    const char *name, *from;
    enum named named;
    enum err want;
    enum grant_change change;
} WITHDRAWALS[] = {
    {"where it was given", "H1", KNOWN, ERR_OK, GRANT_WITHDRAW},
    {"through anyone connected", "O1", KNOWN, ERR_OK, GRANT_WITHDRAW},
    {"of everything", "S1", ALL, ERR_OK, GRANT_WITHDRAW_ALL},
    {"of what is not known", "H1", UNKNOWN, ERR_NOT_FOUND, GRANT_NO_CHANGE},
    {"of nothing", "H1", NOTHING, ERR_VAL_REQUIRED, GRANT_NO_CHANGE},
};

static void a_withdrawal_ends_what_it_names(void **state)
{
    (void)state;
    for (size_t i = 0; i < NELEM(WITHDRAWALS); i++) {
        struct sent s;
        Pb__ConsentWithdrawn b;
        world_reset(w);
        memcpy(world_consent(w, "P_TRA", "P1")->ref, ref, ID_BYTES);
        pb__consent_withdrawn__init(&b);
        b.has_all = b.all = WITHDRAWALS[i].named == ALL;
        b.has_consent_ref =
            WITHDRAWALS[i].named == KNOWN || WITHDRAWALS[i].named == UNKNOWN;
        b.consent_ref = (ProtobufCBinaryData){
            ID_BYTES, WITHDRAWALS[i].named == KNOWN ? ref : unknown};
        sent_init(w, &s, 1203, &b.base);
        world_send(w, &s, WITHDRAWALS[i].from);
        if (w->fx->refuse != WITHDRAWALS[i].want ||
            w->fx->grant_change != WITHDRAWALS[i].change)
            fail_msg("%s: %s", WITHDRAWALS[i].name, err_code(w->fx->refuse));
        if (WITHDRAWALS[i].named != KNOWN)
            continue;
        assert_memory_equal(w->fx->grant.ref, ref, ID_BYTES);
        assert_int_equal(w->fx->deadline_count, 3);
        for (size_t k = 0; k < 3; k++) {
            assert_false(w->fx->deadline[k].start);
            assert_memory_equal(w->fx->deadline[k].ref, ref, ID_BYTES);
        }
    }
}

static void a_refusal_is_not_withdrawn_but_followed_by_a_consent(void **state)
{
    (void)state;
    struct sent s;
    Pb__ConsentWithdrawn b;
    world_reset(w);
    struct grant *g = world_consent(w, "P_TRA", "P1");
    memcpy(g->ref, ref, ID_BYTES);
    g->kind = GRANT_REFUSED;
    pb__consent_withdrawn__init(&b);
    b.has_consent_ref = true;
    b.consent_ref = (ProtobufCBinaryData){ID_BYTES, ref};
    sent_init(w, &s, 1203, &b.base);
    world_send(w, &s, "H1");
    assert_int_equal(w->fx->refuse, ERR_NOT_FOUND);
}

static void a_consent_moves_no_case(void **state)
{
    (void)state;
    struct sent s;
    struct paper p;
    union body b;
    world_reset(w);
    prepare(&s, &b, 1001);
    world_send(w, &s, "H1");
    write_paper(&p, ref);
    give(&p, "C1"); /* no party of the case, and it does not matter */
    assert_int_equal(w->fx->refuse, ERR_OK);
    assert_int_equal(w->fx->grant_change, GRANT_ADD);
    assert_int_equal(w->state->version, 1);
}

/* S1 was asked for a bed and has a token for the case, none for the person. */
static void a_case_speaks_for_nobody(void **state)
{
    (void)state;
    struct sent s;
    struct paper p;
    union body b;
    Pb__ConsentWithdrawn back;
    world_reset(w);
    prepare(&s, &b, 1410);
    world_send(w, &s, "B1");
    w->stranger = true;
    write_paper(&p, ref);
    give(&p, "S1");
    assert_int_equal(w->fx->refuse, ERR_FLOW_CASE);
    world_consent(w, "P_EMG", "S1");
    pb__consent_withdrawn__init(&back);
    back.has_all = back.all = true;
    sent_init(w, &s, 1203, &back.base);
    world_send(w, &s, "S1");
    assert_int_equal(w->fx->refuse, ERR_FLOW_CASE);
    world_send(w, &s, "B1"); /* who opened the case knows whose it is */
    assert_int_equal(w->fx->refuse, ERR_OK);
}

/* A receipt that answered a wish by role would list whom the consents name. */
static void i_13_a_consent_event_does_not_ask_whom_others_name(void **state)
{
    (void)state;
    struct sent s;
    struct paper p;
    world_reset(w);
    world_consent(w, "P_PD", "C1");
    write_paper(&p, ref);
    sent_init(w, &s, 1201, &p.b.base);
    sent_to(&s, "R_HC", "P_PD");
    world_send(w, &s, "S1");
    assert_int_equal(w->fx->refuse, ERR_OK);
    assert_int_equal(w->fx->to_count, 0);
}

/* ---- nothing is told, nothing is left behind ---- */

static bool nothing_happens(const struct effects *fx)
{
    static const uint8_t none[ID_BYTES];
    return !fx->late && !fx->park && fx->to_count == 0 && fx->hub_count == 0 &&
           fx->deadline_count == 0 && fx->grant_change == GRANT_NO_CHANGE &&
           fx->state == NULL && memcmp(fx->supersedes, none, sizeof(none)) == 0;
}

static void i_13_the_case_of_others_is_no_case(void **state)
{
    (void)state;
    struct sent s;
    union body b;
    world_reset(w);
    prepare(&s, &b, 1012);
    sent_to(&s, "H1", "P_TRA");
    world_send(w, &s, "P1"); /* no such case */
    assert_int_equal(w->fx->refuse, ERR_FLOW_CASE);
    assert_true(nothing_happens(w->fx));
    prepare(&s, &b, 1001);
    world_send(w, &s, "H1");
    prepare(&s, &b, 1012);
    sent_to(&s, "H1", "P_TRA");
    world_send(w, &s, "P1"); /* there is one, but not for P1 */
    assert_int_equal(w->fx->refuse, ERR_FLOW_CASE);
    assert_true(nothing_happens(w->fx));
}

static void a_refused_event_leaves_nothing_behind(void **state)
{
    (void)state;
    struct sent s;
    union body b;
    world_reset(w);
    prepare(&s, &b, 1310); /* reaches the health centre */
    sent_to(&s, "C2", "P_PD");
    world_send(w, &s, "H1");
    prepare(&s, &b, 1320); /* the plan, without consent */
    sent_to(&s, "N1", "P_PD");
    world_send(w, &s, "C2");
    assert_int_equal(w->fx->refuse, ERR_POL_NONE);
    assert_true(nothing_happens(w->fx));
}

static void a_case_of_a_workflow_unknown_is_our_trouble(void **state)
{
    (void)state;
    struct sent s;
    union body b;
    static const uint8_t NONE[ID_BYTES];
    world_reset(w);
    prepare(&s, &b, 1001);
    world_send(w, &s, "H1");
    case_set(&w->state->flow, "Knitting", w->fx);
    world_send(w, &s, "H1");
    assert_int_equal(w->fx->refuse, ERR_INTERNAL);
    world_due(w, DEADLINE_FIRST_OFFER, NONE);
    assert_int_equal(w->fx->refuse, ERR_INTERNAL);
}

static void a_deadline_without_a_case_does_nothing(void **state)
{
    (void)state;
    world_reset(w);
    world_due(w, DEADLINE_CONSENT_END, ref);
    assert_int_equal(w->fx->refuse, ERR_OK);
    assert_int_equal(w->fx->hub_count, 0);
}

/* ---- release ---- */

static void release_follows_consent_as_it_is_then(void **state)
{
    (void)state;
    struct decision d;
    const struct schema_message *m = schema_event(1030);
    world_reset(w);
    struct grant *g = world_consent(w, "P_TRA", "P1");
    const struct agency *p1 = registry_agency(w->registry, code_of("P1"));
    struct facts f = world_facts(w, "H1");
    step_again(
        &f,
        &(struct question){m, "", p1, "R_PLAN", "P_TRA", m->class_mask, NULL},
        NOW, &d);
    assert_true(d.released & class_bit(PB__DATA_CLASS__G_ID));
    assert_false(d.released & class_bit(PB__DATA_CLASS__G_DX));
    g->withdrawn = true; /* I-3 */
    step_again(
        &f,
        &(struct question){m, "", p1, "R_PLAN", "P_TRA", m->class_mask, NULL},
        NOW, &d);
    assert_int_equal(d.released, 0);
}

static int open_world(void **state)
{
    (void)state;
    w = world_new("");
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
        cmocka_unit_test(a_role_may_send_what_its_work_makes),
        cmocka_unit_test(what_is_about_nobody_names_nobody),
        cmocka_unit_test(a_case_is_opened_for_a_person_under_a_token),
        cmocka_unit_test(a_consent_becomes_a_grant_and_a_deadline),
        cmocka_unit_test(a_consent_may_take_the_place_of_another),
        cmocka_unit_test(a_consent_that_says_too_little_is_refused),
        cmocka_unit_test(a_consent_number_is_used_once),
        cmocka_unit_test(a_refusal_is_a_grant_too),
        cmocka_unit_test(a_withdrawal_ends_what_it_names),
        cmocka_unit_test(a_refusal_is_not_withdrawn_but_followed_by_a_consent),
        cmocka_unit_test(a_consent_moves_no_case),
        cmocka_unit_test(a_case_speaks_for_nobody),
        cmocka_unit_test(i_13_a_consent_event_does_not_ask_whom_others_name),
        cmocka_unit_test(i_13_the_case_of_others_is_no_case),
        cmocka_unit_test(a_refused_event_leaves_nothing_behind),
        cmocka_unit_test(a_case_of_a_workflow_unknown_is_our_trouble),
        cmocka_unit_test(a_deadline_without_a_case_does_nothing),
        cmocka_unit_test(release_follows_consent_as_it_is_then),
    };
    return cmocka_run_group_tests(tests, open_world, close_world);
}
