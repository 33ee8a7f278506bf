/* turn_test.c - one commit for what has arrived, and nothing before it. */
#include "tests/unit/hub/app/region.h"
#include <signal.h>
#include <sys/resource.h>

#define C1 "HC-492019-01"
#define P1 "WO-4931000014"

static void pack_filing(struct client *c, const char *to, struct buf *out,
                        struct id *id)
{
    struct sent s;
    sent(&s, c, "FILING_SUBMITTED", NULL, "person", "filing");
    sent_to(&s, to, "P_FIL");
    *id = s.d.event_id;
    sent_pack(&s, out);
}

/* Whether a copy of the store, as the disk has it now, holds the event. */
static bool copy_holds(struct region *r, struct id id)
{
    char *from = region_path(r, "data"), *to = region_path(r, "copy");
    char *anchor = region_path(r, "anchor-of-copy"),
         *kek = region_path(r, "keys/kek"),
         *keyring = region_path(r, "keyring"),
         *ring = region_path(r, "copy-keyring");
    struct store_config c = {
        .dir = to, .anchor_path = anchor, .keyring_dir = ring, .kek_dir = kek};
    struct store *s = NULL;
    struct buf why = {0}, receipt = {0};
    uint8_t header[32];
    bool found = false;
    run_command("cp -r", from, to);
    run_command("cp -r", keyring, ring);
    assert_int_equal(store_open(&c, &s, &why), ERR_OK);
    assert_int_equal(store_event_seen(s, id, &found, header, &receipt), ERR_OK);
    if (found)
        assert_true(receipt.n > 0);
    store_close(&s);
    run_command("rm -rf", to, anchor);
    run_command("rm -rf", ring, "");
    buf_fini(&why);
    buf_fini(&receipt);
    free(from);
    free(to);
    free(anchor);
    free(kek);
    free(keyring);
    free(ring);
    return found;
}

static void a_receipt_stands_for_what_is_stored(void **state) /* W-110 I-1 */
{
    struct region *r = *state;
    struct client *h1 = client(r, "h1");
    struct buf m = {0};
    struct id id;
    pack_filing(h1, C1, &m, &id);
    assert_false(copy_holds(r, id));
    Pb__Receipt *a = exchange(h1, LANE_NORMAL, buf_slice(&m), NULL);
    assert_true(copy_holds(r, id));
    receipt_free(&a);
    buf_fini(&m);
}

/* The disk refuses every write from now on: files may not grow. */
static void disk_full(bool full)
{
    struct rlimit l;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &l), 0);
    l.rlim_cur = full ? 0 : l.rlim_max;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &l), 0);
}

static void no_commit_no_receipt(void **state) /* W-110 I-1 I-17 */
{
    struct region *r = *state;
    struct client *h1 = client(r, "h1"), *c1 = client(r, "c1");
    struct buf m = {0};
    struct frame f;
    struct id id;
    client_sync(h1, LANE_NORMAL);
    pack_filing(h1, C1, &m, &id);
    log_open("test", 0); /* the error it reports is the one we want */
    disk_full(true);
    client_send(h1, LANE_NORMAL, VERB_SEND, buf_slice(&m));
    assert_false(wait_for(r, h1->lane[LANE_NORMAL], &f, 200));
    disk_full(false);
    log_open("test", LOG_ERROR);
    assert_int_not_equal(r->hub->broken, ERR_OK);
    assert_true(r->hub->stop);
    /* not even when there is room again: it starts anew from the disk */
    client_send(h1, LANE_NORMAL, VERB_SEND, buf_slice(&m));
    assert_false(wait_for(r, h1->lane[LANE_NORMAL], &f, 100));
    client_close(h1);
    client_close(c1);
    region_stop(r);
    region_start(r);
    Pb__Receipt *a =
        exchange(client(r, "h1"), LANE_NORMAL, buf_slice(&m), NULL);
    assert_string_equal(outcome(a), "");
    assert_int_equal(r->hub->count.repeated, 0);
    receipt_free(&a);
    buf_fini(&m);
}

static void if_the_log_cannot_be_written_nothing_is_released(void **state)
{ /* W-121 I-2 */
    struct region *r = *state;
    struct client *h1 = client(r, "h1"), *c1 = client(r, "c1");
    struct frame f;
    post_sample(h1, "FILING_SUBMITTED", "person", "filing", C1, "P_FIL");
    client_sync(c1, LANE_NORMAL);
    log_open("test", 0);
    disk_full(true);
    client_fetch(c1, LANE_NORMAL, 8);
    assert_false(wait_for(r, c1->lane[LANE_NORMAL], &f, 200));
    disk_full(false);
    log_open("test", LOG_ERROR);
    assert_int_not_equal(r->hub->broken, ERR_OK);
    client_close(h1);
    client_close(c1);
    region_stop(r);
    region_start(r);
    assert_int_equal(fetch(client(r, "c1"), LANE_NORMAL), 1);
}

/* Waits until the hub has n messages to read, without letting it. */
static void let_arrive(void)
{
    usleep(100000);
}

static void a_refused_event_harms_no_neighbour(void **state) /* W-118 */
{
    static const char *const TO[] = {C1, "OW-NOBODY-49", C1, P1, C1};
    static const char *const WANT[] = {"", "E-EVT-014", "", "", ""};
    struct region *r = *state;
    struct client *h1 = client(r, "h1");
    struct id id[5];
    client_sync(h1, LANE_NORMAL);
    for (int i = 0; i < 5; i++) {
        struct buf m = {0};
        pack_filing(h1, TO[i], &m, &id[i]);
        client_send(h1, LANE_NORMAL, VERB_SEND, buf_slice(&m));
        buf_fini(&m);
    }
    let_arrive();
    uint64_t size = store_log_size(r->hub->store);
    uint64_t turns = r->hub->count.turns;
    turn(r); /* one turn, one commit */
    assert_int_equal(r->hub->count.turns, turns + 1);
    assert_true(store_log_size(r->hub->store) > size);
    for (int i = 0; i < 5; i++) {
        struct frame f;
        client_want(h1, LANE_NORMAL, VERB_RECEIPT, &f);
        Pb__Receipt *a = open_receipt(r, f.body);
        assert_memory_equal(a->event_id.data, id[i].b, ID_BYTES);
        assert_string_equal(outcome(a), WANT[i]);
        receipt_free(&a);
        frame_close(&f);
    }
    assert_int_equal(r->hub->count.accepted, 4);
}

static void answers_are_never_answered(void **state) /* W-153 */
{
    static const enum verb ANSWERS[] = {VERB_RECEIPT, VERB_DELIVERIES,
                                        VERB_ANSWER, VERB_PONG, VERB_ERROR};
    struct region *r = *state;
    struct client *h1 = client(r, "h1");
    client_sync(h1, LANE_NORMAL);
    uint64_t size = store_log_size(r->hub->store);
    for (size_t i = 0; i < NELEM(ANSWERS); i++)
        client_send(h1, LANE_NORMAL, ANSWERS[i], slice_str("anything"));
    client_sync(h1, LANE_NORMAL); /* fails on anything but PONG */
    assert_int_equal(store_log_size(r->hub->store), size);
}

static void an_idle_hub_writes_nothing(void **state)
{
    struct region *r = *state;
    struct client *h1 = client(r, "h1");
    client_sync(h1, LANE_NORMAL);
    uint64_t size = store_log_size(r->hub->store);
    turns(r, 20);
    assert_int_equal(store_log_size(r->hub->store), size);
    assert_false(r->hub->open);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        REGION_TEST(a_receipt_stands_for_what_is_stored),
        REGION_TEST(no_commit_no_receipt),
        REGION_TEST(if_the_log_cannot_be_written_nothing_is_released),
        REGION_TEST(a_refused_event_harms_no_neighbour),
        REGION_TEST(answers_are_never_answered),
        REGION_TEST(an_idle_hub_writes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
