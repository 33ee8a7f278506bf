/* meeting_test.c - meetings through the whole hub: pledge before papers, the
 * end calls back, nothing is copied into the next one (SC-16); and nobody asks
 * the police (SC-13). */
#include "tests/unit/hub/app/region.h"
#include "tsunagi/v1/meeting.pb-c.h"

#define K1 "OW-K1-492019"
#define C1 "HC-492019-01"
#define O1 "OW-HOUSE-49"
#define P1 "WO-4931000014"
#define BIT(c) (UINT64_C(1) << PB__DATA_CLASS__##c)
#define MT_106 PB__MEETING_KIND__MT_106
#define MT_JUSO PB__MEETING_KIND__MT_JUSO
#define MT_PD PB__MEETING_KIND__MT_PD

static const char *purpose_of(Pb__MeetingKind kind)
{
    return kind == MT_106 ? "P_M106" : "P_MCON";
}

/* whom: codes by spaces. */
static void to_each(struct sent *s, char *whom, const char *purpose)
{
    char *rest = NULL;
    for (char *w = strtok_r(whom, " ", &rest); w != NULL;
         w = strtok_r(NULL, " ", &rest))
        sent_to(s, w, purpose);
}

static const char *call(struct client *c, const char *person, const char *name,
                        Pb__MeetingKind kind, const char *whom)
{
    Pb__MeetingCalled b = PB__MEETING_CALLED__INIT;
    Pb__DataClass classes[] = {PB__DATA_CLASS__G_ID, PB__DATA_CLASS__G_CARE,
                               PB__DATA_CLASS__G_HOUSING};
    char list[128];
    struct sent s;
    snprintf(list, sizeof(list), "%s", whom);
    b.has_kind = 1;
    b.kind = kind;
    b.n_classes = NELEM(classes);
    b.classes = classes;
    b.meeting_place = (char *)(uintptr_t) "市役所二階";
    sent(&s, c, "MEETING_CALLED", &b.base, person, name);
    to_each(&s, list, purpose_of(kind));
    return post(c, &s);
}

static const char *show(struct client *c, const char *person, const char *name,
                        Pb__MeetingKind kind, const char *whom)
{
    Pb__MeetingPapers b = PB__MEETING_PAPERS__INIT;
    Pb__Name n = PB__NAME__INIT;
    char list[128];
    struct sent s;
    snprintf(list, sizeof(list), "%s", whom);
    n.kanji = (char *)(uintptr_t) "例示次郎";
    b.has_kind = 1;
    b.kind = kind;
    b.name = &n;
    b.care = (char *)(uintptr_t) "食事は母が運ぶ";
    b.housing_need = (char *)(uintptr_t) "家賃の滞納";
    b.finance = (char *)(uintptr_t) "年金のみ";
    sent(&s, c, "MEETING_PAPERS", &b.base, person, name);
    to_each(&s, list, purpose_of(kind));
    return post(c, &s);
}

/* An event of the meeting without content; token NULL: by the name given. */
static const char *say(struct client *c, const char *type, const char *name,
                       Pb__MeetingKind kind, const uint8_t *token)
{
    Pb__MeetingHeld held = PB__MEETING_HELD__INIT;
    Pb__MeetingPledged pledged = PB__MEETING_PLEDGED__INIT;
    Pb__MeetingClosed closed = PB__MEETING_CLOSED__INIT;
    Pb__Date today = PB__DATE__INIT;
    const ProtobufCMessage *b = &closed.base;
    char iso[16];
    date_after(iso, 0);
    today.iso = iso;
    held.held_on = &today;
    pledged.member_name = (char *)(uintptr_t) "担当者";
    struct sent s;
    held.has_kind = 1;
    held.kind = kind;
    held.attendance_note =
        (char *)(uintptr_t) "架空警察署の担当者から話を聞いた";
    pledged.pledge_version = (char *)(uintptr_t) "2026-1";
    if (strcmp(type, "MEETING_HELD") == 0)
        b = &held.base;
    else if (strcmp(type, "MEETING_PLEDGED") == 0)
        b = &pledged.base;
    sent(&s, c, type, b, NULL, name);
    if (token != NULL)
        memcpy(s.case_token, token, 16);
    return post(c, &s);
}

static const struct got *got_of(struct client *c, uint32_t type)
{
    for (size_t i = c->got_n; i-- > 0;)
        if (c->got[i].event->header->type == type)
            return &c->got[i];
    return NULL;
}

static uint64_t classes_in(const struct got *g)
{
    uint64_t mask = 0;
    for (size_t i = 0; g != NULL && i < g->d->n_part; i++)
        if (g->d->part[i]->body.len > 0)
            mask |= class_bit(g->d->part[i]->cls);
    return mask;
}

static void take(struct client *c)
{
    fetch(c, LANE_NORMAL);
    for (size_t i = 0; i < c->got_n; i++)
        client_ack(c, &c->got[i]);
    turns(c->r, 3);
}

static void pledge(struct client *c)
{
    take(c);
    const struct got *g = got_of(c, 1701);
    assert_non_null(g);
    assert_string_equal(say(c, "MEETING_PLEDGED", "", 0, g->d->case_token.data),
                        "");
}

static size_t recalls(struct region *r)
{
    return count_leaves(r, PB__LEAF_KIND__RECALL);
}

/* SC-16: a household in 架空市; the son refuses every contact. */
static void a_statutory_meeting_without_consent(void **state)
{
    struct region *r = *state;
    struct client *m1 = client(r, "m1"), *k1 = client(r, "k1"),
                  *c1 = client(r, "c1"), *o1 = client(r, "o1"),
                  *p1 = client(r, "p1");
    assert_string_equal(call(m1, "jiro", "meeting", MT_106, K1 " " C1 " " O1),
                        "");
    pledge(k1);
    pledge(o1);
    /* the health centre has not pledged; the planning office is no member */
    assert_string_equal(
        show(m1, "jiro", "meeting", MT_106, K1 " " C1 " " O1 " " P1), "");
    take(k1);
    take(c1);
    take(o1);
    take(p1);
    assert_int_equal(classes_in(got_of(k1, 1702)),
                     BIT(G_META) | BIT(G_ID) | BIT(G_CARE) | BIT(G_HOUSING));
    assert_int_equal(classes_in(got_of(o1, 1702)) & BIT(G_FIN), 0);
    assert_null(got_of(c1, 1702));
    assert_null(got_of(p1, 1702));
    /* whoever pledges late gets what is shown from then on */
    pledge(c1);
    take(c1);
    assert_null(got_of(c1, 1702));
    assert_string_equal(show(m1, "jiro", "meeting", MT_106, C1), "");
    take(c1);
    assert_non_null(got_of(c1, 1702));

    assert_string_equal(say(m1, "MEETING_HELD", "meeting", MT_106, NULL), "");
    assert_int_equal(recalls(r), 0);
    assert_string_equal(say(m1, "MEETING_CLOSED", "meeting", 0, NULL), "");
    turns(r, 5);
    assert_int_equal(recalls(r), 3); /* k1, o1, c1 */
    assert_string_equal(show(m1, "jiro", "meeting", MT_106, K1), "E-FLW-001");

    /* he agrees at last: a meeting of its own, and nothing in it */
    client_forget(k1);
    assert_string_equal(call(m1, "jiro", "juso", MT_JUSO, K1), "");
    pledge(k1);
    take(k1);
    assert_null(got_of(k1, 1702));
    assert_string_equal(show(m1, "jiro", "juso", MT_JUSO, K1), "");
    take(k1);
    assert_null(got_of(k1, 1702)); /* no consent yet */
    assert_string_equal(give(m1, "jiro", "yes", K1, "P_MCON"), "");
    assert_string_equal(show(m1, "jiro", "juso", MT_JUSO, K1), "");
    take(k1);
    assert_non_null(got_of(k1, 1702));
}

/* SC-13: the convenor would like the police at the table. */
static void the_police_is_not_asked(void **state)
{
    struct region *r = *state;
    struct client *c2 = client(r, "c2");
    size_t before = count_leaves(r, PB__LEAF_KIND__INGEST);
    assert_string_equal(call(c2, "taro", "pd", MT_PD, "R_POLICE " P1),
                        "E-POL-005");
    assert_int_equal(count_leaves(r, PB__LEAF_KIND__INGEST), before + 1);
    assert_string_equal(call(c2, "taro", "pd", MT_PD, P1), "");
    /* even when everybody agrees */
    assert_string_equal(give(c2, "taro", "yes", P1, "P_MCON"), "");
    assert_string_equal(show(c2, "taro", "pd", MT_PD, "R_POLICE"), "E-POL-005");
    /* a person notes who was there, and sends nothing */
    assert_string_equal(say(c2, "MEETING_HELD", "pd", MT_PD, NULL), "");
}

#define TEST(f)                                                                \
    cmocka_unit_test_setup_teardown(f, region_setup, region_teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_statutory_meeting_without_consent),
        TEST(the_police_is_not_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
