/* show.c - what a person sees of a delivery.
 *
 * Receiving was decided when it was released; between then and now a consent
 * may have been taken back, or the reader may be someone who need not know.
 * So the hub is asked each time (READ) and names the kinds of data; the others
 * are taken out before anything is formed into text. When it cannot be asked
 * the lease stands in for it, for five minutes at most. */
#include "adapters/sdk/show.h"
#include "adapters/sdk/delivery.h"
#include "adapters/sdk/draft.h"
#include "adapters/sdk/ops.h"
#include "proto/base/clock.h"
#include "proto/wire/json.h"
#include "proto/wire/unpack.h"
#include <stdlib.h>
#include <string.h>

/* ---- asking ---- */

static enum err actor_of(const struct tsunagi_host *h,
                         const struct node_arg *args, size_t n, struct show *w)
{
    struct id actor;
    const char *text = op_arg(args, n, "actor");
    if (text == NULL || *text == '\0')
        text = h->conf.actor;
    if (text == NULL || *text == '\0')
        return ERR_USAGE;
    actor_handle(h, text, actor.b);
    id_format(actor, w->actor);
    return ERR_OK;
}

/* What is here and may be asked about at all. */
static enum err openable(struct tsunagi_host *h, struct show *w)
{
    struct spool_in d;
    struct tsunagi_delivery *v = NULL;
    enum err e = spool_in_get(h->spool, w->delivery_id, &d);
    if (e != ERR_OK)
        return e;
    if (d.recalled != RECALL_NONE)
        e = ERR_DLV_RECALLED;
    else if (d.delivery.n == 0)
        e = ERR_NOT_FOUND;
    else
        e = delivery_open(buf_slice(&d.delivery), &v);
    if (e == ERR_OK)
        snprintf(w->role, sizeof(w->role), "%s", delivery_role(v));
    delivery_close(&v);
    spool_in_fini(&d);
    return e;
}

static void fill_ask(struct show *w)
{
    char *const VALUE[] = {w->id_text, w->actor, w->role};
    static const char *const KEY[] = {"delivery_id", "actor", "role"};
    pb__ask__init(&w->ask);
    for (size_t i = 0; i < NELEM(KEY); i++) {
        pb__ask_argument__init(&w->arg[i]);
        w->arg[i].key = pb_text(KEY[i]);
        w->arg[i].value = VALUE[i];
        w->args[i] = &w->arg[i];
    }
    w->ask.what = pb_text("read");
    w->ask.n_arg = NELEM(KEY);
    w->ask.arg = w->args;
}

enum err show_ask(struct tsunagi_host *h, const struct node_arg *args, size_t n,
                  struct show *w)
{
    const char *text = op_arg(args, n, "delivery_id");
    memset(w, 0, sizeof(*w));
    if (text == NULL || id_parse(text, &w->delivery_id) != ERR_OK)
        return ERR_USAGE;
    id_format(w->delivery_id, w->id_text);
    enum err e = actor_of(h, args, n, w);
    if (e == ERR_OK)
        e = openable(h, w);
    if (e == ERR_OK)
        fill_ask(w);
    return e;
}

/* ---- answering ---- */

static uint64_t mask_of(const json_t *names)
{
    size_t i;
    json_t *name;
    uint64_t mask = 0;
    json_array_foreach(names, i, name)
    {
        const char *s = json_string_value(name);
        for (unsigned c = 1; s != NULL && c < CLASS_MAX; c++)
            if (strcmp(class_name(c), s) == 0)
                mask |= class_bit(c);
    }
    return mask;
}

static json_t *page_json(const struct tsunagi_delivery *v)
{
    char *text = NULL;
    size_t size = 0;
    json_t *j = NULL;
    FILE *f = open_memstream(&text, &size);
    if (f != NULL) {
        tsunagi_print(v, f);
        fclose(f);
        j = json_stringn(text, size);
    }
    free(text);
    return j;
}

static enum err form(const struct spool_in *d, uint64_t classes, bool alone,
                     struct node_answer *a)
{
    struct tsunagi_delivery *v = NULL;
    /* only the hub knows who opened a break-glass, and until when */
    enum err e = alone
                     ? delivery_open_shared(buf_slice(&d->delivery), &v)
                     : delivery_open_for(buf_slice(&d->delivery), classes, &v);
    if (e != ERR_OK)
        return e;
    a->json = delivery_json(v);
    json_t *page = page_json(v);
    if (a->json != NULL && page != NULL)
        json_object_set(a->json, "text", page);
    if (a->json != NULL && alone)
        json_object_set_new(a->json, "without_hub", json_true());
    json_decref(page);
    delivery_close(&v);
    return a->json != NULL ? ERR_OK : ERR_NOMEM;
}

static enum err give(struct tsunagi_host *h, struct id id, uint64_t classes,
                     bool alone, struct node_answer *a)
{
    struct spool_in d;
    enum err e = spool_in_get(h->spool, id, &d);
    if (e != ERR_OK)
        return e;
    if (d.recalled != RECALL_NONE)
        e = ERR_DLV_RECALLED;
    else
        e = d.delivery.n > 0 ? form(&d, classes, alone, a) : ERR_NOT_FOUND;
    spool_in_fini(&d);
    if (e == ERR_OK)
        e = spool_shown(h->spool, id);
    return e == ERR_OK ? spool_commit(h->spool) : e;
}

/* Nobody answered: not a refusal. Too many questions of our own (ERR_BUSY) are
 * none of the hub's doing, and would be a way around it. */
static bool away(enum err e, const Pb__Answer *m)
{
    return m == NULL && (e == ERR_OK || e == ERR_UNREACHABLE);
}

enum err show_answer(struct tsunagi_host *h, struct id id, enum err e,
                     const Pb__Answer *m, struct node_answer *a)
{
    struct node_answer hub = {ERR_OK, NULL};
    if (away(e, m)) {
        e = link_lease(h->link, clock_boot_ms())
                ? give(h, id, UINT64_MAX, true, a)
                : ERR_DLV_LEASE;
    } else {
        e = op_hub_answer(e, m, &hub);
        if (e == ERR_OK)
            e = hub.code;
        if (e == ERR_OK)
            e = give(h, id, mask_of(json_object_get(hub.json, "classes")),
                     false, a);
    }
    node_answer_fini(&hub);
    return op_done(a, e);
}
