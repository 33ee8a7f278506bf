/* order_fuzz.c - any bytes as an order.
 *
 * Oracles: what is read is written back byte for byte, signed or bare; a fault
 * says why; nobody's signature takes an order. */
#include "hub/core/order.h"
#include <stdlib.h>
#include <string.h>

static void require(bool truth)
{
    if (!truth)
        abort();
}

/* Bare, or what stands before the signatures. */
static void check_same(const struct order *o, struct slice note)
{
    struct slice text, lines;
    struct buf again = {0};
    if (!note_cut(note, &text, &lines))
        text = note;
    order_write(o, &again);
    require(slice_eq(buf_slice(&again), text));
    buf_fini(&again);
}

static void check_signed(struct slice note, const char *origin, uint64_t now_ms)
{
    static struct approvers *nobody;
    struct buf why = {0};
    struct approvals by;
    struct order o;
    if (nobody == NULL &&
        approvers_parse(slice_str("name\tperson_ja\tsign\tstate\n"), &nobody,
                        &why) != ERR_OK)
        abort();
    struct order_ask ask = {note, origin, nobody, now_ms};
    require(order_verify(&ask, &o, &by, &why) == ERR_ORDER_APPROVALS);
    require(by.n == 0);
    buf_fini(&why);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice note = slice_of(data, size);
    struct buf why = {0};
    struct order o;
    enum err e = order_parse(note, &o, &why);
    require(e == ERR_OK || (e == ERR_ORDER_FORM && why.n > 0));
    require((e == ERR_OK) == (why.n == 0));
    if (e == ERR_OK) {
        check_same(&o, note);
        check_signed(note, o.origin, o.made_ms);
    }
    buf_fini(&why);
    return 0;
}
