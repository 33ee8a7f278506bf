/* validate.c - what a body says, after its form is known to be right.
 *
 * Most rules hold for every event and follow from the kind of field: the walk
 * goes by descriptors, so a new event is covered when it is written. How large
 * the numbers may be is a table; what one type must have is in require.c. An
 * individual
 * number (My Number) may be in no text at all (Act on My Number, art. 15, 19,
 * 20); text that is a date or time is not searched, since one in ten of those
 * with 12 digits would fit the check digit. Nor does any number take it: times
 * have 13 digits. */
#include "proto/base/code.h"
#include "proto/base/date.h"
#include "proto/base/text.h"
#include "proto/wire/event.h"
#include "proto/wire/require.h"
#include "proto/wire/unpack.h"
#include "tsunagi/v1/abuse.pb-c.h"
#include "tsunagi/v1/consent.pb-c.h"
#include "tsunagi/v1/emergency.pb-c.h"
#include "tsunagi/v1/glass.pb-c.h"
#include "tsunagi/v1/options.pb-c.h"
#include "tsunagi/v1/record.pb-c.h"
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
    case PB__DATA_CLASS__G_NOTICE:
    case PB__DATA_CLASS__G_RESULT:
    case PB__DATA_CLASS__G_HISTORY:
    case PB__DATA_CLASS__G_VISIT:
    case PB__DATA_CLASS__G_ISSUE:
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

static const void *pointer_at(const void *at)
{
    const void *p;
    memcpy(&p, at, sizeof(p));
    return p;
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

/* The number on a beneficiary certificate. */
static enum err check_certificate(struct slice s)
{
    bool ok = s.n == 10;
    for (size_t i = 0; ok && i < s.n; i++)
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

/* Strings with a form of their own: any field of this name, or that of one
 * message alone. */
static const struct {
    const ProtobufCMessageDescriptor *of;
    const char *field;
    enum err (*check)(struct slice s);
} FORMS[] = {
    {NULL, "certificate_no", check_certificate},
    {&pb__name__descriptor, "kana", check_kana},
    {&pb__stat_reported__descriptor, "place", code_check_muni5},
    {&pb__person_places_recorded__descriptor, "resident", code_check_muni5},
    {&pb__person_places_recorded__descriptor, "present", code_check_muni5},
    {&pb__person_places_recorded__descriptor, "shikyu", code_check_muni5},
    {&pb__person_places_recorded__descriptor, "plan", code_check_muni5},
};

static enum err check_form(const ProtobufCMessage *m,
                           const ProtobufCFieldDescriptor *f, struct slice s)
{
    for (size_t i = 0; i < NELEM(FORMS); i++)
        if (strcmp(FORMS[i].field, f->name) == 0 &&
            (FORMS[i].of == NULL || FORMS[i].of == m->descriptor))
            return FORMS[i].check(s);
    return ERR_OK;
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
    return check_form(m, f, s);
}

static enum err check_bytes(const ProtobufCFieldDescriptor *f,
                            ProtobufCBinaryData d)
{
    if (ends_in(f->name, "_ref") || strcmp(f->name, "supersedes") == 0 ||
        strcmp(f->name, "extends") == 0)
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

#define FROM_MS UINT64_C(1420070400000) /* 2015-01-01 */
#define TO_MS UINT64_C(4102444800000)   /* 2100-01-01 */

/* The least and most of a number; of those not named, times alone have any. */
static const struct {
    const ProtobufCMessageDescriptor *of;
    const char *field;
    uint64_t min, max;
} RANGES[] = {
    /* clang-format off */
    /* nothing in a canvass may be fine enough to point at one person */
    {&pb__stay_canvass__descriptor, "nights", 1, 31},
    {&pb__stay_canvass__descriptor, "support_level", 1, 6},
    {&pb__emergency_unmet__descriptor, "asked", 0, 1000},
    {&pb__emergency_unmet__descriptor, "answered", 0, 1000},
    {&pb__emergency_unmet__descriptor, "waited_minutes", 0, 7 * 24 * 60},
    {&pb__vacancy_updated__descriptor, "beds", 0, 100},
    {&pb__break_glass_opened__descriptor, "minutes", 1, 24 * 60},
    {&pb__abuse_figures__descriptor, "fiscal_year", 2015, 2099},
    {NULL, "_ms", FROM_MS, TO_MS},
}; /* clang-format on */

static enum err check_number(const ProtobufCMessage *m,
                             const ProtobufCFieldDescriptor *f, const void *at)
{
    uint64_t v = schema_number(f, at);
    for (size_t i = 0; i < NELEM(RANGES); i++)
        if (RANGES[i].of == NULL ? ends_in(f->name, RANGES[i].field)
                                 : RANGES[i].of == m->descriptor &&
                                       strcmp(f->name, RANGES[i].field) == 0)
            return v >= RANGES[i].min && v <= RANGES[i].max ? ERR_OK
                                                            : ERR_VAL_RANGE;
    return ERR_OK;
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

#define CELL_MIN 10 /* a smaller cell could point at one person */

static enum err check_stat(struct check *c, const ProtobufCMessage *m)
{
    const Pb__StatCount *s = (const Pb__StatCount *)m;
    if (!s->has_item)
        return at_fault(c, "item", ERR_VAL_REQUIRED);
    if (s->suppressed ? s->count == 0 : s->count >= CELL_MIN)
        return ERR_OK;
    return at_fault(c, "count", ERR_VAL_RANGE);
}

static const struct {
    const ProtobufCMessageDescriptor *descriptor;
    enum err (*check)(struct check *c, const ProtobufCMessage *m);
} VALUES[] = {
    {&pb__name__descriptor, check_name},
    {&pb__date__descriptor, check_date},
    {&pb__consent_recipient__descriptor, check_recipient},
    {&pb__stat_count__descriptor, check_stat},
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
    case PROTOBUF_C_TYPE_BOOL:
        return ERR_OK;
    default:
        return check_number(m, f, at);
    }
}

static enum err check_field(struct check *c, const ProtobufCMessage *m,
                            const ProtobufCFieldDescriptor *f)
{
    size_t back = enter(c, f->name);
    size_t n = schema_count(m, f);
    for (size_t i = 0; i < n; i++) {
        enum err e = check_element(c, m, f, schema_element(m, f, i));
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
    char missing[REQUIRE_NAME];
    enum err e = require_fields(m, body, missing);
    return e == ERR_OK ? e : at_fault(c, missing, e);
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
