/* audit_test.c - an exported log that was touched anywhere, in its bytes or in
 * the order of its leaves, is found out (exit 9); one that was not, holds (exit
 * 0). What the leaves say: audit_meaning_test.c. */
#include "hub/ctl/ctl.h"
#include "hub/ctl/tiles.h"
#include "proto/wire/unpack.h"
#include "proto/wire/witness.h"
#include "tsunagi/v1/envelope.pb-c.h"
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
/* cmocka needs the ones above */
#include <cmocka.h>

#define ORIGIN "kakuu.example/log"
#define LEAVES 700 /* two whole tiles and a partial one; two levels */

struct log {
    Pb__AuditLeaf leaf[LEAVES];
    size_t next; /* for next_leaf */
    struct node_keys keys;
    char folder[64];
};

static struct slice packed(struct log *l, size_t i, struct buf *b)
{
    buf_reset(b);
    assert_int_equal(pack(&l->leaf[i].base, b), ERR_OK);
    return buf_slice(b);
}

static struct log *log_new(void)
{
    struct log *l = calloc(1, sizeof(*l));
    assert_non_null(l);
    assert_int_equal(sign_init(), ERR_OK);
    for (size_t i = 0; i < LEAVES; i++) {
        pb__audit_leaf__init(&l->leaf[i]);
        l->leaf[i].has_index = l->leaf[i].has_time_ms = 1;
        l->leaf[i].index = i;
        l->leaf[i].time_ms = 1774969200000 + i;
        l->leaf[i].has_kind = 1;
        l->leaf[i].kind = PB__LEAF_KIND__REPORT;
    }
    keys_make(&l->keys, "log");
    snprintf(l->folder, sizeof(l->folder), "/tmp/tsunagi-audit-XXXXXX");
    assert_non_null(mkdtemp(l->folder));
    return l;
}

static void log_free_all(struct log *l)
{
    char line[192];
    snprintf(line, sizeof(line), "rm -rf '%s' '%s.'*", l->folder, l->folder);
    assert_int_equal(system(line), 0);
    free(l);
}

/* ---- the export, as the program writes it ---- */

static struct hash next_leaf(void *ctx)
{
    struct log *l = ctx;
    struct buf b = {0};
    struct hash h = proof_leaf(packed(l, l->next++, &b));
    buf_fini(&b);
    return h;
}

static void write_entries(struct log *l, uint64_t size)
{
    struct buf tile = {0}, b = {0};
    for (uint64_t i = 0; i < size; i++) {
        struct slice s = packed(l, i, &b);
        buf_addc(&tile, (char)(s.n >> 8));
        buf_addc(&tile, (char)(s.n & 255));
        buf_add(&tile, s.p, s.n);
        if (i % TILE_WIDTH != TILE_WIDTH - 1 && i + 1 != size)
            continue;
        assert_int_equal(tile_write(l->folder, -1, i / TILE_WIDTH,
                                    (unsigned)(i % TILE_WIDTH) + 1,
                                    buf_slice(&tile)),
                         ERR_OK);
        buf_reset(&tile);
    }
    buf_fini(&tile);
    buf_fini(&b);
}

/* A name that begins with a point lies beside the folder. */
static char *path_of(const struct log *l, const char *name)
{
    char path[256];
    snprintf(path, sizeof(path), "%s%s%s", l->folder, name[0] == '.' ? "" : "/",
             name);
    return strdup(path);
}

static void write_text(const struct log *l, const char *name, struct slice s)
{
    char *path = path_of(l, name);
    assert_int_equal(file_replace(path, s, 0644), ERR_OK);
    free(path);
}

/* Writes checkpoint (or older head) of a size. */
static void write_note(struct log *l, const char *name, uint64_t size,
                       struct hash root)
{
    struct checkpoint c = {.origin = ORIGIN, .size = size, .root = root};
    struct buf note = {0};
    assert_int_equal(
        checkpoint_sign(&c, l->keys.sign_secret, l->keys.pub.sign, &note),
        ERR_OK);
    write_text(l, name, buf_slice(&note));
    buf_fini(&note);
}

static void export_log(struct log *l)
{
    struct hash root;
    struct buf vkey = {0};
    write_entries(l, LEAVES);
    l->next = 0;
    assert_int_equal(tiles_write(l->folder, LEAVES, next_leaf, l, &root),
                     ERR_OK);
    write_note(l, "checkpoint", LEAVES, root);
    checkpoint_vkey(ORIGIN, l->keys.pub.sign, &vkey);
    buf_addc(&vkey, '\n');
    write_text(l, "log.vkey", buf_slice(&vkey));
    buf_fini(&vkey);
}

static int verify_trusting(const struct log *l, const char *vkey,
                           const char *policy, const char *older)
{
    char *words[] = {(char *)(uintptr_t)l->folder, NULL};
    struct ctl c = {.argv = words,
                    .argc = 1,
                    .vkey = vkey,
                    .policy = policy,
                    .older = older};
    fflush(NULL);
    int out = dup(1), err = dup(2), quiet = open("/dev/null", O_WRONLY);
    dup2(quiet, 1);
    dup2(quiet, 2);
    int code = cmd_audit_verify(&c);
    fflush(NULL);
    dup2(out, 1);
    dup2(err, 2);
    close(out);
    close(err);
    close(quiet);
    return code;
}

static int verify_with(const struct log *l, const char *older)
{
    return verify_trusting(l, NULL, NULL, older);
}

static int verify(const struct log *l)
{
    return verify_with(l, NULL);
}

/* ---- bytes ---- */

static const char *const FILES[] = {
    "checkpoint",       "log.vkey",         "tile/0/000",
    "tile/0/001",       "tile/0/002.p/188", "tile/1/000.p/2",
    "tile/entries/000", "tile/entries/001", "tile/entries/002.p/188",
};

static void one_flipped_bit_anywhere_is_found(void **state)
{
    (void)state;
    struct log *l = log_new();
    export_log(l);
    assert_int_equal(verify(l), EXIT_DONE);
    for (size_t f = 0; f < NELEM(FILES); f++) {
        struct buf b = {0};
        char *path = path_of(l, FILES[f]);
        assert_int_equal(file_read(path, 1 << 20, &b), ERR_OK);
        size_t step = f < 2 ? 1 : 1 + b.n / 16;
        for (size_t i = 0; i < b.n; i += step) {
            b.p[i] ^= 1;
            write_text(l, FILES[f], buf_slice(&b));
            if (verify(l) != EXIT_INTEGRITY)
                fail_msg("%s: byte %zu", FILES[f], i);
            b.p[i] ^= 1;
        }
        write_text(l, FILES[f], buf_slice(&b));
        buf_fini(&b);
        free(path);
    }
    assert_int_equal(verify(l), EXIT_DONE);
    log_free_all(l);
}

static void a_file_cut_grown_or_gone_is_found(void **state)
{
    (void)state;
    struct log *l = log_new();
    export_log(l);
    for (size_t f = 0; f < NELEM(FILES); f++) {
        struct buf b = {0};
        char *path = path_of(l, FILES[f]);
        assert_int_equal(file_read(path, 1 << 20, &b), ERR_OK);
        write_text(l, FILES[f], slice_of(b.p, b.n - 1));
        assert_int_equal(verify(l), EXIT_INTEGRITY);
        write_text(l, FILES[f], SLICE_NONE);
        assert_int_equal(verify(l), EXIT_INTEGRITY);
        size_t n = b.n;
        buf_addc(&b, 'x');
        write_text(l, FILES[f], buf_slice(&b));
        assert_int_equal(verify(l), EXIT_INTEGRITY);
        assert_int_equal(unlink(path), 0);
        assert_int_equal(verify(l), EXIT_INTEGRITY);
        write_text(l, FILES[f], slice_of(b.p, n));
        buf_fini(&b);
        free(path);
    }
    assert_int_equal(verify(l), EXIT_DONE);
    log_free_all(l);
}

/* Whoever holds the log's key but not the past: everything is made to fit but
 * what the leaves say of themselves. */
static void swap(struct log *l)
{
    Pb__AuditLeaf x = l->leaf[20];
    l->leaf[20] = l->leaf[21];
    l->leaf[21] = x;
}
static void insert(struct log *l)
{
    l->leaf[30] = l->leaf[29];
}
static void leave_out(struct log *l)
{
    memmove(&l->leaf[40], &l->leaf[41], (LEAVES - 41) * sizeof(l->leaf[0]));
}
static void turn_back_time(struct log *l)
{
    l->leaf[50].time_ms = l->leaf[48].time_ms;
}

static void a_log_that_contradicts_itself_is_found(void **state)
{
    static const struct {
        const char *name;
        void (*change)(struct log *l);
    } CASES[] = {
        {"two leaves swapped", swap},
        {"a leaf inserted", insert},
        {"a leaf left out", leave_out},
        {"time going back", turn_back_time},
    };
    (void)state;
    for (size_t i = 0; i < NELEM(CASES); i++) {
        struct log *l = log_new();
        CASES[i].change(l);
        export_log(l);
        if (verify(l) != EXIT_INTEGRITY)
            fail_msg("%s: not found", CASES[i].name);
        log_free_all(l);
    }
}

/* ---- an older head ---- */

static struct hash root_at(struct log *l, uint64_t size)
{
    struct hash *h = calloc(size, sizeof(*h)), root;
    l->next = 0;
    for (uint64_t i = 0; i < size; i++)
        h[i] = next_leaf(l);
    assert_int_equal(tiles_root(h, size, &root), ERR_OK);
    free(h);
    return root;
}

static void an_older_head_must_be_one_of_this_log(void **state)
{
    (void)state;
    struct log *l = log_new();
    export_log(l);
    char *older = path_of(l, ".older");
    write_note(l, ".older", 300, root_at(l, 300));
    assert_int_equal(verify_with(l, older), EXIT_DONE);
    write_note(l, ".older", 301, root_at(l, 300)); /* another history */
    assert_int_equal(verify_with(l, older), EXIT_INTEGRITY);
    write_note(l, ".older", LEAVES + 1, root_at(l, LEAVES)); /* a longer one */
    assert_int_equal(verify_with(l, older), EXIT_INTEGRITY);
    struct node_keys other;
    keys_make(&other, "log");
    struct node_keys mine = l->keys;
    l->keys = other;
    write_note(l, ".older", 300, root_at(l, 300)); /* signed by another key */
    l->keys = mine;
    assert_int_equal(verify_with(l, older), EXIT_INTEGRITY);
    free(older);
    log_free_all(l);
}

/* Signed, and yet beyond all measure: no memory is asked for. */
static void an_impossible_size_is_refused(void **state)
{
    (void)state;
    struct log *l = log_new();
    export_log(l);
    write_note(l, "checkpoint", UINT64_MAX, root_at(l, 3));
    assert_int_equal(verify(l), EXIT_INTEGRITY);
    log_free_all(l);
}

/* ---- no other file ---- */

static void what_does_not_belong_to_an_export_is_found(void **state)
{
    static const char *const EXTRA[] = {"notes.txt", "tile/0/002",
                                        "tile/0/002.p/1", "tile/entries/004",
                                        "tile/1/000"};
    (void)state;
    struct log *l = log_new();
    export_log(l);
    for (size_t i = 0; i < NELEM(EXTRA); i++) {
        write_text(l, EXTRA[i], slice_str("x"));
        assert_int_equal(verify(l), EXIT_INTEGRITY);
        char *path = path_of(l, EXTRA[i]);
        assert_int_equal(unlink(path), 0);
        free(path);
        assert_int_equal(verify(l), EXIT_DONE);
    }
    char *path = path_of(l, "tile/empty");
    assert_int_equal(mkdir(path, 0755), 0);
    assert_int_equal(verify(l), EXIT_INTEGRITY);
    free(path);
    log_free_all(l);
}

static int make_pipe(const char *path)
{
    return mkfifo(path, 0644);
}
static int make_folder(const char *path)
{
    return mkdir(path, 0755);
}
static int make_link(const char *path)
{
    return symlink("/dev/zero", path);
}

/* Nobody writes into the pipe: to open it would be to wait. */
static void what_is_no_file_is_found_and_not_opened(void **state)
{
    static int (*const MAKE[])(const char *) = {make_pipe, make_folder,
                                                make_link};
    (void)state;
    alarm(60);
    for (size_t i = 0; i < NELEM(FILES) * NELEM(MAKE); i++) {
        struct log *l = log_new();
        export_log(l);
        char *path = path_of(l, FILES[i % NELEM(FILES)]);
        assert_int_equal(unlink(path), 0);
        assert_int_equal(MAKE[i / NELEM(FILES)](path), 0);
        assert_int_equal(verify(l), EXIT_INTEGRITY);
        free(path);
        log_free_all(l);
    }
    alarm(0);
}

/* ---- witnesses ---- */

#define WITNESSES 3
struct witnesses {
    struct node_keys keys[WITNESSES];
    struct buf policy, head; /* head: as the log alone signed it */
};

static void add_key(struct buf *out, enum vkey_type type, const char *name,
                    const uint8_t key[KEY_BYTES])
{
    struct vkey v = {.type = type};
    snprintf(v.name, sizeof(v.name), "%s", name);
    memcpy(v.key, key, KEY_BYTES);
    vkey_write(&v, out);
    buf_addc(out, '\n');
}

/* Two of three: a policy in the folder and beside it. */
static void make_witnesses(struct log *l, struct witnesses *w)
{
    char *path = path_of(l, "checkpoint");
    memset(w, 0, sizeof(*w));
    assert_int_equal(file_read(path, 1 << 16, &w->head), ERR_OK);
    free(path);
    buf_adds(&w->policy, "log ");
    add_key(&w->policy, VKEY_SIGNER, ORIGIN, l->keys.pub.sign);
    for (int i = 0; i < WITNESSES; i++) {
        char name[8];
        snprintf(name, sizeof(name), "w%d", i);
        keys_make(&w->keys[i], name);
        buf_addf(&w->policy, "witness %s ", name);
        add_key(&w->policy, VKEY_COSIGNER, name, w->keys[i].pub.witness);
    }
    buf_adds(&w->policy, "group all 2 w0 w1 w2\nquorum all\n");
    write_text(l, "policy.tlog", buf_slice(&w->policy));
    write_text(l, ".policy", buf_slice(&w->policy));
}

/* order: digits of those who cosign, x: a stranger, !: a bad signature. */
static void cosign(struct log *l, const struct witnesses *w, const char *order)
{
    struct buf note = {0};
    buf_add(&note, w->head.p, w->head.n);
    for (; *order != '\0'; order++) {
        struct node_keys other;
        keys_make(&other, "w0");
        const struct node_keys *k =
            *order >= '0' && *order <= '2' ? &w->keys[*order - '0'] : &other;
        const uint8_t *public =
            *order == '!' ? w->keys[0].pub.witness : k->pub.witness;
        assert_int_equal(cosignature_make(buf_slice(&w->head), k->pub.node,
                                          k->witness_secret, public, 1774969200,
                                          &note),
                         ERR_OK);
    }
    write_text(l, "checkpoint", buf_slice(&note));
    buf_fini(&note);
}

static void a_head_needs_its_quorum_and_no_other_line(void **state)
{
    static const struct {
        const char *name, *order;
        int want;
    } CASES[] = {
        {"two of three", "01", EXIT_DONE},
        {"all three", "012", EXIT_DONE},
        {"one of three", "1", EXIT_INTEGRITY},
        {"none", "", EXIT_INTEGRITY},
        {"not in the policy's order", "10", EXIT_INTEGRITY},
        {"one of them twice", "11", EXIT_INTEGRITY},
        {"a quorum and a stranger", "01x", EXIT_INTEGRITY},
        {"a quorum and a forged one", "!12", EXIT_INTEGRITY},
    };
    (void)state;
    struct log *l = log_new();
    struct witnesses w;
    export_log(l);
    make_witnesses(l, &w);
    char *own = path_of(l, ".policy");
    for (size_t i = 0; i < NELEM(CASES); i++) {
        cosign(l, &w, CASES[i].order);
        if (verify_trusting(l, NULL, own, NULL) != CASES[i].want ||
            verify(l) != CASES[i].want)
            fail_msg("%s", CASES[i].name);
    }
    free(own);
    buf_fini(&w.policy);
    buf_fini(&w.head);
    log_free_all(l);
}

static void what_was_brought_along_is_what_counts(void **state)
{
    (void)state;
    struct log *l = log_new();
    struct witnesses w;
    export_log(l);
    make_witnesses(l, &w);
    cosign(l, &w, "01");
    char *own = path_of(l, ".policy"), *key = path_of(l, ".vkey");
    struct buf other = {0};
    add_key(&other, VKEY_SIGNER, ORIGIN, l->keys.pub.sign);
    write_text(l, ".vkey", buf_slice(&other));
    assert_int_equal(verify_trusting(l, key, own, NULL), EXIT_DONE);
    buf_reset(&other);
    add_key(&other, VKEY_SIGNER, ORIGIN, w.keys[0].pub.sign);
    write_text(l, ".vkey", buf_slice(&other));
    assert_int_equal(verify_trusting(l, key, own, NULL), EXIT_INTEGRITY);
    buf_addc(&w.policy, '\n'); /* the folder's is another, if only by a byte */
    write_text(l, ".policy", buf_slice(&w.policy));
    assert_int_equal(verify_trusting(l, NULL, own, NULL), EXIT_INTEGRITY);
    free(own);
    free(key);
    buf_fini(&other);
    buf_fini(&w.policy);
    buf_fini(&w.head);
    log_free_all(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_does_not_belong_to_an_export_is_found),
        cmocka_unit_test(what_is_no_file_is_found_and_not_opened),
        cmocka_unit_test(a_head_needs_its_quorum_and_no_other_line),
        cmocka_unit_test(what_was_brought_along_is_what_counts),
        cmocka_unit_test(one_flipped_bit_anywhere_is_found),
        cmocka_unit_test(a_file_cut_grown_or_gone_is_found),
        cmocka_unit_test(a_log_that_contradicts_itself_is_found),
        cmocka_unit_test(an_older_head_must_be_one_of_this_log),
        cmocka_unit_test(an_impossible_size_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
