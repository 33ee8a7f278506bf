/* witness_round.c - one frozen head and what each witness made of it.
 *
 * The proof for a witness starts at the size it has. What that is the hub does
 * not keep over a restart: the first request starts at nothing, and the
 * witness answers what it has (409 of C2SP tlog-witness), once.
 *
 * A node is a witness and a recipient at once, and deliveries of the urgent
 * lane may bring it a newer head than the one it is asked to sign. It then
 * says that it has more; if the log has that much, the next round begins at
 * once instead of after the interval. The one after that does not: whoever
 * always says so, true or not, would leave the slow ones no time to sign.
 *
 * What is overdue is counted from the first leaf after the newest head with a
 * quorum, not from that head: a log that rests for an hour owes nothing. */
#include "hub/core/witness_round.h"
#include <assert.h>
#include <string.h>

#define ASK_AGAIN_MS 10000 /* no answer */
#define AHEAD_MS 1000      /* between rounds when somebody has seen more */
#define TRIES 6            /* of one witness in one round */

void round_init(struct witness_round *r, size_t n, uint64_t interval_ms,
                uint64_t quorum_ms, uint64_t cosigned)
{
    assert(n <= ROUND_WITNESSES);
    memset(r, 0, sizeof(*r));
    r->n = n;
    r->interval_ms = interval_ms;
    r->quorum_ms = quorum_ms;
    r->cosigned = cosigned;
}

static void since(uint64_t *at, bool now, uint64_t now_ms)
{
    if (now && *at == 0)
        *at = now_ms;
}

bool round_grown(struct witness_round *r, uint64_t size, uint64_t now_ms)
{
    uint64_t pause = r->ahead && !r->early ? AHEAD_MS : r->interval_ms;
    since(&r->uncovered_ms, size > r->cosigned, now_ms);
    since(&r->later_ms, size > r->size, now_ms);
    return size > r->size && (r->size == 0 || now_ms - r->frozen_ms >= pause);
}

void round_freeze(struct witness_round *r, uint64_t size, uint64_t now_ms)
{
    assert(size > r->size);
    r->size = size;
    r->frozen_ms = now_ms;
    r->later_ms = 0;
    r->early = r->ahead && !r->early;
    r->ahead = false;
    for (size_t i = 0; i < r->n; i++) {
        r->of[i].state = ROUND_UNASKED;
        r->of[i].tries = 0;
    }
}

bool round_waits(const struct witness_round *r)
{
    for (size_t i = 0; r->size > 0 && i < r->n; i++)
        if (r->of[i].state != ROUND_SIGNED)
            return true;
    return false;
}

/* Beyond the quorum nobody is pressed. */
bool round_wants(const struct witness_round *r, size_t w, uint64_t now_ms)
{
    const struct round_witness *it = &r->of[w];
    bool short_of_it = r->cosigned < r->size && it->tries < TRIES;
    if (r->size == 0 || it->state == ROUND_SIGNED)
        return false;
    if (it->state == ROUND_UNASKED)
        return it->tries < TRIES;
    uint64_t pause = it->state == ROUND_ASKED ? ASK_AGAIN_MS : r->interval_ms;
    return short_of_it && now_ms - it->asked_ms >= pause;
}

uint64_t round_ask(struct witness_round *r, size_t w, uint64_t now_ms)
{
    struct round_witness *it = &r->of[w];
    it->state = ROUND_ASKED;
    it->asked_ms = now_ms;
    it->sent_old = it->old <= r->size ? it->old : 0;
    it->tries++;
    return it->sent_old;
}

void round_lost(struct witness_round *r, size_t w)
{
    struct round_witness *it = &r->of[w];
    if (it->state == ROUND_ASKED || it->state == ROUND_REFUSED) {
        it->state = ROUND_UNASKED;
        it->tries = 0;
    }
}

void round_signed(struct witness_round *r, size_t w, bool open)
{
    r->of[w].state = ROUND_SIGNED;
    r->of[w].old = r->size;
    r->vouched |= open;
}

bool round_has(struct witness_round *r, size_t w, uint64_t size,
               uint64_t log_size)
{
    struct round_witness *it = &r->of[w];
    bool news = size != it->sent_old && size <= log_size;
    it->state = ROUND_REFUSED;
    if (!news)
        return false; /* what was proved to it already, or more than there is */
    it->old = size;
    if (size > r->size) {
        r->ahead = true;
        return false;
    }
    it->state = ROUND_UNASKED;
    return it->tries < TRIES;
}

void round_refused(struct witness_round *r, size_t w)
{
    r->of[w].state = ROUND_REFUSED;
}

void round_quorum(struct witness_round *r)
{
    if (r->cosigned >= r->size)
        return;
    r->cosigned = r->size;
    r->uncovered_ms = r->later_ms;
}

bool round_overdue(const struct witness_round *r, uint64_t now_ms)
{
    return r->uncovered_ms != 0 && now_ms - r->uncovered_ms >= r->quorum_ms;
}

bool round_stops(const struct witness_round *r, bool due, uint64_t now_ms)
{
    return due && (!r->vouched || round_overdue(r, now_ms));
}
