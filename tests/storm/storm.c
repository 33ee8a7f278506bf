/* storm.c - consents given, used and taken back at the same time (I-3).
 *
 * A real hub, one process of hospitals that give consents, send events that
 * rely on them and withdraw them in between, and one process of recipients
 * that fetch, read and now and then withdraw themselves. Every node has a
 * thread of its own; nobody waits for anybody but for the receipt of the
 * consent. One round is one person. What happened is judged afterwards from
 * the exported log alone (check_log.py), which knows nothing of this program.
 *
 *   tsunagi-storm FOLDER [ROUNDS [SEED]]   FOLDER receives the log */
#include "proto/base/clock.h"
#include "proto/base/date.h"
#include "proto/wire/unpack.h"
#include "tests/live/live.h"
#include "tsunagi/v1/consent.pb-c.h"
#include "tsunagi/v1/discharge.pb-c.h"
#include <pthread.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zmq.h>

#define HOSPITALS 3
#define RECIPIENTS 3
static const struct live_who WHO[HOSPITALS + RECIPIENTS] = {
    {"h1", "MI-4910100017"},   {"h1/b", "MI-4910100017"},
    {"h1/c", "MI-4910100017"}, {"p1", "WO-4931000014"},
    {"n1", "MI-4960100016"},   {"h2", "MI-4910100025"},
};
enum { URGENT, NORMAL };

struct worker {
    struct live *live;
    int who;
    size_t rounds;
    uint64_t rng;
    struct live_tally tally[2];
    size_t sent[2], asked;
};

static uint32_t dice(struct worker *w, uint32_t sides)
{
    w->rng ^= w->rng << 13;
    w->rng ^= w->rng >> 7;
    w->rng ^= w->rng << 17;
    return (uint32_t)(w->rng >> 33) % sides;
}

/* ---- a hospital ---- */

static void post(struct worker *w, int lane, const struct live_event *e)
{
    struct buf send = {0};
    live_make(w->live, w->who, lane, e, &send);
    live_send(w->live, w->who, lane, VERB_SEND, buf_slice(&send));
    w->sent[lane]++;
    buf_fini(&send);
}

/* Until everything sent in a lane has its receipt. */
static void settle(struct worker *w, int lane)
{
    double until = live_seconds() + 60;
    while (w->tally[lane].receipts < w->sent[lane]) {
        zmq_pollitem_t item = {w->live->lane[w->who][lane], 0, ZMQ_POLLIN, 0};
        zmq_poll(&item, 1, 1000);
        live_drain(w->live, w->who, lane, &w->tally[lane]);
        live_must(live_seconds() < until, "a receipt within a minute");
    }
}

static void give(struct worker *w, const uint8_t person[16], uint8_t ref[16])
{
    static const Pb__DataClass classes[] = {PB__DATA_CLASS__G_ID,
                                            PB__DATA_CLASS__G_ADM};
    Pb__ConsentRecipient to[RECIPIENTS], *list[RECIPIENTS];
    for (int i = 0; i < RECIPIENTS; i++) {
        pb__consent_recipient__init(&to[i]);
        to[i].agency = (char *)(uintptr_t)WHO[HOSPITALS + i].agency;
        list[i] = &to[i];
    }
    uint8_t paper[32];
    randombytes_buf(ref, 16);
    randombytes_buf(paper, sizeof(paper));
    Pb__Date end = PB__DATE__INIT;
    char day[DATE_TEXT];
    date_iso(date_from_days(date_days(date_of_ms(clock_wall_ms())) + 90), day);
    end.iso = day;
    Pb__ConsentGiven b = PB__CONSENT_GIVEN__INIT;
    b.has_consent_ref = b.has_giver = b.has_method = b.has_paper_sha256 = 1;
    b.consent_ref = (ProtobufCBinaryData){16, ref};
    b.purpose = (char *)(uintptr_t) "P_TRA";
    b.n_recipient = RECIPIENTS;
    b.recipient = list;
    b.n_classes = NELEM(classes);
    b.classes = (Pb__DataClass *)(uintptr_t)classes;
    b.giver = PB__CONSENT_GIVER__SELF;
    b.method = PB__CONSENT_METHOD__PAPER;
    b.paper_sha256 = (ProtobufCBinaryData){sizeof(paper), paper};
    b.text_version = (char *)(uintptr_t) "2026-04";
    b.valid_to = &end;
    post(w, URGENT,
         &(struct live_event){.type = 1201, .body = &b.base, .person = person});
    settle(w, URGENT);
}

static void admit(struct worker *w, const uint8_t person[16], int to)
{
    Pb__Name name = PB__NAME__INIT;
    name.kanji = (char *)(uintptr_t) "架空花子";
    Pb__Date day = PB__DATE__INIT;
    day.iso = (char *)(uintptr_t) "2026-04-01";
    Pb__AdmissionRecorded b = PB__ADMISSION_RECORDED__INIT;
    b.name = &name;
    b.admitted_on = &day;
    b.hospital_name = (char *)(uintptr_t) "架空こころ病院";
    uint8_t care_case[16];
    randombytes_buf(care_case, sizeof(care_case));
    post(w, NORMAL,
         &(struct live_event){.type = 1001,
                              .body = &b.base,
                              .to = WHO[HOSPITALS + to].agency,
                              .purpose = "P_TRA",
                              .person = person,
                              .care_case = care_case});
}

/* ref NULL: every consent of the person. */
static void take_back(struct worker *w, const uint8_t person[16],
                      const uint8_t *ref)
{
    Pb__ConsentWithdrawn b = PB__CONSENT_WITHDRAWN__INIT;
    b.has_channel = 1;
    b.channel = PB__WITHDRAW_CHANNEL__WITHDRAW_WINDOW;
    b.has_consent_ref = ref != NULL;
    b.consent_ref = (ProtobufCBinaryData){16, (uint8_t *)(uintptr_t)ref};
    b.has_all = b.all = ref == NULL;
    post(w, URGENT,
         &(struct live_event){.type = 1203, .body = &b.base, .person = person});
}

static void admit_some(struct worker *w, const uint8_t person[16],
                       uint32_t fewer_than)
{
    for (uint32_t n = dice(w, fewer_than); n > 0; n--)
        admit(w, person, (int)dice(w, RECIPIENTS));
}

/* Give, use, take back, use again; sometimes all of it once more. */
static void play_round(struct worker *w)
{
    uint8_t person[16], ref[16];
    randombytes_buf(person, sizeof(person));
    for (uint32_t n = 1 + (dice(w, 4) == 0); n > 0; n--) {
        give(w, person, ref);
        admit_some(w, person, 4);
        if (dice(w, 2))
            usleep(dice(w, 4000));
        if (dice(w, 8) != 0)
            take_back(w, person, dice(w, 3) ? ref : NULL);
        admit_some(w, person, 3);
        settle(w, URGENT);
    }
    settle(w, NORMAL);
}

static void *hospital(void *arg)
{
    struct worker *w = arg;
    for (size_t i = 0; i < w->rounds; i++)
        play_round(w);
    return NULL;
}

/* ---- a recipient ---- */

static void ask_read(struct worker *w, ProtobufCBinaryData delivery_id)
{
    char hex[33];
    static const char *const KEYS[] = {"delivery_id", "actor"};
    const char *values[] = {hex, "00112233445566778899aabbccddeeff"};
    Pb__AskArgument arg[2], *list[2];
    sodium_bin2hex(hex, sizeof(hex), delivery_id.data, delivery_id.len);
    for (int i = 0; i < 2; i++) {
        pb__ask_argument__init(&arg[i]);
        arg[i].key = (char *)(uintptr_t)KEYS[i];
        arg[i].value = (char *)(uintptr_t)values[i];
        list[i] = &arg[i];
    }
    Pb__Ask a = PB__ASK__INIT;
    struct buf b = {0};
    a.what = (char *)(uintptr_t) "read";
    a.n_arg = 2;
    a.arg = list;
    live_must(pack(&a.base, &b) == ERR_OK, "ask");
    live_send(w->live, w->who, NORMAL, VERB_ASK, buf_slice(&b));
    buf_fini(&b);
    w->asked++;
}

/* A notice of a withdrawal cites no consent: nothing to read or take back. */
static void note_delivery(void *ctx, const Pb__Delivery *d)
{
    struct worker *w = ctx;
    ProtobufCMessage *m = NULL;
    live_must(unpack(&pb__audit_leaf__descriptor, pb_slice(d->release_leaf),
                     &m) == ERR_OK,
              "leaf");
    const Pb__AuditLeaf *l = (const Pb__AuditLeaf *)m;
    if (l->n_consent > 0 && dice(w, 2))
        ask_read(w, d->delivery_id);
    if (l->n_consent > 0 && d->has_person_token && dice(w, 8) == 0)
        take_back(w, d->person_token.data, l->consent[0].data);
    unpack_free(&m);
}

static void *recipient(void *arg)
{
    struct worker *w = arg;
    for (int lane = 0; lane < 2; lane++) {
        w->tally[lane].credit = 1 + dice(w, 4);
        live_fetch(w->live, w->who, lane, w->tally[lane].credit);
    }
    for (;;) {
        zmq_pollitem_t item[2] = {{w->live->lane[w->who][0], 0, ZMQ_POLLIN, 0},
                                  {w->live->lane[w->who][1], 0, ZMQ_POLLIN, 0}};
        zmq_poll(item, 2, 1000);
        for (int lane = 0; lane < 2; lane++)
            live_drain(w->live, w->who, lane, &w->tally[lane]);
        usleep(dice(w, 3000)); /* so that some wait and are caught there */
    }
    return NULL;
}

/* ---- all of them ---- */

/* One process: a thread for each node from first to end. */
static void run_process(struct live *live, int first, int end, size_t rounds,
                        uint64_t seed, void *(*run)(void *))
{
    pthread_t thread[HOSPITALS + RECIPIENTS];
    static struct worker worker[HOSPITALS + RECIPIENTS];
    live->zmq = zmq_ctx_new();
    for (int i = first; i < end; i++) {
        struct worker *w = &worker[i];
        *w = (struct worker){.live = live, .who = i, .rounds = rounds};
        w->rng = seed * 2654435761u + (uint64_t)i * 40503u + 88172645463325252u;
        for (int lane = 0; lane < 2; lane++)
            w->tally[lane] =
                (struct live_tally){.on_delivery = note_delivery, .ctx = w};
        live_connect(live, i);
        live_must(pthread_create(&thread[i], NULL, run, w) == 0, "thread");
    }
    for (int i = first; i < end; i++) {
        live_must(pthread_join(thread[i], NULL) == 0, "join");
        live_must(worker[i].tally[0].errors + worker[i].tally[1].errors == 0,
                  "a storm without errors");
        live_disconnect(live, i);
    }
}

static pid_t fork_process(struct live *live, int first, int end, size_t rounds,
                          uint64_t seed, void *(*run)(void *))
{
    pid_t pid = fork();
    live_must(pid >= 0, "fork");
    if (pid != 0)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    run_process(live, first, end, rounds, seed, run);
    _exit(0);
}

static void export_log(const struct live *live, const char *folder)
{
    char self[4096], command[8500];
    ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 16);
    live_must(n > 0, "readlink");
    self[n] = '\0';
    *strrchr(self, '/') = '\0';
    snprintf(command, sizeof(command),
             "'%s/tsunagi' audit export '%.4000s' --config '%s/hub.conf' "
             ">/dev/null 2>&1",
             self, folder, live->dir);
    live_must(system(command) == 0, "audit export");
}

int main(int argc, char **argv)
{
    static struct live live;
    if (argc < 2) {
        fprintf(stderr, "usage: tsunagi-storm FOLDER [ROUNDS [SEED]]\n");
        return 2;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    size_t rounds = argc > 2 ? strtoul(argv[2], NULL, 10) : 10000;
    uint64_t seed = argc > 3 ? strtoull(argv[3], NULL, 10) : clock_wall_ms();
    size_t each = (rounds + HOSPITALS - 1) / HOSPITALS;
    live_start(&live, WHO, HOSPITALS + RECIPIENTS);
    double begin = live_seconds();
    pid_t them = fork_process(&live, HOSPITALS, HOSPITALS + RECIPIENTS, 0, seed,
                              recipient);
    pid_t us = fork_process(&live, 0, HOSPITALS, each, seed, hospital);
    int status = 0;
    waitpid(us, &status, 0);
    live_must(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the hospitals");
    double took = live_seconds() - begin;
    sleep(2); /* what is still on its way arrives */
    live_must(waitpid(them, NULL, WNOHANG) == 0, "the recipients");
    kill(them, SIGKILL);
    waitpid(them, NULL, 0);
    printf("storm: %zu rounds in %.0f s, seed %llu\n", each * HOSPITALS, took,
           (unsigned long long)seed);
    export_log(&live, argv[1]);
    live_stop(&live);
    return 0;
}
