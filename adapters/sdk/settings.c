/* settings.c - the node's file is read twice from one copy of its text: once
 * by the table below with the group `module` blanked out (so that line numbers
 * stay true), once by libconfig for that group alone, which is flattened into
 * "path = value". A module's keys are its own business; only their kinds are
 * looked at: scalars, groups and lists of these, four deep. */
#include "adapters/sdk/settings.h"
#include "proto/base/code.h"
#include "proto/base/text.h"
#include <assert.h>
#include <ctype.h>
#include <limits.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define FILE_MAX (256 * 1024)
#define DEPTH_MAX 4
#define DIGITS_MAX 9 /* what libconfig reads into 32 bits for certain */
#define AT(m) offsetof(struct settings, m)

const struct conf_item SETTINGS[] = {
    {"agency", CONF_STR, 1, AGENCY_MAX - 1, AT(agency), CONF_REQUIRED, NULL,
     "機関コード", "code of the agency", NULL, 0, NULL},
    {"node", CONF_STR, 1, NODE_MAX - 1, AT(node), CONF_REQUIRED, NULL,
     "登録した接続の名前", "name of the node, as enrolled", NULL, 0, NULL},
    {"key_file", CONF_PATH, 1, PATH_MAX - 1, AT(key_file), CONF_REQUIRED, NULL,
     "この接続の鍵(0600)", "keys of the node (mode 0600)", NULL, 0, NULL},
    {"spool", CONF_PATH, 1, PATH_MAX - 64, AT(spool), CONF_REQUIRED, NULL,
     "送受信箱のフォルダー", "folder of the spool", NULL, 0, NULL},
    {"hub.urgent", CONF_STR, 1, 255, AT(urgent), CONF_REQUIRED, NULL,
     "ハブの緊急回線", "the hub's urgent lane, tcp://host:port", NULL, 0, NULL},
    {"hub.normal", CONF_STR, 1, 255, AT(normal), CONF_REQUIRED, NULL,
     "ハブの通常回線", "the hub's normal lane, tcp://host:port", NULL, 0, NULL},
    {"hub.public_file", CONF_PATH, 1, PATH_MAX - 1, AT(hub_public),
     CONF_REQUIRED, NULL, "ハブの公開鍵", "the hub's public keys", NULL, 0,
     NULL},
    {"hub.log_file", CONF_PATH, 1, PATH_MAX - 1, AT(hub_log), 0, NULL,
     "記録の公開鍵(なければ public_file)",
     "public key of the hub's log (public_file when absent)", NULL, 0, NULL},
    {"hub.origin", CONF_STR, 1, 127, AT(origin), CONF_REQUIRED, NULL,
     "記録の名前", "origin of the hub's log", NULL, 0, NULL},
    {"hub.witnesses", CONF_PATH, 1, PATH_MAX - 1, AT(witnesses), 0, NULL,
     "求める証人の連署(C2SP tlog-policy。なければ求めない)",
     "cosignatures demanded (C2SP tlog-policy); absent: none", NULL, 0, NULL},
    {"hub.witness_hours", CONF_PATH, 1, PATH_MAX - 1, AT(witness_hours), 0,
     NULL, "証人の開庁時間の表(なければ常時)",
     "when the witnesses are open (absent: always)", NULL, 0, NULL},
    {"hub.quorum_seconds", CONF_INT, 10, 86400, AT(quorum_seconds), 0, "120",
     "連署が届くまで待つ秒数。過ぎると通常回線の受け取りを止める",
     "seconds until a delivery is cosigned; then the normal lane stops", NULL,
     0, NULL},
    {"witness.state", CONF_PATH, 1, PATH_MAX - 64, AT(witness_state), 0, NULL,
     "証人としての記憶(なければ key_file に .witness を付けた名前)",
     "the file of this node as a witness (key_file with .witness when absent)",
     NULL, 0, NULL},
    {"socket", CONF_PATH, 1, 100, AT(socket), 0, NULL,
     "手元から操作するソケット", "local control socket", NULL, 0, NULL},
    {"actor", CONF_STR, 1, 64, AT(actor), 0, NULL, "この端末で読む職員の番号",
     "the member of staff who reads here: own number, or handle", NULL, 0,
     NULL},
    {"fictitious", CONF_BOOL, 0, 1, AT(fictitious), 0, "false",
     "架空の県49を許す", "allow the fictitious prefecture 49", NULL, 0, NULL},
    {NULL, CONF_STR, 0, 0, 0, 0, NULL, NULL, NULL, NULL, 0, NULL},
};

/* ---- finding the group `module` in the text ---- */

static size_t skip_line(struct slice t, size_t i)
{
    while (i < t.n && t.p[i] != '\n')
        i++;
    return i;
}

static size_t skip_block(struct slice t, size_t i)
{
    for (i += 2; i + 1 < t.n; i++)
        if (t.p[i] == '*' && t.p[i + 1] == '/')
            return i + 2;
    return t.n;
}

static size_t skip_string(struct slice t, size_t i)
{
    for (i++; i < t.n && t.p[i] != '"'; i++)
        if (t.p[i] == '\\')
            i++;
    return i < t.n ? i + 1 : t.n;
}

/* The index after a comment or string that starts at i, or i. */
static size_t skip_opaque(struct slice t, size_t i)
{
    uint8_t c = t.p[i], next = i + 1 < t.n ? t.p[i + 1] : 0;
    if (c == '#' || (c == '/' && next == '/'))
        return skip_line(t, i);
    if (c == '/' && next == '*')
        return skip_block(t, i);
    return c == '"' ? skip_string(t, i) : i;
}

static bool word_char(uint8_t c)
{
    return isalnum(c) || c == '_' || c == '-' || c == '*';
}

static bool word_is(struct slice t, size_t i, const char *word)
{
    size_t n = strlen(word);
    return i + n <= t.n && memcmp(t.p + i, word, n) == 0 &&
           (i + n == t.n || !word_char(t.p[i + n]));
}

/* The end of a bracketed value that starts at or after i, with a ';' or ','
 * that follows it. */
static size_t value_end(struct slice t, size_t i)
{
    int depth = 0;
    bool opened = false;
    while (i < t.n && !(opened && depth == 0)) {
        size_t after = skip_opaque(t, i);
        if (after > i) {
            i = after;
            continue;
        }
        if (strchr("{([", t.p[i]) != NULL && t.p[i] != 0)
            depth++, opened = true;
        if (strchr("})]", t.p[i]) != NULL && t.p[i] != 0)
            depth--;
        i++;
    }
    while (i < t.n && isspace(t.p[i]) && t.p[i] != '\n')
        i++;
    return i < t.n && (t.p[i] == ';' || t.p[i] == ',') ? i + 1 : i;
}

/* Sets *from, *to around the top-level `module`; equal when there is none. */
static void find_module(struct slice t, size_t *from, size_t *to)
{
    int depth = 0;
    *from = *to = 0;
    for (size_t i = 0; i < t.n;) {
        size_t after = skip_opaque(t, i);
        if (after > i) {
            i = after;
            continue;
        }
        depth += (t.p[i] == '{') - (t.p[i] == '}');
        bool starts = word_char(t.p[i]) && (i == 0 || !word_char(t.p[i - 1]));
        if (starts && depth == 0 && word_is(t, i, "module")) {
            *from = i;
            *to = value_end(t, i);
            return;
        }
        i++;
    }
}

/* libconfig wraps integers that do not fit and lack an L, without a word. */
static bool long_integer(struct slice t)
{
    for (size_t i = 0; i < t.n;) {
        size_t after = skip_opaque(t, i), end = i;
        while (after == i && end < t.n && isdigit(t.p[end]))
            end++;
        if (end - i > DIGITS_MAX && (end == t.n || t.p[end] != 'L'))
            return true;
        i = after > i ? after : end > i ? end : i + 1;
    }
    return false;
}

/* ---- flattening it ---- */

static enum err add(struct settings *s, const char *path, const char *value,
                    bool list)
{
    struct setting *grown =
        realloc(s->option, (s->option_count + 1) * sizeof(*grown));
    if (grown == NULL)
        return ERR_NOMEM;
    s->option = grown;
    struct setting *o = &grown[s->option_count++];
    *o = (struct setting){strdup(path), strdup(value), list};
    return o->path != NULL && o->value != NULL ? ERR_OK : ERR_NOMEM;
}

static enum err add_scalar(struct settings *s, const config_setting_t *c,
                           const char *path)
{
    char text[64];
    switch (config_setting_type(c)) {
    case CONFIG_TYPE_STRING:
        return add(s, path, config_setting_get_string(c), false);
    case CONFIG_TYPE_INT:
    case CONFIG_TYPE_INT64:
        snprintf(text, sizeof(text), "%lld", config_setting_get_int64(c));
        return add(s, path, text, false);
    case CONFIG_TYPE_BOOL:
        return add(s, path, config_setting_get_bool(c) ? "true" : "false",
                   false);
    case CONFIG_TYPE_FLOAT:
        snprintf(text, sizeof(text), "%.15g", config_setting_get_float(c));
        return add(s, path, text, false);
    default:
        return ERR_CONF_TYPE;
    }
}

static enum err flatten(struct settings *s, const config_setting_t *c,
                        const char *path, int depth)
{
    char sub[256], count[32];
    bool group = config_setting_is_group(c);
    if (!config_setting_is_aggregate(c))
        return add_scalar(s, c, path);
    if (depth == DEPTH_MAX)
        return ERR_CONF_TYPE;
    int n = config_setting_length(c);
    snprintf(count, sizeof(count), "%d", n);
    enum err e = group ? ERR_OK : add(s, path, count, true);
    for (int i = 0; i < n && e == ERR_OK; i++) {
        const config_setting_t *m = config_setting_get_elem(c, (unsigned)i);
        int used =
            group ? snprintf(sub, sizeof(sub), "%s%s%s", path,
                             *path != '\0' ? "." : "", config_setting_name(m))
                  : snprintf(sub, sizeof(sub), "%s[%d]", path, i);
        e = used < (int)sizeof(sub) ? flatten(s, m, sub, depth + 1)
                                    : ERR_CONF_RANGE;
    }
    return e;
}

static enum err complain(FILE *out, const char *path, int line, enum err e)
{
    if (out != NULL)
        fprintf(out, "%s:%d: error %s: module: %s %s\n", path, line,
                err_code(e), err_ja(e), err_en(e));
    return e;
}

static enum err read_module(const char *path, struct slice text,
                            struct settings *s, FILE *complaints)
{
    config_t c;
    config_init(&c);
    config_set_include_dir(&c, s->folder);
    if (!config_read_string(&c, (const char *)text.p)) {
        int line = config_error_line(&c);
        config_destroy(&c);
        return complain(complaints, path, line, ERR_CONF_SYNTAX);
    }
    config_setting_t *m = config_lookup(&c, "module");
    enum err e = ERR_OK;
    if (m != NULL && !config_setting_is_group(m))
        e = ERR_CONF_TYPE;
    else if (m != NULL)
        e = flatten(s, m, "", 0);
    if (e != ERR_OK)
        complain(complaints, path, (int)config_setting_source_line(m), e);
    config_destroy(&c);
    return e;
}

/* ---- the whole file ---- */

static char *folder_of(const char *path)
{
    char *full = realpath(path, NULL);
    char *slash = full != NULL ? strrchr(full, '/') : NULL;
    if (slash != NULL)
        slash[slash == full ? 1 : 0] = '\0';
    return full;
}

/* Without this file's own part the rest is told by the table. */
static enum err read_fixed(const char *path, struct buf *text,
                           struct settings *s, FILE *complaints)
{
    size_t from, to;
    find_module(buf_slice(text), &from, &to);
    if (long_integer(slice_of(text->p + from, to - from)))
        return complain(complaints, path, 0, ERR_CONF_OVERFLOW);
    for (size_t i = from; i < to; i++)
        if (text->p[i] != '\n')
            text->p[i] = ' ';
    FILE *out = complaints != NULL ? complaints : fopen("/dev/null", "we");
    if (out == NULL)
        return ERR_IO;
    enum err e =
        conf_load_text(path, s->folder, buf_slice(text), SETTINGS, s, out);
    if (complaints == NULL)
        fclose(out);
    return e;
}

static enum err check_names(const char *path, const struct settings *s,
                            FILE *complaints)
{
    code_allow_fictitious(s->fictitious);
    enum err e = code_check_agency(s->agency);
    if (e == ERR_OK && code_check_node(s->node) != ERR_OK)
        e = ERR_CONF_RANGE;
    if (e != ERR_OK && complaints != NULL)
        fprintf(complaints, "%s: error %s: agency, node: %s %s\n", path,
                err_code(e), err_ja(e), err_en(e));
    return e;
}

static enum err load(const char *path, struct buf *text, struct settings *s,
                     FILE *complaints)
{
    if (text_check_utf8(buf_slice(text)) != ERR_OK)
        return complain(complaints, path, 0, ERR_CONF_ENCODING);
    struct buf copy = {0};
    buf_add(&copy, text->p, text->n);
    enum err e = copy.failed ? ERR_NOMEM : ERR_OK;
    if (e == ERR_OK)
        e = read_fixed(path, &copy, s, complaints);
    buf_fini(&copy);
    if (e == ERR_OK)
        e = read_module(path, buf_slice(text), s, complaints);
    return e == ERR_OK ? check_names(path, s, complaints) : e;
}

enum err settings_load(const char *path, struct settings *s, FILE *complaints)
{
    struct buf text = {0};
    memset(s, 0, sizeof(*s));
    s->folder = folder_of(path);
    enum err e = s->folder != NULL ? file_read(path, FILE_MAX, &text) : ERR_IO;
    if (e != ERR_OK && complaints != NULL)
        fprintf(complaints, "%s: error %s: %s %s\n", path, err_code(e),
                err_ja(e), err_en(e));
    if (e == ERR_OK)
        buf_addc(&text, '\n');
    if (e == ERR_OK)
        e = load(path, &text, s, complaints);
    buf_fini(&text);
    if (e != ERR_OK)
        settings_fini(s);
    return e;
}

void settings_fini(struct settings *s)
{
    conf_fini(SETTINGS, s);
    for (size_t i = 0; i < s->option_count; i++) {
        free(s->option[i].path);
        free(s->option[i].value);
    }
    free(s->option);
    free(s->folder);
    memset(s, 0, sizeof(*s));
}

static const struct setting *find(const struct settings *s, const char *path,
                                  bool list)
{
    for (size_t i = 0; i < s->option_count; i++)
        if (s->option[i].list == list && strcmp(s->option[i].path, path) == 0)
            return &s->option[i];
    return NULL;
}

const char *settings_option(const struct settings *s, const char *path)
{
    const struct setting *o = find(s, path, false);
    return o != NULL ? o->value : NULL;
}

size_t settings_list(const struct settings *s, const char *path)
{
    const struct setting *o = find(s, path, true);
    return o != NULL ? (size_t)strtoul(o->value, NULL, 10) : 0;
}

char *settings_path(const struct settings *s, const char *relative)
{
    char *out = NULL;
    if (relative[0] == '/')
        return strdup(relative);
    return asprintf(&out, "%s/%s", s->folder, relative) < 0 ? NULL : out;
}
