/* verify.c - a log of a million leaves, verified as an auditor does it: by the
 * command, with a key and a policy brought along. One leaf in ten carries a
 * node's signature, as in a log under load; those are checked by processes
 * beside, so the time depends on how many processors are idle. */
#include "tests/bench/verify.h"
#include "tests/live/live.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static void run(const char *bin, const char *program, const char *command)
{
    char line[8192];
    snprintf(line, sizeof(line), "exec '%s/%s' %s >/dev/null", bin, program,
             command);
    pid_t pid = fork();
    int status = 1;
    if (pid == 0) {
        execl("/bin/sh", "sh", "-c", line, (char *)NULL);
        _exit(127);
    }
    live_must(waitpid(pid, &status, 0) == pid && status == 0, line);
}

static double seconds(struct timeval t)
{
    return (double)t.tv_sec + (double)t.tv_usec / 1e6;
}

void bench_verify(size_t leaves)
{
    char bin[4096] = "", dir[] = "/var/tmp/tsunagi-bench-XXXXXX", line[512];
    struct rusage before, after;
    live_must(readlink("/proc/self/exe", bin, sizeof(bin) - 1) > 0 &&
                  mkdtemp(dir) != NULL,
              "a folder");
    *strrchr(bin, '/') = '\0';
    snprintf(line, sizeof(line), "'%s/x' %zu", dir, leaves);
    run(bin, "tsunagi-make-export", line);
    snprintf(line, sizeof(line),
             "audit verify '%s/x' --vkey '%s/x.vkey' --policy '%s/x.policy'",
             dir, dir, dir);
    getrusage(RUSAGE_CHILDREN, &before);
    double begin = live_seconds();
    run(bin, "tsunagi", line);
    double took = live_seconds() - begin;
    getrusage(RUSAGE_CHILDREN, &after);
    printf("audit verify, %zu leaves %17.1f s (bar 10), CPU %.1f s, "
           "%.0f bytes of memory a leaf\n",
           leaves, took,
           seconds(after.ru_utime) - seconds(before.ru_utime) +
               seconds(after.ru_stime) - seconds(before.ru_stime),
           (double)after.ru_maxrss * 1024 / (double)leaves);
    snprintf(line, sizeof(line), "-rf '%s'", dir);
    run("/bin", "rm", line);
}
