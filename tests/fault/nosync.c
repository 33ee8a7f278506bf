/* nosync.c - a disk under power cuts, for the outage story (LD_PRELOAD).
 *
 * SIGKILL leaves the page cache alone, so it cannot show a missing fsync. This
 * keeps beside each file below NOSYNC_ROOT what a power cut would leave of it:
 * a copy below NOSYNC_SHADOW, made anew whenever the program syncs the file.
 * After a kill the story puts the copies back. With NOSYNC_LIE=1 a sync says
 * "done" and copies nothing: that disk must be found out. Renames and removals
 * count as durable at once, except on the disk that lies. */
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool lies(void)
{
    const char *v = getenv("NOSYNC_LIE");
    return v != NULL && v[0] == '1';
}

/* Where the copy of a path lies; false when it is none of our business. */
static bool shadow_of(const char *path, char out[PATH_MAX])
{
    const char *root = getenv("NOSYNC_ROOT"), *to = getenv("NOSYNC_SHADOW");
    size_t n = root != NULL ? strlen(root) : 0;
    if (n == 0 || to == NULL || strncmp(path, root, n) != 0 || path[n] != '/')
        return false;
    return snprintf(out, PATH_MAX, "%s%s", to, path + n) < PATH_MAX;
}

static void copy(int from, const char *to)
{
    char block[65536], part[PATH_MAX + 8];
    snprintf(part, sizeof(part), "%s.part", to);
    int fd = open(part, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    ssize_t n;
    for (off_t at = 0;
         fd >= 0 && (n = pread(from, block, sizeof(block), at)) > 0; at += n)
        if (write(fd, block, (size_t)n) != n)
            abort();
    if (fd < 0 || close(fd) != 0 || renameat(AT_FDCWD, part, AT_FDCWD, to) != 0)
        abort();
}

static void keep(int fd)
{
    char link[64], path[PATH_MAX], to[PATH_MAX];
    struct stat st;
    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof(path) - 1);
    if (n <= 0 || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
        return;
    path[n] = '\0';
    int in = shadow_of(path, to) ? open(path, O_RDONLY) : -1;
    if (in >= 0) {
        copy(in, to);
        close(in);
    }
}

static int sync_with(const char *name, int fd)
{
    if (lies())
        return 0;
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
    int rc = real(fd);
    if (rc == 0)
        keep(fd);
    return rc;
}

int fsync(int fd)
{
    return sync_with("fsync", fd);
}

int fdatasync(int fd)
{
    return sync_with("fdatasync", fd);
}

int rename(const char *from, const char *to)
{
    char a[PATH_MAX], b[PATH_MAX];
    int rc = renameat(AT_FDCWD, from, AT_FDCWD, to);
    if (rc == 0 && !lies() && shadow_of(from, a) && shadow_of(to, b))
        renameat(AT_FDCWD, a, AT_FDCWD, b);
    return rc;
}

int unlink(const char *path)
{
    char a[PATH_MAX];
    int rc = unlinkat(AT_FDCWD, path, 0);
    if (rc == 0 && !lies() && shadow_of(path, a))
        unlinkat(AT_FDCWD, a, 0);
    return rc;
}
