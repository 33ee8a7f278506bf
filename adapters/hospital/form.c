/* form.c - hospital forms in CSV.
 *
 * Everything specific is in tables: the headings of each kind of form with the
 * field they fill, and the words that stand for codes. A cell is checked here
 * as far as can be (dates, codes with check digits, words, damage by a
 * spreadsheet), so that a wrong file is refused before its first row is sent.
 * Headings follow the labels of the schemas. Columns with numbers of the health
 * insurance are known and dropped unread: nobody may ask for them here (Health
 * Insurance Act art. 194-2), and exports often have them. */
#include "adapters/hospital/form.h"
#include "adapters/connect/csv.h"
#include <assert.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

/* ---- words for codes ------------------------------------------------------
 */
struct word {
    const char *code, *words; /* separated by | */
};

/* clang-format off */
static const struct word SEX[] = {
    {"FEMALE", "女|女性|F|female"}, {"MALE", "男|男性|M|male"},
    {"SEX_OTHER", "その他|O|other"}, {"SEX_UNKNOWN", "不明|U|unknown"}, {0}};
static const struct word STATUS[] = {
    {"VOLUNTARY", "任意入院|任意|10|voluntary"},
    {"MP_FAMILY", "医療保護入院(家族等同意)|医療保護入院|医療保護入院（家族等同意）|21"},
    {"MP_MAYOR", "医療保護入院(市町村長同意)|医療保護入院（市町村長同意）|22"},
    {"MP_TOKUTEI", "医療保護入院(特定医師)|医療保護入院（特定医師）|23"},
    {"EMERGENCY_HOSP", "応急入院|30"}, {"INVOLUNTARY", "措置入院|41"},
    {"URGENT_INVOL", "緊急措置入院|42"}, {"STATUS_END", "終了|退院|99"}, {0}};
static const struct word FORM[] = {
    {"MP_ADMIT", "入院届|医療保護入院者の入院届"},
    {"MP_RENEW", "更新届|医療保護入院者の入院期間更新届"},
    {"MP_END", "退院届|医療保護入院者の退院届"},
    {"SOCHI_CEASE", "症状消退届|消退届|措置入院者の症状消退届"},
    {"PERIODIC", "定期病状報告|定期報告"}, {0}};
static const struct word GIVER[] = {
    {"SELF", "本人"}, {"STATUTORY_REP", "法定代理人"}, {"PARENT", "親権者"},
    {"THIRD_PERSON", "第三者|第三者(自分の情報)|第三者（自分の情報）|家族|緊急連絡先の人"}, {0}};
static const struct word MINOR_VIEW[] = {
    {"MINOR_AGREES", "本人も同意|賛成|同意"}, {"MINOR_DISAGREES", "本人は反対|反対"},
    {"MINOR_CANNOT_SAY", "本人は意思を示せない|示せない"}, {0}};
static const struct word METHOD[] = {
    {"PAPER", "書面"}, {"ELECTRONIC_SIGN", "電子署名"},
    {"ORAL_RECORDED", "口頭|口頭(記録あり)|口頭（記録あり）"}, {0}};
static const struct word CHANNEL[] = {
    {"WITHDRAW_PAPER", "書面"}, {"WITHDRAW_WINDOW", "窓口"},
    {"WITHDRAW_PHONE", "電話"}, {0}};
static const struct word PURPOSE[] = {
    {"P_FIL", "届出"}, {"P_TRA", "地域移行|退院支援"},
    {"P_PD", "退院後支援|退院後支援計画"}, {"P_EMG", "緊急時の受入れ|緊急"},
    {"P_REG", "緊急時の事前登録|事前登録"}, {"P_VIS", "入院者訪問支援"},
    {"P_ADM", "支給決定"}, {"P_TRT", "治療の引継ぎ"}, {"P_MCON", "会議"}, {0}};
static const struct word CLASSES[] = {
    {"G_META", "手続きの状態"}, {"G_ID", "氏名・生年月日・性別|氏名"},
    {"G_ID_GIVEN", "呼び名"}, {"G_CONTACT", "住所・電話|住所"},
    {"G_CONTACT_AREA", "住む地域"}, {"G_GUARD", "緊急連絡先"},
    {"G_FAMILY", "家族・同意者|家族"}, {"G_ADM", "入院の事実"},
    {"G_LEGAL", "入院形態"}, {"G_DX", "病名"}, {"G_SYM", "症状・病歴"},
    {"G_MED", "処方の全体|処方"}, {"G_MED_MIN", "薬の要点"},
    {"G_RISK", "リスクの評価"}, {"G_RISK_MIN", "気をつけること"},
    {"G_NEEDS", "ニーズ"}, {"G_NEEDS_SAFETY", "安全に関するニーズ"},
    {"G_PLAN", "支援計画"}, {"G_PLAN_OWN", "担当する支援"},
    {"G_CRISIS", "クライシスプラン"}, {"G_ELIG", "受給者証の有無・区分"},
    {"G_ELIG_DETAIL", "受給者証・手帳の詳細"}, {"G_CARE", "日常の介護"},
    {"G_CARE_CLASS", "介護の粗い区分"}, {"G_FIN", "収入・金銭管理"},
    {"G_HOUSING", "住まい"}, {"G_PHYS", "身体疾患"},
    {"G_PHYS_MIN", "身体面の注意"}, {"G_NOTE", "自由記載"},
    {"G_DIS_DATE", "退院の日"}, {"G_DEST", "退院後の行き先"},
    {"G_WISH", "本人の希望"}, {"G_PLACE", "会う場所と時刻"}, {0}};
static const struct word FLAG[] = {
    {"true", "はい|○|〇|1|有|済|確認済|TRUE"},
    {"false", "いいえ|×|0|無|未|FALSE"}, {0}};

/* ---- headings ------------------------------------------------------------- */
enum cell_kind {
    TEXT, DATE, CHOICE, PERSON, ADMITTED, VISIT, TO, RECIPIENTS, CLASS_LIST, REF,
    PAPER, DROPPED
};

struct column {
    const char *heads; /* Japanese and English, separated by | */
    enum cell_kind kind;
    const char *field; /* NULL: fills no field */
    bool required;
    const struct word *words;
};

#define WHO {"患者番号|person", PERSON, NULL, true, NULL}, \
            {"入院番号|visit", VISIT, NULL, false, NULL}
#define STAY(field) {"入院日|今回の入院年月日|admitted_on", ADMITTED, field, false, NULL}
#define IDENTITY \
    {"氏名|name", TEXT, "name.kanji", true, NULL}, \
    {"フリガナ|カナ|kana", TEXT, "name.kana", false, NULL}, \
    {"生年月日|birth", DATE, "birth", false, NULL}, \
    {"性別|sex", CHOICE, "sex", false, SEX}
#define NOTE {"備考|note", TEXT, "note", false, NULL}
#define CONTACT {"担当者|contact_name", TEXT, "contact_name", false, NULL}

static const struct column INTRODUCTION[] = {
    WHO, STAY(NULL), IDENTITY,
    {"地域|住む地域|area", TEXT, "area", false, NULL},
    {"希望|本人の希望|wishes", TEXT, "wishes", false, NULL},
    {"紹介先|introduce_to", TO, NULL, true, NULL},
    {"返事の期限|reply_by", DATE, "reply_by", false, NULL}, CONTACT,
    {"病名|dx_main", TEXT, "dx_main", false, NULL}, NOTE, {0}};
static const struct column CONSENT[] = {
    WHO, STAY(NULL),
    {"目的|purpose", CHOICE, "purpose", true, PURPOSE},
    {"渡す先|share_with", RECIPIENTS, "recipient", true, NULL},
    {"渡す情報|classes", CLASS_LIST, "classes", true, CLASSES},
    {"同意した人|giver", CHOICE, "giver", false, GIVER},
    {"方法|method", CHOICE, "method", false, METHOD},
    {"いつから|valid_from", DATE, "valid_from", false, NULL},
    {"いつまで|valid_to", DATE, "valid_to", true, NULL},
    {"説明文の版|text_version", TEXT, "text_version", false, NULL},
    {"同意書の控え|同意書|paper", PAPER, "paper_sha256", false, NULL},
    {"代理権を示す書類|代理権の書類|authority", PAPER, "authority_sha256", false, NULL},
    {"除く機関|except", RECIPIENTS, "except", false, NULL},
    {"未成年|minor", CHOICE, "minor", false, FLAG},
    {"未成年の本人の意見|本人の意見|minor_view", CHOICE, "minor_view", false, MINOR_VIEW},
    {"説明した言語・手段|言語|language", TEXT, "language", false, NULL},
    {"判断能力の記録|capacity_note", TEXT, "capacity_note", false, NULL},
    {"置き換える同意|supersedes", REF, "supersedes", false, NULL}, {0}};
static const struct column REFUSAL[] = {
    WHO, STAY(NULL),
    {"目的|purpose", CHOICE, "purpose", true, PURPOSE},
    {"渡さない先|withhold_from", RECIPIENTS, "recipient", false, NULL},
    {"渡さない情報|classes", CLASS_LIST, "classes", false, CLASSES},
    {"答えた人|giver", CHOICE, "giver", false, GIVER}, {0}};
static const struct column WITHDRAWAL[] = {
    WHO, STAY(NULL),
    {"同意の番号|consent_ref", REF, "consent_ref", false, NULL},
    {"すべての同意|all", CHOICE, "all", false, FLAG},
    {"撤回の方法|withdrawn_by", CHOICE, "channel", true, CHANNEL}, {0}};
static const struct column FILING[] = {
    WHO, STAY("admitted_on"), IDENTITY,
    {"様式|form", CHOICE, "form_code", true, FORM},
    {"提出日|submitted_on", DATE, "submitted_on", false, NULL},
    {"宛先|addressee", TEXT, "addressee", false, NULL},
    {"病院名|hospital_name", TEXT, "hospital_name", false, NULL},
    {"管理者名|manager_name", TEXT, "manager_name", false, NULL},
    {"住所|address", TEXT, "address", false, NULL},
    {"入院形態|legal_status", CHOICE, "legal_status", true, STATUS},
    {"入院形態の開始日|開始日|status_from", DATE, "status_from", false, NULL},
    {"満了日|終了日|入院期間の満了日・終了日|status_to", DATE, "status_to", false, NULL},
    {"主たる精神障害|病名|dx_main", TEXT, "dx_main", false, NULL},
    {"従たる精神障害|dx_sub", TEXT, "dx_sub", false, NULL},
    {"身体合併症|dx_phys", TEXT, "dx_phys", false, NULL},
    {"生活歴及び現病歴|history", TEXT, "history", false, NULL},
    {"入院の必要性|necessity", TEXT, "necessity", false, NULL},
    {"同意した家族等|consenter_name", TEXT, "consenter_name", false, NULL},
    {"続柄|consenter_relation", TEXT, "consenter_relation", false, NULL},
    {"家族等除外事由の確認|exclusion_checked", CHOICE, "exclusion_checked", false, FLAG},
    {"指定医氏名|physician_name", TEXT, "physician_name", false, NULL},
    {"退院後生活環境相談員|counsellor_name", TEXT, "counsellor_name", false, NULL},
    {"退院後の帰住先|帰住先|destination", TEXT, "destination", false, NULL},
    {"訪問指導等に関する意見|visit_opinion", TEXT, "visit_opinion", false, NULL},
    {"障害福祉サービス等の活用に関する意見|welfare_opinion", TEXT, "welfare_opinion", false, NULL}, {0}};
static const struct column DISCHARGE[] = {
    WHO, STAY(NULL), IDENTITY,
    {"呼び名|given_name", TEXT, "given_name", false, NULL},
    {"退院予定日|planned_on", DATE, "planned_on", true, NULL},
    {"退院後の住所|住所|address", TEXT, "address", false, NULL},
    {"電話|phone", TEXT, "phone", false, NULL},
    {"帰住先|destination", TEXT, "destination", false, NULL},
    {"入居日|move_in_on", DATE, "move_in_on", false, NULL},
    {"住まいの条件|housing_need", TEXT, "housing_need", false, NULL},
    {"会う場所と時刻|meeting_place", TEXT, "meeting_place", false, NULL},
    {"病院名|hospital_name", TEXT, "hospital_name", false, NULL},
    {"病名|dx_main", TEXT, "dx_main", false, NULL},
    {"送り先|send_to", TO, NULL, false, NULL}, CONTACT, NOTE, {0}};
static const struct column STATUS_END[] = {
    WHO, STAY(NULL),
    {"終わる入院形態|legal_status", CHOICE, "legal_status", true, STATUS},
    {"終了日|ended_on", DATE, "ended_on", true, NULL},
    {"次の入院形態|next_status", CHOICE, "next_status", false, STATUS}, NOTE, {0}};
static const struct column STATUS_START[] = {
    WHO, STAY(NULL),
    {"入院形態|legal_status", CHOICE, "legal_status", true, STATUS},
    {"開始日|入院形態の開始日|started_on", DATE, "started_on", true, NULL},
    {"満了日|period_end_on", DATE, "period_end_on", false, NULL},
    {"34条による移送|transfer34", CHOICE, "transfer34", false, FLAG},
    {"退院後生活環境相談員|counsellor_name", TEXT, "counsellor_name", false, NULL}, NOTE, {0}};

static const struct column INSURANCE = {
    "保険者番号|被保険者番号|被保険者記号番号|被保険者証記号番号|被保険者等記号・番号|"
    "記号・番号|記号番号|被保険者記号|記号|番号|枝番|公費負担者番号|公費受給者番号|"
    "insurer|insured_id|insurance",
    DROPPED, NULL, false, NULL};

/* The first kind whose key heading is there. */
static const struct kind {
    const char *key, *type, *purpose;
    const struct column *columns;
} KINDS[] = {
    {"紹介先|introduce_to", "COMMUNITY_PROVIDER_INTRODUCED", "P_TRA", INTRODUCTION},
    {"渡す先|share_with", "CONSENT_GIVEN", NULL, CONSENT},
    {"渡さない先|withhold_from", "CONSENT_REFUSED", NULL, REFUSAL},
    {"撤回の方法|withdrawn_by", "CONSENT_WITHDRAWN", NULL, WITHDRAWAL},
    {"様式|form", "FILING_SUBMITTED", "P_FIL", FILING},
    {"退院予定日|planned_on", "DISCHARGE_PLANNED", "P_TRA", DISCHARGE},
    {"終わる入院形態|ended_on", "LEGAL_STATUS_ENDED", NULL, STATUS_END},
    {"入院形態|legal_status", "LEGAL_STATUS_STARTED", NULL, STATUS_START},
};
/* clang-format on */

#define COLUMNS_MAX 64

struct reading {
    const struct form_rules *rules;
    const struct table *t;
    const struct kind *kind;
    const struct column *column[COLUMNS_MAX]; /* of each column of the file */
    struct form *form;
    struct form_faults *faults;
    const uint8_t *bytes;
    size_t n;
};

/* ---- small things ----------------------------------------------------------
 */
static bool among(const char *list, const char *s, size_t n)
{
    for (const char *p = list; *p != '\0';) {
        size_t len = strcspn(p, "|");
        if (len == n && memcmp(p, s, n) == 0)
            return true;
        p += len + (p[len] == '|');
    }
    return false;
}

static const char *code_of(const struct word *words, const char *s, size_t n)
{
    for (const struct word *w = words; w->code != NULL; w++)
        if ((strlen(w->code) == n && memcmp(w->code, s, n) == 0) ||
            among(w->words, s, n))
            return w->code;
    return NULL;
}

static void fault(struct reading *rd, tsunagi_code code, unsigned line,
                  size_t column, const char *field)
{
    struct form_faults *fs = rd->faults;
    if (fs->n == FORM_FAULTS)
        return;
    fs->at[fs->n] = (struct form_fault){
        .code = code, .line = line, .column = (unsigned)column};
    snprintf(fs->at[fs->n++].field, sizeof(fs->at[0].field), "%s", field);
}

static bool add_field(struct form_event *e, const char *name, const char *value)
{
    struct form_field *grown =
        realloc(e->field, (e->fields + 1) * sizeof(*grown));
    if (grown == NULL)
        return false;
    e->field = grown;
    struct form_field f = {strdup(name), strdup(value)};
    grown[e->fields++] = f;
    return f.name != NULL && f.value != NULL;
}

static bool replace(char **at, const char *text)
{
    char *copy = strdup(text);
    if (copy == NULL)
        return false;
    free(*at);
    *at = copy;
    return true;
}

const char *form_value(const struct form_event *e, const char *field)
{
    for (size_t i = 0; i < e->fields; i++)
        if (strcmp(e->field[i].name, field) == 0)
            return e->field[i].value;
    return NULL;
}

static void event_fini(struct form_event *e)
{
    for (size_t i = 0; i < e->fields; i++) {
        free(e->field[i].name);
        free(e->field[i].value);
    }
    for (size_t i = 0; i < e->tos; i++) {
        free(e->to[i].agency);
        free(e->to[i].role);
        free(e->to[i].place);
    }
    free(e->field);
    free(e->to);
    free(e->person);
    free(e->case_key);
}

void form_free(struct form **fp)
{
    struct form *f = *fp;
    *fp = NULL;
    if (f == NULL)
        return;
    for (size_t i = 0; i < f->n; i++)
        event_fini(&f->event[i]);
    free(f->event);
    free(f);
}

/* ---- recipients -------------------------------------------------------------
 */
static bool all_digits(const char *s)
{
    return s[0] != '\0' && s[strspn(s, "0123456789")] == '\0';
}

/* "WO-4931000014", a bare office number, a bare local government code. */
static tsunagi_code read_agency(const char *s, char out[40])
{
    static const char *const CHECKED[] = {"MI", "WO", "LG"};
    size_t n = strlen(s);
    if (table_damaged(s, true) || (all_digits(s) && n != 10 && n != 6))
        return "E-CSV-004";
    if (n > 32)
        return "E-EVT-014";
    if (all_digits(s)) {
        const char *scheme = n == 10 ? "WO" : "LG";
        snprintf(out, 40, "%s-%s", scheme, s);
        return tsunagi_check_code(scheme, s);
    }
    snprintf(out, 40, "%s", s);
    for (size_t i = 0; i < sizeof(CHECKED) / sizeof(CHECKED[0]); i++)
        if (strncmp(s, CHECKED[i], 2) == 0 && s[2] == '-')
            return tsunagi_check_code(CHECKED[i], s + 3);
    return strchr(s, '-') == NULL ? "E-EVT-014" : NULL;
}

/* An agency, or ROLE@municipality: R_KIKAN@49201. */
static tsunagi_code read_to(const char *s, struct form_to *to)
{
    char agency[40];
    const char *at = strchr(s, '@');
    tsunagi_code code;
    *to = (struct form_to){0};
    if (at == NULL) {
        code = read_agency(s, agency);
        if (code == NULL && !replace(&to->agency, agency))
            code = "E-INT-002";
        return code;
    }
    if (strncmp(s, "R_", 2) != 0)
        return "E-EVT-014";
    code = tsunagi_check_code("MUNI5", at + 1);
    if (code != NULL)
        return code;
    to->role = strndup(s, (size_t)(at - s));
    to->place = strdup(at + 1);
    return to->role != NULL && to->place != NULL ? NULL : "E-INT-002";
}

static tsunagi_code add_to(struct form_event *e, const char *item)
{
    struct form_to *grown = realloc(e->to, (e->tos + 1) * sizeof(*grown));
    if (grown == NULL)
        return "E-INT-002";
    e->to = grown;
    return read_to(item, &e->to[e->tos++]);
}

/* Recipients of a consent are content, not addressees. */
static tsunagi_code add_consent_to(struct form_event *e, const char *field,
                                   const char *item, unsigned index)
{
    struct form_to to;
    char name[40];
    bool ok = true;
    tsunagi_code code = read_to(item, &to);
    const struct {
        const char *part, *value;
    } PARTS[] = {{"agency", to.agency}, {"role", to.role}, {"place", to.place}};
    for (size_t i = 0; i < 3 && code == NULL; i++) {
        snprintf(name, sizeof(name), "%s[%u].%s", field, index, PARTS[i].part);
        if (PARTS[i].value != NULL)
            ok = ok && add_field(e, name, PARTS[i].value);
    }
    free(to.agency);
    free(to.role);
    free(to.place);
    return code != NULL ? code : ok ? NULL : "E-INT-002";
}

static tsunagi_code add_class(struct form_event *e, const char *item,
                              unsigned index)
{
    char name[24];
    const char *code = code_of(CLASSES, item, strlen(item));
    snprintf(name, sizeof(name), "classes[%u]", index);
    if (code == NULL)
        return "E-PB-005";
    return add_field(e, name, code) ? NULL : "E-INT-002";
}

/* Length of a separator of list items at p, 0: none. */
static size_t separator(const char *p)
{
    static const char *const WIDE[] = {"、", "；", "，", "\xE3\x80\x80"};
    for (size_t i = 0; i < 4; i++)
        if (strncmp(p, WIDE[i], 3) == 0)
            return 3;
    return *p != '\0' && strchr(";, \t\r\n", *p) != NULL ? 1 : 0;
}

static tsunagi_code read_list(struct form_event *e, const struct column *c,
                              const char *cell)
{
    unsigned index = 0;
    tsunagi_code code = NULL;
    for (const char *p = cell; *p != '\0' && code == NULL;) {
        size_t n = 0, skip = separator(p);
        while (skip == 0 && p[n] != '\0' && separator(p + n) == 0)
            n++;
        if (n > 0) {
            char *item = strndup(p, n);
            if (item == NULL)
                return "E-INT-002";
            code = c->kind == TO ? add_to(e, item)
                   : c->kind == RECIPIENTS
                       ? add_consent_to(e, c->field, item, index)
                       : add_class(e, item, index);
            index++;
            free(item);
        }
        p += n + skip;
    }
    return code;
}

/* ---- cells
 * -------------------------------------------------------------------- */
static tsunagi_code read_person(const struct reading *rd, struct form_event *e,
                                const char *cell)
{
    size_t n = strlen(cell), want = rd->rules->person_digits;
    if (table_damaged(cell, true) || (want > 0 && all_digits(cell) && n < want))
        return "E-CSV-004";
    if (n > 64 || (want > 0 && n != want))
        return "E-VAL-007";
    tsunagi_code code = tsunagi_check_code("PERSON", cell);
    if (code != NULL)
        return code;
    return replace(&e->person, cell) ? NULL : "E-INT-002";
}

static tsunagi_code read_date(struct form_event *e, const char *field,
                              const char *cell, char iso[11])
{
    if (table_damaged(cell, false))
        return "E-CSV-004";
    tsunagi_code code = tsunagi_check_date(cell, iso);
    if (code != NULL || field == NULL)
        return code;
    return add_field(e, field, cell) ? NULL : "E-INT-002";
}

static tsunagi_code read_stay(struct form_event *e, const struct column *c,
                              const char *cell, char stay[11])
{
    tsunagi_code code = read_date(e, c->field, cell, stay);
    return code == NULL && strlen(stay) != 10 ? "E-VAL-002" : code;
}

static tsunagi_code read_choice(struct form_event *e, const struct column *c,
                                const char *cell)
{
    const char *code = code_of(c->words, cell, strlen(cell));
    if (code == NULL)
        return "E-PB-005";
    return add_field(e, c->field, code) ? NULL : "E-INT-002";
}

/* A spreadsheet's #### or 1E+5 in a text column is damage too, and a telephone
 * number that lost its 0. */
static tsunagi_code read_text(struct form_event *e, const char *field,
                              const char *cell)
{
    bool phone = strcmp(field, "phone") == 0 && all_digits(cell);
    if (table_damaged(cell, false) || (phone && cell[0] != '0'))
        return "E-CSV-004";
    return add_field(e, field, cell) ? NULL : "E-INT-002";
}

/* A digest as it is, or the name of a scanned file. */
static tsunagi_code read_paper(const struct reading *rd, struct form_event *e,
                               const struct column *c, const char *cell)
{
    char hex[65];
    const struct form_rules *r = rd->rules;
    bool digest = strlen(cell) == 64 &&
                  cell[strspn(cell, "0123456789abcdefABCDEF")] == '\0';
    if (!digest && (r->paper == NULL || !r->paper(r->ctx, cell, hex)))
        return "E-VAL-023";
    return add_field(e, c->field, digest ? cell : hex) ? NULL : "E-INT-002";
}

struct stay {
    char admitted[11];
    const char *visit;
};

static tsunagi_code read_cell(const struct reading *rd, struct form_event *e,
                              const struct column *c, const char *cell,
                              struct stay *stay)
{
    char iso[11];
    switch (c->kind) {
    case PERSON:
        return read_person(rd, e, cell);
    case ADMITTED:
        return read_stay(e, c, cell, stay->admitted);
    case VISIT:
        stay->visit = cell;
        return table_damaged(cell, true) ? "E-CSV-004"
                                         : tsunagi_check_code("PERSON", cell);
    case DATE:
        return read_date(e, c->field, cell, iso);
    case CHOICE:
        return read_choice(e, c, cell);
    case TO:
    case RECIPIENTS:
    case CLASS_LIST:
        return read_list(e, c, cell);
    case REF:
    case TEXT:
        return read_text(e, c->field, cell);
    case PAPER:
        return read_paper(rd, e, c, cell);
    case DROPPED:
        return NULL;
    }
    return "E-INT-001";
}

/* ---- rows
 * --------------------------------------------------------------------- */
/* The same keys as adt_case_key. */
static bool set_case(struct form_event *e, const struct stay *stay)
{
    if (stay->visit != NULL)
        return asprintf(&e->case_key, "visit %s %s", e->person, stay->visit) >
               0;
    return asprintf(&e->case_key, "admission %s %s", e->person,
                    stay->admitted) > 0;
}

/* A consent has a number of its own: of this file and row, always the same. */
static bool set_consent_ref(const struct reading *rd, struct form_event *e)
{
    uint8_t hash[crypto_hash_sha256_BYTES];
    char hex[33], ref[37], row[16];
    crypto_hash_sha256_state s;
    snprintf(row, sizeof(row), " %u", e->line);
    crypto_hash_sha256_init(&s);
    crypto_hash_sha256_update(&s, rd->bytes, rd->n);
    crypto_hash_sha256_update(&s, (const uint8_t *)row, strlen(row));
    crypto_hash_sha256_final(&s, hash);
    hash[6] = (uint8_t)(0x80 | (hash[6] & 0x0f)); /* UUID version 8 */
    hash[8] = (uint8_t)(0x80 | (hash[8] & 0x3f));
    sodium_bin2hex(hex, sizeof(hex), hash, 16);
    snprintf(ref, sizeof(ref), "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8,
             hex + 12, hex + 16, hex + 20);
    return add_field(e, "consent_ref", ref);
}

static struct form_event *new_event(struct reading *rd, const char *type,
                                    const char *purpose, unsigned line)
{
    struct form *f = rd->form;
    struct form_event *grown =
        realloc(f->event, (f->n + 1) * sizeof(*f->event));
    if (grown == NULL)
        return NULL;
    f->event = grown;
    f->event[f->n] =
        (struct form_event){.type = type, .purpose = purpose, .line = line};
    return &f->event[f->n++];
}

static bool copy_field(const struct form_event *from, const char *field,
                       struct form_event *to, const char *as)
{
    const char *value = form_value(from, field);
    return value == NULL || add_field(to, as, value);
}

/* What the filing says of the legal status, so that nobody types it twice. */
static bool add_status(struct reading *rd, size_t filing)
{
    const struct form_event *f = &rd->form->event[filing];
    const char *form = form_value(f, "form_code");
    bool start = strcmp(form, "MP_ADMIT") == 0;
    bool end = strcmp(form, "MP_END") == 0;
    const char *since =
        form_value(f, "status_from") != NULL ? "status_from" : "admitted_on";
    if (!(start || end) || form_value(f, start ? since : "status_to") == NULL)
        return true;
    struct form_event *e =
        new_event(rd, start ? "LEGAL_STATUS_STARTED" : "LEGAL_STATUS_ENDED",
                  NULL, rd->form->event[filing].line);
    if (e == NULL)
        return false;
    f = &rd->form->event[filing];
    bool ok = replace(&e->person, f->person) &&
              replace(&e->case_key, f->case_key) &&
              copy_field(f, "legal_status", e, "legal_status");
    if (start)
        ok = ok && copy_field(f, since, e, "started_on") &&
             copy_field(f, "status_to", e, "period_end_on") &&
             copy_field(f, "counsellor_name", e, "counsellor_name");
    else
        ok = ok && copy_field(f, "status_to", e, "ended_on");
    struct form_event status = *e; /* the status comes before its filing */
    *e = rd->form->event[filing];
    rd->form->event[filing] = status;
    return ok;
}

/* Every filing is a case of its own, apart from the stay's: one filing of each
 * kind for a stay, of those that recur one for each period. */
static bool set_filing_case(struct form_event *e)
{
    static const char *const RECUR[] = {"MP_RENEW", "PERIODIC"};
    const char *form = form_value(e, "form_code"), *when = NULL;
    char *key = NULL;
    for (size_t i = 0; i < 2; i++)
        if (strcmp(form, RECUR[i]) == 0) {
            when = form_value(e, "status_to");
            when = when != NULL ? when : form_value(e, "submitted_on");
        }
    if (asprintf(&key, "filing %s%s%s %s", form, when == NULL ? "" : " ",
                 when == NULL ? "" : when, e->case_key) < 0)
        return false;
    free(e->case_key);
    e->case_key = key;
    return true;
}

static void read_cells(struct reading *rd, size_t row, struct form_event *e,
                       struct stay *stay)
{
    unsigned line = table_line(rd->t, row);
    for (size_t col = 0; col < table_cols(rd->t); col++) {
        const struct column *c = rd->column[col];
        const char *cell = table_cell(rd->t, row, col);
        tsunagi_code code = NULL;
        if (cell[0] != '\0')
            code = read_cell(rd, e, c, cell, stay);
        else if (c->required)
            code = "E-VAL-012";
        if (code != NULL)
            fault(rd, code, line, col + 1, table_head(rd->t, col));
    }
}

static void read_row(struct reading *rd, size_t row)
{
    struct stay stay = {0};
    unsigned line = table_line(rd->t, row);
    struct form_event *e =
        new_event(rd, rd->kind->type, rd->kind->purpose, line);
    if (e == NULL) {
        fault(rd, "E-INT-002", line, 0, "");
        return;
    }
    read_cells(rd, row, e, &stay);
    if (stay.visit == NULL && stay.admitted[0] == '\0')
        fault(rd, "E-VAL-012", line, 0, "入院日");
    if (rd->faults->n > 0)
        return;
    size_t at = rd->form->n - 1;
    bool ok = set_case(e, &stay);
    if (strcmp(e->type, "CONSENT_GIVEN") == 0 ||
        strcmp(e->type, "CONSENT_REFUSED") == 0)
        ok = ok && set_consent_ref(rd, e);
    if (strcmp(e->type, "FILING_SUBMITTED") == 0)
        ok = ok && add_status(rd, at) &&
             set_filing_case(&rd->form->event[rd->form->n - 1]);
    if (!ok)
        fault(rd, "E-INT-002", line, 0, "");
}

/* ---- headings of the file
 * ------------------------------------------------------ */
static size_t find_head(const struct table *t, const char *heads)
{
    for (size_t col = 0; col < table_cols(t); col++)
        if (among(heads, table_head(t, col), strlen(table_head(t, col))))
            return col;
    return SIZE_MAX;
}

static const struct column *column_of(const struct column *columns,
                                      const char *head)
{
    for (const struct column *c = columns; c->heads != NULL; c++)
        if (among(c->heads, head, strlen(head)))
            return c;
    return among(INSURANCE.heads, head, strlen(head)) ? &INSURANCE : NULL;
}

static void match_heads(struct reading *rd)
{
    for (size_t col = 0; col < table_cols(rd->t); col++) {
        const char *head = table_head(rd->t, col);
        rd->column[col] = column_of(rd->kind->columns, head);
        bool again = false;
        for (size_t i = 0; i < col; i++)
            again = again || (rd->column[i] == rd->column[col] &&
                              rd->column[col] != &INSURANCE);
        if (rd->column[col] == NULL || again)
            fault(rd, "E-CSV-003", 1, col + 1, "");
    }
    for (const struct column *c = rd->kind->columns; c->heads != NULL; c++)
        if (c->required && find_head(rd->t, c->heads) == SIZE_MAX) {
            char first[64];
            snprintf(first, sizeof(first), "%.*s", (int)strcspn(c->heads, "|"),
                     c->heads);
            fault(rd, "E-CSV-003", 1, 0, first);
        }
}

static void find_kind(struct reading *rd)
{
    for (size_t i = 0; i < sizeof(KINDS) / sizeof(KINDS[0]); i++)
        if (rd->kind == NULL && find_head(rd->t, KINDS[i].key) != SIZE_MAX)
            rd->kind = &KINDS[i];
    if (rd->kind == NULL || table_cols(rd->t) > COLUMNS_MAX)
        fault(rd, "E-CSV-003", 1, 0, "");
    else
        match_heads(rd);
}

tsunagi_code form_read(const uint8_t *bytes, size_t n,
                       const struct form_rules *rules, struct form **out,
                       struct form_faults *faults)
{
    assert(rules != NULL && out != NULL && faults != NULL);
    struct table *t = NULL;
    struct table_fault where;
    struct reading rd = {
        .rules = rules, .faults = faults, .bytes = bytes, .n = n};
    *out = NULL;
    *faults = (struct form_faults){0};
    rd.form = calloc(1, sizeof(*rd.form));
    if (rd.form == NULL)
        fault(&rd, "E-INT-002", 0, 0, "");
    else if (table_read(bytes, n, &t, &where) != NULL)
        fault(&rd, where.code, where.line, where.column, "");
    rd.t = t;
    if (faults->n == 0)
        find_kind(&rd);
    bool heads_fit = faults->n == 0;
    for (size_t row = 0; heads_fit && row < table_rows(t); row++)
        read_row(&rd, row);
    table_free(&t);
    if (faults->n > 0)
        form_free(&rd.form);
    *out = rd.form;
    return faults->n > 0 ? faults->at[0].code : NULL;
}
