/* glass_test.c - every way in which a break-glass is refused, the edges of its
 * times, who is told, who may judge it; and questions at night. */
#include "tests/unit/hub/core/world.h"
#include "tsunagi/v1/glass.pb-c.h"

#define SECOND UINT64_C(1000)
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)
#define TEXT "自宅で意識がもうろうとし、飲んでいる薬が分からない。"
#define BIT(c) (UINT64_C(1) << PB__DATA_CLASS__##c)
#define MED BIT(G_MED_MIN)
#define PHYS BIT(G_PHYS_MIN)
#define META BIT(G_META)

static struct world *w;
static struct glass_actor who;
static uint8_t coordinator[ID_BYTES] = {7}, officer[ID_BYTES] = {8};

/* ---- one event ---- */

struct opening {
    struct sent s;
    Pb__BreakGlassOpened b;
    Pb__DataClass classes[CLASS_MAX];
    uint8_t ref[ID_BYTES], extends[ID_BYTES];
};

static void set_classes(struct opening *o, uint64_t mask)
{
    o->b.n_classes = 0;
    for (unsigned c = 1; c < CLASS_MAX; c++)
        if ((mask & class_bit(c)) != 0)
            o->classes[o->b.n_classes++] = (Pb__DataClass)c;
}

static void by(struct sent *s, uint8_t *actor)
{
    s->routing.has_actor = actor != NULL;
    s->routing.actor = (ProtobufCBinaryData){ID_BYTES, actor};
}

/* What a coordinator sends who knows what is asked for. */
static void opening(struct opening *o, uint8_t ref)
{
    memset(o, 0, sizeof(*o));
    pb__break_glass_opened__init(&o->b);
    o->ref[0] = ref;
    o->b.has_glass_ref = o->b.has_reason = o->b.has_step_up_ms = true;
    o->b.glass_ref = (ProtobufCBinaryData){ID_BYTES, o->ref};
    o->b.reason = PB__BREAK_GLASS_REASON__LIFE_SELF;
    o->b.text = (char *)(uintptr_t)TEXT;
    o->b.why_no_consent = (char *)(uintptr_t) "応答がない";
    o->b.step_up_ms = w->now;
    o->b.classes = o->classes;
    set_classes(o, MED | PHYS);
    sent_init(w, &o->s, 2001, &o->b.base);
    o->s.routing.has_case_token = false;
    by(&o->s, coordinator);
}

static void extending(struct opening *o, uint8_t ref)
{
    opening(o, 99);
    o->extends[0] = ref;
    o->b.has_extends = true;
    o->b.extends = (ProtobufCBinaryData){ID_BYTES, o->extends};
    o->b.text = (char *)(uintptr_t) "救急隊が着くまでもう少し、同じ情報を見る必"
                                    "要がある。";
}

/* As the hub keeps it. */
static void keep(void)
{
    struct glass *g = NULL;
    if (w->fx->refuse != ERR_OK || w->fx->glass_change == GLASS_NO_CHANGE)
        return;
    for (size_t i = 0; i < w->glasses; i++)
        if (memcmp(w->glass[i].ref, w->fx->glass.ref, ID_BYTES) == 0)
            g = &w->glass[i];
    if (g == NULL) {
        assert_true(w->glasses < WORLD_GRANTS);
        g = &w->glass[w->glasses++];
    }
    *g = w->fx->glass;
}

static enum err send(struct opening *o, const char *from)
{
    w->actor = &who;
    world_send(w, &o->s, from);
    keep();
    return w->fx->refuse;
}

static void open_one(uint8_t ref)
{
    struct opening o;
    opening(&o, ref);
    assert_int_equal(send(&o, "B1"), ERR_OK);
}

static enum err judge(const char *from, uint8_t *actor, uint8_t ref,
                      Pb__GlassVerdict verdict)
{
    struct sent s;
    Pb__BreakGlassReviewed b = PB__BREAK_GLASS_REVIEWED__INIT;
    uint8_t id[ID_BYTES] = {ref};
    b.has_glass_ref = true;
    b.glass_ref = (ProtobufCBinaryData){ID_BYTES, id};
    b.has_verdict = verdict != 0;
    b.verdict = verdict;
    b.text = (char *)(uintptr_t) "記録と照らして確かめた。";
    sent_init(w, &s, 2002, &b.base);
    s.routing.has_case_token = false;
    by(&s, actor);
    world_send(w, &s, from);
    keep();
    return w->fx->refuse;
}

static int setup(void **state)
{
    (void)state;
    world_reset(w);
    memset(&who, 0, sizeof(who));
    who.now[0] = 1;
    return 0;
}

/* ---- opening ---- */

static void nobody(struct opening *o)
{
    by(&o->s, NULL);
}
static void late(struct opening *o)
{
    (void)o;
    who.suspended = true;
}
static void no_reason(struct opening *o)
{
    o->b.has_reason = false;
    o->b.reason = 0;
}
static void no_why(struct opening *o)
{
    o->b.why_no_consent = (char *)(uintptr_t) "　 \n";
}
static void nineteen(struct opening *o)
{
    o->b.text = (char *)(uintptr_t) "一二三四五六七八九十一二三四五六七八九";
}
static void twenty(struct opening *o)
{
    o->b.text = (char *)(uintptr_t) "一二三四五六七八九十一二三四五六七八九十";
}
static void blanks(struct opening *o)
{
    o->b.text =
        (char *)(uintptr_t) "緊急　　　　　　　　　　　　　　　　　　　　";
}
static void unseen(struct opening *o)
{
    o->b.text = (char *)(uintptr_t) "緊急"
                                    "\u200b\u200b\u200b\u200b\u200b\u200b"
                                    "\u200d\u2060\ufeff\u3164\u00ad\u2800"
                                    "\u2003\u202e\ufe0f\u180e\u2028\u115f";
}
static void no_text(struct opening *o)
{
    o->b.text = NULL;
}
static void said_last(struct opening *o)
{
    (void)o;
    who.texts = 1;
    who.text[0][0] = 1;
}
static void said_five_ago(struct opening *o)
{
    (void)o;
    who.texts = 5;
    for (uint8_t i = 0; i < 5; i++)
        who.text[i][0] = (uint8_t)(5 - i);
}
static void said_otherwise(struct opening *o)
{
    said_five_ago(o);
    who.now[0] = 6;
}
static void shown_five_minutes_ago(struct opening *o)
{
    o->b.step_up_ms = w->now - 5 * MINUTE;
}
static void shown_longer_ago(struct opening *o)
{
    o->b.step_up_ms = w->now - 5 * MINUTE - 1;
}
static void shown_in_the_future(struct opening *o)
{
    o->b.step_up_ms = w->now + 5 * MINUTE + 1;
}
static void not_shown(struct opening *o)
{
    o->b.has_step_up_ms = false;
    o->b.step_up_ms = 0;
}
static void no_class(struct opening *o)
{
    set_classes(o, 0);
}
static void status_alone(struct opening *o)
{
    set_classes(o, META);
}
static void with_status(struct opening *o)
{
    set_classes(o, META | MED);
}
static void an_hour(struct opening *o)
{
    o->b.has_minutes = true;
    o->b.minutes = 60;
}
static void longer(struct opening *o)
{
    o->b.has_minutes = true;
    o->b.minutes = 61;
}
static void clock_off(struct opening *o)
{
    (void)o;
    w->clock_off = true;
}
static void no_ref(struct opening *o)
{
    o->b.has_glass_ref = false;
}
static void as_asked(struct opening *o)
{
    (void)o;
}

static const struct {
    const char *name, *from;
    void (*change)(struct opening *o);
    enum err want;
} OPENINGS[] = {
    /* clang-format off */
    {"a coordinator opens what the pack allows", "B1", as_asked, ERR_OK},
    {"so does a provider", "S1", as_asked, ERR_OK},
    {"E-BTG-001 a node alone opens nothing", "B1", nobody, ERR_GLASS_ACTOR},
    {"E-BTG-002 without a reason", "B1", no_reason, ERR_GLASS_REASON},
    {"E-BTG-002 without why there is no consent", "B1", no_why, ERR_GLASS_REASON},
    {"E-BTG-003 no text", "B1", no_text, ERR_GLASS_TEXT},
    {"E-BTG-003 nineteen characters", "B1", nineteen, ERR_GLASS_TEXT},
    {"twenty characters are enough", "B1", twenty, ERR_OK},
    {"E-BTG-003 blanks are no characters", "B1", blanks, ERR_GLASS_TEXT},
    {"E-BTG-003 what nobody sees is no character", "B1", unseen, ERR_GLASS_TEXT},
    {"E-BTG-003 the last text again", "B1", said_last, ERR_GLASS_TEXT},
    {"E-BTG-003 the fifth text back again", "B1", said_five_ago, ERR_GLASS_TEXT},
    {"a text not among the last five", "B1", said_otherwise, ERR_OK},
    {"a second factor of five minutes ago counts", "B1", shown_five_minutes_ago, ERR_OK},
    {"E-BTG-004 an older one does not", "B1", shown_longer_ago, ERR_GLASS_STEP_UP},
    {"E-BTG-004 nor one of the future", "B1", shown_in_the_future, ERR_GLASS_STEP_UP},
    {"E-BTG-004 nor none", "B1", not_shown, ERR_GLASS_STEP_UP},
    {"E-BTG-005 no kind of data", "B1", no_class, ERR_GLASS_CLASSES},
    {"E-BTG-005 status alone is nothing to open", "B1", status_alone, ERR_GLASS_CLASSES},
    {"status goes along with what is opened", "B1", with_status, ERR_OK},
    {"E-BTG-005 a role the pack does not name", "P1", as_asked, ERR_GLASS_CLASSES},
    {"E-BTG-005 a base centre alone may not", "K1", as_asked, ERR_GLASS_CLASSES},
    {"sixty minutes", "B1", an_hour, ERR_OK},
    {"E-BTG-006 sixty-one minutes", "B1", longer, ERR_GLASS_TIME},
    {"E-BTG-007 a review is overdue", "B1", late, ERR_GLASS_SUSPENDED},
    {"nothing opens while the clock is off", "B1", clock_off, ERR_POL_CLOCK},
    {"an opening needs its number", "B1", no_ref, ERR_VAL_REQUIRED},
}; /* clang-format on */

static void an_opening_is_refused_by_its_code(void **state)
{
    for (size_t i = 0; i < NELEM(OPENINGS); i++) {
        struct opening o;
        setup(state);
        opening(&o, 1);
        OPENINGS[i].change(&o);
        enum err e = send(&o, OPENINGS[i].from);
        if (e != OPENINGS[i].want)
            fail_msg("%s: %s", OPENINGS[i].name, err_code(e));
        if ((e == ERR_OK) != (w->fx->glass_change == GLASS_OPEN))
            fail_msg("%s: opens", OPENINGS[i].name);
        if (e != ERR_OK && (w->fx->hub_count > 0 || w->fx->deadline_count > 0))
            fail_msg("%s: does something", OPENINGS[i].name);
    }
}

/* What may never be opened, by whoever: a legal status, a police or abuse
 * report, family, money, a diagnosis, free text, an address. */
static void some_classes_are_opened_by_nobody(void **state)
{
    static const unsigned NEVER[] = {
        PB__DATA_CLASS__G_LEGAL,  PB__DATA_CLASS__G_POLICE,
        PB__DATA_CLASS__G_FAMILY, PB__DATA_CLASS__G_FIN,
        PB__DATA_CLASS__G_ABUSE,  PB__DATA_CLASS__G_REPORTER,
        PB__DATA_CLASS__G_NOTE,   PB__DATA_CLASS__G_DX,
        PB__DATA_CLASS__G_CONTACT};
    static const char *const FROM[] = {"B1", "S1", "H1", "H2", "N1", "C1"};
    for (size_t i = 0; i < NELEM(NEVER); i++)
        for (size_t j = 0; j < NELEM(FROM); j++) {
            struct opening o;
            setup(state);
            opening(&o, 1);
            set_classes(&o, class_bit(NEVER[i]));
            if (send(&o, FROM[j]) != ERR_GLASS_CLASSES)
                fail_msg("%s opens %s", FROM[j], class_name(NEVER[i]));
            setup(state);
            opening(&o, 1);
            set_classes(&o, class_bit(NEVER[i]) | MED);
            if (send(&o, FROM[j]) != ERR_GLASS_CLASSES)
                fail_msg("%s opens %s besides", FROM[j], class_name(NEVER[i]));
        }
}

static uint64_t due(enum deadline_kind kind)
{
    for (size_t i = 0; i < w->fx->deadline_count; i++)
        if (w->fx->deadline[i].kind == kind && w->fx->deadline[i].start)
            return w->fx->deadline[i].due_ms;
    return 0;
}

static void it_ends_after_its_minutes_and_is_due_after_72_hours(void **state)
{
    struct opening o;
    (void)state;
    opening(&o, 1);
    o.b.has_minutes = true;
    o.b.minutes = 10;
    assert_int_equal(send(&o, "B1"), ERR_OK);
    const struct glass *g = &w->glass[0];
    assert_int_equal(due(DEADLINE_GLASS_END), NOW + 10 * MINUTE);
    assert_int_equal(due(DEADLINE_GLASS_REVIEW), NOW + 72 * HOUR);
    assert_true(glass_live(g, NOW));
    assert_true(glass_live(g, NOW + 10 * MINUTE - 1));
    assert_false(glass_live(g, NOW + 10 * MINUTE));
    assert_false(glass_live(g, NOW - 1));
}

static void one_that_says_no_time_lasts_the_longest(void **state)
{
    (void)state;
    open_one(1);
    assert_int_equal(w->glass[0].until_ms, NOW + 60 * MINUTE);
    assert_string_equal(w->glass[0].role, "R_HUBC");
    assert_string_equal(w->glass[0].reason, "LIFE_SELF");
    assert_string_equal(w->glass[0].agency, code_of("B1"));
    assert_memory_equal(w->glass[0].actor, coordinator, ID_BYTES);
}

/* ---- extending ---- */

static void it_is_extended_once_while_it_is_open(void **state)
{
    struct opening o;
    (void)state;
    open_one(1);
    w->now += 59 * MINUTE;
    extending(&o, 1);
    assert_int_equal(send(&o, "B1"), ERR_OK);
    assert_int_equal(w->fx->glass_change, GLASS_EXTEND);
    assert_int_equal(w->glass[0].until_ms, w->now + 60 * MINUTE);
    assert_int_equal(w->glass[0].review_due_ms, NOW + 72 * HOUR);
    assert_int_equal(due(DEADLINE_GLASS_END), w->now + 60 * MINUTE);
    w->now += MINUTE;
    extending(&o, 1);
    assert_int_equal(send(&o, "B1"), ERR_GLASS_TIME);
}

static void an_extension_never_shortens(void **state)
{
    struct opening o;
    (void)state;
    open_one(1);
    extending(&o, 1);
    o.b.has_minutes = true;
    o.b.minutes = 1;
    assert_int_equal(send(&o, "B1"), ERR_OK);
    assert_int_equal(w->glass[0].until_ms, NOW + 60 * MINUTE);
}

static void an_extension_is_asked_for_like_an_opening(void **state)
{
    static const struct {
        const char *name, *from;
        uint64_t after_ms, classes;
        uint8_t ref, actor;
        uint32_t minutes;
        enum err want;
    } CASES[] = {
        /* clang-format off */
        {"by another person", "B1", MINUTE, MED, 1, 9, 0, ERR_GLASS_ACTOR},
        {"by another agency", "S1", MINUTE, MED, 1, 7, 0, ERR_GLASS_ACTOR},
        {"for more", "B1", MINUTE, MED | BIT(G_CRISIS), 1, 7, 0, ERR_GLASS_CLASSES},
        {"of one nobody opened", "B1", MINUTE, MED, 2, 7, 0, ERR_GLASS_TIME},
        {"after its end", "B1", 60 * MINUTE, MED, 1, 7, 0, ERR_GLASS_TIME},
        {"at its last moment", "B1", 60 * MINUTE - 1, MED, 1, 7, 0, ERR_OK},
        {"for too long", "B1", MINUTE, MED, 1, 7, 61, ERR_GLASS_TIME},
    }; /* clang-format on */
    for (size_t i = 0; i < NELEM(CASES); i++) {
        struct opening o;
        uint8_t actor[ID_BYTES] = {CASES[i].actor};
        setup(state);
        open_one(1);
        w->now += CASES[i].after_ms;
        extending(&o, CASES[i].ref);
        set_classes(&o, CASES[i].classes);
        o.b.has_minutes = CASES[i].minutes != 0;
        o.b.minutes = CASES[i].minutes;
        by(&o.s, actor);
        enum err e = send(&o, CASES[i].from);
        if (e != CASES[i].want)
            fail_msg("%s: %s", CASES[i].name, err_code(e));
    }
}

/* ---- who is told ---- */

static bool told(const char *name)
{
    for (size_t i = 0; i < w->fx->hub_count; i++)
        if (w->fx->hub[i].type == 2009 &&
            strcmp(w->fx->hub[i].to->code, code_of(name)) == 0)
            return true;
    return false;
}

static void officers_of_the_place_and_the_own_agency_are_told(void **state)
{
    (void)state;
    snprintf(w->places.present, sizeof(w->places.present), "49201");
    open_one(1);
    assert_true(told("B1"));
    assert_true(told("A1")); /* serves 49201 */
    assert_false(told("A2"));
    assert_int_equal(w->fx->hub_count, 3); /* and the region's own officer */
}

static void every_officer_is_told_when_the_place_is_not_known(void **state)
{
    (void)state;
    open_one(1);
    assert_true(told("A1"));
    assert_true(told("A2"));
    setup(state);
    snprintf(w->places.resident, sizeof(w->places.resident), "49999");
    open_one(1);
    assert_true(told("A1") && told("A2"));
}

/* ---- reviews ---- */

static void a_review_is_by_another_person_of_another_agency(void **state)
{
    static const struct {
        const char *name, *from;
        uint8_t *actor;
        uint8_t ref;
        Pb__GlassVerdict verdict;
        enum err want;
    } CASES[] = {
        /* clang-format off */
        {"an officer judges", "A1", officer, 1, PB__GLASS_VERDICT__JUSTIFIED, ERR_OK},
        {"a hospital that was asked judges", "H1", officer, 1, PB__GLASS_VERDICT__NOT_JUSTIFIED, ERR_OK},
        {"E-BTG-001 a node alone judges nothing", "A1", NULL, 1, PB__GLASS_VERDICT__JUSTIFIED, ERR_GLASS_ACTOR},
        {"E-BTG-008 the same person elsewhere", "A1", coordinator, 1, PB__GLASS_VERDICT__JUSTIFIED, ERR_GLASS_REVIEWER},
        {"a base centre of another agency judges", "B2", officer, 1, PB__GLASS_VERDICT__JUSTIFIED, ERR_OK},
        {"an unknown one is not there", "A1", officer, 2, PB__GLASS_VERDICT__JUSTIFIED, ERR_NOT_FOUND},
        {"a verdict is needed", "A1", officer, 1, 0, ERR_VAL_REQUIRED},
    }; /* clang-format on */
    for (size_t i = 0; i < NELEM(CASES); i++) {
        setup(state);
        open_one(1);
        enum err e = judge(CASES[i].from, CASES[i].actor, CASES[i].ref,
                           CASES[i].verdict);
        if (e != CASES[i].want)
            fail_msg("%s: %s", CASES[i].name, err_code(e));
        if (e == ERR_OK)
            assert_string_equal(w->glass[0].reviewer, code_of(CASES[i].from));
    }
    /* the opener's own agency, which may review others' */
    struct opening o;
    setup(state);
    opening(&o, 1);
    set_classes(&o, BIT(G_CRISIS));
    assert_int_equal(send(&o, "H1"), ERR_OK);
    assert_int_equal(judge("H1", officer, 1, PB__GLASS_VERDICT__JUSTIFIED),
                     ERR_GLASS_REVIEWER);
}

static bool stops(enum deadline_kind kind)
{
    for (size_t i = 0; i < w->fx->deadline_count; i++)
        if (w->fx->deadline[i].kind == kind && !w->fx->deadline[i].start)
            return true;
    return false;
}

static void a_verdict_ends_the_duty_and_is_told(void **state)
{
    (void)state;
    open_one(1);
    assert_int_equal(judge("A1", officer, 1, PB__GLASS_VERDICT__NEED_INFO),
                     ERR_OK);
    assert_false(stops(DEADLINE_GLASS_REVIEW));
    assert_false(glass_reviewed(&w->glass[0]));
    assert_int_equal(judge("A1", officer, 1, PB__GLASS_VERDICT__NOT_JUSTIFIED),
                     ERR_OK);
    assert_true(stops(DEADLINE_GLASS_REVIEW));
    assert_true(told("B1") && told("A1") && told("A2"));
    assert_int_equal(w->glass[0].verdict, GLASS_NOT_JUSTIFIED);
    assert_int_equal(judge("A2", officer, 1, PB__GLASS_VERDICT__JUSTIFIED),
                     ERR_CONFLICT);
}

static void one_overdue_is_told_everywhere(void **state)
{
    (void)state;
    snprintf(w->places.present, sizeof(w->places.present), "49201");
    open_one(1);
    world_due(w, DEADLINE_GLASS_REVIEW, w->glass[0].ref);
    assert_int_equal(w->fx->glass_change, GLASS_OVERDUE);
    assert_true(told("B1") && told("A1"));
    for (size_t i = 0; i < w->fx->hub_count; i++)
        assert_int_equal(w->fx->hub[i].reason, 1);
    assert_int_equal(judge("A1", officer, 1, PB__GLASS_VERDICT__TRAINING),
                     ERR_OK);
    world_due(w, DEADLINE_GLASS_REVIEW, w->glass[0].ref);
    assert_int_equal(w->fx->glass_change, GLASS_NO_CHANGE);
    assert_int_equal(w->fx->hub_count, 0);
    world_due(w, DEADLINE_GLASS_END, w->glass[0].ref);
    assert_int_equal(w->fx->glass_change, GLASS_CLOSE);
}

/* ---- what passes under one ---- */

static void only_the_holder_sees_and_only_while_it_is_open(void **state)
{
    static uint8_t colleague[ID_BYTES] = {9};
    static const struct {
        const char *name;
        uint32_t event;
        const char *from, *to;
        uint64_t at_ms;
        uint8_t *reader;
        uint64_t want;
    } CASES[] = {
        /* clang-format off */
        {"what the holder receives", 1428, "H1", "B1", NOW, NULL, MED | PHYS | META},
        {"at the last moment", 1428, "H1", "B1", NOW + HOUR - 1, NULL, MED | PHYS | META},
        {"not after it", 1428, "H1", "B1", NOW + HOUR, NULL, 0},
        {"not another agency", 1428, "H1", "S1", NOW, NULL, 0},
        {"the opener reads", 1428, "H1", "B1", NOW, coordinator, MED | PHYS | META},
        {"a colleague does not", 1428, "H1", "B1", NOW, colleague, 0},
        {"what the hub sends", 1428, NULL, "B1", NOW, NULL, MED | PHYS | META},
        {"the hospital is asked by name", 1427, "B1", "H1", NOW, NULL,
            META | BIT(G_NAME) | BIT(G_ID)},
        {"and anybody there reads the question", 1427, "B1", "H1", NOW, officer,
            META | BIT(G_NAME) | BIT(G_ID)},
        {"others ask without", 1427, "S1", "H1", NOW, NULL, 0},
        {"the question passes on the asker's alone", 1427, "S1", "B1", NOW, NULL, 0},
        {"nothing else passes on the sender's", 1415, "B1", "S1", NOW, NULL, 0},
    }; /* clang-format on */
    (void)state;
    open_one(1);
    for (size_t i = 0; i < NELEM(CASES); i++) {
        uint64_t classes;
        struct glass_way way = {.event = CASES[i].event,
                                .to = code_of(CASES[i].to),
                                .reader = CASES[i].reader};
        if (CASES[i].from != NULL)
            way.from = code_of(CASES[i].from);
        const struct glass *g =
            glass_between(w->glass, w->glasses, &way, CASES[i].at_ms, &classes);
        if (classes != CASES[i].want || (g != NULL) != (classes != 0))
            fail_msg("%s: %llx", CASES[i].name, (unsigned long long)classes);
    }
}

/* ---- questions at night ---- */

static enum err ask_care(const char *from, uint8_t *actor, uint8_t ref)
{
    struct sent s;
    Pb__CareAsked b = PB__CARE_ASKED__INIT;
    uint8_t id[ID_BYTES] = {ref};
    b.has_glass_ref = ref != 0;
    b.glass_ref = (ProtobufCBinaryData){ID_BYTES, id};
    sent_init(w, &s, 1427, &b.base);
    s.routing.has_case_token = false;
    by(&s, actor);
    sent_to(&s, "H1", "P_EMG");
    world_send(w, &s, from);
    return w->fx->refuse;
}

static void a_question_cites_a_break_glass_of_its_own(void **state)
{
    static uint8_t colleague[ID_BYTES] = {9};
    (void)state;
    open_one(1);
    assert_int_equal(ask_care("B1", coordinator, 1), ERR_OK);
    assert_int_equal(ask_care("B1", coordinator, 2), ERR_GLASS_TIME);
    assert_int_equal(ask_care("S1", coordinator, 1), ERR_GLASS_TIME);
    assert_int_equal(ask_care("B1", colleague, 1), ERR_GLASS_ACTOR);
    assert_int_equal(ask_care("B1", NULL, 1), ERR_GLASS_ACTOR);
    w->now += HOUR;
    assert_int_equal(ask_care("B1", coordinator, 1), ERR_GLASS_TIME);
}

static void an_answer_goes_to_the_asker_alone(void **state)
{
    static const struct {
        const char *name, *asker, *to;
        enum err want;
    } CASES[] = {
        {"to the asker", "B1", "B1", ERR_OK},
        {"to somebody else", "B1", "S1", ERR_FLOW_RECIPIENT},
        {"to a role", "B1", "R_HUBC", ERR_FLOW_RECIPIENT},
        {"to nobody's question", NULL, "B1", ERR_NOT_FOUND},
    };
    for (size_t i = 0; i < NELEM(CASES); i++) {
        struct sent s;
        Pb__CareAnswered b = PB__CARE_ANSWERED__INIT;
        setup(state);
        open_one(1);
        w->asker = CASES[i].asker;
        sent_init(w, &s, 1428, &b.base);
        s.routing.has_case_token = false;
        sent_to(&s, CASES[i].to, "P_EMG");
        world_send(w, &s, "H1");
        if (w->fx->refuse != CASES[i].want)
            fail_msg("%s: %s", CASES[i].name, err_code(w->fx->refuse));
    }
}

/* ---- the text ---- */

static void blanks_and_forms_make_no_other_text(void **state)
{
    static const struct {
        const char *a, *b;
        bool same;
    } CASES[] = {
        {"薬が分からない", " 薬が\n分から　ない ", true},
        {"ガス", "\u30ab\u3099ス", true}, /* composed and not */
        {"薬が分からない", "薬が\u200b分から\ufeffない", true},
        {"薬が分からない", "薬は分からない", false},
    };
    (void)state;
    for (size_t i = 0; i < NELEM(CASES); i++) {
        struct buf a = {0}, b = {0};
        assert_int_equal(glass_text_key(slice_str(CASES[i].a), &a), ERR_OK);
        assert_int_equal(glass_text_key(slice_str(CASES[i].b), &b), ERR_OK);
        if (slice_eq(buf_slice(&a), buf_slice(&b)) != CASES[i].same)
            fail_msg("%s", CASES[i].a);
        buf_fini(&a);
        buf_fini(&b);
    }
}

static int begin(void **state)
{
    (void)state;
    w = world_new("OW-A1-49\t見本監査\tMihon Audit\tR_AUDIT\t49201\t\n"
                  "OW-A2-49\t例示監査\tReiji Audit\tR_AUDIT\t49301\t\n"
                  "OW-B2-49\t見本拠点\tMihon Hub\tR_HUBC R_KIKAN\t49301\t\n");
    return 0;
}

static int end(void **state)
{
    (void)state;
    world_free(w);
    return 0;
}

#define CASE(f) cmocka_unit_test_setup(f, setup)
int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(an_opening_is_refused_by_its_code),
        CASE(some_classes_are_opened_by_nobody),
        CASE(it_ends_after_its_minutes_and_is_due_after_72_hours),
        CASE(one_that_says_no_time_lasts_the_longest),
        CASE(it_is_extended_once_while_it_is_open),
        CASE(an_extension_never_shortens),
        CASE(an_extension_is_asked_for_like_an_opening),
        CASE(officers_of_the_place_and_the_own_agency_are_told),
        CASE(every_officer_is_told_when_the_place_is_not_known),
        CASE(a_review_is_by_another_person_of_another_agency),
        CASE(a_verdict_ends_the_duty_and_is_told),
        CASE(one_overdue_is_told_everywhere),
        CASE(only_the_holder_sees_and_only_while_it_is_open),
        CASE(a_question_cites_a_break_glass_of_its_own),
        CASE(an_answer_goes_to_the_asker_alone),
        CASE(blanks_and_forms_make_no_other_text),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
