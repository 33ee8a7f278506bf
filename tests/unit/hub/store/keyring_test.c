/* Keys of payload: three things lie apart, one alone opens nothing, and what
 * was destroyed stays so, whatever is put back and wherever a crash strikes. */
#include "tests/unit/hub/store/world.h"

#include "hub/store/keyring.h"

#define CANARY "CANARY-of-the-parts"

static struct id add_person(struct world *w, int64_t *seq)
{
    ok(store_begin(w->s));
    struct id person = new_person(w->s);
    struct stored_event e = event_of(person, CANARY);
    uint8_t handle[16];
    ok(put(w->s, &e));
    ok(store_person_handle(w->s, person, NOON_MS, handle));
    ok(store_commit(w->s));
    *seq = e.seq;
    stored_event_fini(&e);
    return person;
}

/* Whether the event's parts can be read; false: they are gone. */
static bool readable(struct world *w, int64_t seq)
{
    struct stored_event e;
    ok(store_event_get(w->s, seq, &e));
    bool there = !e.erased;
    if (there)
        assert_string_equal((char *)e.parts.p, CANARY);
    else
        assert_int_equal(e.parts.n, 0);
    stored_event_fini(&e);
    return there;
}

static size_t destroy(struct world *w, struct id person, struct key_gone **gone)
{
    size_t n;
    struct key_name all = {person, KEY_EVERY};
    ok(store_keys_destroy(w->s, &all, 1, gone, &n));
    return n;
}

static void rotate(struct world *w)
{
    bool done = false;
    while (!done)
        ok(store_keys_rotate(w->s, &done));
}

/* In how many places of a file some bytes are found. */
static size_t found_in(const char *path, struct slice what)
{
    struct buf b = {0};
    size_t n = 0;
    if (access(path, F_OK) != 0)
        return 0;
    slurp(path, &b);
    const uint8_t *p = b.p;
    while (p != NULL && b.n > 0) {
        p = memmem(p, b.n - (size_t)(p - b.p), what.p, what.n);
        n += p != NULL;
        p = p != NULL ? p + 1 : NULL;
    }
    buf_fini(&b);
    return n;
}

/* ---- what is told of a key ---- */

static void
a_key_is_named_by_its_id_and_the_hash_of_what_lay_there(void **state)
{
    struct world *w = *state;
    int64_t seq;
    struct id person = add_person(w, &seq);
    struct key_gone *named, *gone;
    size_t n;
    ok(store_keys_of(w->s, person, &named, &n));
    assert_int_equal(n, 2); /* the master key, and the quarter's */
    assert_int_equal(named[0].quarter, MASTER_QUARTER);
    assert_int_equal(named[1].quarter, quarter_of(NOON_MS));
    assert_int_equal(destroy(w, person, &gone), 2);
    assert_memory_equal(named, gone, 2 * sizeof(*gone));
    assert_memory_not_equal(gone[0].id, gone[1].id, KEY_ID_BYTES);
    free(named);
    free(gone);
    assert_int_equal(destroy(w, person, &gone), 0);
    free(gone);
}

static void one_quarter_goes_and_the_others_stay(void **state)
{
    struct world *w = *state;
    int64_t old;
    struct id person = add_person(w, &old);
    struct stored_event e = event_of(person, CANARY);
    e.accepted_ms += 100 * 86400000ull;
    ok(store_begin(w->s));
    ok(put(w->s, &e));
    ok(store_commit(w->s));
    struct key_name one = {person, quarter_of(NOON_MS)};
    struct key_gone *gone;
    struct handle *handles;
    size_t n;
    ok(store_keys_destroy(w->s, &one, 1, &gone, &n));
    assert_int_equal(n, 1);
    free(gone);
    world_reopen(w);
    assert_false(readable(w, old));
    assert_true(readable(w, e.seq));
    ok(store_person_handles(w->s, person, &handles, &n));
    assert_int_equal(n, 1);
    free(handles);
    stored_event_fini(&e);
}

static void with_the_master_key_the_handles_go(void **state)
{
    struct world *w = *state;
    int64_t seq;
    struct id person = add_person(w, &seq), other = add_person(w, &seq);
    struct key_gone *gone;
    struct handle *handles;
    size_t n;
    assert_int_equal(destroy(w, person, &gone), 2);
    free(gone);
    ok(store_person_handles(w->s, person, &handles, &n));
    assert_int_equal(n, 0);
    free(handles);
    ok(store_person_handles(w->s, other, &handles, &n));
    assert_int_equal(n, 1);
    free(handles);
}

static void keys_end_in_no_transaction(void **state)
{
    struct world *w = *state;
    int64_t seq;
    struct id person = add_person(w, &seq);
    struct key_name all = {person, KEY_EVERY};
    struct key_gone *gone;
    size_t n;
    bool done;
    ok(store_begin(w->s));
    assert_int_equal(store_keys_destroy(w->s, &all, 1, &gone, &n), ERR_STATE);
    assert_int_equal(store_keys_rotate(w->s, &done), ERR_STATE);
    ok(store_commit(w->s));
    assert_true(readable(w, seq));
}

/* ---- nothing is left of them ---- */

#define MANY 400

static void no_wrapped_byte_is_left_in_a_file(void **state)
{
    struct world *w = *state;
    struct id person[MANY];
    struct dek row[MANY];
    char wal[112], shm[112];
    int64_t seq;
    bool found;
    memset(row, 0, sizeof(row));
    snprintf(wal, sizeof(wal), "%s-wal", w->ring_db);
    snprintf(shm, sizeof(shm), "%s-shm", w->ring_db);
    for (size_t i = 0; i < MANY; i++) {
        person[i] = add_person(w, &seq);
        ok(sql_row(w->s, SQL_DEK_OF, WITH(v_id(&person[i])), &found));
        dek_read(w->s, SQL_DEK_OF, &row[i]);
        sql_abandon(w->s, SQL_DEK_OF);
    }
    for (size_t i = 0; i < MANY; i += 3) {
        struct key_gone *gone;
        assert_int_equal(destroy(w, person[i], &gone), 2);
        free(gone);
        struct slice wrapped = buf_slice(&row[i].wrapped);
        assert_int_equal(found_in(w->ring_db, wrapped) +
                             found_in(wal, wrapped) + found_in(shm, wrapped),
                         0);
    }
    for (size_t i = 0; i < MANY; i++) {
        size_t n = found_in(w->ring_db, buf_slice(&row[i].wrapped));
        assert_true(i % 3 == 0 ? n == 0 : n > 0);
        buf_fini(&row[i].wrapped);
    }
}

static void what_is_still_there_is_told(void **state)
{
    struct world *w = *state;
    int64_t seq;
    struct id person = add_person(w, &seq);
    struct key_gone *gone;
    size_t n;
    add_person(w, &seq);
    store_close(&w->s);
    /* a copy that should not be */
    outside_sql_in(w->ring_db, "CREATE TABLE stray AS SELECT wrapped FROM dek");
    ok(world_open(w));
    struct key_name all = {person, KEY_EVERY};
    assert_int_equal(store_keys_destroy(w->s, &all, 1, &gone, &n),
                     ERR_ERASE_REMAINS);
    assert_null(gone);
}

/* ---- copies put back ---- */

static void data_keyring_and_kek_together_give_service(void **state)
{
    struct world *w = *state;
    char data[112], ring[112];
    int64_t seq;
    add_person(w, &seq);
    snprintf(data, sizeof(data), "%s/a", w->dir);
    snprintf(ring, sizeof(ring), "%s/b", w->dir);
    ok(store_backup(w->s, COPY_DATA, data));
    ok(store_backup(w->s, COPY_KEYRING, ring));
    store_close(&w->s);
    copy_file(data, w->db);
    copy_file(ring, w->ring_db);
    ok(world_open(w));
    assert_true(readable(w, seq));
    add_person(w, &seq);
    assert_true(readable(w, seq));
}

static void an_old_keyring_does_not_bring_back_what_was_erased(void **state)
{
    struct world *w = *state;
    char old[112], sql[96];
    int64_t gone_seq, kept_seq;
    struct id person = add_person(w, &gone_seq);
    struct key_gone *gone;
    add_person(w, &kept_seq);
    snprintf(old, sizeof(old), "%s/old", w->dir);
    ok(store_backup(w->s, COPY_KEYRING, old));
    destroy(w, person, &gone);
    free(gone);
    rotate(w);
    assert_false(readable(w, gone_seq));
    assert_true(readable(w, kept_seq));
    store_close(&w->s);
    copy_file(old, w->ring_db);
    world_refuses(w, ERR_STORE_OPEN);
    assert_non_null(strstr((char *)w->why.p, "epoch 1 is missing"));
    /* nor when it is made to look like the newest */
    snprintf(sql, sizeof(sql), "UPDATE kek SET epoch=2;UPDATE dek SET epoch=2");
    outside_sql_in(w->ring_db, sql);
    world_refuses(w, ERR_STORE_OPEN);
    assert_non_null(strstr((char *)w->why.p, "does not open"));
}

static void the_data_alone_opens_nothing(void **state)
{
    struct world *w = *state;
    char kek[112];
    int64_t seq;
    add_person(w, &seq);
    store_close(&w->s);
    assert_int_equal(seen_on_disk(w, CANARY), 0);
    snprintf(kek, sizeof(kek), "%s/elsewhere", w->dir);
    assert_int_equal(rename(w->ring, kek), 0);
    world_refuses(w, ERR_STORE_OPEN);
    assert_non_null(strstr((char *)w->why.p, "missing"));
    assert_int_not_equal(access(w->ring_db, F_OK), 0);
}

static void the_keyring_of_another_store_is_refused(void **state)
{
    struct world *w = *state;
    int64_t seq;
    add_person(w, &seq);
    store_close(&w->s);
    outside_sql_in(w->ring_db, "UPDATE ring SET ring = randomblob(16)");
    world_refuses(w, ERR_STORE_OPEN);
    assert_non_null(strstr((char *)w->why.p, "another store"));
}

static void an_older_keyring_is_refused_unless_that_is_said(void **state)
{
    struct world *w = *state;
    char old[112];
    int64_t first, lost;
    add_person(w, &first);
    snprintf(old, sizeof(old), "%s/old", w->dir);
    ok(store_backup(w->s, COPY_KEYRING, old));
    struct id person = add_person(w, &lost);
    store_close(&w->s);
    copy_file(old, w->ring_db);
    world_refuses(w, ERR_STORE_OPEN);
    assert_non_null(strstr((char *)w->why.p, "older"));
    w->accept_older_keyring = true;
    ok(world_open(w));
    assert_true(readable(w, first));
    assert_false(readable(w, lost));
    /* the person is served again, with a new handle */
    uint8_t handle[16];
    struct stored_event e = event_of(person, CANARY);
    ok(store_begin(w->s));
    ok(store_person_handle(w->s, person, NOON_MS, handle));
    ok(put(w->s, &e));
    ok(store_commit(w->s));
    assert_true(readable(w, e.seq));
    stored_event_fini(&e);
    w->accept_older_keyring = false;
    world_reopen(w);
}

static size_t handles_of(struct world *w, struct id person)
{
    struct handle *all;
    size_t n;
    ok(store_person_handles(w->s, person, &all, &n));
    free(all);
    return n;
}

/* A new key takes a lost one's place: what lay under that is gone, which is no
 * damage that stops the hub. */
static void what_lay_under_a_lost_key_is_gone_and_not_damaged(void **state)
{
    struct world *w = *state;
    char old[112];
    int64_t first, lost;
    uint8_t handle[16], subject[ID_BYTES];
    struct id found;
    bool there;
    add_person(w, &first);
    snprintf(old, sizeof(old), "%s/old", w->dir);
    ok(store_backup(w->s, COPY_KEYRING, old));
    struct id person = add_person(w, &lost);
    ok(store_begin(w->s));
    ok(store_subject_new(w->s, person, NOON_MS, subject));
    ok(store_commit(w->s));
    store_close(&w->s);
    copy_file(old, w->ring_db);
    w->accept_older_keyring = true;
    ok(world_open(w));
    w->accept_older_keyring = false;
    struct stored_event e = event_of(person, CANARY);
    ok(store_begin(w->s));
    ok(store_person_handle(w->s, person, NOON_MS + 100 * DAY_MS, handle));
    ok(put(w->s, &e)); /* the same quarter again */
    ok(store_subject_new(w->s, person, NOON_MS, handle));
    ok(store_commit(w->s));
    assert_true(readable(w, e.seq));
    assert_false(readable(w, lost));
    assert_true(readable(w, first));
    assert_int_equal(handles_of(w, person), 1);
    ok(store_subject_find(w->s, subject, NOON_MS, &there, &found));
    assert_false(there);
    stored_event_fini(&e);
}

static void put_token(struct world *w, struct id person, uint8_t token[16])
{
    memset(token, 7, 16);
    ok(store_begin(w->s));
    ok(store_token_put(w->s, HOSPITAL, TOKEN_PERSON, token, person));
    ok(store_commit(w->s));
}

/* An older hub.db under the newest keyring does not know of the erasure. */
static void who_was_erased_stays_so_in_an_older_copy_of_the_data(void **state)
{
    struct world *w = *state;
    char old[112];
    int64_t gone_seq, kept_seq;
    uint8_t token[16];
    struct key_gone *gone;
    struct person_facts about;
    struct id found;
    bool there;
    struct id person = add_person(w, &gone_seq);
    struct id other = add_person(w, &kept_seq);
    put_token(w, person, token);
    snprintf(old, sizeof(old), "%s/old", w->dir);
    ok(store_backup(w->s, COPY_DATA, old));
    destroy(w, person, &gone);
    free(gone);
    rotate(w);
    store_close(&w->s);
    copy_file(old, w->db);
    w->accept_rollback = true;
    ok(world_open(w));
    assert_false(readable(w, gone_seq));
    assert_true(readable(w, kept_seq));
    assert_int_equal(store_person(w->s, person, &about), ERR_NOT_FOUND);
    ok(store_token_find(w->s, HOSPITAL, TOKEN_PERSON, token, &there, &found));
    assert_false(there);
    assert_int_equal(handles_of(w, other), 1);
    struct taken_order o = {0};
    ok(store_order_next(w->s, (struct id){{0}}, &o, &there));
    assert_false(there);
    assert_int_equal(found_in(w->db, slice_of(person.b, ID_BYTES)), 0);
}

static void no_copy_holds_what_wraps_the_keys(void **state)
{
    struct world *w = *state;
    struct buf kek = {0};
    char data[112], ring[112];
    uint8_t raw[KEY_BYTES];
    int64_t seq;
    add_person(w, &seq);
    snprintf(data, sizeof(data), "%s/a", w->dir);
    snprintf(ring, sizeof(ring), "%s/b", w->dir);
    ok(store_backup(w->s, COPY_DATA, data));
    ok(store_backup(w->s, COPY_KEYRING, ring));
    slurp(w->kek_file, &kek);
    struct slice hex = slice_of(kek.p + kek.n - 1 - 2 * KEY_BYTES, 64);
    char digits[2 * KEY_BYTES + 1] = {0};
    memcpy(digits, hex.p, hex.n);
    ok(hex_decode(digits, raw, KEY_BYTES));
    struct slice bytes = slice_of(raw, KEY_BYTES);
    assert_int_equal(found_in(w->kek_file, hex), 1);
    const char *const copies[] = {data, ring, w->db, w->ring_db};
    for (size_t i = 0; i < NELEM(copies); i++)
        assert_int_equal(found_in(copies[i], hex) + found_in(copies[i], bytes),
                         0);
    buf_fini(&kek);
}

/* ---- crashes ---- */

/* Runs body in a child that dies in it; then the store is opened anew. */
static void dies(struct world *w, void (*body)(struct world *w))
{
    int status;
    pid_t pid = fork_child();
    if (pid == 0) {
        ok(world_open(w));
        body(w);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
}

static int die(void *ctx)
{
    (void)ctx;
    raise(SIGKILL);
    return 0;
}

static void die_in_the_hubs_commit(struct world *w)
{
    ok(store_begin(w->s));
    new_event(w->s, new_person(w->s));
    sqlite3_commit_hook(w->s->db, die, NULL);
    ok(store_commit(w->s));
}

static size_t count_keys(struct world *w)
{
    struct key_name k = {{{0}}, 0};
    bool found = true;
    size_t n = 0;
    while (found) {
        ok(store_keys_next(w->s, &k, &found));
        n += found;
    }
    return n;
}

static void a_key_without_its_payload_harms_nothing(void **state)
{
    struct world *w = *state;
    int64_t seq;
    add_person(w, &seq);
    size_t keys = count_keys(w);
    store_close(&w->s);
    dies(w, die_in_the_hubs_commit);
    ok(world_open(w));
    assert_int_equal(count_keys(w), keys + 1); /* it was there first */
    assert_true(readable(w, seq));
    assert_int_equal(counts(w->s).events, 1);
    add_person(w, &seq);
    world_reopen(w);
    assert_true(readable(w, seq));
}

static void an_event_taken_back_leaves_the_others_their_keys(void **state)
{
    struct world *w = *state;
    struct id person;
    ok(store_begin(w->s));
    person = new_person(w->s);
    ok(store_mark(w->s));
    new_event(w->s, person);
    ok(store_undo(w->s));
    int64_t seq = new_event(w->s, person);
    ok(store_commit(w->s));
    world_reopen(w);
    struct stored_event e;
    ok(store_event_get(w->s, seq, &e));
    assert_false(e.erased);
    stored_event_fini(&e);
}

static void a_transaction_taken_back_takes_its_keys_along(void **state)
{
    struct world *w = *state;
    struct key_gone *all;
    size_t n;
    ok(store_begin(w->s));
    struct id person = new_person(w->s);
    new_event(w->s, person);
    store_abort(w->s);
    ok(store_keys_of(w->s, person, &all, &n));
    assert_int_equal(n, 0);
    free(all);
}

/* The n-th step of a rotation is the last: before and after each change of a
 * file, and before and after each commit. */
static int steps_left;
static void one_step(void)
{
    if (steps_left-- == 0)
        raise(SIGKILL);
}

static enum err new_epoch_or_die(void *kek, uint32_t epoch)
{
    one_step();
    enum err e = KEK_FILES.new_epoch(kek, epoch);
    one_step();
    return e;
}

static enum err destroy_or_die(void *kek, uint32_t epoch)
{
    one_step();
    enum err e = KEK_FILES.destroy(kek, epoch);
    one_step();
    return e;
}

static int commit_or_die(void *ctx)
{
    (void)ctx;
    one_step();
    return 0;
}

/* Rotates until it dies at the given step; exits 0 when it did not. */
static void rotate_or_die(struct world *w)
{
    struct kek_provider mortal = KEK_FILES;
    mortal.new_epoch = new_epoch_or_die;
    mortal.destroy = destroy_or_die;
    w->s->keys->provider = &mortal;
    sqlite3_commit_hook(w->s->ring_db, commit_or_die, NULL);
    bool done = false;
    while (!done) {
        ok(store_keys_rotate(w->s, &done));
        one_step();
    }
    _exit(0);
}

static size_t kek_files(const struct world *w)
{
    char path[128];
    size_t n = 0;
    for (unsigned i = 0; i < 64; i++) {
        snprintf(path, sizeof(path), "%s/epoch-%u.kek", w->kek, i);
        n += access(path, F_OK) == 0;
    }
    return n;
}

/* The keyring lists the epoch in use and no other. */
static bool one_epoch(struct world *w)
{
    bool more;
    ok(sql_row(w->s, SQL_KEK_ALL, WITH_NOTHING, &more));
    bool one = more && col_int(w->s, SQL_KEK_ALL, 0) == store_keys_epoch(w->s);
    if (more)
        ok(sql_next(w->s, SQL_KEK_ALL, &more));
    sql_abandon(w->s, SQL_KEK_ALL);
    return one && !more;
}

static void a_rotation_may_stop_at_every_step(void **state)
{
    struct world *w = *state;
    int64_t seq[3];
    int steps = 0, status = 1;
    for (size_t i = 0; i < NELEM(seq); i++)
        add_person(w, &seq[i]);
    store_close(&w->s);
    for (; status != 0; steps++) {
        pid_t pid = fork_child();
        if (pid == 0) {
            ok(world_open(w));
            steps_left = steps;
            rotate_or_die(w);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        ok(world_open(w));
        assert_int_equal(kek_files(w), 1);
        assert_true(one_epoch(w));
        for (size_t i = 0; i < NELEM(seq); i++)
            assert_true(readable(w, seq[i]));
        store_close(&w->s);
    }
    assert_true(steps > 8); /* it died at all of them */
    ok(world_open(w));
}

/* Nobody waits in an emergency because a bit of one key has flipped. */
static void one_damaged_key_does_not_stop_the_others(void **state)
{
    struct world *w = *state;
    int64_t seq[3];
    struct stored_event e;
    for (size_t i = 0; i < NELEM(seq); i++)
        add_person(w, &seq[i]);
    for (int again = 0; again < 2; again++) {
        store_close(&w->s);
        outside_sql_in(w->ring_db,
                       "UPDATE dek SET wrapped = zeroblob(length(wrapped))"
                       " WHERE person = (SELECT min(person) FROM dek)");
        ok(world_open(w));
        size_t lost = 0;
        for (size_t i = 0; i < NELEM(seq); i++) {
            enum err got = store_event_get(w->s, seq[i], &e);
            lost += got == ERR_INTEGRITY;
            if (got == ERR_OK)
                stored_event_fini(&e);
        }
        assert_int_equal(lost, 1);
        rotate(w);
    }
}

static void keys_made_during_a_rotation_are_of_the_new_epoch(void **state)
{
    struct world *w = *state;
    int64_t before, during;
    bool done;
    add_person(w, &before);
    for (int i = 0; i < 5000; i++) { /* more than one slice */
        ok(store_begin(w->s));
        new_event(w->s, new_person(w->s));
        ok(store_commit(w->s));
    }
    ok(store_keys_rotate(w->s, &done));
    assert_false(done);
    assert_int_equal(store_keys_epoch(w->s), 2);
    add_person(w, &during);
    assert_int_equal(kek_files(w), 2);
    rotate(w);
    assert_int_equal(kek_files(w), 1);
    world_reopen(w);
    assert_true(readable(w, before));
    assert_true(readable(w, during));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_OPEN_WORLD(a_key_is_named_by_its_id_and_the_hash_of_what_lay_there),
        IN_OPEN_WORLD(one_quarter_goes_and_the_others_stay),
        IN_OPEN_WORLD(with_the_master_key_the_handles_go),
        IN_OPEN_WORLD(keys_end_in_no_transaction),
        IN_OPEN_WORLD(no_wrapped_byte_is_left_in_a_file),
        IN_OPEN_WORLD(what_is_still_there_is_told),
        IN_OPEN_WORLD(data_keyring_and_kek_together_give_service),
        IN_OPEN_WORLD(an_old_keyring_does_not_bring_back_what_was_erased),
        IN_OPEN_WORLD(the_data_alone_opens_nothing),
        IN_OPEN_WORLD(the_keyring_of_another_store_is_refused),
        IN_OPEN_WORLD(an_older_keyring_is_refused_unless_that_is_said),
        IN_OPEN_WORLD(what_lay_under_a_lost_key_is_gone_and_not_damaged),
        IN_OPEN_WORLD(who_was_erased_stays_so_in_an_older_copy_of_the_data),
        IN_OPEN_WORLD(no_copy_holds_what_wraps_the_keys),
        IN_OPEN_WORLD(a_key_without_its_payload_harms_nothing),
        IN_OPEN_WORLD(an_event_taken_back_leaves_the_others_their_keys),
        IN_OPEN_WORLD(a_transaction_taken_back_takes_its_keys_along),
        IN_OPEN_WORLD(a_rotation_may_stop_at_every_step),
        IN_OPEN_WORLD(one_damaged_key_does_not_stop_the_others),
        IN_OPEN_WORLD(keys_made_during_a_rotation_are_of_the_new_epoch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
