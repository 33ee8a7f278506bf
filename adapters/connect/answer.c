/* answer.c - files that become events.
 *
 * Every object or row of a file becomes a draft before the first is submitted,
 * and each draft's source is the file's content and the place in it, so a file
 * read again after a crash sends nothing twice. A refusal names the object (as
 * line) and the field at fault. A CSV row becomes the same object as in JSON,
 * with its cells under "set". */
#include "adapters/connect/answer.h"
#include "adapters/connect/csv.h"
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define OBJECTS_MAX 1000

/* The event types that name the event they answer in a field of their own. */
static const struct {
    const char *type, *field;
} REFERENCES[] = {
    {"INTRO_ANSWERED", "intro_ref"},
    {"FILING_RECEIVED", "filing_ref"},
    {"STAY_CONFIRMED", "offer_ref"},
    {"CARE_ANSWERED", "asked_ref"},
};

/* ---- answers to drafts --------------------------------------------------- */
struct reading {
    struct inbox *in;
    json_t *delivery;  /* the one answered; NULL for a new event */
    const char *field; /* at fault */
};

static const char *string_of(const json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));
    return s == NULL || s[0] == '\0' ? NULL : s;
}

static tsunagi_code check_keys(struct reading *rd, json_t *o)
{
    static const char KNOWN[] = " answer_to type person person_token case "
                                "case_token source to body set ";
    const char *key;
    json_t *value;
    json_object_foreach(o, key, value)
    {
        char padded[24];
        bool text = strcmp(key, "to") != 0 && strcmp(key, "body") != 0 &&
                    strcmp(key, "set") != 0;
        rd->field = "(key)"; /* an unknown name is not repeated */
        if (strlen(key) > 20)
            return "E-VAL-015";
        snprintf(padded, sizeof(padded), " %s ", key);
        if (strstr(KNOWN, padded) == NULL)
            return "E-VAL-015";
        if (text && !json_is_string(value))
            return "E-VAL-016";
    }
    rd->field = NULL;
    return NULL;
}

static tsunagi_code load_answered(struct reading *rd, const char *id)
{
    char *text = inbox_delivery(rd->in, id);
    rd->field = "answer_to";
    if (text == NULL)
        return "E-NF-001";
    rd->delivery = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    free(text);
    if (rd->delivery == NULL)
        return "E-NF-001";
    rd->field = NULL;
    return NULL;
}

/* Adds to the body what the delivery already says. */
static tsunagi_code complete_body(const struct reading *rd, const char *type,
                                  json_t *body)
{
    int rc = 0;
    for (size_t i = 0; i < sizeof(REFERENCES) / sizeof(REFERENCES[0]); i++) {
        const char *field = REFERENCES[i].field;
        if (strcmp(REFERENCES[i].type, type) == 0 &&
            json_object_get(body, field) == NULL)
            rc |= json_object_set(body, field,
                                  json_object_get(rd->delivery, "event_id"));
    }
    json_t *form =
        json_object_get(json_object_get(rd->delivery, "body"), "form_code");
    if (strcmp(type, "FILING_RECEIVED") == 0 && form != NULL &&
        json_object_get(body, "form_code") == NULL)
        rc |= json_object_set(body, "form_code", form);
    return rc == 0 ? NULL : "E-INT-002";
}

static tsunagi_code set_body(struct reading *rd, struct tsunagi_draft *d,
                             const json_t *o, const char *type)
{
    json_t *given = json_object_get(o, "body");
    rd->field = "body";
    if (given != NULL && !json_is_object(given))
        return "E-VAL-016";
    json_t *body = given == NULL ? json_object() : json_deep_copy(given);
    tsunagi_code code = body == NULL ? "E-INT-002" : NULL;
    if (code == NULL && rd->delivery != NULL)
        code = complete_body(rd, type, body);
    char *text = code == NULL ? json_dumps(body, JSON_COMPACT) : NULL;
    json_decref(body);
    if (text == NULL)
        return code == NULL ? "E-INT-002" : code;
    code = tsunagi_set_json(d, text);
    free(text);
    if (code == NULL)
        rd->field = NULL;
    return code;
}

static tsunagi_code set_fields(struct reading *rd, struct tsunagi_draft *d,
                               const json_t *o)
{
    json_t *fields = json_object_get(o, "set");
    const char *path;
    json_t *value;
    rd->field = "set";
    if (fields != NULL && !json_is_object(fields))
        return "E-VAL-016";
    json_object_foreach(fields, path, value)
    {
        if (!json_is_string(value))
            return "E-VAL-016";
        tsunagi_code code = tsunagi_set(d, path, json_string_value(value));
        if (code != NULL) {
            rd->field = path;
            return code;
        }
    }
    rd->field = NULL;
    return NULL;
}

static const char *token_of(const struct reading *rd, const json_t *o,
                            const char *key)
{
    const char *own = string_of(o, key);
    return own != NULL ? own : string_of(rd->delivery, key);
}

static tsunagi_code set_subject(struct reading *rd, struct tsunagi_draft *d,
                                const json_t *o)
{
    const char *person = string_of(o, "person"), *key = string_of(o, "case");
    const char *person_token = token_of(rd, o, "person_token");
    const char *case_token = token_of(rd, o, "case_token");
    tsunagi_code code = NULL;
    rd->field = "person";
    if (person != NULL)
        tsunagi_person(d, person);
    else if (person_token != NULL)
        code = tsunagi_person_token(d, person_token);
    if (code != NULL)
        return code;
    rd->field = "case";
    if (key != NULL)
        tsunagi_case(d, key);
    else if (case_token != NULL)
        code = tsunagi_case_token(d, case_token);
    if (code == NULL)
        rd->field = NULL;
    return code;
}

static tsunagi_code set_given_recipients(struct reading *rd,
                                         struct tsunagi_draft *d,
                                         const json_t *to)
{
    rd->field = "to";
    if (!json_is_array(to))
        return "E-VAL-016";
    size_t i;
    json_t *one;
    json_array_foreach(to, i, one)
    {
        const char *agency = string_of(one, "agency");
        const char *role = string_of(one, "role");
        if (agency == NULL && role == NULL)
            return "E-EVT-014";
        tsunagi_to(d, agency, role, string_of(one, "place"),
                   string_of(one, "purpose"));
    }
    rd->field = NULL;
    return NULL;
}

static tsunagi_code set_recipients(struct reading *rd, struct tsunagi_draft *d,
                                   const json_t *o)
{
    const json_t *to = json_object_get(o, "to");
    if (to != NULL)
        return set_given_recipients(rd, d, to);
    const char *sender = string_of(rd->delivery, "agency");
    if (sender != NULL && strcmp(sender, "HUB") != 0)
        tsunagi_to(d, sender, NULL, NULL, string_of(rd->delivery, "purpose"));
    tsunagi_to_routes(d);
    return NULL;
}

static tsunagi_code fill(struct reading *rd, json_t *o,
                         struct tsunagi_draft **out)
{
    tsunagi_code code = check_keys(rd, o);
    if (code != NULL)
        return code;
    const char *type = string_of(o, "type"), *to = string_of(o, "answer_to");
    rd->field = "type";
    *out = type == NULL ? NULL : tsunagi_draft_new(inbox_host(rd->in), type);
    if (*out == NULL)
        return "E-EVT-002";
    if (!inbox_may_send(rd->in, type))
        return "E-EVT-018";
    rd->field = NULL;
    if (to != NULL)
        code = load_answered(rd, to);
    if (code == NULL)
        code = set_body(rd, *out, o, type);
    if (code == NULL)
        code = set_fields(rd, *out, o);
    if (code == NULL)
        code = set_subject(rd, *out, o);
    return code != NULL ? code : set_recipients(rd, *out, o);
}

/* The objects of one file, with the line of each (NULL: count them). */
struct batch {
    json_t *list;
    unsigned *line;
    const uint8_t *bytes;
    size_t n;
};

static void fault(struct folder_result *r, tsunagi_code code,
                  const struct batch *b, size_t i, const char *field)
{
    r->code = code;
    r->line = b->line != NULL ? b->line[i] : (unsigned)i + 1;
    if (field != NULL && field[0] != '\0' &&
        asprintf(&r->text, "%u: %s\r\n", r->line, field) < 0)
        r->text = NULL;
}

static bool make_drafts(struct inbox *in, const struct batch *b,
                        struct tsunagi_draft **drafts, struct folder_result *r)
{
    size_t i;
    json_t *o;
    json_array_foreach(b->list, i, o)
    {
        struct reading rd = {.in = in};
        char source[FOLDER_SOURCE];
        tsunagi_code code = fill(&rd, o, &drafts[i]);
        if (code != NULL)
            fault(r, code, b, i, rd.field);
        json_decref(rd.delivery);
        if (code != NULL)
            return false;
        folder_source(b->bytes, b->n, (unsigned)i, source);
        const char *own = string_of(o, "source");
        tsunagi_source(drafts[i], own == NULL ? source : own);
    }
    return true;
}

static void submit_all(struct tsunagi_draft **drafts, const struct batch *b,
                       struct folder_result *r)
{
    char *ids = NULL;
    size_t len = 0;
    FILE *m = open_memstream(&ids, &len);
    for (size_t i = 0; i < json_array_size(b->list); i++) {
        char id[37], field[96] = "";
        tsunagi_code code = tsunagi_submit(&drafts[i], id, field);
        if (code != NULL) {
            fault(r, code, b, i, field);
            break;
        }
        r->taken++;
        if (m != NULL)
            fprintf(m, "%s\r\n", id);
    }
    if (m != NULL)
        fclose(m);
    if (r->code == NULL)
        r->text = ids;
    else
        free(ids);
}

static void send_batch(struct inbox *in, const struct batch *b,
                       struct folder_result *r)
{
    size_t n = json_array_size(b->list);
    struct tsunagi_draft **drafts = calloc(n, sizeof(struct tsunagi_draft *));
    if (drafts == NULL)
        r->code = "E-INT-002";
    else if (make_drafts(in, b, drafts, r))
        submit_all(drafts, b, r);
    for (size_t i = 0; drafts != NULL && i < n; i++)
        tsunagi_draft_free(&drafts[i]);
    free(drafts);
}

/* ---- answers as CSV --------------------------------------------------------
 */
struct heading {
    const char *ja, *en, *field;
};
/* The first column is the one that makes a row an answer. */
static const struct sheet {
    const char *type;
    struct heading columns[5];
} SHEETS[] = {
    {"FILING_RECEIVED",
     {{"受理日", "received_on", "received_on"},
      {"受理した機関", "office_name", "office_name"}}},
    {"INTRO_ANSWERED",
     {{"返事", "answer", "answer"},
      {"理由", "reason", "reason"},
      {"担当者", "contact_name", "contact_name"},
      {"電話", "contact_phone", "contact_phone"}}},
};
static const struct heading NUMBER = {"番号", "answer_to", "answer_to"};

static bool is_head(const struct heading *h, const char *text)
{
    return h->ja != NULL &&
           (strcmp(h->ja, text) == 0 || strcmp(h->en, text) == 0);
}

static size_t column_of(const struct table *t, const struct heading *h)
{
    for (size_t col = 0; col < table_cols(t); col++)
        if (is_head(h, table_head(t, col)))
            return col;
    return SIZE_MAX;
}

static const struct sheet *sheet_of(const struct table *t)
{
    if (column_of(t, &NUMBER) == SIZE_MAX)
        return NULL;
    for (size_t i = 0; i < sizeof(SHEETS) / sizeof(SHEETS[0]); i++)
        if (column_of(t, &SHEETS[i].columns[0]) != SIZE_MAX)
            return &SHEETS[i];
    return NULL;
}

static const char *field_of(const struct sheet *s, const char *head)
{
    for (size_t i = 0; i < 5; i++)
        if (is_head(&s->columns[i], head))
            return s->columns[i].field;
    return NULL;
}

/* Columns of no meaning here (a name for the eye) are passed over. */
static json_t *answer_of(const struct table *t, size_t row,
                         const struct sheet *s, struct folder_result *r)
{
    json_t *set = json_object();
    for (size_t col = 0; col < table_cols(t); col++) {
        const char *cell = table_cell(t, row, col);
        const char *field = field_of(s, table_head(t, col));
        if (field == NULL || cell[0] == '\0')
            continue;
        if (table_damaged(cell, false)) {
            *r = (struct folder_result){.code = "E-CSV-004",
                                        .line = table_line(t, row),
                                        .column = (unsigned)col + 1};
            json_decref(set);
            return NULL;
        }
        json_object_set_new(set, field, json_string(cell));
    }
    return json_pack("{s:s, s:s, s:o}", "answer_to",
                     table_cell(t, row, column_of(t, &NUMBER)), "type", s->type,
                     "set", set);
}

static void read_rows(struct inbox *in, const struct table *t,
                      const struct sheet *s, struct batch *b,
                      struct folder_result *r)
{
    size_t key = column_of(t, &s->columns[0]);
    for (size_t row = 0; row < table_rows(t); row++) {
        if (table_cell(t, row, key)[0] == '\0')
            continue;
        json_t *o = answer_of(t, row, s, r);
        if (o == NULL && r->code == NULL)
            r->code = "E-INT-002";
        if (o == NULL)
            return;
        b->line[json_array_size(b->list)] = table_line(t, row);
        json_array_append_new(b->list, o);
    }
    if (json_array_size(b->list) == 0)
        r->code = "E-CSV-005";
    else
        send_batch(in, b, r);
}

static void read_csv(struct inbox *in, const uint8_t *bytes, size_t n,
                     struct folder_result *r)
{
    struct table *t = NULL;
    struct table_fault where;
    r->code = table_read(bytes, n, &t, &where);
    r->line = where.line;
    r->column = where.column;
    if (r->code != NULL)
        return;
    const struct sheet *s = sheet_of(t);
    struct batch b = {.list = json_array(),
                      .line = calloc(table_rows(t), sizeof(unsigned)),
                      .bytes = bytes,
                      .n = n};
    if (s == NULL) {
        r->code = "E-CSV-003";
        r->line = 1;
    } else if (b.list == NULL || b.line == NULL) {
        r->code = "E-INT-002";
    } else {
        read_rows(in, t, s, &b, r);
    }
    json_decref(b.list);
    free(b.line);
    table_free(&t);
}

/* ---- answers as JSON -------------------------------------------------------
 */
/* Always an array; NULL with r->code set. */
static json_t *parse(const uint8_t *bytes, size_t n, struct folder_result *r)
{
    json_error_t e;
    char *text = NULL;
    r->code = tsunagi_from_unknown(bytes, n, &text);
    if (r->code != NULL)
        return NULL;
    json_t *j = json_loads(text, JSON_REJECT_DUPLICATES, &e);
    free(text);
    if (j != NULL && json_is_object(j)) {
        json_t *list = json_pack("[o]", j);
        j = list;
    }
    if (j == NULL || json_array_size(j) == 0 ||
        json_array_size(j) > OBJECTS_MAX) {
        r->code = "E-VAL-014";
        r->line = j == NULL && e.line > 0 ? (unsigned)e.line : 0;
        r->column = j == NULL && e.column > 0 ? (unsigned)e.column : 0;
        json_decref(j);
        return NULL;
    }
    return j;
}

void answer_read(void *self, const char *name, const uint8_t *bytes, size_t n,
                 struct folder_result *r)
{
    size_t len = strlen(name);
    if (len > 4 && strcasecmp(name + len - 4, ".csv") == 0) {
        read_csv(self, bytes, n, r);
        return;
    }
    struct batch b = {.list = parse(bytes, n, r), .bytes = bytes, .n = n};
    if (b.list == NULL)
        return;
    send_batch(self, &b, r);
    json_decref(b.list);
}
