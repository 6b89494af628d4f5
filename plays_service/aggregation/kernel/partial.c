#include "partial.h"

pk_status
pk_write_partition(const pk_table *table, uint32_t partition, const uint32_t *order, size_t count,
                   pk_writer *writer)
{
    pk_block_shape shape = {0};
    for (size_t i = 0; i < count; i++) {
        const pk_entry *entry = &table->entries[order == NULL ? i : order[i]];
        pk_shape_add(&shape, entry->first, pk_entry_date(entry), entry->total,
                     pk_entry_length(entry));
    }
    pk_block_writer block;
    pk_status status = pk_writer_begin(writer, partition, &shape, &block);
    if (status != PK_OK) {
        return status;
    }
    for (size_t i = 0; i < count; i++) {
        const pk_entry *entry = &table->entries[order == NULL ? i : order[i]];
        pk_block_add(&block, entry->first, pk_entry_date(entry), entry->total,
                     pk_entry_song(entry), pk_entry_length(entry));
    }
    return PK_OK;
}
