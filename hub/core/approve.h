/* approve.h - who may approve, and who has.
 *
 * What changes the rules for everybody, or takes something from somebody for
 * good, is signed by people, not by the hub: a policy pack (manifest.h) and an
 * order (order.h). Both are C2SP signed notes; the table approvers.tsv says
 * whose signatures count. */
#ifndef TSUNAGI_CORE_APPROVE_H
#define TSUNAGI_CORE_APPROVE_H
#include "proto/wire/note.h"

#define APPROVALS_NEEDED 2

struct approver {
    const char *name;   /* of the key, as it stands in notes */
    const char *person; /* whose it is: two keys of one person count once */
    const char *person_before; /* whose it was in the kept table */
    uint8_t sign[KEY_BYTES];
    bool active;
    bool newcomer; /* active in the file, not in the kept table */
};
struct approvers; /* opaque, owns its text */
/* Columns name person_ja sign state (active or revoked). A name or a key that
 * stands there twice is a fault. why gets "approvers.tsv:line: ..." lines. */
enum err approvers_parse(struct slice tsv, struct approvers **out,
                         struct buf *why) MUST_CHECK;
void approvers_free(struct approvers **a);
/* Holds the file of today against the table kept at the last activation: only
 * who is active in both, under the same name and key, stays active. a borrows
 * from kept afterwards. */
void approvers_anchor(struct approvers *a, const struct approvers *kept);
/* Different people whose signatures count. */
size_t approvers_people(const struct approvers *a);

#define APPROVALS_MAX 16 /* people; more count no more */
struct approvals {
    size_t n; /* one of each person */
    const struct approver *by[APPROVALS_MAX];
};
/* Who of the table has signed a note. Strangers are passed over. ERR_INTEGRITY
 * for what is no signed note, ERR_POL_APPROVALS when a signature in the name
 * of an approver is false. why gets lines that begin with what. */
enum err approve_count(struct slice note, const struct approvers *list,
                       const char *what, struct approvals *by,
                       struct buf *why) MUST_CHECK;
/* Adds a signature line to a note ("text, empty line, lines") or to a bare
 * text; one that this name has there already is replaced. ERR_INTEGRITY. */
enum err approve_sign(struct slice note, const struct node_keys *key,
                      struct buf *out) MUST_CHECK;
#endif
