/* What all parts of the kernel share: outcomes, bounds, bytes in memory. */
#ifndef PLAYS_KERNEL_COMMON_H
#define PLAYS_KERNEL_COMMON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if !defined(__SIZEOF_INT128__)
#error "the kernel needs a 64-bit GCC or Clang; the pure implementation runs everywhere"
#endif

#ifdef PK_DEBUG
#include <assert.h>
#define PK_ASSERT(condition) assert(condition)
#else
#define PK_ASSERT(condition) ((void)0)
#endif

#define PK_LIKELY(condition) __builtin_expect(!!(condition), 1)
#define PK_UNLIKELY(condition) __builtin_expect(!!(condition), 0)

__extension__ typedef __int128 pk_int128;
__extension__ typedef unsigned __int128 pk_uint128;

typedef enum {
    PK_OK = 0,
    PK_STOPPED,   /* at the first bad record */
    PK_DOUBTED,   /* at a row that has to be proved first */
    PK_OUTGROWN,  /* the groups do not fit the memory */
    PK_NO_MEMORY,
    PK_INPUT_ERROR,  /* errno says why */
    PK_OUTPUT_ERROR, /* the same */
    PK_DAMAGED,  /* a group file that is not what it claims to be */
} pk_status;

/* Which of several inputs a call was at when it failed. */
typedef struct {
    size_t file;
} pk_failure;

/* Every buffer that holds text may be read (never used) this far beyond its text, so that short
 * texts need no special case; 64 is one block of the indexer. */
#define PK_PADDING 64

/* Longest record without its line end, as the CSV contract has it; a test makes it tiny. */
#ifndef PK_RECORD_LIMIT
#define PK_RECORD_LIMIT ((size_t)1 << 20)
#endif
#define PK_PARTITION_BITS 9
#define PK_PARTITIONS (1U << PK_PARTITION_BITS)
/* 9999-12-31 as YYYYMMDD. */
#define PK_DATE_MAX 99991231U

static inline uint64_t
pk_load64(const void *p)
{
    uint64_t value;
    memcpy(&value, p, sizeof value);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    value = __builtin_bswap64(value);
#endif
    return value;
}

static inline uint32_t
pk_load32(const void *p)
{
    uint32_t value;
    memcpy(&value, p, sizeof value);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    value = __builtin_bswap32(value);
#endif
    return value;
}

static inline const uint8_t *
pk_find_byte(const uint8_t *from, const uint8_t *end, uint8_t byte)
{
    return from < end ? memchr(from, byte, (size_t)(end - from)) : NULL;
}

/* Stores the low `width` (1, 2, 4, 8) bytes, little-endian. */
static inline void
pk_store(void *p, uint64_t value, unsigned width)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    value = __builtin_bswap64(value) >> (64 - 8 * width);
    uint8_t bytes[8];
    memcpy(bytes, &value, 8);
    memcpy(p, bytes + 8 - width, width);
#else
    switch (width) {
    case 1: memcpy(p, &value, 1); break;
    case 2: memcpy(p, &value, 2); break;
    case 4: memcpy(p, &value, 4); break;
    case 8: memcpy(p, &value, 8); break;
    default: break;
    }
#endif
}

/* Copies a text between padded buffers; short ones in two fixed steps, with no branch on the
 * length that could be mispredicted. */
static inline void
pk_copy(uint8_t *to, const uint8_t *from, size_t length)
{
    if (PK_LIKELY(length <= 32)) {
        memcpy(to, from, 16);
        memcpy(to + 16, from + 16, 16);
    } else {
        memcpy(to, from, length);
    }
}

#endif
