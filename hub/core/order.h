/* order.h - what a hub does only when people sign it.
 *
 * An order is a C2SP signed note (approve.h) over these lines:
 *
 *   tsunagi-order/1
 *   <origin>                  of the log it is for
 *   kind erase|hold|lift|delay|epoch
 *   order <32 hex digits>     names it in leaves, lists and certificates
 *   made 2026-04-01T09:00:00+09:00
 *   <key> <value> ...         by kind, below
 *
 *   erase  subject reason asked_on asked_by urgent
 *   hold   subject reason until
 *   lift   subject
 *   delay  subject leaf (one or more) until basis
 *   epoch  reason new old_size old_sha256      <origin>: the log that ends
 *
 * subject is a random reference that the hub gave for this purpose: nobody's
 * name, number or token is in an order. Two different people sign (GL 6.0:
 * what cannot be undone is approved twice); a hold, which only keeps, one. */
#ifndef TSUNAGI_CORE_ORDER_H
#define TSUNAGI_CORE_ORDER_H
#include "hub/core/approve.h"
#include "proto/base/id.h"

enum order_kind {
    ORDER_ERASE, /* a person's data at the hub and at every holder */
    ORDER_HOLD,  /* keeps what an erasure or an expiry would destroy */
    ORDER_LIFT,  /* ends the holds of a person */
    ORDER_DELAY, /* rows of a person's report wait until a day */
    ORDER_EPOCH, /* a log goes on under a new origin after a restore */
    ORDER_KINDS
};
#define ORDER_REASON_MAX 24
#define ORDER_LEAVES 64
#define ORDER_BASIS_MAX 32
#define ORDER_OLDEST_MS (30 * 86400000ull) /* when it is submitted */
#define ORDER_CLOCK_MS (15 * 60000ull)     /* a clock that is ahead */

struct order {
    enum order_kind kind;
    char origin[ORIGIN_MAX];
    struct id order;
    uint64_t made_ms; /* a whole second */
    uint8_t subject[ID_BYTES];
    char reason[ORDER_REASON_MAX]; /* a code of its kind (order_reason_ja) */
    int32_t asked_on;              /* days since 1970 */
    char asked_by[AGENCY_MAX];     /* that took the request */
    bool urgent;                   /* this night, whatever else waits */
    int32_t until;                 /* the last day, since 1970 */
    uint64_t leaf[ORDER_LEAVES];
    size_t leaf_count;
    char basis[ORDER_BASIS_MAX];
    char new_origin[ORIGIN_MAX];
    uint64_t old_size;
    uint8_t old_sha256[32];
    uint8_t digest[32]; /* read: SHA-256 of the text that is signed */
};

/* "erase" ...; and back, false for another word. */
const char *order_kind_name(enum order_kind k);
bool order_kind_of(const char *name, enum order_kind *out);
/* People who must sign. */
size_t order_need(enum order_kind k);
/* The sentence of a reason of a kind; NULL when it has no such reason. */
const char *order_reason_ja(enum order_kind k, const char *reason);
const char *order_reason_en(enum order_kind k, const char *reason);
/* Every reason of a kind by spaces, for help and faults; "" when none. */
void order_reasons(enum order_kind k, struct buf *out);

/* Appends the text, unsigned. Fields that its kind has not are not looked at.
 */
void order_write(const struct order *o, struct buf *text);
/* Reads the text of a note, signed or bare. ERR_ORDER_FORM; why gets a line. */
enum err order_parse(struct slice note, struct order *out,
                     struct buf *why) MUST_CHECK;

struct order_ask {
    struct slice note;
    const char *origin;                /* of the log it must be for */
    const struct approvers *approvers; /* anchored */
    uint64_t now_ms;
};
/* ERR_ORDER_FORM malformed; ERR_ORDER_OTHER for another log; ERR_ORDER_OLD made
 * more than 30 days ago, or ahead of the clock; ERR_ORDER_APPROVALS a false
 * signature, or too few people. by borrows from approvers. */
enum err order_verify(const struct order_ask *ask, struct order *out,
                      struct approvals *by, struct buf *why) MUST_CHECK;
#endif
