/* approve.c - signatures of people under a note.
 *
 * Signatures of strangers are passed over, as in every note. A signature in
 * the name of an approver that does not verify spoils the note, and a person
 * with two keys is still one person.
 *
 * Who may write the table of approvers could name two keys of his own. So the
 * table of the last activation is held against today's: a signature counts for
 * who is active in both, and two people are two when both tables say so. */
#include "hub/core/approve.h"
#include "proto/base/tsv.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

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

/* Past spaces, narrow and wide. */
static const char *past_spaces(const char *s)
{
    static const char WIDE[] = "\xe3\x80\x80";
    for (;;)
        if (*s == ' ')
            s++;
        else if (strncmp(s, WIDE, sizeof(WIDE) - 1) == 0)
            s += sizeof(WIDE) - 1;
        else
            return s;
}

/* However family and given name are set apart. */
static bool same_name(const char *a, const char *b)
{
    a = past_spaces(a);
    b = past_spaces(b);
    while (*a != '\0' && *a == *b) {
        a = past_spaces(a + 1);
        b = past_spaces(b + 1);
    }
    return *a == *b;
}

static bool same_person(const struct approver *a, const struct approver *b)
{
    return same_name(a->person, b->person) ||
           same_name(a->person_before, b->person_before);
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

/* ---- signatures ---- */

enum err approve_sign(struct slice note, const struct node_keys *key,
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
            e = ERR_INTEGRITY;
        else if (!slice_eq(l->name, slice_str(key->pub.node)))
            buf_add(out, lines.p, lines.n - rest.n);
    }
    if (e == ERR_OK)
        e = note_sign(text, key->pub.node, key->sign_secret, key->pub.sign,
                      out);
    free(l);
    return e;
}

/* Counts an approver once for each person. */
static void add_approval(struct approvals *by, const struct approver *a)
{
    for (size_t i = 0; i < by->n; i++)
        if (same_person(by->by[i], a))
            return;
    if (by->n < APPROVALS_MAX)
        by->by[by->n++] = a;
}

static enum err judge_line(const struct note_line *l, struct slice text,
                           const struct approvers *list, const char *what,
                           struct approvals *by, struct buf *why)
{
    for (size_t i = 0; i < list->n; i++) {
        const struct approver *a = &list->list[i];
        enum note_verdict v = note_judge(l, text, a->name, a->sign);
        if (v == NOTE_BROKEN) {
            buf_addf(why, "%s: the signature of %s is false\n", what, a->name);
            return ERR_POL_APPROVALS;
        }
        if (v == NOTE_GOOD && a->active)
            add_approval(by, a);
        else if (v == NOTE_GOOD)
            buf_addf(why, "%s: %s may not approve %s\n", what, a->name,
                     a->newcomer ? "yet: counts after the next activation"
                                 : "any more");
    }
    return ERR_OK;
}

enum err approve_count(struct slice note, const struct approvers *list,
                       const char *what, struct approvals *by, struct buf *why)
{
    struct slice text, lines;
    struct note_line *l = malloc(sizeof(*l)); /* too large for a frame */
    *by = (struct approvals){0};
    if (l == NULL)
        return ERR_NOMEM;
    enum err e = note_cut(note, &text, &lines) ? ERR_OK : ERR_INTEGRITY;
    for (size_t n = 0; e == ERR_OK && lines.n > 0; n++) {
        if (n == NOTE_SIGNATURES || !note_next(&lines, l)) {
            buf_addf(why, "%s: a signature line is malformed\n", what);
            e = ERR_INTEGRITY;
        } else {
            e = judge_line(l, text, list, what, by, why);
        }
    }
    free(l);
    return e;
}
