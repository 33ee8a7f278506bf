/* main.c - tsunagi: finds the command in the table, reads its options, runs
 * it. Options may stand before or after the words. */
#include "hub/ctl/ctl.h"
#include "proto/base/log.h"
#include "proto/wire/sign.h"
#include <getopt.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* Every option, one a line: what it takes and where it goes. */
enum kind {
    TEXT,
    FLAG,
    NUMBER,
    TIME,
    PERSON,
    TOKEN,
    LANGUAGE,
    HELP,
    PAGE,
    VERSION
};
#define AT(field) offsetof(struct ctl, field)
static const struct opt {
    const char *name;
    enum kind kind;
    size_t at;
} OPTIONS[] = {
    {"actor", TEXT, AT(actor)},
    {"agency", TEXT, AT(agency)},
    {"all", FLAG, AT(all)},
    {"asked-by", TEXT, AT(asked_by)},
    {"asked-on", TEXT, AT(asked_on)},
    {"authority", TEXT, AT(consent.authority)},
    {"basis", TEXT, AT(basis)},
    {"channel", TEXT, AT(consent.channel)},
    {"classes", TEXT, AT(consent.classes)},
    {"completion", PAGE, 0},
    {"config", TEXT, AT(config)},
    {"day", TEXT, AT(day)},
    {"dir", TEXT, AT(dir)},
    {"except", TEXT, AT(consent.except)},
    {"exec", TEXT, AT(exec)},
    {"follow", FLAG, AT(follow)},
    {"from", TEXT, AT(consent.from)},
    {"giver", TEXT, AT(consent.giver)},
    {"ground", TEXT, AT(consent.ground)},
    {"help", HELP, 0},
    {"json", FLAG, AT(json)},
    {"key", TEXT, AT(key)},
    {"lang", LANGUAGE, 0},
    {"language", TEXT, AT(consent.language)},
    {"leaves", TEXT, AT(leaves)},
    {"limit", NUMBER, AT(limit)},
    {"man", PAGE, 0},
    {"method", TEXT, AT(consent.method)},
    {"minor-view", TEXT, AT(consent.minor_view)},
    {"new-origin", TEXT, AT(new_origin)},
    {"newest", FLAG, AT(newest)},
    {"node", TEXT, AT(node)},
    {"minutes", NUMBER, AT(minutes)},
    {"not-before", TEXT, AT(not_before)},
    {"note", TEXT, AT(consent.note)},
    {"number", NUMBER, AT(number)},
    {"off", FLAG, AT(off)},
    {"older", TEXT, AT(older)},
    {"on", FLAG, AT(on)},
    {"order", TEXT, AT(order)},
    {"origin", TEXT, AT(origin)},
    {"out", TEXT, AT(out)},
    {"paper", TEXT, AT(consent.paper)},
    {"person", PERSON, 0},
    {"persons", TEXT, AT(persons)},
    {"plan", TEXT, AT(consent.plan)},
    {"policy", TEXT, AT(policy)},
    {"present", TEXT, AT(consent.present)},
    {"preview", FLAG, AT(preview)},
    {"purpose", TEXT, AT(purpose)},
    {"reason", TEXT, AT(reason)},
    {"ref", TEXT, AT(ref)},
    {"resident", TEXT, AT(consent.resident)},
    {"shikyu", TEXT, AT(consent.shikyu)},
    {"step-up", TEXT, AT(step_up)},
    {"stream", FLAG, AT(stream)},
    {"supersedes", TEXT, AT(consent.supersedes)},
    {"text-version", TEXT, AT(consent.text_version)},
    {"timeout", TIME, AT(timeout_ms)},
    {"to", TEXT, AT(to)},
    {"token", TOKEN, AT(token)},
    {"tsv", FLAG, AT(tsv)},
    {"until", TEXT, AT(consent.until)},
    {"urgent", FLAG, AT(urgent)},
    {"version", VERSION, 0},
    {"vkey", TEXT, AT(vkey)},
    {"what", TEXT, AT(what)},
    {"yes", FLAG, AT(yes)},
};

static bool takes_value(const struct opt *o)
{
    return o->kind == TEXT || o->kind == NUMBER || o->kind == TIME ||
           o->kind == PERSON || o->kind == TOKEN || o->kind == LANGUAGE;
}

static bool japanese(void)
{
    static const char *const NAMES[] = {"LC_ALL", "LC_MESSAGES", "LANG"};
    for (size_t i = 0; i < NELEM(NAMES); i++) {
        const char *v = getenv(NAMES[i]);
        if (v != NULL && v[0] != '\0')
            return strncmp(v, "ja", 2) == 0;
    }
    return false;
}

/* Does the command take this option? Help, language and version always. */
static bool takes(const struct command *cmd, const char *name)
{
    size_t n = strlen(name);
    if (strcmp(name, "help") == 0 || strcmp(name, "lang") == 0)
        return true;
    for (const char *p = cmd->options; (p = strstr(p, name)) != NULL; p += n)
        if ((p == cmd->options || p[-1] == ' ') &&
            (p[n] == ' ' || p[n] == '\0'))
            return true;
    return false;
}

static bool number(const char *text, bool is_time, long long *out)
{
    char *end;
    *out = strtoll(text, &end, 10);
    if (end == text || *out < 0)
        return false;
    if (is_time && strcmp(end, "s") == 0)
        *out *= 1000;
    return *end == '\0' || (is_time && strcmp(end, "s") == 0);
}

/* A number of a person is kept apart and overwritten on the command line,
 * which every user of the machine can read. */
static bool take_person(struct ctl *c, char *arg)
{
    if (strlen(arg) >= sizeof(c->person_number))
        return false;
    snprintf(c->person_number, sizeof(c->person_number), "%s", arg);
    c->person = c->person_number;
    if (arg[0] != '@' && strcmp(arg, "-") != 0)
        memset(arg, 'x', strlen(arg));
    return true;
}

/* A token stands for a person, and is overwritten like a number. */
static bool take_token(struct ctl *c, char *arg)
{
    if (strlen(arg) >= sizeof(c->token_hex))
        return false;
    snprintf(c->token_hex, sizeof(c->token_hex), "%s", arg);
    c->token = c->token_hex;
    memset(arg, 'x', strlen(arg));
    return true;
}

static bool apply(struct ctl *c, const struct opt *o, char *arg)
{
    void *at = (char *)c + o->at;
    switch (o->kind) {
    case TEXT:
        *(const char **)at = arg;
        return true;
    case FLAG:
        return *(bool *)at = true;
    case NUMBER:
    case TIME:
        return number(arg, o->kind == TIME, at);
    case PERSON:
        return take_person(c, arg);
    case TOKEN:
        return take_token(c, arg);
    case LANGUAGE:
        c->ja = strncmp(arg, "ja", 2) == 0;
        return true;
    case PAGE:
        c->out = o->name;
        return true;
    default:
        return true;
    }
}

static const struct command *find(int *argc, char ***argv)
{
    for (size_t i = 0; *argc > 0 && i < COMMAND_COUNT; i++) {
        const struct command *cmd = &COMMANDS[i];
        int words = cmd->name[0] == '\0' ? 1 : 2;
        if (*argc < words || strcmp((*argv)[0], cmd->group) != 0 ||
            (words == 2 && strcmp((*argv)[1], cmd->name) != 0))
            continue;
        *argc -= words;
        *argv += words;
        return cmd;
    }
    return NULL;
}

static int wrong_use(struct ctl *c, const char *what)
{
    fprintf(stderr, "tsunagi: %s: %s\n", err_code(ERR_USAGE), what);
    help_hint(c);
    return EXIT_USAGE;
}

/* `demo` hands its words on as they are. */
static int run_demo(struct ctl *c, int argc, char **argv)
{
    c->argc = argc - 2;
    c->argv = argv + 2;
    return cmd_demo(c);
}

static int run(struct ctl *c)
{
    const struct command *cmd = c->command;
    if (c->argc < cmd->min_words || c->argc > cmd->max_words)
        return wrong_use(c, cmd->words);
    return cmd->run(c);
}

/* What getopt_long wants: values are places in OPTIONS, from FIRST. */
#define FIRST 256
static void long_options(struct option out[NELEM(OPTIONS) + 1])
{
    for (size_t i = 0; i < NELEM(OPTIONS); i++)
        out[i] = (struct option){OPTIONS[i].name,
                                 takes_value(&OPTIONS[i]) ? required_argument
                                                          : no_argument,
                                 NULL, FIRST + (int)i};
    out[NELEM(OPTIONS)] = (struct option){NULL, 0, NULL, 0};
}

/* Reads the options; those that were there are marked in seen. */
static bool read_options(struct ctl *c, int argc, char **argv,
                         bool seen[NELEM(OPTIONS)])
{
    struct option table[NELEM(OPTIONS) + 1];
    int o;
    long_options(table);
    while ((o = getopt_long(argc, argv, "", table, NULL)) != -1) {
        if (o < FIRST || !apply(c, &OPTIONS[o - FIRST], optarg))
            return false;
        seen[o - FIRST] = true;
    }
    c->argc = argc - optind;
    c->argv = argv + optind;
    return true;
}

static bool was_seen(const bool seen[NELEM(OPTIONS)], enum kind kind)
{
    for (size_t i = 0; i < NELEM(OPTIONS); i++)
        if (OPTIONS[i].kind == kind && seen[i])
            return true;
    return false;
}

static int find_and_run(struct ctl *c, bool help,
                        const bool seen[NELEM(OPTIONS)])
{
    bool nothing = c->argc == 0;
    c->command = find(&c->argc, &c->argv);
    if (help || (c->command == NULL && nothing))
        return cmd_help(c);
    if (c->command == NULL)
        return wrong_use(
            c, say(c, "そのような命令はありません", "no such command"));
    for (size_t i = 0; i < NELEM(OPTIONS); i++)
        if (seen[i] && !takes(c->command, OPTIONS[i].name))
            return wrong_use(c, OPTIONS[i].name);
    return run(c);
}

int main(int argc, char **argv)
{
    struct ctl c = {.ja = japanese(), .timeout_ms = 10000, .limit = 100};
    bool seen[NELEM(OPTIONS)] = {false};
    log_open("tsunagi", LOG_WARN);
    signal(SIGPIPE, SIG_IGN);
    if (sign_init() != ERR_OK)
        return EXIT_UNEXPECTED;
    if (argc > 1 && strcmp(argv[1], "demo") == 0)
        return run_demo(&c, argc, argv);
    if (!read_options(&c, argc, argv, seen))
        return wrong_use(&c, say(&c, "オプションが違います", "bad option"));
    if (was_seen(seen, VERSION)) {
        puts("tsunagi " TSUNAGI_VERSION);
        return EXIT_DONE;
    }
    return find_and_run(&c, was_seen(seen, HELP), seen);
}
