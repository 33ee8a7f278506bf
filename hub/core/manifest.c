/* manifest.c - a policy pack is taken as a whole or not at all.
 *
 * What is signed names every file by its hash, so an approval covers exactly
 * the bytes that were looked at; the cases that a pack was tested with are
 * among them. There is one way to write a manifest: what is read is written
 * again and compared, so two texts never mean the same pack.
 *
 * Signatures of strangers are passed over, as in every note. A signature in
 * the name of an approver that does not verify spoils the note, and a person
 * with two keys is still one person.
 *
 * Who may write the table of approvers could name two keys of his own. So the
 * table of the last activation is held against today's: a signature counts for
 * who is active in both, and two people are two when both tables say so. */
#include "hub/core/manifest.h"
#include "proto/base/date.h"
#include "proto/base/tsv.h"
#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define SUFFIX "/policy"
#define CASES_NAME "cases.tsv"

const char *pack_file_name(size_t i)
{
    assert(i < PACK_FILES);
    return i < POLICY_FILES ? POLICY_FILE_NAMES[i] : CASES_NAME;
}

/* ---- who may approve ---- */

struct approvers {
    struct tsv *text;
    struct approver *list;
    size_t n;
};

static enum err bad_row(const struct tsv *t, size_t row, const char *what,
                        struct buf *why)
{
    buf_addf(why, "approvers.tsv:%zu: %s\n", tsv_line(t, row), what);
    return ERR_POL_INVALID;
}

/* A second row with the same name or the same key. */
static bool repeats(const struct approvers *a, const struct approver *x)
{
    for (size_t i = 0; i < a->n; i++)
        if (strcmp(a->list[i].name, x->name) == 0 ||
            memcmp(a->list[i].sign, x->sign, KEY_BYTES) == 0)
            return true;
    return false;
}

static enum err read_approver(struct approvers *a, size_t row, struct buf *why)
{
    const struct tsv *t = a->text;
    const char *state = tsv_cell(t, row, "state");
    const char *sign = tsv_cell(t, row, "sign");
    struct approver x = {.name = tsv_cell(t, row, "name"),
                         .person = tsv_cell(t, row, "person_ja"),
                         .person_before = tsv_cell(t, row, "person_ja"),
                         .active = strcmp(state, "active") == 0};
    if (!note_name_ok(x.name))
        return bad_row(t, row, "name: not a key's name", why);
    if (x.person[0] == '\0')
        return bad_row(t, row, "person_ja: is needed", why);
    if (!x.active && strcmp(state, "revoked") != 0)
        return bad_row(t, row, "state: must be active or revoked", why);
    if (strlen(sign) != 2 * KEY_BYTES ||
        hex_decode(sign, x.sign, KEY_BYTES) != ERR_OK)
        return bad_row(t, row, "sign: 64 hex digits", why);
    if (repeats(a, &x))
        return bad_row(t, row, "this name or key stands here twice", why);
    a->list[a->n++] = x;
    return ERR_OK;
}

enum err approvers_parse(struct slice tsv, struct approvers **out,
                         struct buf *why)
{
    static const char *const COLUMNS[] = {"name", "person_ja", "sign", "state",
                                          NULL};
    *out = NULL;
    struct approvers *a = calloc(1, sizeof(*a));
    if (a == NULL)
        return ERR_NOMEM;
    enum err e = tsv_parse("approvers.tsv", tsv, COLUMNS, &a->text, why);
    if (e != ERR_OK) {
        e = e == ERR_NOMEM ? e : ERR_POL_INVALID;
        goto fail;
    }
    size_t rows = tsv_rows(a->text);
    a->list = calloc(rows + 1, sizeof(*a->list));
    if (a->list == NULL)
        e = ERR_NOMEM;
    for (size_t i = 0; i < rows && e == ERR_OK; i++)
        e = read_approver(a, i, why);
    if (e != ERR_OK)
        goto fail;
    *out = a;
    return ERR_OK;
fail:
    approvers_free(&a);
    return e;
}

void approvers_free(struct approvers **a)
{
    if (a == NULL || *a == NULL)
        return;
    tsv_free(&(*a)->text);
    free((*a)->list);
    free(*a);
    *a = NULL;
}

static const struct approver *same_key(const struct approvers *list,
                                       const struct approver *x)
{
    for (size_t i = 0; i < list->n; i++)
        if (strcmp(list->list[i].name, x->name) == 0 &&
            memcmp(list->list[i].sign, x->sign, KEY_BYTES) == 0)
            return &list->list[i];
    return NULL;
}

void approvers_anchor(struct approvers *a, const struct approvers *kept)
{
    for (size_t i = 0; i < a->n; i++) {
        struct approver *x = &a->list[i];
        const struct approver *before = same_key(kept, x);
        if (before != NULL)
            x->person_before = before->person;
        if (before == NULL || !before->active) {
            x->newcomer = x->active;
            x->active = false;
        }
    }
}

static bool same_person(const struct approver *a, const struct approver *b)
{
    return strcmp(a->person, b->person) == 0 ||
           strcmp(a->person_before, b->person_before) == 0;
}

/* The first active row of a person. */
static bool counts(const struct approvers *a, size_t at)
{
    for (size_t i = 0; i < at; i++)
        if (a->list[i].active && same_person(&a->list[i], &a->list[at]))
            return false;
    return a->list[at].active;
}

size_t approvers_people(const struct approvers *a)
{
    size_t n = 0;
    for (size_t i = 0; i < a->n; i++)
        n += counts(a, i) ? 1 : 0;
    return n;
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

enum err manifest_sign(struct slice note, const struct node_keys *key,
                       struct buf *out)
{
    struct slice text = note, lines = SLICE_NONE, rest;
    struct note_line *l = malloc(sizeof(*l)); /* too large for a frame */
    if (l == NULL)
        return ERR_NOMEM;
    note_cut(note, &text, &lines);
    buf_add(out, text.p, text.n);
    buf_addc(out, '\n');
    enum err e = ERR_OK;
    for (rest = lines; lines.n > 0 && e == ERR_OK; lines = rest) {
        if (!note_next(&rest, l))
            e = ERR_POL_MANIFEST;
        else if (!slice_eq(l->name, slice_str(key->pub.node)))
            buf_add(out, lines.p, lines.n - rest.n);
    }
    if (e == ERR_OK)
        e = note_sign(text, key->pub.node, key->sign_secret, key->pub.sign,
                      out);
    free(l);
    return e;
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

/* Counts an approver once for each person. */
static void add_approval(struct approvals *by, const struct approver *a)
{
    for (size_t i = 0; i < by->n; i++)
        if (same_person(by->by[i], a))
            return;
    by->by[by->n++] = a;
}

static enum err judge_line(const struct note_line *l, struct slice text,
                           const struct approvers *list, struct approvals *by,
                           struct buf *why)
{
    for (size_t i = 0; i < list->n; i++) {
        const struct approver *a = &list->list[i];
        enum note_verdict v = note_judge(l, text, a->name, a->sign);
        if (v == NOTE_BROKEN) {
            buf_addf(why, "%s: the signature of %s is false\n", MANIFEST_NAME,
                     a->name);
            return ERR_POL_APPROVALS;
        }
        if (v == NOTE_GOOD && a->active)
            add_approval(by, a);
        else if (v == NOTE_GOOD)
            buf_addf(why, "%s: %s may not approve %s\n", MANIFEST_NAME, a->name,
                     a->newcomer ? "yet: counts after the next activation"
                                 : "any more");
    }
    return ERR_OK;
}

static enum err check_approvals(const struct manifest_ask *ask,
                                struct approvals *by, struct buf *why)
{
    struct slice text, lines;
    struct note_line *l = malloc(sizeof(*l)); /* too large for a frame */
    if (l == NULL)
        return ERR_NOMEM;
    enum err e = note_cut(ask->note, &text, &lines) ? ERR_OK : ERR_POL_MANIFEST;
    for (size_t n = 0; lines.n > 0 && e == ERR_OK; n++) {
        if (n == NOTE_SIGNATURES || !note_next(&lines, l)) {
            buf_adds(why, MANIFEST_NAME ": a signature line is malformed\n");
            e = ERR_POL_MANIFEST;
        } else {
            e = judge_line(l, text, ask->approvers, by, why);
        }
    }
    free(l);
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
