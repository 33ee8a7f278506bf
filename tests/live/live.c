/* live.c - starting the real hub, and one end of its wire. */
#include "tests/live/live.h"
#include "hub/core/registry.h"
#include "proto/base/clock.h"
#include "proto/wire/unpack.h"
#include "tests/sign_pack.h"
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <zmq.h>

#define ORIGIN "live.invalid/audit"

void live_must(bool ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "live: %s failed\n", what);
    exit(1);
}

double live_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double live_percentile(double *values, size_t n, unsigned percent)
{
    qsort(values, n, sizeof(*values), by_value);
    return values[n * percent / 100];
}

/* ---- the hub ---- */

static void write_text(const struct live *r, const char *name, const char *text)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/%s", r->dir, name);
    live_must(file_replace(path, slice_str(text), 0600) == ERR_OK, name);
}

static void write_key(const struct live *r, const char *name,
                      const struct node_keys *k)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/%s", r->dir, name);
    live_must(keys_write(path, k) == ERR_OK, name);
}

static void make_keys(struct live *r)
{
    struct node_keys log;
    struct agency agency[LIVE_NODES];
    struct node node[LIVE_NODES];
    struct buf table = {0};
    keys_make(&r->hub, "hub");
    keys_make(&log, "log");
    write_key(r, "hub.key", &r->hub);
    write_key(r, "log.key", &log);
    memset(agency, 0, sizeof(agency));
    for (int i = 0; i < r->count; i++) {
        keys_make(&r->keys[i], r->who[i].node);
        snprintf(agency[i].code, AGENCY_MAX, "%s", r->who[i].agency);
        node[i] = (struct node){.pub = r->keys[i].pub,
                                .agency = &agency[i],
                                .state = NODE_ACTIVE,
                                .since_ms = clock_wall_ms()};
    }
    registry_write_nodes(node, (size_t)r->count, &table);
    write_text(r, "nodes.tsv", (char *)table.p);
    buf_fini(&table);
}

static void make_folder(const struct live *r, const char *name)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/%s", r->dir, name);
    live_must(mkdir(path, 0700) == 0, name);
}

static void make_config(struct live *r)
{
    struct buf b = {0};
    char here[512];
    live_must(getcwd(here, sizeof(here)) != NULL, "getcwd");
    r->port = 20000 + (int)(getpid() % 20000);
    buf_addf(&b,
             "data=\"data\"; keyring=\"keyring\"; state=\"state\"; "
             "keys={hub=\"hub.key\"; "
             "log=\"log.key\"; kek=\"kek\";};\nregistry={agencies=\"%s/deploy/"
             "region/agencies.tsv\"; municipalities=\"%s/deploy/region/"
             "municipalities.tsv\"; nodes=\"nodes.tsv\";};\npolicy=\"policy\"; "
             "approvers=\"approvers.tsv\";\nendpoint={urgent=\"tcp://127.0.0.1:"
             "%d\"; normal=\"tcp://127.0.0.1:%d\";};\ncontrol=\"hub.sock\"; "
             "origin=\"" ORIGIN "\"; fictitious=true;\n"
             "limit={rate=1000000; burst=1000000;};\n",
             here, here, r->port, r->port + 1);
    write_text(r, "hub.conf", (char *)b.p);
    buf_fini(&b);
    make_folder(r, "data");
    make_folder(r, "state");
}

/* The policy that ships, approved by two made on the spot. */
static void make_policy(const struct live *r)
{
    struct approver_pair a;
    char path[128], command[256];
    snprintf(path, sizeof(path), "%s/approvers.tsv", r->dir);
    live_must(approvers_make(&a, path) == ERR_OK, "approvers");
    make_folder(r, "policy");
    snprintf(path, sizeof(path), "%s/policy", r->dir);
    snprintf(command, sizeof(command), "cp deploy/policy/*.tsv %s", path);
    live_must(system(command) == 0, command);
    live_must(pack_sign(path, ORIGIN, 1, 1767193200000, &a, 2) == ERR_OK,
              "the policy's signatures");
}

/* The folder of this program, which is that of the others. */
static void here(char out[4096])
{
    ssize_t n = readlink("/proc/self/exe", out, 4095);
    live_must(n > 0, "readlink");
    out[n] = '\0';
    *strrchr(out, '/') = '\0';
}

/* What the preloaded disk keeps an eye on. */
static void set_disk(const struct live *r)
{
    char text[512];
    snprintf(text, sizeof(text), "%s/data:%s/keyring:%s/state:%s/kek", r->dir,
             r->dir, r->dir, r->dir);
    setenv("NOSYNC_ROOT", text, 1);
    snprintf(text, sizeof(text), "%s/shadow", r->dir);
    setenv("NOSYNC_SHADOW", text, 1);
}

static void preload(void)
{
    char path[4200];
    here(path);
    snprintf(strrchr(path, '/') + 1, 64, "fault/nosync.so");
    setenv("LD_PRELOAD", path, 1);
}

void live_power(const struct live *r, const char *what)
{
    set_disk(r);
    live_must(live_run(r, "tsunagi-powercut", what) == 0, what);
}

int live_run(const struct live *r, const char *program, const char *arguments)
{
    char folder[4096], command[9000];
    here(folder);
    snprintf(command, sizeof(command), "'%s/%s' %s >'%s/run.log' 2>&1", folder,
             program, arguments, r->dir);
    int status = system(command);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 127;
}

void live_spawn(struct live *r)
{
    char self[4200], conf[128], out[128];
    here(self);
    snprintf(self + strlen(self), 16, "/tsunagid");
    snprintf(conf, sizeof(conf), "%s/hub.conf", r->dir);
    snprintf(out, sizeof(out), "%s/hub.sock", r->dir);
    unlink(out); /* what a killed one left */
    r->pid = fork();
    live_must(r->pid >= 0, "fork");
    if (r->pid != 0)
        return;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    snprintf(out, sizeof(out), "%s/hub.log", r->dir);
    live_must(freopen(out, "w", stderr) != NULL, "hub.log");
    if (r->disk) {
        set_disk(r);
        preload();
    }
    execl(self, "tsunagid", "-c", conf, (char *)NULL);
    _exit(127);
}

void live_kill(struct live *r)
{
    kill(r->pid, SIGKILL);
    waitpid(r->pid, NULL, 0);
}

/* The control socket is made last. */
void live_await(struct live *r)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/hub.sock", r->dir);
    double until = live_seconds() + 60;
    while (access(path, F_OK) != 0) {
        live_must(waitpid(r->pid, NULL, WNOHANG) == 0, "the hub's start");
        live_must(live_seconds() < until, "the hub's start in time");
        usleep(20000);
    }
}

void live_prepare(struct live *r, const struct live_who *who, int count)
{
    const char *tmp = getenv("TMPDIR");
    memset(r, 0, sizeof(*r));
    live_must(count <= LIVE_NODES, "few enough nodes");
    live_must(sign_init() == ERR_OK, "sign_init");
    code_allow_fictitious(true);
    r->who = who;
    r->count = count;
    snprintf(r->dir, sizeof(r->dir), "%.40s/tsunagi-live-XXXXXX",
             tmp != NULL ? tmp : "/var/tmp");
    live_must(mkdtemp(r->dir) != NULL, "mkdtemp");
    make_keys(r);
    make_config(r);
    make_policy(r);
    r->zmq = zmq_ctx_new();
}

void live_start(struct live *r, const struct live_who *who, int count)
{
    live_prepare(r, who, count);
    live_spawn(r);
    live_await(r);
}

void live_stop(struct live *r)
{
    int status = 0;
    char command[128];
    for (int i = 0; i < r->count; i++)
        live_disconnect(r, i);
    zmq_ctx_term(r->zmq);
    kill(r->pid, SIGTERM);
    waitpid(r->pid, &status, 0);
    live_must(WIFEXITED(status) && WEXITSTATUS(status) == 0,
              "the hub's own end");
    snprintf(command, sizeof(command), "rm -rf '%s'", r->dir);
    live_must(system(command) == 0, "rm");
}

/* ---- nodes ---- */

static void *dealer(struct live *r, int who, int lane)
{
    char endpoint[64];
    int linger = 0, hwm = 2000;
    void *s = zmq_socket(r->zmq, ZMQ_DEALER);
    const struct node_keys *k = &r->keys[who];
    snprintf(endpoint, sizeof(endpoint), "tcp://127.0.0.1:%d", r->port + lane);
    zmq_setsockopt(s, ZMQ_LINGER, &linger, sizeof(linger));
    zmq_setsockopt(s, ZMQ_SNDHWM, &hwm, sizeof(hwm));
    zmq_setsockopt(s, ZMQ_CURVE_SERVERKEY, r->hub.pub.curve, KEY_BYTES);
    zmq_setsockopt(s, ZMQ_CURVE_PUBLICKEY, k->pub.curve, KEY_BYTES);
    zmq_setsockopt(s, ZMQ_CURVE_SECRETKEY, k->curve_secret, KEY_BYTES);
    live_must(zmq_connect(s, endpoint) == 0, "connect");
    return s;
}

void live_connect(struct live *r, int who)
{
    for (int lane = 0; lane < 2; lane++)
        r->lane[who][lane] = dealer(r, who, lane);
}

void live_disconnect(struct live *r, int who)
{
    for (int lane = 0; lane < 2; lane++) {
        if (r->lane[who][lane] != NULL)
            zmq_close(r->lane[who][lane]);
        r->lane[who][lane] = NULL;
    }
}

/* ---- events ---- */

static ProtobufCBinaryData token(const uint8_t *t)
{
    return (ProtobufCBinaryData){16, (uint8_t *)(uintptr_t)t};
}

static void pack_event(struct live *r, int who, int lane,
                       const struct live_event *e, const Pb__Routing *routing,
                       struct buf *event)
{
    uint64_t now = clock_wall_ms();
    struct event_draft d = {.event_id = id_new(now),
                            .agency = r->who[who].agency,
                            .node = r->who[who].node,
                            .type = e->type,
                            .created_ms = now,
                            .expires_ms = now + 86400000,
                            .node_seq = ++r->seq[who][lane],
                            .body = e->body,
                            .routing = routing};
    enum err made = event_make(&d, r->keys[who].sign_secret, event);
    if (made != ERR_OK)
        fprintf(stderr, "live: %s\n", err_en(made));
    live_must(made == ERR_OK, "event_make");
}

void live_make(struct live *r, int who, int lane, const struct live_event *e,
               struct buf *send)
{
    Pb__Routing routing = PB__ROUTING__INIT;
    Pb__Wanted to = PB__WANTED__INIT, *list[1] = {&to};
    to.agency = (char *)(uintptr_t)e->to;
    to.role = (char *)(uintptr_t)e->role;
    to.purpose = (char *)(uintptr_t)e->purpose;
    routing.n_to = e->to != NULL || e->role != NULL;
    routing.to = list;
    routing.has_person_token = e->person != NULL;
    routing.person_token = token(e->person);
    routing.has_case_token = e->care_case != NULL;
    routing.case_token = token(e->care_case);
    struct buf event = {0};
    pack_event(r, who, lane, e, &routing, &event);
    Pb__Send s = PB__SEND__INIT;
    s.has_event = 1;
    s.event = pb_borrow(buf_slice(&event));
    live_must(pack(&s.base, send) == ERR_OK, "pack");
    buf_fini(&event);
}

void live_send(struct live *r, int who, int lane, enum verb v,
               struct slice body)
{
    enum err e;
    while ((e = frame_send(r->lane[who][lane], NULL, v, body)) == ERR_BUSY)
        usleep(100);
    live_must(e == ERR_OK, "send");
}

void live_fetch(struct live *r, int who, int lane, uint32_t credit)
{
    Pb__Fetch f = PB__FETCH__INIT;
    struct buf b = {0};
    f.has_credit = 1;
    f.credit = credit;
    live_must(pack(&f.base, &b) == ERR_OK, "fetch");
    live_send(r, who, lane, VERB_FETCH, buf_slice(&b));
    buf_fini(&b);
}

/* ---- what comes back ---- */

static void acknowledge(struct live *r, int who, int lane,
                        const Pb__Delivery *d)
{
    uint8_t hash[32], signature[SIGNATURE_BYTES];
    struct buf ack = {0}, out = {0};
    sha256(pb_slice(d->release_leaf), hash);
    Pb__AckBody body = PB__ACK_BODY__INIT;
    body.has_delivery_id = body.has_sha256 = body.has_time_ms = 1;
    body.delivery_id = d->delivery_id;
    body.sha256 = (ProtobufCBinaryData){32, hash};
    body.time_ms = clock_wall_ms();
    live_must(pack(&body.base, &ack) == ERR_OK, "ack");
    live_must(sign_make(SIGN_ACK, buf_slice(&ack), r->keys[who].sign_secret,
                        signature) == ERR_OK,
              "sign");
    Pb__Ack a = PB__ACK__INIT;
    a.has_ack = a.has_signature = 1;
    a.ack = pb_borrow(buf_slice(&ack));
    a.signature = (ProtobufCBinaryData){sizeof(signature), signature};
    live_must(pack(&a.base, &out) == ERR_OK, "ack");
    live_send(r, who, lane, VERB_ACK, buf_slice(&out));
    buf_fini(&ack);
    buf_fini(&out);
}

static void take_delivery(struct live *r, int who, int lane,
                          const Pb__BoxedDelivery *b, struct live_tally *t)
{
    uint8_t shared[KEY_BYTES];
    struct buf plain = {0};
    ProtobufCMessage *sd = NULL, *d = NULL;
    box_shared(shared, r->hub.pub.box, r->keys[who].box_secret);
    live_must(box_open(shared, pb_slice(b->nonce), pb_slice(b->box), &plain) ==
                  ERR_OK,
              "box");
    live_must(unpack(&pb__signed_delivery__descriptor, buf_slice(&plain),
                     &sd) == ERR_OK,
              "signed delivery");
    live_must(unpack(&pb__delivery__descriptor,
                     pb_slice(((Pb__SignedDelivery *)sd)->delivery),
                     &d) == ERR_OK,
              "delivery");
    acknowledge(r, who, lane, (Pb__Delivery *)d);
    t->deliveries++;
    if (t->on_delivery != NULL)
        t->on_delivery(t->ctx, (Pb__Delivery *)d);
    unpack_free(&sd);
    unpack_free(&d);
    buf_fini(&plain);
}

static void take_deliveries(struct live *r, int who, int lane,
                            struct slice body, struct live_tally *t)
{
    ProtobufCMessage *m = NULL;
    live_must(unpack(&pb__deliveries__descriptor, body, &m) == ERR_OK,
              "deliveries");
    const Pb__Deliveries *d = (const Pb__Deliveries *)m;
    for (size_t i = 0; i < d->n_delivery; i++)
        take_delivery(r, who, lane, d->delivery[i], t);
    if (t->on_checkpoint != NULL && d->checkpoint != NULL)
        t->on_checkpoint(t->ctx, d->checkpoint);
    unpack_free(&m);
    live_fetch(r, who, lane, t->credit != 0 ? t->credit : 256);
}

static void take_receipt(struct slice body, struct live_tally *t)
{
    ProtobufCMessage *sr = NULL, *m = NULL;
    t->receipts++;
    if (t->on_receipt == NULL && t->on_signed == NULL)
        return;
    live_must(unpack(&pb__signed_receipt__descriptor, body, &sr) == ERR_OK &&
                  unpack(&pb__receipt__descriptor,
                         pb_slice(((Pb__SignedReceipt *)sr)->receipt),
                         &m) == ERR_OK,
              "receipt");
    if (t->on_signed != NULL)
        t->on_signed(t->ctx, (Pb__SignedReceipt *)sr);
    if (t->on_receipt != NULL)
        t->on_receipt(t->ctx, (Pb__Receipt *)m);
    unpack_free(&m);
    unpack_free(&sr);
}

static void take_answer(struct slice body, struct live_tally *t)
{
    ProtobufCMessage *m = NULL;
    live_must(unpack(&pb__answer__descriptor, body, &m) == ERR_OK, "answer");
    if (t->on_answer != NULL)
        t->on_answer(t->ctx, (Pb__Answer *)m);
    unpack_free(&m);
}

void live_drain(struct live *r, int who, int lane, struct live_tally *t)
{
    struct frame f;
    while (frame_recv(r->lane[who][lane], false, &f) == ERR_OK) {
        if (f.verb == VERB_RECEIPT) {
            take_receipt(f.body, t);
        } else if (f.verb == VERB_DELIVERIES) {
            take_deliveries(r, who, lane, f.body, t);
        } else if (f.verb == VERB_ANSWER) {
            take_answer(f.body, t);
        } else if (f.verb == VERB_ERROR) {
            t->errors++;
            fprintf(stderr, "live: the hub says: %.*s\n", (int)f.body.n,
                    (const char *)f.body.p);
        }
        frame_close(&f);
    }
}
