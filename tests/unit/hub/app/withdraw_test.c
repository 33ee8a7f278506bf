/* withdraw_test.c - what stops and what comes back when a consent ends, and
 * what a node may show meanwhile: sweeps, recalls, leases, reads. */
#include "tests/unit/hub/app/region.h"
#include "tsunagi/v1/emergency.pb-c.h"
#include "tsunagi/v1/meeting.pb-c.h"

#define P1 "WO-4931000014"
#define H1 "MI-4910100017"
#define S1 "WO-4911000018"
#define C1 "HC-492019-01"

static void post_admission(struct client *h1)
{
    assert_string_equal(post_sample(h1, "ADMISSION_RECORDED", "person",
                                    "admission", P1, "P_TRA"),
                        "");
}

/* Takes one and says so. */
static void take(struct client *c)
{
    assert_int_equal(fetch_for(c, LANE_NORMAL, 1, 400), 1);
    client_ack(c, last_got(c));
    client_sync(c, LANE_NORMAL);
}

static void reconnect(struct client *c)
{
    client_close(c);
    client(c->r, c->keys.pub.node);
}

/* The newest leaf of a kind with this phase ("": none) or fails. */
static Pb__AuditLeaf *newest(struct region *r, Pb__LeafKind kind,
                             const char *phase)
{
    for (uint64_t i = store_log_size(r->hub->store); i-- > 0;) {
        Pb__AuditLeaf *l = leaf_at(r, i);
        if (l->kind == kind &&
            strcmp(l->phase != NULL ? l->phase : "", phase) == 0)
            return l;
        pb__audit_leaf__free_unpacked(l, NULL);
    }
    fail_msg("no such leaf");
    return NULL;
}

static bool cites(struct region *r, const Pb__AuditLeaf *l, Pb__LeafKind kind)
{
    bool found = false;
    for (size_t i = 0; i < l->n_ref; i++) {
        Pb__AuditLeaf *to = leaf_at(r, l->ref[i]);
        found = found || to->kind == kind;
        pb__audit_leaf__free_unpacked(to, NULL);
    }
    return found;
}

/* ---- questions of a node ---- */

struct argument {
    const char *key, *value;
};

/* Asks and appends the packed Answer. */
static void node_ask(struct client *c, const char *what,
                     const struct argument *args, size_t n, struct buf *raw)
{
    Pb__Ask a = PB__ASK__INIT;
    Pb__AskArgument arg[4], *list[4];
    struct frame f;
    a.what = (char *)(uintptr_t)what;
    for (size_t i = 0; i < n; i++) {
        pb__ask_argument__init(&arg[i]);
        arg[i].key = (char *)(uintptr_t)args[i].key;
        arg[i].value = (char *)(uintptr_t)args[i].value;
        list[i] = &arg[i];
    }
    a.n_arg = n;
    a.arg = list;
    client_send_message(c, LANE_NORMAL, VERB_ASK, &a.base);
    client_want(c, LANE_NORMAL, VERB_ANSWER, &f);
    buf_add(raw, f.body.p, f.body.n);
    frame_close(&f);
}

/* The JSON of an answer, or its code. Owned. */
static char *answer_of(struct buf *raw)
{
    ProtobufCMessage *m = NULL;
    assert_int_equal(unpack(&pb__answer__descriptor, buf_slice(raw), &m),
                     ERR_OK);
    const Pb__Answer *a = (const Pb__Answer *)m;
    char *text =
        strdup(a->code != NULL && a->code[0] != '\0' ? a->code : a->json);
    unpack_free(&m);
    buf_fini(raw);
    return text;
}

static char *lease(struct client *c, const char *after)
{
    struct buf raw = {0};
    const struct argument args[] = {{"after", after}};
    node_ask(c, "lease", args, 1, &raw);
    return answer_of(&raw);
}

/* How many recalls a lease tells of. */
static size_t recalled(struct client *c, const char *after)
{
    size_t n = 0;
    char *json = lease(c, after);
    for (const char *p = json; (p = strstr(p, "\"no\":")) != NULL; p++)
        n++;
    free(json);
    return n;
}

#define ACTOR "00112233445566778899aabbccddeeff"
static void ask_to_read(struct client *c, struct id delivery, const char *actor,
                        struct buf *raw)
{
    char id[ID_TEXT];
    id_format(delivery, id);
    const struct argument args[] = {{"delivery_id", id}, {"actor", actor}};
    node_ask(c, "read", args, 2, raw);
}

static char *read_as(struct client *c, struct id delivery, const char *actor)
{
    struct buf raw = {0};
    ask_to_read(c, delivery, actor, &raw);
    return answer_of(&raw);
}

static struct id delivery_of(const struct got *g)
{
    struct id id;
    assert_int_equal(id_from(pb_slice(g->d->delivery_id), &id), ERR_OK);
    return id;
}

static void answer_recall(struct client *c, struct id delivery,
                          Pb__RecallOutcome outcome)
{
    uint8_t signature[SIGNATURE_BYTES];
    struct buf inner = {0};
    Pb__AckBody b = PB__ACK_BODY__INIT;
    Pb__Ack m = PB__ACK__INIT;
    b.has_delivery_id = b.has_recalled = b.has_time_ms = 1;
    b.delivery_id = (ProtobufCBinaryData){ID_BYTES, delivery.b};
    b.recalled = outcome;
    b.time_ms = clock_wall_ms();
    assert_int_equal(pack(&b.base, &inner), ERR_OK);
    assert_int_equal(
        sign_make(SIGN_ACK, buf_slice(&inner), c->keys.sign_secret, signature),
        ERR_OK);
    m.has_ack = m.has_signature = 1;
    m.ack = pb_borrow(buf_slice(&inner));
    m.signature = (ProtobufCBinaryData){SIGNATURE_BYTES, signature};
    client_send_message(c, LANE_NORMAL, VERB_ACK, &m.base);
    client_sync(c, LANE_NORMAL);
    buf_fini(&inner);
}

/* How many are not done. */
static uint64_t sweeps(struct region *r)
{
    uint64_t n;
    assert_int_equal(store_sweep_count(r->hub->store, &n), ERR_OK);
    return n;
}

/* ---- recall ---- */

/* W-135 */
static void what_rested_on_it_comes_back_and_nothing_else(void **state)
{
    struct region *r = *state;
    struct client *h1 = client(r, "h1"), *p1 = client(r, "p1"),
                  *c1 = client(r, "c1");
    give(h1, "person", "consent", P1, "P_TRA");
    post_admission(h1);
    take(p1);
    post_sample(h1, "FILING_SUBMITTED", "person", "filing", C1, "P_FIL");
    take(c1);
    assert_int_equal(recalled(p1, "0"), 0);
    assert_string_equal(withdraw(h1, "person", "consent"), "");
    assert_int_equal(count_leaves(r, PB__LEAF_KIND__RECALL), 1);
    Pb__AuditLeaf *l = newest(r, PB__LEAF_KIND__RECALL, "");
    assert_string_equal(l->peer, P1);
    assert_string_equal(l->reason, "WITHDRAWN");
    assert_true(cites(r, l, PB__LEAF_KIND__RELEASE));
    assert_true(cites(r, l, PB__LEAF_KIND__CONSENT_REVOKE));
    pb__audit_leaf__free_unpacked(l, NULL);
    assert_int_equal(recalled(p1, "0"), 1);
    assert_int_equal(recalled(p1, "1"), 0); /* it has seen it */
    assert_int_equal(recalled(c1, "0"), 0);
    assert_int_equal(fetch(p1, LANE_URGENT), 1);
    assert_string_equal(last_got(p1)->event->schema->event_name,
                        "CONSENT_WITHDRAWN");
    assert_int_equal(fetch_for(c1, LANE_URGENT, 8, 100), 0);
}

/* Who was sent a name and nothing else knows whom it was about. */
static void who_had_the_name_alone_is_told(void **state)
{
    struct region *r = *state;
    struct client *b1 = client(r, "b1"), *h1 = client(r, "h1");
    Pb__CareAsked b = PB__CARE_ASKED__INIT;
    Pb__Name name = PB__NAME__INIT;
    struct sent s;
    Pb__DataClass items[] = {PB__DATA_CLASS__G_MED_MIN};
    name.kanji = pb_text("架空花子");
    b.name = &name;
    b.n_items = NELEM(items);
    b.items = items;
    give(b1, "person", "consent", H1, "P_EMG");
    sent(&s, b1, "CARE_ASKED", &b.base, "person", NULL);
    sent_to(&s, H1, "P_EMG");
    assert_string_equal(post(b1, &s), "");
    assert_int_equal(fetch(h1, LANE_URGENT), 1);
    assert_string_equal(withdraw(b1, "person", "consent"), "");
    assert_int_equal(recalled(h1, "0"), 1);
    assert_int_equal(fetch(h1, LANE_URGENT), 1);
    assert_string_equal(last_got(h1)->event->schema->event_name,
                        "CONSENT_WITHDRAWN");
}

/* It may have arrived, though nobody said so. */
static void what_was_on_its_way_comes_back_as_well(void **state)
{
    struct region *r = *state;
    struct client *h1 = client(r, "h1"), *p1 = client(r, "p1");
    give(h1, "person", "consent", P1, "P_TRA");
    post_admission(h1);
    assert_int_equal(fetch(p1, LANE_NORMAL), 1);
    withdraw(h1, "person", "consent");
    assert_int_equal(count_leaves(r, PB__LEAF_KIND__RECALL), 1);
    assert_int_equal(count_leaves(r, PB__LEAF_KIND__WITHHELD), 1);
    Pb__AuditLeaf *l = newest(r, PB__LEAF_KIND__WITHHELD, "");
    assert_true(cites(r, l, PB__LEAF_KIND__RELEASE));
    assert_true(cites(r, l, PB__LEAF_KIND__CONSENT_REVOKE));
    pb__audit_leaf__free_unpacked(l, NULL);
    client_ack(p1, last_got(p1)); /* too late: it stays stopped */
    reconnect(p1);
    assert_int_equal(fetch_for(p1, LANE_NORMAL, 8, 100), 0);
    assert_int_equal(recalled(p1, "0"), 1);
    assert_int_equal(fetch(p1, LANE_URGENT), 1);
}

static void the_answer_to_a_recall_is_kept_once(void **state) /* W-136 I-8 */
{
    struct region *r = *state;
    struct client *h1 = client(r, "h1"), *p1 = client(r, "p1"),
                  *b = client(r, "p1/b"), *c1 = client(r, "c1");
    give(h1, "person", "consent", P1, "P_TRA");
    post_admission(h1);
    take(p1);
    struct id id = delivery_of(last_got(p1));
    answer_recall(p1, id, PB__RECALL_OUTCOME__RECALL_DELETED);
    assert_int_equal(count_leaves(r, PB__LEAF_KIND__RECALL), 0);
    withdraw(h1, "person", NULL);
    answer_recall(c1, id, PB__RECALL_OUTCOME__RECALL_DELETED); /* not its */
    answer_recall(b, id, PB__RECALL_OUTCOME__RECALL_UNKNOWN); /* never had it */
    assert_int_equal(recalled(p1, "0"), 1);
    answer_recall(p1, id, PB__RECALL_OUTCOME__RECALL_HANDED_OVER);
    answer_recall(p1, id, PB__RECALL_OUTCOME__RECALL_DELETED);
    assert_int_equal(recalled(p1, "0"), 0);
    assert_int_equal(count_leaves(r, PB__LEAF_KIND__RECALL), 2);
    Pb__AuditLeaf *l = newest(r, PB__LEAF_KIND__RECALL, "ANSWER");
    assert_string_equal(l->reason, "HANDED_OVER");
    assert_true(cites(r, l, PB__LEAF_KIND__RELEASE));
    assert_true(cites(r, l, PB__LEAF_KIND__RECALL));
    pb__audit_leaf__free_unpacked(l, NULL);
}

static void a_recall_nobody_answers_is_shown(void **state)
{
    struct region *r = *state;
    struct client *h1 = client(r, "h1"), *p1 = client(r, "p1");
    char *json = NULL;
    give(h1, "person", "consent", P1, "P_TRA");
    post_admission(h1);
    take(p1);
    withdraw(h1, "person", NULL);
    assert_string_equal(control(r, "status", NULL, NULL, &json), "");
    assert_non_null(strstr(json, "\"recalls_unanswered\":[]"));
    free(json);
    r->hub->now_ms += 25 * 3600000; /* a day later; the clock is behind it */
    assert_string_equal(control(r, "status", NULL, NULL, &json), "");
    assert_non_null(strstr(json, "\"recalls_unanswered\":[{\"no\":1,"
                                 "\"node\":\"p1\""));
    free(json);
}

#define OFFICES 70
/* The i-th of many planning offices: ten digits, the last one checks. */
static void office(int i, char code[AGENCY_MAX])
{
    for (char last = '0'; last <= '9'; last++) {
        snprintf(code, AGENCY_MAX, "WO-49310%04d%c", 5000 + i, last);
        if (code_check_agency(code) == ERR_OK)
            return;
    }
    fail_msg("no check digit");
}

static void open_offices(struct region *r)
{
    struct buf b = {0};
    char *path = region_path(r, "agencies.tsv"), code[AGENCY_MAX];
    assert_int_equal(file_read(path, 1 << 20, &b), ERR_OK);
    for (int i = 0; i < OFFICES; i++) {
        office(i, code);
        buf_addf(&b, "%s\t架空事務所%d\tOffice %d\tR_PLAN\t49201\t\t\t\n", code, i,
                 i);
    }
    region_write(r, "agencies.tsv", buf_slice(&b));
    assert_string_equal(control(r, "reload", NULL, NULL, NULL), "");
    free(path);
    buf_fini(&b);
}

static void whoever_holds_it_is_told(void **state) /* more than fit a list */
{
    struct region *r = *state;
    struct client *h1 = client(r, "h1"), *p1 = client(r, "p1");
    struct store *s = r->hub->store;
    struct delivery d;
    uint8_t ref[ID_BYTES];
    size_t told = 0;
    open_offices(r);
    give(h1, "person", "consent", P1, "P_TRA");
    post_admission(h1);
    take(p1);
    assert_int_equal(store_delivery_find(s, delivery_of(last_got(p1)), &d),
                     ERR_OK);
    token_of(ref, "consent");
    assert_int_equal(store_begin(s), ERR_OK);
    for (int i = 0; i < OFFICES; i++) { /* as if each had been sent it */
        office(i, d.agency);
        assert_int_equal(store_delivery_put(s, &d), ERR_OK);
        assert_int_equal(store_delivery_rest(s, &d, ref, d.released_classes),
                         ERR_OK);
    }
    assert_int_equal(store_commit(s), ERR_OK);
    withdraw(h1, "person", "consent");
    for (int i = 0; i < 100 && sweeps(r) > 0; i++)
        turn(r);
    assert_int_equal(count_leaves(r, PB__LEAF_KIND__RECALL), OFFICES + 1);
    for (int i = 0; i < OFFICES; i++) {
        size_t n;
        office(i, d.agency);
        assert_int_equal(
            store_delivery_due(s, d.agency, LANE_URGENT, 0, &d, 1, &n), ERR_OK);
        told += n;
    }
    assert_int_equal(told, OFFICES);
}

/* Two papers for the same thing, and the one that no release cites is taken
 * back: the no counts for what was released on the other one too. */
static void a_no_to_either_of_two_consents_calls_back(void **state)
{
    static const char *const REF[] = {"consent", "another"};
    struct region *r = *state;
    struct client *h1 = client(r, "h1"), *p1 = client(r, "p1");
    for (size_t i = 0; i < NELEM(REF); i++) {
        const char *person = REF[i];
        give(h1, person, "consent", P1, "P_TRA");
        give(h1, person, "another", P1, "P_TRA");
        assert_string_equal(
            post_sample(h1, "ADMISSION_RECORDED", person, person, P1, "P_TRA"),
            "");
        take(p1);
        assert_string_equal(withdraw(h1, person, REF[i]), "");
        if (recalled(p1, "0") != i + 1)
            fail_msg("%s taken back: not called back", REF[i]);
    }
}

static void say_no(struct client *c, const char *person, const char *whom)
{
    Pb__ConsentRefused no = PB__CONSENT_REFUSED__INIT;
    Pb__ConsentRecipient to = PB__CONSENT_RECIPIENT__INIT, *list[] = {&to};
    struct sent s;
    to.agency = (char *)(uintptr_t)whom;
    no.purpose = (char *)(uintptr_t) "P_TRA";
    no.n_recipient = 1;
    no.recipient = list;
    sent(&s, c, "CONSENT_REFUSED", &no.base, person, NULL);
    assert_string_equal(post(c, &s), "");
}

/* A no said after a yes stops and calls back like a withdrawal; nobody is told
 * that it was said, and what others hold stays. */
static void a_refusal_stops_and_calls_back_without_a_word(void **state)
{
    struct region *r = *state;
    struct client *h1 = client(r, "h1"), *p1 = client(r, "p1");
    give(h1, "person", "consent", P1, "P_TRA");
    post_admission(h1);
    take(p1);
    post_admission(h1);
    turns(r, 3);
    say_no(h1, "person", S1); /* about somebody else */
    turns(r, 3);
    assert_int_equal(recalled(p1, "0"), 0);
    say_no(h1, "person", P1);
    turns(r, 3);
    assert_int_equal(recalled(p1, "0"), 1);
    assert_int_equal(count_leaves(r, PB__LEAF_KIND__WITHHELD), 1);
    assert_int_equal(fetch(p1, LANE_NORMAL), 0);
    assert_int_equal(fetch(p1, LANE_URGENT), 0);
}

/* ---- a newer consent ---- */

static void a_renewed_consent_calls_nothing_back(void **state)
{
    struct region *r = *state;
    struct client *h1 = client(r, "h1"), *p1 = client(r, "p1");
    give(h1, "person", "old", P1, "P_TRA");
    post_admission(h1);
    take(p1);
    post_admission(h1);
    assert_string_equal(give_as(h1, "person", "new", P1, "P_TRA", "old"), "");
    assert_int_equal(count_leaves(r, PB__LEAF_KIND__RECALL), 0);
    assert_int_equal(count_leaves(r, PB__LEAF_KIND__WITHHELD), 0);
    assert_int_equal(fetch_for(p1, LANE_URGENT, 8, 100), 0); /* no notice */
    assert_int_equal(fetch(p1, LANE_NORMAL), 1);
}

static void a_narrower_consent_calls_back_what_it_leaves_out(void **state)
{
    struct region *r = *state;
    struct client *h1 = client(r, "h1"), *p1 = client(r, "p1");
    give(h1, "person", "old", P1, "P_TRA");
    post_admission(h1);
    take(p1);
    post_admission(h1); /* waits */
    assert_string_equal(give_as(h1, "person", "new", S1, "P_TRA", "old"), "");
    assert_int_equal(count_leaves(r, PB__LEAF_KIND__RECALL), 1);
    assert_int_equal(count_leaves(r, PB__LEAF_KIND__WITHHELD), 1);
    assert_int_equal(recalled(p1, "0"), 1);
    assert_int_equal(fetch_for(p1, LANE_URGENT, 8, 100), 0); /* no notice */
}

/* A city hall has several roles; the consent for one of them ends. */
static void another_role_of_the_agency_may_still_have_it(void **state)
{
    struct region *r = *state;
    struct client *h1 = client(r, "h1"), *m1 = client(r, "m1");
    struct sent s;
    give(h1, "person", "welfare", "R_MUNI_W@49201", "P_TRA");
    give(h1, "person", "health", "R_MUNI_H@49201", "P_TRA");
    for (int by_role = 0; by_role < 2; by_role++) {
        sent(&s, h1, "COMMITTEE_CALLED", NULL, "person", NULL);
        sent_to(&s, "LG-492019", "P_TRA");
        if (by_role)
            s.wanted[0].role = (char *)(uintptr_t) "R_MUNI_W";
        assert_string_equal(post(h1, &s), "");
    }
    Pb__AuditLeaf *l = newest(r, PB__LEAF_KIND__DECISION, "ROUTE");
    assert_string_equal(l->role, "R_MUNI_W");
    pb__audit_leaf__free_unpacked(l, NULL);
    withdraw(h1, "person", "welfare");
    /* who was meant in that role alone has nothing */
    assert_int_equal(count_leaves(r, PB__LEAF_KIND__WITHHELD), 1);
    assert_int_equal(fetch(m1, LANE_NORMAL), 1);
    assert_string_equal(last_got(m1)->d->role, "R_MUNI_H");
    assert_string_equal(last_got(m1)->leaf->role, "R_MUNI_H");
}

/* ---- meetings ---- */

/* Event of the meeting by its convenor, to P1. */
static void meet(struct client *m1, const char *type,
                 const ProtobufCMessage *body)
{
    struct sent s;
    sent(&s, m1, type, body, "person", "meeting");
    sent_to(&s, P1, "P_M106");
    assert_string_equal(post(m1, &s), "");
}

static void pledge(struct client *c, const struct got *call)
{
    struct sent s;
    Pb__MeetingPledged b = PB__MEETING_PLEDGED__INIT;
    b.member_name = (char *)(uintptr_t) "試験三郎";
    sent(&s, c, "MEETING_PLEDGED", &b.base, NULL, "x");
    memcpy(s.case_token, call->d->case_token.data, 16);
    assert_string_equal(post(c, &s), "");
}

static void papers_come_back_when_the_meeting_closes(void **state) /* SC-16 */
{
    struct region *r = *state;
    struct client *m1 = client(r, "m1"), *p1 = client(r, "p1");
    Pb__DataClass named[] = {PB__DATA_CLASS__G_ID, PB__DATA_CLASS__G_NEEDS};
    Pb__MeetingCalled called = PB__MEETING_CALLED__INIT;
    Pb__MeetingPapers papers = PB__MEETING_PAPERS__INIT;
    Pb__MeetingHeld was = PB__MEETING_HELD__INIT;
    Pb__MeetingClosed closed = PB__MEETING_CLOSED__INIT;
    Pb__Date today = PB__DATE__INIT;
    today.iso = (char *)(uintptr_t) "2026-04-01";
    closed.closed_on = was.held_on = &today;
    was.has_kind = 1;
    was.kind = PB__MEETING_KIND__MT_106;
    called.has_kind = papers.has_kind = 1;
    called.kind = papers.kind = PB__MEETING_KIND__MT_106;
    called.n_classes = NELEM(named);
    called.classes = named;
    papers.needs = (char *)(uintptr_t) "x";
    meet(m1, "MEETING_CALLED", &called.base);
    take(p1);
    pledge(p1, last_got(p1));
    meet(m1, "MEETING_PAPERS", &papers.base);
    take(p1);
    struct id held = delivery_of(last_got(p1));
    meet(m1, "MEETING_PAPERS", &papers.base); /* waits */
    meet(m1, "MEETING_HELD", &was.base);
    meet(m1, "MEETING_CLOSED", &closed.base);
    assert_int_equal(count_leaves(r, PB__LEAF_KIND__RECALL), 1);
    Pb__AuditLeaf *l = newest(r, PB__LEAF_KIND__RECALL, "");
    assert_string_equal(l->reason, "CLOSED");
    assert_string_equal(l->peer, P1);
    pb__audit_leaf__free_unpacked(l, NULL);
    assert_int_equal(count_leaves(r, PB__LEAF_KIND__WITHHELD), 1);
    assert_int_equal(recalled(p1, "0"), 1);
    char *said = read_as(p1, held, ACTOR);
    assert_string_equal(said, "E-NF-001");
    free(said);
    /* the call itself, and that it is over, are nobody's papers */
    assert_int_equal(fetch(p1, LANE_NORMAL), 2);
    assert_string_equal(last_got(p1)->event->schema->event_name,
                        "MEETING_CLOSED");
}

/* ---- address protection, places ---- */

static void protect(struct client *c, const char *person)
{
    Pb__AddressProtectionSet b = PB__ADDRESS_PROTECTION_SET__INIT;
    struct sent s;
    b.has_on = b.on = 1;
    b.has_ground = 1;
    b.ground = PB__PROTECTION_GROUND__ASKED_BY_PERSON;
    sent(&s, c, "ADDRESS_PROTECTION_SET", &b.base, person, NULL);
    assert_string_equal(post(c, &s), "");
}

static uint64_t received(const struct client *c)
{
    uint64_t classes = 0;
    const struct got *g = last_got((struct client *)(uintptr_t)c);
    for (size_t i = 0; i < g->d->n_part; i++)
        classes |= class_bit(g->d->part[i]->cls);
    return classes;
}

#define ADDRESS                                                                \
    (class_bit(PB__DATA_CLASS__G_CONTACT) | class_bit(PB__DATA_CLASS__G_DEST))

/* On its way with the address in it: it comes back, and what may still be had
 * goes out again without. */
static void an_address_protected_is_called_back(void **state)
{
    struct region *r = *state;
    struct client *h1 = client(r, "h1"), *p1 = client(r, "p1");
    give(h1, "person", "consent", P1, "P_TRA");
    post_sample(h1, "DISCHARGE_PLANNED", "person", "plan", P1, "P_TRA");
    assert_int_equal(fetch_for(p1, LANE_NORMAL, 1, 400), 1);
    assert_true((received(p1) & ADDRESS) != 0);
    protect(h1, "person");
    assert_int_equal(count_leaves(r, PB__LEAF_KIND__PERSON_CHANGE), 1);
    assert_int_equal(count_leaves(r, PB__LEAF_KIND__RECALL), 1);
    Pb__AuditLeaf *l = newest(r, PB__LEAF_KIND__RECALL, "");
    assert_string_equal(l->reason, "PROTECTED");
    assert_true((l->released & ADDRESS) == l->released);
    assert_true(cites(r, l, PB__LEAF_KIND__PERSON_CHANGE));
    pb__audit_leaf__free_unpacked(l, NULL);
    assert_int_equal(recalled(p1, "0"), 1);
    reconnect(p1);
    assert_int_equal(fetch_for(p1, LANE_NORMAL, 1, 400), 1);
    assert_true((received(p1) & ADDRESS) == 0 && received(p1) != 0);
    assert_false(id_eq(delivery_of(&p1->got[0]), delivery_of(&p1->got[1])));
}

static void places_recorded_are_kept(void **state)
{
    struct region *r = *state;
    struct client *h1 = client(r, "h1");
    Pb__PersonPlacesRecorded b = PB__PERSON_PLACES_RECORDED__INIT;
    struct sent s;
    struct person_facts about;
    struct id id;
    uint8_t token[16];
    bool found;
    b.resident = b.plan = (char *)(uintptr_t) "49201";
    sent(&s, h1, "PERSON_PLACES_RECORDED", &b.base, "person", NULL);
    assert_string_equal(post(h1, &s), "");
    token_of(token, "person");
    assert_int_equal(store_token_find(r->hub->store, h1->agency, TOKEN_PERSON,
                                      token, &found, &id),
                     ERR_OK);
    assert_int_equal(store_person(r->hub->store, id, &about), ERR_OK);
    assert_string_equal(about.places.resident, "49201");
    assert_string_equal(about.places.plan, "49201");
    assert_int_equal(count_leaves(r, PB__LEAF_KIND__PERSON_CHANGE), 1);
    assert_int_equal(sweeps(r), 0);
}

/* ---- sweeps ---- */

/* Many deliveries of the one that waits, as if sent one by one. */
static void multiply(struct region *r, size_t n)
{
    struct store *s = r->hub->store;
    struct delivery d;
    size_t one;
    assert_int_equal(store_delivery_due(s, P1, LANE_NORMAL, 0, &d, 1, &one),
                     ERR_OK);
    assert_int_equal(one, 1);
    assert_int_equal(store_begin(s), ERR_OK);
    for (size_t i = 1; i < n; i++)
        assert_int_equal(store_delivery_put(s, &d), ERR_OK);
    assert_int_equal(store_commit(s), ERR_OK);
}

#define QUEUED 10000
#define SLACK_MS 50000 /* ten times what it may take */

static void ten_thousand_are_withdrawn_and_none_leaves(void **state) /* I-3 */
{
    struct region *r = *state;
    struct client *h1 = client(r, "h1"), *p1 = client(r, "p1"),
                  *b1 = client(r, "b1");
    give(h1, "person", "consent", P1, "P_TRA");
    post_admission(h1);
    /* valgrind counts no time: a slice or two is enough for it */
    const int queued = getenv("TSUNAGI_VALGRIND") != NULL ? 500 : QUEUED;
    multiply(r, queued);
    uint64_t begun = clock_boot_ms();
    assert_string_equal(withdraw(h1, "person", "consent"), "");
    assert_int_equal(sweeps(r), 1); /* not all in one turn */
    /* an emergency goes between */
    assert_string_equal(
        post_sample(b1, "EMERGENCY_REQUESTED", "other", "night", NULL, NULL),
        "");
    assert_int_equal(sweeps(r), 1);
    client_fetch(p1, LANE_NORMAL, 200); /* and nothing leaves meanwhile */
    while (sweeps(r) > 0 && clock_boot_ms() < begun + SLACK_MS)
        turn(r);
    assert_int_equal(sweeps(r), 0);
    print_message("%d queued deliveries withdrawn in %d ms\n", queued,
                  (int)(clock_boot_ms() - begun));
    assert_int_equal(count_leaves(r, PB__LEAF_KIND__WITHHELD), (size_t)queued);
    assert_int_equal(count_leaves(r, PB__LEAF_KIND__RELEASE), 0);
    assert_int_equal(fetch_for(p1, LANE_NORMAL, 200, 100), 0);
}

static void a_sweep_goes_on_after_a_restart(void **state)
{
    struct region *r = *state;
    struct client *h1 = client(r, "h1");
    give(h1, "person", "consent", P1, "P_TRA");
    post_admission(h1);
    multiply(r, 500);
    assert_string_equal(withdraw(h1, "person", "consent"), "");
    size_t before = count_leaves(r, PB__LEAF_KIND__WITHHELD);
    assert_true(before > 0 && before < 500);
    client_close(h1);
    region_stop(r);
    region_start(r);
    for (int i = 0; i < 200 && sweeps(r) > 0; i++)
        turn(r);
    assert_int_equal(count_leaves(r, PB__LEAF_KIND__WITHHELD), 500);
}

/* ---- trouble is not a no ---- */

static void drop_node(struct region *r, const char *node)
{
    struct buf b = {0}, kept = {0};
    char *path = region_path(r, "nodes.tsv"), *line, *rest;
    assert_int_equal(file_read(path, 1 << 20, &b), ERR_OK);
    buf_addc(&b, '\0');
    rest = (char *)b.p;
    while ((line = strsep(&rest, "\n")) != NULL)
        if (line[0] != '\0' && (strncmp(line, node, strlen(node)) != 0 ||
                                line[strlen(node)] != '\t'))
            buf_addf(&kept, "%s\n", line);
    region_write(r, "nodes.tsv", buf_slice(&kept));
    assert_string_equal(control(r, "reload", NULL, NULL, NULL), "");
    free(path);
    buf_fini(&b);
    buf_fini(&kept);
}

static void what_cannot_be_decided_waits_for_a_person(void **state) /* I-10 */
{
    struct region *r = *state;
    struct client *h1 = client(r, "h1"), *c1 = client(r, "c1");
    char *json = NULL;
    post_sample(h1, "FILING_SUBMITTED", "person", "filing", C1, "P_FIL");
    client_close(h1);
    drop_node(r, "h1"); /* who signed it is known no more */
    reconnect(c1);      /* everybody has to, when a node is cut off */
    client_sync(c1, LANE_NORMAL);
    assert_int_equal(fetch_for(c1, LANE_NORMAL, 8, 100), 0);
    assert_int_equal(count_leaves(r, PB__LEAF_KIND__WITHHELD), 0);
    assert_int_equal(count_leaves(r, PB__LEAF_KIND__LEAF_PARKED), 1);
    assert_string_equal(control(r, "parked", NULL, NULL, &json), "");
    assert_non_null(strstr(json, err_code(ERR_NODE_UNKNOWN)));
    free(json);
}

/* ---- reading ---- */

static void reading_is_decided_and_leafed(void **state) /* W-137 */
{
    struct region *r = *state;
    struct client *h1 = client(r, "h1"), *p1 = client(r, "p1");
    uint8_t actor[16];
    give(h1, "person", "consent", P1, "P_TRA");
    post_admission(h1);
    take(p1);
    char *json = read_as(p1, delivery_of(last_got(p1)), ACTOR);
    assert_non_null(strstr(json, "\"G_META\",\"G_ID\",\"G_ADM\"]"));
    assert_non_null(strstr(json, "\"until_ms\":"));
    free(json);
    Pb__AuditLeaf *l = newest(r, PB__LEAF_KIND__READ, "READ");
    assert_int_equal(hex_decode(ACTOR, actor, 16), ERR_OK);
    assert_true(slice_eq(pb_slice(l->actor), slice_of(actor, 16)));
    assert_true(cites(r, l, PB__LEAF_KIND__RELEASE));
    assert_true(l->released == last_got(p1)->leaf->released);
    assert_int_equal(l->n_consent, 1);
    assert_true(l->valid_until_ms > l->time_ms);
    assert_string_equal(l->node, "p1");
    pb__audit_leaf__free_unpacked(l, NULL);
}

static void reading_needs_a_reader(void **state)
{
    struct region *r = *state;
    struct client *h1 = client(r, "h1"), *p1 = client(r, "p1");
    static const char *const CASES[] = {"", "0011",
                                        "zz112233445566778899aabbccddeeff"};
    give(h1, "person", "consent", P1, "P_TRA");
    post_admission(h1);
    take(p1);
    for (size_t i = 0; i < NELEM(CASES); i++) {
        char *said = read_as(p1, delivery_of(last_got(p1)), CASES[i]);
        assert_true(strncmp(said, "E-", 2) == 0);
        free(said);
    }
    assert_int_equal(count_leaves(r, PB__LEAF_KIND__READ), 0);
}

/* Unknown, somebody else's, taken back: one answer, byte for byte. */
static void every_no_reads_the_same(void **state) /* W-137 I-13 */
{
    struct region *r = *state;
    struct client *h1 = client(r, "h1"), *p1 = client(r, "p1"),
                  *c1 = client(r, "c1");
    struct buf unknown = {0}, theirs = {0}, gone = {0};
    give(h1, "person", "consent", P1, "P_TRA");
    post_admission(h1);
    take(p1);
    struct id id = delivery_of(last_got(p1));
    ask_to_read(p1, id_random(), ACTOR, &unknown);
    ask_to_read(c1, id, ACTOR, &theirs);
    withdraw(h1, "person", "consent");
    ask_to_read(p1, id, ACTOR, &gone);
    assert_true(slice_eq(buf_slice(&unknown), buf_slice(&theirs)));
    assert_true(slice_eq(buf_slice(&unknown), buf_slice(&gone)));
    char *said = answer_of(&gone);
    assert_string_equal(said, "E-NF-001");
    free(said);
    buf_fini(&unknown);
    buf_fini(&theirs);
    assert_int_equal(count_leaves(r, PB__LEAF_KIND__READ), 3);
}

/* A new consent is for what is sent from then on. */
static void what_was_called_back_stays_closed(void **state)
{
    struct region *r = *state;
    struct client *h1 = client(r, "h1"), *p1 = client(r, "p1");
    give(h1, "person", "consent", P1, "P_TRA");
    post_admission(h1);
    take(p1);
    struct id id = delivery_of(last_got(p1));
    withdraw(h1, "person", "consent");
    give(h1, "person", "again", P1, "P_TRA");
    char *said = read_as(p1, id, ACTOR);
    assert_string_equal(said, "E-NF-001");
    free(said);
}

static void a_lease_is_short_and_needs_a_clock(void **state) /* W-134 */
{
    struct region *r = *state;
    struct client *p1 = client(r, "p1");
    unsigned long long now, until;
    char *json = lease(p1, "0");
    const char *at = strstr(json, "\"now_ms\":");
    assert_int_equal(
        sscanf(at, "\"now_ms\":%llu,\"until_ms\":%llu", &now, &until), 2);
    assert_int_equal(until - now, 5 * 60000);
    free(json);
    r->hub->now_ms = clock_wall_ms() + 2 * 3600000; /* it had run ahead */
    json = lease(p1, "0");
    assert_string_equal(json, err_code(ERR_POL_CLOCK));
    free(json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        REGION_TEST(a_no_to_either_of_two_consents_calls_back),
        REGION_TEST(a_refusal_stops_and_calls_back_without_a_word),
        REGION_TEST(what_rested_on_it_comes_back_and_nothing_else),
        REGION_TEST(who_had_the_name_alone_is_told),
        REGION_TEST(what_was_on_its_way_comes_back_as_well),
        REGION_TEST(the_answer_to_a_recall_is_kept_once),
        REGION_TEST(a_recall_nobody_answers_is_shown),
        REGION_TEST(whoever_holds_it_is_told),
        REGION_TEST(a_renewed_consent_calls_nothing_back),
        REGION_TEST(a_narrower_consent_calls_back_what_it_leaves_out),
        REGION_TEST(another_role_of_the_agency_may_still_have_it),
        REGION_TEST(papers_come_back_when_the_meeting_closes),
        REGION_TEST(an_address_protected_is_called_back),
        REGION_TEST(places_recorded_are_kept),
        REGION_TEST(ten_thousand_are_withdrawn_and_none_leaves),
        REGION_TEST(a_sweep_goes_on_after_a_restart),
        REGION_TEST(what_cannot_be_decided_waits_for_a_person),
        REGION_TEST(reading_is_decided_and_leafed),
        REGION_TEST(reading_needs_a_reader),
        REGION_TEST(every_no_reads_the_same),
        REGION_TEST(what_was_called_back_stays_closed),
        REGION_TEST(a_lease_is_short_and_needs_a_clock),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
