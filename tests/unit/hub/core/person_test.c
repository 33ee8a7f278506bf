/* person_test.c - what events change about a person: consents that replace and
 * remind, places, the protection of an address; and that a no, a withdrawal, a
 * protection and nothing at all read the same from outside (I-13). */
#include "tests/unit/hub/core/world.h"

static struct world *w;
static uint8_t ref[ID_BYTES] = {7}, other[ID_BYTES] = {8},
               nobody[ID_BYTES] = {9};
static char pd[] = "P_PD";

static void send(uint32_t type, ProtobufCMessage *body, const char *from)
{
    struct sent s;
    sent_init(w, &s, type, body);
    world_send(w, &s, from);
}

/* ---- consents ---- */

static const struct deadline_change *started(enum deadline_kind kind)
{
    for (size_t i = 0; i < w->fx->deadline_count; i++)
        if (w->fx->deadline[i].start && w->fx->deadline[i].kind == kind)
            return &w->fx->deadline[i];
    return NULL;
}

static bool stopped(enum deadline_kind kind, const uint8_t r[ID_BYTES])
{
    for (size_t i = 0; i < w->fx->deadline_count; i++)
        if (!w->fx->deadline[i].start && w->fx->deadline[i].kind == kind &&
            memcmp(w->fx->deadline[i].ref, r, ID_BYTES) == 0)
            return true;
    return false;
}

#define DAY UINT64_C(86400000)
#define ENDS UINT64_C(1806505200000) /* 2027-04-01 begins in Japan */

static void a_consent_reminds_before_it_ends(void **state)
{
    (void)state;
    struct paper p;
    world_reset(w);
    write_paper(&p, ref);
    send(1201, &p.b.base, "H1");
    assert_int_equal(w->fx->refuse, ERR_OK);
    assert_string_equal(w->fx->grant.collector, code_of("H1"));
    assert_int_equal(started(DEADLINE_CONSENT_END)->due_ms, ENDS);
    assert_int_equal(started(DEADLINE_CONSENT_REMIND)->due_ms, ENDS - 30 * DAY);
    assert_null(started(DEADLINE_PAPER_DUE));
    w->now = ENDS - 20 * DAY; /* too late to remind of it */
    send(1201, &p.b.base, "H1");
    assert_null(started(DEADLINE_CONSENT_REMIND));
    assert_non_null(started(DEADLINE_CONSENT_END));
}

static void after_an_oral_consent_paper_is_due(void **state)
{
    (void)state;
    struct paper p;
    world_reset(w);
    write_paper(&p, ref);
    p.b.method = PB__CONSENT_METHOD__ORAL_RECORDED;
    p.b.has_paper_sha256 = false;
    send(1201, &p.b.base, "H1");
    assert_int_equal(w->fx->refuse, ERR_OK);
    /* given on 2026-09-12: by the end of the 15th */
    assert_int_equal(started(DEADLINE_PAPER_DUE)->due_ms,
                     UINT64_C(1789484400000));
}

static const struct {
    const char *name, *purpose;
    bool third, known, superseded;
    enum err want;
} REPLACING[] = {
    {"the same purpose", "P_TRA", false, true, false, ERR_OK},
    {"what itself took the place of it", "P_TRA", false, true, true, ERR_OK},
    {"another purpose", "P_PD", false, true, false, ERR_VAL_CONSENT_SUPERSEDES},
    {"a third person's", "P_TRA", true, true, false,
     ERR_VAL_CONSENT_SUPERSEDES},
    {"what nobody knows", "P_TRA", false, false, false,
     ERR_VAL_CONSENT_SUPERSEDES},
};

static void a_consent_replaces_one_of_its_own_kind(void **state)
{
    (void)state;
    for (size_t i = 0; i < NELEM(REPLACING); i++) {
        struct paper p;
        uint8_t newest[ID_BYTES] = {2};
        world_reset(w);
        struct grant *old = world_consent(w, REPLACING[i].purpose, "N1");
        old->third = REPLACING[i].third;
        memcpy(old->ref, other, ID_BYTES);
        if (REPLACING[i].superseded) {
            old->superseded = true;
            old->until_leaf = world_consent(w, "P_TRA", "N1")->leaf;
        }
        write_paper(&p, ref);
        p.b.has_supersedes = true;
        p.b.supersedes = (ProtobufCBinaryData){
            ID_BYTES, REPLACING[i].known ? other : nobody};
        send(1201, &p.b.base, "H1");
        if (w->fx->refuse != REPLACING[i].want)
            fail_msg("%s: %s", REPLACING[i].name, err_code(w->fx->refuse));
        if (w->fx->refuse != ERR_OK)
            continue;
        const uint8_t *ended = REPLACING[i].superseded ? newest : other;
        assert_memory_equal(w->fx->supersedes, ended, ID_BYTES);
        assert_true(stopped(DEADLINE_CONSENT_END, ended));
        assert_true(stopped(DEADLINE_PAPER_DUE, ended));
    }
}

static void a_withdrawal_of_a_replaced_paper_means_the_new_one(void **state)
{
    (void)state;
    Pb__ConsentWithdrawn b = PB__CONSENT_WITHDRAWN__INIT;
    world_reset(w);
    struct grant *old = world_consent(w, "P_TRA", "P1");
    struct grant *now = world_consent(w, "P_TRA", "P1");
    memcpy(old->ref, ref, ID_BYTES);
    old->superseded = true;
    old->until_leaf = now->leaf;
    b.has_consent_ref = true;
    b.consent_ref = (ProtobufCBinaryData){ID_BYTES, ref};
    send(1203, &b.base, "N1");
    assert_int_equal(w->fx->grant_change, GRANT_WITHDRAW);
    assert_memory_equal(w->fx->grant.ref, now->ref, ID_BYTES);
    b.has_consent_ref = false;
    b.has_all = b.all = true;
    send(1203, &b.base, "N1");
    assert_int_equal(w->fx->grant_change, GRANT_WITHDRAW_ALL);
    assert_true(stopped(DEADLINE_CONSENT_REMIND, (uint8_t[ID_BYTES]){0}));
}

static void a_deferral_is_kept_and_asks_again(void **state)
{
    (void)state;
    Pb__ConsentDeferred b = PB__CONSENT_DEFERRED__INIT;
    Pb__Date again = PB__DATE__INIT;
    world_reset(w);
    again.iso = (char *)(uintptr_t) "2026-09-20";
    b.purpose = pd;
    b.ask_again_on = &again;
    send(1206, &b.base, "C1");
    assert_int_equal(w->fx->refuse, ERR_OK);
    assert_int_equal(w->fx->grant_change, GRANT_ADD);
    assert_int_equal(w->fx->grant.kind, GRANT_DEFERRED);
    assert_memory_equal(w->fx->grant.ref, event_number(w->made).b, ID_BYTES);
    assert_int_equal(started(DEADLINE_ASK_AGAIN)->due_ms,
                     UINT64_C(1789830000000));
    b.purpose = (char *)(uintptr_t) "P_FUN";
    send(1206, &b.base, "C1");
    assert_int_equal(w->fx->refuse, ERR_EVT_PURPOSE);
}

/* ---- deadlines ---- */

enum then { STANDS, TAKEN_BACK, REPLACED, ON_PAPER, ASKED_SINCE, GONE };
static const struct {
    const char *name;
    enum deadline_kind kind;
    enum grant_kind grant;
    enum then then;
    uint32_t type, reason; /* type 0: nobody is told */
} DUE_NOW[] = {
    /* clang-format off */
    {"its end", DEADLINE_CONSENT_END, GRANT_GIVEN, STANDS, 1204, 0},
    {"not when taken back", DEADLINE_CONSENT_END, GRANT_GIVEN, TAKEN_BACK, 0, 0},
    {"not when replaced", DEADLINE_CONSENT_END, GRANT_GIVEN, REPLACED, 0, 0},
    {"not when nobody is left to tell", DEADLINE_CONSENT_END, GRANT_GIVEN, GONE, 0, 0},
    {"its end coming", DEADLINE_CONSENT_REMIND, GRANT_GIVEN, STANDS, 1207, 1},
    {"not of one taken back", DEADLINE_CONSENT_REMIND, GRANT_GIVEN, TAKEN_BACK, 0, 0},
    {"its paper missing", DEADLINE_PAPER_DUE, GRANT_GIVEN, STANDS, 1207, 2},
    {"not when there is paper", DEADLINE_PAPER_DUE, GRANT_GIVEN, ON_PAPER, 0, 0},
    {"not when paper took its place", DEADLINE_PAPER_DUE, GRANT_GIVEN, REPLACED, 0, 0},
    {"time to ask again", DEADLINE_ASK_AGAIN, GRANT_DEFERRED, STANDS, 1207, 3},
    {"not when asked since", DEADLINE_ASK_AGAIN, GRANT_DEFERRED, ASKED_SINCE, 0, 0},
    {"not about a case's deadline", DEADLINE_FIRST_OFFER, GRANT_GIVEN, STANDS, 0, 0},
}; /* clang-format on */

static void whoever_recorded_it_is_told(void **state)
{
    (void)state;
    for (size_t i = 0; i < NELEM(DUE_NOW); i++) {
        world_reset(w);
        struct grant *g = world_consent(w, "P_PD", "N1");
        memcpy(g->ref, ref, ID_BYTES);
        g->kind = DUE_NOW[i].grant;
        g->withdrawn = DUE_NOW[i].then == TAKEN_BACK;
        g->superseded = DUE_NOW[i].then == REPLACED;
        g->paper = DUE_NOW[i].then == ON_PAPER;
        snprintf(g->collector, sizeof(g->collector), "%s",
                 DUE_NOW[i].then == GONE ? "OW-GONE" : code_of("C1"));
        if (DUE_NOW[i].then == ASKED_SINCE)
            world_consent(w, "P_PD", "N1")->kind = GRANT_REFUSED;
        world_due(w, DUE_NOW[i].kind, ref);
        assert_int_equal(w->fx->refuse, ERR_OK);
        if (w->fx->hub_count != (DUE_NOW[i].type != 0))
            fail_msg("%s: %zu", DUE_NOW[i].name, w->fx->hub_count);
        if (DUE_NOW[i].type == 0)
            continue;
        const struct hub_event *h = &w->fx->hub[0];
        if (h->type != DUE_NOW[i].type || h->reason != DUE_NOW[i].reason)
            fail_msg("%s: %u", DUE_NOW[i].name, h->reason);
        assert_string_equal(h->to->code, code_of("C1"));
        assert_string_equal(h->purpose, "P_PD");
        assert_memory_equal(h->ref, ref, ID_BYTES);
    }
}

/* ---- places and protection ---- */

static void places_are_taken_over_one_by_one(void **state)
{
    (void)state;
    Pb__PersonPlacesRecorded b = PB__PERSON_PLACES_RECORDED__INIT;
    world_reset(w);
    w->places = (struct places){"49201", "", "49201", ""};
    b.plan = (char *)(uintptr_t) "49100";
    b.resident = (char *)(uintptr_t) "49100";
    send(1210, &b.base, "H1");
    assert_int_equal(w->fx->refuse, ERR_OK);
    assert_int_equal(w->fx->person_change, PERSON_PLACES);
    assert_string_equal(w->fx->places.resident, "49100");
    assert_string_equal(w->fx->places.plan, "49100");
    assert_string_equal(w->fx->places.shikyu, "49201");
    assert_string_equal(w->fx->places.present, "");
    assert_int_equal(w->fx->to_count, 0);
    b.plan = (char *)(uintptr_t) "491004"; /* with its check digit */
    send(1210, &b.base, "H1");
    assert_int_not_equal(w->fx->refuse, ERR_OK);
    assert_int_equal(w->fx->person_change, PERSON_NO_CHANGE);
    b.plan = b.resident = NULL;
    send(1210, &b.base, "H1");
    assert_int_equal(w->fx->refuse, ERR_VAL_REQUIRED);
    b.plan = (char *)(uintptr_t) "49202";
    send(1210, &b.base, "S1");
    assert_int_equal(w->fx->refuse, ERR_EVT_ROLE);
}

static const struct {
    const char *name, *from;
    bool on, stranger;
    enum err want;
} PROTECTING[] = {
    {"anyone who knows the person switches it on", "O1", true, false, ERR_OK},
    {"a provider too", "S1", true, false, ERR_OK},
    {"the municipality takes it off", "M1", false, false, ERR_OK},
    {"so does the health centre", "C1", false, false, ERR_OK},
    {"nobody else does", "H1", false, false, ERR_EVT_ROLE},
    {"not the planning office", "P1", false, false, ERR_EVT_ROLE},
    {"not a case alone", "S1", true, true, ERR_FLOW_CASE},
};

static void protection_is_quick_on_and_slow_off(void **state)
{
    (void)state;
    for (size_t i = 0; i < NELEM(PROTECTING); i++) {
        Pb__AddressProtectionSet b = PB__ADDRESS_PROTECTION_SET__INIT;
        world_reset(w);
        if (PROTECTING[i].stranger) {
            Pb__EmergencyRequested open = PB__EMERGENCY_REQUESTED__INIT;
            send(1410, &open.base, "B1");
            w->stranger = true;
        }
        b.has_on = true;
        b.on = PROTECTING[i].on;
        send(1211, &b.base, PROTECTING[i].from);
        if (w->fx->refuse != PROTECTING[i].want)
            fail_msg("%s: %s", PROTECTING[i].name, err_code(w->fx->refuse));
        if (w->fx->refuse != ERR_OK)
            continue;
        assert_int_equal(w->fx->person_change, PERSON_PROTECT);
        assert_int_equal(w->fx->protect, PROTECTING[i].on);
        b.has_on = false;
        send(1211, &b.base, PROTECTING[i].from);
        assert_int_equal(w->fx->refuse, ERR_VAL_REQUIRED);
    }
}

/* ---- I-13 ---- */

/* Everything that a sender, or an onlooker of what the hub does next, could
 * tell two outcomes apart by. */
static void assert_same(const struct effects *a, const struct effects *b,
                        const char *what)
{
    bool same = a->refuse == b->refuse && a->late == b->late &&
                a->park == b->park && a->to_count == b->to_count &&
                a->hub_count == b->hub_count &&
                a->deadline_count == b->deadline_count &&
                a->grant_change == b->grant_change &&
                a->person_change == b->person_change &&
                a->recall_papers == b->recall_papers;
    for (size_t i = 0; same && i < a->to_count; i++) {
        const struct recipient *x = &a->to[i], *y = &b->to[i];
        same = x->agency == y->agency && strcmp(x->role, y->role) == 0 &&
               strcmp(x->purpose, y->purpose) == 0 && x->why == y->why &&
               x->reissue == y->reissue &&
               x->decision.error == y->decision.error &&
               x->decision.released == y->decision.released &&
               x->decision.withheld == y->decision.withheld;
    }
    if (!same)
        fail_msg("%s can be told apart", what);
}

static void sentence(const struct effects *fx, struct buf *out)
{
    for (size_t i = 0; i < fx->to_count; i++)
        if (fx->to[i].agency != NULL)
            policy_explain(w->policy, &fx->to[i].decision, out, out);
}

enum silence {
    NEVER_ASKED,
    REFUSED,
    REFUSED_ALL,
    WITHDRAWN,
    EXPIRED,
    DEFERRED,
    SILENCES
};
static void be_silent(enum silence s)
{
    world_reset(w);
    if (s == NEVER_ASKED)
        return;
    struct grant *g = world_consent(w, "P_TRA", "P1");
    g->kind = s == REFUSED || s == REFUSED_ALL ? GRANT_REFUSED
              : s == DEFERRED                  ? GRANT_DEFERRED
                                               : GRANT_GIVEN;
    g->withdrawn = s == WITHDRAWN;
    if (s == REFUSED_ALL)
        g->to_count = 0, g->classes = 0;
    if (s == EXPIRED)
        g->to_day = 20000;
}

static void i_13_silence_has_one_face(void **state)
{
    (void)state;
    static const char *const TO[] = {"P1", "R_PLAN", "R_PLAN@49201", "R_HVN"};
    static const uint32_t TYPE[] = {1001, 1030};
    static struct effects first;
    for (size_t i = 0; i < NELEM(TO) * NELEM(TYPE); i++) {
        struct buf said = {0};
        for (int s = NEVER_ASKED; s < SILENCES; s++) {
            union {
                ProtobufCMessage base;
                Pb__AdmissionRecorded a;
                Pb__DischargePlanned d;
            } b;
            struct sent e;
            struct buf now = {0};
            uint32_t type = TYPE[i / NELEM(TO)];
            protobuf_c_message_init(schema_event(type)->descriptor, &b.base);
            be_silent((enum silence)s);
            sent_init(w, &e, type, &b.base);
            sent_to(&e, TO[i % NELEM(TO)], "P_TRA");
            world_send(w, &e, "H1");
            sentence(w->fx, &now);
            if (s == NEVER_ASKED) {
                first = *w->fx;
                buf_add(&said, now.p, now.n);
            }
            assert_same(&first, w->fx, TO[i % NELEM(TO)]);
            assert_true(slice_eq(buf_slice(&said), buf_slice(&now)));
            buf_fini(&now);
        }
        buf_fini(&said);
    }
}

/* Who may have everything but the address, and would have had nothing else. */
static void i_13_protection_reads_like_no_consent(void **state)
{
    (void)state;
    static struct effects first;
    for (int protected = 0; protected < 2; protected ++) {
        Pb__DischargePlanned b = PB__DISCHARGE_PLANNED__INIT;
        struct sent e;
        world_reset(w);
        if (protected) {
            world_consent(w, "P_TRA", "P1")->classes =
                class_bit(PB__DATA_CLASS__G_CONTACT);
            w->protected = true;
        }
        sent_init(w, &e, 1030, &b.base);
        sent_to(&e, "P1", "P_TRA");
        world_send(w, &e, "H1");
        if (!protected)
            first = *w->fx;
        assert_same(&first, w->fx, "a protected address");
    }
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
        cmocka_unit_test(a_consent_reminds_before_it_ends),
        cmocka_unit_test(after_an_oral_consent_paper_is_due),
        cmocka_unit_test(a_consent_replaces_one_of_its_own_kind),
        cmocka_unit_test(a_withdrawal_of_a_replaced_paper_means_the_new_one),
        cmocka_unit_test(a_deferral_is_kept_and_asks_again),
        cmocka_unit_test(whoever_recorded_it_is_told),
        cmocka_unit_test(places_are_taken_over_one_by_one),
        cmocka_unit_test(protection_is_quick_on_and_slow_off),
        cmocka_unit_test(i_13_silence_has_one_face),
        cmocka_unit_test(i_13_protection_reads_like_no_consent),
    };
    return cmocka_run_group_tests(tests, open_world, close_world);
}
