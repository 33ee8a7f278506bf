/* order_test.c - an order acts when the right people signed exactly it. */
#include "hub/core/order.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ORIGIN "kakuu.example/log"
#define NOW UINT64_C(1790000000000)
#define DAY UINT64_C(86400000)
#define HEX16 "00112233445566778899aabbccddeeff"
#define HEX32 HEX16 HEX16
#define HEAD(kind) HEAD_AT(kind, "2026-09-21T09:00:00+09:00")
#define HEAD_AT(kind, made)                                                    \
    "tsunagi-order/1\n" ORIGIN "\nkind " kind "\norder " HEX16 "\nmade " made  \
    "\n"
#define ERASE                                                                  \
    "subject " HEX16 "\nreason PERSON_ASKED\nasked_on 2026-09-18\n"            \
    "asked_by LG-492019\nurgent no\n"
#define EPOCH                                                                  \
    "reason RESTORED\nnew kakuu.example/log2\nold_size 12\nold_sha256 " HEX32  \
    "\n"

struct world {
    struct node_keys key[3]; /* a, b, a second key of a's */
    struct approvers *list;
};

static int setup(void **state)
{
    static const char *const WHO[3][2] = {{"approver/a", "架空 花子"},
                                          {"approver/b", "架空 次郎"},
                                          {"approver/a2", "架空　花子"}};
    struct world *w = calloc(1, sizeof(*w));
    struct buf t = {0}, why = {0};
    *state = w;
    assert_int_equal(sign_init(), ERR_OK);
    buf_adds(&t, "name\tperson_ja\tsign\tstate\n");
    for (size_t i = 0; i < 3; i++) {
        keys_make(&w->key[i], WHO[i][0]);
        buf_addf(&t, "%s\t%s\t", WHO[i][0], WHO[i][1]);
        buf_add_hex(&t, slice_of(w->key[i].pub.sign, KEY_BYTES));
        buf_adds(&t, "\tactive\n");
    }
    assert_int_equal(approvers_parse(buf_slice(&t), &w->list, &why), ERR_OK);
    buf_fini(&t);
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    approvers_free(&w->list);
    free(w);
    return 0;
}

static const struct {
    const char *name, *text;
    enum err want;
} TEXTS[] = {
    {"an erasure", HEAD("erase") ERASE, ERR_OK},
    {"a hold",
     HEAD("hold") "subject " HEX16 "\nreason COURT\nuntil 2027-03-31\n",
     ERR_OK},
    {"the end of holds", HEAD("lift") "subject " HEX16 "\n", ERR_OK},
    {"a delay of rows",
     HEAD("delay") "subject " HEX16
                   "\nleaf 7\nleaf 12\nuntil 2026-12-01\nbasis LB_78_2\n",
     ERR_OK},
    {"a new epoch", HEAD("epoch") EPOCH, ERR_OK},
    {"of another format", "tsunagi-order/2\n", ERR_ORDER_FORM},
    {"of no kind", HEAD("forget") ERASE, ERR_ORDER_FORM},
    {"without its reason",
     HEAD("erase") "subject " HEX16
                   "\nasked_on 2026-09-18\nasked_by LG-492019\nurgent no\n",
     ERR_ORDER_FORM},
    {"for a reason of another kind",
     HEAD("hold") "subject " HEX16 "\nreason PERSON_ASKED\nuntil 2027-03-31\n",
     ERR_ORDER_FORM},
    {"with a line of another kind",
     HEAD("lift") "subject " HEX16 "\nurgent no\n", ERR_ORDER_FORM},
    {"with a line twice", HEAD("lift") "subject " HEX16 "\nsubject " HEX16 "\n",
     ERR_ORDER_FORM},
    {"with lines in another order",
     HEAD("hold") "reason COURT\nsubject " HEX16 "\nuntil 2027-03-31\n",
     ERR_ORDER_FORM},
    {"with a day written otherwise",
     HEAD("hold") "subject " HEX16 "\nreason COURT\nuntil 2027/3/31\n",
     ERR_ORDER_FORM},
    {"with a word that is no yes and no no",
     HEAD("erase") "subject " HEX16
                   "\nreason COURT\nasked_on 2026-09-18\nasked_by "
                   "LG-492019\nurgent soon\n",
     ERR_ORDER_FORM},
    {"asked by nobody we know the form of",
     HEAD("erase") "subject " HEX16
                   "\nreason COURT\nasked_on 2026-09-18\nasked_by "
                   "somebody\nurgent no\n",
     ERR_ORDER_FORM},
    {"that delays no row",
     HEAD("delay") "subject " HEX16 "\nuntil 2026-12-01\nbasis LB_78_2\n",
     ERR_ORDER_FORM},
    {"that delays a row twice",
     HEAD("delay") "subject " HEX16
                   "\nleaf 7\nleaf 7\nuntil 2026-12-01\nbasis LB_78_2\n",
     ERR_ORDER_FORM},
    {"that gives a log its own name",
     HEAD("epoch") "reason RESTORED\nnew " ORIGIN
                   "\nold_size 12\nold_sha256 " HEX32 "\n",
     ERR_ORDER_FORM},
    {"that says a name",
     HEAD("lift") "subject " HEX16 "\nname \xe6\x9e\xb6\xe7\xa9\xba\n",
     ERR_ORDER_FORM},
    {"cut off", HEAD("lift") "subject " HEX16, ERR_ORDER_FORM},
    {"that is empty", "", ERR_ORDER_FORM},
};

static void there_is_one_way_to_write_an_order(void **state)
{
    (void)state;
    for (size_t i = 0; i < NELEM(TEXTS); i++) {
        struct order o;
        struct buf why = {0}, again = {0};
        enum err e = order_parse(slice_str(TEXTS[i].text), &o, &why);
        if (e != TEXTS[i].want)
            fail_msg("%s: %s %s", TEXTS[i].name, err_code(e), (char *)why.p);
        if (e != ERR_OK && why.n == 0)
            fail_msg("%s: no word of why", TEXTS[i].name);
        if (e == ERR_OK) {
            order_write(&o, &again);
            assert_string_equal((char *)again.p, TEXTS[i].text);
        }
        buf_fini(&why);
        buf_fini(&again);
    }
}

/* A note over text by those whose letter is in who; A: a false one of a. */
static void signed_by(const struct world *w, const char *text, const char *who,
                      struct buf *out)
{
    static const char LETTERS[] = "ab2";
    struct node_keys stranger;
    keys_make(&stranger, "approver/x");
    buf_adds(out, text);
    buf_adds(out, "\n");
    for (; *who != '\0'; who++) {
        struct buf more = {0};
        const char *at = strchr(LETTERS, *who);
        const struct node_keys *k = at ? &w->key[at - LETTERS] : &stranger;
        assert_int_equal(approve_sign(buf_slice(out), k, &more), ERR_OK);
        buf_fini(out);
        *out = more;
        if (*who == 'A')
            out->p[out->n - 6] ^= 1;
    }
}

static const struct {
    const char *name, *text, *who, *origin;
    uint64_t now_ms;
    enum err want;
} CASES[] = {
    {"two people erase", HEAD("erase") ERASE, "ab", ORIGIN, NOW, ERR_OK},
    {"one person erases nothing", HEAD("erase") ERASE, "a", ORIGIN, NOW,
     ERR_ORDER_APPROVALS},
    {"two keys of one person are one person", HEAD("erase") ERASE, "a2", ORIGIN,
     NOW, ERR_ORDER_APPROVALS},
    {"a stranger counts for nobody", HEAD("erase") ERASE, "ax", ORIGIN, NOW,
     ERR_ORDER_APPROVALS},
    {"nobody erases nothing", HEAD("erase") ERASE, "", ORIGIN, NOW,
     ERR_ORDER_APPROVALS},
    {"one person holds",
     HEAD("hold") "subject " HEX16 "\nreason COURT\nuntil 2027-03-31\n", "b",
     ORIGIN, NOW, ERR_OK},
    {"one person does not lift", HEAD("lift") "subject " HEX16 "\n", "b",
     ORIGIN, NOW, ERR_ORDER_APPROVALS},
    {"one person does not delay",
     HEAD("delay") "subject " HEX16
                   "\nleaf 7\nuntil 2026-12-01\nbasis LB_78_2\n",
     "b", ORIGIN, NOW, ERR_ORDER_APPROVALS},
    {"one person begins no epoch", HEAD("epoch") EPOCH, "b", ORIGIN, NOW,
     ERR_ORDER_APPROVALS},
    {"two people begin an epoch", HEAD("epoch") EPOCH, "ab", ORIGIN, NOW,
     ERR_OK},
    {"an order for another hub", HEAD("erase") ERASE, "ab", "other.example/log",
     NOW, ERR_ORDER_OTHER},
    {"30 days old", HEAD_AT("erase", "2026-08-22T23:13:20+09:00") ERASE, "ab",
     ORIGIN, NOW, ERR_OK},
    {"older than 30 days", HEAD_AT("erase", "2026-08-22T23:13:19+09:00") ERASE,
     "ab", ORIGIN, NOW, ERR_ORDER_OLD},
    {"of tomorrow", HEAD_AT("erase", "2026-09-22T23:13:20+09:00") ERASE, "ab",
     ORIGIN, NOW, ERR_ORDER_OLD},
};

static void an_order_acts_when_its_people_signed_it(void **state)
{
    const struct world *w = *state;
    for (size_t i = 0; i < NELEM(CASES); i++) {
        struct buf note = {0}, why = {0};
        struct order o;
        struct approvals by;
        signed_by(w, CASES[i].text, CASES[i].who, &note);
        struct order_ask ask = {buf_slice(&note), CASES[i].origin, w->list,
                                CASES[i].now_ms};
        enum err e = order_verify(&ask, &o, &by, &why);
        if (e != CASES[i].want)
            fail_msg("%s: %s %s", CASES[i].name, err_code(e), (char *)why.p);
        if (e == ERR_OK)
            assert_int_equal(by.n, strlen(CASES[i].who));
        buf_fini(&note);
        buf_fini(&why);
    }
}

static void what_is_changed_after_signing_is_refused(void **state)
{
    const struct world *w = *state;
    struct buf note = {0}, why = {0};
    struct order o;
    struct approvals by;
    signed_by(w, HEAD("erase") ERASE, "ab", &note);
    char *urgent = strstr((char *)note.p, "PERSON_ASKED");
    memcpy(urgent, "UNLAWFUL\n", 8);
    memmove(urgent + 8, urgent + 12,
            note.n - (size_t)((uint8_t *)urgent - note.p) - 12);
    note.n -= 4;
    struct order_ask ask = {buf_slice(&note), ORIGIN, w->list, NOW};
    assert_int_equal(order_verify(&ask, &o, &by, &why), ERR_ORDER_APPROVALS);
    assert_int_equal(o.kind, ORDER_ERASE);
    buf_fini(&note);
    buf_fini(&why);
}

static void every_reason_has_a_sentence(void **state)
{
    (void)state;
    struct buf codes = {0};
    order_reasons(ORDER_ERASE, &codes);
    assert_string_equal((char *)codes.p,
                        "PERSON_ASKED UNLAWFUL NO_LONGER_NEEDED MISTAKE COURT");
    assert_non_null(order_reason_ja(ORDER_HOLD, "COURT"));
    assert_non_null(order_reason_en(ORDER_EPOCH, "RESTORED"));
    assert_null(order_reason_ja(ORDER_LIFT, "COURT"));
    buf_fini(&codes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(there_is_one_way_to_write_an_order),
        cmocka_unit_test(an_order_acts_when_its_people_signed_it),
        cmocka_unit_test(what_is_changed_after_signing_is_refused),
        cmocka_unit_test(every_reason_has_a_sentence),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
