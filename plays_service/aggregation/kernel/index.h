/* Where the bytes are that give a CSV its structure. */
#ifndef PLAYS_KERNEL_INDEX_H
#define PLAYS_KERNEL_INDEX_H

#include "common.h"

/* Slots that an index function may write beyond the last position. */
#define PK_INDEX_SLACK 72

typedef struct {
    size_t count; /* of positions, which are in order */
    size_t end;   /* of the text that they are of */
    bool quotes;  /* some are in it */
    bool inner_line_ends; /* some of its line ends are in quotes */
} pk_indexed;

/* Writes positions in [from, to); `text` must be readable for PK_PADDING bytes beyond `to`. */
typedef pk_indexed pk_index_function(const uint8_t *text, size_t from, size_t to,
                                     uint8_t delimiter, uint8_t line_end, uint32_t *positions);

typedef struct {
    const char *name;
    /* Of each delimiter, line end and quote. */
    pk_index_function *special;
    /* Of the delimiters and line ends outside of quotes, where a record starts at `from`. It ends
     * where quotes are not as RFC 4180 has them: up to there a field that starts with a quote ends
     * with one, and others hold none. */
    pk_index_function *structure;
    /* How often `byte` is in [from, to), which must be readable as for the above. */
    size_t (*count)(const uint8_t *text, size_t from, size_t to, uint8_t byte);
    bool (*is_utf8)(const uint8_t *text, size_t length); /* as pk_is_utf8, for long texts */
} pk_indexer;

/* The fastest that this machine has. */
extern const pk_indexer *pk_index;

/* Chooses it; `name` is "avx512", "avx2", "sse2", "neon", "plain" or NULL for the best. False: not here. */
bool pk_choose_index(const char *name);

#endif
