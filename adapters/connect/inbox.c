/* inbox.c - deliveries and receipts as files.
 *
 * An answer needs the tokens of the delivery it answers, so the inbox folder is
 * the memory: INBOX/EVENTID.json must still be there when the answer comes. */
#include "adapters/connect/inbox.h"
#include "adapters/connect/answer.h"
#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ANSWER_MAX ((size_t)1 << 20)
#define DELIVERY_MAX ((size_t)4 << 20)

struct inbox {
    struct tsunagi_host *host;
    const char *const *types;
    char *path, *receipts;
    struct folder *answers;
};

static tsunagi_code make_folder(struct tsunagi_host *h, const char *key,
                                char **out)
{
    const char *name = tsunagi_option(h, key);
    *out = tsunagi_path(h, name == NULL ? key : name);
    if (*out == NULL)
        return "E-INT-002";
    return mkdir(*out, 0700) == 0 || errno == EEXIST ? NULL : "E-IO-001";
}

tsunagi_code inbox_open(struct tsunagi_host *h, const char *const *types,
                        struct inbox **out)
{
    assert(h != NULL && out != NULL);
    *out = NULL;
    struct inbox *in = calloc(1, sizeof(*in));
    if (in == NULL)
        return "E-INT-002";
    in->host = h;
    in->types = types;
    const char *answers = tsunagi_option(h, "answers");
    tsunagi_code code = make_folder(h, "inbox", &in->path);
    if (code == NULL)
        code = make_folder(h, "receipts", &in->receipts);
    if (code == NULL)
        code =
            folder_open(h, answers == NULL ? "answers" : answers, ".json,.csv",
                        ANSWER_MAX, answer_read, in, &in->answers);
    if (code != NULL)
        inbox_close(&in);
    *out = in;
    return code;
}

void inbox_close(struct inbox **inp)
{
    struct inbox *in = *inp;
    *inp = NULL;
    if (in == NULL)
        return;
    folder_close(&in->answers);
    free(in->path);
    free(in->receipts);
    free(in);
}

void inbox_scan(struct inbox *in)
{
    folder_scan(in->answers);
}

/* ---- deliveries and receipts to files ----------------------------------- */
static char *file_in(const char *dir, const char *stem, const char *tail)
{
    char *path = NULL;
    if (asprintf(&path, "%s/%s%s", dir, stem, tail) < 0)
        return NULL;
    return path;
}

static tsunagi_code write_text(const char *dir, const char *stem,
                               const char *tail, const char *text)
{
    char *path = file_in(dir, stem, tail);
    if (path == NULL)
        return "E-INT-002";
    int rc = tsunagi_write_file(path, text, strlen(text));
    free(path);
    return rc == 0 ? NULL : "E-IO-001";
}

/* The whole file as text, NULL when it is not there. free(). */
static char *read_text(const char *path)
{
    struct stat st;
    FILE *f = fopen(path, "re");
    if (f == NULL)
        return NULL;
    char *text = NULL;
    if (fstat(fileno(f), &st) == 0 && S_ISREG(st.st_mode) &&
        (size_t)st.st_size <= DELIVERY_MAX)
        text = calloc(1, (size_t)st.st_size + 1);
    if (text != NULL &&
        fread(text, 1, (size_t)st.st_size, f) != (size_t)st.st_size) {
        free(text);
        text = NULL;
    }
    fclose(f);
    return text;
}

static bool is_event_id(const char *s)
{
    if (strlen(s) != 36)
        return false;
    for (size_t i = 0; i < 36; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (dash ? s[i] != '-' : strchr("0123456789abcdef", s[i]) == NULL)
            return false;
    }
    return true;
}

static char *printed(const struct tsunagi_delivery *d)
{
    char *text = NULL;
    size_t n = 0;
    FILE *m = open_memstream(&text, &n);
    if (m == NULL)
        return NULL;
    tsunagi_print(d, m);
    if (fclose(m) != 0) {
        free(text);
        return NULL;
    }
    return text;
}

static bool same_delivery(const char *a, const char *b)
{
    json_t *x = json_loads(a, 0, NULL), *y = json_loads(b, 0, NULL);
    const char *one = json_string_value(json_object_get(x, "delivery_id"));
    const char *two = json_string_value(json_object_get(y, "delivery_id"));
    bool same = one != NULL && two != NULL && strcmp(one, two) == 0;
    json_decref(x);
    json_decref(y);
    return same;
}

/* EVENTID, or EVENTID-2 ... when that holds another delivery of the event. */
static tsunagi_code choose_stem(const struct inbox *in, const char *id,
                                const char *json, char stem[48])
{
    snprintf(stem, 48, "%s", id);
    for (unsigned i = 2; i < 1000; i++) {
        char *path = file_in(in->path, stem, ".json");
        char *old = path == NULL ? NULL : read_text(path);
        free(path);
        bool fits = old == NULL || same_delivery(old, json);
        free(old);
        if (fits)
            return NULL;
        snprintf(stem, 48, "%s-%u", id, i);
    }
    return "E-IO-001";
}

tsunagi_code inbox_take(struct inbox *in, const struct tsunagi_delivery *d)
{
    char stem[48];
    const char *json = tsunagi_delivery_json(d);
    json_t *j = json == NULL ? NULL : json_loads(json, 0, NULL);
    const char *id = json_string_value(json_object_get(j, "event_id"));
    tsunagi_code code = "E-INT-001";
    if (id != NULL && is_event_id(id))
        code = choose_stem(in, id, json, stem);
    json_decref(j);
    if (code != NULL)
        return code;
    char *text = printed(d);
    code =
        text == NULL ? "E-INT-002" : write_text(in->path, stem, ".txt", text);
    free(text);
    return code != NULL ? code : write_text(in->path, stem, ".json", json);
}

static char *receipt_text(const struct tsunagi_receipt *r)
{
    char *text = NULL;
    if (asprintf(&text, "%s %s\n%s %s\n%s\n%s\n", r->type, r->event_id,
                 r->accepted ? "受付済 accepted" : "受け付けられません refused",
                 r->code == NULL ? "" : r->code,
                 r->text_ja == NULL ? "" : r->text_ja,
                 r->text_en == NULL ? "" : r->text_en) < 0)
        return NULL;
    return text;
}

void inbox_receipt(struct inbox *in, const struct tsunagi_receipt *r)
{
    if (!is_event_id(r->event_id))
        return;
    tsunagi_code code = write_text(in->receipts, r->event_id, ".json",
                                   r->json == NULL ? "{}" : r->json);
    if (code == NULL && r->code != NULL) {
        char *text = receipt_text(r);
        code = text == NULL
                   ? "E-INT-002"
                   : write_text(in->receipts, r->event_id, ".txt", text);
        free(text);
    }
    if (code != NULL)
        tsunagi_log(in->host, "inbox: receipt not written event=%s code=%s",
                    r->event_id, code);
}

char *inbox_delivery(const struct inbox *in, const char *event_id)
{
    if (!is_event_id(event_id))
        return NULL;
    char *path = file_in(in->path, event_id, ".json");
    char *text = path == NULL ? NULL : read_text(path);
    free(path);
    return text;
}

bool inbox_may_send(const struct inbox *in, const char *type)
{
    if (in->types == NULL)
        return true;
    for (const char *const *t = in->types; *t != NULL; t++)
        if (strcmp(*t, type) == 0)
            return true;
    return false;
}

struct tsunagi_host *inbox_host(const struct inbox *in)
{
    return in->host;
}

/* ---- forgetting a person --------------------------------------------------
 */
static const char *member(const json_t *j, const char *key)
{
    const char *s = json_string_value(json_object_get(j, key));
    return s == NULL ? "" : s;
}

static bool drop(const char *dir, const char *stem, const char *tail)
{
    char *path = file_in(dir, stem, tail);
    bool ok = path != NULL && (unlink(path) == 0 || errno == ENOENT);
    free(path);
    return ok;
}

struct erasing {
    const struct tsunagi_erasure *e;
    inbox_each *each;
    void *self;
};

/* The .json last, because it is what is looked into. */
static bool erase_delivery(const char *dir, const char *stem,
                           const struct erasing *x)
{
    char *path = file_in(dir, stem, ".json");
    char *text = path == NULL ? NULL : read_text(path);
    json_t *j = text == NULL ? NULL : json_loads(text, 0, NULL);
    bool ok = text != NULL;
    if (ok && tsunagi_erases_delivery(x->e, member(j, "delivery_id")))
        ok = (x->each == NULL ||
              x->each(x->self, text, member(j, "delivery_id"))) &&
             drop(dir, stem, ".txt") && drop(dir, stem, ".json");
    json_decref(j);
    free(text);
    free(path);
    return ok;
}

static bool erase_receipt(const char *dir, const char *stem,
                          const struct erasing *x)
{
    return !tsunagi_erases_event(x->e, stem) ||
           (drop(dir, stem, ".txt") && drop(dir, stem, ".json"));
}

static tsunagi_code each_json(const char *dir, const struct erasing *x,
                              bool (*one)(const char *, const char *,
                                          const struct erasing *))
{
    struct dirent *entry;
    bool ok = true;
    DIR *d = opendir(dir);
    if (d == NULL)
        return "E-IO-001";
    while ((entry = readdir(d)) != NULL) {
        size_t n = strlen(entry->d_name);
        if (n <= 5 || strcmp(entry->d_name + n - 5, ".json") != 0)
            continue;
        entry->d_name[n - 5] = '\0';
        ok = one(dir, entry->d_name, x) && ok;
    }
    closedir(d);
    return ok ? NULL : "E-IO-001";
}

tsunagi_code inbox_erase(struct inbox *in, const struct tsunagi_erasure *e,
                         inbox_each *each, void *self)
{
    const struct erasing x = {e, each, self};
    tsunagi_code code = each_json(in->path, &x, erase_delivery);
    tsunagi_code receipts = each_json(in->receipts, &x, erase_receipt);
    tsunagi_code answers = folder_erase(in->answers, e, NULL);
    return code != NULL ? code : receipts != NULL ? receipts : answers;
}

/* ---- a module that is an inbox ----------------------------------------------
 */
tsunagi_code inbox_module_open(struct tsunagi_host *h, void **self)
{
    struct inbox *in = NULL;
    tsunagi_code code = inbox_open(h, NULL, &in);
    if (code != NULL)
        tsunagi_log(h, "inbox: cannot start code=%s", code);
    *self = in;
    return code;
}

void inbox_module_close(void *self)
{
    struct inbox *in = self;
    inbox_close(&in);
}

tsunagi_code inbox_module_delivery(void *self, const struct tsunagi_delivery *d)
{
    return inbox_take(self, d);
}

void inbox_module_receipt(void *self, const struct tsunagi_receipt *r)
{
    inbox_receipt(self, r);
}

void inbox_module_tick(void *self)
{
    inbox_scan(self);
}

tsunagi_code inbox_module_erase(void *self, const struct tsunagi_erasure *e)
{
    return inbox_erase(self, e, NULL, NULL);
}
