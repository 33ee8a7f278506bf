/* log.c - a leaf: packed, hashed, its row, the tree, the running digest, the
 * row read back, hashed by the signer. All of it but the commit and the
 * signature, which a turn pays once for all its leaves: so what one more leaf
 * costs is the slope between commits of few and of many. */
#include "tests/bench/log.h"
#include "hub/app/hub.h"
#include "tests/live/live.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define ORIGIN "bench.invalid/audit"
#define COMMITS 100
#define FEW 1
#define MANY 129
#define LEAVES 1000000
#define LEAVES_A_COMMIT 50000
#define PROOFS 2000

struct place {
    char dir[64];
    struct node_keys keys;
    struct store *store;
    struct signer *signer;
};

double bench_cpu(pid_t pid)
{
    char path[64], text[1024];
    unsigned long user = 0, system = 0;
    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    FILE *f = fopen(path, "r");
    live_must(f != NULL && fgets(text, sizeof(text), f) != NULL, path);
    fclose(f);
    /* the name in brackets may hold blanks */
    live_must(sscanf(strrchr(text, ')') + 2,
                     "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu",
                     &user, &system) == 2,
              path);
    return (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}

static double own_cpu(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void open_place(struct place *p)
{
    char data[80], ring[80], kek[80], anchor[80], state[80];
    struct buf why = {0};
    snprintf(p->dir, sizeof(p->dir), "/var/tmp/tsunagi-bench-XXXXXX");
    live_must(sign_init() == ERR_OK && mkdtemp(p->dir) != NULL, "mkdtemp");
    snprintf(data, sizeof(data), "%s/data", p->dir);
    snprintf(ring, sizeof(ring), "%s/ring", p->dir);
    snprintf(kek, sizeof(kek), "%s/kek", p->dir);
    snprintf(anchor, sizeof(anchor), "%s/anchor", p->dir);
    snprintf(state, sizeof(state), "%s/signer", p->dir);
    keys_make(&p->keys, "log");
    live_must(mkdir(data, 0700) == 0, data);
    struct store_config c = {.dir = data,
                             .anchor_path = anchor,
                             .keyring_dir = ring,
                             .kek_dir = kek};
    live_must(store_open(&c, &p->store, &why) == ERR_OK, "store");
    live_must(signer_open(ORIGIN, &p->keys, state, &p->signer) == ERR_OK,
              "signer");
    buf_fini(&why);
}

static void close_place(struct place *p)
{
    char line[128];
    store_close(&p->store);
    signer_close(&p->signer);
    snprintf(line, sizeof(line), "rm -rf '%s'", p->dir);
    live_must(system(line) == 0, "rm");
}

/* As large as the leaf of a decision. */
static void add_leaf(struct place *p)
{
    static char agency[] = "MI-4910100017", node[] = "h1", role[] = "R_HC",
                purpose[] = "P_FIL", rule[] = "R-FIL-01", basis[] = "LB_CON";
    char *rules[] = {rule}, *bases[] = {basis};
    uint8_t bytes[32] = {1};
    uint64_t index;
    Pb__AuditLeaf l = PB__AUDIT_LEAF__INIT;
    l.has_kind = 1;
    l.kind = PB__LEAF_KIND__DECISION;
    l.has_subject_handle = 1;
    l.subject_handle = (ProtobufCBinaryData){16, bytes};
    l.peer = agency;
    l.node = node;
    l.role = role;
    l.purpose = purpose;
    l.n_rule = l.n_basis = 1;
    l.rule = rules;
    l.basis = bases;
    l.has_policy_digest = l.has_detail_sha256 = 1;
    l.policy_digest = l.detail_sha256 = (ProtobufCBinaryData){32, bytes};
    live_must(store_leaf(p->store, &l, &index) == ERR_OK, "leaf");
}

static void commit(struct place *p, size_t leaves)
{
    struct buf note = {0};
    live_must(store_begin(p->store) == ERR_OK, "begin");
    for (size_t i = 0; i < leaves; i++)
        add_leaf(p);
    live_must(store_commit(p->store) == ERR_OK, "commit");
    live_must(head_sign(p->store, p->signer, &note) == ERR_OK, "head");
    buf_fini(&note);
}

static double cpu_of(struct place *p, size_t leaves)
{
    double begin = own_cpu();
    for (int i = 0; i < COMMITS; i++)
        commit(p, leaves);
    return own_cpu() - begin;
}

void bench_append(double event_cpu)
{
    struct place p = {0};
    open_place(&p);
    cpu_of(&p, MANY); /* warm up */
    double few = cpu_of(&p, FEW), many = cpu_of(&p, MANY);
    double leaf = (many - few) / (COMMITS * (MANY - FEW));
    printf("a leaf appended %7.1f us of CPU, read back and signed for; an "
           "event accepted %7.1f us: %.1f %% (below 10 %% wanted)\n",
           leaf * 1e6, event_cpu * 1e6, 100 * leaf / event_cpu);
    close_place(&p);
}

/* CPU, which is what it takes when nobody else is at the machine. */
static double proof_ms(struct place *p, uint64_t index)
{
    struct hash path[PROOF_MAX];
    size_t n;
    const struct merkle *m = store_merkle(p->store);
    double begin = own_cpu();
    live_must(merkle_inclusion(m, index, m->size, store_tile, p->store, path,
                               &n) == ERR_OK,
              "proof");
    return (own_cpu() - begin) * 1000;
}

void bench_proof(void)
{
    static double ms[PROOFS];
    struct place p = {0};
    open_place(&p);
    double begin = own_cpu();
    for (size_t i = 0; i < LEAVES / LEAVES_A_COMMIT; i++)
        commit(&p, LEAVES_A_COMMIT);
    double grown = own_cpu() - begin;
    for (uint64_t i = 0; i < PROOFS; i++)
        ms[i] = proof_ms(&p, i * 2654435761u % LEAVES);
    double p50 = live_percentile(ms, PROOFS, 50);
    double p99 = live_percentile(ms, PROOFS, 99); /* sorted by now */
    printf("a log of %d leaves (%.1f us each): inclusion proof p50 %.3f ms   "
           "p99 %.3f ms   most %.3f ms (below 2 ms wanted)\n",
           LEAVES, grown / LEAVES * 1e6, p50, p99, ms[PROOFS - 1]);
    close_place(&p);
}
