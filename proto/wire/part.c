/* part.c - cutting a body by data class and joining the pieces.
 *
 * Works on packed bytes and copies fields whole, so that what was committed to
 * is what travels. A field has one class, hence all its repetitions lie in one
 * part; joining takes the smallest field number among the heads of the parts
 * and so gives back the original bytes less what was withheld.
 */
#include "proto/wire/part.h"
#include "proto/wire/unpack.h"
#include "tsunagi/v1/envelope.pb-c.h"
#include <assert.h>
#include <sodium.h>

static const char PREFIX[] = "tsunagi-part/1\n";

void part_commit(const struct part *p, uint8_t out[COMMIT_BYTES])
{
    assert(p != NULL && p->cls < CLASS_MAX);
    uint8_t cls = (uint8_t)p->cls;
    crypto_auth_hmacsha256_state h;
    crypto_auth_hmacsha256_init(&h, p->salt, SALT_BYTES);
    crypto_auth_hmacsha256_update(&h, (const uint8_t *)PREFIX,
                                  sizeof(PREFIX) - 1);
    crypto_auth_hmacsha256_update(&h, &cls, 1);
    if (p->body.n > 0)
        crypto_auth_hmacsha256_update(&h, p->body.p, p->body.n);
    crypto_auth_hmacsha256_final(&h, out);
}

/* CLASS_MAX when the message has no such class. */
static size_t class_index(const struct schema_message *m, unsigned cls)
{
    for (size_t i = 0; i < m->class_count; i++)
        if (m->classes[i] == cls)
            return i;
    return CLASS_MAX;
}

enum err part_split(const struct schema_message *m, struct slice body,
                    struct buf *bodies)
{
    assert(m != NULL && (bodies != NULL || m->class_count == 0));
    enum err e = unpack_walk(m->descriptor, body);
    while (e == ERR_OK && body.n > 0) {
        struct pb_field f;
        e = unpack_field(&body, &f);
        if (e != ERR_OK)
            return e;
        size_t i = class_index(m, schema_field(m, f.number)->cls);
        if (i == CLASS_MAX)
            return ERR_EVT_CLASS;
        buf_add(&bodies[i], f.whole.p, f.whole.n);
        if (bodies[i].failed)
            return ERR_NOMEM;
    }
    return e;
}

enum err part_check(const struct schema_message *m, unsigned cls,
                    struct slice body)
{
    assert(m != NULL);
    if (cls == 0)
        return unpack_walk(&pb__routing__descriptor, body);
    if (class_index(m, cls) == CLASS_MAX)
        return ERR_EVT_CLASS;
    enum err e = unpack_walk(m->descriptor, body);
    while (e == ERR_OK && body.n > 0) {
        struct pb_field f;
        e = unpack_field(&body, &f);
        if (e == ERR_OK && schema_field(m, f.number)->cls != cls)
            e = ERR_EVT_CLASS;
    }
    return e;
}

static enum err check_parts(const struct schema_message *m,
                            const struct part *parts, size_t n)
{
    uint64_t seen = 0;
    for (size_t i = 0; i < n; i++) {
        if ((seen & class_bit(parts[i].cls)) != 0)
            return ERR_EVT_PARTS;
        seen |= class_bit(parts[i].cls);
        enum err e = part_check(m, parts[i].cls, parts[i].body);
        if (e != ERR_OK)
            return e;
    }
    return ERR_OK;
}

/* The part whose next field has the smallest number; n when all are empty. */
static size_t smallest(const struct slice *rest, size_t n,
                       struct pb_field *least)
{
    size_t at = n;
    for (size_t i = 0; i < n; i++) {
        struct slice look = rest[i];
        struct pb_field f;
        if (look.n == 0 || unpack_field(&look, &f) != ERR_OK)
            continue;
        if (at == n || f.number < least->number) {
            at = i;
            *least = f;
        }
    }
    return at;
}

enum err part_merge(const struct schema_message *m, const struct part *parts,
                    size_t n, struct buf *body)
{
    assert(m != NULL && body != NULL && n <= CLASS_MAX);
    enum err e = check_parts(m, parts, n);
    if (e != ERR_OK)
        return e;
    struct slice rest[CLASS_MAX] = {{0}};
    for (size_t i = 0; i < n; i++)
        if (parts[i].cls != 0)
            rest[i] = parts[i].body;
    struct pb_field f = {0};
    for (size_t i; (i = smallest(rest, n, &f)) < n;) {
        buf_add(body, f.whole.p, f.whole.n);
        rest[i].p += f.whole.n;
        rest[i].n -= f.whole.n;
    }
    return body->failed ? ERR_NOMEM : ERR_OK;
}
