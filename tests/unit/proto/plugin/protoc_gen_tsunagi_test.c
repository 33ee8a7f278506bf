/* protoc_gen_tsunagi_test.c - schemas that break a rule, given to the built
 * plug-in through protoc: each is refused by a sentence with file, message and
 * field. Run from the top of the tree; the plug-in is found beside the tests.
 */
#include "proto/base/buf.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define F(label, type, name, n, cls)                                           \
#label " " #type " " #name " = " #n " [(cls) = " #cls                      \
           ", (ja) = \"あ\", (en) = \"a\"];"
#define OK_FIELD F(optional, string, a, 1, G_META)
#define NAMED "option (event_ja) = \"あ\"; option (event_en) = \"a\"; "
#define EVENT(code) "option (event) = " #code "; " NAMED

static const struct {
    const char *name, *schema;
    const char *want; /* NULL: taken; else part of the answer */
} CASES[] = {
    /* clang-format off */
    {"a good event", "message A { " EVENT(9001) OK_FIELD " }", NULL},
    {"an event without fields", "message A { " EVENT(9001) " }", NULL},
    {"a message that is no event needs no class", "message A { optional string a = 1; }", NULL},
    {"a value of values", "message V { option (value) = true; optional Date d = 1 [(ja) = \"あ\", (en) = \"a\"]; } "
     "message A { " EVENT(9001) F(repeated, V, v, 1, G_ID) " }", NULL},
    {"a reissue", "message A { " EVENT(9001) "option (reissue_as) = 9002; " OK_FIELD " } "
     "message B { " EVENT(9002) "option (hub_only) = true; " OK_FIELD " }", NULL},
    {"a field without class", "message A { " EVENT(9001) "optional string a = 1 [(ja) = \"あ\", (en) = \"a\"]; }",
     "tsunagi/v1/bad.proto: A.a: has no data class"},
    {"a field of class 0", "message A { " EVENT(9001) F(optional, string, a, 1, DATA_CLASS_UNSPECIFIED) " }",
     "tsunagi/v1/bad.proto: A.a: has no data class"},
    {"a field without Japanese label", "message A { " EVENT(9001) "optional string a = 1 [(cls) = G_ID, (en) = \"a\"]; }",
     "tsunagi/v1/bad.proto: A.a: has no label"},
    {"a field without English label", "message A { " EVENT(9001) "optional string a = 1 [(cls) = G_ID, (ja) = \"あ\"]; }",
     "tsunagi/v1/bad.proto: A.a: has no label"},
    {"an event without label", "message A { option (event) = 9001; " OK_FIELD " }",
     "tsunagi/v1/bad.proto: A: has no event_ja"},
    {"a value with a class", "message V { option (value) = true; " F(optional, string, a, 1, G_ID) " }",
     "tsunagi/v1/bad.proto: V.a: a value takes the class"},
    {"a value without label", "message V { option (value) = true; optional string a = 1; }",
     "tsunagi/v1/bad.proto: V.a: has no label"},
    {"a class outside events", "message A { optional string a = 1 [(cls) = G_ID]; }",
     "tsunagi/v1/bad.proto: A.a: has a data class, but its message is no event"},
    {"a repeated message of mixed classes", "message M { " F(optional, string, a, 1, G_ID) F(optional, string, b, 2, G_DX) " } "
     "message A { " EVENT(9001) F(repeated, M, m, 1, G_ID) " }",
     "tsunagi/v1/bad.proto: A.m: is filled by a message without option (value)"},
    {"a value filled by another message", "message M { optional string a = 1; } message V { option (value) = true; "
     "optional M m = 1 [(ja) = \"あ\", (en) = \"a\"]; }",
     "tsunagi/v1/bad.proto: V.m: is filled by a message without option (value)"},
    {"a message inside itself", "message A { optional A a = 1; }",
     "tsunagi/v1/bad.proto: A.a: is recursive"},
    {"two messages inside each other", "message A { optional B b = 1; } message B { optional A a = 1; }",
     "tsunagi/v1/bad.proto: B.a: is recursive"},
    {"a nested message that holds its parent", "message A { message N { optional A a = 1; } optional N n = 1; }",
     "tsunagi/v1/bad.proto: A.N.a: is recursive"},
    {"a value inside itself", "message V { option (value) = true; repeated V v = 1 [(ja) = \"あ\", (en) = \"a\"]; }",
     "tsunagi/v1/bad.proto: V.v: is recursive"},
    {"an enum without UNSPECIFIED", "enum E { ZERO = 0; ONE = 1; }",
     "tsunagi/v1/bad.proto: E: has no value 0 named ..._UNSPECIFIED"},
    {"an enum without 0", "enum E { E_UNSPECIFIED = 1; }",
     "tsunagi/v1/bad.proto: E: has no value 0 named ..._UNSPECIFIED"},
    {"a nested enum without UNSPECIFIED", "message A { enum E { ZERO = 0; } }",
     "tsunagi/v1/bad.proto: A.E: has no value 0 named ..._UNSPECIFIED"},
    {"an enum of an event without labels", "enum E { E_UNSPECIFIED = 0; ONE = 1; } "
     "message A { " EVENT(9001) F(optional, E, e, 1, G_ID) " }",
     "tsunagi/v1/bad.proto: E.ONE: has no label"},
    {"oneof", "message A { " EVENT(9001) "oneof o { string a = 1 [(cls) = G_ID, (ja) = \"あ\", (en) = \"a\"]; } }",
     "tsunagi/v1/bad.proto: A.a: oneof is not allowed"},
    {"required", "message A { " EVENT(9001) F(required, string, a, 1, G_ID) " }",
     "tsunagi/v1/bad.proto: A.a: required fields cannot be withheld"},
    {"default", "message A { " EVENT(9001) "optional string a = 1 [default = \"x\", (cls) = G_ID, (ja) = \"あ\", (en) = \"a\"]; }",
     "tsunagi/v1/bad.proto: A.a: default makes absent look present"},
    {"map", "message A { " EVENT(9001) "map<string, string> a = 1 [(cls) = G_ID, (ja) = \"あ\", (en) = \"a\"]; }",
     "tsunagi/v1/bad.proto: A.a: map is not allowed"},
    {"group", "message A { " EVENT(9001) "optional group G = 1 [(cls) = G_ID, (ja) = \"あ\", (en) = \"a\"] { optional string a = 1; } }",
     "tsunagi/v1/bad.proto: A.g: group is not allowed"},
    {"packed", "message A { " EVENT(9001) "repeated uint32 a = 1 [packed = true, (cls) = G_ID, (ja) = \"あ\", (en) = \"a\"]; }",
     "tsunagi/v1/bad.proto: A.a: packed is not allowed"},
    {"oneof in a value", "message V { option (value) = true; oneof o { string a = 1 [(ja) = \"あ\", (en) = \"a\"]; } }",
     "tsunagi/v1/bad.proto: V.a: oneof is not allowed"},
    {"an extension range", "message A { " EVENT(9001) "extensions 100 to 200; }",
     "tsunagi/v1/bad.proto: A: extensions are not allowed"},
    {"an extension inside", "message A { " EVENT(9001) "extend google.protobuf.FileOptions { optional string x = 52000; } }",
     "tsunagi/v1/bad.proto: A: extensions are not allowed"},
    {"an event code twice", "message A { " EVENT(9001) OK_FIELD " } message B { " EVENT(9001) OK_FIELD " }",
     "tsunagi/v1/bad.proto: B: event code 9001 is already that of A"},
    {"event code 0", "message A { " EVENT(0) OK_FIELD " }", "tsunagi/v1/bad.proto: A: event code 0"},
    {"an event that is a value", "message A { " EVENT(9001) "option (value) = true; " OK_FIELD " }",
     "tsunagi/v1/bad.proto: A: is both an event and a value"},
    {"urgent without being an event", "message A { option (urgent) = true; optional string a = 1; }",
     "tsunagi/v1/bad.proto: A: has options of an event"},
    {"an event of another channel", "message A { " EVENT(9001) "option (channel) = \"abuse\"; " OK_FIELD " }", NULL},
    {"a channel without being an event", "message A { option (channel) = \"abuse\"; optional string a = 1; }",
     "tsunagi/v1/bad.proto: A: has options of an event"},
    {"a channel of the hub's own event", "message A { " EVENT(9001) "option (hub_only) = true; option (channel) = \"abuse\"; " OK_FIELD " }",
     "tsunagi/v1/bad.proto: A: is made by the hub, so it has no other channel"},
    {"two variants", "message A { " EVENT(9001) "optional Sex a = 1 [(variant) = true, (cls) = G_ID, (ja) = \"あ\", (en) = \"a\"]; "
     "optional Sex b = 2 [(variant) = true, (cls) = G_ID, (ja) = \"あ\", (en) = \"a\"]; }",
     "tsunagi/v1/bad.proto: A.b: is a second variant"},
    {"a variant that is no enum", "message A { " EVENT(9001) "optional string a = 1 [(variant) = true, (cls) = G_ID, (ja) = \"あ\", (en) = \"a\"]; }",
     "tsunagi/v1/bad.proto: A.a: a variant must be one enum"},
    {"a variant that repeats", "message A { " EVENT(9001) "repeated Sex a = 1 [(variant) = true, (cls) = G_ID, (ja) = \"あ\", (en) = \"a\"]; }",
     "tsunagi/v1/bad.proto: A.a: a variant must be one enum"},
    {"a variant outside events", "message A { optional Sex a = 1 [(variant) = true]; }",
     "tsunagi/v1/bad.proto: A.a: only events have variants"},
    {"an enum of another package", "message A { " EVENT(9001) F(optional, google.protobuf.FieldOptions.CType, a, 1, G_ID) " }",
     "tsunagi/v1/bad.proto: A.a: enum of another package"},
    {"a reissue as nothing", "message A { " EVENT(9001) "option (reissue_as) = 9002; " OK_FIELD " }",
     "tsunagi/v1/bad.proto: A: reissue_as names no other event"},
    {"a reissue by anybody", "message A { " EVENT(9001) "option (reissue_as) = 9002; " OK_FIELD " } message B { " EVENT(9002) OK_FIELD " }",
     "tsunagi/v1/bad.proto: B: is a reissue, so it must be hub_only"},
    {"a reissue with another class", "message A { " EVENT(9001) "option (reissue_as) = 9002; " OK_FIELD " } "
     "message B { " EVENT(9002) "option (hub_only) = true; " F(optional, string, a, 1, G_ID) " }",
     "tsunagi/v1/bad.proto: B.a: differs in class or type"},
    {"a reissue with another type", "message A { " EVENT(9001) "option (reissue_as) = 9002; " OK_FIELD " } "
     "message B { " EVENT(9002) "option (hub_only) = true; " F(optional, bytes, a, 1, G_META) " }",
     "tsunagi/v1/bad.proto: B.a: differs in class or type"},
    {"messages eight deep", "message A { optional B x = 1; } message B { optional C x = 1; } message C { optional D x = 1; } "
     "message D { optional E x = 1; } message E { optional G x = 1; } message G { optional H x = 1; } "
     "message H { optional I x = 1; } message I { optional string x = 1; }", NULL},
    {"messages nine deep", "message A { optional B x = 1; } message B { optional C x = 1; } message C { optional D x = 1; } "
     "message D { optional E x = 1; } message E { optional G x = 1; } message G { optional H x = 1; } "
     "message H { optional I x = 1; } message I { optional Name x = 1; }",
     "tsunagi/v1/bad.proto: A.x: is nested more than 8 messages deep"},
}; /* clang-format on */

static const char HEAD[] = "import \"google/protobuf/descriptor.proto\";\n"
                           "import \"protobuf-c/protobuf-c.proto\";\n"
                           "import \"tsunagi/v1/options.proto\";\n"
                           "import \"tsunagi/v1/value.proto\";\n";

/* ---- running protoc ------------------------------------------------------ */

static void plugin_path(char out[512])
{
    ssize_t n = readlink("/proc/self/exe", out, 400);
    assert_true(n > 0);
    out[n] = '\0';
    char *up = strstr(out, "/tests/unit/");
    assert_non_null(up);
    snprintf(up, 100, "/bin/protoc-gen-tsunagi");
}

static void write_file(const char *folder, const char *name, struct slice text)
{
    char path[512];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(text.p, 1, text.n, f), text.n);
    assert_int_equal(fclose(f), 0);
}

/* protoc's answer; true when it took the schemas named. */
static bool run(const char *folder, const char *path, const char *files,
                struct buf *answer)
{
    char plugin[512];
    plugin_path(plugin);
    struct buf command = {0};
    buf_addf(&command,
             "protoc -I %s -I %s -I /usr/include --plugin=%s "
             "--tsunagi_out=%s %s 2>&1",
             folder, path, plugin, folder, files);
    FILE *p = popen((char *)command.p, "r");
    assert_non_null(p);
    for (int c; (c = fgetc(p)) != EOF;)
        buf_addc(answer, (char)c);
    buf_fini(&command);
    return pclose(p) == 0;
}

static void folder_make(char folder[32])
{
    snprintf(folder, 32, "/tmp/tsunagi-XXXXXX");
    assert_non_null(mkdtemp(folder));
    char sub[64];
    snprintf(sub, sizeof(sub), "%s/tsunagi", folder);
    assert_int_equal(mkdir(sub, 0700), 0);
    snprintf(sub, sizeof(sub), "%s/tsunagi/v1", folder);
    assert_int_equal(mkdir(sub, 0700), 0);
}

static void folder_remove(const char *folder)
{
    static const char *const NAMES[] = {
        "tsunagi/v1/bad.proto", "tsunagi/v1/options.proto",
        "tsunagi/v1/state.proto", "schema_tables.c", "event_types.h"};
    char path[128];
    for (size_t i = 0; i < NELEM(NAMES); i++) {
        snprintf(path, sizeof(path), "%s/%s", folder, NAMES[i]);
        unlink(path);
    }
    snprintf(path, sizeof(path), "%s/tsunagi/v1", folder);
    rmdir(path);
    snprintf(path, sizeof(path), "%s/tsunagi", folder);
    rmdir(path);
    assert_int_equal(rmdir(folder), 0);
}

/* One schema, with `before` as its first lines, through protoc. */
static bool try(const char *before, const char *schema, struct buf *answer,
                struct buf *tables)
{
    char folder[32], path[64];
    folder_make(folder);
    struct buf text = {0};
    buf_adds(&text, before);
    buf_adds(&text, HEAD);
    buf_adds(&text, schema);
    buf_addc(&text, '\n');
    write_file(folder, "tsunagi/v1/bad.proto", buf_slice(&text));
    bool ok = run(folder, "proto", "tsunagi/v1/bad.proto", answer);
    snprintf(path, sizeof(path), "%s/schema_tables.c", folder);
    assert_int_equal(access(path, F_OK) == 0, ok);
    if (ok && tables != NULL)
        assert_int_equal(file_read(path, 1 << 20, tables), ERR_OK);
    folder_remove(folder);
    buf_fini(&text);
    return ok;
}

#define PROTO2 "syntax = \"proto2\"; package tsunagi.v1;\n"

/* ---- the tests ----------------------------------------------------------- */

static void a_schema_is_taken_or_refused_by_its_rule(void **state)
{
    (void)state;
    for (size_t i = 0; i < NELEM(CASES); i++) {
        struct buf answer = {0};
        bool ok = try(PROTO2, CASES[i].schema, &answer, NULL);
        const char *text = answer.p != NULL ? (char *)answer.p : "";
        if (ok != (CASES[i].want == NULL) ||
            (!ok && strstr(text, CASES[i].want) == NULL))
            fail_msg("%s: %s", CASES[i].name, text);
        buf_fini(&answer);
    }
}

static void all_faults_are_told_at_once(void **state)
{
    (void)state;
    struct buf answer = {0};
    assert_false(try(
        PROTO2,
        "enum E { ZERO = 0; }\n"
        "message A { " EVENT(9001) "required string a = 1; "
                                   "optional string b = 2 [(cls) = G_ID]; }",
        &answer, NULL));
    static const char *const WANT[] = {"E: has no value 0", "A.a: required",
                                       "A.a: has no data", "A.a: has no label",
                                       "A.b: has no label"};
    for (size_t i = 0; i < NELEM(WANT); i++)
        if (strstr((char *)answer.p, WANT[i]) == NULL)
            fail_msg("%s is not in %s", WANT[i], (char *)answer.p);
    buf_fini(&answer);
}

static void proto3_and_other_packages_are_refused(void **state)
{
    (void)state;
    struct buf answer = {0};
    assert_false(try("syntax = \"proto3\"; package tsunagi.v1;\n",
                     "message A { optional string a = 1; }", &answer, NULL));
    assert_non_null(strstr((char *)answer.p, "tsunagi/v1/bad.proto: syntax is "
                                             "proto3"));
    buf_reset(&answer);
    assert_false(try("syntax = \"proto2\"; package other;\n",
                     "message A { optional string a = 1; }", &answer, NULL));
    assert_non_null(
        strstr((char *)answer.p, "tsunagi/v1/bad.proto: is not in package"));
    buf_fini(&answer);
}

/* options.proto itself, with one class too many. */
static void a_class_without_a_bit_in_the_mask_is_refused(void **state)
{
    (void)state;
    char folder[32];
    folder_make(folder);
    struct buf text = {0}, more = {0}, answer = {0};
    assert_int_equal(
        file_read("proto/tsunagi/v1/options.proto", 1 << 20, &text), ERR_OK);
    char *at = strstr((char *)text.p, "DATA_CLASS_UNSPECIFIED = 0;");
    assert_non_null(at);
    size_t n = (size_t)(at - (char *)text.p);
    buf_add(&more, text.p, n);
    buf_adds(&more, "G_TOO_MANY = 64 [(value_ja) = \"あ\", "
                    "(value_en) = \"a\"]; G_MUTE = 63; ");
    buf_adds(&more, at);
    char *zero = strstr((char *)more.p, "DATA_CLASS_UNSPECIFIED");
    assert_non_null(zero);
    write_file(folder, "tsunagi/v1/options.proto", buf_slice(&more));
    assert_false(run(folder, "proto", "tsunagi/v1/options.proto", &answer));
    assert_non_null(strstr((char *)answer.p,
                           "tsunagi/v1/options.proto: DataClass.G_TOO_MANY: "
                           "more than 63 classes"));
    assert_non_null(strstr((char *)answer.p, "DataClass.G_MUTE: has no label"));
    folder_remove(folder);
    buf_fini(&text);
    buf_fini(&more);
    buf_fini(&answer);
}

static const char *digest_of(struct buf *tables)
{
    const char *p = strstr((char *)tables->p, "SCHEMA_DIGEST[32]");
    assert_non_null(p);
    return p;
}

static void the_digest_follows_meaning_and_not_layout(void **state)
{
    (void)state;
    struct buf answer = {0}, a = {0}, b = {0}, c = {0};
    assert_true(
        try(PROTO2, "message A { optional string a = 1; }", &answer, &a));
    assert_true(try(PROTO2,
                    "// a comment\nmessage A {\noptional string a = 1; "
                    "}",
                    &answer, &b));
    assert_true(
        try(PROTO2, "message A { optional string a = 2; }", &answer, &c));
    assert_string_equal(digest_of(&a), digest_of(&b));
    assert_string_not_equal(digest_of(&a), digest_of(&c));
    buf_fini(&answer);
    buf_fini(&a);
    buf_fini(&b);
    buf_fini(&c);
}

/* The tables of wire.proto and of a state.proto with this in it. */
static void with_state(const char *schema, struct buf *tables)
{
    char folder[32], path[64];
    struct buf text = {0}, answer = {0};
    folder_make(folder);
    buf_adds(&text, PROTO2);
    buf_adds(&text, schema);
    write_file(folder, "tsunagi/v1/state.proto", buf_slice(&text));
    if (!run(folder, "proto", "tsunagi/v1/wire.proto tsunagi/v1/state.proto",
             &answer))
        fail_msg("%s", (char *)answer.p);
    snprintf(path, sizeof(path), "%s/schema_tables.c", folder);
    assert_int_equal(file_read(path, 1 << 20, tables), ERR_OK);
    folder_remove(folder);
    buf_fini(&text);
    buf_fini(&answer);
}

static void what_never_travels_is_not_in_the_digest(void **state) /* W-002 */
{
    (void)state;
    struct buf a = {0}, b = {0};
    with_state("message Kept { optional string a = 1; }", &a);
    with_state("message Kept { optional bytes b = 2; }", &b);
    assert_string_equal(digest_of(&a), digest_of(&b));
    assert_non_null(strstr((char *)a.p, "pb__kept__descriptor"));
    buf_fini(&a);
    buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_schema_is_taken_or_refused_by_its_rule),
        cmocka_unit_test(all_faults_are_told_at_once),
        cmocka_unit_test(proto3_and_other_packages_are_refused),
        cmocka_unit_test(a_class_without_a_bit_in_the_mask_is_refused),
        cmocka_unit_test(the_digest_follows_meaning_and_not_layout),
        cmocka_unit_test(what_never_travels_is_not_in_the_digest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
