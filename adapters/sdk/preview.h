/* preview.h - what would pass, before anything is sent. */
#ifndef TSUNAGI_SDK_PREVIEW_H
#define TSUNAGI_SDK_PREVIEW_H
#include "adapters/sdk/draft.h"

/* The question to the hub for the operation `preview`: what kind of event, of
 * whom, which kinds of data, to whom; nothing of its content. */
#define PREVIEW_ARGS (5 + DRAFT_TO_MAX)
struct preview {
    char value[PREVIEW_ARGS][160];
    Pb__AskArgument arg[PREVIEW_ARGS], *args[PREVIEW_ARGS];
    Pb__Ask ask;
};
/* From the argument json, an event as for `send`; it is checked as that is,
 * and stored nowhere. why receives "field: sentence". */
enum err preview_ask(struct tsunagi_host *h, const struct node_arg *args,
                     size_t n, struct preview *out, struct buf *why) MUST_CHECK;
#endif
