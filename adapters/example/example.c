/* example.c - the smallest useful module: a place to start reading.
 *
 * Each delivery becomes a text file FOLDER/<delivery>.txt. Each line of
 * FOLDER/out.txt, read once at start, becomes an event of the option `type`,
 * with the line as the field `field`, about `person`, to the option list
 * `routes`:
 *
 *   module = { name = "example"; folder = "example"; type = "CANCELLED";
 *              field = "reason"; person = "1"; case = "1";
 *              routes = ( { event = "CANCELLED"; to = "HUB";
 *                           purpose = "P_EMG"; } ); };
 */
#include "tsunagi/adapter.h"
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct example {
    struct tsunagi_host *host;
    char *folder;
};

/* A line sent twice is one event: its number and text are the source. */
static tsunagi_code send_line(struct example *x, const char *line, unsigned n)
{
    struct tsunagi_host *h = x->host;
    char source[64];
    const char *type = tsunagi_option(h, "type");
    const char *field = tsunagi_option(h, "field");
    struct tsunagi_draft *d =
        type != NULL && field != NULL ? tsunagi_draft_new(h, type) : NULL;
    if (d == NULL)
        return "E-EVT-002";
    snprintf(source, sizeof(source), "out.txt:%u", n);
    tsunagi_source(d, source);
    tsunagi_person(d, tsunagi_option(h, "person"));
    tsunagi_case(d, tsunagi_option(h, "case"));
    tsunagi_to_routes(d);
    tsunagi_code c = tsunagi_set(d, field, line);
    if (c == NULL)
        c = tsunagi_submit(&d, NULL, NULL);
    tsunagi_draft_free(&d);
    return c;
}

static void send_lines(struct example *x)
{
    char *line = NULL, *path = NULL;
    size_t room = 0;
    unsigned n = 0;
    if (asprintf(&path, "%s/out.txt", x->folder) < 0)
        return;
    FILE *f = fopen(path, "re");
    while (f != NULL && getline(&line, &room, f) > 0) {
        line[strcspn(line, "\r\n")] = '\0';
        tsunagi_code c = *line != '\0' ? send_line(x, line, ++n) : NULL;
        if (c != NULL)
            tsunagi_log(x->host, "not sent line=%u code=%s", n, c);
    }
    if (f != NULL)
        fclose(f);
    free(line);
    free(path);
}

static void example_close(void *self)
{
    struct example *x = self;
    free(x->folder);
    free(x);
}

static tsunagi_code example_open(struct tsunagi_host *h, void **self)
{
    const char *folder = tsunagi_option(h, "folder");
    struct example *x = calloc(1, sizeof(*x));
    if (x == NULL)
        return "E-INT-002";
    x->host = h;
    x->folder = tsunagi_path(h, folder != NULL ? folder : "example");
    if (x->folder == NULL || (mkdir(x->folder, 0700) != 0 && errno != EEXIST)) {
        example_close(x);
        return "E-IO-001";
    }
    send_lines(x);
    *self = x;
    return NULL;
}

/* Taken only when it is on the disk under its own name. */
static tsunagi_code example_delivery(void *self,
                                     const struct tsunagi_delivery *d)
{
    struct example *x = self;
    char *path = NULL, *text = NULL;
    size_t n = 0;
    FILE *f = open_memstream(&text, &n);
    tsunagi_code c = f != NULL ? NULL : "E-INT-002";
    if (f != NULL) {
        tsunagi_print(d, f);
        fclose(f);
    }
    if (c == NULL &&
        asprintf(&path, "%s/%s.txt", x->folder, tsunagi_delivery_id(d)) < 0)
        c = "E-INT-002";
    if (c == NULL && tsunagi_write_file(path, text, n) != 0)
        c = "E-IO-001";
    free(path);
    free(text);
    return c;
}

/* FOLDER/<delivery>.txt of the person go. */
static tsunagi_code example_erase(void *self, const struct tsunagi_erasure *e)
{
    struct example *x = self;
    struct dirent *entry;
    tsunagi_code c = NULL;
    DIR *d = opendir(x->folder);
    while (d != NULL && (entry = readdir(d)) != NULL) {
        char id[37] = "";
        if (strlen(entry->d_name) == 40)
            memcpy(id, entry->d_name, 36);
        if (tsunagi_erases_delivery(e, id) &&
            unlinkat(dirfd(d), entry->d_name, 0) != 0)
            c = "E-IO-001";
    }
    if (d != NULL)
        closedir(d);
    return d != NULL ? c : "E-IO-001";
}

static void example_receipt(void *self, const struct tsunagi_receipt *r)
{
    struct example *x = self;
    tsunagi_log(x->host, "answered event=%s accepted=%d", r->event_id,
                r->accepted);
}

extern const struct tsunagi_module tsunagi_module;
const struct tsunagi_module tsunagi_module = {
    .abi = TSUNAGI_ADAPTER_ABI,
    .name = "example",
    .about = "見本 / an example",
    .open = example_open,
    .close = example_close,
    .on_delivery = example_delivery,
    .on_receipt = example_receipt,
    .on_erase = example_erase,
};
