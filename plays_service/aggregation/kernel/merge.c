#include "merge.h"

#include "hash.h"
#include "memory.h"
#include "order.h"
#include "output.h"
#include "partial.h"
#include "rows.h"
#include "scatter.h"
#include "table.h"

#define BATCH 128
/* Rows of a run that wait to be written: enough for long blocks. */
#define WAITING_BYTES ((size_t)96 << 20)
#define OUT_SIZE ((size_t)1 << 20)
/* Buckets that a run may have: more come only of a damaged partial, or a tiny memory. */
#define BUCKETS_MAX ((uint64_t)1 << 26)
#define TEXT_BITS 24 /* a row of the result: a song of the longest size, every byte doubled */

/* ---- Partials into a run ---- */

typedef struct {
    const pk_blocks *partials;
    const pk_merge_means *means;
    pk_writer *writer; /* of a run, or of a partial */
    pk_failure *failure;
    pk_hasher hasher;
    pk_table table;
    pk_scatter ranges;
    pk_space block;
    pk_space row;
    uint64_t groups;
} merge;

static bool
is_partial_group(const pk_group *group)
{
    return group->date >= 1 && group->date <= PK_DATE_MAX && group->length >= 1 &&
           group->length <= PK_RECORD_LIMIT;
}

/* Folds the groups of a block whose hash falls into `share` of `passes` into the table. */
static pk_status
fold_block(merge *one, const pk_block *block, uint64_t passes, uint64_t share)
{
    pk_cursor cursor;
    pk_cursor_open(&cursor, block, one->block.bytes);
    pk_row rows[BATCH];
    pk_int128 totals[BATCH];
    const bool wide = block->widths[2] == 16;
    while (cursor.left > 0) {
        size_t count = 0;
        for (size_t i = 0; i < BATCH && cursor.left > 0; i++) {
            pk_group group;
            if (!pk_cursor_next(&cursor, &group) || !is_partial_group(&group)) {
                return PK_DAMAGED;
            }
            uint32_t length = (uint32_t)group.length, date = (uint32_t)group.date;
            uint64_t hash = pk_key_hash(&one->hasher, group.text, length, date);
            totals[count] = group.total;
            rows[count] = (pk_row){group.text, pk_identity(date, length), (int64_t)group.total,
                                   group.first, hash};
            /* the top bits of the hash chose the partition, so the share takes the low ones */
            count += passes == 1 || hash % passes == share;
        }
        pk_status status = pk_table_reserve(&one->table, count);
        if (status == PK_OK && !wide) {
            status = pk_table_fold(&one->table, rows, count);
        }
        for (size_t i = 0; wide && status == PK_OK && i < count; i++) {
            status = pk_table_fold_wide(&one->table, &rows[i], totals[i]);
        }
        if (status != PK_OK) {
            return status;
        }
    }
    return PK_OK;
}

static pk_status
flush_ranges(merge *one)
{
    return pk_scatter_flush(&one->ranges, one->writer);
}

static pk_status
range_of(merge *one, uint64_t first, uint32_t *bucket)
{
    uint64_t number = first / one->means->range_size;
    if (number >= BUCKETS_MAX) {
        return PK_NO_MEMORY;
    }
    *bucket = (uint32_t)number;
    if (number < one->ranges.count) {
        return PK_OK;
    }
    size_t count = number < 32 ? 64 : 2 * (size_t)number;
    return pk_scatter_reserve(&one->ranges, count);
}

/* Turns the groups of the table into rows of the run. */
static pk_status
write_groups(merge *one)
{
    size_t budget = one->means->memory / 4 < WAITING_BYTES ? one->means->memory / 4 : WAITING_BYTES;
    for (size_t i = 0; i < one->table.count; i++) {
        const pk_entry *entry = &one->table.entries[i];
        uint32_t length = pk_entry_length(entry), bucket;
        size_t room = 2 * (size_t)length + PK_ROW_EXTRA + PK_PADDING;
        pk_status status = pk_space_for(&one->row, room);
        if (status == PK_OK) {
            status = range_of(one, entry->first, &bucket);
        }
        if (status != PK_OK) {
            return status;
        }
        uint8_t *text = one->row.bytes;
        uint8_t *end = pk_write_row(text, pk_entry_song(entry), length, pk_entry_date(entry),
                                    entry->total);
        status = pk_scatter_add(&one->ranges, bucket, entry->first, 0, 0, text,
                                (uint32_t)(end - text));
        if (status == PK_OK && one->ranges.bytes > budget) {
            status = flush_ranges(one);
        }
        if (status != PK_OK) {
            return status;
        }
    }
    one->groups += one->table.count;
    return PK_OK;
}

/* Takes what a partition was merged into: the table, or a share of it. */
typedef pk_status take_groups(merge *one, uint32_t partition);

static pk_status
take_as_rows(merge *one, uint32_t partition)
{
    (void)partition;
    return write_groups(one);
}

static pk_status
take_as_partial(merge *one, uint32_t partition)
{
    size_t count = one->table.count;
    one->groups += count;
    return count > 0 ? pk_write_partition(&one->table, partition, NULL, count, one->writer) : PK_OK;
}

/* Merges the blocks of one partition, in as many passes as it needs to fit the memory. */
static pk_status
merge_partition(merge *one, const pk_block *blocks, size_t count, take_groups *take)
{
    uint64_t cost = 0, budget = one->means->memory / 2;
    for (size_t i = 0; i < count; i++) {
        cost += PK_GROUP_COST * (uint64_t)blocks[i].count + blocks[i].text_bytes;
    }
    uint64_t passes = cost / (budget ? budget : 1) + 1;
    for (uint64_t share = 0; share < passes; share++) {
        pk_table_clear(&one->table);
        for (size_t i = 0; i < count; i++) {
            one->failure->file = blocks[i].file;
            pk_status status = pk_space_for(&one->block, blocks[i].size + PK_PADDING);
            if (status == PK_OK) {
                status = pk_block_read(one->partials, &blocks[i], one->block.bytes);
            }
            if (status == PK_OK) {
                status = fold_block(one, &blocks[i], passes, share);
            }
            if (status != PK_OK) {
                return status;
            }
        }
        pk_status status = take(one, blocks->bucket);
        if (status != PK_OK) {
            return status;
        }
    }
    return PK_OK;
}

/* How many blocks from `from` on have its bucket. */
static size_t
same_bucket(const pk_blocks *blocks, size_t from)
{
    size_t to = from + 1;
    while (to < blocks->count && blocks->blocks[to].bucket == blocks->blocks[from].bucket) {
        to++;
    }
    return to - from;
}

static pk_status
merge_all(const pk_blocks *partials, const pk_merge_means *means, take_groups *take,
          pk_writer *writer, uint64_t *groups, pk_failure *failure)
{
    merge one = {.partials = partials, .means = means, .writer = writer, .failure = failure};
    pk_hasher_init(&one.hasher, means->seed);
    pk_table_init(&one.table);
    pk_scatter_init(&one.ranges);
    pk_status status = PK_OK;
    for (size_t i = 0; i < partials->count && status == PK_OK;) {
        size_t count = same_bucket(partials, i);
        status = merge_partition(&one, partials->blocks + i, count, take);
        i += count;
    }
    if (status == PK_OK) {
        status = flush_ranges(&one);
    }
    if (status == PK_OK) {
        status = pk_writer_flush(writer);
    }
    pk_table_free(&one.table);
    pk_scatter_free(&one.ranges);
    pk_space_free(&one.block);
    pk_space_free(&one.row);
    *groups = one.groups;
    return status;
}

pk_status
pk_merge(const pk_blocks *partials, const pk_merge_means *means, pk_writer *run, uint64_t *groups,
         pk_failure *failure)
{
    return merge_all(partials, means, take_as_rows, run, groups, failure);
}

pk_status
pk_combine(const pk_blocks *partials, const pk_merge_means *means, pk_writer *partial,
           uint64_t *groups, pk_failure *failure)
{
    return merge_all(partials, means, take_as_partial, partial, groups, failure);
}

/* ---- Runs into the result ---- */

typedef struct {
    const pk_blocks *runs;
    pk_failure *failure;
    pk_output out;
    pk_space texts;
    pk_space rows;
    pk_space sorted;
} restore;

/* Reads the blocks of a bucket one behind the other and lists their rows. */
static pk_status
list_rows(restore *one, const pk_block *blocks, size_t count, size_t *rows, uint64_t *spread)
{
    uint64_t size = 0, base = UINT64_MAX;
    *rows = 0;
    *spread = 0;
    for (size_t i = 0; i < count; i++) {
        size += blocks[i].size;
        *rows += blocks[i].count;
        base = blocks[i].base < base ? blocks[i].base : base;
    }
    if (size >> (64 - TEXT_BITS) != 0) {
        return PK_NO_MEMORY;
    }
    pk_status status = pk_space_for(&one->texts, size + PK_PADDING);
    if (status == PK_OK) {
        status = pk_space_for(&one->rows, *rows * sizeof(pk_placed));
    }
    uint8_t *bytes = one->texts.bytes;
    pk_placed *next = (pk_placed *)(void *)one->rows.bytes;
    for (size_t i = 0; i < count && status == PK_OK; i++) {
        one->failure->file = blocks[i].file;
        status = pk_block_read(one->runs, &blocks[i], bytes);
        pk_cursor cursor;
        pk_cursor_open(&cursor, &blocks[i], bytes);
        while (status == PK_OK && cursor.left > 0) {
            pk_group group;
            if (!pk_cursor_next(&cursor, &group) || group.length >> TEXT_BITS != 0) {
                return PK_DAMAGED;
            }
            uint64_t first = group.first - base;
            uint64_t text = (uint64_t)(group.text - one->texts.bytes);
            /* where it belongs, and where its text is: offset and length in one */
            *next++ = (pk_placed){first, text << TEXT_BITS | group.length};
            *spread |= first;
        }
        bytes += blocks[i].size;
    }
    return status;
}

static pk_status
sort_rows(restore *one, size_t count, uint64_t spread)
{
    pk_status status = pk_space_for(&one->sorted, count * sizeof(pk_placed));
    pk_placed *rows = (pk_placed *)(void *)one->rows.bytes;
    if (status == PK_OK && pk_order(rows, (pk_placed *)(void *)one->sorted.bytes, count, spread)) {
        pk_space swap = one->rows;
        one->rows = one->sorted;
        one->sorted = swap;
    }
    return status;
}

static pk_status
write_texts(restore *one, size_t count)
{
    const pk_placed *rows = (const pk_placed *)(const void *)one->rows.bytes;
    const uint8_t *texts = one->texts.bytes;
    const uint64_t length_mask = (1ULL << TEXT_BITS) - 1;
    const size_t ahead = 16;
    pk_output *const out = &one->out;
    pk_status status = PK_OK;
    for (size_t i = 0; i < count && status == PK_OK; i++) {
        if (i + ahead < count) {
            __builtin_prefetch(texts + (rows[i + ahead].what >> TEXT_BITS));
        }
        size_t length = (size_t)(rows[i].what & length_mask);
        const uint8_t *text = texts + (rows[i].what >> TEXT_BITS);
        status = pk_output_room(out, length + PK_PADDING);
        if (PK_UNLIKELY(status != PK_OK)) {
            break;
        }
        uint8_t *to = out->bytes + out->used;
        if (length <= 64) {
            memcpy(to, text, 32);
            memcpy(to + 32, text + 32, 32);
        } else {
            memcpy(to, text, length);
        }
        out->used += length;
    }
    return status;
}

pk_status
pk_write_ranges(const pk_blocks *runs, int descriptor, uint64_t offset, pk_failure *failure)
{
    restore one = {.runs = runs, .failure = failure};
    pk_output_init(&one.out, descriptor, offset);
    pk_status status = pk_output_reserve(&one.out, OUT_SIZE);
    for (size_t i = 0; i < runs->count && status == PK_OK;) {
        size_t count = same_bucket(runs, i), rows;
        uint64_t spread;
        status = list_rows(&one, runs->blocks + i, count, &rows, &spread);
        if (status == PK_OK) {
            status = sort_rows(&one, rows, spread);
        }
        if (status == PK_OK) {
            status = write_texts(&one, rows);
        }
        i += count;
    }
    if (status == PK_OK) {
        status = pk_output_flush(&one.out);
    }
    pk_space_free(&one.texts);
    pk_space_free(&one.rows);
    pk_space_free(&one.sorted);
    pk_output_free(&one.out);
    return status;
}
