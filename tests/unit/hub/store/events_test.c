/* Events come back as they were put, and their parts are readable nowhere. */
#include "tests/unit/hub/store/world.h"

#define CANARY "CANARY-of-a-sealed-part-4931"

static void same_bytes(const struct buf *a, const struct buf *b)
{
    assert_int_equal(a->n, b->n);
    assert_memory_equal(a->p, b->p, a->n);
}

static void an_event_comes_back_as_it_was_put(void **state)
{
    struct world *w = *state;
    struct stored_event e, got;
    ok(store_begin(w->s));
    e = event_of(new_person(w->s), "parts of it");
    e.case_id = id_new(NOON_MS);
    e.lane = LANE_URGENT;
    e.hub_made = true;
    ok(put(w->s, &e));
    ok(store_commit(w->s));
    world_reopen(w);
    for (int by_id = 0; by_id < 2; by_id++) {
        ok(by_id ? store_event_find(w->s, e.event_id, &got)
                 : store_event_get(w->s, e.seq, &got));
        same_bytes(&got.header, &e.header);
        same_bytes(&got.signature, &e.signature);
        same_bytes(&got.parts, &e.parts);
        assert_true(id_eq(got.event_id, e.event_id));
        assert_true(id_eq(got.person, e.person));
        assert_true(id_eq(got.case_id, e.case_id));
        assert_int_equal(got.seq, e.seq);
        assert_int_equal(got.type, 101);
        assert_int_equal(got.lane, LANE_URGENT);
        assert_int_equal(got.accepted_ms, NOON_MS);
        assert_int_equal(got.ingest_leaf, 7);
        assert_true(got.hub_made);
        assert_string_equal(got.agency, HOSPITAL);
        assert_string_equal(got.node, "h1/ad1");
        stored_event_fini(&got);
    }
    stored_event_fini(&e);
}

static void an_event_of_nobody_is_sealed_under_the_hubs_key(void **state)
{
    struct world *w = *state;
    struct id nobody = {{0}};
    struct stored_event got;
    ok(store_begin(w->s));
    int64_t seq = new_event(w->s, nobody);
    ok(store_commit(w->s));
    world_reopen(w);
    ok(store_event_get(w->s, seq, &got));
    assert_true(id_is_zero(got.person));
    assert_true(id_is_zero(got.case_id));
    assert_string_equal((char *)got.parts.p, "parts");
    stored_event_fini(&got);
}

static void what_is_not_there_is_not_found(void **state)
{
    struct world *w = *state;
    struct stored_event got;
    assert_int_equal(store_event_get(w->s, 1, &got), ERR_NOT_FOUND);
    assert_int_equal(store_event_find(w->s, id_random(), &got), ERR_NOT_FOUND);
}

static void a_repeat_gets_the_first_answer(void **state)
{
    struct world *w = *state;
    uint8_t hash[32], want[32];
    bool found;
    struct buf receipt = {0};
    ok(store_begin(w->s));
    struct stored_event e = event_of(new_person(w->s), "parts");
    ok(store_event_seen(w->s, e.event_id, &found, hash, &receipt));
    assert_false(found);
    ok(put(w->s, &e));
    ok(store_event_receipt(w->s, e.seq, slice_str("signed receipt")));
    ok(store_commit(w->s));
    world_reopen(w);
    ok(store_event_seen(w->s, e.event_id, &found, hash, &receipt));
    assert_true(found);
    sha256(buf_slice(&e.header), want);
    assert_memory_equal(hash, want, 32);
    assert_string_equal((char *)receipt.p, "signed receipt");
    /* a second one under that id harms nothing */
    ok(store_begin(w->s));
    assert_int_equal(put(w->s, &e), ERR_CONFLICT);
    set_value(w->s, "x", "goes on");
    ok(store_commit(w->s));
    value_is(w->s, "x", "goes on");
    assert_int_equal(counts(w->s).events, 1);
    stored_event_fini(&e);
    buf_fini(&receipt);
}

static void node_sequences_count_per_node_and_lane(void **state)
{
    struct world *w = *state;
    static const struct {
        const char *node;
        enum lane lane;
        uint64_t seq;
    } SET[] = {{"h1/ad1", LANE_NORMAL, 5},
               {"h1/ad1", LANE_URGENT, 2},
               {"h1/ad2", LANE_NORMAL, 9},
               {"h1/ad1", LANE_NORMAL, 6}};
    uint64_t last;
    ok(store_begin(w->s));
    for (size_t i = 0; i < NELEM(SET); i++)
        ok(store_node_seq_set(w->s, SET[i].node, SET[i].lane, SET[i].seq));
    ok(store_commit(w->s));
    world_reopen(w);
    for (size_t i = 1; i < NELEM(SET); i++) {
        ok(store_node_seq(w->s, SET[i].node, SET[i].lane, &last));
        assert_int_equal(last, SET[i].seq);
    }
    ok(store_node_seq(w->s, "h1/ad2", LANE_URGENT, &last));
    assert_int_equal(last, 0);
}

/* ---- at rest ---- */

static void parts_are_readable_in_no_file(void **state)
{
    struct world *w = *state;
    struct parked p = {
        .agency = HOSPITAL, .code = "E-EVT-014", .at_ms = NOON_MS};
    ok(store_begin(w->s));
    struct stored_event e = event_of(new_person(w->s), CANARY);
    ok(put(w->s, &e));
    ok(store_park(w->s, &p, slice_str(CANARY)));
    ok(store_commit(w->s));
    stored_event_fini(&e);
    assert_int_equal(seen_on_disk(w, CANARY), 0); /* in the WAL */
    w->s->tidied_ms = 0;
    ok(store_tidy(w->s));
    assert_int_equal(seen_on_disk(w, CANARY), 0); /* in the database */
    /* and the search would find it */
    ok(store_begin(w->s));
    set_value(w->s, "x", CANARY);
    ok(store_commit(w->s));
    assert_int_equal(seen_on_disk(w, CANARY), 1);
}

static void deleted_rows_are_wiped(void **state)
{
    struct world *w = *state;
    struct deadline d = {.case_id = id_random(),
                         .kind = DEADLINE_OFFER_HOLD,
                         .due_ms = NOON_MS,
                         .ref = "CANARY-of-a-ref"};
    ok(store_begin(w->s));
    ok(store_deadline_start(w->s, &d));
    ok(store_commit(w->s));
    assert_int_equal(seen_on_disk(w, "CANARY-of-a-ref"), 1);
    w->s->tidied_ms = 0;
    ok(store_tidy(w->s));
    assert_int_equal(seen_on_disk(w, "CANARY-of-a-ref"), 1);
    ok(store_begin(w->s));
    ok(store_deadline_stop(w->s, d.case_id, d.person, d.kind, NULL));
    ok(store_commit(w->s));
    w->s->tidied_ms = 0;
    ok(store_tidy(w->s));
    assert_int_equal(seen_on_disk(w, "CANARY-of-a-ref"), 0);
}

static const struct {
    const char *name, *sql;
    enum err want;
} DAMAGE[] = {
    {"a changed header is an error", "UPDATE event SET header = x'00'",
     ERR_INTEGRITY},
    {"changed parts are an error",
     "UPDATE event SET parts = zeroblob(length(parts))", ERR_INTEGRITY},
    {"cut parts are an error", "UPDATE event SET parts = substr(parts, 1, 3)",
     ERR_INTEGRITY},
    {"parts of another event are an error",
     "UPDATE event SET parts = (SELECT parts FROM event WHERE seq = 2)",
     ERR_INTEGRITY},
};

static void damage_is_an_error_not_a_fact(void **state)
{
    struct world *w = *state;
    char old[112];
    snprintf(old, sizeof(old), "%s/old.db", w->dir);
    struct id nobody = {{0}};
    ok(world_open(w));
    ok(store_begin(w->s));
    struct id person = new_person(w->s);
    int64_t seq = new_event(w->s, person);
    new_event(w->s, person);
    new_event(w->s, nobody);
    ok(store_commit(w->s));
    store_close(&w->s);
    copy_file(w->db, old);
    for (size_t i = 0; i < NELEM(DAMAGE); i++) {
        struct stored_event e;
        outside_sql(w, DAMAGE[i].sql);
        ok(world_open(w));
        if (store_event_get(w->s, seq, &e) != DAMAGE[i].want)
            fail_msg("%s", DAMAGE[i].name);
        store_close(&w->s);
        copy_file(old, w->db);
    }
}

static void a_wrapped_key_is_bound_to_its_person(void **state)
{
    struct world *w = *state;
    const uint8_t *key;
    ok(store_begin(w->s));
    struct id a = new_person(w->s), b = new_person(w->s);
    new_event(w->s, a);
    new_event(w->s, b);
    ok(store_commit(w->s));
    store_close(&w->s);
    outside_sql_in(w->ring_db,
                   "UPDATE dek SET wrapped = (SELECT wrapped FROM dek ORDER BY"
                   " person LIMIT 1) WHERE person <> (SELECT min(person) FROM"
                   " dek)");
    ok(world_open(w));
    bool a_first = memcmp(a.b, b.b, ID_BYTES) < 0;
    ok(keyring_find(w->s, a_first ? a : b, NOON_MS, &key));
    assert_int_equal(keyring_find(w->s, a_first ? b : a, NOON_MS, &key),
                     ERR_INTEGRITY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_OPEN_WORLD(an_event_comes_back_as_it_was_put),
        IN_OPEN_WORLD(an_event_of_nobody_is_sealed_under_the_hubs_key),
        IN_OPEN_WORLD(what_is_not_there_is_not_found),
        IN_OPEN_WORLD(a_repeat_gets_the_first_answer),
        IN_OPEN_WORLD(node_sequences_count_per_node_and_lane),
        IN_OPEN_WORLD(parts_are_readable_in_no_file),
        IN_OPEN_WORLD(deleted_rows_are_wiped),
        IN_WORLD(damage_is_an_error_not_a_fact),
        IN_OPEN_WORLD(a_wrapped_key_is_bound_to_its_person),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
