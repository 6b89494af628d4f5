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

/* A mask of the low `count` (0..8) bytes. */
static inline uint64_t
pk_low_bytes(unsigned count)
{
    static const uint64_t masks[9] = {
        0, 0xFF, 0xFFFF, 0xFFFFFF, 0xFFFFFFFF, 0xFFFFFFFFFF, 0xFFFFFFFFFFFF, 0xFFFFFFFFFFFFFF,
        UINT64_MAX,
    };
    return masks[count];
}

/* The hash's step for the last 1..16 bytes of a text (0: what comes out is not used). */
static inline uint64_t
pk_hash_tail(const uint8_t *p, size_t rest, uint64_t secret, uint64_t state)
{
    unsigned low = rest < 8 ? (unsigned)rest : 8;
    unsigned high = rest > 8 ? (unsigned)rest - 8 : 0;
    return pk_fold((pk_load64(p) & pk_low_bytes(low)) ^ secret,
                   (pk_load64(p + 8) & pk_low_bytes(high)) ^ state);
}

/* `song` (not empty) must be readable for PK_PADDING bytes beyond its length. */
static inline uint64_t
pk_key_hash(const uint8_t *song, size_t length, uint32_t date, uint64_t seed)
{
    uint64_t state = seed ^ pk_fold((seed ^ PK_SECRET_0) | 1, PK_SECRET_1 ^ length);
    uint64_t secret = pk_fold(state ^ PK_SECRET_1, PK_SECRET_0);
    if (PK_LIKELY(length <= 32)) {
        /* both steps always, then a choice: how many steps a song takes cannot be predicted */
        size_t first = length < 16 ? length : 16;
        uint64_t one = pk_hash_tail(song, first, secret, state);
        uint64_t two = pk_hash_tail(song + 16, length - first, secret, one);
        state = length > 16 ? two : one;
    } else {
        while (length > 16) {
            state = pk_fold(pk_load64(song) ^ secret, pk_load64(song + 8) ^ state);
            song += 16;
            length -= 16;
        }
        state = pk_hash_tail(song, length, secret, state);
    }
    return pk_fold(state ^ date, PK_SECRET_0);
}

static inline uint32_t
pk_partition_of(uint64_t hash)
{
    return (uint32_t)(hash >> (64 - PK_PARTITION_BITS));
}

#endif
