/* policy_pack_test.c - the pack that ships, cell by cell.
 *
 * EXPECTED says the decision table again in other words: whatever it does not
 * name must come out denied, for every event, variant, purpose, role and set
 * of facts. The same expectations are held against the pack with its ceilings
 * and minimum opened wide, so that rules and ceilings each prove themselves,
 * and against every mutant of the rules, each of which must fail. */
#include "tests/unit/hub/core/pack.h"

/* What a cell asks for: all the event can hold and what never belongs there. */
static uint64_t asked_of(const char *event)
{
    const struct schema_message *m = schema_event_named(event);
    return (m == NULL ? 0 : m->class_mask) |
           class_bit(class_from_name("G_META")) |
           class_bit(class_from_name("G_POLICE")) |
           class_bit(class_from_name("G_RISK")) |
           class_bit(class_from_name("G_NOTE"));
}

/* ---- the whole matrix ----------------------------------------------------*/

#define FULL                                                                   \
    "G_META G_ID G_CONTACT G_FAMILY G_ADM G_LEGAL G_DX G_SYM G_NEEDS G_DEST "  \
    "G_NOTE"
#define STAY                                                                   \
    "G_META G_ID G_GUARD G_CARE G_CRISIS G_MED_MIN G_PHYS_MIN G_RISK_MIN"
#define REGISTRATION STAY " G_CONTACT G_ELIG"
#define PAPERS                                                                 \
    "G_META G_ID G_CONTACT G_FAMILY G_NEEDS G_PLAN G_CRISIS G_CARE G_HOUSING " \
    "G_RISK_MIN G_ISSUE G_NOTE"
#define CALLED_WITHOUT PB__DATA_CLASS__G_FIN /* no call names it */
#define MEMBERS                                                                \
    "R_HOSP R_OUTPT R_HVN R_HC R_PREF R_MHWC R_MUNI_W R_MUNI_H R_KIKAN "       \
    "R_HUBC R_SHORT R_PLAN R_LOCAL R_GH"
#define CARE_TEAM                                                              \
    "R_HOSP R_OUTPT R_HVN R_HC R_MUNI_W R_MUNI_H R_KIKAN R_HUBC R_SHORT "      \
    "R_PLAN R_LOCAL R_GH"
#define SUPPORT                                                                \
    "G_META G_ID G_CONTACT G_GUARD G_NEEDS G_PLAN G_CARE G_CRISIS G_ELIG "     \
    "G_DX G_MED_MIN G_RISK_MIN"
enum need { FREE, CONSENT };
static const struct expected {
    const char *row, *event, *variant, *purpose, *roles;
    enum need need;
    unsigned requires, unless;
    const char *classes;
} EXPECTED[] = {
    /* clang-format off */
    {"001", "FILING_SUBMITTED", "MP_ADMIT", "P_FIL", "R_HC", FREE, 0, 0, FULL},
    {"002", "FILING_SUBMITTED", "MP_ADMIT", "P_FIL", "R_PREF", FREE, 0, 0, FULL},
    {"003", "FILING_SUBMITTED", "MP_ADMIT", "P_FIL", "R_MHWC R_MPRB", FREE, 0, 0, FULL},
    {"005", "FILING_SUBMITTED", "MP_RENEW", "P_FIL", "R_HC R_PREF R_MHWC R_MPRB", FREE, 0, 0, FULL},
    {"006", "FILING_SUBMITTED", "MP_END", "P_FIL", "R_HC R_PREF", FREE, 0, 0, FULL},
    {"007", "FILING_SUBMITTED", "SOCHI_CEASE", "P_FIL", "R_HC R_PREF", FREE, 0, 0, FULL},
    {"008", "FILING_SUBMITTED", "PERIODIC", "P_FIL", "R_HC R_PREF R_MHWC R_MPRB", FREE, 0, 0, FULL},
    {"009", "FILING_SUBMITTED", "SOCHI_CEASE", "P_PD", "R_HC", CONSENT, INCHARGE, 0, "G_META G_ID G_ADM G_LEGAL G_DEST"},
    {"009", "FILING_SUBMITTED", "SOCHI_CEASE", "P_PD", "R_HC", FREE, ENABLED | INCHARGE, SAME, "G_META G_ID G_ADM G_LEGAL G_DEST"},
    {"020", "ADMISSION_RECORDED", "", "P_TRA", "R_PLAN R_LOCAL", CONSENT, PRED_EXISTING, 0, "G_META G_ID G_ADM"},
    {"021", "ADMISSION_RECORDED", "", "P_TRA", "R_HVN R_OUTPT", CONSENT, PRED_EXISTING, 0, "G_META G_ID G_ADM"},
    {"022", "ADMISSION_RECORDED", "", "P_ADM", "R_MUNI_W", CONSENT, 0, 0, "G_META G_ID G_ADM"},
    {"025", "LEGAL_STATUS_STARTED", "", "P_PD", "R_HC", CONSENT, INCHARGE, 0, "G_META G_LEGAL"},
    {"025", "LEGAL_STATUS_ENDED", "", "P_PD", "R_HC", CONSENT, INCHARGE, 0, "G_META G_LEGAL"},
    {"030", "COMMUNITY_PROVIDER_INTRODUCED", "", "P_TRA", "R_LOCAL R_PLAN", CONSENT, 0, 0, "G_META G_ID G_CONTACT_AREA G_WISH"},
    {"031", "COMMUNITY_PROVIDER_INTRODUCED", "", "P_TRA", "R_KIKAN", CONSENT, 0, 0, "G_META G_ID G_CONTACT_AREA G_WISH"},
    {"036", "DISCHARGE_PLANNED", "", "P_TRA", "R_PLAN R_LOCAL R_HVN R_OUTPT R_GH", CONSENT, 0, 0, "G_META G_ID G_DIS_DATE G_DEST G_CONTACT"},
    {"036", "DISCHARGED", "", "P_TRA", "R_PLAN R_LOCAL R_HVN R_OUTPT R_GH", CONSENT, 0, 0, "G_META G_ID G_DIS_DATE G_DEST G_CONTACT"},
    {"037", "MOVE_IN_PLANNED", "", "P_TRA", "R_HOUSING", CONSENT, 0, 0, "G_ID G_HOUSING"},
    {"038", "MOVE_IN_PLANNED", "", "P_TRA", "R_PEER", CONSENT, 0, 0, "G_ID_GIVEN G_PLACE"},
    {"050", "PD_CANDIDATE_NOTIFIED", "", "P_PD", "R_HC", FREE, SAME, 0, "G_META G_ID G_ADM G_DEST"},
    {"052", "PLAN_ISSUED", "", "P_PD", "R_HOSP R_OUTPT R_HVN", CONSENT, 0, 0, "G_META G_ID G_PLAN G_CRISIS G_NEEDS G_NEEDS_SAFETY"},
    {"053", "PLAN_ISSUED", "", "P_PD", "R_MUNI_W R_MUNI_H", CONSENT, 0, 0, "G_META G_ID G_PLAN G_CRISIS"},
    {"054", "PLAN_ISSUED", "", "P_PD", "R_PLAN R_LOCAL R_GH R_SHORT R_KIKAN", CONSENT, 0, 0, "G_META G_ID G_PLAN_OWN G_CRISIS"},
    {"070", "EMERGENCY_REGISTERED", "", "P_REG", "R_HUBC R_KIKAN", CONSENT, 0, 0, REGISTRATION " G_ELIG_DETAIL"},
    {"071", "EMERGENCY_REGISTERED", "", "P_REG", "R_SHORT", CONSENT, 0, 0, REGISTRATION},
    {"072", "EMERGENCY_REQUESTED", "REGISTERED", "P_EMG", "R_HUBC", CONSENT, 0, 0, REGISTRATION " G_ELIG_DETAIL"},
    {"073", "EMERGENCY_REQUESTED", "UNREGISTERED_ABLE", "P_EMG", "R_HUBC", CONSENT, 0, 0, REGISTRATION " G_ELIG_DETAIL"},
    {"074", "EMERGENCY_REQUESTED", "UNREGISTERED_UNABLE", "P_EMG", "R_HUBC", FREE, UNABLE, 0, "G_META G_ID G_CONTACT G_GUARD G_CARE G_MED_MIN G_PHYS_MIN"},
    {"075", "STAY_CANVASS", "", "P_EMG", "R_SHORT", FREE, 0, 0, "G_CARE_CLASS"},
    {"076", "STAY_CONFIRMED", "", "P_EMG", "R_SHORT", CONSENT, PRED_CHOSEN, 0, STAY},
    {"076", "STAY_CONFIRMED", "", "P_EMG", "R_SHORT", FREE, PRED_CHOSEN | PRED_UNABLE_TO_CONSENT, 0, STAY},
    {"077", "STAY_RELEASED", "", "P_EMG", "R_SHORT", FREE, 0, 0, "G_META"},
    {"A01", "FILING_RECEIVED", "", "P_FIL", "R_HOSP", FREE, PRED_ASKED, 0, "G_META"},
    {"A02", "INTRO_ANSWERED", "", "P_TRA", "R_HOSP", FREE, PRED_ASKED, 0, "G_META"},
    {"A03", "STAY_OFFERED", "", "P_EMG", "R_HUBC R_KIKAN", FREE, PRED_ASKED, 0, "G_META"},
    {"A03", "STAY_DECLINED", "", "P_EMG", "R_HUBC R_KIKAN", FREE, PRED_ASKED, 0, "G_META"},
    {"A04", "EMERGENCY_TRIAGED", "", "P_EMG", "R_SHORT", FREE, PRED_ASKED, 0, "G_META"},
    {"A04", "CANCELLED", "", "P_EMG", "R_SHORT", FREE, PRED_ASKED, 0, "G_META"},
    {"A05", "OFFER_REJECTED_LATE", "", "P_EMG", "R_SHORT", FREE, 0, 0, "G_META"},
    {"010", "RENEW_NOTICE_SENT", "", "P_FIL", "R_FAMILY", FREE, 0, PROTECTED, "G_META G_NOTICE"},
    {"011", "ADMISSION_NOTICE_GIVEN", "", "P_FIL", "R_PERSON", FREE, 0, 0, "G_META G_NOTICE"},
    {"011", "ADMISSION_NOTICE_GIVEN", "", "P_FIL", "R_FAMILY", FREE, 0, PROTECTED, "G_META G_NOTICE"},
    {"012", "PERIOD_EXPIRED_ALERT", "", "P_FIL", "R_PREF", FREE, ENABLED, 0, "G_META"},
    {"012", "PERIOD_EXPIRED_ALERT", "", "P_FIL", "R_HOSP", FREE, 0, 0, "G_META"},
    {"013", "MAYOR_CONSENT_REQUESTED", "", "P_FIL", "R_MUNI_MC", FREE, 0, 0, "G_META G_REQUEST_MC"},
    {"014", "MAYOR_VISITED", "WISHED", "P_VIS", "R_VISIT_SEC", FREE, 0, 0, "G_META G_NAME G_WARD G_WISH"},
    {"032", "SUPPORT_INFORMATION_PROVIDED", "", "P_TRA", "R_LOCAL R_PLAN", CONSENT, 0, 0, SUPPORT},
    {"033", "COMMITTEE_CALLED", "", "P_TRA", "R_PLAN R_LOCAL R_KIKAN R_HC R_MUNI_W R_MUNI_H R_OUTPT R_HVN R_GH R_FAMILY", CONSENT, 0, 0, "G_META G_PLACE"},
    {"033", "COMMITTEE_CALLED", "", "P_TRA", "R_PERSON", FREE, 0, 0, "G_META G_PLACE"},
    {"034", "COMMITTEE_RESULT_GIVEN", "", "P_TRA", "R_PERSON", FREE, 0, 0, "G_META G_RESULT"},
    {"034", "COMMITTEE_RESULT_GIVEN", "", "P_TRA", "R_FAMILY", FREE, 0, PROTECTED, "G_META G_RESULT"},
    {"035", "COMMITTEE_RESULT_GIVEN", "", "P_TRA", "R_LOCAL R_PLAN", CONSENT, 0, 0, "G_META G_RESULT"},
    {"039", "DISCHARGE_SUMMARY", "", "P_TRT", "R_OUTPT", FREE, 0, 0, "G_META G_ID G_ADM G_DX G_SYM G_MED G_PHYS"},
    {"040", "DISCHARGE_SUMMARY", "", "P_TRT", "R_HVN", FREE, 0, 0, "G_META G_DX G_SYM_SHORT G_MED G_PHYS G_RISK_MIN"},
    {"041", "NEEDS_ASSESSED", "", "P_TRA", "R_PLAN R_LOCAL", CONSENT, 0, 0, "G_META G_NEEDS"},
    {"042", "NEEDS_ASSESSED", "", "P_PD", "R_HC", CONSENT, INCHARGE, 0, "G_META G_NEEDS G_NEEDS_SAFETY"},
    {"043", "FIRST_CONTACT_CONFIRMED", "", "P_TRA", "R_HOSP", CONSENT, 0, 0, "G_META"},
    {"043", "FIRST_CONTACT_MISSED", "", "P_TRA", "R_HOSP", CONSENT, 0, 0, "G_META"},
    {"043", "FIRST_CONTACT_CONFIRMED", "", "P_TRA", "R_HC", CONSENT, INCHARGE, 0, "G_META"},
    {"043", "FIRST_CONTACT_MISSED", "", "P_TRA", "R_HC", CONSENT, INCHARGE, 0, "G_META"},
    {"051", "PLAN_ISSUED", "", "P_PD", "R_PERSON", FREE, 0, 0, "G_META G_ID G_PLAN G_PLAN_OWN G_CRISIS G_NEEDS G_NEEDS_SAFETY G_DX G_LEGAL"},
    {"055", "PLAN_ISSUED", "", "P_PD", "R_FAMILY", CONSENT, 0, 0, "G_META G_ID G_PLAN"},
    {"057", "PLAN_ENDED", "", "P_PD", "R_HOSP R_OUTPT R_HVN R_MUNI_W R_MUNI_H R_PLAN R_LOCAL R_GH R_SHORT R_KIKAN R_FAMILY", FREE, PRED_EXISTING, 0, "G_META"},
    {"057", "PLAN_ENDED", "", "P_PD", "R_PERSON", FREE, 0, 0, "G_META"},
    {"059", "TRANSFER_PROPOSED", "", "P_PD", "R_HC", CONSENT, 0, 0, "G_META"},
    {"059", "TRANSFER_SENT", "", "P_PD", "R_HC", CONSENT, 0, 0, "G_META G_ID G_PLAN G_NEEDS G_HISTORY"},
    {"059", "TRANSFER_PROPOSED", "", "P_PD", "R_HC", FREE, ENABLED | INCHARGE, SAME, "G_META"},
    {"059", "TRANSFER_SENT", "", "P_PD", "R_HC", FREE, ENABLED | INCHARGE, SAME, "G_META G_ID G_PLAN G_NEEDS G_HISTORY"},
    {"A12", "TRANSFER_ACCEPTED", "", "P_PD", "R_HC", FREE, 0, 0, "G_META"},
    {"060", "EARLY_WARNING", "", "P_PD P_EMG", "R_OUTPT R_HC R_HVN", CONSENT, 0, 0, "G_META G_ID G_RISK_MIN"},
    {"060", "EARLY_WARNING", "", "P_PD P_EMG", "R_OUTPT R_HC R_HVN", FREE, UNABLE, 0, "G_META G_ID G_RISK_MIN"},
    {"060", "EARLY_WARNING", "", "P_PD P_EMG", "R_OUTPT R_HC R_HVN", FREE, GLASS, 0, "G_META G_ID G_RISK_MIN"},
    {"061", "EARLY_WARNING", "", "P_EMG", "R_FAMILY", CONSENT, 0, 0, "G_META G_CRISIS"},
    {"061", "EARLY_WARNING", "", "P_EMG", "R_FAMILY", FREE, UNABLE, PROTECTED, "G_META G_CRISIS"},
    {"074", "EMERGENCY_REQUESTED", "UNREGISTERED_UNABLE", "P_EMG", "R_HUBC", FREE, GLASS, 0, "G_META G_ID G_GUARD G_CARE G_MED_MIN G_PHYS_MIN"},
    {"076", "STAY_CONFIRMED", "", "P_EMG", "R_SHORT", FREE, PRED_CHOSEN | GLASS, 0, STAY},
    {"078", "CARE_ANSWERED", "", "P_EMG", "R_HUBC R_SHORT", CONSENT, 0, 0, "G_META G_MED_MIN G_PHYS_MIN"},
    {"078", "CARE_ANSWERED", "", "P_EMG", "R_HUBC R_SHORT", FREE, UNABLE, 0, "G_META G_MED_MIN G_PHYS_MIN"},
    {"078", "CARE_ANSWERED", "", "P_EMG", "R_HUBC R_SHORT", FREE, GLASS, 0, "G_META G_MED_MIN G_PHYS_MIN"},
    {"A09", "CARE_ASKED", "", "P_EMG", "R_HOSP R_OUTPT", CONSENT, 0, 0, "G_META G_NAME G_ID"},
    {"A09", "CARE_ASKED", "", "P_EMG", "R_HOSP R_OUTPT", FREE, UNABLE, 0, "G_META G_NAME G_ID"},
    {"A09", "CARE_ASKED", "", "P_EMG", "R_HOSP R_OUTPT", FREE, GLASS, 0, "G_META G_NAME G_ID"},
    {"079", "EMERGENCY_NOTIFIED", "", "P_EMG", "R_PLAN R_OUTPT R_HVN", CONSENT, 0, 0, "G_META G_ID G_STAY"},
    {"080", "EMERGENCY_NOTIFIED", "DECIDED APPLIED MUNICIPAL_PROJECT", "P_ADM", "R_MUNI_W", FREE, INCHARGE, 0, "G_META G_ID G_PROVISION"},
    {"080", "EMERGENCY_NOTIFIED", "PROVISION_NONE SELF_PAY", "P_ADM", "R_MUNI_W", CONSENT, 0, 0, "G_META G_ID G_PROVISION"},
    {"081", "EMERGENCY_UNMET", "", "P_STA", "R_COUNCIL", FREE, 0, 0, "G_STAT"},
    {"082", "STAY_CANVASS", "", "P_EMG", "R_HOUSING", CONSENT, 0, 0, "G_CARE_CLASS"},
    {"083", "STAY_HOSPITALISED", "", "P_TRT", "R_HOSP", CONSENT, 0, 0, "G_META G_ID G_CARE G_MED_MIN G_CRISIS"},
    {"083", "STAY_HOSPITALISED", "", "P_TRT", "R_HOSP", FREE, UNABLE, 0, "G_META G_ID G_CARE G_MED_MIN G_CRISIS"},
    {"083", "STAY_HOSPITALISED", "", "P_TRT", "R_HOSP", FREE, GLASS, 0, "G_META G_ID G_CARE G_MED_MIN G_CRISIS"},
    {"090", "VISIT_REQUESTED", "WISH_CONFIRMED", "P_VIS", "R_VISIT_SEC", FREE, 0, 0, "G_META G_NAME G_WARD G_WISH"},
    {"091", "VISIT_ASSIGNED", "", "P_VIS", "R_VISIT", FREE, 0, 0, "G_META G_ID_GIVEN G_WARD G_PLACE G_COMM"},
    {"092", "VISIT_SCHEDULED", "", "P_VIS", "R_HOSP", FREE, 0, 0, "G_META"},
    {"A11", "VISIT_REPORTED", "", "P_VIS", "R_VISIT_SEC", FREE, 0, 0, "G_META G_VISIT"},
    {"100", "ABUSE_REPORTED", "", "P_ABU", "R_ABUSE", FREE, 0, 0, "G_META G_ABUSE G_REPORTER"},
    {"102", "ABUSE_FIGURES", "", "P_STA", "R_COUNCIL R_PREF", FREE, 0, 0, "G_META G_STAT"},
    {"110", "MEETING_PAPERS", "MT_106", "P_M106", MEMBERS " R_106", FREE, SESSION, 0, PAPERS},
    {"110", "MEETING_PAPERS", "MT_106", "P_M106", "R_HOUSING", FREE, SESSION, 0, "G_META G_ID G_CONTACT G_HOUSING"},
    {"112", "MEETING_PAPERS", "MT_PD MT_SERVICE MT_JUSO", "P_MCON", MEMBERS, CONSENT, SESSION, 0, PAPERS},
    {"112", "MEETING_PAPERS", "MT_PD MT_SERVICE MT_JUSO", "P_MCON", "R_HOUSING", CONSENT, SESSION, 0, "G_META G_ID G_CONTACT G_HOUSING"},
    {"113", "MEETING_PAPERS", "MT_COUNCIL_CASE", "P_COU", MEMBERS, CONSENT, SESSION, 0, PAPERS},
    {"113", "MEETING_PAPERS", "MT_COUNCIL_CASE", "P_COU", MEMBERS " R_COUNCIL", FREE, SESSION, 0, "G_META G_ISSUE"},
    {"114", "MEETING_HELD", "MT_PD MT_SERVICE MT_JUSO", "P_MCON", MEMBERS, CONSENT, SESSION, 0, "G_META G_MEET"},
    {"114", "MINUTES_CONFIRMED", "MT_PD MT_SERVICE MT_JUSO", "P_MCON", MEMBERS, CONSENT, SESSION, 0, "G_META G_MEET"},
    {"114", "MEETING_HELD", "MT_COUNCIL_CASE", "P_COU", MEMBERS, CONSENT, SESSION, 0, "G_META G_MEET"},
    {"114", "MINUTES_CONFIRMED", "MT_COUNCIL_CASE", "P_COU", MEMBERS, CONSENT, SESSION, 0, "G_META G_MEET"},
    {"A07", "MEETING_CALLED", "", "P_TRA P_M106 P_MCON P_COU", MEMBERS " R_106 R_HOUSING R_PEER R_PERSON R_FAMILY", FREE, 0, 0, "G_META G_PLACE"},
    {"A08", "MEETING_PLEDGED", "", "P_TRA P_M106 P_MCON P_COU", MEMBERS " R_106 R_HOUSING R_PEER", FREE, PRED_ASKED, 0, "G_META"},
    {"A08", "MEETING_HELD", "", "P_TRA P_M106 P_MCON P_COU", MEMBERS " R_106 R_HOUSING R_PEER", FREE, PRED_ASKED, 0, "G_META"},
    {"A08", "MEETING_CLOSED", "", "P_TRA P_M106 P_MCON P_COU", MEMBERS " R_106 R_HOUSING R_PEER", FREE, PRED_ASKED, 0, "G_META"},
    {"A08", "MEETING_CANCELLED", "", "P_TRA P_M106 P_MCON P_COU", MEMBERS " R_106 R_HOUSING R_PEER", FREE, PRED_ASKED, 0, "G_META"},
    {"120", "SERVICE_APPLIED", "", "P_ADM", "R_MUNI_W", FREE, INCHARGE, 0, "G_META G_ID G_CONTACT G_ELIG G_ELIG_DETAIL G_PLAN"},
    {"120", "SERVICE_DECIDED", "", "P_ADM", "R_MUNI_W", FREE, INCHARGE, 0, "G_META G_ID G_CONTACT G_ELIG G_ELIG_DETAIL G_PLAN"},
    {"120", "SERVICE_APPLIED", "", "P_ADM", "R_PLAN", FREE, PRED_EXISTING, 0, "G_META G_ID G_CONTACT G_ELIG G_ELIG_DETAIL G_PLAN"},
    {"120", "SERVICE_DECIDED", "", "P_ADM", "R_PLAN", FREE, PRED_EXISTING, 0, "G_META G_ID G_CONTACT G_ELIG G_ELIG_DETAIL G_PLAN"},
    {"121", "SERVICE_PLAN_FIXED", "", "P_ADM", "R_GH R_SHORT R_LOCAL", CONSENT, 0, 0, "G_META G_ID G_PLAN G_CARE"},
    {"122", "MONITORED", "", "P_ADM", "R_MUNI_W", FREE, INCHARGE, 0, "G_META G_PLAN"},
    {"130", "ISSUE_RAISED", "", "P_COU", "R_COUNCIL", FREE, 0, 0, "G_META G_ISSUE"},
    {"131", "STAT_REPORTED", "", "P_STA", "R_COUNCIL R_PREF", FREE, 0, 0, "G_META G_STAT"},
    {"140", "ACCESS_ANSWERED", "", "P_ACC", "R_PERSON", FREE, 0, 0, "G_META G_AUDIT"},
    {"140", "ACCESS_REQUESTED", "", "P_ACC", CARE_TEAM " R_PREF", FREE, 0, 0, "G_META"},
    {"141", "ACCESS_REQUESTED", "", "P_ACC", "R_AUDIT", FREE, 0, 0, "G_META G_AUDIT"},
    {"141", "ACCESS_ANSWERED", "", "P_ACC", "R_AUDIT", FREE, 0, 0, "G_META G_AUDIT"},
    {"144", "VACANCY_UPDATED", "", "P_EMG", "R_HUBC R_KIKAN", FREE, 0, 0, "G_META G_VACANCY"},
    {"145", "PERSON_DIED", "", "P_TRA P_PD P_EMG", CARE_TEAM " R_HOUSING", FREE, PRED_EXISTING, 0, "G_META G_ID"},
    {"147", "BREAK_GLASS_OPENED", "", "P_ACC", "R_AUDIT", FREE, 0, 0, "G_META G_AUDIT"},
    {"147", "BREAK_GLASS_REVIEWED", "", "P_ACC", "R_AUDIT", FREE, 0, 0, "G_META G_AUDIT"},
    {"147", "BREAK_GLASS_NOTICE", "", "P_ACC", "R_AUDIT R_PERSON", FREE, 0, 0, "G_META G_AUDIT"},
    {"A10", "BREAK_GLASS_NOTICE", "", "P_ACC", "R_HOSP R_OUTPT R_HVN R_HC R_HUBC R_SHORT R_KIKAN R_MUNI_W", FREE, 0, 0, "G_META G_AUDIT"},
}; /* clang-format on */

/* Which rule is cited for the status part, whoever consented to what. */
static const struct cited {
    const char *name, *event, *variant, *purpose, *role, *rule;
    unsigned facts;
    enum { EITHER, WITHOUT, WITH } consent;
    const char *cls; /* NULL: the status part */
} CITED[] = {
    /* clang-format off */
    {"004 an admission filing serves no other purpose", "FILING_SUBMITTED", "MP_ADMIT", "P_PD", "R_HC", "R004A", 0, EITHER, NULL},
    {"004 nor for anyone else", "FILING_SUBMITTED", "MP_ADMIT", "P_TRA", "R_PLAN", "R004A", 0, EITHER, NULL},
    {"004 an admission filing goes to nobody else", "FILING_SUBMITTED", "MP_ADMIT", "P_FIL", "R_MUNI_W", "R004B", 0, EITHER, NULL},
    {"004 is about admission filings", "FILING_SUBMITTED", "MP_END", "P_FIL", "R_MUNI_W", "DEFAULT", 0, EITHER, NULL},
    {"023 no admission to housing", "ADMISSION_RECORDED", "", "P_TRA", "R_HOUSING", "R023", 0, EITHER, NULL},
    {"024 no legal status to a planning office", "LEGAL_STATUS_STARTED", "", "P_TRA", "R_PLAN", "R024", 0, EITHER, NULL},
    {"024 no legal status to a peer", "LEGAL_STATUS_ENDED", "", "P_TRA", "R_PEER", "R024", 0, EITHER, NULL},
    {"024 is about welfare", "LEGAL_STATUS_STARTED", "", "P_TRA", "R_HC", "DEFAULT", 0, EITHER, NULL},
    {"024 is about transition", "LEGAL_STATUS_STARTED", "", "P_PD", "R_PLAN", "DEFAULT", 0, EITHER, NULL},
    {"056 no plan to the police", "PLAN_ISSUED", "", "P_PD", "R_POLICE", "R056", 0, EITHER, NULL},
    {"056 for no purpose", "PLAN_ISSUED", "", "P_TRA", "R_POLICE", "R056", 0, EITHER, NULL},
    {"058 a refusal is private", "CONSENT_REFUSED", "", "P_PD", "R_PLAN", "R058", 0, EITHER, NULL},
    {"058 spares hospital and health centre", "CONSENT_REFUSED", "", "P_PD", "R_HC", "DEFAULT", 0, EITHER, NULL},
    {"143 no content to the operator", "PLAN_ISSUED", "", "P_OPS", "R_OPS", "R143", 0, EITHER, NULL},
    {"143 is about operation", "PLAN_ISSUED", "", "P_PD", "R_OPS", "DEFAULT", 0, EITHER, NULL},
    {"146 is told for any purpose", "CONSENT_WITHDRAWN", "", "P_STA", "R_PLAN", "R146", 0, EITHER, NULL},
    {"002 has a rule of its own", "FILING_SUBMITTED", "MP_ADMIT", "P_FIL", "R_PREF", "R002", 0, EITHER, NULL},
    {"003 has a rule of its own", "FILING_SUBMITTED", "MP_ADMIT", "P_FIL", "R_MPRB", "R003", 0, EITHER, NULL},
    {"001 has a rule of its own", "FILING_SUBMITTED", "MP_ADMIT", "P_FIL", "R_HC", "R001", 0, EITHER, NULL},
    {"009 consent comes before the arrangement", "FILING_SUBMITTED", "SOCHI_CEASE", "P_PD", "R_HC", "R009", ENABLED | INCHARGE, WITH, NULL},
    {"009 the arrangement serves without", "FILING_SUBMITTED", "SOCHI_CEASE", "P_PD", "R_HC", "R009B", ENABLED | INCHARGE, WITHOUT, NULL},
    {"076 consent comes before danger to life", "STAY_CONFIRMED", "", "P_EMG", "R_SHORT", "R076", PRED_CHOSEN, WITH, NULL},
    {"076 danger to life serves without", "STAY_CONFIRMED", "", "P_EMG", "R_SHORT", "R076L", PRED_CHOSEN | PRED_UNABLE_TO_CONSENT, WITHOUT, NULL},
    {"076 but only when the person cannot be asked", "STAY_CONFIRMED", "", "P_EMG", "R_SHORT", "DEFAULT", PRED_CHOSEN, WITHOUT, NULL},
    {"056 nor anything else to police or justice", "DISCHARGED", "", "P_TRA", "R_JUSTICE", "N04", 0, EITHER, NULL},
    {"074 danger to life comes before break-glass", "EMERGENCY_REQUESTED", "UNREGISTERED_UNABLE", "P_EMG", "R_HUBC", "R074", UNABLE | GLASS, WITHOUT, NULL},
    {"074 break-glass serves without", "EMERGENCY_REQUESTED", "UNREGISTERED_UNABLE", "P_EMG", "R_HUBC", "R074G", GLASS, WITHOUT, NULL},
    {"060 consent comes before danger to life", "EARLY_WARNING", "", "P_EMG", "R_HVN", "R060", UNABLE | GLASS, WITH, NULL},
    {"060 danger to life comes before break-glass", "EARLY_WARNING", "", "P_EMG", "R_HVN", "R060L", UNABLE | GLASS, WITHOUT, NULL},
    {"060 break-glass is the last", "EARLY_WARNING", "", "P_EMG", "R_HVN", "R060G", GLASS, WITHOUT, NULL},
    {"061 the family opens no break-glass", "EARLY_WARNING", "", "P_EMG", "R_FAMILY", "DEFAULT", GLASS, WITHOUT, NULL},
    {"093 no report of a visit to the hospital", "VISIT_REPORTED", "", "P_VIS", "R_HOSP", "R093", 0, EITHER, NULL},
    {"101 no abuse report to the hospital", "ABUSE_REPORTED", "", "P_ABU", "R_HOSP", "R101", 0, EITHER, NULL},
    {"110 asks nobody", "MEETING_PAPERS", "MT_106", "P_M106", "R_PLAN", "R110", SESSION, EITHER, NULL},
    {"111 not for another purpose", "MEETING_PAPERS", "MT_106", "P_MCON", "R_PLAN", "R111", SESSION, EITHER, NULL},
    {"111 not for who did not pledge", "MEETING_PAPERS", "MT_106", "P_M106", "R_PLAN", "R111B", 0, EITHER, NULL},
    {"112 asks the person", "MEETING_PAPERS", "MT_PD", "P_MCON", "R_PLAN", "DEFAULT", SESSION, WITHOUT, NULL},
    {"112 and wants a pledge", "MEETING_PAPERS", "MT_PD", "P_MCON", "R_PLAN", "DEFAULT", 0, WITH, NULL},
    {"113 without consent only what names nobody", "MEETING_PAPERS", "MT_COUNCIL_CASE", "P_COU", "R_PLAN", "R113D", SESSION, WITHOUT, NULL},
    {"114 the record of a statutory meeting stays", "MINUTES_CONFIRMED", "MT_106", "P_MCON", "R_HC", "R114B", SESSION, EITHER, "G_MEET"},
    {"no diagnosis to housing, by no event", "DISCHARGED", "", "P_TRA", "R_HOUSING", "N01", 0, EITHER, "G_DX"},
    {"no legal status to a peer, by no event", "LEGAL_STATUS_STARTED", "", "P_PD", "R_PEER", "N01", 0, EITHER, "G_LEGAL"},
    {"no police report to a clinic", "DISCHARGED", "", "P_TRA", "R_OUTPT", "N02", 0, EITHER, "G_POLICE"},
    {"but that is no matter of the health centre", "DISCHARGED", "", "P_TRA", "R_HC", "DEFAULT", 0, EITHER, "G_POLICE"},
    {"nor of the hospital", "DISCHARGED", "", "P_TRA", "R_HOSP", "DEFAULT", 0, EITHER, "G_POLICE"},
    {"nor of the prefecture", "DISCHARGED", "", "P_TRA", "R_PREF", "DEFAULT", 0, EITHER, "G_POLICE"},
    {"no reporter to a prefecture", "ABUSE_REPORTED", "", "P_ABU", "R_PREF", "N03", 0, EITHER, "G_REPORTER"},
    {"076 the one not chosen gets nothing", "STAY_CONFIRMED", "", "P_EMG", "R_SHORT", "DEFAULT", 0, EITHER, NULL},
}; /* clang-format on */

static const char *const ROLES[] = {
    "R_HOSP",    "R_OUTPT",  "R_HVN",    "R_HC",      "R_PREF",     "R_MHWC",
    "R_MPRB",    "R_MUNI_W", "R_MUNI_H", "R_MUNI_MC", "R_KIKAN",    "R_HUBC",
    "R_SHORT",   "R_PLAN",   "R_LOCAL",  "R_GH",      "R_PEER",     "R_VISIT",
    "R_HOUSING", "R_FAMILY", "R_PERSON", "R_ABUSE",   "R_106",      "R_COUNCIL",
    "R_AUDIT",   "R_POLICE", "R_OPS",    "R_JUSTICE", "R_VISIT_SEC"};
static const char *const PURPOSES[] = {
    "P_FIL",  "P_TRA", "P_PD",  "P_EMG", "P_REG", "P_VIS", "P_ABU", "P_M106",
    "P_MCON", "P_COU", "P_STA", "P_ADM", "P_TRT", "P_ACC", "P_OPS"};
static const char *const VARIANTS[] = {
    "",           "MP_ADMIT",          "MP_RENEW",
    "MP_END",     "PERIODIC",          "SOCHI_CEASE",
    "REGISTERED", "UNREGISTERED_ABLE", "UNREGISTERED_UNABLE",
    "WISHED",     "NOT_WISHED",        "WISH_CONFIRMED",
    "DECIDED",    "APPLIED",           "MUNICIPAL_PROJECT",
    "SELF_PAY",   "PROVISION_NONE",    "WISH_NOT_CONFIRMED",
    "MT_PD",      "MT_SERVICE",        "MT_JUSO",
    "MT_106",     "MT_COUNCIL_CASE",   "MT_COMMITTEE"};
#define UNPROTECTED (0x3ffu & ~PRED_ADDRESS_PROTECTED)
static const unsigned FACTS[] = {UNPROTECTED,
                                 0,
                                 ENABLED | INCHARGE,
                                 ENABLED,
                                 INCHARGE,
                                 SESSION | INCHARGE,
                                 PRED_EXISTING | PRED_ASKED,
                                 UNABLE | PRED_CHOSEN,
                                 GLASS | PRED_CHOSEN,
                                 GLASS,
                                 UNABLE,
                                 PROTECTED | PRED_CHOSEN | SAME | UNABLE};

struct cell {
    const char *event, *variant, *purpose, *role;
    unsigned facts;
    bool consent;
    uint64_t asked; /* 0: what the event's name says */
};

/* EXPECTED with its words looked up, made once: they take the longest. */
static struct row {
    uint64_t classes;
    unsigned purposes, roles, variants; /* bits of the lists below */
} rows[NELEM(EXPECTED)];
static uint64_t hidden_places;

static unsigned bits(const char *list, const char *const *names, size_t n)
{
    unsigned set = 0;
    for (size_t i = 0; i < n; i++)
        set |= listed(list, names[i]) ? 1u << i : 0;
    return set;
}

static void make_rows(void)
{
    hidden_places = classes("G_CONTACT G_CONTACT_AREA G_DEST G_STAY");
    for (size_t i = 0; i < NELEM(EXPECTED); i++)
        rows[i] = (struct row){
            classes(EXPECTED[i].classes),
            bits(EXPECTED[i].purpose, PURPOSES, NELEM(PURPOSES)),
            bits(EXPECTED[i].roles, ROLES, NELEM(ROLES)),
            EXPECTED[i].variant[0] == '\0'
                ? ~0u
                : bits(EXPECTED[i].variant, VARIANTS, NELEM(VARIANTS))};
}

/* Rows of any purpose: 146 and A06. */
#define TOLD_ALWAYS "CONSENT_WITHDRAWN CONSENT_EXPIRED CONSENT_REMINDER"
#define EXCLUDED "R_POLICE R_OPS R_JUSTICE"

/* The cell of the v-th variant, u-th purpose and r-th role. */
static uint64_t expected_of(const struct cell *c, size_t v, size_t u, size_t r)
{
    uint64_t set = 0;
    if (listed(TOLD_ALWAYS, c->event))
        return listed(EXCLUDED, c->role) ? 0 : classes("G_META");
    for (size_t i = 0; i < NELEM(EXPECTED); i++) {
        const struct expected *x = &EXPECTED[i];
        if ((rows[i].roles >> r & 1) && (rows[i].purposes >> u & 1) &&
            (rows[i].variants >> v & 1) && (x->requires & ~c->facts) == 0 &&
            (x->unless & c->facts) == 0 && (x->need == FREE || c->consent) &&
            strcmp(x->event, c->event) == 0)
            set |= rows[i].classes;
    }
    if ((c->facts & PROTECTED) && !listed("R_HC R_HOSP", c->role))
        set &= ~hidden_places;
    return set;
}

static void decide_cell(const struct policy *p, const struct cell *c,
                        struct decision *d)
{
    struct agency a = agency_of(c->role);
    struct grant g[2] = {consent_to(CODE, c->purpose, UINT64_MAX, 7),
                         consent_to(CODE, c->purpose, UINT64_MAX, 8)};
    g[1].third = true;
    struct policy_ask ask = {.event = c->event,
                             .variant = c->variant,
                             .purpose = c->purpose,
                             .recipient = &a,
                             .role = c->role,
                             .classes =
                                 c->asked != 0 ? c->asked : asked_of(c->event),
                             .predicates = c->facts,
                             .session_classes = ~class_bit(CALLED_WITHOUT),
                             .glass_classes = UINT64_MAX,
                             .grants = g,
                             .grant_count = c->consent ? 2 : 0,
                             .now_ms = NOW,
                             .clock_ok = true};
    policy_decide(p, &ask, d);
}

static bool can_be(const char *event, const char *variant)
{
    static const char *const OF[][2] = {
        {"FILING_SUBMITTED", "MP_ADMIT MP_RENEW MP_END PERIODIC SOCHI_CEASE"},
        {"EMERGENCY_REQUESTED",
         "REGISTERED UNREGISTERED_ABLE UNREGISTERED_UNABLE"},
        {"EMERGENCY_NOTIFIED",
         "DECIDED APPLIED MUNICIPAL_PROJECT SELF_PAY PROVISION_NONE"},
        {"MAYOR_VISITED", "WISHED NOT_WISHED"},
        {"VISIT_REQUESTED", "WISH_CONFIRMED WISH_NOT_CONFIRMED"},
        {"MEETING_CALLED MEETING_PAPERS MEETING_HELD MINUTES_CONFIRMED",
         "MT_PD MT_SERVICE MT_JUSO MT_106 MT_COUNCIL_CASE MT_COMMITTEE"}};
    for (size_t i = 0; i < NELEM(OF); i++)
        if (listed(OF[i][0], event))
            return listed(OF[i][1], variant);
    return false;
}

/* Where the first cell differs from what is expected. */
struct trial {
    const struct policy *p;
    const char *events; /* NULL: all */
    bool *cited;        /* by rule; may be NULL */
    bool failed;
    char where[160];
};

static void try_cell(struct trial *t, const struct cell *c, uint64_t expected)
{
    struct decision d;
    decide_cell(t->p, c, &d);
    for (unsigned k = 1; t->cited != NULL && k < CLASS_MAX; k++)
        if (d.of[k].rule != NO_RULE)
            t->cited[d.of[k].rule] = true;
    if (d.error == ERR_OK && d.released == (expected & c->asked))
        return;
    t->failed = true;
    snprintf(t->where, sizeof(t->where), "%s:%s %s %s facts %02x consent %d %s",
             c->event, c->variant, c->purpose, c->role, c->facts, c->consent,
             err_code(d.error));
}

static void try_variant(struct trial *t, struct cell *c, size_t v)
{
    for (size_t u = 0; u < NELEM(PURPOSES); u++)
        for (size_t r = 0; r < NELEM(ROLES); r++)
            for (int consent = 0; consent < 2 && !t->failed; consent++) {
                c->variant = VARIANTS[v];
                c->purpose = PURPOSES[u];
                c->role = ROLES[r];
                c->consent = consent != 0;
                uint64_t expected = expected_of(c, v, u, r);
                if (strcmp(c->event, "MEETING_PAPERS") == 0)
                    expected &= policy_ceiling(t->p, c->role);
                try_cell(t, c, expected);
            }
}

static void try_event(struct trial *t, const char *event, unsigned facts)
{
    struct cell c = {.event = event, .facts = facts, .asked = asked_of(event)};
    for (size_t v = 0; v < NELEM(VARIANTS) && !t->failed; v++)
        if (v == 0 || can_be(event, VARIANTS[v]))
            try_variant(t, &c, v);
}

static void try_cited(struct trial *t, const struct cited *x)
{
    for (int consent = 0; consent < 2 && !t->failed; consent++) {
        struct cell c = {x->event, x->variant,   x->purpose, x->role,
                         x->facts, consent != 0, 0};
        struct decision d;
        if (x->consent == (consent ? WITHOUT : WITH))
            continue;
        decide_cell(t->p, &c, &d);
        if (d.error == ERR_OK &&
            strcmp(rule_at(t->p, &d, x->cls == NULL ? "G_META" : x->cls),
                   x->rule) == 0)
            continue;
        t->failed = true;
        snprintf(t->where, sizeof(t->where), "%s", x->name);
    }
}

static void run_trial(struct trial *t)
{
    make_rows();
    for (size_t i = 0; i < NELEM(CITED); i++)
        if (t->events == NULL || listed(t->events, CITED[i].event))
            try_cited(t, &CITED[i]);
    for (size_t f = 0; f < NELEM(FACTS); f++)
        for (size_t i = 0; i < SCHEMA_MESSAGE_COUNT; i++) {
            const struct schema_message *m = &SCHEMA_MESSAGES[i];
            if (m->event != 0 &&
                (t->events == NULL || listed(t->events, m->event_name)))
                try_event(t, m->event_name, FACTS[f]);
        }
}

static void the_matrix_is_the_decision_table(void **state)
{
    (void)state;
    struct policy *p = default_policy();
    bool cited[256] = {false};
    struct trial t = {.p = p, .cited = cited};
    run_trial(&t);
    if (t.failed)
        fail_msg("%s", t.where);
    assert_true(policy_rule_count(p) <= NELEM(cited));
    for (size_t i = 0; i < policy_rule_count(p); i++)
        if (!cited[i])
            fail_msg("rule %s is never cited", policy_rule_id(p, (uint16_t)i));
    policy_free(&p);
}

/* Only the rules speak: every ceiling and every minimum is everything. */
static void open_wide(struct pack *k)
{
    pack_set(k, POLICY_MINIMUM, "purpose\tevent\tclasses\ttells\n*\t*\t*\t\n");
    pack_set(k, POLICY_CEILING, "role\tclasses\n");
    for (size_t i = 0; i < NELEM(ROLES); i++)
        if (strcmp(ROLES[i], "R_POLICE") != 0 &&
            strcmp(ROLES[i], "R_OPS") != 0 &&
            strcmp(ROLES[i], "R_JUSTICE") != 0)
            buf_addf(&k->file[POLICY_CEILING], "%s\t*\n", ROLES[i]);
}

static void the_rules_alone_hold(void **state)
{
    (void)state;
    struct pack k = {0};
    pack_default(&k);
    open_wide(&k);
    struct policy *p = pack_policy(&k);
    struct trial t = {.p = p};
    run_trial(&t);
    if (t.failed)
        fail_msg("%s", t.where);
    policy_free(&p);
    pack_fini(&k);
}

/* Only ceilings and minimum speak: one rule permits everything to everyone. */
static void ceilings_and_minimum_alone_hold(void **state)
{
    (void)state;
    struct pack k = {0};
    pack_default(&k);
    pack_set(&k, POLICY_RULES,
             "id\trow\tlayer\teffect\tevent\tpurpose\trole\tclasses\trequires\t"
             "unless\tbasis\tja\ten\tfrom\tto\n"
             "X\tX\tlaw\tpermit\t*\t*\t*\t*\t\t\tLB_LAW\tja\ten\t\t\n");
    struct policy *p = pack_policy(&k);
    static const struct {
        const char *name, *event, *purpose, *role, *never;
    } NEVER[] = {
        /* clang-format off */
        {"housing learns of no admission", "DISCHARGE_PLANNED", "P_TRA", "R_HOUSING", "G_ADM G_DX G_DEST G_NOTE"},
        {"a peer learns of no admission", "DISCHARGE_PLANNED", "P_TRA", "R_PEER", "G_ADM G_DX G_ID G_CONTACT G_NOTE"},
        {"welfare learns no diagnosis of an admission", "ADMISSION_RECORDED", "P_TRA", "R_PLAN", "G_DX G_CONTACT G_NOTE"},
        {"nurses learn no legal status", "PLAN_ISSUED", "P_PD", "R_HVN", "G_LEGAL G_POLICE G_FAMILY"},
        {"the plan's parts stay with their offices", "PLAN_ISSUED", "P_PD", "R_SHORT", "G_LEGAL G_DX G_NEEDS"},
        {"no diagnosis to a stay", "STAY_CONFIRMED", "P_EMG", "R_SHORT", "G_DX G_LEGAL G_CONTACT"},
        {"no identity in a canvass", "STAY_CANVASS", "P_EMG", "R_SHORT", "G_ID G_META"},
        {"a purpose the event does not serve", "PLAN_ISSUED", "P_EMG", "R_HC", "G_ID G_META G_PLAN"},
        {"the mayor's officer learns nothing here", "FILING_SUBMITTED", "P_FIL", "R_MUNI_MC", "G_ID G_DX"},
    }; /* clang-format on */
    for (size_t i = 0; i < NELEM(NEVER); i++) {
        struct cell c = {
            NEVER[i].event, "", NEVER[i].purpose, NEVER[i].role, 0xff, true, 0};
        struct decision d;
        decide_cell(p, &c, &d);
        if (d.error != ERR_OK || (d.released & classes(NEVER[i].never)) != 0)
            fail_msg("%s", NEVER[i].name);
    }
    static const char *const EVER[][2] = {
        {"R_HOUSING", "G_ADM G_LEGAL G_DX G_SYM G_MED G_FAMILY"},
        {"R_PEER", "G_ADM G_LEGAL G_DX G_ID G_CONTACT G_FAMILY"},
        {"R_PLAN", "G_LEGAL G_POLICE G_SYM G_MED G_FAMILY G_ABUSE"},
        {"R_SHORT", "G_LEGAL G_POLICE G_DX G_SYM G_MED G_ELIG_DETAIL"},
        {"R_HUBC", "G_LEGAL G_POLICE G_DX G_SYM G_MED"},
        {"R_MUNI_W", "G_LEGAL G_POLICE G_DX G_SYM G_MED"},
        {"R_OUTPT", "G_POLICE G_FAMILY G_FIN G_ABUSE"},
        {"R_HVN", "G_LEGAL G_POLICE G_FAMILY"},
        {"R_HOSP", "G_ABUSE G_REPORTER"},
        {"R_HC", "G_ABUSE G_REPORTER"},
        {"R_PREF", "G_ABUSE G_REPORTER G_PLAN"},
        {"R_POLICE", "G_META G_ID"},
    };
    for (size_t i = 0; i < NELEM(EVER); i++)
        if ((policy_ceiling(p, EVER[i][0]) & classes(EVER[i][1])) != 0)
            fail_msg("ceiling of %s", EVER[i][0]);
    static const char *const FROM_HOSPITAL[] = {
        "R_HC",    "R_PREF", "R_MHWC",  "R_MPRB",   "R_PLAN", "R_LOCAL",
        "R_KIKAN", "R_HVN",  "R_OUTPT", "R_MUNI_W", "R_GH"};
    for (size_t i = 0; i < NELEM(FROM_HOSPITAL); i++)
        if ((policy_ceiling(p, FROM_HOSPITAL[i]) & classes("G_ADM")) == 0)
            fail_msg("%s gets a hospital's header", FROM_HOSPITAL[i]);
    policy_free(&p);
    pack_fini(&k);
}

/* ---- mutants -------------------------------------------------------------*/

enum {
    ID,
    ROW,
    LAYER,
    EFFECT,
    EVENT,
    PURPOSE,
    ROLE,
    CLASSES,
    REQUIRES,
    UNLESS,
    BASIS,
    JA,
    EN,
    FROM,
    TO,
    CELLS
};
enum mutation {
    DROP,
    FLIP,
    WIDEN_CLASSES,
    WIDEN_ROLE,
    WIDEN_PURPOSE,
    FORGET_REQUIRES,
    FORGET_UNLESS,
    MUTATIONS
};
static const char *const MUTATION_NAMES[] = {
    "dropped",       "flipped",          "all classes",   "all roles",
    "every purpose", "without requires", "without unless"};

struct line {
    char *cell[CELLS];
};

/* Cuts a rules.tsv (which it spoils) into lines of cells. */
static size_t cut_rules(char *text, struct line *lines, size_t max)
{
    size_t n = 0;
    char *save = NULL;
    for (char *s = strtok_r(text, "\n", &save); s != NULL;
         s = strtok_r(NULL, "\n", &save)) {
        if (s[0] == '#')
            continue;
        assert_true(n < max);
        for (size_t i = 0; i < CELLS; i++)
            lines[n].cell[i] = strsep(&s, "\t");
        assert_non_null(lines[n].cell[TO]);
        n++;
    }
    return n;
}

/* False when the mutation would change nothing. */
static bool mutate(struct line *l, enum mutation m)
{
    static char star[] = "*", none[] = "", allow[] = "permit", deny[] = "deny";
    static const int CELL[MUTATIONS] = {[FLIP] = EFFECT,
                                        [WIDEN_CLASSES] = CLASSES,
                                        [WIDEN_ROLE] = ROLE,
                                        [WIDEN_PURPOSE] = PURPOSE,
                                        [FORGET_REQUIRES] = REQUIRES,
                                        [FORGET_UNLESS] = UNLESS};
    char **c = &l->cell[CELL[m]], *to = m >= FORGET_REQUIRES ? none : star;
    if (m == FLIP)
        to = strcmp(*c, "deny") == 0 ? allow : deny;
    if (m != DROP && strcmp(*c, to) == 0)
        return false;
    if (m != DROP)
        *c = to;
    return true;
}

static void write_mutant(const struct line *lines, size_t n, size_t at,
                         enum mutation m, struct buf *out)
{
    buf_reset(out);
    for (size_t i = 0; i < n; i++) {
        struct line l = lines[i];
        if (i == at && (m == DROP || !mutate(&l, m)))
            continue;
        for (size_t c = 0; c < CELLS; c++)
            buf_addf(out, "%s%s", l.cell[c], c + 1 < CELLS ? "\t" : "\n");
    }
}

/* A mutant that cannot even be read is caught, too. */
static bool mutant_survives(const struct pack *k, const char *events)
{
    struct buf why = {0};
    struct policy *p = NULL;
    bool survives = false;
    if (pack_parse(k, &p, &why) == ERR_OK) {
        struct trial t = {.p = p,
                          .events = strcmp(events, "*") == 0 ? NULL : events};
        run_trial(&t);
        survives = !t.failed;
    }
    policy_free(&p);
    buf_fini(&why);
    return survives;
}

/* Row 004 stands over rows 001 to 003 and row 111 over row 110, and the halves
 * of row 111 touch: wider than that they change nothing. What the layer
 * breakglass says counts for what was opened, whether it asks for it or not. */
static bool shut_off(const char *id, int m)
{
    switch (m) {
    case WIDEN_PURPOSE:
        return listed("R001 R002 R003 R110 R110H R111B", id);
    case WIDEN_ROLE:
        return listed("R003", id);
    case FORGET_REQUIRES:
        return listed("R060G R074G R078G R083G A09G", id);
    default:
        return false;
    }
}

/* "A:X B" as "A B": the events, whatever their variant. */
static void name_events(const char *cell, char *out, size_t size)
{
    bool name = true;
    size_t n = 0;
    for (; *cell != '\0'; cell++) {
        name = *cell == ' ' || (name && *cell != ':');
        if (name && n + 1 < size)
            out[n++] = *cell;
    }
    out[n] = '\0';
}

static void every_mutant_of_a_rule_is_caught(void **state)
{
    (void)state;
    struct pack k = {0};
    struct buf text = {0};
    static struct line lines[256];
    pack_default(&k);
    open_wide(&k);
    buf_add(&text, k.file[POLICY_RULES].p, k.file[POLICY_RULES].n);
    size_t n = cut_rules((char *)text.p, lines, NELEM(lines)), mutants = 0;
    for (size_t i = 1; i < n; i++)
        for (int m = 0; m < MUTATIONS; m++) {
            struct line l = lines[i];
            char events[512];
            if (!mutate(&l, (enum mutation)m) || shut_off(l.cell[ID], m))
                continue;
            name_events(lines[i].cell[EVENT], events, sizeof(events));
            write_mutant(lines, n, i, (enum mutation)m, &k.file[POLICY_RULES]);
            if (mutant_survives(&k, events))
                fail_msg("rule %s %s: no case notices", l.cell[ID],
                         MUTATION_NAMES[m]);
            mutants++;
        }
    print_message("%zu rules, %zu mutants\n", n - 1, mutants);
    buf_fini(&text);
    pack_fini(&k);
}

/* ---- the pack as a whole -------------------------------------------------*/

/* The decision table has these rows. */
static const char ROWS[] = "001 002 003 004 005 006 007 008 009 010 011 012 "
                           "013 014 020 021 022 023 024 025 030 031 032 033 "
                           "034 035 036 037 038 039 040 041 042 043 050 051 "
                           "052 053 054 055 056 057 058 059 060 061 070 071 "
                           "072 073 074 075 076 077 078 079 080 081 082 083 "
                           "090 091 092 093 100 101 102 110 111 112 113 114 "
                           "120 121 122 130 131 140 141 142 143 144 145 146 "
                           "147";

static void every_row_of_the_table_is_in_the_rules(void **state)
{
    (void)state;
    struct policy *p = default_policy();
    char word[8];
    size_t n = 0;
    for (const char *s = ROWS; sscanf(s, "%7s", word) == 1; n++) {
        bool found = false;
        s += strspn(s, " ") + strlen(word);
        for (uint16_t i = 0; i < policy_rule_count(p); i++)
            found = found || listed(policy_rule_row(p, i), word);
        if (!found)
            fail_msg("row %s is in no rule", word);
    }
    assert_int_equal(n, 85);
    policy_free(&p);
}

/* Every number in the rules is a row of the table; A, N and P are ours. */
static void no_rule_names_a_row_that_is_not_there(void **state)
{
    (void)state;
    struct policy *p = default_policy();
    for (uint16_t i = 0; i < policy_rule_count(p); i++) {
        char word[8];
        for (const char *s = policy_rule_row(p, i);
             sscanf(s, "%7s", word) == 1;) {
            s += strspn(s, " ") + strlen(word);
            if (strchr("ANP", word[0]) == NULL && !listed(ROWS, word))
                fail_msg("%s: row %s", policy_rule_id(p, i), word);
        }
    }
    policy_free(&p);
}

/* basis.tsv as it lies there. */
static struct tsv *bases(struct pack *k)
{
    static const char *const COLUMNS[] = {
        "code",       "ja",       "en",         "article",
        "valid_from", "valid_to", "checked_by", NULL};
    struct buf why = {0};
    struct tsv *t = NULL;
    pack_default(k);
    assert_int_equal(tsv_parse("basis.tsv", buf_slice(&k->file[POLICY_BASIS]),
                               COLUMNS, &t, &why),
                     ERR_OK);
    buf_fini(&why);
    return t;
}

static void every_ground_has_an_article_and_days(void **state)
{
    (void)state;
    struct pack k = {0};
    struct tsv *t = bases(&k);
    for (size_t i = 0; i < tsv_rows(t); i++) {
        struct date from, to;
        const char *code = tsv_cell(t, i, "code");
        const char *until = tsv_cell(t, i, "valid_to");
        if (tsv_cell(t, i, "article")[0] == '\0' ||
            date_parse(slice_str(tsv_cell(t, i, "valid_from")), &from) !=
                ERR_OK ||
            from.day == 0)
            fail_msg("%s has no article or no first day", code);
        if (until[0] != '\0' && (date_parse(slice_str(until), &to) != ERR_OK ||
                                 date_days(to) < date_days(from)))
            fail_msg("%s ends before it begins", code);
    }
    tsv_free(&t);
    pack_fini(&k);
}

static void every_permit_rests_on_a_ground_in_force(void **state)
{
    (void)state;
    struct pack k = {0};
    struct policy *p = default_policy();
    struct tsv *t = bases(&k);
    struct policy_rule_view r;
    for (size_t i = 0; policy_rule_at(p, i, &r); i++) {
        bool stands = !r.permit && r.basis[0] == '\0';
        for (size_t b = 0; b < tsv_rows(t); b++) {
            struct date from;
            if (strcmp(tsv_cell(t, b, "code"), r.basis) != 0)
                continue;
            assert_int_equal(
                date_parse(slice_str(tsv_cell(t, b, "valid_from")), &from),
                ERR_OK);
            stands = date_days(from) <= (int32_t)(NOW / DAY_MS) &&
                     tsv_cell(t, b, "valid_to")[0] == '\0';
        }
        if (!stands)
            fail_msg("%s rests on %s", r.id, r.basis);
    }
    tsv_free(&t);
    policy_free(&p);
    pack_fini(&k);
}

/* Kinds of data that only these roles may ever see. */
static const char *const ONLY[][2] = {
    {"G_POLICE", "R_PREF R_HC R_HOSP"},
    {"G_ABUSE", "R_ABUSE"},
    {"G_REPORTER", "R_ABUSE"},
    {"G_LEGAL", "R_HOSP R_OUTPT R_HC R_PREF R_MHWC R_MPRB R_PERSON"},
    {"G_FAMILY", "R_HOSP R_HC R_PREF R_MHWC R_MPRB R_106"},
    {"G_REQUEST_MC", "R_HOSP R_MUNI_MC"},
    {"G_VISIT", "R_VISIT_SEC"},
    {"G_REGISTER", ""},
    {"G_SYM", "R_HOSP R_OUTPT R_HVN R_HC R_PREF R_MHWC R_MPRB"},
    {"G_MED", "R_HOSP R_OUTPT R_HVN R_HC"},
    {"G_RISK", "R_HOSP R_OUTPT R_HVN R_HC"},
    {"G_PHYS", "R_HOSP R_OUTPT R_HVN R_HC"},
    {"G_STAT", "R_HC R_PREF R_COUNCIL"},
    {"G_FIN", "R_HOSP R_HC R_HOUSING R_106"},
};

static void ceilings_hold_nothing_forbidden(void **state)
{
    (void)state;
    struct policy *p = default_policy();
    for (size_t i = 0; i < NELEM(ONLY); i++)
        for (size_t r = 0; r < NELEM(ROLES); r++)
            if ((policy_ceiling(p, ROLES[r]) & classes(ONLY[i][0])) != 0 &&
                !listed(ONLY[i][1], ROLES[r]))
                fail_msg("%s in the ceiling of %s", ONLY[i][0], ROLES[r]);
    policy_free(&p);
}

static void break_glass_opens_nothing_forbidden(void **state)
{
    (void)state;
    static const char NEVER[] =
        "G_LEGAL G_POLICE G_FAMILY G_FIN G_ABUSE G_REPORTER G_NOTE G_DX "
        "G_CONTACT G_CONTACT_AREA G_DEST G_STAY";
    static const char MAY[] = "R_HUBC R_SHORT R_HOSP R_OUTPT R_HVN R_HC";
    struct policy *p = default_policy();
    for (size_t r = 0; r < NELEM(ROLES); r++) {
        uint64_t opens = policy_glass_ceiling(p, ROLES[r]);
        if ((opens != 0) != listed(MAY, ROLES[r]))
            fail_msg("%s", ROLES[r]);
        if ((opens & classes(NEVER)) != 0)
            fail_msg("%s opens what nobody may", ROLES[r]);
        assert_int_equal(opens & ~policy_ceiling(p, ROLES[r]), 0);
    }
    policy_free(&p);
}

/* What these tell is for the hub alone. */
#define FOR_THE_HUB                                                            \
    "CONSENT_GIVEN CONSENT_REFUSED CONSENT_DEFERRED PERSON_PLACES_RECORDED "   \
    "ADDRESS_PROTECTION_SET"

static void every_event_reaches_somebody(void **state)
{
    (void)state;
    struct policy *p = default_policy();
    for (size_t e = 0; e < policy_count(p, POLICY_EVENT); e++) {
        const char *event = policy_code(p, POLICY_EVENT, e);
        struct policy_rule_view r;
        bool permits = false;
        for (size_t i = 0; policy_rule_at(p, i, &r); i++)
            permits |= r.permit && policy_rule_about(p, i, event, "");
        if (permits == listed(FOR_THE_HUB, event))
            fail_msg("%s", event);
    }
    policy_free(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_matrix_is_the_decision_table),
        cmocka_unit_test(the_rules_alone_hold),
        cmocka_unit_test(ceilings_and_minimum_alone_hold),
        cmocka_unit_test(every_mutant_of_a_rule_is_caught),
        cmocka_unit_test(every_row_of_the_table_is_in_the_rules),
        cmocka_unit_test(no_rule_names_a_row_that_is_not_there),
        cmocka_unit_test(every_ground_has_an_article_and_days),
        cmocka_unit_test(every_permit_rests_on_a_ground_in_force),
        cmocka_unit_test(ceilings_hold_nothing_forbidden),
        cmocka_unit_test(break_glass_opens_nothing_forbidden),
        cmocka_unit_test(every_event_reaches_somebody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
