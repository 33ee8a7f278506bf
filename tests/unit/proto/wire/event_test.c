/* event_test.c - events made, opened, forged. A forgery is a good event with
 * one thing changed, committed to and signed anew by its sender: what is left
 * to refuse it is the one rule that its name says. */
#include "forge.h"
#include "proto/wire/event.h"
#include "proto/wire/frame.h"
#include "tsunagi/v1/discharge.pb-c.h"
#include "tsunagi/v1/emergency.pb-c.h"

/* ---- the header and the parts -------------------------------------------- */

static void nothing(struct forge *f)
{
    (void)f;
}
static void id_of_version_4(struct forge *f)
{
    f->h->event_id.data[6] = 0x40;
}
static void id_absent(struct forge *f)
{
    f->h->has_event_id = 0;
}
static void id_short(struct forge *f)
{
    f->h->event_id.len = 15;
}
static void no_agency(struct forge *f)
{
    put_text(&f->h->agency, NULL);
}
static void no_node(struct forge *f)
{
    put_text(&f->h->node, NULL);
}
static void agency_digit(struct forge *f)
{
    put_text(&f->h->agency, "MI-4910100018");
}
static void node_shouting(struct forge *f)
{
    put_text(&f->h->node, "H1");
}
static void type_unknown(struct forge *f)
{
    f->h->type = 9999;
}
static void type_absent(struct forge *f)
{
    f->h->has_type = 0;
}
static void type_of_hub(struct forge *f)
{
    f->h->type = 1416;
}
static void type_other(struct forge *f)
{
    f->h->type = 1002;
}
static void created_zero(struct forge *f)
{
    f->h->created_ms = 0;
}
static void created_absent(struct forge *f)
{
    f->h->has_created_ms = 0;
}
static void seq_zero(struct forge *f)
{
    f->h->node_seq = 0;
}
static void seq_absent(struct forge *f)
{
    f->h->has_node_seq = 0;
}
static void digest_other(struct forge *f)
{
    f->h->schema_digest.data[31] ^= 1;
}
static void digest_absent(struct forge *f)
{
    f->h->has_schema_digest = 0;
}
static void digest_short(struct forge *f)
{
    f->h->schema_digest.len = 31;
}
static void seen_without_root(struct forge *f)
{
    f->h->has_seen_size = 1;
    f->h->seen_size = 5;
}
static void seen_root_short(struct forge *f)
{
    seen_without_root(f);
    f->h->has_seen_root = 1;
    put_bytes(&f->h->seen_root, slice_str("short"));
}
static void seen_root_alone(struct forge *f)
{
    static const uint8_t ROOT[32];
    f->h->has_seen_root = 1;
    put_bytes(&f->h->seen_root, slice_of(ROOT, 32));
}
static void commitment_short(struct forge *f)
{
    f->h->commitment[1].len = 31;
}
static void drop_commitment(struct forge *f)
{
    free(f->h->commitment[--f->h->n_commitment].data);
}
static void drop_part(struct forge *f)
{
    ProtobufCMessage *m = &f->msg->part[--f->msg->n_part]->base;
    unpack_free(&m);
}
static void drop_both(struct forge *f)
{
    drop_part(f);
    drop_commitment(f);
}
static void swap_parts(struct forge *f)
{
    Pb__Part *p = f->msg->part[1];
    f->msg->part[1] = f->msg->part[2];
    f->msg->part[2] = p;
    commit_anew(f, 1);
    commit_anew(f, 2);
}
static void routing_last(struct forge *f)
{
    Pb__Part *p = f->msg->part[0];
    f->msg->part[0] = f->msg->part[1];
    f->msg->part[1] = p;
    commit_anew(f, 0);
    commit_anew(f, 1);
}
static void class_absent(struct forge *f)
{
    f->msg->part[0]->has_cls = 0;
}
static void class_huge(struct forge *f)
{
    f->msg->part[1]->cls = 64;
}
static void salt_short(struct forge *f)
{
    f->msg->part[1]->salt.len = 31;
}
static void body_absent(struct forge *f)
{
    f->msg->part[1]->has_body = 0;
}
static void salt_other(struct forge *f)
{
    f->msg->part[1]->salt.data[0] ^= 1;
}
static void salt_of_absent_class(struct forge *f)
{
    f->msg->part[f->msg->n_part - 1]->salt.data[0] ^= 1;
}
static void body_other(struct forge *f)
{
    put_bytes(&f->msg->part[3]->body, SLICE_NONE);
}
static void commitments_swapped(struct forge *f)
{
    ProtobufCBinaryData c = f->h->commitment[1];
    f->h->commitment[1] = f->h->commitment[2];
    f->h->commitment[2] = c;
}
static void body_unknown(struct forge *f)
{
    put_bytes(&f->msg->part[1]->body, slice_str("\xf8\x01\x01"));
    commit_anew(f, 1);
}
static void body_unknown_inside(struct forge *f)
{
    put_bytes(&f->msg->part[2]->body, slice_str("\x0a\x02\x20\x01"));
    commit_anew(f, 2);
}
static void body_without_name(struct forge *f)
{
    put_bytes(&f->msg->part[2]->body, SLICE_NONE);
    commit_anew(f, 2);
}
static void body_huge(struct forge *f)
{
    struct buf b = {0}, text = {0};
    while (text.n <= EVENT_BODY_MAX)
        buf_adds(&text, "0123456789abcdef");
    sample_counted(&b, 13, buf_slice(&text));
    put_bytes(&f->msg->part[6]->body, buf_slice(&b));
    commit_anew(f, 6);
    buf_fini(&b);
    buf_fini(&text);
}
static void routing_unknown(struct forge *f)
{
    put_bytes(&f->msg->part[0]->body, slice_str("\xf8\x01\x01"));
    commit_anew(f, 0);
}
static void routing_token(struct forge *f)
{
    put_bytes(&f->msg->part[0]->body, slice_str("\x12\x01x"));
    commit_anew(f, 0);
}
static void never_expires(struct forge *f)
{
    f->h->has_expires_ms = 0;
}

/* Parts of ADMISSION_RECORDED: routing META ID CONTACT ADM DX NOTE. */
static const struct {
    const char *name;
    void (*change)(struct forge *f);
    enum err want;
} FORGERIES[] = {
    {"nothing changed", nothing, ERR_OK},
    {"without an end", never_expires, ERR_OK},
    {"W-010 an id that is a UUIDv4", id_of_version_4, ERR_EVT_ID},
    {"W-010 an id that is absent", id_absent, ERR_EVT_ID},
    {"W-010 an id of 15 bytes", id_short, ERR_EVT_ID},
    {"W-011 no agency", no_agency, ERR_EVT_SENDER},
    {"W-011 no node", no_node, ERR_EVT_SENDER},
    {"W-011 an agency code with a wrong check digit", agency_digit,
     ERR_VAL_MEDINST},
    {"W-011 a node name in capitals", node_shouting, ERR_VAL_TYPE},
    {"W-012 a type that is unknown", type_unknown, ERR_EVT_TYPE},
    {"W-012 a type that is absent", type_absent, ERR_EVT_TYPE},
    {"W-012 a type that only the hub makes", type_of_hub, ERR_EVT_HUB_ONLY},
    {"W-033 parts of another type", type_other, ERR_EVT_PARTS},
    {"W-013 created at 0", created_zero, ERR_EVT_TIME},
    {"W-013 created never", created_absent, ERR_EVT_TIME},
    {"W-014 sequence number 0", seq_zero, ERR_EVT_SEQ},
    {"W-014 no sequence number", seq_absent, ERR_EVT_SEQ},
    {"W-002 another schema", digest_other, ERR_EVT_SCHEMA},
    {"W-002 no schema digest", digest_absent, ERR_EVT_SCHEMA},
    {"W-002 a schema digest of 31 bytes", digest_short, ERR_EVT_SCHEMA},
    {"W-015 a checkpoint without root", seen_without_root, ERR_PB_MALFORMED},
    {"W-015 a root without checkpoint", seen_root_alone, ERR_PB_MALFORMED},
    {"W-015 a checkpoint with half a root", seen_root_short, ERR_PB_MALFORMED},
    {"W-016 a commitment of 31 bytes", commitment_short, ERR_EVT_PARTS},
    {"W-016 a commitment missing", drop_commitment, ERR_EVT_PARTS},
    {"W-033 a part missing", drop_part, ERR_EVT_PARTS},
    {"W-033 a part and its commitment missing", drop_both, ERR_EVT_PARTS},
    {"W-033 parts in another order", swap_parts, ERR_EVT_PARTS},
    {"W-033 routing not first", routing_last, ERR_EVT_PARTS},
    {"W-033 a part without class", class_absent, ERR_EVT_PARTS},
    {"W-033 a part of class 64", class_huge, ERR_EVT_PARTS},
    {"W-033 a salt of 31 bytes", salt_short, ERR_EVT_PARTS},
    {"W-033 a part without body", body_absent, ERR_EVT_PARTS},
    {"W-034 another salt", salt_other, ERR_EVT_COMMITMENT},
    {"W-034 another salt of the last part", salt_of_absent_class,
     ERR_EVT_COMMITMENT},
    {"W-034 another body", body_other, ERR_EVT_COMMITMENT},
    {"W-016 two commitments swapped", commitments_swapped, ERR_EVT_COMMITMENT},
    {"W-023 an unknown field (I-12)", body_unknown, ERR_PB_UNKNOWN_FIELD},
    {"W-023 an unknown field inside (I-12)", body_unknown_inside,
     ERR_PB_UNKNOWN_FIELD},
    {"W-055 a required field missing", body_without_name, ERR_VAL_REQUIRED},
    {"W-037 more than 256 KiB", body_huge, ERR_EVT_OVERSIZE},
    {"W-023 an unknown field of routing", routing_unknown,
     ERR_PB_UNKNOWN_FIELD},
    {"W-038 a token of one byte", routing_token, ERR_EVT_TOKEN},
};

static void a_forgery_is_refused_by_its_rule(void **state)
{
    (void)state;
    struct sample_keys k = sample_key();
    for (size_t i = 0; i < NELEM(FORGERIES); i++) {
        struct forge f = forge_begin(schema_event(1001), &k);
        FORGERIES[i].change(&f);
        struct buf b = forge_end(&f, &k);
        enum err e = open_and_close(buf_slice(&b));
        if (e != FORGERIES[i].want)
            fail_msg("%s: %s", FORGERIES[i].name, err_code(e));
        buf_fini(&b);
    }
}

/* ---- making and opening -------------------------------------------------- */

static bool same_message(const ProtobufCMessage *a, const ProtobufCMessage *b)
{
    struct buf x = {0}, y = {0};
    assert_int_equal(pack(a, &x), ERR_OK);
    assert_int_equal(pack(b, &y), ERR_OK);
    bool same = slice_eq(buf_slice(&x), buf_slice(&y));
    buf_fini(&x);
    buf_fini(&y);
    return same;
}

static void check_round(const struct schema_message *m,
                        const struct sample_keys *k)
{
    struct buf b = {0};
    ProtobufCMessage *body = sample_body(m);
    sample_event(m, body, k, &b);
    struct event *ev;
    enum err e = event_open(buf_slice(&b), &ev);
    if (e != ERR_OK)
        fail_msg("%s: %s", m->event_name, err_code(e));
    assert_int_equal(event_check_signature(ev, k->public), ERR_OK);
    assert_true(same_message(body, ev->body));
    assert_ptr_equal(ev->schema, m);
    assert_true(ev->present == m->class_mask);
    assert_string_equal(ev->variant, schema_variant(m, body));
    assert_string_equal(ev->routing->to[0]->purpose, "P_TRA");
    assert_int_equal(ev->header->n_commitment, 1 + m->class_count);
    struct buf again = {0};
    assert_int_equal(pack(ev->body, &again), ERR_OK);
    assert_int_equal(ev->body_bytes, again.n);
    buf_fini(&again);
    event_close(&ev);
    assert_null(ev);
    unpack_free(&body);
    buf_fini(&b);
}

static void every_type_is_made_and_opened(void **state) /* W-016, W-033 */
{
    (void)state;
    struct sample_keys k = sample_key();
    for (size_t i = 0; i < SCHEMA_MESSAGE_COUNT; i++)
        if (SCHEMA_MESSAGES[i].event != 0)
            check_round(&SCHEMA_MESSAGES[i], &k);
}

/* Nothing in header or parts tells an absent class but its empty body: W-016,
 * W-033. */
static void an_absent_class_is_committed_to_as_well(void **state)
{
    (void)state;
    struct sample_keys k = sample_key();
    Pb__StayOffered body = PB__STAY_OFFERED__INIT;
    struct buf a = {0}, b = {0};
    sample_event(schema_event(1413), &body.base, &k, &a);
    sample_event(schema_event(1413), &body.base, &k, &b);
    struct event *x, *y;
    assert_int_equal(event_open(buf_slice(&a), &x), ERR_OK);
    assert_int_equal(event_open(buf_slice(&b), &y), ERR_OK);
    assert_true(x->present == 0 && x->header->n_commitment == 2);
    assert_false(slice_eq(pb_slice(x->header->commitment[1]),
                          pb_slice(y->header->commitment[1])));
    event_close(&x);
    event_close(&y);
    event_close(&y);
    buf_fini(&a);
    buf_fini(&b);
}

/* W-041 */
static void a_changed_bit_never_opens_with_a_good_signature(void **state)
{
    (void)state;
    struct sample_keys k = sample_key();
    struct buf b = packed_sample(schema_event(1410), &k);
    for (size_t bit = 0; bit < 8 * b.n; bit++) {
        b.p[bit / 8] ^= (uint8_t)(1 << bit % 8);
        struct event *ev;
        if (event_open(buf_slice(&b), &ev) == ERR_OK &&
            event_check_signature(ev, k.public) == ERR_OK)
            fail_msg("bit %zu", bit);
        event_close(&ev);
        b.p[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    assert_int_equal(open_and_close(buf_slice(&b)), ERR_OK);
    buf_fini(&b);
}

static void an_event_cut_off_is_refused(void **state)
{
    (void)state;
    struct sample_keys k = sample_key();
    struct buf b = packed_sample(schema_event(1411), &k);
    for (size_t n = 0; n < b.n; n++)
        assert_int_not_equal(open_and_close(slice_of(b.p, n)), ERR_OK);
    buf_fini(&b);
}

static void an_event_has_a_header_and_a_signature(void **state)
{
    (void)state;
    struct sample_keys k = sample_key();
    for (int i = 0; i < 2; i++) {
        struct buf b = packed_sample(schema_event(1411), &k), less = {0};
        Pb__Event *msg = opened(&pb__event__descriptor, buf_slice(&b));
        (i == 0 ? (msg->has_header = 0) : (msg->has_signature = 0));
        assert_int_equal(pack(&msg->base, &less), ERR_OK);
        assert_int_equal(open_and_close(buf_slice(&less)), ERR_PB_MALFORMED);
        ProtobufCMessage *done = &msg->base;
        unpack_free(&done);
        buf_fini(&b);
        buf_fini(&less);
    }
    assert_int_equal(open_and_close(SLICE_NONE), ERR_PB_MALFORMED);
}

static void another_key_does_not_fit(void **state) /* W-041 */
{
    (void)state;
    struct sample_keys k = sample_key(), other = sample_key();
    struct buf b = packed_sample(schema_event(1411), &k);
    struct event *ev;
    assert_int_equal(event_open(buf_slice(&b), &ev), ERR_OK);
    assert_int_equal(event_check_signature(ev, other.public),
                     ERR_EVT_SIGNATURE);
    event_close(&ev);
    buf_fini(&b);
}

/* ---- what cannot be made ------------------------------------------------- */

struct wrong {
    struct event_draft d;
    Pb__AdmissionRecorded *body;
    Pb__Routing r;
    Pb__Wanted w;
    Pb__Wanted *to[1];
};

static uint8_t FIFTEEN[15], SIXTEEN[16];

static void draft_good(struct wrong *x)
{
    x->w.purpose = (char *)(uintptr_t) "P_TRA";
    x->w.role = (char *)(uintptr_t) "R_PLAN";
    x->w.place = (char *)(uintptr_t) "49201";
    x->r.has_case_token = x->r.has_actor = x->r.has_causation = 1;
    x->r.case_token = x->r.actor = x->r.causation =
        pb_borrow(slice_of(SIXTEEN, 16));
}
static void draft_type(struct wrong *x)
{
    x->d.type = 9999;
}
static void draft_other_type(struct wrong *x)
{
    x->d.type = 1002;
}
static void draft_hub_only(struct wrong *x)
{
    static const Pb__StayReleased RELEASED = PB__STAY_RELEASED__INIT;
    x->d.type = 1416;
    x->d.body = &RELEASED.base;
}
static void draft_seq(struct wrong *x)
{
    x->d.node_seq = 0;
}
static void draft_created(struct wrong *x)
{
    x->d.created_ms = 0;
}
static void draft_id(struct wrong *x)
{
    memset(&x->d.event_id, 0, sizeof(x->d.event_id));
}
static void draft_agency(struct wrong *x)
{
    x->d.agency = "MI-1";
}
static void draft_node(struct wrong *x)
{
    x->d.node = "";
}
static void draft_body(struct wrong *x)
{
    x->body->sex = 0;
}
static void draft_purpose(struct wrong *x)
{
    x->w.purpose = NULL;
}
static void draft_nobody(struct wrong *x)
{
    x->w.role = (char *)(uintptr_t) "";
}
static void draft_recipient(struct wrong *x)
{
    x->w.agency = (char *)(uintptr_t) "XX-1";
}
static void draft_place(struct wrong *x)
{
    x->w.place = (char *)(uintptr_t) "4920";
}
static void draft_person(struct wrong *x)
{
    x->r.has_person_token = 1;
    x->r.person_token = pb_borrow(slice_of(FIFTEEN, 15));
}
static void draft_case(struct wrong *x)
{
    x->r.case_token = pb_borrow(slice_of(FIFTEEN, 15));
}
static void draft_actor(struct wrong *x)
{
    x->r.actor = pb_borrow(slice_of(FIFTEEN, 15));
}
static void draft_causation(struct wrong *x)
{
    x->r.causation = pb_borrow(slice_of(FIFTEEN, 15));
}
static void draft_correlation(struct wrong *x)
{
    x->r.has_correlation = 1;
    x->r.correlation = pb_borrow(slice_of(FIFTEEN, 15));
}

static void draft_basis_number(struct wrong *x)
{
    x->w.basis = (char *)(uintptr_t) "番号 123456789018";
}
static void draft_role_number(struct wrong *x)
{
    x->w.role = (char *)(uintptr_t) "123456789018";
}
static void draft_actor_number(struct wrong *x)
{
    x->r.actor_role = (char *)(uintptr_t) "1234-5678-9018";
}
static void draft_basis_control(struct wrong *x)
{
    x->w.basis = (char *)(uintptr_t) "a\x07";
}

static const struct {
    const char *name;
    void (*change)(struct wrong *x);
    enum err want;
} DRAFTS[] = {
    {"W-038 a role at a place, tokens and ids of 16 bytes", draft_good, ERR_OK},
    {"W-012 unknown type", draft_type, ERR_EVT_TYPE},
    {"W-012 a body of another type", draft_other_type, ERR_EVT_TYPE},
    {"W-012 an event of the hub, by a hospital", draft_hub_only,
     ERR_EVT_HUB_ONLY},
    {"W-014 sequence number 0", draft_seq, ERR_EVT_SEQ},
    {"W-013 created at 0", draft_created, ERR_EVT_TIME},
    {"W-010 no id", draft_id, ERR_EVT_ID},
    {"W-011 an agency code too short", draft_agency, ERR_VAL_CODE_LENGTH},
    {"W-011 an empty node name", draft_node, ERR_VAL_REQUIRED},
    {"W-056 a body against the rules", draft_body, ERR_VAL_TYPE},
    {"W-038 a recipient without purpose", draft_purpose, ERR_EVT_PURPOSE},
    {"W-038 neither agency nor role", draft_nobody, ERR_EVT_RECIPIENT},
    {"W-038 an agency code of no scheme", draft_recipient, ERR_EVT_RECIPIENT},
    {"W-038 a place of four digits", draft_place, ERR_EVT_RECIPIENT},
    {"W-052 a My Number in the basis claimed", draft_basis_number,
     ERR_VAL_MYNUMBER},
    {"W-052 a My Number as a role wanted", draft_role_number, ERR_VAL_MYNUMBER},
    {"W-052 a My Number as the actor's role", draft_actor_number,
     ERR_VAL_MYNUMBER},
    {"W-053 a control character in the basis", draft_basis_control,
     ERR_VAL_TEXT_CONTROL},
    {"W-038 a person token of 15 bytes", draft_person, ERR_EVT_TOKEN},
    {"W-038 a case token of 15 bytes", draft_case, ERR_EVT_TOKEN},
    {"W-038 an actor of 15 bytes", draft_actor, ERR_EVT_TOKEN},
    {"W-038 a cause of 15 bytes", draft_causation, ERR_EVT_ID},
    {"W-038 a correlation of 15 bytes", draft_correlation, ERR_EVT_ID},
};

static void what_could_not_be_opened_is_not_made(void **state)
{
    (void)state;
    struct sample_keys k = sample_key();
    const struct schema_message *m = schema_event(1001);
    for (size_t i = 0; i < NELEM(DRAFTS); i++) {
        ProtobufCMessage *body = sample_body(m);
        struct wrong x = {.body = (Pb__AdmissionRecorded *)body,
                          .r = PB__ROUTING__INIT,
                          .w = PB__WANTED__INIT};
        x.to[0] = &x.w;
        x.r.n_to = 1;
        x.r.to = x.to;
        x.d = sample_draft(m, body, &x.r);
        draft_good(&x);
        DRAFTS[i].change(&x);
        struct buf out = {0};
        enum err e = event_make(&x.d, k.secret, &out);
        if (e != DRAFTS[i].want || (e == ERR_OK) != (out.n > 0))
            fail_msg("%s: %s", DRAFTS[i].name, err_code(e));
        if (e == ERR_OK)
            assert_int_equal(open_and_close(buf_slice(&out)), ERR_OK);
        buf_fini(&out);
        unpack_free(&body);
    }
}

static void the_last_checkpoint_seen_is_in_the_header(void **state) /* W-015 */
{
    (void)state;
    struct sample_keys k = sample_key();
    const struct schema_message *m = schema_event(1411);
    ProtobufCMessage *body = sample_body(m);
    Pb__Routing r = PB__ROUTING__INIT;
    struct event_draft d = sample_draft(m, body, &r);
    uint8_t root[32] = {9};
    d.seen_size = 12;
    d.seen_root = root;
    struct buf out = {0};
    assert_int_equal(event_make(&d, k.secret, &out), ERR_OK);
    struct event *ev;
    assert_int_equal(event_open(buf_slice(&out), &ev), ERR_OK);
    assert_int_equal(ev->header->seen_size, 12);
    assert_memory_equal(ev->header->seen_root.data, root, 32);
    event_close(&ev);
    buf_fini(&out);
    unpack_free(&body);
}

/* ---- what recipients open ------------------------------------------------ */

static enum err open_some(const Pb__Event *msg, uint64_t mask,
                          const uint8_t *key, struct event **ev)
{
    Pb__Part *some[CLASS_MAX];
    size_t n = 0;
    for (size_t i = 0; i < msg->n_part; i++)
        if ((mask & class_bit(msg->part[i]->cls)) != 0)
            some[n++] = msg->part[i];
    return event_open_released(pb_slice(msg->header), pb_slice(msg->signature),
                               key, some, n, ev);
}

/* W-031, W-036 */
static void any_released_parts_open_and_show_no_more(void **state)
{
    (void)state;
    struct sample_keys k = sample_key();
    const struct schema_message *m = schema_event(1001);
    struct buf b = packed_sample(m, &k);
    Pb__Event *msg = opened(&pb__event__descriptor, buf_slice(&b));
    for (size_t bits = 0; bits < (size_t)1 << m->class_count; bits++) {
        uint64_t mask = 0;
        for (size_t i = 0; i < m->class_count; i++)
            mask |= (bits >> i & 1) != 0 ? class_bit(m->classes[i]) : 0;
        struct event *ev;
        assert_int_equal(open_some(msg, mask, k.public, &ev), ERR_OK);
        assert_true(ev->present == mask);
        assert_null(ev->routing);
        Pb__AdmissionRecorded *a = (Pb__AdmissionRecorded *)ev->body;
        assert_int_equal(a->name != NULL, (mask & class_bit(2)) != 0);
        assert_int_equal(a->dx_main != NULL, (mask & class_bit(10)) != 0);
        assert_int_equal(a->note != NULL, (mask & class_bit(35)) != 0);
        event_close(&ev);
    }
    ProtobufCMessage *done = &msg->base;
    unpack_free(&done);
    buf_fini(&b);
}

static void release_nothing(Pb__Event *m)
{
    (void)m;
}
static void release_routing(Pb__Event *m)
{
    m->part[1]->cls = 0;
}
static void release_disorder(Pb__Event *m)
{
    Pb__Part *p = m->part[1];
    m->part[1] = m->part[2];
    m->part[2] = p;
}
static void release_twice(Pb__Event *m)
{
    put_bytes(&m->part[2]->body, pb_slice(m->part[1]->body));
    put_bytes(&m->part[2]->salt, pb_slice(m->part[1]->salt));
    m->part[2]->cls = m->part[1]->cls;
}
static void release_changed(Pb__Event *m)
{
    put_bytes(&m->part[2]->body, SLICE_NONE);
}
static void release_as_other(Pb__Event *m)
{
    m->part[1]->cls = 12;
}
static void release_signature(Pb__Event *m)
{
    m->signature.data[0] ^= 1;
}
static void release_header(Pb__Event *m)
{
    m->header.data[m->header.len - 1] ^= 1;
}
static void release_short_signature(Pb__Event *m)
{
    m->signature.len = 63;
}

static const struct {
    const char *name;
    void (*change)(Pb__Event *m);
    enum err want;
} RELEASES[] = {
    {"as released", release_nothing, ERR_OK},
    {"W-031 a routing part", release_routing, ERR_EVT_PARTS},
    {"W-122 parts in another order", release_disorder, ERR_EVT_PARTS},
    {"W-122 a part twice", release_twice, ERR_EVT_PARTS},
    {"W-034 a part changed", release_changed, ERR_EVT_COMMITMENT},
    {"W-035 a part of a class the type cannot have", release_as_other,
     ERR_EVT_CLASS},
    {"W-041 a signature changed", release_signature, ERR_EVT_SIGNATURE},
    {"W-041 a header changed", release_header, ERR_EVT_SIGNATURE},
    {"W-041 a signature of 63 bytes", release_short_signature,
     ERR_EVT_SIGNATURE},
};

static void a_recipient_refuses_what_was_not_signed(void **state)
{
    (void)state;
    struct sample_keys k = sample_key();
    for (size_t i = 0; i < NELEM(RELEASES); i++) {
        struct buf b = packed_sample(schema_event(1001), &k);
        Pb__Event *msg = opened(&pb__event__descriptor, buf_slice(&b));
        RELEASES[i].change(msg);
        struct event *ev;
        enum err e =
            event_open_released(pb_slice(msg->header), pb_slice(msg->signature),
                                k.public, msg->part + 1, msg->n_part - 1, &ev);
        if (e != RELEASES[i].want || (e == ERR_OK) != (ev != NULL))
            fail_msg("%s: %s", RELEASES[i].name, err_code(e));
        event_close(&ev);
        ProtobufCMessage *done = &msg->base;
        unpack_free(&done);
        buf_fini(&b);
    }
}

/* A newer sender: another digest, a new class before the last one, a new
 * field in a class we know. */
static struct buf newer_event(const struct sample_keys *k)
{
    struct forge f = forge_begin(schema_event(1001), k);
    f.h->schema_digest.data[0] ^= 1;
    struct buf b = {0};
    buf_add(&b, f.msg->part[2]->body.data, f.msg->part[2]->body.len);
    buf_adds(&b, "\xf8\x01\x01");
    put_bytes(&f.msg->part[2]->body, buf_slice(&b));
    commit_anew(&f, 2);
    f.msg->part[5]->cls = 60;
    put_bytes(&f.msg->part[5]->body, slice_str("\xf8\x01\x01"));
    commit_anew(&f, 5);
    buf_fini(&b);
    return forge_end(&f, k);
}

/* W-002, W-003 */
static void a_newer_schema_loses_only_what_we_do_not_know(void **state)
{
    (void)state;
    struct sample_keys k = sample_key();
    struct buf b = newer_event(&k);
    assert_int_equal(open_and_close(buf_slice(&b)), ERR_EVT_SCHEMA);
    Pb__Event *msg = opened(&pb__event__descriptor, buf_slice(&b));
    struct event *ev;
    /* G_NOTE, whose place the new class has moved, G_ID and the new one */
    uint64_t some = class_bit(2) | class_bit(35) | class_bit(60);
    msg->part[6]->cls = 35;
    Pb__Part *parts[] = {msg->part[2], msg->part[6], msg->part[5]};
    assert_int_equal(event_open_released(pb_slice(msg->header),
                                         pb_slice(msg->signature), k.public,
                                         parts, 3, &ev),
                     ERR_OK);
    assert_true(ev->present == (some & ~class_bit(60)));
    Pb__AdmissionRecorded *a = (Pb__AdmissionRecorded *)ev->body;
    assert_string_equal(a->name->kanji, "架空花子");
    assert_non_null(a->note);
    assert_int_equal(ev->body->n_unknown_fields, 0);
    event_close(&ev);
    msg->part[2]->body.data[4] ^= 1; /* checked before it is pruned */
    assert_int_equal(open_some(msg, some, k.public, &ev), ERR_EVT_COMMITMENT);
    ProtobufCMessage *done = &msg->base;
    unpack_free(&done);
    buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type_is_made_and_opened),
        cmocka_unit_test(an_absent_class_is_committed_to_as_well),
        cmocka_unit_test(a_forgery_is_refused_by_its_rule),
        cmocka_unit_test(a_changed_bit_never_opens_with_a_good_signature),
        cmocka_unit_test(an_event_cut_off_is_refused),
        cmocka_unit_test(an_event_has_a_header_and_a_signature),
        cmocka_unit_test(another_key_does_not_fit),
        cmocka_unit_test(what_could_not_be_opened_is_not_made),
        cmocka_unit_test(the_last_checkpoint_seen_is_in_the_header),
        cmocka_unit_test(any_released_parts_open_and_show_no_more),
        cmocka_unit_test(a_recipient_refuses_what_was_not_signed),
        cmocka_unit_test(a_newer_schema_loses_only_what_we_do_not_know),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
