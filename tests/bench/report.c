/* report.c - ten thousand entries about one person, and her question. Each
 * event that nobody may have leaves two: that it came, and that it went
 * nowhere. The report is made by the command line, as an operator's is. */
#include "tests/bench/report.h"
#include "tsunagi/v1/discharge.pb-c.h"
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zmq.h>

#define HOUSING "OW-HOUSE-49"
#define NORMAL 1
#define WINDOW 256

static void admit(struct live *r, int from, const uint8_t person[16])
{
    uint8_t care_case[16];
    struct buf send = {0};
    Pb__Name name = PB__NAME__INIT;
    Pb__AdmissionRecorded b = PB__ADMISSION_RECORDED__INIT;
    Pb__Date day = PB__DATE__INIT;
    randombytes_buf(care_case, sizeof(care_case));
    name.kanji = (char *)(uintptr_t) "架空花子";
    day.iso = (char *)(uintptr_t) "2026-04-01";
    b.name = &name;
    b.admitted_on = &day;
    live_make(r, from, NORMAL,
              &(struct live_event){.type = 1001,
                                   .body = &b.base,
                                   .to = HOUSING,
                                   .purpose = "P_TRA",
                                   .person = person,
                                   .care_case = care_case},
              &send);
    live_send(r, from, NORMAL, VERB_SEND, buf_slice(&send));
    buf_fini(&send);
}

static void fill(struct live *r, int from, const uint8_t person[16], size_t n)
{
    struct live_tally t = {0};
    for (size_t sent = 0; t.receipts < n;) {
        for (; sent < n && sent - t.receipts < WINDOW; sent++)
            admit(r, from, person);
        zmq_pollitem_t item = {r->lane[from][NORMAL], 0, ZMQ_POLLIN, 0};
        zmq_poll(&item, 1, 1000);
        live_drain(r, from, NORMAL, &t);
        live_must(t.errors == 0, "no errors");
    }
}

/* The program beside this one, in a process of its own. */
static void make(const struct live *r, int from, const char *token, int round)
{
    char self[512], conf[128], out[128];
    ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
    live_must(n > 0, "readlink");
    self[n] = '\0';
    snprintf(strrchr(self, '/') + 1, 16, "tsunagi");
    snprintf(conf, sizeof(conf), "%s/hub.conf", r->dir);
    snprintf(out, sizeof(out), "%s/report%d", r->dir, round);
    pid_t pid = fork();
    if (pid == 0) {
        live_must(freopen("/dev/null", "w", stdout) != NULL, "stdout");
        execl(self, "tsunagi", "audit", "report", "--config", conf, "--agency",
              r->who[from].agency, "--token", token, "--yes", "--out", out,
              (char *)NULL);
        _exit(127);
    }
    int status = 0;
    live_must(pid > 0 && waitpid(pid, &status, 0) == pid, "waitpid");
    live_must(WIFEXITED(status) && WEXITSTATUS(status) == 0, "audit report");
}

void bench_report(struct live *r, int from, size_t entries)
{
    static const char *const WHEN[] = {"at once", "again"};
    uint8_t person[16];
    char token[33];
    randombytes_buf(person, sizeof(person));
    sodium_bin2hex(token, sizeof(token), person, sizeof(person));
    fill(r, from, person, entries / 2);
    for (int i = 0; i < 2; i++) {
        double begin = live_seconds();
        make(r, from, token, i);
        printf("a person's report of %zu entries, %-7s %6.2f s\n", entries,
               WHEN[i], live_seconds() - begin);
    }
    struct rusage use;
    live_must(getrusage(RUSAGE_CHILDREN, &use) == 0, "getrusage");
    printf("resident memory of audit report %.1f MiB at most\n",
           (double)use.ru_maxrss / 1024);
}
