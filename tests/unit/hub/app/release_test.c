/* release_test.c - what leaves, for whom, when, and under which leaf. Boxes,
 * signatures, commitments, inclusion and consistency are checked in region.h
 * for every delivery that any test takes. */
#include "tests/unit/hub/app/region.h"

#define P1 "WO-4931000014"
#define S1 "WO-4911000018"
#define C1 "HC-492019-01"
#define C2 "HC-490008-01"
#define O1 "OW-HOUSE-49"
#define BIT(c) class_bit(PB__DATA_CLASS__##c)

/* A filing each; statutory, so no consent is needed. */
static void post_filings(struct client *h1, int n)
{
    for (int i = 0; i < n; i++) {
        char filing[24];
        snprintf(filing, sizeof(filing), "filing %d of %d", i, n);
        assert_string_equal(
            post_sample(h1, "FILING_SUBMITTED", "person", filing, C1, "P_FIL"),
            "");
    }
}

static void post_admission(struct client *h1)
{
    assert_string_equal(post_sample(h1, "ADMISSION_RECORDED", "person",
                                    "admission", P1, "P_TRA"),
                        "");
}

static void reconnect(struct client *c)
{
    client_close(c);
    client(c->r, c->keys.pub.node);
}

/* ---- credit ---- */

static void nothing_leaves_without_credit(void **state) /* W-120 */
{
    struct region *r = *state;
    struct client *h1 = client(r, "h1"), *c1 = client(r, "c1");
    struct frame f;
    post_filings(h1, 5);
    client_sync(c1, LANE_NORMAL);
    assert_false(wait_for(r, c1->lane[LANE_NORMAL], &f, 60));
    assert_int_equal(count_leaves(r, PB__LEAF_KIND__RELEASE), 0);
    assert_int_equal(fetch_for(c1, LANE_NORMAL, 2, 400), 2);
    assert_false(wait_for(r, c1->lane[LANE_NORMAL], &f, 60));
    assert_int_equal(count_leaves(r, PB__LEAF_KIND__RELEASE), 2);
    assert_int_equal(fetch_for(c1, LANE_NORMAL, 2, 400), 2);
    assert_int_equal(fetch_for(c1, LANE_NORMAL, 2, 400), 1);
}

static void
events_arrive_in_the_order_of_acceptance(void **state) /* W-124 I-7 */
{
    struct region *r = *state;
    struct client *h1 = client(r, "h1"), *c1 = client(r, "c1");
    post_filings(h1, 40);
    while (c1->got_n < 40)
        assert_true(fetch_for(c1, LANE_NORMAL, 7, 400) > 0);
    for (size_t i = 1; i < c1->got_n; i++)
        assert_true(c1->got[i].event->header->node_seq ==
                    c1->got[i - 1].event->header->node_seq + 1);
}

/* ---- what is in it ---- */

static void only_released_parts_and_own_tokens(void **state) /* W-122 W-123 */
{
    struct region *r = *state;
    struct client *h1 = client(r, "h1"), *p1 = client(r, "p1");
    give(h1, "person", "consent", P1, "P_TRA");
    post_admission(h1);
    assert_int_equal(fetch(p1, LANE_NORMAL), 1);
    const struct got *g = last_got(p1);
    uint64_t released = 0;
    for (size_t i = 0; i < g->d->n_part; i++) {
        assert_int_not_equal(g->d->part[i]->cls, 0);
        if (i > 0)
            assert_true(g->d->part[i]->cls > g->d->part[i - 1]->cls);
        released |= class_bit(g->d->part[i]->cls);
    }
    assert_int_equal(released, BIT(G_META) | BIT(G_ID) | BIT(G_ADM));
    assert_int_equal(g->leaf->released, released);
    /* inside the ceiling of a planning office; its note is beyond it */
    assert_int_equal(g->d->withheld, BIT(G_CONTACT) | BIT(G_DX));
    assert_true(g->d->has_person_token && g->d->has_case_token);
    uint8_t theirs[16];
    token_of(theirs, "person");
    assert_memory_not_equal(g->d->person_token.data, theirs, 16);
    token_of(theirs, "admission");
    assert_memory_not_equal(g->d->case_token.data, theirs, 16);
    assert_string_equal(g->d->basis, "LB_CONSENT");
    assert_string_equal(g->d->purpose, "P_TRA");
    assert_int_equal(g->leaf->n_consent, 1);
}

static void without_identity_there_is_no_person_token(void **state) /* W-122 */
{
    struct region *r = *state;
    struct client *b1 = client(r, "b1"), *s1 = client(r, "s1");
    post_sample(b1, "EMERGENCY_REQUESTED", "person", "night", NULL, NULL);
    post_sample(b1, "EMERGENCY_TRIAGED", "person", "night", NULL, NULL);
    post_sample(b1, "STAY_CANVASS", "person", "night", S1, "P_EMG");
    assert_int_equal(fetch(s1, LANE_URGENT), 1);
    assert_false(last_got(s1)->d->has_person_token);
    assert_true(last_got(s1)->d->has_case_token);
}

/* The measure's own government: known from the sender, also at release. */
static void the_sender_counts_again_at_release(void **state)
{
    struct region *r = *state;
    struct client *h1 = client(r, "h1"), *c2 = client(r, "c2");
    assert_string_equal(
        post_sample(h1, "PD_CANDIDATE_NOTIFIED", "person", "plan", C2, "P_PD"),
        "");
    assert_int_equal(fetch(c2, LANE_NORMAL), 1);
    assert_string_equal(last_got(c2)->d->basis, "LB_LAW");
}

/* ---- withdrawal ---- */

static void a_withdrawal_stops_what_waits(void **state) /* W-121 I-3 */
{
    struct region *r = *state;
    struct client *h1 = client(r, "h1"), *p1 = client(r, "p1");
    give(h1, "person", "consent", P1, "P_TRA");
    post_admission(h1);
    assert_string_equal(withdraw(h1, "person", "consent"), "");
    assert_int_equal(fetch_for(p1, LANE_NORMAL, 8, 100), 0);
    assert_int_equal(count_leaves(r, PB__LEAF_KIND__RELEASE), 0);
    assert_int_equal(count_leaves(r, PB__LEAF_KIND__WITHHELD), 1);
    /* who never held anything is told nothing */
    assert_int_equal(fetch_for(p1, LANE_URGENT, 8, 100), 0);
}

static void a_withdrawal_stops_what_is_on_its_way_and_tells(void **state)
{
    struct region *r = *state;
    struct client *h1 = client(r, "h1"), *p1 = client(r, "p1");
    give(h1, "person", "consent", P1, "P_TRA");
    post_admission(h1);
    assert_int_equal(fetch(p1, LANE_NORMAL), 1); /* taken, not acknowledged */
    assert_string_equal(withdraw(h1, "person", NULL), "");
    reconnect(p1);
    assert_int_equal(fetch_for(p1, LANE_NORMAL, 8, 100), 0);
    assert_int_equal(fetch(p1, LANE_URGENT), 1);
    const struct got *told = last_got(p1);
    assert_string_equal(told->event->schema->event_name, "CONSENT_WITHDRAWN");
    assert_string_equal(told->event->header->agency, "HUB");
    const Pb__ConsentWithdrawn *b =
        (const Pb__ConsentWithdrawn *)told->event->body;
    assert_true(b->all && b->n_classes == 3);
    assert_int_equal(count_leaves(r, PB__LEAF_KIND__RELEASE), 2);
}

/* C1 holds a filing by law, P1 an admission by the consent taken back. */
static void only_who_relied_on_a_consent_hears_of_its_end(void **state)
{
    struct region *r = *state;
    struct client *h1 = client(r, "h1"), *p1 = client(r, "p1"),
                  *c1 = client(r, "c1");
    give(h1, "person", "consent", P1, "P_TRA");
    give(h1, "person", "other", S1, "P_REG");
    post_filings(h1, 1);
    post_admission(h1);
    assert_int_equal(fetch(c1, LANE_NORMAL), 1);
    assert_int_equal(fetch(p1, LANE_NORMAL), 1);
    assert_string_equal(withdraw(h1, "person", "other"), "");
    assert_int_equal(fetch_for(p1, LANE_URGENT, 8, 100), 0);
    assert_string_equal(withdraw(h1, "person", NULL), "");
    assert_int_equal(fetch(p1, LANE_URGENT), 1);
    assert_int_equal(fetch_for(c1, LANE_URGENT, 8, 100), 0);
}

/* What is not allowed now is not allowed; but a clock is set right again. */
static void who_was_only_asked_hears_of_no_withdrawal(void **state) /* I-13 */
{
    struct region *r = *state;
    struct client *b1 = client(r, "b1"), *s1 = client(r, "s1");
    give(b1, "person", "yes", S1, "P_EMG");
    post_sample(b1, "EMERGENCY_REQUESTED", "person", "night", NULL, NULL);
    post_sample(b1, "EMERGENCY_TRIAGED", "person", "night", NULL, NULL);
    post_sample(b1, "STAY_CANVASS", "person", "night", S1, "P_EMG");
    assert_int_equal(fetch(s1, LANE_URGENT), 1);
    client_ack(s1, last_got(s1));
    assert_string_equal(withdraw(b1, "person", "yes"), "");
    assert_int_equal(fetch_for(s1, LANE_URGENT, 8, 100), 0);
}

static void a_clock_gone_wrong_loses_nothing(void **state) /* I-10 */
{
    struct region *r = *state;
    struct client *h1 = client(r, "h1"), *c1 = client(r, "c1");
    post_filings(h1, 1);
    give(h1, "person", "consent", P1, "P_TRA");
    r->hub->now_ms = clock_wall_ms() + 2 * 3600000; /* it had run ahead */
    assert_string_equal(withdraw(h1, "person", NULL), "");
    assert_int_equal(fetch_for(c1, LANE_NORMAL, 8, 100), 0);
    r->hub->now_ms = clock_wall_ms();
    struct frame f;
    assert_true(wait_for(r, c1->lane[LANE_NORMAL], &f, 400));
    assert_int_equal(take_deliveries(c1, LANE_NORMAL, f.body), 1);
    frame_close(&f);
    assert_int_equal(count_leaves(r, PB__LEAF_KIND__WITHHELD), 0);
}

static void what_nobody_fetched_in_time_is_parked(void **state) /* I-10 */
{
    struct region *r = *state;
    struct client *h1 = client(r, "h1"), *c1 = client(r, "c1");
    struct store *s = r->hub->store;
    struct delivery d;
    struct store_counts counts;
    size_t n = 0;
    post_sample(h1, "FILING_SUBMITTED", "person", "filing", C1, "P_FIL");
    assert_int_equal(store_delivery_due(s, C1, LANE_NORMAL, 0, &d, 1, &n),
                     ERR_OK);
    assert_int_equal(n, 1);
    d.expires_ms = 1;
    assert_int_equal(store_begin(s), ERR_OK);
    assert_int_equal(store_delivery_update(s, &d), ERR_OK);
    assert_int_equal(store_commit(s), ERR_OK);
    assert_int_equal(fetch_for(c1, LANE_NORMAL, 8, 100), 0);
    assert_int_equal(count_leaves(r, PB__LEAF_KIND__RELEASE), 0);
    assert_int_equal(count_leaves(r, PB__LEAF_KIND__LEAF_PARKED), 1);
    assert_int_equal(store_counts(s, &counts), ERR_OK);
    assert_int_equal(counts.parked, 1);
    reconnect(c1); /* and it stays parked */
    assert_int_equal(fetch_for(c1, LANE_NORMAL, 8, 100), 0);
    assert_int_equal(count_leaves(r, PB__LEAF_KIND__LEAF_PARKED), 1);
}

static void one_consent_less_still_leaves_the_other(void **state) /* W-121 */
{
    struct region *r = *state;
    struct client *h1 = client(r, "h1"), *p1 = client(r, "p1");
    give(h1, "person", "first", P1, "P_TRA");
    post_admission(h1);
    withdraw(h1, "person", "first");
    give(h1, "person", "second", P1, "P_TRA");
    post_admission(h1);
    assert_int_equal(fetch(p1, LANE_NORMAL), 1);
    uint8_t second[16];
    token_of(second, "second");
    assert_memory_equal(last_got(p1)->leaf->consent[0].data, second, 16);
}

/* ---- again ---- */

static void it_comes_again_under_the_same_leaf(void **state) /* W-125 */
{
    struct region *r = *state;
    struct client *h1 = client(r, "h1"), *p1 = client(r, "p1");
    give(h1, "person", "consent", P1, "P_TRA");
    post_admission(h1);
    assert_int_equal(fetch(p1, LANE_NORMAL), 1);
    reconnect(p1);
    assert_int_equal(fetch(p1, LANE_NORMAL), 1);
    struct got *a = &p1->got[0], *b = &p1->got[1];
    assert_memory_equal(a->d->delivery_id.data, b->d->delivery_id.data, 16);
    assert_int_equal(a->d->release_index, b->d->release_index);
    assert_true(
        slice_eq(pb_slice(a->d->release_leaf), pb_slice(b->d->release_leaf)));
    /* another consent: decided anew, under a new leaf */
    give(h1, "person", "other", S1, "P_REG");
    reconnect(p1);
    assert_int_equal(fetch(p1, LANE_NORMAL), 1);
    a = &p1->got[0];
    struct got *c = &p1->got[2];
    assert_memory_equal(a->d->delivery_id.data, c->d->delivery_id.data, 16);
    assert_true(c->d->release_index > a->d->release_index);
    /* acknowledged, it never comes again */
    client_ack(p1, c);
    client_sync(p1, LANE_NORMAL);
    reconnect(p1);
    assert_int_equal(fetch_for(p1, LANE_NORMAL, 8, 100), 0);
}

/* The hub hears of the old connection's end later than of the new one. */
static void two_connections_of_a_node_at_once(void **state) /* W-125 */
{
    struct region *r = *state;
    struct client *h1 = client(r, "h1"), *c1 = client(r, "c1");
    void *old = c1->lane[LANE_NORMAL];
    struct frame f;
    client_fetch(c1, LANE_NORMAL, 8);
    client_sync(c1, LANE_NORMAL);
    c1->lane[LANE_NORMAL] = NULL;
    client(r, "c1");
    client_fetch(c1, LANE_NORMAL, 8);
    client_sync(c1, LANE_NORMAL);
    post_filings(h1, 2);
    assert_int_equal(fetch(c1, LANE_NORMAL), 2);
    assert_int_equal(r->hub->broken, ERR_OK);
    size_t seen = c1->got_n;
    assert_true(wait_for(r, old, &f, 400)); /* it had asked as well */
    take_deliveries(c1, LANE_NORMAL, f.body);
    frame_close(&f);
    assert_true(c1->got_n > seen);
    assert_memory_equal(c1->got[0].d->delivery_id.data,
                        c1->got[seen].d->delivery_id.data, 16);
    assert_int_equal(c1->got[0].d->release_index,
                     c1->got[seen].d->release_index);
    dealer_close(r, old);
}

static void grow_old(void *ctx, struct peer *p)
{
    if (strcmp(p->node, ctx) == 0)
        p->heard_ms -= PEER_DEAD_MS + 1000;
}

static void a_neighbour_takes_over_what_a_node_leaves(void **state) /* I-10 */
{
    struct region *r = *state;
    struct client *h1 = client(r, "h1"), *a = client(r, "p1"),
                  *b = client(r, "p1/b");
    give(h1, "person", "consent", P1, "P_TRA");
    post_admission(h1);
    assert_int_equal(fetch(a, LANE_NORMAL), 1); /* and is not acknowledged */
    assert_int_equal(fetch_for(b, LANE_NORMAL, 8, 100), 0);
    client_close(a);
    client_sync(b, LANE_NORMAL);
    net_each_peer(r->hub->net, LANE_NORMAL, grow_old, (char[]){"p1"});
    net_sweep(r->hub->net, r->hub->boot_ms);
    assert_true(net_connected(r->hub->net, LANE_NORMAL, "p1/b"));
    assert_int_equal(fetch(b, LANE_NORMAL), 1);
    assert_memory_equal(a->got[0].d->delivery_id.data,
                        b->got[0].d->delivery_id.data, 16);
}

/* ---- acknowledgements ---- */

static uint64_t strays(struct region *r, struct client *by, const struct got *g,
                       struct slice leaf)
{
    uint64_t before = r->hub->count.stray_acks;
    struct frame f;
    client_ack_as(by, LANE_NORMAL, pb_slice(g->d->delivery_id), leaf,
                  by->keys.sign_secret);
    client_sync(by, LANE_NORMAL);
    assert_false(wait_for(r, by->lane[LANE_NORMAL], &f, 20)); /* no answer */
    return r->hub->count.stray_acks - before;
}

static void an_ack_is_only_for_ones_own_delivery(void **state) /* W-128 I-13 */
{
    struct region *r = *state;
    struct client *h1 = client(r, "h1"), *p1 = client(r, "p1"),
                  *b = client(r, "p1/b"), *c2 = client(r, "c2");
    give(h1, "person", "consent", P1, "P_TRA");
    post_admission(h1);
    assert_int_equal(fetch(p1, LANE_NORMAL), 1);
    struct got *g = last_got(p1);
    struct slice leaf = pb_slice(g->d->release_leaf);
    uint64_t size = store_log_size(r->hub->store);
    assert_int_equal(strays(r, c2, g, leaf), 1); /* another agency's */
    assert_int_equal(strays(r, b, g, leaf), 1);  /* another node's */
    assert_int_equal(strays(r, p1, g, slice_str("another leaf")), 1);
    uint8_t first = g->d->delivery_id.data[0];
    g->d->delivery_id.data[0] ^= 1; /* nobody's: the same silence */
    assert_int_equal(strays(r, p1, g, leaf), 1);
    g->d->delivery_id.data[0] = first;
    assert_int_equal(store_log_size(r->hub->store), size);
    client_ack(p1, g);
    client_sync(p1, LANE_NORMAL);
    assert_int_equal(store_log_size(r->hub->store), size + 1);
    Pb__AuditLeaf *l = leaf_at(r, size);
    assert_int_equal(l->kind, PB__LEAF_KIND__DELIVERED);
    assert_int_equal(l->ref[0], g->d->release_index);
    assert_int_equal(l->signature.len, SIGNATURE_BYTES);
    pb__audit_leaf__free_unpacked(l, NULL);
    client_ack(p1, g); /* again: nothing more */
    client_sync(p1, LANE_NORMAL);
    assert_int_equal(store_log_size(r->hub->store), size + 1);
    assert_int_equal(r->hub->count.delivered, 1);
}

static void an_ack_with_another_key_is_refused(void **state)
{
    struct region *r = *state;
    struct client *h1 = client(r, "h1"), *c1 = client(r, "c1");
    post_filings(h1, 1);
    assert_int_equal(fetch(c1, LANE_NORMAL), 1);
    const struct got *g = last_got(c1);
    client_ack_as(c1, LANE_NORMAL, pb_slice(g->d->delivery_id),
                  pb_slice(g->d->release_leaf), h1->keys.sign_secret);
    assert_string_equal(want_error(c1, LANE_NORMAL, NULL, NULL), "E-EVT-005");
    assert_int_equal(r->hub->count.delivered, 0);
}

/* ---- the hospital stays unnamed ---- */

static void housing_gets_an_event_of_the_hubs_own(void **state) /* W-129 */
{
    struct region *r = *state;
    struct client *h1 = client(r, "h1"), *o1 = client(r, "o1");
    give(h1, "person", "consent", O1, "P_TRA");
    assert_string_equal(
        post_sample(h1, "DISCHARGE_PLANNED", "person", "case", O1, "P_TRA"),
        "");
    assert_int_equal(fetch(o1, LANE_NORMAL), 1);
    const struct got *g = last_got(o1);
    assert_string_equal(g->event->schema->event_name, "MOVE_IN_PLANNED");
    assert_string_equal(g->event->header->agency, "HUB");
    assert_memory_equal(g->d->sender_key.data, r->hub->keys.pub.sign,
                        KEY_BYTES);
    assert_int_equal(g->leaf->released, BIT(G_ID) | BIT(G_HOUSING));
    /* nowhere in what was delivered: the hospital, its node, its key */
    const struct buf *p = &o1->plain;
    assert_null(memmem(p->p, p->n, h1->agency, strlen(h1->agency)));
    assert_null(memmem(p->p, p->n, h1->keys.pub.sign, KEY_BYTES));
    assert_null(memmem(p->p, p->n, "DISCHARGE", 9));
    assert_null(memmem(p->p, p->n, "MI-", 3));
    /* only the log knows what it came from */
    client_ack(o1, g);
    client_sync(o1, LANE_NORMAL);
    assert_int_equal(count_leaves(r, PB__LEAF_KIND__DELIVERED), 1);
}

static void without_consent_housing_gets_nothing(void **state) /* W-129 */
{
    struct region *r = *state;
    struct client *h1 = client(r, "h1"), *o1 = client(r, "o1");
    assert_string_equal(
        post_sample(h1, "DISCHARGE_PLANNED", "person", "case", O1, "P_TRA"),
        "");
    assert_int_equal(fetch_for(o1, LANE_NORMAL, 8, 100), 0);
    assert_int_equal(count_leaves(r, PB__LEAF_KIND__RELEASE), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        REGION_TEST(nothing_leaves_without_credit),
        REGION_TEST(events_arrive_in_the_order_of_acceptance),
        REGION_TEST(only_released_parts_and_own_tokens),
        REGION_TEST(without_identity_there_is_no_person_token),
        REGION_TEST(the_sender_counts_again_at_release),
        REGION_TEST(a_withdrawal_stops_what_waits),
        REGION_TEST(a_withdrawal_stops_what_is_on_its_way_and_tells),
        REGION_TEST(only_who_relied_on_a_consent_hears_of_its_end),
        REGION_TEST(who_was_only_asked_hears_of_no_withdrawal),
        REGION_TEST(a_clock_gone_wrong_loses_nothing),
        REGION_TEST(what_nobody_fetched_in_time_is_parked),
        REGION_TEST(one_consent_less_still_leaves_the_other),
        REGION_TEST(it_comes_again_under_the_same_leaf),
        REGION_TEST(two_connections_of_a_node_at_once),
        REGION_TEST(a_neighbour_takes_over_what_a_node_leaves),
        REGION_TEST(an_ack_is_only_for_ones_own_delivery),
        REGION_TEST(an_ack_with_another_key_is_refused),
        REGION_TEST(housing_gets_an_event_of_the_hubs_own),
        REGION_TEST(without_consent_housing_gets_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
