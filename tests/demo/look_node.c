/* look_node.c - everything a node keeps, decrypted with every key it holds:
 * the thief who got an agency's machine with its key file. For the canary
 * story, which searches the output. The adapter must not be running.
 *
 *   tsunagi-look-node KEY_FILE SPOOL */
#include "adapters/sdk/spool.h"
#include "proto/wire/sign.h"
#include <stdio.h>

static int fail(const char *what, enum err e)
{
    fprintf(stderr, "tsunagi-look-node: %s: %s\n", what, err_en(e));
    return 1;
}

static void show(const struct buf *b)
{
    if (b->n > 0)
        fwrite(b->p, 1, b->n, stdout);
    putchar('\n');
}

static enum err show_proof(struct spool *s, struct id of)
{
    struct buf proof = {0};
    enum err e = spool_proof(s, of, &proof);
    if (e == ERR_OK)
        show(&proof);
    buf_fini(&proof);
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

static enum err show_sent(struct spool *s)
{
    struct spool_out o = {0};
    int64_t row = 0;
    enum err e;
    while ((e = spool_out_after(s, row, true, &o)) == ERR_OK) {
        row = o.row;
        show(&o.event);
        show(&o.receipt);
        show(&o.source);
        e = show_proof(s, o.event_id);
        spool_out_fini(&o);
        if (e != ERR_OK)
            return e;
    }
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

static enum err show_received(struct spool *s)
{
    struct spool_in d = {0};
    int64_t row = 0;
    enum err e;
    while ((e = spool_in_after(s, row, IN_HANDLED, &d)) == ERR_OK) {
        row = d.row;
        show(&d.delivery);
        e = show_proof(s, d.delivery_id);
        spool_in_fini(&d);
        if (e != ERR_OK)
            return e;
    }
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

int main(int argc, char **argv)
{
    struct node_keys keys;
    struct spool *s = NULL;
    if (argc != 3 || sign_init() != ERR_OK)
        return 2;
    enum err e = keys_read(argv[1], &keys);
    if (e == ERR_OK)
        e = spool_open(argv[2], keys.spool_secret, &s);
    if (e == ERR_OK)
        e = show_sent(s);
    if (e == ERR_OK)
        e = show_received(s);
    spool_close(&s);
    return e == ERR_OK ? 0 : fail(argv[2], e);
}
