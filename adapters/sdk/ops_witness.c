/* ops_witness.c - what a node can show of the hub's log: itself as a witness,
 * whether a fork stands, and the proofs it keeps. Works without a hub, too. */
#include "adapters/sdk/ops.h"
#include "adapters/sdk/witness.h"
#include "proto/base/clock.h"
#include "proto/base/date.h"
#include <string.h>

/* The verifier key that goes on the enrolment sheet and into a policy. */
static json_t *vkey_json(const struct node_public *p)
{
    struct vkey v = {.type = VKEY_COSIGNER};
    struct buf text = {0};
    snprintf(v.name, sizeof(v.name), "%s", p->node);
    memcpy(v.key, p->witness, KEY_BYTES);
    vkey_write(&v, &text);
    json_t *j = text.failed ? NULL : json_string((char *)text.p);
    buf_fini(&text);
    return j;
}

static void add_head(json_t *o, const struct checkpoint *c)
{
    struct buf root = {0};
    buf_add_hex(&root, slice_of(c->root.b, HASH_BYTES));
    json_object_set_new(o, "size", json_integer((json_int_t)c->size));
    if (c->size > 0 && !root.failed)
        json_object_set_new(o, "root", json_string((char *)root.p));
    buf_fini(&root);
}

/* The newest head that the log signed for this node, as it was signed: what
 * is left of a log that its hub has lost. */
static void add_note(json_t *o, const struct tsunagi_host *h,
                     const struct witness_state *s)
{
    struct checkpoint c;
    struct buf note = {0}, newest = {0};
    uint64_t size = s->cosigned.at.size;
    buf_add(&newest, s->cosigned.note.p, s->cosigned.note.n);
    for (int i = SPOOL_HEAD_URGENT; i <= SPOOL_HEAD_NORMAL; i++) {
        buf_reset(&note);
        if (spool_head(h->spool, (enum spool_head)i, &c, &note) != ERR_OK ||
            strcmp(c.origin, h->conf.origin) != 0 || c.size <= size)
            continue;
        size = c.size;
        buf_reset(&newest);
        buf_add(&newest, note.p, note.n);
    }
    if (newest.n > 0)
        json_object_set_new(o, "note",
                            json_stringn((const char *)newest.p, newest.n));
    buf_fini(&note);
    buf_fini(&newest);
}

static void add_fork(json_t *o, const struct witness_state *s)
{
    char time[TIME_TEXT];
    json_object_set_new(o, "forked",
                        json_boolean(s->forked_ms > 0 || s->damaged));
    json_object_set_new(o, "damaged", json_boolean(s->damaged));
    json_object_set_new(o, "cleared", json_integer((json_int_t)s->cleared));
    if (s->forked_ms == 0)
        return;
    time_jst(s->forked_ms, time);
    json_object_set_new(o, "forked_at", json_string(time));
    json_object_set_new(o, "evidence", json_string(s->evidence));
}

static void add_link(json_t *o, const struct tsunagi_host *h)
{
    struct link_status s = {.quorum = QUORUM_UNASKED};
    if (h->link != NULL)
        s = link_status(h->link);
    else if (h->quorum != NULL && !quorum_none(h->quorum))
        return;
    json_object_set_new(o, "quorum", json_string(link_quorum_name(s.quorum)));
    json_object_set_new(o, "covered", json_integer((json_int_t)s.cosigned));
    json_object_set_new(o, "apart", json_boolean(s.apart));
    json_object_set_new(o, "asked", json_integer((json_int_t)s.asked));
    json_object_set_new(o, "given", json_integer((json_int_t)s.given));
    json_object_set_new(o, "seen",
                        json_integer((json_int_t)link_seen(h->link).size));
}

enum err op_witness(struct tsunagi_host *h, const struct node_arg *args,
                    size_t n, struct node_answer *a)
{
    struct witness_state s;
    (void)args;
    (void)n;
    enum err e = witness_read(h->state, h->conf.origin, &s);
    json_t *o = json_object();
    if (e == ERR_OK && o != NULL) {
        json_object_set_new(o, "schema", json_string("tsunagi.witness/1"));
        json_object_set_new(o, "name", json_string(h->keys.pub.node));
        json_object_set_new(o, "vkey", vkey_json(&h->keys.pub));
        json_object_set_new(o, "origin", json_string(h->conf.origin));
        json_object_set_new(o, "state", json_string(h->state));
        json_object_set_new(o, "folder", json_string(h->conf.spool));
        add_head(o, &s.cosigned.at);
        add_fork(o, &s);
        add_note(o, h, &s);
        add_link(o, h);
    }
    witness_state_fini(&s);
    a->json = o;
    return op_done(a, e);
}

/* Without a link the spool alone is told. */
static enum err clear_offline(struct tsunagi_host *h, const char *reason)
{
    enum err e =
        witness_clear(h->state, h->conf.origin, reason, clock_wall_ms());
    if (e == ERR_OK)
        e = spool_forget_heads(h->spool);
    return e == ERR_OK ? spool_commit(h->spool) : e;
}

/* Nothing to clear is an error: what is known is not thrown away by mistake. */
enum err op_witness_clear(struct tsunagi_host *h, const struct node_arg *args,
                          size_t n, struct node_answer *a)
{
    struct witness_state s;
    const char *reason = op_arg(args, n, "reason");
    enum err e = witness_read(h->state, h->conf.origin, &s);
    bool stands = s.forked_ms > 0 || s.damaged;
    witness_state_fini(&s);
    if (e == ERR_OK && !stands)
        e = ERR_WITNESS_CLEAR;
    if (e == ERR_OK && reason == NULL)
        e = ERR_USAGE;
    if (e == ERR_OK)
        e = h->link != NULL ? link_clear_fork(h->link, reason)
                            : clear_offline(h, reason);
    return op_done(a, e);
}

enum err op_proof(struct tsunagi_host *h, const struct node_arg *args, size_t n,
                  struct node_answer *a)
{
    struct buf text = {0};
    struct id id;
    const char *of = op_arg(args, n, "event_id");
    if (of == NULL)
        of = op_arg(args, n, "delivery_id");
    enum err e = of != NULL && id_parse(of, &id) == ERR_OK
                     ? spool_proof(h->spool, id, &text)
                     : ERR_USAGE;
    if (e == ERR_OK)
        a->json = json_pack("{s:s%}", "proof", (char *)text.p, text.n);
    buf_fini(&text);
    return op_done(a, e);
}
