/* withdraw.c - ten thousand deliveries that wait, and a consent taken back.
 *
 * The hub says over its control socket whether a sweep is still running; that
 * is asked every few milliseconds, so the figure is that exact. */
#include "tests/bench/withdraw.h"
#include "proto/base/clock.h"
#include "proto/base/date.h"
#include "proto/wire/unpack.h"
#include "tsunagi/v1/consent.pb-c.h"
#include "tsunagi/v1/discharge.pb-c.h"
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zmq.h>

#define OFFICE "WO-4931000014"
#define URGENT 0
#define NORMAL 1
#define WINDOW 256

struct withdrawal {
    struct live *r;
    int from;
    uint8_t person[16], ref[16];
};

/* Sends one and waits for its receipt. */
static void settle(struct withdrawal *w, int lane, const struct live_event *e)
{
    struct live_tally t = {0};
    struct buf send = {0};
    live_make(w->r, w->from, lane, e, &send);
    live_send(w->r, w->from, lane, VERB_SEND, buf_slice(&send));
    buf_fini(&send);
    while (t.receipts == 0) {
        zmq_pollitem_t item = {w->r->lane[w->from][lane], 0, ZMQ_POLLIN, 0};
        zmq_poll(&item, 1, 1000);
        live_drain(w->r, w->from, lane, &t);
        live_must(t.errors == 0, "no errors");
    }
}

static void give(struct withdrawal *w)
{
    static const Pb__DataClass CLASSES[] = {
        PB__DATA_CLASS__G_META, PB__DATA_CLASS__G_ID, PB__DATA_CLASS__G_ADM};
    Pb__ConsentRecipient to = PB__CONSENT_RECIPIENT__INIT, *list[] = {&to};
    Pb__Date end = PB__DATE__INIT;
    uint8_t paper[32] = {1};
    char text[TIME_TEXT], day[16];
    time_jst(clock_wall_ms() + UINT64_C(90) * 86400000, text);
    snprintf(day, sizeof(day), "%.10s", text);
    to.agency = (char *)(uintptr_t)OFFICE;
    end.iso = day;
    Pb__ConsentGiven b = PB__CONSENT_GIVEN__INIT;
    b.has_consent_ref = b.has_giver = b.has_method = b.has_paper_sha256 = 1;
    b.consent_ref = (ProtobufCBinaryData){16, w->ref};
    b.purpose = (char *)(uintptr_t) "P_TRA";
    b.n_recipient = 1;
    b.recipient = list;
    b.n_classes = NELEM(CLASSES);
    b.classes = (Pb__DataClass *)(uintptr_t)CLASSES;
    b.giver = PB__CONSENT_GIVER__SELF;
    b.method = PB__CONSENT_METHOD__PAPER;
    b.paper_sha256 = (ProtobufCBinaryData){sizeof(paper), paper};
    b.text_version = (char *)(uintptr_t) "2026-04";
    b.valid_to = &end;
    settle(w, URGENT,
           &(struct live_event){
               .type = 1201, .body = &b.base, .person = w->person});
}

static void take_back(struct withdrawal *w)
{
    Pb__ConsentWithdrawn b = PB__CONSENT_WITHDRAWN__INIT;
    b.has_consent_ref = 1;
    b.consent_ref = (ProtobufCBinaryData){16, w->ref};
    settle(w, URGENT,
           &(struct live_event){
               .type = 1203, .body = &b.base, .person = w->person});
}

static void admit(struct withdrawal *w)
{
    uint8_t care_case[16];
    struct buf send = {0};
    Pb__Name name = PB__NAME__INIT;
    Pb__Date day = PB__DATE__INIT;
    Pb__AdmissionRecorded b = PB__ADMISSION_RECORDED__INIT;
    randombytes_buf(care_case, sizeof(care_case));
    name.kanji = (char *)(uintptr_t) "架空花子";
    day.iso = (char *)(uintptr_t) "2026-04-01";
    b.name = &name;
    b.admitted_on = &day;
    live_make(w->r, w->from, NORMAL,
              &(struct live_event){.type = 1001,
                                   .body = &b.base,
                                   .to = OFFICE,
                                   .purpose = "P_TRA",
                                   .person = w->person,
                                   .care_case = care_case},
              &send);
    live_send(w->r, w->from, NORMAL, VERB_SEND, buf_slice(&send));
    buf_fini(&send);
}

static void queue(struct withdrawal *w, size_t n)
{
    struct live_tally t = {0};
    for (size_t sent = 0; t.receipts < n;) {
        for (; sent < n && sent - t.receipts < WINDOW; sent++)
            admit(w);
        zmq_pollitem_t item = {w->r->lane[w->from][NORMAL], 0, ZMQ_POLLIN, 0};
        zmq_poll(&item, 1, 1000);
        live_drain(w->r, w->from, NORMAL, &t);
        live_must(t.errors == 0, "no errors");
    }
}

/* ---- what the hub says of itself ---- */

static void *control(struct live *r)
{
    char endpoint[160];
    void *s = zmq_socket(r->zmq, ZMQ_DEALER);
    snprintf(endpoint, sizeof(endpoint), "ipc://%s/hub.sock", r->dir);
    live_must(s != NULL && zmq_connect(s, endpoint) == 0, "control");
    return s;
}

static bool says(void *socket, const char *what)
{
    Pb__Ask a = PB__ASK__INIT;
    struct buf b = {0};
    struct frame f;
    a.what = (char *)(uintptr_t) "status";
    live_must(pack(&a.base, &b) == ERR_OK, "ask");
    live_must(frame_send(socket, NULL, VERB_ASK, buf_slice(&b)) == ERR_OK,
              "ask");
    zmq_pollitem_t item = {socket, 0, ZMQ_POLLIN, 0};
    zmq_poll(&item, 1, 5000);
    live_must(frame_recv(socket, false, &f) == ERR_OK, "an answer");
    bool found = memmem(f.body.p, f.body.n, what, strlen(what)) != NULL;
    frame_close(&f);
    buf_fini(&b);
    return found;
}

void bench_withdrawal(struct live *r, int from, size_t deliveries,
                      double (*emergency)(struct live *r))
{
    struct withdrawal w = {.r = r, .from = from};
    double worst = 0;
    size_t n = 0;
    void *hub = control(r);
    randombytes_buf(w.person, sizeof(w.person));
    randombytes_buf(w.ref, sizeof(w.ref));
    give(&w);
    queue(&w, deliveries);
    double begin = live_seconds();
    take_back(&w);
    while (!says(hub, "\"sweeping\":0")) {
        double ms = emergency != NULL ? emergency(r) : 0;
        worst = ms > worst ? ms : worst;
        n++;
        if (emergency == NULL)
            usleep(5000);
    }
    printf("%zu queued deliveries withdrawn in %.0f ms", deliveries,
           (live_seconds() - begin) * 1000);
    if (emergency != NULL)
        printf("   an emergency meanwhile: at most %.2f ms (%zu)", worst, n);
    putchar('\n');
    zmq_close(hub);
}

/* ---- a no ---- */

static void refuse(struct withdrawal *w)
{
    Pb__ConsentRefused b = PB__CONSENT_REFUSED__INIT;
    b.has_consent_ref = 1;
    b.consent_ref = (ProtobufCBinaryData){16, w->ref};
    b.purpose = (char *)(uintptr_t) "P_TRA";
    settle(w, URGENT,
           &(struct live_event){
               .type = 1202, .body = &b.base, .person = w->person});
}

static double answered_in(struct withdrawal *w)
{
    double begin = live_seconds();
    queue(w, 1);
    return (live_seconds() - begin) * 1000;
}

enum { REFUSED, TAKEN_BACK, NEVER_ASKED, NOBODY, NOES };

void bench_silence(struct live *r, int from, size_t rounds)
{
    static const char *const NAME[NOES] = {"refused", "taken back",
                                           "never asked", "nobody"};
    struct withdrawal w[NOES];
    double *ms[NOES];
    for (int i = 0; i < NOES; i++) {
        w[i] = (struct withdrawal){.r = r, .from = from};
        randombytes_buf(w[i].person, sizeof(w[i].person));
        randombytes_buf(w[i].ref, sizeof(w[i].ref));
        ms[i] = calloc(rounds, sizeof(*ms[i]));
        live_must(ms[i] != NULL, "memory");
    }
    refuse(&w[REFUSED]);
    give(&w[TAKEN_BACK]);
    take_back(&w[TAKEN_BACK]);
    for (size_t n = 0; n < rounds; n++) /* by turns: the machine varies */
        for (int i = 0; i < NOES; i++) {
            if (i == NOBODY)
                randombytes_buf(w[i].person, sizeof(w[i].person));
            ms[i][n] = answered_in(&w[i]);
        }
    for (int i = 0; i < NOES; i++) {
        printf("a no, %-12s p50 %7.2f ms   p99 %7.2f ms   (%zu)\n", NAME[i],
               live_percentile(ms[i], rounds, 50),
               live_percentile(ms[i], rounds, 99), rounds);
        free(ms[i]);
    }
}
