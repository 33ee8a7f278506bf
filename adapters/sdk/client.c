/* client.c - asking the running adapter over its local socket, or doing the
 * work in a session of one's own when there is none. ZeroMQ connects to
 * nothing just as gladly as to something, so whether anyone is there is found
 * out with a plain connect first. */
#include "adapters/sdk/ops.h"
#include "proto/base/clock.h"
#include "proto/wire/frame.h"
#include "proto/wire/json.h"
#include "proto/wire/unpack.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define GRACE_MS 5000 /* for the adapter to answer after the hub did not */
#define OWNER_TRIES 20
#define OWNER_WAIT_MS 100

struct node_client {
    void *context, *socket;
};

static bool answers(const char *path)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    if (path == NULL || strlen(path) >= sizeof(a.sun_path))
        return false;
    memcpy(a.sun_path, path, strlen(path) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool ok =
        fd >= 0 && connect(fd, (const struct sockaddr *)&a, sizeof(a)) == 0;
    if (fd >= 0)
        close(fd);
    return ok;
}

bool node_is_running(const char *config_path)
{
    struct settings s;
    if (settings_load(config_path, &s, NULL) != ERR_OK)
        return false;
    bool ok = answers(s.socket);
    settings_fini(&s);
    return ok;
}

static enum err connect_to(struct node_client *c, const char *path)
{
    char endpoint[128];
    int zero = 0;
    if (!answers(path))
        return ERR_UNREACHABLE;
    snprintf(endpoint, sizeof(endpoint), "ipc://%s", path);
    c->context = zmq_ctx_new();
    c->socket = c->context != NULL ? zmq_socket(c->context, ZMQ_DEALER) : NULL;
    if (c->socket == NULL)
        return ERR_NOMEM;
    zmq_setsockopt(c->socket, ZMQ_LINGER, &zero, sizeof(zero));
    zmq_setsockopt(c->socket, ZMQ_SNDHWM, &zero, sizeof(zero));
    zmq_setsockopt(c->socket, ZMQ_RCVHWM, &zero, sizeof(zero));
    return zmq_connect(c->socket, endpoint) == 0 ? ERR_OK : ERR_IO;
}

enum err node_client_open(const char *config_path, FILE *complaints,
                          struct node_client **out)
{
    struct settings s;
    *out = NULL;
    enum err e = settings_load(config_path, &s, complaints);
    if (e != ERR_OK)
        return e;
    struct node_client *c = calloc(1, sizeof(*c));
    e = c != NULL ? connect_to(c, s.socket) : ERR_NOMEM;
    settings_fini(&s);
    if (e != ERR_OK)
        node_client_close(&c);
    *out = c;
    return e;
}

void node_client_close(struct node_client **cp)
{
    struct node_client *c = *cp;
    if (c == NULL)
        return;
    if (c->socket != NULL)
        zmq_close(c->socket);
    if (c->context != NULL)
        zmq_ctx_term(c->context);
    free(c);
    *cp = NULL;
}

enum err node_client_ask(struct node_client *c, const char *what,
                         const struct node_arg *args, size_t n)
{
    Pb__AskArgument arg[OP_ARGS_MAX], *ptrs[OP_ARGS_MAX];
    Pb__Ask ask;
    struct buf b = {0};
    if (n > OP_ARGS_MAX)
        return ERR_USAGE;
    op_ask(what, args, n, arg, ptrs, &ask);
    enum err e = pack(&ask.base, &b);
    if (e == ERR_OK)
        e = frame_send(c->socket, NULL, VERB_ASK, buf_slice(&b));
    buf_fini(&b);
    return e;
}

static enum err read_answer(struct node_client *c, struct node_answer *a)
{
    struct frame f;
    ProtobufCMessage *m = NULL;
    enum err e = frame_recv(c->socket, false, &f);
    if (e == ERR_OK)
        e = unpack(&pb__answer__descriptor, f.body, &m);
    if (e == ERR_OK)
        e = op_hub_answer(ERR_OK, (Pb__Answer *)m, a);
    unpack_free(&m);
    frame_close(&f);
    return e;
}

enum err node_client_answer(struct node_client *c, int wait_ms,
                            struct node_answer *a)
{
    zmq_pollitem_t item = {c->socket, -1, ZMQ_POLLIN, 0};
    memset(a, 0, sizeof(*a));
    if (zmq_poll(&item, 1, wait_ms) <= 0)
        return ERR_UNREACHABLE;
    return read_answer(c, a);
}

static enum err through_adapter(const char *config_path, const char *what,
                                const struct node_arg *args, size_t n,
                                struct node_answer *a)
{
    struct node_client *c;
    uint64_t timeout = op_number(args, n, "timeout_ms", OP_TIMEOUT_MS);
    enum err e = node_client_open(config_path, NULL, &c);
    if (e == ERR_OK)
        e = node_client_ask(c, what, args, n);
    if (e == ERR_OK)
        e = node_client_answer(c, (int)(timeout + GRACE_MS), a);
    node_client_close(&c);
    return e;
}

static bool needs_hub(const char *what)
{
    return strcmp(what, "send") == 0 || strcmp(what, "show") == 0 ||
           strcmp(what, "inbox") == 0 || strcmp(what, "preview") == 0 ||
           strcmp(what, "report") == 0 || strncmp(what, "hub:", 4) == 0;
}

static enum err in_process(const char *config_path, const char *what,
                           const struct node_arg *args, size_t n,
                           FILE *complaints, struct node_answer *a)
{
    struct node_session *s = NULL;
    enum err e =
        node_open(config_path, needs_hub(what) ? NODE_ONLINE : NODE_OFFLINE,
                  complaints, &s);
    if (e == ERR_OK)
        e = node_do(s, what, args, n, a);
    node_close(&s);
    return e;
}

/* An adapter that is just starting or ending owns the spool but does not
 * answer yet: that is waited for, briefly. */
enum err node_request(const char *config_path, const char *what,
                      const struct node_arg *args, size_t n, FILE *complaints,
                      struct node_answer *a)
{
    const struct timespec wait = {0, OWNER_WAIT_MS * 1000000L};
    enum err e = ERR_CONFLICT;
    memset(a, 0, sizeof(*a));
    for (int i = 0; i < OWNER_TRIES && e == ERR_CONFLICT; i++) {
        if (i > 0)
            nanosleep(&wait, NULL);
        e = node_is_running(config_path)
                ? through_adapter(config_path, what, args, n, a)
                : in_process(config_path, what, args, n,
                             i == 0 ? complaints : NULL, a);
    }
    return e;
}
