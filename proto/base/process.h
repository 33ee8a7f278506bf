/* process.h - what a process that holds keys does before it reads them. */
#ifndef TSUNAGI_BASE_PROCESS_H
#define TSUNAGI_BASE_PROCESS_H

/* No core dump, no other process of the same user may look into the memory.
 * Warns when memory cannot be kept out of the swap. */
void process_harden(void);
#endif
