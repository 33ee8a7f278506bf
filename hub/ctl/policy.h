/* policy.h - what the policy commands share: a folder of tables, read. */
#ifndef TSUNAGI_CTL_POLICY_H
#define TSUNAGI_CTL_POLICY_H
#include "hub/core/manifest.h"
#include "hub/ctl/ctl.h"
#include "hub/ctl/matrix.h"

struct pack {
    struct buf text[PACK_FILES];
    struct slice files[PACK_FILES]; /* the same, borrowed */
    struct policy *policy;
};
/* Reads the files only. On trouble prints it; an exit code. */
int pack_read_files(const struct ctl *c, const char *folder, struct pack *p);
/* One fault of the tables: "rules.tsv:97 classes" and what is wrong there. */
typedef void fault_told(void *ctx, const char *where, const char *text);
/* What policy_parse wrote into why, fault by fault, in the reader's language.
 */
void policy_faults(const struct ctl *c, const struct pack *p,
                   const struct buf *why, fault_told *told, void *ctx);
/* Reads and compiles; every fault is printed, one a line. */
int pack_load(const struct ctl *c, const char *folder, struct pack *p);
void pack_fini(struct pack *p);
/* The moment the tables are looked at: --day at noon, else now. */
int policy_day(const struct ctl *c, uint64_t *now_ms);
/* Appends labels of classes, and of the facts of a situation, for people. */
void policy_labels(const struct ctl *c, uint64_t classes, struct buf *out);
void policy_facts(const struct ctl *c, const struct policy *p,
                  const struct situation *s, struct buf *out);
#endif
