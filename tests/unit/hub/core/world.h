/* world.h - the fictitious region with the policy pack that ships, as facts
 * for decisions; and events sent into it. Agencies have short names. */
#ifndef TESTS_CORE_WORLD_H
#define TESTS_CORE_WORLD_H
#include "hub/core/flow.h"
#include "hub/core/route.h"
#include "proto/base/code.h"
#include "proto/wire/unpack.h"
#include "tsunagi/v1/consent.pb-c.h"
#include "tsunagi/v1/discharge.pb-c.h"
#include "tsunagi/v1/emergency.pb-c.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka needs the ones above */
#include <cmocka.h>

#define NOW UINT64_C(1789146840000) /* 2026-09-12 02:14 in Japan */
#define WORLD_GRANTS 4

struct world {
    struct registry *registry;
    struct policy *policy;
    struct effects *fx;   /* of the last event */
    Pb__CaseState *state; /* the one case, NULL before it opens */
    bool case_known;
    struct node node; /* who sends */
    struct grant grant[WORLD_GRANTS];
    size_t grants;
    bool clock_off, protected;
    struct glass glass[WORLD_GRANTS]; /* of the person */
    size_t glasses;
    const struct glass_actor *actor; /* NULL: nobody acts */
    const char *asker;
    bool stranger; /* the sender has no token for the person */
    struct places places;
    uint64_t now;
    uint32_t made; /* counts event ids */
};

static const struct {
    const char *name, *code;
} WHO[] = {
    {"H1", "MI-4910100017"}, {"H2", "MI-4910100025"}, {"N1", "MI-4960100016"},
    {"S1", "WO-4911000018"}, {"S2", "WO-4911000026"}, {"S3", "WO-4911000034"},
    {"P1", "WO-4931000014"}, {"K1", "OW-K1-492019"},  {"B1", "OW-B1-49"},
    {"C1", "HC-492019-01"},  {"C2", "HC-490008-01"},  {"M1", "LG-492019"},
    {"O1", "OW-HOUSE-49"},   {"G1", "LG-490008"},     {"P2", "OW-P2-49"},
    {"E1", "OW-PEER-49"},    {"X1", "OW-X1-49"},      {"A1", "OW-A1-49"},
    {"A2", "OW-A2-49"},      {"B2", "OW-B2-49"},      {"C3", "HC-491004-01"},
    {"M2", "LG-492027"},     {"M3", "LG-493015"},     {"M4", "LG-491004"},
    {"R1", "WO-4911000042"}, {"V1", "OW-VISIT-49"},   {"W1", "OW-MHWC-49"},
    {"HD", "MI-4910100033"}, {"HO", "MI-4910100041"},
};

/* The code behind a short name; anything else stands for itself. */
static inline const char *code_of(const char *name)
{
    for (size_t i = 0; i < NELEM(WHO); i++)
        if (strcmp(WHO[i].name, name) == 0)
            return WHO[i].code;
    return name;
}

static inline const char *name_of(const char *code)
{
    for (size_t i = 0; code != NULL && i < NELEM(WHO); i++)
        if (strcmp(WHO[i].code, code) == 0)
            return WHO[i].name;
    return "?";
}

static inline void read_pack(struct world *w)
{
    struct buf file[POLICY_FILES] = {0}, why = {0};
    struct slice s[POLICY_FILES];
    for (size_t i = 0; i < POLICY_FILES; i++) {
        char path[64];
        snprintf(path, sizeof(path), "deploy/policy/%s", POLICY_FILE_NAMES[i]);
        assert_int_equal(file_read(path, 1 << 20, &file[i]), ERR_OK);
        s[i] = buf_slice(&file[i]);
    }
    if (policy_parse(s, &w->policy, &why) != ERR_OK)
        fail_msg("%s", (const char *)why.p);
    for (size_t i = 0; i < POLICY_FILES; i++)
        buf_fini(&file[i]);
    buf_fini(&why);
}

static inline void read_region(struct world *w, const char *more)
{
    static const char NODES[] =
        "node\tagency\tstate\tcurve\tsign\tbox\twitness\tsince\n";
    struct buf agencies = {0}, places = {0}, why = {0};
    assert_int_equal(
        file_read("deploy/region/agencies.tsv", 1 << 20, &agencies), ERR_OK);
    assert_int_equal(
        file_read("deploy/region/municipalities.tsv", 1 << 20, &places),
        ERR_OK);
    for (; *more != '\0'; more++) { /* address and representative: none */
        buf_adds(&agencies, *more == '\n' ? "\t\t" : "");
        buf_addc(&agencies, *more);
    }
    if (registry_parse(buf_slice(&agencies), buf_slice(&places),
                       slice_str(NODES), &w->registry, &why) != ERR_OK)
        fail_msg("%s", (const char *)why.p);
    buf_fini(&agencies);
    buf_fini(&places);
    buf_fini(&why);
}

/* more: rows added to the agencies of the region. */
static inline struct world *world_new(const char *more)
{
    struct world *w = calloc(1, sizeof(*w));
    assert_non_null(w);
    code_allow_fictitious(true);
    read_region(w, more);
    read_pack(w);
    w->fx = calloc(1, sizeof(*w->fx));
    assert_non_null(w->fx);
    w->now = NOW;
    return w;
}

/* Forgets the case and the consents. */
static inline void world_reset(struct world *w)
{
    effects_fini(w->fx);
    case_free(&w->state);
    w->case_known = false;
    w->grants = w->glasses = 0;
    w->actor = NULL;
    w->asker = NULL;
    w->places = (struct places){0};
    w->clock_off = w->protected = w->stranger = false;
    w->now = NOW;
}

static inline void world_free(struct world *w)
{
    world_reset(w);
    registry_free(&w->registry);
    policy_free(&w->policy);
    free(w->fx);
    free(w);
}

static inline struct facts world_facts(struct world *w, const char *from)
{
    w->node.agency = registry_agency(w->registry, code_of(from));
    assert_non_null(w->node.agency);
    return (struct facts){
        .registry = w->registry,
        .policy = w->policy,
        .sender = &w->node,
        .clock_ok = !w->clock_off,
        .person_known = true,
        .person_named = !w->stranger,
        .address_protected = w->protected,
        .places = w->places,
        .grants = w->grant,
        .grant_count = w->grants,
        .glass = w->glass,
        .glass_count = w->glasses,
        .actor = w->actor,
        .asker = w->asker != NULL ? code_of(w->asker) : NULL,
        .case_known = w->case_known,
        .state = w->state,
    };
}

/* A consent in force to one agency, for every class. */
static inline struct grant *world_consent(struct world *w, const char *purpose,
                                          const char *to)
{
    assert_true(w->grants < WORLD_GRANTS);
    struct grant *g = &w->grant[w->grants++];
    *g = (struct grant){.kind = GRANT_GIVEN, .to_count = 1};
    g->classes = ~UINT64_C(0);
    g->ref[0] = (uint8_t)w->grants;
    g->to_day = 30000;
    g->leaf = w->grants;
    snprintf(g->purpose, sizeof(g->purpose), "%s", purpose);
    snprintf(g->to[0].agency, sizeof(g->to[0].agency), "%s", code_of(to));
    return g;
}

/* ---- events ---- */

#define SENT_TO 8
struct sent {
    struct event e;
    Pb__Routing routing;
    Pb__Wanted wanted[SENT_TO], *to[SENT_TO];
    uint8_t person[ID_BYTES], case_token[ID_BYTES];
    char text[SENT_TO][2][64]; /* role, place */
};

static inline struct id event_number(uint32_t n)
{
    struct id id = {{0x01, 0x99, 0, 0, 0, 0, 0x70, 0, 0x80}};
    memcpy(id.b + 12, &n, sizeof(n));
    return id;
}

/* An event with something in every class its type has. */
static inline void sent_init(struct world *w, struct sent *s, uint32_t type,
                             ProtobufCMessage *body)
{
    memset(s, 0, sizeof(*s));
    pb__routing__init(&s->routing);
    s->routing.to = s->to;
    s->routing.has_person_token = s->routing.has_case_token = true;
    s->routing.person_token = (ProtobufCBinaryData){ID_BYTES, s->person};
    s->routing.case_token = (ProtobufCBinaryData){ID_BYTES, s->case_token};
    s->e.schema = schema_event(type);
    assert_non_null(s->e.schema);
    s->e.routing = &s->routing;
    s->e.body = body;
    s->e.variant = schema_variant(s->e.schema, body);
    s->e.present = s->e.schema->class_mask;
    s->e.event_id = event_number(++w->made);
}

/* whom: a short name, a code, R_X or R_X@49201. */
static inline void sent_to(struct sent *s, const char *whom,
                           const char *purpose)
{
    size_t i = s->routing.n_to++;
    assert_true(i < SENT_TO);
    Pb__Wanted *to = s->to[i] = &s->wanted[i];
    pb__wanted__init(to);
    size_t n = strcspn(whom, "@");
    snprintf(s->text[i][0], sizeof(s->text[i][0]), "%.*s", (int)n, whom);
    snprintf(s->text[i][1], sizeof(s->text[i][1]), "%s",
             whom[n] == '@' ? whom + n + 1 : "");
    if (strncmp(whom, "R_", 2) == 0)
        to->role = s->text[i][0];
    else
        to->agency = (char *)(uintptr_t)code_of(s->text[i][0]);
    if (whom[n] == '@')
        to->place = s->text[i][1];
    to->purpose = (char *)(uintptr_t)purpose;
}

/* Decides into w->fx and takes the next state over, as a store would. */
static inline void world_send(struct world *w, struct sent *s, const char *from)
{
    struct facts f = world_facts(w, from);
    effects_fini(w->fx);
    step(&f, &s->e, w->now, w->fx);
    if (w->fx->refuse != ERR_OK || w->fx->state == NULL)
        return;
    case_free(&w->state);
    w->state = w->fx->state;
    w->fx->state = NULL;
    w->case_known = true;
}

static inline void world_due(struct world *w, enum deadline_kind kind,
                             const uint8_t ref[ID_BYTES])
{
    struct facts f = world_facts(w, "H1");
    f.sender = NULL;
    effects_fini(w->fx);
    step_deadline(&f, kind, ref, w->now, w->fx);
    if (w->fx->state == NULL)
        return;
    case_free(&w->state);
    w->state = w->fx->state;
    w->fx->state = NULL;
}

/* A consent for P_TRA to P1, G_ID, to 2027-03-31, on paper. ref is borrowed. */
struct paper {
    Pb__ConsentGiven b;
    Pb__ConsentRecipient to, *list[1];
    Pb__DataClass cls[1];
    Pb__Date until;
    uint8_t hash[32];
};

static inline void write_paper(struct paper *p, uint8_t ref[ID_BYTES])
{
    pb__consent_given__init(&p->b);
    pb__consent_recipient__init(&p->to);
    pb__date__init(&p->until);
    memset(p->hash, 9, sizeof(p->hash));
    p->list[0] = &p->to;
    p->to.agency = pb_text(code_of("P1"));
    p->cls[0] = PB__DATA_CLASS__G_ID;
    p->until.iso = pb_text("2027-03-31");
    p->b.has_consent_ref = p->b.has_giver = p->b.has_method = true;
    p->b.consent_ref = (ProtobufCBinaryData){ID_BYTES, ref};
    p->b.purpose = pb_text("P_TRA");
    p->b.n_recipient = p->b.n_classes = 1;
    p->b.recipient = p->list;
    p->b.classes = p->cls;
    p->b.valid_to = &p->until;
    p->b.giver = PB__CONSENT_GIVER__SELF;
    p->b.method = PB__CONSENT_METHOD__PAPER;
    p->b.has_paper_sha256 = true;
    p->b.paper_sha256 = (ProtobufCBinaryData){sizeof(p->hash), p->hash};
    p->b.text_version = pb_text("2026-04");
}

/* What became of the last event: E-..., late or the state of the case. */
static inline const char *world_outcome(const struct world *w)
{
    if (w->fx->refuse != ERR_OK)
        return err_code(w->fx->refuse);
    if (w->fx->late)
        return "late";
    return w->state != NULL ? w->state->state : "none";
}
#endif
