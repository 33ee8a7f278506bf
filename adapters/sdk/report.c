/* report.c - the person's report: the person's number becomes this agency's
 * token, and the name of a member of staff a handle, before anything leaves. */
#include "adapters/sdk/report.h"
#include "adapters/sdk/draft.h"
#include "adapters/sdk/ops.h"
#include "proto/wire/unpack.h"
#include <stdio.h>
#include <string.h>

/* The next argument, its value still to be written. */
static char *next(struct report_question *q, const char *key)
{
    size_t i = q->ask.n_arg++;
    pb__ask_argument__init(&q->arg[i]);
    q->arg[i].key = pb_text(key);
    q->arg[i].value = q->value[i];
    q->args[i] = &q->arg[i];
    return q->value[i];
}

static enum err add_text(struct report_question *q, const char *key,
                         const char *text)
{
    if (text == NULL || *text == '\0')
        return ERR_OK;
    if (strlen(text) >= ID_TEXT)
        return ERR_USAGE;
    snprintf(next(q, key), ID_TEXT, "%s", text);
    return ERR_OK;
}

static void add_hex(struct report_question *q, const char *key,
                    const uint8_t id[ID_BYTES])
{
    struct buf hex = {0};
    buf_add_hex(&hex, slice_of(id, ID_BYTES));
    snprintf(next(q, key), ID_TEXT, "%s",
             hex.failed ? "" : (const char *)hex.p);
    buf_fini(&hex);
}

static enum err add_subject(struct tsunagi_host *h, const struct node_arg *args,
                            size_t n, struct report_question *q)
{
    const char *local = op_arg(args, n, "person"),
               *hex = op_arg(args, n, "person_token"),
               *order = op_arg(args, n, "order");
    uint8_t token[ID_BYTES];
    if ((local != NULL) + (hex != NULL) + (order != NULL) != 1)
        return ERR_USAGE;
    if (local != NULL) {
        token_make(h->keys.token_secret, "person", slice_str(local), token);
        add_hex(q, "person_token", token);
        return ERR_OK;
    }
    return hex != NULL ? add_text(q, "person_token", hex)
                       : add_text(q, "order", order);
}

static enum err add_actor(struct tsunagi_host *h, const struct node_arg *args,
                          size_t n, struct report_question *q)
{
    struct id actor;
    const char *text = op_arg(args, n, "actor");
    if (text == NULL || *text == '\0')
        text = h->conf.actor;
    if (text == NULL || *text == '\0')
        return ERR_VAL_REQUIRED;
    actor_handle(h, text, actor.b);
    id_format(actor, next(q, "actor"));
    return ERR_OK;
}

enum err report_ask(struct tsunagi_host *h, const struct node_arg *args,
                    size_t n, struct report_question *q)
{
    static const char *const AS_IT_IS[] = {"identity_checked", "role", "report",
                                           "size", "after"};
    memset(q, 0, sizeof(*q));
    pb__ask__init(&q->ask);
    q->ask.what = pb_text("report");
    q->ask.arg = q->args;
    enum err e = add_subject(h, args, n, q);
    if (e == ERR_OK)
        e = add_actor(h, args, n, q);
    for (size_t i = 0; i < NELEM(AS_IT_IS) && e == ERR_OK; i++)
        e = add_text(q, AS_IT_IS[i], op_arg(args, n, AS_IT_IS[i]));
    return e;
}
