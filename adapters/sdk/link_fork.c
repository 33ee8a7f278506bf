/* link_fork.c - what a node does when the hub's log contradicts itself.
 *
 * Two heads that the log signed and that cannot both be true go into one file
 * for people to show, the notes byte for byte as they came, so that any tool
 * for C2SP notes verifies them:
 *
 *   tsunagi-fork-evidence/1
 *   found TIME
 *   how same-size | no-proof | shrunk
 *   log VKEY
 *   ---- seen before ----
 *   (note)
 *   ---- received now ----
 *   (note)
 *   ---- proof from size N ----     what was given for it, if anything
 *   (one base64 hash per line)
 *   ---- end ----
 *
 * "same-size" proves the fork by itself. The others prove it as far as the
 * operator cannot give a proof that one head continues the other. The fork
 * stands in the file of the witness until a person clears it.
 *
 * A new origin in the configuration is a new epoch: what is not in its log is
 * a gap that its operator declared, and the old head is kept beside. */
#include "adapters/sdk/link_lanes.h"
#include "proto/base/clock.h"
#include "proto/base/date.h"
#include "proto/base/log.h"
#include <inttypes.h>
#include <limits.h>
#include <sodium.h>
#include <string.h>

#define TELL_AGAIN_MS (10ull * 60 * 1000)
#define B64 sodium_base64_VARIANT_ORIGINAL

static void add_section(struct buf *b, const char *name, struct slice content)
{
    buf_addf(b, "---- %s ----\n", name);
    buf_add(b, content.p, content.n);
}

static void add_proof(struct buf *b, const struct given *g)
{
    char name[48], hash[sodium_base64_ENCODED_LEN(HASH_BYTES, B64)];
    snprintf(name, sizeof(name), "proof from size %" PRIu64, g->from);
    add_section(b, name, SLICE_NONE);
    for (size_t i = 0; i < g->n; i++) {
        sodium_bin2base64(hash, sizeof(hash), g->path[i].b, HASH_BYTES, B64);
        buf_addf(b, "%s\n", hash);
    }
}

static void add_top(const struct link *k, const char *kind, const char *how,
                    uint64_t wall_ms, struct buf *b)
{
    char time[TIME_TEXT];
    time_jst(wall_ms, time);
    buf_addf(b, "%s\nfound %s\nhow %s\nlog ", kind, time, how);
    checkpoint_vkey(k->c.origin, k->c.log->sign, b);
    buf_addc(b, '\n');
}

/* In the folder of the spool; name receives the file's own. */
static enum err keep_file(const struct link *k, const char *kind,
                          uint64_t wall_ms, const struct buf *b, char name[64])
{
    char path[PATH_MAX];
    snprintf(name, 64, "%s-%" PRIu64 ".txt", kind, wall_ms);
    if (snprintf(path, sizeof(path), "%s/%s", k->c.folder, name) >= PATH_MAX)
        return ERR_IO;
    return b->failed ? ERR_NOMEM : file_replace(path, buf_slice(b), 0600);
}

/* Without room for the evidence the fork still stands. */
enum err link_fork(struct link *k, enum dispute why, const struct head *before,
                   const struct head *now, const struct given *g)
{
    struct buf b = {0};
    char name[64];
    uint64_t wall_ms = clock_wall_ms();
    add_top(k, "tsunagi-fork-evidence/1", dispute_name(why), wall_ms, &b);
    add_section(&b, "seen before", buf_slice(&before->note));
    add_section(&b, "received now", buf_slice(&now->note));
    if (g != NULL)
        add_proof(&b, g);
    add_section(&b, "end", SLICE_NONE);
    enum err e = keep_file(k, "fork-evidence", wall_ms, &b, name);
    if (e != ERR_OK)
        log_error("link: evidence not written code=%s", err_code(e));
    buf_fini(&b);
    k->forked = true;
    k->forked_told_ms = 0;
    e = witness_set_forked(k->c.state, wall_ms, name);
    log_error("link: the hub's log contradicts what was seen before how=%s "
              "seen=%" PRIu64 " now=%" PRIu64 " file=%s",
              dispute_name(why), before->at.size, now->at.size, name);
    return e == ERR_OK || e == ERR_NOMEM ? e : ERR_STORE;
}

enum err link_gap(struct link *k, const struct head *before,
                  const struct checkpoint *now)
{
    struct buf b = {0};
    char name[64];
    uint64_t wall_ms = clock_wall_ms();
    add_top(k, "tsunagi-epoch/1", "not-contained", wall_ms, &b);
    add_section(&b, "seen before", buf_slice(&before->note));
    add_section(&b, "end", SLICE_NONE);
    enum err e = keep_file(k, "epoch", wall_ms, &b, name);
    buf_fini(&b);
    log_warn("link: the log of the new origin does not hold all of the old one "
             "seen=%" PRIu64 " now=%" PRIu64 " file=%s",
             before->at.size, now->size, name);
    return e == ERR_OK || e == ERR_NOMEM ? e : ERR_STORE;
}

void link_tell_fork(struct link *k, uint64_t now)
{
    if (!k->forked ||
        (k->forked_told_ms != 0 && now < k->forked_told_ms + TELL_AGAIN_MS))
        return;
    k->forked_told_ms = now;
    log_error("link: nothing is taken or cosigned until a person decides: "
              "tsunagi witness status, tsunagi witness clear");
}

/* ---- what is remembered ---- */

static enum err remember_lane(struct link *k, size_t lane)
{
    struct checkpoint c;
    struct buf note = {0};
    enum err e = spool_head(k->c.spool, (enum spool_head)lane, &c, &note);
    if (e == ERR_OK)
        e = history_set(&k->history, (enum strand)lane, &c, buf_slice(&note));
    buf_fini(&note);
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

/* A spool that is new begins where the witness stands. */
static enum err begin_at(struct link *k, const struct head *h)
{
    enum err e = ERR_OK;
    bool known = k->history.tip[STRAND_URGENT].at.size > 0 ||
                 k->history.tip[STRAND_NORMAL].at.size > 0;
    for (size_t i = 0; i < LANES && e == ERR_OK && !known && h->at.size > 0;
         i++)
        e = history_set(&k->history, (enum strand)i, &h->at,
                        buf_slice(&h->note));
    return e;
}

enum err link_remember_witness(struct link *k)
{
    struct witness_state s;
    enum err e = witness_read(k->c.state, k->c.origin, &s);
    if (e != ERR_OK)
        return e;
    k->forked = s.forked_ms > 0 || s.damaged;
    if (s.damaged)
        log_error("link: the file of the witness is damaged");
    if (s.cosigned.at.size > 0)
        e = history_set(&k->history, STRAND_WITNESS, &s.cosigned.at,
                        buf_slice(&s.cosigned.note));
    if (e == ERR_OK)
        e = begin_at(k, &s.cosigned);
    witness_state_fini(&s);
    return e;
}

enum err link_remember(struct link *k)
{
    enum err e = ERR_OK;
    history_init(&k->history, k->c.origin);
    for (size_t i = 0; i < LANES && e == ERR_OK; i++)
        e = remember_lane(k, i);
    return e == ERR_OK ? link_remember_witness(k) : e;
}
