#include "repeats.h"

#include "memory.h"

/* Keys in the sample of which a verdict is made. */
#define WANTED ((size_t)1 << 10)
/* Keys that the sample holds, and slots for them. */
#define KEYS (PK_REPEATS_REACH * WANTED)
#define SLOTS (2 * KEYS)
/* The bits of a hash that choose the sample, above those that find a slot. */
#define SHIFT 24

pk_status
pk_repeats_open(pk_repeats *repeats, size_t sample)
{
    uint64_t share = 1; /* one key of so many is in the sample */
    while (sample / (share * 2) >= WANTED) {
        share *= 2;
    }
    *repeats = (pk_repeats){
        .slots = pk_allocate(SLOTS * sizeof *repeats->slots),
        .skipped = (share - 1) << SHIFT,
        .wanted = sample < WANTED ? sample : WANTED,
    };
    if (repeats->slots == NULL) {
        return PK_NO_MEMORY;
    }
    memset(repeats->slots, 0, SLOTS * sizeof *repeats->slots);
    return PK_OK;
}

void
pk_repeats_free(pk_repeats *repeats)
{
    pk_release(repeats->slots, SLOTS * sizeof *repeats->slots);
    repeats->slots = NULL;
}

void
pk_repeats_look(pk_repeats *repeats, uint64_t hash)
{
    hash |= (uint64_t)1 << 63; /* none is 0 */
    repeats->asked++;
    size_t at = (size_t)hash & (SLOTS - 1);
    while (repeats->slots[at] != 0) {
        if (repeats->slots[at] == hash) {
            repeats->again++;
            return;
        }
        at = (at + 1) & (SLOTS - 1);
    }
    if (repeats->seen < KEYS) {
        repeats->seen++;
        repeats->slots[at] = hash;
    }
}

bool
pk_repeats_verdict(pk_repeats *repeats)
{
    if (repeats->asked < repeats->wanted) {
        return false;
    }
    bool mostly_again = repeats->again > repeats->asked / 2;
    repeats->asked = repeats->again = 0;
    return mostly_again;
}
