/* open.c - the hub put together at start and taken apart at the end.
 *
 * Order: keys, store (page cache dropped, tail anchor checked), signer brought
 * up to the log's end, policy and registry (what changed since the last run is
 * leafed), and the network last: nobody can connect before everything holds. */
#include "hub/app/hub.h"
#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "proto/base/process.h"
#include <stdlib.h>
#include <string.h>

static enum err read_keys(struct hub *h, struct buf *why)
{
    enum err e = keys_read(h->config.hub_key, &h->keys);
    if (e != ERR_OK)
        buf_addf(why, "%s: %s", h->config.hub_key, err_en(e));
    else if ((e = keys_read(h->config.log_key, &h->log_keys)) != ERR_OK)
        buf_addf(why, "%s: %s", h->config.log_key, err_en(e));
    return e;
}

static enum err open_store(struct hub *h, bool accept_rollback, struct buf *why)
{
    struct buf anchor = {0};
    buf_addf(&anchor, "%s/anchor", h->config.state);
    if (anchor.failed)
        return ERR_NOMEM;
    struct store_config c = {.dir = h->config.data,
                             .anchor_path = (char *)anchor.p,
                             .keyring_dir = h->config.keyring,
                             .kek_dir = h->config.kek,
                             .accept_older_keyring = h->older_keyring,
                             .accept_rollback = accept_rollback};
    enum err e = store_open(&c, &h->store, why);
    buf_fini(&anchor);
    return e;
}

/* Adds the leaves the signer's state does not know yet, signs and keeps. */
static enum err catch_up(struct hub *h, struct buf *why)
{
    enum err e = head_check(h->store, h->signer, why);
    if (e == ERR_OK && store_log_size(h->store) > 0)
        e = head_sign(h->store, h->signer, &h->note);
    if (e == ERR_INTEGRITY)
        buf_adds(why, "signer: its frontier and the log's root differ");
    return e == ERR_OK ? signer_save(h->signer) : e;
}

static enum err open_signer(struct hub *h, struct buf *why)
{
    struct buf path = {0};
    buf_addf(&path, "%s/signer", h->config.state);
    if (path.failed)
        return ERR_NOMEM;
    enum err e =
        signer_open(h->config.origin, &h->log_keys, (char *)path.p, &h->signer);
    if (e != ERR_OK)
        buf_addf(why, "%s: %s", (char *)path.p, err_en(e));
    buf_fini(&path);
    return e == ERR_OK ? catch_up(h, why) : e;
}

static enum err open_net(struct hub *h, struct buf *why)
{
    struct net_config c = {
        .endpoint = {h->config.urgent, h->config.normal},
        .control = h->config.control,
        .keys = &h->keys,
        .registry = &h->registry,
    };
    return net_open(&c, &h->net, why);
}

/* The hub's own sequence goes on where the last run ended. */
static enum err own_sequence(struct hub *h)
{
    h->hub_seq[LANE_URGENT] = h->hub_seq[LANE_NORMAL] = h->now_ms;
    return ERR_OK;
}

static enum err open_what_lasts(struct hub *h, bool accept_rollback,
                                struct buf *why)
{
    process_harden();
    code_allow_fictitious(h->config.fictitious);
    h->started_ms = h->now_ms = clock_wall_ms();
    h->boot_ms = clock_boot_ms();
    h->clock_ok = true;
    enum err e = sign_init();
    if (e == ERR_OK)
        e = read_keys(h, why);
    return e == ERR_OK ? open_store(h, accept_rollback, why) : e;
}

enum err hub_new_epoch(struct hub *h, const char *order, struct buf *why)
{
    enum err e = open_what_lasts(h, true, why);
    return e == ERR_OK ? epoch_start(h, order, why) : e;
}

enum err hub_open(struct hub *h, struct buf *why)
{
    enum err e = open_what_lasts(h, false, why);
    if (e == ERR_OK)
        e = epoch_check(h, why);
    if (e == ERR_OK)
        e = open_signer(h, why);
    if (e == ERR_OK)
        e = witness_open(h, why);
    if (e == ERR_OK)
        e = policy_begin(h, why);
    if (e == ERR_OK)
        e = reload(h, why);
    if (e == ERR_OK)
        e = own_sequence(h);
    if (e == ERR_OK)
        e = open_net(h, why);
    if (e == ERR_OK)
        hub_turn(h, 0); /* commits the leaves of the start */
    return e == ERR_OK ? h->broken : e;
}

void hub_close(struct hub *h)
{
    struct registry *r = (struct registry *)(uintptr_t)h->registry;
    struct policy *p = (struct policy *)(uintptr_t)h->policy;
    if (h->open && h->store != NULL)
        store_abort(h->store);
    net_close(&h->net);
    witness_close(h);
    signer_close(&h->signer);
    store_close(&h->store);
    registry_free(&r);
    policy_free(&p);
    keys_wipe(&h->keys);
    keys_wipe(&h->log_keys);
    for (size_t i = 0; i < h->answer_count; i++)
        buf_fini(&h->answer[i].body);
    for (size_t i = 0; i < h->outgoing_count; i++) {
        stored_event_fini(&h->outgoing[i].event);
        buf_fini(&h->outgoing[i].leaf);
    }
    retain_forget(h);
    free(h->answer);
    free(h->outgoing);
    buf_fini(&h->note);
}
