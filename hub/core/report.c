/* report.c - what a leaf says, in words for the person it is about.
 *
 * A table gives each kind of leaf its section and its sentence; the columns
 * are then filled from what the leaf has. Rules and grounds are read from the
 * policy that the leaf cites, so an old entry is told by the words of its day.
 *
 * Masked: who acts or receives as family; what is about third persons and
 * nothing else; a consent that a third person gave. Of those the agency, the
 * role, the kinds and the purpose stay empty. In other lines a class about
 * third persons is "something about another person". */
#include "hub/core/report.h"
#include "hub/core/order.h"
#include "proto/base/date.h"
#include "proto/wire/unpack.h"
#include "tsunagi/v1/glass.pb-c.h"
#include <stdio.h>
#include <string.h>

#define RELATIVE "R_FAMILY" /* the role that a relative acts in */
#define HUB_NAME "つなぎ(この仕組み)"

static const char *const SECTION[REPORT_SECTIONS] = {
    [REPORT_DELIVERIES] = "deliveries", [REPORT_READS] = "reads",
    [REPORT_REFUSALS] = "refusals",     [REPORT_GLASS] = "break_glass",
    [REPORT_CONSENTS] = "consents",     [REPORT_ERASURES] = "erasures",
    [REPORT_LOOKUPS] = "lookups",       [REPORT_STEPS] = "steps",
    [REPORT_DELAYED] = "delayed",
};
static const char *const COLUMN[REPORT_COLUMNS] = {
    [REPORT_AGENCY] = "agency", [REPORT_ROLE] = "role",
    [REPORT_ACT] = "act",       [REPORT_PURPOSE] = "purpose",
    [REPORT_KINDS] = "kinds",   [REPORT_WHY] = "why",
    [REPORT_GROUND] = "ground",
};

const char *report_section_name(enum report_section s)
{
    return SECTION[s];
}

const char *report_column_name(enum report_column c)
{
    return COLUMN[c];
}

void report_row_fini(struct report_row *r)
{
    for (int i = 0; i < REPORT_COLUMNS; i++)
        buf_fini(&r->text[i]);
    memset(r, 0, sizeof(*r));
}

static void clear(struct report_row *r)
{
    struct buf text[REPORT_COLUMNS];
    memcpy(text, r->text, sizeof(text));
    memset(r, 0, sizeof(*r));
    memcpy(r->text, text, sizeof(text));
    for (int i = 0; i < REPORT_COLUMNS; i++)
        buf_reset(&r->text[i]);
}

static enum err finish(const struct report_row *r)
{
    for (int i = 0; i < REPORT_COLUMNS; i++)
        if (r->text[i].failed)
            return ERR_NOMEM;
    return ERR_OK;
}

static const char *or_empty(const char *s)
{
    return s != NULL ? s : "";
}

static bool is(const char *a, const char *b)
{
    return strcmp(or_empty(a), b) == 0;
}

/* ---- what was done ---- */

static const char EVENT[] = "%s"; /* in a sentence: the name of the event */
struct act {
    Pb__LeafKind kind;
    const char *phase; /* NULL: any */
    int outcome;       /* -1: any; else 0 or permitted */
    enum report_section section;
    const char *ja;
};
#define K(name) PB__LEAF_KIND__##name
static const struct act ACTS[] = {
    /* clang-format off */
    {K(RELEASE), NULL, -1, REPORT_DELIVERIES, "%sの知らせを渡しました"},
    {K(RECALL), "ERASE", -1, REPORT_ERASURES, "持っている情報を消すように頼み、返事がありました"},
    {K(RECALL), "ANSWER", -1, REPORT_DELIVERIES, "取り消した知らせについて、返事がありました"},
    {K(RECALL), NULL, -1, REPORT_DELIVERIES, "渡した知らせを取り消しました"},
    {K(DELIVERED), NULL, -1, REPORT_STEPS, "知らせを受け取ったという返事がありました"},
    {K(READ), "PREVIEW", -1, REPORT_LOOKUPS, "%sを送ると何が渡るかを、送る前に確かめました"},
    {K(READ), NULL, 0, REPORT_REFUSALS, "開こうとしましたが、見られませんでした"},
    {K(READ), NULL, -1, REPORT_READS, "%sの知らせを職員が開きました"},
    {K(DECISION), NULL, 0, REPORT_REFUSALS, "%sの知らせを渡しませんでした"},
    {K(DECISION), NULL, -1, REPORT_STEPS, "%sの知らせを渡してよいかを確かめました"},
    {K(WITHHELD), NULL, -1, REPORT_REFUSALS, "渡す前に止めました"},
    {K(CONSENT_GRANT), NULL, -1, REPORT_CONSENTS, "同意を記録しました"},
    {K(CONSENT_REVOKE), NULL, -1, REPORT_CONSENTS, "同意の取り消しを記録しました"},
    {K(CONSENT_REFUSAL), NULL, -1, REPORT_CONSENTS, "同意しないことを記録しました"},
    {K(BREAKGLASS_OPEN), NULL, -1, REPORT_GLASS, "緊急のため、同意なしで見られるようにしました(緊急閲覧)"},
    {K(BREAKGLASS_CLOSE), NULL, -1, REPORT_GLASS, "緊急閲覧が終わりました"},
    {K(REVIEW), NULL, -1, REPORT_GLASS, "この機関の緊急閲覧が正しかったかどうかの、別の機関による点検です"},
    {K(ERASE_BEGIN), NULL, -1, REPORT_ERASURES, "情報を読むための鍵を壊し始めました"},
    {K(ERASE_DONE), NULL, -1, REPORT_ERASURES, "情報を消し終えました"},
    {K(ADMIN), "erase", -1, REPORT_ERASURES, "情報を消すことを、2人が承認しました"},
    {K(ADMIN), "hold", -1, REPORT_ERASURES, "情報を消さずに残すことが決まりました"},
    {K(ADMIN), "lift", -1, REPORT_ERASURES, "消さずに残す決まりを、2人の承認でやめました"},
    {K(ADMIN), "delay", -1, REPORT_ERASURES, "記録の一部を後の日に見せることを、2人が承認しました"},
    {K(REPORT), NULL, 0, REPORT_LOOKUPS, "この記録を取り出そうとしましたが、できませんでした"},
    {K(REPORT), NULL, -1, REPORT_LOOKUPS, "この記録を取り出しました"},
    {K(INGEST), NULL, -1, REPORT_STEPS, "%sの知らせを送り出しました"},
    {K(PERSON_CHANGE), NULL, -1, REPORT_STEPS, "市区町村の登録か、住所の保護を変えました"},
    {K(DEADLINE), NULL, -1, REPORT_STEPS, "決められた期限が来ました"},
    {K(LEAF_PARKED), NULL, -1, REPORT_STEPS, "人が確かめるまで止めておくことにしました"},
}; /* clang-format on */
#undef K
static const struct act OTHER = {0, NULL, -1, REPORT_STEPS,
                                 "そのほかの手続きを記録しました"};

static const struct act *act_of(const Pb__AuditLeaf *l)
{
    for (size_t i = 0; i < NELEM(ACTS); i++) {
        const struct act *a = &ACTS[i];
        if (a->kind == l->kind &&
            (a->phase == NULL || is(l->phase, a->phase)) &&
            (a->outcome < 0 || (l->has_outcome && l->outcome == 0)))
            return a;
    }
    return &OTHER;
}

static const char *event_name(const Pb__AuditLeaf *l)
{
    const struct schema_message *m = schema_event(l->type);
    return m != NULL && m->ja[0] != '\0' ? m->ja : "名前の分からない種類";
}

/* Whose it was, unless it is the one who acts; a relative is not named. */
static void add_sender(const struct report_view *v, const Pb__AuditLeaf *l,
                       struct buf *b)
{
    const struct agency *from = registry_agency(v->registry, v->from);
    if (l->kind == PB__LEAF_KIND__INGEST || from == NULL)
        return;
    if (agency_has_role(from, RELATIVE))
        buf_adds(b, "ほかの人からの");
    else if (strcmp(v->from, HUB_AGENCY) != 0)
        buf_addf(b, "%sからの", from->name_ja);
}

/* The sentence, with the event's name where it has a place for it. */
static void add_act(const struct report_view *v, const struct act *a,
                    const Pb__AuditLeaf *l, struct buf *b)
{
    const char *at = strstr(a->ja, EVENT);
    if (at == NULL) {
        buf_adds(b, a->ja);
        return;
    }
    buf_add(b, a->ja, (size_t)(at - a->ja));
    add_sender(v, l, b);
    buf_addf(b, "「%s」", event_name(l));
    buf_adds(b, at + strlen(EVENT));
}

/* ---- whom it is about besides ---- */

static uint64_t classes_of(const Pb__AuditLeaf *l)
{
    return l->asked | l->released | l->withheld | l->glass;
}

static bool abuse_channel(const Pb__AuditLeaf *l)
{
    const struct schema_message *m =
        l->has_type && l->kind != PB__LEAF_KIND__DEADLINE
            ? schema_event(l->type)
            : NULL;
    uint64_t never = class_bit(PB__DATA_CLASS__G_ABUSE) |
                     class_bit(PB__DATA_CLASS__G_REPORTER);
    return (m != NULL && m->channel[0] != '\0') || (classes_of(l) & never) != 0;
}

static const struct agency *acting(const struct report_view *v,
                                   const Pb__AuditLeaf *l)
{
    const struct node *n =
        l->node != NULL ? registry_node(v->registry, l->node) : NULL;
    if (l->peer != NULL && l->peer[0] != '\0')
        return registry_agency(v->registry, l->peer);
    return n != NULL ? n->agency : NULL;
}

static const struct grant *grant_of(const struct report_view *v,
                                    ProtobufCBinaryData ref)
{
    for (size_t i = 0; i < v->grant_count; i++)
        if (ref.len == ID_BYTES &&
            memcmp(v->grants[i].ref, ref.data, ID_BYTES) == 0)
            return &v->grants[i];
    return NULL;
}

static bool third_persons_consent(const struct report_view *v,
                                  const Pb__AuditLeaf *l)
{
    const struct grant *g =
        l->n_consent > 0 ? grant_of(v, l->consent[0]) : NULL;
    bool about = l->kind == PB__LEAF_KIND__CONSENT_GRANT ||
                 l->kind == PB__LEAF_KIND__CONSENT_REVOKE ||
                 l->kind == PB__LEAF_KIND__CONSENT_REFUSAL;
    return about && g != NULL && g->third;
}

/* The bytes of such a leaf say more than "something about another person". */
static bool others_in(const struct report_view *v, const Pb__AuditLeaf *l)
{
    uint64_t all = classes_of(l) | l->session | l->limit;
    for (size_t i = 0; i < l->n_consent; i++) {
        const struct grant *g = grant_of(v, l->consent[i]);
        if (g != NULL && g->third)
            return true;
    }
    return (all & policy_third(v->policy)) != 0;
}

static bool somebody_else(const struct report_view *v, const Pb__AuditLeaf *l)
{
    const struct agency *a = acting(v, l);
    uint64_t third = policy_third(v->policy);
    uint64_t own = classes_of(l) & ~third & ~policy_companions(v->policy);
    bool told = is(l->role, RELATIVE) ||
                (is(l->role, "") && a != NULL && agency_has_role(a, RELATIVE));
    return told || ((classes_of(l) & third) != 0 && own == 0) ||
           third_persons_consent(v, l);
}

/* ---- columns ---- */

static void add_kind_names(const struct report_view *v, uint64_t classes,
                           struct buf *b)
{
    uint64_t third = policy_third(v->policy);
    const char *comma = "";
    for (unsigned c = 1; c < CLASS_MAX; c++)
        if ((classes & ~third & class_bit(c)) != 0) {
            buf_addf(b, "%s%s", comma, class_ja(c));
            comma = "、";
        }
    if ((classes & third) != 0)
        buf_addf(b, "%sほかの人についての情報", comma);
}

static void add_kinds(const struct report_view *v, const Pb__AuditLeaf *l,
                      const struct act *a, struct buf *b)
{
    uint64_t passed = l->released, not_passed = l->withheld;
    if (a->section == REPORT_GLASS)
        passed = l->glass;
    if (a->section == REPORT_REFUSALS) {
        passed = 0;
        not_passed = l->withheld != 0 ? l->withheld : l->asked;
    }
    if (l->kind == PB__LEAF_KIND__CONSENT_GRANT && l->n_consent > 0) {
        const struct grant *g = grant_of(v, l->consent[0]);
        passed = g != NULL ? g->classes : 0;
    }
    add_kind_names(v, passed, b);
    if (not_passed == 0)
        return;
    buf_adds(b, b->n > 0 ? "(渡さなかったもの: " : "渡さなかったもの: ");
    bool aside = passed != 0;
    add_kind_names(v, not_passed, b);
    buf_adds(b, aside ? ")" : "");
}

static bool rule_named(const struct policy *p, const char *id,
                       struct policy_rule_view *r)
{
    for (size_t i = 0; policy_rule_at(p, i, r); i++)
        if (strcmp(r->id, id) == 0)
            return true;
    return false;
}

static bool contains(const struct buf *b, const char *text)
{
    return b->n > 0 && !b->failed && memmem(b->p, b->n, text, strlen(text));
}

/* Adds a sentence or a word once. */
static void add_once(struct buf *b, const char *between, const char *text)
{
    if (text[0] == '\0' || contains(b, text))
        return;
    buf_addf(b, "%s%s", b->n > 0 ? between : "", text);
}

static const char *ground_word(const char *layer)
{
    static const struct {
        const char *layer, *ja;
    } WORD[] = {
        {"law", "法律などの決まり"},    {"m106", "会議の決まり"},
        {"consent", "本人の同意"},      {"session", "会議などの決まり"},
        {"life", "緊急(命や体を守る)"}, {"breakglass", "緊急(緊急閲覧)"},
    };
    for (size_t i = 0; i < NELEM(WORD); i++)
        if (strcmp(WORD[i].layer, layer) == 0)
            return WORD[i].ja;
    return "";
}

static void add_basis(const struct policy *p, const char *basis, struct buf *b)
{
    const char *article = policy_article(p, basis);
    struct buf t = {0};
    buf_addf(&t, "根拠: %s", policy_label_ja(p, basis));
    if (article[0] != '\0')
        buf_addf(&t, "(%s)", article);
    if (!t.failed)
        add_once(b, " ", (const char *)t.p);
    b->failed |= t.failed;
    buf_fini(&t);
}

/* The sentences of the rules that allowed it, or that did not. */
static void add_rules(const struct report_view *v, const Pb__AuditLeaf *l,
                      bool permit, struct report_row *r)
{
    struct buf *why = &r->text[REPORT_WHY];
    for (size_t i = 0; i < l->n_rule; i++) {
        struct policy_rule_view rule;
        if (!rule_named(v->policy, or_empty(l->rule[i]), &rule) ||
            rule.permit != permit)
            continue;
        add_once(why, "", rule.ja);
        if (permit)
            add_once(&r->text[REPORT_GROUND], "、", ground_word(rule.layer));
    }
}

/* A consent that something rested on, by its own number in the log. */
static void add_consents(const struct report_view *v, const Pb__AuditLeaf *l,
                         struct buf *ground)
{
    for (size_t i = 0; i < l->n_consent; i++) {
        const struct grant *g = grant_of(v, l->consent[i]);
        if (g != NULL && g->third)
            add_once(ground, "、", "ほかの人の同意");
        else if (g != NULL)
            buf_addf(ground, "%s証明番号%llu", ground->n > 0 ? " " : "",
                     (unsigned long long)g->leaf);
    }
}

static void add_refused(const struct report_view *v, const Pb__AuditLeaf *l,
                        struct report_row *r)
{
    add_rules(v, l, false, r);
    if (r->text[REPORT_WHY].n == 0)
        buf_adds(&r->text[REPORT_WHY], err_ja(ERR_POL_NONE));
}

static void add_allowed(const struct report_view *v, const Pb__AuditLeaf *l,
                        struct report_row *r)
{
    add_rules(v, l, true, r);
    for (size_t i = 0; i < l->n_basis; i++)
        add_basis(v->policy, or_empty(l->basis[i]), &r->text[REPORT_WHY]);
    add_consents(v, l, &r->text[REPORT_GROUND]);
}

static void add_day(struct buf *b, int32_t day)
{
    struct date d = date_from_days(day);
    buf_addf(b, "%d年%d月%d日", d.year, d.month, d.day);
}

static void add_period(const struct report_view *v, const Pb__AuditLeaf *l,
                       struct buf *b)
{
    const struct grant *g =
        l->n_consent > 0 ? grant_of(v, l->consent[0]) : NULL;
    if (g == NULL || l->kind != PB__LEAF_KIND__CONSENT_GRANT)
        return;
    add_day(b, g->from_day);
    buf_adds(b, "から");
    add_day(b, g->to_day);
    buf_adds(b, "まで");
}

/* To an erasure: what staff had opened goes, too. */
static const char *erase_answer(const char *reason)
{
    return is(reason, "DELETED") ? "持っていたものを消しました。"
           : is(reason, "HANDED_OVER")
               ? "この仕組みの中にあるものは消しました。その機関が自分の記録に"
                 "うつしたものは、その機関の決まりで残ることがあります。"
           : is(reason, "UNKNOWN") ? "その機関の手元にはありませんでした。"
                                   : "";
}

static const char *recall_answer(const char *reason)
{
    return is(reason, "DELETED") ? "だれも見ないうちに消しました。"
           : is(reason, "HANDED_OVER")
               ? "すでに相手の記録に入っていました。取り消しの印を付けました。"
           : is(reason, "UNKNOWN")
               ? "その知らせは、相手の手元にありませんでした。"
               : "";
}

static const char *erase_reason(const char *reason)
{
    return is(reason, "EXPIRED") ? "置いておく期限が過ぎました。"
           : is(reason, "ERASED") ? "消すことを、2人が承認しました。"
                                  : "";
}

static void add_verdict(const char *reason, struct buf *b)
{
    const ProtobufCEnumValue *e = protobuf_c_enum_descriptor_get_value_by_name(
        &pb__glass_verdict__descriptor, or_empty(reason));
    const struct schema_enum_value *s =
        e != NULL ? schema_enum_value(&pb__glass_verdict__descriptor, e->value)
                  : NULL;
    if (is(reason, "OVERDUE"))
        buf_adds(b, "点検が期限までに終わりませんでした。");
    else if (s != NULL)
        buf_addf(b, "点検の結果: %s", s->ja);
}

/* What leaves without a decision give as their reason. */
static void add_reason(const struct report_view *v, const Pb__AuditLeaf *l,
                       struct buf *b)
{
    enum order_kind kind;
    switch ((int)l->kind) {
    case PB__LEAF_KIND__RECALL:
        buf_adds(b, is(l->phase, "ERASE") ? erase_answer(l->reason)
                                          : recall_answer(l->reason));
        break;
    case PB__LEAF_KIND__ERASE_BEGIN:
    case PB__LEAF_KIND__ERASE_DONE:
        buf_adds(b, erase_reason(l->reason));
        break;
    case PB__LEAF_KIND__REVIEW:
        add_verdict(l->reason, b);
        break;
    case PB__LEAF_KIND__BREAKGLASS_OPEN:
        buf_adds(b, policy_label_ja(v->policy, or_empty(l->reason)));
        break;
    case PB__LEAF_KIND__ADMIN:
        if (order_kind_of(or_empty(l->phase), &kind))
            buf_adds(b, or_empty(order_reason_ja(kind, or_empty(l->reason))));
        break;
    default:
        break;
    }
}

static void add_why(const struct report_view *v, const Pb__AuditLeaf *l,
                    const struct act *a, struct report_row *r)
{
    if (a->section == REPORT_REFUSALS)
        add_refused(v, l, r);
    else if (l->n_rule > 0)
        add_allowed(v, l, r);
    else
        add_reason(v, l, &r->text[REPORT_WHY]);
    if (a->section == REPORT_GLASS)
        add_once(&r->text[REPORT_GROUND], "、", "緊急(緊急閲覧)");
    if (a->section == REPORT_CONSENTS)
        add_period(v, l, &r->text[REPORT_GROUND]);
}

/* Asked with an agency's rights, at the hub: it was not that agency. */
static bool by_operator(const Pb__AuditLeaf *l)
{
    return l->kind == PB__LEAF_KIND__REPORT && is(l->node, HUB_NODE);
}

static void add_agency(const struct report_view *v, const Pb__AuditLeaf *l,
                       struct report_row *r)
{
    const struct agency *a = acting(v, l);
    struct buf *b = &r->text[REPORT_AGENCY];
    bool hub =
        is(l->peer, HUB_AGENCY) || (is(l->peer, "") && is(l->node, HUB_NODE));
    if (by_operator(l)) {
        buf_adds(b, HUB_NAME "の運用者");
        return;
    }
    if (hub || (is(l->peer, "") && is(l->node, "")))
        buf_adds(b, HUB_NAME);
    else if (a != NULL)
        buf_adds(b, a->name_ja);
    else
        buf_adds(b, "いまは登録のない機関");
    if (a != NULL)
        snprintf(r->agency, sizeof(r->agency), "%s", a->code);
}

static void add_labels(const struct report_view *v, const Pb__AuditLeaf *l,
                       struct report_row *r)
{
    if (l->kind == PB__LEAF_KIND__REPORT && is(l->role, "R_PERSON"))
        buf_adds(&r->text[REPORT_ROLE], "本人の求めによる");
    else if (!is(l->role, ""))
        buf_adds(&r->text[REPORT_ROLE], policy_label_ja(v->policy, l->role));
    if (!is(l->purpose, ""))
        buf_adds(&r->text[REPORT_PURPOSE],
                 policy_label_ja(v->policy, l->purpose));
}

static const char *kind_name(const Pb__AuditLeaf *l)
{
    return schema_enum_name(&pb__leaf_kind__descriptor, (int32_t)l->kind);
}

enum err report_row(const struct report_view *v, const Pb__AuditLeaf *l,
                    struct report_row *r)
{
    const struct act *a = act_of(l);
    clear(r);
    if (abuse_channel(l))
        return ERR_NOT_FOUND;
    r->section = a->section;
    r->kind = kind_name(l);
    r->leaf = l->index;
    r->time_ms = l->time_ms;
    r->staff = l->has_actor || l->n_approved_by > 0;
    r->others = others_in(v, l);
    r->masked = somebody_else(v, l);
    add_act(v, a, l, &r->text[REPORT_ACT]);
    if (r->masked) {
        buf_adds(&r->text[REPORT_AGENCY],
                 "(ほかの人を守るため、書いていません)");
        return finish(r);
    }
    add_agency(v, l, r);
    add_labels(v, l, r);
    add_kinds(v, l, a, &r->text[REPORT_KINDS]);
    add_why(v, l, a, r);
    return finish(r);
}

enum err report_row_delayed(const struct report_view *v, int32_t day,
                            const char *basis, struct report_row *r)
{
    clear(r);
    r->section = REPORT_DELAYED;
    r->kind = "";
    r->masked = true;
    add_day(&r->text[REPORT_ACT], day);
    buf_adds(&r->text[REPORT_ACT], "から見られるようになります(1件)");
    add_basis(v->policy, basis, &r->text[REPORT_WHY]);
    return finish(r);
}
