/* link_lease.c - leave to show what was delivered, and what is called back.
 *
 * The hub cannot reach into a node that is switched off, so nothing unread is
 * handed over without a lease: at most five minutes, asked for every two and
 * at once after connecting. The answer brings the recalls since; they are on
 * disk before the lease counts. Time runs by the boot clock from the moment of
 * asking, so neither a slow answer nor a wrong wall clock makes it longer.
 *
 * With the lease come orders to forget a person (link_erase.c).
 *
 * A recall is answered like a delivery, by a signed ACK that says what became
 * of it. Acknowledgements may be lost with a connection: on each new one the
 * node asks from the first recall again, and answers repeats as before. */
#include "adapters/sdk/link_lanes.h"
#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "proto/wire/unpack.h"
#include <inttypes.h>
#include <string.h>

#define MOST_MS 300000
#define AGAIN_MS 5000

void link_lease_connected(struct link *k, uint64_t now)
{
    k->lease.due_ms = now;
    k->lease.after = 0;
}

bool link_lease(const struct link *k, uint64_t boot_ms)
{
    return k != NULL && k->lease.until_ms > boot_ms;
}

/* ---- recalls ---- */

static enum err leaf_of(const struct spool_in *d, uint8_t sha[32], bool *has)
{
    ProtobufCMessage *m = NULL;
    *has = false;
    if (d->delivery.n == 0)
        return ERR_OK;
    enum err e = unpack(&pb__delivery__descriptor, buf_slice(&d->delivery), &m);
    if (e == ERR_OK) {
        sha256(pb_slice(((Pb__Delivery *)m)->release_leaf), sha);
        *has = true;
    }
    unpack_free(&m);
    return e;
}

/* The digest that the acknowledgement repeats, of what we have. */
static enum err stored_leaf(struct link *k, struct id id, uint8_t sha[32],
                            bool *has)
{
    struct spool_in d;
    *has = false;
    enum err e = spool_in_get(k->c.spool, id, &d);
    if (e == ERR_OK) {
        e = leaf_of(&d, sha, has);
        spool_in_fini(&d);
    }
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

static enum err take_recall(struct link *k, const json_t *j)
{
    const char *text = json_string_value(json_object_get(j, "delivery_id"));
    json_int_t no = json_integer_value(json_object_get(j, "no"));
    struct spool_recalled r;
    struct id id;
    uint8_t sha[32];
    bool has;
    if (text == NULL || no <= 0 || id_parse(text, &id) != ERR_OK)
        return ERR_PB_MALFORMED;
    enum err e = stored_leaf(k, id, sha, &has);
    if (e == ERR_OK)
        e = spool_recall(k->c.spool, id, (uint64_t)no, has ? sha : NULL,
                         clock_wall_ms(), &r);
    if (e == ERR_OK && json_is_true(json_object_get(j, "erase")))
        e = spool_recall_erased(k->c.spool, id);
    if (e == ERR_OK)
        e = link_ack_recall(&k->lane[LANE_NORMAL], id, &r);
    if (e == ERR_OK && (uint64_t)no > k->lease.after)
        k->lease.after = (uint64_t)no;
    return e;
}

static enum err take_recalls(struct link *k, const json_t *list)
{
    size_t i, n = json_array_size(list);
    enum err e = ERR_OK;
    for (i = 0; i < n && e == ERR_OK; i++)
        e = take_recall(k, json_array_get(list, i));
    if (n > 0)
        log_note("link: deliveries called back count=%zu", n);
    return e == ERR_OK && n > 0 ? spool_scrub(k->c.spool) : e;
}

/* ---- the lease ---- */

/* How long it lasts, by the hub's own clock; 0: no lease. */
static uint64_t span_of(const json_t *j)
{
    json_int_t until = json_integer_value(json_object_get(j, "until_ms"));
    json_int_t now = json_integer_value(json_object_get(j, "now_ms"));
    if (now <= 0 || until <= now)
        return 0;
    return until - now < MOST_MS ? (uint64_t)(until - now) : MOST_MS;
}

static enum err take_lease(struct link *k, const Pb__Answer *a)
{
    struct lease *l = &k->lease;
    json_t *j = NULL;
    enum err e = link_open_answer(ERR_OK, a, &j);
    if (e == ERR_OK)
        e = take_recalls(k, json_object_get(j, "recalls"));
    if (e == ERR_OK)
        e = link_erase_take(k, json_object_get(j, "erase"));
    bool more = json_is_true(json_object_get(j, "more"));
    uint64_t span = e == ERR_OK ? span_of(j) : 0;
    json_decref(j);
    if (e != ERR_OK || span == 0)
        return e != ERR_OK ? e : ERR_DLV_LEASE;
    /* two minutes into a lease of five */
    l->due_ms = more ? l->asked_ms : l->asked_ms + span * 2 / 5;
    if (!more) /* only when every recall is on our disk */
        l->until_ms = l->asked_ms + span;
    return ERR_OK;
}

static void lease_done(void *ctx, enum err e, const Pb__Answer *a)
{
    struct link *k = ctx;
    k->lease.asking = false;
    if (e == ERR_OK)
        e = take_lease(k, a);
    if (e == ERR_OK)
        return;
    k->lease.due_ms = k->lease.asked_ms + AGAIN_MS;
    if (e != ERR_UNREACHABLE && e != ERR_STORE)
        log_warn("link: no leave to show deliveries code=%s", err_code(e));
}

/* A storage error shows itself at the commit that follows. */
enum err link_lease_send(struct link *k, uint64_t now)
{
    char after[24], key[] = "after", what[] = "lease";
    Pb__AskArgument arg = PB__ASK_ARGUMENT__INIT, *args[] = {&arg};
    Pb__Ask ask = PB__ASK__INIT;
    if (k->lease.asking || !k->lane[LANE_NORMAL].up || now < k->lease.due_ms)
        return ERR_OK;
    snprintf(after, sizeof(after), "%" PRIu64, k->lease.after);
    arg.key = key;
    arg.value = after;
    ask.what = what;
    ask.n_arg = 1;
    ask.arg = args;
    k->lease.asked_ms = now;
    enum err e = link_ask(k, &ask, lease_done, k);
    k->lease.asking = e == ERR_OK;
    return e == ERR_NOMEM ? e : ERR_OK;
}
