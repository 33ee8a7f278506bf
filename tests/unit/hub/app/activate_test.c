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

static void a_pack_altered_in_the_store_is_no_policy(void **state)
{
    static const char *const HOW[] = {
        "UPDATE policy_pack SET pack = CAST(pack || version AS BLOB)",
        "UPDATE policy_pack SET version = 99", /* a whole one, not the log's */
        "UPDATE policy_pack SET leaf = 1",
    };
    struct region *r = *state;
    char *db = region_path(r, "data/hub.db"), *kept = region_path(r, "kept");
    region_stop(r);
    run_command("cp", db, kept);
    for (size_t i = 0; i < NELEM(HOW); i++) {
        struct buf why = {0};
        run_command("cp", kept, db);
        run_command("sqlite3", db, HOW[i]);
        log_open("test", 0);
        assert_int_not_equal(region_try(r, &why), ERR_OK);
        log_open("test", LOG_ERROR);
        assert_non_null(strstr((char *)why.p, "pack in the store"));
        region_stop(r);
        buf_fini(&why);
    }
    free(db);
    free(kept);
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
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
