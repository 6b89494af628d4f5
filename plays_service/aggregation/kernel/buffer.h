/* A window over a file. Files are read, not mapped: a file that shrinks meanwhile is then a short
 * read, not a SIGBUS, and reading into a buffer that stays in the cache is no slower. */
#ifndef PLAYS_KERNEL_BUFFER_H
#define PLAYS_KERNEL_BUFFER_H

#include "common.h"

/* Bytes that are usually read at once: with an index of them they fit a core's own cache. A test
 * makes it tiny. */
#ifndef PK_WINDOW
#define PK_WINDOW ((size_t)128 << 10)
#endif

/* Bytes [position, length) are not yet taken. */
typedef struct {
    int descriptor;
    uint8_t *bytes; /* padded on both sides */
    size_t capacity;
    size_t position;
    size_t length;
    uint64_t base;  /* offset in the file of bytes[0] */
    uint64_t moves; /* how often positions in the buffer changed their meaning */
    bool at_end;    /* of the file */
} pk_buffer;

/* `size`: how much is usually read at once. */
pk_status pk_buffer_open(pk_buffer *buffer, int descriptor, uint64_t start, size_t size);
void pk_buffer_close(pk_buffer *buffer);
/* Reads up to `size` further bytes; sets at_end where there are none. Untaken bytes stay, but may
 * move. */
pk_status pk_buffer_read(pk_buffer *buffer, size_t size);

#endif
