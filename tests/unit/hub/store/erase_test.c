/* erase_test.c - no table of the store is forgotten when a person is erased,
 * now or when somebody adds one. */
#include "tests/unit/hub/store/world.h"

#define PEOPLE 400

/* ---- every table has its answer ---- */

static const struct erase_table *listed(const char *name)
{
    for (size_t i = 0; i < ERASE_TABLE_COUNT; i++)
        if (strcmp(ERASE_TABLES[i].name, name) == 0)
            return &ERASE_TABLES[i];
    return NULL;
}

/* Names under which a person, or what names one, stands in a column. */
static bool names_somebody(const char *column)
{
    static const char *const NAMES[] = {"person",  "care_case", "what",
                                        "handle",  "token",     "subject",
                                        "payload", "parts",     "state_of"};
    for (size_t i = 0; i < NELEM(NAMES); i++)
        if (strcmp(column, NAMES[i]) == 0)
            return true;
    return false;
}

static void check_columns(sqlite3 *db, const struct erase_table *t)
{
    sqlite3_stmt *st;
    char sql[128];
    snprintf(sql, sizeof(sql), "PRAGMA table_info(\"%s\")", t->name);
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &st, NULL), SQLITE_OK);
    while (sqlite3_step(st) == SQLITE_ROW) {
        const char *column = (const char *)sqlite3_column_text(st, 1);
        if (names_somebody(column) && t->what == ERASE_NOT_THEIRS)
            fail_msg("%s.%s: an erasure leaves it", t->name, column);
    }
    sqlite3_finalize(st);
}

/* A new table: say in store/erase.c what an erasure does to it. */
static void every_table_has_its_answer(void **state)
{
    struct world *w = *state;
    sqlite3_stmt *st;
    size_t n = 0;
    assert_int_equal(
        sqlite3_prepare_v2(w->s->db,
                           "SELECT name FROM sqlite_schema WHERE type = 'table'"
                           " AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'",
                           -1, &st, NULL),
        SQLITE_OK);
    for (; sqlite3_step(st) == SQLITE_ROW; n++) {
        const char *name = (const char *)sqlite3_column_text(st, 0);
        const struct erase_table *t = listed(name);
        if (t == NULL)
            fail_msg("%s: what does an erasure do to it?", name);
        else
            check_columns(w->s->db, t);
    }
    sqlite3_finalize(st);
    assert_int_equal(n, ERASE_TABLE_COUNT);
}

/* ---- a person with a row in every table ---- */

struct somebody {
    struct id person, care_case, order;
    uint8_t token[16], case_token[16], ref[16], subject[16];
    int64_t event;
};

static void put_event(struct world *w, struct somebody *p)
{
    struct stored_event e = {.event_id = id_new(NOON_MS),
                             .person = p->person,
                             .case_id = p->care_case,
                             .accepted_ms = NOON_MS,
                             .agency = HOSPITAL,
                             .node = "h1"};
    uint8_t sha[32];
    buf_adds(&e.header, "header");
    buf_adds(&e.signature, "signature");
    buf_adds(&e.parts, "parts with a name");
    sha256(buf_slice(&e.header), sha);
    ok(store_event_put(w->s, &e, sha));
    p->event = e.seq;
    stored_event_fini(&e);
}

static void put_delivery(struct world *w, const struct somebody *p)
{
    struct delivery d = {.event_seq = p->event,
                         .agency = OFFICE,
                         .lane = LANE_NORMAL,
                         .state = DELIVERY_RELEASED,
                         .release_leaf = 3,
                         .node = "p1"};
    ok(store_delivery_put(w->s, &d));
    ok(store_delivery_rest(w->s, &d, p->ref, 6));
    ok(store_delivery_recall(w->s, &d, 9, NOON_MS, true));
    d.state = DELIVERY_WITHHELD;
    ok(store_delivery_update(w->s, &d));
}

static void put_glass(struct world *w, const struct somebody *p)
{
    struct glass g = {.agency = OFFICE, .reason = "LIFE_SELF", .verdict = 1};
    uint8_t text[GLASS_TEXT_BYTES], actor[16] = {7};
    memcpy(g.ref, p->order.b, 16);
    memcpy(text, p->token, 16);
    ok(store_glass_put(w->s, p->person, &g));
    ok(store_glass_text_add(w->s, p->person, OFFICE, actor, text));
}

static void put_orders(struct world *w, struct somebody *p)
{
    struct delay d = {.leaf = (uint64_t)p->event + 100, .until_day = 30000};
    struct taken_order o = {.order = id_random(),
                            .kind = ORDER_DELAY,
                            .person = p->person,
                            .until_day = 30000};
    memcpy(d.order, o.order.b, 16);
    buf_adds(&o.note, "note");
    ok(store_order_put(w->s, &o));
    ok(store_delay_put(w->s, &d));
    o.order = p->order;
    o.kind = ORDER_ERASE;
    ok(store_order_put(w->s, &o));
    taken_order_fini(&o);
    ok(store_subject_new(w->s, p->person, NOON_MS, p->subject));
}

static void put_rest(struct world *w, struct somebody *p)
{
    struct grant g = {.purpose = "P_TRA", .to_count = 1, .to_day = 30000};
    struct deadline d = {.person = p->person, .due_ms = NOON_MS};
    uint8_t handle[16];
    memcpy(g.ref, p->ref, 16);
    snprintf(g.to[0].agency, sizeof(g.to[0].agency), OFFICE);
    ok(store_grant_add(w->s, p->person, &g));
    ok(store_deadline_start(w->s, &d));
    d.person = (struct id){{0}};
    d.case_id = p->care_case;
    ok(store_deadline_start(w->s, &d));
    ok(store_person_handle(w->s, p->person, NOON_MS, handle));
    struct parked item = {.agency = HOSPITAL,
                          .node = "h1",
                          .code = "E-X",
                          .at_ms = NOON_MS,
                          .event_seq = p->event,
                          .open = true};
    ok(store_park(w->s, &item, slice_str("what could not be handled")));
    ok(store_erase_due(w->s, p->person, 8104));
}

static void put_all(struct world *w, struct somebody *p)
{
    struct sweep sweep = {.why = 1};
    randombytes_buf(p, sizeof(*p));
    ok(store_person_new(w->s, &p->person));
    ok(store_case_new(w->s, p->person, NOON_MS, &p->care_case));
    ok(store_token_put(w->s, HOSPITAL, TOKEN_PERSON, p->token, p->person));
    ok(store_token_put(w->s, HOSPITAL, TOKEN_CASE, p->case_token,
                       p->care_case));
    put_event(w, p);
    put_delivery(w, p);
    put_glass(w, p);
    put_rest(w, p);
    put_orders(w, p);
    sweep.person = p->person;
    ok(store_sweep_add(w->s, &sweep));
    ok(store_tell_add(w->s, sweep.id, OFFICE, 2));
    ok(store_tell_done(w->s, sweep.id, OFFICE));
    ok(store_sweep_done(w->s, sweep.id));
}

static void begin_keys(struct world *w, const struct somebody *p)
{
    struct erase_key k[PEOPLE];
    size_t n;
    ok(store_erase_keys_due(w->s, 0, k, PEOPLE, &n));
    for (size_t i = 0; i < n; i++)
        if (id_eq(k[i].person, p->person))
            ok(store_erase_key_begun(w->s, k[i].id, 5));
}

/* The night, as app/night.c walks it. */
static void erase(struct world *w, const struct somebody *p)
{
    const struct key_name every = {p->person, KEY_EVERY};
    struct erase_key k;
    struct key_gone *gone;
    size_t n;
    int64_t at;
    bool found, end;
    ok(store_begin(w->s));
    ok(store_person_deny(w->s, p->person));
    ok(store_erase_begin(w->s, p->order));
    begin_keys(w, p);
    for (at = 0, end = false; !end;)
        ok(store_erase_events(w->s, &at, &end));
    for (at = 0, end = false; !end;)
        ok(store_erase_deliveries(w->s, &at, &end));
    ok(store_erase_people(w->s));
    ok(store_commit(w->s));
    ok(store_keys_destroy(w->s, &every, 1, &gone, &n));
    free(gone);
    ok(store_begin(w->s));
    ok(store_erase_key_next(w->s, 0, &k, &found));
    assert_true(found);
    ok(store_erase_key_done(w->s, &k, 6));
    ok(store_erase_over(w->s, NOON_MS, 2));
    ok(store_commit(w->s));
    ok(store_erase_settle(w->s));
}

/* ---- looking for them ---- */

static size_t rows_with(sqlite3 *db, const char *table, const uint8_t what[16])
{
    char sql[128];
    sqlite3_stmt *st;
    size_t n = 0;
    snprintf(sql, sizeof(sql), "SELECT * FROM \"%s\"", table);
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &st, NULL), SQLITE_OK);
    while (sqlite3_step(st) == SQLITE_ROW)
        for (int i = 0; i < sqlite3_column_count(st); i++) {
            const void *p = sqlite3_column_blob(st, i);
            size_t size = (size_t)sqlite3_column_bytes(st, i);
            n += p != NULL && memmem(p, size, what, 16) != NULL;
        }
    sqlite3_finalize(st);
    return n;
}

/* In how many tables one of a person's numbers stands. */
static size_t tables_with(struct world *w, const struct somebody *p, bool tell)
{
    const uint8_t *const NUMBERS[] = {p->person.b, p->care_case.b,
                                      p->token,    p->case_token,
                                      p->ref,      p->subject};
    size_t tables = 0;
    for (size_t t = 0; t < ERASE_TABLE_COUNT; t++) {
        size_t n = 0;
        for (size_t i = 0; i < NELEM(NUMBERS); i++)
            n += rows_with(w->s->db, ERASE_TABLES[t].name, NUMBERS[i]);
        if (n > 0 && tell)
            print_error("%s\n", ERASE_TABLES[t].name);
        tables += n > 0;
    }
    return tables;
}

static void nothing_of_a_person_is_left_in_any_table(void **state)
{
    struct world *w = *state;
    struct somebody gone, stays;
    ok(store_begin(w->s));
    put_all(w, &gone);
    put_all(w, &stays);
    ok(store_sweep_add(w->s, &(struct sweep){.person = stays.person}));
    ok(store_commit(w->s));
    size_t before = tables_with(w, &gone, false);
    size_t theirs = 0;
    for (size_t i = 0; i < ERASE_TABLE_COUNT; i++)
        theirs += ERASE_TABLES[i].what != ERASE_NOT_THEIRS;
    /* sealed or not numbers: handle's own, parked, delay; a sweep is over */
    assert_true(before >= theirs - 3);
    erase(w, &gone);
    assert_int_equal(tables_with(w, &gone, true), 0);
    assert_int_equal(tables_with(w, &stays, false), before + 1);
    world_reopen(w);
    assert_int_equal(tables_with(w, &gone, true), 0);
}

static void what_is_left_of_an_event_answers_a_repeat(void **state)
{
    struct world *w = *state;
    struct somebody p;
    struct stored_event e;
    struct parked item;
    struct buf bytes = {0};
    struct store_counts c;
    ok(store_begin(w->s));
    put_all(w, &p);
    ok(store_commit(w->s));
    erase(w, &p);
    ok(store_event_get(w->s, p.event, &e));
    assert_true(e.erased);
    assert_int_equal(e.parts.n, 0);
    assert_true(id_is_zero(e.person));
    assert_true(id_is_zero(e.case_id));
    assert_true(e.header.n > 0);
    stored_event_fini(&e);
    ok(store_parked_get(w->s, 1, &item, &bytes));
    assert_false(item.open);
    assert_int_equal(bytes.n, 0);
    ok(store_counts(w->s, &c));
    assert_int_equal(c.parked, 0);
}

/* ---- the pages ---- */

static size_t in_file(const struct world *w, const uint8_t what[16])
{
    struct buf b = {0};
    size_t n = 0;
    slurp(w->db, &b);
    for (uint8_t *p = b.p; (p = memmem(p, (size_t)(b.p + b.n - p), what, 16));
         p++)
        n++;
    buf_fini(&b);
    return n;
}

/* Among many, so that pages were split and copied. */
static void nothing_is_left_between_the_rows_either(void **state)
{
    struct world *w = *state;
    struct somebody gone, other;
    for (int i = 0; i < PEOPLE; i++) {
        ok(store_begin(w->s));
        put_all(w, i == PEOPLE / 8 ? &gone : &other);
        ok(store_commit(w->s));
    }
    ok(store_erase_settle(w->s));
    assert_true(in_file(w, gone.person.b) > 5);
    erase(w, &gone);
    assert_int_equal(in_file(w, gone.person.b), 0);
    assert_int_equal(in_file(w, gone.token), 0);
    assert_int_equal(in_file(w, gone.case_token), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_OPEN_WORLD(every_table_has_its_answer),
        IN_OPEN_WORLD(nothing_of_a_person_is_left_in_any_table),
        IN_OPEN_WORLD(what_is_left_of_an_event_answers_a_repeat),
        IN_OPEN_WORLD(nothing_is_left_between_the_rows_either),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
