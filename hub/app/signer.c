/* signer.c - frontier of perfect-subtree roots, one for each bit of the size.
 *
 * State file, replaced as a whole: "tsunagi-signer/1\n", origin, size and the
 * frontier's hashes in hex, one a line. It may lag behind the log after a
 * crash (the caller adds the leaves it misses); it can never be ahead of a
 * log that was not rolled back, which is why a larger size stops the start. */
#include "hub/app/signer.h"
#include "proto/base/log.h"
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FRONTIER_MAX 64
#define HEAD "tsunagi-signer/1"
#define STATE_MAX 16384

struct signer {
    char origin[ORIGIN_MAX];
    const struct node_keys *keys;
    char *path;
    uint64_t size, saved;
    uint64_t signed_size; /* of the newest head it gave its name to */
    struct hash frontier[FRONTIER_MAX]; /* [k]: subtree of 2^k leaves */
};

/* Takes the head of a state off *at. */
static enum err read_head(char **at, char origin[ORIGIN_MAX], uint64_t *size)
{
    char *line = strsep(at, "\n");
    if (line == NULL || strcmp(line, HEAD) != 0)
        return ERR_INTEGRITY;
    line = strsep(at, "\n");
    if (line == NULL || strlen(line) >= ORIGIN_MAX)
        return ERR_INTEGRITY;
    memcpy(origin, line, strlen(line) + 1);
    line = strsep(at, "\n");
    return line != NULL && sscanf(line, "%" SCNu64, size) == 1 ? ERR_OK
                                                               : ERR_INTEGRITY;
}

static enum err read_state(struct signer *s, char *at)
{
    char origin[ORIGIN_MAX];
    enum err e = read_head(&at, origin, &s->size);
    if (e != ERR_OK || strcmp(origin, s->origin) != 0)
        return ERR_INTEGRITY;
    for (unsigned k = 0; k < FRONTIER_MAX; k++) {
        if ((s->size >> k & 1) == 0)
            continue;
        const char *line = strsep(&at, "\n");
        if (line == NULL || strlen(line) != 2 * HASH_BYTES ||
            hex_decode(line, s->frontier[k].b, HASH_BYTES) != ERR_OK)
            return ERR_INTEGRITY;
    }
    return ERR_OK;
}

static enum err load_state(struct signer *s)
{
    struct buf text = {0};
    enum err e = file_read(s->path, STATE_MAX, &text);
    if (e == ERR_OK)
        e = text.n > 0 ? read_state(s, (char *)text.p) : ERR_INTEGRITY;
    else if (e == ERR_NOT_FOUND)
        e = ERR_OK;
    s->saved = s->size;
    buf_fini(&text);
    return e;
}

enum err signer_peek(const char *state_path, char origin[ORIGIN_MAX],
                     uint64_t *size)
{
    struct buf text = {0};
    char *at;
    enum err e = file_read(state_path, STATE_MAX, &text);
    at = (char *)text.p;
    if (e == ERR_OK)
        e = text.n > 0 ? read_head(&at, origin, size) : ERR_INTEGRITY;
    buf_fini(&text);
    return e;
}

enum err signer_new(const char *origin, const struct node_keys *keys,
                    const char *state_path, struct signer **out)
{
    *out = NULL;
    struct signer *s = calloc(1, sizeof(*s));
    if (s == NULL)
        return ERR_NOMEM;
    snprintf(s->origin, sizeof(s->origin), "%s", origin);
    s->keys = keys;
    s->path = strdup(state_path);
    if (s->path == NULL) {
        free(s);
        return ERR_NOMEM;
    }
    *out = s;
    return ERR_OK;
}

enum err signer_open(const char *origin, const struct node_keys *keys,
                     const char *state_path, struct signer **out)
{
    enum err e = signer_new(origin, keys, state_path, out);
    if (e != ERR_OK)
        return e;
    e = load_state(*out);
    if (e != ERR_OK) {
        free((*out)->path);
        free(*out);
        *out = NULL;
    }
    return e;
}

void signer_close(struct signer **s)
{
    if (*s == NULL)
        return;
    if (signer_save(*s) != ERR_OK)
        log_warn("signer: state not saved");
    free((*s)->path);
    free(*s);
    *s = NULL;
}

uint64_t signer_size(const struct signer *s)
{
    return s->size;
}

void signer_add(struct signer *s, struct slice leaf)
{
    struct hash h = proof_leaf(leaf);
    unsigned k = 0;
    for (; (s->size >> k & 1) != 0; k++)
        h = proof_node(s->frontier[k], h);
    s->frontier[k] = h;
    s->size++;
}

struct hash signer_root(const struct signer *s)
{
    struct hash root;
    bool any = false;
    for (unsigned k = 0; k < FRONTIER_MAX; k++) {
        if ((s->size >> k & 1) == 0)
            continue;
        root = any ? proof_node(s->frontier[k], root) : s->frontier[k];
        any = true;
    }
    if (!any)
        sha256(SLICE_NONE, root.b);
    return root;
}

enum err signer_sign(struct signer *s, uint64_t size, struct hash root,
                     struct buf *note)
{
    struct hash mine = signer_root(s);
    if (s->size != size || memcmp(mine.b, root.b, HASH_BYTES) != 0) {
        log_error("signer: heads differ, not signed size=%" PRIu64
                  " mine=%" PRIu64,
                  size, s->size);
        return ERR_INTEGRITY;
    }
    struct checkpoint c = {.size = size, .root = root};
    snprintf(c.origin, sizeof(c.origin), "%s", s->origin);
    enum err e =
        checkpoint_sign(&c, s->keys->sign_secret, s->keys->pub.sign, note);
    if (e == ERR_OK)
        s->signed_size = size;
    return e;
}

enum err signer_save(struct signer *s)
{
    if (s->saved == s->size || s->signed_size != s->size)
        return ERR_OK;
    struct buf b = {0};
    buf_addf(&b, HEAD "\n%s\n%" PRIu64 "\n", s->origin, s->size);
    for (unsigned k = 0; k < FRONTIER_MAX; k++) {
        if ((s->size >> k & 1) == 0)
            continue;
        buf_add_hex(&b, slice_of(s->frontier[k].b, HASH_BYTES));
        buf_addc(&b, '\n');
    }
    enum err e =
        b.failed ? ERR_NOMEM : file_replace(s->path, buf_slice(&b), 0600);
    if (e == ERR_OK)
        s->saved = s->size;
    buf_fini(&b);
    return e;
}
