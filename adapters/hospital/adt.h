/* adt.h - what an ADT message of a hospital says: admission (A01), discharge
 * (A03), correction (A08), HL7 2.5 as SS-MIX2 uses it. And the answer to it. */
#ifndef TSUNAGI_HOSPITAL_ADT_H
#define TSUNAGI_HOSPITAL_ADT_H
#include "tsunagi/adapter.h"

enum adt_kind { ADT_ADMIT = 1, ADT_DISCHARGE, ADT_UPDATE };

/* Text is UTF-8, "" where the message says nothing; dates are ISO. */
struct adt {
    enum adt_kind kind;
    char *control_id, *facility; /* MSH-10, MSH-4 */
    char *local_id;              /* PID-3 of type PI */
    char *kanji, *kana;          /* PID-5 I and P */
    bool degraded;               /* a character was lost before it came here */
    char birth[11];              /* PID-7 */
    const char *sex;             /* FEMALE MALE SEX_OTHER SEX_UNKNOWN or "" */
    char *postal, *address, *phone; /* PID-11, PID-13 */
    char *ward, *visit;             /* PV1-3, PV1-19 */
    char admitted[11], discharged[11];
    char *diagnosis; /* DG1: the one of priority 1, else the first */
    bool inpatient;  /* PV1-2 I, or a visit or admission date is there */
};

/* Where it is wrong: "PID", 7. field 0: the segment; segment "": the whole. */
struct adt_fault {
    char segment[4];
    unsigned field;
};

/* facility: the medical institution code that MSH-4 must be (NULL: any with a
 * right check digit). processing: what MSH-11 must be, "P". Fills a (zeroed by
 * the caller, adt_fini afterwards in every case). Codes of er7.h and:
 * E-HL7-002 cut off, -003 not A01/A03/A08, -004 segment missing, -005 field
 * missing or wrong, -006 not 2.5, E-VAL-* for dates, codes and sex. */
tsunagi_code adt_parse(const uint8_t *p, size_t n, const char *facility,
                       const char *processing, struct adt *a,
                       struct adt_fault *fault);
void adt_fini(struct adt *a);

/* What belongs together, the same for A01, A08 and A03 of one stay: "visit ID
 * NUMBER" when the hospital numbers visits, else "admission ID DATE". NULL
 * when the message tells neither. by_date: never by visit number. free(). */
char *adt_case_key(const struct adt *a, bool by_date);
/* One key for one message sent again, another for an id used again with other
 * content. Made of MSH-4, MSH-10 and a hash of all but MSH. free(). */
char *adt_source_key(const struct adt *a, const uint8_t *p, size_t n);

/* The acknowledgement (not framed): AA for code NULL, AR when it is no message
 * for us or this machine is in trouble, else AE. MSA-2 is MSH-10 even of a
 * message that cannot be decoded. now_s: seconds since 1970. free(). */
char *adt_answer(const uint8_t *p, size_t n, tsunagi_code code,
                 const struct adt_fault *fault, int64_t now_s);
#endif
