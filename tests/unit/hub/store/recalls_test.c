/* recalls_test.c - what releases rest on, what was called back, and where
 * sweeps have got to. */
#include "tests/unit/hub/store/world.h"

static struct delivery owe(struct store *s, struct id person,
                           const char *agency)
{
    struct delivery d = {.event_seq = new_event(s, person),
                         .state = DELIVERY_RELEASED,
                         .lane = LANE_NORMAL};
    memcpy(d.agency, agency, strlen(agency) + 1);
    memcpy(d.node, "c1/ad1", 7);
    ok(store_delivery_put(s, &d));
    return d;
}

static const uint8_t REF_A[ID_BYTES] = "consent-a-16byt",
                     REF_B[ID_BYTES] = "consent-b-16byt";

/* The ids of those that rested on ref, relative to first, and their classes. */
static void rested_is(struct store *s, struct id person, const uint8_t *ref,
                      int64_t first, const char *want)
{
    struct buf b = {0};
    struct delivery d = {0};
    uint64_t classes;
    bool found = true;
    buf_adds(&b, "");
    for (int64_t after = 0; found; after = d.id) {
        ok(store_delivery_rested(s, person, ref, after, &d, &classes, &found));
        if (found)
            buf_addf(&b, "%d:%d ", (int)(d.id - first), (int)classes);
    }
    assert_string_equal((const char *)b.p, want);
    buf_fini(&b);
}

static void what_rests_on_a_consent_is_found_by_it(void **state)
{
    struct world *w = *state;
    ok(store_begin(w->s));
    struct id person = new_person(w->s), other = new_person(w->s);
    struct delivery a = owe(w->s, person, CITY), b = owe(w->s, person, OFFICE),
                    law = owe(w->s, person, CITY),
                    theirs = owe(w->s, other, CITY);
    ok(store_delivery_rest(w->s, &a, REF_A, 1));
    ok(store_delivery_rest(w->s, &a, REF_A, 4)); /* released again: more */
    ok(store_delivery_rest(w->s, &a, REF_B, 8));
    ok(store_delivery_rest(w->s, &b, REF_B, 2));
    ok(store_delivery_rest(w->s, &theirs, REF_A, 1)); /* the same number */
    ok(store_commit(w->s));
    world_reopen(w);
    rested_is(w->s, person, REF_A, a.id, "0:5 ");
    rested_is(w->s, person, REF_B, a.id, "0:8 1:2 ");
    rested_is(w->s, person, NULL, a.id, "0:13 1:2 ");
    rested_is(w->s, other, REF_B, a.id, "");
    assert_int_equal(law.id, a.id + 2);
}

static bool list(void *ctx, const struct recall *r)
{
    buf_addf(ctx, "%d:%u:%s ", (int)r->no, r->outcome, r->node);
    return true;
}

static void recalls_are(struct store *s, const char *agency, uint64_t after,
                        const char *want)
{
    struct buf b = {0};
    buf_adds(&b, "");
    if (agency != NULL)
        ok(store_recalls(s, agency, after, list, &b));
    else
        ok(store_recalls_open(s, list, &b));
    assert_string_equal((const char *)b.p, want);
    buf_fini(&b);
}

static void recalls_are_numbered_and_the_first_answer_stays(void **state)
{
    struct world *w = *state;
    struct delivery got;
    ok(store_begin(w->s));
    struct id person = new_person(w->s);
    struct delivery a = owe(w->s, person, CITY), b = owe(w->s, person, OFFICE),
                    c = owe(w->s, person, CITY), kept = owe(w->s, person, CITY);
    ok(store_delivery_recall(w->s, &a, 31, NOON_MS, false));
    ok(store_delivery_recall(w->s, &b, 32, NOON_MS, false));
    ok(store_delivery_recall(w->s, &c, 33, NOON_MS - 5, false));
    ok(store_recall_answer(w->s, b.id, 1));
    assert_int_equal(store_recall_answer(w->s, b.id, 2), ERR_NOT_FOUND);
    assert_int_equal(store_recall_answer(w->s, kept.id, 1), ERR_NOT_FOUND);
    ok(store_commit(w->s));
    world_reopen(w);
    ok(store_delivery_find(w->s, a.delivery_id, &got));
    assert_int_equal(got.recall_leaf, 31);
    ok(store_delivery_find(w->s, kept.delivery_id, &got));
    assert_int_equal(got.recall_leaf, 0);
    recalls_are(w->s, CITY, 0, "1:0:c1/ad1 3:0:c1/ad1 ");
    recalls_are(w->s, CITY, 1, "3:0:c1/ad1 ");
    recalls_are(w->s, OFFICE, 0, "2:1:c1/ad1 ");
    recalls_are(w->s, HOSPITAL, 0, "");
    recalls_are(w->s, NULL, 0, "3:0:c1/ad1 1:0:c1/ad1 "); /* oldest first */
}

static void a_sweep_goes_on_where_it_was(void **state)
{
    struct world *w = *state;
    struct sweep got, all = {.why = 7, .cites = 3},
                      one = {.why = 1, .cites = 9, .step = 2, .after = -1};
    uint64_t n;
    bool found;
    ok(store_sweep_next(w->s, &got, &found));
    assert_false(found);
    ok(store_begin(w->s));
    one.person = new_person(w->s);
    memcpy(one.ref, REF_A, ID_BYTES);
    ok(store_sweep_add(w->s, &all));
    ok(store_sweep_add(w->s, &one));
    ok(store_sweep_next(w->s, &got, &found)); /* one person before everybody */
    assert_true(found && got.id == one.id && got.step == 2);
    assert_memory_equal(got.ref, REF_A, ID_BYTES);
    assert_true(got.after == -1 && id_eq(got.person, one.person));
    memcpy(got.agency, CITY, sizeof(CITY));
    got.lane = LANE_NORMAL;
    got.after = 77;
    ok(store_sweep_update(w->s, &got));
    ok(store_commit(w->s));
    world_reopen(w);
    ok(store_sweep_next(w->s, &got, &found));
    assert_true(got.after == 77 && got.lane == LANE_NORMAL);
    assert_string_equal(got.agency, CITY);
    ok(store_begin(w->s));
    ok(store_sweep_done(w->s, one.id));
    ok(store_sweep_next(w->s, &got, &found));
    assert_true(found && got.id == all.id && id_is_zero(got.person));
    ok(store_sweep_count(w->s, &n));
    assert_int_equal(n, 1);
    ok(store_commit(w->s));
}

static void whom_to_tell_is_noted_once_each(void **state)
{
    struct world *w = *state;
    char agency[AGENCY_MAX];
    uint64_t classes;
    bool found;
    ok(store_begin(w->s));
    ok(store_tell_add(w->s, 4, OFFICE, 1));
    ok(store_tell_add(w->s, 4, CITY, 2));
    ok(store_tell_add(w->s, 4, OFFICE, 8));
    ok(store_tell_add(w->s, 5, HOSPITAL, 8));
    ok(store_tell_next(w->s, 4, agency, &classes, &found));
    assert_true(found && classes == 2);
    assert_string_equal(agency, CITY);
    ok(store_tell_done(w->s, 4, CITY));
    ok(store_tell_next(w->s, 4, agency, &classes, &found));
    assert_true(found && classes == 9);
    ok(store_tell_done(w->s, 4, OFFICE));
    ok(store_tell_next(w->s, 4, agency, &classes, &found));
    assert_false(found);
    ok(store_commit(w->s));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_OPEN_WORLD(what_rests_on_a_consent_is_found_by_it),
        IN_OPEN_WORLD(recalls_are_numbered_and_the_first_answer_stays),
        IN_OPEN_WORLD(a_sweep_goes_on_where_it_was),
        IN_OPEN_WORLD(whom_to_tell_is_noted_once_each),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
