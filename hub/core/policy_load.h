/* policy_load.h - reading the cells of a policy pack: words to masks, days to
 * numbers, and where a fault is told. Shared by policy_parse.c and
 * policy_terms.c, which know what the columns mean. */
#ifndef TSUNAGI_CORE_POLICY_LOAD_H
#define TSUNAGI_CORE_POLICY_LOAD_H
#include "hub/core/policy_table.h"
#include "proto/base/tsv.h"

/* The row being read, and where its faults are told. */
struct load {
    struct policy *p;
    struct buf *why;
    enum policy_file file;
    size_t row, faults;
    size_t use_room;
};
/* Notes a fault of the row being read: "file:line: error code: column: ...". */
void load_fault(struct load *l, const char *column, const char *sentence);
const char *load_cell(const struct load *l, const char *column);
/* A cell that must not be empty. */
const char *load_text(struct load *l, const char *column);
/* A day, or `open` for an empty cell. */
int32_t load_day(struct load *l, const char *column, int32_t open);
/* A number without sign; -1 and a fault when it is none. */
int64_t load_number(struct load *l, const char *column);

#define WORD_MAX 96
/* Takes the next word of a list; false at its end. A word too long is cut,
 * and is then unknown. */
bool load_word(const char **s, char word[WORD_MAX]);

/* The bit of a word of a kind, 0 when it is unknown. */
typedef uint64_t load_bit(const struct policy *p, const char *word);
load_bit load_role_bit, load_purpose_bit, load_predicate_bit, load_class_bit;
uint64_t load_every(const struct policy *p, enum symbol_kind kind);
/* A set: words by spaces, `*` every one, `!word` takes one out. */
uint64_t load_set(struct load *l, const char *column, load_bit *bit,
                  uint64_t all);
/* The same, and must not be empty. */
uint64_t load_some(struct load *l, const char *column, load_bit *bit,
                   uint64_t all);
uint64_t load_classes(struct load *l, const char *column);

/* Calls use for every event of the cell `event`; variant 0 is any. */
typedef void load_use(struct load *l, uint16_t event, uint16_t variant,
                      void *ctx);
void load_events(struct load *l, load_use *use, void *ctx);

/* False when the table or the kind is full; the caller knows it is new. */
bool policy_add_symbol(struct policy *p, struct symbol s, uint16_t limit);

/* The terms of breakglass.tsv, retention.tsv and authority.tsv, row by row. */
void load_breakglass(struct load *l);
void load_retention(struct load *l);
void load_authority(struct load *l);
/* Numbers this program asks for and the pack does not give. */
void load_check_terms(struct load *l);
#endif
