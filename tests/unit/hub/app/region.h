/* region.h - for tests: the whole hub in this process, with a folder of its
 * own, the region and the policy that ship, and nodes that talk to it over
 * CURVE. One thread: a client sends, the hub takes turns, the client looks.
 * What a client receives is checked as a node checks it (boxes, signatures,
 * commitments, inclusion, consistency), so that every test proves those too. */
#ifndef TESTS_APP_REGION_H
#define TESTS_APP_REGION_H
#include "hub/app/hub.h"
#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "proto/wire/log_proof.h"
#include "proto/wire/unpack.h"
#include "tests/sign_pack.h"
#include "tests/unit/proto/wire/sample.h"
#include "tsunagi/v1/consent.pb-c.h"
#include "tsunagi/v1/discharge.pb-c.h"
#include "tsunagi/v1/emergency.pb-c.h"
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zmq.h>
/* cmocka needs the ones above */
#include <cmocka.h>

#define ORIGIN "kakuu.example/log"
#define CLIENTS 13
static const struct {
    const char *node, *agency;
} NODES[CLIENTS] = {
    {"h1", "MI-4910100017"}, {"p1", "WO-4931000014"}, {"p1/b", "WO-4931000014"},
    {"s1", "WO-4911000018"}, {"s2", "WO-4911000026"}, {"s3", "WO-4911000034"},
    {"k1", "OW-K1-492019"},  {"b1", "OW-B1-49"},      {"c1", "HC-492019-01"},
    {"c2", "HC-490008-01"},  {"o1", "OW-HOUSE-49"},   {"m1", "LG-492019"},
    {"a1", "OW-AUDIT-49"},
};

/* One delivery as its node took it. */
struct got {
    struct event *event;
    Pb__Delivery *d;
    Pb__AuditLeaf *leaf;
    int lane;
};
struct client {
    struct region *r;
    const char *agency;
    struct node_keys keys;
    enum node_state state;
    void *lane[LANE_COUNT];
    uint64_t seq[LANE_COUNT];
    struct checkpoint seen;
    struct got *got; /* every delivery so far */
    size_t got_n;
    struct buf plain; /* the last Deliveries' opened bytes */
};
struct region {
    char dir[64];
    struct hub *hub;
    void *zmq;
    struct client client[CLIENTS];
    char urgent[40], normal[40];
    struct approver_pair approver;
    uint64_t pack_version; /* signed last */
    bool witnesses, hours; /* witness.tlog, hours.tsv are there */
    const char *origin;    /* NULL: ORIGIN */
    void *socket[64];      /* open ones: a test that fails leaves some behind */
};

/* ---- the folder ---- */

static inline char *region_path(const struct region *r, const char *name)
{
    char path[192];
    snprintf(path, sizeof(path), "%s/%s", r->dir, name);
    return strdup(path);
}

static inline void region_write(const struct region *r, const char *name,
                                struct slice s)
{
    char *path = region_path(r, name);
    assert_int_equal(file_replace(path, s, 0600), ERR_OK);
    free(path);
}

static inline void run_command(const char *format, const char *a, const char *b)
{
    char line[512];
    /* the formats are those of this file and its tests */
    int n = b != NULL
                ? snprintf(line, sizeof(line), "%s '%s' '%s'", format, a, b)
                : snprintf(line, sizeof(line), "%s '%s'", format, a);
    assert_true(n > 0 && (size_t)n < sizeof(line));
    assert_int_equal(system(line), 0);
}

static inline void free_port(char out[40])
{
    struct sockaddr_in a = {.sin_family = AF_INET};
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(a);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, size), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &size), 0);
    snprintf(out, 40, "tcp://127.0.0.1:%u", ntohs(a.sin_port));
    close(fd);
}

static inline void region_write_nodes(const struct region *r)
{
    struct node nodes[CLIENTS];
    struct agency agency[CLIENTS];
    struct buf text = {0};
    for (size_t i = 0; i < CLIENTS; i++) {
        memset(&agency[i], 0, sizeof(agency[i]));
        snprintf(agency[i].code, AGENCY_MAX, "%s", r->client[i].agency);
        nodes[i] = (struct node){.pub = r->client[i].keys.pub,
                                 .agency = &agency[i],
                                 .state = r->client[i].state,
                                 .since_ms = 1774969200000};
    }
    registry_write_nodes(nodes, CLIENTS, &text);
    region_write(r, "nodes.tsv", buf_slice(&text));
    buf_fini(&text);
}

static inline void region_config(const struct region *r, struct hub_config *c)
{
    *c = (struct hub_config){
        .data = region_path(r, "data"),
        .state = region_path(r, "state"),
        .hub_key = region_path(r, "keys/hub.key"),
        .log_key = region_path(r, "keys/log.key"),
        .keyring = region_path(r, "keyring"),
        .kek = region_path(r, "keys/kek"),
        .agencies = region_path(r, "agencies.tsv"),
        .municipalities = region_path(r, "municipalities.tsv"),
        .nodes = region_path(r, "nodes.tsv"),
        .policy = region_path(r, "policy"),
        .approvers = region_path(r, "approvers.tsv"),
        .urgent = strdup(r->urgent),
        .normal = strdup(r->normal),
        .control = region_path(r, "control"),
        .origin = strdup(r->origin != NULL ? r->origin : ORIGIN),
        .witness_policy = r->witnesses ? region_path(r, "witness.tlog") : NULL,
        .witness_hours = r->hours ? region_path(r, "hours.tsv") : NULL,
        .witness_interval = 1,
        .quorum_seconds = 1,
        .fictitious = true,
        .rate = 20000,
        .burst = 40000,
        .erase_hour = -1, /* only when it is told to */
    };
}

static inline void config_free(struct hub_config *c)
{
    char *const all[] = {c->data,           c->keyring,      c->state,
                         c->hub_key,        c->log_key,      c->kek,
                         c->nodes,          c->policy,       c->agencies,
                         c->municipalities, c->urgent,       c->normal,
                         c->control,        c->origin,       c->approvers,
                         c->witness_policy, c->witness_hours};
    for (size_t i = 0; i < NELEM(all); i++)
        free(all[i]);
}

/* Signs what lies in the policy folder, by n approvers, as the next version. */
static inline void region_sign(struct region *r, int n)
{
    char *folder = region_path(r, "policy");
    assert_int_equal(pack_sign(folder, ORIGIN, ++r->pack_version, 1767193200000,
                               &r->approver, n),
                     ERR_OK);
    free(folder);
}

/* ---- the hub ---- */

/* Starts the hub; what it says when it does not. */
static inline enum err region_try(struct region *r, struct buf *why)
{
    r->hub = calloc(1, sizeof(*r->hub));
    assert_non_null(r->hub);
    region_config(r, &r->hub->config);
    enum err e = hub_open(r->hub, why);
    prctl(PR_SET_DUMPABLE, 1); /* the leak checker traces us */
    return e;
}

static inline void region_stop(struct region *r)
{
    struct hub_config c = r->hub->config;
    hub_close(r->hub);
    config_free(&c);
    free(r->hub);
    r->hub = NULL;
}

static inline void region_start(struct region *r)
{
    struct buf why = {0};
    if (region_try(r, &why) != ERR_OK)
        fail_msg("%s", why.n > 0 ? (char *)why.p : "not started");
    buf_fini(&why);
}

static inline void region_make_keys(struct region *r)
{
    struct node_keys hub, log;
    keys_make(&hub, "hub");
    keys_make(&log, "log");
    char *a = region_path(r, "keys/hub.key"),
         *b = region_path(r, "keys/log.key");
    assert_int_equal(keys_write(a, &hub), ERR_OK);
    assert_int_equal(keys_write(b, &log), ERR_OK);
    free(a);
    free(b);
    for (size_t i = 0; i < CLIENTS; i++) {
        struct client *c = &r->client[i];
        c->r = r;
        c->agency = NODES[i].agency;
        c->state = NODE_ACTIVE;
        keys_make(&c->keys, NODES[i].node);
    }
}

static inline struct region *region_new(void)
{
    static const char *const FOLDERS[] = {"data", "state", "keys", "policy"};
    struct region *r = calloc(1, sizeof(*r));
    assert_non_null(r);
    log_open("test", LOG_ERROR);
    code_allow_fictitious(true);
    assert_int_equal(sign_init(), ERR_OK);
    snprintf(r->dir, sizeof(r->dir), "/tmp/tsunagi-region-XXXXXX");
    assert_non_null(mkdtemp(r->dir));
    for (size_t i = 0; i < NELEM(FOLDERS); i++) {
        char *path = region_path(r, FOLDERS[i]);
        assert_int_equal(mkdir(path, 0700), 0);
        free(path);
    }
    run_command("cp deploy/region/agencies.tsv "
                "deploy/region/municipalities.tsv",
                r->dir, NULL);
    char *policy = region_path(r, "policy");
    run_command("cp deploy/policy/*.tsv", policy, NULL);
    free(policy);
    char *approvers = region_path(r, "approvers.tsv");
    assert_int_equal(approvers_make(&r->approver, approvers), ERR_OK);
    free(approvers);
    region_sign(r, 2);
    region_make_keys(r);
    region_write_nodes(r);
    free_port(r->urgent);
    do
        free_port(r->normal);
    while (strcmp(r->urgent, r->normal) == 0);
    r->zmq = zmq_ctx_new();
    region_start(r);
    return r;
}

static inline void turn(struct region *r)
{
    hub_turn(r->hub, 5);
}

static inline void turns(struct region *r, int n)
{
    while (n-- > 0)
        turn(r);
}

/* ---- clients ---- */

static inline void got_free(struct got *g)
{
    event_close(&g->event);
    if (g->d != NULL)
        pb__delivery__free_unpacked(g->d, NULL);
    if (g->leaf != NULL)
        pb__audit_leaf__free_unpacked(g->leaf, NULL);
}

static inline void client_forget(struct client *c)
{
    for (size_t i = 0; i < c->got_n; i++)
        got_free(&c->got[i]);
    free(c->got);
    c->got = NULL;
    c->got_n = 0;
}

static inline void dealer_close(struct region *r, void *s)
{
    for (size_t i = 0; i < NELEM(r->socket); i++)
        if (s != NULL && r->socket[i] == s) {
            zmq_close(s);
            r->socket[i] = NULL;
        }
}

static inline void client_close(struct client *c)
{
    for (int i = 0; i < LANE_COUNT; i++) {
        dealer_close(c->r, c->lane[i]);
        c->lane[i] = NULL;
    }
}

static inline void region_free(struct region *r)
{
    for (size_t i = 0; i < CLIENTS; i++) {
        client_close(&r->client[i]);
        client_forget(&r->client[i]);
        buf_fini(&r->client[i].plain);
    }
    for (size_t i = 0; i < NELEM(r->socket); i++)
        dealer_close(r, r->socket[i]);
    zmq_ctx_term(r->zmq);
    if (r->hub != NULL)
        region_stop(r);
    run_command("rm -rf", r->dir, NULL);
    free(r);
}

/* A DEALER under CURVE with these keys; routing NULL: the library's own id. */
static inline void *dealer(struct region *r, const struct node_keys *k,
                           const uint8_t server[KEY_BYTES],
                           const char *endpoint, const char *routing)
{
    int linger = 0;
    void *s = zmq_socket(r->zmq, ZMQ_DEALER);
    assert_non_null(s);
    for (size_t i = 0; i <= NELEM(r->socket); i++) {
        assert_true(i < NELEM(r->socket));
        if (r->socket[i] == NULL) {
            r->socket[i] = s;
            break;
        }
    }
    zmq_setsockopt(s, ZMQ_LINGER, &linger, sizeof(linger));
    if (routing != NULL)
        zmq_setsockopt(s, ZMQ_ROUTING_ID, routing, strlen(routing));
    if (k != NULL) {
        zmq_setsockopt(s, ZMQ_CURVE_SERVERKEY, server, KEY_BYTES);
        zmq_setsockopt(s, ZMQ_CURVE_PUBLICKEY, k->pub.curve, KEY_BYTES);
        zmq_setsockopt(s, ZMQ_CURVE_SECRETKEY, k->curve_secret, KEY_BYTES);
    }
    assert_int_equal(zmq_connect(s, endpoint), 0);
    return s;
}

/* The node of this name, connected in both lanes. */
static inline struct client *client(struct region *r, const char *name)
{
    struct client *c = NULL;
    for (size_t i = 0; i < CLIENTS; i++)
        if (strcmp(NODES[i].node, name) == 0)
            c = &r->client[i];
    assert_non_null(c);
    const char *const ends[] = {r->urgent, r->normal};
    for (int i = 0; i < LANE_COUNT; i++)
        if (c->lane[i] == NULL)
            c->lane[i] =
                dealer(r, &c->keys, r->hub->keys.pub.curve, ends[i], NULL);
    return c;
}

/* A turn as soon as there is anything for the hub or for s. */
static inline void turn_or(struct region *r, void *s)
{
    zmq_pollitem_t items[NET_ITEMS + 1];
    net_items(r->hub->net, items);
    items[NET_ITEMS] = (zmq_pollitem_t){s, 0, ZMQ_POLLIN, 0};
    zmq_poll(items, NET_ITEMS + 1, r->hub->pump ? 0 : 10);
    hub_turn(r->hub, 0);
}

/* Takes turns until something is there for s, for at most ms. */
static inline bool wait_for(struct region *r, void *s, struct frame *f, int ms)
{
    uint64_t until = clock_boot_ms() + (uint64_t)ms;
    do {
        enum err e = frame_recv(s, false, f);
        if (e == ERR_OK)
            return true;
        assert_int_equal(e, ERR_NOT_FOUND);
        turn_or(r, s);
    } while (clock_boot_ms() < until);
    return false;
}

/* What must come comes in milliseconds; under valgrind, beside others, it may
 * take seconds. Nothing waits so long for what must not come. */
#define PATIENCE 30000
static inline void client_send(struct client *c, int lane, enum verb v,
                               struct slice body)
{
    enum err e = ERR_BUSY; /* while it is on its way back to the hub */
    uint64_t until = clock_boot_ms() + PATIENCE;
    while (e == ERR_BUSY && clock_boot_ms() < until) {
        e = frame_send(c->lane[lane], NULL, v, body);
        if (e == ERR_BUSY)
            turn(c->r);
    }
    assert_int_equal(e, ERR_OK);
}

static inline size_t take_deliveries(struct client *c, int lane,
                                     struct slice body);

/* Waits for the next answer, which must be v; deliveries on the way are taken.
 * frame_close after use. */
static inline void client_want(struct client *c, int lane, enum verb v,
                               struct frame *f)
{
    for (;;) {
        if (!wait_for(c->r, c->lane[lane], f, PATIENCE))
            fail_msg("%s got no %s", c->keys.pub.node, verb_name(v));
        if (f->verb != VERB_DELIVERIES || v == VERB_DELIVERIES)
            break;
        take_deliveries(c, lane, f->body);
        frame_close(f);
    }
    if (f->verb != v)
        fail_msg("%s got %s, not %s", c->keys.pub.node, verb_name(f->verb),
                 verb_name(v));
}

static inline void client_send_message(struct client *c, int lane, enum verb v,
                                       const ProtobufCMessage *m)
{
    struct buf b = {0};
    assert_int_equal(pack(m, &b), ERR_OK);
    client_send(c, lane, v, buf_slice(&b));
    buf_fini(&b);
}

/* ---- events ---- */

#define SENT_TO 4
/* What is sent: filled by sent(), changed by the test, made by post(). */
struct sent {
    struct event_draft d;
    Pb__Routing routing;
    Pb__Wanted wanted[SENT_TO], *to[SENT_TO];
    uint8_t person[16], case_token[16];
    const uint8_t *secret; /* signs */
    int lane;
    ProtobufCMessage *body; /* owned by sent when made by it */
};

static inline void token_of(uint8_t out[16], const char *name)
{
    struct slice s = slice_str(name);
    uint8_t h[32];
    sha256(s, h);
    memcpy(out, h, 16);
}

/* body NULL: a sample with every field. */
static inline void sent(struct sent *s, struct client *c, const char *type,
                        const ProtobufCMessage *body, const char *person,
                        const char *case_name)
{
    const struct schema_message *m = schema_event_named(type);
    assert_non_null(m);
    memset(s, 0, sizeof(*s));
    pb__routing__init(&s->routing);
    s->routing.to = s->to;
    if (person != NULL) {
        token_of(s->person, person);
        s->routing.has_person_token = 1;
        s->routing.person_token = (ProtobufCBinaryData){16, s->person};
    }
    if (case_name != NULL) {
        token_of(s->case_token, case_name);
        s->routing.has_case_token = 1;
        s->routing.case_token = (ProtobufCBinaryData){16, s->case_token};
    }
    s->lane = m->urgent ? LANE_URGENT : LANE_NORMAL;
    if (body == NULL)
        body = s->body = sample_body(m);
    uint64_t now = clock_wall_ms();
    s->d = (struct event_draft){.event_id = id_new(now),
                                .agency = c->agency,
                                .node = c->keys.pub.node,
                                .type = m->event,
                                .created_ms = now,
                                .node_seq = ++c->seq[s->lane],
                                .body = body,
                                .routing = &s->routing};
    s->secret = c->keys.sign_secret;
}

/* whom: an agency's code, or R_X@49201. */
static inline void sent_to(struct sent *s, const char *whom,
                           const char *purpose)
{
    size_t i = s->routing.n_to++;
    assert_true(i < SENT_TO);
    Pb__Wanted *w = s->to[i] = &s->wanted[i];
    pb__wanted__init(w);
    char *text = (char *)(uintptr_t)whom;
    if (strncmp(whom, "R_", 2) == 0)
        w->role = text;
    else
        w->agency = text;
    w->purpose = (char *)(uintptr_t)purpose;
}

/* As bytes of a Send. */
static inline void sent_pack(struct sent *s, struct buf *out)
{
    struct buf packed = {0};
    assert_int_equal(event_make(&s->d, s->secret, &packed), ERR_OK);
    Pb__Send m = PB__SEND__INIT;
    m.has_event = 1;
    m.event = pb_borrow(buf_slice(&packed));
    assert_int_equal(pack(&m.base, out), ERR_OK);
    buf_fini(&packed);
    unpack_free(&s->body);
}

/* The leaf of the receipt is in the log: a node keeps this proof. */
static inline void check_receipt_proof(const struct region *r,
                                       const Pb__SignedReceipt *s,
                                       const Pb__Receipt *receipt)
{
    struct log_proof p;
    struct checkpoint head;
    ProtobufCMessage *m = NULL;
    assert_non_null(s->proof);
    assert_int_equal(log_proof_parse(slice_str(s->proof), &p), ERR_OK);
    assert_int_equal(p.index, receipt->leaf_index);
    assert_int_equal(log_proof_check(&p, r->hub->config.origin,
                                     r->hub->log_keys.pub.sign,
                                     buf_slice(&p.extra), &head),
                     ERR_OK);
    assert_int_equal(
        unpack(&pb__audit_leaf__descriptor, buf_slice(&p.extra), &m), ERR_OK);
    const Pb__AuditLeaf *leaf = (const Pb__AuditLeaf *)m;
    assert_int_equal(leaf->kind, PB__LEAF_KIND__INGEST);
    assert_int_equal(leaf->index, p.index);
    unpack_free(&m);
    log_proof_fini(&p);
}

/* A receipt, opened, its signature and its proof checked. */
static inline Pb__Receipt *open_receipt(const struct region *r,
                                        struct slice body)
{
    ProtobufCMessage *m = NULL, *out = NULL;
    assert_int_equal(unpack(&pb__signed_receipt__descriptor, body, &m), ERR_OK);
    const Pb__SignedReceipt *s = (const Pb__SignedReceipt *)m;
    assert_int_equal(sign_check(SIGN_RECEIPT, pb_slice(s->receipt),
                                pb_slice(s->signature), r->hub->keys.pub.sign),
                     ERR_OK);
    assert_int_equal(
        unpack(&pb__receipt__descriptor, pb_slice(s->receipt), &out), ERR_OK);
    check_receipt_proof(r, s, (const Pb__Receipt *)out);
    unpack_free(&m);
    return (Pb__Receipt *)out;
}

/* Sends packed bytes and waits for the receipt (owned). raw: its bytes. */
static inline Pb__Receipt *exchange(struct client *c, int lane,
                                    struct slice packed, struct buf *raw)
{
    struct frame f;
    client_send(c, lane, VERB_SEND, packed);
    client_want(c, lane, VERB_RECEIPT, &f);
    if (raw != NULL)
        buf_add(raw, f.body.p, f.body.n);
    Pb__Receipt *r = open_receipt(c->r, f.body);
    frame_close(&f);
    return r;
}

static inline void receipt_free(Pb__Receipt **r)
{
    pb__receipt__free_unpacked(*r, NULL);
    *r = NULL;
}

/* Sends it; the code of the answer, "" for ACCEPTED, "late", "parked". */
static inline const char *outcome(const Pb__Receipt *r)
{
    if (r->outcome == PB__OUTCOME__REFUSED)
        return err_code(err_from_code(r->code));
    return r->outcome == PB__OUTCOME__ACCEPTED        ? ""
           : r->outcome == PB__OUTCOME__ACCEPTED_LATE ? "late"
                                                      : "parked";
}

static inline const char *post(struct client *c, struct sent *s)
{
    struct buf b = {0};
    sent_pack(s, &b);
    Pb__Receipt *r = exchange(c, s->lane, buf_slice(&b), NULL);
    const char *what = outcome(r);
    receipt_free(&r);
    buf_fini(&b);
    return what;
}

/* The usual event: one sample to one recipient. */
static inline const char *post_sample(struct client *c, const char *type,
                                      const char *person, const char *case_name,
                                      const char *whom, const char *purpose)
{
    struct sent s;
    sent(&s, c, type, NULL, person, case_name);
    if (whom != NULL)
        sent_to(&s, whom, purpose);
    return post(c, &s);
}

/* ---- consent ---- */

static inline void date_after(char out[16], int days)
{
    char text[TIME_TEXT];
    time_jst(clock_wall_ms() + (uint64_t)days * 86400000, text);
    snprintf(out, 16, "%.10s", text);
}

/* Gives consent for every class; ref is named by a word, whom by an agency's
 * code or as R_X@49201. */
static inline const char *give_as(struct client *c, const char *person,
                                  const char *ref, const char *agency,
                                  const char *purpose, const char *supersedes)
{
    Pb__ConsentGiven b = PB__CONSENT_GIVEN__INIT;
    Pb__ConsentRecipient to = PB__CONSENT_RECIPIENT__INIT, *list[] = {&to};
    Pb__Date from = PB__DATE__INIT, end = PB__DATE__INIT;
    Pb__DataClass classes[CLASS_MAX];
    uint8_t id[16], old[16], paper[32] = {1};
    uint64_t third = policy_third(c->r->hub->policy);
    char today[16], later[16];
    struct sent s;
    token_of(id, ref);
    date_after(today, 0);
    date_after(later, 180);
    from.iso = today;
    end.iso = later;
    char role[ROLE_MAX];
    const char *at = strchr(agency, '@');
    if (at != NULL) {
        snprintf(role, sizeof(role), "%.*s", (int)(at - agency), agency);
        to.role = role;
        to.place = (char *)(uintptr_t)(at + 1);
    } else {
        to.agency = (char *)(uintptr_t)agency;
    }
    b.has_consent_ref = b.has_giver = b.has_method = 1;
    b.consent_ref = (ProtobufCBinaryData){16, id};
    b.purpose = (char *)(uintptr_t)purpose;
    b.n_recipient = 1;
    b.recipient = list;
    for (unsigned k = 1; k < CLASS_MAX; k++)
        if (class_name(k)[0] != '\0' && (third & class_bit(k)) == 0)
            classes[b.n_classes++] = (Pb__DataClass)k;
    b.classes = classes;
    b.giver = PB__CONSENT_GIVER__SELF;
    b.method = PB__CONSENT_METHOD__PAPER;
    b.has_paper_sha256 = 1;
    b.paper_sha256 = (ProtobufCBinaryData){sizeof(paper), paper};
    b.text_version = (char *)(uintptr_t) "2026-04";
    b.valid_from = &from;
    b.valid_to = &end;
    if (supersedes != NULL) {
        token_of(old, supersedes);
        b.has_supersedes = 1;
        b.supersedes = (ProtobufCBinaryData){16, old};
    }
    sent(&s, c, "CONSENT_GIVEN", &b.base, person, NULL);
    return post(c, &s);
}

static inline const char *give(struct client *c, const char *person,
                               const char *ref, const char *agency,
                               const char *purpose)
{
    return give_as(c, person, ref, agency, purpose, NULL);
}

/* ref NULL: all. */
static inline const char *withdraw(struct client *c, const char *person,
                                   const char *ref)
{
    Pb__ConsentWithdrawn b = PB__CONSENT_WITHDRAWN__INIT;
    uint8_t id[16];
    struct sent s;
    if (ref != NULL) {
        token_of(id, ref);
        b.has_consent_ref = 1;
        b.consent_ref = (ProtobufCBinaryData){16, id};
    } else {
        b.has_all = b.all = 1;
    }
    sent(&s, c, "CONSENT_WITHDRAWN", &b.base, person, NULL);
    return post(c, &s);
}

/* ---- deliveries ---- */

static inline void client_fetch(struct client *c, int lane, uint32_t credit)
{
    Pb__Fetch m = PB__FETCH__INIT;
    m.has_credit = 1;
    m.credit = credit;
    m.has_seen_size = m.has_seen_root = c->seen.size > 0;
    m.seen_size = c->seen.size;
    m.seen_root = (ProtobufCBinaryData){HASH_BYTES, c->seen.root.b};
    client_send_message(c, lane, VERB_FETCH, &m.base);
}

static inline size_t hashes_of(const ProtobufCBinaryData *list, size_t n,
                               struct hash out[PROOF_MAX])
{
    assert_true(n <= PROOF_MAX);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(list[i].len, HASH_BYTES);
        memcpy(out[i].b, list[i].data, HASH_BYTES);
    }
    return n;
}

/* One delivery: box, signature, leaf in the log, sender, commitments. */
static inline void take_one(struct client *c, int lane,
                            const Pb__BoxedDelivery *boxed,
                            const struct checkpoint *head)
{
    ProtobufCMessage *signed_m = NULL, *d = NULL, *leaf = NULL;
    uint8_t shared[KEY_BYTES];
    struct hash path[PROOF_MAX];
    struct buf plain = {0};
    box_shared(shared, c->r->hub->keys.pub.box, c->keys.box_secret);
    assert_int_equal(
        box_open(shared, pb_slice(boxed->nonce), pb_slice(boxed->box), &plain),
        ERR_OK);
    assert_int_equal(
        unpack(&pb__signed_delivery__descriptor, buf_slice(&plain), &signed_m),
        ERR_OK);
    const Pb__SignedDelivery *s = (const Pb__SignedDelivery *)signed_m;
    assert_int_equal(sign_check(SIGN_DELIVERY, pb_slice(s->delivery),
                                pb_slice(s->signature),
                                c->r->hub->keys.pub.sign),
                     ERR_OK);
    assert_int_equal(
        unpack(&pb__delivery__descriptor, pb_slice(s->delivery), &d), ERR_OK);
    struct got g = {.d = (Pb__Delivery *)d, .lane = lane};
    size_t n = hashes_of(g.d->inclusion, g.d->n_inclusion, path);
    assert_int_equal(
        proof_check_inclusion(g.d->release_index, head->size,
                              proof_leaf(pb_slice(g.d->release_leaf)), path, n,
                              head->root),
        ERR_OK);
    assert_int_equal(
        unpack(&pb__audit_leaf__descriptor, pb_slice(g.d->release_leaf), &leaf),
        ERR_OK);
    g.leaf = (Pb__AuditLeaf *)leaf;
    assert_int_equal(event_open_released(pb_slice(g.d->event_header),
                                         pb_slice(g.d->event_signature),
                                         g.d->sender_key.data, g.d->part,
                                         g.d->n_part, &g.event),
                     ERR_OK);
    assert_string_equal(g.d->agency, c->agency);
    for (size_t i = 0; i < g.d->n_part; i++) /* I-4 */
        assert_true((g.leaf->released & class_bit(g.d->part[i]->cls)) != 0);
    c->got = realloc(c->got, (c->got_n + 1) * sizeof(*c->got));
    c->got[c->got_n++] = g;
    buf_reset(&c->plain);
    buf_add(&c->plain, plain.p, plain.n);
    unpack_free(&signed_m);
    buf_fini(&plain);
}

static inline void take_head(struct client *c, const Pb__Deliveries *d,
                             struct checkpoint *head)
{
    struct hash path[PROOF_MAX];
    assert_int_equal(checkpoint_open(slice_str(d->checkpoint), ORIGIN,
                                     c->r->hub->log_keys.pub.sign, head),
                     ERR_OK);
    size_t n = hashes_of(d->consistency, d->n_consistency, path);
    if (d->from_size == c->seen.size)
        assert_int_equal(proof_check_consistency(c->seen.size, c->seen.root,
                                                 head->size, head->root, path,
                                                 n),
                         ERR_OK);
    if (head->size > c->seen.size)
        c->seen = *head;
}

static inline size_t take_deliveries(struct client *c, int lane,
                                     struct slice body)
{
    ProtobufCMessage *m = NULL;
    struct checkpoint head;
    assert_int_equal(unpack(&pb__deliveries__descriptor, body, &m), ERR_OK);
    const Pb__Deliveries *d = (const Pb__Deliveries *)m;
    take_head(c, d, &head);
    size_t n = d->n_delivery;
    for (size_t i = 0; i < n; i++)
        take_one(c, lane, d->delivery[i], &head);
    unpack_free(&m);
    return n;
}

/* Asks and takes what comes within ms; returns how many deliveries. */
static inline size_t fetch_for(struct client *c, int lane, uint32_t credit,
                               int ms)
{
    size_t n = 0;
    struct frame f;
    client_fetch(c, lane, credit);
    while (n < credit && wait_for(c->r, c->lane[lane], &f, n == 0 ? ms : 60)) {
        if (f.verb == VERB_DELIVERIES)
            n += take_deliveries(c, lane, f.body);
        frame_close(&f);
    }
    return n;
}

static inline size_t fetch(struct client *c, int lane)
{
    return fetch_for(c, lane, 64, 400);
}

/* The last one taken. */
static inline struct got *last_got(struct client *c)
{
    assert_true(c->got_n > 0);
    return &c->got[c->got_n - 1];
}

static inline void client_ack_as(struct client *c, int lane,
                                 struct slice delivery_id, struct slice leaf,
                                 const uint8_t *secret)
{
    uint8_t hash[32], signature[SIGNATURE_BYTES];
    struct buf inner = {0};
    Pb__AckBody b = PB__ACK_BODY__INIT;
    Pb__Ack m = PB__ACK__INIT;
    sha256(leaf, hash);
    b.has_delivery_id = b.has_sha256 = b.has_time_ms = 1;
    b.delivery_id = pb_borrow(delivery_id);
    b.sha256 = (ProtobufCBinaryData){32, hash};
    b.time_ms = clock_wall_ms();
    assert_int_equal(pack(&b.base, &inner), ERR_OK);
    assert_int_equal(sign_make(SIGN_ACK, buf_slice(&inner), secret, signature),
                     ERR_OK);
    m.has_ack = m.has_signature = 1;
    m.ack = pb_borrow(buf_slice(&inner));
    m.signature = (ProtobufCBinaryData){SIGNATURE_BYTES, signature};
    client_send_message(c, lane, VERB_ACK, &m.base);
    buf_fini(&inner);
}

static inline void client_ack(struct client *c, const struct got *g)
{
    client_ack_as(c, g->lane, pb_slice(g->d->delivery_id),
                  pb_slice(g->d->release_leaf), c->keys.sign_secret);
}

/* Waits until PING comes back: everything sent before has been taken. */
static inline void client_sync(struct client *c, int lane)
{
    struct frame f;
    Pb__Ping m = PB__PING__INIT;
    m.has_time_ms = 1;
    m.time_ms = 7;
    client_send_message(c, lane, VERB_PING, &m.base);
    client_want(c, lane, VERB_PONG, &f);
    frame_close(&f);
}

/* ---- the log ---- */

static inline Pb__AuditLeaf *leaf_at(struct region *r, uint64_t index)
{
    struct buf b = {0};
    ProtobufCMessage *m = NULL;
    assert_int_equal(store_leaf_get(r->hub->store, index, &b), ERR_OK);
    assert_true(b.n <= 4096);
    assert_int_equal(unpack(&pb__audit_leaf__descriptor, buf_slice(&b), &m),
                     ERR_OK);
    buf_fini(&b);
    return (Pb__AuditLeaf *)m;
}

static inline size_t count_leaves(struct region *r, Pb__LeafKind kind)
{
    size_t n = 0;
    for (uint64_t i = 0; i < store_log_size(r->hub->store); i++) {
        Pb__AuditLeaf *l = leaf_at(r, i);
        n += l->kind == kind;
        pb__audit_leaf__free_unpacked(l, NULL);
    }
    return n;
}

/* ---- errors ---- */

/* Waits for an ERROR in a lane; its code. retry, has_id may be NULL. */
static inline const char *want_error(struct client *c, int lane,
                                     uint32_t *retry, struct id *about)
{
    struct frame f;
    ProtobufCMessage *m = NULL;
    client_want(c, lane, VERB_ERROR, &f);
    assert_int_equal(unpack(&pb__error__descriptor, f.body, &m), ERR_OK);
    const Pb__Error *e = (const Pb__Error *)m;
    const char *code = err_code(err_from_code(e->code));
    if (retry != NULL)
        *retry = e->retry_after_ms;
    if (about != NULL && (memset(about, 0, sizeof(*about)), e->has_event_id))
        assert_int_equal(id_from(pb_slice(e->event_id), about), ERR_OK);
    frame_close(&f);
    unpack_free(&m);
    return code;
}

/* ---- the command line's socket ---- */

/* Asks as a node (key, value, ... NULL); the packed Answer is appended. */
static inline void client_ask(struct client *c, const char *what,
                              const char *const *words, struct buf *raw)
{
    Pb__Ask a = PB__ASK__INIT;
    Pb__AskArgument arg[12], *list[12];
    struct frame f;
    a.what = (char *)(uintptr_t)what;
    a.arg = list;
    for (; words[0] != NULL; words += 2) {
        list[a.n_arg] = &arg[a.n_arg];
        pb__ask_argument__init(&arg[a.n_arg]);
        arg[a.n_arg].key = (char *)(uintptr_t)words[0];
        arg[a.n_arg++].value = (char *)(uintptr_t)words[1];
    }
    client_send_message(c, LANE_NORMAL, VERB_ASK, &a.base);
    client_want(c, LANE_NORMAL, VERB_ANSWER, &f);
    buf_add(raw, f.body.p, f.body.n);
    frame_close(&f);
}

/* "" when done. */
static inline const char *answer_code(const Pb__Answer *a)
{
    return a->code == NULL || a->code[0] == '\0'
               ? ""
               : err_code(err_from_code(a->code));
}

/* Asks over the control socket; the packed Answer is appended to raw. */
static inline void control_ask(struct region *r, const char *what,
                               const char *key, const char *value,
                               struct buf *raw)
{
    char endpoint[160];
    struct frame f;
    struct buf b = {0};
    Pb__Ask a = PB__ASK__INIT;
    Pb__AskArgument arg = PB__ASK_ARGUMENT__INIT, *list[] = {&arg};
    snprintf(endpoint, sizeof(endpoint), "ipc://%s/control", r->dir);
    void *s = dealer(r, NULL, NULL, endpoint, NULL);
    a.what = (char *)(uintptr_t)what;
    arg.key = (char *)(uintptr_t)key;
    arg.value = (char *)(uintptr_t)value;
    a.n_arg = key != NULL;
    a.arg = list;
    assert_int_equal(pack(&a.base, &b), ERR_OK);
    assert_int_equal(frame_send(s, NULL, VERB_ASK, buf_slice(&b)), ERR_OK);
    assert_true(wait_for(r, s, &f, PATIENCE));
    assert_int_equal(f.verb, VERB_ANSWER);
    buf_add(raw, f.body.p, f.body.n);
    frame_close(&f);
    buf_fini(&b);
    dealer_close(r, s);
}

/* Its code ("" when done) and JSON (owned, NULL when refused). */
static inline const char *control(struct region *r, const char *what,
                                  const char *key, const char *value,
                                  char **json)
{
    struct buf raw = {0};
    ProtobufCMessage *m = NULL;
    control_ask(r, what, key, value, &raw);
    assert_int_equal(unpack(&pb__answer__descriptor, buf_slice(&raw), &m),
                     ERR_OK);
    const Pb__Answer *a = (const Pb__Answer *)m;
    const char *code = answer_code(a);
    if (json != NULL)
        *json = a->json != NULL ? strdup(a->json) : NULL;
    unpack_free(&m);
    buf_fini(&raw);
    return code;
}

/* The person behind an agency's token. */
static inline struct id person_of(struct region *r, const char *agency,
                                  const char *name)
{
    struct id id;
    uint8_t token[16];
    bool found;
    token_of(token, name);
    assert_int_equal(store_token_find(r->hub->store, agency, TOKEN_PERSON,
                                      token, &found, &id),
                     ERR_OK);
    assert_true(found);
    return id;
}

/* Filings of the hospital, each its own case. */
static inline void some_events(struct region *r, int n)
{
    struct client *h1 = client(r, "h1");
    for (int i = 0; i < n; i++) {
        char filing[32];
        snprintf(filing, sizeof(filing), "filing %llu",
                 (unsigned long long)h1->seq[LANE_NORMAL]);
        assert_string_equal(post_sample(h1, "FILING_SUBMITTED", "person",
                                        filing, "HC-492019-01", "P_FIL"),
                            "");
    }
    client_close(h1);
}

/* Copies a folder of the region in the place of another. */
static inline void copy_tree(struct region *r, const char *from, const char *to)
{
    char *a = region_path(r, from), *b = region_path(r, to);
    run_command("rm -rf", b, NULL);
    run_command("cp -a", a, b);
    free(a);
    free(b);
}

static inline void refuses_to_start(struct region *r, enum err want)
{
    struct buf why = {0};
    log_open("test", 0);
    enum err got = region_try(r, &why);
    log_open("test", LOG_ERROR);
    assert_int_equal(got, want);
    assert_true(why.n > 0);
    region_stop(r);
    buf_fini(&why);
}

/* A group's region. */
static inline int region_setup(void **state)
{
    *state = region_new();
    return 0;
}

static inline int region_teardown(void **state)
{
    region_free(*state);
    return 0;
}
#define REGION_TEST(f)                                                         \
    cmocka_unit_test_setup_teardown(f, region_setup, region_teardown)
#endif
