/* folder.c - watched folder.
 *
 * Files arrive by share, copy or human hand, so nothing tells when one is
 * complete. Each scan compares size, time and inode with the scan before; the
 * file is read when they have stayed the same for the quiet time of the
 * monotonic clock (a wrong wall clock changes nothing), and checked again
 * after reading. Then: callback -> reason or receipt file -> rename -> fsync of
 * both directories. A crash anywhere before the rename repeats the file, and
 * source keys made of its content make that harmless.
 *
 * Names are other people's words and may hold a patient's name: they are
 * never logged, and the reason file repeats only what the caller wrote. */
#include "adapters/connect/folder.h"
#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define NAME_KEPT 180 /* longer names are replaced: room for our suffixes */
#define AGAIN_MS 2000
#define SUFFIXES 160

struct seen {
    char *name;
    off_t size;
    struct timespec mtime;
    ino_t inode;
    uint64_t since; /* monotonic ms of the last change */
    uint64_t after; /* not before */
    bool present, told;
};

struct folder {
    struct tsunagi_host *host;
    char *path, *done, *rejected;
    char suffix[SUFFIXES];
    size_t max_bytes;
    uint64_t quiet_ms;
    folder_reader *read;
    void *self;
    struct seen *seen;
    size_t n, room;
};

static uint64_t monotonic_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static char *join(const char *dir, const char *name, const char *tail)
{
    char *s = NULL;
    if (asprintf(&s, "%s/%s%s", dir, name, tail) < 0)
        return NULL;
    return s;
}

bool folder_is_passing(tsunagi_code code)
{
    static const char *const PASSING[] = {
        "E-INT-001", "E-INT-002", "E-INT-003", "E-IO-001",
        "E-STO-001", "E-STO-002", "E-BSY-001",
    };
    if (code == NULL)
        return false;
    for (size_t i = 0; i < sizeof(PASSING) / sizeof(PASSING[0]); i++)
        if (strcmp(PASSING[i], code) == 0)
            return true;
    return false;
}

void folder_source(const uint8_t *bytes, size_t n, unsigned row,
                   char out[FOLDER_SOURCE])
{
    uint8_t hash[crypto_hash_sha256_BYTES];
    char hex[41];
    crypto_hash_sha256(hash, bytes, n);
    sodium_bin2hex(hex, sizeof(hex), hash, 20);
    snprintf(out, FOLDER_SOURCE, "file %s %u", hex, row);
}

/* ---- opening ------------------------------------------------------------ */
static bool make_dir(const char *path)
{
    struct stat st;
    if (mkdir(path, 0700) != 0 && errno != EEXIST)
        return false;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static char *absolute(struct tsunagi_host *h, const char *path)
{
    if (h == NULL || path[0] == '/')
        return strdup(path);
    return tsunagi_path(h, path);
}

tsunagi_code folder_open(struct tsunagi_host *h, const char *path,
                         const char *suffix, size_t max_bytes,
                         folder_reader *read, void *self, struct folder **out)
{
    assert(path != NULL && read != NULL && out != NULL && max_bytes > 0);
    assert(suffix == NULL || strlen(suffix) < SUFFIXES);
    *out = NULL;
    tsunagi_code code = "E-INT-002";
    struct folder *f = calloc(1, sizeof(*f));
    if (f == NULL)
        return code;
    f->host = h;
    f->max_bytes = max_bytes;
    f->read = read;
    f->self = self;
    f->quiet_ms = h == NULL
                      ? 500
                      : (uint64_t)tsunagi_option_int(h, "folder_quiet_ms", 500);
    snprintf(f->suffix, sizeof(f->suffix), "%s", suffix == NULL ? "" : suffix);
    f->path = absolute(h, path);
    if (f->path == NULL)
        goto fail;
    f->done = join(f->path, "done", "");
    f->rejected = join(f->path, "rejected", "");
    if (f->done == NULL || f->rejected == NULL)
        goto fail;
    code = "E-IO-001";
    if (!make_dir(f->path) || !make_dir(f->done) || !make_dir(f->rejected))
        goto fail;
    *out = f;
    return NULL;
fail:
    folder_close(&f);
    return code;
}

void folder_close(struct folder **fp)
{
    struct folder *f = *fp;
    *fp = NULL;
    if (f == NULL)
        return;
    for (size_t i = 0; i < f->n; i++)
        free(f->seen[i].name);
    free(f->seen);
    free(f->path);
    free(f->done);
    free(f->rejected);
    free(f);
}

/* ---- which files -------------------------------------------------------- */
static bool ends_with(const char *name, const char *tail, size_t len)
{
    size_t n = strlen(name);
    return n > len && strncasecmp(name + n - len, tail, len) == 0;
}

static bool is_wanted(const char *list, const char *name)
{
    static const char *const UNFINISHED[] = {".tmp", ".part", ".filepart"};
    if (name[0] == '.')
        return false;
    for (size_t i = 0; i < sizeof(UNFINISHED) / sizeof(UNFINISHED[0]); i++)
        if (ends_with(name, UNFINISHED[i], strlen(UNFINISHED[i])))
            return false;
    if (list[0] == '\0')
        return true;
    for (const char *p = list; *p != '\0';) {
        size_t len = strcspn(p, ",");
        if (ends_with(name, p, len))
            return true;
        p += len + (p[len] == ',');
    }
    return false;
}

static struct seen *remember(struct folder *f, const char *name)
{
    for (size_t i = 0; i < f->n; i++)
        if (strcmp(f->seen[i].name, name) == 0)
            return &f->seen[i];
    if (f->n == f->room) {
        size_t room = f->room == 0 ? 16 : f->room * 2;
        struct seen *grown = realloc(f->seen, room * sizeof(*grown));
        if (grown == NULL)
            return NULL;
        f->seen = grown;
        f->room = room;
    }
    char *copy = strdup(name);
    if (copy == NULL)
        return NULL;
    f->seen[f->n] = (struct seen){.name = copy, .size = -1};
    return &f->seen[f->n++];
}

static bool same_time(struct timespec a, struct timespec b)
{
    return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

static bool unchanged(const struct seen *s, const struct stat *st)
{
    return s->size == st->st_size && same_time(s->mtime, st->st_mtim) &&
           s->inode == st->st_ino;
}

static void look_at(struct folder *f, int dir, const char *name, uint64_t now)
{
    struct stat st;
    if (!is_wanted(f->suffix, name) ||
        fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
        !S_ISREG(st.st_mode))
        return;
    struct seen *s = remember(f, name);
    if (s == NULL)
        return;
    s->present = true;
    if (unchanged(s, &st))
        return;
    s->size = st.st_size;
    s->mtime = st.st_mtim;
    s->inode = st.st_ino;
    s->since = now;
    s->after = 0;
    s->told = false;
}

static void forget_absent(struct folder *f)
{
    size_t kept = 0;
    for (size_t i = 0; i < f->n; i++) {
        if (f->seen[i].present)
            f->seen[kept++] = f->seen[i];
        else
            free(f->seen[i].name);
    }
    f->n = kept;
}

static int by_age(const void *a, const void *b)
{
    const struct seen *x = a, *y = b;
    if (x->mtime.tv_sec != y->mtime.tv_sec)
        return x->mtime.tv_sec < y->mtime.tv_sec ? -1 : 1;
    if (x->mtime.tv_nsec != y->mtime.tv_nsec)
        return x->mtime.tv_nsec < y->mtime.tv_nsec ? -1 : 1;
    return strcmp(x->name, y->name);
}

static bool list_files(struct folder *f, uint64_t now)
{
    DIR *d = opendir(f->path);
    if (d == NULL)
        return false;
    for (size_t i = 0; i < f->n; i++)
        f->seen[i].present = false;
    for (const struct dirent *e = readdir(d); e != NULL; e = readdir(d))
        look_at(f, dirfd(d), e->d_name, now);
    closedir(d);
    forget_absent(f);
    if (f->n > 1)
        qsort(f->seen, f->n, sizeof(f->seen[0]), by_age);
    return true;
}

/* ---- one file ----------------------------------------------------------- */
/* Reads exactly what was seen; false when it changed meanwhile. */
static bool slurp(const struct folder *f, const struct seen *s, uint8_t **out)
{
    struct stat st;
    bool ok = false;
    uint8_t *p = malloc((size_t)s->size + 1);
    char *path = join(f->path, s->name, "");
    int fd = path == NULL ? -1 : open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (p != NULL && fd >= 0 && fstat(fd, &st) == 0 && unchanged(s, &st)) {
        size_t have = 0, want = (size_t)s->size + 1;
        ssize_t got = 1;
        while (have < want && (got = read(fd, p + have, want - have)) > 0)
            have += (size_t)got;
        ok = got == 0 && have == (size_t)s->size && fstat(fd, &st) == 0 &&
             unchanged(s, &st);
    }
    if (fd >= 0)
        close(fd);
    free(path);
    if (!ok) {
        free(p);
        p = NULL;
    }
    *out = p;
    return ok;
}

static void kept_name(const char *name, char out[NAME_KEPT + 1])
{
    bool fits = strlen(name) <= NAME_KEPT;
    for (const char *p = name; fits && *p != '\0'; p++)
        fits = (unsigned char)*p >= 0x20 && *p != 0x7f;
    if (fits) {
        snprintf(out, NAME_KEPT + 1, "%s", name);
        return;
    }
    uint8_t hash[crypto_hash_sha256_BYTES];
    char hex[33];
    crypto_hash_sha256(hash, (const uint8_t *)name, strlen(name));
    sodium_bin2hex(hex, sizeof(hex), hash, 16);
    snprintf(out, NAME_KEPT + 1, "renamed-%s", hex);
}

/* NAME, then NAME.2, NAME.3 ... in dir: the first that is not there. */
static char *free_place(const char *dir, const char *name)
{
    char kept[NAME_KEPT + 1], tail[16] = "";
    kept_name(name, kept);
    for (unsigned i = 2; i < 100000; i++) {
        struct stat st;
        char *path = join(dir, kept, tail);
        if (path == NULL || (lstat(path, &st) != 0 && errno == ENOENT))
            return path;
        free(path);
        snprintf(tail, sizeof(tail), ".%u", i);
    }
    return NULL;
}

static void sync_dir(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return;
    (void)fsync(fd);
    close(fd);
}

static bool move_to(const struct folder *f, const char *name, const char *dir,
                    const char *place)
{
    char *from = join(f->path, name, "");
    bool ok = from != NULL &&
              renameat2(AT_FDCWD, from, AT_FDCWD, place, RENAME_NOREPLACE) == 0;
    /* shares that know no flags: free_place has just looked */
    if (!ok && from != NULL && (errno == EINVAL || errno == ENOSYS))
        ok = rename(from, place) == 0;
    free(from);
    sync_dir(dir);
    sync_dir(f->path);
    return ok;
}

static bool write_beside(const char *place, const char *tail, const char *text)
{
    char *path = NULL;
    if (asprintf(&path, "%s%s", place, tail) < 0)
        return false;
    bool ok = tsunagi_write_file(path, text, strlen(text)) == 0;
    free(path);
    return ok;
}

/* For Windows' Notepad: byte-order mark and CRLF. */
static char *reason_text(const struct folder_result *r)
{
    char *text = NULL;
    size_t n = 0;
    FILE *m = open_memstream(&text, &n);
    if (m == NULL)
        return NULL;
    fprintf(m, "\xEF\xBB\xBF%s\r\n%s\r\n%s\r\n", r->code,
            tsunagi_code_ja(r->code), tsunagi_code_en(r->code));
    if (r->line > 0)
        fprintf(m, "行 line: %u\r\n", r->line);
    if (r->column > 0)
        fprintf(m, "列 column: %u\r\n", r->column);
    if (r->taken == 0)
        fputs("このファイルからは何も取り込んでいません。\r\n"
              "Nothing was taken from this file.\r\n",
              m);
    else
        fprintf(m,
                "このファイルから%u件を取り込みました。\r\n"
                "%u events of this file were taken.\r\n",
                r->taken, r->taken);
    if (r->text != NULL)
        fprintf(m, "\r\n%s", r->text);
    if (fclose(m) != 0) {
        free(text);
        return NULL;
    }
    return text;
}

static bool put_away(const struct folder *f, const struct seen *s,
                     const struct folder_result *r)
{
    const char *dir = r->code == NULL ? f->done : f->rejected;
    char *place = free_place(dir, s->name);
    bool ok = place != NULL;
    if (ok && r->code != NULL) {
        char *text = reason_text(r);
        ok = text != NULL && write_beside(place, ".reason.txt", text);
        free(text);
    } else if (ok && r->text != NULL) {
        ok = write_beside(place, ".receipt.txt", r->text);
    }
    ok = ok && move_to(f, s->name, dir, place);
    free(place);
    return ok;
}

static void tell(const struct folder *f, struct seen *s, const char *what,
                 const struct folder_result *r)
{
    if (f->host == NULL || s->told)
        return;
    tsunagi_log(f->host, "folder: %s code=%s line=%u column=%u events=%u", what,
                r->code == NULL ? "-" : r->code, r->line, r->column, r->taken);
}

/* Leaves the file for a later scan, and says so once. */
static void keep(struct folder *f, struct seen *s, const char *what,
                 const struct folder_result *r)
{
    tell(f, s, what, r);
    s->told = true;
    s->after = monotonic_ms() + AGAIN_MS;
}

static void take(struct folder *f, struct seen *s)
{
    struct folder_result r = {0};
    uint8_t *bytes = NULL;
    if ((uint64_t)s->size > f->max_bytes) {
        r.code = "E-FIL-001";
    } else if (!slurp(f, s, &bytes)) {
        r.code = "E-FIL-003";
        keep(f, s, "file not readable yet", &r);
        return;
    } else if (s->size == 0) {
        r.code = "E-FIL-003";
    } else {
        f->read(f->self, s->name, bytes, (size_t)s->size, &r);
    }
    free(bytes);
    if (folder_is_passing(r.code))
        keep(f, s, "file kept for later", &r);
    else if (!put_away(f, s, &r))
        keep(f, s, "file cannot be moved", &r);
    else
        tell(f, s, r.code == NULL ? "file taken" : "file refused", &r);
    free(r.text);
}

void folder_scan(struct folder *f)
{
    assert(f != NULL);
    uint64_t now = monotonic_ms();
    if (!list_files(f, now))
        return;
    for (size_t i = 0; i < f->n; i++) {
        struct seen *s = &f->seen[i];
        uint64_t quiet = f->quiet_ms * (s->size == 0 ? 20 : 1);
        if (now > s->since && now - s->since >= quiet && now >= s->after)
            take(f, s);
    }
}

/* ---- forgetting a person ------------------------------------------------ */
#define RECEIPT ".receipt.txt"
#define RECEIPT_MAX ((size_t)1 << 20)
#define UUID_CHARS 36

static bool ends_in(const char *name, const char *tail)
{
    size_t n = strlen(name), m = strlen(tail);
    return n >= m && strcmp(name + n - m, tail) == 0;
}

/* The whole file; false when it cannot be read. free(). */
static bool read_whole(const char *path, size_t max, char **out, size_t *n)
{
    struct stat st;
    FILE *f = fopen(path, "re");
    *out = NULL;
    *n = 0;
    if (f == NULL)
        return errno == ENOENT;
    bool ok = fstat(fileno(f), &st) == 0 && S_ISREG(st.st_mode) &&
              (size_t)st.st_size <= max;
    *out = ok ? malloc((size_t)st.st_size + 1) : NULL;
    ok = *out != NULL &&
         fread(*out, 1, (size_t)st.st_size, f) == (size_t)st.st_size;
    *n = ok ? (size_t)st.st_size : 0;
    if (*out != NULL)
        (*out)[*n] = '\0';
    fclose(f);
    return ok;
}

/* A receipt names its events one on a line, between blanks. */
static bool names_one(const char *text, const struct tsunagi_erasure *e)
{
    char word[UUID_CHARS + 1];
    while (*text != '\0') {
        size_t n = strcspn(text, " \r\n");
        if (n == UUID_CHARS) {
            memcpy(word, text, n);
            word[n] = '\0';
            if (tsunagi_erases_event(e, word))
                return true;
        }
        text += n + (text[n] != '\0');
    }
    return false;
}

static tsunagi_code is_meant(const struct folder *f, const char *path,
                             const struct tsunagi_erasure *e,
                             folder_meant *meant, bool *yes)
{
    char *beside = NULL, *text = NULL;
    size_t n = 0;
    *yes = false;
    if (asprintf(&beside, "%s" RECEIPT, path) < 0)
        return "E-INT-002";
    bool ok = read_whole(beside, RECEIPT_MAX, &text, &n);
    *yes = ok && text != NULL && names_one(text, e);
    free(text);
    free(beside);
    if (!ok || *yes || meant == NULL)
        return ok ? NULL : "E-IO-001";
    ok = read_whole(path, f->max_bytes, &text, &n);
    *yes = ok && text != NULL && meant(f->self, e, (const uint8_t *)text, n);
    free(text);
    return ok ? NULL : "E-IO-001";
}

static tsunagi_code remove_with_receipt(const char *path)
{
    char *beside = NULL;
    if (asprintf(&beside, "%s" RECEIPT, path) < 0)
        return "E-INT-002";
    /* the receipt last: after a crash between the two it is found alone */
    bool ok = (unlink(path) == 0 || errno == ENOENT) &&
              (unlink(beside) == 0 || errno == ENOENT);
    free(beside);
    return ok ? NULL : "E-IO-001";
}

/* A receipt stands for its file; with the file there, that comes by itself. */
static tsunagi_code erase_one(const struct folder *f, char *name,
                              const struct tsunagi_erasure *e,
                              folder_meant *meant)
{
    bool alone = ends_in(name, RECEIPT), yes = false;
    if (alone)
        name[strlen(name) - strlen(RECEIPT)] = '\0';
    char *path = join(f->done, name, "");
    tsunagi_code code = path == NULL ? "E-INT-002" : NULL;
    if (code == NULL && (!alone || access(path, F_OK) != 0))
        code = is_meant(f, path, e, meant, &yes);
    if (code == NULL && yes)
        code = remove_with_receipt(path);
    free(path);
    return code;
}

tsunagi_code folder_erase(struct folder *f, const struct tsunagi_erasure *e,
                          folder_meant *meant)
{
    tsunagi_code code = NULL;
    struct dirent *entry;
    DIR *d = opendir(f->done);
    if (d == NULL)
        return "E-IO-001";
    while ((entry = readdir(d)) != NULL) {
        if (entry->d_name[0] == '.')
            continue;
        tsunagi_code one = erase_one(f, entry->d_name, e, meant);
        code = one != NULL ? one : code;
    }
    closedir(d);
    sync_dir(f->done);
    return code;
}
