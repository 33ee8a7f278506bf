/* spool_proof.c - that the hub's log holds what we sent and what we got.
 *
 * A proof is small and names nothing but hashes, a random handle and codes, so
 * it outlives the payload by age; with the person's key it becomes unreadable,
 * for it would still tell who dealt with whom. */
#include "adapters/sdk/spool_db.h"
#include <sodium.h>
#include <string.h>

enum err spool_keep_proof(struct spool *s, struct id of, const uint8_t *person,
                          struct slice proof)
{
    uint8_t key[KEY_BYTES], aad[32];
    struct buf sealed = {0};
    struct slice id = slice_of(of.b, ID_BYTES);
    enum err e = db_key_need(s, db_token(person), key);
    if (e == ERR_OK)
        e = seal(key, db_aad(aad, "proof", id), proof, &sealed);
    if (e == ERR_OK) {
        sqlite3_stmt *st = db_query(s, Q_PROOF_SET);
        db_bind(st, 1, id);
        db_bind(st, 2, db_token(person));
        db_bind(st, 3, buf_slice(&sealed));
        e = db_run(s, st);
    }
    sodium_memzero(key, sizeof(key));
    buf_fini(&sealed);
    return e;
}

enum err spool_proof(struct spool *s, struct id of, struct buf *proof)
{
    uint8_t key[KEY_BYTES];
    struct slice id = slice_of(of.b, ID_BYTES);
    sqlite3_stmt *st = db_query(s, Q_PROOF_GET);
    db_bind(st, 1, id);
    enum err e = db_row(s, st);
    if (e == ERR_OK)
        e = db_key_get(s, db_column(st, 0), key);
    if (e == ERR_OK)
        e = db_unseal(key, "proof", id, db_column(st, 1), proof);
    sqlite3_reset(st);
    sodium_memzero(key, sizeof(key));
    return e;
}
