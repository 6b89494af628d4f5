/* Rows distributed over buckets: a partial's partitions, a run's ranges. */
#ifndef PLAYS_KERNEL_SCATTER_H
#define PLAYS_KERNEL_SCATTER_H

#include "common.h"
#include "groupfile.h"

typedef struct pk_chunk pk_chunk;

typedef struct {
    uint8_t *cursor;
    uint8_t *end; /* of what may be written, the padding of the last text left out */
    pk_chunk *newest;
    pk_chunk *oldest;
    uint32_t rows;
} pk_bucket;

typedef struct {
    pk_bucket *buckets;
    size_t count;
    void **slabs;
    size_t slab_count;
    size_t slab_capacity;
    size_t slab_used;  /* chunks of the newest slab */
    pk_chunk *oversize;  /* chunks of their own allocation */
    size_t bytes;      /* of rows */
} pk_scatter;

/* Bytes of a row besides its text. */
#define PK_ROW_HEAD 24

void pk_scatter_init(pk_scatter *scatter);
void pk_scatter_free(pk_scatter *scatter);
/* Makes buckets up to `count`. */
pk_status pk_scatter_reserve(pk_scatter *scatter, size_t count);
/* Gives the bucket a chunk in which a text of `length` has room. */
pk_status pk_scatter_extend(pk_scatter *scatter, pk_bucket *bucket, size_t length);
/* Writes each bucket that has rows as one block, and forgets the rows. */
pk_status pk_scatter_flush(pk_scatter *scatter, pk_writer *writer);

/* Adds a row to a bucket that exists; `text` is padded. */
static inline pk_status
pk_scatter_add(pk_scatter *scatter, uint32_t number, uint64_t first, uint32_t date, int64_t total,
               const uint8_t *text, uint32_t length)
{
    PK_ASSERT(number < scatter->count);
    pk_bucket *bucket = &scatter->buckets[number];
    size_t size = PK_ROW_HEAD + (size_t)length;
    if (PK_UNLIKELY((size_t)(bucket->end - bucket->cursor) < size)) {
        pk_status status = pk_scatter_extend(scatter, bucket, length);
        if (status != PK_OK) {
            return status;
        }
    }
    uint8_t *row = bucket->cursor;
    memcpy(row, &first, 8);
    memcpy(row + 8, &total, 8);
    memcpy(row + 16, &date, 4);
    memcpy(row + 20, &length, 4);
    pk_copy(row + PK_ROW_HEAD, text, length);
    bucket->cursor = row + size;
    bucket->rows++;
    scatter->bytes += size;
    return PK_OK;
}

#endif
