/* folder_test.c - when a file is read, and where it goes. */
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */
#include "adapters/connect/folder.h"
#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define QUIET_MS 500

struct world {
    char dir[64];
    struct folder *f;
    char order[256]; /* contents, as read */
    unsigned reads;
    tsunagi_code answer;
};

static void reader(void *self, const char *name, const uint8_t *bytes, size_t n,
                   struct folder_result *r)
{
    struct world *w = self;
    size_t at = strlen(w->order);
    (void)name;
    snprintf(w->order + at, sizeof(w->order) - at, "%.*s,", (int)n,
             (const char *)bytes);
    w->reads++;
    r->code = w->answer;
    r->line = 3;
    r->column = 2;
    r->text = strdup("extra\n");
}

static int setup(void **state)
{
    struct world *w = calloc(1, sizeof(*w));
    snprintf(w->dir, sizeof(w->dir), "/tmp/tsunagi-folder-XXXXXX");
    if (w == NULL || mkdtemp(w->dir) == NULL)
        return -1;
    *state = w;
    return folder_open(NULL, w->dir, ".csv,.json", 100, reader, w, &w->f) ==
                   NULL
               ? 0
               : -1;
}

static int remove_one(const char *path, const struct stat *st, int type,
                      struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static int teardown(void **state)
{
    struct world *w = *state;
    folder_close(&w->f);
    nftw(w->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    free(w);
    return 0;
}

static void put(const struct world *w, const char *name, const char *text,
                const char *mode)
{
    char path[512];
    snprintf(path, sizeof(path), "%s/%s", w->dir, name);
    FILE *f = fopen(path, mode);
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

/* Contents of a file, "" when it is not there. */
static const char *get(const struct world *w, const char *name, char out[512])
{
    char path[256];
    snprintf(path, sizeof(path), "%s/%s", w->dir, name);
    FILE *f = fopen(path, "r");
    out[0] = '\0';
    if (f == NULL)
        return out;
    out[fread(out, 1, 511, f)] = '\0';
    fclose(f);
    return out;
}

static void wait_ms(long ms)
{
    struct timespec t = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&t, NULL);
}

static void settle(struct world *w)
{
    folder_scan(w->f);
    wait_ms(QUIET_MS + 20);
    folder_scan(w->f);
}

static void a_file_half_written_is_not_read(void **state)
{
    struct world *w = *state;
    char text[512];
    put(w, "a.csv", "one", "w");
    folder_scan(w->f);
    folder_scan(w->f); /* quiet, but not for long enough */
    assert_int_equal(w->reads, 0);
    for (int i = 0; i < 2; i++) { /* grows faster than it rests */
        wait_ms(QUIET_MS / 2 + 50);
        put(w, "a.csv", "+", "a");
        folder_scan(w->f);
        assert_int_equal(w->reads, 0);
    }
    settle(w);
    assert_string_equal(w->order, "one++,");
    assert_string_equal(get(w, "done/a.csv", text), "one++");
    assert_string_equal(get(w, "a.csv", text), "");
    assert_string_equal(get(w, "done/a.csv.receipt.txt", text), "extra\n");
}

static void unfinished_names_links_and_folders_are_ignored(void **state)
{
    struct world *w = *state;
    static const char *const NAMES[] = {
        "a.csv.tmp", "b.csv.part", "c.csv.FILEPART", ".d.csv", "e.txt", "csv"};
    char path[256], target[256];
    for (size_t i = 0; i < 6; i++)
        put(w, NAMES[i], "x", "w");
    snprintf(path, sizeof(path), "%s/dir.csv", w->dir);
    assert_int_equal(mkdir(path, 0700), 0);
    snprintf(path, sizeof(path), "%s/link.csv", w->dir);
    snprintf(target, sizeof(target), "%s/e.txt", w->dir);
    assert_int_equal(symlink(target, path), 0);
    settle(w);
    assert_int_equal(w->reads, 0);
    put(w, "f.CSV", "1", "w");
    put(w, "g.Json", "2", "w");
    settle(w);
    assert_int_equal(w->reads, 2);
}

static void a_refused_file_lies_with_its_reason(void **state)
{
    struct world *w = *state;
    char text[512];
    w->answer = "E-CSV-004";
    put(w, "a.csv", "x", "w");
    settle(w);
    assert_string_equal(get(w, "rejected/a.csv", text), "x");
    get(w, "rejected/a.csv.reason.txt", text);
    assert_non_null(strstr(text, "E-CSV-004\r\n"));
    assert_non_null(strstr(text, "Excel"));
    assert_non_null(strstr(text, "行 line: 3\r\n"));
    assert_non_null(strstr(text, "列 column: 2\r\n"));
    assert_non_null(strstr(text, "Nothing was taken"));
    assert_non_null(strstr(text, "extra"));
    folder_scan(w->f);
    assert_int_equal(w->reads, 1);
}

static void a_file_in_done_is_never_overwritten(void **state)
{
    struct world *w = *state;
    char text[512];
    put(w, "a.csv", "1", "w");
    settle(w);
    put(w, "a.csv", "2", "w");
    settle(w);
    assert_string_equal(get(w, "done/a.csv", text), "1");
    assert_string_equal(get(w, "done/a.csv.2", text), "2");
}

static void trouble_of_this_machine_leaves_the_file_for_later(void **state)
{
    struct world *w = *state;
    char text[512];
    w->answer = "E-STO-001";
    put(w, "a.csv", "x", "w");
    settle(w);
    assert_int_equal(w->reads, 1);
    assert_string_equal(get(w, "a.csv", text), "x");
    w->answer = NULL;
    folder_scan(w->f); /* not at once */
    assert_int_equal(w->reads, 1);
    wait_ms(2050);
    folder_scan(w->f);
    assert_string_equal(get(w, "done/a.csv", text), "x");
}

static void a_file_too_large_is_refused_unread(void **state)
{
    struct world *w = *state;
    char text[512], big[102];
    memset(big, 'x', 101);
    big[101] = '\0';
    put(w, "a.csv", big, "w");
    settle(w);
    assert_int_equal(w->reads, 0);
    assert_non_null(
        strstr(get(w, "rejected/a.csv.reason.txt", text), "E-FIL-001"));
}

static void an_empty_file_is_given_time_to_fill(void **state)
{
    struct world *w = *state;
    char text[512];
    put(w, "a.csv", "", "w");
    settle(w);
    assert_int_equal(w->reads, 0);
    assert_string_equal(get(w, "rejected/a.csv.reason.txt", text), "");
    put(w, "a.csv", "x", "w");
    settle(w);
    assert_string_equal(w->order, "x,");
}

static void older_files_come_first(void **state)
{
    struct world *w = *state;
    static const char *const NAMES[] = {"b.csv", "a.csv", "c.csv"};
    for (size_t i = 0; i < 3; i++) {
        char text[2] = {(char)('1' + (int)i), '\0'};
        put(w, NAMES[i], text, "w");
        wait_ms(20);
    }
    settle(w);
    assert_string_equal(w->order, "1,2,3,");
}

static void a_long_name_leaves_room_for_ours(void **state)
{
    struct world *w = *state;
    char name[252];
    memset(name, 'n', 247);
    snprintf(name + 247, 5, ".csv");
    put(w, name, "x", "w");
    settle(w);
    assert_int_equal(w->reads, 1);
    folder_scan(w->f);
    assert_int_equal(w->reads, 1); /* it has left */
}

static void a_source_is_of_the_content_and_the_row(void **state)
{
    (void)state;
    char a[FOLDER_SOURCE], b[FOLDER_SOURCE];
    folder_source((const uint8_t *)"xy", 2, 1, a);
    folder_source((const uint8_t *)"xy", 2, 1, b);
    assert_string_equal(a, b);
    folder_source((const uint8_t *)"xy", 2, 2, b);
    assert_string_not_equal(a, b);
    folder_source((const uint8_t *)"xz", 2, 1, b);
    assert_string_not_equal(a, b);
}

int main(void)
{
#define IN_A_FOLDER(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
    const struct CMUnitTest tests[] = {
        IN_A_FOLDER(a_file_half_written_is_not_read),
        IN_A_FOLDER(unfinished_names_links_and_folders_are_ignored),
        IN_A_FOLDER(a_refused_file_lies_with_its_reason),
        IN_A_FOLDER(a_file_in_done_is_never_overwritten),
        IN_A_FOLDER(trouble_of_this_machine_leaves_the_file_for_later),
        IN_A_FOLDER(a_file_too_large_is_refused_unread),
        IN_A_FOLDER(an_empty_file_is_given_time_to_fill),
        IN_A_FOLDER(older_files_come_first),
        IN_A_FOLDER(a_long_name_leaves_room_for_ours),
        cmocka_unit_test(a_source_is_of_the_content_and_the_row),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
