/* link_test.c - a node against the other end of the wire. */
#include "proto/wire/log_proof.h"
#include "tests/unit/adapters/sdk/peer.h"
#include "tests/unit/adapters/sdk/tree.h"
#include <dirent.h>
#include <signal.h>
#include <sys/resource.h>

/* ---- sending ---- */

#define OFFER                                                                  \
    "{\"type\":\"STAY_OFFERED\",\"case\":\"c\",\"source\":\"%u\",\"to\":"      \
    "[{\"agency\":\"" SENDER "\",\"purpose\":\"P_EMG\"}],\"body\":"            \
    "{\"condition\":[\"NO_CONDITION\"]}}"

static void submit(struct peer *p, unsigned source, char id[37])
{
    char json[512];
    snprintf(json, sizeof(json), OFFER, source);
    assert_int_equal(node_submit(p->s, slice_str(json), false, id, NULL),
                     ERR_OK);
}

enum lie {
    TRUE_RECEIPT,
    OTHER_KEY,
    OTHER_HEADER,
    OTHER_EVENT,
    PROVED, /* a true receipt with the proof of its leaf */
    PROOF_OF_ANOTHER,
    PROOF_OF_OTHER_INDEX,
    PROOF_BY_ANOTHER_KEY,
    PROOF_BROKEN
};

/* The leaf of the event at 17, alone in the last place of a log of 18. */
static void prove_leaf(struct peer *p, enum lie lie, const struct event *ev,
                       struct buf *out)
{
    struct hash leaves[18], path[PROOF_MAX];
    struct buf leaf = {0}, note = {0};
    struct checkpoint c = {.origin = ORIGIN, .size = 18};
    uint8_t id[ID_BYTES];
    Pb__AuditLeaf l = PB__AUDIT_LEAF__INIT;
    const struct node_keys *k =
        lie == PROOF_BY_ANOTHER_KEY ? &p->n.hub.sender : &p->n.hub.log;
    memcpy(id, ev->event_id.b, sizeof(id));
    id[0] ^= lie == PROOF_OF_ANOTHER;
    l.has_index = l.has_event_id = 1;
    l.index = lie == PROOF_OF_OTHER_INDEX ? 16 : 17;
    l.event_id = pb_borrow(slice_of(id, sizeof(id)));
    assert_int_equal(pack(&l.base, &leaf), ERR_OK);
    for (uint8_t i = 0; i < 18; i++)
        leaves[i] = proof_leaf(i == 17 ? buf_slice(&leaf) : slice_of(&i, 1));
    c.root = tree_root(leaves, 18);
    c.root.b[0] ^= lie == PROOF_BROKEN;
    size_t n = tree_inclusion(17, leaves, 18, path);
    assert_int_equal(checkpoint_sign(&c, k->sign_secret, k->pub.sign, &note),
                     ERR_OK);
    assert_int_equal(
        log_proof_write(buf_slice(&leaf), 17, path, n, buf_slice(&note), out),
        ERR_OK);
    buf_fini(&leaf);
    buf_fini(&note);
}

static void send_receipt(struct peer *p, enum lie lie, Pb__Outcome outcome)
{
    struct event *ev = NULL;
    struct buf inner = {0}, b = {0}, proof = {0};
    uint8_t signature[SIGNATURE_BYTES], sha[32], id[16];
    char code[] = "E-POL-001";
    assert_int_equal(event_open(buf_slice(&p->event), &ev), ERR_OK);
    memcpy(sha, ev->header_sha256, 32);
    memcpy(id, ev->event_id.b, 16);
    sha[0] ^= lie == OTHER_HEADER;
    id[15] ^= lie == OTHER_EVENT;
    Pb__Receipt r = PB__RECEIPT__INIT;
    r.has_event_id = r.has_header_sha256 = r.has_outcome = r.has_leaf_index = 1;
    r.event_id = pb_borrow(slice_of(id, 16));
    r.header_sha256 = pb_borrow(slice_of(sha, 32));
    r.outcome = outcome;
    r.leaf_index = 17;
    r.code = outcome == PB__OUTCOME__REFUSED ? code : NULL;
    assert_int_equal(pack(&r.base, &inner), ERR_OK);
    const struct node_keys *k =
        lie == OTHER_KEY ? &p->n.hub.sender : &p->n.hub.hub;
    assert_int_equal(
        sign_make(SIGN_RECEIPT, buf_slice(&inner), k->sign_secret, signature),
        ERR_OK);
    Pb__SignedReceipt s = PB__SIGNED_RECEIPT__INIT;
    s.has_receipt = s.has_signature = 1;
    s.receipt = pb_borrow(buf_slice(&inner));
    s.signature = pb_borrow(slice_of(signature, SIGNATURE_BYTES));
    if (lie >= PROVED)
        prove_leaf(p, lie, ev, &proof);
    s.proof = (char *)proof.p;
    assert_int_equal(pack(&s.base, &b), ERR_OK);
    buf_fini(&proof);
    assert_int_equal(
        frame_send(p->lane[0], &p->from[0], VERB_RECEIPT, buf_slice(&b)),
        ERR_OK);
    buf_fini(&inner);
    buf_fini(&b);
    event_close(&ev);
}

struct heard {
    size_t n;
    bool accepted;
    uint64_t leaf;
    char code[16], source[16];
};

static void hear(void *ctx, const struct tsunagi_receipt *r, uint64_t leaf)
{
    struct heard *h = ctx;
    h->n++;
    h->accepted = r->accepted;
    h->leaf = leaf;
    snprintf(h->code, sizeof(h->code), "%s", r->code != NULL ? r->code : "");
    snprintf(h->source, sizeof(h->source), "%s",
             r->source_key != NULL ? r->source_key : "");
}

static void an_event_goes_out_and_its_receipt_comes_back(void **state)
{
    struct peer *p = *state;
    struct heard h = {0};
    char id[37];
    node_on_receipt(p->s, hear, &h);
    submit(p, 1, id);
    UNTIL(p, p->sends[0] == 1);
    assert_int_equal(p->sends[1], 0);
    struct event *ev = NULL;
    assert_int_equal(event_open(buf_slice(&p->event), &ev), ERR_OK);
    assert_int_equal(event_check_signature(ev, p->n.hub.us.pub.sign), ERR_OK);
    assert_int_equal(ev->header->node_seq, 1);
    assert_true(ev->routing->has_case_token);
    event_close(&ev);
    send_receipt(p, TRUE_RECEIPT, PB__OUTCOME__ACCEPTED);
    UNTIL(p, h.n == 1);
    assert_true(h.accepted);
    assert_int_equal(h.leaf, 17);
    assert_string_equal(h.source, "1");
    send_receipt(p, TRUE_RECEIPT, PB__OUTCOME__ACCEPTED);
    turns(p, 10);
    assert_int_equal(h.n, 1);
}

static void a_refusal_carries_its_code(void **state)
{
    struct peer *p = *state;
    struct heard h = {0};
    char id[37];
    node_on_receipt(p->s, hear, &h);
    submit(p, 1, id);
    UNTIL(p, p->sends[0] == 1);
    send_receipt(p, TRUE_RECEIPT, PB__OUTCOME__REFUSED);
    UNTIL(p, h.n == 1);
    assert_false(h.accepted);
    assert_string_equal(h.code, "E-POL-001");
}

/* W-117 */
static void a_receipt_that_is_not_the_hubs_counts_for_nothing(void **state)
{
    struct peer *p = *state;
    static const enum lie LIES[] = {OTHER_KEY, OTHER_HEADER, OTHER_EVENT};
    struct heard h = {0};
    char id[37];
    node_on_receipt(p->s, hear, &h);
    submit(p, 1, id);
    UNTIL(p, p->sends[0] == 1);
    for (size_t i = 0; i < NELEM(LIES); i++)
        send_receipt(p, LIES[i], PB__OUTCOME__ACCEPTED);
    turns(p, 20);
    assert_int_equal(h.n, 0);
    send_receipt(p, TRUE_RECEIPT, PB__OUTCOME__ACCEPTED);
    UNTIL(p, h.n == 1);
}

/* It outlives the event, and dies with the person's key. */
static void
a_receipt_comes_with_a_proof_that_is_kept(void **state) /* W-117 W-176 */
{
    struct peer *p = *state;
    static const enum lie LIES[] = {PROOF_OF_ANOTHER, PROOF_OF_OTHER_INDEX,
                                    PROOF_BY_ANOTHER_KEY, PROOF_BROKEN};
    struct heard h = {0};
    struct node_answer a;
    struct log_proof proof;
    struct checkpoint head;
    char id[37];
    node_on_receipt(p->s, hear, &h);
    submit(p, 1, id);
    UNTIL(p, p->sends[0] == 1);
    for (size_t i = 0; i < NELEM(LIES); i++)
        send_receipt(p, LIES[i], PB__OUTCOME__ACCEPTED);
    turns(p, 20);
    assert_int_equal(h.n, 0);
    send_receipt(p, PROVED, PB__OUTCOME__ACCEPTED);
    UNTIL(p, h.n == 1);
    const struct node_arg arg = {"event_id", id};
    assert_int_equal(node_do(p->s, "proof", &arg, 1, &a), ERR_OK);
    assert_int_equal(log_proof_parse(slice_str(at(a.json, "proof")), &proof),
                     ERR_OK);
    assert_int_equal(log_proof_check(&proof, ORIGIN, p->n.hub.log.pub.sign,
                                     buf_slice(&proof.extra), &head),
                     ERR_OK);
    assert_int_equal(proof.index, 17);
    log_proof_fini(&proof);
    node_answer_fini(&a);
    assert_int_equal(
        spool_prune(p->s->host.spool, clock_wall_ms() + SPOOL_KEEP_MS + 1000),
        ERR_OK);
    assert_int_equal(node_do(p->s, "proof", &arg, 1, &a), ERR_OK);
    assert_int_equal(a.code, ERR_OK);
    node_answer_fini(&a);
}

static void no_more_than_a_window_is_on_its_way(void **state)
{
    struct peer *p = *state;
    char id[37], json[512];
    for (unsigned i = 0; i < 300; i++) {
        snprintf(json, sizeof(json), OFFER, i);
        assert_int_equal(node_submit(p->s, slice_str(json), true, id, NULL),
                         ERR_OK);
    }
    UNTIL(p, p->sends[0] >= 256);
    turns(p, 20);
    assert_int_equal(p->sends[0], 256);
}

/* W-117, W-141 */
static void a_new_connection_starts_at_the_first_waiting_event(void **state)
{
    struct peer *p = *state;
    char id[37];
    submit(p, 1, id);
    UNTIL(p, p->sends[0] == 1);
    node_close(&p->s);
    assert_int_equal(node_open(p->n.conf, NODE_ONLINE, stderr, &p->s), ERR_OK);
    UNTIL(p, p->sends[0] == 2);
}

/* Nothing is heard for 6 s: told to the link by the clock it is given. */
static void a_silent_hub_is_left_and_gets_what_it_has_not_answered(void **state)
{ /* W-141 */
    struct peer *p = *state;
    struct heard h = {0};
    char id[37];
    node_on_receipt(p->s, hear, &h);
    for (unsigned i = 1; i <= 3; i++)
        submit(p, i, id);
    UNTIL(p, p->sends[0] == 3);
    send_receipt(p, TRUE_RECEIPT, PB__OUTCOME__ACCEPTED);
    UNTIL(p, h.n == 1);
    struct link *k = p->s->host.link;
    void *before = k->lane[0].monitor;
    assert_int_equal(link_send(k, k->lane[0].heard_ms + LINK_DEAD_MS), ERR_OK);
    assert_ptr_equal(k->lane[0].monitor, before);
    assert_true(k->lane[0].up);
    assert_int_equal(link_send(k, clock_boot_ms() + LINK_DEAD_MS + 1), ERR_OK);
    assert_false(k->lane[0].up || k->lane[1].up);
    p->seq[0] = p->seq[1] = 0;
    UNTIL(p, p->sends[0] == 5);
    turns(p, 20);
    assert_int_equal(p->sends[0], 5);
    assert_true(p->seq[0] == 1 && p->seq[1] == 2);
}

/* libzmq doubles the first delay up to the longest; the first is by chance,
 * that nodes do not come back all at once. */
static void the_delay_before_a_new_connection_grows_and_differs(void **state)
{ /* W-141 */
    struct peer *p = *state;
    struct link *k = p->s->host.link;
    int first[6], most;
    size_t n = sizeof(most);
    bool differ = false;
    for (size_t i = 0; i < NELEM(first); i++) {
        assert_int_equal(link_reopen_lane(k, 0), ERR_OK);
        void *s = k->lane[0].socket;
        zmq_getsockopt(s, ZMQ_RECONNECT_IVL, &first[i], &n);
        zmq_getsockopt(s, ZMQ_RECONNECT_IVL_MAX, &most, &n);
        assert_in_range(first[i], 500, 1000);
        assert_int_equal(most, 60000);
        differ |= first[i] != first[0];
    }
    assert_true(differ);
}

/* ---- receiving ---- */

static json_int_t hub_count(struct peer *p, const char *key)
{
    struct node_answer a;
    assert_int_equal(node_do(p->s, "status", NULL, 0, &a), ERR_OK);
    json_int_t v = json_integer_value(
        json_object_get(json_object_get(a.json, "hub"), key));
    node_answer_fini(&a);
    return v;
}

static bool is_forked(struct peer *p)
{
    struct node_answer a;
    assert_int_equal(node_do(p->s, "status", NULL, 0, &a), ERR_OK);
    bool forked =
        json_is_true(json_object_get(json_object_get(a.json, "hub"), "forked"));
    node_answer_fini(&a);
    return forked;
}

static size_t inbox_size(struct peer *p)
{
    struct node_answer a;
    assert_int_equal(node_do(p->s, "inbox", NULL, 0, &a), ERR_OK);
    size_t n = json_array_size(json_object_get(a.json, "deliveries"));
    node_answer_fini(&a);
    return n;
}

/* W-127 */
static void a_delivery_is_stored_and_then_acknowledged(void **state)
{
    struct peer *p = *state;
    UNTIL(p, p->fetches[0] > 0 && p->fetches[1] > 0);
    deliver(p, HONEST, 0);
    UNTIL(p, p->acks == 1);
    assert_memory_equal(p->acked, p->n.hub.delivery_id, 16);
    assert_int_equal(inbox_size(p), 1);
    UNTIL(p, p->seen_size == 4);
    deliver(p, HONEST, 0);
    UNTIL(p, p->acks == 2);
    assert_int_equal(inbox_size(p), 1);
    assert_int_equal(hub_count(p, "repeated"), 1);
}

/* The disk takes nothing between the delivery and the commit. */
static void what_cannot_be_stored_is_not_acknowledged(void **state) /* W-127 */
{
    struct peer *p = *state;
    struct rlimit was, none;
    enum err e = ERR_OK;
    UNTIL(p, p->fetches[0] > 0 && p->fetches[1] > 0);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
    none = (struct rlimit){.rlim_cur = 1, .rlim_max = was.rlim_max};
    signal(SIGXFSZ, SIG_IGN);
    deliver(p, HONEST, 0);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
    for (int i = 0; i < 400 && e == ERR_OK; i++)
        e = node_turn(p->s, 5);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
    assert_int_equal(e, ERR_STORE);
    for (int i = 0; i < 50; i++) {
        usleep(4000);
        listen_once(p);
    }
    assert_int_equal(p->acks, 0);
    p->fetches[0] = 0;
    node_close(&p->s);
    assert_int_equal(node_open(p->n.conf, NODE_ONLINE, stderr, &p->s), ERR_OK);
    UNTIL(p, p->fetches[0] > 0);
    deliver(p, HONEST, 0);
    UNTIL(p, p->acks == 1);
    assert_int_equal(inbox_size(p), 1);
}

/* W-126 */
static void a_forged_delivery_is_never_acknowledged(void **state)
{
    struct peer *p = *state;
    static const struct {
        enum tamper tamper;
        enum err want;
    } FORGED[] = {
        {BOX_KEY, ERR_DLV_BOX},
        {HUB_SIGNATURE, ERR_DLV_SIGNATURE},
        {SENDER_SIGNATURE, ERR_EVT_SIGNATURE},
        {PART_BODY, ERR_EVT_COMMITMENT},
        {LEAF_PEER, ERR_DLV_PROOF},
        {LEAF_KIND, ERR_DLV_PROOF},
        {LEAF_ABSENT, ERR_DLV_PROOF}, /* the hub skipped its leaf */
        {PROOF_LENGTH, ERR_DLV_PROOF},
        {PROOF_NONE, ERR_DLV_PROOF},
        {FOR_ANOTHER, ERR_DLV_PROOF},
        {PROOF_PATH, ERR_DLV_PROOF},
        {NOTE_KEY, ERR_DLV_PROOF},
        {NOTE_ORIGIN, ERR_DLV_PROOF},
    };
    UNTIL(p, p->fetches[0] > 0);
    for (size_t i = 0; i < NELEM(FORGED); i++) {
        deliver(p, FORGED[i].tamper, 0);
        UNTIL(p, hub_count(p, "refused") == 1);
        if (p->s->host.link->trouble != FORGED[i].want)
            fail_msg("%zu: %s", i, err_code(p->s->host.link->trouble));
        assert_int_equal(inbox_size(p), 0);
        node_close(&p->s);
        /* its log would differ from the next one's: forget it */
        char path[128];
        snprintf(path, sizeof(path), "%s/spool/spool.db", p->n.folder);
        unlink(path);
        snprintf(path, sizeof(path), "%s/spool/spool.db-wal", p->n.folder);
        unlink(path);
        usleep(20000);
        listen_once(p); /* what the old connection still said */
        p->fetches[0] = 0;
        assert_int_equal(node_open(p->n.conf, NODE_ONLINE, stderr, &p->s),
                         ERR_OK);
        UNTIL(p, p->fetches[0] > 0);
        if (i + 1 < NELEM(FORGED))
            continue;
        turns(p, 10);
    }
    assert_int_equal(p->acks, 0);
    assert_int_equal(inbox_size(p), 0);
}

static bool both_notes(const char *folder, const char *name)
{
    static const char *const PARTS[] = {
        "---- seen before ----\n" ORIGIN "\n4\n",
        "\n---- received now ----\n" ORIGIN "\n"};
    char path[512];
    struct buf b = {0};
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    assert_int_equal(file_read(path, 65536, &b), ERR_OK);
    bool both = true;
    for (size_t i = 0; i < NELEM(PARTS); i++)
        both &= memmem(b.p, b.n, PARTS[i], strlen(PARTS[i])) != NULL;
    buf_fini(&b);
    return both;
}

static bool evidence(const struct peer *p)
{
    char path[128];
    bool found = false;
    snprintf(path, sizeof(path), "%s/spool", p->n.folder);
    DIR *d = opendir(path);
    for (struct dirent *e; (e = readdir(d)) != NULL;)
        found |= strncmp(e->d_name, "fork-evidence-", 14) == 0 &&
                 both_notes(path, e->d_name);
    closedir(d);
    return found;
}

/* W-173 */
static void a_forked_log_stops_deliveries_until_cleared(void **state)
{
    struct peer *p = *state;
    struct node_answer a;
    UNTIL(p, p->fetches[0] > 0);
    deliver(p, HONEST, 0);
    UNTIL(p, p->acks == 1);
    UNTIL(p, p->seen_size == 4);
    randombytes_buf(p->n.hub.delivery_id, 16);
    deliver(p, HONEST, 1); /* another log of the same size */
    UNTIL(p, evidence(p));
    assert_true(is_forked(p));
    node_close(&p->s);
    assert_int_equal(node_open(p->n.conf, NODE_ONLINE, stderr, &p->s), ERR_OK);
    assert_true(is_forked(p));
    p->fetches[0] = 0;
    turns(p, 50);
    assert_int_equal(p->fetches[0], 0);
    assert_int_equal(inbox_size(p), 1);
    const struct node_arg why = {"reason", "県と確認した"};
    assert_int_equal(node_do(p->s, "witness-clear", NULL, 0, &a), ERR_OK);
    assert_int_equal(a.code, ERR_USAGE);
    node_answer_fini(&a);
    assert_true(is_forked(p));
    assert_int_equal(node_do(p->s, "witness-clear", &why, 1, &a), ERR_OK);
    assert_int_equal(a.code, ERR_OK);
    node_answer_fini(&a);
    assert_false(is_forked(p));
    UNTIL(p, p->fetches[0] > 0);
    p->seen_size = 0;
    deliver(p, HONEST, 1);
    UNTIL(p, p->acks == 2);
}

/* W-126 */
static void a_proof_from_a_head_we_never_told_is_refused(void **state)
{
    struct peer *p = *state;
    UNTIL(p, p->fetches[0] > 0);
    deliver(p, HONEST, 0);
    UNTIL(p, p->acks == 1);
    UNTIL(p, p->seen_size == 4);
    p->seen_size = 2;
    deliver_at(p, HONEST, 1, 8);
    UNTIL(p, hub_count(p, "refused") == 1);
    struct checkpoint c;
    struct buf note = {0};
    assert_int_equal(spool_head(p->s->host.spool, SPOOL_HEAD_URGENT, &c, &note),
                     ERR_OK);
    assert_int_equal(c.size, 4);
    buf_fini(&note);
    assert_false(is_forked(p));
    assert_int_equal(p->acks, 1);
}

/* W-173 */
static void a_log_that_shrinks_is_a_fork(void **state)
{
    struct peer *p = *state;
    UNTIL(p, p->fetches[0] > 0);
    deliver(p, HONEST, 0);
    UNTIL(p, p->acks == 1);
    UNTIL(p, p->seen_size == 4);
    node_close(&p->s);
    usleep(20000);
    listen_once(p);
    p->fetches[0] = 0;
    assert_int_equal(node_open(p->n.conf, NODE_ONLINE, stderr, &p->s), ERR_OK);
    UNTIL(p, p->fetches[0] > 0);
    assert_int_equal(p->seen_size, 4);
    p->seen_size = 0;
    deliver_at(p, HONEST, 0, 3);
    UNTIL(p, evidence(p));
    assert_int_equal(p->acks, 1);
}

/* ---- a module and its deliveries ---- */

static char first_state(struct peer *p)
{
    struct node_answer a;
    assert_int_equal(node_do(p->s, "inbox", NULL, 0, &a), ERR_OK);
    const char *s =
        at(json_array_get(json_object_get(a.json, "deliveries"), 0), "state");
    char c = strcmp(s, "handed") == 0 ? 'h' : s[0];
    node_answer_fini(&a);
    return c;
}

static void what_a_module_does_not_take_is_offered_again(void **state)
{
    struct peer *p = *state;
    assert_null(node_attach(p->s, &MODULE));
    UNTIL(p, p->fetches[0] > 0);
    deliver(p, HONEST, 0);
    UNTIL(p, p->acks == 1);
    turns(p, 10);
    assert_int_equal(first_state(p), 'n');
    uint64_t end = clock_boot_ms() + 7000;
    while (first_state(p) != 'h' && clock_boot_ms() < end)
        turns(p, 10);
    assert_int_equal(first_state(p), 'h');
}

/* ---- the local socket ---- */

static void the_local_socket_answers_after_the_hub(void **state)
{
    struct peer *p = *state;
    struct node_client *c;
    struct node_answer a;
    char path[128], json[512];
    struct stat st;
    assert_false(node_is_running(p->n.conf));
    assert_int_equal(node_serve(p->s), ERR_OK);
    assert_true(node_is_running(p->n.conf));
    snprintf(path, sizeof(path), "%s/node.sock", p->n.folder);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(node_client_open(p->n.conf, stderr, &c), ERR_OK);
    snprintf(json, sizeof(json), OFFER, 1);
    ask(c, "send", "json", json, "t1");
    UNTIL(p, p->sends[0] == 1);
    assert_int_equal(node_client_answer(c, 0, &a), ERR_UNREACHABLE);
    send_receipt(p, TRUE_RECEIPT, PB__OUTCOME__ACCEPTED);
    await_answer(p, c, &a);
    assert_int_equal(a.code, ERR_OK);
    assert_string_equal(at(a.json, "tag"), "t1");
    assert_string_equal(at(a.json, "outcome"), "ACCEPTED");
    assert_int_equal(json_integer_value(json_object_get(a.json, "leaf_index")),
                     17);
    node_answer_fini(&a);
    ask(c, "send", "json", json, "t2"); /* a repeat: answered at once */
    await_answer(p, c, &a);
    assert_string_equal(at(a.json, "outcome"), "ACCEPTED");
    node_answer_fini(&a);
    assert_int_equal(p->sends[0], 1);
    ask(c, "send", "json", "{\"type\":1}", "t3");
    await_answer(p, c, &a);
    assert_int_equal(a.code, ERR_VAL_TYPE);
    assert_string_equal(at(a.json, "field"), "type");
    node_answer_fini(&a);
    ask(c, "nonsense", NULL, NULL, "t4");
    await_answer(p, c, &a);
    assert_int_equal(a.code, ERR_USAGE);
    node_answer_fini(&a);
    ask(c, "stop", NULL, NULL, "t5");
    await_answer(p, c, &a);
    node_answer_fini(&a);
    assert_true(node_stopping(p->s));
    node_client_close(&c);
}

static void without_a_hub_the_event_is_kept_and_said_so(void **state)
{
    struct peer *p = *state;
    struct node_arg args[] = {{"json", NULL}, {"timeout_ms", "300"}};
    struct node_answer a;
    char json[512];
    snprintf(json, sizeof(json), OFFER, 1);
    args[0].value = json;
    assert_int_equal(node_do(p->s, "send", args, 2, &a), ERR_OK);
    assert_int_equal(a.code, ERR_UNREACHABLE);
    assert_true(json_is_true(json_object_get(a.json, "kept")));
    node_answer_fini(&a);
}

static void a_question_reaches_the_hub(void **state)
{
    struct peer *p = *state;
    struct node_client *c;
    struct node_answer a;
    assert_int_equal(node_serve(p->s), ERR_OK);
    assert_int_equal(node_client_open(p->n.conf, stderr, &c), ERR_OK);
    UNTIL(p, p->fetches[1] > 0);
    ask(c, "hub:case", "case", "1", "t1");
    UNTIL(p, p->asks == 1);
    answer_json(p, "", "{\"state\":\"OPEN\"}");
    await_answer(p, c, &a);
    assert_string_equal(at(a.json, "state"), "OPEN");
    assert_string_equal(at(a.json, "tag"), "t1");
    node_answer_fini(&a);
    node_client_close(&c);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(an_event_goes_out_and_its_receipt_comes_back),
        CASE(a_refusal_carries_its_code),
        CASE(a_receipt_that_is_not_the_hubs_counts_for_nothing),
        CASE(a_receipt_comes_with_a_proof_that_is_kept),
        CASE(no_more_than_a_window_is_on_its_way),
        CASE(a_new_connection_starts_at_the_first_waiting_event),
        CASE(a_silent_hub_is_left_and_gets_what_it_has_not_answered),
        CASE(the_delay_before_a_new_connection_grows_and_differs),
        CASE(a_delivery_is_stored_and_then_acknowledged),
        CASE(what_cannot_be_stored_is_not_acknowledged),
        CASE(a_forged_delivery_is_never_acknowledged),
        CASE(a_forked_log_stops_deliveries_until_cleared),
        CASE(a_proof_from_a_head_we_never_told_is_refused),
        CASE(a_log_that_shrinks_is_a_fork),
        CASE(what_a_module_does_not_take_is_offered_again),
        CASE(the_local_socket_answers_after_the_hub),
        CASE(without_a_hub_the_event_is_kept_and_said_so),
        CASE(a_question_reaches_the_hub),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
