/* hospital_erase_test.c - the messages of an erased patient that lie in the
 * folder of what was taken go, those of others stay. */
#include "tests/unit/adapters/hospital/sample.h"
#include "tests/unit/adapters/sdk/forget.h"

extern const struct tsunagi_module tsunagi_module;

static void put_message(const struct peer *p, const char *name,
                        const char *text)
{
    char path[128];
    uint8_t jis[4096];
    size_t n = to_jis(text, jis, sizeof(jis));
    snprintf(path, sizeof(path), "%s/hl7/%s", p->n.folder, name);
    assert_int_equal(file_replace(path, slice_of(jis, n), 0600), ERR_OK);
}

static bool exists(const struct peer *p, const char *name)
{
    char path[128];
    struct stat st;
    snprintf(path, sizeof(path), "%s/hl7/%s", p->n.folder, name);
    return stat(path, &st) == 0;
}

static void start(struct peer *p)
{
    node_close(&p->s);
    nodeside_conf(&p->n,
                  "module = { folder_quiet_ms = 10; hl7_folder = \"hl7\";"
                  " facility = \"4910100017\"; person_digits = 10;"
                  " routes = ( { event = \"ADMISSION_RECORDED\"; to ="
                  " \"WO-4931000014\"; purpose = \"P_TRA\"; } ); };\n");
    assert_int_equal(node_open(p->n.conf, NODE_ONLINE, stderr, &p->s), ERR_OK);
    assert_null(node_attach(p->s, &tsunagi_module));
}

/* The same admission of another patient. */
static void of_another(char *text)
{
    memcpy(strstr(text, LOCAL_ID), "0000999999", strlen(LOCAL_ID));
}

static void the_messages_of_the_erased_patient_go(void **state)
{
    struct peer *p = *state;
    struct answer a = {0};
    char other[] = ADMISSION;
    p->own = &a;
    p->on_ask = take_answer;
    start(p);
    UNTIL(p, p->leases >= 1);
    of_another(other);
    put_message(p, "hers.hl7", ADMISSION);
    put_message(p, "other.hl7", other);
    UNTIL(p, exists(p, "done/hers.hl7") && exists(p, "done/other.hl7"));
    struct ordered o = an_order(p);
    order(p, &o);
    lease_again(p);
    UNTIL(p, a.n == 1);
    assert_false(exists(p, "done/hers.hl7"));
    assert_true(exists(p, "done/other.hl7"));
    assert_int_equal(a.deleted, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_messages_of_the_erased_patient_go,
                                        setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
