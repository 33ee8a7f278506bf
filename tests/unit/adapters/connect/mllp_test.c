/* mllp_test.c - framing, however the bytes are cut. */
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */
#include "adapters/connect/mllp.h"
#include <stdlib.h>
#include <string.h>

#define CASE_COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define VT "\x0b"
#define END "\x1c\r"

struct got {
    char text[256];
    size_t messages;
};

static void collect(void *self, const uint8_t *p, size_t n)
{
    struct got *g = self;
    size_t at = strlen(g->text);
    snprintf(g->text + at, sizeof(g->text) - at, "[%.*s]", (int)n,
             (const char *)p);
    g->messages++;
}

static const struct {
    const char *name, *bytes, *got, *code;
} FRAMES[] = {
    {"one message", VT "MSH|a\r" END, "[MSH|a\r]", NULL},
    {"several in one read", VT "a" END VT "b" END, "[a][b]", NULL},
    {"an empty message", VT END, "[]", NULL},
    {"line ends between frames", "\r\n" VT "a" END "\n" VT "b" END, "[a][b]",
     NULL},
    {"not yet whole", VT "abc", "", NULL},
    {"FS without CR", VT "abc\x1c", "", NULL},
    {"bytes outside a frame", "abc" VT "d" END, "", "E-MLP-001"},
    {"bytes after a message", VT "a" END "b", "[a]", "E-MLP-001"},
    {"a beginning inside a message", VT "a" VT "b" END, "", "E-MLP-001"},
    {"FS and no CR",
     VT "a\x1c"
        "b",
     "", "E-MLP-001"},
};

/* Every case in one piece and in pieces of each length. */
static void frames_are_found_however_they_are_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < CASE_COUNT(FRAMES); i++) {
        size_t n = strlen(FRAMES[i].bytes);
        for (size_t piece = 1; piece <= n; piece++) {
            struct got g = {0};
            struct mllp_frame *f = mllp_frame_new();
            tsunagi_code code = NULL;
            for (size_t at = 0; at < n && code == NULL; at += piece) {
                size_t len = n - at < piece ? n - at : piece;
                const char *p = FRAMES[i].bytes + at;
                code = mllp_frame_feed(f, (const uint8_t *)p, len, collect, &g);
            }
            if (strcmp(g.text, FRAMES[i].got) != 0 ||
                (code == NULL) != (FRAMES[i].code == NULL) ||
                (code != NULL && strcmp(code, FRAMES[i].code) != 0))
                fail_msg("%s, by %zu: %s %s", FRAMES[i].name, piece, g.text,
                         code);
            mllp_frame_free(&f);
        }
    }
}

static void a_message_longer_than_the_limit_ends_the_connection(void **state)
{
    (void)state;
    struct got g = {0};
    struct mllp_frame *f = mllp_frame_new();
    uint8_t *p = malloc(MLLP_MESSAGE_MAX + 2);
    memset(p, 'a', MLLP_MESSAGE_MAX + 2);
    p[0] = 0x0b;
    assert_null(mllp_frame_feed(f, p, MLLP_MESSAGE_MAX + 1, collect, &g));
    assert_string_equal(mllp_frame_feed(f, p + 1, 1, collect, &g), "E-MLP-002");
    assert_int_equal(g.messages, 0);
    free(p);
    mllp_frame_free(&f);
}

static void a_frame_knows_whether_a_message_is_open(void **state)
{
    (void)state;
    struct got g = {0};
    struct mllp_frame *f = mllp_frame_new();
    assert_true(mllp_frame_idle(f));
    assert_null(mllp_frame_feed(f, (const uint8_t *)VT "a", 2, collect, &g));
    assert_false(mllp_frame_idle(f));
    assert_null(mllp_frame_feed(f, (const uint8_t *)END, 2, collect, &g));
    assert_true(mllp_frame_idle(f));
    mllp_frame_free(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_are_found_however_they_are_cut),
        cmocka_unit_test(a_message_longer_than_the_limit_ends_the_connection),
        cmocka_unit_test(a_frame_knows_whether_a_message_is_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
