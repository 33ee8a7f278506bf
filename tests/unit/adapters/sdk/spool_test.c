/* spool_test.c - what the spool promises: nothing committed is lost, nothing
 * uncommitted appears, a source is one event, a delivery comes once, payload
 * is unreadable without its person's key. */
#include "adapters/sdk/spool.h"
#include <setjmp.h>
#include <sodium.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

struct place {
    char folder[64];
    uint8_t secret[KEY_BYTES];
    struct spool *spool;
};

static const uint8_t HANAKO[16] = {7, 7, 7};
static const uint8_t TARO[16] = {8, 8, 8};
#define SECRET_TEXT "架空花子 クライシスプラン"

static int setup(void **state)
{
    struct place *p = calloc(1, sizeof(*p));
    assert_int_equal(sign_init(), ERR_OK);
    memcpy(p->folder, "/tmp/tsunagi-spool-XXXXXX", 26);
    assert_non_null(mkdtemp(p->folder));
    randombytes_buf(p->secret, KEY_BYTES);
    assert_int_equal(spool_open(p->folder, p->secret, &p->spool), ERR_OK);
    *state = p;
    return 0;
}

static int teardown(void **state)
{
    static const char *const FILES[] = {"spool.db", "spool.db-wal",
                                        "spool.db-shm", "owner.lock"};
    struct place *p = *state;
    char path[128];
    spool_close(&p->spool);
    for (size_t i = 0; i < NELEM(FILES); i++) {
        snprintf(path, sizeof(path), "%s/%s", p->folder, FILES[i]);
        unlink(path);
    }
    rmdir(p->folder);
    free(p);
    return 0;
}

static void reopen(struct place *p)
{
    spool_close(&p->spool);
    assert_int_equal(spool_open(p->folder, p->secret, &p->spool), ERR_OK);
}

static struct id put(struct spool *s, enum lane lane, const char *source,
                     const uint8_t *person)
{
    struct spool_event e = {.event_id = id_new(1775000000000),
                            .lane = lane,
                            .created_ms = 1775000000000,
                            .type = 1001,
                            .person = person,
                            .source = source,
                            .event = slice_str(SECRET_TEXT)};
    assert_int_equal(spool_next_seq(s, lane, &e.node_seq), ERR_OK);
    assert_int_equal(spool_put(s, &e), ERR_OK);
    return e.event_id;
}

static void crash_after(struct place *p, bool commit, int count)
{
    spool_close(&p->spool);
    pid_t child = fork();
    if (child == 0) {
        struct spool *s;
        if (spool_open(p->folder, p->secret, &s) != ERR_OK)
            _exit(1);
        for (int i = 0; i < count; i++)
            put(s, LANE_NORMAL, NULL, HANAKO);
        if (commit && spool_commit(s) != ERR_OK)
            _exit(2);
        kill(getpid(), SIGKILL);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(spool_open(p->folder, p->secret, &p->spool), ERR_OK);
}

static size_t waiting(struct spool *s, enum lane lane)
{
    struct spool_out o;
    uint64_t seq = 0;
    size_t n = 0;
    while (spool_waiting(s, lane, seq, &o) == ERR_OK) {
        assert_true(o.node_seq > seq);
        assert_true(slice_eq(buf_slice(&o.event), slice_str(SECRET_TEXT)));
        seq = o.node_seq;
        n++;
        spool_out_fini(&o);
    }
    return n;
}

static void what_was_committed_survives_a_crash(void **state) /* W-117 */
{
    struct place *p = *state;
    crash_after(p, true, 5);
    assert_int_equal(waiting(p->spool, LANE_NORMAL), 5);
    uint64_t next;
    assert_int_equal(spool_next_seq(p->spool, LANE_NORMAL, &next), ERR_OK);
    assert_int_equal(next, 6);
}

static void what_was_not_committed_never_was(void **state)
{
    struct place *p = *state;
    crash_after(p, false, 5);
    assert_int_equal(waiting(p->spool, LANE_NORMAL), 0);
}

static void only_one_process_owns_a_spool(void **state)
{
    struct place *p = *state;
    struct spool *second;
    assert_int_equal(spool_open(p->folder, p->secret, &second), ERR_CONFLICT);
    assert_null(second);
}

static void a_spool_opens_only_with_its_own_secret(void **state)
{
    struct place *p = *state;
    uint8_t other[KEY_BYTES] = {1};
    struct spool *s;
    spool_close(&p->spool);
    assert_int_equal(spool_open(p->folder, other, &s), ERR_STORE_OPEN);
    assert_int_equal(spool_open(p->folder, p->secret, &p->spool), ERR_OK);
}

static void a_repeated_source_gives_the_first_event(void **state)
{
    struct place *p = *state;
    struct id first = put(p->spool, LANE_NORMAL, "ADT 0000123456", HANAKO);
    struct id found;
    assert_int_equal(spool_commit(p->spool), ERR_OK);
    reopen(p);
    assert_int_equal(spool_by_source(p->spool, "ADT 0000123456", &found),
                     ERR_OK);
    assert_true(id_eq(first, found));
    assert_int_equal(spool_by_source(p->spool, "ADT 0000123457", &found),
                     ERR_NOT_FOUND);
}

static void lanes_count_apart(void **state) /* W-014 */
{
    struct place *p = *state;
    uint64_t n;
    put(p->spool, LANE_URGENT, NULL, NULL);
    put(p->spool, LANE_URGENT, NULL, NULL);
    put(p->spool, LANE_NORMAL, NULL, NULL);
    assert_int_equal(spool_next_seq(p->spool, LANE_URGENT, &n), ERR_OK);
    assert_int_equal(n, 3);
    assert_int_equal(spool_next_seq(p->spool, LANE_NORMAL, &n), ERR_OK);
    assert_int_equal(n, 2);
}

static void answered_events_are_kept_fourteen_days(void **state)
{
    struct place *p = *state;
    struct id id = put(p->spool, LANE_NORMAL, "row 1", HANAKO);
    struct spool_out o;
    uint64_t answered = 1775000001000;
    assert_int_equal(spool_answer(p->spool, id, OUT_ACCEPTED, "",
                                  slice_str("receipt"), answered),
                     ERR_OK);
    assert_int_equal(spool_commit(p->spool), ERR_OK);
    assert_int_equal(waiting(p->spool, LANE_NORMAL), 0);
    assert_int_equal(spool_prune(p->spool, answered + SPOOL_KEEP_MS), ERR_OK);
    assert_int_equal(spool_out_get(p->spool, id, &o), ERR_OK);
    assert_true(slice_eq(buf_slice(&o.receipt), slice_str("receipt")));
    assert_true(slice_eq(buf_slice(&o.event), slice_str(SECRET_TEXT)));
    spool_out_fini(&o);
    assert_int_equal(spool_prune(p->spool, answered + SPOOL_KEEP_MS + 1),
                     ERR_OK);
    assert_int_equal(spool_out_get(p->spool, id, &o), ERR_OK);
    assert_int_equal(o.event.n + o.receipt.n + o.source.n, 0);
    spool_out_fini(&o);
    assert_int_equal(spool_by_source(p->spool, "row 1", &id), ERR_OK);
}

static void consents_and_waiting_events_stay_for_ever(void **state)
{
    struct place *p = *state;
    struct spool_event e = {.event_id = id_new(1775000000000),
                            .lane = LANE_URGENT,
                            .created_ms = 1,
                            .type = 1201,
                            .event = slice_str(SECRET_TEXT),
                            .node_seq = 1};
    struct spool_out o;
    assert_int_equal(spool_put(p->spool, &e), ERR_OK);
    assert_int_equal(spool_answer(p->spool, e.event_id, OUT_ACCEPTED, "",
                                  slice_str("receipt"), 2),
                     ERR_OK);
    put(p->spool, LANE_NORMAL, NULL, HANAKO);
    assert_int_equal(spool_prune(p->spool, 3000000000000), ERR_OK);
    assert_int_equal(spool_out_get(p->spool, e.event_id, &o), ERR_OK);
    assert_true(o.event.n > 0 && o.receipt.n > 0);
    spool_out_fini(&o);
    assert_int_equal(waiting(p->spool, LANE_NORMAL), 1);
}

static bool take(struct spool *s, struct id id, const uint8_t *person)
{
    struct spool_delivery d = {.delivery_id = id,
                               .lane = LANE_NORMAL,
                               .type = 1415,
                               .person = person,
                               .case_token = TARO,
                               .released_ms = 1,
                               .delivery = slice_str(SECRET_TEXT)};
    bool fresh = false;
    assert_int_equal(spool_take(s, &d, 1775000000000, &fresh), ERR_OK);
    return fresh;
}

static void a_delivery_is_taken_once_for_ever(void **state) /* W-127 */
{
    struct place *p = *state;
    struct id id = id_random();
    assert_true(take(p->spool, id, HANAKO));
    assert_false(take(p->spool, id, HANAKO));
    assert_int_equal(spool_mark(p->spool, id, IN_HANDLED, 1775000000001),
                     ERR_OK);
    assert_int_equal(spool_prune(p->spool, 3000000000000), ERR_OK);
    reopen(p);
    assert_false(take(p->spool, id, HANAKO));
    struct spool_in d;
    assert_int_equal(spool_in_get(p->spool, id, &d), ERR_OK);
    assert_int_equal(d.delivery.n, 0);
    spool_in_fini(&d);
}

static void a_state_never_goes_back(void **state)
{
    struct place *p = *state;
    struct id id = id_random();
    struct spool_in d;
    take(p->spool, id, NULL);
    assert_int_equal(spool_mark(p->spool, id, IN_HANDLED, 1), ERR_OK);
    assert_int_equal(spool_mark(p->spool, id, IN_HANDED, 2), ERR_OK);
    assert_int_equal(spool_in_get(p->spool, id, &d), ERR_OK);
    assert_int_equal(d.state, IN_HANDLED);
    spool_in_fini(&d);
    assert_int_equal(spool_in_new(p->spool, LANE_NORMAL, 0, &d), ERR_NOT_FOUND);
    assert_int_equal(spool_mark(p->spool, id_random(), IN_HANDED, 2),
                     ERR_NOT_FOUND);
}

static bool is_withdrawn(struct spool *s, struct id id)
{
    struct spool_in d;
    assert_int_equal(spool_in_get(s, id, &d), ERR_OK);
    bool w = d.withdrawn;
    spool_in_fini(&d);
    return w;
}

static void a_withdrawal_marks_what_relied_on_it(void **state)
{
    struct place *p = *state;
    struct id consents[2] = {id_random(), id_random()};
    struct id id = id_random(), other = id_random();
    struct spool_delivery d = {.delivery_id = id,
                               .lane = LANE_NORMAL,
                               .person = HANAKO,
                               .delivery = slice_str("x"),
                               .consent = consents,
                               .consents = 2};
    bool fresh;
    assert_int_equal(spool_take(p->spool, &d, 1, &fresh), ERR_OK);
    take(p->spool, other, HANAKO);
    assert_int_equal(spool_withdraw_consent(p->spool, id_random()), ERR_OK);
    assert_false(is_withdrawn(p->spool, id));
    assert_int_equal(spool_withdraw_consent(p->spool, consents[1]), ERR_OK);
    assert_true(is_withdrawn(p->spool, id));
    assert_false(is_withdrawn(p->spool, other));
}

static void all_consents_withdrawn_marks_person_or_case(void **state)
{
    struct place *p = *state;
    struct id id = id_random(), other = id_random();
    take(p->spool, id, HANAKO);
    struct spool_delivery o = {
        .delivery_id = other, .lane = LANE_NORMAL, .delivery = slice_str("x")};
    bool fresh;
    assert_int_equal(spool_take(p->spool, &o, 1, &fresh), ERR_OK);
    assert_int_equal(spool_withdraw_all(p->spool, NULL, NULL), ERR_OK);
    assert_false(is_withdrawn(p->spool, id) || is_withdrawn(p->spool, other));
    assert_int_equal(spool_withdraw_all(p->spool, HANAKO, NULL), ERR_OK);
    assert_true(is_withdrawn(p->spool, id));
    assert_false(is_withdrawn(p->spool, other));
}

static void erasing_a_person_leaves_the_others(void **state)
{
    struct place *p = *state;
    struct id hers = put(p->spool, LANE_NORMAL, "her row", HANAKO);
    struct id his = put(p->spool, LANE_NORMAL, "his row", TARO);
    struct id in = id_random();
    struct spool_out o;
    struct spool_in d;
    take(p->spool, in, HANAKO);
    struct spool_forgotten gone;
    struct id token;
    memcpy(token.b, HANAKO, ID_BYTES);
    const struct spool_forget f = {
        .before_ms = INT64_MAX, .token = &token, .tokens = 1};
    assert_int_equal(spool_forget(p->spool, &f, 9, &gone), ERR_OK);
    assert_int_equal(spool_out_get(p->spool, hers, &o), ERR_OK);
    assert_int_equal(o.event.n + o.source.n, 0);
    assert_int_equal(o.state, OUT_PARKED);
    spool_out_fini(&o);
    assert_int_equal(spool_in_get(p->spool, in, &d), ERR_OK);
    assert_int_equal(d.delivery.n, 0);
    spool_in_fini(&d);
    assert_int_equal(spool_out_get(p->spool, his, &o), ERR_OK);
    assert_true(o.event.n > 0);
    spool_out_fini(&o);
}

static bool file_holds(const char *folder, const char *name, const char *text)
{
    char path[128];
    struct buf b = {0};
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    enum err e = file_read(path, 1 << 24, &b);
    bool found = e == ERR_OK && memmem(b.p, b.n, text, strlen(text)) != NULL;
    buf_fini(&b);
    return found;
}

static void nothing_personal_is_readable_on_the_disk(void **state)
{
    struct place *p = *state;
    struct id id = put(p->spool, LANE_NORMAL, "架空花子.csv:3", HANAKO);
    take(p->spool, id_random(), HANAKO);
    assert_int_equal(spool_answer(p->spool, id, OUT_REFUSED, "E-POL-001",
                                  slice_str("架空花子"), 1),
                     ERR_OK);
    assert_int_equal(spool_commit(p->spool), ERR_OK);
    assert_false(file_holds(p->folder, "spool.db", "架空花子"));
    assert_false(file_holds(p->folder, "spool.db-wal", "架空花子"));
    char path[128];
    struct stat st;
    snprintf(path, sizeof(path), "%s/spool.db", p->folder);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
}

static void rows_cannot_be_swapped_or_changed(void **state)
{
    struct place *p = *state;
    char path[128];
    put(p->spool, LANE_NORMAL, NULL, HANAKO);
    assert_int_equal(spool_prune(p->spool, 1), ERR_OK); /* into spool.db */
    spool_close(&p->spool);
    struct buf b = {0};
    snprintf(path, sizeof(path), "%s/spool.db", p->folder);
    assert_int_equal(file_read(path, 1 << 24, &b), ERR_OK);
    size_t seen = 0;
    for (size_t at = 4096; at < b.n; at += 61) {
        b.p[at] ^= 1;
        struct spool *s;
        struct spool_out o;
        assert_int_equal(file_replace(path, buf_slice(&b), 0600), ERR_OK);
        if (spool_open(p->folder, p->secret, &s) == ERR_OK) {
            enum err e = spool_waiting(s, LANE_NORMAL, 0, &o);
            if (e == ERR_OK &&
                !slice_eq(buf_slice(&o.event), slice_str(SECRET_TEXT)))
                fail_msg("changed payload was read, byte %zu", at);
            if (e == ERR_OK)
                spool_out_fini(&o);
            seen += e == ERR_OK;
            spool_close(&s);
        }
        b.p[at] ^= 1;
    }
    assert_true(seen > 0);
    buf_fini(&b);
}

static void the_hubs_log_is_remembered(void **state)
{
    struct place *p = *state;
    struct checkpoint c = {.origin = "hub.example.test/log", .size = 42}, back;
    struct buf note = {0};
    memset(c.root.b, 0xab, HASH_BYTES);
    assert_int_equal(spool_head(p->spool, SPOOL_HEAD_NORMAL, &back, &note),
                     ERR_NOT_FOUND);
    assert_int_equal(
        spool_set_head(p->spool, SPOOL_HEAD_NORMAL, &c, slice_str("note\n")),
        ERR_OK);
    assert_int_equal(spool_commit(p->spool), ERR_OK);
    reopen(p);
    assert_int_equal(spool_head(p->spool, SPOOL_HEAD_URGENT, &back, &note),
                     ERR_NOT_FOUND);
    assert_int_equal(spool_head(p->spool, SPOOL_HEAD_NORMAL, &back, &note),
                     ERR_OK);
    assert_int_equal(back.size, 42);
    assert_string_equal(back.origin, c.origin);
    assert_memory_equal(back.root.b, c.root.b, HASH_BYTES);
    assert_true(slice_eq(buf_slice(&note), slice_str("note\n")));
    assert_int_equal(spool_forget_heads(p->spool), ERR_OK);
    assert_int_equal(spool_head(p->spool, SPOOL_HEAD_NORMAL, &back, &note),
                     ERR_NOT_FOUND);
    buf_fini(&note);
}

static void proof_is(struct place *p, struct id of, const char *want)
{
    struct buf b = {0};
    enum err e = spool_proof(p->spool, of, &b);
    assert_int_equal(e, want != NULL ? ERR_OK : ERR_NOT_FOUND);
    assert_true(slice_eq(buf_slice(&b), slice_str(want != NULL ? want : "")));
    buf_fini(&b);
}

/* The newest stays; age takes none; the person's erasure takes theirs. */
static void proofs_are_kept_as_long_as_the_person(void **state)
{
    struct place *p = *state;
    struct id hers = put(p->spool, LANE_NORMAL, NULL, HANAKO);
    struct id nobodys = id_random(), token;
    struct spool_forgotten gone;
    memcpy(token.b, HANAKO, ID_BYTES);
    const struct spool_forget f = {
        .before_ms = INT64_MAX, .token = &token, .tokens = 1};
    proof_is(p, hers, NULL);
    assert_int_equal(spool_keep_proof(p->spool, hers, HANAKO, slice_str("one")),
                     ERR_OK);
    assert_int_equal(spool_keep_proof(p->spool, hers, HANAKO, slice_str("two")),
                     ERR_OK);
    assert_int_equal(
        spool_keep_proof(p->spool, nobodys, NULL, slice_str("three")), ERR_OK);
    assert_int_equal(spool_commit(p->spool), ERR_OK);
    reopen(p);
    proof_is(p, hers, "two");
    assert_int_equal(spool_prune(p->spool, UINT64_C(1) << 60), ERR_OK);
    proof_is(p, hers, "two");
    assert_false(file_holds(p->folder, "spool.db", "three"));
    assert_int_equal(spool_forget(p->spool, &f, 9, &gone), ERR_OK);
    proof_is(p, hers, NULL);
    proof_is(p, nobodys, "three");
}

static void a_spool_from_before_proofs_is_carried_over(void **state)
{
    struct place *p = *state;
    char path[128];
    sqlite3 *db;
    struct id id = put(p->spool, LANE_NORMAL, NULL, HANAKO);
    assert_int_equal(spool_commit(p->spool), ERR_OK);
    spool_close(&p->spool);
    snprintf(path, sizeof(path), "%s/spool.db", p->folder);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db,
                                  "DROP TABLE proof; DROP TABLE erased;"
                                  "ALTER TABLE recall DROP COLUMN erased;"
                                  "PRAGMA user_version=1",
                                  NULL, NULL, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    assert_int_equal(spool_open(p->folder, p->secret, &p->spool), ERR_OK);
    assert_int_equal(waiting(p->spool, LANE_NORMAL), 1);
    assert_int_equal(spool_keep_proof(p->spool, id, HANAKO, slice_str("one")),
                     ERR_OK);
    assert_int_equal(spool_commit(p->spool), ERR_OK);
    reopen(p);
    proof_is(p, id, "one");
}

static void after_a_recovery_everything_kept_is_sent_again(void **state)
{
    struct place *p = *state;
    struct id id = put(p->spool, LANE_NORMAL, NULL, HANAKO);
    size_t n;
    assert_int_equal(
        spool_answer(p->spool, id, OUT_ACCEPTED, "", slice_str("receipt"), 1),
        ERR_OK);
    assert_int_equal(waiting(p->spool, LANE_NORMAL), 0);
    assert_int_equal(spool_resend_all(p->spool, &n), ERR_OK);
    assert_int_equal(n, 1);
    assert_int_equal(waiting(p->spool, LANE_NORMAL), 1);
}

/* W-136 */
static void
what_becomes_of_a_recalled_delivery_depends_on_who_has_it(void **state)
{
    struct place *p = *state;
    static const struct {
        const char *name;
        bool take, shown;
        enum in_state mark;
        enum recall want;
        enum in_state after;
        bool payload;
    } CASES[] = {
        {"new: deleted", true, false, IN_NEW, RECALL_DELETED, IN_HANDLED,
         false},
        {"seen in a list: somebody has it, the module never gets it", true,
         true, IN_NEW, RECALL_HANDED, IN_HANDLED, false},
        {"handed over: marked", true, false, IN_HANDED, RECALL_HANDED,
         IN_HANDED, true},
        {"handled: marked", true, false, IN_HANDLED, RECALL_HANDED, IN_HANDLED,
         true},
        {"never here", false, false, IN_NEW, RECALL_UNKNOWN, IN_HANDLED, false},
    };
    for (size_t i = 0; i < NELEM(CASES); i++) {
        struct id id = id_random();
        struct spool_recalled r;
        struct spool_in d;
        const uint8_t leaf[32] = {(uint8_t)i};
        if (CASES[i].take)
            assert_true(take(p->spool, id, HANAKO));
        if (CASES[i].mark != IN_NEW)
            assert_int_equal(spool_mark(p->spool, id, CASES[i].mark, 1),
                             ERR_OK);
        if (CASES[i].shown)
            assert_int_equal(spool_shown(p->spool, id), ERR_OK);
        assert_int_equal(spool_recall(p->spool, id, i + 1, leaf, 2, &r),
                         ERR_OK);
        if (r.outcome != CASES[i].want)
            fail_msg("%s", CASES[i].name);
        assert_int_equal(spool_scrub(p->spool), ERR_OK);
        reopen(p);
        assert_int_equal(spool_recall(p->spool, id, 99, NULL, 3, &r), ERR_OK);
        assert_int_equal(r.outcome, CASES[i].want);
        assert_int_equal(r.no, i + 1);
        assert_true(r.has_leaf && r.leaf_sha256[0] == i);
        assert_false(take(p->spool, id, HANAKO)); /* late, or again */
        assert_int_equal(spool_in_get(p->spool, id, &d), ERR_OK);
        assert_int_equal(d.state, CASES[i].after);
        assert_int_equal(d.delivery.n > 0, CASES[i].payload);
        assert_int_equal(d.recalled, CASES[i].want == RECALL_UNKNOWN
                                         ? RECALL_DELETED
                                         : CASES[i].want);
        spool_in_fini(&d);
    }
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(what_was_committed_survives_a_crash),
        CASE(what_was_not_committed_never_was),
        CASE(only_one_process_owns_a_spool),
        CASE(a_spool_opens_only_with_its_own_secret),
        CASE(a_repeated_source_gives_the_first_event),
        CASE(lanes_count_apart),
        CASE(answered_events_are_kept_fourteen_days),
        CASE(consents_and_waiting_events_stay_for_ever),
        CASE(a_delivery_is_taken_once_for_ever),
        CASE(a_state_never_goes_back),
        CASE(a_withdrawal_marks_what_relied_on_it),
        CASE(all_consents_withdrawn_marks_person_or_case),
        CASE(erasing_a_person_leaves_the_others),
        CASE(nothing_personal_is_readable_on_the_disk),
        CASE(rows_cannot_be_swapped_or_changed),
        CASE(the_hubs_log_is_remembered),
        CASE(proofs_are_kept_as_long_as_the_person),
        CASE(a_spool_from_before_proofs_is_carried_over),
        CASE(after_a_recovery_everything_kept_is_sent_again),
        CASE(what_becomes_of_a_recalled_delivery_depends_on_who_has_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
