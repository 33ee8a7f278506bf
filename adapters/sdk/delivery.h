/* delivery.h - a received event as adapters and people see it. */
#ifndef TSUNAGI_SDK_DELIVERY_H
#define TSUNAGI_SDK_DELIVERY_H
#include "adapters/sdk/include/tsunagi/adapter.h"
#include "proto/base/buf.h"
#include <jansson.h>

/* Opens a stored, packed Delivery. delivery_close frees. */
enum err delivery_open(struct slice packed,
                       struct tsunagi_delivery **out) MUST_CHECK;
/* The same without what break-glass opened: that is for the one person who
 * opened it, so no module and no program may have it (the hub is asked, and
 * show.c opens). JSON and page say what was left out. */
enum err delivery_open_shared(struct slice packed,
                              struct tsunagi_delivery **out) MUST_CHECK;
/* The same with no more than these classes of it. */
enum err delivery_open_for(struct slice packed, uint64_t classes,
                           struct tsunagi_delivery **out) MUST_CHECK;
/* The role it was released to; "" when it has none. */
const char *delivery_role(const struct tsunagi_delivery *d);
void delivery_close(struct tsunagi_delivery **d);
/* The same as tsunagi_delivery_json, as a new reference; NULL: no memory. */
json_t *delivery_json(const struct tsunagi_delivery *d);
#endif
