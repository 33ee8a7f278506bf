/* audit_verify.c - the bytes of an export:
 *
 *   B-1  every leaf there is there and can be read
 *   B-2  each in its place
 *   B-3  times never go back
 *   B-4  every tile of hashes fits the leaves
 *   B-5  so does the root that was signed
 *   B-6  an older head is one of this log
 *   B-7  there is no other file
 *   B-8  the witnesses have cosigned as the policy asks
 *   B-9  the head is signed by the log, and every line of it is right
 *
 * Whoever verifies brings what is to be trusted: the log's key, the policy of
 * the witnesses, an older head. What is also in the folder must be the same.
 * Lines of the head stand in one order, the log's and then the witnesses' as
 * the policy names them, so that no byte of an export can change unnoticed. */
#include "hub/ctl/audit.h"
#include "hub/ctl/idmap.h"
#include "proto/wire/quorum.h"
#include "proto/wire/unpack.h"
#include "proto/wire/witness.h"
#include <dirent.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define LEAVES_MAX (UINT64_C(1) << 32) /* 24 GiB of memory */
#define SMALL_MAX (256U << 10)
#define ENTRIES_MAX (TILE_WIDTH * 4200U)

struct verifying {
    const char *folder;
    const struct audit_trust *trust;
    struct audit_report *r;
    struct meaning *meaning;
    struct vkey log;
    struct buf policy_text, note;
    struct quorum *policy; /* NULL: no witnesses are asked for */
    uint64_t at, last_ms;
    struct hash *hash;
    enum err trouble; /* of this machine */
};

/* ---- findings ---- */

static void add_finding(struct audit_findings *f, uint64_t leaf,
                        const char *path, const char *rule, const char *ja,
                        const char *en)
{
    f->bytes += rule[0] == 'B';
    if (f->count++ >= FINDINGS_KEPT)
        return;
    struct audit_finding *k = &f->kept[f->count - 1];
    *k = (struct audit_finding){.leaf = leaf, .rule = rule, .ja = ja, .en = en};
    snprintf(k->path, sizeof(k->path), "%s", path);
    for (char *p = k->path; *p != '\0'; p++) /* a name is shown on one line */
        *p = (unsigned char)*p < 0x20 || *p == 0x7f ? '?' : *p;
}

void audit_found(struct audit_findings *f, uint64_t leaf, const char *rule,
                 const char *ja, const char *en)
{
    add_finding(f, leaf, "", rule, ja, en);
}

void audit_found_file(struct audit_findings *f, const char *path,
                      const char *rule, const char *ja, const char *en)
{
    add_finding(f, 0, path, rule, ja, en);
}

static void found(struct verifying *v, const char *rule, const char *ja,
                  const char *en)
{
    audit_found(&v->r->found, v->at, rule, ja, en);
}

static void found_file(struct verifying *v, const char *path, const char *rule,
                       const char *ja, const char *en)
{
    audit_found_file(&v->r->found, path, rule, ja, en);
}

/* ---- the small files ---- */

static bool read_small(struct verifying *v, const char *name, struct buf *out)
{
    char path[4400];
    snprintf(path, sizeof(path), "%s/%s", v->folder, name);
    enum err e = file_read(path, SMALL_MAX, out);
    if (e == ERR_NOMEM)
        v->trouble = e;
    return e == ERR_OK;
}

static bool is_there(const struct verifying *v, const char *name)
{
    char path[4400];
    struct stat st;
    snprintf(path, sizeof(path), "%s/%s", v->folder, name);
    return lstat(path, &st) == 0;
}

/* Parsed, written again, and compared: there is one way to write a key. */
static bool parse_vkey(const struct buf *text, struct vkey *out)
{
    struct buf same = {0};
    struct slice s = buf_slice(text);
    bool whole = s.n > 0 && s.p[s.n - 1] == '\n' &&
                 vkey_parse(slice_of(s.p, s.n - 1), out) &&
                 out->type == VKEY_SIGNER;
    if (whole) {
        vkey_write(out, &same);
        buf_addc(&same, '\n');
        whole = slice_eq(s, buf_slice(&same));
    }
    buf_fini(&same);
    return whole;
}

/* The folder's own must be the one that was brought along. */
static bool read_key(struct verifying *v)
{
    struct buf own = {0};
    const struct vkey *given = v->trust->log;
    bool good = read_small(v, "log.vkey", &own) && parse_vkey(&own, &v->log);
    if (good && given != NULL)
        good = strcmp(given->name, v->log.name) == 0 &&
               memcmp(given->key, v->log.key, KEY_BYTES) == 0;
    if (!good)
        found_file(v, "log.vkey", "B-9", "検証鍵が読めない、または違う",
                   "the verifier key cannot be read or is another");
    buf_fini(&own);
    return good;
}

/* The one that was brought along; else the folder's own, if it has one. */
static bool read_policy(struct verifying *v)
{
    struct buf own = {0}, why = {0};
    bool has_own = is_there(v, "policy.tlog");
    bool good = !has_own || read_small(v, "policy.tlog", &own);
    v->r->has_policy = has_own || v->trust->policy != NULL;
    if (good && v->trust->policy != NULL)
        good = file_read(v->trust->policy, QUORUM_TEXT_MAX, &v->policy_text) ==
                   ERR_OK &&
               has_own && slice_eq(buf_slice(&own), buf_slice(&v->policy_text));
    else if (good)
        buf_add(&v->policy_text, own.p, own.n);
    if (good && v->r->has_policy)
        good = quorum_parse("policy.tlog", buf_slice(&v->policy_text),
                            &v->policy, &why) == ERR_OK &&
               quorum_has_log(v->policy, v->log.name, v->log.key);
    if (!good)
        found_file(v, "policy.tlog", "B-8", "証人の方針が読めない、または違う",
                   "the policy of witnesses cannot be read or is another");
    buf_fini(&own);
    buf_fini(&why);
    return good;
}

/* ---- the head ---- */

/* A line of the note as it must be written: only one way is right. */
static bool same_line(const struct note_line *l, struct slice line)
{
    struct buf b = {0};
    char b64[sodium_base64_ENCODED_LEN(256, sodium_base64_VARIANT_ORIGINAL)];
    if (l->n > 256)
        return false;
    sodium_bin2base64(b64, sizeof(b64), l->blob, l->n,
                      sodium_base64_VARIANT_ORIGINAL);
    buf_addf(&b, "\xe2\x80\x94 %.*s %s", (int)l->name.n,
             (const char *)l->name.p, b64);
    bool same = !b.failed && slice_eq(buf_slice(&b), line);
    buf_fini(&b);
    return same;
}

/* The next line, canonical; false at the end or when it is not. */
static bool next_line(struct slice *lines, struct note_line *l)
{
    struct slice before = *lines, line;
    return note_next(lines, l) && note_take_line(&before, &line) &&
           same_line(l, line);
}

/* Lines of witnesses, in the policy's order, each good; and nothing else. */
static bool read_cosignatures(struct verifying *v, struct slice text,
                              struct slice lines, uint64_t *set)
{
    size_t i = 0, n = v->policy != NULL ? quorum_witnesses(v->policy) : 0;
    struct note_line l;
    *set = 0;
    while (lines.n > 0) {
        enum note_verdict said = NOTE_STRANGER;
        uint64_t time_s;
        if (!next_line(&lines, &l))
            return false;
        for (; i < n && said == NOTE_STRANGER; i++) {
            said = cosignature_judge(&l, text, quorum_witness(v->policy, i),
                                     &time_s);
            if (said == NOTE_GOOD)
                *set |= UINT64_C(1) << i;
        }
        if (said != NOTE_GOOD)
            return false;
        v->r->cosigned++;
    }
    return true;
}

static void check_witnesses(struct verifying *v, struct slice text,
                            struct slice lines)
{
    uint64_t set;
    if (!read_cosignatures(v, text, lines, &set))
        found_file(v, "checkpoint", "B-9", "先頭に正しくない署名の行がある",
                   "a line of the head is not a good signature");
    if (v->policy == NULL)
        return;
    v->r->witnesses = quorum_witnesses(v->policy);
    if (quorum_met(v->policy, set, UINT64_MAX) == QUORUM_MISSING)
        found_file(v, "checkpoint", "B-8", "証人の連署が足りない",
                   "too few witnesses have cosigned");
}

static bool read_head(struct verifying *v)
{
    struct checkpoint head = {0};
    struct slice text, lines;
    struct note_line l;
    if (!read_small(v, "checkpoint", &v->note) ||
        checkpoint_open(buf_slice(&v->note), v->log.name, v->log.key, &head) !=
            ERR_OK ||
        !note_cut(buf_slice(&v->note), &text, &lines) ||
        !next_line(&lines, &l) ||
        note_judge(&l, text, v->log.name, v->log.key) != NOTE_GOOD) {
        found_file(v, "checkpoint", "B-9", "先頭の署名を確かめられない",
                   "the signed head cannot be verified");
        return false;
    }
    snprintf(v->r->origin, sizeof(v->r->origin), "%s", head.origin);
    v->r->size = head.size;
    v->r->root = head.root;
    check_witnesses(v, text, lines);
    return true;
}

/* ---- leaves ---- */

static void check_leaf(struct verifying *v, struct slice bytes)
{
    ProtobufCMessage *m = NULL;
    v->hash[v->at] = proof_leaf(bytes);
    enum err e = unpack(&pb__audit_leaf__descriptor, bytes, &m);
    if (e == ERR_NOMEM)
        v->trouble = e;
    static const Pb__AuditLeaf NOTHING = PB__AUDIT_LEAF__INIT;
    const Pb__AuditLeaf *l = e == ERR_OK ? (const Pb__AuditLeaf *)m : &NOTHING;
    if (e != ERR_OK) {
        found(v, "B-1", "読めない記録", "unreadable leaf");
    } else {
        if (!l->has_index || l->index != v->at)
            found(v, "B-2", "記録の順番が違う", "leaf out of place");
        if (l->time_ms < v->last_ms)
            found(v, "B-3", "時刻が戻っている", "time goes back");
        v->last_ms = l->time_ms;
    }
    e = meaning_take(v->meaning, l, bytes);
    if (e != ERR_OK)
        v->trouble = e;
    unpack_free(&m);
}

static unsigned width_of(uint64_t size, uint64_t tile)
{
    uint64_t left = size - tile * TILE_WIDTH;
    return left < TILE_WIDTH ? (unsigned)left : TILE_WIDTH;
}

/* The leaves of one tile; false when it is missing or misshapen. */
static bool read_tile(struct verifying *v, uint64_t tile)
{
    char path[4400];
    struct buf b = {0};
    unsigned width = width_of(v->r->size, tile);
    tile_path(v->folder, -1, tile, width, path, sizeof(path));
    bool whole = file_read(path, ENTRIES_MAX, &b) == ERR_OK;
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
    if (!whole)
        found_file(v, path + strlen(v->folder) + 1, "B-1", "記録が欠けている",
                   "leaves are missing");
    buf_fini(&b);
    return whole;
}

static bool read_leaves(struct verifying *v)
{
    for (uint64_t t = 0; t * TILE_WIDTH < v->r->size; t++)
        if (v->trouble != ERR_OK || !read_tile(v, t))
            return false;
    return true;
}

/* ---- the tree ---- */

static void check_tree(struct verifying *v)
{
    char path[4400] = "";
    struct hash root;
    v->at = v->r->size;
    enum err e =
        tiles_check(v->folder, v->r->size, v->hash, &root, path, sizeof(path));
    if (e == ERR_NOMEM)
        v->trouble = e;
    else if (e != ERR_OK)
        found_file(v, path + strlen(v->folder) + 1, "B-4",
                   "要約の表が記録と合わない",
                   "a tile does not fit the leaves");
    else if (memcmp(root.b, v->r->root.b, HASH_BYTES) != 0)
        found(v, "B-5", "先頭の要約が記録と合わない",
              "the root does not fit the leaves");
}

/* Of an earlier epoch the same key signed under an earlier name. */
static bool open_older(struct verifying *v, struct checkpoint *older)
{
    struct buf b = {0};
    struct slice rest, name;
    char origin[ORIGIN_MAX] = "";
    bool good = file_read(v->trust->older, SMALL_MAX, &b) == ERR_OK;
    rest = buf_slice(&b);
    good = good && note_take_line(&rest, &name) && name.n < sizeof(origin);
    if (good)
        memcpy(origin, name.p, name.n);
    good = good &&
           checkpoint_open(buf_slice(&b), origin, v->log.key, older) == ERR_OK;
    buf_fini(&b);
    return good;
}

static void check_older(struct verifying *v)
{
    struct checkpoint older = {0};
    struct hash root;
    v->at = v->r->size;
    if (!open_older(v, &older)) {
        found(v, "B-9", "以前の先頭の署名を確かめられない",
              "the older head cannot be verified");
        return;
    }
    if (older.size > v->r->size ||
        tiles_root(v->hash, older.size, &root) != ERR_OK ||
        memcmp(root.b, older.root.b, HASH_BYTES) != 0)
        found(v, "B-6", "以前に見た先頭と一貫しない",
              "not consistent with the older head");
}

/* ---- no other file ---- */

struct searching {
    struct verifying *v;
    struct idmap expected; /* of paths inside the folder */
    bool any_file;         /* whatever it is called */
};

static void id_of_path(const char *path, uint8_t id[ID_BYTES])
{
    crypto_generichash(id, ID_BYTES, (const uint8_t *)path, strlen(path), NULL,
                       0);
}

static void expect(struct searching *s, const char *path)
{
    uint8_t id[ID_BYTES];
    id_of_path(path, id);
    enum err e = idmap_put(&s->expected, id, 1);
    if (e != ERR_OK)
        s->v->trouble = e;
}

/* Tiles of a row of n things. */
static void expect_row(struct searching *s, int level, uint64_t n)
{
    for (uint64_t t = 0; t * TILE_WIDTH < n; t++) {
        char path[256];
        tile_path("", level, t, width_of(n, t), path, sizeof(path));
        expect(s, path + 1);
    }
}

static bool is_expected(const struct searching *s, const char *path)
{
    uint8_t id[ID_BYTES];
    uint32_t any;
    id_of_path(path, id);
    return s->any_file || idmap_get(&s->expected, id, &any);
}

#define DEPTH_MAX 12 /* tile/L/x000/..., ten groups of digits */
/* Files expected below a folder; what is not, and a folder without any, is
 * found. */
static size_t search(struct searching *s, const char *below, int depth)
{
    char path[4400];
    size_t n = 0;
    snprintf(path, sizeof(path), "%s/%s", s->v->folder, below);
    DIR *d = depth < DEPTH_MAX ? opendir(path) : NULL;
    const struct dirent *e;
    while (d != NULL && (e = readdir(d)) != NULL) {
        char name[512];
        struct stat st;
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        snprintf(name, sizeof(name), "%s%s%s", below, below[0] ? "/" : "",
                 e->d_name);
        snprintf(path, sizeof(path), "%s/%s", s->v->folder, name);
        bool there = lstat(path, &st) == 0;
        size_t more = there && S_ISDIR(st.st_mode) ? search(s, name, depth + 1)
                      : there && S_ISREG(st.st_mode) ? is_expected(s, name)
                                                     : 0;
        n += more;
        if (more == 0)
            found_file(s->v, name, "B-7", "書き出しにないはずのもの",
                       "does not belong to an export");
    }
    if (d != NULL)
        closedir(d);
    return n;
}

/* Before any is opened: to read what is no file could wait for ever. */
static bool only_files(struct verifying *v)
{
    struct searching s = {.v = v, .any_file = true};
    uint64_t before = v->r->found.count;
    search(&s, "", 0);
    return v->r->found.count == before;
}

static void check_files(struct verifying *v)
{
    struct searching s = {.v = v};
    expect(&s, "checkpoint");
    expect(&s, "log.vkey");
    if (v->r->has_policy)
        expect(&s, "policy.tlog");
    expect_row(&s, -1, v->r->size);
    uint64_t n = v->r->size;
    for (int level = 0; n > 0; level++, n /= TILE_WIDTH)
        expect_row(&s, level, n);
    if (v->trouble == ERR_OK)
        search(&s, "", 0);
    idmap_fini(&s.expected);
}

/* ---- all of it ---- */

/* Before memory is asked for by what a signed head claims. */
static bool could_be_whole(struct verifying *v)
{
    char path[4400];
    struct stat st;
    uint64_t size = v->r->size;
    bool there = size == 0;
    if (size > 0 && size <= LEAVES_MAX) {
        uint64_t last = (size - 1) / TILE_WIDTH;
        tile_path(v->folder, -1, last, width_of(size, last), path,
                  sizeof(path));
        there = stat(path, &st) == 0;
    }
    if (!there)
        found(v, "B-1", "記録が欠けている", "leaves are missing");
    return there;
}

static enum err read_log(struct verifying *v)
{
    v->hash = calloc(v->r->size + 1, sizeof(*v->hash));
    enum err e = v->hash == NULL ? ERR_NOMEM
                                 : meaning_open(v->r->size, v->log.name,
                                                &v->r->found, &v->meaning);
    if (e != ERR_OK)
        return e;
    bool whole = read_leaves(v);
    e = meaning_close(&v->meaning);
    if (whole && v->trouble == ERR_OK) {
        check_tree(v);
        if (v->trust->older != NULL)
            check_older(v);
        check_files(v);
    }
    return e != ERR_OK ? e : v->trouble;
}

enum err audit_verify(const char *folder, const struct audit_trust *trust,
                      struct audit_report *r)
{
    struct verifying v = {.folder = folder, .trust = trust, .r = r};
    memset(r, 0, sizeof(*r));
    enum err e = ERR_OK;
    bool readable =
        only_files(&v) && read_key(&v) && read_policy(&v) && read_head(&v);
    if (readable && v.trouble == ERR_OK && could_be_whole(&v))
        e = read_log(&v);
    if (e == ERR_OK)
        e = v.trouble;
    quorum_free(&v.policy);
    buf_fini(&v.policy_text);
    buf_fini(&v.note);
    free(v.hash);
    return e;
}
