/* run.c - the session: opening, one turn of the loop, operations in-process.
 *
 * A turn: wait; take what the hub, the local socket and the module's file
 * descriptors have; commit once for all of it; only then tell anyone - the hub
 * (acknowledgements, events), the waiting commands, the module (receipts).
 * Deliveries reach the module after they are on disk and are marked handed
 * when it has taken them; after a crash between the two it is offered the same
 * delivery again, by the same id. One that it does not take is offered again
 * after 5 s, and later ones of the same case wait behind it (I-7). Without a
 * lease of the hub (link_lease.c) none is handed over. */
#include "adapters/sdk/control.h"
#include "adapters/sdk/delivery.h"
#include "adapters/sdk/draft.h"
#include "adapters/sdk/erasure.h"
#include "adapters/sdk/ops.h"
#include "adapters/sdk/preview.h"
#include "adapters/sdk/report.h"
#include "adapters/sdk/show.h"
#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "proto/wire/json.h"
#include "proto/wire/unpack.h"
#include <assert.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RETRY_MS 5000
#define LEASE_WAIT_MS 3000
#define PRUNE_MS (3600ull * 1000)
#define CLOCK_STEP_MS (3600ull * 1000)
#define HELD_CASES 64
#define HAND_BATCH 64
#define ITEMS_MAX (LINK_ITEMS + 1 + WATCH_MAX)

/* ---- opening ---- */

static enum err complain(FILE *out, const char *what, enum err e)
{
    if (e != ERR_OK && out != NULL)
        fprintf(out, "%s: error %s: %s %s\n", what, err_code(e), err_ja(e),
                err_en(e));
    return e;
}

static enum err load_keys(struct tsunagi_host *h, FILE *complaints)
{
    const char *log =
        h->conf.hub_log != NULL ? h->conf.hub_log : h->conf.hub_public;
    enum err e = keys_read(h->conf.key_file, &h->keys);
    if (e == ERR_OK && strcmp(h->keys.pub.node, h->conf.node) != 0)
        e = ERR_KEY_FILE;
    if (e != ERR_OK)
        return complain(complaints, "key_file", e);
    e = keys_read_public(h->conf.hub_public, &h->hub);
    if (e != ERR_OK)
        return complain(complaints, "hub.public_file", e);
    return complain(complaints, "hub.log_file", keys_read_public(log, &h->log));
}

/* Reads a table beside the configuration; why receives what is wrong. */
static enum err load_text(const char *path, struct buf *text, FILE *complaints)
{
    return complain(complaints, path, file_read(path, QUORUM_TEXT_MAX, text));
}

static enum err load_hours(struct tsunagi_host *h, FILE *complaints,
                           struct buf *why)
{
    struct buf text = {0};
    enum err e = load_text(h->conf.witness_hours, &text, complaints);
    if (e == ERR_OK)
        e = hours_parse(h->conf.witness_hours, buf_slice(&text), h->quorum,
                        &h->hours, why);
    buf_fini(&text);
    return e;
}

static enum err load_policy(struct tsunagi_host *h, FILE *complaints,
                            struct buf *why)
{
    struct buf text = {0};
    enum err e = load_text(h->conf.witnesses, &text, complaints);
    if (e == ERR_OK)
        e = quorum_parse(h->conf.witnesses, buf_slice(&text), &h->quorum, why);
    buf_fini(&text);
    if (e == ERR_OK &&
        !quorum_has_log(h->quorum, h->conf.origin, h->log.sign)) {
        buf_addf(why, "%s: %s\n", h->conf.witnesses, h->conf.origin);
        e = ERR_WITNESS_POLICY;
    }
    return e;
}

static enum err find_state(struct tsunagi_host *h)
{
    h->state = NULL;
    if (h->conf.witness_state != NULL)
        h->state = strdup(h->conf.witness_state);
    else if (asprintf(&h->state, "%s.witness", h->conf.key_file) < 0)
        h->state = NULL;
    return h->state != NULL ? ERR_OK : ERR_NOMEM;
}

/* The file is replaced whole, so its folder must be writable. That is said at
 * the start, not at the first head to cosign. */
static enum err check_state(const struct tsunagi_host *h, FILE *complaints)
{
    char *folder = strdup(h->state);
    if (folder == NULL)
        return ERR_NOMEM;
    bool ok = access(dirname(folder), W_OK) == 0;
    free(folder);
    return ok ? ERR_OK : complain(complaints, "witness.state", ERR_IO);
}

/* Where the witness remembers, and whose cosignatures are demanded. */
static enum err load_witnesses(struct tsunagi_host *h, FILE *complaints)
{
    struct buf why = {0};
    enum err e = find_state(h);
    if (e == ERR_OK && h->conf.witnesses != NULL)
        e = load_policy(h, complaints, &why);
    if (e == ERR_OK && h->quorum != NULL && h->conf.witness_hours != NULL)
        e = load_hours(h, complaints, &why);
    if (why.n > 0 && complaints != NULL)
        fputs((char *)why.p, complaints);
    buf_fini(&why);
    return e == ERR_WITNESS_POLICY ? complain(complaints, "hub.witnesses", e)
                                   : e;
}

static void free_witnesses(struct tsunagi_host *h)
{
    hours_free(&h->hours);
    quorum_free(&h->quorum);
    free(h->state);
    h->state = NULL;
}

static enum err connect_hub(struct tsunagi_host *h)
{
    const struct link_config c = {
        .agency = h->conf.agency,
        .endpoint = {h->conf.urgent, h->conf.normal},
        .origin = h->conf.origin,
        .folder = h->conf.spool,
        .state = h->state,
        .quorum = h->quorum,
        .hours = h->hours,
        .quorum_ms = (uint64_t)h->conf.quorum_seconds * 1000,
        .keys = &h->keys,
        .hub = &h->hub,
        .log = &h->log,
        .spool = h->spool,
    };
    return link_open(&c, &h->link);
}

static enum err open_host(struct tsunagi_host *h, const char *path,
                          enum node_mode mode, FILE *complaints)
{
    enum err e = sign_init();
    if (e == ERR_OK)
        e = settings_load(path, &h->conf, complaints);
    if (e == ERR_OK)
        e = load_keys(h, complaints);
    if (e == ERR_OK)
        e = load_witnesses(h, complaints);
    if (e != ERR_OK)
        return e;
    e = spool_open(h->conf.spool, h->keys.spool_secret, &h->spool);
    if (e != ERR_OK)
        return complain(complaints, "spool", e);
    h->started_boot = clock_boot_ms();
    h->started_wall = clock_wall_ms();
    h->prune_ms = h->started_boot + PRUNE_MS;
    h->hand_over = true;
    if (mode == NODE_OFFLINE)
        return ERR_OK;
    e = check_state(h, complaints);
    return e == ERR_OK ? complain(complaints, "hub", connect_hub(h)) : e;
}

enum err node_open(const char *config_path, enum node_mode mode,
                   FILE *complaints, struct node_session **out)
{
    assert(config_path != NULL && out != NULL);
    *out = NULL;
    struct node_session *s = calloc(1, sizeof(*s));
    if (s == NULL)
        return ERR_NOMEM;
    enum err e = open_host(&s->host, config_path, mode, complaints);
    if (e != ERR_OK)
        node_close(&s);
    *out = s;
    return e;
}

void node_close(struct node_session **sp)
{
    struct node_session *s = *sp;
    if (s == NULL)
        return;
    struct tsunagi_host *h = &s->host;
    if (h->module_open)
        h->module->close(h->self);
    if (h->spool != NULL && spool_commit(h->spool) != ERR_OK)
        log_error("run: the spool could not be written");
    control_close(&h->control);
    link_close(&h->link);
    spool_close(&h->spool);
    free_witnesses(h);
    settings_fini(&h->conf);
    keys_wipe(&h->keys);
    free(s);
    *sp = NULL;
}

struct tsunagi_host *node_host(struct node_session *s)
{
    return &s->host;
}

enum err node_check(const char *config_path, FILE *complaints)
{
    struct tsunagi_host h = {.stop = false};
    enum err e = sign_init();
    if (e == ERR_OK)
        e = settings_load(config_path, &h.conf, complaints);
    if (e == ERR_OK)
        e = load_keys(&h, complaints);
    if (e == ERR_OK)
        e = load_witnesses(&h, complaints);
    free_witnesses(&h);
    settings_fini(&h.conf);
    keys_wipe(&h.keys);
    return e;
}

tsunagi_code node_attach(struct node_session *s, const struct tsunagi_module *m)
{
    struct tsunagi_host *h = &s->host;
    assert(h->module == NULL);
    if (m->abi != TSUNAGI_ADAPTER_ABI)
        return err_code(ERR_CONF_RANGE);
    h->module = m;
    tsunagi_code c = m->open(h, &h->self);
    h->module_open = c == NULL;
    if (c != NULL)
        h->module = NULL;
    return c;
}

enum err node_serve(struct node_session *s)
{
    struct tsunagi_host *h = &s->host;
    return h->conf.socket == NULL
               ? ERR_OK
               : control_open(h, h->conf.socket, &h->control);
}

void node_stop(struct node_session *s)
{
    s->host.stop = true;
}

bool node_stopping(const struct node_session *s)
{
    return s->host.stop;
}

void node_on_receipt(struct node_session *s, node_receipt_fn *fn, void *ctx)
{
    s->host.on_receipt = fn;
    s->host.receipt_ctx = ctx;
}

/* ---- receipts ---- */

/* What a module is told, and what holds the texts meanwhile. */
struct told {
    ProtobufCMessage *signed_receipt, *receipt;
    char *json;
    char event_id[ID_TEXT];
    uint64_t leaf;
};

static void open_told(const struct spool_out *o, struct told *t)
{
    memset(t, 0, sizeof(*t));
    id_format(o->event_id, t->event_id);
    if (o->receipt.n == 0 ||
        unpack(&pb__signed_receipt__descriptor, buf_slice(&o->receipt),
               &t->signed_receipt) != ERR_OK ||
        unpack(&pb__receipt__descriptor,
               pb_slice(((Pb__SignedReceipt *)t->signed_receipt)->receipt),
               &t->receipt) != ERR_OK)
        return;
    json_t *j = json_from_message(t->receipt);
    t->json = j != NULL ? json_dumps(j, JSON_COMPACT) : NULL;
    t->leaf = ((Pb__Receipt *)t->receipt)->leaf_index;
    json_decref(j);
}

static const char *or_empty(const char *s)
{
    return s != NULL ? s : "";
}

static void call_receipt(struct tsunagi_host *h, const struct spool_out *o)
{
    struct told t;
    open_told(o, &t);
    const Pb__Receipt *m = (Pb__Receipt *)t.receipt;
    const struct schema_message *type = schema_event(o->type);
    enum err code = err_from_code(o->code);
    const struct tsunagi_receipt r = {
        .event_id = t.event_id,
        .type = type != NULL ? type->event_name : "",
        .source_key = o->source.n > 0 ? (const char *)o->source.p : NULL,
        .accepted = o->state == OUT_ACCEPTED,
        .code = o->code[0] != '\0' ? err_code(code) : NULL,
        .text_ja = m != NULL ? or_empty(m->text_ja) : err_ja(code),
        .text_en = m != NULL ? or_empty(m->text_en) : err_en(code),
        .json = t.json != NULL ? t.json : "{}",
    };
    if (h->module_open && h->module->on_receipt != NULL)
        h->module->on_receipt(h->self, &r);
    if (h->on_receipt != NULL)
        h->on_receipt(h->receipt_ctx, &r, t.leaf);
    free(t.json);
    unpack_free(&t.receipt);
    unpack_free(&t.signed_receipt);
}

static enum err tell_receipts(struct tsunagi_host *h)
{
    struct id id;
    enum err e = ERR_OK;
    while (e == ERR_OK && h->link != NULL && link_answered(h->link, &id)) {
        bool wanted = h->on_receipt != NULL ||
                      (h->module_open && h->module->on_receipt != NULL);
        struct spool_out o;
        if (wanted) {
            e = spool_out_get(h->spool, id, &o);
            if (e != ERR_OK)
                break;
            call_receipt(h, &o);
            spool_out_fini(&o);
        }
        if (h->control != NULL)
            e = control_answered(h->control, id);
    }
    return e;
}

/* ---- handing deliveries to the module ---- */

/* Cases with a delivery that was not taken: what follows waits. One about no
 * case counts too; after so many failures the module is left in peace. */
struct held {
    uint8_t case_token[HELD_CASES][ID_BYTES]; /* zero: no case */
    size_t n;
};

static bool is_held(const struct held *k, const struct spool_in *d)
{
    for (size_t i = 0; i < k->n && d->has_case; i++)
        if (memcmp(k->case_token[i], d->case_token, ID_BYTES) == 0)
            return true;
    return false;
}

static void hold(struct held *k, const struct spool_in *d)
{
    memset(k->case_token[k->n], 0, ID_BYTES);
    if (d->has_case)
        memcpy(k->case_token[k->n], d->case_token, ID_BYTES);
    k->n++;
}

/* True when the module has it. */
static bool offer(struct tsunagi_host *h, const struct spool_in *d)
{
    struct tsunagi_delivery *v = NULL;
    if (d->delivery.n == 0)
        return true; /* erased meanwhile: nothing is left to hand over */
    enum err e = delivery_open_shared(buf_slice(&d->delivery), &v);
    tsunagi_code c =
        e == ERR_OK ? h->module->on_delivery(h->self, v) : err_code(e);
    delivery_close(&v);
    if (c != NULL)
        log_warn("run: a delivery was not taken code=%s", c);
    return c == NULL;
}

static enum err hand_one(struct tsunagi_host *h, const struct spool_in *d,
                         struct held *held, int *taken)
{
    if (is_held(held, d))
        return ERR_OK;
    if (!offer(h, d)) {
        hold(held, d);
        return ERR_OK;
    }
    *taken += 1;
    return spool_mark(h->spool, d->delivery_id, IN_HANDED, clock_wall_ms());
}

static enum err hand_lane(struct tsunagi_host *h, enum lane lane,
                          struct held *held)
{
    int64_t row = 0;
    int taken = 0;
    while (taken < HAND_BATCH && held->n < HELD_CASES) {
        struct spool_in d;
        enum err e = spool_in_new(h->spool, lane, row, &d);
        if (e == ERR_NOT_FOUND)
            return ERR_OK;
        if (e != ERR_OK)
            return e;
        row = d.row;
        e = hand_one(h, &d, held, &taken);
        spool_in_fini(&d);
        if (e != ERR_OK)
            return e;
    }
    h->hand_over = held->n < HELD_CASES;
    return ERR_OK;
}

/* Nothing unread leaves the spool without a lease. */
static bool may_hand(const struct tsunagi_host *h, uint64_t now)
{
    return h->module_open && link_lease(h->link, now);
}

static enum err hand_over(struct tsunagi_host *h, uint64_t now)
{
    struct held held = {.n = 0};
    if (!may_hand(h, now) || (!h->hand_over && now < h->retry_ms))
        return ERR_OK;
    h->hand_over = false;
    h->retry_ms = UINT64_MAX;
    enum err e = hand_lane(h, LANE_URGENT, &held);
    if (e == ERR_OK)
        e = hand_lane(h, LANE_NORMAL, &held);
    if (held.n > 0)
        h->retry_ms = now + RETRY_MS;
    return e == ERR_OK ? spool_commit(h->spool) : e;
}

/* ---- a turn ---- */

static uint64_t sooner(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static int wait_of(const struct tsunagi_host *h, int wait_ms, uint64_t now)
{
    uint64_t due = now + (uint64_t)(wait_ms > 0 ? wait_ms : 0);
    if (spool_dirty(h->spool) || (may_hand(h, now) && h->hand_over) || h->stop)
        return 0;
    if (h->link != NULL)
        due = sooner(due, now + (uint64_t)link_wait_ms(h->link, now));
    if (h->module_open && h->module->tick_ms > 0)
        due = sooner(due, h->tick_ms);
    if (may_hand(h, now))
        due = sooner(due, h->retry_ms);
    if (h->control != NULL)
        due = sooner(due, now + 250);
    return due > now ? (int)(due - now) : 0;
}

static int fill_items(struct tsunagi_host *h, zmq_pollitem_t *items)
{
    int n = 0;
    if (h->link != NULL) {
        link_items(h->link, items);
        n = LINK_ITEMS;
    }
    if (h->control != NULL)
        items[n++] =
            (zmq_pollitem_t){control_socket(h->control), -1, ZMQ_POLLIN, 0};
    for (size_t i = 0; i < h->watch_count; i++)
        items[n++] = (zmq_pollitem_t){NULL, h->watch[i].fd, ZMQ_POLLIN, 0};
    return n;
}

/* A callback may watch and unwatch: each is looked up when its turn comes. */
static void call_watches(struct tsunagi_host *h, const zmq_pollitem_t *items,
                         int n)
{
    for (int i = 0; i < n; i++) {
        if (items[i].socket != NULL || items[i].revents == 0)
            continue;
        for (size_t k = 0; k < h->watch_count; k++)
            if (h->watch[k].fd == items[i].fd) {
                h->watch[k].ready(h->self, items[i].fd);
                break;
            }
    }
}

static enum err take_in(struct tsunagi_host *h, uint64_t now)
{
    enum err e = ERR_OK;
    if (h->link != NULL) {
        e = link_receive(h->link, now);
        h->hand_over |= link_delivered(h->link);
    }
    if (e == ERR_OK && h->control != NULL)
        e = control_receive(h->control, now);
    return e == ERR_OK ? spool_commit(h->spool) : e;
}

static enum err send_out(struct tsunagi_host *h, uint64_t now)
{
    if (h->link == NULL)
        return ERR_OK;
    enum err e = link_send(h->link, now);
    return e == ERR_OK ? spool_commit(h->spool) : e;
}

static void tick(struct tsunagi_host *h, uint64_t now)
{
    if (!h->module_open || h->module->tick_ms == 0 || now < h->tick_ms)
        return;
    h->tick_ms = now + h->module->tick_ms;
    h->module->on_tick(h->self);
}

/* Nothing is forgotten by age while the wall clock runs apart from the boot
 * clock: a step forward must not throw away what should be kept. */
static enum err prune(struct tsunagi_host *h, uint64_t now)
{
    if (now < h->prune_ms)
        return ERR_OK;
    h->prune_ms = now + PRUNE_MS;
    uint64_t expected = h->started_wall + (now - h->started_boot);
    uint64_t wall = clock_wall_ms();
    if (wall > expected + CLOCK_STEP_MS) {
        log_warn("run: the clock has jumped, nothing is pruned");
        return ERR_OK;
    }
    return spool_prune(h->spool, wall);
}

static enum err after(struct tsunagi_host *h, uint64_t now)
{
    enum err e = send_out(h, now);
    if (e == ERR_OK)
        e = tell_receipts(h);
    if (e == ERR_OK)
        e = erasure_run(h);
    if (e == ERR_OK)
        e = hand_over(h, now);
    if (e != ERR_OK)
        return e;
    tick(h, now);
    e = spool_commit(h->spool);
    if (e == ERR_OK && h->control != NULL)
        e = control_timeouts(h->control, now);
    if (e == ERR_OK)
        e = send_out(h, now);
    return e == ERR_OK ? prune(h, now) : e;
}

enum err node_turn(struct node_session *s, int wait_ms)
{
    struct tsunagi_host *h = &s->host;
    zmq_pollitem_t items[ITEMS_MAX];
    int n = fill_items(h, items);
    zmq_poll(items, n, wait_of(h, wait_ms, clock_boot_ms()));
    uint64_t now = clock_boot_ms();
    call_watches(h, items, n);
    enum err e = take_in(h, now);
    return e == ERR_OK ? after(h, now) : e;
}

/* ---- operations in-process ---- */

void node_answer_fini(struct node_answer *a)
{
    json_decref(a->json);
    memset(a, 0, sizeof(*a));
}

enum err node_submit(struct node_session *s, struct slice json, bool held,
                     char event_id[37], struct buf *why)
{
    struct tsunagi_draft *d = NULL;
    struct id id;
    enum err e = draft_from_json(&s->host, json, &d, why);
    if (e == ERR_OK)
        e = draft_submit(d, held, &id, NULL, why);
    if (e == ERR_OK && event_id != NULL)
        id_format(id, event_id);
    tsunagi_draft_free(&d);
    return e;
}

static enum err do_send(struct node_session *s, const struct node_arg *args,
                        size_t n, uint64_t until, struct node_answer *a)
{
    struct id id;
    bool waiting = true;
    enum err e = op_submit(&s->host, args, n, &id, a);
    if (e != ERR_OK || a->json != NULL)
        return e;
    e = spool_commit(s->host.spool);
    while (e == ERR_OK && waiting) {
        node_answer_fini(a);
        e = node_turn(s, 250);
        if (e == ERR_OK)
            e = op_outcome(&s->host, id, &waiting, a);
        if (clock_boot_ms() >= until)
            break;
    }
    return e;
}

/* Where the hub's answer goes when it comes. */
struct hub_wait {
    struct tsunagi_host *host;
    struct id shown; /* zero: the answer goes on as it came */
    struct node_answer *a;
    enum err e;
    bool done;
};

static void hub_done(void *ctx, enum err e, const Pb__Answer *m)
{
    struct hub_wait *w = ctx;
    w->e = id_is_zero(w->shown) ? op_hub_answer(e, m, w->a)
                                : show_answer(w->host, w->shown, e, m, w->a);
    w->done = true;
}

/* A new connection takes a moment: the question is put when it is there. */
static enum err await_hub(struct node_session *s, const Pb__Ask *ask,
                          struct hub_wait *w, uint64_t until)
{
    bool asked = false;
    enum err e = ERR_OK;
    while (e == ERR_OK && s->host.link != NULL && !w->done &&
           clock_boot_ms() < until) {
        if (!asked)
            asked = link_ask(s->host.link, ask, hub_done, w) == ERR_OK;
        e = node_turn(s, 100);
    }
    if (s->host.link != NULL)
        link_ask_forget(s->host.link, w);
    if (e == ERR_OK && !w->done)
        hub_done(w, ERR_UNREACHABLE, NULL);
    return e == ERR_OK ? w->e : e;
}

static enum err do_hub(struct node_session *s, const char *what,
                       const struct node_arg *args, size_t n, uint64_t until,
                       struct node_answer *a)
{
    Pb__AskArgument arg[OP_ARGS_MAX], *ptrs[OP_ARGS_MAX];
    Pb__Ask ask;
    struct hub_wait w = {.host = &s->host, .a = a};
    op_ask(what, args, n < OP_ARGS_MAX ? n : OP_ARGS_MAX, arg, ptrs, &ask);
    return await_hub(s, &ask, &w, until);
}

static enum err do_show(struct node_session *s, const struct node_arg *args,
                        size_t n, uint64_t until, struct node_answer *a)
{
    struct show show;
    struct hub_wait w = {.host = &s->host, .a = a};
    enum err e = show_ask(&s->host, args, n, &show);
    if (e != ERR_OK)
        return op_done(a, e);
    w.shown = show.delivery_id;
    return await_hub(s, &show.ask, &w, until);
}

static enum err do_preview(struct node_session *s, const struct node_arg *args,
                           size_t n, uint64_t until, struct node_answer *a)
{
    struct preview p;
    struct buf why = {0};
    struct hub_wait w = {.host = &s->host, .a = a};
    enum err e = preview_ask(&s->host, args, n, &p, &why);
    e = e == ERR_OK ? await_hub(s, &p.ask, &w, until) : op_refused(a, e, &why);
    buf_fini(&why);
    return e;
}

static enum err do_report(struct node_session *s, const struct node_arg *args,
                          size_t n, uint64_t until, struct node_answer *a)
{
    struct report_question q;
    struct hub_wait w = {.host = &s->host, .a = a};
    enum err e = report_ask(&s->host, args, n, &q);
    return e == ERR_OK ? await_hub(s, &q.ask, &w, until) : op_done(a, e);
}

/* Unread things need a lease; a session just opened has none yet. */
static enum err do_inbox(struct node_session *s, const struct node_arg *args,
                         size_t n, uint64_t until, struct node_answer *a)
{
    struct tsunagi_host *h = &s->host;
    bool unread = true;
    enum err e = spool_unread(h->spool, &unread);
    while (e == ERR_OK && unread && h->link != NULL &&
           clock_boot_ms() < until && !link_lease(h->link, clock_boot_ms()))
        e = node_turn(s, 50);
    return e == ERR_OK ? op_run(h, "inbox", args, n, a) : e;
}

enum err node_do(struct node_session *s, const char *what,
                 const struct node_arg *args, size_t n, struct node_answer *a)
{
    memset(a, 0, sizeof(*a));
    uint64_t until =
        clock_boot_ms() + op_number(args, n, "timeout_ms", OP_TIMEOUT_MS);
    const char *tag = op_arg(args, n, "tag");
    enum err e;
    if (strcmp(what, "send") == 0)
        e = do_send(s, args, n, until, a);
    else if (strcmp(what, "show") == 0)
        e = do_show(s, args, n, until, a);
    else if (strcmp(what, "preview") == 0)
        e = do_preview(s, args, n, until, a);
    else if (strcmp(what, "report") == 0)
        e = do_report(s, args, n, until, a);
    else if (strcmp(what, "inbox") == 0)
        e = do_inbox(s, args, n, sooner(until, clock_boot_ms() + LEASE_WAIT_MS),
                     a);
    else if (strncmp(what, "hub:", 4) == 0)
        e = do_hub(s, what + 4, args, n, until, a);
    else
        e = op_run(&s->host, what, args, n, a);
    if (e == ERR_OK && tag != NULL)
        json_object_set_new(a->json, "tag", json_string(tag));
    if (e != ERR_OK)
        node_answer_fini(a);
    return e;
}
