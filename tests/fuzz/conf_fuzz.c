/* conf_fuzz.c - any bytes as a configuration file.
 *
 * Oracles: a refusal comes with a complaint that names a line and leaves no
 * string behind; what is accepted respects the table's ranges, is valid text,
 * and printed and read again gives the same values and the same print. */
#include "proto/base/conf.h"
#include "proto/base/text.h"
#include <stdlib.h>
#include <string.h>

struct peer {
    char *code, *key;
    long long port;
};

struct sample {
    char *endpoint, *path;
    long long commit_max, limit;
    bool demo;
    long long peers;
};

#define AT(m) offsetof(struct sample, m)
#define PEER(m) offsetof(struct peer, m)

static const struct conf_item PEER_ITEMS[] = {
    /* clang-format off */
    {"code", CONF_STR, 1, 31, PEER(code), CONF_REQUIRED, NULL, NULL, NULL, NULL, 0, NULL},
    {"key", CONF_PATH, 0, 0, PEER(key), 0, "k", NULL, NULL, NULL, 0, NULL},
    {"net.port", CONF_INT, 1, 65535, PEER(port), 0, "5570", NULL, NULL, NULL, 0, NULL},
    {0},
}; /* clang-format on */

static void require(bool truth)
{
    if (!truth)
        abort();
}

static enum err count_peer(void *target, void *element)
{
    struct sample *s = target;
    struct peer *p = element;
    require(p->code != NULL && p->key != NULL && p->key[0] == '/');
    require(p->port >= 1 && p->port <= 65535);
    conf_fini(PEER_ITEMS, p);
    s->peers++;
    return ERR_OK;
}

static const struct conf_item ITEMS[] = {
    /* clang-format off */
    {"net.endpoint", CONF_STR, 1, 64, AT(endpoint), 0, NULL, "所", "where", NULL, 0, NULL},
    {"store.path", CONF_PATH, 0, 0, AT(path), 0, "data", NULL, NULL, NULL, 0, NULL},
    {"store.commit_max", CONF_INT, 1, 64, AT(commit_max), CONF_RELOAD, "64", NULL, NULL, NULL, 0, NULL},
    {"limit", CONF_INT, 0, 0, AT(limit), 0, NULL, NULL, NULL, NULL, 0, NULL},
    {"demo", CONF_BOOL, 0, 0, AT(demo), 0, "false", NULL, NULL, NULL, 0, NULL},
    {"peers", CONF_GROUP_LIST, 0, 8, 0, 0, NULL, NULL, NULL, PEER_ITEMS, sizeof(struct peer), count_peer},
    {0},
}; /* clang-format on */

static enum err load(struct slice text, struct sample *s, char **said)
{
    size_t n;
    FILE *f = open_memstream(said, &n);
    require(f != NULL);
    enum err e = conf_load_text("f.conf", "/", text, ITEMS, s, f);
    fclose(f);
    return e;
}

static char *print(const struct sample *s)
{
    char *text;
    size_t n;
    FILE *f = open_memstream(&text, &n);
    require(f != NULL);
    conf_print(ITEMS, s, f);
    fclose(f);
    return text;
}

static void check_accepted(const struct sample *s)
{
    require(s->commit_max >= 1 && s->commit_max <= 64);
    require(s->path != NULL && s->path[0] == '/');
    require(s->peers <= 8);
    if (s->endpoint != NULL) {
        size_t n = strlen(s->endpoint);
        require(n >= 1 && n <= 64);
        require(text_check_utf8(slice_of(s->endpoint, n)) == ERR_OK);
    }
}

static void check_printed(const struct sample *s)
{
    struct sample again = {0};
    char *said, *first = print(s);
    require(load(slice_str(first), &again, &said) == ERR_OK);
    char *second = print(&again);
    require(strcmp(first, second) == 0);
    conf_fini(ITEMS, &again);
    free(said);
    free(first);
    free(second);
}

/* libconfig 1.5 loses the string it was reading when a syntax error follows:
 * once per refused file, not ours to free. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libconfig.so";
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sample s = {0};
    char *said;
    enum err e = load(slice_of(data, size), &s, &said);
    if (e == ERR_OK) {
        require(said[0] == '\0');
        check_accepted(&s);
        check_printed(&s);
    } else {
        require(strstr(said, ": error E-CFG-") != NULL);
        require(strncmp(said, "f.conf:", 7) == 0);
        require(s.endpoint == NULL && s.path == NULL && s.peers == 0);
    }
    conf_fini(ITEMS, &s);
    free(said);
    return 0;
}
