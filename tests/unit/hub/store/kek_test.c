/* Files of key-encryption keys. */
#include "tests/unit/hub/store/world.h"

#include "hub/store/kek.h"
#include "proto/wire/sign.h"
#include <dirent.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#define SECRET "0123456789abcdef0123456789abcdef and more"
#define AAD slice_str("what it is bound to")

/* The credential of the service manager, or none (NULL). */
static void credential(const struct world *w, const char *text)
{
    char path[112];
    unsetenv("CREDENTIALS_DIRECTORY");
    if (text == NULL)
        return;
    snprintf(path, sizeof(path), "%s/tsunagi-kek", w->keys);
    ok(file_replace(path, slice_str(text), 0400));
    assert_int_equal(setenv("CREDENTIALS_DIRECTORY", w->keys, 1), 0);
}

static void *opened(struct world *w)
{
    void *kek;
    ok(KEK_FILES.open(w->kek, &kek, &w->why));
    return kek;
}

static void refused(struct world *w, const char *why)
{
    void *kek;
    buf_reset(&w->why);
    assert_int_equal(KEK_FILES.open(w->kek, &kek, &w->why), ERR_STORE_OPEN);
    assert_null(kek);
    if (strstr((char *)w->why.p, why) == NULL)
        fail_msg("%s", (char *)w->why.p);
}

static void epoch_path(const struct world *w, unsigned epoch, char out[128])
{
    snprintf(out, 128, "%s/epoch-%u.kek", w->kek, epoch);
}

static bool file_says(const char *path, const char *what)
{
    struct buf b = {0};
    slurp(path, &b);
    bool says = strstr((char *)b.p, what) != NULL;
    buf_fini(&b);
    return says;
}

static int count_files(const char *folder)
{
    int n = 0;
    DIR *d = opendir(folder);
    assert_non_null(d);
    for (const struct dirent *e; (e = readdir(d)) != NULL;)
        n += e->d_name[0] != '.';
    closedir(d);
    return n;
}

static void wrapped_keys_open_under_their_epoch_alone(void **state)
{
    struct world *w = *state;
    void *kek = opened(w);
    struct buf a = {0}, out = {0};
    ok(KEK_FILES.new_epoch(kek, 1));
    ok(KEK_FILES.new_epoch(kek, 2));
    assert_int_equal(KEK_FILES.new_epoch(kek, 2), ERR_CONFLICT);
    ok(KEK_FILES.wrap(kek, 1, AAD, slice_str("key"), &a));
    KEK_FILES.close(&kek);
    kek = opened(w);
    uint32_t held[KEK_EPOCHS];
    assert_int_equal(KEK_FILES.epochs(kek, held), 2);
    assert_int_equal(held[0], 1);
    assert_int_equal(held[1], 2);
    ok(KEK_FILES.unwrap(kek, 1, AAD, buf_slice(&a), &out));
    assert_string_equal((char *)out.p, "key");
    assert_int_equal(KEK_FILES.unwrap(kek, 2, AAD, buf_slice(&a), &out),
                     ERR_INTEGRITY);
    assert_int_equal(
        KEK_FILES.unwrap(kek, 1, slice_str("other"), buf_slice(&a), &out),
        ERR_INTEGRITY);
    assert_int_equal(KEK_FILES.unwrap(kek, 3, AAD, buf_slice(&a), &out),
                     ERR_NOT_FOUND);
    ok(KEK_FILES.destroy(kek, 1));
    ok(KEK_FILES.destroy(kek, 1));
    assert_int_equal(KEK_FILES.unwrap(kek, 1, AAD, buf_slice(&a), &out),
                     ERR_NOT_FOUND);
    KEK_FILES.close(&kek);
    assert_null(kek);
    buf_fini(&a);
    buf_fini(&out);
}

/* A second name for the file shows what became of its bytes. */
static void a_destroyed_file_is_written_over_first(void **state)
{
    struct world *w = *state;
    void *kek = opened(w);
    char path[128], other[128];
    ok(KEK_FILES.new_epoch(kek, 1));
    epoch_path(w, 1, path);
    snprintf(other, sizeof(other), "%s/other", w->dir);
    assert_int_equal(link(path, other), 0);
    assert_true(file_says(other, "tsunagi-kek/2"));
    ok(KEK_FILES.destroy(kek, 1));
    assert_int_not_equal(access(path, F_OK), 0);
    struct buf b = {0};
    slurp(other, &b);
    assert_true(b.n > 64);
    assert_null(memmem(b.p, b.n, "tsunagi", 7));
    buf_fini(&b);
    KEK_FILES.close(&kek);
}

static void under_a_credential_the_folder_alone_opens_nothing(void **state)
{
    struct world *w = *state;
    char path[128];
    credential(w, SECRET);
    void *kek = opened(w);
    ok(KEK_FILES.new_epoch(kek, 1));
    KEK_FILES.close(&kek);
    epoch_path(w, 1, path);
    assert_true(file_says(path, "\nsealed "));
    assert_false(file_says(path, "\nkey "));
    credential(w, NULL);
    refused(w, "credential tsunagi-kek");
    credential(w, "another one, of more than 32 bytes");
    refused(w, "not a key file");
    credential(w, "too short");
    refused(w, "not 32 bytes");
    credential(w, SECRET);
    kek = opened(w);
    KEK_FILES.close(&kek);
    credential(w, NULL);
}

static void
a_credential_that_came_later_seals_from_the_next_epoch_on(void **state)
{
    struct world *w = *state;
    char one[128], two[128];
    epoch_path(w, 1, one);
    epoch_path(w, 2, two);
    void *kek = opened(w);
    ok(KEK_FILES.new_epoch(kek, 1));
    KEK_FILES.close(&kek);
    credential(w, SECRET);
    kek = opened(w);
    ok(KEK_FILES.new_epoch(kek, 2));
    KEK_FILES.close(&kek);
    assert_true(file_says(one, "\nkey "));
    assert_true(file_says(two, "\nsealed "));
    credential(w, NULL);
}

/* SYSTEMD.EXEC(5): another service's credentials are none of ours. */
static void a_folder_without_our_credential_is_as_none(void **state)
{
    struct world *w = *state;
    char path[128];
    assert_int_equal(setenv("CREDENTIALS_DIRECTORY", w->data, 1), 0);
    void *kek = opened(w);
    ok(KEK_FILES.new_epoch(kek, 1));
    KEK_FILES.close(&kek);
    epoch_path(w, 1, path);
    assert_true(file_says(path, "\nkey "));
    credential(w, NULL);
}

static const struct {
    const char *name, *text;
} BAD[] = {
    {"an empty file", ""},
    {"the format before", "tsunagi-kek/1\n00\n"},
    {"another epoch's", "tsunagi-kek/2\nepoch 2\nkey 00\n"},
    {"too few digits", "tsunagi-kek/2\nepoch 1\nkey 00\n"},
    {"no digits", "tsunagi-kek/2\nepoch 1\nkey \n"},
    {"no end of line",
     "tsunagi-kek/2\nepoch 1\nkey "
     "0000000000000000000000000000000000000000000000000000000000000000"},
    {"letters",
     "tsunagi-kek/2\nepoch 1\nkey "
     "zz00000000000000000000000000000000000000000000000000000000000000\n"},
};

static void a_file_that_is_no_key_stops_the_start(void **state)
{
    struct world *w = *state;
    char path[128];
    void *kek = opened(w);
    KEK_FILES.close(&kek);
    epoch_path(w, 1, path);
    for (size_t i = 0; i < NELEM(BAD); i++) {
        ok(file_replace(path, slice_str(BAD[i].text), 0600));
        refused(w, "not a key file");
    }
    assert_int_equal(unlink(path), 0);
    assert_int_equal(symlink("/etc/hostname", path), 0);
    refused(w, "not a key file");
}

static void the_folder_is_the_owners_alone(void **state)
{
    struct world *w = *state;
    void *kek = opened(w);
    KEK_FILES.close(&kek);
    assert_int_equal(chmod(w->kek, 0750), 0);
    refused(w, "open to others");
    assert_int_equal(chmod(w->kek, 0700), 0);
    assert_int_equal(rmdir(w->kek), 0);
    ok(file_replace(w->kek, slice_str("a file, as before"), 0600));
    refused(w, "not a folder");
}

static void what_a_crash_left_half_written_is_destroyed(void **state)
{
    struct world *w = *state;
    char path[128];
    uint32_t held[KEK_EPOCHS];
    void *kek = opened(w);
    KEK_FILES.close(&kek);
    snprintf(path, sizeof(path), "%s/epoch-7.kek.tmp-abcdef", w->kek);
    ok(file_replace(path, slice_str("tsunagi-kek/2\nep"), 0600));
    kek = opened(w);
    assert_int_equal(KEK_FILES.epochs(kek, held), 0);
    assert_int_not_equal(access(path, F_OK), 0);
    KEK_FILES.close(&kek);
}

/* The process is stopped the moment the old key's bytes are written over. */
static void destroying_may_be_cut_off_anywhere(void **state)
{
    struct world *w = *state;
    char path[128];
    uint32_t held[KEK_EPOCHS];
    void *kek = opened(w);
    ok(KEK_FILES.new_epoch(kek, 1));
    ok(KEK_FILES.new_epoch(kek, 2));
    pid_t child = fork();
    if (child == 0) {
        const struct rlimit none = {0, 0};
        signal(SIGXFSZ, SIG_DFL); /* the first byte written kills */
        setrlimit(RLIMIT_FSIZE, &none);
        (void)!KEK_FILES.destroy(kek, 1);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGXFSZ);
    KEK_FILES.close(&kek);
    epoch_path(w, 1, path); /* had it been written over in place */
    assert_int_not_equal(access(path, F_OK), 0);
    kek = opened(w);
    assert_int_equal(KEK_FILES.epochs(kek, held), 1);
    assert_int_equal(held[0], 2);
    KEK_FILES.close(&kek);
    assert_int_equal(count_files(w->kek), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_WORLD(wrapped_keys_open_under_their_epoch_alone),
        IN_WORLD(a_destroyed_file_is_written_over_first),
        IN_WORLD(under_a_credential_the_folder_alone_opens_nothing),
        IN_WORLD(a_credential_that_came_later_seals_from_the_next_epoch_on),
        IN_WORLD(a_folder_without_our_credential_is_as_none),
        IN_WORLD(a_file_that_is_no_key_stops_the_start),
        IN_WORLD(the_folder_is_the_owners_alone),
        IN_WORLD(what_a_crash_left_half_written_is_destroyed),
        IN_WORLD(destroying_may_be_cut_off_anywhere),
    };
    if (sign_init() != ERR_OK)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
