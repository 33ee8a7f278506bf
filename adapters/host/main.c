/* main.c - tsunagi-adapter: one node of one agency, with the module that its
 * configuration names.
 *
 *   tsunagi-adapter -c FILE [--check]
 *
 * Exit codes: 0 ended as asked, 2 usage, 3 the configuration is wrong (with
 * --check), 75 the machine failed (disk; start again), 78 the configuration or
 * the module is such that starting again cannot help. */
#include "adapters/sdk/run.h"
#include "proto/base/log.h"
#include "proto/base/process.h"
#include <assert.h>
#include <dlfcn.h>
#include <getopt.h>
#include <libgen.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define TURN_MS 1000
enum { EXIT_USAGE = 2, EXIT_CONFIG = 3, EXIT_MACHINE = 75, EXIT_REFUSED = 78 };

struct program {
    const char *config;
    bool check;
    struct node_session *session;
    void *library;
    int signals;
};

static int usage(FILE *out)
{
    fputs("usage: tsunagi-adapter -c FILE [--check]\n"
          "  -c, --config FILE  この接続の設定 / configuration of the node\n"
          "      --check        設定だけを調べる / only check it\n",
          out);
    return EXIT_USAGE;
}

/* True when the program goes on. */
static bool parse(int argc, char **argv, struct program *p, int *code)
{
    static const struct option LONG[] = {
        {"config", required_argument, NULL, 'c'},
        {"check", no_argument, NULL, 'k'},
        {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'V'},
        {NULL, 0, NULL, 0}};
    int c;
    while ((c = getopt_long(argc, argv, "c:h", LONG, NULL)) != -1) {
        if (c == 'c')
            p->config = optarg;
        else if (c == 'k')
            p->check = true;
        else {
            *code = c == '?' ? usage(stderr) : 0;
            if (c == 'V')
                puts("tsunagi-adapter " TSUNAGI_VERSION);
            else if (c == 'h')
                usage(stdout);
            return false;
        }
    }
    if (p->config == NULL || optind < argc) {
        *code = usage(stderr);
        return false;
    }
    return true;
}

/* ---- the module ---- */

static void beside_program(const char *name, char path[PATH_MAX])
{
    char exe[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
    exe[n > 0 ? n : 0] = '\0';
    if (snprintf(path, PATH_MAX, "%s/../modules/%s.so", dirname(exe), name) >=
        PATH_MAX)
        path[0] = '\0';
}

static bool module_path(struct tsunagi_host *h, char path[PATH_MAX])
{
    const char *name = tsunagi_option(h, "name");
    const char *given = tsunagi_option(h, "path");
    if (given != NULL) {
        char *full = tsunagi_path(h, given);
        bool ok =
            full != NULL && snprintf(path, PATH_MAX, "%s", full) < PATH_MAX;
        free(full);
        return ok;
    }
    if (name == NULL || strchr(name, '/') != NULL)
        return false;
    beside_program(name, path);
    return path[0] != '\0';
}

static bool fits(const struct tsunagi_module *m, const char *name)
{
    return m != NULL && m->abi == TSUNAGI_ADAPTER_ABI && m->open != NULL &&
           m->close != NULL && m->on_delivery != NULL &&
           (m->tick_ms == 0 || m->on_tick != NULL) &&
           (name == NULL || strcmp(m->name, name) == 0);
}

/* A node without a module only sends and receives for the command line. */
static bool load_module(struct program *p)
{
    struct tsunagi_host *h = node_host(p->session);
    char path[PATH_MAX];
    if (tsunagi_option(h, "name") == NULL && tsunagi_option(h, "path") == NULL)
        return true;
    if (!module_path(h, path)) {
        log_error("host: the module has no name");
        return false;
    }
    p->library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (p->library == NULL) {
        log_error("host: the module cannot be loaded: %s", dlerror());
        return false;
    }
    const struct tsunagi_module *m = dlsym(p->library, "tsunagi_module");
    if (!fits(m, tsunagi_option(h, "name"))) {
        log_error("host: not a module for this host path=%s", path);
        return false;
    }
    tsunagi_code c = node_attach(p->session, m);
    if (c != NULL)
        log_error("host: the module does not start code=%s %s", c,
                  tsunagi_code_en(c));
    return c == NULL;
}

/* ---- signals ---- */

static int block_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a full disk is an error, not a death */
    if (sigprocmask(SIG_BLOCK, &set, NULL) != 0)
        return -1;
    return signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

/* On SIGHUP the file is checked and said to be good or not; it takes effect at
 * the next start, since keys, spool and module cannot change under way. */
static void recheck(const struct program *p)
{
    bool good = node_check(p->config, stderr) == ERR_OK;
    log_note("host: configuration checked good=%s", good ? "yes" : "no");
}

static void take_signals(const struct program *p)
{
    struct signalfd_siginfo s;
    while (read(p->signals, &s, sizeof(s)) == (ssize_t)sizeof(s)) {
        if (s.ssi_signo == SIGHUP)
            recheck(p);
        else
            node_stop(p->session);
    }
}

/* The loop wakes for the descriptor; the signals are read after the turn. */
static void wake(void *self, int fd)
{
    (void)self;
    (void)fd;
}

/* ---- running ---- */

static int loop(struct program *p)
{
    enum err e = ERR_OK;
    log_note("host: started node=%s", tsunagi_agency(node_host(p->session)));
    while (e == ERR_OK && !node_stopping(p->session)) {
        e = node_turn(p->session, TURN_MS);
        take_signals(p);
    }
    if (e != ERR_OK)
        log_error("host: stopping code=%s %s", err_code(e), err_en(e));
    else
        log_note("host: stopped");
    return e == ERR_OK ? 0 : EXIT_MACHINE;
}

static int start(struct program *p)
{
    enum err e = node_open(p->config, NODE_ONLINE, stderr, &p->session);
    if (e == ERR_STORE || e == ERR_NOMEM || e == ERR_IO)
        return EXIT_MACHINE;
    if (e != ERR_OK)
        return EXIT_REFUSED;
    if (tsunagi_watch(node_host(p->session), p->signals, wake) != 0)
        return EXIT_MACHINE;
    if (!load_module(p))
        return EXIT_REFUSED;
    e = node_serve(p->session);
    if (e != ERR_OK) {
        log_error("host: no local socket code=%s", err_code(e));
        return EXIT_REFUSED;
    }
    return loop(p);
}

int main(int argc, char **argv)
{
    struct program p = {.signals = -1};
    int code = 0;
    log_open("tsunagi-adapter", LOG_NOTE);
    if (!parse(argc, argv, &p, &code))
        return code;
    if (p.check)
        return node_check(p.config, stderr) == ERR_OK ? 0 : EXIT_CONFIG;
    process_harden();
    p.signals = block_signals();
    code = p.signals >= 0 ? start(&p) : EXIT_MACHINE;
    node_close(&p.session);
    if (p.library != NULL)
        dlclose(p.library);
    if (p.signals >= 0)
        close(p.signals);
    return code;
}
