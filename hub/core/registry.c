/* registry.c - the register of agencies, places and nodes, read from tables.
 *
 *   agencies.tsv        code name_ja name_en roles places government
 *                       [address representative]
 *   municipalities.tsv  muni5 name_ja kind prefecture enabled
 *   nodes.tsv           node agency state curve sign box witness since
 *
 * Everything is checked before anything is believed, and all faults of a file
 * are told at once. Agencies are sorted by code and nodes by name; nodes have
 * a second index by CURVE key, because that is all ZAP knows of a caller. The
 * agency HUB is there without a row: it has neither role nor node, so no row
 * can make a node speak as the hub. Names stay in the parsed table, which the
 * registry owns. */
#include "hub/core/registry.h"
#include "proto/base/date.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct registry {
    struct tsv *agencies_tsv, *places_tsv, *nodes_tsv;
    struct agency *agency;
    size_t agency_count;
    struct municipality *place;
    size_t place_count;
    struct node *node;
    size_t node_count;
    const struct node **by_curve;
    struct agency hub;
};

/* Where faults are told. */
struct reading {
    const char *file;
    const struct tsv *t;
    struct buf *why;
    size_t row;
    size_t faults;
};

static void fault(struct reading *r, const char *column, const char *sentence)
{
    r->faults++;
    buf_addf(r->why, "%s:%zu: %s: %s\n", r->file, tsv_line(r->t, r->row),
             column, sentence);
}

static const char *cell(const struct reading *r, const char *column)
{
    return tsv_cell(r->t, r->row, column);
}

/* The next word of a list; its length, 0 at the end. */
static size_t next_word(const char **s)
{
    *s += strspn(*s, " ");
    return strcspn(*s, " ");
}

static bool is_role_name(const char *s, size_t n)
{
    return n < ROLE_MAX &&
           strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") >= n;
}

static void read_roles(struct reading *r, struct agency *a)
{
    size_t count = 0;
    const char *s = cell(r, "roles");
    for (size_t n; (n = next_word(&s)) > 0; s += n) {
        char role[ROLE_MAX] = "";
        if (!is_role_name(s, n)) {
            fault(r, "roles", "not a name of a role");
            continue;
        }
        memcpy(role, s, n);
        if (agency_has_role(a, role))
            fault(r, "roles", "a role is named twice");
        else if (count == AGENCY_ROLES)
            fault(r, "roles", "too many roles");
        else
            memcpy(a->role[count++], role, sizeof(role));
    }
    if (count == 0)
        fault(r, "roles", "an agency needs a role");
}

static void read_places(struct reading *r, struct agency *a)
{
    size_t count = 0;
    const char *s = cell(r, "places");
    for (size_t n; (n = next_word(&s)) > 0; s += n) {
        enum err e = code_check_muni5(slice_of(s, n));
        if (e != ERR_OK)
            fault(r, "places", err_en(e));
        else if (count == AGENCY_PLACES)
            fault(r, "places", "too many places");
        else
            memcpy(a->place[count++], s, 5);
    }
}

/* Five digits into to; an empty cell leaves it empty. */
static void read_muni5(struct reading *r, const char *column, char to[6])
{
    const char *s = cell(r, column);
    if (s[0] == '\0')
        return;
    enum err e = code_check_muni5(slice_str(s));
    if (e != ERR_OK)
        fault(r, column, err_en(e));
    else
        memcpy(to, s, 6);
}

static void read_agency(struct reading *r, struct agency *a)
{
    const char *code = cell(r, "code");
    if (strcmp(code, HUB_AGENCY) == 0) {
        fault(r, "code", "the hub takes part by itself and has no row");
    } else if (strlen(code) >= AGENCY_MAX) {
        fault(r, "code", err_en(ERR_VAL_CODE_LENGTH));
    } else {
        enum err e = code_check_agency(code);
        if (e != ERR_OK)
            fault(r, "code", err_en(e));
        memcpy(a->code, code, strlen(code) + 1);
    }
    a->name_ja = cell(r, "name_ja");
    a->name_en = cell(r, "name_en");
    a->address = cell(r, "address");
    a->representative = cell(r, "representative");
    if (a->name_ja[0] == '\0' || a->name_en[0] == '\0')
        fault(r, "name_ja", "a name is needed in Japanese and in English");
    read_roles(r, a);
    read_places(r, a);
    read_muni5(r, "government", a->government);
}

static int by_code(const void *x, const void *y)
{
    const struct agency *a = x, *b = y;
    return strcmp(a->code, b->code);
}

static int by_name(const void *x, const void *y)
{
    const struct node *a = x, *b = y;
    return strcmp(a->pub.node, b->pub.node);
}

static int by_curve(const void *x, const void *y)
{
    const struct node *const *a = x, *const *b = y;
    return memcmp((*a)->pub.curve, (*b)->pub.curve, KEY_BYTES);
}

static enum err read_agencies(struct registry *r, struct slice text,
                              struct buf *why)
{
    static const char *const COLUMNS[] = {
        "code", "name_ja", "name_en", "roles", "places", "government", NULL};
    struct reading in = {.file = "agencies.tsv", .why = why};
    enum err e = tsv_parse(in.file, text, COLUMNS, &r->agencies_tsv, why);
    if (e != ERR_OK)
        return e;
    in.t = r->agencies_tsv;
    size_t rows = tsv_rows(in.t);
    r->agency = calloc(rows + 1, sizeof(*r->agency));
    if (r->agency == NULL)
        return ERR_NOMEM;
    for (; in.row < rows; in.row++)
        read_agency(&in, &r->agency[in.row]);
    if (in.faults > 0)
        return ERR_CONF_SYNTAX;
    r->agency_count = rows;
    qsort(r->agency, rows, sizeof(*r->agency), by_code);
    for (size_t i = 1; i < rows; i++)
        if (by_code(&r->agency[i - 1], &r->agency[i]) == 0) {
            buf_addf(why, "%s: %s: the code has two rows\n", in.file,
                     r->agency[i].code);
            return ERR_CONF_SYNTAX;
        }
    return ERR_OK;
}

/* ---- municipalities ---- */

static const char *const KINDS[PLACE_KINDS] = {
    [PLACE_PREFECTURE] = "prefecture",
    [PLACE_DESIGNATED] = "designated",
    [PLACE_HC_CITY] = "hc_city",
    [PLACE_OTHER] = "other",
};

static void read_kind(struct reading *r, struct municipality *m)
{
    const char *s = cell(r, "kind");
    for (int i = 0; i < PLACE_KINDS; i++)
        if (strcmp(s, KINDS[i]) == 0) {
            m->kind = (enum place_kind)i;
            return;
        }
    fault(r, "kind", "must be prefecture, designated, hc_city or other");
}

static void read_municipality(struct reading *r, struct municipality *m)
{
    read_muni5(r, "muni5", m->muni5);
    read_muni5(r, "prefecture", m->prefecture);
    if (m->muni5[0] == '\0' || m->prefecture[0] == '\0')
        fault(r, "muni5", "the place and its prefecture are needed");
    read_kind(r, m);
    if ((m->kind == PLACE_PREFECTURE) != (strcmp(m->muni5, m->prefecture) == 0))
        fault(r, "prefecture", "a prefecture, and nothing else, names itself");
    m->name_ja = cell(r, "name_ja");
    if (m->name_ja[0] == '\0')
        fault(r, "name_ja", "a name is needed");
    m->enabled = cell(r, "enabled");
}

static int by_muni5(const void *x, const void *y)
{
    const struct municipality *a = x, *b = y;
    return strcmp(a->muni5, b->muni5);
}

/* Sorted, each once, each in a prefecture that has a row. */
static enum err index_places(struct registry *r, struct buf *why)
{
    enum err e = ERR_OK;
    qsort(r->place, r->place_count, sizeof(*r->place), by_muni5);
    for (size_t i = 0; i < r->place_count; i++) {
        const struct municipality *m = &r->place[i], *in;
        in = registry_municipality(r, m->prefecture);
        if (i > 0 && by_muni5(m - 1, m) == 0) {
            buf_addf(why, "municipalities.tsv: %s: the place has two rows\n",
                     m->muni5);
            e = ERR_CONF_SYNTAX;
        }
        if (in == NULL || in->kind != PLACE_PREFECTURE) {
            buf_addf(why, "municipalities.tsv: %s: no row for its prefecture\n",
                     m->muni5);
            e = ERR_CONF_SYNTAX;
        }
    }
    return e;
}

static enum err read_municipalities(struct registry *r, struct slice text,
                                    struct buf *why)
{
    static const char *const COLUMNS[] = {"muni5",      "name_ja", "kind",
                                          "prefecture", "enabled", NULL};
    struct reading in = {.file = "municipalities.tsv", .why = why};
    if (text.n == 0)
        return ERR_OK;
    enum err e = tsv_parse(in.file, text, COLUMNS, &r->places_tsv, why);
    if (e != ERR_OK)
        return e;
    in.t = r->places_tsv;
    r->place_count = tsv_rows(in.t);
    r->place = calloc(r->place_count + 1, sizeof(*r->place));
    if (r->place == NULL)
        return ERR_NOMEM;
    for (; in.row < r->place_count; in.row++)
        read_municipality(&in, &r->place[in.row]);
    return in.faults > 0 ? ERR_CONF_SYNTAX : index_places(r, why);
}

/* An agency at a place that no row explains would be found by no function. */
static enum err check_places(const struct registry *r, struct buf *why)
{
    enum err e = ERR_OK;
    for (size_t i = 0; r->place_count > 0 && i < r->agency_count; i++) {
        const struct agency *a = &r->agency[i];
        const char *bad = NULL;
        for (size_t k = 0; k < AGENCY_PLACES && a->place[k][0] != '\0'; k++)
            if (registry_municipality(r, a->place[k]) == NULL)
                bad = a->place[k];
        if (a->government[0] != '\0' &&
            registry_municipality(r, a->government) == NULL)
            bad = a->government;
        if (bad == NULL)
            continue;
        buf_addf(why, "agencies.tsv: %s: %s is not in municipalities.tsv\n",
                 a->code, bad);
        e = ERR_CONF_SYNTAX;
    }
    return e;
}

/* ---- nodes ---- */

static const char *const STATES[] = {
    [NODE_PENDING] = "pending",
    [NODE_ACTIVE] = "active",
    [NODE_REVOKED] = "revoked",
};

static void read_state(struct reading *r, struct node *n)
{
    const char *s = cell(r, "state");
    for (size_t i = 0; i < NELEM(STATES); i++)
        if (strcmp(s, STATES[i]) == 0) {
            n->state = (enum node_state)i;
            return;
        }
    fault(r, "state", "must be pending, active or revoked");
}

static void read_key(struct reading *r, const char *column,
                     uint8_t key[KEY_BYTES])
{
    static const uint8_t NONE[KEY_BYTES];
    const char *s = cell(r, column);
    if (strlen(s) != 2 * KEY_BYTES || hex_decode(s, key, KEY_BYTES) != ERR_OK)
        fault(r, column, "a key is 64 hex digits");
    else if (memcmp(key, NONE, KEY_BYTES) == 0)
        fault(r, column, "not a key");
}

static void read_node(struct reading *in, const struct registry *r,
                      struct node *n)
{
    const char *name = cell(in, "node"), *agency = cell(in, "agency");
    if (code_check_node(name) != ERR_OK || strlen(name) >= NODE_MAX)
        fault(in, "node", "not a name of a node");
    else
        memcpy(n->pub.node, name, strlen(name) + 1);
    n->agency = registry_agency(r, agency);
    if (n->agency == NULL || n->agency == &r->hub)
        fault(in, "agency", "no such agency in agencies.tsv");
    read_state(in, n);
    read_key(in, "curve", n->pub.curve);
    read_key(in, "sign", n->pub.sign);
    read_key(in, "box", n->pub.box);
    read_key(in, "witness", n->pub.witness);
    if (time_parse(cell(in, "since"), &n->since_ms) != ERR_OK)
        fault(in, "since", "not a time such as 2026-04-01T09:00:00+09:00");
}

/* A key or a name that two nodes share would make one pass for the other. */
static enum err index_nodes(struct registry *r, struct buf *why)
{
    r->by_curve = calloc(r->node_count + 1, sizeof(struct node *));
    if (r->by_curve == NULL)
        return ERR_NOMEM;
    qsort(r->node, r->node_count, sizeof(*r->node), by_name);
    for (size_t i = 0; i < r->node_count; i++)
        r->by_curve[i] = &r->node[i];
    qsort(r->by_curve, r->node_count, sizeof(struct node *), by_curve);
    enum err e = ERR_OK;
    for (size_t i = 1; i < r->node_count; i++) {
        if (by_name(&r->node[i - 1], &r->node[i]) == 0) {
            buf_addf(why, "nodes.tsv: %s: the node has two rows\n",
                     r->node[i].pub.node);
            e = ERR_CONF_SYNTAX;
        }
        if (by_curve(&r->by_curve[i - 1], &r->by_curve[i]) == 0) {
            buf_addf(why, "nodes.tsv: %s and %s have the same key\n",
                     r->by_curve[i - 1]->pub.node, r->by_curve[i]->pub.node);
            e = ERR_CONF_SYNTAX;
        }
    }
    return e;
}

static enum err read_nodes(struct registry *r, struct slice text,
                           struct buf *why)
{
    static const char *const COLUMNS[] = {"node", "agency", "state", "curve",
                                          "sign", "box",    "since", NULL};
    struct reading in = {.file = "nodes.tsv", .why = why};
    size_t rows = 0;
    if (text.n > 0) { /* a region without a node yet has an empty file */
        enum err e = tsv_parse(in.file, text, COLUMNS, &r->nodes_tsv, why);
        if (e != ERR_OK)
            return e;
        in.t = r->nodes_tsv;
        rows = tsv_rows(in.t);
    }
    r->node = calloc(rows + 1, sizeof(*r->node));
    if (r->node == NULL)
        return ERR_NOMEM;
    for (; in.row < rows; in.row++)
        read_node(&in, r, &r->node[in.row]);
    if (in.faults > 0)
        return ERR_CONF_SYNTAX;
    r->node_count = rows;
    return index_nodes(r, why);
}

enum err registry_parse(struct slice agencies_tsv,
                        struct slice municipalities_tsv, struct slice nodes_tsv,
                        struct registry **out, struct buf *why)
{
    assert(out != NULL && why != NULL);
    *out = NULL;
    struct registry *r = calloc(1, sizeof(*r));
    if (r == NULL)
        return ERR_NOMEM;
    memcpy(r->hub.code, HUB_AGENCY, sizeof(HUB_AGENCY));
    r->hub.name_ja = "ハブ";
    r->hub.name_en = "the hub";
    enum err e = read_agencies(r, agencies_tsv, why);
    if (e == ERR_OK)
        e = read_municipalities(r, municipalities_tsv, why);
    if (e == ERR_OK)
        e = check_places(r, why);
    if (e == ERR_OK)
        e = read_nodes(r, nodes_tsv, why);
    if (e != ERR_OK)
        goto fail;
    *out = r;
    return ERR_OK;
fail:
    registry_free(&r);
    return e;
}

void registry_free(struct registry **r)
{
    if (r == NULL || *r == NULL)
        return;
    tsv_free(&(*r)->agencies_tsv);
    tsv_free(&(*r)->places_tsv);
    tsv_free(&(*r)->nodes_tsv);
    free((*r)->agency);
    free((*r)->place);
    free((*r)->node);
    free((*r)->by_curve);
    free(*r);
    *r = NULL;
}

const struct agency *registry_agency(const struct registry *r, const char *code)
{
    if (code == NULL)
        return NULL;
    if (strcmp(code, HUB_AGENCY) == 0)
        return &r->hub;
    size_t lo = 0, hi = r->agency_count;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        int d = strcmp(code, r->agency[mid].code);
        if (d == 0)
            return &r->agency[mid];
        if (d < 0)
            hi = mid;
        else
            lo = mid + 1;
    }
    return NULL;
}

const struct node *registry_node(const struct registry *r, const char *name)
{
    size_t lo = 0, hi = name == NULL ? 0 : r->node_count;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        int d = strcmp(name, r->node[mid].pub.node);
        if (d == 0)
            return &r->node[mid];
        if (d < 0)
            hi = mid;
        else
            lo = mid + 1;
    }
    return NULL;
}

const struct node *registry_node_by_curve(const struct registry *r,
                                          const uint8_t key[KEY_BYTES])
{
    size_t lo = 0, hi = r->node_count;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        int d = memcmp(key, r->by_curve[mid]->pub.curve, KEY_BYTES);
        if (d == 0)
            return r->by_curve[mid];
        if (d < 0)
            hi = mid;
        else
            lo = mid + 1;
    }
    return NULL;
}

size_t registry_agency_count(const struct registry *r)
{
    return r->agency_count;
}

const struct agency *registry_agency_at(const struct registry *r, size_t i)
{
    assert(i < r->agency_count);
    return &r->agency[i];
}

const struct municipality *registry_municipality(const struct registry *r,
                                                 const char *muni5)
{
    size_t lo = 0, hi = r->place_count;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        int d = strcmp(muni5, r->place[mid].muni5);
        if (d == 0)
            return &r->place[mid];
        if (d < 0)
            hi = mid;
        else
            lo = mid + 1;
    }
    return NULL;
}

const struct municipality *registry_upper(const struct registry *r,
                                          const char *muni5)
{
    const struct municipality *m = registry_municipality(r, muni5);
    if (m == NULL || m->kind == PLACE_DESIGNATED)
        return m;
    return registry_municipality(r, m->prefecture);
}

bool municipality_enabled(const struct municipality *m, const char *event)
{
    const char *s = m->enabled;
    for (size_t n; (n = next_word(&s)) > 0; s += n)
        if (strlen(event) == n && strncmp(s, event, n) == 0)
            return true;
    return false;
}

size_t registry_node_count(const struct registry *r)
{
    return r->node_count;
}

const struct node *registry_node_at(const struct registry *r, size_t i)
{
    assert(i < r->node_count);
    return &r->node[i];
}

bool agency_has_role(const struct agency *a, const char *role)
{
    for (size_t i = 0; i < AGENCY_ROLES && a->role[i][0] != '\0'; i++)
        if (strcmp(a->role[i], role) == 0)
            return true;
    return false;
}

bool agency_serves(const struct agency *a, const char *muni5)
{
    for (size_t i = 0; i < AGENCY_PLACES && a->place[i][0] != '\0'; i++)
        if (strcmp(a->place[i], muni5) == 0)
            return true;
    return false;
}

static void write_key(struct buf *out, const uint8_t key[KEY_BYTES])
{
    buf_addc(out, '\t');
    buf_add_hex(out, slice_of(key, KEY_BYTES));
}

void registry_write_nodes(const struct node *nodes, size_t n, struct buf *out)
{
    buf_adds(out, "node\tagency\tstate\tcurve\tsign\tbox\twitness\tsince\n");
    for (size_t i = 0; i < n; i++) {
        assert(nodes[i].agency != NULL);
        char since[TIME_TEXT];
        time_jst(nodes[i].since_ms, since);
        buf_addf(out, "%s\t%s\t%s", nodes[i].pub.node, nodes[i].agency->code,
                 STATES[nodes[i].state]);
        write_key(out, nodes[i].pub.curve);
        write_key(out, nodes[i].pub.sign);
        write_key(out, nodes[i].pub.box);
        write_key(out, nodes[i].pub.witness);
        buf_addf(out, "\t%s\n", since);
    }
}
