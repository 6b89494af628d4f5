/* A result in numbers; result_summary.py is the specification. */
#ifndef PLAYS_KERNEL_DIGEST_H
#define PLAYS_KERNEL_DIGEST_H

#include "common.h"
#include "result.h"

#define PK_TOP_SONGS 20
#define PK_PERIODS ((size_t)1 << 15) /* more than there are years, twice */

typedef struct {
    uint32_t period; /* a date divided by the divisor; 0: none */
    pk_int128 plays;
} pk_period;

typedef struct {
    const uint8_t *song; /* a copy */
    uint32_t length;
    pk_int128 plays;
} pk_top_song;

typedef struct {
    uint64_t rows;
    uint64_t songs;
    uint64_t dates;
    pk_int128 plays;
    uint32_t first_date;
    uint32_t last_date;
    uint32_t divisor;
    pk_period *periods; /* PK_PERIODS of them, in no order */
    pk_top_song top[PK_TOP_SONGS];
    size_t top_count;
} pk_digest;

typedef struct {
    uint64_t seed;
    size_t memory;       /* bytes, about */
    uint64_t start;      /* of the first row in the result */
    size_t most_periods; /* from more on they are taken together */
} pk_digest_means;

/* Must be closed whatever comes out. */
pk_status pk_digest_result(int result, const pk_digest_means *means, pk_digest *digest);
void pk_digest_close(pk_digest *digest);

#endif
