/* history.c - the hub's log as one node has seen it.
 *
 * A hub that keeps two logs could show one on each connection of the same node
 * and never be caught by comparing sizes. So three rules: a strand is a chain
 * without a branch (a proof from an earlier head than the last would leave the
 * last one unproved); one size has one root on all strands; and a join proves
 * all strands to be beginnings of the longest, hence of each other.
 *
 * After a join only the strand that was the longest may grow without a new one:
 * the others are beginnings of it already. */
#include "adapters/sdk/history.h"
#include <assert.h>
#include <string.h>

enum err head_set(struct head *h, const struct checkpoint *c, struct slice note)
{
    if (note.n > HEAD_NOTE_MAX)
        return ERR_DLV_PROOF;
    h->at = *c;
    buf_reset(&h->note);
    buf_add(&h->note, note.p, note.n);
    return h->note.failed ? ERR_NOMEM : ERR_OK;
}

void head_fini(struct head *h)
{
    buf_fini(&h->note);
    memset(h, 0, sizeof(*h));
}

const char *dispute_name(enum dispute d)
{
    static const char *const NAME[] = {"", "same-size", "no-proof", "shrunk"};
    return (size_t)d < NELEM(NAME) ? NAME[d] : "";
}

void history_init(struct history *h, const char *origin)
{
    memset(h, 0, sizeof(*h));
    h->origin = origin;
}

void history_fini(struct history *h)
{
    history_forget(h);
}

void history_forget(struct history *h)
{
    for (size_t i = 0; i < STRANDS; i++)
        head_fini(&h->tip[i]);
    history_init(h, h->origin);
}

static enum strand longest(const struct head *tip)
{
    size_t top = 0;
    for (size_t i = 1; i < STRANDS; i++)
        if (tip[i].at.size > tip[top].at.size)
            top = i;
    return (enum strand)top;
}

const struct head *history_newest(const struct history *h)
{
    return &h->tip[longest(h->tip)];
}

static bool same_root(const struct checkpoint *a, const struct checkpoint *b)
{
    return memcmp(a->root.b, b->root.b, HASH_BYTES) == 0;
}

static bool contradicts(const struct checkpoint *a, const struct checkpoint *b)
{
    return a->size == b->size && a->size > 0 &&
           strcmp(a->origin, b->origin) == 0 && !same_root(a, b);
}

const struct head *history_contradicts(const struct history *h,
                                       const struct checkpoint *c)
{
    for (size_t i = 0; i < STRANDS; i++)
        if (contradicts(&h->tip[i].at, c))
            return &h->tip[i];
    return NULL;
}

static enum err fork_of(struct finding *f, enum dispute d,
                        const struct head *before)
{
    f->dispute = d;
    f->before = before;
    return ERR_DLV_FORK;
}

/* The strand's last head belongs to the epoch before: the new log holds it, or
 * has a gap that its operator declared by the new origin. */
static enum err after_epoch(const struct checkpoint *tip,
                            const struct checkpoint *c, const struct given *g,
                            struct finding *f)
{
    f->gap = g->from != tip->size ||
             proof_check_consistency(tip->size, tip->root, c->size, c->root,
                                     g->path, g->n) != ERR_OK;
    return ERR_OK;
}

enum err history_check(const struct history *h, enum strand s,
                       const struct checkpoint *c, const struct given *g,
                       struct finding *f)
{
    const struct head *tip = &h->tip[s];
    memset(f, 0, sizeof(*f));
    const struct head *other = history_contradicts(h, c);
    if (other != NULL)
        return fork_of(f, DISPUTE_SAME_SIZE, other);
    if (tip->at.size > 0 && strcmp(tip->at.origin, c->origin) != 0)
        return after_epoch(&tip->at, c, g, f);
    if (c->size < tip->at.size)
        return fork_of(f, DISPUTE_SHRUNK, tip);
    if (g->from != tip->at.size)
        return ERR_DLV_PROOF;
    if (proof_check_consistency(tip->at.size, tip->at.root, c->size, c->root,
                                g->path, g->n) != ERR_OK)
        return fork_of(f, DISPUTE_NO_PROOF, tip);
    return ERR_OK;
}

enum err history_set(struct history *h, enum strand s,
                     const struct checkpoint *c, struct slice note)
{
    return head_set(&h->tip[s], c, note);
}

/* ---- joining ---- */

void join_fini(struct join *j)
{
    for (size_t i = 0; i < STRANDS; i++)
        head_fini(&j->at[i]);
    memset(j, 0, sizeof(*j));
}

/* Heads of an epoch before are not joined: there may be a gap between. */
static bool of_this_log(const struct history *h, const struct head *x)
{
    return x->at.size > 0 && strcmp(x->at.origin, h->origin) == 0;
}

bool history_apart(const struct history *h)
{
    for (size_t i = 0; i < STRANDS; i++)
        if (i != (size_t)h->top && of_this_log(h, &h->tip[i]) &&
            h->tip[i].at.size != h->joined[i])
            return true;
    return false;
}

enum err join_begin(const struct history *h, const struct head *candidate,
                    struct join *j)
{
    enum err e = ERR_OK;
    join_fini(j);
    for (size_t i = 0; i < STRANDS && e == ERR_OK; i++) {
        const struct head *from =
            i == STRAND_WITNESS && candidate != NULL ? candidate : &h->tip[i];
        if (of_this_log(h, from))
            e = head_set(&j->at[i], &from->at, buf_slice(&from->note));
    }
    j->top = longest(j->at);
    return e;
}

/* Nothing to prove: no head, the longest itself, or the same head. One of the
 * same size with another root is for join_take to find, with an empty proof. */
static bool settled(const struct join *j, size_t i)
{
    const struct checkpoint *a = &j->at[i].at, *top = &j->at[j->top].at;
    return i == (size_t)j->top || a->size == 0 ||
           (a->size == top->size && same_root(a, top));
}

bool join_next(struct join *j, uint64_t *old_size, uint64_t *size)
{
    while (j->next < STRANDS && settled(j, j->next))
        j->next++;
    if (j->next == STRANDS)
        return false;
    *old_size = j->at[j->next].at.size;
    *size = j->at[j->top].at.size;
    return true;
}

enum err join_take(struct join *j, const struct hash *path, size_t n,
                   const struct head **a, const struct head **b)
{
    assert(j->next < STRANDS);
    *a = &j->at[j->next];
    *b = &j->at[j->top];
    enum err e = proof_check_consistency((*a)->at.size, (*a)->at.root,
                                         (*b)->at.size, (*b)->at.root, path, n);
    j->next += e == ERR_OK;
    return e;
}

void history_joined(struct history *h, const struct join *j)
{
    for (size_t i = 0; i < STRANDS; i++)
        h->joined[i] = j->at[i].at.size;
    h->top = j->top;
}
