/* A stable sort of offsets by what they stand for, of more than fits the memory. */
#ifndef PLAYS_KERNEL_SORTER_H
#define PLAYS_KERNEL_SORTER_H

#include "common.h"
#include "order.h"
#include "runs.h"

/* Entries are sorted by their prefix (the first 8 bytes of their text), then by their text. `what`
 * of an entry: where in `texts` its offset, its text's length and its text are; or, where the prefix
 * says all, PK_NO_TEXT and its offset. */
#define PK_NO_TEXT (1ULL << 63)

typedef struct {
    pk_placed *entries;
    pk_placed *spare;
    size_t count;
    size_t capacity;
    size_t spare_capacity;
    uint8_t *texts;
    size_t texts_used;
    size_t texts_size;
    size_t memory;
    bool descending;
    pk_runs runs;
} pk_sorter;

void pk_sorter_open(pk_sorter *sorter, size_t memory, bool descending, const char *scratch);
void pk_sorter_close(pk_sorter *sorter);
/* `text` is kept as a copy; where `length` is 0 the prefix says all. */
pk_status pk_sorter_add(pk_sorter *sorter, uint64_t prefix, const uint8_t *text, uint32_t length,
                        uint64_t offset);
/* Gives all offsets to `put`, in order; equal ones in the order in which they were added. */
pk_status pk_sorter_finish(pk_sorter *sorter, pk_put *put, void *context);

/* From a number to its bytes in the order in which they compare like it, and back. */
static inline uint64_t
pk_big_endian(uint64_t number)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    return number;
#else
    return __builtin_bswap64(number);
#endif
}

/* The 8 bytes of a text from `depth` on as a number that compares as they do; beyond its end 0. */
static inline uint64_t
pk_text_prefix(const uint8_t *text, size_t length, size_t depth)
{
    uint8_t bytes[8] = {0};
    if (PK_LIKELY(depth + 8 <= length)) {
        memcpy(bytes, text + depth, 8);
    } else if (depth < length) {
        memcpy(bytes, text + depth, length - depth);
    }
    uint64_t number;
    memcpy(&number, bytes, 8);
    return pk_big_endian(number);
}

#endif
