/* look_hub.c - everything the hub keeps, decrypted with every key it holds:
 * the thief who got the hub's folder with its key files. For the canary story,
 * which searches the output. The hub must not be running.
 *
 *   tsunagi-look-hub HUB.conf */
#include "hub/core/hub_config.h"
#include "hub/store/store.h"
#include "proto/wire/sign.h"
#include <stdio.h>

static int fail(const char *what, enum err e)
{
    fprintf(stderr, "tsunagi-look-hub: %s: %s\n", what, err_en(e));
    return 1;
}

static void show(const struct buf *b)
{
    if (b->n > 0)
        fwrite(b->p, 1, b->n, stdout);
    putchar('\n');
}

/* Rows are numbered from 1 in the order of acceptance. */
static enum err show_events(struct store *s)
{
    struct store_counts n;
    enum err e = store_counts(s, &n);
    for (int64_t seq = 1; e == ERR_OK && n.events > 0; seq++) {
        struct stored_event ev = {0};
        e = store_event_get(s, seq, &ev);
        if (e == ERR_OK) {
            show(&ev.header);
            show(&ev.parts);
            n.events--;
        }
        stored_event_fini(&ev);
        if (e == ERR_NOT_FOUND)
            e = ERR_OK;
    }
    return e;
}

struct numbers {
    int64_t id[4096];
    size_t n;
};

static bool note(void *ctx, const struct parked *p)
{
    struct numbers *all = ctx;
    if (all->n < sizeof(all->id) / sizeof(all->id[0]))
        all->id[all->n++] = p->id;
    return true;
}

static enum err show_parked(struct store *s)
{
    static struct numbers all;
    enum err e = store_parked_each(s, note, &all);
    for (size_t i = 0; i < all.n && e == ERR_OK; i++) {
        struct parked p;
        struct buf bytes = {0};
        e = store_parked_get(s, all.id[i], &p, &bytes);
        show(&bytes);
        buf_fini(&bytes);
    }
    return e;
}

static enum err show_leaves(struct store *s)
{
    enum err e = ERR_OK;
    for (uint64_t i = 0; i < store_log_size(s) && e == ERR_OK; i++) {
        struct buf leaf = {0};
        e = store_leaf_get(s, i, &leaf);
        show(&leaf);
        buf_fini(&leaf);
    }
    return e;
}

int main(int argc, char **argv)
{
    struct hub_config h = {0};
    struct store *s = NULL;
    struct buf why = {0}, anchor = {0};
    if (argc != 2 || sign_init() != ERR_OK)
        return 2;
    enum err e = conf_load(argv[1], HUB_CONFIG, &h, stderr);
    if (e != ERR_OK)
        return fail(argv[1], e);
    buf_addf(&anchor, "%s/anchor", h.state);
    struct store_config c = {.dir = h.data,
                             .anchor_path = (char *)anchor.p,
                             .keyring_dir = h.keyring,
                             .kek_dir = h.kek};
    e = store_open(&c, &s, &why);
    if (e == ERR_OK)
        e = show_events(s);
    if (e == ERR_OK)
        e = show_parked(s);
    if (e == ERR_OK)
        e = show_leaves(s);
    store_close(&s);
    conf_fini(HUB_CONFIG, &h);
    buf_fini(&why);
    buf_fini(&anchor);
    return e == ERR_OK ? 0 : fail("store", e);
}
