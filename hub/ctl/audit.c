/* audit.c - `tsunagi audit`: the log exported, and verified with nothing but
 * the export: no hub, no keys but the log's public one.
 *
 * Bytes: the head's signature, every leaf canonical and in its place, times
 * never going back, every tile, the root, consistency with an older head.
 * Meaning (M-1...): a RELEASE follows a DECISION of the same event for the
 * same agency and releases no more; what it releases and withholds do not
 * overlap; no consent is relied on after its withdrawal; the policy had been
 * activated; DELIVERED follows the RELEASE of that event; nodes act only while
 * active. */
#include "hub/ctl/ctl.h"
#include "hub/ctl/tiles.h"
#include "proto/base/id.h"
#include "proto/wire/unpack.h"
#include "tsunagi/v1/envelope.pb-c.h"
#include <inttypes.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* ---- export ---- */

struct exporting {
    struct ctl *c;
    const struct hub_config *hub;
    const char *folder;
    struct buf entries; /* of the open entries tile */
    unsigned in_tile;
    uint64_t done;
    struct hash *hash;
    size_t cap;
    uint64_t hashed;
};

static enum err add_leaf(struct exporting *x, struct slice leaf)
{
    if (x->done == x->cap) {
        x->cap = x->cap == 0 ? 4096 : 2 * x->cap;
        struct hash *more = realloc(x->hash, x->cap * sizeof(*more));
        if (more == NULL)
            return ERR_NOMEM;
        x->hash = more;
    }
    x->hash[x->done++] = proof_leaf(leaf);
    buf_addc(&x->entries, (char)(leaf.n >> 8));
    buf_addc(&x->entries, (char)(leaf.n & 255));
    buf_add(&x->entries, leaf.p, leaf.n);
    if (++x->in_tile < TILE_WIDTH)
        return x->entries.failed ? ERR_NOMEM : ERR_OK;
    enum err e = tile_write(x->folder, -1, x->done / TILE_WIDTH - 1, TILE_WIDTH,
                            buf_slice(&x->entries));
    buf_reset(&x->entries);
    x->in_tile = 0;
    return e;
}

static enum err add_answer(struct exporting *x, const json_t *j, uint64_t size)
{
    size_t i;
    json_t *v;
    enum err e = ERR_OK;
    json_array_foreach(json_object_get(j, "leaves"), i, v)
    {
        uint8_t bytes[4096];
        const char *hex = json_string_value(v);
        size_t n = hex != NULL ? strlen(hex) / 2 : 0;
        if (x->done == size || e != ERR_OK)
            break;
        e = n > sizeof(bytes) || n == 0 ? ERR_INTEGRITY
                                        : hex_decode(hex, bytes, n);
        if (e == ERR_OK)
            e = add_leaf(x, slice_of(bytes, n));
    }
    return e != ERR_OK ? e : i == 0 ? ERR_INTEGRITY : ERR_OK;
}

static enum err fetch_leaves(struct exporting *x, uint64_t size)
{
    enum err e = ERR_OK;
    while (x->done < size && e == ERR_OK) {
        char from[24];
        json_t *j = NULL;
        snprintf(from, sizeof(from), "%" PRIu64, x->done);
        struct node_arg a = {"from", from};
        e = ask_hub(x->hub, "leaves", &a, 1, (int)x->c->timeout_ms, &j);
        if (e == ERR_OK)
            e = add_answer(x, j, size);
        json_decref(j);
        fprintf(stderr, "\r%" PRIu64 "/%" PRIu64, x->done, size);
    }
    fputs("\n", stderr);
    if (e == ERR_OK && x->in_tile > 0)
        e = tile_write(x->folder, -1, size / TILE_WIDTH, x->in_tile,
                       buf_slice(&x->entries));
    return e;
}

static struct hash next_hash(void *ctx)
{
    struct exporting *x = ctx;
    return x->hash[x->hashed++];
}

/* Second line of a note: the size. */
static uint64_t note_size(const char *note)
{
    const char *line = strchr(note, '\n');
    return line != NULL ? strtoull(line + 1, NULL, 10) : 0;
}

static enum err write_head(const char *folder, const char *note,
                           const char *vkey)
{
    char path[4300];
    struct buf line = {0};
    snprintf(path, sizeof(path), "%s/checkpoint", folder);
    enum err e = file_replace(path, slice_str(note), 0644);
    snprintf(path, sizeof(path), "%s/log.vkey", folder);
    buf_addf(&line, "%s\n", vkey);
    if (e == ERR_OK)
        e = file_replace(path, buf_slice(&line), 0644);
    buf_fini(&line);
    return e;
}

static enum err export(struct ctl *c, const struct hub_config *hub,
                       const char *folder) {
    struct exporting x = {.c = c, .hub = hub, .folder = folder};
    struct hash root;
    json_t *head = NULL;
    enum err e = ask_hub(hub, "checkpoint", NULL, 0, (int)c->timeout_ms, &head);
    uint64_t size = e == ERR_OK ? note_size(text_of(head, "note")) : 0;
    if (e == ERR_OK) e = fetch_leaves(&x, size);
    if (e == ERR_OK) e = tiles_write(folder, size, next_hash, &x, &root);
    if (e == ERR_OK)
        e = write_head(folder, text_of(head, "note"), text_of(head, "vkey"));
    json_decref(head);
    free(x.hash);
    buf_fini(&x.entries);
    return e;
}

int cmd_audit_export(struct ctl *c)
{
    struct hub_config hub;
    int code = load_hub(c, &hub);
    if (code != EXIT_DONE)
        return code;
    if (mkdir(c->argv[0], 0755) != 0)
        code = fail(
            c, ERR_CONFLICT,
            say(c, "新しいフォルダーを指定してください", "name a new folder"));
    else {
        enum err e = export(c, &hub, c->argv[0]);
        code = e == ERR_OK ? EXIT_DONE : fail(c, e, c->argv[0]);
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

#define LEAVES_MAX (UINT64_C(1) << 36) /* more would not fit on a disk */

struct entry { /* what later leaves are held against */
    uint8_t kind;
    uint8_t event[ID_BYTES], subject[ID_BYTES];
    char peer[AGENCY_MAX];
    uint64_t released;
    bool ended; /* a release: called back since */
};
struct consent_state {
    uint8_t ref[ID_BYTES], subject[ID_BYTES];
    bool withdrawn;
};
struct verifying {
    struct ctl *c;
    uint64_t size, at, broken, last_ms;
    struct hash *hash;
    struct entry *entry;
    struct consent_state *consent;
    size_t consent_n, consent_cap;
    uint8_t policy[64][32];
    size_t policy_n;
    json_t *nodes; /* name -> state */
    json_t *findings;
};

static void finding(struct verifying *v, const char *rule, const char *ja,
                    const char *en)
{
    v->broken++;
    if (json_array_size(v->findings) >= 100)
        return;
    json_array_append_new(v->findings,
                          json_pack("{s:I,s:s,s:s}", "leaf", (json_int_t)v->at,
                                    "rule", rule, "text", v->c->ja ? ja : en));
}

static struct entry *referred(struct verifying *v, const Pb__AuditLeaf *l,
                              int kind)
{
    for (size_t i = 0; i < l->n_ref; i++)
        if (l->ref[i] < v->at && v->entry[l->ref[i]].kind == kind)
            return &v->entry[l->ref[i]];
    return NULL;
}

static bool about_same(const struct entry *e, const Pb__AuditLeaf *l)
{
    return l->event_id.len == ID_BYTES &&
           memcmp(e->event, l->event_id.data, ID_BYTES) == 0 &&
           (l->peer == NULL || strcmp(e->peer, l->peer) == 0);
}

static struct consent_state *find_consent(struct verifying *v,
                                          ProtobufCBinaryData ref)
{
    for (size_t i = 0; i < v->consent_n; i++)
        if (ref.len == ID_BYTES &&
            memcmp(v->consent[i].ref, ref.data, ID_BYTES) == 0)
            return &v->consent[i];
    return NULL;
}

/* What a decision to show or send may rest on. */
static void check_grounds(struct verifying *v, const Pb__AuditLeaf *l)
{
    bool known = false;
    if ((l->released & l->withheld) != 0 || l->outcome == 0)
        finding(v, "M-2", "渡した区分と伏せた区分が矛盾",
                "released and withheld contradict");
    for (size_t i = 0; i < l->n_consent; i++) {
        const struct consent_state *k = find_consent(v, l->consent[i]);
        if (k == NULL || k->withdrawn)
            finding(v, "M-3", "撤回後または存在しない同意による開示",
                    "release on a withdrawn or unknown consent");
    }
    for (size_t i = 0; i < v->policy_n; i++)
        known |= l->policy_digest.len == 32 &&
                 memcmp(v->policy[i], l->policy_digest.data, 32) == 0;
    if (!known)
        finding(v, "M-4", "有効にされていない方針",
                "policy was never activated");
}

static void check_release(struct verifying *v, const Pb__AuditLeaf *l)
{
    const struct entry *d = referred(v, l, PB__LEAF_KIND__DECISION);
    if (d == NULL || !about_same(d, l))
        finding(v, "M-1", "判断の記録のない開示",
                "release without its decision");
    if (d != NULL && (l->released & ~d->released) != 0)
        finding(v, "M-7", "判断より多くの開示",
                "releases more than was decided");
    check_grounds(v, l);
}

/* A person of the recipient looked; the command line's questions are READs of
 * the hub, about nothing that was sent. */
static void check_read(struct verifying *v, const Pb__AuditLeaf *l)
{
    if (!l->has_event_id)
        return;
    const struct entry *r = referred(v, l, PB__LEAF_KIND__RELEASE);
    if (r == NULL || !about_same(r, l))
        finding(v, "M-8", "開示の記録のない閲覧", "read without its release");
    else if ((l->released & ~r->released) != 0 || r->ended)
        finding(v, "M-9", "渡していない、または取り消した区分の閲覧",
                "read of what was not released or was called back");
    check_grounds(v, l);
}

static bool same_peer(const struct entry *e, const Pb__AuditLeaf *l)
{
    return l->peer != NULL && strcmp(e->peer, l->peer) == 0;
}

static void check_recall(struct verifying *v, const Pb__AuditLeaf *l)
{
    struct entry *r = referred(v, l, PB__LEAF_KIND__RELEASE);
    bool answer = l->phase != NULL && strcmp(l->phase, "ANSWER") == 0;
    if (r == NULL || !same_peer(r, l) ||
        (answer && referred(v, l, PB__LEAF_KIND__RECALL) == NULL))
        finding(v, "M-10", "開示の記録のない取消し",
                "recall of what was not released");
    else
        r->ended = true;
}

static void check_withheld(struct verifying *v, const Pb__AuditLeaf *l)
{
    const struct entry *d = referred(v, l, PB__LEAF_KIND__DECISION);
    if (d == NULL || !same_peer(d, l))
        finding(v, "M-11", "判断の記録のない差し止め",
                "withheld what was never decided");
}

static void note_grant(struct verifying *v, const Pb__AuditLeaf *l)
{
    if (l->n_consent == 0 || l->consent[0].len != ID_BYTES)
        return;
    if (v->consent_n == v->consent_cap) {
        size_t cap = v->consent_cap == 0 ? 256 : 2 * v->consent_cap;
        struct consent_state *more = realloc(v->consent, cap * sizeof(*more));
        if (more == NULL)
            return;
        v->consent = more;
        v->consent_cap = cap;
    }
    struct consent_state *k = &v->consent[v->consent_n++];
    memset(k, 0, sizeof(*k));
    memcpy(k->ref, l->consent[0].data, ID_BYTES);
    if (l->subject_handle.len == ID_BYTES)
        memcpy(k->subject, l->subject_handle.data, ID_BYTES);
}

/* One consent by its number, or all of a person (by this quarter's handle). */
static void note_revoke(struct verifying *v, const Pb__AuditLeaf *l)
{
    for (size_t i = 0; i < l->n_consent; i++) {
        struct consent_state *k = find_consent(v, l->consent[i]);
        if (k != NULL)
            k->withdrawn = true;
    }
    for (size_t i = 0; l->n_consent == 0 && i < v->consent_n; i++)
        if (l->subject_handle.len == ID_BYTES &&
            memcmp(v->consent[i].subject, l->subject_handle.data, ID_BYTES) ==
                0)
            v->consent[i].withdrawn = true;
}

static void check_node(struct verifying *v, const Pb__AuditLeaf *l)
{
    const char *state;
    if (l->node == NULL || strcmp(l->node, "hub") == 0 ||
        (l->has_outcome && l->outcome == 0))
        return;
    state = json_string_value(json_object_get(v->nodes, l->node));
    if (state == NULL || strcmp(state, "ACTIVE") != 0)
        finding(v, "M-6", "有効でない接続の行為",
                "act of a node that was not active");
}

static void check_meaning(struct verifying *v, const Pb__AuditLeaf *l)
{
    switch ((int)l->kind) {
    case PB__LEAF_KIND__RELEASE:
        check_release(v, l);
        break;
    case PB__LEAF_KIND__DELIVERED: {
        const struct entry *r = referred(v, l, PB__LEAF_KIND__RELEASE);
        if (r == NULL || !about_same(r, l))
            finding(v, "M-5", "開示の記録のない受領",
                    "delivery without its release");
        break;
    }
    case PB__LEAF_KIND__INGEST:
        check_node(v, l);
        break;
    case PB__LEAF_KIND__READ:
        check_read(v, l);
        break;
    case PB__LEAF_KIND__RECALL:
        check_recall(v, l);
        break;
    case PB__LEAF_KIND__WITHHELD:
        check_withheld(v, l);
        break;
    case PB__LEAF_KIND__CONSENT_GRANT:
        note_grant(v, l);
        break;
    case PB__LEAF_KIND__CONSENT_REVOKE:
        note_revoke(v, l);
        break;
    case PB__LEAF_KIND__POLICY_ACTIVATE:
        if (v->policy_n < NELEM(v->policy) && l->policy_digest.len == 32)
            memcpy(v->policy[v->policy_n++], l->policy_digest.data, 32);
        break;
    case PB__LEAF_KIND__NODE_CHANGE:
        if (l->node != NULL)
            json_object_set_new(
                v->nodes, l->node,
                json_string(l->reason != NULL ? l->reason : ""));
        break;
    default:
        break;
    }
}

static void check_leaf(struct verifying *v, struct slice bytes)
{
    ProtobufCMessage *m = NULL;
    v->hash[v->at] = proof_leaf(bytes);
    if (unpack(&pb__audit_leaf__descriptor, bytes, &m) != ERR_OK) {
        finding(v, "B-1", "読めない記録", "unreadable leaf");
        return;
    }
    const Pb__AuditLeaf *l = (const Pb__AuditLeaf *)m;
    struct entry *e = &v->entry[v->at];
    e->kind = (uint8_t)l->kind;
    if (l->event_id.len == ID_BYTES)
        memcpy(e->event, l->event_id.data, ID_BYTES);
    if (l->peer != NULL)
        snprintf(e->peer, sizeof(e->peer), "%s", l->peer);
    e->released = l->released;
    if (l->index != v->at)
        finding(v, "B-2", "記録の順番が違う", "leaf out of place");
    if (l->time_ms < v->last_ms)
        finding(v, "B-3", "時刻が戻っている", "time goes back");
    v->last_ms = l->time_ms;
    check_meaning(v, l);
    unpack_free(&m);
}

/* Reads all entries tiles; false when one is missing or misshapen. */
static bool read_entries(struct verifying *v, const char *folder)
{
    bool whole = true;
    for (uint64_t t = 0; t * TILE_WIDTH < v->size && whole; t++) {
        char path[4400];
        struct buf b = {0};
        uint64_t left = v->size - t * TILE_WIDTH;
        unsigned width = left < TILE_WIDTH ? (unsigned)left : TILE_WIDTH;
        tile_path(folder, -1, t, width, path, sizeof(path));
        whole = file_read(path, TILE_WIDTH * 4200, &b) == ERR_OK;
        size_t at = 0;
        for (unsigned i = 0; i < width && whole; i++) {
            size_t n = at + 2 <= b.n ? (size_t)b.p[at] << 8 | b.p[at + 1] : 0;
            whole = n > 0 && at + 2 + n <= b.n;
            if (whole)
                check_leaf(v, slice_of(b.p + at + 2, n));
            at += 2 + n;
            v->at++;
        }
        whole = whole && at == b.n;
        buf_fini(&b);
    }
    return whole;
}

/* The key of a line origin+keyid+base64(01 key), not yet compared. */
static bool parse_vkey(const char *text, char origin[ORIGIN_MAX],
                       uint8_t key[KEY_BYTES])
{
    const char *at = strchr(text, '+');
    uint8_t raw[1 + KEY_BYTES];
    size_t n = 0;
    if (at == NULL || at - text >= ORIGIN_MAX || strlen(at) <= 10 ||
        sodium_base642bin(raw, sizeof(raw), at + 10, strcspn(at + 10, "\n"),
                          NULL, &n, NULL,
                          sodium_base64_VARIANT_ORIGINAL) != 0 ||
        n != sizeof(raw))
        return false;
    snprintf(origin, ORIGIN_MAX, "%.*s", (int)(at - text), text);
    memcpy(key, raw + 1, KEY_BYTES);
    return true;
}

/* Read, written again, and compared: so the key's id is right as well. */
static enum err read_vkey(const char *path, char origin[ORIGIN_MAX],
                          uint8_t key[KEY_BYTES])
{
    struct buf b = {0}, same = {0};
    enum err e = file_read(path, 1024, &b);
    if (e == ERR_OK)
        e = b.n > 0 && parse_vkey((char *)b.p, origin, key) ? ERR_OK
                                                            : ERR_INTEGRITY;
    if (e == ERR_OK) {
        checkpoint_vkey(origin, key, &same);
        buf_addc(&same, '\n');
        e = slice_eq(buf_slice(&b), buf_slice(&same)) ? ERR_OK : ERR_INTEGRITY;
    }
    buf_fini(&b);
    buf_fini(&same);
    return e;
}

static enum err open_note(const char *path, const char *origin,
                          const uint8_t key[KEY_BYTES], struct checkpoint *out)
{
    struct buf b = {0};
    enum err e = file_read(path, 128 << 10, &b);
    if (e == ERR_OK)
        e = checkpoint_open(buf_slice(&b), origin, key, out);
    buf_fini(&b);
    return e;
}

static void check_tree(struct verifying *v, const char *folder,
                       const struct checkpoint *head,
                       const struct checkpoint *older)
{
    char path[4400];
    struct hash root;
    if (tiles_check(folder, v->size, v->hash, &root, path, sizeof(path)) !=
        ERR_OK)
        finding(v, "B-4", "要約の表が記録と合わない",
                "a tile does not fit the leaves");
    else if (memcmp(root.b, head->root.b, HASH_BYTES) != 0)
        finding(v, "B-5", "先頭の要約が記録と合わない",
                "the root does not fit the leaves");
    if (older->size == 0)
        return;
    if (older->size > v->size ||
        tiles_root(v->hash, older->size, &root) != ERR_OK ||
        memcmp(root.b, older->root.b, HASH_BYTES) != 0)
        finding(v, "B-6", "以前に見た先頭と一貫しない",
                "not consistent with the older head");
}

static int report(struct ctl *c, struct verifying *v, const char *folder)
{
    size_t i;
    json_t *f;
    if (c->json) {
        json_t *j =
            json_pack("{s:s,s:I,s:I,s:O}", "schema", "tsunagi.audit-verify/1",
                      "leaves", (json_int_t)v->size, "broken",
                      (json_int_t)v->broken, "findings", v->findings);
        print_json(j);
        json_decref(j);
    } else if (v->broken == 0) {
        printf(say(c, "%s: %" PRIu64 "行すべて正しく、署名も一致します\n",
                   "%s: all %" PRIu64 " leaves and the signed head hold\n"),
               folder, v->size);
    } else {
        json_array_foreach(v->findings, i, f)
            printf("%lld %s %s\n", count_of(f, "leaf"), text_of(f, "rule"),
                   text_of(f, "text"));
    }
    return v->broken == 0 ? EXIT_DONE : EXIT_INTEGRITY;
}

static int verify(struct ctl *c, const char *folder,
                  const struct checkpoint *head, const struct checkpoint *older)
{
    struct verifying v = {.c = c, .size = head->size};
    v.hash = calloc(v.size + 1, sizeof(*v.hash));
    v.entry = calloc(v.size + 1, sizeof(*v.entry));
    v.nodes = json_object();
    v.findings = json_array();
    int code = EXIT_UNEXPECTED;
    if (v.hash != NULL && v.entry != NULL && v.nodes != NULL &&
        v.findings != NULL) {
        if (!read_entries(&v, folder))
            finding(&v, "B-1", "記録が欠けている", "leaves are missing");
        else
            check_tree(&v, folder, head, older);
        code = report(c, &v, folder);
    }
    free(v.hash);
    free(v.entry);
    free(v.consent);
    json_decref(v.nodes);
    json_decref(v.findings);
    return code;
}

int cmd_audit_verify(struct ctl *c)
{
    char path[4300], origin[ORIGIN_MAX];
    uint8_t key[KEY_BYTES];
    struct checkpoint head = {0}, older = {0};
    const char *folder = c->argv[0];
    struct stat st;
    if (stat(folder, &st) == 0 && S_ISREG(st.st_mode))
        return audit_verify_proof(c, folder);
    snprintf(path, sizeof(path), "%s/log.vkey", folder);
    enum err e = read_vkey(c->vkey != NULL ? c->vkey : path, origin, key);
    snprintf(path, sizeof(path), "%s/checkpoint", folder);
    if (e == ERR_OK)
        e = open_note(path, origin, key, &head);
    if (e == ERR_OK && head.size > LEAVES_MAX)
        e = ERR_INTEGRITY;
    if (e == ERR_OK && c->older != NULL)
        e = open_note(c->older, origin, key, &older);
    if (e != ERR_OK)
        return fail(c, ERR_INTEGRITY,
                    say(c, "先頭の署名を確かめられません",
                        "the signed head cannot be verified"));
    return verify(c, folder, &head, &older);
}
