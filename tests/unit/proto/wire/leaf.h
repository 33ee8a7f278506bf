/* leaf.h - for tests: the leaf fields of an event type at every depth, each as
 * the bytes of a body that holds this leaf and nothing else. */
#ifndef TSUNAGI_TESTS_LEAF_H
#define TSUNAGI_TESTS_LEAF_H
#include "sample.h"
#include <stdio.h>

struct leaf {
    char path[96];
    unsigned cls;     /* of the top-level field it is in */
    struct buf bytes; /* owned by leaves */
};
struct leaves {
    struct leaf *leaf;
    size_t n;
};

/* Wraps what inner holds in the fields that lead to it, from inside out. */
static inline void leaf_wrap(struct buf *inner, const uint32_t *way, size_t n)
{
    while (n-- > 0) {
        struct buf outer = {0};
        sample_counted(&outer, way[n], buf_slice(inner));
        buf_fini(inner);
        *inner = outer;
    }
}

#define LEAF_DEPTH 8
/* Where a walk is. */
struct leaf_walk {
    const struct schema_message *m;
    uint32_t way[LEAF_DEPTH];
    size_t depth;
    char path[96];
};

static inline void leaf_add(struct leaves *all, const struct leaf_walk *w,
                            const ProtobufCMessageDescriptor *d,
                            const ProtobufCFieldDescriptor *f)
{
    struct leaf *l = realloc(all->leaf, (all->n + 1) * sizeof(*l));
    if (l == NULL)
        abort();
    all->leaf = l;
    l += all->n++;
    memset(l, 0, sizeof(*l));
    snprintf(l->path, sizeof(l->path), "%s", w->path);
    l->cls = schema_field(w->m, w->depth > 0 ? w->way[0] : f->id)->cls;
    sample_field(d, f, &l->bytes);
    leaf_wrap(&l->bytes, w->way, w->depth);
}

static inline void leaf_walk(struct leaves *all, struct leaf_walk *w,
                             const ProtobufCMessageDescriptor *d)
{
    size_t n = strlen(w->path);
    for (unsigned i = 0; i < d->n_fields; i++) {
        const ProtobufCFieldDescriptor *f = &d->fields[i];
        snprintf(w->path + n, sizeof(w->path) - n, "%s%s", n > 0 ? "." : "",
                 f->name);
        if (f->type != PROTOBUF_C_TYPE_MESSAGE) {
            leaf_add(all, w, d, f);
        } else {
            if (w->depth == LEAF_DEPTH)
                abort();
            w->way[w->depth++] = f->id;
            leaf_walk(all, w, f->descriptor);
            w->depth--;
        }
        w->path[n] = '\0';
    }
}

static inline void leaves_of(const struct schema_message *m, struct leaves *all)
{
    struct leaf_walk w = {.m = m};
    leaf_walk(all, &w, m->descriptor);
}

static inline void leaves_fini(struct leaves *all)
{
    for (size_t i = 0; i < all->n; i++)
        buf_fini(&all->leaf[i].bytes);
    free(all->leaf);
    *all = (struct leaves){0};
}
#endif
