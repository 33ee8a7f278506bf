/* hub_config.h - what the hub's configuration file may hold. */
#ifndef TSUNAGI_CORE_HUB_CONFIG_H
#define TSUNAGI_CORE_HUB_CONFIG_H
#include "proto/base/conf.h"

struct hub_config {
    char *data;              /* folder of the store */
    char *keyring;           /* folder of the wrapped keys, outside `data` */
    char *kek;               /* folder of what wraps them, outside both */
    char *hub_key, *log_key; /* key files, outside `data` */
    char *state; /* folder of anchor and signer state, outside `data` */
    char *agencies, *municipalities, *nodes, *policy, *approvers;
    char *urgent, *normal, *control;
    char *origin;
    char *witness_policy, *witness_hours; /* NULL: none */
    long long witness_interval, quorum_seconds;
    bool fictitious;
    long long rate, burst;
    long long erase_hour; /* of the day in Japan: the night's erasing */
};
extern const struct conf_item HUB_CONFIG[];
#endif
