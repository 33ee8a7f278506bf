/* settings.h - the configuration file of a node: a fixed part, checked key by
 * key, and the group `module`, which belongs to the adapter module and is
 * handed to it as it stands. */
#ifndef TSUNAGI_SDK_SETTINGS_H
#define TSUNAGI_SDK_SETTINGS_H
#include "proto/base/conf.h"

struct settings {
    char *agency, *node, *key_file, *spool;
    char *urgent, *normal; /* endpoints */
    char *hub_public, *hub_log, *origin;
    char *witnesses, *witness_hours; /* files; NULL: none */
    char *witness_state;             /* NULL: beside the key */
    long long quorum_seconds;
    char *socket; /* NULL: no local control */
    char *actor;  /* handle of who reads here; NULL: told each time */
    bool fictitious;
    char *folder;           /* of the file: relative paths start here */
    struct setting *option; /* of `module`, in order */
    size_t option_count;
};
/* One scalar of the module's group: path "routes[0].event", value as text. A
 * list has an entry of its own with its length. */
struct setting {
    char *path, *value;
    bool list;
};
extern const struct conf_item SETTINGS[];

/* Complaints as lines. ERR_CONF_*, ERR_IO. s is empty on error. */
enum err settings_load(const char *path, struct settings *s,
                       FILE *complaints) MUST_CHECK;
void settings_fini(struct settings *s);
/* NULL when absent. Borrowed. */
const char *settings_option(const struct settings *s, const char *path);
size_t settings_list(const struct settings *s, const char *path);
/* Absolute form of a path; free(). NULL when out of memory. */
char *settings_path(const struct settings *s, const char *relative);
#endif
