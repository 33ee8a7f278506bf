/* life_support_hub.c - adapter of a community life support hub
 * (地域生活支援拠点等).
 *
 * The coordinator's program writes EMERGENCY_REQUESTED, EMERGENCY_TRIAGED,
 * STAY_CANVASS, STAY_CONFIRMED and CANCELLED; offers come in. A STAY_CONFIRMED
 * that answers an offer carries its number and goes to the one who made it.
 *
 * Deliveries become files, answers come back as files: inbox.h has the options,
 * answer.h the shapes. */
#include "adapters/connect/inbox.h"

const struct tsunagi_module tsunagi_module = {
    .abi = TSUNAGI_ADAPTER_ABI,
    .name = "life_support_hub",
    .about = "emergency requests, canvass and confirmation; life support hub",
    .open = inbox_module_open,
    .close = inbox_module_close,
    .on_delivery = inbox_module_delivery,
    .on_receipt = inbox_module_receipt,
    .on_tick = inbox_module_tick,
    .tick_ms = 200,
    .on_erase = inbox_module_erase,
};
