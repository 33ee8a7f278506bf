/* retain.c - retention: what content the hub keeps no longer. The first step of
 * every night (night.c); the figures are the policy pack's, counted by
 * core/retain.
 *
 *   ENDS      events that end their case are noted with it
 *   CONTENT   events whose term is over are emptied; of the others it is
 *             remembered, in memory, which key each needs
 *   KEYS      a key of a quarter that is over and that nothing needs is put
 *             down to be destroyed in the same night, like those of an erasure
 *   REST      consents that ended long ago; bytes parked long ago and closed
 *
 * Under a hold nothing of a person is touched. The key of the current quarter
 * stays, because its handle is still written into leaves; so do master keys,
 * and the hub's own. Nothing of where it is gets stored: a walk that was cut
 * off begins anew and finds less to do. */
#include "hub/core/retain.h"
#include "hub/app/hub.h"
#include "proto/base/date.h"
#include "proto/base/log.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define SLICE_ROWS 512
#define EVENTS_AT_ONCE 128
#define KEYS_AT_ONCE 256
#define CONSENTS_AT_ONCE 128
#define KEPT_LEAST 1024

enum phase { PHASE_ENDS, PHASE_CONTENT, PHASE_KEYS, PHASE_REST };

/* ---- keys that content still needs: a hash set ---- */

static size_t slot_of(const struct retention *r, const struct key_name *k)
{
    uint64_t h;
    memcpy(&h, k->person.b, sizeof(h)); /* random bytes already */
    size_t i = (size_t)(h ^ k->quarter) & (r->kept_cap - 1);
    while (r->kept[i].quarter != 0 && (r->kept[i].quarter != k->quarter ||
                                       !id_eq(r->kept[i].person, k->person)))
        i = (i + 1) & (r->kept_cap - 1);
    return i;
}

static enum err more_room(struct retention *r)
{
    struct retention was = *r;
    if (r->kept_n * 2 < r->kept_cap)
        return ERR_OK;
    r->kept_cap = was.kept_cap == 0 ? KEPT_LEAST : 2 * was.kept_cap;
    r->kept = calloc(r->kept_cap, sizeof(*r->kept));
    if (r->kept == NULL) {
        *r = was;
        return ERR_NOMEM;
    }
    for (size_t i = 0; i < was.kept_cap; i++)
        if (was.kept[i].quarter != 0)
            r->kept[slot_of(r, &was.kept[i])] = was.kept[i];
    free(was.kept);
    return ERR_OK;
}

static enum err keep(struct retention *r, const struct retain_event *v)
{
    struct key_name k = {v->person, quarter_of(v->accepted_ms)};
    enum err e = more_room(r);
    if (e != ERR_OK)
        return e;
    size_t i = slot_of(r, &k);
    r->kept_n += r->kept[i].quarter == 0;
    r->kept[i] = k;
    return ERR_OK;
}

static bool is_kept(const struct retention *r, const struct key_name *k)
{
    return r->kept_n > 0 && r->kept[slot_of(r, k)].quarter != 0;
}

void retain_forget(struct hub *h)
{
    free(h->retention.kept);
    memset(&h->retention, 0, sizeof(h->retention));
}

static void spend(struct hub *h, uint64_t rows)
{
    uint64_t *left = &h->retention.left;
    *left -= rows < *left ? rows : *left;
}

static enum err next_phase(struct hub *h)
{
    h->retention.phase++;
    h->retention.at = 0;
    return ERR_OK;
}

/* ---- content ---- */

static const char *name_of(const struct retain_event *v)
{
    const struct schema_message *m = schema_event(v->type);
    return m != NULL ? m->event_name : "";
}

/* The next events that have content; none: the phase is over. */
static enum err next_events(struct hub *h, struct retain_event *v, size_t *n)
{
    enum err e =
        store_retain_next(h->store, h->retention.at, v, EVENTS_AT_ONCE, n);
    if (e == ERR_OK && *n == 0)
        return next_phase(h);
    spend(h, *n);
    if (e == ERR_OK)
        h->retention.at = v[*n - 1].seq;
    return e;
}

static enum err note_ends(struct hub *h)
{
    struct retain_event v[EVENTS_AT_ONCE];
    size_t n = 0;
    enum err e = next_events(h, v, &n);
    for (size_t i = 0; i < n && e == ERR_OK; i++)
        if (!id_is_zero(v[i].case_id) &&
            retain_is_end(h->policy, name_of(&v[i])))
            e = store_case_end(h->store, v[i].case_id, v[i].accepted_ms);
    return e;
}

static bool asks_consent(const struct policy *p, const char *event)
{
    const struct policy_term *t;
    for (size_t i = 0; (t = policy_term_at(p, i)) != NULL; i++)
        if (t->from == TERM_CONSENT && policy_term_names(p, i, event))
            return true;
    return false;
}

static enum err last_consent(struct hub *h, struct id person, int32_t *day)
{
    struct grant *all;
    size_t n;
    enum err e = store_grants(h->store, person, &all, &n);
    for (size_t i = 0; e == ERR_OK && i < n; i++)
        if (all[i].to_day > *day)
            *day = all[i].to_day;
    if (e == ERR_OK)
        free(all);
    return e;
}

static enum err facts_of(struct hub *h, const struct retain_event *v,
                         struct retain_facts *f)
{
    *f = (struct retain_facts){.event = name_of(v),
                               .arrived_ms = v->accepted_ms};
    enum err e =
        store_retain_owed(h->store, v->seq, &f->owed, &f->delivered_ms);
    if (e == ERR_OK && !id_is_zero(v->case_id))
        e = store_case_ended(h->store, v->case_id, &f->case_ended_ms);
    if (e == ERR_OK && asks_consent(h->policy, f->event))
        e = last_consent(h, v->person, &f->consent_day);
    return e;
}

static enum err is_held(struct hub *h, struct id person, bool *held)
{
    int32_t until = 0;
    enum err e = ERR_OK;
    if (!id_is_zero(person))
        e = store_hold(h->store, person, japan_day(h->now_ms), &until);
    *held = until != 0;
    return e;
}

/* Empties it, or remembers its key. */
static enum err judge(struct hub *h, const struct retain_event *v)
{
    struct retain_facts f;
    bool held = false;
    enum err e = facts_of(h, v, &f);
    bool over = e == ERR_OK && retain_until(h->policy, &f) <= h->now_ms;
    if (over)
        e = is_held(h, v->person, &held);
    if (e != ERR_OK)
        return e;
    if (!over || held)
        return keep(&h->retention, v);
    h->retention.emptied++;
    return store_event_empty(h->store, v->seq);
}

static enum err empty_content(struct hub *h)
{
    struct retain_event v[EVENTS_AT_ONCE];
    size_t n = 0;
    enum err e = next_events(h, v, &n);
    for (size_t i = 0; i < n && e == ERR_OK; i++)
        e = judge(h, &v[i]);
    return e;
}

/* ---- keys, and the rest ---- */

static enum err judge_key(struct hub *h, const struct key_name *k)
{
    bool held = true;
    if (id_is_zero(k->person) || k->quarter == 0 ||
        k->quarter >= quarter_of(h->now_ms) || is_kept(&h->retention, k))
        return ERR_OK;
    enum err e = is_held(h, k->person, &held);
    if (e != ERR_OK || held)
        return e;
    h->retention.expired++;
    return store_erase_due(h->store, k->person, k->quarter);
}

static enum err expire_keys(struct hub *h)
{
    struct key_name *k = &h->retention.key;
    bool found = true;
    enum err e = ERR_OK;
    spend(h, KEYS_AT_ONCE);
    for (int i = 0; i < KEYS_AT_ONCE && e == ERR_OK && found; i++) {
        e = store_keys_next(h->store, k, &found);
        if (e == ERR_OK && found)
            e = judge_key(h, k);
    }
    return e == ERR_OK && !found ? next_phase(h) : e;
}

static enum err end_parked(struct hub *h)
{
    int64_t days = policy_limit(h->policy, "hub_payload");
    if (days < 0 || h->now_ms < (uint64_t)days * DAY_MS)
        return ERR_OK;
    return store_parked_empty(h->store, h->now_ms - (uint64_t)days * DAY_MS);
}

static enum err end_rest(struct hub *h)
{
    size_t n;
    enum err e = store_consents_drop(
        h->store, retain_consents_from(h->policy, h->now_ms),
        japan_day(h->now_ms), CONSENTS_AT_ONCE, &n);
    spend(h, n);
    if (e != ERR_OK || n == CONSENTS_AT_ONCE)
        return e;
    e = end_parked(h);
    return e == ERR_OK ? next_phase(h) : e;
}

enum err retain_slice(struct hub *h, bool *done)
{
    static enum err (*const PHASE[])(struct hub *) = {
        [PHASE_ENDS] = note_ends,
        [PHASE_CONTENT] = empty_content,
        [PHASE_KEYS] = expire_keys,
        [PHASE_REST] = end_rest,
    };
    enum err e = ERR_OK;
    h->retention.left = SLICE_ROWS;
    while (e == ERR_OK && h->retention.left > 0 &&
           h->retention.phase < NELEM(PHASE))
        e = PHASE[h->retention.phase](h);
    *done = e == ERR_OK && h->retention.phase == NELEM(PHASE);
    if (!*done)
        return e;
    if (h->retention.emptied + h->retention.expired > 0)
        log_note("retain: emptied=%" PRIu64 " keys=%" PRIu64,
                 h->retention.emptied, h->retention.expired);
    retain_forget(h);
    return ERR_OK;
}
