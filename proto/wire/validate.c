/* validate.c - what a body says, after its form is known to be right.
 *
 * Most rules hold for every event and follow from the kind of field: the walk
 * goes by descriptors, so a new event is covered when it is written. What one
 * type must have is a table. An individual number (My Number) may be in no
 * text at all (Act on My Number, art. 15, 19, 20); text that is a date or time
 * is not searched, since one in ten of those with 12 digits would fit the
 * check digit. */
#include "proto/base/code.h"
#include "proto/base/date.h"
#include "proto/base/text.h"
#include "proto/wire/event.h"
#include "proto/wire/unpack.h"
#include "tsunagi/v1/options.pb-c.h"
#include "tsunagi/v1/value.pb-c.h"
#include <assert.h>
#include <string.h>

#define PATH_BYTES 96
#define STRING_MAX 4096
#define TEXT_MAX (64 * 1024) /* all strings together; one of prose alone */

/* Classes whose strings are written in sentences. */
static bool is_prose(unsigned cls)
{
    switch (cls) {
    case PB__DATA_CLASS__G_SYM:
    case PB__DATA_CLASS__G_NEEDS:
    case PB__DATA_CLASS__G_NEEDS_SAFETY:
    case PB__DATA_CLASS__G_CRISIS:
    case PB__DATA_CLASS__G_MEET:
    case PB__DATA_CLASS__G_ABUSE:
    case PB__DATA_CLASS__G_NOTE:
        return true;
    default:
        return false;
    }
}

struct check {
    char path[PATH_BYTES]; /* dotted name of where we are */
    size_t text;           /* bytes of strings so far */
    unsigned cls;          /* of the top-level field we are in */
};

/* Returns the length to go back to. A name too long is cut. */
static size_t enter(struct check *c, const char *name)
{
    size_t back = strlen(c->path);
    size_t at = back;
    if (at > 0 && at + 1 < PATH_BYTES)
        c->path[at++] = '.';
    for (; *name != '\0' && at + 1 < PATH_BYTES; name++)
        c->path[at++] = *name;
    c->path[at] = '\0';
    return back;
}

static void leave(struct check *c, size_t back)
{
    c->path[back] = '\0';
}

static enum err at_fault(struct check *c, const char *name, enum err e)
{
    enter(c, name);
    return e;
}

/* ---- reading by descriptor ----------------------------------------------- */

static const void *member(const ProtobufCMessage *m, size_t offset)
{
    return (const uint8_t *)m + offset;
}

static bool by_pointer(const ProtobufCFieldDescriptor *f)
{
    return f->type == PROTOBUF_C_TYPE_STRING ||
           f->type == PROTOBUF_C_TYPE_MESSAGE;
}

static const void *pointer_at(const void *at)
{
    const void *p;
    memcpy(&p, at, sizeof(p));
    return p;
}

static size_t count(const ProtobufCMessage *m,
                    const ProtobufCFieldDescriptor *f)
{
    if (f->label == PROTOBUF_C_LABEL_REPEATED) {
        size_t n;
        memcpy(&n, member(m, f->quantifier_offset), sizeof(n));
        return n;
    }
    if (by_pointer(f))
        return pointer_at(member(m, f->offset)) != NULL;
    protobuf_c_boolean has;
    memcpy(&has, member(m, f->quantifier_offset), sizeof(has));
    return has ? 1 : 0;
}

static size_t size_of(ProtobufCType t)
{
    switch (t) {
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_MESSAGE:
        return sizeof(void *);
    case PROTOBUF_C_TYPE_BYTES:
        return sizeof(ProtobufCBinaryData);
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_DOUBLE:
        return 8;
    default:
        return 4;
    }
}

static const void *element(const ProtobufCMessage *m,
                           const ProtobufCFieldDescriptor *f, size_t i)
{
    if (f->label != PROTOBUF_C_LABEL_REPEATED)
        return member(m, f->offset);
    const uint8_t *array = pointer_at(member(m, f->offset));
    return array + i * size_of(f->type);
}

/* ---- single values ------------------------------------------------------- */

static bool ends_in(const char *s, const char *end)
{
    size_t n = strlen(s), k = strlen(end);
    return n >= k && strcmp(s + n - k, end) == 0;
}

static bool is_date_or_time(struct slice s)
{
    struct date d;
    uint64_t ms;
    return date_parse(s, &d) == ERR_OK || time_parse_hl7(s, &ms, &d) == ERR_OK;
}

static enum err check_digits(struct slice s, size_t n)
{
    bool ok = s.n == n;
    for (size_t i = 0; ok && i < n; i++)
        ok = s.p[i] >= '0' && s.p[i] <= '9';
    return ok ? ERR_OK : ERR_VAL_CODE_LENGTH;
}

static enum err check_kana(struct slice s)
{
    struct buf key = {0};
    enum err e = text_kana_key(s, &key);
    buf_fini(&key);
    return e;
}

static enum err check_string(struct check *c, const ProtobufCMessage *m,
                             const ProtobufCFieldDescriptor *f, struct slice s)
{
    bool in_date = m->descriptor == &pb__date__descriptor;
    c->text += s.n;
    if (s.n > (is_prose(c->cls) ? TEXT_MAX : STRING_MAX) || c->text > TEXT_MAX)
        return ERR_VAL_TOO_LONG;
    enum err e = text_check_field(s);
    if (e != ERR_OK)
        return e;
    if (text_has_mynumber(s) && !(in_date && is_date_or_time(s)))
        return ERR_VAL_MYNUMBER;
    if (strcmp(f->name, "certificate_no") == 0)
        return check_digits(s, 10);
    if (m->descriptor == &pb__name__descriptor && strcmp(f->name, "kana") == 0)
        return check_kana(s);
    return ERR_OK;
}

static enum err check_bytes(const ProtobufCFieldDescriptor *f,
                            ProtobufCBinaryData d)
{
    if (ends_in(f->name, "_ref") || strcmp(f->name, "supersedes") == 0)
        return d.len == ID_BYTES ? ERR_OK : ERR_EVT_ID;
    if (ends_in(f->name, "_sha256"))
        return d.len == 32 ? ERR_OK : ERR_VAL_TYPE;
    return ERR_OK;
}

static enum err check_enum(const ProtobufCFieldDescriptor *f, const void *at)
{
    int v;
    memcpy(&v, at, sizeof(v));
    if (protobuf_c_enum_descriptor_get_value(f->descriptor, v) == NULL)
        return ERR_PB_UNKNOWN_ENUM;
    return v != 0 ? ERR_OK : ERR_VAL_TYPE;
}

/* ---- values made of several fields --------------------------------------- */

static bool filled(const char *s)
{
    return s != NULL && *s != '\0';
}

static enum err check_name(struct check *c, const ProtobufCMessage *m)
{
    const Pb__Name *n = (const Pb__Name *)m;
    if (!filled(n->kanji) && !filled(n->kana))
        return at_fault(c, "kanji", ERR_VAL_REQUIRED);
    return ERR_OK;
}

static Pb__Precision precision_of(struct date d)
{
    if (d.month == 0)
        return PB__PRECISION__YEAR;
    return d.day == 0 ? PB__PRECISION__MONTH : PB__PRECISION__DAY;
}

static enum err check_date(struct check *c, const ProtobufCMessage *m)
{
    const Pb__Date *d = (const Pb__Date *)m;
    if (!filled(d->iso))
        return at_fault(c, "iso", ERR_VAL_DATE_FORM);
    struct date parsed;
    enum err e = date_parse(slice_str(d->iso), &parsed);
    if (e != ERR_OK)
        return at_fault(c, "iso", e);
    char iso[DATE_TEXT];
    date_iso(parsed, iso);
    if (strcmp(iso, d->iso) != 0)
        return at_fault(c, "iso", ERR_VAL_DATE_FORM);
    if (d->has_precision && d->precision != precision_of(parsed))
        return at_fault(c, "precision", ERR_VAL_DATE_FORM);
    return ERR_OK;
}

static enum err check_recipient(struct check *c, const ProtobufCMessage *m)
{
    const Pb__ConsentRecipient *r = (const Pb__ConsentRecipient *)m;
    if (!filled(r->agency) && !(filled(r->role) && filled(r->place)))
        return at_fault(c, "agency", ERR_VAL_CONSENT_SCOPE);
    enum err e = filled(r->agency) ? code_check_agency(r->agency) : ERR_OK;
    if (e != ERR_OK)
        return at_fault(c, "agency", e);
    e = filled(r->place) ? code_check_muni5(slice_str(r->place)) : ERR_OK;
    return e != ERR_OK ? at_fault(c, "place", e) : ERR_OK;
}

static const struct {
    const ProtobufCMessageDescriptor *descriptor;
    enum err (*check)(struct check *c, const ProtobufCMessage *m);
} VALUES[] = {
    {&pb__name__descriptor, check_name},
    {&pb__date__descriptor, check_date},
    {&pb__consent_recipient__descriptor, check_recipient},
};

/* ---- the walk ------------------------------------------------------------ */

static enum err check_message(struct check *c, const ProtobufCMessage *m);

static enum err check_element(struct check *c, const ProtobufCMessage *m,
                              const ProtobufCFieldDescriptor *f, const void *at)
{
    ProtobufCBinaryData d;
    switch (f->type) {
    case PROTOBUF_C_TYPE_STRING:
        return check_string(c, m, f, slice_str(pointer_at(at)));
    case PROTOBUF_C_TYPE_MESSAGE:
        return check_message(c, pointer_at(at));
    case PROTOBUF_C_TYPE_ENUM:
        return check_enum(f, at);
    case PROTOBUF_C_TYPE_BYTES:
        memcpy(&d, at, sizeof(d));
        return check_bytes(f, d);
    default:
        return ERR_OK;
    }
}

static enum err check_field(struct check *c, const ProtobufCMessage *m,
                            const ProtobufCFieldDescriptor *f)
{
    size_t back = enter(c, f->name);
    size_t n = count(m, f);
    for (size_t i = 0; i < n; i++) {
        enum err e = check_element(c, m, f, element(m, f, i));
        if (e != ERR_OK)
            return e; /* the path stays where the fault is */
    }
    leave(c, back);
    return ERR_OK;
}

/* Recursion is bounded: the schemas have none. */
static enum err check_message(struct check *c, const ProtobufCMessage *m)
{
    for (size_t i = 0; i < m->descriptor->n_fields; i++) {
        enum err e = check_field(c, m, &m->descriptor->fields[i]);
        if (e != ERR_OK)
            return e;
    }
    for (size_t i = 0; i < NELEM(VALUES); i++)
        if (VALUES[i].descriptor == m->descriptor)
            return VALUES[i].check(c, m);
    return ERR_OK;
}

/* ---- what each type must have -------------------------------------------- */

static const struct {
    const char *event, *field, *or_field;
    enum err missing;
} REQUIRED[] = {
    /* clang-format off */
    {"ADMISSION_RECORDED",   "name",         NULL,         ERR_VAL_REQUIRED},
    {"ADMISSION_RECORDED",   "admitted_on",  NULL,         ERR_VAL_REQUIRED},
    {"FILING_SUBMITTED",     "form_code",    NULL,         ERR_VAL_REQUIRED},
    {"FILING_SUBMITTED",     "name",         NULL,         ERR_VAL_REQUIRED},
    {"FILING_SUBMITTED",     "admitted_on",  NULL,         ERR_VAL_REQUIRED},
    {"FILING_RECEIVED",      "filing_ref",   NULL,         ERR_VAL_REQUIRED},
    {"INTRO_ANSWERED",       "intro_ref",    NULL,         ERR_VAL_REQUIRED},
    {"INTRO_ANSWERED",       "answer",       NULL,         ERR_VAL_REQUIRED},
    {"DISCHARGE_PLANNED",    "planned_on",   "move_in_on", ERR_VAL_REQUIRED},
    {"DISCHARGED",           "discharged_on", NULL,        ERR_VAL_REQUIRED},
    {"PLAN_ISSUED",          "plan_no",      NULL,         ERR_VAL_REQUIRED},
    {"CONSENT_GIVEN",        "consent_ref",  NULL,         ERR_VAL_CONSENT_SCOPE},
    {"CONSENT_GIVEN",        "purpose",      NULL,         ERR_VAL_CONSENT_SCOPE},
    {"CONSENT_GIVEN",        "recipient",    NULL,         ERR_VAL_CONSENT_SCOPE},
    {"CONSENT_GIVEN",        "classes",      NULL,         ERR_VAL_CONSENT_SCOPE},
    {"CONSENT_GIVEN",        "valid_to",     NULL,         ERR_VAL_CONSENT_SCOPE},
    {"CONSENT_WITHDRAWN",    "consent_ref",  "all",        ERR_VAL_REQUIRED},
    {"EMERGENCY_REGISTERED", "name",         NULL,         ERR_VAL_REQUIRED},
    {"EMERGENCY_REGISTERED", "valid_to",     NULL,         ERR_VAL_REQUIRED},
    {"EMERGENCY_REQUESTED",  "registration", NULL,         ERR_VAL_REQUIRED},
    {"EMERGENCY_TRIAGED",    "branch",       NULL,         ERR_VAL_REQUIRED},
    {"STAY_CANVASS",         "need_from_ms", NULL,         ERR_VAL_REQUIRED},
    {"STAY_CANVASS",         "nights",       NULL,         ERR_VAL_REQUIRED},
    {"STAY_CONFIRMED",       "offer_ref",    NULL,         ERR_VAL_REQUIRED},
    {"STAY_CONFIRMED",       "name",         NULL,         ERR_VAL_REQUIRED},
}; /* clang-format on */

static bool is_nonzero(const void *at, size_t n)
{
    uint64_t v = 0;
    assert(n <= sizeof(v));
    memcpy(&v, at, n);
    return v != 0;
}

/* Present and not empty, zero or false. */
static bool has(const ProtobufCMessage *m, const char *name)
{
    const ProtobufCFieldDescriptor *f =
        protobuf_c_message_descriptor_get_field_by_name(m->descriptor, name);
    assert(f != NULL);
    if (count(m, f) == 0)
        return false;
    const void *at = element(m, f, 0);
    if (f->label == PROTOBUF_C_LABEL_REPEATED ||
        f->type == PROTOBUF_C_TYPE_MESSAGE)
        return true;
    if (f->type == PROTOBUF_C_TYPE_STRING)
        return filled(pointer_at(at));
    if (f->type == PROTOBUF_C_TYPE_BYTES)
        return ((const ProtobufCBinaryData *)at)->len > 0;
    return is_nonzero(at, size_of(f->type));
}

static enum err check_required(struct check *c, const struct schema_message *m,
                               const ProtobufCMessage *body)
{
    for (size_t i = 0; i < NELEM(REQUIRED); i++) {
        if (strcmp(REQUIRED[i].event, m->event_name) != 0)
            continue;
        if (has(body, REQUIRED[i].field))
            continue;
        if (REQUIRED[i].or_field != NULL && has(body, REQUIRED[i].or_field))
            continue;
        return at_fault(c, REQUIRED[i].field, REQUIRED[i].missing);
    }
    return ERR_OK;
}

static enum err check_body(struct check *c, const struct schema_message *m,
                           const ProtobufCMessage *body)
{
    for (size_t i = 0; i < body->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *f = &body->descriptor->fields[i];
        c->cls = schema_field(m, f->id)->cls;
        enum err e = check_field(c, body, f);
        if (e != ERR_OK)
            return e;
    }
    return check_required(c, m, body);
}

enum err event_validate(const struct schema_message *m,
                        const ProtobufCMessage *body, char field[PATH_BYTES])
{
    assert(m != NULL && body != NULL && body->descriptor == m->descriptor);
    struct check c = {0};
    enum err e = check_body(&c, m, body);
    if (field != NULL)
        memcpy(field, c.path, PATH_BYTES);
    return e;
}
