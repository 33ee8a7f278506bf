/* answer.h - JSON and CSV files that become events.
 *
 * An answers file is one object or an array of them, all sent or none begun:
 *   {"answer_to": "EVENTID", "type": "INTRO_ANSWERED", "body": {...}}
 *     person, case and sender are taken from the delivery in the inbox, and so
 *     is the field that names it (intro_ref, filing_ref, offer_ref)
 *   {"type": ..., "person": "local id", "case": "key", "body": {...}}
 * person_token and case_token (from a delivery) may stand for person and case;
 * "source" for the key made of the file. Either may carry "to": [{"agency" |
 * "role" + "place", "purpose"}]; without it an answer goes to the sender and
 * both follow the option list `routes`. "set": {"path": "text"} fills fields as
 * a person writes them: labels for codes, era dates.
 *
 * In CSV the column 番号 (answer_to) names the event answered; the others tell
 * what is answered: 受理日 (received_on) [受理した機関 office_name] for
 * FILING_RECEIVED; 返事 (answer) [理由 reason, 担当者 contact_name, 電話
 * contact_phone] for INTRO_ANSWERED. Other columns are passed over, and so are
 * rows whose 受理日 or 返事 is still empty. */
#ifndef TSUNAGI_CONNECT_ANSWER_H
#define TSUNAGI_CONNECT_ANSWER_H
#include "adapters/connect/inbox.h"

/* A folder_reader; inbox is a struct inbox. CSV when the name ends in .csv,
 * else JSON. E-EVT-002 a type unknown, E-EVT-018 not one of the inbox's types,
 * E-NF-001 nothing in the inbox to answer, E-VAL-014 -015 -016, codes of csv.h
 * and tsunagi_submit. */
void answer_read(void *inbox, const char *name, const uint8_t *bytes, size_t n,
                 struct folder_result *r);
#endif
