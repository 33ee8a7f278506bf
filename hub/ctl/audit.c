/* audit.c - `tsunagi audit export`, `verify` and `checkpoint`: what they say.
 * The work is in audit_export.c, audit_verify.c and audit_meaning.c. */
#include "hub/ctl/audit.h"
#include "hub/ctl/ctl.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- export ---- */

static int export_failed(struct ctl *c, enum err e)
{
    rmdir(c->argv[0]); /* when nothing was written */
    if (e == ERR_UNREACHABLE) {
        fprintf(stderr, "tsunagi: %s: %s (%s)\n", err_code(e),
                say(c,
                    "ハブが動いていないか、応答しません。書き出していません。",
                    "The hub is not running or does not answer. Nothing was "
                    "exported."),
                c->argv[0]);
        return EXIT_UNREACHABLE;
    }
    return fail(c, e,
                e == ERR_NOT_FOUND
                    ? say(c,
                          "証人の連署がそろった先頭がまだありません"
                          "(--newest で、そろっていない先頭を書き出せます)",
                          "no head has its quorum of witnesses yet (--newest "
                          "exports one without)")
                    : c->argv[0]);
}

int cmd_audit_export(struct ctl *c)
{
    struct hub_config hub;
    int code = load_hub(c, &hub);
    if (code != EXIT_DONE)
        return code;
    if (mkdir(c->argv[0], 0755) != 0) {
        code = not_made(c, c->argv[0]);
    } else {
        enum err e =
            audit_export(&hub, c->argv[0], c->newest, (int)c->timeout_ms);
        code = e == ERR_OK ? EXIT_DONE : export_failed(c, e);
    }
    conf_fini(HUB_CONFIG, &hub);
    return code;
}

int cmd_audit_checkpoint(struct ctl *c)
{
    json_t *j = NULL;
    int code = ask(c, "checkpoint", NULL, 0, &j);
    if (code == EXIT_DONE && c->json)
        print_json(j);
    else if (code == EXIT_DONE)
        fputs(text_of(j, "note"), stdout);
    json_decref(j);
    return code;
}

/* ---- verify ---- */

static json_t *findings_json(const struct ctl *c, const struct audit_report *r)
{
    json_t *list = json_array();
    for (size_t i = 0; i < r->found.count && i < FINDINGS_KEPT; i++) {
        const struct audit_finding *f = &r->found.kept[i];
        json_t *j = json_pack("{s:I,s:s,s:s}", "leaf", (json_int_t)f->leaf,
                              "rule", f->rule, "text", c->ja ? f->ja : f->en);
        if (f->path[0] != '\0')
            json_object_set_new(j, "path", json_string(f->path));
        json_array_append_new(list, j);
    }
    return list;
}

static void print_report_json(const struct ctl *c, const struct audit_report *r)
{
    json_t *j = json_pack(
        "{s:s,s:s,s:I,s:I,s:I,s:o}", "schema", "tsunagi.audit-verify/1",
        "origin", r->origin, "leaves", (json_int_t)r->size, "broken",
        (json_int_t)r->found.count, "broken_bytes", (json_int_t)r->found.bytes,
        "findings", findings_json(c, r));
    if (r->has_policy)
        json_object_set_new(j, "witnesses",
                            json_pack("{s:I,s:I}", "of",
                                      (json_int_t)r->witnesses, "cosigned",
                                      (json_int_t)r->cosigned));
    print_json(j);
    json_decref(j);
}

static void print_good(const struct ctl *c, const struct audit_report *r)
{
    printf(say(c, "%s: %" PRIu64 "行すべて正しく、署名も一致します\n",
               "%s: all %" PRIu64 " leaves and the signed head hold\n"),
           c->argv[0], r->size);
    if (r->has_policy)
        printf(say(c, "証人 %zu者のうち %zu者が連署しています\n",
                   "of %zu witnesses %zu have cosigned\n"),
               r->witnesses, r->cosigned);
    else
        puts(say(c,
                 "証人の連署はありません(運用者が相手によって別の記録を"
                 "見せた可能性は、これだけでは否定できません)",
                 "no witness has cosigned: that others were shown another log "
                 "cannot be excluded from this alone"));
}

static void print_findings(const struct ctl *c, const struct audit_report *r)
{
    for (size_t i = 0; i < r->found.count && i < FINDINGS_KEPT; i++) {
        const struct audit_finding *f = &r->found.kept[i];
        const char *text = c->ja ? f->ja : f->en;
        if (f->path[0] != '\0')
            printf("%s %s %s\n", f->path, f->rule, text);
        else
            printf("%" PRIu64 " %s %s\n", f->leaf, f->rule, text);
    }
    printf(say(c,
               "見つかったこと: %" PRIu64
               "件(うち改ざん・欠落の疑い(B) %" PRIu64 "件)\n",
               "findings: %" PRIu64 ", of them about the bytes (B) %" PRIu64
               "\n"),
           r->found.count, r->found.bytes);
}

static bool brings_key(const struct ctl *c)
{
    return c->vkey != NULL || c->config != NULL || c->dir != NULL;
}

/* What nobody brought along is believed of the folder itself. */
static void say_trust(const struct ctl *c, const struct audit_report *r)
{
    if (!brings_key(c) || (r->has_policy && c->policy == NULL))
        fputs(
            say(c,
                "注意: フォルダーの中の鍵や方針をそのまま使いました。手元の控え"
                "を --vkey と --policy で渡してください\n",
                "note: the key or policy inside the folder was believed; "
                "bring your own with --vkey and --policy\n"),
            stderr);
}

static int show_report(const struct ctl *c, const struct audit_report *r)
{
    if (c->json)
        print_report_json(c, r);
    else if (r->found.count == 0)
        print_good(c, r);
    else
        print_findings(c, r);
    say_trust(c, r);
    return r->found.count == 0 ? EXIT_DONE : EXIT_INTEGRITY;
}

static int verify_folder(struct ctl *c)
{
    struct vkey log;
    struct audit_trust trust = {NULL, c->policy, c->older};
    if (brings_key(c)) {
        int code = audit_trusted_key(c, &log);
        if (code != EXIT_DONE)
            return code;
        trust.log = &log;
    }
    struct audit_report *r = calloc(1, sizeof(*r));
    enum err e = r == NULL ? ERR_NOMEM : audit_verify(c->argv[0], &trust, r);
    int code = e == ERR_OK ? show_report(c, r) : fail(c, e, c->argv[0]);
    free(r);
    return code;
}

int cmd_audit_verify(struct ctl *c)
{
    struct stat st;
    bool file = stat(c->argv[0], &st) == 0 && S_ISREG(st.st_mode);
    return file ? audit_verify_proof(c, c->argv[0]) : verify_folder(c);
}
