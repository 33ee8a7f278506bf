/* flip_test.c - a bit that flips in memory never ends in a signed head over
 * something that is not the log.
 *
 * The real store and the real signer take turns as the hub does (store_leaf,
 * store_commit, head_sign). In each trial one bit flips somewhere: in the
 * signer's frontier, in the buffer of leaves that wait for the commit, in the
 * hash kept with one of them, in the open tiles of the tree, in the pages of
 * the database. Then it goes on for some turns. What was signed is held
 * against the leaves as they were when they were packed, by a third reckoning
 * that is nothing but RFC 6962, and against what the rows hold then.
 *
 * The same trials without the comparison: how often one of the two reckonings
 * alone would have been signed and wrong. It must be often, else the bits
 * fell beside. */
#include "hub/app/hub.h"
#include "hub/app/signer.c" /* the frontier is nobody's business elsewhere */
#include "hub/store/internal.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define ORIGIN "flip.invalid/log"
#define TRIALS 1000
#define TURNS_BEFORE 4
#define TURNS_AFTER 5
#define LEAVES_MAX 6 /* of a turn */
#define TRUTH_MAX 1024
#define PAGES 400
#define PAGE_BYTES 4368 /* of 4096 with what SQLite keeps beside them */

enum where {
    IN_FRONTIER,
    IN_PENDING,      /* a leaf that waits, before its row is written */
    IN_PENDING_HASH, /* and what it is compared with */
    IN_TREE,
    IN_PAGE, /* a row in the page cache, between INSERT and COMMIT */
    WHERE_COUNT
};
static const char *const NAMES[WHERE_COUNT] = {
    "frontier", "leaf buffer", "leaf hash", "open tiles", "page of the row"};

static uint8_t page_cache[PAGES][PAGE_BYTES] __attribute__((aligned(8)));

struct trial {
    struct store *store;
    struct signer *signer;
    struct hash truth[TRUTH_MAX]; /* of each leaf as it was packed */
    size_t n;                     /* of them committed */
    uint64_t rng;
    enum where where;
    struct buf last; /* a copy of the leaf packed last */
    bool armed;
    uint64_t frontier_wrong, tree_wrong; /* would have been signed */
    bool lied, stopped, moved;
};

static uint64_t dice(struct trial *t, uint64_t sides)
{
    t->rng ^= t->rng << 13;
    t->rng ^= t->rng >> 7;
    t->rng ^= t->rng << 17;
    return (t->rng >> 11) % sides;
}

static void flip_bit(struct trial *t, void *p, size_t n)
{
    uint64_t bit = dice(t, 8 * (uint64_t)n);
    ((uint8_t *)p)[bit / 8] ^= (uint8_t)(1u << bit % 8);
    t->moved = true;
}

/* RFC 6962 2.1, as it is written there. */
static struct hash naive(const struct hash *leaf, size_t n)
{
    struct hash h;
    if (n == 0) {
        sha256(SLICE_NONE, h.b);
        return h;
    }
    size_t k = 1;
    while (k * 2 < n)
        k *= 2;
    return n == 1 ? leaf[0]
                  : proof_node(naive(leaf, k), naive(leaf + k, n - k));
}

static bool same(struct hash a, struct hash b)
{
    return memcmp(a.b, b.b, HASH_BYTES) == 0;
}

/* ---- where it strikes ---- */

static void strike_frontier(struct trial *t)
{
    struct signer *s = t->signer;
    unsigned k = (unsigned)dice(t, 64 - (unsigned)__builtin_clzll(s->size));
    flip_bit(t, s->frontier[k].b, HASH_BYTES);
}

/* Any hash or fold of an open tile that is written already. */
static void strike_tree(struct trial *t)
{
    struct merkle *m = &t->store->tree;
    unsigned level = m->size >= TILE_WIDTH && dice(t, 3) == 0;
    size_t used = (m->size >> 8 * level) % TILE_WIDTH, i = 0;
    for (unsigned bits = 0; bits < 9 && used > 0; bits++, used /= 2)
        if (dice(t, 3) == 0 || used == 1) {
            size_t row = 2 * TILE_WIDTH - ((size_t)2 * TILE_WIDTH >> bits);
            i = row + dice(t, used);
            break;
        }
    flip_bit(t, m->open[level][i].b, HASH_BYTES);
}

/* Where in the page cache the leaf packed last lies. */
static void strike_page(struct trial *t)
{
    uint8_t *p = page_cache[0], *end = p + sizeof(page_cache);
    while ((p = memmem(p, (size_t)(end - p), t->last.p, t->last.n)) != NULL) {
        flip_bit(t, p, t->last.n);
        p += t->last.n;
    }
}

static void strike(struct trial *t)
{
    struct leaves *l = &t->store->pending;
    if (t->where == IN_FRONTIER)
        strike_frontier(t);
    else if (t->where == IN_TREE)
        strike_tree(t);
    else if (t->where == IN_PENDING)
        flip_bit(t, l->bytes.p, l->bytes.n);
    else if (t->where == IN_PENDING_HASH)
        flip_bit(t, l->hash[dice(t, l->n)].b, HASH_BYTES);
}

static int before_commit(void *ctx)
{
    struct trial *t = ctx;
    if (t->armed && t->where == IN_PAGE)
        strike_page(t);
    return 0;
}

/* ---- a turn ---- */

static void add_leaf(struct trial *t, size_t at)
{
    static char text[] = "flip";
    Pb__AuditLeaf leaf = PB__AUDIT_LEAF__INIT;
    uint64_t index;
    leaf.has_kind = 1;
    leaf.kind = PB__LEAF_KIND__ADMIN;
    leaf.reason = text;
    assert_int_equal(store_leaf(t->store, &leaf, &index), ERR_OK);
    const struct leaves *l = &t->store->pending;
    size_t start = l->n > 1 ? l->end[l->n - 2] : 0;
    buf_reset(&t->last);
    buf_add(&t->last, l->bytes.p + start, l->end[l->n - 1] - start);
    t->truth[at] = proof_leaf(buf_slice(&t->last));
}

static bool rows_are_true(struct trial *t)
{
    struct buf row = {0};
    bool ok = true;
    for (size_t i = 0; i < t->n && ok; i++) {
        buf_reset(&row);
        ok = store_leaf_get(t->store, i, &row) == ERR_OK &&
             same(proof_leaf(buf_slice(&row)), t->truth[i]);
    }
    buf_fini(&row);
    return ok;
}

/* A note was signed: it must be over the truth. */
static void judge(struct trial *t, const struct buf *note)
{
    struct checkpoint c;
    assert_int_equal(
        checkpoint_open(buf_slice(note), ORIGIN, t->signer->keys->pub.sign, &c),
        ERR_OK);
    if (c.size != t->n || !same(c.root, naive(t->truth, t->n)) ||
        !rows_are_true(t))
        t->lied = true;
}

/* What each reckoning would have had signed for itself. */
static void count_without_comparison(struct trial *t)
{
    struct hash want = naive(t->truth, t->n);
    t->frontier_wrong +=
        t->signer->size != t->n || !same(signer_root(t->signer), want);
    t->tree_wrong += t->store->tree.size != t->n ||
                     !same(merkle_root(&t->store->tree), want);
}

/* As turn.c does it. False: the hub stops here. */
static bool take_turn(struct trial *t, size_t more, bool struck)
{
    struct buf note = {0};
    assert_int_equal(store_begin(t->store), ERR_OK);
    for (size_t i = 0; i < more; i++)
        add_leaf(t, t->n + i);
    t->armed = struck;
    if (struck)
        strike(t);
    enum err e = store_commit(t->store);
    t->armed = false;
    if (e != ERR_OK)
        return false; /* nothing was committed, nothing is signed */
    t->n += more;
    e = head_sign(t->store, t->signer, &note);
    count_without_comparison(t);
    if (e == ERR_OK)
        judge(t, &note);
    else
        assert_int_equal(note.n, 0);
    buf_fini(&note);
    return e == ERR_OK;
}

/* ---- trials ---- */

struct place {
    char dir[64], data[80], anchor[80], ring[80], kek[80], state[80];
    struct node_keys keys;
};

static void clean(const struct place *p)
{
    char line[128];
    snprintf(line, sizeof(line), "rm -rf %s", p->dir);
    assert_int_equal(system(line), 0);
}

static void make_place(struct place *p)
{
    /* thousands of syncs that nobody needs here */
    snprintf(p->dir, sizeof(p->dir), "%s/tsunagi-flip-XXXXXX",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    assert_non_null(mkdtemp(p->dir));
    snprintf(p->data, sizeof(p->data), "%s/data", p->dir);
    snprintf(p->anchor, sizeof(p->anchor), "%s/anchor", p->dir);
    snprintf(p->ring, sizeof(p->ring), "%s/ring", p->dir);
    snprintf(p->kek, sizeof(p->kek), "%s/kek", p->dir);
    snprintf(p->state, sizeof(p->state), "%s/signer", p->dir);
    keys_make(&p->keys, "log");
    assert_int_equal(mkdir(p->data, 0700), 0);
}

static void open_both(struct trial *t, struct place *p)
{
    struct store_config c = {.dir = p->data,
                             .anchor_path = p->anchor,
                             .keyring_dir = p->ring,
                             .kek_dir = p->kek};
    struct buf why = {0};
    assert_int_equal(store_open(&c, &t->store, &why), ERR_OK);
    assert_int_equal(signer_open(ORIGIN, &p->keys, p->state, &t->signer),
                     ERR_OK);
    sqlite3_commit_hook(t->store->db, before_commit, t);
    buf_fini(&why);
}

static size_t few(struct trial *t)
{
    return 1 + dice(t, LEAVES_MAX);
}

/* One flip at a random moment of a short life. */
static void run_trial(struct trial *t, struct place *p, size_t i)
{
    bool up = true;
    *t = (struct trial){.rng = 88172645463325252u + i * 2654435761u,
                        .where = (enum where)(i % WHERE_COUNT)};
    make_place(p);
    open_both(t, p);
    for (uint64_t n = dice(t, TURNS_BEFORE) + 1; n > 0 && up; n--)
        up = take_turn(t, few(t), false);
    if (dice(t, 4) == 0) /* near the end of a tile, where it is kept */
        up = take_turn(t, (1 + dice(t, 3)) * TILE_WIDTH - 12 - t->n, false);
    assert_true(up);
    up = take_turn(t, few(t), true);
    for (int n = 0; n < TURNS_AFTER && up; n++)
        up = take_turn(t, few(t), false);
    t->stopped = !up;
    t->store->broken = true; /* leave as it fell */
    t->signer->signed_size = 0;
    store_close(&t->store);
    signer_close(&t->signer);
    buf_fini(&t->last);
    clean(p);
}

struct sum {
    size_t trials, stopped, wrong_alone;
};

static void no_flipped_bit_is_ever_signed(void **state) /* I-15 */
{
    static struct trial t;
    struct place p;
    struct sum sum[WHERE_COUNT] = {{0}};
    size_t wrong = 0;
    /* valgrind looks at memory, not at bits */
    size_t trials = getenv("TSUNAGI_VALGRIND") != NULL ? TRIALS / 20 : TRIALS;
    (void)state;
    for (size_t i = 0; i < trials; i++) {
        run_trial(&t, &p, i);
        if (!t.moved)
            fail_msg("trial %zu: nothing was struck in the %s", i,
                     NAMES[t.where]);
        if (t.lied)
            fail_msg("trial %zu: a wrong head was signed (%s)", i,
                     NAMES[t.where]);
        struct sum *s = &sum[t.where];
        s->trials++;
        s->stopped += t.stopped;
        s->wrong_alone += t.frontier_wrong > 0 || t.tree_wrong > 0;
        wrong += t.frontier_wrong > 0 || t.tree_wrong > 0;
    }
    for (int w = 0; w < WHERE_COUNT; w++)
        print_message("%-16s %zu flips: %zu stopped the hub, the others fell "
                      "where nothing is looked at again; %zu were past the "
                      "commit and in a reckoning\n",
                      NAMES[w], sum[w].trials, sum[w].stopped,
                      sum[w].wrong_alone);
    assert_true(wrong > trials / 4); /* the comparison had work */
    assert_int_equal(sum[IN_PENDING].stopped, sum[IN_PENDING].trials);
    assert_int_equal(sum[IN_PENDING_HASH].stopped, sum[IN_PENDING_HASH].trials);
    assert_int_equal(sum[IN_PAGE].stopped, sum[IN_PAGE].trials);
}

static void spoil_tile(const struct place *p)
{
    char path[128];
    sqlite3 *db = NULL;
    snprintf(path, sizeof(path), "%s/hub.db", p->data);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db,
                                  "UPDATE log_tile SET hashes = zeroblob(8192) "
                                  "WHERE level = 1",
                                  NULL, NULL, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_changes(db), 1);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

/* Tiles of level 1 are far older than the leaves that are hashed again. */
static void a_spoilt_tile_of_tiles_stops_the_start(void **state)
{
    static struct trial t;
    struct place p;
    struct buf note = {0}, why = {0};
    (void)state;
    memset(&t, 0, sizeof(t));
    make_place(&p);
    open_both(&t, &p);
    assert_int_equal(store_begin(t.store), ERR_OK);
    for (size_t i = 0; i < TILE_WIDTH * TILE_WIDTH + 7; i++)
        add_leaf(&t, i % TRUTH_MAX);
    assert_int_equal(store_commit(t.store), ERR_OK);
    assert_int_equal(head_sign(t.store, t.signer, &note), ERR_OK);
    signer_close(&t.signer);
    store_close(&t.store);
    spoil_tile(&p);
    open_both(&t, &p); /* the store has no note to hold it against */
    assert_int_equal(head_check(t.store, t.signer, &why), ERR_ROLLBACK);
    assert_true(why.n > 0);
    signer_close(&t.signer);
    store_close(&t.store);
    buf_fini(&t.last);
    buf_fini(&note);
    buf_fini(&why);
    clean(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_flipped_bit_is_ever_signed),
        cmocka_unit_test(a_spoilt_tile_of_tiles_stops_the_start),
    };
    log_open("test", 0); /* it complains a thousand times */
    assert(sign_init() == ERR_OK);
    /* pages where the test can find them */
    assert(sqlite3_config(SQLITE_CONFIG_PAGECACHE, page_cache, PAGE_BYTES,
                          PAGES) == SQLITE_OK);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
