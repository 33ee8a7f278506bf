/* quorum.h - which witnesses must have cosigned a checkpoint: C2SP tlog-policy,
 * and the hours of those that are closed at night. Who verifies a checkpoint
 * (node, hub, auditor) asks here, so that all say the same.
 *
 * A closed witness does not count. Of a group "k of n" tolerating f = max(0,
 * 2k-n-1) that lie, with m members open, min(k, m, (m+f)/2+1) must have
 * cosigned; a group without an open member is passed over. With all open that
 * is the policy as written. */
#ifndef TSUNAGI_WIRE_QUORUM_H
#define TSUNAGI_WIRE_QUORUM_H
#include "proto/wire/note.h"

#define QUORUM_WITNESSES 64 /* bit i of a set: witness i */
#define QUORUM_GROUPS 32
#define QUORUM_LOGS 32
#define QUORUM_TEXT_MAX (256 * 1024)

struct quorum; /* immutable */
/* why receives "NAME:LINE: sentence" lines. ERR_WITNESS_POLICY, ERR_NOMEM. */
enum err quorum_parse(const char *file, struct slice text, struct quorum **out,
                      struct buf *why) MUST_CHECK;
void quorum_free(struct quorum **q);
bool quorum_has_log(const struct quorum *q, const char *origin,
                    const uint8_t key[KEY_BYTES]);
size_t quorum_witnesses(const struct quorum *q);
const struct vkey *quorum_witness(const struct quorum *q, size_t i);
const char *quorum_witness_name(const struct quorum *q, size_t i);
bool quorum_none(const struct quorum *q); /* the policy asks for nobody */

/* ---- hours ---- */

/* A table "witness days from to": days mon-fri, sat, daily with from and to as
 * 08:30 17:15 (Japan time; to may be 24:00), or `closed` with two dates, both
 * included. Witness * is every one. One without rows of hours is open unless
 * closed. */
struct hours;
enum err hours_parse(const char *file, struct slice tsv, const struct quorum *q,
                     struct hours **out, struct buf *why) MUST_CHECK;
void hours_free(struct hours **h);
/* h NULL: all are open. */
uint64_t hours_open(const struct hours *h, const struct quorum *q,
                    uint64_t time_s);

/* ---- judging ---- */

enum quorum_verdict {
    QUORUM_MET,
    QUORUM_MISSING,
    QUORUM_NOT_DUE /* nobody is open, or the policy asks for nobody */
};
enum quorum_verdict quorum_met(const struct quorum *q, uint64_t cosigned,
                               uint64_t open);
struct cosigned {
    uint64_t good;     /* witnesses whose cosignature is good */
    uint64_t newest_s; /* time of the newest of them; 0: none */
};
/* The log's own signature is not looked at. A cosignature of the future (5
 * minutes and more) does not count. ERR_WITNESS_SIGNATURE: a line claims to be
 * of a witness of q and is not; ERR_INTEGRITY: no note. */
enum err quorum_read(const struct quorum *q, struct slice note, uint64_t now_s,
                     struct cosigned *out) MUST_CHECK;
/* Both together: those open when the newest cosignature was made, or now. So a
 * quorum reached in the day stands after the offices have closed. An error of
 * quorum_read is QUORUM_MISSING. */
enum quorum_verdict quorum_check(const struct quorum *q, const struct hours *h,
                                 struct slice note, uint64_t now_s);
#endif
