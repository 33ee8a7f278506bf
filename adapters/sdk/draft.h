/* draft.h - an event being built, and its way into the spool. */
#ifndef TSUNAGI_SDK_DRAFT_H
#define TSUNAGI_SDK_DRAFT_H
#include "adapters/sdk/session.h"
#include "proto/wire/event.h"

/* The handle of a member of staff: 32 hex digits as they are, any other name by
 * the node's own secret, so that it is the same each time and says nothing. */
void actor_handle(const struct tsunagi_host *h, const char *text,
                  uint8_t out[ID_BYTES]);

/* Builds a draft from the JSON form of run.h. why receives "field: sentence".
 * *out is NULL on error. */
enum err draft_from_json(struct tsunagi_host *h, struct slice json,
                         struct tsunagi_draft **out,
                         struct buf *why) MUST_CHECK;
/* Validates, signs, stores; with hold the commit is the caller's. A source
 * that was sent before gives the first event's id and sets *repeated (may be
 * NULL). d stays the caller's. */
enum err draft_submit(struct tsunagi_draft *d, bool hold, struct id *event_id,
                      bool *repeated, struct buf *why) MUST_CHECK;
/* The event as it would be signed now, opened; stored nowhere. event_close
 * frees. why as above. */
enum err draft_event(struct tsunagi_draft *d, struct event **out,
                     struct buf *why) MUST_CHECK;
#define DRAFT_TO_MAX 64 /* wishes of one event */
#endif
