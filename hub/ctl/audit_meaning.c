/* audit_meaning.c - what the leaves say, held against each other: nobody who
 * can sign heads can make a log that breaks these rules and have it pass.
 *
 *   M-1   a RELEASE follows a DECISION about the same event, agency, purpose
 *         and person that let something pass, at most 14 days before
 *   M-2   what is let pass and what is withheld do not overlap
 *   M-3   no consent is relied on that is unknown or was taken back
 *   M-4   every decision names the policy in force
 *   M-5   DELIVERED follows the RELEASE of that event to that agency
 *   M-6   a node acts while it is active, and for its own agency
 *   M-7   no more is released than was decided
 *   M-8   a READ follows a RELEASE, as M-1
 *   M-9   no more is read than was released and not called back
 *   M-10  what is called back was released; an answer follows a recall
 *   M-11  what is stopped was decided
 *   M-12  receipts and answers are signed by the node's key of that moment, and
 *         name the very leaf that released
 *   M-13  break-glass: an hour, once longer; nothing passes outside of it
 *   M-14  nothing is released to, or read by, anybody about an erased handle,
 *         nor on the strength of what was released about one
 *   M-15  the head is of the epoch that the log says began last
 *   M-16  a policy has two approvers
 *   M-17  break-glass ends, and another agency judges it within 72 hours
 *
 * A person's handle changes every quarter, so that two leaves can be held to
 * be about one person only when they are of one quarter.
 *
 * Ids are kept in hash maps and each leaf in 64 bytes, so that a million
 * leaves are a matter of seconds; signatures go to processes beside this one.
 */
#include "hub/core/policy.h"
#include "hub/ctl/audit.h"
#include "hub/ctl/checkers.h"
#include "hub/ctl/idmap.h"
#include "proto/base/date.h"
#include "proto/wire/unpack.h"
#include "tsunagi/v1/wire.pb-c.h"
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define MINUTE_MS UINT64_C(60000)
#define HOUR_MS (60 * MINUTE_MS)
/* What is not fetched for so long is parked. */
#define DAYS_14_MS (14 * 24 * HOUR_MS)
/* A pack may be stricter; what it says is not in the log. */
#define OPEN_MS (GLASS_MINUTES_MOST * MINUTE_MS)
#define REVIEW_MS (GLASS_REVIEW_HOURS_MOST * HOUR_MS)
#define LATE_MS (5 * MINUTE_MS) /* a hub that starts again catches up */
#define NOBODY 0

/* A leaf, as far as later ones refer to it. */
struct entry {
    uint64_t time_ms, released;
    uint8_t event[ID_BYTES], subject[ID_BYTES];
    uint32_t peer, purpose; /* numbers of names */
    uint32_t slot; /* RELEASE: of its hash; BREAKGLASS_OPEN: of the opening */
    uint8_t kind;
    bool passed; /* a decision that let something pass */
    bool ended;  /* a release: called back since */
};
_Static_assert(sizeof(struct entry) == 64, "as audit.h says");

struct node_fact {
    uint32_t agency;
    bool active, has_key;
    uint8_t key[KEY_BYTES];
};
struct consent_fact {
    bool withdrawn;
    uint32_t before; /* of the same handle: its place + 1 */
};
struct opening {
    uint64_t leaf, until_ms, review_ms;
    uint32_t agency;
    uint8_t actor[ID_BYTES];
    bool extended, closed, reviewed;
};

/* Arrays that grow. */
struct list {
    void *p;
    size_t n, cap;
};

struct meaning {
    struct audit_findings *found;
    struct checkers *checkers;
    char head[ORIGIN_MAX], epoch[ORIGIN_MAX]; /* origins; "": the first epoch */
    uint64_t size, at, now_ms;
    struct entry *entry;
    struct idmap names, nodes, consents, subjects, erased;
    struct list node, consent, opening, hash;
    uint32_t name_count;
    uint8_t policy[32];
    bool has_policy, broken;
};

static void found(struct meaning *m, const char *rule, const char *ja,
                  const char *en)
{
    audit_found(m->found, m->at, rule, ja, en);
}

/* A new zeroed element at the end; NULL and m->broken without memory. */
static void *add(struct meaning *m, struct list *l, size_t size)
{
    if (l->n == l->cap) {
        size_t cap = l->cap == 0 ? 64 : 2 * l->cap;
        void *more = realloc(l->p, cap * size);
        if (more == NULL) {
            m->broken = true;
            return NULL;
        }
        l->p = more;
        l->cap = cap;
    }
    return memset((char *)l->p + size * l->n++, 0, size);
}

static void put(struct meaning *m, struct idmap *map, const uint8_t *id,
                size_t number)
{
    if (idmap_put(map, id, (uint32_t)number) != ERR_OK)
        m->broken = true;
}

/* ---- names ---- */

static void id_of_name(const char *name, uint8_t id[ID_BYTES])
{
    size_t n = strlen(name);
    memset(id, 0, ID_BYTES);
    if (n < ID_BYTES)
        memcpy(id, name, n);
    else
        crypto_generichash(id, ID_BYTES, (const uint8_t *)name, n, NULL, 0);
}

/* Of an agency or a purpose; NOBODY for none. */
static uint32_t number_of(struct meaning *m, const char *name)
{
    uint8_t id[ID_BYTES];
    uint32_t number = NOBODY;
    if (name == NULL || name[0] == '\0')
        return NOBODY;
    id_of_name(name, id);
    if (!idmap_get(&m->names, id, &number)) {
        number = ++m->name_count;
        put(m, &m->names, id, number);
    }
    return number;
}

static struct node_fact *find_node(const struct meaning *m, const char *name)
{
    uint8_t id[ID_BYTES];
    uint32_t at;
    if (name == NULL)
        return NULL;
    id_of_name(name, id);
    return idmap_get(&m->nodes, id, &at) ? (struct node_fact *)m->node.p + at
                                         : NULL;
}

static void note_node(struct meaning *m, const Pb__AuditLeaf *l)
{
    uint8_t id[ID_BYTES];
    struct node_fact *n = find_node(m, l->node);
    if (l->node == NULL)
        return;
    if (n == NULL) {
        id_of_name(l->node, id);
        put(m, &m->nodes, id, m->node.n);
        n = add(m, &m->node, sizeof(*n));
    }
    if (n == NULL)
        return;
    n->agency = number_of(m, l->peer);
    n->active = l->reason != NULL && strcmp(l->reason, "ACTIVE") == 0;
    n->has_key = l->has_sign_key && l->sign_key.len == KEY_BYTES;
    if (n->has_key)
        memcpy(n->key, l->sign_key.data, KEY_BYTES);
}

static bool by_hub(const Pb__AuditLeaf *l)
{
    return l->node == NULL || strcmp(l->node, "hub") == 0;
}

/* An event, or a question, that was turned away. */
static bool refused(const Pb__AuditLeaf *l)
{
    return (l->kind == PB__LEAF_KIND__INGEST ||
            l->kind == PB__LEAF_KIND__READ) &&
           l->has_outcome && l->outcome == 0;
}

/* own: the leaf's agency is the node's. What was refused proves no act. */
static void check_node(struct meaning *m, const Pb__AuditLeaf *l, bool own)
{
    if (by_hub(l) || refused(l))
        return;
    const struct node_fact *n = find_node(m, l->node);
    if (n == NULL || !n->active)
        found(m, "M-6", "有効でない接続の行為",
              "act of a node that was not active");
    else if (own && n->agency != number_of(m, l->peer))
        found(m, "M-6", "ほかの機関の名での行為",
              "act of a node in another agency's name");
}

/* ---- what leaves refer to ---- */

static struct entry *referred(struct meaning *m, const Pb__AuditLeaf *l,
                              int kind)
{
    for (size_t i = 0; i < l->n_ref; i++)
        if (l->ref[i] < m->at && m->entry[l->ref[i]].kind == kind)
            return &m->entry[l->ref[i]];
    return NULL;
}

static bool same_event(const struct entry *e, const Pb__AuditLeaf *l)
{
    return l->event_id.len == ID_BYTES &&
           memcmp(e->event, l->event_id.data, ID_BYTES) == 0;
}

static bool same_peer(struct meaning *m, const struct entry *e,
                      const Pb__AuditLeaf *l)
{
    return e->peer != NOBODY && e->peer == number_of(m, l->peer);
}

/* As the hub counts them: by months in Japan. */
static int quarter(uint64_t ms)
{
    struct date d = date_of_ms(ms);
    return d.year * 4 + (d.month - 1) / 3;
}

static bool same_subject(const struct entry *e, const Pb__AuditLeaf *l)
{
    static const uint8_t NONE[ID_BYTES];
    const uint8_t *id =
        l->subject_handle.len == ID_BYTES ? l->subject_handle.data : NONE;
    return memcmp(e->subject, id, ID_BYTES) == 0 ||
           quarter(e->time_ms) != quarter(l->time_ms);
}

/* Whether a leaf is about what an earlier one was about. */
static bool follows(struct meaning *m, const struct entry *e,
                    const Pb__AuditLeaf *l)
{
    return e != NULL && same_event(e, l) && same_peer(m, e, l) &&
           e->purpose == number_of(m, l->purpose) && same_subject(e, l);
}

/* ---- consents ---- */

static struct consent_fact *consent_at(const struct meaning *m, uint32_t at)
{
    return (struct consent_fact *)m->consent.p + at;
}

static struct consent_fact *find_consent(const struct meaning *m,
                                         ProtobufCBinaryData ref)
{
    uint32_t at;
    return ref.len == ID_BYTES && idmap_get(&m->consents, ref.data, &at)
               ? consent_at(m, at)
               : NULL;
}

static void note_grant(struct meaning *m, const Pb__AuditLeaf *l)
{
    uint32_t before;
    if (l->n_consent == 0 || l->consent[0].len != ID_BYTES)
        return;
    size_t at = m->consent.n;
    struct consent_fact *k = add(m, &m->consent, sizeof(*k));
    if (k == NULL)
        return;
    put(m, &m->consents, l->consent[0].data, at);
    if (l->subject_handle.len != ID_BYTES)
        return;
    if (idmap_get(&m->subjects, l->subject_handle.data, &before))
        k->before = before;
    put(m, &m->subjects, l->subject_handle.data, at + 1);
}

/* One consent by its number, or all of a person (by this quarter's handle). */
static void note_revoke(struct meaning *m, const Pb__AuditLeaf *l)
{
    uint32_t at = 0;
    for (size_t i = 0; i < l->n_consent; i++) {
        struct consent_fact *k = find_consent(m, l->consent[i]);
        if (k != NULL)
            k->withdrawn = true;
    }
    if (l->n_consent > 0 || l->subject_handle.len != ID_BYTES ||
        !idmap_get(&m->subjects, l->subject_handle.data, &at))
        return;
    for (; at > 0; at = consent_at(m, at - 1)->before)
        consent_at(m, at - 1)->withdrawn = true;
}

/* ---- the grounds of a decision ---- */

static void note_policy(struct meaning *m, const Pb__AuditLeaf *l)
{
    size_t people = 0;
    for (size_t i = 0; i < l->n_approved_by; i++) {
        bool again = false;
        for (size_t k = 0; k < i; k++)
            again |= strcmp(l->approved_by[k], l->approved_by[i]) == 0;
        people += !again;
    }
    if (people < 2)
        found(m, "M-16", "方針の承認が二人に満たない",
              "a policy with fewer than two approvers");
    m->has_policy = l->policy_digest.len == sizeof(m->policy);
    if (m->has_policy)
        memcpy(m->policy, l->policy_digest.data, sizeof(m->policy));
}

static void check_policy(struct meaning *m, const Pb__AuditLeaf *l)
{
    if (!m->has_policy || l->policy_digest.len != sizeof(m->policy) ||
        memcmp(m->policy, l->policy_digest.data, sizeof(m->policy)) != 0)
        found(m, "M-4", "そのとき有効でない方針による判断",
              "decided by a policy that was not in force");
}

/* Which consent it was that was relied on must be said, or none could be found
 * to have been taken back. */
static bool hides_consent(const Pb__AuditLeaf *l)
{
    for (size_t i = 0; l->n_consent == 0 && i < l->n_basis; i++)
        if (strcmp(l->basis[i], "LB_CONSENT") == 0)
            return true;
    return false;
}

/* What a decision to show or send may rest on. */
static void check_grounds(struct meaning *m, const Pb__AuditLeaf *l)
{
    if ((l->released & l->withheld) != 0)
        found(m, "M-2", "渡した区分と伏せた区分が矛盾",
              "released and withheld contradict");
    for (size_t i = 0; i < l->n_consent; i++) {
        const struct consent_fact *k = find_consent(m, l->consent[i]);
        if (k == NULL || k->withdrawn)
            found(m, "M-3", "撤回後または存在しない同意による開示",
                  "rests on a withdrawn or unknown consent");
    }
    if (hides_consent(l))
        found(m, "M-3", "どの同意によるかを言わない開示",
              "rests on a consent that it does not name");
    check_policy(m, l);
}

/* ---- break-glass ---- */

static struct opening *opening_of(const struct meaning *m,
                                  const struct entry *e)
{
    return (struct opening *)m->opening.p + e->slot;
}

static struct opening *referred_opening(struct meaning *m,
                                        const Pb__AuditLeaf *l)
{
    const struct entry *e = referred(m, l, PB__LEAF_KIND__BREAKGLASS_OPEN);
    return e != NULL ? opening_of(m, e) : NULL;
}

static bool same_actor(const struct opening *o, const Pb__AuditLeaf *l)
{
    return l->actor.len == ID_BYTES &&
           memcmp(o->actor, l->actor.data, ID_BYTES) == 0;
}

/* Only its own: the same member of staff, agency and person. */
static bool extends(struct meaning *m, const struct opening *o,
                    const Pb__AuditLeaf *l)
{
    return !o->extended && !o->closed && m->now_ms < o->until_ms &&
           same_actor(o, l) && o->agency == number_of(m, l->peer) &&
           same_subject(&m->entry[o->leaf], l);
}

/* A first one; a leaf that refers to an opening extends it. */
static void note_opening(struct meaning *m, const Pb__AuditLeaf *l)
{
    struct opening *o = referred_opening(m, l);
    bool wrong = l->valid_until_ms > m->now_ms + OPEN_MS;
    check_node(m, l, true);
    if (o != NULL) {
        wrong |= !extends(m, o, l);
        o->extended = true;
        o->until_ms = l->valid_until_ms;
        m->entry[m->at].slot = (uint32_t)(o - (struct opening *)m->opening.p);
    } else {
        m->entry[m->at].slot = (uint32_t)m->opening.n;
        o = add(m, &m->opening, sizeof(*o));
        if (o == NULL)
            return;
        *o = (struct opening){.leaf = m->at,
                              .until_ms = l->valid_until_ms,
                              .review_ms = m->now_ms + REVIEW_MS,
                              .agency = number_of(m, l->peer)};
        wrong |= l->actor.len != ID_BYTES || o->agency == NOBODY;
        if (l->actor.len == ID_BYTES)
            memcpy(o->actor, l->actor.data, ID_BYTES);
    }
    if (wrong)
        found(m, "M-13", "緊急閲覧の開始または延長が規則に反する",
              "a break-glass opened or extended against its rules");
}

static void note_closing(struct meaning *m, const Pb__AuditLeaf *l)
{
    struct opening *o = referred_opening(m, l);
    if (o == NULL)
        found(m, "M-13", "開いていない緊急閲覧の終了",
              "the end of a break-glass that nobody opened");
    else
        o->closed = true;
}

/* The hub's own OVERDUE and a question back leave the review due. */
static bool judges(const Pb__AuditLeaf *l)
{
    static const char *const VERDICT[] = {"JUSTIFIED", "NOT_JUSTIFIED",
                                          "TRAINING"};
    for (size_t i = 0; i < NELEM(VERDICT); i++)
        if (l->reason != NULL && strcmp(l->reason, VERDICT[i]) == 0)
            return true;
    return false;
}

static void note_review(struct meaning *m, const Pb__AuditLeaf *l)
{
    struct opening *o = referred_opening(m, l);
    const struct node_fact *n = find_node(m, l->node);
    check_node(m, l, false);
    if (o == NULL) {
        found(m, "M-13", "開いていない緊急閲覧の点検",
              "the review of a break-glass that nobody opened");
        return;
    }
    if (!judges(l))
        return;
    if (m->now_ms > o->review_ms + LATE_MS)
        found(m, "M-17", "緊急閲覧の点検が72時間に遅れた",
              "a break-glass reviewed after its 72 hours");
    if (same_actor(o, l) || n == NULL || n->agency == o->agency)
        found(m, "M-17", "緊急閲覧を開いた側による点検",
              "a break-glass reviewed by those who opened it");
    o->reviewed = true;
}

/* What a leaf says passed because of it. */
static void check_glass(struct meaning *m, const Pb__AuditLeaf *l)
{
    for (size_t i = 0; i < l->n_ref; i++) {
        const struct entry *e = l->ref[i] < m->at ? &m->entry[l->ref[i]] : NULL;
        if (e == NULL || e->kind != PB__LEAF_KIND__BREAKGLASS_OPEN)
            continue;
        const struct opening *o = opening_of(m, e);
        if (o->closed || m->now_ms >= o->until_ms || !same_subject(e, l))
            found(m, "M-13", "開いていない緊急閲覧による開示",
                  "passed by a break-glass that was not open");
    }
}

static void check_openings(struct meaning *m)
{
    const struct opening *o = m->opening.p;
    for (size_t i = 0; i < m->opening.n; i++) {
        m->at = o[i].leaf;
        if (!o[i].closed && m->now_ms > o[i].until_ms + LATE_MS)
            found(m, "M-17", "緊急閲覧が終わっていない",
                  "a break-glass that never ended");
        if (!o[i].reviewed && m->now_ms > o[i].review_ms + LATE_MS)
            found(m, "M-17", "緊急閲覧が点検されていない",
                  "a break-glass that nobody has reviewed in 72 hours");
    }
}

/* ---- decisions, releases, reads ---- */

/* A quarter's keys also end by themselves, when the content they sealed has
 * gone; who was erased by an order has no other quarter either. */
enum erased { ERASED_EXPIRED = 1, ERASED_WHOLLY };

static void note_erasure(struct meaning *m, const Pb__AuditLeaf *l)
{
    uint32_t was = 0;
    bool expired = l->reason != NULL && strcmp(l->reason, "EXPIRED") == 0;
    if (l->subject_handle.len != ID_BYTES)
        return;
    if (!idmap_get(&m->erased, l->subject_handle.data, &was) ||
        was == ERASED_EXPIRED)
        put(m, &m->erased, l->subject_handle.data,
            expired ? ERASED_EXPIRED : ERASED_WHOLLY);
}

/* before (may be NULL): what the leaf follows. */
static void check_erased(struct meaning *m, const Pb__AuditLeaf *l,
                         const struct entry *before)
{
    uint32_t how = 0;
    bool gone = l->subject_handle.len == ID_BYTES &&
                idmap_get(&m->erased, l->subject_handle.data, &how);
    if (!gone && before != NULL)
        gone = idmap_get(&m->erased, before->subject, &how) &&
               how == ERASED_WHOLLY;
    if (gone)
        found(m, "M-14", "消去した人についての開示",
              "about a person who had been erased");
}

static void check_decision(struct meaning *m, const Pb__AuditLeaf *l)
{
    check_grounds(m, l);
    if (l->outcome != 0)
        check_glass(m, l);
}

static void check_passing(struct meaning *m, const Pb__AuditLeaf *l,
                          const struct entry *before)
{
    if (l->outcome == 0 || l->released == 0)
        found(m, "M-2", "何も許さない判断による開示",
              "released by a decision that permits nothing");
    check_grounds(m, l);
    check_glass(m, l);
    check_erased(m, l, before);
    if (by_hub(l))
        found(m, "M-6", "どの接続にも宛てていない開示", "passed to no node");
    check_node(m, l, true);
}

static void check_release(struct meaning *m, const Pb__AuditLeaf *l,
                          struct slice bytes)
{
    const struct entry *d = referred(m, l, PB__LEAF_KIND__DECISION);
    if (!follows(m, d, l) || !d->passed || l->phase == NULL ||
        strcmp(l->phase, "RELEASE") != 0 || m->now_ms > d->time_ms + DAYS_14_MS)
        found(m, "M-1", "判断の記録のない開示", "release without its decision");
    else if ((l->released & ~d->released) != 0)
        found(m, "M-7", "判断より多くの開示", "releases more than was decided");
    check_passing(m, l, d);
    m->entry[m->at].slot = (uint32_t)m->hash.n;
    struct hash *h = add(m, &m->hash, sizeof(*h));
    if (h != NULL)
        sha256(bytes, h->b);
}

/* A person of the recipient looked. What names no event showed none: a question
 * of the command line, one that was refused, a look at what would pass. */
static void check_read(struct meaning *m, const Pb__AuditLeaf *l)
{
    if (l->event_id.len == 0) {
        check_node(m, l, true);
        if (l->released != 0)
            found(m, "M-8", "開示の記録のない閲覧", "read without its release");
        return;
    }
    const struct entry *r = referred(m, l, PB__LEAF_KIND__RELEASE);
    if (!follows(m, r, l))
        found(m, "M-8", "開示の記録のない閲覧", "read without its release");
    else if ((l->released & ~r->released) != 0 || r->ended)
        found(m, "M-9", "渡していない、または取り消した区分の閲覧",
              "read of what was not released or was called back");
    check_passing(m, l, r);
}

static void check_withheld(struct meaning *m, const Pb__AuditLeaf *l)
{
    const struct entry *d = referred(m, l, PB__LEAF_KIND__DECISION);
    if (d == NULL || !same_peer(m, d, l))
        found(m, "M-11", "判断の記録のない差し止め",
              "withheld what was never decided");
}

/* ---- what nodes signed ---- */

static void check_signed(struct meaning *m, const Pb__AuditLeaf *l,
                         enum sign_what what)
{
    const struct node_fact *n = find_node(m, l->node);
    struct check c = {
        .leaf = m->at, .what = (uint32_t)what, .n = (uint32_t)l->signed_.len};
    if (n == NULL || !n->has_key || l->signature.len != SIGNATURE_BYTES ||
        l->signed_.len == 0 || l->signed_.len > sizeof(c.text)) {
        found(m, "M-12", "接続の署名がない", "not signed by the node");
        return;
    }
    memcpy(c.key, n->key, KEY_BYTES);
    memcpy(c.signature, l->signature.data, SIGNATURE_BYTES);
    memcpy(c.text, l->signed_.data, l->signed_.len);
    if (checkers_add(m->checkers, &c) != ERR_OK)
        m->broken = true;
}

static void not_signed(void *ctx, uint64_t leaf)
{
    struct meaning *m = ctx;
    audit_found(m->found, leaf, "M-12", "接続の署名が合わない",
                "the node's signature does not hold");
}

static const char *answer_word(bool has, Pb__RecallOutcome outcome)
{
    static const char *const WORD[] = {
        [PB__RECALL_OUTCOME__RECALL_DELETED] = "DELETED",
        [PB__RECALL_OUTCOME__RECALL_HANDED_OVER] = "HANDED_OVER",
        [PB__RECALL_OUTCOME__RECALL_UNKNOWN] = "UNKNOWN"};
    size_t i = has ? (size_t)outcome : 0;
    return i < NELEM(WORD) && WORD[i] != NULL ? WORD[i] : "";
}

/* Signed is what the leaf says: the very leaf that released, and what became
 * of it. */
static bool ack_fits(struct meaning *m, const Pb__AuditLeaf *l,
                     const struct entry *r)
{
    const struct hash *h = (struct hash *)m->hash.p + r->slot;
    ProtobufCMessage *msg = NULL;
    if (unpack(&pb__ack_body__descriptor, pb_slice(l->signed_), &msg) != ERR_OK)
        return false;
    const Pb__AckBody *b = (const Pb__AckBody *)msg;
    bool answer = l->kind == PB__LEAF_KIND__RECALL;
    bool named = b->sha256.len == HASH_BYTES &&
                 memcmp(b->sha256.data, h->b, HASH_BYTES) == 0;
    bool fits = answer ? (!b->has_sha256 || named) && l->reason != NULL &&
                             strcmp(l->reason, answer_word(b->has_recalled,
                                                           b->recalled)) == 0
                       : named && !b->has_recalled;
    unpack_free(&msg);
    return fits;
}

/* A holder's answer about all it had: to that order, and as the leaf says. */
static bool erase_answer_fits(const Pb__AuditLeaf *l)
{
    ProtobufCMessage *msg = NULL;
    if (unpack(&pb__erase_answer__descriptor, pb_slice(l->signed_), &msg) !=
        ERR_OK)
        return false;
    const Pb__EraseAnswer *a = (const Pb__EraseAnswer *)msg;
    bool fits = l->order.len == ID_BYTES &&
                slice_eq(pb_slice(a->order), pb_slice(l->order)) &&
                l->reason != NULL &&
                strcmp(l->reason, answer_word(a->has_outcome, a->outcome)) == 0;
    unpack_free(&msg);
    return fits;
}

static void check_answer(struct meaning *m, const Pb__AuditLeaf *l, bool fits,
                         enum sign_what what)
{
    check_node(m, l, true);
    if (l->signed_.len > 0 && !fits)
        found(m, "M-12", "署名されたものが記録と違う",
              "what was signed is not what the leaf says");
    else
        check_signed(m, l, what);
}

static void check_ack(struct meaning *m, const Pb__AuditLeaf *l,
                      const struct entry *r)
{
    check_answer(m, l, ack_fits(m, l, r), SIGN_ACK);
}

static void check_delivered(struct meaning *m, const Pb__AuditLeaf *l)
{
    const struct entry *r = referred(m, l, PB__LEAF_KIND__RELEASE);
    if (r == NULL || !same_event(r, l) || !same_peer(m, r, l))
        found(m, "M-5", "開示の記録のない受領", "delivery without its release");
    else
        check_ack(m, l, r);
}

static bool phase_is(const Pb__AuditLeaf *l, const char *phase)
{
    return l->phase != NULL && strcmp(l->phase, phase) == 0;
}

static void check_recall(struct meaning *m, const Pb__AuditLeaf *l)
{
    struct entry *r = referred(m, l, PB__LEAF_KIND__RELEASE);
    bool answer = phase_is(l, "ANSWER");
    if (phase_is(l, "ERASE")) {
        check_answer(m, l, erase_answer_fits(l), SIGN_ERASE);
    } else if (r == NULL || !same_peer(m, r, l) ||
               (answer && referred(m, l, PB__LEAF_KIND__RECALL) == NULL)) {
        found(m, "M-10", "開示の記録のない取消し",
              "recall of what was not released");
    } else {
        r->ended = true;
        if (answer)
            check_ack(m, l, r);
    }
}

/* ---- epochs ---- */

static void note_epoch(struct meaning *m, const Pb__AuditLeaf *l)
{
    bool whole = l->origin != NULL && l->has_previous_size &&
                 l->previous_sha256.len == HASH_BYTES &&
                 l->order.len == ID_BYTES;
    if (!whole)
        found(m, "M-15", "新しい記録の始まりが前の先頭につながらない",
              "an epoch that does not name the head before it");
    snprintf(m->epoch, sizeof(m->epoch), "%s",
             l->origin != NULL ? l->origin : "?");
}

static void check_epoch(struct meaning *m)
{
    m->at = m->size;
    if (m->epoch[0] != '\0' && strcmp(m->epoch, m->head) != 0)
        found(m, "M-15", "先頭の名前が最後に始まった記録の名前と違う",
              "the head is not of the epoch that began last");
}

/* ---- the way through ---- */

static void remember(struct meaning *m, const Pb__AuditLeaf *l)
{
    struct entry *e = &m->entry[m->at];
    e->kind = (uint8_t)l->kind;
    e->time_ms = m->now_ms;
    e->released = l->released;
    e->passed = l->outcome != 0;
    e->peer = number_of(m, l->peer);
    e->purpose = number_of(m, l->purpose);
    if (l->event_id.len == ID_BYTES)
        memcpy(e->event, l->event_id.data, ID_BYTES);
    if (l->subject_handle.len == ID_BYTES)
        memcpy(e->subject, l->subject_handle.data, ID_BYTES);
}

static void weigh(struct meaning *m, const Pb__AuditLeaf *l, struct slice bytes)
{
    switch ((int)l->kind) {
    case PB__LEAF_KIND__DECISION:
        check_decision(m, l);
        break;
    case PB__LEAF_KIND__RELEASE:
        check_release(m, l, bytes);
        break;
    case PB__LEAF_KIND__DELIVERED:
        check_delivered(m, l);
        break;
    case PB__LEAF_KIND__READ:
        check_read(m, l);
        break;
    case PB__LEAF_KIND__RECALL:
        check_recall(m, l);
        break;
    case PB__LEAF_KIND__WITHHELD:
        check_withheld(m, l);
        break;
    case PB__LEAF_KIND__INGEST:
        check_node(m, l, false);
        break;
    case PB__LEAF_KIND__CONSENT_GRANT:
        check_node(m, l, false);
        note_grant(m, l);
        break;
    case PB__LEAF_KIND__CONSENT_REVOKE:
        check_node(m, l, false);
        note_revoke(m, l);
        break;
    case PB__LEAF_KIND__POLICY_ACTIVATE:
        note_policy(m, l);
        break;
    case PB__LEAF_KIND__NODE_CHANGE:
        note_node(m, l);
        break;
    case PB__LEAF_KIND__BREAKGLASS_OPEN:
        note_opening(m, l);
        break;
    case PB__LEAF_KIND__BREAKGLASS_CLOSE:
        note_closing(m, l);
        break;
    case PB__LEAF_KIND__REVIEW:
        note_review(m, l);
        break;
    case PB__LEAF_KIND__ERASE_BEGIN:
        note_erasure(m, l);
        break;
    case PB__LEAF_KIND__EPOCH_START:
        note_epoch(m, l);
        break;
    default:
        break;
    }
}

enum err meaning_take(struct meaning *m, const Pb__AuditLeaf *l,
                      struct slice bytes)
{
    if (m->at < m->size) {
        m->now_ms = l->time_ms;
        remember(m, l);
        weigh(m, l, bytes);
    }
    m->at++;
    return m->broken ? ERR_NOMEM : ERR_OK;
}

enum err meaning_open(uint64_t size, const char *origin,
                      struct audit_findings *f, struct meaning **out)
{
    struct meaning *m = calloc(1, sizeof(*m));
    *out = NULL;
    if (m == NULL)
        return ERR_NOMEM;
    m->size = size;
    m->found = f;
    m->entry = calloc(size + 1, sizeof(*m->entry));
    enum err e = m->entry == NULL ? ERR_NOMEM : checkers_open(&m->checkers);
    snprintf(m->head, sizeof(m->head), "%s", origin);
    if (e == ERR_OK) {
        *out = m;
        return ERR_OK;
    }
    free(m->entry);
    free(m);
    return e;
}

enum err meaning_close(struct meaning **pm)
{
    struct meaning *m = *pm;
    if (m == NULL)
        return ERR_OK;
    check_openings(m);
    check_epoch(m);
    enum err e = checkers_close(&m->checkers, not_signed, m);
    struct idmap *maps[] = {&m->names, &m->nodes, &m->consents, &m->subjects,
                            &m->erased};
    struct list *lists[] = {&m->node, &m->consent, &m->opening, &m->hash};
    for (size_t i = 0; i < NELEM(maps); i++)
        idmap_fini(maps[i]);
    for (size_t i = 0; i < NELEM(lists); i++)
        free(lists[i]->p);
    if (m->broken && e == ERR_OK)
        e = ERR_NOMEM;
    free(m->entry);
    free(m);
    *pm = NULL;
    return e;
}
