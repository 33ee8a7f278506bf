/* ops.c - what can be asked of a node, one function for each name.
 *
 * Trouble of this machine is returned and ends the process; everything else is
 * an answer with a code. Lists stop before an answer would not fit a frame and
 * then say "more": the caller goes on after the last "seq". */
#include "adapters/sdk/ops.h"
#include "adapters/sdk/consents.h"
#include "adapters/sdk/delivery.h"
#include "adapters/sdk/draft.h"
#include "proto/base/clock.h"
#include "proto/wire/frame.h"
#include "proto/wire/json.h"
#include "proto/wire/unpack.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define LIST_DEFAULT 100
#define LIST_BYTES (FRAME_MAX / 2)

/* ---- arguments and answers ---- */

const char *op_arg(const struct node_arg *args, size_t n, const char *key)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(args[i].key, key) == 0)
            return args[i].value;
    return NULL;
}

uint64_t op_number(const struct node_arg *args, size_t n, const char *key,
                   uint64_t fallback)
{
    const char *text = op_arg(args, n, key);
    char *end;
    if (text == NULL || *text < '0' || *text > '9')
        return fallback;
    unsigned long long v = strtoull(text, &end, 10);
    return *end == '\0' ? v : fallback;
}

static bool op_flag(const struct node_arg *args, size_t n, const char *key)
{
    const char *text = op_arg(args, n, key);
    return text != NULL && strcmp(text, "false") != 0 && strcmp(text, "0") != 0;
}

static bool machine(enum err e)
{
    return e == ERR_STORE || e == ERR_NOMEM || e == ERR_IO;
}

static void set(json_t *o, const char *key, json_t *v)
{
    if (v != NULL)
        json_object_set_new(o, key, v);
}

static json_t *integer(uint64_t v)
{
    return json_integer((json_int_t)v);
}

static json_t *id_json(struct id id)
{
    char text[ID_TEXT];
    id_format(id, text);
    return json_string(text);
}

/* Ends an operation: e is an answer unless the machine is broken. */
static enum err done(struct node_answer *a, enum err e, json_t *json)
{
    if (a->json == NULL)
        a->json = json != NULL ? json : json_object();
    a->code = e;
    return machine(e) ? e : a->json != NULL ? ERR_OK : ERR_NOMEM;
}

enum err op_done(struct node_answer *a, enum err e)
{
    return done(a, e, NULL);
}

/* The same for a code that came from elsewhere: never trouble of ours. */
static enum err say(struct node_answer *a, enum err code, json_t *json)
{
    a->json = json != NULL ? json : json_object();
    a->code = code;
    return a->json != NULL ? ERR_OK : ERR_NOMEM;
}

void op_ask(const char *what, const struct node_arg *args, size_t n,
            Pb__AskArgument *arg, Pb__AskArgument **ptrs, Pb__Ask *out)
{
    assert(n <= OP_ARGS_MAX);
    pb__ask__init(out);
    out->what = pb_text(what);
    for (size_t i = 0; i < n; i++) {
        pb__ask_argument__init(&arg[i]);
        arg[i].key = pb_text(args[i].key);
        arg[i].value = pb_text(args[i].value);
        ptrs[i] = &arg[i];
    }
    out->n_arg = n;
    out->arg = ptrs;
}

/* ---- sending ---- */

/* "field: sentence" -> field; sentences hold nothing personal. */
static json_t *refusal(const struct buf *why, enum err e)
{
    json_t *o = json_object();
    const char *text = why->p != NULL ? (const char *)why->p : "";
    const char *end = strstr(text, ": ");
    if (end != NULL)
        set(o, "field", json_stringn(text, (size_t)(end - text)));
    set(o, "outcome", json_string("REFUSED"));
    set(o, "code", json_string(err_code(e)));
    set(o, "text_ja", json_string(err_ja(e)));
    set(o, "text_en", json_string(err_en(e)));
    return o;
}

enum err op_refused(struct node_answer *a, enum err e, const struct buf *why)
{
    return machine(e) ? e : say(a, e, refusal(why, e));
}

static json_t *receipt_json(const struct spool_out *o, uint64_t *leaf)
{
    ProtobufCMessage *s = NULL, *r = NULL;
    json_t *j = NULL;
    *leaf = 0;
    if (unpack(&pb__signed_receipt__descriptor, buf_slice(&o->receipt), &s) ==
            ERR_OK &&
        unpack(&pb__receipt__descriptor,
               pb_slice(((Pb__SignedReceipt *)s)->receipt), &r) == ERR_OK) {
        j = json_from_message(r);
        *leaf = ((Pb__Receipt *)r)->leaf_index;
    }
    unpack_free(&s);
    unpack_free(&r);
    return j;
}

static json_t *outcome_json(const struct spool_out *o)
{
    static const char *const NAME[] = {"WAITING", "ACCEPTED", "REFUSED",
                                       "PARKED"};
    uint64_t leaf = 0;
    json_t *j = json_object();
    json_t *r = o->receipt.n > 0 ? receipt_json(o, &leaf) : NULL;
    const char *exact = json_string_value(json_object_get(r, "outcome"));
    set(j, "event_id", id_json(o->event_id));
    set(j, "outcome", json_string(exact != NULL ? exact : NAME[o->state]));
    if (o->code[0] != '\0') {
        enum err e = err_from_code(o->code);
        set(j, "code", json_string(o->code));
        set(j, "text_ja", json_string(err_ja(e)));
        set(j, "text_en", json_string(err_en(e)));
    }
    if (r != NULL) {
        set(j, "leaf_index", integer(leaf));
        set(j, "receipt", r);
    }
    if (o->state == OUT_WAITING)
        set(j, "kept", json_true());
    return j;
}

enum err op_outcome(struct tsunagi_host *h, struct id event_id, bool *waiting,
                    struct node_answer *a)
{
    struct spool_out o;
    enum err e = spool_out_get(h->spool, event_id, &o);
    if (e != ERR_OK)
        return machine(e) ? e : done(a, e, NULL);
    *waiting = o.state == OUT_WAITING;
    enum err code = *waiting ? ERR_UNREACHABLE : err_from_code(o.code);
    e = say(a, code, outcome_json(&o));
    spool_out_fini(&o);
    return e;
}

/* A repeat whose first sending was answered has its answer at once. */
static enum err first_answer(struct tsunagi_host *h, struct id event_id,
                             struct node_answer *a)
{
    bool waiting = true;
    enum err e = op_outcome(h, event_id, &waiting, a);
    if (e == ERR_OK && waiting)
        node_answer_fini(a);
    return e;
}

enum err op_submit(struct tsunagi_host *h, const struct node_arg *args,
                   size_t n, struct id *event_id, struct node_answer *a)
{
    struct tsunagi_draft *d = NULL;
    struct buf why = {0};
    const char *json = op_arg(args, n, "json");
    enum err e = json != NULL ? draft_from_json(h, slice_str(json), &d, &why)
                              : ERR_USAGE;
    bool repeated = false;
    if (e == ERR_OK)
        e = draft_submit(d, true, event_id, &repeated, &why);
    tsunagi_draft_free(&d);
    if (e != ERR_OK)
        e = op_refused(a, e, &why);
    else if (e == ERR_OK && repeated)
        e = first_answer(h, *event_id, a);
    buf_fini(&why);
    return e;
}

static enum err op_store(struct tsunagi_host *h, const struct node_arg *args,
                         size_t n, struct node_answer *a)
{
    struct id id;
    enum err e = op_submit(h, args, n, &id, a);
    if (e != ERR_OK || a->json != NULL)
        return e;
    e = spool_commit(h->spool);
    json_t *o = json_object();
    set(o, "event_id", id_json(id));
    set(o, "kept", json_true());
    return done(a, e, o);
}

/* ---- inbox ---- */

/* Unread things leave only under a lease; what was called back, never. */
static const char *held_back(const struct tsunagi_host *h,
                             const struct spool_in *d)
{
    bool unread = d->state == IN_NEW && !d->shown;
    if (d->recalled != RECALL_NONE)
        return "recalled";
    return unread && !link_lease(h->link, clock_boot_ms()) ? "lease" : NULL;
}

static json_t *content_json(const struct spool_in *d)
{
    struct tsunagi_delivery *v = NULL;
    json_t *o = NULL;
    if (d->delivery.n > 0 &&
        delivery_open_shared(buf_slice(&d->delivery), &v) == ERR_OK)
        o = delivery_json(v);
    delivery_close(&v);
    return o;
}

static json_t *in_json(const struct tsunagi_host *h, const struct spool_in *d)
{
    const char *held = held_back(h, d);
    const struct schema_message *m = schema_event(d->type);
    json_t *o = held == NULL ? content_json(d) : NULL;
    if (o == NULL) {
        o = json_object();
        set(o, "type", json_string(m != NULL ? m->event_name : ""));
    }
    set(o, "seq", integer((uint64_t)d->row));
    set(o, "delivery_id", id_json(d->delivery_id));
    set(o, "lane", json_string(d->lane == LANE_URGENT ? "urgent" : "normal"));
    set(o, "state", json_string(in_state_name(d->state)));
    set(o, "withdrawn", json_boolean(d->withdrawn));
    set(o, "recalled", json_boolean(d->recalled != RECALL_NONE));
    if (held != NULL)
        set(o, "held", json_string(held));
    return o;
}

/* Adds o to a list unless the answer would grow too large. */
static bool fits(json_t *list, json_t *o, size_t *bytes)
{
    size_t n = json_dumpb(o, NULL, 0, JSON_COMPACT);
    if (json_array_size(list) > 0 && *bytes + n > LIST_BYTES) {
        json_decref(o);
        return false;
    }
    *bytes += n;
    json_array_append_new(list, o);
    return true;
}

/* One of the list; its content is out once the answer is. */
static enum err list_in(struct tsunagi_host *h, const struct spool_in *d,
                        json_t *list, size_t *bytes, bool *more)
{
    json_t *o = in_json(h, d);
    bool content = json_object_get(o, "body") != NULL;
    *more = !fits(list, o, bytes);
    if (*more || !content || d->shown)
        return ERR_OK;
    return spool_shown(h->spool, d->delivery_id);
}

static enum err op_inbox(struct tsunagi_host *h, const struct node_arg *args,
                         size_t n, struct node_answer *a)
{
    int64_t row = (int64_t)op_number(args, n, "after", 0);
    uint64_t limit = op_number(args, n, "limit", LIST_DEFAULT);
    enum in_state up_to = op_flag(args, n, "all") ? IN_HANDLED : IN_HANDED;
    json_t *list = json_array(), *o = json_object();
    size_t bytes = 0;
    bool more = false;
    struct spool_in d;
    enum err e = ERR_OK;
    while (e == ERR_OK && !more &&
           (e = spool_in_after(h->spool, row, up_to, &d)) == ERR_OK) {
        row = d.row;
        more = json_array_size(list) >= limit;
        if (!more)
            e = list_in(h, &d, list, &bytes, &more);
        spool_in_fini(&d);
    }
    if (e == ERR_OK || e == ERR_NOT_FOUND)
        e = spool_commit(h->spool);
    set(o, "deliveries", list);
    set(o, "more", json_boolean(more));
    return done(a, e, o);
}

static enum err delivery_arg(const struct node_arg *args, size_t n,
                             struct id *id)
{
    const char *text = op_arg(args, n, "delivery_id");
    return text != NULL && id_parse(text, id) == ERR_OK ? ERR_OK : ERR_USAGE;
}

static enum err op_handled(struct tsunagi_host *h, const struct node_arg *args,
                           size_t n, struct node_answer *a)
{
    struct id id;
    enum err e = delivery_arg(args, n, &id);
    if (e == ERR_OK)
        e = spool_mark(h->spool, id, IN_HANDLED, clock_wall_ms());
    if (e == ERR_OK)
        e = spool_commit(h->spool);
    return done(a, e, NULL);
}

/* ---- outbox ---- */

static json_t *out_json(const struct spool_out *o)
{
    const struct schema_message *m = schema_event(o->type);
    json_t *j = outcome_json(o);
    set(j, "seq", integer((uint64_t)o->row));
    set(j, "type", json_string(m != NULL ? m->event_name : ""));
    set(j, "lane", json_string(o->lane == LANE_URGENT ? "urgent" : "normal"));
    set(j, "state", json_string(out_state_name(o->state)));
    set(j, "node_seq", integer(o->node_seq));
    set(j, "created_ms", integer(o->created_ms));
    if (o->answered_ms > 0)
        set(j, "answered_ms", integer(o->answered_ms));
    json_object_del(j, "receipt");
    return j;
}

static enum err op_outbox(struct tsunagi_host *h, const struct node_arg *args,
                          size_t n, struct node_answer *a)
{
    int64_t row = (int64_t)op_number(args, n, "after", 0);
    uint64_t limit = op_number(args, n, "limit", LIST_DEFAULT);
    bool all = op_flag(args, n, "all"), more = false;
    json_t *list = json_array(), *o = json_object();
    size_t bytes = 0;
    struct spool_out out;
    enum err e;
    while ((e = spool_out_after(h->spool, row, all, &out)) == ERR_OK) {
        row = out.row;
        more = json_array_size(list) >= limit ||
               !fits(list, out_json(&out), &bytes);
        spool_out_fini(&out);
        if (more)
            break;
    }
    set(o, "events", list);
    set(o, "more", json_boolean(more));
    return done(a, e == ERR_NOT_FOUND ? ERR_OK : e, o);
}

static enum err op_resend(struct tsunagi_host *h, const struct node_arg *args,
                          size_t n, struct node_answer *a)
{
    size_t count = 0;
    (void)args;
    (void)n;
    enum err e = spool_resend_all(h->spool, &count);
    if (e == ERR_OK)
        e = spool_commit(h->spool);
    if (e == ERR_OK && h->link != NULL)
        link_rewind(h->link);
    json_t *o = json_object();
    set(o, "events", integer(count));
    return done(a, e, o);
}

/* ---- state ---- */

static json_t *hub_json(const struct tsunagi_host *h)
{
    if (h->link == NULL)
        return json_null();
    struct link_status s = link_status(h->link);
    json_t *o = json_object();
    set(o, "urgent", json_boolean(s.up[LANE_URGENT]));
    set(o, "normal", json_boolean(s.up[LANE_NORMAL]));
    set(o, "forked", json_boolean(s.forked));
    set(o, "quorum", json_string(link_quorum_name(s.quorum)));
    set(o, "apart", json_boolean(s.apart));
    set(o, "cosigned", integer(s.cosigned));
    set(o, "log_size", integer(link_seen(h->link).size));
    set(o, "in_flight", integer(s.in_flight[0] + s.in_flight[1]));
    set(o, "trouble", json_string(err_code(s.trouble)));
    set(o, "taken", integer(s.taken));
    set(o, "repeated", integer(s.repeated));
    set(o, "refused", integer(s.refused));
    set(o, "lease", json_boolean(link_lease(h->link, clock_boot_ms())));
    return o;
}

static json_t *out_counts(const struct spool_counts *c)
{
    json_t *o = json_object();
    uint64_t oldest = 0;
    for (size_t i = 0; i < LANES; i++)
        if (c->oldest_waiting_ms[i] != 0 &&
            (oldest == 0 || c->oldest_waiting_ms[i] < oldest))
            oldest = c->oldest_waiting_ms[i];
    for (int i = 0; i < 4; i++)
        set(o, out_state_name((enum out_state)i), integer(c->out[i]));
    set(o, "waiting_urgent", integer(c->out_waiting[LANE_URGENT]));
    if (oldest != 0)
        set(o, "oldest_waiting_ms", integer(oldest));
    return o;
}

static enum err op_status(struct tsunagi_host *h, const struct node_arg *args,
                          size_t n, struct node_answer *a)
{
    struct spool_counts c;
    (void)args;
    (void)n;
    enum err e = spool_count(h->spool, &c);
    if (e != ERR_OK)
        return done(a, e, NULL);
    json_t *o = json_object(), *in = json_object();
    for (int i = 0; i < 3; i++)
        set(in, in_state_name((enum in_state)i), integer(c.in[i]));
    set(in, "recalled", integer(c.recalled));
    set(o, "agency", json_string(h->conf.agency));
    set(o, "node", json_string(h->conf.node));
    set(o, "module", json_string(h->module != NULL ? h->module->name : ""));
    set(o, "hub", hub_json(h));
    set(o, "outbox", out_counts(&c));
    set(o, "inbox", in);
    return done(a, ERR_OK, o);
}

static json_t *token_json(const struct tsunagi_host *h, struct slice local)
{
    uint8_t token[ID_BYTES];
    struct buf hex = {0};
    token_make(h->keys.token_secret, "person", local, token);
    buf_add_hex(&hex, slice_of(token, sizeof(token)));
    json_t *j = json_string(hex.failed ? "" : (char *)hex.p);
    buf_fini(&hex);
    return j;
}

/* The same for many, a number a line. */
static json_t *tokens_json(const struct tsunagi_host *h, const char *lines)
{
    json_t *list = json_array();
    for (size_t n; *lines != '\0'; lines += n + (lines[n] == '\n')) {
        n = strcspn(lines, "\n");
        json_array_append_new(list, token_json(h, slice_of(lines, n)));
    }
    return list;
}

/* What this agency calls the person by its own number: for an order that is
 * made where the hub is, and for records that name people. */
static enum err op_token(struct tsunagi_host *h, const struct node_arg *args,
                         size_t n, struct node_answer *a)
{
    const char *local = op_arg(args, n, "person"),
               *lines = op_arg(args, n, "persons");
    if (lines == NULL && (local == NULL || *local == '\0'))
        return done(a, ERR_USAGE, NULL);
    json_t *o = json_object();
    set(o, "agency", json_string(h->conf.agency));
    if (lines != NULL)
        set(o, "person_tokens", tokens_json(h, lines));
    else
        set(o, "person_token", token_json(h, slice_str(local)));
    return done(a, ERR_OK, o);
}

static enum err op_stop(struct tsunagi_host *h, const struct node_arg *args,
                        size_t n, struct node_answer *a)
{
    (void)args;
    (void)n;
    h->stop = true;
    return done(a, ERR_OK, NULL);
}

enum err op_run(struct tsunagi_host *h, const char *what,
                const struct node_arg *args, size_t n, struct node_answer *a)
{
    static const struct {
        const char *what;
        enum err (*run)(struct tsunagi_host *, const struct node_arg *, size_t,
                        struct node_answer *);
    } OPS[] = {
        {"submit", op_store},    {"inbox", op_inbox},
        {"handled", op_handled}, {"outbox", op_outbox},
        {"resend", op_resend},   {"status", op_status},
        {"stop", op_stop},       {"token", op_token},
        {"proof", op_proof},     {"consents", consents_list},
        {"witness", op_witness}, {"witness-clear", op_witness_clear},
    };
    for (size_t i = 0; i < NELEM(OPS); i++)
        if (strcmp(OPS[i].what, what) == 0)
            return OPS[i].run(h, args, n, a);
    return done(a, ERR_USAGE, NULL);
}

/* ---- the hub's answers ---- */

enum err op_hub_answer(enum err e, const Pb__Answer *m, struct node_answer *a)
{
    json_t *j = NULL;
    if (m == NULL)
        return say(a, e != ERR_OK ? e : ERR_UNREACHABLE, NULL);
    if (m->json != NULL && *m->json != '\0')
        e = json_parse(slice_str(m->json), &j, NULL);
    if (e == ERR_OK && m->code != NULL)
        e = err_from_code(m->code);
    return say(a, e, j);
}
