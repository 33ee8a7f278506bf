/* rawpeer.c - an enrolled node that does not keep the rules, for the story of
 * bad inputs: it makes a right event, spoils one thing, signs it again and
 * sends it on a connection of its own.
 *
 *   tsunagi-rawpeer --key NODE.key --hub HUB.pub --agency CODE --to ENDPOINT
 *                   [--count N] [CASE...]
 *
 * Prints "CASE CODE Japanese TAB English" for each case; without CASE, all of
 * them; with --count, sends N spoilt events in turn and prints only how many
 * were answered with a code. */
#include "proto/base/clock.h"
#include "proto/wire/event.h"
#include "proto/wire/frame.h"
#include "proto/wire/unpack.h"
#include "tsunagi/v1/discharge.pb-c.h"
#include "tsunagi/v1/emergency.pb-c.h"
#include "tsunagi/v1/wire.pb-c.h"
#include <assert.h>
#include <getopt.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#define DAY_MS (24ULL * 3600 * 1000)
#define WAIT_MS 5000
#define WINDOW 32
#define NELEM(a) (sizeof(a) / sizeof((a)[0]))

/* An event being spoilt. Bytes put into it are kept in `kept` until the end. */
struct raw {
    struct node_keys keys;
    struct node_public hub;
    const char *agency, *endpoint;
    void *zmq, *socket;
    uint64_t seq;
    Pb__Event *ev;
    Pb__EventHeader *header;
    struct buf kept[32];
    size_t kept_count;
};

static void need(enum err e)
{
    if (e == ERR_OK)
        return;
    fprintf(stderr, "tsunagi-rawpeer: %s %s\n", err_code(e), err_en(e));
    exit(1);
}

static struct buf *keep(struct raw *r)
{
    assert(r->kept_count < NELEM(r->kept));
    return &r->kept[r->kept_count++];
}

static char *text(const char *s)
{
    return (char *)(uintptr_t)s;
}

/* ---- a right event ---- */

static void make_event(struct raw *r, uint32_t type,
                       const ProtobufCMessage *body, Pb__Routing *routing)
{
    struct buf *packed = keep(r);
    ProtobufCMessage *m = NULL;
    struct event_draft d = {.event_id = id_new(clock_wall_ms()),
                            .agency = r->agency,
                            .node = r->keys.pub.node,
                            .type = type,
                            .created_ms = clock_wall_ms(),
                            .node_seq = ++r->seq,
                            .body = body,
                            .routing = routing};
    need(event_make(&d, r->keys.sign_secret, packed));
    need(unpack(&pb__event__descriptor, buf_slice(packed), &m));
    r->ev = (Pb__Event *)m;
    need(unpack(&pb__event_header__descriptor, pb_slice(r->ev->header), &m));
    r->header = (Pb__EventHeader *)m;
}

struct routing {
    Pb__Routing message;
    Pb__Wanted to, *list;
    uint8_t person[16], case_token[16];
};

static void make_routing(struct routing *x)
{
    pb__routing__init(&x->message);
    pb__wanted__init(&x->to);
    x->to.agency = text("WO-4931000014");
    x->to.purpose = text("P_TRA");
    x->list = &x->to;
    x->message.n_to = 1;
    x->message.to = &x->list;
    randombytes_buf(x->person, sizeof(x->person));
    randombytes_buf(x->case_token, sizeof(x->case_token));
    x->message.has_person_token = x->message.has_case_token = 1;
    x->message.person_token = pb_borrow(slice_of(x->person, 16));
    x->message.case_token = pb_borrow(slice_of(x->case_token, 16));
}

static void make_admission_with(struct raw *r, struct routing *x)
{
    Pb__AdmissionRecorded b = PB__ADMISSION_RECORDED__INIT;
    Pb__Name name = PB__NAME__INIT;
    Pb__Date on = PB__DATE__INIT;
    name.kanji = text("例示次郎");
    name.kana = text("レイジジロウ");
    on.iso = text("2026-04-01");
    on.has_precision = 1;
    on.precision = PB__PRECISION__DAY;
    b.name = &name;
    b.has_sex = 1;
    b.sex = PB__SEX__MALE;
    b.admitted_on = &on;
    b.ward = text("5E");
    make_event(r, 1001, &b.base, &x->message);
}

static void make_admission(struct raw *r)
{
    struct routing x;
    make_routing(&x);
    make_admission_with(r, &x);
}

/* ---- spoiling it ---- */

static size_t part_at(const struct raw *r, uint32_t cls)
{
    for (size_t i = 0; i < r->ev->n_part; i++)
        if (r->ev->part[i]->cls == cls)
            return i;
    assert(!"no such part");
    return 0;
}

static void commit(struct raw *r, size_t i)
{
    Pb__Part *p = r->ev->part[i];
    struct part c = {.cls = p->cls, .body = pb_slice(p->body)};
    memcpy(c.salt, p->salt.data, SALT_BYTES);
    part_commit(&c, r->header->commitment[i].data);
}

/* Puts bytes behind (or in place of) a part's body. */
static void set_part(struct raw *r, uint32_t cls, const void *bytes, size_t n,
                     bool append)
{
    struct buf *b = keep(r);
    size_t i = part_at(r, cls);
    Pb__Part *p = r->ev->part[i];
    if (append)
        buf_add(b, p->body.data, p->body.len);
    buf_add(b, bytes, n);
    free(p->body.data);
    p->body.data = malloc(b->n + 1);
    assert(p->body.data != NULL);
    memcpy(p->body.data, b->p, b->n);
    p->body.len = b->n;
    commit(r, i);
}
#define PART(r, cls, bytes) set_part(r, cls, bytes, sizeof(bytes) - 1, false)

static void replace_text(char **at, const char *with)
{
    free(*at);
    *at = strdup(with);
}

static void spoil_unknown(struct raw *r)
{
    set_part(r, PB__DATA_CLASS__G_ID, "\x98\x06\x01", 3, true); /* field 99 */
}
static void spoil_enum(struct raw *r)
{
    PART(r, PB__DATA_CLASS__G_ID, "\x18\x4d"); /* sex = 77 */
}
static void spoil_utf8(struct raw *r)
{
    PART(r, PB__DATA_CLASS__G_ADM, "\x4a\x02\xff\xfe"); /* ward */
}
static void spoil_nul(struct raw *r)
{
    PART(r, PB__DATA_CLASS__G_ADM,
         "\x4a\x03"
         "a\0b");
}
static void spoil_class(struct raw *r)
{
    PART(r, PB__DATA_CLASS__G_ID,
         "\x52\x03"
         "F20"); /* dx_main */
}
static void spoil_twice(struct raw *r)
{
    PART(r, PB__DATA_CLASS__G_ADM,
         "\x4a\x02"
         "5E"
         "\x4a\x02"
         "5F");
}
static void spoil_order(struct raw *r)
{
    PART(r, PB__DATA_CLASS__G_ID, "\x18\x81\x00"); /* sex = 1 in two bytes */
}
static void spoil_day(struct raw *r)
{
    PART(r, PB__DATA_CLASS__G_ADM,
         "\x3a\x0c\x0a\x0a"
         "2026-02-30");
}
static void spoil_month(struct raw *r)
{
    PART(r, PB__DATA_CLASS__G_ADM,
         "\x3a\x0c\x0a\x0a"
         "2026-13-01");
}
static void spoil_mynumber(struct raw *r)
{
    PART(r, PB__DATA_CLASS__G_NOTE,
         "\x6a\x0c"
         "123456789018");
}
static void spoil_control(struct raw *r)
{
    PART(r, PB__DATA_CLASS__G_NOTE,
         "\x6a\x03"
         "a\x07"
         "b");
}
static void spoil_oversize(struct raw *r)
{
    struct buf *b = keep(r);
    size_t n = EVENT_BODY_MAX + 100;
    buf_add(b, "\x6a", 1);
    for (size_t v = n; v > 0; v >>= 7)
        buf_addc(b, (char)((v & 0x7f) | (v > 0x7f ? 0x80 : 0)));
    for (size_t i = 0; i < n; i++)
        buf_addc(b, 'x');
    set_part(r, PB__DATA_CLASS__G_NOTE, b->p, b->n, false);
}
static void spoil_commitment(struct raw *r)
{
    r->header->commitment[1].data[0] ^= 1;
}
static void spoil_parts(struct raw *r)
{
    pb__part__free_unpacked(r->ev->part[--r->ev->n_part], NULL);
}
static void spoil_agency(struct raw *r)
{
    replace_text(&r->header->agency, "WO-4931000014");
}
static void spoil_node(struct raw *r)
{
    replace_text(&r->header->node, "p1");
}
static void spoil_id(struct raw *r)
{
    r->header->event_id.data[6] = 0x40; /* version 4 */
}
static void spoil_type(struct raw *r)
{
    r->header->type = 4242;
}
static void spoil_schema(struct raw *r)
{
    r->header->schema_digest.data[0] ^= 1;
}
static void spoil_future(struct raw *r)
{
    r->header->created_ms += DAY_MS;
}
static void spoil_old(struct raw *r)
{
    r->header->created_ms -= 30 * DAY_MS;
}
static void spoil_expired(struct raw *r)
{
    r->header->has_expires_ms = 1;
    r->header->expires_ms = r->header->created_ms - 1000;
}
static void spoil_seq(struct raw *r)
{
    r->header->node_seq = 0;
}

/* ---- events wrong as a whole ---- */

static void make_recipient(struct raw *r)
{
    struct routing x;
    make_routing(&x);
    x.to.agency = text("WO-4911000091");
    make_admission_with(r, &x);
}
static void make_purpose(struct raw *r)
{
    struct routing x;
    make_routing(&x);
    x.to.purpose = text("P_NOSUCH");
    make_admission_with(r, &x);
}
static void make_token(struct raw *r)
{
    struct routing x;
    make_routing(&x);
    x.message.has_person_token = 0;
    make_admission_with(r, &x);
}
static void make_hub_only(struct raw *r)
{
    const char *own = r->agency;
    struct routing x;
    Pb__StayReleased b = PB__STAY_RELEASED__INIT;
    make_routing(&x);
    r->agency = "HUB"; /* else it is not even made */
    make_event(r, 1416, &b.base, &x.message);
    r->agency = own;
    replace_text(&r->header->agency, own);
}
static void make_lane(struct raw *r)
{
    struct routing x;
    Pb__EmergencyTriaged b = PB__EMERGENCY_TRIAGED__INIT;
    b.has_branch = 1;
    b.branch = PB__TRIAGE_BRANCH__CANVASS;
    make_routing(&x);
    make_event(r, 1411, &b.base, &x.message);
}
static void make_role(struct raw *r)
{
    struct routing x;
    Pb__PlanIssued b = PB__PLAN_ISSUED__INIT;
    b.plan_no = text("PD-0");
    make_routing(&x);
    make_event(r, 1320, &b.base, &x.message);
}
static const struct spoilt {
    const char *name;
    void (*make)(struct raw *); /* NULL: an admission */
    void (*spoil)(struct raw *);
} CASES[] = {
    {"unknown-field", NULL, spoil_unknown},
    {"unknown-choice", NULL, spoil_enum},
    {"not-utf8", NULL, spoil_utf8},
    {"nul", NULL, spoil_nul},
    {"wrong-class", NULL, spoil_class},
    {"twice", NULL, spoil_twice},
    {"other-form", NULL, spoil_order},
    {"no-such-day", NULL, spoil_day},
    {"month-13", NULL, spoil_month},
    {"my-number", NULL, spoil_mynumber},
    {"control", NULL, spoil_control},
    {"oversize", NULL, spoil_oversize},
    {"commitment", NULL, spoil_commitment},
    {"missing-part", NULL, spoil_parts},
    {"other-agency", NULL, spoil_agency},
    {"other-node", NULL, spoil_node},
    {"id", NULL, spoil_id},
    {"type", NULL, spoil_type},
    {"schema", NULL, spoil_schema},
    {"future", NULL, spoil_future},
    {"old", NULL, spoil_old},
    {"expired", NULL, spoil_expired},
    {"sequence", NULL, spoil_seq},
    {"recipient", make_recipient, NULL},
    {"purpose", make_purpose, NULL},
    {"no-person", make_token, NULL},
    {"hub-only", make_hub_only, NULL},
    {"lane", make_lane, NULL},
    {"role", make_role, NULL},
};

/* ---- packing and signing again ---- */

static void finish(struct raw *r, bool sign, struct buf *send)
{
    struct buf header = {0}, event = {0};
    uint8_t signature[SIGNATURE_BYTES];
    need(pack(&r->header->base, &header));
    need(sign_make(SIGN_EVENT, buf_slice(&header), r->keys.sign_secret,
                   signature));
    if (!sign)
        signature[5] ^= 1;
    ProtobufCBinaryData old = r->ev->header, old_signature = r->ev->signature;
    r->ev->header = pb_borrow(buf_slice(&header));
    r->ev->signature = pb_borrow(slice_of(signature, sizeof(signature)));
    need(pack(&r->ev->base, &event));
    r->ev->header = old;
    r->ev->signature = old_signature;
    Pb__Send s = PB__SEND__INIT;
    s.has_event = 1;
    s.event = pb_borrow(buf_slice(&event));
    need(pack(&s.base, send));
    buf_fini(&header);
    buf_fini(&event);
}

static void drop(struct raw *r)
{
    ProtobufCMessage *ev = &r->ev->base, *header = &r->header->base;
    if (r->ev != NULL)
        unpack_free(&ev);
    if (r->header != NULL)
        unpack_free(&header);
    r->ev = NULL;
    r->header = NULL;
    while (r->kept_count > 0)
        buf_fini(&r->kept[--r->kept_count]);
}

static void make_spoilt(struct raw *r, const struct spoilt *c, struct buf *send)
{
    (c->make != NULL ? c->make : make_admission)(r);
    if (c->spoil != NULL)
        c->spoil(r);
    finish(r, true, send);
    drop(r);
}

/* ---- the connection ---- */

static void *dial(struct raw *r, const struct node_keys *k)
{
    int linger = 0;
    void *s = zmq_socket(r->zmq, ZMQ_DEALER);
    assert(s != NULL);
    zmq_setsockopt(s, ZMQ_LINGER, &linger, sizeof(linger));
    zmq_setsockopt(s, ZMQ_CURVE_SERVERKEY, r->hub.curve, KEY_BYTES);
    zmq_setsockopt(s, ZMQ_CURVE_PUBLICKEY, k->pub.curve, KEY_BYTES);
    zmq_setsockopt(s, ZMQ_CURVE_SECRETKEY, k->curve_secret, KEY_BYTES);
    if (zmq_connect(s, r->endpoint) != 0)
        need(ERR_UNREACHABLE);
    return s;
}

struct answer {
    char code[24], ja[256], en[256];
};

static void take(struct answer *a, const char *code, const char *ja,
                 const char *en)
{
    snprintf(a->code, sizeof(a->code), "%s", code != NULL ? code : "-");
    snprintf(a->ja, sizeof(a->ja), "%s", ja != NULL ? ja : "");
    snprintf(a->en, sizeof(a->en), "%s", en != NULL ? en : "");
}

static void read_answer(const struct frame *f, struct answer *a)
{
    ProtobufCMessage *m = NULL, *inner = NULL;
    if (f->verb == VERB_ERROR) {
        need(unpack(&pb__error__descriptor, f->body, &m));
        const Pb__Error *x = (const Pb__Error *)m;
        take(a, x->code, x->text_ja, x->text_en);
    } else if (f->verb == VERB_RECEIPT) {
        need(unpack(&pb__signed_receipt__descriptor, f->body, &m));
        need(unpack(&pb__receipt__descriptor,
                    pb_slice(((Pb__SignedReceipt *)m)->receipt), &inner));
        const Pb__Receipt *x = (const Pb__Receipt *)inner;
        take(a, x->code, x->text_ja, x->text_en);
    }
    unpack_free(&m);
    unpack_free(&inner);
}

/* False when nothing comes. That the hub asks this key to cosign its log is no
 * answer. */
static bool wait_answer(void *s, struct answer *a)
{
    struct frame f = {.verb = VERB_WITNESS};
    zmq_pollitem_t item = {s, 0, ZMQ_POLLIN, 0};
    memset(a, 0, sizeof(*a));
    while (f.verb == VERB_WITNESS) {
        if (zmq_poll(&item, 1, WAIT_MS) <= 0 ||
            frame_recv(s, false, &f) != ERR_OK)
            return false;
        if (f.verb == VERB_WITNESS)
            frame_close(&f);
    }
    read_answer(&f, a);
    frame_close(&f);
    return true;
}

static void show(const char *name, const struct answer *a)
{
    printf("%s %s %s\t%s\n", name, a->code[0] != '\0' ? a->code : "(none)",
           a->ja, a->en);
    fflush(stdout);
}

/* ---- what is wrong below the event ---- */

static void send_frames(void *s, const char *version, const char *verb,
                        const void *body, size_t n)
{
    zmq_send(s, version, strlen(version), ZMQ_SNDMORE);
    zmq_send(s, verb, strlen(verb), body != NULL ? ZMQ_SNDMORE : 0);
    if (body != NULL)
        zmq_send(s, body, n, 0);
}

static void try_frames(struct raw *r, const char *name, const char *version,
                       const char *verb, const struct buf *body)
{
    struct answer a;
    void *s = dial(r, &r->keys);
    send_frames(s, version, verb, body != NULL ? body->p : NULL,
                body != NULL ? body->n : 0);
    wait_answer(s, &a);
    show(name, &a);
    zmq_close(s);
}

static void fill(struct buf *b, int byte, size_t n)
{
    buf_reset(b);
    for (size_t i = 0; i < n; i++)
        buf_addc(b, (char)byte);
}

static void try_wire(struct raw *r)
{
    struct buf b = {0};
    fill(&b, 'x', 100);
    try_frames(r, "version", "TSN9", "SEND", &b);
    try_frames(r, "verb", "TSN1", "SHOUT", &b);
    try_frames(r, "shape", "TSN1", "SEND", NULL);
    try_frames(r, "garbage", "TSN1", "SEND", &b);
    fill(&b, 'x', FRAME_MAX + 1);
    try_frames(r, "too-large", "TSN1", "SEND", &b);
    fill(&b, 0x0b, 35 * 1024); /* 35,000 groups, each inside the last */
    try_frames(r, "nesting-bomb", "TSN1", "SEND", &b);
    buf_fini(&b);
}

/* What libzmq itself refuses gets no word from the hub: what is seen from
 * outside is how the connection ends; 0 when it stays. */
static int watch_end(struct raw *r, const struct node_keys *k, size_t bytes)
{
    struct buf b = {0};
    int what = 0;
    char at[48];
    void *s = dial(r, k), *m = zmq_socket(r->zmq, ZMQ_PAIR);
    snprintf(at, sizeof(at), "inproc://watch-%zu", bytes);
    if (zmq_socket_monitor(s, at, ZMQ_EVENT_ALL) != 0 ||
        zmq_connect(m, at) != 0)
        need(ERR_INTERNAL);
    fill(&b, 'x', bytes);
    send_frames(s, "TSN1", "SEND", b.p, b.n);
    zmq_pollitem_t item = {m, 0, ZMQ_POLLIN, 0};
    while (what == 0 && zmq_poll(&item, 1, WAIT_MS) > 0) {
        uint8_t event[6], address[256];
        zmq_recv(m, event, sizeof(event), 0);
        zmq_recv(m, address, sizeof(address), 0);
        int kind = event[0] | event[1] << 8;
        if (kind == ZMQ_EVENT_HANDSHAKE_FAILED_AUTH ||
            kind == ZMQ_EVENT_DISCONNECTED)
            what = kind;
    }
    zmq_socket_monitor(s, NULL, 0);
    zmq_close(m);
    zmq_close(s);
    buf_fini(&b);
    return what;
}

static void try_ends(struct raw *r)
{
    struct node_keys stranger;
    struct answer a;
    keys_make(&stranger, "stranger");
    take(&a, "", "", "");
    if (watch_end(r, &stranger, 10) == ZMQ_EVENT_HANDSHAKE_FAILED_AUTH)
        take(&a, "HANDSHAKE", "接続そのものを断られた(コードは返らない)",
             "the handshake is refused (no code comes back)");
    show("unknown-key", &a);
    take(&a, "", "", "");
    if (watch_end(r, &r->keys, 2 << 20) == ZMQ_EVENT_DISCONNECTED)
        take(&a, "CUT", "接続を切られた(コードは返らない)",
             "the connection is cut (no code comes back)");
    show("2-MiB-frame", &a);
}

/* ---- signature and replay ---- */

static void ask(struct raw *r, const char *name, const struct buf *send,
                bool tell)
{
    struct answer a;
    send_frames(r->socket, "TSN1", "SEND", send->p, send->n);
    wait_answer(r->socket, &a);
    if (tell)
        show(name, &a);
}

static void try_signature(struct raw *r)
{
    struct buf send = {0};
    make_admission(r);
    finish(r, false, &send);
    drop(r);
    ask(r, "signature", &send, true);
    buf_fini(&send);
}

static void try_replay(struct raw *r)
{
    struct buf first = {0}, again = {0};
    make_admission(r);
    finish(r, true, &first);
    ask(r, "", &first, false);
    PART(r, PB__DATA_CLASS__G_ADM,
         "\x3a\x0e\x0a\x0a"
         "2026-04-02"
         "\x18\x01"
         "\x4a\x02"
         "9Z");
    finish(r, true, &again);
    drop(r);
    ask(r, "replay", &again, true);
    buf_fini(&first);
    buf_fini(&again);
}

/* ---- many ---- */

static void flood(struct raw *r, size_t count)
{
    size_t sent = 0, answered = 0, coded = 0;
    while (answered < count) {
        struct answer a;
        for (; sent < count && sent - answered < WINDOW; sent++) {
            struct buf send = {0};
            size_t i = sent % NELEM(CASES);
            if (CASES[i].spoil == spoil_oversize)
                i++; /* a quarter of a MiB each time shows nothing more */
            make_spoilt(r, &CASES[i], &send);
            send_frames(r->socket, "TSN1", "SEND", send.p, send.n);
            buf_fini(&send);
        }
        if (!wait_answer(r->socket, &a))
            break;
        answered++;
        coded += strncmp(a.code, "E-", 2) == 0;
    }
    printf("%zu\n", coded);
}

static void try_all(struct raw *r)
{
    for (size_t i = 0; i < NELEM(CASES); i++) {
        struct buf send = {0};
        make_spoilt(r, &CASES[i], &send);
        ask(r, CASES[i].name, &send, true);
        buf_fini(&send);
    }
    try_signature(r);
    try_replay(r);
    try_wire(r);
    try_ends(r);
}

int main(int argc, char **argv)
{
    static const struct option LONG[] = {
        {"key", required_argument, NULL, 'k'},
        {"hub", required_argument, NULL, 'h'},
        {"agency", required_argument, NULL, 'a'},
        {"to", required_argument, NULL, 't'},
        {"count", required_argument, NULL, 'n'},
        {NULL, 0, NULL, 0}};
    struct raw r = {.zmq = zmq_ctx_new()};
    size_t count = 0;
    int o;
    need(sign_init());
    code_allow_fictitious(true);
    while ((o = getopt_long(argc, argv, "", LONG, NULL)) != -1) {
        if (o == 'k')
            need(keys_read(optarg, &r.keys));
        else if (o == 'h')
            need(keys_read_public(optarg, &r.hub));
        else if (o == 'a')
            r.agency = optarg;
        else if (o == 't')
            r.endpoint = optarg;
        else if (o == 'n')
            count = strtoul(optarg, NULL, 10);
        else
            return 2;
    }
    if (r.agency == NULL || r.endpoint == NULL || r.hub.node[0] == '\0')
        return 2;
    r.seq = clock_wall_ms();
    r.socket = dial(&r, &r.keys);
    if (count > 0)
        flood(&r, count);
    else
        try_all(&r);
    zmq_close(r.socket);
    zmq_ctx_term(r.zmq);
    keys_wipe(&r.keys);
    return 0;
}
