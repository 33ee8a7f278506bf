/* witness_fuzz.c - any bytes as a request to cosign, and as its answer.
 *
 * Oracles: a request that is read is written back the same; without a signature
 * of the log no witness cosigns; of nobody no cosignature is found. */
#include "proto/wire/witness.h"
#include <stdlib.h>
#include <string.h>

static void require(bool truth)
{
    if (!truth)
        abort();
}

static void check_ask(struct slice body)
{
    static const uint8_t NOBODY[KEY_BYTES] = {0xec, 0x17};
    static const struct checkpoint NONE;
    struct witness_ask ask;
    struct checkpoint head;
    struct buf same = {0};
    if (witness_ask_parse(body, &ask) != ERR_OK)
        return;
    require(ask.n <= WITNESS_PROOF_MAX && ask.note.n > 0);
    require(witness_ask_write(ask.old_size, ask.path, ask.n, ask.note, &same) ==
            ERR_OK);
    require(slice_eq(buf_slice(&same), body));
    enum witness_status s =
        witness_judge(&ask, "nobody.example", NOBODY, &NONE, &head);
    require(s == WITNESS_UNKNOWN || s == WITNESS_FORBIDDEN);
    buf_fini(&same);
}

static void check_answer(struct slice body)
{
    struct vkey w = {.name = "nobody.example", .type = VKEY_COSIGNER};
    struct slice note = slice_str("log.example\n1\nAAAA\n\n"), line;
    struct buf same = {0};
    uint64_t n;
    require(cosignature_find(note, body, &w, &line, &n) ==
            ERR_WITNESS_SIGNATURE);
    if (witness_size_parse(body, &n) != ERR_OK)
        return;
    witness_size_write(n, &same);
    require(slice_eq(buf_slice(&same), body));
    buf_fini(&same);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check_ask(slice_of(data, size));
    check_answer(slice_of(data, size));
    return 0;
}
