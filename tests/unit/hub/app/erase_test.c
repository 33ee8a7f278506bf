/* erase_test.c - a person's erasure from the signed order to the last answer:
 * nobody can name the person, whatever was sent is asked back, and after the
 * night nothing in the store says whose anything was. */
#include "hub/core/order.h"
#include "proto/wire/erase.h"
#include "tests/unit/hub/app/region.h"
#include <sodium.h>
#include <sqlite3.h>

#define P1 "WO-4931000014"
#define H1 "MI-4910100017"
#define TURNS 400

/* ---- asking over the control socket ---- */

struct argument {
    const char *key, *value;
};

static char *answer_of(struct frame *f)
{
    ProtobufCMessage *m = NULL;
    assert_int_equal(unpack(&pb__answer__descriptor, f->body, &m), ERR_OK);
    const Pb__Answer *a = (const Pb__Answer *)m;
    char *text =
        strdup(a->code != NULL && a->code[0] != '\0' ? a->code : a->json);
    unpack_free(&m);
    frame_close(f);
    return text;
}

static void pack_ask(const char *what, const struct argument *args, size_t n,
                     struct buf *out)
{
    Pb__Ask a = PB__ASK__INIT;
    Pb__AskArgument arg[4], *list[4];
    a.what = (char *)(uintptr_t)what;
    for (size_t i = 0; i < n; i++) {
        pb__ask_argument__init(&arg[i]);
        arg[i].key = (char *)(uintptr_t)args[i].key;
        arg[i].value = (char *)(uintptr_t)args[i].value;
        list[i] = &arg[i];
    }
    a.n_arg = n;
    a.arg = list;
    assert_int_equal(pack(&a.base, out), ERR_OK);
}

/* The JSON of the answer, or its code. Owned. */
static char *operator_asks(struct region *r, const char *what,
                           const struct argument *args, size_t n)
{
    char endpoint[160];
    struct frame f;
    struct buf b = {0};
    snprintf(endpoint, sizeof(endpoint), "ipc://%s/control", r->dir);
    void *s = dealer(r, NULL, NULL, endpoint, NULL);
    pack_ask(what, args, n, &b);
    assert_int_equal(frame_send(s, NULL, VERB_ASK, buf_slice(&b)), ERR_OK);
    assert_true(wait_for(r, s, &f, PATIENCE));
    buf_fini(&b);
    char *text = answer_of(&f);
    dealer_close(r, s);
    return text;
}

static char *node_asks(struct client *c, const char *what,
                       const struct argument *args, size_t n)
{
    struct frame f;
    struct buf b = {0};
    pack_ask(what, args, n, &b);
    client_send(c, LANE_NORMAL, VERB_ASK, buf_slice(&b));
    client_want(c, LANE_NORMAL, VERB_ANSWER, &f);
    buf_fini(&b);
    return answer_of(&f);
}

static void hex_of(const uint8_t *p, size_t n, char *out)
{
    for (size_t i = 0; i < n; i++)
        snprintf(out + 2 * i, 3, "%02x", p[i]);
}

/* The text of a member that is a string. */
static void member(const char *json, const char *key, char *out, size_t size)
{
    char name[48];
    snprintf(name, sizeof(name), "\"%s\":\"", key);
    const char *p = strstr(json, name);
    if (p == NULL)
        fail_msg("no %s in %s", key, json);
    p += strlen(name);
    snprintf(out, size, "%.*s", (int)strcspn(p, "\""), p);
}

/* ---- orders ---- */

static bool subject_of(struct region *r, const char *agency, const char *person,
                       uint8_t out[ID_BYTES])
{
    uint8_t token[16];
    char hex[40];
    token_of(token, person);
    hex_of(token, 16, hex);
    const struct argument args[] = {{"agency", agency}, {"token", hex}};
    char *json = operator_asks(r, "order-subject", args, 2);
    bool found = json[0] == '{';
    if (found) {
        member(json, "subject", hex, sizeof(hex));
        assert_int_equal(hex_decode(hex, out, ID_BYTES), ERR_OK);
    } else {
        assert_string_equal(json, err_code(ERR_NOT_FOUND));
    }
    free(json);
    return found;
}

static struct order an_order(struct region *r, enum order_kind kind,
                             const char *reason)
{
    struct order o = {.kind = kind,
                      .order = id_random(),
                      .made_ms = r->hub->now_ms / 1000 * 1000,
                      .asked_on = japan_day(r->hub->now_ms) - 3,
                      .until = japan_day(r->hub->now_ms) + 30,
                      .asked_by = H1};
    snprintf(o.origin, sizeof(o.origin), "%s", ORIGIN);
    snprintf(o.reason, sizeof(o.reason), "%s", reason);
    return o;
}

/* Signed by n and handed in: the JSON or the code. */
static char *submit(struct region *r, const struct order *o, int n)
{
    struct buf note = {0};
    order_write(o, &note);
    buf_addc(&note, '\n');
    for (int i = 0; i < n; i++) {
        struct buf more = {0};
        assert_int_equal(
            approve_sign(buf_slice(&note), &r->approver.key[i], &more), ERR_OK);
        buf_fini(&note);
        note = more;
    }
    const struct argument args[] = {{"note", (const char *)note.p}};
    char *text = operator_asks(r, "order-submit", args, 1);
    buf_fini(&note);
    return text;
}

static void submit_is(struct region *r, const struct order *o, int n,
                      const char *want)
{
    char *text = submit(r, o, n);
    if (want[0] == '\0' ? text[0] != '{' : strcmp(text, want) != 0)
        fail_msg("%s: %s", want, text);
    free(text);
}

static struct order erase(struct region *r, const char *person)
{
    struct order o = an_order(r, ORDER_ERASE, "PERSON_ASKED");
    assert_true(subject_of(r, H1, person, o.subject));
    submit_is(r, &o, 2, "");
    return o;
}

/* ---- a person with something everywhere ---- */

static void live_a_little(struct region *r, const char *person,
                          const char *case_name)
{
    struct client *h1 = client(r, "h1"), *p1 = client(r, "p1");
    char ref[48]; /* stands in leaves, as tokens never do */
    snprintf(ref, sizeof(ref), "consent of %s", person);
    assert_string_equal(give(h1, person, ref, P1, "P_TRA"), "");
    for (int i = 0; i < 2; i++)
        assert_string_equal(post_sample(h1, "ADMISSION_RECORDED", person,
                                        case_name, P1, "P_TRA"),
                            "");
    assert_int_equal(fetch_for(p1, LANE_NORMAL, 1, 400), 1);
    client_ack(p1, last_got(p1));
    client_sync(p1, LANE_NORMAL);
}

static void sweep_out(struct region *r)
{
    for (int i = 0; i < TURNS && !r->hub->swept; i++)
        turn(r);
    assert_true(r->hub->swept);
}

static unsigned run_night(struct region *r)
{
    unsigned n = 0;
    sweep_out(r);
    char *text = operator_asks(r, "erase-run", NULL, 0);
    assert_int_equal(text[0], '{');
    free(text);
    for (; r->hub->night.step != 0; n++) {
        assert_true(n < TURNS);
        turn(r);
    }
    turn(r);
    return n;
}

static bool begun(struct region *r, struct id order)
{
    struct taken_order t;
    assert_int_equal(store_order_get(r->hub->store, order, &t), ERR_OK);
    buf_fini(&t.note);
    return t.state == ORDER_BEGUN;
}

/* ---- the order ---- */

static void who_may_and_when(void **state)
{
    struct region *r = *state;
    live_a_little(r, "person", "case");
    struct order o = an_order(r, ORDER_ERASE, "PERSON_ASKED");
    uint8_t nobody[16];
    assert_false(subject_of(r, H1, "nobody", nobody));
    assert_false(subject_of(r, P1, "person", nobody)); /* H1's token */
    assert_true(subject_of(r, H1, "person", o.subject));
    submit_is(r, &o, 1, err_code(ERR_ORDER_APPROVALS));
    struct order other = o;
    randombytes_buf(other.subject, 16);
    submit_is(r, &other, 2, err_code(ERR_ORDER_SUBJECT));
    snprintf(other.origin, sizeof(other.origin), "other.example/log");
    submit_is(r, &other, 2, err_code(ERR_ORDER_OTHER));
    assert_int_equal(count_leaves(r, PB__LEAF_KIND__RECALL), 0);
    submit_is(r, &o, 2, "");
    submit_is(r, &o, 2, err_code(ERR_ORDER_TAKEN));
    other = an_order(r, ORDER_ERASE, "MISTAKE");
    memcpy(other.subject, o.subject, 16);
    submit_is(r, &other, 2, err_code(ERR_ORDER_TAKEN));
}

static void the_leaf_names_the_order_and_nobody(void **state)
{
    struct region *r = *state;
    live_a_little(r, "person", "case");
    struct order o = erase(r, "person");
    for (uint64_t i = store_log_size(r->hub->store); i-- > 0;) {
        Pb__AuditLeaf *l = leaf_at(r, i);
        bool found = l->kind == PB__LEAF_KIND__ADMIN && l->has_order;
        if (found) {
            assert_memory_equal(l->order.data, o.order.b, 16);
            assert_string_equal(l->phase, "erase");
            assert_string_equal(l->reason, "PERSON_ASKED");
            assert_int_equal(l->n_approved_by, 2);
            assert_false(l->has_subject_handle);
        }
        pb__audit_leaf__free_unpacked(l, NULL);
        if (found)
            return;
    }
    fail_msg("no leaf");
}

static void a_hold_keeps_what_it_names(void **state)
{
    struct region *r = *state;
    live_a_little(r, "person", "case");
    live_a_little(r, "other", "case of other");
    struct order hold = an_order(r, ORDER_HOLD, "COURT");
    assert_true(subject_of(r, H1, "person", hold.subject));
    submit_is(r, &hold, 1, "");
    struct order o = an_order(r, ORDER_ERASE, "PERSON_ASKED");
    memcpy(o.subject, hold.subject, 16);
    submit_is(r, &o, 2, err_code(ERR_ERASE_HELD));
    struct order lift = an_order(r, ORDER_LIFT, "");
    memcpy(lift.subject, hold.subject, 16);
    submit_is(r, &lift, 1, err_code(ERR_ORDER_APPROVALS));
    submit_is(r, &lift, 2, "");
    submit_is(r, &o, 2, "");
    /* one that comes before the night, by the order itself */
    struct order late = an_order(r, ORDER_HOLD, "DISPUTE");
    memcpy(late.subject, o.subject, 16);
    submit_is(r, &late, 1, "");
    erase(r, "other");
    run_night(r);
    struct taken_order kept;
    assert_int_equal(store_order_get(r->hub->store, o.order, &kept), ERR_OK);
    assert_int_equal(kept.state, ORDER_TAKEN);
    taken_order_fini(&kept);
    assert_int_equal(count_leaves(r, PB__LEAF_KIND__ERASE_BEGIN),
                     count_leaves(r, PB__LEAF_KIND__ERASE_DONE));
    assert_true(count_leaves(r, PB__LEAF_KIND__ERASE_DONE) > 0);
    memcpy(lift.subject, late.subject, 16);
    lift.order = id_random();
    submit_is(r, &lift, 2, "");
    run_night(r);
    assert_int_equal(store_order_get(r->hub->store, o.order, &kept), ERR_OK);
    assert_int_equal(kept.state, ORDER_OVER);
    taken_order_fini(&kept);
}

static void a_hold_comes_too_late_once_the_night_has_begun(void **state)
{
    struct region *r = *state;
    live_a_little(r, "person", "case");
    struct order o = erase(r, "person"), hold = an_order(r, ORDER_HOLD, "LAW");
    memcpy(hold.subject, o.subject, 16);
    sweep_out(r);
    free(operator_asks(r, "erase-run", NULL, 0));
    while (r->hub->night.step == 0 || !begun(r, o.order))
        turn(r);
    submit_is(r, &hold, 1, err_code(ERR_ORDER_SUBJECT));
    char hex[40];
    hex_of(o.order.b, 16, hex);
    const struct argument args[] = {{"order", hex}};
    char *text = operator_asks(r, "order-subject", args, 1);
    assert_string_equal(text, err_code(ERR_NOT_FOUND));
    free(text);
}

static bool told(struct client *c, struct id order)
{
    char hex[40];
    hex_of(order.b, 16, hex);
    const struct argument args[] = {{"after", "0"}};
    char *json = node_asks(c, "lease", args, 1);
    bool named = strstr(json, hex) != NULL;
    free(json);
    return named;
}

/* What a court wants kept may lie with a node that has not heard yet. */
static void under_a_hold_no_node_is_told_to_forget(void **state)
{
    struct region *r = *state;
    live_a_little(r, "person", "case");
    struct order o = an_order(r, ORDER_ERASE, "PERSON_ASKED"), hold, lift;
    assert_true(subject_of(r, H1, "person", o.subject));
    hold = an_order(r, ORDER_HOLD, "LAW");
    lift = an_order(r, ORDER_LIFT, "");
    hold.until = japan_day(r->hub->now_ms) + 9;
    memcpy(hold.subject, o.subject, 16);
    memcpy(lift.subject, o.subject, 16);
    submit_is(r, &o, 2, "");
    assert_true(told(client(r, "p1"), o.order));
    submit_is(r, &hold, 1, "");
    assert_false(told(client(r, "p1"), o.order));
    submit_is(r, &lift, 2, "");
    assert_true(told(client(r, "p1"), o.order));
}

/* The first leaf of a kind. */
static uint64_t leaf_of(struct region *r, Pb__LeafKind kind)
{
    for (uint64_t i = 0; i < store_log_size(r->hub->store); i++) {
        Pb__AuditLeaf *l = leaf_at(r, i);
        bool is = l->kind == kind;
        pb__audit_leaf__free_unpacked(l, NULL);
        if (is)
            return i;
    }
    fail_msg("no such leaf");
    return 0;
}

static void a_delay_is_about_rows_of_the_person(void **state)
{
    struct region *r = *state;
    live_a_little(r, "person", "case");
    live_a_little(r, "other", "case of other");
    struct order o = an_order(r, ORDER_DELAY, "");
    struct delay d;
    bool found;
    o.leaf[o.leaf_count++] = leaf_of(r, PB__LEAF_KIND__RELEASE);
    snprintf(o.basis, sizeof(o.basis), "LB_33_76");
    assert_true(subject_of(r, H1, "other", o.subject));
    submit_is(r, &o, 2, err_code(ERR_ORDER_SUBJECT));
    assert_true(subject_of(r, H1, "person", o.subject));
    submit_is(r, &o, 1, err_code(ERR_ORDER_APPROVALS));
    snprintf(o.basis, sizeof(o.basis), "LB_NONE");
    submit_is(r, &o, 2, err_code(ERR_ORDER_FORM));
    snprintf(o.basis, sizeof(o.basis), "LB_33_76");
    o.until = japan_day(r->hub->now_ms) - 1;
    submit_is(r, &o, 2, err_code(ERR_ORDER_OLD));
    o.until = japan_day(r->hub->now_ms) + 9;
    submit_is(r, &o, 2, "");
    assert_int_equal(store_delay_get(r->hub->store, o.leaf[0], &d, &found),
                     ERR_OK);
    assert_true(found);
    assert_int_equal(d.until_day, o.until);
    erase(r, "person"); /* shows nothing before its day */
    run_night(r);
    assert_int_equal(store_delay_get(r->hub->store, o.leaf[0], &d, &found),
                     ERR_OK);
    assert_true(found);
    assert_int_equal(d.until_day, o.until);
}

static void an_opening_is_reviewed_before(void **state)
{
    struct region *r = *state;
    live_a_little(r, "person", "case");
    struct glass g = {.agency = "OW-B1-49",
                      .role = "R_HUBC",
                      .reason = "LIFE_SELF",
                      .opened_ms = r->hub->now_ms - 7200000,
                      .until_ms = r->hub->now_ms - 3600000,
                      .leaf = 1};
    randombytes_buf(g.ref, 16);
    assert_int_equal(store_begin(r->hub->store), ERR_OK);
    assert_int_equal(
        store_glass_put(r->hub->store, person_of(r, H1, "person"), &g), ERR_OK);
    assert_int_equal(store_commit(r->hub->store), ERR_OK);
    struct order o = an_order(r, ORDER_ERASE, "PERSON_ASKED");
    assert_true(subject_of(r, H1, "person", o.subject));
    submit_is(r, &o, 2, err_code(ERR_ERASE_GLASS));
}

/* Its deadlines would be dropped, and nobody told that the search is over. */
static void while_a_bed_is_looked_for_nothing_is_erased(void **state)
{
    struct region *r = *state;
    struct client *b1 = client(r, "b1");
    uint8_t subject[ID_BYTES];
    assert_string_equal(
        post_sample(b1, "EMERGENCY_REQUESTED", "person", "night", NULL, NULL),
        "");
    assert_true(subject_of(r, "OW-B1-49", "person", subject));
    struct order o = an_order(r, ORDER_ERASE, "PERSON_ASKED");
    memcpy(o.subject, subject, ID_BYTES);
    submit_is(r, &o, 2, err_code(ERR_ERASE_EMERGENCY));
    assert_string_equal(
        post_sample(b1, "CANCELLED", "person", "night", NULL, NULL), "");
    submit_is(r, &o, 2, "");
}

/* ---- at once ---- */

static void nobody_can_name_the_person_any_more(void **state)
{
    struct region *r = *state;
    uint8_t subject[16];
    live_a_little(r, "person", "case");
    struct id before = person_of(r, H1, "person");
    erase(r, "person");
    assert_false(subject_of(r, H1, "person", subject));
    sweep_out(r);
    struct store_counts c;
    assert_int_equal(store_counts(r->hub->store, &c), ERR_OK);
    assert_int_equal(c.queued[LANE_NORMAL], 0);
    assert_int_equal(fetch_for(client(r, "p1"), LANE_NORMAL, 8, 200), 0);
    /* an emergency never waits: the same token begins a new person */
    assert_string_equal(post_sample(client(r, "h1"), "ADMISSION_RECORDED",
                                    "person", "case", P1, "P_TRA"),
                        "");
    assert_false(id_eq(before, person_of(r, H1, "person")));
}

/* Before the sweep has come to it. */
static void what_is_queued_is_not_released_in_the_meantime(void **state)
{
    struct region *r = *state;
    live_a_little(r, "person", "case");
    struct id person = person_of(r, H1, "person");
    assert_int_equal(store_begin(r->hub->store), ERR_OK);
    assert_int_equal(store_person_deny(r->hub->store, person), ERR_OK);
    assert_int_equal(store_commit(r->hub->store), ERR_OK);
    assert_int_equal(fetch_for(client(r, "p1"), LANE_NORMAL, 8, 200), 0);
    assert_true(count_leaves(r, PB__LEAF_KIND__WITHHELD) > 0);
}

/* What p1 owes: its order opened. Owned by unpack_free. */
static ProtobufCMessage *owed(struct client *c)
{
    const struct argument args[] = {{"after", "0"}};
    char *json = node_asks(c, "lease", args, 1);
    char hex[2048];
    uint8_t bytes[1024];
    ProtobufCMessage *m = NULL;
    assert_non_null(strstr(json, "\"erase\":true"));
    member(json, "sealed", hex, sizeof(hex));
    size_t n = strlen(hex) / 2;
    assert_int_equal(hex_decode(hex, bytes, n), ERR_OK);
    assert_int_equal(
        erase_open(slice_of(bytes, n), &c->keys, c->r->hub->keys.pub.sign, &m),
        ERR_OK);
    free(json);
    return m;
}

static char *answers(struct client *c, const struct id order,
                     const uint8_t *secret)
{
    Pb__EraseAnswer x = PB__ERASE_ANSWER__INIT;
    struct buf b = {0};
    uint8_t signature[SIGNATURE_BYTES];
    char hex[1024], sig[2 * SIGNATURE_BYTES + 1];
    x.has_order = x.has_outcome = x.has_handed_over = 1;
    x.order = pb_borrow(slice_of(order.b, 16));
    x.outcome = PB__RECALL_OUTCOME__RECALL_HANDED_OVER;
    x.handed_over = 1;
    assert_int_equal(pack(&x.base, &b), ERR_OK);
    assert_int_equal(sign_make(SIGN_ERASE, buf_slice(&b), secret, signature),
                     ERR_OK);
    hex_of(b.p, b.n, hex);
    hex_of(signature, sizeof(signature), sig);
    const struct argument args[] = {{"answer", hex}, {"signature", sig}};
    buf_fini(&b);
    return node_asks(c, "erased", args, 2);
}

static void answer_is(struct client *c, const struct id order,
                      const uint8_t *secret, const char *want)
{
    char *text = answers(c, order, secret);
    if (want[0] == '\0' ? text[0] != '{' : strcmp(text, want) != 0)
        fail_msg("%s: %s", want, text);
    free(text);
}

/* W-049 */
static void a_holder_is_told_and_answers(void **state)
{
    struct region *r = *state;
    live_a_little(r, "person", "case");
    struct client *p1 = client(r, "p1"), *s1 = client(r, "s1");
    struct got *g = last_got(p1);
    uint8_t token[16];
    assert_int_equal(g->d->person_token.len, 16);
    memcpy(token, g->d->person_token.data, 16);
    struct order o = erase(r, "person");
    run_night(r);
    ProtobufCMessage *m = owed(p1);
    const Pb__EraseOrder *e = (const Pb__EraseOrder *)m;
    assert_memory_equal(e->order.data, o.order.b, 16);
    assert_int_equal(e->n_person_token, 1);
    assert_memory_equal(e->person_token[0].data, token, 16);
    assert_int_equal(e->n_case_token, 1);
    unpack_free(&m);
    answer_is(p1, o.order, s1->keys.sign_secret, err_code(ERR_EVT_SIGNATURE));
    answer_is(s1, o.order, s1->keys.sign_secret, err_code(ERR_NOT_FOUND));
    answer_is(p1, id_random(), p1->keys.sign_secret, err_code(ERR_NOT_FOUND));
    size_t before = count_leaves(r, PB__LEAF_KIND__RECALL);
    answer_is(p1, o.order, p1->keys.sign_secret, "");
    answer_is(p1, o.order, p1->keys.sign_secret, ""); /* once (I-8) */
    turn(r);
    assert_int_equal(count_leaves(r, PB__LEAF_KIND__RECALL), before + 1);
    const struct argument args[] = {{"after", "0"}};
    char *json = node_asks(p1, "lease", args, 1);
    assert_non_null(strstr(json, "\"erase\":[]"));
    free(json);
    char hex[40];
    hex_of(o.order.b, 16, hex);
    const struct argument which[] = {{"order", hex}};
    json = operator_asks(r, "erase-certificate", which, 1);
    assert_non_null(strstr(json, "\"outcome\":\"HANDED_OVER\""));
    assert_non_null(strstr(json, "\"state\":\"over\""));
    assert_non_null(strstr(json, "架空 次郎"));
    free(json);
}

/* ---- after the night ---- */

#define CANARIES 16
struct canaries {
    uint8_t b[CANARIES][16];
    size_t n;
};

static void canary(struct canaries *c, const uint8_t *p)
{
    assert_true(c->n < CANARIES);
    memcpy(c->b[c->n++], p, 16);
}

static void canary_named(struct canaries *c, const char *name)
{
    uint8_t token[16];
    token_of(token, name);
    canary(c, token);
}

/* Person, handles, the sender's tokens, the consent's number, the case. */
static void gather(struct region *r, const char *person, struct canaries *c)
{
    struct id id = person_of(r, H1, person), which;
    struct handle *handle;
    size_t n;
    bool found;
    canary(c, id.b);
    canary_named(c, person);
    canary_named(c, "case");
    assert_int_equal(store_token_find(r->hub->store, H1, TOKEN_CASE, c->b[2],
                                      &found, &which),
                     ERR_OK);
    assert_true(found);
    canary(c, which.b);
    assert_int_equal(store_person_handles(r->hub->store, id, &handle, &n),
                     ERR_OK);
    assert_true(n > 0);
    canary(c, handle[0].b);
    free(handle);
    canary(c, last_got(client(r, "p1"))->d->person_token.data);
    canary(c, last_got(client(r, "p1"))->d->case_token.data);
}

static size_t hits_in(const void *p, int n, const struct canaries *c)
{
    size_t hits = 0;
    for (size_t i = 0; i < c->n && p != NULL && n >= 16; i++)
        hits += memmem(p, (size_t)n, c->b[i], 16) != NULL;
    return hits;
}

static size_t hits_in_table(sqlite3 *db, const char *table,
                            const struct canaries *c)
{
    char sql[128];
    sqlite3_stmt *st;
    size_t hits = 0;
    snprintf(sql, sizeof(sql), "SELECT * FROM \"%s\"", table);
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &st, NULL), SQLITE_OK);
    while (sqlite3_step(st) == SQLITE_ROW)
        for (int i = 0; i < sqlite3_column_count(st); i++)
            hits += hits_in(sqlite3_column_blob(st, i),
                            sqlite3_column_bytes(st, i), c);
    if (hits > 0)
        print_message("%s: %zu\n", table, hits);
    sqlite3_finalize(st);
    return hits;
}

/* Values of every table but the log, which keeps its handles: how many are one
 * of them. */
static size_t search(struct region *r, const struct canaries *c)
{
    sqlite3 *db;
    sqlite3_stmt *st;
    size_t hits = 0;
    char *path = region_path(r, "data/hub.db");
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(
        sqlite3_prepare_v2(db,
                           "SELECT name FROM sqlite_schema WHERE type = 'table'"
                           " AND name NOT LIKE 'log\\_%' ESCAPE '\\'",
                           -1, &st, NULL),
        SQLITE_OK);
    while (sqlite3_step(st) == SQLITE_ROW)
        hits += hits_in_table(db, (const char *)sqlite3_column_text(st, 0), c);
    sqlite3_finalize(st);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    free(path);
    return hits;
}

/* The pages themselves, what is free in them too: everywhere but in leaves. */
static size_t search_bytes(struct region *r, const uint8_t what[16])
{
    struct buf b = {0};
    size_t n = 0;
    char *path = region_path(r, "data/hub.db");
    assert_int_equal(file_read(path, 64 << 20, &b), ERR_OK);
    for (uint8_t *p = b.p; (p = memmem(p, (size_t)(b.p + b.n - p), what, 16));
         p++)
        n++;
    buf_fini(&b);
    free(path);
    return n;
}

static void after_the_night_nothing_says_whose_it_was(void **state)
{
    struct region *r = *state;
    struct canaries c = {0};
    live_a_little(r, "person", "case");
    gather(r, "person", &c);
    region_stop(r);
    assert_true(search(r, &c) > c.n); /* the same search finds it before */
    region_start(r);
    erase(r, "person");
    run_night(r);
    region_stop(r);
    assert_int_equal(search(r, &c), 0);
    assert_int_equal(search_bytes(r, c.b[0]), 0); /* the person */
    assert_int_equal(search_bytes(r, c.b[1]), 0); /* what H1 called them */
    region_start(r);
}

static void what_is_others_stays(void **state)
{
    struct region *r = *state;
    live_a_little(r, "person", "case");
    live_a_little(r, "other", "case of other");
    struct id other = person_of(r, H1, "other");
    erase(r, "person");
    run_night(r);
    assert_true(id_eq(other, person_of(r, H1, "other")));
    struct grant *g;
    size_t n;
    assert_int_equal(store_grants(r->hub->store, other, &g, &n), ERR_OK);
    assert_int_equal(n, 1);
    free(g);
    assert_int_equal(fetch_for(client(r, "p1"), LANE_NORMAL, 8, 400), 2);
}

/* Every key and handle has one leaf at the beginning and one at the end, and
 * none of them names the order. */
static void leaves_say_what_was_destroyed(void **state)
{
    struct region *r = *state;
    struct key_gone *key;
    struct handle *handle;
    size_t keys, handles, ids = 0, subjects = 0;
    live_a_little(r, "person", "case");
    struct id person = person_of(r, H1, "person");
    assert_int_equal(store_keys_of(r->hub->store, person, &key, &keys), ERR_OK);
    assert_int_equal(
        store_person_handles(r->hub->store, person, &handle, &handles), ERR_OK);
    struct order o = erase(r, "person");
    /* one that has run out as well is destroyed once */
    assert_int_equal(store_begin(r->hub->store), ERR_OK);
    assert_int_equal(store_erase_due(r->hub->store, person, handle[0].quarter),
                     ERR_OK);
    assert_int_equal(store_commit(r->hub->store), ERR_OK);
    run_night(r);
    for (uint64_t i = 0; i < store_log_size(r->hub->store); i++) {
        Pb__AuditLeaf *l = leaf_at(r, i);
        if (l->kind == PB__LEAF_KIND__ERASE_BEGIN) {
            ids += l->n_destroyed;
            subjects += l->has_subject_handle != 0;
            assert_false(l->has_order);
        }
        pb__audit_leaf__free_unpacked(l, NULL);
    }
    assert_int_equal(ids, keys);
    assert_int_equal(subjects, handles);
    assert_int_equal(count_leaves(r, PB__LEAF_KIND__ERASE_DONE),
                     count_leaves(r, PB__LEAF_KIND__ERASE_BEGIN));
    uint64_t begin = 0, done, n = 0;
    bool found = true;
    for (; found; n += found)
        assert_int_equal(
            store_erase_leaf(r->hub->store, o.order, &begin, &done, &found),
            ERR_OK);
    assert_int_equal(n, count_leaves(r, PB__LEAF_KIND__ERASE_DONE));
    free(key);
    free(handle);
    assert_int_equal(store_keys_of(r->hub->store, person, &key, &keys), ERR_OK);
    assert_int_equal(keys, 0);
    free(key);
}

/* A key that has run out goes with the night, without an order. */
static void what_has_run_out_goes_with_the_night(void **state)
{
    struct region *r = *state;
    struct key_gone *key;
    size_t keys;
    live_a_little(r, "person", "case");
    struct id person = person_of(r, H1, "person");
    uint64_t quarter = quarter_of(r->hub->now_ms);
    assert_int_equal(store_begin(r->hub->store), ERR_OK);
    for (int i = 0; i < 2; i++) /* once, however often it is said */
        assert_int_equal(store_erase_due(r->hub->store, person, quarter),
                         ERR_OK);
    assert_int_equal(store_commit(r->hub->store), ERR_OK);
    run_night(r);
    assert_int_equal(count_leaves(r, PB__LEAF_KIND__ERASE_BEGIN), 1);
    assert_int_equal(count_leaves(r, PB__LEAF_KIND__ERASE_DONE), 1);
    assert_int_equal(store_keys_of(r->hub->store, person, &key, &keys), ERR_OK);
    for (size_t i = 0; i < keys; i++)
        assert_true(key[i].quarter != quarter);
    free(key);
    person_of(r, H1, "person"); /* still known */
}

/* ---- cut off ---- */

static void restart(struct region *r)
{
    for (size_t i = 0; i < CLIENTS; i++)
        client_close(&r->client[i]);
    region_stop(r);
    region_start(r);
}

/* After every turn the hub starts anew from what is on disk. */
static void a_night_cut_off_anywhere_goes_on(void **state)
{
    struct region *r = *state;
    struct canaries c = {0};
    live_a_little(r, "person", "case");
    gather(r, "person", &c);
    struct order o = erase(r, "person");
    restart(r);
    for (int i = 0; i < TURNS && !r->hub->swept; i++) {
        turn(r);
        restart(r);
        turn(r);
    }
    char *text = operator_asks(r, "erase-run", NULL, 0);
    free(text);
    for (int i = 0; i < 60; i++) {
        restart(r);
        turn(r);
    }
    assert_int_equal(r->hub->night.step, 0);
    struct taken_order t;
    assert_int_equal(store_order_get(r->hub->store, o.order, &t), ERR_OK);
    assert_int_equal(t.state, ORDER_OVER);
    taken_order_fini(&t);
    assert_int_equal(count_leaves(r, PB__LEAF_KIND__ERASE_DONE),
                     count_leaves(r, PB__LEAF_KIND__ERASE_BEGIN));
    region_stop(r);
    assert_int_equal(search(r, &c), 0);
    region_start(r);
}

/* What was done and not yet written down is done twice: as after a crash
 * between the two. */
static void a_step_done_twice_harms_nothing(void **state)
{
    struct region *r = *state;
    live_a_little(r, "person", "case");
    struct order o = erase(r, "person");
    sweep_out(r);
    free(operator_asks(r, "erase-run", NULL, 0));
    unsigned again = r->hub->night.step;
    for (int i = 0; i < TURNS && r->hub->night.step != 0; i++) {
        unsigned step = r->hub->night.step;
        turn(r);
        if (r->hub->night.step != step && step == again) {
            r->hub->night.step = step;
            r->hub->night.at = 0;
            again++;
        }
    }
    assert_int_equal(r->hub->night.step, 0);
    assert_int_equal(r->hub->broken, ERR_OK);
    struct taken_order t;
    assert_int_equal(store_order_get(r->hub->store, o.order, &t), ERR_OK);
    assert_int_equal(t.state, ORDER_OVER);
    taken_order_fini(&t);
    assert_int_equal(count_leaves(r, PB__LEAF_KIND__ERASE_DONE),
                     count_leaves(r, PB__LEAF_KIND__ERASE_BEGIN));
}

/* ---- when ---- */

static void an_urgent_one_does_not_wait_for_the_hour(void **state)
{
    struct region *r = *state;
    live_a_little(r, "person", "case");
    struct order o = an_order(r, ORDER_ERASE, "UNLAWFUL");
    o.urgent = true;
    assert_true(subject_of(r, H1, "person", o.subject));
    submit_is(r, &o, 2, "");
    struct taken_order t = {.state = ORDER_TAKEN};
    for (int i = 0; i < TURNS && t.state != ORDER_OVER; i++) {
        turn(r);
        r->hub->night.look_ms = 0;
        assert_int_equal(store_order_get(r->hub->store, o.order, &t), ERR_OK);
        buf_fini(&t.note);
    }
    assert_int_equal(t.state, ORDER_OVER);
}

static void the_others_wait_for_it(void **state)
{
    struct region *r = *state;
    live_a_little(r, "person", "case");
    erase(r, "person");
    sweep_out(r);
    for (int i = 0; i < 10; i++) {
        r->hub->night.look_ms = 0;
        turn(r);
    }
    assert_int_equal(r->hub->night.step, 0);
    assert_int_equal(count_leaves(r, PB__LEAF_KIND__ERASE_BEGIN), 0);
    int64_t hour = (int64_t)(r->hub->now_ms / 3600000 + 9) % 24;
    r->hub->config.erase_hour = hour;
    for (int i = 0; i < TURNS && (i < 2 || r->hub->night.step != 0); i++) {
        r->hub->night.look_ms = 0;
        turn(r);
    }
    assert_true(count_leaves(r, PB__LEAF_KIND__ERASE_DONE) > 0);
}

static void turns_by_the_clock(struct region *r, int n)
{
    for (int i = 0; i < n; i++) {
        r->hub->night.look_ms = 0;
        turn(r);
    }
}

/* What a clock a year ahead would destroy cannot be had back. */
static void long_without_a_night_it_waits_for_somebody(void **state)
{
    struct region *r = *state;
    struct buf b = {0}, j = {0};
    const Pb__Ask none = PB__ASK__INIT;
    const int32_t today = japan_day(r->hub->now_ms), long_ago = today - 8;
    live_a_little(r, "person", "case");
    erase(r, "person");
    sweep_out(r);
    assert_true(turn_begin(r->hub));
    assert_int_equal(store_value_set(r->hub->store, "erase.day",
                                     slice_of(&long_ago, sizeof(long_ago))),
                     ERR_OK);
    r->hub->config.erase_hour = 0;
    turns_by_the_clock(r, 10);
    assert_int_equal(count_leaves(r, PB__LEAF_KIND__ERASE_BEGIN), 0);
    assert_int_equal(night_status(r->hub, &j), ERR_OK);
    assert_non_null(strstr((char *)j.p, "\"night_waits\":true"));
    assert_int_equal(ask_erase_run(r->hub, &none, &j), ERR_OK);
    for (int i = 0; i < TURNS && (i < 2 || r->hub->night.step != 0); i++)
        turns_by_the_clock(r, 1);
    assert_true(count_leaves(r, PB__LEAF_KIND__ERASE_DONE) > 0);
    assert_int_equal(store_value_get(r->hub->store, "erase.day", &b), ERR_OK);
    assert_memory_equal(b.p, &today, sizeof(today));
    turns_by_the_clock(r, 2);
    assert_false(r->hub->night.waits);
    buf_fini(&b);
    buf_fini(&j);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        REGION_TEST(who_may_and_when),
        REGION_TEST(the_leaf_names_the_order_and_nobody),
        REGION_TEST(a_hold_keeps_what_it_names),
        REGION_TEST(a_hold_comes_too_late_once_the_night_has_begun),
        REGION_TEST(under_a_hold_no_node_is_told_to_forget),
        REGION_TEST(a_delay_is_about_rows_of_the_person),
        REGION_TEST(an_opening_is_reviewed_before),
        REGION_TEST(while_a_bed_is_looked_for_nothing_is_erased),
        REGION_TEST(nobody_can_name_the_person_any_more),
        REGION_TEST(what_is_queued_is_not_released_in_the_meantime),
        REGION_TEST(a_holder_is_told_and_answers),
        REGION_TEST(after_the_night_nothing_says_whose_it_was),
        REGION_TEST(what_is_others_stays),
        REGION_TEST(leaves_say_what_was_destroyed),
        REGION_TEST(what_has_run_out_goes_with_the_night),
        REGION_TEST(a_night_cut_off_anywhere_goes_on),
        REGION_TEST(a_step_done_twice_harms_nothing),
        REGION_TEST(an_urgent_one_does_not_wait_for_the_hour),
        REGION_TEST(the_others_wait_for_it),
        REGION_TEST(long_without_a_night_it_waits_for_somebody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
