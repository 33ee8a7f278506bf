/* policy.c - the whole matrix of the policy, and decisions in a second.
 *
 * The matrix is what `tsunagi policy matrix` prints: every event, purpose,
 * role and set of facts that the rules of the shipped pack tell apart. The
 * single decision is that of STAY_CONFIRMED to the one provider chosen, with a
 * register of 16 entries, of which the last is the consent that counts: about
 * the most that a release asks. */
#include "tests/bench/policy.h"
#include "hub/ctl/matrix.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define NOW_MS 1782874800000ull /* 2026-07-01 12:00 in Japan */
#define ROUNDS 200000

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static struct policy *load(const char *folder)
{
    struct buf file[POLICY_FILES] = {0}, why = {0};
    struct slice text[POLICY_FILES];
    struct policy *p = NULL;
    for (int i = 0; i < POLICY_FILES; i++) {
        char path[512];
        snprintf(path, sizeof(path), "%s/%s", folder, POLICY_FILE_NAMES[i]);
        if (file_read(path, 1 << 24, &file[i]) != ERR_OK)
            fprintf(stderr, "bench: cannot read %s\n", path);
        text[i] = buf_slice(&file[i]);
    }
    if (policy_parse(text, &p, &why) != ERR_OK) {
        fprintf(stderr, "bench: %.*s", (int)why.n, (const char *)why.p);
        exit(1);
    }
    for (int i = 0; i < POLICY_FILES; i++)
        buf_fini(&file[i]);
    buf_fini(&why);
    return p;
}

struct walk {
    const struct policy *p;
    uint64_t situations, classes, released;
};

static bool each(void *ctx, const struct situation *s)
{
    struct walk *w = ctx;
    struct decision d;
    matrix_decide(w->p, s, NOW_MS, &d);
    w->situations++;
    w->classes += (uint64_t)__builtin_popcountll(s->classes);
    w->released += (uint64_t)__builtin_popcountll(d.released);
    return true;
}

static void whole_matrix(const struct policy *p)
{
    struct walk w = {.p = p};
    double begin = seconds();
    if (matrix_walk(&p, 1, each, &w) != ERR_OK)
        exit(1);
    double took = seconds() - begin;
    printf("whole policy matrix  %9" PRIu64 " decisions, %" PRIu64
           " rows, %" PRIu64 " permits in %.2f s\n",
           w.situations, w.classes, w.released, took);
}

static void one_release(const struct policy *p)
{
    struct agency to = {.code = "WO-4911000026", .role = {"R_SHORT"}};
    struct grant grants[16];
    struct decision d;
    uint64_t released = 0;
    memset(grants, 0, sizeof(grants));
    for (size_t i = 0; i < NELEM(grants); i++) {
        grants[i].to_count = 1;
        grants[i].leaf = i + 1;
        grants[i].to_day = 30000;
        grants[i].classes = ~policy_third(p);
        memcpy(grants[i].purpose, i == 15 ? "P_EMG" : "P_TRA", 6);
        memcpy(grants[i].to[0].agency, to.code, sizeof(to.code));
    }
    struct policy_ask ask = {
        .event = "STAY_CONFIRMED",
        .variant = "",
        .purpose = "P_EMG",
        .recipient = &to,
        .classes = schema_event_named("STAY_CONFIRMED")->class_mask,
        .predicates = PRED_CHOSEN,
        .grants = grants,
        .grant_count = NELEM(grants),
        .now_ms = NOW_MS,
        .clock_ok = true};
    double begin = seconds();
    for (int i = 0; i < ROUNDS; i++) {
        policy_decide(p, &ask, &d);
        released += d.released;
    }
    double took = seconds() - begin;
    printf("one release          %9.0f decisions/s (%s)\n", ROUNDS / took,
           released != 0 ? "by consent" : "nothing released?");
}

void bench_policy(const char *folder)
{
    struct policy *p = load(folder);
    whole_matrix(p);
    one_release(p);
    policy_free(&p);
}
