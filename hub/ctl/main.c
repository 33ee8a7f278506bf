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

static const struct option OPTIONS[] = {
    /* clang-format off */
    {"config", required_argument, NULL, 'c'}, {"dir", required_argument, NULL, 'd'},
    {"node", required_argument, NULL, 'n'}, {"agency", required_argument, NULL, 'a'},
    {"out", required_argument, NULL, 'o'}, {"exec", required_argument, NULL, 'x'},
    {"person", required_argument, NULL, 'p'}, {"ref", required_argument, NULL, 'r'},
    {"purpose", required_argument, NULL, 'u'}, {"vkey", required_argument, NULL, 'k'},
    {"older", required_argument, NULL, 'e'}, {"timeout", required_argument, NULL, 't'},
    {"limit", required_argument, NULL, 'l'}, {"lang", required_argument, NULL, 'L'},
    {"json", no_argument, NULL, 'j'}, {"stream", no_argument, NULL, 's'},
    {"follow", no_argument, NULL, 'f'}, {"all", no_argument, NULL, 'A'},
    {"key", required_argument, NULL, 'K'}, {"origin", required_argument, NULL, 'O'},
    {"not-before", required_argument, NULL, 'B'}, {"number", required_argument, NULL, 'N'},
    {"day", required_argument, NULL, 'D'}, {"tsv", no_argument, NULL, 'T'},
    {"yes", no_argument, NULL, 'y'}, {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, 'v'},
    {"man", no_argument, NULL, 'm'}, {"completion", no_argument, NULL, 'b'},
    {NULL, 0, NULL, 0},
}; /* clang-format on */

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

static const char *option_name(int o)
{
    for (const struct option *p = OPTIONS; p->name != NULL; p++)
        if (p->val == o)
            return p->name;
    return "";
}

static bool number(const char *text, long long *out)
{
    char *end;
    *out = strtoll(text, &end, 10);
    if (strcmp(end, "s") == 0)
        *out *= 1000;
    return end != text && *out >= 0 && (*end == '\0' || strcmp(end, "s") == 0);
}

/* Options that are a text or a flag, and where they go. */
#define AT(field) offsetof(struct ctl, field)
static const struct {
    int option;
    size_t at;
} TEXTS[] =
    {
        /* clang-format off */
    {'c', AT(config)}, {'d', AT(dir)}, {'n', AT(node)}, {'a', AT(agency)},
    {'o', AT(out)}, {'x', AT(exec)}, {'p', AT(person)}, {'r', AT(ref)},
    {'u', AT(purpose)}, {'k', AT(vkey)}, {'e', AT(older)},
    {'K', AT(key)}, {'O', AT(origin)}, {'B', AT(not_before)}, {'D', AT(day)},
}, FLAGS[] = {
    {'j', AT(json)}, {'s', AT(stream)}, {'f', AT(follow)}, {'A', AT(all)},
    {'y', AT(yes)}, {'T', AT(tsv)},
}; /* clang-format on */

static bool apply(struct ctl *c, int o, const char *arg)
{
    for (size_t i = 0; i < NELEM(TEXTS); i++)
        if (TEXTS[i].option == o) {
            *(const char **)((char *)c + TEXTS[i].at) = arg;
            return true;
        }
    for (size_t i = 0; i < NELEM(FLAGS); i++)
        if (FLAGS[i].option == o)
            return *(bool *)((char *)c + FLAGS[i].at) = true;
    if (o == 'L')
        c->ja = strncmp(arg, "ja", 2) == 0;
    else if (o == 'm' || o == 'b')
        c->out = o == 'm' ? "man" : "completion";
    else if (o == 't')
        return number(arg, &c->timeout_ms);
    else if (o == 'N')
        return number(arg, &c->number);
    else if (o == 'l')
        return number(arg, &c->limit);
    else
        return false;
    return true;
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

int main(int argc, char **argv)
{
    struct ctl c = {.ja = japanese(), .timeout_ms = 10000, .limit = 100};
    char seen[NELEM(OPTIONS)];
    size_t seen_n = 0;
    bool help = false;
    int o;
    log_open("tsunagi", LOG_WARN);
    signal(SIGPIPE, SIG_IGN);
    if (sign_init() != ERR_OK)
        return EXIT_UNEXPECTED;
    if (argc > 1 && strcmp(argv[1], "demo") == 0)
        return run_demo(&c, argc, argv);
    while ((o = getopt_long(argc, argv, "", OPTIONS, NULL)) != -1) {
        if (o == 'v') {
            puts("tsunagi " TSUNAGI_VERSION);
            return EXIT_DONE;
        }
        if (o == 'h')
            help = true;
        else if (o == '?' || !apply(&c, o, optarg))
            return wrong_use(&c, say(&c, "オプションが違います", "bad option"));
        if (seen_n < sizeof(seen))
            seen[seen_n++] = (char)o;
    }
    c.argc = argc - optind;
    c.argv = argv + optind;
    c.command = find(&c.argc, &c.argv);
    if (help || c.command == NULL) {
        bool asked = help || argc == 1;
        if (!asked)
            return wrong_use(
                &c, say(&c, "そのような命令はありません", "no such command"));
        return cmd_help(&c);
    }
    for (size_t i = 0; i < seen_n; i++)
        if (!takes(c.command, option_name(seen[i])))
            return wrong_use(&c, option_name(seen[i]));
    return run(&c);
}
