/* sign_pack.h - for tests: a folder of policy tables made a pack that a hub
 * takes, signed by two approvers made on the spot. */
#ifndef TESTS_SIGN_PACK_H
#define TESTS_SIGN_PACK_H
#include "hub/core/manifest.h"
#include <stdio.h>

struct approver_pair {
    struct node_keys key[2];
};

/* Makes the two and their table. */
static inline enum err approvers_make(struct approver_pair *a, const char *path)
{
    static const char *const WHO[2][2] = {{"approver/a", "架空 花子"},
                                          {"approver/b", "架空 次郎"}};
    struct buf t = {0};
    buf_adds(&t, "name\tperson_ja\tsign\tstate\n");
    for (int i = 0; i < 2; i++) {
        keys_make(&a->key[i], WHO[i][0]);
        buf_addf(&t, "%s\t%s\t", WHO[i][0], WHO[i][1]);
        buf_add_hex(&t, slice_of(a->key[i].pub.sign, KEY_BYTES));
        buf_adds(&t, "\tactive\n");
    }
    enum err e = file_replace(path, buf_slice(&t), 0600);
    buf_fini(&t);
    return e;
}

static inline enum err pack_read(const char *folder,
                                 struct buf text[PACK_FILES],
                                 struct slice files[PACK_FILES])
{
    enum err e = ERR_OK;
    for (size_t i = 0; i < PACK_FILES && e == ERR_OK; i++) {
        char path[512];
        snprintf(path, sizeof(path), "%s/%s", folder, pack_file_name(i));
        e = file_read(path, PACK_FILE_MAX, &text[i]);
        files[i] = buf_slice(&text[i]);
    }
    return e;
}

/* Writes the manifest of what lies in the folder, signed by the first n. */
static inline enum err pack_sign(const char *folder, const char *origin,
                                 uint64_t version, uint64_t not_before_ms,
                                 const struct approver_pair *a, int n)
{
    struct buf text[PACK_FILES] = {{0}}, note = {0};
    struct slice files[PACK_FILES];
    char path[512];
    enum err e = pack_read(folder, text, files);
    if (e == ERR_OK)
        manifest_write(origin, version, not_before_ms, files, &note);
    if (n == 0)
        buf_addc(&note, '\n');
    for (int i = 0; i < n && e == ERR_OK; i++) {
        struct buf more = {0};
        e = approve_sign(buf_slice(&note), &a->key[i], &more);
        buf_fini(&note);
        note = more;
    }
    snprintf(path, sizeof(path), "%s/" MANIFEST_NAME, folder);
    if (e == ERR_OK)
        e = file_replace(path, buf_slice(&note), 0600);
    for (size_t i = 0; i < PACK_FILES; i++)
        buf_fini(&text[i]);
    buf_fini(&note);
    return e;
}
#endif
