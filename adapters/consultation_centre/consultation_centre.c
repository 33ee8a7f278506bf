/* consultation_centre.c - adapter of a base consultation centre
 * (基幹相談支援センター).
 *
 * Introductions and plans come in; answers, registrations for emergencies and
 * emergency requests go out.
 *
 * Deliveries become files, answers come back as files: inbox.h has the options,
 * answer.h the shapes. */
#include "adapters/connect/inbox.h"

const struct tsunagi_module tsunagi_module = {
    .abi = TSUNAGI_ADAPTER_ABI,
    .name = "consultation_centre",
    .about = "introductions in, answers out; base consultation centre",
    .open = inbox_module_open,
    .close = inbox_module_close,
    .on_delivery = inbox_module_delivery,
    .on_receipt = inbox_module_receipt,
    .on_tick = inbox_module_tick,
    .tick_ms = 200,
    .on_erase = inbox_module_erase,
};
