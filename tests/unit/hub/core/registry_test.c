/* The register: the fictitious region, every fault of a row, look-ups. */
#include "hub/core/policy.h"
#include "hub/core/registry.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define AGENCIES "code\tname_ja\tname_en\tgovernment\troles\tplaces\n"
#define PLACES "muni5\tname_ja\tkind\tprefecture\tenabled\n"
#define PREF "49000\t架空県\tprefecture\t49000\t\n"
#define NODES "node\tagency\tstate\tcurve\tsign\tbox\twitness\tsince\n"
#define H1 "MI-4910100017\t架空こころ病院\tKakuu Kokoro Hospital\t\t"
#define ZERO "0000000000000000000000000000000000000000000000000000000000000000"
#define ONE "00000000000000000000000000000000000000000000000000000000000000a1"
#define TWO "00000000000000000000000000000000000000000000000000000000000000a2"
#define SINCE "2026-04-01T09:00:00+09:00"

static enum err parse(const char *agencies, const char *nodes,
                      struct registry **r, struct buf *why)
{
    return registry_parse(slice_str(agencies), SLICE_NONE, slice_str(nodes), r,
                          why);
}

static void the_fictitious_region_is_whole(void **state)
{
    (void)state;
    struct buf text = {0}, places = {0}, why = {0};
    struct registry *r = NULL;
    assert_int_equal(file_read("deploy/region/agencies.tsv", 1 << 20, &text),
                     ERR_OK);
    assert_int_equal(
        file_read("deploy/region/municipalities.tsv", 1 << 20, &places),
        ERR_OK);
    if (registry_parse(buf_slice(&text), buf_slice(&places), SLICE_NONE, &r,
                       &why) != ERR_OK)
        fail_msg("%s", (const char *)why.p);
    assert_int_equal(registry_agency_count(r), 23);
    assert_int_equal(registry_node_count(r), 0);
    static const char *const WORLD[][3] = {
        {"MI-4910100017", "R_HOSP", "49201"},
        {"MI-4910100025", "R_OUTPT", "49202"},
        {"MI-4960100016", "R_HVN", "49301"},
        {"WO-4911000018", "R_SHORT", "49201"},
        {"WO-4911000026", "R_SHORT", "49301"},
        {"WO-4911000034", "R_SHORT", "49202"},
        {"WO-4931000014", "R_PLAN", "49201"},
        {"WO-4931000014", "R_LOCAL", "49301"},
        {"OW-K1-492019", "R_KIKAN", "49201"},
        {"OW-B1-49", "R_HUBC", "49202"},
        {"HC-492019-01", "R_HC", "49201"},
        {"HC-490008-01", "R_HC", "49301"},
        {"LG-492019", "R_MUNI_W", "49201"},
        {"LG-492019", "R_MUNI_H", "49201"},
        {"OW-HOUSE-49", "R_HOUSING", "49201"},
        {"LG-490008", "R_PREF", "49202"},
    };
    for (size_t i = 0; i < NELEM(WORLD); i++) {
        const struct agency *a = registry_agency(r, WORLD[i][0]);
        if (a == NULL || !agency_has_role(a, WORLD[i][1]) ||
            !agency_serves(a, WORLD[i][2]))
            fail_msg("%s", WORLD[i][0]);
    }
    assert_null(registry_agency(r, "WO-4911000059"));
    assert_string_equal(registry_agency(r, "OW-B1-49")->name_ja,
                        "架空圏域拠点");
    registry_free(&r);
    assert_null(r);
    buf_fini(&text);
    buf_fini(&places);
    buf_fini(&why);
}

static void its_roles_are_words_of_the_policy(void **state)
{
    (void)state;
    struct buf file[POLICY_FILES + 1] = {{0}}, why = {0};
    struct slice s[POLICY_FILES];
    struct policy *p = NULL;
    struct registry *r = NULL;
    for (size_t i = 0; i < POLICY_FILES; i++) {
        char path[64];
        snprintf(path, sizeof(path), "deploy/policy/%s", POLICY_FILE_NAMES[i]);
        assert_int_equal(file_read(path, 1 << 20, &file[i]), ERR_OK);
        s[i] = buf_slice(&file[i]);
    }
    struct buf *agencies = &file[POLICY_FILES];
    assert_int_equal(file_read("deploy/region/agencies.tsv", 1 << 20, agencies),
                     ERR_OK);
    assert_int_equal(policy_parse(s, &p, &why), ERR_OK);
    assert_int_equal(
        registry_parse(buf_slice(agencies), SLICE_NONE, SLICE_NONE, &r, &why),
        ERR_OK);
    for (size_t i = 0; i < registry_agency_count(r); i++) {
        const struct agency *a = registry_agency_at(r, i);
        for (size_t k = 0; k < AGENCY_ROLES && a->role[k][0] != '\0'; k++)
            if (!policy_knows_role(p, a->role[k]))
                fail_msg("%s: %s", a->code, a->role[k]);
    }
    registry_free(&r);
    policy_free(&p);
    for (size_t i = 0; i <= POLICY_FILES; i++)
        buf_fini(&file[i]);
    buf_fini(&why);
}

static void the_hub_is_there_without_a_row(void **state)
{
    (void)state;
    struct buf why = {0};
    struct registry *r = NULL;
    assert_int_equal(parse(AGENCIES H1 "R_HOSP\t49201\n", NODES, &r, &why),
                     ERR_OK);
    const struct agency *hub = registry_agency(r, "HUB");
    assert_non_null(hub);
    assert_string_equal(hub->code, "HUB");
    assert_false(agency_has_role(hub, "R_HOSP"));
    assert_false(agency_serves(hub, "49201"));
    assert_int_equal(registry_agency_count(r), 1);
    assert_null(registry_agency(r, NULL));
    registry_free(&r);
    buf_fini(&why);
}

static const struct {
    const char *name, *agencies, *nodes, *why;
} FAULTS[] = {
    /* clang-format off */
    {"a wrong check digit", AGENCIES "MI-4910100018\t病院\tHospital\t\tR_HOSP\t\n", NODES, "agencies.tsv:2: code"},
    {"no code", AGENCIES "\t病院\tHospital\t\tR_HOSP\t\n", NODES, "agencies.tsv:2: code"},
    {"a code without end", AGENCIES "OW-ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFGHIJ\t病院\tHospital\t\tR_HOSP\t\n", NODES, "agencies.tsv:2: code"},
    {"the hub's own row", AGENCIES "HUB\tハブ\tHub\t\tR_HOSP\t\n", NODES, "the hub takes part by itself"},
    {"the same code twice", AGENCIES H1 "R_HOSP\t\n" H1 "R_OUTPT\t\n", NODES, "the code has two rows"},
    {"no name", AGENCIES "MI-4910100017\t\tHospital\t\tR_HOSP\t\n", NODES, "name_ja"},
    {"no role", AGENCIES H1 "\t\n", NODES, "an agency needs a role"},
    {"a role that is no word", AGENCIES H1 "r-hosp\t\n", NODES, "not a name of a role"},
    {"a role too long", AGENCIES H1 "R_123456789012345\t\n", NODES, "not a name of a role"},
    {"a role twice", AGENCIES H1 "R_HOSP R_HOSP\t\n", NODES, "a role is named twice"},
    {"too many roles", AGENCIES H1 "R_A R_B R_C R_D R_E R_F R_G R_H R_I\t\n", NODES, "too many roles"},
    {"a place with check digit", AGENCIES H1 "R_HOSP\t492019\n", NODES, "agencies.tsv:2: places"},
    {"a missing column", "code\tname_ja\tname_en\troles\tplaces\nX\n", NODES, "agencies.tsv:1"},
    {"a node of nobody", AGENCIES H1 "R_HOSP\t\n", NODES "h1\tMI-4910100025\tactive\t" ONE "\t" ONE "\t" ONE "\t" ONE "\t" SINCE "\n", "nodes.tsv:2: agency"},
    {"a node of the hub", AGENCIES H1 "R_HOSP\t\n", NODES "h1\tHUB\tactive\t" ONE "\t" ONE "\t" ONE "\t" ONE "\t" SINCE "\n", "nodes.tsv:2: agency"},
    {"a name with capitals", AGENCIES H1 "R_HOSP\t\n", NODES "H1\tMI-4910100017\tactive\t" ONE "\t" ONE "\t" ONE "\t" ONE "\t" SINCE "\n", "nodes.tsv:2: node"},
    {"a state of one's own", AGENCIES H1 "R_HOSP\t\n", NODES "h1\tMI-4910100017\tfine\t" ONE "\t" ONE "\t" ONE "\t" ONE "\t" SINCE "\n", "nodes.tsv:2: state"},
    {"half a key", AGENCIES H1 "R_HOSP\t\n", NODES "h1\tMI-4910100017\tactive\ta1a1\t" ONE "\t" ONE "\t" ONE "\t" SINCE "\n", "nodes.tsv:2: curve"},
    {"a key that is no hex", AGENCIES H1 "R_HOSP\t\n", NODES "h1\tMI-4910100017\tactive\t" ONE "\tzz000000000000000000000000000000000000000000000000000000000000a1\t" ONE "\t" ONE "\t" SINCE "\n", "nodes.tsv:2: sign"},
    {"a key of zeros", AGENCIES H1 "R_HOSP\t\n", NODES "h1\tMI-4910100017\tactive\t" ONE "\t" ONE "\t" ZERO "\t" ONE "\t" SINCE "\n", "nodes.tsv:2: box"},
    {"a time without zone", AGENCIES H1 "R_HOSP\t\n", NODES "h1\tMI-4910100017\tactive\t" ONE "\t" ONE "\t" ONE "\t" ONE "\t2026-04-01\n", "nodes.tsv:2: since"},
    {"two nodes of one name", AGENCIES H1 "R_HOSP\t\n", NODES "h1\tMI-4910100017\tactive\t" ONE "\t" ONE "\t" ONE "\t" ONE "\t" SINCE "\nh1\tMI-4910100017\tactive\t" TWO "\t" TWO "\t" TWO "\t" ONE "\t" SINCE "\n", "the node has two rows"},
    {"two nodes of one key", AGENCIES H1 "R_HOSP\t\n", NODES "h1\tMI-4910100017\tactive\t" ONE "\t" ONE "\t" ONE "\t" ONE "\t" SINCE "\nh2\tMI-4910100017\tactive\t" ONE "\t" TWO "\t" TWO "\t" ONE "\t" SINCE "\n", "h1 and h2 have the same key"},
}; /* clang-format on */

static void a_register_with_a_fault_is_none(void **state)
{
    (void)state;
    for (size_t i = 0; i < NELEM(FAULTS); i++) {
        struct buf why = {0};
        struct registry *r = NULL;
        enum err e = parse(FAULTS[i].agencies, FAULTS[i].nodes, &r, &why);
        if (e == ERR_OK || r != NULL || why.p == NULL ||
            strstr((const char *)why.p, FAULTS[i].why) == NULL)
            fail_msg("%s: %s %s", FAULTS[i].name, err_code(e),
                     why.p == NULL ? "" : (const char *)why.p);
        buf_fini(&why);
    }
}

static void all_faults_are_told_at_once(void **state)
{
    (void)state;
    struct buf why = {0};
    struct registry *r = NULL;
    enum err e = parse(AGENCIES "MI-4910100018\t\t\t\t\t492019\n"
                                "HUB\tハブ\tHub\t\tR_HUB\t\n",
                       NODES, &r, &why);
    assert_int_equal(e, ERR_CONF_SYNTAX);
    const char *s = (const char *)why.p;
    assert_non_null(strstr(s, "agencies.tsv:2: code"));
    assert_non_null(strstr(s, "agencies.tsv:2: name_ja"));
    assert_non_null(strstr(s, "agencies.tsv:2: roles"));
    assert_non_null(strstr(s, "agencies.tsv:2: places"));
    assert_non_null(strstr(s, "agencies.tsv:3: code"));
    buf_fini(&why);
}

static void nodes_are_found_by_name_and_by_key(void **state)
{
    (void)state;
    struct buf why = {0}, agencies = {0}, nodes = {0}, again = {0};
    struct registry *r = NULL;
    static const char *const STATES[] = {"pending", "active", "revoked"};
    buf_adds(&agencies, AGENCIES H1 "R_HOSP\t49201\n");
    buf_adds(&nodes, NODES);
    for (int i = 0; i < 50; i++) { /* names and keys in different orders */
        buf_addf(&nodes, "h%02d\tMI-4910100017\t%s", (i * 7) % 50,
                 STATES[i % 3]);
        for (int k = 0; k < 4; k++)
            buf_addf(&nodes, "\t%02x%062x", 1 + (i * 11) % 50, k);
        buf_adds(&nodes, "\t" SINCE "\n");
    }
    if (registry_parse(buf_slice(&agencies), SLICE_NONE, buf_slice(&nodes), &r,
                       &why) != ERR_OK)
        fail_msg("%s", (const char *)why.p);
    assert_int_equal(registry_node_count(r), 50);
    for (size_t i = 0; i < 50; i++) {
        const struct node *n = registry_node_at(r, i);
        assert_ptr_equal(registry_node(r, n->pub.node), n);
        assert_ptr_equal(registry_node_by_curve(r, n->pub.curve), n);
        assert_string_equal(n->agency->code, "MI-4910100017");
        assert_int_equal(n->since_ms, 1775001600000ull);
        assert_int_equal(n->pub.box[31], 2);
        assert_int_equal(n->pub.witness[31], 3);
    }
    uint8_t nobody[KEY_BYTES] = {0xff};
    assert_null(registry_node_by_curve(r, nobody));
    assert_null(registry_node(r, "h99"));
    assert_null(registry_node(r, NULL));
    assert_int_equal(registry_node(r, "h00")->state, NODE_PENDING);
    assert_int_equal(registry_node(r, "h07")->state, NODE_ACTIVE);
    assert_int_equal(registry_node(r, "h14")->state, NODE_REVOKED);

    struct buf copy = {0};
    struct registry *q = NULL;
    registry_write_nodes(registry_node_at(r, 0), 50, &again);
    assert_int_equal(registry_parse(buf_slice(&agencies), SLICE_NONE,
                                    buf_slice(&again), &q, &why),
                     ERR_OK);
    registry_write_nodes(registry_node_at(q, 0), 50, &copy);
    assert_true(slice_eq(buf_slice(&again), buf_slice(&copy)));
    registry_free(&r);
    registry_free(&q);
    buf_fini(&agencies);
    buf_fini(&nodes);
    buf_fini(&again);
    buf_fini(&copy);
    buf_fini(&why);
}

static const struct {
    const char *name, *agency, *places, *why;
} PLACE_FAULTS[] = {
    /* clang-format off */
    {"a prefecture is missing", "", PLACES "49201\t架空市\thc_city\t49000\t\n", "no row for its prefecture"},
    {"a city is no prefecture of another", "", PLACES PREF "49201\t架空市\thc_city\t49000\t\n49202\t見本市\tother\t49201\t\n", "49202: no row for its prefecture"},
    {"a kind of one's own", "", PLACES PREF "49201\t架空市\tcity\t49000\t\n", "municipalities.tsv:3: kind"},
    {"a prefecture in another", "", PLACES "49000\t架空県\tprefecture\t49001\t\n", "names itself"},
    {"a city in itself", "", PLACES PREF "49201\t架空市\tother\t49201\t\n", "names itself"},
    {"six digits", "", PLACES PREF "492019\t架空市\tother\t49000\t\n", "municipalities.tsv:3: muni5"},
    {"no name", "", PLACES PREF "49201\t\tother\t49000\t\n", "municipalities.tsv:3: name_ja"},
    {"the same place twice", "", PLACES PREF PREF, "the place has two rows"},
    {"an agency at a place that has no row", "R_HOSP\t49201\n", PLACES PREF, "49201 is not in municipalities.tsv"},
}; /* clang-format on */

static void a_table_of_places_with_a_fault_is_none(void **state)
{
    (void)state;
    for (size_t i = 0; i < NELEM(PLACE_FAULTS); i++) {
        struct buf why = {0}, agencies = {0};
        struct registry *r = NULL;
        buf_adds(&agencies, AGENCIES);
        if (PLACE_FAULTS[i].agency[0] != '\0')
            buf_addf(&agencies, H1 "%s", PLACE_FAULTS[i].agency);
        enum err e = registry_parse(buf_slice(&agencies),
                                    slice_str(PLACE_FAULTS[i].places),
                                    SLICE_NONE, &r, &why);
        if (e == ERR_OK || r != NULL || why.p == NULL ||
            strstr((const char *)why.p, PLACE_FAULTS[i].why) == NULL)
            fail_msg("%s: %s %s", PLACE_FAULTS[i].name, err_code(e),
                     why.p == NULL ? "" : (const char *)why.p);
        buf_fini(&why);
        buf_fini(&agencies);
    }
}

static void a_place_knows_its_kind_and_who_stands_above_it(void **state)
{
    (void)state;
    struct buf why = {0};
    struct registry *r = NULL;
    if (registry_parse(slice_str(AGENCIES),
                       slice_str(PLACES
                                 "49100\t仮定市\tdesignated\t49000\tB\n" PREF
                                 "49201\t架空市\thc_city\t49000\tA BC\n"),
                       SLICE_NONE, &r, &why) != ERR_OK)
        fail_msg("%s", (const char *)why.p);
    const struct municipality *m = registry_municipality(r, "49201");
    assert_int_equal(m->kind, PLACE_HC_CITY);
    assert_string_equal(m->name_ja, "架空市");
    assert_true(municipality_enabled(m, "A"));
    assert_true(municipality_enabled(m, "BC"));
    assert_false(municipality_enabled(m, "B"));
    assert_string_equal(registry_upper(r, "49201")->muni5, "49000");
    assert_string_equal(registry_upper(r, "49100")->muni5, "49100");
    assert_string_equal(registry_upper(r, "49000")->muni5, "49000");
    assert_null(registry_municipality(r, "49202"));
    assert_null(registry_upper(r, "49202"));
    assert_null(registry_municipality(r, ""));
    registry_free(&r);
    buf_fini(&why);
}

static int allow(void **state)
{
    (void)state;
    code_allow_fictitious(true);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_fictitious_region_is_whole),
        cmocka_unit_test(its_roles_are_words_of_the_policy),
        cmocka_unit_test(the_hub_is_there_without_a_row),
        cmocka_unit_test(a_register_with_a_fault_is_none),
        cmocka_unit_test(all_faults_are_told_at_once),
        cmocka_unit_test(a_table_of_places_with_a_fault_is_none),
        cmocka_unit_test(a_place_knows_its_kind_and_who_stands_above_it),
        cmocka_unit_test(nodes_are_found_by_name_and_by_key),
    };
    return cmocka_run_group_tests(tests, allow, NULL);
}
