/* keyring.c - keys of payload at rest: one per person and quarter.
 *
 * Parts are sealed (XChaCha20-Poly1305) under a random key that the table dek
 * holds, itself sealed under the key-encryption key (KEK) and bound to person
 * and quarter. The KEK is a file of its own, outside the data folder and in no
 * backup: destroying a wrapped key erases a person's quarter in every copy.
 *
 *   tsunagi-kek/1
 *   <64 hex digits>
 *
 * The file is made, 0600 and synced, when there is neither KEK nor any wrapped
 * key; later a missing, open or wrong one stops the start. Unwrapped keys are
 * cached in guarded memory and dropped whenever rows are taken back. */
#include "hub/store/internal.h"
#include "proto/base/date.h"
#include "proto/base/log.h"
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CACHED 1024
#define KEK_HEADER "tsunagi-kek/1\n"
#define KEK_FILE_BYTES (sizeof(KEK_HEADER) - 1 + 2 * KEY_BYTES + 1)
#define WRAP_PREFIX "tsunagi-wrap/1\n"
#define WRAP_AAD (sizeof(WRAP_PREFIX) - 1 + ID_BYTES + 8)

struct slot {
    bool used;
    struct id person;
    uint64_t quarter;
    uint8_t key[KEY_BYTES];
};
struct keyring {
    uint8_t kek[KEY_BYTES];
    struct slot slot[CACHED];
};

uint64_t quarter_of(uint64_t ms)
{
    struct date d = date_of_ms(ms);
    return (uint64_t)d.year * 4 + (d.month - 1u) / 3;
}

/* ---- wrapping ---- */

static void wrap_aad(struct id person, uint64_t quarter, uint8_t out[WRAP_AAD])
{
    size_t n = sizeof(WRAP_PREFIX) - 1;
    memcpy(out, WRAP_PREFIX, n);
    memcpy(out + n, person.b, ID_BYTES);
    for (int i = 0; i < 8; i++)
        out[n + ID_BYTES + i] = (uint8_t)(quarter >> (56 - 8 * i));
}

static enum err wrap(const struct keyring *k, const struct slot *t,
                     struct buf *out)
{
    uint8_t aad[WRAP_AAD];
    wrap_aad(t->person, t->quarter, aad);
    return seal(k->kek, slice_of(aad, sizeof(aad)), slice_of(t->key, KEY_BYTES),
                out);
}

static enum err unwrap(const struct keyring *k, struct slot *t,
                       struct slice wrapped)
{
    uint8_t aad[WRAP_AAD];
    struct buf key = {0};
    wrap_aad(t->person, t->quarter, aad);
    enum err e = unseal(k->kek, slice_of(aad, sizeof(aad)), wrapped, &key);
    if (e == ERR_OK && key.n != KEY_BYTES)
        e = ERR_INTEGRITY;
    if (e == ERR_OK)
        memcpy(t->key, key.p, KEY_BYTES);
    buf_fini(&key);
    return e;
}

/* ---- the cache ---- */

static struct slot *slot_for(struct keyring *k, struct id person,
                             uint64_t quarter, bool *hit)
{
    uint32_t h;
    memcpy(&h, person.b, sizeof(h)); /* random bytes already */
    struct slot *t = &k->slot[(h ^ quarter) % CACHED];
    *hit = t->used && t->quarter == quarter && id_eq(t->person, person);
    if (!*hit) {
        sodium_memzero(t, sizeof(*t));
        t->person = person;
        t->quarter = quarter;
    }
    return t;
}

static enum err load_key(struct store *s, struct slot *t)
{
    bool found;
    enum err e = sql_row(s, SQL_DEK_GET,
                         WITH(v_id(&t->person), v_int(t->quarter)), &found);
    if (e != ERR_OK)
        return e;
    if (!found)
        return ERR_NOT_FOUND;
    e = unwrap(s->keys, t, col_slice(s, SQL_DEK_GET, 0));
    enum err d = sql_done(s, SQL_DEK_GET);
    if (e == ERR_INTEGRITY)
        log_error("store: a wrapped key does not open");
    t->used = e == ERR_OK && d == ERR_OK;
    return e != ERR_OK ? e : d;
}

static enum err make_key(struct store *s, struct slot *t)
{
    struct buf wrapped = {0};
    randombytes_buf(t->key, KEY_BYTES);
    enum err e = wrap(s->keys, t, &wrapped);
    if (e == ERR_OK)
        e = sql_run(s, SQL_DEK_PUT,
                    WITH(v_id(&t->person), v_int(t->quarter),
                         v_blob(wrapped.p, wrapped.n)));
    buf_fini(&wrapped);
    t->used = e == ERR_OK;
    return e;
}

enum err keyring_find(struct store *s, struct id person, uint64_t ms,
                      const uint8_t **key)
{
    bool hit;
    struct slot *t = slot_for(s->keys, person, quarter_of(ms), &hit);
    *key = t->key;
    return hit ? ERR_OK : load_key(s, t);
}

enum err keyring_make(struct store *s, struct id person, uint64_t ms,
                      const uint8_t **key)
{
    bool hit;
    struct slot *t = slot_for(s->keys, person, quarter_of(ms), &hit);
    *key = t->key;
    enum err e = hit ? ERR_OK : load_key(s, t);
    return e == ERR_NOT_FOUND ? make_key(s, t) : e;
}

void keyring_forget(struct store *s)
{
    if (s->keys != NULL)
        sodium_memzero(s->keys->slot, sizeof(s->keys->slot));
}

/* ---- the file ---- */

static enum err parse_kek(struct keyring *k, const struct buf *text)
{
    size_t head = sizeof(KEK_HEADER) - 1;
    if (text->n != KEK_FILE_BYTES || memcmp(text->p, KEK_HEADER, head) != 0 ||
        text->p[KEK_FILE_BYTES - 1] != '\n')
        return ERR_KEY_FILE;
    char hex[2 * KEY_BYTES + 1];
    memcpy(hex, text->p + head, 2 * KEY_BYTES);
    hex[2 * KEY_BYTES] = '\0';
    enum err e = hex_decode(hex, k->kek, KEY_BYTES);
    sodium_memzero(hex, sizeof(hex));
    return e == ERR_OK ? ERR_OK : ERR_KEY_FILE;
}

/* ERR_NOT_FOUND, ERR_KEY_FILE. */
static enum err read_kek(struct keyring *k, const char *path)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? ERR_NOT_FOUND : ERR_KEY_FILE;
    bool ok = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
              st.st_uid == geteuid() && (st.st_mode & 077) == 0;
    struct buf text = {0};
    uint8_t bytes[KEK_FILE_BYTES + 1];
    ssize_t n = ok ? read(fd, bytes, sizeof(bytes)) : -1;
    close(fd);
    if (n < 0)
        return ERR_KEY_FILE;
    buf_add(&text, bytes, (size_t)n);
    sodium_memzero(bytes, sizeof(bytes));
    enum err e = text.failed ? ERR_NOMEM : parse_kek(k, &text);
    buf_fini(&text);
    return e;
}

static enum err write_kek(struct keyring *k, const char *path)
{
    struct buf text = {0};
    randombytes_buf(k->kek, KEY_BYTES);
    buf_adds(&text, KEK_HEADER);
    buf_add_hex(&text, slice_of(k->kek, KEY_BYTES));
    buf_addc(&text, '\n');
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    enum err e = fd < 0 || text.failed ? ERR_IO : ERR_OK;
    if (e == ERR_OK)
        e = write_at(fd, buf_slice(&text), 0);
    if (e == ERR_OK && fsync(fd) != 0)
        e = ERR_IO;
    if (fd >= 0 && close(fd) != 0)
        e = ERR_IO;
    buf_fini(&text);
    if (fd >= 0 && e != ERR_OK)
        unlink(path);
    return e == ERR_OK ? folder_sync(path) : e;
}

/* Opens any wrapped key: a KEK that does not is another hub's. */
static enum err try_kek(struct store *s, bool *any)
{
    struct slot t = {0};
    enum err e = sql_row(s, SQL_DEK_ANY, WITH_NOTHING, any);
    if (e != ERR_OK || !*any)
        return e;
    t.person = col_id(s, SQL_DEK_ANY, 0);
    t.quarter = col_int(s, SQL_DEK_ANY, 1);
    e = unwrap(s->keys, &t, col_slice(s, SQL_DEK_ANY, 2));
    sodium_memzero(&t, sizeof(t));
    enum err d = sql_done(s, SQL_DEK_ANY);
    return e != ERR_OK ? e : d;
}

enum err keyring_open(struct store *s, const char *kek_path, struct buf *why)
{
    bool any;
    if (sign_init() != ERR_OK)
        return refuse(why, ERR_STORE_OPEN, "libsodium does not start");
    s->keys = sodium_malloc(sizeof(*s->keys));
    if (s->keys == NULL)
        return refuse(why, ERR_STORE_OPEN, "no guarded memory for keys");
    sodium_memzero(s->keys, sizeof(*s->keys));
    enum err e = read_kek(s->keys, kek_path);
    bool missing = e == ERR_NOT_FOUND;
    if (e != ERR_OK && !missing)
        return refuse(why, ERR_STORE_OPEN,
                      "%s: not a key file, or open to others", kek_path);
    e = try_kek(s, &any);
    if (missing && any)
        return refuse(why, ERR_STORE_OPEN,
                      "%s: missing, and the payload is sealed under it",
                      kek_path);
    if (e != ERR_OK)
        return refuse(why, ERR_STORE_OPEN, "%s: does not open the stored keys",
                      kek_path);
    if (missing && write_kek(s->keys, kek_path) != ERR_OK)
        return refuse(why, ERR_STORE_OPEN, "%s: cannot be created", kek_path);
    return ERR_OK;
}

void keyring_close(struct store *s)
{
    sodium_free(s->keys); /* wipes */
    s->keys = NULL;
}
