/* ask.c - questions: from the command line over the control socket, and from
 * nodes. Answers are one JSON object; nothing personal is in any of them:
 * cases and events go by their ids, agencies by their codes (I-11). */
#include "hub/app/hub.h"
#include "proto/base/log.h"
#include "proto/wire/unpack.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define LEAVES_AT_ONCE 500 /* of one answer */

const char *ask_argument(const Pb__Ask *a, const char *key)
{
    for (size_t i = 0; i < a->n_arg; i++)
        if (a->arg[i]->key != NULL && strcmp(a->arg[i]->key, key) == 0 &&
            a->arg[i]->value != NULL)
            return a->arg[i]->value;
    return "";
}

bool ask_number(const Pb__Ask *a, const char *key, uint64_t *out)
{
    return note_number(slice_str(ask_argument(a, key)), out);
}

bool ask_id(const Pb__Ask *a, const char *key, uint8_t out[ID_BYTES])
{
    const char *hex = ask_argument(a, key);
    return strlen(hex) == 2 * ID_BYTES &&
           hex_decode(hex, out, ID_BYTES) == ERR_OK;
}

void ask_add_classes(struct buf *json, uint64_t classes)
{
    const char *comma = "";
    buf_adds(json, "[");
    for (unsigned c = 1; c < CLASS_MAX; c++)
        if ((classes & class_bit(c)) != 0) {
            buf_addf(json, "%s\"%s\"", comma, class_name(c));
            comma = ",";
        }
    buf_adds(json, "]");
}

void ask_add_text(struct buf *json, const char *key, const char *text)
{
    buf_addf(json, ",\"%s\":", key);
    buf_add_json(json, text);
}

void ask_add_time(struct buf *json, const char *key, uint64_t ms)
{
    char text[TIME_TEXT];
    time_jst(ms, text);
    ask_add_text(json, key, text);
}

static void add_id(struct buf *j, struct id id)
{
    char text[ID_TEXT];
    id_format(id, text);
    buf_add_json(j, text);
}

/* ---- status ---- */

static void add_nodes(struct hub *h, struct buf *j)
{
    static const char *const STATE[] = {"pending", "active", "revoked"};
    buf_adds(j, ",\"nodes\":[");
    for (size_t i = 0; i < registry_node_count(h->registry); i++) {
        const struct node *n = registry_node_at(h->registry, i);
        buf_addf(j, "%s{\"node\":\"%s\",\"agency\":\"%s\",\"name\":",
                 i > 0 ? "," : "", n->pub.node, n->agency->code);
        buf_add_json(j, n->agency->name_ja);
        buf_addf(
            j, ",\"state\":\"%s\",\"urgent\":%s,\"normal\":%s}",
            STATE[n->state],
            net_connected(h->net, LANE_URGENT, n->pub.node) ? "true" : "false",
            net_connected(h->net, LANE_NORMAL, n->pub.node) ? "true" : "false");
    }
    buf_adds(j, "]");
}

/* Recalls that a node has not answered for a day: somebody should call. */
#define RECALL_LATE_MS (24ULL * 3600000)
struct late {
    struct buf *j;
    uint64_t before;
    size_t n;
};

static bool add_late(void *ctx, const struct recall *r)
{
    struct late *l = ctx;
    if (r->at_ms > l->before || l->n == 100)
        return false;
    buf_addf(l->j, "%s{\"no\":%" PRIu64 ",\"node\":", l->n++ > 0 ? "," : "",
             r->no);
    buf_add_json(l->j, r->node);
    ask_add_time(l->j, "since", r->at_ms);
    buf_adds(l->j, "}");
    return true;
}

static enum err add_withdrawals(struct hub *h, struct buf *j)
{
    uint64_t before =
        h->now_ms > RECALL_LATE_MS ? h->now_ms - RECALL_LATE_MS : 0;
    struct late l = {.j = j, .before = before};
    uint64_t sweeps;
    enum err e = store_sweep_count(h->store, &sweeps);
    if (e != ERR_OK)
        return e;
    buf_addf(j, ",\"sweeping\":%" PRIu64 ",\"recalls_unanswered\":[", sweeps);
    e = store_recalls_open(h->store, add_late, &l);
    buf_adds(j, "]");
    return e;
}

static enum err ask_status(struct hub *h, const Pb__Ask *a, struct buf *j)
{
    (void)a;
    struct store_counts c;
    enum err e = store_counts(h->store, &c);
    if (e != ERR_OK)
        return e;
    buf_addf(j, "{\"schema\":\"tsunagi.status/1\",\"version\":\"%s\"",
             TSUNAGI_VERSION);
    ask_add_time(j, "time", h->now_ms);
    ask_add_time(j, "started", h->started_ms);
    buf_addf(j,
             ",\"origin\":\"%s\",\"leaves\":%" PRIu64 ",\"events\":%" PRIu64
             ",\"waiting_urgent\":%" PRIu64 ",\"waiting_normal\":%" PRIu64
             ",\"parked\":%" PRIu64,
             h->config.origin, c.leaves, c.events, c.queued[LANE_URGENT],
             c.queued[LANE_NORMAL], c.parked);
    if (c.oldest_queued_ms > 0) {
        ask_add_time(j, "oldest_waiting", c.oldest_queued_ms);
    }
    buf_addf(j,
             ",\"accepted\":%" PRIu64 ",\"refused\":%" PRIu64
             ",\"malformed\":%" PRIu64 ",\"repeated\":%" PRIu64
             ",\"released\":%" PRIu64 ",\"delivered\":%" PRIu64
             ",\"withheld\":%" PRIu64 ",\"witnesses\":%zu",
             h->count.accepted, h->count.refused, h->count.malformed,
             h->count.repeated, h->count.released, h->count.delivered,
             h->count.withheld, witness_count(h));
    witness_status(h, j);
    add_nodes(h, j);
    e = glass_status(h, j);
    if (e == ERR_OK)
        e = add_withdrawals(h, j);
    if (e == ERR_OK)
        e = night_status(h, j);
    buf_adds(j, "}");
    return e;
}

/* ---- cases ---- */

struct listing {
    struct buf *j;
    size_t n, limit;
    const char *flow;
};

static void add_case(struct buf *j, struct id id, const Pb__CaseState *s)
{
    buf_adds(j, "{\"case\":");
    add_id(j, id);
    ask_add_text(j, "flow", s->flow != NULL ? s->flow : "");
    ask_add_text(j, "state", s->state != NULL ? s->state : "");
    buf_addf(j, ",\"version\":%" PRIu64 ",\"owner\":", s->version);
    buf_add_json(j, s->owner != NULL ? s->owner : "");
    ask_add_time(j, "opened", s->opened_ms);
    ask_add_text(j, "chosen", s->chosen != NULL ? s->chosen : "");
    buf_adds(j, ",\"parties\":[");
    for (size_t i = 0; i < s->n_party; i++) {
        buf_adds(j, i > 0 ? "," : "");
        buf_add_json(j, s->party[i]);
    }
    buf_addf(j, "],\"offers\":%zu}", s->n_offer);
}

static bool list_case(void *ctx, struct id id, const Pb__CaseState *s)
{
    struct listing *l = ctx;
    if (l->flow[0] != '\0' &&
        (s->flow == NULL || strcmp(s->flow, l->flow) != 0))
        return true;
    buf_adds(l->j, l->n > 0 ? "," : "");
    add_case(l->j, id, s);
    return ++l->n < l->limit;
}

static enum err ask_cases(struct hub *h, const Pb__Ask *a, struct buf *j)
{
    struct listing l = {.j = j, .limit = 500, .flow = ask_argument(a, "flow")};
    buf_adds(j, "{\"schema\":\"tsunagi.case-list/1\",\"cases\":[");
    enum err e = store_case_each(h->store, list_case, &l);
    buf_adds(j, "]}");
    return e;
}

static enum err ask_case(struct hub *h, const Pb__Ask *a, struct buf *j)
{
    struct id id, person;
    Pb__CaseState *s = NULL;
    enum err e = id_parse(ask_argument(a, "case"), &id);
    if (e == ERR_OK)
        e = store_case_get(h->store, id, &s, &person);
    if (e == ERR_OK) {
        buf_adds(j, "{\"schema\":\"tsunagi.case/1\",\"case\":");
        add_case(j, id, s);
        buf_adds(j, "}");
    }
    case_free(&s);
    return e == ERR_EVT_ID ? ERR_USAGE : e;
}

/* ---- parked items ---- */

static bool list_parked(void *ctx, const struct parked *p)
{
    struct listing *l = ctx;
    if (!p->open)
        return true;
    buf_addf(l->j,
             "%s{\"id\":%" PRId64 ",\"node\":\"%s\",\"agency\":\"%s\","
             "\"code\":\"%s\",\"text_ja\":",
             l->n > 0 ? "," : "", p->id, p->node, p->agency, p->code);
    buf_add_json(l->j, err_ja(err_from_code(p->code)));
    ask_add_time(l->j, "at", p->at_ms);
    buf_adds(l->j, "}");
    return ++l->n < l->limit;
}

static enum err ask_parked(struct hub *h, const Pb__Ask *a, struct buf *j)
{
    (void)a;
    struct listing l = {.j = j, .limit = 500, .flow = ""};
    buf_adds(j, "{\"schema\":\"tsunagi.park/1\",\"parked\":[");
    enum err e = store_parked_each(h->store, list_parked, &l);
    buf_adds(j, "]}");
    return e;
}

static enum err ask_park_close(struct hub *h, const Pb__Ask *a, struct buf *j)
{
    if (!turn_begin(h))
        return h->broken;
    enum err e =
        store_parked_close(h->store, strtoll(ask_argument(a, "id"), NULL, 10));
    if (e == ERR_OK)
        buf_adds(j, "{\"schema\":\"tsunagi.park/1\"}");
    return e;
}

/* ---- the log ---- */

static enum err ask_checkpoint(struct hub *h, const Pb__Ask *a, struct buf *j)
{
    (void)a;
    struct buf vkey = {0};
    checkpoint_vkey(h->config.origin, h->log_keys.pub.sign, &vkey);
    buf_adds(j, "{\"schema\":\"tsunagi.audit-checkpoint/1\",\"note\":");
    buf_add_json(j, h->note.n > 0 ? (const char *)h->note.p : "");
    ask_add_text(j, "vkey", (const char *)vkey.p);
    buf_adds(j, "}");
    buf_fini(&vkey);
    return ERR_OK;
}

/* The newest head with a quorum; ERR_NOT_FOUND: there is none. */
static enum err ask_cosigned(struct hub *h, const Pb__Ask *a, struct buf *j)
{
    (void)a;
    uint64_t size;
    struct slice note = witness_note(h, &size);
    if (size == 0)
        return ERR_NOT_FOUND;
    buf_addf(j, "{\"schema\":\"tsunagi.cosigned/1\",\"size\":%" PRIu64, size);
    ask_add_text(j, "note", (const char *)note.p);
    buf_adds(j, "}");
    return ERR_OK;
}

/* Leaves from..from+n as hex, so that an export runs outside the hub and an
 * emergency never waits for one. */
static enum err ask_leaves(struct hub *h, const Pb__Ask *a, struct buf *j)
{
    uint64_t from = strtoull(ask_argument(a, "from"), NULL, 10);
    uint64_t size = store_log_size(h->store), n = 0;
    enum err e = ERR_OK;
    buf_adds(j, "{\"schema\":\"tsunagi.audit-leaves/1\",\"leaves\":[");
    for (; n < LEAVES_AT_ONCE && from + n < size && e == ERR_OK; n++) {
        struct buf leaf = {0};
        e = store_leaf_get(h->store, from + n, &leaf);
        buf_adds(j, n > 0 ? ",\"" : "\"");
        buf_add_hex(j, buf_slice(&leaf));
        buf_adds(j, "\"");
        buf_fini(&leaf);
        if (j->n > FRAME_MAX / 2)
            break;
    }
    buf_addf(j, "],\"size\":%" PRIu64 "}", size);
    return e;
}

/* ---- acts ---- */

static enum err ask_reload(struct hub *h, const Pb__Ask *a, struct buf *j)
{
    (void)a;
    struct buf why = {0};
    enum err e = reload(h, &why);
    if (e == ERR_OK)
        buf_adds(j, "{\"schema\":\"tsunagi.config-reload/1\"}");
    else
        log_warn("reload: kept the last good tables: %s",
                 why.n > 0 ? (char *)why.p : err_en(e));
    buf_fini(&why);
    return e;
}

static enum err ask_stop(struct hub *h, const Pb__Ask *a, struct buf *j)
{
    (void)a;
    h->stop = true;
    buf_adds(j, "{\"schema\":\"tsunagi.stop/1\"}");
    return ERR_OK;
}

/* ---- metrics: text format 0.0.4 inside the JSON ---- */

static enum err ask_metrics(struct hub *h, const Pb__Ask *a, struct buf *j)
{
    (void)a;
    struct store_counts c;
    struct store_glass_counts g;
    enum err e = store_counts(h->store, &c);
    uint64_t unanswered = 0;
    if (e == ERR_OK)
        e = store_glass_counts(h->store, h->now_ms, &g);
    if (e == ERR_OK)
        e = store_holders_open(h->store, &unanswered);
    if (e != ERR_OK)
        return e;
    struct buf t = {0};
    const struct {
        const char *name;
        uint64_t v;
    } ROWS[] = {
        {"tsunagi_events_accepted_total", h->count.accepted},
        {"tsunagi_events_refused_total", h->count.refused},
        {"tsunagi_events_malformed_total", h->count.malformed},
        {"tsunagi_deliveries_released_total", h->count.released},
        {"tsunagi_deliveries_done_total", h->count.delivered},
        {"tsunagi_deliveries_withheld_total", h->count.withheld},
        {"tsunagi_waiting_urgent", c.queued[LANE_URGENT]},
        {"tsunagi_waiting_normal", c.queued[LANE_NORMAL]},
        {"tsunagi_parked", c.parked},
        {"tsunagi_log_leaves", c.leaves},
        {"tsunagi_break_glass_opened_total", g.opened},
        {"tsunagi_break_glass_reviewed_total", g.reviewed},
        {"tsunagi_break_glass_not_justified_total", g.not_justified},
        {"tsunagi_break_glass_open", g.open},
        {"tsunagi_break_glass_overdue", g.overdue},
        {"tsunagi_break_glass_often", g.often},
        {"tsunagi_erasures_unanswered", unanswered},
        {"tsunagi_peers", net_peer_count(h->net)},
    };
    for (size_t i = 0; i < NELEM(ROWS); i++)
        buf_addf(&t, "# TYPE %s %s\n%s %" PRIu64 "\n", ROWS[i].name,
                 strstr(ROWS[i].name, "_total") != NULL ? "counter" : "gauge",
                 ROWS[i].name, ROWS[i].v);
    witness_metrics(h, &t);
    buf_adds(j, "{\"schema\":\"tsunagi.metrics/1\",\"text\":");
    buf_add_json(j, (const char *)t.p);
    buf_adds(j, "}");
    buf_fini(&t);
    return ERR_OK;
}

static const struct {
    const char *what;
    enum err (*answer)(struct hub *h, const Pb__Ask *a, struct buf *json);
    Pb__LeafKind leaf; /* of who looked at cases or acted; 0: none */
} QUESTIONS[] = {
    /* clang-format off */
    {"status", ask_status, 0},
    {"cases", ask_cases, PB__LEAF_KIND__READ},
    {"case", ask_case, PB__LEAF_KIND__READ},
    {"glass", ask_glass, PB__LEAF_KIND__READ},
    {"parked", ask_parked, PB__LEAF_KIND__READ},
    {"park-close", ask_park_close, PB__LEAF_KIND__ADMIN},
    {"checkpoint", ask_checkpoint, 0},
    {"cosigned", ask_cosigned, 0},
    {"leaves", ask_leaves, 0},
    {"policy-activate", ask_policy_activate, 0}, /* leafs itself */
    {"policy-status", ask_policy_status, 0},
    {"policy-file", ask_policy_file, 0},
    {"explain", ask_explain, PB__LEAF_KIND__READ},
    {"replay", ask_replay, PB__LEAF_KIND__READ},
    {"report", ask_report_control, 0}, /* leafs itself */
    /* no leaf: its digest would be one of a token */
    {"order-subject", ask_order_subject, 0},
    {"order-submit", ask_order_submit, 0}, /* leafs what it takes */
    {"order-list", ask_order_list, PB__LEAF_KIND__READ},
    {"erase-run", ask_erase_run, PB__LEAF_KIND__ADMIN},
    {"erase-look", ask_erase_look, 0},
    {"erase-certificate", ask_erase_certificate, PB__LEAF_KIND__READ},
    {"reload", ask_reload, 0}, /* leaves what changed */
    {"backup", ask_backup, PB__LEAF_KIND__ADMIN},
    {"metrics", ask_metrics, 0},
    {"stop", ask_stop, PB__LEAF_KIND__ADMIN},
}; /* clang-format on */

static enum err node_checkpoint(struct hub *h, const struct node *who,
                                const Pb__Ask *a, struct buf *j)
{
    (void)who;
    return ask_checkpoint(h, a, j);
}

/* That the log of one size continues that of another: a node joins the heads
 * it got on different ways. Hashes only, so no leaf. */
static enum err ask_consistency(struct hub *h, const struct node *who,
                                const Pb__Ask *a, struct buf *j)
{
    const struct merkle *m = store_merkle(h->store);
    struct hash path[PROOF_MAX];
    uint64_t from, to;
    size_t n = 0;
    (void)who;
    if (!ask_number(a, "old", &from) || !ask_number(a, "new", &to) ||
        from == 0 || from > to)
        return ERR_USAGE;
    if (to > m->size)
        return ERR_NOT_FOUND;
    enum err e =
        merkle_consistency(m, from, to, store_tile, h->store, path, &n);
    buf_addf(j,
             "{\"schema\":\"tsunagi.consistency/1\",\"old\":%" PRIu64
             ",\"new\":%" PRIu64 ",\"proof\":[",
             from, to);
    for (size_t i = 0; i < n; i++) {
        buf_adds(j, i > 0 ? ",\"" : "\"");
        buf_add_hex(j, slice_of(path[i].b, HASH_BYTES));
        buf_adds(j, "\"");
    }
    buf_adds(j, "]}");
    return e;
}

static enum err node_cosigned(struct hub *h, const struct node *who,
                              const Pb__Ask *a, struct buf *j)
{
    (void)who;
    return ask_cosigned(h, a, j);
}

/* What a node may ask; these write their leaves themselves. */
static const struct {
    const char *what;
    enum err (*answer)(struct hub *h, const struct node *who, const Pb__Ask *a,
                       struct buf *json);
    bool costs; /* of the connection's budget, as an event does */
} NODE_QUESTIONS[] = {
    {"checkpoint", node_checkpoint, false},
    {"consistency", ask_consistency, true},
    {"cosigned", node_cosigned, false},
    {"lease", ask_lease, false},
    {"erased", ask_erased, true},
    {"read", ask_read, true},
    {"preview", ask_preview, true},
    {"report", ask_report, true},
    {"provisions", ask_provisions, true},
};

/* Who had the local socket asked this: by its digest, found or not. */
static enum err leaf_asked(struct hub *h, Pb__LeafKind kind, const char *what,
                           struct slice question, enum err answered)
{
    Pb__AuditLeaf l = leaf_new(h, kind);
    uint8_t hash[32];
    uint64_t index;
    if (!turn_begin(h))
        return h->broken;
    sha256(question, hash);
    l.phase = pb_text("READ");
    l.node = pb_text(HUB_NODE);
    l.reason = pb_text(what);
    l.has_detail_sha256 = l.has_outcome = 1;
    l.detail_sha256 = (ProtobufCBinaryData){sizeof(hash), hash};
    l.outcome = answered == ERR_OK;
    return store_leaf(h->store, &l, &index);
}

/* The answer to one question, and its leaf. */
static enum err put_question(struct hub *h, size_t i, const Pb__Ask *a,
                             struct slice body, struct buf *json)
{
    enum err e = QUESTIONS[i].answer(h, a, json);
    if (QUESTIONS[i].leaf == 0)
        return e;
    enum err leafed =
        leaf_asked(h, QUESTIONS[i].leaf, QUESTIONS[i].what, body, e);
    return leafed != ERR_OK ? turn_broken(h, leafed) : e;
}

static bool is_named(const Pb__Ask *a, const char *what)
{
    return a->what != NULL && strcmp(a->what, what) == 0;
}

static enum err ask_as_operator(struct hub *h, const Pb__Ask *a,
                                struct slice body, struct buf *json)
{
    for (size_t i = 0; i < NELEM(QUESTIONS); i++)
        if (is_named(a, QUESTIONS[i].what))
            return put_question(h, i, a, body, json);
    return ERR_NOT_FOUND;
}

static enum err ask_as_node(struct hub *h, struct peer *p,
                            const struct node *who, const Pb__Ask *a,
                            struct buf *json)
{
    for (size_t i = 0; i < NELEM(NODE_QUESTIONS); i++) {
        if (!is_named(a, NODE_QUESTIONS[i].what))
            continue;
        if (NODE_QUESTIONS[i].costs && !intake_spend(h, p))
            return ERR_RATE;
        return NODE_QUESTIONS[i].answer(h, who, a, json);
    }
    return ERR_NOT_FOUND;
}

/* p and who NULL: the command line. */
static void answer(struct hub *h, struct slice body, struct peer *p,
                   const struct node *who, struct buf *out)
{
    ProtobufCMessage *m = NULL;
    struct buf json = {0};
    enum err e = unpack(&pb__ask__descriptor, body, &m);
    if (e == ERR_OK)
        e = who == NULL ? ask_as_operator(h, (const Pb__Ask *)m, body, &json)
                        : ask_as_node(h, p, who, (const Pb__Ask *)m, &json);
    if (e == ERR_STORE || e == ERR_INTEGRITY)
        turn_broken(h, e);
    Pb__Answer r = PB__ANSWER__INIT;
    if (e != ERR_OK) {
        r.code = pb_text(err_code(e));
        r.text_ja = pb_text(err_ja(e));
        r.text_en = pb_text(err_en(e));
    }
    if (e == ERR_OK || ask_says_why(&json)) /* else perhaps half an answer */
        r.json = (char *)json.p;
    if (pack(&r.base, out) != ERR_OK)
        buf_reset(out);
    unpack_free(&m);
    buf_fini(&json);
}

void ask_control(struct hub *h, const struct frame *f)
{
    struct buf out = {0};
    answer(h, f->body, NULL, NULL, &out);
    turn_answer_control(h, f, &out); /* after the commit, like every answer */
}

void ask_node(struct hub *h, struct peer *p, struct slice body)
{
    struct buf out = {0};
    const struct node *who = registry_node(h->registry, p->node);
    if (who == NULL)
        return; /* no longer one of ours */
    answer(h, body, p, who, &out);
    turn_answer(h, p, VERB_ANSWER, &out);
    buf_fini(&out);
}
