/* signer.h - signs the head of the log after each commit.
 *
 * It is given the committed leaf bytes and keeps its own frontier by its own
 * code, apart from hub/core/merkle: the head is signed only when both agree,
 * so a flipped bit in either can never become a signed head. */
#ifndef TSUNAGI_APP_SIGNER_H
#define TSUNAGI_APP_SIGNER_H
#include "proto/wire/proof.h"

struct signer;
/* keys: the log's (borrowed). state_path: where size and frontier are kept,
 * outside the database. size 0 when the file is absent. */
enum err signer_open(const char *origin, const struct node_keys *keys,
                     const char *state_path, struct signer **out) MUST_CHECK;
/* The same without looking at what is there: a new epoch begins with nothing,
 * and its first save replaces the state of the one before. */
enum err signer_new(const char *origin, const struct node_keys *keys,
                    const char *state_path, struct signer **out) MUST_CHECK;
/* Whose state lies at a path, and what it has signed. ERR_NOT_FOUND. */
enum err signer_peek(const char *state_path, char origin[ORIGIN_MAX],
                     uint64_t *size) MUST_CHECK;
/* Writes the state durably. */
void signer_close(struct signer **s);
uint64_t signer_size(const struct signer *s);
/* The next leaf, in order. */
void signer_add(struct signer *s, struct slice leaf);
struct hash signer_root(const struct signer *s);
/* The head as it stands, when it equals (size, root); ERR_INTEGRITY else. */
enum err signer_sign(struct signer *s, uint64_t size, struct hash root,
                     struct buf *note) MUST_CHECK;
/* Writes the state if a newer head was signed since, never one that was not;
 * called about once a second, at the start and at the end. */
enum err signer_save(struct signer *s) MUST_CHECK;
#endif
