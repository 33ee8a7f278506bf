/* quorum.c - the policy of witnesses, their hours, and what follows of both.
 *
 * A policy is C2SP tlog-policy: lines of words between blanks,
 *
 *   log <vkey> [<url>]
 *   witness <name> <vkey> [<url>]
 *   group <name> all|any|<k> <member>...
 *   quorum <name>|none
 *
 * each name defined before it is used and a member of one group at most. So
 * the names form a forest in which members stand before their group, and one
 * pass over them in the order of definition judges it from the leaves up. An
 * address is passed over: nodes are asked over their own connection. */
#include "proto/wire/quorum.h"
#include "proto/base/date.h"
#include "proto/base/tsv.h"
#include "proto/wire/witness.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define NAME_MAX_BYTES 128 /* of a witness or group, with NUL */
#define NAMES (QUORUM_WITNESSES + QUORUM_GROUPS)
#define WORDS_MAX (3 + NAMES)
#define NOBODY (-1)
#define SKEW_S 300 /* how far a witness's clock may be ahead */

struct named {
    char name[NAME_MAX_BYTES];
    int witness;       /* index, NOBODY: a group */
    int parent;        /* the group it is a member of, NOBODY: of none */
    unsigned k, count; /* of a group: wanted, members */
};
struct quorum {
    struct vkey log[QUORUM_LOGS];
    struct vkey witness[QUORUM_WITNESSES];
    size_t logs, witnesses, groups;
    struct named named[NAMES];
    size_t names;
    int root; /* index of a name, NOBODY: none */
};

/* ---- reading a policy ---- */

struct reading {
    struct quorum *q;
    const char *file;
    unsigned line;
    struct slice word[WORDS_MAX];
    size_t words;
    bool decided; /* the quorum line was there */
    struct buf *why;
};

static bool fault(struct reading *r, const char *sentence)
{
    buf_addf(r->why, "%s:%u: %s\n", r->file, r->line, sentence);
    return false;
}

/* False when there are more words than any line can have. */
static bool cut_words(struct reading *r, struct slice line)
{
    r->words = 0;
    for (size_t i = 0; i < line.n;) {
        size_t from = i;
        while (i < line.n && line.p[i] != ' ' && line.p[i] != '\t')
            i++;
        if (i > from) {
            if (r->words == WORDS_MAX)
                return fault(r, "too many words");
            r->word[r->words++] = slice_of(line.p + from, i - from);
        }
        while (i < line.n && (line.p[i] == ' ' || line.p[i] == '\t'))
            i++;
    }
    return true;
}

static bool is(struct slice word, const char *s)
{
    return slice_eq(word, slice_str(s));
}

static bool copy_word(struct slice word, char *out, size_t max)
{
    if (word.n >= max)
        return false;
    memcpy(out, word.p, word.n);
    out[word.n] = '\0';
    return true;
}

static int find_name(const struct quorum *q, struct slice name)
{
    for (size_t i = 0; i < q->names; i++)
        if (slice_eq(name, slice_str(q->named[i].name)))
            return (int)i;
    return NOBODY;
}

static struct named *define(struct reading *r, struct slice name)
{
    struct quorum *q = r->q;
    if (is(name, "none") || find_name(q, name) != NOBODY || q->names == NAMES) {
        fault(r, "the name is taken");
        return NULL;
    }
    struct named *n = &q->named[q->names];
    *n = (struct named){.witness = NOBODY, .parent = NOBODY};
    if (!copy_word(name, n->name, sizeof(n->name))) {
        fault(r, "the name is too long");
        return NULL;
    }
    q->names++;
    return n;
}

/* One key may not count twice. */
static bool take_vkey(struct reading *r, struct slice word, enum vkey_type type,
                      struct vkey *list, size_t n)
{
    if (!vkey_parse(word, &list[n]) || list[n].type != type)
        return fault(r, type == VKEY_SIGNER ? "not the key of a log"
                                            : "not the key of a witness");
    for (size_t i = 0; i < n; i++)
        if (memcmp(list[i].key, list[n].key, KEY_BYTES) == 0)
            return fault(r, "the key has two lines");
    return true;
}

static bool read_log(struct reading *r)
{
    struct quorum *q = r->q;
    if (r->words < 2 || r->words > 3)
        return fault(r, "log KEY [URL]");
    if (q->logs == QUORUM_LOGS)
        return fault(r, "too many logs");
    if (!take_vkey(r, r->word[1], VKEY_SIGNER, q->log, q->logs))
        return false;
    q->logs++;
    return true;
}

static bool read_witness(struct reading *r)
{
    struct quorum *q = r->q;
    if (r->words < 3 || r->words > 4)
        return fault(r, "witness NAME KEY [URL]");
    if (q->witnesses == QUORUM_WITNESSES)
        return fault(r, "too many witnesses");
    if (!take_vkey(r, r->word[2], VKEY_COSIGNER, q->witness, q->witnesses))
        return false;
    struct named *n = define(r, r->word[1]);
    if (n == NULL)
        return false;
    n->witness = (int)q->witnesses++;
    return true;
}

/* How many of count members a group wants; 0: what no group can want. */
static unsigned wanted(struct slice word, unsigned count)
{
    uint64_t k = 0;
    if (is(word, "any"))
        return 1;
    if (is(word, "all"))
        return count;
    return note_number(word, &k) && k <= count ? (unsigned)k : 0;
}

static bool take_member(struct reading *r, struct slice word, int group)
{
    int i = find_name(r->q, word);
    if (i == NOBODY || i == group)
        return fault(r, "a member is not defined above");
    if (r->q->named[i].parent != NOBODY)
        return fault(r, "a name may be a member once");
    r->q->named[i].parent = group;
    return true;
}

static bool read_group(struct reading *r)
{
    if (r->words < 4)
        return fault(r, "group NAME all|any|K MEMBER...");
    if (r->q->groups == QUORUM_GROUPS)
        return fault(r, "too many groups");
    struct named *g = define(r, r->word[1]);
    if (g == NULL)
        return false;
    r->q->groups++;
    g->count = (unsigned)(r->words - 3);
    g->k = wanted(r->word[2], g->count);
    if (g->k == 0)
        return fault(r, "a group wants all, any or 1 to as many as it has");
    for (size_t i = 3; i < r->words; i++)
        if (!take_member(r, r->word[i], (int)(g - r->q->named)))
            return false;
    return true;
}

static bool read_quorum(struct reading *r)
{
    if (r->words != 2)
        return fault(r, "quorum NAME, or quorum none");
    if (r->decided)
        return fault(r, "there is a quorum already");
    r->decided = true;
    r->q->root = is(r->word[1], "none") ? NOBODY : find_name(r->q, r->word[1]);
    return r->q->root != NOBODY || is(r->word[1], "none") ||
           fault(r, "the quorum is not defined above");
}

static bool clean(struct slice line)
{
    for (size_t i = 0; i < line.n; i++)
        if ((line.p[i] < 0x20 && line.p[i] != '\t') || line.p[i] == 0x7f)
            return false;
    return true;
}

static bool read_line(struct reading *r, struct slice line)
{
    if (!clean(line))
        return fault(r, "a control character");
    size_t blank = 0;
    while (blank < line.n && (line.p[blank] == ' ' || line.p[blank] == '\t'))
        blank++;
    if (blank == line.n || line.p[blank] == '#')
        return true;
    if (!cut_words(r, slice_of(line.p + blank, line.n - blank)))
        return false;
    return is(r->word[0], "log")       ? read_log(r)
           : is(r->word[0], "witness") ? read_witness(r)
           : is(r->word[0], "group")   ? read_group(r)
           : is(r->word[0], "quorum")
               ? read_quorum(r)
               : fault(r, "a line is log, witness, group or quorum");
}

static bool read_policy(struct reading *r, struct slice text)
{
    struct slice line;
    if (text.n > QUORUM_TEXT_MAX)
        return fault(r, "too large");
    while (note_take_line(&text, &line)) {
        r->line++;
        if (!read_line(r, line))
            return false;
    }
    if (text.n > 0)
        return fault(r, "the last line does not end");
    return r->decided || fault(r, "there is no quorum line");
}

enum err quorum_parse(const char *file, struct slice text, struct quorum **out,
                      struct buf *why)
{
    struct reading r = {.file = file, .why = why};
    *out = NULL;
    r.q = calloc(1, sizeof(*r.q));
    if (r.q == NULL)
        return ERR_NOMEM;
    r.q->root = NOBODY;
    if (!read_policy(&r, text)) {
        quorum_free(&r.q);
        return ERR_WITNESS_POLICY;
    }
    *out = r.q;
    return ERR_OK;
}

void quorum_free(struct quorum **q)
{
    free(*q);
    *q = NULL;
}

bool quorum_has_log(const struct quorum *q, const char *origin,
                    const uint8_t key[KEY_BYTES])
{
    for (size_t i = 0; i < q->logs; i++)
        if (strcmp(q->log[i].name, origin) == 0 &&
            memcmp(q->log[i].key, key, KEY_BYTES) == 0)
            return true;
    return false;
}

size_t quorum_witnesses(const struct quorum *q)
{
    return q->witnesses;
}

const struct vkey *quorum_witness(const struct quorum *q, size_t i)
{
    assert(i < q->witnesses);
    return &q->witness[i];
}

const char *quorum_witness_name(const struct quorum *q, size_t i)
{
    for (size_t k = 0; k < q->names; k++)
        if (q->named[k].witness == (int)i)
            return q->named[k].name;
    assert(false);
    return "";
}

bool quorum_none(const struct quorum *q)
{
    return q->root == NOBODY;
}

/* ---- hours ---- */

/* One row: the witnesses it is about, and when they are open (or closed). */
struct span {
    uint64_t whose;
    bool closed;
    int32_t from, to; /* closed: days since 1970; open: minutes of a day */
    unsigned days;    /* bit 0: Monday */
};
struct hours {
    uint64_t ruled; /* witnesses with rows of opening hours */
    size_t n;
    struct span span[];
};
#define DAY_MINUTES (24 * 60)
#define ALL_WITNESSES UINT64_MAX

static bool day_name(const char *s, size_t n, unsigned *day)
{
    static const char *const DAYS[] = {"mon", "tue", "wed", "thu",
                                       "fri", "sat", "sun"};
    for (unsigned i = 0; i < NELEM(DAYS); i++)
        if (n == 3 && memcmp(s, DAYS[i], 3) == 0) {
            *day = i;
            return true;
        }
    return false;
}

/* mon, mon-fri, fri-mon, daily. */
static bool read_days(const char *s, unsigned *days)
{
    unsigned from, to;
    const char *dash = strchr(s, '-');
    size_t n = dash != NULL ? (size_t)(dash - s) : strlen(s);
    *days = 0x7f;
    if (strcmp(s, "daily") == 0)
        return true;
    if (!day_name(s, n, &from))
        return false;
    to = from;
    if (dash != NULL && !day_name(dash + 1, strlen(dash + 1), &to))
        return false;
    *days = 1u << from;
    for (unsigned d = from; d != to; *days |= 1u << d)
        d = (d + 1) % 7;
    return true;
}

static bool read_minute(const char *s, int32_t *out)
{
    static const char SHAPE[] = "dd:dd";
    for (size_t i = 0; i < sizeof(SHAPE); i++)
        if (SHAPE[i] == 'd' ? s[i] < '0' || s[i] > '9' : s[i] != SHAPE[i])
            return false;
    int32_t minute = (s[3] - '0') * 10 + s[4] - '0';
    *out = ((s[0] - '0') * 10 + s[1] - '0') * 60 + minute;
    return minute < 60 && *out <= DAY_MINUTES;
}

static bool read_day(const char *s, int32_t *out)
{
    struct date d;
    if (strlen(s) != 10 || date_parse(slice_str(s), &d) != ERR_OK || d.day == 0)
        return false;
    *out = date_days(d);
    return true;
}

static bool read_whose(const struct quorum *q, const char *name, uint64_t *out)
{
    *out = ALL_WITNESSES;
    if (strcmp(name, "*") == 0)
        return true;
    int i = find_name(q, slice_str(name));
    if (i == NOBODY || q->named[i].witness == NOBODY)
        return false;
    *out = 1ull << q->named[i].witness;
    return true;
}

static const char *read_span(const struct quorum *q, const struct tsv *t,
                             size_t row, struct span *s)
{
    const char *days = tsv_cell(t, row, "days");
    const char *from = tsv_cell(t, row, "from"), *to = tsv_cell(t, row, "to");
    s->closed = strcmp(days, "closed") == 0;
    if (!read_whose(q, tsv_cell(t, row, "witness"), &s->whose))
        return "no such witness in the policy";
    if (s->closed)
        return read_day(from, &s->from) && read_day(to, &s->to) &&
                       s->from <= s->to
                   ? NULL
                   : "closed from a date to a date, such as 2026-12-29";
    if (!read_days(days, &s->days))
        return "days are mon-fri, sat, daily, or closed";
    return read_minute(from, &s->from) && read_minute(to, &s->to) &&
                   s->from < s->to
               ? NULL
               : "open from a time to a later one, such as 08:30 and 17:15";
}

enum err hours_parse(const char *file, struct slice text,
                     const struct quorum *q, struct hours **out,
                     struct buf *why)
{
    static const char *const COLUMNS[] = {"witness", "days", "from", "to",
                                          NULL};
    struct tsv *t = NULL;
    *out = NULL;
    enum err e = tsv_parse(file, text, COLUMNS, &t, why);
    if (e != ERR_OK)
        return e == ERR_NOMEM ? e : ERR_WITNESS_POLICY;
    size_t n = tsv_rows(t);
    struct hours *h = calloc(1, sizeof(*h) + n * sizeof(h->span[0]));
    e = h == NULL ? ERR_NOMEM : ERR_OK;
    for (size_t i = 0; i < n && e == ERR_OK; i++) {
        struct span *s = &h->span[h->n++];
        const char *wrong = read_span(q, t, i, s);
        if (wrong != NULL) {
            buf_addf(why, "%s:%zu: %s\n", file, tsv_line(t, i), wrong);
            e = ERR_WITNESS_POLICY;
        }
        h->ruled |= s->closed ? 0 : s->whose;
    }
    tsv_free(&t);
    if (e != ERR_OK)
        hours_free(&h);
    *out = h;
    return e;
}

void hours_free(struct hours **h)
{
    free(*h);
    *h = NULL;
}

static uint64_t everybody(const struct quorum *q)
{
    return q->witnesses == QUORUM_WITNESSES ? ALL_WITNESSES
                                            : (1ull << q->witnesses) - 1;
}

uint64_t hours_open(const struct hours *h, const struct quorum *q,
                    uint64_t time_s)
{
    if (h == NULL)
        return everybody(q);
    uint64_t open = ~h->ruled, closed = 0;
    uint64_t ms = time_s < UINT64_MAX / 1000 ? time_s * 1000 : 0;
    int32_t day = japan_day(ms);
    int32_t minute = (int32_t)((time_s / 60 + 9 * 60) % DAY_MINUTES);
    unsigned weekday = (unsigned)(day + 3) % 7; /* 1970 began on a Thursday */
    for (size_t i = 0; i < h->n; i++) {
        const struct span *s = &h->span[i];
        if (s->closed)
            closed |= day >= s->from && day <= s->to ? s->whose : 0;
        else if ((s->days & 1u << weekday) != 0 && minute >= s->from &&
                 minute < s->to)
            open |= s->whose;
    }
    return open & ~closed & everybody(q);
}

/* ---- judging ---- */

/* Members of a group that are open, and that have witnessed. */
struct tally {
    unsigned open, met;
};

static bool group_met(const struct named *g, struct tally t)
{
    unsigned f = 2 * g->k > g->count + 1 ? 2 * g->k - g->count - 1 : 0;
    unsigned need = (t.open + f) / 2 + 1;
    need = need < t.open ? need : t.open;
    return t.met >= (need < g->k ? need : g->k);
}

enum quorum_verdict quorum_met(const struct quorum *q, uint64_t cosigned,
                               uint64_t open)
{
    struct tally tally[NAMES] = {{0}};
    for (size_t i = 0; i < q->names; i++) {
        const struct named *n = &q->named[i];
        uint64_t bit = n->witness != NOBODY ? 1ull << n->witness : 0;
        bool is_open = bit != 0 ? (open & bit) != 0 : tally[i].open > 0;
        bool met = is_open &&
                   (bit != 0 ? (cosigned & bit) != 0 : group_met(n, tally[i]));
        if ((int)i == q->root)
            return met ? QUORUM_MET : is_open ? QUORUM_MISSING : QUORUM_NOT_DUE;
        if (n->parent != NOBODY) {
            tally[n->parent].open += is_open;
            tally[n->parent].met += met;
        }
    }
    return QUORUM_NOT_DUE;
}

/* Whose cosignature a line is. */
static enum err judge_line(const struct quorum *q, const struct note_line *l,
                           struct slice text, uint64_t now_s,
                           struct cosigned *out)
{
    for (size_t i = 0; i < q->witnesses; i++) {
        uint64_t time_s = 0;
        enum note_verdict v =
            cosignature_judge(l, text, &q->witness[i], &time_s);
        if (v == NOTE_BROKEN)
            return ERR_WITNESS_SIGNATURE;
        if (v == NOTE_GOOD && time_s <= now_s + SKEW_S) {
            out->good |= 1ull << i;
            out->newest_s = time_s > out->newest_s ? time_s : out->newest_s;
        }
    }
    return ERR_OK;
}

enum err quorum_read(const struct quorum *q, struct slice note, uint64_t now_s,
                     struct cosigned *out)
{
    struct slice text, lines;
    struct note_line l;
    memset(out, 0, sizeof(*out));
    if (!note_cut(note, &text, &lines))
        return ERR_INTEGRITY;
    enum err e = ERR_OK;
    for (size_t i = 0; lines.n > 0 && e == ERR_OK; i++) {
        if (i == NOTE_SIGNATURES || !note_next(&lines, &l))
            return ERR_INTEGRITY;
        e = judge_line(q, &l, text, now_s, out);
    }
    return e;
}

enum quorum_verdict quorum_check(const struct quorum *q, const struct hours *h,
                                 struct slice note, uint64_t now_s)
{
    struct cosigned c;
    if (quorum_read(q, note, now_s, &c) != ERR_OK)
        return QUORUM_MISSING;
    if (c.newest_s != 0 &&
        quorum_met(q, c.good, hours_open(h, q, c.newest_s)) == QUORUM_MET)
        return QUORUM_MET;
    return quorum_met(q, c.good, hours_open(h, q, now_s));
}
