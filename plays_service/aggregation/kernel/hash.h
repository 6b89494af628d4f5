/* The seeded hash of a key; keys.py is its specification. */
#ifndef PLAYS_KERNEL_HASH_H
#define PLAYS_KERNEL_HASH_H

#include "common.h"

#define PK_SECRET_0 0x9E3779B97F4A7C15ULL
#define PK_SECRET_1 0xD1B54A32D192ED03ULL

static inline uint64_t
pk_fold(uint64_t a, uint64_t b)
{
    pk_uint128 product = (pk_uint128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* Songs up to this length are hashed in two steps, always the same: which ones a song takes cannot
 * be predicted. */
#define PK_HASH_SHORT 32

/* How hashing starts, and what it adds to each word. */
typedef struct {
    uint64_t state;
    uint64_t secret;
} pk_hash_start;

/* Hashes with one seed. */
typedef struct {
    uint64_t seed;
    pk_hash_start starts[PK_HASH_SHORT + 1]; /* by length */
} pk_hasher;

static inline pk_hash_start
pk_hash_begin(uint64_t seed, size_t length)
{
    uint64_t state = seed ^ pk_fold((seed ^ PK_SECRET_0) | 1, PK_SECRET_1 ^ length);
    return (pk_hash_start){state, pk_fold(state ^ PK_SECRET_1, PK_SECRET_0)};
}

static inline void
pk_hasher_init(pk_hasher *hasher, uint64_t seed)
{
    hasher->seed = seed;
    for (size_t length = 0; length <= PK_HASH_SHORT; length++) {
        hasher->starts[length] = pk_hash_begin(seed, length);
    }
}

/* The 8 bytes at `at` of a text, zeros beyond its length, which is at most PK_HASH_SHORT. */
static inline uint64_t
pk_hash_word(const uint8_t *text, size_t length, size_t at)
{
    static const uint8_t window[2 * PK_HASH_SHORT] = {
        255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
        255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
    };
    return pk_load64(text + at) & pk_load64(window + PK_HASH_SHORT - length + at);
}

uint64_t pk_hash_long(const uint8_t *song, size_t length, uint64_t seed);

/* The hash of a key. `song` (not empty) must be readable for PK_PADDING bytes beyond its length. */
static inline uint64_t
pk_key_hash(const pk_hasher *hasher, const uint8_t *song, size_t length, uint32_t date)
{
    uint64_t state;
    if (PK_LIKELY(length <= PK_HASH_SHORT)) {
        pk_hash_start start = hasher->starts[length];
        uint64_t one = pk_fold(pk_hash_word(song, length, 0) ^ start.secret,
                               pk_hash_word(song, length, 8) ^ start.state);
        uint64_t two = pk_fold(pk_hash_word(song, length, 16) ^ start.secret,
                               pk_hash_word(song, length, 24) ^ one);
        state = one ^ ((one ^ two) & (0 - (uint64_t)(length > 16)));
    } else {
        state = pk_hash_long(song, length, hasher->seed);
    }
    return pk_fold(state ^ date, PK_SECRET_0);
}

static inline uint32_t
pk_partition_of(uint64_t hash)
{
    return (uint32_t)(hash >> (64 - PK_PARTITION_BITS));
}

#endif
