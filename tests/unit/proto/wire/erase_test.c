/* erase_test.c - the order to forget a person: who can open it, what is
 * refused. */
#include "proto/wire/erase.h"
#include "proto/wire/unpack.h"
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static struct node_keys hub, node, other;
static uint8_t id[3][ERASE_ORDER_BYTES] = {{1}, {2}, {3}};

static int set_up(void **state)
{
    (void)state;
    if (sign_init() != ERR_OK)
        return -1;
    keys_make(&hub, "hub");
    keys_make(&node, "t1/ad1");
    keys_make(&other, "s1/ad1");
    return 0;
}

static Pb__EraseOrder an_order(ProtobufCBinaryData list[3])
{
    Pb__EraseOrder o = PB__ERASE_ORDER__INIT;
    for (size_t i = 0; i < 3; i++)
        list[i] = (ProtobufCBinaryData){ERASE_ORDER_BYTES, id[i]};
    o.has_order = o.has_leaf = 1;
    o.order = list[0];
    o.leaf = 7;
    o.n_person_token = 1;
    o.person_token = &list[1];
    o.n_case_token = 2;
    o.case_token = &list[1];
    return o;
}

static void seal_one(struct buf *sealed)
{
    ProtobufCBinaryData list[3];
    Pb__EraseOrder o = an_order(list);
    assert_int_equal(erase_seal(&o, hub.sign_secret, node.pub.box, sealed),
                     ERR_OK);
}

/* W-048 */
static void the_node_it_is_for_opens_it(void **state)
{
    (void)state;
    struct buf sealed = {0};
    ProtobufCMessage *m = NULL;
    seal_one(&sealed);
    assert_int_equal(erase_open(buf_slice(&sealed), &node, hub.pub.sign, &m),
                     ERR_OK);
    const Pb__EraseOrder *o = (Pb__EraseOrder *)m;
    assert_int_equal(o->leaf, 7);
    assert_memory_equal(o->person_token[0].data, id[1], ERASE_ORDER_BYTES);
    assert_int_equal(o->n_case_token, 2);
    unpack_free(&m);
    buf_fini(&sealed);
}

/* W-048 */
static void nobody_else_opens_it(void **state)
{
    (void)state;
    struct buf sealed = {0};
    ProtobufCMessage *m = NULL;
    seal_one(&sealed);
    assert_int_equal(erase_open(buf_slice(&sealed), &other, hub.pub.sign, &m),
                     ERR_DLV_BOX);
    assert_int_equal(erase_open(buf_slice(&sealed), &hub, hub.pub.sign, &m),
                     ERR_DLV_BOX);
    assert_null(m);
    buf_fini(&sealed);
}

/* W-048 */
static void an_order_of_anybody_but_the_hub_is_refused(void **state)
{
    (void)state;
    struct buf sealed = {0};
    ProtobufCMessage *m = NULL;
    seal_one(&sealed);
    assert_int_equal(erase_open(buf_slice(&sealed), &node, other.pub.sign, &m),
                     ERR_DLV_SIGNATURE);
    assert_null(m);
    buf_fini(&sealed);
}

static void every_changed_byte_is_seen(void **state)
{
    (void)state;
    struct buf sealed = {0};
    ProtobufCMessage *m = NULL;
    seal_one(&sealed);
    for (size_t i = 0; i < sealed.n; i++) {
        sealed.p[i] ^= 1;
        assert_int_equal(
            erase_open(buf_slice(&sealed), &node, hub.pub.sign, &m),
            ERR_DLV_BOX);
        sealed.p[i] ^= 1;
    }
    for (size_t n = 0; n < sealed.n; n++)
        assert_int_equal(
            erase_open(slice_of(sealed.p, n), &node, hub.pub.sign, &m),
            ERR_DLV_BOX);
    buf_fini(&sealed);
}

static void ids_and_tokens_have_sixteen_bytes(void **state)
{
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        ProtobufCBinaryData list[3];
        struct buf sealed = {0};
        ProtobufCMessage *m = NULL;
        Pb__EraseOrder o = an_order(list);
        if (i == 0)
            o.order.len = 15;
        list[i].len = i == 0 ? ERASE_ORDER_BYTES : 15;
        assert_int_equal(erase_seal(&o, hub.sign_secret, node.pub.box, &sealed),
                         ERR_OK);
        assert_int_equal(
            erase_open(buf_slice(&sealed), &node, hub.pub.sign, &m),
            ERR_PB_MALFORMED);
        assert_null(m);
        buf_fini(&sealed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_node_it_is_for_opens_it),
        cmocka_unit_test(nobody_else_opens_it),
        cmocka_unit_test(an_order_of_anybody_but_the_hub_is_refused),
        cmocka_unit_test(every_changed_byte_is_seen),
        cmocka_unit_test(ids_and_tokens_have_sixteen_bytes),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
