/* adt.c - ADT messages to plain facts, and acknowledgements.
 *
 * ADT carries the bed stay only: legal status (入院形態) is in no field of it,
 * so nothing here may be read as one. Every stay needs the admission date or a
 * visit number in each of its messages, else A03 could not be joined to its
 * A01. An A01 may give the date as EVN-6 or EVN-2 instead of PV1-44. */
#include "adapters/hospital/adt.h"
#include "adapters/connect/folder.h"
#include "adapters/hospital/er7.h"
#include <assert.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ID_MAX 64

struct reading {
    const struct er7 *m;
    struct adt *a;
    struct adt_fault *fault;
    const char *facility, *processing;
    size_t evn, pid, pv1, dg1;
};

/* ---- taking fields ------------------------------------------------------- */
static tsunagi_code wrong(struct reading *rd, const char *segment,
                          unsigned field, tsunagi_code code)
{
    snprintf(rd->fault->segment, sizeof(rd->fault->segment), "%s", segment);
    rd->fault->field = field;
    return code;
}

static struct er7_piece piece(const struct reading *rd, size_t segment,
                              unsigned field, unsigned repetition,
                              unsigned component)
{
    return er7_get(
        rd->m, segment,
        (struct er7_at){field, repetition, component, component == 0 ? 0 : 1});
}

static bool is(struct er7_piece p, const char *text)
{
    return p.n == strlen(text) && memcmp(p.p, text, p.n) == 0;
}

static tsunagi_code take(struct reading *rd, size_t segment, const char *name,
                         unsigned field, unsigned repetition,
                         unsigned component, char **out)
{
    char *text = NULL;
    tsunagi_code code = er7_text(
        rd->m, piece(rd, segment, field, repetition, component), &text);
    if (code != NULL)
        return wrong(rd, name, field, code);
    free(*out);
    *out = text;
    return NULL;
}

/* Leaves out "" when the field is empty. */
static tsunagi_code take_date(struct reading *rd, size_t segment,
                              const char *name, unsigned field, char out[11])
{
    uint64_t ms;
    char *text = NULL;
    tsunagi_code code = take(rd, segment, name, field, 1, 1, &text);
    if (code == NULL && text[0] != '\0') {
        code = tsunagi_check_hl7_time(text, out, &ms);
        if (code != NULL)
            wrong(rd, name, field, code);
    }
    free(text);
    return code;
}

/* What is absent from the last, unclosed segment was perhaps cut off. */
static tsunagi_code missing(struct reading *rd, size_t segment,
                            const char *name, unsigned field)
{
    bool cut = !er7_closed(rd->m) &&
               (segment == SIZE_MAX || segment + 1 == er7_segments(rd->m));
    tsunagi_code absent = field == 0 ? "E-HL7-004" : "E-HL7-005";
    return wrong(rd, name, field, cut ? "E-HL7-002" : absent);
}

/* ---- MSH -------------------------------------------------------------------
 */
static tsunagi_code read_type(struct reading *rd)
{
    static const struct {
        const char *event;
        enum adt_kind kind;
    } KINDS[] = {
        {"A01", ADT_ADMIT}, {"A03", ADT_DISCHARGE}, {"A08", ADT_UPDATE}};
    struct er7_piece event = piece(rd, 0, 9, 1, 2);
    if (is(piece(rd, 0, 9, 1, 1), "ADT"))
        for (size_t i = 0; i < sizeof(KINDS) / sizeof(KINDS[0]); i++)
            if (is(event, KINDS[i].event))
                rd->a->kind = KINDS[i].kind;
    return rd->a->kind == 0 ? wrong(rd, "MSH", 9, "E-HL7-003") : NULL;
}

static tsunagi_code read_facility(struct reading *rd)
{
    struct adt *a = rd->a;
    char *to = NULL;
    tsunagi_code code = take(rd, 0, "MSH", 4, 1, 1, &a->facility);
    if (code != NULL)
        return code;
    code = tsunagi_check_code("MI", a->facility);
    if (code == NULL && rd->facility != NULL &&
        strcmp(a->facility, rd->facility) != 0)
        code = "E-HL7-005";
    if (code != NULL)
        return wrong(rd, "MSH", 4, code);
    code = take(rd, 0, "MSH", 6, 1, 1, &to);
    if (code == NULL && to[0] != '\0' && strspn(to, "0123456789") == strlen(to))
        code = tsunagi_check_code("MI", to);
    free(to);
    return code == NULL ? NULL : wrong(rd, "MSH", 6, code);
}

static tsunagi_code read_msh(struct reading *rd)
{
    struct adt *a = rd->a;
    if (piece(rd, 0, 12, 1, 1).n == 0)
        return missing(rd, 0, "MSH", 12);
    if (!is(piece(rd, 0, 12, 1, 1), "2.5"))
        return wrong(rd, "MSH", 12, "E-HL7-006");
    tsunagi_code code = read_type(rd);
    if (code == NULL && !is(piece(rd, 0, 11, 1, 1), rd->processing))
        code = wrong(rd, "MSH", 11, "E-HL7-003");
    if (code == NULL)
        code = take(rd, 0, "MSH", 10, 1, 1, &a->control_id);
    if (code != NULL)
        return code;
    if (a->control_id[0] == '\0' || strlen(a->control_id) > ID_MAX)
        return wrong(rd, "MSH", 10, "E-HL7-005");
    return read_facility(rd);
}

/* ---- PID -------------------------------------------------------------------
 */
/* A number of the person that is a My Number is no mistake to pass over: the
 * message is refused, and nothing of it is kept. Insurance (IN1, IN2, numbers
 * of other types in PID-3) is never read. */
static tsunagi_code refuse_mynumber(struct reading *rd)
{
    static const unsigned NUMBERS[] = {2, 3, 4, 18, 19};
    for (size_t i = 0; i < sizeof(NUMBERS) / sizeof(NUMBERS[0]); i++)
        for (unsigned k = 1; k <= er7_repetitions(rd->m, rd->pid, NUMBERS[i]);
             k++) {
            char *text = NULL;
            tsunagi_code code =
                take(rd, rd->pid, "PID", NUMBERS[i], k, 1, &text);
            if (code == NULL)
                code = tsunagi_check_code("PERSON", text);
            free(text);
            if (code != NULL)
                return wrong(rd, "PID", NUMBERS[i], code);
        }
    return NULL;
}

static tsunagi_code read_id(struct reading *rd)
{
    size_t n = er7_repetitions(rd->m, rd->pid, 3);
    unsigned use = 0;
    for (unsigned i = 1; i <= n && use == 0; i++)
        if (is(piece(rd, rd->pid, 3, i, 5), "PI"))
            use = i;
    /* one number without a type is the patient's */
    if (use == 0 && n == 1 && piece(rd, rd->pid, 3, 1, 5).n == 0)
        use = 1;
    if (use == 0)
        return missing(rd, rd->pid, "PID", 3);
    tsunagi_code code = take(rd, rd->pid, "PID", 3, use, 1, &rd->a->local_id);
    if (code != NULL)
        return code;
    size_t len = strlen(rd->a->local_id);
    if (len == 0)
        return missing(rd, rd->pid, "PID", 3);
    return len > ID_MAX ? wrong(rd, "PID", 3, "E-HL7-005") : NULL;
}

/* Family and given name with one space between. */
static tsunagi_code take_name(struct reading *rd, unsigned repetition,
                              char **out)
{
    char *family = NULL, *given = NULL, *joined = NULL;
    tsunagi_code code = take(rd, rd->pid, "PID", 5, repetition, 1, &family);
    if (code == NULL)
        code = take(rd, rd->pid, "PID", 5, repetition, 2, &given);
    if (code == NULL &&
        asprintf(&joined, "%s%s%s", family,
                 family[0] != '\0' && given[0] != '\0' ? " " : "", given) < 0) {
        joined = NULL;
        code = "E-INT-002";
    }
    free(family);
    free(given);
    if (code != NULL)
        return code;
    free(*out);
    *out = joined;
    return NULL;
}

/* Signs that a system on the way had no character for it. */
static bool is_degraded(const char *name)
{
    return strstr(name, "\xEF\xBF\xBD") != NULL || strstr(name, "〓") != NULL ||
           strchr(name, '?') != NULL || strstr(name, "？") != NULL;
}

static tsunagi_code read_name(struct reading *rd)
{
    struct adt *a = rd->a;
    size_t n = er7_repetitions(rd->m, rd->pid, 5);
    for (unsigned i = 1; i <= n; i++) {
        struct er7_piece kind = piece(rd, rd->pid, 5, i, 8);
        char **into = is(kind, "P")                  ? &a->kana
                      : is(kind, "I") || kind.n == 0 ? &a->kanji
                                                     : NULL;
        if (into == NULL || (*into)[0] != '\0')
            continue;
        tsunagi_code code = take_name(rd, i, into);
        if (code != NULL)
            return code;
    }
    a->degraded = is_degraded(a->kanji);
    return a->kanji[0] == '\0' && a->kana[0] == '\0'
               ? missing(rd, rd->pid, "PID", 5)
               : NULL;
}

static tsunagi_code read_sex(struct reading *rd)
{
    static const struct {
        const char *hl7, *name;
    } SEXES[] = {{"F", "FEMALE"},    {"M", "MALE"},        {"O", "SEX_OTHER"},
                 {"A", "SEX_OTHER"}, {"U", "SEX_UNKNOWN"}, {"N", "SEX_UNKNOWN"},
                 {"", ""},           {"\"\"", ""}};
    struct er7_piece p = piece(rd, rd->pid, 8, 1, 1);
    for (size_t i = 0; i < sizeof(SEXES) / sizeof(SEXES[0]); i++)
        if (is(p, SEXES[i].hl7)) {
            rd->a->sex = SEXES[i].name;
            return NULL;
        }
    return wrong(rd, "PID", 8, "E-HL7-005");
}

/* Japanese systems write the whole address in component 8; else it is put
 * together from prefecture, city, street and the rest. */
static tsunagi_code read_address(struct reading *rd)
{
    static const unsigned ORDER[] = {4, 3, 1, 2};
    struct adt *a = rd->a;
    tsunagi_code code = take(rd, rd->pid, "PID", 11, 1, 5, &a->postal);
    if (code == NULL)
        code = take(rd, rd->pid, "PID", 11, 1, 8, &a->address);
    if (code != NULL || a->address[0] != '\0')
        return code;
    for (size_t i = 0; i < 4 && code == NULL; i++) {
        char *part = NULL, *joined = NULL;
        code = take(rd, rd->pid, "PID", 11, 1, ORDER[i], &part);
        if (code == NULL && asprintf(&joined, "%s%s", a->address, part) < 0)
            code = "E-INT-002";
        free(part);
        if (code == NULL) {
            free(a->address);
            a->address = joined;
        }
    }
    return code;
}

static tsunagi_code read_phone(struct reading *rd)
{
    static const unsigned WHERE[] = {12, 1};
    for (size_t i = 0; i < 2 && rd->a->phone[0] == '\0'; i++) {
        tsunagi_code code =
            take(rd, rd->pid, "PID", 13, 1, WHERE[i], &rd->a->phone);
        if (code != NULL)
            return code;
    }
    return NULL;
}

static tsunagi_code read_pid(struct reading *rd)
{
    tsunagi_code code = refuse_mynumber(rd);
    if (code == NULL)
        code = read_id(rd);
    if (code == NULL)
        code = read_name(rd);
    if (code == NULL)
        code = take_date(rd, rd->pid, "PID", 7, rd->a->birth);
    if (code == NULL)
        code = read_sex(rd);
    if (code == NULL)
        code = read_address(rd);
    return code == NULL ? read_phone(rd) : code;
}

/* ---- PV1, EVN, DG1 ----------------------------------------------------------
 */
static tsunagi_code read_dates(struct reading *rd)
{
    struct adt *a = rd->a;
    char occurred[11] = "", recorded[11] = "";
    tsunagi_code code = take_date(rd, rd->pv1, "PV1", 44, a->admitted);
    if (code == NULL)
        code = take_date(rd, rd->pv1, "PV1", 45, a->discharged);
    if (code == NULL)
        code = take_date(rd, rd->evn, "EVN", 6, occurred);
    if (code == NULL)
        code = take_date(rd, rd->evn, "EVN", 2, recorded);
    if (code != NULL)
        return code;
    char *date = a->kind == ADT_ADMIT       ? a->admitted
                 : a->kind == ADT_DISCHARGE ? a->discharged
                                            : NULL;
    if (date != NULL && date[0] == '\0')
        memcpy(date, occurred[0] != '\0' ? occurred : recorded, 11);
    return NULL;
}

static tsunagi_code read_pv1(struct reading *rd)
{
    struct adt *a = rd->a;
    struct er7_piece kind = piece(rd, rd->pv1, 2, 1, 1);
    if (kind.n == 0)
        return missing(rd, rd->pv1, "PV1", 2);
    tsunagi_code code = take(rd, rd->pv1, "PV1", 3, 1, 1, &a->ward);
    if (code == NULL)
        code = take(rd, rd->pv1, "PV1", 19, 1, 1, &a->visit);
    if (code == NULL)
        code = read_dates(rd);
    if (code != NULL)
        return code;
    if (strlen(a->visit) > ID_MAX)
        return wrong(rd, "PV1", 19, "E-HL7-005");
    code = tsunagi_check_code("PERSON", a->visit);
    if (code != NULL)
        return wrong(rd, "PV1", 19, code);
    a->inpatient = is(kind, "I");
    if (a->kind == ADT_ADMIT && a->ward[0] == '\0')
        return missing(rd, rd->pv1, "PV1", 3);
    return NULL;
}

static tsunagi_code read_diagnosis(struct reading *rd)
{
    static const struct {
        unsigned field, component;
    } WHERE[] = {{3, 2}, {4, 1}, {3, 1}};
    size_t use = er7_find(rd->m, "DG1", 0);
    for (size_t i = 0, s; (s = er7_find(rd->m, "DG1", i)) != SIZE_MAX; i++)
        if (is(piece(rd, s, 15, 1, 1), "1")) {
            use = s;
            break;
        }
    if (use == SIZE_MAX)
        return NULL;
    for (size_t i = 0; i < 3 && rd->a->diagnosis[0] == '\0'; i++) {
        tsunagi_code code = take(rd, use, "DG1", WHERE[i].field, 1,
                                 WHERE[i].component, &rd->a->diagnosis);
        if (code != NULL)
            return code;
    }
    return NULL;
}

/* ---- the message ------------------------------------------------------------
 */
static tsunagi_code find_segments(struct reading *rd)
{
    rd->evn = er7_find(rd->m, "EVN", 0);
    rd->pid = er7_find(rd->m, "PID", 0);
    rd->pv1 = er7_find(rd->m, "PV1", 0);
    if (rd->evn == SIZE_MAX)
        return missing(rd, SIZE_MAX, "EVN", 0);
    if (rd->pid == SIZE_MAX)
        return missing(rd, SIZE_MAX, "PID", 0);
    return rd->pv1 == SIZE_MAX ? missing(rd, SIZE_MAX, "PV1", 0) : NULL;
}

/* An inpatient's message must tell which stay it is about. */
static tsunagi_code check_stay(struct reading *rd)
{
    const struct adt *a = rd->a;
    if (a->kind == ADT_UPDATE && !a->inpatient)
        return NULL;
    if (!a->inpatient)
        return wrong(rd, "PV1", 2, "E-HL7-005");
    if (a->kind == ADT_DISCHARGE && a->discharged[0] == '\0')
        return missing(rd, rd->pv1, "PV1", 45);
    bool known = a->kind == ADT_DISCHARGE && a->visit[0] != '\0';
    if (!known && a->admitted[0] == '\0')
        return missing(rd, rd->pv1, "PV1", 44);
    return NULL;
}

static bool init(struct adt *a)
{
    char **const TEXTS[] = {&a->control_id, &a->facility, &a->local_id,
                            &a->kanji,      &a->kana,     &a->postal,
                            &a->address,    &a->phone,    &a->ward,
                            &a->visit,      &a->diagnosis};
    bool ok = true;
    a->sex = "";
    for (size_t i = 0; i < sizeof(TEXTS) / sizeof(TEXTS[0]); i++) {
        *TEXTS[i] = strdup("");
        ok = ok && *TEXTS[i] != NULL;
    }
    return ok;
}

tsunagi_code adt_parse(const uint8_t *p, size_t n, const char *facility,
                       const char *processing, struct adt *a,
                       struct adt_fault *fault)
{
    assert(a != NULL && fault != NULL && processing != NULL);
    *fault = (struct adt_fault){0};
    struct er7 *m = NULL;
    tsunagi_code code = init(a) ? er7_parse(p, n, &m) : "E-INT-002";
    if (code != NULL)
        return code;
    struct reading rd = {.m = m,
                         .a = a,
                         .fault = fault,
                         .facility = facility,
                         .processing = processing};
    code = read_msh(&rd);
    if (code == NULL)
        code = find_segments(&rd);
    if (code == NULL)
        code = read_pid(&rd);
    if (code == NULL)
        code = read_pv1(&rd);
    if (code == NULL)
        code = read_diagnosis(&rd);
    if (code == NULL)
        code = check_stay(&rd);
    er7_free(&m);
    return code;
}

void adt_fini(struct adt *a)
{
    free(a->control_id);
    free(a->facility);
    free(a->local_id);
    free(a->kanji);
    free(a->kana);
    free(a->postal);
    free(a->address);
    free(a->phone);
    free(a->ward);
    free(a->visit);
    free(a->diagnosis);
    *a = (struct adt){0};
}

char *adt_case_key(const struct adt *a, bool by_date)
{
    char *key = NULL;
    bool visit = a->visit[0] != '\0' && !by_date;
    if (!visit && a->admitted[0] == '\0')
        return NULL;
    if (asprintf(&key, "%s %s %s", visit ? "visit" : "admission", a->local_id,
                 visit ? a->visit : a->admitted) < 0)
        return NULL;
    return key;
}

char *adt_source_key(const struct adt *a, const uint8_t *p, size_t n)
{
    uint8_t hash[crypto_hash_sha256_BYTES];
    char hex[25], *key = NULL;
    const uint8_t *rest = memchr(p, '\r', n);
    size_t skip = rest == NULL ? 0 : (size_t)(rest - p);
    crypto_hash_sha256(hash, p + skip, n - skip);
    sodium_bin2hex(hex, sizeof(hex), hash, 12);
    if (asprintf(&key, "hl7 %s %s %s", a->facility, a->control_id, hex) < 0)
        return NULL;
    return key;
}

/* ---- the answer
 * -------------------------------------------------------------- */
static const char *verdict(tsunagi_code code)
{
    static const char *const REJECT[] = {"E-HL7-001", "E-HL7-003", "E-HL7-006",
                                         "E-TXT-001"};
    if (code == NULL)
        return "AA";
    for (size_t i = 0; i < sizeof(REJECT) / sizeof(REJECT[0]); i++)
        if (strcmp(REJECT[i], code) == 0)
            return "AR";
    return folder_is_passing(code) ? "AR" : "AE";
}

/* Of HL7 table 0357. */
static const char *hl7_error(tsunagi_code code)
{
    static const struct {
        const char *code, *hl7;
    } TABLE[] = {
        {"E-HL7-001", "100^Segment sequence error^HL70357"},
        {"E-HL7-002", "100^Segment sequence error^HL70357"},
        {"E-HL7-003", "200^Unsupported message type^HL70357"},
        {"E-HL7-004", "100^Segment sequence error^HL70357"},
        {"E-HL7-006", "203^Unsupported version id^HL70357"},
        {"E-VAL-012", "101^Required field missing^HL70357"},
    };
    for (size_t i = 0; i < sizeof(TABLE) / sizeof(TABLE[0]); i++)
        if (strcmp(TABLE[i].code, code) == 0)
            return TABLE[i].hl7;
    return folder_is_passing(code) ? "207^Application internal error^HL70357"
                                   : "102^Data type error^HL70357";
}

/* Delimiters in our sentences or in a field of theirs become escapes. */
static void put_escaped(FILE *out, const char *text)
{
    static const char FROM[] = "|^&~\\", TO[] = "FSTRE";
    for (const char *p = text; *p != '\0'; p++) {
        const char *at = strchr(FROM, *p);
        if (at != NULL)
            fprintf(out, "\\%c\\", TO[at - FROM]);
        else if ((unsigned char)*p >= 0x20)
            fputc(*p, out);
    }
}

/* A field of theirs handed back: as it stands, when its delimiters are ours. */
static void put_back(FILE *out, const uint8_t *p, size_t n, unsigned field)
{
    char text[200];
    er7_peek(p, n, field, text, sizeof(text));
    if (n > 8 && memcmp(p + 3, "|^~\\&", 5) == 0)
        fputs(text, out);
    else
        put_escaped(out, text);
}

static void put_header(FILE *out, const uint8_t *p, size_t n, int64_t now_s,
                       bool utf8)
{
    struct tm tm;
    char when[16] = "", event[32];
    time_t japan = (time_t)(now_s + 9 * 3600);
    if (gmtime_r(&japan, &tm) != NULL)
        strftime(when, sizeof(when), "%Y%m%d%H%M%S", &tm);
    fputs("MSH|^~\\&|TSUNAGI|", out);
    put_back(out, p, n, 6);
    fputc('|', out);
    put_back(out, p, n, 3);
    fputc('|', out);
    put_back(out, p, n, 4);
    er7_peek(p, n, 9, event, sizeof(event));
    bool known = strncmp(event, "ADT^A", 5) == 0 && strlen(event) >= 7;
    fprintf(out, "|%s||ACK%s%.3s%s|", when, known ? "^" : "",
            known ? event + 4 : "", known ? "^ACK" : "");
    fprintf(out, "%s-", when);
    put_back(out, p, n, 10);
    fprintf(out, "|P|2.5||||||%s\r", utf8 ? "UNICODE UTF-8" : "");
}

static void put_error(FILE *out, tsunagi_code code,
                      const struct adt_fault *fault, bool utf8)
{
    fputs("ERR||", out);
    if (fault != NULL && fault->segment[0] != '\0') {
        fprintf(out, "%s^1", fault->segment);
        if (fault->field > 0)
            fprintf(out, "^%u", fault->field);
    }
    fprintf(out, "|%s|E|%s|||", hl7_error(code), code);
    put_escaped(out, utf8 ? tsunagi_code_ja(code) : tsunagi_code_en(code));
    fputc('\r', out);
}

char *adt_answer(const uint8_t *p, size_t n, tsunagi_code code,
                 const struct adt_fault *fault, int64_t now_s)
{
    char *text = NULL, charset[32];
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    if (out == NULL)
        return NULL;
    er7_peek(p, n, 18, charset, sizeof(charset));
    bool utf8 = strstr(charset, "UTF-8") != NULL;
    put_header(out, p, n, now_s, utf8);
    fprintf(out, "MSA|%s|", verdict(code));
    put_back(out, p, n, 10);
    if (code != NULL) {
        fprintf(out, "|%s ", code);
        put_escaped(out, tsunagi_code_en(code));
    }
    fputc('\r', out);
    if (code != NULL)
        put_error(out, code, fault, utf8);
    if (fclose(out) != 0) {
        free(text);
        return NULL;
    }
    return text;
}
