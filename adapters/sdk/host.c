/* host.c - what a module asks of its host: its options, the loop's file
 * descriptors, a line in the log. */
#include "adapters/sdk/session.h"
#include "proto/base/log.h"
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define OPTION_PATH 256
#define LOG_TEXT 512

const char *tsunagi_option(struct tsunagi_host *h, const char *key)
{
    return settings_option(&h->conf, key);
}

long long tsunagi_option_int(struct tsunagi_host *h, const char *key,
                             long long fallback)
{
    const char *text = tsunagi_option(h, key);
    char *end;
    if (text == NULL || *text == '\0')
        return fallback;
    long long v = strtoll(text, &end, 10);
    return *end == '\0' ? v : fallback;
}

size_t tsunagi_option_count(struct tsunagi_host *h, const char *list)
{
    return settings_list(&h->conf, list);
}

const char *tsunagi_option_at(struct tsunagi_host *h, const char *list,
                              size_t i, const char *key)
{
    char path[OPTION_PATH];
    bool scalar = key == NULL || *key == '\0';
    int n = snprintf(path, sizeof(path), "%s[%zu]%s%s", list, i,
                     scalar ? "" : ".", scalar ? "" : key);
    return n < (int)sizeof(path) ? settings_option(&h->conf, path) : NULL;
}

char *tsunagi_path(struct tsunagi_host *h, const char *relative)
{
    return settings_path(&h->conf, relative);
}

const char *tsunagi_agency(struct tsunagi_host *h)
{
    return h->conf.agency;
}

int tsunagi_watch(struct tsunagi_host *h, int fd,
                  void (*ready)(void *self, int fd))
{
    if (h->watch_count == WATCH_MAX || fd < 0)
        return -1;
    tsunagi_unwatch(h, fd);
    h->watch[h->watch_count++] = (struct watch){fd, ready};
    return 0;
}

void tsunagi_unwatch(struct tsunagi_host *h, int fd)
{
    for (size_t i = 0; i < h->watch_count; i++)
        if (h->watch[i].fd == fd) {
            h->watch[i] = h->watch[--h->watch_count];
            return;
        }
}

void tsunagi_log(struct tsunagi_host *h, const char *fmt, ...)
{
    char text[LOG_TEXT];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    const char *name = h != NULL && h->module != NULL ? h->module->name : "sdk";
    log_note("%s: %s", name, text);
}
