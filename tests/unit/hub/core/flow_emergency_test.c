/* flow_emergency_test.c - traces through the emergency workflow, and I-9
 * under random interleavings. A trace is words
 *
 *   [agency.]event[:recipient,...][=offerer]>outcome
 *
 * where the agency is B1 unless named, =offerer names whose last offer is
 * meant, and the outcome is a state, a code, or "late". due.X=Y fires a
 * deadline, +31m lets time pass. */
#include "tests/unit/hub/core/world.h"

static struct world *w;
/* The last offer of each provider. */
static struct {
    char name[4];
    uint8_t ref[ID_BYTES];
} offer[3] = {{"S1", {0}}, {"S2", {0}}, {"S3", {0}}};
static char told[512]; /* what the hub itself sent, in order */

static uint8_t *offer_of(const char *name)
{
    for (size_t i = 0; i < NELEM(offer); i++)
        if (strcmp(offer[i].name, name) == 0)
            return offer[i].ref;
    fail_msg("no provider %s", name);
    return NULL;
}

/* ---- bodies ---- */

union body {
    ProtobufCMessage base;
    Pb__EmergencyRequested request;
    Pb__EmergencyTriaged triage;
    Pb__StayCanvass canvass;
    Pb__StayOffered offered;
    Pb__StayDeclined declined;
    Pb__StayConfirmed confirmed;
    Pb__Cancelled cancelled;
};
static const struct {
    const char *word;
    uint32_t type;
    Pb__TriageBranch branch;
} VERBS[] = {
    {"req", 1410, 0},
    {"triage", 1411, PB__TRIAGE_BRANCH__CANVASS},
    {"medical", 1411, PB__TRIAGE_BRANCH__DIVERT_MEDICAL},
    {"abuse", 1411, PB__TRIAGE_BRANCH__DIVERT_ABUSE},
    {"advice", 1411, PB__TRIAGE_BRANCH__ADVICE_ONLY},
    {"canvass", 1412, 0},
    {"offer", 1413, 0},
    {"shortoffer", 1413, 0},
    {"pastoffer", 1413, 0},
    {"endlessoffer", 1413, 0},
    {"decline", 1414, 0},
    {"confirm", 1415, 0},
    {"cancel", 1424, 0},
};

static uint32_t verb_type(const char *verb)
{
    for (size_t i = 0; i < NELEM(VERBS); i++)
        if (strcmp(VERBS[i].word, verb) == 0)
            return VERBS[i].type;
    fail_msg("no verb %s", verb);
    return 0;
}

static Pb__TriageBranch verb_branch(const char *verb)
{
    for (size_t i = 0; i < NELEM(VERBS); i++)
        if (strcmp(VERBS[i].word, verb) == 0)
            return VERBS[i].branch;
    return 0;
}

static void fill(union body *b, const char *verb, const char *offerer)
{
    uint32_t type = verb_type(verb);
    protobuf_c_message_init(schema_event(type)->descriptor, &b->base);
    if (type == 1410) {
        b->request.has_registration = true;
        b->request.registration = PB__REGISTRATION__UNREGISTERED_UNABLE;
    } else if (type == 1411) {
        b->triage.has_branch = true;
        b->triage.branch = verb_branch(verb);
    } else if (type == 1413 && strcmp(verb, "offer") != 0) {
        b->offered.has_hold_until_ms = true;
        b->offered.hold_until_ms = strcmp(verb, "pastoffer") == 0 ? w->now
                                   : strcmp(verb, "endlessoffer") == 0
                                       ? UINT64_MAX
                                       : w->now + 5 * 60000;
    } else if (type == 1415 && offerer != NULL) {
        b->confirmed.has_offer_ref = true;
        b->confirmed.offer_ref =
            (ProtobufCBinaryData){ID_BYTES, offer_of(offerer)};
    }
}

/* ---- playing a trace ---- */

/* One word of a trace, taken apart. */
struct word {
    char from[64], verb[64], to[64], offerer[64], want[64];
    bool deadline;
};

static void parse(const char *text, struct word *out)
{
    char left[64];
    memset(out, 0, sizeof(*out));
    if (sscanf(text, "%63[^>]>%63s", left, out->want) != 2)
        fail_msg("bad word %s", text);
    char *eq = strchr(left, '='), *colon = strchr(left, ':');
    if (eq != NULL) {
        snprintf(out->offerer, sizeof(out->offerer), "%s", eq + 1);
        *eq = '\0';
    }
    if (colon != NULL) {
        snprintf(out->to, sizeof(out->to), "%s", colon + 1);
        *colon = '\0';
    }
    char *dot = strchr(left, '.');
    if (dot != NULL)
        *dot = '\0';
    out->deadline = dot != NULL && strcmp(left, "due") == 0;
    snprintf(out->from, sizeof(out->from), "%s", dot != NULL ? left : "B1");
    snprintf(out->verb, sizeof(out->verb), "%s", dot != NULL ? dot + 1 : left);
}

static void note_hub_events(void)
{
    for (size_t i = 0; i < w->fx->hub_count; i++) {
        const struct hub_event *h = &w->fx->hub[i];
        size_t n = strlen(told);
        snprintf(told + n, sizeof(told) - n, "%s%s %s", n > 0 ? "; " : "",
                 h->type == 1416 ? "released" : "late", name_of(h->to->code));
    }
}

static void send_word(const struct word *p)
{
    struct sent s;
    union body b;
    char to[64];
    uint32_t type = verb_type(p->verb);
    fill(&b, p->verb, p->offerer[0] != '\0' ? p->offerer : NULL);
    sent_init(w, &s, type, &b.base);
    snprintf(to, sizeof(to), "%s", p->to);
    if (to[0] == '\0' && (type == 1413 || type == 1414))
        snprintf(to, sizeof(to), "B1");
    for (char *save, *t = strtok_r(to, ",", &save); t != NULL;
         t = strtok_r(NULL, ",", &save))
        sent_to(&s, t, "P_EMG");
    world_send(w, &s, p->from);
    if (type == 1413 && w->fx->refuse == ERR_OK)
        memcpy(offer_of(p->from), s.e.event_id.b, ID_BYTES);
}

static void fire(const struct word *p)
{
    static const uint8_t NONE[ID_BYTES];
    if (strcmp(p->verb, "answer") == 0)
        world_due(w, DEADLINE_FIRST_ANSWER, NONE);
    else if (strcmp(p->verb, "offer") == 0)
        world_due(w, DEADLINE_FIRST_OFFER, NONE);
    else
        world_due(w, DEADLINE_OFFER_HOLD, offer_of(p->offerer));
}

static void play(const char *name, const char *trace)
{
    char copy[1024];
    world_reset(w);
    told[0] = '\0';
    snprintf(copy, sizeof(copy), "%s", trace);
    for (char *save, *t = strtok_r(copy, " ", &save); t != NULL;
         t = strtok_r(NULL, " ", &save)) {
        struct word p;
        if (t[0] == '+') {
            w->now += strtoull(t + 1, NULL, 10) * 60000;
            continue;
        }
        parse(t, &p);
        if (p.deadline)
            fire(&p);
        else
            send_word(&p);
        note_hub_events();
        if (strcmp(world_outcome(w), p.want) != 0)
            fail_msg("%s: after %s: %s", name, t, world_outcome(w));
    }
}

/* ---- the traces ---- */

#define LOOKING "req>NEW triage>TRIAGED canvass:S1,S2,S3>CANVASSING "
#define TWO LOOKING "S1.offer>OFFERED S2.offer>OFFERED "
static const struct {
    const char *name, *trace, *told;
} CASES[] = {
    {"one is confirmed, the others are released", /* */
     TWO "confirm:S2=S2>CONFIRMED", "released S1; released S3"},
    {"who said no is not released",
     LOOKING "S3.decline>CANVASSING S1.offer>OFFERED confirm:S1=S1>CONFIRMED",
     "released S2"},
    {"a second confirmation is refused",
     TWO "confirm:S2=S2>CONFIRMED confirm:S1=S1>E-FLW-002 "
         "confirm:S2=S2>E-FLW-002",
     "released S1; released S3"},
    {"I-8 an offer after the confirmation is answered, never applied",
     LOOKING "S1.offer>OFFERED confirm:S1=S1>CONFIRMED S2.offer>late "
             "S2.offer>late",
     "released S2; released S3; late S2; late S2"},
    {"I-8 an offer after the cancellation is answered, never applied",
     LOOKING "cancel>CANCELLED S1.offer>late confirm:S1=S1>E-FLW-003",
     "released S1; released S2; released S3; late S1"},
    {"cancelling a confirmed stay tells the one confirmed",
     TWO "confirm:S2=S2>CONFIRMED cancel>CANCELLED cancel>late",
     "released S1; released S3; released S2"},
    {"no confirmation without the offer",
     LOOKING "confirm:S1>E-FLW-006 confirm:S1=S1>E-FLW-006", ""},
    {"no confirmation before anyone was asked",
     "req>NEW confirm:S1=S1>E-FLW-001 triage>TRIAGED confirm:S1=S1>E-FLW-006",
     ""},
    {"a confirmation goes to the one that offered",
     TWO "confirm:S1=S2>E-FLW-007 confirm:S2,S1=S2>E-FLW-007 "
         "confirm=S2>E-FLW-007 confirm:S2=S2>CONFIRMED",
     "released S1; released S3"},
    {"an offer ends with its hold, even before the deadline is handled",
     LOOKING "S1.shortoffer>OFFERED +5m confirm:S1=S1>E-FLW-006", ""},
    {"an offer stands until its hold ends",
     LOOKING "S1.shortoffer>OFFERED +4m confirm:S1=S1>CONFIRMED",
     "released S2; released S3"},
    {"when the last hold ends the search goes on",
     LOOKING "S1.shortoffer>OFFERED S2.offer>OFFERED +5m "
             "due.hold=S1>OFFERED +25m due.hold=S2>CANVASSING "
             "due.hold=S2>CANVASSING",
     ""},
    {"an offer whose hold was ended is not open, whatever the clock says",
     LOOKING "S1.shortoffer>OFFERED S2.offer>OFFERED due.hold=S1>OFFERED "
             "confirm:S1=S1>E-FLW-006",
     ""},
    {"a newer offer takes the place of the older one",
     LOOKING "S1.shortoffer>OFFERED +4m S1.offer>OFFERED +2m "
             "confirm:S1=S1>CONFIRMED due.hold=S1>CONFIRMED",
     "released S2; released S3"},
    {"an offer that is over already is none", LOOKING "S1.pastoffer>E-FLW-006",
     ""},
    {"an offer held for ever is none", LOOKING "S1.endlessoffer>E-FLW-006", ""},
    {"without an offer in time the request is escalated",
     LOOKING "+30m due.offer>ESCALATED S3.offer>OFFERED", ""},
    {"the deadline for a first offer does nothing once there is one",
     LOOKING "S3.offer>OFFERED due.offer>OFFERED", ""},
    {"when all say no the request is escalated",
     LOOKING "S1.decline>CANVASSING S2.decline>CANVASSING "
             "S3.decline>ESCALATED canvass:S1>CANVASSING S1.offer>OFFERED",
     ""},
    {"who takes the only offer back sends the search on",
     LOOKING "S1.offer>OFFERED S1.decline>CANVASSING confirm:S1=S1>E-FLW-006",
     ""},
    {"who takes one of two offers back leaves the other",
     TWO "S1.decline>OFFERED confirm:S2=S2>CONFIRMED", "released S3"},
    {"the one confirmed may still say no, and stays the only one",
     TWO "confirm:S2=S2>CONFIRMED S2.decline>CONFIRMED S1.decline>late",
     "released S1; released S3"},
    {"to medical care, and everyone asked is released",
     LOOKING "medical>DIVERTED_MEDICAL S1.offer>late cancel>late",
     "released S1; released S2; released S3; late S1"},
    {"to the abuse desk", "req>NEW abuse>DIVERTED_ABUSE", ""},
    {"advice only", "req>NEW advice>ADVICE_ONLY canvass:S1>E-FLW-001", ""},
    {"nobody is asked before triage", "req>NEW canvass:S1>E-FLW-001", ""},
    {"a request is opened once", "req>NEW req>E-FLW-001", ""},
    {"waiting for an answer changes nothing but is written down",
     "req>NEW +10m due.answer>NEW triage>TRIAGED due.answer>TRIAGED", ""},
    {"who was not asked has no case to answer to",
     "req>NEW triage>TRIAGED canvass:S1>CANVASSING S2.offer>E-FLW-004 "
     "K1.confirm:S1=S1>E-FLW-004 K1.cancel>E-FLW-004",
     ""},
    {"only a coordinator opens a request", "H1.req>E-EVT-018", ""},
    {"only providers offer",
     LOOKING "offer>E-EVT-018 P1.offer>E-EVT-018 S1.confirm:S1=S1>E-EVT-018",
     ""},
    {"a coordinator asked as a provider does not run the request",
     "req>NEW triage>TRIAGED canvass:X1>CANVASSING X1.triage>E-FLW-005 "
     "X1.canvass:S1>E-FLW-005 X1.confirm:X1>E-FLW-005 X1.cancel>E-FLW-005 "
     "X1.decline>ESCALATED",
     ""},
    {"nor does the coordinator offer in place of a provider",
     "X1.req>NEW X1.triage>TRIAGED X1.canvass:S1>CANVASSING "
     "X1.offer>E-FLW-005 X1.decline>E-FLW-005",
     ""},
    {"asked later, told like the others",
     "req>NEW triage>TRIAGED canvass:S1>CANVASSING S1.offer>OFFERED "
     "canvass:S2,S3>OFFERED S2.offer>OFFERED confirm:S1=S1>CONFIRMED",
     "released S2; released S3"},
    {"a party asked by its place", /* S1 and S3 serve it */
     "req>NEW triage>TRIAGED canvass:R_SHORT@49201>CANVASSING "
     "S2.offer>E-FLW-004 S3.offer>OFFERED confirm:S3=S3>CONFIRMED",
     "released S1"},
};

static void traces_end_as_told(void **state)
{
    (void)state;
    for (size_t i = 0; i < NELEM(CASES); i++) {
        play(CASES[i].name, CASES[i].trace);
        if (strcmp(told, CASES[i].told) != 0)
            fail_msg("%s: told %s", CASES[i].name, told);
    }
}

static void answers_reach_whoever_asked(void **state)
{
    (void)state;
    play("reach", LOOKING "S1.offer>OFFERED");
    assert_int_equal(w->fx->to_count, 1);
    assert_int_equal(w->fx->to[0].why, ERR_OK);
    play("reach", LOOKING "S1.decline>CANVASSING");
    assert_int_equal(w->fx->to[0].why, ERR_OK);
    play("reach", LOOKING "cancel>CANCELLED S1.offer>late");
    assert_int_equal(w->fx->to_count, 0);
    assert_null(w->fx->state);
    play("reach", LOOKING "S1.offer:K1>OFFERED"); /* who did not ask */
    assert_int_equal(w->fx->to[0].why, ERR_POL_NONE);
}

static bool has_deadline(enum deadline_kind kind, bool start, uint64_t due)
{
    for (size_t i = 0; i < w->fx->deadline_count; i++) {
        const struct deadline_change *d = &w->fx->deadline[i];
        if (d->kind == kind && d->start == start && d->due_ms == due)
            return true;
    }
    return false;
}

static void deadlines_start_and_stop_with_the_request(void **state)
{
    (void)state;
    play("deadlines", "req>NEW");
    assert_true(has_deadline(DEADLINE_FIRST_ANSWER, true, NOW + 10 * 60000));
    play("deadlines", "req>NEW triage>TRIAGED");
    assert_true(has_deadline(DEADLINE_FIRST_ANSWER, false, 0));
    play("deadlines", LOOKING);
    assert_true(has_deadline(DEADLINE_FIRST_OFFER, true, NOW + 30 * 60000));
    play("deadlines", LOOKING "S1.shortoffer>OFFERED");
    assert_true(has_deadline(DEADLINE_FIRST_OFFER, false, 0));
    assert_true(has_deadline(DEADLINE_OFFER_HOLD, true, NOW + 5 * 60000));
    play("deadlines", TWO "confirm:S1=S1>CONFIRMED");
    assert_true(has_deadline(DEADLINE_OFFER_HOLD, false, 0));
}

static void a_confirmation_that_reaches_nobody_confirms_nobody(void **state)
{
    (void)state;
    play("clock", TWO);
    w->clock_off = true;
    struct word p = {
        .from = "B1", .verb = "confirm", .to = "S1", .offerer = "S1"};
    send_word(&p);
    assert_int_equal(w->fx->refuse, ERR_POL_CLOCK);
    assert_string_equal(w->state->state, "OFFERED");
    assert_null(w->fx->state);
    assert_int_equal(w->fx->hub_count, 0);
}

/* ---- I-9 ---- */

#define HARMLESS                                                               \
    (class_bit(PB__DATA_CLASS__G_META) |                                       \
     class_bit(PB__DATA_CLASS__G_CARE_CLASS))
static uint64_t seed = UINT64_C(88172645463325252);

static unsigned dice(unsigned n)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (unsigned)(seed % n);
}

static void random_word(struct word *p)
{
    static const char *const OWN[] = {"triage",  "canvass", "confirm",
                                      "confirm", "confirm", "canvass",
                                      "cancel"};
    static const char *const THEIRS[] = {"offer", "shortoffer", "decline"};
    static const char *const SET[] = {"S1", "S2", "S3", "S1,S2", "S1,S2,S3"};
    static const char *const ONE[] = {"S1", "S2", "S3"};
    memset(p, 0, sizeof(*p));
    bool own = dice(2) == 0;
    unsigned n = own ? dice(dice(20) == 0 ? 7 : 6) : dice(3);
    snprintf(p->verb, sizeof(p->verb), "%s", own ? OWN[n] : THEIRS[n]);
    snprintf(p->from, sizeof(p->from), "%s", own ? "B1" : ONE[dice(3)]);
    snprintf(p->offerer, sizeof(p->offerer), "%s", ONE[dice(3)]);
    if (strcmp(p->verb, "canvass") == 0)
        snprintf(p->to, sizeof(p->to), "%s", SET[dice(5)]);
    else if (strcmp(p->verb, "confirm") == 0)
        snprintf(p->to, sizeof(p->to), "%s",
                 dice(5) == 0 ? SET[dice(5)] : p->offerer);
}

/* Nothing that points at the person went to anyone but the one chosen. */
static void check_releases(void)
{
    const struct effects *fx = w->fx;
    for (size_t i = 0; fx->refuse == ERR_OK && i < fx->to_count; i++) {
        const struct recipient *r = &fx->to[i];
        if ((r->decision.released & ~HARMLESS) == 0)
            continue;
        assert_non_null(w->state->chosen);
        assert_string_equal(r->agency->code, w->state->chosen);
    }
}

/* The same at release, for everyone. */
static void check_late_releases(void)
{
    struct facts f = world_facts(w, "B1");
    const struct schema_message *m = schema_event(1415);
    for (size_t i = 0; i < NELEM(offer); i++) {
        struct decision d;
        const char *code = code_of(offer[i].name);
        step_again(&f,
                   &(struct question){m, "", registry_agency(w->registry, code),
                                      "R_SHORT", "P_EMG", m->class_mask, NULL},
                   w->now, &d);
        bool chosen =
            w->state->chosen != NULL && strcmp(w->state->chosen, code) == 0;
        assert_int_equal((d.released & ~HARMLESS) != 0, chosen);
    }
}

static void random_step(char chosen[AGENCY_MAX])
{
    struct word p;
    random_word(&p);
    if (dice(12) == 0) {
        snprintf(p.verb, sizeof(p.verb), "%s", dice(2) ? "hold" : "offer");
        fire(&p);
    } else {
        send_word(&p);
    }
    w->now += dice(4) * 60000;
    check_releases();
    if (chosen[0] != '\0')
        assert_string_equal(w->state->chosen, chosen);
    else if (w->state->chosen != NULL)
        snprintf(chosen, AGENCY_MAX, "%s", w->state->chosen);
}

static void i_9_exactly_one_is_confirmed_in_any_interleaving(void **state)
{
    (void)state;
    size_t confirmed = 0;
    for (int run = 0; run < 2500; run++) {
        char chosen[AGENCY_MAX] = "";
        play("random", "req>NEW triage>TRIAGED");
        memset(offer[0].ref, 0, ID_BYTES);
        memset(offer[1].ref, 0, ID_BYTES);
        memset(offer[2].ref, 0, ID_BYTES);
        for (int i = 0; i < 40; i++)
            random_step(chosen);
        check_late_releases();
        confirmed += chosen[0] != '\0';
    }
    /* the dice are not loaded against what is to be tested */
    assert_in_range(confirmed, 1000, 2499);
}

static int open_world(void **state)
{
    (void)state;
    w = world_new("OW-X1-49\t見本拠点\tMihon Hub\tR_HUBC R_SHORT\t49202\t\n");
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
        cmocka_unit_test(traces_end_as_told),
        cmocka_unit_test(answers_reach_whoever_asked),
        cmocka_unit_test(deadlines_start_and_stop_with_the_request),
        cmocka_unit_test(a_confirmation_that_reaches_nobody_confirms_nobody),
        cmocka_unit_test(i_9_exactly_one_is_confirmed_in_any_interleaving),
    };
    return cmocka_run_group_tests(tests, open_world, close_world);
}
