/* people.c - persons, what agencies call them, how they appear in leaves, and
 * what they agreed to.
 *
 * A person is 16 random bytes and nothing else here: names are in sealed
 * parts. Every change to consents, and to address protection, raises the
 * person's generation, so that a release decided before is decided again. */
#include "hub/store/internal.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* ---- tokens and handles ---- */

enum err store_token_find(struct store *s, const char *agency,
                          enum token_kind kind, const uint8_t token[16],
                          bool *found, struct id *out)
{
    memset(out, 0, sizeof(*out));
    enum err e =
        sql_row(s, SQL_TOKEN_FIND,
                WITH(v_text(agency), v_int(kind), v_blob(token, 16)), found);
    if (e != ERR_OK || !*found)
        return e;
    *out = col_id(s, SQL_TOKEN_FIND, 0);
    return sql_done(s, SQL_TOKEN_FIND);
}

enum err store_token_put(struct store *s, const char *agency,
                         enum token_kind kind, const uint8_t token[16],
                         struct id what)
{
    return sql_run(
        s, SQL_TOKEN_PUT,
        WITH(v_text(agency), v_int(kind), v_blob(token, 16), v_id(&what)));
}

enum err store_token_of(struct store *s, const char *agency,
                        enum token_kind kind, struct id what, uint8_t token[16],
                        bool *found)
{
    enum err e = sql_row(s, SQL_TOKEN_OF,
                         WITH(v_text(agency), v_int(kind), v_id(&what)), found);
    if (e != ERR_OK || !*found)
        return e;
    col_bytes(s, SQL_TOKEN_OF, 0, token, 16);
    return sql_done(s, SQL_TOKEN_OF);
}

enum err store_token_for(struct store *s, const char *agency,
                         enum token_kind kind, struct id what,
                         uint8_t token[16])
{
    bool found;
    enum err e = store_token_of(s, agency, kind, what, token, &found);
    if (e != ERR_OK || found)
        return e;
    randombytes_buf(token, 16);
    return store_token_put(s, agency, kind, token, what);
}

enum err store_person_new(struct store *s, struct id *out)
{
    *out = id_random();
    return sql_run(s, SQL_PERSON_NEW, WITH(v_id(out)));
}

enum err store_person(struct store *s, struct id person,
                      struct person_facts *out)
{
    const enum statement q = SQL_PERSON_GET;
    bool found;
    enum err e = sql_row(s, q, WITH(v_id(&person)), &found);
    if (e != ERR_OK)
        return e;
    if (!found)
        return ERR_NOT_FOUND;
    memset(out, 0, sizeof(*out));
    struct places *p = &out->places;
    out->generation = col_int(s, q, 0);
    out->address_protected = col_int(s, q, 1) != 0;
    out->erased = col_int(s, q, 6) != 0;
    col_text(s, q, 2, p->resident, sizeof(p->resident));
    col_text(s, q, 3, p->present, sizeof(p->present));
    col_text(s, q, 4, p->shikyu, sizeof(p->shikyu));
    col_text(s, q, 5, p->plan, sizeof(p->plan));
    return sql_done(s, q);
}

enum err store_person_protect(struct store *s, struct id person, bool on)
{
    return sql_run_one(s, SQL_PERSON_PROTECT, WITH(v_id(&person), v_int(on)));
}

enum err store_person_places(struct store *s, struct id person,
                             const struct places *p)
{
    return sql_run_one(s, SQL_PERSON_PLACES,
                       WITH(v_id(&person), v_text(p->resident),
                            v_text(p->present), v_text(p->shikyu),
                            v_text(p->plan)));
}

#define HANDLE_PREFIX "tsunagi-handle/1\n"
#define HANDLE_AAD (sizeof(HANDLE_PREFIX) - 1 + ID_BYTES + 8)

static struct slice handle_aad(struct id person, uint64_t quarter,
                               uint8_t out[HANDLE_AAD])
{
    size_t n = sizeof(HANDLE_PREFIX) - 1;
    memcpy(out, HANDLE_PREFIX, n);
    memcpy(out + n, person.b, ID_BYTES);
    for (int i = 0; i < 8; i++)
        out[n + ID_BYTES + (size_t)i] = (uint8_t)(quarter >> (56 - 8 * i));
    return slice_of(out, HANDLE_AAD);
}

/* ERR_NOT_FOUND when the person's master key is gone. */
static enum err open_handle(struct store *s, struct id person,
                            struct slice sealed, struct handle *h)
{
    const uint8_t *key;
    uint8_t aad[HANDLE_AAD];
    struct buf plain = {0};
    enum err e = keyring_find_master(s, person, &key);
    if (e == ERR_OK)
        e = unseal(key, handle_aad(person, h->quarter, aad), sealed, &plain);
    if (e == ERR_OK && plain.n != sizeof(h->b))
        e = ERR_INTEGRITY;
    if (e == ERR_OK)
        memcpy(h->b, plain.p, sizeof(h->b));
    buf_fini(&plain);
    return e;
}

static enum err new_handle(struct store *s, struct id person, struct handle *h)
{
    const uint8_t *key;
    uint8_t aad[HANDLE_AAD];
    struct buf sealed = {0};
    struct person_facts known;
    enum err e = store_person(s, person, &known);
    if (e == ERR_OK)
        e = keyring_make_master(s, person, &key);
    if (e != ERR_OK)
        return e;
    randombytes_buf(h->b, sizeof(h->b));
    e = seal(key, handle_aad(person, h->quarter, aad),
             slice_of(h->b, sizeof(h->b)), &sealed);
    if (e == ERR_OK)
        e = sql_run(
            s, SQL_HANDLE_PUT,
            WITH(v_id(&person), v_int(h->quarter), v_blob(sealed.p, sealed.n)));
    buf_fini(&sealed);
    return e;
}

enum err store_person_handle(struct store *s, struct id person, uint64_t now_ms,
                             uint8_t handle[16])
{
    bool found;
    struct handle h = {.quarter = quarter_of(now_ms)};
    enum err e = sql_row(s, SQL_HANDLE_GET,
                         WITH(v_id(&person), v_int(h.quarter)), &found);
    if (e != ERR_OK)
        return e;
    if (found) {
        e = open_handle(s, person, col_slice(s, SQL_HANDLE_GET, 0), &h);
        enum err d = sql_done(s, SQL_HANDLE_GET);
        e = d != ERR_OK ? d : e;
    }
    if (!found || e == ERR_NOT_FOUND) /* none, or lost with its key */
        e = new_handle(s, person, &h);
    memcpy(handle, h.b, sizeof(h.b));
    return e;
}

/* Adds the handle of the row that HANDLE_ALL stands at. */
static enum err add_handle(struct store *s, struct id person,
                           struct handle **all, size_t *n, size_t *cap)
{
    enum err e = grow((void **)all, *n, cap, sizeof(**all));
    if (e != ERR_OK)
        return e;
    struct handle *h = &(*all)[*n];
    h->quarter = col_int(s, SQL_HANDLE_ALL, 0);
    e = open_handle(s, person, col_slice(s, SQL_HANDLE_ALL, 1), h);
    *n += e == ERR_OK;
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

enum err store_person_handles(struct store *s, struct id person,
                              struct handle **out, size_t *n)
{
    size_t cap = 0;
    bool more;
    *out = NULL;
    *n = 0;
    enum err e = sql_row(s, SQL_HANDLE_ALL, WITH(v_id(&person)), &more);
    while (e == ERR_OK && more) {
        e = add_handle(s, person, out, n, &cap);
        if (e == ERR_OK)
            e = sql_next(s, SQL_HANDLE_ALL, &more);
    }
    if (e == ERR_OK)
        return ERR_OK;
    sql_abandon(s, SQL_HANDLE_ALL);
    free(*out);
    *out = NULL;
    *n = 0;
    return e;
}

/* ---- consents ---- */

/* Room for one more, NULL: full. */
static struct grant_recipient *next_recipient(struct grant *g, bool excepted)
{
    if (excepted)
        return g->except_count < GRANT_EXCEPT ? &g->except[g->except_count++]
                                              : NULL;
    return g->to_count < GRANT_RECIPIENTS ? &g->to[g->to_count++] : NULL;
}

static enum err read_recipients(struct store *s, struct id person,
                                struct grant *g)
{
    const enum statement q = SQL_CONSENT_TO_ALL;
    bool more;
    enum err e =
        sql_row(s, q, WITH(v_id(&person), v_blob(g->ref, ID_BYTES)), &more);
    while (e == ERR_OK && more) {
        struct grant_recipient *to = next_recipient(g, col_int(s, q, 0) != 0);
        if (to == NULL) {
            s->damaged = true;
            return sql_done(s, q);
        }
        col_text(s, q, 1, to->agency, sizeof(to->agency));
        col_text(s, q, 2, to->role, sizeof(to->role));
        col_text(s, q, 3, to->place, sizeof(to->place));
        e = sql_next(s, q, &more);
    }
    return e;
}

static void read_grant(struct store *s, struct grant *g)
{
    const enum statement q = SQL_CONSENT_ALL;
    memset(g, 0, sizeof(*g));
    col_bytes(s, q, 0, g->ref, ID_BYTES);
    g->kind = (enum grant_kind)col_int(s, q, 1);
    g->withdrawn = col_int(s, q, 2) != 0;
    col_text(s, q, 3, g->purpose, sizeof(g->purpose));
    g->classes = col_int(s, q, 4);
    g->from_day = (int32_t)(int64_t)col_int(s, q, 5);
    g->to_day = (int32_t)(int64_t)col_int(s, q, 6);
    g->leaf = col_int(s, q, 7);
    g->superseded = col_int(s, q, 8) != 0;
    g->third = col_int(s, q, 9) != 0;
    g->paper = col_int(s, q, 10) != 0;
    col_text(s, q, 11, g->collector, sizeof(g->collector));
    g->withdrawn_leaf = col_int(s, q, 12);
    g->until_leaf = col_int(s, q, 13);
}

static enum err read_grants(struct store *s, struct id person,
                            struct grant **out, size_t *n)
{
    size_t cap = 0;
    bool more;
    enum err e = sql_row(s, SQL_CONSENT_ALL, WITH(v_id(&person)), &more);
    while (e == ERR_OK && more) {
        e = grow((void **)out, *n, &cap, sizeof(**out));
        if (e != ERR_OK)
            break;
        read_grant(s, &(*out)[(*n)++]);
        e = sql_next(s, SQL_CONSENT_ALL, &more);
    }
    if (e != ERR_OK)
        sql_abandon(s, SQL_CONSENT_ALL);
    for (size_t i = 0; e == ERR_OK && i < *n; i++)
        e = read_recipients(s, person, &(*out)[i]);
    return e;
}

enum err store_grants(struct store *s, struct id person, struct grant **out,
                      size_t *n)
{
    *out = NULL;
    *n = 0;
    if (id_is_zero(person))
        return ERR_OK;
    enum err e = read_grants(s, person, out, n);
    if (e != ERR_OK) {
        free(*out);
        *out = NULL;
        *n = 0;
    }
    return e;
}

static enum err put_recipients(struct store *s, struct id person,
                               const struct grant *g, bool excepted)
{
    const struct grant_recipient *to = excepted ? g->except : g->to;
    size_t n = excepted ? g->except_count : g->to_count;
    enum err e = ERR_OK;
    for (size_t i = 0; e == ERR_OK && i < n; i++)
        e = sql_run(s, SQL_CONSENT_TO_PUT,
                    WITH(v_id(&person), v_blob(g->ref, ID_BYTES),
                         v_int(excepted), v_int(i), v_text(to[i].agency),
                         v_text(to[i].role), v_text(to[i].place)));
    return e;
}

enum err store_grant_add(struct store *s, struct id person,
                         const struct grant *g)
{
    assert(g->to_count <= GRANT_RECIPIENTS && g->except_count <= GRANT_EXCEPT);
    enum err e = sql_run_one(s, SQL_PERSON_CHANGED, WITH(v_id(&person)));
    if (e == ERR_OK)
        e = sql_run(s, SQL_CONSENT_PUT,
                    WITH(v_id(&person), v_blob(g->ref, ID_BYTES),
                         v_int(g->kind), v_int(g->withdrawn),
                         v_text(g->purpose), v_int(g->classes),
                         v_int((uint64_t)(int64_t)g->from_day),
                         v_int((uint64_t)(int64_t)g->to_day), v_int(g->leaf),
                         v_int(g->superseded), v_int(g->third), v_int(g->paper),
                         v_text(g->collector), v_int(g->withdrawn_leaf),
                         v_int(g->until_leaf)));
    if (e == ERR_OK)
        e = put_recipients(s, person, g, false);
    return e != ERR_OK ? e : put_recipients(s, person, g, true);
}

/* One that ends is a change; ending what is over changes nothing. */
static enum err end_grant(struct store *s, enum statement q, struct id person,
                          const uint8_t *ref, uint64_t leaf, size_t *n)
{
    struct value which = {VALUE_NULL, 0, SLICE_NONE};
    if (ref != NULL)
        which = v_blob(ref, ID_BYTES);
    *n = 0;
    enum err e = sql_run(s, q, WITH(v_id(&person), which, v_int(leaf)));
    if (e != ERR_OK)
        return e;
    *n = (size_t)sqlite3_changes(s->db);
    return *n == 0 ? ERR_OK
                   : sql_run_one(s, SQL_PERSON_CHANGED, WITH(v_id(&person)));
}

enum err store_grant_withdraw(struct store *s, struct id person,
                              const uint8_t *ref, uint64_t leaf, size_t *n)
{
    return end_grant(s, SQL_CONSENT_WITHDRAW, person, ref, leaf, n);
}

enum err store_grant_supersede(struct store *s, struct id person,
                               const uint8_t *ref, uint64_t leaf, size_t *n)
{
    return end_grant(s, SQL_CONSENT_SUPERSEDE, person, ref, leaf, n);
}
