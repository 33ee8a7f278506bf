/* buf.h - borrowed bytes (slice) and a growing buffer (buf). */
#ifndef TSUNAGI_BASE_BUF_H
#define TSUNAGI_BASE_BUF_H
#include "proto/base/err.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Borrowed bytes; whoever hands it out says how long it lives. */
struct slice {
    const uint8_t *p;
    size_t n;
};
#define SLICE_NONE ((struct slice){NULL, 0})
static inline struct slice slice_of(const void *p, size_t n)
{
    return (struct slice){(const uint8_t *)p, n};
}
struct slice slice_str(const char *s); /* without the NUL */
bool slice_eq(struct slice a, struct slice b);

/* Grows as it is written. Zero-initialise; buf_fini frees. After a failed
 * allocation `failed` stays set and further writes do nothing, so a run of
 * writes is checked once, at the end. `p` is always NUL-terminated when
 * non-NULL (the NUL is not counted in n). */
struct buf {
    uint8_t *p;
    size_t n, cap;
    bool failed;
};
void buf_add(struct buf *b, const void *p, size_t n);
void buf_adds(struct buf *b, const char *s);
void buf_addc(struct buf *b, char c);
void buf_addf(struct buf *b, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
void buf_add_hex(struct buf *b, struct slice s);
void buf_add_json(struct buf *b, const char *utf8); /* quoted and escaped */
void buf_reset(struct buf *b);                      /* keeps the memory */
struct slice buf_slice(const struct buf *b);
void buf_fini(struct buf *b); /* wipes and frees */

/* Decodes 2*n hex digits into out. ERR_VAL_FIELD on anything else. */
enum err hex_decode(const char *hex, uint8_t *out, size_t n) MUST_CHECK;

/* Reads a whole file of at most max bytes into b (appended). ERR_IO,
 * ERR_FILE_SIZE, ERR_NOT_FOUND. */
enum err file_read(const char *path, size_t max, struct buf *b) MUST_CHECK;
/* Replaces path durably: temporary file, fsync, rename, fsync of the folder. */
enum err file_replace(const char *path, struct slice s,
                      unsigned mode) MUST_CHECK;
#endif
