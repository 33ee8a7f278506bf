/* idmap.c - open addressing, doubled at three quarters. Nothing is ever taken
 * out. Ids come from a log that nobody has vouched for yet, so their places
 * follow from a hash with a random key. */
#include "hub/ctl/idmap.h"
#include <assert.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

struct idmap_place {
    uint8_t id[ID_BYTES];
    uint32_t number;
    bool taken;
};
_Static_assert(crypto_shorthash_KEYBYTES == 16, "the key of struct idmap");

void idmap_fini(struct idmap *m)
{
    free(m->place);
    memset(m, 0, sizeof(*m));
}

/* Where id is, or the free place where it belongs. */
static struct idmap_place *find(const struct idmap *m,
                                const uint8_t id[ID_BYTES])
{
    uint8_t h[crypto_shorthash_BYTES];
    uint64_t at;
    crypto_shorthash(h, id, ID_BYTES, m->key);
    memcpy(&at, h, sizeof(at));
    for (;; at++) {
        struct idmap_place *p = &m->place[at & (m->cap - 1)];
        if (!p->taken || memcmp(p->id, id, ID_BYTES) == 0)
            return p;
    }
}

bool idmap_get(const struct idmap *m, const uint8_t id[ID_BYTES],
               uint32_t *number)
{
    const struct idmap_place *p = m->cap > 0 ? find(m, id) : NULL;
    if (p == NULL || !p->taken)
        return false;
    *number = p->number;
    return true;
}

static enum err grow(struct idmap *m)
{
    struct idmap more = {.cap = m->cap == 0 ? 256 : 2 * m->cap, .n = m->n};
    more.place = calloc(more.cap, sizeof(*more.place));
    if (more.place == NULL)
        return ERR_NOMEM;
    if (m->cap == 0)
        randombytes_buf(m->key, sizeof(m->key));
    memcpy(more.key, m->key, sizeof(more.key));
    for (size_t i = 0; i < m->cap; i++)
        if (m->place[i].taken)
            *find(&more, m->place[i].id) = m->place[i];
    free(m->place);
    *m = more;
    return ERR_OK;
}

enum err idmap_put(struct idmap *m, const uint8_t id[ID_BYTES], uint32_t number)
{
    enum err e = 4 * (m->n + 1) > 3 * m->cap ? grow(m) : ERR_OK;
    if (e != ERR_OK)
        return e;
    struct idmap_place *p = find(m, id);
    m->n += !p->taken;
    memcpy(p->id, id, ID_BYTES);
    p->number = number;
    p->taken = true;
    return ERR_OK;
}
