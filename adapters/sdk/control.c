/* control.c - questions from the command line, answered between two turns.
 *
 * `send` and `hub:...` have to wait for the hub: they are kept in a list with
 * the address they came from until the answer is there or their time is over.
 * A sender that has gone away is told nothing; its event goes its way. Events
 * stored here share the turn's commit, and nobody is answered before it. */
#include "adapters/sdk/control.h"
#include "adapters/sdk/ops.h"
#include "adapters/sdk/preview.h"
#include "adapters/sdk/report.h"
#include "adapters/sdk/show.h"
#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "proto/wire/frame.h"
#include "proto/wire/unpack.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define WAITING_MAX 4096
#define TURN_ASKS 256
#define TAG_MAX 64

/* Someone who waits for the hub. */
struct waiting {
    struct waiting *next;
    struct control *owner;
    struct frame to; /* its address only */
    char tag[TAG_MAX];
    struct id event_id; /* zero: a question to the hub */
    struct id shown;    /* zero: its answer goes on as it came */
    uint64_t until_ms;
};
struct control {
    struct tsunagi_host *host;
    void *context, *socket;
    char *path;
    struct waiting *first, *last;
    size_t count;
};

/* ---- opening ---- */

static enum err bind_private(struct control *c, const char *path)
{
    char endpoint[sizeof(((struct sockaddr_un *)0)->sun_path) + 8];
    if (strlen(path) >= sizeof(((struct sockaddr_un *)0)->sun_path))
        return ERR_CONF_RANGE;
    snprintf(endpoint, sizeof(endpoint), "ipc://%s", path);
    mode_t old = umask(0177);
    int rc = zmq_bind(c->socket, endpoint);
    umask(old);
    return rc == 0 && chmod(path, 0600) == 0 ? ERR_OK : ERR_IO;
}

static enum err open_socket(struct control *c, const char *path)
{
    int zero = 0, one = 1;
    int64_t max = FRAME_MAX;
    c->context = zmq_ctx_new();
    c->socket = c->context != NULL ? zmq_socket(c->context, ZMQ_ROUTER) : NULL;
    c->path = strdup(path);
    if (c->socket == NULL || c->path == NULL)
        return ERR_NOMEM;
    zmq_setsockopt(c->socket, ZMQ_LINGER, &zero, sizeof(zero));
    zmq_setsockopt(c->socket, ZMQ_ROUTER_MANDATORY, &one, sizeof(one));
    zmq_setsockopt(c->socket, ZMQ_MAXMSGSIZE, &max, sizeof(max));
    zmq_setsockopt(c->socket, ZMQ_SNDHWM, &zero, sizeof(zero));
    return bind_private(c, path);
}

enum err control_open(struct tsunagi_host *h, const char *path,
                      struct control **out)
{
    *out = NULL;
    struct control *c = calloc(1, sizeof(*c));
    if (c == NULL)
        return ERR_NOMEM;
    c->host = h;
    enum err e = open_socket(c, path);
    if (e != ERR_OK)
        control_close(&c);
    *out = c;
    return e;
}

void control_close(struct control **cp)
{
    struct control *c = *cp;
    if (c == NULL)
        return;
    while (c->first != NULL) {
        struct waiting *w = c->first;
        c->first = w->next;
        if (c->host->link != NULL)
            link_ask_forget(c->host->link, w);
        free(w);
    }
    if (c->socket != NULL)
        zmq_close(c->socket);
    if (c->context != NULL)
        zmq_ctx_term(c->context);
    if (c->path != NULL)
        unlink(c->path);
    free(c->path);
    free(c);
    *cp = NULL;
}

void *control_socket(struct control *c)
{
    return c->socket;
}

/* ---- answering ---- */

static enum err pack_answer(const struct node_answer *a, struct buf *b)
{
    Pb__Answer m = PB__ANSWER__INIT;
    char *text = json_dumps(a->json, JSON_COMPACT);
    if (text == NULL)
        return ERR_NOMEM;
    m.code = pb_text(err_code(a->code));
    m.text_ja = pb_text(a->code != ERR_OK ? err_ja(a->code) : "");
    m.text_en = pb_text(a->code != ERR_OK ? err_en(a->code) : "");
    m.json = text;
    enum err e = pack(&m.base, b);
    free(text);
    return e;
}

/* Frees a. Who has gone away is not told. */
static enum err reply(struct control *c, const struct frame *to,
                      const char *tag, struct node_answer *a)
{
    struct buf b = {0};
    if (*tag != '\0')
        json_object_set_new(a->json, "tag", json_string(tag));
    enum err e = pack_answer(a, &b);
    if (e == ERR_OK)
        e = frame_send(c->socket, to, VERB_ANSWER, buf_slice(&b));
    if (e == ERR_FRAME_SIZE)
        log_warn("control: answer too large bytes=%zu", b.n);
    buf_fini(&b);
    node_answer_fini(a);
    return e == ERR_NOMEM ? e : ERR_OK;
}

static struct waiting *wait_for(struct control *c, const struct frame *from,
                                const char *tag, uint64_t until_ms)
{
    struct waiting *w = c->count < WAITING_MAX ? calloc(1, sizeof(*w)) : NULL;
    if (w == NULL)
        return NULL;
    w->owner = c;
    w->until_ms = until_ms;
    memcpy(w->to.routing, from->routing, from->routing_n);
    w->to.routing_n = from->routing_n;
    snprintf(w->tag, sizeof(w->tag), "%s", tag);
    *(c->last != NULL ? &c->last->next : &c->first) = w;
    c->last = w;
    c->count++;
    return w;
}

static void drop(struct control *c, struct waiting *w)
{
    struct waiting **at = &c->first;
    while (*at != w)
        at = &(*at)->next;
    *at = w->next;
    if (c->last == w) {
        c->last = NULL;
        for (struct waiting *i = c->first; i != NULL; i = i->next)
            c->last = i;
    }
    c->count--;
    free(w);
}

/* ---- questions ---- */

struct question {
    const struct frame *from;
    struct node_arg arg[OP_ARGS_MAX];
    size_t n;
    const char *tag;
    uint64_t until_ms;
};

static enum err busy(struct control *c, const struct question *q)
{
    struct node_answer a = {ERR_BUSY, json_object()};
    return reply(c, q->from, q->tag, &a);
}

/* The answer to a repeat is already there, but all wait for the commit: the
 * next look at the list tells. */
static enum err ask_send(struct control *c, const struct question *q)
{
    struct id id;
    struct node_answer a = {ERR_OK, NULL};
    if (c->count == WAITING_MAX)
        return busy(c, q);
    enum err e = op_submit(c->host, q->arg, q->n, &id, &a);
    if (e != ERR_OK)
        return e;
    if (a.json != NULL)
        return reply(c, q->from, q->tag, &a);
    struct waiting *w = wait_for(c, q->from, q->tag, q->until_ms);
    if (w == NULL)
        return ERR_NOMEM;
    w->event_id = id;
    return ERR_OK;
}

static void hub_answered(void *ctx, enum err e, const Pb__Answer *m)
{
    struct waiting *w = ctx;
    struct control *c = w->owner;
    struct node_answer a = {ERR_OK, NULL};
    e = id_is_zero(w->shown) ? op_hub_answer(e, m, &a)
                             : show_answer(c->host, w->shown, e, m, &a);
    if (e == ERR_OK)
        e = reply(c, &w->to, w->tag, &a);
    node_answer_fini(&a);
    drop(c, w);
}

/* shown: zero, or the delivery that the answer opens. */
static enum err put_question(struct control *c, const Pb__Ask *ask,
                             struct id shown, const struct question *q)
{
    struct waiting *w = wait_for(c, q->from, q->tag, q->until_ms);
    if (w == NULL)
        return busy(c, q);
    w->shown = shown;
    enum err e = c->host->link != NULL
                     ? link_ask(c->host->link, ask, hub_answered, w)
                     : ERR_UNREACHABLE;
    if (e != ERR_OK)
        hub_answered(w, e, NULL);
    return ERR_OK;
}

static enum err ask_hub(struct control *c, const char *what,
                        const struct question *q)
{
    Pb__AskArgument arg[OP_ARGS_MAX], *ptrs[OP_ARGS_MAX];
    Pb__Ask ask;
    op_ask(what, q->arg, q->n, arg, ptrs, &ask);
    return put_question(c, &ask, (struct id){{0}}, q);
}

static enum err ask_show(struct control *c, const struct question *q)
{
    struct show w;
    struct node_answer a = {ERR_OK, NULL};
    enum err e = show_ask(c->host, q->arg, q->n, &w);
    if (e != ERR_OK) {
        e = op_done(&a, e);
        return e == ERR_OK ? reply(c, q->from, q->tag, &a) : e;
    }
    return put_question(c, &w.ask, w.delivery_id, q);
}

static enum err ask_preview(struct control *c, const struct question *q)
{
    struct preview p;
    struct buf why = {0};
    struct node_answer a = {ERR_OK, NULL};
    enum err e = preview_ask(c->host, q->arg, q->n, &p, &why);
    if (e == ERR_OK) {
        e = put_question(c, &p.ask, (struct id){{0}}, q);
    } else {
        e = op_refused(&a, e, &why);
        e = e == ERR_OK ? reply(c, q->from, q->tag, &a) : e;
    }
    buf_fini(&why);
    return e;
}

static enum err ask_report(struct control *c, const struct question *q)
{
    struct report_question w;
    struct node_answer a = {ERR_OK, NULL};
    enum err e = report_ask(c->host, q->arg, q->n, &w);
    if (e == ERR_OK)
        return put_question(c, &w.ask, (struct id){{0}}, q);
    e = op_done(&a, e);
    return e == ERR_OK ? reply(c, q->from, q->tag, &a) : e;
}

static enum err answer(struct control *c, const Pb__Ask *m,
                       const struct question *q)
{
    struct node_answer a = {ERR_OK, NULL};
    const char *what = m->what != NULL ? m->what : "";
    if (strcmp(what, "send") == 0)
        return ask_send(c, q);
    if (strcmp(what, "show") == 0)
        return ask_show(c, q);
    if (strcmp(what, "preview") == 0)
        return ask_preview(c, q);
    if (strcmp(what, "report") == 0)
        return ask_report(c, q);
    if (strncmp(what, "hub:", 4) == 0)
        return ask_hub(c, what + 4, q);
    enum err e = op_run(c->host, what, q->arg, q->n, &a);
    return e == ERR_OK ? reply(c, q->from, q->tag, &a) : e;
}

/* Local arguments end here: the hub need not see a tag or a timeout. */
static enum err take(struct control *c, const struct frame *f, uint64_t now)
{
    ProtobufCMessage *m = NULL;
    struct question q = {.from = f, .tag = ""};
    enum err e = f->verb == VERB_ASK ? unpack(&pb__ask__descriptor, f->body, &m)
                                     : ERR_FRAME_VERB;
    if (e != ERR_OK)
        return ERR_OK;
    const Pb__Ask *ask = (Pb__Ask *)m;
    uint64_t timeout = OP_TIMEOUT_MS;
    for (size_t i = 0; i < ask->n_arg; i++) {
        struct node_arg a = {ask->arg[i]->key, ask->arg[i]->value};
        if (a.key == NULL || a.value == NULL)
            continue;
        if (strcmp(a.key, "tag") == 0)
            q.tag = a.value;
        else if (strcmp(a.key, "timeout_ms") == 0)
            timeout = op_number(&a, 1, "timeout_ms", OP_TIMEOUT_MS);
        else if (q.n < OP_ARGS_MAX)
            q.arg[q.n++] = a;
    }
    q.until_ms = now + timeout;
    e = answer(c, ask, &q);
    unpack_free(&m);
    return e;
}

enum err control_receive(struct control *c, uint64_t now)
{
    struct frame f;
    for (int i = 0; i < TURN_ASKS; i++) {
        enum err e = frame_recv(c->socket, true, &f);
        if (e == ERR_NOT_FOUND || e == ERR_IO)
            return ERR_OK;
        e = e == ERR_OK ? take(c, &f, now) : ERR_OK;
        frame_close(&f);
        if (e != ERR_OK)
            return e;
    }
    return ERR_OK;
}

/* ---- waiting ---- */

static enum err tell(struct control *c, struct waiting *w, bool time_over)
{
    struct node_answer a = {ERR_OK, NULL};
    bool still = true;
    enum err e = ERR_OK;
    if (!id_is_zero(w->shown))
        e = show_answer(c->host, w->shown, ERR_UNREACHABLE, NULL, &a);
    else if (id_is_zero(w->event_id))
        e = op_hub_answer(ERR_UNREACHABLE, NULL, &a);
    else
        e = op_outcome(c->host, w->event_id, &still, &a);
    if (e == ERR_OK && still && !time_over) {
        node_answer_fini(&a);
        return ERR_OK;
    }
    if (e == ERR_OK)
        e = reply(c, &w->to, w->tag, &a);
    if (c->host->link != NULL)
        link_ask_forget(c->host->link, w);
    drop(c, w);
    return e;
}

enum err control_answered(struct control *c, struct id event_id)
{
    enum err e = ERR_OK;
    for (struct waiting *w = c->first, *next; w != NULL && e == ERR_OK;
         w = next) {
        next = w->next;
        if (id_eq(w->event_id, event_id))
            e = tell(c, w, false);
    }
    return e;
}

enum err control_timeouts(struct control *c, uint64_t now)
{
    enum err e = ERR_OK;
    for (struct waiting *w = c->first, *next; w != NULL && e == ERR_OK;
         w = next) {
        next = w->next;
        if (now >= w->until_ms)
            e = tell(c, w, true);
    }
    return e;
}
