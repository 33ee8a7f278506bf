/* How a decision is made: layers, consents, refusals, roles, days, meetings,
 * break-glass, third persons; and that every error denies (I-5). */
#include "tests/unit/hub/core/pack.h"
#include <time.h>

#define FULL                                                                   \
    "G_META G_ID G_CONTACT G_FAMILY G_ADM G_LEGAL G_DX G_SYM G_NEEDS G_DEST "  \
    "G_NOTE"
/* ---- consents and refusals -----------------------------------------------*/

#define ADM "G_META G_ID G_ADM"
/* A grant in words: "+" consent, "-" refusal, "w" withdrawn. */
struct said {
    char what;
    const char *purpose, *classes; /* "" : all */
    uint64_t leaf;
};
static const struct {
    const char *name;
    const char *event, *variant, *purpose, *role;
    unsigned facts;
    struct said said[3];
    const char *released;
} SAID[] = {
    /* clang-format off */
    {"no consent, nothing", "ADMISSION_RECORDED", "", "P_TRA", "R_PLAN", PRED_EXISTING, {{0}}, ""},
    {"a consent covers the classes it names", "COMMUNITY_PROVIDER_INTRODUCED", "", "P_TRA", "R_PLAN", 0,
     {{'+', "P_TRA", "G_ID G_META", 1}}, "G_META G_ID"},
    {"the status part goes along without being named", "ADMISSION_RECORDED", "", "P_TRA", "R_PLAN", PRED_EXISTING,
     {{'+', "P_TRA", "G_ID G_ADM", 1}}, ADM},
    {"but not alone", "ADMISSION_RECORDED", "", "P_TRA", "R_PLAN", PRED_EXISTING,
     {{'+', "P_TRA", "G_DX", 1}}, ""},
    {"and not against a refusal of it", "COMMUNITY_PROVIDER_INTRODUCED", "", "P_TRA", "R_PLAN", 0,
     {{'+', "P_TRA", "G_ID", 1}, {'-', "P_TRA", "G_META", 2}}, "G_ID"},
    {"a consent for another purpose does not count", "ADMISSION_RECORDED", "", "P_TRA", "R_PLAN", PRED_EXISTING,
     {{'+', "P_PD", "", 1}}, ""},
    {"a consent never widens the table", "ADMISSION_RECORDED", "", "P_TRA", "R_PLAN", PRED_EXISTING,
     {{'+', "P_TRA", "", 1}}, ADM},
    {"a refusal beats an earlier consent", "ADMISSION_RECORDED", "", "P_TRA", "R_PLAN", PRED_EXISTING,
     {{'+', "P_TRA", "", 1}, {'-', "P_TRA", "", 2}}, ""},
    {"a later consent supersedes a refusal", "ADMISSION_RECORDED", "", "P_TRA", "R_PLAN", PRED_EXISTING,
     {{'-', "P_TRA", "", 1}, {'+', "P_TRA", "", 2}}, ADM},
    {"a refusal of one class leaves the others", "COMMUNITY_PROVIDER_INTRODUCED", "", "P_TRA", "R_PLAN", 0,
     {{'+', "P_TRA", "", 1}, {'-', "P_TRA", "G_WISH", 2}}, "G_META G_ID G_CONTACT_AREA"},
    {"a refusal for another purpose does not count", "ADMISSION_RECORDED", "", "P_TRA", "R_PLAN", PRED_EXISTING,
     {{'+', "P_TRA", "", 1}, {'-', "P_PD", "", 2}}, ADM},
    {"a withdrawn consent covers nothing", "ADMISSION_RECORDED", "", "P_TRA", "R_PLAN", PRED_EXISTING,
     {{'w', "P_TRA", "", 1}}, ""},
    {"and stops what an older one covered", "COMMUNITY_PROVIDER_INTRODUCED", "", "P_TRA", "R_PLAN", 0,
     {{'+', "P_TRA", "", 1}, {'w', "P_TRA", "G_WISH", 2}}, "G_META G_ID G_CONTACT_AREA"},
    {"a new consent replaces a withdrawn one, class by class", "COMMUNITY_PROVIDER_INTRODUCED", "", "P_TRA", "R_PLAN", 0,
     {{'w', "P_TRA", "", 1}, {'+', "P_TRA", "G_ID", 2}}, "G_ID"},
    {"a filing does not ask", "FILING_SUBMITTED", "MP_END", "P_FIL", "R_HC", 0,
     {{'-', "P_FIL", "", 1}}, FULL},
    {"a notice does not ask", "STAY_CANVASS", "", "P_EMG", "R_SHORT", 0,
     {{'-', "P_EMG", "", 1}}, "G_CARE_CLASS"},
    {"a refusal stands above danger to life", "EMERGENCY_REQUESTED", "UNREGISTERED_UNABLE", "P_EMG", "R_HUBC", UNABLE,
     {{'-', "P_EMG", "", 1}}, ""},
    {"a withdrawal stops exactly what it had covered", "EMERGENCY_REQUESTED", "UNREGISTERED_UNABLE", "P_EMG", "R_HUBC", UNABLE,
     {{'w', "P_EMG", "G_ID G_CARE", 1}}, "G_META G_CONTACT G_GUARD G_MED_MIN G_PHYS_MIN"},
    {"a refusal stands above the prefecture's arrangement", "FILING_SUBMITTED", "SOCHI_CEASE", "P_PD", "R_HC", ENABLED | INCHARGE,
     {{'-', "P_PD", "", 1}}, ""},
    {"an admission is not told by its name either", "ADMISSION_RECORDED", "", "P_TRA", "R_PLAN", PRED_EXISTING,
     {{'+', "P_TRA", "G_ID G_META", 1}}, ""},
    {"nor to whom it is refused", "ADMISSION_RECORDED", "", "P_TRA", "R_PLAN", PRED_EXISTING,
     {{'+', "P_TRA", "", 1}, {'-', "P_TRA", "G_ADM", 2}}, ""},
    {"nor a discharge without its day", "DISCHARGED", "", "P_TRA", "R_PLAN", 0,
     {{'+', "P_TRA", "G_ID G_CONTACT", 1}}, ""},
    {"treatment goes on while nobody objects", "DISCHARGE_SUMMARY", "", "P_TRT", "R_OUTPT", 0,
     {{0}}, "G_META G_ID G_ADM G_DX G_SYM G_MED G_PHYS"},
    {"who objects is heard", "DISCHARGE_SUMMARY", "", "P_TRT", "R_OUTPT", 0,
     {{'-', "P_TRT", "", 1}}, ""},
    {"also to a part of it", "DISCHARGE_SUMMARY", "", "P_TRT", "R_HVN", 0,
     {{'-', "P_TRT", "G_DX", 1}}, "G_META G_SYM_SHORT G_MED G_PHYS G_RISK_MIN"},
    {"objecting to something else is no objection", "DISCHARGE_SUMMARY", "", "P_TRT", "R_HVN", 0,
     {{'-', "P_TRA", "", 1}}, "G_META G_DX G_SYM_SHORT G_MED G_PHYS G_RISK_MIN"},
    {"who changes one's mind is heard, too", "DISCHARGE_SUMMARY", "", "P_TRT", "R_HVN", 0,
     {{'-', "P_TRT", "", 1}, {'+', "P_TRT", "", 2}}, "G_META G_DX G_SYM_SHORT G_MED G_PHYS G_RISK_MIN"},
    {"a refusal does not stop the statutory meeting", "MEETING_PAPERS", "MT_106", "P_M106", "R_KIKAN", SESSION,
     {{'-', "P_M106", "", 1}}, "G_META G_ID G_CONTACT G_PLAN G_CRISIS G_CARE G_RISK_MIN G_ISSUE"},
    {"it stops any other", "MEETING_PAPERS", "MT_PD", "P_MCON", "R_KIKAN", SESSION,
     {{'+', "P_MCON", "", 1}, {'-', "P_MCON", "", 2}}, ""},
    {"and the anonymous issue with it", "MEETING_PAPERS", "MT_COUNCIL_CASE", "P_COU", "R_KIKAN", SESSION,
     {{'-', "P_COU", "", 1}}, ""},
    {"a refusal stops break-glass", "EARLY_WARNING", "", "P_EMG", "R_HVN", GLASS,
     {{'-', "P_EMG", "", 1}}, ""},
    {"a wish to be visited ends with a refusal", "VISIT_REQUESTED", "WISH_CONFIRMED", "P_VIS", "R_VISIT_SEC", 0,
     {{'-', "P_VIS", "", 1}}, ""},
    {"an address is protected from a consent", "DISCHARGED", "", "P_TRA", "R_PLAN", PRED_ADDRESS_PROTECTED,
     {{'+', "P_TRA", "", 1}}, "G_META G_ID G_DIS_DATE"},
    {"and from the law, but for the health centre", "FILING_SUBMITTED", "MP_END", "P_FIL", "R_HC", PRED_ADDRESS_PROTECTED,
     {{0}}, FULL},
}; /* clang-format on */

static struct grant grant_said(const struct said *s)
{
    uint64_t cls = s->classes[0] != '\0' ? classes(s->classes) : 0;
    if (s->what == '-') {
        struct grant g = refusal_of(s->purpose, s->leaf);
        g.classes = cls;
        return g;
    }
    struct grant g =
        consent_to(CODE, s->purpose, cls != 0 ? cls : every_class(), s->leaf);
    g.withdrawn = s->what == 'w';
    return g;
}

static void what_was_said_counts(void **state)
{
    (void)state;
    struct policy *p = default_policy();
    for (size_t i = 0; i < NELEM(SAID); i++) {
        struct agency a = agency_of(SAID[i].role);
        struct grant g[3];
        size_t n = 0;
        while (n < 3 && SAID[i].said[n].what != 0) {
            g[n] = grant_said(&SAID[i].said[n]);
            n++;
        }
        struct policy_ask ask = {.event = SAID[i].event,
                                 .variant = SAID[i].variant,
                                 .purpose = SAID[i].purpose,
                                 .recipient = &a,
                                 .classes = every_class(),
                                 .predicates = SAID[i].facts,
                                 .session_classes = every_class(),
                                 .glass_classes = every_class(),
                                 .grants = g,
                                 .grant_count = n,
                                 .now_ms = NOW,
                                 .clock_ok = true};
        struct decision d;
        policy_decide(p, &ask, &d);
        uint64_t ceiling = policy_ceiling(p, SAID[i].role);
        if (d.error != ERR_OK || d.released != classes(SAID[i].released) ||
            d.withheld != (ceiling & ~d.released))
            fail_msg("%s", SAID[i].name);
    }
    policy_free(&p);
}

static void a_consent_ends_at_midnight_in_japan(void **state)
{
    (void)state;
    struct policy *p = default_policy();
    struct agency a = agency_of("R_PLAN");
    struct grant g = consent_to(CODE, "P_TRA", every_class(), 1);
    uint64_t last = NOW / DAY_MS; /* 15:00 UTC of this day is its end */
    g.from_day = g.to_day = (int32_t)last;
    uint64_t end = last * DAY_MS + 15 * 3600000ull;
    const struct {
        uint64_t now;
        bool passes;
    } AT[] = {{end - DAY_MS - 1, false},
              {end - DAY_MS, true},
              {end - 1, true},
              {end, false}};
    for (size_t i = 0; i < NELEM(AT); i++) {
        struct policy_ask ask = {.event = "ADMISSION_RECORDED",
                                 .variant = "",
                                 .purpose = "P_TRA",
                                 .recipient = &a,
                                 .classes = classes(ADM),
                                 .predicates = PRED_EXISTING,
                                 .grants = &g,
                                 .grant_count = 1,
                                 .now_ms = AT[i].now,
                                 .clock_ok = true};
        struct decision d;
        policy_decide(p, &ask, &d);
        assert_int_equal(d.released, AT[i].passes ? classes(ADM) : 0);
    }
    policy_free(&p);
}

/* ---- errors deny (I-5) ---------------------------------------------------*/

static void whatever_is_unknown_denies_everything(void **state)
{
    (void)state;
    struct policy *p = default_policy();
    struct agency a = agency_of("R_HC"), two = agency_of("R_HC");
    memcpy(two.role[1], "R_NOBODY", 9);
    struct agency none = agency_of("");
    const struct {
        const char *name, *event, *variant, *purpose, *role;
        const struct agency *to;
        uint64_t classes;
        bool clock;
        enum err error;
    } CASES[] = {
        /* clang-format off */
        {"all known", "FILING_SUBMITTED", "MP_END", "P_FIL", "R_HC", &a, 2, true, ERR_OK},
        {"event", "FILING_BURNT", "MP_END", "P_FIL", "R_HC", &a, 2, true, ERR_EVT_TYPE},
        {"variant", "FILING_SUBMITTED", "MP_NEVER", "P_FIL", "R_HC", &a, 2, true, ERR_EVT_TYPE},
        {"variant of another event", "FILING_SUBMITTED", "REGISTERED", "P_FIL", "R_HC", &a, 2, true, ERR_EVT_TYPE},
        {"purpose", "FILING_SUBMITTED", "MP_END", "P_FUN", "R_HC", &a, 2, true, ERR_EVT_PURPOSE},
        {"role nobody has", "FILING_SUBMITTED", "MP_END", "P_FIL", "R_NOBODY", &a, 2, true, ERR_EVT_RECIPIENT},
        {"role the agency has not", "FILING_SUBMITTED", "MP_END", "P_FIL", "R_PREF", &a, 2, true, ERR_EVT_RECIPIENT},
        {"one role of two", "FILING_SUBMITTED", "MP_END", "P_FIL", NULL, &two, 2, true, ERR_EVT_RECIPIENT},
        {"no role at all", "FILING_SUBMITTED", "MP_END", "P_FIL", NULL, &none, 2, true, ERR_EVT_RECIPIENT},
        {"class", "FILING_SUBMITTED", "MP_END", "P_FIL", "R_HC", &a, UINT64_C(1) << 63 | 2, true, ERR_EVT_CLASS},
        {"clock", "FILING_SUBMITTED", "MP_END", "P_FIL", "R_HC", &a, 2, false, ERR_POL_CLOCK},
    }; /* clang-format on */
    for (size_t i = 0; i < NELEM(CASES); i++) {
        struct policy_ask ask = {.event = CASES[i].event,
                                 .variant = CASES[i].variant,
                                 .purpose = CASES[i].purpose,
                                 .recipient = CASES[i].to,
                                 .role = CASES[i].role,
                                 .classes = CASES[i].classes,
                                 .now_ms = NOW,
                                 .clock_ok = CASES[i].clock};
        struct decision d;
        policy_decide(p, &ask, &d);
        if (d.error != CASES[i].error ||
            (d.released != 0) != (d.error == ERR_OK) ||
            d.of[1].permit != !d.error)
            fail_msg("%s: %s", CASES[i].name, err_code(d.error));
    }
    policy_free(&p);
}

/* ---- packs of our own ----------------------------------------------------*/

static void the_first_layer_that_speaks_decides(void **state)
{
    (void)state;
    static const char *const ORDER[] = {"prohibit", "protect",   "law",
                                        "m106",     "(refusal)", "consent",
                                        "session",  "life",      "breakglass"};
    /* each against the next: the upper one wins, whatever stands first */
    for (size_t i = 0; i + 1 < NELEM(ORDER); i++) {
        struct buf rules = {0};
        const char *up = ORDER[i], *down = ORDER[i + 1];
        bool deny = i < 2 || i == 4;
        if (i + 1 != 4)
            buf_addf(
                &rules,
                "down\t0\t%s\t%s\tDISCHARGED\tP\tA\t*\t\t\tNOW\tj\te\t\t\n",
                down, i == 0 || !deny ? "deny" : "permit");
        if (i != 4)
            buf_addf(&rules,
                     "up\t0\t%s\t%s\tDISCHARGED\tP\tA\t*\t\t\tNOW\tj\te\t\t\n",
                     up, deny ? "deny" : "permit");
        struct pack k = {0};
        pack_small(&k, (const char *)rules.p);
        struct policy *p = pack_policy(&k);
        struct grant g[2] = {consent_to(CODE, "P", every_class(), 1),
                             refusal_of("P", 2)};
        bool refusing = i == 3 || i == 4;
        struct decision d =
            decide_small(p, "A", "", NULL, g, refusing ? 2 : 1, 0);
        const char *want = i == 4 ? "DEFAULT" : "up";
        if (d.error != ERR_OK || (d.released != 0) == deny ||
            strcmp(rule_at(p, &d, "G_ID"), want) != 0)
            fail_msg("%s before %s", up, down);
        policy_free(&p);
        pack_fini(&k);
        buf_fini(&rules);
    }
}

static const struct {
    const char *name, *rules;
    const char *role1, *role2, *role;
    bool consent, refused;
    const char *released, *rule, *as;
} SMALL[] = {
    /* clang-format off */
    {"within a layer deny beats permit", R("a", "law", "permit", "A", "*") R("b", "law", "deny", "A", "G_ID"),
     "A", "", NULL, false, false, "G_META G_ADM", "b", "A"},
    {"among permits the first of the file is cited", R("z", "law", "permit", "A", "*") R("a", "law", "permit", "A", "*"),
     "A", "", NULL, false, false, ADM, "z", "A"},
    {"a consent layer without consent does not speak", R("a", "consent", "permit", "A", "*") R("b", "life", "permit", "A", "G_ID"),
     "A", "", NULL, false, false, "G_ID", "b", "A"},
    {"a denial by the consent layer stands above life", R("a", "consent", "deny", "A", "G_ID") R("b", "life", "permit", "A", "*"),
     "A", "", NULL, true, false, "G_META G_ADM", "a", "A"},
    {"any role may permit", R("a", "law", "permit", "B", "*"),
     "A", "B", NULL, false, false, "G_META G_ID", "a", "B"},
    {"one role decides, the one that lets most pass", R("a", "law", "permit", "B", "*") R("b", "law", "permit", "A", "*"),
     "B", "A", NULL, false, false, ADM, "b", "A"},
    {"at a tie the first of them", R("a", "law", "permit", "B", "*") R("b", "law", "permit", "A", "G_ID G_ADM"),
     "A", "B", NULL, false, false, "G_ID G_ADM", "b", "A"},
    {"never both together", R("a", "law", "permit", "B", "*") R("b", "law", "permit", "A", "G_ADM"),
     "B", "A", NULL, false, false, "G_META G_ID", "a", "B"},
    {"a denial by law is about its role", R("a", "law", "permit", "A", "*") R("b", "law", "deny", "B", "*"),
     "B", "A", NULL, false, false, ADM, "a", "A"},
    {"the first role with a reason is cited", R("a", "law", "deny", "A", "*"),
     "A", "B", NULL, false, false, "", "a", ""},
    {"a prohibition for one role binds all", R("a", "law", "permit", "A", "*") R("b", "prohibit", "deny", "B", "G_ID"),
     "A", "B", NULL, false, false, "G_META G_ADM", "b", "A"},
    {"so does a protection", R("a", "law", "permit", "A", "*") R("b", "protect", "deny", "B", "G_ID"),
     "A", "B", NULL, false, false, "G_META G_ADM", "b", "A"},
    {"also when another role is wanted", R("a", "law", "permit", "A", "*") R("b", "prohibit", "deny", "B", "G_ID"),
     "A", "B", "A", false, false, "G_META G_ADM", "b", "A"},
    {"one for everybody but a role spares who is served in it", R("a", "law", "permit", "A", "*") R("b", "protect", "deny", "* !A", "G_ID"),
     "B", "A", NULL, false, false, ADM, "a", "A"},
    {"and not who is served in another", R("a", "law", "permit", "B", "*") R("b", "protect", "deny", "* !A", "G_ID"),
     "A", "B", "B", false, false, "G_META", "b", "B"},
    {"a wanted role gets no other's rights", R("a", "law", "permit", "A", "*"),
     "A", "B", "B", false, false, "", "DEFAULT", "B"},
    {"an excluded role gets nothing, for its reason", R("a", "prohibit", "deny", "*", "*"),
     "X", "", NULL, false, false, "", "a", ""},
    {"a permit for everyone leaves it out", R("a", "law", "permit", "*", "*"),
     "X", "", NULL, false, false, "", "DEFAULT", ""},
    {"no rule, nothing", R("a", "law", "permit", "B", "*"),
     "A", "", NULL, true, false, "", "DEFAULT", ""},
    {"law does not hear a refusal", R("a", "law", "permit", "A", "*"),
     "A", "", NULL, true, true, ADM, "a", "A"},
    {"the statutory meeting does not either", R("a", "m106", "permit", "A", "*"),
     "A", "", NULL, true, true, ADM, "a", "A"},
    {"other meetings do", R("a", "session", "permit", "A", "*"),
     "A", "", NULL, false, true, "", "DEFAULT", ""},
    {"so does break-glass", R("a", "breakglass", "permit", "A", "*"),
     "A", "", NULL, false, true, "", "DEFAULT", ""},
}; /* clang-format on */

static void swapping_the_files_changes_the_outcome(void **state)
{
    (void)state;
    for (size_t i = 0; i < NELEM(SMALL); i++) {
        struct pack k = {0};
        pack_small(&k, SMALL[i].rules);
        struct policy *p = pack_policy(&k);
        struct grant g[2];
        size_t n = 0;
        if (SMALL[i].consent)
            g[n++] = consent_to(CODE, "P", every_class(), 1);
        if (SMALL[i].refused)
            g[n++] = refusal_of("P", 2);
        struct decision d = decide_small(p, SMALL[i].role1, SMALL[i].role2,
                                         SMALL[i].role, g, n, 0);
        if (d.error != ERR_OK || d.released != classes(SMALL[i].released) ||
            strcmp(rule_at(p, &d, "G_ID"), SMALL[i].rule) != 0 ||
            strcmp(d.role, SMALL[i].as) != 0)
            fail_msg("%s (%s as %s)", SMALL[i].name, rule_at(p, &d, "G_ID"),
                     d.role);
        policy_free(&p);
        pack_fini(&k);
    }
}

static void a_consent_to_a_role_is_for_that_role(void **state)
{
    (void)state;
    struct pack k = {0};
    pack_small(&k, R("a", "consent", "permit", "A", "*")
                       R("b", "consent", "permit", "B", "G_ID"));
    struct policy *p = pack_policy(&k);
    struct grant g = consent_to("", "P", every_class(), 1);
    memcpy(g.to[0].role, "B", 2);
    memcpy(g.to[0].place, "49201", 6);
    struct decision d = decide_small(p, "A", "B", NULL, &g, 1, 0);
    assert_int_equal(d.released, classes("G_ID"));
    assert_string_equal(d.role, "B");
    assert_int_equal(d.of[class_from_name("G_ID")].grant, 0);
    memcpy(g.to[0].place, "49202", 6);
    d = decide_small(p, "A", "B", NULL, &g, 1, 0);
    assert_int_equal(d.released, 0);
    policy_free(&p);
    pack_fini(&k);
}

static void a_companion_goes_along_in_its_own_role(void **state)
{
    (void)state;
    struct pack k = {0};
    pack_small(&k, R("a", "consent", "permit", "A B", "G_META G_ID"));
    buf_adds(&k.file[POLICY_VOCAB], "companion\tG_META\tm\tm\n");
    struct policy *p = pack_policy(&k);
    struct grant g = consent_to("", "P", classes("G_ID"), 1);
    memcpy(g.to[0].role, "B", 2);
    memcpy(g.to[0].place, "49201", 6);
    struct decision d = decide_small(p, "A", "B", NULL, &g, 1, 0);
    assert_int_equal(d.released, classes("G_META G_ID"));
    assert_string_equal(d.role, "B");
    policy_free(&p);
    pack_fini(&k);
}

/* The first rule lets nothing else pass, so it goes along with the second. */
static void the_status_part_finds_its_rule(void **state)
{
    (void)state;
    struct pack k = {0};
    pack_small(
        &k, "a\t0\tconsent\tpermit\t*\tP\tA\tG_META "
            "G_ADM\tsession\t\tNOW\tj\te\t\t\n"
            "b\t0\tconsent\tpermit\t*\tP\tA\tG_META G_ID\t\t\tNOW\tj\te\t\t\n");
    buf_adds(&k.file[POLICY_VOCAB], "companion\tG_META\tm\tm\n");
    struct policy *p = pack_policy(&k);
    struct agency a = agency_of("A");
    struct grant g = consent_to(CODE, "P", classes("G_ID"), 1);
    struct policy_ask ask = {.event = "DISCHARGED",
                             .variant = "",
                             .purpose = "P",
                             .recipient = &a,
                             .classes = classes(ADM),
                             .predicates = PRED_SESSION,
                             .session_classes = classes("G_ADM"),
                             .grants = &g,
                             .grant_count = 1,
                             .now_ms = NOW,
                             .clock_ok = true};
    struct decision d;
    policy_decide(p, &ask, &d);
    assert_int_equal(d.released, classes("G_META G_ID"));
    assert_string_equal(rule_at(p, &d, "G_META"), "b");
    policy_free(&p);
    pack_fini(&k);
}

static void law_has_its_days(void **state)
{
    (void)state;
    static const struct {
        const char *name, *basis, *from, *to;
        enum err error;
        bool released;
    } CASES[] = {
        {"open days", "NOW", "", "", ERR_OK, true},
        {"the last day counts", "TODAY", "", "", ERR_OK, true},
        {"a basis that is over denies all", "PAST", "", "", ERR_POL_EXPIRED,
         false},
        {"a rule that is over is silent", "PAST", "", "2026-09-20", ERR_OK,
         false},
        {"a rule to come is silent", "NOW", "2026-09-22", "", ERR_OK, false},
        {"a rule on its days speaks", "NOW", "2026-09-21", "2026-09-21", ERR_OK,
         true},
    };
    for (size_t i = 0; i < NELEM(CASES); i++) {
        char rules[256];
        snprintf(rules, sizeof(rules),
                 "a\t0\tlaw\tpermit\t*\tP\tA\t*\t\t\t%s\tj\te\t%s\t%s\n"
                 "b\t0\tlife\tpermit\t*\tP\tA\tG_NOTE\t\t\tNOW\tj\te\t\t\n",
                 CASES[i].basis, CASES[i].from, CASES[i].to);
        struct pack k = {0};
        pack_small(&k, rules);
        struct policy *p = pack_policy(&k);
        struct decision d = decide_small(p, "A", "", NULL, NULL, 0, 0);
        if (d.error != CASES[i].error || (d.released != 0) != CASES[i].released)
            fail_msg("%s", CASES[i].name);
        policy_free(&p);
        pack_fini(&k);
    }
}

static void facts_open_and_close_rules(void **state)
{
    (void)state;
    struct pack k = {0};
    pack_small(&k, "a\t0\tbreakglass\tpermit\t*\tP\tA\tG_ID\tbreakglass\t\tNOW"
                   "\tj\te\t\t\n"
                   "b\t0\tsession\tpermit\t*\tP\tA\tG_ADM\t\tbreakglass\tNOW"
                   "\tj\te\t\t\n");
    struct policy *p = pack_policy(&k);
    struct decision d = decide_small(p, "A", "", NULL, NULL, 0, 0);
    assert_int_equal(d.released, classes("G_ADM"));
    d = decide_small(p, "A", "", NULL, NULL, 0, PRED_BREAKGLASS);
    assert_int_equal(d.released, classes("G_ID"));
    policy_free(&p);
    pack_fini(&k);
}

/* ---- meetings and break-glass --------------------------------------------*/

#define ON(id, layer, effect, requires, unless, basis)                         \
    id "\t0\t" layer "\t" effect                                               \
       "\tDISCHARGED\tP\tA\tG_META G_ID G_ADM\t" requires "\t" unless          \
                                                          "\t" basis           \
                                                          "\tj\te\t\t\n"

static const struct {
    const char *name, *rules;
    unsigned facts;
    const char *session, *glass; /* classes */
    bool refused;
    const char *released, *rule;
} NARROW[] = {
    /* clang-format off */
    {"a meeting is for what its call named", ON("a", "session", "permit", "session", "", "NOW"),
     SESSION, "G_ADM", "", false, "G_META G_ADM", "DEFAULT"},
    {"the status part goes along with any of it", ON("a", "m106", "permit", "session", "", "NOW"),
     SESSION, "G_ID", "", false, "G_META G_ID", "a"},
    {"but not alone", ON("a", "m106", "permit", "session", "", "NOW"),
     SESSION, "G_META", "", false, "G_META", "DEFAULT"},
    {"and not with what was not asked", ON("a", "m106", "permit", "session", "", "NOW"),
     SESSION, "G_DX", "", false, "", "DEFAULT"},
    {"a call without a pledge is for nothing", ON("a", "m106", "permit", "session", "", "NOW"),
     0, "G_ID", "", false, "", "DEFAULT"},
    {"a rule that asks for no meeting is not narrowed", ON("a", "session", "permit", "", "", "NOW"),
     SESSION, "G_ID", "", false, ADM, "a"},
    {"nor one that a meeting shuts out", ON("a", "session", "permit", "", "session", "NOW"),
     0, "G_ID", "", false, ADM, "a"},
    {"what is not named falls to the next layer", ON("a", "m106", "permit", "session", "", "NOW") ON("b", "life", "permit", "", "", "NOW"),
     SESSION, "G_ADM", "", false, ADM, "b"},
    {"a denial in a meeting is narrow, too", ON("a", "law", "deny", "session", "", "NOW") ON("b", "life", "permit", "", "", "NOW"),
     SESSION, "G_ADM", "", false, "G_ID", "b"},
    {"a refusal does not stop the statutory meeting", ON("a", "m106", "permit", "session", "", "NOW"),
     SESSION, "G_ID", "", true, "G_META G_ID", "a"},
    {"it stops every other", ON("a", "session", "permit", "session", "", "NOW"),
     SESSION, "G_ID", "", true, "", "DEFAULT"},
    {"break-glass is for what was opened", ON("a", "breakglass", "permit", "breakglass", "", "NOW"),
     GLASS, "", "G_ID", false, "G_META G_ID", "a"},
    {"its layer is, whether the rule asks or not", ON("a", "breakglass", "permit", "", "", "NOW"),
     GLASS, "", "G_ID", false, "G_META G_ID", "a"},
    {"a rule elsewhere that asks for it is narrow as well", ON("a", "life", "permit", "breakglass", "", "NOW"),
     GLASS, "", "G_ID", false, "G_META G_ID", "a"},
    {"classes without an open glass are for nothing", ON("a", "breakglass", "permit", "", "", "NOW"),
     0, "", "G_ID", false, "", "DEFAULT"},
    {"a meeting opens no glass", ON("a", "breakglass", "permit", "", "", "NOW"),
     SESSION, "G_ID", "G_ID", false, "", "DEFAULT"},
    {"a refusal stops break-glass", ON("a", "breakglass", "permit", "breakglass", "", "NOW"),
     GLASS, "", "G_ID", true, "", "DEFAULT"},
    {"both at once: what both are for", ON("a", "life", "permit", "breakglass session", "", "NOW"),
     GLASS | SESSION, "G_ID G_ADM", "G_ID", false, "G_META G_ID", "a"},
    {"a ground that is over does not count outside the glass", ON("a", "breakglass", "permit", "", "", "PAST") ON("b", "law", "permit", "", "", "NOW"),
     GLASS, "", "G_DX", false, ADM, "b"},
}; /* clang-format on */

static struct decision ask_small(const struct policy *p, const char *asked,
                                 unsigned facts, const char *session,
                                 const char *glass, const struct grant *g,
                                 size_t n)
{
    struct agency a = agency_of("A");
    struct policy_ask ask = {.event = "DISCHARGED",
                             .variant = "",
                             .purpose = "P",
                             .recipient = &a,
                             .classes = classes(asked),
                             .predicates = facts,
                             .session_classes = classes(session),
                             .glass_classes = classes(glass),
                             .grants = g,
                             .grant_count = n,
                             .now_ms = NOW,
                             .clock_ok = true};
    struct decision d;
    policy_decide(p, &ask, &d);
    return d;
}

static void a_meeting_and_a_glass_are_for_their_classes(void **state)
{
    (void)state;
    for (size_t i = 0; i < NELEM(NARROW); i++) {
        struct pack k = {0};
        struct grant g = refusal_of("P", 1);
        g.classes = classes("G_META G_ID G_ADM");
        pack_small(&k, NARROW[i].rules);
        buf_adds(&k.file[POLICY_VOCAB], "companion\tG_META\tm\tm\n");
        struct policy *p = pack_policy(&k);
        struct decision d =
            ask_small(p, ADM, NARROW[i].facts, NARROW[i].session,
                      NARROW[i].glass, &g, NARROW[i].refused);
        if (d.error != ERR_OK || d.released != classes(NARROW[i].released) ||
            strcmp(rule_at(p, &d, "G_ID"), NARROW[i].rule) != 0)
            fail_msg("%s (%s)", NARROW[i].name, rule_at(p, &d, "G_ID"));
        policy_free(&p);
        pack_fini(&k);
    }
}

static void a_decision_keeps_what_it_was_made_of(void **state)
{
    (void)state;
    struct pack k = {0};
    pack_small(&k, "");
    struct policy *p = pack_policy(&k);
    struct decision d =
        ask_small(p, ADM, GLASS | SESSION, "G_ID", "G_ADM", NULL, 0);
    assert_int_equal(d.asked, classes(ADM));
    assert_int_equal(d.predicates, GLASS | SESSION);
    assert_int_equal(d.session_classes, classes("G_ID"));
    assert_int_equal(d.glass_classes, classes("G_ADM"));
    policy_free(&p);
    pack_fini(&k);
}

/* ---- what an event tells by arriving -------------------------------------*/

static const struct {
    const char *name, *rules, *asked, *minimum;
    const char *released, *withheld, *rule;
} TELLS[] = {
    /* clang-format off */
    {"what may be told goes", R("a", "law", "permit", "A", "*"),
     "G_ID G_ADM", "P\tDISCHARGED\t*\tG_ADM\n", "G_ID G_ADM", "", "a"},
    {"it need not be in it", R("a", "law", "permit", "A", "*"),
     "G_ID", "P\tDISCHARGED\t*\tG_ADM\n", "G_ID", "", "a"},
    {"what may not be told keeps the rest back", R("a", "law", "permit", "A", "G_ID"),
     "G_ID G_ADM", "P\tDISCHARGED\t*\tG_ADM\n", "", "G_ID G_ADM", "DEFAULT"},
    {"though it is not in it", R("a", "law", "permit", "A", "G_ID"),
     "G_ID", "P\tDISCHARGED\t*\tG_ADM\n", "", "G_ID", "DEFAULT"},
    {"all of it, not any", R("a", "law", "permit", "A", "G_ID G_ADM"),
     "G_ID", "P\tDISCHARGED\t*\tG_ADM G_DX\n", "", "G_ID", "DEFAULT"},
    {"rows are taken together", R("a", "law", "permit", "A", "G_ID G_ADM"),
     "G_ID", "P\tDISCHARGED\t*\tG_ADM\nP\tDISCHARGED\tG_DX\tG_DX\n", "", "G_ID", "DEFAULT"},
    {"another denial keeps its reason", R("a", "law", "permit", "A", "G_META") R("b", "prohibit", "deny", "A", "G_ID"),
     "G_META G_ID", "P\tDISCHARGED\t*\tG_ADM\n", "", "G_META G_ID", "b"},
    {"asked for nothing, nothing is said", R("a", "law", "permit", "A", "*"),
     "", "P\tDISCHARGED\t*\tG_ADM\n", "", "", "DEFAULT"},
}; /* clang-format on */

static void an_event_that_tells_too_much_does_not_arrive(void **state)
{
    (void)state;
    for (size_t i = 0; i < NELEM(TELLS); i++) {
        struct pack k = {0};
        pack_small(&k, TELLS[i].rules);
        pack_set(&k, POLICY_MINIMUM, "purpose\tevent\tclasses\ttells\n");
        buf_adds(&k.file[POLICY_MINIMUM], TELLS[i].minimum);
        struct policy *p = pack_policy(&k);
        struct decision d = ask_small(p, TELLS[i].asked, 0, "", "", NULL, 0);
        if (d.error != ERR_OK || d.released != classes(TELLS[i].released) ||
            d.withheld != classes(TELLS[i].withheld) ||
            strcmp(rule_at(p, &d, "G_ID"), TELLS[i].rule) != 0 ||
            strcmp(rule_at(p, &d, "G_ADM"),
                   (d.released & classes("G_ADM")) ? "a" : "DEFAULT") != 0)
            fail_msg("%s", TELLS[i].name);
        policy_free(&p);
        pack_fini(&k);
    }
}

/* The role that may be told decides, though another lets more pass. */
static void what_it_tells_is_asked_of_each_role(void **state)
{
    (void)state;
    struct pack k = {0};
    pack_small(&k, R("a", "law", "permit", "A", "G_ID G_META G_DX")
                       R("b", "law", "permit", "B", "G_META G_ID"));
    pack_set(&k, POLICY_MINIMUM,
             "purpose\tevent\tclasses\ttells\nP\tDISCHARGED\t*\tG_ADM\n");
    buf_adds(&k.file[POLICY_RULES], R("c", "law", "permit", "B", "G_ADM"));
    pack_set(&k, POLICY_CEILING, "role\tclasses\nA\t*\nB\t*\n");
    struct policy *p = pack_policy(&k);
    struct decision d = decide_small(p, "A", "B", NULL, NULL, 0, 0);
    assert_int_equal(d.released, classes(ADM));
    assert_string_equal(d.role, "B");
    policy_free(&p);
    pack_fini(&k);
}

/* ---- third persons -------------------------------------------------------*/

static const struct {
    const char *name;
    struct {
        char what; /* + - w as above; third: said by the third person */
        bool third;
        const char *classes;
        uint64_t leaf;
    } said[3];
    const char *released;
} THIRD[] = {
    /* clang-format off */
    {"nobody said anything", {{0}}, ""},
    {"the person speaks for oneself alone", {{'+', false, "G_ID G_GUARD", 1}}, "G_ID"},
    {"the third person for oneself alone", {{'+', false, "G_ID", 1}, {'+', true, "G_ID G_GUARD", 2}}, "G_ID G_GUARD"},
    {"not for the person", {{'+', false, "G_DX", 1}, {'+', true, "G_ID G_GUARD", 2}}, "G_GUARD"},
    {"whoever takes it back takes back one's own", {{'+', false, "G_ID", 1}, {'w', true, "G_GUARD", 2}}, "G_ID"},
    {"the person's withdrawal leaves nothing of oneself", {{'w', false, "G_ID", 1}, {'+', true, "G_GUARD", 2}}, ""},
    {"a refusal of everything is of third persons' data, too", {{'+', true, "G_GUARD", 1}, {'-', false, "", 2}}, ""},
    {"a later consent takes it back, for them too", {{'-', false, "", 1}, {'+', false, "G_ID", 2}, {'+', true, "G_GUARD", 3}}, "G_ID G_GUARD"},
    {"the third person cannot take back the person's", {{'-', false, "", 1}, {'+', true, "G_GUARD", 2}}, ""},
    {"a refusal that names their data stands", {{'-', false, "G_GUARD", 1}, {'+', false, "G_ID", 2}, {'+', true, "G_GUARD", 3}}, "G_ID"},
}; /* clang-format on */

static void third_persons_speak_for_themselves(void **state)
{
    (void)state;
    struct pack k = {0};
    pack_small(&k, R("a", "consent", "permit", "A", "*"));
    buf_adds(&k.file[POLICY_VOCAB], "third\tG_GUARD\tg\tg\n");
    struct policy *p = pack_policy(&k);
    for (size_t i = 0; i < NELEM(THIRD); i++) {
        struct grant g[3];
        size_t n = 0;
        for (; n < 3 && THIRD[i].said[n].what != 0; n++) {
            struct said said = {THIRD[i].said[n].what, "P",
                                THIRD[i].said[n].classes,
                                THIRD[i].said[n].leaf};
            g[n] = grant_said(&said);
            g[n].third = THIRD[i].said[n].third;
        }
        struct decision d = ask_small(p, "G_ID G_GUARD", 0, "", "", g, n);
        if (d.error != ERR_OK || d.released != classes(THIRD[i].released))
            fail_msg("%s", THIRD[i].name);
    }
    policy_free(&p);
    pack_fini(&k);
}

static void other_grounds_do_not_ask_third_persons(void **state)
{
    (void)state;
    static const char *const LAYERS[] = {"law", "m106", "session", "life"};
    for (size_t i = 0; i < NELEM(LAYERS); i++) {
        struct pack k = {0};
        struct buf rules = {0};
        buf_addf(&rules, "a\t0\t%s\tpermit\t*\tP\tA\t*\t\t\tNOW\tj\te\t\t\n",
                 LAYERS[i]);
        pack_small(&k, (const char *)rules.p);
        buf_adds(&k.file[POLICY_VOCAB], "third\tG_GUARD\tg\tg\n");
        struct policy *p = pack_policy(&k);
        struct decision d = ask_small(p, "G_ID G_GUARD", 0, "", "", NULL, 0);
        assert_int_equal(d.released, classes("G_ID G_GUARD"));
        policy_free(&p);
        pack_fini(&k);
        buf_fini(&rules);
    }
}

/* Printed, never judged: a loaded machine is no fault of ours. */
static void a_decision_takes_about(void **state)
{
    (void)state;
    struct policy *p = default_policy();
    struct agency a = agency_of("R_PLAN");
    memcpy(a.role[1], "R_LOCAL", 8);
    struct grant g[4] = {consent_to("OW-A", "P_TRA", every_class(), 1),
                         consent_to("OW-B", "P_PD", every_class(), 2),
                         consent_to(CODE, "P_TRA", every_class(), 3),
                         refusal_of("P_EMG", 4)};
    struct policy_ask ask = {
        .event = "DISCHARGED",
        .variant = "",
        .purpose = "P_TRA",
        .recipient = &a,
        .classes = classes("G_META G_ID G_DIS_DATE G_DEST G_CONTACT"),
        .grants = g,
        .grant_count = 4,
        .now_ms = NOW,
        .clock_ok = true};
    struct timespec t0, t1;
    struct decision d;
    enum { ROUNDS = 20000 };
    clock_gettime(CLOCK_MONOTONIC, &t0);
    for (int i = 0; i < ROUNDS; i++)
        policy_decide(p, &ask, &d);
    clock_gettime(CLOCK_MONOTONIC, &t1);
    double ns = (double)(t1.tv_sec - t0.tv_sec) * 1e9 +
                (double)(t1.tv_nsec - t0.tv_nsec);
    print_message("%.0f ns a decision over 5 classes and 2 roles\n",
                  ns / ROUNDS);
    assert_int_equal(d.released, ask.classes);
    policy_free(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_said_counts),
        cmocka_unit_test(a_consent_ends_at_midnight_in_japan),
        cmocka_unit_test(whatever_is_unknown_denies_everything),
        cmocka_unit_test(the_first_layer_that_speaks_decides),
        cmocka_unit_test(swapping_the_files_changes_the_outcome),
        cmocka_unit_test(a_consent_to_a_role_is_for_that_role),
        cmocka_unit_test(a_companion_goes_along_in_its_own_role),
        cmocka_unit_test(law_has_its_days),
        cmocka_unit_test(facts_open_and_close_rules),
        cmocka_unit_test(a_meeting_and_a_glass_are_for_their_classes),
        cmocka_unit_test(a_decision_keeps_what_it_was_made_of),
        cmocka_unit_test(an_event_that_tells_too_much_does_not_arrive),
        cmocka_unit_test(what_it_tells_is_asked_of_each_role),
        cmocka_unit_test(the_status_part_finds_its_rule),
        cmocka_unit_test(third_persons_speak_for_themselves),
        cmocka_unit_test(other_grounds_do_not_ask_third_persons),
        cmocka_unit_test(a_decision_takes_about),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
