/* require.c - what an event of each type must say.
 *
 * A row lists what its type must have; the first that is missing is named. An
 * entry a|b is satisfied by either. An entry =a must be said, if only as zero
 * or false; any other must not be empty, zero or false. */
#include "proto/wire/require.h"
#include "tsunagi/v1/hospital.pb-c.h"
#include "tsunagi/v1/support.pb-c.h"
#include <assert.h>
#include <string.h>

static const struct {
    const char *event, *fields;
    enum err missing;
} REQUIRED[] = {
    /* clang-format off */
    {"ADMISSION_RECORDED", "name admitted_on", ERR_VAL_REQUIRED},
    {"ADMISSION_NOTICE_GIVEN", "given_on text", ERR_VAL_REQUIRED},
    {"INTRO_ANSWERED", "intro_ref answer", ERR_VAL_REQUIRED},
    {"SUPPORT_INFORMATION_PROVIDED", "name", ERR_VAL_REQUIRED},
    {"COMMITTEE_CALLED", "held_on", ERR_VAL_REQUIRED},
    {"COMMITTEE_RESULT_GIVEN", "told_on", ERR_VAL_REQUIRED},
    {"DISCHARGE_PLANNED", "planned_on|move_in_on", ERR_VAL_REQUIRED},
    {"DISCHARGED", "discharged_on", ERR_VAL_REQUIRED},
    {"FIRST_CONTACT_CONFIRMED", "contact_on", ERR_VAL_REQUIRED},
    {"FIRST_CONTACT_MISSED", "planned_on", ERR_VAL_REQUIRED},
    {"DISCHARGE_SUMMARY", "name discharged_on", ERR_VAL_REQUIRED},
    {"FILING_SUBMITTED", "form_code name admitted_on", ERR_VAL_REQUIRED},
    {"FILING_RECEIVED", "filing_ref", ERR_VAL_REQUIRED},
    {"RENEW_NOTICE_SENT", "sent_on reason period_to answer_by", ERR_VAL_REQUIRED},
    {"MAYOR_CONSENT_REQUESTED", "requested_on name condition", ERR_VAL_REQUIRED},
    {"MAYOR_VISITED", "wish visited_on", ERR_VAL_REQUIRED},
    {"CONSENT_GIVEN", "consent_ref purpose recipient classes valid_to", ERR_VAL_CONSENT_SCOPE},
    {"CONSENT_WITHDRAWN", "consent_ref|all", ERR_VAL_REQUIRED},
    {"CONSENT_EXPIRED", "consent_ref", ERR_VAL_REQUIRED},
    {"CONSENT_DEFERRED", "purpose ask_again_on", ERR_VAL_REQUIRED},
    {"CONSENT_REMINDER", "reason", ERR_VAL_REQUIRED},
    {"PERSON_PLACES_RECORDED", "resident|present|shikyu|plan", ERR_VAL_REQUIRED},
    {"ADDRESS_PROTECTION_SET", "=on", ERR_VAL_REQUIRED},
    {"NEEDS_ASSESSED", "assessed_on", ERR_VAL_REQUIRED},
    {"PLAN_ISSUED", "plan_no", ERR_VAL_REQUIRED},
    {"PLAN_ENDED", "plan_no ended_on", ERR_VAL_REQUIRED},
    {"TRANSFER_PROPOSED", "plan_no", ERR_VAL_REQUIRED},
    {"TRANSFER_SENT", "name", ERR_VAL_REQUIRED},
    {"TRANSFER_ACCEPTED", "transfer_ref", ERR_VAL_REQUIRED},
    {"EARLY_WARNING", "name signs", ERR_VAL_REQUIRED},
    {"EMERGENCY_REGISTERED", "name valid_to", ERR_VAL_REQUIRED},
    {"EMERGENCY_REQUESTED", "registration", ERR_VAL_REQUIRED},
    {"EMERGENCY_TRIAGED", "branch", ERR_VAL_REQUIRED},
    {"STAY_CANVASS", "need_from_ms nights", ERR_VAL_REQUIRED},
    {"STAY_CONFIRMED", "offer_ref name", ERR_VAL_REQUIRED},
    {"EMERGENCY_UNMET", "reason", ERR_VAL_REQUIRED},
    {"EMERGENCY_NOTIFIED", "provision name", ERR_VAL_REQUIRED},
    {"CARE_ASKED", "name items", ERR_VAL_REQUIRED},
    {"CARE_ANSWERED", "asked_ref", ERR_VAL_REQUIRED},
    {"STAY_HOSPITALISED", "name", ERR_VAL_REQUIRED},
    {"VACANCY_UPDATED", "=beds", ERR_VAL_REQUIRED},
    {"VISIT_REQUESTED", "wish name", ERR_VAL_REQUIRED},
    {"VISIT_ASSIGNED", "supporter_name", ERR_VAL_REQUIRED},
    {"VISIT_SCHEDULED", "visit_ms", ERR_VAL_REQUIRED},
    {"VISIT_REPORTED", "visited_ms", ERR_VAL_REQUIRED},
    {"ABUSE_REPORTED", "situation", ERR_VAL_REQUIRED},
    {"ABUSE_FIGURES", "fiscal_year", ERR_VAL_REQUIRED},
    {"MEETING_CALLED", "kind", ERR_VAL_REQUIRED},
    {"MEETING_PAPERS", "kind", ERR_VAL_REQUIRED},
    {"MEETING_PLEDGED", "member_name", ERR_VAL_REQUIRED},
    {"MEETING_HELD", "kind held_on", ERR_VAL_REQUIRED},
    {"MINUTES_CONFIRMED", "kind held_on", ERR_VAL_REQUIRED},
    {"MEETING_CANCELLED", "reason", ERR_VAL_REQUIRED},
    {"SERVICE_APPLIED", "name applied_on", ERR_VAL_REQUIRED},
    {"SERVICE_DECIDED", "name decided_on", ERR_VAL_REQUIRED},
    {"SERVICE_PLAN_FIXED", "name fixed_on", ERR_VAL_REQUIRED},
    {"MONITORED", "monitored_on", ERR_VAL_REQUIRED},
    {"ISSUE_RAISED", "issue checked_by", ERR_VAL_REQUIRED},
    {"STAT_REPORTED", "period counts", ERR_VAL_REQUIRED},
    {"BREAK_GLASS_OPENED", "glass_ref", ERR_VAL_REQUIRED},
    {"BREAK_GLASS_REVIEWED", "glass_ref verdict", ERR_VAL_REQUIRED},
    {"ACCESS_REQUESTED", "requested_on", ERR_VAL_REQUIRED},
    {"ACCESS_ANSWERED", "request_ref answered_on", ERR_VAL_REQUIRED},
    {"PERSON_DIED", "name died_on", ERR_VAL_REQUIRED},
    {"BREAK_GLASS_NOTICE", "glass_ref", ERR_VAL_REQUIRED},
}; /* clang-format on */

/* A field that a value of another makes necessary. */
static const struct {
    const char *event, *field;
    int value;
    const char *needs;
} NEEDED[] = {
    /* when and how the person's wish was confirmed is recorded each time */
    {"VISIT_REQUESTED", "wish", PB__VISIT_WISH_STATE__WISH_CONFIRMED,
     "wish_confirmed_on wish_method"},
    {"MAYOR_VISITED", "wish", PB__VISIT_WISH__WISHED, "name"},
};

static bool is_filled(const ProtobufCFieldDescriptor *f, const void *at)
{
    ProtobufCBinaryData d;
    const char *s;
    switch (f->type) {
    case PROTOBUF_C_TYPE_MESSAGE:
        return true;
    case PROTOBUF_C_TYPE_STRING:
        memcpy(&s, at, sizeof(s));
        return *s != '\0';
    case PROTOBUF_C_TYPE_BYTES:
        memcpy(&d, at, sizeof(d));
        return d.len > 0;
    default:
        return schema_number(f, at) != 0;
    }
}

/* One name, perhaps with "=" before it. */
static bool has(const ProtobufCMessage *m, const char *name)
{
    bool said = name[0] == '=';
    const ProtobufCFieldDescriptor *f =
        protobuf_c_message_descriptor_get_field_by_name(m->descriptor,
                                                        name + said);
    assert(f != NULL);
    if (schema_count(m, f) == 0)
        return false;
    return said || f->label == PROTOBUF_C_LABEL_REPEATED ||
           is_filled(f, schema_element(m, f, 0));
}

/* Cuts the next name off a list; what ended it, or -1 when there is none. */
static int next_name(const char **list, char name[REQUIRE_NAME])
{
    size_t n = strcspn(*list, " |");
    if (n == 0)
        return -1;
    assert(n < REQUIRE_NAME);
    memcpy(name, *list, n);
    name[n] = '\0';
    char end = (*list)[n];
    *list += n + (end != '\0');
    return end;
}

/* Everything in a list; else the first name of the first entry missing. */
static bool has_all(const ProtobufCMessage *m, const char *list,
                    char missing[REQUIRE_NAME])
{
    char name[REQUIRE_NAME];
    bool found = false, first = true;
    for (int end; (end = next_name(&list, name)) >= 0; first = end != '|') {
        if (first)
            memmove(missing, name + (name[0] == '='),
                    strlen(name) + (name[0] != '='));
        found = (!first && found) || has(m, name);
        if (end != '|' && !found)
            return false;
    }
    return true;
}

static bool is_value(const ProtobufCMessage *m, const char *name, int value)
{
    const ProtobufCFieldDescriptor *f =
        protobuf_c_message_descriptor_get_field_by_name(m->descriptor, name);
    assert(f != NULL);
    return schema_count(m, f) > 0 &&
           schema_number(f, schema_element(m, f, 0)) == (uint64_t)value;
}

enum err require_fields(const struct schema_message *m,
                        const ProtobufCMessage *body,
                        char missing[REQUIRE_NAME])
{
    for (size_t i = 0; i < NELEM(REQUIRED); i++)
        if (strcmp(REQUIRED[i].event, m->event_name) == 0 &&
            !has_all(body, REQUIRED[i].fields, missing))
            return REQUIRED[i].missing;
    for (size_t i = 0; i < NELEM(NEEDED); i++)
        if (strcmp(NEEDED[i].event, m->event_name) == 0 &&
            is_value(body, NEEDED[i].field, NEEDED[i].value) &&
            !has_all(body, NEEDED[i].needs, missing))
            return ERR_VAL_REQUIRED;
    return ERR_OK;
}
