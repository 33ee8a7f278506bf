/* forget.h - a hub that orders a node to forget a person, and takes the answer;
 * p->own is a struct answer, p->on_ask is take_answer. */
#ifndef TSUNAGI_TEST_FORGET_H
#define TSUNAGI_TEST_FORGET_H
#include "proto/wire/erase.h"
#include "tests/unit/adapters/sdk/peer.h"

#define LOCAL_ID "0000123456"
static const uint8_t THEIRS[16] = {1, 2, 3}; /* as the delivery calls them */
static const uint8_t THEIR_CASE[16] = {4, 5, 6};

/* ---- the order ---- */

struct ordered {
    uint8_t order[16], own[16];
    uint64_t made_ms;
    const struct node_keys *hub;
};

static inline void order(struct peer *p, const struct ordered *o)
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

static inline struct ordered an_order(struct peer *p)
{
    struct ordered o = {
        .order = {9}, .made_ms = clock_wall_ms() + 1000, .hub = &p->n.hub.hub};
    token_make(p->n.hub.us.token_secret, "person", slice_str(LOCAL_ID), o.own);
    return o;
}

/* The lease is asked for again at once. */
static inline void lease_again(struct peer *p)
{
    p->s->host.link->lease.due_ms = 0;
}

/* ---- the answer ---- */

static inline const char *arg_of(const Pb__Ask *a, const char *key)
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

static inline void take_answer(struct peer *p, const Pb__Ask *a)
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
#endif
