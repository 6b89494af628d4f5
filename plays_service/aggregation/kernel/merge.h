/* Partials into runs, into one partial, or into the result; merge.py is the specification. */
#ifndef PLAYS_KERNEL_MERGE_H
#define PLAYS_KERNEL_MERGE_H

#include "common.h"
#include "groupfile.h"
#include "table_rows.h"

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

/* Merges all blocks (of partials, by partition) into the result, which begins with a header. No more
 * than the memory is needed for that; PK_OUTGROWN: it may not be enough, and there is no result. */
pk_status pk_merge_at_once(pk_blocks *partials, const pk_merge_means *means,
                           const pk_new_result *result, uint64_t *groups, pk_failure *failure);

#endif
