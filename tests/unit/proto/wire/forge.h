/* forge.h - for tests: a good event with something changed in its header or
 * parts, committed to and signed anew by its sender, so that one rule alone is
 * left to refuse it. */
#ifndef TSUNAGI_TESTS_FORGE_H
#define TSUNAGI_TESTS_FORGE_H
#include "sample.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static inline struct buf packed_sample(const struct schema_message *m,
                                       const struct sample_keys *k)
{
    struct buf out = {0};
    ProtobufCMessage *body = sample_body(m);
    sample_event(m, body, k, &out);
    unpack_free(&body);
    return out;
}

struct forge {
    Pb__Event *msg;
    Pb__EventHeader *h;
};

static inline void *opened(const ProtobufCMessageDescriptor *d, struct slice s)
{
    ProtobufCMessage *m;
    assert_int_equal(unpack(d, s, &m), ERR_OK);
    return m;
}

static inline void put_bytes(ProtobufCBinaryData *d, struct slice s)
{
    free(d->data);
    d->data = malloc(s.n + 1);
    if (s.n > 0)
        memcpy(d->data, s.p, s.n);
    d->len = s.n;
}

static inline void put_text(char **at, const char *s)
{
    free(*at);
    *at = s != NULL ? strdup(s) : NULL;
}

static inline struct forge forge_from(struct slice packed)
{
    struct forge f;
    f.msg = opened(&pb__event__descriptor, packed);
    f.h = opened(&pb__event_header__descriptor, pb_slice(f.msg->header));
    return f;
}

static inline struct forge forge_begin(const struct schema_message *m,
                                       const struct sample_keys *k)
{
    struct buf b = packed_sample(m, k);
    struct forge f = forge_from(buf_slice(&b));
    buf_fini(&b);
    return f;
}

static inline void commit_anew(struct forge *f, size_t i)
{
    struct part p = {.cls = f->msg->part[i]->cls,
                     .body = pb_slice(f->msg->part[i]->body)};
    memcpy(p.salt, f->msg->part[i]->salt.data, SALT_BYTES);
    uint8_t c[COMMIT_BYTES];
    part_commit(&p, c);
    put_bytes(&f->h->commitment[i], slice_of(c, sizeof(c)));
}

/* Packs and signs. */
static inline struct buf forge_end(struct forge *f, const struct sample_keys *k)
{
    struct buf header = {0}, out = {0};
    uint8_t sig[SIGNATURE_BYTES];
    assert_int_equal(pack(&f->h->base, &header), ERR_OK);
    assert_int_equal(sign_make(SIGN_EVENT, buf_slice(&header), k->secret, sig),
                     ERR_OK);
    put_bytes(&f->msg->header, buf_slice(&header));
    put_bytes(&f->msg->signature, slice_of(sig, sizeof(sig)));
    assert_int_equal(pack(&f->msg->base, &out), ERR_OK);
    ProtobufCMessage *m = &f->msg->base, *h = &f->h->base;
    unpack_free(&m);
    unpack_free(&h);
    buf_fini(&header);
    return out;
}

static inline enum err open_and_close(struct slice s)
{
    struct event *ev;
    enum err e = event_open(s, &ev);
    assert_int_equal(e == ERR_OK, ev != NULL);
    event_close(&ev);
    return e;
}
#endif
