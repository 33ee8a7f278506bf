/* unleafed.c - a hub that cheats: it hands out what it writes down nowhere.
 * Linked with the hub's own objects and --wrap, for tests alone
 * (tests/it/witness.py). UNLEAFED says how:
 *
 *   cite    the delivery cites its DECISION leaf, which the log does have
 *   forge   it carries a RELEASE leaf made up for that place in the log */
#include "hub/store/store.h"
#include <stdlib.h>
#include <string.h>

enum err __real_store_leaf(struct store *s, Pb__AuditLeaf *leaf,
                           uint64_t *index);
enum err __wrap_store_leaf(struct store *s, Pb__AuditLeaf *leaf,
                           uint64_t *index);
enum err __real_store_leaf_get(struct store *s, uint64_t index,
                               struct buf *out);
enum err __wrap_store_leaf_get(struct store *s, uint64_t index,
                               struct buf *out);

static struct buf forged; /* the leaf that is in no log */
static uint64_t forged_at;

static bool forges(void)
{
    const char *how = getenv("UNLEAFED");
    return how != NULL && strcmp(how, "forge") == 0;
}

static void make_up(Pb__AuditLeaf *leaf, uint64_t at)
{
    uint8_t bytes[4096], nonce[16] = {1};
    leaf->has_index = leaf->has_nonce = 1;
    leaf->index = at;
    leaf->nonce = (ProtobufCBinaryData){sizeof(nonce), nonce};
    buf_reset(&forged);
    if (pb__audit_leaf__get_packed_size(leaf) <= sizeof(bytes))
        buf_add(&forged, bytes, pb__audit_leaf__pack(leaf, bytes));
    forged_at = at;
    leaf->has_nonce = 0;
}

enum err __wrap_store_leaf(struct store *s, Pb__AuditLeaf *leaf,
                           uint64_t *index)
{
    if (leaf->kind != PB__LEAF_KIND__RELEASE)
        return __real_store_leaf(s, leaf, index);
    *index = leaf->n_ref > 0 ? leaf->ref[0] : 0;
    make_up(leaf, *index);
    return ERR_OK;
}

enum err __wrap_store_leaf_get(struct store *s, uint64_t index, struct buf *out)
{
    if (!forges() || forged.n == 0 || index != forged_at)
        return __real_store_leaf_get(s, index, out);
    buf_add(out, forged.p, forged.n);
    return ERR_OK;
}
