/* consents.h - what this node recorded of consents, from its own outbox. */
#ifndef TSUNAGI_SDK_CONSENTS_H
#define TSUNAGI_SDK_CONSENTS_H
#include "adapters/sdk/session.h"

/* Operation `consents`: [person] (own number) or [person_token]: those of one
 * person. {"consents":[{"type","state","created_ms","consent_ref","purpose",
 * "recipient",...}]}, without free text. They are kept without limit. */
enum err consents_list(struct tsunagi_host *h, const struct node_arg *args,
                       size_t n, struct node_answer *a) MUST_CHECK;
#endif
