/* kept.c - an event as the store keeps it: filled from one that was opened,
 * looked into, decided about again. */
#include "hub/app/hub.h"
#include "proto/wire/unpack.h"
#include <string.h>

enum err kept_fill(const struct event *ev, struct stored_event *s)
{
    Pb__Event parts = PB__EVENT__INIT; /* header and signature apart */
    parts.n_part = ev->msg->n_part;
    parts.part = ev->msg->part;
    s->event_id = ev->event_id;
    s->type = ev->header->type;
    buf_add(&s->header, ev->msg->header.data, ev->msg->header.len);
    buf_add(&s->signature, ev->msg->signature.data, ev->msg->signature.len);
    enum err e = pack(&parts.base, &s->parts);
    return e == ERR_OK && (s->header.failed || s->signature.failed) ? ERR_NOMEM
                                                                    : e;
}

enum err kept_look_inside(const struct stored_event *ev, uint64_t *present,
                          const char **variant)
{
    ProtobufCMessage *m = NULL, *body = NULL;
    const struct schema_message *s = schema_event(ev->type);
    struct part parts[CLASS_MAX];
    struct buf merged = {0};
    size_t n = 0;
    *present = 0;
    *variant = "";
    enum err e = unpack(&pb__event__descriptor, buf_slice(&ev->parts), &m);
    if (e != ERR_OK)
        return e;
    const Pb__Event *pe = (const Pb__Event *)m;
    for (size_t i = 0; i < pe->n_part && n < CLASS_MAX; i++) {
        if (pe->part[i]->cls == 0 || pe->part[i]->body.len == 0)
            continue;
        *present |= class_bit(pe->part[i]->cls);
        parts[n++] = (struct part){.cls = pe->part[i]->cls,
                                   .body = pb_slice(pe->part[i]->body)};
    }
    e = part_merge(s, parts, n, &merged);
    if (e == ERR_OK)
        e = unpack(s->descriptor, buf_slice(&merged), &body);
    if (e == ERR_OK)
        *variant = schema_variant(s, body); /* static text */
    unpack_free(&m);
    unpack_free(&body);
    buf_fini(&merged);
    return e;
}

/* ---- decided again ---- */

/* When the content is gone by its term, what was released of it (q->present)
 * is decided about; of which variant it was is not known any more. */
static enum err look_inside(const struct stored_event *ev, struct question *q)
{
    if (!ev->erased)
        return kept_look_inside(ev, &q->present, &q->variant);
    q->variant = "";
    return ERR_OK;
}

/* Core's decision as of now; q says for whom and why. */
static enum err decide(struct hub *h, const struct stored_event *ev,
                       const struct known *k, struct question *q,
                       struct decision *out)
{
    struct facts f;
    const struct node *sender =
        ev->hub_made ? NULL : registry_node(h->registry, ev->node);
    memset(out, 0, sizeof(*out));
    q->type = schema_event(ev->type);
    enum err e = look_inside(ev, q);
    if (e != ERR_OK)
        return e;
    if (q->to == NULL || (sender == NULL && !ev->hub_made)) {
        out->error = ERR_NODE_UNKNOWN; /* a person should look (I-10) */
        return ERR_OK;
    }
    known_facts(h, k, sender, &f);
    step_again(&f, q, h->now_ms, out);
    if (k->about.erased) /* ordered: nothing passes any more */
        decision_narrow(out, 0);
    return ERR_OK;
}

enum err decide_kept(struct hub *h, const struct stored_event *ev,
                     const struct delivery *d, const struct known *k,
                     struct decision *out)
{
    struct question q = {.to = registry_agency(h->registry, d->agency),
                         .role = d->wanted,
                         .purpose = d->purpose,
                         .present = d->released_classes};
    return decide(h, ev, k, &q, out);
}

enum err decide_reading(struct hub *h, const struct stored_event *ev,
                        const struct delivery *d, const struct known *k,
                        const uint8_t actor[ID_BYTES], const char *role,
                        struct decision *out)
{
    struct question q = {.to = registry_agency(h->registry, d->agency),
                         .role = role[0] != '\0' ? role : d->wanted,
                         .purpose = d->purpose,
                         .present = d->released_classes,
                         .reader = actor};
    return decide(h, ev, k, &q, out);
}

void decision_narrow(struct decision *d, uint64_t classes)
{
    d->limit = classes;
    uint64_t extra = d->released & ~classes;
    for (unsigned c = 1; c < CLASS_MAX; c++)
        if ((extra & class_bit(c)) != 0)
            d->of[c] = (struct class_verdict){false, NO_RULE, -1, ""};
    d->released &= classes;
    d->withheld |= extra;
}
