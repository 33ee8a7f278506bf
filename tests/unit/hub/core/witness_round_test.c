/* witness_round_test.c - rounds in a time of the test's own. */
#include "hub/core/witness_round.h"
#include <setjmp.h>
#include <stdarg.h>
/* cmocka needs the ones above */
#include <cmocka.h>

#define INTERVAL 30000
#define DUE 120000

static struct witness_round r;
static uint64_t now, size;

/* The log has grown to n by the time t, and a round begins if it is due. */
static bool at(uint64_t t, uint64_t n)
{
    now = t;
    size = n;
    bool freeze = round_grown(&r, n, t);
    if (freeze)
        round_freeze(&r, n, t);
    return freeze;
}

static uint64_t ask(size_t w)
{
    assert_true(round_wants(&r, w, now));
    return round_ask(&r, w, now);
}

/* Asked, it signs. */
static void sign(size_t w)
{
    ask(w);
    round_signed(&r, w, true);
}

static int fresh(void **state)
{
    (void)state;
    round_init(&r, 4, INTERVAL, DUE, 0);
    return 0;
}

static void a_head_is_frozen_when_the_log_grew_and_the_interval_passed(void **s)
{
    (void)s;
    assert_false(at(1000, 0));
    assert_true(at(2000, 5));
    assert_false(at(2000 + INTERVAL - 1, 9));
    assert_true(at(2000 + INTERVAL, 9));
    assert_false(at(900000, 9)); /* a log at rest wants nothing */
    assert_true(at(900001, 10));
}

static void each_is_asked_once_a_round(void **s)
{
    (void)s;
    assert_false(round_wants(&r, 0, 0));
    at(1000, 5);
    assert_int_equal(ask(0), 0);
    assert_false(round_wants(&r, 0, now));
    round_signed(&r, 0, true);
    assert_false(round_wants(&r, 0, now + 900000));
    assert_true(round_waits(&r));
    for (size_t w = 1; w < 4; w++)
        sign(w);
    assert_false(round_waits(&r));
    at(1000 + INTERVAL, 8);
    assert_int_equal(ask(0), 5); /* proved from what it signed */
}

static void no_answer_is_asked_for_again(void **s)
{
    (void)s;
    at(1000, 5);
    ask(0);
    assert_false(round_wants(&r, 0, 10999));
    assert_true(round_wants(&r, 0, 11000));
    round_lost(&r, 0); /* and a new connection at once */
    assert_true(round_wants(&r, 0, 1001));
}

static void a_refusal_is_asked_about_again_only_while_the_quorum_lacks(void **s)
{
    (void)s;
    at(1000, 5);
    ask(0);
    round_refused(&r, 0);
    assert_false(round_wants(&r, 0, 1000 + INTERVAL - 1));
    assert_true(round_wants(&r, 0, 1000 + INTERVAL));
    round_quorum(&r);
    assert_false(round_wants(&r, 0, 1000 + INTERVAL));
}

static void a_witness_that_has_a_head_is_asked_again_from_there(void **s)
{
    (void)s;
    at(1000, 50);
    assert_int_equal(ask(0), 0);
    assert_true(round_has(&r, 0, 20, size));
    assert_int_equal(ask(0), 20);
    assert_false(round_has(&r, 0, 20, size)); /* it was proved from there */
    assert_false(round_wants(&r, 0, now));
}

static void one_that_says_other_sizes_for_ever_is_left_alone(void **s)
{
    (void)s;
    unsigned n = 0;
    at(1000, 50);
    for (bool more = true; more; n++) {
        ask(0);
        more = round_has(&r, 0, 1 + n % 2, size);
    }
    assert_in_range(n, 2, 10);
    assert_false(round_wants(&r, 0, now));
}

static void a_witness_that_has_seen_more_begins_the_next_round_early(void **s)
{
    (void)s;
    at(1000, 50);
    ask(0);
    size = 60;
    assert_false(round_has(&r, 0, 57, size));
    assert_false(at(1999, 60));
    assert_true(at(2000, 60));
    assert_int_equal(ask(0), 57);
}

/* Else one that says so every second would leave the others no time. */
static void after_an_early_round_the_next_one_is_not_early(void **s)
{
    (void)s;
    at(1000, 50);
    ask(0);
    size = 60;
    assert_false(round_has(&r, 0, 57, size));
    assert_true(at(2000, 60));
    ask(0);
    size = 70;
    assert_false(round_has(&r, 0, 68, size));
    assert_false(at(3000, 70));
    assert_false(at(2000 + INTERVAL - 1, 75));
    sign(1); /* it has had the time */
    assert_true(at(2000 + INTERVAL, 80));
    ask(0);
    size = 90;
    assert_false(round_has(&r, 0, 85, size));
    assert_true(at(3000 + INTERVAL, 90));
}

static void more_than_there_is_moves_nothing(void **s)
{
    (void)s;
    at(1000, 50);
    ask(0);
    assert_false(round_has(&r, 0, 51, size));
    assert_int_equal(r.of[0].old, 0);
    assert_false(r.ahead);
}

static void a_witness_that_forgot_begins_anew(void **s)
{
    (void)s;
    at(1000, 50);
    sign(0);
    at(1000 + INTERVAL, 60);
    assert_int_equal(ask(0), 50);
    assert_true(round_has(&r, 0, 0, size));
    assert_int_equal(ask(0), 0);
}

static void overdue_counts_from_the_first_leaf_without_a_quorum(void **s)
{
    (void)s;
    at(1000, 5);
    assert_false(round_overdue(&r, 1000 + DUE - 1));
    assert_true(round_overdue(&r, 1000 + DUE));
    round_quorum(&r);
    assert_false(round_overdue(&r, 9000000)); /* at rest, nothing is owed */
    at(9000000, 6);
    assert_false(round_overdue(&r, 9000000 + DUE - 1));
    assert_true(round_overdue(&r, 9000000 + DUE));
}

static void a_late_quorum_leaves_owing_what_came_after_its_head(void **s)
{
    (void)s;
    at(1000, 5);
    at(11000, 6); /* after the head of the round */
    round_quorum(&r);
    assert_false(round_overdue(&r, 11000 + DUE - 1));
    assert_true(round_overdue(&r, 11000 + DUE));
}

static void rounds_that_fail_do_not_put_off_what_is_overdue(void **s)
{
    (void)s;
    for (uint64_t t = 1000; t <= 1000 + DUE; t += INTERVAL)
        assert_true(at(t, 5 + t / 1000));
    assert_true(round_overdue(&r, 1000 + DUE));
}

static void
ordinary_deliveries_wait_for_a_first_witness_and_for_what_is_overdue(void **s)
{
    (void)s;
    at(1000, 5);
    assert_true(round_stops(&r, true, 1000));
    ask(0);
    round_signed(&r, 0, false); /* a closed one does not count */
    assert_true(round_stops(&r, true, 1000));
    sign(1);
    assert_false(round_stops(&r, true, 1000));
    assert_true(round_stops(&r, true, 1000 + DUE));
    assert_false(round_stops(&r, false, 1000 + DUE)); /* nobody is open */
    round_quorum(&r);
    assert_false(round_stops(&r, true, 1000 + DUE));
}

static void a_run_goes_on_from_the_quorum_of_the_one_before(void **s)
{
    (void)s;
    round_init(&r, 4, INTERVAL, DUE, 5);
    at(1000, 5);
    assert_false(round_overdue(&r, 9000000));
    assert_true(round_stops(&r, true, 1000)); /* yet nobody vouched for it */
}

#define CASE(f) cmocka_unit_test_setup(f, fresh)
int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_head_is_frozen_when_the_log_grew_and_the_interval_passed),
        CASE(each_is_asked_once_a_round),
        CASE(no_answer_is_asked_for_again),
        CASE(a_refusal_is_asked_about_again_only_while_the_quorum_lacks),
        CASE(a_witness_that_has_a_head_is_asked_again_from_there),
        CASE(one_that_says_other_sizes_for_ever_is_left_alone),
        CASE(a_witness_that_has_seen_more_begins_the_next_round_early),
        CASE(after_an_early_round_the_next_one_is_not_early),
        CASE(more_than_there_is_moves_nothing),
        CASE(a_witness_that_forgot_begins_anew),
        CASE(overdue_counts_from_the_first_leaf_without_a_quorum),
        CASE(a_late_quorum_leaves_owing_what_came_after_its_head),
        CASE(rounds_that_fail_do_not_put_off_what_is_overdue),
        CASE(
            ordinary_deliveries_wait_for_a_first_witness_and_for_what_is_overdue),
        CASE(a_run_goes_on_from_the_quorum_of_the_one_before),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
