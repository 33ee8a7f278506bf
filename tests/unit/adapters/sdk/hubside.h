/* hubside.h - what a hub would make, for the tests of a node: keys, events of
 * a sender, a log of four leaves, signed deliveries. All with the real parts;
 * `enum tamper` says what to get wrong. Only the fictitious prefecture 49. */
#ifndef TSUNAGI_TEST_HUBSIDE_H
#define TSUNAGI_TEST_HUBSIDE_H
#include "proto/base/clock.h"
#include "proto/base/code.h"
#include "proto/wire/event.h"
#include "proto/wire/json.h"
#include "proto/wire/proof.h"
#include "proto/wire/unpack.h"
#include "tsunagi/v1/envelope.pb-c.h"
#include "tsunagi/v1/options.pb-c.h"
#include <assert.h>
#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define US "WO-4911000026"    /* 短期入所つきみ */
#define SENDER "OW-KYOTEN-B1" /* 架空圏域拠点 */
#define ORIGIN "hub.example.test/log"

enum tamper {
    HONEST,
    HUB_SIGNATURE,
    SENDER_SIGNATURE,
    SENDER_KEY,
    PART_BODY,
    PART_SALT,
    PART_CLASS,
    LEAF_KIND,
    LEAF_EVENT,
    LEAF_PEER,
    LEAF_MORE,
    LEAF_LESS,
    LEAF_INDEX,
    LEAF_HEADER,
    LEAF_KEY,
    LEAF_ABSENT,
    PROOF_PATH,
    PROOF_LENGTH,
    PROOF_NONE,
    FOR_ANOTHER,
    BOX_KEY,     /* boxed by somebody else */
    NOTE_KEY,    /* the checkpoint signed by somebody else */
    NOTE_ORIGIN, /* the checkpoint of another log */
};

/* A log of four leaves whose third is ours. */
struct small_log {
    struct hash leaf[4], path[2], root;
};
#define LEAF_AT 2

struct hubside {
    struct node_keys hub, log, sender, us;
    struct buf event; /* packed Event of the sender */
    uint8_t delivery_id[16];
    uint64_t glass;        /* classes that the leaf calls opened */
    struct small_log last; /* of the last delivery made */
};

static inline ProtobufCMessage *body_of(const char *type, const char *json)
{
    json_t *j = NULL;
    ProtobufCMessage *m = NULL;
    assert_int_equal(json_parse(slice_str(json), &j, NULL), ERR_OK);
    assert_int_equal(
        json_to_message(j, schema_event_named(type)->descriptor, &m, NULL),
        ERR_OK);
    json_decref(j);
    return m;
}

static inline void hubside_event(struct hubside *h, const char *type,
                                 const char *json)
{
    ProtobufCMessage *body = body_of(type, json);
    Pb__Wanted to = PB__WANTED__INIT, *at[] = {&to};
    char us[] = US, purpose[] = "P_EMG";
    to.agency = us;
    to.purpose = purpose;
    Pb__Routing r = PB__ROUTING__INIT;
    r.n_to = 1;
    r.to = at;
    struct event_draft d = {.event_id = id_new(clock_wall_ms()),
                            .agency = SENDER,
                            .node = "kyoten/n1",
                            .type = schema_event_named(type)->event,
                            .created_ms = clock_wall_ms(),
                            .node_seq = 1,
                            .body = body,
                            .routing = &r};
    buf_reset(&h->event);
    assert_int_equal(event_make(&d, h->sender.sign_secret, &h->event), ERR_OK);
    unpack_free(&body);
    randombytes_buf(h->delivery_id, sizeof(h->delivery_id));
}

#define CONFIRMED                                                               \
    "{\"offer_ref\":\"01994c00-0000-7000-8000-000000000001\","                  \
    "\"reason\":\"CARER_ADMITTED\",\"arrival_ms\":1789149600000,"               \
    "\"name\":{\"kanji\":\"仮名美咲\",\"kana\":\"カメイミサキ\"},"    \
    "\"birth\":\"H13.2.28\",\"sex\":\"FEMALE\","                                \
    "\"guardian\":[{\"name\":{\"kanji\":\"仮名母\"},\"relation\":\"母\"}]," \
    "\"crisis\":\"大きな音を避ける。\\n静かな部屋で待つ。\"," \
    "\"dx_main\":\"統合失調症\"}"

static inline void hubside_init(struct hubside *h)
{
    memset(h, 0, sizeof(*h));
    assert_int_equal(sign_init(), ERR_OK);
    code_allow_fictitious(true);
    keys_make(&h->hub, "hub");
    keys_make(&h->log, "hub/log");
    keys_make(&h->sender, "kyoten/n1");
    keys_make(&h->us, "tsukimi/n1");
    hubside_event(h, "STAY_CONFIRMED", CONFIRMED);
}

static inline void hubside_fini(struct hubside *h)
{
    buf_fini(&h->event);
}

static inline void small_log(struct slice leaf, uint8_t salt,
                             struct small_log *l)
{
    for (uint8_t i = 0; i < 4; i++) {
        uint8_t other[2] = {i, salt};
        l->leaf[i] = proof_leaf(i == LEAF_AT ? leaf : slice_of(other, 2));
    }
    struct hash left = proof_node(l->leaf[0], l->leaf[1]);
    struct hash right = proof_node(l->leaf[2], l->leaf[3]);
    l->path[0] = l->leaf[3];
    l->path[1] = left;
    l->root = proof_node(left, right);
}

static inline bool kept(unsigned cls)
{
    return cls == PB__DATA_CLASS__G_META || cls == PB__DATA_CLASS__G_ID ||
           cls == PB__DATA_CLASS__G_GUARD || cls == PB__DATA_CLASS__G_CRISIS ||
           cls == PB__DATA_CLASS__G_CONSENT;
}

static inline void hubside_leaf(const struct hubside *h, enum tamper t,
                                const struct event *ev, uint64_t released,
                                struct buf *out)
{
    Pb__AuditLeaf l = PB__AUDIT_LEAF__INIT;
    char peer[AGENCY_MAX];
    uint8_t key_id[8], id[16], sha[32];
    crypto_generichash(key_id, 8, h->sender.pub.sign, 32, NULL, 0);
    memcpy(id, ev->event_id.b, 16);
    memcpy(sha, ev->header_sha256, 32);
    id[15] ^= t == LEAF_EVENT;
    sha[0] ^= t == LEAF_HEADER;
    key_id[0] ^= t == LEAF_KEY;
    snprintf(peer, sizeof(peer), "%s", t == LEAF_PEER ? "WO-4911000018" : US);
    l.has_index = l.has_kind = l.has_event_id = l.has_released = 1;
    l.has_header_sha256 = l.has_sender_key_id = 1;
    l.index = t == LEAF_INDEX ? LEAF_AT + 1 : LEAF_AT;
    l.kind = t == LEAF_KIND ? PB__LEAF_KIND__DECISION : PB__LEAF_KIND__RELEASE;
    l.event_id = pb_borrow(slice_of(id, 16));
    l.peer = peer;
    l.released = released;
    if (t == LEAF_MORE)
        l.released |= class_bit(PB__DATA_CLASS__G_DX);
    if (t == LEAF_LESS)
        l.released &= ~class_bit(PB__DATA_CLASS__G_ID);
    l.header_sha256 = pb_borrow(slice_of(sha, 32));
    l.sender_key_id = pb_borrow(slice_of(key_id, 8));
    l.has_glass = h->glass != 0;
    l.glass = h->glass;
    assert_int_equal(pack(&l.base, out), ERR_OK);
}

static inline void spoil_part(enum tamper t, Pb__Part *p)
{
    if (t == PART_BODY && p->body.len > 0)
        p->body.data[p->body.len - 1] ^= 1;
    if (t == PART_SALT)
        p->salt.data[0] ^= 1;
    if (t == PART_CLASS && p->cls == PB__DATA_CLASS__G_CRISIS)
        p->cls = PB__DATA_CLASS__G_DX;
}

/* Signs what was filled in; appended to out as a SignedDelivery. */
static inline void hubside_sign(const struct hubside *h, enum tamper t,
                                const Pb__Delivery *d, struct buf *out)
{
    struct buf bytes = {0};
    uint8_t signature[SIGNATURE_BYTES];
    assert_int_equal(pack(&d->base, &bytes), ERR_OK);
    assert_int_equal(sign_make(SIGN_DELIVERY, buf_slice(&bytes),
                               h->hub.sign_secret, signature),
                     ERR_OK);
    signature[0] ^= t == HUB_SIGNATURE;
    Pb__SignedDelivery s = PB__SIGNED_DELIVERY__INIT;
    s.has_delivery = s.has_signature = 1;
    s.delivery = pb_borrow(buf_slice(&bytes));
    s.signature = pb_borrow(slice_of(signature, SIGNATURE_BYTES));
    assert_int_equal(pack(&s.base, out), ERR_OK);
    buf_fini(&bytes);
}

/* A SignedDelivery and the head it is proved against. */
static inline void hubside_delivery(struct hubside *h, enum tamper t,
                                    uint8_t salt, struct buf *out,
                                    struct checkpoint *head)
{
    struct event *ev = NULL;
    assert_int_equal(event_open(buf_slice(&h->event), &ev), ERR_OK);
    Pb__Part *parts[CLASS_MAX];
    size_t n = 0;
    uint64_t released = 0;
    for (size_t i = 1; i < ev->msg->n_part; i++)
        if (kept(ev->msg->part[i]->cls)) {
            released |= class_bit(ev->msg->part[i]->cls);
            parts[n++] = ev->msg->part[i];
        }
    struct buf leaf = {0};
    hubside_leaf(h, t, ev, released, &leaf);
    struct small_log log;
    small_log(t == LEAF_ABSENT ? slice_str("other") : buf_slice(&leaf), salt,
              &log);
    h->last = log;
    for (size_t i = 0; i < n; i++)
        spoil_part(t, parts[i]);
    if (t == SENDER_SIGNATURE)
        ev->msg->signature.data[0] ^= 1;
    if (t == PROOF_PATH)
        log.path[1].b[0] ^= 1;
    ProtobufCBinaryData path[2] = {
        pb_borrow(slice_of(log.path[0].b, HASH_BYTES)),
        pb_borrow(slice_of(log.path[1].b, HASH_BYTES))};
    uint8_t token[16] = {1, 2, 3}, case_token[16] = {4, 5, 6};
    char agency[AGENCY_MAX], purpose[] = "P_EMG", role[] = "R_SHORTSTAY";
    snprintf(agency, sizeof(agency), "%s",
             t == FOR_ANOTHER ? "WO-4911000018" : US);
    Pb__Delivery d = PB__DELIVERY__INIT;
    d.has_delivery_id = d.has_event_header = d.has_event_signature = 1;
    d.has_sender_key = d.has_withheld = d.has_release_leaf = 1;
    d.has_release_index = d.has_released_ms = 1;
    d.has_person_token = d.has_case_token = 1;
    d.delivery_id = pb_borrow(slice_of(h->delivery_id, 16));
    d.event_header = ev->msg->header;
    d.event_signature = ev->msg->signature;
    d.sender_key = pb_borrow(slice_of(
        t == SENDER_KEY ? h->us.pub.sign : h->sender.pub.sign, KEY_BYTES));
    d.n_part = n;
    d.part = parts;
    d.withheld = class_bit(PB__DATA_CLASS__G_DX);
    d.person_token = pb_borrow(slice_of(token, 16));
    d.case_token = pb_borrow(slice_of(case_token, 16));
    d.purpose = purpose;
    d.role = role;
    d.agency = agency;
    d.release_leaf = pb_borrow(buf_slice(&leaf));
    d.release_index = LEAF_AT;
    d.n_inclusion = t == PROOF_NONE ? 0 : t == PROOF_LENGTH ? 1 : 2;
    d.inclusion = path;
    d.released_ms = 1789149600000; /* 2026-09-12 03:00 in Japan */
    hubside_sign(h, t, &d, out);
    head->size = 4;
    head->root = log.root;
    snprintf(head->origin, sizeof(head->origin), "%s", ORIGIN);
    buf_fini(&leaf);
    event_close(&ev);
}
#endif
