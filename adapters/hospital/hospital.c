/* hospital.c - adapter of a psychiatric hospital.
 *
 * Four ways in, all ending in tsunagi_submit before anything is acknowledged:
 * HL7 ADT over MLLP, the same as files (a standardised storage's), forms as
 * CSV, answers and free events as JSON. One way out: the inbox folder.
 * Options beside those of inbox.h and folder.h:
 *   mllp_listen   "127.0.0.1:2575"; absent: no server
 *   mllp_idle_s   300
 *   hl7_folder    folder of one-message files; absent: none
 *   forms         "forms", folder of CSV forms (form.h)
 *   papers        "papers", folder of scanned consent forms that CSV rows name;
 *                 only their SHA-256 is ever sent
 *   facility      what MSH-4 must be; default: the agency's own number
 *   processing_id "P": what MSH-11 must be
 *   hospital_name as written in events
 *   person_digits length of patient numbers (0: any); finds lost zeros
 *   case_by       "visit" (PV1-19 when it is there, else the admission date)
 *                 or "date" */
#include "adapters/connect/inbox.h"
#include "adapters/connect/mllp.h"
#include "adapters/hospital/adt.h"
#include "adapters/hospital/form.h"
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define FORM_MAX ((size_t)4 << 20)

struct hospital {
    struct tsunagi_host *host;
    struct inbox *inbox;
    struct mllp *mllp;
    struct folder *hl7, *forms;
    const char *facility, *processing, *name;
    char *papers;
    struct form_rules rules;
    bool case_by_date;
};

/* ---- ADT to an event ---------------------------------------------------- */
struct pair {
    const char *field, *value; /* "" is left out */
    const char *segment;       /* where in the message it came from */
    unsigned position;
};

/* Twelve digits in a row could be taken for an individual number. */
static void source_text(const char *id, char out[72])
{
    size_t n = strlen(id);
    bool twelve = n == 12 && strspn(id, "0123456789") == n;
    snprintf(out, 72, "%.6s%s%.64s", id, twelve ? "/" : "",
             n > 6 ? id + 6 : "");
}

static void blame(const struct pair *pairs, const char *field,
                  struct adt_fault *fault)
{
    size_t n = strcspn(field, ".");
    for (const struct pair *p = pairs; p->field != NULL; p++)
        if (strncmp(p->field, field, n) == 0 &&
            (p->field[n] == '\0' || p->field[n] == '.')) {
            snprintf(fault->segment, sizeof(fault->segment), "%s", p->segment);
            fault->field = p->position;
            return;
        }
}

static tsunagi_code set_pairs(struct tsunagi_draft *d, const struct pair *pairs,
                              struct adt_fault *fault)
{
    for (const struct pair *p = pairs; p->field != NULL; p++) {
        if (p->value[0] == '\0')
            continue;
        tsunagi_code code = tsunagi_set(d, p->field, p->value);
        if (code != NULL) {
            blame(pairs, p->field, fault);
            return code;
        }
    }
    return NULL;
}

static tsunagi_code submit_pairs(struct hospital *h, const char *type,
                                 const struct pair *pairs, const struct adt *a,
                                 const char *source, struct adt_fault *fault)
{
    char field[96] = "";
    char *key = adt_case_key(a, h->case_by_date);
    struct tsunagi_draft *d = tsunagi_draft_new(h->host, type);
    tsunagi_code code =
        d == NULL || key == NULL ? "E-INT-002" : set_pairs(d, pairs, fault);
    if (code == NULL) {
        tsunagi_person(d, a->local_id);
        tsunagi_case(d, key);
        tsunagi_to_routes(d);
        tsunagi_source(d, source);
        code = tsunagi_submit(&d, NULL, field);
        if (code != NULL && field[0] != '\0')
            blame(pairs, field, fault);
    }
    tsunagi_draft_free(&d);
    free(key);
    return code;
}

static tsunagi_code send_adt(struct hospital *h, const struct adt *a,
                             const char *source, struct adt_fault *fault)
{
    char id[72];
    bool out = a->kind == ADT_DISCHARGE;
    source_text(a->control_id, id);
    const struct pair pairs[] = {
        {"name.kanji", a->kanji, "PID", 5},
        {"name.kana", a->kana, "PID", 5},
        {"name.degraded", a->degraded ? "true" : "", "PID", 5},
        {"birth", a->birth, "PID", 7},
        {"sex", a->sex, "PID", 8},
        {"postal", out ? "" : a->postal, "PID", 11},
        {"address", a->address, "PID", 11},
        {"phone", a->phone, "PID", 13},
        {"admitted_on", out ? "" : a->admitted, "PV1", 44},
        {"discharged_on", out ? a->discharged : "", "PV1", 45},
        {"hospital_name", h->name, "MSH", 4},
        {"ward", out ? "" : a->ward, "PV1", 3},
        {"dx_main", a->diagnosis, "DG1", 3},
        {"source_id", id, "MSH", 10},
        {"corrects", a->kind == ADT_UPDATE ? "true" : "", "MSH", 9},
        {0}};
    return submit_pairs(h, out ? "DISCHARGED" : "ADMISSION_RECORDED", pairs, a,
                        source, fault);
}

static tsunagi_code take_adt(struct hospital *h, const uint8_t *p, size_t n,
                             struct adt_fault *fault, unsigned *events)
{
    struct adt a = {0};
    char *source = NULL;
    *events = 0;
    tsunagi_code code = adt_parse(p, n, h->facility, h->processing, &a, fault);
    if (code == NULL && a.kind == ADT_UPDATE && !a.inpatient) {
        tsunagi_log(h->host, "A08 without a stay, nothing to send");
        adt_fini(&a);
        return NULL;
    }
    if (code == NULL && (source = adt_source_key(&a, p, n)) == NULL)
        code = "E-INT-002";
    if (code == NULL)
        code = send_adt(h, &a, source, fault);
    if (code == NULL)
        *events = 1;
    else
        tsunagi_log(h->host, "message refused code=%s at=%s-%u", code,
                    fault->segment, fault->field);
    free(source);
    adt_fini(&a);
    return code;
}

static uint8_t *on_message(void *self, const uint8_t *p, size_t n,
                           size_t *answer_n)
{
    struct adt_fault fault = {0};
    unsigned events;
    tsunagi_code code = take_adt(self, p, n, &fault, &events);
    char *answer = adt_answer(p, n, code, &fault, (int64_t)time(NULL));
    *answer_n = answer == NULL ? 0 : strlen(answer);
    return (uint8_t *)answer;
}

static void on_hl7_file(void *self, const char *name, const uint8_t *bytes,
                        size_t n, struct folder_result *r)
{
    struct adt_fault fault = {0};
    (void)name;
    r->code = take_adt(self, bytes, n, &fault, &r->taken);
    if (r->code != NULL && fault.segment[0] != '\0' &&
        asprintf(&r->text, "%s-%u\r\n", fault.segment, fault.field) < 0)
        r->text = NULL;
}

/* ---- forms
 * -------------------------------------------------------------------- */
static void tell_faults(const struct form_faults *fs, struct folder_result *r)
{
    size_t n = 0;
    FILE *out = open_memstream(&r->text, &n);
    r->code = fs->at[0].code;
    r->line = fs->at[0].line;
    r->column = fs->at[0].column;
    if (out == NULL)
        return;
    for (size_t i = 0; i < fs->n; i++)
        fprintf(out, "%u行 %u列 %s: %s %s\r\n", fs->at[i].line,
                fs->at[i].column, fs->at[i].field, fs->at[i].code,
                tsunagi_code_ja(fs->at[i].code));
    if (fclose(out) != 0)
        r->text = NULL;
}

static void tell_one(tsunagi_code code, unsigned line, const char *field,
                     struct folder_result *r)
{
    free(r->text);
    r->text = NULL;
    r->code = code;
    r->line = line;
    if (field[0] != '\0' && asprintf(&r->text, "%s\r\n", field) < 0)
        r->text = NULL;
}

static struct tsunagi_draft *draft_of(struct hospital *h,
                                      const struct form_event *e,
                                      const char *source,
                                      struct folder_result *r)
{
    struct tsunagi_draft *d = tsunagi_draft_new(h->host, e->type);
    if (d == NULL) {
        tell_one("E-INT-002", e->line, "", r);
        return NULL;
    }
    for (size_t i = 0; i < e->fields; i++) {
        tsunagi_code code = tsunagi_set(d, e->field[i].name, e->field[i].value);
        if (code != NULL) {
            tell_one(code, e->line, e->field[i].name, r);
            tsunagi_draft_free(&d);
            return NULL;
        }
    }
    tsunagi_person(d, e->person);
    tsunagi_case(d, e->case_key);
    for (size_t i = 0; i < e->tos; i++)
        tsunagi_to(d, e->to[i].agency, e->to[i].role, e->to[i].place,
                   e->purpose);
    tsunagi_to_routes(d);
    tsunagi_source(d, source);
    return d;
}

static bool make_drafts(struct hospital *h, const struct form *f,
                        const uint8_t *bytes, size_t n,
                        struct tsunagi_draft **drafts, struct folder_result *r)
{
    for (size_t i = 0; i < f->n; i++) {
        char source[FOLDER_SOURCE];
        folder_source(bytes, n, (unsigned)i, source);
        drafts[i] = draft_of(h, &f->event[i], source, r);
        if (drafts[i] == NULL)
            return false;
    }
    return true;
}

/* Line, type, event and the number of a consent, for withdrawing it later. */
static void submit_drafts(const struct form *f, struct tsunagi_draft **drafts,
                          struct folder_result *r)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    for (size_t i = 0; i < f->n; i++) {
        char id[37] = "", field[96] = "";
        const struct form_event *e = &f->event[i];
        const char *ref = form_value(e, "consent_ref");
        tsunagi_code code = tsunagi_submit(&drafts[i], id, field);
        if (code != NULL) {
            tell_one(code, e->line, field, r);
            break;
        }
        r->taken++;
        if (out != NULL)
            fprintf(out, "%u %s %s%s%s\r\n", e->line, e->type, id,
                    ref == NULL ? "" : " ", ref == NULL ? "" : ref);
    }
    if (out != NULL)
        fclose(out);
    if (r->code == NULL)
        r->text = text;
    else
        free(text);
}

static void on_form(void *self, const char *name, const uint8_t *bytes,
                    size_t n, struct folder_result *r)
{
    struct hospital *h = self;
    struct form *f = NULL;
    struct form_faults faults;
    (void)name;
    if (form_read(bytes, n, &h->rules, &f, &faults) != NULL) {
        tell_faults(&faults, r);
        return;
    }
    struct tsunagi_draft **drafts = calloc(f->n, sizeof(*drafts));
    if (drafts == NULL)
        r->code = "E-INT-002";
    else if (make_drafts(h, f, bytes, n, drafts, r))
        submit_drafts(f, drafts, r);
    for (size_t i = 0; drafts != NULL && i < f->n; i++)
        tsunagi_draft_free(&drafts[i]);
    free(drafts);
    form_free(&f);
}

/* ---- the module
 * ---------------------------------------------------------------- */
static void close_hospital(void *self)
{
    struct hospital *h = self;
    if (h == NULL)
        return;
    mllp_close(&h->mllp);
    folder_close(&h->hl7);
    folder_close(&h->forms);
    inbox_close(&h->inbox);
    free(h->papers);
    free(h);
}

static void on_readable(void *self, int fd)
{
    struct hospital *h = self;
    if (h->mllp != NULL)
        mllp_ready(h->mllp, fd);
}

static const char *option(struct tsunagi_host *host, const char *key,
                          const char *fallback)
{
    const char *value = tsunagi_option(host, key);
    return value == NULL ? fallback : value;
}

static bool digest(FILE *f, char hex[65])
{
    uint8_t part[16384], hash[crypto_hash_sha256_BYTES];
    crypto_hash_sha256_state s;
    size_t n;
    crypto_hash_sha256_init(&s);
    while ((n = fread(part, 1, sizeof(part), f)) > 0)
        crypto_hash_sha256_update(&s, part, n);
    crypto_hash_sha256_final(&s, hash);
    sodium_bin2hex(hex, 65, hash, sizeof(hash));
    return ferror(f) == 0;
}

/* A name is of that folder, never a path out of it. */
static bool paper_digest(void *ctx, const char *name, char hex[65])
{
    struct hospital *h = ctx;
    char *path = NULL;
    if (h->papers == NULL || name[0] == '.' || strchr(name, '/') != NULL ||
        asprintf(&path, "%s/%s", h->papers, name) < 0)
        return false;
    FILE *f = fopen(path, "rbe");
    free(path);
    bool ok = f != NULL && digest(f, hex);
    if (f != NULL)
        fclose(f);
    return ok;
}

static void read_options(struct hospital *h)
{
    const char *agency = tsunagi_agency(h->host);
    bool medical = agency != NULL && strncmp(agency, "MI-", 3) == 0;
    h->facility = option(h->host, "facility", medical ? agency + 3 : NULL);
    h->processing = option(h->host, "processing_id", "P");
    h->name = option(h->host, "hospital_name", "");
    h->case_by_date = strcmp(option(h->host, "case_by", "visit"), "date") == 0;
    h->papers = tsunagi_path(h->host, option(h->host, "papers", "papers"));
    h->rules.paper = paper_digest;
    h->rules.ctx = h;
    h->rules.person_digits =
        (unsigned)tsunagi_option_int(h->host, "person_digits", 0);
}

static tsunagi_code open_sources(struct hospital *h)
{
    const char *listen = tsunagi_option(h->host, "mllp_listen");
    const char *hl7 = tsunagi_option(h->host, "hl7_folder");
    long long idle = tsunagi_option_int(h->host, "mllp_idle_s", 300);
    tsunagi_code code = inbox_open(h->host, NULL, &h->inbox);
    if (code == NULL)
        code = folder_open(h->host, option(h->host, "forms", "forms"), ".csv",
                           FORM_MAX, on_form, h, &h->forms);
    if (code == NULL && hl7 != NULL)
        code = folder_open(h->host, hl7, NULL, MLLP_MESSAGE_MAX, on_hl7_file, h,
                           &h->hl7);
    if (code == NULL && listen != NULL)
        code = mllp_open(h->host, listen, (unsigned)idle, on_readable,
                         on_message, h, &h->mllp);
    return code;
}

static tsunagi_code open_hospital(struct tsunagi_host *host, void **self)
{
    struct hospital *h = calloc(1, sizeof(*h));
    *self = NULL;
    if (h == NULL)
        return "E-INT-002";
    h->host = host;
    read_options(h);
    tsunagi_code code = open_sources(h);
    if (code != NULL) {
        tsunagi_log(host, "cannot start code=%s", code);
        close_hospital(h);
        return code;
    }
    *self = h;
    return NULL;
}

static tsunagi_code on_delivery(void *self, const struct tsunagi_delivery *d)
{
    struct hospital *h = self;
    return inbox_take(h->inbox, d);
}

static void on_receipt(void *self, const struct tsunagi_receipt *r)
{
    struct hospital *h = self;
    inbox_receipt(h->inbox, r);
}

/* A message put aside is known by the key it was sent under. */
static bool hl7_meant(void *self, const struct tsunagi_erasure *e,
                      const uint8_t *bytes, size_t n)
{
    struct hospital *h = self;
    struct adt a = {0};
    struct adt_fault fault = {0};
    char *source = NULL;
    if (adt_parse(bytes, n, h->facility, h->processing, &a, &fault) == NULL)
        source = adt_source_key(&a, bytes, n);
    bool meant = source != NULL && tsunagi_erases_source(e, source);
    free(source);
    adt_fini(&a);
    return meant;
}

static tsunagi_code on_erase(void *self, const struct tsunagi_erasure *e)
{
    struct hospital *h = self;
    tsunagi_code inbox = inbox_erase(h->inbox, e, NULL, NULL);
    tsunagi_code forms = folder_erase(h->forms, e, NULL);
    tsunagi_code hl7 =
        h->hl7 == NULL ? NULL : folder_erase(h->hl7, e, hl7_meant);
    return inbox != NULL ? inbox : forms != NULL ? forms : hl7;
}

static void on_tick(void *self)
{
    struct hospital *h = self;
    if (h->mllp != NULL)
        mllp_tick(h->mllp);
    if (h->hl7 != NULL)
        folder_scan(h->hl7);
    folder_scan(h->forms);
    inbox_scan(h->inbox);
}

const struct tsunagi_module tsunagi_module = {
    .abi = TSUNAGI_ADAPTER_ABI,
    .name = "hospital",
    .about = "HL7 ADT (MLLP, files), CSV forms, JSON; psychiatric hospital",
    .open = open_hospital,
    .close = close_hospital,
    .on_delivery = on_delivery,
    .on_receipt = on_receipt,
    .on_tick = on_tick,
    .tick_ms = 200,
    .on_erase = on_erase,
};
