#include "segment.h"

#include "ahead.h"
#include "hash.h"
#include "memory.h"
#include "partial.h"
#include "repeats.h"
#include "scatter.h"
#include "utf8.h"

/* Rows scattered before they are written: enough for long blocks, and bounded in memory even where
 * the memory is large, for pages that are not touched need not be zeroed. */
#define SCATTER_BYTES ((size_t)128 << 20)

/* Takes the rows of one segment: into a table while keys repeat, else straight into partitions. */
typedef struct {
    const pk_scan *scan;
    const pk_means *means;
    pk_writer *writer; /* NULL: must not spill */
    pk_hasher hasher;
    pk_table table;
    pk_scatter scatter;
    pk_repeats repeats; /* among the scattered rows */
    bool scattering;
    bool trusted; /* the table, against a sample of rows: once, not again */
    size_t budget;
    size_t sample; /* rows of this one */
    size_t sampled; /* so far */
    size_t new_groups; /* among them */
} fold;

static void
fold_open(fold *one, const pk_scan *scan, const pk_means *means, pk_writer *writer)
{
    memset(one, 0, sizeof *one);
    one->scan = scan;
    one->means = means;
    one->writer = writer;
    one->budget = means->memory / 2; /* the other half is for buffers and spilling */
    one->sample = means->sample;
    pk_hasher_init(&one->hasher, means->seed);
    pk_table_init(&one->table);
    pk_scatter_init(&one->scatter);
}

static void
fold_close(fold *one)
{
    pk_table_free(&one->table);
    pk_scatter_free(&one->scatter);
    pk_repeats_free(&one->repeats);
}

/* A batch must not outgrow a tiny budget by much: only tests have one. */
static size_t
batch_for(size_t memory)
{
    size_t batch = memory / 2 / (2 * PK_GROUP_COST);
    return batch < 1 ? 1 : batch > PK_BATCH ? PK_BATCH : batch;
}

/* Numbers of the entries by partition, in order of first appearance within each. */
static void
order_by_partition(const pk_table *table, uint32_t *starts, uint32_t *order)
{
    memset(starts, 0, (PK_PARTITIONS + 1) * sizeof *starts);
    for (size_t i = 0; i < table->count; i++) {
        starts[pk_entry_partition(&table->entries[i]) + 1]++;
    }
    for (size_t i = 0; i < PK_PARTITIONS; i++) {
        starts[i + 1] += starts[i];
    }
    uint32_t next[PK_PARTITIONS];
    memcpy(next, starts, sizeof next);
    for (size_t i = 0; i < table->count; i++) {
        order[next[pk_entry_partition(&table->entries[i])]++] = (uint32_t)i;
    }
}

/* Gives each group its date for its date's code, and its partition. */
static void
settle_table(fold *one)
{
    for (size_t i = 0; i < one->table.count; i++) {
        pk_entry *entry = &one->table.entries[i];
        uint32_t length = pk_entry_length(entry), date = pk_date_of_code(pk_entry_date(entry));
        uint64_t hash = pk_key_hash(&one->hasher, pk_entry_song(entry), length, date);
        pk_entry_settle(entry, date, pk_partition_of(hash));
    }
}

/* Writes the table's groups by partition and empties it. */
static pk_status
spill_table(fold *one)
{
    const pk_table *table = &one->table;
    if (table->count == 0) {
        return PK_OK;
    }
    settle_table(one);
    size_t size = table->count * sizeof(uint32_t);
    uint32_t *order = pk_allocate(size);
    if (order == NULL) {
        return PK_NO_MEMORY;
    }
    uint32_t starts[PK_PARTITIONS + 1];
    order_by_partition(table, starts, order);
    pk_status status = PK_OK;
    for (uint32_t i = 0; i < PK_PARTITIONS && status == PK_OK; i++) {
        size_t count = starts[i + 1] - starts[i];
        if (count > 0) {
            status = pk_write_partition(table, i, order + starts[i], count, one->writer);
        }
    }
    pk_release(order, size);
    pk_table_clear(&one->table);
    return status;
}

/* Whether most rows of the last sample were new keys, so that looking them up was in vain. */
static bool
mostly_new(fold *one, size_t rows, size_t groups)
{
    one->new_groups += groups;
    one->sampled += rows;
    if (one->sampled < one->sample) {
        return false;
    }
    bool mostly = one->new_groups > one->sampled - one->sampled / 3;
    one->sampled = one->new_groups = 0;
    one->sample = one->means->sample;
    return mostly;
}

/* Keys were only new because the same ones had not come back yet. The table gets the time for that
 * before it is judged again. */
static void
trust_table(fold *one)
{
    one->trusted = true;
    one->sample = PK_REPEATS_REACH * one->means->sample;
}

/* Unless the keys come back further on: then the table stays. */
static pk_status
begin_scattering(fold *one)
{
    if (!one->trusted) {
        bool back;
        pk_status looked = pk_look_ahead(one->scan, &one->table, &one->hasher, &back);
        if (looked != PK_OK) {
            return looked;
        }
        if (back) {
            trust_table(one);
            return PK_OK;
        }
    }
    pk_status status = spill_table(one);
    pk_table_free(&one->table);
    one->scattering = true;
    if (status == PK_OK && !one->trusted) {
        status = pk_repeats_open(&one->repeats, one->means->sample);
    }
    return status == PK_OK ? pk_scatter_reserve(&one->scatter, PK_PARTITIONS) : status;
}

/* The keys that were scattered come back. */
static pk_status
return_to_table(fold *one)
{
    pk_status status = pk_scatter_flush(&one->scatter, one->writer);
    pk_scatter_free(&one->scatter);
    pk_repeats_free(&one->repeats);
    one->scattering = false;
    trust_table(one);
    return status;
}

static pk_status
scatter_rows(fold *one, pk_row *rows, size_t count, size_t *taken)
{
    size_t budget = one->budget < SCATTER_BYTES ? one->budget : SCATTER_BYTES;
    for (size_t i = 0; i < count; i++) {
        pk_row *row = &rows[i];
        uint32_t length = pk_identity_length(row->identity);
        uint32_t date = pk_row_date(row);
        row->hash = pk_key_hash(&one->hasher, row->song, length, date);
        *taken = i;
        if (PK_UNLIKELY(date == 0)) {
            return PK_DOUBTED;
        }
        pk_status status = pk_scatter_add(&one->scatter, pk_partition_of(row->hash), row->first,
                                          date, row->plays, row->song, length);
        if (PK_UNLIKELY(status != PK_OK)) {
            return status;
        }
    }
    *taken = count;
    if (!one->trusted) {
        for (size_t i = 0; i < count; i++) {
            pk_repeats_note(&one->repeats, rows[i].hash);
        }
        if (pk_repeats_verdict(&one->repeats)) {
            return return_to_table(one);
        }
    }
    bool full = one->scatter.bytes > budget;
    return full ? pk_scatter_flush(&one->scatter, one->writer) : PK_OK;
}

/* Whether a row whose key is new is a good one; where its key is known, an equal one was. */
static bool
admit(const void *context, const pk_row *row)
{
    const bool *utf8 = context;
    return (*utf8 || pk_is_utf8(row->song, pk_identity_length(row->identity))) &&
           pk_row_date(row) != 0;
}

static pk_status
fold_rows(fold *one, pk_row *rows, size_t count, bool utf8, size_t *taken)
{
    size_t before = one->table.count;
    for (size_t i = 0; i < count; i++) {
        pk_row_hash(&rows[i], &one->hasher);
    }
    pk_status status = pk_table_reserve(&one->table, count);
    if (status == PK_OK) {
        status = pk_table_fold_admitted(&one->table, rows, count, admit, &utf8, taken);
    }
    if (status != PK_OK && status != PK_DOUBTED) {
        return status;
    }
    pk_status room = PK_OK;
    bool outgrown = pk_table_bytes(&one->table) > one->budget;
    if (one->writer == NULL) {
        room = outgrown ? PK_OUTGROWN : PK_OK;
    } else if (mostly_new(one, *taken, one->table.count - before)) {
        room = begin_scattering(one);
    } else if (outgrown) {
        room = spill_table(one);
    }
    return room == PK_OK ? status : room;
}

static pk_status
take_rows(void *context, pk_row *rows, size_t count, bool utf8, size_t *taken)
{
    fold *one = context;
    if (one->scattering && !utf8) {
        return PK_DOUBTED; /* at the first */
    }
    return one->scattering ? scatter_rows(one, rows, count, taken)
                           : fold_rows(one, rows, count, utf8, taken);
}

pk_status
pk_aggregate_segment(pk_scan *scan, const pk_means *means, pk_writer *writer)
{
    fold one;
    fold_open(&one, scan, means, writer);
    scan->base = means->base;
    scan->batch.size = batch_for(means->memory);
    pk_status status = pk_scan_run(scan, take_rows, &one);
    if (status == PK_OK) {
        status = one.scattering ? pk_scatter_flush(&one.scatter, writer) : spill_table(&one);
    }
    if (status == PK_OK) {
        status = pk_writer_flush(writer);
    }
    fold_close(&one);
    return status;
}

/* ---- A whole file ---- */

pk_status
pk_aggregate_whole(pk_scan *scan, const pk_means *means, const pk_new_result *result,
                   uint64_t *groups)
{
    fold one;
    fold_open(&one, scan, means, NULL);
    scan->base = means->base;
    scan->batch.size = batch_for(means->memory);
    pk_status status = pk_scan_run(scan, take_rows, &one);
    if (status == PK_OK) {
        *groups = one.table.count;
        settle_table(&one);
        status = pk_write_result(&one.table, NULL, result);
    }
    fold_close(&one);
    return status;
}
