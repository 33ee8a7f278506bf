/* session.h - what the parts of the SDK share of one running node. */
#ifndef TSUNAGI_SDK_SESSION_H
#define TSUNAGI_SDK_SESSION_H
#include "adapters/sdk/link.h"
#include "adapters/sdk/run.h"
#include "adapters/sdk/settings.h"
#include "adapters/sdk/spool.h"

#define WATCH_MAX 64

struct watch {
    int fd;
    void (*ready)(void *self, int fd);
};
struct control; /* the local socket */

struct tsunagi_host {
    struct settings conf;
    struct node_keys keys;
    struct node_public hub, log; /* the hub's keys, the key of its log */
    char *state;                 /* file of the witness */
    struct quorum *quorum;       /* that is demanded; NULL: none */
    struct hours *hours;
    struct spool *spool;
    struct link *link; /* NULL: offline */
    struct control *control;
    const struct tsunagi_module *module;
    void *self; /* the module's */
    bool module_open;
    struct watch watch[WATCH_MAX];
    size_t watch_count;
    node_receipt_fn *on_receipt;
    void *receipt_ctx;
    uint64_t tick_ms, retry_ms, prune_ms; /* boot clock: when due next */
    uint64_t started_boot, started_wall;
    bool hand_over; /* there may be new deliveries for the module */
    bool stop;
};
struct node_session {
    struct tsunagi_host host;
};

static inline tsunagi_code code_of(enum err e)
{
    return e == ERR_OK ? NULL : err_code(e);
}
#endif
