/* order.c - `tsunagi order`: what people sign - made, signed, handed in,
 * listed.
 *
 * An order is made with a reference that the hub gives for one person, so that
 * no name and no number stands in it; who signs sees in plain words what it is.
 * An order for a new epoch is about no person and is made without a hub. */
#include "hub/core/order.h"
#include "hub/ctl/ctl.h"
#include "proto/base/clock.h"
#include "proto/base/date.h"
#include "proto/wire/proof.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- what an agency calls a person ---- */

/* Asked at the node, where the agency's own number is known. */
int cmd_person_token(struct ctl *c)
{
    char person[PERSON_BYTES];
    struct node_answer a = {0};
    int code = person_of(c, person);
    struct node_arg arg = {"person", person};
    if (code == EXIT_DONE)
        code = request(c, "token", &arg, 1, &a);
    if (code == EXIT_DONE && c->json)
        print_json(a.json);
    else if (code == EXIT_DONE)
        printf("%s %s\n", text_of(a.json, "agency"),
               text_of(a.json, "person_token"));
    node_answer_fini(&a);
    return code;
}

/* ---- make ---- */

static int day_of(const struct ctl *c, const char *text, const char *option,
                  int32_t *day)
{
    struct date d;
    if (text == NULL || date_parse(slice_str(text), &d) != ERR_OK || d.day == 0)
        return fail(c, ERR_USAGE, option);
    *day = date_days(d);
    return EXIT_DONE;
}

static int copy(const struct ctl *c, const char *text, const char *option,
                char *out, size_t size)
{
    if (text == NULL || strlen(text) >= size)
        return fail(c, ERR_USAGE, option);
    memcpy(out, text, strlen(text) + 1);
    return EXIT_DONE;
}

static int reason_of(const struct ctl *c, struct order *o)
{
    struct buf codes = {0};
    int code = EXIT_DONE;
    if (c->reason == NULL || order_reason_en(o->kind, c->reason) == NULL) {
        buf_adds(&codes, "--reason ");
        order_reasons(o->kind, &codes);
        code = fail(c, ERR_USAGE, (char *)codes.p);
    } else {
        code = copy(c, c->reason, "--reason", o->reason, sizeof(o->reason));
    }
    buf_fini(&codes);
    return code;
}

/* "7,12": numbers that rise. */
static int leaves_of(const struct ctl *c, struct order *o)
{
    const char *p = c->leaves != NULL ? c->leaves : "";
    while (*p != '\0' && o->leaf_count < ORDER_LEAVES) {
        size_t n = strcspn(p, ",");
        if (!note_number(slice_of(p, n), &o->leaf[o->leaf_count++]))
            return fail(c, ERR_USAGE, "--leaves");
        p += n + (p[n] == ',');
    }
    return o->leaf_count > 0 && *p == '\0' ? EXIT_DONE
                                           : fail(c, ERR_USAGE, "--leaves");
}

static int fill_erase(const struct ctl *c, struct order *o)
{
    const char *by = c->asked_by != NULL ? c->asked_by : c->agency;
    int code = reason_of(c, o);
    o->asked_on = japan_day(clock_wall_ms());
    o->urgent = c->urgent;
    if (code == EXIT_DONE && c->asked_on != NULL)
        code = day_of(c, c->asked_on, "--asked-on", &o->asked_on);
    return code != EXIT_DONE
               ? code
               : copy(c, by, "--asked-by", o->asked_by, sizeof(o->asked_by));
}

static int fill_hold(const struct ctl *c, struct order *o)
{
    int code = reason_of(c, o);
    return code != EXIT_DONE
               ? code
               : day_of(c, c->consent.until, "--until DATE", &o->until);
}

static int fill_delay(const struct ctl *c, struct order *o)
{
    int code = leaves_of(c, o);
    if (code == EXIT_DONE)
        code = day_of(c, c->consent.until, "--until DATE", &o->until);
    return code != EXIT_DONE
               ? code
               : copy(c, c->basis, "--basis", o->basis, sizeof(o->basis));
}

/* The newest checkpoint that is left of the epoch that ends. */
static int fill_epoch(const struct ctl *c, struct order *o)
{
    struct buf note = {0};
    struct slice origin;
    int code = reason_of(c, o);
    if (code == EXIT_DONE)
        code = copy(c, c->new_origin, "--new-origin", o->new_origin,
                    sizeof(o->new_origin));
    if (code == EXIT_DONE && c->older == NULL)
        code = fail(c, ERR_USAGE, "--older CHECKPOINT");
    if (code == EXIT_DONE)
        code = read_text(c, c->older, &note);
    if (code == EXIT_DONE &&
        (!checkpoint_says(buf_slice(&note), &origin, &o->old_size) ||
         origin.n >= sizeof(o->origin)))
        code = fail(c, ERR_USAGE, c->older);
    if (code == EXIT_DONE) {
        memcpy(o->origin, origin.p, origin.n);
        sha256(buf_slice(&note), o->old_sha256);
    }
    buf_fini(&note);
    return code;
}

/* A reference to the person, and the log's name, from the hub. */
static int ask_subject(const struct ctl *c, struct order *o)
{
    struct node_arg args[] = {{"agency", c->agency}, {"token", c->token}};
    struct node_arg by_order = {"order", c->order};
    json_t *j = NULL;
    if (c->order == NULL && (c->agency == NULL || c->token == NULL))
        return fail(c, ERR_USAGE, "--agency CODE --token HEX, or --order HEX");
    int code = c->order != NULL ? ask(c, "order-subject", &by_order, 1, &j)
                                : ask(c, "order-subject", args, 2, &j);
    if (code == EXIT_DONE &&
        (strlen(text_of(j, "subject")) != 2 * sizeof(o->subject) ||
         hex_decode(text_of(j, "subject"), o->subject, sizeof(o->subject)) !=
             ERR_OK))
        code = fail(c, ERR_PB_MALFORMED, "subject");
    if (code == EXIT_DONE)
        code = copy(c, text_of(j, "origin"), "origin", o->origin,
                    sizeof(o->origin));
    json_decref(j);
    return code;
}

static int fill_lift(const struct ctl *c, struct order *o)
{
    (void)c, (void)o;
    return EXIT_DONE;
}

static int fill(const struct ctl *c, struct order *o)
{
    static int (*const FILL[ORDER_KINDS])(const struct ctl *,
                                          struct order *) = {
        [ORDER_ERASE] = fill_erase, [ORDER_HOLD] = fill_hold,
        [ORDER_LIFT] = fill_lift,   [ORDER_DELAY] = fill_delay,
        [ORDER_EPOCH] = fill_epoch,
    };
    o->order = id_random();
    o->made_ms = clock_wall_ms() / 1000 * 1000;
    int code = FILL[o->kind](c, o);
    return code != EXIT_DONE || o->kind == ORDER_EPOCH ? code
                                                       : ask_subject(c, o);
}

/* To a new file, or to stdout. */
static int put(const struct ctl *c, const struct buf *text)
{
    if (c->out == NULL) {
        fwrite(text->p, 1, text->n, stdout);
        return EXIT_DONE;
    }
    if (access(c->out, F_OK) == 0)
        return fail(c, ERR_CONFLICT,
                    say(c, "--out のファイルがすでにあります",
                        "the file of --out exists already"));
    enum err e = file_replace(c->out, buf_slice(text), 0644);
    if (e != ERR_OK)
        return fail(c, e, c->out);
    fprintf(stderr,
            say(c,
                "命令書を作りました: %s\n署名する人: tsunagi order sign %s "
                "--key FILE.key\n",
                "made the order: %s\nwho signs: tsunagi order sign %s --key "
                "FILE.key\n"),
            c->out, c->out);
    return EXIT_DONE;
}

int cmd_order_make(struct ctl *c)
{
    struct order o = {0}, again;
    struct buf text = {0}, why = {0};
    if (!order_kind_of(c->argv[0], &o.kind))
        return fail(c, ERR_USAGE, "erase|hold|lift|delay|epoch");
    int code = fill(c, &o);
    if (code == EXIT_DONE) {
        order_write(&o, &text);
        enum err e = order_parse(buf_slice(&text), &again, &why);
        if (e != ERR_OK) { /* a code that is none, a name with a space */
            code = fail(c, e, "");
            fputs(why.n > 0 ? (char *)why.p : "", stderr);
        }
    }
    if (code == EXIT_DONE)
        code = put(c, &text);
    buf_fini(&text);
    buf_fini(&why);
    return code;
}

/* ---- sign ---- */

static const char *kind_word(const struct ctl *c, enum order_kind k)
{
    static const char *const WORD[ORDER_KINDS][2] = {
        [ORDER_ERASE] = {"一人の情報をすべて消す",
                         "erase everything of a person"},
        [ORDER_HOLD] = {"一人の情報を消さずに保全する",
                        "keep what is there of a person"},
        [ORDER_LIFT] = {"保全を解く", "end the holds of a person"},
        [ORDER_DELAY] = {"報告の行を、ある日まで見せない",
                         "rows of a report wait until a day"},
        [ORDER_EPOCH] = {"監査記録を新しい名前で続ける",
                         "the log goes on under a new name"},
    };
    return WORD[k][c->ja ? 0 : 1];
}

/* What is about to be signed, in words. */
static void tell(const struct ctl *c, const struct order *o)
{
    char day[DATE_TEXT];
    const char *reason = c->ja ? order_reason_ja(o->kind, o->reason)
                               : order_reason_en(o->kind, o->reason);
    fprintf(stderr, "%s\n", kind_word(c, o->kind));
    if (reason != NULL)
        fprintf(stderr, say(c, "理由 %s\n", "reason: %s\n"), reason);
    if (o->kind == ORDER_ERASE) {
        date_iso(date_from_days(o->asked_on), day);
        fprintf(stderr, say(c, "求め %s %s%s\n", "asked %s %s%s\n"), day,
                o->asked_by, o->urgent ? say(c, " 至急", " urgent") : "");
    }
    if (o->kind == ORDER_HOLD || o->kind == ORDER_DELAY) {
        date_iso(date_from_days(o->until), day);
        fprintf(stderr, say(c, "期限 %s\n", "until %s\n"), day);
    }
    if (o->kind == ORDER_DELAY) {
        fprintf(stderr, say(c, "根拠 %s\n証明番号", "basis %s\nrows"),
                o->basis);
        for (size_t i = 0; i < o->leaf_count; i++)
            fprintf(stderr, " %llu", (unsigned long long)o->leaf[i]);
        fputc('\n', stderr);
    }
    if (o->kind == ORDER_EPOCH)
        fprintf(stderr, "%s -> %s (%llu)\n", o->origin, o->new_origin,
                (unsigned long long)o->old_size);
}

static enum err add_signature(const struct ctl *c, struct slice note,
                              const char *path)
{
    struct node_keys key;
    struct buf out = {0};
    enum err e = keys_read(c->key, &key);
    if (e == ERR_OK)
        e = approve_sign(note, &key, &out);
    if (e == ERR_OK)
        e = file_replace(path, buf_slice(&out), 0644);
    if (e == ERR_OK)
        fprintf(stderr,
                say(c, "%s として署名しました: %s\n", "signed as %s: %s\n"),
                key.pub.node, path);
    keys_wipe(&key);
    buf_fini(&out);
    return e;
}

int cmd_order_sign(struct ctl *c)
{
    struct buf note = {0}, why = {0};
    struct order o;
    if (c->key == NULL)
        return fail(c, ERR_USAGE, "--key FILE.key");
    code_allow_fictitious(true); /* the hub's table says who is real */
    int code = read_text(c, c->argv[0], &note);
    if (code == EXIT_DONE) {
        enum err e = order_parse(buf_slice(&note), &o, &why);
        if (e == ERR_OK) {
            tell(c, &o);
            e = add_signature(c, buf_slice(&note), c->argv[0]);
        }
        if (e != ERR_OK)
            code = fail(c, e, c->argv[0]);
        fputs(why.n > 0 ? (char *)why.p : "", stderr);
    }
    buf_fini(&note);
    buf_fini(&why);
    return code;
}

/* ---- submit, list ---- */

static void show_taken(const struct ctl *c, const json_t *j)
{
    printf(say(c, "受け付けました  番号 %s  記録 %lld\n",
               "taken: order %s, leaf %lld\n"),
           text_of(j, "order"), count_of(j, "leaf"));
}

int cmd_order_submit(struct ctl *c)
{
    struct buf note = {0};
    int code = read_text(c, c->argv[0], &note);
    struct node_arg arg = {"note", note.n > 0 ? (char *)note.p : ""};
    if (code == EXIT_DONE)
        code = view(c, "order-submit", &arg, 1, show_taken);
    buf_fini(&note);
    return code;
}

static void show_state(const struct ctl *c, const json_t *o)
{
    const char *state = text_of(o, "state");
    const char *held = text_of(o, "held_until");
    if (held[0] != '\0')
        printf(say(c, "保全中(%sまで)", "held until %s"), held);
    else if (strcmp(state, "over") == 0)
        printf("%s", say(c, "終わり", "over"));
    else if (strcmp(state, "begun") == 0)
        printf("%s", say(c, "作業中", "being carried out"));
    else
        printf("%s", say(c, "受付済み", "taken"));
    if (count_of(o, "unanswered") > 0)
        printf(say(c, "、返事のない機関の接続 %lld", ", %lld nodes unanswered"),
               count_of(o, "unanswered"));
    puts("");
}

static void show_list(const struct ctl *c, const json_t *j)
{
    size_t i;
    json_t *o;
    json_array_foreach(json_object_get(j, "orders"), i, o)
    {
        cell(text_of(o, "order"), 34);
        cell(text_of(o, "kind"), 7);
        cell(text_of(o, "taken"), 27);
        show_state(c, o);
    }
}

int cmd_order_list(struct ctl *c)
{
    return view(c, "order-list", NULL, 0, show_list);
}
