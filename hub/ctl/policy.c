/* policy.c - the folder of a policy on its way into force: sign, activate,
 * status, export (the way back, where the next change begins). What it says is
 * looked at by the other policy_*.c. */
#include "hub/ctl/policy.h"
#include "proto/base/clock.h"
#include "proto/base/date.h"
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- a folder of tables ---- */

int pack_read_files(const struct ctl *c, const char *folder, struct pack *p)
{
    memset(p, 0, sizeof(*p));
    for (size_t i = 0; i < PACK_FILES; i++) {
        char path[4200];
        snprintf(path, sizeof(path), "%s/%s", folder, pack_file_name(i));
        enum err e = file_read(path, PACK_FILE_MAX, &p->text[i]);
        if (e != ERR_OK)
            return fail(c, e, path);
        p->files[i] = buf_slice(&p->text[i]);
    }
    return EXIT_DONE;
}

static void print_fault(void *ctx, const char *where, const char *text)
{
    fprintf(stderr, "%s %s: %s\n", say(ctx, "誤り", "error"), where, text);
}

int pack_load(const struct ctl *c, const char *folder, struct pack *p)
{
    struct buf why = {0};
    int code = pack_read_files(c, folder, p);
    if (code != EXIT_DONE)
        return code;
    enum err e = policy_parse(p->files, &p->policy, &why);
    if (e != ERR_OK) {
        policy_faults(c, p, &why, print_fault, (void *)(uintptr_t)c);
        code = fail(c, e, folder);
    }
    buf_fini(&why);
    return code;
}

void pack_fini(struct pack *p)
{
    for (size_t i = 0; i < PACK_FILES; i++)
        buf_fini(&p->text[i]);
    policy_free(&p->policy);
}

/* ---- sign ---- */

/* What is about to be signed: the manifest that is there, while it is about
 * these very files; otherwise a new one, whose version goes on from it. */
struct signing {
    char path[4200];
    struct buf note;
    struct manifest old;
    bool found, same;
};

static bool same_files(const struct manifest *m, const struct pack *p)
{
    for (size_t i = 0; i < PACK_FILES; i++) {
        uint8_t hash[32];
        sha256(p->files[i], hash);
        if (memcmp(hash, m->file[i], sizeof(hash)) != 0)
            return false;
    }
    return true;
}

static enum err read_old(const char *folder, const struct pack *p,
                         struct signing *s)
{
    struct buf why = {0};
    snprintf(s->path, sizeof(s->path), "%s/" MANIFEST_NAME, folder);
    enum err e = file_read(s->path, NOTE_MAX, &s->note);
    if (e == ERR_NOT_FOUND)
        return ERR_OK;
    if (e == ERR_OK)
        e = manifest_parse(buf_slice(&s->note), &s->old, &why);
    s->found = e == ERR_OK;
    s->same = s->found && same_files(&s->old, p);
    buf_fini(&why);
    return e;
}

static int origin_of(const struct ctl *c, const struct signing *s,
                     char out[ORIGIN_MAX])
{
    struct hub_config h = {0};
    const char *origin = c->origin;
    int code = EXIT_DONE;
    if (origin == NULL && s->found)
        origin = s->old.origin;
    if (origin == NULL) {
        code = load_hub(c, &h);
        origin = h.origin;
    }
    if (code == EXIT_DONE && strlen(origin) >= ORIGIN_MAX)
        code = fail(c, ERR_USAGE, "--origin");
    if (code == EXIT_DONE)
        snprintf(out, ORIGIN_MAX, "%s", origin);
    conf_fini(HUB_CONFIG, &h);
    return code;
}

/* A whole second: what a manifest can say. */
static int beginning(const struct ctl *c, uint64_t *ms)
{
    *ms = clock_wall_ms() / 1000 * 1000;
    if (c->not_before == NULL || time_parse(c->not_before, ms) == ERR_OK)
        return EXIT_DONE;
    return fail(c, ERR_USAGE, "--not-before");
}

static int new_manifest(const struct ctl *c, const struct pack *p,
                        struct signing *s)
{
    char origin[ORIGIN_MAX];
    uint64_t version = s->found ? s->old.version + 1 : 1, from;
    int code = origin_of(c, s, origin);
    if (code == EXIT_DONE)
        code = beginning(c, &from);
    if (code != EXIT_DONE)
        return code;
    if (c->number > 0)
        version = (uint64_t)c->number;
    buf_reset(&s->note);
    manifest_write(origin, version, from, p->files, &s->note);
    return EXIT_DONE;
}

static int add_signature(const struct ctl *c, struct signing *s)
{
    struct node_keys key;
    struct buf out = {0}, why = {0};
    struct manifest m;
    enum err e = keys_read(c->key, &key);
    if (e != ERR_OK)
        return fail(c, e, c->key);
    e = approve_sign(buf_slice(&s->note), &key, &out);
    if (e == ERR_OK)
        e = manifest_parse(buf_slice(&out), &m, &why);
    if (e == ERR_OK)
        e = file_replace(s->path, buf_slice(&out), 0644);
    if (e == ERR_OK)
        fprintf(stderr,
                say(c, "版%llu に %s として署名しました: %s\n",
                    "signed version %llu as %s: %s\n"),
                (unsigned long long)m.version, key.pub.node, s->path);
    keys_wipe(&key);
    buf_fini(&out);
    buf_fini(&why);
    return e == ERR_OK ? EXIT_DONE : fail(c, e, s->path);
}

int cmd_policy_sign(struct ctl *c)
{
    struct pack p;
    struct signing s = {0};
    bool anew = c->number > 0 || c->not_before != NULL || c->origin != NULL;
    if (c->key == NULL)
        return fail(c, ERR_USAGE, "--key FILE.key");
    int code = pack_load(c, c->argv[0], &p);
    if (code == EXIT_DONE) {
        enum err e = read_old(c->argv[0], &p, &s);
        code = e == ERR_OK ? EXIT_DONE : fail(c, e, s.path);
    }
    if (code == EXIT_DONE && (!s.same || anew))
        code = new_manifest(c, &p, &s);
    if (code == EXIT_DONE)
        code = add_signature(c, &s);
    buf_fini(&s.note);
    pack_fini(&p);
    return code;
}

/* ---- activate, status ---- */

static void show_approvers(const struct ctl *c, const json_t *j)
{
    const char *fault = text_of(j, "approvers_fault");
    long long n = json_integer_value(json_object_get(j, "approvers"));
    printf(say(c, "承認者 %lld人%s%s\n", "%lld approvers in force%s%s\n"), n,
           fault[0] == '\0' ? "" : say(c, " 表の誤り: ", ", fault: "), fault);
    if (json_is_true(json_object_get(j, "approvers_changed")))
        printf("%s\n",
               say(c,
                   "approvers.tsv は、前に効かせたときの表と違います。増えた行"
                   "は、次に効かせた後から数えます。覚えのない変更なら、署名"
                   "しないでください",
                   "approvers.tsv is not the table of the last activation: new "
                   "rows count after the next one; do not sign if you do not "
                   "know the change"));
    if (fault[0] == '\0' && n < APPROVALS_NEEDED)
        printf("%s\n", say(c, "二人に足りません。方針を変えられません",
                           "fewer than two: no policy can be activated"));
}

static void show(const struct ctl *c, const json_t *j)
{
    printf(say(c, "版 %lld  規則 %lld件  記録 %lld\n",
               "version %lld  %lld rules  leaf %lld\n"),
           count_of(j, "version"), count_of(j, "rules"), count_of(j, "leaf"));
    printf("%s\n", text_of(j, "digest"));
    printf(say(c, "止めた送付 %lld件、そのまま待つ送付 %lld件%s\n",
               "%lld deliveries stopped, %lld wait as before%s\n"),
           count_of(j, "stopped"), count_of(j, "waiting"),
           json_is_true(json_object_get(j, "swept"))
               ? ""
               : say(c, "(途中)", " (so far)"));
    show_approvers(c, j);
}

/* Waits, within the timeout, until all that waited was decided again. */
static int await_sweep(struct ctl *c, json_t **j)
{
    uint64_t until = clock_boot_ms() + (uint64_t)c->timeout_ms;
    int code;
    for (;;) {
        code = ask(c, "policy-status", NULL, 0, j);
        if (code != EXIT_DONE || json_is_true(json_object_get(*j, "swept")) ||
            clock_boot_ms() > until)
            return code;
        json_decref(*j);
        usleep(50000);
    }
}

int cmd_policy_activate(struct ctl *c)
{
    char folder[PATH_MAX]; /* the hub stands elsewhere */
    json_t *j = NULL;
    if (realpath(c->argv[0], folder) == NULL)
        return fail(c, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, c->argv[0]);
    struct node_arg arg = {"folder", folder};
    int code = ask(c, "policy-activate", &arg, 1, &j);
    json_decref(j);
    j = NULL;
    if (code == EXIT_DONE)
        code = await_sweep(c, &j);
    if (code == EXIT_DONE && c->json)
        print_json(j);
    else if (code == EXIT_DONE)
        show(c, j);
    json_decref(j);
    return code;
}

int cmd_policy_status(struct ctl *c)
{
    return view(c, "policy-status", NULL, 0, show);
}

/* ---- export ---- */

/* Asks for one file of the pack in force; all are of the version of the first.
 */
static int take_file(struct ctl *c, size_t i, json_int_t *version, json_t **j)
{
    char number[24];
    snprintf(number, sizeof(number), "%zu", i);
    struct node_arg arg = {"file", number};
    int code = ask(c, "policy-file", &arg, 1, j);
    if (code != EXIT_DONE)
        return code;
    json_int_t is = json_integer_value(json_object_get(*j, "version"));
    if (i == 0)
        *version = is;
    return is == *version ? EXIT_DONE
                          : fail(c, ERR_CONFLICT, "another policy came in");
}

/* A name without a way out of the folder: the hub is asked, not trusted. */
static int put_file(const struct ctl *c, const char *folder, const json_t *j)
{
    char path[4200];
    const char *name = text_of(j, "name");
    if (name[0] == '\0' || name[0] == '.' || strchr(name, '/') != NULL)
        return fail(c, ERR_INTEGRITY, "name");
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    enum err e = file_replace(path, slice_str(text_of(j, "text")), 0644);
    return e == ERR_OK ? EXIT_DONE : fail(c, e, path);
}

int cmd_policy_export(struct ctl *c)
{
    const char *folder = c->argv[0];
    json_int_t version = 0;
    if (mkdir(folder, 0755) != 0)
        return not_made(c, folder);
    int code = EXIT_DONE;
    for (size_t i = 0; i <= PACK_FILES && code == EXIT_DONE; i++) {
        json_t *j = NULL;
        code = take_file(c, i, &version, &j);
        if (code == EXIT_DONE)
            code = put_file(c, folder, j);
        json_decref(j);
    }
    if (code == EXIT_DONE)
        fprintf(stderr,
                say(c, "いまの方針(版%lld)を書き出しました: %s\n",
                    "wrote the policy in force (version %lld): %s\n"),
                (long long)version, folder);
    return code;
}
