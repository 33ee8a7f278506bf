/* show.h - one delivery opened by one person: the hub decides again, for that
 * person and this moment, and only what it permits is shown. */
#ifndef TSUNAGI_SDK_SHOW_H
#define TSUNAGI_SDK_SHOW_H
#include "adapters/sdk/session.h"

/* The question to the hub for the operation `show`: what it holds lives as
 * long as this. */
struct show {
    struct id delivery_id;
    char id_text[ID_TEXT], actor[ID_TEXT], role[64];
    Pb__AskArgument arg[3], *args[3];
    Pb__Ask ask;
};
/* From the arguments delivery_id and actor (see draft.h; the configuration's
 * when there is none). ERR_USAGE, ERR_NOT_FOUND, ERR_DLV_RECALLED; ERR_STORE.
 */
enum err show_ask(struct tsunagi_host *h, const struct node_arg *args, size_t n,
                  struct show *out) MUST_CHECK;
/* What is shown, from the hub's answer, or from none: then only under the
 * lease, and it says so. Committed on return. */
enum err show_answer(struct tsunagi_host *h, struct id delivery_id, enum err e,
                     const Pb__Answer *m, struct node_answer *a) MUST_CHECK;
#endif
