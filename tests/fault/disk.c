/* disk.c - see disk.h. Whatever goes wrong here ends the program: a test of
 * durability that goes on by halves proves nothing. */
#include "tests/fault/disk.h"
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BLOCK 4096

static void must(bool ok, const char *what)
{
    if (ok)
        return;
    perror(what);
    abort();
}

static const char *shadow(void)
{
    const char *s = getenv("NOSYNC_SHADOW");
    must(s != NULL, "NOSYNC_SHADOW");
    return s;
}

static void path_in(char out[PATH_MAX], const char *folder, const char *name)
{
    must(snprintf(out, PATH_MAX, "%s/%s", folder, name) < PATH_MAX, name);
}

static void path_of(char out[PATH_MAX], const char *kind, ino_t n)
{
    must(snprintf(out, PATH_MAX, "%s/%s/%llu", shadow(), kind,
                  (unsigned long long)n) < PATH_MAX,
         kind);
}

/* ---- the folders ---- */

/* Calls each with every folder of NOSYNC_ROOT. */
static void each_root(void (*each)(void *ctx, const char *folder), void *ctx)
{
    const char *roots = getenv("NOSYNC_ROOT");
    char copy[DISK_FOLDERS * PATH_MAX], *at = copy, *folder;
    must(roots != NULL && strlen(roots) < sizeof(copy), "NOSYNC_ROOT");
    memcpy(copy, roots, strlen(roots) + 1);
    while ((folder = strsep(&at, ":")) != NULL)
        each(ctx, folder);
}

struct sought {
    const char *path;
    bool found;
};

static void look(void *ctx, const char *folder)
{
    struct sought *s = ctx;
    size_t n = strlen(folder);
    s->found |= strncmp(s->path, folder, n) == 0 &&
                (s->path[n] == '/' || s->path[n] == '\0');
}

bool disk_has(const char *path)
{
    struct sought s = {path, false};
    if (getenv("NOSYNC_ROOT") != NULL)
        each_root(look, &s);
    return s.found;
}

/* Calls each with every regular file of a folder. */
static void each_file(const char *folder,
                      void (*each)(void *ctx, const char *path,
                                   const char *name, ino_t n),
                      void *ctx)
{
    DIR *d = opendir(folder);
    struct dirent *e;
    must(d != NULL, folder);
    while ((e = readdir(d)) != NULL) {
        char path[PATH_MAX];
        struct stat st;
        path_in(path, folder, e->d_name);
        if (lstat(path, &st) == 0 && S_ISREG(st.st_mode))
            each(ctx, path, e->d_name, st.st_ino);
    }
    closedir(d);
}

/* ---- content ---- */

/* The plain system calls: the shim's own must not count them. */
static void copy_range(int from, int to, off_t at, off_t end)
{
    char block[65536];
    while (at < end) {
        size_t want = end - at < (off_t)sizeof(block) ? (size_t)(end - at)
                                                      : sizeof(block);
        ssize_t n = pread(from, block, want, at);
        must(n >= 0, "read");
        if (n == 0)
            return;
        must(pwrite(to, block, (size_t)n, at) == n, "write");
        at += n;
    }
}

static void remember(const char *path, ino_t n)
{
    char name[PATH_MAX];
    path_of(name, "link", n);
    if (access(name, F_OK) != 0)
        must(link(path, name) == 0, name);
}

void disk_keep_file(int fd, off_t from, off_t to, bool all)
{
    char name[PATH_MAX], self[64];
    struct stat st;
    must(fstat(fd, &st) == 0, "fstat");
    snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
    path_of(name, "ino", st.st_ino);
    int in = open(self, O_RDONLY | O_CLOEXEC);
    int out = open(name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    must(in >= 0 && out >= 0, name);
    if (all || to > st.st_size)
        to = st.st_size;
    copy_range(in, out, all ? 0 : from, to);
    must(ftruncate(out, st.st_size) == 0, name);
    close(in);
    close(out);
    path_of(name, "link", st.st_ino);
    if (access(name, F_OK) != 0) /* unlinked already: nothing to remember */
        (void)!linkat(AT_FDCWD, self, AT_FDCWD, name, AT_SYMLINK_FOLLOW);
}

/* ---- names ---- */

static void list_name(char out[PATH_MAX], const char *folder)
{
    must(snprintf(out, PATH_MAX, "%s/dir/%s", shadow(), folder) < PATH_MAX,
         folder);
    for (char *p = out + strlen(shadow()) + 5; *p != '\0'; p++)
        if (*p == '/')
            *p = '%';
}

static void list_one(void *ctx, const char *path, const char *name, ino_t n)
{
    char content[PATH_MAX];
    remember(path, n);
    path_of(content, "ino", n);
    int fd = open(content, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    must(fd >= 0, content); /* never synced: nothing is in it */
    close(fd);
    fprintf(ctx, "%llu %s\n", (unsigned long long)n, name);
}

void disk_keep_folder(const char *path)
{
    char name[PATH_MAX], part[PATH_MAX];
    list_name(name, path);
    must(snprintf(part, sizeof(part), "%s/part", shadow()) < PATH_MAX, name);
    FILE *f = fopen(part, "w");
    must(f != NULL, part);
    each_file(path, list_one, f);
    must(fclose(f) == 0 && renameat(AT_FDCWD, part, AT_FDCWD, name) == 0, name);
}

/* ---- settle ---- */

static void clear_one(void *ctx, const char *path, const char *name, ino_t n)
{
    (void)ctx, (void)name, (void)n;
    must(unlinkat(AT_FDCWD, path, 0) == 0, path);
}

static void settle_one(void *ctx, const char *path, const char *name, ino_t n)
{
    (void)ctx, (void)name, (void)n;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    must(fd >= 0, path);
    disk_keep_file(fd, 0, 0, true);
    close(fd);
}

static void settle_folder(void *ctx, const char *folder)
{
    (void)ctx;
    if (access(folder, F_OK) != 0)
        must(mkdir(folder, 0700) == 0, folder);
    each_file(folder, settle_one, NULL);
    disk_keep_folder(folder);
}

void disk_settle(void)
{
    static const char *const KINDS[] = {"ino", "link", "dir"};
    mkdir(shadow(), 0700);
    for (size_t i = 0; i < 3; i++) {
        char path[PATH_MAX];
        path_in(path, shadow(), KINDS[i]);
        mkdir(path, 0700);
        each_file(path, clear_one, NULL);
    }
    each_root(settle_folder, NULL);
}

/* ---- the cut ---- */

static uint64_t rng;
static bool chance(void)
{
    rng ^= rng << 13;
    rng ^= rng >> 7;
    rng ^= rng << 17;
    return (rng >> 33 & 1) != 0;
}

/* Blocks that the program wrote and never synced, some of them. */
static void keep_some(int live, int out)
{
    char mine[BLOCK], theirs[BLOCK];
    struct stat st;
    must(fstat(live, &st) == 0, "fstat");
    for (off_t at = 0; at < st.st_size; at += BLOCK) {
        ssize_t n = pread(live, mine, BLOCK, at);
        ssize_t m = pread(out, theirs, BLOCK, at);
        must(n > 0 && m >= 0, "read");
        if ((n != m || memcmp(mine, theirs, (size_t)n) != 0) && chance())
            must(pwrite(out, mine, (size_t)n, at) == n, "write");
    }
}

/* The file as the disk has it, under its name in a new folder. */
static void put_back(const char *to, ino_t n, uint64_t seed)
{
    char content[PATH_MAX], live[PATH_MAX];
    struct stat st;
    path_of(content, "ino", n);
    path_of(live, "link", n);
    int in = open(content, O_RDONLY | O_CLOEXEC);
    int was = open(live, O_RDONLY | O_CLOEXEC);
    must(in >= 0 && was >= 0 && fstat(was, &st) == 0, content);
    int out = open(to, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    must(out >= 0 && fchmod(out, st.st_mode & 0777) == 0, to);
    copy_range(in, out, 0, (off_t)1 << 40);
    if (seed != 0)
        keep_some(was, out);
    close(in);
    close(was);
    close(out);
}

struct cut {
    uint64_t seed;
};

static void cut_folder(void *ctx, const char *folder)
{
    const struct cut *c = ctx;
    char name[PATH_MAX], line[PATH_MAX], file[PATH_MAX];
    unsigned long long n;
    if (c->seed != 0 && chance())
        disk_keep_folder(folder); /* its names got there in time */
    each_file(folder, clear_one, NULL);
    list_name(name, folder);
    FILE *f = fopen(name, "r");
    must(f != NULL, name);
    while (fgets(line, sizeof(line), f) != NULL) {
        char entry[NAME_MAX + 1];
        must(sscanf(line, "%llu %255s", &n, entry) == 2, name);
        path_in(file, folder, entry);
        put_back(file, (ino_t)n, c->seed);
    }
    fclose(f);
}

void disk_cut(uint64_t seed)
{
    struct cut c = {seed};
    rng = seed * 2654435761u + 88172645463325252u;
    each_root(cut_folder, &c);
    disk_settle();
}
