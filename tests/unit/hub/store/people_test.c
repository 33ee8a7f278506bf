/* Persons, tokens, handles, consents and cases. */
#include "tests/unit/hub/store/world.h"

/* ---- tokens and handles ---- */

static void a_token_stands_for_one_person_at_one_agency(void **state)
{
    struct world *w = *state;
    const uint8_t token[16] = "hospital's token";
    struct id got;
    bool found;
    ok(store_begin(w->s));
    struct id person = new_person(w->s), other = new_person(w->s);
    ok(store_token_put(w->s, HOSPITAL, TOKEN_PERSON, token, person));
    assert_int_equal(
        store_token_put(w->s, HOSPITAL, TOKEN_PERSON, token, other),
        ERR_CONFLICT);
    ok(store_commit(w->s));
    world_reopen(w);
    ok(store_token_find(w->s, HOSPITAL, TOKEN_PERSON, token, &found, &got));
    assert_true(found);
    assert_true(id_eq(got, person));
    ok(store_token_find(w->s, CITY, TOKEN_PERSON, token, &found, &got));
    assert_false(found);
    ok(store_token_find(w->s, HOSPITAL, TOKEN_CASE, token, &found, &got));
    assert_false(found);
}

static void an_agency_keeps_its_token_and_no_two_share_one(void **state)
{
    struct world *w = *state;
    uint8_t a[16], again[16], b[16], as_case[16];
    struct id got;
    bool found;
    ok(store_begin(w->s));
    struct id person = new_person(w->s);
    ok(store_token_for(w->s, CITY, TOKEN_PERSON, person, a));
    ok(store_token_for(w->s, CITY, TOKEN_PERSON, person, again));
    ok(store_token_for(w->s, OFFICE, TOKEN_PERSON, person, b));
    ok(store_token_for(w->s, CITY, TOKEN_CASE, person, as_case));
    ok(store_commit(w->s));
    assert_memory_equal(a, again, 16);
    assert_memory_not_equal(a, b, 16);
    assert_memory_not_equal(a, as_case, 16);
    ok(store_token_find(w->s, OFFICE, TOKEN_PERSON, b, &found, &got));
    assert_true(found && id_eq(got, person));
}

static const struct {
    const char *name;
    uint64_t a, b;
    bool same;
} QUARTERS[] = {
    {"within a quarter the handle stays", NOON_MS, NOON_MS + 86400000, true},
    {"the next quarter has another", NOON_MS, NOON_MS + 92 * 86400000ull,
     false},
    /* 2026-03-31T23:59:59+09:00 and a second later */
    {"quarters end at midnight in Japan", 1774969199000, 1774969200000, false},
    {"and not at midnight in Greenwich", 1775001599000, 1775001600000, true},
};

static void handles_change_by_quarter(void **state)
{
    struct world *w = *state;
    ok(store_begin(w->s));
    for (size_t i = 0; i < NELEM(QUARTERS); i++) {
        uint8_t a[16], b[16];
        struct id person = new_person(w->s);
        ok(store_person_handle(w->s, person, QUARTERS[i].a, a));
        ok(store_person_handle(w->s, person, QUARTERS[i].b, b));
        if ((memcmp(a, b, 16) == 0) != QUARTERS[i].same)
            fail_msg("%s", QUARTERS[i].name);
    }
    uint8_t h[16];
    assert_int_equal(store_person_handle(w->s, id_random(), NOON_MS, h),
                     ERR_NOT_FOUND);
    ok(store_commit(w->s));
}

/* ---- consents ---- */

static struct grant a_grant(const char *ref, uint64_t leaf)
{
    struct grant g = {.kind = GRANT_GIVEN,
                      .purpose = "P_PLAN",
                      .to_count = 2,
                      .classes = UINT64_C(1) << 63 | 6,
                      .from_day = -3,
                      .to_day = 20000,
                      .leaf = leaf};
    memcpy(g.ref, ref, ID_BYTES);
    memcpy(g.to[0].agency, CITY, sizeof(CITY));
    memcpy(g.to[1].role, "R_HC", 5);
    memcpy(g.to[1].place, "49201", 6);
    g.third = g.paper = true;
    g.except_count = 2;
    memcpy(g.except[0].agency, OFFICE, sizeof(OFFICE));
    memcpy(g.except[1].role, "R_HOSP", 7);
    memcpy(g.except[1].place, "49202", 6);
    memcpy(g.collector, HOSPITAL, sizeof(HOSPITAL));
    return g;
}

static void read_grants(struct store *s, struct id person, struct grant **g,
                        size_t *n, uint64_t *generation)
{
    struct person_facts about;
    ok(store_grants(s, person, g, n));
    ok(store_person(s, person, &about));
    assert_false(about.address_protected);
    *generation = about.generation;
}

static void consents_come_back_whole_and_in_order(void **state)
{
    struct world *w = *state;
    struct grant *g, later = a_grant("later-consent-16", 9),
                     first = a_grant("first-consent-16", 4);
    size_t n;
    uint64_t generation;
    first.kind = GRANT_REFUSED;
    first.to_count = 0;
    memset(first.to, 0, sizeof(first.to));
    ok(store_begin(w->s));
    struct id person = new_person(w->s);
    ok(store_grant_add(w->s, person, &later));
    ok(store_grant_add(w->s, person, &first));
    assert_int_equal(store_grant_add(w->s, id_random(), &first), ERR_NOT_FOUND);
    ok(store_commit(w->s));
    world_reopen(w);
    read_grants(w->s, person, &g, &n, &generation);
    assert_int_equal(n, 2);
    assert_int_equal(generation, 2);
    assert_memory_equal(&g[0], &first, sizeof(first));
    assert_memory_equal(&g[1], &later, sizeof(later));
    free(g);
}

static void withdrawing_marks_one_or_all(void **state)
{
    struct world *w = *state;
    struct grant *g, a = a_grant("consent-a-16byte", 1),
                     b = a_grant("consent-b-16byte", 2),
                     c = a_grant("consent-c-16byte", 3);
    size_t n;
    uint64_t generation;
    ok(store_begin(w->s));
    struct id person = new_person(w->s), other = new_person(w->s);
    ok(store_grant_add(w->s, person, &a));
    ok(store_grant_add(w->s, person, &b));
    ok(store_grant_add(w->s, person, &c));
    ok(store_grant_add(w->s, other, &a));
    ok(store_grant_withdraw(w->s, person, b.ref, 40, &n));
    assert_int_equal(n, 1);
    ok(store_grant_withdraw(w->s, person, b.ref, 40, &n));
    assert_int_equal(n, 0);
    read_grants(w->s, person, &g, &n, &generation);
    assert_false(g[0].withdrawn);
    assert_true(g[1].withdrawn);
    assert_int_equal(g[1].withdrawn_leaf, 40);
    assert_int_equal(generation, 4); /* withdrawing nothing changes nothing */
    free(g);
    ok(store_grant_withdraw(w->s, person, NULL, 41, &n));
    assert_int_equal(n, 2);
    read_grants(w->s, person, &g, &n, &generation);
    assert_true(g[0].withdrawn && g[1].withdrawn && g[2].withdrawn);
    assert_int_equal(generation, 5);
    free(g);
    read_grants(w->s, other, &g, &n, &generation);
    assert_false(g[0].withdrawn);
    free(g);
    ok(store_commit(w->s));
}

static void every_consent_does_not_mean_a_refusal(void **state)
{
    struct world *w = *state;
    struct grant *g, yes = a_grant("consent-a-16byte", 1),
                     no = a_grant("consent-b-16byte", 2);
    size_t n;
    uint64_t generation;
    no.kind = GRANT_REFUSED;
    ok(store_begin(w->s));
    struct id person = new_person(w->s);
    ok(store_grant_add(w->s, person, &yes));
    ok(store_grant_add(w->s, person, &no));
    ok(store_grant_withdraw(w->s, person, NULL, 40, &n));
    assert_int_equal(n, 1);
    ok(store_grant_withdraw(w->s, person, no.ref, 41, &n));
    assert_int_equal(n, 0);
    read_grants(w->s, person, &g, &n, &generation);
    assert_true(g[0].withdrawn && !g[1].withdrawn);
    free(g);
    ok(store_commit(w->s));
}

static void what_was_replaced_is_over_but_not_withdrawn(void **state)
{
    struct world *w = *state;
    struct grant *g, a = a_grant("consent-a-16byte", 1);
    size_t n;
    uint64_t generation;
    ok(store_begin(w->s));
    struct id person = new_person(w->s);
    ok(store_grant_add(w->s, person, &a));
    ok(store_grant_supersede(w->s, person, a.ref, 40, &n));
    assert_int_equal(n, 1);
    ok(store_grant_withdraw(w->s, person, a.ref, 41, &n));
    assert_int_equal(n, 0);
    ok(store_commit(w->s));
    world_reopen(w);
    read_grants(w->s, person, &g, &n, &generation);
    assert_true(g[0].superseded && !g[0].withdrawn);
    assert_int_equal(g[0].until_leaf, 40);
    assert_int_equal(g[0].withdrawn_leaf, 0);
    assert_int_equal(generation, 2);
    free(g);
}

static void address_protection_is_kept_and_counts_as_a_change(void **state)
{
    struct world *w = *state;
    struct person_facts about;
    ok(store_begin(w->s));
    struct id person = new_person(w->s);
    ok(store_person_protect(w->s, person, true));
    assert_int_equal(store_person_protect(w->s, id_random(), true),
                     ERR_NOT_FOUND);
    ok(store_commit(w->s));
    world_reopen(w);
    ok(store_person(w->s, person, &about));
    assert_true(about.address_protected);
    assert_int_equal(about.generation, 1);
}

static void places_are_kept_and_count_as_a_change(void **state)
{
    struct world *w = *state;
    struct places p = {"49201", "49202", "", "49305"};
    struct person_facts about;
    ok(store_begin(w->s));
    struct id person = new_person(w->s);
    ok(store_person(w->s, person, &about));
    assert_string_equal(about.places.resident, "");
    ok(store_person_places(w->s, person, &p));
    assert_int_equal(store_person_places(w->s, id_random(), &p), ERR_NOT_FOUND);
    ok(store_commit(w->s));
    world_reopen(w);
    ok(store_person(w->s, person, &about));
    assert_memory_equal(&about.places, &p, sizeof(p));
    assert_int_equal(about.generation, 1);
    assert_false(about.address_protected);
}

static void nobody_has_no_consents_and_a_stranger_is_not_found(void **state)
{
    struct world *w = *state;
    struct grant *g;
    struct person_facts about;
    size_t n;
    struct id nobody = {{0}};
    ok(store_grants(w->s, nobody, &g, &n));
    assert_int_equal(n, 0);
    assert_null(g);
    assert_int_equal(store_person(w->s, id_random(), &about), ERR_NOT_FOUND);
}

/* ---- cases ---- */

static struct id case_named(struct store *s, struct id person, char *name,
                            uint64_t ms)
{
    struct id id;
    Pb__CaseState c = PB__CASE_STATE__INIT;
    ok(store_case_new(s, person, ms, &id));
    c.flow = name;
    c.has_version = 1;
    c.version = 3;
    ok(store_case_put(s, id, &c));
    return id;
}

static void a_case_keeps_its_state_and_person(void **state)
{
    struct world *w = *state;
    Pb__CaseState *c;
    struct id person, who, fresh, named;
    ok(store_begin(w->s));
    person = new_person(w->s);
    ok(store_case_new(w->s, person, NOON_MS, &fresh));
    named = case_named(w->s, person, (char[]){"discharge"}, NOON_MS);
    ok(store_commit(w->s));
    world_reopen(w);
    ok(store_case_get(w->s, named, &c, &who));
    assert_string_equal(c->flow, "discharge");
    assert_int_equal(c->version, 3);
    assert_true(id_eq(who, person));
    pb__case_state__free_unpacked(c, NULL);
    ok(store_case_get(w->s, fresh, &c, &who)); /* nothing yet */
    assert_null(c->flow);
    pb__case_state__free_unpacked(c, NULL);
    assert_int_equal(store_case_get(w->s, id_random(), &c, &who),
                     ERR_NOT_FOUND);
    assert_null(c);
    ok(store_begin(w->s));
    Pb__CaseState none = PB__CASE_STATE__INIT;
    assert_int_equal(store_case_put(w->s, id_random(), &none), ERR_NOT_FOUND);
    store_abort(w->s);
}

struct names {
    struct store *s;
    char text[64];
    size_t stop_after;
};

/* The store can be used while walking. */
static bool collect(void *ctx, struct id case_id, const Pb__CaseState *c)
{
    struct names *n = ctx;
    Pb__CaseState *again;
    struct id person;
    ok(store_case_get(n->s, case_id, &again, &person));
    assert_string_equal(again->flow, c->flow);
    pb__case_state__free_unpacked(again, NULL);
    strncat(n->text, c->flow, sizeof(n->text) - strlen(n->text) - 1);
    return strlen(n->text) < n->stop_after;
}

static void cases_are_walked_from_the_newest(void **state)
{
    struct world *w = *state;
    struct id person;
    ok(store_begin(w->s));
    person = new_person(w->s);
    case_named(w->s, person, (char[]){"a"}, NOON_MS);
    case_named(w->s, person, (char[]){"b"}, NOON_MS);
    case_named(w->s, person, (char[]){"c"}, NOON_MS + 1000);
    ok(store_commit(w->s));
    struct names all = {w->s, "", 99}, two = {w->s, "", 2};
    ok(store_case_each(w->s, collect, &all));
    assert_string_equal(all.text, "cba");
    ok(store_case_each(w->s, collect, &two));
    assert_string_equal(two.text, "cb");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_OPEN_WORLD(a_token_stands_for_one_person_at_one_agency),
        IN_OPEN_WORLD(an_agency_keeps_its_token_and_no_two_share_one),
        IN_OPEN_WORLD(handles_change_by_quarter),
        IN_OPEN_WORLD(consents_come_back_whole_and_in_order),
        IN_OPEN_WORLD(withdrawing_marks_one_or_all),
        IN_OPEN_WORLD(address_protection_is_kept_and_counts_as_a_change),
        IN_OPEN_WORLD(places_are_kept_and_count_as_a_change),
        IN_OPEN_WORLD(every_consent_does_not_mean_a_refusal),
        IN_OPEN_WORLD(what_was_replaced_is_over_but_not_withdrawn),
        IN_OPEN_WORLD(nobody_has_no_consents_and_a_stranger_is_not_found),
        IN_OPEN_WORLD(a_case_keeps_its_state_and_person),
        IN_OPEN_WORLD(cases_are_walked_from_the_newest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
