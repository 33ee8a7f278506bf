/* log_proof.h - C2SP tlog-proof: that a leaf is in the log, to be checked
 * without the log. The extra data of ours are the leaf itself. */
#ifndef TSUNAGI_WIRE_LOG_PROOF_H
#define TSUNAGI_WIRE_LOG_PROOF_H
#include "proto/wire/proof.h"

#define LOG_PROOF_MAX (256 * 1024)

struct log_proof {
    struct buf extra; /* owned; empty: none */
    uint64_t index;
    struct hash path[PROOF_MAX];
    size_t n;
    struct slice note; /* borrows from the text */
};
/* extra SLICE_NONE: none. */
enum err log_proof_write(struct slice extra, uint64_t index,
                         const struct hash *path, size_t n, struct slice note,
                         struct buf *out) MUST_CHECK;
/* ERR_INTEGRITY: malformed. The note is not looked into. */
enum err log_proof_parse(struct slice text, struct log_proof *out) MUST_CHECK;
void log_proof_fini(struct log_proof *p);
/* The note is signed by that log and the leaf is at the index under it.
 * ERR_INTEGRITY, ERR_DLV_PROOF. */
enum err log_proof_check(const struct log_proof *p, const char *origin,
                         const uint8_t log_key[KEY_BYTES], struct slice leaf,
                         struct checkpoint *head) MUST_CHECK;
#endif
