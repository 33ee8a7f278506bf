/* nodeside.h - a node's folder for tests: keys, configuration, session. */
#ifndef TSUNAGI_TEST_NODESIDE_H
#define TSUNAGI_TEST_NODESIDE_H
#include "adapters/sdk/run.h"
#include "tests/unit/adapters/sdk/hubside.h"
#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

struct nodeside {
    char folder[40], conf[64];
    struct hubside hub;
    char urgent[64], normal[64];
};

static inline void put_file(const struct nodeside *n, const char *name,
                            const char *text)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/%s", n->folder, name);
    assert_int_equal(file_replace(path, slice_str(text), 0600), ERR_OK);
}

static inline void nodeside_conf(struct nodeside *n, const char *module)
{
    char text[2048];
    snprintf(text, sizeof(text),
             "agency = \"" US "\";\nnode = \"tsukimi/n1\";\n"
             "key_file = \"node.key\";\nspool = \"spool\";\n"
             "hub = { urgent = \"%s\"; normal = \"%s\";\n"
             "  public_file = \"hub.pub\"; log_file = \"log.pub\";\n"
             "  origin = \"" ORIGIN "\"; };\n"
             "socket = \"node.sock\";\nfictitious = true;\n%s",
             n->urgent, n->normal, module);
    put_file(n, "node.conf", text);
}

static inline void nodeside_init(struct nodeside *n)
{
    char path[128];
    memset(n, 0, sizeof(*n));
    hubside_init(&n->hub);
    memcpy(n->folder, "/tmp/tsunagi-node-XXXXXX", 25);
    assert_non_null(mkdtemp(n->folder));
    snprintf(path, sizeof(path), "%s/node.key", n->folder);
    assert_int_equal(keys_write(path, &n->hub.us), ERR_OK);
    snprintf(path, sizeof(path), "%s/hub.pub", n->folder);
    assert_int_equal(keys_write_public(path, &n->hub.hub.pub), ERR_OK);
    snprintf(path, sizeof(path), "%s/log.pub", n->folder);
    assert_int_equal(keys_write_public(path, &n->hub.log.pub), ERR_OK);
    snprintf(n->conf, sizeof(n->conf), "%s/node.conf", n->folder);
    snprintf(n->urgent, sizeof(n->urgent), "tcp://127.0.0.1:1");
    snprintf(n->normal, sizeof(n->normal), "tcp://127.0.0.1:1");
    nodeside_conf(n, "");
}

static inline int remove_one(const char *path, const struct stat *st, int flag,
                             struct FTW *w)
{
    (void)st;
    (void)flag;
    (void)w;
    return remove(path);
}

static inline void nodeside_fini(struct nodeside *n)
{
    nftw(n->folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    hubside_fini(&n->hub);
}

static inline const char *at(const json_t *j, const char *key)
{
    const char *s = json_string_value(json_object_get(j, key));
    return s != NULL ? s : "";
}
#endif
