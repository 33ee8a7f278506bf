/* adapter.h - all an adapter module sees of Tsunagi.
 *
 * A module is a shared object that exports `tsunagi_module`. The host program
 * opens it, gives it what it asks for through these calls, and runs one loop:
 * file descriptors and timers of the module, the link to the hub, the spool.
 * One thread; no call blocks for long; nothing here is re-entrant.
 *
 * Sending: build a draft field by field (names as in the schemas, text UTF-8),
 * submit it. When submit returns 0 the event is on this machine's disk, and
 * only then may the source be acknowledged. The hub's answer comes later, to
 * `on_receipt`. Receiving: `on_delivery` gets an event already verified and
 * stored; returning 0 means the agency has it. What one member of staff opened
 * by break-glass is not in it. */
#ifndef TSUNAGI_ADAPTER_H
#define TSUNAGI_ADAPTER_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define TSUNAGI_ADAPTER_ABI 2

struct tsunagi_host;     /* the running host */
struct tsunagi_draft;    /* an event being built */
struct tsunagi_delivery; /* an event received */

/* Codes are strings, "E-VAL-001"; NULL means success. They stay valid. */
typedef const char *tsunagi_code;
const char *tsunagi_code_ja(tsunagi_code code); /* the sentence */
const char *tsunagi_code_en(tsunagi_code code);

/* ---- configuration: the group `module` of the node's file ---- */
/* NULL when absent. Borrowed. Paths are made absolute by tsunagi_path. */
const char *tsunagi_option(struct tsunagi_host *h, const char *key);
long long tsunagi_option_int(struct tsunagi_host *h, const char *key,
                             long long fallback);
/* Elements of a list of groups: "routes", 2, "event". */
size_t tsunagi_option_count(struct tsunagi_host *h, const char *list);
const char *tsunagi_option_at(struct tsunagi_host *h, const char *list,
                              size_t i, const char *key);
char *tsunagi_path(struct tsunagi_host *h, const char *relative); /* free() */
const char *tsunagi_agency(struct tsunagi_host *h);

/* ---- sending ---- */
/* type: "ADMISSION_RECORDED". NULL when there is no such type. */
struct tsunagi_draft *tsunagi_draft_new(struct tsunagi_host *h,
                                        const char *type);
void tsunagi_draft_free(struct tsunagi_draft **d);
/* Dotted path with an index for repeated fields: "name.kanji",
 * "guardian[0].phone". Dates in any Japanese or ISO form. */
tsunagi_code tsunagi_set(struct tsunagi_draft *d, const char *field,
                         const char *utf8);
/* The whole body at once, as JSON. */
tsunagi_code tsunagi_set_json(struct tsunagi_draft *d, const char *json);
/* Whom it is about, by this agency's own numbers (never sent: a keyed token
 * is; a My Number is refused at submit). case_key: what belongs together,
 * "admission 0000123456 2026-04-01". */
void tsunagi_person(struct tsunagi_draft *d, const char *local_id);
void tsunagi_case(struct tsunagi_draft *d, const char *case_key);
/* Or by tokens that came with a delivery (32 hex digits). */
tsunagi_code tsunagi_person_token(struct tsunagi_draft *d, const char *hex);
tsunagi_code tsunagi_case_token(struct tsunagi_draft *d, const char *hex);
/* To an agency (code), or to a role at a place (either may be NULL). */
void tsunagi_to(struct tsunagi_draft *d, const char *agency, const char *role,
                const char *place, const char *purpose);
/* Every route of the option list "routes" whose event is this draft's type:
 * {event, to | role + place, purpose}. */
void tsunagi_to_routes(struct tsunagi_draft *d);
/* The same source (an HL7 message id, a file and row) sent twice becomes one
 * event. */
void tsunagi_source(struct tsunagi_draft *d, const char *source_key);
/* Validates, signs, stores. Takes the draft (set to NULL on success). event_id
 * (may be NULL) receives the UUID text. field (may be NULL) names the field at
 * fault. */
tsunagi_code tsunagi_submit(struct tsunagi_draft **d, char event_id[37],
                            char field[96]);

/* The hub's answer to one of our events. */
struct tsunagi_receipt {
    const char *event_id, *type, *source_key;
    bool accepted;
    tsunagi_code code; /* NULL when plainly accepted */
    const char *text_ja, *text_en;
    const char *json; /* the whole receipt, with every recipient's outcome */
};

/* ---- receiving ---- */
const char *tsunagi_delivery_type(const struct tsunagi_delivery *d);
const char *tsunagi_delivery_id(const struct tsunagi_delivery *d);
/* {"event_id","type","agency","purpose","role","person_token","case_token",
 *  "released_at","withheld":[...],"body":{...}} */
const char *tsunagi_delivery_json(const struct tsunagi_delivery *d);
/* One field as text, labels resolved; "" when absent or withheld. */
const char *tsunagi_get(const struct tsunagi_delivery *d, const char *field);
/* Printable text, A4 width, Japanese labels; withheld classes named. */
void tsunagi_print(const struct tsunagi_delivery *d, FILE *out);

/* ---- forgetting a person ---- */
/* By an order that two people signed, a person is erased everywhere. What a
 * module still has of them - files it wrote and nobody took away, files it read
 * and put aside - goes in on_erase; what the agency has taken into its own
 * records goes by its own rules. These say whether something is meant; what
 * came after the order is not. */
struct tsunagi_erasure;
bool tsunagi_erases_event(const struct tsunagi_erasure *e,
                          const char *event_id); /* one of ours */
bool tsunagi_erases_source(const struct tsunagi_erasure *e,
                           const char *source_key);
bool tsunagi_erases_delivery(const struct tsunagi_erasure *e,
                             const char *delivery_id);

/* ---- text and codes, as Japanese systems write them ---- */
/* Results are allocated; free(). *n receives the length when not NULL. */
tsunagi_code tsunagi_from_cp932(const void *p, size_t n, char **utf8);
tsunagi_code tsunagi_from_iso2022jp(const void *p, size_t n, char **utf8);
/* Byte-order mark, UTF-8, then CP932. */
tsunagi_code tsunagi_from_unknown(const void *p, size_t n, char **utf8);
tsunagi_code tsunagi_to_cp932(const char *utf8, char **out, size_t *n,
                              bool *degraded);
tsunagi_code tsunagi_check_utf8(const void *p, size_t n);
tsunagi_code tsunagi_check_date(const char *utf8, char iso[11]);
/* "YYYYMMDD" and longer HL7 times; iso gets the date. */
tsunagi_code tsunagi_check_hl7_time(const char *s, char iso[11], uint64_t *ms);
tsunagi_code tsunagi_check_code(const char *scheme, const char *digits);
/* scheme: LG KOKUHO MI WO MUNI5; PERSON: an agency's own number of a person,
 * which must not be a My Number (E-VAL-009) */

/* ---- the loop ---- */
/* Calls ready(self, fd) when fd is readable, until it is unwatched. */
int tsunagi_watch(struct tsunagi_host *h, int fd,
                  void (*ready)(void *self, int fd));
void tsunagi_unwatch(struct tsunagi_host *h, int fd);
/* Files: replaces path durably (temporary name, fsync, rename, fsync). */
int tsunagi_write_file(const char *path, const void *p, size_t n);
/* area: what happened key=value. Never anything personal. */
void tsunagi_log(struct tsunagi_host *h, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

struct tsunagi_module {
    uint32_t abi;      /* TSUNAGI_ADAPTER_ABI */
    const char *name;  /* as in the configuration */
    const char *about; /* one line */
    /* 0 or a code after complaining through tsunagi_log. */
    tsunagi_code (*open)(struct tsunagi_host *h, void **self);
    void (*close)(void *self);
    /* 0: taken, acknowledge it. Anything else: offered again later. */
    tsunagi_code (*on_delivery)(void *self, const struct tsunagi_delivery *d);
    void (*on_receipt)(void *self,
                       const struct tsunagi_receipt *r); /* or NULL */
    /* Every tick_ms while running (0: never). */
    void (*on_tick)(void *self);
    unsigned tick_ms;
    /* Or NULL: the module keeps nothing. Called again until it returns NULL; a
     * repeat finds less, and that is no error. */
    tsunagi_code (*on_erase)(void *self, const struct tsunagi_erasure *e);
};
extern const struct tsunagi_module tsunagi_module;
#endif
