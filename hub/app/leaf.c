/* leaf.c - entries of the log: codes, handles and hashes, never text (I-11). */
#include "hub/app/hub.h"
#include "proto/wire/unpack.h"
#include <string.h>

Pb__AuditLeaf leaf_new(const struct hub *h, Pb__LeafKind kind)
{
    Pb__AuditLeaf l = PB__AUDIT_LEAF__INIT;
    l.has_kind = 1;
    l.kind = kind;
    l.has_time_ms = 1;
    l.time_ms = h->now_ms;
    return l;
}

enum err leaf_open(const struct hub *h, uint64_t index, struct buf *bytes,
                   Pb__AuditLeaf **out)
{
    struct buf own = {0};
    ProtobufCMessage *m = NULL;
    if (bytes == NULL)
        bytes = &own;
    buf_reset(bytes);
    enum err e = store_leaf_get(h->store, index, bytes);
    if (e == ERR_OK &&
        unpack(&pb__audit_leaf__descriptor, buf_slice(bytes), &m) != ERR_OK)
        e = ERR_INTEGRITY;
    *out = (Pb__AuditLeaf *)m;
    buf_fini(&own);
    return e;
}

void leaf_close(Pb__AuditLeaf **l)
{
    ProtobufCMessage *m = *l != NULL ? &(*l)->base : NULL;
    unpack_free(&m);
    *l = NULL;
}

enum err leaf_subject(struct hub *h, struct id person, Pb__AuditLeaf *leaf,
                      uint8_t handle[16])
{
    if (id_is_zero(person))
        return ERR_OK;
    enum err e = store_person_handle(h->store, person, h->now_ms, handle);
    if (e == ERR_OK) {
        leaf->has_subject_handle = 1;
        leaf->subject_handle = (ProtobufCBinaryData){16, handle};
    }
    return e;
}

void leaf_approvals(const struct approvals *by, struct approval_names *n,
                    Pb__AuditLeaf *leaf)
{
    for (size_t i = 0; i < by->n; i++) {
        const struct approver *a = by->by[i];
        struct buf text = {0};
        uint8_t id[NOTE_KEYID];
        note_key_id(a->name, a->sign, id);
        buf_addf(&text, "%s+", a->name);
        buf_add_hex(&text, slice_of(id, sizeof(id)));
        snprintf(n->name[i], sizeof(n->name[i]), "%s",
                 text.failed ? "" : (char *)text.p);
        n->list[i] = n->name[i];
        buf_fini(&text);
    }
    leaf->n_approved_by = by->n;
    leaf->approved_by = n->list;
}

/* Adds text once. */
static size_t add_text(char **list, size_t n, const char *text)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(list[i], text) == 0)
            return n;
    list[n] = pb_text(text);
    return n + 1;
}

static size_t add_consent(ProtobufCBinaryData *list, size_t n,
                          const struct grant *g)
{
    for (size_t i = 0; i < n; i++)
        if (memcmp(list[i].data, g->ref, ID_BYTES) == 0)
            return n;
    list[n] = pb_borrow(slice_of(g->ref, ID_BYTES));
    return n + 1;
}

/* With these and the register of consents it can be decided again. */
static void add_asked(const struct decision *d, const struct agency *to,
                      struct leaf_lists *l, Pb__AuditLeaf *leaf)
{
    for (size_t i = 0; d->any_role && to != NULL && i < AGENCY_ROLES &&
                       to->role[i][0] != '\0';
         i++)
        l->considered[leaf->n_considered++] = pb_text(to->role[i]);
    leaf->considered = l->considered;
    leaf->has_decided_as = d->decided_as != 0;
    leaf->decided_as = d->decided_as;
    leaf->has_limit = d->limit != 0;
    leaf->limit = d->limit;
    for (unsigned i = 0; i < NELEM(l->predicate); i++)
        if ((d->predicates & 1u << i) != 0)
            l->predicate[leaf->n_predicate++] =
                pb_text(policy_predicate_name(1u << i));
    leaf->predicate = l->predicate;
    leaf->has_asked = 1;
    leaf->asked = d->asked;
    leaf->has_session = d->session_classes != 0;
    leaf->session = d->session_classes;
    leaf->has_glass = d->glass_classes != 0;
    leaf->glass = d->glass_classes;
}

void leaf_decision_by(const struct policy *p, const struct agency *to,
                      const struct decision *d, const struct grant *grants,
                      struct leaf_lists *l, Pb__AuditLeaf *leaf)
{
    for (unsigned c = 1; c < CLASS_MAX; c++) {
        const struct class_verdict *v = &d->of[c];
        if ((d->asked & class_bit(c)) == 0)
            continue;
        if (v->rule != NO_RULE)
            leaf->n_rule =
                add_text(l->rule, leaf->n_rule, policy_rule_id(p, v->rule));
        if (v->permit && v->basis != NULL && v->basis[0] != '\0')
            leaf->n_basis = add_text(l->basis, leaf->n_basis, v->basis);
        if (v->permit && v->grant >= 0) /* not what refused a class */
            leaf->n_consent =
                add_consent(l->consent, leaf->n_consent, &grants[v->grant]);
    }
    add_asked(d, to, l, leaf);
    leaf->rule = l->rule;
    leaf->basis = l->basis;
    leaf->consent = l->consent;
    leaf->has_released = leaf->has_withheld = leaf->has_outcome = 1;
    leaf->released = d->released;
    leaf->withheld = d->withheld;
    leaf->outcome = d->released == 0 ? 0 : d->released == d->asked ? 1 : 2;
    leaf->has_policy_digest = 1;
    leaf->policy_digest = pb_borrow(slice_of(policy_digest(p), 32));
    if (d->error != ERR_OK)
        leaf->reason = pb_text(err_code(d->error));
}

void leaf_decision(const struct hub *h, const struct decision *d,
                   const struct grant *grants, struct leaf_lists *l,
                   Pb__AuditLeaf *leaf)
{
    const struct agency *to =
        leaf->peer != NULL ? registry_agency(h->registry, leaf->peer) : NULL;
    leaf_decision_by(h->policy, to, d, grants, l, leaf);
}
