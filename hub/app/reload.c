/* reload.c - the registry read again: a whole new snapshot, swapped in only
 * when it is good; what changed is written to the log. A policy is never read
 * again: it is activated (activate.c).
 *
 * A node that is no longer active loses its connection at once: the registry
 * is asked on every message, and both lanes are reopened (W-165). */
#include "hub/app/hub.h"
#include "proto/base/log.h"
#include "proto/wire/unpack.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define TABLE_MAX (8U << 20)

static enum err read_registry(const struct hub *h, struct registry **out,
                              struct buf *why)
{
    struct buf agencies = {0}, places = {0}, nodes = {0};
    enum err e = file_read(h->config.agencies, TABLE_MAX, &agencies);
    if (e != ERR_OK)
        buf_addf(why, "%s: %s", h->config.agencies, err_en(e));
    if (e == ERR_OK) {
        e = file_read(h->config.municipalities, TABLE_MAX, &places);
        if (e != ERR_OK)
            buf_addf(why, "%s: %s", h->config.municipalities, err_en(e));
    }
    if (e == ERR_OK) {
        e = file_read(h->config.nodes, TABLE_MAX, &nodes);
        if (e == ERR_NOT_FOUND) { /* no node yet: an empty table */
            registry_write_nodes(NULL, 0, &nodes);
            e = ERR_OK;
        } else if (e != ERR_OK) {
            buf_addf(why, "%s: %s", h->config.nodes, err_en(e));
        }
    }
    if (e == ERR_OK)
        e = registry_parse(buf_slice(&agencies), buf_slice(&places),
                           buf_slice(&nodes), out, why);
    buf_fini(&agencies);
    buf_fini(&places);
    buf_fini(&nodes);
    return e;
}

/* Every role of every agency must be one the policy knows: police and justice
 * have none, and a mistyped role must not quietly mean "nothing". */
enum err check_roles(const struct registry *r, const struct policy *p,
                     struct buf *why)
{
    for (size_t i = 0; i < registry_agency_count(r); i++) {
        const struct agency *a = registry_agency_at(r, i);
        for (size_t k = 0; k < AGENCY_ROLES && a->role[k][0] != '\0'; k++)
            if (!policy_knows_role(p, a->role[k])) {
                buf_addf(why, "agency %s: role %s is not in the policy",
                         a->code, a->role[k]);
                return ERR_POL_INVALID;
            }
    }
    return ERR_OK;
}

/* ---- what changed, in the log ---- */

static enum err leaf_node(struct hub *h, const struct node *n,
                          const char *state)
{
    struct buf keys = {0};
    uint8_t hash[32];
    uint64_t index;
    buf_add(&keys, n->pub.curve, KEY_BYTES);
    buf_add(&keys, n->pub.sign, KEY_BYTES);
    buf_add(&keys, n->pub.box, KEY_BYTES);
    buf_add(&keys, n->pub.witness, KEY_BYTES);
    sha256(buf_slice(&keys), hash);
    buf_fini(&keys);
    Pb__AuditLeaf l = leaf_new(h, PB__LEAF_KIND__NODE_CHANGE);
    l.node = pb_text(n->pub.node);
    l.peer = pb_text(n->agency->code);
    l.reason = pb_text(state);
    l.has_detail_sha256 = 1;
    l.detail_sha256 = (ProtobufCBinaryData){32, hash};
    l.has_sign_key = l.has_witness_key = 1; /* with these a log alone tells */
    l.sign_key = pb_borrow(slice_of(n->pub.sign, KEY_BYTES)); /* who signed */
    l.witness_key = pb_borrow(slice_of(n->pub.witness, KEY_BYTES));
    return store_leaf(h->store, &l, &index);
}

static bool same_node(const struct node *a, const struct node *b)
{
    return b != NULL && a->state == b->state &&
           strcmp(a->agency->code, b->agency->code) == 0 &&
           memcmp(&a->pub, &b->pub, sizeof(a->pub)) == 0;
}

/* The nodes file as the log last saw it, kept as a named value. */
#define NODES_SEEN "nodes-seen"

static enum err seen_registry(struct hub *h, const struct registry *now,
                              struct registry **out)
{
    struct buf agencies = {0}, nodes = {0}, why = {0};
    *out = NULL;
    enum err e = store_value_get(h->store, NODES_SEEN, &nodes);
    if (e == ERR_NOT_FOUND) {
        buf_fini(&nodes);
        return ERR_OK;
    }
    (void)now;
    if (e == ERR_OK)
        e = file_read(h->config.agencies, TABLE_MAX, &agencies);
    if (e == ERR_OK && registry_parse(buf_slice(&agencies), SLICE_NONE,
                                      buf_slice(&nodes), out, &why) != ERR_OK)
        *out = NULL; /* an agency is gone: every node counts as changed */
    buf_fini(&agencies);
    buf_fini(&nodes);
    buf_fini(&why);
    return e;
}

static enum err save_seen(struct hub *h, const struct registry *r)
{
    struct buf text = {0};
    size_t n = registry_node_count(r);
    struct node *all = calloc(n + 1, sizeof(*all));
    if (all == NULL)
        return ERR_NOMEM;
    for (size_t i = 0; i < n; i++)
        all[i] = *registry_node_at(r, i);
    registry_write_nodes(all, n, &text);
    enum err e = text.failed
                     ? ERR_NOMEM
                     : store_value_set(h->store, NODES_SEEN, buf_slice(&text));
    free(all);
    buf_fini(&text);
    return e;
}

static const char *state_name(const struct node *n)
{
    static const char *const STATE[] = {"PENDING", "ACTIVE", "REVOKED"};
    return STATE[n->state];
}

/* A row taken out of the table cuts a node off as well. */
static enum err leaf_removed(struct hub *h, const struct registry *before,
                             const struct registry *now, bool *changed,
                             bool *cut_off)
{
    enum err e = ERR_OK;
    for (size_t i = 0;
         before != NULL && i < registry_node_count(before) && e == ERR_OK;
         i++) {
        const struct node *was = registry_node_at(before, i);
        if (registry_node(now, was->pub.node) != NULL)
            continue;
        *changed = true;
        *cut_off |= was->state == NODE_ACTIVE;
        e = leaf_node(h, was, "REMOVED");
    }
    return e;
}

static enum err leaf_nodes(struct hub *h, const struct registry *now,
                           bool *cut_off)
{
    struct registry *before = NULL;
    bool changed = false;
    *cut_off = false;
    enum err e = seen_registry(h, now, &before);
    for (size_t i = 0; i < registry_node_count(now) && e == ERR_OK; i++) {
        const struct node *n = registry_node_at(now, i);
        const struct node *was =
            before != NULL ? registry_node(before, n->pub.node) : NULL;
        if (same_node(n, was))
            continue;
        changed = true;
        *cut_off |= was != NULL && was->state == NODE_ACTIVE;
        e = leaf_node(h, n, state_name(n));
    }
    if (e == ERR_OK)
        e = leaf_removed(h, before, now, &changed, cut_off);
    registry_free(&before);
    return e == ERR_OK && changed ? save_seen(h, now) : e;
}

enum err reload(struct hub *h, struct buf *why)
{
    struct registry *r = NULL;
    bool cut_off = false;
    enum err e = read_registry(h, &r, why);
    if (e == ERR_OK)
        e = check_roles(r, h->policy, why);
    if (e == ERR_OK && turn_begin(h)) {
        enum err store = leaf_nodes(h, r, &cut_off);
        if (store != ERR_OK)
            e = turn_broken(h, store);
    }
    if (e != ERR_OK) {
        registry_free(&r);
        return e;
    }
    struct registry *old = (struct registry *)(uintptr_t)h->registry;
    h->registry = r;
    registry_free(&old);
    h->pump = true;
    log_note("reload: registry in force nodes=%zu", registry_node_count(r));
    if (cut_off && h->net != NULL)
        e = net_reauthenticate(h->net);
    return e == ERR_OK ? ERR_OK : turn_broken(h, e); /* no way in any more */
}
