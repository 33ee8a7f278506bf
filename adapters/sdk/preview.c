/* preview.c - asks the hub what would pass of an event, and to whom. The event
 * is made and checked here like one that is sent, so that what is refused is
 * known too; then only its kind, its tokens, the kinds of data in it and its
 * wishes are told. */
#include "adapters/sdk/preview.h"
#include "adapters/sdk/ops.h"
#include "proto/wire/unpack.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* The next argument, its value still to be written. */
static char *next(struct preview *p, const char *key)
{
    size_t i = p->ask.n_arg++;
    pb__ask_argument__init(&p->arg[i]);
    p->arg[i].key = pb_text(key);
    p->arg[i].value = p->value[i];
    p->args[i] = &p->arg[i];
    return p->value[i];
}

static void add_token(struct preview *p, const char *key,
                      protobuf_c_boolean has, ProtobufCBinaryData token)
{
    struct buf hex = {0};
    if (!has)
        return;
    buf_add_hex(&hex, slice_of(token.data, token.len));
    snprintf(next(p, key), sizeof(p->value[0]), "%s",
             hex.failed ? "" : (const char *)hex.p);
    buf_fini(&hex);
}

static const char *or_empty(const char *s)
{
    return s != NULL ? s : "";
}

static void add_wish(struct preview *p, const Pb__Wanted *w)
{
    snprintf(next(p, "to"), sizeof(p->value[0]), "%s|%s|%s|%s",
             or_empty(w->agency), or_empty(w->role), or_empty(w->place),
             or_empty(w->purpose));
}

static void fill(struct preview *p, const struct event *ev)
{
    const Pb__Routing *r = ev->routing;
    memset(p, 0, sizeof(*p));
    pb__ask__init(&p->ask);
    p->ask.what = pb_text("preview");
    p->ask.arg = p->args;
    snprintf(next(p, "type"), sizeof(p->value[0]), "%s",
             ev->schema->event_name);
    snprintf(next(p, "variant"), sizeof(p->value[0]), "%s", ev->variant);
    snprintf(next(p, "classes"), sizeof(p->value[0]), "%" PRIu64, ev->present);
    add_token(p, "person_token", r->has_person_token, r->person_token);
    add_token(p, "case_token", r->has_case_token, r->case_token);
    for (size_t i = 0; i < r->n_to && i < DRAFT_TO_MAX; i++)
        add_wish(p, r->to[i]);
}

enum err preview_ask(struct tsunagi_host *h, const struct node_arg *args,
                     size_t n, struct preview *out, struct buf *why)
{
    struct tsunagi_draft *d = NULL;
    struct event *ev = NULL;
    const char *json = op_arg(args, n, "json");
    enum err e =
        json != NULL ? draft_from_json(h, slice_str(json), &d, why) : ERR_USAGE;
    if (e == ERR_OK)
        e = draft_event(d, &ev, why);
    if (e == ERR_OK)
        fill(out, ev);
    event_close(&ev);
    tsunagi_draft_free(&d);
    return e;
}
