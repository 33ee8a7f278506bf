/* glass_test.c - break-glass through the whole hub: a night with somebody
 * nobody knows, what it leaves behind, and what follows (SC-11). */
#include "tests/unit/hub/app/region.h"
#include "tsunagi/v1/glass.pb-c.h"

#define B1 "OW-B1-49"
#define H1 "MI-4910100017"
#define MINUTE UINT64_C(60000)
#define HOUR (60 * MINUTE)
#define BIT(c) (UINT64_C(1) << PB__DATA_CLASS__##c)
#define TEXT "二十三時半、友人から電話。受け答えができず、薬が分からない。"
#define WHY "応答がなく、家族の連絡先も分からない"
#define NAME "試験三郎"

static const uint8_t COORDINATOR[16] = {7}, COLLEAGUE[16] = {9},
                     OFFICER[16] = {8};

static void act(struct sent *s, const uint8_t *actor)
{
    s->routing.has_actor = actor != NULL;
    s->routing.actor = (ProtobufCBinaryData){16, (uint8_t *)(uintptr_t)actor};
}

static const char *open_glass(struct client *c, const uint8_t *actor,
                              const char *person, const char *ref,
                              const char *text, const char *extends)
{
    Pb__BreakGlassOpened b = PB__BREAK_GLASS_OPENED__INIT;
    Pb__DataClass classes[] = {PB__DATA_CLASS__G_MED_MIN,
                               PB__DATA_CLASS__G_PHYS_MIN};
    uint8_t id[16], old[16];
    struct sent s;
    token_of(id, ref);
    b.has_glass_ref = b.has_reason = b.has_step_up_ms = 1;
    b.glass_ref = (ProtobufCBinaryData){16, id};
    b.reason = PB__BREAK_GLASS_REASON__LIFE_SELF;
    b.text = (char *)(uintptr_t)text;
    b.why_no_consent = (char *)(uintptr_t)WHY;
    b.step_up_ms = clock_wall_ms();
    b.n_classes = NELEM(classes);
    b.classes = classes;
    if (extends != NULL) {
        token_of(old, extends);
        b.has_extends = 1;
        b.extends = (ProtobufCBinaryData){16, old};
    }
    sent(&s, c, "BREAK_GLASS_OPENED", &b.base, person, NULL);
    act(&s, actor);
    return post(c, &s);
}

/* person: 16 bytes of the reviewer's own token. */
static const char *review(struct client *c, const uint8_t *actor,
                          const uint8_t *person, const char *ref,
                          Pb__GlassVerdict verdict)
{
    Pb__BreakGlassReviewed b = PB__BREAK_GLASS_REVIEWED__INIT;
    uint8_t id[16];
    struct sent s;
    token_of(id, ref);
    b.has_glass_ref = b.has_verdict = 1;
    b.glass_ref = (ProtobufCBinaryData){16, id};
    b.verdict = verdict;
    b.text = (char *)(uintptr_t) "当夜の記録と照らして確かめた。";
    sent(&s, c, "BREAK_GLASS_REVIEWED", &b.base, "", NULL);
    memcpy(s.person, person, 16);
    act(&s, actor);
    return post(c, &s);
}

static const char *ask_care(struct client *c, const uint8_t *actor,
                            const char *person, const char *ref, struct id *id)
{
    Pb__CareAsked b = PB__CARE_ASKED__INIT;
    Pb__Name name = PB__NAME__INIT;
    Pb__DataClass items[] = {PB__DATA_CLASS__G_MED_MIN, PB__DATA_CLASS__G_DX,
                             PB__DATA_CLASS__G_LEGAL};
    uint8_t glass[16];
    struct sent s;
    token_of(glass, ref != NULL ? ref : "");
    name.kanji = (char *)(uintptr_t)NAME;
    b.name = &name;
    b.n_items = NELEM(items);
    b.items = items;
    b.has_glass_ref = ref != NULL;
    b.glass_ref = (ProtobufCBinaryData){16, glass};
    sent(&s, c, "CARE_ASKED", &b.base, person, NULL);
    sent_to(&s, H1, "P_EMG");
    act(&s, actor);
    *id = s.d.event_id;
    return post(c, &s);
}

/* A person at the hospital answers, under the token that came. */
static const char *answer_care(struct client *c, const struct got *asked,
                               const char *to)
{
    Pb__CareAnswered b = PB__CARE_ANSWERED__INIT;
    struct sent s;
    b.has_asked_ref = 1;
    b.asked_ref = (ProtobufCBinaryData){16, asked->event->event_id.b};
    b.medication = (char *)(uintptr_t) "就寝前に睡眠薬";
    b.allergies = (char *)(uintptr_t) "ペニシリン";
    b.physical = (char *)(uintptr_t) "てんかんの既往";
    sent(&s, c, "CARE_ANSWERED", &b.base, "", NULL);
    memcpy(s.person, asked->d->person_token.data, 16);
    sent_to(&s, to, "P_EMG");
    return post(c, &s);
}

/* ---- what arrived ---- */

static const struct got *got_of(struct client *c, uint32_t type)
{
    for (size_t i = c->got_n; i-- > 0;)
        if (c->got[i].event->header->type == type)
            return &c->got[i];
    return NULL;
}

static void fetch_all(struct client *c)
{
    fetch(c, LANE_URGENT);
    fetch(c, LANE_NORMAL);
    for (size_t i = 0; i < c->got_n; i++)
        client_ack(c, &c->got[i]);
    turns(c->r, 3);
}

static uint64_t classes_in(const struct got *g)
{
    uint64_t mask = 0;
    for (size_t i = 0; g != NULL && i < g->d->n_part; i++)
        if (g->d->part[i]->body.len > 0)
            mask |= class_bit(g->d->part[i]->cls);
    return mask;
}

/* A member of staff opens a delivery: the JSON, or a code. In both forms of a
 * handle. */
static char *reads(struct client *c, const struct got *g, const uint8_t *actor,
                   bool dashes)
{
    Pb__Ask a = PB__ASK__INIT;
    Pb__AskArgument id = PB__ASK_ARGUMENT__INIT, who = id,
                    *list[] = {&id, &who};
    char text[2][ID_TEXT], hex[33];
    struct id delivery, handle;
    struct frame f;
    ProtobufCMessage *m = NULL;
    memcpy(delivery.b, g->d->delivery_id.data, ID_BYTES);
    memcpy(handle.b, actor, ID_BYTES);
    id_format(delivery, text[0]);
    id_format(handle, text[1]);
    for (int i = 0; i < 16; i++)
        snprintf(hex + 2 * i, 3, "%02x", actor[i]);
    id.key = (char *)(uintptr_t) "delivery_id";
    id.value = text[0];
    who.key = (char *)(uintptr_t) "actor";
    who.value = dashes ? text[1] : hex;
    a.what = (char *)(uintptr_t) "read";
    a.n_arg = NELEM(list);
    a.arg = list;
    client_send_message(c, LANE_NORMAL, VERB_ASK, &a.base);
    client_want(c, LANE_NORMAL, VERB_ANSWER, &f);
    assert_int_equal(unpack(&pb__answer__descriptor, f.body, &m), ERR_OK);
    const Pb__Answer *r = (const Pb__Answer *)m;
    char *said =
        strdup(r->code != NULL && r->code[0] != '\0' ? r->code : r->json);
    unpack_free(&m);
    frame_close(&f);
    return said;
}

/* ---- the log ---- */

/* Index of the last leaf of a kind; 0: none (leaf 0 begins the log). */
static uint64_t last_leaf(struct region *r, Pb__LeafKind kind)
{
    for (uint64_t i = store_log_size(r->hub->store); i-- > 1;) {
        Pb__AuditLeaf *l = leaf_at(r, i);
        bool found = l->kind == kind;
        pb__audit_leaf__free_unpacked(l, NULL);
        if (found)
            return i;
    }
    return 0;
}

static bool refers(const Pb__AuditLeaf *l, uint64_t index)
{
    for (size_t i = 0; i < l->n_ref; i++)
        if (l->ref[i] == index)
            return true;
    return false;
}

static bool log_holds(struct region *r, const char *text)
{
    bool found = false;
    for (uint64_t i = 0; i < store_log_size(r->hub->store); i++) {
        struct buf b = {0};
        assert_int_equal(store_leaf_get(r->hub->store, i, &b), ERR_OK);
        found = found || memmem(b.p, b.n, text, strlen(text)) != NULL;
        buf_fini(&b);
    }
    return found;
}

/* Whatever falls due until then, as if the time had come. */
static void pass(struct region *r, uint64_t ms)
{
    struct hub *h = r->hub;
    uint64_t now = h->now_ms;
    h->now_ms += ms;
    h->next_deadline_ms = 0;
    deadline_run(h);
    assert_true(turn_commit(h));
    h->now_ms = now;
    h->next_deadline_ms = 0;
}

/* Changes what is kept, as time would. */
static void keep_glass(struct region *r, struct id person, struct glass *g,
                       bool is_new)
{
    assert_true(turn_begin(r->hub));
    assert_int_equal(is_new ? store_glass_put(r->hub->store, person, g)
                            : store_glass_update(r->hub->store, g),
                     ERR_OK);
    assert_true(turn_commit(r->hub));
}

static struct glass the_glass(struct region *r, struct id person)
{
    struct glass *all = NULL, g;
    size_t n;
    assert_int_equal(store_glass_of_person(r->hub->store, person, &all, &n),
                     ERR_OK);
    assert_int_equal(n, 1);
    g = all[0];
    free(all);
    return g;
}

/* ---- the night ---- */

static void a_night_with_somebody_nobody_knows(void **state) /* SC-11 */
{
    struct region *r = *state;
    struct client *b1 = client(r, "b1"), *h1 = client(r, "h1"),
                  *a1 = client(r, "a1");
    struct id asked;
    assert_string_equal(
        open_glass(b1, COORDINATOR, "saburo", "glass", TEXT, NULL), "");
    uint64_t opened = last_leaf(r, PB__LEAF_KIND__BREAKGLASS_OPEN);
    assert_int_not_equal(opened, 0);

    /* whoever watches knows at once */
    fetch_all(a1);
    const struct got *notice = got_of(a1, 2009);
    assert_non_null(notice);
    assert_true(notice->d->has_person_token);
    const Pb__BreakGlassNotice *n =
        (const Pb__BreakGlassNotice *)notice->event->body;
    assert_string_equal(n->agency, B1);
    assert_int_equal(n->reason, PB__BREAK_GLASS_REASON__LIFE_SELF);
    assert_int_equal(n->review_due_ms - n->opened_ms, 72 * HOUR);
    fetch_all(b1);
    assert_non_null(got_of(b1, 2009));

    /* the hospital is asked by name, and hears under what */
    assert_string_equal(ask_care(b1, COORDINATOR, "saburo", "glass", &asked),
                        "");
    fetch_all(h1);
    const struct got *question = got_of(h1, 1427);
    assert_non_null(question);
    assert_true((classes_in(question) & BIT(G_NAME)) != 0);
    assert_true(refers(question->leaf, opened));
    assert_non_null(got_of(h1, 2009));

    /* medicines and the body alone come back, whatever was asked for */
    assert_string_equal(answer_care(h1, question, B1), "");
    fetch_all(b1);
    const struct got *answer = got_of(b1, 1428);
    assert_non_null(answer);
    assert_int_equal(classes_in(answer),
                     BIT(G_META) | BIT(G_MED_MIN) | BIT(G_PHYS_MIN));
    assert_true(refers(answer->leaf, opened));
    assert_int_equal(answer->leaf->valid_until_ms - n->opened_ms, HOUR);

    /* whoever opened it reads it, and nobody else there */
    for (int dashes = 0; dashes < 2; dashes++) {
        char *mine = reads(b1, answer, COORDINATOR, dashes != 0);
        char *theirs = reads(b1, answer, COLLEAGUE, dashes != 0);
        assert_non_null(strstr(mine, "G_MED_MIN"));
        assert_string_equal(theirs, "E-NF-001");
        free(mine);
        free(theirs);
    }
    Pb__AuditLeaf *l = leaf_at(r, last_leaf(r, PB__LEAF_KIND__READ) - 1);
    while (l->kind != PB__LEAF_KIND__READ || l->outcome == 0) {
        uint64_t before = l->index - 1;
        pb__audit_leaf__free_unpacked(l, NULL);
        l = leaf_at(r, before);
    }
    assert_true(refers(l, opened));
    pb__audit_leaf__free_unpacked(l, NULL);

    /* the log tells all of it in codes */
    assert_false(log_holds(r, TEXT));
    assert_false(log_holds(r, "応答がなく"));
    assert_false(log_holds(r, NAME));
    assert_false(log_holds(r, "ペニシリン"));

    /* judged: the verdict is in the log and in the figures */
    assert_string_equal(review(a1, OFFICER, notice->d->person_token.data,
                               "glass", PB__GLASS_VERDICT__NOT_JUSTIFIED),
                        "");
    l = leaf_at(r, last_leaf(r, PB__LEAF_KIND__REVIEW));
    assert_string_equal(l->reason, "NOT_JUSTIFIED");
    assert_true(refers(l, opened));
    pb__audit_leaf__free_unpacked(l, NULL);
    struct store_glass_counts c;
    assert_int_equal(store_glass_counts(r->hub->store, r->hub->now_ms, &c),
                     ERR_OK);
    assert_int_equal(c.opened, 1);
    assert_int_equal(c.not_justified, 1);
    fetch_all(b1);
    n = (const Pb__BreakGlassNotice *)got_of(b1, 2009)->event->body;
    assert_int_equal(n->verdict, PB__GLASS_VERDICT__NOT_JUSTIFIED);
}

static void nobody_is_asked_without_a_ground(void **state)
{
    struct region *r = *state;
    struct client *b1 = client(r, "b1"), *h1 = client(r, "h1");
    struct id asked;
    assert_string_equal(
        open_glass(b1, COORDINATOR, "saburo", "glass", TEXT, NULL), "");
    /* another person, and another's opening */
    ask_care(b1, COORDINATOR, "shiro", NULL, &asked);
    assert_string_equal(ask_care(b1, COORDINATOR, "shiro", "glass", &asked),
                        "E-BTG-006");
    assert_string_equal(ask_care(b1, COLLEAGUE, "saburo", "glass", &asked),
                        "E-BTG-001");
    fetch_all(h1);
    assert_null(got_of(h1, 1427));
    assert_null(got_of(h1, 2009));
}

static void the_end_has_its_leaf_and_closes(void **state)
{
    struct region *r = *state;
    struct client *b1 = client(r, "b1"), *h1 = client(r, "h1");
    struct id asked;
    assert_string_equal(
        open_glass(b1, COORDINATOR, "saburo", "glass", TEXT, NULL), "");
    uint64_t opened = last_leaf(r, PB__LEAF_KIND__BREAKGLASS_OPEN);
    assert_string_equal(ask_care(b1, COORDINATOR, "saburo", "glass", &asked),
                        "");
    fetch_all(h1);
    const struct got *question = got_of(h1, 1427);
    assert_non_null(question);
    assert_string_equal(answer_care(h1, question, B1), "");
    pass(r, 59 * MINUTE);
    assert_int_equal(count_leaves(r, PB__LEAF_KIND__BREAKGLASS_CLOSE), 0);
    pass(r, HOUR + 1000);
    assert_int_equal(count_leaves(r, PB__LEAF_KIND__BREAKGLASS_CLOSE), 1);
    Pb__AuditLeaf *l =
        leaf_at(r, last_leaf(r, PB__LEAF_KIND__BREAKGLASS_CLOSE));
    assert_true(refers(l, opened));
    pb__audit_leaf__free_unpacked(l, NULL);
    /* what nobody fetched in time is not released any more */
    struct glass g = the_glass(r, person_of(r, B1, "saburo"));
    g.until_ms = r->hub->now_ms - 1;
    keep_glass(r, person_of(r, B1, "saburo"), &g, false);
    fetch_all(b1);
    assert_null(got_of(b1, 1428));
    assert_string_equal(answer_care(h1, question, B1), "");
    fetch_all(b1);
    assert_null(got_of(b1, 1428));
}

static void it_is_extended_once(void **state)
{
    struct region *r = *state;
    struct client *b1 = client(r, "b1");
    static const char AGAIN[] =
        "救急隊が遅れている。着くまで同じ情報が要る状態が続く。";
    static const char THIRD[] =
        "まだ着かない。搬送先も決まらず、同じ情報を見続ける必要。";
    open_glass(b1, COORDINATOR, "saburo", "glass", TEXT, NULL);
    uint64_t opened = last_leaf(r, PB__LEAF_KIND__BREAKGLASS_OPEN);
    /* the same words again say nothing */
    assert_string_equal(
        open_glass(b1, COORDINATOR, "saburo", "g2", TEXT, "glass"),
        "E-BTG-003");
    assert_string_equal(
        open_glass(b1, COORDINATOR, "saburo", "g2", " " TEXT "　", "glass"),
        "E-BTG-003");
    assert_string_equal(
        open_glass(b1, COORDINATOR, "saburo", "g2", AGAIN, "glass"), "");
    Pb__AuditLeaf *l = leaf_at(r, last_leaf(r, PB__LEAF_KIND__BREAKGLASS_OPEN));
    assert_true(refers(l, opened));
    pb__audit_leaf__free_unpacked(l, NULL);
    assert_string_equal(
        open_glass(b1, COORDINATOR, "saburo", "g3", THIRD, "glass"),
        "E-BTG-006");
    assert_int_equal(count_leaves(r, PB__LEAF_KIND__BREAKGLASS_OPEN), 2);
}

static void an_overdue_review_suspends_until_it_is_made(void **state)
{
    struct region *r = *state;
    struct client *b1 = client(r, "b1"), *a1 = client(r, "a1");
    static const char OTHER[] =
        "別の方。道で倒れていて、持病も飲んでいる薬も分からない。";
    struct store_glass_counts c;
    open_glass(b1, COORDINATOR, "saburo", "glass", TEXT, NULL);
    fetch_all(a1);
    uint8_t token[16], s_token[16];
    token_of(s_token, "saburo");
    memcpy(token, got_of(a1, 2009)->d->person_token.data, 16);
    client_forget(a1);
    /* three days later: nobody has judged it */
    pass(r, 72 * HOUR + 1000);
    Pb__AuditLeaf *l = leaf_at(r, last_leaf(r, PB__LEAF_KIND__REVIEW));
    assert_string_equal(l->reason, "OVERDUE");
    pb__audit_leaf__free_unpacked(l, NULL);
    assert_int_equal(
        store_glass_counts(r->hub->store, r->hub->now_ms + 73 * HOUR, &c),
        ERR_OK);
    assert_int_equal(c.overdue, 1);
    fetch_all(a1);
    const Pb__BreakGlassNotice *n =
        (const Pb__BreakGlassNotice *)got_of(a1, 2009)->event->body;
    assert_true(n->overdue);
    /* one of the same person, due an hour ago */
    struct glass old = the_glass(r, person_of(r, B1, "saburo"));
    token_of(old.ref, "old");
    old.opened_ms -= 73 * HOUR;
    old.until_ms -= 73 * HOUR;
    old.review_due_ms -= 73 * HOUR;
    keep_glass(r, person_of(r, B1, "saburo"), &old, true);
    assert_string_equal(
        open_glass(b1, COORDINATOR, "goro", "next", OTHER, NULL), "E-BTG-007");
    assert_string_equal(
        open_glass(b1, COLLEAGUE, "goro", "colleague", OTHER, NULL), "");
    /* the opener's own agency cannot lift it; another can, late */
    assert_string_equal(
        review(b1, OFFICER, s_token, "old", PB__GLASS_VERDICT__JUSTIFIED),
        "E-EVT-018");
    assert_string_equal(
        review(a1, COORDINATOR, token, "old", PB__GLASS_VERDICT__JUSTIFIED),
        "E-BTG-008");
    assert_string_equal(
        review(a1, OFFICER, token, "old", PB__GLASS_VERDICT__NEED_INFO), "");
    assert_string_equal(
        open_glass(b1, COORDINATOR, "goro", "next", OTHER, NULL), "E-BTG-007");
    assert_string_equal(
        review(a1, OFFICER, token, "old", PB__GLASS_VERDICT__JUSTIFIED), "");
    assert_string_equal(
        open_glass(b1, COORDINATOR, "goro", "next", OTHER, NULL), "");
}

#define TEST(f)                                                                \
    cmocka_unit_test_setup_teardown(f, region_setup, region_teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_night_with_somebody_nobody_knows),
        TEST(nobody_is_asked_without_a_ground),
        TEST(the_end_has_its_leaf_and_closes),
        TEST(it_is_extended_once),
        TEST(an_overdue_review_suspends_until_it_is_made),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
