/* link_lease_test.c - unread things leave the spool only under a lease, and
 * what is called back is gone, marked or refused, and answered so. */
#include "adapters/sdk/spool_db.h"
#include "tests/unit/adapters/sdk/peer.h"

static bool leased(struct peer *p)
{
    return link_lease(p->s->host.link, clock_boot_ms());
}

static unsigned taken(struct peer *p)
{
    return ((struct seen_by_module *)p->s->host.self)->taken;
}

static void attach(struct peer *p)
{
    assert_null(node_attach(p->s, &MODULE));
    ((struct seen_by_module *)p->s->host.self)->refuse = 0;
}

/* The delivery that the peer makes, called back under this number. */
static void recall(struct peer *p, unsigned no)
{
    struct id id;
    char uuid[ID_TEXT];
    memcpy(id.b, p->n.hub.delivery_id, ID_BYTES);
    id_format(id, uuid);
    snprintf(p->recalls, sizeof(p->recalls),
             "[{\"no\":%u,\"delivery_id\":\"%s\"}]", no, uuid);
}

/* A new connection: what the peer says from now on is asked for. */
static void reopen(struct peer *p)
{
    node_close(&p->s);
    usleep(20000);
    listen_once(p);
    p->fetches[0] = p->leases = p->acks = 0;
    assert_int_equal(node_open(p->n.conf, NODE_ONLINE, stderr, &p->s), ERR_OK);
}

static struct node_answer inbox(struct peer *p)
{
    struct node_arg all = {"all", "1"};
    struct node_answer a;
    assert_int_equal(node_do(p->s, "inbox", &all, 1, &a), ERR_OK);
    assert_int_equal(json_array_size(json_object_get(a.json, "deliveries")), 1);
    return a;
}

static void the_one_says(struct peer *p, const char *state, const char *held)
{
    struct node_answer a = inbox(p);
    const json_t *d = json_array_get(json_object_get(a.json, "deliveries"), 0);
    assert_string_equal(at(d, "state"), state);
    assert_string_equal(at(d, "held"), held);
    assert_int_equal(json_object_get(d, "body") != NULL, *held == '\0');
    assert_string_equal(at(d, "type"), "STAY_CONFIRMED");
    node_answer_fini(&a);
}

static bool on_disk(struct peer *p, const uint8_t *bytes, size_t n)
{
    static const char *const FILES[] = {"spool.db", "spool.db-wal"};
    bool found = false;
    for (size_t i = 0; i < NELEM(FILES); i++) {
        char path[128];
        struct buf b = {0};
        snprintf(path, sizeof(path), "%s/spool/%s", p->n.folder, FILES[i]);
        assert_int_equal(file_read(path, 1 << 24, &b), ERR_OK);
        found |= b.n > 0 && memmem(b.p, b.n, bytes, n) != NULL;
        buf_fini(&b);
    }
    return found;
}

/* ---- leases: W-134, W-135 ---- */

static void
a_lease_is_asked_for_at_once_and_the_module_gets_its_delivery(void **state)
{
    struct peer *p = *state;
    attach(p);
    UNTIL(p, leased(p));
    assert_int_equal(p->lease_after, 0);
    deliver(p, HONEST, 0);
    UNTIL(p, taken(p) == 1);
    the_one_says(p, "handed", "");
}

static void without_a_lease_nothing_is_handed_over_or_shown(void **state)
{
    struct peer *p = *state;
    attach(p);
    p->no_lease = true;
    UNTIL(p, p->fetches[0] > 0 && p->leases == 1);
    deliver(p, HONEST, 0);
    UNTIL(p, p->acks == 1);
    turns(p, 50);
    assert_int_equal(taken(p), 0);
    the_one_says(p, "new", "lease");
}

static void a_lease_ends_by_the_boot_clock(void **state)
{
    struct peer *p = *state;
    attach(p);
    p->lease_span_ms = 300;
    UNTIL(p, leased(p));
    p->no_lease = true;
    uint64_t end = clock_boot_ms() + 400;
    while (clock_boot_ms() < end)
        turns(p, 1);
    assert_false(leased(p));
    deliver(p, HONEST, 0);
    UNTIL(p, p->acks == 1);
    turns(p, 20);
    assert_int_equal(taken(p), 0);
}

static void a_lease_is_renewed_before_it_ends(void **state)
{
    struct peer *p = *state;
    p->lease_span_ms = 500;
    UNTIL(p, leased(p));
    uint64_t end = clock_boot_ms() + 1500;
    while (clock_boot_ms() < end) {
        turns(p, 1);
        assert_true(leased(p));
    }
    assert_in_range(p->leases, 4, 12);
}

static void no_lease_is_longer_than_five_minutes(void **state)
{
    struct peer *p = *state;
    p->lease_span_ms = 86400000;
    UNTIL(p, leased(p));
    assert_false(link_lease(p->s->host.link, clock_boot_ms() + 300001));
}

static void a_lease_counts_when_all_recalls_are_here(void **state)
{
    struct peer *p = *state;
    recall(p, 7);
    p->more = true;
    UNTIL(p, p->leases >= 2);
    assert_int_equal(p->lease_after, 7);
    assert_false(leased(p));
    p->more = false;
    snprintf(p->recalls, sizeof(p->recalls), "[]");
    UNTIL(p, leased(p));
}

static void a_lease_that_says_nonsense_is_none(void **state)
{
    struct peer *p = *state;
    static const char *const BAD[] = {"[{\"no\":1}]", "[{\"no\":-1}]", "[7]",
                                      "[{\"no\":1,\"delivery_id\":\"x\"}]"};
    for (size_t i = 0; i < NELEM(BAD); i++) {
        snprintf(p->recalls, sizeof(p->recalls), "%s", BAD[i]);
        UNTIL(p, p->leases >= 1);
        turns(p, 20);
        assert_false(leased(p));
        reopen(p);
    }
}

/* ---- recalls: W-136 ---- */

static void what_was_not_handed_over_is_deleted(void **state)
{
    struct peer *p = *state;
    struct spool_in d;
    struct id id;
    p->no_lease = true;
    UNTIL(p, p->fetches[0] > 0 && p->leases == 1);
    deliver(p, HONEST, 0);
    UNTIL(p, p->acks == 1);
    memcpy(id.b, p->n.hub.delivery_id, ID_BYTES);
    assert_int_equal(spool_in_get(p->s->host.spool, id, &d), ERR_OK);
    assert_int_not_equal(d.delivery.n, 0);
    spool_in_fini(&d);
    reopen(p);
    attach(p);
    p->no_lease = false;
    recall(p, 1);
    UNTIL(p, p->acks == 1);
    assert_int_equal(p->recalled, PB__RECALL_OUTCOME__RECALL_DELETED);
    assert_memory_equal(p->acked, p->n.hub.delivery_id, 16);
    assert_true(p->acked_leaf);
    UNTIL(p, leased(p));
    turns(p, 20);
    assert_int_equal(taken(p), 0);
    the_one_says(p, "handled", "recalled");
    assert_int_equal(spool_in_get(p->s->host.spool, id, &d), ERR_OK);
    assert_int_equal(d.delivery.n, 0);
    spool_in_fini(&d);
}

static void its_bytes_are_gone_from_the_disk(void **state)
{
    struct peer *p = *state;
    static const char SQL[] = "SELECT delivery FROM inbox";
    sqlite3_stmt *st;
    uint8_t sealed[32];
    p->no_lease = true;
    UNTIL(p, p->fetches[0] > 0 && p->leases == 1);
    deliver(p, HONEST, 0);
    UNTIL(p, p->acks == 1);
    sqlite3 *db = p->s->host.spool->db;
    assert_int_equal(sqlite3_prepare_v2(db, SQL, -1, &st, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(st), SQLITE_ROW);
    memcpy(sealed, sqlite3_column_blob(st, 0), sizeof(sealed));
    sqlite3_finalize(st);
    assert_true(on_disk(p, sealed, sizeof(sealed)));
    reopen(p);
    p->no_lease = false;
    recall(p, 1);
    UNTIL(p, p->acks == 1);
    assert_false(on_disk(p, sealed, sizeof(sealed)));
}

static void what_was_handed_over_is_marked(void **state)
{
    struct peer *p = *state;
    attach(p);
    UNTIL(p, leased(p));
    deliver(p, HONEST, 0);
    UNTIL(p, taken(p) == 1);
    reopen(p);
    recall(p, 1);
    UNTIL(p, p->acks == 1);
    assert_int_equal(p->recalled, PB__RECALL_OUTCOME__RECALL_HANDED_OVER);
    the_one_says(p, "handed", "recalled");
}

static void what_a_list_showed_was_handed_over(void **state)
{
    struct peer *p = *state;
    UNTIL(p, leased(p));
    deliver(p, HONEST, 0);
    UNTIL(p, p->acks == 1);
    the_one_says(p, "new", "");
    reopen(p);
    attach(p);
    recall(p, 1);
    UNTIL(p, p->acks == 1);
    assert_int_equal(p->recalled, PB__RECALL_OUTCOME__RECALL_HANDED_OVER);
    UNTIL(p, leased(p));
    turns(p, 20);
    assert_int_equal(taken(p), 0);
}

static void
what_never_came_is_unknown_and_is_not_kept_when_it_comes(void **state)
{
    struct peer *p = *state;
    attach(p);
    recall(p, 1);
    UNTIL(p, p->acks == 1);
    assert_int_equal(p->recalled, PB__RECALL_OUTCOME__RECALL_UNKNOWN);
    assert_false(p->acked_leaf);
    UNTIL(p, leased(p));
    snprintf(p->recalls, sizeof(p->recalls), "[]");
    deliver(p, HONEST, 0);
    UNTIL(p, p->acks == 2);
    assert_int_equal(p->recalled, PB__RECALL_OUTCOME__RECALL_DELETED);
    assert_true(p->acked_leaf);
    turns(p, 20);
    assert_int_equal(taken(p), 0);
    the_one_says(p, "handled", "recalled");
}

static void
a_recall_is_answered_again_after_a_restart_and_the_same(void **state)
{
    struct peer *p = *state;
    p->no_lease = true;
    UNTIL(p, p->fetches[0] > 0 && p->leases == 1);
    deliver(p, HONEST, 0);
    UNTIL(p, p->acks == 1);
    p->no_lease = false;
    recall(p, 3);
    for (int i = 0; i < 2; i++) {
        reopen(p);
        p->recalled = 0;
        UNTIL(p, p->acks == 1);
        assert_int_equal(p->lease_after, 0);
        assert_int_equal(p->recalled, PB__RECALL_OUTCOME__RECALL_DELETED);
        assert_true(p->acked_leaf);
    }
}

static void a_new_connection_asks_from_the_first_recall_again(void **state)
{
    struct peer *p = *state;
    p->lease_span_ms = 100;
    recall(p, 3);
    UNTIL(p, p->lease_after == 3);
    assert_int_equal(link_reopen_lane(p->s->host.link, LANE_NORMAL), ERR_OK);
    p->lease_after = 9;
    UNTIL(p, p->lease_after == 0);
}

/* What may be called back is asked for at once. */
static void a_withdrawal_makes_the_node_ask(void **state)
{
    struct peer *p = *state;
    hubside_event(&p->n.hub, "CONSENT_WITHDRAWN",
                  "{\"all\":true,\"channel\":\"WITHDRAW_PHONE\"}");
    UNTIL(p, leased(p));
    size_t before = p->leases;
    turns(p, 50);
    assert_int_equal(p->leases, before);
    deliver(p, HONEST, 0);
    UNTIL(p, p->leases == before + 1);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_lease_is_asked_for_at_once_and_the_module_gets_its_delivery),
        CASE(without_a_lease_nothing_is_handed_over_or_shown),
        CASE(a_lease_ends_by_the_boot_clock),
        CASE(a_lease_is_renewed_before_it_ends),
        CASE(no_lease_is_longer_than_five_minutes),
        CASE(a_lease_counts_when_all_recalls_are_here),
        CASE(a_lease_that_says_nonsense_is_none),
        CASE(what_was_not_handed_over_is_deleted),
        CASE(its_bytes_are_gone_from_the_disk),
        CASE(what_was_handed_over_is_marked),
        CASE(what_a_list_showed_was_handed_over),
        CASE(what_never_came_is_unknown_and_is_not_kept_when_it_comes),
        CASE(a_recall_is_answered_again_after_a_restart_and_the_same),
        CASE(a_new_connection_asks_from_the_first_recall_again),
        CASE(a_withdrawal_makes_the_node_ask),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
