/* audit.h - an exported log: written by asking the hub, verified without it.
 *
 * Verifying has two parts that know nothing of each other: the bytes
 * (audit_verify.c: B-...) and what the leaves say (audit_meaning.c: M-...).
 * Both tell what they find; nothing stops at the first finding. */
#ifndef TSUNAGI_CTL_AUDIT_H
#define TSUNAGI_CTL_AUDIT_H
#include "hub/core/hub_config.h"
#include "hub/ctl/tiles.h"
#include "proto/wire/note.h"
#include "tsunagi/v1/envelope.pb-c.h"

/* ---- findings ---- */

struct audit_finding {
    uint64_t leaf;              /* or the size, when it is not about one leaf */
    const char *rule, *ja, *en; /* static */
    char path[128];             /* of a file in the folder; "" when of none */
};
#define FINDINGS_KEPT 100
struct audit_findings {
    uint64_t count, bytes; /* all of them; those about bytes (B-...) */
    struct audit_finding kept[FINDINGS_KEPT];
};
void audit_found(struct audit_findings *f, uint64_t leaf, const char *rule,
                 const char *ja, const char *en);
/* The same, about a file. */
void audit_found_file(struct audit_findings *f, const char *path,
                      const char *rule, const char *ja, const char *en);

/* ---- what the leaves say ---- */

struct meaning; /* opaque: 64 bytes a leaf, 32 more for some kinds */
/* For a log of size leaves whose head has this origin. Findings go to f
 * (borrowed, must outlive it). ERR_NOMEM, ERR_IO. */
enum err meaning_open(uint64_t size, const char *origin,
                      struct audit_findings *f,
                      struct meaning **out) MUST_CHECK;
/* Takes the leaves in order, from the first. ERR_NOMEM, ERR_IO. */
enum err meaning_take(struct meaning *m, const Pb__AuditLeaf *leaf,
                      struct slice bytes) MUST_CHECK;
/* What is due at the end of the log; waits for the signatures. Ends *m; NULL
 * is fine. ERR_IO, ERR_NOMEM: not everything was looked at. */
enum err meaning_close(struct meaning **m) MUST_CHECK;

/* ---- the folder ---- */

struct audit_trust { /* what the one who verifies brings along; each or NULL */
    const struct vkey *log;
    const char *policy, *older; /* files */
};
struct audit_report {
    char origin[ORIGIN_MAX];
    uint64_t size;
    struct hash root;
    size_t witnesses, cosigned; /* of the policy; that signed this head */
    bool has_policy;
    struct audit_findings found;
};
/* Verifies a folder. ERR_OK when everything was looked at, whatever was found;
 * ERR_NOMEM, ERR_IO otherwise. */
enum err audit_verify(const char *folder, const struct audit_trust *trust,
                      struct audit_report *r) MUST_CHECK;
/* The log's key as --vkey or the configuration of a node says it. Prints what
 * went wrong; EXIT_... */
struct ctl;
int audit_trusted_key(struct ctl *c, struct vkey *out);
/* Asks the hub and writes a new folder. newest: the newest head, also when no
 * quorum of witnesses has signed it yet. ERR_NOT_FOUND: no such head yet. */
enum err audit_export(const struct hub_config *hub, const char *folder,
                      bool newest, int timeout_ms) MUST_CHECK;
#endif
