/* activate_test.c - another policy comes into force: signed by two, whole or
 * not at all, at once, and in the log. */
#include "tests/unit/hub/app/region.h"

#define P1 "WO-4931000014"
#define BIT(c) class_bit(PB__DATA_CLASS__##c)

/* Replaces the first `from` in a policy file. */
static void edit(struct region *r, const char *file, const char *from,
                 const char *to)
{
    char name[64];
    struct buf old = {0}, new = {0};
    snprintf(name, sizeof(name), "policy/%s", file);
    char *path = region_path(r, name);
    assert_int_equal(file_read(path, 1 << 20, &old), ERR_OK);
    char *at = strstr((char *)old.p, from);
    assert_non_null(at);
    buf_add(&new, old.p, (size_t)(at - (char *)old.p));
    buf_adds(&new, to);
    buf_adds(&new, at + strlen(from));
    assert_int_equal(file_replace(path, buf_slice(&new), 0600), ERR_OK);
    buf_fini(&old);
    buf_fini(&new);
    free(path);
}

/* What the command line is told: "" or a code, json owned. */
static const char *ask_activate(struct region *r, char **json)
{
    char *folder = region_path(r, "policy");
    log_open("test", 0);
    const char *code = control(r, "policy-activate", "folder", folder, json);
    log_open("test", LOG_ERROR);
    free(folder);
    return code;
}

/* Signs what is there by both, and activates it. */
static void activate(struct region *r)
{
    char *json = NULL;
    region_sign(r, 2);
    assert_string_equal(ask_activate(r, &json), "");
    free(json);
}

/* Refused with a code and a word about what to do; nothing is changed. */
static void refused(struct region *r, const char *code, const char *word)
{
    char *json = NULL;
    const struct policy *before = r->hub->policy;
    uint64_t size = store_log_size(r->hub->store);
    assert_string_equal(ask_activate(r, &json), code);
    assert_non_null(json);
    if (strstr(json, word) == NULL)
        fail_msg("%s: no %s", json, word);
    assert_ptr_equal(r->hub->policy, before);
    assert_int_equal(store_log_size(r->hub->store), size);
    free(json);
}

static void one_signature_alone_is_refused(void **state)
{
    struct region *r = *state;
    edit(r, "vocab.tsv", "statutory filing", "statutory  filing");
    refused(r, "E-POL-008", "vocab.tsv"); /* the old signatures */
    region_sign(r, 0);
    refused(r, "E-POL-006", "0 of 2");
    region_sign(r, 1);
    refused(r, "E-POL-006", "1 of 2");
    region_sign(r, 2);
    char *json = NULL;
    assert_string_equal(ask_activate(r, &json), "");
    free(json);
}

static void an_unsigned_folder_is_refused(void **state)
{
    struct region *r = *state;
    char *path = region_path(r, "policy/" MANIFEST_NAME);
    assert_int_equal(unlink(path), 0);
    refused(r, "E-POL-006", "policy sign");
    free(path);
}

/* The hub waits for no pipe. */
static void a_folder_with_a_pipe_is_refused(void **state)
{
    struct region *r = *state;
    char *path = region_path(r, "policy/rules.tsv");
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkfifo(path, 0600), 0);
    refused(r, "E-IO-001", "rules.tsv");
    free(path);
}

static void an_older_version_is_refused(void **state)
{
    struct region *r = *state;
    refused(r, "E-POL-009", "version 1"); /* the one in force, again */
    activate(r);
    r->pack_version = 0;
    region_sign(r, 2);
    refused(r, "E-POL-009", "above 2");
}

/* Signed by both, and yet not a policy. */
static void bad_tables_change_nothing(void **state)
{
    static const struct {
        const char *file, *from, *to;
    } BAD[] = {
        {"rules.tsv", "LB_CONSENT", "LB_UNHEARD_OF"},
        {"rules.tsv", "ADMISSION_RECORDED", "ADMISSION_INVENTED"},
        {"ceiling.tsv", "G_META", "G_NOTHING"},
        {"minimum.tsv", "purpose\t", "porpoise\t"},
    };
    struct region *r = *state;
    for (size_t i = 0; i < NELEM(BAD); i++) {
        edit(r, BAD[i].file, BAD[i].from, BAD[i].to);
        region_sign(r, 2);
        refused(r, "E-POL-002", BAD[i].file);
        edit(r, BAD[i].file, BAD[i].to, BAD[i].from);
    }
}

static void an_activation_says_who_approved_what(void **state)
{
    struct region *r = *state;
    edit(r, "vocab.tsv", "statutory filing", "statutory  filing");
    activate(r);
    assert_int_equal(count_leaves(r, PB__LEAF_KIND__POLICY_ACTIVATE), 2);
    Pb__AuditLeaf *l = leaf_at(r, r->hub->policy_leaf);
    assert_int_equal(l->kind, PB__LEAF_KIND__POLICY_ACTIVATE);
    assert_int_equal(l->policy_version, 2);
    assert_int_equal(l->n_approved_by, 2);
    assert_memory_equal(l->approved_by[0], "approver/a+", 11);
    assert_memory_equal(l->approved_by[1], "approver/b+", 11);
    assert_memory_equal(l->policy_digest.data, policy_digest(r->hub->policy),
                        32);
    pb__audit_leaf__free_unpacked(l, NULL);
}

static void the_policy_in_force_survives_the_folder(void **state)
{
    struct region *r = *state;
    uint8_t digest[32];
    edit(r, "vocab.tsv", "statutory filing", "statutory  filing");
    activate(r);
    memcpy(digest, policy_digest(r->hub->policy), sizeof(digest));
    edit(r, "rules.tsv", "LB_CONSENT", "LB_UNHEARD_OF");
    region_stop(r);
    region_start(r);
    assert_memory_equal(policy_digest(r->hub->policy), digest, sizeof(digest));
    assert_int_equal(r->hub->policy_version, 2);
    assert_int_equal(count_leaves(r, PB__LEAF_KIND__POLICY_ACTIVATE), 2);
}

/* A hub whose database was altered like this does not start, and says so. */
struct altered {
    const char *how;
    enum err want;
};
static void does_not_start(struct region *r, const struct altered *a, size_t n,
                           const char *says)
{
    char *db = region_path(r, "data/hub.db"), *kept = region_path(r, "kept");
    region_stop(r);
    run_command("cp", db, kept);
    for (size_t i = 0; i < n; i++) {
        struct buf why = {0};
        run_command("cp", kept, db);
        run_command("sqlite3", db, a[i].how);
        log_open("test", 0);
        assert_int_equal(region_try(r, &why), a[i].want);
        log_open("test", LOG_ERROR);
        assert_non_null(strstr((char *)why.p, says));
        region_stop(r);
        buf_fini(&why);
    }
    free(db);
    free(kept);
}

static void a_pack_altered_in_the_store_is_no_policy(void **state)
{
    static const struct altered HOW[] = {
        {"UPDATE policy_pack SET pack = CAST(pack || version AS BLOB)",
         ERR_POL_MANIFEST},
        /* a whole one, not the log's */
        {"UPDATE policy_pack SET version = 99", ERR_INTEGRITY},
        {"UPDATE policy_pack SET leaf = 1", ERR_INTEGRITY},
    };
    does_not_start(*state, HOW, NELEM(HOW), "pack in the store");
}

#define R020                                                                   \
    "R020\t020\tconsent\tpermit\tADMISSION_RECORDED\tP_TRA\t"                  \
    "R_PLAN R_LOCAL\tG_META G_ID G_ADM"

static void what_waits_is_decided_by_the_policy_of_its_release(void **state)
{ /* W-121 W-125 */
    struct region *r = *state;
    struct client *h1 = client(r, "h1"), *p1 = client(r, "p1");
    give(h1, "person", "consent", P1, "P_TRA");
    post_sample(h1, "ADMISSION_RECORDED", "person", "case", P1, "P_TRA");
    assert_int_equal(fetch(p1, LANE_NORMAL), 1);
    /* stricter: less leaves, under a leaf of its own */
    edit(r, "rules.tsv", R020, R020 "-");
    edit(r, "rules.tsv", "G_META G_ID G_ADM-", "G_META G_ADM");
    activate(r);
    client_close(p1);
    assert_int_equal(fetch(client(r, "p1"), LANE_NORMAL), 1);
    assert_int_equal(last_got(p1)->leaf->released, BIT(G_META) | BIT(G_ADM));
    assert_true(p1->got[1].d->release_index > p1->got[0].d->release_index);
}

static void a_policy_grown_generous_releases_no_more(void **state) /* I-4 */
{
    struct region *r = *state;
    struct client *h1 = client(r, "h1"), *p1 = client(r, "p1");
    give(h1, "person", "consent", P1, "P_TRA");
    post_sample(h1, "ADMISSION_RECORDED", "person", "case", P1, "P_TRA");
    edit(r, "rules.tsv", R020, R020 " G_CONTACT");
    edit(r, "minimum.tsv", "ADMISSION_RECORDED\tG_META",
         "ADMISSION_RECORDED\tG_CONTACT G_META");
    activate(r);
    assert_int_equal(fetch(p1, LANE_NORMAL), 1);
    assert_int_equal(last_got(p1)->leaf->released,
                     BIT(G_META) | BIT(G_ID) | BIT(G_ADM));
    assert_int_equal(last_got(p1)->d->withheld, BIT(G_CONTACT) | BIT(G_DX));
    /* what is sent from now on is another matter */
    post_sample(h1, "ADMISSION_RECORDED", "person", "case", P1, "P_TRA");
    assert_int_equal(fetch(p1, LANE_NORMAL), 1);
    assert_true((last_got(p1)->leaf->released & BIT(G_CONTACT)) != 0);
}

static void what_waits_and_lost_its_ground_is_stopped(void **state)
{
    struct region *r = *state;
    struct client *h1 = client(r, "h1");
    char *json = NULL;
    give(h1, "person", "consent", P1, "P_TRA");
    post_sample(h1, "ADMISSION_RECORDED", "person", "case", P1, "P_TRA");
    post_sample(h1, "DISCHARGE_PLANNED", "person", "case", P1, "P_TRA");
    size_t before = count_leaves(r, PB__LEAF_KIND__WITHHELD);
    edit(r, "rules.tsv", "R020\t020\tconsent\tpermit",
         "R020\t020\tconsent\tdeny");
    activate(r);
    turns(r, 20);
    assert_int_equal(count_leaves(r, PB__LEAF_KIND__WITHHELD), before + 1);
    assert_string_equal(control(r, "policy-status", NULL, NULL, &json), "");
    assert_non_null(strstr(json, "\"swept\":true,\"stopped\":1,\"waiting\":1"));
    free(json);
    assert_int_equal(fetch(client(r, "p1"), LANE_NORMAL), 1);
    /* and what is sent from now on */
    post_sample(h1, "ADMISSION_RECORDED", "person", "case", P1, "P_TRA");
    assert_int_equal(fetch(client(r, "p1"), LANE_NORMAL), 0);
}

static void the_pack_in_force_is_given_out_as_it_was_signed(void **state)
{
    struct region *r = *state;
    char *json = NULL;
    edit(r, "rules.tsv", "R020\t020\tconsent\tpermit",
         "R020\t020\tconsent\tdeny");
    activate(r);
    assert_string_equal(control(r, "policy-file", "file", "0", &json), "");
    assert_non_null(strstr(json, "\"name\":\"manifest\""));
    free(json);
    assert_string_equal(control(r, "policy-file", "file", "2", &json), "");
    assert_non_null(strstr(json, "\"name\":\"rules.tsv\""));
    assert_non_null(strstr(json, "R020\\t020\\tconsent\\tdeny"));
    free(json);
    assert_string_equal(control(r, "policy-file", "file", "99", &json),
                        "E-NF-001");
    free(json);
}

/* ---- who approves: the file, held against the table kept ---- */

/* Rows of approvers.tsv by keys: A and B are those of the region. */
enum { A, B, C, D, KEYS };
struct row {
    int key;
    const char *name, *person, *state;
};
#define ROW_A                                                                  \
    {                                                                          \
        A, "approver/a", "架空 花子", "active"                                 \
    }
#define ROW_B                                                                  \
    {                                                                          \
        B, "approver/b", "架空 次郎", "active"                                 \
    }
#define ROW_C                                                                  \
    {                                                                          \
        C, "approver/c", "架空 三郎", "active"                                 \
    }
#define ROW_D                                                                  \
    {                                                                          \
        D, "approver/d", "架空 四郎", "active"                                 \
    }

/* Keys under the names of the rows; A and B under their own. */
static void make_keys(const struct region *r, struct node_keys key[KEYS])
{
    key[A] = r->approver.key[A];
    key[B] = r->approver.key[B];
    keys_make(&key[C], "approver/c");
    keys_make(&key[D], "approver/d");
}

static void write_approvers(const struct region *r,
                            const struct node_keys key[KEYS],
                            const struct row *rows, size_t n)
{
    struct buf t = {0};
    buf_adds(&t, "name\tperson_ja\tsign\tstate\n");
    for (size_t i = 0; i < n; i++) {
        buf_addf(&t, "%s\t%s\t", rows[i].name, rows[i].person);
        buf_add_hex(&t, slice_of(key[rows[i].key].pub.sign, KEY_BYTES));
        buf_addf(&t, "\t%s\n", rows[i].state);
    }
    region_write(r, "approvers.tsv", buf_slice(&t));
    buf_fini(&t);
}
#define APPROVERS(r, key, ...)                                                 \
    write_approvers(r, key, (const struct row[]){__VA_ARGS__},                 \
                    NELEM(((const struct row[]){__VA_ARGS__})))

static void sign_by(struct region *r, const struct node_keys *x,
                    const struct node_keys *y)
{
    const struct approver_pair own = r->approver;
    r->approver = (struct approver_pair){{*x, *y}};
    region_sign(r, 2);
    r->approver = own;
}

static void status_says(struct region *r, const char *what)
{
    char *json = NULL;
    assert_string_equal(control(r, "policy-status", NULL, NULL, &json), "");
    if (strstr(json, what) == NULL)
        fail_msg("%s: no %s", json, what);
    free(json);
}

static void accepted(struct region *r)
{
    char *json = NULL;
    const char *code = ask_activate(r, &json);
    if (code[0] != '\0')
        fail_msg("%s %s", code, json == NULL ? "" : json);
    free(json);
}

static void strangers_written_into_the_file_cannot_activate(void **state)
{
    static const struct {
        struct row rows[4];
        size_t n;
    } TABLES[] = {
        {{ROW_A, ROW_B, ROW_C, ROW_D}, 4},
        {{ROW_C, ROW_D}, 2},
        /* under the names and for the people of the old ones */
        {{{C, "approver/c", "架空 花子", "active"},
          {D, "approver/d", "架空 次郎", "active"}},
         2},
    };
    struct region *r = *state;
    struct node_keys key[KEYS];
    make_keys(r, key);
    for (size_t i = 0; i < NELEM(TABLES); i++) {
        write_approvers(r, key, TABLES[i].rows, TABLES[i].n);
        sign_by(r, &key[C], &key[D]);
        refused(r, "E-POL-006", "0 of 2");
        refused(r, "E-POL-006", "approvers.tsv was changed");
    }
    APPROVERS(r, key, ROW_A, ROW_B, ROW_C, ROW_D);
    sign_by(r, &key[A], &key[C]);
    refused(r, "E-POL-006", "1 of 2");
    sign_by(r, &key[C], &key[D]);
    region_stop(r); /* nor after a restart */
    region_start(r);
    refused(r, "E-POL-006", "approver/c may not approve yet");
}

static void an_old_name_with_another_key_is_a_stranger(void **state)
{
    struct region *r = *state;
    struct node_keys key[KEYS];
    make_keys(r, key);
    keys_make(&key[C], "approver/a");
    keys_make(&key[D], "approver/b");
    APPROVERS(r, key, {C, "approver/a", "架空 花子", "active"},
              {D, "approver/b", "架空 次郎", "active"});
    sign_by(r, &key[C], &key[D]);
    refused(r, "E-POL-006", "0 of 2");
}

static void a_newcomer_counts_after_the_next_activation(void **state)
{
    struct region *r = *state;
    struct node_keys key[KEYS];
    make_keys(r, key);
    status_says(r, "\"approvers\":2,\"approvers_changed\":false");
    APPROVERS(r, key, ROW_A, ROW_B, ROW_C);
    status_says(r, "\"approvers\":2,\"approvers_changed\":true");
    sign_by(r, &key[A], &key[C]);
    refused(r, "E-POL-006", "1 of 2");
    sign_by(r, &key[A], &key[B]);
    accepted(r);
    status_says(r, "\"approvers\":3,\"approvers_changed\":false");
    sign_by(r, &key[A], &key[C]);
    accepted(r);
}

static void a_refused_activation_takes_no_approvers_in(void **state)
{
    struct region *r = *state;
    struct node_keys key[KEYS];
    make_keys(r, key);
    APPROVERS(r, key, ROW_A, ROW_B, ROW_C, ROW_D);
    edit(r, "rules.tsv", "LB_CONSENT", "LB_UNHEARD_OF");
    sign_by(r, &key[A], &key[B]);
    refused(r, "E-POL-002", "rules.tsv");
    edit(r, "rules.tsv", "LB_UNHEARD_OF", "LB_CONSENT");
    sign_by(r, &key[C], &key[D]);
    refused(r, "E-POL-006", "0 of 2");
}

static void a_revoked_approver_stops_at_once(void **state)
{
    struct region *r = *state;
    struct node_keys key[KEYS];
    make_keys(r, key);
    APPROVERS(r, key, ROW_A, {B, "approver/b", "架空 次郎", "revoked"});
    status_says(r, "\"approvers\":1,");
    sign_by(r, &key[A], &key[B]);
    refused(r, "E-POL-006", "approver/b may not approve any more");
    APPROVERS(r, key, ROW_A, ROW_C); /* the row struck out */
    sign_by(r, &key[A], &key[B]);
    refused(r, "E-POL-006", "1 of 2");
    APPROVERS(r, key, ROW_A, ROW_B); /* and back */
    accepted(r);
}

static void one_person_renamed_in_the_file_is_no_second_one(void **state)
{
    struct region *r = *state;
    struct node_keys key[KEYS];
    make_keys(r, key);
    APPROVERS(r, key, ROW_A, ROW_B, {C, "approver/c", "架空 花子", "active"});
    sign_by(r, &key[A], &key[B]);
    accepted(r);
    status_says(r, "\"approvers\":2,"); /* people, not keys */
    APPROVERS(r, key, ROW_A, ROW_B, ROW_C);
    sign_by(r, &key[A], &key[C]);
    refused(r, "E-POL-006", "1 of 2");
}

static void the_log_names_the_approvers_of_the_next_one(void **state)
{
    struct region *r = *state;
    struct node_keys key[KEYS];
    struct buf text = {0};
    uint8_t sha[32];
    make_keys(r, key);
    APPROVERS(r, key, ROW_A, ROW_B, ROW_C);
    sign_by(r, &key[A], &key[B]);
    accepted(r);
    char *path = region_path(r, "approvers.tsv");
    assert_int_equal(file_read(path, 1 << 20, &text), ERR_OK);
    sha256(buf_slice(&text), sha);
    Pb__AuditLeaf *l = leaf_at(r, r->hub->policy_leaf);
    assert_int_equal(l->approvers_sha256.len, 32);
    assert_memory_equal(l->approvers_sha256.data, sha, 32);
    pb__audit_leaf__free_unpacked(l, NULL);
    buf_fini(&text);
    free(path);
}

static void approvers_altered_in_the_store_stop_the_start(void **state)
{
    static const struct altered HOW[] = {
        /* 16: as long as "policy-approvers" is, alone of the names */
        {"UPDATE value SET value = CAST(value || 1 AS BLOB)"
         " WHERE length(name) = 16",
         ERR_INTEGRITY},
        {"DELETE FROM value WHERE length(name) = 16", ERR_INTEGRITY},
    };
    does_not_start(*state, HOW, NELEM(HOW), "approvers: the table in");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        REGION_TEST(one_signature_alone_is_refused),
        REGION_TEST(an_unsigned_folder_is_refused),
        REGION_TEST(a_folder_with_a_pipe_is_refused),
        REGION_TEST(an_older_version_is_refused),
        REGION_TEST(bad_tables_change_nothing),
        REGION_TEST(an_activation_says_who_approved_what),
        REGION_TEST(the_policy_in_force_survives_the_folder),
        REGION_TEST(the_pack_in_force_is_given_out_as_it_was_signed),
        REGION_TEST(a_pack_altered_in_the_store_is_no_policy),
        REGION_TEST(what_waits_is_decided_by_the_policy_of_its_release),
        REGION_TEST(a_policy_grown_generous_releases_no_more),
        REGION_TEST(what_waits_and_lost_its_ground_is_stopped),
        REGION_TEST(strangers_written_into_the_file_cannot_activate),
        REGION_TEST(an_old_name_with_another_key_is_a_stranger),
        REGION_TEST(a_newcomer_counts_after_the_next_activation),
        REGION_TEST(a_refused_activation_takes_no_approvers_in),
        REGION_TEST(a_revoked_approver_stops_at_once),
        REGION_TEST(one_person_renamed_in_the_file_is_no_second_one),
        REGION_TEST(the_log_names_the_approvers_of_the_next_one),
        REGION_TEST(approvers_altered_in_the_store_stop_the_start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
