/* kek.c - key-encryption keys as files, one per epoch, in a folder of their
 * own.
 *
 *   epoch-7.kek        tsunagi-kek/2
 *                      epoch 7
 *                      key <64 hex digits>        or, under a credential:
 *                      sealed <208 hex digits>
 *
 * Files and folder are the owner's alone (0600, 0700); open ones are refused.
 * When systemd hands over the credential tsunagi-kek (LoadCredentialEncrypted=,
 * sealed by the machine's TPM or host key), every new file is sealed under it,
 * so that the folder alone, copied or stolen, opens nothing. A file made
 * before the credential stays as it is until the next rotation. A sealed file
 * without the credential is refused.
 *
 * A file is written beside its place, synced and renamed, so it is whole or
 * not there; what a crash left beside is destroyed at the next start.
 * Destroying gives the file such a name, writes over its bytes, syncs, removes
 * it and syncs the folder. What a disk that moves its blocks about (SSD) still
 * holds is beyond reach: seal under a credential, or use a disk that encrypts.
 */
#include "hub/store/kek.h"
#include "hub/store/internal.h"
#include "proto/base/log.h"
#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define KEK_HEADER "tsunagi-kek/2\n"
#define KEK_FILE_MAX 512
#define CREDENTIAL "tsunagi-kek"
#define CREDENTIAL_MAX 4096
#define CREDENTIAL_MIN 32 /* bytes; its randomness is the operator's affair */
#define FOLDER_MAX (PATH_MAX - 64)

struct files {
    char folder[FOLDER_MAX];
    bool sealing;
    uint8_t credential[KEY_BYTES];
    size_t n;
    uint32_t epoch[KEK_EPOCHS]; /* ascending */
    uint8_t key[KEK_EPOCHS][KEY_BYTES];
};

static void path_of(const struct files *f, uint32_t epoch, char out[PATH_MAX])
{
    snprintf(out, PATH_MAX, "%s/epoch-%u.kek", f->folder, epoch);
}

static struct slice file_aad(uint32_t epoch, uint8_t out[32])
{
    size_t n = sizeof(KEK_HEADER) - 1;
    memcpy(out, KEK_HEADER, n);
    for (int i = 0; i < 4; i++)
        out[n++] = (uint8_t)(epoch >> (24 - 8 * i));
    return slice_of(out, n);
}

static size_t place_of(const struct files *f, uint32_t epoch)
{
    size_t i = 0;
    while (i < f->n && f->epoch[i] < epoch)
        i++;
    return i;
}

static const uint8_t *key_of(const struct files *f, uint32_t epoch)
{
    size_t i = place_of(f, epoch);
    return i < f->n && f->epoch[i] == epoch ? f->key[i] : NULL;
}

static void hold(struct files *f, uint32_t epoch, const uint8_t key[KEY_BYTES])
{
    size_t i = place_of(f, epoch), after = f->n - i;
    assert(f->n < KEK_EPOCHS);
    memmove(&f->epoch[i + 1], &f->epoch[i], after * sizeof(f->epoch[0]));
    memmove(&f->key[i + 1], &f->key[i], after * KEY_BYTES);
    f->epoch[i] = epoch;
    memcpy(f->key[i], key, KEY_BYTES);
    f->n++;
}

static void let_go(struct files *f, uint32_t epoch)
{
    size_t i = place_of(f, epoch);
    if (i == f->n || f->epoch[i] != epoch)
        return;
    f->n--;
    memmove(&f->epoch[i], &f->epoch[i + 1], (f->n - i) * sizeof(f->epoch[0]));
    memmove(&f->key[i], &f->key[i + 1], (f->n - i) * KEY_BYTES);
    sodium_memzero(f->key[f->n], KEY_BYTES);
}

/* ---- reading ---- */

/* Decodes the digits up to the end of the line. */
static enum err digits(const char *text, size_t n, struct buf *out)
{
    uint8_t bytes[KEK_FILE_MAX];
    char hex[KEK_FILE_MAX + 1];
    if (n < 2 || n > KEK_FILE_MAX || text[n - 1] != '\n' || n % 2 == 0)
        return ERR_KEY_FILE;
    memcpy(hex, text, n - 1);
    hex[n - 1] = '\0';
    enum err e = hex_decode(hex, bytes, (n - 1) / 2);
    if (e == ERR_OK)
        buf_add(out, bytes, (n - 1) / 2);
    sodium_memzero(hex, sizeof(hex));
    sodium_memzero(bytes, sizeof(bytes));
    return e == ERR_OK && !out->failed ? ERR_OK : ERR_KEY_FILE;
}

static enum err read_key(const struct files *f, uint32_t epoch,
                         const char *text, size_t n, struct buf *key)
{
    struct buf sealed = {0};
    uint8_t aad[32];
    if (n > 4 && memcmp(text, "key ", 4) == 0)
        return digits(text + 4, n - 4, key);
    if (n < 8 || memcmp(text, "sealed ", 7) != 0 || !f->sealing)
        return ERR_KEY_FILE;
    enum err e = digits(text + 7, n - 7, &sealed);
    if (e == ERR_OK)
        e = unseal(f->credential, file_aad(epoch, aad), buf_slice(&sealed),
                   key);
    buf_fini(&sealed);
    return e;
}

static enum err parse(struct files *f, uint32_t epoch, const struct buf *text)
{
    char head[64];
    struct buf key = {0};
    size_t n =
        (size_t)snprintf(head, sizeof(head), KEK_HEADER "epoch %u\n", epoch);
    if (text->n <= n || memcmp(text->p, head, n) != 0)
        return ERR_KEY_FILE;
    enum err e =
        read_key(f, epoch, (const char *)text->p + n, text->n - n, &key);
    if (e == ERR_OK && key.n != KEY_BYTES)
        e = ERR_KEY_FILE;
    if (e == ERR_OK)
        hold(f, epoch, key.p);
    buf_fini(&key);
    return e;
}

/* A file of ours that nobody else may read. */
static enum err read_private(const char *path, size_t max, struct buf *text)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    bool good = fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
                st.st_uid == geteuid() && (st.st_mode & 077) == 0;
    if (fd >= 0)
        close(fd);
    return good ? file_read(path, max, text) : ERR_KEY_FILE;
}

static enum err read_epoch(struct files *f, uint32_t epoch, struct buf *why)
{
    char path[PATH_MAX];
    struct buf text = {0};
    path_of(f, epoch, path);
    if (f->n == KEK_EPOCHS)
        return refuse(why, ERR_STORE_OPEN, "%s: too many epochs", f->folder);
    enum err e = read_private(path, KEK_FILE_MAX, &text);
    if (e == ERR_OK)
        e = parse(f, epoch, &text);
    bool sealed = text.n > 0 && strstr((char *)text.p, "\nsealed ") != NULL;
    buf_fini(&text);
    if (e == ERR_OK && f->sealing && !sealed)
        log_warn("kek: epoch %u is not sealed under the credential; the next "
                 "rotation is",
                 epoch);
    if (e == ERR_OK)
        return ERR_OK;
    return refuse(why, ERR_STORE_OPEN, "%s: %s", path,
                  sealed && !f->sealing
                      ? "sealed under the credential " CREDENTIAL
                        ", which was not given"
                      : "not a key file, or open to others");
}

/* ---- writing and destroying ---- */

static void compose(const struct files *f, uint32_t epoch,
                    const uint8_t key[KEY_BYTES], struct buf *text)
{
    struct buf sealed = {0};
    uint8_t aad[32];
    buf_addf(text, KEK_HEADER "epoch %u\n", epoch);
    if (!f->sealing) {
        buf_adds(text, "key ");
        buf_add_hex(text, slice_of(key, KEY_BYTES));
    } else if (seal(f->credential, file_aad(epoch, aad),
                    slice_of(key, KEY_BYTES), &sealed) == ERR_OK) {
        buf_adds(text, "sealed ");
        buf_add_hex(text, buf_slice(&sealed));
    } else {
        text->failed = true;
    }
    buf_addc(text, '\n');
    buf_fini(&sealed);
}

static enum err overwrite(int fd, off_t size)
{
    uint8_t noise[KEK_FILE_MAX];
    enum err e = ERR_OK;
    randombytes_buf(noise, sizeof(noise));
    for (off_t at = 0; at < size && e == ERR_OK; at += KEK_FILE_MAX) {
        size_t n =
            size - at < KEK_FILE_MAX ? (size_t)(size - at) : sizeof(noise);
        e = write_at(fd, slice_of(noise, n), at);
    }
    return e == ERR_OK && fsync(fd) == 0 ? ERR_OK : ERR_IO;
}

static enum err shred(const char *path)
{
    struct stat st;
    int fd = open(path, O_WRONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? ERR_OK : ERR_IO;
    enum err e = fstat(fd, &st) == 0 ? overwrite(fd, st.st_size) : ERR_IO;
    if (close(fd) != 0 || e != ERR_OK || unlink(path) != 0)
        return ERR_IO;
    return folder_sync(path);
}

/* ---- the folder ---- */

/* The number in "epoch-7.kek"; 0: another name. */
static uint32_t epoch_in(const char *name)
{
    static const char HEAD[] = "epoch-", TAIL[] = ".kek";
    uint64_t n = 0;
    if (strncmp(name, HEAD, sizeof(HEAD) - 1) != 0)
        return 0;
    const char *p = name + sizeof(HEAD) - 1;
    if (*p == '0')
        return 0;
    for (; *p >= '0' && *p <= '9' && n < UINT32_MAX; p++)
        n = n * 10 + (uint64_t)(*p - '0');
    return strcmp(p, TAIL) == 0 && n <= UINT32_MAX ? (uint32_t)n : 0;
}

static bool is_leftover(const char *name)
{
    return strncmp(name, "epoch-", 6) == 0 && strstr(name, ".tmp-") != NULL;
}

static enum err take(struct files *f, const char *name, struct buf *why)
{
    char path[PATH_MAX];
    uint32_t epoch = epoch_in(name);
    if (epoch != 0)
        return read_epoch(f, epoch, why);
    if (!is_leftover(name))
        return ERR_OK;
    snprintf(path, sizeof(path), "%s/%.60s", f->folder, name);
    if (shred(path) != ERR_OK)
        return refuse(why, ERR_STORE_OPEN, "%s: cannot be removed", path);
    log_note("kek: a file a crash had left was destroyed");
    return ERR_OK;
}

static enum err read_folder(struct files *f, struct buf *why)
{
    DIR *d = opendir(f->folder);
    if (d == NULL)
        return refuse(why, ERR_STORE_OPEN, "%s: %s", f->folder,
                      strerror(errno));
    enum err e = ERR_OK;
    const struct dirent *one;
    while (e == ERR_OK && (one = readdir(d)) != NULL)
        e = take(f, one->d_name, why);
    closedir(d);
    return e;
}

static enum err check_place(const char *place, struct buf *why)
{
    struct stat st;
    if (mkdir(place, 0700) == 0 && folder_sync(place) != ERR_OK)
        return refuse(why, ERR_STORE_OPEN, "%s: %s", place, strerror(errno));
    if (lstat(place, &st) != 0 || !S_ISDIR(st.st_mode))
        return refuse(why, ERR_STORE_OPEN, "%s: is not a folder", place);
    if (st.st_uid != geteuid() || (st.st_mode & 077) != 0)
        return refuse(why, ERR_STORE_OPEN, "%s: is open to others", place);
    return ERR_OK;
}

/* Any text or bytes of enough length: hashed to a key. */
static enum err read_credential(struct files *f, struct buf *why)
{
    char path[PATH_MAX];
    struct buf text = {0};
    const char *folder = getenv("CREDENTIALS_DIRECTORY");
    if (folder == NULL || folder[0] == '\0')
        return ERR_OK;
    if ((size_t)snprintf(path, sizeof(path), "%s/" CREDENTIAL, folder) >=
            sizeof(path) ||
        access(path, F_OK) != 0)
        return ERR_OK;
    enum err e = file_read(path, CREDENTIAL_MAX, &text);
    if (e == ERR_OK && text.n >= CREDENTIAL_MIN) {
        static const uint8_t CONTEXT[] = "tsunagi-kek-credential/1";
        crypto_generichash(f->credential, KEY_BYTES, text.p, text.n, CONTEXT,
                           sizeof(CONTEXT));
        f->sealing = true;
    } else {
        e = refuse(why, ERR_STORE_OPEN, "%s: not 32 bytes to 4 KiB", path);
    }
    buf_fini(&text);
    return e;
}

/* ---- the interface ---- */

static void files_close(void **kek)
{
    sodium_free(*kek); /* wipes */
    *kek = NULL;
}

static enum err files_open(const char *place, void **kek, struct buf *why)
{
    assert(place != NULL && kek != NULL);
    *kek = NULL;
    struct files *f = sodium_malloc(sizeof(*f));
    if (f == NULL)
        return refuse(why, ERR_STORE_OPEN, "no guarded memory for keys");
    sodium_memzero(f, sizeof(*f));
    enum err e = check_place(place, why);
    if (e == ERR_OK && (size_t)snprintf(f->folder, sizeof(f->folder), "%s",
                                        place) >= sizeof(f->folder))
        e = refuse(why, ERR_STORE_OPEN, "path too long");
    if (e == ERR_OK)
        e = read_credential(f, why);
    if (e == ERR_OK)
        e = read_folder(f, why);
    *kek = f;
    if (e != ERR_OK)
        files_close(kek);
    return e;
}

static size_t files_epochs(const void *kek, uint32_t out[KEK_EPOCHS])
{
    const struct files *f = kek;
    memcpy(out, f->epoch, f->n * sizeof(out[0]));
    return f->n;
}

static enum err files_wrap(void *kek, uint32_t epoch, struct slice aad,
                           struct slice key, struct buf *out)
{
    const uint8_t *with = key_of(kek, epoch);
    return with == NULL ? ERR_NOT_FOUND : seal(with, aad, key, out);
}

static enum err files_unwrap(void *kek, uint32_t epoch, struct slice aad,
                             struct slice wrapped, struct buf *out)
{
    const uint8_t *with = key_of(kek, epoch);
    return with == NULL ? ERR_NOT_FOUND : unseal(with, aad, wrapped, out);
}

static enum err files_new_epoch(void *kek, uint32_t epoch)
{
    struct files *f = kek;
    char path[PATH_MAX];
    uint8_t key[KEY_BYTES];
    struct buf text = {0};
    if (epoch == 0 || key_of(f, epoch) != NULL || f->n == KEK_EPOCHS)
        return ERR_CONFLICT;
    path_of(f, epoch, path);
    randombytes_buf(key, sizeof(key));
    compose(f, epoch, key, &text);
    enum err e =
        text.failed ? ERR_NOMEM : file_replace(path, buf_slice(&text), 0600);
    if (e == ERR_OK)
        hold(f, epoch, key);
    sodium_memzero(key, sizeof(key));
    buf_fini(&text);
    return e;
}

/* Under a leftover's name first: half written over, it is no key file, and
 * must not stop the start. */
static enum err files_destroy(void *kek, uint32_t epoch)
{
    struct files *f = kek;
    char path[PATH_MAX], doomed[PATH_MAX];
    path_of(f, epoch, path);
    snprintf(doomed, sizeof(doomed), "%s/epoch-%u.kek.tmp-doomed", f->folder,
             epoch);
    if (rename(path, doomed) != 0 && errno != ENOENT)
        return ERR_IO;
    enum err e = folder_sync(doomed);
    if (e == ERR_OK)
        e = shred(doomed);
    if (e == ERR_OK)
        let_go(f, epoch);
    return e;
}

const struct kek_provider KEK_FILES = {
    .open = files_open,
    .epochs = files_epochs,
    .wrap = files_wrap,
    .unwrap = files_unwrap,
    .new_epoch = files_new_epoch,
    .destroy = files_destroy,
    .close = files_close,
};
