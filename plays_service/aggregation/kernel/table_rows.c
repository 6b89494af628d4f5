#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "table_rows.h"

#include <fcntl.h>

#include "output.h"
#include "rows.h"

#define OUT_SIZE ((size_t)1 << 20)
/* Rows between asking for an entry and writing it. */
#define AHEAD 8

static void
ask_for(const pk_table *table, const pk_placed *order, size_t i)
{
    if (order != NULL && i < table->count) {
        __builtin_prefetch(&table->entries[order[i].what]);
    }
}

static pk_status
write_rows(const pk_table *table, const pk_placed *order, pk_output *out)
{
    for (size_t i = 0; i < table->count; i++) {
        ask_for(table, order, i + AHEAD);
        const pk_entry *entry = &table->entries[order == NULL ? i : order[i].what];
        uint32_t length = pk_entry_length(entry);
        pk_status status = pk_output_room(out, 2 * (size_t)length + PK_ROW_EXTRA + PK_PADDING);
        if (status != PK_OK) {
            return status;
        }
        uint8_t *end = pk_write_row(out->bytes + out->used, pk_entry_song(entry), length,
                                    pk_entry_date(entry), entry->total);
        out->used = (size_t)(end - out->bytes);
    }
    return PK_OK;
}

pk_status
pk_write_result(const pk_table *table, const pk_placed *order, const pk_new_result *result)
{
    pk_output out;
    pk_output_init(&out, -1, 0);
    size_t estimate = result->header_size + table->count * 64 + 4096;
    pk_status status = pk_output_reserve(&out, estimate < OUT_SIZE ? estimate : OUT_SIZE);
    if (status == PK_OK) {
        status = pk_output_room(&out, result->header_size);
    }
    if (status == PK_OK) {
        out.descriptor = open(result->path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
        status = out.descriptor < 0 ? PK_OUTPUT_ERROR : PK_OK;
    }
    if (status == PK_OK) {
        memcpy(out.bytes, result->header, result->header_size);
        out.used = result->header_size;
        status = write_rows(table, order, &out);
    }
    if (status == PK_OK) {
        status = pk_output_flush(&out);
    }
    pk_output_free(&out);
    return pk_close_written(out.descriptor, status);
}
