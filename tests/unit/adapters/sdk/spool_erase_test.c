/* spool_erase_test.c - what an order to forget takes from a spool, row by row,
 * and what it leaves. */
#include "adapters/sdk/run.h"
#include "adapters/sdk/spool_db.h"
#include "tests/unit/adapters/sdk/nodeside.h"

#define T0 1775000000000ull /* when the order was given */
static const struct id HANAKO = {{7, 7, 7}}, HER_CASE = {{9, 9}};
static const struct id TARO = {{8, 8, 8}};
static const struct id TOKENS[] = {{{7, 7, 7}}, {{9, 9}}};
#define CONTENT "架空花子 クライシスプラン"

struct place {
    char folder[64];
    uint8_t secret[KEY_BYTES];
    struct spool *s;
};

static int begin(void **state)
{
    struct place *p = calloc(1, sizeof(*p));
    assert_int_equal(sign_init(), ERR_OK);
    memcpy(p->folder, "/tmp/tsunagi-forget-XXXXXX", 27);
    assert_non_null(mkdtemp(p->folder));
    assert_int_equal(spool_open(p->folder, p->secret, &p->s), ERR_OK);
    *state = p;
    return 0;
}

static int end(void **state)
{
    struct place *p = *state;
    spool_close(&p->s);
    nftw(p->folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    free(p);
    return 0;
}

static struct id sent(struct place *p, const struct id *who, uint64_t when,
                      uint32_t type, const char *source)
{
    struct spool_event e = {.event_id = id_random(),
                            .lane = LANE_NORMAL,
                            .created_ms = when,
                            .type = type,
                            .person = who != NULL ? who->b : NULL,
                            .source = source,
                            .event = slice_str(CONTENT)};
    assert_int_equal(spool_next_seq(p->s, LANE_NORMAL, &e.node_seq), ERR_OK);
    assert_int_equal(spool_put(p->s, &e), ERR_OK);
    assert_int_equal(
        spool_keep_proof(p->s, e.event_id, e.person, slice_str("proof")),
        ERR_OK);
    return e.event_id;
}

static struct id got(struct place *p, const struct id *who,
                     const struct id *its, uint64_t when)
{
    struct spool_delivery d = {.delivery_id = id_random(),
                               .lane = LANE_NORMAL,
                               .person = who != NULL ? who->b : NULL,
                               .case_token = its != NULL ? its->b : NULL,
                               .released_ms = when,
                               .delivery = slice_str(CONTENT),
                               .consent = &TARO,
                               .consents = 1};
    bool fresh;
    assert_int_equal(spool_take(p->s, &d, when, &fresh), ERR_OK);
    assert_int_equal(
        spool_keep_proof(p->s, d.delivery_id, d.person, slice_str("proof")),
        ERR_OK);
    return d.delivery_id;
}

static struct spool_forget order(uint8_t number)
{
    return (struct spool_forget){.order = {{number}},
                                 .leaf = 5,
                                 .before_ms = T0,
                                 .token = TOKENS,
                                 .tokens = NELEM(TOKENS)};
}

static struct spool_forgotten forget(struct place *p)
{
    struct spool_forgotten out;
    const struct spool_forget f = order(1);
    assert_int_equal(spool_forget(p->s, &f, T0 + 5, &out), ERR_OK);
    return out;
}

static bool has_proof(struct place *p, struct id id)
{
    struct buf b = {0};
    enum err e = spool_proof(p->s, id, &b);
    bool there = e == ERR_OK && slice_eq(buf_slice(&b), slice_str("proof"));
    buf_fini(&b);
    return there;
}

static bool sent_is_there(struct place *p, struct id id)
{
    struct spool_out o;
    assert_int_equal(spool_out_get(p->s, id, &o), ERR_OK);
    bool there = slice_eq(buf_slice(&o.event), slice_str(CONTENT));
    assert_int_equal(there, has_proof(p, id));
    spool_out_fini(&o);
    return there;
}

static bool got_is_there(struct place *p, struct id id)
{
    struct spool_in d;
    assert_int_equal(spool_in_get(p->s, id, &d), ERR_OK);
    bool there = slice_eq(buf_slice(&d.delivery), slice_str(CONTENT));
    assert_int_equal(there, has_proof(p, id));
    spool_in_fini(&d);
    return there;
}

/* ---- what goes, what stays ---- */

static void a_consent_without_end_goes_too(void **state)
{
    struct place *p = *state;
    struct id consent = sent(p, &HANAKO, T0 - 99, 1201, NULL);
    struct id other = sent(p, &TARO, T0 - 99, 1201, NULL);
    forget(p);
    assert_false(sent_is_there(p, consent));
    assert_true(sent_is_there(p, other));
}

static void a_delivery_of_the_case_alone_goes(void **state)
{
    struct place *p = *state;
    struct id by_case = got(p, NULL, &HER_CASE, T0 - 1);
    struct id by_both = got(p, &HANAKO, &HER_CASE, T0 - 1);
    struct id nobody = got(p, NULL, NULL, T0 - 1);
    struct id his = got(p, &TARO, NULL, T0 - 1);
    struct spool_forgotten out = forget(p);
    assert_false(got_is_there(p, by_case) || got_is_there(p, by_both));
    assert_true(got_is_there(p, nobody) && got_is_there(p, his));
    assert_int_equal(out.outcome, RECALL_DELETED);
    assert_int_equal(out.deleted, 2);
}

/* The agency's own token of a local number is the same for ever. */
static void what_came_after_is_kept_under_a_fresh_key(void **state)
{
    struct place *p = *state;
    struct id before = sent(p, &HANAKO, T0 - 1, 1001, "row 1");
    struct id after = sent(p, &HANAKO, T0 + 1, 1001, "row 2");
    struct id then = got(p, &HANAKO, NULL, T0 + 1);
    uint8_t old[KEY_BYTES], now[KEY_BYTES];
    struct slice her = slice_of(HANAKO.b, ID_BYTES);
    assert_int_equal(db_key_get(p->s, her, old), ERR_OK);
    forget(p);
    assert_false(sent_is_there(p, before));
    assert_true(sent_is_there(p, after) && got_is_there(p, then));
    assert_int_equal(db_key_get(p->s, her, now), ERR_OK);
    assert_memory_not_equal(old, now, KEY_BYTES);
    struct id found;
    assert_int_equal(spool_by_source(p->s, "row 2", &found), ERR_OK);
    assert_int_equal(spool_by_source(p->s, "row 1", &found), ERR_NOT_FOUND);
}

static void the_key_is_gone_with_everything_under_it(void **state)
{
    struct place *p = *state;
    uint8_t key[KEY_BYTES];
    sent(p, &HANAKO, T0 - 1, 1001, NULL);
    forget(p);
    assert_int_equal(db_key_get(p->s, slice_of(HANAKO.b, ID_BYTES), key),
                     ERR_NOT_FOUND);
}

/* All bytes of database and journal. */
static struct buf disk(struct place *p)
{
    static const char *const FILES[] = {"spool.db", "spool.db-wal"};
    struct buf b = {0};
    for (size_t i = 0; i < NELEM(FILES); i++) {
        char path[128];
        snprintf(path, sizeof(path), "%s/%s", p->folder, FILES[i]);
        assert_int_equal(file_read(path, 1 << 24, &b), ERR_OK);
    }
    return b;
}

static bool holds(const struct buf *b, struct id token)
{
    return memmem(b->p, b->n, token.b, ID_BYTES) != NULL;
}

static void no_token_is_left_on_the_disk(void **state)
{
    struct place *p = *state;
    sent(p, &HANAKO, T0 - 1, 1001, "row 1");
    got(p, &HANAKO, &HER_CASE, T0 - 1);
    assert_int_equal(spool_scrub(p->s), ERR_OK);
    struct buf before = disk(p);
    assert_true(holds(&before, HANAKO) && holds(&before, HER_CASE));
    forget(p);
    struct buf after = disk(p);
    assert_false(holds(&after, HANAKO) || holds(&after, HER_CASE));
    buf_fini(&before);
    buf_fini(&after);
    struct spool_in d;
    assert_int_equal(spool_in_after(p->s, 0, IN_HANDLED, &d), ERR_OK);
    assert_false(d.has_person || d.has_case);
    spool_in_fini(&d);
}

/* Rows that moved from page to page as they grew. */
#define MANY 600
static struct slice uneven(void)
{
    static const uint8_t BYTES[900];
    return slice_of(BYTES, randombytes_uniform(2) == 0 ? 50 : 900);
}

static struct id sent_uneven(struct place *p, const struct id *who)
{
    struct spool_event e = {.event_id = id_random(),
                            .lane = LANE_NORMAL,
                            .created_ms = T0 - 1,
                            .type = 1001,
                            .person = who->b,
                            .event = uneven()};
    assert_int_equal(spool_next_seq(p->s, LANE_NORMAL, &e.node_seq), ERR_OK);
    assert_int_equal(spool_put(p->s, &e), ERR_OK);
    return e.event_id;
}

static void nothing_is_left_between_the_rows(void **state)
{
    struct place *p = *state;
    struct id token[MANY], event[MANY];
    struct spool_forgotten out;
    for (size_t i = 0; i < MANY; i++) {
        token[i] = id_random();
        event[i] = sent_uneven(p, &token[i]);
        if (i > 5)
            assert_int_equal(spool_answer(p->s, event[i - 3], OUT_ACCEPTED, "",
                                          uneven(), T0),
                             ERR_OK);
        if (i % 7 == 0)
            assert_int_equal(spool_commit(p->s), ERR_OK);
    }
    const struct spool_forget half = {
        .order = {{3}}, .before_ms = T0, .token = token, .tokens = MANY / 2};
    assert_int_equal(spool_forget(p->s, &half, T0, &out), ERR_OK);
    assert_int_equal(out.deleted, MANY / 2);
    struct buf left = disk(p);
    for (size_t i = 0; i < MANY; i++)
        assert_int_equal(holds(&left, token[i]), i >= MANY / 2);
    buf_fini(&left);
}

/* ---- the answer ---- */

static void what_was_handed_over_is_said_so(void **state)
{
    struct place *p = *state;
    struct id one = got(p, &HANAKO, NULL, T0 - 1);
    struct id two = got(p, &HANAKO, NULL, T0 - 1);
    got(p, &HANAKO, NULL, T0 - 1);
    assert_int_equal(spool_mark(p->s, one, IN_HANDED, T0), ERR_OK);
    assert_int_equal(spool_shown(p->s, two), ERR_OK);
    struct spool_forgotten out = forget(p);
    assert_int_equal(out.outcome, RECALL_HANDED);
    assert_int_equal(out.deleted, 3);
    assert_int_equal(out.handed, 2);
}

static void a_repeat_is_told_the_same_and_takes_nothing(void **state)
{
    struct place *p = *state;
    sent(p, &HANAKO, T0 - 1, 1001, NULL);
    struct spool_forgotten first = forget(p);
    spool_close(&p->s);
    assert_int_equal(spool_open(p->folder, p->secret, &p->s), ERR_OK);
    struct spool_forgotten out;
    const struct spool_forget f = order(1);
    struct id late = sent(p, &HANAKO, T0 - 1, 1001, NULL);
    assert_int_equal(spool_forget(p->s, &f, T0 + 99, &out), ERR_OK);
    assert_memory_equal(&out, &first, sizeof(out));
    assert_true(sent_is_there(p, late));
    bool before = false;
    assert_int_equal(spool_obeyed(p->s, f.order, &before), ERR_OK);
    assert_true(before);
}

/* ---- recalls of an erasure ---- */

static struct spool_recalled recall(struct place *p, struct id id)
{
    struct spool_recalled r;
    assert_int_equal(spool_recall(p->s, id, 1, NULL, T0, &r), ERR_OK);
    assert_int_equal(spool_recall_erased(p->s, id), ERR_OK);
    return r;
}

static void a_delivery_without_token_goes_by_its_recall(void **state)
{
    struct place *p = *state;
    struct id nobody = got(p, NULL, NULL, T0 - 1);
    struct id other = got(p, NULL, NULL, T0 - 1);
    assert_int_equal(spool_mark(p->s, nobody, IN_HANDED, T0), ERR_OK);
    assert_int_equal(recall(p, nobody).outcome, RECALL_HANDED);
    struct spool_forget f = order(1);
    bool meant = true;
    assert_int_equal(spool_meant_delivery(p->s, &f, nobody, &meant), ERR_OK);
    assert_false(meant);
    f.rest = true;
    assert_int_equal(spool_meant_delivery(p->s, &f, nobody, &meant), ERR_OK);
    assert_true(meant);
    struct spool_forgotten out;
    assert_int_equal(spool_forget(p->s, &f, T0, &out), ERR_OK);
    assert_int_equal(out.handed, 1);
    assert_false(got_is_there(p, nobody));
    assert_true(got_is_there(p, other));
}

static void it_counts_for_one_order(void **state)
{
    struct place *p = *state;
    recall(p, got(p, &HANAKO, NULL, T0 - 1));
    const struct spool_forget of_taro = {
        .order = {{2}}, .before_ms = T0, .token = &TARO, .tokens = 1};
    struct spool_forgotten out;
    assert_int_equal(spool_forget(p->s, &of_taro, T0, &out), ERR_OK);
    assert_int_equal(out.outcome, RECALL_UNKNOWN);
    out = forget(p);
    assert_int_equal(out.outcome, RECALL_DELETED);
    assert_int_equal(out.deleted, 1);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, begin, end)
int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_consent_without_end_goes_too),
        CASE(a_delivery_of_the_case_alone_goes),
        CASE(what_came_after_is_kept_under_a_fresh_key),
        CASE(the_key_is_gone_with_everything_under_it),
        CASE(no_token_is_left_on_the_disk),
        CASE(nothing_is_left_between_the_rows),
        CASE(what_was_handed_over_is_said_so),
        CASE(a_repeat_is_told_the_same_and_takes_nothing),
        CASE(a_delivery_without_token_goes_by_its_recall),
        CASE(it_counts_for_one_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
