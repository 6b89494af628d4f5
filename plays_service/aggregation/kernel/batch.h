/* Good rows, on their way to whoever takes them, many at once. */
#ifndef PLAYS_KERNEL_BATCH_H
#define PLAYS_KERNEL_BATCH_H

#include "fields.h"
#include "memory.h"

#define PK_BATCH 128

/* Takes rows, in order; they and their texts are gone when it returns. Their dates are codes.
 * `utf8`: their songs are known to be that. PK_DOUBTED: it has taken them up to the `*taken`th, whose
 * key is new, and whose song is not known to be UTF-8, or its date no day. */
typedef pk_status pk_sink(void *context, pk_row *rows, size_t count, bool utf8, size_t *taken);

typedef struct {
    pk_row rows[PK_BATCH];
    size_t count;
    size_t size;    /* count at which they are sent */
    uint64_t taken; /* rows, so far: sent and not yet */
    pk_sink *sink;
    void *context;
    pk_space scratch; /* songs whose quotes had to be undone */
    size_t scratch_used;
} pk_batch;

/* Ready, but for the sink. */
void pk_batch_init(pk_batch *batch);
void pk_batch_free(pk_batch *batch);
/* Sends what waits, which has been proved. */
pk_status pk_batch_flush(pk_batch *batch);
/* Takes the row that the fields make; sends all where that fills the batch. False in `*valid`:
 * they make none. */
pk_status pk_batch_add(pk_batch *batch, pk_fields *fields, uint64_t first, bool *valid);
/* Writes the song with each quote once to the scratch, if there is room. */
bool pk_batch_undo_quotes(pk_batch *batch, pk_span *song);

#endif
