/* witness_alarm.c - a head against the log: the log's own key signed it, and
 * the log does not have it.
 *
 * A larger one: this is an older copy, put back. Another of the same size, or a
 * smaller one that is not a beginning of this log: there is a second log under
 * the key, or this one was rewritten. Which of both is the true one nobody can
 * tell from here, so nothing more leaves: WITNESS_ALARM is leafed, both heads
 * are kept in the folder `state` for people, and the hub exits 78. */
#include "hub/app/witness.h"
#include "proto/base/date.h"
#include "proto/base/log.h"
#include "proto/wire/unpack.h"
#include <inttypes.h>
#include <limits.h>
#include <string.h>

enum err witness_contains(struct hub *h, const struct checkpoint *c, bool *has)
{
    struct hash root;
    *has = false;
    if (c->size > store_log_size(h->store))
        return ERR_OK;
    enum err e = merkle_root_at(store_merkle(h->store), c->size, store_tile,
                                h->store, &root);
    *has = e == ERR_OK && memcmp(root.b, c->root.b, HASH_BYTES) == 0;
    return e;
}

/* In the form in which nodes keep theirs (sdk/link_fork.c). */
static void evidence(const struct hub *h, struct slice theirs,
                     const struct checkpoint *c, struct buf *b)
{
    char time[TIME_TEXT];
    uint64_t size = store_log_size(h->store);
    time_jst(h->now_ms, time);
    buf_addf(b, "tsunagi-fork-evidence/1\nfound %s\nhow %s\nlog ", time,
             c->size > size    ? "shrunk"
             : c->size == size ? "same-size"
                               : "no-proof");
    checkpoint_vkey(h->config.origin, h->log_keys.pub.sign, b);
    buf_adds(b, "\n---- seen before ----\n");
    buf_add(b, theirs.p, theirs.n);
    buf_adds(b, "---- received now ----\n");
    buf_add(b, h->note.p, h->note.n);
    buf_adds(b, "---- end ----\n");
}

static void keep_evidence(struct hub *h, struct slice theirs,
                          const struct checkpoint *c)
{
    char path[PATH_MAX];
    struct buf b = {0};
    evidence(h, theirs, c, &b);
    int n = snprintf(path, sizeof(path), "%s/fork-evidence-%" PRIu64 ".txt",
                     h->config.state, h->now_ms);
    if (b.failed || n >= (int)sizeof(path) ||
        file_replace(path, buf_slice(&b), 0600) != ERR_OK)
        log_error("witness: evidence not written");
    buf_fini(&b);
}

static void alarm_leaf(struct hub *h, const char *node, struct slice theirs,
                       enum err why)
{
    Pb__AuditLeaf l = leaf_new(h, PB__LEAF_KIND__WITNESS_ALARM);
    uint8_t hash[32];
    uint64_t index;
    sha256(theirs, hash);
    l.node = pb_text(node);
    l.reason = pb_text(err_code(why));
    l.has_detail_sha256 = 1;
    l.detail_sha256 = (ProtobufCBinaryData){sizeof(hash), hash};
    enum err e = turn_begin(h) ? store_leaf(h->store, &l, &index) : h->broken;
    if (e != ERR_OK)
        turn_broken(h, e);
}

static void alarm_raise(struct hub *h, const char *node, struct slice theirs,
                        const struct checkpoint *c)
{
    h->alarm = c->size > store_log_size(h->store) ? ERR_ROLLBACK : ERR_LOG_FORK;
    h->stop = true;
    log_error("witness: the log's own key signed a head that this log does "
              "not have; stopping code=%s witness=%s theirs=%" PRIu64
              " ours=%" PRIu64,
              err_code(h->alarm), node, c->size, store_log_size(h->store));
    keep_evidence(h, theirs, c);
    alarm_leaf(h, node, theirs, h->alarm);
}

void witness_weigh(struct hub *h, const char *node, struct slice note)
{
    struct checkpoint c;
    bool has;
    if (checkpoint_open(note, h->config.origin, h->log_keys.pub.sign, &c) !=
        ERR_OK)
        return;
    enum err e = witness_contains(h, &c, &has);
    if (e != ERR_OK)
        turn_broken(h, e);
    else if (!has)
        alarm_raise(h, node, note, &c);
}
