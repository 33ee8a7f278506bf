/* schema_test.c - the generated tables against the descriptors they describe.
 */
#include "proto/wire/schema.h"
#include "sample.h"
#include "tsunagi/v1/discharge.pb-c.h"
#include "tsunagi/v1/options.pb-c.h"
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void every_field_of_every_message_is_in_the_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < SCHEMA_MESSAGE_COUNT; i++) {
        const struct schema_message *m = &SCHEMA_MESSAGES[i];
        assert_int_equal(m->field_count, m->descriptor->n_fields);
        for (size_t k = 0; k < m->field_count; k++) {
            assert_int_equal(m->fields[k].number, m->descriptor->fields[k].id);
            assert_string_equal(m->fields[k].name,
                                m->descriptor->fields[k].name);
            assert_ptr_equal(schema_field(m, m->fields[k].number),
                             &m->fields[k]);
        }
        assert_ptr_equal(schema_of(m->descriptor), m);
    }
    assert_null(schema_of(NULL));
    assert_null(schema_field(schema_event(1001), 999));
}

static void check_event(const struct schema_message *m)
{
    uint64_t mask = 0;
    for (size_t i = 0; i < m->class_count; i++) {
        assert_true(i == 0 || m->classes[i - 1] < m->classes[i]);
        mask |= class_bit(m->classes[i]);
    }
    assert_true(mask == m->class_mask);
    for (size_t i = 0; i < m->field_count; i++) {
        if ((class_bit(m->fields[i].cls) & mask) == 0 ||
            m->fields[i].cls == 0 || *m->fields[i].ja == '\0' ||
            *m->fields[i].en == '\0')
            fail_msg("%s.%s", m->event_name, m->fields[i].name);
    }
}

static void every_event_field_has_a_class_and_labels(void **state) /* W-030 */
{
    (void)state;
    size_t events = 0;
    for (size_t i = 0; i < SCHEMA_MESSAGE_COUNT; i++) {
        const struct schema_message *m = &SCHEMA_MESSAGES[i];
        if (m->event == 0) {
            assert_string_equal(m->event_name, "");
            assert_true(m->class_mask == 0 && m->class_count == 0);
            continue;
        }
        events++;
        check_event(m);
        assert_ptr_equal(schema_event(m->event), m);
        assert_ptr_equal(schema_event_named(m->event_name), m);
    }
    assert_true(events > 20);
    assert_null(schema_event(0));
    assert_null(schema_event(9999));
    assert_null(schema_event_named(""));
    assert_null(schema_event_named("ADMISSION"));
}

static void an_event_is_named_in_capitals(void **state)
{
    (void)state;
    const struct schema_message *m = schema_event(1001);
    assert_string_equal(m->event_name, "ADMISSION_RECORDED");
    assert_string_equal(m->ja, "入院");
    assert_false(m->urgent || m->hub_only);
    assert_string_equal(schema_event(1310)->event_name,
                        "PD_CANDIDATE_NOTIFIED");
    assert_true(schema_event(1410)->urgent);
    assert_true(schema_event(1416)->hub_only);
    assert_int_equal(schema_event(1030)->reissue_as, 1039);
    assert_string_equal(schema_event(1601)->channel, "abuse");
    assert_string_equal(schema_event(1602)->channel, "abuse");
    assert_string_equal(schema_event(1701)->channel, "");
}

static void every_class_has_a_name_and_labels(void **state)
{
    (void)state;
    for (unsigned c = 1; c <= 54; c++) {
        assert_int_equal(class_from_name(class_name(c)), c);
        assert_true(*class_ja(c) != '\0' && *class_en(c) != '\0');
    }
    assert_string_equal(class_name(2), "G_ID");
    for (unsigned c = 55; c < 70; c++)
        assert_string_equal(class_name(c), "");
    assert_string_equal(class_name(0), "");
    assert_int_equal(class_from_name("G_NONE"), 0);
    assert_int_equal(class_from_name(""), 0);
    assert_true(class_bit(64) == 0 && class_bit(63) == (uint64_t)1 << 63);
}

static void every_enum_value_is_found(void **state)
{
    (void)state;
    for (size_t i = 0; i < SCHEMA_ENUM_COUNT; i++) {
        const struct schema_enum *e = &SCHEMA_ENUMS[i];
        assert_int_equal(e->value_count, e->descriptor->n_values);
        for (size_t k = 0; k < e->value_count; k++)
            assert_ptr_equal(
                schema_enum_value(e->descriptor, e->values[k].number),
                &e->values[k]);
    }
    assert_null(schema_enum_value(&pb__sex__descriptor, 77));
    assert_null(schema_enum_value(NULL, 1));
}

static void the_variant_is_the_name_of_its_value(void **state)
{
    (void)state;
    Pb__FilingSubmitted f = PB__FILING_SUBMITTED__INIT;
    const struct schema_message *m = schema_event(1101);
    assert_string_equal(schema_variant(m, &f.base), "");
    f.has_form_code = 1;
    assert_string_equal(schema_variant(m, &f.base), "");
    f.form_code = PB__FORM_CODE__SOCHI_CEASE;
    assert_string_equal(schema_variant(m, &f.base), "SOCHI_CEASE");
    f.form_code = (Pb__FormCode)77;
    assert_string_equal(schema_variant(m, &f.base), "");
    Pb__AdmissionRecorded a = PB__ADMISSION_RECORDED__INIT;
    assert_string_equal(schema_variant(schema_event(1001), &a.base), "");
}

static void the_digest_is_not_empty(void **state)
{
    (void)state;
    static const uint8_t ZERO[32];
    assert_memory_not_equal(SCHEMA_DIGEST, ZERO, 32);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_field_of_every_message_is_in_the_table),
        cmocka_unit_test(every_event_field_has_a_class_and_labels),
        cmocka_unit_test(an_event_is_named_in_capitals),
        cmocka_unit_test(every_class_has_a_name_and_labels),
        cmocka_unit_test(every_enum_value_is_found),
        cmocka_unit_test(the_variant_is_the_name_of_its_value),
        cmocka_unit_test(the_digest_is_not_empty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
