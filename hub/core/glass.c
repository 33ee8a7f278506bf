/* glass.c - break-glass, judged: who may open what, for how long, and who may
 * say afterwards whether it was right.
 *
 * The rules that vary (roles, classes, minutes) are in breakglass.tsv; a limit
 * that the pack does not have permits nothing (I-5). The order of the checks
 * is the order in which a person can do something about them.
 *
 * Only one event passes under the sender's own break-glass: the question at
 * night that names the person to a hospital. Everything else that it opens is
 * what its holder receives. */
#include "hub/core/glass.h"
#include "hub/core/flow.h"
#include "proto/base/text.h"
#include "proto/base/utf8.h"
#include "tsunagi/v1/emergency.pb-c.h"
#include "tsunagi/v1/glass.pb-c.h"
#include <assert.h>
#include <stdio.h>
#include <string.h>

enum {
    CARE_ASKED = EVENT_CARE_ASKED,
    CARE_ANSWERED = EVENT_CARE_ANSWERED,
    OPENED = EVENT_BREAK_GLASS_OPENED,
    REVIEWED = EVENT_BREAK_GLASS_REVIEWED,
    NOTICE = EVENT_BREAK_GLASS_NOTICE
};
#define PURPOSE "P_ACC"
#define WATCHES "R_AUDIT"
#define MINUTE UINT64_C(60000)
#define HOUR (60 * MINUTE)
#define META class_bit(PB__DATA_CLASS__G_META)

/* ---- facts about openings ---- */

bool glass_live(const struct glass *g, uint64_t now_ms)
{
    return g->opened_ms <= now_ms && now_ms < g->until_ms;
}

bool glass_reviewed(const struct glass *g)
{
    return g->verdict != GLASS_UNREVIEWED && g->verdict != GLASS_NEED_INFO;
}

static const struct glass *with_ref(const struct glass *all, size_t n,
                                    const uint8_t ref[ID_BYTES])
{
    for (size_t i = 0; i < n; i++)
        if (memcmp(all[i].ref, ref, ID_BYTES) == 0)
            return &all[i];
    return NULL;
}

/* The live one of an agency that was opened last; actor NULL: by anybody of
 * it. NULL: none. */
static const struct glass *live_of(const struct glass *all, size_t n,
                                   const char *agency, const uint8_t *actor,
                                   uint64_t now_ms)
{
    const struct glass *last = NULL;
    for (size_t i = 0; i < n; i++)
        if (glass_live(&all[i], now_ms) && strcmp(all[i].agency, agency) == 0 &&
            (actor == NULL || memcmp(all[i].actor, actor, ID_BYTES) == 0) &&
            (last == NULL || all[i].opened_ms >= last->opened_ms))
            last = &all[i];
    return last;
}

const struct glass *glass_between(const struct glass *all, size_t n,
                                  const struct glass_way *way, uint64_t now_ms,
                                  uint64_t *classes)
{
    bool asks = way->event == CARE_ASKED;
    const char *holder = asks ? way->from : way->to;
    const uint8_t *actor = asks ? NULL : way->reader;
    const struct glass *g =
        holder != NULL ? live_of(all, n, holder, actor, now_ms) : NULL;
    *classes = g == NULL ? 0 : asks ? NAMES_PERSON | META : g->classes | META;
    return g;
}

bool glass_relied_on(const struct policy *p, const struct decision *d)
{
    for (unsigned c = 1; c < CLASS_MAX; c++) {
        struct policy_rule_view v;
        if ((d->released & class_bit(c)) != 0 && d->of[c].rule != NO_RULE &&
            policy_rule_at(p, d->of[c].rule, &v) &&
            (strcmp(v.layer, "breakglass") == 0 ||
             (v.requires & PRED_BREAKGLASS) != 0))
            return true;
    }
    return false;
}

/* ---- the text ---- */

/* Blanks, and what makes no mark on a page: it would make a reason long, or
 * another one, without saying anything. */
static bool is_blank(uint32_t u)
{
    static const struct {
        uint32_t first, last;
    } UNSEEN[] = {{0, 0x20},         {0x7f, 0xa0},       {0xad, 0xad},
                  {0x34f, 0x34f},    {0x61c, 0x61c},     {0x115f, 0x1160},
                  {0x1680, 0x1680},  {0x17b4, 0x17b5},   {0x180b, 0x180f},
                  {0x2000, 0x200f},  {0x2028, 0x202f},   {0x205f, 0x206f},
                  {0x2800, 0x2800},  {0x3000, 0x3000},   {0x3164, 0x3164},
                  {0xfe00, 0xfe0f},  {0xfeff, 0xfeff},   {0xffa0, 0xffa0},
                  {0xfff0, 0xfffb},  {0x1bca0, 0x1bca3}, {0x1d173, 0x1d17a},
                  {0xe0000, 0xe0fff}};
    for (size_t i = 0; i < NELEM(UNSEEN); i++)
        if (UNSEEN[i].first <= u && u <= UNSEEN[i].last)
            return true;
    return false;
}

enum err glass_text_key(struct slice utf8, struct buf *out)
{
    struct buf nfc = {0};
    enum err e = text_nfc(utf8, &nfc);
    struct slice s = buf_slice(&nfc);
    while (e == ERR_OK && s.n > 0) {
        uint32_t u = utf8_next(&s);
        if (u == UTF8_BAD)
            e = ERR_PB_UTF8;
        else if (!is_blank(u))
            utf8_add(out, u);
    }
    buf_fini(&nfc);
    return e == ERR_OK && out->failed ? ERR_NOMEM : e;
}

/* Characters that say something; 0 for text that cannot be read. */
static size_t characters(struct slice utf8)
{
    struct buf key = {0};
    size_t n = 0;
    if (glass_text_key(utf8, &key) == ERR_OK)
        for (struct slice s = buf_slice(&key); s.n > 0; n++)
            utf8_next(&s);
    buf_fini(&key);
    return n;
}

/* What somebody who opens or extends one says. */
struct glass_ask {
    const struct agency *agency;
    const uint8_t *ref, *actor; /* 16 bytes, or NULL: not said */
    const char *reason;         /* a code of breakglass.tsv */
    struct slice text, why_no_consent;
    uint64_t classes; /* an extension has those it extends */
    uint64_t minutes; /* 0: as long as the pack allows */
    uint64_t step_up_ms;
};

static bool said_before(const struct policy *p, const struct glass_actor *who)
{
    int64_t compared = policy_limit(p, "texts_compared");
    for (size_t i = 0; i < who->texts && (int64_t)i < compared; i++)
        if (memcmp(who->text[i], who->now, GLASS_TEXT_BYTES) == 0)
            return true;
    return false;
}

/* ---- checks ---- */

static enum err check_text(const struct policy *p, const struct glass_ask *a,
                           const struct glass_actor *who)
{
    int64_t least = policy_limit(p, "text_characters");
    if (least < 0 || characters(a->text) < (size_t)least)
        return ERR_GLASS_TEXT;
    return said_before(p, who) ? ERR_GLASS_TEXT : ERR_OK;
}

/* The node's clock may be ahead of ours, but no more than it may be behind. */
static enum err check_step_up(const struct policy *p, uint64_t shown_ms,
                              uint64_t now_ms)
{
    int64_t minutes = policy_limit(p, "step_up_minutes");
    uint64_t off = shown_ms > now_ms ? shown_ms - now_ms : now_ms - shown_ms;
    return minutes < 0 || off > (uint64_t)minutes * MINUTE ? ERR_GLASS_STEP_UP
                                                           : ERR_OK;
}

static enum err check_minutes(const struct policy *p, uint64_t asked,
                              uint64_t *minutes)
{
    int64_t most = policy_limit(p, "minutes");
    if (most <= 0 || asked > (uint64_t)most)
        return ERR_GLASS_TIME;
    *minutes = asked != 0 ? asked : (uint64_t)most;
    return ERR_OK;
}

/* Everything that an opening and an extension have in common. */
static enum err check_who_and_why(const struct policy *p,
                                  const struct glass_ask *a,
                                  const struct glass_actor *who,
                                  uint64_t now_ms)
{
    if (a->actor == NULL || who == NULL)
        return ERR_GLASS_ACTOR;
    if (who->suspended)
        return ERR_GLASS_SUSPENDED;
    if (a->reason == NULL || !policy_glass_reason(p, a->reason) ||
        characters(a->why_no_consent) == 0)
        return ERR_GLASS_REASON;
    enum err e = check_text(p, a, who);
    return e != ERR_OK ? e : check_step_up(p, a->step_up_ms, now_ms);
}

/* The first role of the agency that may open all of it. NULL: none. */
static const char *role_for(const struct policy *p, const struct agency *a,
                            uint64_t classes)
{
    for (size_t i = 0; i < AGENCY_ROLES && a->role[i][0] != '\0'; i++) {
        uint64_t most = policy_glass_ceiling(p, a->role[i]);
        if (most != 0 && (classes & ~(most | META)) == 0)
            return a->role[i];
    }
    return NULL;
}

/* ---- opening, extending, reviewing ---- */

static enum err open_one(const struct policy *p, const struct glass_ask *a,
                         const struct glass_actor *who, uint64_t now_ms,
                         struct glass *out)
{
    uint64_t minutes;
    int64_t hours = policy_limit(p, "review_hours");
    enum err e = check_who_and_why(p, a, who, now_ms);
    if (e != ERR_OK)
        return e;
    const char *role = role_for(p, a->agency, a->classes);
    if ((a->classes & ~META) == 0 || role == NULL)
        return ERR_GLASS_CLASSES;
    e = check_minutes(p, a->minutes, &minutes);
    if (e != ERR_OK || hours < 0)
        return ERR_GLASS_TIME;
    if (a->ref == NULL)
        return ERR_VAL_REQUIRED;
    *out = (struct glass){.classes = a->classes,
                          .opened_ms = now_ms,
                          .until_ms = now_ms + minutes * MINUTE,
                          .review_due_ms = now_ms + (uint64_t)hours * HOUR};
    memcpy(out->ref, a->ref, ID_BYTES);
    memcpy(out->actor, a->actor, ID_BYTES);
    snprintf(out->agency, sizeof(out->agency), "%s", a->agency->code);
    snprintf(out->role, sizeof(out->role), "%s", role);
    snprintf(out->reason, sizeof(out->reason), "%s", a->reason);
    return ERR_OK;
}

/* Once, while it is open, by the one who opened it. */
static enum err extend_one(const struct policy *p, const struct glass_ask *a,
                           const struct glass_actor *who,
                           const struct glass *old, uint64_t now_ms,
                           struct glass *out)
{
    uint64_t minutes;
    enum err e = check_who_and_why(p, a, who, now_ms);
    if (e != ERR_OK)
        return e;
    if (memcmp(old->actor, a->actor, ID_BYTES) != 0 ||
        strcmp(old->agency, a->agency->code) != 0)
        return ERR_GLASS_ACTOR;
    if ((a->classes & ~(old->classes | META)) != 0)
        return ERR_GLASS_CLASSES;
    if (old->extended || policy_limit(p, "extensions") < 1 ||
        !glass_live(old, now_ms))
        return ERR_GLASS_TIME;
    e = check_minutes(p, a->minutes, &minutes);
    if (e != ERR_OK)
        return e;
    *out = *old;
    out->extended = true;
    if (out->until_ms < now_ms + minutes * MINUTE)
        out->until_ms = now_ms + minutes * MINUTE;
    return ERR_OK;
}

/* By another person of another agency, and once. */
static enum err judge_one(const struct glass *old, const char *agency,
                          const uint8_t *actor, enum glass_verdict verdict,
                          struct glass *out)
{
    if (actor == NULL)
        return ERR_GLASS_ACTOR;
    if (strcmp(old->agency, agency) == 0 ||
        memcmp(old->actor, actor, ID_BYTES) == 0)
        return ERR_GLASS_REVIEWER;
    if (verdict == GLASS_UNREVIEWED)
        return ERR_VAL_REQUIRED;
    if (glass_reviewed(old))
        return ERR_CONFLICT;
    *out = *old;
    out->verdict = verdict;
    snprintf(out->reviewer, sizeof(out->reviewer), "%s", agency);
    return ERR_OK;
}

/* ---- who is told ---- */

static void tell(struct effects *fx, const struct agency *to, bool overdue)
{
    for (size_t i = 0; i < fx->hub_count; i++)
        if (fx->hub[i].type == NOTICE && fx->hub[i].to == to)
            return;
    if (fx->hub_count == MAX_HUB_EVENTS)
        return;
    struct hub_event *h = &fx->hub[fx->hub_count++];
    *h = (struct hub_event){.type = NOTICE, .to = to, .reason = overdue};
    snprintf(h->purpose, sizeof(h->purpose), PURPOSE);
    memcpy(h->ref, fx->glass.ref, ID_BYTES);
}

static bool serves(const struct agency *a, const char *place)
{
    return place[0] != '\0' && agency_serves(a, place);
}

/* Privacy officers where the person is or lives; all when that is not known
 * or nobody watches there. Returns how many. */
static size_t tell_officers(const struct facts *f, bool anywhere, bool overdue,
                            struct effects *fx)
{
    size_t n = 0;
    for (size_t i = 0; i < registry_agency_count(f->registry); i++) {
        const struct agency *a = registry_agency_at(f->registry, i);
        if (!agency_has_role(a, WATCHES) ||
            (!anywhere && !serves(a, f->places.present) &&
             !serves(a, f->places.resident)))
            continue;
        tell(fx, a, overdue);
        n++;
    }
    return n;
}

/* The officers, and the agency whose staff it is. */
static void tell_watchers(const struct facts *f, bool overdue,
                          struct effects *fx)
{
    const struct agency *own = registry_agency(f->registry, fx->glass.agency);
    if (own != NULL)
        tell(fx, own, overdue);
    if (tell_officers(f, false, overdue, fx) == 0)
        tell_officers(f, true, overdue, fx);
}

/* ---- events ---- */

static const uint8_t *id_or_null(bool has, ProtobufCBinaryData d)
{
    return has && d.len == ID_BYTES ? d.data : NULL;
}

static const uint8_t *actor_of(const struct event *e)
{
    return id_or_null(e->routing->has_actor, e->routing->actor);
}

static struct slice text_slice(const char *s)
{
    return s != NULL ? slice_str(s) : SLICE_NONE;
}

static struct glass_ask ask_of(const struct facts *f, const struct event *e)
{
    const Pb__BreakGlassOpened *b = (const Pb__BreakGlassOpened *)e->body;
    return (struct glass_ask){
        .agency = f->sender->agency,
        .ref = id_or_null(b->has_glass_ref, b->glass_ref),
        .actor = actor_of(e),
        .reason = b->has_reason
                      ? schema_enum_name(&pb__break_glass_reason__descriptor,
                                         (int32_t)b->reason)
                      : NULL,
        .text = text_slice(b->text),
        .why_no_consent = text_slice(b->why_no_consent),
        .classes = class_mask(b->classes, b->n_classes),
        .minutes = b->has_minutes ? b->minutes : 0,
        .step_up_ms = b->has_step_up_ms ? b->step_up_ms : 0,
    };
}

static void start_deadlines(struct effects *fx)
{
    const struct glass *g = &fx->glass;
    flow_start(fx, DEADLINE_GLASS_END, g->until_ms, g->ref);
    flow_start(fx, DEADLINE_GLASS_REVIEW, g->review_due_ms, g->ref);
}

static void open_or_extend(const struct facts *f, const struct event *e,
                           uint64_t now_ms, struct effects *fx)
{
    const Pb__BreakGlassOpened *b = (const Pb__BreakGlassOpened *)e->body;
    const uint8_t *extends = id_or_null(b->has_extends, b->extends);
    struct glass_ask a = ask_of(f, e);
    const struct glass *old =
        extends != NULL ? with_ref(f->glass, f->glass_count, extends) : NULL;
    if (!f->clock_ok)
        fx->refuse = ERR_POL_CLOCK;
    else if (!b->has_extends)
        fx->refuse = open_one(f->policy, &a, f->actor, now_ms, &fx->glass);
    else if (old == NULL)
        fx->refuse = ERR_GLASS_TIME;
    else
        fx->refuse =
            extend_one(f->policy, &a, f->actor, old, now_ms, &fx->glass);
    if (fx->refuse != ERR_OK)
        return;
    fx->glass_change = old != NULL ? GLASS_EXTEND : GLASS_OPEN;
    start_deadlines(fx);
    tell_watchers(f, false, fx);
}

static void review(const struct facts *f, const struct event *e,
                   struct effects *fx)
{
    const Pb__BreakGlassReviewed *b = (const Pb__BreakGlassReviewed *)e->body;
    const uint8_t *ref = id_or_null(b->has_glass_ref, b->glass_ref);
    const struct glass *old =
        ref != NULL ? with_ref(f->glass, f->glass_count, ref) : NULL;
    fx->refuse = ERR_NOT_FOUND;
    if (old != NULL)
        fx->refuse = judge_one(old, f->sender->agency->code, actor_of(e),
                               b->has_verdict ? (enum glass_verdict)b->verdict
                                              : GLASS_UNREVIEWED,
                               &fx->glass);
    if (fx->refuse != ERR_OK)
        return;
    fx->glass_change = GLASS_REVIEW;
    if (glass_reviewed(&fx->glass))
        flow_stop(fx, DEADLINE_GLASS_REVIEW, fx->glass.ref);
    tell_watchers(f, false, fx);
}

void glass_event(const struct facts *f, const struct event *e, uint64_t now_ms,
                 struct effects *fx)
{
    if (e->schema->event == OPENED)
        open_or_extend(f, e, now_ms, fx);
    else if (e->schema->event == REVIEWED)
        review(f, e, fx);
}

/* The break-glass under which the sender asks; NULL and no error: none. */
static const struct glass *asks_under(const struct facts *f,
                                      const struct event *e, uint64_t now_ms,
                                      enum err *refuse)
{
    const Pb__CareAsked *b = (const Pb__CareAsked *)e->body;
    const char *agency = f->sender->agency->code;
    if (!b->has_glass_ref)
        return live_of(f->glass, f->glass_count, agency, NULL, now_ms);
    const uint8_t *ref = id_or_null(true, b->glass_ref), *actor = actor_of(e);
    const struct glass *g =
        ref != NULL ? with_ref(f->glass, f->glass_count, ref) : NULL;
    if (g == NULL || strcmp(g->agency, agency) != 0 || !glass_live(g, now_ms))
        *refuse = ERR_GLASS_TIME;
    else if (actor == NULL || memcmp(actor, g->actor, ID_BYTES) != 0)
        *refuse = ERR_GLASS_ACTOR;
    return g;
}

static void asked(const struct facts *f, const struct event *e, uint64_t now_ms,
                  struct effects *fx)
{
    const struct glass *g = asks_under(f, e, now_ms, &fx->refuse);
    if (fx->refuse != ERR_OK || g == NULL)
        return;
    fx->glass = *g;
    for (size_t i = 0; i < fx->to_count; i++)
        if (fx->to[i].why == ERR_OK)
            tell(fx, fx->to[i].agency, false);
}

/* The signed header says which hospital knows the person: that is for whoever
 * asked this hospital by name, and for nobody else. */
static enum err answered(const struct facts *f, const struct effects *fx)
{
    if (f->asker == NULL)
        return ERR_NOT_FOUND;
    for (size_t i = 0; i < fx->to_count; i++)
        if (fx->to[i].agency == NULL ||
            strcmp(fx->to[i].agency->code, f->asker) != 0)
            return ERR_FLOW_RECIPIENT;
    return ERR_OK;
}

void glass_asked(const struct facts *f, const struct event *e, uint64_t now_ms,
                 struct effects *fx)
{
    if (fx->refuse != ERR_OK)
        return;
    if (e->schema->event == CARE_ASKED)
        asked(f, e, now_ms, fx);
    else if (e->schema->event == CARE_ANSWERED)
        fx->refuse = answered(f, fx);
}

void glass_due(const struct facts *f, uint32_t kind,
               const uint8_t ref[ID_BYTES], struct effects *fx)
{
    const struct glass *g = with_ref(f->glass, f->glass_count, ref);
    if (g == NULL)
        return;
    fx->glass = *g;
    if (kind == DEADLINE_GLASS_END) {
        fx->glass_change = GLASS_CLOSE;
    } else if (kind == DEADLINE_GLASS_REVIEW && !glass_reviewed(g)) {
        fx->glass_change = GLASS_OVERDUE;
        tell_watchers(f, true, fx);
    }
}
