/* witness.c - the state file, text for people to read and copy:
 *
 *   tsunagi-witness/1
 *   forked TIME EVIDENCE                  while a fork stands
 *   cleared TIME SIZE ROOT ORIGIN REASON  one for each, oldest first
 *   cosigned SIZE ROOT ORIGIN             one for each origin, then
 *   NOTE BYTES                            the note as the log signed it
 *   ...
 *   sha256 HEX                            of all above
 *
 * A checksum, because a file that lost a line would make this node a witness
 * of less than it has sworn to. What cannot be read is not guessed: it counts
 * as a fork until a person clears it. Changes hold a lock on FILE.lock from
 * reading to the rename, so that of two that compare the same head one sets
 * its own and the other is told. */
#include "adapters/sdk/witness.h"
#include "proto/base/date.h"
#include "proto/base/log.h"
#include "proto/base/text.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#define HEADER "tsunagi-witness/1"
#define FILE_MAX (WITNESS_ORIGINS * (HEAD_NOTE_MAX + 512) + 64 * 1024)
#define SUM_LINE (sizeof("sha256 ") - 1 + 64 + 1)

struct memory {
    struct head head[WITNESS_ORIGINS];
    size_t heads;
    char *cleared[WITNESS_CLEARED]; /* into text, without the newline */
    size_t clears;
    uint64_t forked_ms;
    char evidence[64];
    bool damaged;
    struct buf text;
};

static void memory_fini(struct memory *m)
{
    for (size_t i = 0; i < m->heads; i++)
        head_fini(&m->head[i]);
    buf_fini(&m->text);
}

void witness_state_fini(struct witness_state *s)
{
    head_fini(&s->cosigned);
    memset(s, 0, sizeof(*s));
}

/* ---- reading ---- */

static bool sum_right(const struct buf *b)
{
    uint8_t want[32], sum[32];
    char hex[65];
    if (b->n < SUM_LINE || b->p[b->n - 1] != '\n')
        return false;
    size_t body = b->n - SUM_LINE;
    if (memcmp(b->p + body, "sha256 ", 7) != 0)
        return false;
    memcpy(hex, b->p + body + 7, 64);
    hex[64] = '\0';
    sha256(slice_of(b->p, body), sum);
    return hex_decode(hex, want, sizeof(want)) == ERR_OK &&
           memcmp(want, sum, sizeof(sum)) == 0;
}

static bool starts(struct slice line, const char *word)
{
    size_t n = strlen(word);
    return line.n > n && memcmp(line.p, word, n) == 0;
}

/* "SIZE ROOT ORIGIN" */
static bool read_head(const char *text, struct checkpoint *c)
{
    char hex[2 * HASH_BYTES + 1];
    return sscanf(text, "%" SCNu64 " %64s %127s", &c->size, hex, c->origin) ==
               3 &&
           hex_decode(hex, c->root.b, HASH_BYTES) == ERR_OK;
}

static bool take_note(struct slice *rest, struct slice *note)
{
    struct slice line;
    unsigned long n;
    if (!note_take_line(rest, &line) ||
        sscanf((const char *)line.p, "note %lu\n", &n) != 1 || n > rest->n)
        return false;
    *note = slice_of(rest->p, n);
    *rest = slice_of(rest->p + n, rest->n - n);
    return true;
}

static bool take_cosigned(struct memory *m, const char *line,
                          struct slice *rest)
{
    struct checkpoint c = {.size = 0};
    struct slice note;
    return m->heads < WITNESS_ORIGINS && read_head(line, &c) &&
           take_note(rest, &note) &&
           head_set(&m->head[m->heads++], &c, note) == ERR_OK;
}

static bool take_forked(struct memory *m, const char *line)
{
    char time[TIME_TEXT];
    return sscanf(line, "%29s %63s", time, m->evidence) == 2 &&
           time_parse(time, &m->forked_ms) == ERR_OK;
}

/* Lines are cut in place: the text is only read once. */
static bool read_line(struct memory *m, struct slice line, struct slice *rest)
{
    char *text = (char *)m->text.p + (line.p - m->text.p);
    text[line.n] = '\0';
    if (starts(line, "forked "))
        return take_forked(m, text + 7);
    if (starts(line, "cosigned "))
        return take_cosigned(m, text + 9, rest);
    if (!starts(line, "cleared ") || m->clears == WITNESS_CLEARED)
        return false;
    m->cleared[m->clears++] = text;
    return true;
}

static bool read_text(struct memory *m)
{
    struct slice line, rest = buf_slice(&m->text);
    if (!sum_right(&m->text) || !note_take_line(&rest, &line) ||
        !slice_eq(line, slice_str(HEADER)))
        return false;
    rest.n -= SUM_LINE;
    while (note_take_line(&rest, &line))
        if (!read_line(m, line, &rest))
            return false;
    return rest.n == 0;
}

static enum err load(const char *path, struct memory *m)
{
    memset(m, 0, sizeof(*m));
    enum err e = file_read(path, FILE_MAX, &m->text);
    if (e == ERR_NOT_FOUND)
        return ERR_OK;
    if (e == ERR_FILE_SIZE)
        m->damaged = true;
    else if (e == ERR_OK)
        m->damaged = !read_text(m);
    return e == ERR_FILE_SIZE ? ERR_OK : e;
}

static struct head *head_of(struct memory *m, const char *origin)
{
    for (size_t i = 0; i < m->heads; i++)
        if (strcmp(m->head[i].at.origin, origin) == 0)
            return &m->head[i];
    return NULL;
}

enum err witness_read(const char *path, const char *origin,
                      struct witness_state *s)
{
    struct memory m;
    memset(s, 0, sizeof(*s));
    enum err e = load(path, &m);
    const struct head *h = head_of(&m, origin);
    if (e == ERR_OK && h != NULL && !m.damaged)
        e = head_set(&s->cosigned, &h->at, buf_slice(&h->note));
    s->forked_ms = m.forked_ms;
    s->cleared = m.clears;
    s->damaged = m.damaged;
    memcpy(s->evidence, m.evidence, sizeof(s->evidence));
    memory_fini(&m);
    return e;
}

/* ---- writing ---- */

static void add_head(struct buf *b, const struct checkpoint *c)
{
    buf_addf(b, "%" PRIu64 " ", c->size);
    buf_add_hex(b, slice_of(c->root.b, HASH_BYTES));
    buf_addf(b, " %s", c->origin);
}

static void add_heads(struct buf *b, const struct memory *m)
{
    for (size_t i = 0; i < m->heads; i++) {
        const struct head *h = &m->head[i];
        buf_adds(b, "cosigned ");
        add_head(b, &h->at);
        buf_addf(b, "\nnote %zu\n", h->note.n);
        buf_add(b, h->note.p, h->note.n);
    }
}

static enum err save(const char *path, const struct memory *m)
{
    struct buf b = {0};
    uint8_t sum[32];
    char time[TIME_TEXT];
    buf_adds(&b, HEADER "\n");
    time_jst(m->forked_ms, time);
    if (m->forked_ms > 0)
        buf_addf(&b, "forked %s %s\n", time, m->evidence);
    for (size_t i = 0; i < m->clears; i++)
        buf_addf(&b, "%s\n", m->cleared[i]);
    add_heads(&b, m);
    sha256(buf_slice(&b), sum);
    buf_adds(&b, "sha256 ");
    buf_add_hex(&b, slice_of(sum, sizeof(sum)));
    buf_addc(&b, '\n');
    enum err e = b.failed ? ERR_NOMEM : file_replace(path, buf_slice(&b), 0600);
    buf_fini(&b);
    return e;
}

/* ---- changing: read, compare, replace, under one lock ---- */

static enum err lock(const char *path, int *fd)
{
    char name[PATH_MAX];
    if (snprintf(name, sizeof(name), "%s.lock", path) >= PATH_MAX)
        return ERR_IO;
    *fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (*fd < 0)
        return ERR_IO;
    while (flock(*fd, LOCK_EX) != 0)
        if (errno != EINTR)
            return ERR_IO;
    return ERR_OK;
}

typedef enum err change(struct memory *m, const void *ctx);

static enum err change_under_lock(const char *path, change *make,
                                  const void *ctx)
{
    struct memory m = {.heads = 0};
    int fd = -1;
    enum err e = lock(path, &fd);
    if (e == ERR_OK)
        e = load(path, &m);
    if (e == ERR_OK)
        e = make(&m, ctx);
    if (e == ERR_OK)
        e = save(path, &m);
    memory_fini(&m);
    if (fd >= 0)
        close(fd);
    return e;
}

struct advance {
    uint64_t old_size;
    const struct checkpoint *c;
    struct slice note;
};

/* The oldest epoch makes room; its notes are in the log that follows it. */
static struct head *head_for(struct memory *m, const char *origin)
{
    struct head *h = head_of(m, origin);
    if (h != NULL)
        return h;
    if (m->heads == WITNESS_ORIGINS) {
        head_fini(&m->head[0]);
        memmove(&m->head[0], &m->head[1],
                (WITNESS_ORIGINS - 1) * sizeof(m->head[0]));
        m->heads--;
    }
    h = &m->head[m->heads++];
    memset(h, 0, sizeof(*h));
    return h;
}

static enum err make_advance(struct memory *m, const void *ctx)
{
    const struct advance *a = ctx;
    if (m->damaged || m->forked_ms > 0)
        return ERR_DLV_FORK;
    struct head *h = head_of(m, a->c->origin);
    if ((h != NULL ? h->at.size : 0) != a->old_size)
        return ERR_CONFLICT;
    return head_set(head_for(m, a->c->origin), a->c, a->note);
}

enum err witness_advance(const char *path, uint64_t old_size,
                         const struct checkpoint *c, struct slice note)
{
    const struct advance a = {old_size, c, note};
    return change_under_lock(path, make_advance, &a);
}

struct forked {
    uint64_t now_ms;
    const char *evidence;
};

static enum err make_forked(struct memory *m, const void *ctx)
{
    const struct forked *f = ctx;
    if (m->damaged || m->forked_ms > 0)
        return ERR_CONFLICT;
    m->forked_ms = f->now_ms;
    snprintf(m->evidence, sizeof(m->evidence), "%s", f->evidence);
    return ERR_OK;
}

enum err witness_set_forked(const char *path, uint64_t now_ms,
                            const char *evidence)
{
    const struct forked f = {now_ms, evidence};
    enum err e = change_under_lock(path, make_forked, &f);
    return e == ERR_CONFLICT ? ERR_OK : e;
}

struct clear {
    const char *path, *origin;
    struct buf line;
};

static enum err put_aside(const char *path)
{
    char aside[PATH_MAX];
    if (snprintf(aside, sizeof(aside), "%s.damaged", path) >= PATH_MAX)
        return ERR_IO;
    log_warn("witness: the state could not be read, it is put aside");
    return rename(path, aside) == 0 ? ERR_OK : ERR_IO;
}

static void forget_head(struct memory *m, struct head *h)
{
    head_fini(h);
    size_t at = (size_t)(h - m->head);
    memmove(h, h + 1, (m->heads - at - 1) * sizeof(*h));
    m->heads--;
}

static enum err make_clear(struct memory *m, const void *ctx)
{
    const struct clear *c = ctx;
    if (m->damaged) {
        enum err e = put_aside(c->path);
        if (e != ERR_OK)
            return e;
        memory_fini(m);
        memset(m, 0, sizeof(*m));
    }
    struct head *h = head_of(m, c->origin);
    if (h != NULL)
        forget_head(m, h);
    m->forked_ms = 0;
    if (m->clears == WITNESS_CLEARED) {
        memmove(&m->cleared[0], &m->cleared[1],
                (WITNESS_CLEARED - 1) * sizeof(m->cleared[0]));
        m->clears--;
    }
    m->cleared[m->clears++] = (char *)c->line.p;
    return ERR_OK;
}

static bool reason_ok(const char *reason)
{
    size_t n = strlen(reason);
    if (n == 0 || n > WITNESS_REASON ||
        text_check_utf8(slice_str(reason)) != ERR_OK)
        return false;
    for (size_t i = 0; i < n; i++)
        if ((uint8_t)reason[i] < 0x20 || reason[i] == 0x7f)
            return false;
    return true;
}

enum err witness_clear(const char *path, const char *origin, const char *reason,
                       uint64_t now_ms)
{
    struct witness_state was;
    struct clear c = {.path = path, .origin = origin};
    char time[TIME_TEXT];
    if (!reason_ok(reason))
        return ERR_USAGE;
    enum err e = witness_read(path, origin, &was);
    if (e != ERR_OK)
        return e;
    memcpy(was.cosigned.at.origin, origin, strlen(origin) + 1);
    time_jst(now_ms, time);
    buf_addf(&c.line, "cleared %s ", time);
    add_head(&c.line, &was.cosigned.at);
    buf_addf(&c.line, " %s", reason);
    e = c.line.failed ? ERR_NOMEM : change_under_lock(path, make_clear, &c);
    buf_fini(&c.line);
    witness_state_fini(&was);
    return e;
}
