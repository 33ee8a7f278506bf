/* witness.h - what a witness of the log reads and writes: C2SP tlog-cosignature
 * (Ed25519, type 0x04) and the bodies of add-checkpoint (C2SP tlog-witness), so
 * that a witness from the shelf can stand in for a node. The name of a node's
 * cosignatures is the node's name. */
#ifndef TSUNAGI_WIRE_WITNESS_H
#define TSUNAGI_WIRE_WITNESS_H
#include "proto/wire/proof.h"

#define WITNESS_PROOF_MAX 63 /* hashes of one consistency proof */

/* ---- cosignatures ---- */

/* Appends the signature line of one cosigner to out. note: a whole note.
 * time_s: Unix seconds. ERR_INTEGRITY: no note, or a name that cannot stand in
 * one. */
enum err cosignature_make(struct slice note, const char *name,
                          const uint8_t secret[SIGN_SECRET_BYTES],
                          const uint8_t public[KEY_BYTES], uint64_t time_s,
                          struct buf *out) MUST_CHECK;
/* Of a line taken off a note's lines (note_next): whether it is w's. text: what
 * note_cut gave. *time_s is set when it is good. */
enum note_verdict cosignature_judge(const struct note_line *l,
                                    struct slice text, const struct vkey *w,
                                    uint64_t *time_s);
/* The line of w among a witness's answer (lines; others are passed over) over
 * the note that it was asked for; *line borrows from lines and has its newline.
 * ERR_WITNESS_SIGNATURE: none that is good. */
enum err cosignature_find(struct slice note, struct slice lines,
                          const struct vkey *w, struct slice *line,
                          uint64_t *time_s) MUST_CHECK;

/* ---- add-checkpoint ---- */

enum witness_status {
    WITNESS_DONE = 200,
    WITNESS_MALFORMED = 400, /* or the old size is larger than the new */
    WITNESS_FORBIDDEN = 403, /* no good signature of the log */
    WITNESS_UNKNOWN = 404,   /* another log */
    WITNESS_CONFLICT = 409,  /* another size is kept, or another root */
    WITNESS_UNPROVED = 422,  /* the consistency proof fails */
};
struct witness_ask {
    uint64_t old_size;
    struct hash path[WITNESS_PROOF_MAX];
    size_t n;
    struct slice note; /* borrows from the body */
};
enum err witness_ask_write(uint64_t old_size, const struct hash *path, size_t n,
                           struct slice note, struct buf *out) MUST_CHECK;
/* ERR_WITNESS_ASK. The note is not looked into. */
enum err witness_ask_parse(struct slice body,
                           struct witness_ask *out) MUST_CHECK;
/* What a witness that knows one log and keeps its head (size 0: never saw one)
 * answers. *head is the checkpoint asked for, from WITNESS_CONFLICT on and when
 * WITNESS_DONE; it is then kept durably before the answer leaves. */
enum witness_status witness_judge(const struct witness_ask *ask,
                                  const char *origin,
                                  const uint8_t log_key[KEY_BYTES],
                                  const struct checkpoint *kept,
                                  struct checkpoint *head);
/* Body of a conflict: the size kept and a newline. */
void witness_size_write(uint64_t size, struct buf *out);
enum err witness_size_parse(struct slice body, uint64_t *size) MUST_CHECK;
#endif
