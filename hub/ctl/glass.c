/* glass.c - `tsunagi glass`: break-glass opened, extended, reviewed, listed.
 *
 * What happened is read from a file or from stdin, never from the command
 * line: its first line says what happened, the second why there is no consent.
 * Whoever calls this has shown a second factor and says when (--step-up); the
 * hub takes none that is older than five minutes. The list comes from the hub
 * and names agencies, reasons and times, nobody else. */
#include "hub/ctl/ctl.h"
#include "proto/base/id.h"
#include <stdlib.h>
#include <string.h>

/* The first line under key, the rest, if it is wanted, under rest. */
static int set_note(const struct ctl *c, json_t *body, const char *key,
                    const char *rest)
{
    struct buf text = {0};
    int code = read_text(c, c->consent.note, &text);
    if (code == EXIT_DONE && text.n > 0) {
        char *line = (char *)text.p, *second = line + strcspn(line, "\r\n");
        if (rest != NULL && *second != '\0') {
            *second++ = '\0';
            second += strspn(second, "\r\n");
            second[strcspn(second, "\r\n")] = '\0';
            set_text(body, rest, second);
        }
        set_text(body, key, line);
    }
    buf_fini(&text);
    return code;
}

/* ---- opening ---- */

static int check_words(const struct ctl *c, bool needs_ref)
{
    if (c->actor == NULL || c->actor[0] == '\0')
        return fail(c, ERR_USAGE, "--actor");
    if (needs_ref && c->ref == NULL)
        return fail(c, ERR_USAGE, "--ref UUID");
    return EXIT_DONE;
}

static json_t *opening(const struct ctl *c, const char *ref)
{
    json_t *event = new_event("BREAK_GLASS_OPENED");
    json_t *body = json_object_get(event, "body");
    json_object_set_new(event, "actor", json_string(c->actor));
    set_text(body, "glass_ref", ref);
    set_text(body, "reason", c->reason);
    set_text(body, "step_up_ms", c->step_up);
    if (c->minutes > 0)
        json_object_set_new(body, "minutes", json_integer(c->minutes));
    return event;
}

/* The number is what an extension and a question to a hospital cite. */
static int send_opening(struct ctl *c, json_t *event, int code, const char *ref)
{
    if (code == EXIT_DONE)
        code = set_note(c, json_object_get(event, "body"), "text",
                        "why_no_consent");
    code = send_event(c, event, code);
    if (code == EXIT_DONE)
        fprintf(c->json ? stderr : stdout, "glass %s\n", ref);
    return code;
}

int cmd_glass_open(struct ctl *c)
{
    char made[ID_TEXT];
    int code = check_words(c, false);
    if (code != EXIT_DONE)
        return code;
    id_format(id_random(), made);
    const char *ref = c->ref != NULL ? c->ref : made;
    json_t *event = opening(c, ref);
    set_list(json_object_get(event, "body"), "classes", c->consent.classes,
             NULL);
    return send_opening(c, event, code, ref);
}

int cmd_glass_extend(struct ctl *c)
{
    char made[ID_TEXT];
    int code = check_words(c, true);
    if (code != EXIT_DONE)
        return code;
    id_format(id_random(), made);
    json_t *event = opening(c, made);
    set_text(json_object_get(event, "body"), "extends", c->ref);
    return send_opening(c, event, code, c->ref);
}

int cmd_glass_review(struct ctl *c)
{
    int code = check_words(c, true);
    if (code != EXIT_DONE)
        return code;
    json_t *event = new_event("BREAK_GLASS_REVIEWED");
    json_t *body = json_object_get(event, "body");
    json_object_set_new(event, "actor", json_string(c->actor));
    set_text(body, "glass_ref", c->ref);
    set_text(body, "verdict", c->argv[0]);
    code = set_note(c, body, "text", NULL);
    return send_event(c, event, code);
}

/* ---- listing ---- */

static void show_one(const struct ctl *c, const json_t *g)
{
    const char *verdict = text_of(g, "verdict");
    char leaf[24];
    snprintf(leaf, sizeof(leaf), "%lld", count_of(g, "leaf"));
    cell(leaf, 10);
    cell(text_of(g, "agency"), 16);
    cell(text_of(g, "reason"), 20);
    cell(text_of(g, "opened"), 26);
    puts(verdict[0] != '\0' ? verdict
                            : say(c, "点検待ち", "waits for its review"));
}

static void show_list(const struct ctl *c, const json_t *j)
{
    size_t i;
    json_t *g;
    printf(say(c,
               "緊急閲覧 %lld件  開いている %lld  点検済み %lld"
               "(うち妥当でない %lld)  点検の遅れ %lld  "
               "月に4回以上開いた人 %lld\n",
               "break-glass %lld  open %lld  reviewed %lld (not justified "
               "%lld)  overdue %lld  opened by one person more than three "
               "times a month: %lld\n"),
           count_of(j, "opened"), count_of(j, "open"), count_of(j, "reviewed"),
           count_of(j, "not_justified"), count_of(j, "overdue"),
           count_of(j, "often"));
    json_array_foreach(json_object_get(j, "glass"), i, g) show_one(c, g);
}

int cmd_glass_list(struct ctl *c)
{
    return view(c, "glass", NULL, 0, show_list);
}
