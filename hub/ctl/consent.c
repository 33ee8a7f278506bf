/* consent.c - `tsunagi consent` and `tsunagi person`: what a coordinator
 * records of a person's will, of the municipalities that are meant, and of an
 * address that must not leave.
 *
 * Of papers only the SHA-256 is recorded; free text comes from a file. */
#include "hub/ctl/ctl.h"
#include "proto/base/id.h"
#include "proto/wire/json.h"
#include "proto/wire/sign.h"
#include <stdlib.h>
#include <string.h>

#define PAPER_BYTES (64U << 20)

/* ---- values ---- */

/* An agency's code, R_ROLE or R_ROLE@MUNICIPALITY. */
static json_t *recipient(const char *p, size_t n)
{
    if (n < 2 || strncmp(p, "R_", 2) != 0)
        return json_pack("{s:o}", "agency", json_stringn(p, n));
    const char *at = memchr(p, '@', n);
    size_t role = at != NULL ? (size_t)(at - p) : n;
    json_t *r = json_pack("{s:o}", "role", json_stringn(p, role));
    if (at != NULL)
        json_object_set_new(r, "place", json_stringn(at + 1, n - role - 1));
    return r;
}

/* The SHA-256 of a file, in hex. */
static int set_digest(const struct ctl *c, json_t *body, const char *key,
                      const char *path)
{
    struct buf file = {0}, hex = {0};
    uint8_t hash[32];
    if (path == NULL)
        return EXIT_DONE;
    enum err e = file_read(path, PAPER_BYTES, &file);
    if (e == ERR_OK) {
        sha256(buf_slice(&file), hash);
        buf_add_hex(&hex, slice_of(hash, sizeof(hash)));
        json_object_set_new(body, key, json_string((const char *)hex.p));
    }
    buf_fini(&file);
    buf_fini(&hex);
    return e == ERR_OK ? EXIT_DONE : fail(c, e, path);
}

static int set_note(const struct ctl *c, json_t *body)
{
    struct buf text = {0};
    if (c->consent.note == NULL)
        return EXIT_DONE;
    int code = read_text(c, c->consent.note, &text);
    while (text.n > 0 && text.p[text.n - 1] == '\n')
        text.p[--text.n] = '\0';
    if (code == EXIT_DONE)
        json_object_set_new(body, "capacity_note",
                            json_stringn((char *)text.p, text.n));
    buf_fini(&text);
    return code;
}

static void set_ref(const struct ctl *c, json_t *body)
{
    char text[ID_TEXT];
    if (c->ref != NULL) {
        set_text(body, "consent_ref", c->ref);
    } else if (json_object_get(body, "consent_ref") == NULL) {
        id_format(id_random(), text);
        set_text(body, "consent_ref", text);
    }
}

/* ---- giving ---- */

static void set_terms(const struct ctl *c, json_t *body)
{
    const struct consent_options *o = &c->consent;
    const struct {
        const char *key, *value;
    } TEXT[] = {
        {"purpose", c->purpose},
        {"giver", o->giver},
        {"method", o->method},
        {"valid_from", o->from},
        {"valid_to", o->until},
        {"minor_view", o->minor_view},
        {"text_version", o->text_version},
        {"language", o->language},
        {"supersedes", o->supersedes},
    };
    for (size_t i = 0; i < NELEM(TEXT); i++)
        set_text(body, TEXT[i].key, TEXT[i].value);
    set_list(body, "recipient", c->to, recipient);
    set_list(body, "except", o->except, recipient);
    set_list(body, "classes", o->classes, NULL);
    if (o->minor_view != NULL)
        json_object_set_new(body, "minor", json_true());
    if (o->paper != NULL && json_object_get(body, "method") == NULL)
        set_text(body, "method", "PAPER");
    if (json_object_get(body, "giver") == NULL)
        set_text(body, "giver", "SELF");
}

/* The event of a file (an object with a body), or an empty one. */
static int given_event(struct ctl *c, json_t **event)
{
    struct buf text = {0}, why = {0};
    *event = NULL;
    if (c->argc == 0) {
        *event = new_event("CONSENT_GIVEN");
        return EXIT_DONE;
    }
    int code = read_text(c, c->argv[0], &text);
    enum err e =
        code == EXIT_DONE ? json_parse(buf_slice(&text), event, &why) : ERR_OK;
    if (e == ERR_OK && code == EXIT_DONE &&
        !json_is_object(json_object_get(*event, "body")))
        e = ERR_VAL_TYPE;
    if (e != ERR_OK)
        code = fail(c, e, c->argv[0]);
    buf_fini(&text);
    buf_fini(&why);
    return code;
}

int cmd_consent_give(struct ctl *c)
{
    json_t *event;
    int code = given_event(c, &event);
    json_t *body = json_object_get(event, "body");
    if (code == EXIT_DONE) {
        set_terms(c, body);
        set_ref(c, body);
        code = set_digest(c, body, "paper_sha256", c->consent.paper);
    }
    if (code == EXIT_DONE)
        code = set_digest(c, body, "authority_sha256", c->consent.authority);
    if (code == EXIT_DONE)
        code = set_note(c, body);
    return send_event(c, event, code);
}

/* ---- refusing, withdrawing, putting off ---- */

int cmd_consent_refuse(struct ctl *c)
{
    if (c->purpose == NULL)
        return fail(c, ERR_USAGE, "--purpose P_...");
    json_t *event = new_event("CONSENT_REFUSED");
    json_t *body = json_object_get(event, "body");
    set_text(body, "purpose", c->purpose);
    set_text(body, "giver",
             c->consent.giver != NULL ? c->consent.giver : "SELF");
    set_list(body, "recipient", c->to, recipient);
    set_list(body, "classes", c->consent.classes, NULL);
    set_ref(c, body);
    return send_event(c, event, EXIT_DONE);
}

int cmd_consent_withdraw(struct ctl *c)
{
    if ((c->ref == NULL) == !c->all)
        return fail(c, ERR_USAGE, "--ref UUID | --all");
    json_t *event = new_event("CONSENT_WITHDRAWN");
    json_t *body = json_object_get(event, "body");
    set_text(body, "consent_ref", c->ref);
    if (c->all)
        json_object_set_new(body, "all", json_true());
    set_text(body, "channel",
             c->consent.channel != NULL ? c->consent.channel
                                        : "WITHDRAW_WINDOW");
    return send_event(c, event, EXIT_DONE);
}

int cmd_consent_defer(struct ctl *c)
{
    if (c->purpose == NULL || c->consent.until == NULL)
        return fail(c, ERR_USAGE, "--purpose P_... --until DATE");
    json_t *event = new_event("CONSENT_DEFERRED");
    json_t *body = json_object_get(event, "body");
    set_text(body, "purpose", c->purpose);
    set_text(body, "ask_again_on", c->consent.until);
    return send_event(c, event, set_note(c, body));
}

/* ---- what was recorded here ---- */

static void add_recipient(struct buf *b, const json_t *r)
{
    const char *agency = text_of(r, "agency"), *place = text_of(r, "place");
    buf_addf(b, "%s%s", b->n > 0 ? " " : "",
             agency[0] != '\0' ? agency : text_of(r, "role"));
    if (place[0] != '\0')
        buf_addf(b, "@%s", place);
}

/* What was recorded, and whether the hub has it: "refused" alone would read
 * as the person's no. */
static const char *in_words(const struct ctl *c, const char *code)
{
    static const struct {
        const char *code, *ja, *en;
    } WORDS[] = {
        {"CONSENT_GIVEN", "同意", "consent"},
        {"CONSENT_REFUSED", "不同意", "refusal"},
        {"CONSENT_WITHDRAWN", "撤回", "withdrawal"},
        {"CONSENT_DEFERRED", "確認の延期", "postponed"},
        {"waiting", "送信待ち", "waiting"},
        {"accepted", "記録済み", "recorded"},
        {"refused", "記録されず", "not recorded"},
        {"parked", "保留", "set aside"},
    };
    for (size_t i = 0; i < NELEM(WORDS); i++)
        if (strcmp(WORDS[i].code, code) == 0)
            return say(c, WORDS[i].ja, WORDS[i].en);
    return code;
}

static void show_consent(const struct ctl *c, const json_t *row)
{
    struct buf who = {0};
    size_t i;
    json_t *r;
    json_array_foreach(json_object_get(row, "recipient"), i, r)
        add_recipient(&who, r);
    cell(in_words(c, text_of(row, "type")), 10);
    cell(text_of(row, "consent_ref"), 36);
    cell(in_words(c, text_of(row, "state")), 12);
    cell(text_of(row, "purpose"), 7);
    cell(text_of(json_object_get(row, "valid_to"), "iso"), 10);
    puts(who.p != NULL ? (const char *)who.p : "");
    buf_fini(&who);
}

int cmd_consent_list(struct ctl *c)
{
    char number[PERSON_BYTES];
    struct node_arg args[2];
    struct node_answer a = {0};
    size_t n = 0, i;
    json_t *row;
    int code = person_of(c, number);
    if (code != EXIT_DONE)
        return code;
    if (number[0] != '\0')
        args[n++] = (struct node_arg){"person", number};
    else if (c->token != NULL)
        args[n++] = (struct node_arg){"person_token", c->token};
    code = request(c, "consents", args, n, &a);
    if (code == EXIT_DONE && c->json) {
        json_object_set_new(a.json, "schema",
                            json_string("tsunagi.consents/1"));
        print_json(a.json);
    } else if (code == EXIT_DONE) {
        json_array_foreach(json_object_get(a.json, "consents"), i, row)
            show_consent(c, row);
    }
    node_answer_fini(&a);
    return code;
}

/* ---- places, protection ---- */

int cmd_person_places(struct ctl *c)
{
    const struct consent_options *o = &c->consent;
    json_t *event = new_event("PERSON_PLACES_RECORDED");
    json_t *body = json_object_get(event, "body");
    set_text(body, "resident", o->resident);
    set_text(body, "present", o->present);
    set_text(body, "shikyu", o->shikyu);
    set_text(body, "plan", o->plan);
    int code = json_object_size(body) > 0
                   ? EXIT_DONE
                   : fail(c, ERR_USAGE, "--resident --present --shikyu --plan");
    return send_event(c, event, code);
}

int cmd_person_protect(struct ctl *c)
{
    if (c->on == c->off)
        return fail(c, ERR_USAGE, "--on | --off");
    json_t *event = new_event("ADDRESS_PROTECTION_SET");
    json_t *body = json_object_get(event, "body");
    json_object_set_new(body, "on", json_boolean(c->on));
    set_text(body, "until", c->consent.until);
    set_text(body, "ground", c->consent.ground);
    return send_event(c, event, EXIT_DONE);
}
