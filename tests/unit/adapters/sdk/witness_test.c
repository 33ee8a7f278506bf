/* witness_test.c - the state of a witness: on disk before the answer, compared
 * before it is set, kept over everything but a person's decision. */
#include "adapters/sdk/witness.h"
#include <setjmp.h>
#include <signal.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define ORIGIN "hub.example.test/log"
#define NOON 1789095600000 /* 2026-09-11 12:00 in Japan */

struct place {
    char folder[40], path[64];
};

static int setup(void **state)
{
    struct place *p = calloc(1, sizeof(*p));
    memcpy(p->folder, "/tmp/tsunagi-witness-XXXXXX", 28);
    assert_non_null(mkdtemp(p->folder));
    snprintf(p->path, sizeof(p->path), "%s/n1.key.witness", p->folder);
    *state = p;
    return 0;
}

static int teardown(void **state)
{
    struct place *p = *state;
    char name[96];
    static const char *const ENDS[] = {"", ".lock", ".damaged"};
    for (size_t i = 0; i < NELEM(ENDS); i++) {
        snprintf(name, sizeof(name), "%s%s", p->path, ENDS[i]);
        unlink(name);
    }
    rmdir(p->folder);
    free(p);
    return 0;
}

static struct checkpoint head(uint64_t size, uint8_t salt)
{
    struct checkpoint c = {.origin = ORIGIN, .size = size};
    memset(c.root.b, salt, HASH_BYTES);
    return c;
}

#define NOTE "line\n\n\xe2\x80\x94 name AAAA\n"

static enum err advance(const struct place *p, uint64_t old, uint64_t size,
                        uint8_t salt)
{
    struct checkpoint c = head(size, salt);
    return witness_advance(p->path, old, &c, slice_str(NOTE));
}

static struct witness_state read_state(const struct place *p)
{
    struct witness_state s;
    assert_int_equal(witness_read(p->path, ORIGIN, &s), ERR_OK);
    return s;
}

static uint64_t size_of(const struct place *p)
{
    struct witness_state s = read_state(p);
    uint64_t size = s.cosigned.at.size;
    witness_state_fini(&s);
    return size;
}

static void what_was_cosigned_comes_back_as_it_was(void **state)
{
    struct place *p = *state;
    struct stat st;
    assert_int_equal(size_of(p), 0);
    assert_int_equal(advance(p, 0, 7, 1), ERR_OK);
    struct witness_state s = read_state(p);
    assert_int_equal(s.cosigned.at.size, 7);
    assert_string_equal(s.cosigned.at.origin, ORIGIN);
    assert_int_equal(s.cosigned.at.root.b[31], 1);
    assert_true(slice_eq(buf_slice(&s.cosigned.note), slice_str(NOTE)));
    assert_false(s.damaged);
    assert_int_equal(s.forked_ms, 0);
    witness_state_fini(&s);
    assert_int_equal(stat(p->path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
}

static void only_who_knows_the_head_may_replace_it(void **state)
{
    struct place *p = *state;
    assert_int_equal(advance(p, 3, 7, 1), ERR_CONFLICT);
    assert_int_equal(size_of(p), 0);
    assert_int_equal(advance(p, 0, 7, 1), ERR_OK);
    assert_int_equal(advance(p, 0, 9, 1), ERR_CONFLICT);
    assert_int_equal(advance(p, 6, 9, 1), ERR_CONFLICT);
    assert_int_equal(size_of(p), 7);
    assert_int_equal(advance(p, 7, 9, 1), ERR_OK);
    assert_int_equal(size_of(p), 9);
}

/* Many at once start from the same head: each round one of them wins. */
#define RACERS 8
#define ROUNDS 12
static void of_many_that_start_from_one_head_one_wins(void **state) /* W-179 */
{
    struct place *p = *state;
    pid_t pid[RACERS];
    size_t won = 0;
    for (uint8_t i = 0; i < RACERS; i++) {
        pid[i] = fork();
        assert_true(pid[i] >= 0);
        if (pid[i] != 0)
            continue;
        size_t mine = 0;
        for (uint64_t at = 0; at < ROUNDS;) {
            enum err e = advance(p, at, at + 1, i);
            if (e != ERR_OK && e != ERR_CONFLICT)
                _exit(255);
            mine += e == ERR_OK;
            at++;
        }
        _exit((int)mine);
    }
    for (size_t i = 0; i < RACERS; i++) {
        int status;
        assert_int_equal(waitpid(pid[i], &status, 0), pid[i]);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) != 255);
        won += (size_t)WEXITSTATUS(status);
    }
    assert_int_equal(won, size_of(p));
    assert_true(won >= 1 && won <= ROUNDS);
}

static void each_origin_has_its_own_head(void **state)
{
    struct place *p = *state;
    struct checkpoint other = head(2, 5);
    struct witness_state s;
    memcpy(other.origin, ORIGIN "/2026b", sizeof(ORIGIN "/2026b"));
    assert_int_equal(advance(p, 0, 7, 1), ERR_OK);
    assert_int_equal(witness_advance(p->path, 0, &other, slice_str(NOTE)),
                     ERR_OK);
    assert_int_equal(size_of(p), 7);
    assert_int_equal(witness_read(p->path, other.origin, &s), ERR_OK);
    assert_int_equal(s.cosigned.at.size, 2);
    witness_state_fini(&s);
    for (unsigned i = 0; i < WITNESS_ORIGINS; i++) {
        snprintf(other.origin, sizeof(other.origin), "e%u", i);
        assert_int_equal(witness_advance(p->path, 0, &other, slice_str(NOTE)),
                         ERR_OK);
    }
    assert_int_equal(size_of(p), 0);
}

static void a_fork_stands_until_a_person_gives_a_reason(void **state)
{
    struct place *p = *state;
    assert_int_equal(advance(p, 0, 7, 1), ERR_OK);
    assert_int_equal(witness_set_forked(p->path, NOON, "fork-evidence-1.txt"),
                     ERR_OK);
    assert_int_equal(advance(p, 7, 9, 1), ERR_DLV_FORK);
    assert_int_equal(witness_set_forked(p->path, NOON + 1, "second.txt"),
                     ERR_OK);
    struct witness_state s = read_state(p);
    assert_int_equal(s.forked_ms, NOON);
    assert_string_equal(s.evidence, "fork-evidence-1.txt");
    assert_int_equal(s.cosigned.at.size, 7);
    witness_state_fini(&s);
    static const char *const BAD[] = {"", "two\nlines", "tab\there",
                                      "\xff\xfe not text"};
    for (size_t i = 0; i < NELEM(BAD); i++)
        assert_int_equal(witness_clear(p->path, ORIGIN, BAD[i], NOON),
                         ERR_USAGE);
    char longer[WITNESS_REASON + 2];
    memset(longer, 'a', sizeof(longer) - 1);
    longer[sizeof(longer) - 1] = '\0';
    assert_int_equal(witness_clear(p->path, ORIGIN, longer, NOON), ERR_USAGE);
    assert_int_equal(advance(p, 7, 9, 1), ERR_DLV_FORK);
    assert_int_equal(
        witness_clear(p->path, ORIGIN, "県と確認した。復旧の手違い", NOON),
        ERR_OK);
    s = read_state(p);
    assert_int_equal(s.forked_ms, 0);
    assert_int_equal(s.cleared, 1);
    assert_int_equal(s.cosigned.at.size, 0);
    witness_state_fini(&s);
    assert_int_equal(advance(p, 0, 3, 1), ERR_OK);
}

static void why_it_was_cleared_is_kept(void **state)
{
    struct place *p = *state;
    struct buf b = {0};
    assert_int_equal(advance(p, 0, 7, 1), ERR_OK);
    for (size_t i = 0; i < WITNESS_CLEARED + 2; i++) {
        assert_int_equal(witness_clear(p->path, ORIGIN, "確認済み", NOON),
                         ERR_OK);
        assert_int_equal(advance(p, 0, 7, 1), ERR_OK);
    }
    struct witness_state s = read_state(p);
    assert_int_equal(s.cleared, WITNESS_CLEARED);
    assert_false(s.damaged);
    witness_state_fini(&s);
    assert_int_equal(file_read(p->path, 1 << 20, &b), ERR_OK);
    assert_non_null(strstr((char *)b.p, "cleared 2026-09-11T12:00:00+09:00 7 "
                                        "0101"));
    assert_non_null(strstr((char *)b.p, " " ORIGIN " 確認済み\n"));
    buf_fini(&b);
}

/* Each byte in turn is another one; each length is shorter. */
static void a_damaged_state_counts_as_a_fork(void **state)
{
    struct place *p = *state;
    struct buf b = {0};
    assert_int_equal(advance(p, 0, 7, 1), ERR_OK);
    assert_int_equal(witness_set_forked(p->path, NOON, "e.txt"), ERR_OK);
    assert_int_equal(witness_clear(p->path, ORIGIN, "r", NOON), ERR_OK);
    assert_int_equal(advance(p, 0, 7, 1), ERR_OK);
    assert_int_equal(file_read(p->path, 1 << 20, &b), ERR_OK);
    for (size_t i = 0; i < b.n; i++) {
        b.p[i] ^= 1;
        assert_int_equal(file_replace(p->path, buf_slice(&b), 0600), ERR_OK);
        struct witness_state s = read_state(p);
        if (!s.damaged || s.cosigned.at.size != 0)
            fail_msg("byte %zu", i);
        witness_state_fini(&s);
        assert_int_equal(advance(p, 7, 9, 1), ERR_DLV_FORK);
        b.p[i] ^= 1;
    }
    for (size_t n = 0; n < b.n; n += 5) {
        assert_int_equal(file_replace(p->path, slice_of(b.p, n), 0600), ERR_OK);
        struct witness_state s = read_state(p);
        if (!s.damaged)
            fail_msg("length %zu", n);
        witness_state_fini(&s);
    }
    assert_int_equal(witness_clear(p->path, ORIGIN, "disk replaced", NOON),
                     ERR_OK);
    char aside[96];
    snprintf(aside, sizeof(aside), "%s.damaged", p->path);
    assert_int_equal(access(aside, F_OK), 0);
    assert_int_equal(advance(p, 0, 9, 1), ERR_OK);
    buf_fini(&b);
}

static void nothing_is_remembered_that_is_not_on_disk(void **state)
{
    struct place *p = *state;
    struct rlimit was, none;
    assert_int_equal(advance(p, 0, 7, 1), ERR_OK);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
    none = (struct rlimit){.rlim_cur = 1, .rlim_max = was.rlim_max};
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
    enum err e = advance(p, 7, 9, 1);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
    assert_int_equal(e, ERR_IO);
    assert_int_equal(size_of(p), 7);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(what_was_cosigned_comes_back_as_it_was),
        CASE(only_who_knows_the_head_may_replace_it),
        CASE(of_many_that_start_from_one_head_one_wins),
        CASE(each_origin_has_its_own_head),
        CASE(a_fork_stands_until_a_person_gives_a_reason),
        CASE(why_it_was_cleared_is_kept),
        CASE(a_damaged_state_counts_as_a_fork),
        CASE(nothing_is_remembered_that_is_not_on_disk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
