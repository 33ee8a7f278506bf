/* audit_export.c - the log written out: every leaf asked of the hub in answers
 * of some hundred, tiles made here, so that the hub never works long on it.
 *
 * Which head: the newest that a quorum of witnesses has cosigned when the
 * configuration has a policy of witnesses, with that policy beside it; else
 * the newest. Its lines are put into the one order that verifying accepts. */
#include "hub/ctl/audit.h"
#include "hub/ctl/ctl.h"
#include "proto/wire/quorum.h"
#include "proto/wire/witness.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct exporting {
    const struct hub_config *hub;
    const char *folder;
    int timeout_ms;
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
        e = ask_hub(x->hub, "leaves", &a, 1, x->timeout_ms, &j);
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

/* ---- the head ---- */

struct head {
    struct buf note, vkey, policy; /* policy empty: of no witnesses */
    uint64_t size;
};

static void head_fini(struct head *h)
{
    buf_fini(&h->note);
    buf_fini(&h->vkey);
    buf_fini(&h->policy);
}

/* The line of who signs as judged by good; appended. */
static bool add_line(struct slice lines, struct slice text,
                     const struct vkey *who, struct buf *out)
{
    struct note_line l;
    uint64_t time_s;
    while (lines.n > 0) {
        struct slice before = lines;
        if (!note_next(&lines, &l))
            return false;
        enum note_verdict said =
            who->type == VKEY_SIGNER
                ? note_judge(&l, text, who->name, who->key)
                : cosignature_judge(&l, text, who, &time_s);
        if (said == NOTE_GOOD) {
            buf_add(out, before.p, before.n - lines.n);
            return true;
        }
    }
    return false;
}

/* The log's line and then those of witnesses, in the policy's order. */
static enum err put_in_order(struct head *h, const struct quorum *q)
{
    struct slice text, lines, key = buf_slice(&h->vkey);
    struct buf out = {0};
    struct vkey log;
    uint64_t set = 0;
    bool good = note_cut(buf_slice(&h->note), &text, &lines) && key.n > 0 &&
                vkey_parse(slice_of(key.p, key.n - 1), &log);
    if (good) {
        buf_add(&out, text.p, text.n);
        buf_addc(&out, '\n');
        good = add_line(lines, text, &log, &out);
    }
    for (size_t i = 0; good && q != NULL && i < quorum_witnesses(q); i++)
        if (add_line(lines, text, quorum_witness(q, i), &out))
            set |= UINT64_C(1) << i;
    enum err e = out.failed ? ERR_NOMEM : good ? ERR_OK : ERR_INTEGRITY;
    if (e == ERR_OK && q != NULL &&
        quorum_met(q, set, UINT64_MAX) == QUORUM_MISSING)
        e = ERR_NOT_FOUND; /* reached while some were closed: not for others */
    buf_fini(&h->note);
    h->note = out;
    return e;
}

static enum err take_note(struct head *h, const json_t *j)
{
    struct slice origin;
    buf_adds(&h->note, text_of(j, "note"));
    if (h->note.failed)
        return ERR_NOMEM;
    return checkpoint_says(buf_slice(&h->note), &origin, &h->size)
               ? ERR_OK
               : ERR_INTEGRITY;
}

static enum err ask_head(const struct exporting *x, bool newest, struct head *h)
{
    json_t *j = NULL, *cosigned = NULL;
    enum err e = ask_hub(x->hub, "checkpoint", NULL, 0, x->timeout_ms, &j);
    if (e == ERR_OK)
        buf_addf(&h->vkey, "%s\n", text_of(j, "vkey"));
    if (e == ERR_OK && !newest)
        e = ask_hub(x->hub, "cosigned", NULL, 0, x->timeout_ms, &cosigned);
    if (e == ERR_OK)
        e = take_note(h, newest ? j : cosigned);
    json_decref(j);
    json_decref(cosigned);
    return e;
}

static enum err read_head(const struct exporting *x, bool newest,
                          struct head *h)
{
    const char *path = x->hub->witness_policy;
    struct quorum *q = NULL;
    struct buf why = {0};
    enum err e = ERR_OK;
    newest |= path == NULL;
    if (!newest)
        e = file_read(path, QUORUM_TEXT_MAX, &h->policy);
    if (e == ERR_OK && !newest)
        e = quorum_parse(path, buf_slice(&h->policy), &q, &why);
    if (e == ERR_OK)
        e = ask_head(x, newest, h);
    if (e == ERR_OK)
        e = put_in_order(h, q);
    quorum_free(&q);
    buf_fini(&why);
    return e;
}

static enum err write_file(const char *folder, const char *name, struct slice s)
{
    char path[4300];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    return file_replace(path, s, 0644);
}

enum err audit_export(const struct hub_config *hub, const char *folder,
                      bool newest, int timeout_ms)
{
    struct exporting x = {
        .hub = hub, .folder = folder, .timeout_ms = timeout_ms};
    struct head h = {0};
    struct hash root;
    enum err e = read_head(&x, newest, &h);
    if (e == ERR_OK)
        e = fetch_leaves(&x, h.size);
    if (e == ERR_OK)
        e = tiles_write(folder, h.size, next_hash, &x, &root);
    if (e == ERR_OK)
        e = write_file(folder, "log.vkey", buf_slice(&h.vkey));
    if (e == ERR_OK && h.policy.n > 0)
        e = write_file(folder, "policy.tlog", buf_slice(&h.policy));
    if (e == ERR_OK) /* last: a folder without it is no export */
        e = write_file(folder, "checkpoint", buf_slice(&h.note));
    head_fini(&h);
    free(x.hash);
    buf_fini(&x.entries);
    return e;
}
