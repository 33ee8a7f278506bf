/* conf_print.c - a configuration written as a sample file.
 *
 * What is printed reads back to the same values. Items are printed in the
 * order of the table; those of one group come together under the first of
 * them, because libconfig refuses a group that stands twice. A list of groups
 * and a string without a value are shown as comments. */
#include "proto/base/conf.h"
#include <assert.h>
#include <limits.h>
#include <string.h>

struct printer {
    const struct conf_item *items;
    const void *target; /* NULL: the defaults */
    FILE *out;
};

static void indent(const struct printer *p, int depth)
{
    fprintf(p->out, "%*s", depth * 4, "");
}

static void put_quoted(FILE *out, const char *s)
{
    fputc('"', out);
    for (; *s != '\0'; s++) {
        unsigned char c = (unsigned char)*s;
        if (c == '"' || c == '\\')
            fprintf(out, "\\%c", c);
        else if (c < 0x20 || c == 0x7f)
            fprintf(out, "\\x%02x", c);
        else
            fputc(c, out);
    }
    fputc('"', out);
}

static void put_help(const struct printer *p, const struct conf_item *i,
                     int depth)
{
    const char *lines[] = {i->help_ja, i->help_en};
    for (size_t k = 0; k < NELEM(lines); k++) {
        if (lines[k] == NULL)
            continue;
        indent(p, depth);
        fprintf(p->out, "# %s\n", lines[k]);
    }
    indent(p, depth);
    fprintf(p->out, "#");
    if (i->type == CONF_INT && (i->min != 0 || i->max != 0))
        fprintf(p->out, " %lld..%lld", i->min, i->max);
    if (i->flags & CONF_REQUIRED)
        fprintf(p->out, " required");
    if (i->fallback != NULL)
        fprintf(p->out, " default %s", i->fallback);
    fprintf(p->out, i->flags & CONF_RELOAD ? " reload\n" : " restart\n");
}

static const char *string_of(const struct printer *p, const struct conf_item *i)
{
    if (p->target == NULL)
        return i->fallback;
    const char *s;
    memcpy(&s, (const char *)p->target + i->offset, sizeof(s));
    return s;
}

static void put_int(const struct printer *p, const struct conf_item *i,
                    const char *name)
{
    long long v;
    if (p->target == NULL) {
        fprintf(p->out, "%s%s = %s;\n", i->fallback == NULL ? "# " : "", name,
                i->fallback == NULL ? "" : i->fallback);
        return;
    }
    memcpy(&v, (const char *)p->target + i->offset, sizeof(v));
    fprintf(p->out, "%s = %lld%s;\n", name, v,
            v < INT_MIN || v > INT_MAX ? "L" : "");
}

static void put_bool(const struct printer *p, const struct conf_item *i,
                     const char *name)
{
    bool v = i->fallback != NULL && strcmp(i->fallback, "true") == 0;
    if (p->target != NULL)
        memcpy(&v, (const char *)p->target + i->offset, sizeof(v));
    fprintf(p->out, "%s = %s;\n", name, v ? "true" : "false");
}

static void put_item(const struct printer *p, const struct conf_item *i,
                     const char *name, int depth)
{
    put_help(p, i, depth);
    indent(p, depth);
    if (i->type == CONF_INT) {
        put_int(p, i, name);
    } else if (i->type == CONF_BOOL) {
        put_bool(p, i, name);
    } else if (i->type == CONF_GROUP_LIST) {
        fprintf(p->out, "# %s = ( {", name);
        for (const struct conf_item *s = i->sub; s->key != NULL; s++)
            fprintf(p->out, " %s = ...;", s->key);
        fprintf(p->out, " } );\n");
    } else {
        const char *s = string_of(p, i);
        fprintf(p->out, "%s%s = ", s == NULL ? "# " : "", name);
        put_quoted(p->out, s == NULL ? "" : s);
        fprintf(p->out, ";\n");
    }
}

/* Whether an earlier item already opened the group that `i` begins with. */
static bool is_seen(const struct printer *p, const struct conf_item *i,
                    size_t prefix)
{
    for (const struct conf_item *k = p->items; k < i; k++)
        if (strncmp(k->key, i->key, prefix) == 0)
            return true;
    return false;
}

/* Prints every item whose key begins with the first `n` bytes of `prefix`. */
static void put_group(const struct printer *p, const char *prefix, size_t n,
                      int depth)
{
    for (const struct conf_item *i = p->items; i->key != NULL; i++) {
        if (strncmp(i->key, prefix, n) != 0)
            continue;
        const char *name = i->key + n;
        size_t len = strcspn(name, ".");
        if (name[len] == '\0') {
            put_item(p, i, name, depth);
        } else if (!is_seen(p, i, n + len + 1)) {
            indent(p, depth);
            fprintf(p->out, "%.*s: {\n", (int)len, name);
            put_group(p, i->key, n + len + 1, depth + 1);
            indent(p, depth);
            fprintf(p->out, "};\n");
        }
    }
}

void conf_print(const struct conf_item *items, const void *target, FILE *out)
{
    assert(items != NULL && out != NULL);
    struct printer p = {items, target, out};
    put_group(&p, "", 0, 0);
}
