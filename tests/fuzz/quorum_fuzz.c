/* quorum_fuzz.c - any bytes as a policy of witnesses and their hours; what
 * follows a line "hours" is the table.
 *
 * Oracles: a refusal says where and gives nothing; all who are open together
 * meet every quorum that is due; nobody meets one that is; more cosignatures
 * never make a quorum fail. */
#include "proto/wire/quorum.h"
#include <stdlib.h>
#include <string.h>

static void require(bool truth)
{
    if (!truth)
        abort();
}

static void check_sets(const struct quorum *q, uint64_t open)
{
    enum quorum_verdict all = quorum_met(q, open, open);
    require(all != QUORUM_MISSING);
    require((all == QUORUM_NOT_DUE) ==
            (quorum_met(q, 0, open) == QUORUM_NOT_DUE));
    bool met = false;
    for (size_t i = 0; i <= quorum_witnesses(q); i++) {
        uint64_t some = i == 64 ? UINT64_MAX : (1ull << i) - 1;
        bool now = quorum_met(q, some, open) == QUORUM_MET;
        require(now || !met);
        met = now;
    }
}

static void check_hours(const struct quorum *q, struct slice table)
{
    struct hours *h;
    struct buf why = {0};
    enum err e = hours_parse("hours", table, q, &h, &why);
    require((e == ERR_OK) == (h != NULL));
    require(e == ERR_OK || (why.n > 0 && why.p[why.n - 1] == '\n'));
    for (uint64_t t = 1700000000; h != NULL && t < 1702000000; t += 123457) {
        uint64_t open = hours_open(h, q, t);
        require((open & ~hours_open(NULL, q, t)) == 0);
        check_sets(q, open);
    }
    hours_free(&h);
    buf_fini(&why);
}

static void check_policy(struct slice text, struct slice table)
{
    struct quorum *q;
    struct buf why = {0};
    enum err e = quorum_parse("policy", text, &q, &why);
    require((e == ERR_OK) == (q != NULL));
    require((e == ERR_OK) == (why.n == 0));
    if (q != NULL) {
        check_sets(q, hours_open(NULL, q, 0));
        check_hours(q, table);
    }
    quorum_free(&q);
    buf_fini(&why);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char MARK[] = "\nhours\n";
    const uint8_t *at = size > 0 ? memmem(data, size, MARK, 7) : NULL;
    size_t n = at != NULL ? (size_t)(at - data) + 1 : size;
    size_t used = at != NULL ? n + 6 : size;
    check_policy(slice_of(data, n), slice_of(data + used, size - used));
    return 0;
}
