/* audit_test.c - an exported log that was touched anywhere, in its bytes or in
 * its meaning, is found out (exit 9); one that was not, holds (exit 0). */
#include "hub/ctl/ctl.h"
#include "hub/ctl/tiles.h"
#include "proto/wire/unpack.h"
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
#define P1 "WO-4931000014"
#define LEAVES 700 /* two whole tiles and a partial one; two levels */

enum {
    AT_POLICY,
    AT_NODE,
    AT_GRANT,
    AT_INGEST,
    AT_DECISION,
    AT_RELEASE,
    AT_DELIVERED,
    AT_READ,
    AT_REVOKE,
    AT_RECALL,
    AT_ANSWER,
    AT_WITHHELD,
    AT_REST
};
struct log {
    Pb__AuditLeaf leaf[LEAVES];
    uint64_t ref[AT_REST], answered[2];
    ProtobufCBinaryData consent;
    uint8_t id[16], digest[32], subject[16], other[32];
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

static Pb__AuditLeaf *kind(struct log *l, size_t at, Pb__LeafKind k)
{
    Pb__AuditLeaf *f = &l->leaf[at];
    f->has_kind = 1;
    f->kind = k;
    return f;
}

static void refer(struct log *l, size_t at, uint64_t to)
{
    l->ref[at] = to;
    l->leaf[at].n_ref = 1;
    l->leaf[at].ref = &l->ref[at];
}

static void about(struct log *l, size_t at)
{
    Pb__AuditLeaf *f = &l->leaf[at];
    f->has_event_id = f->has_subject_handle = 1;
    f->event_id = (ProtobufCBinaryData){16, l->id};
    f->subject_handle = (ProtobufCBinaryData){16, l->subject};
    f->peer = (char *)(uintptr_t)P1;
}

static void cite(struct log *l, size_t at)
{
    l->leaf[at].n_consent = 1;
    l->leaf[at].consent = &l->consent;
    l->leaf[at].has_policy_digest = 1;
    l->leaf[at].policy_digest = (ProtobufCBinaryData){32, l->digest};
}

static void tell_story(struct log *l)
{
    Pb__AuditLeaf *f = kind(l, AT_POLICY, PB__LEAF_KIND__POLICY_ACTIVATE);
    f->has_policy_digest = 1;
    f->policy_digest = (ProtobufCBinaryData){32, l->digest};
    f = kind(l, AT_NODE, PB__LEAF_KIND__NODE_CHANGE);
    f->node = (char *)(uintptr_t) "h1";
    f->reason = (char *)(uintptr_t) "ACTIVE";
    kind(l, AT_GRANT, PB__LEAF_KIND__CONSENT_GRANT);
    about(l, AT_GRANT);
    cite(l, AT_GRANT);
    f = kind(l, AT_INGEST, PB__LEAF_KIND__INGEST);
    f->node = (char *)(uintptr_t) "h1";
    f->has_outcome = f->outcome = 1;
    f = kind(l, AT_DECISION, PB__LEAF_KIND__DECISION);
    about(l, AT_DECISION);
    cite(l, AT_DECISION);
    refer(l, AT_DECISION, AT_INGEST);
    f->has_released = 1;
    f->released = 0x0e;
    f = kind(l, AT_RELEASE, PB__LEAF_KIND__RELEASE);
    about(l, AT_RELEASE);
    cite(l, AT_RELEASE);
    refer(l, AT_RELEASE, AT_DECISION);
    f->has_released = f->has_withheld = f->has_outcome = f->outcome = 1;
    f->released = 0x06;
    f->withheld = 0x10;
    kind(l, AT_DELIVERED, PB__LEAF_KIND__DELIVERED);
    about(l, AT_DELIVERED);
    refer(l, AT_DELIVERED, AT_RELEASE);
    f = kind(l, AT_READ, PB__LEAF_KIND__READ);
    about(l, AT_READ);
    cite(l, AT_READ);
    refer(l, AT_READ, AT_RELEASE);
    f->has_released = f->has_outcome = f->outcome = 1;
    f->released = 0x02;
    f = kind(l, AT_RECALL, PB__LEAF_KIND__RECALL);
    f->peer = (char *)(uintptr_t)P1;
    refer(l, AT_RECALL, AT_RELEASE);
    f = kind(l, AT_ANSWER, PB__LEAF_KIND__RECALL);
    f->peer = (char *)(uintptr_t)P1;
    f->phase = (char *)(uintptr_t) "ANSWER";
    f->n_ref = 2;
    f->ref = l->answered;
    l->answered[0] = AT_RELEASE;
    l->answered[1] = AT_RECALL;
    f = kind(l, AT_WITHHELD, PB__LEAF_KIND__WITHHELD);
    f->peer = (char *)(uintptr_t)P1;
    refer(l, AT_WITHHELD, AT_DECISION);
    kind(l, AT_REVOKE, PB__LEAF_KIND__CONSENT_REVOKE);
    about(l, AT_REVOKE);
    cite(l, AT_REVOKE);
}

static struct log *log_new(void)
{
    struct log *l = calloc(1, sizeof(*l));
    assert_non_null(l);
    assert_int_equal(sign_init(), ERR_OK);
    memset(l->id, 1, sizeof(l->id));
    memset(l->digest, 2, sizeof(l->digest));
    memset(l->subject, 3, sizeof(l->subject));
    memset(l->other, 4, sizeof(l->other));
    l->consent = (ProtobufCBinaryData){16, l->subject};
    for (size_t i = 0; i < LEAVES; i++) {
        pb__audit_leaf__init(&l->leaf[i]);
        l->leaf[i].has_index = l->leaf[i].has_time_ms = 1;
        l->leaf[i].index = i;
        l->leaf[i].time_ms = 1774969200000 + i;
        kind(l, i, PB__LEAF_KIND__REPORT);
    }
    tell_story(l);
    keys_make(&l->keys, "log");
    snprintf(l->folder, sizeof(l->folder), "/tmp/tsunagi-audit-XXXXXX");
    assert_non_null(mkdtemp(l->folder));
    return l;
}

static void log_free_all(struct log *l)
{
    char line[96];
    snprintf(line, sizeof(line), "rm -rf '%s'", l->folder);
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

static char *path_of(const struct log *l, const char *name)
{
    char path[256];
    snprintf(path, sizeof(path), "%s/%s", l->folder, name);
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

static int verify_with(const struct log *l, const char *older)
{
    char *words[] = {(char *)(uintptr_t)l->folder, NULL};
    struct ctl c = {.argv = words, .argc = 1, .older = older};
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

/* ---- meaning ---- */

static void undecided(struct log *l)
{
    l->leaf[AT_RELEASE].n_ref = 0;
}
static void decided_for_another_event(struct log *l)
{
    l->leaf[AT_RELEASE].event_id = (ProtobufCBinaryData){16, l->other};
}
static void decided_for_another_agency(struct log *l)
{
    l->leaf[AT_RELEASE].peer = (char *)(uintptr_t) "WO-4911000018";
}
static void more_than_decided(struct log *l)
{
    l->leaf[AT_RELEASE].released |= 0x40;
}
static void released_and_withheld(struct log *l)
{
    l->leaf[AT_RELEASE].withheld |= 0x02;
}
static void after_the_withdrawal(struct log *l)
{
    Pb__AuditLeaf revoke = l->leaf[AT_REVOKE];
    l->leaf[AT_REVOKE] = l->leaf[AT_REST];
    l->leaf[AT_REVOKE].index = AT_REVOKE;
    revoke.index = AT_INGEST;
    revoke.time_ms = l->leaf[AT_INGEST].time_ms;
    l->leaf[AT_INGEST] = revoke;
}
static void after_the_withdrawal_of_all(struct log *l)
{
    after_the_withdrawal(l);
    l->leaf[AT_INGEST].n_consent = 0;
}
static void on_a_consent_never_given(struct log *l)
{
    kind(l, AT_GRANT, PB__LEAF_KIND__REPORT);
}
static void under_an_unknown_policy(struct log *l)
{
    l->leaf[AT_RELEASE].policy_digest = (ProtobufCBinaryData){32, l->other};
}
static void delivered_unreleased(struct log *l)
{
    l->leaf[AT_DELIVERED].n_ref = 0;
}
static void referring_to_the_future(struct log *l)
{
    refer(l, AT_RELEASE, LEAVES + 5);
}
static void by_a_revoked_node(struct log *l)
{
    l->leaf[AT_NODE].reason = (char *)(uintptr_t) "REVOKED";
}

static void read_unreleased(struct log *l)
{
    l->leaf[AT_READ].n_ref = 0;
}
static void read_by_another_agency(struct log *l)
{
    l->leaf[AT_READ].peer = (char *)(uintptr_t) "WO-4911000018";
}
static void more_read_than_released(struct log *l)
{
    l->leaf[AT_READ].released = 0x08;
}
/* Two leaves change places, their indexes and times do not. */
static void exchange(struct log *l, size_t a, size_t b)
{
    Pb__AuditLeaf x = l->leaf[a];
    l->leaf[a] = l->leaf[b];
    l->leaf[b] = x;
    l->leaf[a].index = a;
    l->leaf[b].index = b;
    l->leaf[a].time_ms = 1774969200000 + a;
    l->leaf[b].time_ms = 1774969200000 + b;
}
static void read_after_the_withdrawal(struct log *l)
{
    exchange(l, AT_READ, AT_REVOKE);
}
static void read_after_the_recall(struct log *l)
{
    l->leaf[AT_READ].n_consent = 0; /* by law, but called back */
    l->answered[1] = AT_READ;       /* where the recall is now */
    exchange(l, AT_READ, AT_RECALL);
}
static void recalled_unreleased(struct log *l)
{
    refer(l, AT_RECALL, AT_DECISION);
}
static void recalled_from_another_agency(struct log *l)
{
    l->leaf[AT_RECALL].peer = (char *)(uintptr_t) "WO-4911000018";
}
static void answered_unrecalled(struct log *l)
{
    l->leaf[AT_ANSWER].n_ref = 1;
}
static void withheld_undecided(struct log *l)
{
    refer(l, AT_WITHHELD, AT_INGEST);
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
        {"M-1 a release nobody decided", undecided},
        {"M-1 decided for another event", decided_for_another_event},
        {"M-1 decided for another agency", decided_for_another_agency},
        {"M-1 a decision that is not there", referring_to_the_future},
        {"M-7 more than was decided (I-4)", more_than_decided},
        {"M-2 released and withheld", released_and_withheld},
        {"M-3 after the withdrawal (I-3)", after_the_withdrawal},
        {"M-3 after a withdrawal of all (I-3)", after_the_withdrawal_of_all},
        {"M-3 a consent never given", on_a_consent_never_given},
        {"M-4 a policy never activated", under_an_unknown_policy},
        {"M-5 delivered, never released", delivered_unreleased},
        {"M-6 an act of a revoked node", by_a_revoked_node},
        {"M-8 a read of nothing released", read_unreleased},
        {"M-8 a read by another agency", read_by_another_agency},
        {"M-9 more read than released", more_read_than_released},
        {"M-9 read after it was called back", read_after_the_recall},
        {"M-3 read after the withdrawal", read_after_the_withdrawal},
        {"M-10 a recall of nothing released", recalled_unreleased},
        {"M-10 from another agency", recalled_from_another_agency},
        {"M-10 an answer to no recall", answered_unrecalled},
        {"M-11 withheld, never decided", withheld_undecided},
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
    char *older = path_of(l, "older");
    write_note(l, "older", 300, root_at(l, 300));
    assert_int_equal(verify_with(l, older), EXIT_DONE);
    write_note(l, "older", 301, root_at(l, 300)); /* another history */
    assert_int_equal(verify_with(l, older), EXIT_INTEGRITY);
    write_note(l, "older", LEAVES + 1, root_at(l, LEAVES)); /* a longer one */
    assert_int_equal(verify_with(l, older), EXIT_INTEGRITY);
    struct node_keys other;
    keys_make(&other, "log");
    struct node_keys mine = l->keys;
    l->keys = other;
    write_note(l, "older", 300, root_at(l, 300)); /* signed by another key */
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_flipped_bit_anywhere_is_found),
        cmocka_unit_test(a_file_cut_grown_or_gone_is_found),
        cmocka_unit_test(a_log_that_contradicts_itself_is_found),
        cmocka_unit_test(an_older_head_must_be_one_of_this_log),
        cmocka_unit_test(an_impossible_size_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
