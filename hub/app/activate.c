/* activate.c - which policy is in force, and how another one comes into force.
 *
 * The policy in force is the last one of the store, where every pack that was
 * ever activated is kept as it was signed. The folder of the configuration is
 * read once, by a hub that has none yet. Every way in is the same: manifest,
 * approvals, files, tables, roles of the registry; only then are pack, leaf and
 * table of approvers written in one transaction, and the snapshot swapped. A
 * refusal changes nothing and says what to do.
 *
 * A pack from the store is held against the leaf of its activation, which the
 * log vouches for: a row altered behind the hub's back is no policy. */
#include "hub/app/hub.h"
#include "proto/base/log.h"
#include "proto/wire/unpack.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* A pack on its way into force. */
struct candidate {
    struct buf note, text[PACK_FILES];
    struct slice files[PACK_FILES];
    struct manifest manifest;
    struct who_approves who;
    struct approvals by;
    struct policy *policy;
};

static void candidate_fini(struct candidate *c)
{
    buf_fini(&c->note);
    for (size_t i = 0; i < PACK_FILES; i++)
        buf_fini(&c->text[i]);
    who_fini(&c->who);
    policy_free(&c->policy);
}

/* ---- reading ---- */

static enum err read_file(const char *folder, const char *name, struct buf *out,
                          struct buf *why)
{
    struct buf path = {0};
    struct stat st;
    buf_addf(&path, "%s/%s", folder, name);
    enum err e = path.failed ? ERR_NOMEM : ERR_OK;
    /* a pipe would stop the hub until somebody writes to it */
    if (e == ERR_OK && stat((char *)path.p, &st) == 0 && !S_ISREG(st.st_mode))
        e = ERR_IO;
    if (e == ERR_OK)
        e = file_read((char *)path.p, PACK_FILE_MAX, out);
    if (e != ERR_OK)
        buf_addf(why, "%s/%s: %s\n", folder, name, err_en(e));
    buf_fini(&path);
    return e;
}

static enum err read_folder(const char *folder, struct candidate *c,
                            struct buf *why)
{
    enum err e = read_file(folder, MANIFEST_NAME, &c->note, why);
    if (e == ERR_NOT_FOUND) {
        buf_addf(why,
                 "the pack is not signed: tsunagi policy sign %s --key "
                 "FILE.key\n",
                 folder);
        return ERR_POL_APPROVALS;
    }
    for (size_t i = 0; i < PACK_FILES && e == ERR_OK; i++) {
        e = read_file(folder, pack_file_name(i), &c->text[i], why);
        c->files[i] = buf_slice(&c->text[i]);
    }
    return e;
}

#define CHANGED                                                                \
    "approvers.tsv was changed since the last activation: two people who are " \
    "active in it now and were active then must sign; a new row counts after " \
    "the next activation (tsunagi policy status)\n"

static enum err verify(const struct hub *h, struct candidate *c,
                       struct buf *why)
{
    enum err e = who_read(h, &c->who, why);
    if (e != ERR_OK)
        return e;
    struct manifest_ask ask = {.note = buf_slice(&c->note),
                               .origin = h->config.origin,
                               .approvers = c->who.now,
                               .in_force = h->policy_version,
                               .now_ms = h->now_ms};
    memcpy(ask.files, c->files, sizeof(ask.files));
    e = h->clock_ok ? manifest_verify(&ask, &c->manifest, &c->by, why)
                    : ERR_POL_CLOCK;
    if (e == ERR_POL_APPROVALS && c->who.differs)
        buf_adds(why, CHANGED);
    if (e == ERR_OK)
        e = policy_parse(c->files, &c->policy, why);
    if (e == ERR_OK && h->registry != NULL)
        e = check_roles(h->registry, c->policy, why);
    return e;
}

/* ---- into force ---- */

static void swap(struct hub *h, struct policy **p, uint64_t version,
                 uint64_t leaf)
{
    struct policy *old = (struct policy *)(uintptr_t)h->policy;
    h->policy = *p;
    h->policy_version = version;
    h->policy_leaf = leaf;
    *p = NULL;
    policy_free(&old);
    h->pump = true;
    log_note("policy: in force version=%" PRIu64 " rules=%zu leaf=%" PRIu64,
             version, policy_rule_count(h->policy), leaf);
}

static enum err leaf_activation(struct hub *h, const struct candidate *c,
                                uint64_t *index)
{
    struct approval_names names;
    Pb__AuditLeaf l = leaf_new(h, PB__LEAF_KIND__POLICY_ACTIVATE);
    leaf_approvals(&c->by, &names, &l);
    l.has_policy_version = l.has_policy_digest = l.has_detail_sha256 = 1;
    l.policy_version = c->manifest.version;
    l.policy_digest = pb_borrow(slice_of(policy_digest(c->policy), 32));
    l.detail_sha256 = pb_borrow(slice_of(c->manifest.digest, 32));
    l.has_approvers_sha256 = 1;
    l.approvers_sha256 = pb_borrow(slice_of(c->who.file_sha256, 32));
    return store_leaf(h->store, &l, index);
}

/* Leaf, pack and approvers, in the turn's transaction. */
static enum err keep(struct hub *h, const struct candidate *c, uint64_t *leaf)
{
    struct stored_policy p = {.version = c->manifest.version};
    memcpy(p.digest, policy_digest(c->policy), sizeof(p.digest));
    pack_join(buf_slice(&c->note), c->files, &p.pack);
    enum err e = p.pack.failed ? ERR_NOMEM : leaf_activation(h, c, &p.leaf);
    if (e == ERR_OK)
        e = store_policy_put(h->store, &p);
    if (e == ERR_OK)
        e = who_keep(h, &c->who);
    *leaf = p.leaf;
    stored_policy_fini(&p);
    return e;
}

/* Takes a signed folder into force. Changes nothing when it refuses. */
static enum err activate(struct hub *h, const char *folder, struct buf *why)
{
    struct candidate c = {0};
    uint64_t leaf = 0;
    enum err e = read_folder(folder, &c, why);
    if (e == ERR_OK)
        e = verify(h, &c, why);
    if (e == ERR_OK && !turn_begin(h))
        e = h->broken;
    if (e == ERR_OK) {
        e = keep(h, &c, &leaf);
        if (e == ERR_OK)
            e = sweep_person(h, (struct id){{0}}, SWEEP_POLICY, NULL, leaf);
        if (e != ERR_OK)
            turn_broken(h, e);
    }
    if (e == ERR_OK)
        swap(h, &c.policy, c.manifest.version, leaf);
    candidate_fini(&c);
    return e;
}

/* ---- at start ---- */

/* What the log says was activated is what the store holds. */
static enum err check_leaf(struct hub *h, const struct stored_policy *p,
                           const struct manifest *m)
{
    Pb__AuditLeaf *l;
    enum err e = leaf_open(h, p->leaf, NULL, &l);
    if (e == ERR_OK &&
        (l->kind != PB__LEAF_KIND__POLICY_ACTIVATE ||
         !slice_eq(pb_slice(l->policy_digest), slice_of(p->digest, 32)) ||
         !slice_eq(pb_slice(l->detail_sha256), slice_of(m->digest, 32)) ||
         l->policy_version != p->version))
        e = ERR_INTEGRITY;
    leaf_close(&l);
    return e;
}

/* The tables of a kept pack, held against its digest. */
enum err policy_of_pack(const struct stored_policy *p, struct policy **out,
                        struct manifest *m, struct buf *why)
{
    struct slice note, files[PACK_FILES];
    *out = NULL;
    enum err e = pack_split(buf_slice(&p->pack), &note, files);
    if (e == ERR_OK)
        e = manifest_parse(note, m, why);
    if (e == ERR_OK)
        e = policy_parse(files, out, why);
    if (e == ERR_OK && memcmp(policy_digest(*out), p->digest, 32) != 0)
        e = ERR_INTEGRITY;
    if (e != ERR_OK)
        policy_free(out);
    return e;
}

enum err policy_begin(struct hub *h, struct buf *why)
{
    struct stored_policy kept = {0};
    struct manifest m;
    struct policy *p = NULL;
    enum err e = store_policy_get(h->store, NULL, &kept);
    if (e == ERR_NOT_FOUND)
        return activate(h, h->config.policy, why);
    if (e == ERR_OK)
        e = policy_of_pack(&kept, &p, &m, why);
    if (e == ERR_OK)
        e = check_leaf(h, &kept, &m);
    if (e != ERR_OK)
        buf_addf(why, "policy: the pack in the store: %s", err_en(e));
    else
        swap(h, &p, kept.version, kept.leaf);
    if (e == ERR_OK)
        e = who_begin(h, why);
    policy_free(&p);
    stored_policy_fini(&kept);
    return e;
}

/* ---- asked over the control socket ---- */

#define WHY "{\"why\":"
void ask_add_why(const struct buf *why, struct buf *json)
{
    buf_adds(json, WHY);
    buf_add_json(json, why->n > 0 ? (const char *)why->p : "");
    buf_adds(json, "}");
}

bool ask_says_why(const struct buf *json)
{
    return json->n >= sizeof(WHY) && memcmp(json->p, WHY, sizeof(WHY) - 1) == 0;
}

static void add_policy(const struct hub *h, struct buf *j)
{
    buf_addf(j, "\"version\":%" PRIu64 ",\"digest\":\"", h->policy_version);
    buf_add_hex(j, slice_of(policy_digest(h->policy), 32));
    buf_addf(j, "\",\"rules\":%zu,\"leaf\":%" PRIu64,
             policy_rule_count(h->policy), h->policy_leaf);
}

enum err ask_policy_activate(struct hub *h, const Pb__Ask *a, struct buf *j)
{
    struct buf why = {0};
    enum err e = activate(h, ask_argument(a, "folder"), &why);
    if (e != ERR_OK) {
        log_warn("policy: not activated code=%s", err_code(e));
        ask_add_why(&why, j);
    } else {
        buf_adds(j, "{\"schema\":\"tsunagi.policy-activate/1\",");
        add_policy(h, j);
        buf_adds(j, "}");
    }
    buf_fini(&why);
    return e;
}

static const char *file_of(size_t i)
{
    return i == 0 ? MANIFEST_NAME : pack_file_name(i - 1);
}

/* One file of the pack in force, as it was signed: 0 the manifest, then the
 * tables. The version tells whoever asks for all of them that it is one pack.
 */
enum err ask_policy_file(struct hub *h, const Pb__Ask *a, struct buf *j)
{
    struct stored_policy kept = {0};
    struct slice file[PACK_FILES + 1];
    struct buf text = {0};
    size_t i = strtoul(ask_argument(a, "file"), NULL, 10);
    if (i > PACK_FILES)
        return ERR_NOT_FOUND;
    enum err e = store_policy_get(h->store, NULL, &kept);
    if (e == ERR_OK)
        e = pack_split(buf_slice(&kept.pack), &file[0], &file[1]);
    if (e == ERR_OK) {
        buf_add(&text, file[i].p, file[i].n);
        buf_addf(j,
                 "{\"schema\":\"tsunagi.policy-file/1\",\"version\":%" PRIu64
                 ",\"name\":\"%s\",\"text\":",
                 kept.version, file_of(i));
        buf_add_json(j, text.n > 0 ? (const char *)text.p : "");
        buf_adds(j, "}");
        e = text.failed ? ERR_NOMEM : ERR_OK;
    }
    buf_fini(&text);
    stored_policy_fini(&kept);
    return e;
}

/* With what the policy did to what was waiting: swept tells whether all of it
 * has been decided again. */
enum err ask_policy_status(struct hub *h, const Pb__Ask *a, struct buf *j)
{
    uint64_t stopped = 0, kept = 0;
    bool done = true;
    (void)a;
    enum err e = sweep_said(h, h->policy_leaf, &done, &stopped, &kept);
    if (e != ERR_OK && e != ERR_NOT_FOUND) /* the first one swept nothing */
        return e;
    buf_adds(j, "{\"schema\":\"tsunagi.policy-status/1\",");
    add_policy(h, j);
    who_say(h, j);
    buf_addf(j,
             ",\"swept\":%s,\"stopped\":%" PRIu64 ",\"waiting\":%" PRIu64 "}",
             done ? "true" : "false", stopped, kept);
    return ERR_OK;
}
