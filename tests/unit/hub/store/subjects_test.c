/* The index of leaves by subject, and what is shown later. */
#include "tests/unit/hub/store/world.h"

static const uint8_t ANNA[16] = "handle of one..", BERT[16] = "handle of two..",
                     ORDER[16] = "an order........";

static void leaf_about(struct store *s, const uint8_t *subject,
                       const uint8_t *order)
{
    Pb__AuditLeaf l = PB__AUDIT_LEAF__INIT;
    uint64_t index;
    l.has_kind = l.has_time_ms = 1;
    l.kind = PB__LEAF_KIND__RELEASE;
    l.time_ms = NOON_MS;
    l.has_subject_handle = subject != NULL;
    l.subject_handle = (ProtobufCBinaryData){16, (uint8_t *)(uintptr_t)subject};
    l.has_order = order != NULL;
    l.order = (ProtobufCBinaryData){16, (uint8_t *)(uintptr_t)order};
    ok(store_leaf(s, &l, &index));
}

/* 0 ANNA, 1 -, 2 BERT with ORDER, 3 ANNA */
static void four_leaves(struct world *w)
{
    ok(store_begin(w->s));
    leaf_about(w->s, ANNA, NULL);
    leaf_about(w->s, NULL, NULL);
    leaf_about(w->s, BERT, ORDER);
    leaf_about(w->s, ANNA, NULL);
    ok(store_commit(w->s));
}

static uint64_t index_all(struct store *s)
{
    uint64_t to = 0;
    while (to < store_log_size(s))
        ok(store_index_more(s, 3, &to));
    return to;
}

#define NONE UINT64_MAX
static uint64_t next(struct store *s, const uint8_t key[16], uint64_t from)
{
    uint64_t leaf = NONE;
    bool found;
    ok(store_index_next(s, key, from, &leaf, &found));
    return found ? leaf : NONE;
}

static void anna_is_in_0_and_3(struct store *s)
{
    uint64_t n;
    assert_int_equal(next(s, ANNA, 0), 0);
    assert_int_equal(next(s, ANNA, 1), 3);
    assert_int_equal(next(s, ANNA, 4), NONE);
    assert_int_equal(next(s, BERT, 0), 2);
    assert_int_equal(next(s, ORDER, 0), 2);
    ok(store_index_count(s, ANNA, 4, &n));
    assert_int_equal(n, 2);
    ok(store_index_count(s, ANNA, 3, &n));
    assert_int_equal(n, 1);
}

static void leaves_are_found_by_their_subject_and_their_order(void **state)
{
    struct world *w = *state;
    uint64_t to;
    four_leaves(w);
    ok(store_index_more(w->s, 3, &to));
    assert_int_equal(to, 3);
    assert_int_equal(next(w->s, ANNA, 1), NONE);
    ok(store_index_more(w->s, 3, &to));
    assert_int_equal(to, 4);
    anna_is_in_0_and_3(w->s);
    world_reopen(w);
    anna_is_in_0_and_3(w->s);
}

static void a_resting_hub_catches_up_and_then_writes_nothing(void **state)
{
    struct world *w = *state;
    four_leaves(w);
    w->s->tidied_ms = 0;
    ok(store_tidy(w->s));
    anna_is_in_0_and_3(w->s);
    w->s->tidied_ms = 0;
    ok(store_tidy(w->s));
    int changes = sqlite3_total_changes(w->s->db);
    w->s->tidied_ms = 0;
    ok(store_tidy(w->s));
    assert_int_equal(sqlite3_total_changes(w->s->db), changes);
}

static void an_index_that_was_lost_is_made_anew(void **state)
{
    struct world *w = *state;
    four_leaves(w);
    index_all(w->s);
    store_close(&w->s);
    outside_sql(w, "DELETE FROM log_subject WHERE idx = 0;"
                   "INSERT INTO log_subject VALUES (zeroblob(16), 1);"
                   "DELETE FROM value WHERE name = 'leaves-indexed'");
    ok(world_open(w));
    assert_int_equal(index_all(w->s), 4);
    anna_is_in_0_and_3(w->s);
    assert_int_equal(next(w->s, (const uint8_t[16]){0}, 0), NONE);
}

static void what_is_taken_back_is_not_in_the_index(void **state)
{
    struct world *w = *state;
    uint64_t to;
    four_leaves(w);
    ok(store_begin(w->s));
    ok(store_index_more(w->s, 9, &to));
    store_abort(w->s);
    assert_int_equal(next(w->s, ANNA, 0), NONE);
    index_all(w->s);
    anna_is_in_0_and_3(w->s);
}

static void a_person_is_known_by_every_handle_they_had(void **state)
{
    struct world *w = *state;
    uint8_t first[16], second[16], other[16];
    struct handle *h;
    size_t n;
    ok(store_begin(w->s));
    struct id person = new_person(w->s), another = new_person(w->s);
    ok(store_person_handle(w->s, person, NOON_MS + 92 * 86400000ull, second));
    ok(store_person_handle(w->s, person, NOON_MS, first));
    ok(store_person_handle(w->s, another, NOON_MS, other));
    ok(store_commit(w->s));
    ok(store_person_handles(w->s, person, &h, &n));
    assert_int_equal(n, 2);
    assert_memory_equal(h[0].b, first, 16);
    assert_memory_equal(h[1].b, second, 16);
    free(h);
    ok(store_person_handles(w->s, id_random(), &h, &n));
    assert_int_equal(n, 0);
    assert_null(h);
}

static void the_newest_order_says_until_when(void **state)
{
    struct world *w = *state;
    struct delay d = {.leaf = 3, .until_day = 20000, .basis = "LB_LAW"}, got;
    bool found;
    ok(store_begin(w->s));
    ok(store_delay_put(w->s, &d));
    memcpy(d.order, ORDER, 16);
    d.until_day = 20100;
    ok(store_delay_put(w->s, &d));
    ok(store_commit(w->s));
    ok(store_delay_get(w->s, 3, &got, &found));
    assert_true(found);
    assert_int_equal(got.until_day, 20100);
    assert_string_equal(got.basis, "LB_LAW");
    assert_memory_equal(got.order, ORDER, 16);
    ok(store_delay_get(w->s, 2, &got, &found));
    assert_false(found);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_OPEN_WORLD(leaves_are_found_by_their_subject_and_their_order),
        IN_OPEN_WORLD(a_resting_hub_catches_up_and_then_writes_nothing),
        IN_OPEN_WORLD(an_index_that_was_lost_is_made_anew),
        IN_OPEN_WORLD(what_is_taken_back_is_not_in_the_index),
        IN_OPEN_WORLD(a_person_is_known_by_every_handle_they_had),
        IN_OPEN_WORLD(the_newest_order_says_until_when),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
