/* buf.c - growing bytes, hex, and whole files.
 *
 * Memory is never handed to realloc: a buffer may have held a key or a name,
 * so growing copies, wipes the old block and frees it. Files are replaced by
 * rename after fsync, so that a reader sees the old or the new content and a
 * power cut leaves one of the two. */
#include "proto/base/buf.h"
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FIRST_SIZE = 256 };

struct slice slice_str(const char *s)
{
    return s == NULL ? SLICE_NONE : slice_of(s, strlen(s));
}

bool slice_eq(struct slice a, struct slice b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

/* Makes room for n more bytes and the NUL. */
static bool grow(struct buf *b, size_t n)
{
    if (b->failed || n > SIZE_MAX / 4 || b->n > SIZE_MAX / 4) {
        b->failed = true;
        return false;
    }
    size_t need = b->n + n + 1;
    if (need <= b->cap)
        return true;
    size_t cap = b->cap == 0 ? FIRST_SIZE : b->cap;
    while (cap < need)
        cap *= 2;
    uint8_t *p = malloc(cap);
    if (p == NULL) {
        b->failed = true;
        return false;
    }
    if (b->p != NULL) {
        memcpy(p, b->p, b->n);
        sodium_memzero(b->p, b->cap);
        free(b->p);
    }
    b->p = p;
    b->cap = cap;
    return true;
}

void buf_add(struct buf *b, const void *p, size_t n)
{
    assert(b != NULL && (p != NULL || n == 0));
    if (!grow(b, n))
        return;
    if (n > 0)
        memcpy(b->p + b->n, p, n);
    b->n += n;
    b->p[b->n] = 0;
}

void buf_adds(struct buf *b, const char *s)
{
    buf_add(b, s, strlen(s));
}

void buf_addc(struct buf *b, char c)
{
    buf_add(b, &c, 1);
}

void buf_addf(struct buf *b, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (n < 0 || !grow(b, (size_t)n)) {
        b->failed = true;
        return;
    }
    va_start(ap, fmt);
    vsnprintf((char *)b->p + b->n, (size_t)n + 1, fmt, ap);
    va_end(ap);
    b->n += (size_t)n;
}

void buf_add_hex(struct buf *b, struct slice s)
{
    static const char DIGITS[] = "0123456789abcdef";
    for (size_t i = 0; i < s.n; i++) {
        char two[2] = {DIGITS[s.p[i] >> 4], DIGITS[s.p[i] & 15]};
        buf_add(b, two, 2);
    }
}

static void json_char(struct buf *b, char c)
{
    static const char SHORT[] = "\"\"\\\\\bb\ff\nn\rr\tt";
    for (size_t i = 0; i + 1 < sizeof(SHORT); i += 2) {
        if (c == SHORT[i]) {
            buf_addc(b, '\\');
            buf_addc(b, SHORT[i + 1]);
            return;
        }
    }
    if ((unsigned char)c < 0x20 || c == 0x7f)
        buf_addf(b, "\\u%04x", (unsigned)(unsigned char)c);
    else
        buf_addc(b, c);
}

void buf_add_json(struct buf *b, const char *utf8)
{
    buf_addc(b, '"');
    for (; *utf8 != '\0'; utf8++)
        json_char(b, *utf8);
    buf_addc(b, '"');
}

void buf_reset(struct buf *b)
{
    b->n = 0;
    b->failed = false;
    if (b->p != NULL)
        b->p[0] = 0;
}

struct slice buf_slice(const struct buf *b)
{
    return slice_of(b->p, b->n);
}

void buf_fini(struct buf *b)
{
    if (b == NULL)
        return;
    if (b->p != NULL)
        sodium_memzero(b->p, b->cap);
    free(b->p);
    *b = (struct buf){0};
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

enum err hex_decode(const char *hex, uint8_t *out, size_t n)
{
    assert(hex != NULL && (out != NULL || n == 0));
    if (strlen(hex) != 2 * n)
        return ERR_VAL_FIELD;
    for (size_t i = 0; i < n; i++) {
        int hi = hex_digit(hex[2 * i]), lo = hex_digit(hex[2 * i + 1]);
        if (hi < 0 || lo < 0)
            return ERR_VAL_FIELD;
        out[i] = (uint8_t)(hi << 4 | lo);
    }
    return ERR_OK;
}

/* Reads until the end; one byte more than max is the proof of too much. */
static enum err read_all(int fd, size_t max, struct buf *b)
{
    uint8_t chunk[16384];
    size_t total = 0;
    for (;;) {
        ssize_t n = read(fd, chunk, sizeof(chunk));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return ERR_IO;
        if (n == 0)
            break;
        total += (size_t)n;
        if (total > max)
            return ERR_FILE_SIZE;
        buf_add(b, chunk, (size_t)n);
    }
    sodium_memzero(chunk, sizeof(chunk));
    return b->failed ? ERR_NOMEM : ERR_OK;
}

enum err file_read(const char *path, size_t max, struct buf *b)
{
    assert(path != NULL && b != NULL);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return errno == ENOENT || errno == ENOTDIR ? ERR_NOT_FOUND : ERR_IO;
    enum err e = read_all(fd, max, b);
    close(fd);
    return e;
}

static enum err write_all(int fd, struct slice s)
{
    for (size_t at = 0; at < s.n;) {
        ssize_t n = write(fd, s.p + at, s.n - at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return ERR_IO;
        at += (size_t)n;
    }
    return ERR_OK;
}

static enum err sync_folder_of(const char *path)
{
    char folder[PATH_MAX];
    const char *slash = strrchr(path, '/');
    size_t n = slash == NULL ? 0 : (size_t)(slash - path);
    if (n >= sizeof(folder))
        return ERR_IO;
    memcpy(folder, path, n);
    folder[n] = '\0';
    const char *name = slash == NULL ? "." : n == 0 ? "/" : folder;
    int fd = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return ERR_IO;
    int rc = fsync(fd);
    close(fd);
    return rc == 0 ? ERR_OK : ERR_IO;
}

/* Fills and syncs the temporary file; closes fd in every case. */
static enum err fill(int fd, struct slice s, unsigned mode)
{
    enum err e = fchmod(fd, (mode_t)mode) == 0 ? ERR_OK : ERR_IO;
    if (e == ERR_OK)
        e = write_all(fd, s);
    if (e == ERR_OK && fsync(fd) != 0)
        e = ERR_IO;
    if (close(fd) != 0 && e == ERR_OK)
        e = ERR_IO;
    return e;
}

enum err file_replace(const char *path, struct slice s, unsigned mode)
{
    assert(path != NULL);
    char temp[PATH_MAX];
    int n = snprintf(temp, sizeof(temp), "%s.tmp-XXXXXX", path);
    if (n < 0 || (size_t)n >= sizeof(temp))
        return ERR_IO;
    int fd = mkostemp(temp, O_CLOEXEC);
    if (fd < 0)
        return ERR_IO;
    enum err e = fill(fd, s, mode);
    if (e == ERR_OK && rename(temp, path) != 0)
        e = ERR_IO;
    if (e != ERR_OK) {
        unlink(temp);
        return e;
    }
    return sync_folder_of(path);
}
