/* epoch_test.c - a restored log goes on under a new name, by two people's
 * order, or not at all; and what it lost is declared. */
#include "hub/core/order.h"
#include "tests/unit/hub/app/region.h"

#define SECOND "kakuu.example/log/2"
#define THIRD "kakuu.example/log/3"

/* Writes DIR/order, signed by the first n approvers. */
static void write_order(struct region *r, struct order *o, int n)
{
    struct buf text = {0};
    order_write(o, &text);
    for (int i = 0; i < n; i++) {
        struct buf more = {0};
        assert_int_equal(
            approve_sign(buf_slice(&text), &r->approver.key[i], &more), ERR_OK);
        buf_fini(&text);
        text = more;
    }
    region_write(r, "order", buf_slice(&text));
    buf_fini(&text);
}

static struct order order_of(const char *ends, const char *begins,
                             const struct buf *note, uint64_t size)
{
    struct order o = {.kind = ORDER_EPOCH,
                      .order = id_new(clock_wall_ms()),
                      .made_ms = clock_wall_ms() / 1000 * 1000,
                      .reason = "RESTORED",
                      .old_size = size};
    snprintf(o.origin, sizeof(o.origin), "%s", ends);
    snprintf(o.new_origin, sizeof(o.new_origin), "%s", begins);
    sha256(buf_slice(note), o.old_sha256);
    return o;
}

/* What tsunagid --new-epoch does, under the region's origin. */
static enum err new_epoch(struct region *r)
{
    struct buf why = {0};
    char *path = region_path(r, "order");
    r->hub = calloc(1, sizeof(*r->hub));
    assert_non_null(r->hub);
    region_config(r, &r->hub->config);
    log_open("test", 0);
    enum err e = hub_new_epoch(r->hub, path, &why);
    log_open("test", LOG_ERROR);
    prctl(PR_SET_DUMPABLE, 1);
    if (e != ERR_OK)
        assert_true(why.n > 0);
    region_stop(r);
    buf_fini(&why);
    free(path);
    return e;
}

/* A hub whose store went back: size leaves are left, then is the newest note
 * of them and newest the one that was lost. */
struct lost {
    uint64_t size, newest_size;
    struct buf then, newest;
};

static void go_back(struct region *r, struct lost *l)
{
    some_events(r, 2);
    l->size = store_log_size(r->hub->store);
    buf_add(&l->then, r->hub->note.p, r->hub->note.n);
    region_stop(r);
    copy_tree(r, "data", "data-then");
    region_start(r);
    some_events(r, 3);
    l->newest_size = store_log_size(r->hub->store);
    buf_add(&l->newest, r->hub->note.p, r->hub->note.n);
    region_stop(r);
    copy_tree(r, "state", "state-then");
    copy_tree(r, "data-then", "data");
}

static void lost_fini(struct lost *l)
{
    buf_fini(&l->then);
    buf_fini(&l->newest);
}

static void the_leaf_declares_the_gap(struct region *r, const struct lost *l,
                                      const struct order *o)
{
    struct buf bytes = {0};
    ProtobufCMessage *m = NULL;
    assert_int_equal(store_leaf_get(r->hub->store, l->size, &bytes), ERR_OK);
    assert_int_equal(unpack(&pb__audit_leaf__descriptor, buf_slice(&bytes), &m),
                     ERR_OK);
    const Pb__AuditLeaf *leaf = (const Pb__AuditLeaf *)m;
    assert_int_equal(leaf->kind, PB__LEAF_KIND__EPOCH_START);
    assert_string_equal(leaf->origin, o->new_origin);
    assert_string_equal(leaf->reason, o->reason);
    assert_int_equal(leaf->previous_size, l->newest_size);
    assert_memory_equal(leaf->previous_sha256.data, o->old_sha256, 32);
    assert_memory_equal(leaf->order.data, o->order.b, ID_BYTES);
    unpack_free(&m);
    buf_fini(&bytes);
}

/* The head is signed under the new name, and an old one is still inside. */
static void the_old_head_is_inside(struct region *r, const struct lost *l)
{
    struct checkpoint old, now;
    struct hash root;
    assert_int_equal(checkpoint_open(buf_slice(&l->then), ORIGIN,
                                     r->hub->log_keys.pub.sign, &old),
                     ERR_OK);
    assert_int_equal(checkpoint_open(buf_slice(&r->hub->note), SECOND,
                                     r->hub->log_keys.pub.sign, &now),
                     ERR_OK);
    assert_int_equal(now.size, store_log_size(r->hub->store));
    assert_int_equal(merkle_root_at(store_merkle(r->hub->store), old.size,
                                    store_tile, r->hub->store, &root),
                     ERR_OK);
    assert_memory_equal(root.b, old.root.b, HASH_BYTES);
}

static void a_restored_log_goes_on_under_a_new_name(void **state) /* W-175 */
{
    struct region *r = *state;
    struct lost l = {0};
    go_back(r, &l);
    refuses_to_start(r, ERR_ROLLBACK);
    struct order o = order_of(ORIGIN, SECOND, &l.newest, l.newest_size);
    write_order(r, &o, 2);
    r->origin = SECOND;
    refuses_to_start(r, ERR_ROLLBACK); /* a name alone does not help */
    assert_int_equal(new_epoch(r), ERR_OK);
    region_start(r);
    the_leaf_declares_the_gap(r, &l, &o);
    the_old_head_is_inside(r, &l);
    some_events(r, 2);
    region_stop(r);
    region_start(r);
    the_old_head_is_inside(r, &l);
    region_stop(r);
    r->origin = NULL;
    refuses_to_start(r, ERR_LOG_ORIGIN); /* nor does the old one any more */
    r->origin = SECOND;
    region_start(r);
    lost_fini(&l);
}

static void a_sound_log_keeps_its_name(void **state)
{
    struct region *r = *state;
    char *signer = region_path(r, "state/signer");
    some_events(r, 1);
    region_stop(r);
    r->origin = SECOND;
    refuses_to_start(r, ERR_LOG_ORIGIN);
    assert_int_equal(unlink(signer), 0); /* not even without its state */
    refuses_to_start(r, ERR_LOG_ORIGIN);
    free(signer);
    r->origin = NULL;
    region_start(r);
}

static const struct {
    const char *name, *ends, *begins, *config;
    int kind, approvers;
    int64_t days; /* made */
    enum err want;
} ORDERS[] = {
    {"one signature is too few", ORIGIN, SECOND, SECOND, ORDER_EPOCH, 1, 0,
     ERR_ORDER_APPROVALS},
    {"none is too few", ORIGIN, SECOND, SECOND, ORDER_EPOCH, 0, 0,
     ERR_ORDER_APPROVALS},
    {"an order for another log", "other.example/log", SECOND, SECOND,
     ORDER_EPOCH, 2, 0, ERR_ORDER_OTHER},
    {"an order for a name that is not configured", ORIGIN, THIRD, SECOND,
     ORDER_EPOCH, 2, 0, ERR_LOG_ORIGIN},
    {"an order of long ago", ORIGIN, SECOND, SECOND, ORDER_EPOCH, 2, -31,
     ERR_ORDER_OLD},
    {"an order for something else", ORIGIN, SECOND, SECOND, ORDER_LIFT, 2, 0,
     ERR_ORDER_FORM},
};

static void without_two_people_nothing_is_accepted(void **state)
{
    struct region *r = *state;
    struct lost l = {0};
    go_back(r, &l);
    for (size_t i = 0; i < NELEM(ORDERS); i++) {
        struct order o =
            order_of(ORDERS[i].ends, ORDERS[i].begins, &l.newest, 9);
        o.kind = (enum order_kind)ORDERS[i].kind;
        o.made_ms += (uint64_t)(ORDERS[i].days * 86400000);
        write_order(r, &o, ORDERS[i].approvers);
        r->origin = ORDERS[i].config;
        enum err e = new_epoch(r);
        if (e != ORDERS[i].want)
            fail_msg("%s: %s", ORDERS[i].name, err_code(e));
        r->origin = NULL;
        refuses_to_start(r, ERR_ROLLBACK); /* as before */
    }
    struct order o = order_of(ORIGIN, SECOND, &l.newest, l.newest_size);
    write_order(r, &o, 2);
    r->origin = SECOND;
    assert_int_equal(new_epoch(r), ERR_OK);
    region_start(r);
    lost_fini(&l);
}

static void what_a_crash_left_undone_is_done_once(void **state)
{
    struct region *r = *state;
    struct lost l = {0};
    go_back(r, &l);
    struct order o = order_of(ORIGIN, SECOND, &l.newest, l.newest_size);
    write_order(r, &o, 2);
    r->origin = SECOND;
    assert_int_equal(new_epoch(r), ERR_OK);
    /* as if it had died after the leaf: signer and anchor are the old ones */
    copy_tree(r, "state-then", "state");
    refuses_to_start(r, ERR_ROLLBACK);
    assert_int_equal(new_epoch(r), ERR_OK);
    /* or after the signer's state: the anchor alone is the old one */
    copy_tree(r, "state-then/anchor", "state/anchor");
    refuses_to_start(r, ERR_ROLLBACK);
    assert_int_equal(new_epoch(r), ERR_OK);
    assert_int_equal(new_epoch(r), ERR_OK); /* and it may be told again */
    region_start(r);
    the_leaf_declares_the_gap(r, &l, &o);
    the_old_head_is_inside(r, &l);
    lost_fini(&l);
}

static void a_name_is_given_once(void **state)
{
    struct region *r = *state;
    struct lost l = {0};
    go_back(r, &l);
    struct order o = order_of(ORIGIN, SECOND, &l.newest, l.newest_size);
    write_order(r, &o, 2);
    r->origin = SECOND;
    assert_int_equal(new_epoch(r), ERR_OK);
    region_start(r);
    some_events(r, 2);
    region_stop(r);
    /* back again, beyond the start of the second epoch */
    copy_tree(r, "data-then", "data");
    refuses_to_start(r, ERR_ROLLBACK);
    assert_int_equal(new_epoch(r), ERR_ORDER_TAKEN);
    struct order other = order_of(ORIGIN, SECOND, &l.newest, l.newest_size);
    write_order(r, &other, 2);
    assert_int_equal(new_epoch(r), ERR_ORDER_TAKEN);
    struct order third = order_of(SECOND, THIRD, &l.newest, l.newest_size);
    write_order(r, &third, 2);
    r->origin = THIRD;
    assert_int_equal(new_epoch(r), ERR_OK);
    region_start(r);
    the_leaf_declares_the_gap(r, &l, &third);
    lost_fini(&l);
}

static void a_lost_disk_is_an_epoch_too(void **state)
{
    struct region *r = *state;
    struct lost l = {0};
    go_back(r, &l);
    char *data = region_path(r, "data"), *ring = region_path(r, "keyring");
    run_command("rm -rf", data, ring);
    assert_int_equal(mkdir(data, 0700), 0);
    free(data);
    free(ring);
    l.size = 0;
    struct order o = order_of(ORIGIN, SECOND, &l.newest, l.newest_size);
    snprintf(o.reason, sizeof(o.reason), "DISK_LOST");
    write_order(r, &o, 2);
    r->origin = SECOND;
    assert_int_equal(new_epoch(r), ERR_OK);
    /* a pack is for one log: the first one here is signed for its name */
    char *policy = region_path(r, "policy");
    assert_int_equal(
        pack_sign(policy, SECOND, 1, 1767193200000, &r->approver, 2), ERR_OK);
    free(policy);
    region_start(r);
    the_leaf_declares_the_gap(r, &l, &o);
    some_events(r, 1);
    lost_fini(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        REGION_TEST(a_restored_log_goes_on_under_a_new_name),
        REGION_TEST(a_sound_log_keeps_its_name),
        REGION_TEST(without_two_people_nothing_is_accepted),
        REGION_TEST(what_a_crash_left_undone_is_done_once),
        REGION_TEST(a_name_is_given_once),
        REGION_TEST(a_lost_disk_is_an_epoch_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
