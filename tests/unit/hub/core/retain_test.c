/* Until when the hub keeps content: by the pack that ships. */
#include "hub/core/retain.h"
#include "proto/base/date.h"
#include "tests/unit/hub/core/pack.h"

#define DAY (uint64_t) DAY_MS
#define DAYS(n) (NOW + (n)*DAY)

static const struct {
    const char *name;
    struct retain_facts f;
    uint64_t until;
} CASES[] = {
    /* clang-format off */
    {"content goes 30 days after its last delivery is over",
     {"DISCHARGED", NOW, false, DAYS(3), 0, 0}, DAYS(33)},
    {"what went to nobody goes 30 days after it came",
     {"DISCHARGED", NOW, false, 0, 0, 0}, DAYS(30)},
    {"a delivery that was over before the event is no later",
     {"DISCHARGED", NOW, false, NOW - DAY, 0, 0}, DAYS(30)},
    {"what somebody has yet to fetch waits",
     {"DISCHARGED", NOW, true, DAYS(3), 0, 0}, DAYS(90)},
    {"an end of a case is nothing to an event that no row names for it",
     {"DISCHARGED", NOW, false, DAYS(3), DAYS(4), 0}, DAYS(33)},
    {"an emergency stay's content goes 7 days after the stay",
     {"STAY_CONFIRMED", NOW, false, DAYS(1), DAYS(5), 0}, DAYS(12)},
    {"and as any other as long as its end is not known",
     {"STAY_CONFIRMED", NOW, false, DAYS(1), 0, 0}, DAYS(31)},
    {"papers of a meeting go when it closes",
     {"MEETING_PAPERS", NOW, true, 0, DAYS(2), 0}, DAYS(2)},
    {"a consent is kept 1826 days after its last day",
     {"CONSENT_GIVEN", NOW, false, DAYS(1), 0, 20800}, 1 /* below */},
    {"a consent that ended before it came counts from then",
     {"CONSENT_GIVEN", NOW, false, DAYS(1), 0, 3}, DAYS(1826)},
    {"a refusal without an end is kept",
     {"CONSENT_REFUSED", NOW, false, DAYS(1), 0, INT32_MAX}, RETAIN_FOREVER},
    {"the reasons of a break-glass are kept as the log is",
     {"BREAK_GLASS_OPENED", NOW, false, DAYS(1), 0, 0}, DAYS(1826)},
}; /* clang-format on */

static void content_is_kept_as_the_pack_says(void **state)
{
    (void)state;
    struct policy *p = default_policy();
    for (size_t i = 0; i < NELEM(CASES); i++) {
        uint64_t until = CASES[i].until == 1
                             ? japan_day_begins(20801) + 1826 * DAY
                             : CASES[i].until;
        if (retain_until(p, &CASES[i].f) != until)
            fail_msg("%s", CASES[i].name);
    }
    policy_free(&p);
}

static void the_pack_says_what_ends_a_case(void **state)
{
    (void)state;
    struct policy *p = default_policy();
    assert_true(retain_is_end(p, "MEETING_CLOSED"));
    assert_true(retain_is_end(p, "CANCELLED"));
    assert_false(retain_is_end(p, "STAY_CONFIRMED"));
    assert_false(retain_is_end(p, "NO_SUCH_EVENT"));
    assert_int_equal(retain_consents_from(p, NOW), japan_day(NOW) - 1826);
    policy_free(&p);
}

static void without_a_term_content_stays(void **state)
{
    (void)state;
    struct pack k = {0};
    pack_small(&k, "");
    struct policy *p = pack_policy(&k);
    struct retain_facts f = {"DISCHARGED", NOW, true, 0, 0, 0};
    assert_true(retain_until(p, &f) == RETAIN_FOREVER);
    assert_int_equal(retain_consents_from(p, NOW), INT32_MIN);
    policy_free(&p);
    pack_fini(&k);
}

/* Every event has a term: nothing that ships is kept for ever by oversight. */
static void every_event_has_a_term(void **state)
{
    (void)state;
    struct policy *p = default_policy();
    const char *event;
    for (size_t i = 0; (event = policy_code(p, POLICY_EVENT, i)) != NULL; i++) {
        struct retain_facts f = {event, NOW, true, 0, 0, 0};
        if (retain_until(p, &f) == RETAIN_FOREVER)
            fail_msg("%s", event);
    }
    policy_free(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(content_is_kept_as_the_pack_says),
        cmocka_unit_test(the_pack_says_what_ends_a_case),
        cmocka_unit_test(without_a_term_content_stays),
        cmocka_unit_test(every_event_has_a_term),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
