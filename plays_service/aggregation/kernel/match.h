/* Which rows a query wants; row_query.py is the specification. */
#ifndef PLAYS_KERNEL_MATCH_H
#define PLAYS_KERNEL_MATCH_H

#include "common.h"
#include "memory.h"
#include "result.h"

#define PK_FOLD_TEXT 12
#define PK_FOLD_BLOCKS ((0x110000 / 64) / 8)

/* What a character becomes when its case is folded, as UTF-8, filled up with zeros. */
typedef struct {
    uint32_t character;
    uint8_t text[PK_FOLD_TEXT];
} pk_fold_entry;

typedef struct {
    const uint8_t *needle; /* folded */
    size_t needle_length;  /* 0: any song will do */
    uint32_t first_date;
    uint32_t last_date;
    const pk_fold_entry *folds; /* of characters beyond ASCII, in order */
    size_t fold_count;
    uint8_t blocks[PK_FOLD_BLOCKS]; /* a bit for 64 characters: whether any of them is in `folds` */
    pk_space folded;                /* the present song */
} pk_match;

/* What is not set is 0; the other members must be set before. */
void pk_match_open(pk_match *match);
void pk_match_close(pk_match *match);
/* PK_OK: wanted; PK_STOPPED: not; PK_DAMAGED: the song is no UTF-8. */
pk_status pk_match_row(pk_match *match, const pk_result_row *row);

#endif
