/* keyring.h - keys of payload at rest, for the files of this folder.
 *
 * A key is named by person and quarter. Quarter 0 is the person's master key:
 * it seals what must outlive a quarter. A zero person is the hub itself. */
#ifndef TSUNAGI_STORE_KEYRING_H
#define TSUNAGI_STORE_KEYRING_H
#include "hub/store/internal.h"
#include "hub/store/kek.h"

#define KEY_CACHED 1024
#define RING_BYTES 16
#define MASTER_QUARTER 0

/* An unwrapped key in memory. */
struct slot {
    bool used;
    struct id person;
    uint64_t quarter;
    uint8_t key[KEY_BYTES];
};
struct keyring {
    const struct kek_provider *provider;
    void *kek;
    uint32_t epoch; /* that new keys are wrapped under */
    uint8_t ring[RING_BYTES];
    uint64_t made, at_begin; /* keys ever made; when the transaction began */
    bool in_tx;              /* of keyring.db */
    bool older, differs;     /* than hub.db remembers; from that */
    bool turning;            /* a rotation is under way: how far */
    struct id turned;
    uint64_t turned_quarter;
    uint64_t turned_well, turned_badly;
    struct slot slot[KEY_CACHED];
};

/* A row of dek. */
struct dek {
    struct id person;
    uint64_t quarter;
    uint8_t id[KEY_ID_BYTES];
    uint32_t epoch;
    struct buf wrapped; /* owned */
};
/* Reads the row a statement stands at (columns as SQL_DEK_NEXT). */
void dek_read(struct store *s, enum statement q, struct dek *d);
enum err dek_unwrap(struct store *s, const struct dek *d,
                    struct buf *key) MUST_CHECK;
/* Seals a key into d->wrapped under d->epoch. */
enum err dek_wrap(struct store *s, struct dek *d, struct slice key) MUST_CHECK;

/* Begins a transaction of keyring.db unless there is one. */
enum err keyring_begin(struct store *s) MUST_CHECK;
/* Finds the epochs and whether a rotation is under way (shred.c). */
enum err keyring_epochs(struct store *s, const char *place,
                        struct buf *why) MUST_CHECK;
/* Ends a rotation that a crash interrupted (shred.c). */
enum err keyring_settle(struct store *s) MUST_CHECK;
#endif
