/* anchor.c - the tail anchor: the last committed leaf, kept beside the keys.
 *
 * A single flipped bit in a WAL makes SQLite forget every commit after it,
 * without an error; an old copy of the folder put back looks healthy too. The
 * anchor tells: at the next start the leaf it names must be there.
 *
 *   two records of 128 bytes, at 0 and 4096, written in turn:
 *   "TSNANC1\n" size:u64be leaf-hash[32] SHA-256(all before)[32] zeroes
 *
 * The valid record with the larger size counts; a torn one leaves the other.
 *
 * The trade: every commit writes the anchor, but it is synced at most once a
 * second and when the store is tidied or closed, because a second fsync per
 * commit would halve the hub. A process that dies loses nothing of it; a power
 * cut may set it back by a second, never forward. The database may therefore
 * be ahead of the anchor, never behind, and a loss confined to the last second
 * before a power cut is left to the nodes' spools and the witnesses to show.
 *
 * Only a new epoch (store_anchor_renew) sets it back, both records at once.
 *
 * A missing file is taken as a person's act (a new machine, a restore) and
 * made anew, with a warning; one that cannot be read is not. */
#include "hub/store/internal.h"
#include "proto/base/clock.h"
#include "proto/base/log.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define RECORD 128
#define SLOT_AT 4096
#define SUMMED 48 /* magic, size, hash */
#define SYNC_MS 1000
static const uint8_t MAGIC[8] = {'T', 'S', 'N', 'A', 'N', 'C', '1', '\n'};

static void encode(uint64_t size, struct hash leaf, uint8_t out[RECORD])
{
    memset(out, 0, RECORD);
    memcpy(out, MAGIC, sizeof(MAGIC));
    for (int i = 0; i < 8; i++)
        out[8 + i] = (uint8_t)(size >> (56 - 8 * i));
    memcpy(out + 16, leaf.b, HASH_BYTES);
    sha256(slice_of(out, SUMMED), out + SUMMED);
}

/* Takes a record if it is whole and newer. */
static bool decode(struct anchor *a, const uint8_t in[RECORD], unsigned slot)
{
    struct hash leaf;
    uint8_t want[RECORD];
    uint64_t size = 0;
    for (int i = 0; i < 8; i++)
        size = size << 8 | in[8 + i];
    memcpy(leaf.b, in + 16, HASH_BYTES);
    encode(size, leaf, want);
    if (memcmp(in, want, RECORD) != 0)
        return false;
    if (!a->found || size > a->size) {
        a->size = size;
        a->leaf = leaf;
        a->slot = slot ^ 1;
    }
    a->found = true;
    return true;
}

static enum err read_slots(struct anchor *a)
{
    for (unsigned slot = 0; slot < 2; slot++) {
        uint8_t record[RECORD];
        ssize_t n = pread(a->fd, record, RECORD, (off_t)slot * SLOT_AT);
        if (n < 0)
            return ERR_IO;
        if (n == RECORD)
            (void)decode(a, record, slot);
    }
    return a->found ? ERR_OK : ERR_STORE_OPEN;
}

/* The size-0 record is on disk before the first commit can be. */
static enum err create(struct anchor *a, const char *path)
{
    a->fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (a->fd < 0)
        return ERR_IO;
    enum err e = anchor_write(a, 0, (struct hash){{0}});
    if (e == ERR_OK)
        e = anchor_sync(a);
    return e == ERR_OK ? folder_sync(path) : e;
}

enum err anchor_open(struct anchor *a, const char *path, struct buf *why)
{
    a->fd = open(path, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
    bool missing = a->fd < 0 && errno == ENOENT;
    enum err e = missing      ? create(a, path)
                 : a->fd >= 0 ? read_slots(a)
                              : ERR_IO;
    if (e == ERR_OK)
        return ERR_OK;
    return refuse(why, ERR_STORE_OPEN, "%s: cannot be %s", path,
                  missing ? "created" : "read as an anchor");
}

enum err anchor_write(struct anchor *a, uint64_t size, struct hash leaf)
{
    uint8_t record[RECORD];
    if (a->fd < 0)
        return ERR_OK; /* a copy is looked at: it has none */
    encode(size, leaf, record);
    if (write_at(a->fd, slice_of(record, RECORD), (int64_t)a->slot * SLOT_AT) !=
        ERR_OK) {
        log_error("store: anchor cannot be written");
        return ERR_STORE;
    }
    a->slot ^= 1;
    a->size = size;
    a->leaf = leaf;
    a->dirty = true;
    return clock_boot_ms() - a->synced_ms >= SYNC_MS ? anchor_sync(a) : ERR_OK;
}

enum err anchor_sync(struct anchor *a)
{
    if (a->fd < 0)
        return ERR_OK;
    if (fdatasync(a->fd) != 0) {
        log_error("store: anchor cannot be synced");
        return ERR_STORE;
    }
    a->dirty = false;
    a->synced_ms = clock_boot_ms();
    return ERR_OK;
}

enum err anchor_reset(struct anchor *a, uint64_t size, struct hash leaf)
{
    for (int slot = 0; slot < 2; slot++) {
        enum err e = anchor_write(a, size, leaf);
        if (e == ERR_OK)
            e = anchor_sync(a);
        if (e != ERR_OK)
            return e;
    }
    return ERR_OK;
}

void anchor_close(struct anchor *a)
{
    if (a->fd >= 0)
        close(a->fd);
    a->fd = -1;
}
