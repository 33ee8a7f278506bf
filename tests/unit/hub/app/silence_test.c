/* silence_test.c - refused, taken back, never asked, protected and unknown look
 * alike from outside (I-13, W-131): the hub's answers differ in nothing but
 * ids, hashes, times and numbers that every answer has for itself. */
#include "tests/unit/hub/app/region.h"

#define P1 "WO-4931000014"
#define C2 "HC-490008-01"

/* What became of each person; the hospital has a token for every one. */
enum { NEVER_ASKED, REFUSED, TAKEN_BACK, PROTECTED, UNKNOWN, PEOPLE };
static const char *const NAME[PEOPLE] = {"never asked", "refused", "taken back",
                                         "protected", "unknown"};

static void refuse(struct client *c, const char *person, const char *purpose)
{
    Pb__ConsentRefused no = PB__CONSENT_REFUSED__INIT;
    struct sent s;
    no.purpose = (char *)(uintptr_t)purpose;
    sent(&s, c, "CONSENT_REFUSED", &no.base, person, NULL);
    assert_string_equal(post(c, &s), "");
}

static void protect(struct region *r, const char *agency, const char *person)
{
    struct store *s = r->hub->store;
    uint8_t token[16];
    struct id id;
    bool found;
    token_of(token, person);
    assert_int_equal(
        store_token_find(s, agency, TOKEN_PERSON, token, &found, &id), ERR_OK);
    assert_true(found);
    assert_int_equal(store_begin(s), ERR_OK);
    assert_int_equal(store_person_protect(s, id, true), ERR_OK);
    assert_int_equal(store_commit(s), ERR_OK);
}

/* Everybody but the unknown one is known by a filing. */
static void people(struct region *r, struct client *h1)
{
    for (int i = 0; i < UNKNOWN; i++)
        assert_string_equal(post_sample(h1, "FILING_SUBMITTED", NAME[i],
                                        NAME[i], "HC-492019-01", "P_FIL"),
                            "");
    refuse(h1, NAME[REFUSED], "P_TRA");
    refuse(h1, NAME[REFUSED], "P_PD");
    give(h1, NAME[TAKEN_BACK], "consent", P1, "P_TRA");
    withdraw(h1, NAME[TAKEN_BACK], "consent");
    protect(r, h1->agency, NAME[PROTECTED]);
}

/* ---- comparing ---- */

/* A receipt without what is each answer's own. */
static void blank(Pb__Receipt *r, struct buf *out)
{
    assert_true(r->has_time_ms && r->has_leaf_index && r->has_header_sha256);
    memset(r->event_id.data, 0, r->event_id.len);
    memset(r->header_sha256.data, 0, r->header_sha256.len);
    r->time_ms = r->leaf_index = 0;
    assert_int_equal(pack(&r->base, out), ERR_OK);
    receipt_free(&r);
}

static void same(struct buf *all, const char *what)
{
    for (int i = 1; i < PEOPLE; i++) {
        if (!slice_eq(buf_slice(&all[0]), buf_slice(&all[i])))
            fail_msg("%s: %s is told from never asked", what, NAME[i]);
        buf_fini(&all[i]);
    }
    buf_fini(&all[0]);
}

/* ---- sending ---- */

static void send_about(struct client *c, const char *type, const char *person,
                       const char *whom, const char *purpose, struct buf *out)
{
    struct sent s;
    struct buf b = {0};
    char care_case[32];
    snprintf(care_case, sizeof(care_case), "%s %s", type, person);
    sent(&s, c, type, NULL, person, care_case);
    sent_to(&s, whom, purpose);
    sent_pack(&s, &b);
    blank(exchange(c, s.lane, buf_slice(&b), NULL), out);
    buf_fini(&b);
}

static const struct {
    const char *type, *whom, *purpose;
} SENDINGS[] = {
    {"ADMISSION_RECORDED", P1, "P_TRA"},
    {"ADMISSION_RECORDED", "R_PLAN", "P_TRA"}, /* whom consents name */
    {"DISCHARGE_PLANNED", P1, "P_TRA"},
    {"PD_CANDIDATE_NOTIFIED", "HC-492019-01", "P_PD"},
};

static void a_receipt_does_not_tell(void **state)
{
    struct region *r = *state;
    struct client *h1 = client(r, "h1");
    people(r, h1);
    for (size_t k = 0; k < NELEM(SENDINGS); k++) {
        struct buf all[PEOPLE] = {0};
        for (int i = 0; i < PEOPLE; i++)
            send_about(h1, SENDINGS[k].type, NAME[i], SENDINGS[k].whom,
                       SENDINGS[k].purpose, &all[i]);
        same(all, SENDINGS[k].type);
    }
}

/* What is not there cannot be taken back, whoever it is about. */
static void nor_does_a_refusal_of_the_hub(void **state)
{
    struct region *r = *state;
    struct client *h1 = client(r, "h1");
    people(r, h1);
    for (int all_of_them = 0; all_of_them < 2; all_of_them++) {
        struct buf all[PEOPLE] = {0};
        for (int i = 0; i < PEOPLE; i++) {
            Pb__ConsentWithdrawn w = PB__CONSENT_WITHDRAWN__INIT;
            uint8_t ref[16] = {9};
            struct sent s;
            struct buf b = {0};
            w.has_all = w.all = all_of_them;
            w.has_consent_ref = !all_of_them;
            w.consent_ref = (ProtobufCBinaryData){16, ref};
            sent(&s, h1, "CONSENT_WITHDRAWN", &w.base, NAME[i], NULL);
            sent_pack(&s, &b);
            Pb__Receipt *said = exchange(h1, s.lane, buf_slice(&b), NULL);
            assert_string_equal(outcome(said), "E-NF-001");
            blank(said, &all[i]);
            buf_fini(&b);
        }
        same(all, "CONSENT_WITHDRAWN");
    }
}

/* ---- asking ---- */

static void preview(struct client *c, const char *type,
                    const uint8_t person[16], const char *to, struct buf *raw)
{
    struct buf token = {0};
    char classes[24];
    snprintf(classes, sizeof(classes), "%llu",
             (unsigned long long)schema_event_named(type)->class_mask);
    buf_add_hex(&token, slice_of(person, 16));
    client_ask(c, "preview",
               (const char *[]){"type", type, "person_token", (char *)token.p,
                                "classes", classes, "to", to, NULL},
               raw);
    buf_fini(&token);
}

static void a_preview_does_not_tell(void **state)
{
    static const char *const TO[] = {P1 "|||P_TRA", "|R_PLAN||P_TRA",
                                     "HC-492019-01|||P_PD"};
    struct region *r = *state;
    struct client *h1 = client(r, "h1");
    people(r, h1);
    for (size_t k = 0; k < NELEM(TO); k++) {
        struct buf all[PEOPLE] = {0};
        for (int i = 0; i < PEOPLE; i++) {
            uint8_t token[16];
            token_of(token, NAME[i]);
            preview(h1, "ADMISSION_RECORDED", token, TO[k], &all[i]);
        }
        assert_non_null(memmem(all[0].p, all[0].n, "preview/1", 9));
        same(all, TO[k]);
    }
}

/* A planning office holds an admission and asks about the plan of that person:
 * one there is, but not for its eyes; then of a person nobody has heard of. */
static void whether_there_is_a_plan_is_not_told(void **state) /* SC-06 */
{
    struct region *r = *state;
    struct client *h1 = client(r, "h1"), *p1 = client(r, "p1");
    struct buf of_plan = {0}, of_nobody = {0};
    uint8_t nobody[16] = {7};
    assert_string_equal(
        post_sample(h1, "PD_CANDIDATE_NOTIFIED", "person", "plan", C2, "P_PD"),
        "");
    give(h1, "person", "consent", P1, "P_TRA");
    assert_string_equal(post_sample(h1, "ADMISSION_RECORDED", "person",
                                    "admission", P1, "P_TRA"),
                        "");
    assert_int_equal(fetch(p1, LANE_NORMAL), 1);
    assert_true(last_got(p1)->d->has_person_token);
    preview(p1, "PLAN_ISSUED", last_got(p1)->d->person_token.data, P1 "|||P_PD",
            &of_plan);
    preview(p1, "PLAN_ISSUED", nobody, P1 "|||P_PD", &of_nobody);
    assert_true(slice_eq(buf_slice(&of_plan), buf_slice(&of_nobody)));
    buf_fini(&of_plan);
    buf_fini(&of_nobody);
}

/* Cases are for the command line of the hub; a node learns nothing of one. */
static void a_node_cannot_ask_for_cases(void **state)
{
    static const char *const WHAT[] = {"case", "cases", "explain", "parked",
                                       "no such question"};
    struct region *r = *state;
    struct client *p1 = client(r, "p1");
    struct buf first = {0};
    for (size_t i = 0; i < NELEM(WHAT); i++) {
        struct buf raw = {0};
        client_ask(p1, WHAT[i],
                   (const char *[]){
                       "case", "018f0000-0000-7000-8000-000000000000", NULL},
                   i == 0 ? &first : &raw);
        if (i > 0 && !slice_eq(buf_slice(&first), buf_slice(&raw)))
            fail_msg("%s", WHAT[i]);
        buf_fini(&raw);
    }
    buf_fini(&first);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        REGION_TEST(a_receipt_does_not_tell),
        REGION_TEST(nor_does_a_refusal_of_the_hub),
        REGION_TEST(a_preview_does_not_tell),
        REGION_TEST(whether_there_is_a_plan_is_not_told),
        REGION_TEST(a_node_cannot_ask_for_cases),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
