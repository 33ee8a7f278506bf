/* who.c - who may approve the next policy.
 *
 * approvers.tsv lies in a folder that more people may write than may approve.
 * So the table as it stood at the last activation is kept in the store, and
 * the leaf of that activation, which the log vouches for, has its SHA-256. A
 * signature counts for who is active in both: a row written into the file
 * counts after an activation by two of those before, a row struck out stops at
 * once. A hub without a kept table goes by the file alone: one that has no
 * policy yet, or whose policy came in before the log named its approvers. */
#include "hub/app/hub.h"
#include <string.h>

#define KEPT "policy-approvers"

void who_fini(struct who_approves *w)
{
    approvers_free(&w->now);
    approvers_free(&w->before);
    buf_fini(&w->file);
    buf_fini(&w->kept);
}

/* What the leaf of the policy in force says; ERR_NOT_FOUND when nothing. */
static enum err leaf_says(const struct hub *h, uint8_t sha[32])
{
    Pb__AuditLeaf *l;
    if (h->policy_version == 0)
        return ERR_NOT_FOUND;
    enum err e = leaf_open(h, h->policy_leaf, NULL, &l);
    if (e == ERR_OK && !l->has_approvers_sha256)
        e = ERR_NOT_FOUND;
    if (e == ERR_OK && l->approvers_sha256.len != 32)
        e = ERR_INTEGRITY;
    if (e == ERR_OK)
        memcpy(sha, l->approvers_sha256.data, 32);
    leaf_close(&l);
    return e;
}

static enum err read_kept(const struct hub *h, struct who_approves *w,
                          struct buf *why)
{
    uint8_t is[32];
    enum err e = leaf_says(h, w->kept_sha256);
    if (e == ERR_NOT_FOUND)
        return ERR_OK;
    w->anchored = true;
    if (e == ERR_OK)
        e = store_value_get(h->store, KEPT, &w->kept);
    if (e == ERR_OK) {
        sha256(buf_slice(&w->kept), is);
        e = memcmp(is, w->kept_sha256, 32) == 0 ? ERR_OK : ERR_INTEGRITY;
    }
    if (e == ERR_NOT_FOUND)
        e = ERR_INTEGRITY;
    if (e != ERR_OK) {
        buf_addf(why, "approvers: the table in the store: %s\n", err_en(e));
        return e;
    }
    return approvers_parse(buf_slice(&w->kept), &w->before, why);
}

static enum err read_file(const struct hub *h, struct who_approves *w,
                          struct buf *why)
{
    enum err e = file_read(h->config.approvers, PACK_FILE_MAX, &w->file);
    if (e != ERR_OK) {
        buf_addf(why, "%s: %s\n", h->config.approvers, err_en(e));
        return e;
    }
    sha256(buf_slice(&w->file), w->file_sha256);
    return approvers_parse(buf_slice(&w->file), &w->now, why);
}

enum err who_read(const struct hub *h, struct who_approves *w, struct buf *why)
{
    enum err e = read_kept(h, w, why);
    if (e == ERR_OK)
        e = read_file(h, w, why);
    if (e != ERR_OK || !w->anchored)
        return e;
    w->differs = memcmp(w->file_sha256, w->kept_sha256, 32) != 0;
    approvers_anchor(w->now, w->before);
    return ERR_OK;
}

enum err who_begin(const struct hub *h, struct buf *why)
{
    struct who_approves w = {0};
    enum err e = read_kept(h, &w, why);
    who_fini(&w);
    return e;
}

enum err who_keep(struct hub *h, const struct who_approves *w)
{
    return store_value_set(h->store, KEPT, buf_slice(&w->file));
}

/* A table that cannot be read is no reason to keep the rest back: nobody
 * counts then, and the code says why. */
void who_say(const struct hub *h, struct buf *json)
{
    struct who_approves w = {0};
    struct buf why = {0};
    enum err e = who_read(h, &w, &why);
    buf_addf(json, ",\"approvers\":%zu,\"approvers_changed\":%s",
             e == ERR_OK ? approvers_people(w.now) : 0,
             w.differs ? "true" : "false");
    buf_adds(json, ",\"approvers_sha256\":\"");
    if (w.anchored)
        buf_add_hex(json, slice_of(w.kept_sha256, 32));
    buf_addf(json, "\",\"approvers_fault\":\"%s\"",
             e == ERR_OK ? "" : err_code(e));
    buf_fini(&why);
    who_fini(&w);
}
