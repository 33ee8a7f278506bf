/* event.c - events put together from the options of a command: its body, whom
 * it is about, and off it goes.
 *
 * The person's number is read from a file or from stdin (@FILE, -): a command
 * line is open to everyone on the machine. One that stands there all the same
 * is overwritten by main.c. */
#include "hub/ctl/ctl.h"
#include <stdlib.h>
#include <string.h>

/* ---- whom it is about ---- */

/* The first line of a file or of stdin. */
static int read_line(const struct ctl *c, const char *path,
                     char out[PERSON_BYTES])
{
    struct buf b = {0};
    int code = read_text(c, path, &b);
    size_t n = code == EXIT_DONE ? strcspn((char *)b.p, "\r\n") : 0;
    if (code == EXIT_DONE && (n == 0 || n >= PERSON_BYTES))
        code = fail(c, ERR_USAGE, "--person");
    if (code == EXIT_DONE) {
        memcpy(out, b.p, n);
        out[n] = '\0';
    }
    buf_fini(&b);
    return code;
}

/* The number at this agency; "" when only a token is given. */
int person_of(const struct ctl *c, char out[PERSON_BYTES])
{
    out[0] = '\0';
    if (c->person == NULL)
        return EXIT_DONE;
    if (strcmp(c->person, "-") == 0)
        return read_line(c, NULL, out);
    if (c->person[0] == '@')
        return read_line(c, c->person + 1, out);
    snprintf(out, PERSON_BYTES, "%s", c->person);
    return EXIT_DONE;
}

static int set_person(const struct ctl *c, json_t *event)
{
    char number[PERSON_BYTES];
    int code = person_of(c, number);
    if (code != EXIT_DONE)
        return code;
    if (number[0] != '\0')
        json_object_set_new(event, "person", json_string(number));
    if (c->token != NULL)
        json_object_set_new(event, "person_token", json_string(c->token));
    if (json_object_get(event, "person") == NULL &&
        json_object_get(event, "person_token") == NULL)
        return fail(c, ERR_USAGE, "--person -|@FILE, --token HEX");
    return EXIT_DONE;
}

/* ---- its body ---- */

void set_text(json_t *body, const char *key, const char *value)
{
    if (value != NULL && value[0] != '\0')
        json_object_set_new(body, key, json_string(value));
}

void set_list(json_t *body, const char *key, const char *text,
              json_t *(*item)(const char *, size_t))
{
    if (item == NULL)
        item = json_stringn;
    if (text == NULL)
        return;
    json_t *list = json_array();
    for (size_t n; *text != '\0'; text += n + (text[n] == ',')) {
        n = strcspn(text, ",");
        if (n > 0)
            json_array_append_new(list, item(text, n));
    }
    json_object_set_new(body, key, list);
}

/* ---- the whole ---- */

json_t *new_event(const char *type)
{
    return json_pack("{s:s,s:[],s:{}}", "type", type, "to", "body");
}

int send_event(struct ctl *c, json_t *event, int code)
{
    if (code == EXIT_DONE && event == NULL)
        code = fail(c, ERR_NOMEM, "");
    if (code == EXIT_DONE)
        code = set_person(c, event);
    char *text = code == EXIT_DONE ? json_dumps(event, JSON_COMPACT) : NULL;
    if (text != NULL)
        code = send_json(c, slice_str(text));
    free(text);
    json_decref(event);
    return code;
}
