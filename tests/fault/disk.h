/* disk.h - what a power cut leaves of some folders: the strictest reading of
 * POSIX.
 *
 * A file's content is on disk as it was at its last fsync or fdatasync; a name
 * is on disk when its folder was synced after it was made, moved or removed.
 * Nothing else is. (Folders in folders are taken as they are.)
 *
 *   NOSYNC_ROOT     the folders, by colons
 *   NOSYNC_SHADOW   where the disk is kept, on the same file system:
 *     ino/N   content of inode N at its last sync
 *     link/N  a hard link, so that no number is used twice
 *     dir/P   "N name" lines of a folder at its last sync, P its path with
 *             '%' for '/' */
#ifndef TESTS_FAULT_DISK_H
#define TESTS_FAULT_DISK_H
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define DISK_FOLDERS 16

/* Whether a file or folder with this path lies in one of the folders. */
bool disk_has(const char *path);
/* A sync of an open file. from..to: where it was written since its last sync;
 * all: nobody knows. */
void disk_keep_file(int fd, off_t from, off_t to, bool all);
/* A sync of a folder. */
void disk_keep_folder(const char *path);
/* Everything as it is now is on disk. */
void disk_settle(void);
/* The power is cut: the folders are as the disk has them. seed 0: nothing that
 * was not synced is there; else each block of 4096 bytes and each folder's
 * list of names is there or not by chance. */
void disk_cut(uint64_t seed);
#endif
