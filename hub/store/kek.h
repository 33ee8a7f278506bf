/* kek.h - who holds the keys that wrap all other keys (KEK), one per epoch.
 *
 * A KEK never enters a database or a backup. An epoch is a number from 1 up;
 * a new one is begun to make everything wrapped under the old ones unreadable,
 * wherever copies of it lie, by destroying those. The interface is small so
 * that a device which never gives a key away can stand behind it. */
#ifndef TSUNAGI_STORE_KEK_H
#define TSUNAGI_STORE_KEK_H
#include "proto/base/buf.h"
#include "proto/base/err.h"

#define KEK_EPOCHS 16 /* held at once; a rotation leaves one */

struct kek_provider {
    /* Opens what lies at place; sign_init before. ERR_STORE_OPEN, with one line
     * in why. *kek is NULL on error. */
    enum err (*open)(const char *place, void **kek, struct buf *why);
    /* The epochs held, ascending; at most KEK_EPOCHS. */
    size_t (*epochs)(const void *kek, uint32_t out[KEK_EPOCHS]);
    /* Seals and opens a key, bound to aad; appended to out. ERR_NOT_FOUND when
     * the epoch is not held, ERR_INTEGRITY for what does not open. */
    enum err (*wrap)(void *kek, uint32_t epoch, struct slice aad,
                     struct slice key, struct buf *out);
    enum err (*unwrap)(void *kek, uint32_t epoch, struct slice aad,
                       struct slice wrapped, struct buf *out);
    /* Makes the key of an epoch; durable on return. ERR_CONFLICT when held. */
    enum err (*new_epoch)(void *kek, uint32_t epoch);
    /* Destroys it for good; ERR_OK when it is not held. */
    enum err (*destroy)(void *kek, uint32_t epoch);
    void (*close)(void **kek);
};

/* Files in a folder (made if absent), see kek.c. */
extern const struct kek_provider KEK_FILES;
#endif
