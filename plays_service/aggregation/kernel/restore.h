/* Runs into the result; merge.py is the specification. */
#ifndef PLAYS_KERNEL_RESTORE_H
#define PLAYS_KERNEL_RESTORE_H

#include "common.h"
#include "groupfile.h"

/* Writes the rows of all blocks (of runs) to `descriptor` at `offset`, bucket by bucket, each in
 * order of first row. */
pk_status pk_write_ranges(const pk_blocks *runs, int descriptor, uint64_t offset,
                          pk_failure *failure);

#endif
