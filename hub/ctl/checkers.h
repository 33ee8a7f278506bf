/* checkers.h - signatures checked by processes beside this one: they are most
 * of the work of verifying a log, and each stands alone. */
#ifndef TSUNAGI_CTL_CHECKERS_H
#define TSUNAGI_CTL_CHECKERS_H
#include "proto/wire/sign.h"

#define CHECK_BYTES 512 /* of what one signature covers, at most */

/* One signature over bytes that begin with the prefix of what. */
struct check {
    uint64_t leaf;
    uint32_t n; /* bytes of text */
    uint32_t what;
    uint8_t key[KEY_BYTES], signature[SIGNATURE_BYTES];
    uint8_t text[CHECK_BYTES];
};
struct checkers; /* opaque */
/* Starts one process for each processor. ERR_NOMEM, ERR_IO. */
enum err checkers_open(struct checkers **out) MUST_CHECK;
/* Hands one over; blocks while all are busy. ERR_IO. */
enum err checkers_add(struct checkers *c, const struct check *check) MUST_CHECK;
/* Waits for all of them and tells the leaves whose signature does not hold, in
 * ascending order. ERR_IO when a process did not do its work. Ends *c. */
enum err checkers_close(struct checkers **c,
                        void (*bad)(void *ctx, uint64_t leaf),
                        void *ctx) MUST_CHECK;
#endif
