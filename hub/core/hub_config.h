/* hub_config.h - what the hub's configuration file may hold. */
#ifndef TSUNAGI_CORE_HUB_CONFIG_H
#define TSUNAGI_CORE_HUB_CONFIG_H
#include "proto/base/conf.h"

struct hub_config {
    char *data;                    /* folder of the store */
    char *hub_key, *log_key, *kek; /* key files, outside `data` */
    char *state; /* folder of anchor and signer state, outside `data` */
    char *agencies, *municipalities, *nodes, *policy, *approvers;
    char *urgent, *normal, *control;
    char *origin;
    char *witness_policy, *witness_hours; /* NULL: none */
    long long witness_interval, quorum_seconds;
    bool fictitious;
    long long rate, burst;
};
extern const struct conf_item HUB_CONFIG[];
#endif
