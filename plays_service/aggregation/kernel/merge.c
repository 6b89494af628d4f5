#include "merge.h"

#include "hash.h"
#include "memory.h"
#include "order.h"
#include "partial.h"
#include "rows.h"
#include "scatter.h"
#include "table.h"
#include "table_rows.h"

#define BATCH 128
/* Rows of a run that wait to be written: enough for long blocks. */
#define WAITING_BYTES ((size_t)96 << 20)
/* Buckets that a run may have: more come only of a damaged partial, or a tiny memory. */
#define BUCKETS_MAX ((uint64_t)1 << 26)

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
fold_block(merge *one, const pk_block *block, const uint8_t *bytes, uint64_t passes, uint64_t share)
{
    pk_cursor cursor;
    pk_cursor_open(&cursor, block, bytes);
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

/* Estimated bytes that the groups of some blocks take in a table. */
static uint64_t
cost_of(const pk_block *blocks, size_t count)
{
    uint64_t cost = 0;
    for (size_t i = 0; i < count; i++) {
        cost += PK_GROUP_COST * (uint64_t)blocks[i].count + blocks[i].text_bytes;
    }
    return cost;
}

/* Merges the blocks of one partition, in as many passes as it needs to fit the memory. */
static pk_status
merge_partition(merge *one, const pk_block *blocks, size_t count, take_groups *take)
{
    uint64_t budget = one->means->memory / 2;
    uint64_t passes = cost_of(blocks, count) / (budget ? budget : 1) + 1;
    for (uint64_t share = 0; share < passes; share++) {
        pk_table_clear(&one->table);
        for (size_t i = 0; i < count; i++) {
            one->failure->file = blocks[i].file;
            pk_status status = pk_space_for(&one->block, blocks[i].size + PK_PADDING);
            if (status == PK_OK) {
                status = pk_block_read(one->partials, &blocks[i], one->block.bytes);
            }
            if (status == PK_OK) {
                status = fold_block(one, &blocks[i], one->block.bytes, passes, share);
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

static void
merge_open(merge *one, const pk_blocks *partials, const pk_merge_means *means, pk_failure *failure)
{
    *one = (merge){.partials = partials, .means = means, .failure = failure};
    pk_hasher_init(&one->hasher, means->seed);
    pk_table_init(&one->table);
    pk_scatter_init(&one->ranges);
}

static void
merge_close(merge *one)
{
    pk_table_free(&one->table);
    pk_scatter_free(&one->ranges);
    pk_space_free(&one->block);
    pk_space_free(&one->row);
}

static pk_status
merge_all(const pk_blocks *partials, const pk_merge_means *means, take_groups *take,
          pk_writer *writer, uint64_t *groups, pk_failure *failure)
{
    merge one;
    merge_open(&one, partials, means, failure);
    one.writer = writer;
    pk_status status = PK_OK;
    for (size_t i = 0; i < partials->count && status == PK_OK;) {
        size_t count = pk_same_bucket(partials, i);
        status = merge_partition(&one, partials->blocks + i, count, take);
        i += count;
    }
    if (status == PK_OK) {
        status = flush_ranges(&one);
    }
    if (status == PK_OK) {
        status = pk_writer_flush(writer);
    }
    merge_close(&one);
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

/* ---- All at once ---- */

static bool
fits(const pk_blocks *partials, size_t memory)
{
    uint64_t cost = cost_of(partials->blocks, partials->count) + pk_blocks_size(partials);
    for (size_t i = 0; i < partials->count; i++) {
        cost += 2 * sizeof(pk_placed) * (uint64_t)partials->blocks[i].count;
    }
    return cost <= memory / 2;
}

/* Folds all groups into the table: a partition's keys are looked for among its own. */
static pk_status
fold_all(merge *one)
{
    for (size_t i = 0; i < one->partials->count; i++) {
        const pk_block *block = &one->partials->blocks[i];
        if (i > 0 && block->bucket != block[-1].bucket) {
            pk_table_close(&one->table);
        }
        one->failure->file = block->file;
        pk_status status = fold_block(one, block, pk_block_loaded(one->partials, block), 1, 0);
        if (status != PK_OK) {
            return status;
        }
    }
    return PK_OK;
}

/* The numbers of the table's entries in order of first row, in one half of `placed` or the other;
 * NULL where there are none. */
static pk_status
order_entries(const pk_table *table, pk_space *placed, const pk_placed **order)
{
    const size_t count = table->count;
    *order = NULL;
    if (count == 0) {
        return PK_OK;
    }
    pk_status status = pk_space_for(placed, 2 * count * sizeof(pk_placed));
    if (status != PK_OK) {
        return status;
    }
    pk_placed *rows = (pk_placed *)(void *)placed->bytes, *spare = rows + count;
    uint64_t spread = 0;
    for (size_t i = 0; i < count; i++) {
        rows[i] = (pk_placed){table->entries[i].first, i};
        spread |= rows[i].key ^ rows[0].key;
    }
    *order = pk_order(rows, spare, count, spread) ? spare : rows;
    return PK_OK;
}

pk_status
pk_merge_at_once(pk_blocks *partials, const pk_merge_means *means, const pk_new_result *result,
                 uint64_t *groups, pk_failure *failure)
{
    if (!fits(partials, means->memory)) {
        return PK_OUTGROWN;
    }
    merge one;
    pk_space placed = {0};
    const pk_placed *order;
    merge_open(&one, partials, means, failure);
    pk_status status = pk_blocks_load(partials, failure);
    if (status == PK_OK) {
        status = fold_all(&one);
    }
    if (status == PK_OK) {
        status = order_entries(&one.table, &placed, &order);
    }
    if (status == PK_OK) {
        status = pk_write_result(&one.table, order, result);
    }
    *groups = one.table.count;
    pk_space_free(&placed);
    merge_close(&one);
    return status;
}
