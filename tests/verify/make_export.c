/* make_export.c - an export as the hub writes it, of any size, with signatures
 * of nodes and witnesses: for the verifiers and for measuring them.
 *
 *   tsunagi-make-export FOLDER LEAVES
 *
 * Ten leaves tell of one event, in the proportions of a log under load. Beside
 * the folder: FOLDER.vkey, FOLDER.policy, FOLDER.older (the head at nine
 * tenths) and FOLDER.keys, the secret seeds of the log and of the witnesses,
 * with which a test can sign what no hub would. */
#include "hub/ctl/tiles.h"
#include "proto/wire/unpack.h"
#include "proto/wire/witness.h"
#include "tsunagi/v1/envelope.pb-c.h"
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define ORIGIN "kakuu.example/log"
#define T0 UINT64_C(1774969200000) /* 2026-04-01 in Japan */
#define WITNESSES 3
#define PEOPLE 1000
#define BEGINNING 3 /* leaves before the first event */
#define TEXT(s) ((char *)(uintptr_t)(s))

enum {
    GRANT,
    INGEST,
    DECIDED,
    DENIED,
    RELEASE,
    DELIVERED,
    READ,
    OWN1,
    OWN2,
    OWN3,
    OF_AN_EVENT
};

struct making {
    const char *folder;
    uint64_t size, at;
    struct hash *hash;
    struct node_keys log, node, witness[WITNESSES];
    struct buf entries, leaf;
    uint64_t ref[2], first; /* first: leaf of the event at hand */
    uint8_t id[16], handle[16], consent[16], digest[32], sha[32], nonce[16];
    uint8_t commitment[4][32], ack[128], signature[64];
    size_t ack_n;
};

static void must(bool good, const char *what)
{
    if (good)
        return;
    fprintf(stderr, "make-export: %s\n", what);
    exit(1);
}

static ProtobufCBinaryData bytes(uint8_t *p, size_t n)
{
    return (ProtobufCBinaryData){n, p};
}

/* ---- leaves ---- */

static void about(struct making *m, Pb__AuditLeaf *l, Pb__LeafKind kind)
{
    l->has_kind = l->has_event_id = l->has_subject_handle = 1;
    l->kind = kind;
    l->event_id = bytes(m->id, 16);
    l->subject_handle = bytes(m->handle, 16);
}

static void refer(struct making *m, Pb__AuditLeaf *l, uint64_t a, uint64_t b)
{
    m->ref[0] = a;
    m->ref[1] = b;
    l->n_ref = b != 0 ? 2 : 1;
    l->ref = m->ref;
}

static void decided(struct making *m, Pb__AuditLeaf *l, Pb__LeafKind kind,
                    const char *phase, uint64_t ref)
{
    static char *rule[] = {TEXT("R072"), TEXT("R011")};
    static char *basis[] = {TEXT("LB_CONSENT")};
    static ProtobufCBinaryData consent;
    about(m, l, kind);
    consent = bytes(m->consent, 16);
    l->peer = TEXT("WO-4931000014");
    l->purpose = TEXT("P_DIS");
    l->phase = TEXT(phase);
    l->has_outcome = l->outcome = 1;
    l->has_policy_digest = l->has_released = l->has_withheld = 1;
    l->policy_digest = bytes(m->digest, 32);
    l->released = 0x0e;
    l->withheld = 0x10;
    l->n_rule = 2;
    l->rule = rule;
    l->n_basis = 1;
    l->basis = basis;
    l->n_consent = 1;
    l->consent = &consent;
    refer(m, l, ref, 0);
}

static void taken_in(struct making *m, Pb__AuditLeaf *l)
{
    static ProtobufCBinaryData list[4];
    about(m, l, PB__LEAF_KIND__INGEST);
    for (int i = 0; i < 4; i++)
        list[i] = bytes(m->commitment[i], 32);
    l->node = TEXT("w1");
    l->has_outcome = l->outcome = l->has_header_sha256 = 1;
    l->header_sha256 = bytes(m->sha, 32);
    l->n_commitment = 4;
    l->commitment = list;
}

/* A node's word for the RELEASE of the event: received, or called back. */
static void acknowledged(struct making *m, Pb__AuditLeaf *l,
                         Pb__RecallOutcome outcome)
{
    Pb__AckBody b = PB__ACK_BODY__INIT;
    struct buf packed = {0};
    b.has_recalled = outcome != 0;
    b.recalled = outcome;
    b.has_delivery_id = b.has_sha256 = b.has_time_ms = 1;
    b.delivery_id = bytes(m->id, 16);
    b.sha256 = bytes(m->sha, 32);
    b.time_ms = T0 + m->at;
    must(pack(&b.base, &packed) == ERR_OK && packed.n <= sizeof(m->ack) &&
             sign_make(SIGN_ACK, buf_slice(&packed), m->node.sign_secret,
                       m->signature) == ERR_OK,
         "signing");
    memcpy(m->ack, packed.p, packed.n);
    m->ack_n = packed.n;
    buf_fini(&packed);
    l->node = TEXT("w1");
    l->has_signature = l->has_signed_ = 1;
    l->signature = bytes(m->signature, 64);
    l->signed_ = bytes(m->ack, m->ack_n);
}

static void received(struct making *m, Pb__AuditLeaf *l)
{
    about(m, l, PB__LEAF_KIND__DELIVERED);
    acknowledged(m, l, 0);
    l->peer = TEXT("WO-4931000014");
    refer(m, l, m->first + RELEASE, 0);
    l->has_detail_sha256 = 1;
    l->detail_sha256 = bytes(m->sha, 32);
}

/* Of every fifth event: a break-glass beside it, and its review. */
static void opened(struct making *m, Pb__AuditLeaf *l, bool review)
{
    static uint8_t staff[2][16] = {{1}, {2}};
    about(m, l,
          review ? PB__LEAF_KIND__REVIEW : PB__LEAF_KIND__BREAKGLASS_OPEN);
    l->peer = TEXT("WO-4931000014");
    l->node = TEXT(review ? "h2" : "w1");
    l->reason = TEXT(review ? "JUSTIFIED" : "LIFE_SELF");
    l->has_actor = l->has_valid_until_ms = 1;
    l->actor = bytes(staff[review], 16);
    l->valid_until_ms = T0 + m->at + 3600000;
    refer(m, l, m->first + INGEST, review ? m->first + OWN1 : 0);
}

/* Of every fifth event: called back, answered, and the consent taken back. */
static void called_back(struct making *m, Pb__AuditLeaf *l, bool answer)
{
    about(m, l, PB__LEAF_KIND__RECALL);
    l->peer = TEXT("WO-4931000014");
    l->reason = TEXT("WITHDRAWN");
    refer(m, l, m->first + RELEASE, answer ? m->first + OWN1 : 0);
    if (!answer)
        return;
    acknowledged(m, l, PB__RECALL_OUTCOME__RECALL_DELETED);
    l->phase = TEXT("ANSWER");
    l->reason = TEXT("DELETED");
}

static void agreed(struct making *m, Pb__AuditLeaf *l, bool taken_back)
{
    static ProtobufCBinaryData consent;
    consent = bytes(m->consent, 16);
    about(m, l,
          taken_back ? PB__LEAF_KIND__CONSENT_REVOKE
                     : PB__LEAF_KIND__CONSENT_GRANT);
    l->n_consent = 1;
    l->consent = &consent;
    l->node = TEXT("w1");
}

/* What follows an event: mostly others of the hub's own. */
static void tell_after(struct making *m, unsigned step, Pb__AuditLeaf *l)
{
    uint64_t event = (m->first - BEGINNING) / OF_AN_EVENT % 5;
    if (event == 0 && step < OWN3)
        opened(m, l, step == OWN2);
    else if (event == 1 && step < OWN3)
        called_back(m, l, step == OWN2);
    else if (event == 1)
        agreed(m, l, true);
    else
        taken_in(m, l);
}

static void tell(struct making *m, unsigned step, Pb__AuditLeaf *l)
{
    switch (step) {
    case GRANT:
        agreed(m, l, false);
        break;
    case INGEST:
        taken_in(m, l);
        break;
    case DECIDED:
        decided(m, l, PB__LEAF_KIND__DECISION, "ROUTE", m->first + INGEST);
        break;
    case DENIED:
        decided(m, l, PB__LEAF_KIND__DECISION, "ROUTE", m->first + INGEST);
        l->n_consent = l->n_basis = 0;
        l->outcome = 0;
        l->released = 0;
        break;
    case RELEASE:
        decided(m, l, PB__LEAF_KIND__RELEASE, "RELEASE", m->first + DECIDED);
        l->node = TEXT("w1");
        break;
    case DELIVERED:
        received(m, l);
        break;
    case READ:
        decided(m, l, PB__LEAF_KIND__READ, "READ", m->first + RELEASE);
        l->node = TEXT("w1");
        break;
    default:
        tell_after(m, step, l);
    }
}

/* What stands before the first event. */
static void tell_beginning(struct making *m, Pb__AuditLeaf *l)
{
    static char *by[] = {TEXT("approver-a+01020304"),
                         TEXT("approver-b+05060708")};
    l->has_kind = 1;
    if (m->at == 0) {
        l->kind = PB__LEAF_KIND__POLICY_ACTIVATE;
        l->has_policy_digest = 1;
        l->policy_digest = bytes(m->digest, 32);
        l->n_approved_by = 2;
        l->approved_by = by;
    } else {
        l->kind = PB__LEAF_KIND__NODE_CHANGE;
        l->node = TEXT(m->at == 1 ? "w1" : "h2");
        l->peer = TEXT(m->at == 1 ? "WO-4931000014" : "MI-4910100025");
        l->reason = TEXT("ACTIVE");
        l->has_sign_key = 1;
        l->sign_key = bytes(m->node.pub.sign, KEY_BYTES);
    }
}

/* ---- the export ---- */

static void add_leaf(struct making *m)
{
    Pb__AuditLeaf l = PB__AUDIT_LEAF__INIT;
    unsigned step = (unsigned)((m->at - BEGINNING) % OF_AN_EVENT);
    l.has_index = l.has_time_ms = l.has_nonce = 1;
    l.index = m->at;
    l.time_ms = T0 + m->at;
    randombytes_buf(m->nonce, sizeof(m->nonce));
    l.nonce = bytes(m->nonce, sizeof(m->nonce));
    if (m->at >= BEGINNING && step == 0) {
        m->first = m->at;
        randombytes_buf(m->id, sizeof(m->id));
        memcpy(m->consent, m->id, sizeof(m->id));
        memcpy(m->handle, &(uint32_t){randombytes_uniform(PEOPLE)}, 4);
    }
    if (m->at < BEGINNING)
        tell_beginning(m, &l);
    else
        tell(m, step, &l);
    buf_reset(&m->leaf);
    must(pack(&l.base, &m->leaf) == ERR_OK, "packing");
    if (l.kind == PB__LEAF_KIND__RELEASE)
        sha256(buf_slice(&m->leaf), m->sha);
    m->hash[m->at++] = proof_leaf(buf_slice(&m->leaf));
}

static void add_entry(struct making *m)
{
    buf_addc(&m->entries, (char)(m->leaf.n >> 8));
    buf_addc(&m->entries, (char)(m->leaf.n & 255));
    buf_add(&m->entries, m->leaf.p, m->leaf.n);
    if (m->at % TILE_WIDTH != 0 && m->at != m->size)
        return;
    uint64_t tile = (m->at - 1) / TILE_WIDTH;
    must(tile_write(m->folder, -1, tile, (unsigned)(m->at - tile * TILE_WIDTH),
                    buf_slice(&m->entries)) == ERR_OK,
         "writing leaves");
    buf_reset(&m->entries);
}

static struct hash next_hash(void *ctx)
{
    struct making *m = ctx;
    return m->hash[m->at++];
}

/* end "": in the folder; else beside it. */
static void write_text(const struct making *m, const char *name,
                       const struct buf *text)
{
    char path[4300];
    snprintf(path, sizeof(path), "%s%s%s", m->folder, name[0] == '.' ? "" : "/",
             name);
    must(!text->failed && file_replace(path, buf_slice(text), 0644) == ERR_OK,
         path);
}

static void add_key(struct buf *out, enum vkey_type type, const char *name,
                    const uint8_t key[KEY_BYTES])
{
    struct vkey v = {.type = type};
    snprintf(v.name, sizeof(v.name), "%s", name);
    memcpy(v.key, key, KEY_BYTES);
    vkey_write(&v, out);
    buf_addc(out, '\n');
}

/* Signed by the log and by two witnesses of three. */
static void write_head(struct making *m, const char *name, uint64_t size)
{
    struct checkpoint c = {.origin = ORIGIN, .size = size};
    struct buf note = {0}, whole = {0};
    must(tiles_root(m->hash, size, &c.root) == ERR_OK &&
             checkpoint_sign(&c, m->log.sign_secret, m->log.pub.sign, &note) ==
                 ERR_OK,
         "signing");
    buf_add(&whole, note.p, note.n);
    for (int i = 0; i < WITNESSES - 1; i++)
        must(cosignature_make(buf_slice(&note), m->witness[i].pub.node,
                              m->witness[i].witness_secret,
                              m->witness[i].pub.witness, T0 / 1000,
                              &whole) == ERR_OK,
             "cosigning");
    write_text(m, name, &whole);
    buf_fini(&note);
    buf_fini(&whole);
}

static void write_keys(struct making *m)
{
    struct buf vkey = {0}, policy = {0}, secret = {0};
    add_key(&vkey, VKEY_SIGNER, ORIGIN, m->log.pub.sign);
    buf_addf(&policy, "# %d witnesses, two must have cosigned\nlog ",
             WITNESSES);
    buf_add(&policy, vkey.p, vkey.n);
    buf_add_hex(&secret, slice_of(m->log.sign_secret, 32));
    for (int i = 0; i < WITNESSES; i++) {
        const struct node_keys *w = &m->witness[i];
        buf_addf(&policy, "witness %s ", w->pub.node);
        add_key(&policy, VKEY_COSIGNER, w->pub.node, w->pub.witness);
        buf_addf(&secret, "\n");
        buf_add_hex(&secret, slice_of(w->witness_secret, 32));
    }
    buf_adds(&policy, "group towns 2 m1 m2 m3\nquorum towns\n");
    buf_adds(&secret, "\n");
    write_text(m, "log.vkey", &vkey);
    write_text(m, ".vkey", &vkey);
    write_text(m, "policy.tlog", &policy);
    write_text(m, ".policy", &policy);
    write_text(m, ".keys", &secret);
    buf_fini(&vkey);
    buf_fini(&policy);
    buf_fini(&secret);
}

static void make(struct making *m)
{
    struct hash root;
    keys_make(&m->log, "log");
    keys_make(&m->node, "w1");
    for (int i = 0; i < WITNESSES; i++) {
        char name[8];
        snprintf(name, sizeof(name), "m%d", i + 1);
        keys_make(&m->witness[i], name);
    }
    randombytes_buf(m->digest, sizeof(m->digest));
    randombytes_buf(m->commitment, sizeof(m->commitment));
    while (m->at < m->size) {
        add_leaf(m);
        add_entry(m);
    }
    m->at = 0;
    must(tiles_write(m->folder, m->size, next_hash, m, &root) == ERR_OK,
         "writing tiles");
    write_keys(m);
    write_head(m, "checkpoint", m->size);
    write_head(m, ".older", m->size * 9 / 10);
}

int main(int argc, char **argv)
{
    static struct making m;
    must(argc == 3, "FOLDER LEAVES");
    m.folder = argv[1];
    m.size = strtoull(argv[2], NULL, 10);
    m.hash = calloc(m.size + 1, sizeof(*m.hash));
    must(m.hash != NULL && sign_init() == ERR_OK && mkdir(m.folder, 0755) == 0,
         "a new folder");
    make(&m);
    buf_fini(&m.entries);
    buf_fini(&m.leaf);
    free(m.hash);
    return 0;
}
