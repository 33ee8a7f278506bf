/* crash.c - the hub dies in the middle of its work, again and again, and the
 * log is what it was promised to be.
 *
 * Hospitals send, a health centre and a coordinator fetch; then the hub gets
 * SIGKILL: under load, while it starts, while it stops. For a power cut it
 * runs on a disk that keeps only what was synced (tests/fault/disk.h): every
 * second cut drops all the rest, the others leave blocks and names of it by
 * chance, as disks do. It starts again, and then
 *
 *   - the exported log verifies, and contains the newest head that anybody was
 *     sent before: the signed size never exceeds the recovered size,
 *   - every leaf that a receipt was given for stands where the receipt says,
 *   - an event that was acknowledged gets the same receipt when it is sent
 *     again, byte for byte; one that was not is taken in now.
 *
 *   tsunagi-crash KILLS CUTS [--seed N] [--lie WHAT]
 *
 * --lie: a disk whose syncs of WHAT do nothing (NOSYNC_LIE); must end in a
 * finding, exit 1. */
#include "hub/ctl/tiles.h"
#include "proto/base/clock.h"
#include "proto/wire/log_proof.h"
#include "proto/wire/unpack.h"
#include "tests/live/live.h"
#include "tsunagi/v1/discharge.pb-c.h"
#include "tsunagi/v1/emergency.pb-c.h"
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zmq.h>

#define ORIGIN "live.invalid/audit"
#define LIFE 25     /* rounds before a new hub with a new log */
#define AGAIN 8     /* acknowledged events sent once more each round */
#define WINDOW 32   /* unanswered ones */
#define SETTLE_S 60 /* seconds */

enum { HOSPITAL, OFFICE, CENTRE, COORDINATOR, NODES };
static const struct live_who WHO[NODES] = {
    {"h1", "MI-4910100017"},
    {"k1", "OW-K1-492019"},
    {"c1", "HC-492019-01"},
    {"b1", "OW-B1-49"},
};
enum { URGENT, NORMAL };

struct sent {
    struct id id;
    struct buf body;
    int who, lane;
    bool answered, again;
    uint64_t leaf;
    struct hash hash; /* of the leaf */
    uint8_t receipt[32];
};

struct crash {
    struct live live;
    uint64_t rng;
    struct sent *sent; /* of this hub's life */
    size_t n, cap, waiting;
    uint64_t newest; /* size of the newest head anybody was sent */
    struct buf note; /* and it */
    struct live_tally tally[NODES][2];
    uint8_t log_key[KEY_BYTES];
    /* in all */
    size_t acknowledged, repeated, unanswered, leaves;
};

static uint64_t dice(struct crash *c, uint64_t sides)
{
    c->rng ^= c->rng << 13;
    c->rng ^= c->rng >> 7;
    c->rng ^= c->rng << 17;
    return (c->rng >> 11) % sides;
}

/* A finding: what this program looks for. */
static void found(const struct crash *c, bool bad, const char *what)
{
    if (!bad)
        return;
    printf("crash: FOUND %s (see %s)\n", what, c->live.dir);
    exit(1);
}

/* ---- what comes back ---- */

static void note_head(struct crash *c, const char *note)
{
    struct checkpoint head;
    live_must(checkpoint_open(slice_str(note), ORIGIN, c->log_key, &head) ==
                  ERR_OK,
              "a head signed by the log");
    if (head.size < c->newest)
        return;
    c->newest = head.size;
    buf_reset(&c->note);
    buf_adds(&c->note, note);
}

static struct sent *find(struct crash *c, ProtobufCBinaryData id)
{
    for (size_t i = c->n; i > 0; i--)
        if (id.len == ID_BYTES &&
            memcmp(id.data, c->sent[i - 1].id.b, ID_BYTES) == 0)
            return &c->sent[i - 1];
    return NULL;
}

static void receipt_hash(const Pb__SignedReceipt *r, uint8_t out[32])
{
    struct buf b = {0};
    buf_add(&b, r->receipt.data, r->receipt.len);
    buf_add(&b, r->signature.data, r->signature.len);
    sha256(buf_slice(&b), out);
    buf_fini(&b);
}

static void take_proof(struct crash *c, struct sent *s, const char *text)
{
    struct log_proof p;
    struct checkpoint head;
    live_must(log_proof_parse(slice_str(text), &p) == ERR_OK &&
                  log_proof_check(&p, ORIGIN, c->log_key, buf_slice(&p.extra),
                                  &head) == ERR_OK,
              "the proof of a receipt");
    s->leaf = p.index;
    s->hash = proof_leaf(buf_slice(&p.extra));
    char note[4096];
    snprintf(note, sizeof(note), "%.*s", (int)p.note.n, (const char *)p.note.p);
    note_head(c, note);
    log_proof_fini(&p);
}

static void take_receipt(void *ctx, const Pb__SignedReceipt *r)
{
    struct crash *c = ctx;
    ProtobufCMessage *m = NULL;
    uint8_t hash[32];
    live_must(unpack(&pb__receipt__descriptor, pb_slice(r->receipt), &m) ==
                  ERR_OK,
              "receipt");
    struct sent *s = find(c, ((Pb__Receipt *)m)->event_id);
    unpack_free(&m);
    live_must(s != NULL && r->proof != NULL, "a receipt of ours with a proof");
    receipt_hash(r, hash);
    if (s->answered) {
        found(c, memcmp(hash, s->receipt, 32) != 0,
              "an acknowledged event that the hub does not know any more");
        c->repeated += s->again;
        c->waiting -= s->again;
        s->again = false;
        note_head(c, strstr(r->proof, "\n\n") + 2);
        return;
    }
    memcpy(s->receipt, hash, 32);
    take_proof(c, s, r->proof);
    s->answered = true;
    c->acknowledged++;
    c->waiting--;
}

static void take_head(void *ctx, const char *note)
{
    note_head(ctx, note);
}

/* ---- what goes out ---- */

static struct id id_of(struct slice send)
{
    ProtobufCMessage *s = NULL, *e = NULL, *h = NULL;
    struct id id;
    live_must(unpack(&pb__send__descriptor, send, &s) == ERR_OK &&
                  unpack(&pb__event__descriptor,
                         pb_slice(((Pb__Send *)s)->event), &e) == ERR_OK &&
                  unpack(&pb__event_header__descriptor,
                         pb_slice(((Pb__Event *)e)->header), &h) == ERR_OK &&
                  id_from(pb_slice(((Pb__EventHeader *)h)->event_id), &id) ==
                      ERR_OK,
              "an event of ours");
    unpack_free(&s);
    unpack_free(&e);
    unpack_free(&h);
    return id;
}

static void post(struct crash *c, struct sent *s)
{
    live_send(&c->live, s->who, s->lane, VERB_SEND, buf_slice(&s->body));
}

static void post_new(struct crash *c, int who, int lane, uint32_t type,
                     const ProtobufCMessage *body, int to, const char *purpose)
{
    uint8_t person[16] = {0}, care_case[16];
    if (c->n == c->cap) {
        c->cap = c->cap == 0 ? 1024 : 2 * c->cap;
        c->sent = realloc(c->sent, c->cap * sizeof(*c->sent));
        live_must(c->sent != NULL, "memory");
    }
    struct sent *s = &c->sent[c->n++];
    *s = (struct sent){.who = who, .lane = lane};
    person[0] = (uint8_t)dice(c, 50);
    randombytes_buf(care_case, sizeof(care_case));
    live_make(&c->live, who, lane,
              &(struct live_event){.type = type,
                                   .body = body,
                                   .to = WHO[to].agency,
                                   .purpose = purpose,
                                   .person = person,
                                   .care_case = care_case},
              &s->body);
    s->id = id_of(buf_slice(&s->body));
    c->waiting++;
    post(c, s);
}

static void post_filing(struct crash *c)
{
    Pb__Name name = PB__NAME__INIT;
    name.kanji = (char *)(uintptr_t) "架空花子";
    Pb__Date day = PB__DATE__INIT;
    day.iso = (char *)(uintptr_t) "2026-04-01";
    Pb__FilingSubmitted b = PB__FILING_SUBMITTED__INIT;
    b.has_form_code = 1;
    b.form_code = PB__FORM_CODE__MP_ADMIT;
    b.name = &name;
    b.admitted_on = &day;
    post_new(c, HOSPITAL, NORMAL, 1101, &b.base, CENTRE, "P_FIL");
}

static void post_emergency(struct crash *c)
{
    Pb__Name name = PB__NAME__INIT;
    name.kanji = (char *)(uintptr_t) "試験三郎";
    Pb__EmergencyRequested b = PB__EMERGENCY_REQUESTED__INIT;
    b.has_registration = 1;
    b.registration = PB__REGISTRATION__UNREGISTERED_UNABLE;
    b.name = &name;
    b.care = (char *)(uintptr_t) "見守り";
    post_new(c, OFFICE, URGENT, 1410, &b.base, COORDINATOR, "P_EMG");
}

/* ---- a life between two deaths ---- */

static void connect_all(struct crash *c)
{
    for (int who = 0; who < NODES; who++) {
        live_connect(&c->live, who);
        for (int lane = 0; lane < 2; lane++) {
            c->tally[who][lane] =
                (struct live_tally){.on_signed = take_receipt,
                                    .on_checkpoint = take_head,
                                    .ctx = c};
            if (who >= CENTRE)
                live_fetch(&c->live, who, lane, 64);
        }
    }
}

static void disconnect_all(struct crash *c)
{
    for (int who = 0; who < NODES; who++)
        live_disconnect(&c->live, who);
}

static void drain(struct crash *c, int wait_ms)
{
    zmq_pollitem_t item[2 * NODES];
    for (int i = 0; i < 2 * NODES; i++)
        item[i] =
            (zmq_pollitem_t){c->live.lane[i / 2][i % 2], 0, ZMQ_POLLIN, 0};
    zmq_poll(item, 2 * NODES, wait_ms);
    for (int i = 0; i < 2 * NODES; i++) {
        struct live_tally *t = &c->tally[i / 2][i % 2];
        live_drain(&c->live, i / 2, i % 2, t);
        found(c, t->errors > 0, "an event that the hub does not take");
    }
}

/* What has no receipt goes out again, and some of what has one. */
static void settle(struct crash *c)
{
    double until = live_seconds() + SETTLE_S;
    c->waiting = 0;
    size_t again = AGAIN;
    for (size_t i = c->n; i > 0; i--) {
        struct sent *s = &c->sent[i - 1];
        s->again = s->answered && again > 0;
        again -= s->again;
        c->waiting += s->again || !s->answered;
        c->unanswered += !s->answered;
    }
    for (size_t i = 0; i < c->n; i++)
        if (!c->sent[i].answered || c->sent[i].again)
            post(c, &c->sent[i]);
    while (c->waiting > 0) {
        drain(c, 100);
        found(c, live_seconds() > until, "an event that is not answered");
    }
}

/* Load for some milliseconds. */
static void work(struct crash *c, uint64_t ms)
{
    double until = live_seconds() + (double)ms / 1000;
    while (live_seconds() < until) {
        if (c->waiting < WINDOW && dice(c, 6) == 0)
            post_emergency(c);
        else if (c->waiting < WINDOW)
            post_filing(c);
        drain(c, c->waiting < WINDOW ? 0 : 1);
    }
}

/* Somewhere in its life; it is dead afterwards. */
static void die(struct crash *c, size_t round)
{
    if (round % 6 == 4) { /* while it stops */
        work(c, 10);
        kill(c->live.pid, SIGTERM);
        usleep((useconds_t)dice(c, 12000));
    } else if (round % 6 == 5) { /* while it starts */
        work(c, 5 + dice(c, 20));
        live_kill(&c->live);
        live_spawn(&c->live);
        usleep((useconds_t)dice(c, 90000));
    } else {
        work(c, 3 + dice(c, 60));
    }
    live_kill(&c->live);
}

/* ---- what came of it ---- */

static void read_leaf(const char *folder, uint64_t size, uint64_t n,
                      struct buf *tile, uint64_t *loaded)
{
    char path[512];
    uint64_t t = n / TILE_WIDTH, left = size - t * TILE_WIDTH;
    if (*loaded == t && tile->n > 0)
        return;
    buf_reset(tile);
    tile_path(folder, -1, t, left < TILE_WIDTH ? (unsigned)left : TILE_WIDTH,
              path, sizeof(path));
    live_must(file_read(path, 1 << 24, tile) == ERR_OK, path);
    *loaded = t;
}

/* Leaf i of a tile of entries. */
static struct slice entry(const struct buf *tile, uint64_t i)
{
    const uint8_t *p = tile->p, *end = tile->p + tile->n;
    for (; i > 0 && end - p > 2; i--)
        p += 2 + (p[0] << 8 | p[1]);
    return end - p > 2 ? slice_of(p + 2, (size_t)(p[0] << 8 | p[1]))
                       : SLICE_NONE;
}

static void check_leaves(struct crash *c, const char *folder, uint64_t size)
{
    struct buf tile = {0};
    uint64_t loaded = 0;
    for (size_t i = 0; i < c->n; i++) {
        const struct sent *s = &c->sent[i];
        if (!s->answered)
            continue;
        found(c, s->leaf >= size, "an acknowledged leaf beyond the log");
        read_leaf(folder, size, s->leaf, &tile, &loaded);
        struct hash h = proof_leaf(entry(&tile, s->leaf % TILE_WIDTH));
        found(c, memcmp(h.b, s->hash.b, HASH_BYTES) != 0,
              "an acknowledged leaf that is another one now");
    }
    buf_fini(&tile);
}

static uint64_t exported_size(struct crash *c, const char *folder)
{
    char path[160];
    struct buf note = {0};
    struct checkpoint head;
    snprintf(path, sizeof(path), "%s/checkpoint", folder);
    live_must(file_read(path, 1 << 16, &note) == ERR_OK, path);
    found(c,
          checkpoint_open(buf_slice(&note), ORIGIN, c->log_key, &head) !=
              ERR_OK,
          "an export without a signed head");
    buf_fini(&note);
    return head.size;
}

static void write_file(const struct crash *c, const char *name,
                       struct slice text)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/%s", c->live.dir, name);
    live_must(file_replace(path, text, 0600) == ERR_OK, path);
}

static void judge(struct crash *c)
{
    char folder[100], line[512];
    snprintf(folder, sizeof(folder), "%s/export", c->live.dir);
    snprintf(line, sizeof(line), "audit export %s --config %s/hub.conf", folder,
             c->live.dir);
    found(c, live_run(&c->live, "tsunagi", line) != 0,
          "a log that cannot be exported");
    uint64_t size = exported_size(c, folder);
    found(c, c->newest > size, "a signed head beyond the recovered log");
    int n = snprintf(line, sizeof(line), "audit verify %s --vkey %s/log.vkey",
                     folder, c->live.dir);
    if (c->newest > 0) {
        write_file(c, "newest.note", buf_slice(&c->note));
        snprintf(line + n, sizeof(line) - (size_t)n, " --older %s/newest.note",
                 c->live.dir);
    }
    found(c, live_run(&c->live, "tsunagi", line) != 0,
          "a log that does not verify");
    check_leaves(c, folder, size);
    c->leaves = size;
    snprintf(line, sizeof(line), "rm -rf '%s'", folder);
    live_must(system(line) == 0, "rm");
}

/* ---- lives ---- */

static void start_again(struct crash *c)
{
    int status;
    live_spawn(&c->live);
    char sock[128];
    snprintf(sock, sizeof(sock), "%s/hub.sock", c->live.dir);
    double until = live_seconds() + SETTLE_S;
    while (access(sock, F_OK) != 0) {
        found(c, waitpid(c->live.pid, &status, WNOHANG) != 0,
              "a hub that does not start (hub.log)");
        found(c, live_seconds() > until, "a hub that does not start in time");
        usleep(5000);
    }
}

static void one_round(struct crash *c, size_t round)
{
    char cut[64];
    connect_all(c);
    settle(c);
    die(c, round);
    disconnect_all(c);
    if (c->live.disk) {
        uint64_t seed = round % 2 == 0 ? 0 : 1 + dice(c, 1u << 30);
        snprintf(cut, sizeof(cut), "cut %" PRIu64, seed);
        live_power(&c->live, cut);
    }
    start_again(c);
    judge(c);
}

static void begin_life(struct crash *c, bool disk)
{
    struct node_keys log;
    char path[128];
    struct buf vkey = {0};
    live_prepare(&c->live, WHO, NODES);
    c->live.disk = disk;
    snprintf(path, sizeof(path), "%s/log.key", c->live.dir);
    live_must(keys_read(path, &log) == ERR_OK, path);
    memcpy(c->log_key, log.pub.sign, KEY_BYTES);
    checkpoint_vkey(ORIGIN, c->log_key, &vkey);
    buf_addc(&vkey, '\n');
    write_file(c, "log.vkey", buf_slice(&vkey));
    buf_fini(&vkey);
    if (disk)
        live_power(&c->live, "settle");
    start_again(c);
}

static void end_life(struct crash *c)
{
    live_stop(&c->live);
    for (size_t i = 0; i < c->n; i++)
        buf_fini(&c->sent[i].body);
    c->n = 0;
    c->newest = 0;
    buf_reset(&c->note);
}

static void run(struct crash *c, size_t rounds, bool disk)
{
    size_t events = c->acknowledged, repeated = c->repeated, leaves = 0;
    size_t unanswered = c->unanswered;
    double begin = live_seconds();
    for (size_t i = 0; i < rounds; i++) {
        if (i % LIFE == 0)
            begin_life(c, disk);
        one_round(c, i);
        if (i % LIFE == LIFE - 1 || i + 1 == rounds) {
            leaves += c->leaves;
            end_life(c);
        }
    }
    if (rounds > 0)
        printf("crash: %zu %s: %zu events acknowledged, none lost; %zu asked "
               "again, same receipt; %zu unanswered at a death, taken in "
               "after; %zu leaves; verified each time, signed never ahead; "
               "%.0f s\n",
               rounds, disk ? "power cuts" : "SIGKILLs",
               c->acknowledged - events, c->repeated - repeated,
               c->unanswered - unanswered, leaves, live_seconds() - begin);
}

int main(int argc, char **argv)
{
    static struct crash c;
    static const struct option LONG[] = {{"seed", required_argument, NULL, 's'},
                                         {"lie", required_argument, NULL, 'l'},
                                         {NULL, 0, NULL, 0}};
    uint64_t seed = clock_wall_ms();
    int o;
    setvbuf(stdout, NULL, _IOLBF, 0);
    while ((o = getopt_long(argc, argv, "", LONG, NULL)) != -1) {
        if (o == 's')
            seed = strtoull(optarg, NULL, 10);
        else if (o == 'l')
            setenv("NOSYNC_LIE", optarg, 1);
        else
            return 2;
    }
    if (argc - optind != 2) {
        fputs("usage: tsunagi-crash KILLS CUTS [--seed N] [--lie WHAT]\n",
              stderr);
        return 2;
    }
    c.rng = seed * 2654435761u + 88172645463325252u;
    printf("crash: seed %" PRIu64 "\n", seed);
    run(&c, strtoul(argv[optind], NULL, 10), false);
    run(&c, strtoul(argv[optind + 1], NULL, 10), true);
    free(c.sent);
    buf_fini(&c.note);
    return 0;
}
