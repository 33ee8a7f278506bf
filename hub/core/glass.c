/* glass.c - break-glass, judged: who may open what, for how long, and who may
 * say afterwards whether it was right. */
#include "hub/core/glass.h"
#include <string.h>

bool glass_live(const struct glass *g, uint64_t now_ms)
{
    return g->opened_ms <= now_ms && now_ms < g->until_ms;
}

bool glass_reviewed(const struct glass *g)
{
    return g->verdict != GLASS_UNREVIEWED && g->verdict != GLASS_NEED_INFO;
}

const struct glass *glass_of(const struct glass *all, size_t n,
                             const char *agency, const uint8_t *actor,
                             uint64_t now_ms)
{
    const struct glass *last = NULL;
    for (size_t i = 0; i < n; i++)
        if (glass_live(&all[i], now_ms) && strcmp(all[i].agency, agency) == 0 &&
            (actor == NULL || memcmp(all[i].actor, actor, ID_BYTES) == 0) &&
            (last == NULL || all[i].opened_ms >= last->opened_ms))
            last = &all[i];
    return last;
}
