/* Partials into runs, runs into the result; merge.py is the specification. */
#ifndef PLAYS_KERNEL_MERGE_H
#define PLAYS_KERNEL_MERGE_H

#include "common.h"
#include "groupfile.h"

typedef struct {
    uint64_t seed;
    size_t memory;       /* bytes, about */
    uint64_t range_size; /* bytes of input that a bucket of the run spans */
} pk_merge_means;

/* Merges all blocks (of partials, by partition) into rows of the result, as blocks by range of
 * first row. */
pk_status pk_merge(const pk_blocks *partials, const pk_merge_means *means, pk_writer *run,
                   uint64_t *groups, pk_failure *failure);

/* Merges all blocks (of partials, by partition) into blocks of one partial. */
pk_status pk_combine(const pk_blocks *partials, const pk_merge_means *means, pk_writer *partial,
                     uint64_t *groups, pk_failure *failure);

/* Writes the rows of all blocks (of runs) to `descriptor` at `offset`, bucket by bucket, each in
 * order of first row. */
pk_status pk_write_ranges(const pk_blocks *runs, int descriptor, uint64_t offset,
                          pk_failure *failure);

#endif
