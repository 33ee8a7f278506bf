/* code.h - public codes with check digits (proto/FIELD.md), and our agency
 * codes.
 *
 * An agency code is a scheme and a number: MI-4910100017 (医療機関コード),
 * WO-4931000014 (事業所番号), LG-492019 (団体コード), HC-492019-01 (保健所),
 * PH-490008-01 (of a prefecture), OW-... (own code, [A-Z0-9-]{1,24}), HUB. */
#ifndef TSUNAGI_BASE_CODE_H
#define TSUNAGI_BASE_CODE_H
#include "proto/base/buf.h"
/* Prefecture 49 does not exist: it is for fictitious data, refused unless
 * allowed here (the demo's and the tests' configuration does). */
void code_allow_fictitious(bool allowed);
/* Six digits, weights 6 5 4 3 2, mod 11. ERR_VAL_LGCODE, _CODE_LENGTH,
 * _PREFECTURE. A code that fits mod 10 instead is still ERR_VAL_LGCODE. */
enum err code_check_lg(struct slice digits) MUST_CHECK;
enum err
code_check_kokuho(struct slice digits) MUST_CHECK; /* six, mod 10 2-1 */
enum err code_check_medical(struct slice digits) MUST_CHECK; /* ten, Luhn */
enum err code_check_office(struct slice digits) MUST_CHECK;  /* ten, Luhn */
enum err code_check_muni5(struct slice digits) MUST_CHECK;
enum err code_check_agency(const char *code) MUST_CHECK;
/* Node names: [a-z0-9][a-z0-9./-]{0,63}. */
enum err code_check_node(const char *name) MUST_CHECK;
#define AGENCY_MAX 32 /* bytes with NUL */
#define NODE_MAX 65
#endif
