/* nodes.c - `tsunagi key` and `tsunagi node`.
 *
 * The table of nodes is one TSV file outside the hub's data; these commands
 * change it as a whole and then ask a running hub to read it again. A node
 * counts only once a person has compared its fingerprint and approved it. */
#include "hub/core/registry.h"
#include "hub/ctl/ctl.h"
#include "proto/base/clock.h"
#include "proto/base/date.h"
#include "proto/wire/quorum.h"
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#define TABLE_MAX (8U << 20)

/* ---- key ---- */

/* The verifier key of its cosignatures. */
static void add_witness_key(const struct node_public *p, struct buf *out)
{
    struct vkey v = {.type = VKEY_COSIGNER};
    snprintf(v.name, sizeof(v.name), "%s", p->node);
    memcpy(v.key, p->witness, KEY_BYTES);
    vkey_write(&v, out);
}

static void show_public(const struct ctl *c, const struct node_public *p,
                        const char *path)
{
    char fp[FINGERPRINT_TEXT];
    struct buf sign = {0};    /* what the table of approvers holds */
    struct buf witness = {0}; /* what a policy of witnesses holds */
    keys_fingerprint(p, fp);
    buf_add_hex(&sign, slice_of(p->sign, KEY_BYTES));
    add_witness_key(p, &witness);
    if (c->json)
        printf("{\"schema\":\"tsunagi.key/1\",\"node\":\"%s\",\"fingerprint\":"
               "\"%s\",\"sign\":\"%s\",\"witness\":\"%s\"}\n",
               p->node, fp, sign.failed ? "" : (char *)sign.p,
               witness.failed ? "" : (char *)witness.p);
    else
        printf("%s  %s  %s\n", p->node, fp, path);
    buf_fini(&sign);
    buf_fini(&witness);
}

int cmd_key_make(struct ctl *c)
{
    struct node_keys k;
    char secret[4096], public[4096];
    const char *name = c->argv[0];
    enum err e = code_check_node(name);
    if (e != ERR_OK)
        return fail(
            c, ERR_USAGE,
            say(c, "名前は a-z 0-9 . / - です", "names are a-z 0-9 . / -"));
    snprintf(secret, sizeof(secret), "%s.key", c->out != NULL ? c->out : name);
    snprintf(public, sizeof(public), "%s.pub", c->out != NULL ? c->out : name);
    keys_make(&k, name);
    e = keys_write(secret, &k);
    if (e == ERR_OK)
        e = keys_write_public(public, &k.pub);
    if (e == ERR_OK)
        show_public(c, &k.pub, public);
    keys_wipe(&k);
    return e == ERR_OK ? EXIT_DONE : fail(c, e, secret);
}

int cmd_key_show(struct ctl *c)
{
    struct node_public p;
    enum err e = keys_read_public(c->argv[0], &p);
    if (e != ERR_OK)
        return fail(c, e, c->argv[0]);
    show_public(c, &p, c->argv[0]);
    return EXIT_DONE;
}

/* ---- the table of nodes ---- */

struct table {
    struct hub_config hub;
    struct registry *registry;
    struct node *nodes; /* a changeable copy */
    size_t n;
    int lock;
};

static enum err read_table(struct table *t, struct buf *why)
{
    struct buf agencies = {0}, nodes = {0};
    enum err e = file_read(t->hub.agencies, TABLE_MAX, &agencies);
    if (e == ERR_OK) {
        e = file_read(t->hub.nodes, TABLE_MAX, &nodes);
        if (e == ERR_NOT_FOUND) {
            registry_write_nodes(NULL, 0, &nodes);
            e = ERR_OK;
        }
    }
    if (e == ERR_OK)
        e = registry_parse(buf_slice(&agencies), SLICE_NONE, buf_slice(&nodes),
                           &t->registry, why);
    buf_fini(&agencies);
    buf_fini(&nodes);
    return e;
}

static void close_table(struct table *t)
{
    free(t->nodes);
    registry_free(&t->registry);
    conf_fini(HUB_CONFIG, &t->hub);
    if (t->lock >= 0)
        close(t->lock);
}

/* Opens the table, for change with a lock beside it. */
static int open_table(struct ctl *c, bool change, struct table *t)
{
    struct buf why = {0};
    char path[4200];
    memset(t, 0, sizeof(*t));
    t->lock = -1;
    int code = load_hub(c, &t->hub);
    if (code != EXIT_DONE)
        return code;
    if (change) {
        snprintf(path, sizeof(path), "%s.lock", t->hub.nodes);
        t->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        if (t->lock < 0 || flock(t->lock, LOCK_EX) != 0)
            return fail(c, ERR_IO, path);
    }
    enum err e = read_table(t, &why);
    if (e == ERR_OK) {
        t->n = registry_node_count(t->registry);
        t->nodes = calloc(t->n + 1, sizeof(*t->nodes));
        e = t->nodes == NULL ? ERR_NOMEM : ERR_OK;
        for (size_t i = 0; e == ERR_OK && i < t->n; i++)
            t->nodes[i] = *registry_node_at(t->registry, i);
    }
    code = e == ERR_OK ? EXIT_DONE
                       : fail(c, e, why.n > 0 ? (char *)why.p : t->hub.nodes);
    buf_fini(&why);
    return code;
}

/* Writes the table and lets a running hub know. */
static int save_table(struct ctl *c, struct table *t)
{
    struct buf text = {0};
    json_t *answer = NULL;
    registry_write_nodes(t->nodes, t->n, &text);
    enum err e = text.failed
                     ? ERR_NOMEM
                     : file_replace(t->hub.nodes, buf_slice(&text), 0600);
    buf_fini(&text);
    if (e != ERR_OK)
        return fail(c, e, t->hub.nodes);
    e = ask_hub(&t->hub, "reload", NULL, 0, (int)c->timeout_ms, &answer);
    json_decref(answer);
    if (e == ERR_UNREACHABLE) {
        fputs(say(c, "ハブは動いていません。次の起動から効きます。\n",
                  "The hub is not running; this holds from its next start.\n"),
              stderr);
        return EXIT_DONE;
    }
    return e == ERR_OK ? EXIT_DONE : fail(c, e, "reload");
}

static struct node *find_node(struct table *t, const char *name)
{
    for (size_t i = 0; i < t->n; i++)
        if (strcmp(t->nodes[i].pub.node, name) == 0)
            return &t->nodes[i];
    return NULL;
}

static const char *state_name(const struct ctl *c, enum node_state s)
{
    static const char *const JA[] = {"承認待ち", "有効", "失効"};
    static const char *const EN[] = {"pending", "active", "revoked"};
    return c->ja && !c->json ? JA[s] : EN[s];
}

static void show_node(const struct ctl *c, const struct node *n)
{
    char fp[FINGERPRINT_TEXT], since[TIME_TEXT];
    keys_fingerprint(&n->pub, fp);
    time_jst(n->since_ms, since);
    if (c->json) {
        printf("{\"schema\":\"tsunagi.node/1\",\"node\":\"%s\",\"agency\":"
               "\"%s\",\"state\":\"%s\",\"fingerprint\":\"%s\",\"since\":"
               "\"%s\"}\n",
               n->pub.node, n->agency->code, state_name(c, n->state), fp,
               since);
        return;
    }
    cell(n->pub.node, 20);
    cell(state_name(c, n->state), 8);
    cell(n->agency->code, 16);
    cell(n->agency->name_ja, 24);
    puts(fp);
}

int cmd_node_list(struct ctl *c)
{
    struct table t;
    int code = open_table(c, false, &t);
    for (size_t i = 0; code == EXIT_DONE && i < t.n; i++)
        show_node(c, &t.nodes[i]);
    close_table(&t);
    return code;
}

static int add(struct ctl *c, struct table *t)
{
    struct node_public p;
    enum err e = keys_read_public(c->argv[0], &p);
    if (e != ERR_OK)
        return fail(c, e, c->argv[0]);
    const struct agency *a =
        c->agency != NULL ? registry_agency(t->registry, c->agency) : NULL;
    if (a == NULL)
        return fail(c, ERR_NOT_FOUND,
                    say(c, "--agency 機関コード", "--agency CODE"));
    if (find_node(t, p.node) != NULL)
        return fail(c, ERR_CONFLICT, p.node);
    struct node *more = realloc(t->nodes, (t->n + 1) * sizeof(*more));
    if (more == NULL)
        return fail(c, ERR_NOMEM, "");
    t->nodes = more;
    t->nodes[t->n] = (struct node){.pub = p,
                                   .agency = a,
                                   .state = NODE_PENDING,
                                   .since_ms = clock_wall_ms()};
    show_node(c, &t->nodes[t->n++]);
    return save_table(c, t);
}

int cmd_node_add(struct ctl *c)
{
    struct table t;
    int code = open_table(c, true, &t);
    if (code == EXIT_DONE)
        code = add(c, &t);
    close_table(&t);
    return code;
}

/* A person says yes after reading the fingerprint out to the other side. */
static bool confirmed(const struct ctl *c, const struct node *n)
{
    char line[16];
    if (c->yes)
        return true;
    show_node(c, n);
    fputs(
        say(c,
            "電話などで相手と指紋を読み合わせましたか。一致したら yes と入力: ",
            "Compared with the other side by telephone? Type yes: "),
        stderr);
    return fgets(line, sizeof(line), stdin) != NULL &&
           strcmp(line, "yes\n") == 0;
}

static int change_state(struct ctl *c, enum node_state to)
{
    struct table t;
    int code = open_table(c, true, &t);
    struct node *n = code == EXIT_DONE ? find_node(&t, c->argv[0]) : NULL;
    if (code == EXIT_DONE && n == NULL)
        code = fail(c, ERR_NOT_FOUND, c->argv[0]);
    else if (code == EXIT_DONE && to == NODE_ACTIVE && n->state == NODE_REVOKED)
        code =
            fail(c, ERR_NODE_REVOKED,
                 say(c, "新しい鍵で登録し直してください", "register new keys"));
    else if (code == EXIT_DONE && to == NODE_ACTIVE && !confirmed(c, n))
        code = fail(c, ERR_DENIED, c->argv[0]);
    if (code == EXIT_DONE) {
        n->state = to;
        n->since_ms = clock_wall_ms();
        code = save_table(c, &t);
        if (code == EXIT_DONE)
            show_node(c, n);
    }
    close_table(&t);
    return code;
}

int cmd_node_approve(struct ctl *c)
{
    return change_state(c, NODE_ACTIVE);
}

int cmd_node_revoke(struct ctl *c)
{
    return change_state(c, NODE_REVOKED);
}

/* ---- a policy of witnesses (C2SP tlog-policy) ---- */

/* Of n witnesses (n+f)/2+1 are a quorum that f may lie to: any two have an
 * honest one in common. f is all that a third less one of them may be. */
static size_t quorum_of(size_t n)
{
    return n == 0 ? 0 : (n + (n - 1) / 3) / 2 + 1;
}

static bool is_chosen(const struct ctl *c, const struct node *n)
{
    for (int i = 0; i < c->argc; i++)
        if (strcmp(c->argv[i], n->pub.node) == 0)
            return true;
    return c->argc == 0 && n->state == NODE_ACTIVE;
}

/* An agency counts once, however many nodes it has: the members of one with
 * several are a group. Returns what the agency goes by, NULL: it was there. */
static const char *add_agency(const struct ctl *c, const struct table *t,
                              size_t at, struct buf *out)
{
    const struct agency *a = t->nodes[at].agency;
    struct buf list = {0};
    size_t n = 0;
    bool first = true;
    for (size_t i = 0; i < t->n; i++) {
        if (t->nodes[i].agency != a || !is_chosen(c, &t->nodes[i]))
            continue;
        first &= i >= at;
        n++;
        buf_addf(&list, " %s", t->nodes[i].pub.node);
    }
    if (first && n > 1)
        buf_addf(out, "group %s any%s\n", a->code, (char *)list.p);
    buf_fini(&list);
    return !first ? NULL : n > 1 ? a->code : t->nodes[at].pub.node;
}

static void add_witnesses(const struct ctl *c, const struct table *t,
                          struct buf *out)
{
    struct buf members = {0}, groups = {0};
    size_t n = 0;
    for (size_t i = 0; i < t->n; i++) {
        if (!is_chosen(c, &t->nodes[i]))
            continue;
        buf_addf(out, "witness %s ", t->nodes[i].pub.node);
        add_witness_key(&t->nodes[i].pub, out);
        buf_addc(out, '\n');
        const char *name = add_agency(c, t, i, &groups);
        if (name != NULL)
            buf_addf(&members, " %s", name);
        n += name != NULL;
    }
    if (n == 0)
        buf_adds(out, "quorum none\n");
    else
        buf_addf(out, "%sgroup agencies %zu%s\nquorum agencies\n",
                 groups.n > 0 ? (char *)groups.p : "", quorum_of(n),
                 (char *)members.p);
    buf_fini(&members);
    buf_fini(&groups);
}

static enum err write_witnesses(const struct ctl *c, const struct table *t,
                                struct buf *out, struct buf *why)
{
    struct node_keys log;
    struct quorum *q = NULL;
    enum err e = keys_read(t->hub.log_key, &log);
    if (e != ERR_OK) {
        buf_adds(why, t->hub.log_key);
        return e;
    }
    buf_addf(out, "# C2SP tlog-policy. Who has cosigned a head of this log has "
                  "seen it grow.\nlog ");
    note_vkey(t->hub.origin, log.pub.sign, out);
    buf_addc(out, '\n');
    keys_wipe(&log);
    add_witnesses(c, t, out);
    e = out->failed ? ERR_NOMEM : quorum_parse("-", buf_slice(out), &q, why);
    quorum_free(&q);
    return e;
}

int cmd_node_witnesses(struct ctl *c)
{
    struct table t;
    struct buf out = {0}, why = {0};
    int code = open_table(c, false, &t);
    if (code == EXIT_DONE) {
        enum err e = write_witnesses(c, &t, &out, &why);
        if (e == ERR_OK)
            fputs((char *)out.p, stdout);
        else
            code = fail(c, e, why.n > 0 ? (char *)why.p : "");
    }
    close_table(&t);
    buf_fini(&out);
    buf_fini(&why);
    return code;
}
