/* Views of a result: views.py is the specification. */
#ifndef PLAYS_KERNEL_VIEW_H
#define PLAYS_KERNEL_VIEW_H

#include "common.h"
#include "match.h"

typedef enum { PK_BY_APPEARANCE, PK_BY_SONG, PK_BY_DATE, PK_BY_PLAYS } pk_sort;

typedef struct {
    pk_sort sort;
    bool descending;
    size_t memory;       /* bytes, about */
    uint64_t start;      /* of the first row in the result */
    uint64_t step;       /* rows on one offset */
    unsigned width;      /* bytes of an offset */
    uint64_t head_size;  /* of the view, left to be written */
    const char *scratch; /* a name beside the view for files that have none for long */
} pk_view_means;

/* Writes the offsets of the wanted rows of `result` into `view`; `rows` is how many there are. */
pk_status pk_build_view(int result, int view, const pk_view_means *means, pk_match *match,
                        uint64_t *rows);

#endif
