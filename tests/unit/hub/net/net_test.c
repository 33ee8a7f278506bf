/* net_test.c - who may connect, who is believed, and who is cut off; with the
 * whole hub behind the sockets. */
#include "tests/unit/hub/app/region.h"

#define C1 "HC-492019-01"

/* ---- strangers ---- */

/* Nothing comes back and nothing gets in. */
static void gets_nothing(struct region *r, void *s)
{
    struct frame f;
    size_t peers = net_peer_count(r->hub->net);
    uint64_t malformed = r->hub->count.malformed;
    assert_int_equal(frame_send(s, NULL, VERB_PING, SLICE_NONE), ERR_OK);
    assert_false(wait_for(r, s, &f, 300));
    assert_int_equal(net_peer_count(r->hub->net), peers);
    assert_int_equal(r->hub->count.malformed, malformed);
    dealer_close(r, s);
}

static void an_unknown_key_gets_nothing(void **state) /* W-161 W-162 */
{
    struct region *r = *state;
    struct node_keys stranger;
    keys_make(&stranger, "h1"); /* the name of a node helps nobody */
    for (int lane = 0; lane < LANE_COUNT; lane++)
        gets_nothing(r, dealer(r, &stranger, r->hub->keys.pub.curve,
                               lane == 0 ? r->urgent : r->normal, NULL));
    client_sync(client(r, "h1"), LANE_NORMAL);
}

static void without_curve_there_is_no_way_in(void **state) /* W-161 */
{
    struct region *r = *state;
    void *s = dealer(r, NULL, NULL, r->normal, NULL);
    gets_nothing(r, s);
}

static void who_is_not_approved_gets_nothing(void **state) /* W-162 */
{
    struct region *r = *state;
    struct buf why = {0};
    r->client[1].state = NODE_PENDING;
    r->client[2].state = NODE_REVOKED;
    region_write_nodes(r);
    assert_int_equal(reload(r->hub, &why), ERR_OK);
    for (int i = 1; i <= 2; i++)
        gets_nothing(r, dealer(r, &r->client[i].keys, r->hub->keys.pub.curve,
                               r->normal, NULL));
}

/* ---- addresses ---- */

static void an_address_of_ones_own_is_refused(void **state) /* W-160 */
{
    static const char *const OWN[] = {"h1", "abcde", "a", "longer than five"};
    struct region *r = *state;
    struct client *h1 = client(r, "h1");
    client_sync(h1, LANE_NORMAL);
    for (size_t i = 0; i < NELEM(OWN); i++) {
        void *mine = h1->lane[LANE_NORMAL];
        h1->lane[LANE_NORMAL] =
            dealer(r, &h1->keys, r->hub->keys.pub.curve, r->normal, OWN[i]);
        client_send(h1, LANE_NORMAL, VERB_PING, SLICE_NONE);
        assert_string_equal(want_error(h1, LANE_NORMAL, NULL, NULL),
                            "E-NOD-003");
        dealer_close(r, h1->lane[LANE_NORMAL]);
        h1->lane[LANE_NORMAL] = mine;
    }
    client_sync(h1, LANE_NORMAL);
}

static void many_connections_displace_only_ones_own(void **state) /* W-151 */
{
    struct region *r = *state;
    struct client *h1 = client(r, "h1"), *c1 = client(r, "c1");
    void *more[20];
    client_sync(c1, LANE_NORMAL);
    size_t before = net_peer_count(r->hub->net);
    for (size_t i = 0; i < NELEM(more); i++) {
        more[i] = h1->lane[LANE_NORMAL];
        h1->lane[LANE_NORMAL] =
            dealer(r, &h1->keys, r->hub->keys.pub.curve, r->normal, NULL);
        client_sync(h1, LANE_NORMAL);
    }
    assert_int_equal(net_peer_count(r->hub->net), before + 8);
    assert_true(net_connected(r->hub->net, LANE_NORMAL, "c1"));
    client_sync(c1, LANE_NORMAL);
    for (size_t i = 0; i < NELEM(more); i++)
        dealer_close(r, more[i]);
}

/* ---- lanes, PING ---- */

static void the_urgent_lane_is_served_first(void **state) /* W-105 */
{
    struct region *r = *state;
    struct client *h1 = client(r, "h1"), *b1 = client(r, "b1");
    client_sync(h1, LANE_NORMAL);
    client_sync(b1, LANE_URGENT);
    for (int i = 0; i < 30; i++) {
        struct sent s;
        struct buf m = {0};
        struct client *from = i == 29 ? b1 : h1;
        sent(&s, from, i == 29 ? "EMERGENCY_REQUESTED" : "FILING_SUBMITTED",
             NULL, "person", "case");
        if (i < 29)
            sent_to(&s, C1, "P_FIL");
        sent_pack(&s, &m);
        client_send(from, s.lane, VERB_SEND, buf_slice(&m));
        buf_fini(&m);
    }
    usleep(150000); /* all of it is there before the hub looks */
    struct frame a, b;
    client_want(b1, LANE_URGENT, VERB_RECEIPT, &a);
    client_want(h1, LANE_NORMAL, VERB_RECEIPT, &b);
    Pb__Receipt *urgent = open_receipt(r, a.body),
                *normal = open_receipt(r, b.body);
    assert_true(urgent->leaf_index < normal->leaf_index);
    receipt_free(&urgent);
    receipt_free(&normal);
    frame_close(&a);
    frame_close(&b);
}

static void ping_comes_back_as_it_was(void **state) /* W-140 */
{
    struct region *r = *state;
    struct client *h1 = client(r, "h1");
    for (int lane = 0; lane < LANE_COUNT; lane++) {
        struct frame f;
        client_send(h1, lane, VERB_PING, slice_str("\x08\x2a"));
        client_want(h1, lane, VERB_PONG, &f);
        assert_true(slice_eq(f.body, slice_str("\x08\x2a")));
        frame_close(&f);
    }
}

static void who_is_silent_for_six_seconds_is_gone(void **state) /* W-140 */
{
    struct region *r = *state;
    struct client *h1 = client(r, "h1");
    client_sync(h1, LANE_NORMAL);
    uint64_t now = r->hub->boot_ms;
    net_sweep(r->hub->net, now + PEER_DEAD_MS - 1000);
    assert_true(net_connected(r->hub->net, LANE_NORMAL, "h1"));
    net_sweep(r->hub->net, now + PEER_DEAD_MS + 1);
    assert_false(net_connected(r->hub->net, LANE_NORMAL, "h1"));
    client_sync(h1, LANE_NORMAL); /* and is back with its next word */
    assert_true(net_connected(r->hub->net, LANE_NORMAL, "h1"));
}

/* ---- revocation ---- */

static void a_revoked_node_is_refused_from_its_next_message_on(void **state)
{ /* W-164 */
    struct region *r = *state;
    struct client *h1 = client(r, "h1"), *c1 = client(r, "c1");
    struct frame f;
    client_sync(c1, LANE_NORMAL);
    client_fetch(c1, LANE_NORMAL, 8);
    client_sync(c1, LANE_NORMAL);
    struct node *n =
        (struct node *)(uintptr_t)registry_node(r->hub->registry, "c1");
    n->state = NODE_REVOKED; /* as a new table would say, connection still up */
    post_sample(h1, "FILING_SUBMITTED", "person", "filing", C1, "P_FIL");
    assert_false(wait_for(r, c1->lane[LANE_NORMAL], &f, 100));
    assert_int_equal(count_leaves(r, PB__LEAF_KIND__RELEASE), 0);
    client_send(c1, LANE_NORMAL, VERB_PING, SLICE_NONE);
    assert_string_equal(want_error(c1, LANE_NORMAL, NULL, NULL), "E-NOD-002");
}

static void *monitor(struct region *r, void *s)
{
    void *m = zmq_socket(r->zmq, ZMQ_PAIR);
    r->socket[NELEM(r->socket) - 1] = m;
    assert_int_equal(
        zmq_socket_monitor(s, "inproc://revoked", ZMQ_EVENT_DISCONNECTED), 0);
    assert_int_equal(zmq_connect(m, "inproc://revoked"), 0);
    return m;
}

static void
its_connection_is_closed_within_two_seconds(void **state) /* W-165 */
{
    struct region *r = *state;
    struct client *h1 = client(r, "h1"), *p1 = client(r, "p1");
    struct buf why = {0};
    struct frame f;
    client_sync(h1, LANE_NORMAL);
    client_sync(p1, LANE_NORMAL);
    void *watch = monitor(r, p1->lane[LANE_NORMAL]);
    r->client[1].state = NODE_REVOKED;
    region_write_nodes(r);
    uint64_t before = clock_boot_ms();
    assert_int_equal(reload(r->hub, &why), ERR_OK);
    zmq_pollitem_t item = {watch, 0, ZMQ_POLLIN, 0};
    int closed = 0;
    while (clock_boot_ms() - before < 2000 &&
           (closed = zmq_poll(&item, 1, 10)) == 0)
        turn(r);
    assert_int_equal(closed, 1);
    zmq_socket_monitor(p1->lane[LANE_NORMAL], NULL, 0);
    dealer_close(r, watch);
    /* the others are back by themselves; it is not */
    usleep(150000);
    client_sync(h1, LANE_NORMAL);
    assert_true(clock_boot_ms() - before < 3000);
    if (frame_send(p1->lane[LANE_NORMAL], NULL, VERB_PING, SLICE_NONE) !=
        ERR_OK)
        log_debug("net_test: it cannot even send");
    assert_false(wait_for(r, p1->lane[LANE_NORMAL], &f, 400));
    assert_false(net_connected(r->hub->net, LANE_NORMAL, "p1"));
    /* and the log says so */
    Pb__AuditLeaf *l = leaf_at(r, store_log_size(r->hub->store) - 1);
    assert_int_equal(l->kind, PB__LEAF_KIND__NODE_CHANGE);
    assert_string_equal(l->node, "p1");
    assert_string_equal(l->reason, "REVOKED");
    pb__audit_leaf__free_unpacked(l, NULL);
}

/* ---- the control socket ---- */

static void the_control_socket_is_its_owners_alone(void **state) /* W-133 */
{
    struct region *r = *state;
    struct stat st;
    char *path = region_path(r, "control"), *json = NULL;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_string_equal(control(r, "status", NULL, NULL, &json), "");
    assert_non_null(strstr(json, "tsunagi.status/1"));
    free(json);
    free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        REGION_TEST(an_unknown_key_gets_nothing),
        REGION_TEST(without_curve_there_is_no_way_in),
        REGION_TEST(who_is_not_approved_gets_nothing),
        REGION_TEST(an_address_of_ones_own_is_refused),
        REGION_TEST(many_connections_displace_only_ones_own),
        REGION_TEST(the_urgent_lane_is_served_first),
        REGION_TEST(ping_comes_back_as_it_was),
        REGION_TEST(who_is_silent_for_six_seconds_is_gone),
        REGION_TEST(a_revoked_node_is_refused_from_its_next_message_on),
        REGION_TEST(its_connection_is_closed_within_two_seconds),
        REGION_TEST(the_control_socket_is_its_owners_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
