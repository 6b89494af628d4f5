/* Sorting by number, without a comparison. */
#ifndef PLAYS_KERNEL_ORDER_H
#define PLAYS_KERNEL_ORDER_H

#include "common.h"

typedef struct {
    uint64_t key;
    uint64_t what; /* goes with it */
} pk_placed;

/* Sorts by the bits of the keys that are set in `spread`, the others being equal in all of them.
 * Equal ones keep their order. `spare` is of the same size; true: they are there afterwards. */
bool pk_order(pk_placed *rows, pk_placed *spare, size_t count, uint64_t spread);

#endif
