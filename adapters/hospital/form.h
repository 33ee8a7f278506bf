/* form.h - what a hospital's staff export as CSV, because ADT does not carry
 * it: introductions, consents, legal status and filings, discharge plans.
 *
 * One file is one kind of form, known by its headings (Japanese or English,
 * in any order); one row is one event, or two: the filing of an admission or
 * of an end also starts or ends the legal status. Nothing is returned unless
 * every row is right. Headings and kinds: the tables in form.c. */
#ifndef TSUNAGI_HOSPITAL_FORM_H
#define TSUNAGI_HOSPITAL_FORM_H
#include "tsunagi/adapter.h"

struct form_field {
    char *name, *value; /* as for tsunagi_set */
};
struct form_to {
    char *agency, *role, *place; /* agency, or role and place */
};

struct form_event {
    const char *type;    /* "CONSENT_GIVEN" */
    const char *purpose; /* of the recipients; NULL: as routes say */
    unsigned line;       /* in the file */
    char *person;        /* the hospital's own number */
    char *case_key;      /* adt_case_key; a filing: before it its kind */
    struct form_field *field;
    size_t fields;
    struct form_to *to;
    size_t tos;
};

struct form {
    struct form_event *event;
    size_t n;
};

/* Up to this many faults are reported at once. */
#define FORM_FAULTS 20
struct form_fault {
    tsunagi_code code;
    unsigned line, column; /* 1-based; 0: unknown */
    char field[64];        /* the heading; never content of a cell */
};
struct form_faults {
    struct form_fault at[FORM_FAULTS];
    size_t n;
};

struct form_rules {
    unsigned person_digits; /* length of patient numbers; 0: any */
    /* The SHA-256 in hex of a paper by its file name; false: there is none.
     * NULL: papers are given by their hash only. */
    bool (*paper)(void *ctx, const char *name, char hex[65]);
    void *ctx;
};

/* NULL and *out (form_free), or the first fault's code, all in faults.
 * Codes of csv.h; E-CSV-003 a heading no form has, or one missing; E-CSV-004
 * damage by a spreadsheet; E-VAL-012 an empty required cell; E-VAL-009 a My
 * Number for a person's number; E-VAL-023 a paper that is not there; E-VAL-*.
 * Columns of health insurance (保険者番号 ...) are dropped unread. */
tsunagi_code form_read(const uint8_t *bytes, size_t n,
                       const struct form_rules *rules, struct form **out,
                       struct form_faults *faults);
void form_free(struct form **f);
/* The value of a field of an event, NULL when absent. */
const char *form_value(const struct form_event *e, const char *field);
#endif
