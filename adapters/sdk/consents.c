/* consents.c - lists the consents, refusals, postponements and withdrawals that
 * were recorded at this node, so that a withdrawal can name what it withdraws.
 * The register is the hub's; this is what was said to it from here. */
#include "adapters/sdk/consents.h"
#include "adapters/sdk/ops.h"
#include "proto/wire/event.h"
#include "proto/wire/json.h"
#include "proto/wire/unpack.h"
#include <stdlib.h>
#include <string.h>

struct wanted_person {
    uint8_t token[ID_BYTES];
    bool any;
};

static enum err person_of(const struct tsunagi_host *h,
                          const struct node_arg *args, size_t n,
                          struct wanted_person *p)
{
    const char *local = op_arg(args, n, "person");
    const char *hex = op_arg(args, n, "person_token");
    struct id id;
    p->any = local == NULL && hex == NULL;
    if (local != NULL) {
        token_make(h->keys.token_secret, "person", slice_str(local), p->token);
        return ERR_OK;
    }
    if (hex == NULL)
        return ERR_OK;
    enum err e = id_parse(hex, &id);
    memcpy(p->token, id.b, ID_BYTES);
    return e == ERR_OK ? e : ERR_USAGE;
}

static bool is_of(const struct event *ev, const struct wanted_person *p)
{
    const Pb__Routing *r = ev->routing;
    return p->any ||
           (r->has_person_token &&
            slice_eq(pb_slice(r->person_token), slice_of(p->token, ID_BYTES)));
}

/* The body without what people wrote in their own words. */
static json_t *row_json(const struct event *ev, const struct spool_out *o)
{
    json_t *j = json_from_message(ev->body);
    if (j == NULL)
        return NULL;
    json_object_del(j, "capacity_note");
    json_object_del(j, "asked_by");
    json_object_set_new(j, "type", json_string(ev->schema->event_name));
    json_object_set_new(j, "state", json_string(out_state_name(o->state)));
    json_object_set_new(j, "created_ms",
                        json_integer((json_int_t)o->created_ms));
    return j;
}

/* What cannot be opened any more was erased with its person. */
static void add_row(const struct spool_out *o, const struct wanted_person *p,
                    json_t *list)
{
    struct event *ev = NULL;
    if (o->type < EVENT_CONSENT_GIVEN || o->type > EVENT_CONSENT_DEFERRED ||
        o->event.n == 0 || event_open(buf_slice(&o->event), &ev) != ERR_OK)
        return;
    json_t *row = is_of(ev, p) ? row_json(ev, o) : NULL;
    if (row != NULL)
        json_array_append_new(list, row);
    event_close(&ev);
}

enum err consents_list(struct tsunagi_host *h, const struct node_arg *args,
                       size_t n, struct node_answer *a)
{
    struct wanted_person p;
    struct spool_out o;
    int64_t row = 0;
    enum err e = person_of(h, args, n, &p);
    if (e != ERR_OK)
        return op_done(a, e);
    json_t *list = json_array();
    while ((e = spool_out_after(h->spool, row, true, &o)) == ERR_OK) {
        row = o.row;
        add_row(&o, &p, list);
        spool_out_fini(&o);
    }
    a->json = json_pack("{s:o}", "consents", list);
    return op_done(a, e == ERR_NOT_FOUND ? ERR_OK : e);
}
