/* erasure_test.c - an order to forget a person: the module, the spool, the
 * answer; also late, also twice, and not for what came after it. */
#include "adapters/sdk/erasure.h"
#include "tests/unit/adapters/sdk/forget.h"

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
