/* glass_test.c - openings of break-glass, kept; and what is remembered of those
 * who open. */
#include "tests/unit/hub/store/world.h"

#define HOUR UINT64_C(3600000)
#define DAY (24 * HOUR)

static struct glass opening(uint8_t ref, uint8_t actor, uint64_t at_ms)
{
    struct glass g = {.ref = {ref},
                      .agency = "OW-B1-49",
                      .role = "R_HUBC",
                      .actor = {actor},
                      .reason = "LIFE_SELF",
                      .classes = UINT64_C(1) << 43 | 2,
                      .opened_ms = at_ms,
                      .until_ms = at_ms + HOUR,
                      .review_due_ms = at_ms + 3 * DAY,
                      .leaf = 7};
    return g;
}

static struct id someone(struct world *w)
{
    struct id person;
    ok(store_person_new(w->s, &person));
    return person;
}

static bool suspended(struct world *w, const char *agency, uint8_t actor,
                      uint64_t now_ms)
{
    struct glass_actor who;
    const uint8_t id[ID_BYTES] = {actor};
    ok(store_glass_actor(w->s, agency, id, now_ms, &who));
    return who.suspended;
}

static void an_opening_comes_back_as_it_was(void **state)
{
    struct world *w = *state;
    struct glass g = opening(1, 9, NOON_MS), *all = NULL;
    size_t n;
    ok(store_begin(w->s));
    struct id person = someone(w), other = someone(w);
    ok(store_glass_put(w->s, person, &g));
    ok(store_commit(w->s));
    world_reopen(w);
    ok(store_glass_of_person(w->s, person, &all, &n));
    assert_int_equal(n, 1);
    assert_memory_equal(&all[0], &g, sizeof(g));
    free(all);
    ok(store_glass_of_person(w->s, other, &all, &n));
    assert_int_equal(n, 0);
    assert_null(all);
}

static void an_update_changes_end_extension_and_verdict(void **state)
{
    struct world *w = *state;
    struct glass g = opening(1, 9, NOON_MS), *all = NULL;
    size_t n;
    ok(store_begin(w->s));
    struct id person = someone(w);
    ok(store_glass_put(w->s, person, &g));
    g.until_ms += HOUR;
    g.extended = true;
    g.verdict = GLASS_NOT_JUSTIFIED;
    snprintf(g.reviewer, sizeof(g.reviewer), CITY);
    ok(store_glass_update(w->s, &g));
    ok(store_glass_of_person(w->s, person, &all, &n));
    assert_int_equal(n, 1);
    assert_memory_equal(&all[0], &g, sizeof(g));
    free(all);
    g.ref[0] = 2;
    assert_int_equal(store_glass_update(w->s, &g), ERR_NOT_FOUND);
    ok(store_commit(w->s));
}

static void a_ref_names_one_opening(void **state)
{
    struct world *w = *state;
    struct glass g = opening(1, 9, NOON_MS);
    ok(store_begin(w->s));
    struct id person = someone(w), other = someone(w);
    ok(store_glass_put(w->s, person, &g));
    assert_int_equal(store_glass_put(w->s, other, &g), ERR_CONFLICT);
    ok(store_commit(w->s));
}

static void five_texts_are_remembered_the_newest_first(void **state)
{
    struct world *w = *state;
    const uint8_t who[ID_BYTES] = {9}, else_[ID_BYTES] = {8};
    struct glass_actor a;
    ok(store_begin(w->s));
    for (uint8_t i = 1; i <= 7; i++) {
        uint8_t text[GLASS_TEXT_BYTES] = {i};
        ok(store_glass_text_add(w->s, id_random(), "OW-B1-49", who, text));
    }
    ok(store_commit(w->s));
    world_reopen(w);
    ok(store_glass_actor(w->s, "OW-B1-49", who, NOON_MS, &a));
    assert_int_equal(a.texts, GLASS_TEXTS);
    for (uint8_t i = 0; i < GLASS_TEXTS; i++)
        assert_int_equal(a.text[i][0], 7 - i);
    ok(store_glass_actor(w->s, "OW-B1-49", else_, NOON_MS, &a));
    assert_int_equal(a.texts, 0);
    ok(store_glass_actor(w->s, OFFICE, who, NOON_MS, &a));
    assert_int_equal(a.texts, 0);
}

/* 72 hours, to the millisecond; a verdict that asks back keeps it due. */
static void an_overdue_review_suspends_its_opener_alone(void **state)
{
    struct world *w = *state;
    struct glass g = opening(1, 9, NOON_MS);
    ok(store_begin(w->s));
    ok(store_glass_put(w->s, someone(w), &g));
    assert_false(suspended(w, "OW-B1-49", 9, g.review_due_ms - 1));
    assert_true(suspended(w, "OW-B1-49", 9, g.review_due_ms));
    assert_false(suspended(w, "OW-B1-49", 8, g.review_due_ms));
    assert_false(suspended(w, OFFICE, 9, g.review_due_ms));
    g.verdict = GLASS_NEED_INFO;
    ok(store_glass_update(w->s, &g));
    assert_true(suspended(w, "OW-B1-49", 9, g.review_due_ms));
    g.verdict = GLASS_NOT_JUSTIFIED;
    ok(store_glass_update(w->s, &g));
    assert_false(suspended(w, "OW-B1-49", 9, g.review_due_ms));
    ok(store_commit(w->s));
}

static void openings_are_counted(void **state)
{
    struct world *w = *state;
    struct store_glass_counts c;
    ok(store_begin(w->s));
    for (uint8_t i = 0; i < 4; i++) { /* one every day, by one person */
        struct glass g = opening(i, 9, NOON_MS + i * DAY);
        g.verdict = i == 0 ? GLASS_JUSTIFIED : i == 1 ? GLASS_NOT_JUSTIFIED : 0;
        ok(store_glass_put(w->s, someone(w), &g));
    }
    ok(store_commit(w->s));
    ok(store_glass_counts(w->s, NOON_MS + 3 * DAY + 1, &c));
    assert_int_equal(c.opened, 4);
    assert_int_equal(c.open, 1);
    assert_int_equal(c.reviewed, 2);
    assert_int_equal(c.not_justified, 1);
    assert_int_equal(c.overdue, 0);
    assert_int_equal(c.often, 1);
    ok(store_glass_counts(w->s, NOON_MS + 5 * DAY, &c));
    assert_int_equal(c.overdue, 1);
    /* thirty days after the first, three are left of the month */
    ok(store_glass_counts(w->s, NOON_MS + 30 * DAY, &c));
    assert_int_equal(c.often, 0);
}

static bool count_down(void *ctx, const struct glass *g)
{
    uint8_t *next = ctx;
    assert_int_equal(g->ref[0], (*next)--);
    return *next > 1;
}

static void a_list_begins_with_the_newest(void **state)
{
    struct world *w = *state;
    uint8_t next = 3;
    ok(store_begin(w->s));
    struct id person = someone(w);
    for (uint8_t i = 1; i <= 3; i++) {
        struct glass g = opening(i, 9, NOON_MS);
        ok(store_glass_put(w->s, person, &g));
    }
    ok(store_commit(w->s));
    ok(store_glass_each(w->s, count_down, &next));
    assert_int_equal(next, 1); /* it stopped when told to */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_OPEN_WORLD(an_opening_comes_back_as_it_was),
        IN_OPEN_WORLD(an_update_changes_end_extension_and_verdict),
        IN_OPEN_WORLD(a_ref_names_one_opening),
        IN_OPEN_WORLD(five_texts_are_remembered_the_newest_first),
        IN_OPEN_WORLD(an_overdue_review_suspends_its_opener_alone),
        IN_OPEN_WORLD(openings_are_counted),
        IN_OPEN_WORLD(a_list_begins_with_the_newest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
