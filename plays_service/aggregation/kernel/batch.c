#include "batch.h"

/* Of the scratch, once it is needed: a batch of short songs, which is not cut short for it. */
#define SCRATCH_LEAST (2 * PK_PADDING * (size_t)PK_BATCH)

void
pk_batch_init(pk_batch *batch)
{
    memset(batch, 0, sizeof *batch);
    batch->size = PK_BATCH;
}

void
pk_batch_free(pk_batch *batch)
{
    pk_space_free(&batch->scratch);
}

pk_status
pk_batch_flush(pk_batch *batch)
{
    pk_status status = PK_OK;
    size_t taken = 0;
    if (batch->count > 0) {
        status = batch->sink(batch->context, batch->rows, batch->count, true, &taken);
        PK_ASSERT(status != PK_DOUBTED);
    }
    batch->count = 0;
    batch->scratch_used = 0;
    return status;
}

/* Bytes of the scratch that a song takes at most. */
static size_t
scratch_for(pk_span song)
{
    return (size_t)(song.end - song.start) + PK_PADDING;
}

static pk_status
room_in_scratch(pk_batch *batch, size_t size)
{
    if (batch->scratch.size - batch->scratch_used >= size) {
        return PK_OK;
    }
    pk_status status = pk_batch_flush(batch);
    if (status != PK_OK || batch->scratch.size >= size) {
        return status;
    }
    return pk_space_for(&batch->scratch, size < SCRATCH_LEAST ? SCRATCH_LEAST : 2 * size);
}

bool
pk_batch_undo_quotes(pk_batch *batch, pk_span *song)
{
    if (batch->scratch.size - batch->scratch_used < scratch_for(*song)) {
        return false;
    }
    uint8_t *to = batch->scratch.bytes + batch->scratch_used;
    const uint8_t *from = song->start, *quote;
    const uint8_t *const undone = to;
    while ((quote = pk_find_byte(from, song->end, '"')) != NULL) {
        size_t size = (size_t)(quote + 1 - from);
        pk_copy(to, from, size);
        to += size;
        from = quote + 2; /* behind the other one of two */
    }
    pk_copy(to, from, (size_t)(song->end - from));
    to += song->end - from;
    memset(to, 0, PK_PADDING);
    batch->scratch_used += (size_t)(to - undone) + PK_PADDING;
    *song = (pk_span){undone, to};
    return true;
}

pk_status
pk_batch_add(pk_batch *batch, pk_fields *fields, uint64_t first, bool *valid)
{
    if (fields->song_escaped) {
        pk_status status = room_in_scratch(batch, scratch_for(fields->song));
        if (status != PK_OK) {
            return status;
        }
        *valid = pk_batch_undo_quotes(batch, &fields->song);
        PK_ASSERT(*valid);
    }
    pk_row *row = &batch->rows[batch->count];
    *valid = pk_read_row(fields, first, row) && pk_row_date(row) != 0;
    if (!*valid) {
        return PK_OK;
    }
    batch->count++;
    batch->taken++;
    return batch->count >= batch->size ? pk_batch_flush(batch) : PK_OK;
}
