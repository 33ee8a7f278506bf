/* witness_say.c - how the witnesses are doing, for status and metrics. */
#include "hub/app/witness.h"
#include <inttypes.h>
#include <string.h>

size_t witness_count(const struct hub *h)
{
    const struct witness *w = h->witness;
    return w == NULL || quorum_none(w->quorum) ? 0 : w->round.n;
}

/* The node that holds this key; "": none here does. */
static const char *node_of(const struct hub *h, size_t i)
{
    const struct vkey *key = quorum_witness(h->witness->quorum, i);
    for (size_t k = 0; k < registry_node_count(h->registry); k++) {
        const struct node *n = registry_node_at(h->registry, k);
        if (n->state == NODE_ACTIVE &&
            memcmp(key->key, n->pub.witness, KEY_BYTES) == 0)
            return n->pub.node;
    }
    return "";
}

static void say_seat(const struct hub *h, size_t i, struct buf *j)
{
    static const char *const STATE[] = {"waiting", "asked", "signed",
                                        "refused"};
    const struct witness *w = h->witness;
    const struct seat *s = &w->seat[i];
    buf_adds(j, i > 0 ? ",{\"name\":" : "{\"name\":");
    buf_add_json(j, quorum_witness_name(w->quorum, i));
    ask_add_text(j, "node", node_of(h, i));
    ask_add_text(j, "state", STATE[w->round.of[i].state]);
    buf_addf(j,
             ",\"open\":%s,\"connected\":%s,\"size\":%" PRIu64
             ",\"refused\":%" PRIu64 ",\"lies\":%" PRIu64,
             (w->open >> i & 1) != 0 ? "true" : "false",
             net_connected(h->net, LANE_NORMAL, node_of(h, i)) ? "true"
                                                               : "false",
             s->size, s->refused, s->lies);
    if (s->at_ms > 0)
        ask_add_time(j, "signed", s->at_ms);
    buf_adds(j, "}");
}

void witness_status(const struct hub *h, struct buf *j)
{
    const struct witness *w = h->witness;
    if (w == NULL)
        return;
    buf_addf(j,
             ",\"witness\":{\"cosigned\":%" PRIu64 ",\"asked\":%" PRIu64
             ",\"open\":%d,\"signed\":%d,\"due\":%s,\"overdue\":%s,"
             "\"vouched\":%s,\"normal_stopped\":%s,\"list\":[",
             w->round.cosigned, w->round.size, __builtin_popcountll(w->open),
             __builtin_popcountll(w->signed_set), w->due ? "true" : "false",
             w->due && round_overdue(&w->round, h->boot_ms) ? "true" : "false",
             w->round.vouched ? "true" : "false",
             witness_stops_normal(h) ? "true" : "false");
    for (size_t i = 0; i < w->round.n; i++)
        say_seat(h, i, j);
    buf_adds(j, "]}");
}

void witness_metrics(const struct hub *h, struct buf *t)
{
    const struct witness *w = h->witness;
    uint64_t refused = 0, lies = 0;
    buf_addf(t, "# TYPE tsunagi_witnesses gauge\ntsunagi_witnesses %zu\n",
             witness_count(h));
    if (w == NULL)
        return;
    for (size_t i = 0; i < w->round.n; i++) {
        refused += w->seat[i].refused;
        lies += w->seat[i].lies;
    }
    buf_addf(t,
             "# TYPE tsunagi_witnesses_open gauge\n"
             "tsunagi_witnesses_open %d\n"
             "# TYPE tsunagi_log_cosigned gauge\n"
             "tsunagi_log_cosigned %" PRIu64 "\n"
             "# TYPE tsunagi_normal_stopped gauge\n"
             "tsunagi_normal_stopped %d\n"
             "# TYPE tsunagi_witness_refused_total counter\n"
             "tsunagi_witness_refused_total %" PRIu64 "\n"
             "# TYPE tsunagi_witness_lies_total counter\n"
             "tsunagi_witness_lies_total %" PRIu64 "\n",
             __builtin_popcountll(w->open), w->round.cosigned,
             witness_stops_normal(h) ? 1 : 0, refused, lies);
}
