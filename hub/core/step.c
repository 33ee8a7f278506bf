/* step.c - one event, decided.
 *
 * May this agency send it - what does it do to consent or to the case - whom
 * does it reach. The order within matters: recipients are resolved first
 * (nothing may happen for an event whose recipients make no sense), then the
 * case moves, then each recipient is decided for with the case as it will be,
 * and last those who were reached join the case. Any refusal wipes all effects
 * gathered so far.
 *
 * A case the sender has no part in answers exactly like one that does not
 * exist (I-13). */
#include "hub/core/flow.h"
#include "hub/core/person.h"
#include "hub/core/route.h"
#include "proto/wire/unpack.h"
#include <assert.h>
#include <string.h>

/* ---- who may send what ---- */

/* One of the roles in a list separated by spaces; an empty list: anyone. */
static bool has_one_of(const struct agency *a, const char *roles)
{
    char role[ROLE_MAX];
    if (roles[0] == '\0')
        return true;
    for (const char *p = roles; *p != '\0'; p += strspn(p, " ")) {
        size_t n = strcspn(p, " ");
        assert(n < sizeof(role));
        memcpy(role, p, n);
        role[n] = '\0';
        if (agency_has_role(a, role))
            return true;
        p += n;
    }
    return false;
}

static enum err check_sender(const struct facts *f, const struct event *e)
{
    if (e->schema->hub_only)
        return ERR_EVT_HUB_ONLY;
    const char *roles = flow_senders(e->schema->event);
    if (roles == NULL || !has_one_of(f->sender->agency, roles))
        return ERR_EVT_ROLE;
    return ERR_OK;
}

/* ---- the case ---- */

static bool is_token(bool has, ProtobufCBinaryData d)
{
    return has && d.len == ID_BYTES;
}

static bool names_person(const struct event *e)
{
    return is_token(e->routing->has_person_token, e->routing->person_token);
}

static bool names_case(const struct event *e)
{
    return is_token(e->routing->has_case_token, e->routing->case_token);
}

/* A case is no name: who was asked for a bed has a token for the case and must
 * not give, refuse or take back consents of a person it does not know. */
static bool may_speak_for(const struct facts *f)
{
    const char *owner = f->state->owner;
    return f->person_named ||
           (owner != NULL && strcmp(owner, f->sender->agency->code) == 0);
}

/* The workflow for an event on a case that is known. */
static enum err known_case(const struct facts *f, const struct event *e,
                           const struct flow **flow)
{
    uint32_t type = e->schema->event;
    const struct flow *own = flow_named(f->state->flow);
    if (own == NULL)
        return ERR_INTERNAL;
    bool handles = flow_handles(own, type);
    if (!handles && flow_free(type))
        return may_speak_for(f) ? ERR_OK : ERR_FLOW_CASE;
    if (!case_member(f->state, f->sender->agency->code))
        return ERR_FLOW_CASE;
    *flow = own;
    return handles ? ERR_OK : ERR_FLOW_NONE;
}

/* *flow is NULL when the event moves no case. */
static enum err find_flow(const struct facts *f, const struct event *e,
                          const struct flow **flow)
{
    *flow = NULL;
    if (flow_about_nobody(e->schema->event))
        return names_person(e) || names_case(e) ? ERR_EVT_NOBODY : ERR_OK;
    if (f->case_known && f->state != NULL)
        return known_case(f, e, flow);
    if (flow_free(e->schema->event))
        return names_person(e) ? ERR_OK : ERR_EVT_TOKEN;
    *flow = flow_opening(e->schema->event);
    if (*flow == NULL)
        return names_case(e) ? ERR_FLOW_CASE : ERR_EVT_TOKEN;
    return names_person(e) && names_case(e) ? ERR_OK : ERR_EVT_TOKEN;
}

/* After the decisions: those who were reached, where the rule says so. */
static void settle(const struct flow_rule *r, struct effects *fx)
{
    size_t reached = 0;
    for (size_t i = 0; i < fx->to_count; i++) {
        if (fx->to[i].why != ERR_OK)
            continue;
        reached++;
        if (r->joins && fx->state != NULL && fx->refuse == ERR_OK)
            case_join(fx->state, fx->to[i].agency->code, fx);
    }
    if (r->reach && reached == 0)
        fx->refuse = fx->to_count > 0 ? fx->to[0].why : ERR_POL_NONE;
}

static void move_case(const struct facts *f, const struct event *e,
                      const struct flow *flow, uint64_t now_ms,
                      struct effects *fx)
{
    struct flow_in in = {
        .facts = f,
        .event = e,
        .now_ms = now_ms,
        .state = f->case_known ? f->state : NULL,
        .meant = fx,
    };
    const struct flow_rule *r = flow_step(flow, &in, fx);
    if (fx->refuse != ERR_OK)
        return;
    route_decide(f, e, now_ms, fx);
    settle(r, fx);
}

static void run(const struct facts *f, const struct event *e, uint64_t now_ms,
                struct effects *fx)
{
    const struct flow *flow;
    fx->refuse = check_sender(f, e);
    if (fx->refuse == ERR_OK)
        fx->refuse = find_flow(f, e, &flow);
    /* What a person said is for the hub alone, which tells the holders. A wish
     * by role is not even looked up: the receipt would list whom the consents
     * of that person name, or where the person is. */
    if (fx->refuse == ERR_OK && !person_event(e))
        route_meant(f, e, now_ms, fx);
    if (fx->refuse != ERR_OK)
        return;
    if (flow != NULL) {
        move_case(f, e, flow, now_ms, fx);
        return;
    }
    person_change(f, e, now_ms, fx);
    if (fx->refuse == ERR_OK)
        glass_event(f, e, now_ms, fx);
    if (fx->refuse == ERR_OK)
        route_decide(f, e, now_ms, fx);
    glass_asked(f, e, now_ms, fx);
}

/* Empties it without touching the arrays: entries are written whole when they
 * are added, and clearing 100 KiB would cost as much as the decision. */
static void effects_clear(struct effects *fx)
{
    fx->refuse = ERR_OK;
    fx->late = fx->park = false;
    fx->to_count = fx->hub_count = fx->deadline_count = 0;
    fx->grant_change = GRANT_NO_CHANGE;
    fx->person_change = PERSON_NO_CHANGE;
    fx->glass_change = GLASS_NO_CHANGE;
    fx->recall_papers = false;
    memset(fx->supersedes, 0, sizeof(fx->supersedes));
    fx->state = NULL;
}

void step(const struct facts *f, const struct event *e, uint64_t now_ms,
          struct effects *out)
{
    assert(f->registry != NULL && f->policy != NULL && f->sender != NULL);
    assert(e->schema != NULL && e->schema->event != 0 && e->routing != NULL);
    effects_clear(out);
    run(f, e, now_ms, out);
    if (out->refuse != ERR_OK) {
        enum err why = out->refuse;
        effects_fini(out);
        out->refuse = why;
    }
}

void step_preview(const struct facts *f, const struct event *e, uint64_t now_ms,
                  struct effects *out)
{
    const struct flow *flow;
    assert(f->sender != NULL && e->schema != NULL && e->routing != NULL);
    effects_clear(out);
    out->refuse = check_sender(f, e);
    /* asked about a case: as little as a sending would tell */
    if (out->refuse == ERR_OK && f->case_known && f->state != NULL)
        out->refuse = known_case(f, e, &flow);
    if (out->refuse == ERR_OK && !person_event(e))
        route_meant(f, e, now_ms, out);
    if (out->refuse == ERR_OK)
        route_decide(f, e, now_ms, out);
}

void step_deadline(const struct facts *f, enum deadline_kind kind,
                   const uint8_t ref[ID_BYTES], uint64_t now_ms,
                   struct effects *out)
{
    effects_clear(out);
    if (kind == DEADLINE_GLASS_END || kind == DEADLINE_GLASS_REVIEW)
        glass_due(f, kind, ref, out);
    person_due(f, kind, ref, out);
    if (!f->case_known || f->state == NULL)
        return;
    const struct flow *flow = flow_named(f->state->flow);
    struct flow_in in = {
        .facts = f,
        .deadline = kind,
        .ref = ref,
        .now_ms = now_ms,
        .state = f->state,
        .meant = out,
    };
    if (flow == NULL)
        out->refuse = ERR_INTERNAL;
    else
        flow_step(flow, &in, out);
}

void effects_fini(struct effects *fx)
{
    case_free(&fx->state);
    effects_clear(fx);
}
