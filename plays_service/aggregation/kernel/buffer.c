#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "buffer.h"

#include <errno.h>
#include <unistd.h>

#include "memory.h"

static size_t
allocation(size_t capacity)
{
    return capacity + 2 * PK_PADDING;
}

pk_status
pk_buffer_open(pk_buffer *buffer, int descriptor, uint64_t start, size_t size)
{
    memset(buffer, 0, sizeof *buffer);
    uint8_t *memory = pk_allocate(allocation(size));
    if (memory == NULL) {
        return PK_NO_MEMORY;
    }
    memset(memory, 0, PK_PADDING);
    buffer->descriptor = descriptor;
    buffer->bytes = memory + PK_PADDING;
    buffer->capacity = size;
    buffer->base = start;
    memset(buffer->bytes, 0, PK_PADDING);
    return PK_OK;
}

void
pk_buffer_close(pk_buffer *buffer)
{
    if (buffer->bytes != NULL) {
        pk_release(buffer->bytes - PK_PADDING, allocation(buffer->capacity));
        buffer->bytes = NULL;
    }
}

static void
move_to_front(pk_buffer *buffer)
{
    buffer->length -= buffer->position;
    memmove(buffer->bytes, buffer->bytes + buffer->position, buffer->length);
    buffer->base += buffer->position;
    buffer->position = 0;
    buffer->moves++;
}

static pk_status
make_room(pk_buffer *buffer, size_t size)
{
    size_t untaken = buffer->length - buffer->position;
    /* a short rest moves at once: a buffer used from its front stays in the cache */
    bool full = buffer->length + size > buffer->capacity;
    if (buffer->position > 0 && (full || untaken <= size / 8)) {
        move_to_front(buffer);
    }
    if (buffer->length + size <= buffer->capacity) {
        return PK_OK;
    }
    /* so much more that moving stays rare next to reading */
    size_t capacity = 3 * (buffer->length + size);
    uint8_t *memory = pk_resize(buffer->bytes - PK_PADDING, allocation(buffer->capacity),
                                allocation(capacity));
    if (memory == NULL) {
        return PK_NO_MEMORY;
    }
    buffer->bytes = memory + PK_PADDING;
    buffer->capacity = capacity;
    return PK_OK;
}

pk_status
pk_buffer_read(pk_buffer *buffer, size_t size)
{
    pk_status status = make_room(buffer, size);
    if (status != PK_OK) {
        return status;
    }
    ssize_t count;
    do {
        count = pread(buffer->descriptor, buffer->bytes + buffer->length, size,
                      (off_t)(buffer->base + buffer->length));
    } while (count < 0 && errno == EINTR);
    if (count < 0) {
        return PK_INPUT_ERROR;
    }
    buffer->at_end = count == 0;
    buffer->length += (size_t)count;
    memset(buffer->bytes + buffer->length, 0, PK_PADDING);
    return PK_OK;
}
