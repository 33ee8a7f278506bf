/* log_test.c - one happening, one line, whatever the values hold. */
#include "proto/base/err.h"
#include "proto/base/log.h"
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
/* cmocka.h needs those above */
#include <cmocka.h>

static char got[4096];
static int ends[2], kept;

static void begin(void)
{
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
    kept = dup(STDERR_FILENO);
    assert_true(dup2(ends[1], STDERR_FILENO) >= 0);
}

static void end(void)
{
    assert_true(dup2(kept, STDERR_FILENO) >= 0);
    ssize_t n = read(ends[0], got, sizeof(got) - 1);
    got[n < 0 ? 0 : n] = '\0';
    close(kept);
    close(ends[0]);
    close(ends[1]);
}

static void a_line_names_the_program(void **state)
{
    (void)state;
    unsetenv("JOURNAL_STREAM");
    log_open("hub", LOG_NOTE);
    begin();
    log_note("net: started lane=%d", 1);
    end();
    assert_string_equal(got, "hub: net: started lane=1\n");
}

static void journal_lines_carry_the_level(void **state)
{
    (void)state;
    setenv("JOURNAL_STREAM", "1:2", 1);
    log_open("hub", LOG_NOTE);
    begin();
    log_error("store: failed");
    end();
    assert_string_equal(got, "<3>store: failed\n");
    unsetenv("JOURNAL_STREAM");
}

static void lower_levels_are_silent(void **state)
{
    (void)state;
    log_open("hub", LOG_WARN);
    begin();
    log_note("net: a note");
    log_debug("net: a detail");
    end();
    assert_string_equal(got, "");
}

static void a_value_cannot_forge_a_second_line(void **state)
{
    (void)state;
    log_open("hub", LOG_NOTE);
    begin();
    log_warn("net: bad name=%s", "x\n<3>store: wiped\r\x1b[2J");
    end();
    assert_string_equal(got, "hub: net: bad name=x <3>store: wiped  [2J\n");
}

static void a_long_line_is_cut_between_characters(void **state)
{
    (void)state;
    static const char *const FRONT[] = {"", "x", "xy"};
    char text[3001];
    for (size_t i = 0; i < 3000; i += 3)
        memcpy(text + i, "あ", 3);
    text[3000] = '\0';
    log_open("hub", LOG_NOTE);
    for (size_t i = 0; i < NELEM(FRONT); i++) {
        begin();
        log_note("%s%s", FRONT[i], text);
        end();
        size_t n = strlen(got);
        assert_in_range(n, 1000, 1024);
        assert_int_equal(got[n - 1], '\n');
        assert_int_equal((n - 1 - strlen("hub: ") - i) % 3, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_names_the_program),
        cmocka_unit_test(journal_lines_carry_the_level),
        cmocka_unit_test(lower_levels_are_silent),
        cmocka_unit_test(a_value_cannot_forge_a_second_line),
        cmocka_unit_test(a_long_line_is_cut_between_characters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
