/* office.c - the module for agencies that need no code of their own: short
 * stay, home-visit nursing, planning office, outpatient clinic, housing, group
 * home. People there work with a folder.
 *
 * Options: profile (below); inbox, answers: folders ("inbox", "answers").
 * A delivery becomes inbox/DATE-ID8.txt to print and .json for programs; file
 * names hold a date and eight digits of the delivery's number, nothing of a
 * person. A JSON file dropped into answers becomes an event: the form of
 * `tsunagi send`, or the short one
 *   {"answer_to": "<delivery>", "type": "STAY_OFFERED", "body": {...}}
 * whose person, case, purpose and recipient are those of the delivery, named
 * by its number, the eight digits of the file name, or its event's number.
 * What an answer needs of a delivery is kept apart in inbox/.index (numbers
 * and codes only), so the inbox may be tidied as people like. The file goes to
 * done/, with the hub's answer as NAME.receipt.json when that has come, or to
 * rejected/ with NAME.reason.txt. */
#include "adapters/connect/folder.h"
#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ANSWER_MAX (512 * 1024)
#define SHORT_ID 8
#define ID_LEN 36

/* What each profile may send; the hub decides again. */
static const char *const STAY[] = {"STAY_OFFERED", "STAY_DECLINED",
                                   "INTRO_ANSWERED", "CONSENT_WITHDRAWN", NULL};
static const char *const VISIT[] = {"INTRO_ANSWERED", "CONSENT_WITHDRAWN",
                                    "EMERGENCY_REQUESTED", NULL};
static const char *const PLANNING[] = {"INTRO_ANSWERED",
                                       "CONSENT_GIVEN",
                                       "CONSENT_REFUSED",
                                       "CONSENT_WITHDRAWN",
                                       "EMERGENCY_REGISTERED",
                                       "EMERGENCY_REQUESTED",
                                       NULL};
static const char *const HOUSING[] = {"INTRO_ANSWERED", "CONSENT_WITHDRAWN",
                                      NULL};
static const struct {
    const char *name;
    const char *const *types;
} PROFILES[] = {
    {"short_stay", STAY},          {"home_nursing", VISIT},
    {"planning_office", PLANNING}, {"outpatient", VISIT},
    {"housing", HOUSING},          {"group_home", STAY},
};

struct office {
    struct tsunagi_host *host;
    const char *const *types;
    char *inbox, *index, *answers, *sent; /* folders */
    struct folder *folder;
};

/* ---- small files ---- */

static char *join(const char *folder, const char *name, const char *tail)
{
    char *path = NULL;
    return asprintf(&path, "%s/%s%s", folder, name, tail) < 0 ? NULL : path;
}

static tsunagi_code write_text(const char *folder, const char *name,
                               const char *tail, const char *text)
{
    char *path = join(folder, name, tail);
    if (path == NULL || text == NULL) {
        free(path);
        return "E-INT-002";
    }
    int rc = tsunagi_write_file(path, text, strlen(text));
    free(path);
    return rc == 0 ? NULL : "E-IO-001";
}

static tsunagi_code write_json(const char *folder, const char *name,
                               const json_t *j, size_t flags)
{
    char *text = json_dumps(j, flags);
    tsunagi_code c = write_text(folder, name, ".json", text);
    free(text);
    return c;
}

static json_t *read_json(const char *folder, const char *name, const char *tail)
{
    char *path = join(folder, name, tail);
    json_t *j = path != NULL ? json_load_file(path, 0, NULL) : NULL;
    free(path);
    return j;
}

static const char *text_at(const json_t *j, const char *key)
{
    return json_string_value(json_object_get(j, key));
}

/* ---- opening ---- */

static char *make_folder(char *path)
{
    if (path != NULL && mkdir(path, 0700) != 0 && errno != EEXIST) {
        free(path);
        return NULL;
    }
    return path;
}

static char *option_folder(struct tsunagi_host *h, const char *key)
{
    const char *given = tsunagi_option(h, key);
    return make_folder(tsunagi_path(h, given != NULL ? given : key));
}

static const char *const *types_of(const char *profile)
{
    for (size_t i = 0; i < sizeof(PROFILES) / sizeof(PROFILES[0]); i++)
        if (profile != NULL && strcmp(PROFILES[i].name, profile) == 0)
            return PROFILES[i].types;
    return NULL;
}

static void read_answer(void *self, const char *name, const uint8_t *bytes,
                        size_t n, struct folder_result *r);

static tsunagi_code open_folders(struct office *o)
{
    o->inbox = option_folder(o->host, "inbox");
    o->answers = option_folder(o->host, "answers");
    if (o->inbox == NULL || o->answers == NULL)
        return "E-IO-001";
    o->index = make_folder(join(o->inbox, ".index", ""));
    o->sent = make_folder(join(o->answers, ".sent", ""));
    if (o->index == NULL || o->sent == NULL)
        return "E-IO-001";
    return folder_open(o->host, o->answers, ".json", ANSWER_MAX, read_answer, o,
                       &o->folder);
}

static void office_close(void *self)
{
    struct office *o = self;
    folder_close(&o->folder);
    free(o->inbox);
    free(o->index);
    free(o->answers);
    free(o->sent);
    free(o);
}

static tsunagi_code office_open(struct tsunagi_host *h, void **self)
{
    const char *const *types = types_of(tsunagi_option(h, "profile"));
    if (types == NULL) {
        tsunagi_log(h, "unknown profile");
        return "E-CFG-016";
    }
    struct office *o = calloc(1, sizeof(*o));
    if (o == NULL)
        return "E-INT-002";
    o->host = h;
    o->types = types;
    tsunagi_code c = open_folders(o);
    if (c != NULL)
        office_close(o);
    else
        *self = o;
    return c;
}

/* ---- deliveries ---- */

static char *printed(const struct tsunagi_delivery *d)
{
    char *text = NULL;
    size_t n = 0;
    FILE *f = open_memstream(&text, &n);
    if (f == NULL)
        return NULL;
    tsunagi_print(d, f);
    if (fclose(f) != 0) {
        free(text);
        return NULL;
    }
    return text;
}

/* Only what an answer needs. */
static tsunagi_code keep_index(struct office *o, const json_t *j)
{
    static const char *const KEYS[] = {"delivery_id", "event_id",    "type",
                                       "agency",      "purpose",     "role",
                                       "case_token",  "person_token"};
    json_t *k = json_object();
    for (size_t i = 0; i < sizeof(KEYS) / sizeof(KEYS[0]); i++)
        if (json_object_get(j, KEYS[i]) != NULL)
            json_object_set(k, KEYS[i], json_object_get(j, KEYS[i]));
    tsunagi_code c =
        write_json(o->index, text_at(j, "delivery_id"), k, JSON_COMPACT);
    json_decref(k);
    return c;
}

/* DATE-ID8, or with the whole number when another delivery has that name. */
static void name_of(const struct office *o, const json_t *j, char name[64])
{
    const char *id = text_at(j, "delivery_id");
    const char *when = text_at(j, "released_at");
    snprintf(name, 64, "%.10s-%.*s", when, SHORT_ID, id);
    json_t *there = read_json(o->inbox, name, ".json");
    const char *other = text_at(there, "delivery_id");
    if (other != NULL && strcmp(other, id) != 0)
        snprintf(name, 64, "%.10s-%.36s", when, id);
    json_decref(there);
}

static tsunagi_code office_delivery(void *self,
                                    const struct tsunagi_delivery *d)
{
    struct office *o = self;
    char name[64];
    json_t *j = json_loads(tsunagi_delivery_json(d), 0, NULL);
    char *text = printed(d);
    tsunagi_code c = j == NULL || text == NULL ? "E-INT-002" : NULL;
    if (c == NULL)
        name_of(o, j, name);
    if (c == NULL)
        c = write_text(o->inbox, name, ".txt", text);
    if (c == NULL)
        c = keep_index(o, j);
    if (c == NULL)
        c = write_json(o->inbox, name, j, JSON_INDENT(2));
    free(text);
    json_decref(j);
    return c;
}

/* ---- answers ---- */

static bool hex_text(const char *s)
{
    size_t n = strlen(s);
    return n >= SHORT_ID && n <= ID_LEN && strspn(s, "0123456789abcdef-") == n;
}

/* By the start of the delivery's number or by its event; one only. */
static json_t *find_delivery(const struct office *o, const char *id)
{
    json_t *found = NULL;
    size_t hits = 0;
    DIR *dir = hex_text(id) ? opendir(o->index) : NULL;
    const struct dirent *e;
    while (dir != NULL && (e = readdir(dir)) != NULL) {
        if (e->d_name[0] == '.')
            continue;
        json_t *j = read_json(o->index, e->d_name, "");
        const char *event = text_at(j, "event_id");
        bool hit = strncmp(e->d_name, id, strlen(id)) == 0 ||
                   (event != NULL && strcmp(event, id) == 0);
        if (hit && hits++ == 0)
            found = json_incref(j);
        json_decref(j);
    }
    if (dir != NULL)
        closedir(dir);
    if (hits > 1) {
        json_decref(found);
        found = NULL;
    }
    return found;
}

static bool may_send(const struct office *o, const char *type)
{
    for (size_t i = 0; o->types[i] != NULL; i++)
        if (strcmp(o->types[i], type) == 0)
            return true;
    return false;
}

static tsunagi_code take_tokens(struct tsunagi_draft *d, const json_t *j)
{
    const char *person = text_at(j, "person_token");
    const char *case_hex = text_at(j, "case_token");
    tsunagi_code c = NULL;
    if (person != NULL)
        c = tsunagi_person_token(d, person);
    if (c == NULL && case_hex != NULL)
        c = tsunagi_case_token(d, case_hex);
    return c;
}

/* Of the short form: everything the delivery says. */
static tsunagi_code take_delivery(struct office *o, struct tsunagi_draft *d,
                                  const json_t *j)
{
    const char *type = text_at(j, "type");
    json_t *from = find_delivery(o, text_at(j, "answer_to"));
    if (from == NULL)
        return "E-NF-001";
    tsunagi_code c = take_tokens(d, from);
    if (c == NULL && strcmp(type, "INTRO_ANSWERED") == 0 &&
        json_object_get(json_object_get(j, "body"), "intro_ref") == NULL)
        c = tsunagi_set(d, "intro_ref", text_at(from, "event_id"));
    if (json_object_get(j, "to") == NULL)
        tsunagi_to(d, text_at(from, "agency"), NULL, NULL,
                   text_at(from, "purpose"));
    json_decref(from);
    return c;
}

static void take_recipients(struct tsunagi_draft *d, const json_t *j)
{
    const json_t *to = json_object_get(j, "to");
    for (size_t i = 0; i < json_array_size(to); i++) {
        const json_t *w = json_array_get(to, i);
        tsunagi_to(d, text_at(w, "agency"), text_at(w, "role"),
                   text_at(w, "place"), text_at(w, "purpose"));
    }
    if (to == NULL && text_at(j, "answer_to") == NULL)
        tsunagi_to_routes(d);
}

static tsunagi_code fill(struct office *o, struct tsunagi_draft *d,
                         const json_t *j, const char *source)
{
    char *body = json_dumps(json_object_get(j, "body"), JSON_COMPACT);
    tsunagi_code c = body != NULL ? tsunagi_set_json(d, body) : NULL;
    free(body);
    if (c == NULL && text_at(j, "answer_to") != NULL)
        c = take_delivery(o, d, j);
    else if (c == NULL)
        c = take_tokens(d, j);
    tsunagi_person(d, text_at(j, "person"));
    tsunagi_case(d, text_at(j, "case"));
    take_recipients(d, j);
    tsunagi_source(d, text_at(j, "source") != NULL ? text_at(j, "source")
                                                   : source);
    return c;
}

/* The name is kept under the event before the file is put away, so that the
 * receipt finds it after a restart too. */
static tsunagi_code submit(struct office *o, struct tsunagi_draft **d,
                           const char *name, struct folder_result *r)
{
    char event_id[ID_LEN + 1], field[96] = "";
    tsunagi_code c = tsunagi_submit(d, event_id, field);
    if (c == NULL) {
        r->taken = 1;
        return write_text(o->sent, event_id, "", name);
    }
    if (field[0] != '\0' && asprintf(&r->text, "項目 field: %s\r\n", field) < 0)
        r->text = NULL;
    return c;
}

static void read_answer(void *self, const char *name, const uint8_t *bytes,
                        size_t n, struct folder_result *r)
{
    struct office *o = self;
    char source[FOLDER_SOURCE];
    json_error_t at;
    json_t *j = json_loadb((const char *)bytes, n, JSON_REJECT_DUPLICATES, &at);
    const char *type = text_at(j, "type");
    struct tsunagi_draft *d = NULL;
    folder_source(bytes, n, 0, source);
    if (j == NULL) {
        r->line = at.line > 0 ? (unsigned)at.line : 0;
        r->column = at.column > 0 ? (unsigned)at.column : 0;
        r->code = "E-VAL-014";
    } else if (type == NULL) {
        r->code = "E-EVT-002";
    } else if (!may_send(o, type)) {
        r->code = "E-EVT-018";
    } else {
        d = tsunagi_draft_new(o->host, type);
        r->code = d != NULL ? fill(o, d, j, source) : "E-EVT-002";
        if (r->code == NULL)
            r->code = submit(o, &d, name, r);
    }
    tsunagi_draft_free(&d);
    json_decref(j);
}

/* ---- the hub's answers ---- */

static char *read_name(const char *path)
{
    char name[256] = "";
    FILE *f = fopen(path, "re");
    if (f == NULL)
        return NULL;
    size_t n = fread(name, 1, sizeof(name) - 1, f);
    fclose(f);
    return n > 0 && strchr(name, '/') == NULL ? strdup(name) : NULL;
}

/* Refused after all: the file moves, with the reason beside it. */
static void move_refused(struct office *o, const char *name,
                         const struct tsunagi_receipt *r)
{
    char *text = NULL, *rejected = join(o->answers, "rejected", "");
    char *done = join(o->answers, "done", "");
    char *from = done != NULL ? join(done, name, "") : NULL;
    char *to = rejected != NULL ? join(rejected, name, "") : NULL;
    if (from != NULL && to != NULL && rename(from, to) == 0 &&
        asprintf(&text, "%s\r\n%s\r\n%s\r\n", r->code != NULL ? r->code : "",
                 r->text_ja, r->text_en) > 0)
        (void)write_text(rejected, name, ".reason.txt", text);
    free(text);
    free(from);
    free(to);
    free(done);
    free(rejected);
}

static void office_receipt(void *self, const struct tsunagi_receipt *r)
{
    struct office *o = self;
    char *path = join(o->sent, r->event_id, "");
    char *name = path != NULL ? read_name(path) : NULL;
    char *done = join(o->answers, "done", "");
    json_t *j = json_loads(r->json, 0, NULL);
    const char *outcome = text_at(j, "outcome");
    bool parked = outcome != NULL && strcmp(outcome, "PARKED") == 0;
    bool refused = !r->accepted && !parked;
    if (name != NULL && done != NULL && refused)
        move_refused(o, name, r);
    else if (name != NULL && done != NULL)
        (void)write_text(done, name, ".receipt.json", r->json);
    if (name != NULL)
        unlink(path);
    json_decref(j);
    free(path);
    free(name);
    free(done);
}

static void office_tick(void *self)
{
    struct office *o = self;
    folder_scan(o->folder);
}

extern const struct tsunagi_module tsunagi_module;
const struct tsunagi_module tsunagi_module = {
    .abi = TSUNAGI_ADAPTER_ABI,
    .name = "office",
    .about = "事業所(フォルダーでやり取り) / an office that works with folders",
    .open = office_open,
    .close = office_close,
    .on_delivery = office_delivery,
    .on_receipt = office_receipt,
    .on_tick = office_tick,
    .tick_ms = 250,
};
