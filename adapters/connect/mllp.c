/* mllp.c - Minimal Lower Layer Protocol, server side.
 *
 * Hospital systems open one connection and send message after message, each
 * waiting for its answer, or open one per message. The answer is our promise
 * that the event is on disk, so the reader is called before anything is
 * written back. Sockets never block: an answer that does not fit the socket's
 * buffer is kept and written on the next tick, and until it is gone that
 * connection is not read. Watching is level-triggered by the host. */
#include "adapters/connect/mllp.h"
#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CONNECTIONS 16
#define VT 0x0b
#define FS 0x1c
#define CR 0x0d
#define LF 0x0a

/* ---- the frame ----------------------------------------------------------- */
enum frame_state { OUTSIDE, INSIDE, AFTER_FS };

struct mllp_frame {
    enum frame_state state;
    uint8_t *bytes;
    size_t n, room;
};

struct mllp_frame *mllp_frame_new(void)
{
    return calloc(1, sizeof(struct mllp_frame));
}

void mllp_frame_free(struct mllp_frame **fp)
{
    struct mllp_frame *f = *fp;
    *fp = NULL;
    if (f == NULL)
        return;
    free(f->bytes);
    free(f);
}

bool mllp_frame_idle(const struct mllp_frame *f)
{
    return f->state == OUTSIDE;
}

static tsunagi_code frame_add(struct mllp_frame *f, uint8_t byte)
{
    if (f->n == MLLP_MESSAGE_MAX)
        return "E-MLP-002";
    if (f->n == f->room) {
        size_t room = f->room == 0 ? 4096 : f->room * 2;
        uint8_t *grown = realloc(f->bytes, room);
        if (grown == NULL)
            return "E-INT-002";
        f->bytes = grown;
        f->room = room;
    }
    f->bytes[f->n++] = byte;
    return NULL;
}

static tsunagi_code frame_byte(struct mllp_frame *f, uint8_t byte, bool *whole)
{
    *whole = false;
    switch (f->state) {
    case OUTSIDE:
        if (byte == CR || byte == LF)
            return NULL;
        if (byte != VT)
            return "E-MLP-001";
        f->n = 0;
        f->state = INSIDE;
        return NULL;
    case INSIDE:
        if (byte == VT)
            return "E-MLP-001";
        if (byte != FS)
            return frame_add(f, byte);
        f->state = AFTER_FS;
        return NULL;
    case AFTER_FS:
        if (byte != CR)
            return "E-MLP-001";
        f->state = OUTSIDE;
        *whole = true;
        return NULL;
    }
    return "E-INT-001";
}

tsunagi_code
mllp_frame_feed(struct mllp_frame *f, const uint8_t *p, size_t n,
                void (*got)(void *self, const uint8_t *p, size_t n), void *self)
{
    for (size_t i = 0; i < n; i++) {
        bool whole;
        tsunagi_code code = frame_byte(f, p[i], &whole);
        if (code != NULL)
            return code;
        if (whole)
            got(self, f->bytes, f->n);
    }
    return NULL;
}

/* ---- the server ---------------------------------------------------------- */
struct link {
    int fd; /* -1: free */
    struct mllp_frame *frame;
    uint8_t *out;
    size_t out_n, out_at;
    time_t last;
    bool ending;  /* close once the answers are out */
    bool watched; /* not while an answer waits: reading would go on */
};

struct mllp {
    struct tsunagi_host *host;
    int listener;
    unsigned idle_s;
    void (*ready)(void *self, int fd);
    mllp_reader *read;
    void *self;
    struct link link[CONNECTIONS];
};

struct turn {
    struct mllp *m;
    struct link *l;
};

static time_t now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec;
}

static void hang_up(struct mllp *m, struct link *l)
{
    if (l->fd < 0)
        return;
    if (l->watched)
        tsunagi_unwatch(m->host, l->fd);
    close(l->fd);
    mllp_frame_free(&l->frame);
    free(l->out);
    *l = (struct link){.fd = -1};
}

static bool queue(struct link *l, const uint8_t *p, size_t n)
{
    uint8_t *grown = realloc(l->out, l->out_n + n + 3);
    if (grown == NULL)
        return false;
    l->out = grown;
    l->out[l->out_n++] = VT;
    memcpy(l->out + l->out_n, p, n);
    l->out_n += n;
    l->out[l->out_n++] = FS;
    l->out[l->out_n++] = CR;
    return true;
}

/* False when the connection is gone. */
static bool flush_out(struct link *l)
{
    while (l->out_at < l->out_n) {
        ssize_t n = send(l->fd, l->out + l->out_at, l->out_n - l->out_at,
                         MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0)
            return errno == EAGAIN || errno == EINTR;
        l->out_at += (size_t)n;
    }
    free(l->out);
    l->out = NULL;
    l->out_n = l->out_at = 0;
    return true;
}

/* Writes, then reads on, waits or ends as the answers allow. */
static void settle(struct mllp *m, struct link *l)
{
    bool alive = flush_out(l);
    bool waiting = l->out_n > 0;
    if (!alive || (l->ending && !waiting)) {
        hang_up(m, l);
        return;
    }
    if (waiting && l->watched)
        tsunagi_unwatch(m->host, l->fd);
    if (!waiting && !l->watched &&
        tsunagi_watch(m->host, l->fd, m->ready) != 0) {
        hang_up(m, l);
        return;
    }
    l->watched = !waiting;
}

static void on_message(void *self, const uint8_t *p, size_t n)
{
    const struct turn *t = self;
    size_t answer_n = 0;
    if (t->l->ending)
        return;
    uint8_t *answer = t->m->read(t->m->self, p, n, &answer_n);
    if (answer == NULL || !queue(t->l, answer, answer_n))
        t->l->ending = true;
    free(answer);
}

static void on_bytes(struct mllp *m, struct link *l)
{
    uint8_t bytes[16384];
    struct turn turn = {m, l};
    ssize_t n = recv(l->fd, bytes, sizeof(bytes), MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        if (n < 0 || !mllp_frame_idle(l->frame))
            tsunagi_log(m->host, "mllp: connection lost inside a message");
        hang_up(m, l);
        return;
    }
    l->last = now_s();
    tsunagi_code code =
        mllp_frame_feed(l->frame, bytes, (size_t)n, on_message, &turn);
    if (code != NULL) {
        tsunagi_log(m->host, "mllp: connection closed code=%s", code);
        l->ending = true;
    }
    settle(m, l);
}

static struct link *free_link(struct mllp *m)
{
    for (size_t i = 0; i < CONNECTIONS; i++)
        if (m->link[i].fd < 0)
            return &m->link[i];
    return NULL;
}

static void on_connect(struct mllp *m)
{
    int fd = accept4(m->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0)
        return;
    struct link *l = free_link(m);
    struct mllp_frame *frame = l == NULL ? NULL : mllp_frame_new();
    if (frame == NULL || tsunagi_watch(m->host, fd, m->ready) != 0) {
        tsunagi_log(m->host, "mllp: connection refused, too many");
        mllp_frame_free(&frame);
        close(fd);
        return;
    }
    *l = (struct link){
        .fd = fd, .frame = frame, .last = now_s(), .watched = true};
}

void mllp_ready(struct mllp *m, int fd)
{
    if (fd == m->listener) {
        on_connect(m);
        return;
    }
    for (size_t i = 0; i < CONNECTIONS; i++)
        if (m->link[i].fd == fd) {
            on_bytes(m, &m->link[i]);
            return;
        }
}

void mllp_tick(struct mllp *m)
{
    time_t now = now_s();
    for (size_t i = 0; i < CONNECTIONS; i++) {
        struct link *l = &m->link[i];
        if (l->fd >= 0 && now - l->last > (time_t)m->idle_s)
            hang_up(m, l);
        else if (l->fd >= 0)
            settle(m, l);
    }
}

/* "127.0.0.1:2575" or "[::1]:2575" */
static struct addrinfo *resolve(const char *address)
{
    char host[64] = "";
    const char *colon = strrchr(address, ':');
    struct addrinfo *found = NULL;
    struct addrinfo want = {.ai_socktype = SOCK_STREAM,
                            .ai_flags =
                                AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE};
    size_t n = colon == NULL ? 0 : (size_t)(colon - address);
    if (n == 0 || n >= sizeof(host))
        return NULL;
    bool bracket = address[0] == '[' && n > 2 && address[n - 1] == ']';
    snprintf(host, sizeof(host), "%.*s", (int)(bracket ? n - 2 : n),
             address + (bracket ? 1 : 0));
    return getaddrinfo(host, colon + 1, &want, &found) == 0 ? found : NULL;
}

static tsunagi_code listen_on(struct mllp *m, const char *address)
{
    struct addrinfo *a = resolve(address);
    if (a == NULL)
        return "E-CFG-016";
    int one = 1;
    int fd =
        socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    bool ok =
        fd >= 0 &&
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) == 0 &&
        bind(fd, a->ai_addr, a->ai_addrlen) == 0 && listen(fd, 16) == 0 &&
        tsunagi_watch(m->host, fd, m->ready) == 0;
    freeaddrinfo(a);
    if (!ok && fd >= 0)
        close(fd);
    m->listener = ok ? fd : -1;
    return ok ? NULL : "E-IO-001";
}

tsunagi_code mllp_open(struct tsunagi_host *h, const char *address,
                       unsigned idle_s, void (*ready)(void *self, int fd),
                       mllp_reader *read, void *self, struct mllp **out)
{
    assert(h != NULL && address != NULL && ready != NULL && read != NULL);
    *out = NULL;
    struct mllp *m = calloc(1, sizeof(*m));
    if (m == NULL)
        return "E-INT-002";
    m->host = h;
    m->idle_s = idle_s;
    m->ready = ready;
    m->read = read;
    m->self = self;
    m->listener = -1;
    for (size_t i = 0; i < CONNECTIONS; i++)
        m->link[i].fd = -1;
    tsunagi_code code = listen_on(m, address);
    if (code != NULL)
        mllp_close(&m);
    *out = m;
    return code;
}

unsigned mllp_port(const struct mllp *m)
{
    struct sockaddr_storage a;
    socklen_t n = sizeof(a);
    char port[8] = "";
    if (getsockname(m->listener, (struct sockaddr *)&a, &n) != 0 ||
        getnameinfo((struct sockaddr *)&a, n, NULL, 0, port, sizeof(port),
                    NI_NUMERICSERV) != 0)
        return 0;
    return (unsigned)strtoul(port, NULL, 10);
}

void mllp_close(struct mllp **mp)
{
    struct mllp *m = *mp;
    *mp = NULL;
    if (m == NULL)
        return;
    for (size_t i = 0; i < CONNECTIONS; i++)
        hang_up(m, &m->link[i]);
    if (m->listener >= 0) {
        tsunagi_unwatch(m->host, m->listener);
        close(m->listener);
    }
    free(m);
}
