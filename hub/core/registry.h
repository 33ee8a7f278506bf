/* registry.h - who takes part: agencies with their roles and places, the
 * municipalities these names of places mean, nodes with their keys. An
 * immutable snapshot parsed from three TSV files that lie outside the data
 * directory; a change is a new snapshot. */
#ifndef TSUNAGI_CORE_REGISTRY_H
#define TSUNAGI_CORE_REGISTRY_H
#include "proto/base/tsv.h"
#include "proto/wire/sign.h"

#define HUB_AGENCY "HUB" /* the hub among agencies; it has no row */
#define HUB_NODE "hub"   /* as sender of its own events, and in leaves */
#define ROLE_MAX 16      /* bytes of a role name with NUL */
#define AGENCY_ROLES 8
#define AGENCY_PLACES 32
struct agency {
    char code[AGENCY_MAX];
    const char *name_ja, *name_en;        /* owned by the registry */
    const char *address, *representative; /* likewise; "" when not told */
    char role[AGENCY_ROLES][ROLE_MAX];    /* "" after the last */
    char place[AGENCY_PLACES][6]; /* muni5 it serves, where it stands first;
                                     "" after the last */
    char government[6]; /* muni5 of the municipality or prefecture it acts
                           for; "": a private body */
};
/* What a local government is decides what it does. */
enum place_kind {
    PLACE_PREFECTURE,
    PLACE_DESIGNATED, /* designated city: does nearly all a prefecture does */
    PLACE_HC_CITY,    /* has a health centre of its own; special wards too */
    PLACE_OTHER,
    PLACE_KINDS
};
struct municipality {
    char muni5[6];
    const char *name_ja; /* owned by the registry */
    enum place_kind kind;
    char prefecture[6]; /* it lies in; a prefecture names itself */
    const char *enabled;
};
enum node_state { NODE_PENDING, NODE_ACTIVE, NODE_REVOKED };
struct node {
    struct node_public pub;
    const struct agency *agency;
    enum node_state state;
    uint64_t since_ms;
};
struct registry;
/* agencies: code name_ja name_en roles places government (lists by spaces),
 * and perhaps address representative.
 * municipalities: muni5 name_ja kind prefecture enabled, where kind is
 * prefecture, designated, hc_city or other, and enabled lists the events that
 * this prefecture or designated city passes on by an arrangement of its own.
 * nodes: node agency state curve sign box witness since (keys hex, time RFC
 * 3339). An empty text is an empty table of municipalities or nodes; places and
 * governments of agencies must be in a table that is not empty.
 * why receives "file:line: sentence" lines. */
enum err registry_parse(struct slice agencies_tsv,
                        struct slice municipalities_tsv, struct slice nodes_tsv,
                        struct registry **out, struct buf *why) MUST_CHECK;
void registry_free(struct registry **r);
const struct agency *registry_agency(const struct registry *r,
                                     const char *code);
const struct node *registry_node(const struct registry *r, const char *name);
/* By CURVE public key: what ZAP knows. */
const struct node *registry_node_by_curve(const struct registry *r,
                                          const uint8_t key[KEY_BYTES]);
size_t registry_agency_count(const struct registry *r);
const struct agency *registry_agency_at(const struct registry *r, size_t i);
/* NULL when the table has no such place. */
const struct municipality *registry_municipality(const struct registry *r,
                                                 const char *muni5);
/* The prefecture or designated city that orders measures at a place. */
const struct municipality *registry_upper(const struct registry *r,
                                          const char *muni5);
bool municipality_enabled(const struct municipality *m, const char *event);
size_t registry_node_count(const struct registry *r);
const struct node *registry_node_at(const struct registry *r, size_t i);
bool agency_has_role(const struct agency *a, const char *role);
bool agency_serves(const struct agency *a, const char *muni5);
/* Appends the nodes file, for a changed set of nodes (used by `tsunagi node`
 * through the same code that reads it). */
void registry_write_nodes(const struct node *nodes, size_t n, struct buf *out);
#endif
