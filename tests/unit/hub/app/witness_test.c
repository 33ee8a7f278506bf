/* witness_test.c - nodes cosign the heads of a hub's log, or do not, or lie.
 * What they answer is made by the code of real witnesses (proto/wire). */
#include "proto/wire/quorum.h"
#include "proto/wire/witness.h"
#include "tests/unit/hub/app/region.h"

#define C1 "HC-492019-01"
#define S1 "WO-4911000018"
#define W_COUNT 4 /* of which three are a quorum */
static const char *const W_NODE[W_COUNT] = {"p1", "k1", "m1", "a1"};

/* What each keeps. */
struct keeping {
    struct region *r;
    struct checkpoint kept[W_COUNT];
};

static void write_policy(struct region *r, const char *quorum)
{
    struct buf b = {0};
    char *path = region_path(r, "keys/log.key");
    struct node_keys log;
    assert_int_equal(keys_read(path, &log), ERR_OK);
    free(path);
    buf_adds(&b, "log ");
    note_vkey(ORIGIN, log.pub.sign, &b);
    buf_addc(&b, '\n');
    for (size_t i = 0; i < W_COUNT; i++) {
        struct vkey v = {.type = VKEY_COSIGNER};
        struct client *c = client(r, W_NODE[i]);
        snprintf(v.name, sizeof(v.name), "%s", W_NODE[i]);
        memcpy(v.key, c->keys.pub.witness, KEY_BYTES);
        buf_addf(&b, "witness %s ", W_NODE[i]);
        vkey_write(&v, &b);
        buf_addc(&b, '\n');
    }
    buf_adds(&b, "group towns 3 p1 k1 m1 a1\n");
    buf_adds(&b, quorum);
    region_write(r, "witness.tlog", buf_slice(&b));
    buf_fini(&b);
}

static void restart(struct region *r)
{
    for (size_t i = 0; i < CLIENTS; i++)
        client_close(&r->client[i]);
    region_stop(r);
    region_start(r);
}

/* Everybody who is in the registry counts as connected once heard. */
static void connect_all(struct region *r)
{
    for (size_t i = 0; i < W_COUNT; i++)
        client_sync(client(r, W_NODE[i]), LANE_NORMAL);
}

/* A hub with witnesses and something in its log, that has just started. */
static int begin(void **state)
{
    struct keeping *k = calloc(1, sizeof(*k));
    k->r = region_new();
    write_policy(k->r, "quorum towns\n");
    k->r->witnesses = true;
    restart(k->r);
    connect_all(k->r);
    *state = k;
    return 0;
}

static int end(void **state)
{
    struct keeping *k = *state;
    region_free(k->r);
    free(k);
    return 0;
}

/* ---- a witness ---- */

/* How a test wants an answer changed. */
enum manner { HONEST, MUTE, FORGED, REFUSING };

static void send_answer(struct client *c, uint32_t status, const char *body,
                        const char *note)
{
    Pb__WitnessAnswer a = PB__WITNESS_ANSWER__INIT;
    a.has_status = 1;
    a.status = status;
    a.body = (char *)(uintptr_t)body;
    a.note = (char *)(uintptr_t)note;
    client_send_message(c, LANE_NORMAL, VERB_WITNESS, &a.base);
    turns(c->r, 4);
}

static void answer_as(struct keeping *k, size_t i, const struct witness_ask *a,
                      enum manner how)
{
    struct client *c = client(k->r, W_NODE[i]);
    struct checkpoint head;
    struct buf body = {0};
    uint8_t *secret = c->keys.witness_secret;
    enum witness_status s = witness_judge(
        a, ORIGIN, k->r->hub->log_keys.pub.sign, &k->kept[i], &head);
    if (how == REFUSING) {
        send_answer(c, WITNESS_UNPROVED, NULL, NULL);
        return;
    }
    if (how == FORGED) /* another's key under its name */
        secret = client(k->r, "o1")->keys.witness_secret;
    if (s == WITNESS_DONE) {
        k->kept[i] = head;
        assert_int_equal(cosignature_make(a->note, W_NODE[i], secret,
                                          c->keys.pub.witness,
                                          clock_wall_ms() / 1000, &body),
                         ERR_OK);
    } else if (s == WITNESS_CONFLICT) {
        witness_size_write(k->kept[i].size, &body);
    }
    send_answer(c, s, body.n > 0 ? (const char *)body.p : "", NULL);
    buf_fini(&body);
}

/* Answers what the hub asks within some 50 ms; false: it asked nothing. */
static bool witness(struct keeping *k, size_t i, enum manner how)
{
    struct client *c = client(k->r, W_NODE[i]);
    struct frame f;
    struct witness_ask a;
    ProtobufCMessage *m = NULL;
    do {
        if (!wait_for(k->r, c->lane[LANE_NORMAL], &f, 50))
            return false;
        if (f.verb != VERB_WITNESS)
            frame_close(&f);
    } while (f.verb != VERB_WITNESS);
    assert_int_equal(unpack(&pb__witness_ask__descriptor, f.body, &m), ERR_OK);
    struct slice body = pb_slice(((Pb__WitnessAsk *)m)->body);
    assert_int_equal(witness_ask_parse(body, &a), ERR_OK);
    if (how != MUTE)
        answer_as(k, i, &a, how);
    unpack_free(&m);
    frame_close(&f);
    return true;
}

static void tick(struct keeping *k)
{
    turn(k->r);
    witness_tick(k->r->hub);
}

static void honest(struct keeping *k, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++)
        while (witness(k, i, HONEST))
            ;
}

/* A second later everybody from..to has signed the newest head. */
static void round_of(struct keeping *k, size_t from, size_t to)
{
    usleep(1010000);
    tick(k);
    honest(k, from, to);
}

static uint64_t cosigned(struct keeping *k)
{
    uint64_t size;
    struct slice note = witness_note(k->r->hub, &size);
    struct checkpoint c;
    if (size == 0)
        return 0;
    assert_int_equal(
        checkpoint_open(note, ORIGIN, k->r->hub->log_keys.pub.sign, &c),
        ERR_OK);
    assert_int_equal(c.size, size);
    return size;
}

static uint64_t log_size(struct keeping *k)
{
    return store_log_size(k->r->hub->store);
}

static char *said(struct keeping *k)
{
    char *text = NULL;
    assert_string_equal(control(k->r, "status", NULL, NULL, &text), "");
    return text;
}

static bool status_has(struct keeping *k, const char *what)
{
    char *text = said(k);
    bool has = strstr(text, what) != NULL;
    if (!has)
        print_message("%s\n", text);
    free(text);
    return has;
}

/* ---- deliveries ---- */

static void file(struct keeping *k, const char *name)
{
    assert_string_equal(post_sample(client(k->r, "h1"), "FILING_SUBMITTED",
                                    "person", name, C1, "P_FIL"),
                        "");
}

static bool arrives(struct keeping *k, int lane, const char *node)
{
    return fetch_for(client(k->r, node), lane, 64, 300) > 0;
}

/* A provider is asked in the night: the urgent lane. */
static void emergency(struct keeping *k)
{
    struct client *b1 = client(k->r, "b1");
    post_sample(b1, "EMERGENCY_REQUESTED", "person", "night", NULL, NULL);
    post_sample(b1, "EMERGENCY_TRIAGED", "person", "night", NULL, NULL);
    post_sample(b1, "STAY_CANVASS", "person", "night", S1, "P_EMG");
}

/* ---- quorum ---- */

static void cosignatures_of_a_quorum_are_kept_with_the_head(void **state)
{
    struct keeping *k = *state;
    uint64_t size = log_size(k);
    tick(k);
    honest(k, 0, 2);
    assert_int_equal(cosigned(k), 0);
    honest(k, 2, 3);
    assert_int_equal(cosigned(k), size);
    honest(k, 3, 4); /* more than a quorum is welcome */
    uint64_t n;
    struct slice note = witness_note(k->r->hub, &n);
    struct quorum *q = NULL;
    struct buf text = {0}, why = {0};
    struct cosigned c;
    char *path = region_path(k->r, "witness.tlog");
    assert_int_equal(file_read(path, 65536, &text), ERR_OK);
    assert_int_equal(quorum_parse("t", buf_slice(&text), &q, &why), ERR_OK);
    assert_int_equal(quorum_read(q, note, clock_wall_ms() / 1000, &c), ERR_OK);
    assert_int_equal(c.good, 0xf);
    quorum_free(&q);
    buf_fini(&text);
    buf_fini(&why);
    free(path);
}

static void
witnessing_adds_no_leaf_and_asks_nothing_of_a_log_at_rest(void **state)
{
    struct keeping *k = *state;
    uint64_t size = log_size(k);
    tick(k);
    honest(k, 0, W_COUNT);
    round_of(k, 0, 0);
    assert_int_equal(log_size(k), size);
    for (size_t i = 0; i < W_COUNT; i++)
        assert_false(witness(k, i, HONEST));
}

static void the_next_head_is_proved_from_what_each_one_has(void **state)
{
    struct keeping *k = *state;
    tick(k);
    honest(k, 0, W_COUNT);
    file(k, "one");
    round_of(k, 0, W_COUNT);
    assert_int_equal(cosigned(k), log_size(k));
    for (size_t i = 0; i < W_COUNT; i++)
        assert_int_equal(k->kept[i].size, log_size(k));
}

static void a_quorum_survives_the_hub_and_travels_with_deliveries(void **state)
{
    struct keeping *k = *state;
    tick(k);
    honest(k, 0, W_COUNT);
    uint64_t size = cosigned(k);
    file(k, "one");
    restart(k->r);
    assert_int_equal(cosigned(k), size);
    connect_all(k->r);
    tick(k);
    honest(k, 0, W_COUNT); /* asked from nothing, they say what they have */
    struct client *c1 = client(k->r, "c1");
    struct frame f;
    ProtobufCMessage *m = NULL;
    client_fetch(c1, LANE_NORMAL, 8);
    do
        assert_true(wait_for(k->r, c1->lane[LANE_NORMAL], &f, 1000));
    while (f.verb != VERB_DELIVERIES && (frame_close(&f), true));
    assert_int_equal(unpack(&pb__deliveries__descriptor, f.body, &m), ERR_OK);
    const Pb__Deliveries *d = (const Pb__Deliveries *)m;
    struct checkpoint old, head;
    struct hash path[PROOF_MAX];
    const uint8_t *key = k->r->hub->log_keys.pub.sign;
    assert_non_null(d->cosigned);
    assert_int_equal(checkpoint_open(slice_str(d->cosigned), ORIGIN, key, &old),
                     ERR_OK);
    assert_int_equal(
        checkpoint_open(slice_str(d->checkpoint), ORIGIN, key, &head), ERR_OK);
    size_t n =
        hashes_of(d->cosigned_consistency, d->n_cosigned_consistency, path);
    assert_true(old.size < head.size);
    assert_int_equal(proof_check_consistency(old.size, old.root, head.size,
                                             head.root, path, n),
                     ERR_OK);
    unpack_free(&m);
    frame_close(&f);
}

/* ---- what waits ---- */

static void
after_a_start_ordinary_deliveries_wait_for_one_witness(void **state) /* W-199 */
{
    struct keeping *k = *state;
    file(k, "one");
    emergency(k);
    tick(k);
    assert_false(arrives(k, LANE_NORMAL, "c1"));
    assert_true(arrives(k, LANE_URGENT, "s1"));
    assert_true(status_has(k, "\"normal_stopped\":true"));
    honest(k, 0, 1);
    assert_true(arrives(k, LANE_NORMAL, "c1"));
}

static void one_of_four_may_be_off_and_two_stop_the_ordinary_lane(void **state)
{
    struct keeping *k = *state;
    tick(k);
    honest(k, 0, 3); /* the fourth is mute */
    assert_int_equal(cosigned(k), log_size(k));
    file(k, "one");
    assert_true(arrives(k, LANE_NORMAL, "c1"));
    round_of(k, 0, 2);
    usleep(1010000);
    tick(k);
    honest(k, 0, 2);
    assert_true(status_has(k, "\"overdue\":true"));
    file(k, "two");
    emergency(k);
    assert_false(arrives(k, LANE_NORMAL, "c1"));
    assert_true(arrives(k, LANE_URGENT, "s1"));
    for (int n = 0; n < 3 && cosigned(k) < log_size(k); n++)
        round_of(k, 0, 3); /* the third is back */
    assert_true(status_has(k, "\"overdue\":false"));
    assert_true(arrives(k, LANE_NORMAL, "c1"));
}

static void a_forged_cosignature_is_counted_and_nothing_else(void **state)
{
    struct keeping *k = *state;
    tick(k);
    honest(k, 0, 2);
    assert_true(witness(k, 2, FORGED));
    assert_true(witness(k, 3, REFUSING));
    assert_int_equal(cosigned(k), 0);
    assert_true(status_has(k, "\"name\":\"m1\",\"node\":\"m1\",\"state\":"
                              "\"refused\",\"open\":true,\"connected\":true,"
                              "\"size\":0,\"refused\":0,\"lies\":1"));
    assert_int_equal(k->r->hub->alarm, ERR_OK);
}

static void a_witness_that_is_closed_does_not_count(void **state)
{
    struct keeping *k = *state;
    region_write(k->r, "hours.tsv",
                 slice_str("witness\tdays\tfrom\tto\n"
                           "m1\tclosed\t2020-01-01\t2099-12-31\n"
                           "a1\tclosed\t2020-01-01\t2099-12-31\n"));
    k->r->hours = true;
    restart(k->r);
    connect_all(k->r);
    tick(k);
    honest(k, 0, 2); /* of four of which two are open */
    assert_int_equal(cosigned(k), log_size(k));
}

static void nobody_open_means_that_nothing_is_due(void **state)
{
    struct keeping *k = *state;
    region_write(k->r, "hours.tsv",
                 slice_str("witness\tdays\tfrom\tto\n"
                           "*\tclosed\t2020-01-01\t2099-12-31\n"));
    k->r->hours = true;
    restart(k->r);
    connect_all(k->r);
    file(k, "one");
    tick(k);
    assert_true(status_has(k, "\"due\":false"));
    assert_true(arrives(k, LANE_NORMAL, "c1"));
}

/* ---- proof, and what is none ---- */

/* A head of n leaves that never was, signed by the log's key or by another. */
static void false_note(struct keeping *k, uint64_t n, bool by_the_log,
                       struct buf *note)
{
    const struct node_keys *keys =
        by_the_log ? &k->r->hub->log_keys : &client(k->r, "o1")->keys;
    struct checkpoint c = {.size = n, .root = {{7}}};
    snprintf(c.origin, sizeof(c.origin), "%s", ORIGIN);
    assert_int_equal(
        checkpoint_sign(&c, keys->sign_secret, keys->pub.sign, note), ERR_OK);
}

static void say_note(struct keeping *k, uint32_t status, const char *body,
                     const char *note)
{
    struct client *c = client(k->r, W_NODE[0]);
    Pb__WitnessAnswer a = PB__WITNESS_ANSWER__INIT;
    a.has_status = 1;
    a.status = status;
    a.body = (char *)(uintptr_t)body;
    a.note = (char *)(uintptr_t)note;
    client_send_message(c, LANE_NORMAL, VERB_WITNESS, &a.base);
    turns(k->r, 20);
}

static void the_logs_own_word_against_it_stops_the_hub(void **state)
{
    static const struct {
        const char *name;
        int more;
        uint32_t status;
        enum err why;
    } CASES[] = {
        {"I-15 a larger head: this log is an older copy", 5, WITNESS_CONFLICT,
         ERR_ROLLBACK},
        {"I-15 another head of the same size: the log was forked", 0,
         WITNESS_CONFLICT, ERR_LOG_FORK},
        {"I-15 a smaller head that this log does not continue", -2,
         WITNESS_UNPROVED, ERR_LOG_FORK},
    };
    struct keeping *k = *state;
    for (size_t i = 0; i < NELEM(CASES); i++) {
        struct buf note = {0};
        uint64_t n = log_size(k);
        tick(k);
        false_note(k, (uint64_t)((int64_t)n + CASES[i].more), true, &note);
        say_note(k, CASES[i].status, "9\n", (const char *)note.p);
        if (k->r->hub->alarm != CASES[i].why || !k->r->hub->stop)
            fail_msg("%s", CASES[i].name);
        Pb__AuditLeaf *l = leaf_at(k->r, n);
        uint8_t hash[32];
        sha256(buf_slice(&note), hash);
        assert_int_equal(l->kind, PB__LEAF_KIND__WITNESS_ALARM);
        assert_string_equal(l->node, W_NODE[0]);
        assert_string_equal(l->reason, err_code(CASES[i].why));
        assert_memory_equal(l->detail_sha256.data, hash, 32);
        pb__audit_leaf__free_unpacked(l, NULL);
        buf_fini(&note);
        restart(k->r);
        connect_all(k->r);
    }
    char *folder = region_path(k->r, "state");
    run_command("grep -lq tsunagi-fork-evidence/1 -r", folder, NULL);
    free(folder);
}

static void without_proof_a_witness_stops_nobody(void **state)
{
    struct keeping *k = *state;
    struct buf other = {0}, old = {0};
    tick(k);
    buf_add(&old, k->r->hub->note.p, k->r->hub->note.n);
    file(k, "one");
    false_note(k, log_size(k) + 5, false, &other);
    uint64_t size = log_size(k);
    const struct {
        const char *name;
        uint32_t status;
        const char *body, *note;
    } CASES[] = {
        {"a number alone", WITNESS_CONFLICT, "99999\n", NULL},
        {"a note of another key", WITNESS_CONFLICT, "99999\n",
         (const char *)other.p},
        {"no note at all", WITNESS_UNPROVED, "", "nothing"},
        {"a head that the log does contain", WITNESS_UNPROVED, "",
         (const char *)old.p},
        {"a status of the future", 777, "", NULL},
        {"no number", WITNESS_CONFLICT, "-1\n", NULL},
    };
    for (size_t i = 0; i < NELEM(CASES); i++) {
        say_note(k, CASES[i].status, CASES[i].body, CASES[i].note);
        if (k->r->hub->alarm != ERR_OK || k->r->hub->stop)
            fail_msg("%s", CASES[i].name);
    }
    assert_int_equal(log_size(k), size);
    assert_int_equal(count_leaves(k->r, PB__LEAF_KIND__WITNESS_ALARM), 0);
    buf_fini(&other);
    buf_fini(&old);
}

/* What is owed is asked for, an event comes in, and the alarm, in one turn. */
static void after_the_alarm_nothing_leaves(void **state)
{
    struct keeping *k = *state;
    struct client *c1 = client(k->r, "c1");
    struct buf note = {0};
    struct frame f;
    Pb__WitnessAnswer a = PB__WITNESS_ANSWER__INIT;
    tick(k);
    honest(k, 0, W_COUNT);
    file(k, "one");
    client_sync(c1, LANE_NORMAL);
    false_note(k, log_size(k) + 5, true, &note);
    a.has_status = 1;
    a.status = WITNESS_CONFLICT;
    a.note = (char *)note.p;
    client_fetch(c1, LANE_NORMAL, 8);
    struct client *h1 = client(k->r, "h1");
    struct sent s;
    struct buf event = {0};
    sent(&s, h1, "FILING_SUBMITTED", NULL, "person", "two");
    sent_to(&s, C1, "P_FIL");
    sent_pack(&s, &event);
    client_send(h1, LANE_NORMAL, VERB_SEND, buf_slice(&event));
    usleep(50000);
    client_send_message(client(k->r, W_NODE[0]), LANE_NORMAL, VERB_WITNESS,
                        &a.base);
    usleep(50000);
    turn(k->r);
    assert_int_equal(k->r->hub->alarm, ERR_ROLLBACK);
    assert_int_equal(count_leaves(k->r, PB__LEAF_KIND__RELEASE), 0);
    turns(k->r, 10);
    assert_false(wait_for(k->r, c1->lane[LANE_NORMAL], &f, 50));
    assert_false(wait_for(k->r, h1->lane[LANE_NORMAL], &f, 50));
    buf_fini(&event);
    buf_fini(&note);
}

/* ---- the policy ---- */

static void a_policy_that_does_not_name_this_log_stops_the_start(void **state)
{
    struct keeping *k = *state;
    struct buf why = {0};
    for (size_t i = 0; i < CLIENTS; i++)
        client_close(&k->r->client[i]);
    region_stop(k->r);
    region_write(k->r, "witness.tlog", slice_str("quorum none\n"));
    assert_int_equal(region_try(k->r, &why), ERR_WITNESS_POLICY);
    assert_non_null(strstr((const char *)why.p, "witness.tlog"));
    buf_fini(&why);
}

static void the_examples_are_good(void **state)
{
    (void)state;
    struct buf policy = {0}, hours = {0}, why = {0};
    struct quorum *q = NULL;
    struct hours *h = NULL;
    assert_int_equal(file_read("deploy/examples/witness.tlog", 65536, &policy),
                     ERR_OK);
    assert_int_equal(
        file_read("deploy/examples/witness_hours.tsv", 65536, &hours), ERR_OK);
    assert_int_equal(quorum_parse("t", buf_slice(&policy), &q, &why), ERR_OK);
    assert_int_equal(hours_parse("h", buf_slice(&hours), q, &h, &why), ERR_OK);
    /* 2026-12-30 at noon: the hospital and the life support hub are left */
    uint64_t open = hours_open(h, q, 1798599600);
    assert_int_equal(__builtin_popcountll(open), 3);
    hours_free(&h);
    quorum_free(&q);
    buf_fini(&policy);
    buf_fini(&hours);
    buf_fini(&why);
}

static void a_quorum_of_none_asks_and_waits_for_nobody(void **state)
{
    struct keeping *k = *state;
    write_policy(k->r, "quorum none\n");
    restart(k->r);
    connect_all(k->r);
    file(k, "one");
    tick(k);
    assert_true(status_has(k, "\"witnesses\":0"));
    assert_true(arrives(k, LANE_NORMAL, "c1"));
}

static void a_node_that_is_no_witness_says_nothing_by_it(void **state)
{
    struct keeping *k = *state;
    struct client *o1 = client(k->r, "o1");
    Pb__WitnessAnswer a = PB__WITNESS_ANSWER__INIT;
    a.has_status = 1;
    a.status = WITNESS_DONE;
    client_sync(o1, LANE_NORMAL);
    client_send_message(o1, LANE_NORMAL, VERB_WITNESS, &a.base);
    assert_string_equal(want_error(o1, LANE_NORMAL, NULL, NULL), "E-FRM-002");
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, begin, end)
int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(cosignatures_of_a_quorum_are_kept_with_the_head),
        CASE(witnessing_adds_no_leaf_and_asks_nothing_of_a_log_at_rest),
        CASE(the_next_head_is_proved_from_what_each_one_has),
        CASE(a_quorum_survives_the_hub_and_travels_with_deliveries),
        CASE(after_a_start_ordinary_deliveries_wait_for_one_witness),
        CASE(one_of_four_may_be_off_and_two_stop_the_ordinary_lane),
        CASE(a_forged_cosignature_is_counted_and_nothing_else),
        CASE(a_witness_that_is_closed_does_not_count),
        CASE(nobody_open_means_that_nothing_is_due),
        CASE(the_logs_own_word_against_it_stops_the_hub),
        CASE(without_proof_a_witness_stops_nobody),
        CASE(after_the_alarm_nothing_leaves),
        CASE(a_policy_that_does_not_name_this_log_stops_the_start),
        cmocka_unit_test(the_examples_are_good),
        CASE(a_quorum_of_none_asks_and_waits_for_nobody),
        CASE(a_node_that_is_no_witness_says_nothing_by_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
