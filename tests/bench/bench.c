/* bench.c - what the hub does in a second, beside what the disk can do.
 *
 * Starts a real tsunagid on loopback with real keys, registry and policy and
 * drives it as nodes do: signed events of about 1 KiB, durable receipts,
 * verified deliveries. In the same run a bare SQLite loop commits rows of the
 * same size on the same disk; ratios to it are what counts. Prints, never
 * passes or fails.
 *
 *   tsunagi-bench [EVENTS]     events per measurement, 4000 */
#include "hub/core/registry.h"
#include "proto/base/clock.h"
#include "proto/wire/event.h"
#include "proto/wire/frame.h"
#include "proto/wire/unpack.h"
#include "tsunagi/v1/discharge.pb-c.h"
#include "tsunagi/v1/emergency.pb-c.h"
#include "tsunagi/v1/wire.pb-c.h"
#include <dirent.h>
#include <inttypes.h>
#include <signal.h>
#include <sodium.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <zmq.h>

static void must(bool ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "bench: %s failed\n", what);
    exit(1);
}

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* ---- the region ---- */

enum {
    HOSPITAL,
    CENTRE,
    OFFICE,
    COORDINATOR,
    FLOOD1,
    FLOOD2,
    FLOOD3,
    FLOOD4,
    NODES
};
static const struct {
    const char *node, *agency;
} WHO[NODES] = {
    {"h1", "MI-4910100017"},    {"c1", "HC-492019-01"},
    {"k1", "OW-K1-492019"},     {"b1", "OW-B1-49"},
    {"h1.f1", "MI-4910100017"}, {"h1.f2", "MI-4910100017"},
    {"h1.f3", "MI-4910100017"}, {"h1.f4", "MI-4910100017"},
};

struct region {
    char dir[64];
    struct node_keys hub, keys[NODES];
    int port;
    pid_t pid;
    void *zmq;
    void *lane[NODES][2];
    uint64_t seq[NODES][2];
};

static void write_text(const struct region *r, const char *name,
                       const char *text)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/%s", r->dir, name);
    must(file_replace(path, slice_str(text), 0600) == ERR_OK, name);
}

static void make_keys(struct region *r)
{
    char path[128];
    struct node_keys log;
    keys_make(&r->hub, "hub");
    keys_make(&log, "log");
    snprintf(path, sizeof(path), "%s/hub.key", r->dir);
    must(keys_write(path, &r->hub) == ERR_OK, "hub.key");
    snprintf(path, sizeof(path), "%s/log.key", r->dir);
    must(keys_write(path, &log) == ERR_OK, "log.key");
    struct agency agency[NODES];
    struct node node[NODES];
    struct buf table = {0};
    memset(agency, 0, sizeof(agency));
    for (int i = 0; i < NODES; i++) {
        keys_make(&r->keys[i], WHO[i].node);
        snprintf(agency[i].code, AGENCY_MAX, "%s", WHO[i].agency);
        node[i] = (struct node){.pub = r->keys[i].pub,
                                .agency = &agency[i],
                                .state = NODE_ACTIVE,
                                .since_ms = clock_wall_ms()};
    }
    registry_write_nodes(node, NODES, &table);
    write_text(r, "nodes.tsv", (char *)table.p);
    buf_fini(&table);
}

static void make_config(struct region *r)
{
    struct buf b = {0};
    char here[512];
    must(getcwd(here, sizeof(here)) != NULL, "getcwd");
    r->port = 20000 + (int)(getpid() % 20000);
    buf_addf(&b,
             "data=\"data\"; state=\"state\"; keys={hub=\"hub.key\"; "
             "log=\"log.key\"; kek=\"kek\";};\nregistry={agencies=\"%s/deploy/"
             "region/agencies.tsv\"; nodes=\"nodes.tsv\";};\npolicy=\"%s/deploy"
             "/policy\";\nendpoint={urgent=\"tcp://127.0.0.1:%d\"; normal="
             "\"tcp://127.0.0.1:%d\";};\ncontrol=\"hub.sock\"; origin="
             "\"bench.invalid/audit\"; fictitious=true;\n"
             "limit={rate=1000000; burst=1000000;};\n",
             here, here, r->port, r->port + 1);
    write_text(r, "hub.conf", (char *)b.p);
    buf_fini(&b);
    char path[128];
    snprintf(path, sizeof(path), "%s/data", r->dir);
    mkdir(path, 0700);
    snprintf(path, sizeof(path), "%s/state", r->dir);
    mkdir(path, 0700);
}

static void start_hub(struct region *r)
{
    char self[4096], conf[128];
    ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 16);
    must(n > 0, "readlink");
    self[n] = '\0';
    char *slash = strrchr(self, '/');
    snprintf(slash + 1, 16, "tsunagid");
    snprintf(conf, sizeof(conf), "%s/hub.conf", r->dir);
    r->pid = fork();
    if (r->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        must(freopen("/dev/null", "w", stderr) != NULL, "stderr");
        execl(self, "tsunagid", "-c", conf, (char *)NULL);
        _exit(127);
    }
}

static void *dealer(struct region *r, int who, int lane)
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
    must(zmq_connect(s, endpoint) == 0, "connect");
    return s;
}

/* ---- events ---- */

static void make_send(struct region *r, int who, int lane, uint32_t type,
                      const ProtobufCMessage *body, Pb__Wanted *to,
                      struct buf *out)
{
    Pb__Routing routing = PB__ROUTING__INIT;
    Pb__Wanted *list[1] = {to};
    uint8_t person[16], case_id[16];
    /* a thousand people, a case of its own for each event */
    memset(person, 0, sizeof(person));
    memcpy(person, &(uint32_t){randombytes_uniform(1000)}, 4);
    randombytes_buf(case_id, 16);
    routing.n_to = 1;
    routing.to = list;
    routing.has_person_token = routing.has_case_token = 1;
    routing.person_token = (ProtobufCBinaryData){16, person};
    routing.case_token = (ProtobufCBinaryData){16, case_id};
    uint64_t now = clock_wall_ms();
    struct event_draft d = {.event_id = id_new(now),
                            .agency = WHO[who].agency,
                            .node = WHO[who].node,
                            .type = type,
                            .created_ms = now,
                            .expires_ms = now + 86400000,
                            .node_seq = ++r->seq[who][lane],
                            .body = body,
                            .routing = &routing};
    struct buf event = {0};
    enum err e = event_make(&d, r->keys[who].sign_secret, &event);
    if (e != ERR_OK)
        fprintf(stderr, "bench: %s\n", err_en(e));
    must(e == ERR_OK, "event_make");
    Pb__Send s = PB__SEND__INIT;
    s.has_event = 1;
    s.event = pb_borrow(buf_slice(&event));
    must(pack(&s.base, out) == ERR_OK, "pack");
    buf_fini(&event);
}

/* A filing of about 1 KiB from the hospital to the health centre. */
static void make_filing(struct region *r, int who, struct buf *out)
{
    static char history[800];
    memset(history, 'x', sizeof(history) - 1);
    Pb__Name name = PB__NAME__INIT;
    name.kanji = (char *)(uintptr_t) "架空花子";
    name.kana = (char *)(uintptr_t) "カクウハナコ";
    Pb__Date day = PB__DATE__INIT;
    day.iso = (char *)(uintptr_t) "2026-04-01";
    Pb__FilingSubmitted b = PB__FILING_SUBMITTED__INIT;
    b.has_form_code = 1;
    b.form_code = PB__FORM_CODE__MP_ADMIT;
    b.name = &name;
    b.admitted_on = &day;
    b.history = history;
    Pb__Wanted to = PB__WANTED__INIT;
    to.agency = (char *)(uintptr_t)WHO[CENTRE].agency;
    to.purpose = (char *)(uintptr_t) "P_FIL";
    make_send(r, who, 1, 1101, &b.base, &to, out);
}

/* An emergency of someone unknown who cannot consent, to the coordinator. */
static void make_emergency(struct region *r, struct buf *out)
{
    Pb__Name name = PB__NAME__INIT;
    name.kanji = (char *)(uintptr_t) "試験三郎";
    Pb__EmergencyRequested b = PB__EMERGENCY_REQUESTED__INIT;
    b.has_registration = 1;
    b.registration = PB__REGISTRATION__UNREGISTERED_UNABLE;
    b.name = &name;
    b.care = (char *)(uintptr_t) "見守り";
    Pb__Wanted to = PB__WANTED__INIT;
    to.agency = (char *)(uintptr_t)WHO[COORDINATOR].agency;
    to.purpose = (char *)(uintptr_t) "P_EMG";
    make_send(r, OFFICE, 0, 1410, &b.base, &to, out);
}

/* ---- measuring ---- */

struct tally {
    size_t receipts, refused, deliveries, errors;
};

static void take_delivery(struct region *r, int who, int lane,
                          const Pb__BoxedDelivery *b, struct tally *t)
{
    uint8_t shared[KEY_BYTES], hash[32], signature[SIGNATURE_BYTES];
    struct buf plain = {0}, ack = {0}, out = {0};
    ProtobufCMessage *sd = NULL, *d = NULL;
    box_shared(shared, r->hub.pub.box, r->keys[who].box_secret);
    must(box_open(shared, pb_slice(b->nonce), pb_slice(b->box), &plain) ==
             ERR_OK,
         "box");
    must(unpack(&pb__signed_delivery__descriptor, buf_slice(&plain), &sd) ==
             ERR_OK,
         "signed delivery");
    must(unpack(&pb__delivery__descriptor,
                pb_slice(((Pb__SignedDelivery *)sd)->delivery), &d) == ERR_OK,
         "delivery");
    sha256(pb_slice(((Pb__Delivery *)d)->release_leaf), hash);
    Pb__AckBody body = PB__ACK_BODY__INIT;
    body.has_delivery_id = body.has_sha256 = body.has_time_ms = 1;
    body.delivery_id = ((Pb__Delivery *)d)->delivery_id;
    body.sha256 = (ProtobufCBinaryData){32, hash};
    body.time_ms = clock_wall_ms();
    must(pack(&body.base, &ack) == ERR_OK, "ack");
    must(sign_make(SIGN_ACK, buf_slice(&ack), r->keys[who].sign_secret,
                   signature) == ERR_OK,
         "sign");
    Pb__Ack a = PB__ACK__INIT;
    a.has_ack = a.has_signature = 1;
    a.ack = pb_borrow(buf_slice(&ack));
    a.signature = (ProtobufCBinaryData){sizeof(signature), signature};
    must(pack(&a.base, &out) == ERR_OK, "ack");
    while (frame_send(r->lane[who][lane], NULL, VERB_ACK, buf_slice(&out)) ==
           ERR_BUSY)
        usleep(100);
    t->deliveries++;
    unpack_free(&sd);
    unpack_free(&d);
    buf_fini(&plain);
    buf_fini(&ack);
    buf_fini(&out);
}

static void fetch(struct region *r, int who, int lane)
{
    Pb__Fetch f = PB__FETCH__INIT;
    struct buf b = {0};
    f.has_credit = 1;
    f.credit = 256;
    must(pack(&f.base, &b) == ERR_OK, "fetch");
    while (frame_send(r->lane[who][lane], NULL, VERB_FETCH, buf_slice(&b)) ==
           ERR_BUSY)
        usleep(100);
    buf_fini(&b);
}

/* Everything that waits on one socket. */
static void drain(struct region *r, int who, int lane, struct tally *t)
{
    struct frame f;
    while (frame_recv(r->lane[who][lane], false, &f) == ERR_OK) {
        ProtobufCMessage *m = NULL;
        if (f.verb == VERB_RECEIPT) {
            t->receipts++;
        } else if (f.verb == VERB_DELIVERIES &&
                   unpack(&pb__deliveries__descriptor, f.body, &m) == ERR_OK) {
            const Pb__Deliveries *d = (const Pb__Deliveries *)m;
            for (size_t i = 0; i < d->n_delivery; i++)
                take_delivery(r, who, lane, d->delivery[i], t);
            fetch(r, who, lane);
        } else if (f.verb == VERB_ERROR) {
            t->errors++;
            fprintf(stderr, "bench: the hub says: %.*s\n", (int)f.body.n,
                    (const char *)f.body.p);
        }
        unpack_free(&m);
        frame_close(&f);
    }
}

static double accepted_rate(struct region *r, size_t events, size_t window,
                            bool deliver)
{
    struct buf *send = calloc(events, sizeof(*send));
    struct tally sent = {0}, got = {0};
    must(send != NULL, "memory");
    for (size_t i = 0; i < events; i++)
        make_filing(r, HOSPITAL, &send[i]);
    size_t next = 0;
    double begin = now_s();
    while (sent.receipts < events || (deliver && got.deliveries < events)) {
        while (next < events && next - sent.receipts < window &&
               frame_send(r->lane[HOSPITAL][1], NULL, VERB_SEND,
                          buf_slice(&send[next])) == ERR_OK)
            next++;
        zmq_pollitem_t items[2] = {{r->lane[HOSPITAL][1], 0, ZMQ_POLLIN, 0},
                                   {r->lane[CENTRE][1], 0, ZMQ_POLLIN, 0}};
        zmq_poll(items, deliver ? 2 : 1, 1000);
        drain(r, HOSPITAL, 1, &sent);
        if (deliver)
            drain(r, CENTRE, 1, &got);
        must(sent.errors == 0, "no errors");
        must(now_s() - begin < 300, "in time");
    }
    double took = now_s() - begin;
    for (size_t i = 0; i < events; i++)
        buf_fini(&send[i]);
    free(send);
    return (double)events / took;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Emergency: sent by one node, in the other node's hands. */
static void latency(struct region *r, size_t rounds, const char *label)
{
    double *ms = calloc(rounds, sizeof(*ms));
    struct tally office = {0}, coordinator = {0};
    must(ms != NULL, "memory");
    for (size_t i = 0; i < rounds; i++) {
        struct buf send = {0};
        make_emergency(r, &send);
        double begin = now_s();
        must(frame_send(r->lane[OFFICE][0], NULL, VERB_SEND,
                        buf_slice(&send)) == ERR_OK,
             "send");
        while (coordinator.deliveries <= i) {
            zmq_pollitem_t item = {r->lane[COORDINATOR][0], 0, ZMQ_POLLIN, 0};
            zmq_poll(&item, 1, 1000);
            drain(r, COORDINATOR, 0, &coordinator);
            must(now_s() - begin < 30, "an emergency in 30 s");
        }
        ms[i] = (now_s() - begin) * 1000;
        drain(r, OFFICE, 0, &office);
        buf_fini(&send);
        usleep(2000);
    }
    qsort(ms, rounds, sizeof(*ms), by_value);
    printf("emergency, %-16s p50 %7.2f ms   p99 %7.2f ms   (%zu)\n", label,
           ms[rounds / 2], ms[rounds * 99 / 100], rounds);
    free(ms);
}

/* A child that keeps 256 filings in flight until it is killed. */
static pid_t flood(struct region *r, int who)
{
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    struct tally t = {0};
    size_t next = 0;
    r->zmq = zmq_ctx_new();
    r->lane[who][1] = dealer(r, who, 1);
    for (;;) {
        while (next - t.receipts < 256) {
            struct buf send = {0};
            make_filing(r, who, &send);
            bool sent = frame_send(r->lane[who][1], NULL, VERB_SEND,
                                   buf_slice(&send)) == ERR_OK;
            buf_fini(&send);
            if (!sent)
                break;
            next++;
        }
        zmq_pollitem_t item = {r->lane[who][1], 0, ZMQ_POLLIN, 0};
        zmq_poll(&item, 1, 100);
        drain(r, who, 1, &t);
    }
}

/* ---- the disk alone ---- */

static double bare_rate(const struct region *r, size_t events, size_t batch)
{
    char path[128], row[1500];
    sqlite3 *db;
    sqlite3_stmt *ev, *leaf;
    snprintf(path, sizeof(path), "%s/bare-%zu.db", r->dir, batch);
    must(sqlite3_open(path, &db) == SQLITE_OK, "sqlite");
    sqlite3_exec(db,
                 "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA "
                 "locking_mode=EXCLUSIVE; CREATE TABLE e(seq INTEGER PRIMARY "
                 "KEY, id BLOB UNIQUE, row BLOB); CREATE TABLE l(i INTEGER "
                 "PRIMARY KEY, leaf BLOB);",
                 NULL, NULL, NULL);
    sqlite3_prepare_v2(db, "INSERT INTO e(id,row) VALUES(?,?)", -1, &ev, NULL);
    sqlite3_prepare_v2(db, "INSERT INTO l(leaf) VALUES(?)", -1, &leaf, NULL);
    memset(row, 'x', sizeof(row));
    double begin = now_s();
    for (size_t i = 0; i < events;) {
        sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL);
        for (size_t k = 0; k < batch && i < events; k++, i++) {
            struct id id = id_new(clock_wall_ms());
            sqlite3_bind_blob(ev, 1, id.b, 16, SQLITE_TRANSIENT);
            sqlite3_bind_blob(ev, 2, row, sizeof(row), SQLITE_STATIC);
            must(sqlite3_step(ev) == SQLITE_DONE, "insert");
            sqlite3_reset(ev);
            for (int n = 0; n < 2; n++) {
                sqlite3_bind_blob(leaf, 1, row, 400, SQLITE_STATIC);
                must(sqlite3_step(leaf) == SQLITE_DONE, "insert");
                sqlite3_reset(leaf);
            }
        }
        must(sqlite3_exec(db, "COMMIT", NULL, NULL, NULL) == SQLITE_OK,
             "commit");
    }
    double took = now_s() - begin;
    sqlite3_finalize(ev);
    sqlite3_finalize(leaf);
    sqlite3_close(db);
    return (double)events / took;
}

/* ---- around it ---- */

static uint64_t folder_bytes(const struct region *r)
{
    char path[512];
    uint64_t sum = 0;
    snprintf(path, sizeof(path), "%s/data", r->dir);
    DIR *d = opendir(path);
    struct dirent *e;
    while (d != NULL && (e = readdir(d)) != NULL) {
        struct stat st;
        snprintf(path, sizeof(path), "%s/data/%s", r->dir, e->d_name);
        if (stat(path, &st) == 0 && S_ISREG(st.st_mode))
            sum += (uint64_t)st.st_blocks * 512;
    }
    if (d != NULL)
        closedir(d);
    return sum;
}

static long resident_kib(pid_t pid)
{
    char path[64], line[256];
    long kib = 0;
    snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
    FILE *f = fopen(path, "r");
    while (f != NULL && fgets(line, sizeof(line), f) != NULL)
        if (sscanf(line, "VmRSS: %ld", &kib) == 1)
            break;
    if (f != NULL)
        fclose(f);
    return kib;
}

static void run(struct region *r, size_t events)
{
    static const size_t WINDOW[] = {1, 16, 256};
    accepted_rate(r, 200, 16, false); /* warm up */
    for (size_t i = 0; i < NELEM(WINDOW); i++) {
        size_t n = WINDOW[i] == 1 ? events / 4 : events;
        uint64_t before = folder_bytes(r);
        double bare = bare_rate(r, n, WINDOW[i] < 64 ? WINDOW[i] : 64);
        double hub = accepted_rate(r, n, WINDOW[i], false);
        printf("accepted, window %-4zu %9.0f events/s   bare SQLite %9.0f   "
               "ratio %3.0f %%   %5.1f KiB/event on disk\n",
               WINDOW[i], hub, bare, 100 * hub / bare,
               (double)(folder_bytes(r) - before) / 1024 / (double)n);
    }
    fetch(r, CENTRE, 1);
    struct tally backlog = {0};
    double until = now_s() + 60;
    for (size_t last = 1; backlog.deliveries != last && now_s() < until;) {
        last = backlog.deliveries;
        zmq_pollitem_t item = {r->lane[CENTRE][1], 0, ZMQ_POLLIN, 0};
        zmq_poll(&item, 1, 1500);
        drain(r, CENTRE, 1, &backlog);
    }
    printf("accepted and delivered, window 256 %9.0f events/s\n",
           accepted_rate(r, events, 256, true));
    printf("resident memory of the hub %.1f MiB\n",
           (double)resident_kib(r->pid) / 1024);
    fetch(r, COORDINATOR, 0);
    latency(r, 500, "idle hub");
    pid_t child[4];
    for (int i = 0; i < 4; i++)
        child[i] = flood(r, FLOOD1 + i);
    sleep(1);
    latency(r, 300, "four flooding");
    for (int i = 0; i < 4; i++) {
        kill(child[i], SIGKILL);
        waitpid(child[i], NULL, 0);
    }
}

int main(int argc, char **argv)
{
    static struct region r;
    setvbuf(stdout, NULL, _IOLBF, 0);
    size_t events = argc > 1 ? (size_t)strtoul(argv[1], NULL, 10) : 4000;
    must(sign_init() == ERR_OK, "sign_init");
    code_allow_fictitious(true);
    const char *tmp = getenv("TMPDIR");
    snprintf(r.dir, sizeof(r.dir), "%.40s/tsunagi-bench-XXXXXX",
             tmp != NULL ? tmp : "/var/tmp");
    must(mkdtemp(r.dir) != NULL, "mkdtemp");
    make_keys(&r);
    make_config(&r);
    start_hub(&r);
    sleep(getenv("BENCH_SLOW") ? 8 : 2);
    r.zmq = zmq_ctx_new();
    for (int i = 0; i < FLOOD1; i++)
        for (int lane = 0; lane < 2; lane++)
            r.lane[i][lane] = dealer(&r, i, lane);
    run(&r, events);
    for (int i = 0; i < FLOOD1; i++)
        for (int lane = 0; lane < 2; lane++)
            zmq_close(r.lane[i][lane]);
    zmq_ctx_term(r.zmq);
    kill(r.pid, SIGTERM);
    waitpid(r.pid, NULL, 0);
    char command[128];
    snprintf(command, sizeof(command), "rm -rf '%s'", r.dir);
    return system(command) == 0 ? 0 : 1;
}
