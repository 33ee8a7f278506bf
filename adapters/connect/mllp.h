/* mllp.h - HL7 v2 messages over TCP: VT message FS CR, and the same back.
 *
 * A server on one address of this machine; the hospital's system connects.
 * The owner answers each message at once, after its events are on disk. */
#ifndef TSUNAGI_CONNECT_MLLP_H
#define TSUNAGI_CONNECT_MLLP_H
#include "tsunagi/adapter.h"

/* ---- the frame, apart from sockets -------------------------------------- */
#define MLLP_MESSAGE_MAX ((size_t)1 << 20)

struct mllp_frame; /* collects bytes until a message is whole */
struct mllp_frame *mllp_frame_new(void); /* NULL: out of memory */
void mllp_frame_free(struct mllp_frame **f);
/* Takes bytes as they come and calls got for each whole message (borrowed for
 * the call). NULL, or E-MLP-001 (bytes outside a frame), E-MLP-002 (longer
 * than MLLP_MESSAGE_MAX), E-INT-002: the connection is of no more use. Line
 * ends between frames are tolerated. */
tsunagi_code mllp_frame_feed(struct mllp_frame *f, const uint8_t *p, size_t n,
                             void (*got)(void *self, const uint8_t *p,
                                         size_t n),
                             void *self);
bool mllp_frame_idle(const struct mllp_frame *f); /* no message begun */

/* ---- the server --------------------------------------------------------- */
struct mllp; /* opaque */

/* Answers one message: allocated text without framing, NULL to close the
 * connection unanswered. *n receives the length. */
typedef uint8_t *mllp_reader(void *self, const uint8_t *p, size_t n,
                             size_t *answer_n);

/* The host calls watchers with the module's self, so the owner's `ready` passes
 * fd on to mllp_ready. Listens on "127.0.0.1:2575" ("[::1]:2575"; port 0: any,
 * see mllp_port). At most 16 connections; one that is silent for idle_s seconds
 * is closed. h is borrowed. E-CFG-016 for an address that cannot be read,
 * E-IO-001. *out is NULL on error. */
tsunagi_code mllp_open(struct tsunagi_host *h, const char *address,
                       unsigned idle_s, void (*ready)(void *self, int fd),
                       mllp_reader *read, void *self, struct mllp **out);
/* A socket of ours is readable; any other fd is none of our business. */
void mllp_ready(struct mllp *m, int fd);
unsigned mllp_port(const struct mllp *m);
/* Closes idle connections, writes what could not be written before. */
void mllp_tick(struct mllp *m);
void mllp_close(struct mllp **m);
#endif
