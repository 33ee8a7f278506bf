/* event_class_test.c - every field of every event type, at every depth, in
 * every part that is not its own (I-4, I-12). Parts are built from the schema
 * tables, committed to and signed by the sender: the class alone is wrong.
 *
 * A class the type has: the field is moved into that part (E-EVT-008). A class
 * the type does not have: the field's own part is given that class
 * (E-EVT-007). */
#include "forge.h"
#include "leaf.h"
#include <stdlib.h>

static size_t tried;

static size_t part_of(const struct schema_message *m, unsigned cls)
{
    for (size_t i = 0; i < m->class_count; i++)
        if (m->classes[i] == cls)
            return i + 1;
    return 0;
}

/* The leaf alone, in the part of another class of the type. */
static void move(struct forge *f, const struct schema_message *m,
                 const struct leaf *leaf, unsigned cls)
{
    size_t own = part_of(m, leaf->cls), other = part_of(m, cls);
    put_bytes(&f->msg->part[own]->body, SLICE_NONE);
    commit_anew(f, own);
    put_bytes(&f->msg->part[other]->body, buf_slice(&leaf->bytes));
    commit_anew(f, other);
}

static int by_class(const void *a, const void *b)
{
    const Pb__Part *x = *(Pb__Part *const *)a, *y = *(Pb__Part *const *)b;
    return (x->cls > y->cls) - (x->cls < y->cls);
}

/* The leaf alone in its own part, which says it is of another class. */
static void relabel(struct forge *f, const struct schema_message *m,
                    const struct leaf *leaf, unsigned cls)
{
    Pb__Part *own = f->msg->part[part_of(m, leaf->cls)];
    put_bytes(&own->body, buf_slice(&leaf->bytes));
    own->cls = cls;
    qsort(f->msg->part, f->msg->n_part, sizeof(*f->msg->part), by_class);
    for (size_t i = 0; i < f->msg->n_part; i++)
        commit_anew(f, i);
}

static void try_class(const struct schema_message *m, struct slice good,
                      const struct leaf *leaf, unsigned cls,
                      const struct sample_keys *k)
{
    bool has = part_of(m, cls) != 0;
    struct forge f = forge_from(good);
    if (has)
        move(&f, m, leaf, cls);
    else
        relabel(&f, m, leaf, cls);
    struct buf packed = forge_end(&f, k);
    enum err e = open_and_close(buf_slice(&packed));
    if (e != (has ? ERR_EVT_CLASS : ERR_EVT_PARTS))
        fail_msg("%s.%s as %u %s: %s", m->event_name, leaf->path, cls,
                 class_name(cls), err_code(e));
    buf_fini(&packed);
    tried++;
}

static void try_event(const struct schema_message *m,
                      const struct sample_keys *k)
{
    struct leaves all = {0};
    struct buf good = packed_sample(m, k);
    leaves_of(m, &all);
    for (size_t i = 0; i < all.n; i++)
        for (unsigned cls = 1; cls < CLASS_MAX; cls++)
            if (cls != all.leaf[i].cls)
                try_class(m, buf_slice(&good), &all.leaf[i], cls, k);
    leaves_fini(&all);
    buf_fini(&good);
}

static void every_field_in_every_wrong_part_is_refused(void **state)
{
    (void)state; /* W-033 W-035 */
    struct sample_keys k = sample_key();
    for (size_t i = 0; i < SCHEMA_MESSAGE_COUNT; i++)
        if (SCHEMA_MESSAGES[i].event != 0)
            try_event(&SCHEMA_MESSAGES[i], &k);
    print_message("%zu fields in wrong parts refused\n", tried);
    assert_true(tried > 50000);
}

/* The same leaves in the parts they belong to are no fault of class. */
static void every_field_in_its_own_part_is_of_its_class(void **state)
{
    (void)state; /* W-035 */
    for (size_t i = 0; i < SCHEMA_MESSAGE_COUNT; i++) {
        struct leaves all = {0};
        if (SCHEMA_MESSAGES[i].event == 0)
            continue;
        leaves_of(&SCHEMA_MESSAGES[i], &all);
        assert_true(all.n >= SCHEMA_MESSAGES[i].field_count);
        for (size_t j = 0; j < all.n; j++)
            if (part_check(&SCHEMA_MESSAGES[i], all.leaf[j].cls,
                           buf_slice(&all.leaf[j].bytes)) != ERR_OK)
                fail_msg("%s.%s", SCHEMA_MESSAGES[i].event_name,
                         all.leaf[j].path);
        leaves_fini(&all);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_field_in_every_wrong_part_is_refused),
        cmocka_unit_test(every_field_in_its_own_part_is_of_its_class),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
