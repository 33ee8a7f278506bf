/* inbox.h - deliveries as files, answers and new events as JSON files.
 *
 * For agencies whose staff (or whose own program) work with folders. Options
 * of the module's group, with their defaults:
 *   inbox    = "inbox"     each delivery as EVENTID.txt and EVENTID.json
 *   answers  = "answers"   JSON and CSV files that become events (folder.h)
 *   receipts = "receipts"  the hub's answer to each event, EVENTID.json, and
 *                          EVENTID.txt when it says more than yes
 * answer.h has the shapes of the answers. */
#ifndef TSUNAGI_CONNECT_INBOX_H
#define TSUNAGI_CONNECT_INBOX_H
#include "adapters/connect/folder.h"

struct inbox; /* opaque */

/* types: what may be sent from here, ending with NULL, or NULL for any type
 * (borrowed). E-IO-001, E-INT-002. *out is NULL on error. */
tsunagi_code inbox_open(struct tsunagi_host *h, const char *const *types,
                        struct inbox **out);
/* Frees *in and sets it to NULL. Accepts NULL. */
void inbox_close(struct inbox **in);
/* Writes the delivery; NULL when both files are on disk. The .json is written
 * last: where it is, the .txt is complete. The same delivery again replaces
 * its files; another one of the same event gets EVENTID-2. */
tsunagi_code inbox_take(struct inbox *in, const struct tsunagi_delivery *d);
/* Reads the answers folder. Call it on each tick. */
void inbox_scan(struct inbox *in);
/* Files the hub's receipt. */
void inbox_receipt(struct inbox *in, const struct tsunagi_receipt *r);
/* A person is erased: removes their deliveries, receipts and answers. each (may
 * be NULL) is called with the JSON and the id of each delivery before its files
 * go; false keeps them. E-IO-001: something could not be removed. */
typedef bool inbox_each(void *self, const char *json, const char *delivery_id);
tsunagi_code inbox_erase(struct inbox *in, const struct tsunagi_erasure *e,
                         inbox_each *each, void *self);
/* The JSON of the delivery of that event (free), NULL when there is none. */
char *inbox_delivery(const struct inbox *in, const char *event_id);
bool inbox_may_send(const struct inbox *in, const char *type);
struct tsunagi_host *inbox_host(const struct inbox *in);

/* The calls of a module that is an inbox and nothing more: any type the hub
 * lets the agency send. Its self is a struct inbox. */
tsunagi_code inbox_module_open(struct tsunagi_host *h, void **self);
void inbox_module_close(void *self);
tsunagi_code inbox_module_delivery(void *self,
                                   const struct tsunagi_delivery *d);
void inbox_module_receipt(void *self, const struct tsunagi_receipt *r);
void inbox_module_tick(void *self);
tsunagi_code inbox_module_erase(void *self, const struct tsunagi_erasure *e);
#endif
