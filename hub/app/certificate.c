/* certificate.c - what the certificate of an erasure is made from: who asked
 * and signed, what was destroyed and under which leaves, who held something and
 * what became of it there. Sentences are the command line's. */
#include "hub/app/hub.h"
#include "hub/core/order.h"
#include "proto/base/date.h"
#include "proto/wire/unpack.h"
#include <inttypes.h>
#include <string.h>

static void add_signed_by(const struct approvals *by, struct buf *j)
{
    buf_adds(j, ",\"approved_by\":[");
    for (size_t i = 0; i < by->n; i++) {
        buf_addf(j, "%s{\"key\":\"%s\",\"person\":", i > 0 ? "," : "",
                 by->by[i]->name);
        buf_add_json(j, by->by[i]->person);
        buf_adds(j, "}");
    }
    buf_adds(j, "]");
}

/* As the table of today names them: who left since is there as revoked. */
static enum err add_approvers(struct hub *h, struct slice note, struct buf *j)
{
    struct who_approves who = {0};
    struct approvals by = {0};
    struct buf why = {0};
    enum err e = who_read(h, &who, &why);
    if (e == ERR_OK)
        e = approve_count(note, who.now, "order", &by, &why);
    add_signed_by(&by, j);
    who_fini(&who);
    buf_fini(&why);
    return e == ERR_POL_APPROVALS || e == ERR_POL_INVALID ? ERR_OK : e;
}

static enum err add_erase_leaf(struct hub *h, uint64_t begin, uint64_t done,
                               struct buf *j)
{
    Pb__AuditLeaf *l;
    enum err e = leaf_open(h, begin, NULL, &l);
    if (e == ERR_OK) {
        buf_addf(j, "{\"begin\":%" PRIu64 ",\"done\":%" PRIu64 ",\"key\":\"",
                 begin, done);
        if (l->n_destroyed > 0)
            buf_add_hex(j, pb_slice(l->destroyed[0]));
        buf_adds(j, "\"}");
    }
    leaf_close(&l);
    return e;
}

static enum err add_leaves(struct hub *h, struct id order, struct buf *j)
{
    uint64_t begin = 0, done;
    bool found = true;
    enum err e = ERR_OK;
    buf_adds(j, ",\"destroyed\":[");
    for (const char *comma = ""; e == ERR_OK; comma = ",") {
        e = store_erase_leaf(h->store, order, &begin, &done, &found);
        if (e != ERR_OK || !found)
            break;
        buf_adds(j, comma);
        e = add_erase_leaf(h, begin, done, j);
    }
    buf_adds(j, "]");
    return e;
}

static void add_holder(const struct hub *h, const struct holder *x,
                       struct buf *j)
{
    const struct agency *agency = registry_agency(h->registry, x->agency);
    buf_adds(j, "{\"agency\":");
    buf_add_json(j, x->agency);
    ask_add_text(j, "name", agency != NULL ? agency->name_ja : "");
    ask_add_text(j, "node", x->node);
    ask_add_text(j, "outcome",
                 x->outcome == 0 ? ""
                                 : recall_word((Pb__RecallOutcome)x->outcome));
    if (x->outcome != 0) {
        ask_add_time(j, "answered", x->answered_ms);
        buf_addf(j, ",\"handed_over\":%" PRIu64 ",\"leaf\":%" PRIu64,
                 x->handed_over, x->leaf);
    }
    buf_adds(j, "}");
}

static enum err add_holders(struct hub *h, struct id order, struct buf *j)
{
    struct holder x = {.agency = ""};
    bool found = true;
    enum err e = ERR_OK;
    buf_adds(j, ",\"holders\":[");
    for (const char *comma = ""; e == ERR_OK; comma = ",") {
        e = store_holder_next(h->store, order, &x, &found);
        if (e != ERR_OK || !found)
            break;
        buf_adds(j, comma);
        add_holder(h, &x, j);
    }
    buf_adds(j, "]");
    return e;
}

static void add_head(const struct hub *h, const struct taken_order *o,
                     const struct order *text, struct buf *j)
{
    char day[DATE_TEXT];
    date_iso(date_from_days(text->asked_on), day);
    buf_adds(j, "{\"schema\":\"tsunagi.erase-certificate/1\",\"order\":\"");
    buf_add_hex(j, slice_of(o->order.b, ID_BYTES));
    buf_addf(j, "\",\"origin\":\"%s\",\"state\":\"%s\",\"leaf\":%" PRIu64,
             h->config.origin, order_state_name(o->state), o->leaf);
    ask_add_time(j, "time", h->now_ms);
    ask_add_time(j, "taken", o->taken_ms);
    if (o->state == ORDER_OVER)
        ask_add_time(j, "done", o->done_ms);
    buf_addf(j, ",\"epoch\":%" PRIu64, o->epoch);
    ask_add_text(j, "reason", text->reason);
    ask_add_text(j, "asked_on", day);
    ask_add_text(j, "asked_by", text->asked_by);
    const struct agency *by = registry_agency(h->registry, text->asked_by);
    ask_add_text(j, "asked_by_name", by != NULL ? by->name_ja : "");
}

static enum err certify(struct hub *h, const struct taken_order *o,
                        struct buf *j)
{
    struct order text;
    struct buf why = {0};
    enum err e = order_parse(buf_slice(&o->note), &text, &why);
    buf_fini(&why);
    if (e != ERR_OK)
        return ERR_INTEGRITY;
    add_head(h, o, &text, j);
    e = order_add_held(h, o, j);
    if (e == ERR_OK)
        e = add_approvers(h, buf_slice(&o->note), j);
    if (e == ERR_OK)
        e = add_leaves(h, o->order, j);
    if (e == ERR_OK)
        e = add_holders(h, o->order, j);
    buf_adds(j, "}");
    return e;
}

enum err ask_erase_certificate(struct hub *h, const Pb__Ask *a, struct buf *j)
{
    struct taken_order o = {0};
    struct id order;
    if (id_parse(ask_argument(a, "order"), &order) != ERR_OK)
        return ERR_USAGE;
    enum err e = store_order_get(h->store, order, &o);
    if (e == ERR_NOT_FOUND || (e == ERR_OK && o.kind != ORDER_ERASE))
        e = ERR_ERASE_NONE;
    if (e == ERR_OK)
        e = certify(h, &o, j);
    taken_order_fini(&o);
    return e;
}
