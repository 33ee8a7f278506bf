/* deadline.c - deadlines are rows: started and stopped with the event that
 * causes it, run when they fall due, once, also after a restart. The hub looks
 * only when the earliest is due, so an idle hub asks nothing. */
#include "hub/app/hub.h"
#include <string.h>

/* Deadlines that are about a person, whatever case they began in. */
static bool of_person(enum deadline_kind kind)
{
    return kind == DEADLINE_CONSENT_END || kind >= DEADLINE_CONSENT_REMIND;
}

enum err deadline_apply(struct hub *h, struct id person, struct id case_id,
                        const struct effects *fx)
{
    const struct id none = {{0}};
    enum err e = ERR_OK;
    if (fx->deadline_count > 0)
        h->next_deadline_ms = 0; /* look again */
    for (size_t i = 0; i < fx->deadline_count && e == ERR_OK; i++) {
        const struct deadline_change *c = &fx->deadline[i];
        struct deadline d = {.kind = c->kind, .due_ms = c->due_ms};
        d.person = of_person(c->kind) ? person : none;
        d.case_id = of_person(c->kind) ? none : case_id;
        memcpy(d.ref, c->ref, ID_BYTES);
        if (c->start)
            e = store_deadline_start(h->store, &d);
        else
            e = store_deadline_stop(
                h->store, d.case_id, d.person, c->kind,
                id_is_zero(*(const struct id *)c->ref) ? NULL : c->ref);
    }
    return e;
}

static enum err fall_due(struct hub *h, const struct deadline *d)
{
    struct known k = {0};
    struct facts f;
    enum err e = known_load(h, d->person, d->case_id, &k);
    if (e == ERR_OK) {
        known_facts(h, &k, NULL, &f);
        step_deadline(&f, d->kind, d->ref, h->now_ms, &h->fx);
        Pb__AuditLeaf l = leaf_new(h, PB__LEAF_KIND__DEADLINE);
        uint8_t handle[16];
        uint64_t index = 0;
        e = leaf_subject(h, k.person, &l, handle);
        l.has_type = 1;
        l.type = d->kind;
        if (e == ERR_OK)
            e = store_leaf(h->store, &l, &index);
        if (e == ERR_OK && h->fx.state != NULL)
            e = store_case_put(h->store, d->case_id, h->fx.state);
        if (e == ERR_OK)
            e = deadline_apply(h, k.person, d->case_id, &h->fx);
        if (e == ERR_OK)
            e = glass_apply(h, k.person, NULL, HUB_NODE, index, &h->fx);
        if (e == ERR_OK)
            e = issue_hub_events(h, &h->fx, &k, index);
        if (e == ERR_OK && d->kind == DEADLINE_CONSENT_END)
            e = sweep_person(h, d->person, SWEEP_EXPIRED, d->ref, index);
        effects_fini(&h->fx);
        h->pump = true;
    }
    known_fini(&k);
    if (e == ERR_NOT_FOUND)
        e = ERR_OK; /* the case is gone: so is its deadline */
    return e == ERR_OK ? store_deadline_done(h->store, d->id) : e;
}

void deadline_run(struct hub *h)
{
    if (h->now_ms < h->next_deadline_ms)
        return;
    for (int i = 0; i < TURN_EVENTS && h->broken == ERR_OK; i++) {
        struct deadline d = {0};
        bool found = false;
        enum err e = store_deadline_next(h->store, &d, &found);
        if (e == ERR_OK && (!found || d.due_ms > h->now_ms)) {
            h->next_deadline_ms = found ? d.due_ms : UINT64_MAX;
            return;
        }
        if (e == ERR_OK && turn_begin(h))
            e = fall_due(h, &d);
        if (e != ERR_OK)
            turn_broken(h, e);
    }
}
