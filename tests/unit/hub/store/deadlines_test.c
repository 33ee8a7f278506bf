/* Deadlines in order, and what waits for a person. */
#include "tests/unit/hub/store/world.h"

static void start(struct store *s, struct id c, enum deadline_kind kind,
                  uint8_t ref, uint64_t due_ms)
{
    struct deadline d = {
        .case_id = c, .kind = kind, .due_ms = due_ms, .ref = {ref}};
    ok(store_deadline_start(s, &d));
}

/* The earliest is due then; 0: there is none. Its id. */
static int64_t next_is(struct store *s, uint64_t due_ms)
{
    struct deadline d = {0};
    bool found;
    ok(store_deadline_next(s, &d, &found));
    assert_int_equal(found, due_ms != 0);
    assert_int_equal(d.due_ms, due_ms);
    return d.id;
}

static void the_earliest_comes_first(void **state)
{
    struct world *w = *state;
    struct id c = id_new(NOON_MS), d = id_new(NOON_MS);
    ok(store_begin(w->s));
    start(w->s, c, DEADLINE_FIRST_ANSWER, 0, 300);
    start(w->s, c, DEADLINE_OFFER_HOLD, 1, 100);
    start(w->s, d, DEADLINE_FIRST_ANSWER, 0, 200);
    ok(store_commit(w->s));
    world_reopen(w);
    ok(store_begin(w->s));
    for (uint64_t due = 100; due <= 300; due += 100)
        ok(store_deadline_done(w->s, next_is(w->s, due)));
    next_is(w->s, 0);
    ok(store_commit(w->s));
}

static void starting_again_replaces(void **state)
{
    struct world *w = *state;
    struct id c = id_new(NOON_MS);
    ok(store_begin(w->s));
    start(w->s, c, DEADLINE_FIRST_OFFER, 0, 100);
    start(w->s, c, DEADLINE_FIRST_OFFER, 0, 500);
    start(w->s, c, DEADLINE_FIRST_OFFER, 1, 600); /* another ref */
    ok(store_deadline_done(w->s, next_is(w->s, 500)));
    next_is(w->s, 600);
    ok(store_commit(w->s));
}

static void ending_the_one_that_fired_keeps_its_successor(void **state)
{
    struct world *w = *state;
    struct id c = id_new(NOON_MS);
    ok(store_begin(w->s));
    start(w->s, c, DEADLINE_FIRST_OFFER, 0, 100);
    int64_t fired = next_is(w->s, 100);
    start(w->s, c, DEADLINE_FIRST_OFFER, 0, 500);
    ok(store_deadline_done(w->s, fired));
    next_is(w->s, 500);
    ok(store_deadline_stop(w->s, c, (struct id){{0}}, DEADLINE_FIRST_OFFER,
                           NULL));
    start(w->s, c, DEADLINE_FIRST_OFFER, 0, 700);
    ok(store_deadline_done(w->s, fired)); /* no number is used twice */
    ok(store_deadline_done(w->s, fired + 1));
    next_is(w->s, 700);
    ok(store_commit(w->s));
}

static void stopping_names_one_or_any_ref(void **state)
{
    struct world *w = *state;
    struct id c = id_new(NOON_MS);
    const uint8_t one[ID_BYTES] = {1};
    ok(store_begin(w->s));
    start(w->s, c, DEADLINE_OFFER_HOLD, 1, 100);
    start(w->s, c, DEADLINE_OFFER_HOLD, 2, 200);
    start(w->s, c, DEADLINE_OFFER_HOLD, 3, 300);
    start(w->s, c, DEADLINE_FIRST_ANSWER, 1, 400);
    ok(store_deadline_stop(w->s, c, (struct id){{0}}, DEADLINE_OFFER_HOLD,
                           one));
    next_is(w->s, 200);
    ok(store_deadline_stop(w->s, c, (struct id){{0}}, DEADLINE_OFFER_HOLD,
                           NULL));
    next_is(w->s, 400);
    ok(store_deadline_stop(w->s, c, (struct id){{0}}, DEADLINE_OFFER_HOLD,
                           NULL));
    ok(store_commit(w->s));
}

/* ---- parked ---- */

static bool list_parked(void *ctx, const struct parked *p)
{
    buf_addf(ctx, "%s%s ", p->code, p->open ? "" : "(closed)");
    return true;
}

static void parked_is(struct store *s, const char *want)
{
    struct buf b = {0};
    ok(store_parked_each(s, list_parked, &b));
    assert_string_equal((char *)b.p, want);
    buf_fini(&b);
}

static void what_is_parked_waits_until_it_is_closed(void **state)
{
    struct world *w = *state;
    struct parked got, p = {.agency = HOSPITAL,
                            .node = "h1/ad1",
                            .code = "E-EVT-014",
                            .at_ms = NOON_MS,
                            .event_seq = 3};
    struct buf b = {0};
    ok(store_begin(w->s));
    ok(store_park(w->s, &p, slice_str("the bytes")));
    memcpy(p.code, "E-PB-001", 9);
    ok(store_park(w->s, &p, SLICE_NONE));
    ok(store_commit(w->s));
    world_reopen(w);
    assert_int_equal(counts(w->s).parked, 2);
    parked_is(w->s, "E-PB-001 E-EVT-014 ");
    ok(store_parked_get(w->s, 1, &got, &b));
    assert_string_equal((char *)b.p, "the bytes");
    assert_string_equal(got.agency, HOSPITAL);
    assert_string_equal(got.node, "h1/ad1");
    assert_int_equal(got.at_ms, NOON_MS);
    assert_int_equal(got.event_seq, 3);
    buf_reset(&b);
    ok(store_parked_get(w->s, 2, &got, &b));
    assert_int_equal(b.n, 0);
    assert_int_equal(store_parked_get(w->s, 3, &got, &b), ERR_NOT_FOUND);
    ok(store_begin(w->s));
    ok(store_parked_close(w->s, 2));
    assert_int_equal(store_parked_close(w->s, 2), ERR_NOT_FOUND);
    ok(store_commit(w->s));
    parked_is(w->s, "E-PB-001(closed) E-EVT-014 ");
    assert_int_equal(counts(w->s).parked, 1);
    world_reopen(w);
    assert_int_equal(counts(w->s).parked, 1);
    buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_OPEN_WORLD(the_earliest_comes_first),
        IN_OPEN_WORLD(starting_again_replaces),
        IN_OPEN_WORLD(ending_the_one_that_fired_keeps_its_successor),
        IN_OPEN_WORLD(stopping_names_one_or_any_ref),
        IN_OPEN_WORLD(what_is_parked_waits_until_it_is_closed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
