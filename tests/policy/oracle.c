/* oracle.c - the hub's decision, asked in lines.
 *
 *   oracle FOLDER < requests > decisions
 *
 * Loads the policy pack of FOLDER as the hub does and answers each line of
 * standard input with one line: what compare.py and mutate.py hold against
 * decide.py. Test code: its input is ours, so a line that does not parse is
 * our bug. Exits 3 when the pack is refused, with the reasons on stderr.
 *
 * A request, by tabs: event variant purpose agency roles places role classes
 *   predicates session glass now_ms clock grants
 * where role "" is any, masks are hex, lists are by spaces, and a grant is
 *   kind,flags,purpose,to,except,classes,from,to,leaf,withdrawn_leaf
 * by semicolons; kind g r d, flags of wst; to and except are a:CODE or
 *   r:ROLE:PLACE by '+'.
 * A decision, by tabs: error role released withheld verdicts, each verdict
 *   class:rule:basis:grant. */
#include "hub/core/policy.h"
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GRANTS 64

struct request {
    struct agency to;
    struct grant grants[GRANTS];
    struct policy_ask ask;
};

/* The next field of *s, which is advanced behind the separator. */
static char *field(char **s, char separator)
{
    char *begin = *s, *end = strchr(begin, separator);
    *s = end != NULL ? end + 1 : begin + strlen(begin);
    if (end != NULL)
        *end = '\0';
    return begin;
}

static void word(char *to, size_t size, const char *from)
{
    assert(strlen(from) < size);
    memcpy(to, from, strlen(from) + 1);
}

static uint64_t hex(const char *s)
{
    return strtoull(s, NULL, 16);
}

static size_t read_recipients(char *s, struct grant_recipient *to, size_t max)
{
    size_t n = 0;
    while (*s != '\0') {
        char *one = field(&s, '+');
        assert(n < max && one[1] == ':');
        char kind = *one;
        field(&one, ':');
        char *name = field(&one, ':');
        if (kind == 'a')
            word(to[n].agency, AGENCY_MAX, name);
        else
            word(to[n].role, ROLE_MAX, name);
        word(to[n].place, sizeof(to[n].place), one);
        n++;
    }
    return n;
}

static void read_grant(char *s, struct grant *g)
{
    memset(g, 0, sizeof(*g));
    char kind = *field(&s, ',');
    const char *flags = field(&s, ',');
    g->kind = kind == 'g'   ? GRANT_GIVEN
              : kind == 'r' ? GRANT_REFUSED
                            : GRANT_DEFERRED;
    g->withdrawn = strchr(flags, 'w') != NULL;
    g->superseded = strchr(flags, 's') != NULL;
    g->third = strchr(flags, 't') != NULL;
    word(g->purpose, PURPOSE_MAX, field(&s, ','));
    g->to_count = read_recipients(field(&s, ','), g->to, GRANT_RECIPIENTS);
    g->except_count = read_recipients(field(&s, ','), g->except, GRANT_EXCEPT);
    g->classes = hex(field(&s, ','));
    g->from_day = (int32_t)strtol(field(&s, ','), NULL, 10);
    g->to_day = (int32_t)strtol(field(&s, ','), NULL, 10);
    g->leaf = strtoull(field(&s, ','), NULL, 10);
    g->withdrawn_leaf = strtoull(field(&s, ','), NULL, 10);
}

static void read_agency(char **s, struct agency *a)
{
    memset(a, 0, sizeof(*a));
    a->name_ja = a->name_en = "";
    word(a->code, AGENCY_MAX, field(s, '\t'));
    char *roles = field(s, '\t'), *places = field(s, '\t');
    for (size_t i = 0; *roles != '\0'; i++) {
        assert(i < AGENCY_ROLES);
        word(a->role[i], ROLE_MAX, field(&roles, ' '));
    }
    for (size_t i = 0; *places != '\0'; i++) {
        assert(i < AGENCY_PLACES);
        word(a->place[i], sizeof(a->place[i]), field(&places, ' '));
    }
}

static unsigned read_predicates(char *s)
{
    unsigned bits = 0;
    while (*s != '\0') {
        const char *name = field(&s, ' ');
        unsigned bit = 1;
        while (*policy_predicate_name(bit) != '\0' &&
               strcmp(policy_predicate_name(bit), name) != 0)
            bit <<= 1;
        assert(*policy_predicate_name(bit) != '\0');
        bits |= bit;
    }
    return bits;
}

static void read_request(char *s, struct request *r)
{
    struct policy_ask *q = &r->ask;
    memset(q, 0, sizeof(*q));
    q->event = field(&s, '\t');
    q->variant = field(&s, '\t');
    q->purpose = field(&s, '\t');
    read_agency(&s, &r->to);
    q->recipient = &r->to;
    q->role = field(&s, '\t');
    if (*q->role == '\0')
        q->role = NULL;
    q->classes = hex(field(&s, '\t'));
    q->predicates = read_predicates(field(&s, '\t'));
    q->session_classes = hex(field(&s, '\t'));
    q->glass_classes = hex(field(&s, '\t'));
    q->now_ms = strtoull(field(&s, '\t'), NULL, 10);
    q->clock_ok = *field(&s, '\t') == '1';
    q->grants = r->grants;
    while (*s != '\0') {
        assert(q->grant_count < GRANTS);
        read_grant(field(&s, ';'), &r->grants[q->grant_count++]);
    }
}

static void print_decision(const struct policy *p, const struct decision *d)
{
    printf("%s\t%s\t%" PRIx64 "\t%" PRIx64 "\t", err_code(d->error), d->role,
           d->released, d->withheld);
    for (unsigned c = 0; c < CLASS_MAX; c++)
        if (d->asked & class_bit(c))
            printf("%u:%s:%s:%d ", c, policy_rule_id(p, d->of[c].rule),
                   d->of[c].basis != NULL ? d->of[c].basis : "",
                   d->of[c].grant);
    putchar('\n');
}

static struct policy *load(const char *folder)
{
    struct buf file[POLICY_FILES] = {0}, why = {0};
    struct slice text[POLICY_FILES];
    struct policy *p = NULL;
    for (int i = 0; i < POLICY_FILES; i++) {
        char path[4096];
        snprintf(path, sizeof(path), "%s/%s", folder, POLICY_FILE_NAMES[i]);
        if (file_read(path, 1 << 24, &file[i]) != ERR_OK)
            fprintf(stderr, "oracle: cannot read %s\n", path);
        text[i] = buf_slice(&file[i]);
    }
    if (policy_parse(text, &p, &why) != ERR_OK)
        fprintf(stderr, "%.*s", (int)why.n, (const char *)why.p);
    for (int i = 0; i < POLICY_FILES; i++)
        buf_fini(&file[i]);
    buf_fini(&why);
    return p;
}

int main(int argc, char **argv)
{
    static struct request request;
    static struct decision decision;
    char *line = NULL;
    size_t size = 0;
    ssize_t n;
    struct policy *p = argc == 2 ? load(argv[1]) : NULL;
    if (p == NULL)
        return 3;
    while ((n = getline(&line, &size, stdin)) > 0) {
        line[n - 1] = '\0';
        read_request(line, &request);
        policy_decide(p, &request.ask, &decision);
        print_decision(p, &decision);
    }
    free(line);
    policy_free(&p);
    return 0;
}
