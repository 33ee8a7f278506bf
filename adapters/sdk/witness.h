/* witness.h - the one file in which a node remembers, for good, what it has
 * cosigned of the hub's log, and that it found a fork.
 *
 * The file belongs to the key: it stands beside it, is small enough to be
 * copied to a new machine, and is never made smaller by a program. It is
 * changed only by replacing it whole, on disk before anybody is answered, and
 * by comparing first what is there (C2SP tlog-witness). */
#ifndef TSUNAGI_SDK_WITNESS_H
#define TSUNAGI_SDK_WITNESS_H
#include "adapters/sdk/history.h"

#define WITNESS_ORIGINS 16 /* epochs remembered */
#define WITNESS_CLEARED 64 /* decisions of people kept; the oldest may go */
#define WITNESS_REASON 200 /* bytes of a reason */

/* What the file says; witness_state_fini frees. */
struct witness_state {
    struct head cosigned; /* of the origin asked for */
    uint64_t forked_ms;   /* 0: no fork stands */
    char evidence[64];    /* name of the file in the spool folder */
    size_t cleared;       /* how often a person cleared one */
    bool damaged;         /* unreadable: counts as a fork until cleared */
};
void witness_state_fini(struct witness_state *s);

/* A file that is not there is an empty state. ERR_IO, ERR_NOMEM. */
enum err witness_read(const char *path, const char *origin,
                      struct witness_state *s) MUST_CHECK;
/* Remembers c in place of the head of size `old_size` of the same origin.
 * ERR_CONFLICT: another head is there by now (nothing changed). ERR_DLV_FORK:
 * a fork stands. On ERR_OK it is on disk. */
enum err witness_advance(const char *path, uint64_t old_size,
                         const struct checkpoint *c,
                         struct slice note) MUST_CHECK;
/* A fork stands from now on; one that stands already stays. */
enum err witness_set_forked(const char *path, uint64_t now_ms,
                            const char *evidence) MUST_CHECK;
/* A person decided: the fork no longer stands, what was cosigned under this
 * origin is forgotten, when and why is kept. ERR_USAGE: a reason is one line of
 * 1..200 bytes of text. A damaged file is put aside as FILE.damaged. */
enum err witness_clear(const char *path, const char *origin, const char *reason,
                       uint64_t now_ms) MUST_CHECK;
#endif
