/* witness.c - `tsunagi witness`: a node as a witness of the hub's log. Whether
 * the log contradicts itself is said first, in red, with what to do; then
 * whether a quorum is missing. The figures are those of the enrolment sheet. */
#include "hub/ctl/ctl.h"
#include <string.h>
#include <unistd.h>

#define RED "\033[1;31m"
#define PLAIN "\033[0m"

static bool forked(const json_t *j)
{
    return json_is_true(json_object_get(j, "forked"));
}

static void banner(const char *text)
{
    bool tty = isatty(STDOUT_FILENO);
    printf("%s%s%s\n", tty ? RED : "", text, tty ? PLAIN : "");
}

static void show_fork(const struct ctl *c, const json_t *j)
{
    if (!forked(j))
        return;
    banner(say(c,
               "【重大】ハブの記録が、以前に見たものと食い違っています。"
               "受け取りと連署を止めました。",
               "FORK: the hub's log contradicts what was seen before. Nothing "
               "is received or cosigned."));
    if (json_is_true(json_object_get(j, "damaged")))
        printf(say(c, "証人の記憶のファイルが読めません: %s\n",
                   "the file of the witness cannot be read: %s\n"),
               text_of(j, "state"));
    else
        printf(say(c, "%s から  証拠 %s/%s\n", "since %s  evidence %s/%s\n"),
               text_of(j, "forked_at"), text_of(j, "folder"),
               text_of(j, "evidence"));
    puts(say(c,
             "証拠を消さず、写しを県の担当課とほかの市町村に送ってください。"
             "事情が分かってから、\n"
             "責任者が tsunagi witness clear --reason \"理由\" で解除します。",
             "Keep the evidence and send copies to the prefecture and other "
             "municipalities. Once it is\n"
             "explained, whoever is responsible runs tsunagi witness clear "
             "--reason \"...\"."));
}

static void show_quorum(const struct ctl *c, const json_t *j)
{
    static const struct {
        const char *state, *ja, *en;
    } SAID[] = {
        {"unasked",
         "証人の方針(hub.witnesses)がないため、ほかの機関の連署を求めていま"
         "せん。",
         "No policy of witnesses (hub.witnesses): nobody's cosignature is "
         "demanded."},
        {"closed",
         "いま開いている証人がいないため、連署を待たずに受け取っています。",
         "No witness is open now; deliveries are taken without waiting for "
         "them."},
        {"covered", "受け取ったものは、証人の連署を得ています。",
         "What was received is cosigned."},
        {"awaited", "受け取ったものの連署を待っています(期限内)。",
         "Cosignatures of what was received are awaited, in time."},
    };
    const char *state = text_of(j, "quorum");
    for (size_t i = 0; i < NELEM(SAID); i++)
        if (strcmp(SAID[i].state, state) == 0)
            puts(say(c, SAID[i].ja, SAID[i].en));
    if (strcmp(state, "late") == 0)
        banner(say(c,
                   "【注意】証人の連署が期限までに届きません。通常回線の受け"
                   "取りを止めています(緊急回線は動いています)。",
                   "LATE: no quorum of witnesses in time. The normal lane "
                   "receives nothing; the urgent lane goes on."));
    if (json_is_true(json_object_get(j, "apart")))
        banner(say(c,
                   "【注意】見せられた記録どうしのつながりを、ハブが証明しま"
                   "せん。通常回線の受け取りを止めています。",
                   "APART: the hub does not prove that the heads it showed are "
                   "of one log. The normal lane receives nothing."));
}

void show_witness_trouble(const struct ctl *c, const json_t *j)
{
    show_fork(c, j);
    show_quorum(c, j);
}

int witness_exit(const json_t *j)
{
    return forked(j) ? EXIT_INTEGRITY : EXIT_DONE;
}

static void show_figures(const struct ctl *c, const json_t *j)
{
    printf(say(c, "証人 %s  記録 %s\n", "witness %s  log %s\n"),
           text_of(j, "name"), text_of(j, "origin"));
    printf(say(c, "公開鍵 %s\n", "key %s\n"), text_of(j, "vkey"));
    printf(
        say(c, "連署した大きさ %lld  根 %s\n", "cosigned size %lld  root %s\n"),
        count_of(j, "size"), text_of(j, "root"));
    if (json_object_get(j, "asked") != NULL)
        printf(say(c, "起動してからの依頼 %lld  連署 %lld  見た大きさ %lld\n",
                   "asked since the start %lld  cosigned %lld  seen %lld\n"),
               count_of(j, "asked"), count_of(j, "given"), count_of(j, "seen"));
    if (count_of(j, "cleared") > 0)
        printf(say(c, "これまでに解除した回数 %lld(理由は %s に)\n",
                   "cleared so far %lld (reasons in %s)\n"),
               count_of(j, "cleared"), text_of(j, "state"));
}

/* --out: the newest head that this node has seen of the log. */
static int write_note(const struct ctl *c, const json_t *j)
{
    const char *note = text_of(j, "note");
    enum err e = note[0] == '\0' ? ERR_NOT_FOUND
                                 : file_replace(c->out, slice_str(note), 0644);
    return e == ERR_OK ? EXIT_DONE : fail(c, e, c->out);
}

int cmd_witness_status(struct ctl *c)
{
    struct node_answer a = {0};
    int code = request(c, "witness", NULL, 0, &a);
    if (code == EXIT_DONE && c->out != NULL)
        code = write_note(c, a.json);
    if (code == EXIT_DONE && c->json) {
        print_json(a.json);
    } else if (code == EXIT_DONE) {
        show_witness_trouble(c, a.json);
        show_figures(c, a.json);
    }
    if (code == EXIT_DONE)
        code = witness_exit(a.json);
    node_answer_fini(&a);
    return code;
}

/* What was seen of the log is forgotten, so nobody does it without a word. */
int cmd_witness_clear(struct ctl *c)
{
    struct node_answer a = {0};
    if (c->reason == NULL) {
        help_hint(c);
        return fail(c, ERR_USAGE, "--reason");
    }
    const struct node_arg arg = {"reason", c->reason};
    int code = request(c, "witness-clear", &arg, 1, &a);
    if (code == EXIT_DONE && !c->json)
        puts(say(c,
                 "解除しました。理由を記録し、次に見る記録から数え直します。",
                 "Cleared. The reason is kept; the log counts from what is "
                 "seen next."));
    else if (code == EXIT_DONE)
        print_json(a.json);
    node_answer_fini(&a);
    return code;
}
