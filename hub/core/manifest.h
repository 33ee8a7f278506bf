/* manifest.h - which policy pack is meant, and who approved it.
 *
 * A pack is a folder of tables and a manifest, a C2SP signed note:
 *
 *   <origin>/policy
 *   version 3
 *   not-before 2026-04-01T00:00:00+09:00
 *   <sha256 in hex> vocab.tsv          (every file of the pack, in order)
 *
 * It acts when two different people, both approvers in force, have signed it,
 * when its version is higher than the one in force and its day has come. */
#ifndef TSUNAGI_CORE_MANIFEST_H
#define TSUNAGI_CORE_MANIFEST_H
#include "hub/core/approve.h"
#include "hub/core/policy.h"

#define PACK_FILES (POLICY_FILES + 1) /* the tables, then the cases */
#define PACK_FILE_MAX (1U << 20)      /* bytes of one file */
#define MANIFEST_NAME "manifest"
/* Name of a file of the pack, in the order of enum policy_file. */
const char *pack_file_name(size_t i);

/* ---- the manifest ---- */
struct manifest {
    char origin[ORIGIN_MAX]; /* without "/policy" */
    uint64_t version, not_before_ms;
    uint8_t file[PACK_FILES][32];
    uint8_t digest[32]; /* SHA-256 of the text that is signed */
};
/* Appends the text of a manifest, unsigned. */
void manifest_write(const char *origin, uint64_t version,
                    uint64_t not_before_ms,
                    const struct slice files[PACK_FILES], struct buf *text);
/* Reads the text of a note. ERR_POL_MANIFEST. */
enum err manifest_parse(struct slice note, struct manifest *out,
                        struct buf *why) MUST_CHECK;
/* Everything that a pack must fulfil to act. */
struct manifest_ask {
    struct slice note;
    struct slice files[PACK_FILES];
    const char *origin; /* of the hub */
    const struct approvers *approvers;
    uint64_t in_force; /* version, 0: none yet */
    uint64_t now_ms;
};
/* ERR_POL_MANIFEST malformed or of another hub; ERR_POL_FILES a file is not
 * the one approved; ERR_POL_APPROVALS fewer than two people, or a false
 * signature; ERR_POL_VERSION not higher than in force; ERR_POL_EARLY its day
 * has not come. why gets a line that says which. */
enum err manifest_verify(const struct manifest_ask *ask, struct manifest *out,
                         struct approvals *by, struct buf *why) MUST_CHECK;

/* ---- the pack as bytes, as the store keeps it ---- */
/* Appends: length (u32, big endian) and bytes, of the note, then each file. */
void pack_join(struct slice note, const struct slice files[PACK_FILES],
               struct buf *out);
/* The same taken apart, borrowed from bytes. ERR_POL_MANIFEST. */
enum err pack_split(struct slice bytes, struct slice *note,
                    struct slice files[PACK_FILES]) MUST_CHECK;
#endif
