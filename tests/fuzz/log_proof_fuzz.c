/* log_proof_fuzz.c - any bytes as a proof that a leaf is in the log.
 *
 * Oracles: what is read is written back the same; a log whose key nobody has
 * proves nothing. */
#include "proto/wire/log_proof.h"
#include <stdlib.h>
#include <string.h>

static void require(bool truth)
{
    if (!truth)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t NOBODY[KEY_BYTES] = {0xec, 0x17};
    struct log_proof p;
    struct checkpoint head;
    struct buf same = {0};
    if (log_proof_parse(slice_of(data, size), &p) != ERR_OK)
        return 0;
    require(log_proof_write(buf_slice(&p.extra), p.index, p.path, p.n, p.note,
                            &same) == ERR_OK);
    require(slice_eq(buf_slice(&same), slice_of(data, size)));
    require(log_proof_check(&p, "nobody.example", NOBODY, buf_slice(&p.extra),
                            &head) != ERR_OK);
    buf_fini(&same);
    log_proof_fini(&p);
    return 0;
}
