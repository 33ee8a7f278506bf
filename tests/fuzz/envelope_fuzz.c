/* envelope_fuzz.c - libFuzzer target: packed events and bodies from anyone.
 *
 * The first byte chooses what the rest is: an Event as it comes, an Event whose
 * schema digest and commitments are made to fit (so that a seed stays of use
 * when the schemas change and mutations reach what lies behind them), or the
 * body of an event type. What is taken must hold: it packs to the same bytes,
 * its parts join to it, and nothing unknown is in it.
 *
 * With an argument "--seeds FOLDER" the same program writes the seed corpus
 * (built with -DSEEDS and without -fsanitize=fuzzer). */
#include "proto/wire/event.h"
#include "proto/wire/unpack.h"
#include "tests/unit/proto/wire/sample.h"
#include <stdio.h>

#define CHECK(x)                                                               \
    do {                                                                       \
        if (!(x))                                                              \
            abort();                                                           \
    } while (0)

static void check_event(struct slice s)
{
    struct event *ev;
    if (event_open(s, &ev) == ERR_OK) {
        CHECK(ev->body->n_unknown_fields == 0);
        CHECK((ev->present & ~ev->schema->class_mask) == 0);
        CHECK(event_validate(ev->schema, ev->body, NULL) == ERR_OK);
    } else {
        CHECK(ev == NULL);
    }
    event_close(&ev);
}

static void put(ProtobufCBinaryData *d, const void *p, size_t n)
{
    free(d->data);
    d->data = malloc(n);
    CHECK(d->data != NULL);
    memcpy(d->data, p, n);
    d->len = n;
}

static void commit_again(const Pb__Event *m, Pb__EventHeader *h)
{
    for (size_t i = 0; i < m->n_part && i < h->n_commitment; i++) {
        const Pb__Part *p = m->part[i];
        struct part part = {.cls = p->cls, .body = pb_slice(p->body)};
        if (!p->has_salt || p->salt.len != SALT_BYTES || p->cls >= CLASS_MAX)
            continue;
        memcpy(part.salt, p->salt.data, SALT_BYTES);
        uint8_t c[COMMIT_BYTES];
        part_commit(&part, c);
        put(&h->commitment[i], c, sizeof(c));
    }
}

static void check_repaired(struct slice s)
{
    ProtobufCMessage *m = NULL, *h = NULL;
    struct buf header = {0}, event = {0};
    if (unpack(&pb__event__descriptor, s, &m) == ERR_OK &&
        unpack(&pb__event_header__descriptor,
               pb_slice(((Pb__Event *)m)->header), &h) == ERR_OK) {
        Pb__EventHeader *eh = (Pb__EventHeader *)h;
        eh->has_schema_digest = 1;
        put(&eh->schema_digest, SCHEMA_DIGEST, 32);
        commit_again((Pb__Event *)m, eh);
        CHECK(pack(h, &header) == ERR_OK);
        put(&((Pb__Event *)m)->header, header.p, header.n);
        CHECK(pack(m, &event) == ERR_OK);
        check_event(buf_slice(&event));
    }
    unpack_free(&m);
    unpack_free(&h);
    buf_fini(&header);
    buf_fini(&event);
}

static void check_parts(const struct schema_message *m, struct slice body)
{
    struct buf bodies[CLASS_MAX] = {{0}}, joined = {0};
    struct part parts[CLASS_MAX];
    CHECK(part_split(m, body, bodies) == ERR_OK);
    for (size_t i = 0; i < m->class_count; i++) {
        parts[i] =
            (struct part){.cls = m->classes[i], .body = buf_slice(&bodies[i])};
        CHECK(part_check(m, parts[i].cls, parts[i].body) == ERR_OK);
    }
    CHECK(part_merge(m, parts, m->class_count, &joined) == ERR_OK);
    CHECK(slice_eq(buf_slice(&joined), body));
    for (size_t i = 0; i < CLASS_MAX; i++)
        buf_fini(&bodies[i]);
    buf_fini(&joined);
}

static void check_body(const struct schema_message *m, struct slice s)
{
    ProtobufCMessage *body;
    struct buf pruned = {0};
    if (unpack(m->descriptor, s, &body) == ERR_OK) {
        check_parts(m, s);
        char field[96];
        enum err e = event_validate(m, body, field);
        CHECK((e == ERR_OK) == (field[0] == '\0'));
        CHECK(unpack_prune(m->descriptor, s, &pruned) == ERR_OK);
        CHECK(slice_eq(buf_slice(&pruned), s));
    } else if (unpack_prune(m->descriptor, s, &pruned) == ERR_OK) {
        enum err e = unpack_walk(m->descriptor, buf_slice(&pruned));
        CHECK(e != ERR_PB_UNKNOWN_FIELD && e != ERR_PB_UNKNOWN_ENUM);
    }
    unpack_free(&body);
    buf_fini(&pruned);
}

static const struct schema_message *event_number(size_t n)
{
    for (size_t i = 0;; i = (i + 1) % SCHEMA_MESSAGE_COUNT)
        if (SCHEMA_MESSAGES[i].event != 0 && n-- == 0)
            return &SCHEMA_MESSAGES[i];
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    if (n == 0)
        return 0;
    code_allow_fictitious(true);
    struct slice rest = slice_of(data + 1, n - 1);
    if (data[0] == 0)
        check_event(rest);
    else if (data[0] == 1)
        check_repaired(rest);
    else
        check_body(event_number(data[0] - 2u), rest);
    return 0;
}

#ifdef SEEDS
static void write_seed(const char *folder, const char *kind, const char *name,
                       uint8_t first, struct slice s)
{
    char path[512];
    snprintf(path, sizeof(path), "%s/%s-%s", folder, kind, name);
    FILE *f = fopen(path, "wb");
    CHECK(f != NULL && fputc(first, f) != EOF);
    CHECK(s.n == 0 || fwrite(s.p, 1, s.n, f) == s.n);
    CHECK(fclose(f) == 0);
}

int main(int argc, char **argv)
{
    CHECK(argc == 3 && strcmp(argv[1], "--seeds") == 0);
    struct sample_keys k = sample_key();
    size_t number = 0;
    for (size_t i = 0; i < SCHEMA_MESSAGE_COUNT; i++) {
        const struct schema_message *m = &SCHEMA_MESSAGES[i];
        if (m->event == 0)
            continue;
        struct buf body = {0}, event = {0};
        ProtobufCMessage *b = sample_body(m);
        sample_fill(m->descriptor, &body);
        sample_event(m, b, &k, &event);
        write_seed(argv[2], "body", m->event_name, (uint8_t)(number++ + 2),
                   buf_slice(&body));
        write_seed(argv[2], "event", m->event_name, 1, buf_slice(&event));
        unpack_free(&b);
        buf_fini(&body);
        buf_fini(&event);
    }
    return 0;
}
#endif
