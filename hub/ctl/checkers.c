/* checkers.c - a pipe to each child, and one back.
 *
 * A child reads records until its pipe ends, then writes how many it checked
 * and the leaves that failed; so nobody waits for anybody in a circle. The
 * count comes back because a child that died must not look like a child that
 * found nothing. A child leaves with _exit: it owns nothing of the parent. */
#include "hub/ctl/checkers.h"
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHILDREN_MAX 16
#define TOLD_MAX 1000 /* failures a child names; they fit into a pipe */
#define TOGETHER 64   /* records handed over at once */

struct child {
    pid_t pid;
    int to, from;
    uint64_t given;
};
struct verdicts {
    uint64_t checked, n, leaf[TOLD_MAX];
};
struct checkers {
    struct child child[CHILDREN_MAX];
    size_t n, turn, waiting;
    struct check batch[TOGETHER];
};

/* ---- in the child ---- */

static bool read_all(int fd, void *to, size_t n)
{
    for (size_t at = 0; at < n;) {
        ssize_t got = read(fd, (char *)to + at, n - at);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        at += (size_t)got;
    }
    return true;
}

static bool write_all(int fd, const void *from, size_t n)
{
    for (size_t at = 0; at < n;) {
        ssize_t put = write(fd, (const char *)from + at, n - at);
        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            return false;
        at += (size_t)put;
    }
    return true;
}

static void work(int from, int to)
{
    struct verdicts *v = calloc(1, sizeof(*v));
    struct check c;
    while (v != NULL && read_all(from, &c, sizeof(c))) {
        v->checked++;
        if (c.n <= sizeof(c.text) &&
            sign_check((enum sign_what)c.what, slice_of(c.text, c.n),
                       slice_of(c.signature, sizeof(c.signature)),
                       c.key) == ERR_OK)
            continue;
        if (v->n < TOLD_MAX)
            v->leaf[v->n++] = c.leaf;
    }
    _exit(v != NULL && write_all(to, v, sizeof(*v)) ? 0 : 1);
}

/* ---- in the parent ---- */

static void close_pipe(int fd[2])
{
    close(fd[0]);
    close(fd[1]);
}

/* A child keeps no end of its elder siblings' pipes: they end when we say. */
static enum err start(struct checkers *c)
{
    int there[2], back[2];
    struct child *k = &c->child[c->n];
    if (pipe(there) != 0)
        return ERR_IO;
    if (pipe(back) != 0) {
        close_pipe(there);
        return ERR_IO;
    }
    k->pid = fork();
    if (k->pid == 0) {
        for (size_t i = 0; i < c->n; i++) {
            close(c->child[i].to);
            close(c->child[i].from);
        }
        close(there[1]);
        close(back[0]);
        work(there[0], back[1]);
    }
    close(there[0]);
    close(back[1]);
    k->to = there[1];
    k->from = back[0];
    if (k->pid > 0) {
        c->n++;
        return ERR_OK;
    }
    close(k->to);
    close(k->from);
    return ERR_IO;
}

enum err checkers_open(struct checkers **out)
{
    struct checkers *c = calloc(1, sizeof(*c));
    long want = sysconf(_SC_NPROCESSORS_ONLN);
    enum err e = c == NULL ? ERR_NOMEM : ERR_OK;
    *out = NULL;
    for (long i = 0;
         e == ERR_OK && i < CHILDREN_MAX && i < (want > 0 ? want : 1); i++)
        e = start(c);
    if (e != ERR_OK) { /* those that began are ended */
        enum err ended = checkers_close(&c, NULL, NULL);
        return ended == ERR_NOMEM ? ended : e;
    }
    *out = c;
    return ERR_OK;
}

/* SIGPIPE would end us without a word when a child has died. */
static enum err hand_over(struct checkers *c)
{
    struct child *k = &c->child[c->turn++ % c->n];
    struct sigaction ignore = {.sa_handler = SIG_IGN}, before;
    sigaction(SIGPIPE, &ignore, &before);
    bool done = write_all(k->to, c->batch, c->waiting * sizeof(c->batch[0]));
    sigaction(SIGPIPE, &before, NULL);
    k->given += c->waiting;
    c->waiting = 0;
    return done ? ERR_OK : ERR_IO;
}

enum err checkers_add(struct checkers *c, const struct check *check)
{
    c->batch[c->waiting++] = *check;
    return c->waiting == TOGETHER ? hand_over(c) : ERR_OK;
}

static bool collect(struct child *k, struct verdicts *v)
{
    int status = 0;
    bool told = read_all(k->from, v, sizeof(*v));
    close(k->from);
    while (waitpid(k->pid, &status, 0) < 0 && errno == EINTR)
        ;
    return told && v->checked == k->given && v->n <= TOLD_MAX;
}

static int by_number(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;
    return *x < *y ? -1 : *x > *y;
}

enum err checkers_close(struct checkers **pc,
                        void (*bad)(void *ctx, uint64_t leaf), void *ctx)
{
    struct checkers *c = *pc;
    if (c == NULL)
        return ERR_OK;
    enum err e = c->waiting > 0 ? hand_over(c) : ERR_OK;
    uint64_t *all = calloc(c->n + 1, TOLD_MAX * sizeof(*all));
    struct verdicts *v = calloc(1, sizeof(*v));
    size_t n = 0;
    if (all == NULL || v == NULL)
        e = ERR_NOMEM;
    for (size_t i = 0; i < c->n; i++)
        close(c->child[i].to);
    for (size_t i = 0; i < c->n; i++) {
        struct verdicts none;
        bool whole = collect(&c->child[i], v != NULL ? v : &none);
        e = whole || e != ERR_OK ? e : ERR_IO;
        for (size_t j = 0; whole && e == ERR_OK && j < v->n; j++)
            all[n++] = v->leaf[j];
    }
    if (n > 0)
        qsort(all, n, sizeof(*all), by_number);
    for (size_t i = 0; i < n && bad != NULL; i++)
        bad(ctx, all[i]);
    free(all);
    free(v);
    free(c);
    *pc = NULL;
    return e;
}
