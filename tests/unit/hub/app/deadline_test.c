/* deadline_test.c - what must happen to a person's consents by a time: once,
 * also when the hub was down. Days cannot be waited for: their deadlines are
 * moved to now, and a consent is put where an expired one would be. */
#include "tests/unit/hub/app/region.h"

#define H1 "MI-4910100017"
#define P1 "WO-4931000014"
#define EXPIRED 1204
#define REMINDER 1207

static struct deadline of_consent(struct region *r, const char *ref,
                                  enum deadline_kind kind, uint64_t due_ms)
{
    struct deadline d = {.kind = kind, .due_ms = due_ms};
    d.person = person_of(r, H1, "person");
    token_of(d.ref, ref);
    return d;
}

static void start(struct region *r, const struct deadline *d)
{
    assert_int_equal(store_begin(r->hub->store), ERR_OK);
    assert_int_equal(store_deadline_start(r->hub->store, d), ERR_OK);
    assert_int_equal(store_commit(r->hub->store), ERR_OK);
    r->hub->next_deadline_ms = 0;
}

/* How many events of a type the hub made. */
static size_t made(struct region *r, uint32_t type)
{
    size_t n = 0;
    for (uint64_t i = 0; i < store_log_size(r->hub->store); i++) {
        Pb__AuditLeaf *l = leaf_at(r, i);
        n += l->kind == PB__LEAF_KIND__INGEST && l->type == type;
        pb__audit_leaf__free_unpacked(l, NULL);
    }
    return n;
}

static void post_admission(struct client *h1)
{
    assert_string_equal(post_sample(h1, "ADMISSION_RECORDED", "person",
                                    "admission", P1, "P_TRA"),
                        "");
}

/* The consent `ref`, as if its last day had been yesterday. */
static void let_expire(struct region *r, const char *ref)
{
    struct store *s = r->hub->store;
    struct id person = person_of(r, H1, "person");
    uint8_t old[ID_BYTES];
    struct grant *g;
    size_t n, ended;
    token_of(old, ref);
    assert_int_equal(store_grants(s, person, &g, &n), ERR_OK);
    assert_int_equal(n, 1);
    struct grant past = g[0];
    past.to_day = (int32_t)(clock_wall_ms() / 86400000) - 2;
    past.from_day = past.to_day - 90;
    token_of(past.ref, "past");
    assert_int_equal(store_begin(s), ERR_OK);
    assert_int_equal(store_grant_supersede(s, person, old, 1, &ended), ERR_OK);
    assert_int_equal(store_grant_add(s, person, &past), ERR_OK);
    assert_int_equal(store_commit(s), ERR_OK);
    free(g);
}

static void an_expired_consent_stops_what_waits_and_no_more(void **state)
{
    struct region *r = *state;
    struct client *h1 = client(r, "h1"), *p1 = client(r, "p1");
    give(h1, "person", "consent", P1, "P_TRA");
    post_admission(h1);
    assert_int_equal(fetch_for(p1, LANE_NORMAL, 1, 400), 1);
    post_admission(h1); /* waits */
    let_expire(r, "consent");
    struct deadline d =
        of_consent(r, "past", DEADLINE_CONSENT_END, r->hub->now_ms);
    start(r, &d);
    turns(r, 2);
    assert_int_equal(made(r, EXPIRED), 1);
    assert_int_equal(count_leaves(r, PB__LEAF_KIND__WITHHELD), 1);
    assert_int_equal(count_leaves(r, PB__LEAF_KIND__RECALL), 0);
    assert_int_equal(fetch_for(p1, LANE_NORMAL, 8, 100), 0);
    turns(r, 2);
    assert_int_equal(made(r, EXPIRED), 1);
    /* who recorded it hears, and knows of whom */
    assert_int_equal(fetch(h1, LANE_URGENT), 1);
    const struct got *told = last_got(h1);
    assert_string_equal(told->event->schema->event_name, "CONSENT_EXPIRED");
    assert_true(told->d->has_person_token);
    const Pb__ConsentExpired *b = (const Pb__ConsentExpired *)told->event->body;
    assert_memory_equal(b->consent_ref.data, d.ref, ID_BYTES);
}

static void a_reminder_says_of_what_and_by_when(void **state)
{
    struct region *r = *state;
    struct client *h1 = client(r, "h1");
    give(h1, "person", "consent", P1, "P_TRA");
    struct deadline d =
        of_consent(r, "consent", DEADLINE_CONSENT_REMIND, r->hub->now_ms);
    start(r, &d);
    assert_int_equal(fetch(h1, LANE_NORMAL), 1);
    const Pb__ConsentReminder *b =
        (const Pb__ConsentReminder *)last_got(h1)->event->body;
    assert_int_equal(b->reason, PB__REMINDER_REASON__ENDING);
    assert_memory_equal(b->consent_ref.data, d.ref, ID_BYTES);
    char text[TIME_TEXT], day[16];
    time_jst(b->due_ms, text); /* the midnight after its last day */
    date_after(day, 181);
    assert_memory_equal(text, day, 10);
    assert_memory_equal(text + 10, "T00:00:00", 9);
}

static const struct {
    const char *name;
    enum deadline_kind kind;
    uint32_t type;
} DUE[] = {
    {"a reminder of the end", DEADLINE_CONSENT_REMIND, REMINDER},
    {"the end", DEADLINE_CONSENT_END, EXPIRED},
};

static void what_fell_due_while_the_hub_was_down_happens_once(void **state)
{
    struct region *r = *state;
    struct client *h1 = client(r, "h1");
    give(h1, "person", "consent", P1, "P_TRA");
    client_close(h1);
    for (size_t i = 0; i < NELEM(DUE); i++) {
        struct deadline d =
            of_consent(r, "consent", DUE[i].kind, clock_wall_ms() + 20);
        start(r, &d);
        region_stop(r);
        usleep(30000);
        region_start(r);
        turns(r, 3);
        if (made(r, DUE[i].type) != 1)
            fail_msg("%s: %zu", DUE[i].name, made(r, DUE[i].type));
        region_stop(r);
        region_start(r);
        turns(r, 3);
        if (made(r, DUE[i].type) != 1)
            fail_msg("%s: again", DUE[i].name);
    }
}

/* Whatever ended before its time has no time any more. */
static void a_withdrawn_consent_has_no_deadlines(void **state)
{
    struct region *r = *state;
    struct client *h1 = client(r, "h1");
    struct deadline d;
    bool found;
    give(h1, "person", "one", P1, "P_TRA");
    give(h1, "person", "two", P1, "P_REG");
    withdraw(h1, "person", "one");
    assert_int_equal(store_deadline_next(r->hub->store, &d, &found), ERR_OK);
    assert_true(found);
    uint8_t two[ID_BYTES];
    token_of(two, "two");
    assert_memory_equal(d.ref, two, ID_BYTES);
    assert_true(id_is_zero(d.case_id));
    assert_true(id_eq(d.person, person_of(r, H1, "person")));
    withdraw(h1, "person", NULL);
    assert_int_equal(store_deadline_next(r->hub->store, &d, &found), ERR_OK);
    assert_false(found);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        REGION_TEST(an_expired_consent_stops_what_waits_and_no_more),
        REGION_TEST(a_reminder_says_of_what_and_by_when),
        REGION_TEST(what_fell_due_while_the_hub_was_down_happens_once),
        REGION_TEST(a_withdrawn_consent_has_no_deadlines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
