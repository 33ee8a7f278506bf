/* verify_test.c - a delivery is taken only when every signature, commitment,
 * leaf and proof in it is right; a log that contradicts itself is a fork. */
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

/* ---- the history of the log ---- */

/* Trees of 1, 2 and 4 leaves of one log, and another log of 4. */
struct trees {
    struct checkpoint one, two, four, other;
    struct hash to_two[1], to_four[1], one_to_four[2];
};

static struct hash leaf_of(uint8_t i)
{
    return proof_leaf(slice_of(&i, 1));
}

static void grow(struct trees *t)
{
    memset(t, 0, sizeof(*t));
    struct hash ab = proof_node(leaf_of(0), leaf_of(1));
    struct hash cd = proof_node(leaf_of(2), leaf_of(3));
    t->one = (struct checkpoint){.size = 1, .root = leaf_of(0)};
    t->two = (struct checkpoint){.size = 2, .root = ab};
    t->four = (struct checkpoint){.size = 4, .root = proof_node(ab, cd)};
    t->other = (struct checkpoint){.size = 4, .root = proof_node(cd, ab)};
    t->to_two[0] = leaf_of(1);
    t->to_four[0] = cd;
    t->one_to_four[0] = leaf_of(1);
    t->one_to_four[1] = cd;
}

static const struct checkpoint EMPTY = {.size = 0};

static void a_log_that_grows_is_followed(void **state)
{
    (void)state;
    struct trees t;
    struct heads h;
    grow(&t);
    heads_init(&h, NULL);
    assert_int_equal(heads_extend(&h, &EMPTY, &t.one, NULL, 0), ERR_OK);
    assert_int_equal(heads_extend(&h, &t.one, &t.two, t.to_two, 1), ERR_OK);
    assert_int_equal(heads_extend(&h, &t.two, &t.four, t.to_four, 1), ERR_OK);
    assert_int_equal(heads_last(&h)->size, 4);
    assert_int_equal(heads_extend(&h, &t.four, &t.four, NULL, 0), ERR_OK);
}

static void heads_of_two_connections_may_interleave(void **state)
{
    (void)state;
    struct trees t;
    struct heads h;
    grow(&t);
    heads_init(&h, &t.one);
    assert_int_equal(heads_extend(&h, &t.one, &t.four, t.one_to_four, 2),
                     ERR_OK);
    assert_int_equal(heads_extend(&h, &t.one, &t.two, t.to_two, 1), ERR_OK);
    assert_int_equal(heads_last(&h)->size, 4);
}

static void a_contradiction_is_a_fork(void **state) /* W-126, W-173 */
{
    (void)state;
    struct trees t;
    struct heads h;
    grow(&t);
    heads_init(&h, &t.four);
    assert_int_equal(heads_extend(&h, &t.four, &t.other, NULL, 0),
                     ERR_DLV_FORK);
    assert_int_equal(heads_extend(&h, &EMPTY, &t.other, NULL, 0), ERR_DLV_FORK);
    heads_init(&h, &t.two);
    assert_int_equal(heads_extend(&h, &t.two, &t.other, t.to_four, 1),
                     ERR_DLV_FORK);
    assert_int_equal(heads_extend(&h, &t.two, &t.one, NULL, 0), ERR_DLV_FORK);
    assert_int_equal(heads_last(&h)->size, 2);
}

static void old_heads_fall_out_and_the_newest_stays(void **state)
{
    (void)state;
    struct heads h;
    struct checkpoint c = {.size = 0};
    heads_init(&h, NULL);
    for (uint64_t i = 1; i <= 3 * HEADS_KEPT; i++) {
        c.size = i;
        assert_int_equal(heads_extend(&h, &EMPTY, &c, NULL, 0), ERR_OK);
    }
    assert_int_equal(h.n, HEADS_KEPT);
    assert_int_equal(heads_last(&h)->size, 3 * HEADS_KEPT);
}

static void a_proof_starts_at_a_head_of_its_connection(void **state)
{
    (void)state;
    struct trees t;
    struct known_heads k;
    grow(&t);
    known_reset(&k);
    assert_null(known_find(&k, 0));
    known_add(&k, &t.two);
    known_add(&k, &t.four);
    known_add(&k, &t.one);
    assert_int_equal(k.least, 2);
    assert_null(known_find(&k, 0));
    assert_int_equal(known_find(&k, 4)->size, 4);
    assert_int_equal(known_find(&k, 1)->size, 1);
}

static void what_is_on_its_way_stays_known(void **state)
{
    (void)state;
    struct known_heads k;
    struct checkpoint c = {.size = 0};
    known_reset(&k);
    for (uint64_t i = 1; i <= 3 * KNOWN_MAX; i++) {
        c.size = i;
        known_add(&k, &c);
        known_add(&k, &c);
    }
    assert_int_equal(k.n, KNOWN_MAX);
    for (uint64_t i = 2 * KNOWN_MAX + 1; i <= 3 * KNOWN_MAX; i++)
        assert_non_null(known_find(&k, i));
    assert_null(known_find(&k, 2 * KNOWN_MAX));
    assert_int_equal(k.least, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_honest_deliveries_are_taken),
        cmocka_unit_test(a_changed_byte_anywhere_is_refused),
        cmocka_unit_test(a_stored_delivery_opens_again),
        cmocka_unit_test(a_log_that_grows_is_followed),
        cmocka_unit_test(heads_of_two_connections_may_interleave),
        cmocka_unit_test(a_contradiction_is_a_fork),
        cmocka_unit_test(old_heads_fall_out_and_the_newest_stays),
        cmocka_unit_test(a_proof_starts_at_a_head_of_its_connection),
        cmocka_unit_test(what_is_on_its_way_stays_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
