/* Records through the index: nearly all of them. */
#ifndef PLAYS_KERNEL_INDEXED_H
#define PLAYS_KERNEL_INDEXED_H

#include "scan.h"

/* Bytes that are indexed with their quotes at first, where these are not as they should be. */
#define PK_ODD_STRETCH (PK_WINDOW / 128 + 8)

/* Indexes from the buffer's position to `end`, and takes what it can of the records that start
 * before `limit`; both are positions in the buffer. */
pk_status pk_take_indexed(pk_scan *scan, size_t end, size_t limit);

#endif
