/* frame_test.c - frames and verbs on real sockets. */
#include "proto/wire/frame.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#include <cmocka.h>

static void check(bool ok, const char *name)
{
    if (!ok)
        fail_msg("%s", name);
}

/* ---- without a socket ---- */

static char big[FRAME_MAX + 2];

#define S(text)                                                                \
    {                                                                          \
        (const uint8_t *)(text), sizeof(text) - 1                              \
    }
#define BIG(extra)                                                             \
    {                                                                          \
        (const uint8_t *)big, FRAME_MAX + (extra)                              \
    }
static const struct {
    const char *name;
    struct slice frames[4];
    size_t n;
    enum err want;
    enum verb verb;
} SHAPES[] = {
    /* clang-format off */
    {"W-100 version, verb, body", {S("TSN1"), S("SEND"), S("x")}, 3, ERR_OK, VERB_SEND},
    {"W-100 an empty body is a body", {S("TSN1"), S("PING"), S("")}, 3, ERR_OK, VERB_PING},
    {"W-100 no frames", {S("")}, 0, ERR_FRAME_SHAPE, VERB_NONE},
    {"W-100 body missing", {S("TSN1"), S("SEND")}, 2, ERR_FRAME_SHAPE, VERB_NONE},
    {"W-100 a fourth frame", {S("TSN1"), S("SEND"), S(""), S("")}, 4, ERR_FRAME_SHAPE, VERB_NONE},
    {"W-101 another version", {S("TSN2"), S("SEND"), S("x")}, 3, ERR_FRAME_VERSION, VERB_NONE},
    {"W-101 another version of another shape", {S("TSN2")}, 1, ERR_FRAME_VERSION, VERB_NONE},
    {"W-101 a longer version", {S("TSN1 "), S("SEND"), S("x")}, 3, ERR_FRAME_VERSION, VERB_NONE},
    {"W-101 an empty version", {S(""), S("SEND"), S("x")}, 3, ERR_FRAME_VERSION, VERB_NONE},
    {"W-102 unknown verb", {S("TSN1"), S("SING"), S("x")}, 3, ERR_FRAME_VERB, VERB_NONE},
    {"W-102 lower case is another verb", {S("TSN1"), S("send"), S("x")}, 3, ERR_FRAME_VERB, VERB_NONE},
    {"W-102 the empty verb", {S("TSN1"), S(""), S("x")}, 3, ERR_FRAME_VERB, VERB_NONE},
    {"W-102 a verb with NUL", {S("TSN1"), S("SEND\0"), S("x")}, 3, ERR_FRAME_VERB, VERB_NONE},
    {"W-103 the largest body", {S("TSN1"), S("SEND"), BIG(0)}, 3, ERR_OK, VERB_SEND},
    {"W-103 one byte more", {S("TSN1"), S("SEND"), BIG(1)}, 3, ERR_FRAME_SIZE, VERB_NONE},
}; /* clang-format on */

static void frames_are_checked_by_the_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < NELEM(SHAPES); i++) {
        enum verb v = VERB_ERROR;
        struct slice body = slice_of("stale", 5);
        enum err e = frame_check(SHAPES[i].frames, SHAPES[i].n, &v, &body);
        check(e == SHAPES[i].want && v == SHAPES[i].verb, SHAPES[i].name);
        check(slice_eq(body, e == ERR_OK ? SHAPES[i].frames[2] : SLICE_NONE),
              SHAPES[i].name);
    }
}

static void every_verb_has_its_own_name(void **state)
{
    (void)state;
    for (size_t i = VERB_NONE + 1; i < VERB_COUNT; i++) {
        const char *name = verb_name((enum verb)i);
        struct slice f[3] = {slice_str(FRAME_VERSION), slice_str(name),
                             SLICE_NONE};
        enum verb v;
        struct slice body;
        check(frame_check(f, 3, &v, &body) == ERR_OK && v == (enum verb)i,
              name);
    }
    assert_string_equal(verb_name(VERB_NONE), "");
    assert_string_equal(verb_name(VERB_COUNT), "");
}

/* ---- on sockets ---- */

struct line {
    void *ctx, *router, *dealer;
};

static int set_up(void **state)
{
    struct line *l = calloc(1, sizeof(*l));
    int on = 1, off = 0;
    l->ctx = zmq_ctx_new();
    l->router = zmq_socket(l->ctx, ZMQ_ROUTER);
    l->dealer = zmq_socket(l->ctx, ZMQ_DEALER);
    zmq_setsockopt(l->router, ZMQ_ROUTER_MANDATORY, &on, sizeof(on));
    zmq_setsockopt(l->router, ZMQ_LINGER, &off, sizeof(off));
    zmq_setsockopt(l->dealer, ZMQ_LINGER, &off, sizeof(off));
    *state = l;
    return zmq_bind(l->router, "inproc://line") |
           zmq_connect(l->dealer, "inproc://line");
}

static int tear_down(void **state)
{
    struct line *l = *state;
    zmq_close(l->router);
    zmq_close(l->dealer);
    zmq_ctx_term(l->ctx);
    free(l);
    return 0;
}

static enum err wait_recv(void *socket, bool with_routing, struct frame *f)
{
    zmq_pollitem_t item = {socket, 0, ZMQ_POLLIN, 0};
    zmq_poll(&item, 1, 5000);
    return frame_recv(socket, with_routing, f);
}

static void message_goes_there_and_back(void **state)
{
    struct line *l = *state;
    struct frame f, g;
    assert_int_equal(frame_recv(l->router, true, &f), ERR_NOT_FOUND);
    assert_int_equal(frame_send(l->dealer, NULL, VERB_ASK, slice_str("hello")),
                     ERR_OK);
    assert_int_equal(wait_recv(l->router, true, &f), ERR_OK);
    assert_int_equal(f.verb, VERB_ASK);
    assert_true(slice_eq(f.body, slice_str("hello")));
    assert_int_equal(f.routing_n, 5);
    assert_string_equal(f.user_id, "");
    assert_int_equal(frame_send(l->router, &f, VERB_ANSWER, SLICE_NONE),
                     ERR_OK);
    assert_int_equal(wait_recv(l->dealer, false, &g), ERR_OK);
    assert_int_equal(g.verb, VERB_ANSWER);
    assert_int_equal(g.body.n, 0);
    frame_close(&f);
    frame_close(&g);
    frame_close(&g);
}

static void largest_body_arrives_whole(void **state)
{
    struct line *l = *state;
    struct frame f;
    struct slice body = slice_of(big, FRAME_MAX);
    assert_int_equal(frame_send(l->dealer, NULL, VERB_SEND, body), ERR_OK);
    assert_int_equal(wait_recv(l->router, true, &f), ERR_OK);
    assert_true(slice_eq(f.body, body));
    frame_close(&f);
    body.n++;
    assert_int_equal(frame_send(l->dealer, NULL, VERB_SEND, body),
                     ERR_FRAME_SIZE);
    assert_int_equal(frame_recv(l->router, true, &f), ERR_NOT_FOUND);
}

static void send_raw(void *socket, const char *const *frames, size_t n)
{
    for (size_t i = 0; i < n; i++)
        zmq_send(socket, frames[i], strlen(frames[i]),
                 i + 1 < n ? ZMQ_SNDMORE : 0);
}

static const struct {
    const char *name;
    const char *frames[6];
    size_t n;
    enum err want;
} RAW[] = {
    {"W-104 one frame is taken off", {"TSN1"}, 1, ERR_FRAME_SHAPE},
    {"W-104 six frames are taken off",
     {"TSN1", "SEND", "a", "b", "c", "d"},
     6,
     ERR_FRAME_SHAPE},
    {"W-104 another version is taken off",
     {"HTTP", "GET", "/"},
     3,
     ERR_FRAME_VERSION},
    {"W-104 an unknown verb is taken off",
     {"TSN1", "NO", ""},
     3,
     ERR_FRAME_VERB},
};

/* Whatever came before, the next message is read from its own beginning, and
 * the sender of the bad one can be answered. */
static void malformed_message_is_taken_off_whole(void **state)
{
    struct line *l = *state;
    for (size_t i = 0; i < NELEM(RAW); i++) {
        struct frame f;
        send_raw(l->dealer, RAW[i].frames, RAW[i].n);
        assert_int_equal(
            frame_send(l->dealer, NULL, VERB_PING, slice_str("next")), ERR_OK);
        check(wait_recv(l->router, true, &f) == RAW[i].want, RAW[i].name);
        assert_null(f.msg);
        assert_int_equal(f.routing_n, 5);
        assert_int_equal(frame_send(l->router, &f, VERB_ERROR, SLICE_NONE),
                         ERR_OK);
        frame_close(&f);
        check(wait_recv(l->router, true, &f) == ERR_OK, RAW[i].name);
        assert_true(slice_eq(f.body, slice_str("next")));
        frame_close(&f);
    }
}

static void thousands_of_frames_are_taken_off(void **state)
{
    struct line *l = *state;
    struct frame f;
    for (int i = 0; i < 5000; i++)
        zmq_send(l->dealer, "TSN1", 4, ZMQ_SNDMORE);
    zmq_send(l->dealer, "", 0, 0);
    assert_int_equal(frame_send(l->dealer, NULL, VERB_PING, SLICE_NONE),
                     ERR_OK);
    assert_int_equal(wait_recv(l->router, true, &f), ERR_FRAME_SHAPE);
    assert_int_equal(wait_recv(l->router, true, &f), ERR_OK);
    frame_close(&f);
}

static void peer_that_is_gone_is_told(void **state)
{
    struct line *l = *state;
    struct frame to = {.routing = {0, 1, 2, 3, 4}, .routing_n = 5};
    assert_int_equal(frame_send(l->router, &to, VERB_PONG, SLICE_NONE),
                     ERR_UNREACHABLE);
}

static void full_pipe_is_busy(void **state)
{
    struct line *l = *state;
    void *lonely = zmq_socket(l->ctx, ZMQ_DEALER);
    int off = 0;
    zmq_setsockopt(lonely, ZMQ_LINGER, &off, sizeof(off));
    assert_int_equal(frame_send(lonely, NULL, VERB_PING, SLICE_NONE), ERR_BUSY);
    zmq_close(lonely);
}

static void overlong_routing_id_gets_no_answer(void **state)
{
    struct line *l = *state;
    struct frame f;
    char id[FRAME_ROUTING_MAX + 1];
    memset(id, 'a', sizeof(id));
    void *squatter = zmq_socket(l->ctx, ZMQ_DEALER);
    int off = 0;
    zmq_setsockopt(squatter, ZMQ_LINGER, &off, sizeof(off));
    zmq_setsockopt(squatter, ZMQ_ROUTING_ID, id, sizeof(id));
    assert_int_equal(zmq_connect(squatter, "inproc://line"), 0);
    assert_int_equal(frame_send(squatter, NULL, VERB_PING, SLICE_NONE), ERR_OK);
    check(wait_recv(l->router, true, &f) == ERR_FRAME_SHAPE &&
              f.routing_n == 0 && f.msg == NULL,
          "W-160 a routing id of more than 32 bytes is refused");
    zmq_close(squatter);
}

/* ---- identity from ZAP ---- */

/* Answers one ZAP request with the given User-Id when there is one. */
static void answer_zap(void *zap, const char *user)
{
    char part[8][64] = {{0}};
    size_t n = 0;
    zmq_pollitem_t item = {zap, 0, ZMQ_POLLIN, 0};
    int more = 1;
    size_t size = sizeof(more);
    if (zmq_poll(&item, 1, 20) <= 0)
        return;
    for (; more; n++) {
        zmq_recv(zap, part[n % 8], 63, 0);
        zmq_getsockopt(zap, ZMQ_RCVMORE, &more, &size);
    }
    const char *const reply[] = {"1.0", part[1], "200", "OK", user, ""};
    send_raw(zap, reply, NELEM(reply));
}

static void user_with(struct line *l, const char *user, struct frame *f)
{
    void *zap = zmq_socket(l->ctx, ZMQ_REP);
    void *server = zmq_socket(l->ctx, ZMQ_ROUTER);
    void *client = zmq_socket(l->ctx, ZMQ_DEALER);
    char endpoint[64];
    size_t n = sizeof(endpoint);
    int off = 0;
    zmq_bind(zap, "inproc://zeromq.zap.01");
    zmq_setsockopt(server, ZMQ_ZAP_DOMAIN, "data", 4);
    zmq_setsockopt(server, ZMQ_LINGER, &off, sizeof(off));
    zmq_setsockopt(client, ZMQ_LINGER, &off, sizeof(off));
    zmq_bind(server, "tcp://127.0.0.1:*");
    zmq_getsockopt(server, ZMQ_LAST_ENDPOINT, endpoint, &n);
    zmq_connect(client, endpoint);
    assert_int_equal(frame_send(client, NULL, VERB_PING, SLICE_NONE), ERR_OK);
    enum err e = ERR_NOT_FOUND;
    for (int i = 0; i < 250 && e == ERR_NOT_FOUND; i++) {
        answer_zap(zap, user);
        e = frame_recv(server, true, f);
    }
    assert_int_equal(e, ERR_OK);
    frame_close(f);
    zmq_close(client);
    zmq_close(server);
    zmq_close(zap);
}

static void sender_is_who_zap_says(void **state)
{
    struct frame f;
    user_with(*state, "h1/ad1", &f);
    check(strcmp(f.user_id, "h1/ad1") == 0,
          "W-160 I-6 the sender is the User-Id of the connection");
}

static void overlong_user_is_nobody(void **state)
{
    struct frame f;
    char user[66];
    memset(user, 'a', 65);
    user[65] = '\0';
    user_with(*state, user, &f);
    check(f.user_id[0] == '\0', "W-160 a User-Id is never cut to fit");
}

#define LINE_TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
int main(void)
{
    memset(big, 'b', sizeof(big));
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_are_checked_by_the_table),
        cmocka_unit_test(every_verb_has_its_own_name),
        LINE_TEST(message_goes_there_and_back),
        LINE_TEST(largest_body_arrives_whole),
        LINE_TEST(malformed_message_is_taken_off_whole),
        LINE_TEST(thousands_of_frames_are_taken_off),
        LINE_TEST(peer_that_is_gone_is_told),
        LINE_TEST(full_pipe_is_busy),
        LINE_TEST(overlong_routing_id_gets_no_answer),
        LINE_TEST(sender_is_who_zap_says),
        LINE_TEST(overlong_user_is_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
