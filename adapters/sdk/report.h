/* report.h - who has seen a person's data, asked of the hub for the person. */
#ifndef TSUNAGI_SDK_REPORT_H
#define TSUNAGI_SDK_REPORT_H
#include "adapters/sdk/session.h"

/* The question to the hub for the operation `report`: what it holds lives as
 * long as this. */
#define REPORT_ARGS 8
struct report_question {
    char value[REPORT_ARGS][ID_TEXT];
    Pb__AskArgument arg[REPORT_ARGS], *args[REPORT_ARGS];
    Pb__Ask ask;
};
/* From the arguments person (the number at this agency) | person_token | order,
 * actor (else the configuration's), identity_checked, [role], and for a later
 * page report, size, after. ERR_USAGE, ERR_EVT_TOKEN. */
enum err report_ask(struct tsunagi_host *h, const struct node_arg *args,
                    size_t n, struct report_question *out) MUST_CHECK;
#endif
