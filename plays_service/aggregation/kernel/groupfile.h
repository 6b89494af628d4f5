/* Group files: partials and runs; groupfile.py is the specification. */
#ifndef PLAYS_KERNEL_GROUPFILE_H
#define PLAYS_KERNEL_GROUPFILE_H

#include "common.h"
#include "memory.h"
#include "output.h"

/* ---- Writing ---- */

/* Writes blocks; magic, index and trailer are the caller's to add (the note is JSON). */
typedef struct {
    pk_output out;
    uint8_t *index;  /* packed entries */
    size_t index_used;
    size_t index_capacity;
} pk_writer;

/* What decides how wide the columns of a block are. */
typedef struct {
    uint64_t count;
    uint64_t first_min;
    uint64_t first_max;
    uint32_t date_max;
    uint32_t length_max;
    pk_int128 total_min;
    pk_int128 total_max;
    uint64_t text_bytes;
} pk_block_shape;

/* A block that is being filled. */
typedef struct {
    uint64_t base;
    uint8_t widths[4];
    uint8_t *columns[4];
    uint8_t *text;
} pk_block_writer;

/* Blocks go to `descriptor` from `offset` on. */
void pk_writer_open(pk_writer *writer, int descriptor, uint64_t offset);
void pk_writer_close(pk_writer *writer);
pk_status pk_writer_flush(pk_writer *writer);
/* Starts a block of exactly the groups that went into `shape`. */
pk_status pk_writer_begin(pk_writer *writer, uint32_t bucket, const pk_block_shape *shape,
                          pk_block_writer *block);

static inline void
pk_shape_add(pk_block_shape *shape, uint64_t first, uint32_t date, pk_int128 total,
             uint32_t length)
{
    if (shape->count++ == 0) {
        *shape = (pk_block_shape){1, first, first, date, length, total, total, length};
        return;
    }
    shape->first_min = first < shape->first_min ? first : shape->first_min;
    shape->first_max = first > shape->first_max ? first : shape->first_max;
    shape->date_max = date > shape->date_max ? date : shape->date_max;
    shape->length_max = length > shape->length_max ? length : shape->length_max;
    shape->total_min = total < shape->total_min ? total : shape->total_min;
    shape->total_max = total > shape->total_max ? total : shape->total_max;
    shape->text_bytes += length;
}

static inline void
pk_block_put(pk_block_writer *block, unsigned column, uint64_t value)
{
    pk_store(block->columns[column], value, block->widths[column]);
    block->columns[column] += block->widths[column];
}

/* Adds the next group; `text` is padded. */
static inline void
pk_block_add(pk_block_writer *block, uint64_t first, uint32_t date, pk_int128 total,
             const uint8_t *text, uint32_t length)
{
    pk_block_put(block, 0, first - block->base);
    pk_block_put(block, 1, date);
    if (PK_LIKELY(block->widths[2] <= 8)) {
        pk_block_put(block, 2, (uint64_t)total);
    } else {
        pk_store(block->columns[2], (uint64_t)total, 8);
        pk_store(block->columns[2] + 8, (uint64_t)((pk_uint128)total >> 64), 8);
        block->columns[2] += 16;
    }
    pk_block_put(block, 3, length);
    pk_copy(block->text, text, length); /* may write beyond its end: before the next text */
    block->text += length;
}

/* ---- Reading ---- */

typedef struct {
    uint32_t bucket;
    uint32_t count;
    uint64_t offset;
    uint64_t size;
    uint64_t base;
    uint8_t widths[4];
    uint64_t text_bytes;
    size_t file; /* which of several */
} pk_block;

typedef struct {
    int descriptor;
    uint64_t start; /* of its blocks, and their end */
    uint64_t end;
    const uint8_t *bytes; /* from there on, once they are loaded */
} pk_group_file;

/* The blocks of several files that lie in a range of buckets: by bucket, then by file, then as
 * they lie in the file. */
typedef struct {
    pk_group_file *files;
    size_t file_count;
    pk_block *blocks;
    size_t count;
    size_t capacity;
    pk_space loaded;
} pk_blocks;

/* Opens `paths`; checks each index and that every block lies within its file. */
pk_status pk_blocks_open(pk_blocks *blocks, const char *const *paths, size_t files,
                         uint32_t first_bucket, uint32_t last_bucket, pk_failure *failure);
void pk_blocks_close(pk_blocks *blocks);
/* How many blocks from `from` on have its bucket. */
size_t pk_same_bucket(const pk_blocks *blocks, size_t from);
/* Reads a block into `bytes` (its size and PK_PADDING). */
pk_status pk_block_read(const pk_blocks *blocks, const pk_block *block, uint8_t *bytes);
/* Bytes that loading all blocks takes. */
uint64_t pk_blocks_size(const pk_blocks *blocks);
/* Reads all blocks, of each file at once: for blocks that are small, and many. */
pk_status pk_blocks_load(pk_blocks *blocks, pk_failure *failure);
/* The bytes of a block, all of them being loaded; readable for PK_PADDING more. */
const uint8_t *pk_block_loaded(const pk_blocks *blocks, const pk_block *block);

/* The groups of a block, one after the other. */
typedef struct {
    const pk_block *block;
    const uint8_t *columns[4];
    const uint8_t *text;
    const uint8_t *end;
    uint64_t masks[4];
    uint32_t left;
} pk_cursor;

typedef struct {
    uint64_t first;
    uint64_t date;
    pk_int128 total;
    uint64_t length;
    const uint8_t *text;
} pk_group;

void pk_cursor_open(pk_cursor *cursor, const pk_block *block, const uint8_t *bytes);

static inline uint64_t
pk_cursor_take(pk_cursor *cursor, unsigned column)
{
    uint64_t value = pk_load64(cursor->columns[column]) & cursor->masks[column];
    cursor->columns[column] += cursor->block->widths[column];
    return value;
}

static inline pk_int128
pk_cursor_take_total(pk_cursor *cursor)
{
    unsigned width = cursor->block->widths[2];
    if (PK_UNLIKELY(width == 16)) {
        pk_uint128 low = pk_load64(cursor->columns[2]);
        pk_uint128 high = pk_load64(cursor->columns[2] + 8);
        cursor->columns[2] += 16;
        return (pk_int128)(low | high << 64);
    }
    uint64_t value = pk_cursor_take(cursor, 2);
    uint64_t sign = (cursor->masks[2] >> 1) + 1;
    return width == 0 ? 0 : (int64_t)((value ^ sign) - sign);
}

/* The next group; false where its text would not lie in the block. */
static inline bool
pk_cursor_next(pk_cursor *cursor, pk_group *group)
{
    PK_ASSERT(cursor->left > 0);
    cursor->left--;
    group->first = pk_cursor_take(cursor, 0) + cursor->block->base;
    group->date = pk_cursor_take(cursor, 1);
    group->total = pk_cursor_take_total(cursor);
    group->length = pk_cursor_take(cursor, 3);
    group->text = cursor->text;
    if (PK_UNLIKELY(group->length > (uint64_t)(cursor->end - cursor->text))) {
        return false;
    }
    cursor->text += group->length;
    return true;
}

#endif
