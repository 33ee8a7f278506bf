/* link_quorum.c - what was delivered must have been cosigned, soon.
 *
 * A delivery is taken under the hub's signed head at once. Within two minutes a
 * head that covers it must be shown with the cosignatures of the configured
 * quorum; after a quarter of that time the node asks for it. When none comes
 * the normal lane takes no more until one does. The urgent lane never stops for
 * that, and no time runs while every witness is closed.
 *
 * A note with a quorum must itself be of the one history: beside deliveries it
 * comes with a proof, one that was asked for is joined by a proof asked for. */
#include "adapters/sdk/link_lanes.h"
#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "proto/wire/unpack.h"
#include <string.h>

#define ASK_AFTER 4  /* part of the time: 30 s of 120 */
#define ASK_AGAIN 12 /* 10 s of 120 */
#define LOOK_MS 1000
#define MARK_MS 1000

const char *link_quorum_name(enum link_quorum q)
{
    static const char *const NAME[] = {"unasked", "closed", "covered",
                                       "awaited", "late"};
    return (size_t)q < NELEM(NAME) ? NAME[q] : "";
}

static bool demanded(const struct link *k)
{
    return k->c.quorum != NULL && !quorum_none(k->c.quorum);
}

/* ---- what waits for a quorum ---- */

void link_quorum_due(struct link *k, uint64_t size, uint64_t now)
{
    struct covering *c = &k->covering;
    struct mark *last = c->marks > 0 ? &c->mark[c->marks - 1] : NULL;
    if (!demanded(k) || size <= c->size)
        return;
    if (last != NULL && (now < last->ms + MARK_MS || c->marks == MARKS)) {
        if (size > last->size)
            last->size = size;
        return;
    }
    c->mark[c->marks++] = (struct mark){size, now};
}

/* While nobody is there to sign no time passes. */
static void look_at_hours(struct link *k, uint64_t now)
{
    struct covering *c = &k->covering;
    if (c->looked_ms != 0 && now < c->looked_ms + LOOK_MS)
        return;
    uint64_t passed = c->looked_ms != 0 ? now - c->looked_ms : 0;
    uint64_t open = hours_open(k->c.hours, k->c.quorum, clock_wall_ms() / 1000);
    c->looked_ms = now;
    c->open_now = quorum_met(k->c.quorum, 0, open) != QUORUM_NOT_DUE;
    for (size_t i = 0; i < c->marks && !c->open_now; i++)
        c->mark[i].ms += passed;
}

static bool older_than(const struct link *k, uint64_t ms, uint64_t now)
{
    const struct covering *c = &k->covering;
    return c->marks > 0 && now >= c->mark[0].ms + ms;
}

enum link_quorum link_quorum_state(const struct link *k, uint64_t now)
{
    if (!demanded(k))
        return QUORUM_UNASKED;
    if (k->covering.looked_ms != 0 && !k->covering.open_now)
        return QUORUM_CLOSED;
    if (k->covering.marks == 0)
        return QUORUM_COVERED;
    return older_than(k, k->c.quorum_ms, now) ? QUORUM_LATE : QUORUM_AWAITED;
}

bool link_stopped(struct link *k, uint64_t now)
{
    bool stopped = k->forked || link_apart(k, now);
    if (!demanded(k))
        return stopped;
    look_at_hours(k, now);
    return stopped || link_quorum_state(k, now) == QUORUM_LATE;
}

/* ---- a note with a quorum ---- */

/* The hub offers what was turned away when the lane connects anew. */
void link_offer_again(struct link *k)
{
    if (k->covering.dropped)
        k->lane[LANE_NORMAL].heard_ms = 0;
    k->covering.dropped = false;
}

/* Up to here all is cosigned. */
static enum err covered(struct link *k, const struct head *h)
{
    struct covering *c = &k->covering;
    size_t done = 0;
    if (h->at.size <= c->size)
        return ERR_OK;
    c->size = h->at.size;
    while (done < c->marks && c->mark[done].size <= c->size)
        done++;
    c->marks -= done;
    memmove(&c->mark[0], &c->mark[done], c->marks * sizeof(c->mark[0]));
    link_offer_again(k);
    return spool_set_head(k->c.spool, SPOOL_HEAD_QUORUM, &h->at,
                          buf_slice(&h->note));
}

/* Signed by the log and by enough witnesses. ERR_DLV_PROOF, and
 * ERR_WITNESS_QUORUM, when not. */
static enum err open_cosigned(const struct link *k, struct slice note,
                              struct head *h)
{
    struct checkpoint c;
    if (checkpoint_open(note, k->c.origin, k->c.log->sign, &c) != ERR_OK)
        return ERR_DLV_PROOF;
    if (quorum_check(k->c.quorum, k->c.hours, note, clock_wall_ms() / 1000) !=
        QUORUM_MET)
        return ERR_WITNESS_QUORUM;
    return head_set(h, &c, note);
}

/* low is the shorter of the two. */
static enum err check_joined(struct link *k, const struct head *low,
                             const struct head *high, const struct hash *path,
                             size_t n)
{
    const struct given g = {low->at.size, path, n};
    if (proof_check_consistency(low->at.size, low->at.root, high->at.size,
                                high->at.root, path, n) == ERR_OK)
        return ERR_OK;
    enum err e = low->at.size == high->at.size
                     ? link_fork(k, DISPUTE_SAME_SIZE, low, high, NULL)
                     : link_fork(k, DISPUTE_NO_PROOF, low, high, &g);
    return e == ERR_OK ? ERR_DLV_FORK : e;
}

static enum err join_cosigned(struct link *k, const Pb__Deliveries *d,
                              const struct head *h, const struct head *c)
{
    struct hash path[PROOF_MAX];
    if (h->at.size > c->at.size)
        return ERR_DLV_PROOF;
    enum err e =
        link_hashes(d->cosigned_consistency, d->n_cosigned_consistency, path);
    if (e == ERR_OK)
        e = check_joined(k, h, c, path, d->n_cosigned_consistency);
    return e == ERR_OK ? covered(k, h) : e;
}

enum err link_take_cosigned(struct link *k, const Pb__Deliveries *d,
                            const struct head *c)
{
    struct head h = {.at = {.size = 0}};
    if (!demanded(k) || d->cosigned == NULL || *d->cosigned == '\0')
        return ERR_OK;
    enum err e = open_cosigned(k, slice_str(d->cosigned), &h);
    if (e == ERR_OK)
        e = join_cosigned(k, d, &h, c);
    head_fini(&h);
    /* too few is no fault of these deliveries: the time runs on */
    return e == ERR_WITNESS_QUORUM ? link_swallow(k, "cosigned", e) : e;
}

/* ---- asking for one ---- */

static void asked(struct link *k, enum err e)
{
    struct covering *c = &k->covering;
    c->asking = false;
    head_fini(&c->note);
    head_fini(&c->seen);
    if (e == ERR_STORE || e == ERR_NOMEM)
        k->broken = e;
    else if (e != ERR_OK && e != ERR_UNREACHABLE && e != ERR_NOT_FOUND)
        log_warn("link: no quorum of witnesses code=%s", err_code(e));
}

static enum err take_joined(struct link *k, enum err e, const Pb__Answer *a)
{
    const struct head *note = &k->covering.note, *seen = &k->covering.seen;
    struct hash path[PROOF_MAX];
    size_t n;
    bool longer = note->at.size > seen->at.size;
    e = link_read_proof(e, a, path, &n);
    if (e == ERR_OK)
        e = check_joined(k, longer ? seen : note, longer ? note : seen, path,
                         n);
    return e == ERR_OK ? covered(k, note) : e;
}

static void joined_came(void *ctx, enum err e, const Pb__Answer *a)
{
    struct link *k = ctx;
    asked(k, k->forked ? ERR_DLV_FORK : take_joined(k, e, a));
}

static enum err read_note(struct link *k, enum err e, const Pb__Answer *a)
{
    json_t *j = NULL;
    e = link_open_answer(e, a, &j);
    const char *note = json_string_value(json_object_get(j, "note"));
    if (e == ERR_OK)
        e = open_cosigned(k, slice_str(note != NULL ? note : ""),
                          &k->covering.note);
    json_decref(j);
    return e;
}

/* Joined with the longest head we know. */
static enum err ask_joined(struct link *k)
{
    struct covering *c = &k->covering;
    const struct head *newest = history_newest(&k->history);
    uint64_t a = c->note.at.size, b = newest->at.size;
    if (a <= c->size || b == 0)
        return ERR_NOT_FOUND; /* nothing new */
    enum err e = head_set(&c->seen, &newest->at, buf_slice(&newest->note));
    return e == ERR_OK
               ? link_ask_proof(k, a < b ? a : b, a < b ? b : a, joined_came)
               : e;
}

static void cosigned_came(void *ctx, enum err e, const Pb__Answer *a)
{
    struct link *k = ctx;
    e = k->forked ? ERR_DLV_FORK : read_note(k, e, a);
    if (e == ERR_OK)
        e = ask_joined(k);
    if (e != ERR_OK)
        asked(k, e);
}

enum err link_quorum_send(struct link *k, uint64_t now)
{
    struct covering *c = &k->covering;
    char what[] = "cosigned";
    Pb__Ask ask = PB__ASK__INIT;
    if (!demanded(k) || k->forked || c->asking || now < c->due_ms ||
        !k->lane[LANE_NORMAL].up ||
        !older_than(k, k->c.quorum_ms / ASK_AFTER, now))
        return ERR_OK;
    c->due_ms = now + k->c.quorum_ms / ASK_AGAIN;
    ask.what = what;
    enum err e = link_ask(k, &ask, cosigned_came, k);
    c->asking = e == ERR_OK;
    return e == ERR_NOMEM ? e : ERR_OK;
}

/* What was delivered before the start and is not covered is due from now. */
enum err link_quorum_remember(struct link *k, uint64_t now)
{
    struct checkpoint c;
    struct buf note = {0};
    enum err e = spool_head(k->c.spool, SPOOL_HEAD_QUORUM, &c, &note);
    buf_fini(&note);
    if (e != ERR_OK && e != ERR_NOT_FOUND)
        return e;
    if (e == ERR_OK && strcmp(c.origin, k->c.origin) == 0)
        k->covering.size = c.size;
    for (size_t i = 0; i < LANES; i++)
        link_quorum_due(k, k->history.tip[i].at.size, now);
    return ERR_OK;
}

void link_quorum_forget(struct link *k)
{
    struct covering *c = &k->covering;
    head_fini(&c->note);
    head_fini(&c->seen);
    c->size = c->marks = 0;
    c->dropped = false;
}
