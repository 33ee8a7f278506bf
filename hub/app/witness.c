/* witness.c - the agencies' nodes cosign the heads of the log.
 *
 *   head frozen -> WITNESS to each node that the policy names
 *     -> its cosignature -> quorum -> kept, and sent with deliveries
 *
 * What a round is and when the next one begins is core's (witness_round.c);
 * what a quorum is, and who is open, is the wire's (quorum.c). A node is known
 * as a witness by its witness key alone, which its row in the registry has and
 * the policy names. The request goes over one connection of its normal lane.
 *
 * A cosignature counts when it verifies over the round's head; one that
 * verifies over the head before came late and is passed over. Everything else
 * a witness says changes nothing, but one thing: a head that the log's own key
 * signed and that this log does not contain. Then this is not the log that was
 * (an older copy put back), or not the only one, and the hub stops for good
 * (witness_alarm.c).
 *
 * The newest head with a quorum is kept in the store; it rides with the next
 * transaction, so that witnessing writes nothing by itself and adds no leaf.
 *
 * Ordinary deliveries wait until one witness has vouched for this log since
 * the start, and while a quorum is overdue. Urgent ones never do. */
#include "hub/app/witness.h"
#include "proto/base/log.h"
#include "proto/wire/unpack.h"
#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define FUTURE_S 300         /* a clock may be ahead by so much */
#define KEPT_NOTE "cosigned" /* named value of the store */
static_assert(ROUND_WITNESSES == QUORUM_WITNESSES, "one limit");
static_assert(QUORUM_WITNESSES < NOTE_SIGNATURES, "a note holds them all");

/* ---- opening ---- */

static enum err read_policy(struct hub *h, struct buf *why)
{
    struct buf text = {0};
    const char *path = h->config.witness_policy;
    enum err e = file_read(path, QUORUM_TEXT_MAX, &text);
    if (e != ERR_OK)
        buf_addf(why, "%s: %s", path, err_en(e));
    else
        e = quorum_parse(path, buf_slice(&text), &h->witness->quorum, why);
    buf_fini(&text);
    if (e == ERR_OK && !quorum_has_log(h->witness->quorum, h->config.origin,
                                       h->log_keys.pub.sign)) {
        buf_addf(why, "%s: this hub's log is not in it", path);
        return ERR_WITNESS_POLICY;
    }
    return e;
}

static enum err read_hours(struct hub *h, struct buf *why)
{
    struct buf text = {0};
    const char *path = h->config.witness_hours;
    if (path == NULL)
        return ERR_OK;
    enum err e = file_read(path, QUORUM_TEXT_MAX, &text);
    if (e != ERR_OK)
        buf_addf(why, "%s: %s", path, err_en(e));
    else
        e = hours_parse(path, buf_slice(&text), h->witness->quorum,
                        &h->witness->hours, why);
    buf_fini(&text);
    return e;
}

static void look_who_is_open(struct hub *h)
{
    struct witness *w = h->witness;
    w->open = hours_open(w->hours, w->quorum, h->now_ms / 1000);
    w->due = quorum_met(w->quorum, 0, w->open) != QUORUM_NOT_DUE;
}

/* What an earlier run reached, if it is of this log and policy. */
static enum err read_kept(struct hub *h, uint64_t *size)
{
    struct witness *w = h->witness;
    struct checkpoint c;
    bool has;
    *size = 0;
    enum err e = store_value_get(h->store, KEPT_NOTE, &w->kept);
    if (e == ERR_NOT_FOUND)
        return ERR_OK;
    if (e != ERR_OK)
        return e;
    struct slice note = buf_slice(&w->kept);
    if (checkpoint_open(note, h->config.origin, h->log_keys.pub.sign, &c) !=
            ERR_OK ||
        quorum_check(w->quorum, w->hours, note, h->now_ms / 1000) !=
            QUORUM_MET) {
        buf_reset(&w->kept);
        return ERR_OK;
    }
    *size = c.size;
    e = witness_contains(h, &c, &has);
    return e == ERR_OK && !has ? ERR_ROLLBACK : e;
}

static enum err open_witness(struct hub *h, struct buf *why)
{
    uint64_t cosigned = 0;
    h->witness = calloc(1, sizeof(*h->witness));
    if (h->witness == NULL)
        return ERR_NOMEM;
    enum err e = read_policy(h, why);
    if (e == ERR_OK)
        e = read_hours(h, why);
    if (e == ERR_OK)
        e = read_kept(h, &cosigned);
    if (e == ERR_ROLLBACK)
        buf_adds(why, "the log lacks a head that its witnesses cosigned");
    if (e != ERR_OK)
        return e;
    round_init(&h->witness->round, quorum_witnesses(h->witness->quorum),
               (uint64_t)h->config.witness_interval * 1000,
               (uint64_t)h->config.quorum_seconds * 1000, cosigned);
    look_who_is_open(h);
    return ERR_OK;
}

enum err witness_open(struct hub *h, struct buf *why)
{
    enum err e =
        h->config.witness_policy != NULL ? open_witness(h, why) : ERR_OK;
    if (e == ERR_OK && witness_count(h) < WITNESSES_ENOUGH)
        log_warn("witness: fewer than three, a split view is not excluded "
                 "witnesses=%zu",
                 witness_count(h));
    return e;
}

void witness_close(struct hub *h)
{
    struct witness *w = h->witness;
    if (w == NULL)
        return;
    quorum_free(&w->quorum);
    hours_free(&w->hours);
    buf_fini(&w->head);
    buf_fini(&w->before);
    buf_fini(&w->kept);
    free(w);
    h->witness = NULL;
}

/* ---- asking ---- */

static void freeze(struct hub *h)
{
    struct witness *w = h->witness;
    struct buf old = w->before;
    w->before = w->head;
    w->head = old;
    buf_reset(&w->head);
    buf_add(&w->head, h->note.p, h->note.n);
    if (w->head.failed)
        return; /* in the next second */
    round_freeze(&w->round, signer_size(h->signer), h->boot_ms);
    w->signed_set = 0;
}

static int seat_of(const struct hub *h, const char *node)
{
    const struct node *n = registry_node(h->registry, node);
    for (size_t i = 0; n != NULL && i < h->witness->round.n; i++)
        if (memcmp(quorum_witness(h->witness->quorum, i)->key, n->pub.witness,
                   KEY_BYTES) == 0)
            return (int)i;
    return -1;
}

/* The connection of each witness that was heard last. */
struct present {
    struct hub *h;
    struct peer *at[QUORUM_WITNESSES];
};

static void note_present(void *ctx, struct peer *p)
{
    struct present *s = ctx;
    int i = seat_of(s->h, p->node);
    if (i >= 0 && (s->at[i] == NULL || s->at[i]->heard_ms < p->heard_ms))
        s->at[i] = p;
}

static enum err ask_one(struct hub *h, size_t i, struct peer *to)
{
    struct witness *w = h->witness;
    struct hash path[PROOF_MAX];
    struct buf body = {0}, out = {0};
    size_t n = 0;
    uint64_t old = round_ask(&w->round, i, h->boot_ms);
    memcpy(w->seat[i].routing, to->routing, ROUTING_BYTES);
    enum err e = merkle_consistency(store_merkle(h->store), old, w->round.size,
                                    store_tile, h->store, path, &n);
    if (e == ERR_OK)
        e = witness_ask_write(old, path, n, buf_slice(&w->head), &body);
    if (e == ERR_OK) {
        Pb__WitnessAsk m = PB__WITNESS_ASK__INIT;
        m.has_body = 1;
        m.body = pb_borrow(buf_slice(&body));
        e = pack(&m.base, &out);
    }
    if (e == ERR_OK)
        net_send(h->net, to, VERB_WITNESS, buf_slice(&out));
    buf_fini(&body);
    buf_fini(&out);
    return e;
}

static void ask_all(struct hub *h)
{
    struct witness *w = h->witness;
    struct present s = {.h = h};
    enum err e = ERR_OK;
    if (!round_waits(&w->round))
        return;
    net_each_peer(h->net, LANE_NORMAL, note_present, &s);
    for (size_t i = 0; i < w->round.n && e == ERR_OK; i++) {
        if (s.at[i] == NULL)
            continue;
        if (memcmp(w->seat[i].routing, s.at[i]->routing, ROUTING_BYTES) != 0)
            round_lost(&w->round, i);
        if (round_wants(&w->round, i, h->boot_ms))
            e = ask_one(h, i, s.at[i]);
    }
    if (e != ERR_OK)
        turn_broken(h, e);
}

bool witness_stops_normal(const struct hub *h)
{
    const struct witness *w = h->witness;
    return w != NULL && round_stops(&w->round, w->due, h->boot_ms);
}

/* Says when ordinary deliveries stop and when they go on. */
static void note_stop(struct hub *h)
{
    struct witness *w = h->witness;
    bool stops = witness_stops_normal(h);
    if (stops == w->stopping)
        return;
    w->stopping = stops;
    h->pump |= !stops;
    if (stops)
        log_warn("witness: ordinary deliveries wait for witnesses "
                 "cosigned=%" PRIu64 " signed=%d",
                 w->round.cosigned, __builtin_popcountll(w->signed_set));
    else
        log_note("witness: ordinary deliveries go on");
}

void witness_tick(struct hub *h)
{
    struct witness *w = h->witness;
    if (w == NULL || h->broken != ERR_OK || h->alarm != ERR_OK)
        return;
    look_who_is_open(h);
    if (round_grown(&w->round, signer_size(h->signer), h->boot_ms))
        freeze(h);
    ask_all(h);
    note_stop(h);
}

/* ---- a quorum ---- */

/* Those open when the newest of them signed count. */
static bool quorum_reached(const struct witness *w)
{
    uint64_t newest = 0;
    for (size_t i = 0; i < w->round.n; i++)
        if ((w->signed_set >> i & 1) != 0 && w->seat[i].time_s > newest)
            newest = w->seat[i].time_s;
    return quorum_met(w->quorum, w->signed_set,
                      hours_open(w->hours, w->quorum, newest)) == QUORUM_MET;
}

static void keep_quorum(struct hub *h)
{
    struct witness *w = h->witness;
    struct buf note = {0};
    if (!quorum_reached(w))
        return;
    buf_add(&note, w->head.p, w->head.n);
    for (size_t i = 0; i < w->round.n; i++)
        if ((w->signed_set >> i & 1) != 0)
            buf_adds(&note, w->seat[i].line);
    if (note.failed) {
        buf_fini(&note);
        return;
    }
    buf_fini(&w->kept);
    w->kept = note;
    w->kept_unsaved = true;
    round_quorum(&w->round);
    note_stop(h);
}

enum err witness_save(struct hub *h)
{
    struct witness *w = h->witness;
    if (w == NULL || !w->kept_unsaved)
        return ERR_OK;
    enum err e = store_value_set(h->store, KEPT_NOTE, buf_slice(&w->kept));
    w->kept_unsaved = e != ERR_OK;
    return e;
}

struct slice witness_note(const struct hub *h, uint64_t *size)
{
    const struct witness *w = h->witness;
    *size = w != NULL && w->kept.n > 0 ? w->round.cosigned : 0;
    return *size > 0 ? buf_slice(&w->kept) : SLICE_NONE;
}

/* ---- answers ---- */

static void refuse(struct hub *h, size_t i, bool lie, const char *why)
{
    struct seat *s = &h->witness->seat[i];
    *(lie ? &s->lies : &s->refused) += 1;
    round_refused(&h->witness->round, i);
    log_warn("witness: not cosigned witness=%s why=%s",
             quorum_witness_name(h->witness->quorum, i), why);
}

static void take_line(struct hub *h, size_t i, struct slice lines)
{
    struct witness *w = h->witness;
    struct seat *s = &w->seat[i];
    const struct vkey *key = quorum_witness(w->quorum, i);
    struct slice line;
    uint64_t time_s;
    if (w->round.of[i].state != ROUND_ASKED)
        return; /* as often as it likes: nobody asked */
    if (cosignature_find(buf_slice(&w->head), lines, key, &line, &time_s) !=
            ERR_OK ||
        line.n >= sizeof(s->line)) {
        if (cosignature_find(buf_slice(&w->before), lines, key, &line,
                             &time_s) != ERR_OK)
            refuse(h, i, true, "forged");
        return;
    }
    if (time_s > h->now_ms / 1000 + FUTURE_S) {
        refuse(h, i, true, "clock");
        return;
    }
    memcpy(s->line, line.p, line.n);
    s->line[line.n] = '\0';
    s->time_s = time_s;
    s->size = w->round.size;
    s->at_ms = h->now_ms;
    w->signed_set |= (uint64_t)1 << i;
    round_signed(&w->round, i, (w->open >> i & 1) != 0);
    keep_quorum(h);
    note_stop(h);
}

/* It has another head than the one the proof started at. */
static void take_size(struct hub *h, size_t i, struct slice body,
                      struct peer *from)
{
    struct witness *w = h->witness;
    uint64_t size;
    if (w->round.of[i].state != ROUND_ASKED)
        return;
    if (witness_size_parse(body, &size) != ERR_OK)
        refuse(h, i, true, "malformed");
    else if (size > store_log_size(h->store))
        refuse(h, i, true, "claims more than there is, without proof");
    else if (round_has(&w->round, i, size, store_log_size(h->store))) {
        enum err e = ask_one(h, i, from);
        if (e != ERR_OK)
            turn_broken(h, e);
    }
}

static void take_answer(struct hub *h, struct peer *from, size_t i,
                        const Pb__WitnessAnswer *a)
{
    struct slice body = slice_str(a->body != NULL ? a->body : "");
    if (a->note != NULL)
        witness_weigh(h, from->node, slice_str(a->note));
    if (h->alarm != ERR_OK || h->broken != ERR_OK)
        return;
    if (a->status == WITNESS_DONE)
        take_line(h, i, body);
    else if (a->status == WITNESS_CONFLICT)
        take_size(h, i, body, from);
    else if (h->witness->round.of[i].state == ROUND_ASKED)
        refuse(h, i, false, "refused");
}

void witness_answer(struct hub *h, struct peer *from, struct slice body)
{
    ProtobufCMessage *m = NULL;
    int i = h->witness != NULL ? seat_of(h, from->node) : -1;
    if (i < 0) {
        intake_malformed(h, from, ERR_FRAME_VERB);
        return;
    }
    enum err e = unpack(&pb__witness_answer__descriptor, body, &m);
    if (e == ERR_OK)
        take_answer(h, from, (size_t)i, (const Pb__WitnessAnswer *)m);
    else
        intake_malformed(h, from, e);
    unpack_free(&m);
}
