/* policies.c - every policy pack that was ever in force, as it was signed.
 *
 * Rows are only added: the last one is in force, and any decision of the past
 * can be made again by the tables it cites. */
#include "hub/store/internal.h"
#include <string.h>

void stored_policy_fini(struct stored_policy *p)
{
    buf_fini(&p->pack);
    memset(p, 0, sizeof(*p));
}

enum err store_policy_put(struct store *s, const struct stored_policy *p)
{
    return sql_run(s, SQL_POLICY_PUT,
                   WITH(v_int(p->leaf), v_blob(p->digest, sizeof(p->digest)),
                        v_int(p->version), v_blob(p->pack.p, p->pack.n)));
}

enum err store_policy_get(struct store *s, const uint8_t *digest,
                          struct stored_policy *out)
{
    const enum statement q = SQL_POLICY_GET;
    struct value which = {VALUE_NULL, 0, SLICE_NONE};
    bool found;
    memset(out, 0, sizeof(*out));
    if (digest != NULL)
        which = v_blob(digest, sizeof(out->digest));
    enum err e = sql_row(s, q, WITH(which), &found);
    if (e != ERR_OK || !found)
        return e != ERR_OK ? e : ERR_NOT_FOUND;
    out->leaf = col_int(s, q, 0);
    col_bytes(s, q, 1, out->digest, sizeof(out->digest));
    out->version = col_int(s, q, 2);
    col_buf(s, q, 3, &out->pack);
    e = sql_done(s, q);
    if (e == ERR_OK && out->pack.failed)
        e = ERR_NOMEM;
    if (e != ERR_OK)
        stored_policy_fini(out);
    return e;
}
