/* erasure.c - obeying an order to forget a person.
 *
 * The module goes first, because it asks by the tokens and hashes that the
 * spool still has (tsunagi_erases_*); a crash before the spool's commit repeats
 * all of it. When the module cannot do it now the order is left unanswered and
 * comes again with the next lease. One that was obeyed before is only answered
 * again: what was recorded since is not meant. */
#include "adapters/sdk/erasure.h"
#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "proto/wire/unpack.h"
#include <stdlib.h>
#include <string.h>

struct tsunagi_erasure {
    struct tsunagi_host *host;
    const struct spool_forget *f;
};

/* ---- what a module may ask ---- */

/* A row that cannot be read stops the spool itself right after. */
bool tsunagi_erases_event(const struct tsunagi_erasure *e, const char *event_id)
{
    struct id id;
    bool meant = false;
    if (id_parse(event_id, &id) != ERR_OK)
        return false;
    enum err read = spool_meant_event(e->host->spool, e->f, id, &meant);
    return read == ERR_OK && meant;
}

bool tsunagi_erases_source(const struct tsunagi_erasure *e, const char *source)
{
    bool meant = false;
    enum err read = spool_meant_source(e->host->spool, e->f, source, &meant);
    return read == ERR_OK && meant;
}

bool tsunagi_erases_delivery(const struct tsunagi_erasure *e,
                             const char *delivery_id)
{
    struct id id;
    bool meant = false;
    if (id_parse(delivery_id, &id) != ERR_OK)
        return false;
    enum err read = spool_meant_delivery(e->host->spool, e->f, id, &meant);
    return read == ERR_OK && meant;
}

/* ---- one order ---- */

static size_t add_tokens(struct id *out, size_t n,
                         const ProtobufCBinaryData *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        memcpy(out[n + i].b, list[i].data, ID_BYTES);
    return n + count;
}

static tsunagi_code tell_module(struct tsunagi_host *h,
                                const struct spool_forget *f)
{
    const struct tsunagi_erasure e = {.host = h, .f = f};
    if (!h->module_open || h->module->on_erase == NULL)
        return NULL;
    return h->module->on_erase(h->self, &e);
}

static enum err obey(struct tsunagi_host *h, const struct spool_forget *f,
                     const Pb__EraseOrder *order)
{
    struct spool_forgotten gone;
    bool before = false;
    enum err e = spool_obeyed(h->spool, f->order, &before);
    tsunagi_code c = e == ERR_OK && !before ? tell_module(h, f) : NULL;
    if (c != NULL) {
        log_warn("erasure: the module cannot forget now code=%s", c);
        return ERR_OK;
    }
    if (e == ERR_OK)
        e = spool_forget(h->spool, f, clock_wall_ms(), &gone);
    if (e == ERR_IO) {
        log_warn("erasure: no room to write the spool anew code=%s",
                 err_code(e));
        return ERR_OK;
    }
    if (e != ERR_OK)
        return e;
    if (!before)
        log_note("erasure: obeyed leaf=%llu deleted=%u handed_over=%u",
                 (unsigned long long)gone.leaf, gone.deleted, gone.handed);
    return link_erase_answer(h->link, order, &gone);
}

static enum err run_one(struct tsunagi_host *h, const Pb__EraseOrder *order,
                        bool rest)
{
    size_t n = order->n_person_token + order->n_case_token;
    struct id *token = calloc(n + 1, sizeof(*token));
    if (token == NULL)
        return ERR_NOMEM;
    struct spool_forget f = {.leaf = order->leaf,
                             .before_ms = order->has_made_ms ? order->made_ms
                                                             : clock_wall_ms(),
                             .token = token,
                             .rest = rest};
    memcpy(f.order.b, order->order.data, ID_BYTES);
    f.tokens = add_tokens(token, 0, order->person_token, order->n_person_token);
    f.tokens =
        add_tokens(token, f.tokens, order->case_token, order->n_case_token);
    enum err e = obey(h, &f, order);
    free(token);
    return e;
}

/* The last of them that is new; n: none is. What was called back and bears no
 * token of any order goes with it. */
static enum err last_new(struct tsunagi_host *h, ProtobufCMessage *const *list,
                         size_t n, size_t *last)
{
    enum err e = ERR_OK;
    *last = n;
    for (size_t i = 0; i < n && e == ERR_OK; i++) {
        struct id order;
        bool before = false;
        memcpy(order.b, ((const Pb__EraseOrder *)list[i])->order.data,
               ID_BYTES);
        e = spool_obeyed(h->spool, order, &before);
        *last = before ? *last : i;
    }
    return e;
}

enum err erasure_run(struct tsunagi_host *h)
{
    bool wanted =
        tsunagi_option(h, "name") != NULL || tsunagi_option(h, "path") != NULL;
    size_t n, last;
    if (h->link == NULL || (wanted && !h->module_open))
        return ERR_OK;
    ProtobufCMessage *const *list = link_erase_orders(h->link, &n);
    enum err e = last_new(h, list, n, &last);
    for (size_t i = 0; i < n && e == ERR_OK; i++)
        e = run_one(h, (const Pb__EraseOrder *)list[i], i == last);
    return e;
}
