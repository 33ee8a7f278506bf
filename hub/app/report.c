/* report.c - who has seen my data? The person asks an agency that holds some;
 * it proves who they are and asks here (個人情報保護法 33条, 76条).
 *
 *   report  person_token | order, actor, identity_checked, [role];
 *           for the next page: report, size, after
 *
 * The agency acts for the person: it may have the report when the policy lets
 * it be told of such a request and lets the person have the answer (row 140);
 * an auditor by row 141. Asking is a leaf, with the answer or without. Who may
 * not, who has no such person and who asks about nobody get the same bytes
 * (I-13).
 *
 * An answer is a page of lines, each with its proof for the head that the
 * first page gave; the report ends there, so that it can be counted. Until the
 * index of subjects has caught up the answer says how far it is, and the same
 * question is put again: no turn lasts long, whatever the log has grown to. */
#include "hub/core/report.h"
#include "hub/app/hub.h"
#include "proto/wire/unpack.h"
#include <inttypes.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define INDEX_AT_ONCE 2048 /* leaves of one answer */
#define ROWS_AT_ONCE 200
#define ANSWER_BYTES (FRAME_MAX / 2)
#define REPORT_LIFE_MS (UINT64_C(3600) * 1000) /* in which pages are given */
#define POLICIES 4
#define PURPOSE "P_ACC"
#define ROLE_SELF "R_PERSON"
#define ROLE_AUDITOR "R_AUDIT"
#define REPORT_PHASE "REPORT"

struct subject {
    struct handle handle;
    uint64_t next; /* its next leaf */
    bool more;
};
struct reporting {
    /* the question */
    const struct agency *who; /* NULL: there is no such agency */
    const char *node;
    uint8_t actor[ID_BYTES];
    bool has_actor, by_order, first;
    const char *role;
    struct id order;
    uint8_t token[ID_BYTES];
    uint64_t report, size, after;
    /* whom it is about */
    struct id person;
    struct grant *grants;
    size_t grant_count;
    struct subject *subject;
    size_t subjects, subject_cap;
    uint64_t erased_leaf, erased_ms; /* of the last ERASE_DONE; 0: none */
    struct decision d;
    /* policies of old leaves */
    struct policy *old[POLICIES];
    size_t old_count;
    struct merkle_near *near; /* tiles that proofs share */
};

/* ---- the question ---- */

static enum err read_page(const Pb__Ask *a, struct reporting *r)
{
    r->first = ask_argument(a, "report")[0] == '\0';
    if (r->first)
        return ERR_OK;
    return ask_number(a, "report", &r->report) &&
                   ask_number(a, "size", &r->size) &&
                   ask_number(a, "after", &r->after) && r->size <= r->report
               ? ERR_OK
               : ERR_USAGE;
}

static enum err read_question(const Pb__Ask *a, struct reporting *r)
{
    r->by_order = ask_argument(a, "order")[0] != '\0';
    r->role = ask_argument(a, "role");
    if (r->role[0] == '\0')
        r->role = ROLE_SELF;
    if (strcmp(ask_argument(a, "identity_checked"), "1") != 0)
        return ERR_VAL_REQUIRED;
    if (strcmp(r->role, ROLE_SELF) != 0 && strcmp(r->role, ROLE_AUDITOR) != 0)
        return ERR_EVT_ROLE;
    if (r->by_order ? !ask_id(a, "order", r->order.b)
                    : !ask_id(a, "person_token", r->token))
        return ERR_EVT_TOKEN;
    return read_page(a, r);
}

static enum err read_actor(const Pb__Ask *a, struct reporting *r)
{
    struct id actor;
    const char *text = ask_argument(a, "actor");
    if (text[0] == '\0')
        return ERR_VAL_REQUIRED;
    if (id_parse(text, &actor) != ERR_OK)
        return ERR_USAGE;
    memcpy(r->actor, actor.b, ID_BYTES);
    r->has_actor = true;
    return ERR_OK;
}

/* ---- whom it is about ---- */

static enum err add_handle(struct reporting *r, const uint8_t handle[16])
{
    for (size_t i = 0; i < r->subjects; i++)
        if (memcmp(r->subject[i].handle.b, handle, 16) == 0)
            return ERR_OK;
    if (r->subjects == r->subject_cap) {
        size_t cap = r->subject_cap == 0 ? 8 : 2 * r->subject_cap;
        struct subject *more = realloc(r->subject, cap * sizeof(*more));
        if (more == NULL)
            return ERR_NOMEM;
        r->subject = more;
        r->subject_cap = cap;
    }
    struct subject *s = &r->subject[r->subjects++];
    memset(s, 0, sizeof(*s));
    memcpy(s->handle.b, handle, 16);
    return ERR_OK;
}

static enum err load_handles(struct hub *h, struct reporting *r,
                             struct id person)
{
    struct handle *list = NULL;
    size_t n = 0;
    enum err e = store_grants(h->store, person, &r->grants, &r->grant_count);
    if (e == ERR_OK)
        e = store_person_handles(h->store, person, &list, &n);
    for (size_t i = 0; e == ERR_OK && i < n; i++)
        e = add_handle(r, list[i].b);
    free(list);
    return e;
}

static enum err load_person(struct hub *h, struct reporting *r)
{
    bool found = false;
    enum err e = r->who == NULL
                     ? ERR_OK
                     : store_token_find(h->store, r->who->code, TOKEN_PERSON,
                                        r->token, &found, &r->person);
    if (e == ERR_OK && !found)
        e = ERR_NOT_FOUND;
    return e != ERR_OK ? e : load_handles(h, r, r->person);
}

/* Handles that are on their way out or gone, and when the last one went. */
static enum err load_gone(struct hub *h, struct reporting *r)
{
    struct buf bytes = {0};
    uint64_t begin = 0, done;
    bool found = true, over = true;
    enum err e = ERR_OK;
    while (e == ERR_OK && found) {
        Pb__AuditLeaf *l = NULL;
        e = store_erase_leaf(h->store, r->order, &begin, &done, &found);
        if (e != ERR_OK || !found)
            break;
        e = leaf_open(h, begin, &bytes, &l);
        if (e == ERR_OK && l->subject_handle.len == ID_BYTES)
            e = add_handle(r, l->subject_handle.data);
        leaf_close(&l);
        over = over && done != 0;
        if (done > r->erased_leaf)
            r->erased_leaf = done;
    }
    if (!over)
        r->erased_leaf = 0;
    if (e == ERR_OK && r->erased_leaf != 0) {
        Pb__AuditLeaf *l = NULL;
        e = leaf_open(h, r->erased_leaf, &bytes, &l);
        r->erased_ms = e == ERR_OK ? l->time_ms : 0;
        leaf_close(&l);
    }
    buf_fini(&bytes);
    return e;
}

/* Nobody can name an erased person but by the order; the agencies that it went
 * to may. */
static enum err check_holder(struct hub *h, const struct reporting *r)
{
    struct holder x = {.agency = ""};
    bool found = true;
    enum err e = ERR_OK;
    while (r->who != NULL && e == ERR_OK && found) {
        e = store_holder_next(h->store, r->order, &x, &found);
        if (e == ERR_OK && found && strcmp(x.agency, r->who->code) == 0)
            return ERR_OK;
    }
    return e != ERR_OK ? e : ERR_NOT_FOUND;
}

/* Until the night of the erasure the person is still there. */
static enum err load_erased(struct hub *h, struct reporting *r)
{
    struct taken_order o = {0};
    enum err e = store_order_get(h->store, r->order, &o);
    if (e == ERR_OK && o.kind != ORDER_ERASE)
        e = ERR_NOT_FOUND;
    if (e == ERR_OK)
        e = check_holder(h, r);
    if (e == ERR_OK && !id_is_zero(o.person))
        e = load_handles(h, r, o.person);
    taken_order_fini(&o);
    if (e == ERR_OK)
        e = load_gone(h, r);
    if (e == ERR_OK && r->subjects == 0)
        e = ERR_NOT_FOUND;
    /* who approved it and what the holders answered: leaves without a handle */
    return e != ERR_OK ? e : add_handle(r, r->order.b);
}

static enum err load_subject(struct hub *h, struct reporting *r)
{
    return r->by_order ? load_erased(h, r) : load_person(h, r);
}

/* ---- may it have this ---- */

static void decide_about(const struct hub *h, const struct reporting *r,
                         uint32_t event, const struct agency *to,
                         const char *role, uint64_t classes,
                         struct decision *out)
{
    struct policy_ask ask = {
        .event = schema_event(event)->event_name,
        .variant = "",
        .purpose = PURPOSE,
        .recipient = to,
        .role = role,
        .classes = classes,
        .grants = r->grants,
        .grant_count = r->grant_count,
        .now_ms = h->now_ms,
        .clock_ok = h->clock_ok,
    };
    policy_decide(h->policy, &ask, out);
}

/* The auditor has the role itself; for the person the agency must be one that
 * is told of such requests. */
static bool decide(const struct hub *h, struct reporting *r)
{
    const uint64_t meta = class_bit(PB__DATA_CLASS__G_META),
                   audit = class_bit(PB__DATA_CLASS__G_AUDIT);
    struct agency person = {.code = HUB_AGENCY};
    bool told = true;
    if (r->who == NULL)
        return false;
    bool self = strcmp(r->role, ROLE_SELF) == 0;
    if (self) {
        snprintf(person.role[0], ROLE_MAX, "%s", ROLE_SELF);
        decide_about(h, r, EVENT_ACCESS_REQUESTED, r->who, NULL, meta, &r->d);
        told = r->d.released != 0;
    }
    decide_about(h, r, EVENT_ACCESS_ANSWERED, self ? &person : r->who, r->role,
                 meta | audit, &r->d);
    return told && (r->d.released & audit) != 0;
}

/* ---- the leaf ---- */

static void leaf_given(const struct hub *h, struct reporting *r,
                       struct leaf_lists *lists, Pb__AuditLeaf *l)
{
    l->has_type = 1;
    l->type = EVENT_ACCESS_ANSWERED;
    l->purpose = pb_text(PURPOSE);
    l->role = pb_text(r->role);
    l->has_order = r->by_order;
    l->order = (ProtobufCBinaryData){ID_BYTES, r->order.b};
    leaf_decision(h, &r->d, r->grants, lists, l);
}

/* What was asked in vain goes by its digest. A digest beside a handle would tie
 * the handles of all quarters, and after an erasure whoever has the token, to
 * one person. */
static enum err leaf_report(struct hub *h, struct reporting *r, enum err answer)
{
    Pb__AuditLeaf l = leaf_new(h, PB__LEAF_KIND__REPORT);
    struct leaf_lists lists;
    uint8_t handle[16], asked[32];
    struct id person = {{0}};
    l.phase = pb_text(REPORT_PHASE);
    l.node = pb_text(r->node);
    l.peer = pb_text(r->who != NULL ? r->who->code : NULL);
    l.has_actor = r->has_actor;
    l.actor = (ProtobufCBinaryData){ID_BYTES, r->actor};
    l.has_outcome = 1;
    if (answer == ERR_OK) {
        person = r->person;
        leaf_given(h, r, &lists, &l);
    } else {
        l.reason = pb_text(err_code(answer));
        l.has_detail_sha256 = 1;
        sha256(slice_of(r->by_order ? r->order.b : r->token, ID_BYTES), asked);
        l.detail_sha256 = (ProtobufCBinaryData){sizeof(asked), asked};
    }
    enum err e = leaf_subject(h, person, &l, handle);
    return e != ERR_OK ? e : store_leaf(h->store, &l, &r->report);
}

static bool is_subject(const struct reporting *r, ProtobufCBinaryData handle)
{
    for (size_t i = 0; i < r->subjects && handle.len == ID_BYTES; i++)
        if (memcmp(r->subject[i].handle.b, handle.data, ID_BYTES) == 0)
            return true;
    return false;
}

/* A later page belongs to a report that this agency was given on this person,
 * not long ago. */
static enum err check_page(struct hub *h, const struct reporting *r)
{
    struct buf bytes = {0};
    Pb__AuditLeaf *l = NULL;
    enum err e = leaf_open(h, r->report, &bytes, &l);
    if (e == ERR_OK &&
        (l->kind != PB__LEAF_KIND__REPORT || l->outcome == 0 ||
         l->peer == NULL || strcmp(l->peer, r->who->code) != 0 ||
         l->role == NULL || strcmp(l->role, r->role) != 0 ||
         l->time_ms + REPORT_LIFE_MS < h->now_ms ||
         !(r->by_order ? l->order.len == ID_BYTES &&
                             memcmp(l->order.data, r->order.b, ID_BYTES) == 0
                       : is_subject(r, l->subject_handle))))
        e = ERR_NOT_FOUND;
    leaf_close(&l);
    buf_fini(&bytes);
    return e;
}

/* ---- lines ---- */

/* The tables that a leaf cites; those in force when they are not kept. */
static const struct policy *cited(struct hub *h, struct reporting *r,
                                  const Pb__AuditLeaf *l)
{
    const uint8_t *digest = l->policy_digest.data;
    struct stored_policy kept = {0};
    struct manifest m;
    struct buf why = {0};
    if (l->policy_digest.len != 32 ||
        memcmp(digest, policy_digest(h->policy), 32) == 0)
        return h->policy;
    for (size_t i = 0; i < r->old_count; i++)
        if (memcmp(digest, policy_digest(r->old[i]), 32) == 0)
            return r->old[i];
    struct policy *p = NULL;
    if (r->old_count < POLICIES &&
        store_policy_get(h->store, digest, &kept) == ERR_OK &&
        policy_of_pack(&kept, &p, &m, &why) == ERR_OK)
        r->old[r->old_count++] = p;
    stored_policy_fini(&kept);
    buf_fini(&why);
    return p != NULL ? p : h->policy;
}

static void add_base64(struct buf *j, struct slice s)
{
    char text[sodium_base64_ENCODED_LEN(4096, sodium_base64_VARIANT_ORIGINAL)];
    if (s.n > 4096)
        return;
    sodium_bin2base64(text, sizeof(text), s.p, s.n,
                      sodium_base64_VARIANT_ORIGINAL);
    buf_addf(j, "\"%s\"", text);
}

/* Where the entry is in the tree of the head: with its bytes, or, when
 * somebody else or staff is in them, with their hash alone. */
static enum err add_proof(struct hub *h, const struct reporting *r,
                          const struct report_row *row, struct slice bytes,
                          struct buf *j)
{
    struct hash path[PROOF_MAX], leaf = proof_leaf(bytes);
    size_t n;
    enum err e =
        merkle_inclusion_near(store_merkle(h->store), row->leaf, r->size,
                              store_tile, h->store, r->near, path, &n);
    if (e != ERR_OK)
        return e;
    buf_adds(j, ",\"proof\":[");
    for (size_t i = 0; i < n; i++) {
        buf_adds(j, i > 0 ? "," : "");
        add_base64(j, slice_of(path[i].b, HASH_BYTES));
    }
    bool whole = !row->masked && !row->staff && !row->others;
    buf_addf(j, "],\"%s\":", whole ? "bytes" : "hash");
    add_base64(j, whole ? bytes : slice_of(leaf.b, HASH_BYTES));
    return ERR_OK;
}

static void add_columns(const struct report_row *row, struct buf *j)
{
    buf_addf(j, "{\"section\":\"%s\"", report_section_name(row->section));
    for (int c = 0; c < REPORT_COLUMNS; c++)
        ask_add_text(j, report_column_name((enum report_column)c),
                     row->text[c].n > 0 ? (const char *)row->text[c].p : "");
}

static enum err add_row(struct hub *h, const struct reporting *r,
                        const struct report_row *row, struct slice bytes,
                        struct buf *j)
{
    add_columns(row, j);
    enum err e = ERR_OK;
    if (row->section != REPORT_DELAYED) {
        buf_addf(j, ",\"leaf\":%" PRIu64 ",\"kind\":\"%s\"", row->leaf,
                 row->kind);
        ask_add_text(j, "agency_code", row->masked ? "" : row->agency);
        ask_add_time(j, "at", row->time_ms);
        e = add_proof(h, r, row, bytes, j);
    }
    buf_adds(j, "}");
    return e;
}

static enum err sender_of(struct hub *h, const Pb__AuditLeaf *l,
                          char from[AGENCY_MAX])
{
    struct id event_id;
    bool found;
    if (l->event_id.len != ID_BYTES)
        return ERR_OK;
    memcpy(event_id.b, l->event_id.data, ID_BYTES);
    return store_event_agency(h->store, event_id, from, &found);
}

/* *added false: the entry is no line. */
static enum err tell(struct hub *h, struct reporting *r, uint64_t index,
                     struct report_row *row, bool *added, struct buf *j)
{
    struct buf bytes = {0};
    Pb__AuditLeaf *l = NULL;
    struct delay late;
    char from[AGENCY_MAX] = "";
    bool delayed;
    enum err e = leaf_open(h, index, &bytes, &l);
    if (e == ERR_OK)
        e = store_delay_get(h->store, index, &late, &delayed);
    if (e == ERR_OK)
        e = sender_of(h, l, from);
    if (e == ERR_OK) {
        struct report_view v = {cited(h, r, l), h->registry, r->grants,
                                r->grant_count, from};
        e = delayed && japan_day(h->now_ms) < late.until_day
                ? report_row_delayed(&v, late.until_day, late.basis, row)
                : report_row(&v, l, row);
    }
    *added = e == ERR_OK;
    if (e == ERR_OK)
        e = add_row(h, r, row, buf_slice(&bytes), j);
    leaf_close(&l);
    buf_fini(&bytes);
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

static enum err find_next(struct hub *h, struct reporting *r, struct subject *s,
                          uint64_t from)
{
    enum err e =
        store_index_next(h->store, s->handle.b, from, &s->next, &s->more);
    s->more = s->more && s->next < r->size;
    return e;
}

/* The handle whose next leaf comes first; NULL: no more. */
static struct subject *first_of(struct reporting *r)
{
    struct subject *first = NULL;
    for (size_t i = 0; i < r->subjects; i++) {
        struct subject *s = &r->subject[i];
        if (s->more && (first == NULL || s->next < first->next))
            first = s;
    }
    return first;
}

static enum err add_rows(struct hub *h, struct reporting *r, struct buf *j)
{
    struct report_row row = {0};
    struct subject *s;
    enum err e = ERR_OK;
    bool added = false;
    size_t n = 0;
    r->near = calloc(1, sizeof(*r->near));
    if (r->near == NULL)
        return ERR_NOMEM;
    for (size_t i = 0; i < r->subjects && e == ERR_OK; i++)
        e = find_next(h, r, &r->subject[i], r->after);
    buf_adds(j, ",\"rows\":[");
    while (e == ERR_OK && (s = first_of(r)) != NULL && n < ROWS_AT_ONCE &&
           j->n < ANSWER_BYTES) {
        size_t before = j->n;
        buf_adds(j, n > 0 ? "," : "");
        e = tell(h, r, s->next, &row, &added, j);
        n += added;
        if (e == ERR_OK && !added)
            j->n = before;
        r->after = s->next + 1;
        if (e == ERR_OK)
            e = find_next(h, r, s, r->after);
    }
    buf_addf(j, "],\"after\":%" PRIu64 ",\"more\":%s}", r->after,
             first_of(r) != NULL ? "true" : "false");
    report_row_fini(&row);
    return e;
}

/* ---- the answer ---- */

static enum err add_first(struct hub *h, const struct reporting *r,
                          struct buf *j)
{
    uint64_t total = 0;
    struct buf vkey = {0};
    enum err e = ERR_OK;
    for (size_t i = 0; i < r->subjects && e == ERR_OK; i++) {
        uint64_t n;
        e = store_index_count(h->store, r->subject[i].handle.b, r->size, &n);
        total += n;
    }
    checkpoint_vkey(h->config.origin, h->log_keys.pub.sign, &vkey);
    buf_addf(j, ",\"total\":%" PRIu64, total);
    ask_add_text(j, "agency", r->who->name_ja);
    ask_add_text(j, "origin", h->config.origin);
    ask_add_text(j, "note", h->note.n > 0 ? (const char *)h->note.p : "");
    ask_add_text(j, "vkey", vkey.failed ? "" : (const char *)vkey.p);
    ask_add_time(j, "made", h->now_ms);
    if (r->by_order)
        buf_addf(j, ",\"erased\":{\"leaf\":%" PRIu64 "", r->erased_leaf);
    if (r->by_order && r->erased_ms != 0)
        ask_add_time(j, "at", r->erased_ms);
    buf_adds(j, r->by_order ? "}" : "");
    buf_fini(&vkey);
    return e;
}

static enum err answer(struct hub *h, struct reporting *r, struct buf *j)
{
    buf_addf(j,
             "{\"schema\":\"tsunagi.report/1\",\"report\":%" PRIu64
             ",\"size\":%" PRIu64,
             r->report, r->size);
    enum err e = r->first ? add_first(h, r, j) : ERR_OK;
    return e != ERR_OK ? e : add_rows(h, r, j);
}

/* Finds and decides whatever the outcome; the leaf says which it was. */
static enum err open_report(struct hub *h, struct reporting *r)
{
    enum err e = load_subject(h, r);
    bool may = (e == ERR_OK || e == ERR_NOT_FOUND) && decide(h, r);
    if (e == ERR_OK && !may)
        e = ERR_NOT_FOUND;
    if (!r->first)
        return e != ERR_OK ? e : check_page(h, r);
    if (e == ERR_OK || e == ERR_NOT_FOUND) {
        enum err leafed = leaf_report(h, r, e);
        e = leafed != ERR_OK ? leafed : e;
    }
    r->size = signer_size(h->signer);
    return e;
}

static void reporting_fini(struct reporting *r)
{
    free(r->grants);
    free(r->subject);
    free(r->near);
    for (size_t i = 0; i < r->old_count; i++)
        policy_free(&r->old[i]);
}

static enum err report(struct hub *h, struct reporting *r, struct buf *j)
{
    uint64_t indexed;
    if (!h->clock_ok)
        return ERR_POL_CLOCK;
    if (!turn_begin(h))
        return h->broken;
    enum err e = store_index_more(h->store, INDEX_AT_ONCE, &indexed);
    if (e == ERR_OK && indexed < store_log_size(h->store)) {
        buf_addf(j,
                 "{\"schema\":\"tsunagi.report/1\",\"indexed\":%" PRIu64
                 ",\"of\":%" PRIu64 "}",
                 indexed, store_log_size(h->store));
        return ERR_OK;
    }
    if (e == ERR_OK)
        e = open_report(h, r);
    return e != ERR_OK ? e : answer(h, r, j);
}

enum err ask_report(struct hub *h, const struct node *who, const Pb__Ask *a,
                    struct buf *j)
{
    struct reporting r = {.who = who->agency, .node = who->pub.node};
    enum err e = read_question(a, &r);
    if (e == ERR_OK)
        e = read_actor(a, &r);
    if (e == ERR_OK)
        e = report(h, &r, j);
    reporting_fini(&r);
    return e;
}

enum err ask_report_control(struct hub *h, const Pb__Ask *a, struct buf *j)
{
    struct reporting r = {
        .who = registry_agency(h->registry, ask_argument(a, "agency")),
        .node = HUB_NODE};
    enum err e = read_question(a, &r);
    if (e == ERR_OK)
        e = report(h, &r, j);
    reporting_fini(&r);
    return e;
}
