/* link_witness_test.c - a node as a witness, at the wire: every status of an
 * answer, one history of what it cosigned and what it was delivered, forks in
 * both directions, and the quorum that is due. The hub is the test. */
#include "proto/wire/log_proof.h"
#include "proto/wire/witness.h"
#include "tests/unit/adapters/sdk/peer.h"
#include "tests/unit/adapters/sdk/tree.h"
#include <dirent.h>

#define LEAVES 16
#define NEVER LEAVES

/* The hub's log: four leaves with the delivery's, then others; and what the
 * hub does when it is asked. */
struct log {
    struct hash leaf[LEAVES];
    enum { PROVES, REFUSES, LIES, SILENT } proofs;
    struct buf cosigned; /* answer to `cosigned`; empty: none */
    size_t proof_asks, note_asks;
    struct node_keys w[3]; /* witnesses beside us */
};

static struct log *log_of(const struct peer *p)
{
    return p->own;
}

/* The log, other from leaf `odd` on. */
static void leaves(const struct peer *p, size_t odd, struct hash out[LEAVES])
{
    memcpy(out, log_of(p)->leaf, LEAVES * sizeof(out[0]));
    for (size_t i = odd; i < LEAVES; i++)
        out[i].b[0] ^= 1;
}

static struct checkpoint head_of(const struct peer *p, size_t size, size_t odd)
{
    struct checkpoint c = {.origin = ORIGIN, .size = size};
    struct hash l[LEAVES];
    leaves(p, odd, l);
    c.root = tree_root(l, size);
    return c;
}

static void note_of(const struct peer *p, size_t size, size_t odd,
                    struct buf *note)
{
    struct checkpoint c = head_of(p, size, odd);
    const struct node_keys *k = &p->n.hub.log;
    assert_int_equal(checkpoint_sign(&c, k->sign_secret, k->pub.sign, note),
                     ERR_OK);
}

/* ---- what the hub answers ---- */

static void answer_proof(struct peer *p, const Pb__Ask *a)
{
    struct log *g = log_of(p);
    struct hash path[PROOF_MAX], l[LEAVES];
    struct buf j = {0};
    size_t from = strtoul(a->arg[0]->value, NULL, 10);
    size_t to = strtoul(a->arg[1]->value, NULL, 10);
    g->proof_asks++;
    leaves(p, g->proofs == LIES ? 0 : NEVER, l);
    size_t n = tree_consistency(from, l, to, path);
    buf_adds(&j, "{\"proof\":[");
    for (size_t i = 0; i < n; i++) {
        buf_adds(&j, i > 0 ? ",\"" : "\"");
        buf_add_hex(&j, slice_of(path[i].b, HASH_BYTES));
        buf_adds(&j, "\"");
    }
    buf_adds(&j, "]}");
    if (g->proofs == REFUSES)
        answer_json(p, err_code(ERR_NOT_FOUND), "{}");
    else if (g->proofs != SILENT)
        answer_json(p, "", (char *)j.p);
    buf_fini(&j);
}

static void answer_cosigned(struct peer *p)
{
    struct log *g = log_of(p);
    struct buf j = {0};
    g->note_asks++;
    buf_adds(&j, "{\"note\":");
    buf_add_json(&j, g->cosigned.n > 0 ? (char *)g->cosigned.p : "");
    buf_adds(&j, "}");
    if (g->cosigned.n == 0)
        answer_json(p, err_code(ERR_NOT_FOUND), "{}");
    else
        answer_json(p, "", (char *)j.p);
    buf_fini(&j);
}

static void on_ask(struct peer *p, const Pb__Ask *a)
{
    if (strcmp(a->what, "consistency") == 0)
        answer_proof(p, a);
    else if (strcmp(a->what, "cosigned") == 0)
        answer_cosigned(p);
}

/* ---- what the hub says ---- */

struct saying {
    size_t size, odd, from;   /* the head; where its proof starts */
    bool delivery;            /* with the delivery; size must be 4 */
    const struct buf *quorum; /* note beside it, of quorum_size */
    size_t quorum_size, quorum_odd;
};

static void box(struct peer *p, struct buf *nonce, struct buf *sealed)
{
    struct buf packed = {0};
    struct checkpoint head;
    uint8_t shared[KEY_BYTES], bytes[24];
    hubside_delivery(&p->n.hub, HONEST, 0, &packed, &head);
    box_shared(shared, p->n.hub.us.pub.box, p->n.hub.hub.box_secret);
    assert_int_equal(box_seal(shared, buf_slice(&packed), bytes, sealed),
                     ERR_OK);
    buf_add(nonce, bytes, sizeof(bytes));
    buf_fini(&packed);
}

static size_t borrow_path(size_t from, size_t to, const struct hash *l,
                          struct hash *path, ProtobufCBinaryData *out)
{
    size_t n = tree_consistency(from, l, to, path);
    for (size_t i = 0; i < n; i++)
        out[i] = pb_borrow(slice_of(path[i].b, HASH_BYTES));
    return n;
}

static void say(struct peer *p, int lane, const struct saying *s)
{
    struct buf note = {0}, b = {0}, nonce = {0}, sealed = {0};
    struct hash l[LEAVES], path[PROOF_MAX], path2[PROOF_MAX];
    ProtobufCBinaryData at[PROOF_MAX], at2[PROOF_MAX];
    Pb__BoxedDelivery boxed = PB__BOXED_DELIVERY__INIT, *at_boxed[] = {&boxed};
    Pb__Deliveries d = PB__DELIVERIES__INIT;
    note_of(p, s->size, s->odd, &note);
    d.checkpoint = (char *)note.p;
    d.has_from_size = 1;
    d.from_size = s->from;
    leaves(p, s->odd, l);
    d.n_consistency = borrow_path(s->from, s->size, l, path, at);
    d.consistency = at;
    if (s->quorum != NULL) {
        leaves(p, s->quorum_odd, l);
        d.cosigned = (char *)s->quorum->p;
        d.n_cosigned_consistency =
            borrow_path(s->quorum_size, s->size, l, path2, at2);
        d.cosigned_consistency = at2;
    }
    if (s->delivery) {
        box(p, &nonce, &sealed);
        boxed.has_nonce = boxed.has_box = 1;
        boxed.nonce = pb_borrow(buf_slice(&nonce));
        boxed.box = pb_borrow(buf_slice(&sealed));
        d.n_delivery = 1;
        d.delivery = at_boxed;
    }
    assert_int_equal(pack(&d.base, &b), ERR_OK);
    assert_int_equal(frame_send(p->lane[lane], &p->from[lane], VERB_DELIVERIES,
                                buf_slice(&b)),
                     ERR_OK);
    buf_fini(&note);
    buf_fini(&b);
    buf_fini(&nonce);
    buf_fini(&sealed);
}

static void send_witness(struct peer *p, struct slice body)
{
    struct buf b = {0};
    Pb__WitnessAsk m = PB__WITNESS_ASK__INIT;
    m.has_body = 1;
    m.body = pb_borrow(body);
    assert_int_equal(pack(&m.base, &b), ERR_OK);
    assert_int_equal(
        frame_send(p->lane[1], &p->from[1], VERB_WITNESS, buf_slice(&b)),
        ERR_OK);
    buf_fini(&b);
}

struct asking {
    size_t old, size, odd;
    size_t from; /* where the proof really starts; 0: at old */
    bool proof_odd;
    const char *origin;              /* NULL: ours */
    const struct node_keys *log_key; /* NULL: the log's */
};

/* Asks to cosign and waits for the answer. */
static void witness(struct peer *p, const struct asking *a)
{
    struct buf note = {0}, body = {0};
    struct hash l[LEAVES], path[PROOF_MAX];
    const struct node_keys *k = a->log_key != NULL ? a->log_key : &p->n.hub.log;
    struct checkpoint c = head_of(p, a->size, a->odd);
    size_t before = p->witnessed, n = 0;
    if (a->origin != NULL)
        snprintf(c.origin, sizeof(c.origin), "%s", a->origin);
    assert_int_equal(checkpoint_sign(&c, k->sign_secret, k->pub.sign, &note),
                     ERR_OK);
    leaves(p, a->proof_odd ? 0 : a->odd, l);
    if (a->old <= a->size)
        n = tree_consistency(a->from > 0 ? a->from : a->old, l, a->size, path);
    assert_int_equal(
        witness_ask_write(a->old, path, n, buf_slice(&note), &body), ERR_OK);
    send_witness(p, buf_slice(&body));
    UNTIL(p, p->witnessed == before + 1);
    buf_fini(&note);
    buf_fini(&body);
}

/* ---- what the node has ---- */

static struct witness_state state_of(struct peer *p)
{
    struct witness_state s;
    assert_int_equal(witness_read(p->s->host.state, ORIGIN, &s), ERR_OK);
    return s;
}

static uint64_t cosigned_size(struct peer *p)
{
    struct witness_state s = state_of(p);
    uint64_t size = s.cosigned.at.size;
    witness_state_fini(&s);
    return size;
}

static bool forked(struct peer *p)
{
    struct witness_state s = state_of(p);
    bool yes = s.forked_ms > 0;
    witness_state_fini(&s);
    assert_int_equal(yes, link_status(p->s->host.link).forked);
    return yes;
}

static bool find_file(const struct peer *p, const char *prefix, char path[512])
{
    char folder[128];
    bool found = false;
    snprintf(folder, sizeof(folder), "%s/spool", p->n.folder);
    DIR *d = opendir(folder);
    for (struct dirent *e; (e = readdir(d)) != NULL;)
        if (strncmp(e->d_name, prefix, strlen(prefix)) == 0) {
            snprintf(path, 512, "%s/%s", folder, e->d_name);
            found = true;
        }
    closedir(d);
    return found;
}

/* A section as any program would cut it out. */
static struct slice section(const struct buf *b, const char *name)
{
    char line[64];
    snprintf(line, sizeof(line), "---- %s ----\n", name);
    const uint8_t *at = memmem(b->p, b->n, line, strlen(line));
    assert_non_null(at);
    at += strlen(line);
    size_t left = b->n - (size_t)(at - b->p);
    const uint8_t *end = memmem(at, left, "---- ", 5);
    assert_non_null(end);
    return slice_of(at, (size_t)(end - at));
}

/* Both notes verify under the log's key and are these two sizes. */
static void evidence_is(const struct peer *p, const char *how, uint64_t before,
                        uint64_t now)
{
    char path[512], line[48];
    struct buf b = {0};
    struct checkpoint c;
    const uint8_t *key = p->n.hub.log.pub.sign;
    assert_true(find_file(p, "fork-evidence-", path));
    assert_int_equal(file_read(path, 65536, &b), ERR_OK);
    snprintf(line, sizeof(line), "\nhow %s\n", how);
    assert_non_null(strstr((char *)b.p, line));
    assert_int_equal(
        checkpoint_open(section(&b, "seen before"), ORIGIN, key, &c), ERR_OK);
    assert_int_equal(c.size, before);
    assert_int_equal(
        checkpoint_open(section(&b, "received now"), ORIGIN, key, &c), ERR_OK);
    assert_int_equal(c.size, now);
    buf_fini(&b);
}

static void reopen(struct peer *p)
{
    node_close(&p->s);
    usleep(20000);
    listen_once(p);
    p->fetches[0] = p->fetches[1] = 0;
    assert_int_equal(node_open(p->n.conf, NODE_ONLINE, stderr, &p->s), ERR_OK);
    UNTIL(p, p->fetches[0] > 0 && p->fetches[1] > 0);
}

/* Until nothing more is on its way. */
static void settle(struct peer *p)
{
    size_t before;
    do {
        uint64_t end = clock_boot_ms() + 100;
        before = p->fetches[0] + p->fetches[1];
        while (clock_boot_ms() < end)
            turns(p, 1);
    } while (before != p->fetches[0] + p->fetches[1]);
}

/* ---- fixture ---- */

static int set_up(void **state)
{
    setup(state);
    struct peer *p = *state;
    struct log *g = calloc(1, sizeof(*g));
    struct buf packed = {0};
    struct checkpoint head;
    p->own = g;
    p->on_ask = on_ask;
    hubside_delivery(&p->n.hub, HONEST, 0, &packed, &head);
    buf_fini(&packed);
    memcpy(g->leaf, p->n.hub.last.leaf, sizeof(p->n.hub.last.leaf));
    for (size_t i = 4; i < LEAVES; i++) {
        uint8_t b[2] = {(uint8_t)i, 7};
        g->leaf[i] = proof_leaf(slice_of(b, 2));
    }
    for (size_t i = 0; i < NELEM(g->w); i++)
        keys_make(&g->w[i], i == 0 ? "a" : i == 1 ? "b" : "c");
    UNTIL(p, p->fetches[0] > 0 && p->fetches[1] > 0);
    return 0;
}

static int tear_down(void **state)
{
    struct peer *p = *state;
    buf_fini(&log_of(p)->cosigned);
    free(p->own);
    return teardown(state);
}

/* ---- answers ---- */

static void status_is(const struct peer *p, const char *name, uint32_t status,
                      const char *body)
{
    if (p->status != status ||
        (body != NULL && strcmp(p->witness_body, body) != 0))
        fail_msg("%s: %u %s", name, p->status, p->witness_body);
}

static void a_head_is_cosigned_after_it_is_on_disk(void **state) /* W-179 */
{
    struct peer *p = *state;
    struct slice line;
    struct buf note = {0};
    struct vkey us = {.name = "tsukimi/n1", .type = VKEY_COSIGNER};
    uint64_t time_s;
    memcpy(us.key, p->n.hub.us.pub.witness, KEY_BYTES);
    witness(p, &(struct asking){.size = 3, .odd = NEVER});
    status_is(p, "first", 200, NULL);
    assert_int_equal(cosigned_size(p), 3);
    note_of(p, 3, NEVER, &note);
    assert_int_equal(cosignature_find(buf_slice(&note),
                                      slice_str(p->witness_body), &us, &line,
                                      &time_s),
                     ERR_OK);
    assert_true(time_s + 60 > clock_wall_ms() / 1000);
    witness(p, &(struct asking){.old = 3, .size = 9, .odd = NEVER});
    status_is(p, "it grew", 200, NULL);
    witness(p, &(struct asking){.old = 9, .size = 9, .odd = NEVER});
    status_is(p, "the same again", 200, NULL);
    assert_int_equal(cosigned_size(p), 9);
    struct link_status s = link_status(p->s->host.link);
    assert_int_equal(s.asked, 3);
    assert_int_equal(s.given, 3);
    buf_fini(&note);
}

/* A machine that cannot write does not sign. */
static void without_a_disk_nothing_is_cosigned(void **state)
{
    struct peer *p = *state;
    char path[128];
    enum err e = ERR_OK;
    snprintf(path, sizeof(path), "%s/node.key.witness.lock", p->n.folder);
    assert_int_equal(mkdir(path, 0700), 0);
    struct buf note = {0}, body = {0};
    note_of(p, 3, NEVER, &note);
    assert_int_equal(witness_ask_write(0, NULL, 0, buf_slice(&note), &body),
                     ERR_OK);
    send_witness(p, buf_slice(&body));
    for (int i = 0; i < 400 && e == ERR_OK; i++)
        e = node_turn(p->s, 5);
    assert_int_equal(e, ERR_STORE);
    for (int i = 0; i < 20; i++) {
        usleep(4000);
        listen_once(p);
    }
    assert_int_equal(p->witnessed, 0);
    buf_fini(&note);
    buf_fini(&body);
}

static void what_is_no_request_is_400(void **state)
{
    struct peer *p = *state;
    static const char *const BODIES[] = {"", "nonsense", "old 1\n",
                                         "old 01\n\nx\n", "old x\n\nnote\n"};
    for (size_t i = 0; i < NELEM(BODIES); i++) {
        size_t before = p->witnessed;
        send_witness(p, slice_str(BODIES[i]));
        UNTIL(p, p->witnessed == before + 1);
        status_is(p, BODIES[i], 400, "");
    }
    witness(p, &(struct asking){.old = 4, .size = 3, .odd = NEVER});
    status_is(p, "the old size is larger", 400, "");
    assert_int_equal(cosigned_size(p), 0);
}

static void refusals_that_change_nothing(void **state)
{
    struct peer *p = *state;
    struct buf note = {0};
    witness(p, &(struct asking){.size = 6, .odd = NEVER});
    status_is(p, "first", 200, NULL);
    const struct {
        const char *name;
        struct asking a;
        uint32_t status;
        const char *body;
        bool ours; /* our note comes with it */
    } CASES[] = {
        {"another log",
         {6, 8, NEVER, 0, false, "other.example.test/log", NULL},
         404,
         "",
         false},
        {"another key",
         {6, 8, NEVER, 0, false, NULL, &p->n.hub.sender},
         403,
         "",
         false},
        {"an old size that is not ours",
         {0, 8, NEVER, 0, false, NULL, NULL},
         409,
         "6\n",
         false},
        {"another old size",
         {5, 8, NEVER, 0, false, NULL, NULL},
         409,
         "6\n",
         false},
        {"less than we cosigned",
         {4, 5, NEVER, 0, false, NULL, NULL},
         409,
         "6\n",
         true},
        {"the hub forgot what we cosigned",
         {0, 5, NEVER, 0, false, NULL, NULL},
         409,
         "6\n",
         true},
    };
    note_of(p, 6, NEVER, &note);
    for (size_t i = 0; i < NELEM(CASES); i++) {
        witness(p, &CASES[i].a);
        status_is(p, CASES[i].name, CASES[i].status, CASES[i].body);
        assert_string_equal(p->witness_note,
                            CASES[i].ours ? (char *)note.p : "");
        assert_int_equal(cosigned_size(p), 6);
        assert_false(forked(p));
    }
    witness(p, &(struct asking){.old = 6, .size = 8, .odd = NEVER});
    status_is(p, "afterwards", 200, NULL);
    buf_fini(&note);
}

/* Two programs with one key: who comes second is told what is there. */
static void a_head_that_another_process_cosigned_is_respected(void **state)
{
    struct peer *p = *state;
    struct buf note = {0};
    struct checkpoint c = head_of(p, 8, NEVER);
    witness(p, &(struct asking){.size = 6, .odd = NEVER});
    note_of(p, 8, NEVER, &note);
    assert_int_equal(witness_advance(p->s->host.state, 6, &c, buf_slice(&note)),
                     ERR_OK);
    witness(p, &(struct asking){.old = 6, .size = 7, .odd = NEVER});
    status_is(p, "second", 409, "8\n");
    assert_string_equal(p->witness_note, (char *)note.p);
    assert_int_equal(cosigned_size(p), 8);
    witness(p, &(struct asking){.old = 8, .size = 9, .odd = NEVER});
    status_is(p, "from there", 200, NULL);
    buf_fini(&note);
}

/* ---- forks, by what was cosigned ---- */

static void another_root_of_the_size_cosigned_is_a_fork(void **state)
{
    struct peer *p = *state;
    struct buf note = {0};
    witness(p, &(struct asking){.size = 6, .odd = NEVER});
    witness(p, &(struct asking){.old = 6, .size = 6, .odd = 5});
    status_is(p, "same size", 409, "6\n");
    note_of(p, 6, NEVER, &note);
    assert_string_equal(p->witness_note, (char *)note.p);
    assert_true(forked(p));
    evidence_is(p, "same-size", 6, 6);
    buf_fini(&note);
}

static void a_proof_that_fails_is_a_fork(void **state) /* W-173 */
{
    struct peer *p = *state;
    struct buf note = {0};
    witness(p, &(struct asking){.size = 6, .odd = NEVER});
    witness(p, &(struct asking){.old = 6, .size = 9, .odd = 3});
    status_is(p, "inconsistent", 422, "");
    note_of(p, 6, NEVER, &note);
    assert_string_equal(p->witness_note, (char *)note.p);
    assert_true(forked(p));
    assert_int_equal(cosigned_size(p), 6);
    evidence_is(p, "no-proof", 6, 9);
    buf_fini(&note);
    /* and now nothing more, not even the truth, over a restart */
    witness(p, &(struct asking){.old = 6, .size = 9, .odd = NEVER});
    status_is(p, "forked", 422, "");
    node_close(&p->s);
    usleep(20000);
    listen_once(p);
    p->fetches[0] = p->fetches[1] = p->leases = 0;
    assert_int_equal(node_open(p->n.conf, NODE_ONLINE, stderr, &p->s), ERR_OK);
    UNTIL(p, p->leases > 0);
    witness(p, &(struct asking){.old = 6, .size = 9, .odd = NEVER});
    status_is(p, "forked still", 422, "");
    turns(p, 20);
    assert_int_equal(p->fetches[0] + p->fetches[1], 0);
    assert_int_equal(cosigned_size(p), 6);
}

/* ---- one history: delivered, then to be cosigned ---- */

static void what_contradicts_a_delivery_is_not_cosigned(void **state)
{
    struct peer *p = *state;
    struct buf note = {0};
    say(p, 0, &(struct saying){.size = 4, .odd = NEVER, .delivery = true});
    UNTIL(p, p->acks == 1);
    witness(p, &(struct asking){.size = 4, .odd = 2});
    status_is(p, "same size", 422, "");
    note_of(p, 4, NEVER, &note);
    assert_string_equal(p->witness_note, (char *)note.p);
    assert_int_equal(cosigned_size(p), 0);
    assert_true(forked(p));
    evidence_is(p, "same-size", 4, 4);
    buf_fini(&note);
}

static void
the_hub_must_prove_it_holds_what_it_delivered(void **state) /* W-179 */
{
    struct peer *p = *state;
    struct buf note = {0};
    say(p, 0, &(struct saying){.size = 4, .odd = NEVER, .delivery = true});
    UNTIL(p, p->acks == 1);
    witness(p, &(struct asking){.size = 9, .odd = 2});
    status_is(p, "no true proof exists", 422, "");
    assert_true(log_of(p)->proof_asks > 0);
    note_of(p, 4, NEVER, &note);
    assert_string_equal(p->witness_note, (char *)note.p);
    assert_int_equal(cosigned_size(p), 0);
    assert_true(forked(p));
    evidence_is(p, "no-proof", 4, 9);
    buf_fini(&note);
}

static void what_continues_a_delivery_is_cosigned(void **state)
{
    struct peer *p = *state;
    say(p, 0, &(struct saying){.size = 4, .odd = NEVER, .delivery = true});
    UNTIL(p, p->acks == 1);
    witness(p, &(struct asking){.size = 9, .odd = NEVER});
    status_is(p, "longer", 200, NULL);
    say(p, 0, &(struct saying){.size = 12, .odd = NEVER, .from = 4});
    UNTIL(p, p->seen_size == 12);
    witness(p, &(struct asking){.old = 9, .size = 11, .odd = NEVER});
    status_is(p, "shorter than what was delivered", 200, NULL);
    assert_false(forked(p));
}

static void while_the_hub_gives_no_proof_nothing_is_cosigned(void **state)
{
    struct peer *p = *state;
    log_of(p)->proofs = REFUSES;
    p->s->host.link->c.quorum_ms = 600;
    say(p, 0, &(struct saying){.size = 4, .odd = NEVER, .delivery = true});
    UNTIL(p, p->acks == 1);
    witness(p, &(struct asking){.size = 9, .odd = NEVER});
    status_is(p, "no answer", 422, "");
    assert_int_equal(cosigned_size(p), 0);
    assert_false(forked(p));
    log_of(p)->proofs = PROVES;
    witness(p, &(struct asking){.size = 9, .odd = NEVER});
    status_is(p, "with a proof", 200, NULL);
}

/* ---- one history: cosigned, then delivered; and the two lanes ---- */

static void a_delivery_of_another_log_than_the_cosigned(void **state)
{
    struct peer *p = *state;
    witness(p, &(struct asking){.size = 4, .odd = 1});
    status_is(p, "the fork is cosigned first", 200, NULL);
    say(p, 0, &(struct saying){.size = 4, .odd = NEVER, .delivery = true});
    UNTIL(p, forked(p));
    turns(p, 10);
    assert_int_equal(p->acks, 0);
    evidence_is(p, "same-size", 4, 4);
}

static void a_longer_delivery_of_another_log_than_the_cosigned(void **state)
{
    struct peer *p = *state;
    witness(p, &(struct asking){.size = 3, .odd = 1});
    status_is(p, "the fork is cosigned first", 200, NULL);
    p->s->host.link->joining.due_ms = 0;
    say(p, 0, &(struct saying){.size = 4, .odd = NEVER, .delivery = true});
    UNTIL(p, forked(p));
    evidence_is(p, "no-proof", 3, 4);
}

static void two_logs_on_two_lanes_are_found(void **state) /* W-173 */
{
    struct peer *p = *state;
    say(p, 0, &(struct saying){.size = 4, .odd = NEVER, .delivery = true});
    UNTIL(p, p->acks == 1);
    say(p, 1, &(struct saying){.size = 7, .odd = 1});
    UNTIL(p, forked(p));
    evidence_is(p, "no-proof", 4, 7);
}

static void without_a_join_the_normal_lane_stops_and_urgent_goes_on(
    void **state) /* W-177 */
{
    struct peer *p = *state;
    log_of(p)->proofs = REFUSES;
    p->s->host.link->c.quorum_ms = 300;
    say(p, 0, &(struct saying){.size = 3, .odd = NEVER});
    say(p, 1, &(struct saying){.size = 4, .odd = NEVER});
    UNTIL(p, link_status(p->s->host.link).apart);
    settle(p);
    size_t fetches = p->fetches[1];
    say(p, 1,
        &(struct saying){.size = 4, .odd = NEVER, .from = 4, .delivery = true});
    turns(p, 20);
    assert_int_equal(p->acks, 0);
    assert_int_equal(p->fetches[1], fetches);
    say(p, 0,
        &(struct saying){.size = 4, .odd = NEVER, .from = 3, .delivery = true});
    UNTIL(p, p->acks == 1);
    assert_false(forked(p));
    size_t leases = p->leases;
    log_of(p)->proofs = PROVES;
    UNTIL(p, !link_status(p->s->host.link).apart);
    UNTIL(p, p->leases > leases && p->fetches[1] > fetches);
}

/* ---- what survives ---- */

static void a_new_spool_begins_where_the_witness_stands(void **state)
{
    struct peer *p = *state;
    static const char *const FILES[] = {"spool.db", "spool.db-wal"};
    char path[128];
    witness(p, &(struct asking){.size = 6, .odd = NEVER});
    node_close(&p->s);
    for (size_t i = 0; i < NELEM(FILES); i++) {
        snprintf(path, sizeof(path), "%s/spool/%s", p->n.folder, FILES[i]);
        unlink(path);
    }
    usleep(20000);
    listen_once(p);
    p->fetches[0] = p->fetches[1] = 0;
    assert_int_equal(node_open(p->n.conf, NODE_ONLINE, stderr, &p->s), ERR_OK);
    UNTIL(p, p->fetches[0] > 0 && p->fetches[1] > 0);
    assert_int_equal(p->seen_size, 6);
    assert_int_equal(p->seen_normal, 6);
    say(p, 0, &(struct saying){.size = 8, .odd = 2, .from = 6});
    UNTIL(p, forked(p));
}

static void a_lane_continues_after_a_restart_where_it_was(void **state)
{
    struct peer *p = *state;
    say(p, 0, &(struct saying){.size = 4, .odd = NEVER, .delivery = true});
    say(p, 1, &(struct saying){.size = 7, .odd = NEVER});
    UNTIL(p, p->acks == 1 && p->seen_normal == 7);
    reopen(p);
    assert_int_equal(p->seen_size, 4);
    assert_int_equal(p->seen_normal, 7);
}

static void new_origin(struct peer *p)
{
    struct buf text = {0};
    char path[128];
    snprintf(path, sizeof(path), "%s/node.conf", p->n.folder);
    assert_int_equal(file_read(path, 4096, &text), ERR_OK);
    char *at_origin = strstr((char *)text.p, ORIGIN);
    struct buf changed = {0};
    size_t head = (size_t)(at_origin - (char *)text.p) + strlen(ORIGIN);
    buf_add(&changed, text.p, head);
    buf_adds(&changed, "/b");
    buf_add(&changed, text.p + head, text.n - head);
    assert_int_equal(file_replace(path, buf_slice(&changed), 0600), ERR_OK);
    buf_fini(&text);
    buf_fini(&changed);
}

/* Only the configuration brings a new origin; what its log lacks is kept. */
static void a_gap_of_a_new_epoch_is_kept_as_evidence(void **state)
{
    struct peer *p = *state;
    char path[512];
    struct buf note = {0}, b = {0};
    struct checkpoint c;
    Pb__Deliveries d = PB__DELIVERIES__INIT;
    say(p, 0, &(struct saying){.size = 4, .odd = NEVER, .delivery = true});
    UNTIL(p, p->acks == 1);
    node_close(&p->s);
    new_origin(p);
    usleep(20000);
    listen_once(p);
    p->fetches[0] = p->fetches[1] = 0;
    assert_int_equal(node_open(p->n.conf, NODE_ONLINE, stderr, &p->s), ERR_OK);
    UNTIL(p, p->fetches[0] > 0 && p->fetches[1] > 0);
    assert_int_equal(p->seen_size, 4);
    c = head_of(p, 3, NEVER); /* the last leaf is lost */
    snprintf(c.origin, sizeof(c.origin), "%s", ORIGIN "/b");
    assert_int_equal(checkpoint_sign(&c, p->n.hub.log.sign_secret,
                                     p->n.hub.log.pub.sign, &note),
                     ERR_OK);
    d.checkpoint = (char *)note.p;
    d.has_from_size = 1;
    assert_int_equal(pack(&d.base, &b), ERR_OK);
    assert_int_equal(
        frame_send(p->lane[0], &p->from[0], VERB_DELIVERIES, buf_slice(&b)),
        ERR_OK);
    UNTIL(p, find_file(p, "epoch-", path));
    UNTIL(p, p->seen_size == 3);
    assert_false(link_status(p->s->host.link).forked);
    buf_reset(&b);
    assert_int_equal(file_read(path, 65536, &b), ERR_OK);
    assert_int_equal(checkpoint_open(section(&b, "seen before"), ORIGIN,
                                     p->n.hub.log.pub.sign, &c),
                     ERR_OK);
    assert_int_equal(c.size, 4);
    buf_fini(&note);
    buf_fini(&b);
}

/* ---- the quorum ---- */

/* Two of three must have cosigned. */
static void demand(struct peer *p, const char *hours)
{
    struct log *g = log_of(p);
    struct buf t = {0}, conf = {0};
    char path[128];
    buf_adds(&t, "log ");
    checkpoint_vkey(ORIGIN, p->n.hub.log.pub.sign, &t);
    for (size_t i = 0; i < NELEM(g->w); i++) {
        struct vkey v = {.type = VKEY_COSIGNER};
        snprintf(v.name, sizeof(v.name), "%s", g->w[i].pub.node);
        memcpy(v.key, g->w[i].pub.witness, KEY_BYTES);
        buf_addf(&t, "\nwitness %s ", v.name);
        vkey_write(&v, &t);
    }
    buf_adds(&t, "\ngroup g 2 a b c\nquorum g\n");
    put_file(&p->n, "policy.tlog", (char *)t.p);
    snprintf(path, sizeof(path), "%s/node.conf", p->n.folder);
    assert_int_equal(file_read(path, 4096, &conf), ERR_OK);
    buf_reset(&t);
    char *at_hub = strstr((char *)conf.p, "hub = {") + strlen("hub = {");
    buf_add(&t, conf.p, (size_t)(at_hub - (char *)conf.p));
    buf_adds(&t, " witnesses = \"policy.tlog\";");
    if (hours != NULL) {
        put_file(&p->n, "hours.tsv", hours);
        buf_adds(&t, " witness_hours = \"hours.tsv\";");
    }
    buf_adds(&t, at_hub);
    assert_int_equal(file_replace(path, buf_slice(&t), 0600), ERR_OK);
    buf_fini(&t);
    buf_fini(&conf);
    reopen(p);
    p->s->host.link->c.quorum_ms = 800;
}

static void cosigned_by(struct peer *p, size_t size, size_t odd, size_t n,
                        struct buf *note)
{
    const struct log *g = log_of(p);
    struct buf head = {0};
    note_of(p, size, odd, &head);
    buf_add(note, head.p, head.n);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(cosignature_make(buf_slice(&head), g->w[i].pub.node,
                                          g->w[i].witness_secret,
                                          g->w[i].pub.witness,
                                          clock_wall_ms() / 1000, note),
                         ERR_OK);
    buf_fini(&head);
}

static enum link_quorum quorum_of(struct peer *p)
{
    return link_status(p->s->host.link).quorum;
}

static void without_a_policy_nothing_is_demanded(void **state)
{
    struct peer *p = *state;
    p->s->host.link->c.quorum_ms = 100;
    say(p, 1, &(struct saying){.size = 4, .odd = NEVER, .delivery = true});
    UNTIL(p, p->acks == 1);
    usleep(200000);
    turns(p, 10);
    assert_int_equal(quorum_of(p), QUORUM_UNASKED);
    assert_int_equal(log_of(p)->note_asks, 0);
}

static void
a_late_quorum_stops_the_normal_lane_and_not_the_urgent(void **state) /* W-178 */
{
    struct peer *p = *state;
    demand(p, NULL);
    assert_int_equal(quorum_of(p), QUORUM_COVERED);
    say(p, 1, &(struct saying){.size = 4, .odd = NEVER, .delivery = true});
    UNTIL(p, p->acks == 1);
    assert_int_equal(quorum_of(p), QUORUM_AWAITED);
    UNTIL(p, log_of(p)->note_asks > 0); /* it asks for one by itself */
    assert_int_equal(quorum_of(p), QUORUM_AWAITED);
    UNTIL(p, quorum_of(p) == QUORUM_LATE);
    say(p, 1, &(struct saying){.size = 5, .odd = NEVER, .from = 4});
    settle(p);
    size_t fetches = p->fetches[1];
    say(p, 1, &(struct saying){.size = 6, .odd = NEVER, .from = 5});
    turns(p, 20);
    assert_int_equal(p->fetches[1], fetches);
    size_t urgent = p->fetches[0];
    say(p, 0, &(struct saying){.size = 4, .odd = NEVER, .delivery = true});
    UNTIL(p, p->acks == 2 && p->fetches[0] > urgent);
    /* over a restart it is due anew, and stops anew */
    reopen(p);
    p->s->host.link->c.quorum_ms = 400;
    assert_int_equal(quorum_of(p), QUORUM_AWAITED);
    UNTIL(p, quorum_of(p) == QUORUM_LATE);
    cosigned_by(p, 9, NEVER, 2, &log_of(p)->cosigned);
    UNTIL(p, quorum_of(p) == QUORUM_COVERED);
    assert_int_equal(link_status(p->s->host.link).cosigned, 9);
    reopen(p);
    assert_int_equal(quorum_of(p), QUORUM_COVERED);
}

static void what_was_turned_away_is_fetched_when_the_quorum_comes(void **state)
{
    struct peer *p = *state;
    demand(p, NULL);
    p->s->host.link->c.quorum_ms = 200;
    say(p, 0, &(struct saying){.size = 4, .odd = NEVER, .delivery = true});
    UNTIL(p, quorum_of(p) == QUORUM_LATE);
    say(p, 1, &(struct saying){.size = 4, .odd = NEVER, .delivery = true});
    settle(p);
    assert_int_equal(p->acks, 1);
    size_t fetches = p->fetches[1], leases = p->leases;
    cosigned_by(p, 4, NEVER, 3, &log_of(p)->cosigned);
    /* on a new connection: the hub offers again what was not acknowledged */
    UNTIL(p, p->leases > leases && p->fetches[1] > fetches);
    say(p, 1,
        &(struct saying){.size = 4, .odd = NEVER, .from = 4, .delivery = true});
    UNTIL(p, p->acks == 2);
}

static const struct {
    const char *name;
    size_t signers, size, odd;
    bool covers, forks;
} BESIDE[] = {
    {"two of three cover", 2, 4, NEVER, true, false},
    {"a shorter head does not", 2, 3, NEVER, false, false},
    {"one is too few", 1, 4, NEVER, false, false},
    {"nobody is too few", 0, 4, NEVER, false, false},
    {"a quorum for another log of that size is a fork", 3, 4, 1, false, true},
    {"a quorum for another log is a fork", 3, 3, 1, false, true},
};

static void a_quorum_comes_beside_deliveries(void **state)
{
    struct peer *p = *state;
    demand(p, NULL);
    for (size_t i = 0; i < NELEM(BESIDE); i++) {
        struct buf note = {0};
        cosigned_by(p, BESIDE[i].size, BESIDE[i].odd, BESIDE[i].signers, &note);
        p->acks = 0;
        say(p, 1,
            &(struct saying){.size = 4,
                             .odd = NEVER,
                             .from = 0,
                             .delivery = true,
                             .quorum = &note,
                             .quorum_size = BESIDE[i].size,
                             .quorum_odd = BESIDE[i].odd});
        if (BESIDE[i].forks)
            UNTIL(p, forked(p));
        else
            UNTIL(p, p->acks == 1);
        if (!BESIDE[i].forks &&
            (quorum_of(p) == QUORUM_COVERED) != BESIDE[i].covers)
            fail_msg("%s", BESIDE[i].name);
        assert_int_equal(p->acks, !BESIDE[i].forks);
        buf_fini(&note);
        /* from the beginning */
        node_close(&p->s);
        static const char *const FILES[] = {
            "spool/spool.db", "spool/spool.db-wal", "node.key.witness"};
        for (size_t k = 0; k < NELEM(FILES); k++) {
            char path[128];
            snprintf(path, sizeof(path), "%s/%s", p->n.folder, FILES[k]);
            unlink(path);
        }
        usleep(20000);
        listen_once(p);
        p->fetches[0] = p->fetches[1] = 0;
        assert_int_equal(node_open(p->n.conf, NODE_ONLINE, stderr, &p->s),
                         ERR_OK);
        UNTIL(p, p->fetches[0] > 0 && p->fetches[1] > 0);
    }
}

static void a_quorum_asked_for_must_be_of_the_one_history(void **state)
{
    struct peer *p = *state;
    demand(p, NULL);
    cosigned_by(p, 9, 2, 3, &log_of(p)->cosigned);
    say(p, 1, &(struct saying){.size = 4, .odd = NEVER, .delivery = true});
    UNTIL(p, forked(p));
    evidence_is(p, "no-proof", 4, 9);
}

static void closed_witnesses_owe_nothing(void **state)
{
    struct peer *p = *state;
    demand(p, "witness\tdays\tfrom\tto\n"
              "*\tclosed\t2000-01-01\t2200-01-01\n");
    say(p, 1, &(struct saying){.size = 4, .odd = NEVER, .delivery = true});
    UNTIL(p, p->acks == 1);
    p->s->host.link->c.quorum_ms = 50;
    usleep(200000);
    turns(p, 20);
    assert_int_equal(quorum_of(p), QUORUM_CLOSED);
    size_t fetches = p->fetches[1];
    say(p, 1, &(struct saying){.size = 5, .odd = NEVER, .from = 4});
    UNTIL(p, p->fetches[1] > fetches);
}

/* ---- proofs that are kept ---- */

static void the_proof_of_a_delivery_is_kept(void **state)
{
    struct peer *p = *state;
    char id[ID_TEXT];
    struct id delivery;
    struct node_answer a;
    struct log_proof proof;
    struct checkpoint head;
    say(p, 1, &(struct saying){.size = 4, .odd = NEVER, .delivery = true});
    UNTIL(p, p->acks == 1);
    memcpy(delivery.b, p->n.hub.delivery_id, ID_BYTES);
    id_format(delivery, id);
    const struct node_arg arg = {"delivery_id", id};
    assert_int_equal(node_do(p->s, "proof", &arg, 1, &a), ERR_OK);
    assert_int_equal(log_proof_parse(slice_str(at(a.json, "proof")), &proof),
                     ERR_OK);
    assert_int_equal(log_proof_check(&proof, ORIGIN, p->n.hub.log.pub.sign,
                                     buf_slice(&proof.extra), &head),
                     ERR_OK);
    assert_int_equal(proof.index, LEAF_AT);
    log_proof_fini(&proof);
    node_answer_fini(&a);
    id_format(id_new(1), id);
    const struct node_arg none = {"event_id", id};
    assert_int_equal(node_do(p->s, "proof", &none, 1, &a), ERR_OK);
    assert_int_equal(a.code, ERR_NOT_FOUND);
    node_answer_fini(&a);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_head_is_cosigned_after_it_is_on_disk),
        CASE(without_a_disk_nothing_is_cosigned),
        CASE(what_is_no_request_is_400),
        CASE(refusals_that_change_nothing),
        CASE(a_head_that_another_process_cosigned_is_respected),
        CASE(another_root_of_the_size_cosigned_is_a_fork),
        CASE(a_proof_that_fails_is_a_fork),
        CASE(what_contradicts_a_delivery_is_not_cosigned),
        CASE(the_hub_must_prove_it_holds_what_it_delivered),
        CASE(what_continues_a_delivery_is_cosigned),
        CASE(while_the_hub_gives_no_proof_nothing_is_cosigned),
        CASE(a_delivery_of_another_log_than_the_cosigned),
        CASE(a_longer_delivery_of_another_log_than_the_cosigned),
        CASE(two_logs_on_two_lanes_are_found),
        CASE(without_a_join_the_normal_lane_stops_and_urgent_goes_on),
        CASE(a_new_spool_begins_where_the_witness_stands),
        CASE(a_lane_continues_after_a_restart_where_it_was),
        CASE(a_gap_of_a_new_epoch_is_kept_as_evidence),
        CASE(without_a_policy_nothing_is_demanded),
        CASE(a_late_quorum_stops_the_normal_lane_and_not_the_urgent),
        CASE(what_was_turned_away_is_fetched_when_the_quorum_comes),
        CASE(a_quorum_comes_beside_deliveries),
        CASE(a_quorum_asked_for_must_be_of_the_one_history),
        CASE(closed_witnesses_owe_nothing),
        CASE(the_proof_of_a_delivery_is_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
