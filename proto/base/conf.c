/* conf.c - a configuration read through its table of items.
 *
 * Three passes, so that an administrator sees every mistake of a file at once:
 * bytes and tokens (conf_scan.c), libconfig's syntax, then the table. The
 * groups of a list are checked with the rest and handed out only when the
 * whole file is right, so a refused file has changed nothing. libconfig
 * itself refuses a key that stands twice in a group. */
#include "proto/base/conf.h"
#include "proto/base/conf_scan.h"
#include "proto/base/text.h"
#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum { FILE_MAX = 1 << 20, KEY_SIZE = 256, WRAPPED_MAX = 16 };

struct reader {
    const char *name;
    char folder[PATH_MAX]; /* absolute */
    struct slice text;
    FILE *out;
    char base[KEY_SIZE];           /* "agencies[2]." inside a list */
    unsigned wrapped[WRAPPED_MAX]; /* lines whose integer is already told */
    size_t wrapped_n;
    bool unreadable; /* no use in asking libconfig */
    enum err first;
};

/* ---- complaints ---------------------------------------------------------- */

static void note(struct reader *r, enum err e)
{
    if (r->first == ERR_OK)
        r->first = e;
}

static void say(struct reader *r, unsigned line, unsigned column, enum err e,
                const char *key, const char *hint, const char *fmt, ...)
    __attribute__((format(printf, 7, 8)));

static void say(struct reader *r, unsigned line, unsigned column, enum err e,
                const char *key, const char *hint, const char *fmt, ...)
{
    note(r, e);
    fprintf(r->out, "%s:%u:%u: error %s: ", r->name, line, column, err_code(e));
    if (key != NULL) /* without the dot when the element itself is meant */
        fprintf(r->out, "%.*s%s: ",
                (int)strlen(r->base) - (r->base[0] != '\0' && key[0] == '\0'),
                r->base, key);
    va_list ap;
    va_start(ap, fmt);
    vfprintf(r->out, fmt, ap);
    va_end(ap);
    fprintf(r->out, "\n      hint: %s%s%s\n", hint == NULL ? "" : hint,
            hint == NULL ? "" : " / ", err_ja(e));
}

static void tell_flaw(void *arg, const struct conf_flaw *f)
{
    struct reader *r = arg;
    if (f->e == ERR_CONF_OVERFLOW && r->wrapped_n < WRAPPED_MAX)
        r->wrapped[r->wrapped_n++] = f->line;
    r->unreadable = r->unreadable || f->e != ERR_CONF_OVERFLOW;
    say(r, f->line, f->column, f->e, NULL, f->hint, "%s", f->what);
}

static bool is_told(const struct reader *r, const config_setting_t *s)
{
    for (size_t i = 0; i < r->wrapped_n; i++)
        if (r->wrapped[i] == config_setting_source_line(s))
            return true;
    return false;
}

static unsigned line_of(const config_setting_t *s)
{
    unsigned line = config_setting_source_line(s);
    return line == 0 ? 1 : line;
}

static unsigned column_of(const struct reader *r, const config_setting_t *s)
{
    const char *name = config_setting_name(s);
    return name == NULL ? 1 : conf_scan_column(r->text, line_of(s), name);
}

#define SAY(r, s, e, key, hint, ...)                                           \
    say(r, line_of(s), column_of(r, s), e, key, hint, __VA_ARGS__)

/* ---- the table ----------------------------------------------------------- */

static const struct conf_item *find_item(const struct conf_item *items,
                                         const char *key)
{
    for (; items->key != NULL; items++)
        if (strcmp(items->key, key) == 0)
            return items;
    return NULL;
}

static bool is_group(const struct conf_item *items, const char *key)
{
    size_t n = strlen(key);
    for (; items->key != NULL; items++)
        if (strncmp(items->key, key, n) == 0 && items->key[n] == '.')
            return true;
    return false;
}

static unsigned least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

/* Letters to change, add or drop; long words are far from everything. */
static unsigned distance(const char *a, size_t an, const char *b, size_t bn)
{
    unsigned row[65];
    if (an >= NELEM(row) || bn >= NELEM(row))
        return UINT_MAX;
    for (unsigned k = 0; k <= bn; k++)
        row[k] = k;
    for (unsigned i = 1; i <= an; i++) {
        unsigned corner = row[0];
        row[0] = i;
        for (unsigned k = 1; k <= bn; k++) {
            unsigned change = corner + (a[i - 1] != b[k - 1]);
            corner = row[k];
            row[k] = least(change, least(row[k], row[k - 1]) + 1);
        }
    }
    return row[bn];
}

/* The key that `key` was probably meant to be: one beside it that is spelt
 * nearly so, else one of the same name in another group. */
static bool suggest(const struct conf_item *items, const char *key,
                    char out[KEY_SIZE])
{
    const char *dot = strrchr(key, '.'), *name = dot == NULL ? key : dot + 1;
    size_t prefix = (size_t)(name - key), n = strlen(name);
    unsigned best = least(3, (unsigned)(n + 2) / 3) + 1;
    bool found = false;
    for (const struct conf_item *i = items; i->key != NULL; i++) {
        if (strncmp(i->key, key, prefix) != 0)
            continue;
        size_t len = strcspn(i->key + prefix, ".");
        unsigned d = distance(name, n, i->key + prefix, len);
        if (d >= best)
            continue;
        best = d;
        found = true;
        snprintf(out, KEY_SIZE, "%.*s", (int)(prefix + len), i->key);
    }
    for (const struct conf_item *i = items; !found && i->key != NULL; i++) {
        const char *last = strrchr(i->key, '.');
        found = last != NULL && strcmp(last + 1, name) == 0;
        if (found)
            snprintf(out, KEY_SIZE, "%s", i->key);
    }
    return found;
}

static void say_unknown(struct reader *r, const config_setting_t *s,
                        const struct conf_item *items, const char *key)
{
    char other[KEY_SIZE], hint[KEY_SIZE + 32];
    bool found = suggest(items, key, other);
    if (found)
        snprintf(hint, sizeof(hint), "did you mean \"%s\"?", other);
    SAY(r, s, ERR_CONF_UNKNOWN, key, found ? hint : NULL, "unknown key");
}

/* ---- values -------------------------------------------------------------- */

static void *field(void *target, const struct conf_item *item)
{
    return (char *)target + item->offset;
}

static const char *type_name(int type)
{
    switch (type) {
    case CONFIG_TYPE_INT:
    case CONFIG_TYPE_INT64:
        return "an integer";
    case CONFIG_TYPE_FLOAT:
        return "a decimal number";
    case CONFIG_TYPE_STRING:
        return "a string";
    case CONFIG_TYPE_BOOL:
        return "true or false";
    case CONFIG_TYPE_GROUP:
        return "a group { }";
    case CONFIG_TYPE_ARRAY:
        return "an array [ ]";
    default:
        return "a list ( )";
    }
}

static bool has_type(struct reader *r, const config_setting_t *s, int type,
                     const char *key)
{
    int is = config_setting_type(s);
    if (is == type || (is == CONFIG_TYPE_INT64 && type == CONFIG_TYPE_INT))
        return true;
    SAY(r, s, ERR_CONF_TYPE, key, NULL, "expected %s, found %s",
        type_name(type), type_name(is));
    return false;
}

static bool is_unlimited(const struct conf_item *item)
{
    return item->min == 0 && item->max == 0;
}

static void load_int(struct reader *r, const config_setting_t *s,
                     const struct conf_item *item, void *target)
{
    if (is_told(r, s) || !has_type(r, s, CONFIG_TYPE_INT, item->key))
        return;
    long long v = config_setting_type(s) == CONFIG_TYPE_INT
                      ? config_setting_get_int(s)
                      : config_setting_get_int64(s);
    if (!is_unlimited(item) && (v < item->min || v > item->max)) {
        SAY(r, s, ERR_CONF_RANGE, item->key, item->help_en,
            "%lld is not in %lld..%lld", v, item->min, item->max);
        return;
    }
    *(long long *)field(target, item) = v;
}

static char *absolute(const struct reader *r, const char *path)
{
    size_t n = strlen(r->folder) + strlen(path) + 2;
    char *p = malloc(n);
    if (p == NULL)
        return NULL;
    const char *folder = strcmp(r->folder, "/") == 0 ? "" : r->folder;
    if (path[0] == '/')
        snprintf(p, n, "%s", path);
    else
        snprintf(p, n, "%s/%s", folder, path);
    return p;
}

static void put_string(struct reader *r, const char *v,
                       const struct conf_item *item, void *target)
{
    char **to = field(target, item);
    free(*to);
    *to = item->type == CONF_PATH ? absolute(r, v) : strdup(v);
    if (*to == NULL)
        note(r, ERR_NOMEM);
}

static void load_string(struct reader *r, const config_setting_t *s,
                        const struct conf_item *item, void *target)
{
    if (!has_type(r, s, CONFIG_TYPE_STRING, item->key))
        return;
    const char *v = config_setting_get_string(s);
    if (v == NULL)
        v = "";
    long long n = (long long)strlen(v);
    if (text_check_utf8(slice_str(v)) != ERR_OK) {
        SAY(r, s, ERR_CONF_ENCODING, item->key, NULL, "not UTF-8");
    } else if (item->type == CONF_PATH && n == 0) {
        SAY(r, s, ERR_CONF_RANGE, item->key, item->help_en, "an empty path");
    } else if (!is_unlimited(item) && (n < item->min || n > item->max)) {
        SAY(r, s, ERR_CONF_RANGE, item->key, item->help_en,
            "%lld bytes long, not in %lld..%lld", n, item->min, item->max);
    } else {
        put_string(r, v, item, target);
    }
}

static void load_group(struct reader *r, config_setting_t *group,
                       const struct conf_item *items, void *target);

/* Enters element i of the list: complaints now begin with "key[i].". */
static void enter(struct reader *r, const struct conf_item *item, unsigned i,
                  char saved[KEY_SIZE])
{
    memcpy(saved, r->base, KEY_SIZE);
    size_t n = strlen(r->base);
    snprintf(r->base + n, KEY_SIZE - n, "%s[%u].", item->key, i);
}

/* A new element filled from its group; NULL when out of memory. */
static void *load_element(struct reader *r, config_setting_t *group,
                          const struct conf_item *item)
{
    void *element = calloc(1, item->sub_size);
    if (element == NULL)
        note(r, ERR_NOMEM);
    else
        load_group(r, group, item->sub, element);
    return element;
}

static void check_element(struct reader *r, config_setting_t *s,
                          const struct conf_item *item, unsigned i)
{
    char saved[KEY_SIZE];
    enter(r, item, i, saved);
    if (has_type(r, s, CONFIG_TYPE_GROUP, "")) {
        void *element = load_element(r, s, item);
        if (element != NULL)
            conf_fini(item->sub, element);
        free(element);
    }
    memcpy(r->base, saved, KEY_SIZE);
}

static void check_list(struct reader *r, const config_setting_t *s,
                       const struct conf_item *item)
{
    if (!has_type(r, s, CONFIG_TYPE_LIST, item->key))
        return;
    long long n = config_setting_length(s);
    if (!is_unlimited(item) && (n < item->min || n > item->max))
        SAY(r, s, ERR_CONF_RANGE, item->key, item->help_en,
            "%lld groups, not in %lld..%lld", n, item->min, item->max);
    for (unsigned i = 0; i < n; i++)
        check_element(r, config_setting_get_elem(s, i), item, i);
}

static void load_value(struct reader *r, config_setting_t *s,
                       const struct conf_item *item, void *target)
{
    switch (item->type) {
    case CONF_STR:
    case CONF_PATH:
        load_string(r, s, item, target);
        break;
    case CONF_INT:
        load_int(r, s, item, target);
        break;
    case CONF_BOOL:
        if (has_type(r, s, CONFIG_TYPE_BOOL, item->key))
            *(bool *)field(target, item) = config_setting_get_bool(s) != 0;
        break;
    case CONF_GROUP_LIST:
        check_list(r, s, item);
        break;
    }
}

/* ---- groups -------------------------------------------------------------- */

/* `prefix` is "" or "store.". Goes only as deep as the table does. */
static void load_members(struct reader *r, config_setting_t *group,
                         const char *prefix, const struct conf_item *items,
                         void *target)
{
    int n = config_setting_length(group);
    for (int i = 0; i < n; i++) {
        config_setting_t *s = config_setting_get_elem(group, (unsigned)i);
        char key[KEY_SIZE], inner[KEY_SIZE + 1];
        snprintf(key, sizeof(key), "%s%s", prefix, config_setting_name(s));
        const struct conf_item *item = find_item(items, key);
        if (item != NULL) {
            load_value(r, s, item, target);
        } else if (!is_group(items, key)) {
            say_unknown(r, s, items, key);
        } else if (has_type(r, s, CONFIG_TYPE_GROUP, key)) {
            snprintf(inner, sizeof(inner), "%s.", key);
            load_members(r, s, inner, items, target);
        }
    }
}

/* The setting with a dotted key; *nearest is the deepest group on the way. */
static config_setting_t *look_up(config_setting_t *group, const char *key,
                                 config_setting_t **nearest)
{
    *nearest = group;
    for (;;) {
        char name[KEY_SIZE];
        size_t n = strcspn(key, ".");
        snprintf(name, sizeof(name), "%.*s", (int)n, key);
        config_setting_t *s = config_setting_get_member(group, name);
        if (s == NULL || key[n] == '\0')
            return s;
        if (!config_setting_is_group(s))
            return NULL;
        *nearest = group = s;
        key += n + 1;
    }
}

static void apply_fallback(struct reader *r, const struct conf_item *item,
                           void *target)
{
    const char *v = item->fallback;
    if (v == NULL || item->type == CONF_GROUP_LIST)
        return;
    if (item->type == CONF_INT)
        *(long long *)field(target, item) = strtoll(v, NULL, 10);
    else if (item->type == CONF_BOOL)
        *(bool *)field(target, item) = strcmp(v, "true") == 0;
    else
        put_string(r, v, item, target);
}

static void fill_absent(struct reader *r, config_setting_t *group,
                        const struct conf_item *items, void *target)
{
    for (; items->key != NULL; items++) {
        config_setting_t *nearest;
        if (look_up(group, items->key, &nearest) != NULL)
            continue;
        if (items->flags & CONF_REQUIRED)
            SAY(r, nearest, ERR_CONF_MISSING, items->key, items->help_en,
                "this key is required");
        else
            apply_fallback(r, items, target);
    }
}

static void load_group(struct reader *r, config_setting_t *group,
                       const struct conf_item *items, void *target)
{
    load_members(r, group, "", items, target);
    fill_absent(r, group, items, target);
}

/* ---- lists of groups, once all is right ---------------------------------- */

static enum err hand_lists(struct reader *r, config_setting_t *group,
                           const struct conf_item *items, void *target);

static enum err hand_element(struct reader *r, config_setting_t *s,
                             const struct conf_item *item, void *target)
{
    void *element = load_element(r, s, item);
    if (element == NULL)
        return ERR_NOMEM;
    enum err e = r->first;
    if (e == ERR_OK)
        e = hand_lists(r, s, item->sub, element);
    if (e == ERR_OK) {
        e = item->each(target, element);
        if (e != ERR_OK)
            SAY(r, s, e, "", NULL, "%s", err_en(e));
    }
    if (e != ERR_OK)
        conf_fini(item->sub, element);
    free(element);
    return e;
}

static enum err hand_list(struct reader *r, const config_setting_t *s,
                          const struct conf_item *item, void *target)
{
    enum err e = ERR_OK;
    int n = config_setting_length(s);
    for (int i = 0; e == ERR_OK && i < n; i++) {
        char saved[KEY_SIZE];
        enter(r, item, (unsigned)i, saved);
        e = hand_element(r, config_setting_get_elem(s, (unsigned)i), item,
                         target);
        memcpy(r->base, saved, KEY_SIZE);
    }
    return e;
}

static enum err hand_lists(struct reader *r, config_setting_t *group,
                           const struct conf_item *items, void *target)
{
    enum err e = ERR_OK;
    for (; e == ERR_OK && items->key != NULL; items++) {
        config_setting_t *nearest;
        config_setting_t *s = items->type == CONF_GROUP_LIST
                                  ? look_up(group, items->key, &nearest)
                                  : NULL;
        if (s != NULL)
            e = hand_list(r, s, items, target);
    }
    return e;
}

/* ---- the whole ----------------------------------------------------------- */

static void load_tree(struct reader *r, config_t *tree,
                      const struct conf_item *items, void *target)
{
    config_setting_t *root = config_root_setting(tree);
    load_group(r, root, items, target);
    if (r->first == ERR_OK)
        note(r, hand_lists(r, root, items, target));
}

static void parse(struct reader *r, const struct conf_item *items, void *target)
{
    struct buf text = {0};
    buf_add(&text, r->text.p, r->text.n);
    config_t tree;
    config_init(&tree);
    if (text.failed) {
        note(r, ERR_NOMEM);
    } else if (config_read_string(&tree, (const char *)text.p) == CONFIG_TRUE) {
        load_tree(r, &tree, items, target);
    } else {
        int line = config_error_line(&tree);
        say(r, line > 0 ? (unsigned)line : 1, 1, ERR_CONF_SYNTAX, NULL,
            "look at the line before it, too", "%s", config_error_text(&tree));
    }
    config_destroy(&tree);
    buf_fini(&text);
}

enum err conf_load_text(const char *name, const char *folder, struct slice text,
                        const struct conf_item *items, void *target,
                        FILE *complaints)
{
    assert(name != NULL && items != NULL && target != NULL);
    assert(folder != NULL && complaints != NULL);
    struct reader r = {.name = name, .text = text, .out = complaints};
    if (realpath(folder, r.folder) == NULL)
        return ERR_IO;
    if (conf_scan_bytes(text, tell_flaw, &r) == ERR_OK)
        conf_scan_tokens(text, tell_flaw, &r);
    if (!r.unreadable)
        parse(&r, items, target);
    if (r.first != ERR_OK)
        conf_fini(items, target);
    return r.first;
}

static void folder_of(const char *path, char folder[PATH_MAX])
{
    const char *slash = strrchr(path, '/');
    if (slash == NULL)
        snprintf(folder, PATH_MAX, ".");
    else
        snprintf(folder, PATH_MAX, "%.*s/", (int)(slash - path), path);
}

enum err conf_load(const char *path, const struct conf_item *items,
                   void *target, FILE *complaints)
{
    assert(path != NULL && complaints != NULL);
    struct buf text = {0};
    char folder[PATH_MAX];
    enum err e = file_read(path, FILE_MAX, &text);
    if (e != ERR_OK) {
        fprintf(complaints, "%s:1:1: error %s: %s\n      hint: %s\n", path,
                err_code(e), err_en(e),
                e == ERR_NOT_FOUND
                    ? "設定ファイルがありません。--config FILE で指定します"
                    : err_ja(e));
    } else {
        folder_of(path, folder);
        e = conf_load_text(path, folder, buf_slice(&text), items, target,
                           complaints);
    }
    buf_fini(&text);
    return e;
}

void conf_fini(const struct conf_item *items, void *target)
{
    if (target == NULL)
        return;
    for (; items->key != NULL; items++) {
        if (items->type != CONF_STR && items->type != CONF_PATH)
            continue;
        char **s = field(target, items);
        free(*s);
        *s = NULL;
    }
}
