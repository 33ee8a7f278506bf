/* What is owed, to whom, in which order, and who holds what. */
#include "tests/unit/hub/store/world.h"

static struct delivery owe(struct store *s, int64_t seq, const char *agency,
                           enum lane lane)
{
    struct delivery d = {.event_seq = seq,
                         .lane = lane,
                         .role = "R_CITY",
                         .wanted = "R_ANY",
                         .purpose = "P_PLAN",
                         .decision_leaf = 4,
                         .queued_ms = NOON_MS,
                         .expires_ms = NOON_MS + 9};
    memcpy(d.agency, agency, strlen(agency) + 1);
    ok(store_delivery_put(s, &d));
    return d;
}

static void advance(struct store *s, struct delivery *d, enum delivery_state to,
                    uint64_t classes)
{
    d->state = to;
    d->released_classes = classes;
    ok(store_delivery_update(s, d));
}

static void a_delivery_comes_back_as_it_was(void **state)
{
    struct world *w = *state;
    struct delivery got, d;
    ok(store_begin(w->s));
    d = owe(w->s, new_event(w->s, new_person(w->s)), CITY, LANE_URGENT);
    d.release_leaf = 8;
    d.released_ms = NOON_MS + 2;
    d.consent_generation = 3;
    memset(d.policy_digest, 7, 32);
    memcpy(d.node, "c1/ad1", 7);
    memcpy(d.role, "R_HC", 5); /* decided for another of its roles */
    advance(w->s, &d, DELIVERY_RELEASED, UINT64_C(1) << 63 | 5);
    ok(store_commit(w->s));
    world_reopen(w);
    memset(&got, 0xee, sizeof(got));
    ok(store_delivery_find(w->s, d.delivery_id, &got));
    assert_int_equal(got.id, d.id);
    assert_true(id_eq(got.delivery_id, d.delivery_id));
    assert_int_equal(got.event_seq, d.event_seq);
    assert_string_equal(got.agency, CITY);
    assert_int_equal(got.lane, LANE_URGENT);
    assert_string_equal(got.role, "R_HC");
    assert_string_equal(got.wanted, "R_ANY");
    assert_string_equal(got.purpose, "P_PLAN");
    assert_int_equal(got.state, DELIVERY_RELEASED);
    assert_int_equal(got.decision_leaf, 4);
    assert_int_equal(got.release_leaf, 8);
    assert_true(got.released_classes == (UINT64_C(1) << 63 | 5));
    assert_int_equal(got.released_ms, NOON_MS + 2);
    assert_int_equal(got.consent_generation, 3);
    assert_memory_equal(got.policy_digest, d.policy_digest, 32);
    assert_int_equal(got.queued_ms, NOON_MS);
    assert_int_equal(got.expires_ms, NOON_MS + 9);
    assert_string_equal(got.node, "c1/ad1");
}

static void a_delivery_id_cannot_be_guessed_from_another(void **state)
{
    struct world *w = *state;
    struct delivery got;
    ok(store_begin(w->s));
    struct delivery d =
        owe(w->s, new_event(w->s, new_person(w->s)), CITY, LANE_NORMAL);
    d.delivery_id.b[0] ^= 1;
    assert_int_equal(store_delivery_find(w->s, d.delivery_id, &got),
                     ERR_NOT_FOUND);
    assert_int_equal(store_delivery_find(w->s, id_random(), &got),
                     ERR_NOT_FOUND);
    d.id = 99;
    assert_int_equal(store_delivery_update(w->s, &d), ERR_NOT_FOUND);
    ok(store_commit(w->s));
}

static void a_delivery_needs_its_event(void **state)
{
    struct world *w = *state;
    struct delivery d = {.event_seq = 77, .agency = CITY};
    ok(store_begin(w->s));
    assert_int_equal(store_delivery_put(w->s, &d), ERR_NOT_FOUND);
    new_event(w->s, new_person(w->s));
    ok(store_commit(w->s));
}

static size_t due(struct store *s, const char *agency, enum lane lane,
                  int64_t after, int64_t ids[8])
{
    struct delivery d[8];
    size_t n;
    ok(store_delivery_due(s, agency, lane, after, d, 8, &n));
    for (size_t i = 0; i < n; i++)
        ids[i] = d[i].id;
    return n;
}

static void due_is_what_is_owed_in_order_by_agency_and_lane(void **state)
{
    struct world *w = *state;
    int64_t ids[8];
    ok(store_begin(w->s));
    int64_t seq = new_event(w->s, new_person(w->s));
    struct delivery a = owe(w->s, seq, CITY, LANE_NORMAL),
                    other = owe(w->s, seq, OFFICE, LANE_NORMAL),
                    urgent = owe(w->s, seq, CITY, LANE_URGENT),
                    b = owe(w->s, seq, CITY, LANE_NORMAL),
                    c = owe(w->s, seq, CITY, LANE_NORMAL),
                    d = owe(w->s, seq, CITY, LANE_NORMAL);
    advance(w->s, &b, DELIVERY_RELEASED, 1);
    advance(w->s, &c, DELIVERY_DONE, 1);
    ok(store_commit(w->s));
    world_reopen(w);
    assert_int_equal(due(w->s, CITY, LANE_NORMAL, 0, ids), 3);
    assert_int_equal(ids[0], a.id);
    assert_int_equal(ids[1], b.id);
    assert_int_equal(ids[2], d.id);
    assert_int_equal(due(w->s, CITY, LANE_NORMAL, a.id, ids), 2);
    assert_int_equal(ids[0], b.id);
    assert_int_equal(due(w->s, CITY, LANE_URGENT, 0, ids), 1);
    assert_int_equal(ids[0], urgent.id);
    assert_int_equal(due(w->s, OFFICE, LANE_NORMAL, 0, ids), 1);
    assert_int_equal(ids[0], other.id);
    assert_int_equal(due(w->s, HOSPITAL, LANE_NORMAL, 0, ids), 0);
}

/* Whose queues a sweep has to walk: those that ever had to do with a person,
 * or all that hold anything. */
static void queues_names(struct store *s, struct id person, const char *want)
{
    char agency[AGENCY_MAX] = "";
    struct buf all = {0};
    bool found;
    buf_adds(&all, "");
    for (;;) {
        ok(store_queue_next(s, person, agency, &found));
        if (!found)
            break;
        buf_addf(&all, "%s ", agency);
    }
    assert_string_equal((const char *)all.p, want);
    buf_fini(&all);
}

static void queues_to_walk_are_the_persons_or_all(void **state)
{
    struct world *w = *state;
    ok(store_begin(w->s));
    struct id person = new_person(w->s), other = new_person(w->s);
    int64_t one = new_event(w->s, person);
    struct delivery a = owe(w->s, one, CITY, LANE_NORMAL),
                    done = owe(w->s, one, OFFICE, LANE_NORMAL);
    owe(w->s, new_event(w->s, other), HOSPITAL, LANE_URGENT);
    advance(w->s, &done, DELIVERY_DONE, 1);
    assert_true(id_eq(a.person, person));
    queues_names(w->s, person, CITY " " OFFICE " ");
    queues_names(w->s, (struct id){{0}}, CITY " " HOSPITAL " ");
    queues_names(w->s, id_random(), "");
    ok(store_commit(w->s));
}

static void counts_follow_and_survive(void **state)
{
    struct world *w = *state;
    ok(store_begin(w->s));
    int64_t seq = new_event(w->s, new_person(w->s));
    struct delivery a = owe(w->s, seq, CITY, LANE_NORMAL),
                    b = owe(w->s, seq, CITY, LANE_NORMAL);
    owe(w->s, seq, OFFICE, LANE_URGENT);
    ok(store_mark(w->s));
    owe(w->s, seq, OFFICE, LANE_URGENT);
    ok(store_undo(w->s));
    struct delivery old = {.event_seq = seq,
                           .agency = HOSPITAL,
                           .lane = LANE_NORMAL,
                           .queued_ms = NOON_MS - 5};
    ok(store_delivery_put(w->s, &old));
    advance(w->s, &a, DELIVERY_RELEASED, 1);
    advance(w->s, &b, DELIVERY_RELEASED, 1);
    advance(w->s, &b, DELIVERY_DONE, 1);
    ok(store_commit(w->s));
    for (int again = 0; again < 2; again++) {
        struct store_counts c = counts(w->s);
        assert_int_equal(c.queued[LANE_NORMAL], 2);
        assert_int_equal(c.queued[LANE_URGENT], 1);
        assert_int_equal(c.oldest_queued_ms, NOON_MS - 5);
        assert_int_equal(c.events, 1);
        world_reopen(w);
    }
}

#define MANY 100000

static void a_fetch_works_with_very_many_waiting(void **state)
{
    struct world *w = *state;
    int64_t ids[8], after = 0;
    ok(store_begin(w->s));
    int64_t seq = new_event(w->s, new_person(w->s));
    for (int i = 0; i < MANY; i++)
        owe(w->s, seq, i % 1000 == 999 ? OFFICE : CITY, LANE_NORMAL);
    ok(store_commit(w->s));
    world_reopen(w);
    assert_int_equal(counts(w->s).queued[LANE_NORMAL], MANY);
    size_t all = 0, n;
    while ((n = due(w->s, OFFICE, LANE_NORMAL, after, ids)) > 0) {
        all += n;
        after = ids[n - 1];
    }
    assert_int_equal(all, MANY / 1000);
    assert_int_equal(due(w->s, CITY, LANE_NORMAL, MANY - 5, ids), 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_OPEN_WORLD(a_delivery_comes_back_as_it_was),
        IN_OPEN_WORLD(a_delivery_id_cannot_be_guessed_from_another),
        IN_OPEN_WORLD(a_delivery_needs_its_event),
        IN_OPEN_WORLD(due_is_what_is_owed_in_order_by_agency_and_lane),
        IN_OPEN_WORLD(queues_to_walk_are_the_persons_or_all),
        IN_OPEN_WORLD(counts_follow_and_survive),
        IN_OPEN_WORLD(a_fetch_works_with_very_many_waiting),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
