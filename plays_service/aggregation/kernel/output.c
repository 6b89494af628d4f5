#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "output.h"

#include <errno.h>
#include <unistd.h>

#include "memory.h"

void
pk_output_init(pk_output *output, int descriptor, uint64_t offset)
{
    *output = (pk_output){.descriptor = descriptor, .offset = offset};
}

void
pk_output_free(pk_output *output)
{
    pk_release(output->bytes, output->size);
    output->bytes = NULL;
}

pk_status
pk_write_at(int descriptor, const uint8_t *bytes, size_t size, uint64_t offset)
{
    while (size > 0) {
        ssize_t count = pwrite(descriptor, bytes, size, (off_t)offset);
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count <= 0) {
            errno = count == 0 ? ENOSPC : errno;
            return PK_OUTPUT_ERROR;
        }
        bytes += count;
        size -= (size_t)count;
        offset += (uint64_t)count;
    }
    return PK_OK;
}

pk_status
pk_output_flush(pk_output *output)
{
    pk_status status =
        pk_write_at(output->descriptor, output->bytes, output->used, output->offset);
    output->offset += output->used;
    output->used = 0;
    return status;
}

pk_status
pk_output_reserve(pk_output *output, size_t size)
{
    if (size <= output->size) {
        return PK_OK;
    }
    uint8_t *bytes = pk_resize(output->bytes, output->size, size);
    if (bytes == NULL) {
        return PK_NO_MEMORY;
    }
    output->bytes = bytes;
    output->size = size;
    return PK_OK;
}

pk_status
pk_output_make_room(pk_output *output, size_t size)
{
    pk_status status = pk_output_flush(output);
    return status == PK_OK ? pk_output_reserve(output, size) : status;
}

pk_status
pk_close_written(int descriptor, pk_status status)
{
    int before = errno;
    if (descriptor >= 0 && close(descriptor) < 0 && status == PK_OK) {
        return PK_OUTPUT_ERROR;
    }
    errno = before;
    return status;
}
