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
    uint64_t secrets[5]; /* of the table's own hash */
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
    for (size_t i = 0; i < 5; i++) {
        hasher->secrets[i] = pk_fold((seed ^ PK_SECRET_1) | 1, PK_SECRET_0 * (2 * i + 1));
    }
    for (size_t length = 0; length <= PK_HASH_SHORT; length++) {
        hasher->starts[length] = pk_hash_begin(seed, length);
    }
}

/* The 32 bytes of a text, zeros beyond its length, which is at most PK_HASH_SHORT. */
typedef struct {
    uint64_t at[4];
} pk_hash_words;

static inline pk_hash_words
pk_words_of(const uint8_t *text, size_t length)
{
    static const uint8_t window[2 * PK_HASH_SHORT] = {
        255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
        255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
    };
    const uint8_t *mask = window + PK_HASH_SHORT - length;
    return (pk_hash_words){{
        pk_load64(text) & pk_load64(mask),
        pk_load64(text + 8) & pk_load64(mask + 8),
        pk_load64(text + 16) & pk_load64(mask + 16),
        pk_load64(text + 24) & pk_load64(mask + 24),
    }};
}

uint64_t pk_hash_long(const uint8_t *song, size_t length, uint64_t seed);

/* The hash of a key. `song` (not empty) must be readable for PK_PADDING bytes beyond its length. */
static inline uint64_t
pk_key_hash(const pk_hasher *hasher, const uint8_t *song, size_t length, uint32_t date)
{
    uint64_t state;
    if (PK_LIKELY(length <= PK_HASH_SHORT)) {
        pk_hash_start start = hasher->starts[length];
        pk_hash_words words = pk_words_of(song, length);
        uint64_t one = pk_fold(words.at[0] ^ start.secret, words.at[1] ^ start.state);
        uint64_t two = pk_fold(words.at[2] ^ start.secret, words.at[3] ^ one);
        state = one ^ ((one ^ two) & (0 - (uint64_t)(length > 16)));
    } else {
        state = pk_hash_long(song, length, hasher->seed);
    }
    return pk_fold(state ^ date, PK_SECRET_0);
}

/* Another hash of a key, for the tables of one process: it takes less than the one that all must
 * have in common. `identity`: its length and date (table.h). */
static inline uint64_t
pk_table_hash(const pk_hasher *hasher, const uint8_t *song, size_t length, uint64_t identity)
{
    const uint64_t *secrets = hasher->secrets;
    uint64_t one, two = secrets[4];
    if (PK_LIKELY(length <= PK_HASH_SHORT)) {
        pk_hash_words words = pk_words_of(song, length);
        one = pk_fold(words.at[0] ^ secrets[0], words.at[1] ^ secrets[1]);
        two ^= pk_fold(words.at[2] ^ secrets[2], words.at[3] ^ secrets[3]);
    } else {
        one = pk_hash_long(song, length, hasher->seed);
    }
    return pk_fold(one ^ identity, two);
}

static inline uint32_t
pk_partition_of(uint64_t hash)
{
    return (uint32_t)(hash >> (64 - PK_PARTITION_BITS));
}

#endif
