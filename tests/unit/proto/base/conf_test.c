/* conf_test.c - a configuration file and everything that can be wrong in it. */
#include "proto/base/conf.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
/* cmocka.h needs those above */
#include <cmocka.h>

struct place {
    char *code, *file;
    long long port;
};

struct sample {
    char *endpoint, *store;
    long long commit_max, limit;
    bool demo;
    struct place places[4];
    size_t n;
    bool refuse;
};

static enum err add_place(void *target, void *element)
{
    struct sample *s = target;
    if (s->refuse)
        return ERR_VAL_LGCODE;
    s->places[s->n++] = *(struct place *)element;
    return ERR_OK;
}

#define AT(m) offsetof(struct sample, m)
#define PLACE(m) offsetof(struct place, m)

static const struct conf_item PLACE_ITEMS[] = {
    {.key = "code",
     .type = CONF_STR,
     .min = 1,
     .max = 31,
     .offset = PLACE(code),
     .flags = CONF_REQUIRED},
    {.key = "file",
     .type = CONF_PATH,
     .offset = PLACE(file),
     .fallback = "keys/default"},
    {.key = "net.port",
     .type = CONF_INT,
     .min = 1,
     .max = 65535,
     .offset = PLACE(port),
     .fallback = "5570"},
    {0},
};

static const struct conf_item ITEMS[] = {
    {.key = "net.endpoint",
     .type = CONF_STR,
     .min = 1,
     .max = 20,
     .offset = AT(endpoint),
     .flags = CONF_REQUIRED,
     .help_ja = "待ち受ける所",
     .help_en = "where to listen"},
    {.key = "store.path",
     .type = CONF_PATH,
     .offset = AT(store),
     .fallback = "data"},
    {.key = "store.commit_max",
     .type = CONF_INT,
     .min = 1,
     .max = 64,
     .offset = AT(commit_max),
     .flags = CONF_RELOAD,
     .fallback = "64"},
    {.key = "demo", .type = CONF_BOOL, .offset = AT(demo), .fallback = "false"},
    {.key = "places",
     .type = CONF_GROUP_LIST,
     .max = 4,
     .sub = PLACE_ITEMS,
     .sub_size = sizeof(struct place),
     .each = add_place},
    {.key = "net.limit", .type = CONF_INT, .offset = AT(limit)},
    {0},
};

/* Reads text; *said gets the complaints (free). */
static enum err load(struct slice text, struct sample *s, char **said)
{
    size_t n;
    FILE *f = open_memstream(said, &n);
    enum err e = conf_load_text("hub.conf", "/etc", text, ITEMS, s, f);
    fclose(f);
    return e;
}

static void drop(struct sample *s)
{
    for (size_t i = 0; i < s->n; i++)
        conf_fini(PLACE_ITEMS, &s->places[i]);
    conf_fini(ITEMS, s);
}

static void a_good_file_fills_the_target(void **state)
{
    (void)state;
    struct sample s = {0};
    char *said;
    enum err e = load(
        slice_str("# 設定\nnet: { endpoint = \"tcp://*:5570\"; limit = -5; };\n"
                  "store = { path = \"/srv/d\"; commit_max = 0x10 };\n"
                  "demo = true\n"
                  "places = ( { code = \"LG-492019\"; file = \"k/a\";\n"
                  "             net = { port = 7 } },\n"
                  "           { code = \"HUB\" } );\n"),
        &s, &said);
    assert_string_equal(said, "");
    assert_int_equal(e, ERR_OK);
    assert_string_equal(s.endpoint, "tcp://*:5570");
    assert_string_equal(s.store, "/srv/d");
    assert_int_equal(s.commit_max, 16);
    assert_int_equal(s.limit, -5);
    assert_true(s.demo);
    assert_int_equal(s.n, 2);
    assert_string_equal(s.places[0].code, "LG-492019");
    assert_string_equal(s.places[0].file, "/etc/k/a");
    assert_int_equal(s.places[0].port, 7);
    assert_string_equal(s.places[1].file, "/etc/keys/default");
    assert_int_equal(s.places[1].port, 5570);
    drop(&s);
    free(said);
}

static void absent_keys_get_their_default(void **state)
{
    (void)state;
    struct sample s = {.demo = true};
    char *said;
    assert_int_equal(load(slice_str("net: { endpoint = \"x\" }"), &s, &said),
                     ERR_OK);
    assert_string_equal(s.store, "/etc/data");
    assert_int_equal(s.commit_max, 64);
    assert_false(s.demo);
    assert_int_equal(s.limit, 0);
    drop(&s);
    free(said);
}

#define NET "net: { endpoint = \"x\" };\n"
static const struct {
    const char *name, *text, *said; /* a part of what is said */
    enum err want;
} BAD[] = {
    /* clang-format off */
    {"unknown key", NET "  demoo = true;", "hub.conf:2:3: error E-CFG-014: demoo: unknown key\n      hint: did you mean \"demo\"?", ERR_CONF_UNKNOWN},
    {"unknown key in a group", NET "store: { x = 1; comit_max = 3; };", "hub.conf:2:17: error E-CFG-014: store.comit_max: unknown key\n      hint: did you mean \"store.commit_max\"?", ERR_CONF_UNKNOWN},
    {"key of another group", NET "commit_max = 3;", "did you mean \"store.commit_max\"?", ERR_CONF_UNKNOWN},
    {"unknown group", NET "stoer: { commit_max = 3; };", "2:1: error E-CFG-014: stoer: unknown key\n      hint: did you mean \"store\"?", ERR_CONF_UNKNOWN},
    {"nothing like it", NET "zzzzzzzz = 3;", "zzzzzzzz: unknown key\n      hint: 不明なキーです。", ERR_CONF_UNKNOWN},
    {"below the range", NET "store: { commit_max = 0; };", "hub.conf:2:10: error E-CFG-016: store.commit_max: 0 is not in 1..64", ERR_CONF_RANGE},
    {"above the range", NET "store: { commit_max = 65; };", "65 is not in 1..64", ERR_CONF_RANGE},
    {"above, as 64 bits", NET "store: { commit_max = 30000000000L; };", "30000000000 is not in 1..64", ERR_CONF_RANGE},
    {"wrapped by libconfig", NET "store: { commit_max = 30000000000; };", "hub.conf:2:23: error E-CFG-021: this integer does not fit 32 bits", ERR_CONF_OVERFLOW},
    {"wrapped into the range", NET "store: { commit_max = 4294967297; };", "E-CFG-021", ERR_CONF_OVERFLOW},
    {"wrapped below", NET "net_x = -2147483649;", "E-CFG-021", ERR_CONF_OVERFLOW},
    {"wrapped hexadecimal", NET "store: { commit_max = 0x100000001; };", "E-CFG-021", ERR_CONF_OVERFLOW},
    {"wrapped at 64 bits", NET "store: { commit_max = 9223372036854775808L; };", "does not fit 64 bits", ERR_CONF_OVERFLOW},
    {"a hundred digits", NET "store: { commit_max = 1111111111111111111111111111111111111111111111111111111111111L; };", "E-CFG-021", ERR_CONF_OVERFLOW},
    {"text for a number", NET "store: { commit_max = \"3\"; };", "error E-CFG-015: store.commit_max: expected an integer, found a string", ERR_CONF_TYPE},
    {"decimals for a number", NET "store: { commit_max = 3.0; };", "found a decimal number", ERR_CONF_TYPE},
    {"number for a switch", NET "demo = 1;", "demo: expected true or false, found an integer", ERR_CONF_TYPE},
    {"number for text", "net: { endpoint = 1 };", "expected a string, found an integer", ERR_CONF_TYPE},
    {"value for a group", NET "store = 3;", "store: expected a group { }, found an integer", ERR_CONF_TYPE},
    {"group for a value", NET "demo: { x = 1 };", "expected true or false, found a group { }", ERR_CONF_TYPE},
    {"group for a list", NET "places: { code = \"HUB\" };", "expected a list ( ), found a group { }", ERR_CONF_TYPE},
    {"text too long", "net: { endpoint = \"123456789012345678901\" };", "21 bytes long, not in 1..20", ERR_CONF_RANGE},
    {"text too short", "net: { endpoint = \"\" };", "0 bytes long, not in 1..20\n      hint: where to listen", ERR_CONF_RANGE},
    {"empty path", NET "store: { path = \"\" };", "store.path: an empty path", ERR_CONF_RANGE},
    {"missing key in a group", "net: { limit = 1 };", "hub.conf:1:1: error E-CFG-017: net.endpoint: this key is required\n      hint: where to listen", ERR_CONF_MISSING},
    {"missing group", "demo = true;", "net.endpoint: this key is required", ERR_CONF_MISSING},
    {"empty file", "", "hub.conf:1:1: error E-CFG-017: net.endpoint", ERR_CONF_MISSING},
    {"a key twice", "demo = true;\ndemo = false;\n" NET, "hub.conf:2:1: error E-CFG-001: duplicate setting name", ERR_CONF_SYNTAX},
    {"a group twice", NET NET, "duplicate setting name", ERR_CONF_SYNTAX},
    {"syntax", "demo = true\nnet: {{ };", "hub.conf:2:1: error E-CFG-001: syntax error", ERR_CONF_SYNTAX},
    {"a string without end", NET "x = \"abc\n", "hub.conf:2:5: error E-CFG-001: this string has no end", ERR_CONF_SYNTAX},
    {"a comment without end", NET "/* abc\n", "hub.conf:2:1: error E-CFG-001: this comment has no end", ERR_CONF_SYNTAX},
    {"@include", "@include \"other.conf\"\n" NET, "hub.conf:1:1: error E-CFG-001: @include is not used here", ERR_CONF_SYNTAX},
    {"NUL in a string", "net: { endpoint = \"a\\x00b\" };", "E-CFG-001", ERR_CONF_SYNTAX},
    {"bytes made by an escape", "net: { endpoint = \"a\\xff\" };", "net.endpoint: not UTF-8", ERR_CONF_ENCODING},
    {"byte-order mark", "\xef\xbb\xbf" NET, "hub.conf:1:1: error E-CFG-002: this file begins with a byte-order mark", ERR_CONF_ENCODING},
    {"UTF-16", "\xff\xfe" NET, "UTF-16", ERR_CONF_ENCODING},
    {"CP932", NET "# \x89\xcb\x8b\xf3\n", "hub.conf:2:3: error E-CFG-002: this file is saved as CP932", ERR_CONF_ENCODING},
    {"neither", NET "# \xff\n", "hub.conf:2:3: error E-CFG-002: a byte here is not UTF-8", ERR_CONF_ENCODING},
    {"too deep", "a=((((((((((((((((((1))))))))))))))))));", "nested too deeply", ERR_CONF_SYNTAX},
    {"key in an element", NET "places = ( { code = \"HUB\" },\n  { code = \"HUB\"; prot = 1 } );", "hub.conf:3:19: error E-CFG-014: places[1].prot: unknown key", ERR_CONF_UNKNOWN},
    {"group in an element", NET "places = ( { code = \"HUB\"; net = { prot = 1 } } );", "places[0].net.prot: unknown key\n      hint: did you mean \"net.port\"?", ERR_CONF_UNKNOWN},
    {"missing in an element", NET "places = ( { } );", "places[0].code: this key is required", ERR_CONF_MISSING},
    {"an element is no group", NET "places = ( 3 );", "places[0]: expected a group { }, found an integer", ERR_CONF_TYPE},
    {"too many elements", NET "places = ({},{},{},{},{});", "5 groups, not in 0..4", ERR_CONF_RANGE},
    {"column counts characters", NET "/* 架空 */ demoo = true;", "hub.conf:2:10: error E-CFG-014", ERR_CONF_UNKNOWN},
    {"column of the key, not of its value", NET "x = \"demoo\"; demoo = true;", "hub.conf:2:14: error E-CFG-014: demoo", ERR_CONF_UNKNOWN},
}; /* clang-format on */

static void bad_files_are_refused_with_the_place(void **state)
{
    (void)state;
    for (size_t i = 0; i < NELEM(BAD); i++) {
        struct sample s = {0};
        char *said;
        enum err e = load(slice_str(BAD[i].text), &s, &said);
        if (e != BAD[i].want || strstr(said, BAD[i].said) == NULL)
            fail_msg("%s: %s\n%s", BAD[i].name, err_code(e), said);
        assert_null(s.endpoint);
        assert_null(s.store);
        assert_int_equal(s.n, 0);
        free(said);
    }
}

/* What libconfig would read without the pre-pass. */
static const char *const FINE[] = {
    NET "# 30000000000 and @include \"x\"\n",
    NET "// 30000000000 and \" and @\n",
    NET "/* 30000000000\n \" @include */\n",
    "net: { endpoint = \"30000000000@/*\" };",
    "net: { endpoint = \"a\\\"b 99999999999\" };",
    NET "store: { commit_max = 1L };",
    NET "store: { commit_max = 0x1L };",
};

static void only_real_tokens_are_judged(void **state)
{
    (void)state;
    for (size_t i = 0; i < NELEM(FINE); i++) {
        struct sample s = {0};
        char *said;
        if (load(slice_str(FINE[i]), &s, &said) != ERR_OK)
            fail_msg("%s: %s", FINE[i], said);
        drop(&s);
        free(said);
    }
}

static void a_wrapped_integer_is_told_once(void **state)
{
    (void)state;
    struct sample s = {0};
    char *said;
    const char *text = NET "store: { commit_max = 30000000000; };";
    assert_int_equal(load(slice_str(text), &s, &said), ERR_CONF_OVERFLOW);
    const char *first = strstr(said, ": error ");
    assert_non_null(first);
    assert_null(strstr(first + 1, ": error "));
    free(said);
}

static void every_mistake_is_told_at_once(void **state)
{
    (void)state;
    struct sample s = {0};
    char *said;
    enum err e = load(slice_str("demoo = true;\n"
                                "store: { commit_max = 0; path = 3; };\n"
                                "net: { limit = 30000000000; };\n"
                                "places = ( { x = 1 } );\n"),
                      &s, &said);
    assert_int_equal(e, ERR_CONF_OVERFLOW);
    int n = 0;
    for (const char *p = said; (p = strstr(p, ": error ")) != NULL; p++)
        n++;
    /* limit, demoo, commit_max, path, x, code, endpoint */
    assert_int_equal(n, 7);
    free(said);
}

static void nul_bytes_are_refused(void **state)
{
    (void)state;
    struct sample s = {0};
    char *said;
    assert_int_equal(load(slice_of(NET "\0x", sizeof(NET) + 1), &s, &said),
                     ERR_CONF_ENCODING);
    free(said);
}

static void a_refused_element_names_its_place(void **state)
{
    (void)state;
    struct sample s = {.refuse = true};
    char *said;
    assert_int_equal(
        load(slice_str(NET "places = ( { code = \"HUB\" } );"), &s, &said),
        ERR_VAL_LGCODE);
    assert_non_null(strstr(said, "error E-VAL-003: places[0]: "));
    assert_null(s.endpoint);
    free(said);
}

static void a_file_is_read_and_paths_follow_it(void **state)
{
    (void)state;
    char folder[] = "/tmp/conf_test.XXXXXX", path[64], want[64], *said;
    struct sample s = {0};
    size_t n;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/a.conf", folder);
    snprintf(want, sizeof(want), "%s/data", folder);
    assert_int_equal(file_replace(path, slice_str(NET), 0600), ERR_OK);
    FILE *f = open_memstream(&said, &n);
    assert_int_equal(conf_load(path, ITEMS, &s, f), ERR_OK);
    assert_string_equal(s.store, want);
    drop(&s);
    unlink(path);
    assert_int_equal(conf_load(path, ITEMS, &s, f), ERR_NOT_FOUND);
    fclose(f);
    assert_non_null(strstr(said, "a.conf:1:1: error E-NF-001"));
    free(said);
    rmdir(folder);
}

static char *print(const struct sample *s)
{
    char *text;
    size_t n;
    FILE *f = open_memstream(&text, &n);
    conf_print(ITEMS, s, f);
    fclose(f);
    return text;
}

static void what_is_printed_reads_back(void **state)
{
    (void)state;
    struct sample s = {.endpoint = strdup("a\"b\\\n架"),
                       .store = strdup("/x y"),
                       .commit_max = 7,
                       .limit = 30000000000,
                       .demo = true};
    struct sample t = {0};
    char *said, *text = print(&s);
    if (load(slice_str(text), &t, &said) != ERR_OK)
        fail_msg("%s\n%s", said, text);
    assert_string_equal(t.endpoint, s.endpoint);
    assert_string_equal(t.store, s.store);
    assert_int_equal(t.commit_max, 7);
    assert_int_equal(t.limit, 30000000000);
    assert_true(t.demo);
    assert_non_null(strstr(text, "待ち受ける所"));
    drop(&s);
    drop(&t);
    free(said);
    free(text);
}

static void a_sample_lists_every_key(void **state)
{
    (void)state;
    char *text = print(NULL);
    for (const struct conf_item *i = ITEMS; i->key != NULL; i++) {
        const char *dot = strrchr(i->key, '.');
        assert_non_null(strstr(text, dot == NULL ? i->key : dot + 1));
    }
    assert_non_null(strstr(text, "commit_max = 64;"));
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_file_fills_the_target),
        cmocka_unit_test(absent_keys_get_their_default),
        cmocka_unit_test(bad_files_are_refused_with_the_place),
        cmocka_unit_test(only_real_tokens_are_judged),
        cmocka_unit_test(a_wrapped_integer_is_told_once),
        cmocka_unit_test(every_mistake_is_told_at_once),
        cmocka_unit_test(nul_bytes_are_refused),
        cmocka_unit_test(a_refused_element_names_its_place),
        cmocka_unit_test(a_file_is_read_and_paths_follow_it),
        cmocka_unit_test(what_is_printed_reads_back),
        cmocka_unit_test(a_sample_lists_every_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
