/* report_test.c - who has seen my data (SC-19): every entry of the log about a
 * person is a line, in words, with a proof; nobody else learns of it. */
#include "hub/core/order.h"
#include "tests/unit/hub/app/region.h"
#include "tsunagi/v1/record.pb-c.h"
#include <jansson.h>
#include <sodium.h>

#define C1 "HC-492019-01"
#define P1 "WO-4931000014"
#define O1 "OW-HOUSE-49"
#define ACTOR "0123456789abcdef0123456789abcdef"
#define PERSON "person_token"

/* ---- asking ---- */

/* The answer's code; *j (may be NULL) its JSON, owned. */
static const char *ask(struct client *c, const char *what,
                       const char *const *words, json_t **j)
{
    struct buf raw = {0};
    ProtobufCMessage *m = NULL;
    client_ask(c, what, words, &raw);
    assert_int_equal(unpack(&pb__answer__descriptor, buf_slice(&raw), &m),
                     ERR_OK);
    const Pb__Answer *a = (const Pb__Answer *)m;
    const char *code = answer_code(a);
    if (j != NULL)
        *j = a->json != NULL ? json_loads(a->json, 0, NULL) : NULL;
    unpack_free(&m);
    buf_fini(&raw);
    return code;
}

static char *hex_of(const uint8_t id[16])
{
    static char text[33];
    sodium_bin2hex(text, sizeof(text), id, 16);
    return text;
}

static char *token_hex(const char *person)
{
    uint8_t token[16];
    token_of(token, person);
    return hex_of(token);
}

static const char *text(const json_t *j, const char *key)
{
    const char *s = json_string_value(json_object_get(j, key));
    return s != NULL ? s : "";
}

static uint64_t number(const json_t *j, const char *key)
{
    return (uint64_t)json_integer_value(json_object_get(j, key));
}

/* While pages are given, this one sends on. */
static struct client *busy;

/* Every line, by as many pages as it takes; *first: the first page (owned). */
static json_t *report(struct client *c, const char *who, const char *hex,
                      json_t **first)
{
    char report_[24], size[24], after[24];
    json_t *rows = json_array(), *page = NULL;
    assert_string_equal(ask(c, "report",
                            (const char *[]){who, hex, "actor", ACTOR,
                                             "identity_checked", "1", NULL},
                            &page),
                        "");
    *first = json_incref(page);
    for (;;) {
        json_array_extend(rows, json_object_get(page, "rows"));
        if (!json_is_true(json_object_get(page, "more")))
            break;
        if (busy != NULL)
            post_sample(busy, "FILING_SUBMITTED", "anna", "meanwhile", C1,
                        "P_FIL");
        snprintf(report_, sizeof(report_), "%" JSON_INTEGER_FORMAT,
                 json_integer_value(json_object_get(*first, "report")));
        snprintf(size, sizeof(size), "%" JSON_INTEGER_FORMAT,
                 json_integer_value(json_object_get(*first, "size")));
        snprintf(after, sizeof(after), "%" JSON_INTEGER_FORMAT,
                 json_integer_value(json_object_get(page, "after")));
        json_decref(page);
        assert_string_equal(
            ask(c, "report",
                (const char *[]){who, hex, "actor", ACTOR, "identity_checked",
                                 "1", "report", report_, "size", size, "after",
                                 after, NULL},
                &page),
            "");
    }
    json_decref(page);
    return rows;
}

/* The only line of a kind. */
static const json_t *line(const json_t *rows, const char *kind)
{
    const json_t *found = NULL;
    size_t i;
    json_t *row;
    json_array_foreach(rows, i, row) if (strcmp(text(row, "kind"), kind) == 0)
    {
        if (found != NULL)
            fail_msg("two lines: %s", kind);
        found = row;
    }
    if (found == NULL)
        fail_msg("no line: %s", kind);
    return found;
}

static void says(const json_t *row, const char *key, const char *what)
{
    if (strstr(text(row, key), what) == NULL)
        fail_msg("%s: %s is not in: %s", key, what, text(row, key));
}

/* ---- the log, counted apart from the index ---- */

static bool about(const Pb__AuditLeaf *l, const struct handle *h, size_t n)
{
    for (size_t i = 0; i < n && l->subject_handle.len == 16; i++)
        if (memcmp(l->subject_handle.data, h[i].b, 16) == 0)
            return true;
    return false;
}

static size_t leaves_about(struct region *r, const char *agency,
                           const char *person, uint64_t below)
{
    uint8_t token[16];
    struct id id;
    bool found;
    struct handle *h;
    size_t n, count = 0;
    token_of(token, person);
    assert_int_equal(store_token_find(r->hub->store, agency, TOKEN_PERSON,
                                      token, &found, &id),
                     ERR_OK);
    assert_true(found);
    assert_int_equal(store_person_handles(r->hub->store, id, &h, &n), ERR_OK);
    for (uint64_t i = 0; i < below; i++) {
        Pb__AuditLeaf *l = leaf_at(r, i);
        count += about(l, h, n);
        pb__audit_leaf__free_unpacked(l, NULL);
    }
    free(h);
    return count;
}

/* ---- proofs ---- */

static size_t unbase64(const char *s, uint8_t *out, size_t max)
{
    size_t n;
    assert_int_equal(sodium_base642bin(out, max, s, strlen(s), NULL, &n, NULL,
                                       sodium_base64_VARIANT_ORIGINAL),
                     0);
    return n;
}

static void proves(struct region *r, const json_t *first, const json_t *row)
{
    struct hash path[PROOF_MAX], leaf;
    struct checkpoint head;
    uint8_t bytes[4096];
    const json_t *list = json_object_get(row, "proof");
    size_t n = json_array_size(list);
    for (size_t i = 0; i < n; i++)
        unbase64(json_string_value(json_array_get(list, i)), path[i].b, 32);
    assert_int_equal(checkpoint_open(slice_str(text(first, "note")), ORIGIN,
                                     r->hub->log_keys.pub.sign, &head),
                     ERR_OK);
    assert_int_equal(head.size, number(first, "size"));
    if (text(row, "bytes")[0] != '\0')
        leaf = proof_leaf(slice_of(
            bytes, unbase64(text(row, "bytes"), bytes, sizeof(bytes))));
    else
        assert_int_equal(unbase64(text(row, "hash"), leaf.b, 32), 32);
    assert_int_equal(proof_check_inclusion(number(row, "leaf"), head.size, leaf,
                                           path, n, head.root),
                     ERR_OK);
}

/* ---- what it says ---- */

/* A filing and a discharge with consent, delivered; a refused admission. */
static void a_life(struct region *r)
{
    struct client *h1 = client(r, "h1");
    assert_string_equal(
        post_sample(h1, "FILING_SUBMITTED", "anna", "filing", C1, "P_FIL"), "");
    post_sample(h1, "FILING_SUBMITTED", "bert", "filing of bert", C1, "P_FIL");
    assert_int_equal(fetch(client(r, "c1"), LANE_NORMAL), 2);
    post_sample(h1, "ADMISSION_RECORDED", "anna", "admission", O1, "P_TRA");
    turns(r, 5);
}

static void
every_entry_about_the_person_is_a_line(void **state) /* SC-19, W-139 */
{
    struct region *r = *state;
    struct client *h1 = client(r, "h1");
    json_t *first, *row;
    size_t i;
    a_life(r);
    json_t *rows = report(h1, PERSON, token_hex("anna"), &first);
    assert_int_equal(json_array_size(rows), number(first, "total"));
    assert_int_equal(
        json_array_size(rows),
        leaves_about(r, h1->agency, "anna", number(first, "size")));
    json_array_foreach(rows, i, row) proves(r, first, row);
    const json_t *release = line(rows, "RELEASE");
    assert_string_equal(text(release, "section"), "deliveries");
    assert_string_equal(text(release, "agency"), "架空市保健所");
    assert_string_equal(text(release, "role"), "保健所");
    assert_string_equal(text(release, "purpose"), "法律による届出");
    says(release, "act",
         "架空こころ病院からの「届出の提出」の知らせを渡しました");
    says(release, "kinds", "氏名・生年月日・性別");
    says(release, "why", "根拠: 法令に基づく場合(個人情報保護法27条");
    assert_string_equal(text(release, "ground"), "法律などの決まり");
    json_decref(rows);
    json_decref(first);
}

static void what_was_not_passed_on_is_told_too(void **state)
{
    struct region *r = *state;
    json_t *first, *row;
    size_t i, refused = 0;
    a_life(r);
    json_t *rows = report(client(r, "h1"), PERSON, token_hex("anna"), &first);
    json_array_foreach(rows, i,
                       row) if (strcmp(text(row, "section"), "refusals") == 0)
    {
        refused++;
        assert_string_equal(text(row, "agency"), "架空居住支援");
        says(row, "why", "入院の事実は、住まいの支援には渡しません。");
        says(row, "kinds", "渡さなかったもの: ");
    }
    assert_int_equal(refused, 1);
    json_decref(rows);
    json_decref(first);
}

static void asking_is_an_entry_of_the_next_report(void **state)
{
    struct region *r = *state;
    struct client *h1 = client(r, "h1");
    json_t *first;
    a_life(r);
    json_t *rows = report(h1, PERSON, token_hex("anna"), &first);
    Pb__AuditLeaf *l = leaf_at(r, number(first, "report"));
    assert_int_equal(l->kind, PB__LEAF_KIND__REPORT);
    assert_int_equal(l->outcome, 1);
    assert_string_equal(l->node, "h1");
    assert_string_equal(l->role, "R_PERSON");
    assert_string_equal(l->rule[0], "R140");
    assert_true(l->has_actor && l->has_subject_handle);
    assert_false(l->has_detail_sha256); /* ties no handle to a token */
    pb__audit_leaf__free_unpacked(l, NULL);
    json_decref(rows);
    json_decref(first);
    rows = report(h1, PERSON, token_hex("anna"), &first);
    const json_t *row = line(rows, "REPORT");
    assert_string_equal(text(row, "section"), "lookups");
    assert_string_equal(text(row, "agency"), "架空こころ病院");
    json_decref(rows);
    json_decref(first);
}

static void a_handle_of_staff_is_in_no_line(void **state) /* SC-19 */
{
    struct region *r = *state;
    struct client *h1 = client(r, "h1");
    json_t *first;
    uint8_t actor[16], bytes[4096];
    size_t i;
    json_t *row;
    assert_int_equal(hex_decode(ACTOR, actor, 16), ERR_OK);
    a_life(r);
    json_decref(report(h1, PERSON, token_hex("anna"), &first));
    json_decref(first);
    json_t *rows = report(h1, PERSON, token_hex("anna"), &first);
    json_array_foreach(rows, i, row)
    {
        size_t n = text(row, "bytes")[0] != '\0'
                       ? unbase64(text(row, "bytes"), bytes, sizeof(bytes))
                       : 0;
        assert_null(memmem(bytes, n, actor, 16));
        char *all = json_dumps(row, 0);
        assert_null(strstr(all, ACTOR));
        free(all);
        proves(r, first, row); /* without its bytes, too */
    }
    assert_true(text(line(rows, "REPORT"), "hash")[0] != '\0');
    json_decref(rows);
    json_decref(first);
}

/* ---- who gets none ---- */

static void blank_and_compare(struct client *c, const char *a, const char *b,
                              const char *role)
{
    struct buf x = {0}, y = {0};
    client_ask(c, "report",
               (const char *[]){PERSON, a, "actor", ACTOR, "identity_checked",
                                "1", "role", role, NULL},
               &x);
    client_ask(c, "report",
               (const char *[]){PERSON, b, "actor", ACTOR, "identity_checked",
                                "1", "role", role, NULL},
               &y);
    assert_true(x.n > 0 && slice_eq(buf_slice(&x), buf_slice(&y)));
    assert_non_null(memmem(x.p, x.n, "E-NF-001", 8));
    buf_fini(&x);
    buf_fini(&y);
}

static void denied_and_unknown_are_the_same_bytes(void **state) /* I-13 */
{
    struct region *r = *state;
    struct client *h1 = client(r, "h1"), *o1 = client(r, "o1");
    char anna[33], nobody[33], theirs[33];
    uint8_t token[16];
    struct id id;
    bool found;
    a_life(r);
    snprintf(anna, sizeof(anna), "%s", token_hex("anna"));
    snprintf(nobody, sizeof(nobody), "%s", token_hex("nobody"));
    /* the housing office knows her, and may not ask */
    token_of(token, "anna");
    assert_int_equal(store_token_find(r->hub->store, h1->agency, TOKEN_PERSON,
                                      token, &found, &id),
                     ERR_OK);
    assert_int_equal(store_begin(r->hub->store), ERR_OK);
    assert_int_equal(
        store_token_for(r->hub->store, O1, TOKEN_PERSON, id, token), ERR_OK);
    assert_int_equal(store_commit(r->hub->store), ERR_OK);
    snprintf(theirs, sizeof(theirs), "%s", hex_of(token));
    blank_and_compare(o1, theirs, nobody, "R_PERSON");
    /* the hospital knows her and is no auditor */
    blank_and_compare(h1, anna, nobody, "R_AUDIT");
    /* somebody else's token is nobody's */
    blank_and_compare(client(r, "c1"), anna, nobody, "R_PERSON");
    Pb__AuditLeaf *l = leaf_at(r, store_log_size(r->hub->store) - 1);
    assert_int_equal(l->kind, PB__LEAF_KIND__REPORT);
    assert_int_equal(l->outcome, 0);
    assert_false(l->has_subject_handle);
    assert_true(l->has_detail_sha256);
    pb__audit_leaf__free_unpacked(l, NULL);
}

static const struct {
    const char *name, *words[10], *code;
} QUESTIONS[] = {
    {"who asked on the person's behalf must be said",
     {PERSON, ACTOR, "identity_checked", "1", NULL},
     "E-VAL-001"},
    {"and that they checked who the person is",
     {PERSON, ACTOR, "actor", ACTOR, NULL},
     "E-VAL-001"},
    {"a token is 16 bytes",
     {PERSON, "00", "actor", ACTOR, "identity_checked", "1", NULL},
     "E-EVT-"},
    {"a later page says which",
     {PERSON, ACTOR, "actor", ACTOR, "identity_checked", "1", "report", "x",
      NULL},
     "E-USE-"},
};

static void a_question_that_is_none_is_refused(void **state)
{
    struct region *r = *state;
    for (size_t i = 0; i < NELEM(QUESTIONS); i++) {
        const char *code =
            ask(client(r, "h1"), "report", QUESTIONS[i].words, NULL);
        if (code[0] == '\0' || strcmp(code, "E-NF-001") == 0)
            fail_msg("%s: %s", QUESTIONS[i].name, code);
    }
}

/* The code of a later page. */
static const char *page(struct client *c, const char *person,
                        const char *report_leaf)
{
    const char *const words[] = {PERSON,
                                 token_hex(person),
                                 "actor",
                                 ACTOR,
                                 "identity_checked",
                                 "1",
                                 "report",
                                 report_leaf,
                                 "size",
                                 "1",
                                 "after",
                                 "0",
                                 NULL};
    return ask(c, "report", words, NULL);
}

static void a_page_is_given_only_to_who_was_given_the_first(void **state)
{
    struct region *r = *state;
    struct client *h1 = client(r, "h1");
    json_t *first;
    char number_[24];
    a_life(r);
    json_decref(report(h1, PERSON, token_hex("anna"), &first));
    snprintf(number_, sizeof(number_), "%llu",
             (unsigned long long)number(first, "report"));
    json_decref(first);
    assert_string_equal(page(h1, "anna", number_), "");
    assert_string_equal(page(h1, "bert", number_), "E-NF-001");
    assert_string_equal(page(h1, "anna", "1"), "E-NF-001"); /* no report */
}

/* ---- later, and erased ---- */

static uint64_t leaf_of(const json_t *rows, const char *kind)
{
    return number(line(rows, kind), "leaf");
}

static void a_delayed_line_appears_on_its_day(void **state) /* SC-19 */
{
    struct region *r = *state;
    struct client *h1 = client(r, "h1");
    json_t *first;
    a_life(r);
    json_t *rows = report(h1, PERSON, token_hex("anna"), &first);
    struct delay d = {.leaf = leaf_of(rows, "RELEASE"),
                      .until_day = japan_day(clock_wall_ms()) + 1,
                      .basis = "LB_LIFE"};
    size_t before = json_array_size(rows);
    json_decref(rows);
    json_decref(first);
    assert_int_equal(store_begin(r->hub->store), ERR_OK);
    assert_int_equal(store_delay_put(r->hub->store, &d), ERR_OK);
    assert_int_equal(store_commit(r->hub->store), ERR_OK);
    rows = report(h1, PERSON, token_hex("anna"), &first);
    const json_t *late = line(rows, "");
    assert_string_equal(text(late, "section"), "delayed");
    says(late, "act", "から見られるようになります");
    says(late, "why", "根拠: 人の生命");
    assert_string_equal(text(late, "agency"), "");
    assert_null(json_object_get(late, "leaf"));
    assert_null(json_object_get(late, "at"));
    assert_null(json_object_get(late, "bytes"));
    assert_int_equal(json_array_size(rows), before + 1); /* and the REPORT */
    json_decref(rows);
    json_decref(first);
    d.until_day--; /* the day has come */
    assert_int_equal(store_begin(r->hub->store), ERR_OK);
    assert_int_equal(store_delay_put(r->hub->store, &d), ERR_OK);
    assert_int_equal(store_commit(r->hub->store), ERR_OK);
    rows = report(h1, PERSON, token_hex("anna"), &first);
    assert_int_equal(leaf_of(rows, "RELEASE"), d.leaf);
    json_decref(rows);
    json_decref(first);
}

/* The answer to the operator's question, which must not be a no. Owned. */
static json_t *operator_asks(struct region *r, const char *what,
                             const char *const *words)
{
    char endpoint[160];
    Pb__Ask a = PB__ASK__INIT;
    Pb__AskArgument arg[4], *list[4];
    struct buf b = {0};
    struct frame f;
    ProtobufCMessage *m = NULL;
    snprintf(endpoint, sizeof(endpoint), "ipc://%s/control", r->dir);
    void *s = dealer(r, NULL, NULL, endpoint, NULL);
    a.what = (char *)(uintptr_t)what;
    a.arg = list;
    for (; words[0] != NULL; words += 2) {
        list[a.n_arg] = &arg[a.n_arg];
        pb__ask_argument__init(&arg[a.n_arg]);
        arg[a.n_arg].key = (char *)(uintptr_t)words[0];
        arg[a.n_arg++].value = (char *)(uintptr_t)words[1];
    }
    assert_int_equal(pack(&a.base, &b), ERR_OK);
    assert_int_equal(frame_send(s, NULL, VERB_ASK, buf_slice(&b)), ERR_OK);
    buf_fini(&b);
    assert_true(wait_for(r, s, &f, PATIENCE));
    assert_int_equal(unpack(&pb__answer__descriptor, f.body, &m), ERR_OK);
    const Pb__Answer *answer = (const Pb__Answer *)m;
    if (answer->code != NULL && answer->code[0] != '\0')
        fail_msg("%s: %s", what, answer->code);
    json_t *j = json_loads(answer->json, 0, NULL);
    unpack_free(&m);
    frame_close(&f);
    dealer_close(r, s);
    return j;
}

/* Two people order the person's erasure; the number of the order. */
static void order_erasure(struct region *r, const char *person, char hex[33])
{
    struct order o = {.kind = ORDER_ERASE,
                      .order = id_random(),
                      .made_ms = r->hub->now_ms / 1000 * 1000,
                      .asked_on = japan_day(r->hub->now_ms),
                      .asked_by = "MI-4910100017",
                      .reason = "PERSON_ASKED"};
    struct buf note = {0};
    json_t *j =
        operator_asks(r, "order-subject",
                      (const char *[]){"agency", "MI-4910100017", "token",
                                       token_hex(person), NULL});
    assert_int_equal(hex_decode(text(j, "subject"), o.subject, ID_BYTES),
                     ERR_OK);
    json_decref(j);
    snprintf(o.origin, sizeof(o.origin), "%s", ORIGIN);
    order_write(&o, &note);
    buf_addc(&note, '\n');
    for (int i = 0; i < 2; i++) {
        struct buf more = {0};
        assert_int_equal(
            approve_sign(buf_slice(&note), &r->approver.key[i], &more), ERR_OK);
        buf_fini(&note);
        note = more;
    }
    json_decref(
        operator_asks(r, "order-submit",
                      (const char *[]){"note", (const char *)note.p, NULL}));
    buf_fini(&note);
    snprintf(hex, 33, "%s", hex_of(o.order.b));
}

static void erase_now(struct region *r)
{
    for (int i = 0; i < 400 && !r->hub->swept; i++)
        turn(r);
    json_decref(operator_asks(r, "erase-run", (const char *[]){NULL}));
    for (int i = 0; r->hub->night.step != 0; i++) {
        assert_true(i < 400);
        turn(r);
    }
    turn(r);
}

static void asked_by_order(struct client *c, const char *order,
                           const char *want)
{
    assert_string_equal(ask(c, "report",
                            (const char *[]){"order", order, "actor", ACTOR,
                                             "identity_checked", "1", NULL},
                            NULL),
                        want);
}

static void an_erased_person_asks_by_the_order(void **state) /* SC-19 */
{
    struct region *r = *state;
    struct client *h1 = client(r, "h1");
    json_t *first;
    char hex[33];
    a_life(r);
    json_t *rows = report(h1, PERSON, token_hex("anna"), &first);
    uint64_t at = leaf_of(rows, "RELEASE");
    size_t before = json_array_size(rows);
    json_decref(rows);
    json_decref(first);
    order_erasure(r, "anna", hex);
    /* from then on by the order alone; what is left is still being erased */
    assert_string_equal(
        ask(h1, "report",
            (const char *[]){PERSON, token_hex("anna"), "actor", ACTOR,
                             "identity_checked", "1", NULL},
            NULL),
        "E-NF-001");
    rows = report(h1, "order", hex, &first);
    assert_string_equal(text(json_object_get(first, "erased"), "at"), "");
    json_decref(rows);
    json_decref(first);
    erase_now(r);
    rows = report(h1, "order", hex, &first);
    assert_int_equal(json_array_size(rows), number(first, "total"));
    assert_true(json_array_size(rows) > before);
    assert_int_equal(leaf_of(rows, "RELEASE"), at);
    const json_t *row = line(rows, "RELEASE");
    assert_string_equal(text(row, "agency"), "架空市保健所");
    assert_string_equal(text(line(rows, "ERASE_BEGIN"), "section"), "erasures");
    /* that two people approved it, and not who they are */
    row = line(rows, "ADMIN");
    assert_string_equal(text(row, "section"), "erasures");
    assert_string_equal(text(row, "act"),
                        "情報を消すことを、2人が承認しました");
    assert_string_equal(text(row, "bytes"), "");
    proves(r, first, row);
    const json_t *erased = json_object_get(first, "erased");
    assert_true(number(erased, "leaf") > at);
    assert_true(text(erased, "at")[0] != '\0');
    json_decref(rows);
    json_decref(first);
    /* who held nothing of hers learns nothing; nor from a number of no order */
    asked_by_order(client(r, "k1"), hex, "E-NF-001");
    asked_by_order(h1, ACTOR, "E-NF-001");
}

/* Under the handle of another quarter. */
static void an_old_entry(struct region *r, const char *agency)
{
    uint8_t token[16], handle[16];
    struct id id;
    bool found;
    uint64_t at;
    Pb__AuditLeaf l = leaf_new(r->hub, PB__LEAF_KIND__REVIEW);
    token_of(token, "anna");
    assert_int_equal(store_token_find(r->hub->store, agency, TOKEN_PERSON,
                                      token, &found, &id),
                     ERR_OK);
    assert_int_equal(store_begin(r->hub->store), ERR_OK);
    assert_int_equal(store_person_handle(r->hub->store, id,
                                         r->hub->now_ms - 100 * 86400000ull,
                                         handle),
                     ERR_OK);
    l.has_subject_handle = 1;
    l.subject_handle = (ProtobufCBinaryData){16, handle};
    assert_int_equal(store_leaf(r->hub->store, &l, &at), ERR_OK);
    assert_int_equal(store_commit(r->hub->store), ERR_OK);
    post_sample(client(r, "h1"), "FILING_SUBMITTED", "anna", "after", C1,
                "P_FIL"); /* signs it */
}

static void more_lines_than_a_page_stay_whole_while_others_come(void **state)
{
    struct region *r = *state;
    struct client *h1 = client(r, "h1");
    json_t *first;
    char name[32];
    for (int i = 0; i < 150; i++) {
        snprintf(name, sizeof(name), "filing %d", i);
        post_sample(h1, "FILING_SUBMITTED", "anna", name, C1, "P_FIL");
    }
    an_old_entry(r, h1->agency);
    busy = h1;
    json_t *rows = report(h1, PERSON, token_hex("anna"), &first);
    busy = NULL;
    assert_true(json_array_size(rows) >= 300);
    assert_int_equal(json_array_size(rows), number(first, "total"));
    assert_int_equal(
        json_array_size(rows),
        leaves_about(r, h1->agency, "anna", number(first, "size")));
    line(rows, "REVIEW");
    uint64_t last = 0;
    size_t i;
    json_t *row;
    json_array_foreach(rows, i, row)
    {
        assert_true(i == 0 || number(row, "leaf") > last);
        last = number(row, "leaf");
    }
    json_decref(rows);
    json_decref(first);
}

/* ---- provision and acquisition ---- */

static json_t *provisions(struct client *c, const char *from, const char *to)
{
    json_t *j = NULL;
    assert_string_equal(
        ask(c, "provisions",
            (const char *[]){"from_ms", from, "to_ms", to, NULL}, &j),
        "");
    json_t *lines = json_incref(json_object_get(j, "lines"));
    assert_false(json_is_true(json_object_get(j, "more")));
    json_decref(j);
    return lines;
}

#define EVER "0", "4102444800000"

static void what_was_passed_on_is_a_record_on_both_sides(void **state)
{
    struct region *r = *state;
    a_life(r);
    json_t *given = provisions(client(r, "h1"), EVER);
    json_t *got = provisions(client(r, "c1"), EVER);
    assert_int_equal(json_array_size(given), 2);
    assert_int_equal(json_array_size(got), 2);
    const json_t *g = json_array_get(given, 0), *t = json_array_get(got, 0);
    assert_string_equal(text(g, "direction"), "provision");
    assert_string_equal(text(g, "agency"), "架空市保健所");
    assert_string_equal(text(g, "address"), "架空県架空市保健町10-7");
    assert_string_equal(text(g, "representative"), "所長 架空 十郎");
    assert_string_equal(text(g, "person_token"), token_hex("anna"));
    says(g, "items", "氏名・生年月日・性別");
    says(g, "basis", "法令に基づく場合(個人情報保護法27条");
    assert_string_equal(text(t, "direction"), "acquisition");
    assert_string_equal(text(t, "agency"), "架空こころ病院");
    /* each side has a token of its own */
    assert_string_not_equal(text(t, "person_token"), token_hex("anna"));
    assert_int_equal(number(g, "leaf"), number(t, "leaf"));
    json_decref(given);
    json_decref(got);
    json_t *none = provisions(client(r, "k1"), EVER);
    assert_int_equal(json_array_size(none), 0);
    json_decref(none);
    none = provisions(client(r, "h1"), "0", "1");
    assert_int_equal(json_array_size(none), 0);
    json_decref(none);
}

static void a_later_page_of_provisions_lies_within_the_first(void **state)
{
    struct region *r = *state;
    static const char *const NONE[][2] = {
        {"9223372036854775808", "9223372036854775809"},
        {"18446744073709551615", "5"},
        {"6", "5"},
        {"x", "5"}};
    for (size_t i = 0; i < NELEM(NONE); i++)
        assert_string_equal(
            ask(client(r, "h1"), "provisions",
                (const char *[]){"from_ms", "0", "to_ms", "1", "after",
                                 NONE[i][0], "upto", NONE[i][1], NULL},
                NULL),
            err_code(ERR_USAGE));
}

/* Where a page begins is the asker's word: no page goes without a leaf. */
static void every_page_of_provisions_is_a_leaf(void **state)
{
    struct region *r = *state;
    static const char *const AFTER[] = {"", "0", "1"};
    for (size_t i = 0; i < NELEM(AFTER); i++) {
        uint64_t before = store_log_size(r->hub->store);
        assert_string_equal(
            ask(client(r, "h1"), "provisions",
                (const char *[]){"from_ms", "0", "to_ms", "1", "after",
                                 AFTER[i], "upto", "5", NULL},
                NULL),
            "");
        assert_int_equal(store_log_size(r->hub->store), before + 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        REGION_TEST(every_entry_about_the_person_is_a_line),
        REGION_TEST(what_was_not_passed_on_is_told_too),
        REGION_TEST(asking_is_an_entry_of_the_next_report),
        REGION_TEST(a_handle_of_staff_is_in_no_line),
        REGION_TEST(denied_and_unknown_are_the_same_bytes),
        REGION_TEST(a_question_that_is_none_is_refused),
        REGION_TEST(a_page_is_given_only_to_who_was_given_the_first),
        REGION_TEST(a_delayed_line_appears_on_its_day),
        REGION_TEST(an_erased_person_asks_by_the_order),
        REGION_TEST(more_lines_than_a_page_stay_whole_while_others_come),
        REGION_TEST(what_was_passed_on_is_a_record_on_both_sides),
        REGION_TEST(a_later_page_of_provisions_lies_within_the_first),
        REGION_TEST(every_page_of_provisions_is_a_leaf),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
