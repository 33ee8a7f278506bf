/* consent_read.c - what makes a consent a consent, read from its event.
 *
 * Scope first: one purpose, recipients by name or by role in one municipality,
 * kinds of data, a last day not too far away. Then who gave it:
 *
 *   the person            for everything but the data of others
 *   a representative      with the paper that says so, by its hash
 *   a parent              of a minor, who was asked too and did not object
 *   a third person        for data of their own, and nothing else
 *   family of an adult    cannot
 *
 * Last the evidence: how it was given and what was explained. Whoever records
 * a consent vouches for it; who would receive data under it has an interest in
 * it, perhaps knows the person from one delivery only, and so must have the
 * signed paper (or signed file) in hand. Its hash goes into the register: an
 * auditor can ask for the paper. A consent told over the telephone is recorded
 * by somebody else. A refusal needs nothing but a purpose. */
#include "hub/core/consent.h"
#include "proto/wire/schema.h"
#include <assert.h>
#include <string.h>

#define HASH_BYTES 32

/* Copies a name that must be there and fit. */
static bool copy_name(char *to, size_t size, const char *from)
{
    size_t n = from == NULL ? 0 : strlen(from);
    if (n == 0 || n >= size)
        return false;
    memcpy(to, from, n + 1);
    return true;
}

static bool is_muni5(const char *s)
{
    return s != NULL && strlen(s) == 5 && strspn(s, "0123456789") == 5;
}

static bool given(const char *s)
{
    return s != NULL && s[0] != '\0';
}

/* One agency by its code, or a role within one municipality; never "all". */
static bool read_recipient(const Pb__ConsentRecipient *r,
                           struct grant_recipient *to)
{
    if (given(r->agency))
        return !given(r->role) && !given(r->place) &&
               copy_name(to->agency, sizeof(to->agency), r->agency);
    return is_muni5(r->place) &&
           copy_name(to->role, sizeof(to->role), r->role) &&
           copy_name(to->place, sizeof(to->place), r->place);
}

static bool read_recipients(Pb__ConsentRecipient *const *r, size_t n,
                            struct grant_recipient *to, size_t max,
                            size_t *count)
{
    if (n > max)
        return false;
    for (size_t i = 0; i < n; i++)
        if (!read_recipient(r[i], &to[i]))
            return false;
    *count = n;
    return true;
}

static bool read_classes(const Pb__DataClass *c, size_t n, struct grant *g)
{
    for (size_t i = 0; i < n; i++) {
        if ((int)c[i] <= 0 || (int)c[i] >= CLASS_MAX ||
            class_name((unsigned)c[i])[0] == '\0')
            return false;
        g->classes |= class_bit((unsigned)c[i]);
    }
    return true;
}

/* A whole day; a month or a year alone does not say when a consent ends. */
static bool read_day(const Pb__Date *d, int32_t *day)
{
    struct date x;
    if (d == NULL || d->iso == NULL ||
        date_parse(slice_str(d->iso), &x) != ERR_OK || x.day == 0)
        return false;
    *day = date_days(x);
    return true;
}

static bool read_days(const Pb__ConsentGiven *b, struct grant *g)
{
    g->from_day = INT32_MIN;
    if (!read_day(b->valid_to, &g->to_day))
        return false;
    if (b->valid_from == NULL)
        return true;
    return read_day(b->valid_from, &g->from_day) && g->from_day <= g->to_day;
}

static bool read_ref(ProtobufCBinaryData ref, struct grant *g)
{
    if (ref.len != ID_BYTES)
        return false;
    memcpy(g->ref, ref.data, ID_BYTES);
    return true;
}

static void begin(struct grant *g, enum grant_kind kind,
                  const struct grant_terms *t)
{
    assert(g != NULL && t != NULL && t->collector != NULL);
    memset(g, 0, sizeof(*g));
    g->kind = kind;
    memcpy(g->collector, t->collector->code, AGENCY_MAX);
}

static bool read_scope(const Pb__ConsentGiven *b, struct grant *g)
{
    return b->n_recipient > 0 && b->n_classes > 0 &&
           read_ref(b->consent_ref, g) &&
           copy_name(g->purpose, sizeof(g->purpose), b->purpose) &&
           read_recipients(b->recipient, b->n_recipient, g->to,
                           GRANT_RECIPIENTS, &g->to_count) &&
           read_recipients(b->except, b->n_except, g->except, GRANT_EXCEPT,
                           &g->except_count) &&
           read_classes(b->classes, b->n_classes, g) && read_days(b, g);
}

static bool too_long(const struct grant *g, const struct grant_terms *t)
{
    int64_t today = japan_day(t->now_ms);
    int64_t from = g->from_day == INT32_MIN ? today : g->from_day;
    return g->to_day - from > t->longest_days;
}

/* ---- who gave it ---- */

static bool hash_given(bool has, ProtobufCBinaryData d)
{
    return has && d.len == HASH_BYTES;
}

static bool giver_may(const Pb__ConsentGiven *b)
{
    switch (b->giver) {
    case PB__CONSENT_GIVER__SELF:
    case PB__CONSENT_GIVER__THIRD_PERSON:
        return b->has_giver;
    case PB__CONSENT_GIVER__STATUTORY_REP:
        return hash_given(b->has_authority_sha256, b->authority_sha256);
    case PB__CONSENT_GIVER__PARENT:
        return b->has_minor && b->minor;
    default:
        return false;
    }
}

/* A minor who objects is heard, whoever else agrees; and is asked at all when
 * somebody else speaks. */
static bool minor_heard(const Pb__ConsentGiven *b)
{
    if (b->minor_view == PB__MINOR_VIEW__MINOR_DISAGREES)
        return false;
    bool speaks_for = b->giver == PB__CONSENT_GIVER__PARENT ||
                      b->giver == PB__CONSENT_GIVER__STATUTORY_REP;
    return !b->minor || !speaks_for ||
           b->minor_view == PB__MINOR_VIEW__MINOR_AGREES ||
           b->minor_view == PB__MINOR_VIEW__MINOR_CANNOT_SAY;
}

/* Data of a third person by that person alone, and nothing else by them. */
static bool sides_apart(const struct grant *g, const struct grant_terms *t)
{
    return (g->classes & (g->third ? ~t->third : t->third)) == 0;
}

static enum err check_giver(const Pb__ConsentGiven *b, struct grant *g,
                            const struct grant_terms *t)
{
    if (!giver_may(b))
        return ERR_VAL_CONSENT_GIVER;
    if (!minor_heard(b))
        return ERR_VAL_CONSENT_MINOR;
    g->third = b->giver == PB__CONSENT_GIVER__THIRD_PERSON;
    return sides_apart(g, t) ? ERR_OK : ERR_VAL_CONSENT_THIRD;
}

/* ---- the evidence ---- */

static enum err check_evidence(const Pb__ConsentGiven *b, struct grant *g,
                               const struct grant_terms *t)
{
    bool paper = hash_given(b->has_paper_sha256, b->paper_sha256);
    bool oral = b->method == PB__CONSENT_METHOD__ORAL_RECORDED;
    g->paper = !oral;
    if (!b->has_method || (int)b->method <= 0 || !given(b->text_version) ||
        (b->has_paper_sha256 && !paper) ||
        (b->method == PB__CONSENT_METHOD__PAPER && !paper))
        return ERR_VAL_CONSENT_EVIDENCE;
    if (grant_names(g, t->collector) && (oral || !paper))
        return ERR_VAL_CONSENT_EVIDENCE;
    return ERR_OK;
}

/* ---- events ---- */

enum err grant_from_given(const Pb__ConsentGiven *b,
                          const struct grant_terms *t, struct grant *out)
{
    assert(b != NULL);
    begin(out, GRANT_GIVEN, t);
    if (!read_scope(b, out))
        return ERR_VAL_CONSENT_SCOPE;
    if (too_long(out, t))
        return ERR_VAL_CONSENT_LONG;
    enum err e = check_giver(b, out, t);
    return e == ERR_OK ? check_evidence(b, out, t) : e;
}

enum err grant_from_refused(const Pb__ConsentRefused *b, const uint8_t *ref,
                            const struct grant_terms *t, struct grant *out)
{
    assert(b != NULL && ref != NULL);
    begin(out, GRANT_REFUSED, t);
    memcpy(out->ref, ref, ID_BYTES);
    out->third = b->giver == PB__CONSENT_GIVER__THIRD_PERSON;
    out->from_day = japan_day(t->now_ms);
    out->to_day = INT32_MAX;
    bool ok = (!b->has_consent_ref || read_ref(b->consent_ref, out)) &&
              copy_name(out->purpose, sizeof(out->purpose), b->purpose) &&
              read_recipients(b->recipient, b->n_recipient, out->to,
                              GRANT_RECIPIENTS, &out->to_count) &&
              read_classes(b->classes, b->n_classes, out);
    if (!ok)
        return ERR_VAL_CONSENT_SCOPE;
    return out->third && !sides_apart(out, t) ? ERR_VAL_CONSENT_THIRD : ERR_OK;
}

enum err grant_from_deferred(const Pb__ConsentDeferred *b, const uint8_t *ref,
                             const struct grant_terms *t, struct grant *out)
{
    assert(b != NULL && ref != NULL);
    begin(out, GRANT_DEFERRED, t);
    memcpy(out->ref, ref, ID_BYTES);
    out->from_day = japan_day(t->now_ms);
    if (!copy_name(out->purpose, sizeof(out->purpose), b->purpose))
        return ERR_VAL_CONSENT_SCOPE;
    return read_day(b->ask_again_on, &out->to_day) ? ERR_OK : ERR_VAL_REQUIRED;
}
