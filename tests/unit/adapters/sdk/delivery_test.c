/* delivery_test.c - a delivery as programs and people see it. */
#include "adapters/sdk/delivery.h"
#include "adapters/sdk/verify.h"
#include "proto/base/text.h"
#include "tests/unit/adapters/sdk/hubside.h"
#include "tsunagi/adapter.h"

/* As it lies in the spool; glass: what the leaf calls opened. */
static void stored(uint64_t glass, struct buf *bytes)
{
    struct hubside h;
    struct buf packed = {0};
    struct checkpoint head = {.size = 0};
    struct verified v;
    hubside_init(&h);
    h.glass = glass;
    hubside_delivery(&h, HONEST, 0, &packed, &head);
    assert_int_equal(verify_delivery(buf_slice(&packed), US, h.hub.pub.sign,
                                     &head, bytes, &v),
                     ERR_OK);
    verified_close(&v);
    buf_fini(&packed);
    hubside_fini(&h);
}

static struct tsunagi_delivery *one(void)
{
    struct buf bytes = {0};
    struct tsunagi_delivery *d;
    stored(0, &bytes);
    assert_int_equal(delivery_open(buf_slice(&bytes), &d), ERR_OK);
    buf_fini(&bytes);
    return d;
}

static const struct {
    const char *field, *want;
} FIELDS[] = {
    {"name.kanji", "仮名美咲"},
    {"name", "仮名美咲"},
    {"birth", "2001-02-28"},
    {"sex", "女"},
    {"reason", "介護者の入院"},
    {"guardian[0].relation", "母"},
    {"guardian.relation", "母"},
    {"guardian[1].relation", ""},
    {"dx_main", ""},
    {"nothing", ""},
    {"name.kanji.more", ""},
    {"", ""},
};

static void a_field_is_text_with_labels(void **state)
{
    (void)state;
    struct tsunagi_delivery *d = one();
    for (size_t i = 0; i < NELEM(FIELDS); i++)
        if (strcmp(tsunagi_get(d, FIELDS[i].field), FIELDS[i].want) != 0)
            fail_msg("%s: %s", FIELDS[i].field,
                     tsunagi_get(d, FIELDS[i].field));
    delivery_close(&d);
}

static const char *text(const json_t *j, const char *key)
{
    return json_string_value(json_object_get(j, key));
}

static void json_has_the_promised_keys(void **state)
{
    (void)state;
    struct tsunagi_delivery *d = one();
    json_t *j = json_loads(tsunagi_delivery_json(d), 0, NULL);
    assert_non_null(j);
    assert_string_equal(text(j, "type"), "STAY_CONFIRMED");
    assert_string_equal(text(j, "agency"), SENDER);
    assert_string_equal(text(j, "purpose"), "P_EMG");
    assert_string_equal(text(j, "role"), "R_SHORTSTAY");
    assert_string_equal(text(j, "released_at"), "2026-09-12T03:00:00+09:00");
    assert_string_equal(text(j, "person_token"),
                        "01020300000000000000000000000000");
    assert_string_equal(text(j, "case_token"),
                        "04050600000000000000000000000000");
    assert_int_equal(strlen(text(j, "event_id")), 36);
    assert_string_equal(
        json_string_value(json_array_get(json_object_get(j, "withheld"), 0)),
        "G_DX");
    assert_non_null(json_object_get(json_object_get(j, "body"), "name"));
    assert_null(json_object_get(json_object_get(j, "body"), "dx_main"));
    json_decref(j);
    delivery_close(&d);
}

static void a_page_fits_a4_and_names_what_was_withheld(void **state)
{
    (void)state;
    struct tsunagi_delivery *d = one();
    char *page = NULL;
    size_t n = 0;
    FILE *f = open_memstream(&page, &n);
    tsunagi_print(d, f);
    fclose(f);
    static const char *const HAS[] = {"受入れの確定",
                                      "仮名美咲(カメイミサキ)",
                                      "2001-02-28(平成13年2月28日)",
                                      "女",
                                      "続柄:母",
                                      "静かな部屋で待つ。",
                                      "記録の番号",
                                      "本人の符号",
                                      "01020300000000000000000000000000",
                                      "案件の符号",
                                      "渡されない情報",
                                      "病名"};
    for (size_t i = 0; i < NELEM(HAS); i++)
        if (strstr(page, HAS[i]) == NULL)
            fail_msg("missing: %s\n%s", HAS[i], page);
    assert_null(strstr(page, "統合失調症"));
    for (const char *line = page; *line != '\0';) {
        size_t len = strcspn(line, "\n");
        assert_true(text_width(slice_of(line, len)) <= 76);
        line += len + (line[len] == '\n');
    }
    free(page);
    delivery_close(&d);
}

static char *page_of(const struct tsunagi_delivery *d)
{
    char *page = NULL;
    size_t n = 0;
    FILE *f = open_memstream(&page, &n);
    tsunagi_print(d, f);
    fclose(f);
    return page;
}

static void what_break_glass_opened_reaches_no_module(void **state)
{
    (void)state;
    struct buf bytes = {0};
    struct tsunagi_delivery *d;
    stored(class_bit(PB__DATA_CLASS__G_CRISIS) |
               class_bit(PB__DATA_CLASS__G_META),
           &bytes);
    assert_int_equal(delivery_open_shared(buf_slice(&bytes), &d), ERR_OK);
    char *page = page_of(d);
    assert_null(strstr(page, "静かな部屋"));
    assert_null(strstr(tsunagi_delivery_json(d), "静かな部屋"));
    assert_non_null(strstr(page, "tsunagi inbox show"));
    assert_non_null(
        strstr(tsunagi_delivery_json(d), "\"for_opener\":[\"G_CRISIS\"]"));
    assert_string_equal(tsunagi_get(d, "name.kanji"), "仮名美咲");
    free(page);
    delivery_close(&d);
    /* who asked the hub first gets it */
    assert_int_equal(delivery_open_for(buf_slice(&bytes), UINT64_MAX, &d),
                     ERR_OK);
    assert_non_null(strstr(tsunagi_delivery_json(d), "静かな部屋"));
    delivery_close(&d);
    buf_fini(&bytes);
}

static void without_break_glass_nothing_is_left_out(void **state)
{
    (void)state;
    struct buf bytes = {0};
    struct tsunagi_delivery *d;
    stored(0, &bytes);
    assert_int_equal(delivery_open_shared(buf_slice(&bytes), &d), ERR_OK);
    assert_non_null(strstr(tsunagi_delivery_json(d), "静かな部屋"));
    assert_null(strstr(tsunagi_delivery_json(d), "for_opener"));
    delivery_close(&d);
    buf_fini(&bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_field_is_text_with_labels),
        cmocka_unit_test(json_has_the_promised_keys),
        cmocka_unit_test(what_break_glass_opened_reaches_no_module),
        cmocka_unit_test(without_break_glass_nothing_is_left_out),
        cmocka_unit_test(a_page_fits_a4_and_names_what_was_withheld),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
