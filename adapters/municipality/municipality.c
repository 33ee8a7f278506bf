/* municipality.c - adapter of a municipality (市町村).
 *
 * Its systems take CSV by batch across separated networks, so every delivery
 * is written once more as CP932 CSV (export.h) into the folder of option
 * `export` ("export"), beside the inbox of inbox.h. Answers come back as CSV or
 * JSON in the answers folder. Delivered means: both are on disk. */
#include "adapters/connect/inbox.h"
#include "adapters/municipality/export.h"
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct municipality {
    struct tsunagi_host *host;
    struct inbox *inbox;
    char *export;
};

static void close_municipality(void *self)
{
    struct municipality *m = self;
    if (m == NULL)
        return;
    inbox_close(&m->inbox);
    free(m->export);
    free(m);
}

static tsunagi_code open_municipality(struct tsunagi_host *h, void **self)
{
    struct municipality *m = calloc(1, sizeof(*m));
    *self = NULL;
    if (m == NULL)
        return "E-INT-002";
    const char *folder = tsunagi_option(h, "export");
    m->host = h;
    m->export = tsunagi_path(h, folder == NULL ? "export" : folder);
    tsunagi_code code = m->export == NULL ? "E-INT-002" : NULL;
    if (code == NULL && mkdir(m->export, 0700) != 0 && errno != EEXIST)
        code = "E-IO-001";
    if (code == NULL)
        code = inbox_open(h, NULL, &m->inbox);
    if (code != NULL) {
        tsunagi_log(h, "cannot start code=%s", code);
        close_municipality(m);
        return code;
    }
    *self = m;
    return NULL;
}

static tsunagi_code write_csv(struct municipality *m,
                              const struct tsunagi_delivery *d, const char *csv,
                              size_t n)
{
    char name[64], *path = NULL;
    export_name(tsunagi_delivery_json(d), tsunagi_delivery_id(d), name);
    if (asprintf(&path, "%s/%s", m->export, name) < 0)
        return "E-INT-002";
    int rc = tsunagi_write_file(path, csv, n);
    free(path);
    return rc == 0 ? NULL : "E-IO-001";
}

static tsunagi_code on_delivery(void *self, const struct tsunagi_delivery *d)
{
    struct municipality *m = self;
    char *csv = NULL;
    size_t n = 0;
    tsunagi_code code = inbox_take(m->inbox, d);
    if (code == NULL)
        code = export_csv(tsunagi_delivery_json(d), &csv, &n);
    if (code == NULL)
        code = write_csv(m, d, csv, n);
    free(csv);
    if (code != NULL)
        tsunagi_log(m->host, "delivery not written code=%s", code);
    return code;
}

/* What its systems have not fetched yet. */
static bool erase_csv(void *self, const char *json, const char *delivery_id)
{
    struct municipality *m = self;
    char name[64], *path = NULL;
    export_name(json, delivery_id, name);
    if (asprintf(&path, "%s/%s", m->export, name) < 0)
        return false;
    bool gone = unlink(path) == 0 || errno == ENOENT;
    free(path);
    return gone;
}

static tsunagi_code on_erase(void *self, const struct tsunagi_erasure *e)
{
    struct municipality *m = self;
    return inbox_erase(m->inbox, e, erase_csv, m);
}

static void on_receipt(void *self, const struct tsunagi_receipt *r)
{
    struct municipality *m = self;
    inbox_receipt(m->inbox, r);
}

static void on_tick(void *self)
{
    struct municipality *m = self;
    inbox_scan(m->inbox);
}

const struct tsunagi_module tsunagi_module = {
    .abi = TSUNAGI_ADAPTER_ABI,
    .name = "municipality",
    .about = "deliveries as CP932 CSV, answers as CSV or JSON; municipality",
    .open = open_municipality,
    .close = close_municipality,
    .on_delivery = on_delivery,
    .on_receipt = on_receipt,
    .on_tick = on_tick,
    .tick_ms = 200,
    .on_erase = on_erase,
};
