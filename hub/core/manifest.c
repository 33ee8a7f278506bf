/* manifest.c - a policy pack is taken as a whole or not at all.
 *
 * What is signed names every file by its hash, so an approval covers exactly
 * the bytes that were looked at; the cases that a pack was tested with are
 * among them. There is one way to write a manifest: what is read is written
 * again and compared, so two texts never mean the same pack. */
#include "hub/core/manifest.h"
#include "proto/base/date.h"
#include <assert.h>
#include <inttypes.h>
#include <string.h>

#define SUFFIX "/policy"
#define CASES_NAME "cases.tsv"

const char *pack_file_name(size_t i)
{
    assert(i < PACK_FILES);
    return i < POLICY_FILES ? POLICY_FILE_NAMES[i] : CASES_NAME;
}

/* ---- text ---- */

static void write_text(const struct manifest *m, struct buf *text)
{
    char at[TIME_TEXT];
    time_jst(m->not_before_ms, at);
    buf_addf(text, "%s" SUFFIX "\nversion %" PRIu64 "\nnot-before %s\n",
             m->origin, m->version, at);
    for (size_t i = 0; i < PACK_FILES; i++) {
        buf_add_hex(text, slice_of(m->file[i], 32));
        buf_addf(text, " %s\n", pack_file_name(i));
    }
}

void manifest_write(const char *origin, uint64_t version,
                    uint64_t not_before_ms,
                    const struct slice files[PACK_FILES], struct buf *text)
{
    struct manifest m = {.version = version, .not_before_ms = not_before_ms};
    size_t n = strlen(origin);
    assert(n < sizeof(m.origin));
    memcpy(m.origin, origin, n + 1);
    for (size_t i = 0; i < PACK_FILES; i++)
        sha256(files[i], m.file[i]);
    write_text(&m, text);
}

/* Takes a line "KEY VALUE"; value as text with NUL. */
static bool take_value(struct slice *text, const char *key, char *value,
                       size_t size)
{
    struct slice line;
    size_t n = strlen(key);
    if (!note_take_line(text, &line) || line.n <= n + 1 || line.n - n > size ||
        memcmp(line.p, key, n) != 0 || line.p[n] != ' ')
        return false;
    memcpy(value, line.p + n + 1, line.n - n - 1);
    value[line.n - n - 1] = '\0';
    return true;
}

static bool take_file(struct slice *text, uint8_t hash[32])
{
    struct slice line;
    char hex[65];
    if (!note_take_line(text, &line) || line.n < 64)
        return false;
    memcpy(hex, line.p, 64);
    hex[64] = '\0';
    return hex_decode(hex, hash, 32) == ERR_OK;
}

static bool read_text(struct slice text, struct manifest *m)
{
    struct slice line;
    char value[TIME_TEXT];
    size_t suffix = strlen(SUFFIX);
    if (!note_take_line(&text, &line) || line.n <= suffix ||
        line.n - suffix >= sizeof(m->origin))
        return false;
    memcpy(m->origin, line.p, line.n - suffix);
    if (!take_value(&text, "version", value, sizeof(value)) ||
        !note_number(slice_str(value), &m->version) || m->version == 0 ||
        !take_value(&text, "not-before", value, sizeof(value)) ||
        time_parse(value, &m->not_before_ms) != ERR_OK)
        return false;
    for (size_t i = 0; i < PACK_FILES; i++)
        if (!take_file(&text, m->file[i]))
            return false;
    return true;
}

enum err manifest_parse(struct slice note, struct manifest *out,
                        struct buf *why)
{
    struct slice text, lines;
    struct buf again = {0};
    memset(out, 0, sizeof(*out));
    bool ok = note_cut(note, &text, &lines) && read_text(text, out);
    if (ok)
        write_text(out, &again);
    if (again.failed)
        return ERR_NOMEM;
    ok = ok && slice_eq(buf_slice(&again), text);
    buf_fini(&again);
    if (!ok) {
        buf_adds(why, MANIFEST_NAME ": not a manifest of these files\n");
        return ERR_POL_MANIFEST;
    }
    sha256(text, out->digest);
    return ERR_OK;
}

/* ---- everything a pack must fulfil ---- */

static enum err check_files(const struct manifest *m,
                            const struct manifest_ask *ask, struct buf *why)
{
    enum err e = ERR_OK;
    for (size_t i = 0; i < PACK_FILES; i++) {
        uint8_t hash[32];
        sha256(ask->files[i], hash);
        if (memcmp(hash, m->file[i], sizeof(hash)) == 0)
            continue;
        buf_addf(why, "%s: not the file that was approved; sign again\n",
                 pack_file_name(i));
        e = ERR_POL_FILES;
    }
    return e;
}

static enum err check_approvals(const struct manifest_ask *ask,
                                struct approvals *by, struct buf *why)
{
    enum err e =
        approve_count(ask->note, ask->approvers, MANIFEST_NAME, by, why);
    if (e == ERR_INTEGRITY)
        return ERR_POL_MANIFEST;
    if (e == ERR_OK && by->n < APPROVALS_NEEDED) {
        buf_addf(why,
                 "%s: %zu of %d people have approved; another approver signs "
                 "with: tsunagi policy sign FOLDER --key FILE.key\n",
                 MANIFEST_NAME, by->n, APPROVALS_NEEDED);
        e = ERR_POL_APPROVALS;
    }
    return e;
}

static enum err check_time(const struct manifest *m,
                           const struct manifest_ask *ask, struct buf *why)
{
    char at[TIME_TEXT];
    if (m->version <= ask->in_force) {
        buf_addf(why,
                 "%s: version %" PRIu64 " is not above %" PRIu64
                 ", which is in force\n",
                 MANIFEST_NAME, m->version, ask->in_force);
        return ERR_POL_VERSION;
    }
    if (m->not_before_ms <= ask->now_ms)
        return ERR_OK;
    time_jst(m->not_before_ms, at);
    buf_addf(why, "%s: not before %s\n", MANIFEST_NAME, at);
    return ERR_POL_EARLY;
}

enum err manifest_verify(const struct manifest_ask *ask, struct manifest *out,
                         struct approvals *by, struct buf *why)
{
    assert(ask->origin != NULL && ask->approvers != NULL);
    *by = (struct approvals){0};
    enum err e = manifest_parse(ask->note, out, why);
    if (e == ERR_OK && strcmp(out->origin, ask->origin) != 0) {
        buf_addf(why, "%s: is for %s, this hub is %s\n", MANIFEST_NAME,
                 out->origin, ask->origin);
        e = ERR_POL_MANIFEST;
    }
    if (e == ERR_OK)
        e = check_files(out, ask, why);
    if (e == ERR_OK)
        e = check_approvals(ask, by, why);
    return e == ERR_OK ? check_time(out, ask, why) : e;
}

/* ---- the pack as bytes ---- */

static void join(struct slice s, struct buf *out)
{
    uint8_t n[4] = {(uint8_t)(s.n >> 24), (uint8_t)(s.n >> 16),
                    (uint8_t)(s.n >> 8), (uint8_t)s.n};
    buf_add(out, n, sizeof(n));
    buf_add(out, s.p, s.n);
}

static bool split(struct slice *from, struct slice *out)
{
    const uint8_t *p = from->p;
    if (from->n < 4)
        return false;
    size_t n =
        (size_t)p[0] << 24 | (size_t)p[1] << 16 | (size_t)p[2] << 8 | p[3];
    if (n > from->n - 4)
        return false;
    *out = slice_of(p + 4, n);
    *from = slice_of(p + 4 + n, from->n - 4 - n);
    return true;
}

void pack_join(struct slice note, const struct slice files[PACK_FILES],
               struct buf *out)
{
    join(note, out);
    for (size_t i = 0; i < PACK_FILES; i++)
        join(files[i], out);
}

enum err pack_split(struct slice bytes, struct slice *note,
                    struct slice files[PACK_FILES])
{
    bool ok = split(&bytes, note);
    for (size_t i = 0; i < PACK_FILES && ok; i++)
        ok = split(&bytes, &files[i]);
    return ok && bytes.n == 0 ? ERR_OK : ERR_POL_MANIFEST;
}
