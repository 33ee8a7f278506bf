/* conf.h - libconfig files read through a table of what may be in them.
 *
 * The table gives key, type, range, default and help; everything else is an
 * error with its line and a suggestion, all errors of a file at once:
 *   hub.conf:5:3: error E-CFG-016: store.commit_max: 0 is not in 1..64
 * A pre-pass refuses a byte-order mark, CP932 bytes and integers that
 * libconfig would wrap silently. */
#ifndef TSUNAGI_BASE_CONF_H
#define TSUNAGI_BASE_CONF_H
#include "proto/base/buf.h"
#include <libconfig.h>
#include <stdio.h>

enum conf_type { CONF_STR, CONF_PATH, CONF_INT, CONF_BOOL, CONF_GROUP_LIST };
enum conf_flag { CONF_REQUIRED = 1, CONF_RELOAD = 2 };

struct conf_item {
    const char *key; /* dotted path */
    enum conf_type type;
    long long min, max; /* value, or bytes of a string; both 0: no limit */
    size_t offset;      /* of char* / long long / bool in the target */
    unsigned flags;
    const char *fallback; /* as text; NULL: none */
    const char *help_ja, *help_en;
    /* CONF_GROUP_LIST: each element is a group checked against `sub`; it is
     * handed to `each` in an element target of sub_size bytes, only when the
     * whole file is right. With ERR_OK `each` takes the element's strings
     * (copy the struct; free them with conf_fini later); the block itself is
     * freed by conf. min and max count the elements. */
    const struct conf_item *sub; /* ends with key NULL */
    size_t sub_size;
    enum err (*each)(void *target, void *element);
};

/* Reads path into target (zeroed by the caller) by items (ends with key
 * NULL). Strings are copied (free with conf_fini). CONF_PATH is made absolute
 * against the folder of the file. Errors go to `complaints` as lines; returns
 * the first error. */
enum err conf_load(const char *path, const struct conf_item *items,
                   void *target, FILE *complaints) MUST_CHECK;
/* The same from memory; `name` is shown in complaints, paths are relative to
 * `folder`. */
enum err conf_load_text(const char *name, const char *folder, struct slice text,
                        const struct conf_item *items, void *target,
                        FILE *complaints) MUST_CHECK;
void conf_fini(const struct conf_item *items, void *target);
/* Every key with its effective value, default and help, as a sample file. */
void conf_print(const struct conf_item *items, const void *target, FILE *out);
#endif
