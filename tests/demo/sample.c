/* sample.c - an event of any kind with every field filled, as the JSON that
 * `tsunagi send` reads, for the canary story: every free text says which event
 * and which class of data it belongs to.
 *
 *   tsunagi-sample --list            name, number, hub only, channel or -,
 *                                    roles that may send it (*: any), by tabs
 *   tsunagi-sample EVENT MARK PICK   texts are "MARK G_CLASS "; enums hold
 *                                    their PICK-th value */
#include "tests/unit/proto/wire/sample.h"
#include "hub/core/flow.h"
#include "proto/wire/json.h"
#include <stdio.h>

static void list(void)
{
    for (size_t i = 0; i < SCHEMA_MESSAGE_COUNT; i++) {
        const struct schema_message *m = &SCHEMA_MESSAGES[i];
        if (m->event == 0)
            continue;
        const char *roles = flow_senders(m->event);
        printf("%s\t%u\t%d\t%s\t%s\n", m->event_name, m->event, m->hub_only,
               m->channel[0] != '\0' ? m->channel : "-",
               roles == NULL      ? "-"
               : roles[0] == '\0' ? "*"
                                  : roles);
    }
}

/* The body marked with one class; only that class's fields are taken. */
static void add_class(const struct schema_message *m, unsigned cls,
                      const char *mark, unsigned pick, json_t *out)
{
    char canary[64];
    snprintf(canary, sizeof(canary), "%s %s ", mark, class_name(cls));
    struct sample_how how = {.canary = canary, .pick = pick};
    ProtobufCMessage *body = sample_body_how(m, &how);
    json_t *all = json_from_message(body);
    for (size_t i = 0; i < m->field_count; i++)
        if (m->fields[i].cls == cls)
            json_object_set(out, m->fields[i].name,
                            json_object_get(all, m->fields[i].name));
    json_decref(all);
    unpack_free(&body);
}

static int print(const char *event, const char *mark, unsigned pick)
{
    const struct schema_message *m = schema_event_named(event);
    if (m == NULL)
        return 2;
    json_t *j = json_object(), *body = json_object();
    for (size_t i = 0; i < m->class_count; i++)
        add_class(m, m->classes[i], mark, pick, body);
    json_object_set_new(j, "type", json_string(m->event_name));
    json_object_set_new(j, "body", body);
    json_dumpf(j, stdout, JSON_COMPACT);
    putchar('\n');
    json_decref(j);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--list") == 0) {
        list();
        return 0;
    }
    return argc == 4
               ? print(argv[1], argv[2], (unsigned)strtoul(argv[3], NULL, 10))
               : 2;
}
