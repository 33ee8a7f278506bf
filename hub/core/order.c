/* order.c - orders as texts.
 *
 * A kind is a list of lines, a line is a key with a writer and a reader. There
 * is one way to write an order: what is read is written again and compared, so
 * two texts never mean the same order and nothing stands in one that nobody
 * reads. */
#include "hub/core/order.h"
#include "proto/base/date.h"
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HEADER "tsunagi-order/1"
#define VALUE_MAX 160

static const char *const KIND[ORDER_KINDS] = {"erase", "hold", "lift", "delay",
                                              "epoch"};

static const struct reason {
    enum order_kind kind;
    const char *code, *ja, *en;
} REASONS[] = {
    /* clang-format off */
    {ORDER_ERASE, "PERSON_ASKED", "本人の求め", "the person asked for it"},
    {ORDER_ERASE, "UNLAWFUL", "違法に取り扱われた", "it was handled unlawfully"},
    {ORDER_ERASE, "NO_LONGER_NEEDED", "利用する必要がなくなった", "it is needed no longer"},
    {ORDER_ERASE, "MISTAKE", "別人の記録など、誤りによる", "it came in by mistake"},
    {ORDER_ERASE, "COURT", "裁判所・審査庁の判断", "a court or authority decided so"},
    {ORDER_HOLD, "COURT", "裁判・審査の手続き", "proceedings before a court or authority"},
    {ORDER_HOLD, "DISPUTE", "本人との争い", "a dispute with the person"},
    {ORDER_HOLD, "INCIDENT", "事故・漏えいの調査", "an incident is being investigated"},
    {ORDER_HOLD, "LAW", "法令による保存", "law demands that it is kept"},
    {ORDER_EPOCH, "RESTORED", "控えからの復元", "restored from a backup"},
    {ORDER_EPOCH, "DISK_LOST", "記憶装置の故障", "the disk was lost"},
    {ORDER_EPOCH, "KEY_CHANGED", "署名鍵の交換", "the log's key was replaced"},
}; /* clang-format on */

const char *order_kind_name(enum order_kind k)
{
    assert(k < ORDER_KINDS);
    return KIND[k];
}

bool order_kind_of(const char *name, enum order_kind *out)
{
    for (int i = 0; i < ORDER_KINDS; i++)
        if (strcmp(name, KIND[i]) == 0) {
            *out = (enum order_kind)i;
            return true;
        }
    return false;
}

size_t order_need(enum order_kind k)
{
    return k == ORDER_HOLD ? 1 : APPROVALS_NEEDED;
}

static const struct reason *find_reason(enum order_kind k, const char *code)
{
    for (size_t i = 0; i < NELEM(REASONS); i++)
        if (REASONS[i].kind == k && strcmp(REASONS[i].code, code) == 0)
            return &REASONS[i];
    return NULL;
}

const char *order_reason_ja(enum order_kind k, const char *reason)
{
    const struct reason *r = find_reason(k, reason);
    return r == NULL ? NULL : r->ja;
}

const char *order_reason_en(enum order_kind k, const char *reason)
{
    const struct reason *r = find_reason(k, reason);
    return r == NULL ? NULL : r->en;
}

void order_reasons(enum order_kind k, struct buf *out)
{
    const char *space = "";
    for (size_t i = 0; i < NELEM(REASONS); i++)
        if (REASONS[i].kind == k) {
            buf_addf(out, "%s%s", space, REASONS[i].code);
            space = " ";
        }
}

/* ---- values ---- */

static void put_hex(struct buf *b, const uint8_t *p, size_t n)
{
    buf_add_hex(b, slice_of(p, n));
}

static bool get_hex(const char *v, uint8_t *p, size_t n)
{
    return strlen(v) == 2 * n && hex_decode(v, p, n) == ERR_OK;
}

static void put_day(struct buf *b, int32_t day)
{
    char text[DATE_TEXT];
    date_iso(date_from_days(day), text);
    buf_adds(b, text);
}

static bool get_day(const char *v, int32_t *day)
{
    struct date d;
    if (date_parse(slice_str(v), &d) != ERR_OK || d.day == 0)
        return false;
    *day = date_days(d);
    return true;
}

static bool get_text(const char *v, char *out, size_t size)
{
    if (strlen(v) >= size)
        return false;
    memcpy(out, v, strlen(v) + 1);
    return true;
}

/* ---- lines ---- */

static void put_subject(const struct order *o, struct buf *b)
{
    put_hex(b, o->subject, ID_BYTES);
}
static bool get_subject(const char *v, struct order *o)
{
    return get_hex(v, o->subject, ID_BYTES);
}

static void put_reason(const struct order *o, struct buf *b)
{
    buf_adds(b, o->reason);
}
static bool get_reason(const char *v, struct order *o)
{
    return find_reason(o->kind, v) != NULL &&
           get_text(v, o->reason, sizeof(o->reason));
}

static void put_asked_on(const struct order *o, struct buf *b)
{
    put_day(b, o->asked_on);
}
static bool get_asked_on(const char *v, struct order *o)
{
    return get_day(v, &o->asked_on);
}

static void put_asked_by(const struct order *o, struct buf *b)
{
    buf_adds(b, o->asked_by);
}
/* Its form alone: whether there is such an agency the hub knows. */
static bool get_asked_by(const char *v, struct order *o)
{
    static const char MAY[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-";
    return v[0] != '\0' && strspn(v, MAY) == strlen(v) &&
           get_text(v, o->asked_by, sizeof(o->asked_by));
}

static void put_urgent(const struct order *o, struct buf *b)
{
    buf_adds(b, o->urgent ? "yes" : "no");
}
static bool get_urgent(const char *v, struct order *o)
{
    o->urgent = strcmp(v, "yes") == 0;
    return true; /* another word is written differently */
}

static void put_until(const struct order *o, struct buf *b)
{
    put_day(b, o->until);
}
static bool get_until(const char *v, struct order *o)
{
    return get_day(v, &o->until);
}

static void put_basis(const struct order *o, struct buf *b)
{
    buf_adds(b, o->basis);
}
static bool get_basis(const char *v, struct order *o)
{
    static const char MAY[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";
    return strncmp(v, "LB_", 3) == 0 && strspn(v, MAY) == strlen(v) &&
           get_text(v, o->basis, sizeof(o->basis));
}

static void put_new(const struct order *o, struct buf *b)
{
    buf_adds(b, o->new_origin);
}
static bool get_new(const char *v, struct order *o)
{
    return note_name_ok(v) && strcmp(v, o->origin) != 0 &&
           get_text(v, o->new_origin, sizeof(o->new_origin));
}

static void put_old_size(const struct order *o, struct buf *b)
{
    buf_addf(b, "%" PRIu64, o->old_size);
}
static bool get_old_size(const char *v, struct order *o)
{
    return note_number(slice_str(v), &o->old_size);
}

static void put_old_sha256(const struct order *o, struct buf *b)
{
    put_hex(b, o->old_sha256, 32);
}
static bool get_old_sha256(const char *v, struct order *o)
{
    return get_hex(v, o->old_sha256, 32);
}

/* The one line that may stand several times: its numbers rise. */
static void put_leaf(const struct order *o, struct buf *b)
{
    for (size_t i = 0; i < o->leaf_count; i++)
        buf_addf(b, "%s%" PRIu64, i == 0 ? "" : "\nleaf ", o->leaf[i]);
}
static bool get_leaf(const char *v, struct order *o)
{
    size_t n = o->leaf_count;
    if (n == ORDER_LEAVES || !note_number(slice_str(v), &o->leaf[n]) ||
        (n > 0 && o->leaf[n] <= o->leaf[n - 1]))
        return false;
    o->leaf_count++;
    return true;
}

static const struct line {
    const char *key;
    void (*put)(const struct order *o, struct buf *b);
    bool (*get)(const char *value, struct order *o);
    unsigned kinds; /* that have it */
} LINES[] = {
/* clang-format off */
#define IN(k) (1u << ORDER_##k)
    {"subject", put_subject, get_subject, IN(ERASE) | IN(HOLD) | IN(LIFT) | IN(DELAY)},
    {"reason", put_reason, get_reason, IN(ERASE) | IN(HOLD) | IN(EPOCH)},
    {"asked_on", put_asked_on, get_asked_on, IN(ERASE)},
    {"asked_by", put_asked_by, get_asked_by, IN(ERASE)},
    {"urgent", put_urgent, get_urgent, IN(ERASE)},
    {"leaf", put_leaf, get_leaf, IN(DELAY)},
    {"until", put_until, get_until, IN(HOLD) | IN(DELAY)},
    {"basis", put_basis, get_basis, IN(DELAY)},
    {"new", put_new, get_new, IN(EPOCH)},
    {"old_size", put_old_size, get_old_size, IN(EPOCH)},
    {"old_sha256", put_old_sha256, get_old_sha256, IN(EPOCH)},
}; /* clang-format on */

void order_write(const struct order *o, struct buf *text)
{
    char at[TIME_TEXT];
    time_jst(o->made_ms, at);
    buf_addf(text, HEADER "\n%s\nkind %s\norder ", o->origin, KIND[o->kind]);
    put_hex(text, o->order.b, ID_BYTES);
    buf_addf(text, "\nmade %s\n", at);
    for (size_t i = 0; i < NELEM(LINES); i++)
        if ((LINES[i].kinds & 1u << o->kind) != 0) {
            buf_addf(text, "%s ", LINES[i].key);
            LINES[i].put(o, text);
            buf_addc(text, '\n');
        }
}

/* ---- reading ---- */

/* A line as text with NUL. */
static bool take_line(struct slice *text, char *out, size_t size)
{
    struct slice line;
    if (!note_take_line(text, &line) || line.n >= size ||
        memchr(line.p, '\0', line.n) != NULL)
        return false;
    memcpy(out, line.p, line.n);
    out[line.n] = '\0';
    return true;
}

/* The value of "KEY VALUE"; NULL when it is another line. */
static const char *value_of(const char *line, const char *key)
{
    size_t n = strlen(key);
    return strncmp(line, key, n) == 0 && line[n] == ' ' ? line + n + 1 : NULL;
}

static bool read_value(struct slice *text, const char *key,
                       char line[VALUE_MAX], const char **value)
{
    *value = take_line(text, line, VALUE_MAX) ? value_of(line, key) : NULL;
    return *value != NULL;
}

static bool read_head(struct slice *text, struct order *o)
{
    char line[VALUE_MAX];
    const char *v;
    return take_line(text, line, sizeof(line)) && strcmp(line, HEADER) == 0 &&
           take_line(text, line, sizeof(line)) && note_name_ok(line) &&
           get_text(line, o->origin, sizeof(o->origin)) &&
           read_value(text, "kind", line, &v) && order_kind_of(v, &o->kind) &&
           read_value(text, "order", line, &v) &&
           get_hex(v, o->order.b, ID_BYTES) &&
           read_value(text, "made", line, &v) &&
           time_parse(v, &o->made_ms) == ERR_OK;
}

static const struct line *find_line(const char *line, enum order_kind kind)
{
    for (size_t i = 0; i < NELEM(LINES); i++)
        if ((LINES[i].kinds & 1u << kind) != 0 &&
            value_of(line, LINES[i].key) != NULL)
            return &LINES[i];
    return NULL;
}

/* What is missing, out of order or there twice is written differently. */
static bool read_lines(struct slice text, struct order *o, char *at)
{
    at[0] = '\0';
    while (text.n > 0) {
        if (!take_line(&text, at, VALUE_MAX))
            return false;
        const struct line *l = find_line(at, o->kind);
        if (l == NULL || !l->get(value_of(at, l->key), o))
            return false;
    }
    at[0] = '\0';
    return o->kind != ORDER_DELAY || o->leaf_count > 0;
}

static enum err malformed(struct buf *why, const char *at)
{
    int key = (int)strcspn(at, " ");
    if (at[0] != '\0')
        buf_addf(why, "order: %.*s: not a line of an order\n", key, at);
    else
        buf_adds(why, "order: not an order as it is written here\n");
    return ERR_ORDER_FORM;
}

enum err order_parse(struct slice note, struct order *out, struct buf *why)
{
    struct slice text = note, lines, left;
    struct buf again = {0};
    char at[VALUE_MAX] = "";
    memset(out, 0, sizeof(*out));
    if (!note_cut(note, &text, &lines))
        text = note;
    left = text;
    if (!read_head(&left, out) || !read_lines(left, out, at))
        return malformed(why, at);
    order_write(out, &again);
    bool same = slice_eq(buf_slice(&again), text), failed = again.failed;
    buf_fini(&again);
    if (failed)
        return ERR_NOMEM;
    if (!same)
        return malformed(why, "");
    sha256(text, out->digest);
    return ERR_OK;
}

/* ---- everything an order must fulfil ---- */

static enum err check_origin(const struct order *o, const struct order_ask *ask,
                             struct buf *why)
{
    if (strcmp(o->origin, ask->origin) == 0)
        return ERR_OK;
    buf_addf(why, "order: is for %s, this is %s\n", o->origin, ask->origin);
    return ERR_ORDER_OTHER;
}

static enum err check_age(const struct order *o, const struct order_ask *ask,
                          struct buf *why)
{
    char at[TIME_TEXT];
    if (o->made_ms <= ask->now_ms + ORDER_CLOCK_MS &&
        o->made_ms + ORDER_OLDEST_MS >= ask->now_ms)
        return ERR_OK;
    time_jst(o->made_ms, at);
    buf_addf(why, "order: made %s; make it anew\n", at);
    return ERR_ORDER_OLD;
}

static enum err check_people(const struct order *o, const struct order_ask *ask,
                             struct approvals *by, struct buf *why)
{
    enum err e = approve_count(ask->note, ask->approvers, "order", by, why);
    if (e == ERR_INTEGRITY)
        buf_adds(why, "order: is not signed as a note is\n");
    if (e != ERR_OK)
        return e == ERR_NOMEM ? e : ERR_ORDER_APPROVALS;
    if (by->n >= order_need(o->kind))
        return ERR_OK;
    buf_addf(why,
             "order: %zu of %zu people have signed; another approver signs "
             "with: tsunagi order sign FILE --key FILE.key\n",
             by->n, order_need(o->kind));
    return ERR_ORDER_APPROVALS;
}

enum err order_verify(const struct order_ask *ask, struct order *out,
                      struct approvals *by, struct buf *why)
{
    assert(ask->origin != NULL && ask->approvers != NULL);
    *by = (struct approvals){0};
    enum err e = order_parse(ask->note, out, why);
    if (e == ERR_OK)
        e = check_origin(out, ask, why);
    if (e == ERR_OK)
        e = check_age(out, ask, why);
    return e == ERR_OK ? check_people(out, ask, by, why) : e;
}
