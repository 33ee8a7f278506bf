/* main.c - tsunagid: options, signals, the loop, exit codes.
 *
 * Exit: 0 asked to stop, 2 usage, 3 configuration, 75 storage fault (systemd
 * restarts it, and it starts from what is truly on disk), 78 refused to start
 * (rollback, wrong keys, an unknown key was not refused) or stopped because a
 * witness has proof that this is not the log it was. */
#include "hub/app/hub.h"
#include "proto/base/clock.h"
#include "proto/base/log.h"
#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define EXIT_USAGE 2
#define EXIT_CONFIG 3
#define EXIT_STORE 75
#define EXIT_REFUSED 78
#define IDLE_MS 1000
#define SWEEP_MS 1000
#define TIDY_MS 5000

static volatile sig_atomic_t got_stop, got_reload;

static void on_signal(int n)
{
    if (n == SIGHUP)
        got_reload = 1;
    else
        got_stop = 1;
}

static void catch_signals(void)
{
    struct sigaction a = {.sa_handler = on_signal};
    sigemptyset(&a.sa_mask);
    sigaction(SIGTERM, &a, NULL);
    sigaction(SIGINT, &a, NULL);
    sigaction(SIGHUP, &a, NULL);
    signal(SIGPIPE, SIG_IGN);
}

/* sd_notify without libsystemd: one datagram to $NOTIFY_SOCKET. */
static void notify(const char *state)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    if (path == NULL || path[0] == '\0' || strlen(path) >= sizeof(to.sun_path))
        return;
    memcpy(to.sun_path, path, strlen(path));
    if (to.sun_path[0] == '@')
        to.sun_path[0] = '\0';
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    socklen_t size =
        (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
    if (fd >= 0 && sendto(fd, state, strlen(state), MSG_NOSIGNAL,
                          (struct sockaddr *)&to, size) < 0)
        log_warn("notify: not sent");
    if (fd >= 0)
        close(fd);
}

static void usage(FILE *out)
{
    fputs("tsunagid - the Tsunagi hub\n"
          "usage: tsunagid [-c FILE] [--check] [--older-keyring]\n"
          "       tsunagid [-c FILE] --new-epoch ORDER | --check-copy FOLDER\n"
          "       tsunagid --help | --version\n"
          "  -c FILE    configuration (/etc/tsunagi/hub.conf)\n"
          "  --check    read the configuration, say what is wrong, and exit\n"
          "  --check-copy FOLDER  look whether a copy of the store is whole, "
          "without\n"
          "             any key of payload, and exit\n"
          "  --older-keyring  start once with a keyring older than the store; "
          "what\n"
          "             was sealed under newer keys is lost\n"
          "  --new-epoch ORDER  after a restore: the log goes on under the new "
          "name\n"
          "             of the configuration, by an order that two people "
          "signed; exits\n"
          "SIGTERM stops it, SIGHUP reads the registry again.\n"
          "See tsunagid(8), hub.conf(5).\n",
          out);
}

static void reload_now(struct hub *h)
{
    struct buf why = {0};
    if (reload(h, &why) != ERR_OK)
        log_warn("reload: kept the last good tables: %s",
                 why.n > 0 ? (char *)why.p : "");
    buf_fini(&why);
}

static void housekeeping(struct hub *h, uint64_t *swept, uint64_t *tidied)
{
    if (h->boot_ms - *swept >= SWEEP_MS) {
        net_sweep(h->net, h->boot_ms);
        h->pump = true; /* what a node left behind goes to its neighbour */
        *swept = h->boot_ms;
        witness_tick(h);
        if (signer_save(h->signer) != ERR_OK)
            turn_broken(h, ERR_IO);
    }
    if (h->boot_ms - *tidied >= TIDY_MS && !h->open) {
        enum err e = store_tidy(h->store);
        if (e != ERR_OK)
            turn_broken(h, e);
        *tidied = h->boot_ms;
        notify("WATCHDOG=1");
    }
}

static int run(struct hub *h)
{
    uint64_t swept = h->boot_ms, tidied = h->boot_ms;
    log_note("tsunagid: ready");
    notify("READY=1");
    while (!h->stop && !got_stop) {
        hub_turn(h, h->pump ? 0 : IDLE_MS);
        if (got_reload) {
            got_reload = 0;
            reload_now(h);
        }
        if (h->broken == ERR_OK)
            housekeeping(h, &swept, &tidied);
    }
    notify("STOPPING=1");
    if (h->broken != ERR_OK) {
        /* no orderly close: nothing may be written after a failed fsync */
        log_error("tsunagid: exits after a storage fault");
        _exit(EXIT_STORE);
    }
    bool alarm = h->alarm != ERR_OK;
    hub_close(h);
    log_note("tsunagid: stopped");
    return alarm ? EXIT_REFUSED : 0;
}

static int refused(struct hub *h, enum err e, struct buf *why)
{
    log_error("tsunagid: not started code=%s: %s", err_code(e),
              why->n > 0 ? (char *)why->p : err_en(e));
    hub_close(h);
    buf_fini(why);
    return e == ERR_STORE || e == ERR_IO ? EXIT_STORE : EXIT_REFUSED;
}

/* What the command line asked for. order, copy: NULL, or the only thing to do.
 */
struct wanted {
    const char *path, *order, *copy;
    bool check, older_keyring;
};

static enum err open_as_wanted(struct hub *h, const struct wanted *w,
                               struct buf *why)
{
    h->older_keyring = w->older_keyring;
    if (w->copy != NULL)
        return copy_check(h, w->copy, why);
    return w->order != NULL ? hub_new_epoch(h, w->order, why)
                            : hub_open(h, why);
}

static int start(const struct wanted *w)
{
    static struct hub hub; /* large; one for the life of the process */
    struct buf why = {0};
    if (conf_load(w->path, HUB_CONFIG, &hub.config, stderr) != ERR_OK)
        return EXIT_CONFIG;
    if (w->check) {
        fprintf(stderr, "%s: ok\n", w->path);
        conf_fini(HUB_CONFIG, &hub.config);
        return 0;
    }
    enum err e = open_as_wanted(&hub, w, &why);
    if (e != ERR_OK)
        return refused(&hub, e, &why);
    buf_fini(&why);
    int code = 0;
    if (w->order != NULL || w->copy != NULL)
        hub_close(&hub);
    else
        code = run(&hub);
    conf_fini(HUB_CONFIG, &hub.config);
    return code;
}

int main(int argc, char **argv)
{
    static const struct option LONG[] = {
        {"check", no_argument, NULL, 'k'},
        {"check-copy", required_argument, NULL, 'y'},
        {"config", required_argument, NULL, 'c'},
        {"help", no_argument, NULL, 'h'},
        {"new-epoch", required_argument, NULL, 'e'},
        {"older-keyring", no_argument, NULL, 'o'},
        {"version", no_argument, NULL, 'v'},
        {NULL, 0, NULL, 0}};
    struct wanted w = {.path = "/etc/tsunagi/hub.conf"};
    int o;
    while ((o = getopt_long(argc, argv, "c:", LONG, NULL)) != -1) {
        if (o == 'c') {
            w.path = optarg;
        } else if (o == 'k') {
            w.check = true;
        } else if (o == 'e') {
            w.order = optarg;
        } else if (o == 'o') {
            w.older_keyring = true;
        } else if (o == 'y') {
            w.copy = optarg;
        } else if (o == 'h') {
            usage(stdout);
            return 0;
        } else if (o == 'v') {
            puts("tsunagid " TSUNAGI_VERSION);
            return 0;
        } else {
            usage(stderr);
            return EXIT_USAGE;
        }
    }
    if (optind < argc) {
        usage(stderr);
        return EXIT_USAGE;
    }
    log_open("tsunagid", LOG_NOTE);
    catch_signals();
    return start(&w);
}
