/* delivery.h - a received event as adapters and people see it. */
#ifndef TSUNAGI_SDK_DELIVERY_H
#define TSUNAGI_SDK_DELIVERY_H
#include "adapters/sdk/include/tsunagi/adapter.h"
#include "proto/base/buf.h"
#include <jansson.h>

/* Opens a stored, packed Delivery. delivery_close frees. */
enum err delivery_open(struct slice packed,
                       struct tsunagi_delivery **out) MUST_CHECK;
void delivery_close(struct tsunagi_delivery **d);
/* The same as tsunagi_delivery_json, as a new reference; NULL: no memory. */
json_t *delivery_json(const struct tsunagi_delivery *d);
#endif
