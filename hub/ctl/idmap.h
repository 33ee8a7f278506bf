/* idmap.h - numbers by 16-byte ids, for logs of millions of leaves. */
#ifndef TSUNAGI_CTL_IDMAP_H
#define TSUNAGI_CTL_IDMAP_H
#include "proto/base/id.h"

/* Zero-initialise; idmap_fini frees. 24 bytes for each place, at most three
 * quarters of them taken. */
struct idmap {
    struct idmap_place *place;
    size_t cap, n;
    uint8_t key[16]; /* random: nobody can choose ids that collide */
};
void idmap_fini(struct idmap *m);
/* The number of an id; false when it is not there. */
bool idmap_get(const struct idmap *m, const uint8_t id[ID_BYTES],
               uint32_t *number);
/* Sets it, in place of an earlier one. ERR_NOMEM. */
enum err idmap_put(struct idmap *m, const uint8_t id[ID_BYTES],
                   uint32_t number) MUST_CHECK;
#endif
