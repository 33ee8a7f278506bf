/* property_test.c - random interleavings of giving, withdrawing, sending,
 * fetching, acknowledging and reconnecting; then the log is read from its
 * beginning, as an auditor would:
 *
 *   I-3  no RELEASE cites a consent that was withdrawn before it
 *   I-4  what a RELEASE lets go is within the DECISION it cites, and what was
 *        delivered is within the RELEASE (region.h)
 *   every DELIVERED follows its RELEASE; every RELEASE its DECISION
 *   the head that is signed is the head of these very leaves */
#include "tests/unit/hub/app/region.h"

#define P1 "WO-4931000014"
#define N1 "WO-4911000018" /* never named in a consent */
#define STEPS 2000
#define REFS 64
#define PEOPLE 3

static uint32_t next_random(uint32_t *x)
{
    *x ^= *x << 13;
    *x ^= *x >> 17;
    *x ^= *x << 5;
    return *x;
}

struct play {
    struct region *r;
    struct client *h1, *p1;
    uint32_t seed;
    unsigned given; /* consents so far */
    unsigned events;
};

static void name(char out[32], const char *what, unsigned n)
{
    snprintf(out, 32, "%s %u", what, n);
}

static void play_give(struct play *p, unsigned who)
{
    char person[32], ref[32];
    name(person, "person", who);
    name(ref, "ref", ++p->given);
    assert_string_equal(give(p->h1, person, ref, P1, "P_TRA"), "");
}

static void play_withdraw(struct play *p, unsigned who)
{
    char person[32], ref[32];
    name(person, "person", who);
    name(ref, "ref", p->given == 0 ? 0 : 1 + next_random(&p->seed) % p->given);
    const char *got =
        withdraw(p->h1, person, next_random(&p->seed) % 4 == 0 ? NULL : ref);
    assert_true(got[0] == '\0' || strcmp(got, "E-NF-001") == 0);
}

static void play_send(struct play *p, unsigned who)
{
    char person[32], admission[32];
    name(person, "person", who);
    name(admission, "admission", who);
    struct sent s;
    sent(&s, p->h1, "ADMISSION_RECORDED", NULL, person, admission);
    sent_to(&s, P1, "P_TRA");
    sent_to(&s, N1, "P_TRA");
    p->events++;
    assert_string_equal(post(p->h1, &s), "");
}

static void play_fetch(struct play *p)
{
    uint32_t credit = 1 + next_random(&p->seed) % 3;
    client_fetch(p->p1, LANE_NORMAL, credit);
    client_fetch(p->p1, LANE_URGENT, credit);
    client_sync(p->p1, LANE_NORMAL);
    client_sync(p->p1, LANE_URGENT);
}

/* One of the last few, so that most are still waiting for it. */
static void play_ack(struct play *p)
{
    size_t n = p->p1->got_n, back = next_random(&p->seed) % 6;
    if (n > back)
        client_ack(p->p1, &p->p1->got[n - 1 - back]);
}

static void play_reconnect(struct play *p)
{
    client_close(p->p1);
    client(p->r, "p1");
}

static void play_step(struct play *p)
{
    unsigned who = next_random(&p->seed) % PEOPLE;
    switch (next_random(&p->seed) % 16) {
    case 0:
    case 1:
    case 2:
        play_give(p, who);
        break;
    case 3:
    case 4:
        play_withdraw(p, who);
        break;
    case 5:
    case 6:
    case 7:
    case 8:
        play_send(p, who);
        break;
    case 9:
        play_reconnect(p);
        break;
    case 10:
    case 11:
        play_ack(p);
        break;
    default:
        play_fetch(p);
    }
}

/* ---- the auditor ---- */

struct audit {
    Pb__AuditLeaf **leaf;
    uint64_t size;
    size_t releases, withheld, delivered;
};

static const Pb__AuditLeaf *cited(const struct audit *a, uint64_t at,
                                  Pb__LeafKind kind)
{
    const Pb__AuditLeaf *l = a->leaf[at];
    for (size_t i = 0; i < l->n_ref; i++)
        if (l->ref[i] < at && a->leaf[l->ref[i]]->kind == kind)
            return a->leaf[l->ref[i]];
    return NULL;
}

/* Withdrawn before `at`: by its number, or with all of that person's. */
static bool withdrawn(const struct audit *a, uint64_t at,
                      ProtobufCBinaryData ref)
{
    const Pb__AuditLeaf *grant = NULL;
    for (uint64_t i = 0; i < at; i++) {
        const Pb__AuditLeaf *l = a->leaf[i];
        bool names = l->n_consent > 0 &&
                     slice_eq(pb_slice(l->consent[0]), pb_slice(ref));
        if (l->kind == PB__LEAF_KIND__CONSENT_GRANT && names)
            grant = l;
        if (l->kind != PB__LEAF_KIND__CONSENT_REVOKE || grant == NULL)
            continue;
        if (names ||
            (l->n_consent == 0 && slice_eq(pb_slice(l->subject_handle),
                                           pb_slice(grant->subject_handle))))
            return true;
    }
    assert_non_null(grant); /* relied on what was given */
    return false;
}

static void audit_release(struct audit *a, uint64_t at)
{
    const Pb__AuditLeaf *l = a->leaf[at];
    const Pb__AuditLeaf *d = cited(a, at, PB__LEAF_KIND__DECISION);
    assert_non_null(d);
    assert_memory_equal(d->event_id.data, l->event_id.data, ID_BYTES);
    assert_string_equal(d->peer, l->peer);
    assert_int_equal(l->released & ~d->released, 0); /* I-4 */
    assert_int_equal(l->released & l->withheld, 0);
    assert_string_not_equal(l->peer, N1);
    if (l->type == 1001)
        assert_true(l->n_consent > 0);
    for (size_t i = 0; i < l->n_consent; i++)
        assert_false(withdrawn(a, at, l->consent[i])); /* I-3 */
    a->releases++;
}

static enum err keep_nothing(void *ctx, unsigned level, uint64_t n,
                             const struct hash tile[TILE_WIDTH])
{
    (void)ctx, (void)level, (void)n, (void)tile;
    return ERR_OK;
}

static struct hash hash_at(struct region *r, uint64_t index)
{
    struct buf b = {0};
    assert_int_equal(store_leaf_get(r->hub->store, index, &b), ERR_OK);
    struct hash h = proof_leaf(buf_slice(&b));
    buf_fini(&b);
    return h;
}

/* Inclusion of some leaf, and consistency with some older head. */
static void audit_proofs(struct region *r, const struct merkle *m,
                         struct hash root, uint64_t some,
                         const struct checkpoint *older)
{
    struct hash path[PROOF_MAX];
    size_t n;
    assert_int_equal(
        merkle_inclusion(m, some, m->size, store_tile, r->hub->store, path, &n),
        ERR_OK);
    assert_int_equal(
        proof_check_inclusion(some, m->size, hash_at(r, some), path, n, root),
        ERR_OK);
    assert_int_equal(merkle_consistency(m, older->size, m->size, store_tile,
                                        r->hub->store, path, &n),
                     ERR_OK);
    assert_int_equal(proof_check_consistency(older->size, older->root, m->size,
                                             root, path, n),
                     ERR_OK);
}

/* The signed head is that of these leaves (W-175). */
static void audit_head(struct region *r, uint64_t size,
                       const struct checkpoint *older)
{
    struct merkle *m = calloc(1, sizeof(*m));
    struct checkpoint head;
    merkle_init(m);
    for (uint64_t i = 0; i < size; i++)
        assert_int_equal(merkle_append(m, hash_at(r, i), keep_nothing, NULL),
                         ERR_OK);
    assert_int_equal(checkpoint_open(buf_slice(&r->hub->note), ORIGIN,
                                     r->hub->log_keys.pub.sign, &head),
                     ERR_OK);
    assert_int_equal(head.size, size);
    struct hash root = merkle_root(m);
    assert_memory_equal(head.root.b, root.b, HASH_BYTES);
    for (uint64_t i = 0; i < size; i += 1 + size / 50)
        audit_proofs(r, store_merkle(r->hub->store), root, i, older);
    free(m);
}

static void audit_leaf(struct audit *a, uint64_t at)
{
    const Pb__AuditLeaf *l = a->leaf[at];
    assert_int_equal(l->index, at);
    assert_true(at == 0 || l->time_ms >= a->leaf[at - 1]->time_ms);
    a->withheld += l->kind == PB__LEAF_KIND__WITHHELD;
    if (l->kind == PB__LEAF_KIND__RELEASE)
        audit_release(a, at);
    if (l->kind != PB__LEAF_KIND__DELIVERED)
        return;
    a->delivered++;
    const Pb__AuditLeaf *of = cited(a, at, PB__LEAF_KIND__RELEASE);
    assert_non_null(of);
    assert_memory_equal(of->event_id.data, l->event_id.data, ID_BYTES);
    assert_string_equal(of->node, l->node);
}

static void audit_all(struct play *p, const struct checkpoint *older)
{
    struct region *r = p->r;
    struct audit a = {.size = store_log_size(r->hub->store)};
    a.leaf = calloc(a.size, sizeof(*a.leaf));
    for (uint64_t i = 0; i < a.size; i++)
        a.leaf[i] = leaf_at(r, i);
    for (uint64_t i = 0; i < a.size; i++)
        audit_leaf(&a, i);
    audit_head(r, a.size, older);
    /* the play was worth watching */
    if (a.releases <= 100 || a.withheld <= 20 || a.delivered <= 20)
        fail_msg("releases %zu withheld %zu delivered %zu", a.releases,
                 a.withheld, a.delivered);
    for (uint64_t i = 0; i < a.size; i++)
        pb__audit_leaf__free_unpacked(a.leaf[i], NULL);
    free(a.leaf);
}

static void every_interleaving_keeps_its_promises(void **state)
{
    struct region *r = *state;
    const char *seed = getenv("TSUNAGI_SEED");
    struct play p = {.r = r, .seed = 20260401};
    struct checkpoint older;
    if (seed != NULL)
        p.seed = (uint32_t)strtoul(seed, NULL, 10) | 1;
    p.h1 = client(r, "h1");
    p.p1 = client(r, "p1");
    int steps = getenv("TSUNAGI_VALGRIND") != NULL ? STEPS / 4 : STEPS;
    for (int i = 0; i < steps; i++) {
        play_step(&p);
        if (i == steps / 3)
            assert_int_equal(checkpoint_open(buf_slice(&r->hub->note), ORIGIN,
                                             r->hub->log_keys.pub.sign, &older),
                             ERR_OK);
    }
    assert_int_equal(r->hub->broken, ERR_OK);
    audit_all(&p, &older);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        REGION_TEST(every_interleaving_keeps_its_promises),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
