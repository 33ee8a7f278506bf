/* quorum_test.c - C2SP tlog-policy, hours, and when a quorum is met. */
#include "proto/base/date.h"
#include "proto/wire/quorum.h"
#include "proto/wire/witness.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define WITNESSES 7
#define ORIGIN "kakuu.example/audit"

static struct node_keys logk, wit[WITNESSES];
static char log_key[256], key[WITNESSES][256];

static void write_key(const char *name, enum vkey_type type,
                      const uint8_t public[KEY_BYTES], char out[256])
{
    struct vkey v = {.type = type};
    struct buf b = {0};
    snprintf(v.name, sizeof(v.name), "%s", name);
    memcpy(v.key, public, KEY_BYTES);
    vkey_write(&v, &b);
    snprintf(out, 256, "%s", (char *)b.p);
    buf_fini(&b);
}

static int set_up(void **state)
{
    (void)state;
    if (sign_init() != ERR_OK)
        return -1;
    keys_make(&logk, "log");
    write_key(ORIGIN, VKEY_SIGNER, logk.pub.sign, log_key);
    for (int i = 0; i < WITNESSES; i++) {
        char name[16];
        snprintf(name, sizeof(name), "t%d/ad1", i + 1);
        keys_make(&wit[i], name);
        write_key(name, VKEY_COSIGNER, wit[i].pub.witness, key[i]);
    }
    return 0;
}

static void check(bool ok, const char *name)
{
    if (!ok)
        fail_msg("%s", name);
}

/* Text with $L for the log's key and $1..$7 for those of witnesses. */
static void fill(const char *text, struct buf *out)
{
    for (; *text != '\0'; text++) {
        if (*text != '$') {
            buf_addc(out, *text);
            continue;
        }
        text++;
        buf_adds(out, *text == 'L' ? log_key : key[*text - '1']);
    }
}

static enum err parse(const char *text, struct quorum **q, struct buf *why)
{
    struct buf b = {0};
    fill(text, &b);
    enum err e = quorum_parse("policy.tlog", buf_slice(&b), q, why);
    buf_fini(&b);
    return e;
}

static struct quorum *policy(const char *text)
{
    struct quorum *q = NULL;
    struct buf why = {0};
    if (parse(text, &q, &why) != ERR_OK)
        fail_msg("%s", (char *)why.p);
    buf_fini(&why);
    return q;
}

#define THREE "log $L\nwitness A $1\nwitness B $2\nwitness C $3\n"

static void a_policy_is_read(void **state)
{
    (void)state;
    struct quorum *q = policy("# the region\n\nlog $L https://log.example/\n"
                              "\twitness  A\t$1 https://a.example/w \n"
                              "witness B $2\ngroup G 2 A B\nquorum G\n");
    assert_true(quorum_has_log(q, ORIGIN, logk.pub.sign));
    assert_false(quorum_has_log(q, ORIGIN, wit[0].pub.witness));
    assert_false(quorum_has_log(q, "else.example/log", logk.pub.sign));
    assert_int_equal(quorum_witnesses(q), 2);
    assert_string_equal(quorum_witness_name(q, 1), "B");
    assert_string_equal(quorum_witness(q, 1)->name, "t2/ad1");
    assert_false(quorum_none(q));
    quorum_free(&q);
    assert_null(q);
}

static const struct {
    const char *name, *text, *why;
} FAULTS[] = {
    /* clang-format off */
    {"W-193 no quorum", THREE, "no quorum line"},
    {"W-193 two quorums", THREE "quorum A\nquorum B\n", "policy.tlog:6: there is a quorum"},
    {"W-193 a quorum of nobody known", THREE "quorum D\n", "not defined above"},
    {"W-193 a quorum defined below", "quorum A\nwitness A $1\n", "policy.tlog:1: the quorum"},
    {"W-193 a member defined below", "witness A $1\ngroup G any A B\nwitness B $2\nquorum G\n", "policy.tlog:2: a member"},
    {"W-193 a group in itself", "witness A $1\ngroup G any A G\nquorum G\n", "a member is not"},
    {"W-193 a member of two groups", THREE "group G any A B\ngroup H any A C\nquorum G\n", "a member once"},
    {"W-193 a member twice", THREE "group G 2 A A\nquorum G\n", "a member once"},
    {"W-193 nobody as a member", THREE "group G 1 A none\nquorum G\n", "a member is not"},
    {"W-193 nobody as a witness", "witness none $1\nquorum none\n", "the name is taken"},
    {"W-193 a name twice", "witness A $1\nwitness A $2\nquorum A\n", "policy.tlog:2: the name is taken"},
    {"W-193 a key twice", "witness A $1\nwitness B $1\nquorum A\n", "two lines"},
    {"W-193 a log twice", "log $L\nlog $L\nquorum none\n", "two lines"},
    {"W-193 a witness with the key of a log", "witness A $L\nquorum A\n", "not the key of a witness"},
    {"W-193 a log with the key of a witness", "log $1\nquorum none\n", "not the key of a log"},
    {"W-193 a key that is none", "witness A t1+00000000+BA==\nquorum A\n", "not the key"},
    {"W-193 more than there are", THREE "group G 4 A B C\nquorum G\n", "as many as it has"},
    {"W-193 none at all", THREE "group G 0 A B C\nquorum G\n", "as many as it has"},
    {"W-193 no number", THREE "group G two A B C\nquorum G\n", "as many as it has"},
    {"W-193 a group of nobody", THREE "group G all\nquorum G\n", "group NAME"},
    {"W-193 another word", "mirror A $1\nquorum none\n", "log, witness, group or quorum"},
    {"W-193 a control character", "witness\vA $1\nquorum none\n", "control character"},
    {"W-193 line ends of Windows", "quorum none\r\n", "control character"},
    {"W-193 a last line without end", "quorum none", "does not end"},
    {"W-193 a line too long", "quorum none of them\n", "quorum NAME"},
    {"W-193 a witness without key", "witness A\nquorum A\n", "witness NAME"},
    {"W-193 a log without key", "log\nquorum none\n", "log KEY"},
}; /* clang-format on */

static void a_policy_with_a_fault_is_none(void **state)
{
    (void)state;
    for (size_t i = 0; i < NELEM(FAULTS); i++) {
        struct quorum *q = NULL;
        struct buf why = {0};
        check(parse(FAULTS[i].text, &q, &why) == ERR_WITNESS_POLICY &&
                  q == NULL,
              FAULTS[i].name);
        if (strstr((char *)why.p, FAULTS[i].why) == NULL)
            fail_msg("%s: %s", FAULTS[i].name, (char *)why.p);
        buf_fini(&why);
    }
}

static void a_policy_has_bounds(void **state)
{
    (void)state;
    struct buf text = {0}, why = {0};
    struct quorum *q = NULL;
    for (int i = 0; i <= QUORUM_WITNESSES; i++) {
        struct node_keys k;
        char name[16], line[256];
        snprintf(name, sizeof(name), "w%d", i);
        keys_make(&k, name);
        write_key(name, VKEY_COSIGNER, k.pub.witness, line);
        if (i == QUORUM_WITNESSES) {
            struct buf fits = {0};
            buf_add(&fits, text.p, text.n);
            buf_adds(&fits, "quorum none\n");
            assert_int_equal(quorum_parse("p", buf_slice(&fits), &q, &why),
                             ERR_OK);
            assert_true(hours_open(NULL, q, 0) == UINT64_MAX);
            quorum_free(&q);
            buf_fini(&fits);
        }
        buf_addf(&text, "witness w%d %s\n", i, line);
    }
    buf_adds(&text, "quorum none\n");
    check(quorum_parse("p", buf_slice(&text), &q, &why) == ERR_WITNESS_POLICY,
          "W-193 at most 64 witnesses");
    buf_fini(&text);
    buf_fini(&why);
}

/* ---- when it is met; sets are written as letters, - is nobody ---- */

static uint64_t set_of(const char *letters)
{
    uint64_t s = 0;
    for (; *letters != '\0'; letters++)
        if (*letters != '-')
            s |= 1ull << (*letters - 'A');
    return s;
}

#define SEVEN THREE "witness D $4\nwitness E $5\nwitness F $6\nwitness G $7\n"
#define NESTED                                                                 \
    SEVEN "group X 2 A B C\ngroup Y any D E\ngroup Z all X Y\nquorum Z\n"
static const struct {
    const char *name, *policy, *cosigned, *open;
    enum quorum_verdict want;
} MET[] = {
    /* clang-format off */
    {"W-194 two of three", THREE "group G 2 A B C\nquorum G\n", "AC", "ABC", QUORUM_MET},
    {"W-194 one of three", THREE "group G 2 A B C\nquorum G\n", "B", "ABC", QUORUM_MISSING},
    {"W-194 any is one", THREE "group G any A B C\nquorum G\n", "C", "ABC", QUORUM_MET},
    {"W-194 any is not none", THREE "group G any A B C\nquorum G\n", "-", "ABC", QUORUM_MISSING},
    {"W-194 all but one is not all", THREE "group G all A B C\nquorum G\n", "AB", "ABC", QUORUM_MISSING},
    {"W-194 all", THREE "group G all A B C\nquorum G\n", "ABC", "ABC", QUORUM_MET},
    {"W-194 a witness alone", THREE "quorum B\n", "B", "ABC", QUORUM_MET},
    {"W-194 another one", THREE "quorum B\n", "AC", "ABC", QUORUM_MISSING},
    {"W-194 the policy asks for nobody", THREE "quorum none\n", "ABC", "ABC", QUORUM_NOT_DUE},
    {"W-194 groups of groups", NESTED, "ABD", "ABCDEFG", QUORUM_MET},
    {"W-194 a group is missing", NESTED, "ABC", "ABCDEFG", QUORUM_MISSING},
    {"W-194 a group is short", NESTED, "AD", "ABCDEFG", QUORUM_MISSING},
    {"W-194 one outside of the quorum does not help", NESTED, "AFGD", "ABCDEFG", QUORUM_MISSING},
    {"W-195 one of three is closed: both others", THREE "group G 2 A B C\nquorum G\n", "AB", "AB", QUORUM_MET},
    {"W-195 one of three is closed: one is short", THREE "group G 2 A B C\nquorum G\n", "A", "AB", QUORUM_MISSING},
    {"W-195 a closed one does not count", THREE "group G 2 A B C\nquorum G\n", "AC", "AB", QUORUM_MISSING},
    {"W-195 two of three are closed: the third", THREE "group G 2 A B C\nquorum G\n", "C", "C", QUORUM_MET},
    {"W-195 nobody is open", THREE "group G 2 A B C\nquorum G\n", "ABC", "-", QUORUM_NOT_DUE},
    {"W-195 any stays one", THREE "group G any A B C\nquorum G\n", "B", "AB", QUORUM_MET},
    {"W-195 all of the open ones", THREE "group G all A B C\nquorum G\n", "AB", "AB", QUORUM_MET},
    {"W-195 all tolerates none of the open ones", THREE "group G all A B C\nquorum G\n", "A", "AB", QUORUM_MISSING},
    {"W-195 5 of 7 with 4 open: all four", SEVEN "group Q 5 A B C D E F G\nquorum Q\n", "ABCD", "ABCD", QUORUM_MET},
    {"W-195 5 of 7 with 4 open: three is short", SEVEN "group Q 5 A B C D E F G\nquorum Q\n", "ABC", "ABCD", QUORUM_MISSING},
    {"W-195 5 of 7 with 6 open: five", SEVEN "group Q 5 A B C D E F G\nquorum Q\n", "ABCDE", "ABCDEF", QUORUM_MET},
    {"W-195 5 of 7 with 6 open: four is short", SEVEN "group Q 5 A B C D E F G\nquorum Q\n", "ABCD", "ABCDEF", QUORUM_MISSING},
    {"W-195 a closed group is passed over", NESTED, "AB", "ABC", QUORUM_MET},
    {"W-195 a group with one open is not", NESTED, "AB", "ABCE", QUORUM_MISSING},
    {"W-195 one outside of the quorum is open", NESTED, "F", "FG", QUORUM_NOT_DUE},
    {"W-195 the one witness is closed", THREE "quorum B\n", "A", "AC", QUORUM_NOT_DUE},
}; /* clang-format on */

static void a_quorum_is_met_by_the_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < NELEM(MET); i++) {
        struct quorum *q = policy(MET[i].policy);
        check(quorum_met(q, set_of(MET[i].cosigned), set_of(MET[i].open)) ==
                  MET[i].want,
              MET[i].name);
        quorum_free(&q);
    }
}

/* W-195: of n open and f that lie, two quorums share one that does not. */
static void two_quorums_share_an_honest_witness(void **state)
{
    (void)state;
    static const struct {
        unsigned n, k, f;
    } DEFAULTS[] = {{3, 2, 0}, {4, 3, 1}, {7, 5, 2}};
    for (size_t i = 0; i < NELEM(DEFAULTS); i++) {
        struct buf text = {0};
        buf_adds(&text, SEVEN "group Q ");
        buf_addf(&text, "%u", DEFAULTS[i].k);
        for (unsigned w = 0; w < DEFAULTS[i].n; w++)
            buf_addf(&text, " %c", 'A' + (int)w);
        buf_adds(&text, "\nquorum Q\n");
        struct quorum *q = policy((char *)text.p);
        unsigned all = 1u << DEFAULTS[i].n;
        for (unsigned open = 1; open < all; open++)
            for (unsigned a = 0; a < all; a++)
                for (unsigned b = 0; b < all; b++) {
                    if ((a & ~open) != 0 || (b & ~open) != 0 ||
                        (unsigned)__builtin_popcount(open) <= DEFAULTS[i].f ||
                        quorum_met(q, a, open) != QUORUM_MET ||
                        quorum_met(q, b, open) != QUORUM_MET)
                        continue;
                    unsigned shared = (unsigned)__builtin_popcount(a & b);
                    check(shared > DEFAULTS[i].f, "more than f are in both");
                }
        quorum_free(&q);
        buf_fini(&text);
    }
}

/* ---- hours ---- */

#define HEAD "witness\tdays\tfrom\tto\n"
#define OFFICE                                                                 \
    HEAD "A\tmon-fri\t08:30\t17:15\nB\tdaily\t06:00\t24:00\n"                  \
         "B\tfri-mon\t00:00\t01:00\n*\tclosed\t2026-12-29\t2027-01-03\n"

static const struct {
    const char *name, *when, *open;
} HOURS[] = {
    /* clang-format off */
    {"W-196 a Monday morning", "2026-11-16T09:00:00+09:00", "ABC"},
    {"W-196 as it opens", "2026-11-16T08:30:00+09:00", "ABC"},
    {"W-196 a minute before", "2026-11-16T08:29:59+09:00", "BC"},
    {"W-196 as it closes", "2026-11-16T17:15:00+09:00", "BC"},
    {"W-196 a Saturday", "2026-11-21T09:00:00+09:00", "BC"},
    {"W-196 a Friday", "2026-11-20T17:14:59+09:00", "ABC"},
    {"W-196 a time elsewhere is one here", "2026-11-16T00:00:00Z", "ABC"},
    {"W-196 before midnight", "2026-11-18T23:59:59+09:00", "BC"},
    {"W-196 after midnight on a Thursday", "2026-11-19T00:30:00+09:00", "C"},
    {"W-196 after midnight on a Sunday", "2026-11-22T00:30:00+09:00", "BC"},
    {"W-196 the last day before the holidays", "2026-12-28T10:00:00+09:00", "ABC"},
    {"W-196 the first of the holidays", "2026-12-29T10:00:00+09:00", "-"},
    {"W-196 the last of the holidays", "2027-01-03T10:00:00+09:00", "-"},
    {"W-196 the day after the holidays", "2027-01-04T10:00:00+09:00", "ABC"},
}; /* clang-format on */

static uint64_t seconds(const char *rfc3339)
{
    uint64_t ms = 0;
    assert_int_equal(time_parse(rfc3339, &ms), ERR_OK);
    return ms / 1000;
}

static struct hours *hours(const struct quorum *q, const char *text)
{
    struct hours *h = NULL;
    struct buf why = {0};
    if (hours_parse("hours.tsv", slice_str(text), q, &h, &why) != ERR_OK)
        fail_msg("%s", (char *)why.p);
    buf_fini(&why);
    return h;
}

static void a_witness_is_open_by_the_table(void **state)
{
    (void)state;
    struct quorum *q = policy(THREE "group G 2 A B C\nquorum G\n");
    struct hours *h = hours(q, OFFICE);
    for (size_t i = 0; i < NELEM(HOURS); i++)
        check(hours_open(h, q, seconds(HOURS[i].when)) == set_of(HOURS[i].open),
              HOURS[i].name);
    check(hours_open(NULL, q, 0) == set_of("ABC"), "without table all are");
    hours_free(&h);
    quorum_free(&q);
}

static const struct {
    const char *name, *text, *why;
} BAD_HOURS[] = {
    /* clang-format off */
    {"W-196 one who is no witness", HEAD "D\tdaily\t08:00\t17:00\n", "hours.tsv:2: no such witness"},
    {"W-196 a group has no hours", HEAD "G\tdaily\t08:00\t17:00\n", "no such witness"},
    {"W-196 a day of one's own", HEAD "A\tMonday\t08:00\t17:00\n", "days are"},
    {"W-196 days without end", HEAD "A\tmon-\t08:00\t17:00\n", "days are"},
    {"W-196 closing before opening", HEAD "A\tmon\t17:00\t08:00\n", "open from"},
    {"W-196 a day of 25 hours", HEAD "A\tmon\t08:00\t24:01\n", "open from"},
    {"W-196 an hour of 61 minutes", HEAD "A\tmon\t08:60\t17:00\n", "open from"},
    {"W-196 a time cut short", HEAD "A\tmon\t8:00\t17:00\n", "open from"},
    {"W-196 no time", HEAD "A\tmon\t\t\n", "open from"},
    {"W-196 holidays that end before they begin", HEAD "A\tclosed\t2026-12-31\t2026-12-30\n", "closed from"},
    {"W-196 holidays on no day", HEAD "A\tclosed\t2026-12\t2026-12-30\n", "closed from"},
    {"W-196 a missing column", "witness\tdays\tfrom\nA\tmon\t08:00\n", "hours.tsv:1"},
}; /* clang-format on */

static void a_table_of_hours_with_a_fault_is_none(void **state)
{
    (void)state;
    struct quorum *q = policy(THREE "group G 2 A B C\nquorum G\n");
    for (size_t i = 0; i < NELEM(BAD_HOURS); i++) {
        struct hours *h = NULL;
        struct buf why = {0};
        check(hours_parse("hours.tsv", slice_str(BAD_HOURS[i].text), q, &h,
                          &why) == ERR_WITNESS_POLICY &&
                  h == NULL,
              BAD_HOURS[i].name);
        if (strstr((char *)why.p, BAD_HOURS[i].why) == NULL)
            fail_msg("%s: %s", BAD_HOURS[i].name, (char *)why.p);
        buf_fini(&why);
    }
    quorum_free(&q);
}

/* ---- a note with its cosignatures ---- */

#define DAY "2026-11-16T10:00:00+09:00"
#define NIGHT "2026-11-16T22:00:00+09:00"

static struct buf note_by(const char *letters, const char *when)
{
    struct buf note = {0}, lines = {0};
    struct checkpoint c = {.origin = ORIGIN, .size = 5};
    assert_int_equal(
        checkpoint_sign(&c, logk.sign_secret, logk.pub.sign, &note), ERR_OK);
    for (; *letters != '\0'; letters++) {
        const struct node_keys *k = &wit[*letters - 'A'];
        assert_int_equal(cosignature_make(buf_slice(&note), k->pub.node,
                                          k->witness_secret, k->pub.witness,
                                          seconds(when), &lines),
                         ERR_OK);
    }
    buf_add(&note, lines.p, lines.n);
    buf_fini(&lines);
    return note;
}

static const struct {
    const char *name, *by, *when, *now;
    enum quorum_verdict want;
} NOTES[] = {
    /* clang-format off */
    {"W-197 a quorum by day", "AC", DAY, DAY, QUORUM_MET},
    {"W-197 too few by day", "A", DAY, DAY, QUORUM_MISSING},
    {"W-197 what was reached by day stands at night", "AC", DAY, NIGHT, QUORUM_MET},
    {"W-197 at night those who are open", "C", NIGHT, NIGHT, QUORUM_MET},
    {"W-197 what was reached at night stands by day", "C", "2026-11-15T22:00:00+09:00", DAY, QUORUM_MET},
    {"W-197 nobody", "", DAY, DAY, QUORUM_MISSING},
    {"W-197 strangers do not count", "DEF", DAY, DAY, QUORUM_MISSING},
    {"W-197 nor what was signed tomorrow", "AC", NIGHT, DAY, QUORUM_MISSING},
    {"W-197 on holidays nobody is asked", "", DAY, "2026-12-30T10:00:00+09:00", QUORUM_NOT_DUE},
}; /* clang-format on */

static void a_note_is_judged_by_its_cosignatures(void **state)
{
    (void)state;
    struct quorum *q = policy(THREE "group G 2 A B C\nquorum G\n");
    struct hours *h =
        hours(q, HEAD "A\tmon-fri\t08:30\t17:15\nB\tmon-fri\t08:30\t17:15\n"
                      "*\tclosed\t2026-12-29\t2027-01-03\n");
    for (size_t i = 0; i < NELEM(NOTES); i++) {
        struct buf note = note_by(NOTES[i].by, NOTES[i].when);
        check(quorum_check(q, h, buf_slice(&note), seconds(NOTES[i].now)) ==
                  NOTES[i].want,
              NOTES[i].name);
        buf_fini(&note);
    }
    hours_free(&h);
    quorum_free(&q);
}

static void who_cosigned_is_told(void **state)
{
    (void)state;
    struct quorum *q = policy(THREE "group G 2 A B C\nquorum G\n");
    struct buf note = note_by("CAD", DAY);
    struct cosigned c;
    assert_int_equal(quorum_read(q, buf_slice(&note), seconds(DAY), &c),
                     ERR_OK);
    assert_int_equal(c.good, set_of("AC"));
    assert_int_equal(c.newest_s, seconds(DAY));
    assert_int_equal(quorum_read(q, slice_str("no note"), 0, &c),
                     ERR_INTEGRITY);
    buf_adds(&note, "no line\n");
    assert_int_equal(quorum_read(q, buf_slice(&note), seconds(DAY), &c),
                     ERR_INTEGRITY);
    buf_fini(&note);
    quorum_free(&q);
}

/* W-197: also beside enough good ones. */
static void a_false_cosignature_spoils_the_note(void **state)
{
    (void)state;
    struct quorum *q = policy(THREE "group G 2 A B C\nquorum G\n");
    struct buf note = note_by("AC", DAY), other = note_by("", DAY);
    struct buf false_line = {0};
    struct cosigned c;
    other.p[0] ^= 1;
    assert_int_equal(cosignature_make(buf_slice(&other), wit[1].pub.node,
                                      wit[1].witness_secret, wit[1].pub.witness,
                                      seconds(DAY), &false_line),
                     ERR_OK);
    buf_add(&note, false_line.p, false_line.n);
    assert_int_equal(quorum_read(q, buf_slice(&note), seconds(DAY), &c),
                     ERR_WITNESS_SIGNATURE);
    assert_int_equal(quorum_check(q, NULL, buf_slice(&note), seconds(DAY)),
                     QUORUM_MISSING);
    buf_fini(&false_line);
    buf_fini(&other);
    buf_fini(&note);
    quorum_free(&q);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_policy_is_read),
        cmocka_unit_test(a_policy_with_a_fault_is_none),
        cmocka_unit_test(a_policy_has_bounds),
        cmocka_unit_test(a_quorum_is_met_by_the_table),
        cmocka_unit_test(two_quorums_share_an_honest_witness),
        cmocka_unit_test(a_witness_is_open_by_the_table),
        cmocka_unit_test(a_table_of_hours_with_a_fault_is_none),
        cmocka_unit_test(a_note_is_judged_by_its_cosignatures),
        cmocka_unit_test(who_cosigned_is_told),
        cmocka_unit_test(a_false_cosignature_spoils_the_note),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
