/* explain_test.c - the hub gives its reasons: what was decided can be decided
 * again bit for bit, what would pass can be asked before, and what does not
 * pass says what is missing. */
#include "tests/unit/hub/app/region.h"
#include <jansson.h>

#define P1 "WO-4931000014"
#define C1 "HC-492019-01"
#define O1 "OW-HOUSE-49"
#define M1 "LG-492019"
#define H1 "MI-4910100017"

/* Up to eight arguments "key", "value", ..., NULL. */
static void make_ask(const char *what, const char *const *list, struct buf *out)
{
    Pb__Ask a = PB__ASK__INIT;
    Pb__AskArgument arg[8], *args[8];
    a.what = (char *)(uintptr_t)what;
    a.arg = args;
    for (size_t i = 0; list[i] != NULL; i += 2) {
        assert_true(a.n_arg < NELEM(arg));
        pb__ask_argument__init(&arg[a.n_arg]);
        arg[a.n_arg].key = (char *)(uintptr_t)list[i];
        arg[a.n_arg].value = (char *)(uintptr_t)list[i + 1];
        args[a.n_arg] = &arg[a.n_arg];
        a.n_arg++;
    }
    assert_int_equal(pack(&a.base, out), ERR_OK);
}

/* The answer's object, or NULL and its code. */
static json_t *read_answer(struct slice body, const char **code)
{
    ProtobufCMessage *m = NULL;
    json_t *j = NULL;
    assert_int_equal(unpack(&pb__answer__descriptor, body, &m), ERR_OK);
    const Pb__Answer *a = (const Pb__Answer *)m;
    *code = a->code == NULL || a->code[0] == '\0'
                ? ""
                : err_code(err_from_code(a->code));
    if ((*code)[0] == '\0')
        j = json_loads(a->json, JSON_REJECT_DUPLICATES, NULL);
    unpack_free(&m);
    return j;
}

static json_t *ask_hub(struct region *r, const char *what,
                       const char *const *args, const char **code)
{
    char endpoint[160];
    struct frame f;
    struct buf b = {0};
    snprintf(endpoint, sizeof(endpoint), "ipc://%s/control", r->dir);
    void *s = dealer(r, NULL, NULL, endpoint, NULL);
    make_ask(what, args, &b);
    assert_int_equal(frame_send(s, NULL, VERB_ASK, buf_slice(&b)), ERR_OK);
    assert_true(wait_for(r, s, &f, PATIENCE));
    json_t *j = read_answer(f.body, code);
    frame_close(&f);
    buf_fini(&b);
    dealer_close(r, s);
    return j;
}

static json_t *ask_as(struct client *c, const char *what,
                      const char *const *args, const char **code)
{
    struct frame f;
    struct buf b = {0};
    make_ask(what, args, &b);
    client_send(c, LANE_NORMAL, VERB_ASK, buf_slice(&b));
    client_want(c, LANE_NORMAL, VERB_ANSWER, &f);
    json_t *j = read_answer(f.body, code);
    frame_close(&f);
    buf_fini(&b);
    return j;
}

static const char *text(const json_t *j, const char *key)
{
    const char *s = json_string_value(json_object_get(j, key));
    return s != NULL ? s : "";
}

static bool has(const json_t *list, const char *word)
{
    size_t i;
    const json_t *v;
    json_array_foreach(list, i, v)
    {
        if (strcmp(json_string_value(v), word) == 0)
            return true;
    }
    return false;
}

/* ---- replay ---- */

static const char *replay(struct region *r, uint64_t leaf, json_t **j)
{
    char number[24];
    const char *code;
    snprintf(number, sizeof(number), "%llu", (unsigned long long)leaf);
    const char *const args[] = {"leaf", number, NULL};
    *j = ask_hub(r, "replay", args, &code);
    return code;
}

static bool is_decision(struct region *r, uint64_t index)
{
    Pb__AuditLeaf *l = leaf_at(r, index);
    bool is = l->has_asked && l->asked != 0;
    pb__audit_leaf__free_unpacked(l, NULL);
    return is;
}

/* Replays every decision of the log; how many came out as recorded. */
static size_t replay_all(struct region *r, size_t *decisions)
{
    size_t good = 0;
    uint64_t size = store_log_size(r->hub->store);
    *decisions = 0;
    for (uint64_t i = 0; i < size; i++) {
        json_t *j = NULL;
        if (!is_decision(r, i))
            continue;
        ++*decisions;
        const char *code = replay(r, i, &j);
        if (code[0] != '\0')
            fail_msg("leaf %llu: %s", (unsigned long long)i, code);
        if (json_is_true(json_object_get(j, "same")))
            good++;
        json_decref(j);
    }
    return good;
}

static void all_as_recorded(struct region *r, size_t at_least)
{
    size_t n, good = replay_all(r, &n);
    assert_int_equal(good, n);
    if (n < at_least)
        fail_msg("only %zu decisions", n);
}

/* Decisions of many kinds: by law, by consent, in several roles, in part,
 * refused, and as an event of the hub's own. */
static void a_busy_day(struct region *r)
{
    struct client *h1 = client(r, "h1");
    post_sample(h1, "FILING_SUBMITTED", "person", "filing", C1, "P_FIL");
    post_sample(h1, "ADMISSION_RECORDED", "person", "case", P1, "P_TRA");
    give(h1, "person", "consent", P1, "P_TRA");
    give(h1, "person", "house", O1, "P_TRA");
    give(h1, "person", "muni", M1, "P_ADM");
    post_sample(h1, "ADMISSION_RECORDED", "person", "case", P1, "P_TRA");
    post_sample(h1, "ADMISSION_RECORDED", "person", "case", M1, "P_ADM");
    post_sample(h1, "ADMISSION_RECORDED", "person", "case", O1, "P_TRA");
    post_sample(h1, "DISCHARGE_PLANNED", "person", "case", O1, "P_TRA");
    post_sample(h1, "DISCHARGE_PLANNED", "person", "case", P1, "P_TRA");
    fetch(client(r, "p1"), LANE_NORMAL);
    fetch(client(r, "o1"), LANE_NORMAL);
    fetch(client(r, "c1"), LANE_NORMAL);
}

static void every_decision_is_reproduced(void **state)
{
    struct region *r = *state;
    a_busy_day(r);
    all_as_recorded(r, 10);
}

static void a_consent_taken_back_later_changes_no_past(void **state)
{
    struct region *r = *state;
    struct client *h1 = client(r, "h1");
    a_busy_day(r);
    assert_string_equal(withdraw(h1, "person", "consent"), "");
    assert_string_equal(withdraw(h1, "person", NULL), "");
    turns(r, 20);
    post_sample(h1, "ADMISSION_RECORDED", "person", "case", P1, "P_TRA");
    give(h1, "person", "again", P1, "P_TRA");
    post_sample(h1, "ADMISSION_RECORDED", "person", "case", P1, "P_TRA");
    all_as_recorded(r, 14);
}

/* Activates the pack with one edit of its rules. */
static void activate(struct region *r, const char *from, const char *to)
{
    struct buf old = {0}, new = {0};
    const char *code;
    char *path = region_path(r, "policy/rules.tsv");
    char *folder = region_path(r, "policy");
    assert_int_equal(file_read(path, 1 << 20, &old), ERR_OK);
    char *at = strstr((char *)old.p, from);
    assert_non_null(at);
    buf_add(&new, old.p, (size_t)(at - (char *)old.p));
    buf_adds(&new, to);
    buf_adds(&new, at + strlen(from));
    assert_int_equal(file_replace(path, buf_slice(&new), 0600), ERR_OK);
    region_sign(r, 2);
    const char *const args[] = {"folder", folder, NULL};
    json_t *j = ask_hub(r, "policy-activate", args, &code);
    assert_string_equal(code, "");
    json_decref(j);
    buf_fini(&old);
    buf_fini(&new);
    free(path);
    free(folder);
}

static void a_new_policy_changes_no_past(void **state)
{
    struct region *r = *state;
    struct client *h1 = client(r, "h1");
    a_busy_day(r);
    activate(r, "R020\t", "R020X\t");
    turns(r, 10);
    post_sample(h1, "ADMISSION_RECORDED", "person", "case", P1, "P_TRA");
    fetch(client(r, "p1"), LANE_NORMAL);
    all_as_recorded(r, 11);
    region_stop(r); /* packs of the past are in the store */
    region_start(r);
    all_as_recorded(r, 11);
}

/* Less is released under a stricter policy, and no more under the old one
 * again, because the delivery was narrowed before. */
static void what_was_narrowed_is_reproduced(void **state)
{
    static const char WIDE[] = "R_PLAN R_LOCAL\tG_META G_ID G_ADM\texisting";
    static const char NARROW[] = "R_PLAN R_LOCAL\tG_META G_ID\texisting";
    struct region *r = *state;
    struct client *p1 = client(r, "p1");
    a_busy_day(r);
    activate(r, WIDE, NARROW);
    client_close(p1);
    assert_true(fetch(client(r, "p1"), LANE_NORMAL) > 0);
    activate(r, NARROW, WIDE);
    client_close(p1);
    assert_true(fetch(client(r, "p1"), LANE_NORMAL) > 0);
    all_as_recorded(r, 14);
}

static void a_reading_is_reproduced(void **state)
{
    struct region *r = *state;
    const char *code;
    char id[ID_TEXT];
    struct id delivery;
    a_busy_day(r);
    struct client *p1 = client(r, "p1");
    assert_int_equal(id_from(pb_slice(last_got(p1)->d->delivery_id), &delivery),
                     ERR_OK);
    id_format(delivery, id);
    const char *const args[] = {"delivery_id", id, "actor",
                                "00112233445566778899aabbccddeeff", NULL};
    json_t *j = ask_as(p1, "read", args, &code);
    assert_string_equal(code, "");
    json_decref(j);
    assert_true(is_decision(r, store_log_size(r->hub->store) - 1));
    all_as_recorded(r, 11);
}

static void a_register_that_was_altered_is_noticed(void **state)
{
    struct region *r = *state;
    size_t n;
    a_busy_day(r);
    char *db = region_path(r, "data/hub.db");
    region_stop(r);
    run_command("sqlite3", db, "UPDATE consent SET classes = 2");
    region_start(r);
    size_t good = replay_all(r, &n);
    assert_true(good < n);
    free(db);
}

static void what_is_no_decision_is_not_found(void **state)
{
    struct region *r = *state;
    json_t *j = NULL;
    assert_string_equal(replay(r, 0, &j), "E-NF-001"); /* an activation */
    assert_string_equal(replay(r, 1 << 20, &j), "E-NF-001");
    const char *code, *const args[] = {"leaf", "-1", NULL};
    assert_null(ask_hub(r, "replay", args, &code));
    assert_string_equal(code, "E-USE-001");
}

/* ---- explain ---- */

/* Sends one event; its id as text. */
static void send_one(struct client *c, const char *type, const char *whom,
                     const char *purpose, char id[ID_TEXT])
{
    struct sent s;
    sent(&s, c, type, NULL, "person", "case");
    sent_to(&s, whom, purpose);
    id_format(s.d.event_id, id);
    post(c, &s);
}

/* The entry of a class in the only decision. */
static const json_t *about(const json_t *j, const char *cls)
{
    size_t i;
    const json_t *v;
    const json_t *d = json_array_get(json_object_get(j, "decisions"), 0);
    json_array_foreach(json_object_get(d, "classes"), i, v)
    {
        if (strcmp(text(v, "class"), cls) == 0)
            return v;
    }
    fail_msg("no %s", cls);
    return NULL;
}

static json_t *explain(struct region *r, const char *id, const char *to)
{
    const char *code, *const args[] = {"event_id", id, "to", to, NULL};
    json_t *j = ask_hub(r, "explain", args, &code);
    assert_string_equal(code, "");
    return j;
}

static void what_is_withheld_says_what_is_missing(void **state)
{
    struct region *r = *state;
    struct client *h1 = client(r, "h1");
    char id[ID_TEXT];
    send_one(h1, "ADMISSION_RECORDED", P1, "P_TRA", id);
    json_t *j = explain(r, id, P1);
    const json_t *adm = about(j, "G_ADM"), *dx = about(j, "G_DX");
    assert_true(json_is_false(json_object_get(adm, "passes")));
    const json_t *would = json_object_get(adm, "would");
    assert_string_equal(text(would, "rule"), "R020");
    assert_true(has(json_object_get(would, "needs"), "consent"));
    assert_true(has(json_object_get(would, "needs"), "existing"));
    assert_true(has(json_object_get(would, "needs_ja"), "本人の同意"));
    assert_true(json_array_size(json_object_get(would, "needs_en")) == 2);
    assert_null(json_object_get(dx, "would")); /* not needed for this */
    json_decref(j);
}

static void what_passes_names_rule_row_and_article(void **state)
{
    struct region *r = *state;
    struct client *h1 = client(r, "h1");
    char id[ID_TEXT];
    give(h1, "person", "consent", P1, "P_TRA");
    send_one(h1, "ADMISSION_RECORDED", P1, "P_TRA", id);
    json_t *j = explain(r, id, P1);
    const json_t *adm = about(j, "G_ADM");
    assert_true(json_is_true(json_object_get(adm, "passes")));
    assert_string_equal(text(adm, "rule"), "R020");
    assert_string_equal(text(adm, "row"), "020");
    assert_string_equal(text(adm, "basis"), "LB_CONSENT");
    assert_string_not_equal(text(adm, "article"), "");
    assert_string_not_equal(text(adm, "ja"), "");
    json_decref(j);
}

static void a_decision_is_told_in_words(void **state)
{
    struct region *r = *state;
    struct client *h1 = client(r, "h1");
    char id[ID_TEXT];
    send_one(h1, "ADMISSION_RECORDED", P1, "P_TRA", id);
    json_t *j = explain(r, id, P1);
    const json_t *d = json_array_get(json_object_get(j, "decisions"), 0);
    assert_string_equal(text(j, "event_ja"), "入院");
    assert_string_equal(text(d, "purpose_ja"), "地域移行");
    assert_true(has(json_object_get(about(j, "G_ID"), "fields_ja"), "氏名"));
    assert_false(has(json_object_get(about(j, "G_ADM"), "fields_ja"), "氏名"));
    json_decref(j);
}

static void an_agency_that_was_not_meant_needs_a_purpose(void **state)
{
    struct region *r = *state;
    struct client *h1 = client(r, "h1");
    char id[ID_TEXT];
    const char *code;
    send_one(h1, "ADMISSION_RECORDED", P1, "P_TRA", id);
    const char *const bare[] = {"event_id", id, "to", "MI-4960100016", NULL};
    json_decref(ask_hub(r, "explain", bare, &code));
    assert_string_equal(code, "E-NF-001");
    const char *const full[] = {"event_id", id,      "to", "MI-4960100016",
                                "purpose",  "P_TRA", NULL};
    json_decref(ask_hub(r, "explain", full, &code));
    assert_string_equal(code, "");
}

static void a_refusal_reads_like_never_asked(void **state) /* I-13 */
{
    struct region *r = *state;
    struct client *h1 = client(r, "h1");
    char id[ID_TEXT];
    send_one(h1, "ADMISSION_RECORDED", P1, "P_TRA", id);
    json_t *before = explain(r, id, P1);
    give(h1, "person", "other", P1, "P_PD"); /* so that there is a supporter */
    withdraw(h1, "person", "other");
    json_t *after = explain(r, id, P1);
    assert_true(json_equal(about(before, "G_DX"), about(after, "G_DX")));
    assert_true(json_equal(about(before, "G_ADM"), about(after, "G_ADM")));
    json_decref(before);
    json_decref(after);
}

/* ---- preview ---- */

static void hex_token(const char *name, char out[33])
{
    uint8_t token[16];
    struct buf b = {0};
    token_of(token, name);
    buf_add_hex(&b, slice_of(token, 16));
    memcpy(out, b.p, 33);
    buf_fini(&b);
}

static json_t *preview(struct client *c, const char *to, const char *classes,
                       const char **code)
{
    char person[33];
    hex_token("person", person);
    const char *const args[] = {"type",
                                "ADMISSION_RECORDED",
                                "person_token",
                                person,
                                "classes",
                                classes,
                                "to",
                                to,
                                NULL};
    return ask_as(c, "preview", args, code);
}

static void a_preview_says_what_a_receipt_would(void **state)
{
    struct region *r = *state;
    struct client *h1 = client(r, "h1");
    const char *code;
    char mask[24];
    snprintf(mask, sizeof(mask), "%llu",
             (unsigned long long)(class_bit(PB__DATA_CLASS__G_META) |
                                  class_bit(PB__DATA_CLASS__G_ID) |
                                  class_bit(PB__DATA_CLASS__G_ADM) |
                                  class_bit(PB__DATA_CLASS__G_DX)));
    give(h1, "person", "consent", P1, "P_TRA");
    uint64_t size = store_log_size(r->hub->store);
    json_t *j = preview(h1, P1 "|||P_TRA", mask, &code);
    assert_string_equal(code, "");
    const json_t *to = json_array_get(json_object_get(j, "recipient"), 0);
    assert_string_equal(text(to, "agency"), P1);
    assert_true(has(json_object_get(to, "released"), "G_ADM"));
    assert_true(has(json_object_get(to, "withheld"), "G_DX"));
    assert_string_equal(text(to, "rule"), "R020");
    assert_string_not_equal(text(to, "reason_ja"), "");
    json_decref(j);
    /* nothing is kept but that it was asked */
    assert_int_equal(store_log_size(r->hub->store), size + 1);
    Pb__AuditLeaf *l = leaf_at(r, size);
    assert_int_equal(l->kind, PB__LEAF_KIND__READ);
    assert_string_equal(l->phase, "PREVIEW");
    assert_string_equal(l->peer, H1);
    pb__audit_leaf__free_unpacked(l, NULL);
    assert_int_equal(fetch(client(r, "p1"), LANE_NORMAL), 0);
}

static void a_preview_that_makes_no_sense_is_refused(void **state)
{
    static const struct {
        const char *to, *classes, *code;
    } BAD[] = {
        {"WO-4931000014|P_TRA", "2", "E-USE-001"},
        {"WO-9999999999|||P_TRA", "2", "E-EVT-014"},
        {"WO-4931000014|||P_NONE", "2", NULL},
        {"WO-4931000014|||P_TRA", "x", NULL},
        {"WO-4931000014|||P_TRA", "9223372036854775808", NULL},
        {"||||||||", "2", "E-USE-001"},
    };
    struct region *r = *state;
    struct client *h1 = client(r, "h1");
    for (size_t i = 0; i < NELEM(BAD); i++) {
        const char *code;
        json_t *j = preview(h1, BAD[i].to, BAD[i].classes, &code);
        assert_null(j);
        if (code[0] == '\0' ||
            (BAD[i].code != NULL && strcmp(code, BAD[i].code) != 0))
            fail_msg("%s %s: %s", BAD[i].to, BAD[i].classes, code);
    }
    const char *code;
    assert_null(preview(client(r, "p1"), P1 "|||P_TRA", "2", &code));
    assert_string_equal(code, "E-EVT-018"); /* may not send it */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        REGION_TEST(every_decision_is_reproduced),
        REGION_TEST(a_consent_taken_back_later_changes_no_past),
        REGION_TEST(a_new_policy_changes_no_past),
        REGION_TEST(what_was_narrowed_is_reproduced),
        REGION_TEST(a_reading_is_reproduced),
        REGION_TEST(a_register_that_was_altered_is_noticed),
        REGION_TEST(what_is_no_decision_is_not_found),
        REGION_TEST(what_is_withheld_says_what_is_missing),
        REGION_TEST(what_passes_names_rule_row_and_article),
        REGION_TEST(a_decision_is_told_in_words),
        REGION_TEST(an_agency_that_was_not_meant_needs_a_purpose),
        REGION_TEST(a_refusal_reads_like_never_asked),
        REGION_TEST(a_preview_says_what_a_receipt_would),
        REGION_TEST(a_preview_that_makes_no_sense_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
