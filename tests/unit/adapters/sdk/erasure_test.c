/* erasure_test.c - an order to forget a person: the module, the spool, the
 * answer; also late, also twice, and not for what came after it. */
#include "adapters/sdk/erasure.h"
#include "proto/wire/erase.h"
#include "tests/unit/adapters/sdk/peer.h"

#define LOCAL_ID "0000123456"
static const uint8_t THEIRS[16] = {1, 2, 3}; /* as the delivery calls them */
static const uint8_t THEIR_CASE[16] = {4, 5, 6};

struct forgetting {
    struct seen_by_module seen; /* first: m_delivery knows it */
    unsigned told, meant_delivery, meant_event, meant_source, busy;
};
static char event_id[37], delivery_id[ID_TEXT];

static tsunagi_code f_open(struct tsunagi_host *h, void **self)
{
    (void)h;
    *self = calloc(1, sizeof(struct forgetting));
    return NULL;
}

static tsunagi_code f_erase(void *self, const struct tsunagi_erasure *e)
{
    struct forgetting *m = self;
    m->told++;
    m->meant_delivery += tsunagi_erases_delivery(e, delivery_id);
    m->meant_event += tsunagi_erases_event(e, event_id);
    m->meant_source += tsunagi_erases_source(e, "row 7");
    assert_false(tsunagi_erases_source(e, "row 8"));
    assert_false(tsunagi_erases_event(e, delivery_id));
    assert_false(tsunagi_erases_delivery(e, "no id"));
    return m->busy > 0 ? m->busy--, "E-IO-001" : NULL;
}

static const struct tsunagi_module FORGETS = {.abi = TSUNAGI_ADAPTER_ABI,
                                              .name = "test",
                                              .about = "test",
                                              .open = f_open,
                                              .close = m_close,
                                              .on_delivery = m_delivery,
                                              .on_erase = f_erase};

static struct forgetting *module_of(struct peer *p)
{
    return p->s->host.self;
}

/* ---- what the node has of them ---- */

static void send_one(struct peer *p)
{
    struct tsunagi_draft *d =
        tsunagi_draft_new(node_host(p->s), "STAY_OFFERED");
    assert_non_null(d);
    tsunagi_person(d, LOCAL_ID);
    tsunagi_case(d, "stay 1");
    tsunagi_source(d, "row 7");
    assert_null(tsunagi_set(d, "condition[0]", "NO_CONDITION"));
    tsunagi_to(d, "HUB", NULL, NULL, "P_EMG");
    tsunagi_code c = tsunagi_submit(&d, event_id, NULL);
    if (c != NULL)
        fail_msg("%s", c);
    tsunagi_draft_free(&d);
}

static void have_something(struct peer *p)
{
    struct id id;
    assert_null(node_attach(p->s, &FORGETS));
    UNTIL(p, p->leases == 1);
    deliver(p, HONEST, 0);
    UNTIL(p, module_of(p)->seen.taken == 1);
    memcpy(id.b, p->n.hub.delivery_id, ID_BYTES);
    id_format(id, delivery_id);
}

/* ---- the order ---- */

struct ordered {
    uint8_t order[16], own[16];
    uint64_t made_ms;
    const struct node_keys *hub;
};

static void order(struct peer *p, const struct ordered *o)
{
    struct buf sealed = {0}, hex = {0};
    Pb__EraseOrder m = PB__ERASE_ORDER__INIT;
    ProtobufCBinaryData person[2] = {pb_borrow(slice_of(THEIRS, 16)),
                                     pb_borrow(slice_of(o->own, 16))};
    ProtobufCBinaryData its = pb_borrow(slice_of(THEIR_CASE, 16));
    m.has_order = m.has_leaf = m.has_made_ms = 1;
    m.order = pb_borrow(slice_of(o->order, 16));
    m.leaf = 77;
    m.made_ms = o->made_ms;
    m.n_person_token = 2;
    m.person_token = person;
    m.n_case_token = 1;
    m.case_token = &its;
    assert_int_equal(
        erase_seal(&m, o->hub->sign_secret, p->n.hub.us.pub.box, &sealed),
        ERR_OK);
    buf_add_hex(&hex, buf_slice(&sealed));
    snprintf(p->erase, sizeof(p->erase),
             "[{\"order\":\"x\",\"sealed\":\"%s\"}]", (char *)hex.p);
    buf_fini(&sealed);
    buf_fini(&hex);
}

static struct ordered an_order(struct peer *p)
{
    struct ordered o = {
        .order = {9}, .made_ms = clock_wall_ms() + 1000, .hub = &p->n.hub.hub};
    token_make(p->n.hub.us.token_secret, "person", slice_str(LOCAL_ID), o.own);
    return o;
}

/* The lease is asked for again at once. */
static void lease_again(struct peer *p)
{
    p->s->host.link->lease.due_ms = 0;
}

/* ---- the answer ---- */

static const char *arg_of(const Pb__Ask *a, const char *key)
{
    for (size_t i = 0; i < a->n_arg; i++)
        if (strcmp(a->arg[i]->key, key) == 0)
            return a->arg[i]->value;
    fail_msg("no argument %s", key);
    return "";
}

struct answer {
    unsigned n;
    Pb__RecallOutcome outcome;
    uint32_t deleted, handed;
    uint64_t time_ms, leaf;
};

static void take_answer(struct peer *p, const Pb__Ask *a)
{
    struct answer *out = p->own;
    uint8_t body[256], sig[SIGNATURE_BYTES];
    ProtobufCMessage *m = NULL;
    if (strcmp(a->what, "erased") != 0)
        return;
    size_t n = strlen(arg_of(a, "answer")) / 2;
    assert_true(n <= sizeof(body));
    assert_int_equal(hex_decode(arg_of(a, "answer"), body, n), ERR_OK);
    assert_int_equal(hex_decode(arg_of(a, "signature"), sig, sizeof(sig)),
                     ERR_OK);
    assert_int_equal(sign_check(SIGN_ERASE, slice_of(body, n),
                                slice_of(sig, sizeof(sig)),
                                p->n.hub.us.pub.sign),
                     ERR_OK);
    assert_int_equal(
        unpack(&pb__erase_answer__descriptor, slice_of(body, n), &m), ERR_OK);
    const Pb__EraseAnswer *e = (Pb__EraseAnswer *)m;
    assert_int_equal(e->order.data[0], 9);
    *out = (struct answer){out->n + 1,     e->outcome, e->deleted,
                           e->handed_over, e->time_ms, e->leaf};
    unpack_free(&m);
    answer_json(p, "", "{}");
}

static bool empty_delivery(struct peer *p)
{
    struct spool_in d;
    struct id id;
    memcpy(id.b, p->n.hub.delivery_id, ID_BYTES);
    assert_int_equal(spool_in_get(p->s->host.spool, id, &d), ERR_OK);
    bool empty = d.delivery.n == 0 && !d.has_person && !d.has_case;
    spool_in_fini(&d);
    return empty;
}

static bool empty_event(struct peer *p, const char *id_text)
{
    struct spool_out o;
    struct id id;
    assert_int_equal(id_parse(id_text, &id), ERR_OK);
    assert_int_equal(spool_out_get(p->s->host.spool, id, &o), ERR_OK);
    bool empty = o.event.n == 0 && o.source.n == 0 && !o.has_person;
    spool_out_fini(&o);
    return empty;
}

/* W-049 */
static void the_module_then_the_spool_then_the_answer(void **state)
{
    struct peer *p = *state;
    struct answer a = {0};
    p->own = &a;
    p->on_ask = take_answer;
    have_something(p);
    send_one(p);
    UNTIL(p, p->sends[0] + p->sends[1] == 1);
    struct ordered o = an_order(p);
    order(p, &o);
    lease_again(p);
    UNTIL(p, a.n == 1);
    const struct forgetting *m = module_of(p);
    assert_int_equal(m->told, 1);
    assert_int_equal(m->meant_delivery, 1);
    assert_int_equal(m->meant_event, 1);
    assert_int_equal(m->meant_source, 1);
    assert_true(empty_delivery(p) && empty_event(p, event_id));
    assert_int_equal(a.outcome, PB__RECALL_OUTCOME__RECALL_HANDED_OVER);
    assert_int_equal(a.deleted, 2);
    assert_int_equal(a.handed, 1);
    assert_int_equal(a.leaf, 77);
}

/* W-049: a repeat is answered with the same, and nothing more goes. */
static void what_came_after_the_order_stays(void **state)
{
    struct peer *p = *state;
    struct answer a = {0};
    p->own = &a;
    p->on_ask = take_answer;
    have_something(p);
    struct ordered o = an_order(p);
    o.made_ms = clock_wall_ms() - 1000;
    send_one(p);
    UNTIL(p, p->sends[0] + p->sends[1] == 1);
    order(p, &o);
    lease_again(p);
    UNTIL(p, a.n == 1);
    struct answer first = a;
    assert_false(empty_event(p, event_id));
    assert_int_equal(module_of(p)->meant_event, 0);
    o.made_ms = clock_wall_ms() + 1000; /* a hub that changes its mind */
    order(p, &o);
    lease_again(p);
    UNTIL(p, a.n == 2);
    first.n = 2;
    assert_memory_equal(&a, &first, sizeof(a));
    assert_int_equal(module_of(p)->told, 1);
    assert_false(empty_event(p, event_id));
}

/* W-048 */
static void an_order_of_somebody_else_is_passed_over(void **state)
{
    struct peer *p = *state;
    struct answer a = {0};
    p->own = &a;
    p->on_ask = take_answer;
    have_something(p);
    struct ordered o = an_order(p);
    o.hub = &p->n.hub.sender;
    order(p, &o);
    size_t leases = p->leases;
    lease_again(p);
    UNTIL(p, p->leases > leases);
    turns(p, 20);
    assert_int_equal(a.n + module_of(p)->told, 0);
    assert_false(empty_delivery(p));
    assert_int_equal(link_status(p->s->host.link).trouble, ERR_DLV_SIGNATURE);
}

static void a_module_that_cannot_now_is_asked_again(void **state)
{
    struct peer *p = *state;
    struct answer a = {0};
    p->own = &a;
    p->on_ask = take_answer;
    have_something(p);
    module_of(p)->busy = 1;
    struct ordered o = an_order(p);
    order(p, &o);
    lease_again(p);
    UNTIL(p, module_of(p)->told == 1);
    turns(p, 20);
    assert_int_equal(a.n, 0);
    assert_false(empty_delivery(p));
    lease_again(p);
    UNTIL(p, a.n == 1);
    assert_int_equal(module_of(p)->told, 2);
    assert_true(empty_delivery(p));
}

static void who_was_never_here_is_unknown(void **state)
{
    struct peer *p = *state;
    struct answer a = {0};
    p->own = &a;
    p->on_ask = take_answer;
    struct ordered o = an_order(p);
    order(p, &o);
    UNTIL(p, a.n == 1);
    assert_int_equal(a.outcome, PB__RECALL_OUTCOME__RECALL_UNKNOWN);
    assert_int_equal(a.deleted + a.handed, 0);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(the_module_then_the_spool_then_the_answer),
        CASE(what_came_after_the_order_stays),
        CASE(an_order_of_somebody_else_is_passed_over),
        CASE(a_module_that_cannot_now_is_asked_again),
        CASE(who_was_never_here_is_unknown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
