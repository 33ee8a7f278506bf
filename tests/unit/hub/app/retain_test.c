/* retain_test.c - what the hub keeps no longer: content whose term is over, the
 * keys that nothing needs any more, and nothing that a hold keeps. */
#include "proto/base/date.h"
#include "tests/unit/hub/app/region.h"

#define P1 "WO-4931000014"
#define H1 "MI-4910100017"
#define TURNS 400

/* Two of them are accepted; p1 fetches the first one and acknowledges it. */
static void two_admissions(struct region *r, const char *person)
{
    struct client *h1 = client(r, "h1"), *p1 = client(r, "p1");
    char ref[48], case_name[48];
    snprintf(ref, sizeof(ref), "consent of %s", person);
    snprintf(case_name, sizeof(case_name), "case of %s", person);
    assert_string_equal(give(h1, person, ref, P1, "P_TRA"), "");
    for (int i = 0; i < 2; i++)
        assert_string_equal(post_sample(h1, "ADMISSION_RECORDED", person,
                                        case_name, P1, "P_TRA"),
                            "");
    assert_int_equal(fetch_for(p1, LANE_NORMAL, 1, 400), 1);
    client_ack(p1, last_got(p1));
    client_sync(p1, LANE_NORMAL);
}

/* The walk of a night so many days from now; the clock goes back after. */
static void walk(struct region *r, unsigned days)
{
    struct hub *h = r->hub;
    uint64_t now = h->now_ms;
    bool done = false;
    turn(r);
    assert_int_equal(store_begin(h->store), ERR_OK);
    h->now_ms += days * DAY_MS;
    while (!done)
        assert_int_equal(retain_slice(h, &done), ERR_OK);
    h->now_ms = now;
    assert_int_equal(store_commit(h->store), ERR_OK);
}

/* How many events of a type still have content. */
static size_t filled(struct region *r, uint32_t type)
{
    struct retain_event all[64];
    size_t n, count = 0;
    assert_int_equal(store_retain_next(r->hub->store, 0, all, NELEM(all), &n),
                     ERR_OK);
    for (size_t i = 0; i < n; i++)
        count += all[i].type == type;
    return count;
}

static size_t keys_of(struct region *r, struct id person)
{
    struct key_gone *key;
    size_t n;
    assert_int_equal(store_keys_of(r->hub->store, person, &key, &n), ERR_OK);
    free(key);
    return n;
}

static size_t run_night(struct region *r)
{
    size_t before = count_leaves(r, PB__LEAF_KIND__ERASE_BEGIN);
    for (int i = 0; i < TURNS && !r->hub->swept; i++)
        turn(r);
    assert_string_equal(control(r, "erase-run", NULL, NULL, NULL), "");
    for (int i = 0; i < TURNS && r->hub->night.step != 0; i++)
        turn(r);
    turn(r);
    return count_leaves(r, PB__LEAF_KIND__ERASE_BEGIN) - before;
}

static void content_goes_when_its_term_is_over(void **state)
{
    struct region *r = *state;
    two_admissions(r, "person");
    walk(r, 29);
    assert_int_equal(filled(r, EVENT_ADMISSION_RECORDED), 2);
    walk(r, 31); /* one was delivered; the other waits for p1 */
    assert_int_equal(filled(r, EVENT_ADMISSION_RECORDED), 1);
    walk(r, 89);
    assert_int_equal(filled(r, EVENT_ADMISSION_RECORDED), 1);
    walk(r, 91); /* nobody came for it */
    assert_int_equal(filled(r, EVENT_ADMISSION_RECORDED), 0);
    assert_int_equal(filled(r, EVENT_CONSENT_GIVEN), 1);
}

static void what_nobody_came_for_is_parked_then(void **state)
{
    struct region *r = *state;
    struct client *p1 = client(r, "p1");
    two_admissions(r, "person");
    walk(r, 91);
    struct store_counts n;
    assert_int_equal(fetch_for(p1, LANE_NORMAL, 1, 200), 0);
    assert_int_equal(store_counts(r->hub->store, &n), ERR_OK);
    assert_int_equal(n.parked, 1);
    assert_int_equal(r->hub->broken, ERR_OK);
}

/* A later change of grounds still finds what was released, and no more. */
static void what_was_released_is_decided_about_without_content(void **state)
{
    struct region *r = *state;
    two_admissions(r, "person");
    struct client *p1 = client(r, "p1");
    struct id id;
    struct delivery d;
    struct stored_event ev;
    struct known k = {0};
    struct decision before, after;
    memcpy(id.b, last_got(p1)->d->delivery_id.data, ID_BYTES);
    struct store *s = r->hub->store;
    assert_int_equal(store_delivery_find(s, id, &d), ERR_OK);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(store_event_get(s, d.event_seq, &ev), ERR_OK);
        assert_int_equal(ev.erased, i == 1);
        assert_int_equal(known_load(r->hub, ev.person, ev.case_id, &k), ERR_OK);
        assert_int_equal(
            decide_kept(r->hub, &ev, &d, &k, i == 0 ? &before : &after),
            ERR_OK);
        stored_event_fini(&ev);
        known_fini(&k);
        if (i == 0)
            walk(r, 31);
    }
    assert_true(d.released_classes != 0);
    assert_int_equal(before.released & d.released_classes,
                     after.released & d.released_classes);
    assert_int_equal(after.released & ~d.released_classes, 0);
}

static void a_hold_keeps_everything_of_a_person(void **state)
{
    struct region *r = *state;
    two_admissions(r, "person");
    two_admissions(r, "other");
    struct taken_order hold = {.order = id_random(),
                               .kind = ORDER_HOLD,
                               .person = person_of(r, H1, "person"),
                               .until_day = japan_day(r->hub->now_ms) + 365};
    buf_adds(&hold.note, "a note");
    turn(r);
    assert_int_equal(store_begin(r->hub->store), ERR_OK);
    assert_int_equal(store_order_put(r->hub->store, &hold), ERR_OK);
    assert_int_equal(store_commit(r->hub->store), ERR_OK);
    walk(r, 120);
    assert_int_equal(filled(r, EVENT_ADMISSION_RECORDED), 2);
    walk(r, 500);
    assert_int_equal(filled(r, EVENT_ADMISSION_RECORDED), 0);
    taken_order_fini(&hold);
}

static void a_key_that_nothing_needs_goes_the_same_night(void **state)
{
    struct region *r = *state;
    const uint64_t later = 4000; /* the consent's record is over, too */
    two_admissions(r, "person");
    struct id person = person_of(r, H1, "person");
    size_t keys = keys_of(r, person);
    walk(r, 100); /* its quarter is over; the consent is there */
    assert_int_equal(run_night(r), 0);
    assert_int_equal(keys_of(r, person), keys);
    walk(r, later);
    uint32_t epoch = store_keys_epoch(r->hub->store);
    assert_int_equal(run_night(r), 1);
    assert_int_equal(keys_of(r, person), keys - 1); /* the master key stays */
    assert_int_equal(store_keys_epoch(r->hub->store), epoch + 1);
    person_of(r, H1, "person");
    for (uint64_t i = store_log_size(r->hub->store); i-- > 0;) {
        Pb__AuditLeaf *l = leaf_at(r, i);
        if (l->kind == PB__LEAF_KIND__ERASE_BEGIN)
            assert_string_equal(l->reason, "EXPIRED");
        pb__audit_leaf__free_unpacked(l, NULL);
    }
}

/* Its handle is still written into leaves. */
static void the_key_of_this_quarter_stays(void **state)
{
    struct region *r = *state;
    struct retain_event all[16];
    size_t n;
    two_admissions(r, "person");
    size_t keys = keys_of(r, person_of(r, H1, "person"));
    struct store *s = r->hub->store;
    turn(r);
    assert_int_equal(store_begin(s), ERR_OK);
    assert_int_equal(store_retain_next(s, 0, all, NELEM(all), &n), ERR_OK);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(store_event_empty(s, all[i].seq), ERR_OK);
    assert_int_equal(store_commit(s), ERR_OK);
    assert_int_equal(run_night(r), 0);
    assert_int_equal(keys_of(r, person_of(r, H1, "person")), keys);
}

static void a_night_without_anything_to_destroy_begins_no_epoch(void **state)
{
    struct region *r = *state;
    two_admissions(r, "person");
    uint32_t epoch = store_keys_epoch(r->hub->store);
    assert_int_equal(run_night(r), 0);
    assert_int_equal(store_keys_epoch(r->hub->store), epoch);
}

static void a_consent_goes_long_after_its_last_day(void **state)
{
    struct region *r = *state;
    struct grant *all;
    size_t n;
    two_admissions(r, "person");
    struct id person = person_of(r, H1, "person");
    walk(r, 1800);
    assert_int_equal(store_grants(r->hub->store, person, &all, &n), ERR_OK);
    assert_int_equal(n, 1);
    free(all);
    walk(r, 4000);
    assert_int_equal(store_grants(r->hub->store, person, &all, &n), ERR_OK);
    assert_int_equal(n, 0);
    free(all);
    assert_int_equal(filled(r, EVENT_CONSENT_GIVEN), 0);
}

/* ---- terms that count from the end of a case ---- */

static void put_event(struct region *r, uint32_t type, struct id person,
                      struct id case_id)
{
    struct stored_event e = {.event_id = id_new(r->hub->now_ms),
                             .person = person,
                             .case_id = case_id,
                             .type = type,
                             .accepted_ms = r->hub->now_ms,
                             .agency = H1,
                             .node = "h1"};
    uint8_t hash[32];
    buf_adds(&e.header, "header");
    buf_adds(&e.parts, "parts");
    sha256(buf_slice(&e.header), hash);
    assert_int_equal(store_event_put(r->hub->store, &e, hash), ERR_OK);
    stored_event_fini(&e);
}

static void papers_go_in_the_night_after_their_meeting(void **state)
{
    struct region *r = *state;
    struct store *s = r->hub->store;
    struct id person, open_case, closed_case;
    turn(r);
    assert_int_equal(store_begin(s), ERR_OK);
    assert_int_equal(store_person_new(s, &person), ERR_OK);
    assert_int_equal(store_case_new(s, person, r->hub->now_ms, &open_case),
                     ERR_OK);
    assert_int_equal(store_case_new(s, person, r->hub->now_ms, &closed_case),
                     ERR_OK);
    put_event(r, EVENT_MEETING_PAPERS, person, open_case);
    put_event(r, EVENT_MEETING_PAPERS, person, closed_case);
    put_event(r, EVENT_MEETING_CLOSED, person, closed_case);
    assert_int_equal(store_commit(s), ERR_OK);
    walk(r, 0);
    assert_int_equal(filled(r, EVENT_MEETING_PAPERS), 1);
    assert_int_equal(filled(r, EVENT_MEETING_CLOSED), 1);
    walk(r, 31); /* as any other */
    assert_int_equal(filled(r, EVENT_MEETING_PAPERS), 0);
}

static void what_was_parked_and_closed_is_emptied(void **state)
{
    struct region *r = *state;
    struct store *s = r->hub->store;
    struct parked p = {.agency = H1, .node = "h1", .code = "E-EVT-001"}, got;
    struct buf bytes = {0};
    p.at_ms = r->hub->now_ms;
    turn(r);
    assert_int_equal(store_begin(s), ERR_OK);
    for (int i = 0; i < 2; i++)
        assert_int_equal(store_park(s, &p, slice_str("kept bytes")), ERR_OK);
    assert_int_equal(store_parked_close(s, 1), ERR_OK);
    assert_int_equal(store_commit(s), ERR_OK);
    walk(r, 31);
    assert_int_equal(store_parked_get(s, 1, &got, &bytes), ERR_OK);
    assert_int_equal(bytes.n, 0);
    assert_int_equal(store_parked_get(s, 2, &got, &bytes), ERR_OK);
    assert_string_equal((char *)bytes.p, "kept bytes");
    buf_fini(&bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        REGION_TEST(content_goes_when_its_term_is_over),
        REGION_TEST(what_nobody_came_for_is_parked_then),
        REGION_TEST(what_was_released_is_decided_about_without_content),
        REGION_TEST(a_hold_keeps_everything_of_a_person),
        REGION_TEST(a_key_that_nothing_needs_goes_the_same_night),
        REGION_TEST(the_key_of_this_quarter_stays),
        REGION_TEST(a_night_without_anything_to_destroy_begins_no_epoch),
        REGION_TEST(a_consent_goes_long_after_its_last_day),
        REGION_TEST(papers_go_in_the_night_after_their_meeting),
        REGION_TEST(what_was_parked_and_closed_is_emptied),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
