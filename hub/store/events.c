/* events.c - events as they arrived, their sealed parts, and what was
 * answered.
 *
 * Header and signature are kept byte for byte; reading checks the header
 * against its hash, and opening the parts checks them (they are bound to the
 * event's id), so a page that rotted on disk is an error, never a fact. */
#include "hub/store/internal.h"
#include <assert.h>
#include <string.h>

#define PARTS_PREFIX "tsunagi-parts/1\n"
#define PARTS_AAD (sizeof(PARTS_PREFIX) - 1 + ID_BYTES)

static void parts_aad(struct id event_id, uint8_t out[PARTS_AAD])
{
    memcpy(out, PARTS_PREFIX, sizeof(PARTS_PREFIX) - 1);
    memcpy(out + sizeof(PARTS_PREFIX) - 1, event_id.b, ID_BYTES);
}

void stored_event_fini(struct stored_event *e)
{
    assert(e != NULL);
    buf_fini(&e->header);
    buf_fini(&e->signature);
    buf_fini(&e->parts);
    memset(e, 0, sizeof(*e));
}

enum err store_event_seen(struct store *s, struct id event_id, bool *found,
                          uint8_t header_sha256[32], struct buf *receipt)
{
    enum err e = sql_row(s, SQL_EVENT_SEEN, WITH(v_id(&event_id)), found);
    if (e != ERR_OK || !*found)
        return e;
    col_bytes(s, SQL_EVENT_SEEN, 0, header_sha256, 32);
    col_buf(s, SQL_EVENT_SEEN, 1, receipt);
    e = sql_done(s, SQL_EVENT_SEEN);
    return e == ERR_OK && receipt->failed ? ERR_NOMEM : e;
}

static enum err seal_parts(struct store *s, const struct stored_event *e,
                           struct buf *out)
{
    const uint8_t *key;
    uint8_t aad[PARTS_AAD];
    parts_aad(e->event_id, aad);
    enum err r = keyring_make(s, e->person, e->accepted_ms, &key);
    if (r != ERR_OK)
        return r;
    return seal_padded(key, slice_of(aad, sizeof(aad)), buf_slice(&e->parts),
                       STORE_BLOCK, out);
}

/* Nothing there, or its key destroyed: erased, which is no error. */
static enum err open_parts(struct store *s, struct slice sealed,
                           struct stored_event *e)
{
    const uint8_t *key;
    uint8_t aad[PARTS_AAD];
    parts_aad(e->event_id, aad);
    enum err r = sealed.n == 0
                     ? ERR_NOT_FOUND
                     : keyring_find(s, e->person, e->accepted_ms, &key);
    e->erased = r == ERR_NOT_FOUND;
    if (r != ERR_OK)
        return e->erased ? ERR_OK : r;
    return unseal_padded(key, slice_of(aad, sizeof(aad)), sealed, STORE_BLOCK,
                         &e->parts);
}

enum err store_event_put(struct store *s, struct stored_event *e,
                         const uint8_t header_sha256[32])
{
    struct buf sealed = {0};
    enum err r = seal_parts(s, e, &sealed);
    if (r == ERR_OK)
        r = sql_run(s, SQL_EVENT_PUT,
                    WITH(v_id(&e->event_id), v_blob(header_sha256, 32),
                         v_id_or_null(&e->person), v_id_or_null(&e->case_id),
                         v_int(e->type), v_int(e->lane), v_int(e->accepted_ms),
                         v_int(e->ingest_leaf), v_int(e->hub_made),
                         v_text(e->agency), v_text(e->node),
                         v_blob(e->header.p, e->header.n),
                         v_blob(e->signature.p, e->signature.n),
                         v_blob(sealed.p, sealed.n)));
    buf_fini(&sealed);
    if (r != ERR_OK)
        return r;
    e->seq = sqlite3_last_insert_rowid(s->db);
    s->now.events = (uint64_t)e->seq;
    s->last_seq = e->seq;
    s->last_person = e->person;
    return ERR_OK;
}

enum err store_event_receipt(struct store *s, int64_t seq,
                             struct slice signed_receipt)
{
    return sql_run(
        s, SQL_EVENT_RECEIPT,
        WITH(v_int((uint64_t)seq), v_blob(signed_receipt.p, signed_receipt.n)));
}

/* The columns of EVENT_COLUMNS without parts. */
static enum err read_event(struct store *s, enum statement q,
                           struct stored_event *e)
{
    uint8_t want[32], got[32];
    e->seq = (int64_t)col_int(s, q, 0);
    e->event_id = col_id(s, q, 1);
    col_bytes(s, q, 2, want, sizeof(want));
    e->person = col_id(s, q, 3);
    e->case_id = col_id(s, q, 4);
    e->type = (uint32_t)col_int(s, q, 5);
    e->lane = (enum lane)col_int(s, q, 6);
    e->accepted_ms = col_int(s, q, 7);
    e->ingest_leaf = col_int(s, q, 8);
    e->hub_made = col_int(s, q, 9) != 0;
    col_text(s, q, 10, e->agency, sizeof(e->agency));
    col_text(s, q, 11, e->node, sizeof(e->node));
    col_buf(s, q, 12, &e->header);
    col_buf(s, q, 13, &e->signature);
    if (e->header.failed || e->signature.failed)
        return ERR_NOMEM;
    sha256(buf_slice(&e->header), got);
    return memcmp(want, got, sizeof(got)) == 0 ? ERR_OK : ERR_INTEGRITY;
}

static enum err get_event(struct store *s, enum statement q, struct value key,
                          struct stored_event *out)
{
    bool found;
    memset(out, 0, sizeof(*out));
    enum err e = sql_row(s, q, &key, 1, &found);
    if (e != ERR_OK)
        return e;
    if (!found)
        return ERR_NOT_FOUND;
    e = read_event(s, q, out);
    if (e == ERR_OK)
        e = open_parts(s, col_slice(s, q, 14), out);
    enum err d = sql_done(s, q);
    if (e == ERR_OK)
        e = d;
    if (e != ERR_OK)
        stored_event_fini(out);
    return e;
}

enum err store_event_get(struct store *s, int64_t seq, struct stored_event *out)
{
    return get_event(s, SQL_EVENT_GET, v_int((uint64_t)seq), out);
}

enum err store_event_find(struct store *s, struct id event_id,
                          struct stored_event *out)
{
    return get_event(s, SQL_EVENT_FIND, v_id(&event_id), out);
}

enum err store_event_empty(struct store *s, int64_t seq)
{
    return sql_run_one(s, SQL_EVENT_EMPTY, WITH(v_int((uint64_t)seq)));
}

enum err store_node_seq(struct store *s, const char *node, enum lane lane,
                        uint64_t *last)
{
    bool found;
    *last = 0;
    enum err e =
        sql_row(s, SQL_NODE_SEQ, WITH(v_text(node), v_int(lane)), &found);
    if (e != ERR_OK || !found)
        return e;
    *last = col_int(s, SQL_NODE_SEQ, 0);
    return sql_done(s, SQL_NODE_SEQ);
}

enum err store_node_seq_set(struct store *s, const char *node, enum lane lane,
                            uint64_t seq)
{
    return sql_run(s, SQL_NODE_SEQ_SET,
                   WITH(v_text(node), v_int(lane), v_int(seq)));
}

enum err store_event_agency(struct store *s, struct id event_id,
                            char agency[AGENCY_MAX], bool *found)
{
    agency[0] = '\0';
    enum err e = sql_row(s, SQL_EVENT_AGENCY, WITH(v_id(&event_id)), found);
    if (e != ERR_OK || !*found)
        return e;
    col_text(s, SQL_EVENT_AGENCY, 0, agency, AGENCY_MAX);
    return sql_done(s, SQL_EVENT_AGENCY);
}
