/* nosync.c - a disk under power cuts (LD_PRELOAD), by the model of disk.h.
 *
 * SIGKILL leaves the page cache alone, so it cannot show a missing fsync. This
 * keeps beside the folders of NOSYNC_ROOT what a power cut would leave of them;
 * tsunagi-powercut then cuts. Nothing is really synced: it would only be slow.
 * It notes where a file is written, so that a sync copies no more than that; a
 * way of writing that it does not know would look like a lost sync, never like
 * a good one.
 *
 * NOSYNC_LIE names the syncs that say "done" and do nothing: 1 all of them,
 * "/" those of folders, else files whose name ends so ("-wal", "anchor").
 * Such a disk must be found out. */
#include "tests/fault/disk.h"
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILES 256
/* Where this process has written since a sync; one not in it: anywhere. */
static struct touched {
    ino_t n;
    off_t from, to;
    bool all;
} files[FILES];
static size_t file_count;

static struct touched *find(ino_t n)
{
    for (size_t i = 0; i < file_count; i++)
        if (files[i].n == n)
            return &files[i];
    return NULL;
}

static bool path_of_fd(int fd, char path[PATH_MAX])
{
    char link[64];
    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, PATH_MAX - 1);
    path[n > 0 ? n : 0] = '\0';
    return n > 0;
}

static void touch(int fd, off_t from, off_t to, bool all)
{
    struct stat st;
    struct touched *t = fstat(fd, &st) == 0 ? find(st.st_ino) : NULL;
    if (t == NULL)
        return;
    t->all |= all;
    if (t->to <= t->from) {
        t->from = from;
        t->to = to;
        return;
    }
    t->from = from < t->from ? from : t->from;
    t->to = to > t->to ? to : t->to;
}

static bool lies(const char *path, bool folder)
{
    const char *v = getenv("NOSYNC_LIE");
    if (v == NULL || strcmp(v, "0") == 0)
        return false;
    size_t n = strlen(v), m = strlen(path);
    if (strcmp(v, "1") == 0)
        return true;
    if (strcmp(v, "/") == 0)
        return folder;
    return !folder && m >= n && strcmp(path + m - n, v) == 0;
}

static void sync_file(int fd, ino_t n)
{
    struct touched *t = find(n);
    if (t == NULL && file_count < FILES) {
        t = &files[file_count++];
        *t = (struct touched){.n = n, .all = true};
    }
    disk_keep_file(fd, t != NULL ? t->from : 0, t != NULL ? t->to : 0,
                   t == NULL || t->all);
    if (t != NULL)
        *t = (struct touched){.n = n};
}

static int sync_one(const char *name, int fd)
{
    char path[PATH_MAX];
    struct stat st;
    if (fstat(fd, &st) != 0 || !path_of_fd(fd, path) || !disk_has(path)) {
        int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
        return real(fd);
    }
    if (lies(path, S_ISDIR(st.st_mode)))
        return 0;
    if (S_ISDIR(st.st_mode))
        disk_keep_folder(path);
    else if (S_ISREG(st.st_mode))
        sync_file(fd, st.st_ino);
    return 0;
}

int fsync(int fd)
{
    return sync_one("fsync", fd);
}

int fdatasync(int fd)
{
    return sync_one("fdatasync", fd);
}

#define REAL(type, ...) static type (*real)(__VA_ARGS__)
#define FIND(name)                                                             \
    if (real == NULL)                                                          \
    *(void **)&real = dlsym(RTLD_NEXT, name)

ssize_t write(int fd, const void *p, size_t n)
{
    REAL(ssize_t, int, const void *, size_t);
    FIND("write");
    off_t at = file_count > 0 ? lseek(fd, 0, SEEK_CUR) : -1;
    ssize_t rc = real(fd, p, n);
    if (rc > 0 && at >= 0)
        touch(fd, at, at + rc, false);
    return rc;
}

ssize_t pwrite(int fd, const void *p, size_t n, off_t at)
{
    REAL(ssize_t, int, const void *, size_t, off_t);
    FIND("pwrite");
    ssize_t rc = real(fd, p, n, at);
    if (rc > 0)
        touch(fd, at, at + rc, false);
    return rc;
}

ssize_t pwrite64(int fd, const void *p, size_t n, off64_t at)
{
    REAL(ssize_t, int, const void *, size_t, off64_t);
    FIND("pwrite64");
    ssize_t rc = real(fd, p, n, at);
    if (rc > 0)
        touch(fd, at, at + rc, false);
    return rc;
}

int ftruncate(int fd, off_t size)
{
    REAL(int, int, off_t);
    FIND("ftruncate");
    touch(fd, 0, 0, true);
    return real(fd, size);
}

int ftruncate64(int fd, off64_t size)
{
    REAL(int, int, off64_t);
    FIND("ftruncate64");
    touch(fd, 0, 0, true);
    return real(fd, size);
}
