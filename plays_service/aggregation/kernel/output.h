/* Bytes on their way into a file, many at once. */
#ifndef PLAYS_KERNEL_OUTPUT_H
#define PLAYS_KERNEL_OUTPUT_H

#include "common.h"

typedef struct {
    int descriptor;
    uint8_t *bytes;
    size_t size;
    size_t used;
    uint64_t offset; /* in the file of bytes[0] */
} pk_output;

/* Ready for bytes from `offset` on; has no room yet. */
void pk_output_init(pk_output *output, int descriptor, uint64_t offset);
void pk_output_free(pk_output *output);
/* Writes what waits. */
pk_status pk_output_flush(pk_output *output);
/* Makes it hold `size` bytes at least, those that wait among them. */
pk_status pk_output_reserve(pk_output *output, size_t size);
/* Writes what waits and makes room for `size` bytes. */
pk_status pk_output_make_room(pk_output *output, size_t size);

/* Room for `size` further bytes. */
static inline pk_status
pk_output_room(pk_output *output, size_t size)
{
    return PK_LIKELY(output->size - output->used >= size) ? PK_OK
                                                          : pk_output_make_room(output, size);
}

/* Writes all of `size` bytes at `offset`. */
pk_status pk_write_at(int descriptor, const uint8_t *bytes, size_t size, uint64_t offset);
/* Closes a file that was written, if it is open: NFS may tell only now that it could not take it.
 * What went wrong before stays, and errno with it. */
pk_status pk_close_written(int descriptor, pk_status status);

#endif
