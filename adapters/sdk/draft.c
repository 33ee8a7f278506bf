/* draft.c - events built field by field.
 *
 * The body grows as a JSON object whose shape is the schema's (field.c), so a
 * wrong name or value is told at once, by the call that brought it. Submitting
 * turns it into the typed message, checks its content, cuts it into parts,
 * signs and stores. Calls that return nothing keep their first trouble for
 * submit. */
#include "adapters/sdk/draft.h"
#include "adapters/sdk/field.h"
#include "proto/base/clock.h"
#include "proto/base/date.h"
#include "proto/base/text.h"
#include "proto/wire/event.h"
#include "proto/wire/json.h"
#include "proto/wire/unpack.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define EXPIRES_MS (14 * DAY_MS)
#define EXPIRES_URGENT_MS DAY_MS
#define SOURCE_MAX 512

struct wanted {
    char *agency, *role, *place, *purpose, *basis;
};
struct tsunagi_draft {
    struct tsunagi_host *host;
    const struct schema_message *schema;
    json_t *body;
    bool has_person, has_case, has_actor, has_correlation, has_causation;
    uint8_t person[ID_BYTES], case_token[ID_BYTES], actor[ID_BYTES];
    struct id correlation, causation;
    struct wanted to[DRAFT_TO_MAX];
    size_t to_count;
    char *source;
    uint64_t created_ms, expires_ms; /* 0: now, by the lane */
    enum err failed;
};

struct tsunagi_draft *tsunagi_draft_new(struct tsunagi_host *h,
                                        const char *type)
{
    const struct schema_message *m =
        type != NULL ? schema_event_named(type) : NULL;
    struct tsunagi_draft *d = m != NULL ? calloc(1, sizeof(*d)) : NULL;
    if (d == NULL)
        return NULL;
    d->host = h;
    d->schema = m;
    d->body = json_object();
    if (d->body == NULL)
        d->failed = ERR_NOMEM;
    return d;
}

void tsunagi_draft_free(struct tsunagi_draft **dp)
{
    struct tsunagi_draft *d = *dp;
    if (d == NULL)
        return;
    json_decref(d->body);
    for (size_t i = 0; i < d->to_count; i++) {
        free(d->to[i].agency);
        free(d->to[i].role);
        free(d->to[i].place);
        free(d->to[i].purpose);
        free(d->to[i].basis);
    }
    free(d->source);
    free(d);
    *dp = NULL;
}

static void fail(struct tsunagi_draft *d, enum err e)
{
    if (d->failed == ERR_OK)
        d->failed = e;
}

/* ---- the body ---- */

tsunagi_code tsunagi_set(struct tsunagi_draft *d, const char *field,
                         const char *utf8)
{
    if (utf8 == NULL || *utf8 == '\0')
        return NULL; /* an empty cell is an absent field */
    if (d->failed != ERR_OK)
        return code_of(d->failed);
    return code_of(field_set(d->body, d->schema->descriptor, field, utf8));
}

static enum err set_body(struct tsunagi_draft *d, json_t *body)
{
    if (!json_is_object(body))
        return ERR_VAL_JSON;
    json_decref(d->body);
    d->body = json_incref(body);
    return ERR_OK;
}

tsunagi_code tsunagi_set_json(struct tsunagi_draft *d, const char *json)
{
    json_t *j = NULL;
    enum err e = json_parse(slice_str(json), &j, NULL);
    if (e == ERR_OK)
        e = set_body(d, j);
    json_decref(j);
    return code_of(e);
}

/* ---- whom, where to, where from ---- */

static void token(struct tsunagi_draft *d, const char *what, const char *local,
                  uint8_t out[ID_BYTES], bool *has)
{
    if (local == NULL || *local == '\0')
        return;
    token_make(d->host->keys.token_secret, what, slice_str(local), out);
    *has = true;
}

void tsunagi_person(struct tsunagi_draft *d, const char *local_id)
{
    if (local_id != NULL && text_has_mynumber(slice_str(local_id)))
        d->failed = ERR_VAL_MYNUMBER;
    token(d, "person", local_id, d->person, &d->has_person);
}

void tsunagi_case(struct tsunagi_draft *d, const char *case_key)
{
    token(d, "case", case_key, d->case_token, &d->has_case);
}

void actor_handle(const struct tsunagi_host *h, const char *text,
                  uint8_t out[ID_BYTES])
{
    struct id id;
    if (id_parse(text, &id) == ERR_OK)
        memcpy(out, id.b, ID_BYTES);
    else
        token_make(h->keys.token_secret, "actor", slice_str(text), out);
}

static tsunagi_code token_hex(const char *hex, uint8_t out[ID_BYTES], bool *has)
{
    struct id id;
    if (hex == NULL || id_parse(hex, &id) != ERR_OK)
        return code_of(ERR_EVT_TOKEN);
    memcpy(out, id.b, ID_BYTES);
    *has = true;
    return NULL;
}

tsunagi_code tsunagi_person_token(struct tsunagi_draft *d, const char *hex)
{
    return token_hex(hex, d->person, &d->has_person);
}

tsunagi_code tsunagi_case_token(struct tsunagi_draft *d, const char *hex)
{
    return token_hex(hex, d->case_token, &d->has_case);
}

static char *copy(struct tsunagi_draft *d, const char *s)
{
    char *c = s != NULL && *s != '\0' ? strdup(s) : NULL;
    if (c == NULL && s != NULL && *s != '\0')
        fail(d, ERR_NOMEM);
    return c;
}

static void add_to(struct tsunagi_draft *d, struct wanted w)
{
    if (d->to_count == DRAFT_TO_MAX) {
        fail(d, ERR_EVT_RECIPIENT);
        return;
    }
    d->to[d->to_count++] =
        (struct wanted){copy(d, w.agency), copy(d, w.role), copy(d, w.place),
                        copy(d, w.purpose), copy(d, w.basis)};
}

/* For borrowed text in a struct whose members are char *. */
static char *lend(const char *s)
{
    return pb_text(s);
}

void tsunagi_to(struct tsunagi_draft *d, const char *agency, const char *role,
                const char *place, const char *purpose)
{
    add_to(d, (struct wanted){lend(agency), lend(role), lend(place),
                              lend(purpose), NULL});
}

void tsunagi_to_routes(struct tsunagi_draft *d)
{
    struct tsunagi_host *h = d->host;
    size_t n = tsunagi_option_count(h, "routes");
    for (size_t i = 0; i < n; i++) {
        const char *event = tsunagi_option_at(h, "routes", i, "event");
        if (event == NULL || strcmp(event, d->schema->event_name) != 0)
            continue;
        add_to(d, (struct wanted){
                      lend(tsunagi_option_at(h, "routes", i, "to")),
                      lend(tsunagi_option_at(h, "routes", i, "role")),
                      lend(tsunagi_option_at(h, "routes", i, "place")),
                      lend(tsunagi_option_at(h, "routes", i, "purpose")),
                      lend(tsunagi_option_at(h, "routes", i, "basis"))});
    }
}

void tsunagi_source(struct tsunagi_draft *d, const char *source_key)
{
    free(d->source);
    d->source = copy(d, source_key);
    if (d->source != NULL && strlen(d->source) > SOURCE_MAX)
        fail(d, ERR_VAL_TOO_LONG);
}

/* ---- from JSON ---- */

static enum err complain(struct buf *why, const char *field, enum err e)
{
    if (why != NULL && e != ERR_OK)
        buf_addf(why, "%s: %s %s", field, err_ja(e), err_en(e));
    return e;
}

static const char *const KEYS[] = {
    "type",      "person", "person_token", "case",       "case_token",
    "source",    "to",     "created_ms",   "expires_ms", "correlation",
    "causation", "body",   "actor"};

/* Every key known, every value of its kind. */
static enum err check_shape(json_t *j, struct buf *why)
{
    if (!json_is_object(j))
        return complain(why, "(event)", ERR_VAL_TYPE);
    const char *key;
    json_t *v;
    json_object_foreach(j, key, v)
    {
        bool known = false;
        for (size_t i = 0; i < NELEM(KEYS); i++)
            known = known || strcmp(KEYS[i], key) == 0;
        if (!known)
            return complain(why, "(event)", ERR_VAL_FIELD);
        bool kind = strcmp(key, "to") == 0     ? json_is_array(v)
                    : strcmp(key, "body") == 0 ? json_is_object(v)
                    : strstr(key, "_ms") != NULL
                        ? json_is_integer(v) && json_integer_value(v) > 0
                        : json_is_string(v);
        if (!kind)
            return complain(why, key, ERR_VAL_TYPE);
    }
    return ERR_OK;
}

static const char *text_at(const json_t *j, const char *key)
{
    return json_string_value(json_object_get(j, key));
}

static enum err take_to(struct tsunagi_draft *d, const json_t *list,
                        struct buf *why)
{
    static const char *const NAMES[] = {"agency", "role", "place", "purpose",
                                        "basis"};
    for (size_t i = 0; i < json_array_size(list); i++) {
        json_t *w = json_array_get(list, i);
        size_t known = 0;
        for (size_t k = 0; k < NELEM(NAMES); k++)
            known += text_at(w, NAMES[k]) != NULL;
        if (!json_is_object(w) || known != json_object_size(w))
            return complain(why, "to", ERR_VAL_FIELD);
        add_to(d, (struct wanted){
                      lend(text_at(w, "agency")), lend(text_at(w, "role")),
                      lend(text_at(w, "place")), lend(text_at(w, "purpose")),
                      lend(text_at(w, "basis"))});
    }
    return ERR_OK;
}

static enum err take_id(const json_t *j, const char *key, struct id *id,
                        bool *has, struct buf *why)
{
    const char *text = text_at(j, key);
    if (text == NULL)
        return ERR_OK;
    *has = true;
    return complain(why, key, id_parse(text, id));
}

static enum err take_tokens(struct tsunagi_draft *d, const json_t *j,
                            struct buf *why)
{
    const char *person = text_at(j, "person_token");
    const char *case_hex = text_at(j, "case_token");
    const char *actor = text_at(j, "actor");
    d->has_actor = actor != NULL && actor[0] != '\0';
    if (d->has_actor)
        actor_handle(d->host, actor, d->actor);
    tsunagi_person(d, text_at(j, "person"));
    tsunagi_case(d, text_at(j, "case"));
    if (person != NULL && tsunagi_person_token(d, person) != NULL)
        return complain(why, "person_token", ERR_EVT_TOKEN);
    if (case_hex != NULL && tsunagi_case_token(d, case_hex) != NULL)
        return complain(why, "case_token", ERR_EVT_TOKEN);
    return ERR_OK;
}

static uint64_t ms_at(const json_t *j, const char *key)
{
    return (uint64_t)json_integer_value(json_object_get(j, key));
}

static enum err fill(struct tsunagi_draft *d, const json_t *j, struct buf *why)
{
    d->created_ms = ms_at(j, "created_ms");
    d->expires_ms = ms_at(j, "expires_ms");
    tsunagi_source(d, text_at(j, "source"));
    enum err e = take_tokens(d, j, why);
    if (e == ERR_OK)
        e = take_id(j, "correlation", &d->correlation, &d->has_correlation,
                    why);
    if (e == ERR_OK)
        e = take_id(j, "causation", &d->causation, &d->has_causation, why);
    if (e == ERR_OK)
        e = take_to(d, json_object_get(j, "to"), why);
    json_t *body = json_object_get(j, "body");
    if (e == ERR_OK && body != NULL)
        e = set_body(d, body);
    return e;
}

enum err draft_from_json(struct tsunagi_host *h, struct slice json,
                         struct tsunagi_draft **out, struct buf *why)
{
    json_t *j = NULL;
    *out = NULL;
    enum err e = json_parse(json, &j, why);
    if (e == ERR_OK)
        e = check_shape(j, why);
    if (e == ERR_OK) {
        *out = tsunagi_draft_new(h, text_at(j, "type"));
        e = *out != NULL ? fill(*out, j, why)
                         : complain(why, "type", ERR_EVT_TYPE);
    }
    if (e != ERR_OK)
        tsunagi_draft_free(out);
    json_decref(j);
    return e;
}

/* ---- into the spool ---- */

static Pb__Wanted wanted_message(const struct wanted *w)
{
    Pb__Wanted m = PB__WANTED__INIT;
    m.agency = w->agency;
    m.role = w->role;
    m.place = w->place;
    m.purpose = w->purpose;
    m.basis = w->basis;
    return m;
}

static Pb__Routing routing_message(const struct tsunagi_draft *d)
{
    Pb__Routing r = PB__ROUTING__INIT;
    r.has_person_token = d->has_person;
    r.person_token = pb_borrow(slice_of(d->person, ID_BYTES));
    r.has_case_token = d->has_case;
    r.case_token = pb_borrow(slice_of(d->case_token, ID_BYTES));
    r.has_actor = d->has_actor;
    r.actor = pb_borrow(slice_of(d->actor, ID_BYTES));
    r.has_correlation = d->has_correlation;
    r.correlation = pb_borrow(slice_of(d->correlation.b, ID_BYTES));
    r.has_causation = d->has_causation;
    r.causation = pb_borrow(slice_of(d->causation.b, ID_BYTES));
    return r;
}

static enum err header_hash(struct slice packed, uint8_t out[32])
{
    ProtobufCMessage *m = NULL;
    enum err e = unpack(&pb__event__descriptor, packed, &m);
    if (e == ERR_OK)
        sha256(pb_slice(((Pb__Event *)m)->header), out);
    unpack_free(&m);
    return e;
}

/* What the header of this draft will say. */
static enum err header_of(const struct tsunagi_draft *d, enum lane lane,
                          const struct checkpoint *seen, struct event_draft *e)
{
    struct tsunagi_host *h = d->host;
    uint64_t now = clock_wall_ms();
    e->event_id = id_new(now);
    e->agency = h->conf.agency;
    e->node = h->conf.node;
    e->type = d->schema->event;
    e->created_ms = d->created_ms != 0 ? d->created_ms : now;
    e->expires_ms = d->expires_ms;
    if (e->expires_ms == 0)
        e->expires_ms = e->created_ms +
                        (lane == LANE_URGENT ? EXPIRES_URGENT_MS : EXPIRES_MS);
    e->seen_size = seen->size;
    e->seen_root = seen->size > 0 ? seen->root.b : NULL;
    return spool_next_seq(h->spool, lane, &e->node_seq);
}

static enum err store(struct tsunagi_draft *d, const struct event_draft *e,
                      enum lane lane, struct slice packed)
{
    struct spool_event row = {
        .event_id = e->event_id,
        .lane = lane,
        .node_seq = e->node_seq,
        .created_ms = e->created_ms,
        .type = e->type,
        .person = d->has_person ? d->person : NULL,
        .source = d->source,
        .event = packed,
    };
    enum err err = header_hash(packed, row.header_sha256);
    return err == ERR_OK ? spool_put(d->host->spool, &row) : err;
}

/* Header, routing, parts, signature, packed. e says what its header says. */
static enum err make(struct tsunagi_draft *d, const ProtobufCMessage *body,
                     struct event_draft *e, struct buf *packed)
{
    enum lane lane = d->schema->urgent ? LANE_URGENT : LANE_NORMAL;
    Pb__Wanted to[DRAFT_TO_MAX], *at[DRAFT_TO_MAX];
    Pb__Routing routing = routing_message(d);
    for (size_t i = 0; i < d->to_count; i++) {
        to[i] = wanted_message(&d->to[i]);
        at[i] = &to[i];
    }
    routing.n_to = d->to_count;
    routing.to = at;
    struct checkpoint seen = link_seen(d->host->link);
    *e = (struct event_draft){.body = body, .routing = &routing};
    enum err err = header_of(d, lane, &seen, e);
    if (err == ERR_OK)
        err = event_make(e, d->host->keys.sign_secret, packed);
    e->routing = NULL; /* was of this call only */
    return err;
}

static enum err make_and_store(struct tsunagi_draft *d,
                               const ProtobufCMessage *body, struct id *id)
{
    enum lane lane = d->schema->urgent ? LANE_URGENT : LANE_NORMAL;
    struct event_draft e;
    struct buf packed = {0};
    enum err err = make(d, body, &e, &packed);
    if (err == ERR_OK)
        err = store(d, &e, lane, buf_slice(&packed));
    buf_fini(&packed);
    *id = e.event_id;
    return err;
}

/* The body as a message, checked. unpack_free frees. */
static enum err body_message(struct tsunagi_draft *d, ProtobufCMessage **body,
                             struct buf *why)
{
    char field[96] = "";
    if (d->failed != ERR_OK)
        return complain(why, "(event)", d->failed);
    if (d->schema->hub_only)
        return complain(why, "type", ERR_EVT_HUB_ONLY);
    if (d->schema->channel[0] != '\0') /* never into this node's spool */
        return complain(why, "type", ERR_EVT_CHANNEL);
    enum err e = json_to_message(d->body, d->schema->descriptor, body, why);
    if (e != ERR_OK)
        return e;
    e = event_validate(d->schema, *body, field);
    return e == ERR_OK ? e : complain(why, field, e);
}

enum err draft_event(struct tsunagi_draft *d, struct event **out,
                     struct buf *why)
{
    struct event_draft made;
    struct buf packed = {0};
    ProtobufCMessage *body = NULL;
    *out = NULL;
    enum err e = body_message(d, &body, why);
    if (e == ERR_OK)
        e = make(d, body, &made, &packed);
    if (e == ERR_OK)
        e = event_open(buf_slice(&packed), out);
    if (e != ERR_OK && why->n == 0)
        complain(why, "(event)", e);
    buf_fini(&packed);
    unpack_free(&body);
    return e;
}

static enum err submit_new(struct tsunagi_draft *d, struct id *id,
                           struct buf *why)
{
    ProtobufCMessage *body = NULL;
    enum err e = body_message(d, &body, why);
    if (e == ERR_OK)
        e = make_and_store(d, body, id);
    if (e != ERR_OK && why != NULL && why->n == 0)
        complain(why, "(event)", e);
    unpack_free(&body);
    return e;
}

enum err draft_submit(struct tsunagi_draft *d, bool hold, struct id *id,
                      bool *repeated, struct buf *why)
{
    struct spool *s = d->host->spool;
    if (d->failed != ERR_OK)
        return complain(why, "(event)", d->failed);
    enum err e =
        d->source != NULL ? spool_by_source(s, d->source, id) : ERR_NOT_FOUND;
    if (repeated != NULL)
        *repeated = e == ERR_OK;
    if (e == ERR_NOT_FOUND)
        e = submit_new(d, id, why);
    return e == ERR_OK && !hold ? spool_commit(s) : e;
}

/* "field: sentence" -> field */
static void field_of(const struct buf *why, char field[96])
{
    const char *text = why->p != NULL ? (const char *)why->p : "";
    const char *end = strstr(text, ": ");
    size_t n = end != NULL ? (size_t)(end - text) : 0;
    if (n > 95 || (n > 0 && text[0] == '('))
        n = 0;
    memcpy(field, text, n);
    field[n] = '\0';
}

tsunagi_code tsunagi_submit(struct tsunagi_draft **d, char event_id[37],
                            char field[96])
{
    struct id id;
    struct buf why = {0};
    enum err e = draft_submit(*d, false, &id, NULL, &why);
    if (e == ERR_OK && event_id != NULL)
        id_format(id, event_id);
    if (field != NULL)
        field_of(&why, field);
    if (e == ERR_OK)
        tsunagi_draft_free(d);
    buf_fini(&why);
    return code_of(e);
}
