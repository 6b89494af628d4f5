/* Records into groups: a segment into the blocks of a partial, a small file into the result. */
#ifndef PLAYS_KERNEL_SEGMENT_H
#define PLAYS_KERNEL_SEGMENT_H

#include "common.h"
#include "groupfile.h"
#include "scan.h"
#include "table_rows.h"

typedef struct {
    uint64_t seed;
    size_t memory; /* bytes, about */
    size_t sample; /* rows after which it is first asked whether a table is worth its while */
    uint64_t base; /* bytes of the inputs before this one: rows of all of them are in one order */
} pk_means;

/* Aggregates the records of a scan into blocks by partition. */
pk_status pk_aggregate_segment(pk_scan *scan, const pk_means *means, pk_writer *writer);

/* Aggregates the records of a scan into a result, made only where all goes well. PK_OUTGROWN: the
 * groups need more memory. */
pk_status pk_aggregate_whole(pk_scan *scan, const pk_means *means, const pk_new_result *result,
                             uint64_t *groups);

#endif
