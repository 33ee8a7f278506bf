/* verify_test.c - a delivery is taken only when every signature, commitment,
 * leaf and proof in it is right. */
#include "adapters/sdk/verify.h"
#include "tests/unit/adapters/sdk/hubside.h"

static const struct {
    const char *name;
    enum tamper tamper;
    enum err want;
} CASES[] = {
    {"an honest delivery is taken", HONEST, ERR_OK},
    {"a forged signature of the hub", HUB_SIGNATURE, ERR_DLV_SIGNATURE},
    {"a forged signature of the sender", SENDER_SIGNATURE, ERR_EVT_SIGNATURE},
    {"the key of somebody else", SENDER_KEY, ERR_EVT_SIGNATURE},
    {"a part that was changed", PART_BODY, ERR_EVT_COMMITMENT},
    {"a salt that was changed", PART_SALT, ERR_EVT_COMMITMENT},
    {"a part given out as another class", PART_CLASS, ERR_EVT_COMMITMENT},
    {"a leaf that is no release", LEAF_KIND, ERR_DLV_PROOF},
    {"a leaf of another event", LEAF_EVENT, ERR_DLV_PROOF},
    {"a leaf for another agency", LEAF_PEER, ERR_DLV_PROOF},
    {"a leaf that permits more than came", LEAF_MORE, ERR_DLV_PROOF},
    {"a leaf that permits less than came", LEAF_LESS, ERR_DLV_PROOF},
    {"a leaf with another index", LEAF_INDEX, ERR_DLV_PROOF},
    {"a leaf of another header", LEAF_HEADER, ERR_DLV_PROOF},
    {"a leaf of another sender's key", LEAF_KEY, ERR_DLV_PROOF},
    {"a leaf that is not in the log", LEAF_ABSENT, ERR_DLV_PROOF},
    {"a proof that was changed", PROOF_PATH, ERR_DLV_PROOF},
    {"a proof that is too short", PROOF_LENGTH, ERR_DLV_PROOF},
    {"a delivery for another agency", FOR_ANOTHER, ERR_DLV_PROOF},
};

static void only_honest_deliveries_are_taken(void **state) /* W-126 */
{
    (void)state;
    struct hubside h;
    hubside_init(&h);
    for (size_t i = 0; i < NELEM(CASES); i++) {
        struct buf packed = {0}, bytes = {0};
        struct checkpoint head = {.size = 0};
        struct verified v;
        hubside_delivery(&h, CASES[i].tamper, 0, &packed, &head);
        enum err e = verify_delivery(buf_slice(&packed), US, h.hub.pub.sign,
                                     &head, &bytes, &v);
        if (e != CASES[i].want)
            fail_msg("%s: %s", CASES[i].name, err_code(e));
        if ((bytes.n > 0) != (e == ERR_OK) ||
            (v.event != NULL) != (e == ERR_OK))
            fail_msg("%s: something was handed out", CASES[i].name);
        verified_close(&v);
        buf_fini(&packed);
        buf_fini(&bytes);
    }
    hubside_fini(&h);
}

static void a_changed_byte_anywhere_is_refused(void **state)
{
    (void)state;
    struct hubside h;
    struct buf packed = {0};
    struct checkpoint head = {.size = 0};
    hubside_init(&h);
    hubside_delivery(&h, HONEST, 0, &packed, &head);
    for (size_t i = 0; i < packed.n; i += 7) {
        struct buf bytes = {0};
        struct verified v;
        packed.p[i] ^= 0x20;
        if (verify_delivery(buf_slice(&packed), US, h.hub.pub.sign, &head,
                            &bytes, &v) == ERR_OK)
            fail_msg("byte %zu", i);
        packed.p[i] ^= 0x20;
        buf_fini(&bytes);
    }
    buf_fini(&packed);
    hubside_fini(&h);
}

static void a_stored_delivery_opens_again(void **state)
{
    (void)state;
    struct hubside h;
    struct buf packed = {0}, bytes = {0};
    struct checkpoint head = {.size = 0};
    struct verified v;
    hubside_init(&h);
    hubside_delivery(&h, HONEST, 0, &packed, &head);
    assert_int_equal(verify_delivery(buf_slice(&packed), US, h.hub.pub.sign,
                                     &head, &bytes, &v),
                     ERR_OK);
    verified_close(&v);
    assert_int_equal(verify_stored(buf_slice(&bytes), &v), ERR_OK);
    assert_true((v.event->present & class_bit(PB__DATA_CLASS__G_ID)) != 0);
    assert_true((v.event->present & class_bit(PB__DATA_CLASS__G_DX)) == 0);
    verified_close(&v);
    buf_fini(&packed);
    buf_fini(&bytes);
    hubside_fini(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_honest_deliveries_are_taken),
        cmocka_unit_test(a_changed_byte_anywhere_is_refused),
        cmocka_unit_test(a_stored_delivery_opens_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
