/* peer.h - the other end of the wire for tests of a node: two CURVE ROUTERs
 * that the test answers by hand, honestly or not; and a module that counts. */
#ifndef TSUNAGI_TEST_PEER_H
#define TSUNAGI_TEST_PEER_H
#include "adapters/sdk/link_lanes.h"
#include "adapters/sdk/session.h"
#include "proto/wire/frame.h"
#include "tests/unit/adapters/sdk/nodeside.h"
#include "tsunagi/v1/wire.pb-c.h"
#include <zmq.h>

struct peer {
    struct nodeside n;
    void *context, *lane[2];
    struct node_session *s;
    struct frame from[2]; /* last address seen in each lane */
    size_t sends[2], fetches[2], acks, pings;
    struct buf event; /* the last one sent to us, packed */
    uint64_t seq[2];  /* of the last two, the older one first */
    uint64_t seen_size;
    uint8_t acked[16];
    Pb__RecallOutcome recalled; /* of the last ACK */
    bool acked_leaf;            /* the last ACK had a digest */
    size_t leases;              /* questions for a lease, answered so */
    uint64_t lease_after, lease_span_ms;
    char recalls[160]; /* JSON list */
    char erase[2048];  /* likewise */
    bool more, no_lease;
    size_t asks;      /* other questions: kept for the test to answer */
    struct buf asked; /* the last one, packed Ask */
    void (*on_ask)(struct peer *p, const Pb__Ask *a); /* NULL: as above */
    void *own;                                        /* of the test */
    size_t witnessed;                                 /* answers to WITNESS */
    uint32_t status;                                  /* of the last one */
    char witness_body[512], witness_note[2048];
    uint64_t seen_normal;
};

static inline void *open_lane(struct peer *p, char endpoint[64])
{
    void *s = zmq_socket(p->context, ZMQ_ROUTER);
    int one = 1, zero = 0;
    size_t n = 64;
    zmq_setsockopt(s, ZMQ_LINGER, &zero, sizeof(zero));
    zmq_setsockopt(s, ZMQ_CURVE_SERVER, &one, sizeof(one));
    zmq_setsockopt(s, ZMQ_CURVE_SECRETKEY, p->n.hub.hub.curve_secret,
                   KEY_BYTES);
    assert_int_equal(zmq_bind(s, "tcp://127.0.0.1:*"), 0);
    assert_int_equal(zmq_getsockopt(s, ZMQ_LAST_ENDPOINT, endpoint, &n), 0);
    return s;
}

static inline int setup(void **state)
{
    struct peer *p = calloc(1, sizeof(*p));
    nodeside_init(&p->n);
    p->lease_span_ms = 300000;
    snprintf(p->recalls, sizeof(p->recalls), "[]");
    p->context = zmq_ctx_new();
    p->lane[0] = open_lane(p, p->n.urgent);
    p->lane[1] = open_lane(p, p->n.normal);
    nodeside_conf(&p->n, "");
    assert_int_equal(node_open(p->n.conf, NODE_ONLINE, stderr, &p->s), ERR_OK);
    *state = p;
    return 0;
}

static inline int teardown(void **state)
{
    struct peer *p = *state;
    node_close(&p->s);
    zmq_close(p->lane[0]);
    zmq_close(p->lane[1]);
    zmq_ctx_term(p->context);
    buf_fini(&p->event);
    buf_fini(&p->asked);
    nodeside_fini(&p->n);
    free(p);
    return 0;
}

static inline void take_send(struct peer *p, const struct frame *f)
{
    ProtobufCMessage *m = NULL;
    assert_int_equal(unpack(&pb__send__descriptor, f->body, &m), ERR_OK);
    buf_reset(&p->event);
    struct slice event = pb_slice(((Pb__Send *)m)->event);
    buf_add(&p->event, event.p, event.n);
    unpack_free(&m);
    struct event *ev = NULL;
    assert_int_equal(event_open(buf_slice(&p->event), &ev), ERR_OK);
    p->seq[0] = p->seq[1];
    p->seq[1] = ev->header->node_seq;
    event_close(&ev);
}

static inline void take_fetch(struct peer *p, int lane, const struct frame *f)
{
    ProtobufCMessage *m = NULL;
    assert_int_equal(unpack(&pb__fetch__descriptor, f->body, &m), ERR_OK);
    assert_int_equal(((Pb__Fetch *)m)->credit, 64);
    if (lane == 0)
        p->seen_size = ((Pb__Fetch *)m)->seen_size;
    else
        p->seen_normal = ((Pb__Fetch *)m)->seen_size;
    unpack_free(&m);
}

/* Under the node's key, for the delivery by its number. */
static inline void take_ack(struct peer *p, const struct frame *f)
{
    ProtobufCMessage *m = NULL, *body = NULL;
    assert_int_equal(unpack(&pb__ack__descriptor, f->body, &m), ERR_OK);
    const Pb__Ack *a = (Pb__Ack *)m;
    assert_int_equal(sign_check(SIGN_ACK, pb_slice(a->ack),
                                pb_slice(a->signature), p->n.hub.us.pub.sign),
                     ERR_OK);
    assert_int_equal(unpack(&pb__ack_body__descriptor, pb_slice(a->ack), &body),
                     ERR_OK);
    const Pb__AckBody *b = (Pb__AckBody *)body;
    memcpy(p->acked, b->delivery_id.data, 16);
    p->recalled = b->recalled;
    p->acked_leaf = b->has_sha256;
    unpack_free(&body);
    unpack_free(&m);
}

static inline void answer_json(struct peer *p, const char *code,
                               const char *json)
{
    struct buf b = {0};
    Pb__Answer m = PB__ANSWER__INIT;
    m.code = (char *)(uintptr_t)code;
    m.json = (char *)(uintptr_t)json;
    assert_int_equal(pack(&m.base, &b), ERR_OK);
    assert_int_equal(
        frame_send(p->lane[1], &p->from[1], VERB_ANSWER, buf_slice(&b)),
        ERR_OK);
    buf_fini(&b);
}

static inline void grant(struct peer *p, const Pb__Ask *a)
{
    char json[4096];
    const uint64_t now = 1789149600000; /* the hub's clock is its own affair */
    p->leases++;
    assert_int_equal(a->n_arg, 1);
    assert_string_equal(a->arg[0]->key, "after");
    p->lease_after = strtoull(a->arg[0]->value, NULL, 10);
    if (p->no_lease)
        return;
    snprintf(json, sizeof(json),
             "{\"now_ms\":%llu,\"until_ms\":%llu,\"recalls\":%s,"
             "\"erase\":%s,\"more\":%s}",
             (unsigned long long)now,
             (unsigned long long)(now + p->lease_span_ms), p->recalls,
             p->erase[0] != '\0' ? p->erase : "[]",
             p->more ? "true" : "false");
    answer_json(p, "", json);
}

/* Leases are answered at once, anything else by the test. */
static inline void take_ask(struct peer *p, const struct frame *f)
{
    ProtobufCMessage *m = NULL;
    assert_int_equal(unpack(&pb__ask__descriptor, f->body, &m), ERR_OK);
    if (strcmp(((Pb__Ask *)m)->what, "lease") == 0) {
        grant(p, (Pb__Ask *)m);
    } else if (p->on_ask != NULL) {
        p->asks++;
        p->on_ask(p, (Pb__Ask *)m);
    } else {
        p->asks++;
        buf_reset(&p->asked);
        buf_add(&p->asked, f->body.p, f->body.n);
    }
    unpack_free(&m);
}

static inline void take_witnessed(struct peer *p, const struct frame *f)
{
    ProtobufCMessage *m = NULL;
    assert_int_equal(unpack(&pb__witness_answer__descriptor, f->body, &m),
                     ERR_OK);
    const Pb__WitnessAnswer *a = (Pb__WitnessAnswer *)m;
    p->witnessed++;
    p->status = a->status;
    snprintf(p->witness_body, sizeof(p->witness_body), "%s",
             a->body != NULL ? a->body : "");
    snprintf(p->witness_note, sizeof(p->witness_note), "%s",
             a->note != NULL ? a->note : "");
    unpack_free(&m);
}

static inline void listen_once(struct peer *p)
{
    struct frame f;
    for (int i = 0; i < 2; i++)
        while (frame_recv(p->lane[i], true, &f) == ERR_OK) {
            memcpy(p->from[i].routing, f.routing, f.routing_n);
            p->from[i].routing_n = f.routing_n;
            if (f.verb == VERB_SEND)
                p->sends[i]++, take_send(p, &f);
            if (f.verb == VERB_FETCH)
                p->fetches[i]++, take_fetch(p, i, &f);
            if (f.verb == VERB_ACK)
                p->acks++, take_ack(p, &f);
            if (f.verb == VERB_ASK)
                take_ask(p, &f);
            if (f.verb == VERB_WITNESS)
                take_witnessed(p, &f);
            p->pings += f.verb == VERB_PING;
            frame_close(&f);
        }
}

/* Both sides turn until the condition holds, three seconds at most. */
#define UNTIL(p, condition)                                                    \
    do {                                                                       \
        uint64_t limit = clock_boot_ms() + 3000;                               \
        while (!(condition) && clock_boot_ms() < limit) {                      \
            assert_int_equal(node_turn((p)->s, 5), ERR_OK);                    \
            listen_once(p);                                                    \
        }                                                                      \
        assert_true(condition);                                                \
    } while (0)

static inline void turns(struct peer *p, int n)
{
    for (int i = 0; i < n; i++) {
        assert_int_equal(node_turn(p->s, 2), ERR_OK);
        listen_once(p);
    }
}

static inline void deliver_at(struct peer *p, enum tamper t, uint8_t salt,
                              uint64_t size)
{
    struct buf packed = {0}, box = {0}, note = {0}, b = {0};
    uint8_t shared[KEY_BYTES], nonce[24];
    struct checkpoint head = {.size = 0};
    const struct hubside *h = &p->n.hub;
    const struct node_keys *log = t == NOTE_KEY ? &h->sender : &h->log;
    const struct node_keys *boxer = t == BOX_KEY ? &h->sender : &h->hub;
    hubside_delivery(&p->n.hub, t, salt, &packed, &head);
    head.size = size;
    if (t == NOTE_ORIGIN)
        snprintf(head.origin, sizeof(head.origin), "other.example.test/log");
    assert_int_equal(
        checkpoint_sign(&head, log->sign_secret, log->pub.sign, &note), ERR_OK);
    box_shared(shared, h->us.pub.box, boxer->box_secret);
    assert_int_equal(box_seal(shared, buf_slice(&packed), nonce, &box), ERR_OK);
    Pb__BoxedDelivery boxed = PB__BOXED_DELIVERY__INIT, *at_boxed[] = {&boxed};
    boxed.has_nonce = boxed.has_box = 1;
    boxed.nonce = pb_borrow(slice_of(nonce, 24));
    boxed.box = pb_borrow(buf_slice(&box));
    Pb__Deliveries d = PB__DELIVERIES__INIT;
    d.n_delivery = 1;
    d.delivery = at_boxed;
    d.checkpoint = (char *)note.p;
    d.has_from_size = 1;
    d.from_size = p->seen_size;
    assert_int_equal(pack(&d.base, &b), ERR_OK);
    assert_int_equal(
        frame_send(p->lane[0], &p->from[0], VERB_DELIVERIES, buf_slice(&b)),
        ERR_OK);
    buf_fini(&packed);
    buf_fini(&box);
    buf_fini(&note);
    buf_fini(&b);
}

static inline void deliver(struct peer *p, enum tamper t, uint8_t salt)
{
    deliver_at(p, t, salt, 4);
}

/* ---- a module ---- */

struct seen_by_module {
    unsigned refuse, taken;
};

static inline tsunagi_code m_open(struct tsunagi_host *h, void **self)
{
    (void)h;
    *self = calloc(1, sizeof(struct seen_by_module));
    ((struct seen_by_module *)*self)->refuse = 1;
    return NULL;
}

static inline void m_close(void *self)
{
    free(self);
}

static inline tsunagi_code m_delivery(void *self,
                                      const struct tsunagi_delivery *d)
{
    struct seen_by_module *m = self;
    if (m->refuse > 0) {
        m->refuse--;
        return "E-IO-001";
    }
    m->taken++;
    return strcmp(tsunagi_get(d, "name"), "仮名美咲") == 0 ? NULL : "E-INT-001";
}

static const struct tsunagi_module MODULE = {.abi = TSUNAGI_ADAPTER_ABI,
                                             .name = "test",
                                             .about = "test",
                                             .open = m_open,
                                             .close = m_close,
                                             .on_delivery = m_delivery};

/* ---- the local socket ---- */

static inline void ask(struct node_client *c, const char *what, const char *key,
                       const char *value, const char *tag)
{
    struct node_arg args[] = {{"tag", tag}, {key, value}};
    assert_int_equal(node_client_ask(c, what, args, key != NULL ? 2 : 1),
                     ERR_OK);
}

/* The answer, with the node and the hub turning meanwhile. */
static inline void await_answer(struct peer *p, struct node_client *c,
                                struct node_answer *a)
{
    enum err e = ERR_UNREACHABLE;
    for (int i = 0; i < 600 && e == ERR_UNREACHABLE; i++) {
        turns(p, 1);
        e = node_client_answer(c, 5, a);
    }
    assert_int_equal(e, ERR_OK);
}
#endif
