#include "hash.h"

/* The low `count` (0..8) bytes of a word. */
static uint64_t
low_bytes(uint64_t word, size_t count)
{
    return count < 8 ? word & ((1ULL << 8 * count) - 1) : word;
}

/* All of the hash but the date. */
uint64_t
pk_hash_long(const uint8_t *song, size_t length, uint64_t seed)
{
    pk_hash_start start = pk_hash_begin(seed, length);
    uint64_t state = start.state;
    for (; length > 16; song += 16, length -= 16) {
        state = pk_fold(pk_load64(song) ^ start.secret, pk_load64(song + 8) ^ state);
    }
    uint64_t low = low_bytes(pk_load64(song), length);
    uint64_t high = low_bytes(pk_load64(song + 8), length > 8 ? length - 8 : 0);
    return pk_fold(low ^ start.secret, high ^ state);
}
