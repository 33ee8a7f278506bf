/* audit_proof.c - one entry of the log, proved alone: the C2SP tlog-proof that
 * a node keeps of what it sent and of what it got.
 *
 * The file carries the leaf (its extra data), the path up to a root and the
 * head that the log signed over it. Checked with the log's public key and
 * nothing else: no hub, no export, no node. Whose key that is, somebody must
 * have compared; a node has it since its enrolment. */
#include "adapters/sdk/settings.h"
#include "hub/ctl/audit.h"
#include "hub/ctl/ctl.h"
#include "proto/base/date.h"
#include "proto/wire/log_proof.h"
#include "proto/wire/schema.h"
#include "proto/wire/unpack.h"
#include "tsunagi/v1/envelope.pb-c.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* ---- proof ---- */

/* Under the id of the event sent, else of the delivery got. */
static int ask_proof(struct ctl *c, struct node_answer *a)
{
    char path[4096];
    static const char *const KEYS[] = {"event_id", "delivery_id"};
    int code = node_config(c, path, sizeof(path));
    if (code != EXIT_DONE)
        return code;
    enum err e = ERR_NOT_FOUND;
    for (size_t i = 0; i < NELEM(KEYS) && e == ERR_NOT_FOUND; i++) {
        struct node_arg arg = {KEYS[i], c->argv[0]};
        node_answer_fini(a);
        e = node_request(path, "proof", &arg, 1, stderr, a);
        if (e == ERR_OK)
            e = a->code;
    }
    return e == ERR_OK ? EXIT_DONE : fail(c, e, c->argv[0]);
}

int cmd_audit_proof(struct ctl *c)
{
    struct node_answer a = {0};
    int code = ask_proof(c, &a);
    const char *text = text_of(a.json, "proof");
    if (code == EXIT_DONE && c->out == NULL) {
        fputs(text, stdout);
    } else if (code == EXIT_DONE) {
        enum err e = file_replace(c->out, slice_str(text), 0644);
        if (e != ERR_OK)
            code = fail(c, e, c->out);
    }
    node_answer_fini(&a);
    return code;
}

/* ---- verify ---- */

static enum err key_of_file(const char *path, struct vkey *out)
{
    struct buf b = {0};
    enum err e = file_read(path, 4096, &b);
    while (b.n > 0 && b.p[b.n - 1] == '\n')
        b.n--;
    if (e == ERR_OK &&
        (!vkey_parse(buf_slice(&b), out) || out->type != VKEY_SIGNER))
        e = ERR_INTEGRITY;
    buf_fini(&b);
    return e;
}

/* As the node knows the log since its enrolment. */
static enum err key_of_node(const char *config, struct vkey *out)
{
    struct settings s;
    struct node_public p;
    enum err e = settings_load(config, &s, stderr);
    if (e != ERR_OK)
        return e;
    const char *file = s.hub_log != NULL ? s.hub_log : s.hub_public;
    char *path = settings_path(&s, file);
    e = path == NULL ? ERR_NOMEM : keys_read_public(path, &p);
    if (e == ERR_OK) {
        *out = (struct vkey){.type = VKEY_SIGNER};
        snprintf(out->name, sizeof(out->name), "%s", s.origin);
        memcpy(out->key, p.sign, KEY_BYTES);
    }
    free(path);
    settings_fini(&s);
    return e;
}

int audit_trusted_key(struct ctl *c, struct vkey *out)
{
    char path[4096];
    if (c->vkey != NULL) {
        enum err e = key_of_file(c->vkey, out);
        return e == ERR_OK ? EXIT_DONE : fail(c, e, c->vkey);
    }
    if (c->config == NULL && c->dir == NULL)
        return fail(c, ERR_USAGE, "--vkey FILE, or --config NODE.conf");
    int code = node_config(c, path, sizeof(path));
    if (code != EXIT_DONE)
        return code;
    enum err e = key_of_node(path, out);
    return e == ERR_OK ? EXIT_DONE : fail(c, e, path);
}

static void show(const struct ctl *c, const Pb__AuditLeaf *l,
                 const struct checkpoint *head)
{
    char at[TIME_TEXT];
    const char *kind = schema_enum_name(&pb__leaf_kind__descriptor, l->kind);
    time_jst(l->time_ms, at);
    if (c->json) {
        json_t *j = json_pack(
            "{s:s,s:I,s:s,s:s,s:s,s:I}", "schema", "tsunagi.audit-proof/1",
            "leaf", (json_int_t)l->index, "kind", kind, "time", at, "origin",
            head->origin, "size", (json_int_t)head->size);
        print_json(j);
        json_decref(j);
        return;
    }
    printf(say(c,
               "記録 %" PRIu64 " 番(%s、%s)は、%s の記録(%" PRIu64
               "行)に入っています\n",
               "leaf %" PRIu64 " (%s, %s) is in the log %s of %" PRIu64
               " leaves\n"),
           l->index, kind, at, head->origin, head->size);
}

/* What the proof proves is the leaf that it says it carries. */
static enum err check(const struct vkey *log, const struct log_proof *p,
                      ProtobufCMessage **leaf, struct checkpoint *head)
{
    struct slice bytes = buf_slice(&p->extra);
    if (bytes.n == 0)
        return ERR_INTEGRITY; /* some other log's, that keeps its leaves apart
                               */
    enum err e = log_proof_check(p, log->name, log->key, bytes, head);
    if (e == ERR_OK)
        e = unpack(&pb__audit_leaf__descriptor, bytes, leaf);
    if (e == ERR_OK && ((const Pb__AuditLeaf *)*leaf)->index != p->index)
        e = ERR_INTEGRITY;
    return e == ERR_OK ? ERR_OK : ERR_INTEGRITY;
}

int audit_verify_proof(struct ctl *c, const char *path)
{
    struct vkey log;
    struct log_proof p = {0};
    struct checkpoint head;
    struct buf text = {0};
    ProtobufCMessage *leaf = NULL;
    int code = audit_trusted_key(c, &log);
    if (code != EXIT_DONE)
        return code;
    enum err e = file_read(path, LOG_PROOF_MAX, &text);
    if (e == ERR_OK)
        e = log_proof_parse(buf_slice(&text), &p);
    if (e == ERR_OK)
        e = check(&log, &p, &leaf, &head);
    if (e == ERR_OK)
        show(c, (const Pb__AuditLeaf *)leaf, &head);
    unpack_free(&leaf);
    log_proof_fini(&p);
    buf_fini(&text);
    return e == ERR_OK ? EXIT_DONE : fail(c, e, path);
}
