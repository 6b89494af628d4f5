/* Where the bytes are that give a CSV its structure. */
#ifndef PLAYS_KERNEL_INDEX_H
#define PLAYS_KERNEL_INDEX_H

#include "common.h"

/* Slots that pk_index may write beyond the last position. */
#define PK_INDEX_SLACK 72

/* Writes the positions in [from, to) of `delimiter`, `line_end` and the quote, in order; how many.
 * `text` must be readable for PK_PADDING bytes beyond `to`. Sets `*ascii` to whether all bytes
 * are. */
typedef size_t pk_index_function(const uint8_t *text, size_t from, size_t to, uint8_t delimiter,
                                 uint8_t line_end, uint32_t *positions, bool *ascii);

/* The fastest that this machine has. */
extern pk_index_function *pk_index;

/* Chooses it; `name` is "avx2", "sse2", "neon", "plain" or NULL for the best. False: not here. */
bool pk_choose_index(const char *name);

#endif
