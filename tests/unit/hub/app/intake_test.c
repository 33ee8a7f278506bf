/* intake_test.c - what the hub takes in, what it refuses, and how it says so.
 */
#include "hub/core/flow.h"
#include "tests/unit/hub/app/region.h"
#include "tests/unit/proto/wire/forge.h"

#define H1 "MI-4910100017"
#define P1 "WO-4931000014"
#define S1 "WO-4911000018"
#define C1 "HC-492019-01"
#define DAY (UINT64_C(24) * 3600000)
#define MINUTE UINT64_C(60000)

/* ---- times, lanes, types, senders ---- */

static void late_clock(struct sent *s)
{
    s->d.created_ms -= 14 * DAY + MINUTE;
}
static void almost_old(struct sent *s)
{
    s->d.created_ms -= 14 * DAY - MINUTE;
}
static void fast_clock(struct sent *s)
{
    s->d.created_ms += 6 * MINUTE;
}
static void slightly_fast(struct sent *s)
{
    s->d.created_ms += 4 * MINUTE;
}
static void expired(struct sent *s)
{
    s->d.expires_ms = s->d.created_ms - 1;
}
static void other_lane(struct sent *s)
{
    s->lane = LANE_URGENT;
}
static void other_agency(struct sent *s)
{
    s->d.agency = "LG-492019";
}
static void other_node(struct sent *s)
{
    s->d.node = "p1";
}
static void other_key(struct sent *s)
{
    static uint8_t secret[SIGN_SECRET_BYTES];
    struct node_keys k;
    keys_make(&k, "h1");
    memcpy(secret, k.sign_secret, sizeof(secret));
    s->secret = secret;
}
static void no_purpose(struct sent *s)
{
    s->wanted[0].purpose = (char *)(uintptr_t) "P_NOTHING";
}
static void nobody(struct sent *s)
{
    s->wanted[0].agency = (char *)(uintptr_t) "OW-NOBODY-49";
}
static void unchanged(struct sent *s)
{
    (void)s;
}

static const struct {
    const char *name, *type;
    void (*change)(struct sent *s);
    const char *want;
} CASES[] = {
    {"a filing is accepted", "FILING_SUBMITTED", unchanged, ""},
    {"W-013 older than 14 days", "FILING_SUBMITTED", late_clock, "E-EVT-009"},
    {"W-013 almost 14 days old", "FILING_SUBMITTED", almost_old, ""},
    {"W-013 six minutes ahead", "FILING_SUBMITTED", fast_clock, "E-EVT-009"},
    {"W-013 four minutes ahead", "FILING_SUBMITTED", slightly_fast, ""},
    {"W-013 past its end", "FILING_SUBMITTED", expired, "E-EVT-010"},
    {"W-115 in the other lane", "FILING_SUBMITTED", other_lane, "E-EVT-012"},
    {"W-163 another agency's name (I-6)", "FILING_SUBMITTED", other_agency,
     "E-EVT-003"},
    {"W-163 another node's name (I-6)", "FILING_SUBMITTED", other_node,
     "E-EVT-003"},
    {"signed with another key", "FILING_SUBMITTED", other_key, "E-EVT-005"},
    {"a type this agency may not send", "PLAN_ISSUED", unchanged, "E-EVT-018"},
    {"an unknown purpose", "FILING_SUBMITTED", no_purpose, "E-EVT-015"},
    {"an unknown agency", "FILING_SUBMITTED", nobody, "E-EVT-014"},
};

static void an_event_is_taken_or_refused_with_its_code(void **state)
{
    struct region *r = *state;
    struct client *h1 = client(r, "h1");
    for (size_t i = 0; i < NELEM(CASES); i++) {
        struct sent s;
        char filing[16];
        snprintf(filing, sizeof(filing), "filing %zu", i);
        sent(&s, h1, CASES[i].type, NULL, "person", filing);
        sent_to(&s, C1, "P_FIL");
        CASES[i].change(&s);
        uint64_t events = r->hub->count.accepted;
        const char *got = post(h1, &s);
        if (strcmp(got, CASES[i].want) != 0)
            fail_msg("%s: got %s", CASES[i].name, got);
        assert_int_equal(r->hub->count.accepted - events,
                         CASES[i].want[0] == '\0');
    }
}

/* An event of the hub's, signed by a node under its own name. */
static void only_the_hub_makes_its_own_types(void **state) /* W-012 */
{
    struct region *r = *state;
    struct client *h1 = client(r, "h1");
    ProtobufCMessage *ev = NULL, *hd = NULL;
    struct buf packed = {0}, header = {0}, send = {0};
    uint8_t signature[SIGNATURE_BYTES];
    struct sent s;
    sent(&s, h1, "MOVE_IN_PLANNED", NULL, "person", "case");
    s.d.agency = "HUB";
    s.d.node = "hub";
    assert_int_equal(event_make(&s.d, s.secret, &packed), ERR_OK);
    unpack_free(&s.body);
    assert_int_equal(unpack(&pb__event__descriptor, buf_slice(&packed), &ev),
                     ERR_OK);
    Pb__Event *e = (Pb__Event *)ev;
    assert_int_equal(
        unpack(&pb__event_header__descriptor, pb_slice(e->header), &hd),
        ERR_OK);
    Pb__EventHeader own = *(Pb__EventHeader *)hd;
    own.agency = (char *)(uintptr_t)h1->agency;
    own.node = h1->keys.pub.node;
    assert_int_equal(pack(&own.base, &header), ERR_OK);
    assert_int_equal(
        sign_make(SIGN_EVENT, buf_slice(&header), s.secret, signature), ERR_OK);
    Pb__Event forged = *e;
    forged.header = pb_borrow(buf_slice(&header));
    forged.signature = (ProtobufCBinaryData){SIGNATURE_BYTES, signature};
    buf_reset(&packed);
    assert_int_equal(pack(&forged.base, &packed), ERR_OK);
    Pb__Send m = PB__SEND__INIT;
    m.has_event = 1;
    m.event = pb_borrow(buf_slice(&packed));
    assert_int_equal(pack(&m.base, &send), ERR_OK);
    client_send(h1, LANE_NORMAL, VERB_SEND, buf_slice(&send));
    assert_string_equal(want_error(h1, LANE_NORMAL, NULL, NULL), "E-EVT-013");
    unpack_free(&ev);
    unpack_free(&hd);
    buf_fini(&packed);
    buf_fini(&header);
    buf_fini(&send);
}

/* It would not fit into a leaf. */
static void a_monstrous_signature_is_refused_like_any_other(void **state)
{
    struct region *r = *state;
    struct client *h1 = client(r, "h1");
    ProtobufCMessage *send = NULL, *ev = NULL;
    struct buf packed = {0}, event = {0}, out = {0};
    struct sent s;
    sent(&s, h1, "FILING_SUBMITTED", NULL, "person", "filing");
    sent_to(&s, C1, "P_FIL");
    sent_pack(&s, &packed);
    assert_int_equal(unpack(&pb__send__descriptor, buf_slice(&packed), &send),
                     ERR_OK);
    assert_int_equal(unpack(&pb__event__descriptor,
                            pb_slice(((Pb__Send *)send)->event), &ev),
                     ERR_OK);
    static uint8_t long_one[8192];
    Pb__Event e = *(Pb__Event *)ev;
    e.signature = (ProtobufCBinaryData){sizeof(long_one), long_one};
    assert_int_equal(pack(&e.base, &event), ERR_OK);
    Pb__Send m = PB__SEND__INIT;
    m.has_event = 1;
    m.event = pb_borrow(buf_slice(&event));
    assert_int_equal(pack(&m.base, &out), ERR_OK);
    Pb__Receipt *a = exchange(h1, LANE_NORMAL, buf_slice(&out), NULL);
    assert_string_equal(outcome(a), "E-EVT-005");
    assert_int_equal(r->hub->broken, ERR_OK);
    receipt_free(&a);
    unpack_free(&send);
    unpack_free(&ev);
    buf_fini(&packed);
    buf_fini(&event);
    buf_fini(&out);
}

/* A forged header must not spoil the numbering of the node it came from. */
static void a_gap_in_the_sequence_is_taken(void **state) /* W-014 */
{
    struct region *r = *state;
    struct client *h1 = client(r, "h1");
    struct buf packed = {0}, raw = {0};
    uint64_t last = 0;
    for (int i = 0; i < 2; i++) {
        struct sent s;
        h1->seq[LANE_NORMAL] += (uint64_t)i * 40; /* forty never arrived */
        sent(&s, h1, "FILING_SUBMITTED", NULL, "person", i ? "late" : "early");
        sent_to(&s, "HC-492019-01", "P_FIL");
        buf_reset(&packed);
        buf_reset(&raw);
        sent_pack(&s, &packed);
        Pb__Receipt *a = exchange(h1, s.lane, buf_slice(&packed), &raw);
        assert_int_equal(a->outcome, PB__OUTCOME__ACCEPTED);
        receipt_free(&a);
        last = s.d.node_seq;
    }
    uint64_t kept = 0;
    assert_int_equal(store_node_seq(r->hub->store, "h1", LANE_NORMAL, &kept),
                     ERR_OK);
    assert_int_equal(kept, last);
    buf_fini(&packed);
    buf_fini(&raw);
}

static void a_forgery_does_not_move_the_sequence(void **state)
{
    struct region *r = *state;
    struct client *h1 = client(r, "h1");
    struct sent s;
    uint64_t last;
    sent(&s, h1, "FILING_SUBMITTED", NULL, "person", "filing");
    sent_to(&s, C1, "P_FIL");
    s.d.node_seq = 1000000;
    other_key(&s);
    assert_string_equal(post(h1, &s), "E-EVT-005");
    assert_int_equal(store_node_seq(r->hub->store, "h1", LANE_NORMAL, &last),
                     ERR_OK);
    assert_int_equal(last, 0);
}

/* ---- repeats ---- */

/* The part of a RECEIPT that is kept and signed, and the rest. */
static void cut_receipt(struct slice body, struct buf *signed_part,
                        struct buf *proof)
{
    ProtobufCMessage *m = NULL;
    assert_int_equal(unpack(&pb__signed_receipt__descriptor, body, &m), ERR_OK);
    Pb__SignedReceipt s = *(Pb__SignedReceipt *)m; /* borrows */
    buf_adds(proof, s.proof);
    s.proof = NULL;
    assert_int_equal(pack(&s.base, signed_part), ERR_OK);
    unpack_free(&m);
}

/* exchange() checks the proof of every receipt. */
static void a_repeat_is_proved_by_a_head_of_today(void **state) /* W-176 */
{
    struct region *r = *state;
    struct client *h1 = client(r, "h1");
    struct sent s;
    struct buf packed = {0}, raw[2] = {{0}, {0}}, part[2] = {{0}, {0}},
               proof[2] = {{0}, {0}};
    sent(&s, h1, "FILING_SUBMITTED", NULL, "person", "filing");
    sent_to(&s, C1, "P_FIL");
    sent_pack(&s, &packed);
    for (int i = 0; i < 2; i++) {
        Pb__Receipt *a = exchange(h1, s.lane, buf_slice(&packed), &raw[i]);
        cut_receipt(buf_slice(&raw[i]), &part[i], &proof[i]);
        receipt_free(&a);
        assert_string_equal(post_sample(h1, "FILING_SUBMITTED", "person",
                                        "another", C1, "P_FIL"),
                            "");
    }
    assert_true(slice_eq(buf_slice(&part[0]), buf_slice(&part[1])));
    assert_false(slice_eq(buf_slice(&proof[0]), buf_slice(&proof[1])));
    for (int i = 0; i < 2; i++) {
        buf_fini(&raw[i]);
        buf_fini(&part[i]);
        buf_fini(&proof[i]);
    }
    buf_fini(&packed);
}

static void a_repeat_gets_the_first_receipt_again(void **state) /* W-111 */
{
    struct region *r = *state;
    struct client *h1 = client(r, "h1");
    struct sent s;
    struct buf packed = {0}, first = {0}, again = {0};
    sent(&s, h1, "FILING_SUBMITTED", NULL, "person", "filing");
    sent_to(&s, C1, "P_FIL");
    sent_pack(&s, &packed);
    Pb__Receipt *a = exchange(h1, s.lane, buf_slice(&packed), &first);
    uint64_t leaves = store_log_size(r->hub->store);
    for (int i = 0; i < 3; i++) {
        Pb__Receipt *b = exchange(h1, s.lane, buf_slice(&packed), &again);
        assert_true(slice_eq(buf_slice(&first), buf_slice(&again)));
        buf_reset(&again);
        receipt_free(&b);
    }
    assert_int_equal(r->hub->count.repeated, 3);
    assert_int_equal(store_log_size(r->hub->store), leaves);
    /* and after a restart, on another connection */
    client_close(h1);
    region_stop(r);
    region_start(r);
    Pb__Receipt *b =
        exchange(client(r, "h1"), s.lane, buf_slice(&packed), &again);
    assert_true(slice_eq(buf_slice(&first), buf_slice(&again)));
    receipt_free(&a);
    receipt_free(&b);
    buf_fini(&packed);
    buf_fini(&first);
    buf_fini(&again);
}

static void one_id_has_one_content(void **state) /* W-112 */
{
    struct region *r = *state;
    struct client *h1 = client(r, "h1"), *p1 = client(r, "p1");
    struct sent s, other;
    sent(&s, h1, "FILING_SUBMITTED", NULL, "person", "filing");
    sent_to(&s, C1, "P_FIL");
    struct id id = s.d.event_id;
    assert_string_equal(post(h1, &s), "");
    sent(&other, h1, "FILING_SUBMITTED", NULL, "person", "filing");
    sent_to(&other, C1, "P_FIL");
    other.d.event_id = id;
    assert_string_equal(post(h1, &other), "E-EVT-011");
    sent(&other, p1, "EMERGENCY_REGISTERED", NULL, "person", NULL);
    other.d.event_id = id;
    assert_string_equal(post(p1, &other), "E-EVT-011");
    assert_int_equal(r->hub->count.accepted, 1);
}

/* ---- refusals ---- */

static void a_refusal_is_a_receipt(void **state) /* W-113 W-154 */
{
    struct region *r = *state;
    struct client *h1 = client(r, "h1");
    struct sent s;
    struct buf packed = {0}, raw = {0};
    sent(&s, h1, "FILING_SUBMITTED", NULL, "person", "filing");
    sent_to(&s, "OW-NOBODY-49", "P_FIL");
    struct id id = s.d.event_id;
    sent_pack(&s, &packed);
    Pb__Receipt *a = exchange(h1, s.lane, buf_slice(&packed), &raw);
    assert_int_equal(a->outcome, PB__OUTCOME__REFUSED);
    assert_memory_equal(a->event_id.data, id.b, ID_BYTES);
    assert_string_equal(a->text_ja, err_ja(ERR_EVT_RECIPIENT));
    assert_string_equal(a->text_en, err_en(ERR_EVT_RECIPIENT));
    assert_int_equal(a->n_recipient, 0);
    Pb__AuditLeaf *l = leaf_at(r, a->leaf_index);
    assert_int_equal(l->kind, PB__LEAF_KIND__INGEST);
    assert_int_equal(l->outcome, 0);
    assert_string_equal(l->reason, "E-EVT-014");
    assert_memory_equal(l->event_id.data, id.b, ID_BYTES);
    assert_false(l->has_subject_handle);
    /* nothing of the message comes back */
    assert_null(memmem(raw.p, raw.n, "NOBODY", 6));
    assert_null(memmem(raw.p, raw.n, "架空", 6));
    pb__audit_leaf__free_unpacked(l, NULL);
    receipt_free(&a);
    buf_fini(&packed);
    buf_fini(&raw);
}

static void what_reaches_nobody_waits_for_a_person(void **state) /* I-10 */
{
    struct region *r = *state;
    struct client *h1 = client(r, "h1");
    struct sent s;
    struct store_counts before, after;
    assert_int_equal(store_counts(r->hub->store, &before), ERR_OK);
    sent(&s, h1, "DISCHARGE_PLANNED", NULL, "person", "case");
    sent_to(&s, "R_PEER", "P_TRA");
    s.wanted[0].place = (char *)(uintptr_t) "49201";
    assert_string_equal(post(h1, &s), "parked");
    assert_int_equal(store_counts(r->hub->store, &after), ERR_OK);
    assert_int_equal(after.parked - before.parked, 1);
    assert_int_equal(count_leaves(r, PB__LEAF_KIND__LEAF_PARKED), 1);
}

/* ---- late answers ---- */

static const char *send_offer(struct client *s1, const struct got *asked)
{
    Pb__StayOffered b = PB__STAY_OFFERED__INIT;
    struct sent s;
    b.has_hold_until_ms = 1;
    b.hold_until_ms = clock_wall_ms() + 20 * MINUTE;
    sent(&s, s1, "STAY_OFFERED", &b.base, NULL, "any");
    memcpy(s.case_token, asked->d->case_token.data, 16);
    sent_to(&s, "OW-B1-49", "P_EMG");
    return post(s1, &s);
}

static void
a_late_answer_is_answered_never_applied(void **state) /* W-114 I-8 */
{
    struct region *r = *state;
    struct client *b1 = client(r, "b1"), *s1 = client(r, "s1");
    post_sample(b1, "EMERGENCY_REQUESTED", "person", "night", NULL, NULL);
    post_sample(b1, "EMERGENCY_TRIAGED", "person", "night", NULL, NULL);
    assert_string_equal(
        post_sample(b1, "STAY_CANVASS", "person", "night", S1, "P_EMG"), "");
    assert_int_equal(fetch(s1, LANE_URGENT), 1);
    struct got asked = *last_got(s1);
    assert_string_equal(
        post_sample(b1, "CANCELLED", "person", "night", NULL, NULL), "");
    struct id id, person;
    Pb__CaseState *before = NULL, *after = NULL;
    bool found;
    assert_int_equal(store_token_find(r->hub->store, S1, TOKEN_CASE,
                                      asked.d->case_token.data, &found, &id),
                     ERR_OK);
    assert_true(found);
    assert_int_equal(store_case_get(r->hub->store, id, &before, &person),
                     ERR_OK);
    assert_string_equal(send_offer(s1, &asked), "late");
    assert_int_equal(store_case_get(r->hub->store, id, &after, &person),
                     ERR_OK);
    assert_int_equal(before->version, after->version);
    assert_int_equal(after->n_offer, 0);
    case_free(&before);
    case_free(&after);
    /* the provider is told: released, and too late */
    fetch_for(s1, LANE_URGENT, 64, 100);
    assert_int_equal(s1->got_n, 3);
    assert_string_equal(last_got(s1)->event->schema->event_name,
                        "OFFER_REJECTED_LATE");
}

/* ---- limits ---- */

static const char *send_raw(struct client *c, struct slice packed,
                            uint32_t *retry, struct id *about)
{
    client_send(c, LANE_NORMAL, VERB_SEND, packed);
    return want_error(c, LANE_NORMAL, retry, about);
}

static void pack_next(struct client *c, struct buf *out, struct id *id)
{
    struct sent s;
    sent(&s, c, "FILING_SUBMITTED", NULL, "person", "filing");
    sent_to(&s, C1, "P_FIL");
    *id = s.d.event_id;
    sent_pack(&s, out);
}

static void
nothing_overtakes_what_was_turned_away(void **state) /* W-116 W-151 */
{
    struct region *r = *state;
    struct client *h1 = client(r, "h1"), *p1 = client(r, "p1");
    struct buf m[4] = {{0}};
    struct id id[4], about;
    uint32_t retry;
    for (int i = 0; i < 4; i++)
        pack_next(h1, &m[i], &id[i]);
    r->hub->config.rate = 1;
    r->hub->config.burst = 2;
    for (int i = 0; i < 2; i++) {
        Pb__Receipt *a = exchange(h1, LANE_NORMAL, buf_slice(&m[i]), NULL);
        receipt_free(&a);
    }
    assert_string_equal(send_raw(h1, buf_slice(&m[2]), &retry, &about),
                        "E-LIM-001");
    assert_true(retry > 0); /* W-150 */
    assert_true(id_eq(about, id[2]));
    /* another node is as fast as ever */
    assert_string_equal(
        post_sample(p1, "EMERGENCY_REGISTERED", "x", NULL, NULL, NULL), "");
    r->hub->config.rate = 1000000;
    r->hub->config.burst = 1000;
    usleep(3000);
    assert_string_equal(send_raw(h1, buf_slice(&m[3]), &retry, &about),
                        "E-LIM-001");
    Pb__Receipt *old = exchange(h1, LANE_NORMAL, buf_slice(&m[1]), NULL);
    receipt_free(&old); /* an earlier one again: it changes nothing */
    assert_string_equal(send_raw(h1, buf_slice(&m[3]), &retry, &about),
                        "E-LIM-001");
    for (int i = 2; i < 4; i++) {
        Pb__Receipt *a = exchange(h1, LANE_NORMAL, buf_slice(&m[i]), NULL);
        assert_string_equal(outcome(a), "");
        receipt_free(&a);
    }
    for (int i = 0; i < 4; i++)
        buf_fini(&m[i]);
}

static void the_unreadable_costs_the_budget_too(void **state) /* W-151 */
{
    struct region *r = *state;
    struct client *h1 = client(r, "h1");
    uint32_t retry;
    r->hub->config.rate = 1;
    r->hub->config.burst = 2;
    struct slice junk = slice_str("\xff\xff");
    assert_string_equal(send_raw(h1, junk, NULL, NULL), "E-PB-001");
    assert_string_equal(send_raw(h1, junk, NULL, NULL), "E-PB-001");
    assert_string_equal(send_raw(h1, junk, &retry, NULL), "E-LIM-001");
    assert_true(retry > 0);
    assert_int_equal(count_leaves(r, PB__LEAF_KIND__LEAF_PARKED), 2);
}

/* Sends frames as they are. */
static void raw_frames(void *s, const char *const *frame, size_t n)
{
    for (size_t i = 0; i < n; i++)
        assert_true(zmq_send(s, frame[i], strlen(frame[i]),
                             i + 1 < n ? ZMQ_SNDMORE : 0) >= 0);
}

static void the_malformed_is_kept_and_answered(void **state) /* W-150 W-152 */
{
    static const struct {
        const char *name, *frame[5];
        size_t n;
        const char *want;
    } BAD[] = {
        {"two frames", {"TSN1", "SEND"}, 2, "E-FRM-003"},
        {"four frames", {"TSN1", "SEND", "", ""}, 4, "E-FRM-003"},
        {"another version", {"TSN2", "SEND", ""}, 3, "E-FRM-001"},
        {"an unknown verb", {"TSN1", "HELLO", ""}, 3, "E-FRM-002"},
        {"a reserved verb", {"TSN1", "ENROL", ""}, 3, "E-FRM-002"},
        {"a verb of the future", {"TSN1", "WITNESS", ""}, 3, "E-FRM-002"},
        {"no protobuf", {"TSN1", "SEND", "\xff\xff"}, 3, "E-PB-001"},
        {"an unknown field", {"TSN1", "FETCH", "\x58\x01"}, 3, "E-PB-004"},
        {"an ack of nothing", {"TSN1", "ACK", "\x0a\x01x"}, 3, "E-PB-001"},
    };
    struct region *r = *state;
    struct client *h1 = client(r, "h1");
    for (size_t i = 0; i < NELEM(BAD); i++) {
        uint32_t retry = 1;
        raw_frames(h1->lane[1], BAD[i].frame, BAD[i].n);
        const char *got = want_error(h1, LANE_NORMAL, &retry, NULL);
        if (strcmp(got, BAD[i].want) != 0 || retry != 0)
            fail_msg("%s: got %s", BAD[i].name, got);
        struct store_counts c;
        assert_int_equal(store_counts(r->hub->store, &c), ERR_OK);
        assert_int_equal(c.parked, i + 1);
    }
    client_sync(h1, LANE_NORMAL); /* and the connection is as good as before */
}

static void a_bad_event_is_answered_with_its_id(void **state) /* W-150 */
{
    struct region *r = *state;
    struct client *h1 = client(r, "h1");
    struct buf m = {0};
    struct id id, about;
    uint32_t retry = 1;
    pack_next(h1, &m, &id);
    m.p[m.n - 1] ^= 1; /* a part that no longer fits its commitment */
    assert_string_equal(send_raw(h1, buf_slice(&m), &retry, &about),
                        "E-EVT-006");
    assert_true(id_eq(about, id));
    assert_int_equal(retry, 0);
    buf_fini(&m);
}

/* One field of each type in a part that is not its own: moved into the part of
 * another class, or, where the type has one class alone, said to be another. */
static const char *field_in_wrong_part(const struct schema_message *m,
                                       const struct sample_keys *k,
                                       struct buf *out)
{
    struct forge f = forge_begin(m, k);
    size_t n = f.msg->n_part;
    if (n > 2) {
        ProtobufCBinaryData last = f.msg->part[n - 1]->body;
        f.msg->part[n - 1]->body = f.msg->part[1]->body;
        f.msg->part[1]->body = last;
        commit_anew(&f, 1);
    } else {
        f.msg->part[1]->cls = CLASS_MAX - 1;
    }
    commit_anew(&f, n - 1);
    struct buf packed = forge_end(&f, k);
    Pb__Send send = PB__SEND__INIT;
    send.has_event = 1;
    send.event = pb_borrow(buf_slice(&packed));
    assert_int_equal(pack(&send.base, out), ERR_OK);
    buf_fini(&packed);
    if (m->channel[0] != '\0')
        return "E-EVT-020";
    return n > 2 ? "E-EVT-008" : "E-EVT-007";
}

static void no_type_is_taken_with_a_field_in_a_wrong_part(void **state)
{
    struct region *r = *state; /* I-12, W-035 */
    struct client *h1 = client(r, "h1");
    struct sample_keys k = sample_key();
    for (size_t i = 0; i < SCHEMA_MESSAGE_COUNT; i++) {
        const struct schema_message *m = &SCHEMA_MESSAGES[i];
        struct buf send = {0};
        if (m->event == 0)
            continue;
        const char *want = field_in_wrong_part(m, &k, &send);
        const char *got = send_raw(h1, buf_slice(&send), NULL, NULL);
        if (strcmp(got, want) != 0)
            fail_msg("%s: %s", m->event_name, got);
        buf_fini(&send);
    }
    struct store_counts c;
    assert_int_equal(store_counts(r->hub->store, &c), ERR_OK);
    assert_int_equal(c.events, 0);
}

static void send_type(struct client *c, const struct schema_message *m,
                      bool nobody, unsigned pick)
{
    struct sample_how how = {"カナリア", pick};
    ProtobufCMessage *body = sample_body_how(m, &how);
    struct sent s;
    sent(&s, c, m->event_name, body, nobody ? NULL : "person",
         nobody ? NULL : m->event_name);
    sent_to(&s, C1, "P_TRA");
    sent_to(&s, P1, "P_PD");
    uint8_t actor[16] = {1};
    s.routing.has_actor = 1;
    s.routing.actor = (ProtobufCBinaryData){16, actor};
    post(c, &s);
    unpack_free(&body);
}

/* Every type there is, valid, from every node, in the order of numbers: the
 * hub answers each by a receipt and goes on. */
static void every_type_from_everyone_is_answered(void **state) /* W-150 */
{
    struct region *r = *state;
    for (uint32_t type = 1; type < 3000; type++) {
        const struct schema_message *m = schema_event(type);
        if (m == NULL || m->hub_only || m->channel[0] != '\0')
            continue;
        for (size_t i = 0; i < NELEM(NODES); i++) {
            send_type(client(r, NODES[i].node), m, flow_about_nobody(type),
                      type % 3);
            assert_int_equal(r->hub->broken, ERR_OK);
        }
    }
    assert_true(r->hub->count.accepted > 100);
    for (size_t i = 0; i < NELEM(NODES); i++) /* and what it released holds */
        for (int lane = 0; lane < LANE_COUNT; lane++)
            fetch_for(client(r, NODES[i].node), lane, 64, 100);
    assert_int_equal(r->hub->broken, ERR_OK);
}

static void what_is_about_nobody_makes_no_person(void **state)
{
    struct region *r = *state;
    struct client *s1 = client(r, "s1");
    struct sent s;
    sent(&s, s1, "VACANCY_UPDATED", NULL, NULL, NULL);
    sent_to(&s, "OW-K1-492019", "P_EMG");
    const char *got = post(s1, &s);
    assert_int_not_equal(got[0], 'E');
    assert_int_equal(r->hub->count.accepted, 1);
    for (uint64_t i = 0; i < store_log_size(r->hub->store); i++) {
        Pb__AuditLeaf *l = leaf_at(r, i);
        assert_false(l->has_subject_handle);
        pb__audit_leaf__free_unpacked(l, NULL);
    }
    sent(&s, s1, "VACANCY_UPDATED", NULL, "person", NULL);
    sent_to(&s, "OW-K1-492019", "P_EMG");
    assert_string_equal(post(s1, &s), "E-EVT-021");
}

/* A report of abuse, whole, broken or unreadable from its parts on. */
static void another_channels_event_leaves_no_trace(void **state) /* W-119 */
{
    static const char *const TYPES[] = {"ABUSE_REPORTED", "ABUSE_FIGURES"};
    struct region *r = *state;
    struct client *h1 = client(r, "h1");
    struct store_counts before, after;
    client_sync(h1, LANE_NORMAL);
    assert_int_equal(store_counts(r->hub->store, &before), ERR_OK);
    for (size_t i = 0; i < 6; i++) {
        struct buf m = {0};
        struct sent s;
        struct id about;
        uint32_t retry = 1;
        sent(&s, h1, TYPES[i % 2], NULL, "person", NULL);
        sent_to(&s, C1, "P_ABU");
        sent_pack(&s, &m);
        if (i / 2 == 1)
            m.p[m.n - 1] ^= 1;
        if (i / 2 == 2)
            memset(m.p + m.n - 8, 0xff, 8);
        client_send(h1, s.lane, VERB_SEND, buf_slice(&m));
        assert_string_equal(want_error(h1, s.lane, &retry, &about),
                            "E-EVT-020");
        assert_int_equal(retry, 0);
        if (i / 2 < 2)
            assert_true(id_eq(about, s.d.event_id));
        buf_fini(&m);
    }
    assert_int_equal(store_counts(r->hub->store, &after), ERR_OK);
    assert_memory_equal(&before, &after, sizeof(before));
    assert_int_equal(r->hub->count.malformed + r->hub->count.refused, 0);
}

static void what_is_too_large_is_answered(void **state) /* W-103 W-150 */
{
    struct region *r = *state;
    struct client *h1 = client(r, "h1");
    uint8_t *big = calloc(1, FRAME_MAX + 1);
    zmq_send(h1->lane[1], "TSN1", 4, ZMQ_SNDMORE);
    zmq_send(h1->lane[1], "SEND", 4, ZMQ_SNDMORE);
    zmq_send(h1->lane[1], big, FRAME_MAX + 1, 0);
    assert_string_equal(want_error(h1, LANE_NORMAL, NULL, NULL), "E-FRM-004");
    assert_string_equal(send_raw(h1, slice_of(big, FRAME_MAX), NULL, NULL),
                        "E-PB-001"); /* of the right size, only empty */
    free(big);
}

static void too_large_a_body_is_refused(void **state) /* W-037 W-150 */
{
    struct region *r = *state;
    struct client *h1 = client(r, "h1");
    Pb__DischargePlanned b = PB__DISCHARGE_PLANNED__INIT;
    struct sent s;
    struct buf out = {0};
    char *note = malloc(EVENT_BODY_MAX + 1);
    memset(note, 'x', EVENT_BODY_MAX);
    note[EVENT_BODY_MAX] = '\0';
    b.note = note;
    sent(&s, h1, "DISCHARGE_PLANNED", &b.base, "person", "case");
    assert_int_not_equal(event_make(&s.d, s.secret, &out), ERR_OK);
    free(note);
    buf_fini(&out);
}

/* ---- consents ---- */

static void a_new_consent_ends_the_one_it_replaces(void **state)
{
    struct region *r = *state;
    struct client *p1 = client(r, "p1");
    assert_string_equal(give(p1, "person", "old", P1, "P_TRA"), "");
    assert_string_equal(give_as(p1, "person", "new", P1, "P_TRA", "nothing"),
                        "E-VAL-024");
    assert_string_equal(give_as(p1, "person", "new", P1, "P_TRA", "old"), "");
    assert_int_equal(count_leaves(r, PB__LEAF_KIND__CONSENT_GRANT), 2);
    assert_int_equal(count_leaves(r, PB__LEAF_KIND__CONSENT_REVOKE), 1);
    /* to withdraw what was replaced means what took its place */
    assert_string_equal(withdraw(p1, "person", "old"), "");
    assert_string_equal(withdraw(p1, "person", "new"), "E-NF-001");
    assert_string_equal(withdraw(p1, "person", NULL), "E-NF-001");
    assert_string_equal(give(p1, "person", "new", P1, "P_TRA"), "E-CNF-001");
}

/* The person said no before; taking back every yes leaves the no standing. */
static void taking_back_all_consents_lifts_no_refusal(void **state)
{
    struct region *r = *state;
    struct client *b1 = client(r, "b1");
    Pb__ConsentRefused no = PB__CONSENT_REFUSED__INIT;
    Pb__EmergencyRequested unable = PB__EMERGENCY_REQUESTED__INIT;
    uint8_t ref[16];
    struct sent s;
    token_of(ref, "no");
    no.has_consent_ref = 1;
    no.consent_ref = (ProtobufCBinaryData){16, ref};
    no.purpose = (char *)(uintptr_t) "P_EMG";
    sent(&s, b1, "CONSENT_REFUSED", &no.base, "person", NULL);
    assert_string_equal(post(b1, &s), "");
    assert_string_equal(give(b1, "person", "yes", S1, "P_REG"), "");
    assert_string_equal(withdraw(b1, "person", NULL), "");
    unable.has_registration = 1;
    unable.registration = PB__REGISTRATION__UNREGISTERED_UNABLE;
    unable.care = (char *)(uintptr_t) "x";
    sent(&s, b1, "EMERGENCY_REQUESTED", &unable.base, "person", "night");
    sent_to(&s, "OW-B1-49", "P_EMG");
    assert_string_equal(post(b1, &s), "");
    assert_int_equal(fetch_for(b1, LANE_URGENT, 8, 100), 0);
}

/* A provider that was asked knows the case by a token and nothing else. */
static void who_was_asked_takes_no_consent_back(void **state)
{
    struct region *r = *state;
    struct client *b1 = client(r, "b1"), *s1 = client(r, "s1");
    Pb__ConsentWithdrawn all = PB__CONSENT_WITHDRAWN__INIT;
    struct sent s;
    give(b1, "person", "yes", S1, "P_EMG");
    post_sample(b1, "EMERGENCY_REQUESTED", "person", "night", NULL, NULL);
    post_sample(b1, "EMERGENCY_TRIAGED", "person", "night", NULL, NULL);
    post_sample(b1, "STAY_CANVASS", "person", "night", S1, "P_EMG");
    assert_int_equal(fetch(s1, LANE_URGENT), 1);
    all.has_all = all.all = 1;
    for (int named = 0; named < 2;
         named++) { /* a token made up changes nothing */
        sent(&s, s1, "CONSENT_WITHDRAWN", &all.base, named ? "me" : NULL, "x");
        memcpy(s.case_token, last_got(s1)->d->case_token.data, 16);
        assert_string_equal(post(s1, &s), "E-FLW-004");
    }
    assert_int_equal(count_leaves(r, PB__LEAF_KIND__CONSENT_REVOKE), 0);
}

/* ---- memory ---- */

static bool measurable(void)
{
#if defined(__SANITIZE_ADDRESS__)
    return false;
#else
    return getenv("TSUNAGI_VALGRIND") == NULL;
#endif
}

static long resident_kib(void)
{
    char line[128];
    long kib = 0;
    FILE *f = fopen("/proc/self/status", "r");
    assert_non_null(f);
    while (fgets(line, sizeof(line), f) != NULL)
        if (sscanf(line, "VmRSS: %ld", &kib) == 1)
            break;
    fclose(f);
    return kib;
}

static void send_malformed(struct client *c, int i)
{
    static const char *const FRAME[][4] = {
        {"TSN1", "SEND", "", "more"},
        {"TSN2", "SEND", "x", ""},
        {"TSN1", "LIST", "x", ""},
        {"TSN1", "SEND", "\x0a\x03\x0a\x01x", ""},
    };
    raw_frames(c->lane[1], FRAME[i % 4], i % 4 == 0 ? 4 : 3);
    assert_true(want_error(c, LANE_NORMAL, NULL, NULL)[0] == 'E');
}

static void malformed_messages_leave_no_memory_behind(void **state)
{
    struct region *r = *state;
    struct client *h1 = client(r, "h1");
    long after_300 = 0;
    if (!measurable())
        skip();
    for (int i = 0; i < 3000; i++) {
        send_malformed(h1, i);
        if (i == 300)
            after_300 = resident_kib();
        if (i % 100 == 99) { /* as the main loop does when it has time */
            assert_int_equal(store_tidy(r->hub->store), ERR_OK);
        }
    }
    long grown = resident_kib() - after_300;
    if (grown > 2048)
        fail_msg("grew by %ld KiB", grown);
    struct store_counts c;
    assert_int_equal(store_counts(r->hub->store, &c), ERR_OK);
    assert_int_equal(c.parked, 1000); /* the others are in the log alone */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        REGION_TEST(an_event_is_taken_or_refused_with_its_code),
        REGION_TEST(only_the_hub_makes_its_own_types),
        REGION_TEST(a_monstrous_signature_is_refused_like_any_other),
        REGION_TEST(a_gap_in_the_sequence_is_taken),
        REGION_TEST(a_forgery_does_not_move_the_sequence),
        REGION_TEST(a_repeat_is_proved_by_a_head_of_today),
        REGION_TEST(a_repeat_gets_the_first_receipt_again),
        REGION_TEST(one_id_has_one_content),
        REGION_TEST(a_refusal_is_a_receipt),
        REGION_TEST(what_reaches_nobody_waits_for_a_person),
        REGION_TEST(a_late_answer_is_answered_never_applied),
        REGION_TEST(nothing_overtakes_what_was_turned_away),
        REGION_TEST(the_unreadable_costs_the_budget_too),
        REGION_TEST(the_malformed_is_kept_and_answered),
        REGION_TEST(a_bad_event_is_answered_with_its_id),
        REGION_TEST(no_type_is_taken_with_a_field_in_a_wrong_part),
        REGION_TEST(every_type_from_everyone_is_answered),
        REGION_TEST(what_is_about_nobody_makes_no_person),
        REGION_TEST(another_channels_event_leaves_no_trace),
        REGION_TEST(what_is_too_large_is_answered),
        REGION_TEST(too_large_a_body_is_refused),
        REGION_TEST(a_new_consent_ends_the_one_it_replaces),
        REGION_TEST(taking_back_all_consents_lifts_no_refusal),
        REGION_TEST(who_was_asked_takes_no_consent_back),
        REGION_TEST(malformed_messages_leave_no_memory_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
