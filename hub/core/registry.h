/* registry.h - who takes part: agencies with their roles and places, nodes
 * with their keys. An immutable snapshot parsed from two TSV files that lie
 * outside the data directory; a change is a new snapshot. */
#ifndef TSUNAGI_CORE_REGISTRY_H
#define TSUNAGI_CORE_REGISTRY_H
#include "proto/base/tsv.h"
#include "proto/wire/sign.h"

#define ROLE_MAX 16 /* bytes of a role name with NUL */
#define AGENCY_ROLES 8
#define AGENCY_PLACES 32
struct agency {
    char code[AGENCY_MAX];
    const char *name_ja, *name_en;     /* owned by the registry */
    char role[AGENCY_ROLES][ROLE_MAX]; /* "" after the last */
    char place[AGENCY_PLACES][6];      /* muni5 it serves; "" after the last */
};
enum node_state { NODE_PENDING, NODE_ACTIVE, NODE_REVOKED };
struct node {
    struct node_public pub;
    const struct agency *agency;
    enum node_state state;
    uint64_t since_ms;
};
struct registry;
/* agencies: code name_ja name_en roles places (lists by spaces).
 * nodes: node agency state curve sign box since (keys hex, time RFC 3339).
 * why receives "file:line: sentence" lines. */
enum err registry_parse(struct slice agencies_tsv, struct slice nodes_tsv,
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
size_t registry_node_count(const struct registry *r);
const struct node *registry_node_at(const struct registry *r, size_t i);
bool agency_has_role(const struct agency *a, const char *role);
bool agency_serves(const struct agency *a, const char *muni5);
/* Appends the nodes file, for a changed set of nodes (used by `tsunagi node`
 * through the same code that reads it). */
void registry_write_nodes(const struct node *nodes, size_t n, struct buf *out);
#endif
