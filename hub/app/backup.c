/* backup.c - copies of what the hub keeps, each kind in a folder of its own.
 *
 *   FOLDER/data/hub.db           payload (sealed), cases, the log: any number
 *                                of copies, of any age, anywhere
 *   FOLDER/keyring/keyring.db    the keys, wrapped: only the newest copy is
 *                                worth anything, older ones are to be removed
 * The key-encryption keys are no part of it and never will be: with them in
 * the same place, what was erased could be read again. Taken together, the
 * keyring is copied last, so that it has every key the data needs. */
#include "hub/app/hub.h"
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

static enum err make_folder(const char *path)
{
    return mkdir(path, 0700) == 0 || errno == EEXIST ? ERR_OK : ERR_IO;
}

static enum err copy(struct hub *h, const char *folder, enum store_copy what)
{
    char path[PATH_MAX];
    const char *part = what == COPY_DATA ? "data" : "keyring",
               *file = what == COPY_DATA ? "hub.db" : "keyring.db";
    if ((size_t)snprintf(path, sizeof(path), "%s/%s/%s", folder, part, file) >=
        sizeof(path))
        return ERR_IO;
    char *end = strrchr(path, '/');
    *end = '\0';
    enum err e = make_folder(path);
    *end = '/';
    return e == ERR_OK ? store_backup(h->store, what, path) : e;
}

enum err ask_backup(struct hub *h, const Pb__Ask *a, struct buf *json)
{
    const char *folder = ask_argument(a, "path"),
               *what = ask_argument(a, "what");
    bool all = what[0] == '\0' || strcmp(what, "all") == 0;
    bool data = all || strcmp(what, "data") == 0,
         keyring = all || strcmp(what, "keyring") == 0;
    if ((!data && !keyring) || folder[0] != '/')
        return ERR_USAGE;
    enum err e = make_folder(folder);
    if (e == ERR_OK && data)
        e = copy(h, folder, COPY_DATA);
    if (e == ERR_OK && keyring)
        e = copy(h, folder, COPY_KEYRING);
    if (e == ERR_OK)
        buf_addf(json, "{\"schema\":\"tsunagi.backup/2\",\"epoch\":%u}",
                 store_keys_epoch(h->store));
    return e;
}
