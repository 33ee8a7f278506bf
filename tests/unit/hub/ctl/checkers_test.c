/* checkers_test.c - of many signatures just the bad ones are told, and a
 * process that dies is not taken for one that found nothing. */
#include "hub/ctl/checkers.h"
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
/* cmocka needs the ones above */
#include <cmocka.h>

#define MANY 1000

struct told {
    uint64_t leaf[MANY];
    size_t n;
};

static void told_bad(void *ctx, uint64_t leaf)
{
    struct told *t = ctx;
    assert_true(t->n < MANY);
    t->leaf[t->n++] = leaf;
}

/* Signed by the node; every hundredth says something else than was signed. */
static void hand_over(struct checkers *c, const struct node_keys *k, bool spoil)
{
    for (uint64_t i = 0; i < MANY; i++) {
        struct check x = {.leaf = i, .n = 10, .what = SIGN_ACK};
        memcpy(x.text, &i, sizeof(i));
        memcpy(x.key, k->pub.sign, KEY_BYTES);
        assert_int_equal(sign_make(SIGN_ACK, slice_of(x.text, x.n),
                                   k->sign_secret, x.signature),
                         ERR_OK);
        if (spoil && i % 100 == 7)
            x.text[9] ^= 1;
        assert_int_equal(checkers_add(c, &x), ERR_OK);
    }
}

static void just_the_bad_ones_are_told_in_order(void **state)
{
    (void)state;
    struct checkers *c = NULL;
    struct told t = {.n = 0};
    struct node_keys k;
    assert_int_equal(sign_init(), ERR_OK);
    keys_make(&k, "w1");
    assert_int_equal(checkers_open(&c), ERR_OK);
    hand_over(c, &k, true);
    assert_int_equal(checkers_close(&c, told_bad, &t), ERR_OK);
    assert_null(c);
    assert_int_equal(t.n, MANY / 100);
    for (size_t i = 0; i < t.n; i++)
        assert_int_equal(t.leaf[i], i * 100 + 7);
}

static void nothing_to_do_is_done(void **state)
{
    (void)state;
    struct checkers *c = NULL;
    struct told t = {.n = 0};
    assert_int_equal(checkers_open(&c), ERR_OK);
    assert_int_equal(checkers_close(&c, told_bad, &t), ERR_OK);
    assert_int_equal(t.n, 0);
    assert_int_equal(checkers_close(&c, told_bad, &t), ERR_OK); /* NULL */
}

/* Ends one child of ours, whichever. */
static void kill_a_child(void)
{
    char path[64], text[256] = "";
    snprintf(path, sizeof(path), "/proc/self/task/%d/children", (int)getpid());
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    assert_non_null(fgets(text, sizeof(text), f));
    fclose(f);
    assert_int_equal(kill((pid_t)strtol(text, NULL, 10), SIGKILL), 0);
    usleep(100000);
}

static void a_child_that_died_is_no_good_news(void **state)
{
    (void)state;
    struct checkers *c = NULL;
    struct told t = {.n = 0};
    struct check x = {.n = 1};
    if (access("/proc/self/task", R_OK) != 0)
        skip();
    assert_int_equal(checkers_open(&c), ERR_OK);
    kill_a_child();
    enum err e = ERR_OK;
    for (int i = 0; i < MANY && e == ERR_OK; i++)
        e = checkers_add(c, &x);
    assert_int_equal(checkers_close(&c, told_bad, &t), ERR_IO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(just_the_bad_ones_are_told_in_order),
        cmocka_unit_test(nothing_to_do_is_done),
        cmocka_unit_test(a_child_that_died_is_no_good_news),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
