#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "groupfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "memory.h"

#define MAGIC "PLAYSGF1"
#define MAGIC_SIZE 8
#define ENTRY_SIZE 40
#define TRAILER_SIZE 28
#define OUT_SIZE ((size_t)1 << 20)

/* ---- Writing ---- */

void
pk_writer_open(pk_writer *writer, int descriptor, uint64_t offset)
{
    memset(writer, 0, sizeof *writer);
    pk_output_init(&writer->out, descriptor, offset);
}

void
pk_writer_close(pk_writer *writer)
{
    pk_output_free(&writer->out);
    pk_release(writer->index, writer->index_capacity);
    writer->index = NULL;
}

pk_status
pk_writer_flush(pk_writer *writer)
{
    return pk_output_flush(&writer->out);
}

static uint8_t
unsigned_width(uint64_t largest)
{
    return largest == 0 ? 0 : largest <= 0xFF ? 1 : largest <= 0xFFFF ? 2
                          : largest <= UINT32_MAX ? 4 : 8;
}

static uint8_t
signed_width(pk_int128 min, pk_int128 max)
{
    pk_int128 largest = max > ~min ? max : ~min;
    if (min == 0 && max == 0) {
        return 0;
    }
    return largest <= INT8_MAX    ? 1
           : largest <= INT16_MAX ? 2
           : largest <= INT32_MAX ? 4
           : largest <= INT64_MAX ? 8
                                  : 16;
}

static pk_status
add_index_entry(pk_writer *writer, uint32_t bucket, const pk_block_shape *shape, uint64_t size,
                const uint8_t *widths)
{
    size_t wanted = writer->index_used + ENTRY_SIZE;
    if (wanted > writer->index_capacity) {
        size_t capacity = writer->index_capacity ? 2 * writer->index_capacity : 1024;
        uint8_t *index = pk_resize(writer->index, writer->index_capacity, capacity);
        if (index == NULL) {
            return PK_NO_MEMORY;
        }
        writer->index = index;
        writer->index_capacity = capacity;
    }
    uint8_t *entry = writer->index + writer->index_used;
    memset(entry, 0, ENTRY_SIZE);
    pk_store(entry, bucket, 4);
    pk_store(entry + 4, shape->count, 4);
    pk_store(entry + 8, writer->out.offset + writer->out.used, 8);
    pk_store(entry + 16, size, 8);
    pk_store(entry + 24, shape->first_min, 8);
    memcpy(entry + 32, widths, 4);
    writer->index_used = wanted;
    return PK_OK;
}

pk_status
pk_writer_begin(pk_writer *writer, uint32_t bucket, const pk_block_shape *shape,
                pk_block_writer *block)
{
    PK_ASSERT(shape->count > 0 && shape->count <= UINT32_MAX);
    block->base = shape->first_min;
    block->widths[0] = unsigned_width(shape->first_max - shape->first_min);
    block->widths[1] = unsigned_width(shape->date_max);
    block->widths[2] = signed_width(shape->total_min, shape->total_max);
    block->widths[3] = unsigned_width(shape->length_max);
    uint64_t width = 0, size = shape->text_bytes;
    for (int i = 0; i < 4; i++) {
        width += block->widths[i];
    }
    size += width * shape->count;
    pk_output *out = &writer->out;
    pk_status status = PK_OK;
    size_t wanted = size + PK_PADDING;
    if (out->used > 0 && out->size - out->used < wanted) {
        status = pk_output_flush(out);
    }
    if (status == PK_OK) {
        status = pk_output_reserve(out, wanted < OUT_SIZE ? OUT_SIZE : wanted);
    }
    if (status == PK_OK) {
        status = add_index_entry(writer, bucket, shape, size, block->widths);
    }
    if (status != PK_OK) {
        return status;
    }
    uint8_t *column = out->bytes + out->used;
    for (int i = 0; i < 4; i++) {
        block->columns[i] = column;
        column += block->widths[i] * shape->count;
    }
    block->text = column;
    out->used += size;
    return PK_OK;
}

/* ---- Reading ---- */

/* CRC-32 as zlib's: polynomial 0xEDB88320, 4 bits a step; an index is short. */
static uint32_t
checksum(const uint8_t *bytes, size_t size)
{
    static const uint32_t steps[16] = {
        0x00000000, 0x1DB71064, 0x3B6E20C8, 0x26D930AC, 0x76DC4190, 0x6B6B51F4,
        0x4DB26158, 0x5005713C, 0xEDB88320, 0xF00F9344, 0xD6D6A3E8, 0xCB61B38C,
        0x9B64C2B0, 0x86D3D2D4, 0xA00AE278, 0xBDBDF21C,
    };
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < size; i++) {
        crc ^= bytes[i];
        crc = crc >> 4 ^ steps[crc & 15];
        crc = crc >> 4 ^ steps[crc & 15];
    }
    return ~crc;
}

/* Reads exactly `size` bytes; fewer are damage. */
static pk_status
read_at(int descriptor, uint8_t *bytes, size_t size, uint64_t offset)
{
    while (size > 0) {
        ssize_t count = pread(descriptor, bytes, size, (off_t)offset);
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count <= 0) {
            return count < 0 ? PK_INPUT_ERROR : PK_DAMAGED;
        }
        bytes += count;
        size -= (size_t)count;
        offset += (uint64_t)count;
    }
    return PK_OK;
}

static bool
read_entry(const uint8_t *entry, uint64_t index_offset, pk_block *block)
{
    *block = (pk_block){
        .bucket = pk_load32(entry),
        .count = pk_load32(entry + 4),
        .offset = pk_load64(entry + 8),
        .size = pk_load64(entry + 16),
        .base = pk_load64(entry + 24),
    };
    uint64_t width = 0;
    for (int i = 0; i < 4; i++) {
        uint8_t one = entry[32 + i];
        bool known = one <= 2 || one == 4 || one == 8 || (one == 16 && i == 2);
        if (!known) {
            return false;
        }
        block->widths[i] = one;
        width += one;
    }
    /* no text is empty: so there are never more groups than bytes */
    if (block->widths[3] == 0 || block->offset < MAGIC_SIZE || block->offset > index_offset ||
        block->size > index_offset - block->offset || width * block->count > block->size) {
        return false;
    }
    block->text_bytes = block->size - width * block->count;
    return true;
}

/* Makes a file's stretch of blocks hold one more. */
static void
widen(pk_group_file *file, const pk_block *block)
{
    const uint64_t end = block->offset + block->size;
    const bool first = file->end == 0;
    file->start = first || block->offset < file->start ? block->offset : file->start;
    file->end = end > file->end ? end : file->end;
}

static pk_status
add_block(pk_blocks *blocks, const pk_block *block)
{
    if (blocks->count == blocks->capacity) {
        size_t capacity = blocks->capacity ? 2 * blocks->capacity : 64;
        pk_block *moved = pk_resize(blocks->blocks, blocks->capacity * sizeof *moved,
                                    capacity * sizeof *moved);
        if (moved == NULL) {
            return PK_NO_MEMORY;
        }
        blocks->blocks = moved;
        blocks->capacity = capacity;
    }
    blocks->blocks[blocks->count++] = *block;
    widen(&blocks->files[block->file], block);
    return PK_OK;
}

static pk_status
add_entries(pk_blocks *blocks, size_t file, const uint8_t *entries, uint32_t count,
            uint64_t index_offset, uint32_t first_bucket, uint32_t last_bucket)
{
    for (uint32_t i = 0; i < count; i++) {
        pk_block block;
        if (!read_entry(entries + (size_t)i * ENTRY_SIZE, index_offset, &block)) {
            return PK_DAMAGED;
        }
        block.file = file;
        if (block.bucket < first_bucket || block.bucket >= last_bucket || block.count == 0) {
            continue;
        }
        pk_status status = add_block(blocks, &block);
        if (status != PK_OK) {
            return status;
        }
    }
    return PK_OK;
}

static pk_status
read_index(pk_blocks *blocks, size_t file, uint32_t first_bucket, uint32_t last_bucket)
{
    int descriptor = blocks->files[file].descriptor;
    struct stat about;
    if (fstat(descriptor, &about) < 0) {
        return PK_INPUT_ERROR;
    }
    if (about.st_size < MAGIC_SIZE + TRAILER_SIZE) {
        return PK_DAMAGED;
    }
    uint64_t end = (uint64_t)about.st_size - TRAILER_SIZE;
    uint8_t trailer[TRAILER_SIZE];
    pk_status status = read_at(descriptor, trailer, TRAILER_SIZE, end);
    if (status != PK_OK) {
        return status;
    }
    uint64_t offset = pk_load64(trailer);
    uint32_t count = pk_load32(trailer + 8), note_size = pk_load32(trailer + 12);
    uint64_t size = (uint64_t)count * ENTRY_SIZE + note_size;
    if (memcmp(trailer + 20, MAGIC, MAGIC_SIZE) != 0 || offset > end || size != end - offset) {
        return PK_DAMAGED;
    }
    uint8_t *bytes = pk_allocate(size + PK_PADDING);
    if (bytes == NULL) {
        return PK_NO_MEMORY;
    }
    status = read_at(descriptor, bytes, size, offset);
    if (status == PK_OK && checksum(bytes, size) != pk_load32(trailer + 16)) {
        status = PK_DAMAGED;
    }
    if (status == PK_OK) {
        status = add_entries(blocks, file, bytes, count, offset, first_bucket, last_bucket);
    }
    pk_release(bytes, size + PK_PADDING);
    return status;
}

static int
compare_blocks(const void *a, const void *b)
{
    const pk_block *x = a, *y = b;
    if (x->bucket != y->bucket) {
        return x->bucket < y->bucket ? -1 : 1;
    }
    if (x->file != y->file) {
        return x->file < y->file ? -1 : 1;
    }
    return x->offset < y->offset ? -1 : x->offset > y->offset;
}

pk_status
pk_blocks_open(pk_blocks *blocks, const char *const *paths, size_t files, uint32_t first_bucket,
               uint32_t last_bucket, pk_failure *failure)
{
    memset(blocks, 0, sizeof *blocks);
    blocks->files = pk_allocate(files * sizeof *blocks->files);
    if (blocks->files == NULL) {
        return PK_NO_MEMORY;
    }
    blocks->file_count = files;
    for (size_t i = 0; i < files; i++) {
        blocks->files[i] = (pk_group_file){.descriptor = -1};
    }
    for (size_t i = 0; i < files; i++) {
        failure->file = i;
        blocks->files[i].descriptor = open(paths[i], O_RDONLY | O_CLOEXEC);
        pk_status status = blocks->files[i].descriptor < 0
                               ? PK_INPUT_ERROR
                               : read_index(blocks, i, first_bucket, last_bucket);
        if (status != PK_OK) {
            return status;
        }
    }
    if (blocks->count > 0) {
        qsort(blocks->blocks, blocks->count, sizeof *blocks->blocks, compare_blocks);
    }
    return PK_OK;
}

void
pk_blocks_close(pk_blocks *blocks)
{
    for (size_t i = 0; blocks->files != NULL && i < blocks->file_count; i++) {
        if (blocks->files[i].descriptor >= 0) {
            (void)close(blocks->files[i].descriptor);
        }
    }
    pk_release(blocks->files, blocks->file_count * sizeof *blocks->files);
    pk_release(blocks->blocks, blocks->capacity * sizeof *blocks->blocks);
    pk_space_free(&blocks->loaded);
    memset(blocks, 0, sizeof *blocks);
}

size_t
pk_same_bucket(const pk_blocks *blocks, size_t from)
{
    size_t to = from + 1;
    while (to < blocks->count && blocks->blocks[to].bucket == blocks->blocks[from].bucket) {
        to++;
    }
    return to - from;
}

pk_status
pk_block_read(const pk_blocks *blocks, const pk_block *block, uint8_t *bytes)
{
    memset(bytes + block->size, 0, PK_PADDING);
    return read_at(blocks->files[block->file].descriptor, bytes, block->size, block->offset);
}

uint64_t
pk_blocks_size(const pk_blocks *blocks)
{
    uint64_t size = 0;
    for (size_t i = 0; i < blocks->file_count; i++) {
        size += blocks->files[i].end - blocks->files[i].start;
    }
    return size;
}

pk_status
pk_blocks_load(pk_blocks *blocks, pk_failure *failure)
{
    const uint64_t size = pk_blocks_size(blocks);
    pk_status status = pk_space_for(&blocks->loaded, size + PK_PADDING);
    if (status != PK_OK) {
        return status;
    }
    uint8_t *bytes = blocks->loaded.bytes;
    memset(bytes + size, 0, PK_PADDING);
    for (size_t i = 0; i < blocks->file_count && status == PK_OK; i++) {
        pk_group_file *file = &blocks->files[i];
        failure->file = i;
        status = read_at(file->descriptor, bytes, file->end - file->start, file->start);
        file->bytes = bytes;
        bytes += file->end - file->start;
    }
    return status;
}

const uint8_t *
pk_block_loaded(const pk_blocks *blocks, const pk_block *block)
{
    const pk_group_file *file = &blocks->files[block->file];
    return file->bytes + (block->offset - file->start);
}

void
pk_cursor_open(pk_cursor *cursor, const pk_block *block, const uint8_t *bytes)
{
    cursor->block = block;
    cursor->left = block->count;
    for (int i = 0; i < 4; i++) {
        unsigned width = block->widths[i];
        cursor->columns[i] = bytes;
        cursor->masks[i] = width >= 8 ? UINT64_MAX : (1ULL << 8 * width) - 1;
        bytes += (uint64_t)width * block->count;
    }
    cursor->text = bytes;
    cursor->end = bytes + block->text_bytes;
}
