/* epoch.c - a log that goes on under a new name after it has lost something.
 *
 * A log that went back and signs again under its old name signs two histories:
 * that is what witnesses and nodes take for a fork, and rightly. So a hub whose
 * store is older than what it signed does not start. Two approvers may order a
 * new epoch (core/order.h): the leaves that were recovered stay where they are,
 * the next leaf is EPOCH_START and names the newest checkpoint known of the old
 * log, so that the gap is declared, and from there on heads are signed under
 * the new name. Nodes follow when a person there has changed hub.origin.
 *
 * The value "epoch" of the store, written with the leaf, is
 *
 *   <origin>\n<order, hex>\n
 *
 * Order of what is made durable: leaf and value, then the signer's state, then
 * the anchor. After a crash in between no start is possible but with the same
 * order again, which does what is left. A name that the signer had before is
 * refused when the store does not know it: the store went back beyond that
 * epoch's start, and a third history would bear the second one's name. */
#include "hub/app/hub.h"
#include "hub/core/order.h"
#include "proto/base/log.h"
#include "proto/wire/unpack.h"
#include <inttypes.h>
#include <string.h>

#define VALUE "epoch"

/* The epoch's name and the order it began by; no name: the first one. */
struct begun {
    char origin[ORIGIN_MAX];
    struct id order;
};

static enum err read_value(struct hub *h, struct begun *b)
{
    struct buf text = {0};
    memset(b, 0, sizeof(*b));
    enum err e = store_value_get(h->store, VALUE, &text);
    char *at = (char *)text.p;
    if (e == ERR_OK && text.n > 0) {
        const char *origin = strsep(&at, "\n");
        const char *order = at != NULL ? strsep(&at, "\n") : "";
        snprintf(b->origin, sizeof(b->origin), "%s", origin);
        e = hex_decode(order, b->order.b, ID_BYTES);
    }
    buf_fini(&text);
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

/* The first line of the newest note; "" when nothing was signed. */
static enum err note_origin(struct hub *h, char out[ORIGIN_MAX])
{
    struct buf note = {0};
    out[0] = '\0';
    enum err e = store_checkpoint_get(h->store, &note);
    const uint8_t *end = note.n > 0 ? memchr(note.p, '\n', note.n) : NULL;
    size_t n = end != NULL ? (size_t)(end - note.p) : ORIGIN_MAX;
    if (e == ERR_OK && n < ORIGIN_MAX) {
        memcpy(out, note.p, n);
        out[n] = '\0';
    }
    buf_fini(&note);
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

/* By which name the store's log goes; "": it has none yet. */
static enum err log_origin(struct hub *h, char out[ORIGIN_MAX])
{
    struct begun b;
    enum err e = read_value(h, &b);
    if (e == ERR_OK && b.origin[0] == '\0')
        return note_origin(h, out);
    memcpy(out, b.origin, ORIGIN_MAX);
    return e;
}

enum err epoch_check(struct hub *h, struct buf *why)
{
    char origin[ORIGIN_MAX];
    enum err e = log_origin(h, origin);
    if (e != ERR_OK || origin[0] == '\0' ||
        strcmp(origin, h->config.origin) == 0)
        return e;
    buf_addf(why,
             "the log is %s, origin in the configuration is %s; a new name "
             "takes an order (tsunagid --new-epoch)",
             origin, h->config.origin);
    return ERR_LOG_ORIGIN;
}

/* ---- a new one ---- */

struct start {
    struct buf path; /* of the signer's state */
    char signed_as[ORIGIN_MAX];
    uint64_t signed_size;
    struct begun begun;
    struct order order;
};

/* What is known of the log that ends, here and beside the keys. */
static enum err look(struct hub *h, struct start *s, struct buf *why)
{
    buf_addf(&s->path, "%s/signer", h->config.state);
    if (s->path.failed)
        return ERR_NOMEM;
    enum err e = read_value(h, &s->begun);
    if (e == ERR_OK)
        e = signer_peek((char *)s->path.p, s->signed_as, &s->signed_size);
    if (e == ERR_NOT_FOUND)
        e = ERR_OK;
    if (e != ERR_OK)
        buf_addf(why, "%s: %s", (char *)s->path.p, err_en(e));
    return e;
}

/* The name of the log that ends: what the signer signed last; without its
 * state the store's; when both are lost, what the approvers say. */
static enum err name_that_ends(struct hub *h, const struct start *s,
                               struct slice note, char out[ORIGIN_MAX],
                               struct buf *why)
{
    struct order o;
    bool ours = strcmp(s->signed_as, h->config.origin) == 0;
    enum err e = ERR_OK;
    memcpy(out, s->signed_as, ORIGIN_MAX);
    if (out[0] == '\0')
        e = log_origin(h, out);
    if (e != ERR_OK || (out[0] != '\0' && !ours))
        return e;
    e = order_parse(note, &o, why); /* finished before, or nothing is left */
    if (e == ERR_OK)
        memcpy(out, o.origin, ORIGIN_MAX);
    return e;
}

static enum err read_order(struct hub *h, const char *path, struct start *s,
                           struct buf *why)
{
    struct buf note = {0};
    struct who_approves who = {0};
    struct approvals by;
    char ends[ORIGIN_MAX];
    enum err e = file_read(path, NOTE_MAX, &note);
    if (e != ERR_OK)
        buf_addf(why, "%s: %s", path, err_en(e));
    if (e == ERR_OK)
        e = who_read(h, &who, why);
    if (e == ERR_OK)
        e = name_that_ends(h, s, buf_slice(&note), ends, why);
    if (e == ERR_OK) {
        struct order_ask ask = {.note = buf_slice(&note),
                                .origin = ends,
                                .approvers = who.now,
                                .now_ms = h->now_ms};
        e = order_verify(&ask, &s->order, &by, why);
    }
    who_fini(&who);
    buf_fini(&note);
    return e;
}

static enum err check_order(const struct hub *h, const struct start *s,
                            struct buf *why)
{
    const struct order *o = &s->order;
    if (o->kind != ORDER_EPOCH) {
        buf_adds(why, "the order is not for a new epoch");
        return ERR_ORDER_FORM;
    }
    if (strcmp(o->new_origin, h->config.origin) != 0) {
        buf_addf(why, "the order is for %s, origin in the configuration is %s",
                 o->new_origin, h->config.origin);
        return ERR_LOG_ORIGIN;
    }
    bool begun = strcmp(s->begun.origin, o->new_origin) == 0;
    if (begun && !id_eq(s->begun.order, o->order)) {
        buf_addf(why, "%s began by another order", o->new_origin);
        return ERR_ORDER_TAKEN;
    }
    if (!begun && strcmp(s->signed_as, o->new_origin) == 0) {
        buf_addf(why,
                 "%s has been signed for, and the store is older: a further "
                 "epoch takes a further name",
                 o->new_origin);
        return ERR_ORDER_TAKEN;
    }
    if (o->old_size < s->signed_size && !begun)
        log_warn("epoch: the order names an older head than was signed "
                 "named=%" PRIu64 " signed=%" PRIu64,
                 o->old_size, s->signed_size);
    return ERR_OK;
}

/* The leaf and the value, in a transaction of their own. */
static enum err write_start(struct hub *h, const struct start *s)
{
    const struct order *o = &s->order;
    struct buf value = {0};
    uint64_t index;
    Pb__AuditLeaf l = leaf_new(h, PB__LEAF_KIND__EPOCH_START);
    l.origin = pb_text(o->new_origin);
    l.reason = pb_text(o->reason);
    l.has_previous_sha256 = l.has_previous_size = l.has_order = 1;
    l.previous_sha256 = pb_borrow(slice_of(o->old_sha256, 32));
    l.previous_size = o->old_size;
    l.order = pb_borrow(slice_of(o->order.b, ID_BYTES));
    buf_addf(&value, "%s\n", o->new_origin);
    buf_add_hex(&value, slice_of(o->order.b, ID_BYTES));
    buf_addc(&value, '\n');
    enum err e = value.failed ? ERR_NOMEM : store_begin(h->store);
    if (e == ERR_OK)
        e = store_leaf(h->store, &l, &index);
    if (e == ERR_OK)
        e = store_value_set(h->store, VALUE, buf_slice(&value));
    if (e == ERR_OK)
        e = store_commit(h->store);
    if (e == ERR_OK)
        log_note("epoch: started leaf=%" PRIu64 " previous_size=%" PRIu64,
                 index, o->old_size);
    buf_fini(&value);
    return e;
}

/* Signs the head under the new name, keeps note, state and anchor. */
static enum err sign_start(struct hub *h, const struct start *s)
{
    enum err e = signer_new(h->config.origin, &h->log_keys, (char *)s->path.p,
                            &h->signer);
    if (e == ERR_OK)
        e = head_sign(h->store, h->signer, &h->note);
    if (e == ERR_OK)
        e = store_checkpoint_put(h->store, signer_size(h->signer),
                                 buf_slice(&h->note));
    if (e == ERR_OK)
        e = signer_save(h->signer);
    return e == ERR_OK ? store_anchor_renew(h->store) : e;
}

/* Who approves is what the policy in force says, when there is one. */
static enum err load_policy(struct hub *h, struct buf *why)
{
    struct stored_policy kept = {0};
    enum err e = store_policy_get(h->store, NULL, &kept);
    stored_policy_fini(&kept);
    if (e == ERR_NOT_FOUND)
        return ERR_OK;
    return e == ERR_OK ? policy_begin(h, why) : e;
}

enum err epoch_start(struct hub *h, const char *order, struct buf *why)
{
    struct start s = {0};
    enum err e = load_policy(h, why);
    if (e == ERR_OK)
        e = look(h, &s, why);
    if (e == ERR_OK)
        e = read_order(h, order, &s, why);
    if (e == ERR_OK)
        e = check_order(h, &s, why);
    if (e == ERR_OK && !id_eq(s.begun.order, s.order.order))
        e = write_start(h, &s);
    if (e == ERR_OK)
        e = sign_start(h, &s);
    buf_fini(&s.path);
    return e;
}
