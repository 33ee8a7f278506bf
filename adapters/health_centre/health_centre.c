/* health_centre.c - adapter of a public health centre (保健所).
 *
 * Filings arrive as printable text for the binder and as JSON. The answer is
 * their date of receipt (受理日), usually one CSV file a day: from it the
 * hospital knows that the ten days were kept.
 *
 * Deliveries become files, answers come back as files: inbox.h has the options,
 * answer.h the shapes. */
#include "adapters/connect/inbox.h"

const struct tsunagi_module tsunagi_module = {
    .abi = TSUNAGI_ADAPTER_ABI,
    .name = "health_centre",
    .about = "filings in, dates of receipt out; public health centre",
    .open = inbox_module_open,
    .close = inbox_module_close,
    .on_delivery = inbox_module_delivery,
    .on_receipt = inbox_module_receipt,
    .on_tick = inbox_module_tick,
    .tick_ms = 200,
    .on_erase = inbox_module_erase,
};
