/* Whether keys come back, told from a sample of them: without a table of all. */
#ifndef PLAYS_KERNEL_REPEATS_H
#define PLAYS_KERNEL_REPEATS_H

#include "common.h"

typedef struct {
    uint64_t *slots; /* hashes of keys that were seen; 0: free */
    size_t seen;
    uint64_t skipped; /* bits of a hash of which one is set where its key is not in the sample */
    size_t asked;
    size_t again; /* of those that were asked for, had been seen */
    size_t wanted; /* enough of them to tell */
} pk_repeats;

/* Keys that come back after so many samples of others are found. */
#define PK_REPEATS_REACH 8

/* A verdict takes about `sample` rows. */
pk_status pk_repeats_open(pk_repeats *repeats, size_t sample);
void pk_repeats_free(pk_repeats *repeats);
/* Takes note of a key in the sample. */
void pk_repeats_look(pk_repeats *repeats, uint64_t hash);
/* Whether, of the keys since the last verdict, most had been seen; false where they are too few. */
bool pk_repeats_verdict(pk_repeats *repeats);

static inline void
pk_repeats_note(pk_repeats *repeats, uint64_t hash)
{
    if (PK_UNLIKELY((hash & repeats->skipped) == 0)) {
        pk_repeats_look(repeats, hash);
    }
}

#endif
