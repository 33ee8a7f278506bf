/* office.c - the module for agencies that need no code of their own: short
 * stay, home-visit nursing, planning office, outpatient clinic, housing, group
 * home. People there work with a folder.
 *
 * Option profile says what may be sent from here, so that a file in the wrong
 * folder is refused at once; the hub decides again by the agency's roles.
 *
 * Deliveries become files, answers come back as files: inbox.h has the options,
 * answer.h the shapes. */
#include "adapters/connect/inbox.h"
#include <string.h>

#define CONSENTS "CONSENT_GIVEN", "CONSENT_REFUSED", "CONSENT_WITHDRAWN"
#define TYPES_MAX 6

static const struct profile {
    const char *name;
    const char *types[TYPES_MAX]; /* ends with NULL */
} PROFILES[] = {
    {"short_stay", {"STAY_OFFERED", "STAY_DECLINED", CONSENTS}},
    {"planning_office", {"INTRO_ANSWERED", "EMERGENCY_REGISTERED", CONSENTS}},
    {"home_nursing", {CONSENTS}},
    {"outpatient", {CONSENTS}},
    {"housing", {"CONSENT_WITHDRAWN"}},
    {"group_home", {"CONSENT_WITHDRAWN"}},
};

static const struct profile *profile_of(const char *name)
{
    for (size_t i = 0; i < sizeof(PROFILES) / sizeof(PROFILES[0]); i++)
        if (name != NULL && strcmp(PROFILES[i].name, name) == 0)
            return &PROFILES[i];
    return NULL;
}

static tsunagi_code office_open(struct tsunagi_host *h, void **self)
{
    const struct profile *p = profile_of(tsunagi_option(h, "profile"));
    struct inbox *in = NULL;
    tsunagi_code code = "E-CFG-016";
    if (p != NULL)
        code = inbox_open(h, p->types, &in);
    if (code != NULL)
        tsunagi_log(h, "%s code=%s",
                    p == NULL ? "unknown profile" : "cannot start", code);
    *self = in;
    return code;
}

const struct tsunagi_module tsunagi_module = {
    .abi = TSUNAGI_ADAPTER_ABI,
    .name = "office",
    .about = "deliveries and answers as files; an office of a few people",
    .open = office_open,
    .close = inbox_module_close,
    .on_delivery = inbox_module_delivery,
    .on_receipt = inbox_module_receipt,
    .on_tick = inbox_module_tick,
    .tick_ms = 200,
    .on_erase = inbox_module_erase,
};
