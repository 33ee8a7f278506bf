/* oracle_test.c - what an enrolled node finds out by asking: no more than it
 * was told, and no more than a sender is (I-13). */
#include "tests/unit/hub/app/region.h"
#include <jansson.h>

#define S1 "WO-4911000018"
#define C1 "HC-492019-01"
#define H1 "MI-4910100017"

/* ---- asking ---- */

static void hex(const uint8_t token[16], char out[33])
{
    struct buf b = {0};
    buf_add_hex(&b, slice_of(token, 16));
    memcpy(out, b.p, 32);
    out[32] = '\0';
    buf_fini(&b);
}

/* The answer's object, or NULL and its code. key: whose token it is. */
static json_t *preview(struct client *c, const char *type, const char *key,
                       const uint8_t token[16], const char *to,
                       const char **code)
{
    Pb__Ask a = PB__ASK__INIT;
    Pb__AskArgument arg[4], *args[4];
    char of[33], classes[24];
    struct frame f;
    ProtobufCMessage *m = NULL;
    json_t *j = NULL;
    hex(token, of);
    snprintf(classes, sizeof(classes), "%llu",
             (unsigned long long)schema_event_named(type)->class_mask);
    const char *const list[4][2] = {
        {"type", type}, {key, of}, {"classes", classes}, {"to", to}};
    a.what = (char *)(uintptr_t) "preview";
    a.arg = args;
    for (; a.n_arg < NELEM(arg); a.n_arg++) {
        args[a.n_arg] = &arg[a.n_arg];
        pb__ask_argument__init(args[a.n_arg]);
        args[a.n_arg]->key = (char *)(uintptr_t)list[a.n_arg][0];
        args[a.n_arg]->value = (char *)(uintptr_t)list[a.n_arg][1];
    }
    client_send_message(c, LANE_NORMAL, VERB_ASK, &a.base);
    client_want(c, LANE_NORMAL, VERB_ANSWER, &f);
    assert_int_equal(unpack(&pb__answer__descriptor, f.body, &m), ERR_OK);
    const Pb__Answer *r = (const Pb__Answer *)m;
    *code = r->code != NULL && r->code[0] != '\0'
                ? err_code(err_from_code(r->code))
                : "";
    if ((*code)[0] == '\0')
        j = json_loads(r->json, 0, NULL);
    unpack_free(&m);
    frame_close(&f);
    return j;
}

static json_t *preview_of(struct client *c, const char *type,
                          const char *person, const char *to)
{
    uint8_t token[16];
    const char *code;
    token_of(token, person);
    json_t *j = preview(c, type, "person_token", token, to, &code);
    assert_string_equal(code, "");
    return j;
}

static void places(struct client *c, const char *person, const char *resident)
{
    Pb__PersonPlacesRecorded b = PB__PERSON_PLACES_RECORDED__INIT;
    struct sent s;
    b.resident = (char *)(uintptr_t)resident;
    sent(&s, c, "PERSON_PLACES_RECORDED", &b.base, person, NULL);
    assert_string_equal(post(c, &s), "");
}

/* The receipt of one sample, with what is each answer's own blanked. */
static void receipt_of(struct client *c, const char *type, const char *person,
                       const char *role, const char *purpose, struct buf *out)
{
    struct sent s;
    struct buf b = {0};
    sent(&s, c, type, NULL, person, NULL);
    sent_to(&s, role, purpose);
    sent_pack(&s, &b);
    Pb__Receipt *r = exchange(c, s.lane, buf_slice(&b), NULL);
    memset(r->event_id.data, 0, r->event_id.len);
    memset(r->header_sha256.data, 0, r->header_sha256.len);
    r->time_ms = r->leaf_index = 0;
    assert_int_equal(pack(&r->base, out), ERR_OK);
    receipt_free(&r);
    buf_fini(&b);
}

/* ---- what must not be found out ---- */

/* Who was asked for a bed knows the case by a token and not the person: the
 * answer is that of a sending. */
static void who_was_asked_previews_nothing_of_the_person(void **state)
{
    struct region *r = *state;
    struct client *b1 = client(r, "b1"), *s1 = client(r, "s1");
    uint8_t token[16];
    const char *code;
    struct sent s;
    give(b1, "person", "yes", C1, "P_EMG");
    post_sample(b1, "EMERGENCY_REQUESTED", "person", "night", NULL, NULL);
    post_sample(b1, "EMERGENCY_TRIAGED", "person", "night", NULL, NULL);
    post_sample(b1, "STAY_CANVASS", "person", "night", S1, "P_EMG");
    assert_int_equal(fetch(s1, LANE_URGENT), 1);
    memcpy(token, last_got(s1)->d->case_token.data, 16);
    json_t *j = preview(s1, "EARLY_WARNING", "case_token", token,
                        "|R_HC||P_EMG", &code);
    json_decref(j);
    sent(&s, s1, "EARLY_WARNING", NULL, NULL, "any");
    memcpy(s.case_token, token, 16);
    sent_to(&s, "R_HC", "P_EMG");
    assert_string_equal(post(s1, &s), "E-FLW-004");
    assert_string_equal(code, "E-FLW-004");
}

/* Whom consents name is told for what they let pass, not for what they do
 * not: a wish for a hospital must not tell that there is one. */
static void whom_a_consent_names_is_not_found_by_a_wish(void **state)
{
    struct region *r = *state;
    struct client *p1 = client(r, "p1"), *h1 = client(r, "h1");
    struct buf known = {0}, not = {0};
    give(p1, "patient", "yes", H1, "P_TRA");
    give(p1, "other", "yes", C1, "P_ADM");
    json_t *a = preview_of(p1, "EARLY_WARNING", "patient", "|R_HOSP||P_TRA");
    json_t *b = preview_of(p1, "EARLY_WARNING", "other", "|R_HOSP||P_TRA");
    assert_true(json_equal(a, b));
    json_decref(a);
    json_decref(b);
    receipt_of(p1, "EARLY_WARNING", "patient", "R_HOSP", "P_TRA", &known);
    receipt_of(p1, "EARLY_WARNING", "other", "R_HOSP", "P_TRA", &not );
    assert_true(slice_eq(buf_slice(&known), buf_slice(&not )));
    buf_fini(&known);
    buf_fini(&not );
    (void)h1;
}

/* Nor where a person lives, whose address perhaps is protected. */
static void where_a_person_lives_is_not_found_by_a_wish(void **state)
{
    struct region *r = *state;
    struct client *p1 = client(r, "p1");
    struct buf here = {0}, there = {0};
    places(p1, "here", "49201");
    places(p1, "there", "49301");
    json_t *a = preview_of(p1, "NEEDS_ASSESSED", "here", "|R_HC||P_PD");
    json_t *b = preview_of(p1, "NEEDS_ASSESSED", "there", "|R_HC||P_PD");
    assert_true(json_equal(a, b));
    json_decref(a);
    json_decref(b);
    receipt_of(p1, "NEEDS_ASSESSED", "here", "R_HC", "P_PD", &here);
    receipt_of(p1, "NEEDS_ASSESSED", "there", "R_HC", "P_PD", &there);
    assert_true(slice_eq(buf_slice(&here), buf_slice(&there)));
    buf_fini(&here);
    buf_fini(&there);
}

/* Asked over and over, like events sent over and over. */
static void questions_have_a_rate(void **state)
{
    struct region *r = *state;
    struct client *p1 = client(r, "p1");
    uint8_t token[16];
    const char *code = "";
    r->hub->config.rate = 1;
    r->hub->config.burst = 5;
    token_of(token, "person");
    for (int i = 0; i < 20 && strcmp(code, err_code(ERR_RATE)) != 0; i++)
        json_decref(preview(p1, "EARLY_WARNING", "person_token", token,
                            "|R_HC||P_EMG", &code));
    assert_string_equal(code, err_code(ERR_RATE));
    assert_true(count_leaves(r, PB__LEAF_KIND__READ) <= 6);
}

/* Every decision about a person looks at all entries: nobody may make so many
 * that the hub stands still. A no has room when a consent has none. */
static void a_register_has_an_end(void **state)
{
    struct region *r = *state;
    struct client *h1 = client(r, "h1");
    struct store *st = r->hub->store;
    Pb__ConsentRefused no = PB__CONSENT_REFUSED__INIT;
    struct grant g = {.kind = GRANT_GIVEN, .leaf = 1, .to_count = 1};
    uint8_t token[16];
    struct sent s;
    struct id id;
    bool found;
    assert_string_equal(give(h1, "person", "yes", C1, "P_TRA"), "");
    token_of(token, "person");
    assert_int_equal(
        store_token_find(st, h1->agency, TOKEN_PERSON, token, &found, &id),
        ERR_OK);
    snprintf(g.purpose, sizeof(g.purpose), "P_TRA");
    snprintf(g.to[0].agency, sizeof(g.to[0].agency), C1);
    assert_int_equal(store_begin(st), ERR_OK);
    for (uint16_t i = 1; i < 1000; i++) {
        memcpy(g.ref, &i, sizeof(i));
        assert_int_equal(store_grant_add(st, id, &g), ERR_OK);
    }
    assert_int_equal(store_commit(st), ERR_OK);
    assert_string_equal(give(h1, "person", "more", C1, "P_TRA"), "E-LIM-002");
    no.purpose = (char *)(uintptr_t) "P_TRA";
    sent(&s, h1, "CONSENT_REFUSED", &no.base, "person", NULL);
    assert_string_equal(post(h1, &s), "");
    assert_string_equal(withdraw(h1, "person", NULL), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        REGION_TEST(who_was_asked_previews_nothing_of_the_person),
        REGION_TEST(whom_a_consent_names_is_not_found_by_a_wish),
        REGION_TEST(where_a_person_lives_is_not_found_by_a_wish),
        REGION_TEST(questions_have_a_rate),
        REGION_TEST(a_register_has_an_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
