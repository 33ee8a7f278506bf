/* bench.c - what the hub does in a second, beside what the disk can do.
 *
 * Starts a real tsunagid on loopback with real keys, registry and policy and
 * drives it as nodes do: signed events of about 1 KiB, durable receipts,
 * verified deliveries. In the same run a bare SQLite loop commits rows of the
 * same size on the same disk; ratios to it are what counts. Prints, never
 * passes or fails.
 *
 *   tsunagi-bench [EVENTS]     events per measurement, 4000 */
#include "proto/base/clock.h"
#include "tests/bench/log.h"
#include "tests/bench/policy.h"
#include "tests/bench/report.h"
#include "tests/bench/verify.h"
#include "tests/bench/withdraw.h"
#include "tests/live/live.h"
#include "tsunagi/v1/discharge.pb-c.h"
#include "tsunagi/v1/emergency.pb-c.h"
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
#include <unistd.h>
#include <zmq.h>

#define REPORTED 10000  /* entries about one person */
#define VERIFIED 1000000 /* leaves of a log */
#define WITHDRAWN 10000 /* deliveries that wait when a consent ends */

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
static const struct live_who WHO[NODES] = {
    {"h1", "MI-4910100017"},    {"c1", "HC-492019-01"},
    {"k1", "OW-K1-492019"},     {"b1", "OW-B1-49"},
    {"h1.f1", "MI-4910100017"}, {"h1.f2", "MI-4910100017"},
    {"h1.f3", "MI-4910100017"}, {"h1.f4", "MI-4910100017"},
};

/* ---- events ---- */

/* A thousand people, a case of its own for each event. */
static void make_send(struct live *r, int who, int lane, uint32_t type,
                      const ProtobufCMessage *body, int to, const char *purpose,
                      struct buf *out)
{
    uint8_t person[16] = {0}, case_id[16];
    memcpy(person, &(uint32_t){randombytes_uniform(1000)}, 4);
    randombytes_buf(case_id, 16);
    live_make(r, who, lane,
              &(struct live_event){.type = type,
                                   .body = body,
                                   .to = WHO[to].agency,
                                   .purpose = purpose,
                                   .person = person,
                                   .care_case = case_id},
              out);
}

/* A filing of about 1 KiB from the hospital to the health centre. */
static void make_filing(struct live *r, int who, struct buf *out)
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
    make_send(r, who, 1, 1101, &b.base, CENTRE, "P_FIL", out);
}

/* An emergency of someone unknown who cannot consent, to the coordinator. */
static void make_emergency(struct live *r, struct buf *out)
{
    Pb__Name name = PB__NAME__INIT;
    name.kanji = (char *)(uintptr_t) "試験三郎";
    Pb__EmergencyRequested b = PB__EMERGENCY_REQUESTED__INIT;
    b.has_registration = 1;
    b.registration = PB__REGISTRATION__UNREGISTERED_UNABLE;
    b.name = &name;
    b.care = (char *)(uintptr_t) "見守り";
    make_send(r, OFFICE, 0, 1410, &b.base, COORDINATOR, "P_EMG", out);
}

/* ---- measuring ---- */

static double accepted_rate(struct live *r, size_t events, size_t window,
                            bool deliver)
{
    struct buf *send = calloc(events, sizeof(*send));
    struct live_tally sent = {0}, got = {0};
    live_must(send != NULL, "memory");
    for (size_t i = 0; i < events; i++)
        make_filing(r, HOSPITAL, &send[i]);
    size_t next = 0;
    double begin = live_seconds();
    while (sent.receipts < events || (deliver && got.deliveries < events)) {
        while (next < events && next - sent.receipts < window &&
               frame_send(r->lane[HOSPITAL][1], NULL, VERB_SEND,
                          buf_slice(&send[next])) == ERR_OK)
            next++;
        zmq_pollitem_t items[2] = {{r->lane[HOSPITAL][1], 0, ZMQ_POLLIN, 0},
                                   {r->lane[CENTRE][1], 0, ZMQ_POLLIN, 0}};
        zmq_poll(items, deliver ? 2 : 1, 1000);
        live_drain(r, HOSPITAL, 1, &sent);
        if (deliver)
            live_drain(r, CENTRE, 1, &got);
        live_must(sent.errors == 0, "no errors");
        live_must(live_seconds() - begin < 300, "in time");
    }
    double took = live_seconds() - begin;
    for (size_t i = 0; i < events; i++)
        buf_fini(&send[i]);
    free(send);
    return (double)events / took;
}

/* Emergency: sent by one node, in the other node's hands; milliseconds. */
static double emergency(struct live *r)
{
    struct live_tally office = {0}, coordinator = {0};
    struct buf send = {0};
    make_emergency(r, &send);
    /* a node that has been silent for a while is not waited for */
    live_fetch(r, COORDINATOR, 0, 256);
    double begin = live_seconds();
    live_must(frame_send(r->lane[OFFICE][0], NULL, VERB_SEND,
                         buf_slice(&send)) == ERR_OK,
              "send");
    while (coordinator.deliveries == 0) {
        zmq_pollitem_t item = {r->lane[COORDINATOR][0], 0, ZMQ_POLLIN, 0};
        zmq_poll(&item, 1, 1000);
        live_drain(r, COORDINATOR, 0, &coordinator);
        live_must(live_seconds() - begin < 30, "an emergency in 30 s");
    }
    double ms = (live_seconds() - begin) * 1000;
    live_drain(r, OFFICE, 0, &office);
    buf_fini(&send);
    return ms;
}

static void latency(struct live *r, size_t rounds, const char *label)
{
    double *ms = calloc(rounds, sizeof(*ms));
    live_must(ms != NULL, "memory");
    for (size_t i = 0; i < rounds; i++) {
        ms[i] = emergency(r);
        usleep(2000);
    }
    printf("emergency, %-16s p50 %7.2f ms   p99 %7.2f ms   (%zu)\n", label,
           live_percentile(ms, rounds, 50), live_percentile(ms, rounds, 99),
           rounds);
    free(ms);
}

/* A child that keeps 256 filings in flight until it is killed. */
static pid_t flood(struct live *r, int who)
{
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    struct live_tally t = {0};
    size_t next = 0;
    r->zmq = zmq_ctx_new();
    live_connect(r, who);
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
        live_drain(r, who, 1, &t);
    }
}

/* ---- the disk alone ---- */

static double bare_rate(const struct live *r, size_t events, size_t batch)
{
    char path[128], row[1500];
    sqlite3 *db;
    sqlite3_stmt *ev, *leaf;
    snprintf(path, sizeof(path), "%s/bare-%zu.db", r->dir, batch);
    live_must(sqlite3_open(path, &db) == SQLITE_OK, "sqlite");
    sqlite3_exec(db,
                 "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA "
                 "locking_mode=EXCLUSIVE; CREATE TABLE e(seq INTEGER PRIMARY "
                 "KEY, id BLOB UNIQUE, row BLOB); CREATE TABLE l(i INTEGER "
                 "PRIMARY KEY, leaf BLOB);",
                 NULL, NULL, NULL);
    sqlite3_prepare_v2(db, "INSERT INTO e(id,row) VALUES(?,?)", -1, &ev, NULL);
    sqlite3_prepare_v2(db, "INSERT INTO l(leaf) VALUES(?)", -1, &leaf, NULL);
    memset(row, 'x', sizeof(row));
    double begin = live_seconds();
    for (size_t i = 0; i < events;) {
        sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL);
        for (size_t k = 0; k < batch && i < events; k++, i++) {
            struct id id = id_new(clock_wall_ms());
            sqlite3_bind_blob(ev, 1, id.b, 16, SQLITE_TRANSIENT);
            sqlite3_bind_blob(ev, 2, row, sizeof(row), SQLITE_STATIC);
            live_must(sqlite3_step(ev) == SQLITE_DONE, "insert");
            sqlite3_reset(ev);
            for (int n = 0; n < 2; n++) {
                sqlite3_bind_blob(leaf, 1, row, 400, SQLITE_STATIC);
                live_must(sqlite3_step(leaf) == SQLITE_DONE, "insert");
                sqlite3_reset(leaf);
            }
        }
        live_must(sqlite3_exec(db, "COMMIT", NULL, NULL, NULL) == SQLITE_OK,
                  "commit");
    }
    double took = live_seconds() - begin;
    sqlite3_finalize(ev);
    sqlite3_finalize(leaf);
    sqlite3_close(db);
    return (double)events / took;
}

/* ---- around it ---- */

static uint64_t folder_bytes(const struct live *r)
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

static void run(struct live *r, size_t events)
{
    static const size_t WINDOW[] = {1, 16, 256};
    double event_cpu = 0;             /* seconds, with the largest window */
    accepted_rate(r, 200, 16, false); /* warm up */
    for (size_t i = 0; i < NELEM(WINDOW); i++) {
        size_t n = WINDOW[i] == 1 ? events / 4 : events;
        uint64_t before = folder_bytes(r);
        double bare = bare_rate(r, n, WINDOW[i] < 64 ? WINDOW[i] : 64);
        double cpu = bench_cpu(r->pid);
        double hub = accepted_rate(r, n, WINDOW[i], false);
        event_cpu = (bench_cpu(r->pid) - cpu) / (double)n;
        printf("accepted, window %-4zu %9.0f events/s   bare SQLite %9.0f   "
               "ratio %3.0f %%   %5.1f KiB/event on disk\n",
               WINDOW[i], hub, bare, 100 * hub / bare,
               (double)(folder_bytes(r) - before) / 1024 / (double)n);
    }
    bench_append(event_cpu);
    bench_proof();
    live_fetch(r, CENTRE, 1, 256);
    struct live_tally backlog = {0};
    double until = live_seconds() + 60;
    for (size_t last = 1;
         backlog.deliveries != last && live_seconds() < until;) {
        last = backlog.deliveries;
        zmq_pollitem_t item = {r->lane[CENTRE][1], 0, ZMQ_POLLIN, 0};
        zmq_poll(&item, 1, 1500);
        live_drain(r, CENTRE, 1, &backlog);
    }
    printf("accepted and delivered, window 256 %9.0f events/s\n",
           accepted_rate(r, events, 256, true));
    printf("resident memory of the hub %.1f MiB\n",
           (double)resident_kib(r->pid) / 1024);
    latency(r, 500, "idle hub");
    bench_silence(r, HOSPITAL, 500);
    bench_report(r, HOSPITAL, REPORTED);
    bench_withdrawal(r, HOSPITAL, WITHDRAWN, NULL);
    bench_withdrawal(r, HOSPITAL, WITHDRAWN, emergency);
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
    static struct live r;
    setvbuf(stdout, NULL, _IOLBF, 0);
    size_t events = argc > 1 ? (size_t)strtoul(argv[1], NULL, 10) : 4000;
    bench_policy("deploy/policy");
    bench_verify(VERIFIED);
    live_start(&r, WHO, NODES);
    for (int i = 0; i < FLOOD1; i++)
        live_connect(&r, i);
    run(&r, events);
    live_stop(&r);
    return 0;
}
