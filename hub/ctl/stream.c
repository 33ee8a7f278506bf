/* stream.c - `tsunagi send --stream`: a line of stdin is an event, and has its
 * ACK or NACK line once its durable answer is there, in whatever order answers
 * come. Through the running adapter, or in a session of our own. */
#include "hub/ctl/ctl.h"
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct stream {
    size_t open, refused;
};

static void stream_receipt(void *ctx, const struct tsunagi_receipt *r,
                           uint64_t leaf)
{
    struct stream *s = ctx;
    if (s->open > 0)
        s->open--;
    s->refused += !r->accepted;
    if (r->accepted)
        printf("ACK %s %" PRIu64 "\n", r->event_id, leaf);
    else
        printf("NACK %s %s\n", r->event_id, r->code != NULL ? r->code : "");
    fflush(stdout);
}

#define STREAM_WINDOW 256
#define STREAM_LOOK_MS 20 /* how long answers keep us from looking at stdin */

/* Lines of stdin, read without ever waiting for the next one while answers
 * are due: whoever writes one line and waits for its answer gets it. */
struct lines {
    struct buf text;
    size_t at;
    bool ended;
};

/* The next whole line with its newline made NUL; NULL when none is there. It
 * stays valid until the next call. */
static char *next_line(struct lines *l)
{
    char *from = l->text.p != NULL ? (char *)l->text.p + l->at : NULL;
    size_t left = l->text.n - l->at;
    char *end = left > 0 ? memchr(from, '\n', left) : NULL;
    if (end == NULL && l->ended && left > 0) {
        l->at = l->text.n;
        return from; /* buf keeps a NUL behind its end */
    }
    if (end == NULL)
        return NULL;
    *end = '\0';
    l->at = (size_t)(end + 1 - (char *)l->text.p);
    return from;
}

/* Reads what stdin has; wait_ms -1 waits for something. */
static void read_lines(struct lines *l, int wait_ms)
{
    struct pollfd fd = {STDIN_FILENO, POLLIN, 0};
    char part[16384];
    struct buf rest = {0};
    if (l->ended || poll(&fd, 1, wait_ms) <= 0)
        return;
    ssize_t n = read(STDIN_FILENO, part, sizeof(part));
    buf_add(&rest, l->text.p + l->at, l->text.n - l->at);
    if (n > 0)
        buf_add(&rest, part, (size_t)n);
    l->ended = n <= 0 || rest.failed || rest.n > 2 * EVENT_MAX;
    buf_fini(&l->text);
    *l = (struct lines){rest, 0, l->ended};
}

/* In a session of our own: no adapter of this node is running. */
static enum err own_line(struct node_session *s, struct stream *st, char *line)
{
    char id[37] = "";
    enum err bad = node_submit(s, slice_str(line), true, id, NULL);
    if (bad == ERR_STORE || bad == ERR_NOMEM)
        return bad;
    if (bad == ERR_OK) {
        st->open++;
        return ERR_OK;
    }
    printf("NACK %s %s\n", id[0] != '\0' ? id : "-", err_code(bad));
    fflush(stdout);
    st->refused++;
    return ERR_OK;
}

static int stream_end(struct ctl *c, const char *path, enum err e,
                      const struct stream *st)
{
    if (e != ERR_OK)
        return fail(c, e, path);
    if (st->open > 0)
        return EXIT_UNREACHABLE;
    return st->refused > 0 ? EXIT_PARTLY : EXIT_DONE;
}

static int stream_own(struct ctl *c, const char *path)
{
    struct node_session *s = NULL;
    struct stream st = {0};
    struct lines in = {0};
    long long waited = 0;
    enum err e = node_open(path, NODE_ONLINE, stderr, &s);
    if (e != ERR_OK)
        return fail(c, e, path);
    node_on_receipt(s, stream_receipt, &st);
    while (e == ERR_OK &&
           (!in.ended || (st.open > 0 && waited < c->timeout_ms))) {
        char *line;
        read_lines(&in, 0);
        while (e == ERR_OK && st.open < STREAM_WINDOW &&
               (line = next_line(&in)) != NULL)
            e = own_line(s, &st, line);
        waited += in.ended ? STREAM_LOOK_MS : 0;
        if (e == ERR_OK)
            e = node_turn(s, STREAM_LOOK_MS);
    }
    buf_fini(&in.text);
    node_close(&s);
    return stream_end(c, path, e, &st);
}

static void print_stream_answer(const struct node_answer *a, struct stream *s)
{
    const char *id = text_of(a->json, "event_id");
    const char *code = text_of(a->json, "code");
    if (a->code != ERR_OK)
        code = err_code(a->code);
    s->open--;
    if (code[0] == '\0' || strcmp(code, err_code(ERR_FLOW_LATE)) == 0) {
        printf("ACK %s %" JSON_INTEGER_FORMAT "\n", id,
               json_integer_value(json_object_get(a->json, "leaf_index")));
    } else {
        printf("NACK %s %s\n", id[0] != '\0' ? id : "-", code);
        s->refused++;
    }
    fflush(stdout);
}

/* Asks for every line there is room for. */
static enum err ask_lines(struct node_client *nc, struct stream *st,
                          struct lines *in, const char *timeout)
{
    enum err e = ERR_OK;
    char *line;
    while (e == ERR_OK && st->open < STREAM_WINDOW &&
           (line = next_line(in)) != NULL) {
        struct node_arg args[] = {{"json", line}, {"timeout_ms", timeout}};
        e = node_client_ask(nc, "send", args, NELEM(args));
        st->open += e == ERR_OK;
    }
    return e;
}

/* Takes answers until none comes within wait_ms. */
static enum err take_answers(struct node_client *nc, struct stream *st,
                             int wait_ms)
{
    enum err e = ERR_OK;
    for (; st->open > 0 && e == ERR_OK; wait_ms = 0) {
        struct node_answer a = {0};
        e = node_client_answer(nc, wait_ms, &a);
        if (e == ERR_OK)
            print_stream_answer(&a, st);
        node_answer_fini(&a);
    }
    return e;
}

/* Through the running adapter. */
static int stream_through(struct ctl *c, const char *path)
{
    struct node_client *nc = NULL;
    struct stream st = {0};
    struct lines in = {0};
    char timeout[24];
    long long silent = 0;
    snprintf(timeout, sizeof(timeout), "%lld", c->timeout_ms);
    enum err e = node_client_open(path, stderr, &nc);
    while (e == ERR_OK && (!in.ended || in.at < in.text.n || st.open > 0)) {
        if (st.open < STREAM_WINDOW)
            read_lines(&in, st.open == 0 && in.at == in.text.n ? -1 : 0);
        e = ask_lines(nc, &st, &in, timeout);
        size_t before = st.open;
        if (e == ERR_OK)
            e = take_answers(nc, &st, STREAM_LOOK_MS);
        silent = st.open < before ? 0 : silent + STREAM_LOOK_MS;
        if (e == ERR_UNREACHABLE && silent < c->timeout_ms + 1000)
            e = ERR_OK;
    }
    buf_fini(&in.text);
    node_client_close(&nc);
    return stream_end(c, path, e, &st);
}

int send_stream(struct ctl *c)
{
    char path[4096];
    int code = node_config(c, path, sizeof(path));
    if (code != EXIT_DONE)
        return code;
    return node_is_running(path) ? stream_through(c, path)
                                 : stream_own(c, path);
}
