/* replay.c - a decision of the past made again from what was kept of it.
 *
 *   leaf                 who, for what purpose, in which roles, what was asked,
 *                        which facts held, what an earlier decision let pass
 *   + the pack it cites  every one that was ever in force is in the store
 *   + the register       consents as they stood just before the leaf
 *   + the event          its variant, and who sent it
 *
 * go through the same core as then, and must come to the same rules, grounds,
 * consents and masks, bit for bit. The places of the recipient are those of
 * the registry now; they matter only to a consent that names a role at a
 * place. */
#include "hub/app/hub.h"
#include "hub/core/route.h"
#include "proto/wire/unpack.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct replay {
    Pb__AuditLeaf *leaf; /* as it was recorded */
    struct policy *kept; /* owned; NULL: the one in force is meant */
    const struct policy *policy;
    uint64_t version;
    struct stored_event event;
    struct grant *grants, *then; /* all; as they stood */
    size_t then_count;
    struct agency to, from;
    struct decision d;
    struct leaf_lists lists;
    Pb__AuditLeaf again;
};

static void replay_fini(struct replay *r)
{
    leaf_close(&r->leaf);
    policy_free(&r->kept);
    stored_event_fini(&r->event);
    free(r->grants);
    free(r->then);
}

/* ---- what was kept ---- */

static enum err load_leaf(struct hub *h, uint64_t index, struct replay *r)
{
    enum err e = leaf_open(h, index, NULL, &r->leaf);
    if (e != ERR_OK)
        return e;
    bool decided = r->leaf->has_asked && r->leaf->asked != 0 &&
                   r->leaf->peer != NULL && r->leaf->purpose != NULL &&
                   r->leaf->policy_digest.len == 32 &&
                   r->leaf->event_id.len == ID_BYTES;
    return decided ? ERR_OK : ERR_NOT_FOUND;
}

static enum err load_policy(struct hub *h, struct replay *r)
{
    struct stored_policy kept = {0};
    struct manifest m;
    struct buf why = {0};
    enum err e = store_policy_get(h->store, r->leaf->policy_digest.data, &kept);
    r->version = kept.version;
    r->policy = h->policy;
    if (e == ERR_OK && memcmp(kept.digest, policy_digest(h->policy), 32) != 0) {
        e = policy_of_pack(&kept, &r->kept, &m, &why);
        r->policy = r->kept;
    }
    buf_fini(&why);
    stored_policy_fini(&kept);
    return e;
}

static enum err load_event(struct hub *h, uint64_t index, struct replay *r)
{
    struct id event_id;
    size_t n = 0;
    memcpy(event_id.b, r->leaf->event_id.data, ID_BYTES);
    enum err e = store_event_find(h->store, event_id, &r->event);
    if (e == ERR_OK && r->event.erased)
        e = ERR_EVT_GONE;
    if (e == ERR_OK)
        e = store_grants(h->store, r->event.person, &r->grants, &n);
    if (e != ERR_OK || n == 0)
        return e;
    r->then = calloc(n, sizeof(*r->then));
    if (r->then == NULL)
        return ERR_NOMEM;
    r->then_count = grants_at(r->grants, n, index, r->then);
    return ERR_OK;
}

/* ---- the question again ---- */

static bool is_reason(const Pb__AuditLeaf *l, enum err e)
{
    return l->reason != NULL && strcmp(l->reason, err_code(e)) == 0;
}

/* The recipient in the roles that were looked at. */
static void recipient(const struct hub *h, struct replay *r)
{
    const Pb__AuditLeaf *l = r->leaf;
    const struct agency *now = registry_agency(h->registry, l->peer);
    if (now != NULL)
        r->to = *now;
    snprintf(r->to.code, sizeof(r->to.code), "%s", l->peer);
    if (is_reason(l, ERR_EVT_RECIPIENT))
        return; /* a role was wanted that it did not have */
    memset(r->to.role, 0, sizeof(r->to.role));
    if (l->n_considered == 0 && l->role != NULL)
        snprintf(r->to.role[0], ROLE_MAX, "%s", l->role);
    for (size_t i = 0; i < l->n_considered && i < AGENCY_ROLES; i++)
        snprintf(r->to.role[i], ROLE_MAX, "%s", l->considered[i]);
}

static unsigned predicates(const Pb__AuditLeaf *l)
{
    unsigned set = 0;
    for (size_t i = 0; i < l->n_predicate; i++)
        for (unsigned k = 0; k < 32; k++)
            if (strcmp(policy_predicate_name(1u << k), l->predicate[i]) == 0)
                set |= 1u << k;
    return set;
}

static enum err decide(struct hub *h, struct replay *r)
{
    const Pb__AuditLeaf *l = r->leaf;
    bool reissued = l->has_decided_as && l->decided_as != 0;
    const struct schema_message *type =
        schema_event(reissued ? l->decided_as : r->event.type);
    uint64_t present;
    const char *variant = "";
    enum err e = type == NULL ? ERR_EVT_TYPE
                              : kept_look_inside(&r->event, &present, &variant);
    if (e != ERR_OK)
        return e;
    recipient(h, r);
    snprintf(r->from.code, sizeof(r->from.code), "%s", r->event.agency);
    struct policy_ask ask = {
        .event = type->event_name,
        .variant = reissued ? "" : variant,
        .purpose = l->purpose,
        .recipient = &r->to,
        .role = l->n_considered > 0 || l->role == NULL || l->role[0] == '\0'
                    ? NULL
                    : l->role,
        .classes = l->asked,
        .predicates = predicates(l),
        .session_classes = l->session,
        .glass_classes = l->glass,
        .grants = r->then,
        .grant_count = r->then_count,
        .now_ms = l->time_ms,
        .clock_ok = !is_reason(l, ERR_POL_CLOCK),
    };
    route_again(r->policy, &ask, type, reissued,
                r->event.hub_made ? NULL : &r->from, &r->d);
    if (l->has_limit && l->limit != 0)
        decision_narrow(&r->d, l->limit);
    pb__audit_leaf__init(&r->again);
    leaf_decision_by(r->policy, &r->to, &r->d, r->then, &r->lists, &r->again);
    return ERR_OK;
}

/* ---- compared ---- */

static bool same_texts(char *const *a, size_t n, char *const *b, size_t m)
{
    for (size_t i = 0; i < n && n == m; i++)
        if (strcmp(a[i], b[i]) != 0)
            return false;
    return n == m;
}

static bool same(const Pb__AuditLeaf *a, const Pb__AuditLeaf *b)
{
    for (size_t i = 0; i < a->n_consent && a->n_consent == b->n_consent; i++)
        if (!slice_eq(pb_slice(a->consent[i]), pb_slice(b->consent[i])))
            return false;
    return a->n_consent == b->n_consent && a->released == b->released &&
           a->withheld == b->withheld && a->outcome == b->outcome &&
           same_texts(a->rule, a->n_rule, b->rule, b->n_rule) &&
           same_texts(a->basis, a->n_basis, b->basis, b->n_basis);
}

static void add_texts(char *const *list, size_t n, struct buf *j)
{
    buf_adds(j, "[");
    for (size_t i = 0; i < n; i++) {
        buf_adds(j, i > 0 ? "," : "");
        buf_add_json(j, list[i]);
    }
    buf_adds(j, "]");
}

static void add_side(const char *name, const Pb__AuditLeaf *l, struct buf *j)
{
    buf_addf(j, ",\"%s\":{\"released\":", name);
    ask_add_classes(j, l->released);
    buf_adds(j, ",\"withheld\":");
    ask_add_classes(j, l->withheld);
    buf_adds(j, ",\"rule\":");
    add_texts(l->rule, l->n_rule, j);
    buf_adds(j, ",\"basis\":");
    add_texts(l->basis, l->n_basis, j);
    buf_addf(j, ",\"consents\":%zu}", l->n_consent);
}

static void add_replay(const struct replay *r, uint64_t index, struct buf *j)
{
    char at[TIME_TEXT];
    time_jst(r->leaf->time_ms, at);
    buf_addf(j,
             "{\"schema\":\"tsunagi.replay/1\",\"leaf\":%" PRIu64
             ",\"same\":%s,\"time\":\"%s\",\"version\":%" PRIu64
             ",\"event\":\"%s\",\"peer\":",
             index, same(r->leaf, &r->again) ? "true" : "false", at, r->version,
             schema_event(r->event.type)->event_name);
    buf_add_json(j, r->leaf->peer);
    ask_add_text(j, "purpose", r->leaf->purpose);
    add_side("recorded", r->leaf, j);
    add_side("replayed", &r->again, j);
    buf_adds(j, "}");
}

enum err ask_replay(struct hub *h, const Pb__Ask *a, struct buf *j)
{
    struct replay r = {.policy = NULL};
    uint64_t index;
    if (!ask_number(a, "leaf", &index))
        return ERR_USAGE;
    enum err e = load_leaf(h, index, &r);
    if (e == ERR_OK)
        e = load_policy(h, &r);
    if (e == ERR_OK)
        e = load_event(h, index, &r);
    if (e == ERR_OK)
        e = decide(h, &r);
    if (e == ERR_OK)
        add_replay(&r, index, j);
    replay_fini(&r);
    return e;
}
