/* folder.h - a watched folder: files in, each taken whole or refused whole.
 *
 * A file that has stopped changing is read and given to the owner's callback.
 * Taken: it moves to done/. Refused: it moves to rejected/ with NAME.reason.txt
 * beside it. It leaves the folder only after the callback returned, so the
 * callback submits its events first; a crash between the two makes the same
 * file come again, and folder_source gives the same keys for it. */
#ifndef TSUNAGI_CONNECT_FOLDER_H
#define TSUNAGI_CONNECT_FOLDER_H
#include "tsunagi/adapter.h"

struct folder; /* opaque; one owner */

/* What became of one file; all zero when the callback is called. */
struct folder_result {
    tsunagi_code code;     /* NULL: taken */
    unsigned line, column; /* where, 1-based; 0: unknown */
    unsigned taken;        /* events of this file now in the spool */
    /* Text to lie beside the file: done/NAME.receipt.txt, or the end of the
     * reason. Allocated; taken by the folder. It may name rows, columns and
     * fields, never the personal content of the file. May be NULL. */
    char *text;
};

/* Decides one file: bytes are borrowed for the call. Codes that mean trouble
 * of this machine (folder_is_passing) leave the file where it is, to be
 * offered again. */
typedef void folder_reader(void *self, const char *name, const uint8_t *bytes,
                           size_t n, struct folder_result *r);

/* Watches path (made with done/ and rejected/ when absent; relative to the
 * node's directory). suffix: ".csv" or several, ".json,.csv", in any case of
 * letters; NULL for every file. Files above max_bytes are refused unread with
 * E-FIL-001. Ignored: sub-folders, links, names that begin with '.' or end in
 * .tmp .part .filepart. A file counts as complete once its size and time have
 * not changed for option folder_quiet_ms (500) between two scans; an empty one
 * after twenty times that. h (borrowed) may be NULL: defaults, no log lines.
 * E-IO-001 when the folders cannot be made. *out is NULL on error. */
tsunagi_code folder_open(struct tsunagi_host *h, const char *path,
                         const char *suffix, size_t max_bytes,
                         folder_reader *read, void *self, struct folder **out);
/* Call it on each tick. Oldest file first, names in order within one time. */
void folder_scan(struct folder *f);
/* Frees *f and sets it to NULL. Accepts NULL. */
void folder_close(struct folder **f);

/* A person is erased: removes from done/ the files that hold something of
 * theirs, whole, with what lies beside them. A file is known by the events its
 * receipt names, or by meant (may be NULL), which is asked about its bytes. A
 * file that was rejected became no event: it stays for whoever has to see to
 * it. E-IO-001: one could not be read or removed. */
typedef bool folder_meant(void *self, const struct tsunagi_erasure *e,
                          const uint8_t *bytes, size_t n);
tsunagi_code folder_erase(struct folder *f, const struct tsunagi_erasure *e,
                          folder_meant *meant);

/* True for codes that say nothing about the file: disk, memory, store, busy. */
bool folder_is_passing(tsunagi_code code);

/* A key for tsunagi_source made of the content (never the name) and a row
 * number (0: the whole file). */
#define FOLDER_SOURCE 64
void folder_source(const uint8_t *bytes, size_t n, unsigned row,
                   char out[FOLDER_SOURCE]);
#endif
