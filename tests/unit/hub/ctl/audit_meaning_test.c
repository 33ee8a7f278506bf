/* audit_meaning_test.c - a small log that keeps every rule, and copies of it
 * that each break one: the rule broken is found, by its name, and nothing is
 * found in the unharmed one. */
#include "hub/ctl/audit.h"
#include "proto/wire/sign.h"
#include "proto/wire/unpack.h"
#include "tsunagi/v1/wire.pb-c.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
/* cmocka needs the ones above */
#include <cmocka.h>

#define ORIGIN "kakuu.example/log"
#define P1 "WO-4931000014"
#define P2 "MI-4910100025"
#define T0 UINT64_C(1774969200000) /* 2026-04-01 00:00 in Japan */
#define HOUR UINT64_C(3600000)
#define TEXT(s) ((char *)(uintptr_t)(s))

enum {
    POLICY,
    NODE,
    NODE2,
    GRANT,
    INGEST,
    DECISION,
    RELEASE,
    DELIVERED,
    READ,
    OPEN,
    EXTEND,
    ASKED, /* a decision by break-glass */
    CLOSE,
    REVIEW,
    REVOKE,
    RECALL,
    ANSWER,
    WITHHELD,
    ERASE,
    ERASED,
    EPOCH,
    END,
    LEAVES
};
struct log {
    Pb__AuditLeaf leaf[LEAVES];
    uint64_t ref[LEAVES][2];
    ProtobufCBinaryData consent;
    char *approver[2], *basis[1];
    uint8_t event[16], digest[32], person[16], staff[16], other[32];
    uint8_t ack[LEAVES][128], signature[LEAVES][64], sha[32];
    struct node_keys keys, stranger;
    const struct node_keys *signer;
    bool sign_other_leaf, sign_other_answer, answers_other_order;
    char origin[64];
    uint64_t begins; /* time of the first leaf */
    struct audit_findings found;
};

static ProtobufCBinaryData bytes(uint8_t *p, size_t n)
{
    return (ProtobufCBinaryData){n, p};
}

static Pb__AuditLeaf *kind(struct log *l, size_t at, Pb__LeafKind k)
{
    Pb__AuditLeaf *f = &l->leaf[at];
    f->has_kind = 1;
    f->kind = k;
    return f;
}

static void refer(struct log *l, size_t at, uint64_t a, uint64_t b)
{
    l->ref[at][0] = a;
    l->ref[at][1] = b;
    l->leaf[at].n_ref = b != 0 ? 2 : 1;
    l->leaf[at].ref = l->ref[at];
}

/* Of this event, person and agency, by this node. */
static Pb__AuditLeaf *about(struct log *l, size_t at, Pb__LeafKind k)
{
    Pb__AuditLeaf *f = kind(l, at, k);
    f->has_event_id = f->has_subject_handle = 1;
    f->event_id = bytes(l->event, 16);
    f->subject_handle = bytes(l->person, 16);
    f->peer = TEXT(P1);
    f->node = TEXT("w1");
    return f;
}

static Pb__AuditLeaf *decided(struct log *l, size_t at, Pb__LeafKind k,
                              uint64_t released)
{
    Pb__AuditLeaf *f = about(l, at, k);
    f->n_consent = 1;
    f->consent = &l->consent;
    f->has_policy_digest = f->has_released = f->has_withheld = 1;
    f->has_outcome = f->outcome = 1;
    f->policy_digest = bytes(l->digest, 32);
    f->purpose = TEXT("P_DIS");
    f->released = released;
    f->withheld = 0x10;
    return f;
}

static void tell_beginning(struct log *l)
{
    Pb__AuditLeaf *f = kind(l, POLICY, PB__LEAF_KIND__POLICY_ACTIVATE);
    f->has_policy_digest = 1;
    f->policy_digest = bytes(l->digest, 32);
    f->n_approved_by = 2;
    f->approved_by = l->approver;
    f = kind(l, NODE, PB__LEAF_KIND__NODE_CHANGE);
    f->node = TEXT("w1");
    f->peer = TEXT(P1);
    f->reason = TEXT("ACTIVE");
    f->has_sign_key = 1;
    f->sign_key = bytes(l->keys.pub.sign, KEY_BYTES);
    f = kind(l, NODE2, PB__LEAF_KIND__NODE_CHANGE);
    f->node = TEXT("h2");
    f->peer = TEXT(P2);
    f->reason = TEXT("ACTIVE");
    f = about(l, GRANT, PB__LEAF_KIND__CONSENT_GRANT);
    f->peer = NULL;
    f->n_consent = 1;
    f->consent = &l->consent;
    f = kind(l, INGEST, PB__LEAF_KIND__INGEST);
    f->node = TEXT("w1");
    f->has_outcome = f->outcome = 1;
}

static void tell_delivery(struct log *l)
{
    decided(l, DECISION, PB__LEAF_KIND__DECISION, 0x0e)->phase = TEXT("ROUTE");
    refer(l, DECISION, INGEST, 0);
    decided(l, RELEASE, PB__LEAF_KIND__RELEASE, 0x06)->phase = TEXT("RELEASE");
    refer(l, RELEASE, DECISION, 0);
    about(l, DELIVERED, PB__LEAF_KIND__DELIVERED);
    refer(l, DELIVERED, RELEASE, 0);
    decided(l, READ, PB__LEAF_KIND__READ, 0x02)->phase = TEXT("READ");
    refer(l, READ, RELEASE, 0);
}

static Pb__AuditLeaf *glass(struct log *l, size_t at, Pb__LeafKind k,
                            uint64_t until)
{
    Pb__AuditLeaf *f = about(l, at, k);
    refer(l, at, INGEST, OPEN);
    f->has_actor = f->has_valid_until_ms = 1;
    f->actor = bytes(l->staff, 16);
    f->valid_until_ms = until;
    return f;
}

static void tell_glass(struct log *l)
{
    uint64_t t = T0 + OPEN;
    glass(l, OPEN, PB__LEAF_KIND__BREAKGLASS_OPEN, t + HOUR / 2)->n_ref = 1;
    glass(l, EXTEND, PB__LEAF_KIND__BREAKGLASS_OPEN, t + HOUR);
    decided(l, ASKED, PB__LEAF_KIND__DECISION, 2)->n_consent = 0;
    refer(l, ASKED, INGEST, OPEN);
    glass(l, CLOSE, PB__LEAF_KIND__BREAKGLASS_CLOSE, t + HOUR)->node =
        TEXT("hub");
    l->leaf[CLOSE].time_ms = t + HOUR;
    Pb__AuditLeaf *f = glass(l, REVIEW, PB__LEAF_KIND__REVIEW, t + HOUR);
    f->actor = bytes(l->other, 16);
    f->node = TEXT("h2");
    f->reason = TEXT("JUSTIFIED");
    f->time_ms = t + 71 * HOUR;
}

static void tell_end(struct log *l)
{
    Pb__AuditLeaf *f = about(l, REVOKE, PB__LEAF_KIND__CONSENT_REVOKE);
    f->peer = NULL;
    f->n_consent = 1;
    f->consent = &l->consent;
    about(l, RECALL, PB__LEAF_KIND__RECALL)->node = NULL;
    refer(l, RECALL, RELEASE, 0);
    f = about(l, ANSWER, PB__LEAF_KIND__RECALL);
    f->phase = TEXT("ANSWER");
    f->reason = TEXT("DELETED");
    refer(l, ANSWER, RELEASE, RECALL);
    about(l, WITHHELD, PB__LEAF_KIND__WITHHELD)->node = NULL;
    refer(l, WITHHELD, DECISION, 0);
    f = kind(l, ERASE, PB__LEAF_KIND__ERASE_BEGIN);
    f->has_subject_handle = 1;
    f->subject_handle = bytes(l->person, 16);
    f = about(l, ERASED, PB__LEAF_KIND__RECALL);
    f->phase = TEXT("ERASE");
    f->reason = TEXT("DELETED");
    f->has_order = 1;
    f->order = bytes(l->event, 16);
    f = kind(l, EPOCH, PB__LEAF_KIND__EPOCH_START);
    f->origin = l->origin;
    f->has_previous_size = f->has_previous_sha256 = 1;
    f->previous_size = EPOCH + 3;
    f->previous_sha256 = bytes(l->digest, 32);
    f->has_order = 1;
    f->order = bytes(l->event, 16);
    kind(l, END, PB__LEAF_KIND__REPORT);
}

static struct log *log_new(void)
{
    struct log *l = calloc(1, sizeof(*l));
    assert_non_null(l);
    assert_int_equal(sign_init(), ERR_OK);
    memset(l->event, 1, sizeof(l->event));
    memset(l->digest, 2, sizeof(l->digest));
    memset(l->person, 3, sizeof(l->person));
    memset(l->other, 4, sizeof(l->other));
    memset(l->staff, 5, sizeof(l->staff));
    snprintf(l->origin, sizeof(l->origin), ORIGIN);
    l->consent = bytes(l->person, 16);
    l->basis[0] = TEXT("LB_CONSENT");
    l->approver[0] = TEXT("approver-a+0102");
    l->approver[1] = TEXT("approver-b+0304");
    keys_make(&l->keys, "w1");
    keys_make(&l->stranger, "w1");
    l->signer = &l->keys;
    l->begins = T0;
    for (size_t i = 0; i < LEAVES; i++)
        pb__audit_leaf__init(&l->leaf[i]);
    tell_beginning(l);
    tell_delivery(l);
    tell_glass(l);
    tell_end(l);
    return l;
}

/* ---- signed as a node signs ---- */

static void sign(struct log *l, size_t at, const ProtobufCMessage *m,
                 enum sign_what what)
{
    Pb__AuditLeaf *f = &l->leaf[at];
    struct buf b = {0};
    assert_int_equal(pack(m, &b), ERR_OK);
    assert_true(b.n <= sizeof(l->ack[at]));
    memcpy(l->ack[at], b.p, b.n);
    assert_int_equal(sign_make(what, buf_slice(&b), l->signer->sign_secret,
                               l->signature[at]),
                     ERR_OK);
    f->has_signed_ = f->has_signature = 1;
    f->signed_ = bytes(l->ack[at], b.n);
    f->signature = bytes(l->signature[at], SIGNATURE_BYTES);
    buf_fini(&b);
}

static void sign_ack(struct log *l, size_t at, Pb__RecallOutcome outcome)
{
    Pb__AckBody body = PB__ACK_BODY__INIT;
    struct buf released = {0};
    assert_int_equal(pack(&l->leaf[RELEASE].base, &released), ERR_OK);
    sha256(buf_slice(&released), l->sha);
    buf_fini(&released);
    l->sha[0] ^= l->sign_other_leaf;
    body.has_delivery_id = body.has_sha256 = 1;
    body.delivery_id = bytes(l->event, 16);
    body.sha256 = bytes(l->sha, 32);
    body.has_recalled = outcome != 0;
    body.recalled = outcome;
    sign(l, at, &body.base, SIGN_ACK);
}

static void sign_erased(struct log *l)
{
    Pb__EraseAnswer answer = PB__ERASE_ANSWER__INIT;
    answer.has_order = answer.has_outcome = 1;
    answer.order = bytes(l->answers_other_order ? l->other : l->event, 16);
    answer.outcome = PB__RECALL_OUTCOME__RECALL_DELETED;
    sign(l, ERASED, &answer.base, SIGN_ERASE);
}

/* ---- read as the program reads ---- */

static void read_log(struct log *l)
{
    struct meaning *m = NULL;
    uint64_t last = l->begins;
    for (size_t i = 0; i < LEAVES; i++) {
        Pb__AuditLeaf *f = &l->leaf[i];
        f->has_index = f->has_time_ms = 1;
        f->index = i;
        last = f->time_ms > last ? f->time_ms : last + 1;
        f->time_ms = last;
    }
    sign_ack(l, DELIVERED, 0);
    sign_ack(l, ANSWER,
             l->sign_other_answer ? PB__RECALL_OUTCOME__RECALL_HANDED_OVER
                                  : PB__RECALL_OUTCOME__RECALL_DELETED);
    sign_erased(l);
    assert_int_equal(meaning_open(LEAVES, ORIGIN, &l->found, &m), ERR_OK);
    for (size_t i = 0; i < LEAVES; i++) {
        struct buf b = {0};
        assert_int_equal(pack(&l->leaf[i].base, &b), ERR_OK);
        assert_int_equal(meaning_take(m, &l->leaf[i], buf_slice(&b)), ERR_OK);
        buf_fini(&b);
    }
    assert_int_equal(meaning_close(&m), ERR_OK);
}

/* ---- one rule broken ---- */

static void one_approver(struct log *l)
{
    l->approver[1] = l->approver[0];
}
static void unknown_policy(struct log *l)
{
    l->leaf[RELEASE].policy_digest = bytes(l->other, 32);
}
static void policy_of_before(struct log *l)
{
    Pb__AuditLeaf *f = &l->leaf[INGEST];
    *f = l->leaf[POLICY];
    f->policy_digest = bytes(l->other, 32);
}
static void undecided(struct log *l)
{
    l->leaf[RELEASE].n_ref = 0;
}
static void decided_later(struct log *l)
{
    refer(l, RELEASE, LEAVES + 5, 0);
}
static void for_another_event(struct log *l)
{
    l->leaf[RELEASE].event_id = bytes(l->other, 16);
}
static void for_another_agency(struct log *l)
{
    l->leaf[DECISION].peer = TEXT(P2);
}
static void for_another_purpose(struct log *l)
{
    l->leaf[DECISION].purpose = TEXT("P_EMG");
}
static void about_another_person(struct log *l)
{
    l->leaf[DECISION].subject_handle = bytes(l->other, 16);
}
static void handle_of_the_quarter_before(struct log *l)
{
    l->begins = T0 - 1000;
    l->leaf[RELEASE].time_ms = T0;
    l->leaf[OPEN].time_ms = T0 + OPEN;
    l->leaf[DECISION].subject_handle = bytes(l->other, 16);
}
static void decided_as_no(struct log *l)
{
    l->leaf[DECISION].outcome = 0;
}
static void decided_long_ago(struct log *l)
{
    l->leaf[RELEASE].time_ms = T0 + DECISION + 15 * 24 * HOUR;
}
static void more_than_decided(struct log *l)
{
    l->leaf[RELEASE].released |= 0x40;
}
static void released_and_withheld(struct log *l)
{
    l->leaf[RELEASE].withheld |= 0x02;
}
static void withdrawn_before(struct log *l)
{
    l->leaf[INGEST] = l->leaf[REVOKE];
}
static void all_withdrawn_before(struct log *l)
{
    withdrawn_before(l);
    l->leaf[INGEST].n_consent = 0;
}
static void consent_never_given(struct log *l)
{
    kind(l, GRANT, PB__LEAF_KIND__REPORT);
}
static void consent_not_named(struct log *l)
{
    l->leaf[RELEASE].n_consent = 0;
    l->leaf[RELEASE].n_basis = 1;
    l->leaf[RELEASE].basis = l->basis;
}
static void delivered_unreleased(struct log *l)
{
    l->leaf[DELIVERED].n_ref = 0;
}
static void node_revoked(struct log *l)
{
    l->leaf[NODE].reason = TEXT("REVOKED");
}
static void node_of_another(struct log *l)
{
    l->leaf[NODE].peer = TEXT(P2);
}
static void read_unreleased(struct log *l)
{
    l->leaf[READ].n_ref = 0;
}
static void read_of_more(struct log *l)
{
    l->leaf[READ].released = 0x08;
}
static void read_after_the_recall(struct log *l)
{
    l->leaf[INGEST] = l->leaf[RECALL]; /* no place between them: at READ's */
    l->leaf[END] = l->leaf[READ];
    kind(l, INGEST, PB__LEAF_KIND__REPORT);
    l->leaf[END].n_consent = 0;
    kind(l, ERASE, PB__LEAF_KIND__REPORT);
}
static void recalled_unreleased(struct log *l)
{
    refer(l, RECALL, DECISION, 0);
}
static void answered_unrecalled(struct log *l)
{
    refer(l, ANSWER, RELEASE, 0);
}
static void withheld_undecided(struct log *l)
{
    refer(l, WITHHELD, INGEST, 0);
}
static void signed_by_another(struct log *l)
{
    l->signer = &l->stranger;
}
static void of_another_leaf(struct log *l)
{
    l->sign_other_leaf = true;
}
static void another_answer(struct log *l)
{
    l->sign_other_answer = true;
}
static void without_a_key(struct log *l)
{
    l->leaf[NODE].has_sign_key = 0;
    l->leaf[NODE].sign_key = (ProtobufCBinaryData){0, NULL};
}
static void opened_for_two_hours(struct log *l)
{
    l->leaf[OPEN].valid_until_ms += 2 * HOUR;
}
static void extended_by_another(struct log *l)
{
    l->leaf[EXTEND].actor = bytes(l->other, 16);
}
static void extended_twice(struct log *l)
{
    l->leaf[ASKED] = l->leaf[EXTEND];
}
static void asked_after_its_end(struct log *l)
{
    l->leaf[ASKED].time_ms = T0 + OPEN + 2 * HOUR;
    l->leaf[CLOSE].time_ms = 0;
}
static void never_ended(struct log *l)
{
    kind(l, CLOSE, PB__LEAF_KIND__REPORT);
}
static void never_reviewed(struct log *l)
{
    l->leaf[REVIEW].reason = TEXT("NEED_INFO");
    l->leaf[END].time_ms = T0 + 80 * HOUR;
}
static void reviewed_late(struct log *l)
{
    l->leaf[REVIEW].time_ms = T0 + 80 * HOUR;
}
static void reviewed_by_itself(struct log *l)
{
    l->leaf[REVIEW].actor = bytes(l->staff, 16);
}
static void reviewed_at_home(struct log *l)
{
    l->leaf[REVIEW].node = TEXT("w1");
}
static void not_yet_due(struct log *l)
{
    kind(l, REVIEW, PB__LEAF_KIND__REPORT);
}
static void released_after_erasure(struct log *l)
{
    kind(l, INGEST, PB__LEAF_KIND__ERASE_BEGIN);
    l->leaf[INGEST].has_subject_handle = 1;
    l->leaf[INGEST].subject_handle = bytes(l->person, 16);
}
/* In the quarter before, by its handle of then. */
static void erased_the_quarter_before(struct log *l, const char *reason)
{
    l->begins = T0 - 20;
    l->leaf[READ].subject_handle = bytes(l->other, 16);
    l->leaf[READ].time_ms = T0 + READ;
    l->leaf[DELIVERED] = *kind(l, ERASE, PB__LEAF_KIND__ERASE_BEGIN);
    l->leaf[DELIVERED].reason = TEXT(reason);
}
static void read_after_erasure_by_a_new_handle(struct log *l)
{
    erased_the_quarter_before(l, "ERASED");
}
static void read_after_a_quarter_expired(struct log *l)
{
    erased_the_quarter_before(l, "EXPIRED");
}
static void extended_for_another_person(struct log *l)
{
    l->leaf[EXTEND].subject_handle = bytes(l->other, 16);
    l->leaf[ASKED].subject_handle = bytes(l->other, 16);
    refer(l, ASKED, INGEST, EXTEND);
}
static void extended_for_another_agency(struct log *l)
{
    l->leaf[EXTEND].peer = TEXT(P2);
    l->leaf[EXTEND].node = TEXT("h2");
}
static void released_to_no_node(struct log *l)
{
    l->leaf[RELEASE].node = TEXT("hub");
}
static void read_by_no_node(struct log *l)
{
    l->leaf[READ].node = NULL;
}
static void read_of_no_event(struct log *l)
{
    l->leaf[READ].has_event_id = 0;
    l->leaf[READ].event_id = (ProtobufCBinaryData){0, NULL};
}
static void answered_by_another_node(struct log *l)
{
    l->leaf[ANSWER].node = TEXT("h2");
    l->leaf[ANSWER].has_outcome = 1;
    l->leaf[ANSWER].outcome = 0;
}
static void answers_another_order(struct log *l)
{
    l->answers_other_order = true;
}
static void says_more_than_it_answered(struct log *l)
{
    l->leaf[ERASED].reason = TEXT("HANDED_OVER");
}
static void epoch_nobody_ordered(struct log *l)
{
    l->leaf[EPOCH].has_order = 0;
    l->leaf[EPOCH].order = (ProtobufCBinaryData){0, NULL};
}
static void head_of_another_epoch(struct log *l)
{
    snprintf(l->origin, sizeof(l->origin), "kakuu.example/log2");
}
static void epoch_without_the_one_before(struct log *l)
{
    l->leaf[EPOCH].has_previous_sha256 = 0;
    l->leaf[EPOCH].previous_sha256 = (ProtobufCBinaryData){0, NULL};
}

static const struct {
    const char *name, *rule; /* NULL: nothing is found */
    void (*change)(struct log *l);
} CASES[] = {
    {"I1 nobody decided", "M-1", undecided},
    {"I1 decided by a leaf that is not there", "M-1", decided_later},
    {"I1 decided for another event", "M-1", for_another_event},
    {"I1 decided for another agency", "M-1", for_another_agency},
    {"I1 decided for another purpose", "M-1", for_another_purpose},
    {"I1 decided about another person", "M-1", about_another_person},
    {"I1 a handle of the quarter before", NULL, handle_of_the_quarter_before},
    {"I1 the decision was no", "M-1", decided_as_no},
    {"I1 decided more than 14 days before", "M-1", decided_long_ago},
    {"I1 a read of nothing released", "M-8", read_unreleased},
    {"I2 more than was decided", "M-7", more_than_decided},
    {"I2 released and withheld", "M-2", released_and_withheld},
    {"I2 more read than released", "M-9", read_of_more},
    {"I2 read after it was called back", "M-9", read_after_the_recall},
    {"I3 after the withdrawal", "M-3", withdrawn_before},
    {"I3 after a withdrawal of all", "M-3", all_withdrawn_before},
    {"I3 a consent never given", "M-3", consent_never_given},
    {"I3 a consent that is not named", "M-3", consent_not_named},
    {"I4 a policy never activated", "M-4", unknown_policy},
    {"I4 a policy no longer in force", "M-4", policy_of_before},
    {"I4 one approver, twice", "M-16", one_approver},
    {"I5 open for two hours", "M-13", opened_for_two_hours},
    {"I5 extended by another person", "M-13", extended_by_another},
    {"I5 extended twice", "M-13", extended_twice},
    {"I5 used after its end", "M-13", asked_after_its_end},
    {"I5 never ended", "M-17", never_ended},
    {"I5 a question back is no review", "M-17", never_reviewed},
    {"I5 reviewed after 72 hours", "M-17", reviewed_late},
    {"I5 reviewed by the one who opened it", "M-17", reviewed_by_itself},
    {"I5 reviewed by the same agency", "M-17", reviewed_at_home},
    {"I5 not due at the end of the log", NULL, not_yet_due},
    {"I6 released after an erasure", "M-14", released_after_erasure},
    {"I6 read after an erasure, by a handle that is new", "M-14",
     read_after_erasure_by_a_new_handle},
    {"I6 only a quarter's content had run out", NULL,
     read_after_a_quarter_expired},
    {"I5 extended for another person", "M-13", extended_for_another_person},
    {"I5 extended for another agency", "M-13", extended_for_another_agency},
    {"I7 released to no node", "M-6", released_to_no_node},
    {"I7 read by no node", "M-6", read_by_no_node},
    {"I7 an answer of another's node, said to be refused", "M-6",
     answered_by_another_node},
    {"I1 a read that names no event", "M-8", read_of_no_event},
    {"I8 an answer to another order", "M-12", answers_another_order},
    {"I8 another end of an erasure than was signed", "M-12",
     says_more_than_it_answered},
    {"an epoch that nobody ordered", "M-15", epoch_nobody_ordered},
    {"I7 a revoked node", "M-6", node_revoked},
    {"I7 a node of another agency", "M-6", node_of_another},
    {"I8 signed by another key", "M-12", signed_by_another},
    {"I8 a receipt of another leaf", "M-12", of_another_leaf},
    {"I8 another answer than the leaf says", "M-12", another_answer},
    {"I8 a node without a key", "M-12", without_a_key},
    {"delivered, never released", "M-5", delivered_unreleased},
    {"called back, never released", "M-10", recalled_unreleased},
    {"an answer to no recall", "M-10", answered_unrecalled},
    {"withheld, never decided", "M-11", withheld_undecided},
    {"a head of another epoch", "M-15", head_of_another_epoch},
    {"an epoch out of nothing", "M-15", epoch_without_the_one_before},
};

static bool has_rule(const struct audit_findings *f, const char *rule)
{
    for (size_t i = 0; i < f->count && i < FINDINGS_KEPT; i++)
        if (strcmp(f->kept[i].rule, rule) == 0)
            return true;
    return false;
}

static void each_rule_broken_is_found(void **state)
{
    (void)state;
    for (size_t i = 0; i < NELEM(CASES); i++) {
        struct log *l = log_new();
        CASES[i].change(l);
        read_log(l);
        if (CASES[i].rule == NULL && l->found.count != 0)
            fail_msg("%s: leaf %d: %s", CASES[i].name,
                     (int)l->found.kept[0].leaf, l->found.kept[0].en);
        if (CASES[i].rule != NULL && !has_rule(&l->found, CASES[i].rule))
            fail_msg("%s: not found", CASES[i].name);
        free(l);
    }
}

static void nothing_is_found_in_a_log_that_keeps_them(void **state)
{
    (void)state;
    struct log *l = log_new();
    read_log(l);
    if (l->found.count != 0)
        fail_msg("leaf %d: %s %s", (int)l->found.kept[0].leaf,
                 l->found.kept[0].rule, l->found.kept[0].en);
    free(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_found_in_a_log_that_keeps_them),
        cmocka_unit_test(each_rule_broken_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
