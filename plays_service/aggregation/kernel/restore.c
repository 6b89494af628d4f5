#include "restore.h"

#include "memory.h"
#include "order.h"
#include "output.h"

#define OUT_SIZE ((size_t)1 << 20)
#define TEXT_BITS 24 /* a row of the result: a song of the longest size, every byte doubled */

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
        size_t count = pk_same_bucket(runs, i), rows;
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
