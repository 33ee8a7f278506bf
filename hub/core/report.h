/* report.h - an entry of the log as a line that the person it is about can
 * read: who, in which role, did what, for which purpose, with which kinds of
 * data, and why that was allowed or not. In Japanese; no code stands for a
 * word (GL 6.0: access logs; 個人情報保護法 33条, 76条: the person asks).
 *
 * Every entry about a person is a line of one section, so that the lines can
 * be counted against the log. Two things are left out of a line: who of an
 * agency's staff it was, always; and whom else it is about (what would tell
 * of a relative shows the act and hides the other party). An entry of the abuse
 * channel is no line at all (精神保健福祉法40条の3). */
#ifndef TSUNAGI_CORE_REPORT_H
#define TSUNAGI_CORE_REPORT_H
#include "hub/core/policy.h"
#include "tsunagi/v1/envelope.pb-c.h"

enum report_section {
    REPORT_DELIVERIES, /* passed on, and called back */
    REPORT_READS,      /* opened by somebody */
    REPORT_REFUSALS,   /* not passed on, not shown */
    REPORT_GLASS,      /* break-glass */
    REPORT_CONSENTS,
    REPORT_ERASURES, /* erased, kept, delayed by order */
    REPORT_LOOKUPS,  /* this report asked for, questions before a sending */
    REPORT_STEPS,    /* what the hub noted on the way */
    REPORT_DELAYED,  /* is shown later */
    REPORT_SECTIONS
};
enum report_column {
    REPORT_AGENCY,
    REPORT_ROLE,
    REPORT_ACT,
    REPORT_PURPOSE,
    REPORT_KINDS,
    REPORT_WHY,
    REPORT_GROUND, /* consent, law or emergency, in a word */
    REPORT_COLUMNS
};
/* For programs: "deliveries", "agency". */
const char *report_section_name(enum report_section s);
const char *report_column_name(enum report_column c);

/* What a line is told by. All borrowed. */
struct report_view {
    const struct policy *policy; /* that the leaf cites, or the one in force */
    const struct registry *registry;
    const struct grant *grants; /* the person's, if they are still there */
    size_t grant_count;
    const char *from; /* code of who sent the event; "": not known */
};
/* Zero-initialise; report_row_fini frees. */
struct report_row {
    enum report_section section;
    const char *kind; /* of the leaf, its name */
    uint64_t leaf, time_ms;
    char agency[AGENCY_MAX]; /* code; "" when none is shown */
    bool masked;             /* somebody else is in the leaf */
    bool staff;  /* a handle of staff, or who signed, is in the leaf */
    bool others; /* so is what its line only calls somebody else's */
    struct buf text[REPORT_COLUMNS]; /* "" where there is nothing to say */
};
void report_row_fini(struct report_row *r);
/* Writes the line of a leaf over what r held. ERR_NOT_FOUND: there is none;
 * ERR_NOMEM. */
enum err report_row(const struct report_view *v, const Pb__AuditLeaf *l,
                    struct report_row *r) MUST_CHECK;
/* The line in place of one that is shown from a day on. */
enum err report_row_delayed(const struct report_view *v, int32_t day,
                            const char *basis, struct report_row *r) MUST_CHECK;
#endif
