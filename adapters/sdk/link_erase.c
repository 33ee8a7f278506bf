/* link_erase.c - orders to forget a person, which come with the lease.
 *
 * The hub names in every lease answer all orders that this node has not
 * answered, so nothing here needs to survive: what was not dealt with comes
 * again, also after days without a connection. Each is opened (the hub's
 * signature, our box) and waits here until the host has obeyed it; the answer,
 * signed, is a question of ours (ASK `erased`), which the hub takes once. */
#include "adapters/sdk/link_lanes.h"
#include "proto/base/log.h"
#include "proto/wire/erase.h"
#include "proto/wire/json.h"
#include "proto/wire/unpack.h"
#include <stdlib.h>
#include <string.h>

#define SEALED_MAX (64 * 1024)

void link_erase_reset(struct link *k)
{
    for (size_t i = 0; i < k->erase_count; i++)
        unpack_free(&k->erase[i]);
    k->erase_count = 0;
    k->erase_given = false;
}

static enum err open_order(struct link *k, const char *hex,
                           ProtobufCMessage **order)
{
    size_t n = strlen(hex) / 2;
    uint8_t *sealed = n > 0 && n <= SEALED_MAX ? malloc(n) : NULL;
    enum err e = sealed != NULL && strlen(hex) == 2 * n &&
                         hex_decode(hex, sealed, n) == ERR_OK
                     ? ERR_OK
                     : ERR_PB_MALFORMED;
    if (e == ERR_OK)
        e = erase_open(slice_of(sealed, n), k->c.keys, k->c.hub->sign, order);
    free(sealed);
    return e;
}

enum err link_erase_take(struct link *k, const json_t *list)
{
    enum err e = ERR_OK;
    link_erase_reset(k);
    for (size_t i = 0; i < json_array_size(list) && k->erase_count < ERASES_MAX;
         i++) {
        const char *hex = json_string_value(
            json_object_get(json_array_get(list, i), "sealed"));
        ProtobufCMessage *order = NULL;
        enum err one =
            hex == NULL ? ERR_PB_MALFORMED : open_order(k, hex, &order);
        if (one == ERR_OK)
            k->erase[k->erase_count++] = order;
        else
            e = link_swallow(k, "order to forget", one);
        if (e != ERR_OK)
            return e;
    }
    return e;
}

ProtobufCMessage *const *link_erase_orders(struct link *k, size_t *n)
{
    *n = k->erase_given ? 0 : k->erase_count;
    k->erase_given = true;
    return k->erase;
}

/* ---- the answer ---- */

/* A loss is made good by the next lease. */
static void answered(void *ctx, enum err e, const Pb__Answer *a)
{
    (void)ctx;
    if (e == ERR_OK && a->code != NULL && *a->code != '\0')
        e = err_from_code(a->code);
    if (e != ERR_OK && e != ERR_UNREACHABLE)
        log_warn("link: an answer to an order to forget was not taken code=%s",
                 err_code(e));
}

static enum err ask_erased(struct link *k, struct slice answer,
                           const uint8_t sig[SIGNATURE_BYTES])
{
    char what[] = "erased", keys[2][10] = {"answer", "signature"};
    struct buf hex[2] = {{0}};
    Pb__AskArgument arg[2] = {PB__ASK_ARGUMENT__INIT, PB__ASK_ARGUMENT__INIT};
    Pb__AskArgument *args[2] = {&arg[0], &arg[1]};
    Pb__Ask ask = PB__ASK__INIT;
    buf_add_hex(&hex[0], answer);
    buf_add_hex(&hex[1], slice_of(sig, SIGNATURE_BYTES));
    enum err e = hex[0].failed || hex[1].failed ? ERR_NOMEM : ERR_OK;
    for (size_t i = 0; i < 2 && e == ERR_OK; i++) {
        arg[i].key = keys[i];
        arg[i].value = (char *)hex[i].p;
    }
    ask.what = what;
    ask.n_arg = 2;
    ask.arg = args;
    if (e == ERR_OK)
        e = link_ask(k, &ask, answered, k);
    buf_fini(&hex[0]);
    buf_fini(&hex[1]);
    return e == ERR_NOMEM ? e : ERR_OK;
}

enum err link_erase_answer(struct link *k, const Pb__EraseOrder *order,
                           const struct spool_forgotten *o)
{
    Pb__EraseAnswer m = PB__ERASE_ANSWER__INIT;
    struct buf b = {0};
    uint8_t sig[SIGNATURE_BYTES];
    m.has_order = m.has_leaf = m.has_time_ms = m.has_outcome = 1;
    m.has_deleted = m.has_handed_over = 1;
    m.order = order->order;
    m.leaf = o->leaf;
    m.time_ms = o->time_ms;
    m.outcome = (Pb__RecallOutcome)o->outcome;
    m.deleted = o->deleted;
    m.handed_over = o->handed;
    enum err e = pack(&m.base, &b);
    if (e == ERR_OK)
        e = sign_make(SIGN_ERASE, buf_slice(&b), k->c.keys->sign_secret, sig);
    if (e == ERR_OK)
        e = ask_erased(k, buf_slice(&b), sig);
    buf_fini(&b);
    return e;
}
